// Futures of a device: chains of continuations, waits for one of several, errors on their way through a chain; and where the
// device of a buffer comes from.
#include "support.hpp"

#include <memory>
#include <stdexcept>
#include <type_traits>

using namespace backbuf;

static const BufferUsage to_device = BufferUsage::MapWrite | BufferUsage::CopySrc;

template <class F> using after = decltype(std::declval<Buffer &>().mapAsync().then(std::declval<F>()));
static_assert(std::is_same_v<after<void (*)(MappedData &)>, Continued<void>>);
static_assert(std::is_same_v<after<int (*)(void *)>, Continued<int>>);
static_assert(std::is_same_v<after<std::unique_ptr<int> (*)()>, Continued<std::unique_ptr<int>>>);
static_assert(std::is_same_v<after<const std::string &(*)(const MappedData &)>, Continued<std::string>>);
static_assert(
    std::is_same_v<decltype(std::declval<Future<void>>().then(std::declval<long (*)(void *)>())), Continued<long>>);
static_assert(!std::is_copy_constructible_v<Future<int>> && std::is_nothrow_move_constructible_v<Future<int>>);

static Device driven() { return Device::host("driven", DeviceFlags::host_driven); }

static void a_chain_passes_each_result_on() {
    auto device = driven();
    Buffer buffer(device, {64, to_device, false, "chain"});
    std::vector<int> order;
    auto last = buffer.mapAsync()
                    .then([&](MappedData &data) {
                        order.push_back(1);
                        return data.size();
                    })
                    .then([&](std::size_t &size) {
                        order.push_back(2);
                        return std::make_unique<std::size_t>(size + 1);
                    })
                    .then([&](std::unique_ptr<std::size_t> &size) {
                        order.push_back(3);
                        EXPECT(*size == 65);
                    })
                    .then([&](void *nothing) {
                        order.push_back(nothing == nullptr ? 4 : -1);
                        return std::string("done");
                    });
    EXPECT(order.empty() && !last.ready());
    EXPECT(last.get() == "done"); // the wait drives the device
    EXPECT((order == std::vector<int>{1, 2, 3, 4}) && buffer.getState() == BufferState::Ready);
    EXPECT_THROWS(BB_E_STATE, last.get());
    // On a future that has completed, a continuation runs at once.
    auto ready = buffer.mapAsync();
    ready.wait();
    auto then = std::move(ready).then([](void *bytes) { return bytes != nullptr; });
    EXPECT(then.ready() && then.get());
    EXPECT_THROWS(BB_E_STATE, ready.wait()); // NOLINT: used after move on purpose
    EXPECT_THROWS(BB_E_STATE, Future<int>().get());
    bool called = false;
    buffer.mapAsync().then([] {}).then([&] { called = true; }); // dropped: it goes on
    device.poll(forever);
    EXPECT(called);
}

static void an_error_passes_through_a_chain() {
    auto device = driven();
    Buffer buffer(device, {64, to_device, false, "refused"});
    int calls = 0;
    bb_status seen = BB_OK;
    auto failed = buffer.mapAsync()
                      .then([&](void *) { return ++calls; })
                      .then([&](int) { return ++calls; }, [&](const Error &e) { seen = e.status(); });
    buffer.unmap();
    EXPECT(failed.ready() && seen == BB_E_ABORTED && calls == 0);
    EXPECT_THROWS(BB_E_ABORTED, failed.get());
    // What a continuation throws is what its future has: an Error, and anything else.
    auto thrown = buffer.mapAsync().then([](void *) -> int { throw std::out_of_range("of the program"); });
    bool same = false;
    try {
        thrown.get();
    } catch (const std::out_of_range &e) {
        same = std::string(e.what()) == "of the program";
    }
    EXPECT(same && buffer.getState() == BufferState::Ready);
    auto refused = buffer.mapAsync().then([&](void *) { buffer.mappedRange(1, 1); }).then([&] { calls++; });
    EXPECT_THROWS(BB_E_ALIGN, refused.get());
    EXPECT(calls == 0);
    auto cancelled = buffer.mapAsync().then([&] { calls++; });
    EXPECT(cancelled.cancel());
    EXPECT_THROWS(BB_E_CANCELLED, cancelled.get());
    auto lost = buffer.mapAsync().then([&] { calls++; });
    device.destroy();
    EXPECT_THROWS(BB_E_DEVICE_LOST, lost.get());
    EXPECT(calls == 0);
}

static void reads_and_updates_are_continued() {
    Device devices[] = {Device::host("host"), driven()};
    for (Device &device : devices) {
        BufferFactory factory(device);
        Encoder encoder(device);
        DeviceBuffer result(device, {64, BufferUsage::CopySrc, true, "result"});
        const std::vector<float> data(16, 2.f);
        encoder.write(result, data);
        encoder.submit();
        ReadbackBuffer readback(device, {64});
        auto sum = readback.readAsync(result)
                       .then([](const MappedData &bytes) {
                           float all = 0;
                           for (float x : bytes.as<float>())
                               all += x;
                           return all;
                       })
                       .then([](float all) { return static_cast<int>(all); });
        EXPECT(sum.get() == 32);
        EXPECT(readback.readAsync(result).then([](const void *bytes) { return bytes != nullptr; }).get());
        EXPECT(!readback.readAsync(result).then([] {}).then([](void *nothing) { return nothing; }).get());
        readback.readAsync(result, 0, 4).then([] { throw 1; }); // dropped with its exception
        DynamicBuffer uniforms(device, {64, BufferUsage::Uniform});
        EXPECT(uniforms.getNativeHandle() == 0);
        EXPECT(uniforms.beginUpdate().then([](DynamicData &update) { return update.as<float>().size(); }).get() == 16);
        EXPECT(uniforms.getNativeHandle() != 0);
        uniforms.endFrame(); // the continuation has ended the update
        device.destroy();
    }
}

static void one_of_several_is_waited_for() {
    auto device = driven();
    std::vector<Buffer> buffers;
    std::vector<Future<MappedData>> maps;
    for (int n = 0; n < 3; n++) {
        buffers.emplace_back(device, BufferDesc{64, to_device, false, "several"});
        maps.push_back(buffers.back().mapAsync());
    }
    EXPECT_STATUS(BB_E_ARGUMENT, try_wait_any(std::vector<Future<MappedData>>()).status());
    buffers[1].unmap();
    EXPECT(wait_any(maps, 0ms) == 1 && maps[1].ready());
    EXPECT_THROWS(BB_E_ABORTED, maps[1].get());
    maps.erase(maps.begin() + 1);
    const std::size_t first = wait_any(maps);
    EXPECT(first < 2 && maps[first].ready() && maps[first].get().size() == 64);
    Encoder encoder(device);
    DeviceBuffer target(device, {64, BufferUsage::Storage});
    const std::vector<int> data(16);
    encoder.write(target, data);
    const std::uint64_t fence = encoder.submit();
    device.wait_fence(fence);
    EXPECT_STATUS(BB_OK, device.try_wait_fence(fence, 0ms));
    EXPECT_THROWS(BB_E_ARGUMENT, device.wait_fence(fence + 1000, 0ms));
}

static void a_buffer_names_what_it_lacks() {
    IBufferFactory *none = nullptr;
    EXPECT_THROWS(BB_E_NULL, DeviceBuffer({64, BufferUsage::Storage}, none));
    EXPECT_THROWS(BB_E_NULL, Buffer(std::unique_ptr<BufferFactory>(), {64, BufferUsage::CopySrc}));
    auto device = Device::host("host");
    Encoder encoder(device);
    DeviceBuffer target(device, {64, BufferUsage::CopySrc});
    DynamicBuffer uniforms(device, {64, BufferUsage::Uniform});
    IBuffer &no_end = uniforms;
    EXPECT_THROWS(BB_E_ARGUMENT, encoder.copyBufferToBuffer(target, no_end));
    Buffer empty;
    EXPECT_THROWS(BB_E_ARGUMENT, encoder.copyBufferToBuffer(empty, 0, target, 0, 4));
    EXPECT_THROWS(BB_E_NULL, static_cast<void>(empty.getSize()));
    Buffer mapped(device, {64, to_device, true});
    const std::vector<char> four(4);
    EXPECT_THROWS(BB_E_ARGUMENT, encoder.write(mapped, four)); // it lacks CopyDst
    DeferredStagingBuffer staging(device, {64});
    EXPECT(staging.getMappedData() == nullptr && !staging.isMapped() && staging.getNativeHandle() == 0);
    EXPECT_THROWS(BB_E_ARGUMENT, static_cast<void>(staging.mapAsync(MapMode::Read)));
    IMappableBuffer &mappable = staging;
    mappable.mapAsync().get();
    EXPECT(mappable.isMapped() && mappable.getMappedData() != nullptr);
    mappable.unmap();
    EXPECT(mappable.getState() == BufferState::Ready);
}

int main() {
    UNITY_BEGIN();
    RUN(a_chain_passes_each_result_on);
    RUN(an_error_passes_through_a_chain);
    RUN(reads_and_updates_are_continued);
    RUN(one_of_several_is_waited_for);
    RUN(a_buffer_names_what_it_lacks);
    return UNITY_END();
}
