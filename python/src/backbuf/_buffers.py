"""Buffers of a device, and the encoder that records copies and writes between them."""

from __future__ import annotations

import enum
import threading
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _errors
from ._arguments import c_text, dtype_from, flag, instance_of, unsigned
from ._device import Device
from ._library import ffi, lib, text
from ._mapping import MappedArray, MappingOwner, MapRequest, bytes_of, pointer_to
from ._wait import call_blocking


class BufferUsage(enum.IntFlag):
    """The allowed uses of a buffer."""

    VERTEX = lib.BB_USAGE_VERTEX
    INDEX = lib.BB_USAGE_INDEX
    UNIFORM = lib.BB_USAGE_UNIFORM
    STORAGE = lib.BB_USAGE_STORAGE
    COPY_SRC = lib.BB_USAGE_COPY_SRC
    COPY_DST = lib.BB_USAGE_COPY_DST
    MAP_READ = lib.BB_USAGE_MAP_READ
    MAP_WRITE = lib.BB_USAGE_MAP_WRITE
    INDIRECT = lib.BB_USAGE_INDIRECT


class BufferState(enum.IntEnum):
    """The state of a buffer."""

    UNINITIALIZED = lib.BB_BUFFER_UNINITIALIZED
    READY = lib.BB_BUFFER_READY
    MAPPED = lib.BB_BUFFER_MAPPED
    MAP_PENDING = lib.BB_BUFFER_MAP_PENDING
    DESTROYED = lib.BB_BUFFER_DESTROYED


class MapMode(enum.IntEnum):
    """The direction of a mapping."""

    READ = lib.BB_MAP_READ
    WRITE = lib.BB_MAP_WRITE


class DeviceObject(MappingOwner):
    """Base class of native objects on a device; they are destroyed by `close()`, a `with` block, or with their last
    reference.
    """

    _destroy_function: Any

    def __init__(self, device: Device, make: Any, kind: str, *arguments: Any) -> None:
        out = ffi.new(f"{kind} **")
        try:
            _errors.check(call_blocking(make, instance_of(device, Device, "device")._pointer(), *arguments, out))
        finally:
            # Ctrl-C may end a call that has created the object; it is destroyed together with this one.
            self._device, self._handle, self._lock = device, out[0], threading.Lock()

    def _pointer(self) -> Any:
        if not self._handle:
            raise _errors.closed(type(self).__name__, "close() was called")
        return self._handle

    def close(self) -> None:
        """Destroys the object; its memory is freed when the device no longer uses it. Repeated calls are allowed.

        Raises:
            BufferError: Arrays over its mapped bytes are alive; the object stays open.
        """
        self._end_mapping(f"{type(self).__name__}.close")
        handle, self._handle = self.__dict__.get("_handle", ffi.NULL), ffi.NULL
        if handle:
            _errors.check(type(self)._destroy_function(handle))

    def __del__(self) -> None:
        handle = self.__dict__.pop("_handle", ffi.NULL)
        if handle:
            type(self)._destroy_function(handle)

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _desc(size: int, usage: int, mapped_at_creation: bool, label: str) -> tuple[Any, Any]:
    """A `bb_buffer_desc` and the memory that it points to."""
    name, mapped = c_text(label, "label"), flag(mapped_at_creation, "mapped_at_creation")
    sizes = {"size": unsigned(size, "size"), "usage": unsigned(usage, "usage", 32)}
    members = {**sizes, "mapped_at_creation": mapped, "label": name}
    return ffi.new("bb_buffer_desc *", {"struct_size": ffi.sizeof("bb_buffer_desc"), **members}), name


class DescribedBuffer(DeviceObject):
    """Base class of everything with a `bb_buffer_info`."""

    _info: Any

    def _read_info(self) -> Any:
        info = ffi.new("bb_buffer_info *")
        _errors.check(type(self)._info(self._pointer(), ffi.sizeof("bb_buffer_info"), info))
        return info

    @property
    def size(self) -> int:
        """Size in bytes."""
        return int(self._read_info().size)

    @property
    def usage(self) -> BufferUsage:
        """The allowed uses."""
        return BufferUsage(self._read_info().usage)

    @property
    def state(self) -> BufferState:
        """The current state."""
        return BufferState(self._read_info().state)

    @property
    def valid(self) -> bool:
        """Whether neither the buffer is destroyed nor its device lost."""
        return bool(self._read_info().valid)

    @property
    def label(self) -> str:
        """The name in errors, logs and reports."""
        return text(self._read_info().label)

    def __repr__(self) -> str:
        if not self._handle:
            return f"<{type(self).__name__} closed>"
        return f"<{type(self).__name__} '{self.label}' of {self.size} bytes, {self.state.name.lower()}>"


class _NativeBuffer(DescribedBuffer):
    """Base class of `Buffer` and `DeviceBuffer`, the sources and targets of copies."""

    _native: Any

    @property
    def native(self) -> int:
        """The name of the OpenGL buffer, or the address in host memory, for use by other code while the buffer is ready."""
        native = ffi.new("uint64_t *")
        _errors.check(call_blocking(type(self)._native, self._pointer(), native))
        return int(native[0])


class Buffer(_NativeBuffer):
    """Device memory that the host may map, by WebGPU's rules of mapping, on every kind of device.

    Args:
        device: The device.
        size: Size in bytes.
        usage: The allowed uses, a `BufferUsage`.
        mapped_at_creation: Whether the buffer begins mapped; write its content by `mapped()`, then call `unmap()`.
        label: Name in errors, logs and reports.

    >>> device = backbuf.Device.host()
    >>> usage = backbuf.BufferUsage.MAP_WRITE | backbuf.BufferUsage.COPY_SRC
    >>> buffer = backbuf.Buffer(device, 64, usage, label="numbers")
    >>> with buffer.map(backbuf.MapMode.WRITE, dtype="f4") as array:
    ...     array[:] = np.arange(16)
    >>> buffer
    <Buffer 'numbers' of 64 bytes, ready>
    """

    _destroy_function, _info, _native = lib.bb_buffer_release, lib.bb_buffer_info_get, lib.bb_buffer_native

    def __init__(self, device: Device, size: int, usage: int, *, mapped_at_creation: bool = False, label: str = "") -> None:
        desc, self._name = _desc(size, usage, mapped_at_creation, label)
        super().__init__(device, lib.bb_buffer_create, "bb_buffer", desc)

    def map(self, mode: MapMode, offset: int = 0, size: int | None = None, *, dtype: npt.DTypeLike = np.uint8) -> MapRequest:
        """Requests a mapping, which succeeds as soon as the device no longer uses the bytes.

        Use the result by `wait`, `await`, or a `with` or `async with` block, which unmaps at its end.

        Args:
            mode: For reading or writing.
            offset: Begin of the range, in bytes.
            size: Bytes of the range; None extends it to the end of the buffer.
            dtype: Element type of the array.

        Raises:
            StateError: The buffer is mapped already, or a request is pending.
            ArgumentError: The buffer's usage does not allow this mode.
        """
        length = lib.BB_WHOLE_SIZE if size is None else unsigned(size, "size")
        element, way, begin = dtype_from(dtype), unsigned(mode, "mode", 32), unsigned(offset, "offset")
        out = ffi.new("bb_request **")
        _errors.check(lib.bb_buffer_map_async(self._pointer(), way, begin, length, ffi.NULL, out))
        return MapRequest(
            out[0], lambda: self._range(mode == MapMode.WRITE, begin, length, element), lambda _: self.unmap(), repr(self)
        )

    def mapped(self, *, dtype: npt.DTypeLike = np.uint8) -> MappedArray:
        """The bytes of a buffer that was created mapped, for writing until `unmap()`."""
        return self._range(True, 0, lib.BB_WHOLE_SIZE, dtype_from(dtype))

    def _range(self, writable: bool, offset: int, size: int, dtype: npt.DTypeLike) -> MappedArray:
        # `unmap` of another thread runs either before the range is requested or after its mapping is recorded.
        with self._lock:
            if (mapping := self._mapping) is not None:
                return MappedArray(mapping, self, dtype)
            span = ffi.new("bb_span *" if writable else "bb_const_span *")
            call = lib.bb_buffer_mapped_range if writable else lib.bb_buffer_const_mapped_range
            _errors.check(call(self._pointer(), offset, size, span))
            return self._create_mapping(self._device, span, writable, dtype)

    def unmap(self) -> None:
        """Returns the bytes to the device.

        Raises:
            BufferError: Arrays over them are alive; the buffer stays mapped.
        """
        with self._lock:
            self._end_mapping("Buffer.unmap")
            _errors.check(lib.bb_buffer_unmap(self._pointer()))

    def destroy(self) -> None:
        """Frees the memory; the object remains. Errors are those of `unmap`."""
        with self._lock:
            self._end_mapping("Buffer.destroy")
            _errors.check(lib.bb_buffer_destroy(self._pointer()))

    def __enter__(self) -> Buffer:
        return self


class DeviceBuffer(_NativeBuffer):
    """Memory of any size that only the device accesses.

    >>> device = backbuf.Device.host()
    >>> usage = backbuf.BufferUsage.VERTEX | backbuf.BufferUsage.COPY_SRC
    >>> mesh = backbuf.DeviceBuffer(device, 12, usage, label="mesh")
    >>> with backbuf.Encoder(device) as encoder:
    ...     encoder.write(mesh, np.array([1, 2, 3], "f4"))
    >>> backbuf.ReadbackBuffer(device, 12).read(mesh, dtype="f4").wait().tolist()
    [1.0, 2.0, 3.0]
    """

    _destroy_function, _info = lib.bb_device_buffer_destroy, lib.bb_device_buffer_info_get
    _native = lib.bb_device_buffer_native
    _create_function: Any = lib.bb_device_buffer_create

    def __init__(self, device: Device, size: int, usage: int, *, label: str = "") -> None:
        desc, self._name = _desc(size, usage, False, label)
        super().__init__(device, type(self)._create_function, "bb_device_buffer", desc)

    def __enter__(self) -> DeviceBuffer:
        return self


class GrowableBuffer(DeviceBuffer):
    """A device buffer that can grow and keeps its bytes. Bind it again when its `generation` has changed."""

    _create_function = lib.bb_device_buffer_create_growable

    def reserve(self, size: int) -> bool:
        """Grows to at least `size` bytes and returns whether it has grown."""
        grew = ffi.new("uint32_t *")
        _errors.check(call_blocking(lib.bb_device_buffer_reserve, self._pointer(), unsigned(size, "size"), grew))
        return bool(grew[0])

    @property
    def generation(self) -> int:
        """1, and one more after each growth."""
        return int(self._read_info().generation)


def copy_end(buffer: Any, name: str) -> Any:
    """The handle of a copy's source or target; functions of copies take both classes."""
    if not isinstance(buffer, _NativeBuffer):
        raise TypeError(f"{name} is a {type(buffer).__name__}: give a backbuf.Buffer or a backbuf.DeviceBuffer")
    return ffi.cast("bb_device_buffer *", buffer._pointer())


class Encoder(DeviceObject):
    """Records copies and writes for a submit; it can be reused after each one.

    A `with` block submits on a clean exit. Recorded buffers and data are kept alive until the submit. One thread at a time
    uses it.
    """

    _destroy_function = lib.bb_encoder_destroy

    def __init__(self, device: Device) -> None:
        self._kept: list[Any] = []
        super().__init__(device, lib.bb_encoder_create, "bb_encoder")

    def copy(
        self, source: Any, target: Any, size: int | None = None, *, source_offset: int = 0, target_offset: int = 0
    ) -> None:
        """Records a copy between two buffers, each a `Buffer` or a `DeviceBuffer`.

        Between two `Buffer`, offsets and size are multiples of 4.

        Args:
            source: The buffer to read.
            target: The buffer to write.
            size: Bytes to copy; None copies up to the end of the source.
            source_offset: In bytes.
            target_offset: In bytes.
        """
        ends = copy_end(source, "source"), copy_end(target, "target")
        read, write = unsigned(source_offset, "source_offset"), unsigned(target_offset, "target_offset")
        length = max(0, source.size - read) if size is None else unsigned(size, "size")
        if isinstance(source, Buffer) and isinstance(target, Buffer):
            ranges = (source._pointer(), read, target._pointer(), write)
            _errors.check(lib.bb_encoder_copy(self._pointer(), *ranges, length))
        else:
            _errors.check(lib.bb_encoder_copy_bytes(self._pointer(), ends[0], read, ends[1], write, length))
        self._kept.append((source, target))

    def write(self, target: Buffer | DeviceBuffer, data: Any, offset: int = 0) -> None:
        """Records a write of any object with the buffer protocol at `offset` bytes.

        The data is kept, not copied, and read at the submit.
        """
        view, begin = bytes_of(data), unsigned(offset, "offset")
        kept, buffer = pointer_to(view), copy_end(target, "target")
        _errors.check(lib.bb_encoder_write(self._pointer(), buffer, begin, kept, len(view)))
        self._kept.append((view, kept, target))

    def submit(self) -> int:
        """Submits the recorded steps and returns the fence, for `Device.wait_fence`. If it fails, the steps stay recorded."""
        fence = ffi.new("uint64_t *")
        _errors.check(call_blocking(lib.bb_encoder_submit, self._pointer(), fence))
        self._kept.clear()
        return int(fence[0])

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.submit()
        self.close()
