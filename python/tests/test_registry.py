"""The registry's Python API and its errors; test_registry_scenarios.py covers the layout rules."""

from __future__ import annotations

import dataclasses
import gc
import inspect
import weakref
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import backbuf
from backbuf._ffi import ffi


class Solver:
    """A parent."""


@pytest.fixture
def registry() -> backbuf.BufferRegistry:
    return backbuf.BufferRegistry(label="test")


def test_a_group_has_the_registrys_methods_without_the_parent(registry: backbuf.BufferRegistry) -> None:
    solver = Solver()
    group = registry.group(solver)
    assert group.parent is solver
    assert group.entries == {}
    group.register("k1", 100, "shared")
    group.register("tmp", 30, "local", aliases="k1")
    group.register("more", 80, "local", True, aliases="k1")
    group.register("y", 0, "local")
    assert registry.group(solver).entries == {
        "k1": backbuf.CUDABuffer("k1", 100, "shared"),
        "tmp": backbuf.CUDABuffer("tmp", 30, "local", aliases="k1"),
        "more": backbuf.CUDABuffer("more", 80, "local", persistent=True, aliases="k1"),
        "y": backbuf.CUDABuffer("y", 0, "local"),
    }
    assert group.build_shared_layout() == {"k1": slice(0, 100), "tmp": slice(0, 30)}
    assert group.build_persistent_layout() == {"more": slice(0, 80)}
    assert group.build_local_sizes() == {"y": 1}
    group.invalidate_layouts()
    assert (group.shared_buffer_size(), group.persistent_local_buffer_size(), group.local_buffer_size()) == (100, 80, 1)
    assert group.placement("more") == backbuf.Placement(
        "persistent", 0, 80, np.dtype("f4"), zero_fill=80, origin="fell back", byte_offset=0
    )
    assert (group.placement("y").length, group.placement("y").zero_fill) == (1, 0)
    assert repr(group).endswith(": k1, tmp, more, y>")
    group.clear()
    assert group.entries == {}


def test_registry_and_group_have_the_same_methods() -> None:
    own = {"group", "diff", "clear_parent"}
    for name, call in inspect.getmembers(backbuf.BufferRegistry, inspect.isfunction):
        if name.startswith("_") or name in own:
            continue
        of_group = inspect.signature(getattr(backbuf.BufferGroup, name))
        of_registry = inspect.signature(call)
        assert [*of_group.parameters] == [one for one in of_registry.parameters if one != "parent"], name
        assert of_group.return_annotation == of_registry.return_annotation, name
        for one in of_group.parameters.values():
            assert one.default == of_registry.parameters[one.name].default, name


def test_the_ready_made_registry() -> None:
    class Loop:
        def __init__(self, size: int) -> None:
            backbuf.buffer_registry.clear_parent(self)
            backbuf.buffer_registry.register("state", self, size, "shared")

    one, other = Loop(3), Loop(5)
    assert backbuf.buffer_registry.shared_buffer_size(one) == 3
    assert backbuf.buffer_registry.shared_buffer_size(other) == 5
    one.__init__(7)  # type: ignore[misc]
    assert backbuf.buffer_registry.shared_buffer_size(one) == 7


def test_buffers_are_plain_data() -> None:
    buffer = backbuf.CUDABuffer("k1", 3, "local", persistent=True, precision="f64")  # type: ignore[arg-type]
    assert (buffer.is_shared, buffer.is_local, buffer.is_persistent_local) == (False, False, True)
    assert {field.name for field in dataclasses.fields(buffer)} == {
        *("name", "size", "location", "persistent", "aliases", "precision", "lifetime")
    }
    with pytest.raises(dataclasses.FrozenInstanceError):
        buffer.size = 4  # type: ignore[misc]
    with pytest.raises(ValueError, match="'shared' or 'local'"):
        backbuf.CUDABuffer("k1", 3, "global")  # type: ignore[arg-type]
    registry, solver = backbuf.BufferRegistry(), Solver()
    registry.register("k1", solver, 3, "shared")
    kept = registry.group(solver).entries["k1"]
    assert not any(isinstance(one, (Solver, backbuf.BufferGroup, backbuf.BufferRegistry)) for one in gc.get_referents(kept))
    gone = weakref.ref(registry)
    del registry
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("precision", ["f16", "f32", "f64", "i32", "i64"])
def test_precisions_by_any_name(registry: backbuf.BufferRegistry, precision: str) -> None:
    dtype = {"f16": np.float16, "f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64}[precision]
    for place, name in enumerate((precision, dtype, np.dtype(dtype), np.dtype(dtype).name)):
        registry.register(f"b{place}", "solver", 2, "shared", precision=name)
        assert registry.placement(f"b{place}", "solver").precision == dtype
    assert registry.info("solver").shared_precision == dtype


def test_lifetimes_and_updates(registry: backbuf.BufferRegistry) -> None:
    registry.register("k1", "solver", 4, "shared", lifetime=(0, 3))
    registry.register("in", "solver", 2, "shared", aliases="k1", lifetime=(2, 5))
    assert registry.overlaps("solver") == [backbuf.Overlap("k1", "in", "shared", 0, 2, (2, 3))]
    assert registry.update_buffer("in", "solver", lifetime=(3, 5), precision=np.float32) == (True, True)
    assert registry.overlaps("solver") == []
    assert registry.update_buffer("in", "solver", lifetime=(3, 5)) == (True, False)
    assert registry.update_buffer("in", "solver", lifetime=None, aliases=None, persistent=np.True_) == (True, True)
    assert registry.group("solver").entries["in"] == backbuf.CUDABuffer("in", 2, "shared", persistent=True)
    assert registry.update_buffer("in", "solver") == (True, False)
    assert registry.update_buffer("none", "solver", size=-1) == (False, False)
    assert registry.update_buffer("none", "absent", location="nowhere") == (False, False)
    registry.replace("k1", "solver", 9, "local", precision="i64")
    assert [*registry.group("solver").entries] == ["k1", "in"]
    assert registry.local_buffer_size("solver") == 9


def test_children_are_live_and_typed_layouts_mix() -> None:
    registry = backbuf.BufferRegistry("typed", shared_per="thread")
    host, child = Solver(), Solver()
    registry.register_child("inner", host, child)
    registry.register("k1", host, 3, "shared", precision="f64")
    version = registry.version(host)
    registry.register("flags", child, 3, "shared", precision="i32")
    registry.register("sum", child, 1, "shared", precision="f64")
    assert registry.version(host) != version
    assert registry.group(host).build_shared_layout() == {"inner.shared": slice(0, 24), "k1": slice(3, 6)}
    entries = registry.group(host).entries
    assert [*entries] == ["inner.shared", "inner.persistent", "k1"]
    assert (entries["inner.shared"].size, entries["inner.shared"].precision) == (24, np.uint8)
    assert entries["inner.persistent"].is_persistent_local
    info = registry.info(host)
    assert (info.layout, info.shared_per, info.shared_bytes, info.shared_stride_bytes) == ("typed", "thread", 48, 48)
    assert (info.shared_precision, info.shared_align_bytes, info.version) == (None, 8, registry.version(host))
    with pytest.raises(backbuf.StateError, match="in one direction only"):
        registry.register_child("outer", child, host)
    registry.clear_parent(child)
    assert registry.shared_buffer_size(host) == 3
    registry.register("sum", child, 1, "shared", precision="f64")
    assert registry.shared_buffer_size(host) == 4


def test_a_persistent_buffer_is_protected_in_a_child_as_well() -> None:
    registry = backbuf.BufferRegistry(protect_persistent=True)
    registry.register("state", "newton", 4, "shared", persistent=True)
    registry.register_child("k", "loop", "newton")
    registry.register("tmp", "loop", 4, "local", aliases="k.shared")
    assert (registry.placement("tmp", "loop").space, registry.placement("tmp", "loop").origin) == ("local", "fell back")
    registry.set_options("loop", protect_persistent=False)
    assert registry.placement("tmp", "loop").space == "shared"


def test_a_child_is_an_alias(registry: backbuf.BufferRegistry) -> None:
    registry.register("step", "search", 4, "shared")
    registry.register("k1", "loop", 9, "shared")
    with pytest.raises(ValueError, match="aliases = 'k2'"):
        registry.register_child("search", "loop", "search", aliases="k2")
    with pytest.raises(TypeError, match="aliases"):
        registry.register_child("search", "loop", "search", aliases=3)  # type: ignore[arg-type]
    registry.group("loop").register_child("search", "search", "k1")
    assert registry.placement("search.shared", "loop").origin == "aliased"
    assert registry.shared_buffer_size("loop") == 9
    assert registry.group("loop").entries["search.shared"].aliases == "k1"
    registry.from_json("copy", registry.to_json("loop"))
    assert registry.to_json("copy") == registry.to_json("loop")
    assert "child in k1" in registry.table("copy")


def test_an_alias_that_does_not_fit_does_not_move_its_target() -> None:
    for protect in (False, True):
        registry = backbuf.BufferRegistry("typed", protect_persistent=protect)
        registry.register("a", "k", 1, "shared", precision="f16")
        registry.register("b", "k", 5, "shared", precision="f32")
        registry.register("x", "k", 1, "local", persistent=True, aliases="b", precision="i64")
        assert registry.placement("b", "k").byte_offset == (4 if protect else 8)
        assert registry.info("k").shared_bytes == (24 if protect else 28)


def test_options_of_a_parent(registry: backbuf.BufferRegistry) -> None:
    registry.register("k1", "solver", 4, "shared")
    registry.set_options("solver", shared_per="thread")
    assert registry.shared_bytes("solver", 10) == 160
    registry.set_options("solver", layout="typed")
    assert (registry.shared_stride_bytes("solver"), registry.shared_bytes("solver", 10)) == (20, 200)
    assert registry.banks("solver") == backbuf.Banks(20, 20, {"k1": 1})
    registry.set_options("solver", bank_skew=False, protect_persistent=True)
    info = registry.info("solver")
    assert (info.bank_skew, info.protect_persistent, info.layout, info.shared_per) == (False, True, "typed", "thread")
    assert registry.banks("solver").ways == {"k1": 4}
    with pytest.raises(KeyError):
        registry.set_options("absent", layout="typed")
    with pytest.raises(ValueError, match="'elements' or 'typed'"):
        registry.set_options("solver", layout="bytes")  # type: ignore[arg-type]


def test_an_option_makes_a_layout_possible(registry: backbuf.BufferRegistry) -> None:
    registry.register_child("inner", "host", "child")
    registry.register("a", "child", 3, "shared")
    registry.register("b", "child", 3, "shared", precision="f64")
    registry.set_options("child", layout="typed")
    with pytest.raises(backbuf.StateError, match="typed"):
        registry.shared_buffer_size("host")
    with pytest.raises(backbuf.StateError, match="typed"):
        registry.group("host").build_shared_layout()
    registry.set_options("host", layout="typed")
    assert registry.shared_buffer_size("host") == 40


def test_a_launch_fits_or_the_error_names_one_that_fits(registry: backbuf.BufferRegistry) -> None:
    registry.register("small", "solver", 3, "shared")
    registry.register("large", "solver", 97, "shared")
    fit = registry.check("solver", arch="sm_90", threads_per_block=128, shared_per="thread", registers_per_thread=32)
    assert (fit.shared_bytes, fit.needs_opt_in, fit.bound, fit.blocks_per_sm) == (51200, True, "shared", 4)
    assert fit.occupancy == 0.25
    assert registry.check("solver", 90, 128).shared_bytes == 400
    with pytest.raises(
        backbuf.LimitError, match=r"largest buffers are large \(388\), small \(12\); it would fit with at most 163"
    ):
        registry.check("solver", arch="7.5", threads_per_block=256, shared_per="thread")
    mine = dataclasses.replace(backbuf.Limits.of("sm_75"), shared_block_bytes=399)
    with pytest.raises(backbuf.LimitError, match="beyond 399"):
        registry.check("solver", mine, 1)
    registry.set_options("solver", shared_per="thread")
    assert (registry.fits("solver", "sm_75", 163), registry.fits("solver", 75, 164)) == (True, False)
    assert (registry.needs_opt_in("solver", 122), registry.needs_opt_in("solver", 123)) == (False, True)
    with pytest.raises(ValueError, match="sm_1"):
        registry.fits("solver", "sm_1", 1)
    with pytest.raises(ValueError, match="threads_per_block"):
        registry.check("solver", "sm_75", -1)


def test_json_round_trip(registry: backbuf.BufferRegistry) -> None:
    registry.register("größe", "solver", 3, "shared", precision="f64", lifetime=(0, 2))
    registry.register("tmp", "solver", 2, "local", aliases="größe", precision="f64")
    registry.register_child("inner", "solver", "newton")
    registry.register("jacobian", "newton", 9, "shared", precision="f64")
    registry.plan("solver")
    stored = registry.to_json("solver")
    registry.from_json("copy", stored)
    assert registry.to_json("copy") == stored
    assert registry.layout_hash("copy") == registry.layout_hash("solver")
    assert registry.info("copy").planned
    assert registry.diff(stored, registry.to_json("copy")) == []
    registry.update_buffer("größe", "solver", size=4)
    assert registry.layout_hash("copy") != registry.layout_hash("solver")
    assert registry.diff(stored, registry.to_json("solver"))[0].startswith("größe: ")
    header = registry.emit_cuda_header("solver", "app::lorenz")
    assert "namespace app::lorenz" in header
    assert f"{registry.layout_hash('solver'):016x}" in header
    assert registry.table("solver").splitlines()[1].startswith("größe")
    assert registry.svg("solver").startswith("<svg ")


NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
BUFFER = st.fixed_dictionaries(
    {
        "size": st.integers(0, 10**12),
        "location": st.sampled_from(["shared", "local"]),
        "persistent": st.booleans(),
        "precision": st.sampled_from([np.float16, np.float32, np.float64, np.int32, np.int64]),
        "lifetime": st.none() | st.tuples(st.integers(0, 9), st.integers(10, 19)),
    }
)


@given(st.dictionaries(NAME, BUFFER, min_size=1, max_size=8), st.data())
def test_any_registration_survives_json(buffers: dict[str, dict[str, Any]], data: st.DataObject) -> None:
    registry = backbuf.BufferRegistry("typed")
    asked, earlier = {}, [None]
    for name, fields in buffers.items():
        aliases = data.draw(st.sampled_from(earlier))
        registry.register(name, "solver", aliases=aliases, **fields)
        asked[name] = backbuf.CUDABuffer(name, aliases=aliases, **fields)
        earlier.append(name)
    group = registry.group("solver")
    assert group.entries == asked
    assert [*group.entries] == [*buffers]
    registry.from_json("copy", registry.to_json("solver"))
    assert registry.to_json("copy") == registry.to_json("solver")
    assert registry.group("copy").entries == asked
    laid_out = [*group.build_shared_layout(), *group.build_persistent_layout(), *group.build_local_sizes()]
    assert sorted(laid_out) == sorted(buffers)
    assert registry.local_buffer_size("solver") == sum(group.build_local_sizes().values())


def test_a_complete_program() -> None:
    reg = backbuf.BufferRegistry(layout="typed")
    for k in ("k1", "k2", "k3"):
        reg.register(k, "lorenz", 3, location="shared", precision="f32")
    reg.register("tmp", "lorenz", 3, location="shared", precision="f32", aliases="k1")
    reg.register("hist", "lorenz", 8, location="local", precision="f64", persistent=True)
    assert "hist" in reg.table("lorenz")
    reg.check("lorenz", arch="sm_90", threads_per_block=256, shared_per="thread")
    header = reg.emit_cuda_header("lorenz", namespace="lorenz")
    for word in ("k1(", "k1_length", "shared_stride_bytes", "layout_hash"):
        assert word in header


NAMES = [
    ({"name": ""}, ValueError, "empty"),
    ({"name": "x" * 256}, ValueError, "too long"),
    ({"name": "a\0b"}, ValueError, "NUL"),
    ({"name": "\ud800"}, ValueError, "surrogates"),
    ({"name": 3}, TypeError, "name is a int"),
    ({"name": "k1"}, ValueError, "name is taken"),
    ({"name": "k1", "size": -1}, ValueError, "name is taken"),
    ({"name": "", "size": -1, "location": "global"}, ValueError, "name is empty"),
]
FIELDS = [
    ({"aliases": ""}, ValueError, "no such buffer"),
    ({"aliases": "none"}, ValueError, "no such buffer"),
    ({"aliases": "none", "precision": "u1"}, ValueError, "no such buffer"),
    ({"aliases": "new"}, ValueError, "alias of itself"),
    ({"aliases": 3}, TypeError, "aliases is a int"),
    ({"size": -1}, ValueError, "size is -1"),
    ({"size": 2**64}, ValueError, "size is 18446744073709551616"),
    ({"size": 2**63 - 1}, ValueError, "more elements than"),
    ({"size": 2.5}, TypeError, "give an int"),
    ({"size": True}, TypeError, "bool"),
    ({"location": "global"}, ValueError, "'shared' or 'local'"),
    ({"location": None}, ValueError, "'shared' or 'local'"),
    ({"precision": "u1"}, ValueError, "precision is uint8"),
    ({"precision": ">f4"}, ValueError, "precision is >f4"),
    ({"precision": "nonsense"}, TypeError, "nonsense"),
    ({"persistent": "no"}, TypeError, "True or False"),
    ({"lifetime": (3, 3)}, ValueError, r"lifetime is \(3, 3\)"),
    ({"lifetime": (0, 0)}, ValueError, r"lifetime is \(0, 0\)"),
    ({"lifetime": (-1, 3)}, ValueError, r"lifetime is \(-1, 3\)"),
    ({"lifetime": (0, 2**64)}, ValueError, "lifetime is"),
    ({"lifetime": 3}, TypeError, "lifetime is a int: give a pair"),
    ({"colour": "red"}, TypeError, "colour"),
]
PLAIN = {"name": "new", "size": 3, "location": "shared"}


@pytest.mark.parametrize(("change", "error", "message"), NAMES + FIELDS)
def test_a_refused_registration_changes_nothing(
    registry: backbuf.BufferRegistry, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    registry.register("k1", "solver", 3, "shared")
    before = registry.to_json("solver")
    with pytest.raises(error, match=message):
        registry.register(**PLAIN | {"parent": "solver"} | change)
    assert registry.to_json("solver") == before
    with pytest.raises(error):
        registry.register(**PLAIN | {"parent": "absent", "aliases": ""} | change)
    assert registry.version("absent") == 0


@pytest.mark.parametrize(("change", "error", "message"), FIELDS)
@pytest.mark.parametrize("verb", ["update_buffer", "replace"])
def test_a_refused_change_changes_nothing(
    registry: backbuf.BufferRegistry, verb: str, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    registry.register("k1", "solver", 3, "shared")
    registry.register("new", "solver", 3, "shared")
    registry.register("later", "solver", 3, "shared")
    before = registry.to_json("solver")
    plain = PLAIN if verb == "replace" else {"name": "new"}
    with pytest.raises(error, match=message):
        getattr(registry, verb)(**plain | {"parent": "solver"} | change)
    with pytest.raises(backbuf.ArgumentError, match="later"):
        getattr(registry, verb)(**plain | {"parent": "solver", "aliases": "later"})
    assert registry.to_json("solver") == before


def test_unknown_parents_and_buffers(registry: backbuf.BufferRegistry) -> None:
    solver = Solver()
    totals = (registry.shared_buffer_size, registry.local_buffer_size, registry.persistent_local_buffer_size, registry.version)
    assert [ask(solver) for ask in totals] == [0, 0, 0, 0]
    assert registry.shared_bytes(solver, 32) == registry.shared_stride_bytes(solver) == 0
    registry.clear_layout(solver)
    registry.clear_parent(solver)
    statuses = set()
    for name, parent in (("k1", solver), ("k2", "solver")):
        registry.clear_parent("solver")
        registry.register("k1", "solver", 3, "shared")
        for ask in (registry.placement, registry.get_allocator):
            with pytest.raises(backbuf.NotRegisteredError) as caught:
                ask(name, parent)
            assert isinstance(caught.value, KeyError)
            assert isinstance(caught.value, ValueError)
            statuses.add(caught.value.status)
    assert len(statuses) == 2
    with pytest.raises(KeyError, match=r"parent = <.*0x[0-9a-f]+>: nothing is registered"):
        registry.table(solver)
    with pytest.raises(KeyError):
        registry.plan(solver)
    with pytest.raises(ValueError, match="parent = 'solver': has buffers already"):
        registry.from_json("solver", "{}")
    with pytest.raises(ValueError, match="line 2, column 12"):
        registry.from_json("new", '{\n "format": 7}')
    assert registry.version("new") == 0
    with pytest.raises(TypeError, match="give a str"):
        registry.from_json("new", b"{}")  # type: ignore[arg-type]


def test_a_region_without_bytes_names_the_option(registry: backbuf.BufferRegistry) -> None:
    registry.register("a", "solver", 3, "shared")
    registry.register("b", "solver", 3, "shared", precision="f64")
    info = registry.info("solver")
    assert (info.shared, info.shared_bytes, info.shared_stride_bytes, info.shared_precision) == (6, None, None, None)
    assert registry.placement("b", "solver").byte_offset is None
    for ask in (lambda: registry.shared_bytes("solver", 1), lambda: registry.emit_cuda_header("solver", "x")):
        with pytest.raises(backbuf.StateError, match="typed"):
            ask()


def test_bad_options() -> None:
    with pytest.raises(ValueError, match="'elements' or 'typed'"):
        backbuf.BufferRegistry("bytes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'block' or 'thread'"):
        backbuf.BufferRegistry(shared_per="warp")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="bank_skew"):
        backbuf.BufferRegistry(bank_skew="no")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="colour"):
        backbuf.BufferRegistry(colour=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="label"):
        backbuf.BufferRegistry(label=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("struct", "cls", "renamed"),
    [
        ("bb_limits", backbuf.Limits, {}),
        ("bb_fit", backbuf.Fit, {}),
        ("bb_allocator", backbuf.Placement, {}),
        ("bb_layout_info", backbuf.LayoutInfo, {"typed": "layout"}),
    ],
)
def test_results_have_the_fields_of_the_header(struct: str, cls: Any, renamed: dict[str, str]) -> None:
    names = [name for name, _ in ffi.typeof(struct).fields if name not in ("struct_size", "reserved")]
    assert sorted(renamed.get(name, name) for name in names) == sorted(field.name for field in dataclasses.fields(cls))


def test_plans_have_the_fields_of_the_header() -> None:
    names = {name for name, _ in ffi.typeof("bb_registry_plans").fields if name not in ("struct_size", "reserved")}
    regions, figures = ("shared", "persistent"), [field.name for field in dataclasses.fields(backbuf.PlannedRegion)]
    assert names == {f"{region}_{figure}" for region in regions for figure in figures}
