"""Mapped bytes as arrays that end with their mapping, and what is waited for until they are there."""

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
from ._errors import StateError
from ._library import address, ffi, lib
from ._memory import Array, Memory
from ._owner import Unique
from ._wait import waiting

if TYPE_CHECKING:
    from ._device import Device

T = TypeVar("T")


class Mapping:
    """Mapped bytes, and the arrays over them that are alive. What owns them in C holds this, and ends it before them."""

    def __init__(self, place: int, size: int, writable: bool) -> None:
        self.size, self._place, self._writable = size, place, writable
        self._lent: weakref.WeakSet[Memory] = weakref.WeakSet()
        # Whoever makes an array is seen by whoever ends the mapping, or sees that it has ended.
        self._lock = threading.Lock()
        self.ended = False

    def memory(self, owner: object) -> Memory:
        """For an array, which keeps `owner`, and with it these bytes."""
        with self._lock:
            if self.ended:
                raise StateError("the mapping of these bytes has ended: map the buffer again", lib.BB_E_STATE)
            memory = Memory(self._place, self.size, self._writable, owner)
            self._lent.add(memory)
            return memory

    def end(self, what: str) -> None:
        """No array can be made from here on. BufferError where some are alive: then nothing has changed."""
        with self._lock:
            if self._lent:
                raise BufferError(f"{what}: {len(self._lent)} arrays of its mapping are alive; let go of them (del) first")
            self.ended = True


class Lender(Unique):
    """What owns mapped bytes in C. Its arrays keep it alive, and its device asks it before that ends."""

    _mapping: Mapping | None = None

    def _lend(self, device: Device, span: Any, writable: bool, dtype: npt.DTypeLike) -> MappedArray:
        mapping = self._mapping = Mapping(address(span.data), span.bytes, writable)
        device._lenders.add(self)
        return MappedArray(mapping, self, dtype)

    def _end_mapping(self, what: str) -> None:
        mapping = self._mapping  # another thread may end it at the same time
        if mapping is not None:
            mapping.end(what)
            self._mapping = None


class MappedArray(NDArrayOperatorsMixin, Unique):
    """Mapped bytes, used as a NumPy array: indexed, assigned, computed with. It ends with its mapping, and says so then.

    `np.asarray(mapped)`, slices and views are arrays over the same memory: the mapping cannot end while one of them is alive
    (BufferError), nor can the buffer and its device.
    """

    __slots__ = ("_dtype", "_mapping", "_owner")
    _instead = "copy the bytes, as in np.array(mapped)"

    def __init__(self, mapping: Mapping, owner: object, dtype: npt.DTypeLike) -> None:
        self._mapping, self._owner, self._dtype = mapping, owner, np.dtype(dtype)
        if mapping.size % self._dtype.itemsize:
            raise ValueError(f"dtype: {mapping.size} mapped bytes are no whole number of {self._dtype}")

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
        if name in (*MappedArray.__slots__, "__deepcopy__"):  # of one that was not made by its constructor; see Unique
            raise AttributeError(name)
        return getattr(self._array(), name)

    def __repr__(self) -> str:
        return "<MappedArray, ended>" if self._mapping.ended else f"<MappedArray of {len(self)} {self._dtype}>"


class Request(Unique, Generic[T]):
    """Something that a device has been asked for: waited for, awaited, or the subject of a `with` block, which ends what came.

    `wait(timeout)` and `await` give it; `done` tells whether it is there; `cancel()` takes the question back.
    """

    def __init__(self, look: Callable[[int], int], take: Callable[[], T], end: Callable[[T], None], label: str) -> None:
        self._look, self._take, self._end, self._label = look, take, end, label
        self._taken: T | None = None

    def wait(self, timeout: float | None = None) -> T:
        """Waits, `timeout` seconds at most. Ctrl-C ends it on the main thread."""
        _errors.check(waiting(timeout, self._look))
        return self._got()

    @property
    def done(self) -> bool:
        """Whether it is there, or will not come. On a host-driven device's thread this drives the device."""
        return bool(self._look(0) != lib.BB_E_TIMEOUT)

    def _got(self) -> T:
        if self._taken is None:
            self._taken = self._take()
        return self._taken

    async def _known(self) -> None:
        nap = 0.0
        await asyncio.sleep(0)  # the other tasks have a turn also where it is there already
        while (status := self._look(0)) == lib.BB_E_TIMEOUT:
            await asyncio.sleep(nap)
            nap = min(nap + 0.0001, 0.001)
        _errors.check(status)

    def __await__(self) -> Generator[Any, None, T]:
        yield from self._known().__await__()
        return self._got()

    async def __aenter__(self) -> T:
        await self._known()
        return self._got()

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, value, trace)

    def __enter__(self) -> T:
        return self.wait()

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        taken, self._taken = self._taken, None
        if taken is not None:
            self._end(taken)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._label}>"


class MapRequest(Request[MappedArray]):
    """A map request that was accepted: `with buffer.map(...) as array`, `async with`, `await`, `wait`.

    The block unmaps at its end, and raises BufferError where arrays of the mapping are alive: then it stays mapped.
    """

    def __init__(self, handle: Any, take: Callable[[], MappedArray], end: Callable[[MappedArray], None], label: str) -> None:
        self._handle = ffi.gc(handle, lib.bb_request_release)
        outcome = ffi.new("bb_map_outcome *")

        def look(timeout: int) -> int:
            status: int = lib.bb_request_wait(self._handle, timeout, ffi.sizeof("bb_map_outcome"), outcome)
            if status == 0 and outcome.status != 0:
                message = ffi.string(outcome.text).decode("utf-8", "replace")
                raise _errors.told(outcome.status, f"{label}: {message}")
            return status

        super().__init__(look, take, end, label)

    def cancel(self) -> bool:
        """Takes the request back; says whether it was in time. Waits raise StateError then."""
        in_time = ffi.new("uint32_t *")
        _errors.check(lib.bb_request_cancel(self._handle, in_time))
        return bool(in_time[0])


def bytes_of(data: Any) -> memoryview:
    """Anything with the buffer protocol as plain bytes, in one piece."""
    view = memoryview(data)
    if not view.c_contiguous:
        raise BufferError("data is not in one piece: give np.ascontiguousarray(data)")
    return view.cast("B") if view.nbytes else memoryview(b"")


def pointer_to(view: memoryview) -> Any:
    """Where the bytes are, for as long as the result is kept."""
    return ffi.from_buffer(view) if len(view) else ffi.NULL
