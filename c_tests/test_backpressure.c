/* The queue is bounded: what does not fit waits, is refused whole, or gets an allocation of its own. */
#include "support.h"

enum { QUEUE = 4096 };

static bb_manager *make(uint64_t count) {
    bb_manager_config config = defaults("narrow");
    config.queue_bytes = QUEUE;
    return make_u32(count, &config);
}

/* The holder of the back copy has the applier role: everything enqueued meanwhile stays in the queue. */
static bb_back hold(bb_manager *m) {
    bb_back back;
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back));
    return back;
}

static uint32_t fill_the_queue(bb_manager *m) {
    uint32_t accepted = 0;
    while (put_u32(m, 0, accepted + 1, 0) == BB_OK) {
        accepted++;
        CHECK(accepted <= QUEUE);
    }
    MESSAGE_HAS("bb_manager_enqueue_update");
    MESSAGE_HAS("narrow");
    return accepted;
}

static void a_full_queue_is_reported_and_nothing_is_lost(void) {
    bb_manager *m = make(8);
    for (int turn = 0; turn < 5; turn++) {
        const bb_back back = hold(m);
        const uint32_t accepted = fill_the_queue(m);
        CHECK(accepted > 0);
        EXPECT(BB_E_FULL, put_u32(m, 0, UINT32_MAX, 0));
        EXPECT(BB_E_FULL, put_u32(m, 1, UINT32_MAX, 0));
        EXPECT(BB_E_FULL, bb_manager_enqueue_fill(m, 0, 0, 8, &(uint32_t){UINT32_MAX}, 0));
        EXPECT(BB_E_FULL, bb_manager_enqueue_tag(m, 1, 0));
        const bb_status status = put_u32(m, 0, UINT32_MAX, BB_MS(2));
        CHECK(status == BB_E_FULL || status == BB_E_TIMEOUT);
        CHECK(stats_of(m).queue_high_water_bytes <= QUEUE);
        OK(bb_manager_cancel_back(m, &back));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(accepted, get_u32(m, 0));
        TEST_ASSERT_EQUAL_UINT32(0, get_u32(m, 1));
    }
    CHECK(stats_of(m).refused[-BB_E_FULL] >= 20);
    CHECK(stats_of(m).refused_total >= stats_of(m).refused[-BB_E_FULL]);
    OK(bb_manager_destroy(m));
}

typedef struct waiting {
    bb_manager *m;
    atomic_int done;
} waiting;

static void *enqueue_for_ever(void *argument) {
    waiting *w = argument;
    THREAD_OK(put_u32(w->m, 1, 5, BB_FOREVER));
    atomic_store(&w->done, 1);
    return NULL;
}

static void room_wakes_the_producer_that_waits_for_it(void) {
    bb_manager *m = make(8);
    for (int turn = 0; turn < 20; turn++) {
        const bb_back back = hold(m);
        const uint32_t accepted = fill_the_queue(m);
        waiting w = {.m = m};
        const pthread_t thread = start(enqueue_for_ever, &w);
        nap();
        TEST_ASSERT_EQUAL_INT(0, atomic_load(&w.done));
        OK(bb_manager_cancel_back(m, &back)); /* no other call: the worker drains */
        join(thread);
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(accepted, get_u32(m, 0));
        TEST_ASSERT_EQUAL_UINT32(5, get_u32(m, 1));
    }
    OK(bb_manager_destroy(m));
}

static void a_backlog_is_applied_by_the_worker_with_no_call(void) {
    bb_manager *m = make(8);
    const bb_back back = hold(m);
    (void)fill_the_queue(m);
    OK(bb_manager_cancel_back(m, &back));
    EVENTUALLY(stats_of(m).applied_by_worker + stats_of(m).applied_by_caller == stats_of(m).updates);
    TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m)); /* applying is not publishing */
    OK(bb_manager_destroy(m));
}

static void a_batch_that_does_not_fit_now_is_refused_whole(void) {
    bb_manager *m = make(1024);
    const bb_back back = hold(m);
    const uint32_t accepted = fill_the_queue(m);
    static uint32_t ones[256];
    for (size_t i = 0; i < LENGTH(ones); i++) {
        ones[i] = 1;
    }
    bb_batch *batch = NULL;
    OK(bb_batch_begin(m, &batch));
    OK(bb_batch_update(batch, &(bb_update){.byte_offset = 0, .count = 256, .data = ones}));
    OK(bb_batch_update(batch, &(bb_update){.byte_offset = 2048, .count = 256, .data = ones}));
    EXPECT(BB_E_FULL, bb_batch_commit(batch, 0));
    OK(bb_handle_check(batch)); /* a commit that is refused leaves it */
    const bb_update updates[] = {{0, 256, ones, 0, 0}, {2048, 256, ones, 0, 0}};
    EXPECT(BB_E_FULL, bb_manager_enqueue_updates(m, updates, 2, 0));
    OK(bb_manager_cancel_back(m, &back));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(accepted, get_u32(m, 0));
    TEST_ASSERT_EQUAL_UINT32(0, get_u32(m, 1));
    TEST_ASSERT_EQUAL_UINT32(0, get_u32(m, 512));
    OK(bb_batch_commit(batch, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(1, get_u32(m, 512));
    OK(bb_manager_destroy(m));
}

/* --- larger than the queue --- */

static void an_outsized_update_gets_an_allocation_of_its_own(void) {
    enum { COUNT = 16 * QUEUE };
    static uint32_t data[COUNT];
    bb_manager *m = make(COUNT);
    for (uint32_t turn = 1; turn <= 5; turn++) {
        for (size_t i = 0; i < COUNT; i++) {
            data[i] = turn;
        }
        const bb_back back = hold(m); /* or it is applied in place, with no copy in between */
        OK(bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 0, .count = COUNT, .data = data}, 0));
        TEST_ASSERT_EQUAL_UINT64(turn, stats_of(m).outsized_updates);
        /* at most one state's size in flight */
        EXPECT(BB_E_FULL,
               bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 0, .count = COUNT, .data = data}, 0));
        memset(data, 0, sizeof data); /* it was copied before the call returned */
        OK(bb_manager_cancel_back(m, &back));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        bb_front front;
        OK(bb_manager_acquire_front(m, &front));
        TEST_ASSERT_EACH_EQUAL_UINT32(turn, front.data, COUNT);
        OK(bb_lease_release(front.lease));
    }
    OK(bb_manager_destroy(m));
}

static void a_refused_outsized_update_counts_as_none_in_flight(void) {
    enum { COUNT = 16 * QUEUE };
    static uint32_t data[COUNT];
    bb_manager *m = make(COUNT);
    for (uint32_t turn = 1; turn <= 3; turn++) {
        bb_back back = hold(m);
        (void)fill_the_queue(m); /* no record fits, however its bytes are kept */
        EXPECT(BB_E_FULL,
               bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 0, .count = COUNT, .data = data}, 0));
        OK(bb_manager_cancel_back(m, &back));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        back = hold(m);
        OK(bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 0, .count = COUNT, .data = data}, 0));
        TEST_ASSERT_EQUAL_UINT64(turn, stats_of(m).outsized_updates);
        OK(bb_manager_cancel_back(m, &back));
        OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    OK(bb_manager_destroy(m));
}

static void an_outsized_batch_keeps_its_place_in_the_order(void) {
    enum { COUNT = 4 * QUEUE };
    static uint32_t data[COUNT];
    bb_manager *m = make(COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        data[i] = 7;
    }
    const bb_back back = hold(m);
    OK(put_u32(m, 0, 1, 0));
    OK(put_u32(m, 5, 1, 0));
    const bb_update updates[] = {{0, COUNT / 2, data, 0, 0}, {2 * COUNT, COUNT / 2, data, 0, 0}};
    OK(bb_manager_enqueue_updates(m, updates, 2, 0));
    OK(put_u32(m, 5, 9, 0));
    OK(bb_manager_cancel_back(m, &back));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(7, get_u32(m, 0));
    TEST_ASSERT_EQUAL_UINT32(9, get_u32(m, 5));
    TEST_ASSERT_EQUAL_UINT32(7, get_u32(m, COUNT - 1));
    OK(bb_manager_destroy(m));
}

static void *wait_with_an_outsized_one(void *argument) {
    static uint32_t data[4 * QUEUE];
    waiting *w = argument;
    for (int i = 0; i < 50; i++) {
        THREAD_OK(bb_manager_enqueue_update(w->m, &(bb_update){.byte_offset = 0, .count = LENGTH(data), .data = data},
                                            BB_FOREVER));
    }
    return NULL;
}

static void outsized_producers_take_turns(void) {
    waiting w = {.m = make(4 * QUEUE)};
    const pthread_t threads[] = {start(wait_with_an_outsized_one, &w), start(wait_with_an_outsized_one, &w),
                                 start(wait_with_an_outsized_one, &w)};
    for (size_t i = 0; i < LENGTH(threads); i++) {
        join(threads[i]);
    }
    OK(bb_manager_synchronize(w.m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(150, stats_of(w.m).updates);
    OK(bb_manager_destroy(w.m));
}

/* --- worker only --- */

static void with_worker_only_no_caller_applies(void) {
    bb_manager_config config = defaults("worker only");
    config.worker = BB_WORKER_ONLY;
    bb_manager *m = make_u32(8, &config);
    for (uint32_t i = 1; i <= 200; i++) {
        OK(put_u32(m, 0, i, BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(i, get_u32(m, 0));
    }
    TEST_ASSERT_EQUAL_UINT64(0, stats_of(m).applied_by_caller);
    TEST_ASSERT_EQUAL_UINT64(200, stats_of(m).applied_by_worker);
    OK(bb_manager_destroy(m));
}

static atomic_bool stop_spinning;

static void *spin(void *argument) {
    (void)argument;
    while (!atomic_load(&stop_spinning)) {
    }
    return NULL;
}

static void a_worker_starved_by_busy_threads_still_publishes(void) {
    bb_manager_config config = defaults("starved");
    config.worker = BB_WORKER_ONLY;
    bb_manager *m = make_u32(8, &config);
    pthread_t threads[64];
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t count = cores < (long)LENGTH(threads) ? (size_t)cores : LENGTH(threads);
    atomic_store(&stop_spinning, false);
    for (size_t i = 0; i < count; i++) {
        threads[i] = start(spin, NULL);
    }
    for (uint32_t i = 1; i <= 5; i++) {
        uint64_t ticket = 0;
        OK(put_u32(m, 0, i, BB_FOREVER));
        OK(bb_manager_synchronize_async(m, &ticket));
        EVENTUALLY(epoch_of(m) == i); /* no call waits for it */
    }
    atomic_store(&stop_spinning, true);
    for (size_t i = 0; i < count; i++) {
        join(threads[i]);
    }
    OK(bb_manager_destroy(m));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_full_queue_is_reported_and_nothing_is_lost);
    RUN_TEST(room_wakes_the_producer_that_waits_for_it);
    RUN_TEST(a_backlog_is_applied_by_the_worker_with_no_call);
    RUN_TEST(a_batch_that_does_not_fit_now_is_refused_whole);
    RUN_TEST(an_outsized_update_gets_an_allocation_of_its_own);
    RUN_TEST(a_refused_outsized_update_counts_as_none_in_flight);
    RUN_TEST(an_outsized_batch_keeps_its_place_in_the_order);
    RUN_TEST(outsized_producers_take_turns);
    RUN_TEST(with_worker_only_no_caller_applies);
    RUN_TEST(a_worker_starved_by_busy_threads_still_publishes);
    return UNITY_END();
}
