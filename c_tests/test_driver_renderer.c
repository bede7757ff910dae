/* Renderers of a driver in C: uploads and draws wait for each other on the device, fences end, and no renderer is called after the
 * driver closes. */
#include "driver.h"

static void the_functions_of_renderers_are_given_all_or_none(void) {
    static host_driver d;
    static const driver_function functions[] = {ROW(export_fence),   ROW(import_fence),  ROW(discard_fence),
                                                ROW(check_renderer), ROW(renderer_wait), ROW(renderer_fence),
                                                ROW(renderer_reap)};
    for (size_t i = 0; i < LENGTH(functions); i++) {
        host_init(&d);
        bb_driver table = host_table(&d);
        memset((char *)&table + functions[i].offset, 0, sizeof table.open);
        REFUSED(BB_E_NULL, &table, functions[i].name);
        table = host_table(&d);
        without_renderers(&table);
        memcpy((char *)&table + functions[i].offset, (const char *)&(bb_driver){.open = host_open}.open,
               sizeof table.open);
        REFUSED(BB_E_NULL, &table, "driver.");
    }
}

static void publish_u32(bb_manager *m, uint32_t value, uint64_t timeout, bb_status want) {
    OK(put_u32(m, 0, value, BB_FOREVER));
    EXPECT(want, bb_manager_synchronize(m, timeout));
}

static void uploads_wait_for_renderers_and_renderers_for_uploads(void) {
    static host_driver d;
    bb_device *device = open_driver(0, &d);
    bb_manager *m = make_double(device);
    bb_device_front front = device_front(m);
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&d.waits));
    atomic_store(&d.draws, true);
    OK(bb_lease_release_gl(front.lease)); /* the work of the renderer is queued, not done */
    publish_u32(m, 5, BB_FOREVER, BB_OK); /* to the other copy */
    front = device_front(m);
    TEST_ASSERT_EQUAL_INT(2, atomic_load(&d.waits));
    TEST_ASSERT_EQUAL_UINT32(5, device_u32(&front));
    OK(bb_lease_release(front.lease)); /* nothing was drawn: no fence */
    publish_u32(m, 6, BB_MS(20), BB_E_TIMEOUT);
    TEST_ASSERT_EQUAL_UINT32(5, get_u32(m, 0));
    atomic_store(&d.draws, false);
    OK(bb_manager_synchronize(m, BB_FOREVER));
    front = device_front(m);
    TEST_ASSERT_EQUAL_UINT32(6, device_u32(&front));
    OK(bb_lease_release(front.lease));
    OK(bb_manager_destroy(m));
    EVENTUALLY(atomic_load(&d.fences) == 0);
    destroy(device, &d);
}

static void a_front_that_is_drawn_from_for_long_accumulates_no_fences(void) {
    static host_driver d;
    bb_device *device = open_driver(0, &d);
    bb_manager *m = make_double(device);
    for (int i = 0; i < 100; i++) {
        OK(bb_lease_release_gl(device_front(m).lease));
    }
    CHECK(atomic_load(&d.fences) < 20);
    OK(bb_manager_destroy(m));
    EVENTUALLY(atomic_load(&d.fences) == 0);
    destroy(device, &d);
}

static void a_thread_that_cannot_use_the_buffers_is_refused(void) {
    static host_driver d;
    bb_device *device = open_driver(0, &d);
    bb_manager *m = make_double(device);
    bb_device_front front;
    atomic_store(&d.no_context, true);
    EXPECT(BB_E_STATE, bb_manager_acquire_front_device(m, &front));
    MESSAGE_HAS("driver.check_renderer");
    atomic_store(&d.no_context, false);
    front = device_front(m);
    atomic_store(&d.no_context, true);
    EXPECT(BB_E_STATE, bb_lease_release_gl(front.lease)); /* still leased */
    atomic_store(&d.no_context, false);
    OK(bb_lease_release_gl(front.lease));
    EXPECT(BB_E_STALE, bb_lease_release_gl(front.lease));
    OK(bb_manager_destroy(m));
    destroy(device, &d);
}

static void a_fence_that_was_not_imported_is_waited_for_later(void) {
    static host_driver d;
    bb_device *device = open_driver(0, &d);
    bb_manager *m = make_double(device);
    OK(bb_lease_release_gl(device_front(m).lease));
    publish_u32(m, 5, BB_FOREVER, BB_OK);
    atomic_store(&d.draws, true);
    atomic_store(&d.fail_at, 1); /* the import */
    publish_u32(m, 6, BB_FOREVER, BB_E_BACKEND);
    MESSAGE_HAS("driver.import_fence");
    TEST_ASSERT_EQUAL_UINT64(0, atomic_load(&d.fail_at));
    EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(m, BB_MS(20)));
    atomic_store(&d.draws, false);
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(6, get_u32(m, 0));
    OK(bb_manager_destroy(m));
    destroy(device, &d);
}

static void statistics_have_the_native_calls(void) {
    static host_driver d;
    bb_device *device = open_driver(0, &d);
    bb_manager *m = make_double(device);
    bb_device_stats stats;
    OK(bb_device_stats_get(device, sizeof stats, &stats));
    CHECK(stats.native_calls != 0 && stats.native_calls == atomic_load(&d.works));
    OK(bb_manager_destroy(m));
    destroy(device, &d);
}

/* Renderers draw on several threads while their device is destroyed: no function is called after close. */
typedef struct drawing {
    bb_manager *m;
    atomic_bool begun;
} drawing;

static void *draw_until_lost(void *argument) {
    drawing *const shared = argument;
    bb_device_front front;
    bb_status status;
    while ((status = bb_manager_acquire_front_device(shared->m, &front)) == BB_OK) {
        atomic_store(&shared->begun, true);
        THREAD_OK(bb_lease_release_gl(front.lease));
    }
    THREAD_CHECK(status == BB_E_DEVICE_LOST);
    return NULL;
}

static void no_renderer_is_called_after_close(void) {
    static host_driver d;
    for (int i = 0; i < rounds(20); i++) {
        bb_device *device = open_driver(0, &d);
        drawing shared = {.m = make_double(device)};
        pthread_t threads[3];
        for (size_t k = 0; k < LENGTH(threads); k++) {
            threads[k] = start(draw_until_lost, &shared);
        }
        EVENTUALLY(atomic_load(&shared.begun));
        destroy(device, &d);
        for (size_t k = 0; k < LENGTH(threads); k++) {
            join(threads[k]);
        }
        TEST_ASSERT_EQUAL_INT(0, atomic_load(&d.late));
        OK(bb_manager_destroy(shared.m));
    }
}

static atomic_bool is_inside, is_ending;

/* Stays inside until the device is being destroyed, and somewhat longer. */
static int32_t check_slowly(void *self) {
    host_driver *const d = self;
    atomic_store(&is_inside, true);
    while (!atomic_load(&is_ending)) {
        nap();
    }
    for (int i = 0; i < 100; i++) {
        nap();
        atomic_fetch_add(&d->late, atomic_load(&d->closes) != 0);
    }
    return BB_OK;
}

static void *acquire_slowly(void *m) {
    bb_device_front front;
    if (bb_manager_acquire_front_device(m, &front) == BB_OK) {
        THREAD_OK(bb_lease_release(front.lease));
    }
    return NULL;
}

static void close_waits_for_the_functions_of_renderers(void) {
    static host_driver d;
    host_init(&d);
    bb_driver table = host_table(&d);
    bb_device *device = NULL;
    table.check_renderer = check_slowly;
    OK(bb_device_create_driver(0, NULL, &table, &device));
    bb_manager *m = make_double(device);
    const pthread_t thread = start(acquire_slowly, m);
    EVENTUALLY(atomic_load(&is_inside));
    atomic_store(&is_ending, true);
    OK(bb_device_destroy(device));
    join(thread);
    EVENTUALLY(atomic_load(&d.drops) == 1);
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&d.late));
    OK(bb_manager_destroy(m));
}

static bb_device *own;
static bb_status inside_renderer;
static int32_t destroy_own_device(void *self) {
    (void)self;
    inside_renderer = own == NULL ? BB_OK : bb_device_destroy(own);
    own = NULL;
    return BB_OK;
}

static void a_device_that_is_destroyed_inside_of_its_renderer_is_kept(void) {
    static host_driver d;
    host_init(&d);
    bb_driver table = host_table(&d);
    bb_device *device = NULL;
    own = NULL;
    table.check_renderer = destroy_own_device;
    OK(bb_device_create_driver(BB_DEVICE_HOST_DRIVEN, NULL, &table, &device));
    bb_manager *m = make_double(device);
    bb_device_front front;
    own = device;
    (void)bb_manager_acquire_front_device(m, &front); /* misuse: no crash, and nothing of the driver ends */
    OK(inside_renderer);
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&d.closes) + atomic_load(&d.drops));
    OK(bb_manager_destroy(m));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(the_functions_of_renderers_are_given_all_or_none);
    RUN_TEST(uploads_wait_for_renderers_and_renderers_for_uploads);
    RUN_TEST(a_front_that_is_drawn_from_for_long_accumulates_no_fences);
    RUN_TEST(a_thread_that_cannot_use_the_buffers_is_refused);
    RUN_TEST(a_fence_that_was_not_imported_is_waited_for_later);
    RUN_TEST(statistics_have_the_native_calls);
    RUN_TEST(no_renderer_is_called_after_close);
    RUN_TEST(close_waits_for_the_functions_of_renderers);
    RUN_TEST(a_device_that_is_destroyed_inside_of_its_renderer_is_kept);
    return UNITY_END();
}
