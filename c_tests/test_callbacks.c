/* Callbacks: calls they may make, threads they run on, and the drop, which runs exactly once and last. */
#include "exports.h"

/* Statuses of the calls that a callback made. */
typedef struct inside {
    bb_manager *m;
    bb_status enqueue, synchronize, wait, reserve, close, destroy;
    uint64_t full_after; /* enqueues that went well before FULL */
    atomic_int calls, drops, calls_after_drop;
} inside;

static void call_back_in(inside *i) {
    bb_back back;
    i->enqueue = put_u32(i->m, 1, 7, BB_FOREVER);
    i->synchronize = bb_manager_synchronize(i->m, BB_FOREVER);
    i->wait = bb_manager_wait_epoch(i->m, 1000000, BB_FOREVER, &(uint64_t){0});
    i->reserve = bb_manager_reserve_back(i->m, BB_BACK_KEEP, BB_FOREVER, &back);
    i->close = bb_manager_close(i->m, BB_FOREVER);
    i->destroy = bb_manager_destroy(i->m);
    atomic_fetch_add(&i->calls_after_drop, atomic_load(&i->drops));
    atomic_fetch_add(&i->calls, 1);
}

static int32_t flush_calls_back(void *i) {
    call_back_in(i);
    return 0;
}
static void kernel_calls_back(void *back, const void *front, uint64_t count, void *i) {
    (void)back, (void)front, (void)count;
    call_back_in(i);
}
static void release_calls_back(void *i) { call_back_in(i); }
static void drop_inside(void *i) { atomic_fetch_add(&((inside *)i)->drops, 1); }

static void expect_refused_inside(const inside *i) {
    TEST_ASSERT_EQUAL_INT(BB_OK, i->enqueue);
    TEST_ASSERT_EQUAL_INT(BB_E_RECURSIVE, i->synchronize);
    TEST_ASSERT_EQUAL_INT(BB_E_RECURSIVE, i->wait);
    TEST_ASSERT_EQUAL_INT(BB_E_RECURSIVE, i->reserve);
    TEST_ASSERT_EQUAL_INT(BB_E_RECURSIVE, i->close);
    TEST_ASSERT_EQUAL_INT(BB_E_RECURSIVE, i->destroy);
}

static void flush_may_enqueue_but_not_wait(void) {
    inside i = {0};
    bb_manager_config config = defaults("inside");
    config.flush = flush_calls_back;
    config.flush_user_data = &i;
    config.flush_drop = drop_inside;
    bb_manager *m = i.m = make_u32(8, &config);
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    expect_refused_inside(&i);
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(7, get_u32(m, 1));
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&i.drops));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&i.calls_after_drop));
}

static void a_kernel_may_enqueue_but_not_wait(void) {
    const uint32_t flags[] = {0, BB_KERNEL_ANY_THREAD};
    for (size_t f = 0; f < LENGTH(flags); f++) {
        inside i = {.m = make_u32(8, NULL)};
        const bb_kernel k = {kernel_calls_back, &i, drop_inside, 0, 8, flags[f], 0};
        OK(bb_manager_enqueue_kernel(i.m, &k, BB_FOREVER));
        OK(bb_manager_synchronize(i.m, BB_FOREVER));
        expect_refused_inside(&i);
        OK(bb_manager_synchronize(i.m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(7, get_u32(i.m, 1));
        OK(bb_manager_destroy(i.m));
        TEST_ASSERT_EQUAL_INT(1, atomic_load(&i.calls));
        TEST_ASSERT_EQUAL_INT(1, atomic_load(&i.drops));
    }
}

static void a_release_may_enqueue_but_not_wait(void) {
    inside i = {.m = make_u32(8, NULL)};
    OK(bb_manager_enqueue_borrowed(i.m, &one_update, release_calls_back, &i, BB_FOREVER));
    OK(bb_manager_synchronize(i.m, BB_FOREVER));
    EVENTUALLY(atomic_load(&i.calls) == 1);
    expect_refused_inside(&i);
    OK(bb_manager_destroy(i.m));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&i.calls));
}

/* A callback may wait for other managers. */
static void kernel_uses_another(void *back, const void *front, uint64_t count, void *user_data) {
    (void)back, (void)front, (void)count;
    inside *i = user_data;
    i->enqueue = put_u32(i->m, 0, 9, BB_FOREVER);
    i->synchronize = bb_manager_synchronize(i->m, BB_FOREVER);
    atomic_fetch_add(&i->calls, 1);
}

static void a_callback_may_use_another_manager(void) {
    bb_manager *m = make_u32(8, NULL);
    inside i = {.m = make_u32(8, NULL)};
    OK(bb_manager_enqueue_kernel(m, &(bb_kernel){kernel_uses_another, &i, NULL, 0, 8, 0, 0}, BB_FOREVER));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_INT(BB_OK, i.enqueue);
    TEST_ASSERT_EQUAL_INT(BB_OK, i.synchronize);
    TEST_ASSERT_EQUAL_UINT32(9, get_u32(i.m, 0));
    OK(bb_manager_destroy(i.m));
    OK(bb_manager_destroy(m));
}

/* An enqueue from a callback never blocks: with FOREVER and a full queue it is FULL at once. */
static int32_t flush_fills_the_queue(void *user_data) {
    inside *i = user_data;
    while ((i->enqueue = put_u32(i->m, 2, 3, BB_FOREVER)) == BB_OK && i->full_after < 1000000) {
        i->full_after++;
    }
    atomic_fetch_add(&i->calls, 1);
    return 0;
}

static void an_enqueue_from_a_callback_never_blocks(void) {
    inside i = {0};
    bb_manager_config config = defaults("full");
    config.queue_bytes = 4096;
    config.flush = flush_fills_the_queue;
    config.flush_user_data = &i;
    bb_manager *m = i.m = make_u32(8, &config);
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_INT(BB_E_FULL, i.enqueue);
    CHECK(i.full_after > 0);
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(3, get_u32(m, 2));
    OK(bb_manager_destroy(m));
}

/* --- drop --- */

static void kernel_gate(void *back, const void *front, uint64_t count, void *g) {
    (void)back, (void)front, (void)count;
    gate_pass(g);
}

static bb_manager *with_borrowed_data_behind_a_kernel(gate *kernel, gate *releases) {
    bb_manager *m = make_u32(8, NULL);
    const bb_kernel slow = {.function = kernel_gate, .user_data = kernel, .drop = gate_drop, .count = 8};
    OK(bb_manager_enqueue_kernel(m, &slow, 0));
    for (int i = 0; i < 3; i++) {
        static const uint32_t data[8];
        const bb_update all = {.count = 8, .data = data};
        OK(bb_manager_enqueue_borrowed(m, &all, gate_release, releases, BB_FOREVER));
    }
    EVENTUALLY(atomic_load(&kernel->entered) == 1);
    return m;
}

static void *open_late(void *g) {
    (void)nanosleep(&(struct timespec){.tv_sec = 2, .tv_nsec = 300000000}, NULL);
    atomic_store(&((gate *)g)->shut, false);
    return NULL;
}

/* Longer than two seconds, after which destroy logs a warning: a caller frees the data as soon as destroy returns. */
static void destroy_waits_until_borrowed_data_is_released(void) {
    gate kernel = {.shut = true}, releases = {0};
    bb_manager *m = with_borrowed_data_behind_a_kernel(&kernel, &releases);
    const pthread_t opener = start(open_late, &kernel);
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&kernel.calls));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&kernel.drops));
    TEST_ASSERT_EQUAL_INT(3, atomic_load(&releases.calls));
    join(opener);
}

static int32_t stop(void *unused) {
    (void)unused;
    return 1;
}

static void a_destroy_that_leaves_a_callback_running(bb_status reason) {
    gate kernel = {.shut = true}, releases = {0};
    bb_manager *m = with_borrowed_data_behind_a_kernel(&kernel, &releases);
    if (reason == BB_E_STALLED) {
        EXPECT(reason, bb_manager_destroy_within(m, BB_MS(5)));
    } else {
        OK(bb_set_wait_check(stop, NULL, NULL));
        EXPECT(reason, bb_manager_destroy(m));
        MESSAGE_HAS("wait check");
        OK(bb_set_wait_check(NULL, NULL, NULL));
    }
    MESSAGE_HAS("callback");
    EXPECT(BB_E_STALE, bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&releases.calls));
    text dumped = {0};
    OK(bb_debug_dump(text_write, &dumped));
    CHECK(strstr(dumped.bytes, "destroyed while a callback of theirs runs on: 1") != NULL);
    atomic_store(&kernel.shut, false);
    EVENTUALLY(atomic_load(&releases.calls) == 3 && atomic_load(&kernel.drops) == 1);
    bool counted = true;
    for (uint64_t end = now_ns() + BB_SEC(HANG_SECONDS); counted && now_ns() < end; nap()) {
        dumped = (text){0};
        OK(bb_debug_dump(text_write, &dumped));
        counted = strstr(dumped.bytes, "destroyed while") != NULL;
    }
    CHECK(!counted);
}

static void a_destroy_that_is_ended_early_leaves_what_the_callback_uses(void) {
    a_destroy_that_leaves_a_callback_running(BB_E_STALLED);
    a_destroy_that_leaves_a_callback_running(BB_E_INTERRUPTED);
    bb_manager *const m = make_u32(8, NULL);
    OK(bb_manager_destroy_within(m, BB_SEC(HANG_SECONDS)));
    OK(bb_manager_destroy_within(NULL, 0));
}

static void a_config_that_is_refused_stays_the_callers(void) {
    gate g = {0};
    bb_manager *m = NULL;
    bb_manager_config config = defaults("refused");
    config.flush = gate_flush;
    config.flush_user_data = &g;
    config.flush_drop = gate_drop;
    config.copies = 99;
    EXPECT(BB_E_ARGUMENT, bb_manager_create(BB_U32, 1, SHAPE(8), &config, &m));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&g.drops));
    config.copies = 3;
    OK(bb_manager_create(BB_U32, 1, SHAPE(8), &config, &m));
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&g.drops));
    CHECK(!pthread_equal(g.drop_thread, pthread_self())); /* the worker's, as the callback itself */
}

static void data_that_no_flush_uses_is_released_at_once(void) {
    gate g = {0};
    bb_manager *m = NULL;
    bb_manager_config config = defaults("no flush");
    config.flush_user_data = &g;
    config.flush_drop = gate_drop;
    config.copies = 99;
    EXPECT(BB_E_ARGUMENT, bb_manager_create(BB_U32, 1, SHAPE(8), &config, &m));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&g.drops));
    config.copies = 3;
    OK(bb_manager_create(BB_U32, 1, SHAPE(8), &config, &m));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&g.drops));
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&g.drops));
}

static void *destroy_it(void *m) {
    THREAD_OK(bb_manager_destroy(m));
    return NULL;
}

static void drop_waits_for_the_call_that_runs(void) {
    gate g = {.shut = true};
    bb_manager_config config = defaults("overlap");
    config.flush = gate_flush;
    config.flush_user_data = &g;
    config.flush_drop = gate_drop;
    bb_manager *m = make_u32(8, &config);
    uint64_t ticket = 0;
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_synchronize_async(m, &ticket));
    EVENTUALLY(atomic_load(&g.entered) == 1);
    const pthread_t thread = start(destroy_it, m);
    for (int i = 0; i < 20; i++) {
        nap();
        TEST_ASSERT_EQUAL_INT(0, atomic_load(&g.drops)); /* the callback is still inside */
    }
    atomic_store(&g.shut, false);
    join(thread);
    EVENTUALLY(atomic_load(&g.drops) == 1);
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&g.calls));
}

/* --- the callback of the statistics calls the library: it holds no lock --- */

static void write_calls_in(const char *bytes, uint64_t length, void *user_data) {
    (void)bytes, (void)length;
    inside *i = user_data;
    if (atomic_fetch_add(&i->calls, 1) == 0) {
        THREAD_OK(put_u32(i->m, 0, 5, BB_FOREVER));
        THREAD_OK(bb_manager_synchronize(i->m, BB_FOREVER));
        bb_manager *m = NULL;
        THREAD_OK(bb_manager_create(BB_U8, 1, SHAPE(8), NULL, &m));
        THREAD_OK(bb_manager_destroy(m));
        THREAD_CHECK(bb_manager_stats_write(i->m, write_nothing, NULL) == BB_OK);
    }
}

static void a_write_callback_may_call_the_library(void) {
    inside i = {.m = make_u32(8, NULL)};
    OK(bb_manager_stats_write(i.m, write_calls_in, &i));
    TEST_ASSERT_EQUAL_UINT32(5, get_u32(i.m, 0));
    OK(bb_manager_destroy(i.m));
}

/* --- runtimes --- */

static atomic_int runtime_calls, runtime_drops, runtime_blocks, runtime_inside;
static void drop_of_the_runtime(void *unused) {
    (void)unused;
    atomic_fetch_add(&runtime_drops, 1);
}
static void kernel_of_the_runtime(void *back, const void *front, uint64_t count, void *unused) {
    (void)front, (void)unused;
    memset(back, 0xEE, (size_t)count * sizeof(uint32_t));
    atomic_fetch_add(&runtime_calls, 1);
    atomic_store(&runtime_inside, 1);
    while (atomic_load(&runtime_blocks)) {
        sched_yield();
    }
}
static int32_t flush_of_the_runtime(void *unused) {
    (void)unused;
    atomic_fetch_add(&runtime_calls, 1);
    return 0;
}
static void *let_go_later(void *unused) {
    const struct timespec nap = {0, 20000000};
    (void)nanosleep(&nap, NULL);
    atomic_store(&runtime_blocks, 0);
    return unused;
}

/* The end of a runtime waits for its callbacks; managers that continue call none of them again. */
static void callbacks_end_with_their_runtime(void) {
    inside other = {0};
    EXPECT(BB_E_NULL, bb_begin_callbacks(NULL));
    OK(bb_begin_callbacks(drop_of_the_runtime));
    OK(bb_begin_callbacks(drop_of_the_runtime)); /* twice is allowed */
    bb_manager_config config = defaults("runtime");
    config.flush = flush_of_the_runtime;
    config.flush_drop = drop_of_the_runtime;
    bb_manager *m = make_u32(8, &config);
    bb_kernel kernel = {kernel_of_the_runtime, NULL, drop_of_the_runtime, 0, 4, 0, 0};
    OK(bb_manager_enqueue_fill(m, 0, 0, 8, &(uint32_t){7}, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&runtime_calls));
    /* One runs, and two are queued. */
    atomic_store(&runtime_blocks, 1);
    OK(bb_manager_enqueue_kernel(m, &kernel, BB_FOREVER));
    uint64_t ticket = 0;
    OK(bb_manager_synchronize_async(m, &ticket));
    while (!atomic_load(&runtime_inside)) {
        sched_yield();
    }
    OK(bb_manager_enqueue_kernel(m, &kernel, BB_FOREVER));
    kernel.byte_offset = 16;
    kernel.flags = BB_KERNEL_OVERWRITES;
    OK(bb_manager_enqueue_kernel(m, &kernel, BB_FOREVER));
    other.m = m;
    const bb_kernel others = {kernel_calls_back, &other, drop_inside, 0, 1, 0, 0};
    OK(bb_manager_enqueue_kernel(m, &others, BB_FOREVER));
    EXPECT(BB_E_NULL, bb_end_callbacks(NULL, 0));
    EXPECT(BB_E_TIMEOUT, bb_end_callbacks(drop_of_the_runtime, BB_MS(1)));
    MESSAGE_HAS("bb_end_callbacks");
    const pthread_t helper = start(let_go_later, NULL);
    OK(bb_end_callbacks(drop_of_the_runtime, BB_SEC(30)));
    CHECK(!atomic_load(&runtime_blocks));
    join(helper);
    const int calls = atomic_load(&runtime_calls), drops = atomic_load(&runtime_drops);
    OK(bb_manager_wait(m, ticket, BB_FOREVER, NULL));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(0xEEEEEEEE, get_u32(m, 0)); /* the one that ran */
    TEST_ASSERT_EQUAL_UINT32(7, get_u32(m, 4));          /* not those that did not run */
    TEST_ASSERT_EQUAL_UINT32(7, get_u32(m, 7));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&other.calls)); /* those of another runtime continue */
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(calls, atomic_load(&runtime_calls));
    TEST_ASSERT_EQUAL_INT(drops, atomic_load(&runtime_drops));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&other.drops));
    OK(bb_end_callbacks(drop_of_the_runtime, 0)); /* twice is allowed */
    EXPECT(BB_E_CLOSED, bb_begin_callbacks(drop_of_the_runtime));
    MESSAGE_HAS("bb_begin_callbacks");
}

/* One drop function for each kernel, as lambdas in C++ have them. */
#define DROP(n)                                                                                                        \
    static void drop_##n(void *drops) { *(int *)drops += 1; }
#define EIGHT(X, n) X(n##0) X(n##1) X(n##2) X(n##3) X(n##4) X(n##5) X(n##6) X(n##7)
#define ALL(X)                                                                                                         \
    EIGHT(X, 0) EIGHT(X, 1) EIGHT(X, 2) EIGHT(X, 3) EIGHT(X, 4) EIGHT(X, 5) EIGHT(X, 6) EIGHT(X, 7) EIGHT(X, 8)
ALL(DROP)
#define NAME(n) drop_##n,
static const bb_drop_fn many_drops[] = {ALL(NAME)};

static atomic_int late_drops;
static void drop_of_a_late_runtime(void *unused) {
    (void)unused;
    atomic_fetch_add(&late_drops, 1);
}
static void kernel_of_many(void *back, const void *front, uint64_t count, void *unused) {
    (void)back, (void)front, (void)count, (void)unused;
}

/* Drop functions that are not announced take no entry: after any number of them a runtime can still end. */
static void a_runtime_ends_after_many_other_drop_functions(void) {
    int drops = 0;
    bb_manager *m = make_u32(8, NULL);
    for (size_t i = 0; i < LENGTH(many_drops); i++) {
        OK(bb_manager_enqueue_kernel(m, &(bb_kernel){kernel_of_many, &drops, many_drops[i], 0, 8, 0, 0}, BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    EXPECT(BB_E_STATE, bb_end_callbacks(drop_of_a_late_runtime, 0));
    MESSAGE_HAS("bb_begin_callbacks");
    OK(bb_begin_callbacks(drop_of_a_late_runtime));
    bb_back back;
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back));
    const bb_kernel late = {kernel_of_the_runtime, NULL, drop_of_a_late_runtime, 0, 8, 0, 0};
    OK(bb_manager_enqueue_kernel(m, &late, BB_FOREVER));
    static const uint32_t lent[8];
    const bb_update borrowed = {.count = LENGTH(lent), .data = lent};
    OK(bb_manager_enqueue_borrowed(m, &borrowed, drop_of_a_late_runtime, NULL, BB_FOREVER));
    const int calls = atomic_load(&runtime_calls);
    OK(bb_end_callbacks(drop_of_a_late_runtime, BB_FOREVER));
    OK(bb_manager_commit_back(m, &back, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(calls, atomic_load(&runtime_calls));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&late_drops));
    TEST_ASSERT_EQUAL_INT(LENGTH(many_drops), drops);
}

/* The number of announced ones is limited; a refusal changes nothing, and earlier ones can end. */
static void too_many_runtimes_are_refused(void) {
    bb_drop_fn drop = NULL;
    uintptr_t announced = 0;
    bb_status status = BB_OK;
    while (status == BB_OK && announced < 1000) {
        announced++;
        memcpy(&drop, &announced, sizeof drop); /* never called */
        status = bb_begin_callbacks(drop);
    }
    TEST_ASSERT_EQUAL_INT32(BB_E_LIMIT, status);
    MESSAGE_HAS("bb_begin_callbacks");
    CHECK(announced > 200);
    EXPECT(BB_E_STATE, bb_end_callbacks(drop, 0));
    announced--;
    memcpy(&drop, &announced, sizeof drop);
    OK(bb_begin_callbacks(drop));
    OK(bb_end_callbacks(drop, 0));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(flush_may_enqueue_but_not_wait);
    RUN_TEST(a_kernel_may_enqueue_but_not_wait);
    RUN_TEST(a_release_may_enqueue_but_not_wait);
    RUN_TEST(a_callback_may_use_another_manager);
    RUN_TEST(an_enqueue_from_a_callback_never_blocks);
    RUN_TEST(destroy_waits_until_borrowed_data_is_released);
    RUN_TEST(a_destroy_that_is_ended_early_leaves_what_the_callback_uses);
    RUN_TEST(a_config_that_is_refused_stays_the_callers);
    RUN_TEST(data_that_no_flush_uses_is_released_at_once);
    RUN_TEST(drop_waits_for_the_call_that_runs);
    RUN_TEST(a_write_callback_may_call_the_library);
    RUN_TEST(callbacks_end_with_their_runtime);
    RUN_TEST(a_runtime_ends_after_many_other_drop_functions);
    RUN_TEST(too_many_runtimes_are_refused);
    return UNITY_END();
}
