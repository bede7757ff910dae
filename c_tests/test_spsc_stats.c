/* Statistics of both ends of a ring. */
#include "ring.h"

static void expect_end(bb_end_stats s, uint64_t bytes, uint64_t operations, uint64_t misses, UNITY_LINE_TYPE line) {
    UNITY_TEST_ASSERT_EQUAL_UINT64(bytes, s.bytes, line, "bytes");
    UNITY_TEST_ASSERT_EQUAL_UINT64(operations, s.operations, line, "operations");
    UNITY_TEST_ASSERT_EQUAL_UINT64(misses, s.misses, line, "misses");
}
#define SENT(r, bytes, operations, misses) expect_end(sender_stats((r).tx), (bytes), (operations), (misses), __LINE__)
#define RECEIVED(r, bytes, operations, misses)                                                                         \
    expect_end(receiver_stats((r).rx), (bytes), (operations), (misses), __LINE__)

static uint64_t histogram_sum(const bb_end_stats *s) {
    uint64_t sum = 0;
    for (size_t i = 0; i < LENGTH(s->wait_histogram); i++) {
        sum += s->wait_histogram[i];
    }
    return sum;
}

static void a_new_ring_has_done_nothing(void) {
    ring r = make_ring(64);
    const bb_end_stats ends[] = {sender_stats(r.tx), receiver_stats(r.rx)};
    for (size_t i = 0; i < LENGTH(ends); i++) {
        TEST_ASSERT_EQUAL_UINT32(sizeof ends[i], ends[i].struct_size);
        TEST_ASSERT_EQUAL_UINT64(64, ends[i].capacity);
        expect_end(ends[i], 0, 0, 0, __LINE__);
        TEST_ASSERT_EQUAL_UINT64(0, ends[i].waits + ends[i].wakes + ends[i].high_water + histogram_sum(&ends[i]));
    }
    end_ring(r);
}

static void calls_that_move_bytes_are_counted_and_those_that_find_none(void) {
    ring r = make_ring(64);
    bb_span free;
    bb_const_span full;
    SEND(BB_OK, &r, 50, 50);
    SENT(r, 50, 1, 0);
    SEND(BB_OK, &r, 50, 14); /* a part is an operation, not a miss */
    SENT(r, 64, 2, 0);
    SEND(BB_E_FULL, &r, 1, 0);
    SENT(r, 64, 2, 1);
    EXPECT(BB_E_FULL, bb_sender_reserve(r.tx, 1, &free));
    SENT(r, 64, 2, 2);
    RECV(BB_OK, &r, 60, 60);
    RECEIVED(r, 60, 1, 0);
    OK(bb_receiver_peek(r.rx, 1, &full));
    OK(bb_receiver_consume(r.rx, 4));
    r.out += 4;
    RECEIVED(r, 64, 2, 0);
    RECV(BB_E_EMPTY, &r, 1, 0);
    EXPECT(BB_E_EMPTY, bb_receiver_peek(r.rx, 1, &full));
    RECEIVED(r, 64, 2, 2);
    OK(bb_sender_reserve(r.tx, 1, &free));
    OK(bb_sender_commit(r.tx, 10));
    SENT(r, 74, 3, 2);
    end_ring(r);
}

static void the_high_water_is_the_most_that_was_found(void) {
    ring r = make_ring(64);
    SEND(BB_OK, &r, 30, 30);
    RECV(BB_OK, &r, 1, 1);
    TEST_ASSERT_EQUAL_UINT64(30, receiver_stats(r.rx).high_water);
    RECV(BB_OK, &r, 64, 29);
    SEND(BB_OK, &r, 10, 10);
    RECV(BB_OK, &r, 64, 10);
    TEST_ASSERT_EQUAL_UINT64(30, receiver_stats(r.rx).high_water); /* never goes down */
    SEND(BB_OK, &r, 64, 64);
    SEND(BB_E_FULL, &r, 1, 0);
    TEST_ASSERT_EQUAL_UINT64(64, sender_stats(r.tx).high_water);
    RECV(BB_OK, &r, 64, 64);
    TEST_ASSERT_EQUAL_UINT64(64, receiver_stats(r.rx).high_water);
    end_ring(r);
}

static void waits_are_counted_by_their_length(void) {
    ring r = make_ring(64);
    SEND(BB_OK, &r, 1, 1);
    OK(bb_receiver_wait_readable(r.rx, 1, BB_FOREVER)); /* returns at once */
    TEST_ASSERT_EQUAL_UINT64(0, receiver_stats(r.rx).waits);
    RECV(BB_OK, &r, 1, 1);
    for (uint64_t i = 1; i <= 5; i++) {
        EXPECT(BB_E_TIMEOUT, bb_receiver_wait_readable(r.rx, 1, BB_MS(1)));
        const bb_end_stats s = receiver_stats(r.rx);
        TEST_ASSERT_EQUAL_UINT64(i, s.waits);
        TEST_ASSERT_EQUAL_UINT64(i, histogram_sum(&s));
        for (int k = 0; k < 19; k++) { /* 2^19 ns are half a millisecond */
            TEST_ASSERT_EQUAL_UINT64(0, s.wait_histogram[k]);
        }
    }
    SEND(BB_OK, &r, 64, 64);
    EXPECT(BB_E_TIMEOUT, bb_sender_wait_writable(r.tx, 1, BB_MS(1)));
    TEST_ASSERT_EQUAL_UINT64(1, sender_stats(r.tx).waits);
    end_ring(r);
}

typedef struct waiter {
    ring *r;
    atomic_bool started;
} waiter;

static void *wait_for_one(void *argument) {
    waiter *w = argument;
    atomic_store(&w->started, true);
    THREAD_OK(bb_receiver_wait_readable(w->r->rx, 1, BB_FOREVER));
    return NULL;
}

static void a_wake_is_counted_by_the_end_that_wakes(void) {
    ring r = make_ring(64);
    uint64_t turns = 0;
    while (sender_stats(r.tx).wakes == 0) { /* until one wake-up has met a sleeper */
        waiter w = {.r = &r};
        const pthread_t thread = start(wait_for_one, &w);
        EVENTUALLY(atomic_load(&w.started));
        nap();
        SEND(BB_OK, &r, 1, 1);
        join(thread);
        RECV(BB_OK, &r, 1, 1);
        turns++;
    }
    CHECK(sender_stats(r.tx).wakes <= turns); /* a sleeper is woken once */
    TEST_ASSERT_EQUAL_UINT64(0, receiver_stats(r.rx).wakes);
    CHECK(receiver_stats(r.rx).waits >= 1);
    end_ring(r);
}

static void an_end_counts_from_its_own_beginning(void) {
    ring r = make_ring(64);
    SEND(BB_OK, &r, 10, 10);
    RECV(BB_OK, &r, 5, 5);
    OK(bb_sender_destroy(r.tx));
    OK(bb_receiver_attach_sender(r.rx, &r.tx));
    SENT(r, 0, 0, 0);
    SEND(BB_OK, &r, 30, 30);
    SENT(r, 30, 1, 0);
    RECEIVED(r, 5, 1, 0);
    OK(bb_receiver_destroy(r.rx));
    OK(bb_sender_attach_receiver(r.tx, &r.rx));
    RECV(BB_OK, &r, 64, 35);
    RECEIVED(r, 35, 1, 0);
    end_ring(r);
}

static void *pump(void *argument) {
    ring *r = argument;
    uint8_t bytes[16] = {0};
    for (int i = 0; i < rounds(100000); i++) {
        uint64_t n = 0;
        THREAD_OK(bb_sender_send(r->tx, bytes, sizeof bytes, &n));
        THREAD_OK(bb_receiver_recv(r->rx, bytes, sizeof bytes, &n));
    }
    return NULL;
}

static void any_thread_may_ask_at_any_time(void) {
    ring r = make_ring_with(64, BB_SPSC_CHECKED);
    const uint64_t all = 16 * (uint64_t)rounds(100000);
    const pthread_t thread = start(pump, &r);
    uint64_t sent = 0, received = 0;
    while (received < all) {
        const bb_end_stats rx = receiver_stats(r.rx), tx = sender_stats(r.tx);
        CHECK(tx.bytes >= sent && rx.bytes >= received && tx.bytes >= rx.bytes && tx.bytes <= all);
        sent = tx.bytes, received = rx.bytes;
        CHECK(atomic_load(&thread_failures) == 0);
    }
    join(thread);
    end_ring(r);
}

static void the_callers_size_is_respected(void) {
    ring r = make_ring(64);
    union {
        bb_end_stats stats;
        uint8_t bytes[sizeof(bb_end_stats)];
    } out;
    for (uint32_t size = 8; size <= sizeof out.stats; size += 8) {
        memset(&out, 0xA5, sizeof out);
        OK(bb_sender_stats_get(r.tx, size, &out.stats));
        for (size_t i = size; i < sizeof out; i++) {
            TEST_ASSERT_EQUAL_HEX8(0xA5, out.bytes[i]);
        }
    }
    for (uint32_t size = 0; size < 4; size++) {
        EXPECT(BB_E_VERSION, bb_sender_stats_get(r.tx, size, &out.stats));
        EXPECT(BB_E_VERSION, bb_receiver_stats_get(r.rx, size, &out.stats));
        MESSAGE_HAS("struct_size");
    }
    end_ring(r);
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_new_ring_has_done_nothing);
    RUN_TEST(calls_that_move_bytes_are_counted_and_those_that_find_none);
    RUN_TEST(the_high_water_is_the_most_that_was_found);
    RUN_TEST(waits_are_counted_by_their_length);
    RUN_TEST(a_wake_is_counted_by_the_end_that_wakes);
    RUN_TEST(an_end_counts_from_its_own_beginning);
    RUN_TEST(any_thread_may_ask_at_any_time);
    RUN_TEST(the_callers_size_is_respected);
    return UNITY_END();
}
