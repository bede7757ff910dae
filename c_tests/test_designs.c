/* The designs' words in C: buffers of either class in copies, queries of every role, and errors that are the last call's own. */
#include "buffers.h"
#include "ring.h"

/* --- copies between buffers of either class --- */

#define AS_DEVICE_BUFFER(buffer) ((bb_device_buffer *)(buffer))

static void fill_mapped(bb_buffer *buffer, uint64_t size, int value) {
    bb_span span;
    OK(bb_buffer_mapped_range(buffer, 0, size, &span));
    memset(span.data, value, size);
    OK(bb_buffer_unmap(buffer));
}

static void expect_mapped(bb_buffer *buffer, uint64_t offset, uint64_t size, int value) {
    bb_const_span span;
    OK(bb_buffer_const_mapped_range(buffer, 0, BB_WHOLE_SIZE, &span));
    TEST_ASSERT_EACH_EQUAL_UINT8(value, (const uint8_t *)span.data + offset, size);
}

static void buffers_of_either_class_are_copied_written_and_read(void) {
    bb_encoder *encoder = make_encoder();
    bb_buffer *from = make_buffer(16, WRITE_USAGE, true), *to = make_buffer(16, READ_USAGE, false);
    bb_buffer *plain = make_buffer(16, BB_USAGE_COPY_SRC | BB_USAGE_COPY_DST, false);
    bb_device_buffer *target = make_target(16);
    unsigned char found[16], five[16];
    memset(five, 5, sizeof five);
    fill_mapped(from, 16, 3);
    OK(bb_encoder_copy_bytes(encoder, AS_DEVICE_BUFFER(from), 0, target, 1, 15));
    OK(bb_encoder_copy_bytes(encoder, target, 1, AS_DEVICE_BUFFER(plain), 0, 7));
    OK(bb_encoder_write(encoder, AS_DEVICE_BUFFER(plain), 7, five, 9));
    OK(bb_encoder_copy_bytes(encoder, AS_DEVICE_BUFFER(plain), 0, AS_DEVICE_BUFFER(to), 0, 16));
    submit(encoder);
    read_target(target, 16, found);
    CHECK(found[0] == 0 && found[1] == 3 && found[15] == 3);
    read_target(AS_DEVICE_BUFFER(plain), 16, found);
    CHECK(found[6] == 3 && found[7] == 5 && found[15] == 5);
    map_now(to, BB_MAP_READ);
    expect_mapped(to, 0, 7, 3);
    expect_mapped(to, 7, 9, 5);
    OK(bb_buffer_unmap(to));

    bb_immediate_staging *staging = NULL;
    OK(bb_immediate_staging_create(buffer_device(), 9, "once", &staging));
    OK(bb_immediate_staging_write(staging, 0, five, 9));
    EXPECT(BB_E_RANGE, bb_immediate_staging_upload_to(staging, encoder, AS_DEVICE_BUFFER(to), 8));
    OK(bb_immediate_staging_upload_to(staging, encoder, AS_DEVICE_BUFFER(to), 4));
    submit(encoder);
    map_now(to, BB_MAP_READ);
    expect_mapped(to, 0, 4, 3);
    expect_mapped(to, 4, 9, 5);
    OK(bb_immediate_staging_destroy(staging));
    OK(bb_device_buffer_destroy(target));
    OK(bb_buffer_release(from));
    OK(bb_buffer_release(to));
    OK(bb_buffer_release(plain));
    OK(bb_encoder_destroy(encoder));
}

static void copies_name_what_a_buffer_lacks(void) {
    bb_encoder *encoder = make_encoder();
    bb_buffer *from = make_buffer(16, WRITE_USAGE, false), *to = make_buffer(16, READ_USAGE, false);
    bb_device_buffer *target = make_target(16);
    EXPECT(BB_E_ARGUMENT, bb_encoder_write(encoder, AS_DEVICE_BUFFER(from), 0, "1234", 4));
    MESSAGE_HAS("COPY_DST");
    EXPECT(BB_E_ARGUMENT, bb_encoder_copy_bytes(encoder, AS_DEVICE_BUFFER(to), 0, target, 0, 4));
    MESSAGE_HAS("COPY_SRC");
    EXPECT(BB_E_ARGUMENT, bb_encoder_copy_bytes(encoder, AS_DEVICE_BUFFER(to), 0, AS_DEVICE_BUFFER(to), 0, 4));
    MESSAGE_HAS("two buffers");
    EXPECT(BB_E_RANGE, bb_encoder_write(encoder, AS_DEVICE_BUFFER(to), 13, "1234", 4));
    EXPECT(BB_E_RANGE, bb_encoder_copy_bytes(encoder, target, 0, AS_DEVICE_BUFFER(to), UINT64_MAX, 4));
    EXPECT(BB_E_KIND, bb_encoder_write(encoder, AS_DEVICE_BUFFER(encoder), 0, "1234", 4));
    EXPECT(BB_E_NULL, bb_encoder_copy_bytes(encoder, NULL, 0, AS_DEVICE_BUFFER(to), 0, 4));
    bb_readback_config config;
    bb_readback *readback = NULL;
    bb_reading *reading = NULL;
    OK(bb_readback_config_init(&config));
    config.size = 16;
    OK(bb_readback_create(buffer_device(), &config, &readback));
    EXPECT(BB_E_ARGUMENT, bb_readback_read(readback, AS_DEVICE_BUFFER(to), 0, 4, &reading));
    EXPECT(BB_E_KIND, bb_readback_read(readback, AS_DEVICE_BUFFER(readback), 0, 4, &reading));
    TEST_ASSERT_NULL(reading);
    OK(bb_readback_destroy(readback));
    OK(bb_buffer_release(to));
    EXPECT(BB_E_STALE, bb_encoder_write(encoder, AS_DEVICE_BUFFER(to), 0, "1234", 4));
    OK(bb_buffer_release(from));
    OK(bb_device_buffer_destroy(target));
    OK(bb_encoder_destroy(encoder));
}

/* --- queries of the roles --- */

static void staging_buffers_report_their_states(void) {
    bb_encoder *encoder = make_encoder();
    bb_device_buffer *target = make_target(9);
    bb_immediate_staging *once = NULL;
    bb_deferred_staging *again = NULL;
    bb_request *request = NULL;
    bb_buffer_info info;
    bb_span span;
    OK(bb_immediate_staging_create(buffer_device(), 9, "once", &once));
    OK(bb_immediate_staging_info_get(once, sizeof info, &info));
    CHECK(info.size == 9 && info.usage == WRITE_USAGE && info.valid == 1 && info.state == BB_BUFFER_MAPPED);
    TEST_ASSERT_EQUAL_STRING("once", info.label);
    OK(bb_immediate_staging_upload_to(once, encoder, target, 0));
    OK(bb_immediate_staging_info_get(once, sizeof info, &info));
    CHECK(info.state == BB_BUFFER_READY);
    submit(encoder);
    OK(bb_deferred_staging_create(buffer_device(), 9, "again", &again));
    OK(bb_deferred_staging_unmap(again)); /* not mapped: no effect */
    OK(bb_deferred_staging_info_get(again, sizeof info, &info));
    CHECK(info.size == 9 && info.state == BB_BUFFER_READY);
    for (int turn = 0; turn < 2; turn++) {
        OK(bb_deferred_staging_map_async(again, NULL, &request));
        TEST_ASSERT_EQUAL_INT32(BB_OK, outcome_of(request).status);
        OK(bb_deferred_staging_info_get(again, sizeof info, &info));
        CHECK(info.state == BB_BUFFER_MAPPED);
        if (turn == 0) {
            OK(bb_deferred_staging_write(again, 0, "unmapped!", 9));
            OK(bb_deferred_staging_unmap(again));
            EXPECT(BB_E_STATE, bb_deferred_staging_bytes(again, &span));
        }
    }
    OK(bb_deferred_staging_upload_to(again, encoder, target, 0)); /* the bytes of before the unmap */
    submit(encoder);
    char found[9];
    read_target(target, 9, found);
    TEST_ASSERT_EQUAL_MEMORY("unmapped!", found, 9);
    OK(bb_immediate_staging_destroy(once));
    OK(bb_deferred_staging_destroy(again));
    OK(bb_device_buffer_destroy(target));
    OK(bb_encoder_destroy(encoder));
}

static void rings_report_size_and_usage(void) {
    bb_readback_config config;
    bb_readback *readback = NULL;
    OK(bb_readback_config_init(&config));
    config.size = 61, config.label = "back";
    OK(bb_readback_create(buffer_device(), &config, &readback));
    bb_dynamic_config ring;
    bb_dynamic *dynamic = NULL;
    OK(bb_dynamic_config_init(&ring));
    ring.size = 64, ring.usage = BB_USAGE_UNIFORM, ring.label = "frames";
    OK(bb_dynamic_create(buffer_device(), &ring, &dynamic));
    bb_buffer_info info;
    OK(bb_readback_info_get(readback, sizeof info, &info));
    CHECK(info.size == 61 && info.usage == READ_USAGE && info.valid == 1 && info.state == BB_BUFFER_READY);
    TEST_ASSERT_EQUAL_STRING("back", info.label);
    OK(bb_dynamic_info_get(dynamic, sizeof info, &info));
    CHECK(info.size == 64 && info.usage == BB_USAGE_UNIFORM && info.valid == 1 && info.generation == 1);
    TEST_ASSERT_EQUAL_STRING("frames", info.label);
    EXPECT(BB_E_VERSION, bb_readback_info_get(readback, 0, &info));
    EXPECT(BB_E_VERSION, bb_dynamic_info_get(dynamic, 3, &info));
    OK(bb_readback_destroy(readback));
    OK(bb_dynamic_destroy(dynamic));
}

/* --- the last error is that of the last call --- */

/* Leaves a message of an older refusal. */
static void refuse_something(void) {
    EXPECT(BB_E_NULL, bb_manager_config_init(NULL));
    CHECK(bb_last_error()[0] != '\0');
}
#define QUIET(wanted, ...)                                                                                             \
    do {                                                                                                               \
        refuse_something();                                                                                            \
        EXPECT(wanted, __VA_ARGS__);                                                                                   \
        TEST_ASSERT_EQUAL_STRING_MESSAGE("", bb_last_error(), #__VA_ARGS__);                                           \
    } while (0)

static void ordinary_outcomes_of_a_ring_leave_no_older_message(void) {
    ring r = make_ring(64);
    uint8_t bytes[64] = {0};
    uint64_t n = 0;
    bb_span free;
    bb_const_span full;
    QUIET(BB_E_EMPTY, bb_receiver_recv(r.rx, bytes, 8, &n));
    QUIET(BB_E_EMPTY, bb_receiver_peek(r.rx, 1, &full));
    QUIET(BB_E_EMPTY, bb_receiver_arm(r.rx, 1));
    QUIET(BB_E_TIMEOUT, bb_receiver_wait_readable(r.rx, 1, 0));
    OK(bb_sender_send(r.tx, bytes, 64, &n));
    QUIET(BB_E_FULL, bb_sender_send(r.tx, bytes, 8, &n));
    QUIET(BB_E_FULL, bb_sender_reserve(r.tx, 1, &free));
    QUIET(BB_E_TIMEOUT, bb_sender_send_all(r.tx, bytes, 8, 1, &n));
    OK(bb_sender_destroy(r.tx));
    OK(bb_receiver_recv(r.rx, bytes, 64, &n));
    QUIET(BB_E_CLOSED, bb_receiver_recv(r.rx, bytes, 8, &n));
    OK(bb_receiver_attach_sender(r.rx, &r.tx));
    bb_stream *stream = make_stream(&r, NULL);
    bb_chunk chunk;
    QUIET(BB_E_TIMEOUT, bb_stream_next(stream, 0, &chunk));
    OK(bb_sender_destroy(r.tx));
    QUIET(BB_E_CLOSED, bb_stream_next(stream, 0, &chunk));
    refuse_something(); /* a success keeps the message of the last failure */
    OK(bb_stream_close(stream));
    CHECK(bb_last_error()[0] != '\0');
    OK(bb_stream_destroy(stream));
}

/* --- names --- */

static void the_names_of_the_designs_are_types(void) {
    CBufferManager *manager = NULL;
    BufferRegistry *registry = NULL;
    OK(bb_manager_create(BB_F32, 1, SHAPE(4), NULL, &manager));
    OK(bb_manager_enqueue_update(manager, &(bb_update){.byte_offset = 4, .count = 1, .data = &(float){2}}, BB_FOREVER));
    OK(bb_manager_synchronize(manager, BB_FOREVER));
    OK(bb_registry_create(NULL, &registry));
    OK(bb_registry_destroy(registry));
    OK(bb_manager_destroy(manager));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(buffers_of_either_class_are_copied_written_and_read);
    RUN_TEST(copies_name_what_a_buffer_lacks);
    RUN_TEST(staging_buffers_report_their_states);
    RUN_TEST(rings_report_size_and_usage);
    RUN_TEST(ordinary_outcomes_of_a_ring_leave_no_older_message);
    RUN_TEST(the_names_of_the_designs_are_types);
    return UNITY_END();
}
