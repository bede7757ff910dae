/* The costs of the `@realtime` lines: calls that the header says make no system call and allocate nothing do neither. Each case
 * runs in a process of its own, in a thread that a seccomp filter ends at its first system call. */
#include "counted_memory.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

enum { WELL = 0, FAILED = 1, SYSTEM_CALL = 2, ALLOCATED = 3, NO_SECCOMP = 13 }; /* how a child ends */
enum { REPEATS = 300, LEASES = 8, RECORD = 64, STATE = 64 };

static bb_manager *m;
static bb_sender *tx;
static bb_receiver *rx;
static uint64_t ticket;
static atomic_bool writing;

static void need(bool right, const char *what) {
    if (!right) {
        /* As one call: the filter allows write(), and nothing else that stdio may need. */
        char text[600];
        const int length = snprintf(text, sizeof text, "%s; last error: %s\n", what, bb_last_error());
        (void)!write(STDERR_FILENO, text, (size_t)length);
        _exit(FAILED);
    }
}
#define NEED(condition) need((condition), #condition)
#define DONE(call) NEED((call) == BB_OK)

/* --- objects --- */

static void a_manager(void) {
    bb_front front;
    DONE(bb_manager_create(BB_U32, 1, SHAPE(STATE), NULL, &m));
    DONE(bb_manager_synchronize_async(m, &ticket));
    /* The thread's first lease. */
    DONE(bb_manager_acquire_front(m, &front));
    DONE(bb_lease_release(front.lease));
}

static void *write_states(void *unused) {
    bb_status status = BB_OK;
    for (uint32_t value = 0; status == BB_OK; value++) {
        DONE(put_u32(m, value % STATE, value, BB_FOREVER));
        status = bb_manager_synchronize(m, BB_FOREVER);
        atomic_store(&writing, true);
    }
    NEED(status == BB_OK);
    return unused;
}

static void a_written_manager(void) {
    pthread_t thread;
    a_manager();
    NEED(pthread_create(&thread, NULL, write_states, NULL) == 0);
    while (!atomic_load(&writing)) {
        sched_yield();
    }
}

static void a_queued_manager(void) {
    bb_manager_config config;
    DONE(bb_manager_config_init(&config));
    config.worker = BB_WORKER_ONLY;
    DONE(bb_manager_create(BB_U32, 1, SHAPE(STATE), &config, &m));
    /* The thread's first call, and the worker's start. */
    DONE(put_u32(m, 0, 1, 0));
    DONE(bb_manager_synchronize(m, BB_FOREVER));
}

static void ring_of(uint64_t record_size) {
    bb_spsc_config config;
    DONE(bb_spsc_config_init(&config));
    config.flags = BB_SPSC_NO_BACKOFF;
    config.overwrite_record_size = record_size;
    DONE(bb_spsc_create(1024, &config, &tx, &rx));
    DONE(bb_sender_flush(tx)); /* the thread's first call */
}
static void a_ring(void) { ring_of(0); }
static void an_overwriting_ring(void) { ring_of(RECORD); }

/* --- calls --- */

static void read_fronts(void) {
    bb_front fronts[LEASES];
    bb_field_view view;
    bb_byte_range ranges[4];
    uint64_t count;
    bool complete;
    for (int i = 0; i < LEASES; i++) {
        DONE(bb_manager_acquire_front(m, &fronts[i]));
        DONE(bb_front_field(&fronts[i], "state", &view));
        DONE(bb_front_changes(&fronts[i], 0, BB_ALL_FIELDS, ranges, LENGTH(ranges), &count, &complete));
    }
    for (int i = 0; i < LEASES; i++) {
        DONE(bb_lease_release(fronts[i].lease));
    }
}

static void query_a_manager(void) {
    bb_manager_info info;
    bb_manager_stats stats;
    bb_ticket_poll poll = {0};
    uint64_t epoch;
    unsigned char byte;
    DONE(bb_manager_read(m, 0, 0, &byte, 1, &epoch, NULL));
    DONE(bb_manager_epoch(m, &epoch));
    DONE(bb_manager_info_get(m, sizeof info, &info));
    DONE(bb_manager_stats_get(m, sizeof stats, &stats));
    DONE(bb_manager_wait(m, ticket, 0, &epoch));
    DONE(bb_manager_poll_ticket(m, ticket, &poll, &epoch));
    DONE(bb_handle_check(m));
}

static void refused_calls(void) {
    bb_front front;
    NEED(bb_manager_acquire_front(NULL, &front) == BB_E_NULL);
    NEED(put_u32(m, STATE, 0, 0) == BB_E_RANGE);
    NEED(strlen(bb_last_error()) > 0 && strlen(bb_status_string(BB_E_RANGE)) > 0);
}

static void enqueue_little(void) {
    static uint32_t number; /* more than half of the queue would wake the worker */
    const uint32_t row[8] = {0};
    if (number++ < 100) {
        DONE(put_u32(m, number % STATE, number, 0));
        DONE(bb_manager_enqueue_fill(m, 0, 0, 8, row, 0));
        DONE(bb_manager_enqueue_region(m, &(bb_region){.start = SHAPE(0), .extent = SHAPE(8), .data = row}, 0));
        DONE(bb_manager_enqueue_tag(m, number, 0));
    }
}

static void send_and_receive(void) {
    char bytes[RECORD] = {0};
    bb_span room;
    bb_const_span there;
    uint64_t moved;
    DONE(bb_sender_send(tx, bytes, RECORD, &moved));
    DONE(bb_receiver_recv(rx, bytes, RECORD, &moved));
    DONE(bb_sender_send_all(tx, bytes, RECORD, 0, &moved));
    DONE(bb_receiver_recv_all(rx, bytes, RECORD, 0, &moved));
    DONE(bb_sender_send_whole(tx, bytes, RECORD, 0, &moved));
    DONE(bb_receiver_wait_readable(rx, RECORD, 0));
    DONE(bb_receiver_peek(rx, RECORD, &there));
    DONE(bb_receiver_consume(rx, RECORD));
    DONE(bb_sender_feed(tx, bytes, RECORD, &moved));
    DONE(bb_sender_flush(tx));
    DONE(bb_receiver_recv(rx, bytes, RECORD, &moved));
    DONE(bb_sender_wait_writable(tx, RECORD, 0));
    DONE(bb_sender_reserve(tx, RECORD, &room));
    DONE(bb_sender_commit(tx, RECORD));
    DONE(bb_receiver_recv(rx, bytes, RECORD, &moved));
}

static void find_it_full_and_empty(void) {
    char bytes[RECORD] = {0};
    bb_end_stats stats;
    uint64_t moved;
    for (int i = 0; i < 2 * 1024 / RECORD; i++) {
        (void)bb_sender_send_whole(tx, bytes, RECORD, 0, &moved);
    }
    while (bb_receiver_recv(rx, bytes, RECORD, &moved) == BB_OK) {
    }
    NEED(bb_receiver_recv(rx, bytes, RECORD, &moved) == BB_E_EMPTY);
    NEED(bb_receiver_recv_all(rx, bytes, RECORD, 0, &moved) == BB_E_TIMEOUT);
    NEED(bb_receiver_wait_readable(rx, 1, 0) == BB_E_TIMEOUT);
    DONE(bb_sender_stats_get(tx, sizeof stats, &stats));
    DONE(bb_receiver_stats_get(rx, sizeof stats, &stats));
}

/* What the filter and the counters must notice. */
static void open_a_descriptor(void) { DONE(bb_sender_fd(tx, &(int32_t){0})); }
static void begin_a_batch(void) {
    bb_batch *batch;
    DONE(bb_batch_begin(m, &batch));
    DONE(bb_batch_update(batch, &(bb_update){.count = 1, .data = &(uint32_t){0}}));
}

typedef struct {
    const char *name;
    void (*prepare)(void);
    void (*call)(void);
    int want;
} cost;

static const cost costs[] = {
    {"fronts", a_manager, read_fronts, WELL},
    {"queries of a manager", a_manager, query_a_manager, WELL},
    {"refused calls", a_manager, refused_calls, WELL},
    {"updates for the worker", a_queued_manager, enqueue_little, WELL},
    {"a ring", a_ring, send_and_receive, WELL},
    {"a ring that overwrites", an_overwriting_ring, send_and_receive, WELL},
    {"a full and an empty ring", a_ring, find_it_full_and_empty, WELL},
    {"a full and an empty ring that overwrites", an_overwriting_ring, find_it_full_and_empty, WELL},
    {"a descriptor", a_ring, open_a_descriptor, SYSTEM_CALL},
    {"a batch", a_manager, begin_a_batch, ALLOCATED},
};

/* --- the filter --- */

static void on_system_call(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context, (void)info;
    _exit(SYSTEM_CALL);
}

/* From here on this thread makes no system calls but those of need() and the end of a case, and that of the clock, which some
 * systems cannot read without one. */
static void refuse_system_calls(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {LENGTH(code), code};
    const struct sigaction action = {.sa_sigaction = on_system_call, .sa_flags = SA_SIGINFO};
    NEED(sigaction(SIGSYS, &action, NULL) == 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        _exit(NO_SECCOMP);
    }
}

/* Runs the case in a process of its own; returns how that ended. */
static int run(const cost *c, bool count_memory) {
    (void)fflush(NULL);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child != 0) {
        return child_exit_code(child);
    }
    alarm(HANG_SECONDS);
    c->prepare();
    refuse_system_calls();
    const int live = atomic_load(&memory.live);
    atomic_store(&memory.armed, count_memory);
    for (int i = 0; i < REPEATS; i++) {
        c->call();
        if (count_memory && (atomic_load(&memory.asked) != 0 || atomic_load(&memory.live) != live)) {
            _exit(ALLOCATED);
        }
    }
    _exit(WELL);
}

static void expect(const cost *c, bool count_memory) {
    const int code = run(c, count_memory);
    if (code == NO_SECCOMP) {
        TEST_IGNORE_MESSAGE("this system has no seccomp filters");
    }
    TEST_ASSERT_EQUAL_INT_MESSAGE(c->want, code, c->name);
}

static void real_time_calls_make_no_system_call_and_allocate_nothing(void) {
    if (other_malloc() != NULL) {
        TEST_IGNORE_MESSAGE(other_malloc());
    }
    for (size_t i = 0; i < LENGTH(costs); i++) {
        expect(&costs[i], true);
    }
}

static void fronts_make_no_system_call_while_another_thread_publishes(void) {
    if (other_malloc() != NULL) {
        TEST_IGNORE_MESSAGE(other_malloc());
    }
    expect(&(cost){"fronts of a written manager", a_written_manager, read_fronts, WELL}, false);
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(real_time_calls_make_no_system_call_and_allocate_nothing);
    RUN_TEST(fronts_make_no_system_call_while_another_thread_publishes);
    return UNITY_END();
}
