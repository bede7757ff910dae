#!/usr/bin/env python3
"""Draws a turning galaxy from an OpenGL manager with ModernGL, without a window.

An engine thread moves the stars of one ring after the other, and publishes every step. The renderer draws the newest front,
counting the stars in each pixel, and compares each picture with the state of the same epoch. It reads only what has changed.
The last picture is saved; the exit status is 1 if a picture is wrong. Needs ModernGL and Pillow.
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

import moderngl
import numpy as np
from PIL import Image

import backbuf

RINGS = 8
SIZE = 512  # pixels; a power of two, so that the shader and NumPy round positions alike

VERTEX = f"""#version 330
in vec2 position;  // 0 to 1
void main() {{
    vec2 pixel_center = (floor(position * {SIZE}.0) + 0.5) / {SIZE}.0;
    gl_Position = vec4(2.0 * pixel_center - 1.0, 0.0, 1.0);
}}"""

FRAGMENT = """#version 330
out float stars;
void main() { stars = 1.0; }"""


class Galaxy(threading.Thread):
    """The engine: two arms of stars, the inner ones faster. Its thread does not use OpenGL."""

    def __init__(self, state: backbuf.GLBufferManager) -> None:
        super().__init__()
        self.state = state
        rng, stars = np.random.default_rng(7), state.shape[0]
        self.radius = 0.02 + 0.4 * np.sort(rng.random(stars)) ** 0.7
        arm = np.pi * rng.integers(0, 2, stars)
        self.angle = arm + 2.2 * np.log(self.radius) + rng.normal(0, 0.25, stars)
        self.scatter = rng.normal(0, 0.012, (2, stars))

    def positions(self, step: int, stars: slice) -> np.ndarray:
        radius = self.radius[stars]
        angle = self.angle[stars] + step * 0.002 / radius
        x, y = radius * np.cos(angle), 0.8 * radius * np.sin(angle)
        return (0.5 + np.stack([x, y]) + self.scatter[:, stars]).T

    def run(self) -> None:
        step, stars = 0, len(self.radius)
        try:
            with self.state.back(discard=True) as position:
                position[:] = self.positions(0, slice(stars))
            while True:
                step += 1
                ring = step % RINGS
                moved = slice(ring * stars // RINGS, (ring + 1) * stars // RINGS)
                with self.state.batch() as batch:
                    batch[moved] = self.positions(step, moved)
                    batch.tag(step)
                self.state.synchronize()
        except backbuf.ClosedError:
            pass  # the renderer has closed the manager


class Renderer:
    """Counts the stars in each pixel."""

    def __init__(self, context: moderngl.Context, state: backbuf.GLBufferManager) -> None:
        self.context, self.state = context, state
        self.program = context.program(vertex_shader=VERTEX, fragment_shader=FRAGMENT)
        self.target = context.framebuffer([context.texture((SIZE, SIZE), 1, dtype="f4")])
        self.arrays: dict[int, moderngl.VertexArray] = {}
        context.enable(moderngl.BLEND)
        context.blend_func = moderngl.ONE, moderngl.ONE

    def draw(self, front: backbuf.GLFront) -> None:
        if front.slot not in self.arrays:  # a slot keeps its buffer as long as the manager exists
            buffer = self.context.external_buffer(front.buffer, front.nbytes)
            self.arrays[front.slot] = self.context.vertex_array(self.program, [(buffer, "2f", "position")])
        self.target.use()
        self.target.clear()
        self.arrays[front.slot].render(moderngl.POINTS, vertices=self.state.shape[0])

    def picture(self) -> np.ndarray:
        return np.frombuffer(self.target.read(components=1, dtype="f4"), "f4").reshape(SIZE, SIZE)


def expected(positions: np.ndarray) -> np.ndarray:
    """The number of stars in each pixel, computed by NumPy."""
    column, row = np.floor(positions * np.float32(SIZE)).astype(int).T
    seen = (column >= 0) & (column < SIZE) & (row >= 0) & (row < SIZE)
    return np.bincount(row[seen] * SIZE + column[seen], minlength=SIZE * SIZE).reshape(SIZE, SIZE)


class Expected:
    """The number of stars in each pixel, by NumPy: only stars that may have moved are counted again."""

    def __init__(self, front: backbuf.Front) -> None:
        self.positions, self.epoch = front.array.copy(), front.epoch
        self.stars = expected(self.positions)

    def update(self, front: backbuf.Front) -> np.ndarray:
        for part in front.changed_since(self.epoch):
            moved = slice(part.start // 2, -(-part.stop // 2))
            self.stars += expected(front.array[moved]) - expected(self.positions[moved])
            self.positions[moved] = front.array[moved]
        self.epoch = front.epoch
        return self.stars


def save(stars: np.ndarray, path: Path) -> None:
    light = 1 - np.exp(-stars[::-1, :, None] / 4)
    Image.fromarray((255 * light ** np.array([1.3, 0.9, 0.6])).astype("u1")).save(path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--frames", type=int, default=100, help="number of pictures to draw and compare (default: %(default)s)")
    add("--stars", type=int, default=100_000, help="number of stars (default: %(default)s)")
    add("--output", type=Path, default=Path("target/gl_points.png"), help="file for the last picture (default: %(default)s)")
    given = parser.parse_args()
    for name in ("frames", "stars"):
        if not 0 < getattr(given, name) <= 10_000_000:
            parser.error(f"--{name} {getattr(given, name)}: must be 1 to 10000000")
    return given


def main() -> int:
    given = arguments()
    context = moderngl.create_context(require=330, standalone=True, backend="egl")
    device = backbuf.Device.shared(label="galaxy")  # with the context that is current
    wrong, epochs = 0, []
    with backbuf.GLBufferManager((given.stars, 2), "f4", device, label="stars") as state:
        renderer, galaxy, wanted = Renderer(context, state), Galaxy(state), Expected(state.front())
        galaxy.start()
        while len(epochs) < given.frames:
            state.wait_epoch(epochs[-1] if epochs else 0)
            with state.front_gl() as front, state.front() as in_host_memory:
                renderer.draw(front)
                if front.epoch != in_host_memory.epoch:
                    continue  # an epoch was published between the two calls: these two cannot be compared
                wrong += not np.array_equal(renderer.picture(), wanted.update(in_host_memory))
                epochs.append(front.epoch)
        save(renderer.picture(), given.output)
        state.close()
        galaxy.join()
    print(f"{device.info().name}: {len(epochs)} pictures of epochs {epochs[0]} to {epochs[-1]}, {wrong} of them wrong")
    print(f"written: {given.output}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
