/* Common parts of the C tests. Unity's asserts end a test by longjmp and are for the main thread only; other threads use the
 * THREAD_ macros, whose failures tearDown reports. */
#ifndef BACKBUF_TEST_SUPPORT_H
#define BACKBUF_TEST_SUPPORT_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <backbuf.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unity.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define SHAPE(...) ((const uint64_t[]){__VA_ARGS__})

/* A test that takes longer hangs, and fails; no test needs this long, even under valgrind. */
#define HANG_SECONDS 60

static atomic_int thread_failures;

void setUp(void) {
    atomic_store(&thread_failures, 0);
    alarm(5 * HANG_SECONDS);
}

void tearDown(void) {
    alarm(0);
    TEST_ASSERT_EQUAL_INT_MESSAGE(0, atomic_load(&thread_failures), "a thread's check failed (its line is above)");
}

/* --- statuses --- */

static inline void expect_status(bb_status want, bb_status got, const char *call, UNITY_LINE_TYPE line) {
    if (want == got) {
        return;
    }
    char text[1024];
    (void)snprintf(text, sizeof text, "%s\n  wanted %s\n  got    %s\n  last   %s", call, bb_status_string(want),
                   bb_status_string(got), bb_last_error());
    UNITY_TEST_FAIL(line, text);
}

static inline bool thread_check(bool right, const char *what, int line) {
    if (!right) {
        (void)fprintf(stderr, "line %d, thread: %s; last: %s\n", line, what, bb_last_error());
        atomic_fetch_add(&thread_failures, 1);
    }
    return right;
}

#define EXPECT(want, call) expect_status((want), (call), #call, __LINE__)
#define OK(call) EXPECT(BB_OK, call)
#define CHECK(condition) TEST_ASSERT_TRUE_MESSAGE(condition, #condition)
#define THREAD_CHECK(condition) thread_check((condition), #condition, __LINE__)
#define THREAD_OK(call) thread_check((call) == BB_OK, #call, __LINE__)

/* Checks that this thread's last message contains a text. */
static inline void expect_message(const char *part, UNITY_LINE_TYPE line) {
    if (strstr(bb_last_error(), part) == NULL) {
        char text[1024];
        (void)snprintf(text, sizeof text, "\"%s\" is not in: %s", part, bb_last_error());
        UNITY_TEST_FAIL(line, text);
    }
}
#define MESSAGE_HAS(part) expect_message((part), __LINE__)

/* --- time: used only to end a hang --- */

static inline void nap(void) { (void)nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL); }

static inline uint64_t now_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#define EVENTUALLY(condition)                                                                                          \
    do {                                                                                                               \
        const uint64_t deadline_ = now_ns() + BB_SEC(HANG_SECONDS);                                                    \
        while (!(condition)) {                                                                                         \
            TEST_ASSERT_TRUE_MESSAGE(now_ns() < deadline_, "never came true: " #condition);                            \
            nap();                                                                                                     \
        }                                                                                                              \
    } while (0)

static inline bool under_valgrind(void) {
    const char *preload = getenv("LD_PRELOAD");
    return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

/* The reason why memory is not allocated by the C library, or NULL. */
static inline const char *other_malloc(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return "a sanitizer brings its own malloc";
#else
    return under_valgrind() ? "valgrind brings its own malloc" : NULL;
#endif
}

/* Whether a descriptor is readable for an event loop. */
static inline bool is_readable(int fd, int timeout_ms) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    const int ready = poll(&p, 1, timeout_ms);
    TEST_ASSERT_TRUE_MESSAGE(ready >= 0 && (p.revents & ~POLLIN) == 0, "poll");
    return ready == 1;
}

#define FD_READABLE(fd) CHECK(is_readable(fd, HANG_SECONDS * 1000))
#define FD_QUIET(fd) CHECK(!is_readable(fd, 0))

static inline int open_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        struct pollfd p = {.fd = fd};
        count += poll(&p, 1, 0) == 0 || (p.revents & POLLNVAL) == 0;
    }
    return count;
}

static inline long resident_kib(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    TEST_ASSERT_NOT_NULL(file);
    TEST_ASSERT_EQUAL_INT(1, fscanf(file, "%*d %ld", &pages));
    (void)fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Valgrind runs one thread at a time, some thirty times slower: long loops are cut there. */
static inline int rounds(int count) { return under_valgrind() ? count / 50 + 1 : count; }

/* --- threads --- */

/* Lost wake-ups are looked for with each policy, from BB_WAIT_POLICY_ADAPTIVE to BB_WAIT_POLICY_SPIN. */
static inline void use_wait_policy(uint32_t policy) {
    OK(bb_set_wait_policy(policy, policy == BB_WAIT_POLICY_SLEEP ? 0 : BB_WAIT_MAX_SPIN_NS));
}

static inline pthread_t start(void *(*function)(void *), void *argument) {
    pthread_t thread;
    TEST_ASSERT_EQUAL_INT(0, pthread_create(&thread, NULL, function, argument));
    return thread;
}

static inline void join(pthread_t thread) { TEST_ASSERT_EQUAL_INT(0, pthread_join(thread, NULL)); }

/* Returns the exit code of a child, or 128 + its signal; a child that does not end is killed, and 1000 returned. */
static inline int child_exit_code(pid_t child) {
    const uint64_t deadline = now_ns() + BB_SEC(HANG_SECONDS);
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (now_ns() > deadline) {
            (void)kill(child, SIGKILL);
            (void)waitpid(child, &status, 0);
            return 1000;
        }
        nap();
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* --- callbacks that count their calls and can be held inside --- */

typedef struct gate {
    atomic_int entered, calls, drops; /* calls: finished */
    atomic_bool shut;
    _Atomic int32_t code; /* what flush returns */
    pthread_t thread;     /* of the last call: valid once `entered` or `calls` has counted it */
    pthread_t drop_thread;
} gate;

static inline void gate_pass(gate *g) {
    g->thread = pthread_self();
    atomic_fetch_add(&g->entered, 1);
    while (atomic_load(&g->shut)) {
        nap();
    }
    atomic_fetch_add(&g->calls, 1);
}

static inline int32_t gate_flush(void *g) {
    gate_pass(g);
    return atomic_load(&((gate *)g)->code);
}

static inline void gate_release(void *g) { gate_pass(g); }

static inline void gate_drop(void *g) {
    ((gate *)g)->drop_thread = pthread_self();
    atomic_fetch_add(&((gate *)g)->drops, 1);
}

/* --- text through a write callback --- */

typedef struct text {
    char bytes[65536];
    size_t length;
} text;

static inline void text_write(const char *bytes, uint64_t length, void *user_data) {
    text *t = user_data;
    const size_t room = sizeof t->bytes - 1 - t->length;
    const size_t taken = length < room ? (size_t)length : room;
    memcpy(t->bytes + t->length, bytes, taken);
    t->length += taken;
    t->bytes[t->length] = '\0';
}

/* --- managers --- */

#include "on_device.h"

static inline bb_manager_config defaults(const char *label) {
    bb_manager_config config;
    OK(bb_manager_config_init(&config));
    config.label = label;
    return config;
}

/* One axis of `count` u32. */
static inline bb_manager *make_u32(uint64_t count, const bb_manager_config *config) {
    bb_manager *m = NULL;
    OK(bb_manager_create(BB_U32, 1, &count, config, &m));
    return m;
}

static inline bb_status put_u32(bb_manager *m, uint64_t index, uint32_t value, uint64_t timeout) {
    return bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 4 * index, .count = 1, .data = &value}, timeout);
}

static inline uint32_t get_u32(bb_manager *m, uint64_t index) {
    bb_front front;
    OK(bb_manager_acquire_front(m, &front));
    const uint32_t value = ((const uint32_t *)front.data)[index];
    OK(bb_lease_release(front.lease));
    return value;
}

static inline uint64_t epoch_of(bb_manager *m) {
    uint64_t epoch = UINT64_MAX;
    OK(bb_manager_epoch(m, &epoch));
    return epoch;
}

static inline bb_manager_stats stats_of(bb_manager *m) {
    bb_manager_stats stats;
    OK(bb_manager_stats_get(m, sizeof stats, &stats));
    return stats;
}

static inline bb_manager_info info_of(bb_manager *m) {
    bb_manager_info info;
    OK(bb_manager_info_get(m, sizeof info, &info));
    return info;
}

#endif
