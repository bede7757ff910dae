/* Spans lent for writing or reading: always contiguous; wrong calls are refused. */
#include "ring.h"

static const uint64_t capacities[] = {1, 2, 8, 64, 1024, 4096, 8192, 65536};

static void a_span_is_all_there_is_and_contiguous_at_every_offset(void) {
    for (size_t i = 0; i < LENGTH(capacities); i++) {
        const uint64_t capacity = capacities[i];
        const uint64_t step = capacity <= 1024 ? 1 : capacity / 64 + 7;
        ring r = make_ring(capacity);
        for (uint64_t turn = 0; turn <= 2 * capacity / step; turn++) {
            bb_span free;
            bb_const_span full;
            OK(bb_sender_reserve(r.tx, capacity, &free));
            TEST_ASSERT_EQUAL_UINT64(capacity, free.bytes);
            content_fill(free.data, r.in, capacity);
            OK(bb_sender_commit(r.tx, capacity));
            r.in += capacity;
            OK(bb_receiver_peek(r.rx, capacity, &full));
            TEST_ASSERT_EQUAL_UINT64(capacity, full.bytes);
            CHECK(content_is(full.data, r.out, capacity));
            OK(bb_receiver_consume(r.rx, step));
            r.out += step;
            RECV(capacity == step ? BB_E_EMPTY : BB_OK, &r, capacity, capacity - step);
            SEND(BB_OK, &r, step, step); /* the next span begins elsewhere */
            RECV(BB_OK, &r, step, step);
        }
        end_ring(r);
    }
}

static void reserve_gives_the_free_space(void) {
    ring r = make_ring(64);
    bb_span span;
    SEND(BB_OK, &r, 50, 50);
    OK(bb_sender_reserve(r.tx, 0, &span)); /* 0 counts as 1 */
    TEST_ASSERT_EQUAL_UINT64(14, span.bytes);
    OK(bb_sender_commit(r.tx, 0)); /* publishes nothing */
    READABLE(&r, 50);
    EXPECT(BB_E_FULL, bb_sender_reserve(r.tx, 15, &span));
    OK(bb_sender_reserve(r.tx, 14, &span));
    content_fill(span.data, r.in, 4);
    OK(bb_sender_commit(r.tx, 4)); /* less than was reserved */
    r.in += 4;
    READABLE(&r, 54);
    SEND(BB_OK, &r, 10, 10);
    EXPECT(BB_E_FULL, bb_sender_reserve(r.tx, 0, &span));
    RECV(BB_OK, &r, 64, 64);
    OK(bb_sender_reserve(r.tx, 64, &span));
    TEST_ASSERT_EQUAL_UINT64(64, span.bytes);
    OK(bb_sender_commit(r.tx, 0));
    end_ring(r);
}

static void peek_gives_what_is_readable(void) {
    ring r = make_ring(64);
    bb_const_span span;
    EXPECT(BB_E_EMPTY, bb_receiver_peek(r.rx, 0, &span));
    SEND(BB_OK, &r, 30, 30);
    EXPECT(BB_E_EMPTY, bb_receiver_peek(r.rx, 31, &span));
    OK(bb_receiver_peek(r.rx, 0, &span));
    TEST_ASSERT_EQUAL_UINT64(30, span.bytes);
    OK(bb_receiver_consume(r.rx, 0));
    OK(bb_receiver_peek(r.rx, 30, &span));
    TEST_ASSERT_EQUAL_UINT64(30, span.bytes);
    SEND(BB_OK, &r, 30, 30); /* does not change the open span */
    CHECK(content_is(span.data, r.out, 30));
    OK(bb_receiver_consume(r.rx, 10));
    r.out += 10;
    READABLE(&r, 50);
    RECV(BB_OK, &r, 64, 50);
    end_ring(r);
}

static void a_claim_keeps_its_bytes_from_the_other_end(void) {
    ring r = make_ring(64);
    bb_span free;
    bb_const_span full;
    SEND(BB_OK, &r, 64, 64);
    OK(bb_receiver_peek(r.rx, 64, &full));
    SEND(BB_E_FULL, &r, 1, 0); /* peeked bytes are not free */
    OK(bb_receiver_consume(r.rx, 64));
    r.out += 64;
    OK(bb_sender_reserve(r.tx, 64, &free));
    memset(free.data, 1, 64);
    RECV(BB_E_EMPTY, &r, 64, 0); /* reserved bytes are not sent */
    OK(bb_sender_commit(r.tx, 0));
    RECV(BB_E_EMPTY, &r, 64, 0);
    end_ring(r);
}

static void the_other_ends_death_does_not_touch_a_claim(void) {
    for (size_t i = 0; i < LENGTH(receiver_ends); i++) {
        bb_span free;
        ring r = make_ring(65536);
        OK(bb_sender_reserve(r.tx, 65536, &free));
        OK(receiver_ends[i](&r));
        memset(free.data, 7, free.bytes);
        EXPECT(BB_E_CLOSED, bb_sender_commit(r.tx, free.bytes));
        EXPECT(BB_E_STATE, bb_sender_commit(r.tx, 0)); /* the span has ended */
        end_ring(r);
    }
    for (size_t i = 0; i < LENGTH(sender_ends); i++) {
        bb_const_span full;
        ring r = make_ring(65536);
        SEND(BB_OK, &r, 65536, 65536);
        OK(bb_receiver_peek(r.rx, 1, &full));
        OK(sender_ends[i](&r));
        CHECK(content_is(full.data, 0, 65536));
        OK(bb_receiver_consume(r.rx, 1));
        r.out++;
        RECV(BB_OK, &r, 65536, 65535);
        RECV(BB_E_CLOSED, &r, 1, 0);
        end_ring(r);
    }
}

/* --- wrong calls: each is refused and changes nothing --- */

static void commit_beyond_the_span_or_without_one_changes_nothing(void) {
    ring r = make_ring(64);
    bb_span span;
    EXPECT(BB_E_STATE, bb_sender_commit(r.tx, 0));
    EXPECT(BB_E_STATE, bb_sender_commit(r.tx, 1));
    SEND(BB_OK, &r, 50, 50);
    OK(bb_sender_reserve(r.tx, 1, &span));
    const uint64_t beyond[] = {span.bytes + 1, 64, 65, UINT64_MAX, UINT64_MAX - 49};
    for (size_t i = 0; i < LENGTH(beyond); i++) {
        EXPECT(BB_E_STATE, bb_sender_commit(r.tx, beyond[i]));
        MESSAGE_HAS("bb_sender_commit");
    }
    READABLE(&r, 50);
    content_fill(span.data, r.in, span.bytes); /* the span is still open */
    OK(bb_sender_commit(r.tx, span.bytes));
    r.in += span.bytes;
    EXPECT(BB_E_STATE, bb_sender_commit(r.tx, 0));
    RECV(BB_OK, &r, 64, 64);
    end_ring(r);
}

static void consume_beyond_the_span_or_without_one_changes_nothing(void) {
    ring r = make_ring(64);
    bb_const_span span;
    EXPECT(BB_E_STATE, bb_receiver_consume(r.rx, 0));
    SEND(BB_OK, &r, 50, 50);
    EXPECT(BB_E_STATE, bb_receiver_consume(r.rx, 1));
    OK(bb_receiver_peek(r.rx, 1, &span));
    SEND(BB_OK, &r, 14, 14); /* not in the span */
    const uint64_t beyond[] = {51, 64, 65, UINT64_MAX, UINT64_MAX - 49};
    for (size_t i = 0; i < LENGTH(beyond); i++) {
        EXPECT(BB_E_STATE, bb_receiver_consume(r.rx, beyond[i]));
        MESSAGE_HAS("bb_receiver_consume");
    }
    CHECK(content_is(span.data, 0, 50));
    OK(bb_receiver_consume(r.rx, 50));
    r.out += 50;
    EXPECT(BB_E_STATE, bb_receiver_consume(r.rx, 0));
    RECV(BB_OK, &r, 64, 14);
    end_ring(r);
}

static void a_second_claim_is_refused(void) {
    ring r = make_ring(64);
    bb_span first, second = {0};
    bb_const_span seen, again = {0};
    SEND(BB_OK, &r, 10, 10);
    OK(bb_sender_reserve(r.tx, 1, &first));
    EXPECT(BB_E_STATE, bb_sender_reserve(r.tx, 1, &second));
    OK(bb_receiver_peek(r.rx, 1, &seen)); /* each end has a span */
    EXPECT(BB_E_STATE, bb_receiver_peek(r.rx, 1, &again));
    CHECK(second.data == NULL && again.data == NULL);
    OK(bb_sender_commit(r.tx, 0));
    OK(bb_receiver_consume(r.rx, 0));
    end_ring(r);
}

static void nothing_passes_an_open_claim(void) {
    ring r = make_ring(64);
    bb_span free;
    bb_const_span full;
    SEND(BB_OK, &r, 10, 10);
    OK(bb_sender_reserve(r.tx, 1, &free));
    SEND(BB_E_STATE, &r, 1, 0);
    FEED(BB_E_STATE, &r, 1, 0);
    PUT(send_all_now, BB_E_STATE, &r, 1, 0);
    EXPECT(BB_E_STATE, bb_sender_flush(r.tx));
    OK(bb_receiver_peek(r.rx, 1, &full));
    RECV(BB_E_STATE, &r, 1, 0);
    TAKE(recv_all_now, BB_E_STATE, &r, 1, 0);
    bb_stream *stream = NULL;
    EXPECT(BB_E_STATE, bb_spsc_into_stream(r.rx, NULL, &stream));
    CHECK(stream == NULL);
    OK(bb_sender_commit(r.tx, 0));
    OK(bb_receiver_consume(r.rx, 0));
    SEND(BB_OK, &r, 1, 1);
    RECV(BB_OK, &r, 64, 11);
    end_ring(r);
}

static void more_than_the_ring_can_hold_is_refused(void) {
    ring r = make_ring(100); /* 128 */
    bb_span free = {0};
    bb_const_span full = {0};
    const uint64_t beyond[] = {129, 1 << 20, UINT64_MAX};
    for (size_t i = 0; i < LENGTH(beyond); i++) {
        EXPECT(BB_E_RANGE, bb_sender_reserve(r.tx, beyond[i], &free));
        EXPECT(BB_E_RANGE, bb_receiver_peek(r.rx, beyond[i], &full));
    }
    CHECK(free.data == NULL && full.data == NULL);
    OK(bb_sender_reserve(r.tx, 128, &free));
    OK(bb_sender_commit(r.tx, 0));
    end_ring(r);
}

/* --- ends destroyed with an open span: its memory stays until the span ends --- */

static void a_sender_destroyed_with_a_claim_keeps_the_memory(void) {
    ring r = make_ring(65536);
    bb_span span;
    bb_sender *next = NULL;
    SEND(BB_OK, &r, 10, 10);
    OK(bb_sender_reserve(r.tx, 1, &span));
    OK(bb_sender_destroy(r.tx));
    memset(span.data, 7, span.bytes);
    RECV(BB_OK, &r, 100, 10);
    RECV(BB_E_CLOSED, &r, 100, 0); /* the span's bytes were never sent */
    EXPECT(BB_E_BUSY, bb_receiver_attach_sender(r.rx, &next));
    memset(span.data, 8, span.bytes);
    EXPECT(BB_E_CLOSED, bb_sender_commit(r.tx, 10));
    EXPECT(BB_E_STALE, bb_sender_commit(r.tx, 10));
    OK(bb_receiver_attach_sender(r.rx, &r.tx));
    SEND(BB_OK, &r, 65536, 65536);
    RECV(BB_OK, &r, 65536, 65536);
    end_ring(r);
}

static void a_receiver_destroyed_with_a_claim_keeps_the_memory(void) {
    ring r = make_ring(65536);
    bb_const_span span;
    bb_receiver *next = NULL;
    SEND(BB_OK, &r, 65536, 65536);
    OK(bb_receiver_peek(r.rx, 1, &span));
    OK(bb_receiver_destroy(r.rx));
    SEND(BB_E_CLOSED, &r, 1, 0);
    CHECK(content_is(span.data, 0, span.bytes));
    EXPECT(BB_E_BUSY, bb_sender_attach_receiver(r.tx, &next));
    EXPECT(BB_E_CLOSED, bb_receiver_consume(r.rx, 10));
    EXPECT(BB_E_STALE, bb_receiver_consume(r.rx, 10));
    OK(bb_sender_attach_receiver(r.tx, &r.rx));
    RECV(BB_OK, &r, 65536, 65536); /* no byte of it was consumed */
    end_ring(r);
}

static void claims_outlive_both_ends(void) {
    ring r = make_ring(65536);
    bb_span free;
    bb_const_span full;
    SEND(BB_OK, &r, 32768, 32768);
    OK(bb_sender_reserve(r.tx, 1, &free));
    OK(bb_receiver_peek(r.rx, 1, &full));
    end_ring(r);
    memset(free.data, 7, free.bytes);
    CHECK(content_is(full.data, 0, full.bytes));
    EXPECT(BB_E_CLOSED, bb_sender_commit(r.tx, 0));
    CHECK(content_is(full.data, 0, full.bytes));
    EXPECT(BB_E_CLOSED, bb_receiver_consume(r.rx, 0));
    EXPECT(BB_E_STALE, bb_sender_commit(r.tx, 0));
    EXPECT(BB_E_STALE, bb_receiver_consume(r.rx, 0));
    EXPECT(BB_E_STALE, bb_sender_destroy(r.tx));
    EXPECT(BB_E_STALE, bb_receiver_destroy(r.rx));
}

static void *destroy_it(void *tx) { return bb_sender_destroy(tx) == BB_OK ? tx : NULL; }

static void of_two_that_destroy_one_keeps_the_claim(void) {
    for (int round = 0; round < 500; round++) {
        ring r = make_ring(64);
        bb_span span;
        bb_sender *next;
        void *other;
        OK(bb_sender_reserve(r.tx, 8, &span));
        const pthread_t thread = start(destroy_it, r.tx);
        const bool mine = bb_sender_destroy(r.tx) == BB_OK;
        CHECK(pthread_join(thread, &other) == 0);
        CHECK(mine != (other != NULL));
        EXPECT(BB_E_BUSY, bb_receiver_attach_sender(r.rx, &next));
        EXPECT(BB_E_CLOSED, bb_sender_commit(r.tx, 8));
        OK(bb_receiver_attach_sender(r.rx, &next));
        EXPECT(BB_E_STALE, bb_sender_commit(r.tx, 8)); /* the new sender stays */
        EXPECT(BB_E_BUSY, bb_receiver_attach_sender(r.rx, &r.tx));
        OK(bb_sender_destroy(next));
        OK(bb_receiver_destroy(r.rx));
    }
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_span_is_all_there_is_and_contiguous_at_every_offset);
    RUN_TEST(reserve_gives_the_free_space);
    RUN_TEST(peek_gives_what_is_readable);
    RUN_TEST(a_claim_keeps_its_bytes_from_the_other_end);
    RUN_TEST(the_other_ends_death_does_not_touch_a_claim);
    RUN_TEST(commit_beyond_the_span_or_without_one_changes_nothing);
    RUN_TEST(consume_beyond_the_span_or_without_one_changes_nothing);
    RUN_TEST(a_second_claim_is_refused);
    RUN_TEST(nothing_passes_an_open_claim);
    RUN_TEST(more_than_the_ring_can_hold_is_refused);
    RUN_TEST(a_sender_destroyed_with_a_claim_keeps_the_memory);
    RUN_TEST(a_receiver_destroyed_with_a_claim_keeps_the_memory);
    RUN_TEST(claims_outlive_both_ends);
    RUN_TEST(of_two_that_destroy_one_keeps_the_claim);
    return UNITY_END();
}
