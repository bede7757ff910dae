"""OpenGL devices and managers: contexts, fronts, destruction, bad arguments."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import Script, Stage

import backbuf
from backbuf import Device, GLBufferManager
from backbuf._library import ffi, lib

pytestmark = pytest.mark.usefixtures("stage")


@pytest.fixture
def get_proc_address() -> Any:
    """EGL's get_proc_address as a ctypes function."""
    found = ctypes.CDLL("libEGL.so.1").eglGetProcAddress
    found.restype, found.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    return found


def refusal(call: Callable[[], object]) -> backbuf.BackbufError:
    with pytest.raises(backbuf.BackbufError) as caught:
        call()
    return caught.value


def elsewhere(*calls: Callable[[], object]) -> list[backbuf.BackbufError]:
    """The errors of calls on a thread that has no context and drives no device."""
    raised: list[backbuf.BackbufError] = []

    def run() -> None:
        raised.extend(refusal(call) for call in calls)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised


def on(stage: Stage, m: GLBufferManager) -> Any:
    """The content of the newest front's buffer."""
    with m.front_gl() as f:
        assert (f.offset, f.nbytes) == (0, m.nbytes)
        return np.frombuffer(stage.read(f.buffer, f.nbytes), m.dtype).reshape(m.shape)


def test_device_info() -> None:
    with Device(label="own") as device:
        info = device.info()
        assert info.kind == "gl"
        assert info.name
        assert info.max_buffer_size == 2**31 - 4
        assert info.uniform_offset_alignment > 0
        assert all(capability.isidentifier() for capability in info.capabilities)
        assert repr(device) == f"<Device 'own' OpenGL on {info.name}, open>"
        assert "own" in backbuf.dump()
        assert device.leak_report() == ""
    assert repr(device) == f"<Device 'own' OpenGL on {info.name}, closed>"
    device.close()
    for call in (device.info, device.statistics, device.leak_report, device.poll, lambda: device.handle):
        with pytest.raises(backbuf.ClosedError):
            call()


def test_fronts_contain_the_published_state(stage: Stage) -> None:
    m = GLBufferManager((100, 3), "f4", stage.device, label="cloud", initial=1)
    assert m.device is stage.device
    assert (on(stage, m) == 1).all()
    names: dict[int, int] = {}
    expected = np.ones((100, 3), "f4")
    for step in range(1, 20):
        m[step : 2 * step, ::2] = step
        expected[step : 2 * step, ::2] = step
        m.tag(step)
        m.synchronize()
        with m.front_gl() as f:
            assert (f.epoch, f.tag) == (step, step)
            assert names.setdefault(f.slot, f.buffer) == f.buffer
        assert (on(stage, m) == expected).all()
        assert (m.snapshot() == expected).all()
    assert 2 <= len(names) <= 3


def test_a_front_stays_until_it_is_released(stage: Stage) -> None:
    m = GLBufferManager(8, "i4", stage.device)
    m[:] = 7
    m.synchronize()
    f = m.front_gl()
    backend = f"OpenGL on {stage.device.info().name}"
    assert repr(f) == f"<GLFront buffer {f.buffer}, slot {f.slot}, {backend}, epoch 1, tag 0, held>"
    assert backend in repr(m)
    with pytest.raises(TypeError, match=r"use m\.front\(\)"):
        np.asarray(f)
    for step in range(10):
        m[:] = step
        m.synchronize()
    assert stage.read(f.buffer, f.nbytes) == b"\7\0\0\0" * 8
    assert m.statistics().leases_live == 1
    f.release()
    f.release()
    assert "released" in repr(f)
    with m.front_gl() as f:
        assert m.statistics().leases_live == 1
    m.front_gl()
    assert m.statistics().leases_live == 0


def test_a_device_is_ended_by_the_last_manager_on_it(stage: Stage) -> None:
    m = GLBufferManager(4, "f4", Device.shared(label="kept"))
    m[:] = 2
    with m.back() as a:
        a[0] = 1
    m.synchronize()
    assert on(stage, m).tolist() == [1, 2, 2, 2]
    assert "kept" in backbuf.dump()
    m.destroy()
    del m, a
    gc.collect()
    assert "kept" not in backbuf.dump()


def test_a_manager_creates_its_own_device() -> None:
    with GLBufferManager.from_array(np.arange(5), label="alone") as m:
        assert m.device is not None
        assert m.device.label == "alone"
        with pytest.raises(backbuf.StateError, match="a private device"):
            m.detach()
        m[0] = 9
    assert m.snapshot().tolist() == [9, 1, 2, 3, 4]
    device = m.device
    m.destroy()
    assert m.device is None
    assert device.statistics().buffers_created == device.statistics().buffers_deleted > 0
    with pytest.raises(backbuf.ClosedError):
        m.front_gl()


def test_a_lost_device(stage: Stage) -> None:
    device = Device.shared()
    m = GLBufferManager(4, "f4", device)
    m[:] = 1
    m.synchronize()
    f = m.front_gl()
    device.close()
    m[:] = 2
    for call in (m.synchronize, m.front_gl):
        with pytest.raises(backbuf.DeviceLostError) as caught:
            call()
        assert isinstance(caught.value, backbuf.BackendError)
    assert m.snapshot().tolist() == [1] * 4
    f.release()
    with pytest.raises(backbuf.ClosedError):
        GLBufferManager(4, "f4", device)


def test_the_same_context_by_its_pointers(stage: Stage) -> None:
    egl = ctypes.CDLL("libEGL.so.1")
    egl.eglGetCurrentDisplay.restype = egl.eglGetCurrentContext.restype = ctypes.c_void_p
    display, context = egl.eglGetCurrentDisplay(), egl.eglGetCurrentContext()
    for pointers in (
        (display, context),
        (ctypes.c_void_p(display), ctypes.c_void_p(context)),
        (ffi.cast("void *", display), ffi.cast("void *", context)),
    ):
        with Device.shared(*pointers) as device:
            m = GLBufferManager(3, "u1", device)
            m[1] = 5
            m.synchronize()
            assert on(stage, m).tolist() == [0, 5, 0]
            m.destroy()


def test_bad_contexts() -> None:
    (refused,) = elsewhere(Device.shared)
    assert isinstance(refused, backbuf.StateError)
    assert "current on this thread" in str(refused)
    with pytest.raises(ValueError, match="together"):
        Device.shared(5)
    with pytest.raises(TypeError, match="context is a str"):
        Device.shared(5, "x")
    with pytest.raises(backbuf.ArgumentError):
        Device.shared(0xDEAD_BEE0, 0xDEAD_BEE8)
    with pytest.raises(TypeError, match="label is a int"):
        Device(label=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="device is a str"):
        GLBufferManager(4, "f4", "gl")  # type: ignore[arg-type]


def test_driven_by_the_host(stage: Stage, get_proc_address: Any) -> None:
    with Device.host_driven(get_proc_address, label="mine") as device:
        m = GLBufferManager(4, "i4", device)
        ended = threading.Event()

        def engine() -> None:
            for step in range(1, 30):
                m[:] = step
                m.tag(step)
                m.synchronize(timeout=60)
            ended.set()

        thread = threading.Thread(target=engine)
        thread.start()
        seen = [0]
        while not ended.is_set() or seen[-1] < 29:
            device.poll()
            with m.front_gl() as f:
                assert stage.read(f.buffer, f.nbytes) == f.tag.to_bytes(4, "little") * 4
                seen.append(f.tag)
        thread.join()
        assert seen == sorted(seen)
        m[:] = 50
        assert m.synchronize() == 30, "a wait on its own thread does the work"
        m.destroy()
        device.poll(None)
        assert device.statistics().live_bytes == 0


def test_only_the_owner_thread_may_poll(stage: Stage, get_proc_address: Any) -> None:
    with pytest.raises(backbuf.StateError):
        stage.device.poll()
    device = Device.host_driven(get_proc_address)

    statuses = [error.status for error in elsewhere(device.poll, device.close)]
    assert statuses == [lib.BB_E_WRONG_THREAD] * 2
    with pytest.raises(ValueError, match="budget"):
        device.poll(-1)
    assert not device.closed
    device.close()


def test_ways_to_find_functions(get_proc_address: Any) -> None:
    address = ctypes.cast(get_proc_address, ctypes.c_void_p).value
    for function in (get_proc_address, address, lambda name: get_proc_address(name.encode())):
        Device.host_driven(function).close()
    with pytest.raises(ZeroDivisionError):
        Device.host_driven(lambda name: 1 // 0)
    with pytest.raises(backbuf.UnsupportedError, match="get_proc_address"):
        Device.host_driven(lambda name: None)
    with pytest.raises(TypeError, match="get_proc_address is a float"):
        Device.host_driven(0.5)


def test_a_manager_that_c_code_owns(stage: Stage) -> None:
    owner = GLBufferManager(4, "f4", stage.device, label="engine")
    seen = GLBufferManager.attach(owner.handle)
    seen[:] = 3
    seen.synchronize()
    assert on(stage, seen).tolist() == [3] * 4
    assert (seen.device, repr(seen)) == (None, "<GLBufferManager 'engine' (4,) float32, OpenGL, epoch 1, open>")
    in_host_memory = backbuf.CBufferManager(4)
    with pytest.raises(backbuf.StateError, match="host memory"):
        GLBufferManager.attach(in_host_memory.handle).front_gl()
    handle = GLBufferManager(4, "f4", stage.device).detach()
    assert lib.bb_manager_destroy(ffi.cast("bb_manager *", handle)) == 0


def test_the_changes_of_a_front(stage: Stage) -> None:
    m = GLBufferManager((10, 4), "f4", stage.device)
    m[2, 1:3] = 1
    m.synchronize()
    m[9] = 2
    m.synchronize()
    with m.front_gl() as f:
        assert f.changed_since(0).ranges == ((36, 44), (144, 160))
        assert list(f.changed_since(1)) == [slice(36, 40)]
        assert not f.changed_since(2)
        with pytest.raises(backbuf.ArgumentError, match=r"^epoch = 3"):
            f.changed_since(3)
    with pytest.raises(ValueError, match="epoch 2 is released"):
        f.changed_since(0)
    fields = GLBufferManager(fields={"a": (5, "u1"), "b": (6, "f8")}, device=stage.device)
    fields["b"][4] = 1
    fields.synchronize()
    with fields.front_gl() as f:
        assert f.changed_since(0, "b").ranges == ((32, 40),)
        assert not f.changed_since(0, "a")
        with pytest.raises(TypeError, match="the state has fields"):
            f.changed_since(0)
        with pytest.raises(backbuf.NotRegisteredError):
            f.changed_since(0, "c")


def test_sizes(stage: Stage) -> None:
    with pytest.raises(backbuf.LimitError):
        GLBufferManager(2**31, "u1", stage.device)
    m = GLBufferManager(0, "f4", stage.device)
    assert m.synchronize() == 0
    with m.front_gl() as f:
        assert f.nbytes == 0


def test_a_front_needs_a_context(stage: Stage) -> None:
    m = GLBufferManager(4, "f4", stage.device)
    with m.front_gl() as f:
        refused = elsewhere(m.front_gl, f.release)
        assert [type(error) for error in refused] == [backbuf.StateError] * 2
        assert m.statistics().leases_live == 1
    forgotten = [m.front_gl()]
    thread = threading.Thread(target=forgotten.clear)  # no fence is possible on that thread
    thread.start()
    thread.join()
    assert m.statistics().leases_live == 0


def test_forks_and_ends(script: Script) -> None:
    text = """
        import atexit, os, threading
        import backbuf
        device = backbuf.Device()
        m = backbuf.GLBufferManager(4, "f4", device)
        own = backbuf.GLBufferManager(4, "f4", flush=lambda: None)
        m[:], own[:] = 1, 2
        m.synchronize(), own.synchronize()
        if os.fork() == 0:
            for call in (m.synchronize, m.front_gl, device.info, device.close, own.close):
                try:
                    call()
                except backbuf.ForkedError as error:
                    print(error.status, flush=True)
            atexit._run_exitfuncs()
            os._exit(7)  # the drivers' exit handlers must not run in a child
        print(os.waitstatus_to_exitcode(os.wait()[1]))
        threading.Thread(target=lambda: [m.enqueue(1.0) for _ in iter(int, 1)], daemon=True).start()
        print(m.snapshot()[0], own.snapshot()[0])
        """
    assert script(text, "-W", "ignore::DeprecationWarning") == "-28\n" * 5 + "7\n1.0 2.0\n"


def test_without_opengl_the_rest_works(script: Script) -> None:
    text = """
        import os
        import backbuf
        os.environ["MESA_GL_VERSION_OVERRIDE"] = "3.2"
        def caught(make):
            try:
                make()
            except NotImplementedError as error:
                assert isinstance(error, backbuf.UnsupportedError)
                print("OpenGL 3.3 or newer" in str(error))
        caught(backbuf.Device)
        caught(lambda: backbuf.GLBufferManager(4))
        m = backbuf.CBufferManager(2)
        m[0] = 1
        print(m.synchronize())
        """
    assert script(text) == "True\nTrue\n1\n"
