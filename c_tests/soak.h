/* Short forms for every day, long forms with BACKBUF_SOAK=1, and a watchdog over both. */
#ifndef BACKBUF_TEST_SOAK_H
#define BACKBUF_TEST_SOAK_H
#include "ring.h"

static inline bool soak(void) { return getenv("BACKBUF_SOAK") != NULL; }

static inline uint64_t amount(uint64_t in_short, uint64_t in_long) {
    return soak() ? in_long : (uint64_t)rounds((int)in_short);
}

/* --- a watchdog: it fails when the counter stops, and prints where the threads wait --- */

static atomic_ullong progress;

static inline void watch_until(const atomic_int *finished, int threads) {
    uint64_t seen = 0, since = now_ns();
    alarm(0);
    while (atomic_load(finished) < threads) {
        const uint64_t now = atomic_load(&progress);
        if (now != seen) {
            seen = now, since = now_ns();
        } else if (now_ns() - since > BB_SEC(HANG_SECONDS)) {
            (void)fprintf(stderr, "nothing has moved for %d s, after %" PRIu64 " steps\n", HANG_SECONDS, seen);
            (void)bb_debug_dump_fd(2);
            abort();
        }
        nap();
    }
}

#endif
