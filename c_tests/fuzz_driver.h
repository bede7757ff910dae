/* A device driver for random calls: it does all work at once, fails now and then, and breaks the contract of bb_driver in
 * every way that is not a wrong address of memory. Its user data is a cell, which counts calls and releases. */
#ifndef BACKBUF_TEST_FUZZ_DRIVER_H
#define BACKBUF_TEST_FUZZ_DRIVER_H
#include "soak.h"

static void cell_called(void *user_data);

static atomic_uint driver_calls;

/* Mostly BB_OK; statuses that drivers return, others, and numbers that are none. */
static int32_t driver_status(void *user_data) {
    static const int32_t wrong[] = {
        BB_E_BACKEND, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_OUT_OF_MEMORY, BB_E_DEVICE_LOST, BB_E_PANIC, 1,
        -1000,        INT32_MIN,          INT32_MAX};
    cell_called(user_data);
    const unsigned call = atomic_fetch_add(&driver_calls, 1);
    return call % 23 == 22 ? wrong[call / 23 % LENGTH(wrong)] : BB_OK;
}

/* Whether this call breaks the contract. */
static bool driver_lies(void) { return atomic_fetch_add(&driver_calls, 1) % 41 == 40; }

static int32_t driver_open(void *user_data, bb_driver_info *info) {
    if (driver_lies()) {
        memset(info->name, 'x', sizeof info->name);
    }
    info->max_buffer_size = driver_lies() ? 3 : 1 << 20;
    info->storage_offset_alignment = driver_lies() ? 3 : 16;
    return driver_status(user_data);
}

static void driver_close(void *user_data) { cell_called(user_data); }

typedef struct driver_memory {
    uint64_t bytes, unused;
    unsigned char data[];
} driver_memory;

static int32_t driver_create_mapped(void *user_data, uint64_t bytes, uint32_t usage, const char *label,
                                    uint64_t *native, void **data) {
    (void)usage;
    const int32_t status = driver_status(user_data);
    driver_memory *const memory =
        status != BB_OK || strlen(label) > 63 || bytes > 1 << 20 ? NULL : calloc(1, sizeof *memory + bytes);
    if (memory == NULL) {
        return status == BB_OK ? BB_E_OUT_OF_MEMORY : status;
    }
    memory->bytes = bytes;
    *native = (uint64_t)(uintptr_t)memory;
    *data = driver_lies() ? NULL : memory->data;
    if (driver_lies()) {
        free(memory); /* a handle of no buffer */
        *native = 0;
    }
    return BB_OK;
}

static int32_t driver_create_buffer(void *user_data, uint64_t bytes, uint32_t usage, const char *label,
                                    uint64_t *native) {
    void *data = NULL;
    return driver_create_mapped(user_data, bytes, usage, label, native, &data);
}

static driver_memory *driver_memory_of(uint64_t native) { return (driver_memory *)(uintptr_t)native; }

static void driver_delete_buffer(void *user_data, uint64_t native) {
    cell_called(user_data);
    free(driver_memory_of(native));
}

static int32_t driver_write(void *user_data, uint64_t native, uint64_t offset, const void *data, uint64_t bytes) {
    memcpy(driver_memory_of(native)->data + offset, data, bytes);
    return driver_status(user_data);
}

static int32_t driver_copy(void *user_data, uint64_t from, uint64_t from_offset, uint64_t to, uint64_t to_offset,
                           uint64_t bytes) {
    memcpy(driver_memory_of(to)->data + to_offset, driver_memory_of(from)->data + from_offset, bytes);
    return driver_status(user_data);
}

static int32_t driver_map(void *user_data, uint64_t native, uint32_t mode, uint64_t offset, uint64_t bytes,
                          void **data) {
    driver_memory *const memory = driver_memory_of(native);
    if (offset + bytes > memory->bytes || (mode != BB_MAP_READ && mode != BB_MAP_WRITE)) {
        abort(); /* the library checks that */
    }
    *data = driver_lies() ? NULL : memory->data + offset;
    return driver_status(user_data);
}

static int32_t driver_unmap(void *user_data, uint64_t native) {
    (void)native;
    return driver_status(user_data);
}

static int32_t driver_submit(void *user_data, uint64_t fence) {
    (void)fence;
    return driver_status(user_data);
}

static int32_t driver_wait(void *user_data, uint64_t fence, uint64_t timeout, uint64_t *completed) {
    (void)timeout;
    *completed = driver_lies() ? fence + 1000 : fence;
    return driver_status(user_data);
}

static const char *driver_error_text(void *user_data) {
    cell_called(user_data);
    return driver_lies() ? "\xff not UTF-8, and longer than the message has space for, whatever it says" : "no text";
}

static uint64_t driver_native_calls(void *user_data) {
    cell_called(user_data);
    return atomic_load(&driver_calls);
}

static int32_t driver_new_fence(void *user_data, uint64_t *fence) {
    *fence = driver_lies() ? 0 : 7;
    return driver_status(user_data);
}

static int32_t driver_import_fence(void *user_data, uint64_t fence) {
    (void)fence;
    return driver_status(user_data);
}

static void driver_end_fence(void *user_data, uint64_t fence) {
    (void)fence;
    cell_called(user_data);
}

static int32_t driver_check_renderer(void *user_data) { return driver_lies() ? BB_E_STATE : driver_status(user_data); }

static bool driver_renderer_reap(void *user_data, uint64_t fence) {
    driver_end_fence(user_data, fence);
    return driver_lies();
}

static uint64_t driver_function(const char *type) {
    static const struct {
        const char *type;
        uintptr_t function;
    } functions_of_drivers[] = {
        {"bb_driver.open", (uintptr_t)driver_open},
        {"bb_driver.close", (uintptr_t)driver_close},
        {"bb_driver.create_buffer", (uintptr_t)driver_create_buffer},
        {"bb_driver.create_mapped", (uintptr_t)driver_create_mapped},
        {"bb_driver.create_persistent", (uintptr_t)driver_create_mapped},
        {"bb_driver.delete_buffer", (uintptr_t)driver_delete_buffer},
        {"bb_driver.write", (uintptr_t)driver_write},
        {"bb_driver.copy", (uintptr_t)driver_copy},
        {"bb_driver.map", (uintptr_t)driver_map},
        {"bb_driver.unmap", (uintptr_t)driver_unmap},
        {"bb_driver.submit", (uintptr_t)driver_submit},
        {"bb_driver.wait", (uintptr_t)driver_wait},
        {"bb_driver.error_text", (uintptr_t)driver_error_text},
        {"bb_driver.native_calls", (uintptr_t)driver_native_calls},
        {"bb_driver.export_fence", (uintptr_t)driver_new_fence},
        {"bb_driver.import_fence", (uintptr_t)driver_import_fence},
        {"bb_driver.discard_fence", (uintptr_t)driver_end_fence},
        {"bb_driver.check_renderer", (uintptr_t)driver_check_renderer},
        {"bb_driver.renderer_wait", (uintptr_t)driver_end_fence},
        {"bb_driver.renderer_fence", (uintptr_t)driver_new_fence},
        {"bb_driver.renderer_reap", (uintptr_t)driver_renderer_reap},
    };
    for (size_t i = 0; i < LENGTH(functions_of_drivers); i++) {
        if (strcmp(type, functions_of_drivers[i].type) == 0) {
            return functions_of_drivers[i].function;
        }
    }
    return 0;
}

#endif
