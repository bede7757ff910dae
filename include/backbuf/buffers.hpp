// Buffers of a device that the host can map. Needs exceptions. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_BUFFERS_HPP
#define BACKBUF_BUFFERS_HPP

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

/// Parameters of a new buffer.
struct BufferDesc {
    std::uint64_t size = 0;
    BufferUsage usage = BufferUsage::None;
    bool mappedAtCreation = false;
    std::string debugName{};
};

/// Queries of every buffer.
class BACKBUF_SHARED IBuffer {
  public:
    virtual ~IBuffer() = default;
    virtual std::uint64_t getSize() const = 0;
    virtual BufferUsage getUsage() const = 0;
    virtual std::string getDebugName() const = 0;
    /// The backend's own handle: the name of an OpenGL buffer, or an address in host memory. Only while the buffer is
    /// ready.
    virtual std::uint64_t getNativeHandle() const = 0;
    virtual bool isValid() const = 0;
    virtual BufferState getState() const = 0;
};

/// A buffer that the host can map.
class BACKBUF_SHARED IMappableBuffer : public IBuffer {
  public:
    /// The first mapped byte; null if nothing is mapped, or for writing, if it is mapped for reading.
    virtual void *getMappedData() = 0;
    virtual const void *getMappedData() const = 0;
    virtual Future<MappedData> mapAsync(MapMode mode = MapMode::Write) = 0;
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

/// Queries of buffer handles by `_info_get` and `_native`.
template <class Raw, bb_status (*Close)(Raw *), bb_status (*Info)(Raw *, std::uint32_t, bb_buffer_info *),
          bb_status (*Native)(Raw *, std::uint64_t *)>
class Described : public Handle<Raw, Close> {
  public:
    using Handle<Raw, Close>::Handle;
    std::uint64_t getSize() const { return info().size; }
    BufferUsage getUsage() const { return static_cast<BufferUsage>(info().usage); }
    std::string getDebugName() const { return info().label; }
    BufferState getState() const { return static_cast<BufferState>(info().state); }
    bool isValid() const { return info().valid != 0; }
    std::uint64_t getNativeHandle() const {
        std::uint64_t native = 0;
        check(Native(this->handle(), &native));
        return native;
    }
    /// 1, plus 1 for each time that the buffer has grown.
    std::uint64_t getGeneration() const { return info().generation; }

  private:
    bb_buffer_info info() const {
        bb_buffer_info info{};
        check(Info(this->handle(), sizeof(info), &info));
        return info;
    }
};
} // namespace detail

/**
 * @brief A buffer with WebGPU's rules of mapping, on every device. As large as a pointer.
 *
 * @code
 * backbuf::Buffer buffer(device, {64, backbuf::BufferUsage::MapWrite | backbuf::BufferUsage::CopySrc, false, "mesh"});
 * auto data = buffer.mapAsync().get(); // its destructor unmaps the buffer
 * data.as<float>()[0] = 1;
 * @endcode
 */
class Buffer : public detail::Described<bb_buffer, bb_buffer_release, bb_buffer_info_get, bb_buffer_native> {
  public:
    Buffer() noexcept = default;
    Buffer(const Device &device, const BufferDesc &desc) : Buffer(device.handle(), desc) {}
    Buffer(bb_device *device, const BufferDesc &desc) : Described(make(device, desc)) {}

    /// Requests a mapping, which completes when the work that uses the buffer is done.
    Future<MappedData> mapAsync(MapMode mode = MapMode::Write, std::uint64_t offset = 0,
                                std::uint64_t size = BB_WHOLE_SIZE) {
        return detail::request<MappedData>(
            [&](const bb_map_callback *callback, bb_request **request) {
                return bb_buffer_map_async(handle(), static_cast<std::uint32_t>(mode), offset, size, callback, request);
            },
            [raw = handle(), mode, offset, size] { return MappedData::of(raw, mode == MapMode::Read, offset, size); });
    }
    /// Mapped bytes for writing; no other range may overlap them until they are unmapped.
    View<std::byte> mappedRange(std::uint64_t offset = 0, std::uint64_t size = BB_WHOLE_SIZE) {
        bb_span span{};
        detail::check(bb_buffer_mapped_range(handle(), offset, size, &span));
        return {static_cast<std::byte *>(span.data), static_cast<std::size_t>(span.bytes)};
    }
    /// Mapped bytes for reading.
    View<const std::byte> constMappedRange(std::uint64_t offset = 0, std::uint64_t size = BB_WHOLE_SIZE) const {
        bb_const_span span{};
        detail::check(bb_buffer_const_mapped_range(handle(), offset, size, &span));
        return {static_cast<const std::byte *>(span.data), static_cast<std::size_t>(span.bytes)};
    }
    void unmap() noexcept { static_cast<void>(bb_buffer_unmap(handle())); }
    /// Frees the memory; the object stays, with BufferState::Destroyed.
    void destroy() noexcept { static_cast<void>(bb_buffer_destroy(handle())); }

  private:
    static bb_buffer *make(bb_device *device, const BufferDesc &desc) {
        const bb_buffer_desc raw = detail::raw(desc);
        bb_buffer *made = nullptr;
        detail::check(bb_buffer_create(device, &raw, &made));
        return made;
    }
};

/// Creates buffers of a device, which must outlive it.
class BufferFactory final : public IBufferFactory {
  public:
    explicit BufferFactory(const Device &device) noexcept : device_(device.handle()) {}
    std::unique_ptr<IBuffer> createBuffer(const BufferDesc &desc) override { return make(desc); }
    std::unique_ptr<IMappableBuffer> createMappableBuffer(const BufferDesc &desc) override { return make(desc); }
    bb_device *getDevice() const noexcept override { return device_; }

  private:
    class Made final : public IMappableBuffer {
      public:
        Made(bb_device *device, const BufferDesc &desc) : buffer_(device, desc) {}
        std::uint64_t getSize() const override { return buffer_.getSize(); }
        BufferUsage getUsage() const override { return buffer_.getUsage(); }
        std::string getDebugName() const override { return buffer_.getDebugName(); }
        std::uint64_t getNativeHandle() const override { return buffer_.getNativeHandle(); }
        bool isValid() const override { return buffer_.isValid(); }
        BufferState getState() const override { return buffer_.getState(); }
        void *getMappedData() override {
            const auto mapping = detail::mapping(buffer_.handle());
            return mapping.mode == BB_MAP_WRITE ? mapping.data : nullptr;
        }
        const void *getMappedData() const override { return detail::mapping(buffer_.handle()).data; }
        Future<MappedData> mapAsync(MapMode mode) override { return buffer_.mapAsync(mode); }
        void unmap() override { buffer_.unmap(); }
        bool isMapped() const override { return buffer_.getState() == BufferState::Mapped; }
        bool isMapPending() const override { return buffer_.getState() == BufferState::MapPending; }

      private:
        Buffer buffer_;
    };
    std::unique_ptr<Made> make(const BufferDesc &desc) { return std::make_unique<Made>(device_, desc); }

    bb_device *device_;
};

} // namespace backbuf

#include "macros_pop.hpp"

#include "roles.hpp"
#endif

#endif // BACKBUF_BUFFERS_HPP
