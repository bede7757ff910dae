"""Statuses as exceptions: one class for each family, which also is the builtin that people expect."""

from __future__ import annotations

from errno import EPIPE
from typing import Any, NoReturn

from ._library import lib, text


class BackbufError(Exception):
    """What every failure of the library is. `status` is the C status, a negative number."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, status)
        self.status = status

    def __str__(self) -> str:
        return str(self.args[0])


class ArgumentError(BackbufError, ValueError):
    """A value that the call cannot take."""


class OutOfRangeError(ArgumentError, IndexError):
    """An offset, index or count that leaves the state."""


class NotRegisteredError(ArgumentError, KeyError):
    """A parent or a buffer that the registry does not know."""


class HandleError(BackbufError, ValueError):
    """A handle that is stale, of another kind, of another copy of the library, or none at all."""


class UnsupportedError(BackbufError, NotImplementedError):
    """What this build or machine cannot do."""


class LimitError(BackbufError, RuntimeError):
    """A fixed limit of the library is reached."""


class OutOfMemoryError(BackbufError, MemoryError):
    """Memory that the system does not give."""


class StateError(BackbufError, RuntimeError):
    """A call at the wrong time, in the wrong place, or of what has ended."""


class ClosedError(StateError, ValueError):
    """The manager is closed: nothing new is accepted (a ValueError, as with closed files)."""


class FullError(BackbufError, BufferError):
    """The queue has no room, and the call was not to wait."""


class ChannelFull(FullError):
    """Nothing fits into the ring now: wait for room, or let the other side read."""

    sent = 0
    """None of the call's bytes went."""


class ReceiversDisconnected(BackbufError, BrokenPipeError):
    """The receiver is gone: nobody will read what is sent."""

    errno = EPIPE
    sent = 0
    """The bytes of this call that went into the ring before."""


class SendersDisconnected(BackbufError, EOFError):
    """The sender is gone, and all that it sent was read."""


class PinnedError(BackbufError, BufferError):
    """Fronts in use hold every copy: release one."""


class WaitTimeoutError(BackbufError, TimeoutError):
    """The timeout passed first."""

    sent = 0
    """Of a ring's `write` and `send_async`: the bytes that went into the ring before."""


class StalledError(WaitTimeoutError):
    """A flush callback, a kernel or a task outlasts the watchdog. That is reported once, to every call that waits then; a call
    that begins later waits as long as its own timeout says, without end if it has none."""


class WaitInterruptedError(BackbufError, InterruptedError):
    """A signal or the wait check of the thread ended the wait."""


class BackendError(BackbufError, RuntimeError):
    """The flush callback or the device failed."""


class DeviceLostError(BackendError):
    """The device is lost or destroyed: what was published before stays readable, and nothing more is published."""


class ForkedError(BackbufError, RuntimeError):
    """A handle from before a fork: objects stay in the process that made them."""


class PoisonedError(BackbufError, RuntimeError):
    """The library failed inside: fronts and statistics still work."""


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


def error(status: int) -> BackbufError:
    """The exception for a status that the calling thread has just got."""
    message = text(lib.bb_last_error()) or text(lib.bb_status_string(status))
    return _CLASSES.get(status, BackbufError)(message, status)


def told(status: int, message: str) -> BackbufError:
    """The exception for a status that came with a message of its own."""
    return _CLASSES.get(status, BackbufError)(message, status)


def fail(status: int) -> NoReturn:
    raise error(status)


def check(status: int) -> None:
    if status != 0:
        raise error(status)


def closed(label: str, what: str) -> ClosedError:
    """For objects whose handle this wrapper no longer has."""
    return ClosedError(f"{label}: {what}", lib.BB_E_CLOSED)


def status_names() -> dict[int, str]:
    """Every status of the header by its number."""
    names: dict[int, str] = {}
    for name in dir(lib):
        value: Any = getattr(lib, name)
        if name.startswith("BB_E_"):
            names[value] = name
    return names
