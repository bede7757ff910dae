"""Timeouts, waits that signals can interrupt, and waits in an asyncio event loop."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from ._arguments import FOREVER, nanoseconds
from ._errors import WaitTimeoutError, check
from ._library import ffi, lib


class Deadline:
    """The end of a timeout that starts now."""

    def __init__(self, timeout: float | None) -> None:
        left = nanoseconds(timeout)
        self._end = FOREVER if left == FOREVER else time.monotonic_ns() + left

    def left(self) -> int:
        """The remaining nanoseconds."""
        return FOREVER if self._end == FOREVER else max(0, self._end - time.monotonic_ns())

    def seconds(self) -> float | None:
        """The remaining time as a timeout in seconds; None without limit."""
        return None if self._end == FOREVER else self.left() / 1e9


_raised: list[BaseException] = []
"""Exceptions that signal handlers raised during a wait of the main thread, until the waiting call raises them."""


@functools.cache
def _check() -> Any:
    """The wait check of the main thread: runs Python's signal handlers, and ends the wait when one of them raises."""

    def run(_: Any) -> int:
        ctypes.pythonapi.PyErr_CheckSignals()
        return 0

    def failed(kind: type[BaseException], value: BaseException, trace: TracebackType) -> None:
        _raised.append(value)

    return ffi.callback("bb_wait_check_fn", run, error=1, onerror=failed)


def interruptible(timeout: float | None, call: Callable[[int], int]) -> int:
    """Returns the status of `call(timeout in nanoseconds)`, which cffi runs without the GIL.

    On the main thread Python's signal handlers run during the wait. When one of them raises, as Ctrl-C does, the wait ends
    and the exception is raised here.
    """
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


def call_blocking(function: Callable[..., int], *arguments: Any) -> int:
    """Like `interruptible`, for a function that blocks but has no timeout parameter."""
    return interruptible(None, lambda _: function(*arguments))


def wake(waiter: asyncio.Future[None]) -> None:
    """Ends a wait of `wait_readable`."""
    if not waiter.done():
        waiter.set_result(None)


async def wait_readable(descriptor: int, waiter: asyncio.Future[None], timeout: float | None) -> None:
    """Waits until the descriptor is readable or `waiter` is done, for at most `timeout` seconds."""
    loop = waiter.get_loop()
    loop.add_reader(descriptor, wake, waiter)
    try:
        await asyncio.wait_for(waiter, timeout)
    except asyncio.TimeoutError:  # the builtin from Python 3.11 on
        raise WaitTimeoutError(f"timed out after {timeout} s", lib.BB_E_TIMEOUT) from None
    finally:
        if not loop.is_closed():
            loop.remove_reader(descriptor)


_POLICIES = {
    "adaptive": lib.BB_WAIT_POLICY_ADAPTIVE,
    "sleep": lib.BB_WAIT_POLICY_SLEEP,
    "spin": lib.BB_WAIT_POLICY_SPIN,
}


def set_wait_policy(policy: str, max_spin: float | None = None) -> None:
    """Sets how the waits of the process pass the time until they sleep, for all waits that begin later.

    A wait never spins while its thread holds the GIL, on a thread with real-time priority, or where the process may use one CPU
    only. Any thread may call this.

    Args:
        policy: `"adaptive"`, the library's default: a wait spins for as long as a sleep would cost, as measured, and sleeps at
            once where that did not help. `"sleep"`: it sleeps at once. `"spin"`: it spins for `max_spin` before it sleeps.
        max_spin: The longest spin in seconds, at most 100e-6; None for that, or for the spin of 0 that `"sleep"` takes.

    Raises:
        ValueError: The policy is unknown, or `max_spin` is out of range.

    >>> backbuf.set_wait_policy("adaptive", max_spin=20e-6)
    >>> backbuf.set_wait_policy("adaptive")
    """
    number = _POLICIES.get(policy)
    if number is None:
        raise ValueError(f"policy = {policy!r}: use one of {', '.join(map(repr, _POLICIES))}")
    if max_spin is None:
        limit = 0 if policy == "sleep" else lib.BB_WAIT_MAX_SPIN_NS
    elif not 0 <= max_spin <= lib.BB_WAIT_MAX_SPIN_NS / 1e9:
        raise ValueError(f"max_spin = {max_spin!r}: give seconds, from 0 to {lib.BB_WAIT_MAX_SPIN_NS / 1e9}")
    else:
        limit = round(max_spin * 1e9)
    check(lib.bb_set_wait_policy(number, limit))


class YieldTimer:
    """Decides when a task that never has to wait yields to the other tasks of its loop.

    A task yields after every 32 pieces of work if half a millisecond has passed since its last yield. So the other tasks run
    each millisecond or every 64 pieces, whichever takes longer, and the clock is rarely read.
    """

    __slots__ = ("_pieces", "_since")

    def __init__(self) -> None:
        self._since, self._pieces = 0, 0

    def should_yield(self, pieces: int = 1) -> bool:
        """Counts `pieces` and returns whether the task should call `yield_now`."""
        self._pieces += pieces
        if self._pieces < 32:
            return False
        self._pieces = 0
        return time.monotonic_ns() - self._since >= 500_000

    def is_due(self) -> bool:
        """Whether half a millisecond has passed; for pieces that may take long."""
        return time.monotonic_ns() - self._since >= 500_000

    async def yield_now(self) -> None:
        """Lets the other tasks run once."""
        await asyncio.sleep(0)
        self._since = time.monotonic_ns()
