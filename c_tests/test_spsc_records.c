/* Records: sent whole or not at all; and rings that overwrite their oldest records, whose sender never waits. */
#include "ring.h"
#include <poll.h>
#include <pthread.h>

enum { RECORD = 12 };

typedef struct record {
    uint64_t number;
    uint32_t mark;
} record;

static void put_record(uint8_t to[RECORD], uint64_t number) {
    memcpy(to, &number, 8);
    memcpy(to + 8, &(uint32_t){(uint32_t)~number}, 4);
}

/* The number of a record. All its words must agree. */
static uint64_t number_of(const uint8_t *from) {
    record r;
    memcpy(&r.number, from, 8);
    memcpy(&r.mark, from + 8, 4);
    TEST_ASSERT_EQUAL_UINT32((uint32_t)~r.number, r.mark);
    return r.number;
}

static bb_status send_number(bb_sender *tx, uint64_t number, uint64_t timeout) {
    uint8_t bytes[RECORD];
    uint64_t sent = UINT64_MAX;
    put_record(bytes, number);
    const bb_status status = bb_sender_send_whole(tx, bytes, RECORD, timeout, &sent);
    TEST_ASSERT_EQUAL_UINT64(status == BB_OK ? RECORD : 0, sent);
    return status;
}

static ring make_overwriting(uint64_t records) {
    ring r = {0};
    bb_spsc_config config = ring_defaults("overwriting", 0);
    config.overwrite_record_size = RECORD;
    OK(bb_spsc_create(records * RECORD, &config, &r.tx, &r.rx));
    return r;
}

/* Sends the records from `r->in` on, each by its own call. All must be sent. */
static void send_numbers(ring *r, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        uint8_t bytes[RECORD];
        uint64_t sent = 0;
        put_record(bytes, r->in++);
        OK(bb_sender_send(r->tx, bytes, RECORD, &sent));
        TEST_ASSERT_EQUAL_UINT64(RECORD, sent);
    }
}

static void expect_number(ring *r, uint64_t number) {
    uint8_t bytes[RECORD];
    uint64_t got = 0;
    OK(bb_receiver_recv(r->rx, bytes, RECORD, &got));
    TEST_ASSERT_EQUAL_UINT64(RECORD, got);
    TEST_ASSERT_EQUAL_UINT64(number, number_of(bytes));
}

/* --- sent whole or not at all --- */

static void a_record_that_does_not_fit_is_not_cut(void) {
    ring r = make_ring(32);
    OK(send_number(r.tx, 0, 0));
    OK(send_number(r.tx, 1, 0));
    EXPECT(BB_E_FULL, send_number(r.tx, 2, 0)); /* 8 bytes are free */
    TEST_ASSERT_EQUAL_UINT64(2 * RECORD, sender_stats(r.tx).bytes);
    TEST_ASSERT_EQUAL_UINT64(1, sender_stats(r.tx).misses);
    EXPECT(BB_E_TIMEOUT, send_number(r.tx, 2, BB_MS(1)));
    expect_number(&r, 0);
    OK(send_number(r.tx, 2, 0));
    expect_number(&r, 1);
    expect_number(&r, 2);
    uint64_t sent = 77;
    OK(bb_sender_send_whole(r.tx, NULL, 0, 0, &sent));
    TEST_ASSERT_EQUAL_UINT64(0, sent);
    static const uint8_t much[33];
    sent = 77;
    EXPECT(BB_E_RANGE, bb_sender_send_whole(r.tx, much, 33, 0, &sent));
    TEST_ASSERT_EQUAL_UINT64(77, sent); /* refused: nothing is written */
    OK(bb_sender_send_whole(r.tx, much, 32, 0, &sent));
    OK(bb_receiver_close(r.rx));
    EXPECT(BB_E_CLOSED, send_number(r.tx, 3, 0));
    end_ring(r);
}

static void what_was_fed_before_a_whole_send_comes_before_it(void) {
    ring r = make_ring(32);
    FEED(BB_OK, &r, 24, 24);
    uint64_t sent = 0;
    EXPECT(BB_E_FULL, bb_sender_send_whole(r.tx, "123456789", 9, 0, &sent));
    READABLE(&r, 24); /* a full ring publishes what was fed */
    RECV(BB_OK, &r, 24, 24);
    end_ring(r);
}

static void *send_one(void *tx) {
    const bb_status status = send_number(tx, 4, BB_FOREVER);
    return (void *)(intptr_t)status;
}

static void a_whole_send_waits_for_room_for_all(void) {
    ring r = make_ring(32);
    OK(send_number(r.tx, 0, 0));
    OK(send_number(r.tx, 1, 0));
    pthread_t thread;
    TEST_ASSERT_EQUAL_INT(0, pthread_create(&thread, NULL, send_one, r.tx));
    uint8_t bytes[4 * RECORD];
    uint64_t got = 0;
    OK(bb_receiver_recv_all(r.rx, bytes, 3 * RECORD, BB_SEC(30), &got));
    void *status = NULL;
    TEST_ASSERT_EQUAL_INT(0, pthread_join(thread, &status));
    TEST_ASSERT_EQUAL_INT(BB_OK, (int)(intptr_t)status);
    TEST_ASSERT_EQUAL_UINT64(4, number_of(bytes + 2 * RECORD));
    end_ring(r);
}

/* --- the oldest records are overwritten --- */

static void the_newest_records_stay(void) {
    ring r = make_overwriting(5);
    TEST_ASSERT_EQUAL_UINT64(5 * RECORD, sender_stats(r.tx).capacity);
    send_numbers(&r, 23);
    TEST_ASSERT_EQUAL_UINT64(18, sender_stats(r.tx).lost);
    TEST_ASSERT_EQUAL_UINT64(18, receiver_stats(r.rx).lost);
    for (uint64_t number = 18; number < 23; number++) {
        expect_number(&r, number);
    }
    uint8_t bytes[RECORD];
    uint64_t got = 77;
    EXPECT(BB_E_EMPTY, bb_receiver_recv(r.rx, bytes, RECORD, &got));
    TEST_ASSERT_EQUAL_UINT64(0, got);
    TEST_ASSERT_EQUAL_UINT64(5 * RECORD, receiver_stats(r.rx).bytes);
    TEST_ASSERT_EQUAL_UINT64(23 * RECORD, sender_stats(r.tx).bytes);
    TEST_ASSERT_EQUAL_UINT64(18, receiver_stats(r.rx).lost);
    TEST_ASSERT_EQUAL_UINT64(0, sender_stats(r.tx).misses);
    end_ring(r);
}

static void every_way_in_overwrites(void) {
    ring r = make_overwriting(4);
    uint8_t many[9 * RECORD];
    for (uint64_t i = 0; i < 9; i++) {
        put_record(many + i * RECORD, i);
    }
    uint64_t sent = 0;
    OK(bb_sender_send(r.tx, many, sizeof many, &sent)); /* more than the ring holds: the last records stay */
    TEST_ASSERT_EQUAL_UINT64(sizeof many, sent);
    expect_number(&r, 5);
    OK(bb_sender_send_all(r.tx, many, 2 * RECORD, 0, &sent));
    expect_number(&r, 7); /* 6 was overwritten */
    OK(bb_sender_feed(r.tx, many, 2 * RECORD, &sent));
    expect_number(&r, 8);
    OK(bb_sender_flush(r.tx));
    expect_number(&r, 0);
    bb_span span;
    OK(bb_sender_reserve(r.tx, 4 * RECORD, &span));
    TEST_ASSERT_EQUAL_UINT64(4 * RECORD, span.bytes);
    for (uint64_t i = 0; i < 4; i++) {
        put_record((uint8_t *)span.data + i * RECORD, 10 + i);
    }
    expect_number(&r, 1); /* a span alone overwrites nothing */
    OK(bb_sender_commit(r.tx, 3 * RECORD));
    expect_number(&r, 1); /* of the feed; the record before it is overwritten */
    OK(bb_sender_send_whole(r.tx, many, 4 * RECORD, BB_FOREVER, &sent));
    expect_number(&r, 0);
    TEST_ASSERT_EQUAL_UINT64(sender_stats(r.tx).lost, receiver_stats(r.rx).lost);
    end_ring(r);
}

static void only_whole_records_go_and_come(void) {
    ring r = make_overwriting(4);
    uint8_t bytes[5 * RECORD] = {0};
    uint64_t count = 77;
    bb_span span;
    bb_const_span seen;
    EXPECT(BB_E_ALIGN, bb_sender_send(r.tx, bytes, 11, &count));
    EXPECT(BB_E_ALIGN, bb_sender_feed(r.tx, bytes, 13, &count));
    EXPECT(BB_E_ALIGN, bb_sender_send_all(r.tx, bytes, 13, 0, &count));
    EXPECT(BB_E_ALIGN, bb_sender_send_whole(r.tx, bytes, 13, 0, &count));
    EXPECT(BB_E_RANGE, bb_sender_send_whole(r.tx, bytes, 5 * RECORD, 0, &count));
    EXPECT(BB_E_RANGE, bb_sender_reserve(r.tx, 4 * RECORD + 1, &span));
    OK(bb_sender_reserve(r.tx, 1, &span));
    EXPECT(BB_E_ALIGN, bb_sender_commit(r.tx, 13));
    OK(bb_sender_commit(r.tx, RECORD)); /* the span was still open */
    EXPECT(BB_E_ALIGN, bb_receiver_recv(r.rx, bytes, 11, &count));
    EXPECT(BB_E_ALIGN, bb_receiver_recv_all(r.rx, bytes, 13, 0, &count));
    TEST_ASSERT_EQUAL_UINT64(77, count);
    OK(bb_receiver_peek(r.rx, 1, &seen));
    TEST_ASSERT_EQUAL_UINT64(RECORD, seen.bytes);
    EXPECT(BB_E_ALIGN, bb_receiver_consume(r.rx, 1));
    OK(bb_receiver_consume(r.rx, 0));
    OK(bb_receiver_recv(r.rx, bytes, 2 * RECORD - 1, &count)); /* whole records that fit */
    TEST_ASSERT_EQUAL_UINT64(RECORD, count);
    OK(bb_receiver_recv(r.rx, NULL, 0, &count));
    EXPECT(BB_E_TIMEOUT, bb_receiver_wait_readable(r.rx, 1, 0));
    OK(bb_sender_wait_writable(r.tx, 1000, 0));
    end_ring(r);

    bb_spsc_config config = ring_defaults("records", 0);
    config.overwrite_record_size = UINT64_MAX;
    EXPECT(BB_E_RANGE, bb_spsc_create(64, &config, &r.tx, &r.rx));
    MESSAGE_HAS("overwrite_record_size");
    config.overwrite_record_size = 100; /* at least one record */
    OK(bb_spsc_create(1, &config, &r.tx, &r.rx));
    TEST_ASSERT_EQUAL_UINT64(100, receiver_stats(r.rx).capacity);
    end_ring(r);
    config.struct_size = offsetof(bb_spsc_config, overwrite_record_size); /* of an older program */
    OK(bb_spsc_create(1, &config, &r.tx, &r.rx));
    TEST_ASSERT_EQUAL_UINT64(1, receiver_stats(r.rx).capacity);
    end_ring(r);
}

static void *wait_for_room(void *tx) { return (void *)(intptr_t)send_number(tx, 100, BB_FOREVER); }

/* While a span is open the sender can send as many records as the ring holds; the next one is refused. The span does not change. */
static void an_open_span_is_not_overwritten(void) {
    ring r = make_overwriting(4);
    send_numbers(&r, 4);
    bb_const_span span;
    OK(bb_receiver_peek(r.rx, 1, &span));
    TEST_ASSERT_EQUAL_UINT64(4 * RECORD, span.bytes);
    send_numbers(&r, 4);
    for (int more = 0; more < 100 && send_number(r.tx, r.in, 0) == BB_OK; more++) {
        r.in++;
    }
    EXPECT(BB_E_FULL, send_number(r.tx, r.in, 0));
    EXPECT(BB_E_TIMEOUT, bb_sender_wait_writable(r.tx, 1, 0));
    EXPECT(BB_E_FULL, bb_sender_arm(r.tx, 1));
    for (uint64_t i = 0; i < 4; i++) {
        TEST_ASSERT_EQUAL_UINT64(i, number_of((const uint8_t *)span.data + i * RECORD));
    }
    TEST_ASSERT_EQUAL_UINT64(0, sender_stats(r.tx).lost);
    struct pollfd sending = {.events = POLLIN};
    OK(bb_sender_fd(r.tx, &sending.fd));
    TEST_ASSERT_EQUAL_INT(0, poll(&sending, 1, 0));
    pthread_t thread;
    TEST_ASSERT_EQUAL_INT(0, pthread_create(&thread, NULL, wait_for_room, r.tx));
    OK(bb_receiver_consume(r.rx, RECORD));
    void *status = NULL;
    TEST_ASSERT_EQUAL_INT(0, pthread_join(thread, &status));
    TEST_ASSERT_EQUAL_INT(BB_OK, (int)(intptr_t)status);
    TEST_ASSERT_EQUAL_INT(1, poll(&sending, 1, 0));
    expect_number(&r, r.in - 3); /* the newest four stay */
    expect_number(&r, r.in - 2);
    expect_number(&r, r.in - 1);
    expect_number(&r, 100);
    const bb_end_stats in = sender_stats(r.tx), out = receiver_stats(r.rx);
    TEST_ASSERT_EQUAL_UINT64(in.lost, out.lost);
    TEST_ASSERT_EQUAL_UINT64(in.bytes, out.bytes + out.lost * RECORD);
    end_ring(r);
}

/* A span that outlives its end: the next receiver goes on, and is overwritten again. */
static void a_receiver_that_went_with_a_span_holds_nothing(void) {
    ring r = make_overwriting(4);
    send_numbers(&r, 6);
    bb_const_span span;
    OK(bb_receiver_peek(r.rx, 1, &span));
    bb_receiver *old = r.rx;
    OK(bb_receiver_destroy(old));
    EXPECT(BB_E_CLOSED, send_number(r.tx, 6, 0));
    EXPECT(BB_E_BUSY, bb_sender_attach_receiver(r.tx, &r.rx));
    TEST_ASSERT_EQUAL_UINT64(2, number_of(span.data));
    EXPECT(BB_E_CLOSED, bb_receiver_consume(old, RECORD));
    OK(bb_sender_attach_receiver(r.tx, &r.rx));
    send_numbers(&r, 2);
    expect_number(&r, 4);
    TEST_ASSERT_EQUAL_UINT64(2, receiver_stats(r.rx).lost); /* since it was attached */
    OK(bb_sender_destroy(r.tx));
    OK(bb_receiver_attach_sender(r.rx, &r.tx));
    send_numbers(&r, 2);
    expect_number(&r, 6);
    OK(bb_sender_close(r.tx));
    expect_number(&r, 7);
    expect_number(&r, 8);
    expect_number(&r, 9);
    uint64_t got = 0;
    EXPECT(BB_E_CLOSED, bb_receiver_recv(r.rx, &(uint8_t[RECORD]){0}, RECORD, &got));
    end_ring(r);
}

static void a_stream_takes_whole_records(void) {
    ring r = make_overwriting(8);
    bb_stream_config config = stream_defaults();
    bb_stream *stream = NULL;
    config.record_size = RECORD + 1;
    EXPECT(BB_E_ARGUMENT, bb_spsc_into_stream(r.rx, &config, &stream));
    config.record_size = 0;
    config.pool_size = 64; /* five records */
    stream = make_stream(&r, &config);
    send_numbers(&r, 11);
    bb_chunk chunk;
    OK(bb_stream_next(stream, 0, &chunk));
    TEST_ASSERT_EQUAL_UINT64(5 * RECORD, chunk.bytes);
    TEST_ASSERT_EQUAL_UINT64(3, number_of(chunk.data));
    send_numbers(&r, 11); /* a held chunk does not change */
    TEST_ASSERT_EQUAL_UINT64(4, number_of((const uint8_t *)chunk.data + RECORD));
    OK(bb_lease_release(chunk.lease));
    OK(bb_sender_close(r.tx));
    for (uint64_t number = 14; number < 22; number += 5) {
        OK(bb_stream_next(stream, 0, &chunk));
        TEST_ASSERT_EQUAL_UINT64((number == 14 ? 5 : 3) * RECORD, chunk.bytes);
        TEST_ASSERT_EQUAL_UINT64(number, number_of(chunk.data));
        OK(bb_lease_release(chunk.lease));
    }
    EXPECT(BB_E_CLOSED, bb_stream_next(stream, 0, &chunk));
    OK(bb_stream_destroy(stream));
    OK(bb_sender_destroy(r.tx));
}

/* --- a sender that never waits, with a receiver that uses each kind of call --- */

enum { FLOOD = 200000 };

static void *flood(void *tx) {
    uint64_t refused = 0;
    for (uint64_t number = 0; number < FLOOD; number++) {
        refused += send_number(tx, number, 0) != BB_OK;
    }
    OK(bb_sender_close(tx));
    return (void *)(uintptr_t)refused;
}

static void records_are_whole_and_in_order_beside_a_flood(void) {
    for (uint64_t records = 1; records <= 64; records *= 8) {
        ring r = make_overwriting(records);
        pthread_t thread;
        TEST_ASSERT_EQUAL_INT(0, pthread_create(&thread, NULL, flood, r.tx));
        uint64_t next = 0, received = 0;
        for (uint64_t turn = 0;; turn++) {
            uint8_t bytes[8 * RECORD];
            const uint8_t *from = bytes;
            bb_const_span span = {.bytes = 0};
            uint64_t got = 0;
            bb_status status = bb_receiver_wait_readable(r.rx, 1, BB_SEC(30));
            if (turn % 2 == 0 && status == BB_OK) {
                status = bb_receiver_recv(r.rx, bytes, sizeof bytes, &got);
            } else if (status == BB_OK) {
                status = bb_receiver_peek(r.rx, 1, &span);
                from = span.data, got = span.bytes;
            }
            if (status == BB_E_CLOSED) {
                break;
            }
            expect_status(BB_OK, status, "receive", __LINE__);
            for (uint64_t at = 0; at < got; at += RECORD, received++) {
                const uint64_t number = number_of(from + at);
                CHECK(number >= next);
                next = number + 1;
            }
            if (span.bytes > 0) {
                OK(bb_receiver_consume(r.rx, span.bytes));
            }
        }
        void *refused = NULL;
        TEST_ASSERT_EQUAL_INT(0, pthread_join(thread, &refused));
        const uint64_t lost = sender_stats(r.tx).lost;
        TEST_ASSERT_EQUAL_UINT64(FLOOD, received + lost + (uint64_t)(uintptr_t)refused);
        TEST_ASSERT_EQUAL_UINT64(lost, receiver_stats(r.rx).lost);
        TEST_ASSERT_EQUAL_UINT64(received * RECORD, receiver_stats(r.rx).bytes);
        end_ring(r);
    }
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_record_that_does_not_fit_is_not_cut);
    RUN_TEST(what_was_fed_before_a_whole_send_comes_before_it);
    RUN_TEST(a_whole_send_waits_for_room_for_all);
    RUN_TEST(the_newest_records_stay);
    RUN_TEST(every_way_in_overwrites);
    RUN_TEST(only_whole_records_go_and_come);
    RUN_TEST(an_open_span_is_not_overwritten);
    RUN_TEST(a_receiver_that_went_with_a_span_holds_nothing);
    RUN_TEST(a_stream_takes_whole_records);
    RUN_TEST(records_are_whole_and_in_order_beside_a_flood);
    return UNITY_END();
}
