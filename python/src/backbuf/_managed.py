"""Memory of a stream's chunks as Python objects, with and without the extension."""

from __future__ import annotations

from types import TracebackType
from typing import Any, NoReturn

import numpy as np

from ._errors import StateError
from ._library import addresses, ffi, hot, lib


def released_error() -> StateError:
    return StateError("this managed buffer is released: use it before release(), or keep a view of it", lib.BB_E_STATE)


class ManagedBuffer(np.ndarray[Any, np.dtype[np.uint8]]):
    """The memory of one chunk of a stream, without the extension.

    Before Python 3.12 only types written in C export buffers, so it derives from a NumPy array.
    """

    _lease: Any = None
    released = False

    def release(self) -> None:
        self.released = True

    def __del__(self, give_back: Any = lib.bb_lease_release) -> None:
        if self._lease is not None:
            give_back(self._lease)

    def __len__(self) -> int:
        if self.released:
            raise released_error()
        return super().__len__()

    def __getitem__(self, index: Any) -> Any:
        if self.released:
            raise released_error()
        return super().__getitem__(index)

    def __enter__(self) -> ManagedBuffer:
        if self.released:
            raise released_error()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def __reduce__(self) -> NoReturn:
        raise TypeError("cannot pickle a managed buffer: it is memory of a stream; use bytes(chunk)")

    def __repr__(self) -> str:
        return f"<ManagedBuffer of {self.nbytes} bytes{', released' if self.released else ''}>"


def view(chunk: Any) -> memoryview:
    """A memoryview over a `bb_chunk`; it owns the chunk's lease."""
    if hot is not None:
        numbers = (int(ffi.cast("uintptr_t", part)) for part in (chunk.data, chunk.bytes, chunk.lease))
        return hot.chunk(*numbers)  # type: ignore[no-any-return]
    memory = ManagedBuffer.__new__(ManagedBuffer, (chunk.bytes,), np.uint8, ffi.buffer(chunk.data, chunk.bytes))
    memory._lease = chunk.lease
    return memoryview(memory)


if hot is not None:
    hot.bind_ring(
        addresses(
            "bb_sender_send",
            "bb_sender_feed",
            "bb_sender_send_whole",
            "bb_receiver_recv",
            "bb_receiver_peek",
            "bb_receiver_consume",
            "bb_stream_next",
            "bb_stream_ready_chunks",
            "bb_lease_release",
        ),
        released_error,
    )
