// The C++17 face of backbuf.h: one file, to be dropped beside that one.
// SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_HPP
#define BACKBUF_HPP

#include "backbuf.h"

#include <atomic>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#if __cplusplus >= 202002L
#include <span>
#endif

#if defined(__cpp_exceptions)
/// 1 where exceptions are on. With `-fno-exceptions` only the `try_` functions exist.
#define BACKBUF_EXCEPTIONS 1
#include <exception>
#include <mutex>
#include <stdexcept>
#include <vector>
#else
#define BACKBUF_EXCEPTIONS 0
#endif

/// Types and state that every shared object of a program must agree on, whatever its visibility settings.
#define BACKBUF_SHARED __attribute__((visibility("default")))

/**
 * @brief Double-buffered state for C++: move-only objects over the handles of backbuf.h.
 *
 * **Names.** A function has the name of its C function without the prefix: `bb_manager_wait_epoch` is
 * `Manager::wait_epoch`. What returns an object is a noun: Manager::front, Manager::back, Manager::batch,
 * Manager::task, Manager::watch. Positions and counts are in elements, never in bytes.
 *
 * **Errors.** Each function that can fail comes twice. `f(…)` throws Error; `try_f(…)` throws nothing of its own and
 * returns a Status, or a Result where there is a value. Objects that were moved from are empty: they may be
 * assigned and destroyed, and everything else fails with `BB_E_NULL`.
 *
 * **Threads.** What is `const` may be called from many threads at once: all of Manager but moving, assigning,
 * Manager::reset and Manager::release. Batch, Front, Back, Task and Watch belong to one thread at a time, and may be moved to
 * another. A callback runs on the thread that its function names; it may enqueue (this never blocks there: `BB_E_FULL`),
 * and must not synchronize or destroy its own manager (`BB_E_RECURSIVE`).
 *
 * **Aliasing.** What is enqueued is copied before the call returns, so its memory is yours again; only
 * Manager::enqueue_borrowed reads later. A Front reads memory that nobody writes until the front is gone. The two
 * sides of a Back and the two spans of a kernel never overlap. Spans and grids do not own: they end with the Front, the Back or the
 * kernel call that they came from. Fronts do not need their manager: they stay valid when it is closed or destroyed.
 *
 * **Callbacks that throw.** No exception crosses into the library. What a kernel or a release function throws is
 * carried to the next `synchronize`, `wait` or `close` of that manager that succeeds, and raised there; what it wrote
 * before stays. What a flush function throws fails the publish, and is raised by a waiting call that would have thrown
 * `BB_E_BACKEND`; other waiters get that Error. The first exception is kept until it is raised or taken by
 * Manager::take_exception; later ones are dropped. The `try_` functions leave it where it is. `commit` raises none of them: an
 * exception there means that this commit was refused. A log function has nobody to tell: what it throws is dropped.
 */
namespace backbuf {

#if __cplusplus >= 202002L
template <class T> using span = std::span<T>;
#else
/// A pointer and a count: what `std::span` is from C++20 on, where this name is that one.
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

/// What this header refuses by itself, before the library is asked. Kept beside the status, in one word with it.
enum class Note : std::int32_t { none, rank, dtype, short_data, initial, position, memory };

constexpr std::int32_t note_step = 1000;

constexpr const char *note_text(Note note) noexcept {
    switch (note) {
    case Note::rank:
        return "start, extent, step and strides need one entry for each dimension of the state";
    case Note::dtype:
        return "the manager's dtype is not the one of this C++ element type";
    case Note::short_data:
        return "data has fewer elements than the region: give them all, or a pointer with strides";
    case Note::initial:
        return "initial must have the element type of the manager and as many elements as its shape";
    case Note::position:
        return "index: one for each dimension, each within the shape, of a front or back that is not empty";
    case Note::memory:
        return "no memory for the callback";
    case Note::none:
        break;
    }
    return "";
}

} // namespace detail

/**
 * @brief What a call without a value returned: true when it is `BB_OK`. As large as a `bb_status`.
 *
 * @code
 * if (backbuf::Status s = m.try_synchronize(5ms); !s) std::puts(s.text());
 * @endcode
 */
class [[nodiscard]] Status {
  public:
    constexpr Status(bb_status code) noexcept : raw_(static_cast<std::int32_t>(code)) {}
    constexpr Status(bb_status code, detail::Note note) noexcept
        : raw_(static_cast<std::int32_t>(code) - detail::note_step * static_cast<std::int32_t>(note)) {}

    constexpr explicit operator bool() const noexcept { return raw_ == BB_OK; }
    /// The status as in C.
    constexpr bb_status code() const noexcept { return static_cast<bb_status>(raw_ % detail::note_step); }
    /// Why it failed, naming the parameter. Valid until this thread's next call into the library; empty on success.
    const char *text() const noexcept {
        if (raw_ == BB_OK)
            return "";
        if (raw_ <= -detail::note_step)
            return detail::note_text(static_cast<detail::Note>(raw_ / -detail::note_step));
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
 * @brief What the functions without `try_` throw: status() is the C status, what() the library's own text.
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

/**
 * @brief A value or the Status that says why there is none.
 *
 * @code
 * if (auto epoch = m.try_wait_epoch(seen, 100ms)) seen = *epoch;
 * else std::puts(epoch.status().text());
 * @endcode
 */
template <class T> class [[nodiscard]] Result {
  public:
    Result(Status status) noexcept : status_(status) { assert(!status); }
    Result(T value) noexcept : status_(BB_OK), value_(std::move(value)) {}

    explicit operator bool() const noexcept { return static_cast<bool>(status_); }
    Status status() const noexcept { return status_; }
    T &operator*() & noexcept { return assert(status_), value_; }
    const T &operator*() const & noexcept { return assert(status_), value_; }
    T &&operator*() && noexcept { return assert(status_), std::move(value_); }
    T *operator->() noexcept { return assert(status_), &value_; }
    const T *operator->() const noexcept { return assert(status_), &value_; }
    /// The value, or `other` where there is none.
    T value_or(T other) && { return status_ ? std::move(value_) : std::move(other); }
#if BACKBUF_EXCEPTIONS
    /// The value; throws Error where there is none.
    T value() && { return detail::check(status_), std::move(value_); }
    const T &value() const & { return detail::check(status_), value_; }
#endif

  private:
    Status status_;
    T value_{};
};

// ---- arguments --------------------------------------------------------------------------------------------------

/**
 * @brief How long a call may wait: any `std::chrono` duration, or backbuf::forever. Zero and less only try.
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

/// Waits without end. A wait that only leases or tasks can end still returns: it tells why (`BB_E_PINNED`, `BB_E_STALLED`).
inline constexpr Timeout forever{BB_FOREVER};

namespace detail {
template <class C, class = void> struct pointee {};
template <class C>
struct pointee<C,
               std::void_t<decltype(std::declval<const C &>().size()), decltype(*std::declval<const C &>().data())>> {
    using type = std::remove_cv_t<std::remove_reference_t<decltype(*std::declval<const C &>().data())>>;
};
/// The element type of a contiguous container.
template <class C> using pointee_t = typename pointee<C>::type;
} // namespace detail

/**
 * @brief One number for each dimension: shapes, positions, extents, steps, strides. From a list, or from a container.
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

    /// How many elements a state of this shape has.
    constexpr Int product() const noexcept {
        Int all = 1;
        for (Int n : *this)
            all *= n;
        return all;
    }
    /// The flat, row-major place of an element in a state of this shape.
    template <class... I> constexpr std::size_t flat(I... at) const noexcept {
        static_assert((std::is_integral_v<I> && ...), "backbuf: indices are integers");
        assert(sizeof...(I) == size_ && "as many indices as dimensions");
        std::size_t place = 0;
        std::uint32_t k = 0;
        ((place = place * static_cast<std::size_t>(values_[k++]) + static_cast<std::size_t>(at)), ...);
        return place;
    }
    /// Whether an element of a state of this shape is there.
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

/// A flat range of elements; the whole state where nothing is said.
struct Range {
    static constexpr std::uint64_t to_the_end = UINT64_MAX;
    std::uint64_t first = 0;
    std::uint64_t count = to_the_end;
};

/**
 * @brief Elements to be copied in: a container, an array of any rank, a pointer with a count, or one element.
 *
 * A parameter type: it does not own, so do not keep one.
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

/// Where a region's elements come from: packed Data, or a pointer with strides in bytes (0 repeats, negative walks back).
template <class T> class Source {
  public:
    template <class C, class = std::enable_if_t<std::is_convertible_v<const C &, Data<T>>>>
    Source(const C &packed) noexcept : Source(Data<T>(packed)) {}
    Source(Data<T> packed) noexcept : data_(packed.data()), size_(packed.size()) {}
    Source(const T *data, const Steps &strides) noexcept : data_(data), size_(unknown), strides_(strides) {}
    /// One element, again and again.
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
// By shape, not by name: `std::complex` and its look-alikes, without including <complex> for everybody.
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
 * @brief The dtype of a C++ type: numbers and complex numbers by kind and size, other trivially copyable types as
 * opaque elements of their size. Specialise it for 16-bit floats of your own:
 *
 * @code
 * template <> struct backbuf::dtype<my::half> : std::integral_constant<std::uint32_t, BB_F16> {};
 * @endcode
 */
template <class T> struct dtype : std::integral_constant<std::uint32_t, detail::dtype_of<T>()> {};

/// How a kernel may run; combine with `|`.
enum class KernelFlags : std::uint32_t {
    none = 0,
    any_thread = BB_KERNEL_ANY_THREAD, ///< on whichever thread applies, not only on the worker
    overwrites = BB_KERNEL_OVERWRITES, ///< it writes all of its range: nothing is brought up to date before
};
constexpr KernelFlags operator|(KernelFlags a, KernelFlags b) noexcept {
    // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): flags combine to what has no name of its own
    return static_cast<KernelFlags>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

/// What a back copy in hand shows at first.
enum class BackMode : std::uint32_t {
    keep = BB_BACK_KEEP,       ///< the state
    discard = BB_BACK_DISCARD, ///< anything: all of it will be rewritten, nothing is brought up to date
};

/// Who may apply updates.
enum class Worker : std::uint32_t {
    shared = BB_WORKER_SHARED, ///< whoever is there first: producers, synchronizers, the worker
    only = BB_WORKER_ONLY,     ///< the worker thread alone
};

// ---- callbacks --------------------------------------------------------------------------------------------------

namespace detail {

#if BACKBUF_EXCEPTIONS
enum class Origin { update, flush, none };

/// Exceptions on their way from a callback to the caller who is told. By handle, as these are never used twice.
struct BACKBUF_SHARED Mailbox {
    struct Letter {
        const bb_manager *owner;
        Origin origin;
        std::exception_ptr exception;
    };
    std::mutex lock;
    std::vector<Letter> letters;

    // Never destroyed: a worker may still carry while the program's statics go.
    BACKBUF_SHARED static Mailbox &get() {
        static Mailbox *box = new Mailbox;
        return *box;
    }
};
/// Letters in the mailbox: what every synchronize looks at, so that it costs one load.
BACKBUF_SHARED inline std::atomic<std::size_t> letters{0};

inline void carry(const bb_manager *owner, Origin origin) noexcept {
    if (origin == Origin::none)
        return;
    try {
        Mailbox &box = Mailbox::get();
        const std::lock_guard<std::mutex> held(box.lock);
        for (const auto &letter : box.letters)
            if (letter.owner == owner && letter.origin == origin)
                return;
        box.letters.push_back({owner, origin, std::current_exception()});
        letters.fetch_add(1, std::memory_order_relaxed);
    } catch (...) {
        return; // no memory for the letter: it is lost, but nothing is thrown into the library
    }
}

inline std::exception_ptr take(const bb_manager *owner, Origin origin) noexcept {
    if (letters.load(std::memory_order_relaxed) == 0)
        return nullptr;
    Mailbox &box = Mailbox::get();
    const std::lock_guard<std::mutex> held(box.lock);
    for (auto letter = box.letters.begin(); letter != box.letters.end(); ++letter) {
        if (letter->owner != owner || letter->origin != origin)
            continue;
        std::exception_ptr taken = std::move(letter->exception);
        box.letters.erase(letter);
        letters.fetch_sub(1, std::memory_order_relaxed);
        return taken;
    }
    return nullptr;
}

[[gnu::cold, gnu::noinline]] inline void deliver(const bb_manager *owner, Status status) {
    std::exception_ptr taken;
    if (status)
        taken = take(owner, Origin::update);
    else if (status.code() == BB_E_BACKEND)
        taken = take(owner, Origin::flush);
    if (taken)
        std::rethrow_exception(taken);
}

/// The end of every waiting call that may throw.
inline void settle(const bb_manager *owner, Status status) {
    if (letters.load(std::memory_order_relaxed) != 0)
        deliver(owner, status);
    check(status);
}

inline void forget(const bb_manager *owner) noexcept { take(owner, Origin::update), take(owner, Origin::flush); }

/// Runs a callback's body so that nothing is thrown into the library. False when it threw.
template <class Body> bool contain(const bb_manager *owner, Origin origin, Body &&body) noexcept {
    try {
        body();
        return true;
    } catch (...) {
        carry(owner, origin);
        return false;
    }
}
#else
enum class Origin { update, flush, none };
inline void forget(const bb_manager *) noexcept {}
template <class Body> bool contain(const bb_manager *, Origin, Body &&body) noexcept { return body(), true; }
#endif

inline bb_status destroy_manager(bb_manager *manager) noexcept {
    const bb_status status = bb_manager_destroy(manager);
    forget(manager);
    return status;
}

/// A callable on the heap, with the manager that hears of its exceptions. The library drops it, once.
template <class F> struct Box {
    const bb_manager *owner;
    F call;

    static std::unique_ptr<Box> make(const bb_manager *owner, F call) {
        return std::unique_ptr<Box>(new (std::nothrow) Box{owner, std::move(call)});
    }
    static Box &from(void *user_data) noexcept { return *static_cast<Box *>(user_data); }
    static void drop(void *user_data) noexcept { delete static_cast<Box *>(user_data); }

    template <class T>
    static void kernel(void *back, const void *front, std::uint64_t count, void *user_data) noexcept {
        Box &box = from(user_data);
        contain(box.owner, Origin::update, [&] {
            const span<T> all(static_cast<T *>(back), static_cast<std::size_t>(count));
            if constexpr (std::is_invocable_v<F &, span<T>, span<const T>>)
                box.call(all, span<const T>(static_cast<const T *>(front), static_cast<std::size_t>(count)));
            else
                box.call(all);
        });
    }
    static void release(void *user_data) noexcept {
        const std::unique_ptr<Box> box(&from(user_data));
        contain(box->owner, Origin::update, [&] { box->call(); });
    }
    static std::int32_t flush(void *user_data) noexcept {
        Box &box = from(user_data);
        std::int32_t code = -1; // what BB_E_BACKEND's text shows when the function threw
        if (contain(box.owner, Origin::flush, [&] { code = box.call(); }) && code == 0) {
#if BACKBUF_EXCEPTIONS
            take(box.owner, Origin::flush); // an earlier attempt's, which nobody waited for
#endif
        }
        return code;
    }
};

/// A text callback that runs inside the call it is given to: what it throws goes straight on to the caller.
template <class F> struct Writer {
    F &write;
#if BACKBUF_EXCEPTIONS
    std::exception_ptr thrown = nullptr;
#endif
    static void call(const char *text, std::uint64_t length, void *user_data) noexcept {
        auto &self = *static_cast<Writer *>(user_data);
#if BACKBUF_EXCEPTIONS
        if (self.thrown)
            return;
        try {
            self.write(std::string_view(text, static_cast<std::size_t>(length)));
        } catch (...) {
            self.thrown = std::current_exception();
        }
#else
        self.write(std::string_view(text, static_cast<std::size_t>(length)));
#endif
    }
    Status finish(bb_status status) {
#if BACKBUF_EXCEPTIONS
        if (thrown)
            std::rethrow_exception(thrown);
#endif
        return status;
    }
};

/// Whose handle it is: nearly always ours, and then it takes no room to say so.
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
 * @brief What Manager, Batch, Task and Watch are at heart: the one holder of a C handle, ended with it.
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

    /// The C handle, still held here: for what only backbuf.h has.
    Raw *handle() const noexcept { return raw_; }
    explicit operator bool() const noexcept { return raw_ != nullptr; }
    /// Ends it now. Empty afterwards.
    void reset() noexcept {
        Raw *raw = std::exchange(raw_, nullptr);
        if (raw != nullptr && !this->borrowed())
            Close(raw);
    }
    /// Gives the C handle away: whoever takes it ends it. Empty afterwards.
    [[nodiscard]] Raw *release() noexcept { return std::exchange(raw_, nullptr); }
};

// ---- views ------------------------------------------------------------------------------------------------------

/**
 * @brief A span with a shape: row-major elements that can be indexed by position. It does not own them.
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
    /// The element at a flat place.
    T &operator[](std::size_t place) const noexcept {
        assert(place < size());
        return data_[place];
    }
#if BACKBUF_EXCEPTIONS
    /// The element at a position; throws Error with `BB_E_RANGE` where there is none.
    template <class... I> T &at(I... at) const {
        if (data_ == nullptr || !shape_.contains(at...))
            detail::fail({BB_E_RANGE, detail::Note::position});
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

template <class T> class Manager;
template <class T> class Batch;

/**
 * @brief A stable front: the whole state at one epoch, read-only, until this object is gone.
 *
 * It holds a lease, so keep it as long as you read and not longer: a lease pins one of the copies.
 * It outlives its manager.
 *
 * @code
 * auto f = m.front();
 * std::printf("step %llu: %f\n", static_cast<unsigned long long>(f.tag()), f(0, 64, 64));
 * @endcode
 */
template <class T> class Front : public Grid<const T> {
  public:
    Front() noexcept = default;
    Front(Front &&other) noexcept : Front() { swap(other); }
    Front &operator=(Front &&other) noexcept {
        Front(std::move(other)).swap(*this);
        return *this;
    }
    void swap(Front &other) noexcept {
        std::swap(static_cast<Grid<const T> &>(*this), static_cast<Grid<const T> &>(other));
        std::swap(lease_, other.lease_);
        std::swap(epoch_, other.epoch_);
        std::swap(tag_, other.tag_);
    }

    /// The publish it shows: 0 is the initial state.
    std::uint64_t epoch() const noexcept { return epoch_; }
    /// The last tag that was enqueued before that publish.
    std::uint64_t tag() const noexcept { return tag_; }

    explicit operator bool() const noexcept { return static_cast<bool>(lease_); }
    bb_lease *handle() const noexcept { return lease_.handle(); }
    /// Lets go of the state now. Empty afterwards.
    void reset() noexcept { Front().swap(*this); }
    /// Gives the lease away, for `bb_lease_release`; data() must be asked for before. Empty afterwards.
    [[nodiscard]] bb_lease *release() noexcept {
        Front taken(std::move(*this));
        return taken.lease_.release();
    }

  private:
    friend Manager<T>;
    Front(const bb_front &raw, const Shape &shape) noexcept
        : Grid<const T>(static_cast<const T *>(raw.data), shape), lease_(raw.lease), epoch_(raw.epoch), tag_(raw.tag) {}

    Handle<bb_lease, bb_lease_release> lease_;
    std::uint64_t epoch_ = 0;
    std::uint64_t tag_ = 0;
};

/**
 * @brief The back copy in hand, to be written in place. Others queue meanwhile, so be brief. Leaving the scope without
 * commit() undoes what was written. It must not outlive its manager.
 *
 * @code
 * auto back = m.back(backbuf::BackMode::discard);
 * for (std::size_t i = 0; i < back.size(); i++) back[i] = 0.99f * back.front()[i] + 0.01f;
 * back.commit(step);
 * m.synchronize();
 * @endcode
 */
template <class T> class Back : public Grid<T> {
  public:
    Back() noexcept = default;
    Back(Back &&other) noexcept : Back() { swap(other); }
    Back &operator=(Back &&other) noexcept {
        Back(std::move(other)).swap(*this);
        return *this;
    }
    ~Back() { static_cast<void>(try_cancel()); }
    void swap(Back &other) noexcept {
        std::swap(static_cast<Grid<T> &>(*this), static_cast<Grid<T> &>(other));
        std::swap(manager_, other.manager_);
        std::swap(raw_, other.raw_);
    }

    /// The state as it was published last, beside the copy that is written.
    Grid<const T> front() const noexcept { return {static_cast<const T *>(raw_.front), this->shape()}; }
    /// The epoch of front().
    std::uint64_t epoch() const noexcept { return raw_.epoch; }
    explicit operator bool() const noexcept { return manager_ != nullptr; }

    /// Makes what was written part of the next publish, under this tag. Empty afterwards, unless refused.
    Status try_commit(std::uint64_t tag) noexcept {
        const Status status = bb_manager_commit_back(manager_, &raw_, tag);
        if (status)
            forget();
        return status;
    }
    /// Undoes what was written. Empty afterwards; nothing to do where it is empty already.
    Status try_cancel() noexcept {
        if (manager_ == nullptr)
            return BB_OK;
        const Status status = bb_manager_cancel_back(manager_, &raw_);
        forget();
        return status;
    }
#if BACKBUF_EXCEPTIONS
    void commit(std::uint64_t tag) { detail::check(try_commit(tag)); }
    void cancel() { detail::check(try_cancel()); }
#endif

  private:
    friend Manager<T>;
    Back(bb_manager *manager, const bb_back &raw, const Shape &shape) noexcept
        : Grid<T>(static_cast<T *>(raw.data), shape), manager_(manager), raw_(raw) {}
    void forget() noexcept {
        static_cast<Grid<T> &>(*this) = {};
        manager_ = nullptr;
        raw_ = {};
    }

    bb_manager *manager_ = nullptr;
    bb_back raw_{};
};

// ---- updates ----------------------------------------------------------------------------------------------------

namespace detail {

/// Positions in elements as offsets in bytes. What would overflow stays beyond every state, and is refused there.
template <class T> constexpr std::uint64_t bytes(std::uint64_t elements) noexcept {
    constexpr std::uint64_t most = UINT64_MAX / sizeof(T);
    return (elements < most ? elements : most) * sizeof(T);
}

template <class T> bb_update update(std::uint64_t first, const Data<T> &data) noexcept {
    return {bytes<T>(first), data.size(), data.data()};
}

/// What a batch has to know of its manager: who hears of exceptions, and the sizes that C does not check.
struct Target {
    const bb_manager *manager = nullptr;
    std::uint32_t ndim = 0;
    std::uint64_t size = 0;

    std::uint64_t count(Range range) const noexcept {
        if (range.count != Range::to_the_end)
            return range.count;
        return range.first <= size ? size - range.first : 1; // 1: so that a start beyond the end is refused
    }
};

template <class T, class Enqueue>
Status region(const Target &target, const Index &start, const Index &extent, const Source<T> &source, const Steps &step,
              Enqueue enqueue) noexcept {
    const std::uint32_t strides = source.strides().size();
    if (start.size() != target.ndim || extent.size() != target.ndim ||
        (step.size() != 0 && step.size() != target.ndim) || (strides != 0 && strides != target.ndim))
        return {BB_E_ARGUMENT, Note::rank};
    if (source.size() < extent.product())
        return {BB_E_RANGE, Note::short_data};
    const bb_region raw{start.data(), extent.data(), step.size() != 0 ? step.data() : nullptr, source.data(),
                        strides != 0 ? source.strides().data() : nullptr};
    return enqueue(&raw);
}

template <class T, class F, class Enqueue>
Status kernel(const Target &target, F call, Range range, KernelFlags flags, Enqueue enqueue) {
    static_assert(std::is_invocable_v<F &, span<T>> || std::is_invocable_v<F &, span<T>, span<const T>>,
                  "backbuf: a kernel is called with (span<T> back) or with (span<T> back, span<const T> front)");
    auto box = Box<F>::make(target.manager, std::move(call));
    if (!box)
        return {BB_E_OUT_OF_MEMORY, Note::memory};
    const bb_kernel raw{
        Box<F>::template kernel<T>,        box.get(), Box<F>::drop, bytes<T>(range.first), target.count(range),
        static_cast<std::uint32_t>(flags), 0};
    const Status status = enqueue(&raw);
    if (status)
        static_cast<void>(box.release()); // a refused call leaves it ours
    return status;
}

} // namespace detail

/**
 * @brief Updates that are published together, whoever synchronizes meanwhile. Leaving the scope without commit() discards them.
 *
 * Everything is checked and copied when it is added; a bad update is refused and the batch goes on without it. It may
 * outlive its manager; its calls are then refused.
 *
 * @code
 * auto b = m.batch();
 * b.region({0, 64, 64}, {3, 32, 32}, tile);
 * b.fill({1, 0, 0}, {2, 256, 1}, 0.f);
 * b.kernel([](backbuf::span<float> all) { for (float &x : all) x = std::max(x, 0.f); });
 * b.commit();
 * @endcode
 */
template <class T> class Batch : public Handle<bb_batch, bb_batch_cancel> {
  public:
    Batch() noexcept = default;

    /// Elements from the flat place `first` on.
    Status try_update(std::uint64_t first, const Data<T> &data) noexcept {
        const bb_update raw = detail::update(first, data);
        return bb_batch_update(this->handle(), &raw);
    }
    /// One value all over a flat range; `{}` is the whole state.
    Status try_fill(Range range, const T &value) noexcept {
        return bb_batch_fill(this->handle(), detail::bytes<T>(range.first), target_.count(range), &value);
    }
    /// One value all over a region.
    Status try_fill(const Index &start, const Index &extent, const T &value, const Steps &step = {}) noexcept {
        return try_region(start, extent, Source<T>::repeat(value, target_.ndim), step);
    }
    /// An N-d region: where it starts, how many along each dimension, and every how many.
    Status try_region(const Index &start, const Index &extent, const Source<T> &source,
                      const Steps &step = {}) noexcept {
        return detail::region<T>(target_, start, extent, source, step,
                                 [&](const bb_region *raw) { return bb_batch_region(this->handle(), raw); });
    }
    /// A function on a range of the state: see Manager::enqueue_kernel.
    template <class F> Status try_kernel(F call, Range range = {}, KernelFlags flags = KernelFlags::none) {
        return detail::kernel<T>(target_, std::move(call), range, flags,
                                 [&](const bb_kernel *raw) { return bb_batch_kernel(this->handle(), raw); });
    }
    /// The tag of the epoch that this batch will be part of.
    Status try_tag(std::uint64_t tag) noexcept { return bb_batch_tag(this->handle(), tag); }
    /// Hands all of it over. Empty afterwards; where it is refused (`BB_E_FULL`), it stays and may be tried again.
    Status try_commit(Timeout timeout = forever) noexcept {
        const Status status = bb_batch_commit(this->handle(), timeout.nanoseconds());
        if (status)
            static_cast<void>(this->release());
        return status;
    }
    /// Discards all of it. Empty afterwards.
    void cancel() noexcept { this->reset(); }

#if BACKBUF_EXCEPTIONS
    void update(std::uint64_t first, const Data<T> &data) { detail::check(try_update(first, data)); }
    void fill(Range range, const T &value) { detail::check(try_fill(range, value)); }
    void fill(const Index &start, const Index &extent, const T &value, const Steps &step = {}) {
        detail::check(try_fill(start, extent, value, step));
    }
    void region(const Index &start, const Index &extent, const Source<T> &source, const Steps &step = {}) {
        detail::check(try_region(start, extent, source, step));
    }
    template <class F> void kernel(F call, Range range = {}, KernelFlags flags = KernelFlags::none) {
        detail::check(try_kernel(std::move(call), range, flags));
    }
    void tag(std::uint64_t tag) { detail::check(try_tag(tag)); }
    void commit(Timeout timeout = forever) { detail::check(try_commit(timeout)); }
#endif

  private:
    friend Manager<T>;
    Batch(bb_batch *raw, const detail::Target &target) noexcept
        : Handle<bb_batch, bb_batch_cancel>(raw), target_(target) {}
    detail::Target target_;
};

/**
 * @brief Backend work that a publish waits for, under a label that the watchdog tells. Ends with the scope. Any thread may end it.
 *
 * @code
 * backbuf::Task upload = m.task("texture upload");
 * start_upload([t = std::move(upload)]() mutable { t.end(); });
 * @endcode
 */
class Task : public Handle<bb_task, bb_task_end> {
  public:
    Task() noexcept = default;
    Status try_end() noexcept { return bb_task_end(this->release()); }
#if BACKBUF_EXCEPTIONS
    void end() { detail::check(try_end()); }
#endif

  private:
    template <class T> friend class Manager;
    explicit Task(bb_task *raw) noexcept : Handle(raw) {}
};

/**
 * @brief One waiter's own subscription to new epochs, with a descriptor for `poll`.
 *
 * @code
 * backbuf::Watch w = m.watch();
 * pollfd p{w.fd(), POLLIN, 0};
 * while (poll(&p, 1, -1) > 0) draw(m.front(), w.wait(0ms));
 * @endcode
 */
class Watch : public Handle<bb_watch, bb_watch_destroy> {
  public:
    Watch() noexcept = default;

    /// Readable while there is an epoch that wait() has not told, or the ticket is done. Poll it; never read or close it.
    Result<int> try_fd() const noexcept {
        std::int32_t fd = -1;
        if (const Status status = bb_watch_fd(this->handle(), &fd); !status)
            return status;
        return static_cast<int>(fd);
    }
    /// The next epoch beyond the last one it told.
    Result<std::uint64_t> try_wait(Timeout timeout = forever) noexcept {
        std::uint64_t epoch = 0;
        if (const Status status = bb_watch_wait(this->handle(), timeout.nanoseconds(), &epoch); !status)
            return status;
        return epoch;
    }
    /// The descriptor also tells when Manager::wait for this ticket would not block.
    Status try_ticket(std::uint64_t ticket) noexcept { return bb_watch_ticket(this->handle(), ticket); }
#if BACKBUF_EXCEPTIONS
    int fd() const { return try_fd().value(); }
    std::uint64_t wait(Timeout timeout = forever) { return try_wait(timeout).value(); }
    void ticket(std::uint64_t ticket) { detail::check(try_ticket(ticket)); }
#endif

  private:
    template <class T> friend class Manager;
    explicit Watch(bb_watch *raw) noexcept : Handle(raw) {}
};

// ---- manager ----------------------------------------------------------------------------------------------------

/**
 * @brief How a manager is made. What is not said has the library's default. May be used for several managers.
 *
 * @code
 * backbuf::Manager<float> m({256, 256}, backbuf::Config().label("heat").copies(2).watchdog(500ms));
 * @endcode
 */
class Config {
  public:
    Config() noexcept { static_cast<void>(bb_manager_config_init(&raw_)); }

    /// Names it in messages, logs and dumps.
    Config &label(std::string_view text) { return label_ = std::string(text), *this; }
    /// The state at epoch 0, copied at creation: `data` must live until then.
    template <class C> Config &initial(const C &data) noexcept {
        using U = std::conditional_t<std::is_array_v<C>, std::remove_cv_t<std::remove_all_extents_t<C>>,
                                     detail::pointee_t<C>>;
        const Data<U> all(data);
        raw_.initial = all.data();
        initial_size_ = all.size();
        initial_dtype_ = dtype<U>::value;
        return *this;
    }
    /// Bytes that may wait to be applied before enqueue has to wait.
    Config &queue_bytes(std::uint64_t bytes) noexcept { return raw_.queue_bytes = bytes, *this; }
    /// Physical copies, 2 to 8.
    Config &copies(std::uint32_t copies) noexcept { return raw_.copies = copies, *this; }
    /// After how long a flush or a task counts as stalled; zero is never.
    Config &watchdog(Timeout after) noexcept { return raw_.watchdog_ns = after.nanoseconds(), *this; }
    /// How much of a backlog a caller applies before the worker takes over.
    Config &caller_budget_bytes(std::uint64_t bytes) noexcept { return raw_.caller_budget_bytes = bytes, *this; }
    /// Runs on the worker before each publish. What it returns, if anything, is 0 or a code of its own; failing or throwing, nothing is
    /// published and the next synchronize tries again. Each manager gets a copy.
    template <class F> Config &flush(F call) {
        using R = std::invoke_result_t<F &>;
        static_assert(std::is_void_v<R> || (std::is_integral_v<R> && !std::is_same_v<R, bool>),
                      "backbuf: a flush function returns nothing, or 0 for success and else a code");
        if constexpr (std::is_void_v<R>)
            flush_ = [call = std::move(call)]() mutable { return call(), std::int32_t{0}; };
        else
            flush_ = [call = std::move(call)]() mutable { return static_cast<std::int32_t>(call()); };
        return *this;
    }
    Config &worker(Worker mode) noexcept { return raw_.worker = static_cast<std::uint32_t>(mode), *this; }
    /// A nice value (-20 to 19), or `BB_REALTIME(1 to 99)`. Refusal by the system is logged, not fatal.
    Config &worker_priority(std::int32_t priority) noexcept { return raw_.worker_priority = priority, *this; }
    /// Bit k: the worker may run on CPU k.
    Config &worker_affinity(std::uint64_t cpus) noexcept { return raw_.worker_affinity = cpus, *this; }

  private:
    template <class T> friend class Manager;
    bb_manager_config raw_{};
    std::string label_;
    std::function<std::int32_t()> flush_;
    std::uint64_t initial_size_ = 0;
    std::uint32_t initial_dtype_ = 0;
};

/**
 * @brief One logical state, an N-d array of T, that producers update and readers see only whole.
 *
 * Destroying it discards what was not published; close() publishes it first. See the namespace for threads,
 * errors and aliasing.
 *
 * @code
 * backbuf::Manager<float> m({3, 256, 256});
 * m.enqueue(m.shape().flat(0, 64, 64), 1.f);
 * m.synchronize(5ms);
 * assert(m.front()(0, 64, 64) == 1.f);
 * @endcode
 */
template <class T> class Manager : public Handle<bb_manager, detail::destroy_manager, detail::MaybeBorrowed> {
    static_assert(std::is_trivially_copyable_v<T>,
                  "backbuf: elements must be trivially copyable, as their bytes are copied");
    using Base = Handle<bb_manager, detail::destroy_manager, detail::MaybeBorrowed>;

  public:
    using value_type = T;

    Manager() noexcept = default;

    /// A new manager of this shape, zeros unless Config::initial is given.
    static Result<Manager> try_create(const Shape &shape, const Config &config = {}) {
        using Flush = detail::Box<std::function<std::int32_t()>>;
        bb_manager_config raw = config.raw_;
        if (!config.label_.empty())
            raw.label = config.label_.c_str();
        if (config.initial_dtype_ != 0 &&
            (config.initial_dtype_ != dtype<T>::value || config.initial_size_ != shape.product()))
            return Status(BB_E_ARGUMENT, detail::Note::initial);
        std::unique_ptr<Flush> flush;
        if (config.flush_) {
            flush = Flush::make(nullptr, config.flush_);
            if (!flush)
                return Status(BB_E_OUT_OF_MEMORY, detail::Note::memory);
            raw.flush = Flush::flush;
            raw.flush_user_data = flush.get();
            raw.flush_drop = Flush::drop;
        }
        bb_manager *made = nullptr;
        if (const Status status = bb_manager_create(dtype<T>::value, shape.size(), shape.data(), &raw, &made); !status)
            return status;
        // No flush runs before somebody has the handle to ask for a publish, so this is in time.
        if (Flush *box = flush.release())
            box->owner = made;
        return Manager(made, shape, false);
    }
    /// Borrows a manager that other code owns: this object never destroys it. Its dtype must be that of T.
    static Result<Manager> try_attach(bb_manager *manager) noexcept { return over(manager, true); }
    /// Takes a manager over from code that gives it away.
    static Result<Manager> try_adopt(bb_manager *manager) noexcept { return over(manager, false); }

    /// The extents of the state. They never change.
    const Shape &shape() const noexcept { return shape_; }
    /// How many elements the state has.
    std::size_t size() const noexcept {
        return this->handle() == nullptr ? 0 : static_cast<std::size_t>(shape_.product());
    }

    // -- produce --

    /// Elements from the flat place `first` on.
    Status try_enqueue(std::uint64_t first, const Data<T> &data, Timeout timeout = forever) const noexcept {
        const bb_update raw = detail::update(first, data);
        return bb_manager_enqueue(this->handle(), &raw, timeout.nanoseconds());
    }
    /// One value all over a flat range; `{}` is the whole state.
    Status try_enqueue_fill(Range range, const T &value, Timeout timeout = forever) const noexcept {
        return bb_manager_enqueue_fill(this->handle(), detail::bytes<T>(range.first), target().count(range), &value,
                                       timeout.nanoseconds());
    }
    /// One value all over a region.
    Status try_enqueue_fill(const Index &start, const Index &extent, const T &value, const Steps &step = {},
                            Timeout timeout = forever) const noexcept {
        return try_enqueue_region(start, extent, Source<T>::repeat(value, shape_.size()), step, timeout);
    }
    /// An N-d region: where it starts, how many along each dimension, and every how many.
    Status try_enqueue_region(const Index &start, const Index &extent, const Source<T> &source, const Steps &step = {},
                              Timeout timeout = forever) const noexcept {
        return detail::region<T>(target(), start, extent, source, step, [&](const bb_region *raw) {
            return bb_manager_enqueue_region(this->handle(), raw, timeout.nanoseconds());
        });
    }
    /// Elements that are read later: they must stay as they are until `done()` is called, on the worker. Refused, they stay
    /// yours and it is not called. To hand a container over, let the function own it: `enqueue_borrowed(0, *v, [v] {})`
    /// with a `std::shared_ptr`.
    template <class F>
    Status try_enqueue_borrowed(std::uint64_t first, const Data<T> &data, F done, Timeout timeout = forever) const {
        static_assert(std::is_invocable_v<F &>, "backbuf: a release function is called without arguments");
        auto box = detail::Box<F>::make(this->handle(), std::move(done));
        if (!box)
            return {BB_E_OUT_OF_MEMORY, detail::Note::memory};
        const bb_update raw = detail::update(first, data);
        const Status status = bb_manager_enqueue_borrowed(this->handle(), &raw, detail::Box<F>::release, box.get(),
                                                          timeout.nanoseconds());
        if (status)
            static_cast<void>(box.release());
        return status;
    }
    /// A function on a range of the state, called as `call(span<T> back)` or `call(span<T> back, span<const T> front)` in its
    /// turn: it sees every earlier update. On the worker, unless KernelFlags::any_thread.
    template <class F>
    Status try_enqueue_kernel(F call, Range range = {}, KernelFlags flags = KernelFlags::none,
                              Timeout timeout = forever) const {
        return detail::kernel<T>(target(), std::move(call), range, flags, [&](const bb_kernel *raw) {
            return bb_manager_enqueue_kernel(this->handle(), raw, timeout.nanoseconds());
        });
    }
    /// The tag of what has been enqueued so far: the engine's own step number.
    Status try_enqueue_tag(std::uint64_t tag, Timeout timeout = forever) const noexcept {
        return bb_manager_enqueue_tag(this->handle(), tag, timeout.nanoseconds());
    }
    /// An empty batch.
    Result<Batch<T>> try_batch() const noexcept {
        bb_batch *raw = nullptr;
        if (const Status status = bb_batch_begin(this->handle(), &raw); !status)
            return status;
        return Batch<T>(raw, target());
    }
    /// The back copy, to be written in place.
    Result<Back<T>> try_back(BackMode mode = BackMode::keep, Timeout timeout = forever) const noexcept {
        bb_back raw{};
        const Status status =
            bb_manager_reserve_back(this->handle(), static_cast<std::uint32_t>(mode), timeout.nanoseconds(), &raw);
        if (!status)
            return status;
        return Back<T>(this->handle(), raw, shape_);
    }
    /// Begins backend work that publishes wait for.
    Result<Task> try_task(const char *label) const noexcept {
        bb_task *raw = nullptr;
        if (const Status status = bb_task_begin(this->handle(), label, &raw); !status)
            return status;
        return Task(raw);
    }

    // -- publish and wait --

    /// Returns when all that was enqueued before is published. Afterwards epoch() is at least that publish's.
    Status try_synchronize(Timeout timeout = forever) const noexcept {
        return bb_manager_synchronize(this->handle(), timeout.nanoseconds());
    }
    /// Asks for a publish without waiting: the ticket is for wait().
    Result<std::uint64_t> try_synchronize_async() const noexcept {
        std::uint64_t ticket = 0;
        if (const Status status = bb_manager_synchronize_async(this->handle(), &ticket); !status)
            return status;
        return ticket;
    }
    /// Waits for a ticket, and tells the epoch that covers it.
    Result<std::uint64_t> try_wait(std::uint64_t ticket, Timeout timeout = forever) const noexcept {
        std::uint64_t epoch = 0;
        if (const Status status = bb_manager_wait(this->handle(), ticket, timeout.nanoseconds(), &epoch); !status)
            return status;
        return epoch;
    }
    /// Waits for an epoch beyond `after`, and tells it: how a reader waits for the next front.
    Result<std::uint64_t> try_wait_epoch(std::uint64_t after, Timeout timeout = forever) const noexcept {
        std::uint64_t epoch = 0;
        if (const Status status = bb_manager_wait_epoch(this->handle(), after, timeout.nanoseconds(), &epoch); !status)
            return status;
        return epoch;
    }
    /// A subscription to epochs beyond `after`.
    Result<Watch> try_watch(std::uint64_t after = 0) const noexcept {
        bb_watch *raw = nullptr;
        if (const Status status = bb_watch_create(this->handle(), after, &raw); !status)
            return status;
        return Watch(raw);
    }

    // -- read and query --

    /// The newest front.
    Result<Front<T>> try_front() const noexcept {
        bb_front raw{};
        if (const Status status = bb_manager_acquire_front(this->handle(), &raw); !status)
            return status;
        return Front<T>(raw, shape_);
    }
    /// The newest epoch.
    Result<std::uint64_t> try_epoch() const noexcept {
        std::uint64_t epoch = 0;
        if (const Status status = bb_manager_epoch(this->handle(), &epoch); !status)
            return status;
        return epoch;
    }
    Result<bb_manager_info> try_info() const noexcept {
        bb_manager_info info{};
        if (const Status status = bb_manager_info_get(this->handle(), sizeof(info), &info); !status)
            return status;
        return info;
    }
    Result<bb_manager_stats> try_stats() const noexcept {
        bb_manager_stats stats{};
        if (const Status status = bb_manager_stats_get(this->handle(), sizeof(stats), &stats); !status)
            return status;
        return stats;
    }
    /// The statistics as text, in pieces: `write(std::string_view)`. What it throws goes through to the caller.
    template <class F> Status try_stats_write(F &&write) const {
        detail::Writer<std::remove_reference_t<F>> writer{write};
        return writer.finish(bb_manager_stats_write(this->handle(), writer.call, &writer));
    }

    // -- end --

    /// Gives memory back that only leases needed.
    Status try_trim() const noexcept { return bb_manager_trim(this->handle()); }
    /// Refuses new work, publishes what was accepted, lets waiters go. Fronts stay readable.
    Status try_close(Timeout timeout = forever) const noexcept {
        return bb_manager_close(this->handle(), timeout.nanoseconds());
    }

#if BACKBUF_EXCEPTIONS
    // A template, so that `({5})` is a shape and never a Manager to be moved from.
    template <class S = Shape,
              class = std::enable_if_t<std::is_convertible_v<const S &, Shape> && !std::is_integral_v<S>>>
    explicit Manager(const S &shape, const Config &config = {}) : Manager(try_create(shape, config).value()) {}
    static Manager attach(bb_manager *manager) { return try_attach(manager).value(); }
    static Manager adopt(bb_manager *manager) { return try_adopt(manager).value(); }

    void enqueue(std::uint64_t first, const Data<T> &data, Timeout timeout = forever) const {
        detail::check(try_enqueue(first, data, timeout));
    }
    void enqueue_fill(Range range, const T &value, Timeout timeout = forever) const {
        detail::check(try_enqueue_fill(range, value, timeout));
    }
    void enqueue_fill(const Index &start, const Index &extent, const T &value, const Steps &step = {},
                      Timeout timeout = forever) const {
        detail::check(try_enqueue_fill(start, extent, value, step, timeout));
    }
    void enqueue_region(const Index &start, const Index &extent, const Source<T> &source, const Steps &step = {},
                        Timeout timeout = forever) const {
        detail::check(try_enqueue_region(start, extent, source, step, timeout));
    }
    template <class F>
    void enqueue_borrowed(std::uint64_t first, const Data<T> &data, F done, Timeout timeout = forever) const {
        detail::check(try_enqueue_borrowed(first, data, std::move(done), timeout));
    }
    template <class F>
    void enqueue_kernel(F call, Range range = {}, KernelFlags flags = KernelFlags::none,
                        Timeout timeout = forever) const {
        detail::check(try_enqueue_kernel(std::move(call), range, flags, timeout));
    }
    void enqueue_tag(std::uint64_t tag, Timeout timeout = forever) const {
        detail::check(try_enqueue_tag(tag, timeout));
    }
    Batch<T> batch() const { return try_batch().value(); }
    Back<T> back(BackMode mode = BackMode::keep, Timeout timeout = forever) const {
        return try_back(mode, timeout).value();
    }
    Task task(const char *label) const { return try_task(label).value(); }
    Task task(const std::string &label) const { return task(label.c_str()); }

    void synchronize(Timeout timeout = forever) const { detail::settle(this->handle(), try_synchronize(timeout)); }
    std::uint64_t synchronize_async() const { return try_synchronize_async().value(); }
    std::uint64_t wait(std::uint64_t ticket, Timeout timeout = forever) const {
        auto epoch = try_wait(ticket, timeout);
        detail::settle(this->handle(), epoch.status());
        return *epoch;
    }
    std::uint64_t wait_epoch(std::uint64_t after, Timeout timeout = forever) const {
        return try_wait_epoch(after, timeout).value();
    }
    Watch watch(std::uint64_t after = 0) const { return try_watch(after).value(); }
    /// Takes the exception that a callback of this manager left, or null: for those who call only `try_` functions.
    std::exception_ptr take_exception() const noexcept {
        auto taken = detail::take(this->handle(), detail::Origin::update);
        return taken ? taken : detail::take(this->handle(), detail::Origin::flush);
    }

    Front<T> front() const {
        bb_front raw{}; // not by way of Result: a front is made where it stays
        detail::check(bb_manager_acquire_front(this->handle(), &raw));
        return Front<T>(raw, shape_);
    }
    std::uint64_t epoch() const { return try_epoch().value(); }
    bb_manager_info info() const { return try_info().value(); }
    bb_manager_stats stats() const { return try_stats().value(); }
    std::string stats_text() const {
        std::string all;
        detail::check(try_stats_write([&](std::string_view piece) { all += piece; }));
        return all;
    }
    void trim() const { detail::check(try_trim()); }
    void close(Timeout timeout = forever) const { detail::settle(this->handle(), try_close(timeout)); }
#endif

  private:
    Manager(bb_manager *raw, const Shape &shape, bool borrowed) noexcept : Base(raw, borrowed), shape_(shape) {}
    static Result<Manager> over(bb_manager *manager, bool borrowed) noexcept {
        bb_manager_info info{};
        if (const Status status = bb_manager_info_get(manager, sizeof(info), &info); !status)
            return status;
        if (info.dtype != dtype<T>::value)
            return Status(BB_E_ARGUMENT, detail::Note::dtype);
        return Manager(manager, Shape(backbuf::span<const std::uint64_t>(info.shape, info.ndim)), borrowed);
    }
    detail::Target target() const noexcept { return {this->handle(), shape_.size(), size()}; }

    Shape shape_;
};

// ---- library ----------------------------------------------------------------------------------------------------

/// How much is logged.
enum class Level : std::uint32_t { error = BB_LOG_ERROR, warn = BB_LOG_WARN, info = BB_LOG_INFO, debug = BB_LOG_DEBUG };

/// One line of the log; the texts end with the call.
struct LogRecord {
    Level level;
    std::string_view part, label, text;
};

/**
 * @brief Sends the library's log to `call(const LogRecord &)`, from whichever thread has something to say.
 *
 * @code
 * backbuf::set_log(backbuf::Level::warn, [](const backbuf::LogRecord &r) { std::cerr << r.part << ": " << r.text << '\n'; });
 * @endcode
 */
template <class F> Status try_set_log(Level level, F call) {
    static_assert(std::is_invocable_v<F &, const LogRecord &>,
                  "backbuf: a log function is called with (const LogRecord &)");
    using Box = detail::Box<F>;
    auto box = Box::make(nullptr, std::move(call));
    if (!box)
        return {BB_E_OUT_OF_MEMORY, detail::Note::memory};
    const bb_log_fn log = [](std::uint32_t of, const char *part, const char *label, const char *text,
                             void *user_data) noexcept {
        const auto view = [](const char *s) { return s == nullptr ? std::string_view() : std::string_view(s); };
        const LogRecord record{static_cast<Level>(of), view(part), view(label), view(text)};
        detail::contain(nullptr, detail::Origin::none, [&] { Box::from(user_data).call(record); });
    };
    const Status status = bb_set_log(static_cast<std::uint32_t>(level), log, box.get(), Box::drop);
    if (status)
        static_cast<void>(box.release());
    return status;
}
/// Switches the log off.
inline Status try_clear_log() noexcept { return bb_set_log(BB_LOG_OFF, nullptr, nullptr, nullptr); }
/// Everything that lives in the library, as text in pieces: `write(std::string_view)`.
template <class F> Status try_dump(F &&write) {
    detail::Writer<std::remove_reference_t<F>> writer{write};
    return writer.finish(bb_debug_dump(writer.call, &writer));
}
#if BACKBUF_EXCEPTIONS
template <class F> void set_log(Level level, F call) { detail::check(try_set_log(level, std::move(call))); }
inline void clear_log() { detail::check(try_clear_log()); }
inline std::string dump() {
    std::string all;
    detail::check(try_dump([&](std::string_view piece) { all += piece; }));
    return all;
}
#endif

} // namespace backbuf

#endif // BACKBUF_HPP
