"""The minimum cost of a cffi call: empty C functions, compiled in cffi's fast mode."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from cffi import FFI

DECLARATIONS = """
int32_t bare_call(void *manager, const void *update, uint64_t timeout);
int32_t bare_copy(void *manager, uint64_t offset, const void *data, uint64_t bytes);
"""
SOURCE = """
#include <stdint.h>
static int32_t bare_call(void *m, const void *update, uint64_t timeout) { (void)m, (void)update, (void)timeout; return 0; }
static int32_t bare_copy(void *m, uint64_t offset, const void *data, uint64_t bytes)
{ (void)m, (void)offset, (void)data, (void)bytes; return 0; }
"""


def load(folder: Path) -> ModuleType:
    """The compiled module; cffi compiles it again only where the source has changed."""
    builder = FFI()
    builder.cdef(DECLARATIONS)
    builder.set_source("backbuf_bare", SOURCE, extra_compile_args=["-O2"])
    path = builder.compile(tmpdir=str(folder))
    spec = importlib.util.spec_from_file_location("backbuf_bare", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
