"""Waits of event loops for a manager; the tasks of one loop share one descriptor."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any

from . import _errors
from ._library import ffi, lib
from ._owner import Unique
from ._wait import Deadline, YieldTimer, wake


class Watch(Unique):
    """A subscription to a manager's epochs and to one ticket, with a descriptor for event loops."""

    def __init__(self, manager: Any) -> None:
        self._watch = ffi.NULL
        watch, number = ffi.new("bb_watch **"), ffi.new("int32_t *")
        _errors.check(lib.bb_watch_create(manager, 0, watch))
        self._watch = watch[0]
        _errors.check(lib.bb_watch_fd(self._watch, number))
        self.descriptor = int(number[0])

    def ticket(self, ticket: int) -> None:
        """Makes the descriptor readable also when this ticket completes."""
        lib.bb_watch_ticket(self._watch, ticket)  # a failure needs no check: an ended manager makes the descriptor readable

    def clear(self) -> None:
        """Clears the event that made the descriptor readable."""
        lib.bb_watch_wait(self._watch, 0, ffi.new("uint64_t *"))

    def close(self) -> None:
        watch, self._watch = self.__dict__.get("_watch", ffi.NULL), ffi.NULL
        lib.bb_watch_destroy(watch)

    __del__ = close


class Waiters:
    """The tasks of one event loop that wait for one manager."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._watch: Watch | None = None
        self._yield_timer, self._count = YieldTimer(), itertools.count()
        self._epochs: list[asyncio.Future[None]] = []
        self._tickets: list[tuple[int, int, asyncio.Future[None], Callable[[], bool]]] = []
        """A heap, ordered by ticket: the smallest one completes first."""
        self._active = self._cancelled = 0

    async def yield_if_due(self) -> None:
        """Lets the other tasks run if this loop has not yielded for half a millisecond."""
        if self._yield_timer.is_due():
            await self._yield_timer.yield_now()

    async def ticket(self, number: int, poll: Callable[[], bool], seconds: float | None) -> None:
        """Waits until `poll` returns True, for at most `seconds`; `poll` is called when the ticket may be complete."""
        watch, waiter = self._open(), asyncio.get_running_loop().create_future()
        entry = (number, next(self._count), waiter, poll)
        heapq.heappush(self._tickets, entry)
        if self._tickets[0] is entry:
            watch.ticket(number)
        try:
            await self._wait(watch, waiter, seconds)
        finally:
            if waiter.cancelled():
                # Timed out or cancelled: the entry stays in the heap until such entries are the majority.
                self._cancelled += 1
                if self._cancelled > len(self._tickets) // 2:
                    self._tickets, self._cancelled = [one for one in self._tickets if not one[2].done()], 0
                    heapq.heapify(self._tickets)

    async def epoch(self, deadline: Deadline) -> None:
        """Waits for a new epoch or the end of the manager."""
        waiter = asyncio.get_running_loop().create_future()
        self._epochs.append(waiter)
        try:
            await self._wait(self._open(), waiter, deadline.seconds())
        finally:
            if waiter.cancelled():
                self._epochs.remove(waiter)
        if waiter.cancelled():
            raise _errors.WaitTimeoutError("the timeout expired before a new epoch", lib.BB_E_TIMEOUT)

    def _open(self) -> Watch:
        if self._watch is None:
            self._watch = Watch(self._manager)
        return self._watch

    async def _wait(self, watch: Watch, waiter: asyncio.Future[None], seconds: float | None) -> None:
        loop = waiter.get_loop()
        if self._active == 0:
            loop.add_reader(watch.descriptor, self._dispatch)
        self._active += 1
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            waiter.cancel()  # unless it is done
            self._active -= 1
            if self._active == 0 and not loop.is_closed():
                loop.remove_reader(watch.descriptor)

    def _dispatch(self) -> None:
        """Called by the loop when the descriptor is readable: completes the waits whose condition is true."""
        watch = self._open()
        watch.clear()
        epochs, self._epochs = self._epochs, []
        for waiter in epochs:
            wake(waiter)
        while self._tickets:
            number, _, waiter, poll = self._tickets[0]
            if waiter.done():
                self._cancelled = max(0, self._cancelled - 1)
            elif poll():
                waiter.set_result(None)
            else:
                watch.ticket(number)
                break
            heapq.heappop(self._tickets)
