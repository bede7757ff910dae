// Functions of the library as a whole: log, dump, and the waits of a thread. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_LIBRARY_HPP
#define BACKBUF_LIBRARY_HPP

#include "callback.hpp"

#include <string>

#include "macros_push.hpp"

namespace backbuf {

/// Level of the log.
enum class Level : std::uint32_t { error = BB_LOG_ERROR, warn = BB_LOG_WARN, info = BB_LOG_INFO, debug = BB_LOG_DEBUG };

/// One record of the log; the strings are valid during the call.
struct LogRecord {
    Level level;
    std::string_view part, label, text;
};

/**
 * @brief Sends the library's log to `call(const LogRecord &)`, which may run on any thread.
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
        return {BB_E_OUT_OF_MEMORY, detail::LocalError::memory};
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
/// Writes a list of all live objects as text, in pieces: `write(std::string_view)`.
template <class F> Status try_dump(F &&write) {
    detail::Writer<std::remove_reference_t<F>> writer{write};
    return writer.finish(bb_debug_dump(writer.call, &writer));
}
/// Writes the same to an open descriptor, such as 2. It takes no lock and allocates nothing: for signal handlers and
/// debuggers.
inline Status try_dump_fd(int fd) noexcept { return bb_debug_dump_fd(fd); }

/// Options of a thread's waits.
enum class WaitFlags : std::uint32_t {
    none = 0,                              ///< waits go on after a signal handler has run
    interruptible = BB_WAIT_INTERRUPTIBLE, ///< they end with `BB_E_INTERRUPTED`; repeating the call continues it
};
/// Sets the options of all later waits of the calling thread.
inline Status try_set_wait_flags(WaitFlags flags) noexcept {
    return bb_set_wait_flags(static_cast<std::uint32_t>(flags));
}
/// How the waits of the process pass the time until they sleep.
enum class WaitPolicy : std::uint32_t {
    adaptive = BB_WAIT_POLICY_ADAPTIVE, ///< they spin for as long as a sleep would cost, where that helps
    sleep = BB_WAIT_POLICY_SLEEP,       ///< they sleep at once
    spin = BB_WAIT_POLICY_SPIN,         ///< they spin for the given time first
};
/// Sets the policy of all later waits of the process. `WaitPolicy::sleep` takes a spin of 0.
inline Status try_set_wait_policy(WaitPolicy policy, Timeout max_spin) noexcept {
    return bb_set_wait_policy(static_cast<std::uint32_t>(policy), max_spin.nanoseconds());
}
/// The same with the longest spin that the policy permits.
inline Status try_set_wait_policy(WaitPolicy policy) noexcept {
    return bb_set_wait_policy(static_cast<std::uint32_t>(policy),
                              policy == WaitPolicy::sleep ? 0 : BB_WAIT_MAX_SPIN_NS);
}
/**
 * @brief During its lifetime the waits of this thread call `check()` every 50 ms and after each handled signal.
 *
 * If it returns true the wait ends with `BB_E_INTERRUPTED`, otherwise the wait continues. It may use the library, also the
 * object that is waited for, and must not throw. Objects of this class are destroyed on the thread that created them, in
 * reverse order.
 *
 * @code
 * std::atomic<bool> stop{false};                       // set by a signal handler
 * const backbuf::WaitCheck check([&] { return stop.load(); });
 * m.synchronize();
 * @endcode
 */
template <class F> class WaitCheck {
  public:
    explicit WaitCheck(F check) noexcept : check_(std::move(check)) {
        static_assert(std::is_invocable_r_v<bool, F &>, "backbuf: a wait check is called with () and returns a bool");
        static_cast<void>(bb_set_wait_check(ask, this, &previous_));
    }
    WaitCheck(const WaitCheck &) = delete;
    WaitCheck &operator=(const WaitCheck &) = delete;
    ~WaitCheck() { static_cast<void>(bb_set_wait_check(previous_.function, previous_.user_data, nullptr)); }

  private:
    static std::int32_t ask(void *self) noexcept { return static_cast<WaitCheck *>(self)->check_() ? 1 : 0; }

    F check_;
    bb_wait_check previous_{};
};
#if BACKBUF_EXCEPTIONS
template <class F> void set_log(Level level, F call) { detail::check(try_set_log(level, std::move(call))); }
inline void clear_log() { detail::check(try_clear_log()); }
inline std::string dump() {
    std::string all;
    detail::check(try_dump([&](std::string_view piece) { all += piece; }));
    return all;
}
inline void dump_fd(int fd) { detail::check(try_dump_fd(fd)); }
inline void set_wait_flags(WaitFlags flags) { detail::check(try_set_wait_flags(flags)); }
inline void set_wait_policy(WaitPolicy policy) { detail::check(try_set_wait_policy(policy)); }
inline void set_wait_policy(WaitPolicy policy, Timeout max_spin) {
    detail::check(try_set_wait_policy(policy, max_spin));
}
#endif

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_LIBRARY_HPP
