"""Forwarding of the library's log to `logging.getLogger("backbuf")`."""

from __future__ import annotations

import logging
import os
import threading

from ._errors import check
from ._library import ffi, lib, text

_logger = logging.getLogger("backbuf")
_logger.addHandler(logging.NullHandler())  # without a handler of the program nothing is printed
_LEVELS = {
    lib.BB_LOG_ERROR: logging.ERROR,
    lib.BB_LOG_WARN: logging.WARNING,
    lib.BB_LOG_INFO: logging.INFO,
    lib.BB_LOG_DEBUG: logging.DEBUG,
}
_RECORDS = 1024
_thread: threading.Thread | None = None
_level = logging.CRITICAL + 1
_lock = threading.Lock()


def _forward() -> None:
    """Passes the records of the library's queue to the logger until the queue is closed. It waits without the GIL."""
    record = ffi.new("bb_log_record *")
    while (status := lib.bb_log_next(lib.BB_FOREVER, ffi.sizeof("bb_log_record"), record)) != lib.BB_E_CLOSED:
        if status != 0:
            continue
        if record.lost:
            _logger.warning("%d records were lost before the next one: the handlers were slower than the program", record.lost)
        level = _LEVELS.get(record.level, logging.DEBUG)
        if _logger.isEnabledFor(level):
            name = text(record.label)
            _logger.log(level, "%s%s: %s", text(record.part), f" '{name}'" if name else "", text(record.text))


def forward_log(level: int = logging.DEBUG) -> None:
    """Forwards the library's log to `logging.getLogger("backbuf")`, from `level` on.

    Forwarding is off until this is called. A level above CRITICAL turns it off again, after all records so far were handled.

    The library's threads never wait for Python: they put records into a queue, which a thread of this package empties. If
    the handlers are too slow, records are lost; the log then reports their number. A log function that was set by
    `bb_set_log` is replaced. Any thread may call this.

    Args:
        level: A level of `logging`.

    >>> import logging
    >>> backbuf.forward_log(logging.WARNING)
    >>> backbuf.forward_log(logging.CRITICAL + 1)
    """
    global _thread, _level
    if not isinstance(level, int):
        raise TypeError(f"level is a {type(level).__name__}: give a level of logging, as in logging.DEBUG")
    wanted = max((ours for ours, theirs in _LEVELS.items() if theirs >= level), default=lib.BB_LOG_OFF)
    with _lock:
        before, _thread, _level = _thread, None, level
        if before is not None:
            check(lib.bb_set_log(lib.BB_LOG_OFF, ffi.NULL, ffi.NULL, ffi.NULL))
    if before is not None and before is not threading.current_thread():
        before.join()  # without the lock: a handler may call this function
    with _lock:
        if wanted != lib.BB_LOG_OFF and _thread is None:
            check(lib.bb_set_log_queue(wanted, _RECORDS))
            _thread = threading.Thread(target=_forward, name="backbuf log", daemon=True)
            _thread.start()


def stop() -> None:
    """Handles the remaining records and stops forwarding, at the interpreter's end."""
    forward_log(logging.CRITICAL + 1)


def _in_child() -> None:
    """Starts a new queue and thread after a fork: the child has neither."""
    global _lock, _thread
    _lock = threading.Lock()
    if _thread is not None:
        _thread = None
        forward_log(_level)


os.register_at_fork(after_in_child=_in_child)
