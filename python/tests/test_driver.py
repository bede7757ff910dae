"""Devices on a driver in a compiled module: the host driver of the C tests, by the address of its table."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest

import backbuf

SOURCE = """
#include "host_driver.h"
static host_driver driver;
static bb_driver table;
bb_driver *new_driver(void);
bb_driver *new_driver(void) { host_init(&driver); table = host_table(&driver); return &table; }
void fail_call(uint64_t number);
void fail_call(uint64_t number) { atomic_store(&driver.says, true); atomic_store(&driver.fail_at, number); }
int ends(void);
int ends(void) { return atomic_load(&driver.closes) + atomic_load(&driver.drops); }
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """A module with one driver; `new_driver` returns the address of its table."""
    folder = tmp_path_factory.mktemp("driver")
    (folder / "engine.c").write_text(SOURCE, encoding="utf-8")
    tests = Path(__file__).resolve().parents[2] / "c_tests"
    flags = ["-std=gnu11", "-shared", "-fPIC", f"-I{backbuf.get_include()}", f"-I{tests}"]
    subprocess.run(["cc", *flags, str(folder / "engine.c"), "-o", str(folder / "engine.so")], check=True)
    loaded = ctypes.CDLL(str(folder / "engine.so"))
    loaded.new_driver.restype = ctypes.c_void_p
    loaded.fail_call.argtypes = [ctypes.c_uint64]
    return loaded


@pytest.mark.parametrize("host_driven", [False, True])
def test_buffers_on_a_driver_by_its_address(engine: ctypes.CDLL, host_driven: bool) -> None:
    with backbuf.Device.from_driver(engine.new_driver(), label="engine", host_driven=host_driven) as device:
        assert device.info().kind == "custom"
        assert device.info().name == "host memory in C"
        assert repr(device) == "<Device 'engine' driver on host memory in C, open>"
        target = backbuf.DeviceBuffer(device, 16, backbuf.BufferUsage.STORAGE | backbuf.BufferUsage.COPY_SRC)
        encoder = backbuf.Encoder(device)
        encoder.write(target, np.arange(4, dtype="u4"))
        device.wait_fence(encoder.submit(), 10)
        assert device.statistics().bytes_written == 16
        assert engine.ends() == 0
    assert engine.ends() == 2


def test_failures_of_a_driver_are_exceptions_with_its_text(engine: ctypes.CDLL) -> None:
    address = engine.new_driver()
    engine.fail_call(1)
    with pytest.raises(backbuf.BackendError, match=r"driver\.open: call 1 of the test fails"):
        backbuf.Device.from_driver(address)
    assert engine.ends() == 0
    with backbuf.Device.from_driver(ctypes.c_void_p(engine.new_driver())) as device:
        engine.fail_call(1)
        with pytest.raises(backbuf.BackendError, match=r"driver\.create_buffer: call 2"):
            backbuf.DeviceBuffer(device, 16, backbuf.BufferUsage.STORAGE)
        assert device.leak_report() == ""


def test_what_is_no_driver_is_refused() -> None:
    with pytest.raises(TypeError, match="driver is a str"):
        backbuf.Device.from_driver("engine")
    with pytest.raises(backbuf.BackbufError, match="driver"):
        backbuf.Device.from_driver(0)
