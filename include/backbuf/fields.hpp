// Managers of several arrays that are published as one epoch: fields, and their fronts, backs and batches.
// SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_FIELDS_HPP
#define BACKBUF_FIELDS_HPP

#include "manager.hpp"

#include <vector>

#include "macros_push.hpp"

namespace backbuf {

/**
 * @brief The fields of a new FieldManager, in their order.
 *
 * @code
 * backbuf::FieldManager m(backbuf::Fields().add<double>("qpos", {7}).add<float>("depth", {480, 640}));
 * @endcode
 */
class Fields {
  public:
    /// Adds a field of zeros. The name is UTF-8, unique, 1 to 255 bytes.
    template <class T> Fields &add(std::string_view name, const Shape &shape) {
        return add(name, shape, dtype<T>::value, nullptr);
    }
    /// Adds a field with its elements at epoch 0: as many as the shape has, valid until the manager is created.
    template <class T> Fields &add(std::string_view name, const Shape &shape, const Data<T> &initial) {
        short_ |= initial.size() != shape.product();
        return add(name, shape, dtype<T>::value, initial.data());
    }

  private:
    friend class FieldManager;
    struct Entry {
        std::string name;
        Shape shape;
        std::uint32_t dtype;
        const void *initial;
    };
    Fields &add(std::string_view name, const Shape &shape, std::uint32_t dtype, const void *initial) {
        cut_ |= name.find('\0') != name.npos;
        entries_.push_back({std::string(name), shape, dtype, initial});
        return *this;
    }
    std::vector<bb_field> raw() const {
        std::vector<bb_field> fields;
        for (const Entry &entry : entries_)
            fields.push_back({entry.name.c_str(), entry.dtype, entry.shape.size(), entry.shape.data(), entry.initial});
        return fields;
    }

    std::vector<Entry> entries_;
    bool short_ = false;
    bool cut_ = false;
};

namespace detail {

/// A field of a manager, as updates need it.
struct FieldTarget {
    Target target;
    std::uint32_t index = 0;

    template <class T> bb_update update(std::uint64_t first, const Data<T> &data) const noexcept {
        return {bytes<T>(first), data.size(), data.data(), index, 0};
    }
    template <class T, class Enqueue>
    Status region(const Index &start, const Index &extent, const Source<T> &source, const Steps &step,
                  Enqueue enqueue) const noexcept {
        return detail::region<T>(target, start, extent, source, step, [&](const bb_region *raw) {
            bb_region here = *raw;
            here.field = index;
            return enqueue(&here);
        });
    }
    template <class T, class F, class Enqueue>
    Status kernel(F call, Range range, KernelFlags flags, Enqueue enqueue) const {
        return detail::kernel<T>(target, std::move(call), range, flags, [&](const bb_kernel *raw) {
            bb_kernel here = *raw;
            here.field = index;
            return enqueue(&here);
        });
    }
};

/// Finds a field by name, and checks that its elements are T.
template <class T> Result<FieldTarget> find_field(const bb_manager *manager, const char *name, Shape &shape) noexcept {
    bb_field_info info{};
    // The library only reads the manager here; C has no const handles.
    const Status status = bb_manager_field(const_cast<bb_manager *>(manager), name, sizeof(info), &info);
    if (!status)
        return status;
    if (info.dtype != dtype<T>::value)
        return Status(BB_E_ARGUMENT, LocalError::dtype);
    shape = Shape(span<const std::uint64_t>(info.shape, info.ndim));
    return FieldTarget{{manager, info.ndim, shape.product()}, info.index};
}

} // namespace detail

/**
 * @brief One field of a manager: its forms of update, with positions in the field's own elements. It owns nothing and must not
 * outlive its manager.
 *
 * @code
 * backbuf::FieldManager fields(backbuf::Fields().add<float>("depth", {480, 640}));
 * auto depth = fields.field<float>("depth");
 * depth.enqueue_fill({}, 1.f);
 * depth.enqueue_region({0, 0}, {32, 32}, tile);
 * @endcode
 */
template <class T> class Field {
  public:
    Field() noexcept = default;

    const Shape &shape() const noexcept { return shape_; }
    /// Its index: `bb_update.field`.
    std::uint32_t index() const noexcept { return field_.index; }

    /// Enqueues elements from the flat index `first` on.
    Status try_enqueue(std::uint64_t first, const Data<T> &data, Timeout timeout = forever) const noexcept {
        const bb_update update = field_.update(first, data);
        return bb_manager_enqueue_update(manager(), &update, timeout.nanoseconds());
    }
    /// Sets a flat range to one value; `{}` is the whole field.
    Status try_enqueue_fill(Range range, const T &value, Timeout timeout = forever) const noexcept {
        return bb_manager_enqueue_fill(manager(), field_.index, detail::bytes<T>(range.first),
                                       field_.target.count(range), &value, timeout.nanoseconds());
    }
    /// Updates an N-d region: start, extent and step along each dimension.
    Status try_enqueue_region(const Index &start, const Index &extent, const Source<T> &source, const Steps &step = {},
                              Timeout timeout = forever) const noexcept {
        return field_.template region<T>(start, extent, source, step, [&](const bb_region *raw) {
            return bb_manager_enqueue_region(manager(), raw, timeout.nanoseconds());
        });
    }
    /// Enqueues elements that are read later; see Manager::try_enqueue_borrowed.
    template <class F>
    Status try_enqueue_borrowed(std::uint64_t first, const Data<T> &data, F done, Timeout timeout = forever) const {
        static_assert(std::is_invocable_v<F &>, "backbuf: a release function is called without arguments");
        auto box = detail::Box<F>::make(manager(), std::move(done));
        if (!box)
            return {BB_E_OUT_OF_MEMORY, detail::LocalError::memory};
        const bb_update update = field_.update(first, data);
        const Status status =
            bb_manager_enqueue_borrowed(manager(), &update, detail::Box<F>::release, box.get(), timeout.nanoseconds());
        if (status)
            static_cast<void>(box.release());
        return status;
    }
    /// Enqueues a function on a range of the field; see Manager::try_enqueue_kernel.
    template <class F>
    Status try_enqueue_kernel(F call, Range range = {}, KernelFlags flags = KernelFlags::none,
                              Timeout timeout = forever) const {
        return field_.template kernel<T>(std::move(call), range, flags, [&](const bb_kernel *raw) {
            return bb_manager_enqueue_kernel(manager(), raw, timeout.nanoseconds());
        });
    }
    /// Copies elements of the field at the newest epoch; see Manager::try_read_into.
    Result<ReadEpoch> try_read_into(std::uint64_t first, span<T> to) const noexcept {
        return detail::read(manager(), index(), first, to);
    }
    /// A copy of one element of the field at the newest epoch.
    Result<T> try_read(std::uint64_t at = 0) const noexcept { return detail::read<T>(manager(), index(), at); }
#if BACKBUF_EXCEPTIONS
    ReadEpoch read_into(std::uint64_t first, span<T> to) const { return try_read_into(first, to).value(); }
    T read(std::uint64_t at = 0) const { return try_read(at).value(); }
    void enqueue(std::uint64_t first, const Data<T> &data, Timeout timeout = forever) const {
        detail::check(try_enqueue(first, data, timeout));
    }
    void enqueue_fill(Range range, const T &value, Timeout timeout = forever) const {
        detail::check(try_enqueue_fill(range, value, timeout));
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
#endif

  private:
    friend class FieldManager;
    bb_manager *manager() const noexcept { return const_cast<bb_manager *>(field_.target.manager); }

    detail::FieldTarget field_;
    Shape shape_;
};

/**
 * @brief One field of a FieldBatch. It must not outlive the batch.
 */
template <class T> class BatchField {
  public:
    BatchField() noexcept = default;

    /// Adds elements from the flat index `first` on.
    Status try_update(std::uint64_t first, const Data<T> &data) noexcept {
        const bb_update update = field_.update(first, data);
        return bb_batch_update(batch_, &update);
    }
    /// Sets a flat range to one value; `{}` is the whole field.
    Status try_fill(Range range, const T &value) noexcept {
        return bb_batch_fill(batch_, field_.index, detail::bytes<T>(range.first), field_.target.count(range), &value);
    }
    /// Updates an N-d region: start, extent and step along each dimension.
    Status try_region(const Index &start, const Index &extent, const Source<T> &source,
                      const Steps &step = {}) noexcept {
        return field_.template region<T>(start, extent, source, step,
                                         [&](const bb_region *raw) { return bb_batch_region(batch_, raw); });
    }
    /// Adds a function on a range of the field.
    template <class F> Status try_kernel(F call, Range range = {}, KernelFlags flags = KernelFlags::none) {
        return field_.template kernel<T>(std::move(call), range, flags,
                                         [&](const bb_kernel *raw) { return bb_batch_kernel(batch_, raw); });
    }
#if BACKBUF_EXCEPTIONS
    void update(std::uint64_t first, const Data<T> &data) { detail::check(try_update(first, data)); }
    void fill(Range range, const T &value) { detail::check(try_fill(range, value)); }
    void region(const Index &start, const Index &extent, const Source<T> &source, const Steps &step = {}) {
        detail::check(try_region(start, extent, source, step));
    }
    template <class F> void kernel(F call, Range range = {}, KernelFlags flags = KernelFlags::none) {
        detail::check(try_kernel(std::move(call), range, flags));
    }
#endif

  private:
    friend class FieldBatch;
    BatchField(bb_batch *batch, const detail::FieldTarget &field) noexcept : batch_(batch), field_(field) {}
    bb_batch *batch_ = nullptr;
    detail::FieldTarget field_;
};

/**
 * @brief Updates of any fields that are published in one epoch. Leaving the scope without commit() discards them.
 */
class FieldBatch : public Handle<bb_batch, bb_batch_cancel> {
  public:
    FieldBatch() noexcept = default;

    template <class T> Result<BatchField<T>> try_field(const char *name) const noexcept {
        Shape shape;
        auto found = detail::find_field<T>(manager_, name, shape);
        if (!found)
            return found.status();
        return BatchField<T>(this->handle(), *found);
    }
    Status try_tag(std::uint64_t tag) noexcept { return bb_batch_tag(this->handle(), tag); }
    /// Enqueues the batch. Empty afterwards; if it is refused, it is unchanged and the commit may be repeated.
    Status try_commit(Timeout timeout = forever) noexcept {
        const Status status = bb_batch_commit(this->handle(), timeout.nanoseconds());
        if (status)
            static_cast<void>(this->release());
        return status;
    }
#if BACKBUF_EXCEPTIONS
    template <class T> BatchField<T> field(const char *name) const { return try_field<T>(name).value(); }
    void tag(std::uint64_t tag) { detail::check(try_tag(tag)); }
    void commit(Timeout timeout = forever) { detail::check(try_commit(timeout)); }
#endif

  private:
    friend class FieldManager;
    FieldBatch(bb_batch *raw, const bb_manager *manager) noexcept
        : Handle<bb_batch, bb_batch_cancel>(raw), manager_(manager) {}
    const bb_manager *manager_ = nullptr;
};

/**
 * @brief A stable front of all fields at one epoch, during the lifetime of this object. It may outlive its manager.
 *
 * @code
 * backbuf::FieldManager fields(backbuf::Fields().add<float>("depth", {480, 640}));
 * const auto depth = fields.field<float>("depth");
 * const backbuf::FieldFront front = fields.front();
 * const auto seen = front.field<float>("depth");
 * std::vector<float> mirror(seen.size());
 * for (backbuf::Range r : front.changed_since(depth, 0)) // since epoch 0
 *     std::copy_n(seen.begin() + r.first, r.count, mirror.begin() + r.first);
 * @endcode
 */
class FieldFront : public Handle<bb_lease, bb_lease_release> {
  public:
    FieldFront() noexcept = default;

    std::uint64_t epoch() const noexcept { return raw_.epoch; }
    std::uint64_t tag() const noexcept { return raw_.tag; }
    /// A field as an array. Its elements must be T.
    template <class T> Result<Grid<const T>> try_field(const char *name) const noexcept {
        bb_field_view view{};
        if (const Status status = bb_front_field(&raw_, name, &view); !status)
            return status;
        if (view.dtype != dtype<T>::value)
            return Status(BB_E_ARGUMENT, detail::LocalError::dtype);
        return Grid<const T>(static_cast<const T *>(view.data),
                             Shape(backbuf::span<const std::uint64_t>(view.shape, view.ndim)));
    }
    /// The elements of a field of this manager in which this front may differ from the front of `epoch`, in at most `N` ranges.
    /// Also after the manager's end. See Front::changed_since.
    template <std::size_t N = 64, class T>
    Result<Changes<N>> try_changed_since(const Field<T> &field, std::uint64_t epoch) const noexcept {
        return detail::changed_since<N>(handle(), epoch, sizeof(T), field.index());
    }
    /// The same of all fields, in bytes from the start of the state.
    template <std::size_t N = 64> Result<Changes<N>> try_changed_since(std::uint64_t epoch) const noexcept {
        return detail::changed_since<N>(handle(), epoch, 1);
    }
#if BACKBUF_EXCEPTIONS
    template <class T> Grid<const T> field(const char *name) const { return try_field<T>(name).value(); }
    template <std::size_t N = 64, class T> Changes<N> changed_since(const Field<T> &field, std::uint64_t epoch) const {
        return try_changed_since<N>(field, epoch).value();
    }
    template <std::size_t N = 64> Changes<N> changed_since(std::uint64_t epoch) const {
        return try_changed_since<N>(epoch).value();
    }
#endif

  private:
    friend class FieldManager;
    explicit FieldFront(const bb_front &raw) noexcept : Handle<bb_lease, bb_lease_release>(raw.lease), raw_(raw) {}
    bb_front raw_{};
};

/**
 * @brief The reserved back copy with all fields, written in place. Leaving the scope without commit() undoes what was written.
 * It must not outlive its manager.
 *
 * @code
 * backbuf::FieldManager fields(backbuf::Fields().add<double>("qpos", {7}));
 * auto back = fields.back();
 * back.field<double>("qpos")[0] = back.front_field<double>("qpos")[0] + 1;
 * back.commit(step);
 * @endcode
 */
class FieldBack : public detail::Reservation {
  public:
    FieldBack() noexcept = default;

    /// A field of the back copy. Its elements must be T.
    template <class T> Result<Grid<T>> try_field(const char *name) const noexcept {
        auto view = view_of<T>(name);
        if (!view)
            return view.status();
        return Grid<T>(static_cast<T *>(view->data),
                       Shape(backbuf::span<const std::uint64_t>(view->shape, view->ndim)));
    }
    /// The same field of the front that it follows.
    template <class T> Result<Grid<const T>> try_front_field(const char *name) const noexcept {
        auto view = view_of<T>(name);
        if (!view)
            return view.status();
        return Grid<const T>(static_cast<const T *>(view->front),
                             Shape(backbuf::span<const std::uint64_t>(view->shape, view->ndim)));
    }
    /// Reports that `count` elements of a field, whose elements are T, were written from `first` on; see Back::try_mark_written.
    template <class T> Status try_mark_written(const char *name, std::uint64_t first, std::uint64_t count) noexcept {
        Shape shape;
        const auto field = detail::find_field<T>(manager_, name, shape);
        if (!field)
            return field.status();
        return mark(field->index, first, count, sizeof(T));
    }
#if BACKBUF_EXCEPTIONS
    template <class T> Grid<T> field(const char *name) const { return try_field<T>(name).value(); }
    template <class T> Grid<const T> front_field(const char *name) const { return try_front_field<T>(name).value(); }
    template <class T> void mark_written(const char *name, std::uint64_t first, std::uint64_t count) {
        detail::check(try_mark_written<T>(name, first, count));
    }
#endif

  private:
    friend class FieldManager;
    FieldBack(bb_manager *manager, const bb_back &raw) noexcept : Reservation(manager, raw) {}
    template <class T> Result<bb_back_field_view> view_of(const char *name) const noexcept {
        bb_back_field_view view{};
        if (const Status status = bb_manager_back_field(manager_, &raw_, name, &view); !status)
            return status;
        if (view.dtype != dtype<T>::value)
            return Status(BB_E_ARGUMENT, detail::LocalError::dtype);
        return view;
    }
};

/**
 * @brief A manager of several named arrays that are published as one epoch: a front never shows two of them from different
 * epochs. See Manager for what both have.
 *
 * @code
 * backbuf::FieldManager m(backbuf::Fields().add<double>("qpos", {7}).add<float>("depth", {480, 640}));
 * m.field<double>("qpos").enqueue(2, 0.5);
 * m.synchronize();
 * assert(m.front().field<double>("qpos")[2] == 0.5);
 * @endcode
 */
class FieldManager : private Manager<unsigned char> {
    using Base = Manager<unsigned char>;
    friend Base; // makes it by its constructor

  public:
    FieldManager() noexcept = default;

    static Result<FieldManager> try_create(const Fields &fields, const Config &config = {}) {
        if (fields.short_)
            return Status(BB_E_ARGUMENT, detail::LocalError::initial);
        if (fields.cut_)
            return Status(BB_E_ARGUMENT, detail::LocalError::zero);
        const std::vector<bb_field> raw = fields.raw();
        const auto create = [&](std::uint32_t, std::uint32_t, const std::uint64_t *, const bb_manager_config *c,
                                bb_manager **m) { return bb_manager_create_fields(raw.data(), raw.size(), c, m); };
        return open<FieldManager>(create, Shape(), config);
    }
    /// The buffers of a registry's parent in `BB_SPACE_SHARED` or `BB_SPACE_PERSISTENT` as fields, at their offsets.
    static Result<FieldManager> try_from_group(bb_registry *registry, std::uint64_t parent, std::uint32_t space,
                                               const Config &config = {}) {
        const auto create = [&](std::uint32_t, std::uint32_t, const std::uint64_t *, const bb_manager_config *c,
                                bb_manager **m) { return bb_manager_create_from_group(registry, parent, space, c, m); };
        return open<FieldManager>(create, Shape(), config);
    }

    using Base::handle;
    using Base::release;
    using Base::reset;
    using Base::try_close;
    using Base::try_destroy;
    using Base::try_enqueue_tag;
    using Base::try_epoch;
    using Base::try_front_device;
    using Base::try_info;
    using Base::try_stats;
    using Base::try_stats_write;
    using Base::try_synchronize;
    using Base::try_synchronize_async;
    using Base::try_task;
    using Base::try_trim;
    using Base::try_wait;
    using Base::try_wait_epoch;
    using Base::try_watch;
    using Base::operator bool;

    /// A field by name, whose elements must be T.
    template <class T> Result<Field<T>> try_field(const char *name) const noexcept {
        Field<T> field;
        auto found = detail::find_field<T>(handle(), name, field.shape_);
        if (!found)
            return found.status();
        field.field_ = *found;
        return field;
    }
    Result<FieldBatch> try_batch() const noexcept {
        bb_batch *raw = nullptr;
        if (const Status status = bb_batch_begin(handle(), &raw); !status)
            return status;
        return FieldBatch(raw, handle());
    }
    /// Reserves the back copy for writing in place.
    Result<FieldBack> try_back(BackMode mode = BackMode::keep, Timeout timeout = forever) const noexcept {
        bb_back raw{};
        const Status status =
            bb_manager_reserve_back(handle(), static_cast<std::uint32_t>(mode), timeout.nanoseconds(), &raw);
        if (!status)
            return status;
        return FieldBack(handle(), raw);
    }
    Result<FieldFront> try_front() const noexcept {
        bb_front raw{};
        if (const Status status = bb_manager_acquire_front(handle(), &raw); !status)
            return status;
        return FieldFront(raw);
    }

#if BACKBUF_EXCEPTIONS
    explicit FieldManager(const Fields &fields, const Config &config = {})
        : FieldManager(try_create(fields, config).value()) {}
    static FieldManager from_group(bb_registry *registry, std::uint64_t parent, std::uint32_t space,
                                   const Config &config = {}) {
        return try_from_group(registry, parent, space, config).value();
    }

    using Base::close;
    using Base::destroy;
    using Base::enqueue_tag;
    using Base::epoch;
    using Base::front_device;
    using Base::info;
    using Base::stats;
    using Base::stats_text;
    using Base::synchronize;
    using Base::synchronize_async;
    using Base::take_exception;
    using Base::task;
    using Base::trim;
    using Base::wait;
    using Base::wait_epoch;
    using Base::watch;

    template <class T> Field<T> field(const char *name) const { return try_field<T>(name).value(); }
    FieldBatch batch() const { return try_batch().value(); }
    FieldBack back(BackMode mode = BackMode::keep, Timeout timeout = forever) const {
        return try_back(mode, timeout).value();
    }
    FieldFront front() const { return try_front().value(); }
#endif

  private:
    FieldManager(bb_manager *raw, const Shape &shape, bool borrowed) noexcept : Base(raw, shape, borrowed) {}
};

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_FIELDS_HPP
