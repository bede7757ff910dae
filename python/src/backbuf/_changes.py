"""What changed: the ranges in which a front may differ from an older one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import _errors
from ._arguments import unsigned
from ._fields import FieldTable, NoArray
from ._library import ffi, lib

_MOST = 512  # more ranges are joined by the library


class Changes:
    """The parts of a state, or of a field, that may differ between two epochs, from `Front.changed_since`.

    Iteration gives slices of the flat elements, ascending and apart from each other. Every element that differs is in one of
    them; they may also have elements that are equal. It is false if nothing has changed.

    >>> m = backbuf.CBufferManager((4, 10), "f4")
    >>> mirror = m.snapshot()
    >>> m[2, 3:5] = 1
    >>> _ = m.synchronize()
    >>> with m.front() as f:
    ...     changes = f.changed_since(0)
    ...     for part in changes:
    ...         mirror.flat[part] = f.array.flat[part]
    ...     print(list(changes), changes.ranges, changes.complete, (mirror == f.array).all())
    [slice(23, 25, None)] ((92, 100),) True True
    """

    __slots__ = ("_itemsize", "complete", "ranges")

    ranges: tuple[tuple[int, int], ...]
    """The first byte of each range, and the byte after its last one."""
    complete: bool
    """Whether the manager's history covers both epochs. If not, the only range is the whole state."""

    def __init__(self, lease: Any, since: int, itemsize: int, field: int) -> None:
        front = ffi.new("bb_front *", {"lease": lease})
        ranges, count, complete = ffi.new("bb_byte_range[]", _MOST), ffi.new("uint64_t *"), ffi.new("bool *")
        since = unsigned(since, "epoch")
        _errors.check(lib.bb_front_changes(front, since, field, ranges, _MOST, count, complete))
        found = ffi.unpack(ranges, count[0]) if count[0] else []
        self.ranges = tuple((part.offset, part.offset + part.bytes) for part in found)
        self.complete, self._itemsize = bool(complete[0]), itemsize

    def __iter__(self) -> Iterator[slice]:
        size, first, last = self._itemsize, 0, 0
        for start, stop in self.ranges:
            # Ranges that end in one element, or in neighbouring ones, are one.
            if last > 0 and start // size <= last:
                last = -(-stop // size)
                continue
            if last > 0:
                yield slice(first, last)
            first, last = start // size, -(-stop // size)
        if last > 0:
            yield slice(first, last)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __repr__(self) -> str:
        return f"<Changes of {sum(stop - start for start, stop in self.ranges)} bytes in {len(self.ranges)} ranges" + (
            ">" if self.complete else ", older than the history>"
        )


def changes_of(table: FieldTable, lease: Any, epoch: int, since: int, field: str | None) -> Changes:
    """The changes of a field, or of a state without fields, up to the front of `epoch`; `lease` is None after its release."""
    layout = table.single if field is None else table.layout(field)
    if isinstance(layout, NoArray):
        layout.refuse()
    if not lease:
        raise ValueError(f"the front of epoch {epoch} is released: ask for its changes inside the `with` block")
    return Changes(lease, since, layout.itemsize, layout.field)
