"""Builds the package from its repository: libbackbuf by cargo, and cffi's declarations from backbuf.h."""

from __future__ import annotations

import functools
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy
from cffi import FFI
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
HEADER = ROOT / "include" / "backbuf.h"

if sys.platform != "linux" or sys.maxsize < 2**32:
    sys.exit("backbuf: needs 64-bit Linux")
if not HEADER.is_file():
    sys.exit(f"backbuf: {HEADER} is missing: build from a clone of the repository, as in `pip install ./python`")

VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["package"]["version"]

# WebGPU devices are optional: their crates are larger than the library.
FEATURES = "capi,wgpu" if os.environ.get("BACKBUF_WGPU") == "1" else "capi"

# Replacements of the system headers that backbuf.h includes: cffi knows their types, only the macros are needed.
STAND_INS = {
    "stdbool.h": "",
    "stddef.h": "",
    "stdint.h": "#define UINT32_MAX 0xFFFFFFFFu\n#define UINT64_MAX 0xFFFFFFFFFFFFFFFFu\n"
    "#define UINT32_C(n) n##u\n#define UINT64_C(n) n##u\n",
}

CMAKE_CONFIG = """\
# The shared library of the Python package, for engines that are built against it.
if(NOT TARGET backbuf::shared)
  get_filename_component(backbuf_root "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
  add_library(backbuf::shared SHARED IMPORTED)
  set_target_properties(backbuf::shared PROPERTIES
    IMPORTED_LOCATION "${backbuf_root}/lib/@SONAME@"
    IMPORTED_SONAME "@SONAME@"
    INTERFACE_INCLUDE_DIRECTORIES "${backbuf_root}/include")
  add_library(backbuf::backbuf INTERFACE IMPORTED)
  set_target_properties(backbuf::backbuf PROPERTIES INTERFACE_LINK_LIBRARIES backbuf::shared)
endif()
"""

# Like CMake's write_basic_package_version_file(COMPATIBILITY SameMinorVersion): before 1.0 each minor version is an ABI.
CMAKE_VERSION = """\
set(PACKAGE_VERSION "@VERSION@")
if(PACKAGE_FIND_VERSION_MAJOR EQUAL @MAJOR@ AND PACKAGE_FIND_VERSION_MINOR EQUAL @MINOR@
    AND NOT PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
"""


def soname() -> str:
    """The soname that build.rs gives the library."""
    major, minor, _ = VERSION.split(".", 2)
    return f"libbackbuf.so.0.{minor}" if major == "0" else f"libbackbuf.so.{major}"


def cargo_build() -> Path:
    """Builds the shared library, by the same command as the Makefile, and returns its path."""
    command = f"cargo rustc --lib --crate-type cdylib,staticlib --release --features {FEATURES}"
    try:
        arguments = [*command.split(), "--message-format", "json-render-diagnostics"]
        done = subprocess.run(arguments, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    except FileNotFoundError:
        sys.exit("backbuf: cargo is not on PATH: install Rust, or use a wheel")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and message["target"]["name"] == "backbuf":
            for name in message["filenames"]:
                if name.endswith(".so"):
                    return Path(name)
    sys.exit(f"backbuf: `{command}` made no shared library")


def preprocess(source: str, folder: Path, *options: str) -> str:
    """Preprocesses `source` without the system's headers."""
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    includes = ["-nostdinc", f"-I{folder}", f"-I{HEADER.parent}"]
    command = [shutil.which(compiler) or "cc", "-E", "-P", *includes, "-DBB_API=", "-DBB_MUST_USE=", *options, "-"]
    return subprocess.run(command, input=source, stdout=subprocess.PIPE, check=True, text=True).stdout


def declarations(folder: Path) -> str:
    """The declarations of backbuf.h for cffi, and its macros that are numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in STAND_INS.items():
        (folder / name).write_text(text, encoding="utf-8")
    include = f'#include "{HEADER.name}"\n'
    defined = [line.split() for line in preprocess(include, folder, "-dM").splitlines()]
    names = [words[1] for words in defined if words[1].startswith("BB_") and "(" not in words[1] and len(words) > 2]
    text = preprocess(include, folder)
    # The preprocessor keeps the quoted name and expands the second one.
    for line in preprocess(include + "".join(f'"{name}" {name}\n' for name in names), folder).splitlines():
        quoted, _, value = line.partition(" ")
        if quoted.startswith('"') and value.rstrip("uUlL").isalnum():
            text += f"#define {quoted[1:-1]} {value}\n"
    return text


class BuildPy(build_py):
    """Adds the generated files: the library, the headers, the CMake package, and cffi's module of declarations."""

    def run(self) -> None:
        super().run()
        package = HERE / "src" / "backbuf" if self.editable_mode else Path(self.build_lib) / "backbuf"
        for folder in ("lib", "cmake"):
            (package / folder).mkdir(parents=True, exist_ok=True)
        shutil.copytree(HEADER.parent, package / "include", dirs_exist_ok=True)
        shutil.copy2(cargo_build(), package / "lib" / soname())
        # A linker script, since the loader would treat a second copy as another library.
        (package / "lib" / "libbackbuf.so").write_text(f"INPUT({soname()})\n", encoding="utf-8")
        major, minor, _ = VERSION.split(".", 2)
        marks = {"@SONAME@": soname(), "@VERSION@": VERSION, "@MAJOR@": major, "@MINOR@": minor}
        for name, template in (("backbuf-config", CMAKE_CONFIG), ("backbuf-config-version", CMAKE_VERSION)):
            text = functools.reduce(lambda done, mark: done.replace(*mark), marks.items(), template)
            (package / "cmake" / f"{name}.cmake").write_text(text, encoding="utf-8")
        ffi = FFI()
        ffi.cdef(declarations(Path(self.get_finalized_command("build").build_temp) / "stand-ins"))
        ffi.set_source("backbuf._ffi", None)
        ffi.emit_python_code(str(package / "_ffi.py"))


# Without the extension (other implementations, or CPython without the GIL) all calls go through cffi.
with_extension = platform.python_implementation() == "CPython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
# The limited API has the buffer protocol since 3.11; an extension built by 3.10 works with 3.10 only.
limited = sys.version_info >= (3, 11)

setup(
    version=VERSION,
    cmdclass={"build_py": BuildPy},
    ext_modules=[
        Extension(
            "backbuf._hot",
            [f"src/backbuf/_hot{part}.c" for part in ("", "_batch", "_index", "_ring", "_update")],
            depends=["src/backbuf/_hot.h", "src/backbuf/_hot_manager.h"],
            include_dirs=[str(HEADER.parent), numpy.get_include()],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if limited else [],
            extra_compile_args=["-std=c11", "-O2", "-fno-plt", "-Wall", "-Wextra", "-fvisibility=hidden"],
            py_limited_api=limited,
        )
    ]
    if with_extension
    else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if with_extension and limited else {},
)
