/* A ring in an event loop: one level-triggered descriptor a side, readable after it was armed. */
#include "ring.h"
#include <sys/resource.h>

static int sender_fd(bb_sender *tx) {
    int32_t fd = -1;
    OK(bb_sender_fd(tx, &fd));
    CHECK(fd >= 0);
    return fd;
}

static int receiver_fd(bb_receiver *rx) {
    int32_t fd = -1;
    OK(bb_receiver_fd(rx, &fd));
    CHECK(fd >= 0);
    return fd;
}

static int stream_fd(bb_stream *s) {
    int32_t fd = -1;
    OK(bb_stream_fd(s, &fd));
    CHECK(fd >= 0);
    return fd;
}

static void an_armed_receiver_hears_of_data(void) {
    ring r = make_ring(64);
    const int fd = receiver_fd(r.rx);
    TEST_ASSERT_EQUAL_INT(fd, receiver_fd(r.rx)); /* one descriptor for the life of the end */
    FD_QUIET(fd);
    for (int turn = 0; turn < 20; turn++) {
        EXPECT(BB_E_EMPTY, bb_receiver_arm(r.rx, 1));
        FD_QUIET(fd);
        SEND(BB_OK, &r, 10, 10);
        FD_READABLE(fd);
        FD_READABLE(fd);              /* level-triggered: polling does not clear it */
        OK(bb_receiver_arm(r.rx, 1)); /* data is available: nothing is armed */
        RECV(BB_OK, &r, 64, 10);
        EXPECT(BB_E_EMPTY, bb_receiver_arm(r.rx, 1));
        FD_QUIET(fd);
        EXPECT(BB_E_EMPTY, bb_receiver_arm(r.rx, 0)); /* counts as 1 */
        FD_QUIET(fd);
        SEND(BB_OK, &r, 1, 1);
        FD_READABLE(fd);
        RECV(BB_OK, &r, 64, 1);
    }
    end_ring(r);
}

static void it_hears_of_as_much_as_it_asked_for(void) {
    ring r = make_ring(64);
    const int fd = receiver_fd(r.rx);
    EXPECT(BB_E_EMPTY, bb_receiver_arm(r.rx, 30));
    SEND(BB_OK, &r, 29, 29);
    FD_QUIET(fd);
    SEND(BB_OK, &r, 1, 1);
    FD_READABLE(fd);
    EXPECT(BB_E_EMPTY, bb_receiver_arm(r.rx, UINT64_MAX)); /* capped at the capacity */
    FD_QUIET(fd);
    SEND(BB_OK, &r, 34, 34);
    FD_READABLE(fd);
    end_ring(r);
}

static void an_armed_sender_hears_of_room(void) {
    ring r = make_ring(64);
    const int fd = sender_fd(r.tx);
    OK(bb_sender_arm(r.tx, 64));
    for (int turn = 0; turn < 20; turn++) {
        SEND(BB_OK, &r, 64, 64);
        EXPECT(BB_E_FULL, bb_sender_arm(r.tx, 20));
        FD_QUIET(fd);
        RECV(BB_OK, &r, 19, 19);
        FD_QUIET(fd);
        RECV(BB_OK, &r, 1, 1);
        FD_READABLE(fd);
        FD_READABLE(fd);
        EXPECT(BB_E_FULL, bb_sender_arm(r.tx, UINT64_MAX));
        FD_QUIET(fd);
        RECV(BB_OK, &r, 64, 44);
        FD_READABLE(fd);
        OK(bb_sender_arm(r.tx, 64));
    }
    end_ring(r);
}

/* A wait for room publishes what was fed; otherwise the room may never come. */
static void arming_publishes_what_was_fed(void) {
    ring r = make_ring(64);
    FEED(BB_OK, &r, 10, 10);
    EXPECT(BB_E_FULL, bb_sender_arm(r.tx, 64));
    RECV(BB_OK, &r, 64, 10);
    FD_READABLE(sender_fd(r.tx));
    end_ring(r);
}

static bb_status put_fed(ring *r) {
    FEED(BB_OK, r, 10, 10);
    return bb_sender_flush(r->tx);
}

static bb_status put_reserved(ring *r) {
    bb_span span;
    OK(bb_sender_reserve(r->tx, 10, &span));
    content_fill(span.data, r->in, 10);
    r->in += 10;
    return bb_sender_commit(r->tx, 10);
}

static bb_status put_all(ring *r) {
    PUT(send_all_now, BB_OK, r, 10, 10);
    return BB_OK;
}

static void every_way_to_publish_is_heard_of(void) {
    bb_status (*const ways[])(ring *) = {put_fed, put_reserved, put_all};
    ring r = make_ring(64);
    for (size_t i = 0; i < LENGTH(ways); i++) {
        EXPECT(BB_E_EMPTY, bb_receiver_arm(r.rx, 10));
        OK(ways[i](&r));
        FD_READABLE(receiver_fd(r.rx));
        RECV(BB_OK, &r, 64, 10);
    }
    end_ring(r);
}

static void every_way_to_make_room_is_heard_of(void) {
    ring r = make_ring(64);
    bb_const_span span;
    SEND(BB_OK, &r, 64, 64);
    EXPECT(BB_E_FULL, bb_sender_arm(r.tx, 1));
    OK(bb_receiver_peek(r.rx, 1, &span));
    OK(bb_receiver_consume(r.rx, 10));
    r.out += 10;
    FD_READABLE(sender_fd(r.tx));
    SEND(BB_OK, &r, 10, 10);
    EXPECT(BB_E_FULL, bb_sender_arm(r.tx, 1));
    TAKE(recv_all_now, BB_OK, &r, 10, 10);
    FD_READABLE(sender_fd(r.tx));
    end_ring(r);
}

/* --- the end of the other side: readable, and stays readable --- */

static void the_senders_end_is_heard_of(void) {
    for (int destroy = 0; destroy < 2; destroy++) {
        ring r = make_ring(64);
        const int fd = receiver_fd(r.rx);
        EXPECT(BB_E_EMPTY, bb_receiver_arm(r.rx, 10));
        SEND(BB_OK, &r, 3, 3);
        FD_QUIET(fd);
        OK(destroy ? bb_sender_destroy(r.tx) : bb_sender_close(r.tx));
        FD_READABLE(fd);
        EXPECT(BB_E_CLOSED, bb_receiver_arm(r.rx, 10)); /* 10 bytes can no longer come */
        FD_READABLE(fd);
        OK(bb_receiver_arm(r.rx, 1));
        RECV(BB_OK, &r, 64, 3);
        EXPECT(BB_E_CLOSED, bb_receiver_arm(r.rx, 1));
        FD_READABLE(fd);
        OK(bb_receiver_destroy(r.rx));
        OK(destroy ? BB_OK : bb_sender_destroy(r.tx));
    }
}

static void the_receivers_end_is_heard_of(void) {
    for (int destroy = 0; destroy < 2; destroy++) {
        ring r = make_ring(64);
        const int fd = sender_fd(r.tx);
        SEND(BB_OK, &r, 64, 64);
        EXPECT(BB_E_FULL, bb_sender_arm(r.tx, 1));
        OK(destroy ? bb_receiver_destroy(r.rx) : bb_receiver_close(r.rx));
        FD_READABLE(fd);
        EXPECT(BB_E_CLOSED, bb_sender_arm(r.tx, 1));
        FD_READABLE(fd);
        OK(bb_sender_destroy(r.tx));
        OK(destroy ? BB_OK : bb_receiver_destroy(r.rx));
    }
}

static void a_descriptor_asked_for_after_the_end_is_readable(void) {
    ring r = make_ring(64);
    OK(bb_sender_close(r.tx));
    EXPECT(BB_E_CLOSED, bb_receiver_arm(r.rx, 1));
    FD_READABLE(receiver_fd(r.rx));
    end_ring(r);
}

static void a_stream_has_one_too(void) {
    ring r = make_ring(64);
    bb_stream *s = make_stream(&r, NULL);
    bb_chunk chunk;
    const int fd = stream_fd(s);
    for (int turn = 0; turn < 20; turn++) {
        EXPECT(BB_E_EMPTY, bb_stream_arm(s));
        FD_QUIET(fd);
        SEND(BB_OK, &r, 10, 10);
        FD_READABLE(fd);
        OK(bb_stream_arm(s));
        OK(bb_stream_next(s, 0, &chunk));
        OK(bb_lease_release(chunk.lease));
    }
    EXPECT(BB_E_EMPTY, bb_stream_arm(s));
    OK(bb_sender_close(r.tx));
    FD_READABLE(fd);
    OK(bb_stream_arm(s)); /* the end is available now */
    EXPECT(BB_E_CLOSED, bb_stream_next(s, 0, &chunk));
    FD_READABLE(fd);
    OK(bb_stream_destroy(s));
    end_ring(r);
}

/* --- both sides in their own event loops --- */

enum { BYTES = 200000 };

static void *sending_loop(void *argument) {
    ring *r = argument;
    int32_t fd = -1;
    uint64_t state = 5, bytes = (uint64_t)rounds(BYTES);
    THREAD_OK(bb_sender_fd(r->tx, &fd));
    while (r->in < bytes) {
        uint8_t data[64];
        uint64_t sent = 0, want = random_between(&state, 1, sizeof data);
        want = want < bytes - r->in ? want : bytes - r->in;
        content_fill(data, r->in, want);
        const bb_status status = bb_sender_send(r->tx, data, want, &sent);
        r->in += sent;
        if (status == BB_E_FULL && bb_sender_arm(r->tx, want) == BB_E_FULL) {
            struct pollfd p = {.fd = fd, .events = POLLIN};
            if (!THREAD_CHECK(poll(&p, 1, HANG_SECONDS * 1000) == 1)) {
                break;
            }
        } else if (!THREAD_CHECK(status == BB_OK || status == BB_E_FULL)) {
            break;
        }
        if (want == 13) {
            nap(); /* so that the other side sleeps, too */
        }
    }
    THREAD_OK(bb_sender_close(r->tx));
    return NULL;
}

static void event_loops_on_both_sides_miss_nothing(void) {
    ring r = make_ring(64);
    const int fd = receiver_fd(r.rx);
    const pthread_t thread = start(sending_loop, &r);
    uint64_t out = 0, state = 7;
    for (;;) {
        uint8_t data[64];
        uint64_t got = 0;
        const bb_status status = bb_receiver_recv(r.rx, data, random_between(&state, 1, sizeof data), &got);
        if (status == BB_E_CLOSED) {
            break;
        }
        CHECK(content_is(data, out, got));
        out += got;
        if (status == BB_E_EMPTY) {
            if (bb_receiver_arm(r.rx, 1) == BB_E_EMPTY) {
                FD_READABLE(fd);
                CHECK(bb_receiver_arm(r.rx, 1) != BB_E_EMPTY); /* readable: bytes are available */
            }
            continue;
        }
        OK(status);
    }
    join(thread);
    TEST_ASSERT_EQUAL_UINT64(rounds(BYTES), out);
    end_ring(r);
}

static void descriptors_are_given_back(void) {
    const int before = open_descriptors();
    for (int i = 0; i < 50; i++) {
        ring r = make_ring(64), streamed = make_ring(64);
        bb_stream *s = make_stream(&streamed, NULL);
        (void)sender_fd(r.tx), (void)receiver_fd(r.rx), (void)stream_fd(s);
        CHECK(open_descriptors() >= before + 3);
        end_ring(r);
        OK(bb_stream_destroy(s));
        end_ring(streamed);
    }
    TEST_ASSERT_EQUAL_INT(before, open_descriptors());
}

static void no_descriptor_left_is_reported_and_recovers(void) {
    struct rlimit before;
    int32_t fd = -1;
    ring r = make_ring(64);
    TEST_ASSERT_EQUAL_INT(0, getrlimit(RLIMIT_NOFILE, &before));
    TEST_ASSERT_EQUAL_INT(0, setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, before.rlim_max}));
    const bb_status sender = bb_sender_fd(r.tx, &fd), receiver = bb_receiver_fd(r.rx, &fd);
    const bb_status another = bb_spsc_create(64, NULL, &(bb_sender *){NULL}, &(bb_receiver *){NULL});
    TEST_ASSERT_EQUAL_INT(0, setrlimit(RLIMIT_NOFILE, &before));
    EXPECT(BB_E_LIMIT, sender);
    EXPECT(BB_E_LIMIT, receiver);
    EXPECT(BB_E_LIMIT, another); /* its memory is mapped twice, through a descriptor */
    TEST_ASSERT_EQUAL_INT32(-1, fd);
    (void)sender_fd(r.tx);
    EXPECT(BB_E_EMPTY, bb_receiver_arm(r.rx, 1));
    SEND(BB_OK, &r, 1, 1);
    FD_READABLE(receiver_fd(r.rx));
    end_ring(r);
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(an_armed_receiver_hears_of_data);
    RUN_TEST(it_hears_of_as_much_as_it_asked_for);
    RUN_TEST(an_armed_sender_hears_of_room);
    RUN_TEST(arming_publishes_what_was_fed);
    RUN_TEST(every_way_to_publish_is_heard_of);
    RUN_TEST(every_way_to_make_room_is_heard_of);
    RUN_TEST(the_senders_end_is_heard_of);
    RUN_TEST(the_receivers_end_is_heard_of);
    RUN_TEST(a_descriptor_asked_for_after_the_end_is_readable);
    RUN_TEST(a_stream_has_one_too);
    RUN_TEST(event_loops_on_both_sides_miss_nothing);
    RUN_TEST(descriptors_are_given_back);
    RUN_TEST(no_descriptor_left_is_reported_and_recovers);
    return UNITY_END();
}
