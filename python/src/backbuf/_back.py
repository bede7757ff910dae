"""The reserved back copy of a manager as arrays, for the length of a `with` block."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator, Mapping
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _errors
from ._arguments import flag, unsigned
from ._fields import FieldTable
from ._library import address, ffi, lib
from ._memory import Array, LeasedMemory, is_referenced
from ._owner import Unique
from ._wait import interruptible

if TYPE_CHECKING:
    from ._manager_writes import ManagerWrites


class BackFields(Mapping[str, Array], Unique):
    """The fields of a reserved back copy as writable arrays by name, until the block ends."""

    __slots__ = ("_arrays", "_table")

    def __init__(self, table: FieldTable, memory: LeasedMemory) -> None:
        layouts = table.layouts.items()
        self._table = table
        self._arrays: dict[str, Array] | None = {
            name: memory.array(layout.dtype, layout.shape, layout.byte_offset) for name, layout in layouts
        }

    def _open(self) -> dict[str, Array]:
        if self._arrays is None:
            raise ValueError("the block of this back copy has ended: its fields are available inside the `with` block")
        return self._arrays

    def __getitem__(self, name: str) -> Array:
        arrays = self._open()
        self._table.layout(name)
        return arrays[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self[name][...] = value

    def __iter__(self) -> Iterator[str]:
        return iter(self._open())

    def __len__(self) -> int:
        return len(self._open())

    def _end(self) -> None:
        for array in self._open().values():
            array.flags.writeable = False
        self._arrays = None


class _BackArray:
    """The array of a reserved back copy."""

    def __init__(self, table: FieldTable, memory: LeasedMemory) -> None:
        self._box: list[Array] = [memory.array(table.single.dtype, table.single.shape)]

    def lend(self) -> Array:
        return self._box[0]

    def end(self, frame: FrameType | None) -> bool:
        # Before the references are counted, so that a view that another thread creates now is read-only too.
        self._box[0].flags.writeable = False
        return is_referenced(self._box, frame)


class _BackFields:
    """The fields of a reserved back copy."""

    def __init__(self, table: FieldTable, memory: LeasedMemory) -> None:
        self._memory = weakref.ref(memory)
        self._fields = BackFields(table, memory)

    def lend(self) -> BackFields:
        return self._fields

    def end(self, frame: FrameType | None) -> bool:
        self._fields._end()
        return self._memory() is not None  # an array or a view exists


def _extent(array: Array, index: Any) -> tuple[int, int]:
    """First byte and bytes of the part of an array that a basic index selects, from its first to its last element."""
    key = index if isinstance(index, tuple) else (index,)
    if not any(part is ... for part in key):
        key = (*key, ...)  # so that an element is a view as well
    part = array[key]
    if part.size == 0:
        return 0, 0
    if not np.may_share_memory(part, array):
        raise TypeError(f"index = {index!r}: use integers and slices, which select a view of the array")
    steps = [(length - 1) * stride for length, stride in zip(part.shape, part.strides, strict=True)]
    first = part.ctypes.data - array.ctypes.data + sum(step for step in steps if step < 0)
    return first, sum(map(abs, steps)) + part.itemsize


class Back(Unique):
    """The back copy, reserved for one `with` block. Created by `CBufferManager.back`."""

    def __init__(self, manager: ManagerWrites, discard: bool, tag: int, timeout: float | None) -> None:
        self._manager, self._table, self._timeout = manager, manager._table, timeout
        self._flags = lib.BB_BACK_DISCARD if flag(discard, "discard") else lib.BB_BACK_KEEP
        self.tag = unsigned(tag, "tag")
        """The tag that the commit sets; it may be changed inside the block."""
        self._back: Any = None
        self._handle: Any = None
        self._lent: _BackArray | _BackFields | None = None

    @property
    def front(self) -> Any:
        """The front that the back copy is based on, read-only: an array, or the fields by name. An array that is kept holds the
        front's memory.
        """
        if self._back is None:
            raise ValueError("front is available only inside the `with` block")
        front = self._manager.front()  # nothing is published while the back copy is reserved
        return front.fields if self._table.array is None else front.array

    def mark_written(self, index: Any = ..., *, field: str | None = None) -> None:
        """Reports what the block has written.

        After the first report the commit takes only reported parts as changed, so that the next epochs copy no more than those
        and `changed_since` names no more; without one, all of the state counts as changed.

        What is written outside of the reported parts may be in some fronts and not in others.

        Args:
            index: Integers and slices, as in `a[index]`: all bytes from the first to the last element that they select.
            field: The field, if the state has fields.

        Raises:
            StateError: The back copy was reserved with `discard=True`, so that all of it counts as written.

        >>> m = backbuf.CBufferManager(100, "f8")
        >>> back = m.back()
        >>> with back as a:
        ...     a[7:9] = 1
        ...     back.mark_written(slice(7, 9))
        >>> _ = m.synchronize()
        >>> list(m.front().changed_since(0))
        [slice(7, 9, None)]
        """
        back, lent = self._back, self._lent
        if back is None or lent is None:
            raise ValueError("mark_written is available only inside the `with` block")
        number = (self._table.single if field is None else self._table.layout(field)).field
        lent_to = lent.lend()
        # A state with fields has no single one, so that a name was given.
        array = lent_to[str(field)] if isinstance(lent_to, BackFields) else lent_to
        first, size = _extent(array, index)
        ranges = ffi.new("bb_byte_range *", (first, size))
        self._manager._check(lib.bb_manager_mark_written(self._handle, back, number, ranges, 1))

    def __enter__(self) -> Any:
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
        make = _BackFields if self._table.array is None else _BackArray
        self._back, self._lent = back, make(self._table, memory)
        return self._lent.lend()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        back, lent = self._back, self._lent
        if back is None or lent is None:
            raise _errors.StateError("this back copy is not reserved: use it in a `with` block", lib.BB_E_STATE)
        self._back = self._lent = None
        referenced = lent.end(sys._getframe(1))
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
