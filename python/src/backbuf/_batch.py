"""Batches of a manager's writes, and tasks."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from . import _errors
from ._arguments import c_text, unsigned
from ._array_writes import HotBase
from ._layout import Layout, PutStructs, RegionStruct, fill_of, pointer, update_of, updates_of
from ._library import address, ffi, lib, use_extension
from ._owner import Unique
from ._wait import interruptible

if TYPE_CHECKING:
    from ._manager_writes import ManagerWrites


class BatchWrites(HotBase, Unique):
    """The writing methods of a batch for one array; base class of `Batch`, and the type of `batch["name"]`.

    Each write is checked at once; a rejected write leaves the others in the batch.
    """

    _layout: Layout

    def _batched(self) -> Batch:
        """The batch."""
        raise NotImplementedError

    def _fail(self, status: int) -> NoReturn:
        _errors.fail(status)

    def enqueue(self, data: Any, byte_offset: int = 0) -> None:
        """Adds a write; see `CBufferManager.enqueue`."""
        many = isinstance(data, list)
        updates = updates_of(self._layout, data) if many else [update_of(self._layout, data, byte_offset)]
        for update in updates:
            _errors.check(lib.bb_batch_update(self._batched()._batch, update.struct))

    def fill(self, value: Any, byte_offset: int = 0, count: int | None = None) -> None:
        """Adds a fill; see `CBufferManager.fill`."""
        element, start, many = fill_of(self._layout, value, byte_offset, count)
        _errors.check(lib.bb_batch_fill(self._batched()._batch, self._layout.field, start, many, pointer(element)))

    def put(self, indices: Any, values: Any) -> None:
        """Adds writes of single elements; see `CBufferManager.put`."""
        puts = PutStructs(self._layout, indices, values)
        for number in range(puts.count):
            _errors.check(lib.bb_batch_update(self._batched()._batch, puts.structs + number))

    def _assign(self, index: Any, value: Any) -> None:
        """`self[index] = value`, which the base type calls."""
        region = RegionStruct(self._layout, index, value)
        _errors.check(lib.bb_batch_region(self._batched()._batch, region.struct))

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
        batch = self._batched()
        how = (user_data, byte_offset, count, any_thread, overwrites)
        with batch._parent._kernel(self._layout, kernel, *how) as struct:
            _errors.check(lib.bb_batch_kernel(batch._batch, struct))


class BatchField(BatchWrites):
    """One field of a batch: `batch["qpos"][:] = values`."""

    def __init__(self, batch: Batch, layout: Layout) -> None:
        self._of, self._layout = batch, layout
        self._set_target(0, layout.dtype, layout.kind, layout.itemsize, layout.shape, layout.field, batch)

    def _batched(self) -> Batch:
        return self._of


class Batch(BatchWrites):
    """Writes that are queued and published together. Created by `CBufferManager.batch`.

    Each write is checked at once; a rejected write leaves the others in the batch.
    """

    def __init__(self, manager: ManagerWrites, timeout: float | None) -> None:
        self._parent, self._layout, self._timeout = manager, manager._layout, timeout
        if not self._begin(manager):
            batch = ffi.new("bb_batch **")
            _errors.check(lib.bb_batch_begin(manager._pointer(), batch))
            self._target = address(batch[0])

    def _batched(self) -> Batch:
        return self

    @property
    def _batch(self) -> Any:
        if not self._target:
            raise _errors.closed("the batch", "it was committed or cancelled: begin another one by batch()")
        return ffi.cast("bb_batch *", self._target)

    def __getitem__(self, name: str) -> BatchField:
        """The field of this name, for writes."""
        if not isinstance(name, str):
            raise TypeError(f"index {name!r}: a batch cannot be read; a name gives a field, for writes")
        return BatchField(self, self._parent._table.layout(name))

    def _assign(self, index: Any, value: Any) -> None:
        table = self._parent._table
        if isinstance(index, str) and (table.array is None or index in table.layouts):
            self[index][...] = value
        else:
            super()._assign(index, value)

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
        self._target = 0

    def cancel(self) -> None:
        """Discards the batch. Repeated calls are allowed."""
        if self._target:
            batch, self._target = self._batch, 0
            lib.bb_batch_cancel(batch)

    __del__ = cancel

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None and self._target:
                self.commit(self._timeout)
        finally:
            self.cancel()


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


use_extension(BatchField, "enqueue", "put")
use_extension(Batch, "enqueue", "put", "commit")
