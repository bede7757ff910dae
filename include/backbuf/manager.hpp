// The manager: a double-buffered state that producers update and readers see at whole epochs. SPDX-License-Identifier: MIT
// OR Apache-2.0
#ifndef BACKBUF_MANAGER_HPP
#define BACKBUF_MANAGER_HPP

#include "batch.hpp"
#include "front.hpp"

#include <functional>
#include <initializer_list>
#include <string>

#include "macros_push.hpp"

namespace backbuf {

namespace detail {
inline bb_status destroy_manager(bb_manager *manager) noexcept {
    const bb_status status = bb_manager_destroy(manager);
    clear_exceptions(manager);
    return status;
}
inline bb_status destroy_manager_within(bb_manager *manager, Timeout timeout) noexcept {
    const bb_status status = bb_manager_destroy_within(manager, timeout.nanoseconds());
    clear_exceptions(manager);
    return status;
}
} // namespace detail

class Device;

/// Threads that apply updates.
enum class Worker : std::uint32_t {
    shared = BB_WORKER_SHARED, ///< producers, synchronizers and the worker
    only = BB_WORKER_ONLY,     ///< the worker thread alone
};

/**
 * @brief Backend work that a publish waits for, with a label for the watchdog's report. Ends with the scope. Any thread may
 *         end it.
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
 * @brief A subscription to new epochs, with a descriptor for `poll`.
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

    /// The descriptor: readable while there is an epoch that wait() has not returned, or the ticket is decided. Poll it;
    /// never read or close it.
    Result<int> try_fd() const noexcept {
        std::int32_t fd = -1;
        if (const Status status = bb_watch_fd(this->handle(), &fd); !status)
            return status;
        return static_cast<int>(fd);
    }
    /// Waits for an epoch newer than the last one returned.
    Result<std::uint64_t> try_wait(Timeout timeout = forever) noexcept {
        std::uint64_t epoch = 0;
        if (const Status status = bb_watch_wait(this->handle(), timeout.nanoseconds(), &epoch); !status)
            return status;
        return epoch;
    }
    /// Makes the descriptor readable also when Manager::wait for this ticket would not block.
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

/**
 * @brief Parameters of a new manager, with the library's defaults. May be used for several managers.
 *
 * @code
 * backbuf::Manager<float> m({256, 256}, backbuf::Config().label("heat").copies(2).watchdog(500ms));
 * @endcode
 */
class Config {
  public:
    Config() noexcept { static_cast<void>(bb_manager_config_init(&raw_)); }

    /// Label in messages, logs and dumps.
    Config &label(std::string_view text) { return label_ = std::string(text), *this; }
    /// The state at epoch 0, copied at creation: `data` must be valid until then.
    template <class C> Config &initial(const C &data) noexcept {
        using U = std::conditional_t<std::is_array_v<C>, std::remove_cv_t<std::remove_all_extents_t<C>>,
                                     detail::pointee_t<C>>;
        const Data<U> all(data);
        raw_.initial = all.data();
        initial_size_ = all.size();
        initial_dtype_ = dtype<U>::value;
        return *this;
    }
    /// Capacity of the queue in bytes: a full queue makes enqueue wait.
    Config &queue_bytes(std::uint64_t bytes) noexcept { return raw_.queue_bytes = bytes, *this; }
    /// Physical copies, 2 to 8.
    Config &copies(std::uint32_t copies) noexcept { return raw_.copies = copies, *this; }
    /// Copies that may be added while leases hold all of `copies`; at most 32 together. Default: 24, but 0 if `copies` is 2
    /// or the manager is on a device.
    Config &max_extra_copies(std::uint32_t copies) noexcept { return raw_.max_extra_copies = copies, *this; }
    /// The last epochs whose changes `Front::changed_since` can name; 64 by default, 0 for none, at most 1024.
    Config &history(std::uint32_t epochs) noexcept { return raw_.history = epochs, *this; }
    /// The time after which a flush or a task is reported as stalled, once, to the calls that wait for it; zero for never.
    Config &watchdog(Timeout after) noexcept { return raw_.watchdog_ns = after.nanoseconds(), *this; }
    /// Bytes of the backlog that a caller applies before the worker takes over.
    Config &caller_budget_bytes(std::uint64_t bytes) noexcept { return raw_.caller_budget_bytes = bytes, *this; }
    /// Called on the worker before each publish. It returns nothing, or 0 on success and an own code on failure; if it
    /// fails or throws, nothing is published and the next synchronize tries again. Each manager gets a copy.
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
    /// A nice value (-20 to 19), or `BB_REALTIME(1 to 99)`. If the system refuses it, that is logged.
    Config &worker_priority(std::int32_t priority) noexcept { return raw_.worker_priority = priority, *this; }
    /// The device that gets a copy of each front, for Manager::front_device. Needs backbuf/device.hpp.
    inline Config &device(const Device &device) noexcept;
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
 * @brief One logical state, an N-d array of T, that producers update and readers see at whole epochs.
 *
 * Destroying it discards what was not published; close() publishes it first. See the namespace for threads,
 * errors and aliasing.
 *
 * @code
 * backbuf::Manager<float> m({3, 256, 256});
 * m.enqueue(m.shape().flat(0, 64, 64), 1.f);
 * m.synchronize(5ms);
 * assert(m.front()(0, 64, 64) == 1.f);
 * assert(m.read(m.shape().flat(0, 64, 64)) == 1.f); // a copy of one element
 * @endcode
 */
template <class T> class Manager : public Handle<bb_manager, detail::destroy_manager, detail::MaybeBorrowed> {
    static_assert(std::is_trivially_copyable_v<T>,
                  "backbuf: elements must be trivially copyable, as their bytes are copied");
    using Base = Handle<bb_manager, detail::destroy_manager, detail::MaybeBorrowed>;

  public:
    using value_type = T;

    Manager() noexcept = default;

    /// Creates a manager of this shape, filled with zeros unless Config::initial is set.
    static Result<Manager> try_create(const Shape &shape, const Config &config = {}) {
        return open<Manager>(bb_manager_create, shape, config);
    }
    /// Wraps a manager that other code owns: this object does not destroy it. Its dtype must be that of T.
    static Result<Manager> try_attach(bb_manager *manager) noexcept { return over<Manager>(manager, true); }
    /// Takes the ownership of a manager's C handle.
    static Result<Manager> try_adopt(bb_manager *manager) noexcept { return over<Manager>(manager, false); }

    /// The extents of the state. They never change.
    const Shape &shape() const noexcept { return shape_; }
    /// Number of elements of the state.
    std::size_t size() const noexcept {
        return this->handle() == nullptr ? 0 : static_cast<std::size_t>(shape_.product());
    }

    // -- produce --

    /// Enqueues elements from the flat index `first` on.
    Status try_enqueue(std::uint64_t first, const Data<T> &data, Timeout timeout = forever) const noexcept {
        return try_enqueue(BufferUpdate<T>(first, data), timeout);
    }
    Status try_enqueue(const BufferUpdate<T> &update, Timeout timeout = forever) const noexcept {
        return bb_manager_enqueue_update(this->handle(), update.raw(), timeout.nanoseconds());
    }
    /// Enqueues several updates as one batch: all of them in one epoch, or none.
    Status try_enqueue_updates(span<const BufferUpdate<T>> updates, Timeout timeout = forever) const noexcept {
        static_assert(sizeof(BufferUpdate<T>) == sizeof(bb_update) && std::is_standard_layout_v<BufferUpdate<T>>);
        const bb_update *first = updates.empty() ? nullptr : updates.data()->raw();
        return bb_manager_enqueue_updates(this->handle(), first, updates.size(), timeout.nanoseconds());
    }
    Status try_enqueue_updates(std::initializer_list<BufferUpdate<T>> updates,
                               Timeout timeout = forever) const noexcept {
        return try_enqueue_updates(span<const BufferUpdate<T>>(updates.begin(), updates.size()), timeout);
    }
    /// Sets a flat range to one value; `{}` is the whole state.
    Status try_enqueue_fill(Range range, const T &value, Timeout timeout = forever) const noexcept {
        return bb_manager_enqueue_fill(this->handle(), 0, detail::bytes<T>(range.first), target().count(range), &value,
                                       timeout.nanoseconds());
    }
    /// Sets a region to one value.
    Status try_enqueue_fill(const Index &start, const Index &extent, const T &value, const Steps &step = {},
                            Timeout timeout = forever) const noexcept {
        return try_enqueue_region(start, extent, Source<T>::repeat(value, shape_.size()), step, timeout);
    }
    /// Updates an N-d region: start, extent and step along each dimension.
    Status try_enqueue_region(const Index &start, const Index &extent, const Source<T> &source, const Steps &step = {},
                              Timeout timeout = forever) const noexcept {
        return detail::region<T>(target(), start, extent, source, step, [&](const bb_region *raw) {
            return bb_manager_enqueue_region(this->handle(), raw, timeout.nanoseconds());
        });
    }
    /// Enqueues elements that are read later: they must stay unchanged until `done()` is called, on the worker. If the call
    /// is refused, `done` is not called. To transfer a container, let the function own it: `enqueue_borrowed(0, *v, [v]
    /// {})` with a `std::shared_ptr`.
    template <class F>
    Status try_enqueue_borrowed(std::uint64_t first, const Data<T> &data, F done, Timeout timeout = forever) const {
        static_assert(std::is_invocable_v<F &>, "backbuf: a release function is called without arguments");
        auto box = detail::Box<F>::make(this->handle(), std::move(done));
        if (!box)
            return {BB_E_OUT_OF_MEMORY, detail::LocalError::memory};
        const Status status = bb_manager_enqueue_borrowed(this->handle(), BufferUpdate<T>(first, data).raw(),
                                                          detail::Box<F>::release, box.get(), timeout.nanoseconds());
        if (status)
            static_cast<void>(box.release());
        return status;
    }
    /// Enqueues a function on a range of the state, called as `call(span<T> back)` or `call(span<T> back, span<const T>
    /// front)` in order with the other updates: it sees every earlier update. It runs on the worker, unless
    /// KernelFlags::any_thread.
    template <class F>
    Status try_enqueue_kernel(F call, Range range = {}, KernelFlags flags = KernelFlags::none,
                              Timeout timeout = forever) const {
        return detail::kernel<T>(target(), std::move(call), range, flags, [&](const bb_kernel *raw) {
            return bb_manager_enqueue_kernel(this->handle(), raw, timeout.nanoseconds());
        });
    }
    /// Sets the tag of everything enqueued so far, such as a step number.
    Status try_enqueue_tag(std::uint64_t tag, Timeout timeout = forever) const noexcept {
        return bb_manager_enqueue_tag(this->handle(), tag, timeout.nanoseconds());
    }
    /// Begins an empty batch.
    Result<Batch<T>> try_batch() const noexcept {
        bb_batch *raw = nullptr;
        if (const Status status = bb_batch_begin(this->handle(), &raw); !status)
            return status;
        return Batch<T>(raw, target());
    }
    /// Reserves the back copy for writing in place.
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

    /// Returns when everything enqueued before is published. Afterwards epoch() is at least that of the publish. Work that
    /// outlasts the watchdog is reported once, with `BB_E_STALLED`, to the calls that wait at that moment; later calls wait
    /// for their full timeouts.
    Status try_synchronize(Timeout timeout = forever) const noexcept {
        return bb_manager_synchronize(this->handle(), timeout.nanoseconds());
    }
    /// Requests a publish without waiting: the ticket is for wait().
    Result<std::uint64_t> try_synchronize_async() const noexcept {
        std::uint64_t ticket = 0;
        if (const Status status = bb_manager_synchronize_async(this->handle(), &ticket); !status)
            return status;
        return ticket;
    }
    /// Waits for a ticket, and returns an epoch that contains its updates.
    Result<std::uint64_t> try_wait(std::uint64_t ticket, Timeout timeout = forever) const noexcept {
        std::uint64_t epoch = 0;
        if (const Status status = bb_manager_wait(this->handle(), ticket, timeout.nanoseconds(), &epoch); !status)
            return status;
        return epoch;
    }
    /// Polls a ticket without waiting, for event loops that poll a watch: `BB_E_TIMEOUT` if it is not decided. `poll`,
    /// zeros at first, belongs to one wait; poll again when the watch is readable, and at the latest after `poll.poll_after_ns`.
    Result<std::uint64_t> try_poll_ticket(std::uint64_t ticket, bb_ticket_poll &poll) const noexcept {
        std::uint64_t epoch = 0;
        if (const Status status = bb_manager_poll_ticket(this->handle(), ticket, &poll, &epoch); !status)
            return status;
        return epoch;
    }
    /// Waits for an epoch newer than `after`, and returns it: a reader's wait for the next front.
    Result<std::uint64_t> try_wait_epoch(std::uint64_t after, Timeout timeout = forever) const noexcept {
        std::uint64_t epoch = 0;
        if (const Status status = bb_manager_wait_epoch(this->handle(), after, timeout.nanoseconds(), &epoch); !status)
            return status;
        return epoch;
    }
    /// Creates a subscription to epochs newer than `after`.
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
    /// Copies elements of the newest epoch, from the flat index `first` on, without a lease to hold: cheaper than a front for a
    /// state of up to some KiB. All of them are of the epoch that is returned.
    Result<ReadEpoch> try_read_into(std::uint64_t first, span<T> to) const noexcept {
        return detail::read(this->handle(), 0, first, to);
    }
    /// A copy of one element of the newest epoch.
    Result<T> try_read(std::uint64_t index = 0) const noexcept { return detail::read<T>(this->handle(), 0, index); }
    /// Leases the newest front and its buffer on the manager's device (Config::device).
    Result<DeviceFront> try_front_device() const noexcept {
        bb_device_front raw{};
        if (const Status status = bb_manager_acquire_front_device(this->handle(), &raw); !status)
            return status;
        return DeviceFront(raw);
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
    /// Writes the statistics as text, in pieces: `write(std::string_view)`. Its exceptions go to the caller.
    template <class F> Status try_stats_write(F &&write) const {
        detail::Writer<std::remove_reference_t<F>> writer{write};
        return writer.finish(bb_manager_stats_write(this->handle(), writer.call, &writer));
    }

    // -- end --

    /// Returns unused memory to the system.
    Status try_trim(Timeout timeout = forever) const noexcept {
        return bb_manager_trim(this->handle(), timeout.nanoseconds());
    }
    /// Destroys the manager as the destructor does, but waits at most this long for a running kernel, flush or release
    /// callback. After `BB_E_STALLED` and `BB_E_INTERRUPTED` (a signal or the WaitCheck ended the wait) the manager is
    /// destroyed as well, but the memory that the callback uses must stay valid until it returns. Empty afterwards. A
    /// destructor whose wait is interrupted returns.
    Status try_destroy(Timeout timeout = forever) noexcept {
        bb_manager *const manager = this->release();
        return this->is_borrowed() ? BB_OK : detail::destroy_manager_within(manager, timeout);
    }
    /// Refuses new work, publishes accepted work, and ends waits. Fronts stay readable.
    Status try_close(Timeout timeout = forever) const noexcept {
        return bb_manager_close(this->handle(), timeout.nanoseconds());
    }

#if BACKBUF_EXCEPTIONS
    // A template, so that `({5})` is a shape and never a moved-from Manager.
    template <class S = Shape,
              class = std::enable_if_t<std::is_convertible_v<const S &, Shape> && !std::is_integral_v<S>>>
    explicit Manager(const S &shape, const Config &config = {}) : Manager(try_create(shape, config).value()) {}
    static Manager attach(bb_manager *manager) { return try_attach(manager).value(); }
    static Manager adopt(bb_manager *manager) { return try_adopt(manager).value(); }

    void enqueue(std::uint64_t first, const Data<T> &data, Timeout timeout = forever) const {
        detail::check(try_enqueue(first, data, timeout));
    }
    void enqueue(const BufferUpdate<T> &update, Timeout timeout = forever) const {
        detail::check(try_enqueue(update, timeout));
    }
    void enqueue_updates(span<const BufferUpdate<T>> updates, Timeout timeout = forever) const {
        detail::check(try_enqueue_updates(updates, timeout));
    }
    void enqueue_updates(std::initializer_list<BufferUpdate<T>> updates, Timeout timeout = forever) const {
        detail::check(try_enqueue_updates(updates, timeout));
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

    void synchronize(Timeout timeout = forever) const {
        detail::check_and_rethrow(this->handle(), try_synchronize(timeout));
    }
    std::uint64_t synchronize_async() const { return try_synchronize_async().value(); }
    std::uint64_t wait(std::uint64_t ticket, Timeout timeout = forever) const {
        auto epoch = try_wait(ticket, timeout);
        detail::check_and_rethrow(this->handle(), epoch.status());
        return *epoch;
    }
    std::uint64_t wait_epoch(std::uint64_t after, Timeout timeout = forever) const {
        return try_wait_epoch(after, timeout).value();
    }
    Watch watch(std::uint64_t after = 0) const { return try_watch(after).value(); }
    /// Takes the stored exception of a callback of this manager, or null: for programs that call only `try_` functions.
    std::exception_ptr take_exception() const noexcept {
        auto taken = detail::take(this->handle(), detail::Origin::update);
        return taken ? taken : detail::take(this->handle(), detail::Origin::flush);
    }

    Front<T> front() const {
        bb_front raw{}; // not by a Result: the front is constructed in place
        detail::check(bb_manager_acquire_front(this->handle(), &raw));
        return Front<T>(raw, shape_);
    }
    ReadEpoch read_into(std::uint64_t first, span<T> to) const { return try_read_into(first, to).value(); }
    T read(std::uint64_t index = 0) const { return try_read(index).value(); }
    DeviceFront front_device() const { return try_front_device().value(); }
    std::uint64_t epoch() const { return try_epoch().value(); }
    bb_manager_info info() const { return try_info().value(); }
    bb_manager_stats stats() const { return try_stats().value(); }
    std::string stats_text() const {
        std::string all;
        detail::check(try_stats_write([&](std::string_view piece) { all += piece; }));
        return all;
    }
    void trim(Timeout timeout = forever) const { detail::check(try_trim(timeout)); }
    void destroy(Timeout timeout = forever) { detail::check(try_destroy(timeout)); }
    void close(Timeout timeout = forever) const { detail::check_and_rethrow(this->handle(), try_close(timeout)); }
#endif

  protected:
    Manager(bb_manager *raw, const Shape &shape, bool borrowed) noexcept : Base(raw, borrowed), shape_(shape) {}
    /// A new one by `create`, with the parameters of bb_manager_create.
    template <class M, class F> static Result<M> open(F create, const Shape &shape, const Config &config) {
        using Flush = detail::Box<std::function<std::int32_t()>>;
        bb_manager_config raw = config.raw_;
        if (!config.label_.empty())
            raw.label = config.label_.c_str();
        if (config.initial_dtype_ != 0 &&
            (config.initial_dtype_ != dtype<T>::value || config.initial_size_ != shape.product()))
            return Status(BB_E_ARGUMENT, detail::LocalError::initial);
        std::unique_ptr<Flush> flush;
        if (config.flush_) {
            flush = Flush::make(nullptr, config.flush_);
            if (!flush)
                return Status(BB_E_OUT_OF_MEMORY, detail::LocalError::memory);
            raw.flush = Flush::flush;
            raw.flush_user_data = flush.get();
            raw.flush_drop = Flush::drop;
        }
        bb_manager *made = nullptr;
        if (const Status status = create(dtype<T>::value, shape.size(), shape.data(), &raw, &made); !status)
            return status;
        // No flush runs before the handle is returned, so that this is early enough.
        if (Flush *box = flush.release())
            box->owner = made;
        return M(made, shape, false);
    }
    /// An existing one.
    template <class M> static Result<M> over(bb_manager *manager, bool borrowed) noexcept {
        bb_manager_info info{};
        if (const Status status = bb_manager_info_get(manager, sizeof(info), &info); !status)
            return status;
        if (info.dtype != dtype<T>::value)
            return Status(BB_E_ARGUMENT, detail::LocalError::dtype);
        return M(manager, Shape(backbuf::span<const std::uint64_t>(info.shape, info.ndim)), borrowed);
    }

  private:
    detail::Target target() const noexcept { return {this->handle(), shape_.size(), size()}; }

    Shape shape_;
};

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_MANAGER_HPP
