/* Small records from one thread to another without a call for each: the inline writer and reader of backbuf/inline.h.
 *
 * A sampling thread writes records of 16 bytes; the main thread sums them up and sleeps when there are none. The sampler
 * publishes every 1024 bytes, and at once while the main thread sleeps. */
#include <backbuf/inline.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAMPLES = 1000000 };

typedef struct sample {
    uint64_t time;
    double value;
} sample;

static void need(bb_status status) {
    if (status != BB_OK) {
        (void)fprintf(stderr, "%s\n", bb_last_error());
        exit(1);
    }
}

static void *take_samples(void *argument) {
    bb_sender *const tx = argument;
    bb_writer writer;
    need(bb_writer_open(&writer, tx, 1024));
    for (uint64_t i = 0; i < SAMPLES; i++) {
        const sample s = {i, 0.5 * (double)i};
        bb_status status;
        while ((status = bb_writer_put(&writer, &s, sizeof s)) == BB_E_FULL) {
            need(bb_sender_wait_writable(tx, sizeof s, BB_FOREVER));
        }
        need(status);
    }
    need(bb_writer_close(&writer)); /* publishes the rest */
    need(bb_sender_destroy(tx));    /* the receiver still gets everything */
    return NULL;
}

int main(void) {
    bb_sender *tx = NULL;
    bb_receiver *rx = NULL;
    bb_reader reader;
    pthread_t thread;
    sample s;
    double sum = 0;
    uint64_t count = 0;
    bb_status status;
    need(bb_spsc_create(1 << 16, NULL, &tx, &rx));
    if (pthread_create(&thread, NULL, take_samples, tx) != 0) {
        return 1;
    }
    need(bb_reader_open(&reader, rx, 4096));
    while ((status = bb_reader_get(&reader, &s, sizeof s)) != BB_E_CLOSED) {
        if (status == BB_E_EMPTY) {
            /* Returns BB_E_CLOSED at the end, which the next get reports, too. */
            (void)bb_receiver_wait_readable(rx, sizeof s, BB_FOREVER);
            continue;
        }
        need(status);
        sum += s.value;
        count++;
    }
    need(bb_reader_close(&reader));
    need(bb_receiver_destroy(rx));
    (void)pthread_join(thread, NULL);
    printf("%llu samples, mean %.2f\n", (unsigned long long)count, sum / (double)count);
    return count == SAMPLES ? 0 : 1;
}
