"""Bench row registry.plan.total: the planner's instances, each until its plan is within the capacity, against omnimalloc."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import backbuf

INSTANCES = Path(__file__).resolve().parent.parent.parent / "tests" / "data" / "minimalloc"
CAPACITY = 1 << 20
"""Of all instances, in bytes."""
LIMIT = 60.0
"""Seconds that an instance may take."""
PEER_LIMIT = 5.0
"""The same for omnimalloc, which has no height to stop at: it searches for the optimum until then."""

Instance = list[tuple[int, int, int]]
"""First step, step after the last, and bytes of each item."""


def instances() -> list[Instance]:
    """All instances, in the order of their names."""
    files = sorted(INSTANCES.glob("*.csv"))
    return [
        [(int(row["lower"]), int(row["upper"]), int(row["size"])) for row in csv.DictReader(file.read_text().splitlines())]
        for file in files
    ]


def ours(instance: Instance) -> int:
    """The height of this library's plan."""
    lower, upper, size = zip(*instance, strict=True)
    return backbuf.plan(lower, upper, size, budget=LIMIT, target=CAPACITY).height


def omnimalloc() -> Callable[[Instance], int]:
    """The strongest allocator of omnimalloc on one thread, as the row's other planner."""
    om = importlib.import_module("omnimalloc")
    allocator = importlib.import_module("omnimalloc.allocators").SupermallocAllocator(timeout=PEER_LIMIT, num_threads=1)

    def height(instance: Instance) -> int:
        items = enumerate(instance)
        pool = om.Pool(id="pool", allocations=tuple(om.Allocation(id=i, size=s, start=a, end=b) for i, (a, b, s) in items))
        return int(om.allocate(pool, allocator=allocator).size)

    return height


def measure(_row: str, _seconds: float) -> dict[str, object]:
    """Seconds for all instances together; a planner that is not within the capacity of one is named as missing."""
    planners = {"ours": ours}
    missing = []
    if importlib.util.find_spec("omnimalloc"):
        planners["omnimalloc"] = omnimalloc()
    else:
        missing.append("omnimalloc (pip install omnimalloc)")
    seconds = {}
    for name, height in planners.items():
        start = time.perf_counter()
        late = [height(instance) > CAPACITY for instance in instances()]
        seconds[name] = time.perf_counter() - start
        if any(late):
            missing.append(f"{name} in full: {sum(late)} of its {len(late)} plans are above the capacity at its time limit")
    return {"ours": seconds.pop("ours"), "peers": seconds, "spread": 0.0, "missing": missing}
