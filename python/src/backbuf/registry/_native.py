"""The native registry, and the keys that it uses for Python parents."""

from __future__ import annotations

import itertools
import numbers
import reprlib
import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

import numpy as np

from backbuf import _errors
from backbuf._arguments import c_text, flag
from backbuf._library import ffi, lib
from backbuf._owner import Unique, destroy_at_exit

# Types without an identity: equal values are the same parent, as they are the same key of a dict.
_VALUES = (str, bytes, numbers.Number, np.generic, tuple, frozenset, type(None))

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 100

LAYOUTS = {"elements": 0, "typed": 1}
SHARED_PER = {"block": lib.BB_SHARED_PER_BLOCK, "thread": lib.BB_SHARED_PER_THREAD}


def choice(table: Mapping[str, int], name: Any, what: str) -> int:
    """The number of a named option."""
    if not isinstance(name, str) or name not in table:
        raise ValueError(f"{what} is {name!r}: it must be {' or '.join(map(repr, table))}")
    return table[name]


def text_of(call: Callable[[Any, int, Any], int], check: Callable[[int], None] = _errors.check) -> str:
    """A text by two calls, one for its length and one for its bytes; repeated if another thread has made it longer in
    between.
    """
    length = ffi.new("uint64_t *")
    while True:
        check(call(ffi.NULL, 0, length))
        room = ffi.new("char[]", length[0] + 1)
        status = call(room, len(room), length)
        if status != lib.BB_E_RANGE:
            check(status)
            return str(ffi.buffer(room, length[0])[:], "utf-8")


class NativeRegistry(Unique):
    """A `bb_registry`, created at its first use, so that a fork before that does not invalidate it."""

    __slots__ = ("__weakref__", "_config", "_kept", "_keys", "_lock", "_objects", "_pointer", "_values")

    def __init__(
        self,
        layout: str = "elements",
        shared_per: str = "block",
        bank_skew: bool = True,
        protect_persistent: bool = False,
        label: str | None = None,
    ) -> None:
        self._pointer: Any = None
        self._config = self.config(layout, shared_per, bank_skew, protect_persistent)
        self._kept = None if label is None else c_text(label, "label")
        if self._kept is not None:
            self._config.label = self._kept
        # Reentrant: the finalizer of a parent may run anywhere.
        self._lock = threading.RLock()
        self._keys = itertools.count(1)
        self._values: dict[Any, int] = {}
        self._objects: dict[int, tuple[Callable[[], object], int]] = {}

    @staticmethod
    def config(layout: str, shared_per: str, bank_skew: bool, protect_persistent: bool) -> Any:
        config = ffi.new("bb_registry_config *")
        _errors.check(lib.bb_registry_config_init(config))
        config.typed = choice(LAYOUTS, layout, "layout")
        config.shared_per = choice(SHARED_PER, shared_per, "shared_per")
        config.bank_skew = flag(bank_skew, "bank_skew")
        config.protect_persistent = flag(protect_persistent, "protect_persistent")
        return config

    def pointer(self) -> Any:
        with self._lock:
            if self._pointer is None:
                made = ffi.new("bb_registry **")
                _errors.check(lib.bb_registry_create(self._config, made))
                self._pointer = made[0]
                destroy_at_exit(self)
            return self._pointer

    def __del__(self) -> None:
        pointer, self._pointer = getattr(self, "_pointer", None), None
        if pointer is not None:
            lib.bb_registry_destroy(pointer)

    # --- parents ---

    def find(self, parent: object) -> int:
        """The parent's key; 0 if it has none."""
        if isinstance(parent, _VALUES):
            return self._values.get(parent, 0)
        known, key = self._objects.get(id(parent), (None, 0))
        return key if known is not None and known() is parent else 0

    def key(self, parent: object) -> int:
        """The parent's key, created if it has none."""
        with self._lock:
            key = self.find(parent)
            if key:
                return key
            key = next(self._keys)
            if isinstance(parent, _VALUES):
                self._values[parent] = key
                return key
            known: Callable[[], object]
            try:
                known = weakref.ref(parent, partial(_ended, weakref.ref(self), id(parent), key))
            except TypeError:
                known = lambda: parent  # noqa: E731 - keeps the parent alive
            self._objects[id(parent)] = known, key
            return key

    # --- calls ---

    def check(self, status: int, **named: object) -> None:
        """Raises the exception for a status, with each parent of `named` shown in place of its key."""
        if status != 0:
            self.fail(status, **named)

    def fail(self, status: int, **named: object) -> NoReturn:
        error = _errors.error(status)
        message = str(error)
        for name, parent in named.items():
            message = message.replace(f"{name} = {self.find(parent)}:", f"{name} = {_REPR.repr(parent)}:")
        raise type(error)(message, status)


def _ended(native: weakref.ref[NativeRegistry], identity: int, key: int, _: object) -> None:
    """Called at the end of a parent: removes its buffers."""
    registry = native()
    if registry is None:
        return
    with registry._lock:
        if registry._objects.get(identity, (None, 0))[1] == key:
            del registry._objects[identity]
    if registry._pointer is not None:
        lib.bb_registry_clear_parent(registry._pointer, key)
