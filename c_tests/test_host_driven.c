/* Host-driven devices whose owner thread has ended: no call waits for it, and any thread may destroy the device. */
#include "buffers.h"

typedef struct orphan {
    bb_device *device;
    bb_buffer *mapped, *pending;
    bb_request *request;
    bb_span span;
    atomic_int calls, drops;
    _Atomic int32_t status;
    pthread_t called_on;
    atomic_bool made, stay;
} orphan;

static void on_answer(void *user_data, const bb_map_outcome *outcome) {
    orphan *o = user_data;
    o->called_on = pthread_self();
    atomic_store(&o->status, outcome->status);
    atomic_fetch_add(&o->calls, 1);
}

static void on_drop(void *user_data) { atomic_fetch_add(&((orphan *)user_data)->drops, 1); }

/* Leaves a device behind with a buffer that is mapped and one whose request is still pending. */
static void *own(void *argument) {
    orphan *o = argument;
    const bb_buffer_desc mapped = described(64, WRITE_USAGE, true), plain = described(64, WRITE_USAGE, false);
    const bb_map_callback callback = {on_answer, o, on_drop};
    THREAD_OK(bb_device_create_host(BB_DEVICE_HOST_DRIVEN, "orphan", &o->device));
    THREAD_OK(bb_buffer_create(o->device, &mapped, &o->mapped));
    THREAD_OK(bb_buffer_mapped_range(o->mapped, 0, BB_WHOLE_SIZE, &o->span));
    THREAD_OK(bb_buffer_create(o->device, &plain, &o->pending));
    THREAD_OK(bb_buffer_map_async(o->pending, BB_MAP_WRITE, 0, BB_WHOLE_SIZE, &callback, &o->request));
    atomic_store(&o->made, true);
    while (atomic_load(&o->stay)) {
        nap();
    }
    return NULL;
}

static void end(orphan *o) {
    OK(bb_request_release(o->request));
    OK(bb_buffer_release(o->mapped));
    OK(bb_buffer_release(o->pending));
    OK(bb_device_destroy(o->device));
    EXPECT(BB_E_STALE, bb_device_destroy(o->device));
}

static void every_call_says_that_the_device_is_lost(void) {
    orphan o = {0};
    const pthread_t owner = start(own, &o);
    join(owner);
    const bb_buffer_desc desc = described(64, WRITE_USAGE, false);
    bb_buffer *buffer = NULL;
    bb_encoder *encoder = NULL;
    bb_readback *readback = NULL;
    bb_readback_config config;
    EXPECT(BB_E_DEVICE_LOST, bb_buffer_create(o.device, &desc, &buffer));
    MESSAGE_HAS("the thread that made this host-driven device has ended");
    EXPECT(BB_E_DEVICE_LOST, bb_device_poll(o.device, 0));
    OK(bb_encoder_create(o.device, &encoder));
    EXPECT(BB_E_DEVICE_LOST, bb_encoder_submit(encoder, NULL));
    OK(bb_encoder_destroy(encoder));
    OK(bb_readback_config_init(&config));
    EXPECT(BB_E_DEVICE_LOST, bb_readback_create(o.device, &config, &readback));
    bb_device_stats stats;
    OK(bb_device_stats_get(o.device, sizeof stats, &stats));
    TEST_ASSERT_EQUAL_UINT32(1, stats.lost);

    /* What was pending has been answered, by its own thread. */
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&o.calls));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&o.drops));
    TEST_ASSERT_EQUAL_INT32(BB_E_DEVICE_LOST, atomic_load(&o.status));
    CHECK(pthread_equal(o.called_on, owner) != 0);
    bb_map_outcome outcome;
    OK(bb_request_wait(o.request, BB_FOREVER, sizeof outcome, &outcome));
    TEST_ASSERT_EQUAL_INT32(BB_E_DEVICE_LOST, outcome.status);

    /* What was mapped is the device's no more, and its bytes are where they were. */
    memset(o.span.data, 7, (size_t)o.span.bytes);
    EXPECT(BB_E_DEVICE_LOST, bb_buffer_mapped_range(o.mapped, 0, BB_WHOLE_SIZE, &o.span));
    bb_buffer_info info;
    OK(bb_buffer_info_get(o.mapped, sizeof info, &info));
    TEST_ASSERT_EQUAL_INT(BB_BUFFER_DESTROYED, info.state);
    TEST_ASSERT_EQUAL_UINT32(0, info.valid);
    end(&o);
}

static void *create_elsewhere(void *argument) {
    orphan *o = argument;
    const bb_buffer_desc desc = described(64, WRITE_USAGE, false);
    bb_buffer *buffer = NULL;
    THREAD_CHECK(bb_buffer_create(o->device, &desc, &buffer) == BB_E_DEVICE_LOST);
    return NULL;
}

static void waits_for_the_owner_end_with_it(void) {
    orphan o = {.stay = true};
    const pthread_t owner = start(own, &o);
    EVENTUALLY(atomic_load(&o.made));
    bb_device_stats stats;
    OK(bb_device_stats_get(o.device, sizeof stats, &stats));
    const uint64_t before = stats.calls;
    const pthread_t other = start(create_elsewhere, &o);
    EVENTUALLY(bb_device_stats_get(o.device, sizeof stats, &stats) == BB_OK && stats.calls > before);
    EXPECT(BB_E_WRONG_THREAD, bb_device_destroy(o.device));
    atomic_store(&o.stay, false);
    join(other);
    join(owner);
    end(&o);
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(every_call_says_that_the_device_is_lost);
    RUN_TEST(waits_for_the_owner_end_with_it);
    return UNITY_END();
}
