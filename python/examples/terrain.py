#!/usr/bin/env python3
"""Streams a real landscape to a device in tiles, shades it there, and reads the result back.

The elevations of the Jacksboro fault are uploaded through two alternating staging buffers, so that one can always be
written. The slopes are shaded by the light of a low sun: on OpenGL by a compute shader, on host memory by a function. The
result is read through a ring of readback buffers, compared with NumPy's own, and drawn; the exit status is 1 if they differ.
On WebGPU `examples/terrain.rs` does the same, since compute passes need the Rust API there. Needs matplotlib and Pillow;
OpenGL 4.3 and ModernGL for `--device gl`, a clone of the repository and cargo for `--device wgpu`.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.cbook import get_sample_data
from PIL import Image
from tqdm import tqdm

from backbuf import BufferUsage, DeferredStagingBuffer, Device, DeviceBuffer, Encoder, ReadbackBuffer

Grid = npt.NDArray[np.float32]
CELL = 30.0  # metres between two elevations, about
SUN = np.array([-1.0, 1.0, 0.8], "f4") / np.float32(np.sqrt(2.64))  # from the north-west, low
ROWS = 16  # of a tile
TOLERANCE = 1e-5

SHADER = """#version 430
layout(local_size_x = 64) in;
layout(std430, binding = 0) readonly buffer Ground { float ground[]; };
layout(std430, binding = 1) writeonly buffer Shade { float shade[]; };
uniform int rows, columns;
uniform float cell;
uniform vec3 sun;
float at(int row, int column) {
    return ground[clamp(row, 0, rows - 1) * columns + clamp(column, 0, columns - 1)];
}
void main() {
    int index = int(gl_GlobalInvocationID.x);
    if (index >= rows * columns) return;
    int row = index / columns, column = index % columns;
    float east = (at(row, column + 1) - at(row, column - 1)) / (2.0 * cell);
    float north = (at(row - 1, column) - at(row + 1, column)) / (2.0 * cell);
    shade[index] = max(dot(normalize(vec3(-east, -north, 1.0)), sun), 0.0);
}"""


def shaded(ground: Grid) -> Grid:
    """The shader's computation in NumPy."""
    padded = np.pad(ground, 1, mode="edge")
    east = (padded[1:-1, 2:] - padded[1:-1, :-2]) / np.float32(2 * CELL)
    north = (padded[:-2, 1:-1] - padded[2:, 1:-1]) / np.float32(2 * CELL)
    normal = np.stack([-east, -north, np.ones_like(east)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return np.maximum(normal @ SUN, 0).astype("f4")


def landscape() -> Grid:
    with np.load(get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)) as dem:
        return np.ascontiguousarray(dem["elevation"], "f4")


def upload(device: Device, ground: Grid, target: DeviceBuffer) -> int:
    """Uploads in tiles through two alternating staging buffers; returns the fence of the last submit."""
    tile = ROWS * ground.shape[1] * ground.itemsize
    stagings = [DeferredStagingBuffer(device, tile, label=f"staging {number}") for number in range(2)]
    encoder, flat, fence = Encoder(device), ground.reshape(-1).view(np.uint8), 0
    for number, start in enumerate(tqdm(range(0, flat.nbytes, tile), desc="tiles", unit="tile", disable=None)):
        part, staging = flat[start : start + tile], stagings[number % 2]
        if len(part) < tile:  # the last tile: without a staging buffer
            encoder.write(target, part, start)
        else:
            with staging.map() as array:
                array[:] = part
            staging.upload_to(encoder, target, start)
        fence = encoder.submit()
    return fence


def download(device: Device, source: DeviceBuffer, shape: tuple[int, int]) -> tuple[Grid, int]:
    """Downloads in tiles, as many at once as the ring has buffers: later copies run while earlier ones are read."""
    shade = np.empty(shape, "f4")
    tile, flat, pending = ROWS * shape[1] * 4, shade.reshape(-1).view(np.uint8), deque[tuple[int, Any]]()

    def take() -> None:
        start, reading = pending.popleft()
        with reading as array:
            flat[start : start + len(array)] = array

    with ReadbackBuffer(device, tile, frames=4, label="readback") as ring:
        for start in tqdm(range(0, flat.nbytes, tile), desc="readback", unit="tile", disable=None):
            if len(pending) == 4:
                take()
            pending.append((start, ring.read(source, start, min(tile, flat.nbytes - start))))
        while pending:
            take()
        return shade, ring.statistics().stalls


def on_host(source: DeviceBuffer, target: DeviceBuffer, shape: tuple[int, int]) -> None:
    """The shading pass on a host device, whose buffers are memory of this process."""
    size = shape[0] * shape[1] * 4
    ground, shade = ((ctypes.c_char * size).from_address(buffer.native) for buffer in (source, target))
    np.frombuffer(shade, "f4").reshape(shape)[:] = shaded(np.frombuffer(ground, "f4").reshape(shape))


def on_gl() -> tuple[Device, Callable[[DeviceBuffer, DeviceBuffer, tuple[int, int]], None]]:
    """A device that shares buffers with a context of OpenGL 4.3, and the shading pass in this context."""
    import moderngl

    context = moderngl.create_context(require=430, standalone=True, backend="egl")
    program = context.compute_shader(SHADER)

    def run(source: DeviceBuffer, target: DeviceBuffer, shape: tuple[int, int]) -> None:
        for binding, buffer in enumerate((source, target)):
            context.external_buffer(buffer.native, buffer.size).bind_to_storage_buffer(binding)
        program["rows"], program["columns"], program["cell"], program["sun"] = *shape, CELL, tuple(SUN)
        program.run((shape[0] * shape[1] + 63) // 64)
        context.finish()

    return Device.shared(label="terrain"), run


def on_wgpu(ground: Grid, adapter: str) -> tuple[str, Grid]:
    """The whole program in Rust; returns its output and the result."""
    root = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "ground.f32", Path(folder) / "shade.f32"]
        ground.tofile(files[0])
        rows, columns = map(str, ground.shape)
        program = ["cargo", "run", "--quiet", "--features", "wgpu", "--example", "terrain", "--"]
        arguments = [str(files[0]), rows, columns, str(files[1]), adapter]
        done = subprocess.run([*program, *arguments], cwd=root, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.strip(), np.fromfile(files[1], "f4").reshape(ground.shape)


def by_buffers(kind: str, ground: Grid) -> tuple[str, Grid]:
    """Uploads, shades and downloads; returns a description and the result."""
    device, compute = on_gl() if kind == "gl" else (Device.host(label="terrain"), on_host)
    usage = BufferUsage.STORAGE | BufferUsage.COPY_SRC
    source = DeviceBuffer(device, ground.nbytes, usage, label="ground")
    target = DeviceBuffer(device, ground.nbytes, usage, label="shade")
    device.wait_fence(upload(device, ground, source))
    compute(source, target, ground.shape)
    shade, stalls = download(device, target, ground.shape)
    rows, columns = ground.shape
    return f"{device.info().name}: {rows} x {columns} elevations, {stalls} stalls", shade


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--device", choices=("host", "gl", "wgpu"), default="host", help="device that shades (default: %(default)s)"
    )
    parser.add_argument("--adapter", default="", help="WebGPU adapter: vulkan, gl, or part of its name (default: the best)")
    parser.add_argument("--output", type=Path, default=Path("target/terrain.png"), help="picture file (default: %(default)s)")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    ground = landscape()
    description, shade = on_wgpu(ground, given.adapter) if given.device == "wgpu" else by_buffers(given.device, ground)
    worst = float(np.abs(shade - shaded(ground)).max())
    given.output.parent.mkdir(parents=True, exist_ok=True)
    height = (ground - ground.min()) / np.ptp(ground)
    tint = np.stack([0.35 + 0.6 * height, 0.55 + 0.35 * height, 0.3 + 0.45 * height], axis=-1)
    Image.fromarray((255 * np.clip(tint * shade[..., None] * 1.25, 0, 1)).astype("u1")).save(given.output)
    print(f"{description}, largest difference {worst:.1e}")
    print(f"written: {given.output}")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
