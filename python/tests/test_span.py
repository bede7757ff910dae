"""Spans of rings: reserve and commit, peek and consume, and views that outlive them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from conftest import Script
from hypothesis import given
from hypothesis import strategies as st

import backbuf
from backbuf import spsc_buffer


def test_bytes_are_written_and_read_in_place() -> None:
    tx, rx = spsc_buffer(64)
    view = tx.reserve(8)
    assert (view.readonly, view.format, len(view)) == (False, "B", 64)
    view[:8] = b"12345678"
    assert rx.recv(64) == b"", "nothing is sent before the commit"
    tx.commit(5)
    with pytest.raises(ValueError, match="released"):
        view[0] = 1
    seen = rx.peek()
    assert seen is not None
    assert (bytes(seen), seen.readonly) == (b"12345", True)
    rx.consume(2)
    with pytest.raises(ValueError, match="released"):
        bytes(seen)
    assert rx.recv(64) == b"345"


def test_nothing_is_sent_or_received_by_zero_bytes() -> None:
    tx, rx = spsc_buffer(16)
    tx.reserve()[0] = 1
    tx.commit(0)
    assert rx.peek() is None
    tx.send(b"ab")
    assert rx.peek(3) is None
    assert rx.peek(2) is not None
    rx.consume(0)
    assert rx.recv(9) == b"ab"


def test_too_little_space_or_too_few_bytes() -> None:
    tx, rx = spsc_buffer(16)
    tx.send(b"x" * 10)
    with pytest.raises(backbuf.ChannelFull):
        tx.reserve(7)
    tx.reserve(6)
    tx.commit(6)
    for call in (lambda: tx.reserve(17), lambda: rx.peek(17)):
        with pytest.raises(backbuf.OutOfRangeError):
            call()
    tx.close()
    assert rx.peek(16) is not None
    rx.consume(16)
    with pytest.raises(backbuf.SendersDisconnected):
        rx.peek()
    tx, rx = spsc_buffer(16)
    rx.close()
    with pytest.raises(backbuf.ReceiversDisconnected):
        tx.reserve()


def test_an_open_span_is_the_only_use_of_its_end() -> None:
    tx, rx = spsc_buffer(16)
    tx.send(b"abc")
    view, seen = tx.reserve(), rx.peek()
    for call in (lambda: tx.reserve(), lambda: tx.send(b"x"), lambda: tx.detach(), lambda: tx.into_sink()):
        with pytest.raises(backbuf.StateError):
            call()
    for other in (lambda: rx.peek(), lambda: rx.recv(1), lambda: rx.detach(), lambda: rx.into_stream()):
        with pytest.raises(backbuf.StateError):
            other()
    view[0] = ord("d")
    assert seen is not None
    tx.commit(1)
    rx.consume(3)
    assert rx.recv(9) == b"d"


def test_more_than_the_span_is_refused_and_changes_nothing() -> None:
    tx, rx = spsc_buffer(16)
    tx.send(b"abc")
    view, seen = tx.reserve(), rx.peek()
    assert seen is not None
    with pytest.raises(backbuf.StateError, match="14 bytes are more than the span's 13"):
        tx.commit(14)
    with pytest.raises(backbuf.StateError, match="4 bytes are more than the span's 3"):
        rx.consume(4)
    for wrong in (-1, 1.5, "a", None):
        with pytest.raises((ValueError, TypeError), match="count is"):
            tx.commit(wrong)  # type: ignore[arg-type]
    view[:1] = b"d"
    assert bytes(seen) == b"abc"
    tx.commit(1)
    rx.consume(1)
    assert rx.recv(9) == b"bcd"
    for call in (lambda: tx.commit(0), lambda: rx.consume(0)):
        with pytest.raises(backbuf.StateError, match="no span"):
            call()


VIEWS: dict[str, Any] = {
    "slice": lambda view: view[2:4],
    "array": np.asarray,
    "frombuffer": lambda view: np.frombuffer(view, "i4"),
    "ndarray": lambda view: np.ndarray((2,), "i4", view),
    "cast": lambda view: view.cast("i"),
    "memoryview": memoryview,
    "object": lambda view: view.obj,
}


@pytest.mark.parametrize("kind", VIEWS)
def test_a_kept_view_is_refused_until_it_is_deleted(kind: str) -> None:
    tx, rx = spsc_buffer(16)
    kept = VIEWS[kind](tx.reserve())
    with pytest.raises(BufferError, match=r"commit: .* delete them first"):
        tx.commit(4)
    assert rx.recv(9) == b"", "a refused commit sends nothing"
    del kept
    tx.commit(4)
    assert len(rx.recv(9)) == 4
    tx.send(b"12345678")
    kept = VIEWS[kind](rx.peek())
    with pytest.raises(BufferError, match=r"consume: .* delete them first"):
        rx.consume(8)
    assert tx.statistics().bytes == 12
    del kept
    rx.consume(8)
    assert rx.recv(9) == b""


@pytest.mark.parametrize("kind", VIEWS)
@pytest.mark.parametrize("how", ["close", "del", "both"])
def test_views_outlive_their_ring(kind: str, how: str) -> None:
    tx, rx = spsc_buffer(1 << 16, label="outlived")
    tx.send(b"abcdefgh")
    written, read = VIEWS[kind](tx.reserve()), VIEWS[kind](rx.peek())
    if how != "del":
        tx.close()
        rx.close()
        assert tx.closed
        for call in (lambda: tx.commit(1), lambda: rx.consume(1)):
            with pytest.raises(backbuf.ClosedError):
                call()
    if how != "close":
        del tx, rx
    assert bytes(memoryview(read).cast("B"))[:2] in (b"ab", b"cd")  # the slice begins later
    memoryview(written).cast("B")[:1] = b"z"
    del written, read
    assert "outlived" not in backbuf.dump()


def test_a_new_end_waits_for_the_views_of_the_old_one() -> None:
    tx, rx = spsc_buffer(16)
    kept = tx.reserve()[:4]
    tx.close()
    with pytest.raises(backbuf.StateError):
        rx.attach_sender()
    kept[:] = b"late"
    del kept
    tx = rx.attach_sender()
    tx.send(b"new")
    assert rx.recv(9) == b"new"


def test_a_ring_of_records_ends_spans_by_whole_records() -> None:
    tx, rx = spsc_buffer(3 * 8, overwrite_record_size=8)
    view = tx.reserve(8)
    view[:8] = b"12345678"
    with pytest.raises(backbuf.ArgumentError):
        tx.commit(3)
    tx.commit(8)
    assert rx.peek() is not None
    with pytest.raises(backbuf.ArgumentError):
        rx.consume(3)
    rx.consume(8)
    assert rx.recv(8) == b""


def test_two_threads_in_place() -> None:
    tx, rx = spsc_buffer(64)
    total, wrong = 20_000, []

    def produce() -> None:
        sent = 0
        while sent < total:
            tx.wait(1)
            view = tx.reserve()
            count = min(len(view), total - sent)
            view[:count] = bytes((sent + k) % 251 for k in range(count))
            tx.commit(count)
            sent += count
        tx.close()

    thread = threading.Thread(target=produce)
    thread.start()
    got = 0
    while True:
        try:
            rx.wait(1)
            view = rx.peek()
        except backbuf.SendersDisconnected:
            break
        assert view is not None
        count = len(view)
        if bytes(view) != bytes((got + k) % 251 for k in range(count)):
            wrong.append(got)
        rx.consume(count)
        got += count
    thread.join()
    assert (got, wrong) == (total, [])


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 20)), max_size=60))
def test_spans_are_the_bytes_of_a_plain_queue(steps: list[tuple[bool, int, int]]) -> None:
    tx, rx = spsc_buffer(16)
    model, number = bytearray(), 0
    for sends, least, count in steps:
        if sends:
            if max(least, 1) > 16 - len(model):
                with pytest.raises((backbuf.ChannelFull, backbuf.OutOfRangeError)):
                    tx.reserve(least)
                continue
            view = tx.reserve(least)
            assert len(view) == 16 - len(model)
            data = bytes((number + k) % 256 for k in range(min(count, len(view))))
            view[: len(data)] = data
            tx.commit(len(data))
            model += data
            number += len(data)
        elif least > 16:
            with pytest.raises(backbuf.OutOfRangeError):
                rx.peek(least)
        else:
            seen = rx.peek(least)
            assert (seen is None) == (len(model) < max(least, 1))
            if seen is not None:
                assert bytes(seen) == model
                taken = min(count, len(model))
                rx.consume(taken)
                del model[:taken]


@pytest.mark.parametrize("extension", [True, False])
def test_the_interpreter_ends_with_open_spans(extension: bool, script: Script) -> None:
    text = f"""
        import atexit, os
        os.environ["BACKBUF_NO_EXTENSION"] = {"" if extension else "1"!r}
        import numpy as np, backbuf
        tx, rx = backbuf.spsc_buffer(1 << 20)
        tx.send(b"abc")
        kept = [np.asarray(tx.reserve()), rx.peek(), tx, rx]
        atexit.register(lambda: kept[0].fill(1))
        """
    script(text, stderr="")
