"""Counters of managers, ring ends, streams, devices and buffers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ._errors import check, status_names
from ._html import HtmlFields
from ._library import ffi, lib


@dataclass(frozen=True)
class Statistics(HtmlFields):
    """The counters of a manager (`bb_manager_stats`), since its creation."""

    updates: int
    """Accepted updates, with `bytes` in them; each update of a batch counts."""
    bytes: int
    applied_by_caller: int
    applied_by_worker: int
    epochs: int
    copies_replaced: int
    """The number of publishes that wrote another copy because a lease held the next one."""
    copies_forward: int
    """Ranges that were copied forward to a copy that lacked them."""
    copied_forward_bytes: int
    """Bytes of these ranges."""
    queue_high_water_bytes: int
    waits: int
    stalls: int
    """Flushes and tasks that exceeded the watchdog."""
    leases_live: int
    leases_leaked: int
    outsized_updates: int
    """Updates that were larger than the queue."""
    refused_total: int
    wait_histogram: list[int]
    """Element k counts the synchronizes that waited or ran a flush and took 2**k to 2**(k + 1) nanoseconds."""
    refused: dict[str, int]
    """Refused calls by status name. A call that tries first and then waits, as Python's calls do, counts its try."""
    copies_present: int
    """Copies that have memory now: two, and those that leases required."""
    extra_copies: int
    """The copies among them beyond the argument `copies`."""
    extra_copies_most: int
    """The largest number of extra copies so far."""
    oldest_lease_epoch: int
    """The epoch of the oldest front that is held now; 0 if none is held."""
    oldest_lease_thread: int
    """The thread that acquired that front (`threading.get_native_id()`); 0 if none is held."""
    oldest_lease_age_ns: int
    """A lower bound of the age of that lease: it counts from the first report, error or query that included the lease,
    which reads 0.
    """
    fed_updates: int
    """Updates applied from feeds."""
    feeds_stopped: int
    """Feeds that stopped at a bad record."""


@dataclass(frozen=True)
class EndStatistics(HtmlFields):
    """The counters of one end of a ring (`bb_end_stats`), since its creation."""

    capacity: int
    """Size of the ring in bytes."""
    bytes: int
    operations: int
    """Calls that moved `bytes`."""
    misses: int
    """Calls that found the ring full (sender) or empty (receiver)."""
    waits: int
    """Calls that had to wait."""
    wakes: int
    """The number of times that this end woke the other end."""
    high_water: int
    """The largest number of bytes that this end found in the ring."""
    wait_histogram: list[int]
    """Element k counts the waits that took 2**k to 2**(k + 1) nanoseconds."""
    lost: int
    """Records that were overwritten before they were received: by this sender, or since the creation of this receiver."""


@dataclass(frozen=True)
class StreamStatistics(HtmlFields):
    """The counters of a stream and its pool (`bb_stream_stats`)."""

    chunks: int
    """Chunks that the stream has returned, with `bytes` in them."""
    bytes: int
    hits: int
    """Buffers that were reused."""
    misses: int
    """Buffers that had to be allocated."""
    live: int
    """Chunks that are still referenced."""
    kept: int
    """Buffers in the pool."""
    buffer_size: int
    """Size of the next chunk's buffer in bytes."""
    waits: int
    """Calls that had to wait."""


@dataclass(frozen=True)
class DeviceStatistics(HtmlFields):
    """The counters of a device (`bb_device_stats`)."""

    lost: bool
    """Whether the device is lost."""
    buffers_created: int
    buffers_deleted: int
    live_bytes: int
    """Bytes of all existing buffers."""
    calls: int
    """Calls that ran on the owner thread."""
    writes: int
    """Writes from host memory."""
    bytes_written: int
    copies: int
    """Copies between buffers."""
    bytes_copied: int
    maps: int
    submits: int
    """Submits; each has a fence."""
    waits: int
    """Waits for fences that had not passed yet."""
    native_calls: int
    """Calls of the native API for writes and copies, up to the last submit; 0 if the backend does not count them."""


@dataclass(frozen=True)
class ReadbackStatistics(HtmlFields):
    """The counters of a readback buffer (`bb_readback_stats`)."""

    reads: int
    """Reads that were begun, of `bytes` in all."""
    bytes: int
    stalls: int
    """Reads that waited for a buffer."""
    stalled_ns: int
    """Nanoseconds of these waits."""
    skipped: int
    """Reads that were refused because all buffers were in use."""
    dropped: int
    """Readings that newer ones replaced."""


@dataclass(frozen=True)
class DynamicStatistics(HtmlFields):
    """The counters of a dynamic buffer (`bb_dynamic_stats`)."""

    capacity: int
    """Current size of the ring in bytes."""
    updates: int
    """Updates that were begun, of `bytes` in all."""
    bytes: int
    frames: int
    """Frames that ended and had updates."""
    stalls: int
    """Updates that waited for space."""
    stalled_ns: int
    """Nanoseconds of these waits."""
    refused: int
    grown: int
    trimmed: int
    dedicated: int
    """Updates that were larger than the ring and got a buffer of their own."""


def counters(kind: str, thing: Any) -> dict[str, Any]:
    """The fields of `bb_<kind>_stats` of a handle, by their names in the header."""
    struct = "bb_end_stats" if kind in ("sender", "receiver") else f"bb_{kind}_stats"
    stats = ffi.new(f"{struct} *")
    check(getattr(lib, f"bb_{kind}_stats_get")(thing, ffi.sizeof(struct), stats))
    found = {name: getattr(stats, name) for name, _ in ffi.typeof(struct).fields}
    # An array is memory of the struct, which is freed at the end of this function.
    found = {name: list(value) if isinstance(value, ffi.CData) else value for name, value in found.items()}
    return {name: value for name, value in found.items() if name not in ("struct_size", "reserved")}


def statistics(manager: Any) -> Statistics:
    """The counters of a manager."""
    found = counters("manager", manager)
    names = status_names()
    found["refused"] = {names[-code]: many for code, many in enumerate(found["refused"]) if many}
    return Statistics(**found)
