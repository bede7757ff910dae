/* A part of exports.h: the exports that take a handle of a device, or of what stands on one, and one object of each. */
#ifndef BACKBUF_TEST_BUFFER_EXPORTS_H
#define BACKBUF_TEST_BUFFER_EXPORTS_H
#include "support.h"

/* What the calls need besides their own handle. Made with the objects. */
static struct {
    bb_device *device;
    bb_encoder *encoder;
    bb_buffer *buffer;
    bb_device_buffer *target;
    bb_dynamic *dynamic;
    bb_dynamic_slice slice;
} beside;

static const bb_buffer_desc one_desc = {
    .struct_size = sizeof(bb_buffer_desc), .size = 64, .usage = BB_USAGE_COPY_SRC | BB_USAGE_MAP_WRITE, .label = "one"};
static const bb_buffer_desc two_desc = {
    .struct_size = sizeof(bb_buffer_desc), .size = 64, .usage = BB_USAGE_COPY_SRC | BB_USAGE_COPY_DST, .label = "two"};
static const bb_readback_config one_readback = {.struct_size = sizeof(bb_readback_config), .frames = 2, .size = 64};
static const bb_dynamic_config one_dynamic = {.struct_size = sizeof(bb_dynamic_config),
                                              .usage = BB_USAGE_UNIFORM | BB_USAGE_COPY_SRC,
                                              .size = 64,
                                              .frames = 2,
                                              .policy = BB_RING_FAIL};

static inline void read_nothing(void *user_data, bb_status status, const void *data, uint64_t bytes) {
    (void)user_data, (void)status, (void)data, (void)bytes;
}
static const bb_read_callback one_read = {.call = read_nothing};

#define ON_HANDLE(name, ...)                                                                                           \
    static inline bb_status call_##name(void *h) { return __VA_ARGS__; }
/* A call that makes something, which is ended again. */
#define MAKES(name, type, end, ...)                                                                                    \
    static inline bb_status call_##name(void *h) {                                                                     \
        type *made = NULL;                                                                                             \
        const bb_status status = __VA_ARGS__;                                                                          \
        if (status == BB_OK) {                                                                                         \
            OK(end(made));                                                                                             \
        }                                                                                                              \
        return status;                                                                                                 \
    }

ON_HANDLE(bb_device_wait_fence, bb_device_wait_fence(h, 0, 0))
MAKES(bb_buffer_create, bb_buffer, bb_buffer_release, bb_buffer_create(h, &one_desc, &made))
MAKES(bb_device_buffer_create, bb_device_buffer, bb_device_buffer_destroy, bb_device_buffer_create(h, &two_desc, &made))
MAKES(bb_device_buffer_create_growable, bb_device_buffer, bb_device_buffer_destroy,
      bb_device_buffer_create_growable(h, &two_desc, &made))
MAKES(bb_encoder_create, bb_encoder, bb_encoder_destroy, bb_encoder_create(h, &made))
MAKES(bb_immediate_staging_create, bb_immediate_staging, bb_immediate_staging_destroy,
      bb_immediate_staging_create(h, 9, NULL, &made))
MAKES(bb_deferred_staging_create, bb_deferred_staging, bb_deferred_staging_destroy,
      bb_deferred_staging_create(h, 9, NULL, &made))
MAKES(bb_readback_create, bb_readback, bb_readback_destroy, bb_readback_create(h, &one_readback, &made))
MAKES(bb_dynamic_create, bb_dynamic, bb_dynamic_destroy, bb_dynamic_create(h, &one_dynamic, &made))

MAKES(bb_buffer_map_async, bb_request, bb_request_release,
      bb_buffer_map_async(h, BB_MAP_WRITE, 0, BB_WHOLE_SIZE, NULL, &made))
ON_HANDLE(bb_buffer_mapped_range, bb_buffer_mapped_range(h, 0, 8, &(bb_span){0}))
ON_HANDLE(bb_buffer_const_mapped_range, bb_buffer_const_mapped_range(h, 0, 8, &(bb_const_span){0}))
ON_HANDLE(bb_buffer_unmap, bb_buffer_unmap(h))
ON_HANDLE(bb_buffer_destroy, bb_buffer_destroy(h))
ON_HANDLE(bb_buffer_mapping_get, bb_buffer_mapping_get(h, sizeof(bb_mapping), &(bb_mapping){0}))
ON_HANDLE(bb_buffer_unmap_only, bb_buffer_unmap_only(h, 0))
ON_HANDLE(bb_buffer_info_get, bb_buffer_info_get(h, sizeof(bb_buffer_info), &(bb_buffer_info){0}))
ON_HANDLE(bb_buffer_native, bb_buffer_native(h, &(uint64_t){0}))
ON_HANDLE(bb_buffer_release, bb_buffer_release(h))

ON_HANDLE(bb_request_poll, bb_request_poll(h, sizeof(bb_map_outcome), &(bb_map_outcome){0}))
ON_HANDLE(bb_request_wait, bb_request_wait(h, BB_MS(1), sizeof(bb_map_outcome), &(bb_map_outcome){0}))
ON_HANDLE(bb_request_wait_any, bb_request_wait_any(&(bb_request *){h}, 1, BB_MS(1), &(uint64_t){0}))
ON_HANDLE(bb_request_cancel, bb_request_cancel(h, &(uint32_t){0}))
ON_HANDLE(bb_request_release, bb_request_release(h))

ON_HANDLE(bb_encoder_copy, bb_encoder_copy(h, beside.buffer, 0, beside.buffer, 0, 4))
ON_HANDLE(bb_encoder_copy_bytes, bb_encoder_copy_bytes(h, beside.target, 0, beside.target, 0, 3))
ON_HANDLE(bb_encoder_write, bb_encoder_write(h, beside.target, 0, "abc", 3))
ON_HANDLE(bb_encoder_copy_update, bb_encoder_copy_update(h, beside.dynamic, &beside.slice, beside.target, 0))
ON_HANDLE(bb_encoder_submit, bb_encoder_submit(h, NULL))
ON_HANDLE(bb_encoder_destroy, bb_encoder_destroy(h))

ON_HANDLE(bb_device_buffer_reserve, bb_device_buffer_reserve(h, 64, &(uint32_t){0}))
ON_HANDLE(bb_device_buffer_info_get, bb_device_buffer_info_get(h, sizeof(bb_buffer_info), &(bb_buffer_info){0}))
ON_HANDLE(bb_device_buffer_native, bb_device_buffer_native(h, &(uint64_t){0}))
ON_HANDLE(bb_device_buffer_destroy, bb_device_buffer_destroy(h))

ON_HANDLE(bb_immediate_staging_write, bb_immediate_staging_write(h, 0, "abc", 3))
ON_HANDLE(bb_immediate_staging_info_get, bb_immediate_staging_info_get(h, sizeof(bb_buffer_info), &(bb_buffer_info){0}))
ON_HANDLE(bb_immediate_staging_bytes, bb_immediate_staging_bytes(h, &(bb_span){0}))
ON_HANDLE(bb_immediate_staging_upload_to, bb_immediate_staging_upload_to(h, beside.encoder, beside.target, 0))
ON_HANDLE(bb_immediate_staging_destroy, bb_immediate_staging_destroy(h))
MAKES(bb_deferred_staging_map_async, bb_request, bb_request_release, bb_deferred_staging_map_async(h, NULL, &made))
ON_HANDLE(bb_deferred_staging_write, bb_deferred_staging_write(h, 0, "abc", 3))
ON_HANDLE(bb_deferred_staging_unmap, bb_deferred_staging_unmap(h))
ON_HANDLE(bb_deferred_staging_info_get, bb_deferred_staging_info_get(h, sizeof(bb_buffer_info), &(bb_buffer_info){0}))
ON_HANDLE(bb_deferred_staging_bytes, bb_deferred_staging_bytes(h, &(bb_span){0}))
ON_HANDLE(bb_deferred_staging_upload_to, bb_deferred_staging_upload_to(h, beside.encoder, beside.target, 0))
ON_HANDLE(bb_deferred_staging_destroy, bb_deferred_staging_destroy(h))

MAKES(bb_readback_read, bb_reading, bb_reading_release, bb_readback_read(h, beside.target, 1, 5, &made))
MAKES(bb_readback_read_in, bb_reading, bb_reading_release,
      bb_readback_read_in(h, beside.encoder, beside.target, 1, 5, &made))
ON_HANDLE(bb_reading_then, bb_reading_then(h, &one_read))
ON_HANDLE(bb_readback_info_get, bb_readback_info_get(h, sizeof(bb_buffer_info), &(bb_buffer_info){0}))
ON_HANDLE(bb_readback_stats_get, bb_readback_stats_get(h, sizeof(bb_readback_stats), &(bb_readback_stats){0}))
ON_HANDLE(bb_readback_destroy, bb_readback_destroy(h))
ON_HANDLE(bb_reading_poll, bb_reading_poll(h))
ON_HANDLE(bb_reading_wait, bb_reading_wait(h, BB_MS(1)))
ON_HANDLE(bb_reading_bytes, bb_reading_bytes(h, &(bb_const_span){0}))
ON_HANDLE(bb_reading_release, bb_reading_release(h))

static inline bb_status call_bb_dynamic_begin_update(void *h) {
    bb_dynamic_slice slice;
    const bb_status status = bb_dynamic_begin_update(h, 8, &slice);
    if (status == BB_OK) {
        (void)bb_dynamic_end_update(h, &slice);
    }
    return status;
}
ON_HANDLE(bb_dynamic_end_update, bb_dynamic_end_update(h, &beside.slice))
ON_HANDLE(bb_dynamic_update, bb_dynamic_update(h, "abc", 3, &(bb_dynamic_slice){0}))
ON_HANDLE(bb_dynamic_flush, bb_dynamic_flush(h))
ON_HANDLE(bb_dynamic_end_frame, bb_dynamic_end_frame(h))
ON_HANDLE(bb_dynamic_info_get, bb_dynamic_info_get(h, sizeof(bb_buffer_info), &(bb_buffer_info){0}))
ON_HANDLE(bb_dynamic_stats_get, bb_dynamic_stats_get(h, sizeof(bb_dynamic_stats), &(bb_dynamic_stats){0}))
ON_HANDLE(bb_dynamic_destroy, bb_dynamic_destroy(h))

#define BUFFER_KINDS BUFFER, REQUEST, ENCODER, DEVICE_BUFFER, IMMEDIATE, DEFERRED, READBACK, READING, DYNAMIC

#define BUFFER_CASES                                                                                                   \
    CASE(bb_device_wait_fence, DEVICE), CASE(bb_buffer_create, DEVICE), CASE(bb_device_buffer_create, DEVICE),         \
        CASE(bb_device_buffer_create_growable, DEVICE), CASE(bb_encoder_create, DEVICE),                               \
        CASE(bb_immediate_staging_create, DEVICE), CASE(bb_deferred_staging_create, DEVICE),                           \
        CASE(bb_readback_create, DEVICE), CASE(bb_dynamic_create, DEVICE), CASE(bb_buffer_map_async, BUFFER),          \
        CASE(bb_buffer_mapped_range, BUFFER), CASE(bb_buffer_const_mapped_range, BUFFER),                              \
        CASE(bb_buffer_unmap, BUFFER), CASE(bb_buffer_mapping_get, BUFFER), CASE(bb_buffer_unmap_only, BUFFER),        \
        CASE(bb_buffer_info_get, BUFFER), CASE(bb_buffer_native, BUFFER), END(bb_buffer_destroy, BUFFER),              \
        END(bb_buffer_release, BUFFER), CASE(bb_request_poll, REQUEST), CASE(bb_request_wait, REQUEST),                \
        CASE(bb_request_wait_any, REQUEST), CASE(bb_request_cancel, REQUEST), END(bb_request_release, REQUEST),        \
        CASE(bb_encoder_copy, ENCODER), CASE(bb_encoder_copy_bytes, ENCODER), CASE(bb_encoder_write, ENCODER),         \
        CASE(bb_encoder_copy_update, ENCODER), CASE(bb_encoder_submit, ENCODER), END(bb_encoder_destroy, ENCODER),     \
        CASE(bb_device_buffer_reserve, DEVICE_BUFFER), CASE(bb_device_buffer_info_get, DEVICE_BUFFER),                 \
        CASE(bb_device_buffer_native, DEVICE_BUFFER), END(bb_device_buffer_destroy, DEVICE_BUFFER),                    \
        CASE(bb_immediate_staging_write, IMMEDIATE), CASE(bb_immediate_staging_bytes, IMMEDIATE),                      \
        CASE(bb_immediate_staging_upload_to, IMMEDIATE), END(bb_immediate_staging_destroy, IMMEDIATE),                 \
        CASE(bb_deferred_staging_map_async, DEFERRED), CASE(bb_deferred_staging_write, DEFERRED),                      \
        CASE(bb_deferred_staging_bytes, DEFERRED), CASE(bb_deferred_staging_upload_to, DEFERRED),                      \
        END(bb_deferred_staging_destroy, DEFERRED), CASE(bb_readback_read, READBACK),                                  \
        CASE(bb_readback_read_in, READBACK), CASE(bb_reading_then, READING), CASE(bb_readback_stats_get, READBACK),    \
        END(bb_readback_destroy, READBACK), CASE(bb_reading_poll, READING), CASE(bb_reading_wait, READING),            \
        CASE(bb_reading_bytes, READING), END(bb_reading_release, READING), CASE(bb_dynamic_begin_update, DYNAMIC),     \
        CASE(bb_dynamic_end_update, DYNAMIC), CASE(bb_dynamic_update, DYNAMIC), CASE(bb_dynamic_flush, DYNAMIC),       \
        CASE(bb_immediate_staging_info_get, IMMEDIATE), CASE(bb_deferred_staging_info_get, DEFERRED),                  \
        CASE(bb_deferred_staging_unmap, DEFERRED), CASE(bb_readback_info_get, READBACK),                               \
        CASE(bb_dynamic_info_get, DYNAMIC), CASE(bb_dynamic_end_frame, DYNAMIC), CASE(bb_dynamic_stats_get, DYNAMIC),  \
        END(bb_dynamic_destroy, DYNAMIC)

#endif
