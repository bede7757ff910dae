"""The byte ring: one end sends, the other receives, each on a thread of its own or in an event loop."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from . import _errors
from ._end import End, buffer_of, size_of
from ._library import ffi, lib, use_extension
from ._statistics import EndStatistics
from ._wait import Deadline

if TYPE_CHECKING:
    from ._sink import SPSCSink
    from ._stream import SPSCReceiverStream

Bytes = TypeVar("Bytes", bytes, bytearray)


def spsc_buffer(
    capacity: int,
    *,
    label: str | None = None,
    checked: bool = True,
    backoff: bool = True,
    overwrite_record_size: int = 0,
) -> tuple[SPSCSender, SPSCReceiver]:
    """A ring of bytes for one sender and one receiver. `capacity` is rounded up to a power of two, and all of it is usable.

    Either end may be used here or be given to C code (`detach`), which is how a native thread feeds Python. `checked`: two
    threads inside of one end at once are told so. `backoff`: an end that moves tiny pieces pauses for some hundred nanoseconds
    to let more of them gather.

    `overwrite_record_size`: for a producer that must never wait. The ring moves whole records of that many bytes, its
    capacity is rounded up to whole records, and where it is full a new record overwrites the oldest ones; both ends count
    what is `lost`. While the receiver copies nothing is overwritten, but as many records as the ring holds can still come.

    >>> tx, rx = backbuf.spsc_buffer(1024)
    >>> tx.send(b"twelve bytes")
    12
    >>> rx.recv(6)
    bytearray(b'twelve')
    >>> tx.close()
    >>> rx.read(100), rx.read(100)
    (b' bytes', b'')
    >>> tx, rx = backbuf.spsc_buffer(3 * 8, overwrite_record_size=8)
    >>> for number in range(5):
    ...     _ = tx.send(number.to_bytes(8, "little"))
    >>> rx.recv(8)[0], rx.statistics().lost
    (2, 2)
    """
    config = ffi.new("bb_spsc_config *")
    _errors.check(lib.bb_spsc_config_init(config))
    config.overwrite_record_size = size_of(overwrite_record_size, "overwrite_record_size")
    config.flags = checked * lib.BB_SPSC_CHECKED | (not backoff) * lib.BB_SPSC_NO_BACKOFF
    if label is not None:
        if not isinstance(label, str):
            raise TypeError(f"label is a {type(label).__name__}: give a str")
        kept = ffi.new("char[]", label.encode())
        config.label = kept
    sender, receiver = ffi.new("bb_sender **"), ffi.new("bb_receiver **")
    _errors.check(lib.bb_spsc_create(size_of(capacity, "capacity"), config, sender, receiver))
    tx = SPSCSender._own(sender[0], label or "", 0)
    tx._capacity = tx.statistics().capacity
    return tx, SPSCReceiver._own(receiver[0], label or "", tx._capacity)


def _note_sent(error: BaseException, sent: int) -> None:
    """Adds to an exception how many bytes of its call went into the ring before."""
    error.sent = sent  # type: ignore[attr-defined]  # any exception may end a call, also asyncio's


class RingEnd(End):
    """What the two ends have in common."""

    _nothing_now: type[_errors.BackbufError]

    @property
    def capacity(self) -> int:
        """Bytes that the ring holds."""
        return self._capacity

    def statistics(self) -> EndStatistics:
        """What this end has done so far, or until it was closed.

        >>> tx, rx = backbuf.spsc_buffer(1024)
        >>> tx.send(b"abc")
        3
        >>> tx.statistics().bytes, rx.statistics().bytes
        (3, 0)
        """
        return EndStatistics(**self._counters())

    def arm(self, n: int = 1) -> bool:
        """For event loops of your own: True when `n` bytes (of room, for a sender) are there now, or can no longer come;
        otherwise `fileno()` becomes readable as soon as that is so."""
        try:
            return not self._armed(self._capped(n))
        except self._gone:
            return True

    async def wait_for(self, n: int = 1, timeout: float | None = None) -> None:
        """Waits for `n` bytes to receive, or for room for `n` bytes to send, with other tasks running meanwhile. No more than
        the capacity is waited for."""
        wanted, deadline = self._capped(n), Deadline(timeout)
        if self._turns.worked():
            await self._turns.give()
        while self._armed(wanted):
            await self._until_readable(deadline)

    def wait(self, n: int = 1, timeout: float | None = None) -> None:
        """`wait_for` without a loop: blocks this thread."""
        wanted, end = self._capped(n), self._pointer()
        verb = "wait_writable" if self._kind == "sender" else "wait_readable"
        self._check(self._waiting(timeout, lambda left: self._call(verb, end, wanted, left)))

    def _capped(self, n: int) -> int:
        return min(size_of(n, "n"), self._capacity)


class SPSCSender(RingEnd):
    """The sending end of a ring, for one thread or task at a time."""

    _kind = "sender"
    _nothing = lib.BB_E_FULL
    _gone = _errors.ReceiversDisconnected

    def send(self, data: Any, *, whole: bool = False) -> int:
        """Sends as much of `data` (anything with the buffer protocol) as fits, never waits, and gives the number of
        bytes. Raises ChannelFull when nothing fits, ReceiversDisconnected when the receiver has gone. `whole`: all of it
        or nothing, for what must not be cut.

        >>> tx, rx = backbuf.spsc_buffer(8)
        >>> tx.send(b"0123456789")
        8
        >>> tx.send(b"89")
        Traceback (most recent call last):
        backbuf._errors.ChannelFull: <SPSCSender of 8 bytes, open>: nothing fits now, wait for room
        >>> _ = rx.recv(4)
        >>> tx.send(b"89ABCDEF", whole=True)
        Traceback (most recent call last):
        backbuf._errors.ChannelFull: <SPSCSender of 8 bytes, open>: nothing fits now, wait for room
        """
        if whole:
            return self._moved(lambda end, start, size, sent: lib.bb_sender_send_whole(end, start, size, 0, sent), data)
        return self._moved(lib.bb_sender_send, data)

    def feed(self, data: Any) -> int:
        """As `send`, but the receiver sees it later: at the next `flush`, `send` or `close`, or when a call finds too little
        room. Small pieces cost less this way."""
        return self._moved(lib.bb_sender_feed, data)

    def flush(self) -> None:
        """Lets the receiver see what was fed."""
        self._check(lib.bb_sender_flush(self._pointer()))

    def write(self, data: Any, timeout: float | None = None, *, whole: bool = False) -> int:
        """Sends all of `data`, waits for room where it must, and gives the number of bytes. However it fails (the time is
        over, the receiver goes, Ctrl-C), the exception's `sent` is the number of bytes that went. `whole`: all of it or
        nothing, once there is room for all; with a timeout of 0, ChannelFull where there is too little."""
        sent = ffi.new("uint64_t *")
        send = lib.bb_sender_send_whole if whole else lib.bb_sender_send_all
        try:
            end = self._pointer()
            with buffer_of(data, "data") as view:
                start = ffi.from_buffer(view)
                self._check(self._waiting(timeout, lambda left: int(send(end, start, len(view), left, sent))))
        except BaseException as error:
            _note_sent(error, sent[0])
            raise
        return int(sent[0])

    async def send_async(self, data: Any, timeout: float | None = None, *, whole: bool = False) -> int:
        """`write` for asyncio: other tasks run while it waits for room. The exception's `sent` is there also when the task is
        cancelled."""
        return await self._send_all(self.send, data, timeout, whole)

    def into_sink(self) -> SPSCSink:
        """The sending counterpart of a stream, for asyncio. This object is as closed afterwards."""
        from ._sink import SPSCSink

        self._refuse_second()
        sink = SPSCSink(SPSCSender._own(self._pointer(), self._label, self._capacity))
        self._forget()
        return sink

    def as_file(self) -> io.RawIOBase:
        """A raw binary file that writes into the ring, and waits for room. Closing it leaves the end open."""
        return _Writer(self)

    def attach_receiver(self) -> SPSCReceiver:
        """A new receiver, where the old one was closed; what it left unread is still there."""
        receiver = ffi.new("bb_receiver **")
        self._attached(lib.bb_sender_attach_receiver(self._pointer(), receiver))
        return SPSCReceiver._own(receiver[0], self._label, self._capacity)

    async def _send_all(self, call: Callable[..., int], data: Any, timeout: float | None, whole: bool = False) -> int:
        sent, deadline = 0, Deadline(timeout)
        flags = {"whole": True} if whole else {}
        try:
            with buffer_of(data, "data") as view:
                while True:
                    if self._turns.worked():
                        await self._turns.give()
                    with suppress(_errors.ChannelFull):
                        sent += call(view[sent:], **flags)
                    if sent == len(view):
                        return sent
                    while self._armed(len(view) if whole else 1):
                        await self._until_readable(deadline)
        except BaseException as error:
            _note_sent(error, sent)
            raise

    def _moved(self, call: Callable[..., int], data: Any) -> int:
        sent = ffi.new("uint64_t *")
        with buffer_of(data, "data") as view:
            self._check(call(self._pointer(), ffi.from_buffer(view), len(view), sent))
        return int(sent[0])


class SPSCReceiver(RingEnd):
    """The receiving end of a ring, for one thread or task at a time."""

    _kind = "receiver"
    _nothing = lib.BB_E_EMPTY
    _gone = _errors.SendersDisconnected

    def recv(self, n: int) -> bytearray:
        """What is there now, at most `n` bytes (whole records, where the ring has them); empty when there is nothing yet, and
        always when `n` is 0. Never waits. Raises
        SendersDisconnected when `n` is not 0, the sender has gone and everything it sent was read.

        >>> tx, rx = backbuf.spsc_buffer(1024)
        >>> rx.recv(10)
        bytearray(b'')
        >>> del tx
        >>> rx.recv(10)
        Traceback (most recent call last):
        backbuf._errors.SendersDisconnected: <SPSCReceiver of 1024 bytes, open>: the other side has gone
        """
        return self._pop(n, bytearray)

    def recv_into(self, buffer: Any) -> int:
        """Fills a writable buffer from its beginning with what is there now, and gives the number of bytes: 0 when there is
        nothing yet."""
        got = ffi.new("uint64_t *")
        with buffer_of(buffer, "buffer", writable=True) as view:
            status = lib.bb_receiver_recv(self._pointer(), ffi.from_buffer(view), len(view), got)
        self._check(0 if status == lib.BB_E_EMPTY else status)
        return int(got[0])

    def read(self, n: int, timeout: float | None = None) -> bytes:
        """Waits until there is something, and gives at most `n` bytes of it; b"" at the end. `as_file()` reads in all the ways
        of a file: to the end, by lines, an exact number of bytes."""
        most, deadline = size_of(n, "n"), Deadline(timeout)
        try:
            while not (data := self._pop(most, bytes)) and most:
                self.wait(1, deadline.seconds())
        except _errors.SendersDisconnected:
            return b""
        return data

    async def recv_async(self, n: int, timeout: float | None = None) -> bytearray:
        """`recv` that waits until there is something, with other tasks running meanwhile."""
        most, deadline = size_of(n, "n", 1), Deadline(timeout)
        if self._turns.worked():
            await self._turns.give()
        while not (data := self.recv(most)):
            while self._armed(1):
                await self._until_readable(deadline)
        return data

    def into_stream(
        self, buffer_size: int = 8192, *, min_size: int = 1, pool_size: int = 16, record_size: int = 0, label: str | None = None
    ) -> SPSCReceiverStream:
        """Chunks as they come, each a writable memoryview on memory of its own that no later chunk touches, for `async for` and
        `for`. This object is as closed afterwards.

        Chunks have `buffer_size` bytes at most at first, and more (up to the capacity) once that is usual; `min_size` at least,
        but for the last one; and where a `record_size` is given a whole number of records. `pool_size` buffers are kept for
        use again.

        >>> tx, rx = backbuf.spsc_buffer(1024)
        >>> tx.send(bytes(range(16)))
        16
        >>> tx.close()
        >>> for chunk in rx.into_stream(record_size=8):
        ...     print(np.frombuffer(chunk, "u1").reshape(-1, 8).sum(axis=1))
        [28 92]
        """
        from ._stream import SPSCReceiverStream

        config = ffi.new("bb_stream_config *")
        _errors.check(lib.bb_stream_config_init(config))
        config.buffer_size, config.min_size = size_of(buffer_size, "buffer_size"), size_of(min_size, "min_size")
        config.record_size = size_of(record_size, "record_size")
        kept = size_of(pool_size, "pool_size")
        if kept >= 1 << 32:
            raise ValueError(f"pool_size is {kept}: it must be below 2**32")
        config.pool_size = kept
        label = self._label if label is None else label
        text = ffi.new("char[]", label.encode())
        config.label = text
        stream = ffi.new("bb_stream **")
        self._refuse_second()
        self._last = self._counters()
        self._check(lib.bb_spsc_into_stream(self._pointer(), config, stream))
        self._handle = 0
        return SPSCReceiverStream._own(stream[0], label, self._capacity)

    def as_file(self) -> io.RawIOBase:
        """A raw binary file that reads from the ring, and waits where there is nothing; for `io.BufferedReader(rx.as_file())`
        and whatever takes files. Closing it leaves the end open.

        >>> import io
        >>> tx, rx = backbuf.spsc_buffer(1024)
        >>> tx.write(b"one line" + bytes([10]) + b"and another")
        20
        >>> tx.close()
        >>> [len(line) for line in io.BufferedReader(rx.as_file())]
        [9, 11]
        """
        return _Reader(self)

    def attach_sender(self) -> SPSCSender:
        """A new sender, where the old one was closed."""
        sender = ffi.new("bb_sender **")
        self._attached(lib.bb_receiver_attach_sender(self._pointer(), sender))
        return SPSCSender._own(sender[0], self._label, self._capacity)

    def _pop(self, n: int, make: Callable[[Any], Bytes]) -> Bytes:
        most, span = size_of(n, "n"), ffi.new("bb_const_span *")
        end = self._pointer()
        if most == 0:
            return make(b"")
        status = lib.bb_receiver_peek(end, 1, span)
        if status == lib.BB_E_EMPTY:
            return make(b"")
        self._check(status)
        taken = 0
        try:
            many = min(most, span.bytes)
            data = make(ffi.buffer(span.data, many))
            taken = many
        finally:  # with nothing taken where there is no memory for it
            status = lib.bb_receiver_consume(end, taken)
        if status != lib.BB_E_ALIGN:
            return data
        # Part of a record: the library takes the whole ones before it, or says why there are none.
        lib.bb_receiver_consume(end, 0)
        buffer = bytearray(many)
        got = self.recv_into(buffer)
        return make(memoryview(buffer)[:got])


class _Reader(io.RawIOBase):
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


class _Writer(io.RawIOBase):
    def __init__(self, end: SPSCSender) -> None:
        self._end = end

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return self._end.write(data)


use_extension(SPSCSender, "send", "feed")
use_extension(SPSCReceiver, "recv", "recv_into")
