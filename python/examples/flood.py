#!/usr/bin/env python3
"""Rain runs off a real landscape in a C engine; Python reads stable fronts while it runs.

The engine (examples_c/flood.c) steps at full speed on its own thread and publishes every step. Python reads the newest front
whenever it is ready, and checks that it holds exactly the water that had rained by its step, which a front torn between two
steps would not. Writes a picture, an animation and a table of measurements.

With --device gl the state is also in OpenGL buffers, from which some fronts are read and checked in the same way.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flood_engine
import numpy as np
from flood_engine import Engine
from flood_picture import Frame, Map
from matplotlib.cbook import get_sample_data
from tqdm import tqdm

import backbuf

FRAMES_KEPT_PER_SECOND = 5
FRAMES_SHOWN_PER_SECOND = 12

State = Mapping[str, np.ndarray]
"""A front's fields: depth, flow, rain and terrain."""


def is_whole(state: State, step: int, rain_per_step: float) -> bool:
    """Whether `state` holds all water that had rained by `step`, and no more.

    The comparison is exact: the engine moves water in whole units of 2^-32 m, so the sums do not depend on their order.
    """
    return float(state["depth"].sum()) == float(state["rain"].sum()) == step * rain_per_step


def torn_on_purpose(older: State, newer: State, step: int) -> Iterator[tuple[State, int]]:
    """States that a reader without a lease might see: mixtures of two states, and a state with the number of another step."""
    half = len(newer["depth"]) // 2
    for names, rows in ((newer, np.s_[:half]), (("depth",), np.s_[:]), (("rain",), np.s_[:]), (("depth",), np.s_[half:])):
        torn = {name: array.copy() for name, array in newer.items()}
        for name in names:
            torn[name][..., rows, :] = older[name][..., rows, :]
        yield torn, step
    yield newer, step - 1


def landscape(rows: int | None) -> tuple[np.ndarray, float, float]:
    """The Jacksboro fault of matplotlib's sample data: elevations at `rows` rows, and the size of a cell in metres."""
    with np.load(get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)) as dem:
        ground = dem["elevation"].astype(float)
        dy = 111_200 * float(dem["dy"])
        dx = 111_200 * float(dem["dx"]) * np.cos(np.radians(float(dem["ymin"])))
    if rows is not None:
        old_rows, old_cols = ground.shape
        cols = round(rows * old_cols / old_rows)
        at_row, at_col = np.linspace(0, old_rows - 1, rows), np.linspace(0, old_cols - 1, cols)
        ground = np.array([np.interp(at_col, np.arange(old_cols), line) for line in ground])
        ground = np.array([np.interp(at_row, np.arange(old_rows), line) for line in ground.T]).T
        dx, dy = dx * old_cols / cols, dy * old_rows / rows
    return ground, dx, dy


def opengl() -> Any:
    """An OpenGL context without a window; None, with a message, if there is none."""
    try:
        import moderngl

        backbuf.Device().close()
    except (ImportError, backbuf.UnsupportedError) as error:
        print(f"no OpenGL here, so the state is in host memory alone: {error}")
        return None
    return moderngl.create_context(require=330, standalone=True, backend="egl")


class Stopwatch:
    """Processor time of the calling thread, summed over blocks."""

    def __init__(self) -> None:
        self.ns = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        start = time.thread_time_ns()
        yield
        self.ns += time.thread_time_ns() - start


class Reader:
    """Reads fronts of a running engine at its own rate, checks each, and keeps some for the animation."""

    def __init__(self, engine: Engine, context: Any) -> None:
        self.engine, self.context = engine, context
        self.read_from = context.buffer(reserve=engine.state.nbytes) if context else None
        self.fronts = engine.state.fronts(timeout=5.0)
        self.in_library = Stopwatch()
        self.taken = self.taken_gl = self.torn = 0
        self.frames: list[Frame] = []
        self.kept = self.kept_before = engine.state.snapshot()

    def read(self, seconds: float) -> None:
        start, next_frame = time.monotonic(), 0.0
        style = "{l_bar}{bar}| {n:.0f}/{total:.0f} s{postfix}"
        with tqdm(total=seconds, bar_format=style, disable=None) as bar:
            while (elapsed := time.monotonic() - start) < seconds:
                with self.in_library.running():
                    front = next(self.fronts, None)
                if front is None:
                    break  # the engine has stopped; its stop() returns the error
                self.taken += 1
                self.check(front.fields, front.tag)
                if elapsed >= next_frame:
                    next_frame = elapsed + 1 / FRAMES_KEPT_PER_SECOND
                    self.keep(front.fields, front.tag)
                    self.check_gl()
                    bar.update(elapsed - bar.n)
                    bar.set_postfix_str(f"step {front.tag}, {self.taken} fronts checked, {self.torn} torn")
                with self.in_library.running():
                    front.release()
            bar.update(seconds - bar.n)

    def check(self, state: State, step: int) -> None:
        if not is_whole(state, step, self.engine.rain_per_step):
            self.torn += 1
            tqdm.write(f"step {step} is TORN")

    def check_gl(self) -> None:
        """Checks the newest front in its OpenGL buffer."""
        if self.context:
            with self.engine.state.front_gl() as front:
                self.context.copy_buffer(self.read_from, self.context.external_buffer(front.buffer, front.nbytes))
                fields = front.fields
            bytes_read = self.read_from.read()
            state = {
                name: np.frombuffer(bytes_read, field.dtype, math.prod(field.shape), field.offset).reshape(field.shape)
                for name, field in fields.items()
            }
            self.check(state, front.tag)
            self.taken_gl += 1

    def keep(self, state: State, step: int) -> None:
        fell = state["rain"] - self.kept["rain"]
        self.frames.append(Frame.of(state["depth"], fell, self.engine.hours(step)))
        self.kept_before, self.kept = self.kept, {name: array.copy() for name, array in state.items()}


def run(engine: Engine, seconds: float, context: Any) -> tuple[dict[str, Any], Reader, int]:
    """Runs engine and reader; returns the measurements, the reader with the last state in `kept`, and the number of that
    step.
    """
    reader = Reader(engine, context)
    cpu_start, start = time.process_time_ns(), time.monotonic()
    engine.start()
    reader.read(seconds)
    worker_cpu = engine.worker_cpu_ns()
    report = engine.stop()
    elapsed, cpu = time.monotonic() - start, time.process_time_ns() - cpu_start

    with engine.state.front() as last:
        step = last.tag
        reader.check(last.fields, step)
        reader.keep(last.fields, step)
        reader.check_gl()
    torn = list(torn_on_purpose(reader.kept_before, reader.kept, step))
    caught = [not is_whole(state, claimed, engine.rain_per_step) for state, claimed in torn]

    # CPU time of the engine's thread and the library's worker without the numerics (clock reads included).
    publishing = report.thread_cpu_ns + worker_cpu - report.solver_cpu_ns
    statistics = engine.state.statistics()
    measured = {
        "fields": {name: field.shape for name, field in engine.state.fields.items()},
        "state_bytes": engine.state.nbytes,
        "seconds": elapsed,
        "simulated_hours": engine.hours(step),
        "steps_per_s": report.steps / report.wall_ns * 1e9,
        "updates_per_s": statistics.updates / report.wall_ns * 1e9,
        "fronts_per_s": reader.taken / elapsed,
        "fronts_checked": reader.taken + 1,
        "fronts_checked_on_gl": reader.taken_gl,
        "fronts_torn": reader.torn,
        "torn_on_purpose": len(torn),
        "torn_on_purpose_caught": sum(caught),
        "synchronize_p50_us": report.synchronize_p50_ns / 1000,
        "synchronize_p99_us": report.synchronize_p99_ns / 1000,
        "waits_for_readers": report.waits_for_readers,
        "copied_forward_bytes": statistics.copied_forward_bytes,
        "full_copies_bytes": statistics.epochs * engine.state.nbytes,
        "library_share_of_engine_cpu": publishing / (report.thread_cpu_ns + worker_cpu),
        "library_share_of_process_cpu": (publishing + reader.in_library.ns) / cpu,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "device": engine.device.info().name if engine.device else None,
        "uploaded_bytes": engine.device.statistics().bytes_written if engine.device else 0,
    }
    return measured, reader, step


def table(m: dict[str, Any]) -> str:
    copied = m["copied_forward_bytes"] / m["full_copies_bytes"]
    lines: tuple[tuple[str, str], ...] = (
        ("state", f"{', '.join(f'{name} {shape}' for name, shape in m['fields'].items())}"),
        ("  in one epoch", f"{m['state_bytes'] / 1e6:.1f} MB of float64"),
        ("ran for", f"{m['seconds']:.1f} s, {m['simulated_hours']:.1f} h in the landscape"),
        ("steps/s", f"{m['steps_per_s']:,.0f}"),
        ("updates/s", f"{m['updates_per_s']:,.0f}"),
        ("fronts/s", f"{m['fronts_per_s']:,.0f}"),
        ("synchronize p50", f"{m['synchronize_p50_us']:.1f} us"),
        ("synchronize p99", f"{m['synchronize_p99_us']:.1f} us"),
        ("bytes copied forward", f"{m['copied_forward_bytes'] / 1e6:,.0f} MB"),
        ("full copies would have cost", f"{m['full_copies_bytes'] / 1e6:,.0f} MB ({copied:.1%} was copied)"),
        ("library's share of the CPU time", f"{m['library_share_of_process_cpu']:.1%}"),
        ("  of the engine's CPU time", f"{m['library_share_of_engine_cpu']:.1%}"),
        ("peak memory", f"{m['peak_memory_bytes'] / 1e6:.0f} MB, including Python"),
        ("torn fronts", f"{m['fronts_torn']} of {m['fronts_checked'] + m['fronts_checked_on_gl']:,}"),
        ("  torn on purpose, detected", f"{m['torn_on_purpose_caught']} of {m['torn_on_purpose']}"),
    )
    if m["device"]:
        lines += (
            ("OpenGL", m["device"]),
            ("  uploaded", f"{m['uploaded_bytes'] / 1e6:,.0f} MB"),
            ("  fronts read from OpenGL", f"{m['fronts_checked_on_gl']}"),
        )
    return "".join(f"{name:<34}{value}\n" for name, value in lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--seconds", type=float, default=25.0, help="time that the engine runs (default: %(default)g)")
    add("--size", type=int, metavar="ROWS", help="resample the landscape to ROWS rows (default: the original 344)")
    add("--rain", type=float, metavar="MM_H", default=200.0, help="rain in the storm's centre, mm/h (default: %(default)g)")
    add("--device", choices=("host", "gl"), default="host", help="host memory only, or OpenGL as well (default: %(default)s)")
    add("--output", type=Path, default=Path("target/demo"), help="folder for the results (default: %(default)s)")
    given = parser.parse_args()
    if not given.seconds > 0:
        parser.error(f"--seconds {given.seconds:g}: must be above 0")
    if given.size is not None and not 16 <= given.size <= 2048:
        parser.error(f"--size {given.size}: must be 16 to 2048 rows")
    if not 0 < given.rain <= 1000:
        parser.error(f"--rain {given.rain:g}: must be above 0 and at most 1000 mm/h")
    return given


def main() -> int:
    given = arguments()
    output: Path = given.output
    library = flood_engine.build(output)
    ground, dx, dy = landscape(given.size)
    context = opengl() if given.device == "gl" else None
    with Engine(library, ground, dx, dy, given.rain, on_gl=context is not None) as engine:
        measured, reader, step = run(engine, given.seconds, context)

    text = table(measured)
    print(text, end="")
    (output / "flood.txt").write_text(text)
    (output / "flood.json").write_text(json.dumps(measured, indent=2) + "\n")
    land = Map(ground, dx, dy)
    title = f"Rain runs off the Jacksboro fault: after {measured['simulated_hours']:.1f} h"
    note = f"step {step:,}; {measured['fronts_checked']:,} fronts read live, {measured['fronts_torn']} torn"
    land.picture(reader.kept["depth"], title, note, output / "flood.png")
    land.animation(reader.frames, output / "flood.webp", FRAMES_SHOWN_PER_SECOND)
    print(f"written to {output}: flood.png, flood.webp, flood.txt, flood.json")
    trusted = measured["torn_on_purpose_caught"] == measured["torn_on_purpose"]
    return 0 if trusted and measured["fronts_torn"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
