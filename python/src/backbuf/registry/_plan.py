"""Plans: buffers with lifetimes in the least memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backbuf import _errors
from backbuf._layout import unsigned
from backbuf._library import ffi, lib
from backbuf._wait import nanoseconds

from ._native import Native


@dataclass(frozen=True)
class PlannedRegion:
    """How a region came out, in elements; what is always alive lies below what is planned, and counts."""

    buffers: int
    """Those that were placed."""
    height: int
    """How far they reach."""
    lower_bound: int
    """The most that is alive at any one step: no plan is lower."""
    exact: bool
    """Whether no plan is lower than this one."""
    heuristic_height: int
    """How far they reached before any search."""
    nodes: int
    """Steps of the search."""

    @property
    def gap(self) -> int:
        """What a better plan could save at most."""
        return self.height - self.lower_bound


@dataclass(frozen=True)
class Plan:
    """What a plan came to."""

    shared: PlannedRegion
    persistent: PlannedRegion


def plan(
    native: Native,
    parent: object,
    budget: float | None,
    threads: int,
    seed: int,
    nodes: int | None,
    target: int | None,
    cancelled: Callable[[], object] | None,
) -> Plan:
    """Searches on a thread of its own, without the GIL, while this one is there for Ctrl-C and for `cancelled`."""
    config, found = ffi.new("bb_plan_config *"), ffi.new("bb_plan *")
    _errors.check(lib.bb_plan_config_init(config))
    config.budget_ns = nanoseconds(budget, "budget")
    config.threads = unsigned(threads, "threads", 32)
    config.seed = unsigned(seed, "seed")
    if nodes is not None:
        config.nodes = unsigned(nodes, "nodes")
    if target is not None:
        config.target = unsigned(target, "target")
    # The search asks whether this handle is still good, which takes no Python: once it is not, the search ends.
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
