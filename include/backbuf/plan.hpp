// Parameters of the search for a plan of a registry's buffers with lifetimes. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_PLAN_HPP
#define BACKBUF_PLAN_HPP

#include "callback.hpp"

#include <functional>

#include "macros_push.hpp"

namespace backbuf {

namespace detail {
/// A cancel function, called by any thread of a search. Its first exception ends the search, and goes to the caller.
class Cancel {
  public:
    explicit Cancel(const std::function<bool()> &function) noexcept : function_(function) {}
    static std::int32_t call(void *user_data) noexcept {
        auto &self = *static_cast<Cancel *>(user_data);
#if BACKBUF_EXCEPTIONS
        try {
            return self.function_();
        } catch (...) {
            const std::lock_guard<std::mutex> held(self.lock_);
            if (!self.thrown_)
                self.thrown_ = std::current_exception();
            return 1;
        }
#else
        return self.function_();
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
    const std::function<bool()> &function_;
#if BACKBUF_EXCEPTIONS
    std::mutex lock_;
    std::exception_ptr thrown_;
#endif
};
} // namespace detail

/**
 * @brief Parameters of the search for a plan. Default: one second, on the calling thread.
 *
 * @code
 * std::atomic<bool> enough{false};
 * bb_plan plan = registry.plan(&solver, backbuf::PlanConfig().budget(10s).threads(2).cancelled([&] { return enough.load(); }));
 * @endcode
 */
class PlanConfig {
  public:
    PlanConfig() noexcept { static_cast<void>(bb_plan_config_init(&raw_)); }

    /// Time limit; zero for one quick plan.
    PlanConfig &budget(Timeout time) noexcept { return raw_.budget_ns = time.nanoseconds(), *this; }
    PlanConfig &threads(std::uint32_t count) noexcept { return raw_.threads = count, *this; }
    /// Seed of the random numbers. The same seed gives the same plan, unless the time limit ends the search.
    PlanConfig &seed(std::uint64_t seed) noexcept { return raw_.seed = seed, *this; }
    /// Maximum steps of the search.
    PlanConfig &nodes(std::uint64_t count) noexcept { return raw_.nodes = count, *this; }
    /// Elements of a region at which the search stops.
    PlanConfig &target(std::uint64_t elements) noexcept { return raw_.target = elements, *this; }
    /// Called repeatedly by any thread of the search: true ends it with the best plan so far. So does an exception, which
    /// Registry::plan rethrows.
    PlanConfig &cancelled(std::function<bool()> function) noexcept { return cancelled_ = std::move(function), *this; }

  private:
    friend class Registry;
    bb_plan_config raw_{};
    std::function<bool()> cancelled_;
};

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_PLAN_HPP
