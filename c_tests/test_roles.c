/* The roles of buffers: any number of bytes comes through and touches no neighbour; rings do as their policies say. */
#include "buffers.h"

static const uint64_t sizes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 17, 31, 33, 63, 65};
enum { WHOLE = 96, GUARD = 0xEE };

static unsigned char bytes_of(uint64_t i) { return (unsigned char)(7 * i + 1); }

/* A device buffer all of guards. */
static bb_device_buffer *guarded(bb_encoder *encoder) {
    static unsigned char guards[WHOLE];
    memset(guards, GUARD, sizeof guards);
    bb_device_buffer *target = make_target(WHOLE);
    OK(bb_encoder_write(encoder, target, 0, guards, WHOLE));
    submit(encoder);
    return target;
}

static void expect_bytes(bb_device_buffer *target, uint64_t offset, uint64_t count) {
    unsigned char found[WHOLE];
    read_target(target, WHOLE, found);
    for (uint64_t i = 0; i < WHOLE; i++) {
        const bool inside = i >= offset && i < offset + count;
        TEST_ASSERT_EQUAL_HEX8(inside ? bytes_of(i - offset) : GUARD, found[i]);
    }
    OK(bb_device_buffer_destroy(target));
}

static void any_number_of_bytes_touches_no_neighbour(void) {
    unsigned char data[WHOLE];
    for (uint64_t i = 0; i < WHOLE; i++) {
        data[i] = bytes_of(i);
    }
    bb_encoder *encoder = make_encoder();
    const bb_dynamic_config config = {.struct_size = sizeof config,
                                      .usage = BB_USAGE_VERTEX | BB_USAGE_COPY_SRC,
                                      .size = WHOLE,
                                      .frames = 3,
                                      .timeout_ns = BB_FOREVER,
                                      .label = "per frame"};
    bb_dynamic *dynamic = NULL;
    OK(bb_dynamic_create(buffer_device(), &config, &dynamic));
    for (size_t s = 0; s < LENGTH(sizes); s++) {
        const uint64_t count = sizes[s], offset = s % 9;
        bb_device_buffer *target = guarded(encoder);
        bb_immediate_staging *immediate = NULL;
        OK(bb_immediate_staging_create(buffer_device(), count, "once", &immediate));
        OK(bb_immediate_staging_write(immediate, 0, data, count));
        EXPECT(BB_E_RANGE, bb_immediate_staging_write(immediate, 1, data, count));
        EXPECT(BB_E_RANGE, bb_immediate_staging_write(immediate, UINT64_MAX, data, 1));
        EXPECT(BB_E_RANGE, bb_immediate_staging_upload_to(immediate, encoder, target, WHOLE + 1 - count));
        OK(bb_immediate_staging_upload_to(immediate, encoder, target, offset));
        EXPECT(BB_E_STATE, bb_immediate_staging_write(immediate, 0, data, count));
        submit(encoder);
        OK(bb_immediate_staging_destroy(immediate));
        expect_bytes(target, offset, count);

        target = guarded(encoder);
        bb_deferred_staging *deferred = NULL;
        bb_request *request = NULL;
        bb_span span;
        OK(bb_deferred_staging_create(buffer_device(), count, "again", &deferred));
        EXPECT(BB_E_STATE, bb_deferred_staging_bytes(deferred, &span));
        for (int round = 0; round < 2; round++) {
            OK(bb_deferred_staging_map_async(deferred, NULL, &request));
            TEST_ASSERT_EQUAL_INT32(BB_OK, outcome_of(request).status);
            OK(bb_deferred_staging_bytes(deferred, &span));
            TEST_ASSERT_EQUAL_UINT64(count, span.bytes);
            memcpy(span.data, data, count);
            OK(bb_deferred_staging_upload_to(deferred, encoder, target, offset));
            submit(encoder);
        }
        OK(bb_deferred_staging_destroy(deferred));
        expect_bytes(target, offset, count);

        target = guarded(encoder);
        OK(bb_encoder_write(encoder, target, offset, data, count));
        EXPECT(BB_E_RANGE, bb_encoder_write(encoder, target, WHOLE, data, 1));
        submit(encoder);
        expect_bytes(target, offset, count);

        target = guarded(encoder);
        bb_device_buffer *from = make_target(WHOLE);
        OK(bb_encoder_write(encoder, from, 5, data, count));
        OK(bb_encoder_copy_bytes(encoder, from, 5, target, offset, count));
        submit(encoder);
        OK(bb_device_buffer_destroy(from));
        expect_bytes(target, offset, count);

        target = guarded(encoder);
        bb_dynamic_slice slice;
        OK(bb_dynamic_update(dynamic, data, count, &slice));
        OK(bb_encoder_copy_update(encoder, dynamic, &slice, target, offset));
        submit(encoder);
        OK(bb_dynamic_end_frame(dynamic));
        expect_bytes(target, offset, count);
    }
    OK(bb_dynamic_destroy(dynamic));
    OK(bb_encoder_destroy(encoder));
}

/* Whatever is asked of it says so, and why. */
static void is_given_up(bb_reading *reading) {
    bb_const_span span;
    const bb_status asked[] = {bb_reading_poll(reading), bb_reading_wait(reading, 0),
                               bb_reading_wait(reading, BB_FOREVER), bb_reading_bytes(reading, &span)};
    for (size_t i = 0; i < LENGTH(asked); i++) {
        EXPECT(BB_E_ABORTED, asked[i]);
    }
    MESSAGE_HAS("replaced by a newer one");
    EXPECT(BB_E_ABORTED, bb_reading_poll(reading));
    MESSAGE_HAS("replaced by a newer one");
}

static void a_full_ring_of_readbacks_does_as_its_policy_says(void) {
    bb_device_buffer *target = make_target(64);
    bb_readback_config config;
    bb_readback *readback = NULL;
    bb_reading *readings[3] = {NULL};
    bb_readback_stats stats;
    OK(bb_readback_config_init(&config));
    config.size = 64, config.frames = 2, config.when_full = 7, config.label = "ring";
    EXPECT(BB_E_ARGUMENT, bb_readback_create(buffer_device(), &config, &readback));
    MESSAGE_HAS("when_full");
    config.when_full = BB_READBACK_SKIP, config.frames = 17;
    EXPECT(BB_E_ARGUMENT, bb_readback_create(buffer_device(), &config, &readback));
    MESSAGE_HAS("frames");
    config.frames = 2;
    OK(bb_readback_create(buffer_device(), &config, &readback));
    EXPECT(BB_E_RANGE, bb_readback_read(readback, target, 0, 65, &readings[0]));
    for (int i = 0; i < 2; i++) {
        OK(bb_readback_read(readback, target, (uint64_t)i, 9, &readings[i]));
    }
    EXPECT(BB_E_FULL, bb_readback_read(readback, target, 0, 9, &readings[2]));
    TEST_ASSERT_NULL(readings[2]);
    OK(bb_reading_wait(readings[0], BB_SEC(HANG_SECONDS)));
    OK(bb_reading_poll(readings[0]));
    OK(bb_reading_release(readings[0]));
    OK(bb_readback_read(readback, target, 0, 9, &readings[2]));
    OK(bb_readback_stats_get(readback, sizeof stats, &stats));
    CHECK(stats.reads == 3 && stats.bytes == 27 && stats.skipped == 1 && stats.stalls == 0);
    OK(bb_readback_destroy(readback)); /* readings stay */
    OK(bb_reading_wait(readings[1], BB_SEC(HANG_SECONDS)));
    bb_const_span span;
    OK(bb_reading_bytes(readings[1], &span));
    TEST_ASSERT_EQUAL_UINT64(9, span.bytes);
    OK(bb_reading_release(readings[1]));
    OK(bb_reading_release(readings[2]));

    config.when_full = BB_READBACK_DROP_OLDEST, config.frames = 1;
    OK(bb_readback_create(buffer_device(), &config, &readback));
    OK(bb_readback_read(readback, target, 0, 9, &readings[0]));
    OK(bb_readback_read(readback, target, 0, 9, &readings[1]));
    is_given_up(readings[0]);
    OK(bb_reading_wait(readings[1], BB_SEC(HANG_SECONDS)));
    OK(bb_readback_read(readback, target, 0, 9, &readings[2]));
    is_given_up(readings[1]); /* its bytes had come */
    OK(bb_reading_release(readings[1]));
    readings[1] = readings[2], readings[2] = NULL;
    OK(bb_reading_wait(readings[1], BB_SEC(HANG_SECONDS)));
    OK(bb_reading_bytes(readings[1], &span));
    EXPECT(BB_E_FULL, bb_readback_read(readback, target, 0, 9, &readings[2])); /* its bytes are in use */
    OK(bb_reading_release(readings[0]));
    OK(bb_reading_release(readings[1]));
    OK(bb_readback_destroy(readback));
    config.when_full = BB_READBACK_WAIT, config.timeout_ns = BB_MS(2);
    OK(bb_readback_create(buffer_device(), &config, &readback));
    OK(bb_readback_read(readback, target, 0, 9, &readings[0]));
    EXPECT(BB_E_TIMEOUT, bb_readback_read(readback, target, 0, 9, &readings[1]));
    OK(bb_reading_release(readings[0]));
    OK(bb_readback_destroy(readback));
    OK(bb_device_buffer_destroy(target));
}

typedef struct read_result {
    atomic_int calls, drops;
    _Atomic int32_t status;
    _Atomic uint64_t bytes;
} read_result;

static void on_read(void *user_data, bb_status status, const void *data, uint64_t bytes) {
    read_result *t = user_data;
    THREAD_CHECK((data != NULL) == (status == BB_OK));
    atomic_store(&t->status, status);
    atomic_store(&t->bytes, bytes);
    atomic_fetch_add(&t->calls, 1);
}

static void on_read_drop(void *user_data) { atomic_fetch_add(&((read_result *)user_data)->drops, 1); }

static void a_read_is_left_to_a_callback(void) {
    read_result t = {0};
    const bb_read_callback callback = {.call = on_read, .user_data = &t, .drop = on_read_drop};
    bb_device_buffer *target = make_target(64);
    bb_readback_config config;
    bb_readback *readback = NULL;
    OK(bb_readback_config_init(&config));
    config.size = 9;
    OK(bb_readback_create(buffer_device(), &config, &readback));
    bb_reading *reading = NULL;
    EXPECT(BB_E_RANGE, bb_readback_read(readback, target, 0, 10, &reading)); /* though its buffers are longer */
    OK(bb_readback_read(readback, target, 3, 9, &reading));
    EXPECT(BB_E_NULL, bb_reading_then(reading, NULL));
    EXPECT(BB_E_NULL, bb_reading_then(reading, &(bb_read_callback){.drop = on_read_drop, .user_data = &t}));
    MESSAGE_HAS("callback.call");
    CHECK(atomic_load(&t.calls) == 0 && atomic_load(&t.drops) == 0);
    OK(bb_reading_then(reading, &callback));
    EXPECT(BB_E_STALE, bb_reading_then(reading, &callback));
    EVENTUALLY(atomic_load(&t.drops) == 1);
    CHECK(atomic_load(&t.calls) == 1 && atomic_load(&t.status) == BB_OK && atomic_load(&t.bytes) == 9);
    OK(bb_readback_destroy(readback));
    OK(bb_device_buffer_destroy(target));
}

static void a_read_that_is_recorded_sees_its_step(void) {
    bb_device_buffer *target = make_target(8);
    bb_encoder *encoder = make_encoder();
    bb_readback_config config;
    bb_readback *readback = NULL;
    bb_reading *readings[3] = {NULL};
    bb_const_span span;
    OK(bb_readback_config_init(&config));
    config.size = 8;
    OK(bb_readback_create(buffer_device(), &config, &readback));
    for (int i = 0; i < 2; i++) {
        OK(bb_encoder_write(encoder, target, 0, i == 0 ? "earlier" : "latter!", 8));
        OK(bb_readback_read_in(readback, encoder, target, 0, 8, &readings[i]));
        EXPECT(BB_E_TIMEOUT, bb_reading_poll(readings[i]));
    }
    EXPECT(BB_E_RANGE, bb_readback_read_in(readback, encoder, target, 4, 8, &readings[2]));
    EXPECT(BB_E_NULL, bb_readback_read_in(readback, encoder, target, 0, 8, NULL));
    TEST_ASSERT_NULL(readings[2]);
    submit(encoder);
    for (int i = 0; i < 2; i++) {
        OK(bb_reading_wait(readings[i], BB_SEC(HANG_SECONDS)));
        OK(bb_reading_bytes(readings[i], &span));
        TEST_ASSERT_EQUAL_STRING(i == 0 ? "earlier" : "latter!", span.data);
        OK(bb_reading_release(readings[i]));
    }
    OK(bb_readback_read_in(readback, encoder, target, 0, 8, &readings[2]));
    OK(bb_encoder_destroy(encoder));
    EXPECT(BB_E_ABORTED, bb_reading_wait(readings[2], BB_FOREVER));
    MESSAGE_HAS("without a submit");
    OK(bb_reading_release(readings[2]));
    OK(bb_readback_destroy(readback));
    OK(bb_device_buffer_destroy(target));
}

static void updates_belong_to_their_frame(void) {
    bb_dynamic_config config;
    bb_dynamic *dynamic = NULL;
    bb_dynamic_slice slice, other;
    bb_dynamic_stats stats;
    bb_device_buffer *target = make_target(64);
    bb_encoder *encoder = make_encoder();
    OK(bb_dynamic_config_init(&config));
    config.size = 64, config.usage |= BB_USAGE_COPY_SRC;
    config.policy = 9;
    EXPECT(BB_E_ARGUMENT, bb_dynamic_create(buffer_device(), &config, &dynamic));
    MESSAGE_HAS("policy");
    config.policy = BB_RING_BLOCK, config.usage = WRITE_USAGE;
    EXPECT(BB_E_ARGUMENT, bb_dynamic_create(buffer_device(), &config, &dynamic));
    MESSAGE_HAS("usage");
    config.usage = BB_USAGE_UNIFORM | BB_USAGE_COPY_SRC;
    OK(bb_dynamic_create(buffer_device(), &config, &dynamic));
    bb_device_info device;
    OK(bb_device_info_get(buffer_device(), sizeof device, &device));
    OK(bb_dynamic_begin_update(dynamic, 5, &slice));
    CHECK(slice.bytes == 5 && slice.offset % device.uniform_offset_alignment == 0 && slice.buffer != 0);
    EXPECT(BB_E_STATE, bb_dynamic_end_frame(dynamic)); /* it is being written */
    MESSAGE_HAS("open");
    memcpy(slice.data, "hello", 5);
    OK(bb_dynamic_end_update(dynamic, &slice));
    EXPECT(BB_E_STATE, bb_dynamic_end_update(dynamic, &slice));
    bb_dynamic *another = NULL; /* its updates may have the same buffer and offset, on another device */
    OK(bb_dynamic_create(buffer_device(), &config, &another));
    OK(bb_dynamic_update(another, "other", 5, &other));
    CHECK(other.frame != slice.frame);
    EXPECT(BB_E_STALE, bb_dynamic_end_update(dynamic, &other));
    EXPECT(BB_E_STALE, bb_encoder_copy_update(encoder, dynamic, &other, target, 3));
    OK(bb_dynamic_destroy(another));
    OK(bb_dynamic_flush(dynamic));
    OK(bb_encoder_copy_update(encoder, dynamic, &slice, target, 3));
    other = slice, other.buffer ^= 1u << 20;
    EXPECT(BB_E_ARGUMENT, bb_encoder_copy_update(encoder, dynamic, &other, target, 3));
    EXPECT(BB_E_RANGE, bb_encoder_copy_update(encoder, dynamic, &slice, target, 60));
    submit(encoder);
    OK(bb_dynamic_end_frame(dynamic));
    EXPECT(BB_E_STALE, bb_encoder_copy_update(encoder, dynamic, &slice, target, 3));
    MESSAGE_HAS("slice.frame");
    EXPECT(BB_E_STALE, bb_dynamic_end_update(dynamic, &slice));
    char found[64];
    read_target(target, 64, found);
    TEST_ASSERT_EQUAL_MEMORY("\0\0\0hello\0", found, 9);
    OK(bb_dynamic_end_frame(dynamic)); /* without updates: nothing */
    OK(bb_dynamic_stats_get(dynamic, sizeof stats, &stats));
    CHECK(stats.frames == 1 && stats.updates == 1 && stats.bytes == 5 && stats.stalls == 0 && stats.capacity >= 192);
    OK(bb_dynamic_destroy(dynamic));
    OK(bb_encoder_destroy(encoder));
    OK(bb_device_buffer_destroy(target));
}

static void ten_thousand_frames_make_no_buffers(void) {
    bb_dynamic_config config;
    bb_dynamic *dynamic = NULL;
    bb_dynamic_slice slice;
    OK(bb_dynamic_config_init(&config));
    config.size = 4096;
    OK(bb_dynamic_create(buffer_device(), &config, &dynamic));
    const uint64_t before = device_stats(buffer_device()).buffers_created;
    for (int frame = 0; frame < rounds(10000); frame++) {
        for (int i = 0; i < 4; i++) {
            OK(bb_dynamic_update(dynamic, &frame, sizeof frame, &slice));
        }
        OK(bb_dynamic_flush(dynamic));
        OK(bb_dynamic_end_frame(dynamic));
    }
    TEST_ASSERT_EQUAL_UINT64(before, device_stats(buffer_device()).buffers_created);
    OK(bb_dynamic_destroy(dynamic));
}

static void what_grows_keeps_its_bytes(void) {
    const bb_buffer_desc desc = described(8, BB_USAGE_VERTEX, false);
    bb_device_buffer *grows = NULL, *fixed = make_target(8);
    bb_encoder *encoder = make_encoder();
    bb_buffer_info info;
    uint32_t grew = 7;
    OK(bb_device_buffer_create_growable(buffer_device(), &desc, &grows));
    EXPECT(BB_E_STATE, bb_device_buffer_reserve(fixed, 9, &grew));
    MESSAGE_HAS("does not grow");
    OK(bb_encoder_write(encoder, grows, 0, "01234567", 8));
    submit(encoder);
    OK(bb_device_buffer_reserve(grows, 8, &grew));
    TEST_ASSERT_EQUAL_UINT32(0, grew);
    OK(bb_device_buffer_reserve(grows, 50, &grew));
    TEST_ASSERT_EQUAL_UINT32(1, grew);
    EXPECT(BB_E_LIMIT, bb_device_buffer_reserve(grows, UINT64_MAX, NULL));
    OK(bb_device_buffer_info_get(grows, sizeof info, &info));
    CHECK(info.size == 50 && info.generation == 2 && info.state == BB_BUFFER_READY);
    char found[50];
    read_target(grows, 50, found);
    TEST_ASSERT_EQUAL_MEMORY("01234567\0\0", found, 10);
    OK(bb_device_buffer_destroy(grows));
    OK(bb_device_buffer_destroy(fixed));
    OK(bb_encoder_destroy(encoder));
}

static void a_device_buffer_is_never_mapped(void) {
    bb_buffer_desc desc = described(8, BB_USAGE_VERTEX, true);
    bb_device_buffer *buffer = NULL;
    EXPECT(BB_E_ARGUMENT, bb_device_buffer_create(buffer_device(), &desc, &buffer));
    MESSAGE_HAS("mapped_at_creation");
    EXPECT(BB_E_ARGUMENT, bb_device_buffer_create_growable(buffer_device(), &desc, &buffer));
    TEST_ASSERT_NULL(buffer);
}

/* --- growing beside others --- */

static bb_device_buffer *make_growable(uint64_t size) {
    const bb_buffer_desc desc = described(size, BB_USAGE_STORAGE, false);
    bb_device_buffer *buffer = NULL;
    OK(bb_device_buffer_create_growable(buffer_device(), &desc, &buffer));
    return buffer;
}

typedef struct crossing {
    bb_device_buffer *from, *to;
} crossing;

static atomic_bool stop_writing;

static void *write_on(void *staging) {
    static const unsigned char bytes[4 << 20];
    while (!atomic_load(&stop_writing)) {
        const bb_status status = bb_deferred_staging_write(staging, 0, bytes, sizeof bytes);
        THREAD_CHECK(status == BB_OK || status == BB_E_STATE); /* between two mappings */
    }
    return NULL;
}

static void what_is_being_written_is_not_uploaded(void) {
    bb_device_buffer *target = make_target(4 << 20);
    bb_encoder *encoder = make_encoder();
    bb_deferred_staging *staging = NULL;
    OK(bb_deferred_staging_create(buffer_device(), 4 << 20, "busy", &staging));
    atomic_store(&stop_writing, false);
    const pthread_t thread = start(write_on, staging);
    int refused = 0;
    for (int round = 0; round < 10000 && refused == 0; round++) {
        bb_request *request = NULL;
        OK(bb_deferred_staging_map_async(staging, NULL, &request));
        TEST_ASSERT_EQUAL_INT32(BB_OK, outcome_of(request).status);
        nap();
        bb_status status;
        while ((status = bb_deferred_staging_upload_to(staging, encoder, target, 0)) == BB_E_BUSY) {
            MESSAGE_HAS("writing");
            refused++;
            atomic_store(&stop_writing, true); /* or there might be no end of it */
        }
        OK(status);
        submit(encoder); /* what was refused is not in it */
    }
    atomic_store(&stop_writing, true);
    join(thread);
    CHECK(refused > 0);
    OK(bb_deferred_staging_destroy(staging));
    OK(bb_encoder_destroy(encoder));
    OK(bb_device_buffer_destroy(target));
}

static void *copy_across(void *argument) {
    const crossing *c = argument;
    bb_encoder *encoder = NULL;
    THREAD_OK(bb_encoder_create(buffer_device(), &encoder));
    for (int i = 0; i < 2000; i++) {
        THREAD_OK(bb_encoder_copy_bytes(encoder, c->from, 0, c->to, 0, 4));
    }
    THREAD_OK(bb_encoder_destroy(encoder));
    return NULL;
}

static void two_that_copy_across_do_not_wait_for_each_other(void) {
    bb_device_buffer *a = make_growable(16), *b = make_growable(16);
    crossing there = {a, b}, back = {b, a};
    const pthread_t thread = start(copy_across, &there);
    (void)copy_across(&back);
    join(thread);
    OK(bb_device_buffer_destroy(a));
    OK(bb_device_buffer_destroy(b));
}

static void look_at_it(void *user_data, const bb_map_outcome *outcome) {
    bb_buffer_info info;
    (void)outcome;
    THREAD_OK(bb_device_buffer_info_get(user_data, sizeof info, &info));
}

static void a_callback_may_look_at_what_grows(void) {
    bb_device_buffer *grows = make_growable(16);
    bb_buffer *buffer = make_buffer(64, WRITE_USAGE, false);
    const bb_map_callback callback = {.call = look_at_it, .user_data = grows};
    for (uint64_t size = 32; size < 32 + 400; size++) {
        OK(bb_buffer_map_async(buffer, BB_MAP_WRITE, 0, 64, &callback, NULL));
        OK(bb_device_buffer_reserve(grows, size * 8, NULL));
        OK(bb_buffer_unmap(buffer));
    }
    /* What a call that waits has is let go by it, not by the handle. */
    OK(bb_device_buffer_destroy(grows));
    OK(bb_buffer_release(buffer));
}

static _Atomic int32_t waited;

static void *wait_for_it(void *reading) {
    atomic_store(&waited, bb_reading_wait(reading, BB_SEC(HANG_SECONDS)));
    return NULL;
}

static void what_is_waited_for_may_be_released(void) {
    bb_device *device = NULL;
    bb_device_buffer *target = NULL;
    bb_readback *readback = NULL;
    bb_reading *reading = NULL;
    bb_readback_config config;
    const bb_buffer_desc desc = described(64, BB_USAGE_STORAGE | BB_USAGE_COPY_SRC, false);
    OK(bb_device_create_host(BB_DEVICE_HOST_DRIVEN, "not polled", &device));
    OK(bb_device_buffer_create(device, &desc, &target));
    OK(bb_readback_config_init(&config));
    config.size = 64;
    OK(bb_readback_create(device, &config, &readback));
    /* A thread that comes too late gets an error; one that waits is answered, and delays no other. */
    int rounds_left = 1000;
    do {
        OK(bb_readback_read(readback, target, 0, 64, &reading));
        const pthread_t thread = start(wait_for_it, reading);
        nap();
        OK(bb_reading_release(reading));
        join(thread);
        CHECK(atomic_load(&waited) == BB_E_ABORTED || atomic_load(&waited) == BB_E_STALE);
    } while (atomic_load(&waited) != BB_E_ABORTED && --rounds_left > 0);
    CHECK(rounds_left > 0);
    EXPECT(BB_E_STALE, bb_reading_wait(reading, 0));
    OK(bb_readback_destroy(readback));
    OK(bb_device_buffer_destroy(target));
    OK(bb_device_destroy(device));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(any_number_of_bytes_touches_no_neighbour);
    RUN_TEST(a_full_ring_of_readbacks_does_as_its_policy_says);
    RUN_TEST(a_read_is_left_to_a_callback);
    RUN_TEST(a_read_that_is_recorded_sees_its_step);
    RUN_TEST(updates_belong_to_their_frame);
    RUN_TEST(ten_thousand_frames_make_no_buffers);
    RUN_TEST(what_grows_keeps_its_bytes);
    RUN_TEST(a_device_buffer_is_never_mapped);
    RUN_TEST(what_is_being_written_is_not_uploaded);
    RUN_TEST(two_that_copy_across_do_not_wait_for_each_other);
    RUN_TEST(a_callback_may_look_at_what_grows);
    RUN_TEST(what_is_waited_for_may_be_released);
    return UNITY_END();
}
