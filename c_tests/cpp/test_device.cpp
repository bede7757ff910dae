// Device, GLBufferManager and GLFront. Where there is no OpenGL, its part says so and skips.
#include "support.hpp"

#include "../gl.h"

#include <cstdint>
#include <type_traits>

using backbuf::Config;
using backbuf::Device;
using backbuf::DeviceFlags;
using backbuf::forever;
using backbuf::GLBufferManager;
using backbuf::GLConfig;
using backbuf::GLFront;
using backbuf::Manager;

static_assert(sizeof(Device) == sizeof(void *) && sizeof(GLBufferManager<float>) == sizeof(Manager<float>));
static_assert(!std::is_copy_constructible_v<Device> && std::is_nothrow_move_constructible_v<Device>);
static_assert(!std::is_copy_constructible_v<GLFront> && std::is_nothrow_move_constructible_v<GLFront>);
static_assert(!std::is_copy_constructible_v<GLBufferManager<int>>);
static_assert(std::is_nothrow_move_constructible_v<GLBufferManager<int>>);
static_assert(!std::is_convertible_v<Manager<int>, GLBufferManager<int>>);

static void a_device_on_host_memory() {
    auto device = Device::host("oracle");
    EXPECT(device && device.info().kind == BB_DEVICE_HOST && std::string(device.info().label) == "oracle");
    EXPECT(device.stats().buffers_created == 0 && device.leak_report().empty());
    EXPECT_THROWS(BB_E_STATE, device.poll(1ms));
    EXPECT_THROWS(BB_E_ARGUMENT, GLBufferManager<int>(device, {8}));
    bb_device *raw = device.handle();
    auto moved = std::move(device);
    EXPECT(!device && moved.handle() == raw);       // NOLINT: used after move on purpose
    EXPECT_THROWS(BB_E_NULL, device.info());        // NOLINT: used after move on purpose
    EXPECT_THROWS(BB_E_NULL, device.leak_report()); // NOLINT: used after move on purpose
    auto adopted = Device::adopt(moved.release());
    adopted.destroy();
    EXPECT(!adopted && bb_handle_check(raw) == BB_E_STALE);
    adopted.destroy(); // of nothing
}

static void a_host_driven_device_is_ended_on_its_thread() {
    auto device = Device::host("driven", DeviceFlags::host_driven);
    device.poll(0ms);
    device.poll(forever);
    std::thread([&] {
        EXPECT_STATUS(BB_E_WRONG_THREAD, device.try_poll(0ms));
        EXPECT_STATUS(BB_E_WRONG_THREAD, device.try_destroy());
    }).join();
    EXPECT(device);
    device.destroy();
    EXPECT(!device);
}

static void a_host_driven_device_ends_with_its_thread() {
    Device device;
    std::thread([&] { device = Device::host("orphan", DeviceFlags::host_driven); }).join();
    EXPECT_THROWS(BB_E_DEVICE_LOST, device.poll(0ms));
    EXPECT(device.stats().lost == 1);
    device.destroy();
    EXPECT(!device);
}

static void *nothing(const char *) { return nullptr; }

static void what_cannot_be_made_throws() {
    EXPECT_THROWS(BB_E_UNSUPPORTED, Device::gl(GLConfig().host_driven(nothing)));
    int other = 0;
    EXPECT_THROWS(BB_E_ARGUMENT, Device::gl(GLConfig().share(&other, &other).host_driven(nothing)));
    EXPECT_THROWS(BB_E_NULL, Device::gl(GLConfig().share(nullptr, &other)));
    EXPECT(Device::try_gl(GLConfig().label("\xff")).status() == BB_E_ARGUMENT);
}

static void a_device_on_webgpu() {
    auto device = Device::try_wgpu(backbuf::WgpuConfig().label("webgpu").adapter("noop").host_driven());
#ifdef BACKBUF_WGPU
    EXPECT(device->info().kind == BB_DEVICE_WGPU && std::string(device->info().label) == "webgpu");
    device->poll(forever);
#else
    EXPECT_STATUS(BB_E_UNSUPPORTED, device.status());
    EXPECT_THROWS(BB_E_UNSUPPORTED, Device::wgpu());
#endif
    EXPECT(Device::try_wgpu(backbuf::WgpuConfig().label("\xff")).status() == BB_E_ARGUMENT);
}

// ---- OpenGL -----------------------------------------------------------------------------------------------------

static gl_context own;

static Device shared() { return Device::gl(GLConfig().label("shared").share(own.display, own.context)); }

static std::vector<float> seen(const GLFront &f) {
    std::vector<float> all(f.bytes() / sizeof(float));
    gl_read(f.buffer(), f.offset(), f.bytes(), all.data());
    return all;
}

static void a_headless_device_names_its_renderer() {
    const auto device = Device::gl(GLConfig().label("headless"));
    const auto info = device.info();
    EXPECT(info.kind == BB_DEVICE_GL && info.name[0] != '\0' && std::string(info.label) == "headless");
    EXPECT(gl_current(&own));
}

static void fronts_are_drawn_from() {
    const auto device = shared();
    const GLBufferManager<float> m(device, {2, 3}, Config().label("points").initial(std::vector<float>(6, 0.5f)));
    EXPECT(m.shape()[1] == 3 && m.size() == 6 && seen(m.front_gl()) == std::vector<float>(6, 0.5f));
    m.enqueue(4, 2.f);
    m.enqueue_kernel([](backbuf::span<float> all) { all[0] = -1.f; });
    m.enqueue_tag(42);
    m.synchronize();
    auto f = m.front_gl();
    EXPECT(f && f.buffer() != 0 && f.offset() == 0 && f.bytes() == 24 && f.epoch() == 1 && f.tag() == 42 &&
           f.slot() < 3);
    EXPECT((seen(f) == std::vector<float>{-1.f, 0.5f, 0.5f, 0.5f, 2.f, 0.5f}));
    EXPECT(m.front()(0, 0) == -1.f && m.front()(1, 1) == 2.f); // the same state in host memory
    const bb_gl_field_view state = f.field("state");
    EXPECT(state.buffer == f.buffer() && state.offset == 0 && state.bytes == 24 && state.ndim == 2 &&
           state.shape[1] == 3);
    EXPECT_STATUS(BB_E_NO_NAME, f.try_field("depth").status());
    EXPECT_STATUS(BB_E_NULL, GLFront().try_field("state").status());
    const auto changes = f.changed_since(0);
    EXPECT(changes.complete() && changes.size() == 1 && changes[0].count == 24); // the kernel's range
    EXPECT(f.changed_since(1).empty());
    EXPECT_THROWS(BB_E_ARGUMENT, f.changed_since(2));
    EXPECT_STATUS(BB_E_NULL, GLFront().try_changed_since(0).status());
    EXPECT_STATUS(BB_E_NULL, GLFront().try_changed_since(backbuf::Field<float>(), 0).status());
    EXPECT(device.stats().live_bytes >= 24 && device.leak_report().find("points") != std::string::npos);
    f.end();
    EXPECT(!f && f.buffer() == 0);
    EXPECT_THROWS(BB_E_NULL, f.end());
    m.enqueue(1, 9.f);
    m.synchronize();
    const auto part = m.front_gl().changed_since(1);
    EXPECT(part.size() == 1 && part[0].first == 4 && part[0].count == 4);
}

static void fronts_move_and_stay_empty_behind() {
    const auto device = shared();
    const GLBufferManager<float> m(device, {4});
    auto a = m.front_gl();
    bb_lease *raw = a.handle();
    auto b = std::move(a);
    EXPECT(!a && a.bytes() == 0 && b.handle() == raw && b.bytes() == 16); // NOLINT: used after move on purpose
    b = m.front_gl();
    EXPECT(bb_handle_check(raw) == BB_E_STALE && m.stats().leases_live == 1);
    raw = b.release();
    EXPECT(!b && bb_lease_release_gl(raw) == BB_OK);
    {
        const auto scoped = m.front_gl();
    }
    EXPECT(m.stats().leases_live == 0);
}

static void a_front_without_a_context_is_refused_and_never_stays_pinned() {
    const auto device = shared();
    const GLBufferManager<float> m(device, {4});
    auto f = m.front_gl();
    gl_leave(&own);
    EXPECT_THROWS(BB_E_STATE, m.front_gl());
    EXPECT_STATUS(BB_E_STATE, f.try_end());
    EXPECT(f && m.stats().leases_live == 1);
    f.reset();
    EXPECT(!f && m.stats().leases_live == 0);
    EXPECT(gl_current(&own));
}

static void managers_move_attach_and_adopt() {
    const auto device = shared();
    GLBufferManager<float> m(device, {4});
    bb_manager *raw = m.handle();
    GLBufferManager<float> moved = std::move(m);
    EXPECT(!m && moved.handle() == raw); // NOLINT: used after move on purpose
    const auto borrowed = GLBufferManager<float>::attach(raw);
    EXPECT(borrowed.size() == 4 && borrowed.front_gl().bytes() == 16);
    EXPECT(GLBufferManager<double>::try_attach(raw).status() == BB_E_ARGUMENT);
    m = GLBufferManager<float>::adopt(moved.release());
    EXPECT(m.handle() == raw);
    const Manager<float> &plain = m; // wherever one in host memory goes
    plain.enqueue(0, 1.f);
    plain.synchronize();
    EXPECT(seen(m.front_gl())[0] == 1.f);
    Manager<float> on_host({4});
    EXPECT_THROWS(BB_E_STATE, GLBufferManager<float>::attach(on_host.handle()).front_gl());
}

static void a_host_driven_device_uploads_in_polls() {
    auto device = Device::gl(GLConfig().host_driven(egl.GetProcAddress));
    const GLBufferManager<float> m(device, {1000});
    std::atomic<int> done{0};
    std::thread engine([&] {
        for (int step = 1; step <= 10; step++) {
            m.enqueue_fill({}, static_cast<float>(step));
            m.synchronize();
        }
        done = 1;
    });
    while (done == 0) {
        device.poll(1ms);
        const auto f = m.front_gl();
        EXPECT(seen(f) == std::vector<float>(1000, static_cast<float>(f.epoch())));
    }
    engine.join();
    EXPECT(m.epoch() == 10);
}

static void a_lost_device_is_reported() {
    auto device = shared();
    const GLBufferManager<float> m(device, {4});
    device.destroy();
    EXPECT_THROWS(BB_E_DEVICE_LOST, m.front_gl());
    EXPECT_THROWS(BB_E_NULL, GLBufferManager<float>(device, {4}));
    EXPECT(m.front()(3) == 0.f);
}

int main() {
    UNITY_BEGIN();
    RUN(a_device_on_host_memory);
    RUN(a_host_driven_device_is_ended_on_its_thread);
    RUN(a_host_driven_device_ends_with_its_thread);
    RUN(what_cannot_be_made_throws);
    RUN(a_device_on_webgpu);
    if (const int failed = UNITY_END(); failed != 0)
        return failed;
    own = gl_open();
    UNITY_BEGIN();
    RUN(a_headless_device_names_its_renderer);
    RUN(fronts_are_drawn_from);
    RUN(fronts_move_and_stay_empty_behind);
    RUN(a_front_without_a_context_is_refused_and_never_stays_pinned);
    RUN(managers_move_attach_and_adopt);
    RUN(a_host_driven_device_uploads_in_polls);
    RUN(a_lost_device_is_reported);
    return UNITY_END();
}
