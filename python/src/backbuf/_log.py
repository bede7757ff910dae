"""The library's log as `logging.getLogger("backbuf")`."""

from __future__ import annotations

import logging
from typing import Any

from . import _callbacks
from ._errors import check
from ._library import ffi, is_own, lib, text

_logger = logging.getLogger("backbuf")
_logger.addHandler(logging.NullHandler())  # nothing is printed unless the program asks for logs
_LEVELS = {
    lib.BB_LOG_ERROR: logging.ERROR,
    lib.BB_LOG_WARN: logging.WARNING,
    lib.BB_LOG_INFO: logging.INFO,
    lib.BB_LOG_DEBUG: logging.DEBUG,
}
_callback: Any = None


def _record(level: int, part: Any, label: Any, message: Any, _user_data: Any) -> None:
    number = _LEVELS.get(level, logging.DEBUG)
    if _logger.isEnabledFor(number):
        name = text(label)
        _logger.log(number, "%s%s: %s", text(part), f" '{name}'" if name else "", text(message))


def forward_log(level: int = logging.DEBUG) -> None:
    """Sends the library's log to `logging.getLogger("backbuf")`, from the given `logging` level on.

    This is so from the import on, unless the process had loaded the library before: then an engine may have a log of its
    own, which this call replaces. Levels above CRITICAL turn the log off.

    >>> import logging
    >>> backbuf.forward_log(logging.WARNING)
    """
    global _callback
    wanted = max((ours for ours, theirs in _LEVELS.items() if theirs >= level), default=lib.BB_LOG_OFF)
    if wanted == lib.BB_LOG_OFF:
        stop()
        return
    if _callback is None:
        _callback = ffi.callback("bb_log_fn", _record)
    check(lib.bb_set_log(wanted, _callback, _callbacks.keep(_logger), _callbacks.drop_function()))


def stop() -> None:
    """Takes Python out of the log; once it is dropped, no other thread is in it."""
    if _callback is not None:
        lib.bb_set_log(lib.BB_LOG_OFF, ffi.NULL, ffi.NULL, ffi.NULL)


if is_own:
    forward_log()
