"""Ownership: native objects are not copied, and data that the library still reads is kept alive. Fronts as NumPy arrays."""

from __future__ import annotations

import contextlib
import copy
import gc
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import Manager, Script

import backbuf
from backbuf import BufferUsage, CBufferManager


def owners() -> dict[str, Any]:
    m = CBufferManager((2, 3), "f4", initial=2)
    tx, rx = backbuf.spsc_buffer(1024)
    sink, stream = backbuf.spsc_buffer(1024)[0].into_sink(), backbuf.spsc_buffer(1024)[1].into_stream()
    device = backbuf.Device.host()
    usage = BufferUsage.MAP_WRITE | BufferUsage.COPY_SRC
    buffer, source = backbuf.Buffer(device, 16, usage), backbuf.DeviceBuffer(device, 16, BufferUsage.COPY_SRC)
    registry = backbuf.BufferRegistry()
    registry.register("k", "s", 3, "shared")
    readback = backbuf.ReadbackBuffer(device, 16)
    dynamic = backbuf.DynamicBuffer(device, 64)
    request = buffer.map(backbuf.MapMode.WRITE)
    back = m.back()
    return {
        "manager": m,
        "attached": backbuf.attach(m.handle),
        "front": m.front(),
        "memory of a front": m.front().array.base.base,
        "back": back,
        "batch": m.batch(),
        "fronts": m.fronts(),
        "task": m.task("t"),
        "sender": tx,
        "receiver": rx,
        "sink": sink,
        "stream": stream,
        "device": device,
        "buffer": buffer,
        "request": request,
        "mapped": request.wait(),
        "device buffer": source,
        "encoder": backbuf.Encoder(device),
        "staging": backbuf.ImmediateStagingBuffer(device, 16),
        "deferred staging": backbuf.DeferredStagingBuffer(device, 16),
        "readback": readback,
        "reading": readback.read(source),
        "dynamic": dynamic,
        "update": dynamic.update(16),
        "registry": registry,
        "group": registry.group("s"),
    }


def test_owners_are_neither_copied_nor_pickled() -> None:
    things = owners()
    for name, thing in things.items():
        for way in (
            copy.copy,
            copy.deepcopy,
            pickle.dumps,
            lambda t: pickle.dumps(t, 0),
            lambda t: copy.copy([t, copy.copy(t)]),
        ):
            with pytest.raises(TypeError, match=r"cannot be copied or pickled: .*; (use|copy)"):
                way(thing)
                raise AssertionError(name)
    gc.collect()
    things["task"].end()
    m = things["manager"]
    m[0] = 3
    assert m.synchronize(timeout=10) == 1
    assert things["sender"].send(b"x") == 1
    assert things["device"].info().kind == "host"
    assert things["buffer"].state == backbuf.BufferState.MAPPED


@pytest.mark.parametrize("extension", [True, False])
def test_incomplete_objects_are_destroyed_silently(extension: bool, script: Script) -> None:
    text = f"""
        import os
        os.environ["BACKBUF_NO_EXTENSION"] = {"" if extension else "1"!r}
        import copy, gc, pickle
        import numpy as np
        import backbuf
        from backbuf import _memory, _watch
        from backbuf.registry import _native
        for cls in [*vars(backbuf).values(), _watch.Watch, _memory.LeasedMemory, _native.NativeRegistry]:
            if isinstance(cls, type) and cls.__module__.startswith("backbuf") and hasattr(cls, "__del__"):
                if issubclass(cls, np.ndarray):
                    continue
                made = cls.__new__(cls)
                del made
        m = backbuf.CBufferManager(3)
        for thing in (m, m.front(), m.batch(), m.fronts(), *backbuf.spsc_buffer(64), backbuf.Device.host()):
            for way in (copy.copy, copy.deepcopy, pickle.dumps):
                try:
                    way(thing)
                except TypeError:
                    continue
                raise SystemExit(thing)
        del thing
        gc.collect()
        """
    assert script(text, stderr="") == ""


def test_numpy_takes_a_front_as_its_array(manager: Manager) -> None:
    m = manager((2, 3), "f4", initial=[[0, 1, 2], [3, 4, 5]])
    f = m.front()
    array = np.asarray(f)
    assert array.dtype == np.float32
    assert not array.flags.writeable
    assert array.__array_interface__["data"] == f.array.__array_interface__["data"]
    assert np.sum(f) == 15
    assert np.max(f, axis=0).tolist() == [3, 4, 5]
    assert (np.add(f, 1) - f).tolist() == [[1] * 3] * 2
    assert np.asarray(f, "f8").dtype == np.float64
    assert np.array(f).flags.writeable
    assert np.array(f, copy=True).flags.owndata
    with pytest.raises(ValueError, match="copy"):
        f.__array__(np.dtype("f8"), copy=False)
    assert len(f) == 2
    assert f[1, 2] == 5
    assert f[:, 0].tolist() == [0, 3]
    assert [row.tolist() for row in f] == [[0, 1, 2], [3, 4, 5]]
    assert bool(f)
    assert bool(CBufferManager(0).front())
    with pytest.raises(TypeError):
        f[0] = 1  # type: ignore[index]
    f.release()
    assert m.statistics().leases_live == 1, "the array holds it"
    m.destroy()
    assert array.sum() == 15
    with pytest.raises(ValueError, match="released"):
        np.asarray(f)


def test_numpy_does_not_take_a_manager(manager: Manager) -> None:
    m = manager((2, 3))
    for call in (np.asarray, np.sum, lambda n: np.add(n, 1)):
        with pytest.raises(TypeError, match=r"front\(\)"):
            call(m)


def local_source(encoder: backbuf.Encoder, device: backbuf.Device, target: backbuf.DeviceBuffer) -> None:
    source = backbuf.DeviceBuffer(device, 16, BufferUsage.COPY_SRC)
    encoder.write(source, bytes(range(16)))
    encoder.copy(source, target)


def local_staging(encoder: backbuf.Encoder, device: backbuf.Device, target: backbuf.DeviceBuffer) -> None:
    staging = backbuf.ImmediateStagingBuffer(device, 16)
    staging.write(bytes(range(16)))
    staging.upload_to(encoder, target)


def local_deferred(encoder: backbuf.Encoder, device: backbuf.Device, target: backbuf.DeviceBuffer) -> None:
    staging = backbuf.DeferredStagingBuffer(device, 16)
    with staging.map() as array:
        array[:] = range(16)
    staging.upload_to(encoder, target)


def local_update(encoder: backbuf.Encoder, device: backbuf.Device, target: backbuf.DeviceBuffer) -> None:
    dynamic = backbuf.DynamicBuffer(device, 64, BufferUsage.UNIFORM | BufferUsage.COPY_SRC)
    with dynamic.update(16) as update:
        update.array[:] = range(16)
    update.copy_to(encoder, target)


@pytest.mark.parametrize("record", [local_source, local_staging, local_deferred, local_update])
def test_an_encoder_keeps_what_it_recorded(record: Callable[..., None]) -> None:
    device = backbuf.Device.host()
    target = backbuf.DeviceBuffer(device, 16, BufferUsage.COPY_SRC | BufferUsage.COPY_DST)
    encoder = backbuf.Encoder(device)
    record(encoder, device, target)
    gc.collect()
    encoder.submit()
    assert backbuf.ReadbackBuffer(device, 16).read(target).wait(10).tolist() == list(range(16))
    assert not encoder._kept


def test_a_buffer_is_kept_until_the_submit() -> None:
    device = backbuf.Device.host()
    encoder = backbuf.Encoder(device)
    target = backbuf.Buffer(device, 16, BufferUsage.COPY_DST | BufferUsage.MAP_READ)
    source = backbuf.Buffer(device, 16, BufferUsage.COPY_SRC, mapped_at_creation=True)
    source.mapped()[:] = range(16)
    source.unmap()
    encoder.copy(source, target)
    del source
    gc.collect()
    encoder.submit()
    with target.map(backbuf.MapMode.READ) as array:
        assert array[:].tolist() == list(range(16))


def test_threads_that_map_and_unmap_one_buffer_get_errors() -> None:
    device = backbuf.Device.host()
    buffer = backbuf.Buffer(device, 64, BufferUsage.MAP_WRITE | BufferUsage.COPY_SRC)
    wrong: list[BaseException] = []
    ended = threading.Event()
    mapped = 0

    def storm(call: Callable[[], None]) -> None:
        try:
            while not ended.is_set():
                with contextlib.suppress(backbuf.StateError, BufferError):
                    call()
        except BaseException as error:
            wrong.append(error)
            ended.set()

    def map_it() -> None:
        nonlocal mapped
        with buffer.map(backbuf.MapMode.WRITE) as array:
            array[:] = 3
        mapped += 1
        if mapped == 20_000:
            ended.set()

    threads = [
        threading.Thread(target=storm, args=(call,), daemon=True) for call in (map_it, map_it, buffer.unmap, buffer.unmap)
    ]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # between any two steps
    try:
        for thread in threads:
            thread.start()
        ended.wait(2)
    finally:
        sys.setswitchinterval(interval)
        ended.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert not wrong
    assert mapped > 0


def test_a_released_chunk_keeps_its_memory_for_every_reference() -> None:
    tx, rx = backbuf.spsc_buffer(1 << 16)
    stream = rx.into_stream(pool_size=8192, pool_count=4)
    tx.write(b"A" * 4096)
    chunk = stream.next()
    managed: Any = chunk.obj
    array = np.ndarray((4096,), np.uint8, buffer=managed)  # keeps a reference, and no export
    chunk.release()
    managed.release()
    del chunk, managed
    for byte in b"BCDEF":
        tx.write(bytes([byte]) * 4096)
        other = stream.next()
        assert bytes(array) == b"A" * 4096
        del other
    assert stream.statistics().live == 1
    del array
    gc.collect()
    assert stream.statistics().live == 0


PARTICLE = np.dtype([("x", "f4"), ("kind", "u2")])


def test_a_field_is_refused_with_the_remedy() -> None:
    m = CBufferManager(3, PARTICLE)
    for index in ("x", ["x", "kind"]):
        with pytest.raises(TypeError, match=r"m.back\(\)"):
            m[index] = 1
        with pytest.raises(TypeError, match=r"m.back\(\)"), m.batch() as b:
            b[index] = 1
    with m.back() as a:
        a["x"] = 1
    m.synchronize()
    assert m.snapshot()["x"].tolist() == [1, 1, 1]


def test_a_cfunc_of_another_signature_is_refused() -> None:
    numba = pytest.importorskip("numba")
    t = numba.types

    def kernel(*arguments: Any) -> Any:
        return numba.cfunc(t.void(*arguments), nopython=True)(lambda back, front, count, data: None)

    m = CBufferManager(4, "f4")
    good = t.CPointer(t.float32)
    for fits in (
        (good, good, t.uint64, t.voidptr),
        (t.voidptr, t.voidptr, t.int64, t.CPointer(t.float64)),
        (good, good, t.uintp, t.uintp),
    ):
        m.enqueue_kernel(kernel(*fits))
        m.synchronize()
    bad = t.CPointer(t.float64)
    for wrong in ((bad, good, t.uint64, t.voidptr), (good, bad, t.uint64, t.voidptr), (good, good, t.uint32, t.voidptr)):
        with pytest.raises(TypeError, match=r"state of float32: declare types.void\(types.CPointer\(types.float32\)"):
            m.enqueue_kernel(kernel(*wrong))
    with pytest.raises(TypeError, match="does not fit"):
        m.enqueue_kernel(numba.cfunc(t.float64(t.float64), nopython=True)(lambda x: x))
    CBufferManager(4, PARTICLE).enqueue_kernel(kernel(bad, bad, t.uint64, t.voidptr))
    m.synchronize()
