"""What is used by `with`: batches, the back copy in hand, tasks."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _errors
from ._layout import Puts, Region, fill_of, pointer, unsigned, update_of, updates_of
from ._library import address, ffi, lib
from ._memory import Array
from ._owner import memory
from ._wait import waiting

if TYPE_CHECKING:
    from ._manager import CBufferManager


class Batch:
    """Writes that become one. See `CBufferManager.batch`; each is checked at once, and a bad one leaves the others in place."""

    def __init__(self, manager: CBufferManager, timeout: float | None) -> None:
        self._batch = ffi.NULL
        self._manager, self._layout, self._timeout = manager, manager._layout, timeout
        batch = ffi.new("bb_batch **")
        _errors.check(lib.bb_batch_begin(manager._pointer(), batch))
        self._batch = batch[0]

    def enqueue(self, data: Any, byte_offset: int = 0) -> None:
        """As `CBufferManager.enqueue`."""
        many = isinstance(data, list)
        updates = updates_of(self._layout, data) if many else [update_of(self._layout, data, byte_offset)]
        for update in updates:
            _errors.check(lib.bb_batch_update(self._batch, update.struct))

    def fill(self, value: Any, byte_offset: int = 0, count: int | None = None) -> None:
        """As `CBufferManager.fill`."""
        element, start, many = fill_of(self._layout, value, byte_offset, count)
        _errors.check(lib.bb_batch_fill(self._batch, start, many, pointer(element)))

    def put(self, indices: Any, values: Any) -> None:
        """As `CBufferManager.put`."""
        puts = Puts(self._layout, indices, values)
        for place in range(puts.count):
            _errors.check(lib.bb_batch_update(self._batch, puts.structs + place))

    def __setitem__(self, index: Any, value: Any) -> None:
        region = Region(self._layout, index, value)
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
        """As `CBufferManager.enqueue_kernel`."""
        with self._manager._kernel(kernel, user_data, byte_offset, count, any_thread, overwrites) as struct:
            _errors.check(lib.bb_batch_kernel(self._batch, struct))

    def tag(self, tag: int) -> None:
        """As `CBufferManager.tag`."""
        _errors.check(lib.bb_batch_tag(self._batch, unsigned(tag, "tag")))

    def commit(self, timeout: float | None = None) -> None:
        """Queues the batch; the block's end does it by itself. Refused, it stays and can be committed again."""
        _errors.check(waiting(timeout, lambda left: int(lib.bb_batch_commit(self._batch, left))))
        self._batch = ffi.NULL

    def cancel(self) -> None:
        """Forgets the batch. Twice is fine."""
        batch, self._batch = self._batch, ffi.NULL
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


class Back:
    """The back copy in hand. See `CBufferManager.back`."""

    def __init__(self, manager: CBufferManager, discard: bool, tag: int, timeout: float | None) -> None:
        self._manager, self._layout, self._timeout = manager, manager._layout, timeout
        self._flags = lib.BB_BACK_DISCARD if discard else lib.BB_BACK_KEEP
        self.tag = unsigned(tag, "tag")
        """The tag that the commit sets; it may still be changed inside of the block."""
        self._back: Any = None
        self._array: Array | None = None

    @property
    def front(self) -> Array:
        """The front that the back copy follows, read-only."""
        if self._back is None:
            raise ValueError("the front is there inside of the `with` block")
        return self._over(self._back.front, False)

    def _over(self, data: Any, writable: bool) -> Array:
        lent = memory(address(data), self._back.bytes, writable, self._manager._owner)
        return lent.array(self._layout.dtype, self._layout.shape)

    def __enter__(self) -> Array:
        if self._back is not None:
            raise _errors.StateError("this back copy is in hand already: call back() again", lib.BB_E_STATE)
        manager, back = self._manager._pointer(), ffi.new("bb_back *")
        _errors.check(waiting(self._timeout, lambda left: int(lib.bb_manager_reserve_back(manager, self._flags, left, back))))
        self._back = back
        self._array = self._over(back.data, True)
        return self._array

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        back, array = self._back, self._array
        self._back = self._array = None
        if array is not None:
            array.flags.writeable = False
        manager = self._manager._pointer()
        if kind is None:
            _errors.check(lib.bb_manager_commit_back(manager, back, self.tag))
        else:
            lib.bb_manager_cancel_back(manager, back)


class Task:
    """Labelled work elsewhere that a publish waits for. See `CBufferManager.task`."""

    def __init__(self, manager: CBufferManager, label: str) -> None:
        task = ffi.new("bb_task **")
        _errors.check(lib.bb_task_begin(manager._pointer(), label.encode(), task))
        self._task = task[0]

    def end(self) -> None:
        """The work is done; a second time is an error."""
        _errors.check(lib.bb_task_end(self._task))

    def __enter__(self) -> Task:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.end()
