"""Feeds: rings whose records a manager applies."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from . import _errors
from ._arguments import instance_of
from ._html import HtmlFields
from ._library import ffi, lib
from ._owner import Unique
from ._ring import SPSCReceiver

if TYPE_CHECKING:
    from ._manager_handle import ManagerHandle


@dataclass(frozen=True)
class FeedStatus(HtmlFields):
    """What a feed has applied, and whether it still applies records; from `Feed.status`."""

    records: int
    """Records applied; a batch counts once."""
    batches: int
    """Batches among them."""
    bytes: int
    """Bytes of these records: the position of the next record, or of the refused one."""
    error: _errors.BackbufError | None
    """None while the feed applies records; a ClosedError after the sender's last record, or once the manager has ended; else
    the reason why the record at `bytes` was refused: an OutOfRangeError if the sender ended inside of it.
    """


class Loan:
    """A `bb_feed`. The feed and the receiver share it: whichever ends first ends it, since a receiver that feeds cannot be
    destroyed.
    """

    __slots__ = ("feed",)

    def __init__(self) -> None:
        self.feed = ffi.NULL

    def end(self) -> int:
        """Stops the feed and returns the status of `bb_feed_destroy`. Repeated calls are allowed."""
        feed, self.feed = self.feed, ffi.NULL
        return int(lib.bb_feed_destroy(feed))


class Feed(Unique):
    """A ring that feeds a manager: the manager applies the records that a `FeedWriter`, native code or another process
    writes to the ring's sender. Created by `CBufferManager.feed`.

    `synchronize` covers all records that were committed before it. Until `close`, the end of the `with` block, or the last
    reference to this object, the receiver is lent: its calls raise StateError, except for `statistics` and `fileno`. A bad
    record stops the feed; see `status`. Any thread may call it. It does not keep its manager alive.

    >>> m = backbuf.CBufferManager(4, "f4")
    >>> tx, rx = backbuf.spsc_buffer(4096)
    >>> writer = backbuf.FeedWriter(tx, m)
    >>> with m.feed(rx) as feed:
    ...     writer.write(np.array([1.5, 2.5], "f4"), byte_offset=8)
    ...     _ = m.synchronize()
    ...     print(m.snapshot(), feed.status().records)
    [0.  0.  1.5 2.5] 1
    """

    __slots__ = ("__weakref__", "_loan", "_receiver")

    def __init__(self, manager: ManagerHandle, receiver: SPSCReceiver) -> None:
        self._loan = Loan()
        self._receiver = instance_of(receiver, SPSCReceiver, "receiver")
        receiver._check_unused()
        feed = ffi.new("bb_feed **")
        manager._check(lib.bb_manager_feed(manager._pointer(), receiver._pointer(), feed))
        self._loan.feed = feed[0]
        receiver._loan = self._loan

    @property
    def receiver(self) -> SPSCReceiver:
        """The receiver. After `close` it receives what was not applied."""
        return self._receiver

    @property
    def closed(self) -> bool:
        """Whether the receiver is returned."""
        return not self._loan.feed

    def status(self) -> FeedStatus:
        """What the feed has applied, and the reason if it applies nothing more.

        Raises:
            ClosedError: The feed is closed.

        >>> m = backbuf.CBufferManager(4, "u1")
        >>> tx, rx = backbuf.spsc_buffer(4096)
        >>> feed = m.feed(rx)
        >>> backbuf.FeedWriter(tx).write(b"beyond", byte_offset=2)
        >>> _ = m.synchronize()
        >>> print(feed.status().error)
        out of bounds: byte_offset + data ends at 8, beyond 4 (the bytes of the state)
        """
        info = ffi.new("bb_feed_info *")
        feed = self._loan.feed
        if not feed:
            raise self._gone()
        status = lib.bb_feed_status(feed, ffi.sizeof("bb_feed_info"), info)
        if status != 0:
            raise self._gone() if self.closed else _errors.error(status)
        error = None
        if info.status != 0:
            error = _errors.error(info.status, ffi.string(info.message).decode("utf-8", "replace"))
        return FeedStatus(info.records, info.batches, info.bytes, error)

    def close(self) -> None:
        """Stops the feed and returns the receiver. Repeated calls are allowed.

        Records that were not applied stay in the ring: call `synchronize` of the manager before, to have them applied.
        """
        _errors.check(self._loan.end())

    def __del__(self) -> None:
        loan = getattr(self, "_loan", None)  # missing if __init__ did not begin
        if loan is not None:
            loan.end()

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _gone(self) -> _errors.ClosedError:
        return _errors.closed(repr(self), "the feed has returned its receiver")

    def __repr__(self) -> str:
        state = "closed"
        if not self.closed:
            try:
                status = self.status()
                ended = "open" if status.error is None else f"ended ({status.error})"
                state = f"{status.records} records, {ended}"
            except _errors.BackbufError as exception:
                state = _errors.status_names()[exception.status]
        return f"<Feed from {self._receiver!r}, {state}>"
