/* Objects and threads come and go: memory, threads and descriptors stay as they were. */
#include "support.h"
#include <dirent.h>

typedef struct usage {
    long resident_kib, threads, mappings;
    int descriptors;
} usage;

static usage measure(void) {
    usage u = {0};
    char line[512];
    FILE *status = fopen("/proc/self/status", "r");
    TEST_ASSERT_NOT_NULL(status);
    while (fgets(line, sizeof line, status) != NULL) {
        (void)sscanf(line, "VmRSS: %ld", &u.resident_kib);
        (void)sscanf(line, "Threads: %ld", &u.threads);
    }
    (void)fclose(status);
    FILE *maps = fopen("/proc/self/maps", "r");
    TEST_ASSERT_NOT_NULL(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        u.mappings++;
    }
    (void)fclose(maps);
    DIR *descriptors = opendir("/proc/self/fd");
    TEST_ASSERT_NOT_NULL(descriptors);
    while (readdir(descriptors) != NULL) {
        u.descriptors++;
    }
    (void)closedir(descriptors);
    return u;
}

static void release_nothing(void *user_data) { (void)user_data; }

static void use_everything_once(uint32_t round) {
    static const uint32_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    bb_manager_config config = defaults("short-lived");
    config.copies = 2 + round % 3;
    bb_manager *m = make_u32(1024, &config);
    bb_front front;
    bb_batch *batch = NULL;
    bb_task *task = NULL;
    bb_watch *watch = NULL;
    bb_back back;
    int32_t fd = -1;
    uint64_t ticket = 0;
    OK(bb_manager_acquire_front(m, &front));
    OK(put_u32(m, 0, round, BB_FOREVER));
    OK(bb_manager_enqueue_borrowed(m, &(bb_update){.byte_offset = 0, .count = 8, .data = data}, release_nothing, NULL,
                                   BB_FOREVER));
    OK(bb_batch_begin(m, &batch));
    OK(bb_batch_fill(batch, 0, 0, 1024, &round));
    OK(round % 2 == 0 ? bb_batch_commit(batch, BB_FOREVER) : bb_batch_cancel(batch));
    OK(bb_watch_create(m, 0, &watch));
    OK(bb_watch_fd(watch, &fd));
    OK(bb_task_begin(m, "task", &task));
    OK(bb_task_end(task));
    OK(bb_manager_synchronize_async(m, &ticket));
    OK(bb_manager_wait(m, ticket, BB_FOREVER, NULL));
    OK(bb_lease_release(front.lease));
    OK(bb_manager_reserve_back(m, BB_BACK_DISCARD, BB_FOREVER, &back));
    memset(back.data, 1, back.bytes);
    OK(bb_manager_commit_back(m, &back, round));
    if (round % 4 == 0) {
        OK(bb_manager_close(m, BB_FOREVER));
    }
    OK(bb_manager_destroy(m));
    OK(bb_watch_destroy(watch));
}

static void use_a_ring_once(uint32_t round) {
    static uint8_t bytes[4096];
    bb_sender *tx = NULL;
    bb_receiver *rx = NULL;
    bb_stream *stream = NULL;
    bb_chunk chunks[3];
    bb_span free;
    bb_const_span full;
    int32_t fd = -1;
    uint64_t n = 0;
    OK(bb_spsc_create(UINT64_C(64) << round % 8, NULL, &tx, &rx));
    OK(bb_sender_send(tx, bytes, sizeof bytes, &n));
    OK(bb_receiver_fd(rx, &fd));
    OK(bb_sender_fd(tx, &fd));
    EXPECT(BB_E_TIMEOUT, bb_sender_wait_writable(tx, UINT64_MAX, 0));
    OK(bb_receiver_peek(rx, 1, &full));
    if (round % 4 == 0) { /* with a claim open */
        OK(bb_receiver_destroy(rx));
        EXPECT(BB_E_CLOSED, bb_receiver_consume(rx, 0));
    } else {
        OK(bb_receiver_consume(rx, full.bytes));
        OK(bb_receiver_destroy(rx));
    }
    OK(bb_sender_attach_receiver(tx, &rx));
    bb_stream_config config;
    OK(bb_stream_config_init(&config));
    config.pool_size = 64;
    config.pool_count = round % 3;
    OK(bb_spsc_into_stream(rx, &config, &stream));
    for (size_t i = 0; i < LENGTH(chunks); i++) {
        (void)bb_sender_send(tx, bytes, 32, &n);
        OK(bb_stream_next(stream, 0, &chunks[i]));
    }
    OK(bb_lease_release(chunks[0].lease));
    OK(bb_lease_release(chunks[1].lease));
    if (round % 2 == 0) {
        CHECK(bb_sender_reserve(tx, 1, &free) != BB_E_NULL);
        OK(bb_sender_destroy(tx));
        (void)bb_sender_commit(tx, 0);
    } else {
        OK(bb_sender_destroy(tx));
        OK(bb_stream_attach_sender(stream, &tx));
        OK(bb_sender_destroy(tx));
    }
    OK(bb_stream_destroy(stream));
    OK(bb_lease_release(chunks[2].lease));
}

static void expect_flat(usage before, usage after) {
    char report[256];
    (void)snprintf(report, sizeof report,
                   "resident %ld -> %ld KiB, threads %ld -> %ld, mappings %ld -> %ld, descriptors %d -> %d",
                   before.resident_kib, after.resident_kib, before.threads, after.threads, before.mappings,
                   after.mappings, before.descriptors, after.descriptors);
    puts(report);
    if (other_malloc() == NULL) { /* others keep what is freed for a while, and map as they like */
        TEST_ASSERT_TRUE_MESSAGE(after.resident_kib < before.resident_kib + 4096, report);
        TEST_ASSERT_TRUE_MESSAGE(after.mappings < before.mappings + 16, report);
    }
    TEST_ASSERT_EQUAL_INT_MESSAGE(before.descriptors, after.descriptors, report);
}

static void many_managers_leave_nothing(void) {
    const int count = rounds(10000);
    for (int i = 0; i < count / 10; i++) {
        use_everything_once((uint32_t)i);
    }
    const usage before = measure();
    for (int i = 0; i < count; i++) {
        use_everything_once((uint32_t)i);
    }
    EVENTUALLY(measure().threads == 1);
    expect_flat(before, measure());
}

static void many_rings_leave_nothing(void) {
    const int count = rounds(10000);
    for (int i = 0; i < count / 10; i++) {
        use_a_ring_once((uint32_t)i);
    }
    const usage before = measure();
    for (int i = 0; i < count; i++) {
        use_a_ring_once((uint32_t)i);
    }
    expect_flat(before, measure());
}

/* What a long-running stream takes, it takes at its beginning. */
static void a_long_stream_leaves_nothing(void) {
    static uint8_t bytes[4096];
    bb_sender *tx = NULL;
    bb_receiver *rx = NULL;
    bb_stream *stream = NULL;
    OK(bb_spsc_create(sizeof bytes, NULL, &tx, &rx));
    OK(bb_spsc_into_stream(rx, NULL, &stream));
    usage before = {0};
    for (int i = 0; i < rounds(200000); i++) {
        bb_chunk chunk;
        uint64_t sent = 0;
        if (i == rounds(200000) / 10) {
            before = measure();
        }
        OK(bb_sender_send(tx, bytes, 1 + (uint64_t)i * 37 % sizeof bytes, &sent));
        OK(bb_stream_next(stream, 0, &chunk));
        TEST_ASSERT_EQUAL_UINT64(sent, chunk.bytes);
        OK(bb_lease_release(chunk.lease));
    }
    expect_flat(before, measure());
    OK(bb_stream_destroy(stream));
    OK(bb_sender_destroy(tx));
}

static void *use_it_from_here(void *m) {
    bb_front front;
    THREAD_OK(put_u32(m, 0, 1, BB_FOREVER));
    THREAD_OK(bb_manager_synchronize(m, BB_FOREVER));
    THREAD_OK(bb_manager_acquire_front(m, &front));
    THREAD_OK(bb_lease_release(front.lease));
    THREAD_CHECK(bb_manager_enqueue_update(m, NULL, 0) == BB_E_NULL); /* it has a last error too */
    return NULL;
}

static void many_threads_leave_nothing(void) {
    bb_manager *m = make_u32(1024, NULL);
    const int count = rounds(10000);
    usage before = {0};
    for (int i = 0; i < count + count / 10; i += 4) {
        pthread_t threads[4];
        if (i == count / 10 / 4 * 4) {
            before = measure();
        }
        for (size_t t = 0; t < LENGTH(threads); t++) {
            threads[t] = start(use_it_from_here, m);
        }
        for (size_t t = 0; t < LENGTH(threads); t++) {
            join(threads[t]);
        }
    }
    EVENTUALLY(measure().threads == 2); /* this one and the worker */
    expect_flat(before, measure());
    OK(bb_manager_destroy(m));
}

/* A lease outlives the thread that took it, and any thread may release it. */
typedef struct taker {
    bb_manager *m;
    bb_front front;
} taker;

static void *take_a_lease(void *argument) {
    taker *t = argument;
    THREAD_OK(bb_manager_acquire_front(t->m, &t->front));
    return NULL;
}

static void a_lease_outlives_its_thread(void) {
    bb_manager *m = make_u32(1024, NULL);
    taker takers[100];
    for (size_t i = 0; i < LENGTH(takers); i++) {
        takers[i].m = m;
        join(start(take_a_lease, &takers[i]));
    }
    TEST_ASSERT_EQUAL_UINT64(LENGTH(takers), stats_of(m).leases_live);
    for (size_t i = 0; i < LENGTH(takers); i++) {
        OK(bb_lease_release(takers[i].front.lease));
    }
    TEST_ASSERT_EQUAL_UINT64(0, stats_of(m).leases_live);
    OK(bb_manager_destroy(m));
}

static text log_text;

static void log_line(uint32_t level, const char *part, const char *label, const char *line, void *user_data) {
    (void)level, (void)part, (void)label, (void)user_data;
    text_write(line, strlen(line), &log_text);
    text_write("\n", 1, &log_text);
}

static void leaked_leases_are_reported_and_free_their_memory_when_released(void) {
    enum { MANY = 64, COUNT = 1 << 16 };
    static bb_lease *leaked[MANY];
    OK(bb_set_log(BB_LOG_WARN, log_line, NULL, NULL));
    const usage before = measure();
    bb_manager *counter = make_u32(8, NULL);
    const uint64_t leaked_before = stats_of(counter).leases_leaked;
    for (size_t i = 0; i < MANY; i++) {
        bb_front front;
        bb_manager_config config = defaults("leaky");
        bb_manager *m = make_u32(COUNT, &config);
        OK(bb_manager_acquire_front(m, &front));
        leaked[i] = front.lease;
        OK(bb_manager_destroy(m));
        TEST_ASSERT_EQUAL_UINT32(0, ((const uint32_t *)front.data)[COUNT - 1]);
    }
    OK(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL));
    CHECK(strstr(log_text.bytes, "1 leases unreleased") != NULL);
    TEST_ASSERT_EQUAL_UINT64(leaked_before + MANY, stats_of(counter).leases_leaked); /* counted in the process */
    OK(bb_manager_destroy(counter));
    for (size_t i = 0; i < MANY; i++) {
        OK(bb_lease_release(leaked[i]));
    }
    EVENTUALLY(measure().threads == 1);
    expect_flat(before, measure());
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(many_managers_leave_nothing);
    RUN_TEST(many_rings_leave_nothing);
    RUN_TEST(a_long_stream_leaves_nothing);
    RUN_TEST(many_threads_leave_nothing);
    RUN_TEST(a_lease_outlives_its_thread);
    RUN_TEST(leaked_leases_are_reported_and_free_their_memory_when_released);
    return UNITY_END();
}
