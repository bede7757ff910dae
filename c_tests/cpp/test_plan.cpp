// Plans without a registry: offsets, bounds, malformed columns, cancelling.
#include "support.hpp"

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

using backbuf::forever;
using backbuf::MemoryPlan;
using backbuf::PlanConfig;

using Numbers = std::vector<std::uint64_t>;

static void buffers_that_take_turns_share_their_memory() {
    const Numbers lower{0, 3, 0, 9, 0}, upper{3, 9, 9, 21, 21}, size{4, 4, 4, 4, 4};
    const MemoryPlan plan = backbuf::plan(lower, upper, size);
    EXPECT(plan.height == 12 && plan.lower_bound == 12 && plan.exact && plan.gap() == 0);
    EXPECT(plan.offsets.size() == 5 && plan.offsets[0] == plan.offsets[1]);
    EXPECT(plan.heuristic_height >= plan.height);
    const Numbers none;
    EXPECT(backbuf::plan(none, none, none).height == 0);
}

static void one_alignment_is_for_all_items() {
    const Numbers lower{0, 0}, upper{1, 1}, size{10, 10};
    const Numbers for_all{64};
    const MemoryPlan plan = backbuf::plan(lower, upper, size, PlanConfig(), for_all);
    EXPECT(plan.height == 74);
    const Numbers each{1, 4};
    EXPECT(backbuf::plan(lower, upper, size, PlanConfig().budget(forever), each).height == 20);
}

static void malformed_columns_are_refused() {
    const Numbers two{1, 2}, three{2, 3, 4}, zero{0, 1}, odd{3}, large{UINT64_MAX, 1};
    EXPECT_THROWS(BB_E_ARGUMENT, backbuf::plan(two, three, two));
    EXPECT_THROWS(BB_E_ARGUMENT, backbuf::plan(two, two, two));
    EXPECT_STATUS(BB_E_ARGUMENT, backbuf::try_plan(zero, two, zero).status());
    EXPECT_STATUS(BB_E_ALIGN, backbuf::try_plan(zero, two, two, {}, odd).status());
    EXPECT_STATUS(BB_E_RANGE, backbuf::try_plan(zero, two, large).status());
    std::string text;
    try {
        static_cast<void>(backbuf::plan(two, three, two));
    } catch (const backbuf::Error &error) {
        text = error.what();
    }
    EXPECT(text.find("lower, upper and size need one number for each item") != std::string::npos);
}

static void a_search_ends_by_its_function_or_its_exception() {
    Numbers lower, upper, size;
    std::uint32_t state = 7;
    const auto next = [&](std::uint32_t below) {
        state = state * 1664525 + 1013904223;
        return (state >> 8) % below;
    };
    for (int k = 0; k < 300; k++) {
        lower.push_back(next(200));
        upper.push_back(lower.back() + 1 + next(60));
        size.push_back(1 + next(997));
    }
    std::atomic<int> asked{0};
    const MemoryPlan plan =
        backbuf::plan(lower, upper, size, PlanConfig().budget(forever).cancelled([&] { return ++asked >= 3; }));
    EXPECT(asked >= 3 && plan.height >= plan.lower_bound);
    const auto broken = PlanConfig().budget(forever).threads(2).cancelled(
        []() -> bool { throw std::runtime_error("the light went out"); });
    std::string raised;
    try {
        static_cast<void>(backbuf::plan(lower, upper, size, broken));
    } catch (const std::runtime_error &error) {
        raised = error.what();
    }
    EXPECT(raised == "the light went out");
}

int main() {
    UNITY_BEGIN();
    RUN(buffers_that_take_turns_share_their_memory);
    RUN(one_alignment_is_for_all_items);
    RUN(malformed_columns_are_refused);
    RUN(a_search_ends_by_its_function_or_its_exception);
    return UNITY_END();
}
