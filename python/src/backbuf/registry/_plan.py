"""Plans: placing buffers with lifetimes in as little memory as possible."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backbuf import _errors
from backbuf._arguments import nanoseconds, unsigned
from backbuf._library import ffi, lib

from ._native import NativeRegistry


@dataclass(frozen=True)
class PlannedRegion:
    """The planned layout of a region, in elements. Buffers that are always alive lie below the planned ones and are
    included.
    """

    buffers: int
    """Number of placed buffers."""
    height: int
    """Size of the region."""
    lower_bound: int
    """The largest sum of buffers that are alive in one step: no plan is smaller."""
    exact: bool
    """Whether this plan is proven to be the smallest."""
    heuristic_height: int
    """Size of the region before the search."""
    nodes: int
    """Number of search steps."""

    @property
    def gap(self) -> int:
        """The most that a better plan could save."""
        return self.height - self.lower_bound


@dataclass(frozen=True)
class Plan:
    """The result of a plan."""

    shared: PlannedRegion
    persistent: PlannedRegion


def plan(
    native: NativeRegistry,
    parent: object,
    budget: float | None,
    threads: int,
    seed: int,
    nodes: int | None,
    target: int | None,
    cancelled: Callable[[], object] | None,
) -> Plan:
    """Searches on another thread without the GIL, while this thread reacts to Ctrl-C and `cancelled`."""
    config, found = ffi.new("bb_plan_config *"), ffi.new("bb_plan *")
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

    registry, key = native.pointer(), native.find(parent)
    failed: list[Exception] = []
    done = threading.Event()

    def search() -> None:
        try:
            native.check(lib.bb_registry_plan(registry, key, config, ffi.sizeof("bb_plan"), found), parent=parent)
        except Exception as error:
            failed.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=search, name="backbuf plan")
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
    return Plan(_region(found, "shared"), _region(found, "persistent"))


def _region(plan: Any, space: str) -> PlannedRegion:
    fields = {name: getattr(plan, f"{space}_{name}") for name in PlannedRegion.__dataclass_fields__}
    return PlannedRegion(**fields | {"exact": bool(fields["exact"])})
