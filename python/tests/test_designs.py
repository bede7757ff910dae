"""The designs' words in Python: names, snippets near their text, and buffers of every class behind one interface."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

import backbuf
from backbuf import BufferState, BufferUsage


def test_the_names_of_the_designs() -> None:
    names = """CBufferManager GLBufferManager BufferUpdate spsc_buffer SPSCSender SPSCReceiver SPSCReceiverStream SPSCSink
        ManagedBuffer ChannelFull SendersDisconnected ReceiversDisconnected BufferRegistry BufferGroup CUDABuffer
        buffer_registry DeviceBuffer ImmediateStagingBuffer DeferredStagingBuffer ReadbackBuffer DynamicBuffer"""
    for name in names.split():
        assert hasattr(backbuf, name), name


# --- the manager ---


def test_updates_of_the_design() -> None:
    manager = backbuf.CBufferManager((8, 8), dtype="f8")
    manager.enqueue(backbuf.BufferUpdate(0, 2, np.array([1.0, 2.0])))
    manager.enqueue([backbuf.BufferUpdate(8 * 8, 1, 3.0), backbuf.BufferUpdate(8 * 63, 1, 4.0)])
    manager.synchronize()
    with manager.front() as front:
        assert front.array[0, :2].tolist() == [1, 2]
        assert (front.array[1, 0], front.array[7, 7]) == (3, 4)


def test_a_chunk_of_a_ring_is_data() -> None:
    tx, rx = backbuf.spsc_buffer(1024)
    tx.send(np.array([1.0, 2.0]))
    manager = backbuf.CBufferManager(4, dtype="f8")
    chunk = next(rx.into_stream())
    manager.enqueue(backbuf.BufferUpdate(8, 2, chunk))
    manager.enqueue(backbuf.BufferUpdate(24, 1, memoryview(np.array([3.0]))))
    manager.synchronize()
    with manager.front() as front:
        assert front.array.tolist() == [0, 1, 2, 3]


# --- the ring ---


def test_the_ring_of_the_design() -> None:
    tx, rx = backbuf.spsc_buffer(1024)
    assert tx.send(b"some bytes") == 10
    assert rx.recv(size=4) == b"some"
    assert rx.recv(1024) == b" bytes"
    assert rx.recv(1024) == b"", "nothing yet"
    with pytest.raises(backbuf.ChannelFull):
        for _ in range(2000):
            tx.send(b"12345678")
    rx.recv(1024)
    tx.close()
    with pytest.raises(backbuf.SendersDisconnected):
        rx.recv(1024)


def test_the_stream_of_the_design() -> None:
    async def main() -> list[bytes]:
        tx, rx = backbuf.spsc_buffer(1 << 16)
        await tx.send_async(bytes(20_000))
        await tx.send_async(b"end")
        tx.close()
        return [bytes(chunk) async for chunk in rx.into_stream(pool_size=8192)]

    chunks = asyncio.run(main())
    assert [len(chunk) for chunk in chunks] == [8192, 8192, 3619]
    assert b"".join(chunks) == bytes(20_000) + b"end"


def test_batches_of_chunks() -> None:
    async def main() -> tuple[list[int], list[int]]:
        tx, rx = backbuf.spsc_buffer(1 << 16)
        await tx.send_async(bytes(64 * 12))
        tx.close()
        stream = rx.into_stream(64, pool_count=4)
        async for ready in stream.ready_chunks(2):
            first = [len(chunk) for chunk in ready]
            break
        return first, [len(batch) async for batch in stream.chunks(5)]

    first, batches = asyncio.run(main())
    assert first == [64, 64]
    assert set(batches[:-1]) <= {5}
    assert 0 < batches[-1] <= 5


# --- buffers ---


@pytest.fixture
def device() -> Any:
    with backbuf.Device.host(label="designs") as device:
        yield device


def read(device: backbuf.Device, buffer: Any) -> bytes:
    with backbuf.ReadbackBuffer(device, buffer.size) as readback:
        return bytes(np.asarray(readback.read(buffer).wait()))


def test_roles_answer_the_same_queries(device: backbuf.Device) -> None:
    roles: list[Any] = [
        backbuf.Buffer(device, 64, BufferUsage.STORAGE, label="same"),
        backbuf.DeviceBuffer(device, 64, BufferUsage.STORAGE, label="same"),
        backbuf.ImmediateStagingBuffer(device, 64, label="same"),
        backbuf.DeferredStagingBuffer(device, 64, label="same"),
        backbuf.ReadbackBuffer(device, 64, label="same"),
        backbuf.DynamicBuffer(device, 64, label="same"),
    ]
    for role in roles:
        assert (role.size, role.label, role.valid) == (64, "same", True)
        assert role.usage
        assert role.state == (BufferState.MAPPED if isinstance(role, backbuf.ImmediateStagingBuffer) else BufferState.READY)
        assert repr(role).startswith(f"<{type(role).__name__} 'same' of 64 bytes")
        role.close()
        assert "closed" in repr(role)


def test_copies_between_classes(device: backbuf.Device) -> None:
    usage = BufferUsage.COPY_SRC | BufferUsage.COPY_DST
    plain = backbuf.Buffer(device, 16, usage)
    target = backbuf.DeviceBuffer(device, 16, usage)
    encoder = backbuf.Encoder(device)
    encoder.write(plain, bytes(range(16)))
    encoder.copy(plain, target)
    encoder.copy(target, plain, 3, source_offset=1, target_offset=13)
    staging = backbuf.ImmediateStagingBuffer(device, 2)
    staging.write(b"\xff\xfe")
    staging.upload_to(encoder, plain, 5)
    encoder.submit()
    assert read(device, target) == bytes(range(16))
    assert read(device, plain) == bytes([0, 1, 2, 3, 4, 255, 254, 7, 8, 9, 10, 11, 12, 1, 2, 3])
    with pytest.raises(TypeError, match="target is a ImmediateStagingBuffer"):
        encoder.write(staging, b"1234")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="source is a str"):
        encoder.copy("plain", target)


def test_a_staging_buffer_is_unmapped_without_an_upload(device: backbuf.Device) -> None:
    staging = backbuf.DeferredStagingBuffer(device, 8)
    staging.unmap()
    with staging.map() as array:
        array[:] = 7
        assert staging.state == BufferState.MAPPED
    del array
    staging.unmap()
    assert staging.state == BufferState.READY
    target = backbuf.DeviceBuffer(device, 8, BufferUsage.COPY_SRC)
    with staging.map():
        pass
    encoder = backbuf.Encoder(device)
    staging.upload_to(encoder, target)
    encoder.submit()
    assert read(device, target) == bytes([7] * 8), "the bytes of before the unmap"


# --- the registry ---


def test_the_usual_pattern_of_the_registry() -> None:
    class Solver:
        def __init__(self) -> None:
            registry = backbuf.buffer_registry
            registry.clear_parent(self)
            registry.register("k1", self, 100, "shared")
            registry.register("tmp", self, 30, "local", aliases="k1")
            registry.register("history", self, 8, "local", persistent=True)

    solver, registry = Solver(), backbuf.buffer_registry
    assert registry.shared_buffer_size(solver) == 100
    assert registry.persistent_local_buffer_size(solver) == 8
    assert registry.local_buffer_size(solver) == 0
    group = registry.group(solver)
    assert isinstance(group, backbuf.BufferGroup)
    assert isinstance(group.entries["tmp"], backbuf.CUDABuffer)
    assert group.build_shared_layout() == {"k1": slice(0, 100), "tmp": slice(0, 30)}
    registry.clear_parent(solver)
