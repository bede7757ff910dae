"""Timeouts, waits that Ctrl-C can end, and waits in an event loop."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import math
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ._errors import WaitTimeoutError
from ._library import ffi, lib

FOREVER: int = lib.BB_FOREVER


def nanoseconds(timeout: float | None, name: str = "timeout") -> int:
    """Seconds (None: for ever) as the library counts them."""
    if timeout is None or timeout == math.inf:
        return FOREVER
    if not timeout >= 0:
        raise ValueError(f"{name} is {timeout}: give seconds from 0 on, or None for ever")
    return int(min(timeout, 1e9) * 1e9)  # 30 years are within 64 bits


class Deadline:
    """When a timeout is over."""

    def __init__(self, timeout: float | None) -> None:
        left = nanoseconds(timeout)
        self._end = FOREVER if left == FOREVER else time.monotonic_ns() + left

    def left(self) -> int:
        """The nanoseconds until then."""
        return FOREVER if self._end == FOREVER else max(0, self._end - time.monotonic_ns())

    def seconds(self) -> float | None:
        """The same as a timeout."""
        return None if self._end == FOREVER else self.left() / 1e9


_raised: list[BaseException] = []
"""What a signal handler raised during a wait of the main thread, on its way to the call that waits."""


@functools.cache
def _check() -> Any:
    """The wait check of the main thread: runs Python's signal handlers, and ends the wait when one raises."""

    def run(_: Any) -> int:
        ctypes.pythonapi.PyErr_CheckSignals()
        return 0

    def failed(kind: type[BaseException], value: BaseException, trace: TracebackType) -> None:
        _raised.append(value)

    return ffi.callback("bb_wait_check_fn", run, error=1, onerror=failed)


def waiting(timeout: float | None, call: Callable[[int], int]) -> int:
    """The status of `call(nanoseconds)`, which cffi makes without the GIL. On the main thread Python's signal handlers run
    during the wait; when one raises (Ctrl-C does), the wait ends and this raises it. Otherwise the same wait goes on."""
    limit = nanoseconds(timeout)
    if limit == 0 or threading.get_ident() != threading.main_thread().ident:
        return call(limit)
    previous = ffi.new("bb_wait_check *")
    lib.bb_set_wait_check(_check(), ffi.NULL, previous)
    try:
        status = call(limit)
    finally:
        lib.bb_set_wait_check(previous.function, previous.user_data, ffi.NULL)
    if _raised:
        raise _raised.pop()
    return status


def blocking(function: Callable[..., int], *arguments: Any) -> int:
    """The status of a function without a timeout of its own that waits all the same: for a device, or by a policy."""
    return waiting(None, lambda _: function(*arguments))


def wake(told: asyncio.Future[None]) -> None:
    """Ends a wait of `readable`."""
    if not told.done():
        told.set_result(None)


async def readable(descriptor: int, told: asyncio.Future[None], timeout: float | None) -> None:
    """Waits until the descriptor is readable or `told` is done, `timeout` seconds at most."""
    loop = told.get_loop()
    loop.add_reader(descriptor, wake, told)
    try:
        await asyncio.wait_for(told, timeout)
    except asyncio.TimeoutError:  # the builtin from Python 3.11 on
        raise WaitTimeoutError("the time given is over", lib.BB_E_TIMEOUT) from None
    finally:
        if not loop.is_closed():
            loop.remove_reader(descriptor)


class Turns:
    """When a loop that never has to wait lets the other tasks run: every 32 pieces of work, if half a millisecond has passed.
    So they run each millisecond or 64 pieces, whichever is later, and the clock is read seldom."""

    __slots__ = ("_since", "_worked")

    def __init__(self) -> None:
        self._since, self._worked = 0, 0

    def worked(self, pieces: int = 1) -> bool:
        """Whether it is time to `give` a turn."""
        self._worked += pieces
        if self._worked < 32:
            return False
        self._worked = 0
        return time.monotonic_ns() - self._since >= 500_000

    def due(self) -> bool:
        """The same for pieces that may be long: whether half a millisecond has passed."""
        return time.monotonic_ns() - self._since >= 500_000

    async def give(self) -> None:
        """Lets the other tasks run once."""
        await asyncio.sleep(0)
        self._since = time.monotonic_ns()
