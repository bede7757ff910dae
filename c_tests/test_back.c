/* The back copy in the caller's hand: keep, discard, cancel, commit, and who must wait meanwhile. */
#include "support.h"

enum { COUNT = 4096 };

static bb_back reserve(bb_manager *m, uint32_t flags) {
    bb_back back;
    OK(bb_manager_reserve_back(m, flags, BB_FOREVER, &back));
    TEST_ASSERT_EQUAL_UINT64(COUNT * sizeof(uint32_t), back.bytes);
    TEST_ASSERT_EQUAL_UINT64(0, (uintptr_t)back.data % 64);
    TEST_ASSERT_EQUAL_UINT64(epoch_of(m), back.epoch);
    CHECK(back.data != back.front);
    return back;
}

static void an_engine_steps_from_front_to_back(void) {
    for (uint32_t flags = BB_BACK_KEEP; flags <= BB_BACK_DISCARD; flags++) {
        bb_manager *m = make_u32(COUNT, NULL);
        for (uint32_t step = 1; step <= 100; step++) {
            const bb_back back = reserve(m, flags);
            const uint32_t *previous = back.front;
            uint32_t *next = back.data;
            for (size_t i = 0; i < COUNT; i++) {
                next[i] = previous[i] + 1;
            }
            OK(bb_manager_commit_back(m, &back, step));
            TEST_ASSERT_EQUAL_UINT32(step - 1, get_u32(m, 0)); /* a commit does not publish */
            OK(bb_manager_synchronize(m, BB_FOREVER));
            bb_front front;
            OK(bb_manager_acquire_front(m, &front));
            TEST_ASSERT_EQUAL_UINT64(step, front.epoch);
            TEST_ASSERT_EQUAL_UINT64(step, front.tag);
            TEST_ASSERT_EACH_EQUAL_UINT32(step, front.data, COUNT);
            OK(bb_lease_release(front.lease));
        }
        OK(bb_manager_destroy(m));
    }
}

static void keep_shows_the_state_with_every_earlier_update(void) {
    bb_manager *m = make_u32(COUNT, NULL);
    for (uint32_t i = 1; i <= 50; i++) {
        OK(put_u32(m, i, i, 0));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        OK(put_u32(m, 0, i, 0)); /* not published yet */
        const bb_back back = reserve(m, BB_BACK_KEEP);
        uint32_t *state = back.data;
        for (uint32_t k = 0; k < COUNT; k++) {
            TEST_ASSERT_EQUAL_UINT32(k == 0 || k > i ? (k == 0 ? i : 0) : k, state[k]);
        }
        state[COUNT - 1] = 0;
        OK(bb_manager_commit_back(m, &back, i));
    }
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(50, get_u32(m, 50));
    OK(bb_manager_destroy(m));
}

static void cancel_undoes_what_was_written(void) {
    bb_manager *m = make_u32(COUNT, NULL);
    OK(bb_manager_enqueue_fill(m, 0, 0, COUNT, &(uint32_t){7}, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    for (uint32_t flags = BB_BACK_KEEP; flags <= BB_BACK_DISCARD; flags++) {
        OK(put_u32(m, 1, 8, 0)); /* accepted before: stays */
        const bb_back back = reserve(m, flags);
        memset(back.data, 0xEE, back.bytes);
        OK(bb_manager_cancel_back(m, &back));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(7, get_u32(m, 0));
        TEST_ASSERT_EQUAL_UINT32(8, get_u32(m, 1));
        TEST_ASSERT_EQUAL_UINT32(7, get_u32(m, COUNT - 1));
        OK(put_u32(m, 2, 9, 0));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(7, get_u32(m, COUNT / 2));
        OK(put_u32(m, 2, 7, 0));
    }
    OK(bb_manager_destroy(m));
}

static void a_cancel_with_nothing_else_is_no_epoch(void) {
    bb_manager *m = make_u32(COUNT, NULL);
    const bb_back back = reserve(m, BB_BACK_KEEP);
    OK(bb_manager_cancel_back(m, &back));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m));
    OK(bb_manager_destroy(m));
}

static void a_back_is_given_back_once(void) {
    bb_manager *m = make_u32(COUNT, NULL);
    const bb_back first = reserve(m, BB_BACK_KEEP);
    OK(bb_manager_commit_back(m, &first, 1));
    EXPECT(BB_E_STATE, bb_manager_commit_back(m, &first, 2));
    EXPECT(BB_E_STATE, bb_manager_cancel_back(m, &first));
    MESSAGE_HAS("bb_manager_cancel_back");
    const bb_back second = reserve(m, BB_BACK_KEEP);
    EXPECT(BB_E_STATE, bb_manager_commit_back(m, &first, 3)); /* an old token is not the present one */
    bb_back forged = second;
    forged.token ^= 1;
    EXPECT(BB_E_STATE, bb_manager_cancel_back(m, &forged));
    OK(bb_manager_cancel_back(m, &second));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(1, info_of(m).tag);
    OK(bb_manager_destroy(m));
}

/* Which bytes may differ between two epochs. */
static uint64_t changes_since(bb_manager *m, uint64_t epoch, bb_byte_range *first) {
    bb_byte_range ranges[8];
    uint64_t count = 0;
    bool complete = false;
    bb_front front;
    OK(bb_manager_acquire_front(m, &front));
    OK(bb_front_changes(&front, epoch, BB_ALL_FIELDS, ranges, 8, &count, &complete));
    OK(bb_lease_release(front.lease));
    TEST_ASSERT_TRUE(complete);
    *first = ranges[0];
    return count;
}

/* A commit takes the marked ranges as changed, and the next epoch copies only those. */
static void marked_ranges_are_all_that_changes(void) {
    enum { BYTES = COUNT * sizeof(uint32_t) };
    bb_manager *m = make_u32(COUNT, NULL);
    bb_byte_range changed;
    bb_manager_stats s;
    bb_back back = reserve(m, BB_BACK_KEEP);
    memset((char *)back.data + 8192, 1, 4096);
    const bb_byte_range ranges[] = {{8192, 1024}, {9216, 0}, {9000, 3288}};
    const bb_byte_range beyond[] = {{0, BYTES}, {BYTES - 4, 5}};
    EXPECT(BB_E_RANGE, bb_manager_mark_written(m, &back, BB_ALL_FIELDS, beyond, 2));
    TEST_ASSERT_NOT_NULL(strstr(bb_last_error(), "range.offset + range.bytes"));
    EXPECT(BB_E_RANGE, bb_manager_mark_written(m, &back, 0, &(bb_byte_range){8, UINT64_MAX}, 1));
    EXPECT(BB_E_RANGE, bb_manager_mark_written(m, &back, 1, ranges, 1));
    EXPECT(BB_E_NULL, bb_manager_mark_written(m, &back, 0, NULL, 1));
    OK(bb_manager_mark_written(m, &back, 0, ranges, 3));
    OK(bb_manager_commit_back(m, &back, 1));
    EXPECT(BB_E_STATE, bb_manager_mark_written(m, &back, 0, ranges, 3));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(1, changes_since(m, 0, &changed));
    TEST_ASSERT_EQUAL_UINT64(8192, changed.offset);
    TEST_ASSERT_EQUAL_UINT64(4096, changed.bytes);
    for (uint32_t turn = 0; turn < 3; turn++) {
        OK(put_u32(m, 0, turn, 0));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(0x01010101, get_u32(m, 8192 / 4));
    }
    OK(bb_manager_stats_get(m, sizeof s, &s));
    TEST_ASSERT_LESS_THAN_UINT64(16384, s.copied_forward_bytes);
    /* No range at all: the commit sets the tag. */
    back = reserve(m, BB_BACK_KEEP);
    OK(bb_manager_mark_written(m, &back, BB_ALL_FIELDS, NULL, 0));
    OK(bb_manager_commit_back(m, &back, 2));
    const uint64_t before = epoch_of(m);
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(0, changes_since(m, before, &changed));
    /* With unspecified content all of it counts as written. */
    back = reserve(m, BB_BACK_DISCARD);
    EXPECT(BB_E_STATE, bb_manager_mark_written(m, &back, BB_ALL_FIELDS, ranges, 1));
    memset(back.data, 0, BYTES);
    OK(bb_manager_commit_back(m, &back, 3));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(1, changes_since(m, before + 1, &changed));
    TEST_ASSERT_EQUAL_UINT64(BYTES, changed.bytes);
    OK(bb_manager_destroy(m));
}

static void *try_to_reserve(void *m) {
    bb_back back;
    const bb_status status = bb_manager_reserve_back(m, BB_BACK_KEEP, 0, &back);
    THREAD_CHECK(status == BB_E_TIMEOUT || status == BB_E_BUSY);
    THREAD_CHECK(bb_manager_synchronize(m, 0) == BB_E_TIMEOUT);
    THREAD_CHECK(bb_manager_synchronize(m, BB_MS(1)) == BB_E_TIMEOUT);
    return NULL;
}

static void others_queue_and_wait_while_it_is_held(void) {
    bb_manager *m = make_u32(COUNT, NULL);
    const bb_back back = reserve(m, BB_BACK_KEEP);
    OK(put_u32(m, 0, 5, 0)); /* ordered after the reservation */
    join(start(try_to_reserve, m));
    ((uint32_t *)back.data)[0] = 4;
    OK(bb_manager_commit_back(m, &back, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(5, get_u32(m, 0));
    TEST_ASSERT_EQUAL_UINT64(1, epoch_of(m));
    OK(bb_manager_destroy(m));
}

/* A call that could only wait for itself is refused. */
static void a_second_reservation_by_the_holder_is_refused(void) {
    bb_manager *m = make_u32(COUNT, NULL);
    bb_back again;
    uint64_t ticket = 0;
    const bb_back back = reserve(m, BB_BACK_KEEP);
    OK(put_u32(m, 0, 5, 0));
    EXPECT(BB_E_STATE, bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &again));
    EXPECT(BB_E_STATE, bb_manager_synchronize(m, BB_FOREVER));
    MESSAGE_HAS("bb_manager_synchronize");
    OK(bb_manager_synchronize_async(m, &ticket));
    EXPECT(BB_E_STATE, bb_manager_wait(m, ticket, BB_FOREVER, NULL));
    EXPECT(BB_E_STATE, bb_manager_close(m, BB_FOREVER));
    OK(bb_manager_commit_back(m, &back, 0));
    OK(bb_manager_wait(m, ticket, BB_FOREVER, NULL));
    TEST_ASSERT_EQUAL_UINT32(5, get_u32(m, 0));
    OK(bb_manager_destroy(m));
}

typedef struct hand {
    bb_manager *m;
    bb_back back;
} hand;

static void *commit_elsewhere(void *argument) {
    hand *h = argument;
    ((uint32_t *)h->back.data)[0] += 1;
    THREAD_OK(bb_manager_commit_back(h->m, &h->back, 0));
    return NULL;
}

static void a_back_may_be_committed_on_another_thread(void) {
    hand h = {.m = make_u32(COUNT, NULL)};
    for (uint32_t i = 1; i <= 20; i++) {
        h.back = reserve(h.m, BB_BACK_KEEP);
        join(start(commit_elsewhere, &h));
        OK(bb_manager_synchronize(h.m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(i, get_u32(h.m, 0));
    }
    OK(bb_manager_destroy(h.m));
}

static void *engine(void *argument) {
    bb_manager *m = argument;
    for (int i = 0; i < rounds(500); i++) {
        bb_back back;
        if (!THREAD_OK(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back))) {
            break;
        }
        uint32_t *state = back.data;
        const uint32_t value = state[0];
        for (size_t k = 0; k < COUNT; k++) {
            THREAD_CHECK(state[k] == value); /* no other thread writes while it is reserved */
            state[k] = value + 1;
        }
        THREAD_OK(bb_manager_commit_back(m, &back, 0));
    }
    return NULL;
}

static void many_engines_take_turns(void) {
    bb_manager *m = make_u32(COUNT, NULL);
    pthread_t threads[4];
    for (size_t i = 0; i < LENGTH(threads); i++) {
        threads[i] = start(engine, m);
    }
    for (int i = 0; i < rounds(200); i++) {
        bb_front front;
        OK(bb_manager_synchronize(m, BB_FOREVER));
        OK(bb_manager_acquire_front(m, &front));
        TEST_ASSERT_EACH_EQUAL_UINT32(*(const uint32_t *)front.data, front.data, COUNT);
        OK(bb_lease_release(front.lease));
    }
    for (size_t i = 0; i < LENGTH(threads); i++) {
        join(threads[i]);
    }
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(4 * (uint32_t)rounds(500), get_u32(m, COUNT - 1));
    OK(bb_manager_destroy(m));
}

static void leased_memory_outlives_the_manager(void) {
    for (int end = 0; end < 3; end++) { /* committed, cancelled, or still reserved */
        bb_manager *m = make_u32(COUNT, NULL);
        const bb_back back = reserve(m, BB_BACK_KEEP);
        bb_lease *lease = NULL;
        OK(bb_manager_lease_back(m, &back, &lease));
        uint32_t *data = back.data;
        data[7] = 8;
        if (end == 0) {
            OK(bb_manager_commit_back(m, &back, 1));
        } else if (end == 1) {
            OK(bb_manager_cancel_back(m, &back));
        }
        OK(bb_manager_destroy(m));
        memset(data, 0xEE, back.bytes);
        TEST_ASSERT_EQUAL_UINT32(0xEEEEEEEE, data[COUNT - 1]);
        EXPECT(BB_E_STALE, bb_manager_commit_back(m, &back, 1));
        OK(bb_lease_release(lease));
        EXPECT(BB_E_STALE, bb_lease_release(lease));
    }
}

/* Another thread may be writing when the manager goes: the memory stays until its reservation ends. */
static void a_reserved_back_copy_outlives_the_manager(void) {
    for (int end = 0; end < 2; end++) {
        bb_manager *m = make_u32(COUNT, NULL);
        OK(put_u32(m, 3, 33, BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        const bb_back back = reserve(m, BB_BACK_KEEP);
        OK(bb_manager_destroy(m));
        memset(back.data, 0xEE, back.bytes);
        TEST_ASSERT_EQUAL_UINT32(33, ((const uint32_t *)back.front)[3]);
        EXPECT(BB_E_STALE, end == 0 ? bb_manager_commit_back(m, &back, 1) : bb_manager_cancel_back(m, &back));
        EXPECT(BB_E_STALE, bb_manager_cancel_back(m, &back));
    }
}

static void a_lease_of_the_back_blocks_no_call(void) {
    bb_manager_config config;
    OK(bb_manager_config_init(&config));
    config.copies = 2;
    bb_manager *m = make_u32(COUNT, &config);
    bb_lease *leases[8];
    for (uint32_t step = 0; step < LENGTH(leases); step++) {
        const bb_back back = reserve(m, BB_BACK_KEEP);
        OK(bb_manager_lease_back(m, &back, &leases[step]));
        ((uint32_t *)back.data)[0] = step;
        OK(bb_manager_commit_back(m, &back, step));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_UINT32(step, get_u32(m, 0));
    }
    OK(bb_manager_destroy(m));
    for (size_t i = 0; i < LENGTH(leases); i++) {
        OK(bb_lease_release(leases[i]));
    }
}

/* What still writes to the old memory of a replaced back copy reaches no front. */
static void a_replaced_back_is_out_of_reach(void) {
    for (int commit = 0; commit < 2; commit++) {
        bb_manager *m = make_u32(COUNT, NULL);
        OK(bb_manager_enqueue_fill(m, 0, 0, COUNT, &(uint32_t){7}, 0));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        OK(put_u32(m, 1, 8, 0)); /* accepted before: stays */
        bb_back back = reserve(m, BB_BACK_KEEP);
        uint32_t *old = back.data;
        bb_lease *lease = NULL;
        OK(bb_manager_lease_back(m, &back, &lease));
        old[2] = 9;
        OK(bb_manager_replace_back(m, &back, &back));
        CHECK(back.data != old);
        TEST_ASSERT_EQUAL_UINT64(0, (uintptr_t)back.data % 64);
        TEST_ASSERT_EQUAL_MEMORY(old, back.data, back.bytes);
        memset(old, 0xEE, back.bytes);
        ((uint32_t *)back.data)[3] = 10;
        if (commit) {
            OK(bb_manager_commit_back(m, &back, 1));
        } else {
            OK(bb_manager_cancel_back(m, &back));
        }
        for (uint32_t step = 0; step < 4; step++) { /* every copy has been the front */
            OK(put_u32(m, 0, step, 0));
            OK(bb_manager_synchronize(m, BB_FOREVER));
            memset(old, 0xEE, back.bytes);
            TEST_ASSERT_EQUAL_UINT32(step, get_u32(m, 0));
            TEST_ASSERT_EQUAL_UINT32(8, get_u32(m, 1));
            TEST_ASSERT_EQUAL_UINT32(commit ? 9 : 7, get_u32(m, 2));
            TEST_ASSERT_EQUAL_UINT32(commit ? 10 : 7, get_u32(m, 3));
            TEST_ASSERT_EQUAL_UINT32(7, get_u32(m, COUNT - 1));
        }
        OK(bb_manager_destroy(m));
        TEST_ASSERT_EQUAL_UINT32(0xEEEEEEEE, old[COUNT - 1]);
        OK(bb_lease_release(lease));
    }
}

static void a_back_that_has_ended_is_neither_leased_nor_replaced(void) {
    bb_manager *m = make_u32(COUNT, NULL);
    bb_back back = reserve(m, BB_BACK_KEEP);
    OK(bb_manager_commit_back(m, &back, 1));
    const bb_back before = back;
    bb_lease *lease = NULL;
    EXPECT(BB_E_STATE, bb_manager_lease_back(m, &back, &lease));
    CHECK(lease == NULL);
    EXPECT(BB_E_STATE, bb_manager_replace_back(m, &back, &back));
    MESSAGE_HAS("bb_manager_replace_back");
    TEST_ASSERT_EQUAL_MEMORY(&before, &back, sizeof back);
    OK(bb_manager_destroy(m));
}

/* Every call that takes a reservation refuses this one; nothing ends, and no output is written. */
static void refused_back(bb_status want, bb_manager *m, bb_back back, const char *part, UNITY_LINE_TYPE line) {
    const bb_back before = back;
    const bb_back_field_view none = {0};
    bb_back_field_view view = {0};
    bb_lease *lease = NULL;
    const bb_status found[] = {bb_manager_lease_back(m, &back, &lease), bb_manager_replace_back(m, &back, &back),
                               bb_manager_back_field(m, &back, "state", &view), bb_manager_commit_back(m, &back, 1),
                               bb_manager_cancel_back(m, &back)};
    expect_message(part, line);
    for (size_t i = 0; i < LENGTH(found); i++) {
        UNITY_TEST_ASSERT_EQUAL_INT(want, found[i], line, "a reservation that is not this manager's");
    }
    CHECK(lease == NULL);
    TEST_ASSERT_EQUAL_MEMORY(&none, &view, sizeof view);
    TEST_ASSERT_EQUAL_MEMORY(&before, &back, sizeof back);
}

static void a_back_of_another_manager_is_refused(void) {
    bb_manager *const m = make_u32(COUNT, NULL), *const other = make_u32(COUNT, NULL);
    const bb_back back = reserve(m, BB_BACK_KEEP), back_of_other = reserve(other, BB_BACK_KEEP);
    CHECK(back.token != back_of_other.token);
    refused_back(BB_E_STATE, m, back_of_other, "not reserved", __LINE__);
    refused_back(BB_E_STATE, other, back, "not reserved", __LINE__);
    ((uint32_t *)back.data)[5] = 6;
    OK(bb_manager_commit_back(m, &back, 1));
    OK(bb_manager_cancel_back(other, &back_of_other));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(6, get_u32(m, 5));
    OK(bb_manager_destroy(m));
    OK(bb_manager_destroy(other));
}

static void a_back_that_was_changed_is_refused_by_name(void) {
    bb_manager *const m = make_u32(COUNT, NULL);
    bb_back back = reserve(m, BB_BACK_KEEP), changed = back;
    bb_lease *lease = NULL;
    changed.data = NULL;
    refused_back(BB_E_ARGUMENT, m, changed, "back.data", __LINE__);
    changed = back, changed.front = back.data;
    refused_back(BB_E_ARGUMENT, m, changed, "back.front", __LINE__);
    changed = back, changed.bytes = UINT64_MAX;
    refused_back(BB_E_ARGUMENT, m, changed, "back.bytes = 18446744073709551615", __LINE__);
    changed = back;
    OK(bb_manager_lease_back(m, &back, &lease));
    OK(bb_manager_replace_back(m, &back, &back));
    refused_back(BB_E_ARGUMENT, m, changed, "back.data", __LINE__); /* that of the memory before */
    OK(bb_lease_release(lease));
    OK(bb_manager_cancel_back(m, &back));
    refused_back(BB_E_STATE, m, back, "not reserved", __LINE__);
    OK(bb_manager_destroy(m));
}

typedef struct waiter {
    bb_manager *m;
    bb_status status;
} waiter;

static void *wait_for_the_back(void *argument) {
    waiter *w = argument;
    w->status = bb_manager_reserve_back(w->m, BB_BACK_KEEP, BB_SEC(30), &(bb_back){0});
    return NULL;
}

static void *destroy(void *m) {
    THREAD_OK(bb_manager_destroy(m));
    return NULL;
}

static void destroy_ends_a_wait_for_the_back(void) {
    bb_manager_config config;
    OK(bb_manager_config_init(&config));
    config.watchdog_ns = 0; /* only the end may wake it */
    waiter w = {.m = make_u32(COUNT, &config)};
    const bb_back back = reserve(w.m, BB_BACK_KEEP);
    const pthread_t thread = start(wait_for_the_back, &w);
    EVENTUALLY(stats_of(w.m).waits == 1);
    for (int i = 0; i < 100; i++) {
        nap(); /* it falls asleep; if it has not yet, it ends as well */
    }
    join(start(destroy, w.m));
    join(thread);
    EXPECT(BB_E_CLOSED, w.status);
    EXPECT(BB_E_STALE, bb_manager_cancel_back(w.m, &back)); /* gives its memory back */
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(an_engine_steps_from_front_to_back);
    RUN_TEST(marked_ranges_are_all_that_changes);
    RUN_TEST(keep_shows_the_state_with_every_earlier_update);
    RUN_TEST(cancel_undoes_what_was_written);
    RUN_TEST(a_cancel_with_nothing_else_is_no_epoch);
    RUN_TEST(a_back_is_given_back_once);
    RUN_TEST(others_queue_and_wait_while_it_is_held);
    RUN_TEST(a_second_reservation_by_the_holder_is_refused);
    RUN_TEST(a_back_may_be_committed_on_another_thread);
    RUN_TEST(many_engines_take_turns);
    RUN_TEST(leased_memory_outlives_the_manager);
    RUN_TEST(a_reserved_back_copy_outlives_the_manager);
    RUN_TEST(a_lease_of_the_back_blocks_no_call);
    RUN_TEST(a_replaced_back_is_out_of_reach);
    RUN_TEST(a_back_that_has_ended_is_neither_leased_nor_replaced);
    RUN_TEST(a_back_of_another_manager_is_refused);
    RUN_TEST(a_back_that_was_changed_is_refused_by_name);
    RUN_TEST(destroy_ends_a_wait_for_the_back);
    return UNITY_END();
}
