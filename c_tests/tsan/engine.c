/* An engine under ThreadSanitizer, whose library is the released one, without instrumentation: producers, readers, a ring and
 * a kernel. There is no race in it. */
#include <backbuf.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 4096, EPOCHS = 300, BYTES = 1 << 20 };

static bb_manager *m;
static bb_sender *tx;
static bb_receiver *rx;
static atomic_bool ended;

static void ok(bb_status status) {
    if (status != BB_OK) {
        (void)fprintf(stderr, "%s\n", bb_last_error());
        exit(1);
    }
}

static void *produce(void *argument) {
    uint32_t values[64] = {0};
    (void)argument;
    for (uint32_t i = 0; i < EPOCHS; i++) {
        values[0] = i;
        ok(bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 4 * (i % 32), .count = 64, .data = values},
                                     BB_FOREVER));
        ok(bb_manager_synchronize(m, BB_FOREVER));
    }
    return NULL;
}

static void *read_fronts(void *argument) {
    uint64_t sum = 0;
    (void)argument;
    while (!atomic_load(&ended)) {
        bb_front front;
        ok(bb_manager_acquire_front(m, &front));
        for (int i = 0; i < COUNT; i++) {
            sum += ((const uint32_t *)front.data)[i];
        }
        ok(bb_lease_release(front.lease));
    }
    return (void *)(uintptr_t)(sum & 1);
}

static void *write_backs(void *argument) {
    (void)argument;
    for (int i = 0; i < EPOCHS; i++) {
        bb_back back;
        ok(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back));
        for (int at = 0; at < COUNT; at++) {
            ((uint32_t *)back.data)[at]++;
        }
        ok(bb_manager_commit_back(m, &back, 0));
    }
    return NULL;
}

static void *send(void *argument) {
    static unsigned char data[1000];
    uint64_t sent;
    (void)argument;
    for (int left = BYTES; left > 0; left -= (int)sizeof data) {
        data[0]++;
        ok(bb_sender_send_all(tx, data, sizeof data, BB_FOREVER, &sent));
    }
    ok(bb_sender_close(tx));
    return NULL;
}

static void receive(void) {
    static unsigned char data[777];
    uint64_t got = 0;
    bb_const_span span;
    for (int turn = 0; bb_receiver_wait_readable(rx, 1, BB_FOREVER) == BB_OK; turn++) {
        if (turn % 2 == 0) {
            ok(bb_receiver_recv(rx, data, sizeof data, &got));
        } else {
            ok(bb_receiver_peek(rx, 1, &span));
            got = ((const unsigned char *)span.data)[span.bytes - 1];
            ok(bb_receiver_consume(rx, span.bytes));
        }
    }
}

int main(void) {
    pthread_t threads[4];
    ok(bb_manager_create(BB_U32, 1, &(uint64_t){COUNT}, NULL, &m));
    ok(bb_spsc_create(1 << 14, NULL, &tx, &rx));
    (void)pthread_create(&threads[0], NULL, produce, NULL);
    (void)pthread_create(&threads[1], NULL, read_fronts, NULL);
    (void)pthread_create(&threads[2], NULL, write_backs, NULL);
    (void)pthread_create(&threads[3], NULL, send, NULL);
    receive();
    (void)pthread_join(threads[0], NULL);
    (void)pthread_join(threads[2], NULL);
    atomic_store(&ended, true);
    (void)pthread_join(threads[1], NULL);
    (void)pthread_join(threads[3], NULL);
    ok(bb_sender_destroy(tx));
    ok(bb_receiver_destroy(rx));
    ok(bb_manager_destroy(m));
    puts("ok: no race");
    return 0;
}
