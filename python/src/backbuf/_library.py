"""The shared library: a copy that the process has loaded already, else the package's own."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ._ffi import ffi as ffi

_HERE = Path(__file__).parent


def get_include() -> str:
    """The folder of `backbuf.h` and `backbuf.hpp`, for engines built against this package."""
    return str(_HERE / "include")


def get_cmake_dir() -> str:
    """The folder for CMake's `backbuf_DIR`: `find_package(backbuf)` then gives `backbuf::backbuf`."""
    return str(_HERE / "cmake")


def get_library() -> str:
    """The path of the shared library in use: one that was loaded before this package, or the package's own.

    An engine that links against another copy has managers of its own; `attach` tells such handles apart.
    """
    return _path


def _own() -> str:
    return str(next((_HERE / "lib").glob("libbackbuf.so.*")))


def _loaded() -> Iterator[str]:
    """The copies in this process, by the names of their files."""
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
        # Before 1.0 a minor version is an ABI of its own; a patch level may lack functions that ours has.
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
    """Makes these methods of `cls` the extension's, where there is one; their Python forms get an underscore in front."""
    if hot is None:
        return
    # help() and inspect read a C method's signature off the first line of its text, where no annotations are allowed.
    texts = {}
    for name in names:
        form = getattr(cls, name)
        bare = [one.replace(annotation=inspect.Parameter.empty) for one in inspect.signature(form).parameters.values()]
        signature = str(inspect.Signature(bare)).replace("self", "$self", 1)
        texts[name] = f"{name}{signature}\n--\n\n{inspect.getdoc(form)}"
    hot.install(cls, texts)


def addresses(*functions: str) -> tuple[int, ...]:
    """Those of the library's functions, for the extension: both call the same copy of the library."""
    return tuple(address(getattr(lib, name)) for name in functions)


def address(pointer: Any) -> int:
    """A cffi pointer as a number."""
    return int(ffi.cast("uintptr_t", pointer))


def text(pointer: Any) -> str:
    """A C string as Python's."""
    return str(ffi.string(pointer).decode("utf-8", "replace")) if pointer else ""


def collect(call: Callable[[Any], None]) -> str:
    """What the library writes in pieces to the `bb_write_fn` that `call` gets."""
    parts: list[bytes] = []
    call(ffi.callback("bb_write_fn", lambda data, size, _: parts.append(ffi.buffer(data, size)[:])))
    return b"".join(parts).decode("utf-8", "replace")


__version__ = "{}.{}.{}".format(*(lib.bb_version() >> shift & 0xFF for shift in (16, 8, 0)))
