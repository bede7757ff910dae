"""GLBufferManager: double-buffered state that renderers draw from."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _errors
from ._device import Device
from ._layout import Layout
from ._library import ffi, lib
from ._manager import CBufferManager
from ._owner import Unique
from ._wait import blocking


class GLFront(Unique):
    """A stable front in a buffer of OpenGL, from `GLBufferManager.front_gl`, for the thread and context that called it.

    Its end is the end of its `with` block, or `release()`, where the context is current: what was drawn before is fenced
    there, and the buffer is not written again until that is done.
    """

    __slots__ = ("_lease", "buffer", "epoch", "nbytes", "offset", "slot", "tag")

    buffer: int
    """The buffer's name. It must not be mapped, which OpenGL does to read it: copy it into another to do so."""
    slot: int
    """Which of the manager's copies it is. A slot has the same buffer for the manager's life, so that vertex arrays may be
    kept by slot."""
    offset: int
    """Where the state begins in the buffer, in bytes."""
    nbytes: int
    """How long it is."""
    epoch: int
    """The epoch that published it; 0 is the initial state."""
    tag: int
    """The last tag that was enqueued before it."""

    def __init__(self, manager: Any) -> None:
        self._lease = ffi.NULL
        front = ffi.new("bb_gl_front *")
        _errors.check(lib.bb_manager_acquire_front_gl(manager, front))
        self._lease = front.lease
        self.buffer, self.slot, self.offset, self.nbytes = front.buffer, front.slot, front.offset, front.bytes
        self.epoch, self.tag = front.epoch, front.tag

    def release(self) -> None:
        """Gives the front back, with a fence behind what was drawn. Twice is fine."""
        if self._lease:
            _errors.check(lib.bb_lease_release_gl(self._lease))
            self._lease = ffi.NULL

    def __del__(self) -> None:
        # Forgotten, perhaps where no context is current: then there can be no fence.
        if getattr(self, "_lease", None) and lib.bb_lease_release_gl(self._lease) != 0:
            lib.bb_lease_release(self._lease)

    def __enter__(self) -> GLFront:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def __repr__(self) -> str:
        state = "held" if self._lease else "released"
        return f"<GLFront buffer {self.buffer}, slot {self.slot}, epoch {self.epoch}, tag {self.tag}, {state}>"


class GLBufferManager(CBufferManager):
    """A `CBufferManager` whose fronts are buffers of OpenGL, too. What changed is uploaded before it is published.

    `m = GLBufferManager(shape, dtype, device, label=...)` takes what CBufferManager takes, and the `Device`; without one it
    makes a headless one for itself. `front()` gives the state in host memory, which is there already, and `front_gl()` the
    buffer to draw from.

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
        shape: int | Sequence[int],
        dtype: npt.DTypeLike = np.float64,
        device: Device | None = None,
        **config: Any,
    ) -> None:
        if device is not None and not isinstance(device, Device):
            raise TypeError(f"device is a {type(device).__name__}: give a backbuf.Device, or None for one of its own")
        self._own_device = device is None
        self._device = Device(label=config.get("label")) if device is None else device
        super().__init__(shape, dtype, **config)

    def _create(self, code: int, layout: Layout, config: Any, made: Any) -> int:
        assert self._device is not None
        device, shape = self._device._pointer(), layout.shape
        try:
            return int(blocking(lib.bb_manager_create_gl, device, code, len(shape), shape or [0], config, made))
        except BaseException:
            lib.bb_manager_destroy(made[0])  # one that was made although Ctrl-C ends the call
            raise

    @classmethod
    def attach(cls, handle: Any, dtype: npt.DTypeLike | None = None) -> GLBufferManager:
        """`backbuf.attach` for a manager on OpenGL that C code owns, together with its device."""
        self = cls._attached(handle, dtype)
        self._own_device, self._device = False, None
        return self

    @property
    def device(self) -> Device | None:
        """The device that it is on; None where that is not Python's."""
        return self._device

    def front_gl(self) -> GLFront:
        """The newest front for a renderer, on a thread with a current context that shares the device's buffers. That context
        waits for the upload by itself; the buffer does not change until the front is released:

        .. code-block:: python

           with m.front_gl() as f:
               if f.slot not in arrays:
                   arrays[f.slot] = make_vertex_array(f.buffer, f.offset)
               arrays[f.slot].render()
        """
        return GLFront(self._pointer())

    def destroy(self, timeout: float | None = None) -> None:
        """As `CBufferManager.destroy`; a device of its own goes with it."""
        try:
            super().destroy(timeout)
        finally:
            if self._own_device:
                self._device = None

    def detach(self) -> int:
        """As `CBufferManager.detach`. The device stays yours, and is to live for as long as the receiver needs the manager."""
        if self._own_device:
            told = f"{self!r} has a device of its own, which ends with it: make it on a Device of yours"
            raise _errors.StateError(told, lib.BB_E_STATE)
        return super().detach()
