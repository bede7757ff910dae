"""What a manager has done, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ._errors import check, status_names
from ._library import ffi, lib


@dataclass(frozen=True)
class Statistics:
    """The counters of `bb_manager_stats`, since the manager was made."""

    updates: int
    """Accepted updates; each of a batch counts."""
    bytes: int
    applied_by_caller: int
    applied_by_worker: int
    epochs: int
    swaps: int
    copies_forward: int
    """Times that a copy was brought up to date, with `copied_forward_bytes` in all."""
    copied_forward_bytes: int
    queue_high_water_bytes: int
    waits: int
    stalls: int
    """Flushes and tasks that outlasted the watchdog."""
    leases_live: int
    leases_leaked: int
    outsized_updates: int
    """Updates that were larger than the queue."""
    refused_total: int
    wait_histogram: list[int]
    """At k: the synchronizes that waited or ran a flush, and took 2**k to 2**(k + 1) nanoseconds."""
    refused: dict[str, int]
    """Refused calls by the name of their status; a call that first tries and then waits, as Python's do, counts its try."""


def statistics(manager: Any) -> Statistics:
    stats = ffi.new("bb_manager_stats *")
    check(lib.bb_manager_stats_get(manager, ffi.sizeof("bb_manager_stats"), stats))
    found = {name: getattr(stats, name) for name, _ in ffi.typeof("bb_manager_stats").fields}
    del found["struct_size"], found["reserved"]
    names = status_names()
    found["wait_histogram"] = list(found["wait_histogram"])
    found["refused"] = {names[-code]: many for code, many in enumerate(found["refused"]) if many}
    return Statistics(**found)
