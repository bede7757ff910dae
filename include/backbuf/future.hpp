// Futures of a device, whose waits run the device's work, and their continuations. Needs exceptions.
// SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_FUTURE_HPP
#define BACKBUF_FUTURE_HPP

#include "mapped.hpp"

#if BACKBUF_EXCEPTIONS
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "macros_push.hpp"

namespace backbuf {

template <class T> class Future;
template <class T> class Continued;

namespace detail {
/// An Error with a stored message.
class StoredError : public Error {
  public:
    StoredError(bb_status status, std::string text)
        : Error(Status(status, LocalError::plain)), text_(std::move(text)) {}
    const char *what() const noexcept override { return text_.empty() ? Error::what() : text_.c_str(); }

  private:
    std::string text_;
};

/// State shared by a future and what completes it.
template <class T> struct FutureState {
    std::mutex lock;
    std::condition_variable completed;
    std::optional<bb_status> status{};
    std::string text{};
    std::exception_ptr thrown{};
    std::function<T()> take{};
    std::function<void()> then{};

    void complete(bb_status outcome, const char *why, std::exception_ptr exception = nullptr) {
        std::function<void()> call;
        {
            const std::lock_guard<std::mutex> held(lock);
            status = outcome;
            text = why;
            thrown = std::move(exception);
            call = std::move(then);
            completed.notify_all();
        }
        if (call)
            call();
    }
    bool ready() {
        const std::lock_guard<std::mutex> held(lock);
        return status.has_value();
    }
    /// False after the timeout.
    bool wait(Timeout timeout) {
        std::unique_lock<std::mutex> held(lock);
        const auto done = [this] { return status.has_value(); };
        if (timeout.nanoseconds() > static_cast<std::uint64_t>(INT64_MAX) / 2)
            return completed.wait(held, done), true;
        return completed.wait_for(held, std::chrono::nanoseconds(timeout.nanoseconds()), done);
    }
    /// Moves the result out; throws what failed.
    T result() {
        std::function<T()> taken;
        {
            const std::lock_guard<std::mutex> held(lock);
            if (thrown)
                std::rethrow_exception(thrown);
            if (*status != BB_OK)
                throw StoredError(*status, text);
            taken = std::exchange(take, nullptr);
        }
        if (!taken)
            throw StoredError(BB_E_STATE, "the future has been taken from before");
        return taken();
    }
};

/// What a continuation is called with: the value, its bytes as a pointer, or nothing.
template <class F, class T> decltype(auto) continued(F &call, T &value) {
    if constexpr (std::is_invocable_v<F &, T &>)
        return call(value);
    else if constexpr (std::is_invocable_v<F &>)
        return call();
    else
        return call(value.data());
}
/// After a result without a value a continuation that takes a pointer gets null.
template <class F> decltype(auto) continued(F &call) {
    if constexpr (std::is_invocable_v<F &>)
        return call();
    else
        return call(static_cast<void *>(nullptr));
}
template <class F, class T> struct ContinuedWith {
    using type = std::decay_t<decltype(continued(std::declval<F &>(), std::declval<T &>()))>;
};
template <class F> struct ContinuedWith<F, void> {
    using type = std::decay_t<decltype(continued(std::declval<F &>()))>;
};
/// The type of a continuation's result.
template <class F, class T> using continued_t = typename ContinuedWith<F, T>::type;

/// Completes `next` with the result of `work`, or with what it throws; an Error is also passed to `failed`.
template <class R, class G, class W> void settle(FutureState<R> &next, G &failed, const W &work) noexcept {
    bb_status status = BB_OK;
    std::exception_ptr thrown;
    try {
        if constexpr (std::is_void_v<R>) {
            work();
            next.take = [] {};
        } else {
            next.take = [value = std::make_shared<R>(work())] { return std::move(*value); };
        }
    } catch (const Error &error) {
        status = error.status(), thrown = std::current_exception();
        try {
            failed(error);
        } catch (...) { // the future has the first exception, and nothing is thrown into the library
        }
    } catch (...) {
        status = BB_E_ABORTED, thrown = std::current_exception();
    }
    next.complete(status, "", std::move(thrown));
}

/// Calls `call` with the result of `state` once it has completed, and completes the returned state with the call's result.
template <class T, class F, class G>
std::shared_ptr<FutureState<continued_t<F, T>>> continue_with(const std::shared_ptr<FutureState<T>> &state, F call,
                                                              G failed) {
    using R = continued_t<F, T>;
    auto next = std::make_shared<FutureState<R>>();
    // Behind a pointer, so that functions need not be copyable.
    auto both = std::make_shared<std::pair<F, G>>(std::move(call), std::move(failed));
    auto run = [state = state.get(), both = std::move(both), next] {
        settle(*next, both->second, [&]() -> R {
            if constexpr (std::is_void_v<T>) {
                state->result();
                return continued(both->first);
            } else {
                T value = state->result();
                return continued(both->first, value);
            }
        });
    };
    {
        const std::lock_guard<std::mutex> held(state->lock);
        if (!state->status) {
            state->then = std::move(run);
            return next;
        }
    }
    run();
    return next;
}
} // namespace detail

/**
 * @brief The result of a request to a device. Destroying the future does not cancel the request.
 *
 * On the owner thread of a host-driven device, waits run the device's work, so that `get` returns. A continuation runs
 * once: on the device's owner thread, on the thread that unmaps or cancels, or at once. It may use any buffer, and must not
 * wait for the device. It takes `MappedData &` (or what the future has), the bytes as `void *`, or nothing; then() returns a
 * future of its result, which may be continued in turn, waited for or dropped.
 *
 * @code
 * backbuf::Encoder encoder(factory);
 * staging.mapAsync()
 *     .then([&](backbuf::MappedData &data) { fill(data.as<float>()); }) // or the bytes as `void *`
 *     .then([&] { staging.uploadTo(encoder, mesh); });
 * @endcode
 */
template <class T> class [[nodiscard]] Future {
  public:
    Future() noexcept = default;
    explicit Future(std::shared_ptr<detail::FutureState<T>> state, bb_request *request = nullptr,
                    bb_device *device = nullptr) noexcept
        : state_(std::move(state)), request_(request), device_(device) {}

    /// Whether the future has completed.
    bool ready() const { return state()->ready(); }
    /// Waits for completion, successful or not; false after the timeout.
    bool wait_for(Timeout timeout) const {
        const auto &state = this->state();
        if (!request_)
            return state->ready() || (device_ != nullptr ? drive(timeout) : state->wait(timeout));
        bb_map_outcome outcome{};
        const Status status = bb_request_wait(request_.handle(), timeout.nanoseconds(), sizeof(outcome), &outcome);
        if (status.code() == BB_E_TIMEOUT)
            return false;
        detail::check(status);
        // The callback may run a moment after the completion, on another thread.
        return state->wait(forever);
    }
    void wait() const { static_cast<void>(wait_for(forever)); }
    /// Waits and returns the result; throws Error if it failed, or the exception of its continuation. Call it once.
    T get() {
        wait();
        return state()->result();
    }
    /// Cancels the request: it completes with `BB_E_CANCELLED` unless it has completed already.
    bool cancel() {
        std::uint32_t in_time = 0;
        detail::check(bb_request_cancel(request_.handle(), &in_time));
        return in_time != 0;
    }
    /// Passes the result to a function, and returns the future of what that returns. Empty afterwards. If this future
    /// fails, the function is not called, and the returned future fails in the same way.
    template <class F> Continued<detail::continued_t<F, T>> then(F call) && {
        return std::move(*this).then(std::move(call), [](const Error &) {});
    }
    /// The same; an Error is also passed to `failed(const Error &)`.
    template <class F, class G> Continued<detail::continued_t<F, T>> then(F call, G failed) && {
        const auto held = std::exchange(state_, nullptr);
        if (!held)
            throw detail::StoredError(BB_E_STATE, empty);
        auto next = detail::continue_with(held, std::move(call), std::move(failed));
        return Continued<detail::continued_t<F, T>>(std::move(next), request_.release(),
                                                    std::exchange(device_, nullptr));
    }
    /// The C handle of the request; null if the future has none.
    bb_request *handle() const noexcept { return request_.handle(); }

  private:
    static constexpr const char *empty = "the future is empty: it was moved from, continued, or has no request";
    const std::shared_ptr<detail::FutureState<T>> &state() const {
        if (!state_)
            throw detail::StoredError(BB_E_STATE, empty);
        return state_;
    }
    /// Waits without a request. The owner thread of a host-driven device runs the device's work meanwhile.
    bool drive(Timeout timeout) const {
        using clock = std::chrono::steady_clock;
        const auto began = clock::now();
        while (bb_device_poll(device_, BB_FOREVER) == BB_OK) {
            const auto passed = clock::now() - began;
            if (state_->wait(std::chrono::microseconds(100)))
                return true;
            if (timeout.nanoseconds() != BB_FOREVER && passed >= std::chrono::nanoseconds(timeout.nanoseconds()))
                return false;
        }
        return state_->wait(timeout);
    }

    std::shared_ptr<detail::FutureState<T>> state_;
    Handle<bb_request, bb_request_release> request_;
    bb_device *device_ = nullptr;
};

/// The Future of a continuation's result, which may be dropped: the continuation runs all the same.
template <class T> class Continued : public Future<T> {
  public:
    using Future<T>::Future;
};

/// Waits until one of several futures of one device has completed, and returns its index. On the owner thread of a
/// host-driven device it runs the device's work.
template <class T> Result<std::size_t> try_wait_any(span<const Future<T>> futures, Timeout timeout = forever) {
    std::vector<bb_request *> requests;
    for (const Future<T> &future : futures) {
        if (future.ready())
            return static_cast<std::size_t>(&future - futures.data());
        requests.push_back(future.handle());
    }
    std::uint64_t index = 0;
    if (const Status status = bb_request_wait_any(requests.data(), requests.size(), timeout.nanoseconds(), &index);
        !status)
        return status;
    futures[static_cast<std::size_t>(index)].wait();
    return static_cast<std::size_t>(index);
}
template <class T> std::size_t wait_any(span<const Future<T>> futures, Timeout timeout = forever) {
    return try_wait_any(futures, timeout).value();
}
template <class T> Result<std::size_t> try_wait_any(const std::vector<Future<T>> &futures, Timeout timeout = forever) {
    return try_wait_any(span<const Future<T>>(futures), timeout);
}
template <class T> std::size_t wait_any(const std::vector<Future<T>> &futures, Timeout timeout = forever) {
    return wait_any(span<const Future<T>>(futures), timeout);
}

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
