// Readback buffers: reads of device buffers that no frame waits for. Needs exceptions. SPDX-License-Identifier: MIT OR
// Apache-2.0
#ifndef BACKBUF_READBACK_HPP
#define BACKBUF_READBACK_HPP

#include "roles.hpp"

#if BACKBUF_EXCEPTIONS
#include <algorithm>
#include <deque>

#include "macros_push.hpp"

namespace backbuf {

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
class ReadbackBuffer : public detail::Described<IBuffer, bb_readback, bb_readback_destroy, bb_readback_info_get> {
  public:
    ReadbackBuffer() noexcept = default;
    ReadbackBuffer(const BufferDesc &desc, BufferSource source, std::uint32_t frames = 3,
                   WhenFull when_full = WhenFull::Skip, Timeout timeout = forever)
        : Described(make(desc, source, frames, when_full, timeout)), device_(source.device()), size_(desc.size) {}
    ReadbackBuffer(BufferSource source, const BufferDesc &desc, std::uint32_t frames = 3,
                   WhenFull when_full = WhenFull::Skip, Timeout timeout = forever)
        : ReadbackBuffer(desc, source, frames, when_full, timeout) {}

    /// A pending read: wait for it, or pass it to a function, as with a Future.
    class Reading : public Handle<bb_reading, bb_reading_release> {
      public:
        Reading() noexcept = default;
        explicit Reading(bb_reading *raw, bb_device *device = nullptr) noexcept : Handle(raw), device_(device) {}
        bool ready() const { return Status(bb_reading_poll(handle())).code() != BB_E_TIMEOUT; }
        bool wait_for(Timeout timeout) const {
            return Status(bb_reading_wait(handle(), timeout.nanoseconds())).code() != BB_E_TIMEOUT;
        }
        /// Waits and returns the bytes; their destructor returns the buffer to the ring.
        MappedData get() {
            detail::check(bb_reading_wait(handle(), BB_FOREVER));
            return MappedData::of(release());
        }
        /// Passes the bytes to a function of `const MappedData &`, `const void *` or nothing, on the device's owner thread or
        /// at once, and returns the future of what that returns. Empty afterwards.
        template <class F> auto then(F call) {
            return then(std::move(call), [](const Error &) {});
        }
        /// The same; an Error is also passed to `failed(const Error &)`.
        template <class F, class G> Continued<detail::continued_t<F, const MappedData>> then(F call, G failed) {
            using R = detail::continued_t<F, const MappedData>;
            struct Continuation {
                F call;
                G failed;
                std::shared_ptr<detail::FutureState<R>> next;
            };
            auto next = std::make_shared<detail::FutureState<R>>();
            std::unique_ptr<Continuation> held(new Continuation{std::move(call), std::move(failed), next});
            bb_read_callback callback{};
            callback.user_data = held.get();
            callback.call = [](void *user_data, bb_status status, const void *data, std::uint64_t count) {
                auto &to = *static_cast<Continuation *>(user_data);
                detail::settle(*to.next, to.failed, [&]() -> R {
                    if (status != BB_OK)
                        throw detail::StoredError(status, bb_status_string(status));
                    const MappedData seen(const_cast<void *>(data), count);
                    return detail::continued(to.call, seen);
                });
            };
            callback.drop = [](void *user_data) { delete static_cast<Continuation *>(user_data); };
            detail::check(bb_reading_then(handle(), &callback));
            static_cast<void>(held.release()); // the library drops it
            static_cast<void>(release());      // it has ended
            return Continued<R>(std::move(next), nullptr, device_);
        }

      private:
        bb_device *device_ = nullptr;
    };
    /// Reads the current content of the buffer.
    [[nodiscard]] Reading readAsync(const IBuffer &from, std::uint64_t offset, std::uint64_t bytes) {
        bb_reading *reading = nullptr;
        detail::check(bb_readback_read(handle(), detail::copy_handle(from, "from"), offset, bytes, &reading));
        return Reading(reading, device_);
    }
    /// Reads all of it, or as much as the ring holds.
    [[nodiscard]] Reading readAsync(const IBuffer &from) { return readAsync(from, 0, std::min(size_, from.getSize())); }
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
    static bb_readback *make(const BufferDesc &desc, BufferSource source, std::uint32_t frames, WhenFull when_full,
                             Timeout timeout) {
        bb_readback_config config{};
        detail::check(bb_readback_config_init(&config));
        config.size = desc.size;
        config.frames = frames;
        config.when_full = static_cast<std::uint32_t>(when_full);
        config.timeout_ns = timeout.nanoseconds();
        config.label = desc.debugName.c_str();
        bb_readback *made = nullptr;
        detail::check(bb_readback_create(source.device(), &config, &made));
        return made;
    }
    bb_device *device_ = nullptr;
    std::uint64_t size_ = 0;
    std::deque<Reading> recorded_;
};

inline void Encoder::copyBufferToBuffer(const IBuffer &src, IBuffer &dst) {
    if (auto *readback = dynamic_cast<ReadbackBuffer *>(&dst))
        return copyBufferToBuffer(src, *readback);
    copyBufferToBuffer(src, 0, dst, 0, src.getSize());
}

inline void Encoder::copyBufferToBuffer(const IBuffer &src, ReadbackBuffer &dst) {
    bb_reading *reading = nullptr;
    const std::uint64_t bytes = std::min(dst.size_, src.getSize());
    detail::check(bb_readback_read_in(dst.handle(), handle(), detail::copy_handle(src, "src"), 0, bytes, &reading));
    dst.recorded_.emplace_back(reading, dst.device_);
}

} // namespace backbuf

#include "macros_pop.hpp"
#endif

#endif // BACKBUF_READBACK_HPP
