// Updates of a state, and the Batch that groups several of them. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_BATCH_HPP
#define BACKBUF_BATCH_HPP

#include "array.hpp"
#include "callback.hpp"

#include "macros_push.hpp"

namespace backbuf {

template <class T> class Manager;

/// Options of a kernel; combine with `|`.
enum class KernelFlags : std::uint32_t {
    none = 0,
    any_thread = BB_KERNEL_ANY_THREAD, ///< on any thread that applies updates, not only on the worker
    overwrites = BB_KERNEL_OVERWRITES, ///< it overwrites all of its range, which is not copied forward first
};
constexpr KernelFlags operator|(KernelFlags a, KernelFlags b) noexcept {
    // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): combined flags are no enumerators
    return static_cast<KernelFlags>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

namespace detail {

/// Properties of the manager that a batch needs: the owner of exceptions, and the sizes that C does not check.
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
        return {BB_E_ARGUMENT, LocalError::rank};
    if (source.size() < extent.product())
        return {BB_E_RANGE, LocalError::short_data};
    const bb_region raw{start.data(),
                        extent.data(),
                        step.size() != 0 ? step.data() : nullptr,
                        source.data(),
                        strides != 0 ? source.strides().data() : nullptr,
                        0,
                        0};
    return enqueue(&raw);
}

template <class T, class F, class Enqueue>
Status kernel(const Target &target, F call, Range range, KernelFlags flags, Enqueue enqueue) {
    static_assert(std::is_invocable_v<F &, span<T>> || std::is_invocable_v<F &, span<T>, span<const T>>,
                  "backbuf: a kernel is called with (span<T> back) or with (span<T> back, span<const T> front)");
    auto box = Box<F>::make(target.manager, std::move(call));
    if (!box)
        return {BB_E_OUT_OF_MEMORY, LocalError::memory};
    const bb_kernel raw{
        Box<F>::template kernel<T>,        box.get(), Box<F>::drop, bytes<T>(range.first), target.count(range),
        static_cast<std::uint32_t>(flags), 0};
    const Status status = enqueue(&raw);
    if (status)
        static_cast<void>(box.release()); // a refused call does not take it
    return status;
}

} // namespace detail

/**
 * @brief An update of a state: the flat index of its first element, the number of elements, and the elements.
 *
 * A parameter type like Data: it does not own its elements, so do not keep it longer than them.
 *
 * @code
 * float x[2] = {1, 2};
 * backbuf::BufferUpdate update(0, 2, x);
 * m.enqueue(update);
 * m.enqueue_updates({{0, 2, x}, {7, 3.f}}); // one batch
 * backbuf::Chunk chunk = stream.next();
 * m.enqueue(backbuf::BufferUpdate<float>(0, chunk.as<float>())); // the bytes of a ring
 * @endcode
 */
template <class T> class BufferUpdate {
  public:
    template <class I, class = std::enable_if_t<std::is_integral_v<I>>>
    constexpr BufferUpdate(I first, const Data<T> &data) noexcept
        : raw_{detail::bytes<T>(static_cast<std::uint64_t>(first)), data.size(), data.data(), 0, 0} {}
    template <class I, class J, class = std::enable_if_t<std::is_integral_v<I> && std::is_integral_v<J>>>
    constexpr BufferUpdate(I offset, J length, const T *data) noexcept
        : raw_{detail::bytes<T>(static_cast<std::uint64_t>(offset)), static_cast<std::uint64_t>(length), data, 0, 0} {}
    /// The C struct; an array of BufferUpdate is an array of C structs.
    constexpr const bb_update *raw() const noexcept { return &raw_; }

  private:
    bb_update raw_;
};

/**
 * @brief Updates that are published in one epoch. Leaving the scope without commit() discards them.
 *
 * Updates are checked and copied when they are added; a bad update is refused and not part of the batch. A batch may
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

    /// Enqueues elements from the flat index `first` on.
    Status try_update(std::uint64_t first, const Data<T> &data) noexcept {
        return bb_batch_update(this->handle(), BufferUpdate<T>(first, data).raw());
    }
    /// Sets a flat range to one value; `{}` is the whole state.
    Status try_fill(Range range, const T &value) noexcept {
        return bb_batch_fill(this->handle(), 0, detail::bytes<T>(range.first), target_.count(range), &value);
    }
    /// Sets a region to one value.
    Status try_fill(const Index &start, const Index &extent, const T &value, const Steps &step = {}) noexcept {
        return try_region(start, extent, Source<T>::repeat(value, target_.ndim), step);
    }
    /// Updates an N-d region: start, extent and step along each dimension.
    Status try_region(const Index &start, const Index &extent, const Source<T> &source,
                      const Steps &step = {}) noexcept {
        return detail::region<T>(target_, start, extent, source, step,
                                 [&](const bb_region *raw) { return bb_batch_region(this->handle(), raw); });
    }
    /// Adds a function on a range of the state: see Manager::enqueue_kernel.
    template <class F> Status try_kernel(F call, Range range = {}, KernelFlags flags = KernelFlags::none) {
        return detail::kernel<T>(target_, std::move(call), range, flags,
                                 [&](const bb_kernel *raw) { return bb_batch_kernel(this->handle(), raw); });
    }
    /// Sets the tag of the epoch that contains this batch.
    Status try_tag(std::uint64_t tag) noexcept { return bb_batch_tag(this->handle(), tag); }
    /// Enqueues the batch. Empty afterwards; if it is refused (`BB_E_FULL`), it is unchanged and the commit may be
    /// repeated.
    Status try_commit(Timeout timeout = forever) noexcept {
        const Status status = bb_batch_commit(this->handle(), timeout.nanoseconds());
        if (status)
            static_cast<void>(this->release());
        return status;
    }
    /// Discards the batch. Empty afterwards.
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

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_BATCH_HPP
