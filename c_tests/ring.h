/* Helpers of the ring tests: bytes that follow from their position, and a ring with the positions of both ends. */
#ifndef BACKBUF_TEST_RING_H
#define BACKBUF_TEST_RING_H
#include "support.h"

/* --- content: both ends can compute the byte at a position of the stream, so a lost, doubled or moved byte is noticed --- */

static inline uint64_t content_word(uint64_t index) {
    const uint64_t x = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 32;
}

/* The 8 bytes at any position. */
static inline uint64_t content_at(uint64_t position) {
    const unsigned shift = 8 * (position % 8);
    const uint64_t low = content_word(position / 8) >> shift;
    return shift == 0 ? low : low | content_word(position / 8 + 1) << (64 - shift);
}

static inline void content_fill(void *to, uint64_t position, uint64_t bytes) {
    uint8_t *at = to;
    for (; bytes >= 8; at += 8, position += 8, bytes -= 8) {
        memcpy(at, &(uint64_t){content_at(position)}, 8);
    }
    memcpy(at, &(uint64_t){content_at(position)}, bytes);
}

static inline bool content_is(const void *from, uint64_t position, uint64_t bytes) {
    const uint8_t *at = from;
    for (; bytes >= 8; at += 8, position += 8, bytes -= 8) {
        if (memcmp(at, &(uint64_t){content_at(position)}, 8) != 0) {
            return false;
        }
    }
    return memcmp(at, &(uint64_t){content_at(position)}, bytes) == 0;
}

/* Each user has its own generator: a seed repeats a run. */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13, *state ^= *state >> 7, *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* One of `from` to `to`, both included. */
static inline uint64_t random_between(uint64_t *state, uint64_t from, uint64_t to) {
    return from + (next_random(state) >> 11) % (to - from + 1);
}

/* --- a ring with the positions of both ends --- */

enum { LARGEST = 1 << 20 }; /* bytes that one call of these helpers moves */

typedef struct ring {
    bb_sender *tx;
    bb_receiver *rx;
    uint64_t in, out; /* bytes sent or fed, bytes received */
} ring;

static inline bb_spsc_config ring_defaults(const char *label, uint32_t flags) {
    bb_spsc_config config;
    OK(bb_spsc_config_init(&config));
    config.label = label;
    config.flags = flags;
    return config;
}

static inline ring make_ring(uint64_t capacity) {
    ring r = {0};
    OK(bb_spsc_create(capacity, NULL, &r.tx, &r.rx));
    return r;
}

static inline ring make_ring_with(uint64_t capacity, uint32_t flags) {
    ring r = {0};
    const bb_spsc_config config = ring_defaults("ring", flags);
    OK(bb_spsc_create(capacity, &config, &r.tx, &r.rx));
    return r;
}

static inline void end_ring(ring r) {
    OK(bb_sender_destroy(r.tx));
    OK(bb_receiver_destroy(r.rx));
}

typedef bb_status (*put_call)(bb_sender *tx, const void *data, uint64_t bytes, uint64_t *sent);
typedef bb_status (*take_call)(bb_receiver *rx, void *dst, uint64_t bytes, uint64_t *got);

static inline bb_status send_all_now(bb_sender *tx, const void *data, uint64_t bytes, uint64_t *sent) {
    return bb_sender_send_all(tx, data, bytes, 0, sent);
}

static inline bb_status recv_all_now(bb_receiver *rx, void *dst, uint64_t bytes, uint64_t *got) {
    return bb_receiver_recv_all(rx, dst, bytes, 0, got);
}

/* Whether a call with this status writes the number of bytes; a refused call does not write its outputs. */
static inline bool writes_count(bb_status status) {
    return status == BB_OK || status == BB_E_FULL || status == BB_E_EMPTY || status == BB_E_TIMEOUT ||
           status == BB_E_CLOSED || status == BB_E_INTERRUPTED;
}

static inline void expect_moved(bb_status want, uint64_t moved, bb_status got, uint64_t count, const char *call,
                                UNITY_LINE_TYPE line) {
    expect_status(want, got, call, line);
    if (count != moved) {
        char text[256];
        (void)snprintf(text, sizeof text, "%s moved %" PRIu64 " bytes, not %" PRIu64, call, count, moved);
        UNITY_TEST_FAIL(line, text);
    }
}

/* Offers the next `bytes` of the content and expects that `moved` of them are sent. */
static inline void ring_put(ring *r, put_call put, bb_status want, uint64_t bytes, uint64_t moved, const char *call,
                            UNITY_LINE_TYPE line) {
    static uint8_t data[LARGEST];
    uint64_t sent = UINT64_MAX;
    content_fill(data, r->in, bytes);
    const bb_status status = put(r->tx, data, bytes, &sent);
    expect_moved(want, writes_count(want) ? moved : UINT64_MAX, status, sent, call, line);
    r->in += moved;
}

/* Asks for `bytes` and expects the next `moved` bytes of the content, with nothing written beyond them. */
static inline void ring_take(ring *r, take_call take, bb_status want, uint64_t bytes, uint64_t moved, const char *call,
                             UNITY_LINE_TYPE line) {
    static uint8_t data[LARGEST + 1];
    uint64_t got = UINT64_MAX;
    data[moved] = 0xA5;
    const bb_status status = take(r->rx, data, bytes, &got);
    expect_moved(want, writes_count(want) ? moved : UINT64_MAX, status, got, call, line);
    UNITY_TEST_ASSERT(content_is(data, r->out, moved), line, "other bytes than were sent");
    UNITY_TEST_ASSERT(data[moved] == 0xA5, line, "bytes beyond the reported count were written");
    r->out += moved;
}

#define PUT(put, want, r, bytes, moved) ring_put((r), (put), (want), (bytes), (moved), #put, __LINE__)
#define TAKE(take, want, r, bytes, moved) ring_take((r), (take), (want), (bytes), (moved), #take, __LINE__)
#define SEND(want, r, bytes, moved) PUT(bb_sender_send, want, r, bytes, moved)
#define FEED(want, r, bytes, moved) PUT(bb_sender_feed, want, r, bytes, moved)
#define RECV(want, r, bytes, moved) TAKE(bb_receiver_recv, want, r, bytes, moved)

/* Expects `bytes` in the ring, by a span that consumes nothing. */
static inline void expect_readable(ring *r, uint64_t bytes, UNITY_LINE_TYPE line) {
    bb_const_span span = {0};
    const bb_status status = bb_receiver_peek(r->rx, 0, &span);
    expect_moved(bytes == 0 ? BB_E_EMPTY : BB_OK, bytes, status, span.bytes, "bb_receiver_peek", line);
    if (bytes != 0) {
        UNITY_TEST_ASSERT(content_is(span.data, r->out, bytes), line, "other bytes than were sent");
        expect_status(BB_OK, bb_receiver_consume(r->rx, 0), "bb_receiver_consume", line);
    }
}
#define READABLE(r, bytes) expect_readable((r), (bytes), __LINE__)

static inline bb_end_stats sender_stats(bb_sender *tx) {
    bb_end_stats stats;
    OK(bb_sender_stats_get(tx, sizeof stats, &stats));
    return stats;
}

static inline bb_end_stats receiver_stats(bb_receiver *rx) {
    bb_end_stats stats;
    OK(bb_receiver_stats_get(rx, sizeof stats, &stats));
    return stats;
}

/* --- the ways to end an end --- */

static inline bb_status close_sender(ring *r) { return bb_sender_close(r->tx); }

static inline bb_status destroy_sender(ring *r) {
    const bb_status status = bb_sender_destroy(r->tx);
    r->tx = NULL;
    return status;
}

static inline bb_status close_receiver(ring *r) { return bb_receiver_close(r->rx); }

static inline bb_status destroy_receiver(ring *r) {
    const bb_status status = bb_receiver_destroy(r->rx);
    r->rx = NULL;
    return status;
}

static bb_status (*const sender_ends[])(ring *) = {close_sender, destroy_sender};
static bb_status (*const receiver_ends[])(ring *) = {close_receiver, destroy_receiver};

/* --- streams --- */

static inline bb_stream_config stream_defaults(void) {
    bb_stream_config config;
    OK(bb_stream_config_init(&config));
    return config;
}

/* The stream takes the receiver: r->rx is cleared. */
static inline bb_stream *make_stream(ring *r, const bb_stream_config *config) {
    bb_stream *stream = NULL;
    OK(bb_spsc_into_stream(r->rx, config, &stream));
    r->rx = NULL;
    return stream;
}

/* Expects a chunk that is aligned, writable and holds the next bytes of the content. */
static inline void expect_chunk(ring *r, const bb_chunk *chunk, uint64_t bytes, UNITY_LINE_TYPE line) {
    UNITY_TEST_ASSERT_EQUAL_UINT64(bytes, chunk->bytes, line, "the chunk's bytes");
    UNITY_TEST_ASSERT((uintptr_t)chunk->data % 64 == 0, line, "a chunk is aligned to 64 bytes");
    UNITY_TEST_ASSERT(content_is(chunk->data, r->out, bytes), line, "other bytes than were sent");
    r->out += bytes;
}

/* The next chunk, which must be available and hold `bytes`. */
static inline bb_chunk next_chunk(bb_stream *stream, ring *r, uint64_t bytes, UNITY_LINE_TYPE line) {
    bb_chunk chunk = {0};
    expect_status(BB_OK, bb_stream_next(stream, 0, &chunk), "bb_stream_next", line);
    expect_chunk(r, &chunk, bytes, line);
    return chunk;
}
#define NEXT(stream, r, bytes) next_chunk((stream), (r), (bytes), __LINE__)
#define PASS(stream, r, bytes) OK(bb_lease_release(NEXT(stream, r, bytes).lease))

static inline bb_stream_stats stream_stats(bb_stream *stream) {
    bb_stream_stats stats;
    OK(bb_stream_stats_get(stream, sizeof stats, &stats));
    return stats;
}

#endif
