"""Arguments of wrong types: the error is a TypeError that names the parameter, and nothing has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backbuf
from backbuf import BufferUsage, CBufferManager, Device, _errors


class Odd:
    """An object that no parameter accepts."""

    def __repr__(self) -> str:
        return "<odd>"


ODD: Any = Odd()
USAGE = BufferUsage.COPY_DST | BufferUsage.COPY_SRC


def of_managers() -> dict[str, Callable[[], object]]:
    m = CBufferManager(8, "f4")
    batch = m.batch()

    def kernel(back: Any, front: Any) -> None: ...

    return {
        "shape": lambda: CBufferManager(ODD),
        "an axis of shape": lambda: CBufferManager((2, ODD)),
        "dtype": lambda: CBufferManager(2, ODD),
        "label": lambda: CBufferManager(2, label=ODD),
        "initial": lambda: CBufferManager(2, initial=ODD),
        "copies": lambda: CBufferManager(2, copies=ODD),
        "queue_bytes": lambda: CBufferManager(2, queue_bytes=ODD),
        "watchdog_ns": lambda: CBufferManager(2, watchdog_ns=ODD),
        "max_extra_copies": lambda: CBufferManager(2, max_extra_copies=ODD),
        "worker_priority": lambda: CBufferManager(2, worker_priority=ODD),
        "worker_affinity": lambda: CBufferManager(2, worker_affinity=ODD),
        "CPU of worker_affinity": lambda: CBufferManager(2, worker_affinity=[ODD]),
        "flush": lambda: CBufferManager(2, flush=ODD),
        "handle": lambda: backbuf.attach(ODD),
        "dtype of attach": lambda: backbuf.attach(m.handle, ODD),
        "device": lambda: backbuf.GLBufferManager(2, "f4", ODD),
        "data": lambda: m.enqueue(ODD),
        "byte_offset": lambda: m.enqueue(1.0, ODD),
        "timeout": lambda: m.enqueue(1.0, 0, ODD),
        "data of enqueue_borrowed": lambda: m.enqueue_borrowed(ODD),
        "byte_offset of fill": lambda: m.fill(1.0, ODD),
        "count of fill": lambda: m.fill(1.0, 0, ODD),
        "kernel": lambda: m.enqueue_kernel(ODD),
        "user_data": lambda: m.enqueue_kernel(1, ODD),
        "byte_offset of enqueue_kernel": lambda: m.enqueue_kernel(kernel, byte_offset=ODD),
        "any_thread": lambda: m.enqueue_kernel(kernel, any_thread=ODD),
        "overwrites": lambda: m.enqueue_kernel(kernel, overwrites=ODD),
        "tag": lambda: m.tag(ODD),
        "tag of back": lambda: m.back(tag=ODD),
        "tag of a batch": lambda: batch.tag(ODD),
        "label of task": lambda: m.task(ODD),
        "after": lambda: m.wait_epoch(ODD),
        "after of fronts": lambda: m.fronts(after=ODD),
        "timeout of synchronize": lambda: m.synchronize(ODD),
        "timeout of wait_epoch": lambda: m.wait_epoch(0, ODD),
        "timeout of close": lambda: m.close(ODD),
        "level": lambda: backbuf.forward_log(ODD),
    }


def of_rings() -> dict[str, Callable[[], object]]:
    tx, rx = backbuf.spsc_buffer(64)
    return {
        "capacity": lambda: backbuf.spsc_buffer(ODD),
        "label": lambda: backbuf.spsc_buffer(64, label=ODD),
        "checked": lambda: backbuf.spsc_buffer(64, checked=ODD),
        "backoff": lambda: backbuf.spsc_buffer(64, backoff=ODD),
        "overwrite_record_size": lambda: backbuf.spsc_buffer(64, overwrite_record_size=ODD),
        "data": lambda: tx.send(ODD),
        "data of feed": lambda: tx.feed(ODD),
        "data of write": lambda: tx.write(ODD),
        "timeout": lambda: tx.write(b"x", ODD),
        "data of send_async": lambda: asyncio.run(tx.send_async(ODD)),
        "least": lambda: tx.reserve(ODD),
        "count": lambda: tx.commit(ODD),
        "n": lambda: tx.wait(ODD),
        "size": lambda: rx.recv(ODD),
        "size of read": lambda: rx.read(ODD),
        "size of recv_async": lambda: asyncio.run(rx.recv_async(ODD)),
        "buffer": lambda: rx.recv_into(ODD),
        "least of peek": lambda: rx.peek(ODD),
        "count of consume": lambda: rx.consume(ODD),
        "handle": lambda: backbuf.SPSCSender.attach(ODD),
        "min_size": lambda: rx.into_stream(min_size=ODD),
        "record_size": lambda: rx.into_stream(record_size=ODD),
        "label of a stream": lambda: rx.into_stream(label=ODD),
    }


def of_buffers() -> dict[str, Callable[[], object]]:
    device = Device.host()
    buffer = backbuf.Buffer(device, 64, BufferUsage.MAP_WRITE | BufferUsage.COPY_SRC)
    target = backbuf.DeviceBuffer(device, 64, USAGE)
    encoder, readback = backbuf.Encoder(device), backbuf.ReadbackBuffer(device, 64)
    dynamic, staging = backbuf.DynamicBuffer(device, 64), backbuf.ImmediateStagingBuffer(device, 64)
    data = bytes(4)
    return {
        "label": lambda: Device.host(label=ODD),
        "adapter": lambda: Device.wgpu(ODD),
        "fence": lambda: device.wait_fence(ODD),
        "device": lambda: backbuf.Buffer(ODD, 64, USAGE),
        "size": lambda: backbuf.Buffer(device, ODD, USAGE),
        "usage": lambda: backbuf.Buffer(device, 64, ODD),
        "mapped_at_creation": lambda: backbuf.Buffer(device, 64, USAGE, mapped_at_creation=ODD),
        "device of an encoder": lambda: backbuf.Encoder(ODD),
        "size of a device buffer": lambda: backbuf.DeviceBuffer(device, ODD, USAGE),
        "size of reserve": lambda: backbuf.GrowableBuffer(device, 64, USAGE).reserve(ODD),
        "size of staging": lambda: backbuf.DeferredStagingBuffer(device, ODD),
        "frames": lambda: backbuf.ReadbackBuffer(device, 64, frames=ODD),
        "when_full": lambda: backbuf.ReadbackBuffer(device, 64, when_full=ODD),
        "policy": lambda: backbuf.DynamicBuffer(device, 64, policy=ODD),
        "most": lambda: backbuf.DynamicBuffer(device, 64, most=ODD),
        "mode": lambda: buffer.map(ODD),
        "offset": lambda: buffer.map(backbuf.MapMode.WRITE, ODD),
        "size of map": lambda: buffer.map(backbuf.MapMode.WRITE, 0, ODD),
        "dtype": lambda: buffer.map(backbuf.MapMode.WRITE, dtype=ODD),
        "source_offset": lambda: encoder.copy(target, target, source_offset=ODD),
        "target_offset": lambda: encoder.copy(target, target, target_offset=ODD),
        "target": lambda: encoder.write(ODD, data),
        "data": lambda: encoder.write(target, ODD),
        "offset of write": lambda: encoder.write(target, data, ODD),
        "data of staging": lambda: staging.write(ODD),
        "encoder": lambda: staging.upload_to(ODD, target),
        "target of upload_to": lambda: staging.upload_to(encoder, ODD),
        "offset of upload_to": lambda: staging.upload_to(encoder, target, ODD),
        "source": lambda: readback.read(ODD),
        "offset of read": lambda: readback.read(target, ODD),
        "size of read": lambda: readback.read(target, 0, ODD),
        "dtype of read": lambda: readback.read(target, dtype=ODD),
        "encoder of read_in": lambda: readback.read_in(ODD, target),
        "size of update": lambda: dynamic.update(ODD),
        "dtype of update": lambda: dynamic.update(4, dtype=ODD),
    }


def of_the_registry() -> dict[str, Callable[[], object]]:
    registry = backbuf.BufferRegistry()
    registry.register("k1", "p", 3, "shared")
    return {
        "label": lambda: backbuf.BufferRegistry(label=ODD),
        "bank_skew": lambda: backbuf.BufferRegistry(bank_skew=ODD),
        "name": lambda: registry.register(ODD, "p", 3, "shared"),
        "size": lambda: registry.register("k2", "p", ODD, "shared"),
        "persistent": lambda: registry.register("k2", "p", 3, "shared", persistent=ODD),
        "aliases": lambda: registry.register("k2", "p", 3, "shared", aliases=ODD),
        "precision": lambda: registry.register("k2", "p", 3, "shared", precision=ODD),
        "lifetime": lambda: registry.register("k2", "p", 3, "shared", lifetime=ODD),
        "begin of lifetime": lambda: registry.register("k2", "p", 3, "shared", lifetime=(ODD, 2)),
        "arch": lambda: registry.check("p", ODD, 32),
        "threads": lambda: registry.fits("p", "9.0", ODD),
        "namespace": lambda: registry.emit_cuda_header("p", ODD),
        "before": lambda: registry.diff(ODD, "{}"),
    }


@pytest.mark.parametrize("table", [of_managers, of_rings, of_buffers, of_the_registry])
def test_wrong_types_are_named(table: Callable[[], dict[str, Callable[[], object]]]) -> None:
    for name, call in table().items():
        with pytest.raises(TypeError) as caught:
            call()
        parameter = name.partition(" of a ")[0] if name.startswith(("tag of a", "label of a")) else name
        expected = parameter if parameter.startswith(("an axis", "CPU", "begin of")) else parameter.partition(" of ")[0]
        assert expected in str(caught.value), f"{name}: {caught.value}"
        assert "'Odd' object" not in str(caught.value), f"{name}: {caught.value}"


@pytest.mark.parametrize("number", [np.int64(3), np.uint8(3), 3, True])
def test_whole_numbers_of_every_type_are_taken(number: Any) -> None:
    m = CBufferManager(number, "f4")
    m.tag(number)
    m.fill(1.0, 0, number)
    m.synchronize(number)
    assert m.front().tag == int(number)


def test_texts_with_nul_or_surrogates_are_refused() -> None:
    for label in ("a\0b", "a\ud800"):
        with pytest.raises(backbuf.ArgumentError, match="label is"):
            CBufferManager(2, label=label)


def test_messages_have_pythons_names_of_parameters_and_remedies() -> None:
    tx, rx = backbuf.spsc_buffer(1024)
    records = backbuf.spsc_buffer(1024, overwrite_record_size=8)
    records[0].send(bytes(16))
    device = backbuf.Device.host()
    fixed = backbuf.DeviceBuffer(device, 16, backbuf.BufferUsage.STORAGE)
    m = backbuf.CBufferManager(4)
    for call, text in (
        (lambda: tx.write(bytes(2000), whole=True), r"^out of bounds: data ends at 2000, beyond 1024"),
        (lambda: records[0].send(b"123"), r"^data = 3: this ring moves whole records"),
        (lambda: records[1].read(7), r"^size = 7: this ring moves whole records"),
        (lambda: tx.commit(1), r"^no span is reserved"),
        (lambda: backbuf.Buffer(device, 1 << 62, backbuf.BufferUsage.STORAGE), r"^size = 4611686018427387904: more memory"),
        (lambda: backbuf.GrowableBuffer.reserve(fixed, 32), r"create it with backbuf\.GrowableBuffer$"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: backbuf.attach(12345), r"^handle = 0x3039: not a handle of this library"),
        (lambda: m.enqueue(np.zeros(2), 4), r"^misaligned: byte_offset = 4 is not a multiple of 8"),
        (lambda: m.front().changed_since(9), r"^epoch = 9: is later"),
        (lambda: backbuf.CBufferManager(4, worker_priority=5000), r"101 to 199 for the real-time priorities"),
        (lambda: rx.into_stream(pool_size=1), r"^pool_size = 1: "),
    ):
        with pytest.raises(backbuf.BackbufError, match=text):
            call()


def test_other_messages_are_unchanged() -> None:
    for message in ("", "plain text", "not bb_first: bytes = 3", "bytes = 3: of no function"):
        assert _errors.in_python_terms(message) == message
    assert _errors.in_python_terms("bb_sender_send: megabytes = 3") == "megabytes = 3"
    assert _errors.in_python_terms("bb_unknown: bytes = 3") == "bytes = 3"
