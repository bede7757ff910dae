/* Devices: creation, queries, polling, destruction, and refusals. Without OpenGL its tests are skipped. */
#include "support.h"

static bb_device *host(uint32_t flags, const char *label) {
    bb_device *device = NULL;
    OK(bb_device_create_host(flags, label, &device));
    return device;
}

static bb_device_info device_info(bb_device *device) {
    bb_device_info info;
    OK(bb_device_info_get(device, sizeof info, &info));
    return info;
}

/* Refused by that status, and with nothing made. */
static void refused(bb_status want, uint32_t flags, bb_gl_get_proc get_proc, const bb_gl_config *config,
                    const char *text, UNITY_LINE_TYPE line) {
    bb_device *device = NULL;
    expect_status(want, bb_device_create_gl(flags, get_proc, config, &device), "bb_device_create_gl", line);
    expect_message(text, line);
    TEST_ASSERT_NULL(device);
}
#define REFUSED(want, flags, get_proc, config, text) refused(want, flags, get_proc, config, text, __LINE__)

static void *nothing_is_found(const char *name) { return (void)name, NULL; }

/* --- on host memory --- */

static void a_device_reports_its_properties(void) {
    bb_device *device = host(0, "oracle");
    const bb_device_info info = device_info(device);
    TEST_ASSERT_EQUAL_UINT32(sizeof info, info.struct_size);
    TEST_ASSERT_EQUAL_UINT32(BB_DEVICE_HOST, info.kind);
    TEST_ASSERT_EQUAL_STRING("oracle", info.label);
    CHECK(info.name[0] != '\0' && info.max_buffer_size > UINT32_MAX);
    CHECK(info.uniform_offset_alignment > 0 && info.storage_offset_alignment > 0);
    const bb_device_stats stats = device_stats(device);
    CHECK(stats.lost == 0 && stats.buffers_created == 0 && stats.live_bytes == 0 && stats.submits == 0);
    static text report;
    OK(bb_device_leak_report(device, text_write, &report));
    TEST_ASSERT_EQUAL_size_t(0, report.length);
    OK(bb_device_destroy(device));
    EXPECT(BB_E_STALE, bb_device_destroy(device));
    OK(bb_device_destroy(NULL));
}

static void labels_are_cut_and_checked(void) {
    char much[200];
    memset(much, 'x', sizeof much - 1);
    much[sizeof much - 1] = '\0';
    bb_device *device = host(0, much);
    TEST_ASSERT_EQUAL_size_t(63, strlen(device_info(device).label));
    OK(bb_device_destroy(device));
    device = host(0, NULL);
    TEST_ASSERT_EQUAL_STRING("", device_info(device).label);
    OK(bb_device_destroy(device));
    device = NULL;
    EXPECT(BB_E_ARGUMENT, bb_device_create_host(0, "\xff", &device));
    MESSAGE_HAS("label");
    EXPECT(BB_E_ARGUMENT, bb_device_create_host(2, NULL, &device));
    MESSAGE_HAS("flags");
    TEST_ASSERT_NULL(device);
}

static void null_is_refused_by_name(void) {
    bb_device *device = host(0, NULL);
    EXPECT(BB_E_NULL, bb_device_create_host(0, NULL, NULL));
    MESSAGE_HAS("device");
    EXPECT(BB_E_NULL, bb_device_create_gl(0, NULL, NULL, NULL));
    MESSAGE_HAS("device");
    EXPECT(BB_E_NULL, bb_device_info_get(device, sizeof(bb_device_info), NULL));
    MESSAGE_HAS("info");
    EXPECT(BB_E_NULL, bb_device_stats_get(device, sizeof(bb_device_stats), NULL));
    MESSAGE_HAS("stats");
    EXPECT(BB_E_NULL, bb_device_leak_report(device, NULL, NULL));
    MESSAGE_HAS("write");
    OK(bb_device_destroy(device));
}

static void outputs_of_other_versions(void) {
    bb_device *device = host(0, "versions");
    struct {
        bb_device_stats stats;
        uint64_t tail[4];
    } stats;
    memset(&stats, 0xA5, sizeof stats);
    const uint32_t older = offsetof(bb_device_stats, live_bytes);
    OK(bb_device_stats_get(device, older, &stats.stats));
    TEST_ASSERT_EQUAL_UINT32(older, stats.stats.struct_size);
    TEST_ASSERT_EACH_EQUAL_HEX8(0xA5, (char *)&stats + older, sizeof stats - older);
    EXPECT(BB_E_VERSION, bb_device_stats_get(device, 0, &stats.stats));
    EXPECT(BB_E_VERSION, bb_device_info_get(device, 3, &(bb_device_info){0}));
    OK(bb_device_destroy(device));
}

static void a_manager_on_opengl_needs_a_device_on_opengl(void) {
    bb_device *device = host(0, NULL);
    bb_manager *m = NULL;
    EXPECT(BB_E_ARGUMENT, bb_manager_create_gl(device, BB_U8, 1, SHAPE(8), NULL, &m));
    MESSAGE_HAS("bb_device_create_gl");
    TEST_ASSERT_NULL(m);
    OK(bb_device_destroy(device));
}

/* --- driven by the host --- */

static void *not_the_owner(void *device) {
    THREAD_CHECK(bb_device_poll(device, 0) == BB_E_WRONG_THREAD);
    THREAD_CHECK(bb_device_destroy(device) == BB_E_WRONG_THREAD);
    THREAD_CHECK(bb_handle_check(device) == BB_OK); /* it is still there */
    return NULL;
}

static void a_host_driven_device_belongs_to_its_thread(void) {
    bb_device *device = host(BB_DEVICE_HOST_DRIVEN, "driven");
    OK(bb_device_poll(device, 0));
    OK(bb_device_poll(device, BB_MS(1)));
    OK(bb_device_poll(device, BB_FOREVER)); /* all there is, and that is nothing */
    join(start(not_the_owner, device));
    OK(bb_device_poll(device, 0));
    OK(bb_device_destroy(device));
    device = host(0, "by itself");
    EXPECT(BB_E_STATE, bb_device_poll(device, 0));
    OK(bb_device_destroy(device));
}

static void *create_and_destroy(void *kind) {
    for (int i = 0; i < rounds(25); i++) {
        bb_device *device = NULL;
        const uint32_t flags = i % 2 == 0 ? 0 : BB_DEVICE_HOST_DRIVEN;
        THREAD_OK(kind == NULL ? bb_device_create_host(flags, "one of many", &device)
                               : bb_device_create_gl(0, NULL, NULL, &device));
        THREAD_OK(bb_device_destroy(device));
    }
    return NULL;
}

static void on_many_threads(void *kind) {
    pthread_t threads[8];
    for (size_t i = 0; i < LENGTH(threads); i++) {
        threads[i] = start(create_and_destroy, kind);
    }
    for (size_t i = 0; i < LENGTH(threads); i++) {
        join(threads[i]);
    }
}

static void many_threads_make_and_end_devices(void) { on_many_threads(NULL); }

static void devices_are_in_the_dump(void) {
    bb_device *device = host(0, "a device in the dump");
    static text dump;
    OK(bb_debug_dump(text_write, &dump));
    CHECK(strstr(dump.bytes, "a device in the dump") != NULL);
    OK(bb_device_destroy(device));
}

/* --- on OpenGL: what is refused before any driver is asked --- */

static void arguments_must_fit_together(void) {
    bb_gl_config config = {.struct_size = sizeof config, .egl_display = &config, .egl_context = &config};
    REFUSED(BB_E_NULL, BB_DEVICE_HOST_DRIVEN, NULL, NULL, "get_proc");
    REFUSED(BB_E_ARGUMENT, 0, nothing_is_found, NULL, "get_proc");
    REFUSED(BB_E_ARGUMENT, BB_DEVICE_HOST_DRIVEN, nothing_is_found, &config, "egl_context");
    REFUSED(BB_E_ARGUMENT, 4, NULL, NULL, "flags");
    config.egl_context = NULL;
    REFUSED(BB_E_NULL, 0, NULL, &config, "egl_context");
    config.egl_display = NULL, config.egl_context = &config;
    REFUSED(BB_E_NULL, 0, NULL, &config, "egl_display");
    config = (bb_gl_config){.struct_size = 2};
    REFUSED(BB_E_VERSION, 0, NULL, &config, "struct_size");
    config = (bb_gl_config){.struct_size = sizeof config, .label = "\xff"};
    REFUSED(BB_E_ARGUMENT, 0, NULL, &config, "label");
}

static void without_an_egl_driver_the_reason_is_reported_and_the_rest_works(void) {
    const pid_t child = fork(); /* before anything here has loaded libEGL */
    if (child == 0) {
        bb_device *device = NULL;
        (void)setenv("__EGL_VENDOR_LIBRARY_DIRS", "/nonexistent", 1);
        (void)setenv("__EGL_VENDOR_LIBRARY_FILENAMES", "", 1);
        const bool right = bb_device_create_gl(0, NULL, NULL, &device) == BB_E_UNSUPPORTED && device == NULL &&
                           strstr(bb_last_error(), "EGL") != NULL;
        _exit(right && bb_device_create_host(0, NULL, &device) == BB_OK && bb_device_destroy(device) == BB_OK ? 0 : 1);
    }
    TEST_ASSERT_EQUAL_INT(0, child_exit_code(child));
}

/* --- on WebGPU: its own backend for tests, which needs no driver --- */

static bb_status create_wgpu(uint32_t flags, const char *adapter, bb_device **device) {
    const bb_wgpu_config config = {.struct_size = sizeof config, .label = "webgpu", .adapter = adapter};
    return bb_device_create_wgpu(flags, &config, device);
}

static void webgpu_is_refused_by_name(void) {
    bb_device *device = NULL;
    bb_wgpu_config config = {.struct_size = sizeof config};
    EXPECT(BB_E_NULL, bb_device_create_wgpu(0, &config, NULL));
    MESSAGE_HAS("device");
    EXPECT(BB_E_ARGUMENT, bb_device_create_wgpu(2, &config, &device));
    MESSAGE_HAS("flags");
    config.label = "\xff";
    EXPECT(BB_E_ARGUMENT, bb_device_create_wgpu(0, &config, &device));
    MESSAGE_HAS("config.label");
    config.label = NULL, config.adapter = "\xff";
    EXPECT(BB_E_ARGUMENT, bb_device_create_wgpu(0, &config, &device));
    MESSAGE_HAS("config.adapter");
    config.adapter = NULL, config.reserved = 1;
    EXPECT(BB_E_ARGUMENT, bb_device_create_wgpu(0, &config, &device));
    MESSAGE_HAS("config.reserved");
    config.reserved = 0, config.struct_size = 3;
    EXPECT(BB_E_VERSION, bb_device_create_wgpu(0, &config, &device));
    EXPECT(BB_E_UNSUPPORTED, create_wgpu(0, "no adapter is called so", &device));
    TEST_ASSERT_NULL(device);
}

#ifdef BACKBUF_WGPU
static void a_device_on_webgpu_is_one(void) {
    bb_device *device = NULL;
    EXPECT(BB_E_UNSUPPORTED, create_wgpu(0, "no adapter is called so", &device));
    MESSAGE_HAS("no adapter is called so");
    OK(create_wgpu(0, "noop", &device));
    const bb_device_info info = device_info(device);
    TEST_ASSERT_EQUAL_UINT32(BB_DEVICE_WGPU, info.kind);
    TEST_ASSERT_EQUAL_STRING("webgpu", info.label);
    CHECK(strncmp(info.version, "wgpu ", 5) == 0 && info.max_buffer_size > 0);
    bb_manager *m = NULL;
    EXPECT(BB_E_ARGUMENT, bb_manager_create_gl(device, BB_U8, 1, SHAPE(8), NULL, &m));
    EXPECT(BB_E_STATE, bb_device_poll(device, 0));
    OK(bb_device_destroy(device));
    OK(create_wgpu(BB_DEVICE_HOST_DRIVEN, "NOOP", &device));
    OK(bb_device_poll(device, BB_FOREVER));
    join(start(not_the_owner, device));
    OK(bb_device_destroy(device));
}
#else
static void a_build_without_webgpu_says_so(void) {
    bb_device *device = NULL;
    EXPECT(BB_E_UNSUPPORTED, create_wgpu(0, NULL, &device));
    MESSAGE_HAS("no WebGPU");
    EXPECT(BB_E_UNSUPPORTED, bb_device_create_wgpu(0, NULL, &device));
    TEST_ASSERT_NULL(device);
}
#endif

/* --- on OpenGL --- */

static gl_context own;

static void a_headless_device_names_its_renderer(void) {
    bb_device *device = NULL;
    bb_gl_config config = {.struct_size = sizeof config, .label = "headless"};
    OK(bb_device_create_gl(0, NULL, &config, &device));
    const bb_device_info info = device_info(device);
    TEST_ASSERT_EQUAL_UINT32(BB_DEVICE_GL, info.kind);
    TEST_ASSERT_EQUAL_STRING("headless", info.label);
    CHECK(info.name[0] != '\0' && info.version[0] != '\0');
    TEST_ASSERT_EQUAL_UINT64((uint64_t)INT32_MAX - 3, info.max_buffer_size);
    printf("%s, %s, with %s\n", info.name, info.version, info.capabilities);
    EXPECT(BB_E_STATE, bb_device_poll(device, 0));
    OK(bb_device_destroy(device));
    /* An older program knows no more than the label. */
    config.struct_size = offsetof(bb_gl_config, egl_display);
    config.egl_display = &config;
    OK(bb_device_create_gl(0, NULL, &config, &device));
    OK(bb_device_destroy(device));
    CHECK(gl_current(&own) && gl.GetString(GL_RENDERER) != NULL); /* the test's context is as it was */
}

static void many_threads_make_and_end_contexts(void) {
    on_many_threads(&own);
    CHECK(gl_current(&own) && gl.GetString(GL_RENDERER) != NULL);
}

static void foreign_pointers_are_no_contexts(void) {
    bb_gl_config config = {.struct_size = sizeof config, .egl_display = &config, .egl_context = own.context};
    REFUSED(BB_E_ARGUMENT, 0, NULL, &config, "egl_display");
    config.egl_display = own.display, config.egl_context = &config;
    REFUSED(BB_E_ARGUMENT, 0, NULL, &config, "egl_context");
    config.egl_context = own.display;
    REFUSED(BB_E_ARGUMENT, 0, NULL, &config, "egl_context");
}

static void a_context_of_another_api_is_refused(void) {
    gl_context es;
    if (!gl_make(&es, &own, NULL, true)) {
        TEST_IGNORE_MESSAGE("EGL gives no context of OpenGL ES");
    }
    const bb_gl_config config = {.struct_size = sizeof config, .egl_display = es.display, .egl_context = es.context};
    REFUSED(BB_E_ARGUMENT, 0, NULL, &config, "another API");
    gl_end(&es);
    CHECK(gl_current(&own));
}

static void *share_what_is_current_elsewhere(void *out) {
    const bb_gl_config config = {.struct_size = sizeof config, .egl_display = own.display, .egl_context = own.context};
    THREAD_OK(bb_device_create_gl(0, NULL, &config, out));
    return NULL;
}

static void a_context_that_is_current_elsewhere_can_be_shared(void) {
    bb_device *device = NULL;
    join(start(share_what_is_current_elsewhere, &device));
    bb_manager *m = NULL;
    OK(bb_manager_create_gl(device, BB_U32, 1, SHAPE(4), NULL, &m));
    bb_gl_front front;
    OK(bb_manager_acquire_front_gl(m, &front));
    CHECK(gl.IsBuffer(front.buffer));
    OK(bb_lease_release_gl(front.lease));
    OK(bb_manager_destroy(m));
    OK(bb_device_destroy(device));
}

static void *all_but_fences(const char *name) {
    return strcmp(name, "glFenceSync") == 0 ? NULL : egl.GetProcAddress(name);
}

static void a_host_that_finds_no_functions_is_refused(void) {
    REFUSED(BB_E_UNSUPPORTED, BB_DEVICE_HOST_DRIVEN, nothing_is_found, NULL, "gl");
    REFUSED(BB_E_UNSUPPORTED, BB_DEVICE_HOST_DRIVEN, all_but_fences, NULL, "glFenceSync");
    CHECK(gl.GetError() == 0);
}

static void a_host_without_a_current_context_is_refused(void) {
    gl_leave(&own);
    bb_device *device = NULL;
    const bb_status status = bb_device_create_gl(BB_DEVICE_HOST_DRIVEN, egl.GetProcAddress, NULL, &device);
    CHECK(gl_current(&own));
    expect_status(BB_E_STATE, status, "no context is current", __LINE__);
    MESSAGE_HAS("current");
}

static void *use_elsewhere(void *device) {
    (void)not_the_owner(device);
    bb_manager *m = NULL;
    bb_manager_config config = defaults("not polled");
    config.watchdog_ns = BB_MS(5);
    THREAD_CHECK(bb_manager_create_gl(device, BB_U32, 1, SHAPE(4), &config, &m) == BB_E_TIMEOUT);
    return NULL;
}

static void a_host_driven_device_is_its_threads_alone(void) {
    bb_device *device = NULL;
    OK(bb_device_create_gl(BB_DEVICE_HOST_DRIVEN, egl.GetProcAddress, NULL, &device));
    join(start(use_elsewhere, device));
    OK(bb_device_poll(device, BB_FOREVER));
    bb_manager *m = NULL;
    OK(bb_manager_create_gl(device, BB_U32, 1, SHAPE(4), NULL, &m));
    OK(bb_manager_destroy(m));
    OK(bb_device_poll(device, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(0, device_stats(device).live_bytes);
    OK(bb_device_destroy(device));
    CHECK(gl.GetError() == 0);
}

static void a_host_that_ends_its_context_first_gets_a_status(void) {
    gl_context host_context = gl_beside(&own);
    CHECK(gl_current(&host_context));
    bb_device *device = NULL;
    bb_manager *m = NULL;
    OK(bb_device_create_gl(BB_DEVICE_HOST_DRIVEN, egl.GetProcAddress, NULL, &device));
    OK(bb_manager_create_gl(device, BB_U32, 1, SHAPE(4), NULL, &m));
    gl_leave(&host_context);
    gl_end(&host_context);
    OK(put_u32(m, 1, 7, 0));
    CHECK(bb_manager_synchronize(m, BB_MS(100)) != BB_OK);
    TEST_ASSERT_EQUAL_UINT32(0, get_u32(m, 1)); /* not published, and not lost */
    OK(bb_device_destroy(device));
    EXPECT(BB_E_DEVICE_LOST, bb_manager_synchronize(m, BB_MS(100)));
    OK(bb_manager_destroy(m));
    CHECK(gl_current(&own));
}

/* Another context's names are not the device's: it waits for its own. */
static void what_cannot_be_deleted_yet_is_deleted_later(void) {
    bb_device *device = NULL;
    bb_buffer *buffer = NULL, *other = NULL;
    uint64_t name = 0, other_name = 0;
    const bb_buffer_desc desc = {.struct_size = sizeof desc, .size = 64, .usage = BB_USAGE_VERTEX, .label = "late"};
    OK(bb_device_create_gl(BB_DEVICE_HOST_DRIVEN, egl.GetProcAddress, NULL, &device));
    OK(bb_buffer_create(device, &desc, &buffer));
    OK(bb_buffer_native(buffer, &name));
    CHECK(gl.IsBuffer((uint32_t)name));
    gl_leave(&own);
    OK(bb_buffer_release(buffer));
    (void)bb_device_poll(device, BB_FOREVER);
    CHECK(gl_current(&own) && gl.IsBuffer((uint32_t)name));
    OK(bb_buffer_create(device, &desc, &other));
    OK(bb_buffer_native(other, &other_name));
    OK(bb_buffer_release(other));
    OK(bb_device_poll(device, BB_FOREVER));
    CHECK(!gl.IsBuffer((uint32_t)name) && !gl.IsBuffer((uint32_t)other_name));
    OK(bb_device_destroy(device));
    CHECK(gl.GetError() == 0);
}

/* What it shares with goes first: objects live on with those that share them. */
static void a_shared_context_may_end_before_the_device(void) {
    gl_context first;
    TEST_ASSERT_TRUE(gl_make(&first, &own, NULL, false));
    bb_device *device = device_beside(&first, "survivor");
    gl_end(&first);
    bb_manager *m = NULL;
    OK(bb_manager_create_gl(device, BB_U32, 1, SHAPE(4), NULL, &m));
    OK(put_u32(m, 1, 7, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(7, get_u32(m, 1));
    OK(bb_manager_destroy(m));
    OK(bb_device_destroy(device));
}

static void a_buffer_may_have_no_more_than_2_gib(void) {
    bb_device *device = device_beside(&own, "limit");
    bb_manager *m = NULL;
    EXPECT(BB_E_LIMIT, bb_manager_create_gl(device, BB_U8, 1, SHAPE((uint64_t)INT32_MAX + 1), NULL, &m));
    MESSAGE_HAS("shape");
    EXPECT(BB_E_LIMIT, bb_manager_create_gl(device, BB_F64, 2, SHAPE(1 << 20, 1 << 20), NULL, &m));
    EXPECT(BB_E_RANGE, bb_manager_create_gl(device, BB_F64, 2, SHAPE(UINT64_MAX, 2), NULL, &m));
    TEST_ASSERT_NULL(m);
    TEST_ASSERT_EQUAL_UINT64(0, device_stats(device).buffers_created);
    OK(bb_device_destroy(device));
}

static void the_leak_report_names_each_buffer(void) {
    bb_device *device = device_beside(&own, "leaky");
    bb_manager *m = NULL;
    const bb_manager_config config = defaults("the owner");
    OK(bb_manager_create_gl(device, BB_U32, 1, SHAPE(1000), &config, &m));
    static text report;
    OK(bb_device_leak_report(device, text_write, &report));
    CHECK(strstr(report.bytes, "the owner") != NULL && strstr(report.bytes, "4000") != NULL);
    CHECK(device_stats(device).live_bytes >= 4000);
    OK(bb_manager_destroy(m));
    EVENTUALLY(device_stats(device).live_bytes == 0);
    const bb_device_stats stats = device_stats(device);
    TEST_ASSERT_EQUAL_UINT64(stats.buffers_created, stats.buffers_deleted);
    report.length = 0;
    OK(bb_device_leak_report(device, text_write, &report));
    TEST_ASSERT_EQUAL_size_t(0, report.length);
    OK(bb_device_destroy(device));
}

static void capabilities_can_be_hidden_but_not_misspelt(void) {
    const char *before = getenv("BACKBUF_GL_CAPS");
    char *const kept = before == NULL ? NULL : strdup(before);
    bb_device *device = NULL;
    (void)setenv("BACKBUF_GL_CAPS", "none", 1);
    OK(bb_device_create_gl(0, NULL, NULL, &device));
    TEST_ASSERT_EQUAL_STRING("", device_info(device).capabilities);
    OK(bb_device_destroy(device));
    (void)setenv("BACKBUF_GL_CAPS", "buffer_storge", 1);
    REFUSED(BB_E_ARGUMENT, 0, NULL, NULL, "buffer_storge");
    if (kept == NULL) {
        (void)unsetenv("BACKBUF_GL_CAPS");
    } else {
        (void)setenv("BACKBUF_GL_CAPS", kept, 1);
    }
    free(kept);
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(without_an_egl_driver_the_reason_is_reported_and_the_rest_works);
    RUN_TEST(a_device_reports_its_properties);
    RUN_TEST(labels_are_cut_and_checked);
    RUN_TEST(null_is_refused_by_name);
    RUN_TEST(outputs_of_other_versions);
    RUN_TEST(a_manager_on_opengl_needs_a_device_on_opengl);
    RUN_TEST(a_host_driven_device_belongs_to_its_thread);
    RUN_TEST(many_threads_make_and_end_devices);
    RUN_TEST(devices_are_in_the_dump);
    RUN_TEST(arguments_must_fit_together);
    RUN_TEST(webgpu_is_refused_by_name);
#ifdef BACKBUF_WGPU
    RUN_TEST(a_device_on_webgpu_is_one);
#else
    RUN_TEST(a_build_without_webgpu_says_so);
#endif
    const int failed = UNITY_END();
    if (failed != 0) {
        return failed;
    }
    own = gl_open();
    UNITY_BEGIN();
    RUN_TEST(a_headless_device_names_its_renderer);
    RUN_TEST(many_threads_make_and_end_contexts);
    RUN_TEST(foreign_pointers_are_no_contexts);
    RUN_TEST(a_context_of_another_api_is_refused);
    RUN_TEST(a_context_that_is_current_elsewhere_can_be_shared);
    RUN_TEST(a_host_that_finds_no_functions_is_refused);
    RUN_TEST(a_host_without_a_current_context_is_refused);
    RUN_TEST(a_host_driven_device_is_its_threads_alone);
    RUN_TEST(a_host_that_ends_its_context_first_gets_a_status);
    RUN_TEST(what_cannot_be_deleted_yet_is_deleted_later);
    RUN_TEST(a_shared_context_may_end_before_the_device);
    RUN_TEST(a_buffer_may_have_no_more_than_2_gib);
    RUN_TEST(the_leak_report_names_each_buffer);
    RUN_TEST(capabilities_can_be_hidden_but_not_misspelt);
    return UNITY_END();
}
