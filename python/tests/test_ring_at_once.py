"""Calls of a ring that may wait, when they need not: `write`, `read`, `send_async` and files."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from typing import Any

import numpy as np
import pytest
from conftest import Run

import backbuf
from backbuf import spsc_buffer


def test_all_forms_of_a_call() -> None:
    tx, rx = spsc_buffer(64)
    writes = (
        lambda: tx.write(b"abcd"),
        lambda: tx.write(b"abcd", 1),
        lambda: tx.write(b"abcd", None),
        lambda: tx.write(b"abcd", timeout=0.5),
        lambda: tx.write(data=b"abcd", timeout=0),
        lambda: tx.write(np.frombuffer(b"abcd", "u2"), float("inf")),
        lambda: tx.write(b"abcd", whole=True),
        lambda: tx.as_file().write(b"abcd"),
    )
    reads = (
        lambda: rx.read(4),
        lambda: rx.read(np.int64(4)),
        lambda: rx.read(100, 1),
        lambda: rx.read(1 << 40, timeout=0),
        lambda: rx.read(size=4, timeout=None),
    )
    for write in writes:
        for read in reads:
            assert write() == 4
            data = read()
            assert (type(data), data) == (bytes, b"abcd")
    assert (tx.write(b""), rx.read(0)) == (0, b"")


def test_arguments_are_checked_with_space_and_bytes_available() -> None:
    tx, rx = spsc_buffer(64)
    tx.send(b"0123")
    for timeout, error in ((-1, ValueError), (float("nan"), ValueError), ("1", TypeError), (-1.5, ValueError)):
        wrong: Any = timeout
        with pytest.raises(error, match="timeout is"):
            tx.write(b"x", wrong)
        with pytest.raises(error, match="timeout is"):
            rx.read(1, timeout=wrong)
        with pytest.raises(error, match="timeout is"):
            asyncio.run(tx.send_async(b"x", wrong))
    for data in ("text", 1, None):
        with pytest.raises(TypeError, match="data is a"):
            tx.write(data)
    for size in (1.5, -1, None):
        with pytest.raises((TypeError, ValueError), match="size is"):
            rx.read(size)  # type: ignore[arg-type]  # wrong on purpose
    for call in (lambda: tx.write(), lambda: tx.write(b"x", 1, 2), lambda: rx.read(), lambda: rx.read(1, time=1)):
        with pytest.raises(TypeError):
            call()
    assert rx.read(64) == b"0123"


def test_an_open_span_refuses_a_write() -> None:
    tx, rx = spsc_buffer(64)
    view = tx.reserve(8)
    with pytest.raises(backbuf.StateError) as caught:
        tx.write(b"x")
    assert caught.value.sent == 0  # type: ignore[attr-defined]  # set by the package
    view[:1] = b"y"
    tx.commit(1)
    rx.peek()
    with pytest.raises(backbuf.StateError):
        rx.read(1)
    rx.consume(0)
    assert rx.read(64) == b"y"


@pytest.mark.parametrize("size", [1, 64, 65, 1000])
def test_a_write_that_does_not_fit_waits(size: int) -> None:
    tx, rx = spsc_buffer(64)
    tx.write(bytes(64))
    data = bytes(n % 251 for n in range(size))
    writer = threading.Thread(target=lambda: (tx.write(data), tx.close()))
    writer.start()
    assert b"".join(iter(lambda: rx.read(10), b"")) == bytes(64) + data
    writer.join()
    with pytest.raises(backbuf.ClosedError) as caught:
        tx.write(b"")
    assert caught.value.sent == 0  # type: ignore[attr-defined]  # set by the package


def test_records_are_whole() -> None:
    tx, rx = spsc_buffer(3 * 8, overwrite_record_size=8)
    for number in range(5):
        assert tx.write(number.to_bytes(8, "little")) == 8
    with pytest.raises(backbuf.ArgumentError):
        tx.write(b"half")
    with pytest.raises(backbuf.ArgumentError):
        rx.read(7)
    assert rx.read(15) == (2).to_bytes(8, "little")
    assert len(rx.read(100)) == 16
    assert rx.statistics().lost == 2


def test_a_waiting_task_excludes_other_writes(run: Run) -> None:
    async def main() -> None:
        tx, rx = spsc_buffer(8)
        tx.send(bytes(8))
        first = asyncio.ensure_future(tx.send_async(b"first"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert rx.read(8) == bytes(8)
        # There is space, but the bytes would precede those of the task, or divide them.
        with pytest.raises(backbuf.StateError, match="in use"):
            tx.write(b"other")
        assert await first == 5
        assert tx.write(b"xyz") == 3
        assert rx.read(64) == b"firstxyz"

    run(main())


def test_a_closed_receiver_ends_each_call(run: Run) -> None:
    tx, rx = spsc_buffer(8)
    rx.close()
    for call in (lambda: tx.write(b"x"), lambda: run(tx.send_async(b"x")), lambda: tx.as_file().write(b"x")):
        with pytest.raises(backbuf.ReceiversDisconnected) as caught:
            call()
        assert caught.value.sent == 0


def test_calls_keep_no_references(run: Run) -> None:
    tx, rx = spsc_buffer(1 << 12)
    data, array, wrong, size, late = b"x" * 300, np.arange(40), object(), 2**40, 0.5

    def calls() -> None:
        for _ in range(50):
            tx.write(data)
            tx.write(array, late)
            tx.as_file().write(data)
            for bad in (lambda: tx.write(wrong), lambda: tx.write(data, wrong), lambda: rx.read(wrong)):
                with pytest.raises(TypeError):
                    bad()  # type: ignore[no-untyped-call]  # wrong on purpose
            assert len(rx.read(7)) == 7
            rx.read(size, late)

    async def send() -> None:
        for _ in range(50):
            await tx.send_async(data, late)
            await tx.send_async(array)
            rx.read(1000)

    def references() -> list[int]:
        return [sys.getrefcount(thing) for thing in (data, array, wrong, size, late, tx, rx)]

    calls()
    gc.collect()
    before = references()
    calls()
    run(send())
    gc.collect()
    assert references() == before
