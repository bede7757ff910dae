"""Plans without a registry from Python: columns as lists and arrays, malformed columns, Ctrl-C and cancelling."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from conftest import Script
from hypothesis import given, settings
from hypothesis import strategies as st

import backbuf

ITEM = st.tuples(st.integers(0, 30), st.integers(1, 12), st.integers(1, 99), st.sampled_from([1, 2, 8, 64]))


def hard() -> dict[str, Any]:
    """Columns whose best plan takes long to find."""
    random = np.random.default_rng(7)
    lower = random.integers(0, 200, 400)
    return {"lower": lower, "upper": lower + random.integers(1, 60, 400), "size": random.integers(1, 997, 400)}


@settings(max_examples=60, deadline=None)
@given(st.lists(ITEM, max_size=40), st.booleans())
def test_items_that_are_alive_together_never_overlap(items: list[tuple[int, int, int, int]], each: bool) -> None:
    lower, length, size, alignment = np.array(items, np.int64).reshape(-1, 4).T
    upper, aligned = lower + length, alignment if each else np.array(8)
    plan = backbuf.plan(lower, upper, size, alignment=aligned, nodes=300, budget=None)
    offsets = plan.offsets.astype(int)
    ends = offsets + size
    assert not np.any(offsets % (aligned if aligned.size else 1))
    for k in range(len(items)):
        together = (lower < upper[k]) & (lower[k] < upper) & (np.arange(len(items)) != k)
        assert not np.any(together & (offsets < ends[k]) & (offsets[k] < ends))
    assert plan.height == max(ends, default=0)
    load = max((int(np.sum(size[(lower <= step) & (step < upper)])) for step in range(45)), default=0)
    assert load <= plan.lower_bound <= plan.height <= plan.heuristic_height
    assert plan.gap == plan.height - plan.lower_bound
    assert plan.exact == (plan.gap == 0)


def test_lists_and_arrays_of_any_integer_type_are_columns() -> None:
    expected = backbuf.plan([0, 3, 0], [3, 9, 9], [100, 100, 50])
    assert (expected.height, expected.exact, expected.offsets.dtype) == (150, True, np.uint64)
    for dtype in (np.int8, np.uint16, np.int64, ">i4"):
        columns = (np.array(column, dtype) for column in ([0, 3, 0], [3, 9, 9], [100, 100, 50]))
        assert backbuf.plan(*columns).offsets.tolist() == expected.offsets.tolist()
    strided = np.array([[0, 3, 100], [3, 9, 100], [0, 9, 50]])
    assert backbuf.plan(*strided.T).offsets.tolist() == expected.offsets.tolist()
    large = backbuf.plan([0, 2**64 - 2], [1, 2**64 - 1], [2**63, 2**62])
    assert large.height == 2**63
    assert backbuf.plan([], [], []).height == 0


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"upper": [3, 3]}, backbuf.ArgumentError, r"upper\[1\] = 3: must be greater than lower"),
        ({"size": [4, 0]}, backbuf.ArgumentError, r"size\[1\] = 0: an item has at least one byte"),
        ({"size": [4]}, ValueError, "size has 1 numbers, and lower has 2"),
        ({"size": [4, -1]}, ValueError, r"size\[1\] is -1"),
        ({"size": [4, 2**64]}, ValueError, r"size\[1\] is 18446744073709551616"),
        ({"size": [2**63, 2**63]}, backbuf.OutOfRangeError, r"size\[1\] = 9223372036854775808: the sizes up to here"),
        ({"size": [4.0, 1.0]}, TypeError, "size has elements of type float64: give integers"),
        ({"lower": [[0, 3]]}, ValueError, "lower has 2 dimensions"),
        ({"lower": 3}, ValueError, "lower has 0 dimensions"),
        ({"alignment": 3}, ValueError, r"alignment\[0\] = 3: must be a power of two"),
        ({"alignment": [1, 2, 4]}, backbuf.ArgumentError, "alignment = 3: numbers: give none, one for all items"),
        ({"threads": -1}, ValueError, "threads is -1"),
        ({"target": -1}, ValueError, "target is -1"),
    ],
)
def test_malformed_columns_are_refused(changed: dict[str, Any], error: type[Exception], text: str) -> None:
    columns: dict[str, Any] = {"lower": [0, 3], "upper": [3, 9], "size": [4, 4]}
    with pytest.raises(error, match=text):
        backbuf.plan(**columns | changed)


def test_a_cancelled_search_returns_the_best_so_far() -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(threading.current_thread())
        return len(asked) == 3

    plan = backbuf.plan(**hard(), budget=None, cancelled=cancelled)
    assert asked == [threading.main_thread()] * 3
    assert plan.height >= plan.lower_bound
    assert backbuf.plan(**hard(), budget=None, target=plan.heuristic_height).height <= plan.heuristic_height


def test_ctrl_c_ends_a_search(script: Script) -> None:
    printed = script("""
        import os, signal, threading, time
        import numpy as np
        import backbuf
        signal.signal(signal.SIGINT, signal.default_int_handler)
        random = np.random.default_rng(7)
        lower = random.integers(0, 200, 400)
        def interrupt():
            while all(thread.name != "backbuf plan" for thread in threading.enumerate()):
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            backbuf.plan(lower, lower + random.integers(1, 60, 400), random.integers(1, 997, 400), budget=None)
        except KeyboardInterrupt:
            print("interrupted")
    """)
    assert printed.split() == ["interrupted"]
