/* The log's callback: what it gets, at which level, and its exchange while other threads log. It may call the library, and its
 * drop runs exactly once and last. */
#include "support.h"

typedef struct log_lines {
    pthread_mutex_t lock;
    text all;
    uint32_t worst;
    atomic_int drops, lines;
} log_lines;

static void log_line(uint32_t level, const char *part, const char *label, const char *line, void *user_data) {
    log_lines *l = user_data;
    (void)pthread_mutex_lock(&l->lock);
    char one[512];
    const int length = snprintf(one, sizeof one, "%" PRIu32 " %s [%s] %s\n", level, part, label, line);
    text_write(one, (uint64_t)length, &l->all);
    l->worst = l->worst == 0 || level < l->worst ? level : l->worst;
    (void)pthread_mutex_unlock(&l->lock);
    atomic_fetch_add(&l->lines, 1);
}

static void drop_log(void *l) { atomic_fetch_add(&((log_lines *)l)->drops, 1); }

static bool logged(log_lines *l, const char *part) {
    (void)pthread_mutex_lock(&l->lock);
    const bool found = strstr(l->all.bytes, part) != NULL;
    (void)pthread_mutex_unlock(&l->lock);
    return found;
}

static void the_log_has_creation_stalls_leaks_and_destruction(void) {
    static log_lines l = {.lock = PTHREAD_MUTEX_INITIALIZER};
    OK(bb_set_log(BB_LOG_DEBUG, log_line, &l, drop_log));
    bb_manager_config config = defaults("chatty");
    config.watchdog_ns = short_watchdog();
    bb_manager *m = make_u32(8, &config);
    CHECK(logged(&l, "[chatty]"));
    bb_task *task = NULL;
    bb_front front;
    OK(bb_task_begin(m, "slow upload", &task));
    OK(put_u32(m, 0, 1, 0));
    EXPECT(BB_E_STALLED, bb_manager_synchronize(m, BB_FOREVER));
    EVENTUALLY(logged(&l, "slow upload"));
    OK(bb_task_end(task));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_acquire_front(m, &front));
    const int before = atomic_load(&l.lines);
    OK(bb_manager_destroy(m));
    EVENTUALLY(atomic_load(&l.lines) > before);
    EVENTUALLY(logged(&l, "unreleased"));
    OK(bb_lease_release(front.lease));
    CHECK(l.worst <= BB_LOG_WARN);
    OK(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&l.drops));
    const int last = atomic_load(&l.lines);
    m = make_u32(8, NULL);
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(last, atomic_load(&l.lines)); /* off is off */
}

static void a_level_hides_what_is_below_it(void) {
    static log_lines l = {.lock = PTHREAD_MUTEX_INITIALIZER};
    OK(bb_set_log(BB_LOG_ERROR, log_line, &l, drop_log));
    bb_manager *m = make_u32(8, NULL);
    OK(bb_manager_destroy(m));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&l.lines));
    OK(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&l.drops));
}

static void *create_and_destroy(void *argument) {
    (void)argument;
    for (int i = 0; i < rounds(300); i++) {
        bb_manager *m = NULL;
        THREAD_OK(bb_manager_create(BB_U8, 1, SHAPE(8), NULL, &m));
        THREAD_OK(bb_manager_destroy(m));
    }
    return NULL;
}

/* What is counted of a callback. */
typedef struct sink {
    atomic_int calls, drops, calls_after_drop;
} sink;

static void drop_sink(void *s) { atomic_fetch_add(&((sink *)s)->drops, 1); }

static void count_log(uint32_t level, const char *part, const char *label, const char *line, void *user_data) {
    (void)level, (void)part, (void)label, (void)line;
    sink *s = user_data;
    atomic_fetch_add(&s->calls_after_drop, atomic_load(&s->drops));
    atomic_fetch_add(&s->calls, 1);
}

/* No call starts after drop starts, though other threads log while the callback is exchanged. */
static void the_log_callback_is_exchanged_while_others_log(void) {
    enum { EXCHANGES = 200 };
    static sink sinks[EXCHANGES];
    const pthread_t threads[] = {start(create_and_destroy, NULL), start(create_and_destroy, NULL)};
    for (int i = 0; i < EXCHANGES; i++) {
        OK(bb_set_log(BB_LOG_DEBUG, count_log, &sinks[i], drop_sink));
    }
    OK(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL));
    join(threads[0]);
    join(threads[1]);
    for (int i = 0; i < EXCHANGES; i++) {
        TEST_ASSERT_EQUAL_INT(1, atomic_load(&sinks[i].drops));
        TEST_ASSERT_EQUAL_INT(0, atomic_load(&sinks[i].calls_after_drop));
    }
}

static void log_through(uint32_t level, const char *part, const char *label, const char *line, void *g) {
    (void)level, (void)part, (void)label, (void)line;
    gate_pass(g);
}

static void *replace_the_log(void *argument) {
    (void)argument;
    THREAD_OK(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL));
    return NULL;
}

static void the_log_callback_is_dropped_when_its_last_call_has_returned(void) {
    gate g = {.shut = true};
    OK(bb_set_log(BB_LOG_DEBUG, log_through, &g, gate_drop));
    const pthread_t logging = start(create_and_destroy, NULL);
    EVENTUALLY(atomic_load(&g.entered) == 1);
    const pthread_t replacing = start(replace_the_log, NULL);
    for (int i = 0; i < 100; i++) {
        nap();
        TEST_ASSERT_EQUAL_INT(0, atomic_load(&g.drops)); /* the callback is still inside */
    }
    atomic_store(&g.shut, false);
    join(replacing);
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&g.drops));
    join(logging);
    TEST_ASSERT_EQUAL_INT(atomic_load(&g.entered), atomic_load(&g.calls));
}

/* --- the callback calls the library, which holds no lock --- */

static void log_calls_in(uint32_t level, const char *part, const char *label, const char *line, void *user_data) {
    (void)level, (void)part, (void)label, (void)line;
    sink *s = user_data;
    if (atomic_fetch_add(&s->calls, 1) == 0) {
        bb_manager *m = NULL;
        THREAD_OK(bb_manager_create(BB_U8, 1, SHAPE(8), NULL, &m));
        THREAD_OK(bb_manager_enqueue_fill(m, 0, 0, 8, "x", BB_FOREVER));
        THREAD_OK(bb_manager_synchronize(m, BB_FOREVER));
        THREAD_OK(bb_manager_destroy(m));
    }
}

static void a_log_callback_may_call_the_library(void) {
    sink s = {0};
    OK(bb_set_log(BB_LOG_DEBUG, log_calls_in, &s, drop_sink));
    bb_manager *m = make_u32(8, NULL);
    OK(bb_manager_destroy(m));
    OK(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL));
    CHECK(atomic_load(&s.calls) > 0);
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&s.drops));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(the_log_has_creation_stalls_leaks_and_destruction);
    RUN_TEST(a_level_hides_what_is_below_it);
    RUN_TEST(the_log_callback_is_exchanged_while_others_log);
    RUN_TEST(the_log_callback_is_dropped_when_its_last_call_has_returned);
    RUN_TEST(a_log_callback_may_call_the_library);
    return UNITY_END();
}
