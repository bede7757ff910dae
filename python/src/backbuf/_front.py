"""Stable fronts of a manager, held by lease, and iteration over new fronts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _errors, _html
from ._changes import Changes, changes_of
from ._fields import FieldTable, NoArray
from ._library import address, ffi, hot, lib
from ._memory import Array, LeasedMemory
from ._owner import Unique
from ._wait import Deadline, interruptible

if TYPE_CHECKING:
    from ._manager import CBufferManager
    from ._manager_handle import ManagerHandle


_PYBUF_FORMAT = 0x4  # asked for by memoryview, and by NumPy where it keeps one

if TYPE_CHECKING or hot is None:

    class _Exporter:
        """The buffer protocol, without the extension; Python uses it from version 3.12 on."""

        __slots__ = ()

        def __buffer__(self, flags: int, /) -> memoryview:
            return memoryview(self._exported_array(flags))  # type: ignore[attr-defined]  # of Front

else:
    _Exporter = hot.Exporter


class Front(_Exporter, Unique):
    """A stable front: the state as epoch `epoch` published it. It does not change while it is held.

    It is released by its `with` block, by `release()`, or with its last reference. An array that was taken from it keeps the
    memory for as long as the array or one of its views exists. Any thread may use it.

    NumPy and consumers of the buffer protocol or DLPack take the front itself: `np.asarray(f)` is `f.array`.

    >>> m = backbuf.CBufferManager((2, 2), "i4")
    >>> m[0] = 7
    >>> _ = m.synchronize()
    >>> with m.front() as f:
    ...     print(f.epoch, f.array.sum(), f.array.flags.writeable)
    1 14 False
    >>> int(np.sum(m.front()))
    14
    """

    __slots__ = ("_backend", "_exported", "_label", "_lease", "_table", "epoch", "tag")
    _copy_hint = "copy its state, as in np.array(front)"

    epoch: int
    """The epoch that published it; 0 is the initial state."""
    tag: int
    """The last tag that was queued before this epoch."""

    def __init__(self, manager: ManagerHandle, table: FieldTable) -> None:
        front = ffi.new("bb_front *")
        manager._check(lib.bb_manager_acquire_front(manager._pointer(), front))
        self._label, self._backend = manager._label, manager._backend
        self._exported: Array | None = None
        self._lease: LeasedMemory | None = LeasedMemory(address(front.data), front.bytes, False, front.lease)
        self._table = table
        self.epoch, self.tag = front.epoch, front.tag

    @property
    def array(self) -> Array:
        """The state as a read-only array with the manager's shape and dtype, without a copy. With fields, use `f["name"]`."""
        return self._array(self._table.single)

    @property
    def fields(self) -> Mapping[str, Array]:
        """The fields by name, as read-only arrays; a state without fields is the field "state".

        >>> m = backbuf.CBufferManager(fields={"qpos": (2, "f8"), "step": ((), "u4")})
        >>> m.front().fields["qpos"], m.front()["step"]
        (array([0., 0.]), array(0, dtype=uint32))
        """
        return MappingProxyType({name: self._array(layout) for name, layout in self._table.layouts.items()})

    def _array(self, layout: Any) -> Array:
        if isinstance(layout, NoArray):
            layout.refuse()
        if self._lease is None:
            raise ValueError(f"the front of epoch {self.epoch} is released: take its arrays inside the `with` block")
        return self._lease.array(layout.dtype, layout.shape, layout.byte_offset)

    def changed_since(self, epoch: int, field: str | None = None) -> Changes:
        """The parts in which this front may differ from the front of `epoch`: what a plot, a texture or a peer has to take.

        The manager keeps the changes of its last `history` epochs. For an older `epoch` the result is the whole state, and its
        `complete` is false. It works until the front is released, also after the manager is destroyed.

        Args:
            epoch: The epoch of the older front.
            field: The field whose changes are asked for; needed if the state has fields.

        Raises:
            ArgumentError: `epoch` is later than this front's.
            NotRegisteredError: There is no such field.
        """
        lease = self._lease
        return changes_of(self._table, None if lease is None else lease._lease, self.epoch, epoch, field)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        array = self.array
        if copy or (dtype is not None and np.dtype(dtype) != array.dtype):
            if copy is False:
                raise ValueError(f"copy = False: a front of {array.dtype} becomes an array of {np.dtype(dtype)} only by a copy")
            return np.array(array, dtype=dtype)
        return array

    @property
    def __array_interface__(self) -> dict[str, Any]:
        array = self.array
        if not self._table.single.exports.interface:
            raise AttributeError(f"__array_interface__ has no form of {array.dtype}")
        # Consumers refer to the front, not to the array: it keeps the memory from here on, also after release().
        self._exported = array
        return array.__array_interface__

    def _exported_array(self, flags: int) -> Array:
        """The array for a request of the buffer protocol."""
        array = self.array
        if not self._table.single.exports.buffer:
            raise BufferError(f"the buffer protocol has no form of {array.dtype}: use .array")
        if not flags & _PYBUF_FORMAT:
            # Some consumers, such as np.ndarray(buffer=...), end their request at once and refer to the front from then on.
            self._exported = array
        return array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str) and (self._table.array is None or self._table.array.dtype.names is None):
            return self._array(self._table.layout(index))
        return self.array[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.array)

    def __bool__(self) -> bool:
        return True

    def release(self) -> None:
        """Releases the front; arrays that were taken from it keep the memory. Repeated calls are allowed."""
        self._lease = None

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[Any, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Exports the array to consumers of DLPack 1.0 or newer.

        Raises:
            BufferError: The consumer or NumPy does not support read-only arrays.
        """
        if max_version is None or max_version < (1, 0):
            raise BufferError("a front is read-only, which DLPack supports from version 1.0 on: use .array, or a copy of it")
        array = self.array
        try:
            # The stubs of older NumPy versions lack these arguments.
            return array.__dlpack__(stream=stream, max_version=max_version, dl_device=dl_device, copy=copy)  # type: ignore[call-arg, arg-type, unused-ignore]
        except TypeError:
            raise BufferError("NumPy older than 2.1 cannot export read-only arrays by DLPack") from None

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()

    def __enter__(self) -> Front:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def __repr__(self) -> str:
        state = "released" if self._lease is None else "held"
        label = f"of '{self._label}' " if self._label else ""
        return f"<Front {label}{self._table.describe()}, {self._backend}, epoch {self.epoch}, tag {self.tag}, {state}>"

    def _repr_html_(self) -> str:
        rows = self._table.rows() | {"epoch": self.epoch, "tag": self.tag, "backend": self._backend}
        values = None if self._lease is None or self._table.array is None else self.array
        return _html.table(f"Front {self._label}", rows, values)


class Fronts(Unique):
    """Iterator over the newest fronts, without repetition, until the manager closes. Created by `CBufferManager.fronts`."""

    def __init__(self, manager: CBufferManager, after: int, timeout: float | None) -> None:
        self._manager, self._after, self._timeout = manager, after, timeout

    def __iter__(self) -> Fronts:
        return self

    def __next__(self) -> Front:
        front = self._next(self._timeout)
        if front is None:
            raise StopIteration
        return front

    def __aiter__(self) -> Fronts:
        return self

    async def __anext__(self) -> Front:
        deadline, waiters = Deadline(self._timeout), self._manager._waiters()
        await waiters.yield_if_due()
        while True:
            try:
                front = self._next(0)
            except _errors.WaitTimeoutError:
                await waiters.epoch(deadline)
                continue
            if front is None:
                raise StopAsyncIteration
            return front

    def _next(self, timeout: float | None) -> Front | None:
        """The next front, or None after the manager has closed."""
        epoch = ffi.new("uint64_t *")
        try:
            pointer = self._manager._pointer()
            status = interruptible(timeout, lambda left: int(lib.bb_manager_wait_epoch(pointer, self._after, left, epoch)))
            if status in (lib.BB_E_CLOSED, lib.BB_E_STALE):
                return None
            _errors.check(status)
            front = self._manager.front()
        except (_errors.ClosedError, _errors.HandleError):  # another thread has destroyed the manager
            return None
        self._after = front.epoch
        return front
