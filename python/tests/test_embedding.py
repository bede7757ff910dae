"""C programs that embed Python and outlive its interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import backbuf
from backbuf import _callbacks
from backbuf._library import ffi, lib

EMBED = r"""
#include <Python.h>
#include <backbuf.h>
#include <stdio.h>
#define OK(...) do { if ((__VA_ARGS__) != BB_OK) { printf("%s: %s\n", #__VA_ARGS__, bb_last_error()); return 1; } } while (0)

DROP_FUNCTIONS
static void nothing(void *back, const void *front, uint64_t count, void *user_data) {
    (void)back, (void)front, (void)count, (void)user_data;
}

int main(int argc, char **argv) {
    bb_manager *m;
    bb_back back;
    bb_front front;
    char script[4096];
    (void)argc;
    OK(bb_manager_create(BB_F32, 1, (const uint64_t[]){16}, NULL, &m));
    for (unsigned i = 0; i < sizeof drops / sizeof *drops; i++) {
        const bb_kernel kernel = {nothing, NULL, drops[i], 0, 16, 0, 0};
        OK(bb_manager_enqueue_kernel(m, &kernel, BB_FOREVER));
    }
    OK(bb_manager_synchronize(m, BB_SEC(30)));
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


# The engine's user data: one for each kernel, as for lambdas in C++.
DROPS = [f"drop_{number}" for number in range(300)]
DROP_FUNCTIONS = (
    "\n".join(f"static void {name}(void *unused) {{ (void)unused; }}" for name in DROPS)
    + f"\nstatic const bb_drop_fn drops[] = {{{', '.join(DROPS)}}};"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine, linked against Python and the package's library."""
    libraries = sysconfig.get_config_var("LIBDIR")
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        pytest.skip("this Python has no shared library")
    folder = tmp_path_factory.mktemp("embedding")
    source, result = folder / "embed.c", folder / "embed"
    source.write_text(EMBED.replace("DROP_FUNCTIONS", DROP_FUNCTIONS), encoding="utf-8")
    package = Path(backbuf.get_library()).parent
    flags = [f"-I{backbuf.get_include()}", f"-I{sysconfig.get_paths()['include']}"]
    for place, name in ((package, "backbuf"), (libraries, f"python{sysconfig.get_config_var('LDVERSION')}")):
        flags += [f"-L{place}", f"-Wl,-rpath,{place}", f"-l{name}"]
    subprocess.run(["cc", str(source), "-o", str(result), *flags, "-lpthread"], check=True)
    return result


@pytest.mark.parametrize("extension", [True, False])
def test_queued_callbacks_are_dropped_with_the_interpreter(program: Path, extension: bool) -> None:
    package = Path(backbuf.__file__).parent.parent
    site = sysconfig.get_paths()["purelib"]
    environment = {**os.environ, "BACKBUF_NO_EXTENSION": "" if extension else "1"}
    command = [str(program), str(package), site]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert (done.returncode, done.stdout) == (0, "3 0\nthe engine goes on\n"), done.stderr
    assert "3 Python callbacks are dropped" in done.stderr


def test_a_refused_end_of_callbacks_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refuses:
        def bb_begin_callbacks(self, _drop: object) -> int:
            return 0

        def bb_end_callbacks(self, _drop: object, _timeout: int) -> int:
            return int(lib.bb_end_callbacks(ffi.NULL, 0))

    monkeypatch.setattr(_callbacks, "_retained", {1: [object()]})
    monkeypatch.setattr(_callbacks, "lib", Refuses())
    with pytest.warns(RuntimeWarning) as caught:
        _callbacks.end()
    assert any("may still run" in str(warning.message) for warning in caught)


FORKED = """
import os, backbuf
from backbuf import _callbacks
m = backbuf.CBufferManager(3)
m.enqueue_kernel(lambda back, front: None)
m.synchronize()
child = os.fork()
if child == 0:
    own = backbuf.CBufferManager(3)
    own.enqueue_kernel(lambda back, front: back.fill(1))
    own.synchronize()
    status = _callbacks.lib.bb_end_callbacks(_callbacks.drop_function(), 0)
    os._exit(0 if status == 0 else 1)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_child_ends_its_own_callbacks() -> None:
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=60)
