/* Buffers through the C ABI: WebGPU's rules of mapping, and that refused calls change nothing. */
#include "buffers.h"

static bb_status created(uint64_t size, uint32_t usage, bool mapped) {
    const bb_buffer_desc desc = described(size, usage, mapped);
    bb_buffer *buffer = NULL;
    const bb_status status = bb_buffer_create(buffer_device(), &desc, &buffer);
    CHECK((status == BB_OK) == (buffer != NULL));
    OK(bb_buffer_release(buffer));
    return status;
}

static void usages_and_sizes(void) {
    for (uint32_t usage = 0; usage < 512; usage++) {
        const bool reads = (usage & BB_USAGE_MAP_READ) != 0, writes = (usage & BB_USAGE_MAP_WRITE) != 0;
        const bool right =
            usage != 0 && (!reads || (usage & ~READ_USAGE) == 0) && (!writes || (usage & ~WRITE_USAGE) == 0);
        EXPECT(right ? BB_OK : BB_E_ARGUMENT, created(16, usage, false));
    }
    EXPECT(BB_E_ARGUMENT, created(16, 512, false));
    MESSAGE_HAS("usage");
    EXPECT(BB_OK, created(0, BB_USAGE_VERTEX, false));
    EXPECT(BB_OK, created(0, BB_USAGE_VERTEX, true));
    EXPECT(BB_OK, created(13, BB_USAGE_VERTEX, false));
    EXPECT(BB_E_ALIGN, created(13, BB_USAGE_VERTEX, true));
    EXPECT(BB_E_LIMIT, created(UINT64_MAX, BB_USAGE_VERTEX, false));
    EXPECT(BB_E_LIMIT, created(UINT64_MAX - 3, BB_USAGE_VERTEX, true));
    MESSAGE_HAS("size");
}

/* Large enough that a driver may clear it lazily. */
static void a_new_buffer_is_zero(void) {
    static const unsigned char zeros[1 << 20];
    for (int round = 0; round < rounds(16); round++) {
        bb_buffer *buffer = make_buffer(sizeof zeros, round % 2 == 0 ? BB_USAGE_VERTEX : WRITE_USAGE, round % 4 < 2);
        if (round % 4 == 2) { /* never mapped */
            OK(bb_buffer_release(buffer));
            continue;
        }
        if (round % 4 == 3) {
            map_now(buffer, BB_MAP_WRITE);
        }
        bb_const_span span;
        OK(bb_buffer_const_mapped_range(buffer, 0, BB_WHOLE_SIZE, &span));
        TEST_ASSERT_EQUAL_UINT64(sizeof zeros, span.bytes);
        TEST_ASSERT_EQUAL_MEMORY(zeros, span.data, sizeof zeros);
        OK(bb_buffer_release(buffer));
    }
}

static void a_mapping_has_a_number_by_which_it_is_ended(void) {
    bb_buffer *buffer = make_buffer(64, WRITE_USAGE, false);
    bb_mapping mapping = {0};
    OK(bb_buffer_mapping_get(buffer, sizeof mapping, &mapping));
    CHECK(mapping.mode == 0 && mapping.data == NULL && mapping.bytes == 0);
    OK(bb_request_release(map(buffer, BB_MAP_WRITE, 0, BB_WHOLE_SIZE)));
    bb_request *request = NULL;
    EXPECT(BB_E_STATE, bb_buffer_map_async(buffer, BB_MAP_WRITE, 0, 64, NULL, &request));
    EVENTUALLY(state_of(buffer) == BB_BUFFER_MAPPED);
    bb_span span;
    OK(bb_buffer_mapped_range(buffer, 8, 16, &span));
    OK(bb_buffer_mapping_get(buffer, sizeof mapping, &mapping)); /* while a range is open */
    CHECK(mapping.mode == BB_MAP_WRITE && mapping.bytes == 64 && (char *)mapping.data + 8 == (char *)span.data);
    const uint64_t first = mapping.number;
    OK(bb_buffer_unmap(buffer));
    map_now(buffer, BB_MAP_WRITE);
    OK(bb_buffer_unmap_only(buffer, first));
    TEST_ASSERT_EQUAL_INT(BB_BUFFER_MAPPED, state_of(buffer));
    OK(bb_buffer_mapping_get(buffer, sizeof mapping, &mapping));
    OK(bb_buffer_unmap_only(buffer, mapping.number));
    TEST_ASSERT_EQUAL_INT(BB_BUFFER_READY, state_of(buffer));
    EXPECT(BB_E_NULL, bb_buffer_mapping_get(buffer, sizeof mapping, NULL));
    EXPECT(BB_E_VERSION, bb_buffer_mapping_get(buffer, 3, &mapping));
    OK(bb_buffer_release(buffer));
}

static void descs_are_versioned_and_labels_checked(void) {
    bb_buffer *buffer = NULL;
    bb_buffer_desc desc = described(16, BB_USAGE_VERTEX, false);
    EXPECT(BB_E_NULL, bb_buffer_create(buffer_device(), NULL, &buffer));
    MESSAGE_HAS("desc");
    EXPECT(BB_E_NULL, bb_buffer_create(buffer_device(), &desc, NULL));
    MESSAGE_HAS("buffer");
    desc.struct_size = 4;
    EXPECT(BB_E_VERSION, bb_buffer_create(buffer_device(), &desc, &buffer));
    desc = described(16, BB_USAGE_VERTEX, false);
    desc.mapped_at_creation = 2;
    EXPECT(BB_E_ARGUMENT, bb_buffer_create(buffer_device(), &desc, &buffer));
    MESSAGE_HAS("mapped_at_creation");
    desc.mapped_at_creation = 0;
    desc.label = "\xff";
    EXPECT(BB_E_ARGUMENT, bb_buffer_create(buffer_device(), &desc, &buffer));
    MESSAGE_HAS("label");
    TEST_ASSERT_NULL(buffer);
    char much[100000];
    memset(much, 'x', sizeof much - 1);
    much[sizeof much - 1] = '\0';
    desc.label = much;
    OK(bb_buffer_create(buffer_device(), &desc, &buffer));
    bb_buffer_info info;
    OK(bb_buffer_info_get(buffer, sizeof info, &info));
    TEST_ASSERT_EQUAL_size_t(63, strlen(info.label));
    OK(bb_buffer_release(buffer));
    desc.label = NULL;
    OK(bb_buffer_create(buffer_device(), &desc, &buffer));
    OK(bb_buffer_info_get(buffer, sizeof info, &info));
    CHECK(info.label[0] == '\0' && info.size == 16 && info.usage == BB_USAGE_VERTEX && info.valid == 1);
    CHECK(info.state == BB_BUFFER_READY && info.generation == 1 && info.struct_size == sizeof info);
    OK(bb_buffer_release(buffer));
}

static void map_ranges_at_their_edges(void) {
    static const struct {
        uint64_t offset, size;
        bb_status want;
    } rows[] = {{0, BB_WHOLE_SIZE, BB_OK},
                {0, 0, BB_OK},
                {40, 0, BB_OK},
                {8, 32, BB_OK},
                {0, 40, BB_OK},
                {40, BB_WHOLE_SIZE, BB_OK},
                {4, 4, BB_E_ALIGN},
                {8, 2, BB_E_ALIGN},
                {0, 44, BB_E_RANGE},
                {48, 0, BB_E_RANGE},
                {48, BB_WHOLE_SIZE, BB_E_RANGE},
                {8, 36, BB_E_RANGE},
                {UINT64_MAX - 7, 8, BB_E_RANGE},
                {8, UINT64_MAX - 3, BB_E_RANGE}};
    bb_buffer *buffer = make_buffer(40, WRITE_USAGE, false);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        bb_request *request = NULL;
        EXPECT(rows[i].want, bb_buffer_map_async(buffer, BB_MAP_WRITE, rows[i].offset, rows[i].size, NULL, &request));
        if (rows[i].want == BB_OK) {
            TEST_ASSERT_EQUAL_INT32(BB_OK, outcome_of(request).status);
            OK(bb_buffer_unmap(buffer));
        } else {
            TEST_ASSERT_NULL(request);
        }
        TEST_ASSERT_EQUAL_INT(BB_BUFFER_READY, state_of(buffer));
    }
    bb_request *request = NULL;
    for (uint32_t mode = 0; mode < 5; mode++) {
        if (mode != BB_MAP_WRITE) {
            EXPECT(BB_E_ARGUMENT, bb_buffer_map_async(buffer, mode, 0, 8, NULL, &request));
            MESSAGE_HAS("mode");
        }
    }
    OK(bb_buffer_release(buffer));
}

static void mapped_ranges(void) {
    bb_buffer *buffer = make_buffer(64, BB_USAGE_VERTEX, true);
    bb_span one, two;
    bb_const_span seen;
    OK(bb_buffer_mapped_range(buffer, 0, 16, &one));
    OK(bb_buffer_mapped_range(buffer, 16, BB_WHOLE_SIZE, &two));
    CHECK(one.bytes == 16 && two.bytes == 48 && (char *)one.data + 16 == (char *)two.data);
    for (uint64_t i = 0; i < 48; i++) {
        CHECK(((unsigned char *)two.data)[i] == 0);
    }
    EXPECT(BB_E_BUSY, bb_buffer_mapped_range(buffer, 8, 8, &two));
    EXPECT(BB_E_BUSY, bb_buffer_const_mapped_range(buffer, 0, 64, &seen));
    EXPECT(BB_E_ALIGN, bb_buffer_const_mapped_range(buffer, 4, 4, &seen));
    EXPECT(BB_E_RANGE, bb_buffer_const_mapped_range(buffer, 64, 8, &seen));
    EXPECT(BB_E_RANGE, bb_buffer_const_mapped_range(buffer, UINT64_MAX - 7, 16, &seen));
    OK(bb_buffer_unmap(buffer));
    OK(bb_buffer_unmap(buffer));
    EXPECT(BB_E_STATE, bb_buffer_mapped_range(buffer, 0, 8, &two));
    OK(bb_buffer_release(buffer));

    buffer = make_buffer(64, READ_USAGE, false);
    map_now(buffer, BB_MAP_READ);
    OK(bb_buffer_const_mapped_range(buffer, 0, 64, &seen));
    OK(bb_buffer_const_mapped_range(buffer, 8, 8, &seen));
    EXPECT(BB_E_ARGUMENT, bb_buffer_mapped_range(buffer, 0, 8, &two));
    OK(bb_buffer_release(buffer));
}

/* The next mapping has the same bytes free again, however this one ended. */
static void ranges_end_with_their_mapping(void) {
    bb_buffer *buffer = make_buffer(64, WRITE_USAGE, false);
    for (int round = 0; round < 3; round++) {
        bb_span span;
        bb_mapping mapping;
        map_now(buffer, BB_MAP_WRITE);
        OK(bb_buffer_mapped_range(buffer, 0, 64, &span));
        EXPECT(BB_E_BUSY, bb_buffer_mapped_range(buffer, 8, 8, &span));
        OK(bb_buffer_mapping_get(buffer, sizeof mapping, &mapping));
        OK(round % 2 == 0 ? bb_buffer_unmap(buffer) : bb_buffer_unmap_only(buffer, mapping.number));
        EXPECT(BB_E_STATE, bb_buffer_mapped_range(buffer, 0, 64, &span));
    }
    OK(bb_buffer_release(buffer));
}

static void a_refused_second_map_does_not_change_the_first(void) {
    bb_buffer *buffer = make_buffer(64, WRITE_USAGE, false);
    bb_request *first = map(buffer, BB_MAP_WRITE, 8, 16), *second = NULL;
    EXPECT(BB_E_STATE, bb_buffer_map_async(buffer, BB_MAP_WRITE, 0, 64, NULL, &second));
    TEST_ASSERT_NULL(second);
    bb_map_outcome outcome = outcome_of(first);
    CHECK(outcome.status == BB_OK && outcome.state == BB_BUFFER_MAPPED && outcome.text[0] == '\0');
    TEST_ASSERT_EQUAL_STRING("tested", outcome.label);
    EXPECT(BB_E_STATE, bb_buffer_map_async(buffer, BB_MAP_WRITE, 0, 64, NULL, &second));
    MESSAGE_HAS("tested");
    bb_span span;
    OK(bb_buffer_mapped_range(buffer, 8, BB_WHOLE_SIZE, &span));
    TEST_ASSERT_EQUAL_UINT64(16, span.bytes);
    OK(bb_buffer_release(buffer));
}

static void data_makes_a_round_trip(void) {
    unsigned char data[64];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (unsigned char)(3 * i + 1);
    }
    bb_buffer *from = make_buffer(64, WRITE_USAGE, false), *to = make_buffer(64, READ_USAGE, false);
    bb_encoder *encoder = make_encoder();
    bb_span span;
    bb_const_span seen;
    map_now(from, BB_MAP_WRITE);
    OK(bb_buffer_mapped_range(from, 0, BB_WHOLE_SIZE, &span));
    memcpy(span.data, data, sizeof data);
    OK(bb_encoder_copy(encoder, from, 0, to, 8, 56));
    EXPECT(BB_E_STATE, bb_encoder_submit(encoder, NULL));
    MESSAGE_HAS("tested");
    MESSAGE_HAS("mapped");
    OK(bb_buffer_unmap(from));
    submit(encoder); /* the refused submit kept the commands */
    map_now(to, BB_MAP_READ);
    OK(bb_buffer_const_mapped_range(to, 0, BB_WHOLE_SIZE, &seen));
    for (size_t i = 0; i < 64; i++) {
        TEST_ASSERT_EQUAL_HEX8(i < 8 ? 0 : data[i - 8], ((const unsigned char *)seen.data)[i]);
    }
    OK(bb_buffer_unmap(to));
    submit(encoder); /* an empty submit */
    static const struct {
        uint64_t from, to, bytes;
        bb_status want;
    } rows[] = {{0, 0, 64, BB_OK},
                {0, 0, 0, BB_OK},
                {64, 64, 0, BB_OK},
                {2, 0, 4, BB_E_ALIGN},
                {0, 2, 4, BB_E_ALIGN},
                {0, 0, 2, BB_E_ALIGN},
                {0, 4, 64, BB_E_RANGE},
                {4, 0, 64, BB_E_RANGE},
                {68, 0, 0, BB_E_RANGE},
                {0, 0, UINT64_MAX - 3, BB_E_RANGE},
                {UINT64_MAX - 3, 0, 4, BB_E_RANGE}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        EXPECT(rows[i].want, bb_encoder_copy(encoder, from, rows[i].from, to, rows[i].to, rows[i].bytes));
    }
    bb_buffer *other_from = make_buffer(64, WRITE_USAGE, false), *other_to = make_buffer(64, READ_USAGE, false);
    EXPECT(BB_E_ARGUMENT, bb_encoder_copy(encoder, to, 0, other_to, 0, 4)); /* its usage lacks COPY_SRC */
    MESSAGE_HAS("COPY_SRC");
    EXPECT(BB_E_ARGUMENT, bb_encoder_copy(encoder, from, 0, other_from, 0, 4)); /* its usage lacks COPY_DST */
    MESSAGE_HAS("COPY_DST");
    OK(bb_buffer_release(other_from));
    OK(bb_buffer_release(other_to));
    EXPECT(BB_E_ARGUMENT, bb_encoder_copy(encoder, from, 0, from, 8, 4));
    OK(bb_buffer_destroy(to));
    OK(bb_buffer_destroy(to));
    TEST_ASSERT_EQUAL_INT(BB_BUFFER_DESTROYED, state_of(to));
    EXPECT(BB_E_STATE, bb_encoder_submit(encoder, NULL));
    MESSAGE_HAS("destroyed");
    uint64_t native;
    EXPECT(BB_E_STATE, bb_buffer_native(to, &native));
    OK(bb_buffer_native(from, &native));
    CHECK(native != 0);
    OK(bb_encoder_destroy(encoder));
    OK(bb_buffer_release(from));
    OK(bb_buffer_release(to));
    EXPECT(BB_E_STALE, bb_buffer_release(to));
}

static void buffers_of_another_device_are_refused(void) {
    bb_device *other = NULL;
    bb_encoder *encoder = NULL;
    OK(bb_device_create_host(0, "other", &other));
    OK(bb_encoder_create(other, &encoder));
    bb_buffer *a = make_buffer(16, WRITE_USAGE, false), *b = make_buffer(16, READ_USAGE, false);
    EXPECT(BB_E_ARGUMENT, bb_encoder_copy(encoder, a, 0, b, 0, 16));
    MESSAGE_HAS("another device");
    EXPECT(BB_E_ARGUMENT, bb_device_wait_fence(other, 1, 0));
    MESSAGE_HAS("fence");
    OK(bb_encoder_destroy(encoder));
    OK(bb_buffer_release(a));
    OK(bb_buffer_release(b));
    OK(bb_device_destroy(other));
}

static void the_leak_report_names_state_and_usage(void) {
    static text report;
    report.length = 0;
    bb_buffer *buffer = make_buffer(24, WRITE_USAGE, true);
    OK(bb_device_leak_report(buffer_device(), text_write, &report));
    CHECK(strstr(report.bytes, "buffer 'tested': 24 bytes, COPY_SRC | MAP_WRITE, Mapped") != NULL);
    OK(bb_buffer_release(buffer));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(usages_and_sizes);
    RUN_TEST(a_new_buffer_is_zero);
    RUN_TEST(a_mapping_has_a_number_by_which_it_is_ended);
    RUN_TEST(descs_are_versioned_and_labels_checked);
    RUN_TEST(map_ranges_at_their_edges);
    RUN_TEST(mapped_ranges);
    RUN_TEST(ranges_end_with_their_mapping);
    RUN_TEST(a_refused_second_map_does_not_change_the_first);
    RUN_TEST(data_makes_a_round_trip);
    RUN_TEST(buffers_of_another_device_are_refused);
    RUN_TEST(the_leak_report_names_state_and_usage);
    return UNITY_END();
}
