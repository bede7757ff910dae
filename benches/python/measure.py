"""Alternating bursts of all entries of a row, and their medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

BURST = 0.002
MIN_ROUNDS = 7

Loop = Callable[[int], float]
"""Does something a number of times, and returns the seconds that it took."""


def alternate(loops: dict[str, Loop], seconds: float, burst: float = BURST) -> dict[str, list[float]]:
    """Runs short alternating bursts, so that a disturbance of the machine affects all entries alike."""
    times = dict.fromkeys(loops, 16)

    def burst_of(name: str) -> float:
        # A delayed burst may look longer than it is, so the burst length is adjusted every time.
        while (took := loops[name](times[name])) < burst / 2:
            times[name] = int(times[name] * min(16, max(1.5, burst / max(took, 1e-9))))
        return took / times[name]

    for name in loops:
        burst_of(name)
    samples: dict[str, list[float]] = {name: [] for name in loops}
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(samples["ours"]) < MIN_ROUNDS:
        for name, times_taken in samples.items():
            times_taken.append(burst_of(name))
    return samples


def figures(samples: dict[str, list[float]], units: float = 1) -> dict[str, object]:
    """Medians in seconds per unit; the spread is that of backbuf."""
    medians = {name: statistics.median(values) / units for name, values in samples.items()}
    ours = medians.pop("ours")
    low, _, high = statistics.quantiles(samples["ours"], n=4)
    return {"ours": ours, "peers": medians, "spread": (high - low) / units / ours}
