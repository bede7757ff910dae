/* 8 writers, 4 synchronizers and 8 readers on one state whose blocks carry checksums.
 * BACKBUF_SOAK=<seconds> runs it longer than the default of three. */
#include "support.h"

enum { WRITERS = 8, SYNCHRONIZERS = 4, READERS = 8, WORDS = 64, COUNT = WRITERS * WORDS };

/* A writer's block: its own step, a filler that follows from it, and the checksum of both. */
typedef struct block {
    uint64_t words[WORDS];
} block;

static struct {
    bb_manager *m;
    atomic_bool stop;
    atomic_ullong fronts, pinned, full;
    uint64_t last[WRITERS];
} s;

static uint64_t mix(uint64_t x) {
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdu;
    return x ^ x >> 29;
}

static uint64_t sum(const uint64_t *words) {
    uint64_t sum = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < WORDS - 1; i++) {
        sum = mix(sum ^ words[i]);
    }
    return sum;
}

static void fill(block *b, uint64_t writer, uint64_t step) {
    b->words[0] = step;
    for (size_t i = 1; i < WORDS - 1; i++) {
        b->words[i] = mix(step * WORDS + i + (writer << 56));
    }
    b->words[WORDS - 1] = sum(b->words);
}

/* The same state, by each way of writing it. */
static bb_status write_block(uint64_t writer, const block *b, uint64_t step, uint64_t timeout) {
    const uint64_t at = writer * sizeof *b;
    const bb_update whole = {.byte_offset = at, .count = WORDS, .data = b->words};
    const bb_update halves[] = {{at + WORDS * 4, WORDS / 2, b->words + WORDS / 2, 0, 0},
                                {at, WORDS / 2, b->words, 0, 0}};
    if (step % 3 == 0) {
        return bb_manager_enqueue_update(s.m, &whole, timeout);
    }
    if (step % 3 == 1) {
        return bb_manager_enqueue_updates(s.m, halves, 2, timeout);
    }
    bb_batch *batch = NULL;
    bb_status status = bb_batch_begin(s.m, &batch);
    THREAD_CHECK(status == BB_OK);
    THREAD_OK(bb_batch_fill(batch, 0, at, WORDS, &(uint64_t){0})); /* never seen */
    THREAD_OK(bb_batch_region(batch, &(bb_region){.start = SHAPE(writer, WORDS - 1),
                                                  .extent = SHAPE(1, WORDS),
                                                  .step = (const int64_t[]){1, -1},
                                                  .data = &b->words[WORDS - 1],
                                                  .strides = (const int64_t[]){0, -8}}));
    status = bb_batch_commit(batch, timeout);
    if (status != BB_OK) {
        THREAD_OK(bb_batch_cancel(batch));
    }
    return status;
}

static void *writer(void *argument) {
    const uint64_t id = (uint64_t)(uintptr_t)argument;
    uint64_t step = 0;
    block b;
    while (!atomic_load(&s.stop)) {
        fill(&b, id, ++step);
        bb_status status;
        while ((status = write_block(id, &b, step, step % 5 == 0 ? 0 : BB_MS(1))) != BB_OK) {
            if (!THREAD_CHECK(status == BB_E_FULL || status == BB_E_TIMEOUT || status == BB_E_PINNED)) {
                return NULL;
            }
            atomic_fetch_add(&s.full, 1);
        }
    }
    s.last[id] = step;
    return NULL;
}

static void *synchronizer(void *argument) {
    const bool by_ticket = (uintptr_t)argument % 2 == 1;
    while (!atomic_load(&s.stop)) {
        uint64_t ticket = 0;
        bb_status status = by_ticket ? bb_manager_synchronize_async(s.m, &ticket) : BB_OK;
        THREAD_CHECK(status == BB_OK);
        status = by_ticket ? bb_manager_wait(s.m, ticket, BB_MS(2), NULL) : bb_manager_synchronize(s.m, BB_MS(2));
        if (!THREAD_CHECK(status == BB_OK || status == BB_E_TIMEOUT || status == BB_E_PINNED)) {
            return NULL;
        }
        if (status == BB_E_PINNED) {
            atomic_fetch_add(&s.pinned, 1);
        }
    }
    return NULL;
}

static bool check_front(const bb_front *front, uint64_t seen[WRITERS]) {
    const block *blocks = front->data;
    for (size_t w = 0; w < WRITERS; w++) {
        const uint64_t step = blocks[w].words[0];
        if (step != 0 && !THREAD_CHECK(blocks[w].words[WORDS - 1] == sum(blocks[w].words))) {
            return false; /* torn */
        }
        if (!THREAD_CHECK(step >= seen[w])) {
            return false; /* back in time */
        }
        seen[w] = step;
    }
    return true;
}

static void *reader(void *argument) {
    const bool slow = (uintptr_t)argument % 4 == 0;
    uint64_t seen[WRITERS] = {0}, epoch = 0;
    while (!atomic_load(&s.stop)) {
        bb_front front;
        if (slow) {
            const bb_status status = bb_manager_wait_epoch(s.m, epoch, BB_MS(5), &(uint64_t){0});
            THREAD_CHECK(status == BB_OK || status == BB_E_TIMEOUT);
        }
        if (!THREAD_OK(bb_manager_acquire_front(s.m, &front)) || !THREAD_CHECK(front.epoch >= epoch)) {
            return NULL;
        }
        epoch = front.epoch;
        for (int pass = slow ? 50 : 1; pass > 0; pass--) {
            if (!check_front(&front, seen)) {
                return NULL;
            }
        }
        THREAD_OK(bb_lease_release(front.lease));
        atomic_fetch_add(&s.fronts, 1);
    }
    return NULL;
}

static void run_once(uint32_t copies, uint32_t worker, uint64_t queue_bytes, uint64_t nanoseconds) {
    bb_manager_config config = defaults("stress");
    config.copies = copies;
    config.worker = worker;
    config.queue_bytes = queue_bytes;
    memset(&s, 0, sizeof s);
    OK(bb_manager_create(BB_U64, 2, SHAPE(WRITERS, WORDS), &config, &s.m));
    pthread_t threads[WRITERS + SYNCHRONIZERS + READERS];
    for (uintptr_t i = 0; i < LENGTH(threads); i++) {
        threads[i] = start(i < WRITERS ? writer : i < WRITERS + SYNCHRONIZERS ? synchronizer : reader, (void *)i);
    }
    const uint64_t end = now_ns() + nanoseconds;
    while (now_ns() < end && atomic_load(&thread_failures) == 0) {
        nap();
    }
    atomic_store(&s.stop, true);
    for (size_t i = 0; i < LENGTH(threads); i++) {
        join(threads[i]);
    }
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&thread_failures));
    OK(bb_manager_synchronize(s.m, BB_FOREVER));
    bb_front front;
    OK(bb_manager_acquire_front(s.m, &front));
    for (size_t w = 0; w < WRITERS; w++) {
        block want;
        fill(&want, w, s.last[w]);
        TEST_ASSERT_EQUAL_MEMORY(&want, (const block *)front.data + w, sizeof want); /* the last of each: none lost */
    }
    OK(bb_lease_release(front.lease));
    const bb_manager_stats stats = stats_of(s.m);
    TEST_ASSERT_EQUAL_UINT64(0, stats.leases_live);
    printf("copies %" PRIu32 ", %s: %" PRIu64 " updates, %" PRIu64 " epochs, %llu fronts, %llu pinned, %llu full\n",
           copies, worker == BB_WORKER_ONLY ? "worker only" : "shared role", stats.updates, stats.epochs,
           atomic_load(&s.fronts), atomic_load(&s.pinned), atomic_load(&s.full));
    OK(bb_manager_destroy(s.m));
}

static void run(uint32_t copies, uint32_t worker, uint64_t queue_bytes, uint64_t nanoseconds) {
    for (uint32_t policy = BB_WAIT_POLICY_ADAPTIVE; policy <= BB_WAIT_POLICY_SPIN; policy++) {
        use_wait_policy(policy);
        run_once(copies, worker, queue_bytes, nanoseconds / 3);
    }
    use_wait_policy(BB_WAIT_POLICY_ADAPTIVE);
}

static uint64_t third_of_the_soak(void) {
    const char *seconds = getenv("BACKBUF_SOAK");
    const uint64_t soak = BB_SEC(seconds == NULL ? 3 : strtoull(seconds, NULL, 10));
    alarm((unsigned)(soak / BB_SEC(1)) + 5 * HANG_SECONDS);
    return soak / 3;
}

static void strict_double_buffering(void) { run(2, BB_WORKER_SHARED, 16384, third_of_the_soak()); }
static void three_copies(void) { run(3, BB_WORKER_SHARED, 1 << 20, third_of_the_soak()); }
static void worker_only(void) { run(4, BB_WORKER_ONLY, 16384, third_of_the_soak()); }

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(strict_double_buffering);
    RUN_TEST(three_copies);
    RUN_TEST(worker_only);
    return UNITY_END();
}
