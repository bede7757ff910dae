"""Buffers of one parent and their layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from backbuf import _errors
from backbuf._arguments import c_text, unsigned
from backbuf._library import ffi, lib
from backbuf._owner import Unique

from ._buffer import Allocator, BufferStruct, CUDABuffer, Location, Placement, Space, placement_of
from ._device import Fit, Limits, compute_capability, fit_of, launch_struct, limits_struct
from ._native import NativeRegistry, text_of
from ._plan import Plan, plan
from ._queries import Banks, LayoutInfo, Overlap, info_of

if TYPE_CHECKING:
    from ._registry import BufferRegistry

Answer = TypeVar("Answer")


class BufferGroup(Unique):
    """The buffers of one parent: `registry.group(parent)`, or `BufferGroup(parent)` with a registry of its own.

    Its methods are those of `BufferRegistry` without the parent. It keeps the parent alive; the registry does not. Any
    thread may call them.

    >>> group = backbuf.BufferGroup("solver")
    >>> group.register("k1", 100, "shared")
    >>> group.register("tmp", 30, "local", aliases="k1")
    >>> group.build_shared_layout()
    {'k1': slice(0, 100, None), 'tmp': slice(0, 30, None)}
    """

    __slots__ = ("_native", "_parent")

    def __init__(self, parent: object, registry: BufferRegistry | None = None) -> None:
        self._parent = parent
        self._native = NativeRegistry() if registry is None else registry._native

    @property
    def parent(self) -> object:
        """The parent."""
        return self._parent

    @property
    def entries(self) -> dict[str, CUDABuffer]:
        """The registered buffers by name, in the order of registration; a child appears as its two regions."""
        return self._consistent(self._entries)

    # --- what is asked for ---

    def register(
        self,
        name: str,
        size: int,
        location: Location,
        persistent: bool = False,
        aliases: str | None = None,
        precision: npt.DTypeLike = np.float32,
        lifetime: tuple[int, int] | None = None,
    ) -> None:
        """`BufferRegistry.register`."""
        fields = {"persistent": persistent, "aliases": aliases, "precision": precision, "lifetime": lifetime}
        self._submit(lib.bb_registry_register, BufferStruct(name, size=size, location=location, **fields))

    def replace(
        self,
        name: str,
        size: int,
        location: Location,
        persistent: bool = False,
        aliases: str | None = None,
        precision: npt.DTypeLike = np.float32,
        lifetime: tuple[int, int] | None = None,
    ) -> None:
        """`BufferRegistry.replace`."""
        fields = {"persistent": persistent, "aliases": aliases, "precision": precision, "lifetime": lifetime}
        self._submit(lib.bb_registry_replace, BufferStruct(name, size=size, location=location, **fields))

    def update_buffer(self, name: str, **changes: Any) -> tuple[bool, bool]:
        """`BufferRegistry.update_buffer`."""
        for field in changes:
            if field not in BufferStruct.FIELDS:
                raise TypeError(
                    f"update_buffer got an unexpected keyword {field!r}: a buffer has {', '.join(BufferStruct.FIELDS)}"
                )
        buffer, known, changed = BufferStruct(name, **changes), ffi.new("bool *"), ffi.new("bool *")
        key = self._native.find(self._parent)
        status = lib.bb_registry_update_buffer(self._native.pointer(), key, buffer.fields, buffer.struct, known, changed)
        self._check(buffer.check(status))
        return bool(known[0]), bool(changed[0])

    def register_child(self, name: str, child: object, aliases: str | None = None) -> None:
        """`BufferRegistry.register_child`."""
        native, text = self._native, c_text(name, "name")
        target = ffi.NULL if aliases is None else c_text(aliases, "aliases")
        status = lib.bb_registry_register_child(native.pointer(), native.key(self._parent), text, native.key(child), target)
        native.check(status, parent=self._parent, child=child)

    def set_options(
        self,
        *,
        layout: str | None = None,
        shared_per: str | None = None,
        bank_skew: bool | None = None,
        protect_persistent: bool | None = None,
    ) -> None:
        """`BufferRegistry.set_options`."""
        # Not by info(): it fails if only other options make a layout possible.
        now = json.loads(self.to_json())["groups"][0]["options"]
        now["layout"] = "typed" if now.pop("typed") else "elements"
        given = {
            "layout": layout,
            "shared_per": shared_per,
            "bank_skew": bank_skew,
            "protect_persistent": protect_persistent,
        }
        config = NativeRegistry.config(**now | {name: value for name, value in given.items() if value is not None})
        self._call(lib.bb_registry_set_options, config)

    def from_json(self, text: str) -> None:
        """`BufferRegistry.from_json`."""
        if not isinstance(text, str):
            raise TypeError(f"text is a {type(text).__name__}: give a str")
        data, key = text.encode(), self._native.key(self._parent)
        self._check(lib.bb_registry_load_json(self._native.pointer(), key, data, len(data)))

    def clear_layout(self) -> None:
        """`BufferRegistry.clear_layout`."""
        self._call(lib.bb_registry_clear_layout)

    invalidate_layouts = clear_layout

    def clear(self) -> None:
        """Removes all buffers: `BufferRegistry.clear_parent`."""
        self._call(lib.bb_registry_clear_parent)

    # --- where it lies ---

    def shared_buffer_size(self) -> int:
        """`BufferRegistry.shared_buffer_size`."""
        return self._number(lib.bb_registry_shared_buffer_size)

    def local_buffer_size(self) -> int:
        """`BufferRegistry.local_buffer_size`."""
        return self._number(lib.bb_registry_local_buffer_size)

    def persistent_local_buffer_size(self) -> int:
        """`BufferRegistry.persistent_local_buffer_size`."""
        return self._number(lib.bb_registry_persistent_local_buffer_size)

    def build_shared_layout(self) -> dict[str, slice]:
        """The slices of the shared region by name, aliases last."""
        return self._slices("shared")

    def build_persistent_layout(self) -> dict[str, slice]:
        """The slices of the persistent region by name, aliases last."""
        return self._slices("persistent")

    def build_local_sizes(self) -> dict[str, int]:
        """The lengths of the local arrays by name."""
        return {one["name"]: one["length"] for one in self._layout_of("local")}

    def placement(self, name: str) -> Placement:
        """`BufferRegistry.placement`."""
        found = ffi.new("bb_allocator *")
        self._call(lib.bb_registry_get_allocator, c_text(name, "name"), ffi.sizeof("bb_allocator"), found)
        return placement_of(found)

    def get_allocator(self, name: str, *, zero: bool = False) -> Allocator:
        """`BufferRegistry.get_allocator`."""
        placement, buffer, info = self._consistent(lambda: (self.placement(name), self._entries()[name], self.info()))
        if placement.space == "local":
            return buffer.build_allocator(None, None, placement.length, zero=zero)
        own = info.shared_precision if placement.space == "shared" else info.persistent_precision
        in_bytes = info.layout == "typed" and own is None
        width = placement.precision.itemsize if in_bytes else 1
        region = slice(placement.offset * width, (placement.offset + placement.length) * width)
        if placement.space == "shared":
            return buffer.build_allocator(region, None, None, in_bytes=in_bytes, zero=zero)
        return buffer.build_allocator(None, region, None, in_bytes=in_bytes, zero=zero)

    def info(self) -> LayoutInfo:
        """`BufferRegistry.info`."""
        found = ffi.new("bb_layout_info *")
        self._call(lib.bb_registry_layout_info, ffi.sizeof("bb_layout_info"), found)
        return info_of(found)

    def version(self) -> int:
        """`BufferRegistry.version`."""
        return self._number(lib.bb_registry_version)

    def layout_hash(self) -> int:
        """`BufferRegistry.layout_hash`."""
        return self._number(lib.bb_registry_layout_hash)

    def plan(
        self,
        *,
        budget: float | None = 1.0,
        threads: int = 1,
        seed: int = 0,
        nodes: int | None = None,
        target: int | None = None,
        cancelled: Callable[[], object] | None = None,
    ) -> Plan:
        """`BufferRegistry.plan`."""
        return plan(self._native, self._parent, budget, threads, seed, nodes, target, cancelled)

    def overlaps(self) -> list[Overlap]:
        """`BufferRegistry.overlaps`."""
        found = json.loads(self._text(lib.bb_registry_overlaps))
        return [Overlap(**one | {"steps": tuple(one["steps"])}) for one in found]

    # --- on a device ---

    def check(
        self,
        arch: str | int | Limits,
        threads_per_block: int,
        *,
        shared_per: str | None = None,
        registers_per_thread: int | None = None,
        static_shared_bytes: int = 0,
    ) -> Fit:
        """`BufferRegistry.check`."""
        launch = launch_struct(threads_per_block, shared_per, registers_per_thread, static_shared_bytes)
        found = ffi.new("bb_fit *")
        self._call(lib.bb_registry_check, limits_struct(arch), launch, ffi.sizeof("bb_fit"), found)
        return fit_of(found)

    def shared_bytes(self, threads: int) -> int:
        """`BufferRegistry.shared_bytes`."""
        return self._number(lib.bb_registry_shared_bytes, unsigned(threads, "threads", 32))

    def shared_stride_bytes(self) -> int:
        """`BufferRegistry.shared_stride_bytes`."""
        return self._number(lib.bb_registry_shared_stride_bytes)

    def fits(self, arch: str | int, threads: int) -> bool:
        """`BufferRegistry.fits`."""
        return self._flag(lib.bb_registry_fits, compute_capability(arch), unsigned(threads, "threads", 32))

    def needs_opt_in(self, threads: int) -> bool:
        """`BufferRegistry.needs_opt_in`."""
        return self._flag(lib.bb_registry_needs_opt_in, unsigned(threads, "threads", 32))

    def banks(self) -> Banks:
        """`BufferRegistry.banks`."""
        return Banks(**json.loads(self._text(lib.bb_registry_banks)))

    # --- as text ---

    def table(self) -> str:
        """`BufferRegistry.table`."""
        return self._text(lib.bb_registry_table)

    def svg(self) -> str:
        """`BufferRegistry.svg`."""
        return self._text(lib.bb_registry_svg)

    def png(self, *, dark: bool = False, scale: float = 2.0) -> bytes:
        """`BufferRegistry.png`."""
        from ._picture import png

        return png(self.svg(), dark, scale)

    def to_json(self) -> str:
        """`BufferRegistry.to_json`."""
        return self._text(lib.bb_registry_json)

    def emit_cuda_header(self, namespace: str) -> str:
        """`BufferRegistry.emit_cuda_header`."""
        return self._text(lib.bb_registry_emit_cuda_header, c_text(namespace, "namespace"))

    def _repr_html_(self) -> str:
        return f"<div>{self.svg()}<pre>{escape(self.table())}</pre></div>"

    def __repr__(self) -> str:
        return f"<BufferGroup of {self._parent!r}: {', '.join(self.entries) or 'no buffers'}>"

    # --- inside ---

    def _check(self, status: int) -> None:
        self._native.check(status, parent=self._parent)

    def _call(self, function: Callable[..., int], *arguments: Any) -> None:
        self._check(function(self._native.pointer(), self._native.find(self._parent), *arguments))

    def _submit(self, function: Callable[..., int], buffer: BufferStruct) -> None:
        key = self._native.key(self._parent)
        self._check(buffer.check(function(self._native.pointer(), key, buffer.struct)))

    def _number(self, function: Callable[..., int], *arguments: int) -> int:
        number = ffi.new("uint64_t *")
        self._call(function, *arguments, number)
        return int(number[0])

    def _flag(self, function: Callable[..., int], *arguments: int) -> bool:
        answer = ffi.new("bool *")
        self._call(function, *arguments, answer)
        return bool(answer[0])

    def _text(self, function: Callable[..., int], *arguments: Any) -> str:
        registry, key = self._native.pointer(), self._native.find(self._parent)
        return text_of(lambda text, room, length: function(registry, key, *arguments, text, room, length), self._check)

    def _consistent(self, query: Callable[[], Answer]) -> Answer:
        """The result of several queries, repeated until no other thread has changed the group in between."""
        while True:
            before = self.version()
            answer = query()
            if self.version() == before:
                return answer

    def _document(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self.to_json())["groups"][0]
        except _errors.NotRegisteredError:
            return {"buffers": [], "layout": {"buffers": []}}
        return found

    def _entries(self) -> dict[str, CUDABuffer]:
        entries: dict[str, CUDABuffer] = {}
        for one in self._document()["buffers"]:
            if "child" in one:
                shared, persistent = (f"{one['child']}.{space}" for space in ("shared", "persistent"))
                entries[shared] = _region(shared, self.placement(shared), one.get("aliases"))
                entries[persistent] = _region(persistent, self.placement(persistent))
            else:
                entries[one["name"]] = _buffer(one)
        return entries

    def _layout_of(self, space: Space) -> list[dict[str, Any]]:
        """Name, offset and length of the buffers in a space, in layout order."""
        layout = self._document()["layout"]
        if layout is None:
            self.info()  # raises the reason
        here = [one for one in layout["buffers"] if one["space"] == space]
        return sorted(here, key=lambda one: one["origin"] != "own")

    def _slices(self, space: Space) -> dict[str, slice]:
        return {one["name"]: slice(one["offset"], one["offset"] + one["length"]) for one in self._layout_of(space)}


def _buffer(asked: dict[str, Any]) -> CUDABuffer:
    """Converts a buffer of the JSON document."""
    lifetime = asked["lifetime"]
    return CUDABuffer(**asked | {"lifetime": None if lifetime is None else tuple(lifetime)})


def _region(name: str, placement: Placement, aliases: str | None = None) -> CUDABuffer:
    """A child's region, which the JSON document does not contain."""
    shared = placement.space == "shared"
    return CUDABuffer(name, placement.zero_fill, "shared" if shared else "local", not shared, aliases, placement.precision)
