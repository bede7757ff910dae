"""Device buffers and transfers: on host memory, on OpenGL, and on WebGPU if the library has it."""

from __future__ import annotations

import functools
import gc
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conftest import WGPU, Run, Script

import backbuf
from backbuf import (
    Buffer,
    BufferState,
    BufferUsage,
    DeferredStagingBuffer,
    Device,
    DeviceBuffer,
    DynamicBuffer,
    Encoder,
    GrowableBuffer,
    ImmediateStagingBuffer,
    MapMode,
    ReadbackBuffer,
)

TO_DEVICE = BufferUsage.MAP_WRITE | BufferUsage.COPY_SRC
FROM_DEVICE = BufferUsage.MAP_READ | BufferUsage.COPY_DST
MESH = BufferUsage.VERTEX | BufferUsage.COPY_SRC


@pytest.fixture(params=["host", "gl", *WGPU])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    kind, _, adapter = request.param.partition("-")
    make = {"host": Device.host, "gl": Device, "wgpu": functools.partial(Device.wgpu, adapter)}
    try:
        made = make[kind](label="tests")
    except backbuf.UnsupportedError as error:
        if kind == "wgpu" and "BACKBUF_NO_INSTALL" not in os.environ:
            raise
        pytest.skip(str(error))
    with made:
        yield made
        gc.collect()
        assert made.leak_report() == ""


def contents(device: Device, of: DeviceBuffer, dtype: Any = np.uint8) -> Any:
    with ReadbackBuffer(device, of.size) as ring:
        return ring.read(of, dtype=dtype).wait()


def test_webgpu_is_created_or_unsupported() -> None:
    if WGPU:
        with Device.wgpu("noop", label="none", host_driven=True) as device:
            assert (device.info().kind, device.label) == ("wgpu", "none")
            device.poll()
    else:
        with pytest.raises(backbuf.UnsupportedError, match="no WebGPU"):
            Device.wgpu()
    with pytest.raises(backbuf.UnsupportedError):
        Device.wgpu("no adapter is called so")
    with pytest.raises(TypeError, match="adapter is a int"):
        Device.wgpu(1)  # type: ignore[arg-type]  # refused at run time too


def test_mapped_bytes_make_a_round_trip(device: Device) -> None:
    with Buffer(device, 64, TO_DEVICE, label="up") as up, Buffer(device, 64, FROM_DEVICE, label="down") as down:
        assert (up.size, up.usage, up.state, up.label, up.valid) == (64, TO_DEVICE, BufferState.READY, "up", True)
        with up.map(MapMode.WRITE, dtype="f4") as array:
            array[:] = np.arange(16)
            np.add(array, 1, out=array)
            assert (len(array), array.dtype, array.sum(), up.state) == (16, np.dtype("f4"), 136, BufferState.MAPPED)
        assert up.native
        with Encoder(device) as encoder:
            encoder.copy(up, down)
        with down.map(MapMode.READ, 8, 16, dtype="f4") as array:
            assert np.asarray(array).tolist() == [3, 4, 5, 6]
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1
        with pytest.raises(backbuf.StateError, match="has ended"):
            array[0]
        assert repr(array) == "<MappedArray, ended>"


def test_arrays_that_are_alive_keep_the_mapping(device: Device) -> None:
    buffer = Buffer(device, 64, BufferUsage.VERTEX, mapped_at_creation=True, label="held")
    view = buffer.mapped()[3:9]
    for end in (buffer.unmap, buffer.destroy, buffer.close):
        with pytest.raises(BufferError, match="1 arrays"):
            end()
    assert buffer.state == BufferState.MAPPED
    view[:] = 7
    del view
    buffer.unmap()
    assert buffer.state == BufferState.READY
    with pytest.raises(BufferError, match="alive"), Buffer(device, 64, TO_DEVICE).map(MapMode.WRITE) as array:
        kept = array[:4]
    del kept, array
    buffer.close()
    buffer.close()
    with pytest.raises(backbuf.ClosedError):
        buffer.unmap()


def test_requests_are_awaited_cancelled_and_refused(device: Device, run: Run) -> None:
    async def work() -> None:
        buffer = Buffer(device, 64, TO_DEVICE, label="asked")
        async with buffer.map(MapMode.WRITE) as array:
            array[:] = 5
        array = await buffer.map(MapMode.WRITE)
        assert array[63] == 5
        with pytest.raises(backbuf.StateError, match="mapped"):
            buffer.map(MapMode.WRITE)
        buffer.unmap()
        with pytest.raises(backbuf.ArgumentError, match="mode"):
            buffer.map(MapMode.READ)
        with pytest.raises(backbuf.ArgumentError, match="offset"):
            buffer.map(MapMode.WRITE, 3)
        buffer.close()

    run(work())


def test_a_request_on_an_idle_device_is_cancelled_or_lost() -> None:
    device = Device.host(host_driven=True)
    buffer = Buffer(device, 64, TO_DEVICE, label="pending")
    request = buffer.map(MapMode.WRITE)
    assert buffer.state == BufferState.MAP_PENDING
    assert request.cancel()
    assert not request.cancel()
    with pytest.raises(backbuf.StateError, match="pending"):
        request.wait()
    assert len(buffer.map(MapMode.WRITE).wait()) == 64  # the wait drives the device
    buffer.unmap()
    request = buffer.map(MapMode.WRITE)
    device.close()
    with pytest.raises(backbuf.DeviceLostError):
        request.wait()
    assert not buffer.valid


def test_a_host_driven_device_ends_with_its_thread() -> None:
    made: list[Any] = []

    def own() -> None:
        device = Device.host(host_driven=True)
        mapped, pending = Buffer(device, 64, TO_DEVICE), Buffer(device, 64, TO_DEVICE)
        array = np.asarray(mapped.map(MapMode.WRITE).wait())
        made.extend((device, mapped, array, pending, pending.map(MapMode.WRITE)))

    owner = threading.Thread(target=own)
    owner.start()
    owner.join()
    device, mapped, array, pending, request = made
    with pytest.raises(backbuf.DeviceLostError, match="has ended"):
        Buffer(device, 64, TO_DEVICE)
    with pytest.raises(backbuf.DeviceLostError):
        request.wait()
    assert (mapped.state, pending.state, mapped.valid) == (BufferState.DESTROYED, BufferState.DESTROYED, False)
    array[:] = 7  # the bytes stay valid as long as an array refers to them
    assert bytes(array) == bytes([7]) * 64
    with pytest.raises(BufferError):
        device.close()
    del array
    made.clear()
    device.close()


def test_any_size_is_transferred(device: Device) -> None:
    for count in (*range(10), 31, 33):
        data = bytes(range(1, count + 1))
        target = DeviceBuffer(device, 64, MESH)
        with Encoder(device) as encoder:
            encoder.write(target, b"\xee" * 64)
            encoder.write(target, data, 5)
        once = ImmediateStagingBuffer(device, count)
        once.write(data)
        again = DeferredStagingBuffer(device, count)
        with again.map() as array:
            array[:] = np.frombuffer(data, np.uint8)
        fence = 0
        with Encoder(device) as encoder:
            once.upload_to(encoder, target, 5)
            again.upload_to(encoder, target, 5)
            fence = encoder.submit()
        device.wait_fence(fence, 10)
        assert contents(device, target).tobytes() == b"\xee" * 5 + data + b"\xee" * (59 - count)


def test_a_recorded_read_returns_the_content_of_its_step(device: Device) -> None:
    with DeviceBuffer(device, 5, MESH) as source, ReadbackBuffer(device, 5) as ring:
        with Encoder(device) as encoder:
            encoder.write(source, b"first")
            first = ring.read_in(encoder, source)
            encoder.write(source, b"later")
            later = ring.read_in(encoder, source, 1, 3)
        assert (bytes(first.wait()), bytes(later.wait())) == (b"first", b"ate")
        encoder = Encoder(device)
        never = ring.read_in(encoder, source)
        encoder.close()
        with pytest.raises(backbuf.StateError, match="without a submit"):
            never.wait()
        del never


def test_frames(device: Device, run: Run) -> None:
    target = DeviceBuffer(device, 256, MESH)
    with DynamicBuffer(device, 1024, BufferUsage.UNIFORM | BufferUsage.COPY_SRC, label="camera") as dynamic:
        for frame in range(20):
            encoder = Encoder(device)
            with dynamic.update(256, dtype="f4") as update:
                update.array[:] = frame
                assert update.buffer
            update.copy_to(encoder, target)
            encoder.submit()
            dynamic.flush()
            dynamic.end_frame()
            with pytest.raises(backbuf.HandleError, match="has ended"):
                update.copy_to(encoder, target)
            assert contents(device, target, "f4").tolist() == [frame] * 64
        assert dynamic.statistics().frames == 20
        with dynamic.update(8), pytest.raises(backbuf.StateError, match="open"):
            dynamic.end_frame()
        with pytest.raises(ValueError, match="policy"):
            DynamicBuffer(device, 8, policy="hope")

    async def read() -> Any:
        ring = ReadbackBuffer(device, 256, frames=1)
        async with ring.read(target, 4, 8, dtype="f4") as lent:
            assert lent.tolist() == [19, 19]
            with pytest.raises(backbuf.FullError):
                ring.read(target)
        found = await ring.read(target, dtype="f4")
        assert ring.statistics().skipped == 1
        return found

    assert run(read()).tolist() == [19] * 64


def test_a_grown_buffer_keeps_its_bytes(device: Device) -> None:
    grows = GrowableBuffer(device, 4, MESH, label="grows")
    with Encoder(device) as encoder:
        encoder.write(grows, b"abcd")
    assert grows.reserve(100)
    assert not grows.reserve(50)
    assert (grows.generation, grows.size) == (2, 100)
    assert contents(device, grows).tobytes() == b"abcd" + bytes(96)
    with pytest.raises(backbuf.LimitError):
        grows.reserve((1 << 64) - 1)


def test_data_is_kept_until_the_submit(device: Device) -> None:
    target, encoder = DeviceBuffer(device, 1 << 16, MESH), Encoder(device)
    data = np.full(1 << 16, 9, np.uint8)
    encoder.write(target, data)
    alive = weakref.ref(data)
    del data
    gc.collect()
    assert alive() is not None
    encoder.submit()
    gc.collect()
    assert alive() is None
    assert contents(device, target).sum() == 9 << 16
    with pytest.raises(BufferError, match="not contiguous"):
        encoder.write(target, np.zeros((4, 4))[:, 1])
    with pytest.raises(backbuf.OutOfRangeError):
        encoder.write(target, bytes(9), (1 << 16) - 8)


# Ways to free the memory under an array; refused ones leave it unchanged. The buffer is large, so that its memory is unmapped.
ENDS = {
    "buffer and request are dropped": "a = Buffer(d, N, UP).map(MapMode.WRITE).wait(); gc.collect()",
    "the device is closed under an array": "a = Buffer(d, N, UP).map(MapMode.WRITE).wait(); d.close()",
    "the device is closed under a view": "a = Buffer(d, N, UP).map(MapMode.WRITE).wait()[:]; refused(d.close)",
    "a view outlives everything": "a = Buffer(d, N, UP).map(MapMode.WRITE).wait()[:]; del d; gc.collect()",
    "a staging buffer is closed": "s = DeferredStagingBuffer(d, N); a = s.map().wait(); s.close()",
    "a staging buffer is closed under a view": "s = DeferredStagingBuffer(d, N); a = s.map().wait()[:]; refused(s.close)",
    "a lent reading is dropped": "a = ReadbackBuffer(d, N).read(DeviceBuffer(d, N, MESH)).__enter__(); gc.collect()",
    "an update's ring is closed": "y = DynamicBuffer(d, N); u = y.update(N); a = u.array; y.close(); del y, u; gc.collect()",
    "an update's ring is dropped": "a = DynamicBuffer(d, N).update(N).array; gc.collect()",
    "an update's ring is closed under a view": "y = DynamicBuffer(d, N); a = y.update(N).array[:]; refused(y.close)",
    "a mapping ends before it is looked at": "b = Buffer(d, N, UP); a = b.map(MapMode.WRITE).wait(); b.unmap()",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_no_array_reaches_freed_memory(end: str, script: Script) -> None:
    said = script(
        f"""
        import gc, time
        from backbuf import *
        N, UP, MESH = 8 << 20, BufferUsage.MAP_WRITE | BufferUsage.COPY_SRC, BufferUsage.VERTEX | BufferUsage.COPY_SRC
        def refused(call):
            try:
                call()
            except BufferError:
                return
            raise AssertionError("it was not refused")
        d = Device.host()
        {end}
        time.sleep(0.05)
        try:
            print(int(a[5]))
        except StateError:
            print("ended")
        """
    )
    assert said in ("0\n", "ended\n")


def test_an_update_without_an_end_does_not_block_its_frame(device: Device) -> None:
    with DynamicBuffer(device, 64) as dynamic:
        dynamic.update(8)
        dynamic.end_frame()
        assert dynamic.statistics().frames == 1
