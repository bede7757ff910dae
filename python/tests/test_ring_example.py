"""The ring's example: a short run of it passes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "ring.py"


def test_half_a_second(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLE), "--seconds", "0.5", "--output", str(tmp_path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert "out of place: 0; sent and not read: 0 bytes\n" in done.stdout
    with Image.open(tmp_path / "ring.png") as picture:
        assert min(picture.size) > 500


def test_help_and_what_it_refuses() -> None:
    done = subprocess.run([sys.executable, str(EXAMPLE), "--help"], stdout=subprocess.PIPE, text=True, check=True)
    assert "--message BYTES" in done.stdout
    for bad in (["--message", "7"], ["--seconds", "0"], ["--capacity", "0"], ["--message", "1048584"]):
        refused = subprocess.run([sys.executable, str(EXAMPLE), *bad], stderr=subprocess.PIPE, text=True, check=False)
        assert refused.returncode == 2
        assert bad[0] in refused.stderr
