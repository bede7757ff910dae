// Plans: offsets for buffers of known size and lifetime in as little memory as possible. SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_PLAN_HPP
#define BACKBUF_PLAN_HPP

#include "callback.hpp"

#include <functional>
#include <vector>

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
 * bb_registry_plans plan = registry.plan(&solver, backbuf::PlanConfig().budget(10s).threads(2).cancelled([&] { return enough.load(); }));
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
    /// Bytes, or in a registry elements of a region, at which the search stops.
    PlanConfig &target(std::uint64_t size) noexcept { return raw_.target = size, *this; }
    /// Called repeatedly by any thread of the search: true ends it with the best plan so far. So does an exception, which
    /// the plan rethrows.
    PlanConfig &cancelled(std::function<bool()> function) noexcept { return cancelled_ = std::move(function), *this; }

  private:
    friend class BufferRegistry;
    friend Result<struct MemoryPlan> try_plan(span<const std::uint64_t>, span<const std::uint64_t>,
                                              span<const std::uint64_t>, const PlanConfig &, span<const std::uint64_t>);
    bb_plan_config raw_{};
    std::function<bool()> cancelled_;
};

/// A byte offset for each item, and how good the plan is.
struct MemoryPlan {
    std::vector<std::uint64_t> offsets;
    /// Bytes that all items need together: the highest end of one.
    std::uint64_t height = 0;
    /// No plan has a smaller height.
    std::uint64_t lower_bound = 0;
    /// Whether no better plan exists.
    bool exact = false;
    /// Height before the search.
    std::uint64_t heuristic_height = 0;
    /// Steps of the search.
    std::uint64_t nodes = 0;

    /// How much lower a better plan could be at most.
    std::uint64_t gap() const noexcept { return height - lower_bound; }
};

/// plan() with its error as a result. Rethrows an exception of PlanConfig::cancelled.
inline Result<MemoryPlan> try_plan(span<const std::uint64_t> lower, span<const std::uint64_t> upper,
                                   span<const std::uint64_t> size, const PlanConfig &config = {},
                                   span<const std::uint64_t> alignment = {}) {
    if (upper.size() != lower.size() || size.size() != lower.size())
        return Status(BB_E_ARGUMENT, detail::LocalError::columns);
    bb_plan_config raw = config.raw_;
    detail::Cancel cancel(config.cancelled_);
    if (config.cancelled_) {
        raw.cancelled = cancel.call;
        raw.cancelled_user_data = &cancel;
    }
    MemoryPlan plan;
    plan.offsets.resize(lower.size());
    bb_plan_info info{};
    if (const Status status =
            cancel.finish(bb_plan(lower.data(), upper.data(), size.data(), lower.size(), alignment.data(),
                                  alignment.size(), &raw, plan.offsets.data(), sizeof(info), &info));
        !status)
        return status;
    plan.height = info.height;
    plan.lower_bound = info.lower_bound;
    plan.exact = info.exact != 0;
    plan.heuristic_height = info.heuristic_height;
    plan.nodes = info.nodes;
    return plan;
}

#if BACKBUF_EXCEPTIONS
/**
 * @brief Places items of known size and lifetime in as little memory as possible, without a registry.
 *
 * Item `k` has `size[k]` bytes and is alive from step `lower[k]` up to but not including `upper[k]`. `alignment` has no number,
 * one for all items, or one for each. Other threads may plan meanwhile.
 *
 * @code
 * const std::vector<std::uint64_t> lower{0, 3, 0}, upper{3, 9, 9}, size{100, 100, 50};
 * backbuf::MemoryPlan plan = backbuf::plan(lower, upper, size);
 * bool best = plan.exact && plan.height == 150; // the first two share their 100 bytes
 * @endcode
 */
inline MemoryPlan plan(span<const std::uint64_t> lower, span<const std::uint64_t> upper, span<const std::uint64_t> size,
                       const PlanConfig &config = {}, span<const std::uint64_t> alignment = {}) {
    return try_plan(lower, upper, size, config, alignment).value();
}
#endif

} // namespace backbuf

#include "macros_pop.hpp"

#endif // BACKBUF_PLAN_HPP
