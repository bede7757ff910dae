/* The wait check: every call that can wait asks it, goes on or ends as it says, and can be made again. All at once, each with a
 * thread and objects of its own, since each takes a few periods of the check. */
#include "support.h"

typedef struct row row;

/* What a row waits for: a manager whose back copy is reserved, a ring, or a device that its owner does not drive. */
typedef struct scene {
    bb_manager *m;
    bb_back back;
    bb_watch *watch;
    bb_batch *batch;
    uint64_t ticket, fence, epoch;
    bb_sender *tx;
    bb_receiver *rx;
    bb_stream *stream;
    bb_device *device;
    bb_device_buffer *source;
    bb_buffer *mapped;
    bb_request *request;
    bb_readback *readback;
    bb_reading *reading;
    bb_encoder *encoder;
    bb_dynamic *dynamic;
    gate kernel; /* runs on `running`, or on a manager that the call makes */
    bb_manager *running;
} scene;

struct row {
    const char *name;
    void (*prepare)(scene *);
    bb_status (*call)(scene *);
    void (*let_go)(scene *); /* again and again until the call has returned */
    scene s;
    pthread_t thread;
    atomic_int asked;
    atomic_bool stop, done;
    bb_status status;
};

static uint8_t bytes[64];
static const bb_update update = {.byte_offset = 0, .count = 1, .data = bytes};

/* --- managers --- */

static void reserve(scene *s) {
    bb_manager_config config = defaults("checked");
    config.queue_bytes = 4096;
    config.watchdog_ns = 0;
    s->m = make_u32(8, &config);
    OK(bb_watch_create(s->m, 0, &s->watch));
    OK(bb_batch_begin(s->m, &s->batch));
    OK(bb_batch_update(s->batch, &update));
    OK(bb_manager_reserve_back(s->m, BB_BACK_KEEP, 0, &s->back));
    OK(bb_manager_enqueue_update(s->m, &update, 0));
    OK(bb_manager_synchronize_async(s->m, &s->ticket));
}

static void fill(scene *s) {
    reserve(s);
    bb_status status = BB_OK;
    while (status == BB_OK) {
        status = bb_manager_enqueue_update(s->m, &update, 0);
    }
    EXPECT(BB_E_FULL, status);
}

static void commit(scene *s) {
    if (s->back.token != 0) {
        OK(bb_manager_commit_back(s->m, &s->back, 0));
        (void)bb_manager_synchronize_async(s->m, &s->ticket); /* for those who wait for an epoch */
        s->back.token = 0;
    }
}

static void nothing(void *unused) { (void)unused; }
static void no_kernel(void *back, const void *front, uint64_t count, void *unused) {
    (void)back, (void)front, (void)count, (void)unused;
}

static bb_status enqueue(scene *s) { return bb_manager_enqueue_update(s->m, &update, BB_FOREVER); }
static bb_status many(scene *s) { return bb_manager_enqueue_updates(s->m, &update, 1, BB_FOREVER); }
static bb_status filled(scene *s) { return bb_manager_enqueue_fill(s->m, 0, 0, 1, bytes, BB_FOREVER); }
static bb_status tag(scene *s) { return bb_manager_enqueue_tag(s->m, 1, BB_FOREVER); }
static bb_status batch(scene *s) { return bb_batch_commit(s->batch, BB_FOREVER); }
static bb_status region(scene *s) {
    const bb_region all = {.start = (uint64_t[]){0}, .extent = (uint64_t[]){1}, .data = bytes};
    return bb_manager_enqueue_region(s->m, &all, BB_FOREVER);
}
static bb_status borrowed(scene *s) { return bb_manager_enqueue_borrowed(s->m, &update, nothing, NULL, BB_FOREVER); }
static bb_status kernel(scene *s) {
    return bb_manager_enqueue_kernel(s->m, &(bb_kernel){.function = no_kernel, .count = 1}, BB_FOREVER);
}
static bb_status synchronize(scene *s) { return bb_manager_synchronize(s->m, BB_FOREVER); }
static bb_status wait_ticket(scene *s) { return bb_manager_wait(s->m, s->ticket, BB_FOREVER, NULL); }
static bb_status wait_epoch(scene *s) { return bb_manager_wait_epoch(s->m, 0, BB_FOREVER, &s->epoch); }
static bb_status watch_wait(scene *s) { return bb_watch_wait(s->watch, BB_FOREVER, &s->epoch); }
static bb_status trim(scene *s) { return bb_manager_trim(s->m, BB_FOREVER); }
static bb_status close_all(scene *s) { return bb_manager_close(s->m, BB_FOREVER); }
static bb_status reserve_back(scene *s) {
    bb_back back;
    const bb_status status = bb_manager_reserve_back(s->m, BB_BACK_KEEP, BB_FOREVER, &back);
    return status == BB_OK ? bb_manager_cancel_back(s->m, &back) : status;
}

/* --- callbacks that run: each call of destroy has a manager of its own, since it ends that also when the check ends the wait --- */

static void shut(scene *s) { atomic_store(&s->kernel.shut, true); }
static void open_gate(scene *s) { atomic_store(&s->kernel.shut, false); }
static void hold(void *back, const void *front, uint64_t count, void *g) {
    (void)back, (void)front, (void)count;
    gate_pass(g);
}
static void count_drop(void *g) { atomic_fetch_add(&((gate *)g)->drops, 1); } /* on the workers of two managers */
static void runtime_drop(void *g) { count_drop(g); }                          /* of a runtime that ends its callbacks */
static bb_manager *with_a_kernel_that_runs(scene *s, void (*drop)(void *)) {
    bb_manager *m = NULL;
    const bb_kernel slow = {.function = hold, .user_data = &s->kernel, .drop = drop, .count = 1};
    const int before = atomic_load(&s->kernel.entered);
    THREAD_OK(bb_manager_create(BB_U32, 1, (uint64_t[]){8}, NULL, &m));
    THREAD_OK(bb_manager_enqueue_kernel(m, &slow, 0));
    while (atomic_load(&s->kernel.entered) == before) {
        nap();
    }
    return m;
}
static bb_status ended(bb_manager *m, bb_status status) {
    THREAD_CHECK(bb_manager_destroy(m) == BB_E_STALE);
    return status;
}
static bb_status destroy(scene *s) {
    bb_manager *const m = with_a_kernel_that_runs(s, count_drop);
    return ended(m, bb_manager_destroy(m));
}
static bb_status destroy_within(scene *s) {
    bb_manager *const m = with_a_kernel_that_runs(s, count_drop);
    return ended(m, bb_manager_destroy_within(m, BB_SEC(HANG_SECONDS)));
}
static void run_one(scene *s) {
    shut(s);
    OK(bb_begin_callbacks(runtime_drop));
    s->running = with_a_kernel_that_runs(s, runtime_drop);
}
static bb_status end_callbacks(scene *s) {
    (void)s;
    return bb_end_callbacks(runtime_drop, BB_FOREVER);
}

/* --- rings --- */

static void ring(scene *s) { OK(bb_spsc_create(64, NULL, &s->tx, &s->rx)); }
static void full_ring(scene *s) {
    uint64_t sent = 0;
    ring(s);
    OK(bb_sender_send(s->tx, bytes, sizeof bytes, &sent));
}
static void stream(scene *s) {
    bb_stream_config config;
    OK(bb_stream_config_init(&config));
    ring(s);
    OK(bb_spsc_into_stream(s->rx, &config, &s->stream));
    s->rx = NULL;
}
static void send_one(scene *s) {
    uint64_t sent = 0;
    const bb_status status = bb_sender_send(s->tx, bytes, 1, &sent);
    CHECK(status == BB_OK || status == BB_E_FULL);
}
static void take_one(scene *s) {
    uint64_t got = 0;
    const bb_status status = bb_receiver_recv(s->rx, bytes, 1, &got);
    CHECK(status == BB_OK || status == BB_E_EMPTY);
}
static bb_status send_all(scene *s) { return bb_sender_send_all(s->tx, bytes, 1, BB_FOREVER, &s->epoch); }
static bb_status recv_all(scene *s) { return bb_receiver_recv_all(s->rx, bytes, 1, BB_FOREVER, &s->epoch); }
static bb_status writable(scene *s) { return bb_sender_wait_writable(s->tx, 1, BB_FOREVER); }
static bb_status readable(scene *s) { return bb_receiver_wait_readable(s->rx, 1, BB_FOREVER); }
static bb_status chunk(bb_status status, const bb_chunk *chunk) {
    return status == BB_OK ? bb_lease_release(chunk->lease) : status;
}
static bb_status next(scene *s) {
    bb_chunk one;
    return chunk(bb_stream_next(s->stream, BB_FOREVER, &one), &one);
}
static bb_status chunks(scene *s) {
    bb_chunk one;
    return chunk(bb_stream_chunks(s->stream, 1, BB_FOREVER, &one, &s->epoch), &one);
}
static bb_status ready_chunks(scene *s) {
    bb_chunk one;
    return chunk(bb_stream_ready_chunks(s->stream, 1, BB_FOREVER, &one, &s->epoch), &one);
}

/* --- devices: the main thread owns them, and drives them to let the call go --- */

static bb_buffer_desc desc(uint32_t usage) {
    bb_buffer_desc made;
    OK(bb_buffer_desc_init(&made));
    made.size = 16;
    made.usage = usage;
    return made;
}

static void device(scene *s) {
    const bb_buffer_desc source = desc(BB_USAGE_STORAGE | BB_USAGE_COPY_SRC);
    const bb_buffer_desc mapped = desc(BB_USAGE_MAP_WRITE | BB_USAGE_COPY_SRC);
    bb_readback_config config;
    bb_dynamic_config dynamic;
    OK(bb_device_create_host(BB_DEVICE_HOST_DRIVEN, "checked", &s->device));
    OK(bb_device_buffer_create(s->device, &source, &s->source));
    OK(bb_buffer_create(s->device, &mapped, &s->mapped));
    OK(bb_encoder_create(s->device, &s->encoder));
    OK(bb_encoder_write(s->encoder, s->source, 0, bytes, 16));
    OK(bb_readback_config_init(&config));
    config.size = 16;
    config.frames = 1;
    config.when_full = BB_READBACK_WAIT;
    config.timeout_ns = BB_FOREVER;
    OK(bb_readback_create(s->device, &config, &s->readback));
    OK(bb_dynamic_config_init(&dynamic));
    dynamic.size = 16;
    dynamic.frames = 1;
    dynamic.usage = BB_USAGE_UNIFORM;
    dynamic.policy = BB_RING_BLOCK;
    dynamic.timeout_ns = BB_FOREVER;
    OK(bb_dynamic_create(s->device, &dynamic, &s->dynamic));
}
static void with_request(scene *s) {
    device(s);
    OK(bb_buffer_map_async(s->mapped, BB_MAP_WRITE, 0, 16, NULL, &s->request));
}
static void with_reading(scene *s) {
    device(s);
    OK(bb_readback_read(s->readback, s->source, 0, 16, &s->reading));
}
static void with_fence(scene *s) {
    device(s);
    OK(bb_encoder_submit(s->encoder, &s->fence));
    OK(bb_encoder_write(s->encoder, s->source, 0, bytes, 16));
}
static void drive(scene *s) { OK(bb_device_poll(s->device, BB_MS(1))); }
static void give_back(scene *s) {
    if (s->reading != NULL) {
        OK(bb_reading_release(s->reading));
        s->reading = NULL;
    }
    drive(s);
}
static bb_status request_wait(scene *s) {
    bb_map_outcome outcome;
    return bb_request_wait(s->request, BB_FOREVER, sizeof outcome, &outcome);
}
static bb_status wait_any(scene *s) {
    return bb_request_wait_any((bb_request *const[]){s->request}, 1, BB_FOREVER, &s->epoch);
}
static bb_status reading_wait(scene *s) { return bb_reading_wait(s->reading, BB_FOREVER); }
static bb_status readback(scene *s) {
    bb_reading *reading = NULL;
    const bb_status status = bb_readback_read(s->readback, s->source, 0, 16, &reading);
    return status == BB_OK ? bb_reading_release(reading) : status;
}
static bb_status create_buffer(scene *s) {
    const bb_buffer_desc target = desc(BB_USAGE_STORAGE);
    bb_device_buffer *buffer = NULL;
    const bb_status status = bb_device_buffer_create(s->device, &target, &buffer);
    return status == BB_OK ? bb_device_buffer_destroy(buffer) : status;
}
static bb_status submit(scene *s) { return bb_encoder_submit(s->encoder, &s->fence); }
static bb_status wait_fence(scene *s) { return bb_device_wait_fence(s->device, s->fence, BB_FOREVER); }
static bb_status dynamic(scene *s) {
    bb_dynamic_slice slice;
    bb_status status = BB_OK;
    /* The first frame ends while the owner does not poll; the second has no space before that. */
    for (int frame = 0; frame < 2 && status == BB_OK; frame++) {
        status = bb_dynamic_begin_update(s->dynamic, 16, &slice);
        if (status == BB_OK) {
            THREAD_OK(bb_dynamic_end_update(s->dynamic, &slice));
            THREAD_OK(bb_dynamic_end_frame(s->dynamic));
        }
    }
    return status;
}

/* --- the table --- */

#define ROW(before, function, after) {.name = #function, .prepare = (before), .call = (function), .let_go = (after)}
static row rows[] = {
    ROW(fill, enqueue, commit),
    ROW(fill, many, commit),
    ROW(fill, filled, commit),
    ROW(fill, tag, commit),
    ROW(fill, batch, commit),
    ROW(fill, region, commit),
    ROW(fill, borrowed, commit),
    ROW(fill, kernel, commit),
    ROW(reserve, synchronize, commit),
    ROW(reserve, wait_ticket, commit),
    ROW(reserve, wait_epoch, commit),
    ROW(reserve, watch_wait, commit),
    ROW(reserve, trim, commit),
    ROW(reserve, close_all, commit),
    ROW(reserve, reserve_back, commit),
    ROW(shut, destroy, open_gate),
    ROW(shut, destroy_within, open_gate),
    ROW(run_one, end_callbacks, open_gate),
    ROW(full_ring, send_all, take_one),
    ROW(ring, recv_all, send_one),
    ROW(full_ring, writable, take_one),
    ROW(ring, readable, send_one),
    ROW(stream, next, send_one),
    ROW(stream, chunks, send_one),
    ROW(stream, ready_chunks, send_one),
    ROW(with_request, request_wait, drive),
    ROW(with_request, wait_any, drive),
    ROW(with_reading, reading_wait, drive),
    ROW(with_reading, readback, give_back),
    ROW(device, create_buffer, drive),
    ROW(device, submit, drive),
    ROW(with_fence, wait_fence, drive),
    ROW(device, dynamic, drive),
};

/* The check calls the library, also on the object that is waited for, and no lock is held. */
static int32_t ask(void *of) {
    row *r = of;
    atomic_fetch_add(&r->asked, 1);
    if (r->s.m != NULL) {
        THREAD_CHECK(bb_manager_epoch(r->s.m, &(uint64_t){0}) == BB_OK);
        if (r->call == watch_wait) {
            THREAD_CHECK(bb_watch_destroy(r->s.watch) == BB_E_RECURSIVE);
        } else if (r->call != batch) {
            THREAD_CHECK(bb_manager_destroy(r->s.m) == BB_E_RECURSIVE);
        }
    }
    if (r->call == send_all) {
        THREAD_CHECK(bb_sender_wait_writable(r->s.tx, 1, 0) == BB_E_BUSY &&
                     bb_sender_destroy(r->s.tx) == BB_E_RECURSIVE);
    }
    if (r->call == recv_all) {
        THREAD_CHECK(bb_receiver_wait_readable(r->s.rx, 1, 0) == BB_E_BUSY);
    }
    return atomic_load(&r->stop) ? 1 : 0;
}

static void *wait_with_a_check(void *of) {
    row *r = of;
    bb_wait_check before = {ask, r};
    THREAD_OK(bb_set_wait_check(ask, r, &before));
    THREAD_CHECK(before.function == NULL);
    r->status = r->call(&r->s);
    if (r->status == BB_E_INTERRUPTED && r->s.m != NULL && r->call != batch) {
        THREAD_CHECK(strstr(bb_last_error(), "the wait check ended the wait") != NULL);
    }
    THREAD_OK(bb_set_wait_check(NULL, NULL, &before));
    THREAD_CHECK(before.function == ask && before.user_data == r);
    atomic_store(&r->done, true);
    return NULL;
}

static void end(scene *s) {
    (void)bb_batch_cancel(s->batch);
    OK(bb_watch_destroy(s->watch));
    OK(bb_manager_destroy(s->m));
    OK(bb_manager_destroy(s->running));
    OK(bb_sender_destroy(s->tx));
    OK(bb_receiver_destroy(s->rx));
    OK(bb_stream_destroy(s->stream));
    OK(bb_request_release(s->request));
    OK(bb_reading_release(s->reading));
    OK(bb_readback_destroy(s->readback));
    OK(bb_dynamic_destroy(s->dynamic));
    OK(bb_encoder_destroy(s->encoder));
    OK(bb_buffer_release(s->mapped));
    OK(bb_device_buffer_destroy(s->source));
    OK(bb_device_destroy(s->device));
}

static void start_all(bool stop) {
    for (row *r = rows; r < rows + LENGTH(rows); r++) {
        atomic_store(&r->asked, 0);
        atomic_store(&r->stop, stop);
        atomic_store(&r->done, false);
        r->thread = start(wait_with_a_check, r);
    }
}

static void ended_with(row *r, bb_status want) {
    join(r->thread);
    TEST_ASSERT_EQUAL_INT32_MESSAGE(want, r->status, r->name);
}

static void every_wait_asks_goes_on_ends_and_can_be_made_again(void) {
    for (row *r = rows; r < rows + LENGTH(rows); r++) {
        r->prepare(&r->s);
    }
    start_all(true); /* ends at the first call */
    for (row *r = rows; r < rows + LENGTH(rows); r++) {
        ended_with(r, BB_E_INTERRUPTED);
        TEST_ASSERT_EQUAL_INT_MESSAGE(1, atomic_load(&r->asked), r->name);
    }
    start_all(false); /* continues until the condition holds */
    for (row *r = rows; r < rows + LENGTH(rows); r++) {
        const uint64_t limit = now_ns() + BB_SEC(HANG_SECONDS);
        for (; atomic_load(&r->asked) < 2; nap()) {
            TEST_ASSERT_TRUE_MESSAGE(now_ns() < limit, r->name);
        }
        TEST_ASSERT_FALSE_MESSAGE(atomic_load(&r->done), r->name);
    }
    for (row *r = rows; r < rows + LENGTH(rows); r++) {
        const uint64_t limit = now_ns() + BB_SEC(HANG_SECONDS);
        for (; !atomic_load(&r->done); nap()) {
            TEST_ASSERT_TRUE_MESSAGE(now_ns() < limit, r->name);
            r->let_go(&r->s);
        }
        ended_with(r, BB_OK);
        if (r->call == destroy || r->call == destroy_within) {
            EVENTUALLY(atomic_load(&r->s.kernel.drops) == 2); /* also of the call that the check ended */
        }
        end(&r->s);
        r->s = (scene){0};
    }
}

/* The owner of a host-driven device drives it while it waits, and asks meanwhile. */
static void a_wait_that_drives_a_device_asks_as_well(void) {
    row r = {.name = "driving", .call = reading_wait};
    device(&r.s);
    OK(bb_readback_read_in(r.s.readback, r.s.encoder, r.s.source, 0, 16, &r.s.reading)); /* and no submit */
    atomic_store(&r.stop, true);
    OK(bb_set_wait_check(ask, &r, NULL));
    EXPECT(BB_E_INTERRUPTED, reading_wait(&r.s));
    OK(bb_set_wait_check(NULL, NULL, NULL));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&r.asked));
    OK(bb_encoder_submit(r.s.encoder, &r.s.fence));
    OK(reading_wait(&r.s));
    end(&r.s);
}

static void a_call_that_does_not_wait_does_not_ask(void) {
    row r = {.name = "trying"};
    atomic_store(&r.stop, true);
    reserve(&r.s);
    OK(bb_set_wait_check(ask, &r, NULL));
    EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(r.s.m, 0) == BB_E_STATE ? BB_E_TIMEOUT : BB_OK); /* it has the copy */
    EXPECT(BB_E_TIMEOUT, bb_manager_wait_epoch(r.s.m, 0, 0, &r.s.epoch));
    OK(bb_set_wait_check(NULL, NULL, NULL));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&r.asked));
    commit(&r.s);
    end(&r.s);
}

/* --- trim, and tickets that are polled --- */

static void trim_waits_no_longer_than_its_timeout(void) {
    row r = {.name = "trim", .call = trim};
    bb_manager_config config = defaults("trim");
    config.watchdog_ns = BB_MS(5);
    r.s.m = make_u32(8, &config);
    OK(bb_manager_reserve_back(r.s.m, BB_BACK_KEEP, 0, &r.s.back));
    EXPECT(BB_E_STATE, bb_manager_trim(r.s.m, BB_FOREVER)); /* it would wait for itself */
    const pthread_t thread = start(wait_with_a_check, &r);
    EVENTUALLY(atomic_load(&r.done));
    join(thread);
    EXPECT(BB_E_STALLED, r.status);
    OK(bb_manager_cancel_back(r.s.m, &r.s.back));
    OK(bb_manager_trim(r.s.m, 0));
    end(&r.s);
}

static void what_is_no_ticket_is_refused(void) {
    bb_manager *m = make_u32(8, NULL);
    bb_watch *watch = NULL;
    bb_ticket_poll poll = {0};
    uint64_t ticket = 0, epoch = 0;
    OK(bb_watch_create(m, 0, &watch));
    for (int given = 0; given < 2; given++) { /* of a manager that is new, and of one that has given a ticket */
        const uint64_t none[] = {0, ticket + 1, UINT64_MAX};
        for (size_t i = 0; i < LENGTH(none); i++) {
            EXPECT(BB_E_ARGUMENT, bb_manager_wait(m, none[i], 0, &epoch));
            EXPECT(BB_E_ARGUMENT, bb_manager_poll_ticket(m, none[i], &poll, &epoch));
            EXPECT(BB_E_ARGUMENT, bb_watch_ticket(watch, none[i]));
            MESSAGE_HAS("ticket");
        }
        OK(bb_manager_synchronize_async(m, &ticket));
        OK(bb_manager_wait(m, ticket, BB_SEC(HANG_SECONDS), &epoch));
    }
    OK(bb_watch_destroy(watch));
    OK(bb_manager_destroy(m));
}

static void a_stall_is_reported_once_to_every_waiter_of_that_moment(void) {
    bb_manager_config config = defaults("polled");
    config.watchdog_ns = BB_MS(20);
    bb_manager *m = make_u32(8, &config);
    bb_task *task = NULL;
    bb_ticket_poll poll = {0}, second = {0}, late = {0};
    uint64_t ticket = 0, epoch = 0;
    OK(bb_task_begin(m, "upload", &task));
    OK(put_u32(m, 0, 1, 0));
    OK(bb_manager_synchronize_async(m, &ticket));
    EXPECT(BB_E_TIMEOUT, bb_manager_poll_ticket(m, ticket, &poll, &epoch));
    CHECK(poll.poll_after_ns > 0 && poll.poll_after_ns <= BB_MS(20));
    EXPECT(BB_E_TIMEOUT, bb_manager_poll_ticket(m, ticket, &second, &epoch)); /* waits as well */
    bb_status status = BB_E_TIMEOUT;
    EVENTUALLY((status = bb_manager_poll_ticket(m, ticket, &poll, &epoch)) != BB_E_TIMEOUT);
    EXPECT(BB_E_STALLED, status);
    MESSAGE_HAS("upload");
    EVENTUALLY((status = bb_manager_poll_ticket(m, ticket, &second, &epoch)) != BB_E_TIMEOUT);
    EXPECT(BB_E_STALLED, status);
    /* Those that begin after the report wait as long as they say. */
    EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(m, BB_MS(50)));
    EXPECT(BB_E_TIMEOUT, bb_manager_wait(m, ticket, BB_MS(50), &epoch));
    const uint64_t later = now_ns() + BB_MS(50);
    while (now_ns() < later) {
        EXPECT(BB_E_TIMEOUT, bb_manager_poll_ticket(m, ticket, &poll, &epoch)); /* no news */
        EXPECT(BB_E_TIMEOUT, bb_manager_poll_ticket(m, ticket, &late, &epoch));
    }
    OK(bb_task_end(task));
    EVENTUALLY(bb_manager_poll_ticket(m, ticket, &poll, &epoch) == BB_OK);
    TEST_ASSERT_EQUAL_UINT64(1, epoch);
    const bb_ticket_poll before = poll = (bb_ticket_poll){.poll_after_ns = 7, .state = {1, 2, 3, 4}};
    EXPECT(BB_E_ARGUMENT, bb_manager_poll_ticket(m, ticket + 100, &poll, &epoch));
    TEST_ASSERT_EQUAL_MEMORY(&before, &poll, sizeof poll);
    TEST_ASSERT_EQUAL_UINT64(1, epoch);
    EXPECT(BB_E_NULL, bb_manager_poll_ticket(m, ticket, NULL, &epoch));
    OK(bb_manager_destroy(m));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(every_wait_asks_goes_on_ends_and_can_be_made_again);
    RUN_TEST(a_wait_that_drives_a_device_asks_as_well);
    RUN_TEST(a_call_that_does_not_wait_does_not_ask);
    RUN_TEST(trim_waits_no_longer_than_its_timeout);
    RUN_TEST(what_is_no_ticket_is_refused);
    RUN_TEST(a_stall_is_reported_once_to_every_waiter_of_that_moment);
    return UNITY_END();
}
