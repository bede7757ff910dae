/* Out-of-memory sweeps: the n-th allocation during the library's calls fails, for every n, in one child process each. The call
 * returns BB_E_OUT_OF_MEMORY or does without the memory, and works once memory is available again. A small allocation of the
 * library's own bookkeeping may end the process instead (counted_memory.h). In the sweeps "from then on" all later allocations
 * fail as well, from SMALL bytes up, and no process ends. */
#ifndef BACKBUF_TEST_SCARCITY_H
#define BACKBUF_TEST_SCARCITY_H
#include "counted_memory.h"
#include <sys/stat.h>

typedef struct step {
    const char *name;
    bb_status (*call)(void);
} step;

#define STEP(function) {#function, function}

/* Steps that cover every function that may allocate. Each can be repeated after a failure. `check` runs after them, or
 * is NULL. */
typedef struct script {
    const step *steps;
    size_t count;
    void (*check)(void);
} script;

enum { NOT_REACHED = 77 };

/* A child has no Unity: it prints the failure and ends with 1. */
static void need(bool right, const char *step, const char *what, bb_status status) {
    if (!right) {
        (void)fprintf(stderr, "%s: %s (%s); last: %s\n", step, what, bb_status_string(status), bb_last_error());
        _exit(1);
    }
}

static void run_script(const script *s) {
    for (size_t i = 0; i < s->count; i++) {
        const step *const at = &s->steps[i];
        atomic_store(&memory.armed, true);
        bb_status status = at->call();
        atomic_store(&memory.armed, false);
        /* PINNED: a further copy could not be allocated; the message names the lease that makes it necessary. */
        /* The C library returns EAGAIN for a thread, for lack of memory as for a limit. */
        const bool no_thread = status == BB_E_LIMIT && strstr(bb_last_error(), "pthread_create") != NULL;
        need(status == BB_OK || status == BB_E_OUT_OF_MEMORY || status == BB_E_PINNED || no_thread, at->name,
             "neither OK nor out of memory", status);
        if (status != BB_OK) {
            need(atomic_load(&memory.injected) > 0, at->name, "out of memory without a failed allocation", status);
            atomic_store(&memory.for_good, false); /* memory is available again */
            status = at->call();
            need(status == BB_OK, at->name, "does not work again", status);
        }
    }
    if (s->check != NULL) {
        s->check();
    }
}

/* Blocks and mappings held once all other threads have ended: a worker frees its own after its last signal. */
static int live_alone(void) {
    struct stat tasks;
    while (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3) { /* ".", ".." and this thread */
        nap();
    }
    return atomic_load(&memory.live);
}

static void child(const script *s, int n, bool all, bool warm) {
    alarm(HANG_SECONDS);
    ends_by_allocator();
    atomic_store(&memory.countdown, INT32_MAX);
    atomic_store(&memory.least, all ? SMALL : 0);
    int before = 0;
    if (warm) { /* what is allocated once and kept exists now: everything else must be freed */
        run_script(s);
        run_script(s);
        before = live_alone();
    }
    /* What is kept for the next thread may grow once, if two threads overlapped; a leak appears in every round. */
    int left = 0;
    for (int round = 0; round < 3; round++) {
        atomic_store(&memory.injected, 0);
        atomic_store(&memory.countdown, n);
        atomic_store(&memory.for_good, all);
        run_script(s);
        atomic_store(&memory.for_good, false);
        const int now = live_alone();
        left = now - before;
        before = now;
        if (!warm || left <= 0) {
            break;
        }
    }
    if (warm && left > 0) {
        (void)fprintf(stderr, "n = %d: %d blocks are left\n", n, left);
        _exit(1);
    }
    _exit(atomic_load(&memory.injected) > 0 ? 0 : NOT_REACHED);
}

static void every_allocation_fails_once(const script *s, bool all, bool warm) {
    if (other_malloc() != NULL) {
        TEST_IGNORE_MESSAGE(other_malloc());
    }
    int n = 1, ended = 0;
    for (int code = 0; code != NOT_REACHED; n++) {
        (void)fflush(NULL);
        const pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            child(s, n, all, warm);
        }
        code = child_exit_code(pid);
        ended += code == ENDED;
        char message[64];
        (void)snprintf(message, sizeof message, "allocation %d: the child ended with %d", n, code);
        TEST_ASSERT_TRUE_MESSAGE(code == 0 || code == NOT_REACHED || (code == ENDED && !all), message);
    }
    printf("%d allocations; %d failures end the process\n", n - 2, ended);
    CHECK(warm || n > (all ? 2 : 5));
}

static const script *lived;

static void at_first_use(void) { every_allocation_fails_once(lived, false, false); }
static void at_first_use_and_from_then_on(void) { every_allocation_fails_once(lived, true, false); }
static void later_with_nothing_left_behind(void) { every_allocation_fails_once(lived, false, true); }
static void from_then_on_with_nothing_left_behind(void) { every_allocation_fails_once(lived, true, true); }

/* The whole of such a test: its exit code. */
static int lives_in_scarcity(const script *s) {
    lived = s;
    UNITY_BEGIN();
    RUN_TEST(at_first_use);
    RUN_TEST(at_first_use_and_from_then_on);
    RUN_TEST(later_with_nothing_left_behind);
    RUN_TEST(from_then_on_with_nothing_left_behind);
    return UNITY_END();
}

#endif
