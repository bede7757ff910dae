"""Waits of an event loop for a manager: all of them share one descriptor."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any

from . import _errors
from ._library import ffi, lib
from ._owner import Unique
from ._wait import Deadline, Turns, wake


class Watch(Unique):
    """A subscription to the epochs and to one ticket of a manager, with a descriptor for event loops."""

    def __init__(self, manager: Any) -> None:
        self._watch = ffi.NULL
        watch, number = ffi.new("bb_watch **"), ffi.new("int32_t *")
        _errors.check(lib.bb_watch_create(manager, 0, watch))
        self._watch = watch[0]
        _errors.check(lib.bb_watch_fd(self._watch, number))
        self.descriptor = int(number[0])

    def ticket(self, ticket: int) -> None:
        """Makes it readable also when that ticket is decided. A manager that has ended makes it readable anyway."""
        lib.bb_watch_ticket(self._watch, ticket)

    def clear(self) -> None:
        """Takes the news that made the descriptor readable."""
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
        self._turns, self._count = Turns(), itertools.count()
        self._epochs: list[asyncio.Future[None]] = []
        self._tickets: list[tuple[int, int, asyncio.Future[None], Callable[[], bool]]] = []
        """A heap: the first ticket is decided first."""
        self._waiting = self._left = 0

    async def turn(self) -> None:
        """Lets the other tasks run, if this loop has not done so for half a millisecond."""
        if self._turns.due():
            await self._turns.give()

    async def ticket(self, number: int, look: Callable[[], bool], seconds: float | None) -> None:
        """Waits until `look` says that the ticket is decided, which is asked when there are news; `seconds` at most."""
        watch, waiter = self._open(), asyncio.get_running_loop().create_future()
        entry = (number, next(self._count), waiter, look)
        heapq.heappush(self._tickets, entry)
        if self._tickets[0] is entry:
            watch.ticket(number)
        try:
            await self._wait(watch, waiter, seconds)
        finally:
            if waiter.cancelled():
                # Out of time, or cancelled: it stays in the heap until there are many of its kind.
                self._left += 1
                if self._left > len(self._tickets) // 2:
                    self._tickets, self._left = [one for one in self._tickets if not one[2].done()], 0
                    heapq.heapify(self._tickets)

    async def epoch(self, deadline: Deadline) -> None:
        """Waits for an epoch, or the end of the manager."""
        waiter = asyncio.get_running_loop().create_future()
        self._epochs.append(waiter)
        try:
            await self._wait(self._open(), waiter, deadline.seconds())
        finally:
            if waiter.cancelled():
                self._epochs.remove(waiter)
        if waiter.cancelled():
            raise _errors.WaitTimeoutError("the time given is over", lib.BB_E_TIMEOUT)

    def _open(self) -> Watch:
        if self._watch is None:
            self._watch = Watch(self._manager)
        return self._watch

    async def _wait(self, watch: Watch, waiter: asyncio.Future[None], seconds: float | None) -> None:
        loop = waiter.get_loop()
        if self._waiting == 0:
            loop.add_reader(watch.descriptor, self._tell)
        self._waiting += 1
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            waiter.cancel()  # unless it is done
            self._waiting -= 1
            if self._waiting == 0 and not loop.is_closed():
                loop.remove_reader(watch.descriptor)

    def _tell(self) -> None:
        watch = self._open()
        watch.clear()
        epochs, self._epochs = self._epochs, []
        for waiter in epochs:
            wake(waiter)
        while self._tickets:
            number, _, waiter, look = self._tickets[0]
            if waiter.done():
                self._left = max(0, self._left - 1)
            elif look():
                waiter.set_result(None)
            else:
                watch.ticket(number)
                break
            heapq.heappop(self._tickets)
