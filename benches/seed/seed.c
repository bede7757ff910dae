/* The design's pseudo-code in C: a mutex and condition variable around a queue, a worker that applies updates to the
 * back copy, a synchronize that waits for the worker's event, a swap. Two things differ from the pseudo-code, so
 * that it can be measured at all: the event is a counter checked under the lock, so no wake-up is lost, and the worker
 * swaps before it sets it, so no update of another producer slips between the two.
 * The back copy is one epoch stale after a swap; with FULL_COPY the whole state is copied after each, which mends it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct front {
    const void *data;
    uintptr_t token[3];
};

struct functions {
    void *(*create)(uint64_t bytes, int32_t worker_cpu);
    int32_t (*enqueue)(void *seed, uint64_t offset, const void *data, uint64_t bytes);
    int32_t (*synchronize)(void *seed);
    int32_t (*acquire)(void *seed, struct front *front);
    int32_t (*release)(void *seed, const struct front *front);
    void (*destroy)(void *seed);
};

enum kind { UPDATE, SYNCHRONIZE, STOP };

struct item {
    struct item *next;
    enum kind kind;
    uint64_t offset, bytes;
    unsigned char data[];
};

struct seed {
    pthread_mutex_t lock;
    pthread_cond_t pushed, event;
    struct item *first, **last;
    uint64_t asked, done; /* synchronizes */
    unsigned char *copies[2];
    uint64_t bytes;
    int front;
    pthread_t worker;
};

static int32_t push(struct seed *s, struct item *item) {
    item->next = NULL;
    pthread_mutex_lock(&s->lock);
    *s->last = item;
    s->last = &item->next;
    uint64_t ticket = s->asked += item->kind == SYNCHRONIZE;
    pthread_cond_signal(&s->pushed);
    if (item->kind == SYNCHRONIZE)
        while (s->done < ticket)
            pthread_cond_wait(&s->event, &s->lock);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static struct item *pop(struct seed *s) {
    pthread_mutex_lock(&s->lock);
    while (!s->first)
        pthread_cond_wait(&s->pushed, &s->lock);
    struct item *item = s->first;
    if (!(s->first = item->next))
        s->last = &s->first;
    pthread_mutex_unlock(&s->lock);
    return item;
}

static void publish(struct seed *s) {
    pthread_mutex_lock(&s->lock);
    s->front = !s->front;
#ifdef FULL_COPY
    memcpy(s->copies[!s->front], s->copies[s->front], s->bytes);
#endif
    s->done++;
    pthread_cond_broadcast(&s->event);
    pthread_mutex_unlock(&s->lock);
}

static void *work(void *seed) {
    struct seed *s = seed;
    for (;;) {
        struct item *item = pop(s);
        enum kind kind = item->kind;
        if (kind == UPDATE)
            memcpy(s->copies[!s->front] + item->offset, item->data, item->bytes);
        if (kind == SYNCHRONIZE)
            publish(s);
        free(item);
        if (kind == STOP)
            return NULL;
    }
}

static void *create(uint64_t bytes, int32_t worker_cpu) {
    struct seed *s = calloc(1, sizeof *s);
    pthread_attr_t attributes;
    if (!s)
        abort();
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->pushed, NULL);
    pthread_cond_init(&s->event, NULL);
    s->last = &s->first;
    s->bytes = bytes;
    for (int i = 0; i < 2; i++)
        if (!(s->copies[i] = calloc(1, bytes)))
            abort();
    pthread_attr_init(&attributes);
    if (worker_cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET((size_t)worker_cpu, &cpus);
        pthread_attr_setaffinity_np(&attributes, sizeof cpus, &cpus);
    }
    if (pthread_create(&s->worker, &attributes, work, s))
        abort();
    pthread_attr_destroy(&attributes);
    return s;
}

static struct item *item(enum kind kind, uint64_t bytes) {
    struct item *item = malloc(sizeof *item + bytes);
    if (!item)
        abort();
    item->kind = kind;
    return item;
}

static int32_t enqueue(void *seed, uint64_t offset, const void *data, uint64_t bytes) {
    struct item *update = item(UPDATE, bytes);
    update->offset = offset;
    update->bytes = bytes;
    memcpy(update->data, data, bytes);
    return push(seed, update);
}

static int32_t synchronize(void *seed) { return push(seed, item(SYNCHRONIZE, 0)); }

static int32_t acquire(void *seed, struct front *front) {
    struct seed *s = seed;
    pthread_mutex_lock(&s->lock);
    front->data = s->copies[s->front];
    return 0;
}

static int32_t release(void *seed, const struct front *front) {
    (void)front;
    return pthread_mutex_unlock(&((struct seed *)seed)->lock);
}

static void destroy(void *seed) {
    struct seed *s = seed;
    push(s, item(STOP, 0));
    pthread_join(s->worker, NULL);
    free(s->copies[0]);
    free(s->copies[1]);
    free(s);
}

extern const struct functions PEER;
const struct functions PEER = {create, enqueue, synchronize, acquire, release, destroy};
