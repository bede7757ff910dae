"""Rings in event loops: waits, yielding, combinators, and a native thread at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import threading
import types
from collections.abc import AsyncIterable, AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from conftest import Run, compile_engine

import backbuf
from backbuf import _wait, spsc_buffer

T = TypeVar("T")

PRODUCER = r"""
#include <backbuf.h>
#include <pthread.h>
#include <stdlib.h>
/* Sends `total` bytes in chunks, each 8-byte word being its own index, then destroys its end. */
static bb_sender *end;
static uint64_t left, chunk;
static pthread_t thread;
static void *run(void *unused) {
    uint64_t *words = malloc(chunk), next = 0;
    (void)unused;
    while (left > 0) {
        uint64_t bytes = left < chunk ? left : chunk, sent;
        for (uint64_t i = 0; i < bytes / 8; i++) words[i] = next++ * 0x9E3779B97F4A7C15u;
        if (bb_sender_send_all(end, words, bytes, BB_FOREVER, &sent) != BB_OK) break;
        left -= bytes;
    }
    free(words);
    bb_sender_destroy(end);
    return NULL;
}
int start(uint64_t sender, uint64_t total, uint64_t size) {
    end = (bb_sender *)(uintptr_t)sender;
    left = total;
    chunk = size;
    return pthread_create(&thread, NULL, run, NULL);
}
int join(void) { return pthread_join(thread, NULL); }
"""


@pytest.fixture(scope="module")
def producer(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    engine = compile_engine(PRODUCER, Path(tmp_path_factory.mktemp("producer")))
    engine.start.argtypes = [ctypes.c_uint64] * 3
    return engine


class Places:
    """Checks that the words arrive in order."""

    def __init__(self) -> None:
        self.next = 0

    def check(self, chunk: memoryview) -> None:
        words = np.frombuffer(chunk, "u8")
        wanted = np.arange(self.next, self.next + len(words), dtype="u8") * np.uint64(0x9E3779B97F4A7C15)
        assert (words == wanted).all()
        self.next += len(words)


@pytest.mark.parametrize("size", [4096, 65536])
@pytest.mark.parametrize("way", ["one by one", "chunks", "ready_chunks"])
def test_a_native_producer(run: Run, producer: ctypes.CDLL, size: int, way: str) -> None:
    total = 100_000_000 // size * size

    async def main() -> None:
        tx, rx = spsc_buffer(1 << 20)
        places, live = Places(), []
        stream = rx.into_stream(pool_size=65536, record_size=8)
        assert producer.start(tx.detach(), total, size) == 0
        async with stream:
            if way == "one by one":
                async for chunk in stream:
                    places.check(chunk)
            else:
                async for batch in stream.chunks(5) if way == "chunks" else stream.ready_chunks(10):
                    for chunk in batch:
                        places.check(chunk)
                    live.append(stream.statistics().live)
                    del batch
                assert max(live) <= 20
        producer.join()
        assert places.next == total // 8
        del chunk
        gc.collect()
        assert stream.statistics().live == 0
        assert stream.statistics().kept <= 16

    run(main())


def test_to_tensors(run: Run, producer: ctypes.CDLL) -> None:
    """Usage pattern: batches of rows over the chunks' own memory."""

    async def main() -> None:
        tx, rx = spsc_buffer(1 << 20)
        stream = rx.into_stream(pool_size=64 * 1024, record_size=16 * 8)
        assert producer.start(tx.detach(), 1 << 22, 4096) == 0
        places = Places()
        async with stream:
            async for batch in stream.ready_chunks(8):
                rows = np.concatenate([np.frombuffer(chunk, "u8").reshape(-1, 16) for chunk in batch])
                places.check(memoryview(rows.reshape(-1)))
        producer.join()
        assert places.next == (1 << 22) // 8

    run(main())


def test_waits_end_with_new_bytes(run: Run) -> None:
    async def main() -> None:
        tx, rx = spsc_buffer(64)
        loop = asyncio.get_running_loop()
        loop.call_soon(tx.send, b"0123")
        assert await rx.recv_async(100) == b"0123"
        loop.call_soon(lambda: (tx.send(b"4567"), loop.call_soon(tx.send, b"89")))
        await rx.wait_for(6)
        assert rx.recv(100) == b"456789"
        tx.send(bytes(64))
        loop.call_soon(rx.recv, 10)
        await tx.wait_for(10)
        assert tx.send(bytes(20)) == 10
        loop.call_soon(rx.recv, 64)
        await tx.wait_for(10**9)  # limited to the capacity

    run(main())


def test_send_async_waits_for_space(run: Run) -> None:
    async def main() -> None:
        tx, rx = spsc_buffer(64)
        data = np.random.default_rng(1).integers(0, 256, 10_000, np.uint8)

        async def read() -> bytearray:
            got = bytearray()
            with contextlib.suppress(EOFError):
                while True:
                    got += await rx.recv_async(50)
            return got

        reader = asyncio.ensure_future(read())
        assert await tx.send_async(data) == 10_000
        assert await tx.send_async(b"") == 0
        tx.close()
        assert await reader == data.tobytes()

    run(main())


def test_timeouts(run: Run) -> None:
    async def main() -> None:
        tx, rx = spsc_buffer(8)
        for work in (rx.wait_for(1, timeout=0.001), rx.recv_async(1, timeout=0), rx.wait_for(timeout=0)):
            with pytest.raises(backbuf.WaitTimeoutError):
                await work
        with pytest.raises(TimeoutError) as caught:
            await tx.send_async(b"0123456789", timeout=0.001)
        assert caught.value.sent == 8  # type: ignore[attr-defined]  # set by the package
        with pytest.raises(TimeoutError):
            await tx.wait_for(timeout=0.001)
        for bad in (-1, 1.5, None):
            with pytest.raises((ValueError, TypeError)):
                await rx.wait_for(bad)  # type: ignore[arg-type]
        assert await rx.recv_async(100) == b"01234567"

    run(main())


def test_closed_ends_wake_waits(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        tx, rx = spsc_buffer(8)
        loop.call_soon(tx.close)
        with pytest.raises(backbuf.SendersDisconnected):
            await rx.wait_for(1)
        with pytest.raises(backbuf.SendersDisconnected):
            await rx.recv_async(1)
        tx, rx = spsc_buffer(8)
        loop.call_soon(rx.close)
        with pytest.raises(backbuf.ReceiversDisconnected) as caught:
            await tx.send_async(b"0123456789")
        assert caught.value.sent == 8
        with pytest.raises(backbuf.ReceiversDisconnected):
            await tx.wait_for(1)
        holder = list(spsc_buffer(8))
        loop.call_soon(holder.pop)  # garbage collection closes it
        with pytest.raises(backbuf.ReceiversDisconnected):
            await holder[0].wait_for(8) or await holder[0].send_async(bytes(9))
        tx, rx = spsc_buffer(8)
        holder = [tx]
        del tx
        loop.call_soon(holder.clear)
        async for _ in rx.into_stream():
            raise AssertionError("nothing was sent")

    run(main())


@pytest.mark.parametrize("other", [False, True])
def test_an_end_that_is_closed_wakes_its_own_task(run: Run, other: bool) -> None:
    async def main() -> None:
        tx, rx = spsc_buffer(8)
        tx.send(bytes(8))
        quiet, into = spsc_buffer(8)
        stream = into.into_stream()

        async def end(stream: Any) -> list[bytes]:
            return [bytes(chunk) async for chunk in stream]

        waits = [asyncio.ensure_future(work) for work in (tx.wait_for(1), quiet.wait_for(1), end(stream), rx.wait_for(9))]
        await asyncio.sleep(0)
        closers = [thing.close for thing in (tx, stream, rx)]
        if other:
            threads = [threading.Thread(target=close) for close in closers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        else:
            for close in closers:
                close()
        results = await asyncio.gather(*waits, return_exceptions=True)
        assert results[1:3] == [None, []]
        assert isinstance(results[0], backbuf.ClosedError | backbuf.ReceiversDisconnected)
        assert results[3] is None
        with pytest.raises(backbuf.ClosedError):
            await tx.wait_for(1)

    run(main())


def test_a_second_waiter_is_refused(run: Run) -> None:
    async def main() -> None:
        tx, rx = spsc_buffer(8)
        first = asyncio.ensure_future(rx.wait_for(1))
        await asyncio.sleep(0)
        for call in (rx.wait_for(1), rx.recv_async(1)):
            with pytest.raises(RuntimeError, match="in use"):
                await call
        with pytest.raises(RuntimeError, match="in use"):
            rx.wait()
        with pytest.raises(RuntimeError, match="in use"):
            rx.detach()
        with pytest.raises(RuntimeError, match="in use"):
            rx.into_stream()
        tx.send(b"x")
        await first
        stream = rx.into_stream()
        assert bytes(await stream.__anext__()) == b"x"
        waits = [asyncio.ensure_future(stream.__anext__()) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tx.send(b"y")
        found = await asyncio.gather(*waits, return_exceptions=True)
        assert bytes(found[0]) == b"y"
        assert isinstance(found[1], backbuf.StateError)

    run(main())


def test_cancelled_waits_leave_the_end_usable(run: Run) -> None:
    async def cancelled(work: Any) -> None:
        task = asyncio.ensure_future(work)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def main() -> None:
        tx, rx = spsc_buffer(64)
        for _ in range(3):
            await cancelled(rx.wait_for(1))
            await cancelled(rx.recv_async(1))
        tx.send(bytes(64))
        await cancelled(tx.wait_for(1))
        await cancelled(tx.send_async(b"x"))
        assert rx.recv(100) == bytes(64)
        stream = rx.into_stream(pool_size=64, min_size=64)
        await cancelled(stream.__anext__())
        tx.send(bytes(range(64)))
        await cancelled(stream.chunks(2).__anext__())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(stream.chunks(9).__anext__(), 0.001)
        tx.send(bytes(range(64, 128)))
        batch = await stream.chunks(2).__anext__()
        assert b"".join(batch) == bytes(range(128)), "what a cancelled call had gathered comes with the next"
        await cancelled(stream.ready_chunks(5).__anext__())
        tx.send(bytes(64))
        async for chunk in stream:
            assert len(chunk) == 64
            break

    run(main())


def test_gathered_chunks_come_first(run: Run) -> None:
    async def main() -> None:
        tx, rx = spsc_buffer(64)
        stream = rx.into_stream(pool_size=64, min_size=64)
        for first in (0, 64):
            tx.send(bytes(range(first, first + 64)))
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(stream.chunks(3).__anext__(), 0.001)
        assert bytes(stream.next()) == bytes(range(64))
        assert bytes(await stream.__anext__()) == bytes(range(64, 128))

    run(main())


@pytest.mark.parametrize("cost", [100, 3_000, 40_000, 2_000_000])  # nanoseconds a chunk
@pytest.mark.parametrize("way", ["one by one", "ready_chunks", "send_async", "wait_for"])
def test_a_stream_that_is_always_ready_lets_others_run(run: Run, monkeypatch: pytest.MonkeyPatch, cost: int, way: str) -> None:
    clock, chunks, many = 0, 0, 20_000
    monkeypatch.setattr(_wait, "time", types.SimpleNamespace(monotonic_ns=lambda: clock))
    ticks: list[tuple[int, int]] = []

    async def tick() -> None:
        while True:
            ticks.append((clock, chunks))
            await asyncio.sleep(0)

    async def main() -> None:
        nonlocal clock, chunks
        tx, rx = spsc_buffer(64)
        other = asyncio.ensure_future(tick())

        def count() -> bool:
            nonlocal clock, chunks
            clock += cost
            chunks += 1
            return chunks < many

        if way == "send_async":
            while count():
                await tx.send_async(b"x")
                rx.recv(64)
        elif way == "wait_for":
            while count():
                tx.send(b"x")
                await rx.wait_for(1)
                rx.recv(64)
        else:
            tx.send(b"x")
            stream = rx.into_stream()
            async for _ in stream if way == "one by one" else stream.ready_chunks(4):
                if count():
                    tx.send(b"x")
                else:
                    tx.close()
        other.cancel()

    run(main())
    assert chunks == many
    gaps = np.diff([(0, 0), *ticks], axis=0)[1:]
    assert ((gaps[:, 0] <= 1_000_000 + cost) | (gaps[:, 1] <= 64)).all()
    assert len(ticks) >= min(many * cost // 1_100_000, many // 65)


async def mapped(function: Callable[[Any], T], source: AsyncIterable[Any]) -> AsyncIterator[T]:
    async for item in source:
        yield function(item)


async def filtered(keep: Callable[[T], bool], source: AsyncIterable[T]) -> AsyncIterator[T]:
    async for item in source:
        if keep(item):
            yield item


async def zipped(*sources: AsyncIterable[Any]) -> AsyncIterator[tuple[Any, ...]]:
    iterators = [source.__aiter__() for source in sources]
    with contextlib.suppress(StopAsyncIteration):
        while True:
            yield tuple([await iterator.__anext__() for iterator in iterators])


async def merged(*sources: AsyncIterable[T]) -> AsyncIterator[T]:
    iterators = [source.__aiter__() for source in sources]
    waits = {asyncio.ensure_future(iterator.__anext__()): iterator for iterator in iterators}
    while waits:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            iterator = waits.pop(task)
            with contextlib.suppress(StopAsyncIteration):
                yield task.result()
                waits[asyncio.ensure_future(iterator.__anext__())] = iterator


def test_combinators(run: Run) -> None:
    async def main() -> None:
        async def source(name: bytes, count: int) -> backbuf.SPSCReceiverStream:
            tx, rx = spsc_buffer(4)  # so that each chunk is one piece

            async def send() -> None:
                for n in range(count):
                    await tx.send_async(name + b"%03d" % n)
                tx.close()

            tasks.add(asyncio.ensure_future(send()))
            return rx.into_stream(record_size=4)

        tasks: set[Any] = set()
        assert [x async for x in mapped(bytes, await source(b"m", 20))] == [b"m%03d" % n for n in range(20)]
        odd = filtered(lambda chunk: chunk[3] % 2 == 1, await source(b"f", 10))
        assert [bytes(chunk) async for chunk in odd] == [b"f%03d" % n for n in range(1, 10, 2)]
        pairs = [(bytes(a), bytes(b)) async for a, b in zipped(await source(b"a", 5), await source(b"b", 7))]
        assert pairs == [(b"a%03d" % n, b"b%03d" % n) for n in range(5)]
        both = [bytes(chunk) async for chunk in merged(await source(b"a", 50), await source(b"b", 50))]
        for name in (b"a", b"b"):
            assert [item for item in both if item[:1] == name] == [name + b"%03d" % n for n in range(50)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()

    run(main())


def test_a_sink(run: Run) -> None:
    async def main() -> None:
        tx, rx = spsc_buffer(16, label="out")
        sink = tx.into_sink()
        assert tx.closed
        with pytest.raises(backbuf.ClosedError):
            tx.send(b"x")
        assert repr(sink) == "<SPSCSink 'out' of 16 bytes, open>"
        assert await sink.feed(b"fed ") == 4
        assert rx.recv(16) == b""
        await sink.flush()
        assert rx.recv(16) == b"fed "
        await sink.feed(b"more ")
        assert await sink.send(b"sent") == 4
        assert rx.recv(16) == b"more sent"

        async def read() -> bytes:
            return b"".join([bytes(chunk) async for chunk in rx.into_stream()])

        reader = asyncio.ensure_future(read())
        assert await sink.feed(bytes(100)) == 100, "a full ring is shown, and waited for"
        await sink.close()
        sink.close()
        assert sink.closed
        assert await reader == bytes(100)
        assert sink.statistics().bytes == 113
        for work in (lambda: sink.feed(b"x"), lambda: sink.send(b"x"), sink.flush):
            with pytest.raises(backbuf.ClosedError):
                await work()
        sink = spsc_buffer(8)[0].into_sink()
        with pytest.raises(backbuf.ReceiversDisconnected):
            await sink.send(b"x")
        async with contextlib.aclosing(sink), sink:
            pass
        assert sink.closed

    run(main())


def test_async_blocks(run: Run) -> None:
    async def main() -> None:
        tx, rx = spsc_buffer(8)
        async with rx.into_stream() as stream:
            tx.send(b"x")
            async for chunk in stream:
                assert bytes(chunk) == b"x"
                break
        with pytest.raises(backbuf.ReceiversDisconnected):
            tx.send(b"x")
        assert [c async for c in stream] == []
        assert [c async for c in stream.chunks(2)] == []
        stream = spsc_buffer(8)[1].into_stream()
        async with contextlib.aclosing(stream):
            pass
        assert stream.closed

    run(main())


def test_one_ring_in_several_loops(run: Run) -> None:
    tx, rx = spsc_buffer(8)
    stream = rx.into_stream()

    async def main() -> None:
        asyncio.get_running_loop().call_soon(tx.send, b"x")
        async for chunk in stream:
            assert bytes(chunk) == b"x"
            break
        waits = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        waits.cancel()

    run(main())
    run(main())


@pytest.mark.parametrize("side", ["receiver", "sender", "stream"])
def test_an_end_closes_while_its_loop_closes(side: str) -> None:
    class Ending(asyncio.SelectorEventLoop):
        """A loop that closes between a check and the next call."""

        ending = False

        def is_closed(self) -> bool:
            closed = super().is_closed()
            if self.ending and not closed:
                self.ending = False
                self.close()
            return closed

        def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> Any:
            self.is_closed()
            return super().call_soon_threadsafe(*args, **kwargs)

    tx, rx = spsc_buffer(1 << 12)
    stream = rx.into_stream() if side == "stream" else None
    if side == "sender":
        tx.write(bytes(4096))
    loop = Ending()
    work = {"receiver": lambda: rx.recv_async(4), "sender": lambda: tx.send_async(b"x"), "stream": lambda: stream.__anext__()}
    task = loop.create_task(work[side]())
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.ending = True
    {"receiver": rx, "sender": tx, "stream": stream}[side].close()
    if side == "sender":
        assert rx.read(5000, timeout=30) == bytes(4096)
        assert rx.read(1, timeout=30) == b""
    else:
        with pytest.raises(backbuf.ReceiversDisconnected):
            tx.write(bytes(100_000), timeout=30)
    assert loop.is_closed()
    assert not task.done()
    task._log_destroy_pending = False
