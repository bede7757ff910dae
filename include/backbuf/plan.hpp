// How to look for a plan of a registry's buffers with lifetimes.
// SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_PLAN_HPP
#define BACKBUF_PLAN_HPP

#include "callback.hpp"

#include <functional>

#include "macros_push.hpp"

namespace backbuf {

namespace detail {
/// A cancel function, asked by any thread of a search. What it throws first ends the search, and goes on to the caller.
class Cancel {
  public:
    explicit Cancel(const std::function<bool()> &asked) noexcept : asked_(asked) {}
    static std::int32_t call(void *user_data) noexcept {
        auto &self = *static_cast<Cancel *>(user_data);
#if BACKBUF_EXCEPTIONS
        try {
            return self.asked_();
        } catch (...) {
            const std::lock_guard<std::mutex> held(self.lock_);
            if (!self.thrown_)
                self.thrown_ = std::current_exception();
            return 1;
        }
#else
        return self.asked_();
#endif
    }
    Status finish(Status status) {
#if BACKBUF_EXCEPTIONS
        if (thrown_)
            std::rethrow_exception(thrown_);
#endif
        return status;
    }

  private:
    const std::function<bool()> &asked_;
#if BACKBUF_EXCEPTIONS
    std::mutex lock_;
    std::exception_ptr thrown_;
#endif
};
} // namespace detail

/**
 * @brief How long and how to look for a plan: for a second, on the caller's thread, where nothing is said.
 *
 * @code
 * std::atomic<bool> enough{false};
 * bb_plan plan = registry.plan(&solver, backbuf::PlanConfig().budget(10s).threads(2).cancelled([&] { return enough.load(); }));
 * @endcode
 */
class PlanConfig {
  public:
    PlanConfig() noexcept { static_cast<void>(bb_plan_config_init(&raw_)); }

    /// The time for everything; zero for one quick plan.
    PlanConfig &budget(Timeout time) noexcept { return raw_.budget_ns = time.nanoseconds(), *this; }
    PlanConfig &threads(std::uint32_t count) noexcept { return raw_.threads = count, *this; }
    /// Where the random numbers begin. The same seed leads to the same plan, unless the time ends the search.
    PlanConfig &seed(std::uint64_t seed) noexcept { return raw_.seed = seed, *this; }
    /// Steps of the search at most, whatever the time.
    PlanConfig &nodes(std::uint64_t count) noexcept { return raw_.nodes = count, *this; }
    /// Elements of a region that are good enough.
    PlanConfig &target(std::uint64_t elements) noexcept { return raw_.target = elements, *this; }
    /// Asked now and then, from any of the threads that search: true ends it with the best plan so far. So does an exception, which
    /// Registry::plan raises.
    PlanConfig &cancelled(std::function<bool()> asked) noexcept { return cancelled_ = std::move(asked), *this; }

  private:
    friend class Registry;
    bb_plan_config raw_{};
    std::function<bool()> cancelled_;
};

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_PLAN_HPP
