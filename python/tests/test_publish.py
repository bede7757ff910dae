"""Epochs, tags, batches, the back copy, kernels, tasks and flushes."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from conftest import Manager

import backbuf
from backbuf import CBufferManager
from backbuf._ffi import ffi


def test_epochs(manager: Manager) -> None:
    m = manager(2)
    assert (m.epoch, m.synchronize(), m.epoch) == (0, 0, 0)
    m.enqueue(1.0)
    assert m.epoch == 0
    assert (m.synchronize(), m.synchronize(timeout=10), m.epoch) == (1, 1, 1)
    assert m.wait_epoch(0) == 1
    with pytest.raises(TimeoutError):
        m.wait_epoch(1, timeout=0.01)
    threading.Timer(0.05, lambda: (m.enqueue(2.0), m.synchronize())).start()
    assert m.wait_epoch(1, timeout=10) == 2


def test_a_timeout_of_0_tries() -> None:
    m = CBufferManager(2)  # in host memory, where no device takes part
    m.enqueue(1.0, timeout=0)
    assert (m.synchronize(timeout=0), m.synchronize(timeout=0)) == (1, 1)


@pytest.mark.parametrize("timeout", [-1, float("nan"), -0.001])
def test_bad_timeouts(timeout: float) -> None:
    m = CBufferManager(2)
    for call in (m.synchronize, m.close, lambda timeout: m.enqueue(1.0, 0, timeout), lambda timeout: m.wait_epoch(0, timeout)):
        with pytest.raises(ValueError, match="timeout"):
            call(timeout=timeout) if call in (m.synchronize, m.close) else call(timeout)
    with pytest.raises(TypeError):
        m.synchronize("1")


def test_long_timeouts(manager: Manager) -> None:
    m = manager(2)
    for timeout in (1e9, 1e300, float("inf"), None, 10**30):
        m.enqueue(1.0)
        m.synchronize(timeout)


def test_tags_travel_in_order(manager: Manager) -> None:
    m = manager(2)
    m.enqueue(1.0)
    m.tag(2**64 - 1)
    m.synchronize()
    with m.front() as f:
        assert (f.tag, f.epoch) == (2**64 - 1, 1)
    for wrong in (-1, 2**64):
        with pytest.raises(ValueError, match="tag"):
            m.tag(wrong)
    with pytest.raises(TypeError):
        m.tag(1.5)


def test_batches_are_whole(manager: Manager) -> None:
    m = manager((3, 4), "i4")
    with m.batch() as b:
        b[0] = 1
        b.enqueue(np.array([2, 3], "i4"), 16)
        b.enqueue([backbuf.BufferUpdate(24, 1, 4)])
        b.fill(5, 32, 2)
        b.put([10, -1], [6, 7])
        b.kernel(lambda back, front: np.add(back, 1, out=back), byte_offset=44)
        b.tag(9)
        m.synchronize()
        assert not m.snapshot().any(), "nothing of a batch is seen before its commit"
    assert m.synchronize() == 1
    assert m.snapshot().tolist() == [[1, 1, 1, 1], [2, 3, 4, 0], [5, 5, 6, 8]]
    assert m.front().tag == 9


def test_an_exception_cancels_a_batch(manager: Manager) -> None:
    m = manager(4)
    with pytest.raises(KeyError), m.batch() as b:
        b[:] = 1
        raise KeyError
    with pytest.raises(IndexError), m.batch() as b:
        b[:] = 1
        b.enqueue(1.0, 32)
    assert m.synchronize() == 0
    b = m.batch()
    b[0] = 3
    with pytest.raises(IndexError):
        b.enqueue(1.0, 32)
    b.commit()
    with pytest.raises(backbuf.BackbufError):
        b[0] = 1
    b.cancel()
    b.cancel()
    m.synchronize()
    assert m.snapshot()[0] == 3


def test_back(manager: Manager) -> None:
    m = manager((2, 2), "f4", initial=1)
    with m.back(tag=5) as a:
        assert a.tolist() == [[1, 1], [1, 1]]
        a[0] += 1
    assert m.epoch == 0
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 9
    m.synchronize()
    assert m.front().tag == 5
    back = m.back(discard=True)
    with back as a:
        a[...] = back.front * 10
        back.tag = 6
    with pytest.raises(ValueError, match="with"):
        back.front  # noqa: B018  (the property must raise)
    with pytest.raises(ZeroDivisionError), m.back() as a:
        a[...] = 1 / 0
    m.synchronize()
    assert m.snapshot().tolist() == [[20, 20], [10, 10]]
    assert m.front().tag == 6


def test_back_cancelled_undoes(manager: Manager) -> None:
    m = manager(1000, "i4", initial=3)
    m[5] = 4
    with pytest.raises(KeyError), m.back() as a:
        assert a[5] == 4
        a[:] = 0
        raise KeyError
    m.synchronize()
    assert m.snapshot()[5] == 4
    assert m.snapshot().sum() == 3 * 999 + 4


def test_only_one_thread_reserves_the_back_copy(manager: Manager) -> None:
    m = manager(2)
    back = m.back()
    with back as a:
        a[0] = 1
        with pytest.raises(backbuf.StateError):
            back.__enter__()
        others: list[type] = []

        def other() -> None:
            try:
                m.back(timeout=0.01).__enter__()
            except backbuf.BackbufError as error:
                others.append(type(error))
            m.enqueue(2.0, 8)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert len(others) == 1
    m.synchronize()
    assert m.snapshot().tolist() == [1, 2]


def test_arrays_of_back_outlive_the_manager(manager: Manager) -> None:
    m = manager(1 << 16, "u1")
    with m.back() as a:
        a[:] = 1
        part = a[100:200]
    m.destroy()
    assert part.sum() == 100
    with pytest.raises(ValueError, match="released"):
        m.epoch  # noqa: B018  (the property must raise)


@numba.cfunc("void(CPointer(float32), CPointer(float32), uint64, CPointer(float32))")
def scale(back: Any, front: Any, count: int, factor: Any) -> None:
    for i in range(count):
        back[i] *= factor[0]


KERNEL = ctypes.CFUNCTYPE(
    None, ctypes.POINTER(ctypes.c_float), ctypes.c_void_p, ctypes.c_uint64, ctypes.POINTER(ctypes.c_float)
)


@KERNEL
def scale_by_ctypes(back: Any, _front: Any, count: int, factor: Any) -> None:
    for i in range(count):
        back[i] *= factor[0]


@ffi.callback("void(void *, const void *, uint64_t, void *)")
def scale_by_cffi(back: Any, _front: Any, count: int, factor: Any) -> None:
    floats = ffi.cast("float *", back)
    for i in range(count):
        floats[i] *= ffi.cast("float *", factor)[0]


@pytest.mark.parametrize(
    "kernel", [scale, scale.address, scale_by_ctypes, scale_by_cffi], ids=["numba", "int", "ctypes", "cffi"]
)
def test_native_kernels(manager: Manager, kernel: Any) -> None:
    factor = np.array([3], "f4")
    for data in (
        factor,
        factor.ctypes.data,
        ffi.cast("float *", factor.ctypes.data),
        ctypes.c_float(3),
        ctypes.pointer(ctypes.c_float(3)),
    ):
        m = manager(6, "f4", initial=2)
        m[3] = 4
        m.enqueue_kernel(kernel, data, byte_offset=4, count=3)
        m.synchronize()
        assert m.snapshot().tolist() == [2, 6, 6, 12, 2, 2]
    for wrong in ({"byte_offset": 2}, {"byte_offset": 24, "count": 1}, {"count": 7}, {"count": -1}, {"byte_offset": -4}):
        with pytest.raises(ValueError):
            m.enqueue_kernel(kernel, factor, **wrong)


def test_kernels_keep_their_data_alive() -> None:
    m = CBufferManager(1, "f4", initial=1)
    for _ in range(20):
        m.enqueue_kernel(scale, np.array([2], "f4"))
    m.synchronize()
    assert m.snapshot()[0] == 2**20
    from backbuf import _callbacks

    m.destroy()
    assert not any(isinstance(thing, tuple) for things in _callbacks._retained.values() for thing in things)


def test_bad_kernels() -> None:
    m = CBufferManager(1, "f4")
    for kernel, data, text in (
        ("x", None, "kernel is a str"),
        (print, 5, "Python function"),
        (True, None, "bool"),
        (scale, "x", "user_data"),
    ):
        with pytest.raises(TypeError, match=text):
            m.enqueue_kernel(kernel, data)
    with pytest.raises(backbuf.BackbufError):
        m.enqueue_kernel(0)


def test_python_kernels_and_their_exceptions(manager: Manager) -> None:
    m = manager(4, "f8", initial=1)

    def fails(back: Any, front: Any) -> None:
        raise LookupError("in the kernel")

    m.enqueue_kernel(fails)
    m.enqueue_kernel(lambda back, front: np.add(front, 1, out=back), overwrites=True, any_thread=True)
    with pytest.raises(LookupError, match="in the kernel"):
        m.synchronize()
    assert m.synchronize() == 1
    assert m.snapshot().tolist() == [2] * 4


def test_a_kernel_may_enqueue_but_not_synchronize(manager: Manager) -> None:
    m = manager(4, "f8")
    errors: list[BaseException] = []

    def kernel(back: Any, front: Any) -> None:
        m.enqueue(5.0, 8)
        try:
            m.synchronize()
        except backbuf.StateError as error:
            errors.append(error)

    m.enqueue_kernel(kernel)
    m.synchronize()
    m.synchronize()
    assert len(errors) == 1
    assert m.snapshot()[1] == 5


def test_flush_callback(manager: Manager) -> None:
    threads: list[int] = []

    def flush() -> None:
        threads.append(threading.get_ident())

    m = manager(2, flush=flush)
    m.enqueue(1.0)
    assert m.synchronize() == 1
    assert threads
    assert threading.get_ident() not in threads


def test_a_failing_flush_is_reported_and_retried(manager: Manager) -> None:
    results: list[Any] = [ValueError("boom"), 42, None]

    def flush() -> Any:
        result = results.pop(0) if results else None
        if isinstance(result, Exception):
            raise result
        return result

    m = manager(2, flush=flush)
    m.enqueue(1.0)
    with pytest.raises(ValueError, match="boom") as failure:
        m.synchronize()
    assert isinstance(failure.value.__cause__, backbuf.BackendError)
    assert m.epoch == 0
    with pytest.raises(backbuf.BackendError, match="42"):
        m.synchronize()
    assert m.synchronize() == 1
    assert m.snapshot()[0] == 1


def test_tasks_hold_the_publish(manager: Manager) -> None:
    m = manager(2, label="busy", watchdog_ns=0)
    m.enqueue(1.0)
    with m.task("upload"):
        assert "upload" in backbuf.dump()
        with pytest.raises(TimeoutError):
            m.synchronize(timeout=0.02)
    assert m.synchronize(timeout=10) == 1
    task = m.task("twice")
    task.end()
    with pytest.raises(backbuf.HandleError):
        task.end()


def test_a_stall_is_reported(manager: Manager) -> None:
    m = manager(2, watchdog_ns=20_000_000)
    m.enqueue(1.0)
    with m.task("slow"), pytest.raises(backbuf.StalledError, match="slow"):
        m.synchronize()
    assert m.synchronize() == 1
    assert m.statistics().stalls == 1


def test_full_queue(manager: Manager) -> None:
    m = manager(1 << 16, "f8", queue_bytes=4096, worker="only")
    with pytest.raises((backbuf.FullError, backbuf.WaitTimeoutError)), m.back():
        for _ in range(10_000):
            m.enqueue(1.0, 0, 0)
    m.synchronize(timeout=10)
    m.enqueue(2.0)


def test_waiting_lets_other_threads_run(manager: Manager) -> None:
    m = manager(2)
    counted = 0

    def count(task: backbuf.Task) -> None:
        nonlocal counted
        start = time.monotonic()
        while time.monotonic() - start < 0.1:
            counted += 1
        task.end()

    thread = threading.Thread(target=count, args=(m.task("count"),))
    thread.start()
    m.enqueue(1.0)
    m.synchronize()
    thread.join()
    assert counted > 1000


def test_many_threads_write_and_synchronize(manager: Manager) -> None:
    m = manager(8 * 64, "i8")

    def write(mine: int) -> None:
        for step in range(200):
            m[64 * mine : 64 * mine + 64] = step
            if step % 7 == mine:
                m.synchronize(timeout=30)

    threads = [threading.Thread(target=write, args=(mine,)) for mine in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    m.synchronize()
    assert (m.snapshot() == 199).all()


def test_statistics(manager: Manager) -> None:
    m = manager(100, "f4")
    calls: list[Callable[[], object]] = [lambda: m.enqueue(1.0), lambda: m.put([1, 2], 3), lambda: m.synchronize()]
    for call in calls:
        call()
    found = m.statistics()
    assert (found.updates, found.bytes, found.epochs) == (3, 12, 1)
    assert found.refused_total == sum(found.refused.values())
    assert len(found.wait_histogram) == 64


def test_trim(manager: Manager) -> None:
    m = manager(1 << 16, copies=4)
    held = []
    for step in range(1, 4):
        m[:] = step
        m.synchronize()
        held.append(m.front())
    held.clear()
    m.trim()
    assert m.snapshot()[0] == 3
