// Bytes to send and receive through a ring, and their view as elements of a type. SPDX-License-Identifier: MIT OR
// Apache-2.0
#ifndef BACKBUF_BYTES_HPP
#define BACKBUF_BYTES_HPP

#include "core.hpp"

#include <memory>

#include "macros_push.hpp"

namespace backbuf {

namespace detail {

/// A status of the ring. Ordinary outcomes set no message in the library.
constexpr Status quiet(bb_status code) noexcept {
    const bool ordinary = code == BB_E_FULL || code == BB_E_EMPTY || code == BB_E_TIMEOUT || code == BB_E_CLOSED ||
                          code == BB_E_INTERRUPTED;
    return ordinary ? Status(code, LocalError::plain) : Status(code);
}
inline Result<bool> armed(bb_status code) noexcept {
    if (code == BB_OK || code == BB_E_CLOSED)
        return true;
    if (code == BB_E_FULL || code == BB_E_EMPTY)
        return false;
    return Status(code);
}
#if BACKBUF_EXCEPTIONS
/// Result of a call that never waits: false if the ring was full or empty.
inline bool now(bb_status code) {
    if (code != BB_OK && code != BB_E_FULL && code != BB_E_EMPTY)
        fail(quiet(code));
    return code == BB_OK;
}
/// Result of a call that waits: false once the other end is destroyed.
inline bool more(bb_status code) {
    if (code != BB_OK && code != BB_E_CLOSED)
        fail(quiet(code));
    return code == BB_OK;
}
#endif

template <class C, class = void> struct is_range : std::false_type {};
template <class C>
struct is_range<C, std::void_t<decltype(*std::data(std::declval<C &>())), decltype(std::size(std::declval<C &>()))>>
    : std::true_type {};
/// The element type of a contiguous range, const if it is read-only.
template <class C> using element_t = std::remove_pointer_t<decltype(std::data(std::declval<C &>()))>;

template <class T> constexpr void copyable() noexcept {
    static_assert(std::is_trivially_copyable_v<T>, "backbuf: only the bytes of trivially copyable types can be moved");
}

/// Bytes as elements. `whole`: no bytes may remain at the end.
template <class T, class Byte> Result<span<T>> as(Byte *data, std::size_t size, bool whole) noexcept {
    copyable<T>();
    if (reinterpret_cast<std::uintptr_t>(data) % alignof(T) != 0)
        return Status(BB_E_ALIGN, LocalError::alignment);
    if (whole && size % sizeof(T) != 0)
        return Status(BB_E_ALIGN, LocalError::ragged);
    return span<T>(reinterpret_cast<T *>(data), size / sizeof(T));
}

} // namespace detail

/**
 * @brief Bytes to send: a contiguous container or array, one trivially copyable object, or a pointer with a size.
 *
 * A parameter type: it does not own its data, so do not store it.
 *
 * @code
 * bool gone = !tx.send_all(samples) ||                         // the elements of a vector
 *             !tx.send_all(Record{}) ||                        // sizeof(Record), padding included
 *             !tx.send_all(std::string_view("no zero at its end")) ||
 *             !tx.send_all({samples.data(), 100});             // a pointer, and a size in bytes
 * @endcode
 */
class Bytes {
  public:
    constexpr Bytes(const void *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <class C, class = std::enable_if_t<!std::is_same_v<C, Bytes>>> Bytes(const C &value) noexcept {
        if constexpr (detail::is_range<const C>::value) {
            using U = std::remove_cv_t<detail::element_t<const C>>;
            detail::copyable<U>();
            static_assert(!std::is_array_v<C> || !std::is_same_v<U, char>,
                          "backbuf: an array of char may end in a zero that is not "
                          "meant: give a std::string_view");
            data_ = std::data(value);
            size_ = static_cast<std::size_t>(std::size(value)) * sizeof(U);
        } else {
            static_assert(!std::is_pointer_v<C> && !std::is_null_pointer_v<C>,
                          "backbuf: a pointer needs a size: give {data, bytes}");
            detail::copyable<C>();
            data_ = std::addressof(value);
            size_ = sizeof(C);
        }
    }
    constexpr const void *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }

  private:
    const void *data_;
    std::size_t size_;
};

/**
 * @brief Memory for received bytes: like Bytes, but writable.
 *
 * @code
 * Record record;
 * while (rx.recv_all(record)) use(record);
 * std::size_t bytes = rx.recv(samples);      // at most samples.size() * sizeof(float)
 * @endcode
 */
class WritableBytes {
  public:
    constexpr WritableBytes(void *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <class C, class = std::enable_if_t<!std::is_same_v<std::decay_t<C>, WritableBytes>>>
    WritableBytes(C &&value) noexcept {
        using Object = std::remove_reference_t<C>;
        if constexpr (detail::is_range<Object>::value) {
            using U = detail::element_t<Object>;
            detail::copyable<U>();
            static_assert(!std::is_const_v<U>, "backbuf: nothing can be received into const elements");
            if constexpr (!std::is_const_v<U>)
                data_ = std::data(value);
            size_ = static_cast<std::size_t>(std::size(value)) * sizeof(U);
        } else {
            static_assert(!std::is_pointer_v<Object> && !std::is_null_pointer_v<Object>,
                          "backbuf: a pointer needs a size: give {data, bytes}");
            static_assert(std::is_lvalue_reference_v<C> && !std::is_const_v<Object>,
                          "backbuf: nothing can be received into a temporary or const object");
            detail::copyable<Object>();
            if constexpr (!std::is_const_v<Object>)
                data_ = std::addressof(value);
            size_ = sizeof(Object);
        }
    }
    constexpr void *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }

  private:
    void *data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_BYTES_HPP
