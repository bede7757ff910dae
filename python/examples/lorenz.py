#!/usr/bin/env python3
"""Scratch memory of a CUDA kernel: a Runge-Kutta solver of the Lorenz system in Numba, one trajectory per thread.

Loads the layout that the build of the C++ example uses (examples/lorenz/lorenz.json), draws it, runs the kernel on a GPU, or
in Numba's simulator if there is none, and compares the trajectories with a reference solution.
"""

from __future__ import annotations

import argparse
import ctypes
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

import backbuf

LAYOUT = Path(__file__).resolve().parents[2] / "examples" / "lorenz" / "lorenz.json"
TOLERANCE = 1e-3


def has_gpu() -> bool:
    """Whether the CUDA driver has a device; Numba must not be imported before this is known."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int()
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def reference(start: npt.NDArray[np.float64], until: float) -> npt.NDArray[np.float64]:
    """The classical Runge-Kutta method in double precision, with steps so small that halving them does not change the
    result.
    """

    def rate(y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.stack([10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]])

    y, steps = start.T.copy(), 4000
    h = until / steps
    for _ in range(steps):
        k1 = rate(y)
        k2 = rate(y + h / 2 * k1)
        k3 = rate(y + h / 2 * k2)
        k4 = rate(y + h * k3)
        y += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y.T


def positive(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1024:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to 1024")
    return number


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=positive, default=2, help="number of blocks (default: 2)")
    parser.add_argument("--threads", type=positive, default=16, help="threads per block (default: 16)")
    parser.add_argument("--simulator", action="store_true", help="use Numba's simulator even if there is a GPU")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("target/lorenz"),
        metavar="FOLDER",
        help="folder of pictures (default: target/lorenz)",
    )
    options = parser.parse_args()

    registry = backbuf.BufferRegistry()
    registry.from_json("lorenz", LAYOUT.read_text(encoding="utf-8"))
    print(registry.table("lorenz"))
    fit = registry.check("lorenz", arch="sm_90", threads_per_block=options.threads)
    print(f"sm_90: {fit.shared_bytes} bytes a block of {options.threads} threads, {fit.blocks_per_sm} blocks at once")
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "lorenz.svg").write_text(registry.svg("lorenz"), encoding="utf-8")
    (options.output / "lorenz.png").write_bytes(registry.png("lorenz"))
    print(f"written to {options.output}: lorenz.svg, lorenz.png")

    on_gpu = has_gpu() and not options.simulator
    if not on_gpu:
        os.environ["NUMBA_ENABLE_CUDASIM"] = "1"
    # Imports Numba, which reads the environment.
    import lorenz_kernel

    until, count = 1.0, options.blocks * options.threads
    start = np.array([[1 + 0.1 * i, 1, 20] for i in range(count)], "f4")
    end, steps = lorenz_kernel.run(registry, "lorenz", start, options.blocks, options.threads, until)
    expected = reference(start.astype("f8"), until)
    worst = float((abs(end - expected) / (1 + abs(expected))).max())
    print(
        f"{count} trajectories to t = {until:g} {'on the GPU' if on_gpu else 'in the simulator'}: "
        f"{', '.join(map(str, steps))} steps a block, worst relative deviation {worst:.1e}"
    )
    return 0 if worst < TOLERANCE and (steps > 0).all() else 1


if __name__ == "__main__":
    raise SystemExit(main())
