// Common types of the C++ API: span, Status, Error, Result, Timeout, and the owner of a C handle. SPDX-License-Identifier:
// MIT OR Apache-2.0
#ifndef BACKBUF_CORE_HPP
#define BACKBUF_CORE_HPP

#include "../backbuf.h"

#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <type_traits>
#include <utility>
#if __cplusplus >= 202002L
#include <span>
#endif

#if defined(__cpp_exceptions)
/// 1 if exceptions are enabled. With `-fno-exceptions` only the `try_` functions exist.
#define BACKBUF_EXCEPTIONS 1
#include <stdexcept>
#else
#define BACKBUF_EXCEPTIONS 0
#endif

/// Types and state that all shared objects of a program share, whatever their visibility settings.
#define BACKBUF_SHARED __attribute__((visibility("default")))

#include "macros_push.hpp"

namespace backbuf {

#if __cplusplus >= 202002L
template <class T> using span = std::span<T>;
#else
/// A pointer and a count. From C++20 on it is `std::span`.
template <class T> class span {
  public:
    using element_type = T;
    using value_type = std::remove_cv_t<T>;
    using size_type = std::size_t;
    using iterator = T *;

    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N> constexpr span(T (&array)[N]) noexcept : span(array, N) {}
    template <class C, class P = decltype(std::data(std::declval<C &>())),
              class = std::enable_if_t<std::is_convertible_v<std::remove_pointer_t<P> (*)[], T (*)[]>>>
    constexpr span(C &container) noexcept : span(std::data(container), std::size(container)) {}
    template <class U, class = std::enable_if_t<std::is_convertible_v<U (*)[], T (*)[]>>>
    constexpr span(const span<U> &other) noexcept : span(other.data(), other.size()) {}

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr std::size_t size_bytes() const noexcept { return size_ * sizeof(T); }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t i) const { return data_[i]; }
    constexpr T &front() const { return data_[0]; }
    constexpr T &back() const { return data_[size_ - 1]; }
    constexpr span first(std::size_t count) const { return {data_, count}; }
    constexpr span last(std::size_t count) const { return {data_ + (size_ - count), count}; }
    constexpr span subspan(std::size_t offset) const { return {data_ + offset, size_ - offset}; }
    constexpr span subspan(std::size_t offset, std::size_t count) const { return {data_ + offset, count}; }

  private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};
#endif

// ---- results ----------------------------------------------------------------------------------------------------

namespace detail {

/// Errors detected by this header without a call of the library; `plain` is a status without a message. Stored in one word
/// with the status.
enum class LocalError : std::int32_t {
    none,
    rank,
    dtype,
    short_data,
    initial,
    position,
    memory,
    alignment,
    ragged,
    cut_short,
    zero,
    columns,
    plain
};

constexpr std::int32_t local_error_step = 1000;

constexpr const char *local_error_text(LocalError error) noexcept {
    switch (error) {
    case LocalError::rank:
        return "start, extent, step and strides need one entry per dimension of the state";
    case LocalError::dtype:
        return "the manager's dtype is not that of this C++ element type";
    case LocalError::short_data:
        return "data has fewer elements than the region: pass all of them, or a pointer with strides";
    case LocalError::initial:
        return "initial must have the element type of the manager and as many elements as its shape";
    case LocalError::position:
        return "index: use one number per dimension, within the shape, on a front or back that is not empty";
    case LocalError::memory:
        return "out of memory for the callback or the text";
    case LocalError::alignment:
        return "the bytes are misaligned for this element type: move only multiples of its alignment";
    case LocalError::ragged:
        return "the chunk is not a whole number of elements: set StreamConfig::record_size, or use span()";
    case LocalError::cut_short:
        return "the sender is destroyed, and only a part was received";
    case LocalError::zero:
        return "name: contains a NUL byte, at which C would end it";
    case LocalError::columns:
        return "lower, upper and size need one number for each item";
    case LocalError::plain:
    case LocalError::none:
        break;
    }
    return "";
}

} // namespace detail

/**
 * @brief The result of a call without a value: true if it is `BB_OK`. As large as a `bb_status`.
 *
 * @code
 * if (backbuf::Status s = m.try_synchronize(5ms); !s) std::puts(s.text());
 * @endcode
 */
class [[nodiscard]] Status {
  public:
    constexpr Status(bb_status code) noexcept : raw_(static_cast<std::int32_t>(code)) {}
    constexpr Status(bb_status code, detail::LocalError error) noexcept
        : raw_(static_cast<std::int32_t>(code) - detail::local_error_step * static_cast<std::int32_t>(error)) {}

    constexpr explicit operator bool() const noexcept { return raw_ == BB_OK; }
    /// The status as in C.
    constexpr bb_status code() const noexcept { return static_cast<bb_status>(raw_ % detail::local_error_step); }
    /// The error message, which names the parameter. Valid until this thread's next call of the library; empty on success.
    const char *text() const noexcept {
        if (raw_ == BB_OK)
            return "";
        const auto error = static_cast<detail::LocalError>(raw_ / -detail::local_error_step);
        if (error == detail::LocalError::plain)
            return bb_status_string(code());
        if (error != detail::LocalError::none)
            return detail::local_error_text(error);
        const char *last = bb_last_error();
        return *last != '\0' ? last : bb_status_string(raw_);
    }

    friend constexpr bool operator==(Status a, Status b) noexcept { return a.code() == b.code(); }
    friend constexpr bool operator!=(Status a, Status b) noexcept { return a.code() != b.code(); }

  private:
    std::int32_t raw_;
};

#if BACKBUF_EXCEPTIONS
/**
 * @brief The exception of functions without `try_`: status() is the C status, what() the library's message.
 *
 * @code
 * try { m.synchronize(5ms); }
 * catch (const backbuf::Error &e) { if (e.status() != BB_E_TIMEOUT) throw; }
 * @endcode
 */
class BACKBUF_SHARED Error : public std::runtime_error {
  public:
    explicit Error(Status status) : std::runtime_error(status.text()), status_(status.code()) {}
    bb_status status() const noexcept { return status_; }

  private:
    bb_status status_;
};

namespace detail {
// Out of line, so that what is inlined into the caller is the C call, a test and a jump.
[[noreturn, gnu::cold, gnu::noinline]] inline void fail(Status status) { throw Error(status); }
inline void check(Status status) {
    if (!status)
        fail(status);
}
} // namespace detail
#endif

namespace detail {
/// Constructs an object without a handle, of a class whose default constructor creates one.
struct Empty {};
/// The value of a Result that has none.
template <class T> T no_value() noexcept {
    if constexpr (std::is_constructible_v<T, Empty>)
        return T(Empty{});
    else
        return T{};
}
} // namespace detail

/**
 * @brief A value, or the Status of the failure.
 *
 * @code
 * if (auto epoch = m.try_wait_epoch(seen, 100ms)) seen = *epoch;
 * else std::puts(epoch.status().text());
 * @endcode
 */
template <class T> class [[nodiscard]] Result {
  public:
    Result(Status status) noexcept : status_(status), value_(detail::no_value<T>()) { assert(!status); }
    Result(T value) noexcept : status_(BB_OK), value_(std::move(value)) {}

    explicit operator bool() const noexcept { return static_cast<bool>(status_); }
    Status status() const noexcept { return status_; }
    T &operator*() & noexcept { return assert(status_), value_; }
    const T &operator*() const & noexcept { return assert(status_), value_; }
    T &&operator*() && noexcept { return assert(status_), std::move(value_); }
    T *operator->() noexcept { return assert(status_), &value_; }
    const T *operator->() const noexcept { return assert(status_), &value_; }
    /// The value, or `other` if there is none.
    T value_or(T other) && { return status_ ? std::move(value_) : std::move(other); }
#if BACKBUF_EXCEPTIONS
    /// The value; throws Error if there is none.
    T value() && { return detail::check(status_), std::move(value_); }
    const T &value() const & { return detail::check(status_), value_; }
#endif

  private:
    Status status_;
    T value_;
};

// ---- waiting ----------------------------------------------------------------------------------------------------

/**
 * @brief The time that a call may wait: any `std::chrono` duration, or backbuf::forever. Zero or less does not wait.
 *
 * @code
 * m.synchronize(5ms);
 * m.synchronize(backbuf::forever);
 * @endcode
 */
class Timeout {
  public:
    constexpr explicit Timeout(std::uint64_t nanoseconds) noexcept : nanoseconds_(nanoseconds) {}
    template <class Rep, class Period>
    constexpr Timeout(std::chrono::duration<Rep, Period> duration) noexcept : nanoseconds_(count(duration)) {}
    constexpr std::uint64_t nanoseconds() const noexcept { return nanoseconds_; }

  private:
    template <class Duration> static constexpr std::uint64_t count(Duration duration) noexcept {
        // Compared as double first: hours::max() in integer nanoseconds would overflow.
        const double wide = std::chrono::duration<double, std::nano>(duration).count();
        if (!(wide > 0))
            return 0;
        if (wide >= 9.2e18)
            return BB_FOREVER;
        return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::nanoseconds>(duration).count());
    }
    std::uint64_t nanoseconds_;
};

/// Waits without limit. A wait that only a released lease can end returns `BB_E_PINNED`; a wait that is running when a
/// flush, a kernel or a task outlasts the watchdog returns `BB_E_STALLED`. A wait that begins after that report does not.
inline constexpr Timeout forever{BB_FOREVER};

// ---- handles ----------------------------------------------------------------------------------------------------

namespace detail {

/// Owner of the handle. An owned handle needs no extra memory.
struct Owned {
    explicit constexpr Owned(bool = false) noexcept {}
    static constexpr bool borrowed() noexcept { return false; }
};
struct MaybeBorrowed {
    explicit constexpr MaybeBorrowed(bool borrowed = false) noexcept : borrowed_(borrowed) {}
    constexpr bool borrowed() const noexcept { return borrowed_; }

  private:
    bool borrowed_;
};

/// The first base of Handle, so that the handle comes first and is reached as in C.
template <class Raw> struct Pointer {
    Raw *raw_ = nullptr;
};

} // namespace detail

/**
 * @brief The base of Manager, Batch, Task, Watch and others: it owns a C handle and ends it.
 *
 * @code
 * bb_manager *raw = m.release(); // hands it to C code, which destroys it
 * auto back_again = backbuf::Manager<float>::adopt(raw);
 * @endcode
 */
template <class Raw, bb_status (*Close)(Raw *), class Owner = detail::Owned>
class Handle : detail::Pointer<Raw>, Owner {
    using Pointer = detail::Pointer<Raw>;
    using Pointer::raw_;

  public:
    Handle() noexcept = default;
    explicit Handle(Raw *raw, bool borrowed = false) noexcept : Pointer{raw}, Owner(borrowed) {}
    Handle(Handle &&other) noexcept : Pointer{std::exchange(other.raw_, nullptr)}, Owner(other) {}
    Handle &operator=(Handle &&other) noexcept {
        if (this != &other) {
            reset();
            static_cast<Owner &>(*this) = other;
            raw_ = std::exchange(other.raw_, nullptr);
        }
        return *this;
    }
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() { reset(); }

    /// The C handle, still owned by this object: for functions that only backbuf.h has.
    Raw *handle() const noexcept { return raw_; }
    explicit operator bool() const noexcept { return raw_ != nullptr; }
    /// Ends the object now. Empty afterwards.
    void reset() noexcept {
        Raw *raw = std::exchange(raw_, nullptr);
        if (raw != nullptr && !this->borrowed())
            Close(raw);
    }
    /// Gives up the ownership of the C handle, which the caller must end. Empty afterwards.
    [[nodiscard]] Raw *release() noexcept { return std::exchange(raw_, nullptr); }

  protected:
    bool is_borrowed() const noexcept { return this->borrowed(); }
};

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_CORE_HPP
