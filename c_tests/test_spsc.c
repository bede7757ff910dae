/* Calls on both ends of a ring: bytes in order, none lost, a count with every status. */
#include "ring.h"

/* --- capacity --- */

static void capacity_is_a_power_of_two_and_all_of_it_usable(void) {
    const struct {
        uint64_t asked, given;
    } cases[] = {
        {1, 1},       {2, 2},       {3, 4},       {5, 8},       {63, 64},          {64, 64},          {65, 128},
        {1000, 1024}, {4095, 4096}, {4096, 4096}, {4097, 8192}, {100000, 1 << 17}, {1 << 20, 1 << 20}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        ring r = make_ring(cases[i].asked);
        const uint64_t capacity = cases[i].given;
        TEST_ASSERT_EQUAL_UINT64(capacity, sender_stats(r.tx).capacity);
        TEST_ASSERT_EQUAL_UINT64(capacity, receiver_stats(r.rx).capacity);
        for (int turn = 0; turn < 3; turn++) {
            SEND(BB_OK, &r, capacity, capacity);
            SEND(BB_E_FULL, &r, 1, 0);
            RECV(BB_OK, &r, capacity, capacity);
            RECV(BB_E_EMPTY, &r, 1, 0);
        }
        end_ring(r);
    }
}

static void memory_of_a_large_ring_is_taken_as_it_is_used(void) {
    if (other_malloc() != NULL) {
        TEST_IGNORE_MESSAGE(other_malloc()); /* another allocator has memory of its own */
    }
    enum { MIB = 256 };
    const long before = resident_kib();
    ring r = make_ring((uint64_t)MIB << 20);
    CHECK(resident_kib() - before < 16384);
    SEND(BB_OK, &r, 1000, 1000);
    RECV(BB_OK, &r, 1000, 1000);
    CHECK(resident_kib() - before < 16384);
    end_ring(r);
    bb_sender *tx = NULL;
    bb_receiver *rx = NULL;
    EXPECT(BB_E_OUT_OF_MEMORY, bb_spsc_create((uint64_t)1 << 45, NULL, &tx, &rx));
    MESSAGE_HAS("available");
}

/* --- copies --- */

static void send_takes_what_fits(void) {
    ring r = make_ring(64);
    SEND(BB_OK, &r, 60, 60);
    SEND(BB_OK, &r, 60, 4);
    SEND(BB_E_FULL, &r, 60, 0);
    RECV(BB_OK, &r, 10, 10);
    SEND(BB_OK, &r, 1000, 10); /* across the wrap */
    RECV(BB_OK, &r, 64, 64);
    SEND(BB_OK, &r, LARGEST, 64);
    RECV(BB_OK, &r, 64, 64);
    end_ring(r);
}

static void recv_gives_what_is_there(void) {
    ring r = make_ring(64);
    RECV(BB_E_EMPTY, &r, 10, 0);
    SEND(BB_OK, &r, 50, 50);
    RECV(BB_OK, &r, 20, 20);
    RECV(BB_OK, &r, 1000, 30);
    RECV(BB_E_EMPTY, &r, 1000, 0);
    end_ring(r);
}

static void no_bytes_are_no_failure(void) {
    ring r = make_ring(8);
    uint64_t n = UINT64_MAX;
    RECV(BB_OK, &r, 0, 0); /* from an empty ring */
    SEND(BB_OK, &r, 8, 8);
    SEND(BB_OK, &r, 0, 0); /* into a full one */
    FEED(BB_OK, &r, 0, 0);
    PUT(send_all_now, BB_OK, &r, 0, 0);
    TAKE(recv_all_now, BB_OK, &r, 0, 0);
    OK(bb_sender_send(r.tx, NULL, 0, &n)); /* no pointer is needed */
    TEST_ASSERT_EQUAL_UINT64(0, n);
    OK(bb_receiver_recv(r.rx, NULL, 0, &n));
    TEST_ASSERT_EQUAL_UINT64(0, n);
    READABLE(&r, 8);
    end_ring(r);
}

static void lengths_beyond_the_address_space_are_refused(void) {
    static unsigned char bytes[4096];
    ring r = make_ring(64);
    uint64_t n = 7;
    EXPECT(BB_E_RANGE, bb_sender_send(r.tx, bytes, UINT64_C(1) << 63, &n));
    EXPECT(BB_E_RANGE, bb_sender_feed(r.tx, bytes, UINT64_MAX, &n));
    EXPECT(BB_E_RANGE, bb_receiver_recv(r.rx, bytes, UINT64_C(1) << 63, &n));
    TEST_ASSERT_EQUAL_UINT64(7, n);
    end_ring(r);
}

static void every_size_at_every_offset_arrives(void) {
    ring r = make_ring(64);
    for (uint64_t size = 1; size <= 64; size++) {
        for (int turn = 0; turn < 64; turn++) { /* odd sizes reach every offset */
            SEND(BB_OK, &r, size, size);
            RECV(BB_OK, &r, size, size);
        }
    }
    end_ring(r);
}

static void a_partial_send_reports_its_count(void) {
    ring r = make_ring(64);
    TAKE(recv_all_now, BB_E_TIMEOUT, &r, 10, 0);
    PUT(send_all_now, BB_OK, &r, 40, 40);
    PUT(send_all_now, BB_E_TIMEOUT, &r, 40, 24);
    PUT(send_all_now, BB_E_TIMEOUT, &r, 40, 0);
    TAKE(recv_all_now, BB_OK, &r, 40, 40);
    TAKE(recv_all_now, BB_E_TIMEOUT, &r, 40, 24);
    end_ring(r);
}

/* --- closing: everything sent is delivered before the end is reported --- */

static void everything_sent_comes_before_the_senders_end(void) {
    for (size_t i = 0; i < LENGTH(sender_ends); i++) {
        bb_const_span span;
        ring r = make_ring(64);
        SEND(BB_OK, &r, 64, 64);
        OK(sender_ends[i](&r));
        RECV(BB_OK, &r, 10, 10);
        OK(bb_receiver_peek(r.rx, 54, &span));
        OK(bb_receiver_consume(r.rx, 14));
        r.out += 14;
        EXPECT(BB_E_CLOSED, bb_receiver_peek(r.rx, 41, &span)); /* 41 bytes can no longer come */
        EXPECT(BB_E_CLOSED, bb_receiver_wait_readable(r.rx, 41, BB_FOREVER));
        OK(bb_receiver_wait_readable(r.rx, 40, BB_FOREVER));
        TAKE(recv_all_now, BB_E_CLOSED, &r, 50, 40);
        RECV(BB_E_CLOSED, &r, 1, 0);
        TAKE(recv_all_now, BB_E_CLOSED, &r, 1, 0);
        EXPECT(BB_E_CLOSED, bb_receiver_peek(r.rx, 0, &span));
        EXPECT(BB_E_CLOSED, bb_receiver_wait_readable(r.rx, 0, BB_FOREVER));
        EXPECT(BB_E_CLOSED, bb_receiver_arm(r.rx, 1));
        end_ring(r);
    }
}

static void a_sender_without_receiver_gets_closed(void) {
    for (size_t i = 0; i < LENGTH(receiver_ends); i++) {
        bb_span span;
        ring r = make_ring(64);
        SEND(BB_OK, &r, 10, 10);
        OK(receiver_ends[i](&r));
        SEND(BB_E_CLOSED, &r, 10, 0);
        FEED(BB_E_CLOSED, &r, 10, 0);
        PUT(send_all_now, BB_E_CLOSED, &r, 10, 0);
        EXPECT(BB_E_CLOSED, bb_sender_reserve(r.tx, 1, &span));
        EXPECT(BB_E_CLOSED, bb_sender_wait_writable(r.tx, 1, BB_FOREVER));
        EXPECT(BB_E_CLOSED, bb_sender_arm(r.tx, 1));
        end_ring(r);
    }
}

static void use_of_a_closed_end_is_refused(void) {
    ring r = make_ring(64);
    bb_span span;
    bb_const_span seen;
    SEND(BB_OK, &r, 10, 10);
    OK(bb_sender_close(r.tx));
    OK(bb_sender_close(r.tx)); /* idempotent */
    SEND(BB_E_CLOSED, &r, 1, 0);
    FEED(BB_E_CLOSED, &r, 1, 0);
    PUT(send_all_now, BB_E_CLOSED, &r, 1, 0);
    EXPECT(BB_E_CLOSED, bb_sender_reserve(r.tx, 1, &span));
    EXPECT(BB_E_CLOSED, bb_sender_wait_writable(r.tx, 1, BB_FOREVER));
    EXPECT(BB_E_CLOSED, bb_sender_arm(r.tx, 1));
    OK(bb_receiver_close(r.rx));
    OK(bb_receiver_close(r.rx));
    RECV(BB_E_CLOSED, &r, 1, 0);
    TAKE(recv_all_now, BB_E_CLOSED, &r, 1, 0);
    EXPECT(BB_E_CLOSED, bb_receiver_peek(r.rx, 1, &seen));
    EXPECT(BB_E_CLOSED, bb_receiver_wait_readable(r.rx, 1, BB_FOREVER));
    EXPECT(BB_E_CLOSED, bb_receiver_arm(r.rx, 1));
    end_ring(r);
}

/* --- feed --- */

static bb_status flush_sender(ring *r) { return bb_sender_flush(r->tx); }

static bb_status send_nothing_more(ring *r) {
    SEND(BB_OK, r, 1, 1);
    return BB_OK;
}

static bb_status commit_one(ring *r) {
    bb_span span;
    const bb_status status = bb_sender_reserve(r->tx, 1, &span);
    TEST_ASSERT_EQUAL_UINT64(54, span.bytes); /* fed bytes take room */
    content_fill(span.data, r->in++, 1);
    return status == BB_OK ? bb_sender_commit(r->tx, 1) : status;
}

static bb_status fill_up(ring *r) {
    FEED(BB_OK, r, 100, 54); /* a feed that does not fit finds the ring full */
    return BB_OK;
}

static void what_is_fed_shows_at_once_when_published(void) {
    const struct {
        bb_status (*publish)(ring *);
        uint64_t shown;
    } cases[] = {{flush_sender, 10}, {send_nothing_more, 11}, {commit_one, 11},
                 {fill_up, 64},      {close_sender, 10},      {destroy_sender, 10}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        ring r = make_ring(64);
        FEED(BB_OK, &r, 3, 3);
        FEED(BB_OK, &r, 7, 7);
        RECV(BB_E_EMPTY, &r, 64, 0);
        OK(cases[i].publish(&r));
        RECV(BB_OK, &r, 64, cases[i].shown);
        end_ring(r);
    }
}

static void flush_of_nothing_is_fine(void) {
    ring r = make_ring(64);
    OK(bb_sender_flush(r.tx));
    READABLE(&r, 0);
    OK(bb_sender_close(r.tx));
    (void)bb_sender_flush(r.tx);
    RECV(BB_E_CLOSED, &r, 1, 0);
    end_ring(r);
}

/* A consumer that waits for more than was published does not wait for bytes that its producer has no room to feed. */
static void a_full_ring_publishes_what_was_fed(void) {
    ring r = make_ring(64);
    for (int turn = 0; turn < 100; turn++) {
        FEED(BB_OK, &r, 40, 40);
        FEED(BB_OK, &r, 24, 24);
        RECV(BB_E_EMPTY, &r, 64, 0); /* full, but no call has found it full */
        FEED(BB_E_FULL, &r, 40, 0);
        RECV(BB_OK, &r, 64, 64);
    }
    end_ring(r);
}

/* --- waits that need no second thread --- */

static void a_wait_that_is_answered_does_not_wait(void) {
    ring r = make_ring(64);
    OK(bb_sender_wait_writable(r.tx, 64, BB_FOREVER));
    OK(bb_sender_wait_writable(r.tx, UINT64_MAX, BB_FOREVER)); /* capped at the capacity */
    SEND(BB_OK, &r, 1, 1);
    OK(bb_sender_wait_writable(r.tx, 63, BB_FOREVER));
    EXPECT(BB_E_TIMEOUT, bb_sender_wait_writable(r.tx, 64, 0));
    EXPECT(BB_E_TIMEOUT, bb_sender_wait_writable(r.tx, UINT64_MAX, BB_MS(1)));
    OK(bb_receiver_wait_readable(r.rx, 0, BB_FOREVER)); /* 0 counts as 1 */
    EXPECT(BB_E_TIMEOUT, bb_receiver_wait_readable(r.rx, 2, 0));
    SEND(BB_OK, &r, 63, 63);
    OK(bb_receiver_wait_readable(r.rx, 64, BB_FOREVER));
    OK(bb_receiver_wait_readable(r.rx, UINT64_MAX, BB_FOREVER));
    EXPECT(BB_E_TIMEOUT, bb_sender_wait_writable(r.tx, 0, 0));
    RECV(BB_OK, &r, 64, 64);
    EXPECT(BB_E_TIMEOUT, bb_receiver_wait_readable(r.rx, 0, BB_MS(1)));
    TEST_ASSERT_EQUAL_UINT64(0, sender_stats(r.tx).bytes - receiver_stats(r.rx).bytes);
    end_ring(r);
}

/* --- a new end is attached --- */

static void a_new_sender_goes_on_where_the_old_one_stopped(void) {
    ring r = make_ring(64);
    for (int turn = 0; turn < 100; turn++) {
        SEND(BB_OK, &r, 20, 20);
        FEED(BB_OK, &r, 10, 10);
        OK(bb_sender_destroy(r.tx)); /* publishes what was fed */
        OK(bb_receiver_attach_sender(r.rx, &r.tx));
        SEND(BB_OK, &r, 34, 34);
        SEND(BB_E_FULL, &r, 1, 0);
        RECV(BB_OK, &r, 45, 45);
        RECV(BB_OK, &r, 64, 19);
        RECV(BB_E_EMPTY, &r, 1, 0);
    }
    end_ring(r);
}

static void a_new_receiver_finds_the_unread_bytes(void) {
    ring r = make_ring(64);
    for (int turn = 0; turn < 100; turn++) {
        SEND(BB_OK, &r, 50, 50);
        RECV(BB_OK, &r, 20, 20);
        OK(turn % 2 == 0 ? bb_receiver_close(r.rx) : BB_OK);
        OK(bb_receiver_destroy(r.rx));
        SEND(BB_E_CLOSED, &r, 1, 0);
        OK(bb_sender_attach_receiver(r.tx, &r.rx));
        SEND(BB_OK, &r, 64, 34);
        RECV(BB_OK, &r, 64, 64);
    }
    end_ring(r);
}

static void a_drained_end_is_open_again_with_a_new_sender(void) {
    ring r = make_ring(64);
    SEND(BB_OK, &r, 5, 5);
    OK(bb_sender_close(r.tx));
    OK(bb_sender_destroy(r.tx));
    RECV(BB_OK, &r, 64, 5);
    RECV(BB_E_CLOSED, &r, 64, 0);
    OK(bb_receiver_attach_sender(r.rx, &r.tx));
    RECV(BB_E_EMPTY, &r, 64, 0);
    SEND(BB_OK, &r, 5, 5);
    RECV(BB_OK, &r, 64, 5);
    end_ring(r);
}

static void an_end_that_lives_is_not_replaced(void) {
    ring r = make_ring(64);
    bb_sender *tx = NULL;
    bb_receiver *rx = NULL;
    EXPECT(BB_E_BUSY, bb_receiver_attach_sender(r.rx, &tx));
    EXPECT(BB_E_BUSY, bb_sender_attach_receiver(r.tx, &rx));
    OK(bb_sender_close(r.tx)); /* closed is not destroyed */
    EXPECT(BB_E_BUSY, bb_receiver_attach_sender(r.rx, &tx));
    CHECK(tx == NULL && rx == NULL);
    end_ring(r);
    r = make_ring(64);
    OK(bb_receiver_close(r.rx));
    EXPECT(BB_E_BUSY, bb_sender_attach_receiver(r.tx, &rx));
    CHECK(rx == NULL);
    end_ring(r);
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(capacity_is_a_power_of_two_and_all_of_it_usable);
    RUN_TEST(memory_of_a_large_ring_is_taken_as_it_is_used);
    RUN_TEST(send_takes_what_fits);
    RUN_TEST(recv_gives_what_is_there);
    RUN_TEST(no_bytes_are_no_failure);
    RUN_TEST(lengths_beyond_the_address_space_are_refused);
    RUN_TEST(every_size_at_every_offset_arrives);
    RUN_TEST(a_partial_send_reports_its_count);
    RUN_TEST(everything_sent_comes_before_the_senders_end);
    RUN_TEST(a_sender_without_receiver_gets_closed);
    RUN_TEST(use_of_a_closed_end_is_refused);
    RUN_TEST(what_is_fed_shows_at_once_when_published);
    RUN_TEST(flush_of_nothing_is_fine);
    RUN_TEST(a_full_ring_publishes_what_was_fed);
    RUN_TEST(a_wait_that_is_answered_does_not_wait);
    RUN_TEST(a_new_sender_goes_on_where_the_old_one_stopped);
    RUN_TEST(a_new_receiver_finds_the_unread_bytes);
    RUN_TEST(a_drained_end_is_open_again_with_a_new_sender);
    RUN_TEST(an_end_that_lives_is_not_replaced);
    return UNITY_END();
}
