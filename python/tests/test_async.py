"""Waits in asyncio event loops, with other tasks running."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from conftest import Manager, Run

import backbuf


def test_synchronize(manager: Manager, run: Run) -> None:
    async def main() -> None:
        m = manager(4)
        assert await m.synchronize_async() == 0
        m[:] = 3
        assert await m.synchronize_async() == 1
        assert m.snapshot().tolist() == [3] * 4

    run(main())


def test_other_tasks_run_while_one_waits(manager: Manager, run: Run) -> None:
    async def main() -> None:
        m, ran = manager(4, watchdog_ns=0), 0
        task = m.task("outside")
        m[:] = 1

        async def count() -> None:
            nonlocal ran
            for _ in range(20):
                ran += 1
                await asyncio.sleep(0.001)
            task.end()

        epochs = await asyncio.gather(*(m.synchronize_async() for _ in range(3)), count())
        assert ran == 20
        assert epochs[:3] == [1, 1, 1]

    run(main())


def test_timeouts_and_cancels(manager: Manager, run: Run) -> None:
    async def main() -> None:
        m = manager(4, watchdog_ns=0)
        m[:] = 1
        with m.task("open"):
            with pytest.raises(TimeoutError) as caught:
                await m.synchronize_async(timeout=0.01)
            assert isinstance(caught.value, backbuf.WaitTimeoutError)
            waiting = asyncio.ensure_future(m.synchronize_async())
            await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert await m.synchronize_async(timeout=10) == 1
        with pytest.raises(backbuf.WaitTimeoutError):
            async for _ in m.fronts(timeout=0.01, after=1):
                raise AssertionError("there is nothing new")
        m[:] = 2
        assert await m.synchronize_async(timeout=10) == 2
        with pytest.raises(ValueError, match="timeout"):
            await m.synchronize_async(timeout=-1)

    run(main())


def test_a_failing_flush_is_raised(manager: Manager, run: Run) -> None:
    async def main() -> None:
        failures = [OSError("no disk")]

        def flush() -> None:
            if failures:
                raise failures.pop()

        m = manager(2, flush=flush)
        m.enqueue(1.0)
        with pytest.raises(OSError, match="no disk"):
            await m.synchronize_async()
        assert await m.synchronize_async() == 1

    run(main())


def test_fronts(manager: Manager, run: Run) -> None:
    async def main() -> None:
        m = manager(64, "i8")

        def engine() -> None:
            for step in range(1, 200):
                with m.batch() as b:
                    b[:] = step
                    b.tag(step)
                m.synchronize()
                time.sleep(0.0005)
            m.close()

        thread = threading.Thread(target=engine)
        thread.start()
        seen = []
        async for f in m.fronts(timeout=10):
            with f:
                assert (f.array == f.tag).all()
                seen.append(f.epoch)
        thread.join()
        assert seen == sorted(set(seen))
        assert seen[-1] == 199

    run(main())


def test_fronts_end_with_destroy(manager: Manager, run: Run) -> None:
    async def main() -> None:
        m = manager(2)
        asyncio.get_running_loop().call_later(0.02, m.destroy)
        assert [f async for f in m.fronts()] == []
        assert [f async for f in m.fronts()] == []

    run(main())


def test_a_kernel_from_another_task_is_awaited(manager: Manager, run: Run) -> None:
    async def main() -> None:
        m = manager(4, "f8", initial=1)
        m.enqueue_kernel(lambda back, front: time.sleep(0.02))
        assert await m.synchronize_async() == 1

    run(main())
