"""Handle of a manager: its properties, its newest front, and the errors of its calls."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, NoReturn

import numpy as np

from . import _callbacks, _errors, _html
from ._array_writes import HotBase
from ._device_front import DeviceFront
from ._fields import FieldTable
from ._front import Front
from ._layout import Layout, pointer
from ._library import address, ffi, lib
from ._memory import Array
from ._owner import Owner, Unique
from ._statistics import Statistics, statistics
from ._watch import Waiters

_STATES = ("open", "closing", "closed", "poisoned")
_NULL = ffi.NULL


def read_field(manager: ManagerHandle, layout: Layout, out: Array | None) -> Array:
    """A copy of a field at the newest epoch, in `out` or in a new array."""
    if out is None:
        out = np.empty(layout.shape, layout.dtype)
    elif not isinstance(out, np.ndarray):
        raise TypeError(f"out is a {type(out).__name__}: give an array of shape {layout.shape} and dtype {layout.dtype}")
    elif out.shape != layout.shape or out.dtype != layout.dtype:
        raise ValueError(f"out is {out.shape} {out.dtype}: {layout.noun} is {layout.shape} {layout.dtype}")
    elif not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError("out is not contiguous, or read-only: give a writable array in C order")
    manager._check(lib.bb_manager_read(manager._pointer(), layout.field, 0, pointer(out), layout.nbytes, _NULL, _NULL))
    return out


class ManagerHandle(HotBase, Unique):
    """A manager's handle; base class of `CBufferManager`."""

    _copy_hint = "copy its state by m.snapshot()"
    _table: FieldTable
    _layout: Layout
    """Of a state without fields; otherwise an object that refuses its use."""
    _label: str
    _owner: Owner | None = None
    _device: object = None
    _backend = "host memory"
    """Backend and renderer, as the object shows them."""
    _callback_errors: _callbacks.CallbackErrors
    _id: Any = None
    _has_python_callbacks: bool
    _loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Waiters] | None = None

    def _open(self, manager: Any, table: FieldTable, label: str, owner: Owner | None) -> None:
        self._id, self._table, self._layout, self._label, self._owner = manager, table, table.single, label, owner
        self._aim(address(manager))

    def _aim(self, manager: int) -> None:
        """Sets the target of the extension's fast paths; 0 turns them off."""
        array = self._table.array
        if array is None:  # each field is a target of its own
            self._set_target(manager, None, "V", 0, (), 0, None)
        else:
            self._set_target(manager, array.dtype, array.kind, array.itemsize, array.shape, 0, None)

    def _array_layout(self, what: str) -> Layout:
        if self._table.array is None:
            raise AttributeError(f"a manager with fields has no {what}: use that of a field, as in m.fields")
        return self._table.array

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements along each axis."""
        return self._array_layout("shape").shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of an element."""
        return self._array_layout("dtype").dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._array_layout("ndim").shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._array_layout("size").elements

    @property
    def nbytes(self) -> int:
        """Size of the state in bytes, up to the end of its last field."""
        return max(layout.byte_offset + layout.nbytes for layout in self._table.layouts.values())

    @property
    def label(self) -> str:
        """The name in errors, logs and dumps."""
        return self._label

    @property
    def handle(self) -> int:
        """The `bb_manager *` for C code that borrows it: this object remains the owner."""
        return address(self._pointer())

    @property
    def epoch(self) -> int:
        """The epoch of the newest front."""
        epoch = ffi.new("uint64_t *")
        self._check(lib.bb_manager_epoch(self._pointer(), epoch))
        return int(epoch[0])

    @property
    def closed(self) -> bool:
        """Whether new work is refused."""
        return self._id is None or self._info().state != 0

    def front(self) -> Front:
        """Acquires the newest front: `with m.front() as f: f.array`. It may be held for any time.

        Raises:
            ClosedError: The manager is destroyed.
        """
        return Front(self, self._table)

    def read(self, out: Array | None = None) -> Any:
        """A copy of the state at the newest epoch, without a front: the fastest way to read a state of up to some KiB.

        All of it is of one epoch, which is no older than any front or read before. A state with fields is returned as a dict of
        arrays by their names; one field is read by `m.fields["qpos"].read()`.

        Args:
            out: The array to copy to, contiguous, with the manager's shape and dtype; a new one if None. Not for a state with
                fields.

        Raises:
            ClosedError: The manager is destroyed.

        >>> m = backbuf.CBufferManager(3, "f8")
        >>> m[:] = [0.5, 1.0, 1.5]
        >>> _ = m.synchronize()
        >>> pose = np.empty(3)
        >>> m.read(out=pose) is pose, pose
        (True, array([0.5, 1. , 1.5]))
        """
        if self._table.array is None and out is None:
            state = np.empty(self.nbytes, np.uint8)
            self._check(lib.bb_manager_read(self._pointer(), lib.BB_ALL_FIELDS, 0, pointer(state), len(state), _NULL, _NULL))
            return {name: layout.within(state) for name, layout in self._table.layouts.items()}
        return read_field(self, self._layout, out)

    def front_device(self) -> DeviceFront:
        """Acquires the newest front in a buffer of the manager's device, for code that reads the device's memory.

        Raises:
            StateError: The manager has no device; or, on OpenGL, no context that shares the device's buffers is current.
            DeviceLostError: The device is lost or closed.

        >>> import ctypes
        >>> m = backbuf.CBufferManager((2, 3), "f4", device=backbuf.Device.host())
        >>> m.enqueue(1.5)
        >>> _ = m.synchronize()
        >>> with m.front_device() as f:  # on a host device the buffer is memory of this process
        ...     print(f.epoch, f.nbytes, np.ctypeslib.as_array((ctypes.c_float * 6).from_address(f.native)))
        1 24 [1.5 0.  0.  0.  0.  0. ]
        """
        return DeviceFront(self)

    def snapshot(self) -> Any:
        """A copy of the newest front: a writable array with the manager's shape and dtype, or a dict of arrays by the names of
        the fields.
        """
        with self.front() as front:
            if self._table.array is not None:
                return np.array(front.array)
            return {name: np.array(array) for name, array in front.fields.items()}

    def statistics(self) -> Statistics:
        """The manager's counters.

        >>> m = backbuf.CBufferManager(4, "f4")
        >>> m.enqueue(1.0)
        >>> m.statistics().updates
        1
        """
        return statistics(self._pointer())

    def _info(self) -> Any:
        info = ffi.new("bb_manager_info *")
        self._check(lib.bb_manager_info_get(self._pointer(), ffi.sizeof("bb_manager_info"), info))
        return info

    def _pointer(self) -> Any:
        if self._id is None:
            raise self._gone()
        return self._id

    def _error(self, status: int) -> _errors.BackbufError:
        """The exception for a status. A stale handle means a closed manager if this object or the interpreter's end has
        destroyed it.
        """
        if status in (lib.BB_E_STALE, lib.BB_E_CLOSED) and self._id is None:
            return self._gone()
        if status == lib.BB_E_STALE and self._owner is not None:
            return _errors.closed(repr(self), "the manager was destroyed at the interpreter's end")
        return _errors.error(status)

    def _fail(self, status: int) -> NoReturn:
        raise self._error(status)

    def _check(self, status: int) -> None:
        if status != 0:
            raise self._error(status)

    def _finish(self, status: int) -> None:
        """Ends a synchronize: raises the exception of a callback, or the exception for the status."""
        if status == lib.BB_E_STALE:
            raise self._error(status)
        self._callback_errors.finish(status)

    def _gone(self) -> _errors.ClosedError:
        return _errors.closed(repr(self), "the manager was destroyed or detached")

    def __repr__(self) -> str:
        if self._id is None:
            state = "released"
        else:
            try:
                info = self._info()
                state = f"epoch {info.epoch}, {_STATES[info.state]}"
            except _errors.BackbufError as exception:
                state = _errors.status_names()[exception.status]
        label = f"'{self._label}' " if self._label else ""
        return f"<{type(self).__name__} {label}{self._table.describe()}, {self._backend}, {state}>"

    def _repr_html_(self) -> str:
        rows = self._table.rows() | {"bytes": self.nbytes, "backend": self._backend}
        try:
            info, counted = self._info(), self.statistics()
        except _errors.BackbufError:
            return _html.table(repr(self), rows)
        rows |= {"epoch": info.epoch, "tag": info.tag, "state": _STATES[info.state]}
        rows |= {"updates": counted.updates, "fronts held": counted.leases_live, "copies": counted.copies_present}
        return _html.table(f"{type(self).__name__} {self._label}", rows)
