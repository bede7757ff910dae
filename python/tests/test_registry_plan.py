"""Plans from Python: interruptible, without the GIL, cancelled, with concurrent changes."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Script

import backbuf

HARD = Path(__file__).parents[2] / "tests" / "data" / "minimalloc" / "K.1048576.csv"
CAPACITY = 1_048_576


@pytest.fixture
def registry() -> backbuf.BufferRegistry:
    """A registry whose best plan takes long to find."""
    registry = backbuf.BufferRegistry()
    with HARD.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            steps = int(row["lower"]), int(row["upper"])
            registry.register(row["id"], "solver", int(row["size"]), "shared", lifetime=steps)
    return registry


def test_a_plan_is_valid_until_a_change(registry: backbuf.BufferRegistry) -> None:
    flat = registry.shared_buffer_size("solver")
    quick = registry.plan("solver", budget=0)
    assert CAPACITY == quick.shared.lower_bound < quick.shared.height == quick.shared.heuristic_height < flat
    assert quick.shared.gap == quick.shared.height - CAPACITY
    assert (quick.shared.buffers, quick.shared.exact, quick.shared.nodes) == (454, False, 0)
    assert quick.persistent == backbuf.PlannedRegion(0, 0, 0, False, 0, 0)
    assert registry.shared_buffer_size("solver") == quick.shared.height
    assert registry.info("solver").planned
    some = registry.plan("solver", budget=None, nodes=2000, seed=3)
    assert some == registry.plan("solver", budget=None, nodes=2000, seed=3)
    assert 0 < some.shared.nodes <= 2000
    enough = registry.plan("solver", budget=None, target=quick.shared.height)
    assert enough.shared.height <= quick.shared.height
    registry.clear_layout("solver")
    assert registry.shared_buffer_size("solver") == flat


@pytest.mark.parametrize("threads", [1, 2])
def test_cancelled_searches_keep_the_best_so_far(registry: backbuf.BufferRegistry, threads: int) -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(threading.current_thread())
        return len(asked) == 3

    plan = registry.plan("solver", budget=None, threads=threads, cancelled=cancelled)
    assert asked == [threading.main_thread()] * 3
    assert registry.shared_buffer_size("solver") == plan.shared.height


def test_an_exception_of_cancelled_ends_the_search(registry: backbuf.BufferRegistry) -> None:
    def cancelled() -> bool:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        registry.plan("solver", budget=None, cancelled=cancelled)
    assert registry.info("solver").planned


def started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_other_threads_run_and_their_changes_are_kept(registry: backbuf.BufferRegistry) -> None:
    stop = threading.Event()
    refused: list[BaseException] = []

    def search() -> None:
        try:
            registry.plan("solver", budget=None, cancelled=stop.is_set)
        except backbuf.StateError as error:
            refused.append(error)

    thread = started(search)
    # This thread runs while the other one searches: neither the GIL nor the registry is locked.
    before = registry.version("solver")
    for _ in range(1000):
        assert registry.version("solver") == before
    registry.register("late", "solver", 1, "shared")
    assert thread.is_alive()
    stop.set()
    thread.join()
    # The search may have begun after the change.
    assert len(refused) <= 1
    assert all("plan again" in str(error) for error in refused)
    assert "late" in registry.group("solver").entries


def test_ctrl_c_ends_a_plan(script: Script) -> None:
    printed = script(f"""
        import csv, os, signal, sys, threading, time
        import backbuf
        signal.signal(signal.SIGINT, signal.default_int_handler)
        registry = backbuf.BufferRegistry()
        for row in csv.DictReader(open({str(HARD)!r})):
            steps = int(row["lower"]), int(row["upper"])
            registry.register(row["id"], "solver", int(row["size"]), "shared", lifetime=steps)
        turns, sent = 0, []
        def interrupt():
            global turns
            while all(thread.name != "backbuf plan" for thread in threading.enumerate()):
                time.sleep(0.001)
            while turns < 50:  # the search runs without the GIL
                turns += 1
                time.sleep(0.001)
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        try:
            registry.plan("solver", budget=None, threads=2)
        except KeyboardInterrupt:
            print(turns, registry.info("solver").planned)
            print(f"{{time.monotonic() - sent[0]:.4f}} s after the signal", file=sys.stderr)
        interrupter.join()
    """)
    assert printed == "50 True\n"


def test_bad_settings(registry: backbuf.BufferRegistry) -> None:
    for wrong in ({"budget": -1}, {"threads": -1}, {"seed": -1}, {"nodes": -1}, {"target": 2**64}):
        with pytest.raises(ValueError, match=r"budget|threads|seed|nodes|target"):
            registry.plan("solver", **wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="colour"):
        registry.plan("solver", colour=1)  # type: ignore[call-arg]
