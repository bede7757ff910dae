"""What managers, ends, streams and devices have done, as numbers."""

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
    copies_replaced: int
    """Times that a lease held the copy to be written next, so that another copy was written instead."""
    copies_forward: int
    """Ranges copied forward to a copy that lacked them, with `copied_forward_bytes` in all."""
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
    copies_present: int
    """Copies that have memory now: two, and those that leases made necessary."""
    extra_copies: int
    """Those of them beyond the argument `copies`."""
    extra_copies_most: int
    """The most extra copies that there were at once."""
    oldest_lease_epoch: int
    """The epoch of the oldest front that is held now; 0 if none is held."""
    oldest_lease_thread: int
    """The thread that took that lease (`threading.get_native_id()`); 0 if none is held."""
    oldest_lease_age_ns: int
    """How long that lease has been held at least: its age counts from the first time that a report, an error or a query looked
    at it, and is 0 then. It may have been held for much longer."""


@dataclass(frozen=True)
class EndStatistics:
    """The counters of one end of a ring (`bb_end_stats`), since that end was made."""

    capacity: int
    """The ring's, in bytes."""
    bytes: int
    """Moved through this end."""
    operations: int
    """Calls that moved bytes."""
    misses: int
    """Calls that found the ring full (of a sender) or empty (of a receiver)."""
    waits: int
    """Waits that could not be answered at once."""
    wakes: int
    """How often this end woke the other."""
    high_water: int
    """The most bytes that this end found in the ring."""
    wait_histogram: list[int]
    """At k: the waits that took 2**k to 2**(k + 1) nanoseconds."""
    lost: int
    """Records that were overwritten before they were received: by this sender, or since this receiver is there."""


@dataclass(frozen=True)
class StreamStatistics:
    """The counters of a stream and its pool (`bb_stream_stats`)."""

    chunks: int
    """Given, with `bytes` in them."""
    bytes: int
    hits: int
    """Buffers that were used again."""
    misses: int
    """Buffers that had to be allocated."""
    live: int
    """Chunks that somebody still holds."""
    kept: int
    """Buffers that wait in the pool."""
    buffer_size: int
    """Of the next chunk, in bytes."""
    waits: int
    """Waits that could not be answered at once."""


@dataclass(frozen=True)
class DeviceStatistics:
    """The counters of a device (`bb_device_stats`)."""

    lost: bool
    """Whether it is lost."""
    buffers_created: int
    buffers_deleted: int
    live_bytes: int
    """Of the buffers that are there."""
    calls: int
    """Run on the owner thread."""
    writes: int
    """From host memory, with `bytes_written` in all."""
    bytes_written: int
    copies: int
    """From buffer to buffer, with `bytes_copied` in all."""
    bytes_copied: int
    maps: int
    submits: int
    """Each with a fence."""
    waits: int
    """For fences that had not passed at once."""


@dataclass(frozen=True)
class ReadbackStatistics:
    """The counters of a ring of readbacks (`bb_readback_stats`)."""

    reads: int
    """Begun, with `bytes` in them."""
    bytes: int
    stalls: int
    """Reads that waited for a buffer, `stalled_ns` in all."""
    stalled_ns: int
    skipped: int
    """Reads that were left out."""
    dropped: int
    """Readings that were given up for newer ones."""


@dataclass(frozen=True)
class DynamicStatistics:
    """The counters of a dynamic buffer (`bb_dynamic_stats`)."""

    capacity: int
    """Bytes of the ring now."""
    updates: int
    """Begun, with `bytes` in them."""
    bytes: int
    frames: int
    """Ended, and had updates."""
    stalls: int
    """Updates that waited for room, `stalled_ns` in all."""
    stalled_ns: int
    refused: int
    grown: int
    trimmed: int
    dedicated: int
    """Updates larger than the ring, which got a buffer of their own."""


def counters(kind: str, thing: Any) -> dict[str, Any]:
    """The `bb_<kind>_stats` of a handle, by their names in the header."""
    struct = "bb_end_stats" if kind in ("sender", "receiver") else f"bb_{kind}_stats"
    stats = ffi.new(f"{struct} *")
    check(getattr(lib, f"bb_{kind}_stats_get")(thing, ffi.sizeof(struct), stats))
    found = {name: getattr(stats, name) for name, _ in ffi.typeof(struct).fields}
    # An array is memory of the struct, which ends here.
    found = {name: list(value) if isinstance(value, ffi.CData) else value for name, value in found.items()}
    return {name: value for name, value in found.items() if name not in ("struct_size", "reserved")}


def statistics(manager: Any) -> Statistics:
    found = counters("manager", manager)
    names = status_names()
    found["refused"] = {names[-code]: many for code, many in enumerate(found["refused"]) if many}
    return Statistics(**found)
