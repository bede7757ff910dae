"""Streams: chunks, their pool, and iteration."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import logging
import threading
from typing import Any

import numpy as np
import pytest

import backbuf
from backbuf import ManagedBuffer, SPSCReceiverStream, SPSCSender, spsc_buffer
from backbuf._library import ffi, hot, lib


def stream_of(data: bytes, capacity: int = 1 << 16, **config: Any) -> tuple[SPSCSender, SPSCReceiverStream]:
    tx, rx = spsc_buffer(capacity)
    tx.write(data, timeout=0)
    return tx, rx.into_stream(**config)


def test_chunks_are_writable_aligned_memory() -> None:
    _, stream = stream_of(bytes(range(200)))
    chunk = stream.next(timeout=0)
    assert (type(chunk), chunk.readonly, chunk.format, chunk.contiguous, chunk.nbytes) == (memoryview, False, "B", True, 200)
    array = np.frombuffer(chunk, "u1")
    assert array.ctypes.data % 64 == 0
    assert array.flags.writeable
    array[0] = 77
    assert chunk[0] == 77, "the same memory"
    assert isinstance(chunk.obj, ManagedBuffer)
    words = np.frombuffer(chunk, "f4").reshape(-1, 10)
    assert words.ctypes.data == array.ctypes.data
    # torch.frombuffer requires a writable, contiguous buffer; it uses its address and keeps its owner.
    pointer = (ctypes.c_float * 50).from_buffer(chunk)
    assert ctypes.addressof(pointer) == array.ctypes.data


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (gigabytes; the test above stands in)"
)
def test_torch_takes_chunks_without_a_copy() -> None:
    import torch

    _, stream = stream_of(np.arange(32, dtype="f4").tobytes(), record_size=64)
    chunk = stream.next()
    tensor = torch.frombuffer(chunk, dtype=torch.float32).view(-1, 16)
    assert tensor.data_ptr() == np.frombuffer(chunk, "u1").ctypes.data
    tensor[0, 0] = 5
    assert np.frombuffer(chunk, "f4")[0] == 5
    del chunk
    gc.collect()
    assert stream.statistics().live == 1
    assert tensor.sum().item() == 5 + sum(range(32))


def test_into_stream_takes_the_receiver() -> None:
    tx, rx = spsc_buffer(64, label="feed")
    stream = rx.into_stream()
    assert rx.closed
    with pytest.raises(backbuf.ClosedError):
        rx.recv(1)
    assert repr(stream) == "<SPSCReceiverStream 'feed' of 64 bytes, open>"
    assert iter(stream) is stream
    tx.send(b"x")
    assert bytes(next(stream)) == b"x"


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"pool_size": 0}, ValueError),
        ({"pool_size": -1}, ValueError),
        ({"pool_size": 2**63}, backbuf.BackbufError),
        ({"min_size": -1}, ValueError),
        ({"min_size": 65}, backbuf.OutOfRangeError),
        ({"pool_size": 63}, ValueError),
        ({"pool_size": 16, "pool_count": 8}, ValueError),
        ({"min_size": 65, "pool_size": 64}, backbuf.OutOfRangeError),
        ({"record_size": 65}, backbuf.OutOfRangeError),
        ({"record_size": -8}, ValueError),
        ({"pool_count": -1}, ValueError),
        ({"pool_count": 2**32}, ValueError),
        ({"pool_size": 1.5}, TypeError),
        ({"pool_size": True}, TypeError),
    ],
)
def test_bad_configs_leave_the_receiver(config: dict[str, Any], error: type[Exception]) -> None:
    tx, rx = spsc_buffer(64)
    with pytest.raises(error):
        rx.into_stream(**config)
    tx.send(b"still here")
    assert rx.recv(64) == b"still here"


def test_a_small_pool_size_names_pool_count() -> None:
    _, rx = spsc_buffer(64)
    with pytest.raises(ValueError, match=r"pool_size = 16: .* pool_count"):
        rx.into_stream(pool_size=16)
    assert not rx.closed


def test_the_end() -> None:
    tx, stream = stream_of(b"all of it")
    with pytest.raises(backbuf.WaitTimeoutError):
        stream.next(timeout=0) and stream.next(timeout=0.001)
    tx.send(b"the rest")
    tx.close()
    assert bytes(stream.next()) == b"the rest"
    for _ in range(2):
        with pytest.raises(backbuf.SendersDisconnected):
            stream.next()
        assert list(stream) == []
        assert list(stream.chunks(3)) == list(stream.ready_chunks(3)) == []


def test_close() -> None:
    tx, stream = stream_of(b"some")
    chunk = stream.next()
    with stream:
        assert not stream.closed
    stream.close()
    assert stream.closed
    assert bytes(chunk) == b"some"
    assert stream.statistics().live == 1
    with pytest.raises(backbuf.ReceiversDisconnected):
        tx.send(b"x")
    with pytest.raises(backbuf.ClosedError):
        stream.next()
    assert list(stream) == []
    assert list(stream.ready_chunks(2)) == []


def test_a_chunk_that_outlives_its_stream_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "backbuf")
    tx, stream = stream_of(b"the last chunk")
    tx.close()
    chunks = list(stream)
    handle = stream.detach()
    lib.bb_stream_destroy(ffi.cast("bb_stream *", handle))
    assert bytes(chunks[0]) == b"the last chunk"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_min_size_and_the_tail() -> None:
    tx, stream = stream_of(b"12345", min_size=10)
    with pytest.raises(TimeoutError):
        stream.next(timeout=0)
    tx.send(b"67890ab")
    assert bytes(stream.next()) == b"1234567890ab"
    tx.send(b"tail")
    tx.close()
    assert [bytes(chunk) for chunk in stream] == [b"tail"]


def test_records() -> None:
    tx, stream = stream_of(bytes(140), record_size=24, pool_size=64)
    assert [len(chunk) for chunk in next(stream.ready_chunks(9))] == [48, 48, 24]
    tx.send(bytes(4))
    assert len(stream.next()) == 24
    tx.send(b"ragged"[:3])
    tx.close()
    for call in (stream.next, lambda: list(stream), lambda: list(stream.chunks(2))):
        with pytest.raises(ValueError, match="inside of a record"):
            call()


def test_a_partial_record_follows_the_whole_ones() -> None:
    tx, stream = stream_of(bytes(40), record_size=16)
    tx.close()
    batches = stream.chunks(5)
    assert [len(chunk) for chunk in next(batches)] == [32]
    with pytest.raises(ValueError, match="inside of a record"):
        next(batches)


def test_chunks_together() -> None:
    tx, stream = stream_of(bytes(64 * 12), pool_size=64, min_size=64)
    batches = stream.chunks(5)
    assert iter(batches) is batches
    assert len(next(batches)) == 5
    feeder = threading.Thread(target=lambda: [tx.write(bytes(64)) for _ in range(200)])
    feeder.start()
    assert len(next(batches)) == 5, "some had to be waited for"
    feeder.join()
    tx.close()
    rest = [len(batch) for batch in batches]
    assert set(rest[:-1]) <= {5}
    assert 0 < rest[-1] <= 5
    assert stream.statistics().bytes == 64 * 212


def test_ready_chunks() -> None:
    tx, stream = stream_of(bytes(64 * 100), pool_size=64, min_size=64)
    sizes = [len(next(stream.ready_chunks(n))) for n in (1, 3)]
    assert sizes == [1, 3]
    rest = next(stream.ready_chunks(10**6))
    assert sum(map(len, rest)) == 64 * 96
    tx.send(bytes(64))
    assert len(next(stream.ready_chunks(10))) == 1
    for bad in (0, -1, 2**64):
        with pytest.raises(ValueError, match="n is"):
            stream.ready_chunks(bad)
    with pytest.raises(TypeError):
        stream.chunks(1.5)  # type: ignore[arg-type]


def test_many_ready_chunks_at_once() -> None:
    tx, rx = spsc_buffer(1 << 16)
    stream = rx.into_stream(pool_size=64, pool_count=0)
    tx.write(bytes(1 << 16))
    batch = next(stream.ready_chunks(2**63))
    assert sum(map(len, batch)) == 1 << 16
    assert stream.statistics().live == len(batch) > 16


def test_lists_of_chunks_are_returned_to_the_pool() -> None:
    tx, rx = spsc_buffer(256)
    stream = rx.into_stream(256)  # as large as the ring, so that all buffers have one size
    feeder = threading.Thread(target=lambda: (tx.write(bytes(1 << 14)), tx.close()))
    feeder.start()
    lists = [next(stream.chunks(5)), next(stream.ready_chunks(3)), next(stream.chunks(5))]
    held = sum(map(len, lists))
    assert stream.statistics().live == held > 10
    del lists
    assert stream.statistics().live == 0
    for batch in stream.chunks(7):
        assert stream.statistics().live == len(batch)
        del batch
    feeder.join()
    found = stream.statistics()
    assert (found.live, found.bytes) == (0, 1 << 14)
    assert found.misses <= held
    assert found.hits == found.chunks - found.misses > 0


def test_the_pool_is_used_up_and_recovers() -> None:
    tx, stream = stream_of(b"", pool_size=64, pool_count=4)

    def take(count: int) -> list[memoryview]:
        taken = []
        for n in range(count):
            tx.send(bytes([n]))
            taken.append(stream.next(timeout=0))
        return taken

    held = take(10)
    found = stream.statistics()
    assert (found.live, found.hits, found.misses, found.kept) == (10, 0, 10, 0)
    assert [chunk[0] for chunk in held] == list(range(10)), "none was written twice"
    held.clear()
    found = stream.statistics()
    assert (found.live, found.kept) == (0, 4)
    del take(1)[:]
    take(5).clear()
    found = stream.statistics()
    assert (found.live, found.hits, found.misses) == (0, 6 - 1, 11) or found.hits >= 4
    assert found.chunks == 16
    assert found.bytes == 16


def test_without_a_pool() -> None:
    tx, stream = stream_of(b"", pool_count=0)
    for n in range(5):
        tx.send(b"x")
        assert bytes(stream.next(0)) == b"x"
        assert stream.statistics().misses == n + 1
    assert stream.statistics().kept == 0


def test_buffers_adapt() -> None:
    """Usage pattern: sizes that follow the traffic."""
    tx, stream = stream_of(b"", capacity=1 << 16, pool_size=1024)
    sizes: list[int] = []
    for turn in range(1, 13):
        tx.write(bytes(1 << 16), timeout=0)
        while sum(sizes) < turn << 16:
            sizes.append(len(stream.next(0)))
    assert sizes[0] == 1024
    assert max(sizes) == 1 << 16, "up to the capacity"
    for _ in range(1000):
        tx.send(b"x")
        stream.next(0)
    assert stream.statistics().buffer_size == 1024, "and back, never below the first size"


def test_held_chunks_do_not_change() -> None:
    tx, stream = stream_of(b"", capacity=1 << 12, pool_size=256, pool_count=2)
    held = []
    for n in range(200):
        tx.write(bytes([n]) * 256, timeout=0)
        chunk = stream.next(0)
        if n % 3 == 0:
            held.append((n, chunk))
    assert all(bytes(chunk) == bytes([n]) * 256 for n, chunk in held)


def test_selective_persistence() -> None:
    """Usage pattern: most chunks are inspected and dropped, some are copied and kept."""
    tx, stream = stream_of(b"")
    kept = []
    for n in range(100):
        tx.send(np.int32(n))
        chunk = stream.next(timeout=0)
        if np.frombuffer(chunk, "i4")[0] % 10 == 0:
            kept.append(bytearray(chunk))
    del chunk
    assert [int(np.frombuffer(data, "i4")[0]) for data in kept] == list(range(0, 100, 10))
    assert stream.statistics().live == 0
    assert stream.statistics().misses <= 2, "one is held while the next is made"


def test_views_keep_the_memory() -> None:
    _tx, stream = stream_of(b"0123456789")
    chunk = stream.next()
    views = [chunk[2:4], np.frombuffer(chunk, "u1")[5:], memoryview(chunk).cast("H"), chunk.obj]
    del chunk
    while views:
        assert stream.statistics().live == 1
        views.pop()
    gc.collect()
    assert stream.statistics().live == 0


def test_a_chunk_is_released_explicitly() -> None:
    _tx, stream = stream_of(b"0123456789")
    chunk = stream.next()
    with chunk:
        assert chunk[0] == ord("0")
    assert stream.statistics().live == 0
    with pytest.raises(ValueError):
        chunk[0]


def test_a_managed_buffer_is_released() -> None:
    _tx, stream = stream_of(b"0123456789")
    chunk = stream.next()
    buffer: Any = chunk.obj
    assert (len(buffer), buffer.released, bytes(memoryview(buffer))) == (10, False, b"0123456789")
    assert repr(buffer) == "<ManagedBuffer of 10 bytes>"
    with buffer as same:
        assert same is buffer
    buffer.release()
    assert buffer.released
    assert repr(buffer) == "<ManagedBuffer of 10 bytes, released>"
    with pytest.raises(RuntimeError, match="released") as caught:
        len(buffer)
    assert isinstance(caught.value, backbuf.StateError)
    with pytest.raises(RuntimeError), buffer:
        raise AssertionError("not entered")
    assert bytes(chunk) == b"0123456789", "views that are there stay"
    assert stream.statistics().live == 1
    if hot is not None:  # the NumPy-based type allows views, and keeps the memory until its own end
        for access in (memoryview, bytes, lambda b: np.frombuffer(b, "u1")):
            with pytest.raises(RuntimeError, match="released"):
                access(buffer)
        with pytest.raises(TypeError):
            ManagedBuffer()
    chunk = same = caught = buffer = None  # type: ignore[assignment]  # drops the references
    gc.collect()
    assert stream.statistics().live == 0


def test_chunks_outlive_stream_and_ends() -> None:
    tx, stream = stream_of(b"0123456789")
    chunk = stream.next()
    array = np.frombuffer(chunk, "u1")
    del tx, stream, chunk
    gc.collect()
    array[0] = 1
    assert bytes(array[:3]) == b"\x0112"


def test_a_chunk_ends_on_another_thread() -> None:
    tx, stream = stream_of(b"0123456789")
    chunks = [stream.next()]
    thread = threading.Thread(target=chunks.clear)
    thread.start()
    thread.join()
    assert stream.statistics().live == 0
    tx.send(b"again")
    assert bytes(stream.next()) == b"again"
    assert stream.statistics().hits == 1


def test_streams_are_handed_to_c_and_back() -> None:
    tx, stream = stream_of(b"one")
    handle = stream.detach()
    assert stream.closed
    with pytest.raises(backbuf.ClosedError):
        stream.next()
    stream = SPSCReceiverStream.attach(handle)
    assert bytes(stream.next()) == b"one"
    tx.close()
    assert stream.attach_sender().send(b"two") == 3
    assert [bytes(chunk) for chunk in stream] == [b"two"]
    with pytest.raises(backbuf.HandleError):
        SPSCReceiverStream.attach(spsc_buffer(8)[0].handle)


def test_a_long_stream_leaks_nothing() -> None:
    tx, rx = spsc_buffer(1 << 18)

    def produce() -> None:
        for _ in range(200):
            tx.write(bytes(1 << 18))
        tx.close()

    thread = threading.Thread(target=produce)
    thread.start()
    stream, total = rx.into_stream(1 << 14), 0
    for batch in stream.ready_chunks(8):
        total += sum(map(len, batch))
        del batch
    thread.join()
    assert total == 200 << 18
    gc.collect()
    found = stream.statistics()
    assert (found.live, found.bytes) == (0, total)
    assert found.hits + found.misses == found.chunks
    # Allocated and not returned memory is no more than the pool keeps.
    assert found.kept <= 16
