"""Headers that `backbuf-layout emit` writes compile with NVRTC, and so does the kernel of the example."""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2]
EXAMPLE = TOP / "examples" / "lorenz"
ARCHITECTURES = ["sm_75", "sm_80", "sm_90"]

MIXED = {
    "format": "backbuf-layout",
    "version": 1,
    "groups": [
        {
            "options": {"typed": True},
            "buffers": [
                {"name": "class", "size": 3, "location": "shared", "precision": "f16"},
                {"name": "größe", "size": 5, "location": "shared", "precision": "f64"},
                {"name": "slice", "size": 2, "location": "local", "aliases": "größe", "precision": "i64"},
                {"name": "2nd", "size": 7, "location": "local", "persistent": True, "precision": "i32"},
                {"name": "none", "size": 0, "location": "local"},
                {"child": "inner", "group": None},
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def tool() -> Path:
    """The command line; `scripts/test` builds it before these tests."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target"))
    path = target / "release" / "backbuf-layout"
    if not path.exists():
        pytest.skip(f"{path} is missing: cargo build --release --bin backbuf-layout")
    return path


class Nvrtc:
    """The run-time compiler, as far as it is needed here."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def compile(self, source: str, headers: dict[str, str], *options: str) -> tuple[bool, str, bytes]:
        """Whether it compiles, what the compiler says, and the cubin."""
        library, program = self.library, ctypes.c_void_p()
        texts = (ctypes.c_char_p * len(headers))(*[text.encode() for text in headers.values()])
        names = (ctypes.c_char_p * len(headers))(*[name.encode() for name in headers])
        assert library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", len(headers), texts, names) == 0
        try:
            words = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
            compiled = library.nvrtcCompileProgram(program, len(options), words) == 0
            log = self._read(program, "ProgramLog").rstrip(b"\0").decode()
            return compiled, log, self._read(program, "CUBIN") if compiled else b""
        finally:
            library.nvrtcDestroyProgram(ctypes.byref(program))

    def _read(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        assert getattr(self.library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
        place = ctypes.create_string_buffer(size.value)
        assert getattr(self.library, f"nvrtcGet{what}")(program, place) == 0
        return place.raw


@pytest.fixture(scope="module")
def nvrtc() -> Iterator[Nvrtc]:
    installed = sorted(Path(sysconfig.get_path("purelib")).glob("nvidia/*/lib/libnvrtc.so*"))
    for name in [*map(str, installed), "libnvrtc.so.12", "libnvrtc.so"]:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        yield Nvrtc(library)
        return
    pytest.skip("no NVRTC here: pip install nvidia-cuda-nvrtc-cu12, or a CUDA toolkit")


def emit(tool: Path, layout: str, namespace: str) -> str:
    command = [tool, "emit", "-", "--namespace", namespace]
    return subprocess.run(command, input=layout, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def lorenz(tool: Path) -> str:
    return emit(tool, (EXAMPLE / "lorenz.json").read_text(), "lorenz")


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_kernel_of_the_example_compiles(nvrtc: Nvrtc, lorenz: str, arch: str) -> None:
    kernel = (EXAMPLE / "lorenz.cu").read_text()
    compiled, log, cubin = nvrtc.compile(kernel, {"lorenz_layout.h": lorenz}, f"-arch={arch}")
    assert compiled, log
    assert log == ""
    assert cubin.startswith(b"\x7fELF")
    assert b"lorenz_solve" in cubin


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("per", ["block", "thread"])
def test_any_names_and_types_compile_pasted_or_included(nvrtc: Nvrtc, tool: Path, arch: str, per: str) -> None:
    layout: dict[str, Any] = json.loads(json.dumps(MIXED))
    layout["groups"][0]["options"]["shared_per"] = per
    header = emit(tool, json.dumps(layout), "app::scratch")
    kernel = """
        extern "C" __global__ void touch(double *out) {
            extern __shared__ double memory[];
            alignas(app::scratch::persistent_align_bytes) unsigned char persistent[app::scratch::persistent_bytes];
            app::scratch::none_array none = {};
            void *shared = memory;
            for (unsigned i = 0; i < app::scratch::class_length; ++i) app::scratch::class_(shared)[i] = 1;
            app::scratch::gru00f6u00dfe(shared)[threadIdx.x % app::scratch::gru00f6u00dfe_length] = none[0];
            app::scratch::_2nd(persistent)[0] = static_cast<int>(app::scratch::layout_hash);
            static_assert(app::scratch::fits(__CUDA_ARCH__ / 10, 256), "the launch fits");
            *out = static_cast<double>(app::scratch::slice(shared)[1]) + app::scratch::_2nd(persistent)[0];
        }
    """
    for source, headers in [(f'#include "a.h"\n{kernel}', {"a.h": header}), (header + kernel, {})]:
        compiled, log, _ = nvrtc.compile(source, headers, f"-arch={arch}")
        assert compiled, log
        assert log == ""


def test_a_header_that_was_changed_by_hand_is_refused(nvrtc: Nvrtc, lorenz: str) -> None:
    changed, count = re.subn(r"(k3_byte_offset = )16;", r"\g<1>20;", lorenz)
    assert count == 1
    compiled, log, _ = nvrtc.compile(changed, {}, "-arch=sm_80")
    assert not compiled
    assert "k3: offset and bytes differ" in log
