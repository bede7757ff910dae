"""The sending counterpart of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from ._owner import Unique
from ._ring import SPSCSender
from ._statistics import EndStatistics


class _Done:
    """What a call gives that never waits, and that may be awaited as its siblings are."""

    def __await__(self) -> Iterator[None]:
        return iter(())


class SPSCSink(Unique):
    """Where asynchronous code sends to, made by `SPSCSender.into_sink()`: `feed` and `send` wait for room with other tasks
    running meanwhile. `flush` and `close` never wait; they may be awaited all the same. Use after `close` is a ClosedError.

    >>> import asyncio
    >>> async def main():
    ...     tx, rx = backbuf.spsc_buffer(1024)
    ...     async with tx.into_sink() as sink:
    ...         await sink.feed(b"one, ")
    ...         await sink.send(b"two")
    ...     return rx.read(1024)
    >>> asyncio.run(main())
    b'one, two'
    """

    def __init__(self, sender: SPSCSender) -> None:
        self._sender = sender

    async def feed(self, data: Any) -> int:
        """Puts all of `data` into the ring; the receiver sees it at the next `flush`, `send` or `close`, or when the ring is
        full. Gives the number of bytes."""
        return await self._sender._send_all(self._sender.feed, data, None)

    async def send(self, data: Any, *, whole: bool = False) -> int:
        """As `feed`, and the receiver sees it at once. `whole`: all of it or nothing, as of `SPSCSender.send_async`."""
        return await self._sender.send_async(data, whole=whole)

    def flush(self) -> _Done:
        """Lets the receiver see what was fed."""
        self._sender.flush()
        return _Done()

    def close(self) -> _Done:
        """Ends it; the receiver gets what was fed. Twice is fine."""
        self._sender.close()
        return _Done()

    async def aclose(self) -> None:
        """`close`, for `contextlib.aclosing`."""
        self.close()

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._sender.closed

    def statistics(self) -> EndStatistics:
        """As of the sender."""
        return self._sender.statistics()

    async def __aenter__(self) -> SPSCSink:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._sender).replace("SPSCSender", "SPSCSink", 1)
