// What all buffers of a device have in common: usage, state, description, and the interfaces of buffers and of what makes them.
// Needs exceptions. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_BUFFER_TYPES_HPP
#define BACKBUF_BUFFER_TYPES_HPP

#include "device.hpp"
#include "future.hpp"

#if BACKBUF_EXCEPTIONS
#include <memory>
#include <string>

#include "macros_push.hpp"

namespace backbuf {

// gcc reports that the enumerator Index shadows backbuf::Index.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
/// Usage of a buffer; combine with `|`.
enum class BufferUsage : std::uint32_t {
    None = 0,
    Vertex = BB_USAGE_VERTEX,
    Index = BB_USAGE_INDEX,
    Uniform = BB_USAGE_UNIFORM,
    Storage = BB_USAGE_STORAGE,
    CopySrc = BB_USAGE_COPY_SRC,
    CopyDst = BB_USAGE_COPY_DST,
    MapRead = BB_USAGE_MAP_READ,
    MapWrite = BB_USAGE_MAP_WRITE,
    Indirect = BB_USAGE_INDIRECT,
};
#pragma GCC diagnostic pop
// NOLINTBEGIN(clang-analyzer-optin.core.EnumCastOutOfRange): combined flags are no enumerators.
constexpr BufferUsage operator|(BufferUsage a, BufferUsage b) noexcept {
    return static_cast<BufferUsage>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr BufferUsage operator&(BufferUsage a, BufferUsage b) noexcept {
    return static_cast<BufferUsage>(static_cast<std::uint32_t>(a) & static_cast<std::uint32_t>(b));
}
// NOLINTEND(clang-analyzer-optin.core.EnumCastOutOfRange)

/// State of a buffer.
enum class BufferState : std::uint32_t {
    Uninitialized = BB_BUFFER_UNINITIALIZED,
    Ready = BB_BUFFER_READY,
    Mapped = BB_BUFFER_MAPPED,
    MapPending = BB_BUFFER_MAP_PENDING,
    Destroyed = BB_BUFFER_DESTROYED,
};

/// Access of a mapping.
enum class MapMode : std::uint32_t { None = 0, Read = BB_MAP_READ, Write = BB_MAP_WRITE };

/// Parameters of a new buffer. Each class takes what concerns it: staging and readback buffers take size and name, and
/// DeviceBuffer, which is never mapped, ignores mappedAtCreation.
struct BufferDesc {
    std::uint64_t size = 0;
    BufferUsage usage = BufferUsage::None;
    bool mappedAtCreation = false;
    std::string debugName{};
};

/// Queries of every buffer. `std::vector<IBuffer *>` holds buffers of any class: Encoder, the staging buffers and ReadbackBuffer take
/// them as `IBuffer &`.
class BACKBUF_SHARED IBuffer {
  public:
    virtual ~IBuffer() = default;
    virtual std::uint64_t getSize() const = 0;
    virtual BufferUsage getUsage() const = 0;
    virtual std::string getDebugName() const = 0;
    /// The backend's own handle: the name of an OpenGL buffer, or an address in host memory. Only while the buffer is
    /// ready. 0 for staging and readback buffers, which the backend does not use directly.
    virtual std::uint64_t getNativeHandle() const = 0;
    virtual bool isValid() const = 0;
    virtual BufferState getState() const = 0;
    /// The C handle as a source or destination of copies; null if the buffer is neither.
    virtual bb_device_buffer *getCopyHandle() const noexcept { return nullptr; }

  protected:
    IBuffer() = default;
    IBuffer(const IBuffer &) = default;
    IBuffer &operator=(const IBuffer &) = default;
};

/// A buffer that the host can map.
class BACKBUF_SHARED IMappableBuffer : public IBuffer {
  public:
    /// The first mapped byte; null if nothing is mapped, or for writing, if it is mapped for reading.
    virtual void *getMappedData() = 0;
    virtual const void *getMappedData() const = 0;
    [[nodiscard]] virtual Future<MappedData> mapAsync(MapMode mode = MapMode::Write) = 0;
    virtual void unmap() = 0;
    virtual bool isMapped() const = 0;
    virtual bool isMapPending() const = 0;
};

/// Creates buffers.
class BACKBUF_SHARED IBufferFactory {
  public:
    virtual ~IBufferFactory() = default;
    virtual std::unique_ptr<IBuffer> createBuffer(const BufferDesc &desc) = 0;
    virtual std::unique_ptr<IMappableBuffer> createMappableBuffer(const BufferDesc &desc) = 0;
    /// The device of the buffers.
    virtual bb_device *getDevice() const noexcept = 0;
};

/**
 * @brief The device of a new buffer or encoder: a Device, an IBufferFactory, or a pointer to one.
 *
 * A parameter type: it does not own the device, which must outlive what is created on it.
 *
 * @code
 * backbuf::BufferDesc desc{size_of_it, backbuf::BufferUsage::Vertex};
 * backbuf::DeviceBuffer first(desc, factory);  // IBufferFactory &, IBufferFactory *, or a smart pointer to one
 * backbuf::DeviceBuffer second(device, desc);  // Device or bb_device *; both orders are accepted
 * @endcode
 */
class BufferSource {
  public:
    BufferSource(const Device &device) noexcept : device_(device.handle()) {}
    BufferSource(bb_device *device) noexcept : device_(device) {}
    BufferSource(const IBufferFactory &factory) noexcept : device_(factory.getDevice()) {}
    BufferSource(const IBufferFactory *factory) noexcept
        : device_(factory != nullptr ? factory->getDevice() : nullptr) {}
    template <class F, class D>
    BufferSource(const std::unique_ptr<F, D> &factory) noexcept : BufferSource(factory.get()) {}
    template <class F> BufferSource(const std::shared_ptr<F> &factory) noexcept : BufferSource(factory.get()) {}
    /// The C handle; null for a null pointer, which the library refuses.
    bb_device *device() const noexcept { return device_; }

  private:
    bb_device *device_;
};

namespace detail {
inline bb_buffer_desc raw(const BufferDesc &desc) noexcept {
    bb_buffer_desc made{};
    made.struct_size = sizeof(made);
    made.size = desc.size;
    made.usage = static_cast<std::uint32_t>(desc.usage);
    made.mapped_at_creation = desc.mappedAtCreation ? 1 : 0;
    made.label = desc.debugName.c_str();
    return made;
}

/// The C handle of a copy's source or destination, the parameter `name`.
inline bb_device_buffer *copy_handle(const IBuffer &buffer, const char *name) {
    bb_device_buffer *handle = buffer.getCopyHandle();
    if (handle == nullptr)
        throw StoredError(BB_E_ARGUMENT, std::string(name) +
                                             " is empty, or neither the source nor the destination of copies: use a "
                                             "DeviceBuffer, a Buffer, or what a factory makes");
    return handle;
}

/// A buffer by its C handle, with the queries that `_info_get` answers.
template <class Interface, class Raw, bb_status (*Close)(Raw *),
          bb_status (*Info)(Raw *, std::uint32_t, bb_buffer_info *)>
class Described : public Handle<Raw, Close>, public Interface {
  public:
    using Handle<Raw, Close>::Handle;
    std::uint64_t getSize() const override { return info().size; }
    BufferUsage getUsage() const override { return static_cast<BufferUsage>(info().usage); }
    std::string getDebugName() const override { return info().label; }
    BufferState getState() const override { return static_cast<BufferState>(info().state); }
    bool isValid() const override { return info().valid != 0; }
    std::uint64_t getNativeHandle() const override { return 0; }

  protected:
    bb_buffer_info info() const {
        bb_buffer_info info{};
        check(Info(this->handle(), sizeof(info), &info));
        return info;
    }
};
} // namespace detail

} // namespace backbuf

#include "macros_pop.hpp"
#endif

#endif // BACKBUF_BUFFER_TYPES_HPP
