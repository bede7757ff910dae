"""Short runs of the examples that draw pictures; the checks inside the examples can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import WGPU
from PIL import Image

import backbuf

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

import gl_points  # noqa: E402  (an example, not a package)
import terrain  # noqa: E402  (an example, not a package)


def run(example: str, *options: str) -> str:
    """The standard output of a successful run."""
    command = [sys.executable, str(EXAMPLES / example), *options]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.usefixtures("stage")
def test_gl_points_draws_the_state(tmp_path: Path) -> None:
    printed = run("gl_points.py", "--frames", "12", "--stars", "20000", "--output", str(tmp_path / "points.png"))
    assert "12 pictures" in printed
    assert ", 0 of them wrong\n" in printed
    with Image.open(tmp_path / "points.png") as picture:
        assert picture.size == (gl_points.SIZE, gl_points.SIZE)
        assert np.count_nonzero(np.asarray(picture).max(axis=2)) > 5000


def test_gl_points_check_detects_a_moved_star() -> None:
    positions = np.random.default_rng(1).random((1000, 2), "f4")
    picture = gl_points.expected(positions)
    assert picture.sum() == 1000
    positions[500, 1] += 1.5 / gl_points.SIZE
    assert not np.array_equal(picture, gl_points.expected(positions))


def test_gl_points_counts_what_has_moved() -> None:
    m = backbuf.CBufferManager((1000, 2), "f4", initial=np.random.default_rng(2).random((1000, 2)))
    wanted = gl_points.Expected(m.front())
    for step in range(5):
        m[step * 100 : step * 100 + 30] = np.random.default_rng(step).random((30, 2))
        m.synchronize()
        with m.front() as front:
            assert np.array_equal(wanted.update(front), gl_points.expected(front.array))


def test_traces_draws_what_has_changed(tmp_path: Path) -> None:
    printed = run("traces.py", "--frames", "8", "--channels", "6", "--output", str(tmp_path / "traces.png"))
    assert "8 pictures" in printed
    assert "; equal to a picture" in printed
    with Image.open(tmp_path / "traces.png") as picture:
        assert np.asarray(picture).std() > 10


def test_ring_runs_half_a_second(tmp_path: Path) -> None:
    printed = run("ring.py", "--seconds", "0.5", "--output", str(tmp_path))
    assert "out of place: 0; sent and not read: 0 bytes\n" in printed
    with Image.open(tmp_path / "ring.png") as picture:
        assert min(picture.size) > 500


def test_ring_has_help() -> None:
    assert "--message BYTES" in run("ring.py", "--help")


@pytest.mark.parametrize("device", ["host", "gl", *WGPU])
def test_terrain_is_shaded(device: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if device == "gl":
        request.getfixturevalue("stage")
    kind, _, adapter = device.partition("-")
    printed = run("terrain.py", "--device", kind, "--adapter", adapter, "--output", str(tmp_path / "terrain.png"))
    assert "344 x 403 elevations, 0 stalls" in printed
    with Image.open(tmp_path / "terrain.png") as picture:
        assert picture.size == (403, 344)
        assert np.asarray(picture).std() > 20


def test_terrain_check_detects_another_slope() -> None:
    ground = terrain.landscape()
    shade = terrain.shaded(ground)
    assert 0 <= shade.min() < shade.max() <= 1
    ground[100, 100] += 1
    assert np.abs(terrain.shaded(ground) - shade).max() > terrain.TOLERANCE


@pytest.mark.parametrize(
    ("example", "option", "value"),
    [
        ("gl_points.py", "--stars", "0"),
        ("terrain.py", "--device", "x"),
        ("traces.py", "--channels", "0"),
        ("ring.py", "--message", "7"),
        ("ring.py", "--seconds", "0"),
        ("ring.py", "--capacity", "0"),
        ("ring.py", "--message", "1048584"),
    ],
)
def test_bad_options_are_refused(example: str, option: str, value: str) -> None:
    command = [sys.executable, str(EXAMPLES / example), option, value]
    refused = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert refused.returncode == 2
    assert option in refused.stderr
