"""Fronts on a device: the newest published copy of a state in a buffer of the manager's device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from ._changes import Changes, changes_of
from ._library import ffi, lib
from ._owner import Unique

if TYPE_CHECKING:
    from ._manager_handle import ManagerHandle


@dataclass(frozen=True)
class DeviceField:
    """A field of a front on a device: a range of its buffer."""

    offset: int
    """Begin in the buffer, in bytes."""
    nbytes: int
    """Size in bytes."""
    shape: tuple[int, ...]
    """Number of elements along each axis."""
    dtype: np.dtype[Any]
    """Type of an element."""


class DeviceFront(Unique):
    """A stable front in a buffer of the manager's device, from `CBufferManager.front_device`: its buffer is not written before
    the front is released, by its `with` block, by `release()` or with its last reference.

    Releasing an OpenGL front with its context current places a fence behind the draws so far, as `GLFront` does.
    """

    __slots__ = ("_backend", "_label", "_lease", "_table", "epoch", "native", "nbytes", "slot", "tag")

    native: int
    """The backend's handle of the buffer: an address on a host device, an OpenGL name, or what the driver gave."""
    slot: int
    """The index of the manager's copy, from 0 on. A slot keeps its buffer as long as the manager exists."""
    nbytes: int
    """The size of the state in bytes, from the begin of the buffer."""
    epoch: int
    """The epoch that published it; 0 is the initial state."""
    tag: int
    """The last tag that was queued before this epoch."""

    def __init__(self, manager: ManagerHandle) -> None:
        self._lease, self._label, self._backend = ffi.NULL, manager._label, manager._backend
        self._table = manager._table
        front = ffi.new("bb_device_front *")
        manager._check(lib.bb_manager_acquire_front_device(manager._pointer(), front))
        self._lease = front.lease
        self.native, self.slot, self.nbytes = front.native, front.slot, front.bytes
        self.epoch, self.tag = front.epoch, front.tag

    def release(self) -> None:
        """Releases the front. Repeated calls are allowed."""
        lease, self._lease = self._lease, ffi.NULL
        # Refused without a current context of OpenGL, and for other devices, which need no fence.
        if lease and lib.bb_lease_release_gl(lease) != 0:
            lib.bb_lease_release(lease)

    @property
    def fields(self) -> Mapping[str, DeviceField]:
        """The fields by name, as ranges of the buffer; a state without fields is the field "state"."""
        return MappingProxyType({name: self[name] for name in self._table.layouts})

    def __getitem__(self, name: str) -> DeviceField:
        layout = self._table.layout(name)
        return DeviceField(layout.byte_offset, layout.nbytes, layout.shape, layout.dtype)

    def changed_since(self, epoch: int, field: str | None = None) -> Changes:
        """The parts in which this front may differ from the front of `epoch`; see `Front.changed_since`.

        `ranges` of the result are bytes from the begin of the buffer, or of the field.
        """
        return changes_of(self._table, self._lease, self.epoch, epoch, field)

    def __del__(self) -> None:
        if getattr(self, "_lease", None):
            self.release()

    def __enter__(self) -> DeviceFront:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def __repr__(self) -> str:
        state = "held" if self._lease else "released"
        label = f"of '{self._label}' " if self._label else ""
        return f"<DeviceFront {label}slot {self.slot}, {self._backend}, epoch {self.epoch}, tag {self.tag}, {state}>"

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> NoReturn:
        raise TypeError("a DeviceFront is a buffer of the device, not an array: use m.front(), which is in host memory")
