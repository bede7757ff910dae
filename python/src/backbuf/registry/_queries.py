"""Results of queries about a parent's layout."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from backbuf._html import HtmlFields

from ._buffer import Space, bytes_of, dtype_of
from ._native import LAYOUTS, SHARED_PER


@dataclass(frozen=True)
class LayoutInfo(HtmlFields):
    """Sizes and options of a parent's layout. Sizes in bytes are None if a region mixes precisions and the layout is not
    typed.
    """

    layout: str
    """"elements" or "typed"."""
    shared_per: str
    """"block" or "thread"."""
    bank_skew: bool
    protect_persistent: bool
    planned: bool
    """Whether a plan determines the places of buffers with lifetimes."""
    version: int
    layout_hash: int
    buffers: int
    """Number of buffers, including those of children."""
    shared: int
    """Elements of the shared region; bytes if the layout is typed and the region mixes precisions."""
    persistent: int
    local: int
    """Elements of all local arrays together."""
    shared_bytes: int | None
    persistent_bytes: int | None
    local_bytes: int
    shared_stride_bytes: int | None
    shared_align_bytes: int
    """The required alignment of the region's begin."""
    persistent_align_bytes: int
    shared_precision: np.dtype[Any] | None
    """None if the region is empty or mixes precisions."""
    persistent_precision: np.dtype[Any] | None


def _word(table: dict[str, int], number: int) -> str:
    return next(word for word, code in table.items() if code == number)


def info_of(struct: Any) -> LayoutInfo:
    """Converts a `bb_layout_info`."""
    found = {field.name: getattr(struct, field.name) for field in fields(LayoutInfo) if field.name != "layout"}
    found |= {name: bool(found[name]) for name in ("bank_skew", "protect_persistent", "planned")}
    found |= {name: bytes_of(found[name]) for name in ("shared_bytes", "persistent_bytes", "shared_stride_bytes")}
    found |= {name: dtype_of(found[name]) for name in ("shared_precision", "persistent_precision")}
    return LayoutInfo(**found | {"layout": _word(LAYOUTS, struct.typed), "shared_per": _word(SHARED_PER, struct.shared_per)})


@dataclass(frozen=True)
class Overlap:
    """Two buffers that share memory while both are alive: an alias whose lifetime intersects that of its target."""

    first: str
    second: str
    space: Space
    start: int
    stop: int
    """The shared elements of the region are those from `start` to `stop`, without `stop`."""
    steps: tuple[int, int]


@dataclass(frozen=True)
class Banks(HtmlFields):
    """Shared-memory bank conflicts of a warp whose threads read the same element of their own regions."""

    stride_bytes: int
    conflict_free_stride_bytes: int | None
    ways: dict[str, int]
    """For each buffer, the number of accesses into which the worst read is split."""
