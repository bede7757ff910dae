"""Waits: one ticket, one deadline and one watchdog per wait, on all threads and in event loops."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import Run, Script

import backbuf
from backbuf import CBufferManager

NEVER = 60.0
"""Longer than every wait of these tests; exceeding it means a hang."""

Call = Callable[[], object]


def held(**config: Any) -> tuple[CBufferManager, threading.Event]:
    """A manager whose back copy another thread holds until the event is set."""
    m, taken, let_go = CBufferManager(64, "u8", queue_bytes=4096, watchdog_ns=0, **config), threading.Event(), threading.Event()

    def hold() -> None:
        with m.back():
            taken.set()
            let_go.wait(NEVER)

    threading.Thread(target=hold, daemon=True).start()
    assert taken.wait(NEVER)
    return m, let_go


def filled() -> tuple[CBufferManager, threading.Event]:
    """The same with a full queue."""
    m, let_go = held()
    with pytest.raises(backbuf.FullError):
        while True:
            m.enqueue(1, timeout=0)
    return m, let_go


def manager_calls() -> Iterator[tuple[str, Call, Call]]:
    """Every waiting call of a manager, and the call that ends the wait."""

    def of(name: str, made: tuple[CBufferManager, threading.Event], call: Callable[[CBufferManager], object]) -> Any:
        m, let_go = made
        return name, lambda: call(m), let_go.set

    yield of("enqueue", filled(), lambda m: m.enqueue(1))
    yield of("many", filled(), lambda m: m.enqueue([backbuf.BufferUpdate(0, 1, 1)]))
    yield of("fill", filled(), lambda m: m.fill(1))
    yield of("put", filled(), lambda m: m.put([1], [1]))
    yield of("region", filled(), lambda m: m.__setitem__(0, 1))
    yield of("tag", filled(), lambda m: m.tag(1))
    yield of("kernel", filled(), lambda m: m.enqueue_kernel(lambda back, front: None))
    yield of("batch", filled(), batch)
    yield of("back", held(), lambda m: m.back().__enter__())
    yield of("trim", held(), lambda m: m.trim())
    m, let_go = held()
    m.enqueue(1)
    yield of("synchronize", (m, let_go), lambda m: m.synchronize())
    m, let_go = held()
    m.enqueue(1)
    yield of("close", (m, let_go), lambda m: m.close())
    published = CBufferManager(4)
    yield "wait_epoch", lambda: published.wait_epoch(0), lambda: publish(published)
    for name, end in (("destroy", CBufferManager.destroy), ("destroy within", lambda m: m.destroy(NEVER)), ("block", leave)):
        yield destroyed(name, end)
    shown = CBufferManager(4)
    fronts = shown.fronts()
    yield "fronts", lambda: next(fronts), lambda: publish(shown)


class LeftError(Exception):
    """The exception that leaves a block."""


def leave(m: CBufferManager) -> None:
    """Leaves a block by an exception; the one that ends the wait is chained to it."""
    with pytest.raises((LeftError, StopError)) as raised, m:
        raise LeftError
    if raised.type is StopError:
        assert isinstance(raised.value.__context__, LeftError)
        raise raised.value


def destroyed(name: str, end: Callable[[CBufferManager], object]) -> tuple[str, Call, Call]:
    """Destruction of a manager whose kernel runs. Each call destroys its own manager; a kernel is kept until it returns."""
    go, running, returned = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)
    used: list[weakref.ref[Any]] = []

    class Used:
        def __call__(self, back: Any, front: Any) -> None:
            running.release()
            go.wait(NEVER)
            returned.release()

    def with_running_kernel() -> CBufferManager:
        m, kernel = CBufferManager(4), Used()
        used.append(weakref.ref(kernel))
        m.enqueue_kernel(kernel)
        assert running.acquire(timeout=NEVER)
        return m

    # The first one before the call, which a signal may end at any time.
    ready = [with_running_kernel()]

    def call() -> None:
        m = ready.pop() if ready else with_running_kernel()
        try:
            end(m)
        finally:
            assert m.closed

    def let_go() -> None:
        assert len(used) == 1
        gc.collect()
        assert used[0]() is not None
        go.set()
        assert returned.acquire(timeout=NEVER)

    return name, call, let_go


def batch(m: CBufferManager) -> None:
    with m.batch() as b:
        b.enqueue(1)


def publish(m: CBufferManager) -> None:
    m.enqueue(1)
    m.synchronize()


def ring_calls() -> Iterator[tuple[str, Call, Call]]:
    rings = [backbuf.spsc_buffer(64) for _ in range(8)]
    for tx, _ in rings[:2]:
        tx.send(bytes(64))
    tx, rx = rings[0]
    yield "write", lambda: tx.write(b"a"), lambda: rx.recv(64)
    full, drain = rings[1]
    yield "wait_writable", lambda: full.wait(1), lambda: drain.recv(64)
    ends = [rx for _, rx in rings[2:]]
    streams = [end.into_stream() for end in ends[3:]]
    calls: list[Call] = [
        lambda: ends[0].read(1),
        lambda: ends[1].wait(1),
        lambda: ends[2].as_file().read(1),
        lambda: streams[0].next(),
        lambda: next(iter(streams[1])),
        lambda: next(streams[2].chunks(1)),
    ]
    for place, call in enumerate(calls):
        yield f"receive {place}", call, lambda place=place: rings[2 + place][0].send(b"a")  # type: ignore[misc]  # mypy infers no type for the default


def device_calls() -> Iterator[tuple[str, Call, Call]]:
    """Waits on devices whose owner, another thread, does not drive them."""
    usage = backbuf.BufferUsage.STORAGE | backbuf.BufferUsage.COPY_SRC

    def driven(call: Callable[[Any, Any, Any], object]) -> tuple[Call, Call]:
        made: list[Any] = []
        ready, drive, ended = threading.Event(), threading.Event(), threading.Event()

        def own() -> None:
            device = backbuf.Device.host(host_driven=True)
            source = backbuf.DeviceBuffer(device, 16, usage)
            readback = backbuf.ReadbackBuffer(device, 16, frames=1, when_full=NEVER)
            made.extend([device, source, readback, readback.read(source)])
            ready.set()
            drive.wait(NEVER)
            while not ended.is_set():
                device.poll(0.001)

        threading.Thread(target=own, daemon=True).start()
        assert ready.wait(NEVER)
        device, source, readback, reading = made

        def go() -> None:
            if call is read:
                reading._release()
            drive.set()

        def run() -> None:
            call(device, source, readback if call is read else reading)
            ended.set()

        return run, go

    def read(device: Any, source: Any, readback: Any) -> object:
        return readback.read(source)

    yield ("ReadbackBuffer.read", *driven(read))
    yield ("Reading.wait", *driven(lambda device, source, reading: reading.wait()))
    yield ("DeviceBuffer()", *driven(lambda device, source, _: backbuf.DeviceBuffer(device, 16, usage)))
    yield ("Encoder.submit", *driven(lambda device, source, _: backbuf.Encoder(device).submit()))


class StopError(Exception):
    """The exception of a signal handler."""


@pytest.mark.parametrize("calls", [manager_calls, ring_calls, device_calls])
def test_a_signal_handler_ends_every_wait_of_the_main_thread(calls: Callable[[], Iterator[tuple[str, Call, Call]]]) -> None:
    """A handler that returns continues the wait; one that raises ends it; repeating the call completes it."""
    left = 0

    def handler(number: int, frame: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise StopError

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        for name, call, let_go in calls():
            ended, left = threading.Event(), 3

            def send(ended: threading.Event = ended) -> None:
                while not ended.wait(0.005):
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

            sender = threading.Thread(target=send, daemon=True)
            sender.start()
            try:
                with pytest.raises(StopError):
                    call()
                    pytest.fail(f"{name} returned")
            finally:
                ended.set()
                sender.join()
            let_go()
            call()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_ctrl_c_in_a_handler_of_a_wait(script: Script) -> None:
    """Ctrl-C ends an endless wait of the main thread, and the handler may use the awaited object."""
    script(
        """
        import os, signal, threading, backbuf
        m = backbuf.CBufferManager(4, "f8", watchdog_ns=0)
        task = m.task("never")
        def handler(number, frame):
            m.enqueue(2.0, 8)
            assert m.epoch == 0 and m.front().epoch == 0
            try:
                m.synchronize(timeout=0.01)
            except backbuf.WaitTimeoutError:
                pass
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGINT, handler)
        def interrupt():
            while signal.getsignal(signal.SIGINT) is handler:
                os.kill(os.getpid(), signal.SIGINT)
                threading.Event().wait(0.1)
            os.kill(os.getpid(), signal.SIGINT)
        m.enqueue(1.0)
        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            m.synchronize()
            raise SystemExit("returned")
        except KeyboardInterrupt:
            pass
        thread.join()
        task.end()
        assert m.synchronize() == 1 and m.snapshot().tolist()[:2] == [1.0, 2.0]
        """
    )


@pytest.mark.parametrize("seconds", [0.02, 0.05, 0.12])
@pytest.mark.parametrize("where", ["main", "thread", "async"])
def test_a_flush_is_run_once_however_long_it_takes(seconds: float, where: str) -> None:
    """Below, at and above the period in which the main thread checks for signals."""
    flushes = []

    def flush() -> None:
        flushes.append(0)
        time.sleep(seconds)

    with CBufferManager(4, flush=flush) as m:
        m.enqueue(1.0)
        if where == "main":
            assert m.synchronize(NEVER) == 1
        elif where == "async":
            assert asyncio.run(m.synchronize_async(NEVER)) == 1
        else:
            epochs: list[int] = []
            thread = threading.Thread(target=lambda: epochs.append(m.synchronize(NEVER)))
            thread.start()
            thread.join(NEVER)
            assert epochs == [1]
        assert len(flushes) == 1
        m.enqueue(2.0)
    assert len(flushes) == 2, "and the block's end is one more"


@pytest.mark.parametrize("where", ["main", "thread", "async"])
def test_a_stall_is_reported_to_every_kind_of_waiter(where: str) -> None:
    m = CBufferManager(4, watchdog_ns=120_000_000)
    task = m.task("physics")
    m.enqueue(1.0)
    reported: list[str] = []

    def wait() -> None:
        with pytest.raises(backbuf.StalledError, match="physics") as caught:
            if where == "async":
                asyncio.run(m.synchronize_async(NEVER))
            else:
                m.synchronize(NEVER)
        reported.append(str(caught.value))

    if where == "thread":
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(NEVER)
    else:
        wait()
    assert len(reported) == 1
    assert m.epoch == 0
    task.end()
    assert m.synchronize(NEVER) == 1


@pytest.mark.parametrize("where", ["main", "async"])
def test_pinned_copies_are_reported_to_every_kind_of_waiter(where: str) -> None:
    m = CBufferManager(4, copies=2, watchdog_ns=100_000_000)
    publish(m)
    front = m.front()
    publish(m)
    m.enqueue(3.0)
    with pytest.raises(backbuf.PinnedError):
        if where == "async":
            asyncio.run(m.synchronize_async(NEVER))
        else:
            m.synchronize(NEVER)
    front.release()
    assert m.synchronize(NEVER) == 3


def test_trim_respects_its_timeout() -> None:
    m, let_go = held()
    for timeout in (0, 0.01):
        with pytest.raises(backbuf.WaitTimeoutError):
            m.trim(timeout)
    let_go.set()
    m.trim()


# --- event loops ---


def test_a_loop_of_publishes_lets_other_tasks_run(run: Run) -> None:
    async def main() -> None:
        m, turns, published = CBufferManager(16, "f4"), 0, 0

        async def other() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.ensure_future(other())
        while turns < 20:
            m.enqueue(1.0, 4)
            await m.synchronize_async()
            published += 1
            assert published < 1_000_000, "the other task never ran"
        task.cancel()

    run(main())


def test_a_slow_loop_over_fronts_lets_other_tasks_run(run: Run) -> None:
    async def main() -> None:
        m, turns = CBufferManager(16, "f4"), 0

        async def other() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.ensure_future(other())
        await asyncio.sleep(0)
        publish(m)
        async for front in m.fronts():
            if front.epoch == 20:
                break
            time.sleep(0.001)  # a body that does not await
            publish(m)
        assert turns >= 15
        task.cancel()

    run(main())


def test_waiters_of_a_loop_share_a_descriptor(run: Run) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def main() -> None:
        m = CBufferManager(16, "f4")
        task = m.task("upload")
        before, many = descriptors(), 1500

        async def one(number: int) -> int:
            m.enqueue(float(number))
            return await m.synchronize_async()

        waiting = [asyncio.ensure_future(one(number)) for number in range(many)]
        await asyncio.sleep(0.05)
        assert descriptors() <= before + 1
        waiting[3].cancel()
        late = asyncio.ensure_future(m.synchronize_async(0.01))
        with pytest.raises(backbuf.WaitTimeoutError):
            await late
        task.end()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(done.pop(3), asyncio.CancelledError)
        assert len(done) == many - 1
        assert all(epoch == done[-1] for epoch in done), set(map(type, done))

    run(main())


def test_every_waiter_of_a_failed_flush_gets_its_error(run: Run) -> None:
    fails, begun, go = [True], threading.Event(), threading.Event()

    def flush() -> None:
        begun.set()
        go.wait(NEVER)
        if fails:
            raise ValueError("no backend")

    async def main() -> None:
        m = CBufferManager(4, flush=flush, watchdog_ns=0)
        with m.task("both"):
            m.enqueue(1.0)
            waiting = [asyncio.ensure_future(m.synchronize_async()) for _ in range(3)]
            await asyncio.sleep(0.01)
        go.set()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in done] == [ValueError] * 3
        fails.clear()
        assert await m.synchronize_async() == 1

    run(main())


def test_an_awaited_manager_is_destroyed_with_its_last_reference(run: Run) -> None:
    async def main() -> None:
        m = CBufferManager(4, label="awaited")
        publish(m)
        await m.synchronize_async()
        async for _ in m.fronts():
            break
        with pytest.raises(backbuf.WaitTimeoutError):
            async for _ in m.fronts(timeout=0.01, after=1):
                pass
        assert "awaited" in backbuf.dump()
        del m
        assert "awaited" not in backbuf.dump()

    run(main())


@pytest.mark.parametrize("policy", ["adaptive", "sleep", "spin"])
def test_every_policy_wakes_the_waiters(policy: str) -> None:
    sender, receiver = backbuf.spsc_buffer(64)

    def echo() -> None:
        for number in range(200):
            sender.write(bytes([number]))

    backbuf.set_wait_policy(policy)
    try:
        thread = threading.Thread(target=echo, daemon=True)
        thread.start()
        for number in range(200):
            assert receiver.read(1, NEVER) == bytes([number])
        thread.join(NEVER)
    finally:
        backbuf.set_wait_policy("adaptive")


def test_a_wrong_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="policy = 'busy'"):
        backbuf.set_wait_policy("busy")
    for spin in (-1e-9, 101e-6, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="max_spin"):
            backbuf.set_wait_policy("spin", max_spin=spin)
    with pytest.raises(backbuf.ArgumentError, match="max_spin_ns"):
        backbuf.set_wait_policy("sleep", max_spin=1e-6)
    backbuf.set_wait_policy("sleep", max_spin=0)
    backbuf.set_wait_policy("spin", max_spin=100e-6)
    backbuf.set_wait_policy("adaptive", max_spin=20e-6)
    backbuf.set_wait_policy("adaptive")
