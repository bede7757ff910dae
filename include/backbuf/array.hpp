// N-d arrays: shapes and positions, element types, input data, and views with a shape. SPDX-License-Identifier: MIT OR
// Apache-2.0
#ifndef BACKBUF_ARRAY_HPP
#define BACKBUF_ARRAY_HPP

#include "core.hpp"

#include "macros_push.hpp"

namespace backbuf {

namespace detail {
template <class C, class = void> struct pointee {};
template <class C>
struct pointee<C,
               std::void_t<decltype(std::declval<const C &>().size()), decltype(*std::declval<const C &>().data())>> {
    using type = std::remove_cv_t<std::remove_reference_t<decltype(*std::declval<const C &>().data())>>;
};
/// The element type of a contiguous container.
template <class C> using pointee_t = typename pointee<C>::type;

/// Positions in elements as offsets in bytes. Overflow saturates beyond every state, and is refused by the library.
template <class T> constexpr std::uint64_t bytes(std::uint64_t elements) noexcept {
    constexpr std::uint64_t most = UINT64_MAX / sizeof(T);
    return (elements < most ? elements : most) * sizeof(T);
}
} // namespace detail

/**
 * @brief One number per dimension: shapes, positions, extents, steps, strides. Made from a list or a container.
 *
 * @code
 * backbuf::Shape s{3, 256, 256};
 * std::vector<std::uint64_t> read_from_file;
 * backbuf::Shape t(read_from_file);
 * @endcode
 */
template <class Int> class Axes {
  public:
    constexpr Axes() noexcept = default;
    /// Any integers, also variables of other integer types. A negative position is refused where it is used.
    template <class... I, class = std::enable_if_t<(sizeof...(I) > 0) && (std::is_integral_v<I> && ...)>>
    constexpr Axes(I... values) noexcept : size_(sizeof...(I)), values_{static_cast<Int>(values)...} {
        static_assert(sizeof...(I) <= BB_MAX_DIMS, "backbuf: a state has at most BB_MAX_DIMS dimensions");
    }
    template <class C, class = std::enable_if_t<std::is_integral_v<detail::pointee_t<C>>>>
    constexpr Axes(const C &container) noexcept : size_(static_cast<std::uint32_t>(container.size())) {
        for (std::uint32_t k = 0; k < size_ && k < BB_MAX_DIMS; k++)
            values_[k] = static_cast<Int>(container.data()[k]);
    }

    constexpr std::uint32_t size() const noexcept { return size_; }
    constexpr const Int *data() const noexcept { return values_; }
    constexpr const Int *begin() const noexcept { return values_; }
    constexpr const Int *end() const noexcept { return values_ + size_; }
    constexpr Int operator[](std::size_t k) const noexcept { return values_[k]; }
    friend constexpr bool operator==(const Axes &a, const Axes &b) noexcept {
        if (a.size_ != b.size_)
            return false;
        for (std::uint32_t k = 0; k < a.size_; k++)
            if (a.values_[k] != b.values_[k])
                return false;
        return true;
    }
    friend constexpr bool operator!=(const Axes &a, const Axes &b) noexcept { return !(a == b); }

    /// Number of elements of a state of this shape.
    constexpr Int product() const noexcept {
        Int all = 1;
        for (Int n : *this)
            all *= n;
        return all;
    }
    /// The flat, row-major index of an element in a state of this shape.
    template <class... I> constexpr std::size_t flat(I... at) const noexcept {
        static_assert((std::is_integral_v<I> && ...), "backbuf: indices are integers");
        assert(sizeof...(I) == size_ && "as many indices as dimensions");
        std::size_t place = 0;
        std::uint32_t k = 0;
        ((place = place * static_cast<std::size_t>(values_[k++]) + static_cast<std::size_t>(at)), ...);
        return place;
    }
    /// Whether the position is inside a state of this shape.
    template <class... I> constexpr bool contains(I... at) const noexcept {
        std::uint32_t k = 0;
        return sizeof...(I) == size_ &&
               ((static_cast<std::uint64_t>(at) < static_cast<std::uint64_t>(values_[k++])) && ...);
    }

  private:
    std::uint32_t size_ = 0;
    Int values_[BB_MAX_DIMS] = {};
};

using Shape = Axes<std::uint64_t>; ///< the extents of a state
using Index = Axes<std::uint64_t>; ///< a position, or how many along each dimension
using Steps = Axes<std::int64_t>;  ///< steps in elements, or strides in bytes; 0 and negative are legal for strides

/// A flat range of elements; the whole state by default.
struct Range {
    static constexpr std::uint64_t to_the_end = UINT64_MAX;
    std::uint64_t first = 0;
    std::uint64_t count = to_the_end;
};

/**
 * @brief Elements to copy: a container, an array of any rank, a pointer with a count, or one element.
 *
 * A parameter type: it does not own its data, so do not store it.
 */
template <class T> class Data {
  public:
    constexpr Data(const T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    constexpr Data(const T &element) noexcept : Data(&element, 1) {}
    template <class U, std::size_t N>
    constexpr Data(const U (&array)[N]) noexcept
        : Data(reinterpret_cast<const T *>(&array), sizeof(array) / sizeof(std::remove_all_extents_t<U>)) {
        same<std::remove_all_extents_t<U>>();
    }
    template <class C, class U = detail::pointee_t<C>>
    constexpr Data(const C &container) noexcept
        : Data(reinterpret_cast<const T *>(container.data()), static_cast<std::size_t>(container.size())) {
        same<U>();
    }
    constexpr const T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }

  private:
    template <class U> static constexpr void same() noexcept {
        static_assert(std::is_same_v<U, T>,
                      "backbuf: this data is not of the manager's element type: convert it first");
    }
    const T *data_;
    std::size_t size_;
};

/// Source of a region's elements: packed Data, or a pointer with strides in bytes (0 repeats, negative goes backwards).
template <class T> class Source {
  public:
    template <class C, class = std::enable_if_t<std::is_convertible_v<const C &, Data<T>>>>
    Source(const C &packed) noexcept : Source(Data<T>(packed)) {}
    Source(Data<T> packed) noexcept : data_(packed.data()), size_(packed.size()) {}
    Source(const T *data, const Steps &strides) noexcept : data_(data), size_(unknown), strides_(strides) {}
    /// One element, repeated.
    static Source repeat(const T &element, std::uint32_t ndim) noexcept {
        static constexpr std::int64_t zeros[BB_MAX_DIMS] = {};
        return {&element, Steps(backbuf::span<const std::int64_t>(zeros, ndim))};
    }
    const T *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    const Steps &strides() const noexcept { return strides_; }

  private:
    static constexpr std::size_t unknown = SIZE_MAX; // a raw pointer is trusted
    const T *data_;
    std::size_t size_;
    Steps strides_;
};

namespace detail {
template <class T, class = void> struct is_complex : std::false_type {};
// Detected by structure: `std::complex` and similar types, without including <complex>.
template <class T>
struct is_complex<
    T, std::void_t<typename T::value_type, decltype(std::declval<T>().real()), decltype(std::declval<T>().imag())>>
    : std::bool_constant<std::is_floating_point_v<typename T::value_type> &&
                         sizeof(T) == 2 * sizeof(typename T::value_type)> {};

template <class T> constexpr std::uint32_t dtype_of() noexcept {
    static_assert(!std::is_reference_v<T> && !std::is_const_v<T> && !std::is_volatile_v<T>,
                  "backbuf: give the plain element type, without const, volatile or &");
    static_assert(std::is_trivially_copyable_v<T>,
                  "backbuf: elements must be trivially copyable, as their bytes are copied");
    static_assert(alignof(T) <= 64, "backbuf: fronts are 64-byte aligned, this element type asks for more");
    if constexpr (std::is_enum_v<T>)
        return dtype_of<std::underlying_type_t<T>>();
    else if constexpr (std::is_same_v<T, bool>)
        return static_cast<std::uint32_t>(BB_BOOL);
    else if constexpr (std::is_integral_v<T>) {
        constexpr std::uint32_t log2 = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
        static_assert(sizeof(T) <= 8, "backbuf: integers have at most 64 bits");
        return static_cast<std::uint32_t>(std::is_signed_v<T> ? BB_I8 : BB_U8) + log2;
    } else if constexpr (std::is_same_v<T, float>)
        return static_cast<std::uint32_t>(BB_F32);
    else if constexpr (std::is_same_v<T, double>)
        return static_cast<std::uint32_t>(BB_F64);
    else if constexpr (is_complex<T>::value && sizeof(T) == 8)
        return static_cast<std::uint32_t>(BB_C64);
    else if constexpr (is_complex<T>::value && sizeof(T) == 16)
        return static_cast<std::uint32_t>(BB_C128);
    else
        return static_cast<std::uint32_t>(BB_OPAQUE(sizeof(T)));
}
} // namespace detail

/**
 * @brief The dtype of a C++ type: numbers and complex numbers by kind and size, other trivially copyable types as opaque
 * elements of their size. Specialise it for your own 16-bit floats:
 *
 * @code
 * template <> struct backbuf::dtype<my::half> : std::integral_constant<std::uint32_t, BB_F16> {};
 * @endcode
 */
template <class T> struct dtype : std::integral_constant<std::uint32_t, detail::dtype_of<T>()> {};

/**
 * @brief A non-owning span with a shape: row-major elements that can be indexed by position.
 *
 * @code
 * auto sum = [](const backbuf::Grid<const float> &g) { return std::accumulate(g.begin(), g.end(), 0.f); };
 * sum(m.front());
 * @endcode
 */
template <class T> class Grid {
  public:
    using value_type = std::remove_cv_t<T>;

    Grid() noexcept = default;
    Grid(T *data, const Shape &shape) noexcept : data_(data), shape_(shape) {}

    /// The element at a position, `f(0, 64, 64)`. Checked by `assert` only; at() always checks.
    template <class... I> T &operator()(I... at) const noexcept {
        assert(shape_.contains(at...) && "an index for each dimension, each within the shape");
        return data_[shape_.flat(at...)];
    }
    /// The element at a flat index.
    T &operator[](std::size_t place) const noexcept {
        assert(place < size());
        return data_[place];
    }
#if BACKBUF_EXCEPTIONS
    /// The element at a position; throws Error with `BB_E_RANGE` if it is out of range.
    template <class... I> T &at(I... at) const {
        if (data_ == nullptr || !shape_.contains(at...))
            detail::fail({BB_E_RANGE, detail::LocalError::position});
        return data_[shape_.flat(at...)];
    }
#endif
    T *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return data_ == nullptr ? 0 : static_cast<std::size_t>(shape_.product()); }
    const Shape &shape() const noexcept { return shape_; }
    backbuf::span<T> span() const noexcept { return {data_, size()}; }
    T *begin() const noexcept { return data_; }
    T *end() const noexcept { return data_ + size(); }

  private:
    T *data_ = nullptr;
    Shape shape_;
};

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_ARRAY_HPP
