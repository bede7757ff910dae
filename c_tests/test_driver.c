/* Drivers in C: life cycle, refused tables, wrong results, and failures of each call. Nothing crashes and no state is lost. */
#include "driver.h"

/* --- life cycle --- */

static void a_device_reports_what_its_driver_wrote(void) {
    static host_driver d;
    bb_device *device = open_driver(0, &d);
    bb_device_info info;
    OK(bb_device_info_get(device, sizeof info, &info));
    TEST_ASSERT_EQUAL_UINT32(BB_DEVICE_CUSTOM, info.kind);
    TEST_ASSERT_EQUAL_STRING("host memory in C", info.name);
    TEST_ASSERT_EQUAL_STRING("1", info.version);
    TEST_ASSERT_EQUAL_STRING("", info.capabilities);
    TEST_ASSERT_EQUAL_STRING("tested", info.label);
    TEST_ASSERT_EQUAL_UINT64(UINT64_C(1) << 40, info.max_buffer_size);
    TEST_ASSERT_EQUAL_UINT64(256, info.uniform_offset_alignment);
    destroy(device, &d);
}

static pthread_t threads[2];
static int32_t record_write(void *self, uint64_t native, uint64_t offset, const void *data, uint64_t bytes) {
    threads[1] = pthread_self();
    return host_write(self, native, offset, data, bytes);
}
static int32_t record_open(void *self, bb_driver_info *info) {
    threads[0] = pthread_self();
    return host_open(self, info);
}

static void all_calls_are_made_on_the_owner_thread(void) {
    for (uint32_t flags = 0; flags <= BB_DEVICE_HOST_DRIVEN; flags++) {
        static host_driver d;
        host_init(&d);
        bb_driver table = host_table(&d);
        bb_device *device = NULL;
        bb_encoder *encoder = NULL;
        bb_device_buffer *buffer = NULL;
        uint64_t fence = 0;
        table.open = record_open, table.write = record_write;
        OK(bb_device_create_driver(flags, NULL, &table, &device));
        bb_buffer_desc desc;
        OK(bb_buffer_desc_init(&desc));
        desc.size = 16, desc.usage = BB_USAGE_COPY_DST;
        OK(bb_device_buffer_create(device, &desc, &buffer));
        OK(bb_encoder_create(device, &encoder));
        OK(bb_encoder_write(encoder, buffer, 0, "0123456789abcde", 16));
        OK(bb_encoder_submit(encoder, &fence));
        OK(bb_device_wait_fence(device, fence, BB_SEC(HANG_SECONDS)));
        CHECK(pthread_equal(threads[0], threads[1]));
        CHECK((pthread_equal(threads[0], pthread_self()) != 0) == (flags == BB_DEVICE_HOST_DRIVEN));
        OK(bb_device_buffer_destroy(buffer));
        destroy(device, &d);
    }
}

static bb_device *own;
static bb_status inside[3];
static int32_t call_own_device(void *self, uint64_t fence) {
    inside[0] = bb_device_poll(own, 0);
    inside[1] = bb_device_wait_fence(own, 1, 0);
    inside[2] = bb_device_destroy(own);
    return host_submit(self, fence);
}

static void a_driver_cannot_use_its_own_device(void) {
    static host_driver d;
    host_init(&d);
    bb_driver table = host_table(&d);
    bb_encoder *encoder = NULL;
    uint64_t fence = 0;
    table.submit = call_own_device;
    OK(bb_device_create_driver(BB_DEVICE_HOST_DRIVEN, NULL, &table, &own));
    OK(bb_encoder_create(own, &encoder));
    OK(bb_encoder_submit(encoder, &fence));
    OK(bb_device_wait_fence(own, fence, BB_SEC(HANG_SECONDS)));
    TEST_ASSERT_EQUAL_INT32(BB_E_RECURSIVE, inside[0]);
    TEST_ASSERT_EQUAL_INT32(BB_E_ARGUMENT, inside[1]); /* no submit has returned yet */
    TEST_ASSERT_EQUAL_INT32(BB_E_RECURSIVE, inside[2]);
    destroy(own, &d);
}

/* --- refused tables --- */

static void every_required_function_is_named_if_it_is_null(void) {
    static host_driver d;
    static const driver_function functions[] = {
        ROW(open), ROW(create_buffer), ROW(delete_buffer), ROW(write), ROW(copy),
        ROW(map),  ROW(unmap),         ROW(submit),        ROW(wait),
    };
    for (size_t i = 0; i < LENGTH(functions); i++) {
        host_init(&d);
        bb_driver table = host_table(&d);
        memset((char *)&table + functions[i].offset, 0, sizeof table.open);
        REFUSED(BB_E_NULL, &table, functions[i].name);
        TEST_ASSERT_EQUAL_INT(0, atomic_load(&d.opens));
    }
    const bb_driver table = host_table(&d);
    bb_device *device = NULL;
    EXPECT(BB_E_NULL, bb_device_create_driver(0, NULL, NULL, &device));
    MESSAGE_HAS("driver");
    EXPECT(BB_E_NULL, bb_device_create_driver(0, NULL, &table, NULL));
    MESSAGE_HAS("device");
    EXPECT(BB_E_ARGUMENT, bb_device_create_driver(2, NULL, &table, &device));
    MESSAGE_HAS("flags");
    EXPECT(BB_E_ARGUMENT, bb_device_create_driver(0, "\xff", &table, &device));
    MESSAGE_HAS("label");
    TEST_ASSERT_NULL(device);
}

static void optional_functions_may_be_null(void) {
    static host_driver d;
    host_init(&d);
    bb_driver table = host_table(&d);
    table.drop = NULL, table.close = NULL, table.create_mapped = NULL, table.create_persistent = NULL;
    table.error_text = NULL, table.native_calls = NULL;
    without_renderers(&table);
    bb_device *device = NULL;
    bb_buffer *buffer = NULL;
    OK(bb_device_create_driver(0, NULL, &table, &device));
    bb_buffer_desc desc;
    OK(bb_buffer_desc_init(&desc));
    desc.size = 16, desc.usage = BB_USAGE_COPY_SRC, desc.mapped_at_creation = 1;
    atomic_store(&d.fail_at, 2); /* the map */
    EXPECT(BB_E_BACKEND, bb_buffer_create(device, &desc, &buffer));
    MESSAGE_HAS("driver.map returned -21");
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&d.live));
    OK(bb_buffer_create(device, &desc, &buffer));
    OK(bb_buffer_release(buffer));
    OK(bb_device_destroy(device));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&d.live));
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&d.closes) + atomic_load(&d.drops));
}

static void tables_of_other_versions(void) {
    static host_driver d;
    host_init(&d);
    struct {
        bb_driver table;
        uint64_t tail[4];
    } newer = {.table = host_table(&d)};
    bb_device *device = NULL;
    newer.table.struct_size = sizeof newer;
    OK(bb_device_create_driver(0, NULL, &newer.table, &device));
    destroy(device, &d);
    host_init(&d);
    newer.tail[3] = 1;
    REFUSED(BB_E_VERSION, &newer.table, "struct_size");
    newer.table.struct_size = offsetof(bb_driver, error_text); /* older: without it */
    OK(bb_device_create_driver(0, NULL, &newer.table, &device));
    destroy(device, &d);
    host_init(&d);
    static const uint32_t wrong[] = {0, 4, 7, 65537, UINT32_MAX};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        newer.table.struct_size = wrong[i];
        REFUSED(BB_E_VERSION, &newer.table, "struct_size");
    }
    newer.table.struct_size = offsetof(bb_driver, submit);
    REFUSED(BB_E_NULL, &newer.table, "driver.submit");
    bb_driver table = host_table(&d);
    table.reserved = 1;
    REFUSED(BB_E_ARGUMENT, &table, "driver.reserved");
}

static void a_driver_that_cannot_open_leaves_no_device(void) {
    static host_driver d;
    static const bb_status kept[] = {BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_DEVICE_LOST, BB_E_UNSUPPORTED, BB_E_LIMIT};
    static const int32_t others[] = {BB_E_NULL, BB_E_TIMEOUT, BB_E_PANIC, -37, 1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < LENGTH(kept) + LENGTH(others); i++) {
        const bool is_kept = i < LENGTH(kept);
        host_init(&d);
        const bb_driver table = host_table(&d);
        atomic_store(&d.fail_at, 1);
        atomic_store(&d.fail_with, is_kept ? kept[i] : others[i - LENGTH(kept)]);
        REFUSED(is_kept ? kept[i] : BB_E_BACKEND, &table, is_kept ? "driver.open returned" : "driver.open: status = ");
        TEST_ASSERT_EQUAL_INT(0, atomic_load(&d.closes));
    }
}

static bb_driver_info wrong_info;
static int32_t open_with_wrong_info(void *self, bb_driver_info *info) {
    const int32_t status = host_open(self, info);
    *info = wrong_info;
    return status;
}

static void infos_out_of_range_are_refused_by_name(void) {
    static const char *const names[] = {"info.max_buffer_size", "info.uniform_offset_alignment",
                                        "info.storage_offset_alignment", "info.version is not UTF-8",
                                        "info.capabilities is not NUL-terminated"};
    for (int i = 0; i < (int)LENGTH(names); i++) {
        static host_driver d;
        host_init(&d);
        bb_driver table = host_table(&d);
        table.open = open_with_wrong_info;
        wrong_info = (bb_driver_info){.max_buffer_size = i == 0 ? 3 : 64,
                                      .uniform_offset_alignment = i == 1 ? 0 : 4,
                                      .storage_offset_alignment = i == 2 ? 12 : 4,
                                      .version = {i == 3 ? '\xff' : 'v'}};
        if (i == 4) {
            memset(wrong_info.capabilities, 'x', sizeof wrong_info.capabilities);
        }
        REFUSED(BB_E_BACKEND, &table, names[i]);
        MESSAGE_HAS("driver.open");
        TEST_ASSERT_EQUAL_INT_MESSAGE(1, atomic_load(&d.closes), "open has succeeded");
    }
}

/* --- wrong results --- */

static bb_device_buffer *make(bb_device *device, bb_status want, const char *part) {
    bb_device_buffer *buffer = NULL;
    bb_buffer_desc desc;
    OK(bb_buffer_desc_init(&desc));
    desc.size = 16, desc.usage = BB_USAGE_COPY_DST | BB_USAGE_COPY_SRC;
    EXPECT(want, bb_device_buffer_create(device, &desc, &buffer));
    if (want != BB_OK) {
        MESSAGE_HAS(part);
        TEST_ASSERT_NULL(buffer);
    }
    return buffer;
}

static void a_handle_that_is_none_is_refused(void) {
    static host_driver d;
    bb_device *device = open_driver(0, &d);
    bb_device_buffer *first = make(device, BB_OK, NULL);
    atomic_store(&d.lie, HOST_NATIVE_ZERO);
    (void)make(device, BB_E_BACKEND, "driver.create_buffer: native = 0");
    bb_device_buffer *second = make(device, BB_OK, NULL);
    atomic_store(&d.lie, HOST_NATIVE_TWICE);
    (void)make(device, BB_E_BACKEND, "another buffer that exists");
    OK(bb_device_buffer_destroy(second));
    OK(bb_device_buffer_destroy(first));
    OK(bb_device_buffer_destroy(make(device, BB_OK, NULL)));
    bb_device_stats stats;
    OK(bb_device_stats_get(device, sizeof stats, &stats));
    TEST_ASSERT_EQUAL_UINT32(0, stats.lost);
    OK(bb_device_destroy(device));
    TEST_ASSERT_EQUAL_INT_MESSAGE(2, atomic_load(&d.left), "only the driver knows the buffers of the refused calls");
}

static void an_address_that_cannot_be_one_is_refused(void) {
    static const struct {
        host_lie lie;
        const char *part;
    } rows[] = {{HOST_DATA_NULL, "NULL"}, {HOST_DATA_ODD, "multiple of 8"}, {HOST_DATA_END, "address space"}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        static host_driver d;
        bb_device *device = open_driver(0, &d);
        bb_buffer *buffer = NULL;
        bb_request *request = NULL;
        bb_map_outcome outcome;
        bb_buffer_desc desc;
        OK(bb_buffer_desc_init(&desc));
        desc.size = 16, desc.usage = BB_USAGE_MAP_WRITE | BB_USAGE_COPY_SRC, desc.mapped_at_creation = 1;
        atomic_store(&d.lie, rows[i].lie);
        EXPECT(BB_E_BACKEND, bb_buffer_create(device, &desc, &buffer));
        MESSAGE_HAS("driver.create_mapped: data");
        MESSAGE_HAS(rows[i].part);
        TEST_ASSERT_EQUAL_INT_MESSAGE(0, atomic_load(&d.live), "a buffer with a wrong address is deleted");
        desc.mapped_at_creation = 0;
        OK(bb_buffer_create(device, &desc, &buffer));
        for (int round = 0; round < 2; round++) {
            atomic_store(&d.lie, round == 0 ? rows[i].lie : HOST_TRUE);
            OK(bb_buffer_map_async(buffer, BB_MAP_WRITE, 8, 8, NULL, &request));
            OK(bb_request_wait(request, BB_SEC(HANG_SECONDS), sizeof outcome, &outcome));
            OK(bb_request_release(request));
            /* The second time it works: the wrong mapping was ended. */
            TEST_ASSERT_EQUAL_INT32(round == 0 ? BB_E_BACKEND : BB_OK, outcome.status);
            CHECK(round == 1 || strstr(outcome.text, "driver.map: data") != NULL);
        }
        OK(bb_buffer_release(buffer));
        destroy(device, &d);
    }
}

static uint64_t submit_empty(bb_device *device) {
    bb_encoder *encoder = NULL;
    uint64_t fence = 0;
    OK(bb_encoder_create(device, &encoder));
    OK(bb_encoder_submit(encoder, &fence));
    return fence;
}

static void fences_that_cannot_have_passed_lose_the_device(void) {
    static const struct {
        host_lie lie;
        const char *part;
    } rows[] = {{HOST_COMPLETED_FALLS, "driver.wait: completed = 0: the fences that have passed never"},
                {HOST_COMPLETED_BEYOND, "driver.wait: completed = 3: a fence that was not submitted"}};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        static host_driver d;
        bb_device *device = open_driver(0, &d);
        OK(bb_device_wait_fence(device, submit_empty(device), BB_SEC(HANG_SECONDS)));
        const uint64_t second = submit_empty(device);
        atomic_store(&d.lie, rows[i].lie);
        EXPECT(BB_E_DEVICE_LOST, bb_device_wait_fence(device, second, BB_SEC(HANG_SECONDS)));
        MESSAGE_HAS(rows[i].part);
        OK(bb_device_wait_fence(device, 1, 0)); /* what has passed stays passed */
        EXPECT(BB_E_DEVICE_LOST, bb_device_wait_fence(device, second, 0));
        MESSAGE_HAS(rows[i].part);
        destroy(device, &d);
    }
}

static void statuses_that_no_driver_returns_are_failures_of_the_backend(void) {
    static host_driver d;
    bb_device *device = open_driver(0, &d);
    static const int32_t statuses[] = {1,         7,          -37,          -1000,      INT32_MIN,
                                       INT32_MAX, BB_E_RANGE, BB_E_TIMEOUT, BB_E_PANIC, BB_E_CLOSED};
    for (size_t i = 0; i < LENGTH(statuses); i++) {
        char part[64];
        (void)snprintf(part, sizeof part, "driver.create_buffer: status = %d: a driver returns", (int)statuses[i]);
        atomic_store(&d.fail_with, statuses[i]);
        atomic_store(&d.fail_at, 1);
        (void)make(device, BB_E_BACKEND, part);
    }
    OK(bb_device_buffer_destroy(make(device, BB_OK, NULL)));
    destroy(device, &d);
}

static void a_driver_explains_its_failures(void) {
    static host_driver d;
    bb_device *device = open_driver(0, &d);
    atomic_store(&d.says, true);
    atomic_store(&d.fail_at, 1);
    (void)make(device, BB_E_BACKEND, "driver.create_buffer: call 2 of the test fails");
    atomic_store(&d.fail_with, BB_E_DEVICE_LOST);
    atomic_store(&d.fail_at, 1);
    (void)make(device, BB_E_DEVICE_LOST, "the device is lost: driver.create_buffer: call 3");
    (void)make(device, BB_E_DEVICE_LOST, "the device is lost: driver.create_buffer: call 3");
    destroy(device, &d);
}

/* --- managers on devices of every kind, by their config --- */

static bb_manager *manager_on(bb_device *device, uint64_t watchdog, bb_status want) {
    bb_manager *m = NULL;
    bb_manager_config config = defaults("on a device");
    config.device = device, config.watchdog_ns = watchdog;
    EXPECT(want, bb_manager_create(BB_U32, 1, SHAPE(8), &config, &m));
    CHECK((m == NULL) == (want != BB_OK));
    return m;
}

static void *make_elsewhere(void *device) {
    bb_manager *m = NULL;
    bb_manager_config config;
    (void)bb_manager_config_init(&config);
    config.device = device, config.watchdog_ns = BB_MS(1);
    THREAD_CHECK(bb_manager_create(BB_U32, 1, SHAPE(8), &config, &m) == BB_E_TIMEOUT && m == NULL);
    return NULL;
}

static void a_config_names_the_device_of_a_manager(void) {
    for (uint32_t flags = 0; flags <= BB_DEVICE_HOST_DRIVEN; flags++) {
        bb_device *device = NULL;
        bb_device_front front;
        OK(bb_device_create_host(flags, "host", &device));
        bb_manager *m = manager_on(device, BB_SEC(HANG_SECONDS), BB_OK);
        OK(put_u32(m, 3, 7, BB_SEC(HANG_SECONDS)));
        OK(bb_manager_enqueue_tag(m, 42, BB_SEC(HANG_SECONDS)));
        OK(bb_manager_synchronize(m, BB_SEC(HANG_SECONDS)));
        OK(bb_manager_acquire_front_device(m, &front));
        TEST_ASSERT_EQUAL_UINT32(7, ((const uint32_t *)(uintptr_t)front.native)[3]);
        CHECK(front.epoch == 1 && front.tag == 42 && front.bytes == 32 && front.reserved == 0 && front.slot < 8);
        OK(bb_lease_release(front.lease));
        EXPECT(BB_E_STALE, bb_lease_release(front.lease));
        if (flags == BB_DEVICE_HOST_DRIVEN) {
            join(start(make_elsewhere, device)); /* this thread does not poll */
        }
        OK(bb_manager_destroy(m));
        OK(bb_device_destroy(device));
        (void)manager_on(device, 0, BB_E_STALE);
        MESSAGE_HAS("device");
    }
    bb_manager *const plain = make_u32(8, NULL);
    bb_device_front front = {.native = 77};
    EXPECT(BB_E_STATE, bb_manager_acquire_front_device(plain, &front));
    MESSAGE_HAS("create it on a device");
    TEST_ASSERT_EQUAL_UINT64(77, front.native);
    EXPECT(BB_E_NULL, bb_manager_acquire_front_device(plain, NULL));
    MESSAGE_HAS("front");
    (void)manager_on((bb_device *)plain, 0, BB_E_KIND);
    (void)manager_on((bb_device *)&front, 0, BB_E_HANDLE);
    OK(bb_manager_destroy(plain));
}

/* --- failures of each call --- */

/* What the newest front and its device copy hold. */
static void check_state(bb_manager *m, const uint32_t *model, uint64_t count) {
    bb_device_front front;
    OK(bb_manager_acquire_front_device(m, &front));
    const host_memory *const memory = (const host_memory *)(uintptr_t)front.native;
    TEST_ASSERT_EQUAL_UINT64(4 * count, front.bytes);
    TEST_ASSERT_EQUAL_MEMORY_MESSAGE(model, memory->data, 4 * count, "the device copy");
    OK(bb_lease_release(front.lease));
    bb_front host_front;
    OK(bb_manager_acquire_front(m, &host_front));
    TEST_ASSERT_EQUAL_UINT64(front.epoch, host_front.epoch);
    TEST_ASSERT_EQUAL_MEMORY_MESSAGE(model, host_front.data, 4 * count, "the front");
    OK(bb_lease_release(host_front.lease));
}

enum { COUNT_OF_STATE = 40000, MOST_CALLS = 64 };

static bb_manager *make_manager(bb_device *device, bb_status want) {
    bb_manager *m = NULL;
    bb_manager_config config = defaults("on a driver");
    config.device = device;
    EXPECT(want, bb_manager_create(BB_U32, 1, SHAPE(COUNT_OF_STATE), &config, &m));
    return m;
}

/* Some epochs of long and short changes, one of whose driver calls fails. Returns false if none did. */
static bool publish_with_failure(uint64_t call, bb_status status) {
    static host_driver d;
    static uint32_t model[COUNT_OF_STATE], data[COUNT_OF_STATE];
    bb_device *device = open_driver(0, &d);
    bb_manager *m = make_manager(device, BB_OK);
    memset(model, 0, sizeof model);
    atomic_store(&d.fail_with, status);
    atomic_store(&d.fail_at, call);
    bool failed = false;
    for (uint32_t epoch = 1; epoch <= 6; epoch++) {
        const uint64_t start = epoch * 1000, count = epoch % 2 == 0 ? 20000 : 3;
        for (uint64_t i = 0; i < count; i++) {
            model[start + i] = data[i] = epoch * 100000 + (uint32_t)i;
        }
        const bb_update update = {.byte_offset = 4 * start, .count = count, .data = data};
        OK(bb_manager_enqueue_update(m, &update, BB_SEC(HANG_SECONDS)));
        bb_status got = bb_manager_synchronize(m, BB_SEC(HANG_SECONDS));
        if (got != BB_OK) {
            CHECK(!failed && atomic_load(&d.fail_at) == 0);
            CHECK(got == status || got == BB_E_DEVICE_LOST); /* a failed wait loses the device */
            MESSAGE_HAS("driver.");
            failed = true;
            got = got == BB_E_DEVICE_LOST ? got : bb_manager_synchronize(m, BB_SEC(HANG_SECONDS));
        }
        if (got == BB_E_DEVICE_LOST) {
            /* The manager keeps its last epoch, and the updates that were not published. */
            TEST_ASSERT_EQUAL_UINT64(epoch - 1, epoch_of(m));
            EXPECT(BB_E_DEVICE_LOST, bb_manager_synchronize(m, BB_SEC(HANG_SECONDS)));
            break;
        }
        expect_status(BB_OK, got, "bb_manager_synchronize", __LINE__);
        check_state(m, model, COUNT_OF_STATE);
    }
    failed |= atomic_load(&d.fail_at) == 0; /* a copy that fails is replaced by a write */
    OK(bb_manager_destroy(m));
    destroy(device, &d);
    return failed;
}

static void a_failure_of_any_call_of_a_publish_loses_nothing(void) {
    static const bb_status statuses[] = {BB_E_BACKEND, BB_E_OUT_OF_MEMORY, BB_E_DEVICE_LOST};
    for (size_t i = 0; i < LENGTH(statuses); i++) {
        uint64_t call = 1;
        while (publish_with_failure(call, statuses[i])) {
            call++;
            TEST_ASSERT_TRUE_MESSAGE(call < MOST_CALLS, "no end of calls");
        }
        TEST_ASSERT_TRUE_MESSAGE(call > 12, "the script makes driver calls");
    }
}

static void a_failure_while_a_manager_is_made_leaves_nothing(void) {
    for (uint64_t call = 1; call <= 5; call++) { /* create, write, submit, export_fence, wait */
        static host_driver d;
        bb_device *device = open_driver(0, &d);
        atomic_store(&d.fail_at, call);
        make_manager(device, call == 5 ? BB_E_DEVICE_LOST : BB_E_BACKEND);
        MESSAGE_HAS("driver.");
        if (call != 5) {
            OK(bb_manager_destroy(make_manager(device, BB_OK)));
        }
        destroy(device, &d);
    }
}

typedef struct waiting {
    bb_device *device;
    bb_dynamic *ring;
    bb_status status;
    atomic_bool waits, may_go_on;
} waiting;

/* A full ring whose only frame does not complete: an update waits for space. */
static void fill_ring(waiting *w, uint32_t flags, host_driver *d) {
    bb_dynamic_slice slice;
    bb_dynamic_config config;
    *w = (waiting){.device = open_driver(flags, d)};
    OK(bb_dynamic_config_init(&config));
    config.size = 8, config.frames = 1, config.usage = BB_USAGE_COPY_SRC;
    config.policy = BB_RING_BLOCK, config.timeout_ns = BB_SEC(HANG_SECONDS);
    OK(bb_dynamic_create(w->device, &config, &w->ring));
    OK(bb_dynamic_update(w->ring, "0123456", 8, &slice));
    atomic_store(&d->held, true);
    OK(bb_dynamic_end_frame(w->ring));
}

static void wait_for_space(waiting *w, int32_t (*check)(void *)) {
    bb_dynamic_slice slice;
    THREAD_OK(bb_set_wait_check(check, w, NULL));
    w->status = bb_dynamic_update(w->ring, "0123456", 8, &slice);
    THREAD_OK(bb_set_wait_check(NULL, NULL, NULL));
}

static void ended_while_a_call_waits(waiting *w, const host_driver *d) {
    TEST_ASSERT_EQUAL_INT(BB_E_DEVICE_LOST, w->status);
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&d->drops));
    OK(bb_dynamic_destroy(w->ring));
}

/* Runs inside of the call that waits for space. */
static int32_t until_the_test_goes_on(void *user_data) {
    waiting *const w = user_data;
    atomic_store(&w->waits, true);
    while (!atomic_load(&w->may_go_on)) {
        nap();
    }
    return 0;
}

static void *wait_for_space_elsewhere(void *w) {
    wait_for_space(w, until_the_test_goes_on);
    return NULL;
}

static void a_call_that_waits_for_space_does_not_keep_the_driver(void) {
    static host_driver d;
    static waiting w;
    fill_ring(&w, 0, &d);
    const pthread_t thread = start(wait_for_space_elsewhere, &w);
    EVENTUALLY(atomic_load(&w.waits));
    destroy(w.device, &d); /* the other thread is inside of its call until after this */
    atomic_store(&w.may_go_on, true);
    join(thread);
    ended_while_a_call_waits(&w, &d);
}

static int32_t destroy_the_device(void *user_data) {
    waiting *const w = user_data;
    if (!atomic_exchange(&w->waits, true)) {
        THREAD_OK(bb_device_destroy(w->device));
    }
    return 0;
}

static void a_device_is_destroyed_inside_of_a_call_that_waits_for_space(void) {
    for (uint32_t flags = 0; flags <= BB_DEVICE_HOST_DRIVEN; flags += BB_DEVICE_HOST_DRIVEN) {
        static host_driver d;
        static waiting w;
        fill_ring(&w, flags, &d);
        wait_for_space(&w, destroy_the_device);
        TEST_ASSERT_TRUE(atomic_load(&w.waits));
        TEST_ASSERT_EQUAL_INT(1, atomic_load(&d.closes));
        ended_while_a_call_waits(&w, &d);
    }
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_device_reports_what_its_driver_wrote);
    RUN_TEST(all_calls_are_made_on_the_owner_thread);
    RUN_TEST(a_driver_cannot_use_its_own_device);
    RUN_TEST(every_required_function_is_named_if_it_is_null);
    RUN_TEST(optional_functions_may_be_null);
    RUN_TEST(tables_of_other_versions);
    RUN_TEST(a_driver_that_cannot_open_leaves_no_device);
    RUN_TEST(infos_out_of_range_are_refused_by_name);
    RUN_TEST(a_handle_that_is_none_is_refused);
    RUN_TEST(an_address_that_cannot_be_one_is_refused);
    RUN_TEST(fences_that_cannot_have_passed_lose_the_device);
    RUN_TEST(statuses_that_no_driver_returns_are_failures_of_the_backend);
    RUN_TEST(a_driver_explains_its_failures);
    RUN_TEST(a_config_names_the_device_of_a_manager);
    RUN_TEST(a_failure_of_any_call_of_a_publish_loses_nothing);
    RUN_TEST(a_failure_while_a_manager_is_made_leaves_nothing);
    RUN_TEST(a_call_that_waits_for_space_does_not_keep_the_driver);
    RUN_TEST(a_device_is_destroyed_inside_of_a_call_that_waits_for_space);
    return UNITY_END();
}
