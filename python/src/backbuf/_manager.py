"""Managers in host memory: double-buffered state with queued writes and atomic publishes."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from . import _callbacks, _errors
from ._arguments import c_text, dtype_from, instance_of, unsigned, whole_number
from ._device import Device
from ._fields import FieldsLike, FieldTable, GroupFields, NewFields
from ._front import Fronts
from ._layout import BufferUpdate, Layout, dtype_code, pointer, shape_of
from ._library import address, addresses, collect, ffi, hot, lib, text, use_extension
from ._manager_writes import ManagerWrites
from ._owner import Owner
from ._wait import Deadline, call_blocking, interruptible
from ._watch import Waiters

if TYPE_CHECKING:
    from .registry import BufferGroup

_WORKERS = {"shared": lib.BB_WORKER_SHARED, "only": lib.BB_WORKER_ONLY}
Self = TypeVar("Self", bound="CBufferManager")


class CBufferManager(ManagerWrites):
    """Double-buffered state: one N-d array, or several named fields, whose queued writes `synchronize` publishes together as
    the next epoch.

    Readers hold fronts, which do not change. All methods may be called from any thread. As a context manager it closes on a
    clean exit, which publishes accepted writes, and discards them on an exception.

    Args:
        shape: Number of elements along each axis.
        dtype: Type of an element, without Python objects.
        fields: Instead of a shape: the shape and dtype of each field by name, or a structured dtype. Each field is an array of
            its own, `m["name"]` for writes and `f["name"]` of a front, and one epoch publishes all of them.
        label: Name in errors, logs and dumps.
        initial: Initial values, broadcast to the shape; zeros by default. With fields, a dict of them by name.
        queue_bytes: Size of the update queue in bytes.
        copies: Number of copies of the state, 2 to 8.
        watchdog_ns: Nanoseconds after which a flush, a kernel or a task is reported as stalled.
        caller_budget_bytes: Bytes of queued updates up to which a synchronizing thread applies them itself.
        flush: Called on the worker before each publish; returns None or 0 on success. It is kept until the manager is
            destroyed.
        worker: "shared": synchronizing threads may apply updates too; "only": the worker applies all updates.
        worker_priority: Scheduling priority of the worker.
        worker_affinity: CPUs, from 0 to 63, that the worker may run on.
        max_extra_copies: Copies that may be added while fronts hold all others; 24 by default, 0 with `copies=2`.
        history: The last epochs whose changes `Front.changed_since` can name; 64 by default, 0 for none, at most 1024.
        device: The device that gets a copy of each front, before it is published: `front_device` leases its buffer. It stays
            open as long as the manager. For OpenGL a `GLBufferManager` has more.

    Raises:
        OutOfMemoryError: The copies or the queue could not be allocated.

    >>> with backbuf.CBufferManager((100, 100), "f4", label="grid") as m:
    ...     m[2:5, ::2] = 1.5
    ...     epoch = m.synchronize()
    ...     with m.front() as f:
    ...         print(f.epoch >= epoch, f.array[3, :4])
    True [1.5 0.  1.5 0. ]
    >>> m = backbuf.CBufferManager(fields={"qpos": (7, "f8"), "depth": ((480, 640), "u2")})
    >>> m["qpos"][2:4] = [0.5, 0.25]
    >>> with m.batch() as b:
    ...     b["depth"][:] = 1000
    ...     b["qpos"][0] = 1
    >>> _ = m.synchronize()
    >>> f = m.front()
    >>> f["qpos"][:4], f["depth"].mean()
    (array([1.  , 0.  , 0.5 , 0.25]), np.float64(1000.0))
    """

    def __init__(
        self,
        shape: int | Sequence[int] | None = None,
        dtype: npt.DTypeLike = np.float64,
        *,
        fields: FieldsLike | GroupFields | None = None,
        label: str | None = None,
        initial: npt.ArrayLike | None = None,
        queue_bytes: int | None = None,
        copies: int | None = None,
        watchdog_ns: int | None = None,
        caller_budget_bytes: int | None = None,
        flush: Callable[[], int | None] | None = None,
        worker: Literal["shared", "only"] = "shared",
        worker_priority: int | None = None,
        worker_affinity: Iterable[int] | None = None,
        max_extra_copies: int | None = None,
        history: int | None = None,
        device: Device | None = None,
    ) -> None:
        if (shape is None) == (fields is None):
            raise TypeError("shape, fields: give one of them")
        config = ffi.new("bb_manager_config *")
        _errors.check(lib.bb_manager_config_init(config))
        kept: list[Any] = []
        if label is not None:
            kept.append(c_text(label, "label"))
            config.label = kept[-1]
        for name, number in (
            ("queue_bytes", queue_bytes),
            ("copies", copies),
            ("max_extra_copies", max_extra_copies),
            ("history", history),
            ("watchdog_ns", watchdog_ns),
            ("caller_budget_bytes", caller_budget_bytes),
        ):
            if number is not None:
                setattr(config, name, unsigned(number, name))
        if worker_priority is not None:
            config.worker_priority = _priority(worker_priority)
        if worker not in _WORKERS:
            raise ValueError(f"worker is {worker!r}: it must be 'shared' or 'only'")
        config.worker = _WORKERS[worker]
        config.worker_affinity = _cpu_mask(worker_affinity)
        if device is not None:
            self._device = instance_of(device, Device, "device")
            self._backend = device._backend
            config.device = device._pointer()
        self._callback_errors = _callbacks.CallbackErrors()
        if flush is not None:
            if not callable(flush):
                raise TypeError(f"flush is a {type(flush).__name__}: give a function")
            config.flush = _callbacks.flush_function()
            config.flush_drop = _callbacks.drop_function()
            config.flush_user_data = _callbacks.retain(_callbacks.Flush(flush, self._callback_errors))
        made = ffi.new("bb_manager **")
        try:
            if fields is not None:
                source = fields if isinstance(fields, GroupFields) else NewFields(fields, initial)
                _errors.check(self._create_fields(source, config, made))
            else:
                layout = Layout(shape_of(() if shape is None else shape), dtype_from(dtype))
                code = dtype_code(layout.dtype)
                if initial is not None:
                    kept.append(layout.initial(initial))
                    config.initial = pointer(kept[-1])
                _errors.check(self._create(code, layout, config, made))
        except BaseException:
            if flush is not None and not made[0]:  # refused: the library does not release it
                _callbacks.release(config.flush_user_data)
            raise
        owner = Owner(made[0], self._device)
        table = FieldTable.of_array(layout) if fields is None else source.table(made[0])
        self._open(made[0], table, label or "", owner)
        self._has_python_callbacks = flush is not None
        # The fast path fails whenever a callback or the worker must take part.
        self._fast_synchronize = flush is None and worker == "shared"

    def _create(self, code: int, layout: Layout, config: Any, made: Any) -> int:
        shape = layout.shape
        return self._create_by(made, lib.bb_manager_create, code, len(shape), shape or [0], config)

    def _create_fields(self, source: NewFields | GroupFields, config: Any, made: Any) -> int:
        return self._create_by(made, source.function, *source.arguments, config)

    def _create_by(self, made: Any, function: Callable[..., int], *arguments: Any) -> int:
        """Calls a function that creates a manager, and may wait for its device."""
        try:
            return int(call_blocking(function, *arguments, made))
        except BaseException:
            lib.bb_manager_destroy(made[0])  # Ctrl-C may end a call that has created the manager
            raise

    @classmethod
    def from_array(cls: type[Self], array: npt.ArrayLike, **config: Any) -> Self:
        """Creates a manager with the shape, dtype and content of `array`.

        >>> backbuf.CBufferManager.from_array(np.eye(3), label="eye")
        <CBufferManager 'eye' (3, 3) float64, host memory, epoch 0, open>
        """
        initial = np.asarray(array)
        dtype = initial.dtype if initial.dtype.names else initial.dtype.newbyteorder("=")
        return cls(initial.shape, dtype, initial=initial.astype(dtype, copy=False), **config)

    @classmethod
    def from_group(
        cls: type[Self], group: BufferGroup, space: Literal["shared", "persistent"] = "shared", **config: Any
    ) -> Self:
        """Creates a manager whose fields are the buffers of a registry's group in one memory space, at the same offsets as on
        the device, so that one copy of the bytes moves all of them.

        The layout is read once. Aliases, and buffers that share memory by a plan, are fields that overlap. The state is zeros.

        Args:
            group: The group: `registry.group(parent)`.
            space: The region whose buffers are the fields.
            **config: The other arguments of the class.

        >>> group = backbuf.BufferGroup("solver")
        >>> group.register("k1", 3, "shared")
        >>> group.register("k2", 5, "shared")
        >>> m = backbuf.CBufferManager.from_group(group)
        >>> [(field.name, field.shape, field.byte_offset) for field in m.fields.values()]
        [('k1', (3,), 0), ('k2', (5,), 12)]
        """
        from .registry import BufferGroup

        for name in ("shape", "dtype", "fields", "initial"):
            if name in config:
                raise TypeError(f"{name}: the group determines the fields, which begin with zeros")
        return cls(fields=GroupFields(instance_of(group, BufferGroup, "group"), space), **config)

    @classmethod
    def _attached(cls: type[Self], handle: Any, dtype: npt.DTypeLike | None) -> Self:
        found = _callbacks.native_address(handle, "handle")
        if found is None:
            raise TypeError(f"handle is a {type(handle).__name__}: give an int, a cffi pointer or a ctypes pointer")
        self = cls.__new__(cls)
        self._callback_errors = _callbacks.CallbackErrors()
        self._id, self._backend = ffi.cast("bb_manager *", found), "attached"
        info = self._info()
        self._open(self._id, FieldTable.of_manager(self._id, dtype), text(info.label), None)
        self._has_python_callbacks = False
        self._fast_synchronize = True
        return self

    # --- publishing ---

    def synchronize(self, timeout: float | None = None) -> int:
        """Publishes all earlier writes and returns the epoch that contains them. Without new writes the epoch stays the same.

        Args:
            timeout: Seconds to wait; None waits without limit.

        Raises:
            WaitTimeoutError: The timeout expired. The writes stay queued, and a later publish contains them.
            StalledError: A flush, a kernel or a task exceeded the watchdog. Later calls wait for their full timeout.
            BackendError: The flush or the device failed. An exception of a Python callback is raised itself.
            PinnedError: Fronts hold every copy of the state.

        >>> m = backbuf.CBufferManager(2)
        >>> m.synchronize()
        0
        >>> m[0] = 1
        >>> m.synchronize(timeout=1.0)
        1
        """
        manager = self._pointer()
        status = interruptible(timeout, lambda left: int(lib.bb_manager_synchronize(manager, left)))
        self._finish(status)
        return self.epoch

    async def synchronize_async(self, timeout: float | None = None) -> int:
        """Like `synchronize`, in an event loop: other tasks run while it waits."""
        deadline, waiters = Deadline(timeout), self._waiters()
        await waiters.yield_if_due()  # before the ticket exists, so that a cancellation here leaves no request
        manager, ticket, epoch = self._pointer(), ffi.new("uint64_t *"), ffi.new("uint64_t *")
        self._check(lib.bb_manager_synchronize_async(manager, ticket))
        poll = ffi.new("bb_ticket_poll *")
        ended: list[BaseException | None] = []

        def is_published() -> bool:
            status = lib.bb_manager_poll_ticket(manager, ticket[0], poll, epoch)
            if status == lib.BB_E_TIMEOUT:
                return False
            try:
                self._finish(status)
                ended.append(None)
            except BaseException as error:
                ended.append(error)
            return True

        while not (ended or is_published()):
            left = min(deadline.left(), poll.poll_after_ns)
            if deadline.left() == 0:
                raise _errors.WaitTimeoutError(f"{self!r}: timed out after {timeout} s", lib.BB_E_TIMEOUT)
            await waiters.ticket(ticket[0], is_published, None if left == lib.BB_FOREVER else left / 1e9)
        if ended[0] is not None:
            raise ended[0]
        return int(epoch[0])

    def _waiters(self) -> Waiters:
        """The waiting tasks of the running event loop."""
        loop = asyncio.get_running_loop()
        if self._loops is None:
            self._loops = weakref.WeakKeyDictionary()
        found = self._loops.get(loop)
        if found is None:
            found = self._loops[loop] = Waiters(self._id)
        return found

    def wait_epoch(self, after: int, timeout: float | None = None) -> int:
        """Waits for an epoch later than `after`, for at most `timeout` seconds, and returns it.

        Raises:
            WaitTimeoutError: The timeout expired.
            ClosedError: The manager is closed.
        """
        manager, epoch = self._pointer(), ffi.new("uint64_t *")
        wanted = unsigned(after, "after")
        self._check(interruptible(timeout, lambda left: int(lib.bb_manager_wait_epoch(manager, wanted, left, epoch))))
        return int(epoch[0])

    # --- reading ---

    def fronts(self, timeout: float | None = None, after: int = 0) -> Fronts:
        """Iterates over fronts as they are published, for `for` and `async for`, until the manager closes.

        Each step returns the newest front, from epochs later than `after`, and none twice. A program whose thread waits here
        or in `wait_epoch` can exit only if the thread is a daemon or the manager is closed before.

        Args:
            timeout: Seconds to wait for the next front; None waits without limit.
            after: The epoch after which to begin.

        Raises:
            WaitTimeoutError: No new front was published within the timeout.

        >>> m = backbuf.CBufferManager(2, "i4")
        >>> m.enqueue(3)
        >>> _ = m.synchronize()
        >>> for f in m.fronts(timeout=1.0):
        ...     print(f.epoch, f.array)
        ...     m.close()
        1 [3 0]
        """
        return Fronts(self, unsigned(after, "after"), timeout)

    # --- the end ---

    def trim(self, timeout: float | None = None) -> None:
        """Frees the memory of extra copies that no front holds.

        For states larger than 8 MiB it also frees the memory of the back copy, if nothing was written since the last
        publish. It waits while another thread is in a `back()` block, or while a kernel or a flush runs.
        """
        self._call(lib.bb_manager_trim, timeout)

    def close(self, timeout: float | None = None) -> None:
        """Refuses new work, publishes accepted writes, and wakes waiting threads. Fronts stay readable. Repeated calls are
        allowed.
        """
        if self._id is not None:
            manager = self._id
            status = interruptible(timeout, lambda left: int(lib.bb_manager_close(manager, left)))
            self._finish(0 if status == lib.BB_E_CLOSED else status)

    def destroy(self, timeout: float | None = None) -> None:
        """Destroys the manager without publishing. A borrowed manager is only released.

        Held fronts and arrays of `back()` stay valid; a `back()` block of another thread raises ClosedError at its end. The
        call waits for a running kernel or flush.

        Args:
            timeout: Seconds to wait; None waits without limit.

        Raises:
            StalledError: A callback is still running. The manager is destroyed nevertheless, but memory that a native
                callback uses must stay valid until it returns; objects that Python callbacks use are kept until then.
            WaitInterruptedError: A signal ended the wait, with the same consequences.
        """
        owner, self._owner = self._owner, None
        self._forget()
        status = 0 if owner is None else owner.destroy(timeout)
        if status in (lib.BB_E_STALLED, lib.BB_E_INTERRUPTED):
            _errors.fail(status)

    def detach(self) -> int:
        """Transfers the manager to other code and returns the handle; the new owner destroys it by `bb_manager_destroy`.

        Raises:
            StateError: The manager has Python callbacks, so it must be destroyed before the interpreter's end.
        """
        handle = address(self._pointer())
        if self._has_python_callbacks and self._owner is not None:
            raise _errors.StateError(
                f"{self!r} has Python callbacks: it must be destroyed before the interpreter's end", lib.BB_E_STATE
            )
        if self._owner is not None:
            self._owner.release()
            self._owner = None
        self._forget()
        return handle

    def _forget(self) -> None:
        self._id = None
        self._aim(0)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._owner is None:
            self._forget()
        elif kind is None:
            self.close()
        else:
            self.destroy()


def _priority(value: int) -> int:
    number = whole_number(value, "worker_priority")
    if not -(1 << 31) <= number < 1 << 31:
        raise ValueError(f"worker_priority is {number}: it must fit 32 bits")
    return number


def _cpu_mask(worker_affinity: Iterable[int] | None) -> int:
    """A set of CPUs as the bits of a number."""
    try:
        cpus = set(worker_affinity or ())
    except TypeError:
        kind = type(worker_affinity).__name__
        raise TypeError(f"worker_affinity is a {kind}: give the numbers of CPUs, as in {{0, 2}}") from None
    numbers = {whole_number(cpu, "a CPU of worker_affinity") for cpu in cpus}
    if not numbers <= set(range(64)):
        raise ValueError(f"worker_affinity is {sorted(numbers)}: give CPUs from 0 to 63")
    return sum(1 << cpu for cpu in numbers)


def attach(handle: Any, dtype: npt.DTypeLike | None = None) -> CBufferManager:
    """Borrows a manager that C code owns.

    Args:
        handle: An int, or a `bb_manager *` of cffi or ctypes.
        dtype: The dtype of a state whose elements are opaque to the library.

    Raises:
        HandleError: The handle is stale, of another kind, or of another copy of the library.
        TypeError: `dtype` has another size than the state's elements.

    >>> owner = backbuf.CBufferManager(3, "f4", label="engine")
    >>> backbuf.attach(owner.handle)
    <CBufferManager 'engine' (3,) float32, attached, epoch 0, open>
    """
    return CBufferManager._attached(handle, dtype)


def dump() -> str:
    """Lists all objects, waiting threads, leases and open tasks of the library, with age and thread."""
    return collect(lambda write: _errors.check(lib.bb_debug_dump(write, ffi.NULL)))


if hot is not None:
    verbs = ("enqueue_update", "enqueue_updates", "enqueue_region", "enqueue_fill", "enqueue_tag", "synchronize", "epoch")
    of_batch = ("begin", "update", "region", "fill", "commit")
    functions = [*(f"bb_manager_{verb}" for verb in verbs), *(f"bb_batch_{verb}" for verb in of_batch)]
    hot.bind(addresses(*functions), np.ndarray, BufferUpdate, np.dtype(np.int64))
use_extension(CBufferManager, "enqueue", "put", "tag", "synchronize")
