// Status, Result, Error and span: what calls return, and what they take.
#include "support.hpp"

#include <array>
#include <memory>
#include <type_traits>

using backbuf::Error;
using backbuf::Manager;
using backbuf::Result;
using backbuf::span;
using backbuf::Status;

// What costs nothing over C is no larger than in C.
static_assert(sizeof(Status) == sizeof(bb_status) && std::is_trivially_copyable_v<Status>);
static_assert(sizeof(backbuf::Task) == sizeof(void *) && sizeof(backbuf::Watch) == sizeof(void *));
static_assert(sizeof(span<float>) == 2 * sizeof(void *) && std::is_trivially_copyable_v<span<float>>);

static void a_status_is_true_when_all_is_well() {
    const Status fine = BB_OK;
    EXPECT(fine && fine.code() == BB_OK && *fine.text() == '\0');
    const Status full = BB_E_FULL;
    EXPECT(!full && full == BB_E_FULL && full != fine);
}

static void its_text_names_the_parameter() {
    const Manager<float> m({2, 2}, backbuf::Config().label("grid"));
    const Status range = m.try_enqueue(4, 1.f);
    EXPECT(range == BB_E_RANGE && std::string(range.text()).find("grid") != std::string::npos);
    const Status rank = m.try_enqueue_fill({0}, {1}, 1.f);
    EXPECT(rank == BB_E_ARGUMENT && rank.code() == BB_E_ARGUMENT);
    EXPECT(std::string(rank.text()).find("dimension") != std::string::npos);
    const Status data = m.try_enqueue_region({0, 0}, {2, 2}, std::vector<float>(3));
    EXPECT(data == BB_E_RANGE && std::string(data.text()).find("data") != std::string::npos);
    try {
        m.enqueue(4, 1.f);
        TEST_FAIL_MESSAGE("accepted beyond the end");
    } catch (const Error &e) {
        EXPECT(e.status() == BB_E_RANGE && std::string(e.what()).find("grid") != std::string::npos);
    }
}

static void a_result_holds_a_value_or_a_status() {
    const Result<int> some(3);
    EXPECT(some && *some == 3 && some.value() == 3 && some.status());
    const Result<int> none{Status(BB_E_EMPTY)};
    EXPECT(!none && none.status() == BB_E_EMPTY);
    EXPECT_THROWS(BB_E_EMPTY, none.value());
    EXPECT(Result<int>(Status(BB_E_EMPTY)).value_or(5) == 5 && Result<int>(4).value_or(5) == 4);
    Result<std::string> text(std::string("abc"));
    EXPECT(text->size() == 3);
    EXPECT(std::move(text).value() == "abc");
}

static void nothing_is_thrown_by_try() {
    auto made = Manager<int>::try_create({4});
    EXPECT(made);
    const Manager<int> m = *std::move(made);
    EXPECT_STATUS(BB_OK, m.try_enqueue(0, 5));
    auto batch = m.try_batch();
    EXPECT(batch && batch->try_fill({2}, 6) && batch->try_tag(2) && batch->try_commit(1s));
    auto task = m.try_task("upload");
    EXPECT(task && task->try_end());
    EXPECT_STATUS(BB_OK, m.try_synchronize(1min));
    auto front = m.try_front();
    EXPECT(front && (*front)(0) == 5 && (*front)(3) == 6 && front->tag() == 2);
    auto back = m.try_back(backbuf::BackMode::keep, 0ms);
    EXPECT(back && back->try_cancel());
    auto watch = m.try_watch(0);
    EXPECT(watch && watch->try_fd() && watch->try_wait(1s).value_or(0) == 1);
    EXPECT(m.try_epoch().value_or(0) == 1 && m.try_info() && m.try_stats() && m.try_trim());
    const auto ticket = m.try_synchronize_async();
    EXPECT(ticket && m.try_wait(*ticket, 1min));
    EXPECT_STATUS(BB_E_TIMEOUT, m.try_wait_epoch(1, 0ms).status());
    EXPECT_STATUS(BB_OK, m.try_close(1min));
}

static void spans_are_made_of_what_is_contiguous() {
    std::vector<int> v{1, 2, 3, 4};
    const span<int> all(v);
    const span<const int> read(all);
    int array[] = {5, 6};
    const std::array<int, 2> fixed{7, 8};
    EXPECT(all.size() == 4 && all.size_bytes() == 16 && all.front() == 1 && all.back() == 4 && read[2] == 3);
    EXPECT(span<int>(array).size() == 2 && span<const int>(fixed)[1] == 8 && span<int>().empty());
    EXPECT(all.first(2).back() == 2 && all.last(1).front() == 4);
    EXPECT(all.subspan(1).size() == 3 && all.subspan(1, 2).back() == 3);
    int total = 0;
    for (int x : read)
        total += x;
    EXPECT(total == 10);
    static_assert(!std::is_convertible_v<span<const int>, span<int>>);
}

int main() {
    UNITY_BEGIN();
    RUN(a_status_is_true_when_all_is_well);
    RUN(its_text_names_the_parameter);
    RUN(a_result_holds_a_value_or_a_status);
    RUN(nothing_is_thrown_by_try);
    RUN(spans_are_made_of_what_is_contiguous);
    return UNITY_END();
}
