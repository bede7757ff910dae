"""Who owns objects in C, and how these end."""

from __future__ import annotations

import threading
import weakref
from typing import Any, Protocol

from ._library import lib
from ._memory import Memory


class Owning(Protocol):
    """What owns something in C, which ends with it."""

    def __del__(self) -> None: ...


_owners: weakref.WeakSet[Owning] = weakref.WeakSet()


def remember(owner: Owning) -> None:
    """For the interpreter's end."""
    _owners.add(owner)


class Owner:
    """Destroys its manager when the last one lets go: the wrapper, and arrays of `back()` that outlive their block."""

    __slots__ = ("__weakref__", "_device", "_pointer", "lent")

    def __init__(self, pointer: Any, device: object = None) -> None:
        self._pointer = pointer
        self._device = device  # it ends after its managers
        self.lent: weakref.WeakSet[Memory] = weakref.WeakSet()
        remember(self)

    def give_away(self) -> None:
        self._pointer = None

    def destroy(self) -> None:
        pointer, self._pointer = self._pointer, None
        if pointer is not None and lib.bb_manager_destroy(pointer) == lib.BB_E_RECURSIVE:
            # The last reference went inside one of the manager's own callbacks.
            threading.Thread(target=lib.bb_manager_destroy, args=(pointer,)).start()

    __del__ = destroy

    def let_go(self) -> None:
        """The wrapper's end: at once, or when the last of the memory that is lent comes back; until then it is closed."""
        if self.lent:
            lib.bb_manager_close(self._pointer, 0)
        else:
            self.destroy()


def memory(address: int, size: int, writable: bool, owner: Owner | None) -> Memory:
    """A manager's own memory; a borrowed manager (no owner) must outlive the arrays by itself."""
    lent = Memory(address, size, writable, owner)
    if owner is not None:
        owner.lent.add(lent)
    return lent


def destroy_all() -> None:
    """Everything that this interpreter owns, as if nobody held it any more."""
    for owner in list(_owners):
        owner.__del__()
