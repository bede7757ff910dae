"""Bench rows of spsc.asyncio: a native thread sends messages, and an asyncio task takes each as a memoryview."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib
import importlib.util
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from measure import alternate, figures

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent.parent / "target" / "bench"

CAPACITY = 1 << 20
BURST = 0.02
QUEUED = 256
"""The capacity of a queue in messages: as many of 4 KiB as the ring holds."""

UNITS = {"4096": 1, "65536": 65536}
"""Of what a row counts, in a message."""


def build() -> ctypes.CDLL:
    """The native thread, against the package's header and library."""
    import backbuf

    CACHE.mkdir(parents=True, exist_ok=True)
    library = CACHE / "producer.so"
    folder = Path(backbuf.get_library()).parent
    flags = [f"-I{backbuf.get_include()}", f"-L{folder}", f"-Wl,-rpath,{folder}", "-lbackbuf", "-lpthread"]
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", str(HERE / "producer.c"), "-o", str(library), *flags], check=True)
    producer = ctypes.CDLL(str(library))
    producer.start.argtypes = [ctypes.c_uint64, ctypes.c_int, *[ctypes.c_uint64] * 3]
    producer.end.argtypes = [ctypes.c_uint64]
    return producer


class Entry:
    """One way to move messages. `start(count)` begins to send them; `consume(count)` takes as many."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self.loop, self.size = loop, size

    def start(self, count: int) -> None:
        """Starts to send `count` messages."""
        raise NotImplementedError

    async def consume(self, count: int) -> None:
        """Takes `count` messages."""
        raise NotImplementedError

    def join(self) -> None:
        """Waits for the sending thread."""
        raise NotImplementedError

    def close(self) -> None:
        """Frees the resources."""

    def run(self, count: int) -> float:
        """The time of `count` messages in seconds."""
        started = time.perf_counter()
        self.start(count)
        self.loop.run_until_complete(self.consume(count))
        took = time.perf_counter() - started
        self.join()
        return took


class Native(Entry):
    """Its sender is the native thread."""

    sender, file = 0, -1

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int, producer: ctypes.CDLL) -> None:
        super().__init__(loop, size)
        self.producer, self.sent = producer, 0

    def start(self, count: int) -> None:
        if self.producer.start(self.sender, self.file, self.size, count, self.sent):
            raise RuntimeError("no thread could be started")
        self.sent += count

    def join(self) -> None:
        if self.producer.join():
            raise RuntimeError("the native thread could not send all")


class Ours(Native):
    """Slices of the chunks of a stream."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int, producer: ctypes.CDLL) -> None:
        super().__init__(loop, size, producer)
        import backbuf

        sender, receiver = backbuf.spsc_buffer(CAPACITY)
        self.sender = sender.detach()
        self.stream = receiver.into_stream(pool_size=65536, record_size=size)

    async def consume(self, count: int) -> None:
        size = self.size
        async for batch in self.stream.ready_chunks(16):
            for chunk in batch:
                for start in range(0, len(chunk), size):
                    chunk[start : start + size]
                count -= len(chunk) // size
            if count == 0:
                break

    def right(self, count: int) -> bool:
        """Checks that messages arrive in order and do not change while others arrive."""

        async def take() -> list[int]:
            views: list[memoryview] = []
            async for chunk in self.stream:
                views.extend(chunk[start : start + self.size] for start in range(0, len(chunk), self.size))
                if len(views) == count:
                    break
            return [int.from_bytes(view[:8], sys.byteorder) for view in views]

        first = self.sent
        self.start(count)
        numbers = self.loop.run_until_complete(take())
        self.join()
        return numbers == list(range(first, first + count))

    def close(self) -> None:
        self.producer.end(self.sender)
        self.stream.close()


class Streams(Native):
    """asyncio's streams over a socket pair or a pipe."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int, producer: ctypes.CDLL, pipe: bool) -> None:
        super().__init__(loop, size, producer)
        if pipe:
            there, self.file = os.pipe()
        else:
            mine, other = socket.socketpair()
            self.file = other.detach()
        self.reader = asyncio.StreamReader(limit=CAPACITY, loop=loop)

        def protocol() -> asyncio.StreamReaderProtocol:
            return asyncio.StreamReaderProtocol(self.reader, loop=loop)

        if pipe:
            connected = loop.connect_read_pipe(protocol, os.fdopen(there, "rb", buffering=0))
            self.transport, _ = loop.run_until_complete(connected)
        else:
            self.transport, _ = loop.run_until_complete(loop.create_connection(protocol, sock=mine))

    async def consume(self, count: int) -> None:
        for _ in range(count):
            memoryview(await self.reader.readexactly(self.size))

    def close(self) -> None:
        os.close(self.file)
        self.transport.close()


class Slices(asyncio.BufferedProtocol):
    """Takes what comes into one buffer, and slices it."""

    def __init__(self, size: int) -> None:
        self.size, self.there, self.left = size, 0, 0
        self.memory = memoryview(bytearray(CAPACITY))
        self.done: asyncio.Future[None]

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self.memory[self.there :]

    def buffer_updated(self, nbytes: int) -> None:
        size, memory = self.size, self.memory
        there = self.there + nbytes
        whole = there - there % size
        for start in range(0, whole, size):
            memory[start : start + size]
        self.there = there - whole
        memory[: self.there] = memory[whole:there]
        self.left -= whole // size
        if self.left == 0:
            self.done.set_result(None)


class Protocol(Native):
    """A buffered protocol over a socket pair: the views do not outlive the callback."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int, producer: ctypes.CDLL) -> None:
        super().__init__(loop, size, producer)
        mine, other = socket.socketpair()
        self.file = other.detach()
        connected = loop.create_connection(lambda: Slices(size), sock=mine)
        self.transport, self.protocol = loop.run_until_complete(connected)

    def start(self, count: int) -> None:
        self.protocol.left, self.protocol.done = count, self.loop.create_future()
        super().start(count)

    async def consume(self, _count: int) -> None:
        await self.protocol.done

    def close(self) -> None:
        os.close(self.file)
        self.transport.close()


class Queue(Entry):
    """A queue of bytes objects, which a Python thread copies out of a native buffer, as a callback of native code would."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        super().__init__(loop, size)
        self.source = bytearray(size)
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.room = threading.Semaphore(QUEUED)
        self.thread = threading.Thread()

    def start(self, count: int) -> None:
        self.thread = threading.Thread(target=self.produce, args=(count,))
        self.thread.start()

    def join(self) -> None:
        self.thread.join()

    def produce(self, count: int) -> None:
        """Sends, on the thread."""
        put, call = self.queue.put_nowait, self.loop.call_soon_threadsafe
        for _ in range(count):
            self.room.acquire()
            call(put, bytes(self.source))

    async def consume(self, count: int) -> None:
        for _ in range(count):
            memoryview(await self.queue.get())
            self.room.release()


class Janus(Queue):
    """The queue of janus, with a side for threads and one for tasks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        super().__init__(loop, size)
        janus = importlib.import_module("janus")

        async def make() -> object:
            return janus.Queue(QUEUED)

        self.janus = loop.run_until_complete(make())

    def produce(self, count: int) -> None:
        put = self.janus.sync_q.put
        for _ in range(count):
            put(bytes(self.source))

    async def consume(self, count: int) -> None:
        get = self.janus.async_q.get
        for _ in range(count):
            memoryview(await get())

    def close(self) -> None:
        self.loop.run_until_complete(self.janus.aclose())


class Culsans(Queue):
    """The queue of culsans, likewise."""

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        super().__init__(loop, size)
        self.culsans = importlib.import_module("culsans").Queue(QUEUED)

    def produce(self, count: int) -> None:
        put = self.culsans.sync_q.put
        for _ in range(count):
            put(bytes(self.source))

    async def consume(self, count: int) -> None:
        get = self.culsans.async_q.get
        for _ in range(count):
            memoryview(await get())


def measure(row: str, seconds: float) -> dict[str, object]:
    """The subjects of one row, checked once before they are timed."""
    if row not in UNITS:
        return {"not_run": "no such row in the script"}
    try:
        producer = build()
    except (ImportError, OSError, subprocess.CalledProcessError) as error:
        return {"not_run": f"{error} in {sys.prefix}"}
    size, missing = int(row), []
    loop = asyncio.new_event_loop()
    with contextlib.ExitStack() as stack:
        stack.callback(loop.close)
        ours = Ours(loop, size, producer)
        entries: dict[str, Entry] = {
            "ours": ours,
            "socketpair_streams": Streams(loop, size, producer, pipe=False),
            "pipe_streams": Streams(loop, size, producer, pipe=True),
            "socketpair_protocol": Protocol(loop, size, producer),
            "asyncio_queue": Queue(loop, size),
        }
        for name, make in {"janus": Janus, "culsans": Culsans}.items():
            if importlib.util.find_spec(name):
                entries[name] = make(loop, size)
            else:
                missing.append(f"{name}: it is not installed in {sys.prefix}")
        for entry in entries.values():
            stack.callback(entry.close)
        if not ours.right(1000):
            return {"not_run": "ours gave a wrong answer"}
        samples = alternate({name: entry.run for name, entry in entries.items()}, seconds, BURST)
    return {**figures(samples, UNITS[row]), "missing": missing}
