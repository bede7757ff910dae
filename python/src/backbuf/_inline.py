"""Inline writers and readers: long claims on a ring, used by compiled code through their addresses."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from . import _errors
from ._arguments import size_of
from ._library import address, ffi, lib
from ._memory import Memory
from ._owner import Unique

if TYPE_CHECKING:
    from ._end import End

Self = TypeVar("Self", bound="InlineClaim")

_WORD = np.dtype(np.uint64)


class InlineClaim(Unique):
    """An open `bb_writer` or `bb_reader`. Compiled code uses it by `address`, or by `words`:

    | word | member |
    | --- | --- |
    | 2 | `next`: the address of the next record; moved behind each record |
    | 3 | `end`: the address where the claim ends |
    | 4 | `due`: when `next` comes here, `call` is due |

    `call` is the address of the C function `int32_t (void *claim, uint64_t min)` that publishes records, or gives them back,
    and updates the words. It returns 0, or a negative status.
    """

    _update: str
    _close: str

    def __init__(self, end: End, every: int, kind: str, open_claim: Any) -> None:
        claim = ffi.new(f"{kind} *")
        end._check(open_claim(end._pointer(), size_of(every, "every"), ffi.sizeof(kind), claim))
        self._end, self._claim = end, claim

    @property
    def address(self) -> int:
        """The address of the C struct, valid as long as this object."""
        return address(self._claim)

    @property
    def call(self) -> int:
        """The address of the C function that publishes the records, or gives them back."""
        return address(ffi.addressof(lib, self._update))

    @property
    def words(self) -> npt.NDArray[np.uint64]:
        """The members of the C struct as a writable array, which keeps this object alive."""
        size = int(ffi.sizeof(self._claim[0]))
        return Memory(self.address, size, True, self).array(_WORD, (size // 8,))

    def close(self) -> None:
        """Ends the claim: a writer publishes its records, a reader gives its records back. Closing again has no effect."""
        if self._claim[0].struct_size != 0:
            _errors.check(self._close_claim())

    def _close_claim(self) -> int:
        status = int(getattr(lib, self._close)(self._claim))
        if status in (lib.BB_OK, lib.BB_E_CLOSED):
            self._claim[0].struct_size = 0
            return int(lib.BB_OK)
        return status

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        claim = getattr(self, "_claim", None)
        if claim is not None and claim[0].struct_size != 0:
            self._close_claim()


class InlineWriter(InlineClaim):
    """A long claim on the free space of a ring, opened by `SPSCSender.open_writer`."""

    _update = "bb_writer_publish"
    _close = "bb_writer_close"

    def publish(self, least: int = 0) -> None:
        """Publishes the records before `next`.

        Raises:
            ChannelFull: Published, and less than `least` bytes are free.
            ReceiversDisconnected: The receiver is closed.
            StateError: `next` is outside of the claim. Nothing is published.
        """
        self._end._check(lib.bb_writer_publish(self._claim, size_of(least, "least")))


class InlineReader(InlineClaim):
    """A long claim on the bytes of a ring, opened by `SPSCReceiver.open_reader`."""

    _update = "bb_reader_give_back"
    _close = "bb_reader_close"

    def give_back(self, least: int = 0) -> int:
        """Gives the records before `next` back, and returns the number of bytes that can be read then; 0 if they are fewer than
        `least`.

        Raises:
            SendersDisconnected: No more bytes come, and fewer than `least` are left.
            StateError: `next` is outside of the claim. Nothing is given back.
        """
        status = int(lib.bb_reader_give_back(self._claim, size_of(least, "least")))
        if status == lib.BB_E_EMPTY:
            return 0
        self._end._check(status)
        return address(self._claim.end) - address(self._claim.next)


class WriterOwner:
    """The inline writers of a sender."""

    def open_writer(self: Any, every: int = 0) -> InlineWriter:
        """Opens an inline writer: compiled code (Numba, ctypes) stores small records in the ring itself without calls.

        Args:
            every: Bytes after which a publish is due; 0: when the space that is known is used up.

        Raises:
            StateError: A span or a writer is open already, or the ring overwrites its oldest records.
            ReceiversDisconnected: The receiver is closed.

        >>> import ctypes
        >>> tx, rx = backbuf.spsc_buffer(64)
        >>> with tx.open_writer() as writer:
        ...     _ = ctypes.memmove(int(writer.words[2]), b"record", 6)
        ...     writer.words[2] += np.uint64(6)
        >>> rx.recv(64)
        bytearray(b'record')
        """
        return InlineWriter(self, every, "bb_writer", lib.bb_sender_open_writer)


class ReaderOwner:
    """The inline readers of a receiver."""

    def open_reader(self: Any, every: int = 0) -> InlineReader:
        """Opens an inline reader: compiled code (Numba, ctypes) reads small records in the ring itself without calls.

        Args:
            every: Bytes after which giving back is due; 0: when all known bytes are read.

        Raises:
            StateError: A span or a reader is open already, or the ring overwrites its oldest records.
        """
        return InlineReader(self, every, "bb_reader", lib.bb_receiver_open_reader)
