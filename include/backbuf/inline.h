/**
 * @file
 * backbuf/inline.h: small records through a ring without a call for each: inline functions over bb_writer and bb_reader, for C
 * (since C99) and C++, with GCC or Clang. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A writer claims the free space of a ring once. Each record is then stored by plain stores; the library is called when a
 * publish is due, when the space that is known is used up, and when the receiver waits:
 *
 *     bb_writer w;
 *     bb_status status = bb_writer_open(&w, sender, 256);
 *     while (status == BB_OK && next(&record)) {
 *         while ((status = bb_writer_put(&w, &record, sizeof record)) == BB_E_FULL)
 *             if ((status = bb_sender_wait_writable(sender, sizeof record, BB_FOREVER)) != BB_OK)
 *                 break;
 *     }
 *     bb_writer_close(&w);
 *
 * Records may differ in size. A receiver that waits gets each record at once, whatever the writer does next; one that polls
 * gets it with the next publish. A bb_reader is the same for reading. Each belongs to the thread that uses its end.
 *
 * The functions trust the struct, as C trusts a pointer; the library does not: what bb_writer_publish() and
 * bb_reader_give_back() get is checked. All calls of the library that they make are in backbuf.h.
 */
#ifndef BACKBUF_INLINE_H
#define BACKBUF_INLINE_H

#include "../backbuf.h"

#include <string.h>

#if !defined(__GNUC__)
#error "backbuf/inline.h needs the __atomic functions of GCC or Clang"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** @cond internal */
/* Stores how far a claim has come, and returns whether the other side waits. One of the two sides sees the other: the other
 * side announces its wait, passes a process-wide barrier and reads how far the claim has come. Both accesses are volatile, so
 * the compiler keeps their order. Where the system has no such barrier the processor keeps it, too, by a full fence. */
static inline int bb_inline_advance(uint64_t *cursor, uint64_t index, const bool *light, const uint32_t *waits,
                                    uint32_t bits) {
    __atomic_store_n((volatile uint64_t *)cursor, index, __ATOMIC_RELEASE);
    if (__builtin_expect(!__atomic_load_n((const volatile bool *)light, __ATOMIC_RELAXED), 0))
        __sync_synchronize();
    return (__atomic_load_n((const volatile uint32_t *)waits, __ATOMIC_RELAXED) & bits) != 0;
}

/* The record before `next` is complete. */
static inline bb_status bb_writer_move(bb_writer *writer, char *next) {
    writer->next = next;
    if (bb_inline_advance(writer->written, (uint64_t)(uintptr_t)next - writer->shift, writer->light, writer->waits,
                          writer->wait_bits) ||
        next >= (char *)writer->due)
        return bb_writer_publish(writer, 0);
    return BB_OK;
}

static inline bb_status bb_reader_move(bb_reader *reader, const char *next) {
    reader->next = next;
    if (bb_inline_advance(reader->read, (uint64_t)(uintptr_t)next - reader->shift, reader->light, reader->waits,
                          reader->wait_bits) ||
        next >= (const char *)reader->due)
        return bb_reader_give_back(reader, 0);
    return BB_OK;
}
/** @endcond */

/**
 * Opens a writer; bb_sender_open_writer() says what it is.
 *
 * @param writer output
 * @param tx the sender
 * @param every bytes after which a publish is due; 0: when the space that is known is used up
 * @return what bb_sender_open_writer() returns
 */
static inline BB_MUST_USE bb_status bb_writer_open(bb_writer *writer, bb_sender *tx, uint64_t every) {
    return bb_sender_open_writer(tx, every, (uint32_t)sizeof *writer, writer);
}

/**
 * Gets space for one record, to be filled in place and ended by bb_writer_advance(). Without that nothing is written.
 *
 * @param writer the writer
 * @param bytes size of the record, at least 1
 * @param record the space is written here; it has the alignment that the sizes of the records before it give
 * @return what bb_writer_publish() returns; BB_E_FULL: there is less space, and all records are published
 */
static inline BB_MUST_USE bb_status bb_writer_claim(bb_writer *writer, uint64_t bytes, void **record) {
    /* 0 bytes take the rare path: a closed or empty struct is refused there. */
    if (__builtin_expect(bytes - 1 >= (uint64_t)((char *)writer->end - (char *)writer->next), 0)) {
        const bb_status status = bb_writer_publish(writer, bytes);
        if (status != BB_OK)
            return status;
    }
    *record = writer->next;
    return BB_OK;
}

/**
 * Ends a record that was written at the space of bb_writer_claim().
 *
 * @param writer the writer
 * @param bytes size of the record, at most what was claimed
 * @return BB_OK, or what bb_writer_publish() returns if a publish was due
 */
static inline bb_status bb_writer_advance(bb_writer *writer, uint64_t bytes) {
    return bb_writer_move(writer, (char *)writer->next + bytes);
}

/**
 * Writes one record.
 *
 * @param writer the writer
 * @param record the bytes; they are copied
 * @param bytes their number
 * @return what bb_writer_publish() returns; BB_E_FULL: there is too little space, nothing of the record is written, and all
 *         records before it are published
 */
static inline bb_status bb_writer_put(bb_writer *writer, const void *record, uint64_t bytes) {
    void *space;
    const bb_status status = bb_writer_claim(writer, bytes, &space);
    if (__builtin_expect(status != BB_OK, 0))
        return status;
    memcpy(space, record, (size_t)bytes);
    /* From the local copy: the compiler must assume that the record has changed the struct. */
    return bb_writer_move(writer, (char *)space + bytes);
}

/**
 * Opens a reader; bb_receiver_open_reader() says what it is.
 *
 * @param reader output
 * @param rx the receiver
 * @param every bytes after which giving back is due; 0: when all known bytes are read
 * @return what bb_receiver_open_reader() returns
 */
static inline BB_MUST_USE bb_status bb_reader_open(bb_reader *reader, bb_receiver *rx, uint64_t every) {
    return bb_receiver_open_reader(rx, every, (uint32_t)sizeof *reader, reader);
}

/**
 * Gets one record in place, to be ended by bb_reader_advance(). Without that it is read again.
 *
 * @param reader the reader
 * @param bytes size of the record, at least 1
 * @param record its address is written here
 * @return what bb_reader_give_back() returns; BB_E_EMPTY: fewer bytes are available, and all that were read are given back
 */
static inline BB_MUST_USE bb_status bb_reader_claim(bb_reader *reader, uint64_t bytes, const void **record) {
    if (__builtin_expect(bytes - 1 >= (uint64_t)((const char *)reader->end - (const char *)reader->next), 0)) {
        const bb_status status = bb_reader_give_back(reader, bytes);
        if (status != BB_OK)
            return status;
    }
    *record = reader->next;
    return BB_OK;
}

/**
 * Ends a record that bb_reader_claim() got: its space may be written from here on.
 *
 * @param reader the reader
 * @param bytes size of the record, at most what was claimed
 * @return BB_OK, or what bb_reader_give_back() returns if giving back was due
 */
static inline bb_status bb_reader_advance(bb_reader *reader, uint64_t bytes) {
    return bb_reader_move(reader, (const char *)reader->next + bytes);
}

/**
 * Reads one record.
 *
 * @param reader the reader
 * @param record destination
 * @param bytes size of the record
 * @return what bb_reader_give_back() returns; BB_E_EMPTY: fewer bytes are available, nothing of the record is read, and all
 *         records before it are given back; BB_E_CLOSED: so many can no longer arrive
 */
static inline bb_status bb_reader_get(bb_reader *reader, void *record, uint64_t bytes) {
    const void *at;
    const bb_status status = bb_reader_claim(reader, bytes, &at);
    if (__builtin_expect(status != BB_OK, 0))
        return status;
    memcpy(record, at, (size_t)bytes);
    return bb_reader_move(reader, (const char *)at + bytes);
}

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BACKBUF_INLINE_H */
