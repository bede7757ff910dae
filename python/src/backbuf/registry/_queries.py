"""What a registry tells of a parent."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ._buffer import Space, bytes_of, dtype_of
from ._native import LAYOUTS, SHARED_PER


@dataclass(frozen=True)
class LayoutInfo:
    """What a parent takes, and how it lays out. Bytes that nobody can tell are None: the region mixes precisions, and the
    layout is not typed."""

    layout: str
    """"elements" or "typed"."""
    shared_per: str
    """"block" or "thread"."""
    bank_skew: bool
    protect_persistent: bool
    planned: bool
    """Whether buffers with lifetimes lie where a plan has put them."""
    version: int
    layout_hash: int
    buffers: int
    """Children's hidden ones included."""
    shared: int
    """Elements of the shared region; those of a typed region that mixes precisions are bytes."""
    persistent: int
    local: int
    """Elements of all local arrays together."""
    shared_bytes: int | None
    persistent_bytes: int | None
    local_bytes: int
    shared_stride_bytes: int | None
    shared_align_bytes: int
    """The alignment that the start of the region needs."""
    persistent_align_bytes: int
    shared_precision: np.dtype[Any] | None
    """None where it is empty or mixes precisions."""
    persistent_precision: np.dtype[Any] | None


def _word(table: dict[str, int], number: int) -> str:
    return next(word for word, code in table.items() if code == number)


def info_of(struct: Any) -> LayoutInfo:
    """The same of a `bb_layout_info`."""
    found = {field.name: getattr(struct, field.name) for field in fields(LayoutInfo) if field.name != "layout"}
    found |= {name: bool(found[name]) for name in ("bank_skew", "protect_persistent", "planned")}
    found |= {name: bytes_of(found[name]) for name in ("shared_bytes", "persistent_bytes", "shared_stride_bytes")}
    found |= {name: dtype_of(found[name]) for name in ("shared_precision", "persistent_precision")}
    return LayoutInfo(**found | {"layout": _word(LAYOUTS, struct.typed), "shared_per": _word(SHARED_PER, struct.shared_per)})


@dataclass(frozen=True)
class Overlap:
    """Two buffers that share memory while both are alive: an alias that does not take turns."""

    first: str
    second: str
    space: Space
    start: int
    stop: int
    """Elements of the region that both have."""
    steps: tuple[int, int]


@dataclass(frozen=True)
class Banks:
    """How the threads of a warp meet the banks of shared memory when each reads the same element of its own region."""

    stride_bytes: int
    conflict_free_stride_bytes: int | None
    ways: dict[str, int]
    """By buffer, the turns into which its worst access is split."""
