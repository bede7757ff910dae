/* An event loop that waits for new fronts: poll() on a watch's descriptor beside the loop's others.
 *
 * The descriptor is readable while there is a newer epoch, or when the manager is closed. The program never reads
 * or closes it; bb_watch_wait with a timeout of 0 returns the epoch and clears it. */
#include <backbuf.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { STEPS = 100 };

static void need(bb_status status) {
    if (status != BB_OK) {
        (void)fprintf(stderr, "%s\n", bb_last_error());
        exit(1);
    }
}

static void *engine(void *m) {
    for (uint64_t step = 1; step <= STEPS; step++) {
        need(bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 0, .count = 1, .data = &step}, BB_FOREVER));
        need(bb_manager_synchronize(m, BB_FOREVER));
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* the work of a step */
    }
    need(bb_manager_close(m, BB_FOREVER)); /* ends the loop below */
    return NULL;
}

int main(void) {
    bb_manager *m = NULL;
    bb_watch *watch = NULL;
    pthread_t thread;
    struct pollfd wanted[1] = {{.events = POLLIN}}; /* add sockets and timers here */
    uint64_t fronts = 0, step = 0;
    need(bb_manager_create(BB_U64, 0, NULL, NULL, &m));
    need(bb_watch_create(m, 0, &watch));
    need(bb_watch_fd(watch, &wanted[0].fd));
    if (pthread_create(&thread, NULL, engine, m) != 0) {
        return 1;
    }
    for (;;) {
        uint64_t epoch = 0;
        bb_front front;
        (void)poll(wanted, 1, -1);
        const bb_status status = bb_watch_wait(watch, 0, &epoch);
        if (status == BB_E_CLOSED) {
            break;
        }
        if (status == BB_E_TIMEOUT) {
            continue; /* poll was woken by something else */
        }
        need(status);
        need(bb_manager_acquire_front(m, &front)); /* the newest, perhaps newer than the epoch returned */
        step = *(const uint64_t *)front.data;
        need(bb_lease_release(front.lease));
        fronts++;
    }
    (void)pthread_join(thread, NULL);
    printf("%d steps, %llu fronts seen, the last shows step %llu\n", STEPS, (unsigned long long)fronts,
           (unsigned long long)step);
    need(bb_watch_destroy(watch));
    need(bb_manager_destroy(m));
    return step == STEPS ? 0 : 1;
}
