/* Leases keep their fronts after the manager's end; copies, pinning and trim. */
#include "support.h"

static void *churn(void *argument) {
    bb_manager *m = argument;
    for (uint32_t i = 1; i <= (uint32_t)rounds(2000); i++) {
        THREAD_OK(bb_manager_enqueue_fill(m, 0, 0, 1024, &i, BB_FOREVER));
        THREAD_OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    return NULL;
}

static void a_front_never_changes_while_it_is_held(void) {
    bb_manager *m = make_u32(1024, NULL);
    OK(bb_manager_enqueue_fill(m, 0, 0, 1024, &(uint32_t){77}, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    bb_front front;
    OK(bb_manager_acquire_front(m, &front));
    const pthread_t thread = start(churn, m);
    while (epoch_of(m) <= (uint64_t)rounds(2000)) {
        TEST_ASSERT_EACH_EQUAL_UINT32(77, front.data, 1024);
    }
    join(thread);
    TEST_ASSERT_EACH_EQUAL_UINT32(77, front.data, 1024);
    TEST_ASSERT_EQUAL_UINT64(1, stats_of(m).leases_live);
    OK(bb_lease_release(front.lease));
    TEST_ASSERT_EQUAL_UINT64(0, stats_of(m).leases_live);
    OK(bb_manager_destroy(m));
}

static void a_front_outlives_its_manager(void) {
    bb_manager *m = make_u32(1 << 20, NULL);
    bb_front first, second;
    OK(bb_manager_acquire_front(m, &first));
    OK(bb_manager_enqueue_fill(m, 0, 0, 1 << 20, &(uint32_t){5}, BB_FOREVER));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_acquire_front(m, &second));
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EACH_EQUAL_UINT32(0, first.data, 1 << 20);
    OK(bb_lease_release(first.lease));
    TEST_ASSERT_EACH_EQUAL_UINT32(5, second.data, 1 << 20);
    OK(bb_lease_release(second.lease));
    EXPECT(BB_E_STALE, bb_lease_release(second.lease));
}

static void many_leases_of_one_front_count_one_by_one(void) {
    enum { MANY = 1000 };
    bb_manager *m = make_u32(8, NULL);
    static bb_front fronts[MANY];
    for (int i = 0; i < MANY; i++) {
        OK(bb_manager_acquire_front(m, &fronts[i]));
        CHECK(fronts[i].data == fronts[0].data);
        CHECK(i == 0 || fronts[i].lease != fronts[i - 1].lease);
    }
    TEST_ASSERT_EQUAL_UINT64(MANY, stats_of(m).leases_live);
    for (int i = 0; i < MANY; i++) {
        OK(bb_lease_release(fronts[i].lease));
    }
    TEST_ASSERT_EQUAL_UINT64(0, stats_of(m).leases_live);
    OK(bb_manager_destroy(m));
}

static void *release_elsewhere(void *lease) {
    THREAD_OK(bb_lease_release(lease));
    return NULL;
}

static void a_lease_may_be_released_on_another_thread(void) {
    bb_manager_config config = defaults("moved");
    config.copies = 2;
    bb_manager *m = make_u32(8, &config);
    for (uint32_t i = 1; i <= 100; i++) {
        bb_front front;
        OK(bb_manager_acquire_front(m, &front));
        join(start(release_elsewhere, front.lease));
        OK(put_u32(m, 0, i, BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(i, get_u32(m, 0));
    }
    OK(bb_manager_destroy(m));
}

/* --- strict double buffering: a held front pins the only other copy --- */

static bb_manager *make_pinned(uint64_t watchdog_ns, bb_front *held) {
    bb_manager_config config = defaults("strict");
    config.copies = 2;
    config.watchdog_ns = watchdog_ns;
    bb_manager *m = make_u32(8, &config);
    OK(bb_manager_acquire_front(m, held));
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER)); /* the free copy */
    OK(put_u32(m, 0, 2, 0));                   /* waits in the queue: nothing is lost */
    return m;
}

static void a_pinned_copy_is_reported_with_its_holder(void) {
    bb_front held;
    bb_manager *m = make_pinned(BB_SEC(2), &held);
    EXPECT(BB_E_PINNED, bb_manager_synchronize(m, BB_MS(5)));
    MESSAGE_HAS("bb_manager_synchronize");
    MESSAGE_HAS("strict");
    MESSAGE_HAS("lease");
    char thread[32];
    (void)snprintf(thread, sizeof thread, "%d", (int)gettid());
    MESSAGE_HAS(thread);
    EXPECT(BB_E_PINNED, bb_manager_synchronize(m, 0));
    TEST_ASSERT_EQUAL_UINT32(1, get_u32(m, 0));
    TEST_ASSERT_EQUAL_UINT32(0, ((const uint32_t *)held.data)[0]);
    OK(bb_lease_release(held.lease));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(2, get_u32(m, 0));
    TEST_ASSERT_EQUAL_UINT64(2, epoch_of(m));
    OK(bb_manager_destroy(m));
}

static void an_endless_wait_that_only_a_lease_can_end_reports_why(void) {
    bb_front held;
    bb_manager *m = make_pinned(short_watchdog(), &held);
    EXPECT(BB_E_PINNED, bb_manager_synchronize(m, BB_FOREVER));
    MESSAGE_HAS("lease");
    OK(bb_lease_release(held.lease));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_destroy(m));
}

static void *release_later(void *lease) {
    (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    THREAD_OK(bb_lease_release(lease));
    return NULL;
}

static void a_release_lets_the_waiter_go_on(void) {
    for (int i = 0; i < 5; i++) {
        bb_front held;
        bb_manager *m = make_pinned(BB_SEC(HANG_SECONDS), &held);
        const pthread_t thread = start(release_later, held.lease);
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(2, get_u32(m, 0));
        join(thread);
        OK(bb_manager_destroy(m));
    }
}

static void a_full_queue_behind_a_lease_is_refused_and_recovers(void) {
    bb_front held;
    bb_manager *m = make_pinned(BB_SEC(2), &held);
    uint32_t accepted = 2;
    bb_status status = BB_OK;
    while (status == BB_OK) {
        status = put_u32(m, 0, accepted + 1, 0);
        accepted += status == BB_OK;
    }
    CHECK(status == BB_E_FULL || status == BB_E_PINNED);
    OK(bb_lease_release(held.lease));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(accepted, get_u32(m, 0));
    OK(bb_manager_destroy(m));
}

static void a_reserved_back_may_meet_a_pin_too(void) {
    bb_front held;
    bb_back back;
    bb_manager *m = make_pinned(BB_SEC(2), &held);
    EXPECT(BB_E_PINNED, bb_manager_reserve_back(m, BB_BACK_DISCARD, 0, &back));
    MESSAGE_HAS("bb_manager_reserve_back");
    OK(bb_lease_release(held.lease));
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back));
    TEST_ASSERT_EQUAL_UINT32(2, *(const uint32_t *)back.data);
    OK(bb_manager_cancel_back(m, &back));
    OK(bb_manager_destroy(m));
}

/* --- further copies --- */

static void a_kept_front_does_not_stop_the_producer(void) {
    if (test_device() != NULL) {
        TEST_IGNORE_MESSAGE("a manager on a device has no extra copies");
    }
    enum { HELD = 26 }; /* of 3 copies and 24 extra ones: one more is the front */
    bb_manager *m = make_u32(8, NULL);
    bb_front fronts[HELD + 1];
    for (uint32_t i = 0; i <= HELD; i++) {
        OK(bb_manager_acquire_front(m, &fronts[i]));
        OK(put_u32(m, 0, i + 1, BB_FOREVER));
        if (i < HELD) {
            OK(bb_manager_synchronize(m, BB_FOREVER));
        }
    }
    TEST_ASSERT_EQUAL_UINT64(24, stats_of(m).extra_copies);
    TEST_ASSERT_EQUAL_UINT64(24, stats_of(m).extra_copies_most);
    TEST_ASSERT_EQUAL_UINT64(27, stats_of(m).copies_present);
    TEST_ASSERT_EQUAL_UINT64((uint64_t)gettid(), stats_of(m).oldest_lease_thread);
    EXPECT(BB_E_PINNED, bb_manager_synchronize(m, BB_MS(5)));
    MESSAGE_HAS("max_extra_copies");
    MESSAGE_HAS("snapshot");
    for (uint32_t i = 0; i <= HELD; i++) {
        TEST_ASSERT_EQUAL_UINT32(i, ((const uint32_t *)fronts[i].data)[0]);
        OK(bb_lease_release(fronts[i].lease));
    }
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(HELD + 1, get_u32(m, 0));
    OK(bb_manager_destroy(m));
}

static void fronts_may_be_held_as_far_as_copies_go(void) {
    enum { COPIES = 8 };
    bb_manager_config config = defaults("many");
    config.copies = COPIES;
    bb_manager *m = make_u32(1 << 16, &config);
    for (int turn = 0; turn < 3; turn++) {
        bb_front fronts[COPIES];
        for (uint32_t i = 0; i < COPIES - 1; i++) {
            OK(put_u32(m, 100, i, BB_FOREVER));
            OK(bb_manager_synchronize(m, BB_FOREVER));
            OK(bb_manager_acquire_front(m, &fronts[i]));
        }
        for (uint32_t i = 0; i < COPIES - 1; i++) {
            TEST_ASSERT_EQUAL_UINT32(i, ((const uint32_t *)fronts[i].data)[100]);
            OK(bb_lease_release(fronts[i].lease));
        }
        OK(bb_manager_trim(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(COPIES - 2, get_u32(m, 100));
    }
    OK(bb_manager_destroy(m));
}

static void memory_is_two_copies_until_a_lease_needs_more_and_trim_gives_it_back(void) {
    enum { MIB = 32 };
    if (other_malloc() != NULL) {
        TEST_IGNORE_MESSAGE(other_malloc()); /* and uses memory of its own */
    }
    if (test_device() != NULL) {
        TEST_IGNORE_MESSAGE("a driver that renders on the CPU has its buffers in this memory");
    }
    const uint64_t count = (uint64_t)MIB << 18; /* u32 */
    const long before = resident_kib();
    bb_manager *m = make_u32(count, NULL);
    CHECK(resident_kib() - before < 16384); /* committed on first use */
    for (uint32_t i = 1; i <= 2; i++) {
        OK(bb_manager_enqueue_fill(m, 0, 0, count, &i, BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    const long two = resident_kib() - before;
    CHECK(two > 2 * MIB * 1024 - 4096);
    CHECK(two < 2 * MIB * 1024 + 16384);
    bb_front held;
    OK(bb_manager_acquire_front(m, &held));
    for (uint32_t i = 1; i <= 4; i++) {
        OK(bb_manager_enqueue_fill(m, 0, 0, count, &i, BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    CHECK(resident_kib() - before > 3 * MIB * 1024 - 4096);
    OK(bb_lease_release(held.lease));
    OK(bb_manager_trim(m, BB_FOREVER));
    CHECK(resident_kib() - before < MIB * 1024 + 16384); /* the front remains */
    TEST_ASSERT_EQUAL_UINT32(4, get_u32(m, count - 1));
    OK(put_u32(m, 0, 9, BB_FOREVER));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(9, get_u32(m, 0));
    TEST_ASSERT_EQUAL_UINT32(4, get_u32(m, 1));
    OK(bb_manager_destroy(m));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_front_never_changes_while_it_is_held);
    RUN_TEST(a_front_outlives_its_manager);
    RUN_TEST(many_leases_of_one_front_count_one_by_one);
    RUN_TEST(a_lease_may_be_released_on_another_thread);
    RUN_TEST(a_pinned_copy_is_reported_with_its_holder);
    RUN_TEST(an_endless_wait_that_only_a_lease_can_end_reports_why);
    RUN_TEST(a_release_lets_the_waiter_go_on);
    RUN_TEST(a_full_queue_behind_a_lease_is_refused_and_recovers);
    RUN_TEST(a_reserved_back_may_meet_a_pin_too);
    RUN_TEST(a_kept_front_does_not_stop_the_producer);
    RUN_TEST(fronts_may_be_held_as_far_as_copies_go);
    RUN_TEST(memory_is_two_copies_until_a_lease_needs_more_and_trim_gives_it_back);
    return UNITY_END();
}
