// The Encoder, and staging buffers for uploads. Needs exceptions. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_ROLES_HPP
#define BACKBUF_ROLES_HPP

#include "buffer.hpp"

#if BACKBUF_EXCEPTIONS

#include "macros_push.hpp"

namespace backbuf {

class ReadbackBuffer;
class DynamicBuffer;

/**
 * @brief Recorded copies and writes, submitted together. Sources and destinations are DeviceBuffer, Buffer, and what factories make.
 *
 * @code
 * backbuf::Encoder encoder(factory);
 * encoder.write(mesh, vertices); // read at the submit: they must stay valid until then
 * encoder.submit();
 * @endcode
 */
class Encoder : public Handle<bb_encoder, bb_encoder_destroy> {
  public:
    Encoder() noexcept = default;
    explicit Encoder(BufferSource source) : Handle(make(source)) {}

    /// Copies bytes from one buffer to another. Between two objects of class Buffer, offsets and size are multiples of 4.
    void copyBufferToBuffer(const IBuffer &src, std::uint64_t srcOffset, IBuffer &dst, std::uint64_t dstOffset,
                            std::uint64_t bytes) {
        detail::check(bb_encoder_copy_bytes(handle(), detail::copy_handle(src, "src"), srcOffset,
                                            detail::copy_handle(dst, "dst"), dstOffset, bytes));
    }
    /// Copies the whole buffer; to a ReadbackBuffer as much as its ring holds.
    inline void copyBufferToBuffer(const IBuffer &src, IBuffer &dst);
    void copyBufferToBuffer(const Buffer &src, std::uint64_t srcOffset, Buffer &dst, std::uint64_t dstOffset,
                            std::uint64_t bytes) {
        detail::check(bb_encoder_copy(handle(), src.handle(), srcOffset, dst.handle(), dstOffset, bytes));
    }
    void copyBufferToBuffer(const Buffer &src, Buffer &dst) { copyBufferToBuffer(src, 0, dst, 0, src.getSize()); }
    /// Reads back all of `src`, or as much as the ring holds: ReadbackBuffer::readAsync returns it.
    inline void copyBufferToBuffer(const IBuffer &src, ReadbackBuffer &dst);

    /// Copies an update of the current frame to a buffer.
    inline void copyUpdate(const DynamicBuffer &src, const bb_dynamic_slice &update, IBuffer &dst,
                           std::uint64_t dstOffset = 0);

    /// Writes bytes of the caller, which must stay valid until the submit. The buffer needs BufferUsage::CopyDst, which a
    /// DeviceBuffer always has.
    void write(IBuffer &to, std::uint64_t offset, const void *data, std::uint64_t bytes) {
        detail::check(bb_encoder_write(handle(), detail::copy_handle(to, "to"), offset, data, bytes));
    }
    template <class C, class P = decltype(std::data(std::declval<const C &>()))>
    void write(IBuffer &to, const C &data, std::uint64_t offset = 0) {
        static_assert(std::is_trivially_copyable_v<std::remove_pointer_t<P>>, "backbuf: bytes are copied as they are");
        write(to, offset, std::data(data), std::size(data) * sizeof(*std::data(data)));
    }
    template <class C> void write(IBuffer &, const C &&, std::uint64_t = 0) = delete; // a dangling pointer
    /// Submits the recorded steps, and returns their fence, for Device::wait_fence. If it throws, the recorded steps stay.
    std::uint64_t submit() {
        std::uint64_t fence = 0;
        detail::check(bb_encoder_submit(handle(), &fence));
        return fence;
    }

  private:
    static bb_encoder *make(BufferSource source) {
        bb_encoder *made = nullptr;
        detail::check(bb_encoder_create(source.device(), &made));
        return made;
    }
};

namespace detail {
/// The common functions of both kinds of staging buffers.
template <class Interface, class Raw, bb_status (*Close)(Raw *),
          bb_status (*Info)(Raw *, std::uint32_t, bb_buffer_info *),
          bb_status (*Write)(Raw *, std::uint64_t, const void *, std::uint64_t), bb_status (*Bytes)(Raw *, bb_span *),
          bb_status (*Upload)(Raw *, bb_encoder *, bb_device_buffer *, std::uint64_t)>
class Staging : public Described<Interface, Raw, Close, Info> {
  public:
    using Described<Interface, Raw, Close, Info>::Described;

    void write(const void *data, std::uint64_t bytes, std::uint64_t offset = 0) {
        check(Write(this->handle(), offset, data, bytes));
    }
    template <class C, class P = decltype(std::data(std::declval<const C &>()))>
    void write(const C &data, std::uint64_t offset = 0) {
        static_assert(std::is_trivially_copyable_v<std::remove_pointer_t<P>>, "backbuf: bytes are copied as they are");
        write(static_cast<const void *>(std::data(data)), std::size(data) * sizeof(*std::data(data)), offset);
    }
    /// Records the upload of all bytes, and unmaps them.
    void uploadTo(Encoder &encoder, IBuffer &to, std::uint64_t offset = 0) {
        check(Upload(this->handle(), encoder.handle(), copy_handle(to, "to"), offset));
    }
    void uploadTo(Encoder &, ReadbackBuffer &, std::uint64_t = 0) = delete; // it is read, not written

  protected:
    bb_span bytes() const {
        bb_span span{};
        check(Bytes(this->handle(), &span));
        return span;
    }
};
} // namespace detail

/// A staging buffer for one upload, mapped at creation.
class ImmediateStagingBuffer
    : public detail::Staging<IBuffer, bb_immediate_staging, bb_immediate_staging_destroy, bb_immediate_staging_info_get,
                             bb_immediate_staging_write, bb_immediate_staging_bytes, bb_immediate_staging_upload_to> {
  public:
    ImmediateStagingBuffer() noexcept = default;
    ImmediateStagingBuffer(const BufferDesc &desc, BufferSource source) : Staging(make(desc, source)) {}
    ImmediateStagingBuffer(BufferSource source, const BufferDesc &desc) : ImmediateStagingBuffer(desc, source) {}

    /// Its bytes for writing in place, before the upload; do not read them.
    void *getMappedData() { return bytes().data; }

  private:
    static bb_immediate_staging *make(const BufferDesc &desc, BufferSource source) {
        bb_immediate_staging *made = nullptr;
        detail::check(bb_immediate_staging_create(source.device(), desc.size, desc.debugName.c_str(), &made));
        return made;
    }
};

/// A staging buffer for repeated uploads, mapped on request when the last upload is done.
class DeferredStagingBuffer : public detail::Staging<IMappableBuffer, bb_deferred_staging, bb_deferred_staging_destroy,
                                                     bb_deferred_staging_info_get, bb_deferred_staging_write,
                                                     bb_deferred_staging_bytes, bb_deferred_staging_upload_to> {
  public:
    DeferredStagingBuffer() noexcept = default;
    DeferredStagingBuffer(const BufferDesc &desc, BufferSource source) : Staging(make(desc, source)) {}
    DeferredStagingBuffer(BufferSource source, const BufferDesc &desc) : DeferredStagingBuffer(desc, source) {}

    /// Requests the mapping of all bytes, which completes when the last upload is done. MapMode::Write is the only mode.
    [[nodiscard]] Future<MappedData> mapAsync(MapMode mode = MapMode::Write) override {
        if (mode != MapMode::Write)
            throw detail::StoredError(BB_E_ARGUMENT, "mode: a staging buffer is mapped for writing only");
        return detail::request<MappedData>(
            [&](const bb_map_callback *callback, bb_request **request) {
                return bb_deferred_staging_map_async(handle(), callback, request);
            },
            [raw = handle()] {
                bb_span span{};
                detail::check(bb_deferred_staging_bytes(raw, &span));
                return MappedData(span.data, span.bytes);
            });
    }
    /// The first byte; null if the buffer is not mapped.
    void *getMappedData() override { return isMapped() ? bytes().data : nullptr; }
    const void *getMappedData() const override { return isMapped() ? bytes().data : nullptr; }
    /// Unmaps the bytes without an upload; they are kept.
    void unmap() override { detail::check(bb_deferred_staging_unmap(handle())); }
    bool isMapped() const override { return getState() == BufferState::Mapped; }
    bool isMapPending() const override { return getState() == BufferState::MapPending; }

  private:
    static bb_deferred_staging *make(const BufferDesc &desc, BufferSource source) {
        bb_deferred_staging *made = nullptr;
        detail::check(bb_deferred_staging_create(source.device(), desc.size, desc.debugName.c_str(), &made));
        return made;
    }
};

} // namespace backbuf

#include "macros_pop.hpp"
#endif

#endif // BACKBUF_ROLES_HPP
