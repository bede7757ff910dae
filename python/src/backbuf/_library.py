"""The shared library: a copy that is already loaded into the process, otherwise the package's own."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ._ffi import ffi as ffi

_HERE = Path(__file__).parent


def get_include() -> str:
    """The folder of `backbuf.h` and `backbuf.hpp`, for native code built against this package."""
    return str(_HERE / "include")


def get_cmake_dir() -> str:
    """The folder for CMake's `backbuf_DIR`; `find_package(backbuf)` then defines `backbuf::backbuf`."""
    return str(_HERE / "cmake")


def get_library() -> str:
    """The path of the shared library in use: one that was loaded before this package, or the package's own.

    Native code that links another copy of the library has managers of its own; `attach` rejects their handles.
    """
    return _path


def _own() -> str:
    return str(next((_HERE / "lib").glob("libbackbuf.so.*")))


def _loaded() -> Iterator[str]:
    """The paths of the copies that this process has loaded."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if path.rpartition("/")[2].startswith("libbackbuf.so"):
                yield "/" + path


def _open() -> tuple[Any, str]:
    flags = ffi.RTLD_NOW | ffi.RTLD_LOCAL
    for path in dict.fromkeys(_loaded()):
        try:
            library = ffi.dlopen(path, flags | ffi.RTLD_NOLOAD)
        except OSError:  # mapped as data, not loaded
            continue
        # Before 1.0 each minor version is an ABI of its own, and an older patch version may lack functions.
        ours = (library.BB_VERSION_MAJOR << 16 | library.BB_VERSION_MINOR << 8) | library.BB_VERSION_PATCH
        theirs = library.bb_version()
        if theirs >> 8 == ours >> 8 and theirs >= ours:
            return library, path
    return ffi.dlopen(_own(), flags), _own()


lib, _path = _open()

try:
    if os.environ.get("BACKBUF_NO_EXTENSION"):
        raise ImportError("turned off by BACKBUF_NO_EXTENSION")
    from . import _hot

    hot: Any = _hot
except ImportError:
    hot = None


def use_extension(cls: type[Any], *names: str) -> None:
    """Replaces these methods of `cls` by those of the extension, if there is one. The Python methods get a leading
    underscore.
    """
    if hot is None:
        return
    # help() and inspect read a C method's signature from the first line of its docstring, which must not have annotations.
    texts = {}
    for name in names:
        form = getattr(cls, name)
        bare = [one.replace(annotation=inspect.Parameter.empty) for one in inspect.signature(form).parameters.values()]
        signature = str(inspect.Signature(bare)).replace("self", "$self", 1)
        texts[name] = f"{name}{signature}\n--\n\n{inspect.getdoc(form)}"
    hot.install(cls, texts)


def addresses(*functions: str) -> tuple[int, ...]:
    """The addresses of the library's functions, so that the extension calls the same copy of the library."""
    return tuple(address(getattr(lib, name)) for name in functions)


def address(pointer: Any) -> int:
    """A cffi pointer as an int."""
    return int(ffi.cast("uintptr_t", pointer))


def text(pointer: Any) -> str:
    """A C string as a str; empty for NULL."""
    return str(ffi.string(pointer).decode("utf-8", "replace")) if pointer else ""


def collect(call: Callable[[Any], None]) -> str:
    """The text that the library writes in pieces to the `bb_write_fn` that `call` receives."""
    parts: list[bytes] = []
    call(ffi.callback("bb_write_fn", lambda data, size, _: parts.append(ffi.buffer(data, size)[:])))
    return b"".join(parts).decode("utf-8", "replace")


__version__ = "{}.{}.{}".format(*(lib.bb_version() >> shift & 0xFF for shift in (16, 8, 0)))
