// Callbacks from any callable: they are dropped once, and what they throw reaches the caller, never the library.
#include "support.hpp"

#include <memory>
#include <stdexcept>

using backbuf::Config;
using backbuf::KernelFlags;
using backbuf::Manager;

struct Custom {
    int number;
};

// The number of the Custom that the call throws; 0 when it throws nothing.
template <class F> static int thrown(F call) {
    try {
        call();
    } catch (const Custom &c) {
        return c.number;
    }
    return 0;
}

static void a_kernel_sees_its_range_and_the_front() {
    const Manager<int> m({10});
    m.enqueue_fill({}, 2);
    m.synchronize();
    m.enqueue(4, 5);
    m.enqueue_kernel(
        [](backbuf::span<int> back, backbuf::span<const int> front) {
            for (std::size_t i = 0; i < back.size(); i++)
                back[i] += 10 * front[i];
        },
        {3, 3});
    m.enqueue_kernel([](auto back) { back[0] = -1; }, {9}, KernelFlags::any_thread | KernelFlags::overwrites);
    m.synchronize();
    const int wanted[] = {2, 2, 2, 22, 25, 22, 2, 2, 2, -1};
    TEST_ASSERT_EQUAL_INT_ARRAY(wanted, m.front().data(), 10);
}

static void a_kernel_is_dropped_once_run_or_not() {
    const auto alive = std::make_shared<int>(0);
    const auto kernel = [alive](backbuf::span<int>) { ++*alive; };
    {
        const Manager<int> m({4});
        m.enqueue_kernel(kernel);
        m.synchronize();
        EXPECT(*alive == 1);
        EXPECT_THROWS(BB_E_RANGE, m.enqueue_kernel(kernel, {5}));
        m.batch().kernel(kernel); // the batch is cancelled at the end of this line
        m.enqueue_kernel(kernel, {0, 1});
    } // discards or runs it, but drops it
    EXPECT(*alive <= 2);
    while (alive.use_count() != 2) // drops may run on the worker, which goes by itself
        std::this_thread::sleep_for(1ms);
}

static void what_a_kernel_throws_is_raised_by_synchronize() {
    const Manager<int> m({2});
    const Manager<int> other({2});
    m.enqueue_kernel([](backbuf::span<int> all) {
        all[0] = 1;
        throw Custom{7};
    });
    m.enqueue_kernel([](backbuf::span<int>) { throw Custom{8}; }); // the first is kept
    EXPECT_STATUS(BB_OK, m.try_synchronize());
    other.synchronize(); // not its exception
    EXPECT(thrown([&] { m.synchronize(); }) == 7);
    m.synchronize();
    EXPECT(m.front()(0) == 1);
}

static void what_a_batched_kernel_throws_is_raised_by_wait() {
    const Manager<int> m({2});
    auto b = m.batch();
    b.kernel([](backbuf::span<int>) { throw Custom{9}; }, {}, KernelFlags::any_thread);
    b.commit();
    const std::uint64_t ticket = m.synchronize_async();
    EXPECT(thrown([&] { m.wait(ticket); }) == 9);
    EXPECT(m.wait(ticket) >= 1);
}

static void it_can_be_taken_without_being_thrown() {
    const Manager<int> m({2});
    EXPECT(m.take_exception() == nullptr);
    m.enqueue_kernel([](backbuf::span<int>) { throw std::runtime_error("taken"); });
    EXPECT_STATUS(BB_OK, m.try_synchronize());
    const std::exception_ptr taken = m.take_exception();
    EXPECT(taken != nullptr);
    m.close();
    EXPECT(m.take_exception() == nullptr);
}

static void it_ends_with_its_manager() {
    EXPECT(backbuf::detail::stored_exceptions == 0);
    {
        const Manager<int> m({2});
        m.enqueue_kernel([](backbuf::span<int>) { throw Custom{1}; });
        EXPECT_STATUS(BB_OK, m.try_synchronize());
        EXPECT(backbuf::detail::stored_exceptions == 1);
    }
    EXPECT(backbuf::detail::stored_exceptions == 0);
}

static void a_flush_that_throws_fails_the_publish() {
    std::atomic<int> calls{0};
    const Manager<int> m({2}, Config().flush([&calls] {
        if (++calls <= 2)
            throw Custom{calls};
    }));
    m.enqueue(0, 1);
    EXPECT(thrown([&] { m.synchronize(); }) == 1);
    EXPECT(m.epoch() == 0);
    EXPECT_STATUS(BB_E_BACKEND, m.try_synchronize());
    EXPECT(m.epoch() == 0);
    m.synchronize(); // a successful attempt drops the exception of the failed one
    EXPECT(m.epoch() == 1 && calls == 3 && m.take_exception() == nullptr);
}

static void a_flush_may_return_a_code() {
    std::atomic<int> code{77};
    const Manager<int> m({2}, Config().flush([&code] { return code.load(); }));
    m.enqueue(0, 1);
    try {
        m.synchronize();
        TEST_FAIL_MESSAGE("published although the flush failed");
    } catch (const backbuf::Error &e) {
        EXPECT(e.status() == BB_E_BACKEND && std::string(e.what()).find("77") != std::string::npos);
    }
    code = 0;
    m.synchronize();
    EXPECT(m.epoch() == 1);
}

static void a_config_serves_several_managers() {
    const auto counter = std::make_shared<std::atomic<int>>(0);
    {
        const Config config = Config().flush([counter] { ++*counter; });
        const Manager<int> a({2}, config);
        const Manager<float> b({3}, config);
        EXPECT(!Manager<float>::try_create({UINT64_MAX, 2}, config));
        a.enqueue(0, 1);
        a.synchronize();
        b.enqueue(0, 1.f);
        b.synchronize();
    }
    EXPECT(*counter >= 2);
    while (counter.use_count() != 1)
        std::this_thread::sleep_for(1ms);
}

static void what_a_release_throws_is_raised_later() {
    const Manager<int> m({2});
    const std::vector<int> data{3, 4};
    m.enqueue_borrowed(0, data, [] { throw Custom{5}; });
    int got = 0;
    while (got == 0) // releases run on the worker, when it gets there
        got = thrown([&] { m.synchronize(); });
    EXPECT(got == 5 && m.front()(1) == 4);
}

static void a_callback_may_enqueue_and_not_synchronize() {
    const Manager<int> m({4});
    std::atomic<int> refused{0};
    m.enqueue_kernel([&](backbuf::span<int>) {
        m.enqueue(3, 9);
        refused = m.try_synchronize().code();
    });
    m.synchronize();
    m.synchronize();
    EXPECT(m.front()(3) == 9);
    EXPECT_STATUS(BB_E_RECURSIVE, static_cast<bb_status>(refused.load()));
}

static void the_log_is_heard_and_may_throw() {
    const auto lines = std::make_shared<std::atomic<int>>(0);
    backbuf::set_log(backbuf::Level::debug, [lines](const backbuf::LogRecord &record) {
        if (record.label == "logged")
            ++*lines;
        throw Custom{1};
    });
    {
        const Manager<int> m({2}, Config().label("logged"));
    }
    EXPECT(*lines >= 2); // its creation and its end
    backbuf::clear_log();
    EXPECT(lines.use_count() == 1);
}

static void what_a_writer_throws_goes_straight_through() {
    const Manager<int> m({2});
    EXPECT(thrown([&] { EXPECT(m.try_stats_write([](std::string_view) { throw Custom{3}; })); }) == 3);
    EXPECT(thrown([] { EXPECT(backbuf::try_dump([](std::string_view) { throw Custom{4}; })); }) == 4);
    EXPECT(!m.stats_text().empty());
}

int main() {
    UNITY_BEGIN();
    RUN(a_kernel_sees_its_range_and_the_front);
    RUN(a_kernel_is_dropped_once_run_or_not);
    RUN(what_a_kernel_throws_is_raised_by_synchronize);
    RUN(what_a_batched_kernel_throws_is_raised_by_wait);
    RUN(it_can_be_taken_without_being_thrown);
    RUN(it_ends_with_its_manager);
    RUN(a_flush_that_throws_fails_the_publish);
    RUN(a_flush_may_return_a_code);
    RUN(a_config_serves_several_managers);
    RUN(what_a_release_throws_is_raised_later);
    RUN(a_callback_may_enqueue_and_not_synchronize);
    RUN(the_log_is_heard_and_may_throw);
    RUN(what_a_writer_throws_goes_straight_through);
    return UNITY_END();
}
