/* While no thread sleeps, moving bytes through a ring makes no system call and allocates nothing: each thread of a child
 * process gives up its system calls (seccomp) and counts allocations, then moves bytes by every plain call. */
#include "counted_memory.h"
#include "ring.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

enum { CAPACITY = 4096, BYTES = 4000000 };
enum { WELL = 0, MADE_A_CALL = 10, ALLOCATED = 11, WRONG_BYTES = 12, NO_SECCOMP = 13 }; /* exit codes of a child */

static void tell_the_call(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number, (void)context;
    char text[] = "system call 0000\n";
    for (int digit = 15, call = info->si_syscall; digit >= 12; digit--, call /= 10) {
        text[digit] = (char)('0' + call % 10);
    }
    (void)!write(2, text, sizeof text - 1);
    _exit(MADE_A_CALL);
}

/* From here on this thread may only write to descriptor 2 and end the process. */
static void give_up_system_calls(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    const struct sock_fprog program = {LENGTH(code), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        _exit(NO_SECCOMP);
    }
}

static struct {
    ring r;
    atomic_int ready, done;
} s;

/* One call of each plain kind in turn. Returns the bytes that it moved. */
static uint64_t put_any(uint64_t turn, uint64_t bytes) {
    static uint8_t data[CAPACITY];
    uint64_t sent = 0;
    bb_span span;
    if (turn % 3 == 0) {
        if (bb_sender_reserve(s.r.tx, bytes, &span) == BB_OK) {
            content_fill(span.data, s.r.in, bytes);
            sent = bb_sender_commit(s.r.tx, bytes) == BB_OK ? bytes : 0;
        }
        return sent;
    }
    content_fill(data, s.r.in, bytes);
    if (turn % 3 == 1) {
        (void)bb_sender_feed(s.r.tx, data, bytes, &sent);
        (void)(turn % 2 == 0 ? bb_sender_flush(s.r.tx) : BB_OK);
    } else {
        (void)bb_sender_send(s.r.tx, data, bytes, &sent);
    }
    return sent;
}

static uint64_t take_any(uint64_t turn, uint64_t bytes) {
    static uint8_t data[CAPACITY];
    uint64_t got = 0;
    bb_const_span span;
    bool right = true;
    if (turn % 2 == 0) {
        if (bb_receiver_peek(s.r.rx, 1, &span) == BB_OK) {
            right = content_is(span.data, s.r.out, span.bytes);
            got = span.bytes / 2 + 1; /* in parts */
            right = bb_receiver_consume(s.r.rx, got) == BB_OK && right;
        }
    } else {
        (void)bb_receiver_recv(s.r.rx, data, bytes, &got);
        right = content_is(data, s.r.out, got);
    }
    if (!right) {
        _exit(WRONG_BYTES);
    }
    return got;
}

/* Once without the filter: the first calls may set up what a thread needs. */
static void send_until(uint64_t bytes, uint64_t *state) {
    for (uint64_t turn = 0; s.r.in < bytes; turn++) {
        const uint64_t left = bytes - s.r.in, want = random_between(state, 1, CAPACITY);
        s.r.in += put_any(turn, want < left ? want : left);
    }
    (void)bb_sender_flush(s.r.tx);
}

static void receive_until(uint64_t bytes, uint64_t *state) {
    for (uint64_t turn = 0; s.r.out < bytes; turn++) {
        s.r.out += take_any(turn, random_between(state, 1, CAPACITY));
    }
}

/* A barrier that spins: neither thread sleeps or ends before the other. */
static void meet(atomic_int *arrived, int count) {
    atomic_fetch_add(arrived, 1);
    while (atomic_load(arrived) < count) {
    }
}

static void *send_side(void *argument) {
    (void)argument;
    uint64_t state = 1;
    send_until(BYTES / 10, &state);
    give_up_system_calls();
    meet(&s.ready, 2);
    send_until(BYTES, &state);
    meet(&s.done, 3); /* never met: the process ends while this thread has given up its system calls */
    return NULL;
}

static void two_threads(void) {
    uint64_t state = 2;
    (void)start(send_side, NULL);
    receive_until(BYTES / 10, &state);
    give_up_system_calls();
    atomic_store(&memory.armed, true);
    meet(&s.ready, 2);
    receive_until(BYTES, &state);
    meet(&s.done, 2);
}

static void one_thread(void) {
    uint64_t state = 3;
    for (uint64_t turn = 0; s.r.out < BYTES; turn++) {
        if (turn == 1000) {
            give_up_system_calls();
            atomic_store(&memory.armed, true);
        }
        const uint64_t want = random_between(&state, 1, CAPACITY);
        s.r.in += put_any(turn, want);
        s.r.out += take_any(turn / 3, want);
    }
}

/* A descriptor that is not armed costs nothing. */
static void one_thread_with_descriptors(void) {
    int32_t fds[2];
    OK(bb_receiver_fd(s.r.rx, &fds[0]));
    OK(bb_sender_fd(s.r.tx, &fds[1]));
    EXPECT(BB_E_EMPTY, bb_receiver_arm(s.r.rx, 1));
    SEND(BB_OK, &s.r, CAPACITY, CAPACITY);
    FD_READABLE(fds[0]);
    EXPECT(BB_E_FULL, bb_sender_arm(s.r.tx, 1));
    RECV(BB_OK, &s.r, CAPACITY, CAPACITY);
    FD_READABLE(fds[1]);
    one_thread();
}

/* The filter catches a system call and an allocation. */
static void sleep_for_a_byte(void) {
    give_up_system_calls();
    (void)bb_receiver_wait_readable(s.r.rx, 1, BB_MS(10));
}

static void expect_child(int want, uint32_t flags, void (*body)(void)) {
    if (other_malloc() != NULL) {
        TEST_IGNORE_MESSAGE("valgrind and sanitizers make system calls of their own");
    }
    (void)fflush(NULL);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(HANG_SECONDS);
        (void)sigaction(SIGSYS, &(struct sigaction){.sa_sigaction = tell_the_call, .sa_flags = SA_SIGINFO}, NULL);
        atomic_store(&memory.countdown, INT32_MAX); /* none fails */
        s.r = make_ring_with(CAPACITY, flags);
        body();
        _exit(atomic_load(&memory.asked) == 0 ? WELL : ALLOCATED);
    }
    const int code = child_exit_code(child);
    if (code == NO_SECCOMP) {
        TEST_IGNORE_MESSAGE("this system has no seccomp filters");
    }
    TEST_ASSERT_EQUAL_INT_MESSAGE(want, code, "10: a system call, its number is above; 11: an allocation");
}

static void on_one_thread(void) { expect_child(WELL, 0, one_thread); }
static void on_one_thread_that_knows_descriptors(void) { expect_child(WELL, 0, one_thread_with_descriptors); }
static void on_two_threads(void) { expect_child(WELL, 0, two_threads); }
static void on_two_threads_without_backoff(void) { expect_child(WELL, BB_SPSC_NO_BACKOFF, two_threads); }
static void on_two_threads_in_the_checked_mode(void) { expect_child(WELL, BB_SPSC_CHECKED, two_threads); }
static void a_call_that_sleeps_is_caught(void) { expect_child(MADE_A_CALL, 0, sleep_for_a_byte); }

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(on_one_thread);
    RUN_TEST(on_one_thread_that_knows_descriptors);
    RUN_TEST(on_two_threads);
    RUN_TEST(on_two_threads_without_backoff);
    RUN_TEST(on_two_threads_in_the_checked_mode);
    RUN_TEST(a_call_that_sleeps_is_caught);
    return UNITY_END();
}
