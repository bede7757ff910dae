/* PipeWire's ring buffer: two indices and copies of the bytes. */
#include "ring.h"

#include <spa/utils/ringbuffer.h>
#include <stdlib.h>

struct ring {
    struct spa_ringbuffer indices;
    uint32_t capacity;
    uint8_t *data;
};

static bool create(uint64_t capacity, uint64_t chunk, void **sender, void **receiver) {
    (void)chunk;
    struct ring *ring = malloc(sizeof *ring);
    spa_ringbuffer_init(&ring->indices);
    ring->capacity = (uint32_t)capacity;
    ring->data = malloc(capacity);
    *sender = *receiver = ring;
    return true;
}

static uint64_t send(void *sender, const uint8_t *data, uint64_t bytes) {
    struct ring *ring = sender;
    uint32_t index;
    uint64_t space = ring->capacity - (uint64_t)spa_ringbuffer_get_write_index(&ring->indices, &index);
    uint32_t length = (uint32_t)SPA_MIN(space, bytes);
    if (length == 0)
        return 0;
    spa_ringbuffer_write_data(&ring->indices, ring->data, ring->capacity, index & (ring->capacity - 1), data, length);
    spa_ringbuffer_write_update(&ring->indices, (int32_t)(index + length));
    return length;
}

static uint64_t recv(void *receiver, uint8_t *data, uint64_t bytes) {
    struct ring *ring = receiver;
    uint32_t index;
    uint64_t available = (uint64_t)spa_ringbuffer_get_read_index(&ring->indices, &index);
    uint32_t length = (uint32_t)SPA_MIN(available, bytes);
    if (length == 0)
        return 0;
    spa_ringbuffer_read_data(&ring->indices, ring->data, ring->capacity, index & (ring->capacity - 1), data, length);
    spa_ringbuffer_read_update(&ring->indices, (int32_t)(index + length));
    return length;
}

static void destroy(void *sender, void *receiver) {
    (void)receiver;
    struct ring *ring = sender;
    free(ring->data);
    free(ring);
}

const ring_functions RING = {create, send, recv, 0, destroy};
