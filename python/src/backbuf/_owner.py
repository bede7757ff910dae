"""Who owns objects in C, and how these end."""

from __future__ import annotations

import threading
import weakref
from typing import Any, ClassVar, NoReturn, Protocol, SupportsIndex

from ._library import lib
from ._wait import waiting


class Owning(Protocol):
    """What owns something in C, which ends with it."""

    def __del__(self) -> None: ...


_PATIENCE_NS = 2_000_000_000


class Unique:
    """What owns something in C. A copy of the Python object would be a second owner of it, so there is none."""

    __slots__ = ()
    _instead: ClassVar[str] = "use the object itself"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        name = type(self).__name__
        raise TypeError(f"a {name} cannot be copied or pickled: it owns an object of this process; {self._instead}")


_owners: weakref.WeakSet[Owning] = weakref.WeakSet()


def remember(owner: Owning) -> None:
    """For the interpreter's end."""
    _owners.add(owner)


class Owner:
    """Destroys its manager when the last one lets go. Arrays have leases of their own, so they may outlive it."""

    __slots__ = ("__weakref__", "_device", "_pointer")

    def __init__(self, pointer: Any, device: object = None) -> None:
        self._pointer = pointer
        self._device = device  # it ends after its managers
        remember(self)

    def give_away(self) -> None:
        self._pointer = None

    def destroy(self, timeout: float | None) -> int:
        """The status of `bb_manager_destroy_within`. On the main thread Python's signal handlers run during the wait."""
        return waiting(timeout, self._end)

    def _end(self, timeout_ns: int) -> int:
        pointer, self._pointer = self._pointer, None
        if pointer is None:
            return 0
        status = int(lib.bb_manager_destroy_within(pointer, timeout_ns))
        if status == lib.BB_E_RECURSIVE:
            # The last reference went inside one of the manager's own callbacks.
            threading.Thread(target=lib.bb_manager_destroy, args=(pointer,)).start()
            return 0
        return status

    def __del__(self) -> None:
        # Garbage may be collected anywhere, also where a callback waits for what this thread holds; and a callback that hangs
        # must not keep the interpreter from its end. What callbacks use of Python is kept until they return.
        self._end(_PATIENCE_NS)


def destroy_all() -> None:
    """Everything that this interpreter owns, as if nobody held it any more."""
    for owner in list(_owners):
        owner.__del__()
