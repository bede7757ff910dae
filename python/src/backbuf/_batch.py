"""Context managers of a manager's writes: batches, the reserved back copy, and tasks."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _errors
from ._arguments import c_text, unsigned
from ._layout import PutStructs, RegionStruct, fill_of, pointer, update_of, updates_of
from ._library import address, ffi, lib
from ._memory import Array, LeasedMemory, is_referenced
from ._owner import Unique
from ._wait import interruptible

if TYPE_CHECKING:
    from ._manager_writes import ManagerWrites


class Batch(Unique):
    """Writes that are queued and published together. Created by `CBufferManager.batch`.

    Each write is checked at once; a rejected write leaves the others in the batch.
    """

    def __init__(self, manager: ManagerWrites, timeout: float | None) -> None:
        self._batch = ffi.NULL
        self._manager, self._layout, self._timeout = manager, manager._layout, timeout
        batch = ffi.new("bb_batch **")
        _errors.check(lib.bb_batch_begin(manager._pointer(), batch))
        self._batch = batch[0]

    def enqueue(self, data: Any, byte_offset: int = 0) -> None:
        """Adds a write; see `CBufferManager.enqueue`."""
        many = isinstance(data, list)
        updates = updates_of(self._layout, data) if many else [update_of(self._layout, data, byte_offset)]
        for update in updates:
            _errors.check(lib.bb_batch_update(self._batch, update.struct))

    def fill(self, value: Any, byte_offset: int = 0, count: int | None = None) -> None:
        """Adds a fill; see `CBufferManager.fill`."""
        element, start, many = fill_of(self._layout, value, byte_offset, count)
        _errors.check(lib.bb_batch_fill(self._batch, 0, start, many, pointer(element)))

    def put(self, indices: Any, values: Any) -> None:
        """Adds writes of single elements; see `CBufferManager.put`."""
        puts = PutStructs(self._layout, indices, values)
        for number in range(puts.count):
            _errors.check(lib.bb_batch_update(self._batch, puts.structs + number))

    def __setitem__(self, index: Any, value: Any) -> None:
        region = RegionStruct(self._layout, index, value)
        _errors.check(lib.bb_batch_region(self._batch, region.struct))

    def kernel(
        self,
        kernel: Any,
        user_data: Any = None,
        *,
        byte_offset: int = 0,
        count: int | None = None,
        any_thread: bool = False,
        overwrites: bool = False,
    ) -> None:
        """Adds a kernel; see `CBufferManager.enqueue_kernel`."""
        with self._manager._kernel(kernel, user_data, byte_offset, count, any_thread, overwrites) as struct:
            _errors.check(lib.bb_batch_kernel(self._batch, struct))

    def tag(self, tag: int) -> None:
        """Adds a tag; see `CBufferManager.tag`."""
        _errors.check(lib.bb_batch_tag(self._batch, unsigned(tag, "tag")))

    def commit(self, timeout: float | None = None) -> None:
        """Queues the batch; the end of the `with` block does so by itself.

        A batch whose commit fails stays intact and can be committed again.

        Args:
            timeout: Seconds to wait for space in the queue; None waits without limit.

        Raises:
            FullError: The timeout is 0 and the queue has no space.
            WaitTimeoutError: The queue had no space within the timeout.
        """
        _errors.check(interruptible(timeout, lambda left: int(lib.bb_batch_commit(self._batch, left))))
        self._batch = ffi.NULL

    def cancel(self) -> None:
        """Discards the batch. Repeated calls are allowed."""
        batch, self._batch = self.__dict__.get("_batch", ffi.NULL), ffi.NULL
        lib.bb_batch_cancel(batch)

    __del__ = cancel

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None and self._batch:
                self.commit(self._timeout)
        finally:
            self.cancel()


class Back(Unique):
    """The back copy, reserved for one `with` block. Created by `CBufferManager.back`."""

    def __init__(self, manager: ManagerWrites, discard: bool, tag: int, timeout: float | None) -> None:
        self._manager, self._layout, self._timeout = manager, manager._layout, timeout
        self._flags = lib.BB_BACK_DISCARD if discard else lib.BB_BACK_KEEP
        self.tag = unsigned(tag, "tag")
        """The tag that the commit sets; it may be changed inside the block."""
        self._back: Any = None
        self._handle: Any = None
        self._array: list[Array] = []

    @property
    def front(self) -> Array:
        """The front that the back copy is based on, read-only. An array that is kept holds the front's memory."""
        if self._back is None:
            raise ValueError("front is available only inside the `with` block")
        return self._manager.front().array  # nothing is published while the back copy is reserved

    def __enter__(self) -> Array:
        if self._back is not None:
            raise _errors.StateError("this back copy is already reserved: call back() again", lib.BB_E_STATE)
        owner, back, lease = self._manager, ffi.new("bb_back *"), ffi.new("bb_lease **")
        manager = self._handle = owner._pointer()
        flags = self._flags
        owner._check(interruptible(self._timeout, lambda left: int(lib.bb_manager_reserve_back(manager, flags, left, back))))
        # From here on another thread may destroy the manager; the lease keeps the memory mapped.
        status = lib.bb_manager_lease_back(manager, back, lease)
        if status != 0:
            failure = owner._error(status)
            lib.bb_manager_cancel_back(manager, back)
            raise failure
        memory = LeasedMemory(address(back.data), back.bytes, True, lease[0])
        self._back, self._array = back, [memory.array(self._layout.dtype, self._layout.shape)]
        return self._array[0]

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        back, array = self._back, self._array
        if back is None:
            raise _errors.StateError("this back copy is not reserved: use it in a `with` block", lib.BB_E_STATE)
        self._back, self._array = None, []
        # Before the references are counted, so that a view that another thread creates now is read-only too.
        array[0].flags.writeable = False
        referenced = is_referenced(array, sys._getframe(1))
        owner, manager = self._manager, self._manager._id
        status = lib.BB_E_CLOSED if manager is None else 0
        if status == 0 and referenced:
            status = lib.bb_manager_replace_back(manager, back, back)
        failure = None if status == 0 else owner._error(status)
        if kind is not None or failure is not None:
            # Also after the manager was destroyed: this frees the memory that the reservation kept.
            lib.bb_manager_cancel_back(self._handle, back)
        elif failure is None:
            owner._check(lib.bb_manager_commit_back(manager, back, self.tag))
        if kind is None and failure is not None:
            raise failure


class Task(Unique):
    """Labelled work outside the manager that the next publish waits for. Created by `CBufferManager.task`."""

    def __init__(self, manager: ManagerWrites, label: str) -> None:
        task = ffi.new("bb_task **")
        _errors.check(lib.bb_task_begin(manager._pointer(), c_text(label, "label"), task))
        self._task = task[0]

    def end(self) -> None:
        """Marks the work as done.

        Raises:
            HandleError: The task has already ended.
        """
        _errors.check(lib.bb_task_end(self._task))

    def __enter__(self) -> Task:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.end()
