"""Registry of the buffers that CUDA kernels request, and their layouts."""

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
from ._native import NativeRegistry, text_of
from ._plan import Plan
from ._queries import Banks, LayoutInfo, Overlap


class BufferRegistry(Unique):
    """Named buffers of CUDA kernels: the requests of each owner, the *parent*, and their places in shared memory, in the
    thread's persistent array, or in local arrays.

    Sizes and offsets are elements; names with `bytes` count bytes. A parent is any object. It is identified by identity and
    referred to weakly: its buffers are removed when it is garbage-collected. Objects without weak references are kept as
    long as the registry; strings, numbers and tuples are identified by value. Any thread may call any method.

    Args:
        layout: "typed" computes offsets in bytes, aligned by precision, so that a region may mix precisions.
        shared_per: "block": one shared region for a block; "thread": one for each thread.
        bank_skew: Whether the stride between threads is an odd number of words, in typed layouts of 4-byte elements that
            belong to a thread.
        protect_persistent: Whether an alias must not overlap a persistent buffer, nor a child's region that holds one.
        label: Name in messages.

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
        self._native, self._label = NativeRegistry(layout, shared_per, bank_skew, protect_persistent, label), label

    def group(self, parent: object) -> BufferGroup:
        """The buffers of this parent, with the same methods without the parent."""
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
        """Appends a buffer to the parent's order.

        Args:
            name: Name of the buffer, unique for the parent.
            parent: The owner.
            size: Number of elements.
            location: "shared" or "local".
            persistent: Whether a local buffer is part of the thread's persistent array.
            aliases: Name of an earlier buffer whose memory this one should share.
            precision: "f16", "f32", "f64", "i32", "i64", or such a dtype of NumPy.
            lifetime: The steps in which the buffer is alive, begin included and end excluded; None means always.

        Raises:
            ArgumentError: The name is taken (use `replace`), or the alias is invalid.
        """
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
        """Replaces a registered buffer, at its place in the order; arguments are those of `register`.

        Raises:
            NotRegisteredError: There is no such parent or buffer.
        """
        self.group(parent).replace(name, size, location, persistent, aliases, precision, lifetime)

    def update_buffer(self, name: str, parent: object, **changes: Any) -> tuple[bool, bool]:
        """Changes some of size, location, persistent, aliases, precision and lifetime.

        Returns:
            Whether the buffer exists, and whether anything has changed.

        >>> registry = backbuf.BufferRegistry()
        >>> registry.register("k1", "solver", 100, "shared")
        >>> registry.update_buffer("k1", "solver", size=50), registry.update_buffer("k2", "solver", size=50)
        ((True, True), (False, False))
        """
        return self.group(parent).update_buffer(name, **changes)

    def register_child(self, name: str, parent: object, child: object, aliases: str | None = None) -> None:
        """Appends a child's regions to the parent's order, as `<name>.shared` and `<name>.persistent`.

        They follow the child: its changes move the buffers after them. The child is a parent itself and may have no buffers
        yet. The parent's options apply to the whole region, the child's options to its own launches.

        Args:
            name: Prefix of the two regions.
            parent: The owner of the whole region.
            child: The owner of the buffers inside.
            aliases: Name of an earlier buffer whose memory the child's shared region should share; the persistent region is
                never an alias.

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
        """Changes the layout options of a parent with buffers; omitted options stay. See `BufferRegistry`."""
        self.group(parent).set_options(
            layout=layout, shared_per=shared_per, bank_skew=bank_skew, protect_persistent=protect_persistent
        )

    def from_json(self, parent: object, text: str) -> None:
        """Registers the first group of a `to_json` document for a parent without buffers.

        Raises:
            ArgumentError: The document is malformed; the message has line and column, and nothing is registered.
        """
        self.group(parent).from_json(text)

    def clear_layout(self, parent: object) -> None:
        """Drops the parent's layout and plan; the next query computes the layout again."""
        self.group(parent).clear_layout()

    def clear_parent(self, parent: object) -> None:
        """Removes all buffers of a parent. As a child it is empty until it registers buffers again."""
        self.group(parent).clear()

    # --- where it lies ---

    def shared_buffer_size(self, parent: object) -> int:
        """Elements of the shared region; 0 for a parent without buffers."""
        return self.group(parent).shared_buffer_size()

    def local_buffer_size(self, parent: object) -> int:
        """Elements of all local arrays together."""
        return self.group(parent).local_buffer_size()

    def persistent_local_buffer_size(self, parent: object) -> int:
        """Elements of the persistent region."""
        return self.group(parent).persistent_local_buffer_size()

    def placement(self, name: str, parent: object) -> Placement:
        """The place of a buffer.

        Raises:
            NotRegisteredError: There is no such parent or buffer.
        """
        return self.group(parent).placement(name)

    def get_allocator(self, name: str, parent: object, *, zero: bool = False) -> Allocator:
        """A Numba CUDA device function `(shared, persistent) -> array` through which a kernel gets a buffer, by the current
        layout.

        The two regions are arrays of their elements, or of uint8 in a typed layout with mixed precisions.

        Args:
            name: Name of the buffer.
            parent: The owner.
            zero: Whether the array is filled with zeros.

        Raises:
            NotRegisteredError: There is no such parent or buffer.
        """
        return self.group(parent).get_allocator(name, zero=zero)

    def info(self, parent: object) -> LayoutInfo:
        """Sizes and options of the parent's layout."""
        return self.group(parent).info()

    def version(self, parent: object) -> int:
        """A number that changes with each change of the parent or its children and never repeats; 0 for a parent without
        buffers.
        """
        return self.group(parent).version()

    def layout_hash(self, parent: object) -> int:
        """A number that is equal for equal layouts, children included, in every process.

        Generated headers contain it, so that a kernel that was compiled for another layout can be detected.
        """
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
        """Places buffers with lifetimes in as little memory as possible: buffers that are never alive together may share
        memory.

        The plan stays valid until the parent or one of its children changes, or until `clear_layout`. The search runs
        without the GIL; Ctrl-C ends it.

        Args:
            parent: The owner.
            budget: Seconds to search; None searches to the end, 0 returns a quick plan.
            threads: Number of search threads.
            seed: The same seed gives the same plan, unless the time limit ends the search.
            nodes: Maximum number of search steps.
            target: A size in elements that is good enough.
            cancelled: Called repeatedly; when it returns True, the best plan so far is used.

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
        """Buffers that overlap in both space and time: aliases whose lifetimes intersect. Buffers without a lifetime are
        always alive.
        """
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
        """The resources of a kernel launch on a device.

        Args:
            parent: The owner.
            arch: A compute capability such as `"sm_90"`, or `Limits`.
            threads_per_block: Number of threads.
            shared_per: "block" or "thread"; by default the parent's option.
            registers_per_thread: Registers of the compiled kernel, if known.
            static_shared_bytes: Static shared memory of the kernel.

        Raises:
            LimitError: The launch does not fit; the message names the largest buffers and a launch that fits.

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
        """Shared memory of a block with this many threads, in bytes."""
        return self.group(parent).shared_bytes(threads)

    def shared_stride_bytes(self, parent: object) -> int:
        """Bytes between the shared regions of two threads; if the region belongs to the block, its size."""
        return self.group(parent).shared_stride_bytes()

    def fits(self, parent: object, arch: str | int, threads: int) -> bool:
        """Whether the shared memory of a block fits a device: `"sm_90"`, `"9.0"` or 90."""
        return self.group(parent).fits(arch, threads)

    def needs_opt_in(self, parent: object, threads: int) -> bool:
        """Whether the kernel must opt in to the shared memory of a block, which exceeds 48 KiB."""
        return self.group(parent).needs_opt_in(threads)

    def banks(self, parent: object) -> Banks:
        """Shared-memory bank conflicts of a warp."""
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
        """The same picture as PNG, drawn by Matplotlib. At scale 1 it is 960 pixels wide."""
        return self.group(parent).png(dark=dark, scale=scale)

    def to_json(self, parent: object) -> str:
        """The parent and all of its children as JSON. Equal registrations give equal texts, in every process."""
        return self.group(parent).to_json()

    @staticmethod
    def diff(before: str, after: str) -> list[str]:
        """The differences between two texts of `to_json`, one line for each change.

        >>> registry = backbuf.BufferRegistry()
        >>> registry.register("k1", "solver", 3, "shared")
        >>> before = registry.to_json("solver")
        >>> registry.update_buffer("k1", "solver", size=4)
        (True, True)
        >>> registry.diff(before, registry.to_json("solver"))[0]
        'k1: shared 0..3 f32 -> shared 0..4 f32'
        """
        for name, value in (("before", before), ("after", after)):
            if not isinstance(value, str):
                raise TypeError(f"{name} is a {type(value).__name__}: give a text of to_json")
        old, new = before.encode(), after.encode()
        return text_of(lambda *room: lib.bb_layout_diff(old, len(old), new, len(new), *room)).splitlines()

    def emit_cuda_header(self, parent: object, namespace: str) -> str:
        """The layout as a CUDA C++ header for kernels: `constexpr` offsets and lengths, consistency assertions, and an accessor
        for each buffer. It includes no other header.
        """
        return self.group(parent).emit_cuda_header(namespace)

    def __repr__(self) -> str:
        return f"<BufferRegistry{f' {self._label!r}' if self._label else ''}>"


buffer_registry = BufferRegistry(label="backbuf.buffer_registry")
"""A ready-made registry. An owner clears and registers its buffers in `__init__`, then queries them by `self`."""
