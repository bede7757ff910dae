"""Asynchronous sending end of a ring."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from ._owner import Unique
from ._ring import SPSCSender
from ._statistics import EndStatistics


class _Done:
    """The result of a call that never waits; awaiting it returns at once."""

    def __await__(self) -> Iterator[None]:
        return iter(())


class SPSCSink(Unique):
    """The asynchronous sending end of a ring, created by `SPSCSender.into_sink()`.

    `feed` and `send` wait for space while other tasks run. `flush` and `close` never wait; awaiting them is allowed. After
    `close` all calls raise ClosedError. Only one task uses a sink at a time.

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
        """Writes all of `data` into the ring and returns the number of bytes.

        The receiver sees them at the next `flush`, `send` or `close`, or when the ring is full.
        """
        return await self._sender._send_all(self._sender.feed, data, None)

    async def send(self, data: Any, *, whole: bool = False) -> int:
        """Sends all of `data` and returns the number of bytes; see `SPSCSender.send_async`."""
        return await self._sender.send_async(data, whole=whole)

    def flush(self) -> _Done:
        """Publishes fed bytes to the receiver."""
        self._sender.flush()
        return _Done()

    def close(self) -> _Done:
        """Publishes fed bytes and closes the end. Repeated calls are allowed."""
        self._sender.close()
        return _Done()

    async def aclose(self) -> None:
        """`close`, for `contextlib.aclosing`."""
        self.close()

    @property
    def closed(self) -> bool:
        """Whether the sink is closed."""
        return self._sender.closed

    def statistics(self) -> EndStatistics:
        """The counters of this end; see `SPSCSender.statistics`."""
        return self._sender.statistics()

    async def __aenter__(self) -> SPSCSink:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._sender).replace("SPSCSender", "SPSCSink", 1)
