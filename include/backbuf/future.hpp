// Futures of a device, whose waits run the device's work, and mapped bytes that unmap themselves. SPDX-License-Identifier:
// MIT OR Apache-2.0
#ifndef BACKBUF_FUTURE_HPP
#define BACKBUF_FUTURE_HPP

#include "core.hpp"

#if BACKBUF_EXCEPTIONS
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "macros_push.hpp"

namespace backbuf {

/// A pointer and a count, usable as either.
template <class T> class View {
  public:
    constexpr View() noexcept = default;
    constexpr View(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr std::size_t size_bytes() const noexcept { return size_ * sizeof(T); }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    template <class I, class = std::enable_if_t<std::is_integral_v<I>>> constexpr T &operator[](I i) const {
        return data_[i];
    }
    constexpr operator T *() const noexcept { return data_; }
    constexpr operator span<T>() const noexcept { return {data_, size_}; }

  private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

namespace detail {
/// The mapping of a buffer; empty on failure.
inline bb_mapping mapping(bb_buffer *buffer) noexcept {
    bb_mapping mapping{};
    return bb_buffer_mapping_get(buffer, sizeof(mapping), &mapping) == BB_OK ? mapping : bb_mapping{};
}
} // namespace detail

/**
 * @brief Mapped bytes. Its destructor unmaps a buffer, or returns a reading's buffer to the ring; a staging buffer stays
 * mapped until its upload.
 *
 * @code
 * auto data = buffer.mapAsync(backbuf::MapMode::Read).get();
 * for (float x : data.as<const float>()) sum += x;
 * @endcode
 */
class MappedData {
  public:
    MappedData() noexcept = default;
    MappedData(void *data, std::uint64_t bytes) noexcept : data_(data), bytes_(static_cast<std::size_t>(bytes)) {}
    MappedData(MappedData &&other) noexcept
        : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)),
          buffer_(std::exchange(other.buffer_, nullptr)), number_(other.number_), reading_(std::move(other.reading_)) {}
    MappedData &operator=(MappedData &&other) noexcept {
        if (this != &other) {
            reset();
            data_ = std::exchange(other.data_, nullptr), bytes_ = std::exchange(other.bytes_, 0);
            buffer_ = std::exchange(other.buffer_, nullptr), number_ = other.number_;
            reading_ = std::move(other.reading_);
        }
        return *this;
    }
    MappedData(const MappedData &) = delete;
    MappedData &operator=(const MappedData &) = delete;
    ~MappedData() { reset(); }

    /// As whole elements.
    template <class T> View<T> as() noexcept { return {static_cast<T *>(data_), bytes_ / sizeof(T)}; }
    template <class T> View<const T> as() const noexcept { return {static_cast<const T *>(data_), bytes_ / sizeof(T)}; }
    const void *data() const noexcept { return data_; }
    void *data() noexcept { return data_; }
    std::size_t size() const noexcept { return bytes_; }
    /// Ends the mapping now. A later mapping of the buffer stays.
    void reset() noexcept {
        if (auto *buffer = std::exchange(buffer_, nullptr))
            static_cast<void>(bb_buffer_unmap_only(buffer, number_));
        reading_.reset();
        data_ = nullptr, bytes_ = 0;
    }

    static MappedData of(bb_buffer *buffer, bool reads, std::uint64_t offset, std::uint64_t size) {
        bb_span span{};
        bb_const_span seen{};
        detail::check(reads ? bb_buffer_const_mapped_range(buffer, offset, size, &seen)
                            : bb_buffer_mapped_range(buffer, offset, size, &span));
        MappedData made(reads ? const_cast<void *>(seen.data) : span.data, reads ? seen.bytes : span.bytes);
        made.buffer_ = buffer, made.number_ = detail::mapping(buffer).number;
        return made;
    }
    static MappedData of(bb_reading *reading) {
        MappedData made;
        made.reading_ = Handle<bb_reading, bb_reading_release>(reading);
        bb_const_span seen{};
        detail::check(bb_reading_bytes(reading, &seen));
        made.data_ = const_cast<void *>(seen.data), made.bytes_ = static_cast<std::size_t>(seen.bytes);
        return made;
    }

  private:
    void *data_ = nullptr;
    std::size_t bytes_ = 0;
    // The owned object: a mapping of a buffer, or a reading.
    bb_buffer *buffer_ = nullptr;
    std::uint64_t number_ = 0;
    Handle<bb_reading, bb_reading_release> reading_;
};

namespace detail {
/// Runs `work`, and passes an Error to `failed`. Other exceptions are dropped, since no caller can get them.
template <class G, class W> void answered(G &failed, W &&work) noexcept {
    try {
        try {
            work();
        } catch (const Error &error) {
            failed(error);
        }
    } catch (...) {
    }
}

/// State shared by a future and its callback.
template <class T> struct FutureState {
    std::mutex lock;
    std::optional<bb_status> status{};
    std::string text{};
    std::function<T()> take{};
    std::function<void()> then{};

    void complete(bb_status outcome, const char *why) {
        std::function<void()> call;
        {
            const std::lock_guard<std::mutex> held(lock);
            status = outcome;
            text = why;
            call = std::move(then);
        }
        if (call)
            call();
    }
};

/// An Error with a stored message.
class StoredError : public Error {
  public:
    StoredError(bb_status status, std::string text)
        : Error(Status(status, LocalError::plain)), text_(std::move(text)) {}
    const char *what() const noexcept override { return text_.empty() ? Error::what() : text_.c_str(); }

  private:
    std::string text_;
};
} // namespace detail

/**
 * @brief The result of a request to a device. Destroying the future does not cancel the request.
 *
 * On the owner thread of a host-driven device, waits run the device's work, so that `get` returns. A continuation runs
 * once: on the device's owner thread, on the thread that unmaps or cancels, or at once. It may use any buffer, and must not
 * wait for the device.
 *
 * @code
 * staging.mapAsync().then([&](backbuf::MappedData &data) { fill(data.as<float>()); });
 * @endcode
 */
template <class T> class [[nodiscard]] Future {
  public:
    Future() noexcept = default;
    Future(std::shared_ptr<detail::FutureState<T>> state, bb_request *request) noexcept
        : state_(std::move(state)), request_(request) {}

    /// Whether the future has completed.
    bool ready() const {
        const std::lock_guard<std::mutex> held(state_->lock);
        return state_->status.has_value();
    }
    /// Waits for completion, successful or not; false after the timeout.
    bool wait_for(Timeout timeout) const {
        bb_map_outcome outcome{};
        const Status status = bb_request_wait(request_.handle(), timeout.nanoseconds(), sizeof(outcome), &outcome);
        if (status.code() == BB_E_TIMEOUT)
            return false;
        detail::check(status);
        // The callback may run a moment after the completion.
        while (!ready())
            std::this_thread::yield();
        return true;
    }
    void wait() const { static_cast<void>(wait_for(forever)); }
    /// Waits and returns the result; throws Error if it failed. Call it once.
    T get() {
        wait();
        return take(*state_);
    }
    /// Cancels the request: it completes with `BB_E_CANCELLED` unless it has completed already.
    bool cancel() {
        std::uint32_t in_time = 0;
        detail::check(bb_request_cancel(request_.handle(), &in_time));
        return in_time != 0;
    }
    /// Passes the result to a function, or an Error to a second one.
    template <class F> void then(F call) && {
        std::move(*this).then(std::move(call), [](const Error &) {});
    }
    template <class F, class G> void then(F call, G failed) && {
        auto state = state_;
        // Behind a pointer, so that functions need not be copyable.
        auto both = std::make_shared<std::pair<F, G>>(std::move(call), std::move(failed));
        auto run = [state = state.get(), both = std::move(both)] {
            detail::answered(both->second, [&] {
                T value = take(*state);
                both->first(value);
            });
        };
        {
            const std::lock_guard<std::mutex> held(state->lock);
            if (!state->status) {
                state->then = std::move(run);
                return;
            }
        }
        run();
    }

  private:
    static T take(detail::FutureState<T> &state) {
        std::function<T()> take;
        {
            const std::lock_guard<std::mutex> held(state.lock);
            if (*state.status != BB_OK)
                throw detail::StoredError(*state.status, state.text);
            take = std::move(state.take);
        }
        if (!take)
            throw detail::StoredError(BB_E_STATE, "the future has been taken from before");
        return take();
    }

    std::shared_ptr<detail::FutureState<T>> state_;
    Handle<bb_request, bb_request_release> request_;
};

namespace detail {
/// Requests by `call(callback, request)`; the result is `take()`.
template <class T, class Call, class Take> Future<T> request(Call &&call, Take take) {
    auto state = std::make_shared<FutureState<T>>();
    state->take = std::move(take);
    auto held = std::make_unique<std::shared_ptr<FutureState<T>>>(state);
    bb_map_callback callback{};
    callback.user_data = held.get();
    callback.call = [](void *user_data, const bb_map_outcome *outcome) {
        (*static_cast<std::shared_ptr<FutureState<T>> *>(user_data))->complete(outcome->status, outcome->text);
    };
    callback.drop = [](void *user_data) { delete static_cast<std::shared_ptr<FutureState<T>> *>(user_data); };
    bb_request *request = nullptr;
    check(call(&callback, &request));
    static_cast<void>(held.release()); // the library drops it
    return Future<T>(std::move(state), request);
}
} // namespace detail

} // namespace backbuf

#include "macros_pop.hpp"
#endif

#endif // BACKBUF_FUTURE_HPP
