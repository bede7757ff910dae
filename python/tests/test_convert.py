"""Fronts as arrays of NumPy and other consumers, lifetimes of their memory, and what notebooks show."""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from conftest import Manager

import backbuf
from backbuf import CBufferManager

HAS_BUFFERS = not os.environ.get("BACKBUF_NO_EXTENSION") or sys.version_info >= (3, 12)
needs_buffers = pytest.mark.skipif(not HAS_BUFFERS, reason="before Python 3.12 only the extension exports buffers")
DTYPES = ["?", "u1", "i8", "f2", "f4", "f8", "c16", "S5", "U3", "V7", "M8[s]", "m8[ms]", ml_dtypes.bfloat16]
PARTICLE = np.dtype([("x", "f4", (3,)), ("kind", "u2")])


class Interface:
    """An object that exports only the array interface of another one, as some libraries read it."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing
        self.__array_interface__ = thing.__array_interface__


def filled(manager: Manager, shape: Any = (2, 3), dtype: Any = "f4", value: Any = 2) -> CBufferManager:
    m = manager(shape, dtype)
    m[...] = value
    m.synchronize()
    return m


@pytest.mark.parametrize("dtype", [*DTYPES, PARTICLE])
def test_numpy_takes_a_front_of_every_dtype(manager: Manager, dtype: Any) -> None:
    dtype = np.dtype(dtype)
    raw = np.random.default_rng(1).integers(0, 2 if dtype == np.bool_ else 127, 6 * dtype.itemsize, dtype="u1")
    m = manager.from_array(raw.view(dtype).reshape(2, 3))
    f = m.front()
    for array in (np.asarray(f), np.asarray(m.front()), np.asarray(f, dtype=dtype), np.array(f, copy=None)):
        assert (array.dtype, array.shape) == (dtype, (2, 3))
        assert array.tobytes() == raw.tobytes()
        assert not array.flags.writeable
    copy = np.array(f)
    assert copy.flags.writeable
    assert not np.shares_memory(copy, f.array)


def test_copies_are_made_only_on_demand(manager: Manager) -> None:
    f = filled(manager).front()
    assert np.shares_memory(np.asarray(f), f.array)
    assert np.shares_memory(np.asarray(f, copy=False), f.array)
    assert not np.shares_memory(np.asarray(f, copy=True), f.array)
    assert np.asarray(f, dtype="f8").dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        np.asarray(f, dtype="f8", copy=False)


def test_functions_of_numpy_compute_with_a_front(manager: Manager) -> None:
    f = filled(manager).front()
    assert np.sum(f) == 12
    assert np.mean(f, axis=0).tolist() == [2, 2, 2]
    assert (np.add(f, 1) == 3).all()
    assert np.concatenate([f, f]).shape == (4, 3)
    assert np.stack([f, np.zeros((2, 3))]).shape == (2, 2, 3)


@needs_buffers
def test_a_front_is_a_read_only_buffer(manager: Manager) -> None:
    f = filled(manager).front()
    view = memoryview(f)
    assert (view.shape, view.format, view.readonly) == ((2, 3), "f", True)
    assert view.tolist() == [[2, 2, 2], [2, 2, 2]]
    with pytest.raises(ValueError, match="WRITEABLE"):
        np.frombuffer(f).flags.writeable = True
    assert bytes(f) == f.array.tobytes()
    f.release()
    with pytest.raises(ValueError, match="released"):
        memoryview(f)
    assert view.tolist() == [[2, 2, 2], [2, 2, 2]], "the view keeps the memory"


CONSUMERS = {"asarray": np.asarray, "interface": lambda f: np.asarray(Interface(f)), "array": lambda f: f.array[1:]}
if HAS_BUFFERS:
    CONSUMERS |= {"memoryview": memoryview, "frombuffer": lambda f: np.frombuffer(f, "f4")}
    CONSUMERS |= {"ndarray": lambda f: np.ndarray((1000,), "f4", f)}


@pytest.mark.parametrize("name", CONSUMERS)
def test_what_was_made_of_a_front_keeps_its_memory(manager: Manager, name: str) -> None:
    m = filled(manager, 1000)
    f = m.front()
    kept = CONSUMERS[name](f)
    assert m.statistics().leases_live == 1
    f.release()
    if name in ("array", "memoryview"):  # the others may refer to the front itself
        del f
    for step in range(6):
        m[...] = step
        m.synchronize(timeout=10)
    assert m.statistics().leases_live == 1
    assert np.asarray(kept).ravel()[1] == 2
    m.destroy()
    assert np.asarray(kept).ravel()[-1] == 2


def test_a_released_front_is_refused(manager: Manager) -> None:
    m = filled(manager)
    f = m.front()
    f.release()
    for call in (np.asarray, np.sum, lambda f: f.__array_interface__, lambda f: f.__dlpack_device__()):
        with pytest.raises(ValueError, match="released"):
            call(f)
    assert m.statistics().leases_live == 0


def test_the_interface_of_a_front_holds_it_until_its_last_reference(manager: Manager) -> None:
    m = filled(manager)
    f = m.front()
    assert f.__array_interface__["shape"] == (2, 3)
    assert f.__array_interface__["data"][1], "read-only"
    f.release()
    gc.collect()
    assert m.statistics().leases_live == 1
    del f
    assert m.statistics().leases_live == 0


@pytest.mark.parametrize("call", [np.asarray, np.array, np.sum, lambda m: np.add(m, 1), lambda m: np.concatenate([m, m])])
def test_a_manager_names_what_to_use_instead(manager: Manager, call: Any) -> None:
    m = filled(manager)
    with pytest.raises(TypeError, match=r"use m\.front\(\)\.array or m\.snapshot\(\)"):
        call(m)


def test_notebooks_show_managers_and_fronts(manager: Manager) -> None:
    m = manager((300, 2), "f4", label="<grid> & co")
    m.tag(7)
    m[0] = 1.5
    m.synchronize()
    f = m.front()
    for html in (m._repr_html_(), f._repr_html_()):
        assert "&lt;grid&gt; &amp; co" in html
        assert "<grid>" not in html
        assert "(300, 2)" in html
        assert "float32" in html
        assert m._backend in html
        assert len(html) < 4000
    assert "1.5" in f._repr_html_()
    assert "open" in m._repr_html_()
    assert (m._backend in repr(m), m._backend in repr(f), "<grid>" in repr(f)) == (True, True, True)
    f.release()
    assert "1.5" not in f._repr_html_()
    m.destroy()
    assert "released" in m._repr_html_()


def test_notebooks_show_statistics_and_layouts() -> None:
    m = CBufferManager(3)
    m.enqueue(1.0)
    assert "updates</th>" in m.statistics()._repr_html_()
    assert "kind</th>" in backbuf.Device.host(label="d").info()._repr_html_()
    registry = backbuf.BufferRegistry()
    registry.register("k1", "solver", 3, "shared")
    assert "shared_bytes</th>" in registry.info("solver")._repr_html_()
    assert "<svg" in registry.group("solver")._repr_html_()
