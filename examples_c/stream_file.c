/* A file through a ring without an extra copy: one thread lets read(2) write directly into the ring's free space, and
 * the main thread reads the bytes in place.
 *
 * A span is always contiguous, also across the end of the ring. Each side waits only when it must; the
 * sender's close is the receiver's end of file. A digest compares the received bytes with the file. */
#include <backbuf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CAPACITY = 256 * 1024, PIECE = 4096 }; /* PIECE: the least room for which a system call pays */

static const char usage[] =
    "usage: %s [--help | FILE]\n"
    "\n"
    "Streams FILE (this program's own, if none is named) through a ring of %d KiB from a thread\n"
    "that reads it to one that computes its FNV-1a digest, and checks that against the digest of\n"
    "the same file read at once. Ends with 0 if they agree, 1 if not, 2 if FILE cannot be read.\n";

static void need(bb_status status) {
    if (status != BB_OK) {
        (void)fprintf(stderr, "%s\n", bb_last_error());
        exit(1);
    }
}

/* FNV-1a, 64 bits: continues a digest. */
static const uint64_t FNV_OF_NOTHING = UINT64_C(0xcbf29ce484222325);

static uint64_t fnv1a(uint64_t digest, const void *data, uint64_t bytes) {
    const unsigned char *at = data;
    for (uint64_t i = 0; i < bytes; i++) {
        digest = (digest ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return digest;
}

typedef struct reader {
    bb_sender *sender;
    int file;
    int failure; /* errno, or 0 */
} reader;

static void *read_into_the_ring(void *argument) {
    reader *r = argument;
    bb_span free;
    while (bb_sender_wait_writable(r->sender, PIECE, BB_FOREVER) == BB_OK) { /* otherwise the receiver has closed */
        need(bb_sender_reserve(r->sender, PIECE, &free));
        const ssize_t got = read(r->file, free.data, (size_t)free.bytes);
        r->failure = got < 0 ? errno : 0;
        need(bb_sender_commit(r->sender, got < 0 ? 0 : (uint64_t)got)); /* the bytes that were read; 0 drops the span */
        if (got == 0 || (got < 0 && r->failure != EINTR)) {
            break;
        }
    }
    need(bb_sender_destroy(r->sender)); /* everything sent still arrives */
    return NULL;
}

static double seconds(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_or_tell(const char *path) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        (void)fprintf(stderr, "cannot open \"%s\": %s; name a file that can be read\n", path, strerror(errno));
        exit(2);
    }
    return file;
}

int main(int argc, char **argv) {
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "--help") == 0)) {
        (void)fprintf(argc == 2 ? stdout : stderr, usage, argv[0], CAPACITY / 1024);
        return argc == 2 ? 0 : 2;
    }
    const char *const path = argc == 2 ? argv[1] : "/proc/self/exe";
    if (fnv1a(FNV_OF_NOTHING, "foobar", 6) != UINT64_C(0x85944171f73967e8)) {
        return puts("this is not FNV-1a"), 1;
    }

    bb_receiver *receiver = NULL;
    bb_const_span full;
    reader r = {.file = open_or_tell(path)};
    pthread_t thread;
    need(bb_spsc_create(CAPACITY, NULL, &r.sender, &receiver));
    const double begin = seconds();
    if (pthread_create(&thread, NULL, read_into_the_ring, &r) != 0) {
        return puts("no thread could be started"), 1;
    }
    uint64_t arrived = 0, digest = FNV_OF_NOTHING;
    while (bb_receiver_wait_readable(receiver, 1, BB_FOREVER) == BB_OK) { /* otherwise BB_E_CLOSED: the end */
        need(bb_receiver_peek(receiver, 1, &full));
        digest = fnv1a(digest, full.data, full.bytes);
        arrived += full.bytes;
        need(bb_receiver_consume(receiver, full.bytes));
    }
    const double took = seconds() - begin;
    (void)pthread_join(thread, NULL);
    need(bb_receiver_destroy(receiver));
    (void)close(r.file);
    if (r.failure != 0) {
        (void)fprintf(stderr, "cannot read \"%s\": %s; name a file, not a folder\n", path, strerror(r.failure));
        return 2;
    }

    /* The same file by plain reads. */
    static unsigned char block[1 << 16];
    const int file = open_or_tell(path);
    uint64_t bytes = 0, expected = FNV_OF_NOTHING;
    for (ssize_t got; (got = read(file, block, sizeof block)) > 0; bytes += (uint64_t)got) {
        expected = fnv1a(expected, block, (uint64_t)got);
    }
    (void)close(file);

    printf("%llu bytes in %.3f s, %.0f MB/s with the digest; FNV-1a %016llx %s\n", (unsigned long long)arrived, took,
           (double)arrived / 1e6 / took, (unsigned long long)digest,
           digest == expected && arrived == bytes ? "as in the file" : "IS NOT THE FILE'S");
    return digest == expected && arrived == bytes ? 0 : 1;
}
