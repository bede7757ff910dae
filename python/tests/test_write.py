"""Writes: accepted data and errors."""

from __future__ import annotations

import array
import contextlib
import gc
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from conftest import Manager

import backbuf
from backbuf import BufferUpdate, CBufferManager

NUMBERS = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16", "?"]
PARTICLE = np.dtype([("x", "f4", (3,)), ("kind", "u2")])


def state(m: CBufferManager) -> Any:
    m.synchronize(timeout=10)
    return m.snapshot()


@pytest.mark.parametrize("dtype", [*NUMBERS, PARTICLE, ml_dtypes.bfloat16, "S5", "U3", "V7", "M8[s]", "m8[ms]"])
def test_every_dtype(manager: Manager, dtype: Any) -> None:
    dtype = np.dtype(dtype)
    raw = np.random.default_rng(1).integers(0, 2 if dtype == np.bool_ else 127, 6 * dtype.itemsize, dtype="u1")
    values = raw.view(dtype)
    m = manager((2, 3), dtype)
    m.enqueue(values[:4], 2 * dtype.itemsize)
    m[0, :2] = values[4:]
    expected = np.concatenate([values[4:], values[:4]]).reshape(2, 3)
    got = state(m)
    assert got.dtype == dtype
    assert got.tobytes() == expected.tobytes()
    again = manager.from_array(got)
    assert again.dtype == dtype
    assert again.snapshot().tobytes() == got.tobytes()
    if dtype.kind != "V" or dtype.names is None:
        assert backbuf.attach(m.handle).dtype.itemsize == dtype.itemsize


@pytest.mark.parametrize("dtype", ["O", [("a", "O")], ">f4", ">i8", "f4,O", "g", "S0", np.dtype(("f4", (2,)))])
def test_dtypes_refused(dtype: Any) -> None:
    with pytest.raises(TypeError, match="dtype"):
        CBufferManager(3, dtype)


@pytest.mark.parametrize("dtype", NUMBERS[:-1])
def test_numbers_are_elements(manager: Manager, dtype: str) -> None:
    m = manager(4, dtype)
    size = m.dtype.itemsize
    m.enqueue(7)
    m.enqueue(True, size)
    m[2] = 9
    m.fill(5, 3 * size)
    assert state(m).tolist() == [7, 1, 9, 5]


@pytest.mark.parametrize(("dtype", "low", "high"), [(d, np.iinfo(d).min, np.iinfo(d).max) for d in NUMBERS[:8]])
def test_whole_numbers_must_fit(manager: Manager, dtype: str, low: int, high: int) -> None:
    m = manager(2, dtype)
    m.enqueue(low)
    m.enqueue(high, m.dtype.itemsize)
    for wrong in (low - 1, high + 1, 1 << 70, -(1 << 70)):
        for call in (lambda v: m.enqueue(v), lambda v: m.fill(v), lambda v: m.__setitem__(0, v), lambda v: m.put([0], v)):
            with pytest.raises(OverflowError):
                call(wrong)
    assert state(m).tolist() == [low, high]


@pytest.mark.parametrize(("dtype", "value"), [("i4", 1.5), ("u1", 1j), ("f4", 1j), ("?", 2), ("i8", "1"), ("f8", None)])
def test_other_kinds_are_refused(manager: Manager, dtype: str, value: Any) -> None:
    m = manager(2, dtype)
    for call in (m.enqueue, m.fill, lambda v: m.__setitem__(0, v), lambda v: m.put([0], v)):
        with pytest.raises(TypeError):
            call(value)
    assert not state(m).any()


@pytest.mark.parametrize("given", ["f8", "i4", "u4", "c8", "f2", "?"])
def test_enqueue_never_reinterprets(manager: Manager, given: str) -> None:
    m = manager(4, "f4")
    with pytest.raises(TypeError, match=f"data has dtype {np.dtype(given)}, the state has float32"):
        m.enqueue(np.zeros(2, given))
    with pytest.raises(TypeError, match="data has dtype"):
        m.enqueue(np.zeros(2, given)[0])


def test_enqueue_takes_any_layout(manager: Manager) -> None:
    source = np.arange(24, dtype="f4").reshape(4, 6)
    frozen = source.copy()
    frozen.flags.writeable = False
    for data in (
        source,
        source.T,
        source[::2, ::-3],
        source[:, :1],
        frozen,
        source.astype(">f4"),
        source[1:1],
        source[0, 0, None],
    ):
        m = manager(24, "f4")
        m.enqueue(data)
        assert state(m)[: data.size].tolist() == data.ravel().tolist()
    m.enqueue(np.float32(4))
    m.enqueue(np.array(5, "f4"), 4)
    m.enqueue(memoryview(source[0]), 8)
    m.enqueue(array.array("f", [1, 2]), 32)
    assert state(m)[:10].tolist() == [4, 5, 0, 1, 2, 3, 4, 5, 1, 2]


def test_raw_bytes_are_whole_elements(manager: Manager) -> None:
    m = manager(4, "<i4")
    m.enqueue(b"\1\0\0\0\2\0\0\0")
    m.enqueue(bytearray(b"\3\0\0\0"), 8)
    assert state(m).tolist() == [1, 2, 3, 0]
    with pytest.raises(ValueError, match="data has 6 bytes"):
        m.enqueue(b"123456")
    m.enqueue(memoryview(b"\4\0\0\0"), 12)
    assert state(m).tolist() == [1, 2, 3, 4]
    for typed in (np.zeros(4, "u1"), array.array("b", [1, 2, 3, 4])):  # never reinterpreted
        with pytest.raises(TypeError, match=r"data has dtype u?int8"):
            m.enqueue(typed)
    u = manager(4, "u1")
    u.enqueue(b"abc", 1)
    u.enqueue(memoryview(b"z"))
    assert state(u).tobytes() == b"zabc"


@pytest.mark.parametrize("data", [[1, 2], (1, 2), "text", object(), {}, [np.zeros(1)]])
def test_other_objects_are_refused(manager: Manager, data: Any) -> None:
    m = manager(4, "f8")
    with pytest.raises(TypeError):
        m.enqueue(data)


def test_a_tuple_is_a_structured_element(manager: Manager) -> None:
    m = manager(2, PARTICLE)
    m.enqueue(((1, 2, 3), 4), PARTICLE.itemsize)
    m[0] = ((5, 6, 7), 8)
    assert state(m).tobytes() == np.array([((5, 6, 7), 8), ((1, 2, 3), 4)], PARTICLE).tobytes()
    with pytest.raises(TypeError):
        m.enqueue(np.zeros(1, [("x", "f4", (3,)), ("other", "u2")]))


def test_offsets_are_checked(manager: Manager) -> None:
    m = manager(4, "f4", label="pond")
    for data in (1.0, np.zeros(1, "f4")):
        with pytest.raises(backbuf.ArgumentError, match="byte_offset"):
            m.enqueue(data, 2)
        with pytest.raises(IndexError, match="pond"):
            m.enqueue(data, 16)
        with pytest.raises(IndexError):
            m.enqueue(data, 2**64 - 4)
        for wrong in (-4, 2**64):
            with pytest.raises(ValueError, match="byte_offset"):
                m.enqueue(data, wrong)
        with pytest.raises(TypeError):
            m.enqueue(data, 4.0)
    with pytest.raises(IndexError):
        m.enqueue(np.zeros(5, "f4"))
    refused = m.statistics().refused
    assert refused["BB_E_ALIGN"] == 2
    assert not state(m).any()


def test_calls_keep_no_references(manager: Manager) -> None:
    m = manager(100, "f4")
    array, indices, offset, wrong = np.ones(4, "f4"), np.arange(4), 2**40, np.ones(4)
    calls = (
        lambda: m.enqueue(array),
        lambda: m.enqueue(array, byte_offset=4),
        lambda: m.enqueue(array[::2]),
        lambda: m.put(indices, array),
        lambda: m.put(indices[::2], 1.0),
        lambda: m.enqueue(array, offset),
        lambda: m.enqueue(wrong),
        lambda: m.synchronize(timeout=1),
        lambda: m.synchronize(offset),
        lambda: m.tag(offset),
    )

    def references() -> list[int]:
        return [sys.getrefcount(thing) for thing in (array, indices, offset, wrong, m.dtype, m, manager)]

    gc.collect()  # garbage of earlier tests also refers to the class
    before = references()
    for call in calls:
        for _ in range(50):
            with contextlib.suppress(IndexError, TypeError):
                call()
    gc.collect()
    assert references() == before


def test_arguments_by_keyword(manager: Manager) -> None:
    m = manager(4, "f4")
    m.enqueue(data=1.0, byte_offset=4, timeout=1)
    m.enqueue(2.0, byte_offset=8)
    m.put(indices=[3], values=[3.0], timeout=1)
    m.tag(tag=5)
    assert state(m).tolist() == [0, 1, 2, 3]
    assert m.synchronize(timeout=0.5) == 1
    with m.front() as f:
        assert f.tag == 5
    for wrong in (lambda: m.enqueue(), lambda: m.enqueue(1, 2, 3, 4), lambda: m.enqueue(1, offset=3)):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(TypeError):
        m.synchronize(1, 2)
    with pytest.raises(TypeError):
        m.synchronize(time=1)


def test_buffer_updates(manager: Manager) -> None:
    m = manager(6, "i2")
    m.enqueue(BufferUpdate(2, 2, np.array([1, 2], "i2")))
    m.enqueue([BufferUpdate(6, 1, 3), BufferUpdate(8, 2, np.array([4, 5], "i2"))])
    m.enqueue([])
    assert state(m).tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="length is 3, but its data has 2 elements"):
        m.enqueue(BufferUpdate(0, 3, np.array([1, 2], "i2")))
    with pytest.raises(ValueError, match="byte_offset"):
        m.enqueue(BufferUpdate(0, 1, 1), 2)
    with pytest.raises(IndexError):
        m.enqueue([BufferUpdate(0, 1, 9), BufferUpdate(12, 1, 9), BufferUpdate(2, 1, 9)])
    assert state(m).tolist() == [0, 1, 2, 3, 4, 5], "a batch is accepted whole or not at all"


def test_put(manager: Manager) -> None:
    m = manager((3, 4), "i4")
    m.put(np.array([0, 5, -1]), np.array([1, 2, 3], "i4"))
    m.put([[1, 2], [3, 4]], 7)
    m.put(np.uint8(6), 8)
    m.put([], [])
    m.put([7, 7], [1, 2])
    m.put(np.array([8, 9], ">i8")[::-1], np.array([5, 6], ">i2"))
    expected = np.zeros(12, "i4")
    expected[[0, 5, -1, 1, 2, 3, 4, 6, 7, 8, 9]] = [1, 2, 3, 7, 7, 7, 7, 8, 2, 6, 5]
    assert state(m).ravel().tolist() == expected.tolist()
    for index in (12, -13, 2**62, np.uint64(2**63)):
        with pytest.raises(IndexError):
            m.put(np.array([index, index]), np.array([9, 9], "i4"))
    with pytest.raises(TypeError, match="whole numbers"):
        m.put([0.5], [1])
    with pytest.raises(TypeError):
        m.put([0], [0.5])
    with pytest.raises(ValueError, match="broadcast"):
        m.put([0, 1, 2], [1, 2])
    assert state(m).ravel().tolist() == expected.tolist()


def test_put_of_many(manager: Manager) -> None:
    rng = np.random.default_rng(2)
    for many in (1_000, 5_000, 100_000):
        m, expected = manager(50_000, "f4"), np.zeros(50_000, "f4")
        indices, values = rng.integers(-50_000, 50_000, many), rng.random(many, "f4")
        m.put(indices, values)
        for index, value in zip(indices, values, strict=True):
            expected[index] = value
        assert (state(m) == expected).all()


def test_large_arrays_and_full_queue(manager: Manager) -> None:
    m = manager((64, 1024), "f8", queue_bytes=4096)
    data = np.random.default_rng(3).random((64, 1024))
    m.enqueue(data)
    m[3] = data[4]
    data[3] = data[4]
    assert (state(m) == data).all()


def test_fill(manager: Manager) -> None:
    m = manager((2, 4), "u2")
    m.fill(3)
    m.fill(np.uint16(4), 4, 2)
    m.fill(5, 16, 0)
    assert state(m).ravel().tolist() == [3, 3, 4, 4, 3, 3, 3, 3]
    with pytest.raises(IndexError):
        m.fill(1, 4, 7)
    with pytest.raises(ValueError, match="2 elements"):
        m.fill([1, 2])


@pytest.mark.parametrize("shape", [0, (0,), (3, 0, 2), ()])
def test_states_without_elements_or_axes(manager: Manager, shape: Any) -> None:
    m = manager(shape, "f4")
    m[...] = 2
    m[()] = 3
    m.enqueue(np.zeros(0, "f4"))
    got = state(m)
    assert got.shape == (shape if isinstance(shape, tuple) else (shape,))
    assert (got == 3).all()
    assert m.front().array.shape == got.shape
    assert not m.front().array.flags.writeable
    with m.back() as a:
        a[...] = 4
    assert (state(m) == 4).all()


def test_bad_shapes() -> None:
    for shape in (-1, (2, -3), 2**64):
        with pytest.raises(ValueError, match="shape"):
            CBufferManager(shape)
    with pytest.raises(TypeError):
        CBufferManager(1.5)
    with pytest.raises(backbuf.ArgumentError):
        CBufferManager((1,) * 17)
    with pytest.raises(backbuf.OutOfRangeError):
        CBufferManager((2**40, 2**40))
    with pytest.raises(MemoryError):
        CBufferManager(2**50, "u1")


def test_config_is_checked(manager: Manager) -> None:
    for config in ({"copies": 1}, {"copies": 9}, {"worker_priority": 1000}):
        with pytest.raises(backbuf.BackbufError):
            manager(2, **config)
    for name, value in (("label", 5), ("flush", 5)):
        with pytest.raises(TypeError, match=f"{name} is a int"):
            manager(2, **{name: value})
    for name, value in (("worker", "none"), ("worker_affinity", [64]), ("queue_bytes", -1), ("copies", -1)):
        with pytest.raises(ValueError, match=f"{name} is"):
            manager(2, **{name: value})
    with pytest.raises(TypeError):
        manager(2, initial=np.array([1.5, 2.5], "c8"))
    m = manager((2, 2), "i4", initial=[1, 2], worker="only", worker_affinity={0}, queue_bytes=8192, copies=2)
    assert m.snapshot().tolist() == [[1, 2], [1, 2]]
    m[0, 0] = 5
    assert state(m).tolist() == [[5, 2], [1, 2]]


def test_from_array_takes_any_array(manager: Manager) -> None:
    for source in (
        np.arange(6).reshape(2, 3).T,
        np.arange(6, dtype=">f4")[::-2],
        np.float32(3),
        [[1, 2], [3, 4]],
        np.zeros((0, 2)),
    ):
        m = manager.from_array(source, label="copy")
        assert m.shape == np.shape(source)
        assert m.dtype.isnative
        assert (m.snapshot() == source).all()
