"""What changed since an epoch: a mirror that takes only that equals every front."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest
from conftest import Manager

import backbuf
from backbuf import CBufferManager


def test_a_mirror_takes_only_what_changed(manager: Manager) -> None:
    m = manager((40, 50), "f4")
    mirror, shown, taken = m.snapshot(), 0, 0
    rng = np.random.default_rng(5)
    for step in range(1, 60):
        row, column = int(rng.integers(0, 38)), int(rng.integers(0, 45))
        m[row, column : column + 5] = step
        if step % 7 == 0:
            m[row : row + 2, column] = -step
        if step % 3:
            continue
        m.synchronize()
        with m.front() as f:
            changes = f.changed_since(shown)
            parts = list(changes)
            assert changes
            assert changes.complete
            assert all(0 <= part.start < part.stop <= 2000 for part in parts)
            assert all(one.stop < other.start for one, other in pairwise(parts))
            for part in parts:
                mirror.flat[part] = f.array.flat[part]
                taken += part.stop - part.start
            assert np.array_equal(mirror, f.array)
            shown = f.epoch
    assert taken < 1000


def test_ranges_are_bytes_and_slices_are_elements() -> None:
    m = CBufferManager(100, [("key", "u1"), ("value", "f4")])  # five bytes
    m[10:12] = (1, 2.0)
    m[12] = (1, 2.0)
    m[50] = (3, 4.0)
    m.synchronize()
    with m.front() as f:
        changes = f.changed_since(0)
        assert changes.ranges == ((50, 65), (250, 255))
        assert list(changes) == [slice(10, 13), slice(50, 51)]
        assert list(changes) == list(changes), "it may be iterated again"
        assert "20 bytes in 2 ranges" in repr(changes)
        assert not f.changed_since(1)


def test_an_older_epoch_than_the_history_is_everything() -> None:
    m = CBufferManager((3, 4), "i8", history=2)
    for step in range(5):
        m[step % 3, 0] = step
        m.synchronize()
    with m.front() as f:
        newer = f.changed_since(3)
        assert list(newer) == [slice(0, 1), slice(4, 5)]
        assert newer.complete
        older = f.changed_since(2)
        assert list(older) == [slice(0, 12)]
        assert not older.complete
        assert "older than the history" in repr(older)
    off = CBufferManager(3, history=0)
    off[0] = 1
    off.synchronize()
    assert list(off.front().changed_since(0)) == [slice(0, 3)]


def test_a_front_keeps_its_changes_after_its_manager() -> None:
    m = CBufferManager(8, "f8")
    m[3] = 1
    m.synchronize()
    front = m.front()
    m.destroy()
    assert list(front.changed_since(0)) == [slice(3, 4)]
    front.release()
    with pytest.raises(ValueError, match="epoch 1 is released"):
        front.changed_since(0)


def test_bad_epochs_are_refused_by_name() -> None:
    m = CBufferManager(8, "f8")
    with m.front() as f:
        with pytest.raises(backbuf.ArgumentError, match=r"^epoch = 1"):
            f.changed_since(1)
        with pytest.raises(ValueError, match="epoch is -1"):
            f.changed_since(-1)
        with pytest.raises(TypeError):
            f.changed_since("1")  # type: ignore[arg-type]
    with pytest.raises(backbuf.ArgumentError, match="history = 1025"):
        CBufferManager(8, history=1025)
    assert not CBufferManager(0).front().changed_since(0)


def test_threads_ask_and_release_one_front() -> None:
    """A release during a query is an error there at most, and no crash."""
    for _ in range(50):
        m = CBufferManager(1000, "f8")
        m[3] = 1
        m.synchronize()
        front, results = m.front(), []
        start = threading.Barrier(3)

        def ask(front: backbuf.Front = front, start: threading.Barrier = start, results: list[object] = results) -> None:
            start.wait()
            try:
                results.extend(list(front.changed_since(0)) for _ in range(20))
            except ValueError as error:
                results.append("released" in str(error))

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        del m
        start.wait()
        front.release()
        for thread in threads:
            thread.join()
        assert all(result is True or result == [slice(3, 4)] for result in results)


def test_marked_parts_of_the_back_copy_are_what_changes(manager: Manager) -> None:
    m = manager((10, 6), "f4")

    def changed(*indices: object, write: object = ...) -> list[tuple[int, int]]:
        since, back = m.epoch, m.back()
        with back as a:
            a[write] += 1
            for index in indices:
                back.mark_written(index)
        m.synchronize()
        return [(part.start, part.stop) for part in m.front().changed_since(since)]

    assert changed() == [(0, 60)]
    assert changed(3, write=3) == [(18, 24)]
    assert changed((3, 2), (-1, -1), write=(3, 2)) == [(20, 21), (59, 60)]
    assert changed(np.s_[8:4:-2, ::-2], write=np.s_[8:4:-2, ::-2]) == [(37, 54)]
    assert changed(np.s_[:, 1], write=np.s_[:, 1]) == [(1, 56)]
    assert changed(np.s_[3:3], write=np.s_[3:3]) == []
    with pytest.raises(TypeError, match="integers and slices"):
        changed([1, 2])
    with pytest.raises(IndexError):
        changed(10)
    with pytest.raises(ValueError, match="block"):
        m.back().mark_written()
    back = m.back(discard=True)
    with back as a:
        a[:] = 0
        with pytest.raises(backbuf.StateError, match="unspecified"):
            back.mark_written(1)
