"""Records of feeds: a writer into a ring, and batches. `docs/feed-format.md` specifies the bytes."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _errors
from ._arguments import byte_view, instance_of, nanoseconds, unsigned
from ._layout import Layout, fill_of
from ._library import ffi, lib
from ._memory import Array
from ._ring import SPSCSender
from ._wait import Deadline

if TYPE_CHECKING:
    from ._fields import FieldTable
    from ._manager import CBufferManager


class Record(NamedTuple):
    """An encoded record: its size, and its bytes in pieces."""

    size: int
    pieces: Sequence[bytes | memoryview]


def _record(record_type: int, field: int, offset: int, *payload: bytes | memoryview) -> Record:
    header, size = ffi.new("bb_feed_record *"), ffi.new("uint64_t *")
    bytes_ = sum(len(piece) for piece in payload)
    _errors.check(lib.bb_feed_record_init(record_type, field, offset, bytes_, header, size))
    return Record(size[0], (ffi.buffer(header)[:], *payload, bytes(-bytes_ % 8)))


class RecordEncoder:
    """Encodes updates of a state, whose fields and dtypes `table` has; without it, data are bytes and fields are indices."""

    __slots__ = ("_table",)

    def __init__(self, table: FieldTable | None) -> None:
        self._table = table

    def write(self, data: Any, byte_offset: int, field: int | str) -> Record:
        number, layout = self._field(field)
        start = unsigned(byte_offset, "byte_offset")
        if layout is None:
            return _record(lib.BB_FEED_WRITE, number, start, byte_view(data, "data"))
        elements = layout.packed(data)
        _check_range(layout, start, elements.size)
        return _record(lib.BB_FEED_WRITE, number, start, _bytes_of(elements))

    def fill(self, value: Any, byte_offset: int, count: int | None, field: int | str) -> Record:
        number, layout = self._field(field)
        if layout is not None:
            element, start, many = fill_of(layout, value, byte_offset, count)
            _check_range(layout, start, many)
            view = _bytes_of(element)
        elif count is None:
            raise TypeError("count is None: give the number of elements, or give the manager to FeedWriter")
        else:
            start, many, view = unsigned(byte_offset, "byte_offset"), unsigned(count, "count"), byte_view(value, "value")
            if len(view) == 0:
                raise ValueError("value has 0 bytes: give the bytes of one element")
        return _record(lib.BB_FEED_FILL, number, start, many.to_bytes(8, "little"), view)

    def tag(self, tag: int) -> Record:
        return _record(lib.BB_FEED_TAG, 0, unsigned(tag, "tag"))

    def batch(self, records: bytearray) -> Record:
        return _record(lib.BB_FEED_BATCH, 0, 0, memoryview(records))

    def _field(self, field: int | str) -> tuple[int, Layout | None]:
        if self._table is None:
            if isinstance(field, str):
                raise TypeError(f"field = {field!r}: give its index, or give the manager to FeedWriter for names")
            return unsigned(field, "field", 32), None
        if isinstance(field, str):
            layout = self._table.layout(field)
            return layout.field, layout
        number, layouts = unsigned(field, "field", 32), list(self._table.layouts.values())
        if number >= len(layouts):
            raise _errors.OutOfRangeError(f"field = {number}: the state has {len(layouts)} fields", lib.BB_E_RANGE)
        return number, layouts[number]


def _bytes_of(elements: Array) -> memoryview:
    # As bytes: some dtypes have no form in the buffer protocol.
    return memoryview(elements.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # a buffer, which older stubs do not say


def _check_range(layout: Layout, start: int, count: int) -> None:
    """Refuses a record that would stop the feed."""
    end = start + count * layout.itemsize
    if start % layout.itemsize:
        message = f"byte_offset = {start}: it must be a multiple of the {layout.itemsize} bytes of an element"
        raise _errors.ArgumentError(message, lib.BB_E_ALIGN)
    if end > layout.nbytes:
        message = f"byte_offset = {start}: the data end at byte {end}, beyond the {layout.nbytes} bytes of {layout.noun}"
        raise _errors.OutOfRangeError(message, lib.BB_E_RANGE)


class FeedWriter:
    """Writes the records of a feed into a ring, each of them whole. One thread at a time uses it.

    Calls wait for room in the ring. Closing the writer closes the sender, which ends the feed after the last record.

    Args:
        sender: The sender of a ring whose receiver feeds a manager.
        manager: The manager, for its fields and dtypes: then fields may be named, data are converted and checked as by
            `CBufferManager.enqueue`, and a record outside of its field is refused here. Without it, data are bytes, fields
            are indices, and a record that the manager refuses stops the feed; see `Feed.status`. The writer does not keep
            the manager alive.

    >>> m = backbuf.CBufferManager(fields={"qpos": (3, "f8"), "step": ((), "u4")})
    >>> tx, rx = backbuf.spsc_buffer(1 << 16)
    >>> feed, writer = m.feed(rx), backbuf.FeedWriter(tx, m)
    >>> writer.write(np.array([1.0, 2.0, 3.0]), field="qpos")
    >>> with writer.batch() as batch:
    ...     batch.fill(0.5, count=2, field="qpos")
    ...     batch.write(7, field="step")
    ...     batch.tag(42)
    >>> _ = m.synchronize()
    >>> with m.front() as f:
    ...     print(f["qpos"], f["step"], f.tag)
    [0.5 0.5 3. ] 7 42
    """

    __slots__ = ("_encoder", "_sender")

    def __init__(self, sender: SPSCSender, manager: CBufferManager | None = None) -> None:
        from ._manager import CBufferManager

        self._sender = instance_of(sender, SPSCSender, "sender")
        known = None if manager is None else instance_of(manager, CBufferManager, "manager")
        self._encoder = RecordEncoder(None if known is None else known._table)

    @property
    def sender(self) -> SPSCSender:
        """The sender, for its statistics."""
        return self._sender

    def write(self, data: Any, byte_offset: int = 0, field: int | str = 0, timeout: float | None = None) -> None:
        """Writes a record that writes elements.

        Args:
            data: Without a manager any contiguous buffer; with one, as for `CBufferManager.enqueue`.
            byte_offset: Offset in the field, in bytes.
            field: Name or index of the field; 0 is the first one, or the state of a manager without fields.
            timeout: Seconds to wait for room; 0 does not wait, None waits without limit.

        Raises:
            ChannelFull: There is too little room and the timeout is 0.
            WaitTimeoutError: There was too little room until the timeout expired.
            OutOfRangeError: The record is larger than the ring, or exceeds the field.
            ReceiversDisconnected: The receiver is closed.

        After an exception nothing was written.
        """
        self._put(self._encoder.write(data, byte_offset, field), timeout)

    def fill(
        self,
        value: Any,
        byte_offset: int = 0,
        count: int | None = None,
        field: int | str = 0,
        timeout: float | None = None,
    ) -> None:
        """Writes a record that writes one element `count` times; without a count, up to the end of the field.

        The count may be left out only if the writer has the manager. The other arguments and errors are those of `write`.
        """
        self._put(self._encoder.fill(value, byte_offset, count, field), timeout)

    def tag(self, tag: int, timeout: float | None = None) -> None:
        """Writes a record that sets the tag of the fronts that contain the records before it."""
        self._put(self._encoder.tag(tag), timeout)

    def batch(self, timeout: float | None = None) -> FeedBatch:
        """Groups records that are applied together, or none of them. An exception in the `with` block discards them.

        They are written as one record at the end of the block, with the errors of `write`.
        """
        return FeedBatch(self, timeout)

    def close(self) -> None:
        """Closes the sender. Repeated calls are allowed."""
        self._sender.close()

    def _put(self, record: Record, timeout: float | None) -> None:
        sender, size = self._sender, record.size
        sender._pointer()  # a closed sender is reported first
        if size > sender.capacity:
            message = f"the record has {size} bytes, but the ring {sender.capacity}: write the data in parts"
            raise _errors.OutOfRangeError(message, lib.BB_E_RANGE)
        tries_once, deadline = nanoseconds(timeout) == 0, Deadline(timeout)
        while True:
            try:
                view = sender.reserve(size)
                break
            except _errors.ChannelFull:
                if tries_once:
                    raise
            sender.wait(size, deadline.seconds())
        written = 0
        try:
            at = 0
            for piece in record.pieces:
                view[at : at + len(piece)] = piece
                at += len(piece)
            written = size
        finally:
            sender.commit(written)

    def __enter__(self) -> FeedWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<FeedWriter to {self._sender!r}>"


class FeedBatch:
    """Records that are applied together, or none of them. Created by `FeedWriter.batch`.

    Each record is checked at once; a rejected one leaves the others in the batch.
    """

    __slots__ = ("_records", "_timeout", "_writer")

    def __init__(self, writer: FeedWriter, timeout: float | None) -> None:
        nanoseconds(timeout)  # a bad timeout is refused before the block
        self._writer, self._timeout, self._records = writer, timeout, bytearray()

    def write(self, data: Any, byte_offset: int = 0, field: int | str = 0) -> None:
        """Adds a write; see `FeedWriter.write`."""
        self._add(self._writer._encoder.write(data, byte_offset, field))

    def fill(self, value: Any, byte_offset: int = 0, count: int | None = None, field: int | str = 0) -> None:
        """Adds a fill; see `FeedWriter.fill`."""
        self._add(self._writer._encoder.fill(value, byte_offset, count, field))

    def tag(self, tag: int) -> None:
        """Adds a tag; see `FeedWriter.tag`."""
        self._add(self._writer._encoder.tag(tag))

    def _add(self, record: Record) -> None:
        self._records += b"".join(record.pieces)

    def __enter__(self) -> FeedBatch:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        records, self._records = self._records, bytearray()
        if kind is None:
            self._writer._put(self._writer._encoder.batch(records), self._timeout)

    def __repr__(self) -> str:
        return f"<FeedBatch of {len(self._records)} bytes>"
