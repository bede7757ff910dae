"""Managers with fields: several arrays that one epoch publishes."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from conftest import Manager, Stage
from hypothesis import given, settings
from hypothesis import strategies as st

import backbuf
from backbuf import BufferUpdate, CBufferManager, GLBufferManager
from backbuf._library import ffi, lib

FIELDS: dict[str, Any] = {"qpos": (7, "f8"), "depth": ((48, 64), "u2"), "step": ((), "i4"), "flag": ((3, 0), "?")}


@pytest.fixture(scope="session", params=["host", "gl"])
def make(request: pytest.FixtureRequest) -> Any:
    """Makes a manager with fields, in host memory or on OpenGL, where each front is compared with its buffer."""
    if request.param == "host":
        return lambda fields=FIELDS, **config: CBufferManager(fields=fields, **config)
    stage: Stage = request.getfixturevalue("stage")

    class OnStage(GLBufferManager):
        def front(self) -> backbuf.Front:
            front = super().front()
            if threading.current_thread() is threading.main_thread():
                with self.front_gl() as gl_front:
                    seen = stage.read(gl_front.buffer, gl_front.nbytes)
                    for name, field in gl_front.fields.items() if gl_front.epoch == front.epoch else ():
                        assert seen[field.offset : field.offset + field.nbytes] == front[name].tobytes(), name
            return front

    return lambda fields=FIELDS, **config: OnStage(fields=fields, device=stage.device, **config)


def state(m: CBufferManager) -> Any:
    m.synchronize(timeout=10)
    return m.snapshot()


def test_fields_are_arrays_of_one_epoch(make: Any) -> None:
    m = make()
    m["qpos"][2:4] = [0.5, 0.25]
    m["depth"] = 1000
    m["depth"][0, ::2] = np.arange(32, dtype="u2")
    m["step"][...] = 7
    m.tag(3)
    assert m.epoch == 0
    assert m.synchronize() == 1
    f = m.front()
    assert (f.epoch, f.tag) == (1, 3)
    assert list(f.fields) == list(m.fields) == list(FIELDS)
    assert f["qpos"].tolist() == [0, 0, 0.5, 0.25, 0, 0, 0]
    assert (f["depth"][0, :4].tolist(), int(f["depth"][1:].min())) == ([0, 1000, 1, 1000], 1000)
    assert (int(f["step"]), f["step"].shape, f["flag"].shape) == (7, (), (3, 0))
    assert all(not array.flags.writeable for array in f.fields.values())
    assert {name: array.dtype for name, array in f.fields.items()} == {n: np.dtype(d) for n, (_, d) in FIELDS.items()}
    copy = m.snapshot()
    assert all((copy[name] == f[name]).all() and copy[name].flags.writeable for name in FIELDS)


def test_every_form_of_update_has_a_field(make: Any) -> None:
    m = make({"a": (6, "f4"), "b": (6, "f8")})
    b = m["b"]
    b.enqueue(1.5, 8)
    b.enqueue(np.array([2.0, 3.0]), byte_offset=16)
    b.enqueue(BufferUpdate(0, 1, np.array([9.0]).tobytes()))
    b.enqueue([BufferUpdate(32, 1, 4.0), BufferUpdate(40, 1, np.array([5.0]))])
    got = state(m)
    assert (got["a"].tolist(), got["b"].tolist()) == ([0] * 6, [9, 1.5, 2, 3, 4, 5])
    b.fill(7, 32)
    b.put([0, -1], [6, 8])
    b.put(np.array([1]), np.array([6.5]))
    m["a"].enqueue_borrowed(np.ones(3, "f4"), 12)
    b[2:4] = np.array([0.5, 0.25])
    m["a"].enqueue_kernel(lambda back, front: np.add(back, 1, out=back), byte_offset=8, count=2)
    got = state(m)
    assert (got["a"].tolist(), got["b"].tolist()) == ([0, 0, 1, 2, 1, 1], [6, 6.5, 0.5, 0.25, 7, 8])
    seen: list[Any] = []
    b.enqueue_kernel(lambda back, front: seen.append((back.tolist(), front.tolist())), byte_offset=16, count=2)
    m.synchronize()
    assert seen == [([0.5, 0.25], [0.5, 0.25])]


def test_a_batch_mixes_fields(make: Any) -> None:
    m = make({"a": (4, "f4"), "b": ((2, 2), "u1")})
    with m.batch() as batch:
        batch["a"][:] = [1, 2, 3, 4]
        batch["b"] = 5
        batch["b"][0, 1] = 6
        batch["a"].enqueue(9.0, 4)
        batch["a"].put([3], [8])
        batch["b"].fill(7, 3)
        batch["a"].kernel(lambda back, front: np.add(back, 1, out=back), count=1)
        batch.tag(2)
        assert m.synchronize() == 0
    got = state(m)
    assert (got["a"].tolist(), got["b"].tolist()) == ([2, 9, 3, 8], [[5, 6], [5, 7]])
    for wrong in (lambda: batch["c"], lambda: batch.__setitem__("c", 1)):
        with pytest.raises(backbuf.NotRegisteredError, match="field = 'c'"):
            wrong()
    with contextlib.suppress(ZeroDivisionError), m.batch() as batch:
        batch["a"] = 0
        raise ZeroDivisionError
    assert state(m)["a"].tolist() == [2, 9, 3, 8]


def test_the_back_copy_has_an_array_for_each_field(make: Any) -> None:
    m = make({"a": (4, "f4"), "b": (3, "i8")}, initial={"a": [1, 2, 3, 4]})
    back = m.back(tag=5)
    with back as fields:
        assert list(fields) == ["a", "b"]
        assert back.front["a"].tolist() == [1, 2, 3, 4]
        fields["a"][:] = fields["a"][::-1].copy()
        fields["b"] = 7
        fields["b"][0] += 1
    with pytest.raises(ValueError, match="block"):
        fields["a"]
    got = state(m)
    assert (got["a"].tolist(), got["b"].tolist(), m.front().tag) == ([4, 3, 2, 1], [8, 7, 7], 5)
    with pytest.raises(ZeroDivisionError), m.back() as fields:
        fields["a"][:] = 0
        raise ZeroDivisionError
    with pytest.raises(backbuf.NotRegisteredError, match="'c'"), m.back() as fields:
        fields["c"] = 1
    back = m.back()
    with back as fields:
        fields["b"][1:] = [7, 7]
        back.mark_written(np.s_[1:], field="b")
        with pytest.raises(TypeError, match=r"m.'a'."):
            back.mark_written(0)
        with pytest.raises(backbuf.NotRegisteredError, match="'c'"):
            back.mark_written(field="c")
    m["b"][2] = 1
    got = state(m)
    assert (got["a"].tolist(), got["b"].tolist()) == ([4, 3, 2, 1], [8, 7, 1])


@pytest.mark.parametrize("view", [lambda a: a, lambda a: a[1:3], memoryview, lambda a: a.reshape(2, 2).T])
@pytest.mark.parametrize("end", ["commit", "cancel"])
def test_a_kept_view_of_a_back_field_reaches_no_front(make: Any, view: Any, end: str) -> None:
    m = make({"a": (4, "f8"), "b": (2, "f8")}, initial={"a": 1.0})
    kept: list[Any] = []
    with contextlib.suppress(ZeroDivisionError), m.back() as fields:
        fields["a"][:] = 2
        kept.append(view(fields["a"]))
        if end == "cancel":
            raise ZeroDivisionError
    for step in range(5):
        for each in kept:
            with contextlib.suppress(ValueError, TypeError):
                each[:] = memoryview(np.full(each.shape, 99.0)) if isinstance(each, memoryview) else 99
        m["b"] = step
        assert state(m)["a"].tolist() == [2.0 if end == "commit" else 1.0] * 4
    m.destroy()
    assert kept[0].shape


def test_blocks_without_kept_views_copy_nothing(make: Any) -> None:
    m = make({"a": (4, "f8"), "b": (2, "f8")}, copies=2)
    places = set()
    for step in range(6):
        with m.back() as fields:
            fields["a"] = step
            places.add(fields["a"].__array_interface__["data"][0])
        m.synchronize()
    assert len(places) == 2


def test_a_structured_dtype_gives_the_fields(make: Any) -> None:
    m = make(np.dtype([("x", "f4", (3,)), ("kind", "u2"), ("m", "f8", (2, 2))]))
    assert [(name, field.shape, field.dtype.str) for name, field in m.fields.items()] == [
        ("x", (3,), "<f4"),
        ("kind", (), "<u2"),
        ("m", (2, 2), "<f8"),
    ]
    m["x"] = [1, 2, 3]
    assert state(m)["x"].tolist() == [1, 2, 3]


def test_fields_know_their_place(make: Any) -> None:
    m = make(label="arm")
    offsets = [field.byte_offset for field in m.fields.values()]
    assert offsets == [0, 64, 6208, 6272]
    assert m.nbytes >= 6212
    field = m["depth"]
    assert (field.name, field.shape, field.ndim, field.size, field.nbytes) == ("depth", (48, 64), 2, 3072, 6144)
    assert field.manager is m
    assert "depth" in repr(field)
    assert "with 4 fields (qpos, depth, step, flag)" in repr(m)
    assert "with 4 fields" in repr(m.front())
    for html in (m._repr_html_(), m.front()._repr_html_(), field._repr_html_()):
        assert "depth" in html
        assert "uint16" in html


def test_initial_values(make: Any) -> None:
    m = make({"a": (3, "f4"), "b": ((2, 2), "i4")}, initial={"b": [1, 2]})
    assert (m.snapshot()["a"].tolist(), m.snapshot()["b"].tolist()) == ([0, 0, 0], [[1, 2], [1, 2]])
    for wrong, error, text in (
        ({"c": 1}, backbuf.NotRegisteredError, "'c'"),
        ([1], TypeError, "initial is a list"),
        ({"a": [1, 2]}, ValueError, r"initial\['a'\]"),
        ({"b": 1.5}, TypeError, r"initial\['b'\]"),
    ):
        with pytest.raises(error, match=text):
            make({"a": (3, "f4"), "b": ((2, 2), "i4")}, initial=wrong)


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({}, ValueError, "field"),
        ({"": (1, "f4")}, ValueError, "name"),
        ({"a" * 256: (1, "f4")}, ValueError, "name"),
        ({"\ud800": (1, "f4")}, ValueError, "name"),
        ({"a\0": (1, "f4")}, ValueError, "name"),
        ({5: (1, "f4")}, TypeError, "name 5"),
        ({"a": "f4"}, TypeError, r"fields\['a'\] is 'f4': give \(shape, dtype\)"),
        ({"a": (1, "f4", 2)}, TypeError, r"fields\['a'\]"),
        ({"a": (1.5, "f4")}, TypeError, r"fields\['a'\]: shape"),
        ({"a": (-1, "f4")}, ValueError, r"fields\['a'\]: shape"),
        ({"a": (1, "O")}, TypeError, r"fields\['a'\]: dtype"),
        ({"a": (1, ">f4")}, TypeError, r"fields\['a'\]: dtype"),
        ({"a": (1, "nonsense")}, TypeError, r"fields\['a'\]: dtype"),
        ({f"f{k}": (1, "u1") for k in range(1025)}, backbuf.LimitError, "1024"),
        ({"a": ((2**40, 2**40), "u1")}, backbuf.OutOfRangeError, "."),
        ({"a": (2**50, "u1")}, MemoryError, "."),
        ("f4", TypeError, "structured dtype"),
        (5, TypeError, "fields is 5"),
    ],
)
def test_bad_fields_are_refused_by_name(fields: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        CBufferManager(fields=fields)


def test_shape_and_fields_exclude_each_other() -> None:
    with pytest.raises(TypeError, match="shape, fields"):
        CBufferManager(3, fields=FIELDS)
    with pytest.raises(TypeError, match="shape, fields"):
        CBufferManager()


def test_names_of_any_script_and_length() -> None:
    names = ["é" * 127, "π", "a b", "x" * 255, "state"]
    m = CBufferManager(fields=dict.fromkeys(names, (2, "f4")))
    for number, name in enumerate(names):
        m[name] = number
    assert {name: array.tolist() for name, array in state(m).items()} == {n: [k, k] for k, n in enumerate(names)}


def test_a_state_with_fields_has_no_array_of_its_own(make: Any) -> None:
    m = make()
    for call in (
        lambda: m.enqueue(1.0),
        lambda: m.enqueue(b"12345678"),
        lambda: m.enqueue(BufferUpdate(0, 8, b"12345678")),
        lambda: m.enqueue([BufferUpdate(0, 8, b"12345678")]),
        lambda: m.put([0], [1]),
        lambda: m.put(np.array([0]), np.array([1])),
        lambda: m.fill(1),
        lambda: m.__setitem__(0, 1),
        lambda: m.__setitem__(..., 1),
        lambda: m.enqueue_kernel(lambda back, front: None),
        lambda: m.batch().fill(1),
        lambda: m.front().array,
        lambda: np.asarray(m.front()),
        lambda: m.front()[0],
        lambda: len(m.front()),
    ):
        with pytest.raises(TypeError, match=r"name one, as in m\['qpos'\]"):
            call()
    for name in ("shape", "dtype", "ndim", "size"):
        with pytest.raises(AttributeError, match="fields"):
            getattr(m, name)
    with pytest.raises(TypeError, match=r"m\.front\(\)"):
        np.asarray(m)
    assert m.synchronize() == 0, "nothing was written"


def test_a_wrong_name_names_the_fields(make: Any) -> None:
    m = make()
    for call in (lambda: m["qvel"], lambda: m.__setitem__("qvel", 1), lambda: m.front()["qvel"]):
        with pytest.raises(backbuf.NotRegisteredError, match=r"field = 'qvel': .* 'qpos', 'depth'"):
            call()
    with pytest.raises(KeyError):
        m["qvel"]


def test_writes_are_checked_against_their_field(make: Any) -> None:
    m = make({"a": (4, "f4"), "b": (4, "f8")})
    a = m["a"]
    with pytest.raises(TypeError, match="data has dtype float64, field 'a' has float32"):
        a.enqueue(np.zeros(2))
    with pytest.raises(TypeError, match="field 'a' of float32 does not accept a complex"):
        a[0] = 1j
    for call in (
        lambda: a.enqueue(np.zeros(2, "f4"), 12),
        lambda: a.enqueue(1.0, 16),
        lambda: a.enqueue([BufferUpdate(12, 1, 1.0), BufferUpdate(16, 1, 1.0)]),
        lambda: a.fill(1, 8, 3),
        lambda: a.put([4], [1]),
        lambda: a.__setitem__(4, 1),
        lambda: a.enqueue_kernel(lambda back, front: None, byte_offset=8, count=3),
        lambda: a.enqueue_borrowed(np.zeros(5, "f4")),
        lambda: m.batch()["a"].enqueue(1.0, 16),
    ):
        with pytest.raises(IndexError):
            call()
    with pytest.raises(ValueError, match="broadcast"):
        a[:] = [1, 2]
    for read in (lambda: a[0], lambda: np.asarray(a), lambda: list(a)):
        with pytest.raises(TypeError, match=r"m\.front\(\)\['a'\]"):
            read()
    assert m.synchronize() == 0


def test_a_manager_without_fields_has_one(manager: Manager) -> None:
    m = manager((2, 3), "f4")
    assert list(m.fields) == ["state"]
    m["state"][0] = 1
    m.fields["state"].enqueue(2.0, 12)
    m.synchronize()
    f = m.front()
    assert f["state"].tolist() == f.fields["state"].tolist() == [[1, 1, 1], [2, 0, 0]]
    assert f.array.tolist() == f["state"].tolist()


def test_fields_and_closed_managers(make: Any) -> None:
    m = make({"a": (4, "f4")})
    a = m["a"]
    m.close()
    for call in (lambda: a.enqueue(1.0), lambda: a.__setitem__(0, 1.0), lambda: a.put(np.array([0]), np.zeros(1, "f4"))):
        with pytest.raises(backbuf.ClosedError):
            call()
    m.destroy()
    for call in (lambda: a.enqueue(1.0), lambda: a.__setitem__(0, 1.0), lambda: a.fill(1)):
        with pytest.raises(backbuf.ClosedError):
            call()
    other = CBufferManager(fields={"a": (4, "f4")})
    a = other["a"]
    handle = ffi.cast("bb_manager *", other.detach())
    with pytest.raises(backbuf.ClosedError):
        a.enqueue(1.0)
    assert lib.bb_manager_destroy(handle) == 0


def test_a_field_keeps_its_manager_and_makes_no_cycle() -> None:
    m = CBufferManager(fields={"a": (4, "f4")})
    gone = weakref.ref(m)
    a = m["a"]
    del m
    a[:] = 1
    assert a.manager.synchronize() == 1
    gc.disable()
    try:
        del a
        assert gone() is None, "destroyed with the last reference, not by the garbage collector"
    finally:
        gc.enable()
    m = CBufferManager(fields={"a": (4, "f4")})
    gone = weakref.ref(m)
    m.kept = m["a"]  # type: ignore[attr-defined]
    del m
    gc.collect()
    assert gone() is None, "a cycle is collected"


def test_fronts_of_fields_outlive_the_manager(make: Any) -> None:
    m = make({"a": (4, "f4"), "b": (2, "f8")})
    m["a"] = 1
    m.synchronize()
    f = m.front()
    kept = f["a"]
    f.release()
    with pytest.raises(ValueError, match="released"):
        f["b"]
    for step in range(5):
        m["a"] = step
        m.synchronize()
    m.destroy()
    assert kept.tolist() == [1] * 4


def test_attach_finds_the_fields() -> None:
    owner = CBufferManager(fields={"a": ((2, 2), "f4"), "raw": (3, "V5")}, label="engine")
    seen = backbuf.attach(owner.handle)
    assert [(n, f.shape, f.dtype.str) for n, f in seen.fields.items()] == [("a", (2, 2), "<f4"), ("raw", (3,), "|V5")]
    seen["a"][1] = 3
    seen.synchronize()
    assert owner.front()["a"].tolist() == [[0, 0], [3, 3]]
    with pytest.raises(TypeError, match="dtypes of their own"):
        backbuf.attach(owner.handle, "f4")


def test_readers_never_see_two_epochs() -> None:
    m = CBufferManager(fields={"a": (64, "i8"), "b": ((8, 8), "i8")})
    stop = threading.Event()

    def write() -> None:
        step = 0
        while not stop.is_set():
            step += 1
            with m.batch() as batch:
                batch["a"] = step
                batch["b"] = step
            m.synchronize()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for f in m.fronts(timeout=30):
            with f:
                a, b = f["a"], f["b"]
                assert a.min() == a.max() == b.min() == b.max()
                if f.epoch > 200:
                    break
    finally:
        stop.set()
        thread.join()


NAMES = ["a", "b", "c"]
SHAPES = {"a": (12,), "b": (3, 4), "c": (2, 3, 2)}


@settings(max_examples=60)
@given(st.data())
def test_random_writes_equal_a_plain_model(make: Any, data: st.DataObject) -> None:
    m = make({name: (SHAPES[name], dtype) for name, dtype in zip(NAMES, ["f4", "i8", "u1"], strict=True)})
    model = {name: np.zeros(SHAPES[name], m[name].dtype) for name in NAMES}
    for _ in range(data.draw(st.integers(1, 12))):
        name = data.draw(st.sampled_from(NAMES))
        field, flat = m[name], model[name].reshape(-1)
        first = data.draw(st.integers(0, 11))
        count = data.draw(st.integers(0, 12 - first))
        values = np.array(data.draw(st.lists(st.integers(0, 100), min_size=count, max_size=count)), field.dtype)
        match data.draw(st.sampled_from(["enqueue", "list", "index", "put", "fill", "batch", "back"])):
            case "enqueue":
                field.enqueue(values, first * field.dtype.itemsize)
            case "list":
                field.enqueue([BufferUpdate((first + k) * field.dtype.itemsize, 1, values[k : k + 1]) for k in range(count)])
            case "index":
                whole = flat.copy()
                whole[first : first + count] = values
                field[...] = whole.reshape(field.shape)
            case "put":
                field.put(np.arange(first, first + count), values)
            case "fill":
                values = np.full(count, 3, field.dtype)
                field.fill(3, first * field.dtype.itemsize, count)
            case "batch":
                with m.batch() as batch:
                    batch[name].enqueue(values, first * field.dtype.itemsize)
            case "back":
                with m.back() as fields:
                    fields[name].reshape(-1)[first : first + count] = values
        flat[first : first + count] = values
        if data.draw(st.booleans()):
            got = state(m)
            assert all((got[each] == model[each]).all() for each in NAMES)
    got = state(m)
    assert all((got[each] == model[each]).all() for each in NAMES)


def test_a_group_of_the_registry_gives_the_fields(make: Any) -> None:
    registry = backbuf.BufferRegistry(layout="typed")
    registry.register("k1", "solver", 3, "shared", precision="f32")
    registry.register("k2", "solver", 5, "shared", precision="f64")
    registry.register("old", "solver", 2, "local", persistent=True, precision="f32")
    group = registry.group("solver")
    cls = type(make())
    config = {"device": make().device} if issubclass(cls, GLBufferManager) else {}
    m = cls.from_group(group, label="solver", **config)
    assert [(f.name, f.shape, f.dtype.str, f.byte_offset) for f in m.fields.values()] == [
        ("k1", (3,), "<f4", 0),
        ("k2", (5,), "<f8", 16),
    ]
    m["k2"] = [1, 2, 3, 4, 5]
    assert state(m)["k2"].tolist() == [1, 2, 3, 4, 5]
    registry.update_buffer("k1", "solver", size=30)
    m["k1"] = 2
    assert state(m)["k1"].tolist() == [2, 2, 2], "the layout was read once"
    assert list(cls.from_group(group, "persistent", **config).fields) == ["old"]
    with pytest.raises(TypeError, match="group is a str"):
        cls.from_group("solver", **config)
    with pytest.raises(ValueError, match="space is 'local'"):
        cls.from_group(group, "local", **config)
    with pytest.raises(TypeError, match="initial: the group"):
        cls.from_group(group, initial={}, **config)
    with pytest.raises(backbuf.BackbufError):
        cls.from_group(registry.group("unknown"), **config)


def test_a_device_that_is_not_opengl_is_refused() -> None:
    with pytest.raises(backbuf.ArgumentError, match="needs OpenGL"):
        GLBufferManager(fields=FIELDS, device=backbuf.Device.host())


def test_changes_are_those_of_a_field(make: Any) -> None:
    m = make({"a": (100, "f4"), "b": (100, "f8")})
    mirror = m.snapshot()
    m["b"][50:52] = 1
    m.synchronize()
    m["a"][7] = 2
    m.synchronize()
    f = m.front()
    for name in mirror:
        changes = f.changed_since(0, name)
        assert changes.complete
        for part in changes:
            mirror[name][part] = f[name][part]
        assert (mirror[name] == f[name]).all()
    assert not f.changed_since(1, "b")
    assert sum(part.stop - part.start for part in f.changed_since(0, "b")) < 100
    with pytest.raises(TypeError, match="name one"):
        f.changed_since(0)
    with pytest.raises(backbuf.NotRegisteredError, match="'c'"):
        f.changed_since(0, "c")
