"""Queued writes of one array: the state of a manager, or one of its fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import _callbacks
from ._layout import Layout, PutStructs, RegionStruct, UpdateStruct, fill_of, pointer, update_of, updates_of
from ._library import ffi, hot, lib
from ._wait import interruptible

if TYPE_CHECKING:
    from ._manager_writes import ManagerWrites

if TYPE_CHECKING or hot is None:

    class HotBase:
        """The attributes of the extension's base type, without the extension."""

        _fast_synchronize: bool
        _manager: Any = None
        _target = 0

        def _set_target(
            self, handle: int, dtype: object, kind: str, size: int, shape: tuple[int, ...], field: int, owner: object, /
        ) -> None:
            self._target, self._manager = handle, owner

        def _begin(self, manager: object, /) -> bool:
            return False

        def __setitem__(self, index: Any, value: Any) -> None:
            self._assign(index, value)  # type: ignore[attr-defined]  # of ArrayWrites

else:
    HotBase = hot.Hot


class ArrayWrites:
    """The writing methods of managers and fields. Any thread may call them."""

    _layout: Layout

    def _holder(self) -> ManagerWrites:
        """The manager."""
        raise NotImplementedError

    def enqueue(self, data: Any, byte_offset: int = 0, timeout: float | None = None) -> None:
        """Queues a write. The data is copied before the call returns.

        Args:
            data: An array of the state's dtype, a number for one element, raw bytes of whole elements, a `BufferUpdate`, or
                a list of `BufferUpdate`, which is queued as one batch.
            byte_offset: Offset in the state, in bytes.
            timeout: Seconds to wait while the queue is full; 0 does not wait, None waits without limit.

        Raises:
            TypeError: The dtype of `data` differs from the state's.
            OutOfRangeError: The write exceeds the state.
            FullError: The queue is full and the timeout is 0.
            WaitTimeoutError: The queue was full until the timeout expired.
            ClosedError: The manager is closed.

        >>> m = backbuf.CBufferManager(8, "f4")
        >>> m.enqueue(np.array([1, 2], "f4"), 4)
        >>> m.enqueue([backbuf.BufferUpdate(0, 1, 9.0), backbuf.BufferUpdate(16, 1, 5.0)])
        >>> _ = m.synchronize()
        >>> m.snapshot()
        array([9., 1., 2., 0., 5., 0., 0., 0.], dtype=float32)
        """
        if isinstance(data, list):
            if byte_offset:
                raise ValueError(f"byte_offset = {byte_offset}: each BufferUpdate of a list has its own offset")
            updates = updates_of(self._layout, data)
            structs = ffi.new("bb_update[]", len(updates))
            for number, update in enumerate(updates):
                structs[number] = update.struct[0]
            self._call(lib.bb_manager_enqueue_updates, timeout, structs, len(updates))
            return
        update = update_of(self._layout, data, byte_offset)
        self._call(lib.bb_manager_enqueue_update, timeout, update.struct)

    def enqueue_borrowed(
        self,
        data: Any,
        byte_offset: int = 0,
        timeout: float | None = None,
        *,
        done: Callable[[], object] | None = None,
    ) -> None:
        """Queues a write without copying the data before the call returns, for large arrays that do not change.

        The data is used in place and kept alive until the manager has copied it into the state and its worker has released
        it, which may be after the publish; a bytearray cannot be resized until then. Changes made to it meanwhile may or
        may not be in the state.

        Args:
            data: A contiguous array of the state's dtype, or a buffer of raw bytes.
            byte_offset: As for `enqueue`.
            timeout: As for `enqueue`.
            done: Called once without arguments when the library no longer reads the data, on the manager's worker, also if
                the manager is destroyed before it has applied the update. It must not wait for the manager. An exception goes
                to `sys.unraisablehook`. It is not called if this call fails, nor for an update that a manager of another
                owner still has at the interpreter's end.

        Raises:
            TypeError: The dtype of `data` differs from the state's, or `done` is not a function.
            BufferError: The data cannot be used in place.

        The other errors are those of `enqueue`.

        >>> m = backbuf.CBufferManager((1000, 1000), "f4")
        >>> m.enqueue_borrowed(np.ones((1000, 1000), "f4"))
        >>> _ = m.synchronize()
        >>> m.snapshot().sum()
        np.float32(1000000.0)
        """
        if done is not None and not callable(done):
            raise TypeError(f"done is a {type(done).__name__}: give a function without parameters, or None")
        array, owner = self._layout.borrowed(data), self._holder()
        manager = owner._pointer()
        update = UpdateStruct(self._layout, array, byte_offset).struct
        release = ffi.cast("bb_release_fn", _callbacks.drop_function())
        key = _callbacks.retain(_callbacks.Borrowed(array, done))
        owner._has_python_callbacks = True
        status = lib.BB_E_STATE

        def call(left: int) -> int:
            nonlocal status
            status = int(lib.bb_manager_enqueue_borrowed(manager, update, release, key, left))
            return status

        try:
            owner._check(interruptible(timeout, call))
        finally:
            if status != 0:  # refused: the library does not release it
                _callbacks.release(key)

    def fill(self, value: Any, byte_offset: int = 0, count: int | None = None, timeout: float | None = None) -> None:
        """Queues `count` copies of one element from `byte_offset` on; without a count, up to the end of the state.

        `timeout` and errors are those of `enqueue`.
        """
        element, start, many = fill_of(self._layout, value, byte_offset, count)
        self._call(lib.bb_manager_enqueue_fill, timeout, self._layout.field, start, many, pointer(element))

    def put(self, indices: Any, values: Any, timeout: float | None = None) -> None:
        """Queues writes of single elements by flat index, as one batch.

        Args:
            indices: Flat indices; negative ones count from the end.
            values: One value for each index; they are broadcast and cast as in `m[...] = values`.
            timeout: As for `enqueue`.

        >>> m = backbuf.CBufferManager((2, 3), "i4")
        >>> m.put([0, -1], [5, 6])
        >>> _ = m.synchronize()
        >>> m.snapshot()
        array([[5, 0, 0],
               [0, 0, 6]], dtype=int32)
        """
        puts = PutStructs(self._layout, indices, values)
        self._call(lib.bb_manager_enqueue_updates, timeout, puts.structs, puts.count)

    def enqueue_kernel(
        self,
        kernel: Any,
        user_data: Any = None,
        *,
        byte_offset: int = 0,
        count: int | None = None,
        any_thread: bool = False,
        overwrites: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Queues a function that modifies a range of the back copy, after all earlier writes.

        Args:
            kernel: A native function, which runs without the GIL: the address of a `void (*)(void *back, const void *front,
                uint64_t count, void *user_data)`, a Numba `@cfunc`, or a ctypes or cffi function. Or a Python function
                `(back, front)`, which gets the range of both copies as 1-d arrays and may keep them; its changes are copied
                into the state when it returns.
            user_data: Passed to a native kernel and kept alive for it: an address, a cffi or ctypes object, or a NumPy
                array.
            byte_offset: Begin of the range, in bytes.
            count: Number of elements; None extends the range to the end of the state.
            any_thread: Whether a synchronizing thread may run it; otherwise only the worker does.
            overwrites: Whether it writes the whole range and reads nothing of it.
            timeout: As for `enqueue`.

        The next `synchronize` raises the exception of a Python kernel, which then has changed nothing.

        >>> m = backbuf.CBufferManager(4, "f4", initial=[1, 2, 3, 4])
        >>> m.enqueue_kernel(lambda back, front: np.multiply(front, 10, out=back))
        >>> _ = m.synchronize()
        >>> m.snapshot()
        array([10., 20., 30., 40.], dtype=float32)
        """
        how = (user_data, byte_offset, count, any_thread, overwrites)
        with self._holder()._kernel(self._layout, kernel, *how) as struct:
            self._call(lib.bb_manager_enqueue_kernel, timeout, struct)

    def _assign(self, index: Any, value: Any) -> None:
        """`self[index] = value`, which the base type calls."""
        region = RegionStruct(self._layout, index, value)
        self._call(lib.bb_manager_enqueue_region, None, region.struct)

    def _call(self, function: Callable[..., int], timeout: float | None, *arguments: Any) -> None:
        holder = self._holder()
        manager = holder._pointer()
        holder._check(interruptible(timeout, lambda left: function(manager, *arguments, left)))
