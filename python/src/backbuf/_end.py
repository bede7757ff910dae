"""Common base of a ring's sender, receiver and stream: an owned handle, a descriptor, and at most one waiting task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from . import _errors
from ._callbacks import native_address
from ._library import ffi, hot, lib
from ._owner import Unique, destroy_at_exit
from ._span import SpanOwner
from ._statistics import counters
from ._wait import Deadline, YieldTimer, interruptible, wait_readable, wake

if TYPE_CHECKING or hot is None:

    class _Base:
        """The attributes of the extension's base type, without the extension."""

        _handle: int = 0
        _is_awaited: bool = False

else:
    _Base = hot.End

Self = TypeVar("Self", bound="End")


class End(_Base, SpanOwner, Unique):
    """One end of a ring, or a stream. It is closed when its last reference is dropped.

    One thread or task at a time uses an end; `close` may be called from any thread. Objects are created by `spsc_buffer` or
    `attach`.
    """

    _kind: ClassVar[str]
    _armed_status: ClassVar[int]
    """The status by which `bb_<kind>_arm` reports that the descriptor is armed."""
    _disconnected: ClassVar[type[_errors.BackbufError]]
    """The exception that reports that the other end is closed."""

    _label: str
    _capacity: int
    _yield_timer: YieldTimer
    _descriptor = -1
    _waiter: asyncio.Future[None] | None = None
    _final_counters: dict[str, Any] | None = None
    _pending_destroy: Any
    """The handle of a closed end that still has to be destroyed."""

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} objects are created by spsc_buffer(), or from handles by attach()")

    @classmethod
    def _own(cls: type[Self], handle: Any, label: str, capacity: int) -> Self:
        self = cls.__new__(cls)
        self._handle, self._label, self._capacity = int(ffi.cast("uintptr_t", handle)), label, capacity
        self._yield_timer = YieldTimer()
        destroy_at_exit(self)
        return self

    @classmethod
    def attach(cls: type[Self], handle: Any) -> Self:
        """Takes ownership of an end by its handle: one that C code created, or one that was detached.

        Args:
            handle: An int, or a cffi or ctypes pointer.

        Raises:
            HandleError: The handle is of another kind, or stale.

        >>> tx, rx = backbuf.spsc_buffer(1024)
        >>> handle = tx.detach()
        >>> tx = backbuf.SPSCSender.attach(handle)
        >>> tx.send(b"over")
        4
        """
        found = native_address(handle, "handle")
        if found is None:
            raise TypeError(f"handle is a {type(handle).__name__}: give an int, a cffi pointer or a ctypes pointer")
        known = counters(cls._kind, ffi.cast(f"bb_{cls._kind} *", found))  # checks kind and validity
        return cls._own(found, "", known.get("capacity", 0))

    def detach(self) -> int:
        """Transfers ownership to other code and returns the handle; this object is closed then.

        The new owner destroys it by `bb_sender_destroy`, `bb_receiver_destroy` or `bb_stream_destroy`.
        """
        handle = self.handle
        self._check_unused()
        self._check_no_span()
        self._drop_handle()
        return handle

    @property
    def handle(self) -> int:
        """The handle, for C code that borrows it: this object remains the owner."""
        self._pointer()
        return self._handle

    @property
    def closed(self) -> bool:
        """Whether this object is closed, detached, or was converted into another one."""
        return not self._handle

    def close(self) -> None:
        """Closes the end and wakes waits of both ends. Repeated calls are allowed."""
        if not self._handle:
            return
        pointer = self._pointer()
        self._drop_handle()
        self._span = None  # its memory stays valid as long as views exist
        # While a loop watches the descriptor, its number must not be reused: in that case the waiting task destroys the end.
        # The other end is woken before, since that task may never run again.
        self._call("close", pointer)
        self._pending_destroy = pointer
        if not self._wake():
            self._destroy_ended()

    def __del__(self) -> None:
        if self._handle:
            self._call("destroy", self._pointer())
            self._handle = 0

    def fileno(self) -> int:
        """A descriptor that becomes readable after `arm` returned False; poll it, but do not read from it."""
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
        """The current counters, or those at the end's close."""
        if self._handle:
            return counters(self._kind, self._pointer())
        if self._final_counters is None:
            raise self._closed()
        return self._final_counters

    def _closed(self) -> _errors.ClosedError:
        return _errors.closed(repr(self), "this object is closed, detached, or was converted into another one")

    def _drop_handle(self) -> None:
        """Forgets the handle and keeps the counters."""
        self._final_counters, self._handle = self._counters(), 0

    def _check(self, status: int) -> None:
        if status != 0:
            self._fail(status)

    def _fail(self, status: int) -> NoReturn:
        """Raises the exception for a status. The library sets no message for statuses that are no misuse."""
        if not self._handle:
            raise self._closed()
        if status == lib.BB_E_CLOSED:
            raise self._disconnected(f"{self!r}: the other end is closed", status)
        if status == lib.BB_E_FULL:
            raise _errors.ChannelFull(f"{self!r}: no space now, wait for the receiver", status)
        if status == lib.BB_E_TIMEOUT:
            raise _errors.WaitTimeoutError(f"{self!r}: the timeout expired", status)
        if status == lib.BB_E_BUSY:
            raise self._busy()
        _errors.fail(status)

    def _check_attached(self, status: int) -> None:
        """Checks the status of a call that attaches a new other end."""
        if status == lib.BB_E_BUSY:
            raise _errors.StateError(f"{self!r}: the other end is still open: close it first", status)
        self._check(status)

    def _busy(self) -> _errors.StateError:
        message = f"{self!r} is in use by another thread or task: an end has one user at a time"
        return _errors.StateError(message, lib.BB_E_BUSY)

    def _check_unused(self) -> None:
        if self._waiter is not None:
            raise self._busy()

    def _wait_interruptible(self, timeout: float | None, call: Callable[[int], int]) -> int:
        """Returns the status of `call(nanoseconds)`, which runs without the GIL."""
        self._check_unused()
        return interruptible(timeout, call)

    def _arm(self, *arguments: int) -> bool:
        """Arms the descriptor and returns True; returns False if the condition is true already."""
        self._check_unused()
        status = self._call("arm", self._pointer(), *arguments)
        if status == self._armed_status:
            return True
        self._check(status)
        return False

    async def _until_readable(self, deadline: Deadline) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        self._is_awaited = True
        try:
            await wait_readable(self.fileno(), self._waiter, deadline.seconds())
        finally:
            self._waiter, self._is_awaited = None, False
            self._destroy_ended()

    def _destroy_ended(self) -> None:
        """Destroys a closed end whose handle was kept: once, even if two threads call this."""
        pointer = self.__dict__.pop("_pending_destroy", None)
        if pointer is not None:
            self._call("destroy", pointer)

    def _wake(self) -> bool:
        """Wakes the waiting task. Returns False if there is none, or its loop is closed."""
        waiter = self._waiter
        if waiter is None:
            return False
        try:
            waiter.get_loop().call_soon_threadsafe(wake, waiter)
        except RuntimeError:  # the loop is closed; a check before the call could not prevent this
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
