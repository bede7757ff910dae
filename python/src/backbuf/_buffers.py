"""Buffers of a device, and the roles that they play: loaded, streamed, read back, changed with every frame."""

from __future__ import annotations

import enum
import threading
import weakref
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _errors
from ._device import Device
from ._library import ffi, lib, text
from ._mapping import Lender, MappedArray, MapRequest, Request, bytes_of, pointer_to
from ._memory import Array
from ._statistics import DynamicStatistics, ReadbackStatistics, counters
from ._wait import blocking, nanoseconds, waiting


class BufferUsage(enum.IntFlag):
    """What a buffer is for."""

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
    """Where a buffer stands."""

    UNINITIALIZED = lib.BB_BUFFER_UNINITIALIZED
    READY = lib.BB_BUFFER_READY
    MAPPED = lib.BB_BUFFER_MAPPED
    MAP_PENDING = lib.BB_BUFFER_MAP_PENDING
    DESTROYED = lib.BB_BUFFER_DESTROYED


class MapMode(enum.IntEnum):
    """What a mapping is for."""

    READ = lib.BB_MAP_READ
    WRITE = lib.BB_MAP_WRITE


class _Object(Lender):
    """Something of a device in C: it ends with `close()`, its `with` block or its last reference."""

    _end: Any

    def __init__(self, device: Device, make: Any, kind: str, *arguments: Any) -> None:
        place = ffi.new(f"{kind} **")
        try:
            _errors.check(blocking(make, device._pointer(), *arguments, place))
        finally:
            # Also of one that came although Ctrl-C ends the call: it goes with this object.
            self._device, self._handle, self._lock = device, place[0], threading.Lock()

    def _pointer(self) -> Any:
        if not self._handle:
            raise _errors.closed(type(self).__name__, "close() has ended it")
        return self._handle

    def close(self) -> None:
        """Ends it; its memory goes back once the device is done with it. BufferError where arrays over its mapped bytes are
        alive: then it stays. Twice is fine."""
        self._end_mapping(f"{type(self).__name__}.close")
        handle, self._handle = self.__dict__.get("_handle", ffi.NULL), ffi.NULL
        if handle:
            _errors.check(type(self)._end(handle))

    def __del__(self) -> None:
        handle = self.__dict__.pop("_handle", ffi.NULL)
        if handle:
            type(self)._end(handle)

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _desc(size: int, usage: int, mapped_at_creation: bool, label: str) -> tuple[Any, Any]:
    """A `bb_buffer_desc`, and what it points to."""
    if size < 0 or size >= 1 << 64:
        raise ValueError(f"size is {size}: give bytes from 0 on")
    name = ffi.new("char[]", label.encode())
    members = {"size": size, "usage": usage, "mapped_at_creation": mapped_at_creation, "label": name}
    return ffi.new("bb_buffer_desc *", {"struct_size": ffi.sizeof("bb_buffer_desc"), **members}), name


class _Described(_Object):
    _info: Any
    _native: Any

    def _told(self) -> Any:
        info = ffi.new("bb_buffer_info *")
        _errors.check(type(self)._info(self._pointer(), ffi.sizeof("bb_buffer_info"), info))
        return info

    @property
    def size(self) -> int:
        """Its bytes."""
        return int(self._told().size)

    @property
    def usage(self) -> BufferUsage:
        """What it is for."""
        return BufferUsage(self._told().usage)

    @property
    def state(self) -> BufferState:
        """Where it stands."""
        return BufferState(self._told().state)

    @property
    def valid(self) -> bool:
        """False once it is destroyed, or its device lost."""
        return bool(self._told().valid)

    @property
    def label(self) -> str:
        """The name in errors, logs and reports."""
        return text(self._told().label)

    @property
    def native(self) -> int:
        """The name of an OpenGL buffer, an address in host memory; for work of one's own, while it is ready."""
        native = ffi.new("uint64_t *")
        _errors.check(blocking(type(self)._native, self._pointer(), native))
        return int(native[0])

    def __repr__(self) -> str:
        if not self._handle:
            return f"<{type(self).__name__} closed>"
        return f"<{type(self).__name__} '{self.label}' of {self.size} bytes, {self.state.name.lower()}>"


class Buffer(_Described):
    """Memory that host and device use by turns, by WebGPU's rules of mapping, on every device.

    >>> device = backbuf.Device.host()
    >>> usage = backbuf.BufferUsage.MAP_WRITE | backbuf.BufferUsage.COPY_SRC
    >>> buffer = backbuf.Buffer(device, 64, usage, label="numbers")
    >>> with buffer.map(backbuf.MapMode.WRITE, dtype="f4") as array:
    ...     array[:] = np.arange(16)
    >>> buffer
    <Buffer 'numbers' of 64 bytes, ready>
    """

    _end, _info, _native = lib.bb_buffer_release, lib.bb_buffer_info_get, lib.bb_buffer_native

    def __init__(self, device: Device, size: int, usage: int, *, mapped_at_creation: bool = False, label: str = "") -> None:
        desc, self._name = _desc(size, usage, mapped_at_creation, label)
        super().__init__(device, lib.bb_buffer_create, "bb_buffer", desc)

    def map(self, mode: MapMode, offset: int = 0, size: int | None = None, *, dtype: npt.DTypeLike = np.uint8) -> MapRequest:
        """Asks for `size` bytes at `offset` to be mapped, or for the rest, as soon as the work that uses them is done: waited
        for, awaited, or in a `with` or `async with` block, which unmaps at its end."""
        length = lib.BB_WHOLE_SIZE if size is None else size
        place = ffi.new("bb_request **")
        _errors.check(lib.bb_buffer_map_async(self._pointer(), mode, offset, length, ffi.NULL, place))
        return MapRequest(
            place[0], lambda: self._range(mode == MapMode.WRITE, offset, length, dtype), lambda _: self.unmap(), repr(self)
        )

    def mapped(self, *, dtype: npt.DTypeLike = np.uint8) -> MappedArray:
        """The bytes of a buffer that was mapped at creation, to be written until `unmap()`."""
        return self._range(True, 0, lib.BB_WHOLE_SIZE, dtype)

    def _range(self, writable: bool, offset: int, size: int, dtype: npt.DTypeLike) -> MappedArray:
        # Another thread that unmaps comes before the bytes are asked for, or after their mapping is known.
        with self._lock:
            if (mapping := self._mapping) is not None:
                return MappedArray(mapping, self, dtype)
            span = ffi.new("bb_span *" if writable else "bb_const_span *")
            call = lib.bb_buffer_mapped_range if writable else lib.bb_buffer_const_mapped_range
            _errors.check(call(self._pointer(), offset, size, span))
            return self._lend(self._device, span, writable, dtype)

    def unmap(self) -> None:
        """Gives the bytes to the device. BufferError where arrays over them are alive: then they stay mapped."""
        with self._lock:
            self._end_mapping("Buffer.unmap")
            _errors.check(lib.bb_buffer_unmap(self._pointer()))

    def destroy(self) -> None:
        """Gives the memory back; the object stays. BufferError as for `unmap`."""
        with self._lock:
            self._end_mapping("Buffer.destroy")
            _errors.check(lib.bb_buffer_destroy(self._pointer()))

    def __enter__(self) -> Buffer:
        return self


class DeviceBuffer(_Described):
    """Memory that the device alone uses, of any number of bytes.

    >>> device = backbuf.Device.host()
    >>> usage = backbuf.BufferUsage.VERTEX | backbuf.BufferUsage.COPY_SRC
    >>> mesh = backbuf.DeviceBuffer(device, 12, usage, label="mesh")
    >>> with backbuf.Encoder(device) as encoder:
    ...     encoder.write(mesh, np.array([1, 2, 3], "f4"))
    >>> backbuf.ReadbackBuffer(device, 12).read(mesh, dtype="f4").wait().tolist()
    [1.0, 2.0, 3.0]
    """

    _end, _info = lib.bb_device_buffer_destroy, lib.bb_device_buffer_info_get
    _native = lib.bb_device_buffer_native
    _make: Any = lib.bb_device_buffer_create

    def __init__(self, device: Device, size: int, usage: int, *, label: str = "") -> None:
        desc, self._name = _desc(size, usage, False, label)
        super().__init__(device, type(self)._make, "bb_device_buffer", desc)

    def __enter__(self) -> DeviceBuffer:
        return self


class GrowableBuffer(DeviceBuffer):
    """A device buffer that grows and keeps its bytes: bind it anew when its `generation` has changed."""

    _make = lib.bb_device_buffer_create_growable

    def reserve(self, size: int) -> bool:
        """Makes sure of that many bytes, and says whether it grew."""
        grew = ffi.new("uint32_t *")
        _errors.check(blocking(lib.bb_device_buffer_reserve, self._pointer(), size, grew))
        return bool(grew[0])

    @property
    def generation(self) -> int:
        """1, and one more each time that it grew."""
        return int(self._told().generation)


class Encoder(_Object):
    """Copies and writes for one submit after the other. A `with` block submits on a clean exit. What was recorded is kept until
    the submit, buffers and data alike."""

    _end = lib.bb_encoder_destroy

    def __init__(self, device: Device) -> None:
        self._kept: list[Any] = []
        super().__init__(device, lib.bb_encoder_create, "bb_encoder")

    def copy(
        self, source: Any, target: Any, size: int | None = None, *, source_offset: int = 0, target_offset: int = 0
    ) -> None:
        """From one `Buffer` to another, or from one `DeviceBuffer` to another; all of it where no size is given."""
        if isinstance(source, DeviceBuffer) != isinstance(target, DeviceBuffer):
            raise TypeError("copy goes between two Buffers, or two DeviceBuffers")
        call = lib.bb_encoder_copy_bytes if isinstance(source, DeviceBuffer) else lib.bb_encoder_copy
        length = source.size - source_offset if size is None else size
        places = (source._pointer(), source_offset, target._pointer(), target_offset)
        _errors.check(call(self._pointer(), *places, length))
        self._kept.append((source, target))

    def write(self, target: DeviceBuffer, data: Any, offset: int = 0) -> None:
        """Bytes of anything with the buffer protocol, read when they are submitted: kept, not copied, until then."""
        view = bytes_of(data)
        kept = pointer_to(view)
        _errors.check(lib.bb_encoder_write(self._pointer(), target._pointer(), offset, kept, len(view)))
        self._kept.append((view, kept, target))

    def submit(self) -> int:
        """Has the device do what was recorded; the fence, for `Device.wait_fence`. Refused, what was recorded stays."""
        fence = ffi.new("uint64_t *")
        _errors.check(blocking(lib.bb_encoder_submit, self._pointer(), fence))
        self._kept.clear()
        return int(fence[0])

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.submit()
        self.close()


class _Staging(_Object):
    _write: Any
    _bytes: Any
    _upload: Any

    def write(self, data: Any, offset: int = 0) -> None:
        """Copies bytes into it, while it is mapped."""
        view = bytes_of(data)
        _errors.check(type(self)._write(self._pointer(), offset, pointer_to(view), len(view)))

    def upload_to(self, encoder: Encoder, target: DeviceBuffer, offset: int = 0) -> None:
        """Records the copy of all of it, and unmaps it."""
        _errors.check(type(self)._upload(self._pointer(), encoder._pointer(), target._pointer(), offset))
        encoder._kept.append((self, target))


class ImmediateStagingBuffer(_Staging):
    """Bytes on their way to the device, once: mapped from the beginning, used up by the upload."""

    _end, _write = lib.bb_immediate_staging_destroy, lib.bb_immediate_staging_write
    _upload = lib.bb_immediate_staging_upload_to

    def __init__(self, device: Device, size: int, *, label: str = "") -> None:
        name = ffi.new("char[]", label.encode())
        super().__init__(device, lib.bb_immediate_staging_create, "bb_immediate_staging", size, name)

    def __enter__(self) -> ImmediateStagingBuffer:
        return self


class DeferredStagingBuffer(_Staging):
    """Bytes on their way to the device, again and again: mapped when the last upload is done."""

    _end, _write = lib.bb_deferred_staging_destroy, lib.bb_deferred_staging_write
    _upload = lib.bb_deferred_staging_upload_to

    def __init__(self, device: Device, size: int, *, label: str = "") -> None:
        name = ffi.new("char[]", label.encode())
        super().__init__(device, lib.bb_deferred_staging_create, "bb_deferred_staging", size, name)

    def map(self, *, dtype: npt.DTypeLike = np.uint8) -> MapRequest:
        """Asks for it to be mapped: `with staging.map() as array` writes in place; it stays mapped until its upload."""
        place = ffi.new("bb_request **")
        _errors.check(lib.bb_deferred_staging_map_async(self._pointer(), ffi.NULL, place))

        def take() -> MappedArray:
            span = ffi.new("bb_span *")
            _errors.check(lib.bb_deferred_staging_bytes(self._pointer(), span))
            return self._lend(self._device, span, True, dtype)

        return MapRequest(place[0], take, lambda _: self._end_mapping("DeferredStagingBuffer.map"), "a staging buffer")

    def upload_to(self, encoder: Encoder, target: DeviceBuffer, offset: int = 0) -> None:
        """Records the copy of all of it, and unmaps it. BufferError where arrays over its bytes are alive."""
        self._end_mapping("DeferredStagingBuffer.upload_to")
        super().upload_to(encoder, target, offset)

    def __enter__(self) -> DeferredStagingBuffer:
        return self


class Reading(Request[Array], Lender):
    """A read that is under way: `await` or `wait` gives the bytes as an array of one's own; a `with` block lends those of
    the ring, and gives them back at its end."""

    def __init__(self, device: Device, handle: Any, dtype: npt.DTypeLike) -> None:
        self._device, self._handle, self._dtype = device, ffi.gc(handle, lib.bb_reading_release), dtype
        super().__init__(lambda timeout: lib.bb_reading_wait(self._handle, timeout), self._copy, lambda _: None, "a reading")

    def _copy(self) -> Array:
        copy: Array = np.array(self._bytes())
        self._release()
        return copy

    def _bytes(self) -> MappedArray:
        span = ffi.new("bb_const_span *")
        _errors.check(lib.bb_reading_bytes(self._handle, span))
        return self._lend(self._device, span, False, self._dtype)

    def _release(self) -> None:
        self._end_mapping("Reading")
        ffi.release(self._handle)

    def __enter__(self) -> MappedArray:  # type: ignore[override]
        _errors.check(waiting(None, self._look))
        return self._bytes()

    async def __aenter__(self) -> MappedArray:  # type: ignore[override]
        await self._known()
        return self._bytes()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._release()


class ReadbackBuffer(_Object):
    """Bytes on their way back, in a ring of buffers, so that no frame waits for its own.

    `when_full` is "skip" (FullError), "drop" (the oldest reading is given up) or a number of seconds to wait.
    """

    _end = lib.bb_readback_destroy

    def __init__(self, device: Device, size: int, *, frames: int = 3, when_full: str | float = "skip", label: str = "") -> None:
        name = ffi.new("char[]", label.encode())
        ways = {"skip": lib.BB_READBACK_SKIP, "drop": lib.BB_READBACK_DROP_OLDEST}
        if isinstance(when_full, str) and when_full not in ways:
            raise ValueError(f"when_full is {when_full!r}: give 'skip', 'drop' or seconds to wait")
        way = ways[when_full] if isinstance(when_full, str) else lib.BB_READBACK_WAIT
        config = ffi.new("bb_readback_config *")
        _errors.check(lib.bb_readback_config_init(config))
        config.size, config.frames, config.when_full, config.label = size, frames, way, name
        config.timeout_ns = 0 if isinstance(when_full, str) else nanoseconds(when_full, "when_full")
        super().__init__(device, lib.bb_readback_create, "bb_readback", config)

    def read(
        self, source: DeviceBuffer, offset: int = 0, size: int | None = None, *, dtype: npt.DTypeLike = np.uint8
    ) -> Reading:
        """Reads what the device buffer holds by now; all of it where no size is given."""
        return self._begin(lib.bb_readback_read, (), source, offset, size, dtype)

    def read_in(
        self,
        encoder: Encoder,
        source: DeviceBuffer,
        offset: int = 0,
        size: int | None = None,
        *,
        dtype: npt.DTypeLike = np.uint8,
    ) -> Reading:
        """Records the same copy in an encoder: what the device buffer holds at that step. StateError where the encoder is
        closed without a submit."""
        reading = self._begin(lib.bb_readback_read_in, (encoder._pointer(),), source, offset, size, dtype)
        encoder._kept.append((self, source))
        return reading

    def _begin(
        self, call: Any, within: tuple[Any, ...], source: DeviceBuffer, offset: int, size: int | None, dtype: npt.DTypeLike
    ) -> Reading:
        reading = ffi.new("bb_reading **")
        length = source.size - offset if size is None else size
        try:
            _errors.check(blocking(call, self._pointer(), *within, source._pointer(), offset, length, reading))
        except BaseException:
            lib.bb_reading_release(reading[0])  # of a read that began although Ctrl-C ends the call
            raise
        return Reading(self._device, reading[0], dtype)

    def statistics(self) -> ReadbackStatistics:
        """What it has counted."""
        return ReadbackStatistics(**counters("readback", self._pointer()))

    def __enter__(self) -> ReadbackBuffer:
        return self


class Update(Lender):
    """An update of a frame: `array` is written within the `with` block; `buffer` and `offset` tell where it is."""

    def __init__(self, dynamic: DynamicBuffer, slice_: Any, dtype: npt.DTypeLike) -> None:
        self._dynamic, self._slice, self._open, self._dtype = dynamic, slice_, True, dtype
        dynamic._updates.add(self)
        self._lend(dynamic._device, slice_, True, dtype)

    @property
    def array(self) -> MappedArray:
        """Its bytes, until the block ends."""
        if (mapping := self._mapping) is None:
            raise _errors.told(lib.BB_E_STATE, "the update has ended: begin another one")
        return MappedArray(mapping, self, self._dtype)

    def _close(self, what: str) -> None:
        self._end_mapping(what)
        if self._open:
            self._open = False
            _errors.check(lib.bb_dynamic_end_update(self._dynamic._pointer(), self._slice))

    def __del__(self) -> None:
        # One that nobody ended must not keep its frame from ending. Its arrays are gone, or it would be here still.
        if self.__dict__.get("_open") and self._dynamic.__dict__.get("_handle"):
            lib.bb_dynamic_end_update(self._dynamic._handle, self._slice)

    @property
    def buffer(self) -> int:
        """The name of an OpenGL buffer, an address in host memory."""
        return int(self._slice.buffer)

    @property
    def offset(self) -> int:
        """Where it begins in it, in bytes."""
        return int(self._slice.offset)

    def copy_to(self, encoder: Encoder, target: DeviceBuffer, offset: int = 0) -> None:
        """Records a copy of it, within its frame."""
        dynamic, encoding = self._dynamic._pointer(), encoder._pointer()
        _errors.check(lib.bb_encoder_copy_update(encoding, dynamic, self._slice, target._pointer(), offset))
        encoder._kept.append((self._dynamic, target))

    def __enter__(self) -> Update:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._close("Update")


class DynamicBuffer(_Object):
    """Bytes that change with every frame, written in place while the device still uses those of the frames before.

    `policy` is a number of seconds to wait when the ring is full, "fail", or "grow" up to `most` bytes.

    >>> device = backbuf.Device.host()
    >>> uniforms = backbuf.DynamicBuffer(device, 64)
    >>> for frame in range(10):
    ...     with uniforms.update(64, dtype="f4") as update:
    ...         update.array[:] = frame
    ...     uniforms.flush()  # before draws that bind update.buffer at update.offset
    ...     uniforms.end_frame()
    >>> uniforms.statistics().frames
    10
    """

    _end = lib.bb_dynamic_destroy

    def __init__(
        self,
        device: Device,
        size: int,
        usage: int = BufferUsage.UNIFORM,
        *,
        frames: int = 3,
        policy: str | float = 1.0,
        most: int = 0,
        label: str = "",
    ) -> None:
        name = ffi.new("char[]", label.encode())
        ways = {"fail": lib.BB_RING_FAIL, "grow": lib.BB_RING_GROW}
        if isinstance(policy, str) and policy not in ways:
            raise ValueError(f"policy is {policy!r}: give 'fail', 'grow' or seconds to wait")
        config = ffi.new("bb_dynamic_config *")
        _errors.check(lib.bb_dynamic_config_init(config))
        config.size, config.usage, config.frames, config.most, config.label = size, usage, frames, most, name
        config.policy = ways[policy] if isinstance(policy, str) else lib.BB_RING_BLOCK
        config.timeout_ns = 0 if isinstance(policy, str) else nanoseconds(policy, "policy")
        self._updates: weakref.WeakSet[Update] = weakref.WeakSet()
        super().__init__(device, lib.bb_dynamic_create, "bb_dynamic", config)

    def close(self) -> None:
        """Ends it. BufferError where arrays over an update are alive: then it stays. Twice is fine."""
        for update in list(self._updates):
            update._close("DynamicBuffer.close")
        super().close()

    def update(self, size: int, *, dtype: npt.DTypeLike = np.uint8) -> Update:
        """Room for an update of this frame."""
        slice_ = ffi.new("bb_dynamic_slice *")
        _errors.check(blocking(lib.bb_dynamic_begin_update, self._pointer(), size, slice_))
        return Update(self, slice_, dtype)

    def flush(self) -> None:
        """Brings what is written to the device, for draws of the program's own."""
        _errors.check(blocking(lib.bb_dynamic_flush, self._pointer()))

    def end_frame(self) -> None:
        """Ends the frame, once whatever uses its updates has been submitted, or drawn by this thread."""
        _errors.check(blocking(lib.bb_dynamic_end_frame, self._pointer()))

    def statistics(self) -> DynamicStatistics:
        """What it has counted."""
        return DynamicStatistics(**counters("dynamic", self._pointer()))

    def __enter__(self) -> DynamicBuffer:
        return self
