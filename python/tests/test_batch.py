"""Batches: the same writes as those of a manager, by the extension and by Python, from several threads and at their end."""

from __future__ import annotations

import gc
import sys
import threading
from typing import Any

import numpy as np
import pytest
from conftest import Manager
from hypothesis import given, settings
from hypothesis import strategies as st

import backbuf
from backbuf import BufferUpdate, CBufferManager

SHAPE = (5, 7)


def state(m: CBufferManager) -> Any:
    m.synchronize(timeout=10)
    return m.snapshot()


axis_index = st.one_of(st.integers(-5, 4), st.slices(5))
numbers = st.integers(-100, 100)


@st.composite
def writes(draw: st.DrawFn) -> tuple[str, Any, Any]:
    """A write of every form: the name of the form, where, and what."""
    form = draw(st.sampled_from(["assign", "enqueue", "updates", "put", "fill", "list"]))
    if form == "assign":
        index = draw(st.one_of(axis_index, st.tuples(axis_index, st.slices(7)), st.just(...)))
        return form, index, draw(st.one_of(numbers, numbers.map(np.float32), st.just("ramp")))
    if form == "put":
        count = draw(st.integers(0, 6))
        return form, draw(st.lists(st.integers(-35, 34), min_size=count, max_size=count)), draw(numbers)
    start = draw(st.integers(0, 30))
    return form, start, draw(st.lists(numbers, min_size=1, max_size=5))


def apply(target: Any, model: Any, write: tuple[str, Any, Any]) -> None:
    """Makes the same write to a batch or a manager, and to an array."""
    form, where, what = write
    flat = model.reshape(-1)
    if form == "assign":
        value = np.arange(model[where].size, dtype="f4").reshape(model[where].shape) if isinstance(what, str) else what
        target[where] = value
        model[where] = value
    elif form == "put":
        target.put(np.array(where, "i8"), np.full(len(where), what, "f4"))
        flat[where] = what
    elif form == "fill":
        target.fill(what[0], where * 4, len(what))
        flat[where : where + len(what)] = what[0]
    else:
        data = np.array(what, "f4")
        flat[where : where + len(what)] = data
        if form == "enqueue":
            target.enqueue(data, where * 4)
        elif form == "updates":
            target.enqueue([BufferUpdate((where + n) * 4, 1, data[n : n + 1]) for n in range(len(data))])
        else:
            target.enqueue(BufferUpdate(where * 4, len(data), data.tobytes()))


@settings(max_examples=200)
@given(written=st.lists(st.lists(writes(), max_size=8), max_size=4), fields=st.booleans())
def test_as_an_array(written: list[list[tuple[str, Any, Any]]], fields: bool) -> None:
    m = CBufferManager(fields={"other": (3, "u1"), "grid": (SHAPE, "f4")}) if fields else CBufferManager(SHAPE, "f4")
    model = np.zeros(SHAPE, "f4")
    for batch in written:
        with m.batch() as b:
            for write in batch:
                apply(b["grid"] if fields else b, model, write)
    found = state(m)
    np.testing.assert_array_equal(found["grid"] if fields else found, model)


def test_refused_writes_leave_the_others(manager: Manager) -> None:
    m = manager((4, 4), "f4")
    four = np.ones(4, "f4")
    with m.batch() as b:
        b[0] = four
        refused = (
            (IndexError, lambda: b.enqueue(four, 64)),
            (ValueError, lambda: b.enqueue(four, 3)),
            (TypeError, lambda: b.enqueue(np.ones(4))),
            (IndexError, lambda: b.enqueue(BufferUpdate(56, 4, four))),
            (ValueError, lambda: b.enqueue(BufferUpdate(0, 3, four))),
            (IndexError, lambda: b.put(np.array([16]), four[:1])),
            (IndexError, lambda: b.__setitem__(4, four)),
            (ValueError, lambda: b.__setitem__(1, four[:3])),
            (TypeError, lambda: b.__setitem__(1, "text")),
        )
        for error, call in refused:
            with pytest.raises(error):
                call()
        b[1, ::2] = 5
    assert state(m).tolist() == [[1] * 4, [5, 0, 5, 0], [0] * 4, [0] * 4]


def test_a_batch_ends_once(manager: Manager) -> None:
    m = manager(4, "f4")
    one = np.ones(1, "f4")
    for end in (lambda b: b.commit(), lambda b: b.commit(timeout=1), lambda b: b.cancel()):
        b = m.batch()
        b.enqueue(one)
        end(b)
        for call in (
            lambda b=b: b.enqueue(one),
            lambda b=b: b.__setitem__(0, 1.0),
            lambda b=b: b.put(np.array([0]), one),
            lambda b=b: b.fill(1.0),
            lambda b=b: b.tag(1),
            lambda b=b: b.commit(),
        ):
            with pytest.raises(backbuf.ClosedError, match="begin another one by batch"):
                call()
        b.cancel()
    with pytest.raises(ValueError, match="timeout"):
        m.batch().commit(-1)
    m.close()
    with pytest.raises(backbuf.ClosedError):
        m.batch()
    m.destroy()
    with pytest.raises(backbuf.ClosedError):
        m.batch()


def test_a_batch_outlives_its_manager() -> None:
    m = CBufferManager(4, "f4")
    b = m.batch()
    m.destroy()
    for call in (lambda: b.enqueue(1.0), lambda: b.__setitem__(0, 1.0), b.commit):
        with pytest.raises(backbuf.BackbufError):
            call()
    b.cancel()


def test_large_batches_and_a_full_queue(manager: Manager) -> None:
    m = manager(1 << 16, "f4", queue_bytes=1 << 20)
    whole = np.arange(1 << 16, dtype="f4")
    with m.batch() as b:
        b[:] = 1.0
        b[...] = whole
    np.testing.assert_array_equal(state(m), whole)


def test_a_commit_that_does_not_fit_leaves_the_batch(manager: Manager) -> None:
    m = manager(4096, "f4", queue_bytes=4096, worker="only")
    four = np.arange(4, dtype="f4")
    kept = []
    with m.back() as a:
        with pytest.raises(backbuf.FullError):
            for number in range(10_000):
                kept = [m.batch(), number % 1000]
                kept[0].enqueue(four, kept[1] * 16)
                kept[0].commit(timeout=0)
        with pytest.raises((backbuf.FullError, backbuf.WaitTimeoutError)):  # this thread holds what the worker needs
            kept[0].commit(timeout=0.001)
        a[-1] = 7
    kept[0].put(np.array([4094]), four[3:])
    kept[0].commit(timeout=10)
    found = state(m)
    assert found[kept[1] * 4 :][:4].tolist() == [0, 1, 2, 3]
    assert found[-2:].tolist() == [3, 7]


def test_threads_with_a_batch_each() -> None:
    m = CBufferManager((8, 100), "i8")

    def work(row: int) -> None:
        for step in range(1, 300):
            with m.batch() as b:
                b[row, :50] = np.full(50, step, "i8")
                b.enqueue(np.full(50, step, "i8"), (row * 100 + 50) * 8)

    threads = [threading.Thread(target=work, args=(row,)) for row in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        m.synchronize(timeout=10)
        found = m.snapshot()
        assert (found == found[:, :1]).all(), "both writes of a batch are published together"
    assert (state(m) == 299).all()


def test_batches_keep_no_references(manager: Manager) -> None:
    m = manager((10, 10), "f4")
    array, indices, wrong = np.ones(10, "f4"), np.arange(10), object()

    def use() -> None:
        for _ in range(50):
            with m.batch(timeout=1) as b:
                b[3] = array
                b.enqueue(array)
                b.enqueue([BufferUpdate(0, 10, array)])
                b.put(indices, array)
                with pytest.raises(TypeError):
                    b.enqueue(wrong)
            m.batch().cancel()
            m.batch()[0] = array

    def references() -> list[int]:
        return [sys.getrefcount(thing) for thing in (array, indices, wrong, m.dtype, m)]

    use()
    gc.collect()
    before = references()
    use()
    gc.collect()
    assert references() == before
