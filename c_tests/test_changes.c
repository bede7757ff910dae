/* What changed since an epoch: ranges, their bounds, the history's ends, misuse, and queries that race publishes. */
#include "support.h"

enum { MOST = 64 };

typedef struct changes {
    bb_byte_range ranges[MOST];
    uint64_t count;
    bool complete;
} changes;

static bb_status find(const bb_front *front, uint64_t since, uint64_t capacity, changes *c) {
    return bb_front_changes(front, since, BB_ALL_FIELDS, c->ranges, capacity, &c->count, &c->complete);
}

static bb_front front_of(bb_manager *m) {
    bb_front front;
    OK(bb_manager_acquire_front(m, &front));
    return front;
}

/* Publishes one u32 at each of these indices, and returns the front. */
static bb_front publish(bb_manager *m, const uint64_t *indices, size_t count, uint32_t value) {
    for (size_t i = 0; i < count; i++) {
        OK(put_u32(m, indices[i], value, BB_FOREVER));
    }
    OK(bb_manager_synchronize(m, BB_FOREVER));
    return front_of(m);
}
#define PUBLISH(m, value, ...) publish(m, SHAPE(__VA_ARGS__), LENGTH(SHAPE(__VA_ARGS__)), value)

static void expect_ranges(const changes *c, const bb_byte_range *wanted, size_t count, UNITY_LINE_TYPE line) {
    UNITY_TEST_ASSERT_EQUAL_UINT64(count, c->count, line, "count");
    for (size_t i = 0; i < count; i++) {
        UNITY_TEST_ASSERT_EQUAL_UINT64(wanted[i].offset, c->ranges[i].offset, line, "offset");
        UNITY_TEST_ASSERT_EQUAL_UINT64(wanted[i].bytes, c->ranges[i].bytes, line, "bytes");
    }
}
#define RANGES(c, ...)                                                                                                 \
    expect_ranges(c, ((const bb_byte_range[]){__VA_ARGS__}), LENGTH(((const bb_byte_range[]){__VA_ARGS__})), __LINE__)

static void ranges_are_ascending_and_joined_where_they_touch(void) {
    bb_manager *m = make_u32(1000, NULL);
    const bb_front first = PUBLISH(m, 1, 900, 10, 11, 500);
    const bb_front second = PUBLISH(m, 2, 12, 501, 300);
    changes c;
    OK(find(&first, 0, MOST, &c));
    RANGES(&c, {40, 8}, {2000, 4}, {3600, 4});
    CHECK(c.complete);
    OK(find(&second, 1, MOST, &c));
    RANGES(&c, {48, 4}, {1200, 4}, {2004, 4});
    OK(find(&second, 0, MOST, &c));
    RANGES(&c, {40, 12}, {1200, 4}, {2000, 8}, {3600, 4});
    OK(find(&second, 2, MOST, &c));
    TEST_ASSERT_EQUAL_UINT64(0, c.count);
    CHECK(c.complete);
    OK(bb_lease_release(first.lease));
    OK(bb_lease_release(second.lease));
    OK(bb_manager_destroy(m));
}

static void the_capacity_joins_the_nearest(void) {
    bb_manager *m = make_u32(1000, NULL);
    const bb_front front = PUBLISH(m, 1, 0, 10, 100, 105, 999);
    changes c;
    OK(find(&front, 0, 5, &c));
    TEST_ASSERT_EQUAL_UINT64(5, c.count);
    OK(find(&front, 0, 4, &c));
    RANGES(&c, {0, 4}, {40, 4}, {400, 24}, {3996, 4});
    OK(find(&front, 0, 3, &c));
    RANGES(&c, {0, 44}, {400, 24}, {3996, 4});
    OK(find(&front, 0, 2, &c));
    RANGES(&c, {0, 424}, {3996, 4});
    memset(&c, 0xA5, sizeof c);
    OK(find(&front, 0, 1, &c));
    RANGES(&c, {0, 4000});
    CHECK(c.complete);
    TEST_ASSERT_EACH_EQUAL_UINT8(0xA5, &c.ranges[1], sizeof c.ranges - sizeof *c.ranges);
    OK(bb_lease_release(front.lease));
    OK(bb_manager_destroy(m));
}

static void only_the_history_is_known_and_the_front_keeps_it(void) {
    bb_manager_config config = defaults("history");
    config.history = 4;
    config.copies = 3;
    bb_manager *m = make_u32(100, &config);
    bb_front held = {0};
    for (uint64_t epoch = 1; epoch <= 10; epoch++) {
        const bb_front front = publish(m, &epoch, 1, 1);
        for (uint64_t since = 0; since <= epoch; since++) {
            changes c;
            OK(find(&front, since, MOST, &c));
            if (since + 4 >= epoch) {
                CHECK(c.complete);
                TEST_ASSERT_EQUAL_UINT64(since < epoch, c.count);
                CHECK(since == epoch ||
                      (c.ranges[0].offset == 4 * (since + 1) && c.ranges[0].bytes == 4 * (epoch - since)));
            } else {
                CHECK(!c.complete);
                RANGES(&c, {0, 400});
            }
        }
        if (epoch == 8) {
            held = front;
        } else {
            OK(bb_lease_release(front.lease));
        }
    }
    OK(bb_manager_destroy(m));
    changes c;
    OK(find(&held, 7, MOST, &c)); /* after the manager's end */
    RANGES(&c, {32, 4});
    CHECK(c.complete);
    OK(find(&held, 4, MOST, &c)); /* epochs 5 and 6 have been overwritten by 9 and 10 */
    RANGES(&c, {0, 400});
    CHECK(!c.complete);
    OK(bb_lease_release(held.lease));
    EXPECT(BB_E_STALE, find(&held, 7, MOST, &c));
}

static void without_a_history_all_has_changed(void) {
    bb_manager_config config = defaults("off");
    config.history = 0;
    bb_manager *m = make_u32(100, &config);
    const bb_front front = PUBLISH(m, 1, 5);
    changes c;
    OK(find(&front, 0, MOST, &c));
    RANGES(&c, {0, 400});
    CHECK(!c.complete);
    OK(find(&front, 1, MOST, &c)); /* the same epoch */
    CHECK(c.complete && c.count == 0);
    OK(bb_lease_release(front.lease));
    OK(bb_manager_destroy(m));

    config.history = 1024;
    m = make_u32(1, &config);
    OK(bb_manager_destroy(m));
    config.history = 1025;
    EXPECT(BB_E_ARGUMENT, bb_manager_create(BB_U32, 1, SHAPE(1), &config, &m));
    MESSAGE_HAS("history = 1025");
}

static void a_bad_argument_is_named_and_writes_nothing(void) {
    bb_manager *m = make_u32(100, NULL);
    const bb_front front = PUBLISH(m, 1, 5);
    changes c, untouched;
    memset(&c, 0xA5, sizeof c);
    untouched = c;
    EXPECT(BB_E_ARGUMENT, find(&front, 2, MOST, &c));
    MESSAGE_HAS("since_epoch = 2");
    EXPECT(BB_E_ARGUMENT, find(&front, UINT64_MAX, MOST, &c));
    EXPECT(BB_E_ARGUMENT, find(&front, 0, 0, &c));
    MESSAGE_HAS("capacity = 0");
    EXPECT(BB_E_RANGE, bb_front_changes(&front, 0, 1, c.ranges, MOST, &c.count, &c.complete));
    MESSAGE_HAS("field");
    EXPECT(BB_E_NULL, bb_front_changes(NULL, 0, 0, c.ranges, MOST, &c.count, &c.complete));
    MESSAGE_HAS("front");
    EXPECT(BB_E_NULL, bb_front_changes(&front, 0, 0, NULL, MOST, &c.count, &c.complete));
    MESSAGE_HAS("ranges");
    EXPECT(BB_E_NULL, bb_front_changes(&front, 0, 0, c.ranges, MOST, NULL, &c.complete));
    MESSAGE_HAS("count");
    EXPECT(BB_E_NULL, bb_front_changes(&front, 0, 0, c.ranges, MOST, &c.count, NULL));
    MESSAGE_HAS("complete");
    bb_front other = front;
    other.lease = NULL;
    EXPECT(BB_E_NULL, find(&other, 0, MOST, &c));
    other.lease = (bb_lease *)m;
    EXPECT(BB_E_KIND, find(&other, 0, MOST, &c));
    bb_back back;
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back));
    OK(bb_manager_lease_back(m, &back, &other.lease));
    EXPECT(BB_E_ARGUMENT, find(&other, 0, MOST, &c));
    MESSAGE_HAS("lease");
    OK(bb_lease_release(other.lease));
    OK(bb_manager_cancel_back(m, &back));
    TEST_ASSERT_EQUAL_MEMORY(&untouched, &c, sizeof c);
    /* The first field is the whole state, and more capacity than memory can have is no error. */
    OK(bb_front_changes(&front, 0, 0, c.ranges, UINT64_MAX, &c.count, &c.complete));
    RANGES(&c, {20, 4});
    OK(bb_lease_release(front.lease));
    OK(bb_manager_destroy(m));
}

static void a_field_has_the_ranges_within_it(void) {
    const bb_field fields[] = {{.name = "a", .dtype = BB_U8, .ndim = 1, .shape = SHAPE(100)},
                               {.name = "b", .dtype = BB_U8, .ndim = 1, .shape = SHAPE(1000)},
                               {.name = "empty", .dtype = BB_U8, .ndim = 1, .shape = SHAPE(0)},
                               {.name = "c", .dtype = BB_U32, .ndim = 1, .shape = SHAPE(10)}};
    bb_manager_config config = defaults("fields");
    config.history = 2;
    bb_manager *m = NULL;
    OK(bb_manager_create_fields(fields, LENGTH(fields), &config, &m));
    const unsigned char bytes[100] = {1};
    OK(bb_manager_enqueue_update(m, &(bb_update){.field = 0, .byte_offset = 90, .count = 10, .data = bytes}, 0));
    OK(bb_manager_enqueue_update(m, &(bb_update){.field = 1, .byte_offset = 0, .count = 5, .data = bytes}, 0));
    OK(bb_manager_enqueue_update(m, &(bb_update){.field = 1, .byte_offset = 950, .count = 50, .data = bytes}, 0));
    OK(bb_manager_enqueue_update(m, &(bb_update){.field = 3, .byte_offset = 8, .count = 1, .data = bytes}, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    const bb_front front = front_of(m);
    changes c;
#define FIELD(index, capacity) bb_front_changes(&front, 0, index, c.ranges, capacity, &c.count, &c.complete)
    OK(FIELD(0, MOST));
    RANGES(&c, {90, 10});
    OK(FIELD(1, MOST));
    RANGES(&c, {0, 5}, {950, 50});
    OK(FIELD(1, 1));
    RANGES(&c, {0, 1000});
    OK(FIELD(2, MOST));
    CHECK(c.count == 0 && c.complete);
    OK(FIELD(3, MOST));
    RANGES(&c, {8, 4});
    EXPECT(BB_E_RANGE, FIELD(4, MOST));
    OK(FIELD(BB_ALL_FIELDS, MOST));
    RANGES(&c, {90, 10}, {128, 5}, {1078, 50}, {1160, 4});
    OK(bb_lease_release(front.lease));

    for (unsigned i = 0; i < 3; i++) {
        OK(bb_manager_enqueue_tag(m, i, 0));
        OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    const bb_front later = front_of(m);
    OK(bb_front_changes(&later, 1, 1, c.ranges, MOST, &c.count, &c.complete));
    RANGES(&c, {0, 1000}); /* older than the history */
    CHECK(!c.complete);
    OK(bb_front_changes(&later, 2, 1, c.ranges, MOST, &c.count, &c.complete));
    CHECK(c.count == 0 && c.complete);
    OK(bb_lease_release(later.lease));
    OK(bb_manager_destroy(m));
}

static void an_empty_state_has_no_ranges(void) {
    bb_manager *m = make_u32(0, NULL);
    OK(bb_manager_enqueue_tag(m, 1, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    const bb_front front = front_of(m);
    changes c;
    OK(find(&front, 0, MOST, &c));
    CHECK(front.epoch == 1 && c.count == 0 && c.complete);
    OK(bb_lease_release(front.lease));
    OK(bb_manager_destroy(m));
}

/* --- several threads --- */

enum { WORDS = 512 };

typedef struct race {
    bb_manager *m;
    atomic_bool stop;
    atomic_int complete;
} race;

/* Keeps a mirror by what has changed: it misses nothing if it equals each front. */
static void *mirror(void *argument) {
    race *r = argument;
    uint32_t state[WORDS] = {0};
    uint64_t shown = 0;
    while (!atomic_load(&r->stop)) {
        bb_front front;
        changes c;
        if (!THREAD_OK(bb_manager_acquire_front(r->m, &front)) || !THREAD_OK(find(&front, shown, 16, &c))) {
            break;
        }
        for (uint64_t i = 0; i < c.count; i++) {
            memcpy((char *)state + c.ranges[i].offset, (const char *)front.data + c.ranges[i].offset,
                   c.ranges[i].bytes);
        }
        const bool same = memcmp(state, front.data, sizeof state) == 0;
        atomic_fetch_add(&r->complete, c.complete && front.epoch > shown);
        shown = front.epoch;
        if (!THREAD_OK(bb_lease_release(front.lease)) || !THREAD_CHECK(same)) {
            break;
        }
    }
    return NULL;
}

static void queries_that_race_publishes_miss_nothing(void) {
    bb_manager_config config = defaults("race");
    config.history = 3;
    race r = {.m = make_u32(WORDS, &config)};
    pthread_t threads[3];
    for (size_t i = 0; i < LENGTH(threads); i++) {
        threads[i] = start(mirror, &r);
    }
    const uint32_t least = (uint32_t)rounds(5000);
    for (uint32_t epoch = 1; epoch <= least || atomic_load(&r.complete) < rounds(300); epoch++) {
        for (uint32_t part = 0; part <= epoch % 11; part++) {
            OK(put_u32(r.m, (epoch * 37 + part * 61) % WORDS, epoch, BB_FOREVER));
        }
        OK(bb_manager_synchronize(r.m, BB_FOREVER));
        if (epoch % 16 == 0) {
            (void)sched_yield();
        }
        if (atomic_load(&thread_failures) != 0) {
            break;
        }
    }
    atomic_store(&r.stop, true);
    for (size_t i = 0; i < LENGTH(threads); i++) {
        join(threads[i]);
    }
    OK(bb_manager_destroy(r.m));
}

typedef struct release_race {
    bb_front front;
    atomic_int turn;
    atomic_bool stop;
} release_race;

static void *query_until_stale(void *argument) {
    release_race *r = argument;
    int seen = 0;
    while (!atomic_load(&r->stop)) {
        const int turn = atomic_load(&r->turn);
        if (turn == seen) {
            (void)sched_yield();
            continue;
        }
        const bb_front front = r->front;
        bb_status status = BB_OK;
        atomic_fetch_add(&r->turn, 1);
        while (status == BB_OK) {
            changes c;
            status = find(&front, 0, MOST, &c);
            THREAD_CHECK(status == BB_E_STALE || (status == BB_OK && c.count == 1 && c.ranges[0].offset == 20));
        }
        seen = atomic_fetch_add(&r->turn, 1) + 1;
    }
    return NULL;
}

/* The last lease of a destroyed manager is released during queries: they see all of it or a stale lease, and it is freed. */
static void a_release_during_a_query_waits_for_it(void) {
    release_race r = {.turn = 0};
    const pthread_t thread = start(query_until_stale, &r);
    for (int i = 0; i < rounds(1000) && atomic_load(&thread_failures) == 0; i++) {
        bb_manager *m = make_u32(100, NULL);
        r.front = PUBLISH(m, 1, 5);
        OK(bb_manager_destroy(m));
        const int turn = atomic_fetch_add(&r.turn, 1) + 1;
        while (atomic_load(&r.turn) == turn) {
            (void)sched_yield();
        }
        OK(bb_lease_release(r.front.lease));
        while (atomic_load(&r.turn) != turn + 2) {
            (void)sched_yield();
        }
    }
    atomic_store(&r.stop, true);
    join(thread);
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(ranges_are_ascending_and_joined_where_they_touch);
    RUN_TEST(the_capacity_joins_the_nearest);
    RUN_TEST(only_the_history_is_known_and_the_front_keeps_it);
    RUN_TEST(without_a_history_all_has_changed);
    RUN_TEST(a_bad_argument_is_named_and_writes_nothing);
    RUN_TEST(a_field_has_the_ranges_within_it);
    RUN_TEST(an_empty_state_has_no_ranges);
    RUN_TEST(queries_that_race_publishes_miss_nothing);
    RUN_TEST(a_release_during_a_query_waits_for_it);
    return UNITY_END();
}
