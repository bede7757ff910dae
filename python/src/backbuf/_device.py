"""Devices: OpenGL, WebGPU or host memory, with buffers and a submission timeline."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from . import _errors
from ._arguments import c_text, nanoseconds, unsigned
from ._callbacks import native_address
from ._html import HtmlFields
from ._library import address, collect, ffi, lib, text
from ._owner import Unique, destroy_at_exit
from ._statistics import DeviceStatistics, counters
from ._wait import interruptible

_KINDS = {
    lib.BB_DEVICE_HOST: "host",
    lib.BB_DEVICE_GL: "gl",
    lib.BB_DEVICE_WGPU: "wgpu",
    lib.BB_DEVICE_CUSTOM: "custom",
}


@dataclass(frozen=True)
class DeviceInfo(HtmlFields):
    """Properties of a device (`bb_device_info`)."""

    kind: str
    """Its backend: gl, wgpu, host or custom."""
    name: str
    """Name of the renderer."""
    version: str
    """Version of the API and the driver."""
    capabilities: tuple[str, ...]
    """Optional capabilities in use."""
    max_buffer_size: int
    """Size limit of a buffer, in bytes."""
    uniform_offset_alignment: int
    """Alignment of offsets in uniform buffers, in bytes."""
    storage_offset_alignment: int
    """Alignment of offsets in storage buffers, in bytes."""


def backend_of(info: DeviceInfo) -> str:
    """Backend and renderer, as objects show them."""
    names = {"host": "host memory", "gl": "OpenGL", "wgpu": "WebGPU", "custom": "driver"}
    return names[info.kind] if info.kind == "host" else f"{names[info.kind]} on {info.name}"


class Device(Unique):
    """A device that buffers and OpenGL managers are created on.

    `Device()` is OpenGL 3.3 or newer, headless: the library creates a context by EGL and uses it on its own thread.
    `Device.shared()` shares buffers with a context of the program; `Device.host_driven()` works in it. `Device.wgpu()` uses
    WebGPU, `Device.host()` host memory, `Device.from_driver()` a driver in a compiled module.

    It is closed by `close()`, by its `with` block, or with its last reference; each manager on it holds one. Any thread may
    use it, except that a host-driven device works on the thread that created it.

    Args:
        label: Name in errors, logs and dumps.

    Raises:
        UnsupportedError: This machine or build has no such device; the message names what is missing.

    >>> with backbuf.Device(label="renderer") as device:
    ...     print(device, device.info().kind)  # doctest: +ELLIPSIS
    <Device 'renderer' OpenGL on ..., open> gl
    """

    def __init__(self, *, label: str | None = None) -> None:
        self._open(label)

    @classmethod
    def shared(cls, display: Any = None, context: Any = None, *, label: str | None = None) -> Device:
        """Creates an OpenGL device whose buffers are shared with a context of the program.

        The library uses a thread and a context of its own.

        Args:
            display: The `EGLDisplay`: an int, or a ctypes or cffi pointer. None takes the one that is current on this
                thread.
            context: The `EGLContext`; given or omitted together with `display`.
            label: Name in errors, logs and dumps.
        """
        if (display is None) != (context is None):
            raise ValueError("display and context go together: give both, or neither for the context that is current")
        if display is None:
            display, context = _current()
        self = cls.__new__(cls)
        self._open(label, egl_display=_pointer(display, "display"), egl_context=_pointer(context, "context"))
        return self

    @classmethod
    def host(cls, *, label: str | None = None, host_driven: bool = False) -> Device:
        """Creates a device in host memory, which needs no driver and behaves like OpenGL for buffers.

        Args:
            label: Name in errors, logs and dumps.
            host_driven: Whether the device works on the calling thread, in `poll()` and waits.

        >>> backbuf.Device.host(label="oracle").info().kind
        'host'
        """
        self = cls.__new__(cls)
        flags = lib.BB_DEVICE_HOST_DRIVEN if host_driven else 0
        self._make(label, lambda name, made: lib.bb_device_create_host(flags, name, made))
        return self

    @classmethod
    def from_driver(cls, driver: Any, *, label: str | None = None, host_driven: bool = False) -> Device:
        """Creates a device on a driver in a compiled module.

        Args:
            driver: The address of its `bb_driver`: an int, or a ctypes or cffi pointer. The table is copied. The module must
                stay loaded as long as the device exists.
            label: Name in errors, logs and dumps.
            host_driven: Whether the device works on the calling thread, in `poll()` and waits.

        Raises:
            BackendError: The driver could not be opened, or describes an impossible device.
        """
        table = ffi.cast("bb_driver *", _pointer(driver, "driver"))
        self = cls.__new__(cls)
        flags = lib.BB_DEVICE_HOST_DRIVEN if host_driven else 0
        self._make(label, lambda name, made: lib.bb_device_create_driver(flags, name, table, made))
        return self

    @classmethod
    def wgpu(cls, adapter: str | None = None, *, label: str | None = None, host_driven: bool = False) -> Device:
        """Creates a WebGPU device, for buffers.

        Args:
            adapter: "vulkan", "gl", or part of an adapter's name; None takes the best adapter.
            label: Name in errors, logs and dumps.
            host_driven: Whether the device works on the calling thread, in `poll()` and waits.

        Raises:
            UnsupportedError: There is no such adapter, or the library was built without WebGPU, which is the default.

        >>> try:
        ...     device = backbuf.Device.wgpu("vulkan", label="renderer")
        ... except backbuf.UnsupportedError as error:
        ...     device = None
        >>> device is None or device.info().kind == "wgpu"
        True
        """
        self = cls.__new__(cls)
        flags = lib.BB_DEVICE_HOST_DRIVEN if host_driven else 0
        wanted = c_text("" if adapter is None else adapter, "adapter")

        def make(name: Any, made: Any) -> Any:
            size = ffi.sizeof("bb_wgpu_config")
            config = ffi.new("bb_wgpu_config *", {"struct_size": size, "label": name, "adapter": wanted})
            return lib.bb_device_create_wgpu(flags, config, made)

        self._make(label, make)
        return self

    @classmethod
    def host_driven(cls, get_proc_address: Any, *, label: str | None = None) -> Device:
        """Creates an OpenGL device that works in the context that is current on this thread, in `poll()` and waits of this
        thread.

        Args:
            get_proc_address: Finds OpenGL's functions by name: a Python function `(str) -> int`, or a native one as an int
                or a ctypes or cffi pointer. It is called only during this call.
            label: Name in errors, logs and dumps.
        """
        found = native_address(get_proc_address, "get_proc_address")
        failures: list[BaseException] = []
        if found is not None:
            function = ffi.cast("bb_gl_get_proc", found)
        elif callable(get_proc_address):
            function = ffi.callback("bb_gl_get_proc", _finder(get_proc_address, failures))
        else:
            kind = type(get_proc_address).__name__
            raise TypeError(f"get_proc_address is a {kind}: give a function, or the address of a native one")
        self = cls.__new__(cls)
        try:
            self._open(label, lib.BB_DEVICE_HOST_DRIVEN, function)
        except _errors.BackbufError as error:
            if failures:
                raise failures[0] from error
            raise
        return self

    def _open(self, label: str | None, flags: int = 0, get_proc: Any = ffi.NULL, **pointers: Any) -> None:
        def make(name: Any, made: Any) -> Any:
            size = ffi.sizeof("bb_gl_config")
            config = ffi.new("bb_gl_config *", {"struct_size": size, "label": name, **pointers})
            return lib.bb_device_create_gl(flags, get_proc, config, made)

        self._make(label, make)

    def _make(self, label: str | None, make: Callable[[Any, Any], Any]) -> None:
        self._label, self._handle = "" if label is None else label, ffi.NULL
        self._mapping_owners = weakref.WeakSet[Any]()
        made = ffi.new("bb_device **")
        _errors.check(make(c_text(self._label, "label"), made))
        self._handle = made[0]
        self._backend = backend_of(self.info())
        destroy_at_exit(self)

    @property
    def label(self) -> str:
        """The name in errors, logs and dumps."""
        return self._label

    @property
    def handle(self) -> int:
        """The `bb_device *` for C code that borrows it: this object remains the owner."""
        return address(self._pointer())

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return not self._handle

    def info(self) -> DeviceInfo:
        """The device's properties.

        >>> backbuf.Device().info().max_buffer_size
        2147483644
        """
        info = ffi.new("bb_device_info *")
        _errors.check(lib.bb_device_info_get(self._pointer(), ffi.sizeof("bb_device_info"), info))
        capabilities = text(info.capabilities)
        return DeviceInfo(
            kind=_KINDS[info.kind],
            name=text(info.name),
            version=text(info.version),
            capabilities=tuple(capabilities.split(",")) if capabilities else (),
            max_buffer_size=info.max_buffer_size,
            uniform_offset_alignment=info.uniform_offset_alignment,
            storage_offset_alignment=info.storage_offset_alignment,
        )

    def statistics(self) -> DeviceStatistics:
        """The device's counters.

        >>> device = backbuf.Device()
        >>> m = backbuf.GLBufferManager(1000, "f4", device)
        >>> device.statistics().live_bytes >= 4000
        True
        """
        found = counters("device", self._pointer())
        return DeviceStatistics(**{**found, "lost": bool(found["lost"])})

    def leak_report(self) -> str:
        """A line for each existing buffer: label, bytes, usage.

        >>> device = backbuf.Device()
        >>> m = backbuf.GLBufferManager(1000, "f4", device, label="cloud")
        >>> "cloud" in device.leak_report()
        True
        >>> m.destroy()
        """
        device = self._pointer()
        return collect(lambda write: _errors.check(lib.bb_device_leak_report(device, write, ffi.NULL)))

    def poll(self, budget: float | None = 0.001) -> None:
        """Does the pending work of a host-driven device; call it about once a frame, on the thread that created the device.

        Args:
            budget: Seconds that it may take; 0 does one step, None does all pending work.

        Raises:
            StateError: The device is not host-driven, or this is not its thread.
        """
        _errors.check(lib.bb_device_poll(self._pointer(), nanoseconds(budget, "budget")))

    def wait_fence(self, fence: int, timeout: float | None = None) -> None:
        """Waits until everything that was submitted up to a fence is done, for at most `timeout` seconds.

        Raises:
            WaitTimeoutError: The timeout expired.
            DeviceLostError: The device is lost.
        """
        device, number = self._pointer(), unsigned(fence, "fence")
        _errors.check(interruptible(timeout, lambda left: lib.bb_device_wait_fence(device, number, left)))

    def close(self) -> None:
        """Closes the device, and its context if the library created it.

        Managers on it keep their state and publish no more (DeviceLostError). A host-driven device is closed on its own
        thread; when that thread has ended, the device is lost and any thread may close it. Repeated calls are allowed.

        Raises:
            BufferError: Arrays over mapped bytes of its buffers are alive; the device stays open.
        """
        if self._handle:
            self._end_mappings()
            _errors.check(lib.bb_device_destroy(self._handle))
            self._handle = ffi.NULL

    def _end_mappings(self) -> None:
        mappings = [lender._mapping for lender in list(self._mapping_owners) if lender._mapping is not None]
        for mapping in mappings:
            mapping.end("Device.close")

    def __del__(self) -> None:
        try:
            self._end_mappings()
        except (BufferError, AttributeError):  # at the interpreter's end mapped buffers keep their device
            return
        # On a thread that is not its own, a host-driven device stays until the process ends.
        handle = self.__dict__.pop("_handle", ffi.NULL)
        if handle:
            lib.bb_device_destroy(handle)

    def _pointer(self) -> Any:
        if not self._handle:
            raise _errors.closed(repr(self), "close() was called")
        return self._handle

    def __enter__(self) -> Device:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        label = f"'{self._label}' " if self._label else ""
        backend = getattr(self, "_backend", "")  # absent if the device could not be created
        return f"<Device {label}{backend}, {'closed' if self.closed else 'open'}>"


def _current() -> tuple[int, int]:
    """The EGL display and context that are current on this thread."""
    try:
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError as error:
        raise _errors.UnsupportedError(f"Device.shared: {error} (Debian: libegl1)", lib.BB_E_UNSUPPORTED) from None
    egl.eglGetCurrentDisplay.restype = egl.eglGetCurrentContext.restype = ctypes.c_void_p
    display, context = egl.eglGetCurrentDisplay(), egl.eglGetCurrentContext()
    if not context:
        raise _errors.StateError(
            "Device.shared: no EGL context is current on this thread: make one current, give display and context, or use "
            "Device.host_driven() for contexts of other APIs",
            lib.BB_E_STATE,
        )
    return display, context


def _pointer(thing: Any, name: str) -> Any:
    found = native_address(thing, name)
    if found is None:
        raise TypeError(f"{name} is a {type(thing).__name__}: give an int, or a ctypes or cffi pointer")
    return ffi.cast("void *", found)


def _finder(get_proc_address: Callable[[str], Any], failures: list[BaseException]) -> Callable[[Any], Any]:
    def find(name: Any) -> Any:
        try:
            found = get_proc_address(text(name))
            return ffi.cast("void *", (native_address(found, "get_proc_address's result") or 0) if found else 0)
        except BaseException as exception:
            failures.append(exception)
            return ffi.NULL

    return find
