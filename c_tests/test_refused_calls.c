/* What the system refuses, call by call (seccomp), and limits that end a process by a signal: the library returns a status
 * whose text names the call, the error and the remedy, or it does without; what was made before still ends well. */
#include "support.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { WELL = 0, FAILED = 1, NO_SECCOMP = 13 }; /* how a child ends */

/* What a case uses: made before the refusal, in its own process. */
static struct {
    bb_manager *m;
    bb_watch *w;
    bb_sender *tx;
    bb_receiver *rx;
} made;

static void need(bool right, const char *what) {
    if (!right) {
        (void)fprintf(stderr, "%s; last error: %s\n", what, bb_last_error());
        _exit(FAILED);
    }
}
#define NEED(condition) need((condition), #condition)

static void nothing(void) {}
static void a_manager(void) { NEED(bb_manager_create(BB_U32, 1, SHAPE(8), NULL, &made.m) == BB_OK); }
static void a_watch(void) {
    a_manager();
    NEED(bb_watch_create(made.m, 0, &made.w) == BB_OK);
}
static void a_ring(void) { NEED(bb_spsc_create(4096, NULL, &made.tx, &made.rx) == BB_OK); }

static bb_status create_manager(void) { return bb_manager_create(BB_U32, 1, SHAPE(8), NULL, &made.m); }
static bb_status create_large_manager(void) { return bb_manager_create(BB_U32, 1, SHAPE(4 << 20), NULL, &made.m); }
static bb_status create_ring(void) { return bb_spsc_create(1 << 16, NULL, &made.tx, &made.rx); }
static bb_status create_device(void) {
    bb_device *device = NULL;
    const bb_status status = bb_device_create_host(0, NULL, &device);
    NEED(status != BB_OK || bb_device_destroy(device) == BB_OK);
    return status;
}
static bb_status publish(void) {
    const uint32_t value = 1;
    const bb_update update = {.count = 1, .data = &value};
    const bb_status status = bb_manager_enqueue_update(made.m, &update, 0);
    return status != BB_OK ? status : bb_manager_synchronize(made.m, BB_FOREVER);
}
static bb_status watch_fd(void) { return bb_watch_fd(made.w, &(int32_t){0}); }
static bb_status sender_fd(void) { return bb_sender_fd(made.tx, &(int32_t){0}); }
static bb_status arm_receiver(void) { return bb_receiver_arm(made.rx, 1); }
static bb_status destroy_manager(void) {
    bb_manager *const m = made.m;
    made.m = NULL;
    return bb_manager_destroy(m);
}

#define NO_CALL (-1)

typedef struct refusal {
    const char *name;
    long calls[2]; /* refused, from after `prepare` on */
    int argument;  /* only with this third argument; NO_CALL for all */
    int error;
    void (*prepare)(void);
    bb_status (*call)(void);
    bb_status want;
    const char *texts[2]; /* of the message */
} refusal;

#define ANY NO_CALL
#define THREADS {SYS_clone, SYS_clone3}
#define ONE(call) {call, NO_CALL}
enum { POPULATE_WRITE = 23, WIPE_ON_FORK = 18 };

static const refusal refusals[] = {
    {"memfd EMFILE",
     ONE(SYS_memfd_create),
     ANY,
     EMFILE,
     nothing,
     create_ring,
     BB_E_LIMIT,
     {"memfd_create", "ulimit -n"}},
    {"memfd ENFILE",
     ONE(SYS_memfd_create),
     ANY,
     ENFILE,
     nothing,
     create_ring,
     BB_E_LIMIT,
     {"memfd_create", "system's"}},
    {"memfd ENOMEM",
     ONE(SYS_memfd_create),
     ANY,
     ENOMEM,
     nothing,
     create_ring,
     BB_E_OUT_OF_MEMORY,
     {"memfd_create", "memory"}},
    {"memfd ENOSYS",
     ONE(SYS_memfd_create),
     ANY,
     ENOSYS,
     nothing,
     create_ring,
     BB_E_UNSUPPORTED,
     {"memfd_create", "seccomp"}},
    {"memfd EPERM",
     ONE(SYS_memfd_create),
     ANY,
     EPERM,
     nothing,
     create_ring,
     BB_E_UNSUPPORTED,
     {"memfd_create", "seccomp"}},
    {"memfd EACCES",
     ONE(SYS_memfd_create),
     ANY,
     EACCES,
     nothing,
     create_ring,
     BB_E_UNSUPPORTED,
     {"memfd_create", "EACCES"}},
    {"ftruncate ENOSYS",
     ONE(SYS_ftruncate),
     ANY,
     ENOSYS,
     nothing,
     create_ring,
     BB_E_UNSUPPORTED,
     {"ftruncate", "seccomp"}},
    {"ftruncate ENOMEM",
     ONE(SYS_ftruncate),
     ANY,
     ENOMEM,
     nothing,
     create_ring,
     BB_E_OUT_OF_MEMORY,
     {"ftruncate", "memory"}},
    {"eventfd EMFILE", ONE(SYS_eventfd2), ANY, EMFILE, a_watch, watch_fd, BB_E_LIMIT, {"eventfd", "ulimit -n"}},
    {"eventfd ENOSYS", ONE(SYS_eventfd2), ANY, ENOSYS, a_watch, watch_fd, BB_E_UNSUPPORTED, {"eventfd", "seccomp"}},
    {"eventfd EPERM", ONE(SYS_eventfd2), ANY, EPERM, a_ring, sender_fd, BB_E_UNSUPPORTED, {"eventfd", "seccomp"}},
    {"eventfd ENFILE", ONE(SYS_eventfd2), ANY, ENFILE, a_ring, arm_receiver, BB_E_LIMIT, {"eventfd", "system's"}},
    {"threads EAGAIN", THREADS, ANY, EAGAIN, nothing, create_manager, BB_E_LIMIT, {"pthread_create", "ulimit -u"}},
    {"threads EPERM", THREADS, ANY, EPERM, nothing, create_manager, BB_E_UNSUPPORTED, {"pthread_create", "seccomp"}},
    {"threads of devices", THREADS, ANY, EAGAIN, nothing, create_device, BB_E_LIMIT, {"pthread_create", "ulimit -u"}},
    {"clone3 ENOSYS", ONE(SYS_clone3), ANY, ENOSYS, nothing, create_manager, BB_OK, {"", ""}},
    {"mmap ENOMEM", ONE(SYS_mmap), ANY, ENOMEM, nothing, create_large_manager, BB_E_OUT_OF_MEMORY, {"memory", ""}},
    {"mmap EPERM", ONE(SYS_mmap), ANY, EPERM, nothing, create_ring, BB_E_OUT_OF_MEMORY, {"memory", ""}},
    {"wipe-on-fork",
     ONE(SYS_madvise),
     WIPE_ON_FORK,
     EINVAL,
     nothing,
     create_manager,
     BB_E_UNSUPPORTED,
     {"Linux 4.14", ""}},
    {"populate ENOMEM",
     ONE(SYS_madvise),
     POPULATE_WRITE,
     ENOMEM,
     nothing,
     create_ring,
     BB_E_OUT_OF_MEMORY,
     {"memory", ""}},
    /* What is done without. */
    {"populate EINVAL", ONE(SYS_madvise), POPULATE_WRITE, EINVAL, nothing, create_ring, BB_OK, {"", ""}},
    {"populate ENOSYS", ONE(SYS_madvise), POPULATE_WRITE, ENOSYS, nothing, create_ring, BB_OK, {"", ""}},
    {"populate EPERM", ONE(SYS_madvise), POPULATE_WRITE, EPERM, nothing, create_large_manager, BB_OK, {"", ""}},
    {"getrandom", ONE(SYS_getrandom), ANY, ENOSYS, nothing, create_manager, BB_OK, {"", ""}},
    {"getrlimit", {SYS_prlimit64, NO_CALL}, ANY, ENOSYS, nothing, create_ring, BB_OK, {"", ""}},
    {"priority", {SYS_setpriority, SYS_sched_setaffinity}, ANY, EPERM, nothing, create_manager, BB_OK, {"", ""}},
    {"barrier from the start", ONE(SYS_membarrier), ANY, ENOSYS, nothing, create_manager, BB_OK, {"", ""}},
    {"barrier, then publish", ONE(SYS_membarrier), ANY, EPERM, a_manager, publish, BB_OK, {"", ""}},
    {"barrier, then destroy", ONE(SYS_membarrier), ANY, EPERM, a_manager, destroy_manager, BB_OK, {"", ""}},
};

/* From here on the process has neither of the two calls: they fail with the error. */
static void refuse(const refusal *r) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->calls[0], 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->calls[1], 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | (r->argument == ANY ? BPF_JGE : BPF_JEQ) | BPF_K,
                 r->argument == ANY ? 0 : (uint32_t)r->argument, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)r->error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {LENGTH(code), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) {
        _exit(NO_SECCOMP);
    }
}

static void end_all(void) {
    NEED(bb_watch_destroy(made.w) == BB_OK && bb_manager_destroy(made.m) == BB_OK);
    NEED(bb_sender_destroy(made.tx) == BB_OK && bb_receiver_destroy(made.rx) == BB_OK);
}

static void one_refusal(const void *argument) {
    const refusal *const r = argument;
    r->prepare();
    refuse(r);
    const bb_status got = r->call();
    if (got != r->want) {
        (void)fprintf(stderr, "%s: got %s, wanted %s\n", r->name, bb_status_string(got), bb_status_string(r->want));
        need(false, r->name);
    }
    for (int i = 0; i < 2; i++) {
        need(strstr(bb_last_error(), r->texts[i]) != NULL, r->texts[i]);
    }
    end_all();
}

/* Runs it in a process of its own, which has not used the library yet; returns how that ended. */
static int in_child(void (*body)(const void *), const void *argument) {
    (void)fflush(NULL);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(HANG_SECONDS);
        body(argument);
        _exit(WELL);
    }
    return child_exit_code(child);
}

static void every_refused_call_is_a_status_or_done_without(void) {
    if (other_malloc() != NULL) {
        TEST_IGNORE_MESSAGE("valgrind and sanitizers make system calls of their own");
    }
    int failed = 0;
    for (size_t i = 0; i < LENGTH(refusals); i++) {
        const int code = in_child(one_refusal, &refusals[i]);
        if (code == NO_SECCOMP) {
            TEST_IGNORE_MESSAGE("this system has no seccomp filters");
        }
        if (code != WELL) {
            (void)fprintf(stderr, "%s: the child ended with %d\n", refusals[i].name, code);
            failed++;
        }
    }
    TEST_ASSERT_EQUAL_INT_MESSAGE(0, failed, "rows failed: they are named above");
}

/* --- limits that end a process by a signal --- */

static void limit_file_size(uint64_t bytes) { NEED(setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, bytes}) == 0); }

static void create_rings_under_a_limit(const void *argument) {
    (void)argument;
    limit_file_size(8192);
    NEED(create_ring() == BB_E_LIMIT && strstr(bb_last_error(), "ulimit -f") != NULL);
    a_ring();
    end_all();
}

static void dump_into_a_closed_pipe(const void *argument) {
    (void)argument;
    int ends[2];
    NEED(pipe(ends) == 0 && close(ends[0]) == 0);
    a_manager();
    NEED(bb_debug_dump_fd(ends[1]) == BB_E_ARGUMENT && strstr(bb_last_error(), "fd = ") != NULL);
    sigset_t pending;
    NEED(sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 0);
    NEED(pthread_sigmask(SIG_BLOCK, NULL, &pending) == 0 && sigismember(&pending, SIGPIPE) == 0);
    end_all();
}

static void dump_beyond_a_limit(const void *argument) {
    (void)argument;
    char path[] = "/tmp/backbuf-dump-XXXXXX";
    const int file = mkstemp(path);
    NEED(file >= 0 && unlink(path) == 0);
    limit_file_size(16);
    a_manager();
    NEED(bb_debug_dump_fd(file) == BB_E_ARGUMENT);
    end_all();
}

static void a_ring_beyond_the_limit_on_file_sizes_is_a_status(void) {
    TEST_ASSERT_EQUAL_INT(WELL, in_child(create_rings_under_a_limit, NULL));
}

static void a_dump_to_a_pipe_without_a_reader_is_a_status(void) {
    TEST_ASSERT_EQUAL_INT(WELL, in_child(dump_into_a_closed_pipe, NULL));
}

static void a_dump_beyond_the_limit_on_file_sizes_is_a_status(void) {
    TEST_ASSERT_EQUAL_INT(WELL, in_child(dump_beyond_a_limit, NULL));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(every_refused_call_is_a_status_or_done_without);
    RUN_TEST(a_ring_beyond_the_limit_on_file_sizes_is_a_status);
    RUN_TEST(a_dump_to_a_pipe_without_a_reader_is_a_status);
    RUN_TEST(a_dump_beyond_the_limit_on_file_sizes_is_a_status);
    return UNITY_END();
}
