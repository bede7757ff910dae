"""BufferRegistry: who asks for which buffers, and where they lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from backbuf._library import lib
from backbuf._owner import Unique

from ._buffer import Allocator, Location, Placement
from ._device import Fit, Limits
from ._group import BufferGroup
from ._native import Native, text_of
from ._plan import Plan
from ._queries import Banks, LayoutInfo, Overlap


class BufferRegistry(Unique):
    """Named buffers of CUDA kernels: what each owner, the *parent*, asks for, and where it lies in the block's shared memory,
    in the thread's persistent array, or in local arrays. Sizes and offsets are elements; what counts bytes has `bytes` in its
    name.

    `layout="typed"`: offsets are worked out in bytes and aligned by precision, so that a region may mix precisions.
    `shared_per`: a `"block"` has one shared region, or each `"thread"`. `bank_skew`: in a typed layout of 4-byte elements that
    belongs to a thread, the stride from thread to thread is an odd number of words. `protect_persistent`: an alias never
    overlaps a persistent buffer, nor a child's region that holds one. `label` names the registry in messages.

    A parent is any object. It is known by its identity and not held: its buffers are forgotten when it ends. What cannot be
    referred to weakly is held as long as the registry; texts, numbers and tuples are known by their value.

    Any thread may call at any time.

    >>> registry = backbuf.BufferRegistry()
    >>> registry.register("k1", "solver", 100, "shared")
    >>> registry.register("tmp", "solver", 30, "local", aliases="k1")
    >>> registry.shared_buffer_size("solver"), registry.placement("tmp", "solver").origin
    (100, 'aliased')
    """

    __slots__ = ("__weakref__", "_label", "_native")

    def __init__(
        self,
        layout: Literal["elements", "typed"] = "elements",
        *,
        shared_per: Literal["block", "thread"] = "block",
        bank_skew: bool = True,
        protect_persistent: bool = False,
        label: str | None = None,
    ) -> None:
        self._native, self._label = Native(layout, shared_per, bank_skew, protect_persistent, label), label

    def group(self, parent: object) -> BufferGroup:
        """What this parent has: the same calls without the parent."""
        return BufferGroup(parent, self)

    # --- what is asked for ---

    def register(
        self,
        name: str,
        parent: object,
        size: int,
        location: Location,
        persistent: bool = False,
        aliases: str | None = None,
        precision: npt.DTypeLike = np.float32,
        lifetime: tuple[int, int] | None = None,
    ) -> None:
        """Adds a buffer at the end of the parent's order. `aliases` names the one, registered before, whose memory it would
        rather share; `precision` is f16, f32, f64, i32 or i64, by such a name or as NumPy's; `lifetime` are the steps in which
        it is alive, the second one not included. A name that is taken is a ValueError: `replace` is the explicit way."""
        self.group(parent).register(name, size, location, persistent, aliases, precision, lifetime)

    def replace(
        self,
        name: str,
        parent: object,
        size: int,
        location: Location,
        persistent: bool = False,
        aliases: str | None = None,
        precision: npt.DTypeLike = np.float32,
        lifetime: tuple[int, int] | None = None,
    ) -> None:
        """Gives a name that is taken another buffer, in its old place of the order."""
        self.group(parent).replace(name, size, location, persistent, aliases, precision, lifetime)

    def update_buffer(self, name: str, parent: object, **changes: Any) -> tuple[bool, bool]:
        """Changes some of size, location, persistent, aliases, precision, lifetime; gives whether there is such a buffer, and
        whether anything is different now.

        >>> registry = backbuf.BufferRegistry()
        >>> registry.register("k1", "solver", 100, "shared")
        >>> registry.update_buffer("k1", "solver", size=50), registry.update_buffer("k2", "solver", size=50)
        ((True, True), (False, False))
        """
        return self.group(parent).update_buffer(name, **changes)

    def register_child(self, name: str, parent: object, child: object, aliases: str | None = None) -> None:
        """Rolls a child's regions up into a parent, as `<name>.shared` and `<name>.persistent` at the end of its order. They
        are live: whatever changes in the child moves what comes after them. The child is a parent of its own, which may have
        no buffers yet. The parent's options count for the whole region; those of the child, for its own launches.

        `aliases` names the buffer, registered before, whose memory the child's shared region would rather share; the
        persistent region is never an alias.

        >>> registry = backbuf.BufferRegistry()
        >>> registry.register_child("solver", "loop", "newton")
        >>> registry.register("jacobian", "newton", 9, "shared")
        >>> registry.shared_buffer_size("loop")
        9
        """
        self.group(parent).register_child(name, child, aliases)

    def set_options(
        self,
        parent: object,
        *,
        layout: Literal["elements", "typed"] | None = None,
        shared_per: Literal["block", "thread"] | None = None,
        bank_skew: bool | None = None,
        protect_persistent: bool | None = None,
    ) -> None:
        """How a parent, who has buffers already, lays out from now on; what is not given stays."""
        self.group(parent).set_options(
            layout=layout, shared_per=shared_per, bank_skew=bank_skew, protect_persistent=protect_persistent
        )

    def from_json(self, parent: object, text: str) -> None:
        """Registers what `to_json` told, or a person wrote in its form, for a parent without buffers. The document's first
        group becomes the parent's; a malformed one loads nothing, and the error tells line and column."""
        self.group(parent).from_json(text)

    def clear_layout(self, parent: object) -> None:
        """Drops the parent's layout, and its plan with it: the next question works it out by the rules."""
        self.group(parent).clear_layout()

    def clear_parent(self, parent: object) -> None:
        """Forgets all buffers of a parent. Where it is a child, it takes nothing until it registers again."""
        self.group(parent).clear()

    # --- where it lies ---

    def shared_buffer_size(self, parent: object) -> int:
        """Elements of the shared region: its largest stop. A parent without buffers takes nothing."""
        return self.group(parent).shared_buffer_size()

    def local_buffer_size(self, parent: object) -> int:
        """Elements of all local arrays together."""
        return self.group(parent).local_buffer_size()

    def persistent_local_buffer_size(self, parent: object) -> int:
        """Elements of the persistent region: its largest stop."""
        return self.group(parent).persistent_local_buffer_size()

    def placement(self, name: str, parent: object) -> Placement:
        """Where a buffer lies, as plain data."""
        return self.group(parent).placement(name)

    def get_allocator(self, name: str, parent: object, *, zero: bool = False) -> Allocator:
        """A Numba CUDA device function `(shared, persistent) → array` by which a kernel gets a buffer, as it lies now; `zero`
        fills it with zeros. The two regions are arrays of their elements; of a typed layout that mixes precisions, of uint8.
        An unknown parent or name is a KeyError."""
        return self.group(parent).get_allocator(name, zero=zero)

    def info(self, parent: object) -> LayoutInfo:
        """What a parent takes, and how it lays out."""
        return self.group(parent).info()

    def version(self, parent: object) -> int:
        """Another number after every change of the parent or of its children, and never one that was before; 0 for a parent
        without buffers."""
        return self.group(parent).version()

    def layout_hash(self, parent: object) -> int:
        """The same number for equal layouts, in every process: headers carry it, which tells a kernel built before a change
        from one built after. The layouts of children count, too."""
        return self.group(parent).layout_hash()

    def plan(
        self,
        parent: object,
        *,
        budget: float | None = 1.0,
        threads: int = 1,
        seed: int = 0,
        nodes: int | None = None,
        target: int | None = None,
        cancelled: Callable[[], object] | None = None,
    ) -> Plan:
        """Places the buffers with lifetimes in the least memory that it finds within `budget` seconds (None: for as long as it
        takes; 0: one quick plan): what is never alive at the same time may share it. The plan stands until the parent or one
        of its children changes, or `clear_layout`.

        The same `seed` leads to the same plan, unless the time ends the search; `nodes` are its steps at most, `target` the
        elements that are good enough. It runs without the GIL. Ctrl-C ends it, and so does `cancelled`, which is asked now and
        then, when it says True: then the best plan so far stands.

        >>> registry = backbuf.BufferRegistry()
        >>> registry.register("k1", "solver", 100, "shared", lifetime=(0, 2))
        >>> registry.register("k2", "solver", 60, "shared", lifetime=(1, 3))
        >>> registry.register("k3", "solver", 90, "shared", lifetime=(2, 4))
        >>> before = registry.shared_buffer_size("solver")
        >>> plan = registry.plan("solver")
        >>> before, plan.shared.height, plan.shared.gap, registry.shared_buffer_size("solver")
        (250, 160, 0, 160)
        """
        return self.group(parent).plan(
            budget=budget, threads=threads, seed=seed, nodes=nodes, target=target, cancelled=cancelled
        )

    def overlaps(self, parent: object) -> list[Overlap]:
        """Buffers that overlap in both space and time: aliases that do not take turns. What has no lifetime is always alive."""
        return self.group(parent).overlaps()

    # --- on a device ---

    def check(
        self,
        parent: object,
        arch: str | int | Limits,
        threads_per_block: int,
        *,
        shared_per: Literal["block", "thread"] | None = None,
        registers_per_thread: int | None = None,
        static_shared_bytes: int = 0,
    ) -> Fit:
        """What a launch takes of a device, `"sm_90"` or limits of your own; one that does not fit is a LimitError, which names
        the largest buffers and what would make it fit. `shared_per` is the parent's own where it is not given.

        >>> registry = backbuf.BufferRegistry(shared_per="thread")
        >>> registry.register("k1", "solver", 48, "shared")
        >>> fit = registry.check("solver", arch="sm_90", threads_per_block=256)
        >>> fit.shared_bytes, fit.needs_opt_in, fit.bound, fit.occupancy
        (49152, False, 'shared', 0.5)
        """
        return self.group(parent).check(
            arch,
            threads_per_block,
            shared_per=shared_per,
            registers_per_thread=registers_per_thread,
            static_shared_bytes=static_shared_bytes,
        )

    def shared_bytes(self, parent: object, threads: int) -> int:
        """Shared memory of a block of so many threads."""
        return self.group(parent).shared_bytes(threads)

    def shared_stride_bytes(self, parent: object) -> int:
        """Bytes from one thread's shared region to the next one's; of a block's region, its bytes."""
        return self.group(parent).shared_stride_bytes()

    def fits(self, parent: object, arch: str | int, threads: int) -> bool:
        """Whether the shared memory of a block fits a device: `"sm_90"`, `"9.0"` or 90."""
        return self.group(parent).fits(arch, threads)

    def needs_opt_in(self, parent: object, threads: int) -> bool:
        """Whether the kernel must opt in to the shared memory of a block: beyond 48 KiB."""
        return self.group(parent).needs_opt_in(threads)

    def banks(self, parent: object) -> Banks:
        """How the threads of a warp meet the banks of shared memory."""
        return self.group(parent).banks()

    # --- as text ---

    def table(self, parent: object) -> str:
        """The layout as an aligned table.

        >>> registry = backbuf.BufferRegistry()
        >>> registry.register("k1", "solver", 3, "shared")
        >>> print(registry.table("solver").splitlines()[1])
        k1    shared       0       3  f32      12  own
        """
        return self.group(parent).table()

    def svg(self, parent: object) -> str:
        """A picture of the layout: regions, buffers, aliases and gaps to scale; with lifetimes, memory over time."""
        return self.group(parent).svg()

    def png(self, parent: object, *, dark: bool = False, scale: float = 2.0) -> bytes:
        """The same picture as PNG, drawn by Matplotlib; `scale` 1 is 960 pixels wide."""
        return self.group(parent).png(dark=dark, scale=scale)

    def to_json(self, parent: object) -> str:
        """The parent, and every child that it rolls up: the same text for the same registrations, in every process."""
        return self.group(parent).to_json()

    @staticmethod
    def diff(before: str, after: str) -> list[str]:
        """What moved, changed, came and went between two texts of `to_json`: a line a change.

        >>> registry = backbuf.BufferRegistry()
        >>> registry.register("k1", "solver", 3, "shared")
        >>> before = registry.to_json("solver")
        >>> registry.update_buffer("k1", "solver", size=4)
        (True, True)
        >>> registry.diff(before, registry.to_json("solver"))[0]
        'k1: shared 0..3 f32 -> shared 0..4 f32'
        """
        old, new = before.encode(), after.encode()
        return text_of(lambda *room: lib.bb_layout_diff(old, len(old), new, len(new), *room)).splitlines()

    def emit_cuda_header(self, parent: object, namespace: str) -> str:
        """The layout as CUDA C++ for a kernel to include: offsets and lengths as `constexpr`, assertions that hold it together,
        an accessor a buffer. It includes nothing."""
        return self.group(parent).emit_cuda_header(namespace)

    def __repr__(self) -> str:
        return f"<BufferRegistry{f' {self._label!r}' if self._label else ''}>"


buffer_registry = BufferRegistry(label="backbuf.buffer_registry")
"""A registry that is there: an owner clears and registers in its `__init__`, then asks by `self`."""
