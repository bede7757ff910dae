/* Part of support.h. With BACKBUF_TEST_DEVICE=gl the managers of a test are on OpenGL: on one device for the program,
 * which shares buffers with a context of the main thread. With BACKBUF_TEST_DEVICE=driver they are on a driver in C
 * (host_driver.h). Each acquired front is then compared with its device copy, on OpenGL by the main thread alone.
 * Otherwise managers are in host memory. */
#ifndef BACKBUF_TEST_ON_DEVICE_H
#define BACKBUF_TEST_ON_DEVICE_H
#include "gl.h"
#include "host_driver.h"

static inline bb_device *device_beside(const gl_context *c, const char *label) {
    bb_device *device = NULL;
    const bb_gl_config config = {
        .struct_size = sizeof config, .label = label, .egl_display = c->display, .egl_context = c->context};
    OK(bb_device_create_gl(0, NULL, &config, &device));
    return device;
}

static inline bb_device_stats device_stats(bb_device *device) {
    bb_device_stats stats;
    OK(bb_device_stats_get(device, sizeof stats, &stats));
    return stats;
}

static struct {
    pthread_once_t once;
    pthread_t thread; /* the thread of the context */
    pid_t process;
    gl_context context;
    host_driver driver;
    bool is_gl;
    bb_device *device; /* NULL: host memory */
} on = {.once = PTHREAD_ONCE_INIT};

/* Destroys a device and checks that nothing leaked, unless a test failed. */
static inline void end_device(bb_device *device) {
    if (getpid() != on.process || Unity.TestFailures != 0) {
        return;
    }
    const uint64_t deadline = now_ns() + BB_SEC(HANG_SECONDS);
    bb_device_stats stats;
    do {
        nap(); /* the owner thread frees buffers */
        OK(bb_device_stats_get(device, sizeof stats, &stats));
    } while (stats.live_bytes != 0 && now_ns() < deadline);
    static text report;
    OK(bb_device_leak_report(device, text_write, &report));
    OK(bb_device_destroy(device));
    if (report.length != 0 || stats.buffers_created != stats.buffers_deleted || stats.lost != 0) {
        (void)fprintf(stderr, "leaked on the device:\n%s", report.bytes);
        (void)fflush(NULL);
        _exit(1);
    }
}

static void end_test_device(void) { end_device(on.device); }

static inline bool is_wanted(const char *device) {
    const char *wanted = getenv("BACKBUF_TEST_DEVICE");
    return strcmp(device, wanted == NULL ? "host" : wanted) == 0;
}

static void open_device(void) {
    on.process = getpid();
    if (is_wanted("host") || is_wanted("wgpu")) {
        return;
    }
    if (is_wanted("driver")) {
        host_init(&on.driver);
        const bb_driver table = host_table(&on.driver);
        OK(bb_device_create_driver(0, "tests", &table, &on.device));
    } else {
        TEST_ASSERT_TRUE_MESSAGE(is_wanted("gl"), "BACKBUF_TEST_DEVICE is host, driver, gl or wgpu");
        on.context = gl_open();
        on.thread = pthread_self();
        on.device = device_beside(&on.context, "tests");
        on.is_gl = true;
    }
    (void)atexit(end_test_device);
}

static inline bb_device *test_device(void) {
    (void)pthread_once(&on.once, open_device);
    return on.device;
}

/* A watchdog short enough to wait for. On a busy machine it must still be longer than the upload of a publish. */
static inline uint64_t short_watchdog(void) { return test_device() == NULL ? BB_MS(10) : BB_SEC(1); }

/* The config with the test's device, in `with_device`; the same one if it has a device, or if it is not to be read. */
static inline const bb_manager_config *config_on_device(const bb_manager_config *config,
                                                        bb_manager_config *with_device) {
    OK(bb_manager_config_init(with_device));
    if (test_device() == NULL ||
        (config != NULL && (config->struct_size != sizeof *with_device || config->device != NULL))) {
        return config;
    }
    *with_device = config == NULL ? *with_device : *config;
    with_device->device = test_device();
    return with_device;
}

static inline bb_status create_on_device(uint32_t dtype, uint32_t ndim, const uint64_t *shape,
                                         const bb_manager_config *config, bb_manager **manager) {
    bb_device *device = test_device();
    if (device != NULL && on.is_gl) {
        return bb_manager_create_gl(device, dtype, ndim, shape, config, manager);
    }
    bb_manager_config with_device;
    return bb_manager_create(dtype, ndim, shape, config_on_device(config, &with_device), manager);
}

static inline bb_status create_fields_on_device(const bb_field *fields, uint64_t count, const bb_manager_config *config,
                                                bb_manager **manager) {
    bb_manager_config with_device;
    return bb_manager_create_fields(fields, count, config_on_device(config, &with_device), manager);
}

static inline bb_status create_group_on_device(bb_registry *r, uint64_t parent, uint32_t space,
                                               const bb_manager_config *config, bb_manager **manager) {
    bb_manager_config with_device;
    return bb_manager_create_from_group(r, parent, space, config_on_device(config, &with_device), manager);
}

/* Larger fronts are not compared: reading them back takes too long. */
#define MOST_COMPARED (1u << 16)

static inline void compare_gl(bb_manager *m, const bb_front *front) {
    bb_gl_front gl_front;
    static unsigned char bytes[MOST_COMPARED];
    OK(bb_manager_acquire_front_gl(m, &gl_front));
    if (gl_front.epoch == front->epoch) {
        TEST_ASSERT_EQUAL_UINT64(front->bytes, gl_front.bytes);
        gl_read(gl_front.buffer, gl_front.offset, gl_front.bytes, bytes);
        TEST_ASSERT_EQUAL_MEMORY_MESSAGE(front->data, bytes, gl_front.bytes, "a front and its OpenGL buffer");
    }
    OK(bb_lease_release_gl(gl_front.lease));
}

static inline void compare_driver(bb_manager *m, const bb_front *front) {
    bb_device_front device_front;
    if (bb_manager_acquire_front_device(m, &device_front) != BB_OK) {
        return; /* the leases may be used up, or the device lost */
    }
    const host_memory *const memory = (const host_memory *)(uintptr_t)device_front.native;
    if (device_front.epoch == front->epoch && memcmp(front->data, memory->data, front->bytes) != 0) {
        thread_check(false, "a front and its device copy are the same", __LINE__);
    }
    thread_check(bb_lease_release(device_front.lease) == BB_OK, "a device front is released", __LINE__);
}

static inline bb_status acquire_on_device(bb_manager *m, bb_front *front) {
    const bb_status status = bb_manager_acquire_front(m, front);
    if (status != BB_OK || front == NULL || on.device == NULL || front->bytes == 0 || front->bytes > MOST_COMPARED) {
        return status;
    }
    if (!on.is_gl) {
        compare_driver(m, front);
    } else if (pthread_equal(pthread_self(), on.thread)) {
        compare_gl(m, front);
    }
    return status;
}

/* The tests call the functions by their usual names. */
#define bb_manager_create create_on_device
#define bb_manager_create_fields create_fields_on_device
#define bb_manager_create_from_group create_group_on_device
#define bb_manager_acquire_front acquire_on_device

#endif
