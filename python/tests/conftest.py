"""What several tests need."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# Nothing is left in the folder that the tests run in.
settings.register_profile("backbuf", database=None, deadline=None)
settings.load_profile("backbuf")

Script = Callable[..., str]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs a program in an interpreter of its own, which must end well, and gives what it printed."""

    def run(text: str, *options: str, returncode: int = 0, stderr: str | None = None) -> str:
        program = tmp_path / "program.py"
        program.write_text(textwrap.dedent(text), encoding="utf-8")
        command = [sys.executable, "-W", "error", *options, str(program)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == returncode, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        if stderr is not None:
            assert done.stderr == stderr
        return done.stdout

    return run
