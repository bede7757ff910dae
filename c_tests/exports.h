/* Every export that takes a handle, each as a call whose other arguments are right for a manager of 8 u32 or a ring.
 * A call that succeeds puts back what it took, so it can be repeated. */
#ifndef BACKBUF_TEST_EXPORTS_H
#define BACKBUF_TEST_EXPORTS_H
#include "buffer_exports.h"
#include "support.h"

static const uint32_t one_u32 = 1;
static const bb_update one_update = {.byte_offset = 0, .count = 1, .data = &one_u32};
static const bb_region one_region = {.start = SHAPE(0), .extent = SHAPE(1), .data = &one_u32};

static inline void kernel_nothing(void *back, const void *front, uint64_t count, void *user_data) {
    (void)back, (void)front, (void)count, (void)user_data;
}
static const bb_kernel one_kernel = {.function = kernel_nothing, .count = 1};

static inline void release_nothing(void *user_data) { (void)user_data; }

static inline void write_nothing(const char *bytes, uint64_t length, void *user_data) {
    (void)bytes, (void)length, (void)user_data;
}

#define EXPORT(name, ...)                                                                                              \
    static inline bb_status call_##name(void *h) { return __VA_ARGS__; }

EXPORT(bb_handle_check, bb_handle_check(h))
EXPORT(bb_manager_enqueue_update, bb_manager_enqueue_update(h, &one_update, 0))
EXPORT(bb_manager_enqueue_updates, bb_manager_enqueue_updates(h, &one_update, 1, 0))
EXPORT(bb_manager_enqueue_fill, bb_manager_enqueue_fill(h, 0, 0, 1, &one_u32, 0))
EXPORT(bb_manager_enqueue_region, bb_manager_enqueue_region(h, &one_region, 0))
EXPORT(bb_manager_enqueue_borrowed, bb_manager_enqueue_borrowed(h, &one_update, release_nothing, NULL, 0))
EXPORT(bb_manager_enqueue_kernel, bb_manager_enqueue_kernel(h, &one_kernel, 0))
EXPORT(bb_manager_enqueue_tag, bb_manager_enqueue_tag(h, 1, 0))
EXPORT(bb_manager_mark_written,
       bb_manager_mark_written(h, &(bb_back){.token = UINT64_MAX}, 0, &(bb_byte_range){0, 0}, 1))
EXPORT(bb_manager_commit_back, bb_manager_commit_back(h, &(bb_back){.token = UINT64_MAX}, 0))
EXPORT(bb_manager_cancel_back, bb_manager_cancel_back(h, &(bb_back){.token = UINT64_MAX}))
EXPORT(bb_manager_lease_back, bb_manager_lease_back(h, &(bb_back){.token = UINT64_MAX}, &(bb_lease *){NULL}))
EXPORT(bb_manager_replace_back, bb_manager_replace_back(h, &(bb_back){.token = UINT64_MAX}, &(bb_back){0}))
EXPORT(bb_manager_synchronize, bb_manager_synchronize(h, BB_MS(1)))
EXPORT(bb_manager_synchronize_async, bb_manager_synchronize_async(h, &(uint64_t){0}))
EXPORT(bb_manager_wait, bb_manager_wait(h, 0, BB_MS(1), NULL))
EXPORT(bb_manager_poll_ticket, bb_manager_poll_ticket(h, 0, &(bb_ticket_poll){0}, NULL))
EXPORT(bb_manager_wait_epoch, bb_manager_wait_epoch(h, UINT64_MAX, BB_MS(1), &(uint64_t){0}))
EXPORT(bb_manager_trim, bb_manager_trim(h, BB_MS(1)))
EXPORT(bb_manager_read, bb_manager_read(h, 0, 0, &(uint32_t){0}, 4, NULL, NULL))
EXPORT(bb_manager_epoch, bb_manager_epoch(h, &(uint64_t){0}))
EXPORT(bb_manager_info_get, bb_manager_info_get(h, sizeof(bb_manager_info), &(bb_manager_info){0}))
EXPORT(bb_manager_field, bb_manager_field(h, "state", sizeof(bb_field_info), &(bb_field_info){0}))
EXPORT(bb_manager_field_at, bb_manager_field_at(h, 0, sizeof(bb_field_info), &(bb_field_info){0}))
EXPORT(bb_manager_back_field,
       bb_manager_back_field(h, &(bb_back){.token = UINT64_MAX}, "state", &(bb_back_field_view){0}))
EXPORT(bb_manager_stats_get, bb_manager_stats_get(h, sizeof(bb_manager_stats), &(bb_manager_stats){0}))
EXPORT(bb_manager_stats_write, bb_manager_stats_write(h, write_nothing, NULL))
EXPORT(bb_manager_close, bb_manager_close(h, BB_MS(1)))
EXPORT(bb_manager_destroy, bb_manager_destroy(h))
EXPORT(bb_manager_destroy_within, bb_manager_destroy_within(h, BB_FOREVER))
EXPORT(bb_front_changes, bb_front_changes(&(bb_front){.lease = h}, 0, BB_ALL_FIELDS, &(bb_byte_range){0}, 1,
                                          &(uint64_t){0}, &(bool){false}))
EXPORT(bb_lease_release, bb_lease_release(h))
EXPORT(bb_batch_update, bb_batch_update(h, &one_update))
EXPORT(bb_batch_fill, bb_batch_fill(h, 0, 0, 1, &one_u32))
EXPORT(bb_batch_region, bb_batch_region(h, &one_region))
EXPORT(bb_batch_kernel, bb_batch_kernel(h, &one_kernel))
EXPORT(bb_batch_tag, bb_batch_tag(h, 1))
EXPORT(bb_batch_commit, bb_batch_commit(h, 0))
EXPORT(bb_batch_cancel, bb_batch_cancel(h))
EXPORT(bb_task_end, bb_task_end(h))
EXPORT(bb_watch_fd, bb_watch_fd(h, &(int32_t){0}))
EXPORT(bb_watch_ticket, bb_watch_ticket(h, 0))
EXPORT(bb_watch_wait, bb_watch_wait(h, BB_MS(1), &(uint64_t){0}))
EXPORT(bb_watch_destroy, bb_watch_destroy(h))
EXPORT(bb_feed_status, bb_feed_status(h, sizeof(bb_feed_info), &(bb_feed_info){0}))
EXPORT(bb_feed_destroy, bb_feed_destroy(h))
EXPORT(bb_sender_send, bb_sender_send(h, &one_u32, 4, &(uint64_t){0}))
EXPORT(bb_sender_send_all, bb_sender_send_all(h, &one_u32, 4, BB_MS(1), &(uint64_t){0}))
EXPORT(bb_sender_send_whole, bb_sender_send_whole(h, &one_u32, 4, BB_MS(1), &(uint64_t){0}))
EXPORT(bb_sender_feed, bb_sender_feed(h, &one_u32, 4, &(uint64_t){0}))
EXPORT(bb_sender_flush, bb_sender_flush(h))
EXPORT(bb_sender_commit, bb_sender_commit(h, 0))
EXPORT(bb_sender_wait_writable, bb_sender_wait_writable(h, 1, BB_MS(1)))
EXPORT(bb_sender_fd, bb_sender_fd(h, &(int32_t){0}))
EXPORT(bb_sender_arm, bb_sender_arm(h, 1))
EXPORT(bb_sender_close, bb_sender_close(h))
EXPORT(bb_sender_attach_receiver, bb_sender_attach_receiver(h, &(bb_receiver *){NULL}))
EXPORT(bb_sender_stats_get, bb_sender_stats_get(h, sizeof(bb_end_stats), &(bb_end_stats){0}))
EXPORT(bb_sender_destroy, bb_sender_destroy(h))
EXPORT(bb_receiver_recv, bb_receiver_recv(h, &(uint32_t){0}, 4, &(uint64_t){0}))
EXPORT(bb_receiver_recv_all, bb_receiver_recv_all(h, &(uint32_t){0}, 4, BB_MS(1), &(uint64_t){0}))
EXPORT(bb_receiver_consume, bb_receiver_consume(h, 0))
EXPORT(bb_receiver_wait_readable, bb_receiver_wait_readable(h, 1, BB_MS(1)))
EXPORT(bb_receiver_fd, bb_receiver_fd(h, &(int32_t){0}))
EXPORT(bb_receiver_arm, bb_receiver_arm(h, 1))
EXPORT(bb_receiver_close, bb_receiver_close(h))
EXPORT(bb_receiver_attach_sender, bb_receiver_attach_sender(h, &(bb_sender *){NULL}))
EXPORT(bb_receiver_stats_get, bb_receiver_stats_get(h, sizeof(bb_end_stats), &(bb_end_stats){0}))
EXPORT(bb_receiver_destroy, bb_receiver_destroy(h))
EXPORT(bb_stream_fd, bb_stream_fd(h, &(int32_t){0}))
EXPORT(bb_stream_arm, bb_stream_arm(h))
EXPORT(bb_stream_close, bb_stream_close(h))
EXPORT(bb_stream_attach_sender, bb_stream_attach_sender(h, &(bb_sender *){NULL}))
EXPORT(bb_stream_stats_get, bb_stream_stats_get(h, sizeof(bb_stream_stats), &(bb_stream_stats){0}))
EXPORT(bb_stream_destroy, bb_stream_destroy(h))

static const bb_registry_buffer one_buffer = {
    .struct_size = sizeof one_buffer, .location = BB_LOCATION_SHARED, .name = "one", .size = 8, .precision = BB_F32};
static const bb_limits no_limits = {.struct_size = sizeof no_limits, .threads_per_block = 1};
static const bb_launch one_thread = {.struct_size = sizeof one_thread, .threads = 1};
static const char no_layout[] = "{}";

EXPORT(bb_registry_register, bb_registry_register(h, 0, &one_buffer))
EXPORT(bb_registry_replace, bb_registry_replace(h, 1, &one_buffer))
EXPORT(bb_registry_update_buffer, bb_registry_update_buffer(h, 1, BB_FIELD_SIZE, &one_buffer, NULL, NULL))
EXPORT(bb_registry_register_child, bb_registry_register_child(h, 1, "one", 1, NULL))
EXPORT(bb_registry_set_options, bb_registry_set_options(h, 1, NULL))
EXPORT(bb_registry_load_json, bb_registry_load_json(h, 2, no_layout, 2))
EXPORT(bb_registry_clear_layout, bb_registry_clear_layout(h, 1))
MAKES(bb_manager_create_from_group, bb_manager, bb_manager_destroy,
      bb_manager_create_from_group(h, 1, BB_SPACE_SHARED, NULL, &made))
EXPORT(bb_registry_clear_parent, bb_registry_clear_parent(h, 0))
EXPORT(bb_registry_shared_buffer_size, bb_registry_shared_buffer_size(h, 1, &(uint64_t){0}))
EXPORT(bb_registry_persistent_local_buffer_size, bb_registry_persistent_local_buffer_size(h, 1, &(uint64_t){0}))
EXPORT(bb_registry_local_buffer_size, bb_registry_local_buffer_size(h, 1, &(uint64_t){0}))
EXPORT(bb_registry_get_allocator, bb_registry_get_allocator(h, 1, "one", sizeof(bb_allocator), &(bb_allocator){0}))
EXPORT(bb_registry_layout_info, bb_registry_layout_info(h, 1, sizeof(bb_layout_info), &(bb_layout_info){0}))
EXPORT(bb_registry_version, bb_registry_version(h, 1, &(uint64_t){0}))
EXPORT(bb_registry_layout_hash, bb_registry_layout_hash(h, 1, &(uint64_t){0}))
EXPORT(bb_registry_buffer_name, bb_registry_buffer_name(h, 1, 0, NULL, 0, &(uint64_t){0}))
EXPORT(bb_registry_json, bb_registry_json(h, 1, NULL, 0, &(uint64_t){0}))
EXPORT(bb_registry_overlaps, bb_registry_overlaps(h, 1, NULL, 0, &(uint64_t){0}))
EXPORT(bb_registry_check, bb_registry_check(h, 1, &no_limits, &one_thread, sizeof(bb_fit), &(bb_fit){0}))
EXPORT(bb_registry_shared_bytes, bb_registry_shared_bytes(h, 1, 32, &(uint64_t){0}))
EXPORT(bb_registry_shared_stride_bytes, bb_registry_shared_stride_bytes(h, 1, &(uint64_t){0}))
EXPORT(bb_registry_fits, bb_registry_fits(h, 1, 90, 32, &(bool){false}))
EXPORT(bb_registry_needs_opt_in, bb_registry_needs_opt_in(h, 1, 32, &(bool){false}))
EXPORT(bb_registry_banks, bb_registry_banks(h, 1, NULL, 0, &(uint64_t){0}))
EXPORT(bb_registry_plan, bb_registry_plan(h, 1, NULL, sizeof(bb_registry_plans), &(bb_registry_plans){0}))
EXPORT(bb_registry_emit_cuda_header, bb_registry_emit_cuda_header(h, 1, "one", NULL, 0, &(uint64_t){0}))
EXPORT(bb_registry_table, bb_registry_table(h, 1, NULL, 0, &(uint64_t){0}))
EXPORT(bb_registry_svg, bb_registry_svg(h, 1, NULL, 0, &(uint64_t){0}))
EXPORT(bb_registry_destroy, bb_registry_destroy(h))
EXPORT(bb_device_poll, bb_device_poll(h, 0))
EXPORT(bb_device_info_get, bb_device_info_get(h, sizeof(bb_device_info), &(bb_device_info){0}))
EXPORT(bb_device_stats_get, bb_device_stats_get(h, sizeof(bb_device_stats), &(bb_device_stats){0}))
EXPORT(bb_device_leak_report, bb_device_leak_report(h, write_nothing, NULL))
EXPORT(bb_device_destroy, bb_device_destroy(h))
EXPORT(bb_manager_create_gl, bb_manager_create_gl(h, BB_U32, 1, SHAPE(8), NULL, &(bb_manager *){NULL}))
EXPORT(bb_manager_acquire_front_device, bb_manager_acquire_front_device(h, &(bb_device_front){0}))
EXPORT(bb_manager_acquire_front_gl, bb_manager_acquire_front_gl(h, &(bb_gl_front){0}))
EXPORT(bb_lease_release_gl, bb_lease_release_gl(h))

static inline bb_status call_bb_manager_reserve_back(void *h) {
    bb_back back;
    const bb_status status = bb_manager_reserve_back(h, BB_BACK_KEEP, 0, &back);
    if (status == BB_OK) {
        (void)bb_manager_cancel_back(h, &back);
    }
    return status;
}

static inline bb_status call_bb_manager_acquire_front(void *h) {
    bb_front front;
    const bb_status status = bb_manager_acquire_front(h, &front);
    return status == BB_OK ? bb_lease_release(front.lease) : status;
}

static inline bb_status call_bb_batch_begin(void *h) {
    bb_batch *batch = NULL;
    const bb_status status = bb_batch_begin(h, &batch);
    if (status == BB_OK) {
        (void)bb_batch_cancel(batch);
    }
    return status;
}

static inline bb_status call_bb_task_begin(void *h) {
    bb_task *task = NULL;
    const bb_status status = bb_task_begin(h, "task", &task);
    if (status == BB_OK) {
        (void)bb_task_end(task);
    }
    return status;
}

static inline bb_status call_bb_watch_create(void *h) {
    bb_watch *watch = NULL;
    const bb_status status = bb_watch_create(h, 0, &watch);
    if (status == BB_OK) {
        (void)bb_watch_destroy(watch);
    }
    return status;
}

static inline bb_status call_bb_manager_feed(void *h) {
    bb_sender *tx = NULL;
    bb_receiver *rx = NULL;
    bb_feed *feed = NULL;
    OK(bb_spsc_create(64, NULL, &tx, &rx));
    const bb_status status = bb_manager_feed(h, rx, &feed);
    if (status == BB_OK) {
        (void)bb_feed_destroy(feed);
    }
    (void)bb_receiver_destroy(rx);
    (void)bb_sender_destroy(tx);
    return status;
}

static inline bb_status call_bb_sender_open_writer(void *h) {
    bb_writer writer;
    const bb_status status = bb_sender_open_writer(h, 0, sizeof writer, &writer);
    return status == BB_OK ? bb_writer_close(&writer) : status;
}
static inline bb_status call_bb_receiver_open_reader(void *h) {
    bb_reader reader;
    const bb_status status = bb_receiver_open_reader(h, 0, sizeof reader, &reader);
    return status == BB_OK ? bb_reader_close(&reader) : status;
}
static inline bb_status call_bb_sender_reserve(void *h) {
    bb_span span;
    const bb_status status = bb_sender_reserve(h, 1, &span);
    return status == BB_OK ? bb_sender_commit(h, 0) : status;
}

static inline bb_status call_bb_receiver_peek(void *h) {
    bb_const_span span;
    const bb_status status = bb_receiver_peek(h, 1, &span);
    return status == BB_OK ? bb_receiver_consume(h, 0) : status;
}

/* The one that ends its handle: the stream is the receiver from there on. */
static inline bb_status call_bb_spsc_into_stream(void *h) {
    bb_stream *stream = NULL;
    const bb_status status = bb_spsc_into_stream(h, NULL, &stream);
    return status == BB_OK ? bb_stream_destroy(stream) : status;
}

static inline bb_status call_bb_stream_next(void *h) {
    bb_chunk chunk;
    const bb_status status = bb_stream_next(h, BB_MS(1), &chunk);
    return status == BB_OK ? bb_lease_release(chunk.lease) : status;
}

static inline bb_status call_bb_stream_chunks(void *h) {
    bb_chunk chunk;
    uint64_t got = 0;
    const bb_status status = bb_stream_chunks(h, 1, BB_MS(1), &chunk, &got);
    return status == BB_OK ? bb_lease_release(chunk.lease) : status;
}

static inline bb_status call_bb_stream_ready_chunks(void *h) {
    bb_chunk chunk;
    uint64_t got = 0;
    const bb_status status = bb_stream_ready_chunks(h, 1, BB_MS(1), &chunk, &got);
    return status == BB_OK ? bb_lease_release(chunk.lease) : status;
}

typedef enum kind {
    ANY,
    MANAGER,
    LEASE,
    BATCH,
    TASK,
    WATCH,
    SENDER,
    RECEIVER,
    STREAM,
    FEED,
    REGISTRY,
    DEVICE,
    BUFFER_KINDS,
    KINDS
} kind;

typedef struct export_case {
    const char *name;
    kind kind;           /* of its handle */
    bool null_is_a_noop; /* as destroy and cancel of nothing are */
    bb_status (*call)(void *handle);
} export_case;

#define CASE(name, kind) {#name, kind, false, call_##name}
#define END(name, kind) {#name, kind, true, call_##name}
static const export_case exports[] = {
    CASE(bb_handle_check, ANY),
    CASE(bb_manager_enqueue_update, MANAGER),
    CASE(bb_manager_enqueue_updates, MANAGER),
    CASE(bb_manager_enqueue_fill, MANAGER),
    CASE(bb_manager_enqueue_region, MANAGER),
    CASE(bb_manager_enqueue_borrowed, MANAGER),
    CASE(bb_manager_enqueue_kernel, MANAGER),
    CASE(bb_manager_enqueue_tag, MANAGER),
    CASE(bb_manager_reserve_back, MANAGER),
    CASE(bb_manager_mark_written, MANAGER),
    CASE(bb_manager_commit_back, MANAGER),
    CASE(bb_manager_cancel_back, MANAGER),
    CASE(bb_manager_lease_back, MANAGER),
    CASE(bb_manager_replace_back, MANAGER),
    CASE(bb_manager_synchronize, MANAGER),
    CASE(bb_manager_synchronize_async, MANAGER),
    CASE(bb_manager_wait, MANAGER),
    CASE(bb_manager_poll_ticket, MANAGER),
    CASE(bb_manager_wait_epoch, MANAGER),
    CASE(bb_manager_acquire_front, MANAGER),
    CASE(bb_manager_acquire_front_device, MANAGER),
    CASE(bb_manager_acquire_front_gl, MANAGER),
    CASE(bb_manager_trim, MANAGER),
    CASE(bb_manager_read, MANAGER),
    CASE(bb_manager_epoch, MANAGER),
    CASE(bb_manager_info_get, MANAGER),
    CASE(bb_manager_field, MANAGER),
    CASE(bb_manager_field_at, MANAGER),
    CASE(bb_manager_back_field, MANAGER),
    CASE(bb_manager_stats_get, MANAGER),
    CASE(bb_manager_stats_write, MANAGER),
    CASE(bb_batch_begin, MANAGER),
    CASE(bb_task_begin, MANAGER),
    CASE(bb_watch_create, MANAGER),
    CASE(bb_manager_feed, MANAGER),
    CASE(bb_manager_close, MANAGER),
    END(bb_manager_destroy, MANAGER),
    END(bb_manager_destroy_within, MANAGER),
    CASE(bb_front_changes, LEASE),
    CASE(bb_lease_release, LEASE),
    CASE(bb_lease_release_gl, LEASE),
    CASE(bb_batch_update, BATCH),
    CASE(bb_batch_fill, BATCH),
    CASE(bb_batch_region, BATCH),
    CASE(bb_batch_kernel, BATCH),
    CASE(bb_batch_tag, BATCH),
    CASE(bb_batch_commit, BATCH),
    END(bb_batch_cancel, BATCH),
    CASE(bb_task_end, TASK),
    CASE(bb_watch_fd, WATCH),
    CASE(bb_watch_ticket, WATCH),
    CASE(bb_watch_wait, WATCH),
    END(bb_watch_destroy, WATCH),
    CASE(bb_sender_send, SENDER),
    CASE(bb_sender_send_all, SENDER),
    CASE(bb_sender_send_whole, SENDER),
    CASE(bb_sender_feed, SENDER),
    CASE(bb_sender_flush, SENDER),
    CASE(bb_sender_reserve, SENDER),
    CASE(bb_sender_open_writer, SENDER),
    CASE(bb_sender_commit, SENDER),
    CASE(bb_sender_wait_writable, SENDER),
    CASE(bb_sender_fd, SENDER),
    CASE(bb_sender_arm, SENDER),
    CASE(bb_sender_attach_receiver, SENDER),
    CASE(bb_sender_stats_get, SENDER),
    CASE(bb_sender_close, SENDER),
    END(bb_sender_destroy, SENDER),
    CASE(bb_receiver_recv, RECEIVER),
    CASE(bb_receiver_recv_all, RECEIVER),
    CASE(bb_receiver_peek, RECEIVER),
    CASE(bb_receiver_open_reader, RECEIVER),
    CASE(bb_receiver_consume, RECEIVER),
    CASE(bb_receiver_wait_readable, RECEIVER),
    CASE(bb_receiver_fd, RECEIVER),
    CASE(bb_receiver_arm, RECEIVER),
    CASE(bb_receiver_attach_sender, RECEIVER),
    CASE(bb_receiver_stats_get, RECEIVER),
    CASE(bb_spsc_into_stream, RECEIVER),
    CASE(bb_receiver_close, RECEIVER),
    END(bb_receiver_destroy, RECEIVER),
    CASE(bb_stream_next, STREAM),
    CASE(bb_stream_chunks, STREAM),
    CASE(bb_stream_ready_chunks, STREAM),
    CASE(bb_stream_fd, STREAM),
    CASE(bb_stream_arm, STREAM),
    CASE(bb_stream_attach_sender, STREAM),
    CASE(bb_stream_stats_get, STREAM),
    CASE(bb_stream_close, STREAM),
    END(bb_stream_destroy, STREAM),
    CASE(bb_feed_status, FEED),
    END(bb_feed_destroy, FEED),
    CASE(bb_registry_register, REGISTRY),
    CASE(bb_registry_replace, REGISTRY),
    CASE(bb_registry_update_buffer, REGISTRY),
    CASE(bb_registry_register_child, REGISTRY),
    CASE(bb_registry_set_options, REGISTRY),
    CASE(bb_registry_load_json, REGISTRY),
    CASE(bb_registry_clear_layout, REGISTRY),
    CASE(bb_manager_create_from_group, REGISTRY),
    CASE(bb_registry_clear_parent, REGISTRY),
    CASE(bb_registry_shared_buffer_size, REGISTRY),
    CASE(bb_registry_persistent_local_buffer_size, REGISTRY),
    CASE(bb_registry_local_buffer_size, REGISTRY),
    CASE(bb_registry_get_allocator, REGISTRY),
    CASE(bb_registry_layout_info, REGISTRY),
    CASE(bb_registry_version, REGISTRY),
    CASE(bb_registry_layout_hash, REGISTRY),
    CASE(bb_registry_buffer_name, REGISTRY),
    CASE(bb_registry_json, REGISTRY),
    CASE(bb_registry_overlaps, REGISTRY),
    CASE(bb_registry_check, REGISTRY),
    CASE(bb_registry_shared_bytes, REGISTRY),
    CASE(bb_registry_shared_stride_bytes, REGISTRY),
    CASE(bb_registry_fits, REGISTRY),
    CASE(bb_registry_needs_opt_in, REGISTRY),
    CASE(bb_registry_banks, REGISTRY),
    CASE(bb_registry_plan, REGISTRY),
    CASE(bb_registry_emit_cuda_header, REGISTRY),
    CASE(bb_registry_table, REGISTRY),
    CASE(bb_registry_svg, REGISTRY),
    END(bb_registry_destroy, REGISTRY),
    CASE(bb_device_poll, DEVICE),
    CASE(bb_device_info_get, DEVICE),
    CASE(bb_device_stats_get, DEVICE),
    CASE(bb_device_leak_report, DEVICE),
    CASE(bb_manager_create_gl, DEVICE),
    END(bb_device_destroy, DEVICE),
    BUFFER_CASES,
};

/* One live object of each kind: a manager with what belongs to it, a ring, a stream that a second ring feeds, a feed, a
 * registry, and a device on host memory with its buffers. */
typedef struct objects {
    void *of[KINDS];
    bb_sender *feeder;
    bb_sender *fed_from; /* of the feed's ring */
    bb_receiver *fed;
} objects;

static inline void make_buffers(bb_device *device, void **of) {
    bb_buffer *buffer = NULL;
    bb_request *request = NULL;
    bb_encoder *encoder = NULL;
    bb_device_buffer *device_buffer = NULL;
    bb_immediate_staging *immediate = NULL;
    bb_deferred_staging *deferred = NULL;
    bb_readback *readback = NULL;
    bb_reading *reading = NULL;
    bb_dynamic *dynamic = NULL;
    OK(bb_buffer_create(device, &one_desc, &buffer));
    OK(bb_buffer_map_async(buffer, BB_MAP_WRITE, 0, BB_WHOLE_SIZE, NULL, &request));
    OK(bb_encoder_create(device, &encoder));
    OK(bb_device_buffer_create_growable(device, &two_desc, &device_buffer));
    OK(bb_immediate_staging_create(device, 9, "up", &immediate));
    OK(bb_deferred_staging_create(device, 9, "up", &deferred));
    OK(bb_readback_create(device, &one_readback, &readback));
    OK(bb_readback_read(readback, device_buffer, 0, 9, &reading));
    OK(bb_dynamic_create(device, &one_dynamic, &dynamic));
    of[BUFFER] = buffer, of[REQUEST] = request, of[ENCODER] = encoder, of[DEVICE_BUFFER] = device_buffer;
    of[IMMEDIATE] = immediate, of[DEFERRED] = deferred, of[READBACK] = readback, of[READING] = reading;
    of[DYNAMIC] = dynamic;
    beside.device = device;
    OK(bb_encoder_create(device, &beside.encoder));
    OK(bb_buffer_create(device, &two_desc, &beside.buffer));
    OK(bb_device_buffer_create(device, &two_desc, &beside.target));
    OK(bb_dynamic_create(device, &one_dynamic, &beside.dynamic));
    OK(bb_dynamic_update(beside.dynamic, "abc", 3, &beside.slice));
}

/* Whatever is left of them. */
static inline void end_buffers(void **of) {
    (void)bb_reading_release(of[READING]);
    (void)bb_readback_destroy(of[READBACK]);
    (void)bb_request_release(of[REQUEST]);
    (void)bb_buffer_release(of[BUFFER]);
    (void)bb_encoder_destroy(of[ENCODER]);
    (void)bb_device_buffer_destroy(of[DEVICE_BUFFER]);
    (void)bb_immediate_staging_destroy(of[IMMEDIATE]);
    (void)bb_deferred_staging_destroy(of[DEFERRED]);
    (void)bb_dynamic_destroy(of[DYNAMIC]);
    OK(bb_encoder_destroy(beside.encoder));
    OK(bb_buffer_release(beside.buffer));
    OK(bb_device_buffer_destroy(beside.target));
    OK(bb_dynamic_destroy(beside.dynamic));
}

static inline void destroy_buffers(void **of) {
    for (kind k = BUFFER; k < KINDS; k++) {
        OK(bb_handle_check(of[k]));
    }
    end_buffers(of);
}

static inline objects make_objects(void) {
    objects o = {0};
    bb_front front;
    bb_batch *batch = NULL;
    bb_task *task = NULL;
    bb_watch *watch = NULL;
    bb_sender *sender = NULL;
    bb_receiver *receiver = NULL, *streamed = NULL;
    bb_stream *stream = NULL;
    bb_feed *feed = NULL;
    bb_registry *registry = NULL;
    bb_device *device = NULL;
    bb_manager_config config = defaults("objects");
    bb_manager *m = make_u32(8, &config);
    OK(bb_manager_acquire_front(m, &front));
    OK(bb_batch_begin(m, &batch));
    OK(bb_task_begin(m, "upload", &task));
    OK(bb_watch_create(m, 0, &watch));
    OK(bb_spsc_create(64, NULL, &sender, &receiver));
    OK(bb_spsc_create(64, NULL, &o.feeder, &streamed));
    OK(bb_spsc_into_stream(streamed, NULL, &stream));
    OK(bb_spsc_create(64, NULL, &o.fed_from, &o.fed));
    OK(bb_manager_feed(m, o.fed, &feed));
    OK(bb_registry_create(NULL, &registry));
    OK(bb_registry_register(registry, 1, &one_buffer));
    OK(bb_device_create_host(0, "objects", &device));
    o.of[MANAGER] = m, o.of[LEASE] = front.lease, o.of[BATCH] = batch, o.of[TASK] = task, o.of[WATCH] = watch;
    o.of[SENDER] = sender, o.of[RECEIVER] = receiver, o.of[STREAM] = stream, o.of[FEED] = feed;
    o.of[REGISTRY] = registry, o.of[DEVICE] = device;
    make_buffers(device, o.of);
    return o;
}

/* What stands beside the manager. */
static inline void destroy_others(objects o) {
    destroy_buffers(o.of);
    OK(bb_sender_destroy(o.of[SENDER]));
    OK(bb_receiver_destroy(o.of[RECEIVER]));
    OK(bb_stream_destroy(o.of[STREAM]));
    OK(bb_sender_destroy(o.feeder));
    OK(bb_feed_destroy(o.of[FEED]));
    OK(bb_sender_destroy(o.fed_from));
    OK(bb_receiver_destroy(o.fed));
    OK(bb_registry_destroy(o.of[REGISTRY]));
    OK(bb_device_destroy(o.of[DEVICE]));
}

static inline void destroy_objects(objects o) {
    OK(bb_watch_destroy(o.of[WATCH]));
    OK(bb_task_end(o.of[TASK]));
    OK(bb_batch_cancel(o.of[BATCH]));
    OK(bb_lease_release(o.of[LEASE]));
    OK(bb_manager_destroy(o.of[MANAGER]));
    destroy_others(o);
}

#endif
