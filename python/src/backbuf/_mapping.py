"""Mapped bytes of buffers as arrays, and requests whose results a device delivers."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

from . import _errors
from ._arguments import dtype_from
from ._errors import StateError
from ._library import address, ffi, lib
from ._memory import Array, Memory
from ._owner import Unique
from ._wait import interruptible

if TYPE_CHECKING:
    from ._device import Device

T = TypeVar("T")


class Mapping:
    """Mapped bytes and the arrays over them that exist. The owner of the bytes ends the mapping before it unmaps them."""

    def __init__(self, start: int, size: int, writable: bool) -> None:
        self.size, self._address, self._writable = size, start, writable
        self._memories: weakref.WeakSet[Memory] = weakref.WeakSet()
        # Creating an array and ending the mapping exclude each other: `end` sees the array, or `memory` sees `ended`.
        self._lock = threading.Lock()
        self.ended = False

    def memory(self, owner: object) -> Memory:
        """Memory for an array; it keeps `owner`, and with it these bytes, alive."""
        with self._lock:
            if self.ended:
                raise StateError("the mapping of these bytes has ended: map the buffer again", lib.BB_E_STATE)
            memory = Memory(self._address, self.size, self._writable, owner)
            self._memories.add(memory)
            return memory

    def end(self, what: str) -> None:
        """Ends the mapping: no array can be created afterwards.

        Raises:
            BufferError: Arrays over the bytes exist; the mapping stays.
        """
        with self._lock:
            if self._memories:
                raise BufferError(f"{what}: {len(self._memories)} arrays over its mapping are alive; delete them first (del)")
            self.ended = True


class MappingOwner(Unique):
    """Base class of owners of mapped bytes. Its arrays keep it alive, and its device ends the mapping before it closes."""

    _mapping: Mapping | None = None

    def _create_mapping(self, device: Device, span: Any, writable: bool, dtype: npt.DTypeLike) -> MappedArray:
        mapping = self._mapping = Mapping(address(span.data), span.bytes, writable)
        device._mapping_owners.add(self)
        return MappedArray(mapping, self, dtype)

    def _end_mapping(self, what: str) -> None:
        mapping = self._mapping  # another thread may reset it at the same time
        if mapping is not None:
            mapping.end(what)
            self._mapping = None


class MappedArray(NDArrayOperatorsMixin, Unique):
    """Mapped bytes as a NumPy array: it can be indexed, assigned and used in computations until its mapping ends.

    `np.asarray(mapped)`, slices and views are arrays over the same memory. While one of them is alive, ending the mapping,
    or closing the buffer or its device, raises BufferError.
    """

    __slots__ = ("_dtype", "_mapping", "_owner")
    _copy_hint = "copy the bytes, as in np.array(mapped)"

    def __init__(self, mapping: Mapping, owner: object, dtype: npt.DTypeLike) -> None:
        self._mapping, self._owner, self._dtype = mapping, owner, dtype_from(dtype)
        if mapping.size % self._dtype.itemsize:
            raise ValueError(f"dtype = {self._dtype}: {mapping.size} mapped bytes are not a whole number of elements")

    def _array(self) -> Array:
        return self._mapping.memory(self._owner).array(self._dtype, (len(self),))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        array = self._array()
        if dtype is None and not copy:
            return array
        return np.array(array, dtype=dtype, copy=True)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        bare = [each._array() if isinstance(each, MappedArray) else each for each in inputs]
        out = options.get("out")
        if out is None:
            return getattr(ufunc, method)(*bare, **options)
        options["out"] = tuple(each._array() if isinstance(each, MappedArray) else each for each in out)
        getattr(ufunc, method)(*bare, **options)
        return out[0] if len(out) == 1 else out

    def __getitem__(self, index: Any) -> Any:
        return self._array()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._array()[index] = value._array() if isinstance(value, MappedArray) else value

    def __len__(self) -> int:
        return int(self._mapping.size // self._dtype.itemsize)

    def __getattr__(self, name: str) -> Any:
        if name in (*MappedArray.__slots__, "__deepcopy__"):  # absent without its constructor; see Unique
            raise AttributeError(name)
        return getattr(self._array(), name)

    def __repr__(self) -> str:
        return "<MappedArray, ended>" if self._mapping.ended else f"<MappedArray of {len(self)} {self._dtype}>"


class Request(Unique, Generic[T]):
    """A request to a device. Wait for its result by `wait`, `await`, or a `with` or `async with` block, which ends the
    result.
    """

    def __init__(self, poll: Callable[[int], int], fetch: Callable[[], T], finish: Callable[[T], None], label: str) -> None:
        self._poll, self._fetch, self._finish, self._label = poll, fetch, finish, label
        self._fetched: T | None = None

    def wait(self, timeout: float | None = None) -> T:
        """Waits for the result, for at most `timeout` seconds. On the main thread Ctrl-C ends the wait.

        Raises:
            WaitTimeoutError: The result did not arrive within the timeout.
        """
        _errors.check(interruptible(timeout, self._poll))
        return self._result()

    @property
    def done(self) -> bool:
        """Whether the result has arrived or will not arrive. On the thread of a host-driven device this drives the device."""
        return bool(self._poll(0) != lib.BB_E_TIMEOUT)

    def _result(self) -> T:
        if self._fetched is None:
            self._fetched = self._fetch()
        return self._fetched

    async def _wait_async(self) -> None:
        nap = 0.0
        await asyncio.sleep(0)  # let the other tasks run, even if the result has arrived
        while (status := self._poll(0)) == lib.BB_E_TIMEOUT:
            await asyncio.sleep(nap)
            nap = min(nap + 0.0001, 0.001)
        _errors.check(status)

    def __await__(self) -> Generator[Any, None, T]:
        yield from self._wait_async().__await__()
        return self._result()

    async def __aenter__(self) -> T:
        await self._wait_async()
        return self._result()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, value, trace)

    def __enter__(self) -> T:
        return self.wait()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        fetched, self._fetched = self._fetched, None
        if fetched is not None:
            self._finish(fetched)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._label}>"


class MapRequest(Request[MappedArray]):
    """A map request: use `with buffer.map(...) as array`, `async with`, `await` or `wait`.

    The end of the block unmaps. It raises BufferError if arrays over the mapping are alive; then the bytes stay mapped.
    """

    def __init__(
        self, handle: Any, fetch: Callable[[], MappedArray], finish: Callable[[MappedArray], None], label: str
    ) -> None:
        self._handle = ffi.gc(handle, lib.bb_request_release)
        outcome = ffi.new("bb_map_outcome *")

        def poll(timeout: int) -> int:
            status: int = lib.bb_request_wait(self._handle, timeout, ffi.sizeof("bb_map_outcome"), outcome)
            if status == 0 and outcome.status != 0:
                message = ffi.string(outcome.text).decode("utf-8", "replace")
                raise _errors.error(outcome.status, f"{label}: {message}")
            return status

        super().__init__(poll, fetch, finish, label)

    def cancel(self) -> bool:
        """Cancels the request and returns whether it was still pending. Waits then raise StateError."""
        in_time = ffi.new("uint32_t *")
        _errors.check(lib.bb_request_cancel(self._handle, in_time))
        return bool(in_time[0])


def bytes_of(data: Any) -> memoryview:
    """The contiguous bytes of any object with the buffer protocol."""
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"data is a {type(data).__name__}: give an object with the buffer protocol") from None
    if not view.c_contiguous:
        raise BufferError("data is not contiguous: give np.ascontiguousarray(data)")
    return view.cast("B") if view.nbytes else memoryview(b"")


def pointer_to(view: memoryview) -> Any:
    """A pointer to the bytes; keep the result as long as it is used."""
    return ffi.from_buffer(view) if len(view) else ffi.NULL
