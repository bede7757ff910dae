/* Borrowed data: it is not copied when it is enqueued. The manager reads it later and then calls a release callback.
 *
 * An engine with two frames writes one while the manager still reads the other. The release callback runs
 * exactly once for each accepted update, on the manager's worker, also if the manager is destroyed first. */
#include <backbuf.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

enum { CELLS = 1 << 20, FRAMES = 2, STEPS = 20 };

typedef struct frame {
    sem_t free;
    float cells[CELLS];
} frame;

static void need(bb_status status) {
    if (status != BB_OK) {
        (void)fprintf(stderr, "%s\n", bb_last_error());
        exit(1);
    }
}

static void give_back(void *f) { (void)sem_post(&((frame *)f)->free); }

int main(void) {
    static frame frames[FRAMES];
    bb_manager *m = NULL;
    bb_front front;
    need(bb_manager_create(BB_F32, 1, (const uint64_t[]){CELLS}, NULL, &m));
    for (int i = 0; i < FRAMES; i++) {
        (void)sem_init(&frames[i].free, 0, 1);
    }
    for (int step = 1; step <= STEPS; step++) {
        frame *f = &frames[step % FRAMES];
        while (sem_wait(&f->free) != 0) { /* interrupted by a signal: wait again */
        }
        for (int i = 0; i < CELLS; i++) {
            f->cells[i] = (float)step;
        }
        const bb_update all = {.byte_offset = 0, .count = CELLS, .data = f->cells};
        need(bb_manager_enqueue_borrowed(m, &all, give_back, f,
                                         BB_FOREVER)); /* if it is refused, the frame stays ours */
        need(bb_manager_synchronize(m, BB_FOREVER));
    }
    need(bb_manager_acquire_front(m, &front));
    const float last = ((const float *)front.data)[CELLS - 1];
    printf("epoch %llu shows step %.0f\n", (unsigned long long)front.epoch, last);
    need(bb_lease_release(front.lease));
    need(bb_manager_destroy(m)); /* all frames are released when it returns */
    for (int i = 0; i < FRAMES; i++) {
        if (sem_trywait(&frames[i].free) != 0 || sem_destroy(&frames[i].free) != 0) {
            return 1;
        }
    }
    return last == STEPS ? 0 : 1;
}
