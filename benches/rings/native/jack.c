/* JACK's ring buffer, whose capacity is one byte less than its size. */
#include "ring.h"

#include <jack/ringbuffer.h>

static bool create(uint64_t capacity, uint64_t chunk, void **sender, void **receiver) {
    (void)chunk;
    *sender = *receiver = jack_ringbuffer_create(capacity);
    return true;
}

static uint64_t send(void *sender, const uint8_t *data, uint64_t bytes) {
    return jack_ringbuffer_write(sender, (const char *)data, bytes);
}

static uint64_t recv(void *receiver, uint8_t *data, uint64_t bytes) {
    return jack_ringbuffer_read(receiver, (char *)data, bytes);
}

static void destroy(void *sender, void *receiver) {
    (void)receiver;
    jack_ringbuffer_free(sender);
}

const ring_functions RING = {create, send, recv, 0, destroy};
