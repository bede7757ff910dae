/* Managers: creation, order of updates, epochs, tags. */
#include "support.h"

/* --- creation --- */

static void every_dtype_starts_as_zeros_at_epoch_0(void) {
    const struct {
        uint32_t dtype, size;
    } cases[] = {
        {BB_U8, 1},   {BB_U16, 2}, {BB_U32, 4},   {BB_U64, 8},       {BB_I8, 1},          {BB_I16, 2},
        {BB_I32, 4},  {BB_I64, 8}, {BB_F16, 2},   {BB_BF16, 2},      {BB_F32, 4},         {BB_F64, 8},
        {BB_BOOL, 1}, {BB_C64, 8}, {BB_C128, 16}, {BB_OPAQUE(1), 1}, {BB_OPAQUE(28), 28}, {BB_OPAQUE(4096), 4096}};
    static const char zeros[15 * 4096];
    for (size_t i = 0; i < LENGTH(cases); i++) {
        bb_manager *m = NULL;
        OK(bb_manager_create(cases[i].dtype, 2, SHAPE(3, 5), NULL, &m));
        const bb_manager_info info = info_of(m);
        TEST_ASSERT_EQUAL_UINT32(cases[i].dtype, info.dtype);
        TEST_ASSERT_EQUAL_UINT32(cases[i].size, info.element_size);
        TEST_ASSERT_EQUAL_UINT32(2, info.ndim);
        TEST_ASSERT_EQUAL_UINT64(3, info.shape[0]);
        TEST_ASSERT_EQUAL_UINT64(5, info.shape[1]);
        TEST_ASSERT_EQUAL_UINT64(0, info.shape[2]);
        TEST_ASSERT_EQUAL_UINT64(15 * cases[i].size, info.bytes);
        TEST_ASSERT_EQUAL_UINT64(0, info.epoch);
        TEST_ASSERT_EQUAL_UINT64(0, info.tag);
        TEST_ASSERT_EQUAL_UINT32(3, info.copies);
        TEST_ASSERT_EQUAL_UINT32(0, info.state);
        TEST_ASSERT_EQUAL_STRING("", info.label);
        bb_front front;
        OK(bb_manager_acquire_front(m, &front));
        TEST_ASSERT_EQUAL_UINT64(info.bytes, front.bytes);
        TEST_ASSERT_EQUAL_UINT64(0, front.epoch);
        TEST_ASSERT_EQUAL_UINT64(0, (uintptr_t)front.data % 64);
        TEST_ASSERT_EQUAL_MEMORY(zeros, front.data, front.bytes);
        OK(bb_lease_release(front.lease));
        OK(bb_manager_destroy(m));
    }
}

typedef struct particle {
    double position[2];
    float mass;
    uint32_t id;
} particle;

static void opaque_elements_are_checked_as_a_whole(void) {
    bb_manager *m = NULL;
    OK(bb_manager_create(BB_OPAQUE(sizeof(particle)), 1, SHAPE(10), NULL, &m));
    const particle p = {.position = {1, 2}, .mass = 3, .id = 4};
    OK(bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 9 * sizeof p, .count = 1, .data = &p}, 0));
    EXPECT(BB_E_ALIGN, bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 8, .count = 1, .data = &p}, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    bb_front front;
    OK(bb_manager_acquire_front(m, &front));
    TEST_ASSERT_EQUAL_MEMORY(&p, (const particle *)front.data + 9, sizeof p);
    OK(bb_lease_release(front.lease));
    OK(bb_manager_destroy(m));
}

static void zero_size_states_are_legal(void) {
    const struct {
        uint32_t ndim;
        uint64_t shape[3];
    } cases[] = {{1, {0}}, {3, {3, 0, 2}}, {2, {1000, 0}}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        bb_manager *m = NULL;
        bb_front front;
        OK(bb_manager_create(BB_F64, cases[i].ndim, cases[i].shape, NULL, &m));
        TEST_ASSERT_EQUAL_UINT64(0, info_of(m).bytes);
        OK(bb_manager_enqueue_update(m, &(bb_update){0}, 0));
        OK(bb_manager_enqueue_fill(m, 0, 0, 0, &(double){1}, 0));
        EXPECT(BB_E_RANGE, bb_manager_enqueue_fill(m, 0, 0, 1, &(double){1}, 0));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        OK(bb_manager_acquire_front(m, &front));
        TEST_ASSERT_EQUAL_UINT64(0, front.bytes);
        OK(bb_lease_release(front.lease));
        OK(bb_manager_close(m, BB_FOREVER));
        OK(bb_manager_destroy(m));
    }
}

static void a_scalar_has_no_axes(void) {
    bb_manager *m = NULL;
    OK(bb_manager_create(BB_F64, 0, NULL, NULL, &m));
    TEST_ASSERT_EQUAL_UINT64(8, info_of(m).bytes);
    OK(bb_manager_enqueue_region(m, &(bb_region){.data = &(double){2.5}}, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    bb_front front;
    OK(bb_manager_acquire_front(m, &front));
    TEST_ASSERT_EQUAL_MEMORY(&(double){2.5}, front.data, sizeof(double));
    OK(bb_lease_release(front.lease));
    OK(bb_manager_destroy(m));
}

static void sixteen_axes_are_the_most(void) {
    uint64_t shape[BB_MAX_DIMS + 1];
    for (size_t i = 0; i < LENGTH(shape); i++) {
        shape[i] = 2;
    }
    bb_manager *m = NULL;
    OK(bb_manager_create(BB_U8, BB_MAX_DIMS, shape, NULL, &m));
    TEST_ASSERT_EQUAL_UINT64(65536, info_of(m).bytes);
    TEST_ASSERT_EQUAL_UINT64(2, info_of(m).shape[15]);
    OK(bb_manager_destroy(m));
    m = NULL;
    CHECK(bb_manager_create(BB_U8, BB_MAX_DIMS + 1, shape, NULL, &m) < 0);
    MESSAGE_HAS("ndim");
    CHECK(m == NULL);
}

static void initial_content_is_in_every_copy(void) {
    for (uint32_t copies = 2; copies <= 8; copies++) {
        const uint32_t initial[4] = {10, 20, 30, 40};
        bb_manager_config config = defaults("initial");
        config.copies = copies;
        config.initial = initial;
        bb_manager *m = make_u32(4, &config);
        for (uint32_t epoch = 0; epoch < 20; epoch++) {
            TEST_ASSERT_EQUAL_UINT32(40, get_u32(m, 3));
            OK(put_u32(m, 0, epoch, BB_FOREVER));
            OK(bb_manager_synchronize(m, BB_FOREVER));
            TEST_ASSERT_EQUAL_UINT32(epoch, get_u32(m, 0));
            TEST_ASSERT_EQUAL_UINT64(epoch + 1, epoch_of(m));
        }
        OK(bb_manager_destroy(m));
    }
}

/* --- order --- */

enum { PRODUCERS = 4, BLOCK = 64 };

typedef struct producer {
    bb_manager *m;
    uint32_t id;
} producer;

/* Counts in its own slot, and writes one value to all of the shared block in one batch. */
static void *produce(void *argument) {
    const producer *p = argument;
    for (uint32_t i = 1; i <= (uint32_t)rounds(5000); i++) {
        bb_batch *batch = NULL;
        uint32_t value = p->id << 24 | i;
        THREAD_OK(put_u32(p->m, BLOCK + p->id, i, BB_FOREVER));
        THREAD_OK(bb_batch_begin(p->m, &batch));
        for (uint64_t k = 0; k < BLOCK; k += 16) {
            THREAD_OK(bb_batch_fill(batch, 0, 4 * k, 16, &value));
        }
        THREAD_OK(bb_batch_commit(batch, BB_FOREVER));
    }
    return NULL;
}

static void producers_keep_their_order_in_one_total_order(void) {
    bb_manager *m = make_u32(BLOCK + PRODUCERS, NULL);
    producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    uint32_t seen[PRODUCERS] = {0};
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        producers[i] = (producer){m, i};
        threads[i] = start(produce, &producers[i]);
    }
    for (bool done = false; !done;) {
        bb_front front;
        OK(bb_manager_synchronize(m, BB_FOREVER));
        OK(bb_manager_acquire_front(m, &front));
        const uint32_t *state = front.data;
        done = true;
        for (uint32_t i = 0; i < PRODUCERS; i++) {
            CHECK(state[BLOCK + i] >= seen[i]);
            seen[i] = state[BLOCK + i];
            done = done && seen[i] == (uint32_t)rounds(5000);
        }
        TEST_ASSERT_EACH_EQUAL_UINT32(state[0], state, BLOCK);
        if (state[0] != 0) { /* the batch came after its producer's count */
            CHECK((state[0] & 0xFFFFFF) <= state[BLOCK + (state[0] >> 24)]);
        }
        OK(bb_lease_release(front.lease));
    }
    for (uint32_t i = 0; i < PRODUCERS; i++) {
        join(threads[i]);
    }
    OK(bb_manager_destroy(m));
}

/* --- epochs --- */

static void an_empty_synchronize_keeps_the_epoch(void) {
    bb_manager *m = make_u32(8, NULL);
    OK(bb_manager_synchronize(m, 0));
    TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m));
    OK(put_u32(m, 0, 7, 0));
    TEST_ASSERT_EQUAL_UINT32(0, get_u32(m, 0)); /* not published yet */
    OK(bb_manager_synchronize(m, BB_FOREVER));
    const uint64_t epochs = stats_of(m).epochs;
    for (int i = 0; i < 5; i++) {
        OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    TEST_ASSERT_EQUAL_UINT64(1, epoch_of(m));
    TEST_ASSERT_EQUAL_UINT64(epochs, stats_of(m).epochs);
    TEST_ASSERT_EQUAL_UINT32(7, get_u32(m, 0));
    OK(bb_manager_destroy(m));
}

static void *synchronize(void *m) {
    THREAD_OK(bb_manager_synchronize(m, BB_FOREVER));
    return NULL;
}

static void requests_with_nothing_between_share_one_publish(void) {
    bb_manager *m = make_u32(8, NULL);
    for (uint64_t round = 1; round <= (uint64_t)rounds(100); round++) {
        pthread_t threads[4];
        OK(put_u32(m, 0, 1, 0));
        for (size_t i = 0; i < LENGTH(threads); i++) {
            threads[i] = start(synchronize, m);
        }
        for (size_t i = 0; i < LENGTH(threads); i++) {
            join(threads[i]);
        }
        TEST_ASSERT_EQUAL_UINT64(round, epoch_of(m));
    }
    OK(bb_manager_destroy(m));
}

static void a_ticket_covers_what_came_before_it(void) {
    bb_manager *m = make_u32(8, NULL);
    uint64_t first = 0, second = 0, epoch = 0;
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_synchronize_async(m, &first));
    OK(put_u32(m, 1, 2, 0));
    OK(bb_manager_synchronize_async(m, &second));
    OK(bb_manager_wait(m, second, BB_FOREVER, &epoch)); /* in any order */
    CHECK(epoch >= 1 && epoch <= 2);
    TEST_ASSERT_EQUAL_UINT32(2, get_u32(m, 1));
    OK(bb_manager_wait(m, first, BB_FOREVER, &epoch));
    CHECK(epoch >= 1 && epoch <= 2);
    OK(bb_manager_wait(m, first, 0, &epoch)); /* again */
    OK(bb_manager_destroy(m));
}

static void a_ticket_completes_without_a_waiter(void) {
    bb_manager *m = make_u32(8, NULL);
    uint64_t ticket = 0;
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_synchronize_async(m, &ticket));
    EVENTUALLY(epoch_of(m) == 1);
    OK(bb_manager_wait(m, ticket, 0, NULL));
    OK(bb_manager_destroy(m));
}

static void an_unissued_ticket_is_refused(void) {
    bb_manager *m = make_u32(8, NULL);
    CHECK(bb_manager_wait(m, UINT64_MAX, 0, NULL) < 0);
    MESSAGE_HAS("ticket");
    OK(bb_manager_destroy(m));
}

static void *wait_for_the_next(void *argument) {
    bb_manager *m = argument;
    uint64_t seen = 0;
    while (seen < 100) {
        const uint64_t after = seen;
        THREAD_OK(bb_manager_wait_epoch(m, after, BB_FOREVER, &seen));
        if (!THREAD_CHECK(seen > after)) {
            break;
        }
    }
    return NULL;
}

static void readers_wait_for_the_next_front(void) {
    bb_manager *m = make_u32(8, NULL);
    const pthread_t threads[] = {start(wait_for_the_next, m), start(wait_for_the_next, m)};
    for (uint32_t i = 0; i < 100; i++) {
        OK(put_u32(m, 0, i, BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    join(threads[0]);
    join(threads[1]);
    EXPECT(BB_E_TIMEOUT, bb_manager_wait_epoch(m, 100, BB_MS(1), &(uint64_t){0}));
    uint64_t epoch = 0;
    OK(bb_manager_wait_epoch(m, 3, 0, &epoch));
    TEST_ASSERT_EQUAL_UINT64(100, epoch);
    OK(bb_manager_destroy(m));
}

/* --- tags --- */

static uint64_t tag_of(bb_manager *m) {
    bb_front front;
    OK(bb_manager_acquire_front(m, &front));
    OK(bb_lease_release(front.lease));
    TEST_ASSERT_EQUAL_UINT64(front.tag, info_of(m).tag);
    return front.tag;
}

static void tags_travel_in_order(void) {
    bb_manager *m = make_u32(8, NULL);
    bb_batch *batch = NULL;
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_enqueue_tag(m, 41, 0));
    OK(bb_manager_enqueue_tag(m, 42, 0));
    TEST_ASSERT_EQUAL_UINT64(0, tag_of(m));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(42, tag_of(m));
    OK(put_u32(m, 0, 2, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(42, tag_of(m)); /* until there is another one */
    OK(bb_batch_begin(m, &batch));
    OK(bb_batch_fill(batch, 0, 0, 8, &(uint32_t){3}));
    OK(bb_batch_tag(batch, UINT64_MAX));
    OK(bb_batch_commit(batch, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(UINT64_MAX, tag_of(m));
    OK(bb_manager_destroy(m));
}

static void a_tag_alone_is_published(void) {
    bb_manager *m = make_u32(8, NULL);
    OK(bb_manager_enqueue_tag(m, 9, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(9, tag_of(m));
    OK(bb_manager_destroy(m));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(every_dtype_starts_as_zeros_at_epoch_0);
    RUN_TEST(opaque_elements_are_checked_as_a_whole);
    RUN_TEST(zero_size_states_are_legal);
    RUN_TEST(a_scalar_has_no_axes);
    RUN_TEST(sixteen_axes_are_the_most);
    RUN_TEST(initial_content_is_in_every_copy);
    RUN_TEST(producers_keep_their_order_in_one_total_order);
    RUN_TEST(an_empty_synchronize_keeps_the_epoch);
    RUN_TEST(requests_with_nothing_between_share_one_publish);
    RUN_TEST(a_ticket_covers_what_came_before_it);
    RUN_TEST(a_ticket_completes_without_a_waiter);
    RUN_TEST(an_unissued_ticket_is_refused);
    RUN_TEST(readers_wait_for_the_next_front);
    RUN_TEST(tags_travel_in_order);
    RUN_TEST(a_tag_alone_is_published);
    return UNITY_END();
}
