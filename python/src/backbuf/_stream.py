"""Streams: the bytes of a ring as chunks of managed memory."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from . import _errors
from ._arguments import size_of
from ._end import End
from ._library import ffi, hot, lib, use_extension
from ._managed import view
from ._ring import SPSCSender
from ._statistics import StreamStatistics
from ._wait import Deadline

if TYPE_CHECKING:
    from ._hot import ManagedBuffer as ManagedBuffer
elif hot is not None:
    ManagedBuffer = hot.ManagedBuffer
else:
    from ._managed import ManagedBuffer as ManagedBuffer


class SPSCReceiverStream(End):
    """The chunks of a ring, for `async for` and `for`; created by `SPSCReceiver.into_stream()`.

    A chunk is a writable memoryview that NumPy, torch and other consumers of the buffer protocol use without a copy. Its
    memory, the `ManagedBuffer` in its attribute `obj`, stays valid as long as the chunk or one of its views exists, even
    after the stream is closed, and then returns to the stream's pool.

    A loop over chunks that are always available yields to other tasks each millisecond or every 64 chunks, whichever takes
    longer. The loop ends when the sender is closed and everything was received, or when the stream is closed. One thread or
    task at a time uses a stream.

    >>> import asyncio
    >>> async def main():
    ...     tx, rx = backbuf.spsc_buffer(1 << 16)
    ...     tx.send(bytes(20000))
    ...     tx.close()
    ...     async with rx.into_stream(pool_size=8192) as stream:
    ...         return [len(chunk) async for chunk in stream]
    >>> asyncio.run(main())
    [8192, 8192, 3616]
    """

    _kind = "stream"
    _armed_status = lib.BB_E_EMPTY
    _disconnected = _errors.SendersDisconnected
    _closed_stream = False
    _buffered: list[memoryview]
    """Chunks that a cancelled or incomplete batch has taken; the next batch begins with them."""

    # --- one by one ---

    def next(self, timeout: float | None = None) -> memoryview:
        """Waits for the next chunk, for at most `timeout` seconds.

        Raises:
            SendersDisconnected: The sender is closed and everything was received.
            WaitTimeoutError: The timeout expired.
        """
        chunk = self._next_now()
        return self._next_blocking(timeout) if chunk is None else chunk

    def __iter__(self) -> SPSCReceiverStream:
        return self

    def __next__(self) -> memoryview:
        try:
            return self.next()
        except (_errors.SendersDisconnected, _errors.ClosedError):
            raise StopIteration from None

    def __aiter__(self) -> SPSCReceiverStream:
        return self

    async def __anext__(self) -> memoryview:
        # Yields before it takes a chunk: a cancellation here loses none.
        if self._yield_timer.should_yield():
            await self._yield_timer.yield_now()
        try:
            while (chunk := self._next_now()) is None:
                await self._readable()
            return chunk
        except (_errors.SendersDisconnected, _errors.ClosedError):
            raise StopAsyncIteration from None

    # --- several ---

    def chunks(self, n: int) -> Batches:
        """Lists of exactly `n` chunks, with fewer only at the end, for `async for` and `for`.

        >>> tx, rx = backbuf.spsc_buffer(1024)
        >>> tx.send(bytes(240))
        240
        >>> tx.close()
        >>> [[len(chunk) for chunk in batch] for batch in rx.into_stream(pool_size=64).chunks(3)]
        [[64, 64, 64], [48]]
        """
        return Batches(self, size_of(n, "n", 1), True)

    def ready_chunks(self, n: int) -> Batches:
        """Lists of the available chunks, at most `n` each, for `async for` and `for`; it waits for the first chunk of a
        list.
        """
        return Batches(self, size_of(n, "n", 1), False)

    # --- the rest ---

    def statistics(self) -> StreamStatistics:
        """The counters of the stream and its pool.

        >>> tx, rx = backbuf.spsc_buffer(1024)
        >>> stream = rx.into_stream()
        >>> tx.send(b"abc")
        3
        >>> chunk = stream.next()
        >>> stream.statistics().live
        1
        >>> del chunk
        >>> stream.statistics().live
        0
        """
        return StreamStatistics(**self._counters())

    def arm(self) -> bool:
        """For custom event loops: returns True if a chunk, or the end, is available.

        Otherwise it returns False, and `fileno()` becomes readable as soon as that is the case.
        """
        try:
            return not self._arm()
        except _errors.SendersDisconnected:
            return True

    def attach_sender(self) -> SPSCSender:
        """Creates a new sender after the old one was closed.

        Raises:
            StateError: The sender is still open.
        """
        sender = ffi.new("bb_sender **")
        self._check_attached(lib.bb_stream_attach_sender(self._pointer(), sender))
        return SPSCSender._own(sender[0], self._label, self._capacity)

    @property
    def closed(self) -> bool:
        """Whether the stream is closed or detached."""
        return self._closed_stream or not self._handle

    def close(self) -> None:
        """Closes the stream: the sender gets ReceiversDisconnected, loops end, and `next` raises ClosedError.

        Chunks and statistics stay valid. Repeated calls are allowed.
        """
        if not self.closed:
            self._closed_stream = True
            self._buffered.clear()
            self._call("close", self._pointer())
            self._wake()

    async def aclose(self) -> None:
        """`close`, for `contextlib.aclosing`."""
        self.close()

    async def __aenter__(self) -> SPSCReceiverStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- inside ---

    @classmethod
    def _own(cls, handle: Any, label: str, capacity: int) -> SPSCReceiverStream:
        self = super()._own(handle, label, capacity)
        self._buffered = []
        return self

    def _next(self) -> memoryview | None:
        """The next chunk, or None if there is none yet."""
        chunk = ffi.new("bb_chunk *")
        status = lib.bb_stream_next(self._pointer(), 0, chunk)
        if status == lib.BB_E_TIMEOUT:
            return None
        self._check(status)
        return view(chunk)

    def _take(self, count: int) -> list[memoryview] | None:
        """The available chunks, at most `count`, or None if there is none yet."""
        most = min(count, 256)
        chunks, got = ffi.new("bb_chunk[]", most), ffi.new("uint64_t *")
        status = lib.bb_stream_ready_chunks(self._pointer(), most, 0, chunks, got)
        if status == lib.BB_E_TIMEOUT:
            return None
        self._check(status)
        return [view(chunk) for chunk in chunks[0 : got[0]]]

    def _next_now(self) -> memoryview | None:
        return self._buffered.pop(0) if self._buffered else self._next()

    def _next_blocking(self, timeout: float | None) -> memoryview:
        stream, chunk = self._pointer(), ffi.new("bb_chunk *")
        self._check(self._wait_interruptible(timeout, lambda left: int(lib.bb_stream_next(stream, left, chunk))))
        return view(chunk)

    async def _readable(self) -> None:
        while self._arm():
            await self._until_readable(Deadline(None))

    def _fail(self, status: int) -> NoReturn:
        if self._closed_stream and status == lib.BB_E_CLOSED:
            raise self._closed()
        super()._fail(status)


class Batches:
    """Iterator over lists of chunks; created by `SPSCReceiverStream.chunks` and `ready_chunks`.

    Chunks are gathered inside the stream, so that a cancelled wait leaves them for the next list.
    """

    def __init__(self, stream: SPSCReceiverStream, count: int, together: bool) -> None:
        self._stream, self._most, self._least = stream, count, count if together else 1

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> list[memoryview]:
        stream = self._stream
        try:
            while self._fill():
                stream._buffered.append(stream._next_blocking(None))
        except (_errors.SendersDisconnected, _errors.ClosedError):
            if not stream._buffered:
                raise StopIteration from None
        return self._batch()

    def __aiter__(self) -> Batches:
        return self

    async def __anext__(self) -> list[memoryview]:
        stream = self._stream
        try:
            while True:
                before, lacks = len(stream._buffered), self._fill(once=True)
                if stream._yield_timer.should_yield(max(1, len(stream._buffered) - before)):
                    await stream._yield_timer.yield_now()
                if not lacks:
                    break
                await stream._readable()
        except (_errors.SendersDisconnected, _errors.ClosedError):
            if not stream._buffered:
                raise StopAsyncIteration from None
        return self._batch()

    def _fill(self, *, once: bool = False) -> bool:
        """Takes available chunks and returns whether there are still too few. A failure is deferred until the chunks before it
        are used.

        `once`: calls the stream only once, for loops with other tasks.
        """
        stream = self._stream
        try:
            while len(stream._buffered) < self._most and (found := stream._take(self._most - len(stream._buffered))):
                stream._buffered += found
                if once or self._least == 1:
                    break  # a fast producer could extend this loop without end
        except _errors.BackbufError:
            if not stream._buffered:
                raise
            return False
        return len(stream._buffered) < self._least

    def _batch(self) -> list[memoryview]:
        kept = self._stream._buffered
        self._stream._buffered = kept[self._most :]
        return kept[: self._most]


use_extension(SPSCReceiverStream, "_next", "_take")
