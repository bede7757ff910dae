// Batch: one frame of several updates, all of it or nothing.
#include "support.hpp"

#include <algorithm>
#include <type_traits>

using backbuf::Batch;
using backbuf::Manager;

static_assert(!std::is_copy_constructible_v<Batch<float>> && std::is_nothrow_move_constructible_v<Batch<float>>);

static void one_frame_of_regions_fills_and_a_kernel() {
    const std::vector<float> tile(3 * 32 * 32, -2.f);
    const Manager<float> m({3, 256, 256});
    m.enqueue_fill({}, 1.f);
    auto b = m.batch();
    b.region({0, 64, 64}, {3, 32, 32}, tile);
    b.fill({1, 0, 0}, {2, 256, 1}, 5.f);
    b.update(0, 4.f);
    b.fill({1, 2}, 6.f);
    b.kernel([](backbuf::span<float> all) {
        for (float &x : all)
            x = std::max(x, 0.f);
    });
    b.tag(9);
    m.synchronize();
    EXPECT(m.front()(1, 0, 0) == 1.f); // nothing of a batch before its commit
    b.commit();
    EXPECT(!b);
    m.synchronize(1min);
    const auto f = m.front();
    EXPECT(f(0, 64, 64) == 0.f && f(2, 95, 95) == 0.f && f(0, 96, 64) == 1.f);
    EXPECT(f(1, 7, 0) == 5.f && f(2, 255, 0) == 5.f && f(0, 7, 0) == 1.f && f(1, 7, 1) == 1.f);
    EXPECT(f(0, 0, 0) == 4.f && f(0, 0, 1) == 6.f && f(0, 0, 2) == 6.f && f(0, 0, 3) == 1.f);
    EXPECT(f.tag() == 9);
}

static void leaving_the_scope_discards_it() {
    const Manager<int> m({4});
    bb_batch *raw = nullptr;
    {
        auto b = m.batch();
        b.fill({}, 3);
        raw = b.handle();
    }
    EXPECT(bb_handle_check(raw) == BB_E_STALE);
    try {
        auto b = m.batch();
        b.fill({}, 4);
        b.update(4, 1);
        b.commit();
    } catch (const backbuf::Error &e) {
        EXPECT(e.status() == BB_E_RANGE);
    }
    auto c = m.batch();
    c.fill({}, 5);
    c.cancel();
    EXPECT(!c);
    m.synchronize();
    EXPECT(m.epoch() == 0 && m.front()(0) == 0);
}

static void a_bad_update_leaves_the_others() {
    const Manager<int> m({2, 2});
    auto b = m.batch();
    b.update(0, 1);
    EXPECT_THROWS(BB_E_RANGE, b.update(4, 1));
    EXPECT_THROWS(BB_E_RANGE, b.fill({3, 2}, 1));
    EXPECT_THROWS(BB_E_ARGUMENT, b.fill({0}, {1}, 1));
    EXPECT_THROWS(BB_E_RANGE, b.region({1, 1}, {1, 2}, std::vector<int>(2)));
    EXPECT_THROWS(BB_E_RANGE, b.kernel([](backbuf::span<int>) {}, {5}));
    b.update(3, 2);
    b.commit();
    m.synchronize();
    const int wanted[] = {1, 0, 0, 2};
    TEST_ASSERT_EQUAL_INT_ARRAY(wanted, m.front().data(), 4);
}

static void an_empty_one_is_accepted() {
    const Manager<int> m({2});
    auto b = m.batch();
    b.commit();
    m.synchronize();
    EXPECT(m.front()(0) == 0);
}

static void moves_and_stays_empty_behind() {
    const Manager<int> m({2});
    auto a = m.batch();
    a.update(0, 1);
    Batch<int> b(std::move(a));
    EXPECT_THROWS(BB_E_NULL, a.update(0, 1)); // NOLINT: used after move on purpose
    EXPECT_THROWS(BB_E_NULL, a.commit());
    bb_batch *raw = b.handle();
    b = m.batch();
    EXPECT(bb_handle_check(raw) == BB_E_STALE);
    b.update(1, 2);
    b.commit();
    EXPECT_THROWS(BB_E_NULL, b.commit());
    m.synchronize();
    EXPECT(m.front()(0) == 0 && m.front()(1) == 2);
}

static void given_away_it_is_committed_in_c() {
    const Manager<int> m({2});
    auto b = m.batch();
    b.fill({}, 8);
    bb_batch *raw = b.release();
    EXPECT(!b && bb_batch_commit(raw, BB_FOREVER) == BB_OK);
    m.synchronize();
    EXPECT(m.front()(1) == 8);
}

static void outlives_its_manager_and_is_refused() {
    Manager<int> m({2});
    auto b = m.batch();
    m.reset();
    const auto refused = b.try_update(0, 1);
    EXPECT(!refused && (refused.code() == BB_E_CLOSED || refused.code() == BB_E_STALE));
}

int main() {
    UNITY_BEGIN();
    RUN(one_frame_of_regions_fills_and_a_kernel);
    RUN(leaving_the_scope_discards_it);
    RUN(a_bad_update_leaves_the_others);
    RUN(an_empty_one_is_accepted);
    RUN(moves_and_stays_empty_behind);
    RUN(given_away_it_is_committed_in_c);
    RUN(outlives_its_manager_and_is_refused);
    return UNITY_END();
}
