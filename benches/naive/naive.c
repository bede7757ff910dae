/* A naive double-buffered state in C: a mutex and a condition variable around a queue, a worker that applies updates to
 * the back copy, a synchronize that waits for the worker's event, a swap. Two details make it measurable: the event is a
 * counter that is checked under the lock, so that no wake-up is lost, and the worker swaps before it sets the event, so
 * that no update of another producer comes between the two.
 * The back copy is one epoch stale after a swap. With FULL_COPY the whole state is copied after each swap, which makes the
 * back copy current. */
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
    int32_t (*enqueue)(void *manager, uint64_t offset, const void *data, uint64_t bytes);
    int32_t (*synchronize)(void *manager);
    int32_t (*acquire)(void *manager, struct front *front);
    int32_t (*release)(void *manager, const struct front *front);
    void (*destroy)(void *manager);
};

enum kind { UPDATE, SYNCHRONIZE, STOP };

struct item {
    struct item *next;
    enum kind kind;
    uint64_t offset, bytes;
    unsigned char data[];
};

struct manager {
    pthread_mutex_t lock;
    pthread_cond_t pushed, event;
    struct item *first, **last;
    uint64_t asked, done; /* synchronizes */
    unsigned char *copies[2];
    uint64_t bytes;
    int front;
    pthread_t worker;
};

static int32_t push(struct manager *m, struct item *item) {
    item->next = NULL;
    pthread_mutex_lock(&m->lock);
    *m->last = item;
    m->last = &item->next;
    uint64_t ticket = m->asked += item->kind == SYNCHRONIZE;
    pthread_cond_signal(&m->pushed);
    if (item->kind == SYNCHRONIZE)
        while (m->done < ticket)
            pthread_cond_wait(&m->event, &m->lock);
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static struct item *pop(struct manager *m) {
    pthread_mutex_lock(&m->lock);
    while (!m->first)
        pthread_cond_wait(&m->pushed, &m->lock);
    struct item *item = m->first;
    if (!(m->first = item->next))
        m->last = &m->first;
    pthread_mutex_unlock(&m->lock);
    return item;
}

static void publish(struct manager *m) {
    pthread_mutex_lock(&m->lock);
    m->front = !m->front;
#ifdef FULL_COPY
    memcpy(m->copies[!m->front], m->copies[m->front], m->bytes);
#endif
    m->done++;
    pthread_cond_broadcast(&m->event);
    pthread_mutex_unlock(&m->lock);
}

static void *work(void *manager) {
    struct manager *m = manager;
    for (;;) {
        struct item *item = pop(m);
        enum kind kind = item->kind;
        if (kind == UPDATE)
            memcpy(m->copies[!m->front] + item->offset, item->data, item->bytes);
        if (kind == SYNCHRONIZE)
            publish(m);
        free(item);
        if (kind == STOP)
            return NULL;
    }
}

static void *create(uint64_t bytes, int32_t worker_cpu) {
    struct manager *m = calloc(1, sizeof *m);
    pthread_attr_t attributes;
    if (!m)
        abort();
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->pushed, NULL);
    pthread_cond_init(&m->event, NULL);
    m->last = &m->first;
    m->bytes = bytes;
    for (int i = 0; i < 2; i++)
        if (!(m->copies[i] = calloc(1, bytes)))
            abort();
    pthread_attr_init(&attributes);
    if (worker_cpu >= 0) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET((size_t)worker_cpu, &cpus);
        pthread_attr_setaffinity_np(&attributes, sizeof cpus, &cpus);
    }
    if (pthread_create(&m->worker, &attributes, work, m))
        abort();
    pthread_attr_destroy(&attributes);
    return m;
}

static struct item *item(enum kind kind, uint64_t bytes) {
    struct item *item = malloc(sizeof *item + bytes);
    if (!item)
        abort();
    item->kind = kind;
    return item;
}

static int32_t enqueue(void *manager, uint64_t offset, const void *data, uint64_t bytes) {
    struct item *update = item(UPDATE, bytes);
    update->offset = offset;
    update->bytes = bytes;
    memcpy(update->data, data, bytes);
    return push(manager, update);
}

static int32_t synchronize(void *manager) { return push(manager, item(SYNCHRONIZE, 0)); }

static int32_t acquire(void *manager, struct front *front) {
    struct manager *m = manager;
    pthread_mutex_lock(&m->lock);
    front->data = m->copies[m->front];
    return 0;
}

static int32_t release(void *manager, const struct front *front) {
    (void)front;
    return pthread_mutex_unlock(&((struct manager *)manager)->lock);
}

static void destroy(void *manager) {
    struct manager *m = manager;
    push(m, item(STOP, 0));
    pthread_join(m->worker, NULL);
    free(m->copies[0]);
    free(m->copies[1]);
    free(m);
}

extern const struct functions PEER;
const struct functions PEER = {create, enqueue, synchronize, acquire, release, destroy};
