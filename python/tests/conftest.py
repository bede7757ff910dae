"""Fixtures and helpers of the tests."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import moderngl
import pytest
import uvloop
from hypothesis import settings

import backbuf
from backbuf import CBufferManager, Device, Front, GLBufferManager, _errors

# The tests leave no files in their folder.
settings.register_profile("backbuf", database=None, deadline=None)
settings.load_profile("backbuf")

# By default OpenGL is Mesa's software renderer, even if there is a GPU.
os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")

# The statuses that the header lists for each function, as the C tests hold them too.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import c_api  # noqa: E402  (its folder is put on the path above)

_FUNCTIONS = c_api.functions()
_STATUS_NAMES = {value: name for name, value in c_api.status_values().items()}
_unlisted: list[str] = []
_init, _translate = backbuf.BackbufError.__init__, _errors.in_python_terms
_last = threading.local()


def _note_message(message: str) -> str:
    """Keeps the library's own message, which names the C function."""
    _last.message = message
    return _translate(message)


def _note_unlisted(self: backbuf.BackbufError, message: str, status: int) -> None:
    """Notes an error of a function which does not list its status, and one with a name of the C API. Runs on any thread, so it
    raises nothing itself.
    """
    _init(self, message, status)
    own = _last.__dict__.pop("message", "")
    function, name = _FUNCTIONS.get(own.partition(":")[0]), _STATUS_NAMES.get(status)
    if function is not None and name not in function.statuses and c_api.UNLISTED.get(name or "", "\0") not in own:
        _unlisted.append(f"{function.name} does not list {name or status}: {own}")
    if re.search(r"\b(bb|BB)_(?!E_)", message):
        _unlisted.append(f"an error of Python has a name of C: {message}")


_errors.in_python_terms = _note_message
backbuf.BackbufError.__init__ = _note_unlisted  # type: ignore[method-assign]  # observes every error


@pytest.fixture(autouse=True)
def listed_statuses() -> Iterator[None]:
    """Fails a test in which a call raised a status that include/backbuf.h does not list for its function, or an error that
    names a function or a constant of C.
    """
    _unlisted.clear()
    yield
    assert not _unlisted, "\n".join(_unlisted)


Manager = type[CBufferManager]
Script = Callable[..., str]
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine in an asyncio or a uvloop event loop."""

    def call(work: Coroutine[Any, Any, Any]) -> Any:
        loop = uvloop.new_event_loop() if request.param == "uvloop" else asyncio.new_event_loop()
        try:
            return loop.run_until_complete(asyncio.wait_for(work, 60))
        finally:
            loop.close()

    return call


def compile_engine(source: str, folder: Path) -> ctypes.CDLL:
    """Compiles C code against the package's header and library."""
    program, library = folder / "engine.c", folder / "engine.so"
    program.write_text(source, encoding="utf-8")
    package = Path(backbuf.get_library()).parent
    flags = [f"-I{backbuf.get_include()}", f"-L{package}", f"-Wl,-rpath,{package}", "-lbackbuf", "-lpthread"]
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", str(program), "-o", str(library), *flags], check=True)
    return ctypes.CDLL(str(library))


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs a program in a separate interpreter, checks its exit status, and returns its output."""

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


@dataclass
class Stage:
    """OpenGL on the main thread, and a device that shares buffers with it."""

    context: moderngl.Context
    device: Device

    def read(self, buffer: int, size: int) -> bytes:
        # Through another buffer: reading maps the buffer, and OpenGL refuses copies from mapped buffers.
        own = self.context.buffer(reserve=size)
        self.context.copy_buffer(own, self.context.external_buffer(buffer, size))
        content = bytes(own.read())
        own.release()
        return content


# The WebGPU adapters for tests, if the library was built with WebGPU.
WGPU = ["wgpu-vulkan", "wgpu-gl"] if os.environ.get("BACKBUF_TEST_WGPU") == "1" else []


@pytest.fixture(scope="session")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The tests' OpenGL device; no buffer may remain at the end."""
    try:
        Device().close()
    except backbuf.UnsupportedError as error:
        if "BACKBUF_NO_INSTALL" not in os.environ:
            raise
        pytest.skip(f"BACKBUF_NO_INSTALL is set, and there is no OpenGL: {error}")
    context = moderngl.create_context(require=330, standalone=True, backend="egl")
    device = Device.shared(label="tests")
    yield Stage(context, device)
    if request.session.testsfailed == 0:
        gc.collect()
        for _ in range(1000):  # buffers are freed on the device's own thread
            if device.statistics().live_bytes == 0:
                break
            time.sleep(0.01)
        assert device.leak_report() == ""
    device.close()


@pytest.fixture(scope="session", params=["host", "gl"])
def manager(request: pytest.FixtureRequest) -> Manager:
    """The manager class of a test: in host memory, or on OpenGL, where each front is compared with its buffer."""
    if request.param == "host":
        return CBufferManager
    stage: Stage = request.getfixturevalue("stage")

    class OnStage(GLBufferManager):
        def __init__(self, shape: Any, dtype: Any = "f8", **config: Any) -> None:
            super().__init__(shape, dtype, stage.device, **config)

        def front(self) -> Front:
            front = super().front()
            if threading.current_thread() is threading.main_thread():
                with self.front_gl() as gl_front:
                    if gl_front.epoch == front.epoch and 0 < gl_front.nbytes <= 1 << 16:
                        assert stage.read(gl_front.buffer, gl_front.nbytes) == front.array.tobytes(), "a front and its buffer"
            return front

    return OnStage
