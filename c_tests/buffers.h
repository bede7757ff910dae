/* Helpers for tests of buffers: the device under test, its buffers and their bytes. */
#ifndef BACKBUF_TEST_BUFFERS_H
#define BACKBUF_TEST_BUFFERS_H
#include "support.h"

/* A WebGPU device on the adapter named by BACKBUF_TEST_ADAPTER. Without such an adapter the program is skipped. */
static inline bb_device *wgpu_device(void) {
    bb_device *device = NULL;
    const bb_wgpu_config config = {
        .struct_size = sizeof config, .label = "tests", .adapter = getenv("BACKBUF_TEST_ADAPTER")};
    const bb_status status = bb_device_create_wgpu(0, &config, &device);
    if (status == BB_E_UNSUPPORTED) {
        printf("skipped: %s\n", bb_last_error());
        exit(skipped());
    }
    OK(status);
    return device;
}

static bb_device *own_device;
static void end_own_device(void) { end_device(own_device); }

/* The device named by BACKBUF_TEST_DEVICE, by default the host device. It lives as long as the program; a leak fails. */
static inline bb_device *buffer_device(void) {
    if (test_device() != NULL) {
        return test_device();
    }
    if (own_device == NULL) {
        if (is_wanted("wgpu")) {
            own_device = wgpu_device();
        } else {
            OK(bb_device_create_host(0, "tests", &own_device));
        }
        (void)atexit(end_own_device);
    }
    return own_device;
}

static inline bb_buffer_desc described(uint64_t size, uint32_t usage, bool mapped) {
    bb_buffer_desc desc;
    OK(bb_buffer_desc_init(&desc));
    desc.size = size;
    desc.usage = usage;
    desc.mapped_at_creation = mapped;
    desc.label = "tested";
    return desc;
}

static inline bb_buffer *make_buffer(uint64_t size, uint32_t usage, bool mapped) {
    const bb_buffer_desc desc = described(size, usage, mapped);
    bb_buffer *buffer = NULL;
    OK(bb_buffer_create(buffer_device(), &desc, &buffer));
    return buffer;
}

#define READ_USAGE (BB_USAGE_MAP_READ | BB_USAGE_COPY_DST)
#define WRITE_USAGE (BB_USAGE_MAP_WRITE | BB_USAGE_COPY_SRC)

static inline bb_buffer_state state_of(bb_buffer *buffer) {
    bb_buffer_info info;
    OK(bb_buffer_info_get(buffer, sizeof info, &info));
    return info.state;
}

static inline bb_request *map(bb_buffer *buffer, uint32_t mode, uint64_t offset, uint64_t size) {
    bb_request *request = NULL;
    OK(bb_buffer_map_async(buffer, mode, offset, size, NULL, &request));
    return request;
}

/* Waits for the outcome of a request, and releases it. */
static inline bb_map_outcome outcome_of(bb_request *request) {
    bb_map_outcome outcome;
    OK(bb_request_wait(request, BB_SEC(HANG_SECONDS), sizeof outcome, &outcome));
    OK(bb_request_release(request));
    return outcome;
}

static inline void map_now(bb_buffer *buffer, uint32_t mode) {
    TEST_ASSERT_EQUAL_INT32(BB_OK, outcome_of(map(buffer, mode, 0, BB_WHOLE_SIZE)).status);
}

static inline void submit(bb_encoder *encoder) {
    uint64_t fence = 0;
    OK(bb_encoder_submit(encoder, &fence));
    OK(bb_device_wait_fence(buffer_device(), fence, BB_SEC(HANG_SECONDS)));
}

static inline bb_encoder *make_encoder(void) {
    bb_encoder *encoder = NULL;
    OK(bb_encoder_create(buffer_device(), &encoder));
    return encoder;
}

static inline bb_device_buffer *make_target(uint64_t size) {
    const bb_buffer_desc desc = described(size, BB_USAGE_STORAGE | BB_USAGE_COPY_SRC, false);
    bb_device_buffer *target = NULL;
    OK(bb_device_buffer_create(buffer_device(), &desc, &target));
    return target;
}

/* Reads the bytes of a device buffer. */
static inline void read_target(bb_device_buffer *target, uint64_t bytes, void *to) {
    bb_readback_config config;
    bb_readback *readback = NULL;
    bb_reading *reading = NULL;
    bb_const_span span;
    OK(bb_readback_config_init(&config));
    config.size = bytes;
    OK(bb_readback_create(buffer_device(), &config, &readback));
    OK(bb_readback_read(readback, target, 0, bytes, &reading));
    OK(bb_reading_wait(reading, BB_SEC(HANG_SECONDS)));
    OK(bb_reading_bytes(reading, &span));
    TEST_ASSERT_EQUAL_UINT64(bytes, span.bytes);
    if (bytes > 0) {
        memcpy(to, span.data, bytes);
    }
    OK(bb_reading_release(reading));
    OK(bb_readback_destroy(readback));
}

#endif
