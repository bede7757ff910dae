// The two sides of a state: a Front to read, a Back to write.
// SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_FRONT_HPP
#define BACKBUF_FRONT_HPP

#include "array.hpp"
#include "changes.hpp"

#include "macros_push.hpp"

namespace backbuf {

template <class T> class Manager;

/// Initial content of a reserved back copy.
enum class BackMode : std::uint32_t {
    keep = BB_BACK_KEEP,       ///< the state
    discard = BB_BACK_DISCARD, ///< unspecified: all of it will be overwritten
};

/// The epoch whose elements a read has copied, and the newest tag enqueued before its publish.
struct ReadEpoch {
    std::uint64_t epoch = 0;
    std::uint64_t tag = 0;
};

namespace detail {
/// Copies elements of a field of the newest epoch, from that one on.
template <class T>
Result<ReadEpoch> read(bb_manager *manager, std::uint32_t field, std::uint64_t first, span<T> to) noexcept {
    ReadEpoch is;
    if (const Status status =
            bb_manager_read(manager, field, bytes<T>(first), to.data(), to.size_bytes(), &is.epoch, &is.tag);
        !status)
        return status;
    return is;
}
/// A copy of one element of a field.
template <class T> Result<T> read(bb_manager *manager, std::uint32_t field, std::uint64_t index) noexcept {
    T element{};
    const auto is = read(manager, field, index, span<T>(&element, 1));
    if (!is)
        return is.status();
    return element;
}
} // namespace detail

/**
 * @brief A stable front: the whole state at one epoch, read-only, during the lifetime of this object.
 *
 * It holds a lease, which pins one of the copies: do not keep it longer than needed. It may outlive its manager.
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

    /// Its epoch; 0 is the initial state.
    std::uint64_t epoch() const noexcept { return epoch_; }
    /// The newest tag enqueued before that publish.
    std::uint64_t tag() const noexcept { return tag_; }

    /// The elements in which this front may differ from the front of `epoch`, in at most `N` ranges. Also after the manager's end.
    template <std::size_t N = 64> Result<Changes<N>> try_changed_since(std::uint64_t epoch) const noexcept {
        return detail::changed_since<N>(lease_.handle(), epoch, sizeof(T));
    }
#if BACKBUF_EXCEPTIONS
    template <std::size_t N = 64> Changes<N> changed_since(std::uint64_t epoch) const {
        return try_changed_since<N>(epoch).value();
    }
#endif

    explicit operator bool() const noexcept { return static_cast<bool>(lease_); }
    bb_lease *handle() const noexcept { return lease_.handle(); }
    /// Releases the lease now. Empty afterwards.
    void reset() noexcept { Front().swap(*this); }
    /// Gives up the ownership of the lease, for `bb_lease_release`; call data() before. Empty afterwards.
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

namespace detail {
// A released front must not pin its copy, even if no fence can be inserted, for example without a context.
inline bb_status release_gl_front(bb_lease *lease) noexcept {
    const bb_status status = bb_lease_release_gl(lease);
    return status == BB_OK ? status : bb_lease_release(lease);
}

/// What fronts in a buffer of a device have in common. Raw is `bb_device_front` or `bb_gl_front`.
template <class Raw> class BufferFront {
  public:
    /// Index of the manager's copy. The buffer of a slot never changes: objects made from it may be kept by slot.
    std::uint32_t slot() const noexcept { return raw_.slot; }
    /// Size in bytes.
    std::uint64_t bytes() const noexcept { return raw_.bytes; }
    /// Its epoch; 0 is the initial state.
    std::uint64_t epoch() const noexcept { return raw_.epoch; }
    /// The newest tag enqueued before that publish.
    std::uint64_t tag() const noexcept { return raw_.tag; }

    /// The bytes in which this front may differ from the front of `epoch`, in at most `N` ranges; see Front::changed_since.
    template <std::size_t N = 64> Result<Changes<N>> try_changed_since(std::uint64_t epoch) const noexcept {
        return detail::changed_since<N>(lease_.handle(), epoch, 1);
    }
    /// The same of one field of the manager, in its elements.
    template <std::size_t N = 64, class T>
    Result<Changes<N>> try_changed_since(const Field<T> &field, std::uint64_t epoch) const noexcept {
        return detail::changed_since<N>(lease_.handle(), epoch, sizeof(T), field.index());
    }
#if BACKBUF_EXCEPTIONS
    template <std::size_t N = 64> Changes<N> changed_since(std::uint64_t epoch) const {
        return try_changed_since<N>(epoch).value();
    }
    template <std::size_t N = 64, class T> Changes<N> changed_since(const Field<T> &field, std::uint64_t epoch) const {
        return try_changed_since<N>(field, epoch).value();
    }
#endif

    explicit operator bool() const noexcept { return static_cast<bool>(lease_); }
    bb_lease *handle() const noexcept { return lease_.handle(); }
    /// Releases the lease now. Empty afterwards.
    void reset() noexcept { *this = BufferFront(); }
    /// Gives up the ownership of the lease. Empty afterwards.
    [[nodiscard]] bb_lease *release() noexcept { return raw_ = {}, lease_.release(); }

  protected:
    BufferFront() noexcept = default;
    explicit BufferFront(const Raw &raw) noexcept : lease_(raw.lease), raw_(raw) {}
    BufferFront(BufferFront &&other) noexcept : lease_(std::move(other.lease_)), raw_(std::exchange(other.raw_, {})) {}
    BufferFront &operator=(BufferFront &&other) noexcept {
        lease_ = std::move(other.lease_);
        raw_ = std::exchange(other.raw_, {});
        return *this;
    }
    ~BufferFront() = default;

    template <class View, class F> Result<View> view_of(F &&field, const char *name) const noexcept {
        View view{};
        if (const Status status = field(&raw_, name, &view); !status)
            return status;
        return view;
    }

    Handle<bb_lease, release_gl_front> lease_;
    Raw raw_{};
};

/// A reservation of the back copy. The end of this object cancels it.
class Reservation {
  public:
    /// The epoch of the front that it follows.
    std::uint64_t epoch() const noexcept { return raw_.epoch; }
    explicit operator bool() const noexcept { return manager_ != nullptr; }

    /// Commits the back copy: the next publish contains it, with this tag. Empty afterwards, unless refused. All of it counts as
    /// changed and is copied in a later epoch, unless ranges were reported.
    Status try_commit(std::uint64_t tag) noexcept {
        const Status status = bb_manager_commit_back(manager_, &raw_, tag);
        if (status)
            clear();
        return status;
    }
    /// Undoes what was written. Empty afterwards; no effect if it is empty.
    Status try_cancel() noexcept {
        if (manager_ == nullptr)
            return BB_OK;
        const Status status = bb_manager_cancel_back(manager_, &raw_);
        clear();
        return status;
    }
#if BACKBUF_EXCEPTIONS
    void commit(std::uint64_t tag) { check(try_commit(tag)); }
    void cancel() { check(try_cancel()); }
#endif

  protected:
    Reservation() noexcept = default;
    Reservation(bb_manager *manager, const bb_back &raw) noexcept : manager_(manager), raw_(raw) {}
    Reservation(Reservation &&other) noexcept { swap(other); }
    Reservation &operator=(Reservation &&other) noexcept {
        Reservation(std::move(other)).swap(*this);
        return *this;
    }
    ~Reservation() { static_cast<void>(try_cancel()); }
    void swap(Reservation &other) noexcept {
        std::swap(manager_, other.manager_);
        std::swap(raw_, other.raw_);
    }
    /// Marks `count` elements of `size` bytes as written.
    Status mark(std::uint32_t field, std::uint64_t first, std::uint64_t count, std::uint64_t size) noexcept {
        // A product that overflows lies beyond the state in any case.
        const auto bytes = [size](std::uint64_t elements) {
            return elements > UINT64_MAX / size ? UINT64_MAX : elements * size;
        };
        const bb_byte_range range{bytes(first), bytes(count)};
        return bb_manager_mark_written(manager_, &raw_, field, &range, 1);
    }

    bb_manager *manager_ = nullptr;
    bb_back raw_{};

  private:
    void clear() noexcept {
        manager_ = nullptr;
        raw_ = {};
    }
};
} // namespace detail

/**
 * @brief A stable front in a buffer of its manager's device: the whole state at one epoch, valid during the lifetime of this
 * object.
 *
 * Keep it until the last work that reads the buffer is done, or is queued before later work of the device.
 *
 * @code
 * backbuf::Manager<float> m({100000, 3}, backbuf::Config().device(device));
 * auto f = m.front_device();
 * use(f.native(), f.bytes());
 * const bb_device_field_view state = f.field("state"); // of a FieldManager: each field
 * @endcode
 */
class DeviceFront : public detail::BufferFront<bb_device_front> {
  public:
    DeviceFront() noexcept = default;

    /// The backend's handle of the buffer, which begins with the state.
    std::uint64_t native() const noexcept { return raw_.native; }
    /// A field's range in the buffer, its dtype and its shape. A manager made without fields has one, `"state"`.
    Result<bb_device_field_view> try_field(const char *name) const noexcept {
        return view_of<bb_device_field_view>(bb_device_front_field, name);
    }
#if BACKBUF_EXCEPTIONS
    bb_device_field_view field(const char *name) const { return try_field(name).value(); }
#endif

  private:
    template <class T> friend class Manager;
    explicit DeviceFront(const bb_device_front &raw) noexcept : BufferFront(raw) {}
};

/**
 * @brief The reserved back copy, written in place. Updates of other threads queue meanwhile, so do not keep it long.
 * Leaving the scope without commit() undoes what was written. It must not outlive its manager.
 *
 * @code
 * auto back = m.back(backbuf::BackMode::discard);
 * for (std::size_t i = 0; i < back.size(); i++) back[i] = 0.99f * back.front()[i] + 0.01f;
 * back.commit(step);
 * m.synchronize();
 * @endcode
 */
template <class T> class Back : public Grid<T>, public detail::Reservation {
  public:
    Back() noexcept = default;
    Back(Back &&other) noexcept : Back() { swap(other); }
    Back &operator=(Back &&other) noexcept {
        Back(std::move(other)).swap(*this);
        return *this;
    }
    ~Back() = default;
    void swap(Back &other) noexcept {
        std::swap(static_cast<Grid<T> &>(*this), static_cast<Grid<T> &>(other));
        Reservation::swap(other);
    }

    /// The newest published state, next to the copy that is written.
    Grid<const T> front() const noexcept { return {static_cast<const T *>(raw_.front), this->shape()}; }

    /// Reports that `count` elements from `first` on were written. After the first report, commit() takes only reported ranges as
    /// changed, so that the next epochs copy no more than those; without one, all of it counts as changed. What is written
    /// outside of the reported ranges may be in some fronts and not in others. BB_E_STATE after BackMode::discard.
    Status try_mark_written(std::uint64_t first, std::uint64_t count) noexcept {
        return this->mark(BB_ALL_FIELDS, first, count, sizeof(T));
    }
    /// Commits the back copy: the next publish contains it, with this tag. Empty afterwards, unless refused.
    Status try_commit(std::uint64_t tag) noexcept { return ended(Reservation::try_commit(tag)); }
    /// Undoes what was written. Empty afterwards; no effect if it is empty.
    Status try_cancel() noexcept { return ended(Reservation::try_cancel()); }
#if BACKBUF_EXCEPTIONS
    void mark_written(std::uint64_t first, std::uint64_t count) { detail::check(try_mark_written(first, count)); }
    void commit(std::uint64_t tag) { detail::check(try_commit(tag)); }
    void cancel() { detail::check(try_cancel()); }
#endif

  private:
    friend Manager<T>;
    Back(bb_manager *manager, const bb_back &raw, const Shape &shape) noexcept
        : Grid<T>(static_cast<T *>(raw.data), shape), Reservation(manager, raw) {}
    Status ended(Status status) noexcept {
        if (manager_ == nullptr)
            static_cast<Grid<T> &>(*this) = {};
        return status;
    }
};

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_FRONT_HPP
