"""Transfers between host and device: staging buffers, readbacks, and buffers that are rewritten with every frame."""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _errors
from ._arguments import c_text, dtype_from, instance_of, nanoseconds, unsigned
from ._buffers import Buffer, BufferUsage, DescribedBuffer, DeviceBuffer, Encoder, copy_end
from ._device import Device
from ._library import ffi, lib
from ._mapping import MappedArray, MappingOwner, MapRequest, Request, bytes_of, pointer_to
from ._memory import Array
from ._statistics import DynamicStatistics, ReadbackStatistics, counters
from ._wait import call_blocking, interruptible


class _Staging(DescribedBuffer):
    _write: Any
    _bytes: Any
    _upload: Any

    def write(self, data: Any, offset: int = 0) -> None:
        """Copies bytes into the buffer at `offset` while it is mapped."""
        view, begin = bytes_of(data), unsigned(offset, "offset")
        _errors.check(type(self)._write(self._pointer(), begin, pointer_to(view), len(view)))

    def upload_to(self, encoder: Encoder, target: Buffer | DeviceBuffer, offset: int = 0) -> None:
        """Records a copy of the whole buffer into `target` at `offset` bytes, and unmaps it."""
        encoding, into = instance_of(encoder, Encoder, "encoder"), copy_end(target, "target")
        begin = unsigned(offset, "offset")
        _errors.check(type(self)._upload(self._pointer(), encoding._pointer(), into, begin))
        encoder._kept.append((self, target))


class ImmediateStagingBuffer(_Staging):
    """A staging buffer for one upload: it begins mapped and cannot be mapped again."""

    _destroy_function, _write = lib.bb_immediate_staging_destroy, lib.bb_immediate_staging_write
    _upload, _info = lib.bb_immediate_staging_upload_to, lib.bb_immediate_staging_info_get

    def __init__(self, device: Device, size: int, *, label: str = "") -> None:
        name = c_text(label, "label")
        super().__init__(device, lib.bb_immediate_staging_create, "bb_immediate_staging", unsigned(size, "size"), name)

    def __enter__(self) -> ImmediateStagingBuffer:
        return self


class DeferredStagingBuffer(_Staging):
    """A staging buffer for repeated uploads: it can be mapped again when the last upload is done."""

    _destroy_function, _write = lib.bb_deferred_staging_destroy, lib.bb_deferred_staging_write
    _upload, _info = lib.bb_deferred_staging_upload_to, lib.bb_deferred_staging_info_get

    def __init__(self, device: Device, size: int, *, label: str = "") -> None:
        name = c_text(label, "label")
        super().__init__(device, lib.bb_deferred_staging_create, "bb_deferred_staging", unsigned(size, "size"), name)

    def map(self, *, dtype: npt.DTypeLike = np.uint8) -> MapRequest:
        """Requests a mapping: `with staging.map() as array` writes in place. The buffer stays mapped until its upload."""
        element, out = dtype_from(dtype), ffi.new("bb_request **")
        _errors.check(lib.bb_deferred_staging_map_async(self._pointer(), ffi.NULL, out))

        def take() -> MappedArray:
            span = ffi.new("bb_span *")
            _errors.check(lib.bb_deferred_staging_bytes(self._pointer(), span))
            return self._create_mapping(self._device, span, True, element)

        return MapRequest(out[0], take, lambda _: self._end_mapping("DeferredStagingBuffer.map"), "a staging buffer")

    def unmap(self) -> None:
        """Unmaps the bytes without an upload; they are kept. A pending request ends with StateError.

        Raises:
            BufferError: Arrays over its bytes are alive.
        """
        self._end_mapping("DeferredStagingBuffer.unmap")
        _errors.check(lib.bb_deferred_staging_unmap(self._pointer()))

    def upload_to(self, encoder: Encoder, target: Buffer | DeviceBuffer, offset: int = 0) -> None:
        """Records a copy of the whole buffer into `target` at `offset` bytes, and unmaps it.

        Raises:
            BufferError: Arrays over its bytes are alive.
        """
        self._end_mapping("DeferredStagingBuffer.upload_to")
        super().upload_to(encoder, target, offset)

    def __enter__(self) -> DeferredStagingBuffer:
        return self


class Reading(Request[Array], MappingOwner):
    """A pending read. `await` and `wait` return a copy of the bytes; a `with` block lends the bytes of the ring until its
    end.
    """

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
        return self._create_mapping(self._device, span, False, self._dtype)

    def _release(self) -> None:
        self._end_mapping("Reading")
        ffi.release(self._handle)

    def __enter__(self) -> MappedArray:  # type: ignore[override]  # gives the bytes, not itself
        _errors.check(interruptible(None, self._poll))
        return self._bytes()

    async def __aenter__(self) -> MappedArray:  # type: ignore[override]  # gives the bytes, not itself
        await self._wait_async()
        return self._bytes()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._release()


class ReadbackBuffer(DescribedBuffer):
    """Reads device buffers through a ring of buffers, so that no frame waits for its own bytes.

    Args:
        device: The device.
        size: Size of each buffer in bytes.
        frames: Number of buffers.
        when_full: When all buffers are in use: "skip" raises FullError, "drop" cancels the oldest reading, a number waits
            for that
            many seconds.
        label: Name in errors, logs and reports.
    """

    _destroy_function, _info = lib.bb_readback_destroy, lib.bb_readback_info_get

    def __init__(self, device: Device, size: int, *, frames: int = 3, when_full: str | float = "skip", label: str = "") -> None:
        name = c_text(label, "label")
        ways = {"skip": lib.BB_READBACK_SKIP, "drop": lib.BB_READBACK_DROP_OLDEST}
        if isinstance(when_full, str) and when_full not in ways:
            raise ValueError(f"when_full is {when_full!r}: it must be 'skip', 'drop' or seconds to wait")
        way = ways[when_full] if isinstance(when_full, str) else lib.BB_READBACK_WAIT
        config = ffi.new("bb_readback_config *")
        _errors.check(lib.bb_readback_config_init(config))
        config.size, config.frames = unsigned(size, "size"), unsigned(frames, "frames", 32)
        config.when_full, config.label = way, name
        config.timeout_ns = 0 if isinstance(when_full, str) else nanoseconds(when_full, "when_full")
        super().__init__(device, lib.bb_readback_create, "bb_readback", config)

    def read(
        self, source: Buffer | DeviceBuffer, offset: int = 0, size: int | None = None, *, dtype: npt.DTypeLike = np.uint8
    ) -> Reading:
        """Begins to read `size` bytes at `offset` of a device buffer; without a size, up to its end."""
        return self._begin(lib.bb_readback_read, (), source, offset, size, dtype)

    def read_in(
        self,
        encoder: Encoder,
        source: Buffer | DeviceBuffer,
        offset: int = 0,
        size: int | None = None,
        *,
        dtype: npt.DTypeLike = np.uint8,
    ) -> Reading:
        """Records the read in an encoder: it returns the content at that step.

        Waiting for it raises StateError if the encoder is closed without a submit.
        """
        within = (instance_of(encoder, Encoder, "encoder")._pointer(),)
        reading = self._begin(lib.bb_readback_read_in, within, source, offset, size, dtype)
        encoder._kept.append((self, source))
        return reading

    def _begin(
        self,
        call: Any,
        within: tuple[Any, ...],
        source: Buffer | DeviceBuffer,
        offset: int,
        size: int | None,
        dtype: npt.DTypeLike,
    ) -> Reading:
        reading, element, begin = ffi.new("bb_reading **"), dtype_from(dtype), unsigned(offset, "offset")
        buffer = copy_end(source, "source")
        length = max(0, source.size - begin) if size is None else unsigned(size, "size")
        try:
            _errors.check(call_blocking(call, self._pointer(), *within, buffer, begin, length, reading))
        except BaseException:
            lib.bb_reading_release(reading[0])  # Ctrl-C may end a call that has begun the read
            raise
        return Reading(self._device, reading[0], element)

    def statistics(self) -> ReadbackStatistics:
        """The buffer's counters."""
        return ReadbackStatistics(**counters("readback", self._pointer()))

    def __enter__(self) -> ReadbackBuffer:
        return self


class DynamicUpdate(MappingOwner):
    """An update of the current frame: write `array` inside the `with` block; `buffer` and `offset` locate the bytes on the
    device.
    """

    def __init__(self, dynamic: DynamicBuffer, slice_: Any, dtype: npt.DTypeLike) -> None:
        self._dynamic, self._slice, self._open, self._dtype = dynamic, slice_, True, dtype
        dynamic._updates.add(self)
        self._create_mapping(dynamic._device, slice_, True, dtype)

    @property
    def array(self) -> MappedArray:
        """The bytes of the update, until the block ends."""
        if (mapping := self._mapping) is None:
            raise _errors.error(lib.BB_E_STATE, "the update has ended: begin a new one")
        return MappedArray(mapping, self, self._dtype)

    def _close(self, what: str) -> None:
        self._end_mapping(what)
        if self._open:
            self._open = False
            _errors.check(lib.bb_dynamic_end_update(self._dynamic._pointer(), self._slice))

    def __del__(self) -> None:
        # An update without an end would block its frame. Its arrays no longer exist, since they keep it alive.
        if self.__dict__.get("_open") and self._dynamic.__dict__.get("_handle"):
            lib.bb_dynamic_end_update(self._dynamic._handle, self._slice)

    @property
    def buffer(self) -> int:
        """The name of the OpenGL buffer, or the address in host memory."""
        return int(self._slice.buffer)

    @property
    def offset(self) -> int:
        """The offset of the update in the buffer, in bytes."""
        return int(self._slice.offset)

    def copy_to(self, encoder: Encoder, target: Buffer | DeviceBuffer, offset: int = 0) -> None:
        """Records a copy of the update into `target`, within its frame."""
        encoding, into = instance_of(encoder, Encoder, "encoder"), copy_end(target, "target")
        begin, dynamic = unsigned(offset, "offset"), self._dynamic._pointer()
        _errors.check(lib.bb_encoder_copy_update(encoding._pointer(), dynamic, self._slice, into, begin))
        encoder._kept.append((self._dynamic, target))

    def __enter__(self) -> DynamicUpdate:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._close("Update")


class DynamicBuffer(DescribedBuffer):
    """A buffer for data that changes with every frame, written in place while the device still uses earlier frames.

    Args:
        device: The device.
        size: Size of the ring in bytes.
        usage: The allowed uses, a `BufferUsage`.
        frames: Number of frames that the device may have in flight.
        policy: When the ring is full: a number of seconds to wait, "fail", or "grow" up to `most` bytes.
        most: Size limit in bytes for "grow".
        label: Name in errors, logs and reports.

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

    _destroy_function, _info = lib.bb_dynamic_destroy, lib.bb_dynamic_info_get

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
        name = c_text(label, "label")
        ways = {"fail": lib.BB_RING_FAIL, "grow": lib.BB_RING_GROW}
        if isinstance(policy, str) and policy not in ways:
            raise ValueError(f"policy is {policy!r}: it must be 'fail', 'grow' or seconds to wait")
        config = ffi.new("bb_dynamic_config *")
        _errors.check(lib.bb_dynamic_config_init(config))
        config.size, config.most, config.label = unsigned(size, "size"), unsigned(most, "most"), name
        config.usage, config.frames = unsigned(usage, "usage", 32), unsigned(frames, "frames", 32)
        config.policy = ways[policy] if isinstance(policy, str) else lib.BB_RING_BLOCK
        config.timeout_ns = 0 if isinstance(policy, str) else nanoseconds(policy, "policy")
        self._updates: weakref.WeakSet[DynamicUpdate] = weakref.WeakSet()
        super().__init__(device, lib.bb_dynamic_create, "bb_dynamic", config)

    def close(self) -> None:
        """Destroys the buffer. Repeated calls are allowed.

        Raises:
            BufferError: Arrays over an update are alive; the buffer stays open.
        """
        for update in list(self._updates):
            update._close("DynamicBuffer.close")
        super().close()

    def update(self, size: int, *, dtype: npt.DTypeLike = np.uint8) -> DynamicUpdate:
        """Begins an update of `size` bytes in the current frame.

        Raises:
            FullError: The ring is full and the policy is "fail".
            WaitTimeoutError: The ring was full until the policy's timeout expired.
        """
        element, slice_ = dtype_from(dtype), ffi.new("bb_dynamic_slice *")
        _errors.check(call_blocking(lib.bb_dynamic_begin_update, self._pointer(), unsigned(size, "size"), slice_))
        return DynamicUpdate(self, slice_, element)

    def flush(self) -> None:
        """Makes written updates visible to the device, before draws of the program itself."""
        _errors.check(call_blocking(lib.bb_dynamic_flush, self._pointer()))

    def end_frame(self) -> None:
        """Ends the frame, after everything that uses its updates was submitted or drawn by this thread."""
        _errors.check(call_blocking(lib.bb_dynamic_end_frame, self._pointer()))

    def statistics(self) -> DynamicStatistics:
        """The buffer's counters."""
        return DynamicStatistics(**counters("dynamic", self._pointer()))

    def __enter__(self) -> DynamicBuffer:
        return self
