"""Object lifetimes: blocks, handles, threads, signals, forks, the interpreter's end."""

from __future__ import annotations

import concurrent.futures
import ctypes
import gc
import signal
import threading
import time
from typing import Any

import pytest
from conftest import Manager, Script

import backbuf
from backbuf import CBufferManager, _callbacks
from backbuf._library import ffi, lib


def test_repr() -> None:
    m = CBufferManager((3, 256, 256), "f4", label="flood")
    assert repr(m) == "<CBufferManager 'flood' (3, 256, 256) float32, host memory, epoch 0, open>"
    m.enqueue(1.0)
    m.synchronize()
    m.close()
    assert repr(m) == "<CBufferManager 'flood' (3, 256, 256) float32, host memory, epoch 1, closed>"
    m.destroy()
    assert repr(m) == "<CBufferManager 'flood' (3, 256, 256) float32, host memory, released>"
    assert repr(CBufferManager(2)) == "<CBufferManager (2,) float64, host memory, epoch 0, open>"


def test_properties(manager: Manager) -> None:
    m = manager((2, 3), "i2", label="é")
    assert (m.shape, m.ndim, m.size, m.nbytes, m.dtype.str, m.label) == ((2, 3), 2, 6, 12, "<i2", "é")
    assert not m.closed


def test_a_clean_exit_publishes_and_closes(manager: Manager) -> None:
    with manager(2) as m:
        m[0] = 5
    assert m.closed
    assert m.snapshot().tolist() == [5, 0]
    with pytest.raises(backbuf.ClosedError):
        m.enqueue(1.0)
    with pytest.raises(ValueError):
        m[0] = 1
    m.close()


def test_an_exception_discards(manager: Manager) -> None:
    with pytest.raises(KeyError), manager(2) as m:
        handle = m.handle
        m[0] = 5
        raise KeyError
    for call in (m.synchronize, m.snapshot, m.front, m.batch, lambda: m.enqueue(1.0), lambda: m.epoch, lambda: m.handle):
        with pytest.raises(backbuf.ClosedError):
            call()
    with pytest.raises(backbuf.HandleError):
        backbuf.attach(handle)
    m.destroy()
    m.close()
    assert m.closed


def test_garbage_is_destroyed(manager: Manager) -> None:
    m = manager(2, label="garbage")
    handle = m.handle
    del m
    gc.collect()
    with pytest.raises(backbuf.HandleError):
        backbuf.attach(handle)
    assert "garbage" not in backbuf.dump()


def test_a_last_reference_dropped_in_the_managers_own_callback(manager: Manager) -> None:
    m = manager(2, label="ouroboros")
    handle, started = m.handle, threading.Event()
    holder: list[Any] = [m]

    def kernel(back: Any, front: Any) -> None:
        started.wait(10)
        holder.clear()

    m.enqueue_kernel(kernel)
    del m
    started.set()
    for _ in range(1000):
        if lib.bb_handle_check(ffi.cast("void *", handle)) != 0:
            break
        time.sleep(0.005)
    assert lib.bb_handle_check(ffi.cast("void *", handle)) == lib.BB_E_STALE


def test_destroy_waits_for_a_kernel_that_runs() -> None:
    for timeout in (None, 0.01):
        started, go, done = threading.Event(), threading.Event(), threading.Event()

        def kernel(back: Any, front: Any, started: Any = started, go: Any = go, done: Any = done) -> None:
            started.set()
            go.wait(60)
            done.set()

        m = CBufferManager(2, label="slow kernel")
        m.enqueue_kernel(kernel)
        assert started.wait(60)
        if timeout is None:
            threading.Timer(0.1, go.set).start()
            m.destroy()
            assert done.is_set()
        else:
            with pytest.raises(backbuf.StalledError, match="callback"):
                m.destroy(timeout)
            assert m.closed
            assert not done.is_set()
            go.set()
            assert done.wait(60)


def test_attach_borrows(manager: Manager) -> None:
    m = manager(4, "f4", label="engine")
    for handle in (m.handle, ffi.cast("bb_manager *", m.handle), ctypes.c_void_p(m.handle)):
        with backbuf.attach(handle) as seen:
            assert (seen.shape, seen.dtype, seen.label) == ((4,), m.dtype, "engine")
            seen[1] = 3
            seen.enqueue(4.0, 8)
            seen.synchronize()
        with pytest.raises(ValueError, match="released"):
            seen.synchronize()
    assert m.snapshot().tolist() == [0, 3, 4, 0]
    seen = backbuf.attach(m.handle)
    seen.destroy()
    seen = backbuf.attach(m.handle)
    assert seen.detach() == m.handle
    assert not m.closed
    seen = backbuf.attach(m.handle)
    m.destroy()
    with pytest.raises(backbuf.HandleError):
        seen.synchronize()
    assert "BB_E_STALE" in repr(seen)


def test_bad_handles() -> None:
    m = CBufferManager(4)
    batch = m.batch()
    for handle in (0, 1, 0xDEAD_BEEF_0000, batch._target, -1 & 0xFFFF_FFFF_FFFF_FFFF):
        with pytest.raises(backbuf.BackbufError):
            backbuf.attach(handle)
    for handle in (None, "x", 1.5, True):
        with pytest.raises(TypeError):
            backbuf.attach(handle)


def test_detach_transfers_ownership(manager: Manager) -> None:
    m = manager(4)
    handle = m.detach()
    with pytest.raises(backbuf.ClosedError):
        m.synchronize()
    del m
    assert lib.bb_handle_check(ffi.cast("void *", handle)) == 0
    assert lib.bb_manager_destroy(ffi.cast("bb_manager *", handle)) == 0
    with pytest.raises(backbuf.StateError, match="Python callbacks"):
        manager(4, flush=lambda: None).detach()


def test_close_ends_waits_and_loops(manager: Manager) -> None:
    m = manager(2)
    ends: list[Any] = []

    def wait() -> None:
        try:
            m.wait_epoch(5)
        except backbuf.ClosedError as error:
            ends.append(error)

    seen = threading.Event()

    def loop() -> None:
        epochs = []
        for f in m.fronts():
            epochs.append(f.epoch)
            if f.epoch == 2:
                seen.set()
        ends.append(epochs)

    threads = [threading.Thread(target=wait), threading.Thread(target=loop)]
    for thread in threads:
        thread.start()
    m.enqueue(1.0)
    m.synchronize()
    m.enqueue(2.0)
    m.synchronize()
    seen.wait()
    m.close()
    for thread in threads:
        thread.join()
    assert any(isinstance(end, backbuf.ClosedError) for end in ends)
    assert any(isinstance(end, list) and end[-1] == 2 for end in ends)


def test_fronts_time_out(manager: Manager) -> None:
    m = manager(2)
    with pytest.raises(TimeoutError):
        next(m.fronts(timeout=0.01))
    m.enqueue(1.0)
    m.synchronize()
    fronts = m.fronts(timeout=0.01)
    assert next(fronts).epoch == 1
    with pytest.raises(TimeoutError):
        next(fronts)


WAITS = {
    "synchronize": "m.synchronize()",
    "synchronize_with_timeout": "m.synchronize(timeout=60)",
    "wait_epoch": "m.wait_epoch(7)",
    "fronts": "next(m.fronts())",
    "back": "m.back().__enter__()",
    "enqueue": "[m.enqueue(1.0) for _ in range(100000)]",
    "close": "m.close()",
}


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_a_wait(wait: str, script: Script) -> None:
    text = f"""
        import os, signal, threading, time
        import backbuf
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job begins with it ignored
        m = backbuf.CBufferManager(4, queue_bytes=4096, watchdog_ns=0)
        m.enqueue(1.0)
        task = m.task("for ever")
        if {wait!r} in ("back", "enqueue"):
            holder = threading.Thread(target=m.back().__enter__)
            holder.start()
            holder.join()
        turns, ended = 0, threading.Event()
        def interrupt():
            global turns
            while "waiter:" not in backbuf.dump():
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
            while not ended.is_set():
                turns += 1
                time.sleep(0.001)
        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        try:
            {WAITS[wait]}
        except KeyboardInterrupt:
            ended.set()
            interrupter.join()
            print(turns)
        os._exit(0)
        """
    # A tenth of a second, counted in iterations of another thread, which also take longer on a busy machine.
    assert int(script(text)) < 100


def test_other_signals_only_run_their_handler(manager: Manager) -> None:
    m = manager(2, watchdog_ns=0)
    m.enqueue(1.0)
    handled: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: handled.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        task = m.task("alarms")
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            m.synchronize(timeout=0.2)
        assert time.monotonic() - start >= 0.2
        assert len(handled) > 2
        threading.Timer(0.1, task.end).start()
        assert m.synchronize() == 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_forked_child_gets_errors_and_exits(script: Script) -> None:
    text = """
        import multiprocessing, os, warnings
        import backbuf
        warnings.simplefilter("ignore", DeprecationWarning)
        m = backbuf.CBufferManager(4, "f4", flush=lambda: None)
        m[:] = 2
        m.synchronize()
        f = m.front()

        def child(results):
            outcomes = []
            calls = [lambda: m.enqueue(1.0), lambda: m.synchronize(), lambda: m.front(), lambda: m.close(), lambda: m.batch(),
                     lambda: backbuf.attach(m.handle), lambda: m.put([0], [1]), lambda: m.__setitem__(0, 1)]
            for call in calls:
                try:
                    call()
                    outcomes.append("nothing")
                except backbuf.ForkedError as error:
                    outcomes.append(error.status)
            n = backbuf.CBufferManager(2)
            n[:] = 5
            n.synchronize()
            outcomes.append(n.snapshot().tolist())
            outcomes.append(f.array.tolist())
            results.put(outcomes)

        context = multiprocessing.get_context("fork")
        results = context.Queue()
        process = context.Process(target=child, args=(results,))
        process.start()
        print(results.get(timeout=20))
        process.join(20)
        print(process.exitcode)
        if os.fork() == 0:
            raise SystemExit(7)  # by Python's normal exit, with all objects alive
        print(os.waitstatus_to_exitcode(os.wait()[1]))
        m[:] = 3
        m.synchronize()
        print(m.snapshot().tolist())
        """
    expected = [[-28] * 8 + [[5.0, 5.0], [2.0, 2.0, 2.0, 2.0]], 0, 7, [3.0, 3.0, 3.0, 3.0]]
    assert script(text) == "".join(f"{line}\n" for line in expected)


def test_the_interpreter_ends_with_everything_alive(script: Script) -> None:
    text = """
        import logging, threading, time
        import numpy as np
        import backbuf
        logging.basicConfig(level=logging.CRITICAL)
        logging.getLogger("backbuf").setLevel(logging.DEBUG)
        m = backbuf.CBufferManager(1000, flush=lambda: None, label="alive")
        n = backbuf.CBufferManager(1000, queue_bytes=4096)
        m[:] = 1
        m.synchronize()
        f, a, b, t = m.front(), m.front().array, n.batch(), n.task("open")
        b[:] = 3
        for i in range(50):
            m.enqueue_kernel(lambda back, front: np.add(back, 1, out=back))
        fronts = m.fronts()
        next(fronts)
        threading.Thread(target=lambda: n.wait_epoch(10), daemon=True).start()
        threading.Thread(target=lambda: [m.enqueue(1.0) for _ in iter(int, 1)], daemon=True).start()
        def write():
            while True:
                m.enqueue_kernel(lambda back, front: None)
        threading.Thread(target=write, daemon=True).start()
        time.sleep(0.1)
        print("end")
        """
    for _ in range(3):
        assert script(text).endswith("end\n")


def test_the_interpreter_ends_while_a_python_kernel_runs(script: Script) -> None:
    text = """
        import ctypes, threading, time
        import backbuf
        bb, m = ctypes.CDLL(backbuf.get_library()), ctypes.c_void_p()
        shape = (ctypes.c_uint64 * 1)(8)
        assert bb.bb_manager_create(1, 1, shape, None, ctypes.byref(m)) == 0
        seen = backbuf.attach(m)  # no Python object owns it
        began = threading.Event()
        def slow(back, front):
            began.set()
            time.sleep(0.3)
        seen.enqueue_kernel(slow)
        seen.enqueue_kernel(lambda back, front: print("done", flush=True))
        t = ctypes.c_uint64()
        bb.bb_manager_synchronize_async(m, ctypes.byref(t))
        began.wait()
        """
    assert script(text) == "done\n"


def test_a_c_function_is_created_once_by_concurrent_threads() -> None:
    started, made = threading.Barrier(8), []

    def make() -> object:
        time.sleep(0.01)  # long enough for all threads to call it
        made.append(object())
        return made[-1]

    get = _callbacks.call_once(make)

    def ask() -> object:
        started.wait()
        return get()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ask(), range(8)))
    assert len(made) == 1
    assert all(one is made[0] for one in found)
