/* close publishes accepted updates; destroy does not, wakes all waiters and releases borrowed data. */
#include "support.h"

typedef enum wait_kind { SYNCHRONIZE, WAIT_TICKET, WAIT_EPOCH, ENQUEUE, RESERVE, WATCH_WAIT, WAIT_KINDS } wait_kind;

typedef struct waiter {
    bb_manager *m;
    wait_kind kind;
    uint64_t ticket;
    bb_watch *watch;
    bb_status status;
    atomic_bool started;
} waiter;

static void *wait_for_ever(void *argument) {
    waiter *w = argument;
    bb_back back;
    atomic_store(&w->started, true);
    switch (w->kind) {
    case SYNCHRONIZE:
        w->status = bb_manager_synchronize(w->m, BB_FOREVER);
        break;
    case WAIT_TICKET:
        w->status = bb_manager_wait(w->m, w->ticket, BB_FOREVER, NULL);
        break;
    case WAIT_EPOCH:
        w->status = bb_manager_wait_epoch(w->m, 1000, BB_FOREVER, &(uint64_t){0});
        break;
    case ENQUEUE:
        do {
            w->status = put_u32(w->m, 0, 1, BB_FOREVER);
        } while (w->status == BB_OK);
        break;
    case RESERVE:
        w->status = bb_manager_reserve_back(w->m, BB_BACK_KEEP, BB_FOREVER, &back);
        break;
    case WATCH_WAIT:
        w->status = bb_watch_wait(w->watch, BB_FOREVER, &(uint64_t){0});
        break;
    case WAIT_KINDS:
        break;
    }
    return NULL;
}

typedef struct ending {
    bb_manager *m;
    bb_status (*end)(bb_manager *);
    bb_status status;
} ending;

static void *end_it(void *argument) {
    ending *e = argument;
    e->status = e->end(e->m);
    return NULL;
}

/* Every kind of waiter sleeps: this thread has reserved the back copy, and a task is open. */
static void everybody_wakes(bb_status (*end)(bb_manager *)) {
    for (int round = 0; round < rounds(50); round++) {
        bb_manager_config config = defaults("ending");
        config.queue_bytes = 4096;
        config.watchdog_ns = 0;
        bb_manager *m = make_u32(8, &config);
        bb_task *task = NULL;
        bb_back back;
        uint64_t ticket = 0;
        bb_watch *watch = NULL;
        OK(bb_watch_create(m, 1000, &watch));
        OK(bb_task_begin(m, "never ends", &task));
        OK(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back));
        OK(put_u32(m, 0, 1, 0));
        OK(bb_manager_synchronize_async(m, &ticket));
        waiter waiters[WAIT_KINDS];
        pthread_t threads[WAIT_KINDS];
        for (wait_kind k = 0; k < WAIT_KINDS; k++) {
            waiters[k] = (waiter){.m = m, .kind = k, .ticket = ticket, .watch = watch};
            threads[k] = start(wait_for_ever, &waiters[k]);
            EVENTUALLY(atomic_load(&waiters[k].started));
        }
        if (round % 2 == 0) {
            nap();
        }
        ending e = {.m = m, .end = end};
        join(start(end_it, &e)); /* the thread with the reservation could only wait for itself: it is refused */
        if (end == bb_manager_destroy) {
            OK(e.status);
        } else { /* a close that cannot publish: destroy ends the manager */
            EXPECT(BB_E_TIMEOUT, e.status);
            OK(bb_manager_destroy(m));
        }
        for (wait_kind k = 0; k < WAIT_KINDS; k++) {
            join(threads[k]);
            CHECK(waiters[k].status == BB_E_CLOSED || (waiters[k].status == BB_E_STALE && k != WATCH_WAIT));
        }
        (void)bb_task_end(task);
        OK(bb_watch_destroy(watch));
    }
}

static bb_status close_briefly(bb_manager *m) { return bb_manager_close(m, BB_MS(1)); }

static void destroy_wakes_every_waiter(void) { everybody_wakes(bb_manager_destroy); }
static void a_close_that_times_out_then_destroy_wakes_every_waiter(void) { everybody_wakes(close_briefly); }

static void close_publishes_what_was_accepted(void) {
    bb_manager *m = make_u32(8, NULL);
    bb_front front;
    OK(put_u32(m, 0, 1, 0));
    OK(put_u32(m, 1, 2, 0));
    OK(bb_manager_enqueue_tag(m, 3, 0));
    OK(bb_manager_close(m, BB_FOREVER));
    OK(bb_manager_acquire_front(m, &front)); /* fronts stay readable */
    TEST_ASSERT_EQUAL_UINT64(1, front.epoch);
    TEST_ASSERT_EQUAL_UINT64(3, front.tag);
    TEST_ASSERT_EQUAL_UINT32(2, ((const uint32_t *)front.data)[1]);
    OK(bb_lease_release(front.lease));
    TEST_ASSERT_EQUAL_UINT32(2, info_of(m).state); /* closed */
    OK(bb_manager_destroy(m));
}

static void new_work_is_refused_after_close(void) {
    bb_manager *m = make_u32(8, NULL);
    bb_batch *batch = NULL, *late = NULL;
    bb_task *task = NULL;
    bb_watch *watch = NULL;
    bb_back back;
    uint64_t ticket = 0;
    OK(bb_batch_begin(m, &batch));
    OK(bb_batch_tag(batch, 1));
    OK(bb_watch_create(m, 0, &watch));
    OK(bb_manager_close(m, BB_FOREVER));
    EXPECT(BB_E_CLOSED, put_u32(m, 0, 1, BB_FOREVER));
    MESSAGE_HAS("bb_manager_enqueue_update");
    EXPECT(BB_E_CLOSED, bb_manager_enqueue_tag(m, 1, BB_FOREVER));
    EXPECT(BB_E_CLOSED, bb_batch_commit(batch, BB_FOREVER));
    EXPECT(BB_E_CLOSED, bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back));
    EXPECT(BB_E_CLOSED, bb_manager_synchronize(m, BB_FOREVER));
    EXPECT(BB_E_CLOSED, bb_manager_synchronize_async(m, &ticket));
    EXPECT(BB_E_CLOSED, bb_manager_wait_epoch(m, 1000, BB_FOREVER, &(uint64_t){0}));
    EXPECT(BB_E_CLOSED, bb_watch_wait(watch, BB_FOREVER, &(uint64_t){0}));
    EXPECT(BB_E_CLOSED, bb_batch_begin(m, &late));
    EXPECT(BB_E_CLOSED, bb_task_begin(m, "late", &task));
    OK(bb_manager_close(m, BB_FOREVER)); /* it is closed already */
    (void)bb_batch_cancel(batch);
    OK(bb_watch_destroy(watch));
    OK(bb_manager_destroy(m));
}

static void a_ticket_published_by_close_is_done(void) {
    bb_manager *m = make_u32(8, NULL);
    uint64_t ticket = 0, epoch = 0;
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_synchronize_async(m, &ticket));
    OK(bb_manager_close(m, BB_FOREVER));
    OK(bb_manager_wait(m, ticket, BB_FOREVER, &epoch));
    TEST_ASSERT_EQUAL_UINT64(1, epoch);
    OK(bb_manager_wait_epoch(m, 0, BB_FOREVER, &epoch)); /* the last front is new to callers that have not seen it */
    OK(bb_manager_destroy(m));
}

static void a_close_that_timed_out_can_be_repeated(void) {
    bb_manager_config config = defaults("busy");
    bb_manager *m = make_u32(8, &config);
    bb_task *task = NULL;
    OK(bb_task_begin(m, "upload", &task));
    OK(put_u32(m, 0, 1, 0));
    EXPECT(BB_E_TIMEOUT, bb_manager_close(m, BB_MS(2)));
    EXPECT(BB_E_CLOSED, put_u32(m, 0, 2, 0));      /* new work is refused from the first call on */
    TEST_ASSERT_EQUAL_UINT32(1, info_of(m).state); /* closing */
    OK(bb_task_end(task));
    OK(bb_manager_close(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(1, get_u32(m, 0));
    OK(bb_manager_destroy(m));
}

static void destroy_does_not_publish(void) {
    bb_manager *m = make_u32(8, NULL);
    bb_front front;
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_acquire_front(m, &front));
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_UINT32(0, *(const uint32_t *)front.data);
    OK(bb_lease_release(front.lease));
}

static void destroy_releases_borrowed_data_exactly_once(void) {
    for (int round = 0; round < rounds(100); round++) {
        static const uint32_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        gate released = {0};
        bb_manager *m = make_u32(8, NULL);
        bb_back back;
        OK(bb_manager_reserve_back(m, BB_BACK_KEEP, 0, &back)); /* so that they stay in the queue */
        for (int i = 0; i < 10; i++) {
            OK(bb_manager_enqueue_borrowed(m, &(bb_update){.byte_offset = 0, .count = 8, .data = data}, gate_release,
                                           &released, 0));
        }
        TEST_ASSERT_EQUAL_INT(0, atomic_load(&released.calls));
        if (round % 2 == 0) {
            OK(bb_manager_cancel_back(m, &back));
        }
        OK(bb_manager_destroy(m));
        TEST_ASSERT_EQUAL_INT(10, atomic_load(&released.calls));
    }
}

static void a_back_in_hand_may_be_given_back_after_the_end(void) {
    bb_manager *m = make_u32(8, NULL);
    bb_back back;
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, 0, &back));
    OK(bb_manager_destroy(m));
    EXPECT(BB_E_STALE, bb_manager_commit_back(m, &back, 0));
    EXPECT(BB_E_STALE, bb_manager_cancel_back(m, &back));
}

static void close_while_engines_run_loses_nothing_they_were_promised(void) {
    for (int round = 0; round < rounds(100); round++) {
        bb_manager *m = make_u32(8, NULL);
        waiter w = {.m = m, .kind = ENQUEUE};
        const pthread_t thread = start(wait_for_ever, &w);
        EVENTUALLY(stats_of(m).updates > 0);
        OK(bb_manager_close(m, BB_FOREVER));
        join(thread);
        EXPECT(BB_E_CLOSED, w.status);
        const bb_manager_stats s = stats_of(m);
        TEST_ASSERT_EQUAL_UINT64(s.updates, s.applied_by_caller + s.applied_by_worker);
        TEST_ASSERT_EQUAL_UINT32(1, get_u32(m, 0));
        OK(bb_manager_destroy(m));
    }
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(destroy_wakes_every_waiter);
    RUN_TEST(a_close_that_times_out_then_destroy_wakes_every_waiter);
    RUN_TEST(close_publishes_what_was_accepted);
    RUN_TEST(new_work_is_refused_after_close);
    RUN_TEST(a_ticket_published_by_close_is_done);
    RUN_TEST(a_close_that_timed_out_can_be_repeated);
    RUN_TEST(destroy_does_not_publish);
    RUN_TEST(destroy_releases_borrowed_data_exactly_once);
    RUN_TEST(a_back_in_hand_may_be_given_back_after_the_end);
    RUN_TEST(close_while_engines_run_loses_nothing_they_were_promised);
    return UNITY_END();
}
