// Buffers by role: device, staging, readback and dynamic buffers, and the Encoder. SPDX-License-Identifier: MIT OR
// Apache-2.0
#ifndef BACKBUF_ROLES_HPP
#define BACKBUF_ROLES_HPP

#include "buffers.hpp"

#if BACKBUF_EXCEPTIONS
#include <algorithm>
#include <deque>

#include "macros_push.hpp"

namespace backbuf {

class ReadbackBuffer;
class DynamicBuffer;

/**
 * @brief Memory that only the device accesses, of any number of bytes: written by staging buffers and Encoder::write.
 *
 * @code
 * backbuf::DeviceBuffer mesh({size_of_it, backbuf::BufferUsage::Vertex, false, "mesh"}, factory);
 * @endcode
 */
class DeviceBuffer : public detail::Described<bb_device_buffer, bb_device_buffer_destroy, bb_device_buffer_info_get,
                                              bb_device_buffer_native> {
  public:
    DeviceBuffer() noexcept = default;
    DeviceBuffer(const BufferDesc &desc, IBufferFactory &factory) : Described(make(desc, factory, false)) {}

  protected:
    DeviceBuffer(const BufferDesc &desc, IBufferFactory &factory, bool grows) : Described(make(desc, factory, grows)) {}

  private:
    static bb_device_buffer *make(const BufferDesc &desc, IBufferFactory &factory, bool grows) {
        const bb_buffer_desc raw = detail::raw(desc);
        bb_device_buffer *made = nullptr;
        detail::check(grows ? bb_device_buffer_create_growable(factory.getDevice(), &raw, &made)
                            : bb_device_buffer_create(factory.getDevice(), &raw, &made));
        return made;
    }
};

/// A device buffer that can grow and keeps its bytes: bind it again when getGeneration() has changed.
class GrowableBuffer : public DeviceBuffer {
  public:
    GrowableBuffer(const BufferDesc &desc, IBufferFactory &factory) : DeviceBuffer(desc, factory, true) {}
    /// Grows the buffer to at least this many bytes, and returns whether it has grown.
    bool reserve(std::uint64_t bytes) {
        std::uint32_t grew = 0;
        detail::check(bb_device_buffer_reserve(handle(), bytes, &grew));
        return grew != 0;
    }
};

/**
 * @brief Recorded copies and writes, submitted together.
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
    explicit Encoder(IBufferFactory &factory) : Handle(make(factory)) {}

    void copyBufferToBuffer(const Buffer &src, std::uint64_t srcOffset, Buffer &dst, std::uint64_t dstOffset,
                            std::uint64_t bytes) {
        detail::check(bb_encoder_copy(handle(), src.handle(), srcOffset, dst.handle(), dstOffset, bytes));
    }
    /// Copies the whole buffer.
    void copyBufferToBuffer(const Buffer &src, Buffer &dst) { copyBufferToBuffer(src, 0, dst, 0, src.getSize()); }
    void copyBufferToBuffer(const DeviceBuffer &src, std::uint64_t srcOffset, DeviceBuffer &dst,
                            std::uint64_t dstOffset, std::uint64_t bytes) {
        detail::check(bb_encoder_copy_bytes(handle(), src.handle(), srcOffset, dst.handle(), dstOffset, bytes));
    }
    void copyBufferToBuffer(const DeviceBuffer &src, DeviceBuffer &dst) {
        copyBufferToBuffer(src, 0, dst, 0, src.getSize());
    }
    /// Reads back all of `src`, or as much as the ring holds: ReadbackBuffer::readAsync returns it.
    inline void copyBufferToBuffer(const DeviceBuffer &src, ReadbackBuffer &dst);

    /// Copies an update of the current frame to a device buffer.
    inline void copyUpdate(const DynamicBuffer &src, const bb_dynamic_slice &update, DeviceBuffer &dst,
                           std::uint64_t dstOffset = 0);

    /// Writes bytes of the caller, which must stay valid until the submit.
    void write(DeviceBuffer &to, std::uint64_t offset, const void *data, std::uint64_t bytes) {
        detail::check(bb_encoder_write(handle(), to.handle(), offset, data, bytes));
    }
    template <class C, class P = decltype(std::data(std::declval<const C &>()))>
    void write(DeviceBuffer &to, const C &data, std::uint64_t offset = 0) {
        static_assert(std::is_trivially_copyable_v<std::remove_pointer_t<P>>, "backbuf: bytes are copied as they are");
        write(to, offset, std::data(data), std::size(data) * sizeof(*std::data(data)));
    }
    template <class C> void write(DeviceBuffer &, const C &&, std::uint64_t = 0) = delete; // a dangling pointer
    /// Submits the recorded steps, and returns their fence. If it throws, the recorded steps stay.
    std::uint64_t submit() {
        std::uint64_t fence = 0;
        detail::check(bb_encoder_submit(handle(), &fence));
        return fence;
    }

  private:
    static bb_encoder *make(IBufferFactory &factory) {
        bb_encoder *made = nullptr;
        detail::check(bb_encoder_create(factory.getDevice(), &made));
        return made;
    }
};

/// A staging buffer for one upload, mapped at creation.
class ImmediateStagingBuffer : public Handle<bb_immediate_staging, bb_immediate_staging_destroy> {
  public:
    ImmediateStagingBuffer() noexcept = default;
    ImmediateStagingBuffer(const BufferDesc &desc, IBufferFactory &factory) : Handle(make(desc, factory)) {}

    void write(const void *data, std::uint64_t bytes, std::uint64_t offset = 0) {
        detail::check(bb_immediate_staging_write(handle(), offset, data, bytes));
    }
    template <class C, class P = decltype(std::data(std::declval<const C &>()))>
    void write(const C &data, std::uint64_t offset = 0) {
        static_assert(std::is_trivially_copyable_v<std::remove_pointer_t<P>>, "backbuf: bytes are copied as they are");
        write(static_cast<const void *>(std::data(data)), std::size(data) * sizeof(*std::data(data)), offset);
    }
    /// Its bytes for writing in place, before the upload.
    MappedData getMappedData() {
        bb_span span{};
        detail::check(bb_immediate_staging_bytes(handle(), &span));
        return {span.data, span.bytes};
    }
    void uploadTo(Encoder &encoder, DeviceBuffer &to, std::uint64_t offset = 0) {
        detail::check(bb_immediate_staging_upload_to(handle(), encoder.handle(), to.handle(), offset));
    }

  private:
    static bb_immediate_staging *make(const BufferDesc &desc, IBufferFactory &factory) {
        bb_immediate_staging *made = nullptr;
        detail::check(bb_immediate_staging_create(factory.getDevice(), desc.size, desc.debugName.c_str(), &made));
        return made;
    }
};

/// A staging buffer for repeated uploads, mapped on request when the last upload is done.
class DeferredStagingBuffer : public Handle<bb_deferred_staging, bb_deferred_staging_destroy> {
  public:
    DeferredStagingBuffer() noexcept = default;
    DeferredStagingBuffer(const BufferDesc &desc, IBufferFactory &factory) : Handle(make(desc, factory)) {}

    Future<MappedData> mapAsync() {
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
    void write(const void *data, std::uint64_t bytes, std::uint64_t offset = 0) {
        detail::check(bb_deferred_staging_write(handle(), offset, data, bytes));
    }
    template <class C, class P = decltype(std::data(std::declval<const C &>()))>
    void write(const C &data, std::uint64_t offset = 0) {
        static_assert(std::is_trivially_copyable_v<std::remove_pointer_t<P>>, "backbuf: bytes are copied as they are");
        write(static_cast<const void *>(std::data(data)), std::size(data) * sizeof(*std::data(data)), offset);
    }
    void uploadTo(Encoder &encoder, DeviceBuffer &to, std::uint64_t offset = 0) {
        detail::check(bb_deferred_staging_upload_to(handle(), encoder.handle(), to.handle(), offset));
    }

  private:
    static bb_deferred_staging *make(const BufferDesc &desc, IBufferFactory &factory) {
        bb_deferred_staging *made = nullptr;
        detail::check(bb_deferred_staging_create(factory.getDevice(), desc.size, desc.debugName.c_str(), &made));
        return made;
    }
};

/// Behaviour of a readback ring when all of its buffers are in use.
enum class WhenFull : std::uint32_t {
    Skip = BB_READBACK_SKIP,
    Wait = BB_READBACK_WAIT,
    DropOldest = BB_READBACK_DROP_OLDEST,
};

/**
 * @brief A ring of buffers for reads, so that no frame waits for its own read.
 *
 * @code
 * backbuf::ReadbackBuffer readback({size_of_it}, factory);
 * readback.readAsync(result).then([](const backbuf::MappedData &data) { show(data.as<float>()); });
 * @endcode
 */
class ReadbackBuffer : public Handle<bb_readback, bb_readback_destroy> {
  public:
    ReadbackBuffer() noexcept = default;
    ReadbackBuffer(const BufferDesc &desc, IBufferFactory &factory, std::uint32_t frames = 3,
                   WhenFull when_full = WhenFull::Skip, Timeout timeout = forever)
        : Handle(make(desc, factory, frames, when_full, timeout)), size_(desc.size) {}

    /// A pending read: wait for it, or pass it to a function, as with a Future.
    class Reading : public Handle<bb_reading, bb_reading_release> {
      public:
        using Handle::Handle;
        bool ready() const { return Status(bb_reading_poll(handle())).code() != BB_E_TIMEOUT; }
        bool wait_for(Timeout timeout) const {
            return Status(bb_reading_wait(handle(), timeout.nanoseconds())).code() != BB_E_TIMEOUT;
        }
        /// Waits and returns the bytes; their destructor returns the buffer to the ring.
        MappedData get() {
            detail::check(bb_reading_wait(handle(), BB_FOREVER));
            return MappedData::of(release());
        }
        /// Passes the bytes to `call(const MappedData &)`, on the device's owner thread or at once, or an Error to
        /// `failed(const Error &)`. Empty afterwards.
        template <class F> void then(F call) {
            then(std::move(call), [](const Error &) {});
        }
        template <class F, class G> void then(F call, G failed) {
            using Both = std::pair<F, G>;
            auto held = std::make_unique<Both>(std::move(call), std::move(failed));
            bb_read_callback callback{};
            callback.user_data = held.get();
            callback.call = [](void *user_data, bb_status status, const void *data, std::uint64_t count) {
                auto &both = *static_cast<Both *>(user_data);
                detail::answered(both.second, [&] {
                    if (status != BB_OK)
                        throw detail::StoredError(status, bb_status_string(status));
                    const MappedData seen(const_cast<void *>(data), count);
                    both.first(seen);
                });
            };
            callback.drop = [](void *user_data) { delete static_cast<Both *>(user_data); };
            detail::check(bb_reading_then(handle(), &callback));
            static_cast<void>(held.release()); // the library drops it
            static_cast<void>(release());      // it has ended
        }
    };
    /// Reads the current content of the buffer.
    [[nodiscard]] Reading readAsync(const DeviceBuffer &from, std::uint64_t offset, std::uint64_t bytes) {
        bb_reading *reading = nullptr;
        detail::check(bb_readback_read(handle(), from.handle(), offset, bytes, &reading));
        return Reading(reading);
    }
    /// Reads all of it, or as much as the ring holds.
    [[nodiscard]] Reading readAsync(const DeviceBuffer &from) {
        return readAsync(from, 0, std::min(size_, from.getSize()));
    }
    /// Returns the reads that Encoder::copyBufferToBuffer recorded, one per call: the content of the buffer at that step.
    [[nodiscard]] Reading readAsync() {
        if (recorded_.empty())
            throw detail::StoredError(BB_E_STATE,
                                      "say what is read: readAsync(buffer), or Encoder::copyBufferToBuffer before");
        Reading first = std::move(recorded_.front());
        recorded_.pop_front();
        return first;
    }
    bb_readback_stats stats() const {
        bb_readback_stats stats{};
        detail::check(bb_readback_stats_get(handle(), sizeof(stats), &stats));
        return stats;
    }

  private:
    friend class Encoder;
    static bb_readback *make(const BufferDesc &desc, IBufferFactory &factory, std::uint32_t frames, WhenFull when_full,
                             Timeout timeout) {
        bb_readback_config config{};
        detail::check(bb_readback_config_init(&config));
        config.size = desc.size;
        config.frames = frames;
        config.when_full = static_cast<std::uint32_t>(when_full);
        config.timeout_ns = timeout.nanoseconds();
        config.label = desc.debugName.c_str();
        bb_readback *made = nullptr;
        detail::check(bb_readback_create(factory.getDevice(), &config, &made));
        return made;
    }
    std::uint64_t size_ = 0;
    std::deque<Reading> recorded_;
};

inline void Encoder::copyBufferToBuffer(const DeviceBuffer &src, ReadbackBuffer &dst) {
    bb_reading *reading = nullptr;
    const std::uint64_t bytes = std::min(dst.size_, src.getSize());
    detail::check(bb_readback_read_in(dst.handle(), handle(), src.handle(), 0, bytes, &reading));
    dst.recorded_.emplace_back(reading);
}

/// Behaviour of a dynamic buffer whose ring is full of frames in flight.
enum class RingPolicy : std::uint32_t { Block = BB_RING_BLOCK, Fail = BB_RING_FAIL, Grow = BB_RING_GROW };

/// An update of this frame, written in place. Leaving the scope ends it.
class DynamicData {
  public:
    DynamicData(bb_dynamic *dynamic, const bb_dynamic_slice &slice) noexcept : dynamic_(dynamic), slice_(slice) {}
    DynamicData(DynamicData &&other) noexcept
        : dynamic_(std::exchange(other.dynamic_, nullptr)), slice_(other.slice_) {}
    DynamicData(const DynamicData &) = delete;
    DynamicData &operator=(const DynamicData &) = delete;
    DynamicData &operator=(DynamicData &&) = delete;
    ~DynamicData() { end(); }

    template <class T> View<T> as() noexcept {
        return {static_cast<T *>(slice_.data), static_cast<std::size_t>(slice_.bytes) / sizeof(T)};
    }
    /// The backend's own handle of the buffer for this frame: the name of an OpenGL buffer, or an address in host memory.
    std::uint64_t getBuffer() const noexcept { return slice_.buffer; }
    std::uint64_t getOffset() const noexcept { return slice_.offset; }
    const bb_dynamic_slice &slice() const noexcept { return slice_; }
    /// Ends the update.
    void end() noexcept {
        if (dynamic_ != nullptr)
            static_cast<void>(bb_dynamic_end_update(std::exchange(dynamic_, nullptr), &slice_));
    }

  private:
    bb_dynamic *dynamic_;
    bb_dynamic_slice slice_;
};

/**
 * @brief A buffer for data that changes with every frame, written in place while the device still uses earlier frames.
 *
 * @code
 * backbuf::DynamicBuffer uniforms({sizeof(Camera), backbuf::BufferUsage::Uniform, false, "camera"}, factory);
 * auto update = uniforms.beginUpdate().get();
 * update.as<Camera>()[0] = camera;
 * update.end();
 * uniforms.flush();                       // before draws of your own
 * draw_with(update.getBuffer(), update.getOffset());
 * uniforms.endFrame();
 * @endcode
 */
class DynamicBuffer : public Handle<bb_dynamic, bb_dynamic_destroy> {
  public:
    DynamicBuffer() noexcept = default;
    DynamicBuffer(const BufferDesc &desc, IBufferFactory &factory, std::uint32_t frames = 3,
                  RingPolicy policy = RingPolicy::Block, Timeout timeout = std::chrono::seconds(1),
                  std::uint64_t most = 0)
        : Handle(make(desc, factory, frames, policy, timeout, most)), size_(desc.size) {}

    /// Begins, writes and ends an update in one call.
    class Begun {
      public:
        explicit Begun(DynamicData data) noexcept : data_(std::move(data)) {}
        DynamicData get() noexcept { return std::move(data_); }
        template <class F> void then(F call) { call(data_), data_.end(); }

      private:
        DynamicData data_;
    };
    /// Begins an update of this frame, by default of the size that the buffer was created for.
    Begun beginUpdate(std::uint64_t bytes = 0) {
        bb_dynamic_slice slice{};
        detail::check(bb_dynamic_begin_update(handle(), bytes == 0 ? size_ : bytes, &slice));
        return Begun(DynamicData(handle(), slice));
    }
    /// Transfers ended updates to the device, for draws by the program itself.
    void flush() { detail::check(bb_dynamic_flush(handle())); }
    /// Ends the frame, after all work that uses its updates has been submitted or drawn by this thread.
    void endFrame() { detail::check(bb_dynamic_end_frame(handle())); }
    bb_dynamic_stats stats() const {
        bb_dynamic_stats stats{};
        detail::check(bb_dynamic_stats_get(handle(), sizeof(stats), &stats));
        return stats;
    }

  private:
    static bb_dynamic *make(const BufferDesc &desc, IBufferFactory &factory, std::uint32_t frames, RingPolicy policy,
                            Timeout timeout, std::uint64_t most) {
        bb_dynamic_config config{};
        detail::check(bb_dynamic_config_init(&config));
        config.size = desc.size;
        config.usage = static_cast<std::uint32_t>(desc.usage);
        config.frames = frames;
        config.policy = static_cast<std::uint32_t>(policy);
        config.timeout_ns = timeout.nanoseconds();
        config.most = most;
        config.label = desc.debugName.c_str();
        bb_dynamic *made = nullptr;
        detail::check(bb_dynamic_create(factory.getDevice(), &config, &made));
        return made;
    }
    std::uint64_t size_ = 0;
};

inline void Encoder::copyUpdate(const DynamicBuffer &src, const bb_dynamic_slice &update, DeviceBuffer &dst,
                                std::uint64_t dstOffset) {
    detail::check(bb_encoder_copy_update(handle(), src.handle(), &update, dst.handle(), dstOffset));
}

} // namespace backbuf

#include "macros_pop.hpp"
#endif

#endif // BACKBUF_ROLES_HPP
