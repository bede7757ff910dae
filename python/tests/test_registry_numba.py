"""Numba allocators of the registry: in the simulator, compiled for a GPU, and on a GPU if there is one."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from conftest import Script
from PIL import Image

import backbuf

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

KERNEL = """
import numpy as np
from numba import cuda, float64, int32
import backbuf

def kernel_of(layout):
    r = backbuf.BufferRegistry(layout)
    r.register("k1", "s", 10, "shared", precision="f64")
    r.register("in", "s", 4, "local", aliases="k1", precision="f64")
    r.register("last", "s", 3, "local", persistent=True, precision="f64")
    r.register("index", "s", 2, "local", precision="i32")
    r.register("none", "s", 0, "local", precision="f16")
    if layout == "typed":
        r.register("flag", "s", 1, "shared", precision="i32")
        r.register("tail", "s", 1, "shared", precision="f64")
        r.register("half", "s", 4, "local", persistent=True, precision="f16")
    else:
        r.register("flag", "s", 1, "shared", precision="f64")
        r.register("tail", "s", 1, "shared", precision="f64")
        r.register("half", "s", 4, "local", persistent=True, precision="f64")
    k1, within, last, index = (r.get_allocator(name, "s") for name in ("k1", "in", "last", "index"))
    flag, tail, half, none = (r.get_allocator(name, "s") for name in ("flag", "tail", "half", "none"))
    zeroed, fresh = r.get_allocator("in", "s", zero=True), r.get_allocator("index", "s", zero=True)
    view = np.uint8 if layout == "typed" else np.float64

    @cuda.jit
    def kernel(out):
        shared = cuda.shared.array(0, float64).view(view)
        persistent = cuda.local.array(8, float64).view(view)
        a, b = k1(shared, persistent), within(shared, persistent)
        for i in range(10):
            a[i] = i + 1
        last(shared, persistent)[2] = 7
        own = index(shared, persistent)
        own[1] = -5
        flag(shared, persistent)[0] = 3
        tail(shared, persistent)[0] = 0.5
        half(shared, persistent)[3] = 1.5
        out[0] = b[3]
        out[1] = len(a) + len(b)
        out[2] = last(shared, persistent)[2]
        out[3] = own[1]
        out[4] = len(none(shared, persistent))
        out[5] = flag(shared, persistent)[0] + tail(shared, persistent)[0] + half(shared, persistent)[3]
        out[6] = zeroed(shared, persistent)[3] + a[3]
        out[7] = a[4]
        out[8] = fresh(shared, persistent)[1]

    return kernel, r

EXPECTED = [4, 14, 7, -5, 1, 5, 0, 5, 0]
"""

SIMULATED = f"""
import os
os.environ["NUMBA_ENABLE_CUDASIM"] = "1"
{KERNEL}
for layout in ("elements", "typed"):
    kernel, r = kernel_of(layout)
    out = np.zeros(9)
    kernel[1, 1, 0, -(-r.shared_bytes("s", 1) // 8) * 8](out)
    assert out.tolist() == EXPECTED, (layout, out)
print("ok")
"""

COMPILED = f"""
import types
import numba.cuda.dispatcher
# Compiles for compute capability 8.0 without a device.
eight = types.SimpleNamespace(compute_capability=(8, 0))
numba.cuda.dispatcher.get_current_device = lambda: eight
{KERNEL}
from numba import types
for layout in ("elements", "typed"):
    kernel, _ = kernel_of(layout)
    text, _ = cuda.compile_ptx(kernel.py_func, types.void(types.float64[::1]), cc=(8, 0))
    # Local arrays of a device function end with it, so all of them must have been inlined into the kernel.
    assert ".func" not in text and ".visible .entry" in text, text
print("ok")
"""

ON_A_GPU = f"""
{KERNEL}
import warnings
warnings.simplefilter("ignore")
for layout in ("elements", "typed"):
    kernel, r = kernel_of(layout)
    out = cuda.to_device(np.zeros(9))
    kernel[1, 1, 0, -(-r.shared_bytes("s", 1) // 8) * 8](out)
    assert out.copy_to_host().tolist() == EXPECTED, (layout, out.copy_to_host())
print("ok")
"""


def test_a_kernel_in_the_simulator_gets_its_buffers(script: Script) -> None:
    assert script(SIMULATED) == "ok\n"


def run(text: str, **environment: str) -> str:
    command = [sys.executable, "-c", text]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_kernel_compiles_for_a_gpu(tmp_path: Path) -> None:
    parts = Path(sysconfig.get_path("purelib")) / "nvidia"
    nvvm, runtime = parts / "cuda_nvcc" / "nvvm", parts / "cuda_runtime" / "lib"
    if not nvvm.exists() or not runtime.exists():
        pytest.skip("no NVVM here: pip install nvidia-cuda-nvcc-cu12 nvidia-cuda-runtime-cu12")
    # The folder layout of a CUDA toolkit, which Numba expects.
    (tmp_path / "nvvm").symlink_to(nvvm)
    (tmp_path / "lib64").symlink_to(runtime)
    assert run(COMPILED, CUDA_HOME=str(tmp_path), LD_LIBRARY_PATH=str(nvvm / "lib64")) == "ok\n"


def has_gpu() -> bool:
    sys.path.insert(0, str(EXAMPLES))
    import lorenz

    return lorenz.has_gpu()


@pytest.mark.skipif(not has_gpu(), reason="no GPU here")
def test_a_kernel_on_a_gpu_gets_its_buffers() -> None:
    assert run(ON_A_GPU) == "ok\n"


def test_without_numba_or_matplotlib_the_rest_works(script: Script) -> None:
    printed = script("""
        import sys
        sys.modules["numba"] = sys.modules["matplotlib"] = None
        import backbuf
        r = backbuf.BufferRegistry()
        r.register("k1", "s", 10, "shared")
        print(r.placement("k1", "s").length, r.svg("s")[:4])
        for ask in (lambda: r.get_allocator("k1", "s"), lambda: r.png("s")):
            try:
                ask()
            except ImportError as error:
                print(error)
    """)
    assert printed.splitlines()[0] == "10 <svg"
    assert "pip install numba; placement() returns" in printed
    assert "pip install matplotlib; svg() does not" in printed


def test_build_allocator() -> None:
    buffer = backbuf.CUDABuffer("k1", 3, "shared")
    for wrong in ((None, None, None), (slice(0, 3), slice(0, 3), None), (slice(0, 3), None, 3)):
        with pytest.raises(ValueError, match="one of shared_slice, persistent_slice and local_size"):
            buffer.build_allocator(*wrong)
    registry = backbuf.BufferRegistry()
    registry.register("k1", "s", 3, "shared")
    assert registry.get_allocator("k1", "s") is registry.get_allocator("k1", "s"), "compiled once"
    registry.replace("k1", "s", 4, "shared")
    assert registry.get_allocator("k1", "s") is buffer.build_allocator(slice(0, 4), None, None)


@pytest.mark.parametrize(
    "where", ["--simulator", pytest.param("", marks=pytest.mark.skipif(not has_gpu(), reason="no GPU here"))]
)
def test_the_lorenz_example(tmp_path: Path, where: str) -> None:
    command = [sys.executable, str(EXAMPLES / "lorenz.py"), "--output", str(tmp_path), *where.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"32 trajectories to t = 1 {'in the simulator' if where else 'on the GPU'}" in done.stdout
    assert "<svg " in (tmp_path / "lorenz.svg").read_text(encoding="utf-8")
    with Image.open(tmp_path / "lorenz.png") as picture:
        assert picture.width == 1920


def test_the_lorenz_example_refuses_bad_options() -> None:
    for bad in (["--threads", "0"], ["--blocks", "x"]):
        refused = subprocess.run(
            [sys.executable, str(EXAMPLES / "lorenz.py"), *bad], capture_output=True, text=True, check=False
        )
        assert refused.returncode == 2
        assert bad[0] in refused.stderr
