"""Memory plans: offsets for items of known size and lifetime in as little memory as possible, and the search of all plans."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _errors
from ._arguments import nanoseconds, unsigned
from ._layout import pointer
from ._library import ffi, lib


@dataclass(frozen=True, eq=False)
class MemoryPlan:
    """An offset for each item, and how good the plan is."""

    offsets: npt.NDArray[np.uint64]
    """Offset of each item in bytes, from the start of one piece of memory."""
    height: int
    """Bytes that all items need together: the highest end of one."""
    lower_bound: int
    """No plan needs fewer bytes."""
    exact: bool
    """Whether no better plan exists."""
    heuristic_height: int
    """Height before the search."""
    nodes: int
    """Number of search steps."""

    @property
    def gap(self) -> int:
        """The most bytes that a better plan could save."""
        return self.height - self.lower_bound


def plan(
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    size: npt.ArrayLike,
    *,
    alignment: npt.ArrayLike = 1,
    budget: float | None = 1.0,
    threads: int = 1,
    seed: int = 0,
    nodes: int | None = None,
    target: int | None = None,
    cancelled: Callable[[], object] | None = None,
) -> MemoryPlan:
    """Places items of known size and lifetime in as little memory as possible: items that are never alive together may share
    memory. Needs no registry.

    The columns are lists or NumPy arrays of integers, one number for each item. The search runs without the GIL; Ctrl-C ends
    it.

    Args:
        lower: The first step at which each item is alive.
        upper: The step after the last; greater than `lower`.
        size: Bytes of each item, at least 1.
        alignment: A power of two that the offsets are multiples of, for all items or for each.
        budget: Seconds to search; None searches to the end, 0 returns a quick plan.
        threads: Number of search threads.
        seed: The same seed gives the same plan, unless the time limit ends the search.
        nodes: Maximum number of search steps.
        target: A height in bytes that is good enough.
        cancelled: Called repeatedly; when it returns True, the best plan so far is used.

    >>> plan = backbuf.plan(lower=[0, 3, 0], upper=[3, 9, 9], size=[100, 100, 50])
    >>> plan.height, plan.exact, plan.offsets[0] == plan.offsets[1]
    (150, True, True)
    """
    columns = {name: _column(given, name) for name, given in (("lower", lower), ("upper", upper), ("size", size))}
    count = len(columns["lower"])
    for name, column in columns.items():
        if len(column) != count:
            raise ValueError(f"{name} has {len(column)} numbers, and lower has {count}: give one for each item")
    aligned = _column(np.atleast_1d(np.asarray(alignment)), "alignment")
    offsets, info = np.zeros(count, np.uint64), ffi.new("bb_plan_info *")
    numbers = [ffi.cast("uint64_t *", pointer(column)) for column in columns.values()]

    def call(config: Any) -> None:
        output = ffi.cast("uint64_t *", pointer(offsets))
        alignments = ffi.cast("uint64_t *", pointer(aligned))
        status = lib.bb_plan(*numbers, count, alignments, len(aligned), config, output, ffi.sizeof("bb_plan_info"), info)
        _errors.check(status)

    search(call, budget, threads, seed, nodes, target, cancelled)
    return MemoryPlan(offsets, info.height, info.lower_bound, bool(info.exact), info.heuristic_height, info.nodes)


def _column(given: npt.ArrayLike, name: str) -> npt.NDArray[np.uint64]:
    """One number for each item, as the library takes them."""
    column = np.asarray(given)
    if column.ndim != 1:
        raise ValueError(f"{name} has {column.ndim} dimensions: give one number for each item")
    if column.size == 0:
        return np.zeros(0, np.uint64)
    if column.dtype.kind not in "iu":
        # A list of small and large integers becomes an array of floats.
        exact = np.asarray(given, object)
        if not all(isinstance(number, (int, np.integer)) for number in exact):
            raise TypeError(f"{name} has elements of type {column.dtype}: give integers")
        column = exact
    unsigned(min(column), f"{name}[{int(column.argmin())}]")
    unsigned(max(column), f"{name}[{int(column.argmax())}]")
    return np.ascontiguousarray(column, np.uint64)


def search(
    call: Callable[[Any], None],
    budget: float | None,
    threads: int,
    seed: int,
    nodes: int | None,
    target: int | None,
    cancelled: Callable[[], object] | None,
) -> None:
    """Runs `call`, which gets a bb_plan_config, on another thread without the GIL, while this thread reacts to Ctrl-C and
    `cancelled`.
    """
    config = ffi.new("bb_plan_config *")
    _errors.check(lib.bb_plan_config_init(config))
    config.budget_ns = nanoseconds(budget, "budget")
    config.threads = unsigned(threads, "threads", 32)
    config.seed = unsigned(seed, "seed")
    if nodes is not None:
        config.nodes = unsigned(nodes, "nodes")
    if target is not None:
        config.target = unsigned(target, "target")
    # The search calls bb_handle_check with this handle, which needs no Python; destroying the handle ends the search.
    token = ffi.new("bb_registry **")
    _errors.check(lib.bb_registry_create(ffi.NULL, token))
    config.cancelled = ffi.cast("bb_cancelled_fn", ffi.addressof(lib, "bb_handle_check"))
    config.cancelled_user_data = token[0]

    failed: list[Exception] = []
    done = threading.Event()

    def run() -> None:
        try:
            call(config)
        except Exception as error:
            failed.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="backbuf plan")
    try:
        thread.start()
        while not done.wait(None if cancelled is None else 0.01):
            if cancelled is not None and cancelled():
                break
    finally:
        lib.bb_registry_destroy(token[0])
        if thread.ident is not None:
            thread.join()
    if failed:
        raise failed[0]
