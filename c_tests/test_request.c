/* Map requests: completed exactly once, with racing threads and with callbacks that use the buffer. */
#include "buffers.h"

typedef struct completion {
    atomic_int calls, drops;
    _Atomic int32_t status, inside;
    bb_buffer *released;
} completion;

static void on_complete(void *user_data, const bb_map_outcome *outcome) {
    completion *c = user_data;
    THREAD_CHECK(atomic_load(&c->drops) == 0);
    atomic_store(&c->status, outcome->status);
    THREAD_CHECK((outcome->status == BB_OK) == (outcome->text[0] == '\0'));
    THREAD_CHECK(strcmp(outcome->label, "tested") == 0);
    if (c->released != NULL) {
        THREAD_CHECK(bb_buffer_destroy(c->released) == BB_OK);
        THREAD_CHECK(bb_buffer_release(c->released) == BB_OK);
    }
    atomic_fetch_add(&c->calls, 1);
}

static void on_drop(void *user_data) {
    completion *c = user_data;
    THREAD_CHECK(atomic_load(&c->calls) == 1);
    atomic_fetch_add(&c->drops, 1);
}

static bb_map_callback callback_to(completion *c) {
    return (bb_map_callback){.call = on_complete, .user_data = c, .drop = on_drop};
}

#define COMPLETED(c, want)                                                                                             \
    do {                                                                                                               \
        EVENTUALLY(atomic_load(&(c).drops) == 1);                                                                      \
        TEST_ASSERT_EQUAL_INT(1, atomic_load(&(c).calls));                                                             \
        TEST_ASSERT_EQUAL_INT32(want, atomic_load(&(c).status));                                                       \
    } while (0)

static void a_callback_and_a_handle_get_the_same_outcome(void) {
    completion c = {0};
    const bb_map_callback callback = callback_to(&c);
    bb_buffer *buffer = make_buffer(64, WRITE_USAGE, false);
    bb_request *request = NULL;
    OK(bb_buffer_map_async(buffer, BB_MAP_WRITE, 0, 64, &callback, &request));
    TEST_ASSERT_EQUAL_INT32(BB_OK, outcome_of(request).status);
    COMPLETED(c, BB_OK);
    OK(bb_buffer_release(buffer));
}

static void a_refused_call_leaves_the_callback_to_the_caller(void) {
    completion c = {0};
    bb_map_callback callback = callback_to(&c);
    bb_buffer *buffer = make_buffer(64, WRITE_USAGE, false);
    bb_request *request = NULL;
    EXPECT(BB_E_ALIGN, bb_buffer_map_async(buffer, BB_MAP_WRITE, 3, 4, &callback, &request));
    callback.call = NULL;
    EXPECT(BB_E_NULL, bb_buffer_map_async(buffer, BB_MAP_WRITE, 0, 64, &callback, &request));
    MESSAGE_HAS("callback.call");
    TEST_ASSERT_NULL(request);
    CHECK(atomic_load(&c.calls) == 0 && atomic_load(&c.drops) == 0);
    TEST_ASSERT_EQUAL_INT(BB_BUFFER_READY, state_of(buffer));
    OK(bb_buffer_release(buffer));
}

/* A pending request: its device is host-driven, and not driven. */
static bb_buffer *pending(bb_device **device, completion *c, bb_request **request) {
    const bb_buffer_desc desc = described(64, WRITE_USAGE, false);
    const bb_map_callback callback = callback_to(c);
    bb_buffer *buffer = NULL;
    OK(bb_device_create_host(BB_DEVICE_HOST_DRIVEN, "driven", device));
    OK(bb_buffer_create(*device, &desc, &buffer));
    OK(bb_buffer_map_async(buffer, BB_MAP_WRITE, 0, BB_WHOLE_SIZE, &callback, request));
    TEST_ASSERT_EQUAL_INT(BB_BUFFER_MAP_PENDING, state_of(buffer));
    return buffer;
}

static bb_status unmap_it(bb_buffer *buffer, bb_request *request) { return (void)request, bb_buffer_unmap(buffer); }
static bb_status destroy_it(bb_buffer *buffer, bb_request *request) { return (void)request, bb_buffer_destroy(buffer); }
static bb_status release_it(bb_buffer *buffer, bb_request *request) { return (void)request, bb_buffer_release(buffer); }
static bb_status cancel_it(bb_buffer *buffer, bb_request *request) {
    uint32_t in_time = 7;
    (void)buffer;
    const bb_status status = bb_request_cancel(request, &in_time);
    CHECK(in_time == 1 && bb_request_cancel(request, &in_time) == BB_OK && in_time == 0);
    return status;
}

static void a_pending_request_is_aborted_or_cancelled_exactly_once(void) {
    static const struct {
        bb_status (*end)(bb_buffer *, bb_request *);
        bb_status want;
    } rows[] = {
        {unmap_it, BB_E_ABORTED}, {destroy_it, BB_E_ABORTED}, {release_it, BB_E_ABORTED}, {cancel_it, BB_E_CANCELLED}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        completion c = {0};
        bb_device *device = NULL;
        bb_request *request = NULL;
        bb_map_outcome outcome;
        bb_buffer *buffer = pending(&device, &c, &request);
        EXPECT(BB_E_TIMEOUT, bb_request_poll(request, sizeof outcome, &outcome));
        OK(rows[i].end(buffer, request));
        COMPLETED(c, rows[i].want);
        OK(bb_request_poll(request, sizeof outcome, &outcome));
        TEST_ASSERT_EQUAL_INT32(rows[i].want, outcome.status);
        OK(bb_device_poll(device, BB_FOREVER)); /* completes nothing: the request is completed */
        TEST_ASSERT_EQUAL_INT(1, atomic_load(&c.calls));
        OK(bb_request_release(request));
        (void)bb_buffer_release(buffer);
        OK(bb_device_destroy(device));
    }
}

static void a_callback_may_release_its_own_buffer(void) {
    bb_status (*const ends[])(bb_buffer *, bb_request *) = {unmap_it, destroy_it, NULL};
    for (size_t i = 0; i < LENGTH(ends); i++) {
        completion c = {0};
        bb_device *device = NULL;
        bb_request *request = NULL;
        bb_buffer *buffer = pending(&device, &c, &request);
        c.released = buffer;
        if (ends[i] == NULL) {
            OK(bb_device_poll(device, BB_FOREVER));
        } else {
            OK(ends[i](buffer, request));
        }
        EVENTUALLY(atomic_load(&c.drops) == 1);
        EXPECT(BB_E_STALE, bb_buffer_release(buffer));
        OK(bb_request_release(request));
        OK(bb_device_destroy(device));
    }
}

static void the_end_of_a_device_completes_its_requests(void) {
    completion c = {0};
    bb_device *device = NULL;
    bb_request *request = NULL;
    bb_buffer *buffer = pending(&device, &c, &request);
    OK(bb_device_destroy(device));
    COMPLETED(c, BB_E_DEVICE_LOST);
    TEST_ASSERT_EQUAL_INT32(BB_E_DEVICE_LOST, outcome_of(request).status);
    bb_span span;
    bb_buffer_info info;
    CHECK(bb_buffer_mapped_range(buffer, 0, 8, &span) < 0);
    EXPECT(BB_E_DEVICE_LOST, bb_buffer_map_async(buffer, BB_MAP_WRITE, 0, 8, NULL, &request));
    OK(bb_buffer_info_get(buffer, sizeof info, &info));
    TEST_ASSERT_EQUAL_UINT32(0, info.valid);
    OK(bb_buffer_unmap(buffer));
    OK(bb_buffer_destroy(buffer));
    OK(bb_buffer_release(buffer));
}

static void wait_any_returns_a_completed_request(void) {
    bb_buffer *buffers[20];
    bb_request *requests[20];
    uint64_t index = 99;
    EXPECT(BB_E_ARGUMENT, bb_request_wait_any(NULL, 0, 0, &index));
    for (size_t i = 0; i < LENGTH(buffers); i++) {
        buffers[i] = make_buffer(64, WRITE_USAGE, false);
        requests[i] = map(buffers[i], BB_MAP_WRITE, 0, 64);
    }
    OK(bb_request_wait_any(requests, LENGTH(requests), BB_SEC(HANG_SECONDS), &index));
    CHECK(index < LENGTH(requests));
    EXPECT(BB_E_RANGE, bb_request_wait_any(requests, UINT64_MAX, 0, &index));
    for (size_t i = 0; i < LENGTH(buffers); i++) {
        TEST_ASSERT_EQUAL_INT32(BB_OK, outcome_of(requests[i]).status);
        OK(bb_buffer_release(buffers[i]));
    }
    EXPECT(BB_E_STALE, bb_request_wait_any(requests, LENGTH(requests), 0, &index));
}

typedef struct racer {
    bb_buffer *buffer;
    _Atomic(bb_request *) request;
    atomic_bool go, stop;
    int number;
} racer;

static void *race(void *argument) {
    racer *r = argument;
    while (!atomic_load(&r->go)) {
    }
    for (int i = 0; !atomic_load(&r->stop); i++) {
        uint32_t in_time;
        switch ((i + r->number) % 4) {
        case 0:
            (void)bb_request_cancel(atomic_load(&r->request), &in_time);
            break;
        case 1:
            THREAD_CHECK(bb_buffer_unmap(r->buffer) == BB_OK);
            break;
        case 2:
            (void)bb_request_wait(atomic_load(&r->request), BB_US(50), sizeof(bb_map_outcome), &(bb_map_outcome){0});
            break;
        default:
            (void)bb_request_release(atomic_load(&r->request));
        }
    }
    return NULL;
}

static void eight_threads_complete_each_request_once(void) {
    for (int round = 0; round < rounds(30); round++) {
        racer r = {.buffer = make_buffer(64, WRITE_USAGE, false)};
        completion completions[40];
        memset(completions, 0, sizeof completions);
        pthread_t threads[8];
        for (size_t t = 0; t < LENGTH(threads); t++) {
            r.number = (int)t;
            threads[t] = start(race, &r);
        }
        atomic_store(&r.go, true);
        int accepted = 0;
        for (size_t i = 0; i < LENGTH(completions); i++) {
            bb_request *request = NULL;
            const bb_map_callback callback = callback_to(&completions[i]);
            if (bb_buffer_map_async(r.buffer, BB_MAP_WRITE, 0, 64, &callback, &request) == BB_OK) {
                atomic_store(&r.request, request);
                accepted++;
            } else {
                atomic_store(&completions[i].calls, -1);
            }
        }
        OK(bb_buffer_destroy(r.buffer));
        atomic_store(&r.stop, true);
        for (size_t t = 0; t < LENGTH(threads); t++) {
            join(threads[t]);
        }
        CHECK(accepted > 0);
        for (size_t i = 0; i < LENGTH(completions); i++) {
            if (atomic_load(&completions[i].calls) != -1) {
                EVENTUALLY(atomic_load(&completions[i].drops) == 1);
                TEST_ASSERT_EQUAL_INT(1, atomic_load(&completions[i].calls));
            }
        }
        OK(bb_buffer_release(r.buffer));
    }
}

static void wait_inside(void *user_data, const bb_map_outcome *outcome) {
    completion *c = user_data;
    bb_request *again = NULL;
    (void)outcome;
    THREAD_CHECK(bb_buffer_unmap(c->released) == BB_OK);
    THREAD_CHECK(bb_buffer_map_async(c->released, BB_MAP_WRITE, 0, 8, NULL, &again) == BB_OK);
    atomic_store(&c->inside, bb_request_wait(again, BB_SEC(1), sizeof(bb_map_outcome), &(bb_map_outcome){0}));
    THREAD_CHECK(bb_request_release(again) == BB_OK);
    atomic_fetch_add(&c->calls, 1);
}

static void a_callback_cannot_wait_for_the_device(void) {
    completion c = {0};
    c.released = make_buffer(64, WRITE_USAGE, false);
    const bb_map_callback callback = {.call = wait_inside, .user_data = &c};
    OK(bb_buffer_map_async(c.released, BB_MAP_WRITE, 0, 64, &callback, NULL));
    EVENTUALLY(atomic_load(&c.calls) == 1);
    /* BB_OK: the request was completed before, and its callback ran on this thread, which may wait. */
    CHECK(atomic_load(&c.inside) == BB_E_RECURSIVE || atomic_load(&c.inside) == BB_OK);
    OK(bb_buffer_release(c.released));
}

typedef struct driven {
    bb_device *device;
    atomic_int calls;
    _Atomic bb_status polled;
} driven;

static void poll_inside(void *user_data, const bb_map_outcome *outcome) {
    driven *d = user_data;
    (void)outcome;
    atomic_store(&d->polled, bb_device_poll(d->device, BB_FOREVER));
    atomic_fetch_add(&d->calls, 1);
}

static void a_callback_cannot_drive_the_device(void) {
    driven d = {0};
    OK(bb_device_create_host(BB_DEVICE_HOST_DRIVEN, "driven", &d.device));
    bb_buffer *from = NULL, *to = NULL;
    bb_encoder *encoder = NULL;
    bb_buffer_desc desc;
    OK(bb_buffer_desc_init(&desc));
    desc.size = 64, desc.usage = WRITE_USAGE;
    OK(bb_buffer_create(d.device, &desc, &from));
    desc.usage = READ_USAGE;
    OK(bb_buffer_create(d.device, &desc, &to));
    OK(bb_encoder_create(d.device, &encoder));
    OK(bb_encoder_copy(encoder, from, 0, to, 0, 64));
    OK(bb_encoder_submit(encoder, NULL));
    const bb_map_callback callback = {.call = poll_inside, .user_data = &d};
    OK(bb_buffer_map_async(to, BB_MAP_READ, 0, 64, &callback, NULL));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&d.calls)); /* pending until a poll finishes the copy */
    EVENTUALLY(bb_device_poll(d.device, BB_FOREVER) == BB_OK && atomic_load(&d.calls) == 1);
    TEST_ASSERT_EQUAL_INT(BB_E_RECURSIVE, atomic_load(&d.polled));
    OK(bb_encoder_destroy(encoder));
    OK(bb_buffer_release(from));
    OK(bb_buffer_release(to));
    OK(bb_device_destroy(d.device));
}

static atomic_int warnings;
static void count_warnings(uint32_t level, const char *part, const char *label, const char *line, void *user_data) {
    (void)part, (void)user_data;
    if (level == BB_LOG_WARN && strcmp(label, "forgotten") == 0 && strstr(line, "poll") != NULL) {
        atomic_fetch_add(&warnings, 1);
    }
}

static void a_host_that_never_polls_gets_one_warning(void) {
    const bb_buffer_desc desc = described(64, WRITE_USAGE, false);
    bb_device *device = NULL;
    bb_buffer *buffer = NULL;
    OK(bb_set_log(BB_LOG_WARN, count_warnings, NULL, NULL));
    OK(bb_device_create_host(BB_DEVICE_HOST_DRIVEN, "forgotten", &device));
    OK(bb_buffer_create(device, &desc, &buffer));
    for (int i = 0; i < 1000; i++) {
        if (i < 500 && i % 200 == 199) {
            OK(bb_device_poll(device, 0));
        }
        OK(bb_buffer_map_async(buffer, BB_MAP_WRITE, 0, 64, NULL, NULL));
        OK(bb_buffer_unmap(buffer));
        TEST_ASSERT_EQUAL_INT(i < 399 + 255 ? 0 : 1, atomic_load(&warnings));
    }
    OK(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL));
    OK(bb_buffer_release(buffer));
    OK(bb_device_destroy(device));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_callback_and_a_handle_get_the_same_outcome);
    RUN_TEST(a_refused_call_leaves_the_callback_to_the_caller);
    RUN_TEST(a_pending_request_is_aborted_or_cancelled_exactly_once);
    RUN_TEST(a_callback_may_release_its_own_buffer);
    RUN_TEST(the_end_of_a_device_completes_its_requests);
    RUN_TEST(wait_any_returns_a_completed_request);
    RUN_TEST(eight_threads_complete_each_request_once);
    RUN_TEST(a_callback_cannot_wait_for_the_device);
    RUN_TEST(a_callback_cannot_drive_the_device);
    RUN_TEST(a_host_that_never_polls_gets_one_warning);
    return UNITY_END();
}
