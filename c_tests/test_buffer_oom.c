/* Out-of-memory sweep over the functions of devices and buffers. */
#include "scarcity.h"

enum { SIZE = 256 };

static bb_device *device;
static bb_buffer *up, *down;
static bb_encoder *encoder;
static bb_device_buffer *mesh, *growing;
static bb_immediate_staging *immediate;
static bb_deferred_staging *deferred;
static bb_readback *readback;
static bb_dynamic *dynamic;
static bb_dynamic_slice slice;
static uint64_t fence;
static unsigned char bytes[SIZE];

static void log_nothing(uint32_t level, const char *part, const char *label, const char *line, void *user_data) {
    (void)level, (void)part, (void)label, (void)line, (void)user_data;
}
static void write_nothing(const char *piece, uint64_t length, void *user_data) {
    (void)piece, (void)length, (void)user_data;
}

static bb_buffer_desc of(uint32_t usage) {
    return (bb_buffer_desc){.struct_size = sizeof(bb_buffer_desc), .size = SIZE, .usage = usage, .label = "scarce"};
}

/* The outcome of a request, which can be repeated. */
static bb_status outcome_of(bb_status requested, bb_request *const *request) {
    bb_map_outcome outcome;
    if (requested != BB_OK) {
        return requested;
    }
    bb_status status = bb_request_wait(*request, BB_FOREVER, sizeof outcome, &outcome);
    const bb_status released = bb_request_release(*request);
    status = status == BB_OK ? outcome.status : status;
    return status == BB_OK ? released : status;
}

static bb_status set_log(void) { return bb_set_log(BB_LOG_DEBUG, log_nothing, NULL, NULL); }
static bb_status create_device(void) { return bb_device_create_host(0, "scarce", &device); }
static bb_status create_up(void) {
    const bb_buffer_desc desc = of(BB_USAGE_MAP_WRITE | BB_USAGE_COPY_SRC);
    return bb_buffer_create(device, &desc, &up);
}
static bb_status create_down(void) {
    const bb_buffer_desc desc = of(BB_USAGE_MAP_READ | BB_USAGE_COPY_DST);
    return bb_buffer_create(device, &desc, &down);
}
static bb_status map_up(void) {
    bb_request *request = NULL;
    return outcome_of(bb_buffer_map_async(up, BB_MAP_WRITE, 0, BB_WHOLE_SIZE, NULL, &request), &request);
}
static bb_status write_range(void) {
    bb_span span;
    const bb_status status = bb_buffer_mapped_range(up, 0, BB_WHOLE_SIZE, &span);
    if (status == BB_OK) {
        memset(span.data, 7, SIZE);
    }
    return status;
}
static bb_status unmap_up(void) { return bb_buffer_unmap(up); }
static bb_status create_encoder(void) { return bb_encoder_create(device, &encoder); }
static bb_status copy(void) { return bb_encoder_copy(encoder, up, 0, down, 0, SIZE); }
static bb_status submit_it(void) { return bb_encoder_submit(encoder, &fence); }
static bb_status wait_fence(void) { return bb_device_wait_fence(device, fence, BB_FOREVER); }
static bb_status map_down(void) {
    bb_request *request = NULL;
    return outcome_of(bb_buffer_map_async(down, BB_MAP_READ, 0, BB_WHOLE_SIZE, NULL, &request), &request);
}
static bb_status read_range(void) {
    bb_const_span span;
    const bb_status status = bb_buffer_const_mapped_range(down, 0, BB_WHOLE_SIZE, &span);
    need(status != BB_OK || ((const unsigned char *)span.data)[SIZE - 1] == 7, "read_range", "other bytes", status);
    return status;
}
static bb_status create_mesh(void) {
    const bb_buffer_desc desc = of(BB_USAGE_VERTEX | BB_USAGE_COPY_SRC);
    return bb_device_buffer_create(device, &desc, &mesh);
}
static bb_status create_growing(void) {
    const bb_buffer_desc desc = of(BB_USAGE_VERTEX | BB_USAGE_COPY_SRC);
    return bb_device_buffer_create_growable(device, &desc, &growing);
}
static bb_status grow(void) { return bb_device_buffer_reserve(growing, (uint64_t)4 * SIZE, &(uint32_t){0}); }
static bb_status write_mesh(void) { return bb_encoder_write(encoder, mesh, 3, bytes, SIZE - 3); }
static bb_status create_immediate(void) { return bb_immediate_staging_create(device, SIZE, "scarce", &immediate); }
static bb_status write_immediate(void) { return bb_immediate_staging_write(immediate, 0, bytes, SIZE); }
static bb_status upload_immediate(void) { return bb_immediate_staging_upload_to(immediate, encoder, growing, 5); }
static bb_status create_deferred(void) { return bb_deferred_staging_create(device, SIZE, "scarce", &deferred); }
static bb_status map_deferred(void) {
    bb_request *request = NULL;
    return outcome_of(bb_deferred_staging_map_async(deferred, NULL, &request), &request);
}
static bb_status upload_deferred(void) { return bb_deferred_staging_upload_to(deferred, encoder, mesh, 0); }
static bb_status create_readback(void) {
    bb_readback_config config;
    const bb_status status = bb_readback_config_init(&config);
    config.size = SIZE;
    config.when_full = BB_READBACK_WAIT;
    config.timeout_ns = BB_FOREVER;
    return status == BB_OK ? bb_readback_create(device, &config, &readback) : status;
}
static bb_status read_back(void) {
    bb_reading *reading = NULL;
    bb_const_span span;
    bb_status status = bb_readback_read(readback, mesh, 1, SIZE - 1, &reading);
    if (status == BB_OK) {
        status = bb_reading_wait(reading, BB_FOREVER);
        status = status == BB_OK ? bb_reading_bytes(reading, &span) : status;
        const bb_status released = bb_reading_release(reading);
        status = status == BB_OK ? released : status;
    }
    return status;
}
static bb_status read_recorded(void) {
    bb_reading *reading = NULL;
    bb_status status = bb_readback_read_in(readback, encoder, mesh, 0, SIZE, &reading);
    if (status == BB_OK) {
        status = bb_encoder_submit(encoder, &fence);
        status = status == BB_OK ? bb_reading_wait(reading, BB_FOREVER) : status;
        const bb_status released = bb_reading_release(reading);
        status = status == BB_OK ? released : status;
    }
    return status;
}
static bb_status create_dynamic(void) {
    bb_dynamic_config config;
    const bb_status status = bb_dynamic_config_init(&config);
    config.size = SIZE;
    config.policy = BB_RING_GROW;
    config.most = (uint64_t)64 * SIZE;
    return status == BB_OK ? bb_dynamic_create(device, &config, &dynamic) : status;
}
static bb_status update(void) { return bb_dynamic_update(dynamic, bytes, SIZE, &slice); }
static bb_status begin_update(void) { return bb_dynamic_begin_update(dynamic, SIZE, &slice); }
static bb_status end_update(void) { return bb_dynamic_end_update(dynamic, &slice); }
static bb_status small_update(void) { return bb_dynamic_update(dynamic, bytes, 1, &slice); }
static bb_status flush(void) { return bb_dynamic_flush(dynamic); }
static bb_status end_frame(void) { return bb_dynamic_end_frame(dynamic); }
static bb_status report(void) { return bb_device_leak_report(device, write_nothing, NULL); }
static bb_status dump(void) { return bb_debug_dump(write_nothing, NULL); }
static bb_status destroy_dynamic(void) { return bb_dynamic_destroy(dynamic); }
static bb_status destroy_readback(void) { return bb_readback_destroy(readback); }
static bb_status destroy_deferred(void) { return bb_deferred_staging_destroy(deferred); }
static bb_status destroy_immediate(void) { return bb_immediate_staging_destroy(immediate); }
static bb_status destroy_growing(void) { return bb_device_buffer_destroy(growing); }
static bb_status destroy_mesh(void) { return bb_device_buffer_destroy(mesh); }
static bb_status destroy_encoder(void) { return bb_encoder_destroy(encoder); }
static bb_status release_down(void) { return bb_buffer_release(down); }
static bb_status release_up(void) { return bb_buffer_release(up); }
static bb_status destroy_device(void) { return bb_device_destroy(device); }
static bb_status log_off(void) { return bb_set_log(BB_LOG_OFF, NULL, NULL, NULL); }

static const step steps[] = {
    STEP(set_log),
    STEP(create_device),
    STEP(create_up),
    STEP(create_down),
    STEP(map_up),
    STEP(write_range),
    STEP(unmap_up),
    STEP(create_encoder),
    STEP(copy),
    STEP(submit_it),
    STEP(wait_fence),
    STEP(map_down),
    STEP(read_range),
    STEP(create_mesh),
    STEP(create_growing),
    STEP(grow),
    STEP(write_mesh),
    STEP(submit_it),
    STEP(create_immediate),
    STEP(write_immediate),
    STEP(upload_immediate),
    STEP(submit_it),
    STEP(create_deferred),
    STEP(map_deferred),
    STEP(upload_deferred),
    STEP(submit_it),
    STEP(create_readback),
    STEP(read_back),
    STEP(read_recorded),
    STEP(create_dynamic),
    STEP(update),
    STEP(begin_update),
    STEP(end_update),
    STEP(update),
    STEP(update),
    STEP(update),
    STEP(small_update),
    STEP(flush),
    STEP(end_frame),
    STEP(update),
    STEP(end_frame),
    STEP(report),
    STEP(dump),
    STEP(destroy_dynamic),
    STEP(destroy_readback),
    STEP(destroy_deferred),
    STEP(destroy_immediate),
    STEP(destroy_growing),
    STEP(destroy_mesh),
    STEP(destroy_encoder),
    STEP(release_down),
    STEP(release_up),
    STEP(destroy_device),
    STEP(log_off),
};

static const script life = {steps, LENGTH(steps), NULL};

int main(void) { return lives_in_scarcity(&life); }
