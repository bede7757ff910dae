"""Borrowed updates: data that the library uses in place, and keeps until it is released."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from conftest import Manager, Script

import backbuf
from backbuf import CBufferManager


def state(m: CBufferManager) -> Any:
    m.synchronize(timeout=10)
    return m.snapshot()


def until(condition: Any) -> None:
    """Waits for the worker, which releases data at some time after the publish."""
    for _ in range(100_000):
        if condition():
            return
        gc.collect(0)
        threading.Event().wait(0.001)
    raise AssertionError("the data was not released")


def test_every_buffer_can_be_borrowed(manager: Manager) -> None:
    data = np.arange(6, dtype="f4")
    for given in (
        data,
        data.reshape(2, 3),
        data.tobytes(),
        bytearray(data.tobytes()),
        memoryview(data),
        memoryview(data.tobytes()),
        CBufferManager.from_array(data).front(),
    ):
        m = manager(8, "f4")
        m.enqueue_borrowed(given, 8)
        assert state(m).tolist() == [0, 0, 0, 1, 2, 3, 4, 5]


def test_the_data_lives_until_it_is_released(manager: Manager) -> None:
    m = manager(1000, "f4", worker="only")
    stop = threading.Event()
    m.enqueue_kernel(lambda back, front: stop.wait(30))
    data = np.full(1000, 3, "f4")
    gone = weakref.ref(data)
    m.enqueue_borrowed(data)
    del data
    assert gone() is not None
    stop.set()
    assert (state(m) == 3).all()
    until(lambda: gone() is None)


def test_a_borrowed_bytearray_cannot_be_resized(manager: Manager) -> None:
    m = manager(1000, "u1", worker="only")
    stop = threading.Event()
    m.enqueue_kernel(lambda back, front: stop.wait(30))
    data = bytearray(b"x" * 1000)
    m.enqueue_borrowed(data)
    with pytest.raises(BufferError):
        data.clear()
    stop.set()
    m.synchronize()

    def is_free() -> bool:
        try:
            data.append(1)
        except BufferError:
            return False
        return True

    until(is_free)


def test_data_that_cannot_be_used_in_place_is_refused(manager: Manager) -> None:
    m = manager(8, "f4")
    source = np.arange(16, dtype="f4")
    for wrong in (source[::2], source[:8].astype(">f4"), memoryview(source.tobytes())[::2]):
        with pytest.raises(BufferError, match="packed copy"):
            m.enqueue_borrowed(wrong)
    for number in (1.5, np.float32(2)):
        with pytest.raises(TypeError, match=r"data is a .*: give an array"):
            m.enqueue_borrowed(number)
    with pytest.raises(TypeError, match="float64"):
        m.enqueue_borrowed(np.zeros(2))
    assert not state(m).any()


def test_a_refused_update_keeps_nothing(manager: Manager) -> None:
    m = manager(8, "f4")
    data = np.ones(4, "f4")
    gone = weakref.ref(data)
    for offset, error in ((24, IndexError), (3, ValueError), (-4, ValueError)):
        with pytest.raises(error):
            m.enqueue_borrowed(data, offset)
    with pytest.raises(TypeError, match="byte_offset is a float"):
        m.enqueue_borrowed(data, 1.5)  # type: ignore[arg-type]
    m.close()
    with pytest.raises(backbuf.ClosedError):
        m.enqueue_borrowed(data)
    m.destroy()
    with pytest.raises(backbuf.ClosedError):
        m.enqueue_borrowed(data)
    del data
    assert gone() is None


def test_destroy_releases_what_was_not_applied(manager: Manager) -> None:
    m = manager(8, "f4", worker="only")
    stop = threading.Event()
    m.enqueue_kernel(lambda back, front: stop.wait(30))
    data = np.ones(4, "f4")
    gone = weakref.ref(data)
    m.enqueue_borrowed(data)
    del data
    threading.Timer(0.05, stop.set).start()
    m.destroy()
    until(lambda: gone() is None)


@pytest.mark.parametrize("owner", ["python", "native"])
def test_the_interpreter_ends_with_borrowed_data(owner: str, script: Script) -> None:
    # A native owner's manager outlives the interpreter: its worker then neither calls Python nor reads freed memory.
    text = f"""
        import numpy as np, backbuf
        from backbuf._library import ffi, lib
        made = ffi.new("bb_manager **")
        shape = ffi.new("uint64_t[]", [1 << 20])
        assert lib.bb_manager_create(lib.BB_F32, 1, shape, ffi.NULL, made) == 0
        m = backbuf.attach(made[0]) if {owner == "native"} else backbuf.CBufferManager(1 << 20, "f4")
        task = m.task("pending")
        back = m.back()
        back.__enter__()
        for step in range(20):
            m.enqueue_borrowed(np.full(1 << 20, step, "f4"))
        """
    out = script(text, *(["-W", "ignore"] if owner == "native" else []))
    assert out == ""


def test_done_is_called_once_after_the_release(manager: Manager) -> None:
    m = manager(1000, "u1", worker="only")
    stop, calls = threading.Event(), []
    m.enqueue_kernel(lambda back, front: stop.wait(30))
    data = bytearray(b"x" * 1000)

    def done() -> None:
        data.append(1)  # the export of the buffer has ended
        calls.append(threading.current_thread())

    m.enqueue_borrowed(data, done=done)
    m.enqueue_borrowed(np.zeros(10, "u1"), 0, 1.0, done=lambda: calls.append(threading.current_thread()))
    assert calls == []
    stop.set()
    assert state(m)[:11].tolist() == [0] * 10 + [ord("x")]
    until(lambda: len(calls) == 2)
    m.destroy()
    assert len(calls) == 2
    assert threading.main_thread() not in calls
    assert len(data) == 1001


def test_done_of_a_field_and_of_a_destroyed_manager() -> None:
    m = CBufferManager(fields={"a": (8, "f4"), "b": (8, "f4")}, worker="only")
    stop, calls = threading.Event(), []
    m["a"].enqueue_kernel(lambda back, front: stop.wait(30))
    for name in ("a", "b"):
        m[name].enqueue_borrowed(np.ones(8, "f4"), done=lambda name=name: calls.append(name))  # type: ignore[misc]  # a lambda of one type
    threading.Timer(0.05, stop.set).start()
    m.destroy()
    until(lambda: sorted(calls) == ["a", "b"])


def test_done_is_not_called_for_a_refused_update(manager: Manager) -> None:
    m = manager(8, "f4")
    calls: list[int] = []
    done = lambda: calls.append(1)  # noqa: E731  (its references are counted)
    before = sys.getrefcount(done)
    for offset, error in ((24, IndexError), (3, ValueError), (-4, ValueError)):
        with pytest.raises(error):
            m.enqueue_borrowed(np.ones(4, "f4"), offset, done=done)
    with pytest.raises(TypeError, match="done is a int: give a function"):
        m.enqueue_borrowed(np.ones(4, "f4"), done=5)  # type: ignore[arg-type]  # wrong on purpose
    m.close()
    with pytest.raises(backbuf.ClosedError):
        m.enqueue_borrowed(np.ones(4, "f4"), done=done)
    m.destroy()
    gc.collect()
    assert calls == []
    assert sys.getrefcount(done) == before


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_exception_of_done_is_reported(manager: Manager, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append((report.exc_type, str(report.exc_value))))

    def done() -> None:
        raise kind("from done")

    m = manager(8, "f4")
    m.enqueue_borrowed(np.ones(8, "f4"), done=done)
    assert state(m).tolist() == [1] * 8
    until(lambda: reported)
    assert reported == [(kind, "from done")]
    m.enqueue(2.0)
    assert state(m)[0] == 2


@pytest.mark.parametrize("owner", ["python", "native"])
def test_the_interpreter_ends_before_done(owner: str, script: Script) -> None:
    text = f"""
        import numpy as np, backbuf
        from backbuf._library import ffi, lib
        made = ffi.new("bb_manager **")
        shape = ffi.new("uint64_t[]", [1 << 20])
        assert lib.bb_manager_create(lib.BB_F32, 1, shape, ffi.NULL, made) == 0
        m = backbuf.attach(made[0]) if {owner == "native"} else backbuf.CBufferManager(1 << 20, "f4")
        task = m.task("pending")
        back = m.back()
        back.__enter__()
        calls = []
        class Owner:
            def done(self):
                calls.append(self)
                print("done", flush=True)
        for step in range(20):
            m.enqueue_borrowed(np.full(1 << 20, step, "f4"), done=Owner().done)
        """
    out = script(text, *(["-W", "ignore"] if owner == "native" else []))
    assert out == ("" if owner == "native" else "done\n" * 20)
