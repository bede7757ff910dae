"""Feeds: records of a ring reach the state of a manager; refusals, the receiver's loan, lifetimes and threads."""

from __future__ import annotations

import gc
import struct
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from conftest import Manager, Script
from hypothesis import given
from hypothesis import strategies as st

import backbuf
from backbuf import CBufferManager, Feed, FeedWriter, SPSCReceiver, SPSCSender, spsc_buffer
from backbuf._library import ffi, lib

WRITE, FILL, TAG, BATCH = 1, 2, 3, 4


def feeding(m: CBufferManager, capacity: int = 1 << 14) -> tuple[SPSCSender, SPSCReceiver, Feed]:
    tx, rx = spsc_buffer(capacity)
    return tx, rx, m.feed(rx)


def record(record_type: int, offset: int, payload: bytes = b"", field: int = 0, **other: int) -> bytes:
    """The bytes of a record, by the specification alone."""
    size = other.get("size", len(payload))
    header = struct.pack("<HBBIQQ", other.get("magic", 0xFEED), other.get("version", 1), record_type, field, offset, size)
    return header + payload + bytes(-len(payload) % 8)


def state(m: CBufferManager) -> Any:
    m.synchronize(timeout=10)
    return m.snapshot()


FIELDS: dict[str, tuple[Any, str]] = {"key": (5, "u1"), "grid": ((3, 4), "f4"), "step": ((), "u8"), "when": (6, "i2")}


@st.composite
def updates(draw: st.DrawFn) -> tuple[str, str, int, list[int], bool]:
    """A record: its type, field, first element and values, and whether a batch begins before it."""
    name = draw(st.sampled_from(sorted(FIELDS)))
    size = int(np.prod(FIELDS[name][0]))
    first = draw(st.integers(0, size))
    values = draw(st.lists(st.integers(0, 100), max_size=size - first))
    return draw(st.sampled_from(["write", "write", "fill", "tag"])), name, first, values, draw(st.booleans())


@given(st.lists(st.lists(updates(), max_size=6), max_size=6), st.booleans())
def test_records_give_the_state_of_a_numpy_model(rounds: list[list[Any]], named: bool) -> None:
    m = CBufferManager(fields=FIELDS)
    model: dict[str, Any] = {name: np.zeros(shape, dtype) for name, (shape, dtype) in FIELDS.items()}
    tx, _rx, feed = feeding(m)
    writer, tag, records, batches = FeedWriter(tx, m if named else None), 0, 0, 0

    def put(target: Any, what: str, name: str, first: int, values: list[int]) -> None:
        nonlocal tag
        array = model[name]
        offset, field = first * array.itemsize, name if named else list(FIELDS).index(name)
        if what == "tag":
            tag = len(values)
            target.tag(tag)
        elif what == "fill":
            value = np.array([first + 1], array.dtype)
            target.fill(value, offset, len(values), field)
            array.reshape(-1)[first : first + len(values)] = value
        else:
            data = np.array(values, array.dtype)
            target.write(data, offset, field)
            array.reshape(-1)[first : first + len(values)] = data

    for parts in rounds:
        before = [part for part in parts if not part[-1]]
        for part in before:
            put(writer, *part[:-1])
        with writer.batch() as batch:
            for part in parts:
                if part[-1]:
                    put(batch, *part[:-1])
        records, batches = records + len(before) + 1, batches + 1
        m.synchronize(timeout=10)
        with m.front() as f:
            assert f.tag == tag
            for name, array in model.items():
                assert np.array_equal(f[name], array), name
    status = feed.status()
    assert (status.records, status.batches, status.bytes) == (records, batches, tx.statistics().bytes)
    assert status.error is None


def test_raw_bytes_and_the_writer_are_the_same(manager: Manager) -> None:
    m = manager(8, "f4")
    tx, _rx, _feed = feeding(m)
    values = np.array([1.5, 2.5], "f4")
    tx.write(record(WRITE, 4, values.tobytes()) + record(FILL, 20, struct.pack("<Qf", 2, 7.0)) + record(TAG, 42))
    assert state(m).tolist() == [0, 1.5, 2.5, 0, 0, 7, 7, 0]
    assert m.front().tag == 42
    tx, rx = spsc_buffer(4096)
    writer = FeedWriter(tx)
    writer.write(values, 4)
    writer.fill(np.float32(7), 20, 2)
    writer.tag(42)
    with writer.batch() as batch:
        batch.tag(1)
    expected = record(WRITE, 4, values.tobytes()) + record(FILL, 20, struct.pack("<Qf", 2, 7.0)) + record(TAG, 42)
    assert rx.recv(4096) == expected + record(BATCH, 0, record(TAG, 1))


@pytest.mark.parametrize(
    ("bad", "error", "text"),
    [
        (bytes(24), backbuf.ArgumentError, "magic = 0"),
        (record(WRITE, 0, bytes(4), version=2), backbuf.ArgumentError, "version = 2"),
        (record(9, 0, bytes(4)), backbuf.ArgumentError, "type = 9"),
        (record(WRITE, 16, bytes(4)), backbuf.OutOfRangeError, "beyond 16"),
        (record(WRITE, 2, bytes(4)), backbuf.ArgumentError, "not a multiple of 4"),
        (record(WRITE, 0, bytes(4), field=1), backbuf.OutOfRangeError, "field"),
        (record(FILL, 0, struct.pack("<Q", 1) + b"abc"), backbuf.ArgumentError, "element bytes = 3"),
        (record(WRITE, 0, size=1 << 20), backbuf.OutOfRangeError, "larger than the ring"),
        (record(BATCH, 0, record(WRITE, 0, bytes([9] * 4)) + record(BATCH, 0)), backbuf.ArgumentError, "batch within"),
    ],
)
def test_a_bad_record_stops_the_feed_before_it(bad: bytes, error: type[backbuf.BackbufError], text: str) -> None:
    m = CBufferManager(4, "u4")
    tx, rx, feed = feeding(m)
    good = record(WRITE, 4, struct.pack("<I", 5))
    tx.write(good + bad + good)
    assert state(m).tolist() == [0, 5, 0, 0]
    status = feed.status()
    assert (status.records, status.bytes) == (1, len(good))
    assert type(status.error) is error
    assert text in str(status.error)
    assert text in repr(feed)
    assert m.statistics().feeds_stopped == 1
    feed.close()
    assert rx.recv(1 << 14) == bad + good


def test_the_ends() -> None:
    m = CBufferManager(4, "u1")
    tx, rx, feed = feeding(m)
    with FeedWriter(tx, m) as writer:
        writer.write(b"ab")
        assert "open" in repr(feed)
    assert tx.closed
    assert state(m).tolist() == [97, 98, 0, 0]
    assert isinstance(feed.status().error, backbuf.ClosedError)
    # A sender that ends inside a record.
    feed.close()
    tx = rx.attach_sender()
    with m.feed(rx) as feed:
        tx.write(record(WRITE, 0, b"cd")[:28])
        tx.close()
        assert state(m).tolist() == [97, 98, 0, 0]
        error = feed.status().error
        assert isinstance(error, backbuf.OutOfRangeError)
        assert "are a part of a record" in str(error)
    assert feed.closed
    assert repr(feed).endswith(", closed>")
    feed.close()
    with pytest.raises(backbuf.ClosedError, match="returned its receiver"):
        feed.status()
    assert rx.read(100) == record(WRITE, 0, b"cd")[:28]
    # A close of the manager covers what was committed before it.
    tx, rx, feed = feeding(m)
    FeedWriter(tx).write(b"x", 3)
    m.close()
    assert m.snapshot()[3] == ord("x")
    assert isinstance(feed.status().error, backbuf.ClosedError)
    with pytest.raises(backbuf.ClosedError):
        m.feed(spsc_buffer(64)[1])


USES: list[Callable[[SPSCReceiver], Any]] = [
    lambda rx: rx.recv(1),
    lambda rx: rx.read(1),
    lambda rx: rx.recv_into(bytearray(1)),
    lambda rx: rx.peek(),
    lambda rx: rx.wait(),
    lambda rx: rx.arm(),
    lambda rx: rx.into_stream(),
    lambda rx: rx.attach_sender(),
    lambda rx: rx.detach(),
    lambda rx: rx.close(),
    lambda rx: CBufferManager(1).feed(rx),
]


def test_the_receiver_is_busy_while_it_feeds() -> None:
    m = CBufferManager(4, "u1")
    tx, rx, feed = feeding(m)
    for number, use in enumerate(USES):
        with pytest.raises(backbuf.StateError, match="feed") as caught:
            use(rx)
        assert caught.value.status == lib.BB_E_BUSY, number
    assert feed.receiver is rx
    FeedWriter(tx).write(b"z")
    assert state(m)[0] == ord("z")
    assert rx.statistics().bytes == 32
    feed.close()
    tx.send(b"plain")
    assert rx.recv(10) == b"plain"


def test_unfit_receivers_and_arguments_are_refused_by_name() -> None:
    m = CBufferManager(4, "f4")
    tx, rx = spsc_buffer(4096)
    for bad in (tx, rx.handle, None):
        with pytest.raises(TypeError, match="receiver is a"):
            m.feed(bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="sender is a SPSCReceiver"):
        FeedWriter(rx)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="manager is a str"):
        FeedWriter(tx, "m")  # type: ignore[arg-type]
    with pytest.raises(backbuf.ArgumentError, match="overwrites"):
        m.feed(spsc_buffer(64, overwrite_record_size=8)[1])
    with pytest.raises(backbuf.OutOfRangeError, match="capacity"):
        m.feed(spsc_buffer(16)[1])
    tx.send(b"open")
    view = rx.peek()
    with pytest.raises(backbuf.StateError, match="span"):
        m.feed(rx)
    del view
    rx.consume(4)
    rx.close()
    with pytest.raises(backbuf.ClosedError):
        m.feed(rx)
    with pytest.raises(backbuf.ReceiversDisconnected):
        FeedWriter(tx).write(b"")
    tx.close()
    with pytest.raises(backbuf.ClosedError):
        FeedWriter(tx).tag(1)


def test_the_writer_refuses_bad_data() -> None:
    m = CBufferManager(fields={"a": (3, "f4"), "b": (2, "u2")})
    tx, rx = spsc_buffer(64)
    plain, typed = FeedWriter(tx), FeedWriter(tx, m)
    refusals: list[tuple[Callable[[], Any], type[BaseException], str]] = [
        (lambda: plain.write(1.5), TypeError, "data is a float"),
        (lambda: plain.write(np.zeros((2, 2))[:, 0]), BufferError, "data is not contiguous"),
        (lambda: plain.write(b"", -1), ValueError, "byte_offset is -1"),
        (lambda: plain.write(b"", 0, "a"), TypeError, "field = 'a'"),
        (lambda: plain.write(b"", 0, 1 << 32), ValueError, "field is"),
        (lambda: plain.fill(b"ab"), TypeError, "count is None"),
        (lambda: plain.fill(b"", count=1), ValueError, "value has 0 bytes"),
        (lambda: plain.tag(1 << 64), ValueError, "tag is"),
        (lambda: plain.write(bytes(41)), backbuf.OutOfRangeError, "has 72 bytes, but the ring 64"),
        (lambda: plain.write(b"", timeout=-1), ValueError, "timeout is -1"),
        (lambda: plain.batch(timeout=-1), ValueError, "timeout is -1"),
        (lambda: typed.write(1.5, field="c"), backbuf.NotRegisteredError, "field = 'c'"),
        (lambda: typed.write(1.5, field=2), backbuf.OutOfRangeError, "field = 2"),
        (lambda: typed.write(np.zeros(2), field="a"), TypeError, "field 'a' has float32"),
        (lambda: typed.write(1.5, 12), backbuf.OutOfRangeError, "byte_offset = 12: the data end at byte 16"),
        (lambda: typed.write(1.5, 2), backbuf.ArgumentError, "byte_offset = 2: it must be a multiple of the 4"),
        (lambda: typed.fill(1, 2, 2, "b"), backbuf.OutOfRangeError, "byte_offset = 2"),
        (lambda: typed.fill(70_000, field="b"), OverflowError, "70000"),
    ]
    for call, error, text in refusals:
        with pytest.raises(error, match=text.replace("[", r"\[")):
            call()
    assert rx.recv(64) == b"", "nothing was written in part"
    plain.write(bytes(30))
    with pytest.raises(backbuf.ChannelFull):
        plain.tag(1, timeout=0)
    with pytest.raises(backbuf.WaitTimeoutError):
        plain.tag(1, timeout=0.01)
    assert tx.statistics().bytes == 56
    # A batch that fails is discarded; the next one is not affected.
    _ = rx.recv(64)
    with pytest.raises(ZeroDivisionError), typed.batch() as batch:
        batch.tag(3)
        _ = 1 // 0
    with typed.batch() as batch, pytest.raises(backbuf.NotRegisteredError):
        batch.fill(1, field="none")
    assert rx.recv(64) == record(BATCH, 0)


ORDERS = ["feed rx tx m", "rx feed m tx", "m rx tx feed", "m feed tx rx", "tx m rx feed", "rx tx m feed"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("cyclic", [False, True])
def test_garbage_is_collected_in_any_order(order: str, cyclic: bool) -> None:
    m = CBufferManager(4, "u1")
    tx, rx, feed = feeding(m)
    objects: dict[str, Any] = {"m": m, "tx": tx, "rx": rx, "feed": feed}
    handles = [ffi.cast("void *", one.handle) for one in (tx, rx, m)]
    if cyclic:
        rx.everything = objects  # type: ignore[attr-defined]
    FeedWriter(tx).write(b"abcd")
    gone = weakref.ref(feed)
    del m, tx, rx, feed
    for name in order.split():
        del objects[name]
        if not cyclic:
            gc.collect()
    del objects
    gc.collect()
    assert gone() is None
    assert [lib.bb_handle_check(handle) for handle in handles] == [lib.BB_E_STALE] * 3


def test_a_receiver_that_is_destroyed_first_ends_its_feed() -> None:
    """The collector and the end of the interpreter destroy objects in any order."""
    m = CBufferManager(4, "u1")
    tx, rx, feed = feeding(m)
    handle = ffi.cast("void *", rx.handle)
    rx.__del__()
    assert lib.bb_handle_check(handle) == lib.BB_E_STALE
    assert feed.closed
    with pytest.raises(backbuf.ReceiversDisconnected):
        tx.send(b"x")


def test_the_receiver_works_after_its_feed_or_manager() -> None:
    m = CBufferManager(4, "u1")
    tx, rx, feed = feeding(m)
    del feed
    gc.collect()
    tx.send(b"after the feed")
    assert rx.recv(64) == b"after the feed"
    feed = m.feed(rx)
    m.destroy()
    tx.send(b"after the manager")
    assert rx.recv(64) == b"after the manager"
    assert isinstance(feed.status().error, backbuf.ClosedError)
    feed.close()
    rx.close()


def test_threads_write_and_synchronize() -> None:
    rounds, rings = 1500, 2
    m = CBufferManager(rings * 64, "u4")

    def write(index: int, tx: SPSCSender) -> None:
        with FeedWriter(tx, m) as writer:
            for number in range(1, rounds + 1):
                with writer.batch() as batch:
                    batch.fill(number, index * 256, 63)
                    batch.write(number, index * 256 + 252)

    ends = [feeding(m, 1 << 10) for _ in range(rings)]
    threads = [threading.Thread(target=write, args=(index, end[0])) for index, end in enumerate(ends)]
    for thread in threads:
        thread.start()
    seen = np.zeros(rings, "u4")
    while any(thread.is_alive() for thread in threads):
        rows = state(m).reshape(rings, 64)
        assert (rows == rows[:, :1]).all(), "a part of a batch"
        assert (rows[:, 0] >= seen).all()
        seen = rows[:, 0]
    assert (state(m) == rounds).all()
    assert [feed.status().batches for _, _, feed in ends] == [rounds] * rings


def test_closing_while_records_arrive() -> None:
    """Close, status and repr from other threads are errors at most."""
    m = CBufferManager(64, "u1")
    for _ in range(30):
        tx, rx, feed = feeding(m, 256)

        def write(tx: SPSCSender = tx) -> None:
            writer = FeedWriter(tx)
            with suppress(backbuf.ReceiversDisconnected):
                while True:
                    writer.write(b"x" * 64, timeout=10)

        def ask(feed: Feed = feed) -> None:
            while not feed.closed:
                repr(feed)
                with suppress(backbuf.ClosedError):
                    feed.status()

        threads = [threading.Thread(target=write), threading.Thread(target=ask)]
        for thread in threads:
            thread.start()
        while feed.status().records < 5:
            pass
        feed.close()
        rx.close()
        for thread in threads:
            thread.join()


def test_a_feed_belongs_to_its_process_and_ends_with_the_interpreter(script: Script) -> None:
    text = """
        import copy, os, sys
        import backbuf
        m = backbuf.CBufferManager(4, "u1")
        tx, rx = backbuf.spsc_buffer(256)
        feed, writer = m.feed(rx), backbuf.FeedWriter(tx, m)
        try:
            copy.copy(feed)
        except TypeError as error:
            print("cannot be copied" in str(error))
        if os.fork() == 0:
            for call in (feed.status, lambda: writer.tag(1), lambda: m.feed(rx), feed.close):
                try:
                    call()
                except backbuf.ForkedError as error:
                    print(error.status, flush=True)
            repr(feed)
            sys.exit(7)
        print(os.waitstatus_to_exitcode(os.wait()[1]))
        writer.write(b"ab")
        m.synchronize()
        print(m.snapshot()[:2], repr(feed))
        """
    feed = "<Feed from <SPSCReceiver of 256 bytes, open>, 1 records, open>"
    output = "True\n" + "-28\n" * 4 + f"7\n[97 98] {feed}\n"
    assert script(text, "-W", "ignore::DeprecationWarning") == output


def test_status_in_notebooks() -> None:
    m = CBufferManager(4, "u1")
    _tx, _rx, feed = feeding(m)
    assert "records" in feed.status()._repr_html_()
    with pytest.raises(AttributeError):
        feed.status().records = 1  # type: ignore[misc]
