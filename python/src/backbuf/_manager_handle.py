"""Handle of a manager: its properties, its newest front, and the errors of its calls."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from . import _callbacks, _errors, _html
from ._front import Front
from ._layout import Layout
from ._library import address, ffi, hot, lib
from ._memory import Array
from ._owner import Owner, Unique
from ._statistics import Statistics, statistics
from ._watch import Waiters

if TYPE_CHECKING or hot is None:

    class _Base:
        """The attributes of the extension's base type, without the extension."""

        _fast_synchronize: bool

        def _set_target(self, manager: int, dtype: object, kind: str, size: int, shape: tuple[int, ...], /) -> None: ...

        def __setitem__(self, index: Any, value: Any) -> None:
            self._assign(index, value)  # type: ignore[attr-defined]  # of ManagerWrites

else:
    _Base = hot.Hot

_STATES = ("open", "closing", "closed", "poisoned")


class ManagerHandle(_Base, Unique):
    """A manager's handle; base class of `CBufferManager`."""

    _copy_hint = "copy its state by m.snapshot()"
    _layout: Layout
    _label: str
    _owner: Owner | None = None
    _device: object = None
    _backend = "host memory"
    """Backend and renderer, as the object shows them."""
    _callback_errors: _callbacks.CallbackErrors
    _id: Any = None
    _has_python_callbacks: bool
    _loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Waiters] | None = None

    def _open(self, manager: Any, layout: Layout, label: str, owner: Owner | None) -> None:
        self._id, self._layout, self._label, self._owner = manager, layout, label, owner
        kind = layout.dtype.kind if layout.dtype.kind in "fiu" and layout.dtype.isnative else "V"
        self._set_target(address(manager), layout.dtype, kind, layout.itemsize, layout.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements along each axis."""
        return self._layout.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of an element."""
        return self._layout.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._layout.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._layout.elements

    @property
    def nbytes(self) -> int:
        """Size of the state in bytes."""
        return self._layout.elements * self._layout.itemsize

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
        return Front(self, self._layout)

    def snapshot(self) -> Array:
        """A copy of the newest front: a writable array with the manager's shape and dtype."""
        with self.front() as front:
            return np.array(front.array)

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
        return f"<{type(self).__name__} {label}{self.shape} {self.dtype}, {self._backend}, {state}>"

    def _repr_html_(self) -> str:
        rows: dict[str, object] = {"shape": self.shape, "dtype": self.dtype, "bytes": self.nbytes, "backend": self._backend}
        try:
            info, counted = self._info(), self.statistics()
        except _errors.BackbufError:
            return _html.table(repr(self), rows)
        rows |= {"epoch": info.epoch, "tag": info.tag, "state": _STATES[info.state]}
        rows |= {"updates": counted.updates, "fronts held": counted.leases_live, "copies": counted.copies_present}
        return _html.table(f"{type(self).__name__} {self._label}", rows)
