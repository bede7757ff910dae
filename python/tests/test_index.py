"""`m[index] = value` behaves like NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import Manager
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

SHAPE = (4, 5, 3)

CASES: list[tuple[Any, Any]] = [
    (0, 1),
    (-1, np.arange(15).reshape(5, 3)),
    (np.uint64(3), np.arange(15, dtype="f4").reshape(5, 3)),
    ((np.array(2), np.int16(-1)), np.arange(3, dtype="f4")),
    ((1, 2, 0), 9),
    ((np.int8(1), slice(None, None, -1), 2), np.arange(5)),
    (slice(2, 5), np.arange(3)),
    ((slice(None, None, 2), slice(None, None, -2)), np.arange(3)),
    ((..., 1), np.arange(5)),
    ((1, ..., 1), 3),
    ((..., 0, slice(1, 3), 2), [1, 2]),
    ((None, 1), np.arange(15).reshape(1, 5, 3)),
    ((slice(None), None, 2), np.arange(12).reshape(4, 1, 3)),
    ((slice(3, 1), 0), 5),
    ((slice(1, 1), slice(None)), np.zeros((0, 5, 3))),
    (slice(-100, 100), np.arange(60).reshape(SHAPE)),
    (..., np.arange(60).reshape(SHAPE)[::-1, ::-1]),
    ((), 4),
    (1, np.arange(15).reshape(1, 1, 5, 3)),
    (slice(None), np.broadcast_to(np.float32(3), (5, 3))),
    (..., np.arange(60, dtype=">i2").reshape(SHAPE)),
    (2, [[1, 2, 3]] * 5),
    (3, True),
    (0, np.array(5)),
]


@pytest.mark.parametrize(("index", "value"), CASES)
def test_as_numpy(manager: Manager, index: Any, value: Any) -> None:
    m, expected = manager(SHAPE, "f4"), np.zeros(SHAPE, "f4")
    m[index] = value
    expected[index] = value
    m.synchronize()
    assert (m.snapshot() == expected).all()


@pytest.mark.parametrize(
    ("index", "value", "error", "text"),
    [
        (4, 0, IndexError, "out of bounds for axis 0 with size 4"),
        ((0, -6), 0, IndexError, "out of bounds for axis 1"),
        ((0, 0, 0, 0), 0, IndexError, "too many indices"),
        ((..., ...), 0, IndexError, "one ellipsis"),
        ([0, 1], 0, TypeError, "put"),
        (np.array([0, 1]), 0, TypeError, "put"),
        (np.zeros(SHAPE, bool), 0, TypeError, "put"),
        (True, 0, TypeError, "put"),
        (np.True_, 0, TypeError, "put"),
        (np.array([1]), 0, TypeError, "put"),
        (np.int64(4), 0, IndexError, "out of bounds for axis 0 with size 4"),
        (1.0, 0, TypeError, "whole number"),
        ("x", 0, TypeError, "whole number"),
        (0, np.zeros((5, 2)), ValueError, "broadcast"),
        (0, np.zeros((2, 5, 3)), ValueError, "broadcast"),
        (0, np.zeros(3, "c8"), TypeError, "same-kind"),
        (0, np.array(["a"]), TypeError, "same-kind"),
        (0, np.array([object()]), TypeError, "same-kind"),
        (0, [[1, 2], [3]], ValueError, "inhomogeneous"),
    ],
)
def test_refused(manager: Manager, index: Any, value: Any, error: type[Exception], text: str) -> None:
    m = manager(SHAPE, "f4")
    with pytest.raises(error, match=text):
        m[index] = value
    m.synchronize()
    assert m.epoch == 0


def test_same_kind_casts_only(manager: Manager) -> None:
    m = manager(3, "i2")
    m[:] = np.array([1, 2, 3], "i8")
    m[0] = np.uint8(7)
    m[1:] = [8, 9]
    for value in (np.zeros(3), 0.5, [0.5], np.zeros(3, "c8")):
        with pytest.raises(TypeError):
            m[:] = value
    with pytest.raises(OverflowError):
        m[:] = [1, 2, 40000]
    m.synchronize()
    assert m.snapshot().tolist() == [7, 8, 9]


def test_reading_by_index_names_the_alternatives(manager: Manager) -> None:
    m = manager(3)
    with pytest.raises(TypeError, match=r"m.front\(\) or m.snapshot\(\)"):
        m[0] += 1
    with pytest.raises(TypeError, match="front"):
        list(m)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_index_as_numpy(manager: Manager, data: st.DataObject) -> None:
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    index = data.draw(arrays.basic_indices(shape, allow_newaxis=True))
    expected = np.zeros(shape, "i4")
    target = np.shape(expected[index])
    # Any axis of the value may be 1, and the first ones may be missing.
    source = tuple(data.draw(st.sampled_from([1, side])) for side in target)[data.draw(st.integers(0, len(target))) :]
    value = data.draw(arrays.arrays("i4", source))
    m = manager(shape, "i4")
    m[index] = value
    expected[index] = value
    m.synchronize()
    assert (m.snapshot() == expected).all()
