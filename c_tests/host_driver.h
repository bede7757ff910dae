/* A device driver in host memory, written in C against bb_driver: buffers, work that is done when it is polled, and faults
 * that tests inject. It uses nothing of the tests, so that other programs can include it. */
#ifndef BACKBUF_TEST_HOST_DRIVER_H
#define BACKBUF_TEST_HOST_DRIVER_H
#include <backbuf.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A wrong result, written once by the next call that can. */
typedef enum host_lie {
    HOST_TRUE,
    HOST_NATIVE_ZERO,
    HOST_NATIVE_TWICE, /* the handle of another buffer */
    HOST_DATA_NULL,
    HOST_DATA_ODD, /* a misaligned address */
    HOST_DATA_END, /* bytes beyond the address space */
    HOST_COMPLETED_FALLS,
    HOST_COMPLETED_BEYOND, /* a fence that was not submitted */
} host_lie;

typedef struct host_memory {
    uint64_t bytes;
    bool mapped, deleted;
    struct host_memory *next;
    unsigned char data[];
} host_memory;

typedef struct host_task {
    host_memory *from, *to; /* from: NULL for a write */
    uint64_t from_offset, to_offset, bytes;
    uint64_t fence; /* 0: recorded, not yet submitted */
    uint64_t drawn; /* not 0: not before the work of renderers is done */
    uint32_t delay; /* polls until it may be done; the last task of a submit */
    bool last;
    struct host_task *next;
    unsigned char data[];
} host_task;

/* Fences between the device and renderers are numbers: of a submit, or of renderers' work with the lowest bit set. */
enum { HOST_OF_RENDERER = 1 };

typedef struct host_driver {
    host_memory *buffers;
    host_task *first, **end;
    uint64_t submitted, completed;
    char text[64];

    /* Set by tests, on any thread. */
    _Atomic uint32_t delay;   /* polls by which submits complete late */
    _Atomic uint64_t fail_at; /* the number of calls until one fails, that one included; 0: none */
    _Atomic int32_t fail_with;
    _Atomic host_lie lie;
    atomic_bool held;       /* nothing completes */
    atomic_bool says;       /* failures have a text */
    atomic_bool draws;      /* the work of renderers does not complete */
    atomic_bool no_context; /* no thread can use the buffers */

    /* Read by tests. */
    atomic_int opens, closes, drops, late, live;
    atomic_int left; /* buffers that were not deleted before close */
    _Atomic uint64_t calls;
    _Atomic uint64_t works; /* writes and copies */
    /* Renderers: fences that exist, uploads that they have waited for, and their own work. */
    atomic_int fences, waits;
    _Atomic uint64_t drawn;
} host_driver;

static inline bool host_lies(host_driver *d, host_lie lie) {
    return atomic_compare_exchange_strong(&d->lie, &lie, HOST_TRUE);
}

/* Counts a call; returns the status by which a test has it fail. */
static inline bb_status host_step(host_driver *d) {
    atomic_fetch_add(&d->calls, 1);
    atomic_fetch_add(&d->late, atomic_load(&d->closes) != 0 || atomic_load(&d->opens) != 1);
    uint64_t left = atomic_load(&d->fail_at);
    while (left != 0 && !atomic_compare_exchange_weak(&d->fail_at, &left, left - 1)) {
    }
    if (left != 1) {
        return BB_OK;
    }
    (void)snprintf(d->text, sizeof d->text, "call %d of the test fails", (int)atomic_load(&d->calls));
    return (bb_status)atomic_load(&d->fail_with);
}

static inline int32_t host_open(void *self, bb_driver_info *info) {
    host_driver *const d = self;
    atomic_fetch_add(&d->opens, 1);
    const bb_status status = host_step(d);
    if (status != BB_OK) {
        return status;
    }
    info->max_buffer_size = UINT64_C(1) << 40;
    (void)snprintf(info->name, sizeof info->name, "host memory in C");
    (void)snprintf(info->version, sizeof info->version, "1");
    return BB_OK;
}

static inline bool host_uses(const host_driver *d, const host_memory *memory) {
    for (const host_task *t = d->first; t != NULL; t = t->next) {
        if (t->from == memory || t->to == memory) {
            return true;
        }
    }
    return false;
}

/* Frees the deleted buffers that no task uses. */
static inline void host_sweep(host_driver *d) {
    for (host_memory **at = &d->buffers; *at != NULL;) {
        host_memory *const memory = *at;
        if (memory->deleted && !host_uses(d, memory)) {
            *at = memory->next;
            free(memory);
            atomic_fetch_sub(&d->live, 1);
        } else {
            at = &memory->next;
        }
    }
}

static inline int32_t host_create_buffer(void *self, uint64_t bytes, uint32_t usage, const char *label,
                                         uint64_t *native) {
    host_driver *const d = self;
    (void)usage;
    bb_status status = host_step(d);
    host_memory *memory = NULL;
    if (status == BB_OK) {
        /* More than a machine has: calloc would promise it. */
        memory = bytes > UINT64_C(1) << 36 || strlen(label) > 63 ? NULL : calloc(1, sizeof *memory + bytes);
        status = memory == NULL ? BB_E_OUT_OF_MEMORY : BB_OK;
    }
    if (status != BB_OK) {
        return status;
    }
    const host_memory *const other = d->buffers;
    *memory = (host_memory){.bytes = bytes, .next = d->buffers};
    d->buffers = memory;
    atomic_fetch_add(&d->live, 1);
    *native = host_lies(d, HOST_NATIVE_ZERO)                     ? 0
              : other != NULL && host_lies(d, HOST_NATIVE_TWICE) ? (uint64_t)(uintptr_t)other
                                                                 : (uint64_t)(uintptr_t)memory;
    return BB_OK;
}

static inline unsigned char *host_address(host_driver *d, unsigned char *data) {
    return host_lies(d, HOST_DATA_NULL)  ? NULL
           : host_lies(d, HOST_DATA_ODD) ? data + 1
           : host_lies(d, HOST_DATA_END) ? (unsigned char *)UINTPTR_MAX - 7
                                         : data;
}

static inline int32_t host_create_mapped(void *self, uint64_t bytes, uint32_t usage, const char *label,
                                         uint64_t *native, void **data) {
    const int32_t status = host_create_buffer(self, bytes, usage, label, native);
    if (status == BB_OK) {
        host_memory *const memory = ((host_driver *)self)->buffers;
        memory->mapped = true;
        *data = host_address(self, memory->data);
    }
    return status;
}

static inline int32_t host_create_persistent(void *self, uint64_t bytes, uint32_t usage, const char *label,
                                             uint64_t *native, void **data) {
    const int32_t status = host_create_buffer(self, bytes, usage, label, native);
    if (status == BB_OK) {
        *data = host_address(self, ((host_driver *)self)->buffers->data);
    }
    return status;
}

static inline void host_delete_buffer(void *self, uint64_t native) {
    host_driver *const d = self;
    atomic_fetch_add(&d->calls, 1);
    ((host_memory *)(uintptr_t)native)->deleted = true;
    host_sweep(d);
}

static inline bb_status host_record(host_driver *d, const host_task *task, const void *data) {
    const bb_status status = host_step(d);
    if (status != BB_OK) {
        return status;
    }
    host_task *const t = malloc(sizeof *t + (data == NULL ? 0 : task->bytes));
    if (t == NULL) {
        return BB_E_OUT_OF_MEMORY;
    }
    *t = *task;
    if (data != NULL) {
        memcpy(t->data, data, task->bytes);
    }
    *d->end = t;
    d->end = &t->next;
    return BB_OK;
}

static inline int32_t host_work(host_driver *d, const host_task *task, const void *data) {
    const bb_status status = host_record(d, task, data);
    atomic_fetch_add(&d->works, status == BB_OK);
    return status;
}

static inline int32_t host_write(void *self, uint64_t native, uint64_t offset, const void *data, uint64_t bytes) {
    host_memory *const to = (host_memory *)(uintptr_t)native;
    return host_work(self, &(host_task){.to = to, .to_offset = offset, .bytes = bytes}, data);
}

static inline int32_t host_copy(void *self, uint64_t from, uint64_t from_offset, uint64_t to, uint64_t to_offset,
                                uint64_t bytes) {
    const host_task task = {.from = (host_memory *)(uintptr_t)from,
                            .to = (host_memory *)(uintptr_t)to,
                            .from_offset = from_offset,
                            .to_offset = to_offset,
                            .bytes = bytes};
    return host_work(self, &task, NULL);
}

static inline int32_t host_map(void *self, uint64_t native, uint32_t mode, uint64_t offset, uint64_t bytes,
                               void **data) {
    host_memory *const memory = (host_memory *)(uintptr_t)native;
    const bb_status status = host_step(self);
    if (status != BB_OK) {
        return status;
    }
    if (memory->mapped || offset + bytes > memory->bytes || mode < BB_MAP_READ || mode > BB_MAP_WRITE) {
        abort(); /* the library checks that */
    }
    memory->mapped = true;
    *data = host_address(self, memory->data + offset);
    return BB_OK;
}

static inline int32_t host_unmap(void *self, uint64_t native) {
    const bb_status status = host_step(self);
    if (status == BB_OK) {
        ((host_memory *)(uintptr_t)native)->mapped = false;
    }
    return status;
}

static inline int32_t host_submit(void *self, uint64_t fence) {
    host_driver *const d = self;
    /* An empty task ends each submit. */
    const bb_status status =
        host_record(d, &(host_task){.fence = fence, .delay = atomic_load(&d->delay), .last = true}, NULL);
    if (status != BB_OK) {
        return status;
    }
    if (fence != d->submitted + 1) {
        abort(); /* the library numbers fences without a gap */
    }
    d->submitted = fence;
    for (host_task *t = d->first; t != NULL; t = t->next) {
        t->fence = t->fence == 0 ? fence : t->fence;
    }
    return BB_OK;
}

static inline void host_perform(host_task *t) {
    if (t->to != NULL && t->from != NULL) {
        memcpy(t->to->data + t->to_offset, t->from->data + t->from_offset, t->bytes);
    } else if (t->to != NULL) {
        memcpy(t->to->data + t->to_offset, t->data, t->bytes);
    }
}

/* Completes the submits that are due, in their order. */
static inline void host_poll(host_driver *d) {
    if (atomic_load(&d->held)) {
        return;
    }
    while (d->completed < d->submitted) {
        host_task *end = d->first;
        bool waits = false;
        for (;; end = end->next) {
            waits = waits || (end->drawn != 0 && atomic_load(&d->draws));
            if (end->last) {
                break;
            }
        }
        if (waits) {
            break;
        }
        if (end->delay != 0) {
            end->delay--;
            break;
        }
        d->completed++;
        for (bool last = false; !last;) {
            host_task *const t = d->first;
            last = t->last;
            host_perform(t);
            d->first = t->next;
            d->end = d->first == NULL ? &d->first : d->end;
            free(t);
        }
    }
    host_sweep(d);
}

static inline int32_t host_wait(void *self, uint64_t fence, uint64_t timeout, uint64_t *completed) {
    host_driver *const d = self;
    const bb_status status = host_step(d);
    if (status != BB_OK) {
        return status;
    }
    for (uint64_t slept = 0;; slept += BB_US(20)) {
        host_poll(d);
        if (d->completed >= fence || slept >= timeout) {
            break;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
    if (*completed > d->completed) {
        abort(); /* it holds what was written last */
    }
    *completed = *completed > 0 && host_lies(d, HOST_COMPLETED_FALLS) ? *completed - 1
                 : host_lies(d, HOST_COMPLETED_BEYOND)                ? d->submitted + 1
                                                                      : d->completed;
    return d->completed >= fence ? BB_OK : BB_E_TIMEOUT;
}

static inline uint64_t host_native_calls(void *self) { return atomic_load(&((host_driver *)self)->works); }

/* --- renderers: fences are counted, so that a test sees each of them end --- */

static inline int32_t host_export_fence(void *self, uint64_t *fence) {
    host_driver *const d = self;
    const bb_status status = host_step(d);
    if (status == BB_OK) {
        atomic_fetch_add(&d->fences, 1);
        *fence = (d->submitted + 1) << 1;
    }
    return status;
}

static inline void host_discard_fence(void *self, uint64_t fence) {
    host_driver *const d = self;
    (void)fence;
    atomic_fetch_add(&d->calls, 1);
    atomic_fetch_sub(&d->fences, 1);
}

static inline int32_t host_import_fence(void *self, uint64_t fence) {
    host_driver *const d = self;
    /* One of the device itself has passed by then: work is done in order. */
    const bb_status status = host_record(d, &(host_task){.drawn = fence & HOST_OF_RENDERER}, NULL);
    atomic_fetch_sub(&d->fences, status == BB_OK);
    return status;
}

/* On threads of renderers: not after close. */
static inline int32_t host_check_renderer(void *self) {
    host_driver *const d = self;
    atomic_fetch_add(&d->late, atomic_load(&d->closes) != 0);
    return atomic_load(&d->no_context) ? BB_E_STATE : BB_OK;
}

static inline void host_renderer_wait(void *self, uint64_t fence) {
    host_driver *const d = self;
    if ((fence & HOST_OF_RENDERER) != 0) {
        abort(); /* renderers wait for the device alone */
    }
    atomic_fetch_add(&d->late, atomic_load(&d->closes) != 0);
    atomic_fetch_add(&d->waits, 1);
}

static inline int32_t host_renderer_fence(void *self, uint64_t *fence) {
    host_driver *const d = self;
    atomic_fetch_add(&d->late, atomic_load(&d->closes) != 0);
    atomic_fetch_add(&d->fences, 1);
    *fence = (atomic_fetch_add(&d->drawn, 1) + 1) << 1 | HOST_OF_RENDERER;
    return BB_OK;
}

static inline bool host_renderer_reap(void *self, uint64_t fence) {
    host_driver *const d = self;
    (void)fence;
    const bool passed = !atomic_load(&d->draws);
    atomic_fetch_sub(&d->fences, passed);
    return passed;
}

static inline const char *host_error_text(void *self) {
    host_driver *const d = self;
    return atomic_load(&d->says) ? d->text : NULL;
}

static inline void host_close(void *self) {
    host_driver *const d = self;
    atomic_fetch_add(&d->closes, 1);
    while (d->first != NULL) {
        host_task *const t = d->first;
        d->first = t->next;
        free(t);
    }
    while (d->buffers != NULL) {
        host_memory *const memory = d->buffers;
        d->buffers = memory->next;
        atomic_fetch_add(&d->left, memory->deleted ? 0 : 1);
        atomic_fetch_sub(&d->live, 1);
        free(memory);
    }
}

/* The driver's memory is the test's: it reads the counters afterwards. */
static inline void host_drop(void *self) { atomic_fetch_add(&((host_driver *)self)->drops, 1); }

/* Also for a driver whose device has ended. */
static inline void host_init(host_driver *d) {
    memset(d, 0, sizeof *d);
    d->end = &d->first;
    atomic_store(&d->fail_with, BB_E_BACKEND);
}

static inline bb_driver host_table(host_driver *d) {
    return (bb_driver){.struct_size = sizeof(bb_driver),
                       .user_data = d,
                       .drop = host_drop,
                       .open = host_open,
                       .close = host_close,
                       .create_buffer = host_create_buffer,
                       .create_mapped = host_create_mapped,
                       .create_persistent = host_create_persistent,
                       .delete_buffer = host_delete_buffer,
                       .write = host_write,
                       .copy = host_copy,
                       .map = host_map,
                       .unmap = host_unmap,
                       .submit = host_submit,
                       .wait = host_wait,
                       .error_text = host_error_text,
                       .native_calls = host_native_calls,
                       .export_fence = host_export_fence,
                       .import_fence = host_import_fence,
                       .discard_fence = host_discard_fence,
                       .check_renderer = host_check_renderer,
                       .renderer_wait = host_renderer_wait,
                       .renderer_fence = host_renderer_fence,
                       .renderer_reap = host_renderer_reap};
}

#endif
