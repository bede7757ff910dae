"""What several tests need."""

from __future__ import annotations

import asyncio
import ctypes
import subprocess
import sys
import textwrap
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import settings

import backbuf

# Nothing is left in the folder that the tests run in.
settings.register_profile("backbuf", database=None, deadline=None)
settings.load_profile("backbuf")

Script = Callable[..., str]
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine in a loop of either kind."""

    def call(work: Coroutine[Any, Any, Any]) -> Any:
        loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
        try:
            return loop.run_until_complete(asyncio.wait_for(work, 60))
        finally:
            loop.close()

    return call


def compile_engine(source: str, folder: Path) -> ctypes.CDLL:
    """C code against the package's header and library."""
    program, library = folder / "engine.c", folder / "engine.so"
    program.write_text(source, encoding="utf-8")
    package = Path(backbuf.get_library()).parent
    flags = [f"-I{backbuf.get_include()}", f"-L{package}", f"-Wl,-rpath,{package}", "-lbackbuf", "-lpthread"]
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", str(program), "-o", str(library), *flags], check=True)
    return ctypes.CDLL(str(library))


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
