/* The n-th allocation during the library's calls fails, for every n, one child process each: the call tells
 * BB_E_OUT_OF_MEMORY or does without, nothing crashes, and the same call works once there is memory again. */
#include "support.h"
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* --- memory as the library gets it: these names come before the C library's, also for the shared library --- */

static atomic_bool armed;    /* a call of the library runs, on whatever thread it allocates */
static atomic_int countdown; /* allocations until the one that fails */
static atomic_bool for_good; /* every later one fails too */
static atomic_int injected;  /* failures so far */
static atomic_int live;      /* blocks and mappings held */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static bool fails(void) {
    if (!atomic_load(&armed)) {
        return false;
    }
    const int left = atomic_fetch_sub(&countdown, 1);
    if (left == 1 || (left < 1 && atomic_load(&for_good))) {
        atomic_fetch_add(&injected, 1);
        errno = ENOMEM;
        return true;
    }
    return false;
}

static void *held(void *block) {
    atomic_fetch_add(&live, block != NULL);
    return block;
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

void *malloc(size_t size) { return fails() ? NULL : held(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : held(__libc_calloc(count, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return fails() ? NULL : held(__libc_memalign(alignment, size)); }
void *memalign(size_t alignment, size_t size) { return fails() ? NULL : held(__libc_memalign(alignment, size)); }

void *realloc(void *block, size_t size) {
    if (fails()) {
        return NULL;
    }
    void *moved = __libc_realloc(block, size);
    return block == NULL ? held(moved) : moved;
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    void *got = memalign(alignment, size);
    if (got != NULL) {
        *block = got;
    }
    return got == NULL ? ENOMEM : 0;
}

void free(void *block) {
    atomic_fetch_sub(&live, block != NULL);
    __libc_free(block);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    if (fails()) {
        return MAP_FAILED;
    }
    void *mapped = (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
    atomic_fetch_add(&live, mapped != MAP_FAILED && (flags & MAP_FIXED) == 0);
    return mapped;
}

int munmap(void *address, size_t length) {
    atomic_fetch_sub(&live, 1);
    return (int)syscall(SYS_munmap, address, length);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument) {
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = NULL;
    const bool fail = fails();
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return fail ? EAGAIN : real(thread, attributes, function, argument);
}
#endif

/* --- a script over every export that may allocate; each step can be repeated after a failure --- */

static bb_manager *m;
static bb_batch *batch;
static bb_task *task;
static bb_watch *watch;
static bb_front front;
static bb_back back;
static uint64_t ticket;
static int32_t descriptor;
static gate flush, released;
static uint32_t outsized[4096];

static void kernel_nothing(void *b, const void *f, uint64_t count, void *user_data) {
    (void)b, (void)f, (void)count, (void)user_data;
}
static void write_nothing(const char *bytes, uint64_t length, void *user_data) {
    (void)bytes, (void)length, (void)user_data;
}
static void log_nothing(uint32_t level, const char *part, const char *label, const char *line, void *user_data) {
    (void)level, (void)part, (void)label, (void)line, (void)user_data;
}

static bb_status create(void) {
    bb_manager_config config;
    const bb_status status = bb_manager_config_init(&config);
    config.label = "scarce";
    config.queue_bytes = 4096;
    config.flush = gate_flush;
    config.flush_user_data = &flush;
    config.flush_drop = gate_drop;
    return status == BB_OK ? bb_manager_create(BB_U32, 1, SHAPE(LENGTH(outsized)), &config, &m) : status;
}
static const bb_kernel kernel = {.function = kernel_nothing, .drop = gate_drop, .user_data = &released, .count = 8};
static bb_status set_log(void) { return bb_set_log(BB_LOG_DEBUG, log_nothing, NULL, NULL); }
static bb_status enqueue(void) { return put_u32(m, 0, 7, BB_FOREVER); }
static bb_status reserve(void) { return bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back); }
static bb_status enqueue_region(void) {
    return bb_manager_enqueue_region(m, &(bb_region){SHAPE(0), SHAPE(64), (const int64_t[]){2}, outsized, NULL}, 0);
}
static bb_status enqueue_borrowed(void) {
    return bb_manager_enqueue_borrowed(m, &(bb_update){0, 8, outsized}, gate_release, &released, 0);
}
static bb_status enqueue_kernel(void) { return bb_manager_enqueue_kernel(m, &kernel, 0); }
static bb_status enqueue_outsized(void) {
    return bb_manager_enqueue(m, &(bb_update){0, LENGTH(outsized), outsized}, 0);
}
static bb_status cancel_back(void) { return bb_manager_cancel_back(m, &back); }
static bb_status synchronize(void) { return bb_manager_synchronize(m, BB_FOREVER); }
static bb_status batch_begin(void) { return bb_batch_begin(m, &batch); }
static bb_status batch_fill(void) { return bb_batch_fill(batch, 0, 8, outsized); }
static bb_status batch_update(void) { return bb_batch_update(batch, &(bb_update){0, LENGTH(outsized), outsized}); }
static bb_status batch_kernel(void) { return bb_batch_kernel(batch, &kernel); }
static bb_status batch_commit(void) { return bb_batch_commit(batch, BB_FOREVER); }
static bb_status task_begin(void) { return bb_task_begin(m, "upload", &task); }
static bb_status task_end(void) { return bb_task_end(task); }
static bb_status watch_create(void) { return bb_watch_create(m, 0, &watch); }
static bb_status watch_fd(void) { return bb_watch_fd(watch, &descriptor); }
static bb_status watch_ticket(void) { return bb_watch_ticket(watch, ticket); }
static bb_status synchronize_async(void) { return bb_manager_synchronize_async(m, &ticket); }
static bb_status wait_ticket(void) { return bb_manager_wait(m, ticket, BB_FOREVER, NULL); }
static bb_status watch_wait(void) { return bb_watch_wait(watch, BB_FOREVER, &(uint64_t){0}); }
static bb_status acquire(void) { return bb_manager_acquire_front(m, &front); }
static bb_status dump(void) { return bb_debug_dump(write_nothing, NULL); }
static bb_status statistics(void) { return bb_manager_stats_write(m, write_nothing, NULL); }
static bb_status trim(void) { return bb_manager_trim(m); }
static bb_status release(void) { return bb_lease_release(front.lease); }
static bb_status watch_destroy(void) { return bb_watch_destroy(watch); }
static bb_status close_it(void) { return bb_manager_close(m, BB_FOREVER); }
static bb_status destroy(void) { return bb_manager_destroy(m); }
static bb_status log_off(void) { return bb_set_log(BB_LOG_OFF, NULL, NULL, NULL); }

#define STEP(function) {#function, function}
static const struct {
    const char *name;
    bb_status (*call)(void);
} steps[] = {STEP(set_log),
             STEP(create),
             STEP(acquire),
             STEP(enqueue),
             STEP(synchronize),
             STEP(reserve),
             STEP(enqueue),
             STEP(enqueue_region),
             STEP(enqueue_borrowed),
             STEP(enqueue_kernel),
             STEP(enqueue_outsized),
             STEP(cancel_back),
             STEP(synchronize),
             STEP(enqueue),
             STEP(synchronize),
             STEP(batch_begin),
             STEP(batch_fill),
             STEP(batch_update),
             STEP(batch_kernel),
             STEP(batch_commit),
             STEP(task_begin),
             STEP(watch_create),
             STEP(watch_fd),
             STEP(task_end),
             STEP(synchronize_async),
             STEP(watch_ticket),
             STEP(wait_ticket),
             STEP(watch_wait),
             STEP(dump),
             STEP(statistics),
             STEP(release),
             STEP(trim),
             STEP(enqueue),
             STEP(close_it),
             STEP(watch_destroy),
             STEP(destroy),
             STEP(log_off)};

enum { NOT_REACHED = 77 };

/* A child has no Unity: it says what went wrong and ends with 1. */
static void need(bool right, const char *step, const char *what, bb_status status) {
    if (!right) {
        (void)fprintf(stderr, "%s: %s (%s); last: %s\n", step, what, bb_status_string(status), bb_last_error());
        _exit(1);
    }
}

static void run_script(void) {
    for (size_t i = 0; i < LENGTH(steps); i++) {
        atomic_store(&armed, true);
        bb_status status = steps[i].call();
        atomic_store(&armed, false);
        /* PINNED: a further copy could not be had, and the lease that makes it needed is named. */
        need(status == BB_OK || status == BB_E_OUT_OF_MEMORY || status == BB_E_PINNED, steps[i].name,
             "neither well nor out of memory", status);
        if (status != BB_OK) {
            need(atomic_load(&injected) > 0, steps[i].name, "out of memory for no reason", status);
            atomic_store(&for_good, false); /* there is memory again */
            status = steps[i].call();
            need(status == BB_OK, steps[i].name, "does not work again", status);
        }
    }
    need(atomic_load(&released.calls) == 1, "borrowed data", "was not released exactly once", BB_OK);
    need(atomic_load(&released.drops) == 2, "kernels", "were not dropped exactly once", BB_OK);
    need(atomic_load(&flush.drops) == 1, "flush", "was not dropped exactly once", BB_OK);
    memset(&released, 0, sizeof released);
    memset(&flush, 0, sizeof flush);
}

/* Blocks and mappings held once the worker has gone, which frees its own after it has said goodbye. */
static int live_alone(void) {
    struct stat tasks;
    while (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3) { /* ".", ".." and this thread */
        nap();
    }
    return atomic_load(&live);
}

static void child(int n, bool all, bool warm) {
    alarm(HANG_SECONDS);
    atomic_store(&countdown, INT32_MAX);
    int before = 0;
    if (warm) { /* what is made once and kept is there: the rest must come back */
        run_script();
        run_script();
        before = live_alone();
    }
    atomic_store(&injected, 0);
    atomic_store(&countdown, n);
    atomic_store(&for_good, all);
    run_script();
    atomic_store(&for_good, false);
    const int left = live_alone() - before;
    if (warm && left > 0) {
        (void)fprintf(stderr, "n = %d: %d blocks are left\n", n, left);
        _exit(1);
    }
    _exit(atomic_load(&injected) > 0 ? 0 : NOT_REACHED);
}

static void every_allocation_fails_once(bool all, bool warm) {
    if (other_malloc() != NULL) {
        TEST_IGNORE_MESSAGE(other_malloc());
    }
    int n = 1;
    for (int code = 0; code != NOT_REACHED; n++) {
        (void)fflush(NULL);
        const pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            child(n, all, warm);
        }
        code = child_exit_code(pid);
        char told[64];
        (void)snprintf(told, sizeof told, "allocation %d: the child ended with %d", n, code);
        TEST_ASSERT_TRUE_MESSAGE(code == 0 || code == NOT_REACHED, told);
    }
    printf("%d allocations\n", n - 2);
    CHECK(warm || n > 10);
}

static void at_first_use(void) { every_allocation_fails_once(false, false); }
static void at_first_use_and_from_then_on(void) { every_allocation_fails_once(true, false); }
static void later_with_nothing_left_behind(void) { every_allocation_fails_once(false, true); }
static void from_then_on_with_nothing_left_behind(void) { every_allocation_fails_once(true, true); }

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(at_first_use);
    RUN_TEST(at_first_use_and_from_then_on);
    RUN_TEST(later_with_nothing_left_behind);
    RUN_TEST(from_then_on_with_nothing_left_behind);
    return UNITY_END();
}
