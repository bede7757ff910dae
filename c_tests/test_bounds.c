/* Numbers at and beyond every edge: refused by name, nothing changed, never an abort. */
#include "support.h"

enum { COUNT = 8, BYTES = 4 * COUNT };

static bb_manager *m;
static const uint32_t data[COUNT];
static const uint64_t MAX = UINT64_MAX;

static const struct {
    uint64_t byte_offset, count;
    bb_status status;
} ranges[] = {{0, COUNT, BB_OK},
              {BYTES - 4, 1, BB_OK},
              {BYTES, 0, BB_OK},
              {BYTES, 1, BB_E_RANGE},
              {0, COUNT + 1, BB_E_RANGE},
              {BYTES + 4, 0, BB_E_RANGE},
              {1, 1, BB_E_ALIGN},
              {2, 1, BB_E_ALIGN},
              {3, 1, BB_E_ALIGN},
              {BYTES - 1, 1, BB_E_ALIGN},
              {0, MAX, BB_E_RANGE},
              {0, MAX / 4, BB_E_RANGE},
              {0, MAX / 4 + 1, BB_E_RANGE}, /* × 4 wraps to 0 */
              {0, MAX / 4 + 2, BB_E_RANGE}, /* × 4 wraps to 4 */
              {0, (uint64_t)1 << 62, BB_E_RANGE},
              {0, (uint64_t)1 << 63, BB_E_RANGE},
              {MAX - 3, 1, BB_E_RANGE}, /* the sum wraps to 0 */
              {MAX - 3, 2, BB_E_RANGE}, /* … to 4 */
              {MAX - 7, 3, BB_E_RANGE},
              {(uint64_t)1 << 63, 1, BB_E_RANGE},
              {(uint64_t)1 << 63, (uint64_t)1 << 61, BB_E_RANGE},
              {MAX - 31, MAX / 4, BB_E_RANGE},
              {MAX - 3, 0, BB_E_RANGE}};

static void kernel_nothing(void *back, const void *front, uint64_t count, void *user_data) {
    (void)back, (void)front, (void)count, (void)user_data;
}

static void offsets_and_counts_on_every_way_in(void) {
    m = make_u32(COUNT, NULL);
    bb_batch *batch = NULL;
    gate released = {0};
    int accepted = 0;
    OK(bb_batch_begin(m, &batch));
    for (size_t i = 0; i < LENGTH(ranges); i++) {
        const bb_update u = {.byte_offset = ranges[i].byte_offset, .count = ranges[i].count, .data = data};
        const bb_update pair[] = {{0, 1, data, 0, 0}, u};
        const bb_kernel k = {.function = kernel_nothing, .byte_offset = u.byte_offset, .count = u.count};
        const bb_status want = ranges[i].status;
        EXPECT(want, bb_manager_enqueue_update(m, &u, BB_FOREVER));
        if (want != BB_OK) {
            MESSAGE_HAS(want == BB_E_ALIGN ? "misaligned" : "out of bounds");
        }
        EXPECT(want, bb_manager_enqueue_updates(m, pair, 2, BB_FOREVER));
        EXPECT(want, bb_manager_enqueue_fill(m, 0, u.byte_offset, u.count, data, BB_FOREVER));
        EXPECT(want, bb_manager_enqueue_borrowed(m, &u, gate_release, &released, BB_FOREVER));
        EXPECT(want, bb_manager_enqueue_kernel(m, &k, BB_FOREVER));
        EXPECT(want, bb_batch_update(batch, &u));
        EXPECT(want, bb_batch_fill(batch, 0, u.byte_offset, u.count, data));
        EXPECT(want, bb_batch_kernel(batch, &k));
        accepted += want == BB_OK;
    }
    OK(bb_batch_commit(batch, BB_FOREVER));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(accepted, atomic_load(&released.calls));
}

static void regions_at_the_edges(void) {
    const int64_t low = INT64_MIN, high = INT64_MAX;
    const struct {
        uint64_t start[2], extent[2];
        int64_t step[2];
        bb_status status;
    } cases[] = {
        {{0, 0}, {4, 6}, {1, 1}, BB_OK},
        {{3, 5}, {4, 6}, {-1, -1}, BB_OK},
        {{3, 5}, {1, 1}, {high, low}, BB_OK}, /* the step of an axis of one is never taken */
        {{4, 0}, {0, 1}, {1, 1}, BB_OK},      /* nothing, at the end */
        {{5, 0}, {0, 1}, {1, 1}, BB_E_RANGE}, /* nothing, beyond it */
        {{4, 0}, {1, 1}, {1, 1}, BB_E_RANGE},
        {{0, 6}, {1, 1}, {1, 1}, BB_E_RANGE},
        {{1, 0}, {4, 1}, {1, 1}, BB_E_RANGE},
        {{0, 0}, {3, 1}, {2, 1}, BB_E_RANGE},
        {{2, 0}, {4, 1}, {-1, 1}, BB_E_RANGE},
        {{MAX, 0}, {1, 1}, {1, 1}, BB_E_RANGE},
        {{MAX, 0}, {2, 1}, {1, 1}, BB_E_RANGE},
        {{0, 0}, {MAX, MAX}, {1, 1}, BB_E_RANGE},
        {{0, 0}, {MAX, 0}, {1, 1}, BB_E_RANGE},
        {{1, 0}, {2, 1}, {high, 1}, BB_E_RANGE},
        {{1, 0}, {2, 1}, {low, 1}, BB_E_RANGE},
        {{0, 1}, {3, 3}, {1, low}, BB_E_RANGE},
        {{3, 0}, {(uint64_t)1 << 63, 1}, {-2, 1}, BB_E_RANGE}, /* the product wraps to 0 */
    };
    static const uint32_t source[24];
    OK(bb_manager_create(BB_U32, 2, SHAPE(4, 6), NULL, &m));
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const bb_region r = {.start = cases[i].start,
                             .extent = cases[i].extent,
                             .step = cases[i].step,
                             .data = source,
                             .strides = (const int64_t[]){0, 0}};
        const bb_status got = bb_manager_enqueue_region(m, &r, BB_FOREVER);
        char which[32];
        (void)snprintf(which, sizeof which, "region case %zu", i);
        expect_status(cases[i].status, got, which, __LINE__);
    }
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_destroy(m));
}

static void source_strides_that_overflow_are_refused(void) {
    const int64_t strides[] = {INT64_MAX, INT64_MIN, INT64_MAX / 2, INT64_MIN / 2};
    OK(bb_manager_create(BB_U32, 1, SHAPE(COUNT), NULL, &m));
    for (size_t i = 0; i < LENGTH(strides); i++) {
        const bb_region r = {
            .start = SHAPE(0), .extent = SHAPE(COUNT), .step = NULL, .data = data, .strides = &strides[i]};
        EXPECT(BB_E_RANGE, bb_manager_enqueue_region(m, &r, BB_FOREVER));
        MESSAGE_HAS("strides");
    }
    OK(bb_manager_destroy(m));
}

/* --- creation --- */

static void dtypes_that_are_none(void) {
    const uint32_t wrong[] = {0, 16, 17, 255, 0x7FFFFFFF, BB_OPAQUE(0)};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        m = NULL;
        EXPECT(BB_E_ARGUMENT, bb_manager_create(wrong[i], 1, SHAPE(1), NULL, &m));
        MESSAGE_HAS("dtype");
        CHECK(m == NULL);
    }
}

static void shapes_that_cannot_be(void) {
    const struct {
        uint32_t dtype, ndim;
        uint64_t shape[3];
    } cases[] = {{BB_U8, 1, {MAX}},
                 {BB_F64, 1, {MAX / 8}},
                 {BB_F64, 1, {MAX / 8 + 1}},
                 {BB_F64, 1, {(uint64_t)1 << 61}}, /* × 8 wraps to 0 */
                 {BB_U8, 2, {(uint64_t)1 << 32, (uint64_t)1 << 32}},
                 {BB_U8, 3, {MAX, MAX, MAX}},
                 {BB_C128, 2, {(uint64_t)1 << 30, (uint64_t)1 << 30}},
                 {BB_U8, 1, {(uint64_t)1 << 63}},
                 {BB_OPAQUE(0x7FFFFFFF), 2, {(uint64_t)1 << 20, (uint64_t)1 << 20}}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        m = NULL;
        const bb_status status = bb_manager_create(cases[i].dtype, cases[i].ndim, cases[i].shape, NULL, &m);
        CHECK(status == BB_E_RANGE || status == BB_E_LIMIT || status == BB_E_OUT_OF_MEMORY || status == BB_E_ARGUMENT);
        MESSAGE_HAS("bb_manager_create");
        CHECK(m == NULL);
    }
    const uint32_t ndims[] = {17, 100, UINT32_MAX};
    for (size_t i = 0; i < LENGTH(ndims); i++) {
        static const uint64_t ones[100];
        const bb_status status = bb_manager_create(BB_U8, ndims[i], ones, NULL, &m);
        CHECK(status == BB_E_ARGUMENT || status == BB_E_LIMIT);
        MESSAGE_HAS("ndim");
        CHECK(m == NULL);
    }
}

static void a_state_of_1_tib_is_out_of_memory_not_an_abort(void) {
    const uint64_t tib = (uint64_t)1 << 40;
    const uint64_t sizes[] = {tib, 8 * tib, 100 * tib, 1000 * tib, (uint64_t)1 << 47};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        m = NULL;
        const bb_status status = bb_manager_create(BB_U8, 1, &sizes[i], NULL, &m);
        CHECK(status == BB_E_OUT_OF_MEMORY || status == BB_E_LIMIT);
        MESSAGE_HAS("bb_manager_create");
        CHECK(m == NULL);
    }
    m = make_u32(COUNT, NULL); /* and life goes on */
    OK(bb_manager_destroy(m));
}

/* --- flags, enums, timeouts, numbers that mean nothing --- */

static void unknown_flags_and_levels(void) {
    m = make_u32(COUNT, NULL);
    bb_back back;
    for (int bit = 0; bit < 32; bit++) {
        const uint32_t flag = (uint32_t)1 << bit;
        if (flag != BB_BACK_DISCARD) {
            EXPECT(BB_E_ARGUMENT, bb_manager_reserve_back(m, flag, 0, &back));
            MESSAGE_HAS("flags");
        }
        if (flag != BB_KERNEL_ANY_THREAD && flag != BB_KERNEL_OVERWRITES) {
            const bb_kernel k = {.function = kernel_nothing, .count = 1, .flags = flag};
            EXPECT(BB_E_ARGUMENT, bb_manager_enqueue_kernel(m, &k, 0));
            MESSAGE_HAS("flags");
        }
        if (flag != BB_WAIT_INTERRUPTIBLE) {
            EXPECT(BB_E_ARGUMENT, bb_set_wait_flags(flag));
            MESSAGE_HAS("flags");
        }
    }
    OK(bb_set_wait_flags(0));
    EXPECT(BB_E_ARGUMENT, bb_set_wait_policy(3, 0));
    MESSAGE_HAS("policy");
    EXPECT(BB_E_ARGUMENT, bb_set_wait_policy(UINT32_MAX, UINT64_MAX));
    MESSAGE_HAS("policy");
    EXPECT(BB_E_ARGUMENT, bb_set_wait_policy(BB_WAIT_POLICY_SLEEP, 1));
    MESSAGE_HAS("max_spin_ns");
    EXPECT(BB_E_RANGE, bb_set_wait_policy(BB_WAIT_POLICY_SPIN, BB_WAIT_MAX_SPIN_NS + 1));
    MESSAGE_HAS("max_spin_ns");
    EXPECT(BB_E_RANGE, bb_set_wait_policy(BB_WAIT_POLICY_ADAPTIVE, UINT64_MAX));
    MESSAGE_HAS("max_spin_ns");
    OK(bb_set_wait_policy(BB_WAIT_POLICY_SPIN, BB_WAIT_MAX_SPIN_NS));
    OK(bb_set_wait_policy(BB_WAIT_POLICY_SPIN, 0));
    OK(bb_set_wait_policy(BB_WAIT_POLICY_SLEEP, 0));
    OK(bb_set_wait_policy(BB_WAIT_POLICY_ADAPTIVE, BB_WAIT_MAX_SPIN_NS));
    EXPECT(BB_E_ARGUMENT, bb_set_log(5, NULL, NULL, NULL));
    MESSAGE_HAS("level");
    EXPECT(BB_E_ARGUMENT, bb_set_log(UINT32_MAX, NULL, NULL, NULL));
    OK(bb_manager_destroy(m));
}

static void labels_that_are_not_utf8(void) {
    m = make_u32(COUNT, NULL);
    bb_task *task = NULL;
    EXPECT(BB_E_ARGUMENT, bb_task_begin(m, "caf\xe9", &task));
    MESSAGE_HAS("label");
    OK(bb_manager_synchronize(m, BB_FOREVER)); /* no task was left open */
    OK(bb_manager_destroy(m));
}

static void timeouts_at_both_ends(void) {
    const uint64_t ends[] = {0, 1, BB_FOREVER - 1, BB_FOREVER, (uint64_t)1 << 63, ((uint64_t)1 << 63) - 1};
    m = make_u32(COUNT, NULL);
    for (size_t i = 0; i < LENGTH(ends); i++) {
        uint64_t ticket = 0, epoch = 0;
        bb_back back;
        bb_watch *w = NULL;
        OK(put_u32(m, 0, 1, ends[i]));
        bb_status status = BB_E_TIMEOUT;
        while (status == BB_E_TIMEOUT) { /* one nanosecond may be too short: it completes in the end */
            status = bb_manager_synchronize(m, ends[i]);
        }
        OK(status);
        OK(bb_manager_synchronize_async(m, &ticket));
        OK(bb_manager_wait(m, ticket, BB_FOREVER, &epoch));
        OK(bb_manager_wait(m, ticket, ends[i], NULL));
        OK(bb_manager_wait_epoch(m, 0, ends[i], &(uint64_t){0}));
        OK(bb_watch_create(m, 0, &w));
        OK(bb_watch_wait(w, ends[i], &(uint64_t){0}));
        OK(bb_watch_destroy(w));
        status = BB_E_TIMEOUT;
        while (status == BB_E_TIMEOUT) {
            status = bb_manager_reserve_back(m, BB_BACK_KEEP, ends[i], &back);
        }
        OK(status);
        OK(bb_manager_cancel_back(m, &back));
    }
    TEST_ASSERT_EQUAL_UINT64(LENGTH(ends), epoch_of(m));
    OK(bb_manager_destroy(m));
}

static void a_descriptor_that_is_none(void) {
    CHECK(bb_debug_dump_fd(-1) < 0);
    CHECK(bb_debug_dump_fd(INT32_MAX) < 0);
    CHECK(bb_debug_dump_fd(INT32_MIN) < 0);
}

static void many_updates_in_one_call_at_the_edges(void) {
    m = make_u32(COUNT, NULL);
    const bb_update one = {.byte_offset = 0, .count = 1, .data = data};
    OK(bb_manager_enqueue_updates(m, &one, 0, 0));
    const bb_status status = bb_manager_enqueue_updates(m, &one, MAX, 0);
    CHECK(status == BB_E_RANGE || status == BB_E_LIMIT || status == BB_E_ARGUMENT);
    MESSAGE_HAS("updates");
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m));
    OK(bb_manager_destroy(m));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(offsets_and_counts_on_every_way_in);
    RUN_TEST(regions_at_the_edges);
    RUN_TEST(source_strides_that_overflow_are_refused);
    RUN_TEST(dtypes_that_are_none);
    RUN_TEST(shapes_that_cannot_be);
    RUN_TEST(a_state_of_1_tib_is_out_of_memory_not_an_abort);
    RUN_TEST(unknown_flags_and_levels);
    RUN_TEST(labels_that_are_not_utf8);
    RUN_TEST(timeouts_at_both_ends);
    RUN_TEST(a_descriptor_that_is_none);
    RUN_TEST(many_updates_in_one_call_at_the_edges);
    return UNITY_END();
}
