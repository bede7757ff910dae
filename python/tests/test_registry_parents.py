"""Parents: weakly referenced, by value, or kept; many threads; the interpreter's end."""

from __future__ import annotations

import gc
import random
import threading
import weakref

import pytest
from conftest import Script

import backbuf


class Solver:
    """A parent."""


@pytest.fixture
def registry() -> backbuf.BufferRegistry:
    return backbuf.BufferRegistry()


def test_parents_by_identity_and_held_weakly(registry: backbuf.BufferRegistry) -> None:
    class Equal:
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1

    one, other = Equal(), Equal()
    registry.register("k1", one, 3, "shared")
    assert registry.shared_buffer_size(other) == 0
    registry.register_child("one", other, one)
    assert registry.shared_buffer_size(other) == 3
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None
    assert registry.shared_buffer_size(other) == 0, "its buffers went with it"


def test_a_reused_address_is_another_parent(registry: backbuf.BufferRegistry) -> None:
    seen = set()
    for _ in range(100):
        solver = Solver()
        seen.add(id(solver))
        assert registry.version(solver) == 0
        registry.register("k1", solver, 3, "shared")
        del solver
    assert len(seen) < 100, "no address was reused, so nothing was tested"


def test_parents_by_value_and_those_that_are_kept(registry: backbuf.BufferRegistry) -> None:
    for place, (parent, equal) in enumerate(
        [("a" * 50, "".join(["a"] * 50)), (10**30, 10**30), ((1, "b"), (1, "b")), (None, None)]
    ):
        registry.register("k1", parent, place + 1, "shared")
        assert registry.shared_buffer_size(equal) == place + 1

    class Slotted:
        __slots__ = ("x",)

    slotted, listed = Slotted(), [1]
    registry.register("k1", slotted, 5, "shared")
    registry.register("k1", listed, 6, "shared")
    address = id(slotted)
    assert (registry.shared_buffer_size(slotted), registry.shared_buffer_size(listed)) == (5, 6)
    assert registry.shared_buffer_size([1]) == 0
    del slotted
    assert id(Slotted()) != address, "it is held as long as the registry"
    with pytest.raises(TypeError, match="unhashable"):
        registry.register("k1", ([],), 1, "shared")


def test_threads_at_once(registry: backbuf.BufferRegistry) -> None:
    parents = [Solver() for _ in range(4)]
    wrong: list[str] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for step in range(100):
            parent = chance.choice(parents)
            name = f"b{seed}-{step}"
            registry.register(name, parent, chance.randrange(9), chance.choice(["shared", "local"]))  # type: ignore[arg-type]
            place = registry.placement(name, parent)
            if place.zero_fill != registry.group(parent).entries[name].size:
                wrong.append(name)
            registry.update_buffer(name, parent, size=chance.randrange(9))
            registry.version(Solver())

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(len(registry.group(parent).entries) for parent in parents) == 400
    for parent in parents:
        group = registry.group(parent)
        assert group.shared_buffer_size() == max(at.stop for at in group.build_shared_layout().values())


def test_registries_and_parents_at_the_interpreters_end(script: Script) -> None:
    assert (
        script("""
        import atexit, backbuf
        class Solver: pass
        kept = [Solver() for _ in range(10)]
        r = backbuf.BufferRegistry()
        for parent in [*kept, "text"]:
            r.register("k1", parent, 3, "shared")
            backbuf.buffer_registry.register("k1", parent, 3, "shared")
        kept[0].me = kept[0], r
        print(r, backbuf.buffer_registry)
    """)
        == "<BufferRegistry> <BufferRegistry 'backbuf.buffer_registry'>\n"
    )


def test_a_fork_gets_a_registry_that_was_not_used_before(script: Script) -> None:
    assert (
        script("""
        import os, backbuf
        used = backbuf.BufferRegistry()
        used.register("k1", "solver", 3, "shared")
        if (child := os.fork()) == 0:
            backbuf.buffer_registry.register("k1", "solver", 3, "shared")
            try:
                used.shared_buffer_size("solver")
            except backbuf.ForkedError:
                os._exit(backbuf.buffer_registry.shared_buffer_size("solver"))
            os._exit(1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), used.shared_buffer_size("solver"))
    """)
        == "3 3\n"
    )
