"""What the ends of a ring and the stream have in common: a handle that a Python object owns, a descriptor, one waiter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from . import _errors
from ._callbacks import native_address
from ._library import ffi, hot, lib
from ._owner import Unique, remember
from ._statistics import counters
from ._wait import Deadline, Turns, readable, waiting, wake

if TYPE_CHECKING or hot is None:

    class _Base:
        """What the extension's type has, when there is none."""

        _handle: int = 0

else:
    _Base = hot.End

Self = TypeVar("Self", bound="End")


@contextmanager
def buffer_of(data: Any, name: str, writable: bool = False) -> Iterator[memoryview]:
    """The bytes of an object as they lie in memory, whatever its items are."""
    try:
        source = ffi.from_buffer(data, require_writable=writable)
    except TypeError:
        kind = type(data).__name__
        raise TypeError(f"{name} is a {kind}: give bytes, or another object with the buffer protocol") from None
    except (BufferError, ValueError) as error:
        if writable:
            raise BufferError(f"{name} is not writable contiguous memory ({error}): fill a bytearray instead") from None
        raise BufferError(f"{name} is not contiguous memory ({error}): give a copy of {name}, as in bytes({name})") from None
    with source:
        yield memoryview(ffi.buffer(source))


def size_of(value: Any, name: str, least: int = 0) -> int:
    """A count of bytes or chunks."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is a {type(value).__name__}: give an int")
    number = value.__index__()
    if not least <= number < 1 << 64:
        raise ValueError(f"{name} is {number}: it must be from {least} to 2**64 - 1")
    return int(number)


class End(_Base, Unique):
    """One end of a ring, or a stream. It is closed when nobody has it any more."""

    _kind: ClassVar[str]
    _nothing: ClassVar[int]
    """The status of `arm` that means: armed."""
    _gone: ClassVar[type[_errors.BackbufError]]
    """What is raised when the other side has gone."""

    _label: str
    _capacity: int
    _turns: Turns
    _descriptor = -1
    _told: asyncio.Future[None] | None = None
    _last: dict[str, Any] | None = None
    _ended: Any
    """The handle of an end that is closed and not destroyed yet."""

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} objects are made by spsc_buffer(), and from handles by attach()")

    @classmethod
    def _own(cls: type[Self], handle: Any, label: str, capacity: int) -> Self:
        self = cls.__new__(cls)
        self._handle, self._label, self._capacity = int(ffi.cast("uintptr_t", handle)), label, capacity
        self._turns = Turns()
        remember(self)
        return self

    @classmethod
    def attach(cls: type[Self], handle: Any) -> Self:
        """Takes over what C code has made, or what was detached, by its handle: an int, or a cffi or ctypes pointer. From
        here on this object owns it.

        >>> tx, rx = backbuf.spsc_buffer(1024)
        >>> handle = tx.detach()
        >>> tx = backbuf.SPSCSender.attach(handle)
        >>> tx.send(b"over")
        4
        """
        found = native_address(handle, "handle")
        if found is None:
            raise TypeError(f"handle is a {type(handle).__name__}: give an int, a cffi pointer or a ctypes pointer")
        known = counters(cls._kind, ffi.cast(f"bb_{cls._kind} *", found))  # it is of that kind, and alive
        return cls._own(found, "", known.get("capacity", 0))

    def detach(self) -> int:
        """Gives it away: the handle is now the receiver's, C code say, who ends it by `bb_sender_destroy`,
        `bb_receiver_destroy` or `bb_stream_destroy`. This object is as closed."""
        handle = self.handle
        self._refuse_second()
        self._forget()
        return handle

    @property
    def handle(self) -> int:
        """The handle to give to C code that borrows it: this object still owns it."""
        self._pointer()
        return self._handle

    @property
    def closed(self) -> bool:
        """Whether this object has ended: closed, detached, or made into another."""
        return not self._handle

    def close(self) -> None:
        """Ends it; whoever waits on either side is woken. Twice is fine."""
        if not self._handle:
            return
        pointer = self._pointer()
        self._forget()
        # While a loop watches the descriptor its number must not be used again: then the task that waits destroys the end. The
        # other side is woken first, whatever becomes of that task.
        self._call("close", pointer)
        self._ended = pointer
        if not self._wake():
            self._destroy_ended()

    def __del__(self) -> None:
        if self._handle:
            self._call("destroy", self._pointer())
            self._handle = 0

    def fileno(self) -> int:
        """A descriptor to poll for reading once `arm` has said that there is nothing yet; never read from it."""
        if self._descriptor < 0:
            number = ffi.new("int32_t *")
            self._check(self._call("fd", self._pointer(), number))
            self._descriptor = number[0]
        return self._descriptor

    # --- inside ---

    def _call(self, verb: str, *arguments: Any) -> int:
        return getattr(lib, f"bb_{self._kind}_{verb}")(*arguments)  # type: ignore[no-any-return]

    def _pointer(self) -> Any:
        if not self._handle:
            raise self._closed()
        return ffi.cast(f"bb_{self._kind} *", self._handle)

    def _counters(self) -> dict[str, Any]:
        """Those of now, or of its end."""
        if self._handle:
            return counters(self._kind, self._pointer())
        if self._last is None:
            raise self._closed()
        return self._last

    def _closed(self) -> _errors.ClosedError:
        return _errors.closed(repr(self), "this object has ended: closed, detached or made into another")

    def _forget(self) -> None:
        """The handle is no longer this object's; its counters stay."""
        self._last, self._handle = self._counters(), 0

    def _check(self, status: int) -> None:
        if status != 0:
            self._fail(status)

    def _fail(self, status: int) -> NoReturn:
        """Raises what a status means here. The library has no words for those that are no mistakes."""
        if not self._handle:
            raise self._closed()
        if status == lib.BB_E_CLOSED:
            raise self._gone(f"{self!r}: the other side has gone", status)
        if status == lib.BB_E_FULL:
            raise _errors.ChannelFull(f"{self!r}: nothing fits now, wait for room", status)
        if status == lib.BB_E_TIMEOUT:
            raise _errors.WaitTimeoutError(f"{self!r}: the time given is over", status)
        if status == lib.BB_E_BUSY:
            raise self._busy()
        _errors.fail(status)

    def _attached(self, status: int) -> None:
        """Of a new other side."""
        if status == lib.BB_E_BUSY:
            raise _errors.StateError(f"{self!r} has its other side still: that must be closed first", status)
        self._check(status)

    def _busy(self) -> _errors.StateError:
        told = f"{self!r} is in use: another thread or task calls it or waits for it, and each side has one"
        return _errors.StateError(told, lib.BB_E_BUSY)

    def _refuse_second(self) -> None:
        if self._told is not None:
            raise self._busy()

    def _waiting(self, timeout: float | None, call: Callable[[int], int]) -> int:
        """`call(nanoseconds)` without the GIL."""
        self._refuse_second()
        return waiting(timeout, call)

    def _armed(self, *arguments: int) -> bool:
        """Whether the descriptor will tell; False: there is something now."""
        self._refuse_second()
        status = self._call("arm", self._pointer(), *arguments)
        if status == self._nothing:
            return True
        self._check(status)
        return False

    async def _until_readable(self, deadline: Deadline) -> None:
        self._told = asyncio.get_running_loop().create_future()
        try:
            await readable(self.fileno(), self._told, deadline.seconds())
        finally:
            self._told = None
            self._destroy_ended()

    def _destroy_ended(self) -> None:
        """Destroys a closed end whose handle was kept: once, whichever thread comes first."""
        pointer = self.__dict__.pop("_ended", None)
        if pointer is not None:
            self._call("destroy", pointer)

    def _wake(self) -> bool:
        """Wakes the task that waits. False: there is none, or its loop has ended."""
        told = self._told
        if told is None:
            return False
        try:
            told.get_loop().call_soon_threadsafe(wake, told)
        except RuntimeError:  # the loop is closed: asking it before would not do, for it may close in between
            return False
        return True

    def __enter__(self: Self) -> Self:
        self._pointer()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        label = f" '{self._label}'" if self._label else ""
        return f"<{type(self).__name__}{label} of {self._capacity} bytes, {'closed' if self.closed else 'open'}>"
