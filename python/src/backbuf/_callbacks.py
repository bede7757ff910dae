"""Python callbacks of the library: object lifetimes, exceptions, kernel structs, and their end before the interpreter's."""

from __future__ import annotations

import collections
import ctypes
import functools
import itertools
import os
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from ._arguments import flag, unsigned
from ._errors import check, error
from ._layout import Layout
from ._library import address, ffi, lib
from ._memory import Array, LeasedMemory, Memory

_keys = itertools.count(1)
_retained: dict[int, list[object]] = {}
_lock = threading.RLock()


def retain(thing: object, user_data: int | None = None) -> Any:
    """Returns the `user_data` of a callback and keeps `thing` alive until the library calls the `drop_function` with it.

    `user_data` is a new number by default.
    """
    key = next(_keys) if user_data is None else user_data
    with _lock:
        _retained.setdefault(key, []).append(thing)
    return ffi.cast("void *", key)


def release(user_data: Any) -> object:
    """Undoes one `retain` and returns the object. Also called after the library has refused a callback, since it drops nothing
    then.
    """
    key = address(user_data)
    with _lock:
        things = _retained.get(key)
        if things and len(things) > 1:
            return things.pop()
        things = _retained.pop(key, None)
    return things[0] if things else None


def _drop(user_data: Any) -> None:
    """The library's release of a callback. The object's finalizer runs here, outside the lock."""
    thing = release(user_data)
    if isinstance(thing, Borrowed):
        thing.released()


def call_once(make: Callable[[], Any]) -> Callable[[], Any]:
    """Wraps `make` so that it is called once and its result is kept.

    Unlike `functools.cache`, concurrent first calls run `make` once: with two C functions for one purpose, one would be
    freed while the library may still call it.
    """
    made: list[Any] = []

    @functools.wraps(make)
    def get() -> Any:
        with _lock:
            if not made:
                made.append(make())
            return made[0]

    return get


@call_once
def _drop_function() -> Any:
    return ffi.callback("bb_drop_fn", _drop)


@functools.cache
def drop_function() -> Any:
    """The drop function of all callbacks, registered with the library so that `end` can end them. Call this before `retain`."""
    function = _drop_function()
    check(lib.bb_begin_callbacks(function))
    return function


class CallbackErrors:
    """Exceptions of one manager's callbacks, until the call that waits for the callbacks raises them."""

    __slots__ = ("__weakref__", "flush", "kernels")

    def __init__(self) -> None:
        self.flush: BaseException | None = None
        self.kernels: collections.deque[BaseException] = collections.deque()

    def finish(self, status: int) -> None:
        """Ends a synchronize: raises the exception of a callback, or the exception for the status."""
        flush = self.flush
        if status == lib.BB_E_BACKEND and flush is not None:
            raise flush from error(status)
        if status != 0:
            raise error(status)
        if self.kernels:
            raise self.kernels.popleft()


class _CallAtEnd:
    """Calls a function when it is destroyed: exceptions of a finalizer go to `sys.unraisablehook`."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function

    def __del__(self) -> None:
        self.function()


class Borrowed:
    """Data that the library uses in place. The reference, and the export of its buffer, end with its release; then `done` is
    called.
    """

    __slots__ = ("array", "done")

    def __init__(self, array: Array, done: Callable[[], object] | None) -> None:
        self.array: Array | None = array
        self.done = done

    def released(self) -> None:
        """Called by the library, on the manager's worker."""
        self.array = None
        if self.done is not None:
            _CallAtEnd(self.done)


class Flush:
    """A flush callback. `function()` returns None or 0 on success, or a code that BackendError reports."""

    def __init__(self, function: Callable[[], int | None], errors: CallbackErrors) -> None:
        self.function, self.errors = function, weakref.ref(errors)

    def run(self) -> int:
        failure, code = None, -1
        try:
            code = int(self.function() or 0)
        except BaseException as exception:
            failure = exception
        errors = self.errors()
        if errors is not None:
            errors.flush = failure
        return code


@call_once
def flush_function() -> Any:
    def run(user_data: Any) -> int:
        (flush,) = _retained[address(user_data)]
        assert isinstance(flush, Flush)
        return flush.run()

    return ffi.callback("bb_flush_fn", run, error=-1)


class Kernel:
    """A Python function as a kernel; `function(back, front)` gets the range of both copies as 1-d arrays.

    The function may keep both arrays. The back array is a copy, which is copied into the state when the function returns;
    the front array holds a lease. A function that raises changes nothing.
    """

    def __init__(
        self, function: Callable[[Array, Array], object], layout: Layout, manager: Any, errors: CallbackErrors, struct: Any
    ) -> None:
        self.function, self.dtype, self.manager, self.errors = function, layout.dtype, manager, weakref.ref(errors)
        self.offset, self.overwrites = (
            layout.byte_offset + int(struct.byte_offset),
            bool(struct.flags & lib.BB_KERNEL_OVERWRITES),
        )

    def run(self, back: int, front: int, count: int) -> None:
        size = count * self.dtype.itemsize
        state, before = (Memory(start, size, True, None).array(np.dtype(np.uint8), (size,)) for start in (back, front))
        own = before.copy() if self.overwrites else state.copy()
        try:
            self.function(own.view(self.dtype), self._front(before))
        except BaseException as exception:
            if self.overwrites:  # otherwise the state already equals the front here
                state[:] = before
            errors = self.errors()
            if errors is not None:
                errors.kernels.append(exception)
        else:
            state[:] = own

    def _front(self, range_: Array) -> Array:
        """The front's range under a lease, or as a copy if the manager is being destroyed."""
        front = ffi.new("bb_front *")
        if lib.bb_manager_acquire_front(self.manager, front) != 0:
            kept = range_.copy()
            kept.flags.writeable = False
            copied: Array = kept.view(self.dtype)
            return copied
        memory = LeasedMemory(address(front.data), front.bytes, False, front.lease)
        whole: Array = memory.array(np.dtype(np.uint8), (front.bytes,))
        found: Array = whole[self.offset : self.offset + range_.size].view(self.dtype)
        return found


@call_once
def kernel_function() -> Any:
    def run(back: Any, front: Any, count: int, user_data: Any) -> None:
        (kernel,) = _retained[address(user_data)]
        assert isinstance(kernel, Kernel)
        kernel.run(address(back), address(front), count)

    return ffi.callback("bb_kernel_fn", run)


def native_address(thing: Any, what: str) -> int | None:
    """The address of an int, a cffi or ctypes pointer, or a Numba `@cfunc`; None for everything else."""
    if isinstance(thing, bool):
        raise TypeError(f"{what} is a bool: give an address")
    if isinstance(thing, int):
        return thing
    if isinstance(thing, ffi.CData):
        return address(thing)
    # The base classes of all ctypes functions and pointers have no public names.
    if isinstance(thing, (ctypes._CFuncPtr, ctypes._Pointer, ctypes.c_void_p)):  # type: ignore[attr-defined]
        return ctypes.cast(thing, ctypes.c_void_p).value or 0
    found = getattr(thing, "address", None)
    return found if isinstance(found, int) else None


def check_signature(kernel: Any, dtype: np.dtype[Any]) -> None:
    """Rejects a Numba `@cfunc` whose signature is not that of a kernel for this dtype. Other native functions have no
    known signature.
    """
    signature = getattr(kernel, "_sig", None)
    if signature is None or not type(kernel).__module__.startswith("numba."):
        return
    from numba import types
    from numba.core.errors import NumbaError
    from numba.np.numpy_support import as_dtype

    def is_range(argument: Any) -> bool:
        if argument == types.voidptr or not isinstance(argument, types.CPointer):
            return bool(argument == types.voidptr)
        try:
            # Elements that are not numbers are bytes, which a kernel may interpret freely.
            return dtype.kind not in "biufc" or as_dtype(argument.dtype) == dtype
        except (NumbaError, NotImplementedError):
            return False

    found, number = signature.args, types.Integer
    fits = (
        len(found) == 4
        and signature.return_type in (types.void, types.none)
        and is_range(found[0])
        and is_range(found[1])
        and isinstance(found[2], number)
        and found[2].bitwidth == 64
        and (
            isinstance(found[3], (types.CPointer, types.RawPointer))
            or (isinstance(found[3], number) and found[3].bitwidth == 64)
        )
    )
    if not fits:
        element = f"types.CPointer(types.{dtype})" if dtype.kind in "iuf" else "types.voidptr"
        wanted = f"types.void({element}, {element}, types.uint64, types.voidptr)"
        raise TypeError(f"kernel is a Numba cfunc of {signature}, which does not fit a state of {dtype}: declare {wanted}")


def data_address(thing: Any) -> tuple[int, object]:
    """The address of `user_data`, and the object that must be kept alive for it."""
    if thing is None:
        return 0, None
    found = native_address(thing, "user_data")
    if found is not None:
        return found, None if isinstance(thing, int) else thing
    if isinstance(thing, (ctypes.Structure, ctypes.Union, ctypes.Array, ctypes._SimpleCData)):
        return ctypes.addressof(thing), thing
    if isinstance(thing, np.ndarray):
        return int(thing.ctypes.data), thing
    raise TypeError(f"user_data is a {type(thing).__name__}: give an address, a cffi or ctypes object, or a NumPy array")


class KernelStruct:
    """A `bb_kernel`, as a context manager around the call that passes it; if the call fails, the retained objects are
    released.
    """

    def __init__(
        self,
        layout: Layout,
        manager: Any,
        errors: CallbackErrors,
        kernel: Any,
        user_data: Any,
        byte_offset: int,
        count: int | None,
        any_thread: bool,
        overwrites: bool,
    ) -> None:
        self._retains = False
        self.struct = struct = ffi.new("bb_kernel *")
        struct.field, struct.byte_offset = layout.field, unsigned(byte_offset, "byte_offset")
        rest = max(0, layout.elements - byte_offset // layout.itemsize)
        struct.count = rest if count is None else unsigned(count, "count")
        is_any, is_whole = flag(any_thread, "any_thread"), flag(overwrites, "overwrites")
        struct.flags = is_any * lib.BB_KERNEL_ANY_THREAD | is_whole * lib.BB_KERNEL_OVERWRITES
        function = native_address(kernel, "kernel")
        if function is not None:
            check_signature(kernel, layout.dtype)
            struct.function = ffi.cast("bb_kernel_fn", function)
            data, kept = data_address(user_data)
            struct.user_data = ffi.cast("void *", data)
            if kept is not None or not isinstance(kernel, int):
                self._retain((kernel, kept), data)
        elif not callable(kernel):
            raise TypeError(f"kernel is a {type(kernel).__name__}: give an address, a native function or a Python function")
        elif user_data is not None:
            raise TypeError("user_data is for native kernels: a Python function can hold its own data")
        else:
            struct.function = kernel_function()
            self._retain(Kernel(kernel, layout, manager, errors, struct), None)

    def _retain(self, thing: object, user_data: int | None) -> None:
        self.struct.drop = drop_function()
        self._retains = True
        self.struct.user_data = retain(thing, user_data)

    def __enter__(self) -> Any:
        return self.struct

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None and self._retains:
            release(self.struct.user_data)


def end() -> None:
    """Ends all callbacks at the interpreter's end.

    Callbacks that managers of other owners have yet to call are waited for as long as some of them end (2 seconds at most);
    the rest are dropped with a warning.
    """
    if not _retained:
        return
    last = time.monotonic() + 2.0
    left, stands = len(_retained), time.monotonic() + 0.5
    while _retained and time.monotonic() < min(last, stands):
        time.sleep(0.001)
        if len(_retained) != left:
            left, stands = len(_retained), time.monotonic() + 0.5
    drop = drop_function()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(drop))  # never freed: no other function may get its address
    status = lib.bb_end_callbacks(drop, 2_000_000_000)
    if status != 0:
        text = "Python callbacks may still run at the interpreter's end"
        warnings.warn(f"{text}: {error(status)}", RuntimeWarning, stacklevel=1)
    if _retained:
        text = "are dropped: managers that Python does not own have not called them before the interpreter's end"
        warnings.warn(f"{len(_retained)} Python callbacks {text}", RuntimeWarning, stacklevel=1)
        for thing in (thing for things in _retained.values() for thing in things):
            if isinstance(thing, Borrowed):  # the managers may still read it: never freed
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _in_child() -> None:
    """Discards the parent's callbacks after a fork."""
    global _lock
    _lock = threading.RLock()
    _retained.clear()
    drop_function.cache_clear()  # registered in the parent only


os.register_at_fork(after_in_child=_in_child)
