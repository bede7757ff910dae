/* clang-format off: dense on purpose */
/* an engine thread that rewrites its state each step; the main thread reads fronts */
#include <backbuf.h>
#include <pthread.h>
#include <stdio.h>
enum { N = 256 * 256 };
static void *engine(void *m) {
    bb_back b;
    for (uint64_t step = 0; bb_manager_reserve_back(m, BB_BACK_DISCARD, BB_FOREVER, &b) == BB_OK; step++) {
        const float *prev = b.front;
        float *next = b.data;
        for (int i = 0; i < N; i++)
            next[i] = 0.99f * prev[i] + 0.01f;
        bb_manager_commit_back(m, &b, step);
        bb_manager_synchronize(m, BB_FOREVER);
    }
    return NULL; /* BB_E_CLOSED: main has closed it */
}
int main(void) {
    bb_manager *m;
    bb_front f;
    pthread_t t;
    uint64_t seen = 0;
    if (bb_manager_create(BB_F32, 2, (const uint64_t[]){256, 256}, NULL, &m) != BB_OK)
        return puts(bb_last_error()), 1;
    pthread_create(&t, NULL, engine, m);
    for (int i = 0; i < 10 && bb_manager_wait_epoch(m, seen, BB_MS(100), &seen) == BB_OK; i++) {
        if (bb_manager_acquire_front(m, &f) != BB_OK)
            break;
        printf("step %llu: %f\n", (unsigned long long)f.tag, ((const float *)f.data)[0]);
        bb_lease_release(f.lease);
    }
    bb_manager_close(m, BB_SEC(1));
    pthread_join(t, NULL);
    return bb_manager_destroy(m);
}
