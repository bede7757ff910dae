"""Plans: placing buffers with lifetimes in as little memory as possible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backbuf._library import ffi, lib
from backbuf._plan import search

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
    """Searches for a plan of a parent; see `search`."""
    found = ffi.new("bb_registry_plans *")
    registry, key = native.pointer(), native.find(parent)

    def call(config: Any) -> None:
        size = ffi.sizeof("bb_registry_plans")
        native.check(lib.bb_registry_plan(registry, key, config, size, found), parent=parent)

    search(call, budget, threads, seed, nodes, target, cancelled)
    return Plan(_region(found, "shared"), _region(found, "persistent"))


def _region(plan: Any, space: str) -> PlannedRegion:
    fields = {name: getattr(plan, f"{space}_{name}") for name in PlannedRegion.__dataclass_fields__}
    return PlannedRegion(**fields | {"exact": bool(fields["exact"])})
