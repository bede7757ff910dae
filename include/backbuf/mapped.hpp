// Mapped bytes that unmap themselves, and a pointer with a count. Needs exceptions. SPDX-License-Identifier: MIT OR
// Apache-2.0
#ifndef BACKBUF_MAPPED_HPP
#define BACKBUF_MAPPED_HPP

#include "core.hpp"

#if BACKBUF_EXCEPTIONS
#include <string>

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

} // namespace backbuf

#include "macros_pop.hpp"
#endif

#endif // BACKBUF_MAPPED_HPP
