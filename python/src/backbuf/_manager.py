"""CBufferManager: double-buffered state in host memory."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from . import _callbacks, _errors
from ._batch import Back, Batch, Task
from ._front import Front, Fronts
from ._layout import Layout, Puts, Region, dtype_code, dtype_of, fill_of, pointer, shape_of, unsigned, update_of, updates_of
from ._library import address, addresses, collect, ffi, hot, lib, text, use_extension
from ._memory import Array
from ._owner import Owner, Unique
from ._statistics import Statistics, statistics
from ._wait import Deadline, waiting
from ._watch import Waiters

if TYPE_CHECKING or hot is None:

    class _Base:
        """What the extension's type has, when there is none."""

        _plain: bool

        def _aim(self, manager: int, dtype: object, kind: str, size: int, elements: int, /) -> None: ...

else:
    _Base = hot.Hot

_WORKERS = {"shared": lib.BB_WORKER_SHARED, "only": lib.BB_WORKER_ONLY}
Self = TypeVar("Self", bound="CBufferManager")
_STATES = ("open", "closing", "closed", "poisoned")


class CBufferManager(_Base, Unique):
    """One state, an N-d array, in two physical copies: writes are queued, `synchronize` publishes them at once as the next
    epoch, and readers hold fronts that never change under them.

    `m = CBufferManager(shape, dtype, label=...)` starts from zeros, or from `initial`. The other settings are those of
    `bb_manager_config`: `queue_bytes`, `copies` (2 to 8), `max_extra_copies` (copies that may be added while fronts hold all
    others; 24, but 0 with `copies=2`), `watchdog_ns`, `caller_budget_bytes`, `flush` (a function that is
    called on the worker before each publish, and kept until the manager is destroyed), `worker` ("shared" or "only"),
    `worker_priority`, `worker_affinity` (CPUs).

    Used as a context manager it closes on a clean exit, which publishes what was accepted, and discards on an exception.

    >>> with backbuf.CBufferManager((100, 100), "f4", label="grid") as m:
    ...     m[2:5, ::2] = 1.5
    ...     epoch = m.synchronize()
    ...     with m.front() as f:
    ...         print(f.epoch >= epoch, f.array[3, :4])
    True [1.5 0.  1.5 0. ]
    """

    _instead = "copy its state by m.snapshot()"
    _layout: Layout
    _label: str
    _owner: Owner | None = None
    _device: object = None
    _carried: _callbacks.Carried
    _id: Any = None
    _calls_python: bool
    _loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Waiters] | None = None

    def __init__(
        self,
        shape: int | Sequence[int],
        dtype: npt.DTypeLike = np.float64,
        *,
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
    ) -> None:
        layout = Layout(shape_of(shape), np.dtype(dtype))
        code = dtype_code(layout.dtype)
        config = ffi.new("bb_manager_config *")
        _errors.check(lib.bb_manager_config_init(config))
        kept: list[Any] = []
        if label is not None:
            if not isinstance(label, str):
                raise TypeError(f"label is a {type(label).__name__}: give a str")
            kept.append(ffi.new("char[]", label.encode()))
            config.label = kept[-1]
        if initial is not None:
            kept.append(np.ascontiguousarray(np.broadcast_to(layout.cast(initial), layout.shape)))
            config.initial = pointer(kept[-1])
        for name, number in (
            ("queue_bytes", queue_bytes),
            ("copies", copies),
            ("max_extra_copies", max_extra_copies),
            ("watchdog_ns", watchdog_ns),
            ("caller_budget_bytes", caller_budget_bytes),
        ):
            if number is not None:
                setattr(config, name, unsigned(number, name))
        if worker_priority is not None:
            config.worker_priority = worker_priority
        if worker not in _WORKERS:
            raise ValueError(f"worker is {worker!r}: it must be 'shared' or 'only'")
        config.worker = _WORKERS[worker]
        cpus = set(worker_affinity or ())
        if not cpus <= set(range(64)):
            raise ValueError(f"worker_affinity is {sorted(cpus)}: give CPUs from 0 to 63")
        config.worker_affinity = sum(1 << cpu for cpu in cpus)
        self._carried = _callbacks.Carried()
        if flush is not None:
            if not callable(flush):
                raise TypeError(f"flush is a {type(flush).__name__}: give a function")
            config.flush = _callbacks.flush_function()
            config.flush_drop = _callbacks.drop_function()
            config.flush_user_data = _callbacks.keep(_callbacks.Flush(flush, self._carried))
        made = ffi.new("bb_manager **")
        status = self._create(code, layout, config, made)
        if status != 0:
            if flush is not None:
                _callbacks.forget(config.flush_user_data)
            _errors.fail(status)
        self._open(made[0], layout, label or "", Owner(made[0], self._device))
        self._calls_python = flush is not None
        # Where the worker always has a part in it, there is no point in trying without it.
        self._plain = flush is None and worker == "shared"

    def _create(self, code: int, layout: Layout, config: Any, made: Any) -> int:
        return int(lib.bb_manager_create(code, len(layout.shape), layout.shape or [0], config, made))

    @classmethod
    def from_array(cls: type[Self], array: npt.ArrayLike, **config: Any) -> Self:
        """A manager with the shape, dtype and content of `array`.

        >>> backbuf.CBufferManager.from_array(np.eye(3), label="eye")
        <CBufferManager 'eye' (3, 3) float64, epoch 0, open>
        """
        initial = np.asarray(array)
        dtype = initial.dtype if initial.dtype.names else initial.dtype.newbyteorder("=")
        return cls(initial.shape, dtype, initial=initial.astype(dtype, copy=False), **config)

    @classmethod
    def _attached(cls: type[Self], handle: Any, dtype: npt.DTypeLike | None) -> Self:
        found = _callbacks.native_address(handle, "handle")
        if found is None:
            raise TypeError(f"handle is a {type(handle).__name__}: give an int, a cffi pointer or a ctypes pointer")
        self = cls.__new__(cls)
        self._carried = _callbacks.Carried()
        self._id = ffi.cast("bb_manager *", found)
        info = self._info()
        own = dtype_of(info.dtype) if dtype is None else np.dtype(dtype)
        if own.itemsize != info.element_size or own.hasobject:
            raise TypeError(f"dtype {own} has {own.itemsize} bytes an element, the state has {info.element_size}")
        self._open(self._id, Layout(tuple(info.shape[0 : info.ndim]), own), text(info.label), None)
        self._calls_python = False
        self._plain = True
        return self

    def _open(self, manager: Any, layout: Layout, label: str, owner: Owner | None) -> None:
        self._id, self._layout, self._label, self._owner = manager, layout, label, owner
        kind = layout.dtype.kind if layout.dtype.kind in "fiu" and layout.dtype.isnative else "V"
        self._aim(address(manager), layout.dtype, kind, layout.itemsize, layout.elements)

    # --- what it is ---

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements along each axis."""
        return self._layout.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of an element."""
        return self._layout.dtype

    @property
    def ndim(self) -> int:
        """How many axes there are."""
        return len(self._layout.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._layout.elements

    @property
    def nbytes(self) -> int:
        """Bytes of the state."""
        return self._layout.elements * self._layout.itemsize

    @property
    def label(self) -> str:
        """The name in errors, logs and dumps."""
        return self._label

    @property
    def handle(self) -> int:
        """The `bb_manager *` to give to C code, which borrows it: this object still owns the manager."""
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

    def statistics(self) -> Statistics:
        """What the manager has done so far.

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
        """The exception for a status. A handle that is stale because this object, or the interpreter's end, has destroyed the
        manager is a closed manager."""
        if status in (lib.BB_E_STALE, lib.BB_E_CLOSED) and self._id is None:
            return self._gone()
        if status == lib.BB_E_STALE and self._owner is not None:
            return _errors.closed(repr(self), "the manager has ended with the interpreter")
        return _errors.error(status)

    def _fail(self, status: int) -> NoReturn:
        raise self._error(status)

    def _check(self, status: int) -> None:
        if status != 0:
            raise self._error(status)

    def _finish(self, status: int) -> None:
        """Ends a synchronize: raises what a callback raised, or the status."""
        if status == lib.BB_E_STALE:
            raise self._error(status)
        self._carried.finish(status)

    def _gone(self) -> _errors.ClosedError:
        return _errors.closed(repr(self), "this object no longer has the manager")

    def __repr__(self) -> str:
        if self._id is None:
            state = "gone"
        else:
            try:
                info = self._info()
                state = f"epoch {info.epoch}, {_STATES[info.state]}"
            except _errors.BackbufError as exception:
                state = _errors.status_names()[exception.status]
        label = f"'{self._label}' " if self._label else ""
        return f"<{type(self).__name__} {label}{self.shape} {self.dtype}, {state}>"

    # --- writing ---

    def enqueue(self, data: Any, byte_offset: int = 0, timeout: float | None = None) -> None:
        """Queues a write of `data` at `byte_offset`: an array of the state's dtype, a number for one element, raw bytes of
        whole elements, a `BufferUpdate`, or a list of those, which is one batch. The data is copied before the call returns.

        A full queue is waited for, `timeout` seconds at most; 0 tries.

        >>> m = backbuf.CBufferManager(8, "f4")
        >>> m.enqueue(np.array([1, 2], "f4"), 4)
        >>> m.enqueue([backbuf.BufferUpdate(0, 1, 9.0), backbuf.BufferUpdate(16, 1, 5.0)])
        >>> _ = m.synchronize()
        >>> m.snapshot()
        array([9., 1., 2., 0., 5., 0., 0., 0.], dtype=float32)
        """
        if isinstance(data, list):
            if byte_offset:
                raise ValueError("byte_offset: each BufferUpdate of a list has its own offset")
            updates = updates_of(self._layout, data)
            structs = ffi.new("bb_update[]", len(updates))
            for place, update in enumerate(updates):
                structs[place] = update.struct[0]
            self._wait(lib.bb_manager_enqueue_many, timeout, structs, len(updates))
            return
        update = update_of(self._layout, data, byte_offset)
        self._wait(lib.bb_manager_enqueue, timeout, update.struct)

    def fill(self, value: Any, byte_offset: int = 0, count: int | None = None, timeout: float | None = None) -> None:
        """Queues `count` times the same element from `byte_offset` on; without a count, up to the state's end."""
        element, start, many = fill_of(self._layout, value, byte_offset, count)
        self._wait(lib.bb_manager_enqueue_fill, timeout, start, many, pointer(element))

    def put(self, indices: Any, values: Any, timeout: float | None = None) -> None:
        """Queues single elements by their flat indices, as one batch; `values` are broadcast and cast as in `m[...] = values`.

        >>> m = backbuf.CBufferManager((2, 3), "i4")
        >>> m.put([0, -1], [5, 6])
        >>> _ = m.synchronize()
        >>> m.snapshot()
        array([[5, 0, 0],
               [0, 0, 6]], dtype=int32)
        """
        puts = Puts(self._layout, indices, values)
        self._wait(lib.bb_manager_enqueue_many, timeout, puts.structs, puts.count)

    def tag(self, tag: int, timeout: float | None = None) -> None:
        """Queues a number of your own, the engine's step say, which fronts show once what was queued before is in them."""
        self._wait(lib.bb_manager_enqueue_tag, timeout, unsigned(tag, "tag"))

    def enqueue_kernel(
        self,
        kernel: Any,
        user_data: Any = None,
        *,
        byte_offset: int = 0,
        count: int | None = None,
        any_thread: bool = False,
        overwrites: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Queues a function that runs on a range of the back copy, after all earlier writes: the address of a
        `void (*)(void *back, const void *front, uint64_t count, void *user_data)`, a Numba `@cfunc`, a ctypes or cffi
        function, which run without the GIL; or a Python function, which gets the range of both copies as 1-d arrays
        and may keep them: the front's holds its copy, the back copy's is copied into the state when the function returns. The
        next `synchronize` raises its exception; then it has changed nothing.

        `overwrites`: it writes all of its range and reads none of it. `any_thread`: not only the worker may run it.

        >>> m = backbuf.CBufferManager(4, "f4", initial=[1, 2, 3, 4])
        >>> m.enqueue_kernel(lambda back, front: np.multiply(front, 10, out=back))
        >>> _ = m.synchronize()
        >>> m.snapshot()
        array([10., 20., 30., 40.], dtype=float32)
        """
        with self._kernel(kernel, user_data, byte_offset, count, any_thread, overwrites) as struct:
            self._wait(lib.bb_manager_enqueue_kernel, timeout, struct)

    def batch(self, timeout: float | None = None) -> Batch:
        """Several writes as one, which are published together whoever synchronizes meanwhile; an exception cancels all.

        >>> m = backbuf.CBufferManager((3, 3), "u1")
        >>> with m.batch() as b:
        ...     b[0, :] = 1
        ...     b[:, 0] = 2
        >>> _ = m.synchronize()
        >>> m.snapshot()
        array([[2, 1, 1],
               [2, 0, 0],
               [2, 0, 0]], dtype=uint8)
        """
        return Batch(self, timeout)

    def back(self, discard: bool = False, tag: int = 0, timeout: float | None = None) -> Back:
        """The back copy in hand, for loops that step from front to back: a writable array while the block lasts, which ends
        with a commit, or undoes everything on an exception. Other writers queue meanwhile. `discard`: all of it will be
        rewritten, so nothing is brought up to date first.

        After the block the array is read-only, and shows whatever its copy holds. A view of it that is kept (a slice, a
        memoryview, a tensor) stays as it is and may be written, but its memory is no longer the manager's: the block's end
        copies the state for that, which `del view` before the end saves.

        >>> m = backbuf.CBufferManager(3, "f8", initial=[1, 2, 3])
        >>> with m.back(discard=True, tag=7) as a:
        ...     a[:] = [4, 5, 6]
        >>> _ = m.synchronize()
        >>> m.front().tag, m.snapshot()
        (7, array([4., 5., 6.]))
        """
        return Back(self, discard, tag, timeout)

    def task(self, label: str) -> Task:
        """Work of yours elsewhere that the next publish has to wait for: `with m.task("upload"): ...`, or `.end()`."""
        return Task(self, label)

    def __setitem__(self, index: Any, value: Any) -> None:
        region = Region(self._layout, index, value)
        self._wait(lib.bb_manager_enqueue_region, None, region.struct)

    def __getitem__(self, index: Any) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be read by index (writes are queued): use m.front() or m.snapshot()")

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is no array (it changes): use m.front().array or m.snapshot()")

    def _kernel(self, kernel: Any, *how: Any) -> _callbacks.KernelStruct:
        if _callbacks.native_address(kernel, "kernel") is None:
            self._calls_python, self._plain = True, False
        return _callbacks.KernelStruct(self._layout, self._pointer(), self._carried, kernel, *how)

    def _wait(self, function: Callable[..., int], timeout: float | None, *arguments: Any) -> None:
        manager = self._pointer()
        self._check(waiting(timeout, lambda left: function(manager, *arguments, left)))

    # --- publishing ---

    def synchronize(self, timeout: float | None = None) -> int:
        """Publishes everything that was queued before, and gives the epoch that has it. With nothing new the epoch stays.
        StalledError when what it waits for outlasts the watchdog and that is reported now: later calls wait their full timeout.

        >>> m = backbuf.CBufferManager(2)
        >>> m.synchronize()
        0
        >>> m[0] = 1
        >>> m.synchronize(timeout=1.0)
        1
        """
        manager = self._pointer()
        status = waiting(timeout, lambda left: int(lib.bb_manager_synchronize(manager, left)))
        self._finish(status)
        return self.epoch

    async def synchronize_async(self, timeout: float | None = None) -> int:
        """`synchronize` for asyncio: other tasks run meanwhile."""
        deadline, waiters = Deadline(timeout), self._waiters()
        await waiters.turn()  # before there is a ticket: cancelled here, nothing was asked for
        manager, ticket, epoch = self._pointer(), ffi.new("uint64_t *"), ffi.new("uint64_t *")
        self._check(lib.bb_manager_synchronize_async(manager, ticket))
        poll = ffi.new("bb_ticket_poll *")
        ended: list[BaseException | None] = []

        def look() -> bool:
            status = lib.bb_manager_poll_ticket(manager, ticket[0], poll, epoch)
            if status == lib.BB_E_TIMEOUT:
                return False
            try:
                self._finish(status)
                ended.append(None)
            except BaseException as error:
                ended.append(error)
            return True

        while not (ended or look()):
            left = min(deadline.left(), poll.look_ns)
            if deadline.left() == 0:
                raise _errors.WaitTimeoutError(f"{self!r}: the time given is over", lib.BB_E_TIMEOUT)
            await waiters.ticket(ticket[0], look, None if left == lib.BB_FOREVER else left / 1e9)
        if ended[0] is not None:
            raise ended[0]
        return int(epoch[0])

    def _waiters(self) -> Waiters:
        """Those of the running event loop."""
        loop = asyncio.get_running_loop()
        if self._loops is None:
            self._loops = weakref.WeakKeyDictionary()
        found = self._loops.get(loop)
        if found is None:
            found = self._loops[loop] = Waiters(self._id)
        return found

    def wait_epoch(self, after: int, timeout: float | None = None) -> int:
        """Waits for an epoch beyond `after`, and gives it."""
        manager, epoch = self._pointer(), ffi.new("uint64_t *")
        wanted = unsigned(after, "after")
        self._check(waiting(timeout, lambda left: int(lib.bb_manager_wait_epoch(manager, wanted, left, epoch))))
        return int(epoch[0])

    # --- reading ---

    def front(self) -> Front:
        """The newest front, to hold for as long as you like: `with m.front() as f: f.array`."""
        return Front(self, self._layout)

    def snapshot(self) -> Array:
        """A copy of the newest front."""
        with self.front() as front:
            return np.array(front.array)

    def fronts(self, timeout: float | None = None, after: int = 0) -> Fronts:
        """Fronts as they are published, for `for` and `async for`: always the newest, never the same twice, from epochs
        beyond `after` on, until the manager closes. TimeoutError when no new one comes within `timeout` seconds. A program
        whose thread waits here, or in `wait_epoch`, ends only when that is a daemon or the manager is closed first.

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
        """Gives back the memory of copies beyond the second that no front holds, and, of states larger than 8 MiB, that of the
        back copy if nothing was written since the last publish. It waits while another thread is in a `back()` block, or while
        a kernel or a flush runs."""
        self._wait(lib.bb_manager_trim, timeout)

    def close(self, timeout: float | None = None) -> None:
        """Refuses new work, publishes what was accepted, and lets waiters go. Fronts stay readable. Twice is fine."""
        if self._id is not None:
            manager = self._id
            status = waiting(timeout, lambda left: int(lib.bb_manager_close(manager, left)))
            self._finish(0 if status == lib.BB_E_CLOSED else status)

    def destroy(self, timeout: float | None = None) -> None:
        """Ends the manager without publishing. Fronts that are held stay valid, and so do arrays of `back()`, also of a block
        that another thread is in, which then raises ClosedError at its end. A borrowed manager is only let go.

        Waits for a kernel or a flush that runs; with a timeout, at most so many seconds. After StalledError, and after Ctrl-C
        during the wait, the manager has ended all the same, but what a native callback uses must stay until it returns; what
        Python callbacks use is kept until then."""
        owner, self._owner = self._owner, None
        self._forget()
        status = 0 if owner is None else owner.destroy(timeout)
        if status in (lib.BB_E_STALLED, lib.BB_E_INTERRUPTED):
            _errors.fail(status)

    def detach(self) -> int:
        """Gives the manager away: the handle is now the receiver's, who destroys it by `bb_manager_destroy`."""
        handle = address(self._pointer())
        if self._calls_python and self._owner is not None:
            raise _errors.StateError(f"{self!r} has Python callbacks, so it must end with the interpreter", lib.BB_E_STATE)
        if self._owner is not None:
            self._owner.give_away()
            self._owner = None
        self._forget()
        return handle

    def _forget(self) -> None:
        self._id = None
        self._aim(0, self._layout.dtype, "V", self._layout.itemsize, self._layout.elements)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._owner is None:
            self._forget()
        elif kind is None:
            self.close()
        else:
            self.destroy()


def attach(handle: Any, dtype: npt.DTypeLike | None = None) -> CBufferManager:
    """Borrows a manager that C code owns, by its handle: an int, or a `bb_manager *` of cffi or ctypes. `dtype` says what
    opaque elements are made of.

    >>> owner = backbuf.CBufferManager(3, "f4", label="engine")
    >>> backbuf.attach(owner.handle)
    <CBufferManager 'engine' (3,) float32, epoch 0, open>
    """
    return CBufferManager._attached(handle, dtype)


def dump() -> str:
    """A text that lists every object, waiter, lease and open task of the library with age and thread."""
    return collect(lambda write: _errors.check(lib.bb_debug_dump(write, ffi.NULL)))


if hot is not None:
    calls = (f"bb_manager_{name}" for name in ("enqueue", "enqueue_many", "enqueue_tag", "synchronize", "epoch"))
    hot.bind(addresses(*calls), np.ndarray, np.dtype(np.int64))
use_extension(CBufferManager, "enqueue", "put", "tag", "synchronize")
