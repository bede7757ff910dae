// Buffers and their roles in C++: on the host, and on what there is of OpenGL and WebGPU.
#include "support.hpp"

#include <backbuf/std_future.hpp>

#include <numeric>
#include <type_traits>

using namespace backbuf;

static_assert(sizeof(Encoder) == sizeof(void *) && sizeof(Buffer) == 2 * sizeof(void *));
static_assert(!std::is_copy_constructible_v<Buffer> && std::is_nothrow_move_constructible_v<Buffer>);
static_assert(!std::is_copy_constructible_v<MappedData> && std::is_nothrow_move_constructible_v<MappedData>);
static_assert(static_cast<unsigned>(BufferUsage::Vertex) == 1u << 0 &&
              static_cast<unsigned>(BufferUsage::Indirect) == 1u << 8);

static const BufferUsage to_device = BufferUsage::MapWrite | BufferUsage::CopySrc;
static const BufferUsage from_device = BufferUsage::MapRead | BufferUsage::CopyDst;

template <class F> static void everywhere(F check) {
    check(Device::host("host"));
    Result<Device> others[] = {Device::try_gl(), Device::try_wgpu(WgpuConfig().adapter("vulkan")),
                               Device::try_wgpu(WgpuConfig().adapter("gl"))};
    for (auto &device : others)
        if (device)
            check(std::move(*device));
        else
            std::puts(device.status().text());
}

static std::vector<float> contents(const DeviceBuffer &of, IBufferFactory &factory) {
    ReadbackBuffer readback({of.getSize()}, factory);
    auto data = readback.readAsync(of).get();
    auto seen = data.as<const float>();
    return {seen.begin(), seen.end()};
}

static void a_buffer_goes_there_and_back() {
    everywhere([](Device device) {
        BufferFactory factory(device);
        auto from = factory.createMappableBuffer({64, to_device, false, "from"});
        Buffer to(device, {64, from_device, false, "to"}), staged(device, {64, to_device, true, "staged"});
        EXPECT(from->getSize() == 64 && from->getUsage() == to_device && from->getDebugName() == "from");
        EXPECT(from->isValid() && from->getState() == BufferState::Ready && from->getMappedData() == nullptr);
        {
            auto data = from->mapAsync().get();
            EXPECT(from->isMapped() && !from->isMapPending() && data.size() == 64 && data.as<float>().size() == 16);
            EXPECT(from->getMappedData() == data.data() && std::as_const(*from).getMappedData() == data.data());
        }
        EXPECT(!from->isMapped() && from->getMappedData() == nullptr); // it unmapped itself
        auto early = from->mapAsync();
        early.wait();
        EXPECT(from->getMappedData() != nullptr);
        auto stale = early.get();
        from->unmap();
        const auto later = from->mapAsync().get();
        stale.reset();
        EXPECT(from->isMapped() && from->getMappedData() == later.data()); // one that has ended ends no other
        auto range = staged.mappedRange();
        std::fill(range.begin(), range.end(), std::byte{7});
        EXPECT_THROWS(BB_E_BUSY, staged.constMappedRange());
        staged.unmap();
        EXPECT(staged.getState() == BufferState::Ready && staged.getNativeHandle() != 0);
        Encoder encoder(factory);
        encoder.copyBufferToBuffer(staged, to);
        encoder.submit();
        const auto data = to.mapAsync(MapMode::Read).get();
        EXPECT(data.as<unsigned char>()[63] == 7);
        auto read = factory.createMappableBuffer({64, from_device, false, "read"});
        const auto held = read->mapAsync(MapMode::Read).get();
        EXPECT(read->getMappedData() == nullptr && std::as_const(*read).getMappedData() == held.data());
        to.destroy();
        EXPECT(to.getState() == BufferState::Destroyed && !to.isValid());
        EXPECT_THROWS(BB_E_STATE, to.mapAsync(MapMode::Read).wait());
    });
}

static void futures_are_waited_for_cancelled_or_left() {
    auto device = Device::host("driven", DeviceFlags::host_driven);
    Buffer buffer(device, {64, to_device, false, "pending"});
    auto asked = buffer.mapAsync();
    EXPECT(!asked.ready() && buffer.getState() == BufferState::MapPending);
    EXPECT(asked.cancel() && !asked.cancel() && asked.ready());
    EXPECT_THROWS(BB_E_CANCELLED, asked.get());
    asked = buffer.mapAsync();
    EXPECT(asked.get().size() == 64); // the wait drives the device
    EXPECT_THROWS(BB_E_STATE, asked.get());
    int calls = 0;
    bb_status failed = BB_OK;
    buffer.mapAsync().then([&](MappedData &data) { calls += static_cast<int>(data.size()); });
    device.poll(forever);
    EXPECT(calls == 64 && buffer.getState() == BufferState::Ready);
    buffer.mapAsync().then([&](MappedData &) { calls = -1; }, [&](const Error &error) { failed = error.status(); });
    buffer.unmap();
    EXPECT(calls == 64 && failed == BB_E_ABORTED);
    buffer.mapAsync().then([owned = std::make_unique<int>(8), &calls](MappedData &) { calls = *owned; },
                           [](const Error &) { throw 1; }); // neither need be copied, and nothing gets out
    device.poll(forever);
    EXPECT(calls == 8);
    buffer.mapAsync().then([](MappedData &) {}, [](const Error &) { throw 1; });
    buffer.unmap();
    auto later = to_std(buffer.mapAsync());
    EXPECT(later.get().size() == 64);
    {
        auto dropped = buffer.mapAsync();
    }
    device.poll(forever);
    EXPECT(buffer.getState() == BufferState::Mapped); // it went on
    buffer.unmap();
    BufferFactory factory(device);
    DeviceBuffer result({64, BufferUsage::Storage | BufferUsage::CopySrc, false, "result"}, factory);
    ReadbackBuffer readback({64}, factory);
    readback.readAsync(result).then([&](const MappedData &) { calls = -2; },
                                    [&](const Error &error) { failed = error.status(); });
    auto lost = buffer.mapAsync();
    device.destroy();
    EXPECT_THROWS(BB_E_DEVICE_LOST, lost.get());
    EXPECT(calls == 8 && failed == BB_E_DEVICE_LOST);
}

static void every_role() {
    everywhere([](Device device) {
        BufferFactory factory(device);
        std::vector<float> data(1000);
        std::iota(data.begin(), data.end(), 0.f);
        const std::uint64_t bytes = data.size() * sizeof(float);
        const BufferUsage usage = BufferUsage::Vertex | BufferUsage::CopySrc;
        Encoder encoder(factory);
        // A mesh, loaded once: from memory of one's own, or written in place.
        DeviceBuffer mesh({bytes, usage, false, "mesh"}, factory);
        encoder.write(mesh, data);
        encoder.submit();
        EXPECT(contents(mesh, factory) == data);
        ImmediateStagingBuffer once({bytes}, factory);
        once.write(data);
        static_cast<float *>(once.getMappedData())[0] = 5;
        once.uploadTo(encoder, mesh);
        encoder.submit();
        EXPECT(contents(mesh, factory)[0] == 5 && contents(mesh, factory)[999] == 999);
        EXPECT_THROWS(BB_E_STATE, once.write(data));
        // A texture, streamed.
        DeferredStagingBuffer streaming({bytes}, factory);
        for (int turn = 0; turn < 3; turn++) {
            auto tile = streaming.mapAsync().get();
            for (float &x : tile.as<float>())
                x = static_cast<float>(turn);
            streaming.uploadTo(encoder, mesh);
            encoder.submit();
        }
        EXPECT(contents(mesh, factory) == std::vector<float>(1000, 2.f));
        // Uniforms, each frame.
        DynamicBuffer uniforms({64, BufferUsage::Uniform, false, "camera"}, factory);
        for (int frame = 0; frame < 10; frame++) {
            auto update = uniforms.beginUpdate().get();
            EXPECT(update.getNativeHandle() != 0 && update.as<float>().size() == 16);
            EXPECT(update.getBuffer() == &uniforms && uniforms.getNativeHandle() == update.getNativeHandle());
            update.as<float>()[0] = 1;
            EXPECT_THROWS(BB_E_STATE, uniforms.endFrame());
            update.end();
            uniforms.flush();
            uniforms.endFrame();
        }
        uniforms.beginUpdate(4).then([](DynamicData &update) { update.as<float>()[0] = 2; });
        uniforms.endFrame();
        EXPECT(uniforms.stats().frames == 11 && uniforms.stats().updates == 11);
        // A result, read back.
        ReadbackBuffer readback({bytes}, factory);
        EXPECT_THROWS(BB_E_STATE, static_cast<void>(readback.readAsync()));
        encoder.copyBufferToBuffer(mesh, readback);
        encoder.submit();
        std::atomic<int> seen{0};
        readback.readAsync().then([&](const MappedData &back) { seen = static_cast<int>(back.as<float>()[7]) + 1; });
        wait_until(seen, 3);
        const std::vector<float> one(1000, 1.f), two(1000, 2.f);
        encoder.write(mesh, one);
        encoder.copyBufferToBuffer(mesh, readback);
        encoder.write(mesh, two);
        const IBuffer &source = mesh; // a program may keep its buffers by their interface
        IBuffer &target = readback;
        encoder.copyBufferToBuffer(source, target);
        encoder.submit();
        EXPECT(readback.readAsync().get().as<float>()[9] == 1.f); // each as it was at its step
        EXPECT(readback.readAsync().get().as<float>()[9] == 2.f);
        EXPECT_THROWS(BB_E_STATE, static_cast<void>(readback.readAsync()));
        {
            Encoder never(factory);
            never.copyBufferToBuffer(mesh, readback);
        }
        EXPECT_THROWS(BB_E_ABORTED, readback.readAsync().get());
        encoder.write(mesh, std::as_const(data));
        encoder.submit();
        auto reading = readback.readAsync(mesh, 4, 8);
        EXPECT(reading.wait_for(forever) && reading.ready() && reading.get().size() == 8);
        EXPECT(readback.stats().reads == 5);
        GrowableBuffer grows({8, usage, false, "grows"}, factory);
        encoder.copyBufferToBuffer(mesh, 0, grows, 0, 8);
        encoder.submit();
        EXPECT(grows.reserve(100) && !grows.reserve(50) && grows.getGeneration() == 2 && grows.getSize() == 100);
        EXPECT(contents(grows, factory)[1] == 1);
    });
}

int main() {
    UNITY_BEGIN();
    RUN(a_buffer_goes_there_and_back);
    RUN(futures_are_waited_for_cancelled_or_left);
    RUN(every_role);
    return UNITY_END();
}
