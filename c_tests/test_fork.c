/* Forks: in the child inherited handles are BB_E_FORKED, new objects work, and the child exits normally. */
#include "exports.h"

/* The exit code of a child: 0, or the line that failed, modulo 255, plus 1. */
#define CHILD_CHECK(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (void)fprintf(stderr, "child, line %d: %s; last: %s\n", __LINE__, #condition, bb_last_error());            \
            exit(__LINE__ % 255 + 1);                                                                                  \
        }                                                                                                              \
    } while (0)

static void in_child(void (*body)(objects *), objects *o) {
    (void)fflush(NULL); /* or the child prints it again */
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(HANG_SECONDS);
        body(o);
        exit(0); /* with all exit handlers and destructors */
    }
    TEST_ASSERT_EQUAL_INT(0, child_exit_code(child));
}

static void every_inherited_handle_is_refused(objects *o) {
    for (size_t i = 0; i < LENGTH(exports); i++) {
        for (kind k = MANAGER; k < KINDS; k++) {
            if (exports[i].kind == ANY || exports[i].kind == k) {
                CHILD_CHECK(exports[i].call(o->of[k]) == BB_E_FORKED);
                CHILD_CHECK(exports[i].kind == ANY || strstr(bb_last_error(), exports[i].name) != NULL);
            }
        }
    }
}

static void new_objects_work(objects *o) {
    for (int i = 0; i < 20; i++) {
        bb_manager *m = NULL;
        bb_front front;
        bb_watch *w = NULL;
        bb_task *task = NULL;
        int32_t fd = -1;
        uint32_t value = (uint32_t)i + 5;
        CHILD_CHECK(bb_manager_create(BB_U32, 1, SHAPE(8), NULL, &m) == BB_OK);
        CHILD_CHECK((void *)m != o->of[MANAGER]);
        CHILD_CHECK(bb_watch_create(m, 0, &w) == BB_OK);
        CHILD_CHECK(bb_watch_fd(w, &fd) == BB_OK);
        CHILD_CHECK(bb_task_begin(m, "child", &task) == BB_OK);
        CHILD_CHECK(bb_task_end(task) == BB_OK);
        CHILD_CHECK(bb_manager_enqueue_kernel(m, &one_kernel, BB_FOREVER) == BB_OK); /* needs its worker */
        CHILD_CHECK(bb_manager_enqueue_fill(m, 0, 0, 8, &value, BB_FOREVER) == BB_OK);
        CHILD_CHECK(bb_manager_synchronize(m, BB_FOREVER) == BB_OK);
        CHILD_CHECK(bb_watch_wait(w, BB_FOREVER, &(uint64_t){0}) == BB_OK);
        CHILD_CHECK(bb_manager_acquire_front(m, &front) == BB_OK);
        CHILD_CHECK(((const uint32_t *)front.data)[7] == value);
        CHILD_CHECK(bb_lease_release(front.lease) == BB_OK);
        CHILD_CHECK(bb_watch_destroy(w) == BB_OK);
        CHILD_CHECK(bb_manager_destroy(m) == BB_OK);
        CHILD_CHECK(bb_manager_destroy(m) == BB_E_STALE);
    }
    CHILD_CHECK(bb_handle_check(o->of[MANAGER]) == BB_E_FORKED);
}

static void *wait_for_a_byte(void *rx) { return (void *)(intptr_t)bb_receiver_wait_readable(rx, 1, BB_FOREVER); }

static void new_rings_work(objects *o) {
    for (int i = 0; i < 20; i++) {
        bb_sender *tx = NULL;
        bb_receiver *rx = NULL;
        bb_stream *s = NULL;
        bb_chunk chunk;
        pthread_t thread;
        void *waited = NULL;
        uint64_t sent = 0;
        CHILD_CHECK(bb_spsc_create(64, NULL, &tx, &rx) == BB_OK);
        CHILD_CHECK((void *)tx != o->of[SENDER] && (void *)rx != o->of[RECEIVER]);
        CHILD_CHECK(pthread_create(&thread, NULL, wait_for_a_byte, rx) == 0); /* wakes work here too */
        CHILD_CHECK(bb_sender_send(tx, "parted", 6, &sent) == BB_OK && sent == 6);
        CHILD_CHECK(pthread_join(thread, &waited) == 0 && (intptr_t)waited == BB_OK);
        CHILD_CHECK(bb_spsc_into_stream(rx, NULL, &s) == BB_OK);
        CHILD_CHECK(bb_stream_next(s, 0, &chunk) == BB_OK);
        CHILD_CHECK(chunk.bytes == 6 && memcmp(chunk.data, "parted", 6) == 0);
        CHILD_CHECK(bb_lease_release(chunk.lease) == BB_OK);
        CHILD_CHECK(bb_stream_destroy(s) == BB_OK);
        CHILD_CHECK(bb_sender_destroy(tx) == BB_OK);
        CHILD_CHECK(bb_sender_destroy(tx) == BB_E_STALE);
    }
    CHILD_CHECK(bb_handle_check(o->of[SENDER]) == BB_E_FORKED);
}

static void leave_objects_behind(objects *o) {
    (void)o;
    bb_manager *m = NULL;
    bb_sender *tx = NULL;
    bb_receiver *rx = NULL;
    CHILD_CHECK(bb_manager_create(BB_U32, 1, SHAPE(8), NULL, &m) == BB_OK);
    CHILD_CHECK(bb_spsc_create(64, NULL, &tx, &rx) == BB_OK);
}

static void do_nothing(objects *o) { (void)o; }

static void grandchild(objects *o) {
    bb_manager *m = NULL;
    bb_manager_config config;
    CHILD_CHECK(bb_manager_config_init(&config) == BB_OK);
    config.worker = BB_WORKER_ONLY;
    CHILD_CHECK(bb_manager_create(BB_U32, 1, SHAPE(8), &config, &m) == BB_OK);
    /* The worker has begun, and holds no lock of malloc that the grandchild would find locked. */
    CHILD_CHECK(bb_manager_synchronize(m, BB_FOREVER) == BB_OK);
    const pid_t child = fork();
    CHILD_CHECK(child >= 0);
    if (child == 0) {
        alarm(HANG_SECONDS);
        CHILD_CHECK(bb_handle_check(m) == BB_E_FORKED);
        new_objects_work(o);
        new_rings_work(o);
        exit(0);
    }
    CHILD_CHECK(child_exit_code(child) == 0);
    CHILD_CHECK(bb_manager_destroy(m) == BB_OK);
}

static void queries_that_need_no_handle(objects *o) {
    (void)o;
    static text t;
    CHILD_CHECK(bb_version() != 0);
    CHILD_CHECK(bb_debug_dump(text_write, &t) == BB_OK);
    CHILD_CHECK(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL) == BB_OK);
    CHILD_CHECK(bb_set_wait_flags(0) == BB_OK);
}

static objects o;

static void in_the_child_every_inherited_handle_is_refused(void) { in_child(every_inherited_handle_is_refused, &o); }
static void in_the_child_new_objects_work(void) { in_child(new_objects_work, &o); }
static void in_the_child_new_rings_work(void) { in_child(new_rings_work, &o); }
static void the_child_exits_with_objects_alive(void) { in_child(leave_objects_behind, &o); }
static void the_child_exits_though_it_never_called(void) { in_child(do_nothing, &o); }
static void a_grandchild_works_too(void) { in_child(grandchild, &o); }
static void in_the_child_queries_work(void) { in_child(queries_that_need_no_handle, &o); }

static void the_parent_goes_on(void) {
    in_child(every_inherited_handle_is_refused, &o);
    for (kind k = MANAGER; k < KINDS; k++) {
        OK(bb_handle_check(o.of[k]));
    }
    OK(put_u32(o.of[MANAGER], 0, 3, BB_FOREVER));
    OK(bb_task_end(o.of[TASK]));
    OK(bb_manager_synchronize(o.of[MANAGER], BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(3, get_u32(o.of[MANAGER], 0));
    OK(bb_task_begin(o.of[MANAGER], "upload", (bb_task **)&o.of[TASK]));
    uint64_t n = 0;
    uint32_t value = 0;
    OK(bb_sender_send(o.of[SENDER], &one_u32, 4, &n));
    OK(bb_receiver_recv(o.of[RECEIVER], &value, 4, &n));
    TEST_ASSERT_EQUAL_UINT32(one_u32, value);
}

/* --- a fork while a feed runs --- */

/* A manager whose feed a thread of the parent writes to while children are forked. */
static struct {
    bb_manager *m;
    bb_sender *tx;
    bb_receiver *rx;
    bb_feed *feed;
    atomic_bool stop;
    uint32_t last; /* the number that was written last */
} fed;

static bb_status send_number(bb_sender *tx, uint32_t number) {
    struct {
        bb_feed_record header;
        uint32_t number, padding;
    } record = {.number = number};
    const bb_status status = bb_feed_record_init(BB_FEED_WRITE, 0, 0, sizeof number, &record.header, NULL);
    return status == BB_OK ? bb_sender_send_whole(tx, &record, sizeof record, BB_FOREVER, &(uint64_t){0}) : status;
}

static void *send_numbers(void *unused) {
    (void)unused;
    for (uint32_t number = 1; !atomic_load(&fed.stop) && THREAD_CHECK(send_number(fed.tx, number) == BB_OK); number++) {
        fed.last = number;
    }
    return NULL;
}

static void in_the_child_the_feed_is_refused_and_a_new_one_works(objects *o) {
    (void)o;
    bb_manager *m = NULL;
    bb_sender *tx = NULL;
    bb_receiver *rx = NULL;
    bb_feed *feed = NULL;
    bb_feed_info info = {.records = 1234};
    bb_front front;
    uint64_t n = 5678;
    uint32_t value = 0;
    CHILD_CHECK(bb_feed_status(fed.feed, sizeof info, &info) == BB_E_FORKED && info.records == 1234);
    CHILD_CHECK(bb_feed_destroy(fed.feed) == BB_E_FORKED);
    CHILD_CHECK(bb_handle_check(fed.feed) == BB_E_FORKED);
    CHILD_CHECK(bb_manager_synchronize(fed.m, 0) == BB_E_FORKED);
    CHILD_CHECK(send_number(fed.tx, 1) == BB_E_FORKED);
    CHILD_CHECK(bb_receiver_recv(fed.rx, &value, sizeof value, &n) == BB_E_FORKED);
    CHILD_CHECK(bb_spsc_create(64, NULL, &tx, &rx) == BB_OK);
    CHILD_CHECK(bb_manager_feed(fed.m, rx, &feed) == BB_E_FORKED && feed == NULL);
    CHILD_CHECK(bb_manager_create(BB_U32, 1, SHAPE(8), NULL, &m) == BB_OK);
    CHILD_CHECK(bb_manager_feed(m, fed.rx, &feed) == BB_E_FORKED && feed == NULL);
    CHILD_CHECK(bb_manager_feed(m, rx, &feed) == BB_OK);
    for (uint32_t number = 1; number <= 100; number++) {
        CHILD_CHECK(send_number(tx, number) == BB_OK);
    }
    CHILD_CHECK(bb_manager_synchronize(m, BB_FOREVER) == BB_OK);
    CHILD_CHECK(bb_manager_acquire_front(m, &front) == BB_OK);
    CHILD_CHECK(*(const uint32_t *)front.data == 100);
    CHILD_CHECK(bb_lease_release(front.lease) == BB_OK);
    CHILD_CHECK(bb_feed_destroy(feed) == BB_OK);
    CHILD_CHECK(bb_receiver_destroy(rx) == BB_OK && bb_sender_destroy(tx) == BB_OK);
    CHILD_CHECK(bb_manager_destroy(m) == BB_OK);
}

static void a_fork_while_a_feed_runs(void) {
    bb_feed_info info;
    fed.m = make_u32(8, NULL);
    OK(bb_spsc_create(256, NULL, &fed.tx, &fed.rx));
    OK(bb_manager_feed(fed.m, fed.rx, &fed.feed));
    const pthread_t writer = start(send_numbers, NULL);
    for (int i = 0; i < rounds(20); i++) {
        in_child(in_the_child_the_feed_is_refused_and_a_new_one_works, &o);
        OK(bb_feed_status(fed.feed, sizeof info, &info));
        TEST_ASSERT_EQUAL_INT(BB_OK, info.status);
    }
    atomic_store(&fed.stop, true);
    join(writer);
    OK(bb_manager_synchronize(fed.m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(fed.last, get_u32(fed.m, 0));
    OK(bb_feed_status(fed.feed, sizeof info, &info));
    TEST_ASSERT_EQUAL_UINT64(fed.last, info.records);
    OK(bb_feed_destroy(fed.feed));
    OK(bb_sender_destroy(fed.tx));
    OK(bb_receiver_destroy(fed.rx));
    OK(bb_manager_destroy(fed.m));
}

/* --- a fork while threads contend on the library's locks: the child does not wait for a lock that was held at the fork --- */

enum { PARENT_THREADS = 8, CHILD_THREADS = 2 };

static atomic_bool stop;

/* One round of calls that take the library's locks, on a manager and a registry that other threads use at the same time, and on
 * objects of its own. False if a call fails. */
static bool contend_once(bb_manager *shared, bb_registry *registry, uint64_t parent) {
    bb_manager *m = NULL;
    bb_watch *w = NULL;
    bb_task *task = NULL;
    bb_device *device = NULL;
    bb_encoder *encoder = NULL;
    bb_sender *tx = NULL;
    bb_receiver *rx = NULL;
    bb_front front;
    bb_manager_stats stats;
    const bb_registry_buffer buffer = {
        .struct_size = sizeof buffer, .location = BB_LOCATION_SHARED, .name = "k", .size = 8, .precision = BB_F32};
    return put_u32(shared, parent % 8, 1, BB_FOREVER) == BB_OK && bb_task_begin(shared, "contends", &task) == BB_OK &&
           bb_watch_create(shared, 0, &w) == BB_OK && bb_task_end(task) == BB_OK &&
           bb_manager_synchronize(shared, BB_FOREVER) == BB_OK && bb_watch_destroy(w) == BB_OK &&
           bb_manager_stats_get(shared, sizeof stats, &stats) == BB_OK &&
           bb_manager_acquire_front(shared, &front) == BB_OK && bb_lease_release(front.lease) == BB_OK &&
           bb_registry_register(registry, parent, &buffer) == BB_OK &&
           bb_registry_clear_parent(registry, parent) == BB_OK &&
           bb_manager_create(BB_U32, 1, SHAPE(8), NULL, &m) == BB_OK && put_u32(m, 0, 1, BB_FOREVER) == BB_OK &&
           bb_manager_synchronize(m, BB_FOREVER) == BB_OK && bb_manager_destroy(m) == BB_OK &&
           bb_device_create_host(0, "contends", &device) == BB_OK && bb_encoder_create(device, &encoder) == BB_OK &&
           bb_encoder_submit(encoder, NULL) == BB_OK && bb_encoder_destroy(encoder) == BB_OK &&
           bb_device_destroy(device) == BB_OK && bb_spsc_create(64, NULL, &tx, &rx) == BB_OK &&
           bb_sender_destroy(tx) == BB_OK && bb_receiver_destroy(rx) == BB_OK;
}

typedef struct contender {
    bb_manager *m;
    bb_registry *registry;
    uint64_t parent;
    int rounds; /* 0: until `stop` */
} contender;

static void *contend(void *argument) {
    const contender *c = argument;
    for (int i = 0; c->rounds == 0 ? !atomic_load(&stop) : i < c->rounds; i++) {
        if (!THREAD_CHECK(contend_once(c->m, c->registry, c->parent))) {
            break;
        }
    }
    return NULL;
}

static void child_contends(objects *o) {
    contender c[CHILD_THREADS] = {{.rounds = 10}, {.rounds = 10}};
    pthread_t threads[CHILD_THREADS];
    CHILD_CHECK(bb_handle_check(o->of[MANAGER]) == BB_E_FORKED);
    CHILD_CHECK(bb_manager_create(BB_U32, 1, SHAPE(8), NULL, &c[0].m) == BB_OK);
    CHILD_CHECK(bb_registry_create(NULL, &c[0].registry) == BB_OK);
    for (int i = 0; i < CHILD_THREADS; i++) {
        c[i].m = c[0].m;
        c[i].registry = c[0].registry;
        c[i].parent = (uint64_t)i + 1;
        CHILD_CHECK(pthread_create(&threads[i], NULL, contend, &c[i]) == 0);
    }
    for (int i = 0; i < CHILD_THREADS; i++) {
        CHILD_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHILD_CHECK(atomic_load(&thread_failures) == 0);
    CHILD_CHECK(bb_registry_destroy(c[0].registry) == BB_OK);
    CHILD_CHECK(bb_manager_destroy(c[0].m) == BB_OK);
}

static void a_fork_while_eight_threads_contend(void) {
#ifdef __SANITIZE_ADDRESS__
    TEST_IGNORE_MESSAGE("AddressSanitizer's malloc stays locked in the child when another thread held its lock");
#endif
    void (*const bodies[])(objects *) = {child_contends, new_objects_work, new_rings_work};
    contender c[PARENT_THREADS] = {{0}};
    pthread_t threads[PARENT_THREADS];
    atomic_store(&stop, false);
    c[0].m = make_u32(8, NULL);
    OK(bb_registry_create(NULL, &c[0].registry));
    for (int i = 0; i < PARENT_THREADS; i++) {
        c[i].m = c[0].m;
        c[i].registry = c[0].registry;
        c[i].parent = (uint64_t)i + 1;
        threads[i] = start(contend, &c[i]);
    }
    for (int i = 0; i < rounds(150); i++) {
        in_child(bodies[i % (int)LENGTH(bodies)], &o);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < PARENT_THREADS; i++) {
        join(threads[i]);
    }
    OK(bb_registry_destroy(c[0].registry));
    OK(bb_manager_destroy(c[0].m));
}

int main(void) {
    UNITY_BEGIN();
    o = make_objects();
    RUN_TEST(in_the_child_every_inherited_handle_is_refused);
    RUN_TEST(in_the_child_new_objects_work);
    RUN_TEST(in_the_child_new_rings_work);
    RUN_TEST(the_child_exits_with_objects_alive);
    RUN_TEST(the_child_exits_though_it_never_called);
    RUN_TEST(a_grandchild_works_too);
    RUN_TEST(in_the_child_queries_work);
    RUN_TEST(the_parent_goes_on);
    RUN_TEST(a_fork_while_a_feed_runs);
    RUN_TEST(a_fork_while_eight_threads_contend);
    destroy_objects(o);
    return UNITY_END();
}
