/* Two threads on a ring, one of whose ends is closed or destroyed at a random instant.
 * BACKBUF_SOAK=1 runs the long forms: a million ends, and five million right behind the last bytes. */
#include "soak.h"
#include <sched.h>

/* --- an end closed at any instant: what was sent arrives, and no thread is left waiting --- */

enum { CLOSING_CAPACITY = 256 };

/* How an end is ended: by its own thread or another one, closed or destroyed. */
typedef struct closing {
    bb_sender *tx;
    bb_receiver *rx;
    uint64_t sent, received;
    uint64_t seed;
} closing;

static struct {
    _Atomic(closing *) job; /* set for the partner's thread, which sets NULL when it is done */
    atomic_bool stop;
    atomic_int finished;
    uint64_t rounds;
} c;

static void send_until_closed(closing *j, uint64_t calls) {
    uint64_t state = j->seed;
    bb_status status = BB_OK;
    for (uint64_t i = 0; i < calls && status == BB_OK; i++) {
        uint8_t data[CLOSING_CAPACITY];
        uint64_t sent = 0;
        const uint64_t want = random_between(&state, 1, sizeof data);
        content_fill(data, j->sent, want);
        if (i % 4 == 3) {
            status = bb_sender_feed(j->tx, data, want, &sent);
            status = status == BB_E_FULL ? BB_OK : status;
        } else {
            status = bb_sender_send_all(j->tx, data, want, BB_FOREVER, &sent);
        }
        j->sent += sent;
    }
    THREAD_CHECK(status == BB_OK || status == BB_E_CLOSED);
}

static void receive_until_closed(closing *j, uint64_t calls) {
    uint64_t state = j->seed;
    bb_status status = BB_OK;
    for (uint64_t i = 0; i < calls && status == BB_OK; i++) {
        uint8_t data[CLOSING_CAPACITY];
        uint64_t got = 0;
        const uint64_t want = random_between(&state, 1, sizeof data);
        status = bb_receiver_recv_all(j->rx, data, want, BB_FOREVER, &got);
        THREAD_CHECK(content_is(data, j->received, got));
        j->received += got;
    }
    THREAD_CHECK(status == BB_OK || status == BB_E_CLOSED);
}

/* Receives if the main thread ends its sender, sends if it ends its receiver. */
static void *partner(void *argument) {
    (void)argument;
    while (!atomic_load(&c.stop)) {
        closing *j = atomic_load(&c.job);
        if (j == NULL) {
            (void)sched_yield();
            continue;
        }
        if (j->rx != NULL) {
            receive_until_closed(j, UINT64_MAX);
        } else {
            send_until_closed(j, UINT64_MAX);
        }
        atomic_store(&c.job, NULL);
    }
    return NULL;
}

static void *close_at_random(void *argument) {
    (void)argument;
    uint64_t state = 77;
    for (uint64_t i = 0; i < c.rounds && atomic_load(&thread_failures) == 0; i++) {
        bb_sender *tx = NULL;
        bb_receiver *rx = NULL;
        THREAD_OK(bb_spsc_create(CLOSING_CAPACITY, NULL, &tx, &rx));
        const bool senders_end = i % 2 == 0;
        const uint64_t seed = next_random(&state) | 1, calls = next_random(&state) % 8;
        closing mine = {.tx = tx, .rx = rx, .seed = seed ^ 2};
        closing theirs = {.tx = senders_end ? NULL : tx, .rx = senders_end ? rx : NULL, .seed = seed};
        atomic_store(&c.job, &theirs);
        if (senders_end) {
            send_until_closed(&mine, calls);
        } else {
            receive_until_closed(&mine, calls);
        }
        for (volatile uint64_t spin = next_random(&state) % 4000; spin > 0; spin--) {
        }
        const bool destroy = i % 4 < 2;
        if (senders_end) {
            THREAD_OK(destroy ? bb_sender_destroy(tx) : bb_sender_close(tx));
        } else {
            THREAD_OK(destroy ? bb_receiver_destroy(rx) : bb_receiver_close(rx));
        }
        while (atomic_load(&c.job) != NULL) {
            (void)sched_yield();
        }
        THREAD_CHECK(senders_end ? theirs.received == mine.sent : theirs.sent >= mine.received);
        THREAD_OK(destroy && senders_end ? BB_OK : bb_sender_destroy(tx));
        THREAD_OK(destroy && !senders_end ? BB_OK : bb_receiver_destroy(rx));
        atomic_fetch_add(&progress, 1);
    }
    atomic_store(&c.stop, true);
    atomic_fetch_add(&c.finished, 1);
    return NULL;
}

static void an_end_may_go_at_any_instant(void) {
    memset(&c, 0, sizeof c);
    c.rounds = amount(10000, 1000000);
    const pthread_t threads[] = {start(partner, NULL), start(close_at_random, NULL)};
    watch_until(&c.finished, 1);
    join(threads[0]);
    join(threads[1]);
}

/* Another thread ends it while its own thread waits. */
static void *wait_inside(void *argument) {
    closing *j = argument;
    const bb_status status =
        j->rx != NULL ? bb_receiver_wait_readable(j->rx, 1, BB_FOREVER) : bb_sender_wait_writable(j->tx, 1, BB_FOREVER);
    THREAD_CHECK(status == BB_E_CLOSED || status == BB_E_STALE);
    return NULL;
}

static void an_end_may_be_ended_while_its_own_thread_waits(void) {
    uint64_t state = 5;
    const int count = (int)amount(2000, 50000);
    alarm(soak() ? 0 : 5 * HANG_SECONDS);
    for (int i = 0; i < count; i++) {
        ring r = make_ring(64);
        closing j = {.tx = i % 2 == 0 ? r.tx : NULL, .rx = i % 2 == 0 ? NULL : r.rx};
        if (i % 2 == 0) {
            SEND(BB_OK, &r, 64, 64);
        }
        const pthread_t thread = start(wait_inside, &j);
        for (volatile uint64_t spin = next_random(&state) % 20000; spin > 0; spin--) {
        }
        if (i % 4 < 2) {
            OK(i % 2 == 0 ? bb_sender_close(r.tx) : bb_receiver_close(r.rx));
            join(thread);
            end_ring(r);
        } else {
            end_ring(r);
            join(thread);
        }
    }
}

/* --- the last bytes and the close right after them: a receiver that polls in between receives the bytes before it reports the end --- */

static struct {
    bb_receiver *rx;
    uint64_t count;
    _Atomic uint64_t round, answered;
    atomic_int finished;
} l;

/* Receives a word by one of the calls, then BB_E_CLOSED. */
static bool word_then_end(uint64_t i) {
    uint64_t word = 0, got = 0;
    bb_const_span span;
    bb_status status;
    do {
        if (i % 4 == 0) {
            status = bb_receiver_recv(l.rx, &word, 8, &got);
        } else if (i % 4 == 1) {
            status = bb_receiver_recv_all(l.rx, &word, 8, BB_FOREVER, &got);
        } else if (i % 4 == 2) {
            status = bb_receiver_peek(l.rx, 8, &span);
        } else {
            status = bb_receiver_wait_readable(l.rx, 8, BB_FOREVER);
        }
    } while (status == BB_E_EMPTY);
    if (i % 4 >= 2 && status == BB_OK) {
        status = i % 4 == 2 ? bb_receiver_consume(l.rx, 0) : status;
        got = 0;
        (void)bb_receiver_recv(l.rx, &word, 8, &got);
    }
    return status == BB_OK && got == 8 && word == i && bb_receiver_wait_readable(l.rx, 1, BB_FOREVER) == BB_E_CLOSED;
}

static void *hear_of_the_end(void *argument) {
    (void)argument;
    for (uint64_t i = 1; i <= l.count; i++) {
        while (atomic_load(&l.round) < i) {
            (void)sched_yield();
        }
        THREAD_CHECK(word_then_end(i));
        atomic_store(&l.answered, i);
    }
    atomic_fetch_add(&l.finished, 1);
    return NULL;
}

static void *say_a_word_and_go(void *argument) {
    bb_sender *tx = argument;
    uint64_t state = 3;
    for (uint64_t i = 1; i <= l.count; i++) {
        uint64_t sent = 0;
        atomic_store(&l.round, i);
        for (volatile uint64_t spin = next_random(&state) % 300; spin > 0; spin--) {
        }
        THREAD_OK(bb_sender_send(tx, &i, 8, &sent));
        THREAD_OK(bb_sender_close(tx));
        while (atomic_load(&l.answered) < i) {
            (void)sched_yield();
        }
        THREAD_OK(bb_sender_destroy(tx));
        if (!THREAD_OK(bb_receiver_attach_sender(l.rx, &tx))) {
            break;
        }
        atomic_store(&progress, i);
    }
    THREAD_OK(bb_sender_destroy(tx));
    atomic_fetch_add(&l.finished, 1);
    return NULL;
}

static void the_end_never_overtakes_the_last_bytes(void) {
    memset(&l, 0, sizeof l);
    ring r = make_ring(64);
    l.rx = r.rx;
    l.count = amount(100000, 5000000);
    const pthread_t threads[] = {start(say_a_word_and_go, r.tx), start(hear_of_the_end, NULL)};
    watch_until(&l.finished, 2);
    join(threads[0]);
    join(threads[1]);
    OK(bb_receiver_destroy(r.rx));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(an_end_may_go_at_any_instant);
    RUN_TEST(an_end_may_be_ended_while_its_own_thread_waits);
    RUN_TEST(the_end_never_overtakes_the_last_bytes);
    return UNITY_END();
}
