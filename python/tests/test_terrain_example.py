"""The example that streams, shades and reads back a landscape: on every device it is NumPy's, and the check can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import WGPU
from PIL import Image

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "terrain.py"
sys.path.insert(0, str(EXAMPLE.parent))

import terrain  # noqa: E402  (an example, not a package)


@pytest.mark.parametrize("device", ["host", "gl", *WGPU])
def test_a_landscape_is_shaded(device: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if device == "gl":
        request.getfixturevalue("stage")
    kind, _, adapter = device.partition("-")
    options = ["--device", kind, "--adapter", adapter, "--output", str(tmp_path / "terrain.png")]
    done = subprocess.run([sys.executable, str(EXAMPLE), *options], stdout=subprocess.PIPE, text=True, check=True)
    assert "344 x 403 elevations, 0 stalls" in done.stdout
    with Image.open(tmp_path / "terrain.png") as picture:
        assert picture.size == (403, 344)
        assert np.asarray(picture).std() > 20


def test_another_slope_is_another_shade() -> None:
    ground = terrain.landscape()
    shade = terrain.shaded(ground)
    assert 0 <= shade.min() < shade.max() <= 1
    ground[100, 100] += 1
    assert np.abs(terrain.shaded(ground) - shade).max() > terrain.TOLERANCE


def test_what_it_refuses() -> None:
    refused = subprocess.run([sys.executable, str(EXAMPLE), "--device", "x"], stderr=subprocess.PIPE, text=True, check=False)
    assert refused.returncode == 2
    assert "--device" in refused.stderr
