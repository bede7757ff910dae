/* Buffers of a stream: reused in last-in-first-out order, as large as the reads, unchanged while held. */
#include "ring.h"

static bb_stream *make_pooled(ring *r, uint64_t pool_size, uint32_t pool_count) {
    bb_stream_config c = stream_defaults();
    c.pool_size = pool_size;
    c.pool_count = pool_count;
    return make_stream(r, &c);
}

static void expect_pool(bb_stream *s, uint64_t hits, uint64_t misses, uint64_t live, uint64_t kept,
                        UNITY_LINE_TYPE line) {
    const bb_stream_stats stats = stream_stats(s);
    UNITY_TEST_ASSERT_EQUAL_UINT64(hits, stats.hits, line, "hits");
    UNITY_TEST_ASSERT_EQUAL_UINT64(misses, stats.misses, line, "misses");
    UNITY_TEST_ASSERT_EQUAL_UINT64(live, stats.live, line, "live");
    UNITY_TEST_ASSERT_EQUAL_UINT64(kept, stats.kept, line, "kept");
}
#define POOL(s, hits, misses, live, kept) expect_pool((s), (hits), (misses), (live), (kept), __LINE__)

static bb_chunk pass_one(bb_stream *s, ring *r) {
    SEND(BB_OK, r, 100, 100);
    return NEXT(s, r, 100);
}

/* --- reuse, exhaustion, recovery --- */

static void a_released_buffer_is_used_again(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_pooled(&r, 256, 4);
    POOL(s, 0, 0, 0, 0); /* the pool starts empty */
    bb_chunk chunk = pass_one(s, &r);
    const void *first = chunk.data;
    POOL(s, 0, 1, 1, 0);
    for (uint64_t turn = 1; turn <= 50; turn++) {
        OK(bb_lease_release(chunk.lease));
        POOL(s, turn - 1, 1, 0, 1);
        chunk = pass_one(s, &r);
        CHECK(chunk.data == first);
        POOL(s, turn, 1, 1, 0);
    }
    OK(bb_lease_release(chunk.lease));
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void the_last_returned_is_the_first_reused(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_pooled(&r, 256, 8);
    bb_chunk chunks[5];
    const void *order[LENGTH(chunks)];
    for (size_t i = 0; i < LENGTH(chunks); i++) {
        chunks[i] = pass_one(s, &r);
    }
    const size_t returned[] = {3, 0, 4, 1, 2};
    for (size_t i = 0; i < LENGTH(chunks); i++) {
        order[i] = chunks[returned[i]].data;
        OK(bb_lease_release(chunks[returned[i]].lease));
    }
    for (size_t i = LENGTH(chunks); i-- > 0;) {
        chunks[i] = pass_one(s, &r);
        CHECK(chunks[i].data == order[i]);
    }
    POOL(s, 5, 5, 5, 0);
    for (size_t i = 0; i < LENGTH(chunks); i++) {
        OK(bb_lease_release(chunks[i].lease));
    }
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void an_exhausted_pool_allocates_and_recovers(void) {
    enum { HELD = 100, POOLED = 4 };
    ring r = make_ring(1024);
    bb_stream *s = make_pooled(&r, 256, POOLED);
    bb_chunk chunks[HELD];
    for (uint64_t turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < HELD; i++) {
            chunks[i] = pass_one(s, &r);
        }
        const uint64_t hits = turn * POOLED, misses = (turn + 1) * HELD - hits;
        POOL(s, hits, misses, HELD, 0);
        for (size_t i = 0; i < HELD; i++) {
            OK(bb_lease_release(chunks[i].lease));
        }
        POOL(s, hits, misses, 0, POOLED); /* it keeps that many and no more */
    }
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void a_pool_of_none_keeps_none(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_pooled(&r, 256, 0);
    for (uint64_t i = 1; i <= 20; i++) {
        OK(bb_lease_release(pass_one(s, &r).lease));
        POOL(s, 0, i, 0, 0);
    }
    OK(bb_stream_destroy(s));
    end_ring(r);
}

/* --- buffers as large as the reads --- */

#define BUFFER_SIZE(s, bytes) TEST_ASSERT_EQUAL_UINT64(bytes, stream_stats(s).buffer_size)

static void full_chunks_double_the_buffers_up_to_the_capacity(void) {
    ring r = make_ring(4096);
    bb_stream *s = make_pooled(&r, 64, 4);
    for (uint64_t size = 64; size <= 4096; size *= 2) {
        BUFFER_SIZE(s, size);
        for (int i = 0; i < (size == 4096 ? 20 : 4); i++) {
            BUFFER_SIZE(s, size);
            SEND(BB_OK, &r, 4096, 4096 - (r.in - r.out));
            PASS(s, &r, size);
        }
    }
    BUFFER_SIZE(s, 4096);
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void chunks_that_are_not_full_in_a_row_change_nothing(void) {
    ring r = make_ring(4096);
    bb_stream *s = make_pooled(&r, 64, 4);
    for (int turn = 0; turn < 100; turn++) {
        SEND(BB_OK, &r, 64, 64);
        PASS(s, &r, 64);
        if (turn % 3 == 2) { /* after three full buffers */
            SEND(BB_OK, &r, 63, 63);
            PASS(s, &r, 63);
        }
    }
    BUFFER_SIZE(s, 64);
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void small_chunks_halve_the_buffers_down_to_the_first_size(void) {
    ring r = make_ring(4096);
    bb_stream *s = make_pooled(&r, 64, 4);
    while (stream_stats(s).buffer_size < 4096) {
        SEND(BB_OK, &r, 4096, 4096 - (r.in - r.out));
        PASS(s, &r, stream_stats(s).buffer_size);
    }
    while (r.in != r.out) {
        PASS(s, &r, r.in - r.out);
    }
    for (uint64_t size = 4096; size >= 64; size /= 2) {
        for (int i = 0; i < 64; i++) {
            BUFFER_SIZE(s, size);
            SEND(BB_OK, &r, 10, 10);
            PASS(s, &r, 10);
        }
    }
    BUFFER_SIZE(s, 64); /* never below */
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void a_held_buffer_of_an_old_size_is_returned_all_the_same(void) {
    ring r = make_ring(4096);
    bb_stream *s = make_pooled(&r, 64, 4);
    bb_chunk old[8];
    for (size_t i = 0; i < LENGTH(old); i++) {
        SEND(BB_OK, &r, 64, 64);
        old[i] = NEXT(s, &r, 64);
    }
    CHECK(stream_stats(s).buffer_size > 64);
    for (size_t i = 0; i < LENGTH(old); i++) {
        CHECK(content_is(old[i].data, 64 * i, 64));
        OK(bb_lease_release(old[i].lease));
    }
    for (int i = 0; i < 100; i++) {
        const uint64_t bytes = stream_stats(s).buffer_size;
        SEND(BB_OK, &r, bytes, bytes);
        PASS(s, &r, bytes); /* all of it fits, whatever size was pooled */
    }
    TEST_ASSERT_EQUAL_UINT64(0, stream_stats(s).live);
    CHECK(stream_stats(s).kept <= 4);
    OK(bb_stream_destroy(s));
    end_ring(r);
}

/* --- held chunks --- */

static void held_chunks_never_change_while_the_stream_goes_on(void) {
    enum { HELD = 64 };
    ring r = make_ring(4096);
    bb_stream *s = make_pooled(&r, 128, 4);
    bb_chunk held[HELD];
    uint64_t at[HELD], state = 1;
    for (int i = 0; i < rounds(20000); i++) {
        const uint64_t bytes = random_between(&state, 1, 128);
        SEND(BB_OK, &r, bytes, bytes);
        const size_t slot = next_random(&state) % HELD;
        if (i >= HELD && i % 3 != 0) {
            PASS(s, &r, bytes);
            continue;
        }
        const size_t k = i < HELD ? (size_t)i : slot;
        if (i >= HELD) {
            CHECK(content_is(held[k].data, at[k], held[k].bytes));
            OK(bb_lease_release(held[k].lease));
        }
        at[k] = r.out;
        held[k] = NEXT(s, &r, bytes);
    }
    const int last = rounds(20000) < HELD ? rounds(20000) : HELD;
    TEST_ASSERT_EQUAL_UINT64(last, stream_stats(s).live);
    for (int k = 0; k < last; k++) {
        CHECK(content_is(held[k].data, at[k], held[k].bytes));
        OK(bb_lease_release(held[k].lease));
    }
    OK(bb_stream_destroy(s));
    end_ring(r);
}

static void chunks_outlive_stream_and_ring(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_pooled(&r, 256, 4);
    bb_chunk held[10];
    for (size_t i = 0; i < LENGTH(held); i++) {
        held[i] = pass_one(s, &r);
    }
    OK(bb_lease_release(held[9].lease)); /* one buffer in the pool */
    OK(bb_stream_destroy(s));
    end_ring(r);
    ring other = make_ring(1024); /* would take the memory if it were free */
    bb_stream *t = make_pooled(&other, 256, 4);
    for (int i = 0; i < 50; i++) {
        SEND(BB_OK, &other, 256, 256);
        PASS(t, &other, 256);
    }
    for (size_t i = 0; i < LENGTH(held) - 1; i++) {
        CHECK(content_is(held[i].data, 100 * i, 100));
        OK(bb_lease_release(held[i].lease));
        EXPECT(BB_E_STALE, bb_lease_release(held[i].lease));
    }
    OK(bb_stream_destroy(t));
    end_ring(other);
}

static text log_text;

static void log_line(uint32_t level, const char *part, const char *label, const char *line, void *user_data) {
    (void)level, (void)part, (void)user_data;
    text_write(label, strlen(label), &log_text);
    text_write(line, strlen(line), &log_text);
}

static void chunks_left_at_the_end_are_logged(void) {
    ring r = make_ring(1024);
    bb_stream_config c = stream_defaults();
    c.label = "leaky";
    bb_stream *s = make_stream(&r, &c);
    const bb_chunk first = pass_one(s, &r), second = pass_one(s, &r);
    OK(bb_set_log(BB_LOG_DEBUG, log_line, NULL, NULL));
    OK(bb_stream_destroy(s));
    OK(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL));
    TEST_ASSERT_NOT_NULL_MESSAGE(strstr(log_text.bytes, "leaky"), log_text.bytes);
    TEST_ASSERT_NOT_NULL_MESSAGE(strstr(log_text.bytes, "stay valid: 2"), log_text.bytes);
    OK(bb_lease_release(first.lease));
    OK(bb_lease_release(second.lease));
    end_ring(r);
}

static void a_second_release_of_a_chunk_is_refused(void) {
    ring r = make_ring(1024);
    bb_stream *s = make_pooled(&r, 256, 4);
    const bb_chunk first = pass_one(s, &r);
    OK(bb_lease_release(first.lease));
    EXPECT(BB_E_STALE, bb_lease_release(first.lease));
    const bb_chunk second = pass_one(s, &r);
    CHECK(second.data == first.data && second.lease != first.lease);
    EXPECT(BB_E_STALE, bb_lease_release(first.lease)); /* another chunk has the buffer now */
    POOL(s, 1, 1, 1, 0);
    OK(bb_lease_release(second.lease));
    OK(bb_stream_destroy(s));
    end_ring(r);
}

/* --- chunks that other threads release --- */

typedef struct passed {
    bb_chunk chunk;
    uint64_t position;
} passed;

static void *check_and_release(void *argument) {
    bb_receiver *rx = argument;
    for (;;) {
        passed p;
        uint64_t got = 0;
        const bb_status status = bb_receiver_recv_all(rx, &p, sizeof p, BB_SEC(HANG_SECONDS), &got);
        if (status == BB_E_CLOSED || !THREAD_CHECK(status == BB_OK)) {
            return NULL;
        }
        THREAD_CHECK(content_is(p.chunk.data, p.position, p.chunk.bytes));
        THREAD_OK(bb_lease_release(p.chunk.lease));
    }
}

static void chunks_may_be_released_on_other_threads(void) {
    enum { WORKERS = 3 };
    ring r = make_ring(4096), work[WORKERS];
    bb_stream *s = make_pooled(&r, 256, 8);
    pthread_t threads[WORKERS];
    uint64_t state = 3;
    for (size_t i = 0; i < WORKERS; i++) {
        work[i] = make_ring(16 * sizeof(passed));
        threads[i] = start(check_and_release, work[i].rx);
    }
    for (size_t i = 0; i < (size_t)rounds(30000); i++) {
        passed p = {.position = r.out};
        const uint64_t bytes = random_between(&state, 1, 256);
        uint64_t sent = 0;
        SEND(BB_OK, &r, bytes, bytes);
        p.chunk = NEXT(s, &r, bytes);
        OK(bb_sender_send_all(work[i % WORKERS].tx, &p, sizeof p, BB_SEC(HANG_SECONDS), &sent));
    }
    for (size_t i = 0; i < WORKERS; i++) {
        OK(bb_sender_close(work[i].tx));
        join(threads[i]);
        end_ring(work[i]);
    }
    const bb_stream_stats stats = stream_stats(s);
    TEST_ASSERT_EQUAL_UINT64(0, stats.live);
    TEST_ASSERT_EQUAL_UINT64(stats.chunks, stats.hits + stats.misses);
    CHECK(stats.kept > 0 && stats.kept <= 8);
    OK(bb_stream_destroy(s));
    end_ring(r);
}

typedef struct late {
    bb_lease *leases[200];
    atomic_bool go;
} late;

static void *release_all(void *argument) {
    late *l = argument;
    while (!atomic_load(&l->go)) {
    }
    for (size_t i = 0; i < LENGTH(l->leases); i++) {
        THREAD_OK(bb_lease_release(l->leases[i]));
    }
    return NULL;
}

static void a_release_may_race_with_the_streams_end(void) {
    for (int round = 0; round < rounds(200); round++) {
        ring r = make_ring(1024);
        bb_stream *s = make_pooled(&r, 256, 64);
        late l = {0};
        for (size_t i = 0; i < LENGTH(l.leases); i++) {
            l.leases[i] = pass_one(s, &r).lease;
        }
        const pthread_t thread = start(release_all, &l);
        atomic_store(&l.go, true);
        OK(bb_stream_destroy(s));
        join(thread);
        end_ring(r);
    }
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_released_buffer_is_used_again);
    RUN_TEST(the_last_returned_is_the_first_reused);
    RUN_TEST(an_exhausted_pool_allocates_and_recovers);
    RUN_TEST(a_pool_of_none_keeps_none);
    RUN_TEST(full_chunks_double_the_buffers_up_to_the_capacity);
    RUN_TEST(chunks_that_are_not_full_in_a_row_change_nothing);
    RUN_TEST(small_chunks_halve_the_buffers_down_to_the_first_size);
    RUN_TEST(a_held_buffer_of_an_old_size_is_returned_all_the_same);
    RUN_TEST(held_chunks_never_change_while_the_stream_goes_on);
    RUN_TEST(chunks_outlive_stream_and_ring);
    RUN_TEST(chunks_left_at_the_end_are_logged);
    RUN_TEST(a_second_release_of_a_chunk_is_refused);
    RUN_TEST(chunks_may_be_released_on_other_threads);
    RUN_TEST(a_release_may_race_with_the_streams_end);
    return UNITY_END();
}
