/* Streams: chunks of what arrives in a ring, in buffers of their own; sizes, records, batches and the end. */
#include "ring.h"

static bb_stream *make_records(ring *r, uint64_t pool_size, uint64_t min_size, uint64_t record_size) {
    bb_stream_config c = stream_defaults();
    c.pool_size = pool_size;
    c.min_size = min_size;
    c.record_size = record_size;
    return make_stream(r, &c);
}

/* --- creation --- */

static void defaults_are_those_of_the_header(void) {
    bb_stream_config c;
    memset(&c, 0xA5, sizeof c);
    OK(bb_stream_config_init(&c));
    TEST_ASSERT_EQUAL_UINT32(sizeof c, c.struct_size);
    TEST_ASSERT_EQUAL_UINT32(16, c.pool_count);
    TEST_ASSERT_EQUAL_UINT64(8192, c.pool_size);
    TEST_ASSERT_EQUAL_UINT64(1, c.min_size);
    TEST_ASSERT_EQUAL_UINT64(0, c.record_size);
    CHECK(c.label == NULL);
}

static void it_takes_the_receivers_place(void) {
    ring r = make_ring(64);
    bb_receiver *rx = r.rx, *other = NULL;
    SEND(BB_OK, &r, 30, 30); /* unread bytes become chunks, too */
    bb_stream *s = make_stream(&r, NULL);
    EXPECT(BB_E_STALE, bb_receiver_wait_readable(rx, 1, 0));
    EXPECT(BB_E_STALE, bb_receiver_destroy(rx));
    EXPECT(BB_E_BUSY, bb_sender_attach_receiver(r.tx, &other));
    SEND(BB_OK, &r, 30, 30);
    PASS(s, &r, 60);
    SEND(BB_OK, &r, 10, 10);
    OK(bb_stream_destroy(s));
    SEND(BB_E_CLOSED, &r, 1, 0);
    OK(bb_sender_attach_receiver(r.tx, &r.rx));
    RECV(BB_OK, &r, 64, 10);
    end_ring(r);
}

static void a_config_that_cannot_be_is_refused_and_the_receiver_stays(void) {
    const struct {
        uint64_t pool_size, min_size, record_size;
        bb_status status;
        const char *message;
    } cases[] = {{0, 1, 0, BB_E_ARGUMENT, "pool_count"},
                 {63, 1, 0, BB_E_ARGUMENT, "pool_size = 63"},
                 {64, 65, 0, BB_E_RANGE, "min_size"},
                 {8192, 1025, 0, BB_E_RANGE, "min_size"}, /* more than the capacity */
                 {64, UINT64_MAX, 0, BB_E_RANGE, "min_size"},
                 {64, 1, 65, BB_E_RANGE, "record_size"},
                 {8192, 1, 1025, BB_E_RANGE, "record_size"},
                 {64, 1, UINT64_MAX, BB_E_RANGE, "record_size"}};
    ring r = make_ring(1024);
    bb_stream *s = NULL;
    bb_stream_config c;
    SEND(BB_OK, &r, 5, 5);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        c = stream_defaults();
        c.pool_size = cases[i].pool_size;
        c.min_size = cases[i].min_size;
        c.record_size = cases[i].record_size;
        EXPECT(cases[i].status, bb_spsc_into_stream(r.rx, &c, &s));
        MESSAGE_HAS("bb_spsc_into_stream");
        MESSAGE_HAS(cases[i].message);
    }
    c = stream_defaults();
    c.label = "caf\xe9";
    EXPECT(BB_E_ARGUMENT, bb_spsc_into_stream(r.rx, &c, &s));
    MESSAGE_HAS("label");
    c = stream_defaults();
    for (c.struct_size = 0; c.struct_size < sizeof(uint32_t); c.struct_size++) {
        EXPECT(BB_E_VERSION, bb_spsc_into_stream(r.rx, &c, &s));
    }
    c = stream_defaults();
    c.pool_size = UINT64_MAX; /* a buffer is allocated when there are bytes for it */
    const bb_status huge = bb_spsc_into_stream(r.rx, &c, &s);
    CHECK(huge == BB_OK || huge == BB_E_RANGE || huge == BB_E_OUT_OF_MEMORY);
    if (huge == BB_OK) {
        OK(bb_stream_destroy(s));
        OK(bb_sender_attach_receiver(r.tx, &r.rx));
        s = NULL;
    }
    CHECK(s == NULL);
    RECV(BB_OK, &r, 64, 5); /* the receiver is unchanged */
    end_ring(r);
}

/* --- one chunk at a time --- */

static void a_chunk_is_what_is_there_up_to_the_buffer_size(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_records(&r, 128, 1, 0);
    bb_chunk chunk;
    EXPECT(BB_E_TIMEOUT, bb_stream_next(s, 0, &chunk));
    SEND(BB_OK, &r, 1, 1);
    PASS(s, &r, 1);
    SEND(BB_OK, &r, 128, 128);
    PASS(s, &r, 128);
    SEND(BB_OK, &r, 300, 300);
    PASS(s, &r, 128);
    PASS(s, &r, 128);
    PASS(s, &r, 44);
    EXPECT(BB_E_TIMEOUT, bb_stream_next(s, BB_MS(1), &chunk));
    const bb_stream_stats stats = stream_stats(s);
    TEST_ASSERT_EQUAL_UINT64(5, stats.chunks);
    TEST_ASSERT_EQUAL_UINT64(429, stats.bytes);
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void a_chunk_is_the_users_own_to_write(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_stream(&r, NULL);
    bb_chunk chunks[20];
    for (size_t i = 0; i < LENGTH(chunks); i++) {
        SEND(BB_OK, &r, 100, 100);
        chunks[i] = NEXT(s, &r, 100);
        memset(chunks[i].data, (int)i, 100);
    }
    for (size_t i = 0; i < LENGTH(chunks); i++) {
        TEST_ASSERT_EACH_EQUAL_UINT8(i, chunks[i].data, 100);
        OK(bb_lease_release(chunks[i].lease));
    }
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void it_waits_for_min_size_but_the_tail_arrives(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_records(&r, 128, 10, 0);
    bb_chunk chunk;
    SEND(BB_OK, &r, 9, 9);
    EXPECT(BB_E_TIMEOUT, bb_stream_next(s, 0, &chunk));
    EXPECT(BB_E_EMPTY, bb_stream_arm(s));
    SEND(BB_OK, &r, 1, 1);
    PASS(s, &r, 10);
    SEND(BB_OK, &r, 135, 135);
    PASS(s, &r, 128);
    EXPECT(BB_E_TIMEOUT, bb_stream_next(s, 0, &chunk));
    OK(bb_sender_close(r.tx));
    PASS(s, &r, 7);
    EXPECT(BB_E_CLOSED, bb_stream_next(s, BB_FOREVER, &chunk));
    EXPECT(BB_E_CLOSED, bb_stream_next(s, 0, &chunk));
    OK(bb_stream_destroy(s));
    end_ring(r);
}

/* --- records --- */

static void chunks_hold_whole_records(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_records(&r, 64, 1, 12); /* a buffer holds five records */
    bb_chunk chunk;
    SEND(BB_OK, &r, 11, 11);
    EXPECT(BB_E_TIMEOUT, bb_stream_next(s, 0, &chunk));
    EXPECT(BB_E_EMPTY, bb_stream_arm(s));
    SEND(BB_OK, &r, 20, 20);
    PASS(s, &r, 24);
    SEND(BB_OK, &r, 60, 60);
    PASS(s, &r, 60);
    EXPECT(BB_E_TIMEOUT, bb_stream_next(s, 0, &chunk)); /* 7 bytes are in the ring */
    SEND(BB_OK, &r, 5, 5);
    OK(bb_sender_close(r.tx));
    PASS(s, &r, 12);
    EXPECT(BB_E_CLOSED, bb_stream_next(s, 0, &chunk));
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void an_end_inside_a_record_is_reported(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_records(&r, 64, 1, 12);
    bb_chunk chunk;
    uint64_t got = 99;
    SEND(BB_OK, &r, 30, 30);
    OK(bb_sender_destroy(r.tx));
    r.tx = NULL;
    PASS(s, &r, 24); /* the whole records come first */
    for (int i = 0; i < 3; i++) {
        EXPECT(BB_E_ALIGN, bb_stream_next(s, BB_FOREVER, &chunk));
        MESSAGE_HAS("bb_stream_next");
        EXPECT(BB_E_ALIGN, bb_stream_chunks(s, 1, BB_FOREVER, &chunk, &got));
        EXPECT(BB_E_ALIGN, bb_stream_ready_chunks(s, 1, BB_FOREVER, &chunk, &got));
    }
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void an_end_inside_a_record_is_reported_after_the_whole_ones(void) {
    for (int ready = 0; ready < 2; ready++) {
        ring r = make_ring(1024);
        bb_stream *s = make_records(&r, 64, 1, 12);
        bb_chunk chunks[4];
        uint64_t got = 99;
        SEND(BB_OK, &r, 90, 90); /* a full buffer, two records and half of one */
        OK(bb_sender_close(r.tx));
        OK((ready ? bb_stream_ready_chunks : bb_stream_chunks)(s, 4, BB_FOREVER, chunks, &got));
        TEST_ASSERT_EQUAL_UINT64(2, got);
        expect_chunk(&r, &chunks[0], 60, __LINE__);
        expect_chunk(&r, &chunks[1], 24, __LINE__);
        OK(bb_lease_release(chunks[0].lease));
        OK(bb_lease_release(chunks[1].lease));
        EXPECT(BB_E_ALIGN, bb_stream_chunks(s, 4, BB_FOREVER, chunks, &got));
        OK(bb_stream_destroy(s));
        end_ring(r);
    }
}

/* --- several chunks at once --- */

static void chunks_come_together_or_not_at_all(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_records(&r, 64, 1, 0);
    bb_chunk chunks[4] = {0};
    uint64_t got = 99;
    SEND(BB_OK, &r, 100, 100);
    EXPECT(BB_E_TIMEOUT, bb_stream_chunks(s, 4, BB_MS(1), chunks, &got));
    TEST_ASSERT_EQUAL_UINT64(0, got);
    CHECK(chunks[0].lease == NULL);
    SEND(BB_OK, &r, 10, 10);
    EXPECT(BB_E_TIMEOUT, bb_stream_chunks(s, 4, 0, chunks, &got));
    TEST_ASSERT_EQUAL_UINT64(0, got);
    SEND(BB_OK, &r, 64, 64);
    OK(bb_stream_chunks(s, 4, 0, chunks, &got)); /* with the chunks that the earlier calls have filled */
    TEST_ASSERT_EQUAL_UINT64(4, got);
    const uint64_t bytes[] = {64, 36, 10, 64};
    for (size_t i = 0; i < 4; i++) {
        expect_chunk(&r, &chunks[i], bytes[i], __LINE__);
        OK(bb_lease_release(chunks[i].lease));
    }
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void what_a_try_has_filled_comes_with_any_next_call(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_records(&r, 64, 1, 0);
    bb_chunk chunks[4];
    uint64_t got = 99;
    SEND(BB_OK, &r, 100, 100);
    EXPECT(BB_E_TIMEOUT, bb_stream_chunks(s, 4, 0, chunks, &got));
    OK(bb_stream_arm(s)); /* a chunk is available */
    PASS(s, &r, 64);
    OK(bb_stream_ready_chunks(s, 4, 0, chunks, &got));
    TEST_ASSERT_EQUAL_UINT64(1, got);
    expect_chunk(&r, &chunks[0], 36, __LINE__);
    OK(bb_lease_release(chunks[0].lease));
    SEND(BB_OK, &r, 10, 10);
    EXPECT(BB_E_TIMEOUT, bb_stream_chunks(s, 4, 0, chunks, &got));
    OK(bb_stream_destroy(s)); /* frees it */
    end_ring(r);
}

static void fewer_come_at_the_end_only(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_records(&r, 64, 1, 0);
    bb_chunk chunks[4];
    uint64_t got = 99;
    SEND(BB_OK, &r, 100, 100);
    OK(bb_sender_close(r.tx));
    OK(bb_stream_chunks(s, 4, BB_FOREVER, chunks, &got));
    TEST_ASSERT_EQUAL_UINT64(2, got);
    expect_chunk(&r, &chunks[0], 64, __LINE__);
    expect_chunk(&r, &chunks[1], 36, __LINE__);
    OK(bb_lease_release(chunks[0].lease));
    OK(bb_lease_release(chunks[1].lease));
    EXPECT(BB_E_CLOSED, bb_stream_chunks(s, 4, BB_FOREVER, chunks, &got));
    TEST_ASSERT_EQUAL_UINT64(0, got);
    EXPECT(BB_E_CLOSED, bb_stream_ready_chunks(s, 4, BB_FOREVER, chunks, &got));
    TEST_ASSERT_EQUAL_UINT64(0, got);
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void ready_chunks_are_those_that_are_there(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_records(&r, 64, 1, 0);
    bb_chunk chunks[10];
    uint64_t got = 99;
    EXPECT(BB_E_TIMEOUT, bb_stream_ready_chunks(s, 10, BB_MS(1), chunks, &got));
    TEST_ASSERT_EQUAL_UINT64(0, got);
    SEND(BB_OK, &r, 100, 100);
    OK(bb_stream_ready_chunks(s, 10, BB_FOREVER, chunks, &got));
    TEST_ASSERT_EQUAL_UINT64(2, got);
    expect_chunk(&r, &chunks[0], 64, __LINE__);
    expect_chunk(&r, &chunks[1], 36, __LINE__);
    SEND(BB_OK, &r, 192, 192);
    OK(bb_stream_ready_chunks(s, 2, BB_FOREVER, &chunks[2], &got));
    TEST_ASSERT_EQUAL_UINT64(2, got);
    OK(bb_stream_ready_chunks(s, 2, BB_FOREVER, &chunks[4], &got));
    TEST_ASSERT_EQUAL_UINT64(1, got);
    for (size_t i = 2; i < 5; i++) {
        expect_chunk(&r, &chunks[i], 64, __LINE__);
    }
    TEST_ASSERT_EQUAL_UINT64(5, stream_stats(s).live);
    for (size_t i = 0; i < 5; i++) {
        OK(bb_lease_release(chunks[i].lease));
    }
    TEST_ASSERT_EQUAL_UINT64(0, stream_stats(s).live);
    OK(bb_stream_destroy(s));
    end_ring(r);
}

/* --- closed and destroyed ends --- */

static void a_closed_stream_is_closed_on_both_sides(void) {
    ring r = make_ring(64);
    bb_stream *s = make_stream(&r, NULL);
    bb_chunk chunk;
    uint64_t got = 99;
    SEND(BB_OK, &r, 10, 10);
    OK(bb_stream_close(s));
    OK(bb_stream_close(s));
    EXPECT(BB_E_CLOSED, bb_stream_next(s, BB_FOREVER, &chunk));
    EXPECT(BB_E_CLOSED, bb_stream_chunks(s, 1, BB_FOREVER, &chunk, &got));
    EXPECT(BB_E_CLOSED, bb_stream_ready_chunks(s, 1, BB_FOREVER, &chunk, &got));
    SEND(BB_E_CLOSED, &r, 1, 0);
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void a_new_sender_goes_on(void) {
    ring r = make_ring(64);
    bb_stream *s = make_stream(&r, NULL);
    bb_sender *other = NULL;
    bb_chunk chunk;
    for (int turn = 0; turn < 20; turn++) {
        EXPECT(BB_E_BUSY, bb_stream_attach_sender(s, &other));
        SEND(BB_OK, &r, 50, 50);
        OK(bb_sender_destroy(r.tx));
        if (turn % 2 == 0) {
            PASS(s, &r, 50);
            EXPECT(BB_E_CLOSED, bb_stream_next(s, 0, &chunk));
        }
        OK(bb_stream_attach_sender(s, &r.tx));
        SEND(BB_OK, &r, 5, 5);
        PASS(s, &r, turn % 2 == 0 ? 5 : 55);
        EXPECT(BB_E_TIMEOUT, bb_stream_next(s, 0, &chunk));
    }
    OK(bb_stream_destroy(s));
    end_ring(r);
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(defaults_are_those_of_the_header);
    RUN_TEST(it_takes_the_receivers_place);
    RUN_TEST(a_config_that_cannot_be_is_refused_and_the_receiver_stays);
    RUN_TEST(a_chunk_is_what_is_there_up_to_the_buffer_size);
    RUN_TEST(a_chunk_is_the_users_own_to_write);
    RUN_TEST(it_waits_for_min_size_but_the_tail_arrives);
    RUN_TEST(chunks_hold_whole_records);
    RUN_TEST(an_end_inside_a_record_is_reported);
    RUN_TEST(an_end_inside_a_record_is_reported_after_the_whole_ones);
    RUN_TEST(chunks_come_together_or_not_at_all);
    RUN_TEST(what_a_try_has_filled_comes_with_any_next_call);
    RUN_TEST(fewer_come_at_the_end_only);
    RUN_TEST(ready_chunks_are_those_that_are_there);
    RUN_TEST(a_closed_stream_is_closed_on_both_sides);
    RUN_TEST(a_new_sender_goes_on);
    return UNITY_END();
}
