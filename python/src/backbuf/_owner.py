"""Who owns objects in C, and how these end."""

from __future__ import annotations

import threading
import weakref
from typing import Any, Protocol

from ._library import lib


class Owning(Protocol):
    """What owns something in C, which ends with it."""

    def __del__(self) -> None: ...


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

    def destroy(self) -> None:
        pointer, self._pointer = self._pointer, None
        if pointer is not None and lib.bb_manager_destroy(pointer) == lib.BB_E_RECURSIVE:
            # The last reference went inside one of the manager's own callbacks.
            threading.Thread(target=lib.bb_manager_destroy, args=(pointer,)).start()

    __del__ = destroy


def destroy_all() -> None:
    """Everything that this interpreter owns, as if nobody held it any more."""
    for owner in list(_owners):
        owner.__del__()
