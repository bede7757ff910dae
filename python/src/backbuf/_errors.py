"""The library's statuses as exceptions. Each class also derives from the matching built-in exception."""

from __future__ import annotations

import re
from errno import EPIPE
from typing import Any, NoReturn

from ._library import lib, text


class BackbufError(Exception):
    """Base class of all errors of the library. `status` is the C status, a negative number."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, status)
        self.status = status

    def __str__(self) -> str:
        return str(self.args[0])


class ArgumentError(BackbufError, ValueError):
    """An argument has a value that the call does not accept."""


class OutOfRangeError(ArgumentError, IndexError):
    """An offset, index or count exceeds the state."""


class NotRegisteredError(ArgumentError, KeyError):
    """The registry has no such parent or buffer."""


class HandleError(BackbufError, ValueError):
    """A handle is NULL, stale, of another kind, or of another copy of the library."""


class UnsupportedError(BackbufError, NotImplementedError):
    """This build or this machine does not support the call."""


class LimitError(BackbufError, RuntimeError):
    """A fixed limit of the library is reached, or a kernel launch exceeds the limits of its device."""


class OutOfMemoryError(BackbufError, MemoryError):
    """The system does not provide the memory."""


class StateError(BackbufError, RuntimeError):
    """The object's state does not allow the call, or the calling thread does not."""


class ClosedError(StateError, ValueError):
    """The object is closed and accepts no new work. Also a ValueError, as with closed files."""


class FullError(BackbufError, BufferError):
    """The queue has no space and the call does not wait."""


class ChannelFull(FullError):
    """Nothing fits into the ring now: wait for space, or let the receiver read."""

    sent = 0
    """Always 0: the call sent no bytes."""


class ReceiversDisconnected(BackbufError, BrokenPipeError):
    """The receiver is closed: bytes that are sent now would never be read."""

    errno = EPIPE
    sent = 0
    """The number of bytes that the call sent before the error."""


class SendersDisconnected(BackbufError, EOFError):
    """The sender is closed and everything it sent was read."""


class PinnedError(BackbufError, BufferError):
    """Fronts hold every copy of the state: release one."""


class WaitTimeoutError(BackbufError, TimeoutError):
    """The timeout expired."""

    sent = 0
    """For `write` and `send_async` of a ring: the number of bytes that were sent before."""


class StalledError(WaitTimeoutError):
    """A flush callback, a kernel or a task exceeded the watchdog.

    It is reported once, to all calls that wait at that time; a later call waits for its own timeout, without limit if it has
    none.
    """


class WaitInterruptedError(BackbufError, InterruptedError):
    """A signal or the thread's wait check ended the wait."""


class BackendError(BackbufError, RuntimeError):
    """The flush callback or the device failed."""


class DeviceLostError(BackendError):
    """The device is lost or destroyed: the last published state stays readable, and nothing more is published."""


class ForkedError(BackbufError, RuntimeError):
    """The handle was created before a fork: objects stay in the process that created them."""


class PoisonedError(BackbufError, RuntimeError):
    """The library failed internally: fronts and statistics of the object still work."""


_FAMILIES: dict[type[BackbufError], str] = {
    ArgumentError: "NULL ARGUMENT ALIGN VERSION EXISTS ALIAS_SELF ALIAS_MISSING ALIAS_ORDER",
    NotRegisteredError: "NO_PARENT NO_NAME",
    OutOfRangeError: "RANGE",
    HandleError: "HANDLE STALE KIND FOREIGN",
    UnsupportedError: "UNSUPPORTED",
    LimitError: "LIMIT",
    OutOfMemoryError: "OUT_OF_MEMORY",
    StateError: "STATE BUSY ABORTED CANCELLED RECURSIVE WRONG_THREAD",
    ClosedError: "CLOSED",
    FullError: "FULL EMPTY",
    PinnedError: "PINNED",
    WaitTimeoutError: "TIMEOUT",
    StalledError: "STALLED",
    WaitInterruptedError: "INTERRUPTED",
    BackendError: "BACKEND",
    DeviceLostError: "DEVICE_LOST",
    ForkedError: "FORKED",
    PoisonedError: "POISONED PANIC",
}
_CLASSES: dict[int, type[BackbufError]] = {
    getattr(lib, f"BB_E_{word}"): family for family, words in _FAMILIES.items() for word in words.split()
}


_C_FUNCTION = re.compile(r"(bb_\w+): ")
_PARAMETERS = {
    **dict.fromkeys(("sender_send", "sender_send_all", "sender_send_whole", "sender_feed"), ("bytes", "data")),
    "sender_reserve": ("bytes", "least"),
    "sender_commit": ("bytes", "count"),
    "receiver_recv": ("bytes", "size"),
    "receiver_peek": ("bytes", "least"),
    "receiver_consume": ("bytes", "count"),
    "buffer_create": ("bytes", "size"),
    "device_buffer_create": ("bytes", "size"),
    "device_buffer_create_growable": ("bytes", "size"),
    "front_changes": ("since_epoch", "epoch"),
    "manager_info_get": ("manager", "handle"),
    "sender_stats_get": ("sender", "handle"),
    "receiver_stats_get": ("receiver", "handle"),
    "stream_stats_get": ("stream", "handle"),
}
"""Parameters whose names in C differ from those in Python: by the C function, without `bb_`."""
_REMEDIES = {
    "bb_device_buffer_create_growable()": "backbuf.GrowableBuffer",
    "bb_device_create_gl()": "backbuf.Device()",
    "bb_lease_release()": "release()",
    "bb_set_log()": "backbuf.forward_log()",
    "BB_MAP_READ or BB_MAP_WRITE": "MapMode.READ or MapMode.WRITE",
    "BB_REALTIME(1 to 99)": "101 to 199 for the real-time priorities 1 to 99",
    "BB_MAX_DIMS": str(lib.BB_MAX_DIMS),
}
"""Names of C in the library's messages, and what replaces them in Python."""


def in_python_terms(message: str) -> str:
    """A message of the library without its C function, and with Python's names of parameters and remedies."""
    function = _C_FUNCTION.match(message)
    if function is None:
        return message
    message = message[function.end() :]
    c_name, name = _PARAMETERS.get(function[1].removeprefix("bb_"), ("", ""))
    if c_name:
        message = re.sub(rf"(^|: ){c_name}\b", rf"\1{name}", message, count=1)
    for c_remedy, remedy in _REMEDIES.items():
        message = message.replace(c_remedy, remedy)
    return message


def error(status: int, message: str | None = None) -> BackbufError:
    """The exception for a status: with `message`, or with the library's message for this thread's last call."""
    if message is None:
        message = in_python_terms(text(lib.bb_last_error())) or text(lib.bb_status_string(status))
    return _CLASSES.get(status, BackbufError)(message, status)


def fail(status: int) -> NoReturn:
    raise error(status)


def check(status: int) -> None:
    if status != 0:
        raise error(status)


def closed(label: str, what: str) -> ClosedError:
    """The exception for an object that no longer has its handle."""
    return ClosedError(f"{label}: {what}", lib.BB_E_CLOSED)


def status_names() -> dict[int, str]:
    """The names of all statuses of the header, by number."""
    names: dict[int, str] = {}
    for name in dir(lib):
        value: Any = getattr(lib, name)
        if name.startswith("BB_E_"):
            names[value] = name
    return names
