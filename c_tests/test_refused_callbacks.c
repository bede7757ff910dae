/* A refused call keeps nothing: for every function that takes a callback or user data, each allocation fails in turn, in one
 * child process each. A call that returns BB_E_OUT_OF_MEMORY has not called, released or ended anything, and works once memory
 * is available again. A small allocation of the library's own bookkeeping may end the process instead. */
#include "counted_memory.h"

static atomic_int calls, drops;

static void count_call(void) { atomic_fetch_add(&calls, 1); }
static void on_drop(void *user_data) { atomic_fetch_add((atomic_int *)user_data, 1); }
static int32_t on_flush(void *user_data) { return (void)user_data, count_call(), 0; }
static void on_kernel(void *back, const void *front, uint64_t count, void *user_data) {
    (void)back, (void)front, (void)count, (void)user_data;
    count_call();
}
static void on_map(void *user_data, const bb_map_outcome *outcome) { (void)user_data, (void)outcome, count_call(); }
static void on_read(void *user_data, bb_status status, const void *data, uint64_t bytes) {
    (void)user_data, (void)status, (void)data, (void)bytes;
    count_call();
}
static void on_log(uint32_t level, const char *part, const char *label, const char *text, void *user_data) {
    (void)level, (void)part, (void)label, (void)text, (void)user_data;
    count_call();
}

static bb_manager *m;
static bb_batch *batch;
static bb_device *device;
static bb_buffer *buffer;
static bb_deferred_staging *deferred;
static bb_device_buffer *source;
static bb_readback *readback;
static bb_reading *reading;
static const uint32_t value = 7;
static const bb_update update = {.count = 1, .data = &value};
static const bb_kernel kernel = {.function = on_kernel, .user_data = &drops, .drop = on_drop, .count = 4};

/* One function: preparation, the call, a check that its object still exists, and the end. */
typedef struct taker {
    const char *name;
    void (*prepare)(void);
    bb_status (*call)(void);
    bb_status (*still_there)(void);
    void (*end)(void);
} taker;

static bb_status nothing_to_look_at(void) { return BB_OK; }

/* --- managers --- */

static void prepare_manager(void) { m = make_u32(4, NULL); }
static void end_manager(void) { OK(bb_manager_destroy(m)); }
static bb_status look_at_manager(void) { return bb_handle_check(m); }

static bb_status create_with_flush(void) {
    bb_manager_config config = defaults("refused");
    config.flush = on_flush;
    config.flush_user_data = &drops;
    config.flush_drop = on_drop;
    return bb_manager_create(BB_U32, 1, SHAPE(4), &config, &m);
}
static bb_status enqueue_kernel(void) { return bb_manager_enqueue_kernel(m, &kernel, BB_FOREVER); }
static bb_status enqueue_borrowed(void) { return bb_manager_enqueue_borrowed(m, &update, on_drop, &drops, BB_FOREVER); }

static void prepare_batch(void) {
    prepare_manager();
    OK(bb_batch_begin(m, &batch));
}
static bb_status batch_kernel(void) { return bb_batch_kernel(batch, &kernel); }
static bb_status look_at_batch(void) { return bb_handle_check(batch); }
static void cancel_batch(void) {
    OK(bb_batch_cancel(batch));
    end_manager();
}
static void prepare_commit(void) {
    prepare_batch();
    OK(batch_kernel());
}
static bb_status commit(void) { return bb_batch_commit(batch, BB_FOREVER); }

/* --- buffers --- */

static bb_buffer_desc described(uint32_t usage) {
    return (bb_buffer_desc){.struct_size = sizeof(bb_buffer_desc), .usage = usage, .size = 64};
}
static void prepare_buffer(void) {
    const bb_buffer_desc desc = described(BB_USAGE_MAP_WRITE | BB_USAGE_COPY_SRC);
    OK(bb_device_create_host(0, "refused", &device));
    OK(bb_buffer_create(device, &desc, &buffer));
}
static bb_status map(void) {
    const bb_map_callback callback = {on_map, &drops, on_drop};
    bb_request *request = NULL;
    const bb_status status = bb_buffer_map_async(buffer, BB_MAP_WRITE, 0, BB_WHOLE_SIZE, &callback, &request);
    CHECK((status == BB_OK) == (request != NULL));
    OK(bb_request_release(request));
    return status;
}
/* No request is pending. */
static bb_status look_at_buffer(void) {
    bb_buffer_info info;
    const bb_status status = bb_buffer_info_get(buffer, sizeof info, &info);
    CHECK(info.state == BB_BUFFER_READY);
    return status;
}
static void end_buffer(void) {
    OK(bb_buffer_release(buffer));
    OK(bb_device_destroy(device));
}

static void prepare_deferred(void) {
    OK(bb_device_create_host(0, "refused", &device));
    OK(bb_deferred_staging_create(device, 64, NULL, &deferred));
}
static bb_status map_deferred(void) {
    const bb_map_callback callback = {on_map, &drops, on_drop};
    return bb_deferred_staging_map_async(deferred, &callback, NULL);
}
static bb_status look_at_deferred(void) { return bb_handle_check(deferred); }
static void end_deferred(void) {
    OK(bb_deferred_staging_destroy(deferred));
    OK(bb_device_destroy(device));
}

static void prepare_reading(void) {
    const bb_buffer_desc desc = described(BB_USAGE_VERTEX | BB_USAGE_COPY_SRC);
    bb_readback_config config;
    OK(bb_device_create_host(0, "refused", &device));
    OK(bb_device_buffer_create(device, &desc, &source));
    OK(bb_readback_config_init(&config));
    config.size = 64;
    OK(bb_readback_create(device, &config, &readback));
    OK(bb_readback_read(readback, source, 0, 64, &reading));
    OK(bb_reading_wait(reading, BB_FOREVER));
}
static bb_status leave_reading(void) {
    const bb_read_callback callback = {on_read, &drops, on_drop};
    return bb_reading_then(reading, &callback);
}
/* The reading still has its bytes. */
static bb_status look_at_reading(void) {
    bb_const_span span;
    return bb_reading_bytes(reading, &span);
}
static void end_reading(void) {
    EXPECT(BB_E_STALE, bb_reading_release(reading));
    OK(bb_readback_destroy(readback));
    OK(bb_device_buffer_destroy(source));
    OK(bb_device_destroy(device));
}

/* --- the log --- */

static void prepare_nothing(void) {}
static bb_status set_log(void) { return bb_set_log(BB_LOG_ERROR, on_log, &drops, on_drop); }
static void end_log(void) { OK(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL)); }

static const taker takers[] = {
    {"bb_manager_create", prepare_nothing, create_with_flush, nothing_to_look_at, end_manager},
    {"bb_manager_enqueue_kernel", prepare_manager, enqueue_kernel, look_at_manager, end_manager},
    {"bb_manager_enqueue_borrowed", prepare_manager, enqueue_borrowed, look_at_manager, end_manager},
    {"bb_batch_kernel", prepare_batch, batch_kernel, look_at_batch, cancel_batch},
    {"bb_batch_commit", prepare_commit, commit, look_at_batch, end_manager},
    {"bb_buffer_map_async", prepare_buffer, map, look_at_buffer, end_buffer},
    {"bb_deferred_staging_map_async", prepare_deferred, map_deferred, look_at_deferred, end_deferred},
    {"bb_reading_then", prepare_reading, leave_reading, look_at_reading, end_reading},
    {"bb_set_log", prepare_nothing, set_log, nothing_to_look_at, end_log},
};

static bb_status with_nth_failing(bb_status (*call)(void), int nth) {
    atomic_store(&memory.injected, 0);
    atomic_store(&memory.countdown, nth);
    atomic_store(&memory.armed, true);
    const bb_status status = call();
    atomic_store(&memory.armed, false);
    return status;
}

/* Whether an allocation was refused, so that there may be one more. */
static bool try_nth(const taker *t, int nth) {
    atomic_store(&calls, 0);
    atomic_store(&drops, 0);
    t->prepare();
    const bb_status status = with_nth_failing(t->call, nth);
    const bool injected = atomic_load(&memory.injected) > 0;
    if (status != BB_OK) {
        /* LIMIT: the thread could not be had. */
        TEST_ASSERT_TRUE_MESSAGE(status == BB_E_OUT_OF_MEMORY || status == BB_E_LIMIT, t->name);
        TEST_ASSERT_TRUE_MESSAGE(injected, t->name);
        TEST_ASSERT_EQUAL_INT_MESSAGE(0, atomic_load(&calls), t->name);
        TEST_ASSERT_EQUAL_INT_MESSAGE(0, atomic_load(&drops), t->name);
        TEST_ASSERT_EQUAL_INT_MESSAGE(BB_OK, t->still_there(), t->name);
        TEST_ASSERT_EQUAL_INT_MESSAGE(BB_OK, t->call(), t->name);
    }
    t->end();
    EVENTUALLY(atomic_load(&drops) == 1);
    return injected;
}

enum { MORE = 76, NO_MORE = 77 };

static int try_nth_in_child(const taker *t, int nth) {
    (void)fflush(NULL);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int code = 1;
        alarm(HANG_SECONDS);
        ends_by_allocator();
        if (TEST_PROTECT()) {
            code = try_nth(t, nth) ? MORE : NO_MORE;
        }
        (void)fflush(NULL);
        _exit(code);
    }
    return child_exit_code(pid);
}

static void a_call_that_runs_out_of_memory_keeps_nothing(void) {
    if (other_malloc() != NULL) {
        TEST_IGNORE_MESSAGE(other_malloc());
    }
    for (size_t i = 0; i < LENGTH(takers); i++) {
        int nth = 0, code = MORE, fallible = 0;
        while (code != NO_MORE) {
            code = try_nth_in_child(&takers[i], ++nth);
            fallible += code == MORE;
            TEST_ASSERT_TRUE_MESSAGE(code == MORE || code == NO_MORE || code == ENDED, takers[i].name);
        }
        printf("%s: %d allocations, %d fallible\n", takers[i].name, nth - 1, fallible);
    }
}

/* Each on a handle that has ended: nothing is called, dropped or released. */
static void a_call_on_what_has_ended_keeps_nothing(void) {
    bb_status (*const on_manager[])(void) = {enqueue_kernel, enqueue_borrowed};
    bb_status (*const on_buffer[])(void) = {batch_kernel, commit, map, map_deferred, leave_reading};
    atomic_store(&calls, 0);
    atomic_store(&drops, 0);
    prepare_batch();
    OK(bb_batch_cancel(batch));
    end_manager();
    prepare_buffer();
    end_buffer();
    prepare_deferred();
    end_deferred();
    prepare_reading();
    OK(bb_reading_release(reading));
    end_reading();
    for (size_t i = 0; i < LENGTH(on_manager); i++) {
        EXPECT(BB_E_STALE, on_manager[i]());
    }
    for (size_t i = 0; i < LENGTH(on_buffer); i++) {
        EXPECT(BB_E_STALE, on_buffer[i]());
    }
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&calls));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&drops));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_call_that_runs_out_of_memory_keeps_nothing);
    RUN_TEST(a_call_on_what_has_ended_keeps_nothing);
    return UNITY_END();
}
