"""The example that draws from the shared buffer: each picture is what the state says, and the check can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "gl_points.py"
sys.path.insert(0, str(EXAMPLE.parent))

import gl_points  # noqa: E402  (an example, not a package)


@pytest.mark.usefixtures("stage")
def test_some_frames(tmp_path: Path) -> None:
    options = ["--frames", "12", "--stars", "20000", "--output", str(tmp_path / "points.png")]
    done = subprocess.run([sys.executable, str(EXAMPLE), *options], stdout=subprocess.PIPE, text=True, check=True)
    assert "12 pictures" in done.stdout
    assert ", 0 of them wrong\n" in done.stdout
    with Image.open(tmp_path / "points.png") as picture:
        assert picture.size == (gl_points.SIZE, gl_points.SIZE)
        assert np.count_nonzero(np.asarray(picture).max(axis=2)) > 5000


def test_a_star_elsewhere_is_another_picture() -> None:
    places = np.random.default_rng(1).random((1000, 2), "f4")
    picture = gl_points.expected(places)
    assert picture.sum() == 1000
    places[500, 1] += 1.5 / gl_points.SIZE
    assert not np.array_equal(picture, gl_points.expected(places))


def test_what_it_refuses() -> None:
    refused = subprocess.run([sys.executable, str(EXAMPLE), "--stars", "0"], stderr=subprocess.PIPE, text=True, check=False)
    assert refused.returncode == 2
    assert "--stars 0" in refused.stderr
