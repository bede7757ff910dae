/* Records through the inline writer and reader of backbuf/inline.h, which call the library under test through a table. */
#include <backbuf.h>

/* The functions that the inline code calls; see `InlineFunctions` in harness/src/spsc/inline.rs. */
typedef struct inline_functions {
    bb_status (*open_writer)(bb_sender *tx, uint64_t every, uint32_t struct_size, bb_writer *writer);
    bb_status (*publish)(bb_writer *writer, uint64_t min);
    bb_status (*close_writer)(bb_writer *writer);
    bb_status (*open_reader)(bb_receiver *rx, uint64_t every, uint32_t struct_size, bb_reader *reader);
    bb_status (*give_back)(bb_reader *reader, uint64_t min);
    bb_status (*close_reader)(bb_reader *reader);
} inline_functions;

static inline_functions library;

#define bb_sender_open_writer library.open_writer
#define bb_writer_publish library.publish
#define bb_writer_close library.close_writer
#define bb_receiver_open_reader library.open_reader
#define bb_reader_give_back library.give_back
#define bb_reader_close library.close_reader
#include <backbuf/inline.h>

static inline void bench_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

void inline_bind(const inline_functions *functions) { library = *functions; }

/* Sends `count` records whose first word is their number. Always inlined, so that the size is a constant. */
__attribute__((always_inline)) static inline bb_status send_records(bb_writer *writer, uint64_t bytes, uint64_t count) {
    uint64_t record[8] = {0};
    for (uint64_t i = 0; i < count; i++) {
        record[0] = i;
        for (;;) {
            const bb_status status = bb_writer_put(writer, record, bytes);
            if (status == BB_OK) {
                break;
            }
            if (status != BB_E_FULL) {
                return status;
            }
            bench_pause();
        }
    }
    return BB_OK;
}

/* Receives `count` records and adds up their first words. */
__attribute__((always_inline)) static inline bb_status recv_records(bb_reader *reader, uint64_t bytes, uint64_t count,
                                                                    uint64_t *sum) {
    uint64_t record[8];
    for (uint64_t i = 0; i < count; i++) {
        for (;;) {
            const bb_status status = bb_reader_get(reader, record, bytes);
            if (status == BB_OK) {
                break;
            }
            if (status != BB_E_EMPTY) {
                return status;
            }
            bench_pause();
        }
        *sum += record[0];
        __asm__ volatile("" : : "r"(record) : "memory");
    }
    return BB_OK;
}

/* Both return 0 for success. `bytes` is 8 or 64. */
int32_t inline_send(bb_sender *tx, uint64_t bytes, uint64_t every, uint64_t count) {
    bb_writer writer;
    bb_status status = bb_writer_open(&writer, tx, every);
    if (status == BB_OK) {
        status = bytes == 8 ? send_records(&writer, 8, count) : send_records(&writer, 64, count);
    }
    const bb_status closed = bb_writer_close(&writer);
    return status == BB_OK ? closed : status;
}

int32_t inline_recv(bb_receiver *rx, uint64_t bytes, uint64_t every, uint64_t count, uint64_t *sum) {
    bb_reader reader;
    *sum = 0;
    bb_status status = bb_reader_open(&reader, rx, every);
    if (status == BB_OK) {
        status = bytes == 8 ? recv_records(&reader, 8, count, sum) : recv_records(&reader, 64, count, sum);
    }
    const bb_status closed = bb_reader_close(&reader);
    return status == BB_OK ? closed : status;
}
