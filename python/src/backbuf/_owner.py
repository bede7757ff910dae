"""Ownership of native objects: they are destroyed once, with their Python object or at the interpreter's end."""

from __future__ import annotations

import threading
import weakref
from typing import Any, ClassVar, NoReturn, Protocol, SupportsIndex

from ._library import lib
from ._wait import interruptible


class Destroyable(Protocol):
    """An object that destroys its native object in `__del__`."""

    def __del__(self) -> None: ...


_DESTROY_TIMEOUT_NS = 2_000_000_000


class Unique:
    """Base class of objects that own a native object; it forbids copying and pickling, which would create a second owner."""

    __slots__ = ()
    _copy_hint: ClassVar[str] = "use the object itself"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        name = type(self).__name__
        raise TypeError(f"a {name} cannot be copied or pickled: it owns a native object; {self._copy_hint}")


_owners: weakref.WeakSet[Destroyable] = weakref.WeakSet()


def destroy_at_exit(owner: Destroyable) -> None:
    """Registers an object that is destroyed at the interpreter's end if it still exists then."""
    _owners.add(owner)


class Owner:
    """Destroys a manager when the last reference is dropped. Arrays hold leases of their own, so they may outlive it."""

    __slots__ = ("__weakref__", "_device", "_pointer")

    def __init__(self, pointer: Any, device: object = None) -> None:
        self._pointer = pointer
        self._device = device  # the reference keeps the device open as long as its manager exists
        destroy_at_exit(self)

    def release(self) -> None:
        """Gives up ownership without destroying the manager."""
        self._pointer = None

    def destroy(self, timeout: float | None) -> int:
        """Destroys the manager and returns the status of `bb_manager_destroy_within`.

        On the main thread Python's signal handlers run during the wait.
        """
        return interruptible(timeout, self._end)

    def _end(self, timeout_ns: int) -> int:
        pointer, self._pointer = self._pointer, None
        if pointer is None:
            return 0
        status = int(lib.bb_manager_destroy_within(pointer, timeout_ns))
        if status == lib.BB_E_RECURSIVE:
            # The last reference was dropped inside one of the manager's own callbacks.
            threading.Thread(target=lib.bb_manager_destroy, args=(pointer,)).start()
            return 0
        return status

    def __del__(self) -> None:
        # The garbage collector may run while a callback waits for a lock of this thread, and a callback that hangs must not
        # prevent the interpreter's exit: the wait is limited. Python objects that callbacks use live until they return.
        self._end(_DESTROY_TIMEOUT_NS)


def destroy_all() -> None:
    """Destroys all registered objects that still exist."""
    for owner in list(_owners):
        owner.__del__()
