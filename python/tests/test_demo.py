"""The flood demo: its check can fail, and a short run passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

import flood  # noqa: E402  (an example, not a package)

RAIN_PER_STEP = 0.375


def state_after(step: int) -> dict[str, np.ndarray]:
    """The fields of a 6 x 8 landscape whose water has moved since it fell."""
    depth, rain, flow = np.zeros((6, 8)), np.zeros((6, 8)), np.zeros((2, 6, 8))
    rain[2, :3] = step * RAIN_PER_STEP / 3 if step % 3 == 0 else 0
    rain[1, 1] = step * RAIN_PER_STEP - rain.sum()
    depth[step % 6, 5] = step * RAIN_PER_STEP
    return {"depth": depth, "flow": flow, "rain": rain, "terrain": np.ones((6, 8))}


def test_a_whole_front_passes() -> None:
    for step in range(20):
        assert flood.is_whole(state_after(step), step, RAIN_PER_STEP)


def test_a_front_torn_between_two_steps_is_detected() -> None:
    older, newer = state_after(7), state_after(9)
    torn = list(flood.torn_on_purpose(older, newer, 9))
    assert len(torn) == 5
    for state, step in torn:
        assert not flood.is_whole(state, step, RAIN_PER_STEP)


def test_a_missing_drop_is_detected() -> None:
    state = state_after(9)
    state["depth"][3, 5] -= 2.0**-32
    assert not flood.is_whole(state, 9, RAIN_PER_STEP)


def demo(output: Path, *options: str, **environment: str) -> tuple[dict[str, Any], str]:
    """The measurements and the output of a short run."""
    command = [sys.executable, str(EXAMPLES / "flood.py"), "--seconds", "2", "--size", "96", "--output", str(output), *options]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads((output / "flood.json").read_text()), done.stdout


@pytest.mark.usefixtures("stage")
def test_rain_on_opengl(tmp_path: Path) -> None:
    measured, printed = demo(tmp_path, "--device", "gl")
    assert measured["fronts_torn"] == 0
    assert measured["fronts_checked_on_gl"] > 3
    # Three of the five planes change in each step, one of them in part; the terrain never does.
    assert 0.55 * measured["full_copies_bytes"] < measured["uploaded_bytes"] < 0.8 * measured["full_copies_bytes"]
    assert measured["device"] in printed
    assert "no OpenGL here" not in printed


def test_without_opengl_it_rains_in_host_memory(tmp_path: Path) -> None:
    measured, printed = demo(tmp_path, "--device", "gl", MESA_GL_VERSION_OVERRIDE="3.2", LIBGL_ALWAYS_SOFTWARE="1")
    assert printed.startswith("no OpenGL here, so the state is in host memory alone: ")
    assert (measured["device"], measured["fronts_torn"], measured["fronts_checked_on_gl"]) == (None, 0, 0)


def test_two_seconds_of_rain(tmp_path: Path) -> None:
    measured, printed = demo(tmp_path)
    assert measured["fronts_torn"] == 0
    assert measured["fronts_checked"] > 10
    assert measured["torn_on_purpose_caught"] == 5
    # Only the rain plane is copied forward, and only where it rained.
    assert 0 < measured["copied_forward_bytes"] < 0.25 * measured["full_copies_bytes"]
    assert (tmp_path / "flood.txt").read_text() in printed
    with Image.open(tmp_path / "flood.png") as picture:
        assert min(picture.size) > 500
    with Image.open(tmp_path / "flood.webp") as film:
        assert film.n_frames > 1
