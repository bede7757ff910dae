// Buffers of a device: mappable ones and those that only the device accesses, and the factory of both. Needs exceptions.
// SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_BUFFER_HPP
#define BACKBUF_BUFFER_HPP

#include "buffer_types.hpp"

#if BACKBUF_EXCEPTIONS

#include "macros_push.hpp"

namespace backbuf {

/**
 * @brief A buffer with WebGPU's rules of mapping, on every device.
 *
 * @code
 * backbuf::Buffer buffer(device, {64, backbuf::BufferUsage::MapWrite | backbuf::BufferUsage::CopySrc, false, "mesh"});
 * auto data = buffer.mapAsync().get(); // its destructor unmaps the buffer
 * data.as<float>()[0] = 1;
 * @endcode
 */
class Buffer : public detail::Described<IMappableBuffer, bb_buffer, bb_buffer_release, bb_buffer_info_get> {
  public:
    Buffer() noexcept = default;
    Buffer(BufferSource source, const BufferDesc &desc) : Described(make(source, desc)) {}
    Buffer(const BufferDesc &desc, BufferSource source) : Described(make(source, desc)) {}

    std::uint64_t getNativeHandle() const override {
        std::uint64_t native = 0;
        detail::check(bb_buffer_native(handle(), &native));
        return native;
    }
    bb_device_buffer *getCopyHandle() const noexcept override {
        return reinterpret_cast<bb_device_buffer *>(handle()); // functions of copies take both
    }
    /// Requests a mapping, which completes when the work that uses the buffer is done.
    [[nodiscard]] Future<MappedData> mapAsync(MapMode mode = MapMode::Write) override { return mapAsync(mode, 0); }
    [[nodiscard]] Future<MappedData> mapAsync(MapMode mode, std::uint64_t offset, std::uint64_t size = BB_WHOLE_SIZE) {
        return detail::request<MappedData>(
            [&](const bb_map_callback *callback, bb_request **request) {
                return bb_buffer_map_async(handle(), static_cast<std::uint32_t>(mode), offset, size, callback, request);
            },
            [raw = handle(), mode, offset, size] { return MappedData::of(raw, mode == MapMode::Read, offset, size); });
    }
    void *getMappedData() override {
        const auto mapping = detail::mapping(handle());
        return mapping.mode == BB_MAP_WRITE ? mapping.data : nullptr;
    }
    const void *getMappedData() const override { return detail::mapping(handle()).data; }
    bool isMapped() const override { return getState() == BufferState::Mapped; }
    bool isMapPending() const override { return getState() == BufferState::MapPending; }
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
    void unmap() noexcept override { static_cast<void>(bb_buffer_unmap(handle())); }
    /// Frees the memory; the object stays, with BufferState::Destroyed.
    void destroy() noexcept { static_cast<void>(bb_buffer_destroy(handle())); }

  private:
    static bb_buffer *make(BufferSource source, const BufferDesc &desc) {
        const bb_buffer_desc raw = detail::raw(desc);
        bb_buffer *made = nullptr;
        detail::check(bb_buffer_create(source.device(), &raw, &made));
        return made;
    }
};

/**
 * @brief Memory that only the device accesses, of any number of bytes: written by staging buffers and Encoder::write.
 *
 * @code
 * backbuf::DeviceBuffer mesh({size_of_it, backbuf::BufferUsage::Vertex, false, "mesh"}, factory);
 * @endcode
 */
class DeviceBuffer
    : public detail::Described<IBuffer, bb_device_buffer, bb_device_buffer_destroy, bb_device_buffer_info_get> {
  public:
    DeviceBuffer() noexcept = default;
    DeviceBuffer(const BufferDesc &desc, BufferSource source)
        : Described(make(bb_device_buffer_create, source, desc)) {}
    DeviceBuffer(BufferSource source, const BufferDesc &desc) : DeviceBuffer(desc, source) {}

    std::uint64_t getNativeHandle() const override {
        std::uint64_t native = 0;
        detail::check(bb_device_buffer_native(handle(), &native));
        return native;
    }
    bb_device_buffer *getCopyHandle() const noexcept override { return handle(); }
    /// 1, plus 1 for each time that the buffer has grown.
    std::uint64_t getGeneration() const { return info().generation; }

  protected:
    using Create = bb_status(bb_device *, const bb_buffer_desc *, bb_device_buffer **);
    explicit DeviceBuffer(bb_device_buffer *made) noexcept : Described(made) {}
    static bb_device_buffer *make(Create create, BufferSource source, const BufferDesc &desc) {
        bb_buffer_desc raw = detail::raw(desc);
        raw.mapped_at_creation = 0; // it is never mapped
        bb_device_buffer *made = nullptr;
        detail::check(create(source.device(), &raw, &made));
        return made;
    }
};

/// A device buffer that can grow and keeps its bytes: bind it again when getGeneration() has changed.
class GrowableBuffer : public DeviceBuffer {
  public:
    GrowableBuffer() noexcept = default;
    GrowableBuffer(const BufferDesc &desc, BufferSource source)
        : DeviceBuffer(make(bb_device_buffer_create_growable, source, desc)) {}
    GrowableBuffer(BufferSource source, const BufferDesc &desc) : GrowableBuffer(desc, source) {}
    /// Grows the buffer to at least this many bytes, and returns whether it has grown.
    bool reserve(std::uint64_t bytes) {
        std::uint32_t grew = 0;
        detail::check(bb_device_buffer_reserve(handle(), bytes, &grew));
        return grew != 0;
    }
};

/// Creates buffers of a device, which must outlive it: createBuffer() a DeviceBuffer, createMappableBuffer() a Buffer.
class BufferFactory final : public IBufferFactory {
  public:
    explicit BufferFactory(const Device &device) noexcept : device_(device.handle()) {}
    std::unique_ptr<IBuffer> createBuffer(const BufferDesc &desc) override {
        return std::make_unique<DeviceBuffer>(desc, device_);
    }
    std::unique_ptr<IMappableBuffer> createMappableBuffer(const BufferDesc &desc) override {
        return std::make_unique<Buffer>(device_, desc);
    }
    bb_device *getDevice() const noexcept override { return device_; }

  private:
    bb_device *device_;
};

} // namespace backbuf

#include "macros_pop.hpp"
#endif

#endif // BACKBUF_BUFFER_HPP
