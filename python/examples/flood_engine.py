"""The C engine of the flood demo (examples_c/flood.h), compiled against the installed backbuf and called through ctypes."""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import time
from pathlib import Path

import numpy as np

import backbuf

SOURCES = Path(__file__).resolve().parents[2] / "examples_c"


def build(folder: Path) -> Path:
    """Compiles libflood.so into `folder`, for this machine's processor."""
    library = Path(backbuf.get_library())
    target = folder / "libflood.so"
    command = [
        *shlex.split(os.environ.get("CC", "cc")),
        *("-std=gnu11", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared"),
        *(f"-I{backbuf.get_include()}", str(SOURCES / "flood.c"), str(SOURCES / "flood_solver.c")),
        *(str(library), f"-Wl,-rpath,{library.parent}", "-lm", "-lpthread", "-o", str(target)),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(command, check=True)
    return target


class Config(ctypes.Structure):
    """flood_config"""

    _fields_ = (
        ("rows", ctypes.c_uint64),
        ("cols", ctypes.c_uint64),
        ("ground", ctypes.c_void_p),
        ("dx", ctypes.c_double),
        ("dy", ctypes.c_double),
        ("step_seconds", ctypes.c_double),
        ("rain_mm_h", ctypes.c_double),
        ("device", ctypes.c_void_p),
    )


class Report(ctypes.Structure):
    """flood_report"""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "steps",
            "wall_ns",
            "thread_cpu_ns",
            "solver_cpu_ns",
            "synchronize_p50_ns",
            "synchronize_p99_ns",
            "waits_for_readers",
        )
    )


class Engine:
    """Rain on `ground`, stepped by a C thread that never waits for Python.

    With `on_gl` its fronts are shared with the OpenGL context that is current on this thread.
    """

    def __init__(self, library: Path, ground: np.ndarray, dx: float, dy: float, rain_mm_h: float, on_gl: bool) -> None:
        self.step_seconds = 3.0 * min(dx, dy) / 75.0  # a wave on 25 m of water crosses 64 % of a cell
        self._c = ctypes.CDLL(str(library))
        self._c.bb_status_string.restype = ctypes.c_char_p
        self._c.flood_state.restype = ctypes.c_void_p
        self._c.flood_rain_per_step.restype = ctypes.c_double
        ground = np.ascontiguousarray(ground, dtype=np.float64)
        self._handle = ctypes.c_void_p()
        others = set(os.listdir("/proc/self/task"))
        self.device = backbuf.Device.shared(label="flood") if on_gl else None
        device = self.device.handle if self.device else None
        config = Config(*ground.shape, ground.ctypes.data, dx, dy, self.step_seconds, rain_mm_h, device)
        self._check(self._c.flood_create(ctypes.byref(config), ctypes.byref(self._handle)))
        # Linux names the processor clock of any thread by its id.
        self._worker_clocks = [(~int(task) << 3) | 6 for task in set(os.listdir("/proc/self/task")) - others]
        self.rain_per_step: float = self._c.flood_rain_per_step(self._handle)
        state = self._c.flood_state(self._handle)
        self.state = backbuf.GLBufferManager.attach(state) if on_gl else backbuf.attach(state)

    def hours(self, step: int) -> float:
        """Simulated time at a step."""
        return step * self.step_seconds / 3600

    def start(self) -> None:
        self._check(self._c.flood_start(self._handle))

    def worker_cpu_ns(self) -> int:
        """Processor time of the threads that the library has started for this engine."""
        return sum(time.clock_gettime_ns(clock) for clock in self._worker_clocks)

    def stop(self) -> Report:
        """Closes the state; its last front and its statistics stay readable."""
        report = Report()
        self._check(self._c.flood_stop(self._handle, ctypes.byref(report)))
        return report

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self._c.flood_destroy(self._handle)
        if self.device:
            self.device.close()

    def _check(self, status: int) -> None:
        if status != 0:
            raise RuntimeError(f"flood engine: {self._c.bb_status_string(status).decode()}")
