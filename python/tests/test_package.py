"""Content of the package, and its agreement with the header."""

from __future__ import annotations

import dataclasses
import doctest
import errno
import importlib
import inspect
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Script

import backbuf
from backbuf import _errors, _library
from backbuf._ffi import ffi

ROOT = Path(__file__).parents[2]
WITHOUT_EXTENSION = bool(os.environ.get("BACKBUF_NO_EXTENSION"))


def test_the_binding_is_the_one_asked_for() -> None:
    assert (_library.hot is None) == WITHOUT_EXTENSION
    kind = "function" if WITHOUT_EXTENSION else "method_descriptor"
    assert type(backbuf.CBufferManager.enqueue).__name__ == kind


@pytest.mark.skipif(WITHOUT_EXTENSION, reason="this is the run without the extension")
def test_everything_works_without_the_extension() -> None:
    options = ["-q", "-p", "no:cacheprovider", "--ignore-glob=*test_demo.py"]
    command = [sys.executable, "-m", "pytest", *options, str(Path(__file__).parent)]
    environment = {**os.environ, "BACKBUF_NO_EXTENSION": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT / "python")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_errors_of_the_ring() -> None:
    for cls, builtin in (
        (backbuf.ChannelFull, BufferError),
        (backbuf.ReceiversDisconnected, BrokenPipeError),
        (backbuf.SendersDisconnected, EOFError),
    ):
        error = cls("message", -1)
        assert isinstance(error, builtin)
        assert isinstance(error, backbuf.BackbufError)
        assert (str(error), error.status) == ("message", -1)
    assert backbuf.ReceiversDisconnected("message", -1).errno == errno.EPIPE


def test_version_is_cargos() -> None:
    lines = (ROOT / "Cargo.toml").read_text(encoding="utf-8").splitlines()
    assert f'version = "{backbuf.__version__}"' in lines


def test_paths_are_there() -> None:
    assert (Path(backbuf.get_include()) / "backbuf.h").is_file()
    assert (Path(backbuf.get_include()) / "backbuf.hpp").is_file()
    assert (Path(backbuf.get_include()) / "backbuf" / "core.hpp").is_file()
    assert (Path(backbuf.get_cmake_dir()) / "backbuf-config.cmake").is_file()
    assert Path(backbuf.get_library()).is_file()


def test_an_engine_links_against_the_package(tmp_path: Path) -> None:
    source = tmp_path / "engine.c"
    source.write_text("#include <backbuf.h>\nunsigned version(void) { return bb_version(); }\n", encoding="utf-8")
    folder, engine = Path(backbuf.get_library()).parent, tmp_path / "engine.so"
    flags = [f"-I{backbuf.get_include()}", f"-L{folder}", f"-Wl,-rpath,{folder},--no-undefined", "-lbackbuf"]
    subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(engine), *flags], check=True)
    assert ffi.dlopen(str(engine)) is not None
    with open("/proc/self/maps", encoding="utf-8") as maps:
        assert len({line.split()[-1] for line in maps if "libbackbuf" in line}) == 1


def test_a_loaded_copy_is_used_before_our_own(script: Script, tmp_path: Path) -> None:
    copy = tmp_path / "libbackbuf.so.0.1"
    copy.write_bytes(Path(backbuf.get_library()).read_bytes())
    text = f"""
        import ctypes
        ctypes.CDLL({str(copy)!r})
        import backbuf
        m = backbuf.CBufferManager(3)
        m[:] = 1
        m.synchronize()
        print(backbuf.get_library())
        """
    assert script(text) == f"{copy}\n"


def test_a_handle_of_another_copy_is_refused(script: Script, tmp_path: Path) -> None:
    copy = tmp_path / "other.so"
    copy.write_bytes(Path(backbuf.get_library()).read_bytes())
    text = f"""
        import ctypes
        import backbuf
        other, m = ctypes.CDLL({str(copy)!r}), ctypes.c_void_p()
        assert other.bb_manager_create(1, 0, None, None, ctypes.byref(m)) == 0
        try:
            backbuf.attach(m)
        except backbuf.HandleError as error:
            assert error.status == -5, error.status
            print(error)
        """
    output = script(text)
    assert str(copy) in output
    assert backbuf.get_library() in output


def test_declarations_are_the_exports() -> None:
    exports = subprocess.run(["nm", "-D", "--defined-only", backbuf.get_library()], capture_output=True, text=True, check=True)
    names = {line.split()[-1].partition("@")[0] for line in exports.stdout.splitlines()}
    declared = {name for name in dir(_library.lib) if name.startswith("bb_")}
    assert declared == names


def test_every_status_has_a_class() -> None:
    for status, name in _errors.status_names().items():
        assert status in _errors._CLASSES, name
        builtins = [base for base in _errors._CLASSES[status].__mro__ if base.__module__ == "builtins"]
        assert builtins[0] is not Exception, f"{name} is nothing that people know"


@pytest.mark.parametrize(
    ("word", "builtin"),
    [
        ("TIMEOUT", TimeoutError),
        ("STALLED", TimeoutError),
        ("ARGUMENT", ValueError),
        ("RANGE", IndexError),
        ("STALE", ValueError),
        ("CLOSED", ValueError),
        ("OUT_OF_MEMORY", MemoryError),
        ("PINNED", BufferError),
        ("FULL", BufferError),
        ("BACKEND", RuntimeError),
        ("DEVICE_LOST", RuntimeError),
        ("FORKED", RuntimeError),
        ("INTERRUPTED", InterruptedError),
        ("UNSUPPORTED", NotImplementedError),
    ],
)
def test_builtins_catch(word: str, builtin: type[Exception]) -> None:
    status = getattr(_library.lib, f"BB_E_{word}")
    error = _errors.error(status, "on purpose")
    assert isinstance(error, builtin)
    assert isinstance(error, backbuf.BackbufError)
    assert error.status == status


@pytest.mark.parametrize(
    ("struct", "cls"),
    [
        ("bb_manager_stats", backbuf.Statistics),
        ("bb_end_stats", backbuf.EndStatistics),
        ("bb_stream_stats", backbuf.StreamStatistics),
        ("bb_device_stats", backbuf.DeviceStatistics),
    ],
)
def test_statistics_are_the_headers(struct: str, cls: Any) -> None:
    fields = [name for name, _ in ffi.typeof(struct).fields if name not in ("struct_size", "reserved")]
    assert sorted(fields) == sorted(field.name for field in dataclasses.fields(cls))


HOT = {
    backbuf.CBufferManager: ("enqueue", "put", "tag", "synchronize"),
    backbuf.SPSCSender: ("send", "feed"),
    backbuf.SPSCReceiver: ("recv", "recv_into"),
    backbuf.SPSCReceiverStream: ("_next", "_take"),
}


def test_hot_calls_have_signature_and_text() -> None:
    for cls, names in HOT.items():
        for name in names:
            method = getattr(cls, name)
            parameters = inspect.signature(method).parameters
            assert next(iter(parameters)) == "self"
            assert cls is not backbuf.CBufferManager or "timeout" in parameters
            assert inspect.getdoc(method)


@pytest.mark.parametrize("page", ["ring", "registry", "opengl"])
def test_pages_run(page: str, request: pytest.FixtureRequest) -> None:
    stage = request.getfixturevalue("stage") if page == "opengl" else None
    path = ROOT / "docs" / "python" / f"{page}.rst"
    failed, tried = doctest.testfile(str(path), module_relative=False, optionflags=doctest.ELLIPSIS)
    if stage:
        stage.context.__enter__()  # the context of the page must be current
    assert failed == 0
    assert tried > 10


class Finder(doctest.DocTestFinder):
    """Finds the examples of the classes that a module defines, which show the package as their module."""

    def _from_module(self, module: Any, thing: Any) -> bool:
        if inspect.isclass(thing) and thing.__module__ == "backbuf":
            return module.__name__ in {getattr(member, "__module__", "") for member in vars(thing).values()}
        return bool(super()._from_module(module, thing))  # type: ignore[misc]  # not in the stubs


OF_THE_REGISTRY = [f"registry.{name}" for name in ("_buffer", "_device", "_group", "_registry")]
ON_OPENGL = ["_device", "_gl"]


@pytest.mark.parametrize(
    "name",
    [
        "_manager",
        "_manager_handle",
        "_manager_writes",
        "_feed",
        "_feed_writer",
        "_front",
        "_log",
        "_batch",
        "_layout",
        "_end",
        "_ring",
        "_ring_end",
        "_sink",
        "_stream",
        *OF_THE_REGISTRY,
        *ON_OPENGL,
    ],
)
def test_examples_run(name: str, request: pytest.FixtureRequest) -> None:
    if name in ON_OPENGL:
        request.getfixturevalue("stage")
    module = importlib.import_module(f"backbuf.{name}")
    runner = doctest.DocTestRunner()
    for test in Finder().find(module, extraglobs={"backbuf": backbuf, "np": np}):
        runner.run(test)
    failed, tried = runner.summarize()
    assert failed == 0
    assert tried or name == "_batch"


def test_classes_and_errors_show_the_package() -> None:
    for name in backbuf.__all__:
        thing = getattr(backbuf, name)
        assert not isinstance(thing, type) or thing.__module__ == "backbuf", name
    m = backbuf.CBufferManager(1)
    m.close()
    with pytest.raises(backbuf.ClosedError) as caught:
        m.enqueue(1.0)
    assert traceback.format_exception_only(caught.type, caught.value)[0].startswith("backbuf.ClosedError: ")


def test_ctypes_alone() -> None:
    program = Path(__file__).with_name("ctypes_program.py")
    assert len(program.read_text(encoding="utf-8").splitlines()) <= 42
    command = [sys.executable, "-I", str(program), backbuf.get_library()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "1 [0.0, 1.5, 2.5, 0.0, 0.0, 0.0]\n"
