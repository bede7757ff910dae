"""Queued writes of a manager: its array or fields, batches, the back copy, and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from . import _callbacks, _html
from ._arguments import unsigned
from ._array_writes import ArrayWrites, HotBase
from ._back import Back
from ._batch import Batch, Task
from ._feed import Feed
from ._layout import Layout
from ._library import lib, use_extension
from ._manager_handle import ManagerHandle, read_field
from ._memory import Array
from ._owner import Unique
from ._ring import SPSCReceiver


class Field(ArrayWrites, HotBase, Unique):
    """One array of a manager with fields, for writes: `m["qpos"][2:4] = values`, `m["qpos"].enqueue(values)`.

    Reading is by fronts, `f["qpos"]`, or by a copy, `m["qpos"].read()`. It keeps its manager alive.
    """

    _copy_hint = "copy the state by m.snapshot()"

    @classmethod
    def _of(cls, manager: ManagerWrites, layout: Layout) -> Field:
        self = cls.__new__(cls)
        self._layout = layout
        self._set_target(0, layout.dtype, layout.kind, layout.itemsize, layout.shape, layout.field, manager)
        return self

    def _holder(self) -> ManagerWrites:
        return self._manager  # type: ignore[no-any-return]  # the extension's attribute has no type

    def _fail(self, status: int) -> NoReturn:
        self._holder()._fail(status)

    @property
    def name(self) -> str:
        """The name of the field."""
        return self._layout.name or "state"

    @property
    def manager(self) -> ManagerWrites:
        """The manager."""
        return self._holder()

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements along each axis."""
        return self._layout.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of an element."""
        return self._layout.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self._layout.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._layout.elements

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self._layout.nbytes

    @property
    def byte_offset(self) -> int:
        """Where the field begins in the state, in bytes: for native code that reads fronts."""
        return self._layout.byte_offset

    def read(self, out: Array | None = None) -> Array:
        """A copy of the field at the newest epoch, in `out` or in a new array; see `CBufferManager.read`.

        >>> m = backbuf.CBufferManager(fields={"qpos": (2, "f8"), "step": ((), "u4")})
        >>> m["qpos"].read()
        array([0., 0.])
        """
        return read_field(self._holder(), self._layout, out)

    def __getitem__(self, index: Any) -> NoReturn:
        raise TypeError(f"a field cannot be read by index (writes are queued): use m.front()[{self.name!r}]")

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> NoReturn:
        raise TypeError(f"a field is not an array (it changes): use m.front()[{self.name!r}]")

    def __repr__(self) -> str:
        return f"<Field '{self.name}' {self.shape} {self.dtype} of {self.manager!r}>"

    def _repr_html_(self) -> str:
        rows = {"shape": self.shape, "dtype": self.dtype, "bytes": self.nbytes, "byte_offset": self.byte_offset}
        return _html.table(f"Field {self.name}", rows)


class ManagerWrites(ArrayWrites, ManagerHandle):
    """The writing methods of a manager; base class of `CBufferManager`. Any thread may call them."""

    @property
    def fields(self) -> Mapping[str, Field]:
        """The fields by name, in their order; a manager made without fields has one, "state".

        >>> m = backbuf.CBufferManager(fields={"qpos": (7, "f8"), "depth": ((480, 640), "u2")})
        >>> [(field.name, field.shape) for field in m.fields.values()]
        [('qpos', (7,)), ('depth', (480, 640))]
        """
        return MappingProxyType({name: Field._of(self, layout) for name, layout in self._table.layouts.items()})

    def _holder(self) -> ManagerWrites:
        return self

    def tag(self, tag: int, timeout: float | None = None) -> None:
        """Queues a number, such as a step of the simulation: fronts have it as `tag` once they contain all earlier writes."""
        self._call(lib.bb_manager_enqueue_tag, timeout, unsigned(tag, "tag"))

    def batch(self, timeout: float | None = None) -> Batch:
        """Groups writes that are published together, even if another thread synchronizes in between. An exception in the block
        cancels them.

        `timeout` limits the wait for space in the queue at the end of the block, as for `enqueue`.

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
        """Reserves the back copy as a writable array for a `with` block, for loops that compute a step from the front.

        The end of the block commits; an exception undoes all changes. Other writers queue meanwhile. All of the state counts as
        changed and is copied in a later epoch, unless the block reports what it has written by `Back.mark_written`.

        After the block the array is read-only, and its content is unspecified. A view that outlives the block (a slice, a
        memoryview, a tensor) keeps its content and stays writable, but no longer refers to the state: the end of the block
        then copies the state, which `del view` before the end avoids.

        Args:
            discard: Whether the block rewrites the whole state, so that its earlier content need not be copied to the back
                copy first.
            tag: The tag that the commit sets; see `tag`.
            timeout: Seconds to wait while another thread has the back copy; None waits without limit.

        Raises:
            PinnedError: Fronts hold every copy of the state.
            WaitTimeoutError: The timeout expired.

        >>> m = backbuf.CBufferManager(3, "f8", initial=[1, 2, 3])
        >>> with m.back(discard=True, tag=7) as a:
        ...     a[:] = [4, 5, 6]
        >>> _ = m.synchronize()
        >>> m.front().tag, m.snapshot()
        (7, array([4., 5., 6.]))
        """
        return Back(self, discard, tag, timeout)

    def feed(self, receiver: SPSCReceiver) -> Feed:
        """Feeds the manager from a ring: it applies the records that are written to the ring's sender, by a `FeedWriter`, by
        native code or by another process.

        The worker applies records as they arrive; `synchronize` covers those that were committed before it, and publishes.
        The ring's capacity holds the sender back. There is no other order between records and the writes of other threads.
        A manager may have several feeds.

        Args:
            receiver: The receiver of a ring without `overwrite_record_size`. It is lent until the feed is closed.

        Returns:
            The feed. Keep it: its last reference ends it.

        Raises:
            ArgumentError: The ring overwrites its oldest records.
            OutOfRangeError: The ring has fewer than 24 bytes, the size of the smallest record.
            StateError: The receiver feeds a manager already, is in use, or has an open span.
            ClosedError: The manager or the receiver is closed.
        """
        return Feed(self, receiver)

    def task(self, label: str) -> Task:
        """Begins work outside the manager that the next publish waits for: `with m.task("upload"): ...`, or `.end()`."""
        return Task(self, label)

    def _assign(self, index: Any, value: Any) -> None:
        if isinstance(index, str) and (self._table.array is None or index in self._table.layouts):
            self[index][...] = value
        else:
            super()._assign(index, value)

    def __getitem__(self, index: Any) -> Field:
        if isinstance(index, str) and (self._table.array is None or index in self._table.layouts):
            return Field._of(self, self._table.layout(index))
        raise TypeError(f"{type(self).__name__} cannot be read by index (writes are queued): use m.front() or m.snapshot()")

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is not an array (it changes): use m.front().array or m.snapshot()")

    def _kernel(self, layout: Layout, kernel: Any, *how: Any) -> _callbacks.KernelStruct:
        if _callbacks.native_address(kernel, "kernel") is None:
            self._has_python_callbacks, self._fast_synchronize = True, False
        return _callbacks.KernelStruct(layout, self._pointer(), self._callback_errors, kernel, *how)


use_extension(Field, "enqueue", "put")
