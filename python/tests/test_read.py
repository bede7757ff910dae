"""Fronts: stable, read-only, and valid as long as an array refers to them."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from conftest import Manager, Script

import backbuf
from backbuf import CBufferManager


def test_a_front_never_changes(manager: Manager) -> None:
    m = manager(1000, "i8")
    held = []
    for step in range(1, 4):
        m[:] = step
        m.synchronize()
        if step < 3:
            held.append(m.front())
    assert [f.epoch for f in held] == [1, 2]
    assert [set(f.array.tolist()) for f in held] == [{1}, {2}]
    assert set(m.snapshot().tolist()) == {3}


def test_a_front_is_read_only(manager: Manager) -> None:
    m = manager((2, 2), "f4")
    with m.front() as f:
        for view in (f.array, f.array[0], f.array.T, f.array.view("u4"), np.asarray(f.array), f.array.base):
            assert isinstance(view, np.ndarray)
            with pytest.raises(ValueError, match="read-only"):
                view[...] = 1
            with pytest.raises(ValueError, match="WRITEABLE"):
                view.flags.writeable = True
        copy = f.array.copy()
        copy[0] = 1
    snapshot = m.snapshot()
    snapshot[0] = 1
    assert snapshot.flags.owndata


def test_release(manager: Manager) -> None:
    m = manager(3)
    f = m.front()
    assert m.statistics().leases_live == 1
    assert "held" in repr(f)
    f.release()
    f.release()
    assert "released" in repr(f)
    assert m.statistics().leases_live == 0
    with pytest.raises(ValueError, match="released"):
        f.array  # noqa: B018  (the property must raise)
    with m.front() as g:
        pass
    with pytest.raises(ValueError, match="with"):
        g.array  # noqa: B018  (the property must raise)
    m.front()
    assert m.statistics().leases_live == 0


def test_escaped_arrays_keep_the_lease(manager: Manager) -> None:
    m = manager((4, 4), "f4", label="escapes")
    m[...] = 1
    m.synchronize()
    with m.front() as f:
        corner = f.array[2:, 2:].T.view("u4")
    del f
    gc.collect()
    assert m.statistics().leases_live == 1
    assert "escapes" in backbuf.dump()
    for step in range(5):
        m[...] = step
        m.synchronize()
    assert (corner.view("f4") == 1).all()
    del corner
    assert m.statistics().leases_live == 0


def test_views_outlive_the_manager(manager: Manager) -> None:
    m = manager(1 << 16, "u1")
    m[:] = 7
    m.synchronize()
    array, front = m.front().array, m.front()
    gone = weakref.ref(m)
    m.destroy()
    del m
    assert gone() is None
    assert (array == 7).all()
    assert (front.array == 7).all()
    front.release()
    assert array.sum() == 7 << 16


def test_views_outlive_the_interpreter_s_end(script: Script) -> None:
    text = """
        import atexit, backbuf, numpy as np
        m = backbuf.CBufferManager(1000, "f8")
        m[:] = 3
        m.synchronize()
        a = m.front().array
        kept = [m, a, m.front()]
        class Late:
            def __del__(self, a=a):
                print(a.sum())
        kept.append(Late())
        atexit.register(lambda: print(a.sum()))
        """
    assert script(text, stderr="") == "3000.0\n3000.0\n"


def test_kept_arrays_do_not_stop_the_producer() -> None:
    m = CBufferManager(16, "f4")
    outputs = []  # like those of a notebook's cells
    for step in range(12):
        m[:] = step
        m.synchronize(timeout=30)
        outputs.append(m.front().array)
    trail: list[Any] = []  # like the lines of an animation
    for step in range(100):
        m[:] = step
        m.synchronize(timeout=30)
        trail = [*trail[-3:], m.front().array]
    assert [int(a[0]) for a in outputs] == list(range(12))
    assert [int(a[0]) for a in trail] == [96, 97, 98, 99]
    statistics = m.statistics()
    assert statistics.extra_copies_most >= 12
    assert (statistics.oldest_lease_epoch, statistics.oldest_lease_thread) == (1, threading.get_native_id())
    del outputs, trail
    gc.collect()


def test_extra_copies_have_a_limit() -> None:
    m = CBufferManager(4, max_extra_copies=2)
    held = []
    with pytest.raises(backbuf.PinnedError, match="max_extra_copies"):
        for step in range(10):
            held.append(m.front())
            m[:] = step + 1
            m.synchronize(timeout=0.2)
    assert m.statistics().extra_copies == 2
    held.clear()
    m.synchronize()


def test_pinned_copies_are_reported(manager: Manager) -> None:
    m = manager(4, copies=2, label="pinned")
    held = []
    with pytest.raises(backbuf.PinnedError, match="pinned") as caught:
        for step in range(4):
            held.append(m.front())
            m[:] = step + 1
            m.synchronize(timeout=0.2)
    assert isinstance(caught.value, BufferError)
    assert (held[-1].array == held[-1].epoch).all()
    held.clear()
    m.synchronize()
    assert m.snapshot()[0] > 0


def test_two_copies_are_enough_for_one_reader(manager: Manager) -> None:
    m = manager(4, copies=2)
    for step in range(1, 5):
        m[:] = step
        m.synchronize(timeout=5)
        assert m.snapshot()[0] == step


class Consumer:
    """A consumer of DLPack 1.0."""

    def __init__(self, front: Any) -> None:
        self.front = front

    def __dlpack__(self, **options: Any) -> Any:
        return self.front.__dlpack__(**{**options, "max_version": (1, 0)})

    def __dlpack_device__(self) -> Any:
        return self.front.__dlpack_device__()


def test_dlpack_is_read_only_or_refused(manager: Manager) -> None:
    m = manager((2, 3), "f4", initial=5)
    with m.front() as f:
        assert f.__dlpack_device__() == (1, 0)
        for old in ({}, {"max_version": None}, {"max_version": (0, 8)}):
            with pytest.raises(BufferError, match="read-only"):
                f.__dlpack__(**old)
        if np.lib.NumpyVersion(np.__version__) < "2.1.0":
            with pytest.raises(BufferError, match="NumPy"):
                f.__dlpack__(max_version=(1, 0))
            return
        shared = np.from_dlpack(Consumer(f))
    assert not shared.flags.writeable
    assert m.statistics().leases_live == 1
    assert (shared == 5).all()
    del shared
    gc.collect()
    assert m.statistics().leases_live == 0


def test_fronts_in_many_threads(manager: Manager) -> None:
    m = manager(4096, "i8")
    torn, ended = [], threading.Event()

    def read() -> None:
        while not ended.is_set():
            with m.front() as f:
                if f.array.min() != f.array.max() or f.array[0] != f.tag:
                    torn.append(f.epoch)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for step in range(1, 300):
        with m.batch() as b:
            b[:2048] = step
            b[2048:] = step
            b.tag(step)
        m.synchronize()
    ended.set()
    for reader in readers:
        reader.join()
    assert not torn


def test_attached_dtype() -> None:
    m = CBufferManager(2, [("x", "f4"), ("y", "f4")])
    m[0] = (1, 2)
    m.synchronize()
    assert backbuf.attach(m.handle).dtype == np.dtype("V8")
    seen = backbuf.attach(m.handle, dtype=[("x", "f4"), ("y", "f4")])
    assert seen.snapshot()["y"].tolist() == [2, 0]
    assert backbuf.attach(m.handle, dtype="c8").snapshot()[0] == 1 + 2j
    with pytest.raises(TypeError, match="8"):
        backbuf.attach(m.handle, dtype="f4")
