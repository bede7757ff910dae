/* A device backend in C: a driver in the process's memory that does all work at once, and a manager on it.
 *
 * docs/new-backend.md explains it, and what differs for a real device, where work takes time. */
#include <backbuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An engine's state; here only the number of its buffers. */
typedef struct engine {
    int buffers;
} engine;

/* The handle of a buffer is the address of its bytes. */
static unsigned char *at(uint64_t native) { return (unsigned char *)(uintptr_t)native; }

/* The first call, on the device's owner thread. */
static int32_t open_engine(void *self, bb_driver_info *info) {
    (void)self;
    info->max_buffer_size = UINT64_C(1) << 30;
    (void)snprintf(info->name, sizeof info->name, "heap");
    (void)snprintf(info->version, sizeof info->version, "1");
    return BB_OK;
}

static int32_t create_buffer(void *self, uint64_t bytes, uint32_t usage, const char *label, uint64_t *native) {
    (void)usage, (void)label;
    void *const memory = calloc(1, bytes); /* buffers begin with zeros */
    if (memory == NULL) {
        return BB_E_OUT_OF_MEMORY;
    }
    ((engine *)self)->buffers++;
    *native = (uint64_t)(uintptr_t)memory;
    return BB_OK;
}

/* No work is pending here. On a real device the memory stays until the work that uses it is done. */
static void delete_buffer(void *self, uint64_t native) {
    ((engine *)self)->buffers--;
    free(at(native));
}

/* Buffers and ranges are valid: the library has checked them. */
static int32_t write_buffer(void *self, uint64_t native, uint64_t offset, const void *data, uint64_t bytes) {
    (void)self;
    memcpy(at(native) + offset, data, bytes);
    return BB_OK;
}

static int32_t copy_buffer(void *self, uint64_t from, uint64_t from_offset, uint64_t to, uint64_t to_offset,
                           uint64_t bytes) {
    (void)self;
    memcpy(at(to) + to_offset, at(from) + from_offset, bytes);
    return BB_OK;
}

static int32_t map_buffer(void *self, uint64_t native, uint32_t mode, uint64_t offset, uint64_t bytes, void **data) {
    (void)self, (void)mode, (void)bytes;
    *data = at(native) + offset;
    return BB_OK;
}

static int32_t unmap_buffer(void *self, uint64_t native) { return (void)self, (void)native, BB_OK; }

/* A real device signals a timeline semaphore with this number when the work is done … */
static int32_t submit_work(void *self, uint64_t fence) { return (void)self, (void)fence, BB_OK; }

/* … and waits for it here, at most `timeout` nanoseconds. Here every submit is done at once. */
static int32_t wait_for(void *self, uint64_t fence, uint64_t timeout, uint64_t *completed) {
    (void)self, (void)timeout;
    *completed = fence;
    return BB_OK;
}

static bb_driver driver_of(engine *engine) {
    return (bb_driver){.struct_size = sizeof(bb_driver),
                       .user_data = engine,
                       .open = open_engine,
                       .create_buffer = create_buffer,
                       .delete_buffer = delete_buffer,
                       .write = write_buffer,
                       .copy = copy_buffer,
                       .map = map_buffer,
                       .unmap = unmap_buffer,
                       .submit = submit_work,
                       .wait = wait_for};
}

static void need(bb_status status) {
    if (status != BB_OK) {
        (void)fprintf(stderr, "%s\n", bb_last_error());
        exit(1);
    }
}

int main(void) {
    engine engine = {0};
    const bb_driver driver = driver_of(&engine);
    bb_device *device = NULL;
    bb_manager *m = NULL;
    bb_manager_config config;
    bb_device_front front;
    need(bb_device_create_driver(0, "mine", &driver, &device));

    /* Managers and buffers work on this device as on every other. */
    need(bb_manager_config_init(&config));
    config.label = "state", config.device = device;
    need(bb_manager_create(BB_F32, 1, (const uint64_t[]){256}, &config, &m));
    const float one = 1;
    need(bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 64, .count = 1, .data = &one}, BB_FOREVER));
    need(bb_manager_synchronize(m, BB_FOREVER));

    /* The front is also in a buffer of the engine's, until its lease is released. */
    need(bb_manager_acquire_front_device(m, &front));
    float found = 0;
    memcpy(&found, at(front.native) + 64, sizeof found);
    printf("epoch %d: %g on the device, in one of %d buffers\n", (int)front.epoch, found, engine.buffers);
    need(bb_lease_release(front.lease));
    need(bb_manager_destroy(m));
    need(bb_device_destroy(device));
    printf("%d buffers are left\n", engine.buffers);
    return found == 1 && engine.buffers == 0 ? 0 : 1;
}
