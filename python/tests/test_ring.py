"""Sender and receiver of a ring: results and errors of each call."""

from __future__ import annotations

import ctypes
import io
import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backbuf
from backbuf import SPSCReceiver, SPSCSender, spsc_buffer
from backbuf._library import ffi, lib


def test_bytes_pass_in_order() -> None:
    tx, rx = spsc_buffer(1024)
    assert (tx.capacity, rx.capacity) == (1024, 1024)
    assert tx.send(b"abc") == 3
    assert tx.send(b"") == 0
    data = rx.recv(2)
    assert (type(data), data) == (bytearray, b"ab")
    assert rx.recv(0) == b""
    assert rx.recv(1 << 40) == b"c"
    assert rx.recv(1) == b""


def test_capacity_is_rounded_up_and_all_of_it_used() -> None:
    for wanted, capacity in ((1, 1), (3, 4), (1000, 1024), (4096, 4096), (4097, 8192)):
        tx, rx = spsc_buffer(wanted)
        assert tx.capacity == capacity
        data = bytes(n % 251 for n in range(capacity))
        assert tx.send(data + b"more") == capacity
        with pytest.raises(backbuf.ChannelFull):
            tx.send(b"x")
        assert tx.send(b"") == 0
        assert rx.recv(2 * capacity) == data


@pytest.mark.parametrize("size", [1 << 12, (1 << 16) + 1, 1 << 18])  # with the GIL and without it
def test_sizes_of_both_paths(size: int) -> None:
    tx, rx = spsc_buffer(1 << 18)
    data = np.random.default_rng(1).integers(0, 256, size, np.uint8)
    for receive in (rx.recv, lambda n: rx.read(n, timeout=1), lambda n: (b := bytearray(n), rx.recv_into(b))[0]):
        assert tx.send(data) == size
        assert receive(size) == data.tobytes()
    assert tx.feed(data) == size
    tx.flush()
    assert rx.recv(size) == data.tobytes()


def test_fed_bytes_are_visible_after_a_flush() -> None:
    tx, rx = spsc_buffer(64)
    assert tx.feed(b"one") == 3
    assert rx.recv(64) == b""
    tx.flush()
    assert rx.recv(64) == b"one"
    tx.feed(b"two")
    tx.send(b"three")
    assert rx.recv(64) == b"twothree"
    tx.feed(b"four")
    tx.close()
    assert rx.recv(64) == b"four"


BUFFERS: dict[str, Callable[[], Any]] = {
    "bytes": lambda: b"12345678",
    "bytearray": lambda: bytearray(b"12345678"),
    "memoryview": lambda: memoryview(b"0123456789")[1:9],
    "float64": lambda: np.frombuffer(b"12345678", "f8"),
    "matrix": lambda: np.frombuffer(b"12345678", "u1").reshape(2, 4),
    "datetime": lambda: np.frombuffer(b"12345678", "M8[s]"),
    "structure": lambda: np.frombuffer(b"12345678", [("a", "u2"), ("b", "S6")]),
    "scalar": lambda: np.frombuffer(b"12345678", "u8").reshape(()),
    "ctypes": lambda: (ctypes.c_uint16 * 4).from_buffer_copy(b"12345678"),
    "cffi": lambda: ffi.buffer(ffi.new("char[]", b"12345678"), 8),
}


@pytest.mark.parametrize("kind", BUFFERS)
def test_all_kinds_of_buffers_are_taken_by_their_bytes(kind: str) -> None:
    tx, rx = spsc_buffer(64)
    assert tx.send(BUFFERS[kind]()) == 8
    assert tx.feed(BUFFERS[kind]()) == 8
    assert tx.write(data=BUFFERS[kind]()) == 8
    assert rx.recv(size=64) == b"12345678" * 3


@pytest.mark.parametrize("empty", [b"", np.empty((0, 3)), np.empty(0, "f8")])
def test_empty_buffers(empty: Any) -> None:
    tx, rx = spsc_buffer(8)
    assert tx.send(empty) == tx.feed(empty) == tx.write(empty) == 0
    tx.send(b"12345678")
    assert tx.send(empty) == 0, "also when the ring is full"
    assert rx.recv_into(bytearray()) == 0


def test_buffers_to_fill_are_counted_in_bytes() -> None:
    tx, rx = spsc_buffer(64)
    wanted = np.arange(4, dtype="f4")
    tx.send(wanted)
    target = np.zeros((2, 4), "f4")
    assert rx.recv_into(target) == 16
    assert target.tolist() == [[0, 1, 2, 3], [0, 0, 0, 0]]
    assert rx.recv_into(buffer=target) == 0


@pytest.mark.parametrize("size", [8, 1 << 17])
def test_buffers_that_are_not_contiguous_are_refused(size: int) -> None:
    tx, rx = spsc_buffer(64)
    strided = np.zeros(2 * size, "u1")[::2]
    for bad in (strided, memoryview(strided), np.zeros((4, size), "u1", order="F")):
        for call in (tx.send, tx.feed, tx.write):
            with pytest.raises(BufferError, match=r"data is not .*contiguous.*bytes\(data\)"):
                call(bad)
    tx.send(b"12345678")
    for bad in (strided, b"constant", memoryview(b"constant")):
        with pytest.raises(BufferError, match="buffer is not writable contiguous"):
            rx.recv_into(bad)
    assert rx.recv(64) == b"12345678"
    assert tx.statistics().bytes == 8


@pytest.mark.parametrize("bad", ["text", None, 5, 1.5, [1, 2], object()])
def test_other_objects_are_refused(bad: Any) -> None:
    tx, rx = spsc_buffer(64)
    for call in (tx.send, tx.feed, tx.write, rx.recv_into):
        with pytest.raises(TypeError, match=type(bad).__name__):
            call(bad)


def test_bad_sizes() -> None:
    tx, rx = spsc_buffer(64)
    for call in (rx.recv, rx.read, rx.wait, tx.wait, rx.arm, tx.arm):
        for number in (-1, -(2**63), 2**64, 2**100):
            with pytest.raises(ValueError, match="must be from"):
                call(number)
        for thing in (1.0, "1", None, True):
            with pytest.raises(TypeError, match="give an int"):
                call(thing)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="timeout"):
        rx.read(1, timeout=-1)
    with pytest.raises(ValueError, match="timeout"):
        tx.write(b"x", timeout=math.nan)
    with pytest.raises(TypeError):
        rx.recv()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        tx.send(b"a", b"b")  # type: ignore[call-arg]


def test_bad_capacities() -> None:
    with pytest.raises(ValueError, match="capacity"):
        spsc_buffer(0)
    with pytest.raises(ValueError, match="capacity"):
        spsc_buffer(-1)
    for huge in (2**63 + 1, 2**64 - 1):
        with pytest.raises(backbuf.OutOfRangeError, match="capacity"):
            spsc_buffer(huge)
    with pytest.raises(MemoryError):
        spsc_buffer(1 << 46)
    for bad in (1.5, "1", None):
        with pytest.raises(TypeError):
            spsc_buffer(bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="label"):
        spsc_buffer(8, label=b"bytes")  # type: ignore[arg-type]


def test_a_closed_sender_is_drained_first() -> None:
    tx, rx = spsc_buffer(64)
    tx.send(b"last words")
    tx.close()
    assert rx.recv(4) == b"last"
    assert rx.read(100) == b" words"
    for call in (lambda: rx.recv(1), lambda: rx.recv_into(bytearray(1)), rx.wait):
        with pytest.raises(backbuf.SendersDisconnected) as caught:
            call()
        assert isinstance(caught.value, EOFError)
        assert caught.value.status == lib.BB_E_CLOSED
    assert rx.read(1) == rx.read(1) == b""
    assert (rx.recv(0), rx.recv_into(bytearray())) == (b"", 0), "nothing is asked for"


def test_a_closed_receiver_is_reported() -> None:
    tx, rx = spsc_buffer(64)
    rx.close()
    for call in (lambda: tx.send(b"x"), lambda: tx.feed(b"x"), lambda: tx.write(b"x"), tx.wait):
        with pytest.raises(backbuf.ReceiversDisconnected) as caught:
            call()
        assert isinstance(caught.value, BrokenPipeError)
    tx.close()


@pytest.mark.parametrize("end", [0, 1])
def test_use_after_close(end: int) -> None:
    thing: Any = spsc_buffer(64, label="gone")[end]
    assert not thing.closed
    thing.close()
    thing.close()
    assert thing.closed
    calls = {
        SPSCSender: ["send", "feed", "write", "flush", "wait", "into_sink", "attach_receiver", "detach", "fileno", "arm"],
        SPSCReceiver: ["recv", "recv_into", "read", "wait", "into_stream", "attach_sender", "detach", "fileno", "arm"],
    }
    given = {"send": b"x", "feed": b"x", "write": b"x", "recv": 1, "recv_into": bytearray(1), "read": 1}
    for name in calls[type(thing)]:
        with pytest.raises(backbuf.ClosedError, match="closed") as caught:
            getattr(thing, name)(*[given[name]] if name in given else [])
        assert isinstance(caught.value, ValueError)
    with pytest.raises(backbuf.ClosedError):
        _ = thing.handle
    with pytest.raises(backbuf.ClosedError), thing:
        raise AssertionError("not entered")
    assert thing.statistics().capacity == 64, "counters stay"


def test_repr_and_blocks() -> None:
    tx, rx = spsc_buffer(1000, label="feed")
    assert repr(tx) == "<SPSCSender 'feed' of 1024 bytes, open>"
    with tx as same:
        assert same is tx
        tx.send(b"x")
    assert repr(tx) == "<SPSCSender 'feed' of 1024 bytes, closed>"
    with pytest.raises(KeyError), rx:
        raise KeyError
    assert repr(rx) == "<SPSCReceiver 'feed' of 1024 bytes, closed>"
    for cls in (SPSCSender, SPSCReceiver, backbuf.SPSCReceiverStream):
        with pytest.raises(TypeError, match="spsc_buffer"):
            cls()


def test_statistics() -> None:
    tx, rx = spsc_buffer(8)
    tx.send(b"12345")
    tx.send(b"67890")
    with pytest.raises(backbuf.ChannelFull):
        tx.send(b"0")
    assert rx.recv(3) == b"123"
    assert rx.recv(9) == b"45678"
    assert rx.recv(1) == b""
    sent, received = tx.statistics(), rx.statistics()
    assert (sent.bytes, sent.operations, sent.misses, sent.capacity) == (8, 2, 1, 8)
    assert (received.bytes, received.operations, received.misses) == (8, 2, 1)
    assert received.high_water == 8
    assert len(received.wait_histogram) == 64
    with pytest.raises(TimeoutError):
        rx.wait(timeout=0.001)
    assert rx.statistics().waits == 1


def test_waits_end_with_their_timeout() -> None:
    tx, rx = spsc_buffer(8)
    for call in (lambda t: rx.read(1, timeout=t), lambda t: rx.wait(timeout=t), lambda t: rx.wait(9, t)):
        for timeout in (0, 0.001):
            with pytest.raises(backbuf.WaitTimeoutError):
                call(timeout)
    for timeout in (0, 0.001):
        with pytest.raises(backbuf.WaitTimeoutError) as caught:
            tx.write(b"0123456789", timeout=timeout)
        assert caught.value.sent == (8 if timeout == 0 else 0)
        with pytest.raises(backbuf.WaitTimeoutError):
            tx.wait(timeout=timeout)
    rx.wait(10**9)  # limited to the capacity, so it cannot wait without end
    assert rx.read(100, timeout=0) == b"01234567"


def test_a_broken_write_reports_the_sent_bytes() -> None:
    tx, rx = spsc_buffer(8)
    closer = threading.Thread(target=lambda: (rx.wait(8), rx.close()))
    closer.start()
    with pytest.raises(backbuf.ReceiversDisconnected) as caught:
        tx.write(bytes(100))
    closer.join()
    assert caught.value.sent == 8


def test_threads_of_both_sides() -> None:
    tx, rx = spsc_buffer(1 << 12)
    data = np.random.default_rng(2).integers(0, 256, 1 << 20, np.uint8).tobytes()
    sizes = np.random.default_rng(3).integers(1, 9000, 2000)

    def produce() -> None:
        place = 0
        for size in sizes:
            place += tx.write(data[place : place + int(size)])
        tx.write(data[place:])
        tx.close()

    thread = threading.Thread(target=produce)
    thread.start()
    assert b"".join(iter(lambda: rx.read(5000), b"")) == data
    thread.join()


def test_files() -> None:
    tx, rx = spsc_buffer(64)
    lines = [b"line %d\n" % n for n in range(100)]

    def produce() -> None:
        with io.BufferedWriter(tx.as_file(), 100) as file:
            file.writelines(lines)
        tx.close()

    thread = threading.Thread(target=produce)
    thread.start()
    file = io.BufferedReader(rx.as_file())
    assert (file.readable(), file.writable(), file.seekable()) == (True, False, False)
    assert file.read(12) == b"line 0\nline "
    assert b"line " + file.readline() == b"line 1\n"
    assert list(file) == lines[2:]
    assert file.read() == b""
    thread.join()
    file.close()
    assert not rx.closed
    reader, writer = rx.as_file(), tx.as_file()
    for closed in (reader, writer):
        closed.close()
    for call in (lambda: reader.read(1), lambda: writer.write(b"x")):  # type: ignore[attr-defined]
        with pytest.raises(ValueError):
            call()


def test_a_file_reads_all() -> None:
    tx, rx = spsc_buffer(1024)
    tx.write(bytes(range(256)))
    tx.close()
    assert rx.as_file().read() == bytes(range(256))


def test_ends_are_closed_and_attached_again() -> None:
    tx, rx = spsc_buffer(64, label="relay")
    with pytest.raises(backbuf.StateError, match="other end"):
        rx.attach_sender()
    with pytest.raises(RuntimeError):
        tx.attach_receiver()
    tx.send(b"first ")
    tx.close()
    again = rx.attach_sender()
    again.send(b"second")
    assert rx.recv(3) == b"fir"
    rx.close()
    other = again.attach_receiver()
    assert repr(other) == "<SPSCReceiver 'relay' of 64 bytes, open>"
    assert other.recv(64) == b"st second"
    del again
    with pytest.raises(backbuf.SendersDisconnected):
        other.recv(1)


def test_detach_and_attach() -> None:
    tx, rx = spsc_buffer(64)
    handle = tx.handle
    assert tx.detach() == handle
    assert tx.closed
    del tx
    pointer = ffi.cast("bb_sender *", handle)
    sent = ffi.new("uint64_t *")
    assert lib.bb_sender_send(pointer, b"from C", 6, sent) == 0
    assert rx.recv(64) == b"from C"
    for form in (handle, pointer, ctypes.c_void_p(handle)):
        tx = SPSCSender.attach(form)
        assert (tx.capacity, tx.handle) == (64, handle)
        assert tx.send(b"x") == 1
        tx.detach()
    SPSCSender.attach(handle).close()
    assert rx.read(64) == b"xxx"
    assert rx.read(64) == b""
    same = SPSCReceiver.attach(rx.detach())
    with pytest.raises(backbuf.SendersDisconnected):
        same.recv(1)


def test_bad_handles() -> None:
    tx, rx = spsc_buffer(64)
    manager = backbuf.CBufferManager(2)
    for handle in (0, 1, 0xDEAD_BEEF_0000, rx.handle, manager.handle):
        with pytest.raises(backbuf.BackbufError):
            SPSCSender.attach(handle)
    for thing in (None, "x", 1.5, True):
        with pytest.raises(TypeError):
            SPSCReceiver.attach(thing)
    stale = tx.handle
    tx.close()
    with pytest.raises(backbuf.HandleError):
        SPSCSender.attach(stale)


def test_a_pollable_descriptor() -> None:
    import select

    tx, rx = spsc_buffer(8)
    poll = select.poll()
    poll.register(rx, select.POLLIN)
    assert not rx.arm()
    assert poll.poll(0) == []
    tx.send(b"12345678")
    assert poll.poll(10_000) == [(rx.fileno(), select.POLLIN)]
    assert rx.arm()
    assert not tx.arm(4)
    writer = select.poll()
    writer.register(tx, select.POLLIN)
    rx.recv(3)
    assert writer.poll(0) == []
    rx.recv(1)
    assert writer.poll(10_000)
    rx.close()
    assert tx.arm(), "there is nothing to wait for any more"


def test_a_second_waiter_is_refused() -> None:
    tx, rx = spsc_buffer(64)
    entered = threading.Event()

    def wait() -> None:
        entered.set()
        assert rx.read(1) == b"x"

    thread = threading.Thread(target=wait)
    thread.start()
    entered.wait()
    while rx.statistics().waits == 0:  # until the thread waits
        pass
    for call in (lambda: rx.read(1), lambda: rx.recv(1), lambda: rx.wait(timeout=0)):
        with pytest.raises(RuntimeError, match="in use") as caught:
            call()
        assert isinstance(caught.value, backbuf.StateError)
    tx.send(b"x")
    thread.join()


def test_without_checks() -> None:
    tx, rx = spsc_buffer(64, checked=False, backoff=False)
    tx.send(b"fast")
    assert rx.recv(64) == b"fast"
