"""Common methods of a ring's sender and receiver, and both ends as files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from . import _errors
from ._arguments import size_of
from ._end import End
from ._statistics import EndStatistics
from ._wait import Deadline

if TYPE_CHECKING:
    from ._ring import SPSCReceiver, SPSCSender


class RingEnd(End):
    """Common methods of sender and receiver."""

    _nothing_now: type[_errors.BackbufError]

    @property
    def capacity(self) -> int:
        """The size of the ring in bytes."""
        return self._capacity

    def statistics(self) -> EndStatistics:
        """The counters of this end, up to its close.

        >>> tx, rx = backbuf.spsc_buffer(1024)
        >>> tx.send(b"abc")
        3
        >>> tx.statistics().bytes, rx.statistics().bytes
        (3, 0)
        """
        return EndStatistics(**self._counters())

    def arm(self, n: int = 1) -> bool:
        """For custom event loops: returns True if `n` bytes (for a sender, of space) are available or can no longer become
        available.

        Otherwise it returns False, and `fileno()` becomes readable as soon as that is the case.
        """
        try:
            return not self._arm(self._limit(n))
        except self._disconnected:
            return True

    async def wait_for(self, n: int = 1, timeout: float | None = None) -> None:
        """Waits in an event loop for `n` bytes to receive, or for space to send `n` bytes; at most for the capacity."""
        wanted, deadline = self._limit(n), Deadline(timeout)
        if self._yield_timer.should_yield():
            await self._yield_timer.yield_now()
        while self._arm(wanted):
            await self._until_readable(deadline)

    def wait(self, n: int = 1, timeout: float | None = None) -> None:
        """Like `wait_for`, but blocks this thread."""
        wanted, end = self._limit(n), self._pointer()
        verb = "wait_writable" if self._kind == "sender" else "wait_readable"
        self._check(self._wait_interruptible(timeout, lambda left: self._call(verb, end, wanted, left)))

    def _limit(self, n: int) -> int:
        return min(size_of(n, "n"), self._capacity)


class RingReader(io.RawIOBase):
    """A receiver as a raw binary file; closing the file leaves the end open."""

    def __init__(self, end: SPSCReceiver) -> None:
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        try:
            while not (got := self._end.recv_into(buffer)) and len(buffer):
                self._end.wait()
        except _errors.SendersDisconnected:
            return 0
        return got


class RingWriter(io.RawIOBase):
    """A sender as a raw binary file; closing the file leaves the end open."""

    def __init__(self, end: SPSCSender) -> None:
        self._end = end

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return self._end.write(data)
