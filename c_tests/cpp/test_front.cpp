// Front and Back: typed views on the two sides of the state.
#include "support.hpp"

#include <algorithm>
#include <complex>
#include <cstdint>
#include <numeric>
#include <type_traits>

using backbuf::Back;
using backbuf::BackMode;
using backbuf::Front;
using backbuf::Manager;

struct Particle {
    float position[3];
    std::int32_t cell;
};

static_assert(std::is_same_v<decltype(std::declval<Front<float>>()(0)), const float &>);
static_assert(std::is_same_v<decltype(std::declval<Back<float>>()(0)), float &>);
static_assert(!std::is_copy_constructible_v<Front<float>> && std::is_nothrow_move_constructible_v<Front<float>>);
static_assert(!std::is_copy_constructible_v<Back<float>> && std::is_nothrow_move_constructible_v<Back<float>>);

static_assert(backbuf::dtype<bool>::value == BB_BOOL && backbuf::dtype<std::byte>::value == BB_U8);
static_assert(backbuf::dtype<signed char>::value == BB_I8 && backbuf::dtype<unsigned short>::value == BB_U16);
static_assert(backbuf::dtype<long>::value == BB_I64 && backbuf::dtype<unsigned long long>::value == BB_U64);
static_assert(backbuf::dtype<std::uint32_t>::value == BB_U32 && backbuf::dtype<double>::value == BB_F64);
static_assert(backbuf::dtype<std::complex<float>>::value == BB_C64);
static_assert(backbuf::dtype<std::complex<double>>::value == BB_C128);
static_assert(backbuf::dtype<Particle>::value == BB_OPAQUE(16));

static void is_indexed_by_position() {
    const Manager<int> m({2, 3, 4});
    std::vector<int> all(24);
    std::iota(all.begin(), all.end(), 0);
    m.enqueue(0, all);
    m.synchronize();
    const auto f = m.front();
    for (int i = 0, n = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            for (int k = 0; k < 4; k++, n++)
                EXPECT(f(i, j, k) == n && f.at(i, j, k) == n && f[static_cast<std::size_t>(n)] == n);
    EXPECT_THROWS(BB_E_RANGE, f.at(2, 0, 0));
    EXPECT_THROWS(BB_E_RANGE, f.at(0, -1, 0));
    EXPECT_THROWS(BB_E_RANGE, f.at(0, 0));
    EXPECT(f.size() == 24 && f.span().size() == 24 && f.span()[23] == 23 && f.shape()[2] == 4);
    EXPECT(std::accumulate(f.begin(), f.end(), 0) == 23 * 12);
    EXPECT(reinterpret_cast<std::uintptr_t>(f.data()) % 64 == 0);
}

static void outlives_its_manager() {
    Front<double> f;
    EXPECT(!f && f.size() == 0 && f.data() == nullptr);
    {
        const Manager<double> m({100});
        m.enqueue_fill({}, 0.5);
        m.enqueue_tag(3);
        m.synchronize();
        f = m.front();
        m.enqueue_fill({}, 0.75);
        m.synchronize();
    }
    EXPECT(f && f.tag() == 3 && f(99) == 0.5 && f.size() == 100);
    bb_lease *raw = f.handle();
    f.reset();
    EXPECT(!f && f.data() == nullptr && bb_handle_check(raw) == BB_E_STALE);
}

static void moves_and_stays_empty_behind() {
    const Manager<int> m({2});
    auto a = m.front();
    bb_lease *raw = a.handle();
    auto b = std::move(a);
    EXPECT(!a && a.data() == nullptr && a.size() == 0); // NOLINT: used after move on purpose
    EXPECT_THROWS(BB_E_RANGE, a.at(0));
    EXPECT(b && b.handle() == raw);
    b = m.front();
    EXPECT(bb_handle_check(raw) == BB_E_STALE && b.handle() != raw);
    raw = b.release();
    EXPECT(!b && bb_lease_release(raw) == BB_OK);
    EXPECT(m.stats().leases_live == 0);
}

static void elements_may_be_structs_and_complex() {
    const Manager<Particle> m({10});
    m.enqueue(4, Particle{{1, 2, 3}, 7});
    m.enqueue_kernel([](backbuf::span<Particle> all) {
        for (auto &p : all)
            p.cell++;
    });
    m.synchronize();
    EXPECT(m.front()(4).position[1] == 2 && m.front()(4).cell == 8 && m.front()(5).cell == 1);
    const Manager<std::complex<float>> z({2});
    z.enqueue(1, std::complex<float>(0, 1));
    z.synchronize();
    EXPECT(z.front()(1).imag() == 1);
}

static float sum(const backbuf::Grid<const float> &g) { return std::accumulate(g.begin(), g.end(), 0.f); }

static void back_is_written_in_place() {
    const Manager<float> m({2, 4});
    for (std::uint64_t step = 1; step <= 5; step++) {
        auto back = m.back(BackMode::discard);
        EXPECT(back && back.epoch() == step - 1);
        for (int i = 0; i < 2; i++)
            for (int j = 0; j < 4; j++)
                back(i, j) = back.front()(i, j) + 1.f;
        back.commit(step);
        EXPECT(!back && back.data() == nullptr);
        m.synchronize();
    }
    EXPECT(sum(m.front()) == 40.f && m.front().tag() == 5 && m.epoch() == 5);
    auto kept = m.back();
    EXPECT(kept(1, 3) == 5.f);
    kept(1, 3) = 6.f;
    kept.commit(6);
    m.synchronize();
    EXPECT(sum(m.front()) == 41.f);
}

static void marked_ranges_of_the_back_are_what_changes() {
    const Manager<float> m({100, 4});
    const std::uint64_t before = m.epoch();
    auto back = m.back();
    back(7, 2) = 6.f;
    EXPECT_THROWS(BB_E_RANGE, back.mark_written(399, 2));
    EXPECT_THROWS(BB_E_RANGE, back.mark_written(UINT64_MAX / 2, 1));
    back.mark_written(30, 1);
    back.commit(1);
    m.synchronize();
    const auto front = m.front();
    const auto changes = front.changed_since(before);
    EXPECT(changes.size() == 1 && changes[0].first == 30 && changes[0].count == 1 && front(7, 2) == 6.f);
    auto discarded = m.back(BackMode::discard);
    EXPECT_STATUS(BB_E_STATE, discarded.try_mark_written(0, 1));
}

static void back_is_undone_unless_committed() {
    const Manager<int> m({3});
    m.enqueue_fill({}, 1);
    m.synchronize();
    {
        auto back = m.back();
        back[0] = 100;
    }
    auto a = m.back(BackMode::discard);
    a[1] = 100;
    Back<int> b(std::move(a));
    EXPECT(!a);                            // NOLINT: used after move on purpose
    EXPECT_THROWS(BB_E_NULL, a.commit(1)); // NOLINT: used after move on purpose
    b.cancel();
    b.cancel();
    EXPECT_THROWS(BB_E_NULL, b.commit(1));
    m.enqueue(2, 2);
    m.synchronize();
    const int wanted[] = {1, 1, 2};
    TEST_ASSERT_EQUAL_INT_ARRAY(wanted, m.front().data(), 3);
}

static void names_the_elements_that_have_changed() {
    Front<double> front;
    {
        const Manager<double> m({100, 10});
        std::vector<double> mirror(1000);
        std::uint64_t shown = 0;
        for (std::uint64_t step = 1; step <= 20; step++) {
            m.enqueue(m.shape().flat(step, 3), static_cast<double>(step));
            m.enqueue_fill({step * 40, 5}, -1.0);
            m.synchronize();
            front = m.front();
            const backbuf::Changes<> changes = front.changed_since(shown);
            EXPECT(changes.complete() && !changes.empty() && changes.size() <= 2);
            for (const backbuf::Range &r : changes)
                std::copy_n(front.begin() + r.first, r.count, mirror.begin() + static_cast<std::ptrdiff_t>(r.first));
            EXPECT(std::equal(front.begin(), front.end(), mirror.begin()));
            shown = front.epoch();
        }
        EXPECT(front.changed_since(shown).empty());
        EXPECT(front.changed_since(shown - 1)[0].first == 203 && front.changed_since(shown - 1)[1].count == 5);
        const auto one = front.changed_since<1>(shown - 1);
        EXPECT(one.size() == 1 && one[0].first == 203 && one[0].first + one[0].count == 805);
    }
    EXPECT(front.changed_since(10).complete()); // after the manager's end
    EXPECT_THROWS(BB_E_ARGUMENT, front.changed_since(21));
    EXPECT_STATUS(BB_E_NULL, Front<double>().try_changed_since(0).status());

    // Without a history, and in opaque elements that a write fills in part.
    const Manager<Particle> plain({8}, backbuf::Config().history(0));
    plain.enqueue(3, Particle{});
    plain.synchronize();
    const auto all = plain.front().changed_since(0);
    EXPECT(!all.complete() && all.size() == 1 && all[0].first == 0 && all[0].count == 8);
}

static void elements_are_copied_without_a_front() {
    const Manager<int> m({2, 3});
    m.enqueue_fill({}, 5);
    m.enqueue(4, 7);
    m.enqueue_tag(9);
    m.synchronize();
    for (int again = 0; again < 2; again++) {
        int two[2] = {};
        const backbuf::ReadEpoch is = m.read_into(3, two);
        EXPECT(is.epoch == 1 && is.tag == 9 && two[0] == 5 && two[1] == 7);
        EXPECT(m.read() == 5 && m.read(m.shape().flat(1, 1)) == 7);
        std::vector<int> all(m.size());
        m.read_into(0, all);
        EXPECT(std::accumulate(all.begin(), all.end(), 0) == 32);
    }
    std::vector<int> more(7);
    EXPECT_STATUS(BB_E_RANGE, m.try_read_into(0, more).status());
    EXPECT_STATUS(BB_E_RANGE, m.try_read(6).status());
    EXPECT_THROWS(BB_E_RANGE, m.read(UINT64_MAX));
    EXPECT_STATUS(BB_E_NULL, Manager<int>().try_read().status());

    const Manager<Particle> one(backbuf::Shape{});
    one.enqueue(0, Particle{{1, 2, 3}, 4});
    one.synchronize();
    const Particle p = one.read();
    EXPECT(p.position[2] == 3 && p.cell == 4);
}

int main() {
    UNITY_BEGIN();
    RUN(is_indexed_by_position);
    RUN(outlives_its_manager);
    RUN(moves_and_stays_empty_behind);
    RUN(elements_may_be_structs_and_complex);
    RUN(back_is_written_in_place);
    RUN(marked_ranges_of_the_back_are_what_changes);
    RUN(back_is_undone_unless_committed);
    RUN(names_the_elements_that_have_changed);
    RUN(elements_are_copied_without_a_front);
    return UNITY_END();
}
