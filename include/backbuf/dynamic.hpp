// Dynamic buffers: data that changes with every frame. Needs exceptions. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_DYNAMIC_HPP
#define BACKBUF_DYNAMIC_HPP

#include "roles.hpp"

#if BACKBUF_EXCEPTIONS

#include "macros_push.hpp"

namespace backbuf {

/// Behaviour of a dynamic buffer whose ring is full of frames in flight.
enum class RingPolicy : std::uint32_t { Block = BB_RING_BLOCK, Fail = BB_RING_FAIL, Grow = BB_RING_GROW };

/// An update of this frame, written in place. Leaving the scope ends it.
class DynamicData {
  public:
    DynamicData(bb_dynamic *dynamic, IBuffer *buffer, const bb_dynamic_slice &slice) noexcept
        : dynamic_(dynamic), buffer_(buffer), slice_(slice) {}
    DynamicData(DynamicData &&other) noexcept
        : dynamic_(std::exchange(other.dynamic_, nullptr)), buffer_(other.buffer_), slice_(other.slice_) {}
    DynamicData(const DynamicData &) = delete;
    DynamicData &operator=(const DynamicData &) = delete;
    DynamicData &operator=(DynamicData &&) = delete;
    ~DynamicData() { end(); }

    template <class T> View<T> as() noexcept {
        return {static_cast<T *>(slice_.data), static_cast<std::size_t>(slice_.bytes) / sizeof(T)};
    }
    void *data() noexcept { return slice_.data; }
    /// The DynamicBuffer, which must not be moved meanwhile. Its IBuffer::getNativeHandle is that of the last update.
    IBuffer *getBuffer() const noexcept { return buffer_; }
    /// The backend's own handle of the buffer for this frame: the name of an OpenGL buffer, or an address in host memory.
    std::uint64_t getNativeHandle() const noexcept { return slice_.buffer; }
    std::uint64_t getOffset() const noexcept { return slice_.offset; }
    const bb_dynamic_slice &slice() const noexcept { return slice_; }
    /// Ends the update.
    void end() noexcept {
        if (dynamic_ != nullptr)
            static_cast<void>(bb_dynamic_end_update(std::exchange(dynamic_, nullptr), &slice_));
    }

  private:
    bb_dynamic *dynamic_;
    IBuffer *buffer_;
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
 * draw_with(update.getNativeHandle(), update.getOffset());
 * uniforms.endFrame();
 * @endcode
 */
class DynamicBuffer : public detail::Described<IBuffer, bb_dynamic, bb_dynamic_destroy, bb_dynamic_info_get> {
  public:
    DynamicBuffer() noexcept = default;
    DynamicBuffer(const BufferDesc &desc, BufferSource source, std::uint32_t frames = 3,
                  RingPolicy policy = RingPolicy::Block, Timeout timeout = std::chrono::seconds(1),
                  std::uint64_t most = 0)
        : Described(make(desc, source, frames, policy, timeout, most)), size_(desc.size) {}
    DynamicBuffer(BufferSource source, const BufferDesc &desc, std::uint32_t frames = 3,
                  RingPolicy policy = RingPolicy::Block, Timeout timeout = std::chrono::seconds(1),
                  std::uint64_t most = 0)
        : DynamicBuffer(desc, source, frames, policy, timeout, most) {}

    /// The handle of the last update's buffer, which a ring that grows replaces; 0 before the first update.
    std::uint64_t getNativeHandle() const override { return native_; }

    /// Begins, writes and ends an update in one call.
    class Begun {
      public:
        explicit Begun(DynamicData data) noexcept : data_(std::move(data)) {}
        DynamicData get() noexcept { return std::move(data_); }
        /// Calls a function of `DynamicData &`, `void *` or nothing, ends the update, and returns the future of the result.
        template <class F> Continued<detail::continued_t<F, DynamicData>> then(F call) {
            using R = detail::continued_t<F, DynamicData>;
            auto state = std::make_shared<detail::FutureState<R>>();
            const auto ignore = [](const Error &) {};
            detail::settle(*state, ignore, [&]() -> R {
                DynamicData data(std::move(data_)); // its end is the end of the update
                return detail::continued(call, data);
            });
            return Continued<R>(std::move(state));
        }

      private:
        DynamicData data_;
    };
    /// Begins an update of this frame, by default of the size that the buffer was created for.
    Begun beginUpdate(std::uint64_t bytes = 0) {
        bb_dynamic_slice slice{};
        detail::check(bb_dynamic_begin_update(handle(), bytes == 0 ? size_ : bytes, &slice));
        native_ = slice.buffer;
        return Begun(DynamicData(handle(), this, slice));
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
    static bb_dynamic *make(const BufferDesc &desc, BufferSource source, std::uint32_t frames, RingPolicy policy,
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
        detail::check(bb_dynamic_create(source.device(), &config, &made));
        return made;
    }
    std::uint64_t size_ = 0;
    std::uint64_t native_ = 0;
};

inline void Encoder::copyUpdate(const DynamicBuffer &src, const bb_dynamic_slice &update, IBuffer &dst,
                                std::uint64_t dstOffset) {
    detail::check(bb_encoder_copy_update(handle(), src.handle(), &update, detail::copy_handle(dst, "dst"), dstOffset));
}

} // namespace backbuf

#include "macros_pop.hpp"
#endif

#endif // BACKBUF_DYNAMIC_HPP
