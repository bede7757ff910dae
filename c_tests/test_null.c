/* NULL where a pointer is required is BB_E_NULL and names the parameter; outputs stay as they were. */
#include "exports.h"

#define NULL_NAMES(parameter, call)                                                                                    \
    do {                                                                                                               \
        EXPECT(BB_E_NULL, call);                                                                                       \
        MESSAGE_HAS(parameter);                                                                                        \
    } while (0)

static bb_manager *m;

/* Fills an output, every byte of which must stay as it is. */
#define MARK(output) memset(&(output), 0xA5, sizeof(output))
#define UNTOUCHED(output) expect_marked(&(output), sizeof(output), __LINE__)

static void expect_marked(const void *bytes, size_t size, UNITY_LINE_TYPE line) {
    for (size_t i = 0; i < size; i++) {
        UNITY_TEST_ASSERT_EQUAL_HEX8(0xA5, ((const uint8_t *)bytes)[i], line, "an output was written by a failed call");
    }
}

static void of_the_library(void) {
    NULL_NAMES("write", bb_debug_dump(NULL, NULL));
    EXPECT(BB_E_NULL, bb_handle_check(NULL));
    NULL_NAMES("config", bb_manager_config_init(NULL));
    OK(bb_set_log(BB_LOG_DEBUG, NULL, NULL, NULL)); /* no log function */
}

static void of_create(void) {
    bb_manager *out;
    MARK(out);
    NULL_NAMES("shape", bb_manager_create(BB_U32, 1, NULL, NULL, &out));
    UNTOUCHED(out);
    NULL_NAMES("manager", bb_manager_create(BB_U32, 1, SHAPE(8), NULL, NULL));
    OK(bb_manager_create(BB_U32, 0, NULL, NULL, &out)); /* no axis needs no shape */
    OK(bb_manager_destroy(out));
    bb_manager_config config = defaults(NULL); /* no label, no initial content, no callbacks */
    OK(bb_manager_create(BB_U32, 1, SHAPE(8), &config, &out));
    OK(bb_manager_destroy(out));
}

static void of_updates(void) {
    const bb_update no_data = {.byte_offset = 0, .count = 1, .data = NULL};
    const bb_update nothing = {.byte_offset = 0, .count = 0, .data = NULL};
    NULL_NAMES("update", bb_manager_enqueue_update(m, NULL, 0));
    NULL_NAMES("data", bb_manager_enqueue_update(m, &no_data, 0));
    NULL_NAMES("updates", bb_manager_enqueue_updates(m, NULL, 1, 0));
    NULL_NAMES("data", bb_manager_enqueue_updates(m, &no_data, 1, 0));
    NULL_NAMES("element", bb_manager_enqueue_fill(m, 0, 0, 1, NULL, 0));
    NULL_NAMES("update", bb_manager_enqueue_borrowed(m, NULL, release_nothing, NULL, 0));
    NULL_NAMES("data", bb_manager_enqueue_borrowed(m, &no_data, release_nothing, NULL, 0));
    NULL_NAMES("release", bb_manager_enqueue_borrowed(m, &one_update, NULL, NULL, 0));
    OK(bb_manager_enqueue_update(m, &nothing, 0)); /* NULL with length 0 is fine */
    OK(bb_manager_enqueue_updates(m, NULL, 0, 0));
}

static void of_regions(void) {
    bb_region r = one_region;
    NULL_NAMES("region", bb_manager_enqueue_region(m, NULL, 0));
    r.start = NULL;
    NULL_NAMES("start", bb_manager_enqueue_region(m, &r, 0));
    r = one_region, r.extent = NULL;
    NULL_NAMES("extent", bb_manager_enqueue_region(m, &r, 0));
    r = one_region, r.data = NULL;
    NULL_NAMES("data", bb_manager_enqueue_region(m, &r, 0));
    r = one_region, r.extent = SHAPE(0), r.data = NULL;
    OK(bb_manager_enqueue_region(m, &r, 0));
}

static void of_kernels(void) {
    bb_kernel k = one_kernel;
    NULL_NAMES("kernel", bb_manager_enqueue_kernel(m, NULL, 0));
    k.function = NULL;
    NULL_NAMES("function", bb_manager_enqueue_kernel(m, &k, 0));
}

static void of_the_back_in_hand(void) {
    NULL_NAMES("back", bb_manager_reserve_back(m, BB_BACK_KEEP, 0, NULL));
    NULL_NAMES("back", bb_manager_mark_written(m, NULL, 0, NULL, 0));
    NULL_NAMES("ranges", bb_manager_mark_written(m, &(bb_back){0}, 0, NULL, 1));
    NULL_NAMES("back", bb_manager_commit_back(m, NULL, 0));
    NULL_NAMES("back", bb_manager_cancel_back(m, NULL));
    bb_back back;
    MARK(back);
    EXPECT(BB_E_ARGUMENT, bb_manager_reserve_back(m, 77, 0, &back));
    UNTOUCHED(back);
}

static void of_waits_and_queries(void) {
    NULL_NAMES("ticket", bb_manager_synchronize_async(m, NULL));
    NULL_NAMES("front", bb_manager_acquire_front(m, NULL));
    NULL_NAMES("dst", bb_manager_read(m, 0, 0, NULL, 4, NULL, NULL));
    NULL_NAMES("epoch", bb_manager_epoch(m, NULL));
    NULL_NAMES("epoch", bb_manager_wait_epoch(m, 0, 0, NULL));
    NULL_NAMES("info", bb_manager_info_get(m, sizeof(bb_manager_info), NULL));
    NULL_NAMES("stats", bb_manager_stats_get(m, sizeof(bb_manager_stats), NULL));
    NULL_NAMES("write", bb_manager_stats_write(m, NULL, NULL));
    uint64_t ticket = 0;
    OK(bb_manager_synchronize_async(m, &ticket));
    OK(bb_manager_wait(m, ticket, BB_FOREVER, NULL)); /* the epoch is not wanted */
    EXPECT(BB_E_TIMEOUT, bb_manager_wait_epoch(m, UINT64_MAX, 0, &(uint64_t){0}));
    uint64_t epoch;
    MARK(epoch);
    EXPECT(BB_E_TIMEOUT, bb_manager_wait_epoch(m, UINT64_MAX, 0, &epoch));
    UNTOUCHED(epoch);
    bb_manager_info info;
    MARK(info);
    EXPECT(BB_E_VERSION, bb_manager_info_get(m, 0, &info));
    UNTOUCHED(info);
}

static void of_batches(void) {
    bb_batch *b = NULL;
    bb_kernel k = one_kernel;
    k.function = NULL;
    NULL_NAMES("batch", bb_batch_begin(m, NULL));
    OK(bb_batch_begin(m, &b));
    NULL_NAMES("update", bb_batch_update(b, NULL));
    NULL_NAMES("data", bb_batch_update(b, &(bb_update){.count = 1}));
    NULL_NAMES("element", bb_batch_fill(b, 0, 0, 1, NULL));
    NULL_NAMES("region", bb_batch_region(b, NULL));
    NULL_NAMES("start", bb_batch_region(b, &(bb_region){.extent = SHAPE(1), .data = &one_u32}));
    NULL_NAMES("kernel", bb_batch_kernel(b, NULL));
    NULL_NAMES("function", bb_batch_kernel(b, &k));
    OK(bb_batch_commit(b, 0)); /* of nothing: every part was refused */
}

static void of_tasks_and_watches(void) {
    bb_watch *w = NULL;
    NULL_NAMES("task", bb_task_begin(m, "upload", NULL));
    NULL_NAMES("watch", bb_watch_create(m, 0, NULL));
    OK(bb_watch_create(m, UINT64_MAX, &w));
    NULL_NAMES("fd", bb_watch_fd(w, NULL));
    NULL_NAMES("epoch", bb_watch_wait(w, 0, NULL));
    EXPECT(BB_E_TIMEOUT, bb_watch_wait(w, 0, &(uint64_t){0}));
    OK(bb_watch_destroy(w));
}

static void of_rings(void) {
    bb_sender *tx;
    bb_receiver *rx;
    MARK(tx);
    MARK(rx);
    NULL_NAMES("config", bb_spsc_config_init(NULL));
    NULL_NAMES("sender", bb_spsc_create(64, NULL, NULL, &rx));
    NULL_NAMES("receiver", bb_spsc_create(64, NULL, &tx, NULL));
    EXPECT(BB_E_ARGUMENT, bb_spsc_create(0, NULL, &tx, &rx));
    UNTOUCHED(tx);
    UNTOUCHED(rx);
    OK(bb_spsc_create(64, NULL, &tx, &rx));

    uint64_t n = 0;
    NULL_NAMES("data", bb_sender_send(tx, NULL, 1, &n));
    NULL_NAMES("data", bb_sender_send_all(tx, NULL, 1, 0, &n));
    NULL_NAMES("data", bb_sender_send_whole(tx, NULL, 1, 0, &n));
    NULL_NAMES("data", bb_sender_feed(tx, NULL, 1, &n));
    NULL_NAMES("dst", bb_receiver_recv(rx, NULL, 1, &n));
    NULL_NAMES("dst", bb_receiver_recv_all(rx, NULL, 1, 0, &n));
    NULL_NAMES("sent", bb_sender_send(tx, &one_u32, 1, NULL));
    NULL_NAMES("sent", bb_sender_send_all(tx, &one_u32, 1, 0, NULL));
    NULL_NAMES("sent", bb_sender_send_whole(tx, &one_u32, 1, 0, NULL));
    NULL_NAMES("sent", bb_sender_feed(tx, &one_u32, 1, NULL));
    NULL_NAMES("got", bb_receiver_recv(rx, &(uint32_t){0}, 1, NULL));
    NULL_NAMES("got", bb_receiver_recv_all(rx, &(uint32_t){0}, 1, 0, NULL));
    NULL_NAMES("span", bb_sender_reserve(tx, 1, NULL));
    NULL_NAMES("span", bb_receiver_peek(rx, 1, NULL));
    NULL_NAMES("fd", bb_sender_fd(tx, NULL));
    NULL_NAMES("fd", bb_receiver_fd(rx, NULL));
    NULL_NAMES("receiver", bb_sender_attach_receiver(tx, NULL));
    NULL_NAMES("sender", bb_receiver_attach_sender(rx, NULL));
    NULL_NAMES("stats", bb_sender_stats_get(tx, sizeof(bb_end_stats), NULL));
    NULL_NAMES("stats", bb_receiver_stats_get(rx, sizeof(bb_end_stats), NULL));

    bb_span free;
    bb_const_span full;
    MARK(free);
    MARK(full);
    EXPECT(BB_E_RANGE, bb_sender_reserve(tx, 65, &free));
    EXPECT(BB_E_EMPTY, bb_receiver_peek(rx, 1, &full));
    UNTOUCHED(free);
    UNTOUCHED(full);
    OK(bb_sender_reserve(tx, 1, &free)); /* no claim was left open */
    OK(bb_sender_commit(tx, 0));
    OK(bb_sender_destroy(tx));
    OK(bb_receiver_destroy(rx));
}

static void of_streams(void) {
    bb_sender *tx = NULL;
    bb_receiver *rx = NULL;
    bb_stream *stream = NULL;
    bb_chunk chunk;
    uint64_t n = 0;
    OK(bb_spsc_create(64, NULL, &tx, &rx));
    NULL_NAMES("config", bb_stream_config_init(NULL));
    NULL_NAMES("stream", bb_spsc_into_stream(rx, NULL, NULL));
    OK(bb_spsc_into_stream(rx, NULL, &stream));
    NULL_NAMES("chunk", bb_stream_next(stream, 0, NULL));
    NULL_NAMES("chunks", bb_stream_chunks(stream, 1, 0, NULL, &n));
    NULL_NAMES("chunks", bb_stream_ready_chunks(stream, 1, 0, NULL, &n));
    NULL_NAMES("got", bb_stream_chunks(stream, 1, 0, &chunk, NULL));
    NULL_NAMES("got", bb_stream_ready_chunks(stream, 1, 0, &chunk, NULL));
    NULL_NAMES("fd", bb_stream_fd(stream, NULL));
    NULL_NAMES("stats", bb_stream_stats_get(stream, sizeof(bb_stream_stats), NULL));
    NULL_NAMES("sender", bb_stream_attach_sender(stream, NULL));
    MARK(chunk);
    EXPECT(BB_E_TIMEOUT, bb_stream_next(stream, 0, &chunk));
    UNTOUCHED(chunk);
    EXPECT(BB_E_TIMEOUT, bb_stream_chunks(stream, 1, 0, &chunk, &n));
    UNTOUCHED(chunk);
    OK(bb_stream_destroy(stream));
    OK(bb_sender_destroy(tx));
}

static void as_the_handle_leaves_outputs_alone(void) {
    bb_front front;
    MARK(front);
    bb_back back;
    MARK(back);
    uint64_t number;
    MARK(number);
    bb_manager_info info;
    MARK(info);
    bb_manager_stats stats;
    MARK(stats);
    bb_batch *batch;
    MARK(batch);
    bb_task *task;
    MARK(task);
    bb_watch *watch;
    MARK(watch);
    int32_t fd;
    MARK(fd);
    bb_span span;
    MARK(span);
    bb_const_span const_span;
    MARK(const_span);
    bb_end_stats end_stats;
    MARK(end_stats);
    bb_chunk chunk;
    MARK(chunk);
    EXPECT(BB_E_NULL, bb_manager_acquire_front(NULL, &front));
    EXPECT(BB_E_NULL, bb_manager_reserve_back(NULL, BB_BACK_KEEP, 0, &back));
    EXPECT(BB_E_NULL, bb_manager_synchronize_async(NULL, &number));
    EXPECT(BB_E_NULL, bb_manager_wait(NULL, 0, 0, &number));
    EXPECT(BB_E_NULL, bb_manager_wait_epoch(NULL, 0, 0, &number));
    EXPECT(BB_E_NULL, bb_manager_read(NULL, 0, 0, &number, sizeof number, NULL, NULL));
    EXPECT(BB_E_NULL, bb_manager_epoch(NULL, &number));
    EXPECT(BB_E_NULL, bb_manager_info_get(NULL, sizeof info, &info));
    EXPECT(BB_E_NULL, bb_manager_stats_get(NULL, sizeof stats, &stats));
    EXPECT(BB_E_NULL, bb_batch_begin(NULL, &batch));
    EXPECT(BB_E_NULL, bb_task_begin(NULL, "upload", &task));
    EXPECT(BB_E_NULL, bb_watch_create(NULL, 0, &watch));
    EXPECT(BB_E_NULL, bb_watch_fd(NULL, &fd));
    EXPECT(BB_E_NULL, bb_watch_wait(NULL, 0, &number));
    EXPECT(BB_E_NULL, bb_sender_reserve(NULL, 1, &span));
    EXPECT(BB_E_NULL, bb_receiver_peek(NULL, 1, &const_span));
    EXPECT(BB_E_NULL, bb_sender_fd(NULL, &fd));
    EXPECT(BB_E_NULL, bb_sender_stats_get(NULL, sizeof end_stats, &end_stats));
    EXPECT(BB_E_NULL, bb_stream_next(NULL, 0, &chunk));
    UNTOUCHED(span);
    UNTOUCHED(const_span);
    UNTOUCHED(end_stats);
    UNTOUCHED(chunk);
    UNTOUCHED(front);
    UNTOUCHED(back);
    UNTOUCHED(number);
    UNTOUCHED(info);
    UNTOUCHED(stats);
    UNTOUCHED(batch);
    UNTOUCHED(task);
    UNTOUCHED(watch);
    UNTOUCHED(fd);
}

static void refused_calls_changed_nothing(void) {
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m));
    TEST_ASSERT_EQUAL_UINT64(0, stats_of(m).leases_live);
    CHECK(stats_of(m).refused[-BB_E_NULL] > 10);
}

int main(void) {
    UNITY_BEGIN();
    m = make_u32(8, NULL);
    RUN_TEST(of_the_library);
    RUN_TEST(of_create);
    RUN_TEST(of_updates);
    RUN_TEST(of_regions);
    RUN_TEST(of_kernels);
    RUN_TEST(of_the_back_in_hand);
    RUN_TEST(of_waits_and_queries);
    RUN_TEST(of_batches);
    RUN_TEST(of_tasks_and_watches);
    RUN_TEST(of_rings);
    RUN_TEST(of_streams);
    RUN_TEST(as_the_handle_leaves_outputs_alone);
    RUN_TEST(refused_calls_changed_nothing);
    (void)bb_manager_destroy(m);
    return UNITY_END();
}
