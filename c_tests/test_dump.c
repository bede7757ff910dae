/* Seeing inside: the queue of log records; the dump lists objects, waiters, leases and open tasks with age and thread; statistics as text. */
#include "support.h"

static text out;

static const char *dump(void) {
    out.length = 0;
    out.bytes[0] = '\0'; /* nothing alive is nothing written */
    OK(bb_debug_dump(text_write, &out));
    return out.bytes;
}

static bool dumped(const char *part) { return strstr(dump(), part) != NULL; }

/* The line of the dump that contains `part`, or "". */
static const char *line_with(const char *part) {
    static char line[1024];
    line[0] = '\0';
    const char *found = strstr(dump(), part);
    if (found != NULL) {
        const char *first = found, *last = strchr(found, '\n');
        while (first > out.bytes && first[-1] != '\n') {
            first--;
        }
        const size_t length = last == NULL ? strlen(first) : (size_t)(last - first);
        (void)snprintf(line, sizeof line, "%.*s", (int)(length < sizeof line - 1 ? length : sizeof line - 1), first);
    }
    return line;
}

static void expect_age_and_thread(const char *line, pid_t thread) {
    char number[32];
    (void)snprintf(number, sizeof number, "%d", (int)thread);
    TEST_ASSERT_NOT_NULL_MESSAGE(strstr(line, number), line);
    TEST_ASSERT_NOT_NULL_MESSAGE(strstr(line, " old"), line); /* its age */
}

static void it_lists_every_object_until_it_is_gone(void) {
    bb_manager_config config = defaults("reservoir");
    bb_manager *m = make_u32(8, &config);
    bb_task *task = NULL;
    bb_batch *batch = NULL;
    bb_watch *watch = NULL;
    bb_front front;
    CHECK(dumped("reservoir"));
    CHECK(!dumped("lease: "));
    OK(bb_manager_acquire_front(m, &front));
    expect_age_and_thread(line_with("lease: "), gettid());
    OK(bb_task_begin(m, "upload of tiles", &task));
    expect_age_and_thread(line_with("upload of tiles"), gettid());
    OK(bb_batch_begin(m, &batch));
    CHECK(dumped("batch"));
    OK(bb_watch_create(m, 0, &watch));
    CHECK(dumped("watch"));
    OK(bb_watch_destroy(watch));
    OK(bb_batch_cancel(batch));
    OK(bb_task_end(task));
    CHECK(!dumped("upload of tiles"));
    OK(bb_lease_release(front.lease));
    CHECK(!dumped("lease: "));
    OK(bb_manager_destroy(m));
    CHECK(!dumped("reservoir"));
}

typedef struct waiter {
    bb_manager *m;
    _Atomic pid_t thread;
} waiter;

static void *wait_for_an_epoch(void *argument) {
    waiter *w = argument;
    atomic_store(&w->thread, gettid());
    THREAD_OK(bb_manager_wait_epoch(w->m, 0, BB_FOREVER, &(uint64_t){0}));
    return NULL;
}

static void it_lists_waiters(void) {
    bb_manager_config config = defaults("awaited");
    waiter w = {.m = make_u32(8, &config)};
    const pthread_t thread = start(wait_for_an_epoch, &w);
    EVENTUALLY(line_with("waiter")[0] != '\0');
    expect_age_and_thread(line_with("waiter"), atomic_load(&w.thread));
    OK(put_u32(w.m, 0, 1, 0));
    OK(bb_manager_synchronize(w.m, BB_FOREVER));
    join(thread);
    EVENTUALLY(line_with("waiter")[0] == '\0');
    OK(bb_manager_destroy(w.m));
}

static void it_lists_rings_and_how_full_they_are(void) {
    bb_sender *tx = NULL;
    bb_receiver *rx = NULL;
    bb_spsc_config config;
    uint64_t sent = 0;
    OK(bb_spsc_config_init(&config));
    config.label = "telemetry";
    OK(bb_spsc_create(64, &config, &tx, &rx));
    OK(bb_sender_send(tx, "0123456789", 10, &sent));
    TEST_ASSERT_NOT_NULL(strstr(line_with("telemetry"), "10 of 64"));
    OK(bb_sender_close(tx));
    TEST_ASSERT_NOT_NULL(strstr(line_with("telemetry"), "closed"));
    OK(bb_sender_destroy(tx));
    CHECK(dumped("telemetry")); /* the other end is left */
    OK(bb_receiver_destroy(rx));
    CHECK(!dumped("telemetry"));
}

static void a_lease_that_outlives_its_manager_is_still_listed(void) {
    bb_manager_config config = defaults("gone");
    bb_manager *m = make_u32(8, &config);
    bb_front front;
    OK(bb_manager_acquire_front(m, &front));
    OK(bb_manager_destroy(m));
    expect_age_and_thread(line_with("lease: "), gettid());
    OK(bb_lease_release(front.lease));
}

static void a_back_in_hand_is_listed(void) {
    bb_manager_config config = defaults("held");
    bb_manager *m = make_u32(8, &config);
    bb_back back;
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, 0, &back));
    CHECK(dumped("held"));
    expect_age_and_thread(line_with("back"), gettid());
    OK(bb_manager_cancel_back(m, &back));
    OK(bb_manager_destroy(m));
}

static void to_a_descriptor_it_is_the_same_text(void) {
    bb_manager_config config = defaults("piped");
    bb_manager *m = make_u32(8, &config);
    int pipes[2];
    char bytes[65536];
    TEST_ASSERT_EQUAL_INT(0, pipe(pipes));
    OK(bb_debug_dump_fd(pipes[1]));
    (void)close(pipes[1]);
    size_t length = 0;
    for (ssize_t got; (got = read(pipes[0], bytes + length, sizeof bytes - 1 - length)) > 0;) {
        length += (size_t)got;
    }
    bytes[length] = '\0';
    (void)close(pipes[0]);
    CHECK(strstr(bytes, "piped") != NULL);
    OK(bb_manager_destroy(m));
}

static void it_can_be_called_while_everything_moves(void) {
    waiter w = {.m = make_u32(8, NULL)};
    for (int i = 0; i < rounds(300); i++) {
        bb_manager_config config = defaults("moving");
        bb_manager *m = make_u32(8, &config);
        const pthread_t thread = start(wait_for_an_epoch, &w);
        (void)dump();
        OK(put_u32(w.m, 0, 1, BB_FOREVER));
        OK(bb_manager_synchronize(w.m, BB_FOREVER));
        OK(bb_manager_destroy(m));
        join(thread);
    }
    OK(bb_manager_destroy(w.m));
}

static void statistics_as_text_name_every_field(void) {
    bb_manager *m = make_u32(8, NULL);
    bb_front front;
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_acquire_front(m, &front));
    EXPECT(BB_E_RANGE, put_u32(m, 8, 1, 0));
    out.length = 0;
    OK(bb_manager_stats_write(m, text_write, &out));
    const char *const fields[] = {"updates: 1\n",      "bytes: 4\n",
                                  "applied by caller", "applied by worker",
                                  "epochs: 1\n",       "copies replaced: 0\n",
                                  "copies forward",    "copied forward bytes",
                                  "queue high water",  "waits",
                                  "stalls: 0\n",       "leases live: 1\n",
                                  "leases leaked",     "outsized updates",
                                  "refused: 1\n",      "refused with status -8: 1\n"};
    for (size_t i = 0; i < LENGTH(fields); i++) {
        TEST_ASSERT_NOT_NULL_MESSAGE(strstr(out.bytes, fields[i]), fields[i]);
    }
    CHECK(out.bytes[out.length - 1] == '\n');
    OK(bb_lease_release(front.lease));
    OK(bb_manager_destroy(m));
}

static void statistics_count_what_happened(void) {
    bb_manager *m = make_u32(1024, NULL);
    const uint64_t leaked = stats_of(m).leases_leaked; /* the process's, so also of earlier tests */
    bb_front front;
    for (uint32_t i = 0; i < 10; i++) {
        OK(bb_manager_enqueue_fill(m, 0, 0, 16, &i, BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    OK(bb_manager_acquire_front(m, &front));
    EXPECT(BB_E_RANGE, put_u32(m, 1024, 1, 0));
    EXPECT(BB_E_ALIGN, bb_manager_enqueue_fill(m, 0, 1, 1, &(uint32_t){0}, 0));
    const bb_manager_stats s = stats_of(m);
    TEST_ASSERT_EQUAL_UINT64(10, s.updates);
    TEST_ASSERT_EQUAL_UINT64(10 * 64, s.bytes);
    TEST_ASSERT_EQUAL_UINT64(10, s.applied_by_caller + s.applied_by_worker);
    TEST_ASSERT_EQUAL_UINT64(10, s.epochs);
    TEST_ASSERT_EQUAL_UINT64(0, s.copies_replaced);
    TEST_ASSERT_EQUAL_UINT64(2, s.copies_present);
    TEST_ASSERT_EQUAL_UINT64(1, s.leases_live);
    TEST_ASSERT_EQUAL_UINT64(leaked, s.leases_leaked);
    TEST_ASSERT_EQUAL_UINT64(1, s.refused[-BB_E_RANGE]);
    TEST_ASSERT_EQUAL_UINT64(1, s.refused[-BB_E_ALIGN]);
    TEST_ASSERT_EQUAL_UINT64(2, s.refused_total);
    TEST_ASSERT_EQUAL_UINT64(0, s.stalls);
    OK(bb_lease_release(front.lease));
    OK(bb_manager_destroy(m));
}

static void *make_and_destroy(void *label) {
    for (int i = 0; i < 200; i++) {
        bb_manager_config config = defaults(label);
        OK(bb_manager_destroy(make_u32(8, &config)));
    }
    return NULL;
}

/* Records of other threads wait in the queue, lose no order, and are lost by count alone. */
static void log_records_wait_in_a_queue(void) {
    bb_log_record record;
    EXPECT(BB_E_CLOSED, bb_log_next(0, sizeof record, &record));
    EXPECT(BB_E_ARGUMENT, bb_set_log_queue(BB_LOG_OFF, 8));
    EXPECT(BB_E_ARGUMENT, bb_set_log_queue(BB_LOG_DEBUG + 1, 8));
    EXPECT(BB_E_RANGE, bb_set_log_queue(BB_LOG_DEBUG, 0));
    EXPECT(BB_E_RANGE, bb_set_log_queue(BB_LOG_DEBUG, UINT64_MAX));
    OK(bb_set_log_queue(BB_LOG_DEBUG, 8));
    EXPECT(BB_E_TIMEOUT, bb_log_next(0, sizeof record, &record));
    EXPECT(BB_E_TIMEOUT, bb_log_next(BB_MS(1), sizeof record, &record));
    join(start(make_and_destroy, "queued"));
    EXPECT(BB_E_NULL, bb_log_next(0, sizeof record, NULL));
    EXPECT(BB_E_VERSION, bb_log_next(0, 1, &record));
    uint64_t taken = 0;
    while (bb_log_next(0, sizeof record, &record) == BB_OK) {
        TEST_ASSERT_EQUAL_UINT32(sizeof record, record.struct_size);
        TEST_ASSERT_EQUAL_STRING("manager", record.part);
        TEST_ASSERT_EQUAL_STRING("queued", record.label);
        CHECK(record.level >= BB_LOG_ERROR && record.level <= BB_LOG_DEBUG && record.text[0] != '\0');
        TEST_ASSERT_EQUAL_UINT64(0, record.lost); /* all that was lost came after these */
        taken++;
    }
    TEST_ASSERT_EQUAL_UINT64(8, taken);
    /* What is there when the queue ends may still be taken. */
    make_and_destroy("last");
    OK(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL));
    make_and_destroy("after");
    for (taken = 0; bb_log_next(BB_FOREVER, sizeof record, &record) == BB_OK; taken++) {
        TEST_ASSERT_EQUAL_STRING("last", record.label);
        TEST_ASSERT_EQUAL_UINT64(taken == 0 ? 392 : 0, record.lost); /* with the first one after the gap */
    }
    TEST_ASSERT_EQUAL_UINT64(8, taken);
    EXPECT(BB_E_CLOSED, bb_log_next(BB_FOREVER, sizeof record, &record));
}

static atomic_ullong accounted;
static void *take_all(void *unused) {
    bb_log_record record;
    while (bb_log_next(BB_FOREVER, sizeof record, &record) == BB_OK) {
        atomic_fetch_add(&accounted, 1 + record.lost);
    }
    return unused;
}

static void a_consumer_sleeps_until_the_queue_ends(void) {
    OK(bb_set_log_queue(BB_LOG_INFO, 4));
    const pthread_t consumer = start(take_all, NULL), other = start(make_and_destroy, "other");
    make_and_destroy("one");
    join(other);
    /* What is lost after the last record that found room is reported with the next one. */
    for (uint64_t records = 800; atomic_load(&accounted) != records; records += 2) {
        CHECK(records < 100000);
        OK(bb_manager_destroy(make_u32(8, NULL)));
        const struct timespec nap = {0, 1000000};
        (void)nanosleep(&nap, NULL);
    }
    OK(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL));
    join(consumer);
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(it_lists_every_object_until_it_is_gone);
    RUN_TEST(it_lists_waiters);
    RUN_TEST(it_lists_rings_and_how_full_they_are);
    RUN_TEST(a_lease_that_outlives_its_manager_is_still_listed);
    RUN_TEST(a_back_in_hand_is_listed);
    RUN_TEST(to_a_descriptor_it_is_the_same_text);
    RUN_TEST(it_can_be_called_while_everything_moves);
    RUN_TEST(statistics_as_text_name_every_field);
    RUN_TEST(statistics_count_what_happened);
    RUN_TEST(log_records_wait_in_a_queue);
    RUN_TEST(a_consumer_sleeps_until_the_queue_ends);
    return UNITY_END();
}
