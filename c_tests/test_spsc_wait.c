/* Waiting on a ring: one waiter a side, woken when its condition holds, when either end is closed, or by a signal. */
#include "ring.h"

typedef enum wait_kind {
    SEND_ALL,
    WAIT_WRITABLE,
    RECV_ALL,
    WAIT_READABLE,
    STREAM_NEXT,
    STREAM_CHUNKS,
    WAIT_KINDS
} wait_kind;

enum { CAPACITY = 64 };

/* A ring on which every call of the waiting side waits: full for a sender, empty for a receiver. */
typedef struct scene {
    ring r;
    bb_stream *stream;
    wait_kind kind;
    uint32_t flags;
    uint64_t timeout, moved;
    bb_chunk chunk;
    bb_status status;
    atomic_bool started, done;
} scene;

static bool sending(wait_kind kind) { return kind == SEND_ALL || kind == WAIT_WRITABLE; }

static void begin(scene *s, wait_kind kind) {
    memset(s, 0, sizeof *s);
    s->r = make_ring(CAPACITY);
    s->kind = kind;
    s->timeout = BB_FOREVER;
    if (sending(kind)) {
        SEND(BB_OK, &s->r, CAPACITY, CAPACITY);
    } else if (kind == STREAM_NEXT || kind == STREAM_CHUNKS) {
        s->stream = make_stream(&s->r, NULL);
    }
}

static void end(scene *s) {
    OK(bb_stream_destroy(s->stream));
    end_ring(s->r);
}

static bb_status wait_once(scene *s) {
    static uint8_t bytes[CAPACITY];
    switch (s->kind) {
    case SEND_ALL:
        content_fill(bytes, s->r.in, CAPACITY);
        return bb_sender_send_all(s->r.tx, bytes, CAPACITY, s->timeout, &s->moved);
    case WAIT_WRITABLE:
        return bb_sender_wait_writable(s->r.tx, CAPACITY, s->timeout);
    case RECV_ALL:
        return bb_receiver_recv_all(s->r.rx, bytes, CAPACITY, s->timeout, &s->moved);
    case WAIT_READABLE:
        return bb_receiver_wait_readable(s->r.rx, CAPACITY, s->timeout);
    case STREAM_NEXT:
        return bb_stream_next(s->stream, s->timeout, &s->chunk);
    case STREAM_CHUNKS:
        return bb_stream_chunks(s->stream, 1, s->timeout, &s->chunk, &s->moved);
    case WAIT_KINDS:
        break;
    }
    return BB_E_ARGUMENT;
}

static void *wait_on(void *argument) {
    scene *s = argument;
    THREAD_OK(bb_set_wait_flags(s->flags));
    atomic_store(&s->started, true);
    s->status = wait_once(s);
    while (s->status == BB_E_BUSY) { /* the main thread waits already */
        s->status = wait_once(s);
    }
    atomic_store(&s->done, true);
    return NULL;
}

static pthread_t start_waiter(scene *s, bool let_it_sleep) {
    const pthread_t thread = start(wait_on, s);
    EVENTUALLY(atomic_load(&s->started));
    if (let_it_sleep) {
        nap(); /* repeated, so that it meets a waiter that spins and one that sleeps */
    }
    return thread;
}

/* The other side moves `bytes`: it receives them if the sender waits, else it sends them. */
static void move(scene *s, uint64_t bytes) {
    static uint8_t data[CAPACITY];
    uint64_t n = 0;
    if (sending(s->kind)) {
        OK(bb_receiver_recv(s->r.rx, data, bytes, &n));
    } else {
        OK(bb_sender_send(s->r.tx, data, bytes, &n));
    }
    TEST_ASSERT_EQUAL_UINT64(bytes, n);
}

/* Moves all that the waiter waits for in two halves: a waiter for more than the first half is not woken by it. */
static void serve(scene *s) {
    move(s, CAPACITY / 2);
    move(s, CAPACITY / 2);
}

static void expect_served(scene *s) {
    OK(s->status);
    if (s->kind == SEND_ALL || s->kind == RECV_ALL) {
        TEST_ASSERT_EQUAL_UINT64(CAPACITY, s->moved);
    }
    if (s->chunk.lease != NULL) {
        CHECK(s->chunk.bytes == CAPACITY / 2 || s->chunk.bytes == CAPACITY); /* it may be made between the halves */
        OK(bb_lease_release(s->chunk.lease));
    }
}

static void serve_waiters(wait_kind kind) {
    for (int round = 0; round < rounds(100); round++) {
        scene s;
        begin(&s, kind);
        const pthread_t thread = start_waiter(&s, round % 2 == 0);
        serve(&s);
        join(thread);
        expect_served(&s);
        end(&s);
    }
}

static void a_waiter_is_woken_by_what_it_waits_for(void) {
    for (uint32_t policy = BB_WAIT_POLICY_ADAPTIVE; policy <= BB_WAIT_POLICY_SPIN; policy++) {
        use_wait_policy(policy);
        for (wait_kind kind = 0; kind < WAIT_KINDS; kind++) {
            serve_waiters(kind);
        }
    }
    use_wait_policy(BB_WAIT_POLICY_ADAPTIVE);
}

static void a_waiter_for_more_than_there_is_waits_on(void) {
    for (wait_kind kind = SEND_ALL; kind <= WAIT_READABLE; kind++) {
        scene s;
        begin(&s, kind);
        const pthread_t thread = start_waiter(&s, true);
        for (int i = 1; i < CAPACITY; i++) {
            move(&s, 1);
            nap();
            CHECK(!atomic_load(&s.done));
        }
        move(&s, 1);
        join(thread);
        expect_served(&s);
        end(&s);
    }
}

/* Otherwise both would wait for ever: the sender for room, the receiver for bytes that the sender has not published. */
static void a_waiting_sender_holds_nothing_back(void) {
    for (wait_kind kind = SEND_ALL; kind <= WAIT_WRITABLE; kind++) {
        for (int round = 0; round < 20; round++) {
            scene s;
            begin(&s, kind);
            RECV(BB_OK, &s.r, CAPACITY, CAPACITY);
            FEED(BB_OK, &s.r, CAPACITY, CAPACITY);
            const pthread_t thread = start_waiter(&s, round % 2 == 0);
            OK(bb_receiver_wait_readable(s.r.rx, CAPACITY, BB_FOREVER));
            RECV(BB_OK, &s.r, CAPACITY, CAPACITY);
            join(thread);
            expect_served(&s);
            end(&s);
        }
    }
}

static void a_timeout_takes_its_time_and_nothing_else(void) {
    for (wait_kind kind = 0; kind < WAIT_KINDS; kind++) {
        scene s;
        begin(&s, kind);
        s.timeout = BB_MS(5);
        const uint64_t before = now_ns();
        EXPECT(BB_E_TIMEOUT, wait_once(&s));
        CHECK(now_ns() - before >= BB_MS(5));
        TEST_ASSERT_EQUAL_UINT64(0, s.moved);
        CHECK(s.chunk.lease == NULL);
        s.timeout = BB_FOREVER;
        const pthread_t thread = start_waiter(&s, false); /* the ring is unchanged */
        serve(&s);
        join(thread);
        expect_served(&s);
        end(&s);
    }
}

/* --- either side is closed --- */

static bb_status close_own(scene *s) {
    return s->stream != NULL  ? bb_stream_close(s->stream)
           : sending(s->kind) ? bb_sender_close(s->r.tx)
                              : bb_receiver_close(s->r.rx);
}

/* The waiter reads the handle from here, so it stays until the waiter has ended. */
static bb_status destroy_own(scene *s) {
    return s->stream != NULL  ? bb_stream_destroy(s->stream)
           : sending(s->kind) ? bb_sender_destroy(s->r.tx)
                              : bb_receiver_destroy(s->r.rx);
}

static void forget_own(scene *s) {
    if (s->stream != NULL) {
        s->stream = NULL;
    } else if (sending(s->kind)) {
        s->r.tx = NULL;
    } else {
        s->r.rx = NULL;
    }
}

static bb_status close_other(scene *s) {
    return sending(s->kind) ? bb_receiver_close(s->r.rx) : bb_sender_close(s->r.tx);
}

static bb_status destroy_other(scene *s) {
    const bb_status status = sending(s->kind) ? bb_receiver_destroy(s->r.rx) : bb_sender_destroy(s->r.tx);
    *(sending(s->kind) ? (void **)&s->r.rx : (void **)&s->r.tx) = NULL;
    return status;
}

static void every_end_wakes_every_waiter(void) {
    bb_status (*const ends[])(scene *) = {close_own, destroy_own, close_other, destroy_other};
    for (size_t i = 0; i < LENGTH(ends); i++) {
        for (wait_kind kind = 0; kind < WAIT_KINDS; kind++) {
            for (int round = 0; round < rounds(100); round++) {
                scene s;
                begin(&s, kind);
                const pthread_t thread = start_waiter(&s, round % 2 == 0);
                OK(ends[i](&s));
                join(thread);
                /* STALE: the handle was destroyed before the thread used it */
                CHECK(s.status == BB_E_CLOSED || (ends[i] == destroy_own && s.status == BB_E_STALE));
                TEST_ASSERT_EQUAL_UINT64(0, s.moved);
                if (ends[i] == destroy_own) {
                    forget_own(&s);
                }
                end(&s);
            }
        }
    }
}

static void a_waiter_that_ends_with_a_part_reports_it(void) {
    scene s;
    begin(&s, RECV_ALL);
    pthread_t thread = start_waiter(&s, true);
    SEND(BB_OK, &s.r, 10, 10);
    OK(bb_sender_close(s.r.tx));
    join(thread);
    EXPECT(BB_E_CLOSED, s.status);
    TEST_ASSERT_EQUAL_UINT64(10, s.moved);
    end(&s);
    begin(&s, SEND_ALL);
    thread = start_waiter(&s, true);
    RECV(BB_OK, &s.r, 10, 10);
    OK(bb_receiver_wait_readable(s.r.rx, CAPACITY, BB_FOREVER)); /* 10 of the waiter's bytes are in the ring */
    OK(bb_receiver_close(s.r.rx));
    join(thread);
    EXPECT(BB_E_CLOSED, s.status);
    TEST_ASSERT_EQUAL_UINT64(10, s.moved);
    end(&s);
}

/* --- one waiter a side --- */

static bool same_side(wait_kind a, wait_kind b) {
    return sending(a) == sending(b) && (a >= STREAM_NEXT) == (b >= STREAM_NEXT);
}

static void a_second_waiter_is_refused_at_once(void) {
    for (int pair = 0; pair < WAIT_KINDS * WAIT_KINDS; pair++) {
        const wait_kind first = pair / WAIT_KINDS, other = pair % WAIT_KINDS;
        if (!same_side(first, other)) {
            continue;
        }
        scene s;
        begin(&s, first);
        const pthread_t thread = start(wait_on, &s);
        scene second = {.r = s.r, .stream = s.stream, .kind = other, .timeout = BB_MS(1)};
        bb_status status = BB_E_TIMEOUT; /* until the other thread waits */
        for (const uint64_t deadline = now_ns() + BB_SEC(HANG_SECONDS); status == BB_E_TIMEOUT;) {
            CHECK(now_ns() < deadline);
            nap(); /* so that the other thread finds the side free */
            status = wait_once(&second);
        }
        EXPECT(BB_E_BUSY, status);
        second.timeout = BB_FOREVER;
        EXPECT(BB_E_BUSY, wait_once(&second)); /* returns at once */
        TEST_ASSERT_EQUAL_UINT64(0, second.moved);
        CHECK(!atomic_load(&s.done)); /* the first waiter still waits */
        serve(&s);
        join(thread);
        expect_served(&s);
        end(&s);
    }
}

/* --- signals --- */

static atomic_int signals_taken;

static void take(int signal_number) {
    (void)signal_number;
    atomic_fetch_add(&signals_taken, 1);
}

static void waits_are_immune_to_signals(void) {
    for (wait_kind kind = 0; kind < WAIT_KINDS; kind++) {
        scene s;
        begin(&s, kind);
        const pthread_t thread = start(wait_on, &s);
        const int before = atomic_load(&signals_taken);
        EVENTUALLY(pthread_kill(thread, SIGUSR1) == 0 && atomic_load(&signals_taken) >= before + 20);
        CHECK(!atomic_load(&s.done));
        serve(&s);
        join(thread);
        expect_served(&s);
        end(&s);
    }
}

static void a_thread_that_asks_is_interrupted_and_loses_nothing(void) {
    for (wait_kind kind = 0; kind < WAIT_KINDS; kind++) {
        scene s;
        begin(&s, kind);
        s.flags = BB_WAIT_INTERRUPTIBLE;
        const pthread_t thread = start(wait_on, &s);
        /* repeated: a signal before the wait does not interrupt it */
        EVENTUALLY(pthread_kill(thread, SIGUSR1) == 0 && atomic_load(&s.done));
        join(thread);
        EXPECT(BB_E_INTERRUPTED, s.status);
        TEST_ASSERT_EQUAL_UINT64(0, s.moved);
        const pthread_t next = start_waiter(&s, true);
        serve(&s);
        join(next);
        CHECK(s.status == BB_OK);
        expect_served(&s);
        end(&s);
    }
}

static void an_interrupted_send_reports_its_count(void) {
    scene s;
    begin(&s, SEND_ALL);
    s.flags = BB_WAIT_INTERRUPTIBLE;
    RECV(BB_OK, &s.r, 30, 30);
    const pthread_t thread = start(wait_on, &s);
    EVENTUALLY(pthread_kill(thread, SIGUSR1) == 0 && atomic_load(&s.done));
    join(thread);
    EXPECT(BB_E_INTERRUPTED, s.status);
    TEST_ASSERT_EQUAL_UINT64(30, s.moved);
    RECV(BB_OK, &s.r, 1000, CAPACITY);
    end(&s);
}

typedef struct asker {
    bb_receiver *rx;
    atomic_bool *done;
} asker;

static void *ask_again_and_again(void *context) {
    const asker *a = context;
    while (!atomic_load(a->done)) {
        (void)bb_receiver_wait_readable(a->rx, 1, 0);
    }
    return NULL;
}

/* A thread that is refused the wait has read the index first: the old value must not reach the end's own thread. */
static void a_thread_that_only_asks_does_no_harm(void) {
    ring r = make_ring(64);
    atomic_bool done = false;
    asker a = {r.rx, &done};
    const pthread_t thread = start(ask_again_and_again, &a);
    for (int round = 0; round < 200000; round++) {
        SEND(BB_OK, &r, 8, 8);
        RECV(BB_OK, &r, 8, 8);
        RECV(BB_E_EMPTY, &r, 8, 0);
    }
    atomic_store(&done, true);
    join(thread);
    end_ring(r);
}

int main(void) {
    struct sigaction action = {.sa_handler = take}; /* no SA_RESTART */
    (void)sigaction(SIGUSR1, &action, NULL);
    UNITY_BEGIN();
    RUN_TEST(a_waiter_is_woken_by_what_it_waits_for);
    RUN_TEST(a_waiter_for_more_than_there_is_waits_on);
    RUN_TEST(a_waiting_sender_holds_nothing_back);
    RUN_TEST(a_timeout_takes_its_time_and_nothing_else);
    RUN_TEST(every_end_wakes_every_waiter);
    RUN_TEST(a_waiter_that_ends_with_a_part_reports_it);
    RUN_TEST(a_second_waiter_is_refused_at_once);
    RUN_TEST(waits_are_immune_to_signals);
    RUN_TEST(a_thread_that_asks_is_interrupted_and_loses_nothing);
    RUN_TEST(an_interrupted_send_reports_its_count);
    RUN_TEST(a_thread_that_only_asks_does_no_harm);
    return UNITY_END();
}
