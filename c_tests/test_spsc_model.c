/* Random calls on both ends of a ring, on one thread, against a plain model that knows every status and count.
 * BACKBUF_SOAK=1 runs a hundred times as many; a failure prints its seed, and BACKBUF_SEED=<seed> repeats it. */
#include "ring.h"

/* The model of a ring: three positions in the content, the open spans, and which end is closed. */
typedef struct model {
    uint64_t capacity;
    uint64_t read, published, fed; /* read <= published <= fed <= read + capacity */
    uint64_t reserved, peeked;     /* bytes of the open spans; 0: none */
    bool sender_open, receiver_open;
} model;

typedef struct run {
    model m;
    bb_sender *tx;
    bb_receiver *rx;
    bb_span free;
    bb_const_span full;
    uint64_t random;
    uint64_t step, seed;
} run;

static uint8_t scratch[8192 + 64];

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t most(uint64_t a, uint64_t b) { return a > b ? a : b; }
static uint64_t room(const model *m) { return m->capacity - (m->fed - m->read); }
static uint64_t readable(const model *m) { return m->published - m->read; }

static void agree(run *t, const char *call, bb_status want, bb_status got, uint64_t want_count, uint64_t count) {
    if (want == got && want_count == count) {
        return;
    }
    char text[512];
    (void)snprintf(text, sizeof text,
                   "seed %" PRIu64 ", step %" PRIu64 ", %s: wanted %.20s and %" PRIu64 ", got %.20s and %" PRIu64,
                   t->seed, t->step, call, bb_status_string(want), want_count, bb_status_string(got), count);
    TEST_FAIL_MESSAGE(text);
}

/* Usually within the capacity, sometimes beyond, sometimes 0. */
static uint64_t some_bytes(run *t) {
    const uint64_t most_bytes = next_random(&t->random) % 8 == 0 ? 2 * t->m.capacity : t->m.capacity / 2 + 1;
    return random_between(&t->random, 0, most_bytes);
}

/* --- the sender --- */

static bb_status sender_state(const model *m) {
    return m->reserved != 0 ? BB_E_STATE : !m->sender_open || !m->receiver_open ? BB_E_CLOSED : BB_OK;
}

static void put(run *t, const char *name, put_call call, bb_status short_of_room, bool publishes) {
    model *m = &t->m;
    const uint64_t bytes = most(1, some_bytes(t));
    uint64_t sent = UINT64_MAX, moved = 0;
    bb_status want = sender_state(m);
    const bool open = want == BB_OK;
    content_fill(scratch, m->fed, bytes);
    if (open) {
        moved = least(bytes, room(m));
        const bool fell_short = short_of_room == BB_E_TIMEOUT ? moved < bytes : moved == 0 && bytes > 0;
        want = fell_short ? short_of_room : BB_OK;
        m->fed += moved;
    }
    const bb_status got = call(t->tx, scratch, bytes, &sent);
    agree(t, name, want, got, writes_count(want) ? moved : UINT64_MAX, sent);
    if (open && (publishes || moved < bytes)) { /* a full ring publishes what was fed */
        m->published = m->fed;
    }
}

static void do_send(run *t) { put(t, "send", bb_sender_send, BB_E_FULL, true); }
static void do_send_all(run *t) { put(t, "send_all", send_all_now, BB_E_TIMEOUT, true); }
static void do_feed(run *t) { put(t, "feed", bb_sender_feed, BB_E_FULL, false); }

static void do_flush(run *t) {
    model *m = &t->m;
    const bb_status want = sender_state(m);
    agree(t, "flush", want, bb_sender_flush(t->tx), 0, 0);
    if (want == BB_OK) {
        m->published = m->fed;
    }
}

static void do_reserve(run *t) {
    model *m = &t->m;
    const uint64_t min = some_bytes(t);
    bb_status want = sender_state(m);
    want = want == BB_OK && min > m->capacity ? BB_E_RANGE : want;
    if (want == BB_OK && room(m) < most(min, 1)) {
        want = BB_E_FULL;
        m->published = m->fed; /* fed bytes that take the room are published */
    }
    bb_span span = {0};
    const bb_status got = bb_sender_reserve(t->tx, min, &span);
    agree(t, "reserve", want, got, want == BB_OK ? room(m) : 0, span.bytes);
    if (want == BB_OK) {
        m->reserved = span.bytes;
        t->free = span;
    }
}

static void do_commit(run *t) {
    model *m = &t->m;
    const uint64_t bytes = some_bytes(t);
    bb_status want = m->reserved == 0 || bytes > m->reserved ? BB_E_STATE : BB_OK;
    if (want == BB_OK) {
        content_fill(t->free.data, m->fed, bytes);
        m->reserved = 0;
        want = m->sender_open && m->receiver_open ? BB_OK : BB_E_CLOSED;
    }
    if (want == BB_OK) {
        m->fed += bytes;
        m->published = m->fed;
    }
    agree(t, "commit", want, bb_sender_commit(t->tx, bytes), 0, 0);
}

static void do_wait_writable(run *t) {
    model *m = &t->m;
    const uint64_t bytes = some_bytes(t);
    const bool closed = !m->sender_open || !m->receiver_open;
    const bool enough = room(m) >= most(1, least(bytes, m->capacity));
    const bb_status want = closed ? BB_E_CLOSED : enough ? BB_OK : BB_E_TIMEOUT;
    agree(t, "wait_writable", want, bb_sender_wait_writable(t->tx, bytes, 0), 0, 0);
    m->published = m->fed; /* a wait publishes what was fed */
}

static void do_close_sender(run *t) {
    agree(t, "close the sender", BB_OK, bb_sender_close(t->tx), 0, 0);
    t->m.sender_open = false;
    t->m.published = t->m.fed;
}

/* The old sender publishes what it has fed. */
static void do_replace_sender(run *t) {
    model *m = &t->m;
    if (m->reserved != 0 || !m->receiver_open) {
        return;
    }
    agree(t, "destroy the sender", BB_OK, bb_sender_destroy(t->tx), 0, 0);
    agree(t, "attach a sender", BB_OK, bb_receiver_attach_sender(t->rx, &t->tx), 0, 0);
    m->published = m->fed;
    m->sender_open = true;
}

/* --- the receiver --- */

static void take(run *t, const char *name, take_call call, bool all) {
    model *m = &t->m;
    const uint64_t bytes = most(1, some_bytes(t));
    uint64_t got = UINT64_MAX, moved = 0;
    bb_status want = m->peeked != 0 ? BB_E_STATE : !m->receiver_open ? BB_E_CLOSED : BB_OK;
    if (want == BB_OK) {
        moved = least(bytes, readable(m));
        if (all ? moved < bytes : moved == 0 && bytes > 0) {
            want = !m->sender_open ? BB_E_CLOSED : all ? BB_E_TIMEOUT : BB_E_EMPTY;
        }
    }
    memset(scratch, 0xA5, sizeof scratch);
    const bb_status status = call(t->rx, scratch, bytes, &got);
    agree(t, name, want, status, writes_count(want) ? moved : UINT64_MAX, got);
    agree(t, "the bytes received", true, content_is(scratch, m->read, moved) && scratch[moved] == 0xA5, 0, 0);
    m->read += moved;
}

static void do_recv(run *t) { take(t, "recv", bb_receiver_recv, false); }
static void do_recv_all(run *t) { take(t, "recv_all", recv_all_now, true); }

static void do_peek(run *t) {
    model *m = &t->m;
    const uint64_t min = some_bytes(t);
    bb_status want = m->peeked != 0                ? BB_E_STATE
                     : !m->receiver_open           ? BB_E_CLOSED
                     : min > m->capacity           ? BB_E_RANGE
                     : readable(m) >= most(min, 1) ? BB_OK
                     : !m->sender_open             ? BB_E_CLOSED
                                                   : BB_E_EMPTY;
    bb_const_span span = {0};
    const bb_status got = bb_receiver_peek(t->rx, min, &span);
    agree(t, "peek", want, got, want == BB_OK ? readable(m) : 0, span.bytes);
    if (want == BB_OK) {
        m->peeked = span.bytes;
        t->full = span;
    }
}

static void do_consume(run *t) {
    model *m = &t->m;
    const uint64_t bytes = some_bytes(t);
    bb_status want = m->peeked == 0 || bytes > m->peeked ? BB_E_STATE : BB_OK;
    if (want == BB_OK) {
        agree(t, "the bytes peeked", true, content_is(t->full.data, m->read, m->peeked), 0, 0);
        m->peeked = 0;
        m->read += m->receiver_open ? bytes : 0;
        want = m->receiver_open ? BB_OK : BB_E_CLOSED;
    }
    agree(t, "consume", want, bb_receiver_consume(t->rx, bytes), 0, 0);
}

static void do_wait_readable(run *t) {
    model *m = &t->m;
    const uint64_t bytes = some_bytes(t);
    const bool enough = readable(m) >= most(1, least(bytes, m->capacity));
    const bb_status want = !m->receiver_open ? BB_E_CLOSED
                           : enough          ? BB_OK
                           : !m->sender_open ? BB_E_CLOSED
                                             : BB_E_TIMEOUT;
    agree(t, "wait_readable", want, bb_receiver_wait_readable(t->rx, bytes, 0), 0, 0);
}

static void do_close_receiver(run *t) {
    agree(t, "close the receiver", BB_OK, bb_receiver_close(t->rx), 0, 0);
    t->m.receiver_open = false;
}

static void do_replace_receiver(run *t) {
    model *m = &t->m;
    if (m->peeked != 0 || !m->sender_open) {
        return;
    }
    agree(t, "destroy the receiver", BB_OK, bb_receiver_destroy(t->rx), 0, 0);
    agree(t, "attach a receiver", BB_OK, bb_sender_attach_receiver(t->tx, &t->rx), 0, 0);
    m->receiver_open = true;
}

static const struct {
    void (*call)(run *);
    int weight;
} calls[] = {{do_send, 12},        {do_send_all, 6},       {do_feed, 12},          {do_flush, 4},
             {do_reserve, 12},     {do_commit, 16},        {do_wait_writable, 3},  {do_recv, 14},
             {do_recv_all, 6},     {do_peek, 12},          {do_consume, 16},       {do_wait_readable, 3},
             {do_close_sender, 1}, {do_replace_sender, 3}, {do_close_receiver, 1}, {do_replace_receiver, 3}};

static void any_call(run *t) {
    int weights = 0;
    for (size_t i = 0; i < LENGTH(calls); i++) {
        weights += calls[i].weight;
    }
    int at = (int)(next_random(&t->random) % (uint64_t)weights);
    for (size_t i = 0; i < LENGTH(calls); i++) {
        at -= calls[i].weight;
        if (at < 0) {
            calls[i].call(t);
            return;
        }
    }
}

static void run_seed(uint64_t seed) {
    static const uint64_t capacities[] = {1, 2, 8, 64, 256, 4096};
    run t = {.seed = seed, .random = seed * 2 + 1};
    (void)next_random(&t.random);
    const uint64_t capacity = capacities[next_random(&t.random) % LENGTH(capacities)];
    t.m = (model){.capacity = capacity, .sender_open = true, .receiver_open = true};
    OK(bb_spsc_create(capacity, NULL, &t.tx, &t.rx));
    for (t.step = 0; t.step < 400; t.step++) {
        any_call(&t);
    }
    OK(bb_sender_destroy(t.tx));
    OK(bb_receiver_destroy(t.rx));
    if (t.m.reserved != 0) {
        EXPECT(BB_E_CLOSED, bb_sender_commit(t.tx, 0));
    }
    if (t.m.peeked != 0) {
        EXPECT(BB_E_CLOSED, bb_receiver_consume(t.rx, 0));
    }
}

static void the_ring_does_what_the_model_does(void) {
    const char *seed = getenv("BACKBUF_SEED");
    if (seed != NULL) {
        run_seed(strtoull(seed, NULL, 10));
        return;
    }
    const bool soak = getenv("BACKBUF_SOAK") != NULL;
    const uint64_t seeds = soak ? 1000000 : (uint64_t)rounds(10000);
    if (soak) {
        alarm(0);
    }
    for (uint64_t i = 0; i < seeds; i++) {
        run_seed(i);
    }
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(the_ring_does_what_the_model_does);
    return UNITY_END();
}
