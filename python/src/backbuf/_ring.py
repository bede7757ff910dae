"""Byte ring between one sender and one receiver, each on its own thread or in an event loop."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from . import _errors
from ._arguments import c_text, contiguous_bytes, flag, size_of
from ._inline import ReaderOwner, WriterOwner
from ._library import ffi, lib, use_extension
from ._ring_end import RingEnd, RingReader, RingWriter
from ._wait import Deadline

if TYPE_CHECKING:
    from ._feed import Loan
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
    """Creates a byte ring for one sender and one receiver.

    Either end may be used here or handed to C code (`detach`), so that a native thread feeds Python.

    Args:
        capacity: Size of the ring in bytes; rounded up to a power of two, and usable entirely.
        label: Name in errors, logs and dumps.
        checked: Whether use of one end by two threads at once is detected (StateError).
        backoff: Whether an end that moves tiny pieces pauses for some hundred nanoseconds, so that more bytes gather.
        overwrite_record_size: If not 0, the ring transports whole records of that many bytes, its capacity is rounded up to
            whole records, and a full ring overwrites its oldest records instead of refusing new ones; both ends count the
            `lost` records. Records are not overwritten while the receiver copies them.

    Returns:
        The sender and the receiver.

    Raises:
        OutOfMemoryError: The ring could not be allocated.

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
    config.flags = flag(checked, "checked") * lib.BB_SPSC_CHECKED | (not flag(backoff, "backoff")) * lib.BB_SPSC_NO_BACKOFF
    if label is not None:
        kept = c_text(label, "label")
        config.label = kept
    sender, receiver = ffi.new("bb_sender **"), ffi.new("bb_receiver **")
    _errors.check(lib.bb_spsc_create(size_of(capacity, "capacity"), config, sender, receiver))
    tx = SPSCSender._own(sender[0], label or "", 0)
    tx._capacity = tx.statistics().capacity
    return tx, SPSCReceiver._own(receiver[0], label or "", tx._capacity)


def _record_sent(error: BaseException, sent: int) -> None:
    """Sets `sent` of an exception: the number of bytes that its call sent before."""
    error.sent = sent  # type: ignore[attr-defined]  # any exception may end a call, also asyncio's


class SPSCSender(WriterOwner, RingEnd):
    """The sending end of a ring, used by one thread or task at a time."""

    _kind = "sender"
    _armed_status = lib.BB_E_FULL
    _disconnected = _errors.ReceiversDisconnected

    def send(self, data: Any, *, whole: bool = False) -> int:
        """Sends as much of `data` as fits, without waiting.

        Args:
            data: Any object with the buffer protocol.
            whole: Whether to send all of it or nothing.

        Returns:
            The number of bytes that were sent.

        Raises:
            ChannelFull: Nothing fits.
            ReceiversDisconnected: The receiver is closed.

        >>> tx, rx = backbuf.spsc_buffer(8)
        >>> tx.send(b"0123456789")
        8
        >>> tx.send(b"89")
        Traceback (most recent call last):
        backbuf.ChannelFull: <SPSCSender of 8 bytes, open>: no space now, wait for the receiver
        >>> _ = rx.recv(4)
        >>> tx.send(b"89ABCDEF", whole=True)
        Traceback (most recent call last):
        backbuf.ChannelFull: <SPSCSender of 8 bytes, open>: no space now, wait for the receiver
        """
        if whole:
            return self._transfer(lambda end, start, size, sent: lib.bb_sender_send_whole(end, start, size, 0, sent), data)
        return self._transfer(lib.bb_sender_send, data)

    def feed(self, data: Any) -> int:
        """Like `send`, but the receiver sees the bytes at the next `flush`, `send` or `close`, or when a call lacks space."""
        return self._transfer(lib.bb_sender_feed, data)

    def flush(self) -> None:
        """Publishes fed bytes to the receiver."""
        self._check(lib.bb_sender_flush(self._pointer()))

    def reserve(self, least: int = 1) -> memoryview:
        """Reserves all free space of the ring for writing in place, without waiting; `commit` sends its first bytes.

        Args:
            least: The least number of bytes to reserve.

        Returns:
            A writable view of at least `least` bytes. `commit` releases it. Until then no other call of this end sends.

        Raises:
            ChannelFull: Less than `least` bytes are free; `wait(least)` waits for them.
            StateError: A span is open already.
            ReceiversDisconnected: The receiver is closed.

        >>> tx, rx = backbuf.spsc_buffer(64)
        >>> view = tx.reserve(16)
        >>> np.frombuffer(view, "i4")[:3] = [1, 2, 3]
        >>> tx.commit(12)
        >>> rx.recv(64)[::4]
        bytearray(b'\\x01\\x02\\x03')
        """
        end = self._pointer()
        span = ffi.new("bb_span *")
        self._check(lib.bb_sender_reserve(end, size_of(least, "least"), span))
        return self._open_span(span, True, lib.bb_sender_commit, end)

    def commit(self, count: int) -> None:
        """Ends the span of `reserve`, releases its view and sends its first `count` bytes; 0 sends nothing.

        Raises:
            StateError: No span is open, or it has fewer bytes.
            BufferError: Slices or arrays over the span are alive. The span stays open: delete them, and call again.
        """
        end = self._pointer()
        self._check(self._end_span("commit", size_of(count, "count"), lib.bb_sender_commit, end))

    def write(self, data: Any, timeout: float | None = None, *, whole: bool = False) -> int:
        """Sends all of `data` and waits for space as needed.

        Args:
            data: Any object with the buffer protocol.
            timeout: Seconds to wait; None waits without limit.
            whole: Whether to send all of it or nothing, once there is space for all. With a timeout of 0 too little space
                raises ChannelFull.

        Returns:
            The number of bytes that were sent.

        Raises:
            WaitTimeoutError: The timeout expired.
            ReceiversDisconnected: The receiver is closed.

        Every exception, also KeyboardInterrupt, has the number of bytes that were sent as its attribute `sent`.
        """
        sent = ffi.new("uint64_t *")
        send = lib.bb_sender_send_whole if whole else lib.bb_sender_send_all
        try:
            end = self._pointer()
            with contiguous_bytes(data, "data") as view:
                start = ffi.from_buffer(view)
                self._check(self._wait_interruptible(timeout, lambda left: int(send(end, start, len(view), left, sent))))
        except BaseException as error:
            _record_sent(error, sent[0])
            raise
        return int(sent[0])

    async def send_async(self, data: Any, timeout: float | None = None, *, whole: bool = False) -> int:
        """Like `write`, in an event loop: other tasks run while it waits. Also CancelledError has the attribute `sent`."""
        try:
            if self._yield_timer.should_yield():
                await self._yield_timer.yield_now()
            if (sent := self._send_at_once(data, timeout)) is not None:
                return sent
        except BaseException as error:
            _record_sent(error, 0)
            raise
        return await self._send_all(self.send, data, timeout, whole)

    def into_sink(self) -> SPSCSink:
        """Converts this end into a sink for asyncio; this object is closed afterwards."""
        from ._sink import SPSCSink

        self._check_unused()
        self._check_no_span()
        sink = SPSCSink(SPSCSender._own(self._pointer(), self._label, self._capacity))
        self._drop_handle()
        return sink

    def as_file(self) -> io.RawIOBase:
        """A raw binary file that writes into the ring and waits for space. Closing the file leaves the end open."""
        return RingWriter(self)

    def attach_receiver(self) -> SPSCReceiver:
        """Creates a new receiver after the old one was closed. Unread bytes are still in the ring.

        Raises:
            StateError: The receiver is still open.
        """
        receiver = ffi.new("bb_receiver **")
        self._check_attached(lib.bb_sender_attach_receiver(self._pointer(), receiver))
        return SPSCReceiver._own(receiver[0], self._label, self._capacity)

    async def _send_all(self, call: Callable[..., int], data: Any, timeout: float | None, whole: bool = False) -> int:
        sent, deadline = 0, Deadline(timeout)
        flags = {"whole": True} if whole else {}
        try:
            with contiguous_bytes(data, "data") as view:
                while True:
                    if self._yield_timer.should_yield():
                        await self._yield_timer.yield_now()
                    with suppress(_errors.ChannelFull):
                        sent += call(view[sent:], **flags)
                    if sent == len(view):
                        return sent
                    while self._arm(len(view) if whole else 1):
                        await self._until_readable(deadline)
        except BaseException as error:
            _record_sent(error, sent)
            raise

    def _send_at_once(self, data: Any, timeout: float | None) -> int | None:
        """Sends all of `data` if there is space for it now and returns the number of bytes; otherwise None. The extension
        replaces it.
        """
        return None

    def _transfer(self, call: Callable[..., int], data: Any) -> int:
        sent = ffi.new("uint64_t *")
        with contiguous_bytes(data, "data") as view:
            self._check(call(self._pointer(), ffi.from_buffer(view), len(view), sent))
        return int(sent[0])


class SPSCReceiver(ReaderOwner, RingEnd):
    """The receiving end of a ring, used by one thread or task at a time."""

    _kind = "receiver"
    _armed_status = lib.BB_E_EMPTY
    _disconnected = _errors.SendersDisconnected
    _loan: Loan | None = None
    """The feed of a manager that received last, or still receives."""

    def recv(self, size: int) -> bytearray:
        """Receives at most `size` bytes that are in the ring now, without waiting; whole records, if the ring transports
        records.

        Returns:
            The bytes; empty if the ring is empty or `size` is 0.

        Raises:
            SendersDisconnected: The sender is closed and everything it sent was read. Not raised if `size` is 0.

        >>> tx, rx = backbuf.spsc_buffer(1024)
        >>> rx.recv(10)
        bytearray(b'')
        >>> del tx
        >>> rx.recv(10)
        Traceback (most recent call last):
        backbuf.SendersDisconnected: <SPSCReceiver of 1024 bytes, open>: the other end is closed
        """
        return self._receive(size, bytearray)

    def peek(self, least: int = 1) -> memoryview | None:
        """Lends all bytes that are in the ring now for reading in place, without waiting; `consume` receives them.

        A ring that overwrites its oldest records overwrites nothing while a span is open.

        Args:
            least: The least number of bytes.

        Returns:
            A read-only view, or None if fewer than `least` bytes are in the ring; `wait(least)` waits for them. `consume`
            releases the view. Until then no other call of this end receives.

        Raises:
            StateError: A span is open already.
            SendersDisconnected: The sender is closed, and fewer than `least` bytes are left.

        >>> tx, rx = backbuf.spsc_buffer(64)
        >>> _ = tx.send(b"key=value;rest")
        >>> view = rx.peek()
        >>> end = bytes(view).index(b";") + 1
        >>> bytes(view[:end])
        b'key=value;'
        >>> rx.consume(end)
        >>> rx.recv(64)
        bytearray(b'rest')
        """
        end = self._pointer()
        span = ffi.new("bb_const_span *")
        status = lib.bb_receiver_peek(end, size_of(least, "least"), span)
        if status == lib.BB_E_EMPTY:
            return None
        self._check(status)
        return self._open_span(span, False, lib.bb_receiver_consume, end)

    def consume(self, count: int) -> None:
        """Ends the span of `peek`, releases its view and frees its first `count` bytes for the sender. The other bytes are
        received again.

        Raises:
            StateError: No span is open, or it has fewer bytes.
            ArgumentError: The ring transports records, and `count` is not a multiple of their size.
            BufferError: Slices or arrays over the span are alive. The span stays open: delete them, and call again.
        """
        end = self._pointer()
        self._check(self._end_span("consume", size_of(count, "count"), lib.bb_receiver_consume, end))

    def recv_into(self, buffer: Any) -> int:
        """Receives into a writable buffer, without waiting, and returns the number of bytes; 0 if the ring is empty."""
        got = ffi.new("uint64_t *")
        with contiguous_bytes(buffer, "buffer", writable=True) as view:
            status = lib.bb_receiver_recv(self._pointer(), ffi.from_buffer(view), len(view), got)
        self._check(0 if status == lib.BB_E_EMPTY else status)
        return int(got[0])

    def read(self, size: int, timeout: float | None = None) -> bytes:
        """Waits until the ring has bytes, and returns at most `size` of them; b"" at the end.

        `as_file()` supports all ways to read a file: to the end, by lines, an exact number of bytes.

        Raises:
            WaitTimeoutError: The timeout expired.
        """
        most, deadline = size_of(size, "size"), Deadline(timeout)
        try:
            while not (data := self._receive(most, bytes)) and most:
                self.wait(1, deadline.seconds())
        except _errors.SendersDisconnected:
            return b""
        return data

    async def recv_async(self, size: int, timeout: float | None = None) -> bytearray:
        """Like `recv`, in an event loop: waits until the ring has bytes while other tasks run."""
        most, deadline = size_of(size, "size", 1), Deadline(timeout)
        if self._yield_timer.should_yield():
            await self._yield_timer.yield_now()
        while not (data := self.recv(most)):
            while self._arm(1):
                await self._until_readable(deadline)
        return data

    def into_stream(
        self, pool_size: int = 8192, *, min_size: int = 1, pool_count: int = 16, record_size: int = 0, label: str | None = None
    ) -> SPSCReceiverStream:
        """Converts this end into a stream of chunks, for `async for` and `for`; this object is closed afterwards.

        Each chunk is a writable memoryview over memory of its own.

        Args:
            pool_size: Bytes of a pool buffer, at least 64: the initial upper limit of a chunk's size. The stream raises it,
                up to the capacity, while larger chunks are the rule.
            min_size: Lower limit of a chunk's size in bytes, except for the last one.
            pool_count: Number of buffers that are kept for reuse.
            record_size: If not 0, every chunk is a whole number of records of that many bytes.
            label: Name in errors, logs and dumps; by default that of the receiver.

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
        config.pool_size, config.min_size = size_of(pool_size, "pool_size"), size_of(min_size, "min_size")
        config.record_size = size_of(record_size, "record_size")
        kept = size_of(pool_count, "pool_count")
        if kept >= 1 << 32:
            raise ValueError(f"pool_count is {kept}: it must be below 2**32")
        config.pool_count = kept
        label = self._label if label is None else label
        text = c_text(label, "label")
        config.label = text
        stream = ffi.new("bb_stream **")
        self._check_unused()
        self._check_no_span()
        self._final_counters = self._counters()
        self._check(lib.bb_spsc_into_stream(self._pointer(), config, stream))
        self._handle = 0
        return SPSCReceiverStream._own(stream[0], label, self._capacity)

    def as_file(self) -> io.RawIOBase:
        """A raw binary file that reads from the ring and waits while it is empty. Closing the file leaves the end open.

        >>> import io
        >>> tx, rx = backbuf.spsc_buffer(1024)
        >>> tx.write(b"one line" + bytes([10]) + b"and another")
        20
        >>> tx.close()
        >>> [len(line) for line in io.BufferedReader(rx.as_file())]
        [9, 11]
        """
        return RingReader(self)

    def attach_sender(self) -> SPSCSender:
        """Creates a new sender after the old one was closed.

        Raises:
            StateError: The sender is still open, or this end feeds a manager.
        """
        self._check_not_lent()
        sender = ffi.new("bb_sender **")
        self._check_attached(lib.bb_receiver_attach_sender(self._pointer(), sender))
        return SPSCSender._own(sender[0], self._label, self._capacity)

    def close(self) -> None:
        """Closes the end and wakes waits of both ends. Repeated calls are allowed.

        Raises:
            StateError: It feeds a manager.
        """
        self._check_not_lent()
        super().close()

    def detach(self) -> int:
        """Transfers ownership to other code and returns the handle; this object is closed then.

        The new owner destroys it by `bb_receiver_destroy`.

        Raises:
            StateError: It feeds a manager.
        """
        self._check_not_lent()
        return super().detach()

    def __del__(self) -> None:
        if self._loan is not None:
            self._loan.end()
        super().__del__()

    def _check_not_lent(self) -> None:
        if self._loan is not None and self._loan.feed:
            raise self._busy()

    def _busy(self) -> _errors.StateError:
        if self._loan is not None and self._loan.feed:
            return _errors.StateError(f"{self!r} feeds a manager: close the feed first", lib.BB_E_BUSY)
        return super()._busy()

    def _receive(self, size: int, make: Callable[[Any], Bytes]) -> Bytes:
        most, span = size_of(size, "size"), ffi.new("bb_const_span *")
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
        finally:  # without memory for the copy nothing is consumed
            status = lib.bb_receiver_consume(end, taken)
        if status != lib.BB_E_ALIGN:
            return data
        # Part of a record: recv_into takes the whole records before it, or reports that there are none.
        lib.bb_receiver_consume(end, 0)
        buffer = bytearray(many)
        got = self.recv_into(buffer)
        return make(memoryview(buffer)[:got])


use_extension(SPSCSender, "send", "feed", "write", "_send_at_once")
use_extension(SPSCReceiver, "recv", "recv_into", "read")
