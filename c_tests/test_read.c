/* Reads without a lease: their epoch, ranges and fields, misuse, a plain model, and readers that race publishes. */
#include "support.h"

enum { LARGEST = 8192 };

/* A read of the whole state. */
static bb_status read_all(bb_manager *m, void *data, uint64_t bytes, uint64_t *epoch) {
    return bb_manager_read(m, BB_ALL_FIELDS, 0, data, bytes, epoch, NULL);
}

static void a_read_has_the_newest_epoch_and_its_tag(void) {
    bb_manager *m = make_u32(4, NULL);
    uint32_t state[4] = {9, 9, 9, 9};
    uint64_t epoch = 9, tag = 9;
    OK(bb_manager_read(m, 0, 0, state, sizeof state, &epoch, &tag));
    CHECK(epoch == 0 && tag == 0 && state[0] == 0 && state[3] == 0);
    for (uint32_t round = 1; round <= 8; round++) {
        OK(put_u32(m, round % 4, round, 0));
        OK(bb_manager_enqueue_tag(m, 100 + round, 0));
        OK(bb_manager_read(m, 0, 0, state, sizeof state, &epoch, &tag));
        CHECK(epoch == round - 1); /* what is enqueued is not read */
        OK(bb_manager_synchronize(m, BB_FOREVER));
        for (int again = 0; again < 3; again++) { /* the first read of an epoch takes another way than later ones */
            memset(state, 0xA5, sizeof state);
            OK(bb_manager_read(m, 0, 0, state, sizeof state, &epoch, &tag));
            CHECK(epoch == round && tag == 100 + round && state[round % 4] == round);
            CHECK(state[(round + 1) % 4] == (round < 4 ? 0 : round - 3));
        }
    }
    OK(bb_manager_close(m, BB_FOREVER));
    OK(read_all(m, state, sizeof state, NULL)); /* as fronts, also after close */
    CHECK(state[0] == 8);
    OK(bb_manager_destroy(m));
    EXPECT(BB_E_STALE, read_all(m, state, sizeof state, NULL));
}

static void a_bad_argument_is_named_and_writes_nothing(void) {
    bb_manager *m = make_u32(16, NULL);
    unsigned char data[80], untouched[80];
    memset(data, 0xA5, sizeof data);
    memcpy(untouched, data, sizeof data);
    uint64_t epoch = 77, tag = 77;
    EXPECT(BB_E_RANGE, bb_manager_read(m, 0, 0, data, 65, &epoch, &tag));
    MESSAGE_HAS("byte_offset + bytes ends at 65, beyond 64");
    EXPECT(BB_E_RANGE, bb_manager_read(m, 0, 61, data, 4, &epoch, &tag));
    EXPECT(BB_E_RANGE, bb_manager_read(m, 0, 65, data, 0, &epoch, &tag));
    EXPECT(BB_E_RANGE, bb_manager_read(m, 0, UINT64_MAX, data, 2, &epoch, &tag));
    EXPECT(BB_E_RANGE, bb_manager_read(m, 0, 2, data, UINT64_MAX, &epoch, &tag));
    EXPECT(BB_E_RANGE, bb_manager_read(m, BB_ALL_FIELDS, 64, data, 1, &epoch, &tag));
    EXPECT(BB_E_RANGE, bb_manager_read(m, 1, 0, data, 4, &epoch, &tag));
    MESSAGE_HAS("field");
    EXPECT(BB_E_NULL, bb_manager_read(m, 0, 0, NULL, 4, &epoch, &tag));
    MESSAGE_HAS("dst");
    CHECK(epoch == 77 && tag == 77);
    TEST_ASSERT_EQUAL_MEMORY(untouched, data, sizeof data);
    OK(bb_manager_read(m, 0, 64, NULL, 0, &epoch, NULL)); /* no bytes, at the end */
    CHECK(epoch == 0);
    OK(bb_manager_read(m, 0, 3, data, 1, NULL, NULL)); /* of any alignment; no outputs are wanted */
    CHECK(data[0] == 0 && data[1] == 0xA5);
    OK(bb_manager_destroy(m));
    m = make_u32(0, NULL);
    OK(bb_manager_read(m, 0, 0, NULL, 0, &epoch, NULL));
    EXPECT(BB_E_RANGE, read_all(m, data, 1, NULL));
    OK(bb_manager_destroy(m));
}

static void a_field_is_read_at_its_own_offsets(void) {
    const bb_field fields[] = {{.name = "a", .dtype = BB_U8, .ndim = 1, .shape = SHAPE(3)},
                               {.name = "empty", .dtype = BB_U8, .ndim = 1, .shape = SHAPE(0)},
                               {.name = "b", .dtype = BB_U16, .ndim = 1, .shape = SHAPE(5)}};
    bb_manager *m = NULL;
    OK(bb_manager_create_fields(fields, LENGTH(fields), NULL, &m));
    const uint16_t values[5] = {1, 2, 3, 4, 5};
    OK(bb_manager_enqueue_update(m, &(bb_update){.field = 2, .count = 5, .data = values}, 0));
    OK(bb_manager_enqueue_update(m, &(bb_update){.field = 0, .byte_offset = 2, .count = 1, .data = "x"}, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    for (int again = 0; again < 2; again++) {
        unsigned char all[74];
        uint16_t b[5] = {0};
        uint64_t epoch = 0;
        OK(bb_manager_read(m, 2, 2, b, 6, &epoch, NULL));
        CHECK(epoch == 1 && b[0] == 2 && b[2] == 4 && b[3] == 0);
        OK(bb_manager_read(m, BB_ALL_FIELDS, 0, all, sizeof all, NULL, NULL));
        CHECK(all[1] == 0 && all[2] == 'x' && all[63] == 0);
        TEST_ASSERT_EQUAL_MEMORY(values, all + 64, sizeof values);
        OK(bb_manager_read(m, 1, 0, NULL, 0, NULL, NULL));
        EXPECT(BB_E_RANGE, bb_manager_read(m, 2, 4, all, 7, NULL, NULL));
        MESSAGE_HAS("field 'b'");
        EXPECT(BB_E_RANGE, bb_manager_read(m, 0, 0, all, 4, NULL, NULL)); /* although the state has more bytes */
    }
    OK(bb_manager_destroy(m));
}

/* States around the sizes at which the way of a read changes, against plain arrays: any range, at any epoch, also while fronts are
 * held, so that extra copies are used. */
static void every_range_equals_the_model(void) {
    static const uint64_t sizes[] = {1, 7, 8, 64, 100, 4095, 4096, 4097, LARGEST};
    static unsigned char model[LARGEST], got[LARGEST + 8];
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        const uint64_t bytes = sizes[i];
        bb_manager *m = NULL;
        OK(bb_manager_create(BB_U8, 1, &bytes, NULL, &m));
        memset(model, 0, sizeof model);
        bb_front held[6];
        uint32_t random = (uint32_t)bytes;
        for (uint64_t epoch = 0; epoch < 30; epoch++) {
            for (int again = 0; again < 20; again++) {
                random = random * 1664525u + 1013904223u;
                const uint64_t offset = (random >> 8) % (bytes + 1);
                random = random * 1664525u + 1013904223u;
                const uint64_t length = again == 0 ? bytes - offset : (random >> 8) % (bytes - offset + 1);
                unsigned char *const to = got + random % 8;
                uint64_t at = 0;
                memset(got, 0xA5, sizeof got);
                OK(bb_manager_read(m, 0, offset, to, length, &at, NULL));
                CHECK(at == epoch && (length == 0 || memcmp(to, model + offset, length) == 0));
                CHECK(to + length == got + sizeof got || to[length] == 0xA5);
            }
            if (epoch >= 10 && epoch < 16) {
                OK(bb_manager_acquire_front(m, &held[epoch - 10]));
            } else if (epoch >= 20 && epoch < 26) {
                OK(bb_lease_release(held[epoch - 20].lease));
            }
            random = random * 1664525u + 1013904223u;
            const uint64_t first = (random >> 8) % bytes;
            model[first] = (unsigned char)(epoch + 1), model[bytes - 1] = (unsigned char)~epoch;
            OK(bb_manager_enqueue_update(m, &(bb_update){.byte_offset = first, .count = 1, .data = model + first}, 0));
            OK(bb_manager_enqueue_update(
                m, &(bb_update){.byte_offset = bytes - 1, .count = 1, .data = model + bytes - 1}, 0));
            OK(bb_manager_synchronize(m, BB_FOREVER));
        }
        OK(bb_manager_destroy(m));
    }
}

/* What is written while the back copy is reserved, and then cancelled, is not read; what is committed is. */
static void a_reserved_back_copy_is_not_read(void) {
    bb_manager *m = make_u32(8, NULL);
    uint32_t state[8];
    for (uint32_t round = 0; round < 8; round++) {
        bb_back back;
        OK(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back));
        memset(back.data, 0xFF, sizeof state);
        OK(read_all(m, state, sizeof state, NULL));
        CHECK(state[0] == round && state[7] == round);
        OK(bb_manager_cancel_back(m, &back));
        OK(bb_manager_reserve_back(m, BB_BACK_DISCARD, BB_FOREVER, &back));
        for (size_t i = 0; i < LENGTH(state); i++) {
            ((uint32_t *)back.data)[i] = round + 1;
        }
        OK(bb_manager_commit_back(m, &back, 0));
        OK(read_all(m, state, sizeof state, NULL));
        CHECK(state[0] == round);
        OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    OK(bb_manager_destroy(m));
}

/* --- several threads --- */

typedef struct race {
    bb_manager *m;
    uint64_t bytes;
    atomic_bool stop;
    atomic_uint_least64_t reads;
} race;

/* Every word of the state is its epoch: reads are whole, and neither reads nor fronts go back. */
static void *read_until_stopped(void *argument) {
    race *r = argument;
    static _Thread_local uint64_t state[LARGEST / 8];
    uint64_t last = 0;
    while (!atomic_load(&r->stop)) {
        uint64_t epoch = 0;
        if (!THREAD_OK(read_all(r->m, state, r->bytes, &epoch)) || !THREAD_CHECK(epoch >= last)) {
            break;
        }
        bool whole = true;
        for (uint64_t i = 0; i < r->bytes / 8; i++) {
            whole &= state[i] == epoch;
        }
        last = epoch;
        if (epoch % 4 == 0) {
            bb_front front;
            if (!THREAD_OK(bb_manager_acquire_front(r->m, &front))) {
                break;
            }
            whole &= front.epoch >= last && *(const uint64_t *)front.data == front.epoch;
            last = front.epoch;
            if (!THREAD_OK(bb_lease_release(front.lease))) {
                break;
            }
        }
        if (!THREAD_CHECK(whole)) {
            break;
        }
        atomic_fetch_add(&r->reads, 1);
    }
    return NULL;
}

static void race_reads(uint64_t bytes, uint32_t copies) {
    bb_manager_config config = defaults("race");
    config.copies = copies;
    const uint64_t words = bytes / 8;
    race r = {.bytes = bytes};
    OK(bb_manager_create(BB_U64, 1, &words, &config, &r.m));
    pthread_t threads[4];
    for (size_t i = 0; i < LENGTH(threads); i++) {
        threads[i] = start(read_until_stopped, &r);
    }
    const uint64_t least = (uint64_t)rounds(20000);
    for (uint64_t epoch = 1; epoch <= least || atomic_load(&r.reads) < least; epoch++) {
        OK(bb_manager_enqueue_fill(r.m, 0, 0, words, &epoch, BB_FOREVER));
        OK(bb_manager_synchronize(r.m, BB_FOREVER));
        if (epoch % 64 == 0) {
            (void)sched_yield(); /* so that some epochs are read more than once */
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

static void readers_of_a_small_state_see_whole_epochs(void) { race_reads(64, 3); }
static void readers_with_strict_double_buffering_see_whole_epochs(void) { race_reads(64, 2); }
static void readers_of_the_largest_cells_see_whole_epochs(void) { race_reads(4096, 3); }
static void readers_of_a_larger_state_see_whole_epochs(void) { race_reads(LARGEST, 3); }

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_read_has_the_newest_epoch_and_its_tag);
    RUN_TEST(a_bad_argument_is_named_and_writes_nothing);
    RUN_TEST(a_field_is_read_at_its_own_offsets);
    RUN_TEST(every_range_equals_the_model);
    RUN_TEST(a_reserved_back_copy_is_not_read);
    RUN_TEST(readers_of_a_small_state_see_whole_epochs);
    RUN_TEST(readers_with_strict_double_buffering_see_whole_epochs);
    RUN_TEST(readers_of_the_largest_cells_see_whole_epochs);
    RUN_TEST(readers_of_a_larger_state_see_whole_epochs);
    return UNITY_END();
}
