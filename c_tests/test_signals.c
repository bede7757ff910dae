/* Waits continue after signals, unless the thread is interruptible; the worker blocks all signals. */
#include "support.h"
#include <dirent.h>

static atomic_int signals_taken;

static void take(int signal_number) {
    (void)signal_number;
    atomic_fetch_add(&signals_taken, 1);
}

typedef enum wait_kind {
    SYNCHRONIZE,
    WAIT_TICKET,
    WAIT_EPOCH,
    WATCH_WAIT,
    RESERVE,
    ENQUEUE,
    CLOSE,
    WAIT_KINDS
} wait_kind;

typedef struct waiter {
    bb_manager *m;
    bb_watch *watch;
    uint64_t ticket;
    wait_kind kind;
    uint32_t flags;
    bb_status status;
    atomic_bool done;
} waiter;

static void *wait_for_ever(void *argument) {
    waiter *w = argument;
    bb_back back;
    THREAD_OK(bb_set_wait_flags(w->flags));
    switch (w->kind) {
    case SYNCHRONIZE:
        w->status = bb_manager_synchronize(w->m, BB_FOREVER);
        break;
    case WAIT_TICKET:
        w->status = bb_manager_wait(w->m, w->ticket, BB_FOREVER, NULL);
        break;
    case WAIT_EPOCH:
        w->status = bb_manager_wait_epoch(w->m, 0, BB_FOREVER, &(uint64_t){0});
        break;
    case WATCH_WAIT:
        w->status = bb_watch_wait(w->watch, BB_FOREVER, &(uint64_t){0});
        break;
    case RESERVE:
        w->status = bb_manager_reserve_back(w->m, BB_BACK_KEEP, BB_FOREVER, &back);
        if (w->status == BB_OK) {
            THREAD_OK(bb_manager_cancel_back(w->m, &back));
        }
        break;
    case ENQUEUE:
        do {
            w->status = put_u32(w->m, 0, 1, BB_FOREVER);
        } while (w->status == BB_OK && stats_of(w->m).updates < 2000);
        break;
    case CLOSE:
        w->status = bb_manager_close(w->m, BB_FOREVER);
        break;
    case WAIT_KINDS:
        break;
    }
    atomic_store(&w->done, true);
    return NULL;
}

static int32_t end_the_wait(void *unused) {
    (void)unused;
    return 1;
}

/* The main thread has reserved the back copy: every kind of wait waits for it. */
typedef struct scene {
    bb_manager *m;
    bb_back back;
    waiter w;
} scene;

static void begin(scene *s, wait_kind kind, uint32_t flags) {
    bb_manager_config config = defaults("signals");
    config.queue_bytes = 4096;
    config.watchdog_ns = 0;
    s->m = make_u32(8, &config);
    s->w = (waiter){.m = s->m, .kind = kind, .flags = flags};
    OK(bb_watch_create(s->m, 0, &s->w.watch));
    OK(bb_manager_reserve_back(s->m, BB_BACK_KEEP, 0, &s->back));
    OK(put_u32(s->m, 0, 1, 0));
    OK(bb_manager_synchronize_async(s->m, &s->w.ticket));
}

static void end(scene *s) {
    OK(bb_watch_destroy(s->w.watch));
    OK(bb_manager_destroy(s->m));
}

static void waits_are_immune_to_signals(void) {
    for (wait_kind kind = 0; kind < WAIT_KINDS; kind++) {
        scene s;
        begin(&s, kind, 0);
        const pthread_t thread = start(wait_for_ever, &s.w);
        const int before = atomic_load(&signals_taken);
        EVENTUALLY(pthread_kill(thread, SIGUSR1) == 0 && atomic_load(&signals_taken) >= before + 20);
        CHECK(!atomic_load(&s.w.done));
        OK(bb_manager_commit_back(s.m, &s.back, 0));
        if (kind == WAIT_EPOCH || kind == WATCH_WAIT) {
            OK(bb_manager_synchronize(s.m, BB_FOREVER));
        }
        join(thread);
        OK(s.w.status);
        end(&s);
    }
}

static void a_thread_that_asks_is_interrupted(void) {
    for (wait_kind kind = 0; kind < WAIT_KINDS; kind++) {
        scene s;
        begin(&s, kind, BB_WAIT_INTERRUPTIBLE);
        const pthread_t thread = start(wait_for_ever, &s.w);
        EVENTUALLY(pthread_kill(thread, SIGUSR1) == 0 &&
                   atomic_load(&s.w.done)); /* a signal may come before the wait */
        join(thread);
        EXPECT(BB_E_INTERRUPTED, s.w.status);
        OK(bb_manager_commit_back(s.m, &s.back, 0)); /* nothing is lost */
        if (kind == CLOSE) {
            OK(bb_manager_close(s.m, BB_FOREVER));
        } else {
            OK(bb_manager_synchronize(s.m, BB_FOREVER));
        }
        TEST_ASSERT_EQUAL_UINT32(1, get_u32(s.m, 0));
        end(&s);
    }
}

/* A flush that outlasts each call: the calls that follow wait for the same publish, so that they come to an end. */
static void a_call_that_ended_early_goes_on(void) {
    const struct {
        uint64_t timeout;
        bb_status early;
        bool closes;
    } calls[] = {{BB_MS(1), BB_E_TIMEOUT, false},
                 {0, BB_E_TIMEOUT, false},
                 {BB_FOREVER, BB_E_INTERRUPTED, false},
                 {BB_MS(1), BB_E_TIMEOUT, true}};
    for (size_t i = 0; i < LENGTH(calls); i++) {
        gate g = {.shut = true};
        bb_manager_config config = defaults("early");
        config.flush = gate_flush;
        config.flush_user_data = &g;
        config.watchdog_ns = 0;
        bb_manager *m = make_u32(8, &config);
        OK(put_u32(m, 0, 1, 0));
        OK(bb_set_wait_check(calls[i].early == BB_E_INTERRUPTED ? end_the_wait : NULL, NULL, NULL));
        int early = 0;
        while (early++ < 5) {
            bb_status (*call)(bb_manager *, uint64_t) = calls[i].closes ? bb_manager_close : bb_manager_synchronize;
            EXPECT(calls[i].early, call(m, calls[i].timeout));
            EVENTUALLY(atomic_load(&g.entered) == 1);
        }
        OK(bb_set_wait_check(NULL, NULL, NULL));
        atomic_store(&g.shut, false);
        OK(calls[i].closes ? bb_manager_close(m, BB_FOREVER) : bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_INT(1, atomic_load(&g.calls)); /* a new publish would have flushed again */
        if (!calls[i].closes) {
            OK(bb_manager_synchronize(m, BB_FOREVER));
            TEST_ASSERT_EQUAL_INT(2, atomic_load(&g.calls)); /* and a new call is a new publish */
        }
        OK(bb_manager_destroy(m));
    }
}

/* ... but not where something was accepted in between, which the publish does not have. */
static void a_call_after_an_update_is_a_new_one(void) {
    for (int task = 0; task < 2; task++) {
        gate g = {.shut = true};
        bb_manager_config config = defaults("new");
        config.flush = gate_flush;
        config.flush_user_data = &g;
        bb_manager *m = make_u32(8, &config);
        bb_task *begun = NULL;
        OK(put_u32(m, 0, 1, 0));
        EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(m, 0));
        EVENTUALLY(atomic_load(&g.entered) == 1);
        if (task == 1) {
            OK(bb_task_begin(m, "upload", &begun));
        } else {
            OK(put_u32(m, 0, 2, 0));
        }
        atomic_store(&g.shut, false);
        if (task == 1) {
            EXPECT(BB_E_TIMEOUT, bb_manager_synchronize(m, BB_MS(1)));
            OK(bb_task_end(begun));
        }
        OK(bb_manager_synchronize(m, BB_FOREVER));
        TEST_ASSERT_EQUAL_INT(2, atomic_load(&g.calls));
        TEST_ASSERT_EQUAL_UINT32(task == 1 ? 1 : 2, get_u32(m, 0));
        OK(bb_manager_destroy(m));
    }
}

static void a_signal_does_not_lengthen_a_timeout(void) {
    bb_manager *m = make_u32(8, NULL);
    const struct timespec every = {.tv_nsec = 1000000};
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    TEST_ASSERT_EQUAL_INT(0, timer_create(CLOCK_MONOTONIC, &event, &timer));
    TEST_ASSERT_EQUAL_INT(0, timer_settime(timer, 0, &(struct itimerspec){every, every}, NULL));
    EXPECT(BB_E_TIMEOUT, bb_manager_wait_epoch(m, 1000, BB_MS(50), &(uint64_t){0})); /* a restart would never end */
    TEST_ASSERT_EQUAL_INT(0, timer_delete(timer));
    OK(bb_manager_destroy(m));
}

/* Threads beside the calling one, by SigBlk in /proc; -1 if one of them takes signals. */
static int threads_that_block_all_signals(void) {
    const int all[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGHUP, SIGPIPE};
    int threads = 0;
    DIR *tasks = opendir("/proc/self/task");
    TEST_ASSERT_NOT_NULL(tasks);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char path[300], line[256];
        if (entry->d_name[0] == '.' || strtol(entry->d_name, NULL, 10) == gettid()) {
            continue;
        }
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        FILE *status = fopen(path, "r");
        while (status != NULL && fgets(line, sizeof line, status) != NULL) {
            uint64_t blocked = 0;
            if (sscanf(line, "SigBlk: %" SCNx64, &blocked) == 1) {
                for (size_t i = 0; threads >= 0 && i < LENGTH(all); i++) {
                    threads = (blocked >> (all[i] - 1) & 1) == 1 ? threads : -1;
                }
                threads = threads < 0 ? threads : threads + 1;
            }
        }
        if (status != NULL) { /* else it has ended meanwhile */
            (void)fclose(status);
        }
    }
    (void)closedir(tasks);
    return threads;
}

static void the_worker_blocks_all_signals(void) {
    bb_manager *m = make_u32(8, NULL);
    EVENTUALLY(threads_that_block_all_signals() == 1); /* threads of earlier tests may still be ending */
    sigset_t mine;
    TEST_ASSERT_EQUAL_INT(0, pthread_sigmask(SIG_SETMASK, NULL, &mine));
    TEST_ASSERT_EQUAL_INT(0, sigismember(&mine, SIGUSR2)); /* the creator's mask is as it was */
    OK(bb_manager_destroy(m));
}

int main(void) {
    struct sigaction action = {.sa_handler = take}; /* no SA_RESTART */
    (void)sigaction(SIGUSR1, &action, NULL);
    UNITY_BEGIN();
    RUN_TEST(waits_are_immune_to_signals);
    RUN_TEST(a_thread_that_asks_is_interrupted);
    RUN_TEST(a_call_that_ended_early_goes_on);
    RUN_TEST(a_call_after_an_update_is_a_new_one);
    RUN_TEST(a_signal_does_not_lengthen_a_timeout);
    RUN_TEST(the_worker_blocks_all_signals);
    return UNITY_END();
}
