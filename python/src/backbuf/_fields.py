"""The arrays of a state: one, or several named fields that are published as one epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from . import _errors
from ._arguments import c_text, dtype_from
from ._layout import Layout, dtype_code, dtype_of, pointer, shape_of
from ._library import ffi, lib, text

if TYPE_CHECKING:
    from .registry import BufferGroup

STATE = "state"
"""The name of the only field of a manager that was made without fields."""

FieldsLike = Mapping[str, tuple[int | Sequence[int], npt.DTypeLike]] | npt.DTypeLike


class NoArray:
    """Stands for the layout of a manager with fields, which has no array of its own."""

    __slots__ = ("_names",)

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def refuse(self) -> NoReturn:
        names = ", ".join(map(repr, self._names[:4])) + (", …" if len(self._names) > 4 else "")
        raise TypeError(f"the state has fields ({names}): name one, as in m[{self._names[0]!r}] and f[{self._names[0]!r}]")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self.refuse()


class _Info(NamedTuple):
    """What the library knows of a field."""

    name: str
    number: int
    shape: tuple[int, ...]
    code: int
    element_size: int
    byte_offset: int

    def layout(self, dtype: np.dtype[Any]) -> Layout:
        return Layout(self.shape, dtype, self.name, self.number, self.byte_offset)


def _infos(manager: Any) -> list[_Info]:
    info, size = ffi.new("bb_field_info *"), ffi.sizeof("bb_field_info")
    found: list[_Info] = []
    while (status := lib.bb_manager_field_at(manager, len(found), size, info)) == 0:
        shape = tuple(info.shape[0 : info.ndim])
        found.append(_Info(text(info.name), len(found), shape, info.dtype, info.element_size, int(info.byte_offset)))
    if status != lib.BB_E_RANGE:
        _errors.fail(status)
    return found


class FieldTable:
    """The layouts of a state's fields by name. `array` is that of a state without fields, and None otherwise."""

    __slots__ = ("array", "layouts")

    def __init__(self, layouts: Mapping[str, Layout], array: Layout | None) -> None:
        self.layouts, self.array = dict(layouts), array

    @classmethod
    def of_array(cls, layout: Layout) -> FieldTable:
        return cls({STATE: layout}, layout)

    @classmethod
    def of_manager(cls, manager: Any, dtype: npt.DTypeLike | None = None) -> FieldTable:
        """The table of an existing manager; `dtype` replaces that of a state without fields."""
        infos = _infos(manager)
        if [info.name for info in infos] != [STATE]:
            if dtype is not None:
                raise TypeError(f"dtype = {dtype!r}: the state has fields, which have dtypes of their own")
            return cls({info.name: info.layout(dtype_of(info.code)) for info in infos}, None)
        own = dtype_of(infos[0].code) if dtype is None else dtype_from(dtype)
        if own.itemsize != infos[0].element_size or own.hasobject:
            raise TypeError(f"dtype {own} has {own.itemsize} bytes an element, the state has {infos[0].element_size}")
        return cls.of_array(Layout(infos[0].shape, own))

    def layout(self, name: Any) -> Layout:
        """The layout of a field.

        Raises:
            NotRegisteredError: There is none of this name.
        """
        found = self.layouts.get(name) if isinstance(name, str) else None
        if found is None:
            names = ", ".join(map(repr, self.layouts))
            raise _errors.NotRegisteredError(f"field = {name!r}: the state has no such field, but {names}", lib.BB_E_NO_NAME)
        return found

    @property
    def single(self) -> Any:
        """The layout of a state without fields; for other states an object that refuses its use with the remedy."""
        return NoArray(list(self.layouts)) if self.array is None else self.array

    def rows(self) -> dict[str, object]:
        """Shapes and dtypes for notebooks."""
        if self.array is not None:
            return {"shape": self.array.shape, "dtype": self.array.dtype}
        return {f"field {name}": f"{layout.shape} {layout.dtype}" for name, layout in self.layouts.items()}

    def describe(self) -> str:
        """Shape and dtype, or the names of the fields."""
        if self.array is not None:
            return f"{self.array.shape} {self.array.dtype}"
        names = list(self.layouts)
        return f"with {len(names)} fields ({', '.join(names[:4])}{', …' if len(names) > 4 else ''})"


class GroupFields:
    """The buffers of a registry's group in one memory space as the fields of a new manager."""

    function = lib.bb_manager_create_from_group

    def __init__(self, group: BufferGroup, space: str) -> None:
        spaces = {"shared": lib.BB_SPACE_SHARED, "persistent": lib.BB_SPACE_PERSISTENT}
        if space not in spaces:
            raise ValueError(f"space is {space!r}: it must be 'shared' or 'persistent'")
        self._kept = group
        self.arguments = (group._native.pointer(), group._native.key(group.parent), spaces[space])

    def table(self, manager: Any) -> FieldTable:
        return FieldTable({info.name: info.layout(dtype_of(info.code)) for info in _infos(manager)}, None)


class NewFields:
    """The fields of a new manager as an array of `bb_field`, with the memory that it points to."""

    function = lib.bb_manager_create_fields

    def __init__(self, fields: FieldsLike, initial: Any) -> None:
        layouts = self.layouts = _layouts(fields)
        if initial is not None and not isinstance(initial, Mapping):
            raise TypeError(f"initial is a {type(initial).__name__}: give a dict of arrays, by the names of the fields")
        unknown = [name for name in initial or () if name not in layouts]
        if unknown:
            raise _errors.NotRegisteredError(f"initial: there is no field {unknown[0]!r}", lib.BB_E_NO_NAME)
        structs = ffi.new("bb_field[]", len(layouts))
        self.arguments = (structs, len(layouts))
        self._kept: list[Any] = []
        for struct, (name, layout) in zip(structs, layouts.items(), strict=True):
            kept = [c_text(name, "the name of a field"), ffi.new("uint64_t[]", layout.shape or [0])]
            struct.name, struct.shape = kept
            struct.dtype, struct.ndim = dtype_code(layout.dtype), len(layout.shape)
            if initial is not None and name in initial:
                kept.append(layout.initial(initial[name]))
                struct.initial = pointer(kept[-1])
            self._kept += kept

    def table(self, manager: Any) -> FieldTable:
        """The layouts of the manager that was made, at the offsets of the library."""
        own = [(info, self.layouts[info.name]) for info in _infos(manager)]
        return FieldTable({info.name: info.layout(layout.dtype) for info, layout in own}, None)


def _layouts(fields: FieldsLike) -> dict[str, Layout]:
    if not isinstance(fields, Mapping):
        dtype = dtype_from(fields, "fields")
        if dtype.names is None:
            raise TypeError(f"fields is {fields!r}: give a dict of (shape, dtype), or a structured dtype")
        bases = {name: dtype[name].subdtype or (dtype[name], ()) for name in dtype.names}
        return {name: Layout(shape, base, name) for name, (base, shape) in bases.items()}
    found = {}
    for name, pair in fields.items():
        if not isinstance(name, str):
            raise TypeError(f"fields: the name {name!r} is a {type(name).__name__}: give a str")
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"fields[{name!r}] is {pair!r}: give (shape, dtype)")
        try:
            layout = Layout(shape_of(pair[0]), dtype_from(pair[1]), name)
            dtype_code(layout.dtype)
        except (TypeError, ValueError) as error:
            raise type(error)(f"fields[{name!r}]: {error}") from None
        found[name] = layout
    return found
