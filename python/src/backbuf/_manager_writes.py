"""Queued writes of a manager: updates, fills, regions, kernels, batches, the back copy, and tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy.typing as npt

from . import _callbacks
from ._arguments import unsigned
from ._batch import Back, Batch, Task
from ._layout import PutStructs, RegionStruct, UpdateStruct, fill_of, pointer, update_of, updates_of
from ._library import ffi, lib
from ._manager_handle import ManagerHandle
from ._wait import interruptible


class ManagerWrites(ManagerHandle):
    """The writing methods of a manager; base class of `CBufferManager`. Any thread may call them."""

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
            self._wait(lib.bb_manager_enqueue_updates, timeout, structs, len(updates))
            return
        update = update_of(self._layout, data, byte_offset)
        self._wait(lib.bb_manager_enqueue_update, timeout, update.struct)

    def enqueue_borrowed(self, data: Any, byte_offset: int = 0, timeout: float | None = None) -> None:
        """Queues a write without copying the data before the call returns, for large arrays that do not change.

        The data is used in place and kept alive until the manager has copied it into the state and its worker has released
        it, which may be after the publish; a bytearray cannot be resized until then. Changes made to it meanwhile may or
        may not be in the state.

        Args:
            data: A contiguous array of the state's dtype, or a buffer of raw bytes.
            byte_offset: As for `enqueue`.
            timeout: As for `enqueue`.

        Raises:
            TypeError: The dtype of `data` differs from the state's.
            BufferError: The data cannot be used in place.

        The other errors are those of `enqueue`.

        >>> m = backbuf.CBufferManager((1000, 1000), "f4")
        >>> m.enqueue_borrowed(np.ones((1000, 1000), "f4"))
        >>> _ = m.synchronize()
        >>> m.snapshot().sum()
        np.float32(1000000.0)
        """
        array, manager = self._layout.borrowed(data), self._pointer()
        update = UpdateStruct(self._layout, array, byte_offset).struct
        release = ffi.cast("bb_release_fn", _callbacks.drop_function())
        key = _callbacks.retain(_callbacks.Borrowed(array))
        self._has_python_callbacks = True
        status = lib.BB_E_STATE

        def call(left: int) -> int:
            nonlocal status
            status = int(lib.bb_manager_enqueue_borrowed(manager, update, release, key, left))
            return status

        try:
            self._check(interruptible(timeout, call))
        finally:
            if status != 0:  # refused: the library does not release it
                _callbacks.release(key)

    def fill(self, value: Any, byte_offset: int = 0, count: int | None = None, timeout: float | None = None) -> None:
        """Queues `count` copies of one element from `byte_offset` on; without a count, up to the end of the state.

        `timeout` and errors are those of `enqueue`.
        """
        element, start, many = fill_of(self._layout, value, byte_offset, count)
        self._wait(lib.bb_manager_enqueue_fill, timeout, 0, start, many, pointer(element))

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
        self._wait(lib.bb_manager_enqueue_updates, timeout, puts.structs, puts.count)

    def tag(self, tag: int, timeout: float | None = None) -> None:
        """Queues a number, such as a step of the simulation: fronts have it as `tag` once they contain all earlier writes."""
        self._wait(lib.bb_manager_enqueue_tag, timeout, unsigned(tag, "tag"))

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
        with self._kernel(kernel, user_data, byte_offset, count, any_thread, overwrites) as struct:
            self._wait(lib.bb_manager_enqueue_kernel, timeout, struct)

    def batch(self, timeout: float | None = None) -> Batch:
        """Groups writes that are published together, even if another thread synchronizes in between. An exception in the block
        cancels them.

        `timeout` limits the wait for space in the queue at the end of the block, as for `enqueue`.

        >>> m = backbuf.CBufferManager((3, 3), "u1")
        >>> with m.batch() as b:
        ...     b[0, :] = 1
        ...     b[:, 0] = 2
        >>> _ = m.synchronize()
        >>> m.snapshot()
        array([[2, 1, 1],
               [2, 0, 0],
               [2, 0, 0]], dtype=uint8)
        """
        return Batch(self, timeout)

    def back(self, discard: bool = False, tag: int = 0, timeout: float | None = None) -> Back:
        """Reserves the back copy as a writable array for a `with` block, for loops that compute a step from the front.

        The end of the block commits; an exception undoes all changes. Other writers queue meanwhile.

        After the block the array is read-only, and its content is unspecified. A view that outlives the block (a slice, a
        memoryview, a tensor) keeps its content and stays writable, but no longer refers to the state: the end of the block
        then copies the state, which `del view` before the end avoids.

        Args:
            discard: Whether the block rewrites the whole state, so that its earlier content need not be copied to the back
                copy first.
            tag: The tag that the commit sets; see `tag`.
            timeout: Seconds to wait while another thread has the back copy; None waits without limit.

        Raises:
            PinnedError: Fronts hold every copy of the state.
            WaitTimeoutError: The timeout expired.

        >>> m = backbuf.CBufferManager(3, "f8", initial=[1, 2, 3])
        >>> with m.back(discard=True, tag=7) as a:
        ...     a[:] = [4, 5, 6]
        >>> _ = m.synchronize()
        >>> m.front().tag, m.snapshot()
        (7, array([4., 5., 6.]))
        """
        return Back(self, discard, tag, timeout)

    def task(self, label: str) -> Task:
        """Begins work outside the manager that the next publish waits for: `with m.task("upload"): ...`, or `.end()`."""
        return Task(self, label)

    def _assign(self, index: Any, value: Any) -> None:
        """`self[index] = value`, which the base class calls."""
        region = RegionStruct(self._layout, index, value)
        self._wait(lib.bb_manager_enqueue_region, None, region.struct)

    def __getitem__(self, index: Any) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be read by index (writes are queued): use m.front() or m.snapshot()")

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is not an array (it changes): use m.front().array or m.snapshot()")

    def _kernel(self, kernel: Any, *how: Any) -> _callbacks.KernelStruct:
        if _callbacks.native_address(kernel, "kernel") is None:
            self._has_python_callbacks, self._fast_synchronize = True, False
        return _callbacks.KernelStruct(self._layout, self._pointer(), self._callback_errors, kernel, *how)

    def _wait(self, function: Callable[..., int], timeout: float | None, *arguments: Any) -> None:
        manager = self._pointer()
        self._check(interruptible(timeout, lambda left: function(manager, *arguments, left)))
