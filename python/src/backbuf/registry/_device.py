"""Limits of CUDA devices, and the resources of a kernel launch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from backbuf import _errors
from backbuf._arguments import c_text, unsigned, whole_number
from backbuf._html import HtmlFields
from backbuf._library import ffi, lib

from ._native import SHARED_PER, choice

_BOUNDS = {
    lib.BB_BOUND_SHARED: "shared",
    lib.BB_BOUND_REGISTERS: "registers",
    lib.BB_BOUND_THREADS: "threads",
    lib.BB_BOUND_BLOCKS: "blocks",
}


def compute_capability(arch: str | int) -> int:
    """Ten times the compute capability of `"sm_90"`, `"9.0"` or 90."""
    cc = ffi.new("uint32_t *")
    name = arch if isinstance(arch, str) else str(whole_number(arch, "arch"))
    _errors.check(lib.bb_arch_parse(c_text(name, "arch"), cc))
    return int(cc[0])


@dataclass(frozen=True)
class Limits(HtmlFields):
    """Limits of a device. Use `dataclasses.replace` for a device that differs.

    >>> backbuf.Limits.of("sm_90").shared_block_bytes
    232448
    """

    threads_per_block: int
    threads_per_sm: int
    blocks_per_sm: int
    registers_per_sm: int
    registers_per_thread: int
    register_granule: int
    """Registers are allocated to a warp in multiples of this."""
    shared_static_bytes: int
    """Shared memory of a block without opt-in."""
    shared_block_bytes: int
    """Shared memory of a block with opt-in."""
    shared_sm_bytes: int
    shared_reserved_bytes: int
    """Shared memory of each block that the system reserves."""
    shared_granule_bytes: int
    """Shared memory is allocated in multiples of this."""

    @classmethod
    def of(cls, arch: str | int) -> Limits:
        """The limits of a compute capability from 7.0 to 12.1, such as `"sm_90"`, `"9.0"` or 90."""
        struct = ffi.new("bb_limits *")
        _errors.check(lib.bb_limits_init(compute_capability(arch), struct))
        return cls(**{field.name: getattr(struct, field.name) for field in fields(cls)})


def limits_struct(arch: str | int | Limits) -> Any:
    """Converts into a `bb_limits`."""
    limits = arch if isinstance(arch, Limits) else Limits.of(arch)
    struct = ffi.new("bb_limits *", {"struct_size": ffi.sizeof("bb_limits")})
    for field in fields(limits):
        bits = 8 * ffi.sizeof(ffi.typeof(f"{_TYPES[field.name]} *").item)
        setattr(struct, field.name, unsigned(getattr(limits, field.name), field.name, bits))
    return struct


_TYPES = {name: field.type.cname for name, field in ffi.typeof("bb_limits").fields}


def launch_struct(threads: int, shared_per: str | None, registers_per_thread: int | None, static_shared_bytes: int) -> Any:
    """Converts into a `bb_launch`."""
    struct = ffi.new("bb_launch *")
    _errors.check(lib.bb_launch_init(unsigned(threads, "threads_per_block", 32), struct))
    if shared_per is not None:
        struct.shared_per = choice(SHARED_PER, shared_per, "shared_per")
    if registers_per_thread is not None:
        struct.registers_per_thread = unsigned(registers_per_thread, "registers_per_thread", 32)
    struct.static_shared_bytes = unsigned(static_shared_bytes, "static_shared_bytes")
    return struct


@dataclass(frozen=True)
class Fit(HtmlFields):
    """Resources of a launch that fits a device."""

    needs_opt_in: bool
    """Whether the kernel must opt in to this much shared memory (`cudaFuncAttributeMaxDynamicSharedMemorySize`)."""
    shared_bytes: int
    """Dynamic shared memory of a block."""
    shared_stride_bytes: int
    """Bytes between the regions of two threads; if the region belongs to the block, its size."""
    blocks_per_sm: int
    """Blocks that run on a multiprocessor at once."""
    warps_per_sm: int
    max_warps_per_sm: int
    bound: str
    """The resource that limits the number of blocks: "shared", "registers", "threads" or "blocks"."""

    @property
    def occupancy(self) -> float:
        """Running warps as a share of the device's maximum."""
        return self.warps_per_sm / self.max_warps_per_sm


def fit_of(struct: Any) -> Fit:
    """Converts a `bb_fit`."""
    found = {field.name: getattr(struct, field.name) for field in fields(Fit)}
    return Fit(**found | {"needs_opt_in": bool(struct.needs_opt_in), "bound": _BOUNDS[struct.bound]})
