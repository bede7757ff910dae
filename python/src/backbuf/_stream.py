"""Streams: what comes out of a ring, as chunks of memory that stay."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from . import _errors
from ._end import End, size_of
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
    """The chunks of a ring, made by `SPSCReceiver.into_stream()`, for `async for` and for `for`.

    A chunk is a writable memoryview; NumPy, torch and all that knows the buffer protocol use it without a copy. Its memory (a
    `ManagedBuffer`, its `obj`) is its own as long as the chunk or any view of it lives, also beyond the stream, and then goes
    back to the stream's pool.

    A loop over chunks that are always there lets other tasks run each millisecond or 64 chunks, whichever is later. The loop
    ends when the sender has gone and everything was given, or when the stream is closed.

    >>> import asyncio
    >>> async def main():
    ...     tx, rx = backbuf.spsc_buffer(1 << 16)
    ...     tx.send(bytes(20000))
    ...     tx.close()
    ...     async with rx.into_stream(buffer_size=8192) as stream:
    ...         return [len(chunk) async for chunk in stream]
    >>> asyncio.run(main())
    [8192, 8192, 3616]
    """

    _kind = "stream"
    _nothing = lib.BB_E_EMPTY
    _gone = _errors.SendersDisconnected
    _shut = False
    _kept: list[memoryview]
    """Taken for a batch that did not come together; the next ones."""

    # --- one by one ---

    def next(self, timeout: float | None = None) -> memoryview:
        """Waits for the next chunk. Raises SendersDisconnected at the end."""
        chunk = self._one()
        return self._waited(timeout) if chunk is None else chunk

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
        # Turns are given before a chunk is taken: cancelled here, none is lost.
        if self._turns.worked():
            await self._turns.give()
        try:
            while (chunk := self._one()) is None:
                await self._readable()
            return chunk
        except (_errors.SendersDisconnected, _errors.ClosedError):
            raise StopAsyncIteration from None

    # --- several ---

    def chunks(self, n: int) -> Batches:
        """Lists of `n` chunks, fewer only at the end, for `async for` and `for`.

        >>> tx, rx = backbuf.spsc_buffer(1024)
        >>> tx.send(bytes(60))
        60
        >>> tx.close()
        >>> [[len(chunk) for chunk in batch] for batch in rx.into_stream(buffer_size=16).chunks(3)]
        [[16, 16, 16], [12]]
        """
        return Batches(self, size_of(n, "n", 1), True)

    def ready_chunks(self, n: int) -> Batches:
        """Lists of the chunks that are there: one at least, which is waited for, and `n` at most."""
        return Batches(self, size_of(n, "n", 1), False)

    # --- the rest ---

    def statistics(self) -> StreamStatistics:
        """What the stream has given so far, and how its pool does.

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
        """For event loops of your own: True when a chunk, or the end, is there now; otherwise `fileno()` becomes readable as
        soon as that is so."""
        try:
            return not self._armed()
        except _errors.SendersDisconnected:
            return True

    def attach_sender(self) -> SPSCSender:
        """A new sender, where the old one was closed."""
        sender = ffi.new("bb_sender **")
        self._attached(lib.bb_stream_attach_sender(self._pointer(), sender))
        return SPSCSender._own(sender[0], self._label, self._capacity)

    @property
    def closed(self) -> bool:
        """Whether it was closed or detached."""
        return self._shut or not self._handle

    def close(self) -> None:
        """Ends it: the sender is told, loops end, `next` raises ClosedError. Chunks stay, and so do the statistics. Twice is
        fine."""
        if not self.closed:
            self._shut = True
            self._kept.clear()
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
        self._kept = []
        return self

    def _next(self) -> memoryview | None:
        """The next chunk, or None when there is none yet."""
        chunk = ffi.new("bb_chunk *")
        status = lib.bb_stream_next(self._pointer(), 0, chunk)
        if status == lib.BB_E_TIMEOUT:
            return None
        self._check(status)
        return view(chunk)

    def _take(self, count: int) -> list[memoryview] | None:
        """A list of the chunks that are there, at most so many, or None when there is none yet."""
        most = min(count, 256)
        chunks, got = ffi.new("bb_chunk[]", most), ffi.new("uint64_t *")
        status = lib.bb_stream_ready_chunks(self._pointer(), most, 0, chunks, got)
        if status == lib.BB_E_TIMEOUT:
            return None
        self._check(status)
        return [view(chunk) for chunk in chunks[0 : got[0]]]

    def _one(self) -> memoryview | None:
        return self._kept.pop(0) if self._kept else self._next()

    def _waited(self, timeout: float | None) -> memoryview:
        stream, chunk = self._pointer(), ffi.new("bb_chunk *")
        self._check(self._waiting(timeout, lambda left: int(lib.bb_stream_next(stream, left, chunk))))
        return view(chunk)

    async def _readable(self) -> None:
        while self._armed():
            await self._until_readable(Deadline(None))

    def _fail(self, status: int) -> NoReturn:
        if self._shut and status == lib.BB_E_CLOSED:
            raise self._closed()
        super()._fail(status)


class Batches:
    """Lists of chunks, as they come out of a stream: see `SPSCReceiverStream.chunks` and `ready_chunks`.

    They gather inside of the stream, so that those of a cancelled wait come with the next list.
    """

    def __init__(self, stream: SPSCReceiverStream, count: int, together: bool) -> None:
        self._stream, self._most, self._least = stream, count, count if together else 1

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> list[memoryview]:
        stream = self._stream
        try:
            while self._lacks():
                stream._kept.append(stream._waited(None))
        except (_errors.SendersDisconnected, _errors.ClosedError):
            if not stream._kept:
                raise StopIteration from None
        return self._batch()

    def __aiter__(self) -> Batches:
        return self

    async def __anext__(self) -> list[memoryview]:
        stream = self._stream
        try:
            while True:
                before, lacks = len(stream._kept), self._lacks(once=True)
                if stream._turns.worked(max(1, len(stream._kept) - before)):
                    await stream._turns.give()
                if not lacks:
                    break
                await stream._readable()
        except (_errors.SendersDisconnected, _errors.ClosedError):
            if not stream._kept:
                raise StopAsyncIteration from None
        return self._batch()

    def _lacks(self, *, once: bool = False) -> bool:
        """Takes what is there, and tells whether that is too little. A failure waits for the chunks before it. `once`: no
        second look, for loops that have other tasks."""
        stream = self._stream
        try:
            while len(stream._kept) < self._most and (found := stream._take(self._most - len(stream._kept))):
                stream._kept += found
                if once or self._least == 1:
                    break  # a fast producer would have it take chunks for ever
        except _errors.BackbufError:
            if not stream._kept:
                raise
            return False
        return len(stream._kept) < self._least

    def _batch(self) -> list[memoryview]:
        kept = self._stream._kept
        self._stream._kept = kept[self._most :]
        return kept[: self._most]


use_extension(SPSCReceiverStream, "_next", "_take")
