/* Publishing waits for backend work: tasks and the flush callback, their failures, and the watchdog. */
#include "support.h"

typedef struct call {
    bb_manager *m;
    uint64_t timeout;
    bb_status status;
    atomic_bool done;
} call;

static void *synchronize(void *argument) {
    call *c = argument;
    c->status = bb_manager_synchronize(c->m, c->timeout);
    atomic_store(&c->done, true);
    return NULL;
}

static bb_manager *make(gate *flush, uint64_t watchdog_ns) {
    bb_manager_config config = defaults("flushed");
    config.flush = flush == NULL ? NULL : gate_flush;
    config.flush_user_data = flush;
    config.flush_drop = flush == NULL ? NULL : gate_drop;
    config.watchdog_ns = watchdog_ns;
    return make_u32(8, &config);
}

/* --- tasks --- */

static void a_publish_waits_for_open_tasks(void) {
    bb_manager *m = make(NULL, BB_SEC(HANG_SECONDS));
    bb_task *first = NULL, *second = NULL;
    OK(bb_task_begin(m, "upload", &first));
    OK(bb_task_begin(m, "draw", &second));
    OK(put_u32(m, 0, 1, 0));
    EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(m, BB_MS(2)));
    EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(m, 0));
    TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m));
    OK(bb_task_end(second));
    EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(m, BB_MS(2)));
    OK(bb_task_end(first));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(1, get_u32(m, 0));
    OK(bb_manager_destroy(m));
}

static void an_end_wakes_the_waiter(void) {
    for (int i = 0; i < rounds(200); i++) {
        bb_manager *m = make(NULL, BB_SEC(HANG_SECONDS));
        bb_task *task = NULL;
        OK(bb_task_begin(m, "upload", &task));
        OK(put_u32(m, 0, 1, 0));
        call c = {.m = m, .timeout = BB_FOREVER};
        const pthread_t thread = start(synchronize, &c);
        if (i % 2 == 0) {
            nap();
        }
        OK(bb_task_end(task));
        join(thread);
        OK(c.status);
        TEST_ASSERT_EQUAL_UINT64(1, epoch_of(m));
        OK(bb_manager_destroy(m));
    }
}

static void a_synchronize_with_nothing_new_waits_for_tasks_too(void) {
    bb_manager *m = make(NULL, BB_SEC(HANG_SECONDS));
    bb_task *task = NULL;
    OK(bb_task_begin(m, "upload", &task));
    EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(m, BB_MS(2)));
    OK(bb_task_end(task));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m));
    OK(bb_manager_destroy(m));
}

static void only_tasks_begun_before_it_are_waited_for(void) {
    bb_manager *m = make(NULL, BB_SEC(HANG_SECONDS));
    bb_task *before = NULL, *after = NULL;
    OK(bb_task_begin(m, "before", &before));
    OK(put_u32(m, 0, 1, 0));
    uint64_t ticket = 0;
    OK(bb_manager_synchronize_async(m, &ticket));
    OK(bb_task_begin(m, "after", &after));
    EXPECT(BB_E_TIMEOUT, bb_manager_wait(m, ticket, BB_MS(2), NULL));
    OK(bb_task_end(before));
    OK(bb_manager_wait(m, ticket, BB_FOREVER, NULL));
    TEST_ASSERT_EQUAL_UINT64(1, epoch_of(m));
    OK(bb_task_end(after));
    OK(bb_manager_destroy(m));
}

static void a_task_ends_once(void) {
    bb_manager *m = make(NULL, BB_SEC(2));
    bb_task *task = NULL;
    OK(bb_task_begin(m, "upload", &task));
    OK(bb_task_end(task));
    EXPECT(BB_E_STALE, bb_task_end(task));
    MESSAGE_HAS("bb_task_end");
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_destroy(m));
}

static void *end_task(void *task) {
    THREAD_OK(bb_task_end(task));
    return NULL;
}

static void a_task_may_end_on_another_thread(void) {
    bb_manager *m = make(NULL, BB_SEC(HANG_SECONDS));
    for (int i = 0; i < 50; i++) {
        bb_task *task = NULL;
        OK(bb_task_begin(m, NULL, &task)); /* the label is optional */
        const pthread_t thread = start(end_task, task);
        OK(bb_manager_synchronize(m, BB_FOREVER));
        join(thread);
    }
    OK(bb_manager_destroy(m));
}

/* --- flush --- */

static void flush_runs_on_the_worker_before_each_publish(void) {
    gate flush = {0};
    bb_manager *m = make(&flush, BB_SEC(HANG_SECONDS));
    for (int i = 1; i <= 10; i++) {
        OK(put_u32(m, 0, (uint32_t)i, 0));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_INT(i, atomic_load(&flush.calls));
        CHECK(!pthread_equal(flush.thread, pthread_self()));
    }
    OK(bb_manager_synchronize(m, BB_FOREVER)); /* without updates, it runs as well */
    TEST_ASSERT_EQUAL_INT(11, atomic_load(&flush.calls));
    TEST_ASSERT_EQUAL_UINT64(10, epoch_of(m));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&flush.drops));
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&flush.drops));
}

static void a_failed_flush_is_reported_with_its_code_and_retried(void) {
    gate flush = {.code = 77};
    bb_manager *m = make(&flush, BB_SEC(HANG_SECONDS));
    OK(put_u32(m, 0, 1, 0));
    for (int i = 0; i < 3; i++) {
        EXPECT(BB_E_BACKEND, bb_manager_synchronize(m, BB_FOREVER));
        MESSAGE_HAS("bb_manager_synchronize");
        MESSAGE_HAS("77");
        MESSAGE_HAS("flushed");
        TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m)); /* nothing published, nothing lost */
    }
    atomic_store(&flush.code, 0);
    OK(bb_manager_synchronize(m, BB_FOREVER)); /* not sticky */
    TEST_ASSERT_EQUAL_UINT32(1, get_u32(m, 0));
    OK(bb_manager_destroy(m));
}

static void a_failed_flush_keeps_tickets_pending(void) {
    gate flush = {.code = -5};
    bb_manager *m = make(&flush, BB_SEC(HANG_SECONDS));
    uint64_t ticket = 0, epoch = 0;
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_synchronize_async(m, &ticket));
    EXPECT(BB_E_BACKEND, bb_manager_wait(m, ticket, BB_FOREVER, &epoch));
    MESSAGE_HAS("-5");
    EXPECT(BB_E_BACKEND, bb_manager_wait(m, ticket, BB_FOREVER, &epoch));
    atomic_store(&flush.code, 0);
    OK(bb_manager_wait(m, ticket, BB_FOREVER, &epoch));
    TEST_ASSERT_EQUAL_UINT64(1, epoch);
    OK(bb_manager_destroy(m));
}

static void with_no_waiter_a_ticket_is_tried_once(void) {
    gate flush = {.code = 1};
    bb_manager *m = make(&flush, BB_SEC(HANG_SECONDS));
    uint64_t ticket = 0;
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_synchronize_async(m, &ticket));
    EVENTUALLY(atomic_load(&flush.calls) == 1);
    for (int i = 0; i < 20; i++) {
        nap();
    }
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&flush.calls)); /* a failing backend is not retried */
    atomic_store(&flush.code, 0);
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_wait(m, ticket, 0, NULL));
    OK(bb_manager_destroy(m));
}

static void every_waiter_of_a_failed_attempt_gets_its_error(void) {
    gate flush = {.code = 9, .shut = true};
    bb_manager *m = make(&flush, BB_SEC(HANG_SECONDS));
    call calls[4];
    pthread_t threads[LENGTH(calls)];
    OK(put_u32(m, 0, 1, 0));
    for (size_t i = 0; i < LENGTH(calls); i++) {
        calls[i] = (call){.m = m, .timeout = BB_FOREVER};
        threads[i] = start(synchronize, &calls[i]);
    }
    EVENTUALLY(atomic_load(&flush.entered) > 0);
    atomic_store(&flush.shut, false);
    for (size_t i = 0; i < LENGTH(calls); i++) {
        join(threads[i]);
        EXPECT(BB_E_BACKEND, calls[i].status);
    }
    atomic_store(&flush.code, 0);
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_destroy(m));
}

static void updates_made_during_a_flush_are_not_part_of_its_publish_or_wholly(void) {
    gate flush = {.shut = true};
    bb_manager *m = make(&flush, BB_SEC(HANG_SECONDS));
    OK(put_u32(m, 0, 1, 0));
    call c = {.m = m, .timeout = BB_FOREVER};
    const pthread_t thread = start(synchronize, &c);
    EVENTUALLY(atomic_load(&flush.entered) == 1);
    OK(bb_manager_enqueue_fill(m, 0, 0, 8, &(uint32_t){2}, 0)); /* never blocked by a flush */
    atomic_store(&flush.shut, false);
    join(thread);
    OK(c.status);
    const uint32_t first = get_u32(m, 0);
    CHECK(first == 1 || first == 2);
    TEST_ASSERT_EQUAL_UINT32(first == 1 ? 0 : 2, get_u32(m, 7));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(2, get_u32(m, 7));
    OK(bb_manager_destroy(m));
}

/* --- watchdog --- */

static void a_stalled_flush_is_reported_once_and_recovers(void) {
    gate flush = {.shut = true};
    bb_manager *m = make(&flush, short_watchdog());
    OK(put_u32(m, 0, 1, 0));
    EXPECT(BB_E_STALLED, bb_manager_synchronize(m, BB_FOREVER));
    MESSAGE_HAS("bb_manager_synchronize");
    MESSAGE_HAS("flush");
    MESSAGE_HAS("flushed");
    EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(m, BB_MS(50))); /* a later call waits its full timeout */
    TEST_ASSERT_EQUAL_UINT64(1, stats_of(m).stalls);
    call c = {.m = m, .timeout = BB_FOREVER};
    atomic_store(&flush.shut, false);
    const pthread_t thread = start(synchronize, &c);
    join(thread);
    OK(c.status);
    TEST_ASSERT_EQUAL_UINT32(1, get_u32(m, 0));
    OK(bb_manager_destroy(m));
}

static void a_stalled_task_is_named(void) {
    bb_manager *m = make(NULL, short_watchdog());
    bb_task *task = NULL;
    OK(bb_task_begin(m, "upload of tiles", &task));
    OK(put_u32(m, 0, 1, 0));
    EXPECT(BB_E_STALLED, bb_manager_synchronize(m, BB_FOREVER));
    MESSAGE_HAS("upload of tiles");
    char thread[32];
    (void)snprintf(thread, sizeof thread, "%d", (int)gettid());
    MESSAGE_HAS(thread);
    CHECK(stats_of(m).stalls >= 1);
    OK(bb_task_end(task));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(1, get_u32(m, 0));
    OK(bb_manager_destroy(m));
}

static void a_timeout_before_the_stall_is_a_timeout(void) {
    gate flush = {.shut = true};
    bb_manager *m = make(&flush, BB_SEC(HANG_SECONDS));
    OK(put_u32(m, 0, 1, 0));
    EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(m, BB_MS(5)));
    TEST_ASSERT_EQUAL_UINT64(0, stats_of(m).stalls);
    atomic_store(&flush.shut, false);
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_destroy(m));
}

static void a_watchdog_of_0_is_off(void) {
    gate flush = {.shut = true};
    bb_manager *m = make(&flush, 0);
    OK(put_u32(m, 0, 1, 0));
    EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(m, BB_MS(30)));
    TEST_ASSERT_EQUAL_UINT64(0, stats_of(m).stalls);
    atomic_store(&flush.shut, false);
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_destroy(m));
}

static void waits_that_ran_a_flush_are_in_the_histogram(void) {
    gate flush = {0};
    bb_manager *m = make(&flush, BB_SEC(HANG_SECONDS));
    for (int i = 0; i < 10; i++) {
        OK(put_u32(m, 0, 1, 0));
        OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    const bb_manager_stats s = stats_of(m);
    uint64_t counted = 0;
    for (size_t i = 0; i < LENGTH(s.wait_histogram); i++) {
        counted += s.wait_histogram[i];
    }
    TEST_ASSERT_EQUAL_UINT64(10, counted);
    TEST_ASSERT_EQUAL_UINT64(10, s.waits);
    OK(bb_manager_destroy(m));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_publish_waits_for_open_tasks);
    RUN_TEST(an_end_wakes_the_waiter);
    RUN_TEST(a_synchronize_with_nothing_new_waits_for_tasks_too);
    RUN_TEST(only_tasks_begun_before_it_are_waited_for);
    RUN_TEST(a_task_ends_once);
    RUN_TEST(a_task_may_end_on_another_thread);
    RUN_TEST(flush_runs_on_the_worker_before_each_publish);
    RUN_TEST(a_failed_flush_is_reported_with_its_code_and_retried);
    RUN_TEST(a_failed_flush_keeps_tickets_pending);
    RUN_TEST(with_no_waiter_a_ticket_is_tried_once);
    RUN_TEST(every_waiter_of_a_failed_attempt_gets_its_error);
    RUN_TEST(updates_made_during_a_flush_are_not_part_of_its_publish_or_wholly);
    RUN_TEST(a_stalled_flush_is_reported_once_and_recovers);
    RUN_TEST(a_stalled_task_is_named);
    RUN_TEST(a_timeout_before_the_stall_is_a_timeout);
    RUN_TEST(a_watchdog_of_0_is_off);
    RUN_TEST(waits_that_ran_a_flush_are_in_the_histogram);
    return UNITY_END();
}
