// Manager: creation, each kind of update, queries, handles given and taken, use after move.
#include "support.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <type_traits>

using backbuf::Config;
using backbuf::Manager;

static_assert(!std::is_copy_constructible_v<Manager<float>> && !std::is_copy_assignable_v<Manager<float>>);
static_assert(std::is_nothrow_move_constructible_v<Manager<float>> &&
              std::is_nothrow_move_assignable_v<Manager<float>>);

static void starts_as_zeros_at_epoch_0() {
    const Manager<float> m({3, 4, 5});
    EXPECT(m && m.size() == 60 && m.shape() == backbuf::Shape({3, 4, 5}));
    const auto f = m.front();
    EXPECT(f.epoch() == 0 && f.tag() == 0 && f.size() == 60);
    for (float x : f)
        EXPECT(x == 0.f);
}

static void shape_may_be_a_list_a_container_or_nothing() {
    EXPECT(Manager<double>({5}).size() == 5);
    EXPECT(Manager<double>(std::vector<std::uint64_t>{2, 3}).size() == 6);
    const int rows = 7;
    EXPECT(Manager<double>({rows, 2U, 1L}).size() == 14);
    const Manager<double> scalar(backbuf::Shape{});
    EXPECT(scalar.size() == 1);
    scalar.enqueue(0, 2.5);
    scalar.synchronize();
    EXPECT(scalar.front()() == 2.5);
    const Manager<double> nothing({4, 0, 4});
    EXPECT(nothing.size() == 0 && nothing.front().span().empty());
}

static void config_reaches_the_library() {
    const std::array<std::int16_t, 6> initial{1, 2, 3, 4, 5, 6};
    const Manager<std::int16_t> m({2, 3}, Config()
                                              .label("small")
                                              .initial(initial)
                                              .queue_bytes(1 << 16)
                                              .copies(2)
                                              .max_extra_copies(1)
                                              .watchdog(500ms)
                                              .caller_budget_bytes(1 << 12)
                                              .worker(backbuf::Worker::only)
                                              .worker_priority(0)
                                              .worker_affinity(0));
    const bb_manager_info info = m.info();
    TEST_ASSERT_EQUAL_STRING("small", info.label);
    EXPECT(info.copies == 2 && info.max_extra_copies == 1 && info.dtype == BB_I16 && info.ndim == 2 &&
           info.shape[1] == 3 && info.bytes == 12);
    EXPECT(m.front()(1, 2) == 6);
}

static void a_bounded_destroy_reports_what_still_runs() {
    std::atomic<bool> started{false}, shut{true}, done{false};
    Manager<float> m({4});
    m.enqueue_kernel([&](backbuf::span<float>) {
        started = true;
        while (shut)
            std::this_thread::sleep_for(1ms);
        done = true;
    });
    while (!started)
        std::this_thread::sleep_for(1ms);
    const backbuf::Status status = m.try_destroy(5ms);
    EXPECT(status.code() == BB_E_STALLED && !m);
    shut = false;
    while (!done)
        std::this_thread::sleep_for(1ms);
    started = false, shut = true, done = false;
    Manager<float> checked({4});
    checked.enqueue_kernel([&](backbuf::span<float>) {
        started = true;
        while (shut)
            std::this_thread::sleep_for(1ms);
        done = true;
    });
    while (!started)
        std::this_thread::sleep_for(1ms);
    {
        const backbuf::WaitCheck check([] { return true; });
        EXPECT_THROWS(BB_E_INTERRUPTED, checked.destroy());
    }
    EXPECT(!checked && !done);
    shut = false;
    while (!done)
        std::this_thread::sleep_for(1ms);
    Manager<float> other({4});
    other.destroy();
    EXPECT(!other);
}

static void initial_must_fit() {
    const std::vector<float> five(5);
    EXPECT_THROWS(BB_E_ARGUMENT, Manager<float>({6}, Config().initial(five)));
    EXPECT_THROWS(BB_E_ARGUMENT, Manager<double>({5}, Config().initial(five)));
    const auto refused = Manager<float>::try_create({6}, Config().initial(five));
    EXPECT(!refused && std::string(refused.status().text()).find("initial") != std::string::npos);
}

static void bad_creation_is_refused() {
    EXPECT_THROWS(BB_E_ARGUMENT, Manager<float>(std::vector<std::uint64_t>(17, 1)));
    EXPECT(!Manager<float>::try_create({UINT64_MAX, 2}));
    EXPECT(!Manager<float>::try_create({-1}));
    EXPECT(!Manager<float>::try_create({4}, Config().copies(9)));
}

static void every_update_is_seen() {
    const Manager<int> m({4, 4});
    m.enqueue(0, std::vector<int>{1, 2});
    m.enqueue(2, {std::array<int, 3>{3, 4, 5}.data(), 2});
    m.enqueue(m.shape().flat(1, 0), 7, 1s);
    const int row[2][2] = {{8, 9}, {10, 11}};
    m.enqueue(6, row);
    m.enqueue_fill({12, 2}, -1);
    m.enqueue_fill({3, 2}, {1, 2}, -2);
    m.enqueue_region({2, 2}, {1, 2}, row[1]);
    m.enqueue_tag(42);
    m.synchronize(1min);
    const auto f = m.front();
    const int wanted[] = {1, 2, 3, 4, 7, 0, 8, 9, 10, 11, 10, 11, -1, -1, -2, -2};
    TEST_ASSERT_EQUAL_INT_ARRAY(wanted, f.data(), 16);
    EXPECT(f.tag() == 42 && f.epoch() == m.epoch() && m.epoch() >= 1);
    m.enqueue_fill({}, 5);
    m.synchronize();
    for (int x : m.front())
        EXPECT(x == 5);
    for (std::size_t i = 0; i < 16; i++)
        EXPECT(f[i] == wanted[i]); // the older front is untouched
}

static void many_updates_are_one() {
    const Manager<int> m({8});
    const std::vector<int> pair{1, 2};
    const int place = 6;
    m.enqueue_updates({{0, pair}, {1, 3}, {place, pair}});
    m.synchronize();
    EXPECT_THROWS(BB_E_RANGE, m.enqueue_updates({{0, 9}, {7, pair}})); // one bad update refuses them all
    const int five = 5;
    std::vector<backbuf::BufferUpdate<int>> kept{{4, five}};
    kept.emplace_back(5, pair.front());
    m.enqueue_updates(kept, 1s);
    m.enqueue_updates({});
    EXPECT_STATUS(BB_OK, m.try_enqueue_updates({{3, 7}}));
    m.synchronize();
    const int wanted[] = {1, 3, 0, 7, 5, 1, 1, 2};
    TEST_ASSERT_EQUAL_INT_ARRAY(wanted, m.front().data(), 8);
}

static void regions_have_steps_and_strides() {
    const Manager<int> m({4, 6});
    const int data[] = {1, 2, 3, 4};
    m.enqueue_region({0, 1}, {2, 2}, data, {3, 2});                       // packed, every third row and second column
    m.enqueue_region({1, 5}, {1, 4}, {data, {0, 4}}, {1, -1});            // walks back in the state
    m.enqueue_region({2, 0}, {1, 4}, {data + 3, {0, -4}});                // walks back in the data
    m.enqueue_region({2, 4}, {2, 2}, backbuf::Source<int>::repeat(9, 2)); // one element for all
    m.synchronize();
    const int wanted[] = {0, 1, 0, 2, 0, 0, /**/ 0, 0, 4, 3, 2, 1, /**/ 4, 3, 2, 1, 9, 9, /**/ 0, 3, 0, 4, 9, 9};
    TEST_ASSERT_EQUAL_INT_ARRAY(wanted, m.front().data(), 24);
}

static void bad_updates_are_refused_and_change_nothing() {
    const Manager<double> m({2, 3});
    const std::vector<double> four(4, 1.0);
    EXPECT_THROWS(BB_E_RANGE, m.enqueue(3, four));
    EXPECT_THROWS(BB_E_RANGE, m.enqueue(std::uint64_t{1} << 61, four)); // would wrap to offset 0 in bytes
    EXPECT_THROWS(BB_E_RANGE, m.enqueue(UINT64_MAX, 1.0));
    EXPECT_THROWS(BB_E_RANGE, m.enqueue_fill({7}, 1.0));
    EXPECT_THROWS(BB_E_RANGE, m.enqueue_fill({4, 3}, 1.0));
    EXPECT_THROWS(BB_E_ARGUMENT, m.enqueue_region({0}, {2, 2}, four));
    EXPECT_THROWS(BB_E_ARGUMENT, m.enqueue_region({0, 0}, {2, 2}, four, {1}));
    EXPECT_THROWS(BB_E_ARGUMENT, m.enqueue_region({0, 0}, {2, 2}, {four.data(), {8}}));
    EXPECT_THROWS(BB_E_RANGE, m.enqueue_region({0, 0}, {2, 3}, four)); // six are needed
    EXPECT_THROWS(BB_E_RANGE, m.enqueue_region({1, 2}, {1, 2}, four));
    EXPECT_THROWS(BB_E_RANGE, m.enqueue_region({-1, 0}, {1, 1}, four));
    m.synchronize();
    EXPECT(m.epoch() == 0);
    for (double x : m.front())
        EXPECT(x == 0);
    EXPECT(m.stats().refused_total >= 7);
}

static void borrowed_data_is_released_once() {
    std::atomic<int> released{0};
    {
        const Manager<int> m({4});
        const auto data = std::make_shared<std::vector<int>>(4, 6);
        m.enqueue_borrowed(0, *data, [data, &released] { released++; });
        EXPECT_THROWS(BB_E_RANGE, m.enqueue_borrowed(1, *data, [&released] { released += 100; }));
        m.synchronize();
        EXPECT(m.front()(3) == 6);
    }
    TEST_ASSERT_EQUAL_INT(1, released.load());
}

static void handles_are_borrowed_adopted_and_given_away() {
    const std::uint64_t shape[] = {2, 2};
    bb_manager *raw = nullptr;
    EXPECT(bb_manager_create(BB_F32, 2, shape, nullptr, &raw) == BB_OK);
    {
        const auto borrowed = Manager<float>::attach(raw);
        EXPECT(borrowed.shape() == backbuf::Shape({2, 2}));
        borrowed.enqueue(0, 1.5f);
        auto moved = Manager<float>::attach(raw);
        moved = Manager<float>::attach(raw); // neither assigning nor leaving destroys what is borrowed
    }
    EXPECT_THROWS(BB_E_ARGUMENT, Manager<double>::attach(raw));
    {
        auto owned = Manager<float>::adopt(raw);
        owned.synchronize();
        EXPECT(owned.front()(0, 0) == 1.5f);
        EXPECT(owned.release() == raw && !owned);
    }
    EXPECT(bb_handle_check(raw) == BB_OK);
    {
        const auto owned = Manager<float>::adopt(raw);
    }
    EXPECT(bb_handle_check(raw) == BB_E_STALE);
    EXPECT_THROWS(BB_E_STALE, Manager<float>::attach(raw));
    EXPECT_THROWS(BB_E_NULL, Manager<float>::attach(nullptr));
}

static void moves_and_stays_empty_behind() {
    Manager<float> a({3});
    bb_manager *raw = a.handle();
    Manager<float> b(std::move(a));
    EXPECT(b.handle() == raw && b.size() == 3);
    EXPECT(!a && a.size() == 0); // NOLINT: used after move on purpose
    EXPECT_THROWS(BB_E_NULL, a.synchronize());
    EXPECT_THROWS(BB_E_NULL, a.enqueue(0, 1.f));
    EXPECT_THROWS(BB_E_NULL, a.front());
    EXPECT_THROWS(BB_E_NULL, a.batch());
    Manager<float> c({4});
    bb_manager *replaced = c.handle();
    c = std::move(b);
    EXPECT(c.handle() == raw && bb_handle_check(replaced) == BB_E_STALE);
    c.reset();
    EXPECT(!c && bb_handle_check(raw) == BB_E_STALE);
    c = Manager<float>({5});
    EXPECT(c.size() == 5);
}

static void many_threads_share_one_object() {
    const Manager<std::uint64_t> m({8});
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (std::uint64_t t = 0; t < 4; t++)
        threads.emplace_back([&m, t] {
            for (std::uint64_t i = 1; i <= 200; i++) {
                m.enqueue(2 * t, std::array<std::uint64_t, 2>{i, i});
                m.synchronize();
                const auto f = m.front();
                if (f[2 * t] != i || f[2 * t + 1] != i)
                    std::abort();
            }
        });
    for (auto &thread : threads)
        thread.join();
    for (std::uint64_t x : m.front())
        EXPECT(x == 200);
}

static void close_is_reported() {
    const Manager<int> m({2}, Config().label("closing"));
    m.enqueue(1, 3);
    m.trim();
    m.close(1min);
    EXPECT(m.front()(1) == 3);
    EXPECT_THROWS(BB_E_CLOSED, m.enqueue(0, 1));
    EXPECT(m.stats_text().find("updates") != std::string::npos);
    EXPECT(backbuf::dump().find("closing") != std::string::npos);
    int ends[2];
    EXPECT(pipe(ends) == 0);
    backbuf::dump_fd(ends[1]);
    char text[4096]; // less than a pipe holds
    const auto size = read(ends[0], text, sizeof(text));
    EXPECT(size > 0 && std::string(text, static_cast<std::size_t>(size)).find("closing") != std::string::npos);
    close(ends[0]), close(ends[1]);
    EXPECT_THROWS(BB_E_ARGUMENT, backbuf::dump_fd(-1));
}

int main() {
    UNITY_BEGIN();
    RUN(starts_as_zeros_at_epoch_0);
    RUN(shape_may_be_a_list_a_container_or_nothing);
    RUN(config_reaches_the_library);
    RUN(a_bounded_destroy_reports_what_still_runs);
    RUN(initial_must_fit);
    RUN(bad_creation_is_refused);
    RUN(every_update_is_seen);
    RUN(many_updates_are_one);
    RUN(regions_have_steps_and_strides);
    RUN(bad_updates_are_refused_and_change_nothing);
    RUN(borrowed_data_is_released_once);
    RUN(handles_are_borrowed_adopted_and_given_away);
    RUN(moves_and_stays_empty_behind);
    RUN(many_threads_share_one_object);
    RUN(close_is_reported);
    return UNITY_END();
}
