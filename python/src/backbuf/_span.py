"""Spans: memory of a ring that one end lends for writing or reading in place."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from . import _errors
from ._library import address, lib
from ._memory import Memory
from ._owner import Unique

_BYTES = np.dtype(np.uint8)


class SpanLease(Unique):
    """Ends a span that its end has not ended, with the last view of its memory: the memory is valid until then, also after
    the end was closed.
    """

    __slots__ = ("_end", "_handle", "is_open")

    def __init__(self, end: Any, handle: Any) -> None:
        self._end, self._handle, self.is_open = end, handle, True

    def __del__(self) -> None:
        if getattr(self, "is_open", False):
            self._end(self._handle, 0)


class OpenSpan:
    """The open span of an end: its view, and whether anything else refers to its memory."""

    __slots__ = ("_lease", "_memory", "size", "view")

    def __init__(self, span: Any, writable: bool, end: Any, handle: Any) -> None:
        self.size = int(span.bytes)
        self._lease = SpanLease(end, handle)
        memory = Memory(address(span.data), self.size, writable, self._lease)
        self._memory = weakref.ref(memory)
        array: Any = memory.array(_BYTES, (self.size,))  # a buffer, which older stubs do not say
        self.view = memoryview(array)

    def release(self, what: str) -> None:
        """Releases the view.

        Raises:
            BufferError: Slices or arrays over the memory exist. The span stays open.
        """
        try:
            self.view.release()
        except BufferError:
            in_use = True
        else:
            in_use = self._memory() is not None
        if in_use:
            raise BufferError(f"{what}: arrays or slices over its memory are alive; delete them first (del)")

    def ended(self) -> None:
        """Notes that the end has ended the span."""
        self._lease.is_open = False


class SpanOwner:
    """The open span of a sender or a receiver, at most one."""

    _span: OpenSpan | None = None

    def _open_span(self, span: Any, writable: bool, end: Any, handle: Any) -> memoryview:
        opened = self._span = OpenSpan(span, writable, end, handle)
        return opened.view

    def _check_no_span(self) -> None:
        if self._span is not None:
            raise _errors.StateError(f"{self!r}: its span is open: end it first, with 0 bytes to discard it", lib.BB_E_STATE)

    def _end_span(self, what: str, count: int, end: Any, handle: Any) -> int:
        """Ends the span by `end(handle, count)` and returns the status; a refused call leaves the span open."""
        opened = self._span
        if opened is None:  # the library refuses the call
            return int(end(handle, count))
        if count > opened.size:
            raise _errors.StateError(f"{what}: {count} bytes are more than the span's {opened.size}", lib.BB_E_STATE)
        opened.release(what)
        status = int(end(handle, count))
        if status == lib.BB_OK or status == lib.BB_E_CLOSED:
            opened.ended()
            self._span = None
        return status
