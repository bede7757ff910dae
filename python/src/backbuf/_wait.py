"""Timeouts, and waits that Ctrl-C can end."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from ._library import lib

FOREVER: int = lib.BB_FOREVER


def nanoseconds(timeout: float | None) -> int:
    """Seconds (None: for ever) as the library counts them."""
    if timeout is None or timeout == math.inf:
        return FOREVER
    if not timeout >= 0:
        raise ValueError(f"timeout is {timeout}: give seconds from 0 on, or None to wait for ever")
    return min(int(timeout * 1e9), FOREVER - 1)


def waiting(timeout: float | None, call: Callable[[int], int]) -> int:
    """The status of `call(nanoseconds)`, which cffi makes without the GIL. A signal on the main thread ends the C wait, Python
    runs its handler (Ctrl-C raises here), and the wait goes on for what is left."""
    left = nanoseconds(timeout)
    if left == 0 or threading.get_ident() != threading.main_thread().ident:
        return call(left)
    end = None if left == FOREVER else time.monotonic_ns() + left
    lib.bb_set_wait_flags(lib.BB_WAIT_INTERRUPTIBLE)
    try:
        while (status := call(left)) == lib.BB_E_INTERRUPTED:
            if end is not None:
                left = max(0, end - time.monotonic_ns())
        return status
    finally:
        lib.bb_set_wait_flags(0)
