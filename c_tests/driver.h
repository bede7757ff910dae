/* Devices on host_driver.h for tests of drivers: made, refused, and destroyed with a check of what the driver has seen. */
#ifndef BACKBUF_TEST_DRIVER_H
#define BACKBUF_TEST_DRIVER_H
#include "support.h"
/* The library's own functions, not those of on_device.h. */
#undef bb_manager_create
#undef bb_manager_create_fields
#undef bb_manager_create_from_group
#undef bb_manager_acquire_front
#include <stddef.h>

static inline bb_device *open_driver(uint32_t flags, host_driver *d) {
    bb_device *device = NULL;
    host_init(d);
    const bb_driver table = host_table(d);
    OK(bb_device_create_driver(flags, "tested", &table, &device));
    return device;
}

static inline void destroy(bb_device *device, const host_driver *d) {
    OK(bb_device_destroy(device));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&d->opens));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&d->closes));
    TEST_ASSERT_EQUAL_INT(1, atomic_load(&d->drops));
    TEST_ASSERT_EQUAL_INT_MESSAGE(0, atomic_load(&d->late), "calls before open or after close");
    TEST_ASSERT_EQUAL_INT_MESSAGE(0, atomic_load(&d->left), "buffers are deleted before close");
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&d->live));
}

/* Refused with a message that has this part; nothing is kept. */
static inline void refused(bb_status want, const bb_driver *table, const char *part, UNITY_LINE_TYPE line) {
    bb_device *device = NULL;
    host_driver *const d = table->user_data;
    expect_status(want, bb_device_create_driver(0, "refused", table, &device), "bb_device_create_driver", line);
    expect_message(part, line);
    TEST_ASSERT_NULL(device);
    TEST_ASSERT_EQUAL_INT_MESSAGE(0, atomic_load(&d->drops), "user_data stays the caller's");
    TEST_ASSERT_EQUAL_INT(0, atomic_load(&d->late));
}
#define REFUSED(want, table, part) refused(want, table, part, __LINE__)

/* A function of the table, and what is said if it is missing. */
typedef struct driver_function {
    const char *name;
    size_t offset;
} driver_function;
#define ROW(function) {"driver." #function " is NULL", offsetof(bb_driver, function)}

static inline void without_renderers(bb_driver *table) {
    table->export_fence = NULL, table->import_fence = NULL, table->discard_fence = NULL, table->check_renderer = NULL;
    table->renderer_wait = NULL, table->renderer_fence = NULL, table->renderer_reap = NULL;
}

/* A manager with two copies, so that a publish writes the copy that was the front before. */
static inline bb_manager *make_double(bb_device *device) {
    bb_manager_config config;
    bb_manager *m = NULL;
    OK(bb_manager_config_init(&config));
    config.device = device, config.copies = 2;
    OK(bb_manager_create(BB_U32, 1, SHAPE(16), &config, &m));
    return m;
}

static inline bb_device_front device_front(bb_manager *m) {
    bb_device_front front;
    OK(bb_manager_acquire_front_device(m, &front));
    return front;
}

static inline uint32_t device_u32(const bb_device_front *front) {
    uint32_t value;
    memcpy(&value, ((const host_memory *)(uintptr_t)front->native)->data, sizeof value);
    return value;
}

#endif
