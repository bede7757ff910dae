// What changed: the ranges in which a front may differ from an older one. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_CHANGES_HPP
#define BACKBUF_CHANGES_HPP

#include "array.hpp"

#include "macros_push.hpp"

namespace backbuf {

template <class T> class Field;

namespace detail {
template <std::size_t N> struct ByteRanges {
    bb_byte_range ranges[N];
    std::uint64_t count;
    bool complete;

    Status find(bb_lease *lease, std::uint64_t since, std::uint32_t field) noexcept {
        bb_front front{};
        front.lease = lease;
        return bb_front_changes(&front, since, field, ranges, N, &count, &complete);
    }
};
} // namespace detail

/**
 * @brief The elements in which a front may differ from the front of an older epoch, from `changed_since`.
 *
 * The ranges are ascending and neither overlap nor touch. Every element that differs is in one of them; they may also have
 * elements that are equal. It keeps at most `N` ranges, the nearest are joined, and it allocates nothing.
 *
 * @code
 * const auto front = m.front();
 * std::vector<float> mirror(m.size());
 * std::uint64_t shown = 0; // the epoch that the mirror has
 * for (backbuf::Range r : front.changed_since(shown))
 *     std::copy_n(front.begin() + r.first, r.count, mirror.begin() + r.first);
 * shown = front.epoch();
 * @endcode
 */
template <std::size_t N = 64> class Changes {
  public:
    using value_type = Range;

    Changes() noexcept = default;
    /// The bytes `found` in elements of `size` bytes.
    Changes(const detail::ByteRanges<N> &found, std::uint64_t size) noexcept : complete_(found.complete) {
        for (std::uint64_t k = 0; k < found.count; k++) {
            const std::uint64_t first = found.ranges[k].offset / size;
            const std::uint64_t last = (found.ranges[k].offset + found.ranges[k].bytes + size - 1) / size;
            // Ranges that end in one element, or in neighbouring ones, are one.
            if (size_ > 0 && first <= end_of(size_ - 1))
                ranges_[size_ - 1].count = last - ranges_[size_ - 1].first;
            else
                ranges_[size_++] = Range{first, last - first};
        }
    }

    /// Whether the manager's history covers both epochs. If not, the only range is the whole state.
    bool complete() const noexcept { return complete_; }
    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    const Range &operator[](std::size_t k) const noexcept {
        assert(k < size_);
        return ranges_[k];
    }
    const Range *begin() const noexcept { return ranges_; }
    const Range *end() const noexcept { return ranges_ + size_; }

  private:
    std::uint64_t end_of(std::size_t k) const noexcept { return ranges_[k].first + ranges_[k].count; }

    std::size_t size_ = 0;
    bool complete_ = true;
    Range ranges_[N];
};

namespace detail {
/// The changes of a leased front, or of one of its fields, in elements of `size` bytes.
template <std::size_t N>
Result<Changes<N>> changed_since(bb_lease *lease, std::uint64_t epoch, std::uint64_t size,
                                 std::uint32_t field = BB_ALL_FIELDS) noexcept {
    ByteRanges<N> found;
    if (const Status status = found.find(lease, epoch, field); !status)
        return status;
    return Changes<N>(found, size);
}
} // namespace detail

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_CHANGES_HPP
