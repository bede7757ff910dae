/* Records through the inline writer and reader of backbuf/inline.h. */
#include "ring.h"

#include <backbuf/inline.h>

/* --- one thread --- */

/* Writes the next `bytes` of the content as one record. */
static bb_status put_next(bb_writer *w, ring *r, uint64_t bytes) {
    uint8_t record[256];
    content_fill(record, r->in, bytes);
    const bb_status status = bb_writer_put(w, record, bytes);
    r->in += status == BB_OK ? bytes : 0;
    return status;
}

/* Reads the next `bytes` as one record, which must be those of the content. */
static bb_status get_next(bb_reader *reader, ring *r, uint64_t bytes) {
    uint8_t record[256];
    const bb_status status = bb_reader_get(reader, record, bytes);
    if (status == BB_OK) {
        CHECK(content_is(record, r->out, bytes));
        r->out += bytes;
    }
    return status;
}

static void records_of_any_size_pass(void) {
    for (uint64_t every = 0; every <= 96; every += 32) {
        ring r = make_ring(128);
        bb_writer w;
        bb_reader reader;
        uint64_t state = every + 1;
        OK(bb_writer_open(&w, r.tx, every));
        OK(bb_reader_open(&reader, r.rx, every));
        for (int i = 0; i < 5000; i++) {
            uint64_t sizes[8], count = 0;
            for (; count < 8; count++) {
                sizes[count] = random_between(&state, 0, 40);
                const bb_status status = put_next(&w, &r, sizes[count]);
                if (status == BB_E_FULL) {
                    break;
                }
                EXPECT(BB_OK, status);
            }
            OK(bb_writer_publish(&w, 0));
            for (uint64_t k = 0; k < count; k++) {
                OK(get_next(&reader, &r, sizes[k]));
            }
            EXPECT(BB_E_EMPTY, get_next(&reader, &r, 1));
        }
        OK(bb_writer_close(&w));
        OK(bb_reader_close(&reader));
        TEST_ASSERT_EQUAL_UINT64(r.in, sender_stats(r.tx).bytes);
        TEST_ASSERT_EQUAL_UINT64(r.out, receiver_stats(r.rx).bytes);
        end_ring(r);
    }
}

static void a_publish_is_due_after_so_many_bytes(void) {
    ring r = make_ring(64);
    bb_writer w;
    OK(bb_writer_open(&w, r.tx, 24));
    OK(put_next(&w, &r, 10));
    OK(put_next(&w, &r, 10));
    READABLE(&r, 0);
    OK(put_next(&w, &r, 4));
    READABLE(&r, 24);
    OK(put_next(&w, &r, 30)); /* longer than that by itself */
    READABLE(&r, 54);
    OK(put_next(&w, &r, 3));
    OK(bb_writer_publish(&w, 7));
    READABLE(&r, 57);
    OK(put_next(&w, &r, 7)); /* the space is used up */
    READABLE(&r, 64);
    EXPECT(BB_E_FULL, put_next(&w, &r, 1));
    RECV(BB_OK, &r, 64, 64);
    OK(put_next(&w, &r, 1));
    OK(bb_writer_close(&w));
    READABLE(&r, 1);
    end_ring(r);
}

static void giving_back_is_due_after_so_many_bytes(void) {
    ring r = make_ring(64);
    bb_reader reader;
    SEND(BB_OK, &r, 64, 64);
    OK(bb_reader_open(&reader, r.rx, 16));
    OK(get_next(&reader, &r, 15));
    SEND(BB_E_FULL, &r, 1, 0);
    OK(get_next(&reader, &r, 1));
    SEND(BB_OK, &r, 64, 16);
    OK(get_next(&reader, &r, 5));
    OK(bb_reader_give_back(&reader, 0));
    SEND(BB_OK, &r, 64, 5);
    OK(get_next(&reader, &r, 3));
    OK(bb_reader_close(&reader));
    SEND(BB_OK, &r, 64, 3);
    RECV(BB_OK, &r, 64, 64);
    end_ring(r);
}

static void a_full_ring_takes_no_part_of_a_record(void) {
    ring r = make_ring(64);
    bb_writer w;
    OK(bb_writer_open(&w, r.tx, 0));
    OK(put_next(&w, &r, 60));
    EXPECT(BB_E_FULL, put_next(&w, &r, 5));
    READABLE(&r, 60); /* what came before is published */
    OK(put_next(&w, &r, 4));
    RECV(BB_OK, &r, 64, 64);
    EXPECT(BB_E_RANGE, put_next(&w, &r, 65));
    MESSAGE_HAS("capacity");
    OK(bb_writer_close(&w));
    end_ring(r);
}

static void a_record_is_written_and_read_in_place(void) {
    ring r = make_ring(64);
    bb_writer w;
    bb_reader reader;
    void *space;
    const void *seen;
    OK(bb_writer_open(&w, r.tx, 1));
    OK(bb_reader_open(&reader, r.rx, 1));
    OK(bb_writer_claim(&w, 16, &space));
    memset(space, 3, 16);
    OK(bb_writer_claim(&w, 16, &space)); /* not ended: the same space again */
    memset(space, 4, 8);
    OK(bb_writer_advance(&w, 8)); /* less than was claimed */
    OK(bb_reader_claim(&reader, 8, &seen));
    TEST_ASSERT_EQUAL_UINT8(4, *(const uint8_t *)seen);
    OK(bb_reader_claim(&reader, 8, &seen)); /* not ended: the same record again */
    OK(bb_reader_advance(&reader, 8));
    EXPECT(BB_E_EMPTY, bb_reader_claim(&reader, 8, &seen));
    OK(bb_writer_close(&w));
    OK(bb_reader_close(&reader));
    end_ring(r);
}

/* --- wrong calls: each is refused and changes nothing --- */

static void a_claim_excludes_other_claims(void) {
    ring r = make_ring(64);
    bb_writer w, second;
    bb_reader reader, other;
    bb_span span;
    bb_const_span seen;
    uint64_t moved = 0;
    OK(bb_writer_open(&w, r.tx, 0));
    EXPECT(BB_E_STATE, bb_writer_open(&second, r.tx, 0));
    EXPECT(BB_E_STATE, bb_sender_reserve(r.tx, 1, &span));
    EXPECT(BB_E_STATE, bb_sender_send(r.tx, "", 1, &moved));
    EXPECT(BB_E_STATE, bb_sender_commit(r.tx, 0));
    MESSAGE_HAS("inline writer");
    OK(put_next(&w, &r, 10));
    OK(bb_writer_close(&w));
    OK(bb_sender_reserve(r.tx, 1, &span));
    EXPECT(BB_E_STATE, bb_writer_open(&w, r.tx, 0));
    OK(bb_sender_commit(r.tx, 0));

    OK(bb_reader_open(&reader, r.rx, 0));
    EXPECT(BB_E_STATE, bb_reader_open(&other, r.rx, 0));
    EXPECT(BB_E_STATE, bb_receiver_peek(r.rx, 1, &seen));
    EXPECT(BB_E_STATE, bb_receiver_recv(r.rx, &moved, 1, &moved));
    EXPECT(BB_E_STATE, bb_receiver_consume(r.rx, 0));
    OK(get_next(&reader, &r, 10));
    OK(bb_reader_close(&reader));
    end_ring(r);
}

static void counts_outside_of_the_claim_publish_nothing(void) {
    ring r = make_ring(64);
    bb_writer w;
    bb_reader reader;
    OK(bb_writer_open(&w, r.tx, 0));
    OK(put_next(&w, &r, 8));
    char *const next = w.next;
    const ptrdiff_t wrong[] = {-9, 57, PTRDIFF_MIN / 2, 1 << 20};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        w.next = (char *)((uintptr_t)next + (uintptr_t)wrong[i]);
        EXPECT(BB_E_STATE, bb_writer_publish(&w, 0));
        MESSAGE_HAS("next");
        EXPECT(BB_E_STATE, bb_writer_close(&w));
        READABLE(&r, 0);
    }
    w.next = next;
    *w.written = UINT64_MAX / 3; /* the receiver ignores it */
    EXPECT(BB_E_TIMEOUT, bb_receiver_wait_readable(r.rx, 1, 1));
    OK(bb_writer_close(&w));

    OK(bb_reader_open(&reader, r.rx, 0));
    const void *const at = reader.next;
    reader.next = (const char *)at + 9;
    EXPECT(BB_E_STATE, bb_reader_give_back(&reader, 0));
    EXPECT(BB_E_STATE, bb_reader_close(&reader));
    reader.next = at;
    OK(get_next(&reader, &r, 8));
    OK(bb_reader_close(&reader));
    end_ring(r);
}

static void structs_that_are_not_open_are_refused(void) {
    ring r = make_ring(64);
    bb_writer w = {0};
    bb_reader reader = {0};
    char byte = 0;
    EXPECT(BB_E_NULL, bb_writer_put(&w, "", 1));
    EXPECT(BB_E_NULL, bb_writer_put(&w, "", 0));
    EXPECT(BB_E_NULL, bb_writer_close(NULL));
    EXPECT(BB_E_NULL, bb_reader_get(&reader, &byte, 1));
    EXPECT(BB_E_NULL, bb_reader_get(&reader, &byte, 0));
    EXPECT(BB_E_NULL, bb_reader_close(NULL));
    OK(bb_writer_open(&w, r.tx, 0));
    OK(bb_writer_close(&w));
    EXPECT(BB_E_NULL, bb_writer_put(&w, "", 1));
    EXPECT(BB_E_NULL, bb_writer_put(&w, "", 0));
    EXPECT(BB_E_NULL, bb_writer_advance(&w, 0));
    EXPECT(BB_E_NULL, bb_writer_close(&w));
    OK(bb_reader_open(&reader, r.rx, 0));
    OK(bb_reader_close(&reader));
    EXPECT(BB_E_NULL, bb_reader_advance(&reader, 0));
    w.sender = r.tx; /* a handle, but no open claim */
    reader.receiver = r.rx;
    EXPECT(BB_E_STATE, bb_writer_publish(&w, 0));
    EXPECT(BB_E_STATE, bb_reader_give_back(&reader, 0));
    w.sender = (bb_sender *)r.rx;
    EXPECT(BB_E_KIND, bb_writer_publish(&w, 0));
    end_ring(r);

    const bb_spsc_config config = {.struct_size = sizeof config, .overwrite_record_size = 8};
    r = (ring){0};
    OK(bb_spsc_create(64, &config, &r.tx, &r.rx));
    EXPECT(BB_E_UNSUPPORTED, bb_writer_open(&w, r.tx, 0));
    EXPECT(BB_E_UNSUPPORTED, bb_reader_open(&reader, r.rx, 0));
    end_ring(r);
}

/* --- ends --- */

static void a_writer_outlives_its_sender(void) {
    for (size_t i = 0; i < LENGTH(sender_ends); i++) {
        ring r = make_ring(64);
        bb_sender *attached = NULL;
        bb_writer w;
        OK(bb_writer_open(&w, r.tx, 0));
        OK(put_next(&w, &r, 8));
        OK(sender_ends[i](&r));
        memset(w.next, 1, 56);  /* the memory is still there */
        RECV(BB_OK, &r, 64, 8); /* what was written before the end is received */
        RECV(BB_E_CLOSED, &r, 64, 0);
        EXPECT(BB_E_CLOSED, bb_writer_publish(&w, 0));
        EXPECT(BB_E_CLOSED, bb_writer_put(&w, "", 1));
        EXPECT(BB_E_BUSY, bb_receiver_attach_sender(r.rx, &attached));
        EXPECT(BB_E_CLOSED, bb_writer_close(&w));
        EXPECT(BB_E_NULL, bb_writer_close(&w));
        OK(r.tx == NULL ? BB_OK : bb_sender_destroy(r.tx));
        OK(bb_receiver_attach_sender(r.rx, &r.tx));
        SEND(BB_OK, &r, 64, 64);
        RECV(BB_OK, &r, 64, 64);
        end_ring(r);
    }
}

static void a_reader_outlives_its_receiver(void) {
    for (size_t i = 0; i < LENGTH(receiver_ends); i++) {
        ring r = make_ring(64);
        bb_receiver *attached = NULL;
        bb_reader reader;
        SEND(BB_OK, &r, 64, 64);
        OK(bb_reader_open(&reader, r.rx, 0));
        OK(get_next(&reader, &r, 8));
        OK(receiver_ends[i](&r));
        CHECK(content_is(reader.next, r.out, 56)); /* the memory is still there */
        EXPECT(BB_E_CLOSED, bb_reader_give_back(&reader, 0));
        EXPECT(BB_E_CLOSED, get_next(&reader, &r, 1));
        EXPECT(BB_E_BUSY, bb_sender_attach_receiver(r.tx, &attached));
        EXPECT(BB_E_CLOSED, bb_reader_close(&reader));
        OK(r.rx == NULL ? BB_OK : bb_receiver_destroy(r.rx));
        OK(bb_sender_attach_receiver(r.tx, &r.rx));
        RECV(BB_OK, &r, 64, 56); /* what was read is not received again */
        end_ring(r);
    }
}

static void a_writer_continues_with_a_new_receiver(void) {
    ring r = make_ring(64);
    bb_writer w;
    OK(bb_writer_open(&w, r.tx, 8));
    OK(put_next(&w, &r, 8));
    OK(put_next(&w, &r, 4));
    OK(bb_receiver_destroy(r.rx));
    EXPECT(BB_E_CLOSED, bb_writer_publish(&w, 0));
    r.in -= 4; /* discarded */
    EXPECT(BB_E_CLOSED, put_next(&w, &r, 4));
    OK(bb_sender_attach_receiver(r.tx, &r.rx));
    OK(put_next(&w, &r, 8));
    RECV(BB_OK, &r, 64, 16);
    OK(bb_writer_close(&w));
    end_ring(r);
}

/* A receiver that waits takes what is not published. It stays taken, whatever `next` is set to, and whatever follows. */
static void what_a_waiting_receiver_took_is_not_sent_again(void) {
    ring r = make_ring(64);
    bb_writer w;
    OK(bb_writer_open(&w, r.tx, 0));
    char *const begin = w.next;
    OK(put_next(&w, &r, 4));
    READABLE(&r, 0);
    OK(bb_receiver_wait_readable(r.rx, 1, BB_FOREVER));
    RECV(BB_OK, &r, 64, 4);
    w.next = begin;
    OK(bb_writer_publish(&w, 0));
    READABLE(&r, 0);
    OK(put_next(&w, &r, 4));
    OK(bb_receiver_wait_readable(r.rx, 1, BB_FOREVER));
    RECV(BB_OK, &r, 64, 4);
    OK(put_next(&w, &r, 4));
    OK(bb_receiver_wait_readable(r.rx, 1, BB_FOREVER));
    OK(bb_receiver_destroy(r.rx));
    EXPECT(BB_E_CLOSED, bb_writer_publish(&w, 0)); /* nothing is discarded */
    OK(bb_sender_attach_receiver(r.tx, &r.rx));
    OK(put_next(&w, &r, 8));
    OK(bb_writer_close(&w));
    RECV(BB_OK, &r, 64, 12);
    end_ring(r);
}

/* The same if the writer ends with the receiver: the sender continues behind what was taken. */
static void a_sender_continues_behind_what_a_receiver_took(void) {
    ring r = make_ring(64);
    bb_writer w;
    OK(bb_writer_open(&w, r.tx, 0));
    OK(put_next(&w, &r, 4));
    OK(bb_receiver_wait_readable(r.rx, 1, BB_FOREVER));
    OK(bb_receiver_destroy(r.rx));
    EXPECT(BB_E_CLOSED, bb_writer_close(&w));
    OK(bb_sender_attach_receiver(r.tx, &r.rx));
    SEND(BB_OK, &r, 8, 8);
    RECV(BB_OK, &r, 64, 12);
    end_ring(r);
}

static void a_reader_gets_everything_then_closed(void) {
    ring r = make_ring(64);
    bb_reader reader;
    OK(bb_reader_open(&reader, r.rx, 0));
    SEND(BB_OK, &r, 20, 20);
    OK(bb_sender_destroy(r.tx));
    OK(get_next(&reader, &r, 15));
    EXPECT(BB_E_CLOSED, get_next(&reader, &r, 6)); /* fewer are left, and no more come */
    OK(get_next(&reader, &r, 5));
    EXPECT(BB_E_CLOSED, get_next(&reader, &r, 1));
    OK(bb_reader_close(&reader));
    OK(bb_receiver_destroy(r.rx));
}

/* --- versions: a program that was compiled with another header --- */

/* bb_writer as it was in 0.1. Programs that were compiled with it have these offsets in their inlined code. */
typedef struct writer_0_1 {
    uint32_t struct_size, wait_bits;
    void *sender;
    char *next, *end, *due;
    uint64_t every, shift;
    volatile uint64_t *written;
    volatile uint32_t *waits;
    volatile bool *light;
} writer_0_1;

/* The inlined code of 0.1, for records of 8 bytes. */
static bb_status put_0_1(writer_0_1 *w, uint64_t record) {
    if (w->end - w->next < 8) {
        const bb_status status = bb_writer_publish((bb_writer *)w, 8);
        if (status != BB_OK) {
            return status;
        }
    }
    memcpy(w->next, &record, 8);
    w->next += 8;
    *w->written = (uintptr_t)w->next - w->shift;
    atomic_thread_fence(memory_order_seq_cst);
    const bool waits = (*w->waits & w->wait_bits) != 0;
    return waits || w->next >= w->due ? bb_writer_publish((bb_writer *)w, 0) : BB_OK;
}

static void a_program_of_an_older_header_works(void) {
    ring r = make_ring(256);
    writer_0_1 w;
    OK(bb_sender_open_writer(r.tx, 64, sizeof w, (bb_writer *)&w));
    TEST_ASSERT_EQUAL_UINT32(sizeof w, w.struct_size);
    for (uint64_t i = 0; i < 1000; i++) {
        OK(put_0_1(&w, content_word(i)));
        r.in += 8;
        if (i % 8 == 7) {
            RECV(BB_OK, &r, 64, 64);
        }
    }
    OK(bb_writer_close((bb_writer *)&w));
    end_ring(r);
}

static void a_program_of_a_newer_header_works(void) {
    struct {
        bb_writer known;
        uint64_t unknown[4];
    } w;
    ring r = make_ring(64);
    memset(&w, 0xA5, sizeof w);
    EXPECT(BB_E_VERSION, bb_sender_open_writer(r.tx, 0, 8, &w.known));
    EXPECT(BB_E_VERSION, bb_sender_open_writer(r.tx, 0, UINT32_MAX, &w.known));
    OK(bb_sender_open_writer(r.tx, 0, sizeof w, &w.known));
    for (size_t i = 0; i < LENGTH(w.unknown); i++) {
        TEST_ASSERT_EQUAL_UINT64(0, w.unknown[i]); /* as if its new members were not set */
    }
    OK(put_next(&w.known, &r, 9));
    OK(bb_writer_close(&w.known));
    RECV(BB_OK, &r, 64, 9);
    w.known.sender = r.tx;
    w.known.struct_size = 12; /* of no version */
    EXPECT(BB_E_VERSION, bb_writer_publish(&w.known, 0));
    end_ring(r);
}

/* --- two threads --- */

enum { ROUNDS = 20000 };

/* Answers each word with the next one. Neither side publishes: each record must reach the other side because it waits. */
static void *answer_words(void *argument) {
    ring *const rings = argument;
    bb_writer w;
    bb_reader reader;
    THREAD_OK(bb_writer_open(&w, rings[1].tx, 0));
    THREAD_OK(bb_reader_open(&reader, rings[0].rx, 0));
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t word = 0;
        bb_status status;
        while ((status = bb_reader_get(&reader, &word, sizeof word)) == BB_E_EMPTY) {
            THREAD_OK(bb_receiver_wait_readable(rings[0].rx, sizeof word, BB_FOREVER));
        }
        word++;
        if (!THREAD_CHECK(status == BB_OK) || !THREAD_OK(bb_writer_put(&w, &word, sizeof word))) {
            break;
        }
    }
    THREAD_OK(bb_writer_close(&w));
    THREAD_OK(bb_reader_close(&reader));
    return NULL;
}

static void a_record_reaches_a_receiver_that_waits(void) {
    ring rings[2] = {make_ring(1 << 20), make_ring(1 << 20)};
    pthread_t thread;
    bb_writer w;
    TEST_ASSERT_EQUAL_INT(0, pthread_create(&thread, NULL, answer_words, rings));
    OK(bb_writer_open(&w, rings[0].tx, 0));
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t word = 2 * i, got = 0;
        OK(bb_writer_put(&w, &word, sizeof word));
        OK(bb_receiver_recv_all(rings[1].rx, &word, sizeof word, BB_FOREVER, &got));
        TEST_ASSERT_EQUAL_UINT64(2 * i + 1, word);
    }
    pthread_join(thread, NULL);
    OK(bb_writer_close(&w));
    end_ring(rings[0]);
    end_ring(rings[1]);
}

/* Fills the ring again each time a byte is free, waiting for it. */
static void *fill(void *argument) {
    ring *const r = argument;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t sent = 0;
        if (!THREAD_OK(bb_sender_send_all(r->tx, &(uint64_t){i}, 8, BB_FOREVER, &sent))) {
            break;
        }
    }
    return NULL;
}

/* The reader never gives back by itself before the ring is used up, which takes many records. */
static void read_space_reaches_a_sender_that_waits(void) {
    ring r = make_ring(64);
    pthread_t thread;
    bb_reader reader;
    TEST_ASSERT_EQUAL_INT(0, pthread_create(&thread, NULL, fill, &r));
    OK(bb_reader_open(&reader, r.rx, 0));
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t word = 0;
        bb_status status;
        while ((status = bb_reader_get(&reader, &word, sizeof word)) == BB_E_EMPTY) {
            /* All of it, so that only a sender that continues can end this wait. */
            const uint64_t left = 8 * (ROUNDS - i);
            OK(bb_receiver_wait_readable(r.rx, left < 64 ? left : 64, BB_FOREVER));
        }
        OK(status);
        TEST_ASSERT_EQUAL_UINT64(i, word);
    }
    pthread_join(thread, NULL);
    OK(bb_reader_close(&reader));
    end_ring(r);
}

typedef struct stream {
    ring r;
    uint64_t bytes, every, longest;
} stream;

static void *write_stream(void *argument) {
    stream *const s = argument;
    uint64_t state = 77, at = 0;
    bb_writer w;
    THREAD_OK(bb_writer_open(&w, s->r.tx, s->every));
    while (at < s->bytes) {
        uint8_t record[64];
        const uint64_t bytes = random_between(&state, 1, s->longest);
        content_fill(record, at, bytes);
        const bb_status status = bb_writer_put(&w, record, bytes);
        if (status == BB_E_FULL) {
            THREAD_OK(bb_sender_wait_writable(s->r.tx, bytes, BB_FOREVER));
        } else if (THREAD_CHECK(status == BB_OK)) {
            at += bytes;
        } else {
            break;
        }
    }
    THREAD_OK(bb_writer_close(&w));
    THREAD_OK(bb_sender_close(s->r.tx));
    return NULL;
}

static void a_stream_arrives_unchanged(void) {
    const uint64_t capacities[] = {64, 256, 4096, 65536};
    for (size_t i = 0; i < LENGTH(capacities); i++) {
        /* Two sides that each wait for more than half of the ring would wait for each other. */
        const uint64_t longest = capacities[i] / 2 < 64 ? capacities[i] / 2 : 64;
        stream s = {make_ring(capacities[i]), 2000000, i % 2 == 0 ? 0 : 48, longest};
        pthread_t thread;
        bb_reader reader;
        uint64_t state = 99, at = 0;
        TEST_ASSERT_EQUAL_INT(0, pthread_create(&thread, NULL, write_stream, &s));
        OK(bb_reader_open(&reader, s.r.rx, s.every));
        for (uint64_t bytes = 1;;) {
            uint8_t record[64];
            const bb_status status = bb_reader_get(&reader, record, bytes);
            if (status == BB_OK) {
                CHECK(content_is(record, at, bytes));
                at += bytes;
                bytes = random_between(&state, 1, s.longest);
            } else if (status == BB_E_CLOSED) {
                if (bytes == 1) {
                    break;
                }
                bytes = 1;
            } else {
                EXPECT(BB_E_EMPTY, status);
                const bb_status waited = bb_receiver_wait_readable(s.r.rx, bytes, BB_FOREVER);
                CHECK(waited == BB_OK || waited == BB_E_CLOSED);
            }
        }
        CHECK(at >= s.bytes);
        pthread_join(thread, NULL);
        OK(bb_reader_close(&reader));
        end_ring(s.r);
    }
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(records_of_any_size_pass);
    RUN_TEST(a_publish_is_due_after_so_many_bytes);
    RUN_TEST(giving_back_is_due_after_so_many_bytes);
    RUN_TEST(a_full_ring_takes_no_part_of_a_record);
    RUN_TEST(a_record_is_written_and_read_in_place);
    RUN_TEST(a_claim_excludes_other_claims);
    RUN_TEST(counts_outside_of_the_claim_publish_nothing);
    RUN_TEST(structs_that_are_not_open_are_refused);
    RUN_TEST(a_writer_outlives_its_sender);
    RUN_TEST(a_reader_outlives_its_receiver);
    RUN_TEST(a_writer_continues_with_a_new_receiver);
    RUN_TEST(what_a_waiting_receiver_took_is_not_sent_again);
    RUN_TEST(a_sender_continues_behind_what_a_receiver_took);
    RUN_TEST(a_reader_gets_everything_then_closed);
    RUN_TEST(a_program_of_an_older_header_works);
    RUN_TEST(a_program_of_a_newer_header_works);
    RUN_TEST(a_record_reaches_a_receiver_that_waits);
    RUN_TEST(read_space_reaches_a_sender_that_waits);
    RUN_TEST(a_stream_arrives_unchanged);
    return UNITY_END();
}
