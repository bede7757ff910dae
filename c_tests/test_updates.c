/* Fill, region, borrowed, kernel, batch: each does what a loop would, and a bad one changes nothing. */
#include "support.h"

static bb_manager *m;

static void make(uint32_t dtype, uint32_t ndim, const uint64_t *shape) {
    OK(bb_manager_create(dtype, ndim, shape, NULL, &m));
}

static void expect_front(const void *want, size_t bytes, UNITY_LINE_TYPE line) {
    bb_front front;
    expect_status(BB_OK, bb_manager_synchronize(m, BB_FOREVER), "synchronize", line);
    expect_status(BB_OK, bb_manager_acquire_front(m, &front), "acquire_front", line);
    UNITY_TEST_ASSERT_EQUAL_UINT64(bytes, front.bytes, line, NULL);
    UNITY_TEST_ASSERT_EQUAL_MEMORY(want, front.data, bytes, line, NULL);
    expect_status(BB_OK, bb_lease_release(front.lease), "release", line);
}
#define FRONT_IS(array) expect_front(array, sizeof(array), __LINE__)
#define DONE() OK(bb_manager_destroy(m))

/* --- plain and fill --- */

static void data_of_any_alignment_is_copied_before_the_call_returns(void) {
    make(BB_U32, 1, SHAPE(8));
    char bytes[1 + 2 * sizeof(uint32_t)];
    memcpy(bytes + 1, &(uint32_t[]){11, 22}, 8);
    OK(bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 8, .count = 2, .data = bytes + 1}, 0));
    memset(bytes, 0, sizeof bytes);
    FRONT_IS(((const uint32_t[]){0, 0, 11, 22, 0, 0, 0, 0}));
    DONE();
}

static void fill_repeats_one_element(void) {
    typedef struct cell {
        uint8_t rgb[3];
    } cell;
    make(BB_OPAQUE(3), 1, SHAPE(6));
    OK(bb_manager_enqueue_fill(m, 0, 3, 4, &(cell){{1, 2, 3}}, 0));
    OK(bb_manager_enqueue_fill(m, 0, 18, 0, &(cell){{9, 9, 9}}, 0)); /* nothing, at the end */
    FRONT_IS(((const cell[]){{{0}}, {{1, 2, 3}}, {{1, 2, 3}}, {{1, 2, 3}}, {{1, 2, 3}}, {{0}}}));
    DONE();
}

/* --- regions, against a plain loop over a flat model --- */

enum { D0 = 5, D1 = 6, D2 = 7 };
static int32_t model[D0][D1][D2];

typedef struct region_case {
    uint64_t start[3], extent[3];
    int64_t step[3], strides[3]; /* strides in elements of the source; an all-zero row means NULL */
} region_case;

static const region_case region_cases[] = {
    {{0, 0, 0}, {5, 6, 7}, {1, 1, 1}, {0}},           /* all of it, packed */
    {{1, 2, 3}, {2, 3, 4}, {1, 1, 1}, {0}},           /* a box */
    {{0, 0, 0}, {3, 3, 4}, {2, 2, 2}, {0}},           /* every second */
    {{4, 5, 6}, {5, 6, 7}, {-1, -1, -1}, {0}},        /* backwards on each axis */
    {{4, 0, 6}, {3, 2, 3}, {-2, 3, -3}, {0}},         /* mixed */
    {{1, 1, 1}, {3, 4, 5}, {1, 1, 1}, {1, 3, 12}},    /* a transposed source */
    {{1, 1, 1}, {3, 4, 5}, {1, 1, 1}, {-20, -5, -1}}, /* a source read backwards */
    {{2, 0, 0}, {1, 6, 7}, {1, 1, 1}, {0, 7, 1}},     /* an axis of one: its stride is never used */
    {{0, 3, 2}, {5, 1, 4}, {1, 1, 1}, {0, 0, 1}},     /* broadcast over the first axis */
    {{0, 0, 0}, {5, 6, 7}, {1, 1, 1}, {0, 0, 1}},     /* one row everywhere */
    {{4, 5, 0}, {5, 6, 7}, {-1, -1, 1}, {42, -7, 1}}, /* both sides at once */
    {{3, 3, 3}, {0, 2, 2}, {1, 1, 1}, {0}},           /* nothing */
    {{0, 0, 6}, {5, 6, 1}, {1, 1, -7}, {6, 1, 0}},    /* the last column */
};

static void regions_do_what_a_loop_does(void) {
    static int32_t source[3 * D0 * D1 * D2];
    for (size_t i = 0; i < LENGTH(source); i++) {
        source[i] = (int32_t)i + 1;
    }
    const int32_t *middle = source + D0 * D1 * D2;
    make(BB_I32, 3, SHAPE(D0, D1, D2));
    memset(model, 0, sizeof model);
    for (size_t i = 0; i < LENGTH(region_cases); i++) {
        const region_case *c = &region_cases[i];
        const bool packed = c->strides[0] == 0 && c->strides[1] == 0 && c->strides[2] == 0;
        const int64_t row = (int64_t)c->extent[2], plane = (int64_t)c->extent[1] * row;
        const int64_t s0 = packed ? plane : c->strides[0], s1 = packed ? row : c->strides[1],
                      s2 = packed ? 1 : c->strides[2];
        for (int64_t a = 0; a < (int64_t)c->extent[0]; a++) {
            for (int64_t b = 0; b < (int64_t)c->extent[1]; b++) {
                for (int64_t d = 0; d < (int64_t)c->extent[2]; d++) {
                    model[(int64_t)c->start[0] + a * c->step[0]][(int64_t)c->start[1] + b * c->step[1]]
                         [(int64_t)c->start[2] + d * c->step[2]] = middle[a * s0 + b * s1 + d * s2];
                }
            }
        }
        const int64_t bytes[] = {4 * c->strides[0], 4 * c->strides[1], 4 * c->strides[2]};
        const bool forward = c->step[0] == 1 && c->step[1] == 1 && c->step[2] == 1;
        const bb_region r = {.start = c->start,
                             .extent = c->extent,
                             .step = forward && i % 2 == 0 ? NULL : c->step,
                             .data = middle,
                             .strides = packed ? NULL : bytes};
        OK(bb_manager_enqueue_region(m, &r, BB_FOREVER));
        FRONT_IS(model);
    }
    DONE();
}

static void a_fill_of_a_region_is_a_source_of_stride_0(void) {
    make(BB_F64, 2, SHAPE(3, 4));
    const double value = 1.5;
    OK(bb_manager_enqueue_region(m,
                                 &(bb_region){.start = SHAPE(1, 0),
                                              .extent = SHAPE(2, 2),
                                              .step = (const int64_t[]){1, 2},
                                              .data = &value,
                                              .strides = (const int64_t[]){0, 0}},
                                 0));
    FRONT_IS(((const double[]){0, 0, 0, 0, 1.5, 0, 1.5, 0, 1.5, 0, 1.5, 0}));
    DONE();
}

static void a_step_of_0_would_write_twice_and_is_refused(void) {
    make(BB_F64, 2, SHAPE(3, 4));
    static const double data[4];
    EXPECT(BB_E_ARGUMENT, bb_manager_enqueue_region(m,
                                                    &(bb_region){.start = SHAPE(0, 0),
                                                                 .extent = SHAPE(2, 2),
                                                                 .step = (const int64_t[]){1, 0},
                                                                 .data = data,
                                                                 .strides = NULL},
                                                    0));
    MESSAGE_HAS("step");
    DONE();
}

/* --- borrowed --- */

static void borrowed_data_is_released_exactly_once_when_it_was_read(void) {
    static uint32_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    gate released = {0};
    make(BB_U32, 1, SHAPE(8));
    for (int i = 1; i <= 100; i++) {
        OK(bb_manager_enqueue_borrowed(m, &(bb_update){.byte_offset = 0, .count = 8, .data = data}, gate_release,
                                       &released, BB_FOREVER));
        FRONT_IS(data);
        EVENTUALLY(atomic_load(&released.calls) == i);
        CHECK(!pthread_equal(released.thread, pthread_self())); /* the worker's, by default */
    }
    DONE();
    TEST_ASSERT_EQUAL_INT(100, atomic_load(&released.calls));
}

static void borrowed_data_of_a_failed_enqueue_stays_the_callers(void) {
    static const uint32_t data[8];
    gate released = {0};
    make(BB_U32, 1, SHAPE(8));
    EXPECT(BB_E_RANGE, bb_manager_enqueue_borrowed(m, &(bb_update){.byte_offset = 4, .count = 8, .data = data},
                                                   gate_release, &released, 0));
    EXPECT(BB_E_ALIGN, bb_manager_enqueue_borrowed(m, &(bb_update){.byte_offset = 2, .count = 1, .data = data},
                                                   gate_release, &released, 0));
    bb_back back;
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, 0, &back));
    int accepted = 0;
    bb_status status = BB_OK;
    while ((status = bb_manager_enqueue_borrowed(m, &(bb_update){.byte_offset = 0, .count = 8, .data = data},
                                                 gate_release, &released, 0)) == BB_OK) {
        accepted++;
    }
    EXPECT(BB_E_FULL, status);
    OK(bb_manager_cancel_back(m, &back));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    EVENTUALLY(atomic_load(&released.calls) == accepted);
    DONE();
    TEST_ASSERT_EQUAL_INT(accepted, atomic_load(&released.calls));
}

static void borrowed_data_of_no_bytes_is_released_too(void) {
    gate released = {0};
    make(BB_U32, 1, SHAPE(8));
    OK(bb_manager_enqueue_borrowed(m, &(bb_update){.byte_offset = 0, .count = 0, .data = NULL}, gate_release, &released,
                                   0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    DONE();
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&released.calls));
}

/* --- kernels --- */

typedef struct kernel_log {
    uint64_t count;
    uint32_t front_seen, back_seen;
    pthread_t thread, dropper;
    atomic_int calls, drops;
} kernel_log;

static void add_1000(void *back, const void *front, uint64_t count, void *user_data) {
    kernel_log *log = user_data;
    uint32_t *state = back;
    log->count = count;
    log->front_seen = *(const uint32_t *)front;
    log->back_seen = *state;
    log->thread = pthread_self();
    for (uint64_t i = 0; i < count; i++) {
        state[i] += 1000;
    }
    atomic_fetch_add(&log->calls, 1);
}

static void overwrite(void *back, const void *front, uint64_t count, void *user_data) {
    kernel_log *log = user_data;
    for (uint64_t i = 0; i < count; i++) {
        ((uint32_t *)back)[i] = ((const uint32_t *)front)[i] + 1;
    }
    log->thread = pthread_self();
    atomic_fetch_add(&log->calls, 1);
}

static void drop_log(void *user_data) {
    ((kernel_log *)user_data)->dropper = pthread_self();
    atomic_fetch_add(&((kernel_log *)user_data)->drops, 1);
}

static void a_kernel_sees_every_earlier_update_in_its_range(void) {
    kernel_log log = {0};
    make(BB_U32, 1, SHAPE(8));
    OK(put_u32(m, 2, 5, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(put_u32(m, 2, 7, 0));
    OK(bb_manager_enqueue_kernel(m, &(bb_kernel){add_1000, &log, drop_log, 8, 3, 0, 0}, 0));
    OK(put_u32(m, 4, 1, 0)); /* after it */
    FRONT_IS(((const uint32_t[]){0, 0, 1007, 1000, 1, 0, 0, 0}));
    TEST_ASSERT_EQUAL_UINT64(3, log.count);
    TEST_ASSERT_EQUAL_UINT32(5, log.front_seen);
    TEST_ASSERT_EQUAL_UINT32(7, log.back_seen);
    CHECK(!pthread_equal(log.thread, pthread_self())); /* the worker's */
    OK(put_u32(m, 7, 9, 0));
    FRONT_IS(((const uint32_t[]){0, 0, 1007, 1000, 1, 0, 0, 9})); /* what it wrote is carried forward */
    DONE();
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&log.calls));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&log.drops));
}

static void kernels_run_in_order_with_every_flag(void) {
    const uint32_t flags[] = {0, BB_KERNEL_ANY_THREAD, BB_KERNEL_OVERWRITES,
                              BB_KERNEL_ANY_THREAD | BB_KERNEL_OVERWRITES};
    for (size_t f = 0; f < LENGTH(flags); f++) {
        kernel_log log = {0};
        uint32_t want[8];
        make(BB_U32, 1, SHAPE(8));
        for (uint32_t i = 0; i < 50; i++) {
            OK(bb_manager_enqueue_kernel(m, &(bb_kernel){overwrite, &log, drop_log, 0, 8, flags[f], 0}, BB_FOREVER));
            OK(bb_manager_synchronize(m, BB_FOREVER));
        }
        for (size_t i = 0; i < LENGTH(want); i++) {
            want[i] = 50;
        }
        FRONT_IS(want);
        DONE();
        TEST_ASSERT_EQUAL_INT(50, atomic_load(&log.calls));
        TEST_ASSERT_EQUAL_INT(50, atomic_load(&log.drops));
    }
}

static void a_kernel_for_any_thread_runs_on_the_caller_when_that_is_free(void) {
    kernel_log log = {0};
    make(BB_U32, 1, SHAPE(8));
    OK(bb_manager_enqueue_kernel(m, &(bb_kernel){add_1000, &log, drop_log, 0, 8, BB_KERNEL_ANY_THREAD, 0}, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    CHECK(pthread_equal(log.thread, pthread_self()));
    EVENTUALLY(atomic_load(&log.drops) == 1);
    CHECK(!pthread_equal(log.dropper, pthread_self())); /* on the worker, whichever thread ran the kernel */
    DONE();
}

static void a_kernel_that_never_runs_is_dropped_once(void) {
    kernel_log log = {0};
    bb_back back;
    make(BB_U32, 1, SHAPE(8));
    EXPECT(BB_E_RANGE, bb_manager_enqueue_kernel(m, &(bb_kernel){add_1000, &log, drop_log, 8, 8, 0, 0}, 0));
    EXPECT(BB_E_ALIGN, bb_manager_enqueue_kernel(m, &(bb_kernel){add_1000, &log, drop_log, 1, 1, 0, 0}, 0));
    EXPECT(BB_E_ARGUMENT, bb_manager_enqueue_kernel(m, &(bb_kernel){add_1000, &log, drop_log, 0, 1, 4, 0}, 0));
    EXPECT(BB_E_RANGE, bb_manager_enqueue_kernel(m, &(bb_kernel){add_1000, &log, drop_log, 0, 1, 0, 1}, 0));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&log.drops)); /* refused: it stays the caller's */
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, 0, &back));
    OK(bb_manager_enqueue_kernel(m, &(bb_kernel){add_1000, &log, drop_log, 0, 8, 0, 0}, 0));
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&log.calls));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&log.drops));
}

/* --- many as one, and batches: whole or not at all --- */

static void enqueue_many_is_one_batch(void) {
    make(BB_U32, 1, SHAPE(8));
    const bb_update updates[] = {{0, 1, &(uint32_t){1}, 0, 0},
                                 {12, 2, (uint32_t[]){2, 3}, 0, 0},
                                 {0, 1, &(uint32_t){4}, 0, 0},
                                 {28, 0, NULL, 0, 0}};
    OK(bb_manager_enqueue_updates(m, updates, LENGTH(updates), 0));
    FRONT_IS(((const uint32_t[]){4, 0, 0, 2, 3, 0, 0, 0}));
    TEST_ASSERT_EQUAL_UINT64(1, epoch_of(m));
    DONE();
}

static void one_bad_update_in_the_middle_changes_nothing(void) {
    make(BB_U32, 1, SHAPE(8));
    bb_update updates[] = {{0, 1, &(uint32_t){1}, 0, 0}, {32, 1, &(uint32_t){2}, 0, 0}, {4, 1, &(uint32_t){3}, 0, 0}};
    EXPECT(BB_E_RANGE, bb_manager_enqueue_updates(m, updates, LENGTH(updates), 0));
    MESSAGE_HAS("updates[1]");
    updates[1].byte_offset = 2;
    EXPECT(BB_E_ALIGN, bb_manager_enqueue_updates(m, updates, LENGTH(updates), 0));
    MESSAGE_HAS("updates[1]");
    updates[1] = (bb_update){.byte_offset = 8, .count = 1, .data = NULL};
    EXPECT(BB_E_NULL, bb_manager_enqueue_updates(m, updates, LENGTH(updates), 0));
    MESSAGE_HAS("updates[1]");
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m));
    FRONT_IS(((const uint32_t[]){0, 0, 0, 0, 0, 0, 0, 0}));
    DONE();
}

static void a_batch_holds_every_kind_in_its_order(void) {
    kernel_log log = {0};
    bb_batch *b = NULL;
    make(BB_U32, 1, SHAPE(8));
    OK(bb_batch_begin(m, &b));
    OK(bb_batch_fill(b, 0, 0, 8, &(uint32_t){1}));
    OK(bb_batch_update(b, &(bb_update){.byte_offset = 4, .count = 2, .data = (uint32_t[]){2, 3}}));
    OK(bb_batch_kernel(b, &(bb_kernel){add_1000, &log, drop_log, 4, 2, 0, 0}));
    OK(bb_batch_region(b, &(bb_region){.start = SHAPE(7),
                                       .extent = SHAPE(2),
                                       .step = (const int64_t[]){-7},
                                       .data = (uint32_t[]){70, 71},
                                       .strides = NULL}));
    OK(bb_batch_tag(b, 12));
    OK(bb_manager_synchronize(m, BB_FOREVER)); /* of another thread: none of it is published */
    TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m));
    OK(bb_batch_commit(b, 0));
    EXPECT(BB_E_STALE, bb_batch_commit(b, 0));
    FRONT_IS(((const uint32_t[]){71, 1002, 1003, 1, 1, 1, 1, 70}));
    TEST_ASSERT_EQUAL_UINT64(1, epoch_of(m));
    TEST_ASSERT_EQUAL_UINT64(12, info_of(m).tag);
    DONE();
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&log.drops));
}

static void a_refused_part_leaves_the_rest_of_the_batch(void) {
    bb_batch *b = NULL;
    make(BB_U32, 1, SHAPE(8));
    OK(bb_batch_begin(m, &b));
    OK(bb_batch_fill(b, 0, 0, 2, &(uint32_t){1}));
    EXPECT(BB_E_RANGE, bb_batch_fill(b, 0, 0, 9, &(uint32_t){2}));
    EXPECT(BB_E_ALIGN, bb_batch_update(b, &(bb_update){.byte_offset = 1, .count = 1, .data = &(uint32_t){2}}));
    EXPECT(BB_E_RANGE,
           bb_batch_region(
               b, &(bb_region){
                      .start = SHAPE(8), .extent = SHAPE(1), .step = NULL, .data = &(uint32_t){2}, .strides = NULL}));
    OK(bb_batch_fill(b, 0, 28, 1, &(uint32_t){3}));
    OK(bb_batch_commit(b, 0));
    FRONT_IS(((const uint32_t[]){1, 1, 0, 0, 0, 0, 0, 3}));
    DONE();
}

/* The role is free, and everything else of the batch may be applied by its caller. */
static void a_kernel_of_a_batch_runs_on_the_worker_unless_it_says_so(void) {
    kernel_log worker = {0}, any = {0}, behind = {0};
    make(BB_U32, 1, SHAPE(8));
    for (int i = 0; i < 20; i++) {
        bb_batch *b = NULL;
        OK(bb_batch_begin(m, &b));
        OK(bb_batch_fill(b, 0, 0, 8, &(uint32_t){1}));
        OK(bb_batch_kernel(b, &(bb_kernel){add_1000, &any, NULL, 0, 8, BB_KERNEL_ANY_THREAD, 0}));
        OK(bb_batch_kernel(b, &(bb_kernel){add_1000, &worker, NULL, 0, 8, 0, 0}));
        OK(bb_batch_kernel(b, &(bb_kernel){add_1000, &behind, NULL, 0, 8, BB_KERNEL_ANY_THREAD, 0}));
        OK(bb_batch_commit(b, BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_INT(i + 1, atomic_load(&worker.calls));
        CHECK(!pthread_equal(worker.thread, pthread_self()));
    }
    FRONT_IS(((const uint32_t[]){3001, 3001, 3001, 3001, 3001, 3001, 3001, 3001}));
    DONE();
}

/* The same of a batch that is larger than the queue. */
static void a_kernel_of_a_large_batch_runs_on_the_worker(void) {
    static const uint32_t data[4096];
    kernel_log log = {0};
    bb_manager_config config = defaults("large");
    config.queue_bytes = 4096;
    m = make_u32(LENGTH(data), &config);
    for (int i = 0; i < rounds(200); i++) {
        bb_batch *b = NULL;
        OK(bb_batch_begin(m, &b));
        OK(bb_batch_update(b, &(bb_update){.byte_offset = 0, .count = LENGTH(data), .data = data}));
        OK(bb_batch_kernel(b, &(bb_kernel){add_1000, &log, NULL, 0, 8, 0, 0}));
        OK(bb_batch_commit(b, BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        CHECK(!pthread_equal(log.thread, pthread_self()));
    }
    TEST_ASSERT_EQUAL_UINT32(1000, get_u32(m, 7));
    OK(bb_manager_destroy(m));
}

static void a_cancelled_batch_leaves_nothing(void) {
    kernel_log log = {0};
    bb_batch *b = NULL;
    make(BB_U32, 1, SHAPE(8));
    OK(bb_batch_begin(m, &b));
    OK(bb_batch_fill(b, 0, 0, 8, &(uint32_t){1}));
    OK(bb_batch_kernel(b, &(bb_kernel){add_1000, &log, drop_log, 0, 8, 0, 0}));
    OK(bb_batch_cancel(b));
    EXPECT(BB_E_STALE, bb_batch_cancel(b));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&log.calls));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&log.drops));
    DONE();
}

static void an_empty_batch_is_nothing_new(void) {
    bb_batch *b = NULL;
    make(BB_U32, 1, SHAPE(8));
    OK(bb_batch_begin(m, &b));
    OK(bb_batch_commit(b, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m));
    DONE();
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(data_of_any_alignment_is_copied_before_the_call_returns);
    RUN_TEST(fill_repeats_one_element);
    RUN_TEST(regions_do_what_a_loop_does);
    RUN_TEST(a_fill_of_a_region_is_a_source_of_stride_0);
    RUN_TEST(a_step_of_0_would_write_twice_and_is_refused);
    RUN_TEST(borrowed_data_is_released_exactly_once_when_it_was_read);
    RUN_TEST(borrowed_data_of_a_failed_enqueue_stays_the_callers);
    RUN_TEST(borrowed_data_of_no_bytes_is_released_too);
    RUN_TEST(a_kernel_sees_every_earlier_update_in_its_range);
    RUN_TEST(kernels_run_in_order_with_every_flag);
    RUN_TEST(a_kernel_for_any_thread_runs_on_the_caller_when_that_is_free);
    RUN_TEST(a_kernel_that_never_runs_is_dropped_once);
    RUN_TEST(enqueue_many_is_one_batch);
    RUN_TEST(one_bad_update_in_the_middle_changes_nothing);
    RUN_TEST(a_batch_holds_every_kind_in_its_order);
    RUN_TEST(a_refused_part_leaves_the_rest_of_the_batch);
    RUN_TEST(a_kernel_of_a_batch_runs_on_the_worker_unless_it_says_so);
    RUN_TEST(a_kernel_of_a_large_batch_runs_on_the_worker);
    RUN_TEST(a_cancelled_batch_leaves_nothing);
    RUN_TEST(an_empty_batch_is_nothing_new);
    return UNITY_END();
}
