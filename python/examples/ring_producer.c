/* The native side of ring.py: a thread that sends messages into a ring until it is stopped. */

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include <backbuf.h>

static struct {
    bb_sender *sender; /* owned by the thread */
    pthread_t thread;
    atomic_bool stop;
    uint64_t message, room;
    uint64_t sent;
} producer;

/* Each word of the stream is its own index, so that a reader detects lost and duplicated words. */
static void *produce(void *unused) {
    uint64_t next = 0, sent = 0;
    (void)unused;
    while (!atomic_load_explicit(&producer.stop, memory_order_relaxed)) {
        bb_span span;
        if (bb_sender_wait_writable(producer.sender, producer.room, BB_FOREVER) != BB_OK ||
            bb_sender_reserve(producer.sender, producer.message, &span) != BB_OK)
            break;
        /* Fills the available space message by message, in place: nothing is copied. */
        for (sent = 0; sent + producer.message <= span.bytes; sent += producer.message)
            for (uint64_t *word = (uint64_t *)((char *)span.data + sent), *end = word + producer.message / 8;
                 word < end;)
                *word++ = next++;
        if (bb_sender_commit(producer.sender, sent) != BB_OK)
            break;
        producer.sent += sent;
    }
    bb_sender_destroy(producer.sender); /* the stream ends when everything was read */
    return NULL;
}

/* Takes ownership of the sender. `message` is in bytes, a multiple of 8. When the ring is full, the thread waits for `room`
 * bytes, at least `message`; a large part of the ring makes it sleep less often. */
int producer_start(uint64_t sender, uint64_t message, uint64_t room) {
    producer.sender = (bb_sender *)(uintptr_t)sender;
    producer.message = message;
    producer.room = room;
    producer.sent = 0;
    atomic_store(&producer.stop, false);
    return pthread_create(&producer.thread, NULL, produce, NULL);
}

void producer_stop(void) { atomic_store(&producer.stop, true); }

/* The number of bytes that were sent. */
uint64_t producer_join(void) {
    pthread_join(producer.thread, NULL);
    return producer.sent;
}
