"""Managers whose fronts have a copy on a device: host memory, a driver in C, OpenGL and WebGPU."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conftest import WGPU

import backbuf
from backbuf import CBufferManager, Device


@pytest.fixture(params=["host", "gl", *WGPU])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """A device of each backend of this build."""
    kind = request.param
    if kind == "host":
        made = Device.host(label="device")
    elif kind == "gl":
        made = request.getfixturevalue("stage").device
    else:
        made = Device.wgpu(kind.removeprefix("wgpu-"), label="device")
    yield made
    if kind != "gl":
        gc.collect()
        assert made.leak_report() == ""
        made.close()


def memory(front: backbuf.DeviceFront) -> Any:
    """The bytes of a front on a host device."""
    return np.ctypeslib.as_array((ctypes.c_ubyte * front.nbytes).from_address(front.native))


def test_each_front_has_a_copy_on_the_device(device: Device) -> None:
    model = np.zeros((6, 5), "f4")
    with CBufferManager((6, 5), "f4", device=device, label="state") as m:
        for step in range(20):
            m[step % 6] = model[step % 6] = step
            m.tag(step)
            epoch = m.synchronize()
            assert (m.snapshot() == model).all()
            with m.front_device() as f:
                assert (f.epoch, f.tag, f.nbytes) == (epoch, step, model.nbytes)
                assert f.native != 0
                assert f.changed_since(0)
                if device.info().kind == "host":
                    assert memory(f).tobytes() == model.tobytes()
            assert repr(f).endswith(f"epoch {epoch}, tag {step}, released>")


def test_fields_are_ranges_of_the_buffer(device: Device) -> None:
    m = CBufferManager(fields={"qpos": (7, "f8"), "depth": ((4, 6), "u2")}, device=device)
    with m.batch() as b:
        b["depth"][1:3] = 9
        b["qpos"][:] = np.arange(7.0)
    m.synchronize()
    with m.front_device() as f, m.front() as front:
        assert list(f.fields) == ["qpos", "depth"]
        for name, field in f.fields.items():
            assert (field.shape, field.dtype, field.nbytes) == (front[name].shape, front[name].dtype, front[name].nbytes)
            if device.info().kind == "host":
                assert memory(f)[field.offset : field.offset + field.nbytes].tobytes() == front[name].tobytes()
        with pytest.raises(backbuf.NotRegisteredError):
            f["velocity"]
        with pytest.raises(TypeError, match="not an array"):
            np.asarray(f)
    m.destroy()


def test_a_held_front_does_not_change() -> None:
    device = Device.host()
    m = CBufferManager(100, "i4", device=device)
    stop = threading.Event()

    def write() -> None:
        for step in range(1, 200):
            m[:] = step
            m.synchronize(timeout=10)
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not stop.is_set():
        with m.front_device() as f:
            values = memory(f).view("i4")
            first = values.copy()
            assert (first == first[0]).all()
            assert (values == first).all()
    writer.join()
    m.destroy()
    device.close()


def test_misuse() -> None:
    with pytest.raises(TypeError, match="device is a str"):
        CBufferManager(4, device="host")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(backbuf.StateError):
        CBufferManager(4).front_device()
    closed = Device.host()
    closed.close()
    with pytest.raises(backbuf.BackbufError):
        CBufferManager(4, device=closed)
    device = Device.host(label="kept")
    m = CBufferManager(4, "f4", device=device)
    assert "host memory" in repr(m)
    del device  # the manager keeps it open
    gc.collect()
    m.enqueue(1.0)
    m.synchronize()
    f = m.front_device()
    assert memory(f).view("f4").tolist() == [1, 0, 0, 0]
    f.release()
    f.release()
    with pytest.raises(ValueError, match="is released"):
        f.changed_since(0)
    m.destroy()
    with pytest.raises(backbuf.ClosedError):
        m.front_device()
