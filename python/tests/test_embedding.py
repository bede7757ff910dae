"""Programs in C that embed Python, and go on when it has ended."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

import backbuf

EMBED = r"""
#include <Python.h>
#include <backbuf.h>
#include <stdio.h>
#define OK(...) do { if ((__VA_ARGS__) != BB_OK) { printf("%s: %s\n", #__VA_ARGS__, bb_last_error()); return 1; } } while (0)

int main(int argc, char **argv) {
    bb_manager *m;
    bb_back back;
    bb_front front;
    char script[4096];
    (void)argc;
    OK(bb_manager_create(BB_F32, 1, (const uint64_t[]){16}, NULL, &m));
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back));
    Py_Initialize();
    snprintf(script, sizeof script,
             "import sys\n"
             "sys.path[:0] = ['%s', '%s']\n"
             "import backbuf, ctypes\n"
             "m = backbuf.attach(%llu)\n"
             "backbuf.forward_log()\n"
             "with m.batch() as b:\n"
             "    b.kernel(lambda back, front: back.fill(7))\n"
             "m.enqueue_kernel(lambda back, front: back.fill(7), count=2, overwrites=True)\n"
             "native = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)\n"
             "m.enqueue_kernel(native(lambda back, front, count, data: print('called')))\n"
             "kept = m.front().array\n",
             argv[1], argv[2], (unsigned long long)(uintptr_t)m);
    if (PyRun_SimpleString(script) != 0)
        return 1;
    if (Py_FinalizeEx() != 0)
        return 1;
    ((float *)back.data)[3] = 3;
    OK(bb_manager_commit_back(m, &back, 0));
    OK(bb_manager_synchronize(m, BB_SEC(30)));
    OK(bb_manager_acquire_front(m, &front));
    printf("%g %g\n", ((const float *)front.data)[3], ((const float *)front.data)[0]);
    OK(bb_lease_release(front.lease));
    OK(bb_manager_destroy(m));
    puts("the engine goes on");
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine, linked against Python and the package's library."""
    libraries = sysconfig.get_config_var("LIBDIR")
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        pytest.skip("this Python has no shared library")
    folder = tmp_path_factory.mktemp("embedding")
    source, result = folder / "embed.c", folder / "embed"
    source.write_text(EMBED, encoding="utf-8")
    package = Path(backbuf.get_library()).parent
    flags = [f"-I{backbuf.get_include()}", f"-I{sysconfig.get_paths()['include']}"]
    for place, name in ((package, "backbuf"), (libraries, f"python{sysconfig.get_config_var('LDVERSION')}")):
        flags += [f"-L{place}", f"-Wl,-rpath,{place}", f"-l{name}"]
    subprocess.run(["cc", str(source), "-o", str(result), *flags, "-lpthread"], check=True)
    return result


@pytest.mark.parametrize("extension", [True, False])
def test_callbacks_that_are_queued_are_dropped_with_the_interpreter(program: Path, extension: bool) -> None:
    package = Path(backbuf.__file__).parent.parent
    site = sysconfig.get_paths()["purelib"]
    environment = {**os.environ, "BACKBUF_NO_EXTENSION": "" if extension else "1"}
    command = [str(program), str(package), site]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert (done.returncode, done.stdout) == (0, "3 0\nthe engine goes on\n"), done.stderr
    assert "3 Python callbacks are dropped" in done.stderr
