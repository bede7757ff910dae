"""OpenGL managers: double-buffered state whose fronts are OpenGL buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from . import _errors
from ._changes import Changes, changes_of
from ._device import Device
from ._device_front import DeviceField
from ._fields import GroupFields, NewFields
from ._layout import Layout
from ._library import ffi, lib
from ._manager import CBufferManager
from ._owner import Unique


class GLField(DeviceField):
    """A field of an OpenGL front: a range of its buffer."""


class GLFront(Unique):
    """A stable front in an OpenGL buffer, from `GLBufferManager.front_gl`, for the thread and context that acquired it.

    It is released by its `with` block or by `release()`, with the context current: a fence is placed behind the draws so
    far, and the buffer is not written before that fence has passed.
    """

    __slots__ = ("_backend", "_label", "_lease", "_table", "buffer", "epoch", "nbytes", "offset", "slot", "tag")

    buffer: int
    """The name of the OpenGL buffer. It must not be mapped; copy it into another buffer to read it."""
    slot: int
    """The index of the manager's copy, from 0 on. A slot keeps its buffer as long as the manager exists, so vertex arrays may
    be cached by slot.
    """
    offset: int
    """The offset of the state in the buffer, in bytes."""
    nbytes: int
    """The size of the state, in bytes."""
    epoch: int
    """The epoch that published it; 0 is the initial state."""
    tag: int
    """The last tag that was queued before this epoch."""

    def __init__(self, manager: GLBufferManager) -> None:
        self._lease, self._label, self._backend = ffi.NULL, manager._label, manager._backend
        self._table = manager._table
        front = ffi.new("bb_gl_front *")
        _errors.check(lib.bb_manager_acquire_front_gl(manager._pointer(), front))
        self._lease = front.lease
        self.buffer, self.slot, self.offset, self.nbytes = front.buffer, front.slot, front.offset, front.bytes
        self.epoch, self.tag = front.epoch, front.tag

    def release(self) -> None:
        """Releases the front with a fence behind the draws so far. Repeated calls are allowed.

        Raises:
            StateError: No context that shares the device's objects is current on this thread.
        """
        if self._lease:
            _errors.check(lib.bb_lease_release_gl(self._lease))
            self._lease = ffi.NULL

    @property
    def fields(self) -> Mapping[str, GLField]:
        """The fields by name, as ranges of `buffer`; a state without fields is the field "state"."""
        return MappingProxyType({name: self[name] for name in self._table.layouts})

    def __getitem__(self, name: str) -> GLField:
        layout = self._table.layout(name)
        return GLField(self.offset + layout.byte_offset, layout.nbytes, layout.shape, layout.dtype)

    def changed_since(self, epoch: int, field: str | None = None) -> Changes:
        """The parts in which this front may differ from the front of `epoch`, for example to copy only them into a texture; see
        `Front.changed_since`.

        `ranges` of the result are bytes from `offset` on, or from the begin of the field.
        """
        return changes_of(self._table, self._lease, self.epoch, epoch, field)

    def __del__(self) -> None:
        # Without a current context the front is released without a fence.
        if getattr(self, "_lease", None) and lib.bb_lease_release_gl(self._lease) != 0:
            lib.bb_lease_release(self._lease)

    def __enter__(self) -> GLFront:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def __repr__(self) -> str:
        state = "held" if self._lease else "released"
        label = f"of '{self._label}' " if self._label else ""
        place = f"{label}buffer {self.buffer}, slot {self.slot}, {self._backend}"
        return f"<GLFront {place}, epoch {self.epoch}, tag {self.tag}, {state}>"

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> NoReturn:
        raise TypeError("a GLFront is a buffer of the renderer, not an array: use m.front(), which is in host memory")


class GLBufferManager(CBufferManager):
    """A `CBufferManager` whose fronts are also OpenGL buffers. Changes are uploaded before each publish.

    `front()` returns the state in host memory, without a download; `front_gl()` returns the buffer to draw from.

    Args:
        shape: As for `CBufferManager`.
        dtype: As for `CBufferManager`.
        device: The device; None creates a headless one that belongs to the manager.
        **config: The other arguments of `CBufferManager`.

    >>> with backbuf.GLBufferManager((1000, 3), "f4", label="cloud") as m:
    ...     m[:, 2] = 1.0
    ...     epoch = m.synchronize()
    ...     with m.front() as f:
    ...         print(f.epoch >= epoch, f.array[7])
    True [0. 0. 1.]
    """

    _device: Device | None

    def __init__(
        self,
        shape: int | Sequence[int] | None = None,
        dtype: npt.DTypeLike = np.float64,
        device: Device | None = None,
        **config: Any,
    ) -> None:
        if device is not None and not isinstance(device, Device):
            raise TypeError(f"device is a {type(device).__name__}: give a backbuf.Device, or None for a private one")
        self._own_device = device is None
        self._device = Device(label=config.get("label")) if device is None else device
        self._backend = self._device._backend
        super().__init__(shape, dtype, **config)

    def _create(self, code: int, layout: Layout, config: Any, made: Any) -> int:
        assert self._device is not None
        device, shape = self._device._pointer(), layout.shape
        return self._create_by(made, lib.bb_manager_create_gl, device, code, len(shape), shape or [0], config)

    def _create_fields(self, source: NewFields | GroupFields, config: Any, made: Any) -> int:
        assert self._device is not None
        if self._device.info().kind != "gl":
            raise _errors.ArgumentError(f"device = {self._device!r}: a GLBufferManager needs OpenGL", lib.BB_E_ARGUMENT)
        config.device = self._device._pointer()
        return super()._create_fields(source, config, made)

    @classmethod
    def attach(cls, handle: Any, dtype: npt.DTypeLike | None = None) -> GLBufferManager:
        """Borrows an OpenGL manager that C code owns together with its device; see `backbuf.attach`."""
        self = cls._attached(handle, dtype)
        self._own_device, self._device, self._backend = False, None, "OpenGL"
        return self

    @property
    def device(self) -> Device | None:
        """The manager's device; None if C code owns it."""
        return self._device

    def front_gl(self) -> GLFront:
        """Acquires the newest front for a renderer.

        The calling thread must have a current context that shares the device's buffers. OpenGL waits for the upload in that
        context; the buffer does not change until the front is released:

        .. code-block:: python

           with m.front_gl() as f:
               if f.slot not in arrays:
                   arrays[f.slot] = make_vertex_array(f.buffer, f.offset)
               arrays[f.slot].render()

        Raises:
            StateError: No suitable context is current on this thread.
            DeviceLostError: The device is lost or closed.
        """
        return GLFront(self)

    def destroy(self, timeout: float | None = None) -> None:
        """Destroys the manager; see `CBufferManager.destroy`. A private device is closed with it."""
        try:
            super().destroy(timeout)
        finally:
            if self._own_device:
                self._device = None

    def detach(self) -> int:
        """Transfers the manager to other code; see `CBufferManager.detach`. Its device must exist as long as the manager."""
        if self._own_device:
            message = f"{self!r} has a private device, which ends with it: create the manager on a Device of your own"
            raise _errors.StateError(message, lib.BB_E_STATE)
        return super().detach()
