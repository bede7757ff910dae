/* Known bugs of other double-buffering designs, one test each. */
#include "support.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>

enum { COUNT = 256 };

typedef struct shared {
    bb_manager *m;
    uint32_t id;
    atomic_bool stop;
    uint64_t epoch;
} shared;

static void publish(bb_manager *m, uint64_t index, uint32_t value) {
    OK(put_u32(m, index, value, BB_FOREVER));
    OK(bb_manager_synchronize(m, BB_FOREVER));
}

static void the_back_copy_is_not_one_epoch_stale_after_the_swap(void) {
    for (uint32_t copies = 2; copies <= 4; copies++) {
        bb_manager_config config = defaults("stale back");
        config.copies = copies;
        bb_manager *m = make_u32(COUNT, &config);
        for (uint32_t i = 0; i < COUNT; i++) { /* one element an epoch: what the last copies lack shows at once */
            publish(m, i, i + 1);
            bb_front front;
            OK(bb_manager_acquire_front(m, &front));
            for (uint32_t k = 0; k <= i; k++) {
                TEST_ASSERT_EQUAL_UINT32(k + 1, ((const uint32_t *)front.data)[k]);
            }
            OK(bb_lease_release(front.lease));
        }
        OK(bb_manager_destroy(m));
    }
}

static void an_empty_synchronize_does_not_go_back_in_time(void) {
    bb_manager *m = make_u32(COUNT, NULL);
    for (uint32_t i = 1; i <= 20; i++) {
        publish(m, 0, i);
        for (int k = 0; k < 4; k++) {
            OK(bb_manager_synchronize(m, BB_FOREVER));
            TEST_ASSERT_EQUAL_UINT32(i, get_u32(m, 0));
            TEST_ASSERT_EQUAL_UINT64(i, epoch_of(m));
        }
    }
    OK(bb_manager_destroy(m));
}

static void *follow(void *argument) {
    shared *s = argument;
    uint64_t epoch = 0;
    while (epoch < s->epoch) {
        if (!THREAD_OK(bb_manager_wait_epoch(s->m, epoch, BB_SEC(HANG_SECONDS), &epoch))) {
            return NULL;
        }
    }
    return NULL;
}

/* The worker and the waiters go to sleep between any two pushes: a wake-up that is lost hangs here. */
static void no_wake_up_is_lost_between_push_and_wait(void) {
    const uint32_t workers[] = {BB_WORKER_SHARED, BB_WORKER_ONLY};
    for (size_t w = 0; w < LENGTH(workers); w++) {
        bb_manager_config config = defaults("wake");
        config.worker = workers[w];
        shared s = {.m = make_u32(COUNT, &config), .epoch = (uint64_t)rounds(5000)};
        const pthread_t thread = start(follow, &s);
        for (uint64_t i = 0; i < s.epoch; i++) {
            uint64_t ticket = 0;
            OK(put_u32(s.m, 0, (uint32_t)i, BB_FOREVER));
            OK(bb_manager_synchronize_async(s.m, &ticket)); /* the worker publishes */
            OK(bb_manager_wait(s.m, ticket, BB_SEC(HANG_SECONDS), NULL));
        }
        join(thread);
        OK(bb_manager_destroy(s.m));
    }
}

/* --- a wait without a predicate returns when anything wakes it: here signals, before the epoch has come --- */

static _Atomic int signals_seen;
static void on_signal(int number) {
    (void)number;
    atomic_fetch_add(&signals_seen, 1);
}

typedef struct waiter {
    bb_manager *m;
    _Atomic int state; /* 1: about to wait, 2: returned */
    uint64_t epoch;
} waiter;

static void *wait_for_the_first_epoch(void *argument) {
    waiter *const w = argument;
    atomic_store(&w->state, 1);
    THREAD_OK(bb_manager_wait_epoch(w->m, 0, BB_FOREVER, &w->epoch));
    atomic_store(&w->state, 2);
    return NULL;
}

static void a_wait_that_is_woken_early_waits_on(void) {
    struct sigaction action = {.sa_handler = on_signal}, before; /* without SA_RESTART: system calls are interrupted */
    TEST_ASSERT_EQUAL_INT(0, sigaction(SIGUSR1, &action, &before));
    bb_manager *m = make_u32(2, NULL);
    waiter w = {.m = m};
    const pthread_t thread = start(wait_for_the_first_epoch, &w);
    while (atomic_load(&w.state) == 0) {
        sched_yield();
    }
    for (int sent = 1; sent <= 500; sent++) {
        TEST_ASSERT_EQUAL_INT(0, pthread_kill(thread, SIGUSR1));
        while (atomic_load(&signals_seen) < sent) {
            TEST_ASSERT_EQUAL_INT_MESSAGE(1, atomic_load(&w.state), "the wait returned before the epoch");
            sched_yield();
        }
    }
    TEST_ASSERT_EQUAL_INT_MESSAGE(1, atomic_load(&w.state), "the wait returned before the epoch");
    publish(m, 0, 7);
    join(thread);
    TEST_ASSERT_EQUAL_UINT64(1, w.epoch);
    TEST_ASSERT_EQUAL_INT(0, sigaction(SIGUSR1, &before, NULL));
    OK(bb_manager_destroy(m));
}

static void *publish_own(void *argument) {
    const shared *s = argument;
    for (uint32_t i = 1; i <= (uint32_t)rounds(3000); i++) {
        bb_front front;
        THREAD_OK(put_u32(s->m, s->id, i, BB_FOREVER));
        THREAD_OK(bb_manager_synchronize(s->m, BB_FOREVER));
        THREAD_OK(bb_manager_acquire_front(s->m, &front));
        THREAD_CHECK(((const uint32_t *)front.data)[s->id] == i); /* its own update, not merely some publish */
        THREAD_OK(bb_lease_release(front.lease));
    }
    return NULL;
}

static void several_synchronizers_do_not_share_one_event(void) {
    bb_manager *m = make_u32(COUNT, NULL);
    shared all[4];
    pthread_t threads[LENGTH(all)];
    for (uint32_t i = 0; i < LENGTH(all); i++) {
        all[i] = (shared){.m = m, .id = i};
        threads[i] = start(publish_own, &all[i]);
    }
    for (size_t i = 0; i < LENGTH(all); i++) {
        join(threads[i]);
    }
    OK(bb_manager_destroy(m));
}

static void *read_slowly(void *argument) {
    shared *s = argument;
    while (!atomic_load(&s->stop)) {
        bb_front front;
        THREAD_OK(bb_manager_acquire_front(s->m, &front));
        const volatile uint32_t *state = front.data;
        const uint32_t first = state[0];
        for (int pass = 0; pass < 20; pass++) {
            for (size_t i = 0; i < COUNT; i++) {
                if (!THREAD_CHECK(state[i] == first)) {
                    return NULL;
                }
            }
        }
        THREAD_OK(bb_lease_release(front.lease));
    }
    return NULL;
}

static void publish_uniform(shared *s, uint32_t copies) {
    bb_manager_config config = defaults("uniform");
    config.copies = copies;
    config.watchdog_ns = 0;
    s->m = make_u32(COUNT, &config);
    const pthread_t threads[] = {start(read_slowly, s), start(read_slowly, s)};
    for (uint32_t i = 1; i <= (uint32_t)rounds(3000); i++) {
        OK(bb_manager_enqueue_fill(s->m, 0, 0, COUNT, &i, BB_FOREVER));
        OK(bb_manager_synchronize(s->m, BB_FOREVER));
    }
    atomic_store(&s->stop, true);
    join(threads[0]);
    join(threads[1]);
    OK(bb_manager_destroy(s->m));
}

static void a_readers_front_is_not_rewritten_under_it(void) {
    for (uint32_t copies = 2; copies <= 4; copies++) {
        shared s = {0};
        publish_uniform(&s, copies);
    }
}

static void *synchronize_all_the_time(void *argument) {
    shared *s = argument;
    while (!atomic_load(&s->stop)) {
        const bb_status status = bb_manager_synchronize(s->m, BB_FOREVER);
        THREAD_CHECK(status == BB_OK);
    }
    return NULL;
}

static void half_of_a_batch_is_not_published_by_somebody_elses_synchronize(void) {
    shared s = {.m = make_u32(COUNT, NULL)};
    const pthread_t threads[] = {start(synchronize_all_the_time, &s), start(read_slowly, &s)};
    for (uint32_t i = 1; i <= (uint32_t)rounds(2000); i++) {
        bb_batch *batch = NULL;
        OK(bb_batch_begin(s.m, &batch));
        for (uint64_t k = 0; k < COUNT; k += 8) {
            OK(bb_batch_fill(batch, 0, 4 * k, 8, &i));
        }
        OK(bb_batch_commit(batch, BB_FOREVER));
    }
    atomic_store(&s.stop, true);
    join(threads[0]);
    join(threads[1]);
    OK(bb_manager_destroy(s.m));
}

static void *synchronize_until_it_works(void *argument) {
    shared *s = argument;
    bb_status status = BB_E_BACKEND;
    while (status == BB_E_BACKEND) {
        status = bb_manager_synchronize(s->m, BB_SEC(HANG_SECONDS));
    }
    THREAD_CHECK(status == BB_OK);
    return NULL;
}

static void an_error_in_the_worker_leaves_no_later_synchronize_waiting(void) {
    for (int round = 0; round < rounds(50); round++) {
        gate flush = {.code = 3};
        bb_manager_config config = defaults("error");
        config.flush = gate_flush;
        config.flush_user_data = &flush;
        shared s = {.m = make_u32(COUNT, &config)};
        pthread_t threads[3];
        OK(put_u32(s.m, 0, 1, BB_FOREVER));
        for (size_t i = 0; i < LENGTH(threads); i++) {
            threads[i] = start(synchronize_until_it_works, &s);
        }
        EVENTUALLY(atomic_load(&flush.calls) >= 3);
        EXPECT(BB_E_BACKEND, bb_manager_synchronize(s.m, BB_SEC(HANG_SECONDS)));
        atomic_store(&flush.code, 0);
        for (size_t i = 0; i < LENGTH(threads); i++) {
            join(threads[i]);
        }
        OK(bb_manager_synchronize(s.m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(1, get_u32(s.m, 0));
        OK(bb_manager_destroy(s.m));
    }
}

static void a_timed_out_ticket_does_not_poison_the_next(void) {
    bb_manager *m = make_u32(COUNT, NULL);
    for (uint32_t round = 1; round <= 20; round++) {
        uint64_t first = 0, second = 0, epoch = 0;
        bb_back back;
        OK(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back)); /* nothing can be published */
        OK(put_u32(m, 0, round, 0));
        OK(bb_manager_synchronize_async(m, &first));
        EXPECT(BB_E_TIMEOUT, bb_manager_wait_epoch(m, epoch_of(m), BB_MS(1), &(uint64_t){0}));
        OK(put_u32(m, 1, round, 0));
        OK(bb_manager_synchronize_async(m, &second));
        OK(bb_manager_cancel_back(m, &back));
        OK(bb_manager_wait(m, second, BB_FOREVER, &epoch));
        TEST_ASSERT_EQUAL_UINT32(round, get_u32(m, 1));
        OK(bb_manager_wait(m, first, 0, NULL)); /* the one that timed out completed too */
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(round, get_u32(m, 0));
    }
    bb_task *task = NULL; /* the same for synchronize itself */
    OK(bb_task_begin(m, "late", &task));
    OK(put_u32(m, 0, 77, 0));
    EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(m, BB_MS(1)));
    OK(put_u32(m, 1, 78, 0));
    OK(bb_task_end(task));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(77, get_u32(m, 0));
    TEST_ASSERT_EQUAL_UINT32(78, get_u32(m, 1));
    OK(bb_manager_destroy(m));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(the_back_copy_is_not_one_epoch_stale_after_the_swap);
    RUN_TEST(an_empty_synchronize_does_not_go_back_in_time);
    RUN_TEST(no_wake_up_is_lost_between_push_and_wait);
    RUN_TEST(a_wait_that_is_woken_early_waits_on);
    RUN_TEST(several_synchronizers_do_not_share_one_event);
    RUN_TEST(a_readers_front_is_not_rewritten_under_it);
    RUN_TEST(half_of_a_batch_is_not_published_by_somebody_elses_synchronize);
    RUN_TEST(an_error_in_the_worker_leaves_no_later_synchronize_waiting);
    RUN_TEST(a_timed_out_ticket_does_not_poison_the_next);
    return UNITY_END();
}
