/* Wrong calls on a ring: each returns the status of its fault, changes nothing and writes no output. */
#include "ring.h"

/* --- creation --- */

static bb_status create(uint64_t capacity, const void *config) {
    bb_sender *tx = NULL;
    bb_receiver *rx = NULL;
    const bb_status status = bb_spsc_create(capacity, config, &tx, &rx);
    if (status == BB_OK) {
        OK(bb_sender_destroy(tx));
        OK(bb_receiver_destroy(rx));
    } else {
        CHECK(tx == NULL && rx == NULL);
        MESSAGE_HAS("bb_spsc_create");
    }
    return status;
}

static void a_capacity_that_cannot_be_is_refused(void) {
    EXPECT(BB_E_ARGUMENT, create(0, NULL));
    MESSAGE_HAS("capacity");
    const uint64_t beyond[] = {UINT64_MAX, UINT64_MAX / 2 + 2};
    for (size_t i = 0; i < LENGTH(beyond); i++) {
        EXPECT(BB_E_RANGE, create(beyond[i], NULL));
        MESSAGE_HAS("capacity");
    }
    for (int bits = 46; bits < 64; bits++) { /* mapped twice in an address space of 47 bits */
        const bb_status status = create(UINT64_C(1) << bits, NULL);
        CHECK(status == BB_E_RANGE || status == BB_E_OUT_OF_MEMORY);
    }
}

static void a_config_that_cannot_be_is_refused(void) {
    for (unsigned bit = 0; bit < 32; bit++) {
        const bb_spsc_config c = ring_defaults("flags", UINT32_C(1) << bit);
        const bool known = (c.flags & (BB_SPSC_CHECKED | BB_SPSC_NO_BACKOFF)) != 0;
        EXPECT(known ? BB_OK : BB_E_ARGUMENT, create(64, &c));
        if (!known) {
            MESSAGE_HAS("flags");
        }
    }
    bb_spsc_config c = ring_defaults("caf\xe9", 0);
    EXPECT(BB_E_ARGUMENT, create(64, &c));
    MESSAGE_HAS("label");
    c = ring_defaults("all", BB_SPSC_CHECKED | BB_SPSC_NO_BACKOFF);
    OK(create(64, &c));
    for (c.struct_size = 0; c.struct_size < sizeof(uint32_t); c.struct_size++) {
        EXPECT(BB_E_VERSION, create(64, &c));
        MESSAGE_HAS("struct_size");
    }
    c.struct_size = offsetof(bb_spsc_config, label); /* an older version: fields beyond its size are never read */
    c.label = "caf\xe9";
    OK(create(64, &c));
    struct {
        bb_spsc_config config;
        uint64_t tail[2];
    } longer = {.config = ring_defaults("longer", 0)};
    longer.config.struct_size = sizeof longer;
    OK(create(64, &longer));
    longer.tail[1] = 1;
    EXPECT(BB_E_VERSION, create(64, &longer));
}

static void a_refusal_names_the_ring(void) {
    bb_span span;
    ring r = {0};
    bb_spsc_config c = ring_defaults("telemetry", 0);
    OK(bb_spsc_create(64, &c, &r.tx, &r.rx));
    EXPECT(BB_E_RANGE, bb_sender_reserve(r.tx, 65, &span));
    MESSAGE_HAS("bb_sender_reserve");
    MESSAGE_HAS("min");
    MESSAGE_HAS("65");
    MESSAGE_HAS("64");
    MESSAGE_HAS("telemetry");
    EXPECT(BB_E_STATE, bb_receiver_consume(r.rx, 1));
    MESSAGE_HAS("bb_receiver_consume");
    MESSAGE_HAS("telemetry");
    end_ring(r);
}

/* --- two threads on one end --- */

typedef struct inside {
    ring r;
    bool sending;
    bb_status status;
} inside;

static void *stay_inside(void *argument) {
    inside *i = argument;
    do { /* the main thread's own calls may be running */
        i->status = i->sending ? bb_sender_wait_writable(i->r.tx, 1, BB_FOREVER)
                               : bb_receiver_wait_readable(i->r.rx, 1, BB_FOREVER);
    } while (i->status == BB_E_BUSY);
    return NULL;
}

static void in_the_checked_mode_a_second_thread_is_refused(void) {
    for (int round = 0; round < 10; round++) {
        uint64_t n = 0;
        uint8_t byte = 0;
        int32_t fd = -1;
        bb_span free;
        bb_const_span full;
        inside i = {.r = make_ring_with(64, BB_SPSC_CHECKED), .sending = round % 2 == 0};
        ring *r = &i.r;
        if (i.sending) {
            SEND(BB_OK, r, 64, 64);
        }
        const pthread_t thread = start(stay_inside, &i);
        if (i.sending) {
            EVENTUALLY(bb_sender_flush(r->tx) == BB_E_BUSY);
            MESSAGE_HAS("bb_sender_flush");
            EXPECT(BB_E_BUSY, bb_sender_send(r->tx, &byte, 1, &n));
            EXPECT(BB_E_BUSY, bb_sender_feed(r->tx, &byte, 1, &n));
            EXPECT(BB_E_BUSY, bb_sender_send_all(r->tx, &byte, 1, BB_FOREVER, &n));
            EXPECT(BB_E_BUSY, bb_sender_reserve(r->tx, 1, &free));
            EXPECT(BB_E_BUSY, bb_sender_commit(r->tx, 1));
            EXPECT(BB_E_BUSY, bb_sender_wait_writable(r->tx, 1, BB_FOREVER));
            EXPECT(BB_E_BUSY, bb_sender_arm(r->tx, 1));
            OK(bb_sender_fd(r->tx, &fd));
            TEST_ASSERT_EQUAL_UINT64(64, sender_stats(r->tx).bytes);
            OK(bb_sender_close(r->tx));
        } else {
            EVENTUALLY(bb_receiver_recv(r->rx, &byte, 1, &n) == BB_E_BUSY);
            MESSAGE_HAS("bb_receiver_recv");
            EXPECT(BB_E_BUSY, bb_receiver_recv_all(r->rx, &byte, 1, BB_FOREVER, &n));
            EXPECT(BB_E_BUSY, bb_receiver_peek(r->rx, 1, &full));
            EXPECT(BB_E_BUSY, bb_receiver_consume(r->rx, 1));
            EXPECT(BB_E_BUSY, bb_receiver_wait_readable(r->rx, 1, BB_FOREVER));
            EXPECT(BB_E_BUSY, bb_receiver_arm(r->rx, 1));
            OK(bb_receiver_fd(r->rx, &fd));
            TEST_ASSERT_EQUAL_UINT64(0, receiver_stats(r->rx).bytes);
            OK(bb_receiver_close(r->rx));
        }
        join(thread);
        EXPECT(BB_E_CLOSED, i.status);
        end_ring(*r);
    }
}

static void *move_on(void *argument) {
    ring *r = argument;
    bb_span free;
    uint8_t bytes[32];
    uint64_t n = 0;
    content_fill(bytes, r->in, sizeof bytes);
    THREAD_OK(bb_sender_send(r->tx, bytes, sizeof bytes, &n));
    THREAD_CHECK(n == sizeof bytes);
    THREAD_OK(bb_receiver_recv(r->rx, bytes, 16, &n));
    THREAD_CHECK(content_is(bytes, r->out, 16));
    THREAD_OK(bb_sender_reserve(r->tx, 16, &free)); /* committed by another thread */
    content_fill(free.data, r->in + 32, 16);
    return NULL;
}

static void an_end_may_move_to_another_thread(void) {
    ring r = make_ring_with(64, BB_SPSC_CHECKED);
    for (int turn = 0; turn < 20; turn++) {
        join(start(move_on, &r));
        OK(bb_sender_commit(r.tx, 16));
        r.in += 48, r.out += 16;
        RECV(BB_OK, &r, 64, 32);
    }
    end_ring(r);
}

enum { RECORDS = 20000 };

typedef struct writer {
    bb_sender *tx;
    uint32_t id;
} writer;

static void *send_records(void *argument) {
    const writer *w = argument;
    for (uint32_t i = 0; i < (uint32_t)rounds(RECORDS);) {
        uint64_t sent = 0;
        const bb_status status = bb_sender_send(w->tx, (const uint32_t[]){w->id, i}, 8, &sent);
        if (!THREAD_CHECK(status == BB_OK ? sent == 8 : sent == 0) ||
            !THREAD_CHECK(status == BB_OK || status == BB_E_FULL || status == BB_E_BUSY)) {
            return NULL;
        }
        i += status == BB_OK;
    }
    return NULL;
}

static void in_the_checked_mode_two_threads_cannot_spoil_the_bytes(void) {
    ring r = make_ring_with(256, BB_SPSC_CHECKED);
    writer writers[] = {{r.tx, 0}, {r.tx, 1}};
    const pthread_t threads[] = {start(send_records, &writers[0]), start(send_records, &writers[1])};
    uint32_t next[] = {0, 0};
    for (int i = 0; i < 2 * rounds(RECORDS); i++) {
        uint32_t record[2] = {9, 9};
        uint64_t got = 0;
        OK(bb_receiver_recv_all(r.rx, record, 8, BB_SEC(HANG_SECONDS), &got));
        CHECK(record[0] < 2 && record[1] == next[record[0]]);
        next[record[0]]++;
    }
    join(threads[0]);
    join(threads[1]);
    end_ring(r);
}

/* Without the checked mode the received bytes are unspecified, but every access and every count stays within the ring. */
typedef struct crowd {
    ring r;
    atomic_bool stop;
    atomic_int seeds;
} crowd;

static void *misuse_the_sender(void *argument) {
    crowd *c = argument;
    uint64_t state = 99 + (uint64_t)atomic_fetch_add(&c->seeds, 1), n;
    static const uint8_t data[128];
    while (!atomic_load(&c->stop)) {
        bb_span span;
        const uint64_t bytes = random_between(&state, 0, sizeof data);
        n = 0;
        if (bytes % 4 == 0) {
            if (bb_sender_reserve(c->r.tx, 1, &span) == BB_OK) {
                THREAD_CHECK(span.bytes <= 64);
                (void)bb_sender_commit(c->r.tx, random_between(&state, 0, 64));
            }
        } else {
            (void)(bytes % 4 == 1 ? bb_sender_feed : bb_sender_send)(c->r.tx, data, bytes, &n);
        }
        if (!THREAD_CHECK(n <= bytes && n <= 64)) {
            return NULL;
        }
    }
    return NULL;
}

static void *misuse_the_receiver(void *argument) {
    crowd *c = argument;
    uint64_t state = 99 + (uint64_t)atomic_fetch_add(&c->seeds, 1);
    while (!atomic_load(&c->stop)) {
        uint8_t data[128 + 8];
        bb_const_span span;
        const uint64_t bytes = random_between(&state, 0, 128);
        uint64_t n = 0;
        memset(data, 0xA5, sizeof data);
        if (bytes % 4 == 0) {
            if (bb_receiver_peek(c->r.rx, 1, &span) == BB_OK) {
                THREAD_CHECK(span.bytes <= 64);
                (void)bb_receiver_consume(c->r.rx, random_between(&state, 0, 64));
            }
        } else {
            (void)bb_receiver_recv(c->r.rx, data, bytes, &n);
        }
        if (!THREAD_CHECK(n <= bytes && n <= 64) || !THREAD_CHECK(data[n] == 0xA5)) {
            return NULL;
        }
    }
    return NULL;
}

static void without_the_check_misuse_stays_within_the_ring(void) {
    crowd c = {.r = make_ring(64)};
    const pthread_t threads[] = {start(misuse_the_sender, &c), start(misuse_the_sender, &c),
                                 start(misuse_the_receiver, &c), start(misuse_the_receiver, &c)};
    const uint64_t end = now_ns() + BB_MS(300);
    while (now_ns() < end) {
        nap();
    }
    atomic_store(&c.stop, true);
    for (size_t t = 0; t < LENGTH(threads); t++) {
        join(threads[t]);
    }
    (void)bb_sender_commit(c.r.tx, 0); /* spans may be open */
    (void)bb_receiver_consume(c.r.rx, 0);
    end_ring(c.r);
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_capacity_that_cannot_be_is_refused);
    RUN_TEST(a_config_that_cannot_be_is_refused);
    RUN_TEST(a_refusal_names_the_ring);
    RUN_TEST(in_the_checked_mode_a_second_thread_is_refused);
    RUN_TEST(an_end_may_move_to_another_thread);
    RUN_TEST(in_the_checked_mode_two_threads_cannot_spoil_the_bytes);
    RUN_TEST(without_the_check_misuse_stays_within_the_ring);
    return UNITY_END();
}
