// Devices, and the manager whose fronts are OpenGL buffers. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_DEVICE_HPP
#define BACKBUF_DEVICE_HPP

#include "driver.hpp"
#include "manager.hpp"

#include "macros_push.hpp"

namespace backbuf {

/// The thread that runs a device's work.
enum class DeviceFlags : std::uint32_t {
    none = 0,                            ///< a thread of the library's own
    host_driven = BB_DEVICE_HOST_DRIVEN, ///< the thread that makes it, in Device::poll and in waits
};

/**
 * @brief Parameters of a new device on OpenGL. Default: an own context without a window.
 *
 * @code
 * auto device = backbuf::Device::gl(backbuf::GLConfig().label("renderer").host_driven(get_proc_address));
 * @endcode
 */
class GLConfig {
  public:
    GLConfig() noexcept { raw_.struct_size = sizeof(raw_); }

    /// Label in messages, logs and dumps.
    GLConfig &label(std::string_view text) { return label_ = std::string(text), *this; }
    /// Shares buffers with the program's own context: its `EGLDisplay` and `EGLContext`, which may be current on any
    /// thread.
    GLConfig &share(void *egl_display, void *egl_context) noexcept {
        raw_.egl_display = egl_display;
        raw_.egl_context = egl_context;
        return *this;
    }
    /// The calling thread owns the device, whose work runs in Device::poll, in the context that is current on this thread.
    /// The function returns addresses of OpenGL functions: `SDL_GL_GetProcAddress`, `glfwGetProcAddress`,
    /// `eglGetProcAddress` or similar.
    template <class R> GLConfig &host_driven(R (*get_proc)(const char *)) noexcept {
        static_assert(std::is_pointer_v<R>, "backbuf: get_proc must return a pointer");
        get_proc_ = reinterpret_cast<bb_gl_get_proc>(get_proc);
        flags_ = DeviceFlags::host_driven;
        return *this;
    }

  private:
    friend class Device;
    bb_gl_config raw_{};
    std::string label_;
    bb_gl_get_proc get_proc_ = nullptr;
    DeviceFlags flags_ = DeviceFlags::none;
};

/**
 * @brief Parameters of a new device on WebGPU. Default: the best adapter.
 *
 * @code
 * auto device = backbuf::Device::try_wgpu(backbuf::WgpuConfig().label("renderer").adapter("vulkan"));
 * @endcode
 */
class WgpuConfig {
  public:
    /// Label in messages, logs and dumps.
    WgpuConfig &label(std::string_view text) { return label_ = std::string(text), *this; }
    /// `vulkan` or `gl`, or part of an adapter's name; `noop` is for tests.
    WgpuConfig &adapter(std::string_view text) { return adapter_ = std::string(text), *this; }
    /// The calling thread owns the device, whose work runs in Device::poll.
    WgpuConfig &host_driven() noexcept { return flags_ = DeviceFlags::host_driven, *this; }

  private:
    friend class Device;
    std::string label_, adapter_;
    DeviceFlags flags_ = DeviceFlags::none;
};

/**
 * @brief A device: buffers and a submission timeline on OpenGL, WebGPU, host memory or a driver of the program's. Destroy the objects on it first.
 *
 * A host-driven device belongs to the thread that created it, which must also destroy it. If that thread ends before, the
 * device is lost, and any thread may destroy it.
 *
 * @code
 * auto device = backbuf::Device::gl();
 * std::printf("%s\n", device.info().name);
 * backbuf::GLBufferManager<float> m(device, {100000, 3});
 * @endcode
 */
class Device : public Handle<bb_device, bb_device_destroy> {
  public:
    Device() noexcept = default;

    /// Creates a device on OpenGL 3.3 or newer; the message of `BB_E_UNSUPPORTED` names what is missing.
    static Result<Device> try_gl(const GLConfig &config = {}) noexcept {
        bb_gl_config raw = config.raw_;
        if (!config.label_.empty())
            raw.label = config.label_.c_str();
        bb_device *made = nullptr;
        const auto flags = static_cast<std::uint32_t>(config.flags_);
        if (const Status status = bb_device_create_gl(flags, config.get_proc_, &raw, &made); !status)
            return status;
        return Device(made);
    }
    /// Creates a device on WebGPU; the message of `BB_E_UNSUPPORTED` names what is missing, also if the library was built
    /// without WebGPU.
    static Result<Device> try_wgpu(const WgpuConfig &config = {}) noexcept {
        bb_wgpu_config raw{};
        raw.struct_size = sizeof(raw);
        raw.label = config.label_.c_str();
        raw.adapter = config.adapter_.c_str();
        bb_device *made = nullptr;
        const auto flags = static_cast<std::uint32_t>(config.flags_);
        if (const Status status = bb_device_create_wgpu(flags, &raw, &made); !status)
            return status;
        return Device(made);
    }
    /// Creates a device on host memory, which needs no driver.
    static Result<Device> try_host(const char *label = "", DeviceFlags flags = DeviceFlags::none) noexcept {
        bb_device *made = nullptr;
        if (const Status status = bb_device_create_host(static_cast<std::uint32_t>(flags), label, &made); !status)
            return status;
        return Device(made);
    }
    /// Creates a device on a table of C functions. If it fails, the table's `user_data` stays the caller's.
    static Result<Device> try_driver(const bb_driver &driver, const char *label = "",
                                     DeviceFlags flags = DeviceFlags::none) noexcept {
        bb_device *made = nullptr;
        if (const Status status = bb_device_create_driver(static_cast<std::uint32_t>(flags), label, &driver, &made);
            !status)
            return status;
        return Device(made);
    }
    /// Takes the ownership of a device's C handle.
    static Device adopt(bb_device *device) noexcept { return Device(device); }

    /// Runs the work of a host-driven device on its owner thread, until none is left or the budget is used up. Zero runs
    /// one step.
    Status try_poll(Timeout budget) noexcept { return bb_device_poll(this->handle(), budget.nanoseconds()); }
    /// Waits until all work submitted up to a fence, from Encoder::submit, is done. On the owner thread of a host-driven
    /// device it also runs the device's work.
    Status try_wait_fence(std::uint64_t fence, Timeout timeout = forever) const noexcept {
        return bb_device_wait_fence(this->handle(), fence, timeout.nanoseconds());
    }
    /// Destroys the device. Fails on any thread but the owner of a host-driven device while that thread exists; then the
    /// device is unchanged.
    Status try_destroy() noexcept {
        const Status status = bb_device_destroy(this->handle());
        if (status)
            static_cast<void>(this->release());
        return status;
    }

    Result<bb_device_info> try_info() const noexcept {
        bb_device_info info{};
        if (const Status status = bb_device_info_get(this->handle(), sizeof(info), &info); !status)
            return status;
        return info;
    }
    Result<bb_device_stats> try_stats() const noexcept {
        bb_device_stats stats{};
        if (const Status status = bb_device_stats_get(this->handle(), sizeof(stats), &stats); !status)
            return status;
        return stats;
    }
    /// Writes one line for each native buffer that exists, in pieces: `write(std::string_view)`. Writes nothing if there is
    /// none.
    template <class F> Status try_leak_report(F &&write) const {
        detail::Writer<std::remove_reference_t<F>> writer{write};
        return writer.finish(bb_device_leak_report(this->handle(), writer.call, &writer));
    }

#if BACKBUF_EXCEPTIONS
    /// Creates a device on a driver, which the device then owns. If it fails, `driver` is unchanged.
    static Result<Device> try_driver(std::unique_ptr<Driver> &&driver, const char *label = "",
                                     DeviceFlags flags = DeviceFlags::none) noexcept {
        if (driver == nullptr)
            return Status(BB_E_NULL, detail::LocalError::plain);
        auto made = try_driver(driver->table(), label, flags);
        if (made)
            static_cast<void>(driver.release());
        return made;
    }
    static Device driver(std::unique_ptr<Driver> &&driver, const char *label = "",
                         DeviceFlags flags = DeviceFlags::none) {
        return try_driver(std::move(driver), label, flags).value();
    }
    static Device driver(const bb_driver &driver, const char *label = "", DeviceFlags flags = DeviceFlags::none) {
        return try_driver(driver, label, flags).value();
    }
    static Device gl(const GLConfig &config = {}) { return try_gl(config).value(); }
    static Device wgpu(const WgpuConfig &config = {}) { return try_wgpu(config).value(); }
    static Device host(const char *label = "", DeviceFlags flags = DeviceFlags::none) {
        return try_host(label, flags).value();
    }
    void poll(Timeout budget) { detail::check(try_poll(budget)); }
    void wait_fence(std::uint64_t fence, Timeout timeout = forever) const {
        detail::check(try_wait_fence(fence, timeout));
    }
    void destroy() { detail::check(try_destroy()); }
    bb_device_info info() const { return try_info().value(); }
    bb_device_stats stats() const { return try_stats().value(); }
    std::string leak_report() const {
        std::string all;
        detail::check(try_leak_report([&](std::string_view piece) { all += piece; }));
        return all;
    }
#endif

  private:
    explicit Device(bb_device *raw) noexcept : Handle(raw) {}
};

inline Config &Config::device(const Device &device) noexcept { return raw_.device = device.handle(), *this; }

/**
 * @brief A stable front in an OpenGL buffer: the whole state at one epoch, valid during the lifetime of this object.
 *
 * The context that was current when it was leased waits for the upload. Leaving the scope inserts a fence after the draws,
 * in the context that is current then; the buffer is not written before the fence is signalled. It may outlive its manager.
 *
 * @code
 * auto f = points.front_gl();
 * draw_buffer(f.buffer(), f.offset());
 * f.end(); // or the end of the scope, which reports no error if it cannot fence
 * @endcode
 */
class GLFront : public detail::BufferFront<bb_gl_front> {
  public:
    GLFront() noexcept = default;

    /// Name of the OpenGL buffer.
    std::uint32_t buffer() const noexcept { return raw_.buffer; }
    /// Offset of the state in the buffer, in bytes.
    std::uint64_t offset() const noexcept { return raw_.offset; }
    /// A field's range in the buffer, its dtype and its shape. A manager made without fields has one, `"state"`.
    Result<bb_gl_field_view> try_field(const char *name) const noexcept {
        return view_of<bb_gl_field_view>(bb_gl_front_field, name);
    }
    /// Inserts a fence after the draws and releases the front. Empty afterwards, unless refused.
    Status try_end() noexcept {
        const Status status = bb_lease_release_gl(lease_.handle());
        if (status)
            static_cast<void>(release());
        return status;
    }
#if BACKBUF_EXCEPTIONS
    bb_gl_field_view field(const char *name) const { return try_field(name).value(); }
    void end() { detail::check(try_end()); }
#endif

  private:
    template <class T> friend class GLBufferManager;
    explicit GLFront(const bb_gl_front &raw) noexcept : BufferFront(raw) {}
};

/**
 * @brief A Manager whose fronts are also OpenGL buffers: changes are uploaded before they are published.
 *
 * It has all functions of Manager. On a host-driven device the uploads run in Device::poll, and in waits on its owner
 * thread.
 *
 * @code
 * backbuf::GLBufferManager<float> m(device, {100000, 3}, backbuf::Config().label("points"));
 * m.enqueue(0, samples);
 * m.synchronize();
 * auto f = m.front_gl();
 * draw_buffer(f.buffer(), f.offset());
 * @endcode
 */
template <class T> class GLBufferManager : public Manager<T> {
  public:
    GLBufferManager() noexcept = default;

    /// Creates a manager of this shape on an OpenGL device, filled with zeros unless Config::initial is set.
    static Result<GLBufferManager> try_create(const Device &device, const Shape &shape, const Config &config = {}) {
        const auto create = [&device](auto... arguments) noexcept {
            return bb_manager_create_gl(device.handle(), arguments...);
        };
        return GLBufferManager::template open<GLBufferManager>(create, shape, config);
    }
    /// Wraps a manager that other code owns: this object does not destroy it. Its dtype must be that of T.
    static Result<GLBufferManager> try_attach(bb_manager *manager) noexcept {
        return GLBufferManager::template over<GLBufferManager>(manager, true);
    }
    /// Takes the ownership of a manager's C handle.
    static Result<GLBufferManager> try_adopt(bb_manager *manager) noexcept {
        return GLBufferManager::template over<GLBufferManager>(manager, false);
    }

    /// Leases the newest front for rendering on this thread, which needs a current context that shares the device's
    /// buffers.
    Result<GLFront> try_front_gl() const noexcept {
        bb_gl_front raw{};
        if (const Status status = bb_manager_acquire_front_gl(this->handle(), &raw); !status)
            return status;
        return GLFront(raw);
    }

#if BACKBUF_EXCEPTIONS
    explicit GLBufferManager(const Device &device, const Shape &shape, const Config &config = {})
        : GLBufferManager(try_create(device, shape, config).value()) {}
    static GLBufferManager attach(bb_manager *manager) { return try_attach(manager).value(); }
    static GLBufferManager adopt(bb_manager *manager) { return try_adopt(manager).value(); }
    GLFront front_gl() const { return try_front_gl().value(); }
#endif

  private:
    friend Manager<T>;
    GLBufferManager(bb_manager *raw, const Shape &shape, bool borrowed) noexcept : Manager<T>(raw, shape, borrowed) {}
};

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_DEVICE_HPP
