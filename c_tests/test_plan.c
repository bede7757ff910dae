/* bb_plan: plans without a registry against overlap and bound, malformed columns, cancelling. */
#include "ring.h"

enum { MOST = 64, STEPS = 40 };

typedef struct columns {
    uint64_t lower[MOST], upper[MOST], size[MOST], alignment[MOST];
    uint64_t count;
} columns;

static columns drawn(uint64_t *random) {
    columns drawn = {.count = random_between(random, 0, MOST)};
    for (uint64_t k = 0; k < drawn.count; k++) {
        drawn.lower[k] = random_between(random, 0, STEPS - 1);
        drawn.upper[k] = random_between(random, drawn.lower[k] + 1, STEPS);
        drawn.size[k] = random_between(random, 1, 100);
        drawn.alignment[k] = UINT64_C(1) << random_between(random, 0, 5);
    }
    return drawn;
}

/* The most bytes that are alive in one step. */
static uint64_t load_of(const columns *c) {
    uint64_t most = 0;
    for (uint64_t step = 0; step < STEPS; step++) {
        uint64_t load = 0;
        for (uint64_t k = 0; k < c->count; k++) {
            load += c->lower[k] <= step && step < c->upper[k] ? c->size[k] : 0;
        }
        most = load > most ? load : most;
    }
    return most;
}

static bb_plan_config quick(void) {
    bb_plan_config config;
    OK(bb_plan_config_init(&config));
    config.budget_ns = BB_FOREVER;
    config.nodes = 500;
    return config;
}

static void buffers_that_are_alive_together_never_overlap(void) {
    uint64_t random = 5;
    const bb_plan_config config = quick();
    for (int round = 0; round < 200; round++) {
        const columns c = drawn(&random);
        const uint64_t alignments = round % 3 == 0 ? 0 : round % 3 == 1 && c.count > 0 ? 1 : c.count;
        uint64_t offsets[MOST], height = 0;
        bb_plan_info info;
        OK(bb_plan(c.lower, c.upper, c.size, c.count, c.alignment, alignments, &config, offsets, sizeof info, &info));
        for (uint64_t k = 0; k < c.count; k++) {
            const uint64_t align = alignments == 0 ? 1 : c.alignment[alignments == 1 ? 0 : k];
            TEST_ASSERT_EQUAL_UINT64(0, offsets[k] % align);
            height = offsets[k] + c.size[k] > height ? offsets[k] + c.size[k] : height;
            for (uint64_t i = 0; i < k; i++) {
                const bool together = c.lower[i] < c.upper[k] && c.lower[k] < c.upper[i];
                const bool apart = offsets[i] + c.size[i] <= offsets[k] || offsets[k] + c.size[k] <= offsets[i];
                CHECK(!together || apart);
            }
        }
        TEST_ASSERT_EQUAL_UINT64(height, info.height);
        CHECK(load_of(&c) <= info.lower_bound && info.lower_bound <= info.height);
        CHECK(info.height <= info.heuristic_height && info.exact == (info.height == info.lower_bound));
        TEST_ASSERT_EQUAL_UINT32(sizeof info, info.struct_size);
    }
}

/* A refused call names parameter and entry, and writes nothing. */
static void refused(bb_status status, const char *message, columns c, uint64_t alignments) {
    uint64_t offsets[MOST];
    bb_plan_info info, before;
    memset(offsets, 0x5a, sizeof offsets);
    memset(&info, 0x5a, sizeof info);
    before = info;
    EXPECT(status,
           bb_plan(c.lower, c.upper, c.size, c.count, c.alignment, alignments, NULL, offsets, sizeof info, &info));
    MESSAGE_HAS(message);
    TEST_ASSERT_EACH_EQUAL_HEX8(0x5a, offsets, sizeof offsets);
    TEST_ASSERT_EQUAL_MEMORY(&before, &info, sizeof info);
}

static void malformed_columns_are_refused_by_name_and_entry(void) {
    const columns good = {
        .lower = {0, 2, 4}, .upper = {2, 4, 6}, .size = {8, 8, 8}, .alignment = {1, 2, 4}, .count = 3};
    columns c = good;
    c.upper[1] = 2;
    refused(BB_E_ARGUMENT, "upper[1] = 2: must be greater than lower", c, 0);
    c = good, c.upper[2] = 1;
    refused(BB_E_ARGUMENT, "upper[2] = 1: must be greater than lower", c, 0);
    c = good, c.size[1] = 0;
    refused(BB_E_ARGUMENT, "size[1] = 0: an item has at least one byte", c, 0);
    c = good, c.size[2] = UINT64_MAX;
    refused(BB_E_RANGE, "size[2] = 18446744073709551615: the sizes up to here", c, 0);
    c = good, c.alignment[1] = 3;
    refused(BB_E_ALIGN, "alignment[1] = 3: must be a power of two", c, 3);
    c = good, c.alignment[0] = 0;
    refused(BB_E_ALIGN, "alignment[0] = 0: must be a power of two", c, 1);
    refused(BB_E_ARGUMENT, "alignment = 2: numbers: give none, one for all items, or one for each", good, 2);
}

static void pointers_counts_and_sizes_are_checked(void) {
    const uint64_t lower[] = {0}, upper[] = {1}, size[] = {8};
    uint64_t offset = 99;
    bb_plan_info info;
    EXPECT(BB_E_NULL, bb_plan(NULL, upper, size, 1, NULL, 0, NULL, &offset, sizeof info, &info));
    EXPECT(BB_E_NULL, bb_plan(lower, NULL, size, 1, NULL, 0, NULL, &offset, sizeof info, &info));
    EXPECT(BB_E_NULL, bb_plan(lower, upper, NULL, 1, NULL, 0, NULL, &offset, sizeof info, &info));
    EXPECT(BB_E_NULL, bb_plan(lower, upper, size, 1, NULL, 1, NULL, &offset, sizeof info, &info));
    EXPECT(BB_E_NULL, bb_plan(lower, upper, size, 1, NULL, 0, NULL, NULL, sizeof info, &info));
    EXPECT(BB_E_NULL, bb_plan(lower, upper, size, 1, NULL, 0, NULL, &offset, sizeof info, NULL));
    EXPECT(BB_E_RANGE, bb_plan(lower, upper, size, UINT64_MAX / 8, NULL, 0, NULL, &offset, sizeof info, &info));
    EXPECT(BB_E_VERSION, bb_plan(lower, upper, size, 1, NULL, 0, NULL, &offset, 4, &info));
    TEST_ASSERT_EQUAL_UINT64(99, offset);
    OK(bb_plan(NULL, NULL, NULL, 0, NULL, 0, NULL, NULL, sizeof info, &info));
    CHECK(info.height == 0 && info.lower_bound == 0 && info.exact == 1);
}

static void the_offsets_may_replace_an_input(void) {
    const uint64_t lower[] = {0, 3, 0}, upper[] = {3, 9, 9};
    uint64_t size[] = {100, 100, 50};
    bb_plan_info info;
    OK(bb_plan(lower, upper, size, 3, (const uint64_t[]){64}, 1, NULL, size, sizeof info, &info));
    CHECK(size[0] == size[1] && info.height == 164 && info.exact == 1);
}

static int32_t third_time(void *asked) { return atomic_fetch_add((atomic_int *)asked, 1) >= 2; }

static void a_search_ends_when_it_is_cancelled(void) {
    enum { MANY = 300 };
    static uint64_t lower[MANY], upper[MANY], size[MANY], offsets[MANY];
    uint64_t random = 7;
    for (int k = 0; k < MANY; k++) {
        lower[k] = random_between(&random, 0, 199);
        upper[k] = lower[k] + random_between(&random, 1, 60);
        size[k] = random_between(&random, 1, 997);
    }
    atomic_int asked = 0;
    bb_plan_config config;
    OK(bb_plan_config_init(&config));
    config.budget_ns = BB_FOREVER, config.threads = 2;
    config.cancelled = third_time, config.cancelled_user_data = &asked;
    bb_plan_info info;
    OK(bb_plan(lower, upper, size, MANY, NULL, 0, &config, offsets, sizeof info, &info));
    CHECK(atomic_load(&asked) >= 3 && info.height >= info.lower_bound);
    config.cancelled = NULL, config.target = info.heuristic_height;
    OK(bb_plan(lower, upper, size, MANY, NULL, 0, &config, offsets, sizeof info, &info));
    CHECK(info.height <= config.target); /* a target that is reached ends a search without a limit */
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(buffers_that_are_alive_together_never_overlap);
    RUN_TEST(malformed_columns_are_refused_by_name_and_entry);
    RUN_TEST(pointers_counts_and_sizes_are_checked);
    RUN_TEST(the_offsets_may_replace_an_input);
    RUN_TEST(a_search_ends_when_it_is_cancelled);
    return UNITY_END();
}
