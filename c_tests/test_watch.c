/* Watches: subscriptions to epochs, with a descriptor for event loops. */
#include "support.h"

static bb_manager *m;

static bb_watch *watch(uint64_t after) {
    bb_watch *w = NULL;
    OK(bb_watch_create(m, after, &w));
    return w;
}

static int fd_of(bb_watch *w) {
    int32_t fd = -1;
    OK(bb_watch_fd(w, &fd));
    CHECK(fd >= 0);
    return fd;
}

#define READABLE(w) FD_READABLE(fd_of(w))
#define QUIET(w) FD_QUIET(fd_of(w))

static void publish(uint32_t value) {
    OK(put_u32(m, 0, value, BB_FOREVER));
    OK(bb_manager_synchronize(m, BB_FOREVER));
}

static void it_is_readable_from_a_publish_until_the_wait(void) {
    m = make_u32(8, NULL);
    bb_watch *w = watch(0);
    uint64_t epoch = 0;
    QUIET(w);
    for (uint64_t i = 1; i <= 20; i++) {
        publish(1);
        READABLE(w);
        READABLE(w); /* level-triggered: asking does not clear it */
        OK(bb_watch_wait(w, 0, &epoch));
        TEST_ASSERT_EQUAL_UINT64(i, epoch);
        QUIET(w);
        EXPECT(BB_E_TIMEOUT, bb_watch_wait(w, 0, &epoch));
    }
    OK(bb_watch_destroy(w));
    OK(bb_manager_destroy(m));
}

static void it_returns_the_newest_and_never_the_same_twice(void) {
    m = make_u32(8, NULL);
    bb_watch *w = watch(0);
    uint64_t epoch = 0;
    publish(1);
    publish(2);
    publish(3);
    OK(bb_watch_wait(w, 0, &epoch));
    TEST_ASSERT_EQUAL_UINT64(3, epoch);
    EXPECT(BB_E_TIMEOUT, bb_watch_wait(w, BB_MS(1), &epoch));
    OK(bb_watch_destroy(w));
    OK(bb_manager_destroy(m));
}

static void it_begins_after_the_epoch_it_was_given(void) {
    m = make_u32(8, NULL);
    publish(1);
    bb_watch *late = watch(1), *news = watch(0), *far = watch(2);
    uint64_t epoch = 0;
    READABLE(news); /* epoch 1 is news to it at once */
    QUIET(late);
    OK(bb_watch_wait(news, 0, &epoch));
    TEST_ASSERT_EQUAL_UINT64(1, epoch);
    publish(2);
    READABLE(late);
    EXPECT(BB_E_TIMEOUT, bb_watch_wait(far, 0, &epoch));
    publish(3);
    READABLE(far);
    OK(bb_watch_destroy(late));
    OK(bb_watch_destroy(news));
    OK(bb_watch_destroy(far));
    OK(bb_manager_destroy(m));
}

static void each_has_its_own_state(void) {
    m = make_u32(8, NULL);
    bb_watch *watches[8];
    for (size_t i = 0; i < LENGTH(watches); i++) {
        watches[i] = watch(0);
    }
    publish(1);
    for (size_t i = 0; i < LENGTH(watches); i++) {
        READABLE(watches[i]);
        OK(bb_watch_wait(watches[i], 0, &(uint64_t){0}));
        QUIET(watches[i]);
        for (size_t k = i + 1; k < LENGTH(watches); k++) {
            READABLE(watches[k]); /* a wait clears only its own watch */
        }
    }
    for (size_t i = 0; i < LENGTH(watches); i++) {
        OK(bb_watch_destroy(watches[i]));
    }
    OK(bb_manager_destroy(m));
}

static void it_becomes_readable_for_a_ticket(void) {
    m = make_u32(8, NULL);
    bb_watch *w = watch(1000); /* no epoch: the ticket only */
    bb_back back;
    uint64_t ticket = 0;
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, 0, &back)); /* so that it cannot be published yet */
    OK(bb_manager_synchronize_async(m, &ticket));
    OK(bb_watch_ticket(w, ticket));
    QUIET(w);
    OK(bb_manager_cancel_back(m, &back));
    READABLE(w);
    OK(bb_manager_wait(m, ticket, 0, NULL));
    EXPECT(BB_E_TIMEOUT, bb_watch_wait(w, 0, &(uint64_t){0})); /* no epoch beyond 1,000; it clears the descriptor */
    QUIET(w);
    OK(bb_watch_ticket(w, ticket)); /* done already: readable at once */
    READABLE(w);
    OK(bb_watch_destroy(w));
    OK(bb_manager_destroy(m));
}

static void it_becomes_readable_for_a_ticket_that_failed(void) {
    gate flush = {.code = 5};
    bb_manager_config config = defaults("failing");
    config.flush = gate_flush;
    config.flush_user_data = &flush;
    m = make_u32(8, &config);
    bb_watch *w = watch(0);
    uint64_t ticket = 0;
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_synchronize_async(m, &ticket));
    OK(bb_watch_ticket(w, ticket));
    READABLE(w);
    EXPECT(BB_E_BACKEND, bb_manager_wait(m, ticket, BB_FOREVER, NULL));
    atomic_store(&flush.code, 0);
    OK(bb_manager_wait(m, ticket, BB_FOREVER, NULL));
    OK(bb_watch_destroy(w));
    OK(bb_manager_destroy(m));
}

static void close_makes_it_readable_and_it_returns_the_last_front_first(void) {
    m = make_u32(8, NULL);
    bb_watch *idle = watch(1000), *behind = watch(0);
    uint64_t epoch = 0;
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_close(m, BB_FOREVER));
    READABLE(idle);
    EXPECT(BB_E_CLOSED, bb_watch_wait(idle, BB_FOREVER, &(uint64_t){0}));
    READABLE(idle); /* it stays so */
    READABLE(behind);
    OK(bb_watch_wait(behind, BB_FOREVER, &epoch));
    TEST_ASSERT_EQUAL_UINT64(1, epoch);
    READABLE(behind);
    EXPECT(BB_E_CLOSED, bb_watch_wait(behind, BB_FOREVER, &epoch));
    OK(bb_watch_destroy(idle));
    OK(bb_watch_destroy(behind));
    OK(bb_manager_destroy(m));
}

static void it_outlives_its_manager(void) {
    m = make_u32(8, NULL);
    bb_watch *w = watch(0);
    struct pollfd p = {.fd = fd_of(w), .events = POLLIN};
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(1, poll(&p, 1, HANG_SECONDS * 1000));
    EXPECT(BB_E_CLOSED, bb_watch_wait(w, BB_FOREVER, &(uint64_t){0}));
    OK(bb_watch_destroy(w));
}

/* --- its end --- */

static bool dump_has(const char *part) {
    static text dump;
    dump.length = 0;
    OK(bb_debug_dump(text_write, &dump));
    return strstr(dump.bytes, part) != NULL;
}

static void *wait_for_ever(void *w) {
    uint64_t epoch = 7;
    THREAD_CHECK(bb_watch_wait(w, BB_FOREVER, &epoch) == BB_E_CLOSED);
    THREAD_CHECK(epoch == 7);
    return NULL;
}

static void destroying_it_wakes_its_waiter(void) {
    m = make_u32(8, NULL);
    bb_watch *w = watch(0), *other = watch(0);
    const pthread_t waiter = start(wait_for_ever, w);
    EVENTUALLY(dump_has("  waiter: "));
    OK(bb_watch_destroy(w));
    join(waiter);
    publish(1);
    OK(bb_watch_wait(other, BB_FOREVER, &(uint64_t){0})); /* another one continues */
    OK(bb_watch_destroy(other));
    OK(bb_manager_destroy(m));
}

typedef struct loop {
    bb_watch *watch;
    uint64_t last;
} loop;

static void *event_loop(void *argument) {
    loop *l = argument;
    int32_t fd = -1;
    THREAD_OK(bb_watch_fd(l->watch, &fd));
    for (;;) {
        uint64_t epoch = 0;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (!THREAD_CHECK(poll(&p, 1, HANG_SECONDS * 1000) == 1)) {
            return NULL;
        }
        const bb_status status = bb_watch_wait(l->watch, 0, &epoch);
        if (status == BB_E_CLOSED) {
            return NULL;
        }
        if (!THREAD_CHECK(status == BB_OK) || !THREAD_CHECK(epoch > l->last)) {
            return NULL; /* readable means that there is something, and it is new */
        }
        l->last = epoch;
    }
}

static void event_loops_miss_nothing_while_publishes_race(void) {
    m = make_u32(8, NULL);
    loop loops[3];
    pthread_t threads[LENGTH(loops)];
    for (size_t i = 0; i < LENGTH(loops); i++) {
        loops[i] = (loop){.watch = watch(0)};
        threads[i] = start(event_loop, &loops[i]);
    }
    const uint64_t last = (uint64_t)rounds(5000);
    for (uint32_t i = 1; i <= last; i++) {
        publish(i);
    }
    OK(bb_manager_close(m, BB_FOREVER));
    for (size_t i = 0; i < LENGTH(loops); i++) {
        join(threads[i]);
        TEST_ASSERT_EQUAL_UINT64(last, loops[i].last);
        OK(bb_watch_destroy(loops[i].watch));
    }
    OK(bb_manager_destroy(m));
}

static void descriptors_are_given_back(void) {
    m = make_u32(8, NULL);
    bb_watch *first = watch(0);
    (void)fd_of(first);
    OK(bb_watch_destroy(first));
    const int before = open_descriptors();
    for (int i = 0; i < 100; i++) {
        bb_watch *w = watch(0);
        (void)fd_of(w);
        OK(bb_watch_destroy(w));
    }
    TEST_ASSERT_EQUAL_INT(before, open_descriptors());
    OK(bb_manager_destroy(m));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(it_is_readable_from_a_publish_until_the_wait);
    RUN_TEST(it_returns_the_newest_and_never_the_same_twice);
    RUN_TEST(it_begins_after_the_epoch_it_was_given);
    RUN_TEST(each_has_its_own_state);
    RUN_TEST(it_becomes_readable_for_a_ticket);
    RUN_TEST(it_becomes_readable_for_a_ticket_that_failed);
    RUN_TEST(close_makes_it_readable_and_it_returns_the_last_front_first);
    RUN_TEST(it_outlives_its_manager);
    RUN_TEST(destroying_it_wakes_its_waiter);
    RUN_TEST(event_loops_miss_nothing_while_publishes_race);
    RUN_TEST(descriptors_are_given_back);
    return UNITY_END();
}
