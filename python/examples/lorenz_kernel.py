"""The kernel of the Lorenz example for Numba, on a GPU or in its simulator.

The method is that of examples/lorenz/lorenz.cu: Dormand-Prince with adaptive steps, one trajectory per thread. Buffers of
later stages reuse the memory of buffers that earlier stages no longer need.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Numba's simulator needs `cuda` as a global.
from numba import cuda, float64

import backbuf


@cuda.jit(device=True)
def rate(y: Any, k: Any) -> None:
    k[0] = 10.0 * (y[1] - y[0])
    k[1] = y[0] * (28.0 - y[2]) - y[1]
    k[2] = y[0] * y[1] - 8.0 / 3.0 * y[2]


# Numba's CUDA target lacks min and max of two numbers.
@cuda.jit(device=True)
def smaller(a: float, b: float) -> float:
    return a if a < b else b  # noqa: FURB136


@cuda.jit(device=True)
def larger(a: float, b: float) -> float:
    return a if a > b else b  # noqa: FURB136


def kernel(registry: backbuf.BufferRegistry, parent: object) -> Any:
    """The kernel `solve(start, end, steps_of_block, until, tolerance)` with the scratch memory of a registry's layout."""
    buffer = {name: registry.get_allocator(name, parent) for name in registry.group(parent).entries}
    steps_of, state_of, time_of, scale_of = (buffer[name] for name in ("steps", "state", "time", "scale"))
    k1_of, k2_of, k3_of, k4_of = (buffer[name] for name in ("k1", "k2", "k3", "k4"))
    k5_of, k6_of, k7_of = (buffer[name] for name in ("k5", "k6", "k7"))
    stage_of, next_of, error_of = (buffer[name] for name in ("stage", "next", "error"))
    info = registry.info(parent)
    assert info.shared_bytes is not None
    assert info.shared_stride_bytes is not None
    assert info.persistent_bytes is not None
    region, stride = info.shared_bytes, info.shared_stride_bytes
    # Arrays of doubles, which are aligned for every precision of the layout.
    persistent_doubles = -(-info.persistent_bytes // 8)

    @cuda.jit
    def solve(start: Any, end: Any, steps_of_block: Any, until: Any, tolerance: Any) -> None:
        memory = cuda.shared.array(0, float64).view(np.uint8)
        first = cuda.threadIdx.x * stride
        shared = memory[first : first + region]
        persistent = cuda.local.array(persistent_doubles, float64).view(np.uint8)

        y, time, steps = state_of(shared, persistent), time_of(shared, persistent), steps_of(shared, persistent)
        k1, k2, k3 = k1_of(shared, persistent), k2_of(shared, persistent), k3_of(shared, persistent)
        k4, k5, k6 = k4_of(shared, persistent), k5_of(shared, persistent), k6_of(shared, persistent)
        k7, stage, following = k7_of(shared, persistent), stage_of(shared, persistent), next_of(shared, persistent)
        error, scale = error_of(shared, persistent), scale_of(shared, persistent)

        trajectory = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        for i in range(3):
            y[i] = start[trajectory, i]
        time[0] = 0.0
        steps[0] = 0
        rate(y, k1)
        h = 1e-3
        while time[0] < until:
            h = smaller(h, until - time[0])
            for i in range(3):
                stage[i] = y[i] + h * (1 / 5 * k1[i])
            rate(stage, k2)
            for i in range(3):
                stage[i] = y[i] + h * (3 / 40 * k1[i] + 9 / 40 * k2[i])
            rate(stage, k3)
            for i in range(3):
                stage[i] = y[i] + h * (44 / 45 * k1[i] - 56 / 15 * k2[i] + 32 / 9 * k3[i])
            rate(stage, k4)
            for i in range(3):
                stage[i] = y[i] + h * (19372 / 6561 * k1[i] - 25360 / 2187 * k2[i] + 64448 / 6561 * k3[i] - 212 / 729 * k4[i])
            rate(stage, k5)
            for i in range(3):
                stage[i] = y[i] + h * (
                    9017 / 3168 * k1[i] - 355 / 33 * k2[i] + 46732 / 5247 * k3[i] + 49 / 176 * k4[i] - 5103 / 18656 * k5[i]
                )
            rate(stage, k6)
            # k7 and next reuse the memory of k2 and stage from here on.
            for i in range(3):
                following[i] = y[i] + h * (
                    35 / 384 * k1[i] + 500 / 1113 * k3[i] + 125 / 192 * k4[i] - 2187 / 6784 * k5[i] + 11 / 84 * k6[i]
                )
            rate(following, k7)
            worst = 0.0
            for i in range(3):
                error[i] = h * (
                    71 / 57600 * k1[i]
                    - 71 / 16695 * k3[i]
                    + 71 / 1920 * k4[i]
                    - 17253 / 339200 * k5[i]
                    + 22 / 525 * k6[i]
                    - 1 / 40 * k7[i]
                )
                scale[i] = tolerance * (1.0 + larger(abs(y[i]), abs(following[i])))
                worst = larger(worst, abs(error[i]) / scale[i])
            if worst <= 1.0:
                time[0] += h
                steps[0] += 1
                for i in range(3):
                    y[i] = following[i]
                    k1[i] = k7[i]
            h *= smaller(5.0, larger(0.2, 0.9 * larger(worst, 1e-6) ** -0.2))
        for i in range(3):
            end[trajectory, i] = y[i]

        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            total = 0
            for thread in range(cuda.blockDim.x):
                total += steps_of(memory[thread * stride : thread * stride + region], persistent)[0]
            steps_of_block[cuda.blockIdx.x] = total

    return solve


def run(
    registry: backbuf.BufferRegistry, parent: object, start: Any, blocks: int, threads: int, until: float
) -> tuple[Any, Any]:
    """Runs the kernel; returns the ends of the trajectories and the steps of each block."""
    end, steps = cuda.to_device(np.zeros_like(start)), cuda.to_device(np.zeros(blocks, "i4"))
    whole_doubles = -(-registry.shared_bytes(parent, threads) // 8) * 8
    solve = kernel(registry, parent)
    solve[blocks, threads, 0, whole_doubles](cuda.to_device(start), end, steps, until, 1e-6)
    return end.copy_to_host(), steps.copy_to_host()
