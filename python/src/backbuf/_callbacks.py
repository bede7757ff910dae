"""Python functions that the library calls: kept while it may, their exceptions caught, and gone before the interpreter is."""

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

from ._errors import check, error
from ._layout import Layout, unsigned
from ._library import address, ffi, lib
from ._memory import Array, LeasedMemory, Memory

_keys = itertools.count(1)
_kept: dict[int, list[object]] = {}
_lock = threading.RLock()


def keep(thing: object, user_data: int | None = None) -> Any:
    """`user_data` for a callback, by default a number that stands for `thing`; which is kept until the library runs the
    `drop_function` on it."""
    key = next(_keys) if user_data is None else user_data
    with _lock:
        _kept.setdefault(key, []).append(thing)
    return ffi.cast("void *", key)


def forget(user_data: Any) -> None:
    """The end of one `keep`; also for a call that the library has refused, which drops nothing."""
    key = address(user_data)
    with _lock:
        things = _kept.get(key)
        if things and len(things) > 1:
            things.pop()
        else:
            things = _kept.pop(key, None)
    # What is let go here may run code of its own, outside of the lock.
    del things


def made_once(make: Callable[[], Any]) -> Callable[[], Any]:
    """`make` with its value kept. Where threads ask at the same time it is called once, unlike with `functools.cache`: of two C
    functions for the same thing one would be freed while the library may still call it."""
    made: list[Any] = []

    @functools.wraps(make)
    def get() -> Any:
        with _lock:
            if not made:
                made.append(make())
            return made[0]

    return get


@made_once
def _drop_function() -> Any:
    return ffi.callback("bb_drop_fn", forget)


@functools.cache
def drop_function() -> Any:
    """The drop function of all callbacks, announced to the library, so that `end` can end them. Call it before `keep`."""
    function = _drop_function()
    check(lib.bb_begin_callbacks(function))
    return function


class Carried:
    """The exceptions of one manager's callbacks, on their way to the call that waits for them."""

    __slots__ = ("__weakref__", "flush", "kernels")

    def __init__(self) -> None:
        self.flush: BaseException | None = None
        self.kernels: collections.deque[BaseException] = collections.deque()

    def finish(self, status: int) -> None:
        """Ends a synchronize: raises what a callback raised, or the status."""
        flush = self.flush
        if status == lib.BB_E_BACKEND and flush is not None:
            raise flush from error(status)
        if status != 0:
            raise error(status)
        if self.kernels:
            raise self.kernels.popleft()


class Flush:
    """A flush callback: `function()` returns None or 0 when the work is done, or a code that BackendError tells."""

    def __init__(self, function: Callable[[], int | None], carried: Carried) -> None:
        self.function, self.carried = function, weakref.ref(carried)

    def run(self) -> int:
        failure, code = None, -1
        try:
            code = int(self.function() or 0)
        except BaseException as exception:
            failure = exception
        carried = self.carried()
        if carried is not None:
            carried.flush = failure
        return code


@made_once
def flush_function() -> Any:
    def run(user_data: Any) -> int:
        (flush,) = _kept[address(user_data)]
        assert isinstance(flush, Flush)
        return flush.run()

    return ffi.callback("bb_flush_fn", run, error=-1)


class Kernel:
    """A Python function as a kernel: `function(back, front)` gets the range of both copies as 1-d arrays.

    The arrays may be kept: that of the back copy has memory of its own, which is copied into the state when the function
    returns, and that of the front holds a lease. A function that raises changes nothing.
    """

    def __init__(
        self, function: Callable[[Array, Array], object], layout: Layout, manager: Any, carried: Carried, struct: Any
    ) -> None:
        self.function, self.dtype, self.manager, self.carried = function, layout.dtype, manager, weakref.ref(carried)
        self.offset, self.overwrites = int(struct.byte_offset), bool(struct.flags & lib.BB_KERNEL_OVERWRITES)

    def run(self, back: int, front: int, count: int) -> None:
        size = count * self.dtype.itemsize
        state, before = (Memory(place, size, True, None).array(np.dtype(np.uint8), (size,)) for place in (back, front))
        own = before.copy() if self.overwrites else state.copy()
        try:
            self.function(own.view(self.dtype), self._front(before))
        except BaseException as exception:
            if self.overwrites:  # else nothing was brought up to date
                state[:] = before
            carried = self.carried()
            if carried is not None:
                carried.kernels.append(exception)
        else:
            state[:] = own

    def _front(self, range_: Array) -> Array:
        """The range of the front, by a lease; by a copy where the manager is being destroyed."""
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


@made_once
def kernel_function() -> Any:
    def run(back: Any, front: Any, count: int, user_data: Any) -> None:
        (kernel,) = _kept[address(user_data)]
        assert isinstance(kernel, Kernel)
        kernel.run(address(back), address(front), count)

    return ffi.callback("bb_kernel_fn", run)


def native_address(thing: Any, what: str) -> int | None:
    """The address that an int, a cffi or ctypes pointer, or a Numba `@cfunc` stands for; None for everything else."""
    if isinstance(thing, bool):
        raise TypeError(f"{what} is a bool: give an address")
    if isinstance(thing, int):
        return thing
    if isinstance(thing, ffi.CData):
        return address(thing)
    # The public bases of all ctypes functions and pointers have no public names.
    if isinstance(thing, (ctypes._CFuncPtr, ctypes._Pointer, ctypes.c_void_p)):  # type: ignore[attr-defined]
        return ctypes.cast(thing, ctypes.c_void_p).value or 0
    found = getattr(thing, "address", None)
    return found if isinstance(found, int) else None


def check_signature(kernel: Any, dtype: np.dtype[Any]) -> None:
    """Refuses a Numba `@cfunc` that is no kernel of a state of that dtype. Of other native functions nothing is known."""
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
            # Elements that are no numbers are bytes that a kernel may see in its own way.
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
    """The address that `user_data` stands for, and what must be kept for it."""
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
    """A `bb_kernel`, as a context manager around the call that hands it over: what is kept for it goes if that fails."""

    def __init__(
        self,
        layout: Layout,
        manager: Any,
        carried: Carried,
        kernel: Any,
        user_data: Any,
        byte_offset: int,
        count: int | None,
        any_thread: bool,
        overwrites: bool,
    ) -> None:
        self._keeps = False
        self.struct = struct = ffi.new("bb_kernel *")
        struct.byte_offset = unsigned(byte_offset, "byte_offset")
        rest = max(0, layout.elements - byte_offset // layout.itemsize)
        struct.count = rest if count is None else unsigned(count, "count")
        struct.flags = any_thread * lib.BB_KERNEL_ANY_THREAD | overwrites * lib.BB_KERNEL_OVERWRITES
        function = native_address(kernel, "kernel")
        if function is not None:
            check_signature(kernel, layout.dtype)
            struct.function = ffi.cast("bb_kernel_fn", function)
            data, kept = data_address(user_data)
            struct.user_data = ffi.cast("void *", data)
            if kept is not None or not isinstance(kernel, int):
                self._keep((kernel, kept), data)
        elif not callable(kernel):
            raise TypeError(f"kernel is a {type(kernel).__name__}: give an address, a native function or a Python function")
        elif user_data is not None:
            raise TypeError("user_data is for native kernels: a Python function brings its own data along")
        else:
            struct.function = kernel_function()
            self._keep(Kernel(kernel, layout, manager, carried, struct), None)

    def _keep(self, thing: object, user_data: int | None) -> None:
        self.struct.drop = drop_function()
        self._keeps = True
        self.struct.user_data = keep(thing, user_data)

    def __enter__(self) -> Any:
        return self.struct

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None and self._keeps:
            forget(self.struct.user_data)


def end() -> None:
    """The interpreter ends: callbacks that managers of other owners have still to call are waited for while they go on (2
    seconds at most), and the rest are dropped."""
    if not _kept:
        return
    last = time.monotonic() + 2.0
    left, stands = len(_kept), time.monotonic() + 0.5
    while _kept and time.monotonic() < min(last, stands):
        time.sleep(0.001)
        if len(_kept) != left:
            left, stands = len(_kept), time.monotonic() + 0.5
    drop = drop_function()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(drop))  # for ever: no other function may have its address
    status = lib.bb_end_callbacks(drop, 2_000_000_000)
    if status != 0:
        text = "Python callbacks that the library may still be in have not ended before the interpreter's end"
        warnings.warn(f"{text}: {error(status)}", RuntimeWarning, stacklevel=1)
    if _kept:
        text = "dropped: managers that do not belong to Python have not called them before the interpreter's end"
        warnings.warn(f"{len(_kept)} Python callbacks are {text}", RuntimeWarning, stacklevel=1)


def _in_child() -> None:
    """The parent's callbacks are the parent's."""
    global _lock
    _lock = threading.RLock()
    _kept.clear()
    drop_function.cache_clear()  # announced in the parent only


os.register_at_fork(after_in_child=_in_child)
