"""Records: sent entirely or not at all, and rings that overwrite their oldest records."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import struct
import threading
from typing import Any

import pytest
from conftest import Run

import backbuf
from backbuf import spsc_buffer

RECORD = struct.Struct("<QI")


def record(number: int) -> bytes:
    return RECORD.pack(number, 0xABCD)


def numbers(data: Any) -> list[int]:
    found = list(RECORD.iter_unpack(data))
    assert all(mark == 0xABCD for _, mark in found), "a record was cut"
    return [number for number, _ in found]


def test_a_producer_that_never_waits_cuts_no_record() -> None:
    tx, rx = spsc_buffer(1024)
    stream, dropped, got = rx.into_stream(record_size=12), 0, []
    for number in range(3000):
        try:
            assert tx.send(record(number), whole=True) == 12
        except backbuf.ChannelFull as full:
            dropped += 1 - full.sent
        if number % 200 == 199:
            got += numbers(stream.next())
    tx.close()
    for chunk in stream:
        got += numbers(chunk)
    assert dropped > 0
    assert len(got) + dropped == 3000
    assert got == sorted(got)


def test_whole_or_not_at_all() -> None:
    tx, rx = spsc_buffer(16)
    assert tx.write(b"0123456789", whole=True) == 10
    with pytest.raises(backbuf.ChannelFull):
        tx.write(b"0123456789", timeout=0, whole=True)
    with pytest.raises(backbuf.WaitTimeoutError) as caught:
        tx.write(b"0123456789", timeout=0.001, whole=True)
    assert caught.value.sent == 0
    for call in (tx.send, tx.write):
        with pytest.raises(backbuf.OutOfRangeError):
            call(bytes(17), whole=True)
    assert tx.send(b"", whole=True) == 0
    assert rx.recv(100) == b"0123456789"
    waiter = threading.Thread(target=tx.write, args=(bytes(16),), kwargs={"whole": True, "timeout": 30})
    waiter.start()
    assert rx.read(16, timeout=30) == bytes(16)
    waiter.join()
    rx.close()
    with pytest.raises(backbuf.ReceiversDisconnected):
        tx.send(b"x", whole=True)


def test_an_async_send_is_whole(run: Run) -> None:
    async def main() -> None:
        tx, rx = spsc_buffer(16)
        await tx.send_async(bytes(10), whole=True)
        second = asyncio.ensure_future(tx.send_async(b"0123456789", whole=True))
        await asyncio.sleep(0.01)
        assert rx.recv(1) == b"\0"
        await asyncio.sleep(0.01)
        assert not second.done()
        assert rx.recv(20) == bytes(9)
        assert await second == 10
        assert rx.recv(20) == b"0123456789"
        with pytest.raises(backbuf.OutOfRangeError):
            await tx.send_async(bytes(17), whole=True)
        async with tx.into_sink() as sink:
            assert await sink.send(bytes(16), whole=True) == 16

    run(main())


def test_a_cancelled_send_reports_the_sent_bytes(run: Run) -> None:
    async def main() -> None:
        tx, rx = spsc_buffer(16)
        caught: list[BaseException] = []

        async def send(**how: Any) -> None:
            try:
                await tx.send_async(bytes(40), **how)
            except BaseException as error:
                caught.append(error)
                raise

        task = asyncio.ensure_future(send())
        await asyncio.sleep(0.01)
        assert len(rx.recv(10)) == 10
        await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert isinstance(caught[0], asyncio.CancelledError)
        assert caught[0].sent == 26  # type: ignore[attr-defined]  # set by the package
        assert tx.statistics().bytes == 26
        with pytest.raises(backbuf.WaitTimeoutError) as late:
            await send(timeout=0.01)
        assert late.value.sent == 0
        rx.recv(4)
        with pytest.raises(backbuf.WaitTimeoutError) as late:
            await send(timeout=0.01)
        assert late.value.sent == 4

    run(main())


def test_an_interrupted_send_reports_the_sent_bytes() -> None:
    class AlarmError(Exception):
        pass

    def ring(_number: int, _frame: Any) -> None:
        raise AlarmError

    tx, rx = spsc_buffer(16)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(AlarmError) as caught:
            tx.write(bytes(40), timeout=30)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert caught.value.sent == 16  # type: ignore[attr-defined]  # set by the package
    assert len(rx.recv(100)) == 16


def test_the_newest_records_stay() -> None:
    tx, rx = spsc_buffer(5 * 12, overwrite_record_size=12, label="newest")
    assert tx.capacity == 60
    for number in range(3000):
        assert tx.send(record(number)) == 12
    assert (tx.statistics().lost, rx.statistics().lost) == (2995, 2995)
    assert numbers(rx.recv(30)) == [2995, 2996]
    assert numbers(rx.read(12)) == [2997]
    buffer = bytearray(12)
    assert rx.recv_into(buffer) == 12
    assert numbers(buffer) == [2998]
    assert tx.write(b"".join(map(record, range(7)))) == 84
    for call in (lambda: rx.recv(11), lambda: rx.read(11), lambda: rx.recv_into(bytearray(11)), lambda: tx.send(b"x")):
        with pytest.raises(backbuf.ArgumentError, match="whole records"):
            call()
    assert numbers(rx.recv(1000)) == [2, 3, 4, 5, 6]
    assert rx.recv(12) == b""
    assert "overwrites the oldest records of 12 bytes" in backbuf.dump()
    with pytest.raises(ValueError, match="overwrite_record_size"):
        spsc_buffer(64, overwrite_record_size=-1)


def test_a_stream_beside_a_sender_that_never_waits() -> None:
    count = 20_000
    tx, rx = spsc_buffer(64 * 12, overwrite_record_size=12)
    stream = rx.into_stream()

    def produce() -> None:
        with tx:
            for number in range(count):
                tx.write(record(number))

    producer = threading.Thread(target=produce)
    producer.start()
    got = [number for chunk in stream for number in numbers(chunk)]
    producer.join()
    assert got == sorted(set(got))
    assert got[-1] == count - 1
    assert len(got) + tx.statistics().lost == count
    with pytest.raises(backbuf.ArgumentError, match="record_size"):
        spsc_buffer(64, overwrite_record_size=8)[1].into_stream(record_size=16)


def test_tasks_with_a_ring_that_overwrites(run: Run) -> None:
    async def main() -> None:
        tx, rx = spsc_buffer(4 * 12, overwrite_record_size=12)
        first = asyncio.ensure_future(rx.recv_async(12))
        await asyncio.sleep(0.01)
        await tx.send_async(record(0))
        assert numbers(await first) == [0]
        for number in range(1, 50):
            assert await asyncio.wait_for(tx.send_async(record(number), whole=True), 30) == 12
        assert tx.arm(12)
        assert numbers(await rx.recv_async(100)) == [46, 47, 48, 49]

    run(main())
