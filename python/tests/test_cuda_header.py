"""CUDA headers of `backbuf-layout emit` and the example's kernel compile with NVRTC; its pictures are valid SVG."""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).parents[2]
EXAMPLE = TOP / "examples" / "lorenz"
SVG = "{http://www.w3.org/2000/svg}"
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
    """The command-line tool; `scripts/test` builds it before these tests."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target"))
    path = target / "release" / "backbuf-layout"
    if not path.exists():
        pytest.skip(f"{path} is missing: cargo build --release --bin backbuf-layout")
    return path


class Nvrtc:
    """The run-time compiler, with the functions that these tests need."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def compile(self, source: str, headers: dict[str, str], *options: str) -> tuple[bool, str, bytes]:
        """Whether it compiles, the compiler's messages, and the cubin."""
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


def run(tool: Path, layout: str, *words: str) -> str:
    return subprocess.run([tool, *words], input=layout, capture_output=True, text=True, check=True).stdout


def emit(tool: Path, layout: str, namespace: str) -> str:
    return run(tool, layout, "emit", "-", "--namespace", namespace)


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


def test_an_edited_header_does_not_compile(nvrtc: Nvrtc, lorenz: str) -> None:
    changed, count = re.subn(r"(k3_byte_offset = )16;", r"\g<1>20;", lorenz)
    assert count == 1
    compiled, log, _ = nvrtc.compile(changed, {}, "-arch=sm_80")
    assert not compiled
    assert "k3: offset and bytes differ" in log


def draw(tool: Path, groups: list[dict[str, Any]]) -> tuple[ElementTree.Element, dict[str, ElementTree.Element]]:
    """The picture, and the box of each buffer by the first line of its text."""
    document = json.dumps({"format": "backbuf-layout", "version": 1, "groups": groups})
    picture = ElementTree.fromstring(run(tool, document, "draw", "-"))
    boxes = {}
    for group in picture.iter(f"{SVG}g"):
        title, box = group.find(f"{SVG}title"), group.find(f"{SVG}rect")
        assert title is not None
        assert title.text is not None
        assert box is not None
        boxes[title.text.split("\n")[0]] = box
    return picture, boxes


def test_a_picture_is_to_scale_and_survives_any_name(tool: Path) -> None:
    names = ["k1", "</svg>&\"'", "größe", "\u202e\n\t", "k 2"]
    buffers: list[dict[str, Any]] = [
        {"name": name, "size": 10 * (index + 1), "location": "shared"} for index, name in enumerate(names)
    ]
    buffers.append({"name": "slice", "size": 5, "location": "shared", "aliases": "größe"})
    picture, boxes = draw(tool, [{"buffers": buffers}])
    assert picture.tag == f"{SVG}svg"
    assert len(boxes) == 6
    heights = {title: float(box.attrib["height"]) for title, box in boxes.items()}
    assert heights["k 2: 50 f32"] == pytest.approx(5 * heights["k1: 10 f32"], abs=0.5)
    assert "</svg>&\"': 20 f32" in boxes
    assert "U+202EU+000AU+0009: 40 f32" in boxes
    assert boxes["slice: 5 f32"].attrib["y"] == boxes["größe: 30 f32"].attrib["y"]
    shown = "".join(picture.itertext())
    assert all(word in shown for word in ["shared: 600 bytes a block", "slice of another", "nothing there"])
    assert "font-face" not in shown


def test_a_picture_of_lifetimes_has_time_to_the_right(tool: Path) -> None:
    buffers: list[dict[str, Any]] = [
        {"name": name, "size": 8, "location": "shared", "lifetime": steps}
        for name, steps in [("early", [10, 14]), ("late", [14, 18])]
    ]
    _, boxes = draw(tool, [{"buffers": buffers, "plan": [["early", 0], ["late", 0]]}])
    early, late = (boxes[f"{name}: 8 f32"].attrib for name in ("early", "late"))
    assert early["y"] == late["y"]
    assert float(late["x"]) == pytest.approx(float(early["x"]) + float(early["width"]))
    assert float(late["width"]) == pytest.approx(float(early["width"]))


def test_pictures_of_empty_and_huge_layouts_are_finite(tool: Path) -> None:
    huge = 2**58
    buffers: list[dict[str, Any]] = [
        {"name": "none", "size": 0, "location": "shared"},
        {"name": "huge", "size": huge, "location": "shared", "lifetime": [0, 2**64 - 1]},
        {"name": "empty", "size": 0, "location": "local", "persistent": True},
        {"child": "inner", "group": None},
    ]
    picture, boxes = draw(tool, [{"buffers": buffers}])
    assert len(boxes) == 5
    for box in boxes.values():
        assert all(0 <= float(box.attrib[key]) < 10_000 for key in ("x", "y", "width", "height"))
    assert float(picture.attrib["height"]) < 10_000
