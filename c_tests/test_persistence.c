/* After epoch k the front equals the initial state with all updates up to k applied, at a cost that follows what changed. */
#include "support.h"

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

enum { STATE = 1500007 }; /* bytes: larger than what is copied forward in one step, and odd */

static void add_one(void *back, const void *front, uint64_t count, void *user_data) {
    unsigned char *const bytes = back;
    (void)front, (void)user_data;
    for (uint64_t i = 0; i < count; i++) {
        bytes[i]++;
    }
}

/* One update, by any of the functions. */
static void write_one(bb_manager *m, char *model, uint32_t at, uint32_t count, const char *data, uint32_t way) {
    switch (way % 8) {
    case 0:
        memset(model + at, data[0], count);
        OK(bb_manager_enqueue_fill(m, 0, at, count, data, BB_FOREVER));
        break;
    case 1:
        add_one(model + at, NULL, count, NULL);
        OK(bb_manager_enqueue_kernel(m, &(bb_kernel){.function = add_one, .byte_offset = at, .count = count},
                                     BB_FOREVER));
        break;
    default:
        memcpy(model + at, data, count);
        OK(bb_manager_enqueue_update(m, &(bb_update){.byte_offset = at, .count = count, .data = data}, BB_FOREVER));
    }
}

/* Writes of one epoch, in one of three manners: hundreds of a few bytes, many of a few thousand, or one large one. */
static void write_some(bb_manager *m, char *model, const char *noise, uint32_t *seed) {
    const struct {
        uint32_t updates, longest;
    } manners[] = {{300, 40}, {200, 5000}, {1, STATE / 2}}, manner = manners[next_random(seed) % 3];
    for (uint32_t left = next_random(seed) % manner.updates + 1; left > 0; left--) {
        const uint32_t at = next_random(seed) % STATE;
        const uint32_t room = STATE - at < manner.longest ? STATE - at : manner.longest;
        const uint32_t count = next_random(seed) % room + 1;
        write_one(m, model, at, count, noise + next_random(seed) % (STATE - count + 1), next_random(seed));
    }
}

/* Sometimes the back copy is reserved: it contains the state, and a cancelled change has no effect. */
static void take_in_hand(bb_manager *m, char *model, uint32_t *seed) {
    const uint32_t at = next_random(seed) % STATE;
    const uint32_t count = next_random(seed) % (STATE - at) + 1;
    bb_back back;
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back));
    CHECK(memcmp(model, back.data, STATE) == 0);
    memset((char *)back.data + at, 0x55, count);
    if (next_random(seed) % 2 == 0) {
        OK(bb_manager_cancel_back(m, &back));
    } else {
        memset(model + at, 0x55, count);
        OK(bb_manager_commit_back(m, &back, 0));
    }
}

static void after_every_epoch_the_front_equals_the_model(void) {
    static char model[STATE], noise[STATE];
    const int epochs = getenv("BACKBUF_SOAK") == NULL ? rounds(400) : 10000;
    for (uint32_t copies = 2; copies <= 4; copies++) {
        uint32_t seed = copies;
        bb_lease *held = NULL;
        bb_manager *m = NULL;
        bb_manager_config config = defaults("model");
        config.copies = copies;
        OK(bb_manager_create(BB_U8, 1, SHAPE(STATE), &config, &m));
        memset(model, 0, sizeof model);
        for (size_t i = 0; i < sizeof noise; i++) {
            noise[i] = (char)next_random(&seed);
        }
        for (int epoch = 1; epoch <= epochs; epoch++) {
            bb_front front;
            write_some(m, model, noise, &seed);
            if (next_random(&seed) % 8 == 0) {
                take_in_hand(m, model, &seed);
                write_some(m, model, noise, &seed);
            }
            OK(bb_manager_synchronize(m, BB_FOREVER));
            OK(bb_manager_acquire_front(m, &front));
            TEST_ASSERT_EQUAL_UINT64(epoch, front.epoch);
            CHECK(memcmp(model, front.data, sizeof model) == 0);
            if (copies > 2 && held == NULL && epoch % 3 == 0) {
                held = front.lease; /* one copy falls far behind, then comes back */
                continue;
            }
            OK(bb_lease_release(front.lease));
            if (held != NULL && epoch % 17 == 0) {
                OK(bb_lease_release(held));
                held = NULL;
            }
        }
        if (held != NULL) {
            OK(bb_lease_release(held));
        }
        OK(bb_manager_destroy(m));
    }
}

static void what_is_copied_forward_follows_what_changed(void) {
    enum { COUNT = 1 << 20 }; /* 4 MiB */
    bb_manager *m = make_u32(COUNT, NULL);
    for (uint32_t i = 0; i < 1000; i++) {
        OK(put_u32(m, (i * 1000) % COUNT, i, BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    const bb_manager_stats s = stats_of(m);
    TEST_ASSERT_EQUAL_UINT64(1000, s.epochs);
    CHECK(s.copied_forward_bytes <= UINT64_C(1000) * 2 * 256); /* not 1,000 × 4 MiB */
    OK(bb_manager_destroy(m));
}

static void states_beyond_4_gib_work(void) {
    const uint64_t rows = (UINT64_C(1) << 20) + 3, columns = 4096;
    const long memory = sysconf(_SC_AVPHYS_PAGES) / 1024 * (sysconf(_SC_PAGESIZE) / 1024); /* MiB */
    if (getenv("BACKBUF_SOAK") == NULL || memory < 12 * 1024) {
        TEST_IGNORE_MESSAGE("takes 9 GiB: runs with BACKBUF_SOAK set and 12 GiB free");
    }
    if (test_device() != NULL) {
        TEST_IGNORE_MESSAGE("a buffer of OpenGL has at most 2 GiB");
    }
    bb_manager *m = NULL;
    OK(bb_manager_create(BB_U8, 2, SHAPE(rows, columns), NULL, &m));
    OK(bb_manager_enqueue_update(m, &(bb_update){.byte_offset = rows * columns - 3, .count = 3, .data = "abc"},
                                 BB_FOREVER));
    OK(bb_manager_enqueue_region(m,
                                 &(bb_region){.start = SHAPE(rows - 2, 1),
                                              .extent = SHAPE(2, 2),
                                              .step = (const int64_t[]){-(1 << 20), 1},
                                              .data = "wxyz",
                                              .strides = NULL},
                                 BB_FOREVER));
    for (uint64_t epoch = 1; epoch <= 2; epoch++) { /* each copy in turn, and what is copied forward to it */
        OK(bb_manager_enqueue_fill(m, 0, epoch << 31, 1, "f", BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        bb_front front;
        OK(bb_manager_acquire_front(m, &front));
        const char *const state = front.data;
        TEST_ASSERT_EQUAL_UINT64(epoch, front.epoch);
        TEST_ASSERT_EQUAL_MEMORY("abc", state + rows * columns - 3, 3);
        TEST_ASSERT_EQUAL_MEMORY("wx", state + (rows - 2) * columns + 1, 2);
        TEST_ASSERT_EQUAL_MEMORY("yz", state + (rows - 2 - (1 << 20)) * columns + 1, 2);
        for (uint64_t k = 1; k <= epoch; k++) {
            TEST_ASSERT_EQUAL_CHAR('f', state[k << 31]);
        }
        OK(bb_lease_release(front.lease));
    }
    OK(bb_manager_destroy(m));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(after_every_epoch_the_front_equals_the_model);
    RUN_TEST(what_is_copied_forward_follows_what_changed);
    RUN_TEST(states_beyond_4_gib_work);
    return UNITY_END();
}
