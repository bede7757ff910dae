/* Two threads on a ring whose bytes follow from their position, with random sizes, pauses and hand-offs.
 * BACKBUF_SOAK=1 runs the long forms: 10^10 bytes, 24 million hand-offs. */
#include "soak.h"

static void pause_at_random(uint64_t *state) {
    const uint64_t dice = next_random(state) % 1024;
    if (dice == 0) {
        nap();
    } else if (dice < 16) {
        for (volatile uint64_t spin = next_random(state) % 2000; spin > 0; spin--) {
        }
    }
}

/* --- bytes --- */

typedef struct side {
    ring r;
    uint64_t capacity, bytes; /* capacity of the ring; bytes to move */
    uint64_t seed;
    atomic_int *finished;
} side;

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Two sides that each wait for more than half of the ring would wait for each other. */
static uint64_t patience(const side *s) { return s->capacity / 2 + (s->capacity == 1); }

/* One call of any kind for up to `want` bytes. Returns the bytes that were sent, or UINT64_MAX for a failure. */
static uint64_t put_some(side *s, uint64_t at, uint64_t want, uint8_t *data, uint64_t *state) {
    uint64_t sent = 0;
    bb_span span;
    bb_status status;
    switch (next_random(state) % 4) {
    case 0:
        status = bb_sender_reserve(s->r.tx, want, &span);
        if (status == BB_E_FULL) {
            status = bb_sender_wait_writable(s->r.tx, least(want, patience(s)), BB_FOREVER);
            return THREAD_CHECK(status == BB_OK) ? 0 : UINT64_MAX;
        }
        content_fill(span.data, at, want);
        return THREAD_CHECK(status == BB_OK) && THREAD_OK(bb_sender_commit(s->r.tx, want)) ? want : UINT64_MAX;
    case 1:
        content_fill(data, at, want);
        status = bb_sender_feed(s->r.tx, data, want, &sent);
        if (next_random(state) % 4 == 0) {
            THREAD_OK(bb_sender_flush(s->r.tx));
        }
        return THREAD_CHECK(status == BB_OK || status == BB_E_FULL) ? sent : UINT64_MAX;
    case 2:
        content_fill(data, at, want);
        status = bb_sender_send(s->r.tx, data, want, &sent);
        return THREAD_CHECK(status == BB_OK || status == BB_E_FULL) ? sent : UINT64_MAX;
    default:
        content_fill(data, at, want);
        status = bb_sender_send_all(s->r.tx, data, want, BB_FOREVER, &sent);
        return THREAD_CHECK(status == BB_OK && sent == want) ? sent : UINT64_MAX;
    }
}

static void *send_bytes(void *argument) {
    side *s = argument;
    uint64_t state = s->seed * 2 + 1, at = 0;
    uint8_t *data = malloc(s->capacity);
    while (at < s->bytes) {
        const uint64_t want = least(random_between(&state, 1, s->capacity), s->bytes - at);
        const uint64_t sent = put_some(s, at, want, data, &state);
        if (sent == UINT64_MAX) {
            break;
        }
        at += sent;
        pause_at_random(&state);
    }
    THREAD_OK(bb_sender_close(s->r.tx));
    free(data);
    atomic_fetch_add(s->finished, 1);
    return NULL;
}

/* One call of any kind. Returns its status; `out` moves on. */
static bb_status take_some(side *s, uint64_t *out, uint8_t *data, uint64_t *state) {
    const uint64_t want = random_between(state, 1, s->capacity);
    uint64_t got = 0;
    bb_const_span span;
    bb_status status;
    switch (next_random(state) % 3) {
    case 0:
        status = bb_receiver_peek(s->r.rx, 1, &span);
        if (status == BB_OK) {
            got = least(want, span.bytes);
            THREAD_CHECK(content_is(span.data, *out, span.bytes));
            THREAD_OK(bb_receiver_consume(s->r.rx, got));
        } else if (status == BB_E_EMPTY) {
            status = bb_receiver_wait_readable(s->r.rx, least(want, patience(s)), BB_FOREVER);
            status = status == BB_E_CLOSED ? BB_OK : status; /* fewer bytes may be left */
        }
        *out += got;
        return status;
    case 1:
        status = bb_receiver_recv(s->r.rx, data, want, &got);
        status = status == BB_E_EMPTY ? BB_OK : status;
        break;
    default:
        status = bb_receiver_recv_all(s->r.rx, data, want, BB_FOREVER, &got);
        break;
    }
    THREAD_CHECK(content_is(data, *out, got));
    *out += got;
    return status;
}

static void *receive_bytes(void *argument) {
    side *s = argument;
    uint64_t state = s->seed * 2 + 3, out = 0;
    uint8_t *data = malloc(s->capacity);
    bb_status status = BB_OK;
    while (status == BB_OK && atomic_load_explicit(&thread_failures, memory_order_relaxed) == 0) {
        status = take_some(s, &out, data, &state);
        atomic_store_explicit(&progress, out, memory_order_relaxed);
        pause_at_random(&state);
    }
    THREAD_CHECK(status == BB_E_CLOSED);
    THREAD_CHECK(out == s->bytes);
    (void)bb_receiver_close(s->r.rx); /* after a failure: otherwise the sender waits for ever */
    free(data);
    atomic_fetch_add(s->finished, 1);
    return NULL;
}

static void every_byte_arrives_in_its_place(void) {
    const struct {
        uint64_t capacity, flags, in_short, in_long;
    } cases[] = {{1, 0, 20000, 2000000},
                 {64, BB_SPSC_NO_BACKOFF, 1000000, 100000000},
                 {64, BB_SPSC_CHECKED, 1000000, 100000000},
                 {4096, 0, 20000000, 2000000000},
                 {65536, 0, 40000000, 4000000000},
                 {1 << 20, BB_SPSC_CHECKED, 40000000, 4000000000}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        atomic_int finished = 0;
        side s = {.r = make_ring_with(cases[i].capacity, (uint32_t)cases[i].flags),
                  .capacity = cases[i].capacity,
                  .bytes = amount(cases[i].in_short, cases[i].in_long),
                  .seed = i + 1,
                  .finished = &finished};
        const uint64_t before = now_ns();
        const pthread_t threads[] = {start(send_bytes, &s), start(receive_bytes, &s)};
        watch_until(&finished, 2);
        join(threads[0]);
        join(threads[1]);
        const bb_end_stats tx = sender_stats(s.r.tx), rx = receiver_stats(s.r.rx);
        TEST_ASSERT_EQUAL_UINT64(s.bytes, tx.bytes);
        TEST_ASSERT_EQUAL_UINT64(s.bytes, rx.bytes);
        printf("%" PRIu64 " bytes through %" PRIu64 ": %.2f s, %" PRIu64 " and %" PRIu64 " waits\n", s.bytes,
               s.capacity, (double)(now_ns() - before) / 1e9, tx.waits, rx.waits);
        end_ring(s.r);
    }
}

/* --- hand-offs: each side sleeps until the other signals, again and again --- */

static struct {
    ring there, back;
    uint64_t count;
    atomic_int finished;
} h;

static void delay(uint64_t *state) {
    const uint64_t dice = next_random(state) % 4096;
    if (dice == 0) {
        nap();
    } else if (dice % 4 == 1) { /* about as long as a waiter spins before it sleeps */
        for (volatile uint64_t spin = next_random(state) % 3000; spin > 0; spin--) {
        }
    }
}

static void *ping(void *argument) {
    (void)argument;
    uint64_t state = 11;
    for (uint64_t i = 0; i < h.count; i++) {
        uint64_t n = 0, answer = 0;
        delay(&state);
        if (!THREAD_OK(bb_sender_send_all(h.there.tx, &i, 8, BB_FOREVER, &n)) ||
            !THREAD_OK(bb_receiver_recv_all(h.back.rx, &answer, 8, BB_FOREVER, &n)) || !THREAD_CHECK(answer == ~i)) {
            break;
        }
        atomic_store_explicit(&progress, i, memory_order_relaxed);
    }
    (void)bb_sender_close(h.there.tx);
    atomic_fetch_add(&h.finished, 1);
    return NULL;
}

static void *pong(void *argument) {
    (void)argument;
    uint64_t state = 13;
    for (uint64_t i = 0;; i++) {
        uint64_t n = 0, question = 0, answer = 0;
        if (bb_receiver_wait_readable(h.there.rx, 8, BB_FOREVER) != BB_OK) {
            break;
        }
        THREAD_OK(bb_receiver_recv(h.there.rx, &question, 8, &n));
        THREAD_CHECK(question == i && n == 8);
        answer = ~question;
        delay(&state);
        THREAD_OK(bb_sender_send(h.back.tx, &answer, 8, &n));
    }
    atomic_fetch_add(&h.finished, 1);
    return NULL;
}

static void hand_offs(uint32_t policy) {
    use_wait_policy(policy);
    memset(&h, 0, sizeof h);
    h.there = make_ring(8); /* so small that the sender waits, too */
    h.back = make_ring(8);
    h.count = amount(20000, 4000000); /* two hand-offs a round */
    const pthread_t threads[] = {start(ping, NULL), start(pong, NULL)};
    watch_until(&h.finished, 2);
    join(threads[0]);
    join(threads[1]);
    TEST_ASSERT_EQUAL_UINT64(8 * h.count, receiver_stats(h.back.rx).bytes);
    printf("%" PRIu64 " hand-offs, policy %" PRIu32 ": %" PRIu64 " and %" PRIu64 " waits\n", 2 * h.count, policy,
           receiver_stats(h.there.rx).waits, receiver_stats(h.back.rx).waits);
    end_ring(h.there);
    end_ring(h.back);
    use_wait_policy(BB_WAIT_POLICY_ADAPTIVE);
}

static void no_wake_up_is_lost_in_hand_offs(void) { hand_offs(BB_WAIT_POLICY_ADAPTIVE); }
static void no_wake_up_is_lost_where_waits_sleep_at_once(void) { hand_offs(BB_WAIT_POLICY_SLEEP); }
static void no_wake_up_is_lost_where_waits_always_spin(void) { hand_offs(BB_WAIT_POLICY_SPIN); }

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(every_byte_arrives_in_its_place);
    RUN_TEST(no_wake_up_is_lost_in_hand_offs);
    RUN_TEST(no_wake_up_is_lost_where_waits_sleep_at_once);
    RUN_TEST(no_wake_up_is_lost_where_waits_always_spin);
    return UNITY_END();
}
