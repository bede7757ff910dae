"""Reads without a front: `read` of managers and fields."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbuf import CBufferManager, ClosedError


def test_a_read_is_a_copy_of_the_newest_epoch() -> None:
    m = CBufferManager((2, 3), "i4")
    for epoch in range(5):
        expected = np.full((2, 3), epoch)
        first, again = m.read(), m.read()
        assert (first == expected).all()
        assert (again == expected).all()
        assert (first.dtype, first.flags.writeable, first.base) == (np.dtype("i4"), True, None)
        m[:] = epoch + 1
        assert (m.read() == expected).all(), "what is queued is not read"
        m.synchronize()
        assert (first == expected).all(), "a copy does not change"


def test_it_fills_the_given_array() -> None:
    m = CBufferManager(4, "f8")
    m[:] = [1.0, 2.0, 3.0, 4.0]
    m.synchronize()
    whole = np.zeros((2, 4))
    assert m.read(out=whole[1]).base is whole
    assert whole.tolist() == [[0, 0, 0, 0], [1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        ([0.0] * 4, TypeError, "out is a list"),
        (np.zeros(3), ValueError, r"out is \(3,\) float64: the state is \(4,\) float64"),
        (np.zeros(4, "f4"), ValueError, "float32"),
        (np.zeros(8)[::2], ValueError, "contiguous"),
        (np.broadcast_to(np.zeros(4), 4), ValueError, "read-only"),
    ],
)
def test_a_wrong_array_is_refused_and_kept(out: Any, error: type[Exception], words: str) -> None:
    m = CBufferManager(4, "f8")
    m.enqueue(5.0)
    m.synchronize()
    with pytest.raises(error, match=words):
        m.read(out=out)
    assert not np.any(out)


def test_fields_are_read_together_or_one_by_one() -> None:
    m = CBufferManager(fields={"qpos": (7, "f8"), "depth": ((4, 5), "u2"), "step": ((), "i4"), "flag": ((3, 0), "?")})
    m["qpos"] = 0.5
    m["depth"][2] = 9
    m["step"][...] = 3
    m.synchronize()
    for _ in range(2):
        state = m.read()
        snapshot = m.snapshot()
        assert list(state) == list(m.fields)
        for name, array in snapshot.items():
            assert (state[name].dtype, state[name].shape) == (array.dtype, array.shape)
            assert (state[name] == array).all()
            assert (m[name].read() == array).all()
    out = np.zeros((4, 5), "u2")
    assert m["depth"].read(out=out) is out
    assert out.sum() == 45
    with pytest.raises(ValueError, match="field 'depth'"):
        m["depth"].read(out=np.zeros((5, 4), "u2"))
    with pytest.raises(TypeError, match="the state has fields"):
        m.read(out=out)


def test_structs_and_empty_states() -> None:
    pose = np.dtype([("position", "f8", 3), ("id", "u4")])
    m = CBufferManager((), pose)
    m.enqueue(np.array(([1, 2, 3], 4), pose))
    m.synchronize()
    read = m.read()
    assert (read["position"].tolist(), int(read["id"])) == ([1, 2, 3], 4)
    assert CBufferManager((0, 3), "f4").read().shape == (0, 3)


def test_after_the_end() -> None:
    m = CBufferManager(2, "u1")
    m.close()
    assert m.read().tolist() == [0, 0]
    m.destroy()
    with pytest.raises(ClosedError):
        m.read()


@settings(max_examples=30, deadline=None)
@given(size=st.sampled_from([1, 7, 8, 64, 511, 512, 513, 2000]), values=st.lists(st.integers(0, 255), max_size=8))
def test_reads_equal_snapshots(size: int, values: list[int]) -> None:
    m = CBufferManager(size, "u8")
    held = []
    for value in values:
        m[value % size] = value
        m.synchronize()
        if value % 2:
            held.append(m.front())
        assert (m.read() == m.snapshot()).all()
        assert (m.read() == m.front().array).all()


@pytest.mark.parametrize("size", [8, 512, 1024])
def test_reads_are_whole_while_another_thread_publishes(size: int) -> None:
    m = CBufferManager(size, "u8")
    done = threading.Event()
    failures: list[str] = []

    def read() -> None:
        out = np.empty(size, "u8")
        last = 0
        while not done.is_set():
            m.read(out=out)
            if not (out == out[0]).all() or out[0] < last:
                failures.append(f"{out} after {last}")
                return
            last = int(out[0])

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for epoch in range(1, 2000):
        m[:] = epoch
        m.synchronize()
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert (m.read() == 1999).all()
