/* Random calls of every function of the header, with handles and values that are right, wrong, stale or forged. A refused call
 * has a message and has written nothing; as in every test, its status is one that the header lists. After each episode all user
 * data has been released exactly once, and nothing is left. BACKBUF_FUZZ_SEED repeats a run; BACKBUF_TEST_DEVICE=gl adds a device
 * on OpenGL. */
#include "fuzz_call.h"
#include <fcntl.h>

enum { CALLS_OF_AN_EPISODE = 400 };

/* --- calls from callbacks --- */

static atomic_bool calls_from_callbacks;
static _Thread_local bool inside;

/* Calls that callbacks of any kind may make, whatever they are about. */
static bool may_be_nested(const api_function *f) {
    static const char *const allowed[] = {"bb_manager_enqueue_update", "bb_manager_acquire_front", "bb_manager_epoch",
                                          "bb_lease_release",          "bb_buffer_destroy",        "bb_buffer_release",
                                          "bb_buffer_unmap",           "bb_buffer_info",           "bb_request_poll",
                                          "bb_manager_synchronize",    "bb_batch_update"};
    for (size_t i = 0; i < LENGTH(allowed); i++) {
        if (has_prefix(f->name, allowed[i])) {
            return true;
        }
    }
    return false;
}

static void inside_of_a_callback(void) {
    static atomic_ullong number;
    if (!atomic_load(&calls_from_callbacks) || inside) {
        return;
    }
    const uint64_t seed = atomic_fetch_add(&number, 1);
    unsigned char *const memory = malloc((size_t)(MOST_PARAMETERS + 1) * SLOT);
    caller *const c = calloc(1, sizeof *c);
    if (memory != NULL && c != NULL && seed % 4 == 0) {
        memory[(size_t)MOST_PARAMETERS * SLOT] = '\0';
        c->slots = memory, c->random = run_seed ^ (seed + 1) * UINT64_C(0x9e3779b97f4a7c15), c->number = CALLERS;
        unsigned function = 0;
        do {
            function = (unsigned)random_between(&c->random, 0, FUNCTIONS - 1);
        } while (!may_be_nested(&functions[function]));
        inside = true;
        call(c, function);
        inside = false;
    }
    free(memory);
    free(c);
}

/* --- episodes --- */

static bool has_device_on_gl(void) { return is_wanted("gl"); }

static unsigned most_lives(unsigned kind) {
    return kind == KIND_manager || kind == KIND_device ? 4 : kind == KIND_lease ? 12 : 8;
}

/* The next function: any, but rather one whose object is there, and not one more of what there is enough of. */
static unsigned next_function(caller *c) {
    unsigned found = (unsigned)random_between(&c->random, 0, FUNCTIONS - 1);
    /* Some handles rarely live: a function that has not been called yet has its turn in any case. */
    if (chance(c, 5) && atomic_load(&coverage.calls[found]) == 0) {
        return found;
    }
    for (unsigned tries = 0; tries < 8; tries++) {
        found = (unsigned)random_between(&c->random, 0, FUNCTIONS - 1);
        const api_function *const f = &functions[found];
        bool sensible = true;
        for (unsigned i = 0; i < f->count; i++) {
            const api_parameter *const p = &f->parameters[i];
            sensible &= p->what != HANDLE || lives(p->of) != 0 || chance(c, 3);
            if (p->what == NEW_HANDLE && lives(p->of) >= most_lives(p->of)) {
                sensible = false;
                for (unsigned k = 0; k < FUNCTIONS; k++) {
                    if (strcmp(functions[k].name, kinds[p->of].end_name) == 0) {
                        return k;
                    }
                }
            }
        }
        if (f->count == 1 && f->parameters[0].what == HANDLE &&
            (has_suffix(f->name, "_destroy") || has_suffix(f->name, "_close") || has_suffix(f->name, "_release"))) {
            sensible &= chance(c, f->parameters[0].of == KIND_lease ? 50 : 15);
        }
        if (sensible) {
            break;
        }
    }
    return found;
}

typedef struct work {
    unsigned number;
    uint64_t seed;
    uint64_t calls;
    bool alone;
    atomic_int *finished;
} work;

static void *make_calls(void *argument_) {
    const work *const w = argument_;
    unsigned char *const memory = malloc((size_t)(MOST_PARAMETERS + 1) * SLOT);
    caller *const c = calloc(1, sizeof *c);
    if (THREAD_CHECK(memory != NULL && c != NULL)) {
        memory[(size_t)MOST_PARAMETERS * SLOT] = '\0';
        c->slots = memory, c->number = w->number, c->random = w->seed | 1, c->alone = w->alone;
        for (unsigned i = 0; i < 4; i++) {
            (void)next_random(&c->random);
        }
        for (uint64_t i = 0; i < w->calls && !atomic_load(&failed); i++) {
            call(c, next_function(c));
        }
        (void)bb_set_wait_flags(0);
        (void)bb_set_wait_check(NULL, NULL, NULL);
        (void)bb_set_wait_policy(BB_WAIT_POLICY_ADAPTIVE, BB_WAIT_MAX_SPIN_NS);
    }
    free(c);
    free(memory);
    atomic_fetch_add(w->finished, 1);
    return NULL;
}

/* The memory of a span outlives its end of the ring until it is given back. */
static void end_spans(void) {
    for (unsigned i = 0; i < LENGTH(pools[0].stale); i++) {
        (void)bb_sender_commit(pools[KIND_sender].stale[i], 0);
        (void)bb_receiver_consume(pools[KIND_receiver].stale[i], 0);
    }
}

static void end_one(unsigned kind) {
    pool *const p = &pools[kind];
    (void)pthread_mutex_lock(&pools_lock); /* callbacks may still keep more */
    void *const handle = p->live[--p->lives];
    p->stale[p->stales++ % LENGTH(p->stale)] = handle;
    (void)pthread_mutex_unlock(&pools_lock);
    (void)kinds[kind].end(handle);
    (void)atomic_fetch_add(&progress, 1);
    if (bb_handle_check(handle) != BB_E_STALE) {
        fail(kinds[kind].end_name, "its handle has not ended");
    }
}

/* In any order, except that a receiver is busy while it feeds a manager. */
static void end_handles(uint64_t *random) {
    while (lives(KIND_feed) != 0) {
        end_one(KIND_feed);
    }
    bool any = true;
    while (any) {
        any = false;
        for (unsigned kind = 0; kind < KINDS; kind++) {
            any |= lives(kind) != 0;
            while (lives(kind) != 0 && (next_random(random) & 1) != 0) {
                end_one(kind);
            }
        }
    }
}

static bool is_settled(const cell *c) {
    const int fate = atomic_load(&c->fate);
    return fate != ACCEPTED || !c->dropped || atomic_load(&c->drops) != 0;
}

static void check_user_data(void) {
    const unsigned used = atomic_load(&used_cells) < CELLS ? atomic_load(&used_cells) : CELLS;
    for (unsigned i = 0; i < used; i++) {
        const cell *const c = &cells[i];
        const uint64_t deadline = now_ns() + BB_SEC(HANG_SECONDS);
        while (!is_settled(c) && now_ns() < deadline) {
            nap(); /* the library's own threads release it */
        }
        const int wanted = atomic_load(&c->fate) == ACCEPTED && c->dropped ? 1 : 0;
        if (atomic_load(&c->drops) != wanted || atomic_load(&c->late) != 0) {
            char what[96];
            (void)snprintf(what, sizeof what, "%s user data was released %d times, used after that %d times",
                           atomic_load(&c->fate) == ACCEPTED ? "accepted" : "refused", atomic_load(&c->drops),
                           atomic_load(&c->late));
            fail(c->function, what);
        }
    }
    atomic_store(&used_cells, 0);
}

static void episode(uint64_t seed, unsigned callers, bool nests) {
    static text dump;
    run_seed = seed;
    atomic_store(&calls_from_callbacks, nests);
    memset(pools, 0, sizeof pools);
    memset(traces, 0, sizeof traces);
    if (has_device_on_gl()) {
        keep_handle(KIND_device, device_beside(&on.context, "fuzz"));
    }
    atomic_int finished = 0;
    work works[CALLERS];
    pthread_t threads[CALLERS];
    for (unsigned i = 0; i < callers; i++) {
        works[i] =
            (work){i, seed + i * UINT64_C(0x9e3779b97f4a7c15), CALLS_OF_AN_EPISODE, callers == 1 && !nests, &finished};
    }
    if (callers == 1) {
        (void)make_calls(&works[0]); /* on the thread whose context is current */
    } else {
        for (unsigned i = 0; i < callers; i++) {
            threads[i] = start(make_calls, &works[i]);
        }
        watch_until(&finished, (int)callers);
        for (unsigned i = 0; i < callers; i++) {
            join(threads[i]);
        }
    }
    uint64_t random = seed | 1;
    end_handles(&random);
    (void)bb_set_log(BB_LOG_OFF, NULL, NULL, NULL);
    atomic_store(&calls_from_callbacks, false);
    end_handles(&random); /* what callbacks have made meanwhile */
    end_spans();
    check_user_data();
    const uint64_t deadline = now_ns() + BB_SEC(HANG_SECONDS);
    do {
        dump.length = 0;
        OK(bb_debug_dump(text_write, &dump));
    } while (dump.length != 0 && now_ns() < deadline); /* the library's own threads may be on their way out */
    if (dump.length != 0) {
        fail("bb_debug_dump", dump.bytes);
    }
    if (atomic_exchange(&failed, false)) {
        TEST_FAIL_MESSAGE("random calls found a fault (above)");
    }
}

static uint64_t first_seed(uint64_t usual_seed) {
    const char *wanted = getenv("BACKBUF_FUZZ_SEED");
    return wanted == NULL ? usual_seed : strtoull(wanted, NULL, 0);
}

/* Every other episode is always the same, the rest are new ones each time. The long form runs for BACKBUF_SOAK seconds. */
static void episodes(uint64_t in_short, unsigned callers, bool nests) {
    const char *const seconds = getenv("BACKBUF_SOAK");
    const bool once = getenv("BACKBUF_FUZZ_SEED") != NULL;
    const uint64_t from = now_ns();
    const uint64_t end = from + (seconds == NULL ? 0 : BB_SEC(strtoull(seconds, NULL, 10)) / 3);
    const uint64_t count = once ? 1 : (uint64_t)rounds((int)in_short);
    for (uint64_t i = 0; i < count || (!once && now_ns() < end); i++) {
        alarm(5 * HANG_SECONDS);
        episode(first_seed(i % 2 == 0 ? 1 + i : from + i), callers, nests);
    }
}

static void calls_of_one_thread(void) { episodes(40, 1, false); }
static void calls_of_one_thread_and_of_callbacks(void) { episodes(20, 1, true); }
static void calls_of_several_threads(void) { episodes(20, CALLERS, true); }

static void every_function_was_called(void) {
    unsigned never = 0;
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        if (atomic_load(&coverage.calls[i]) == 0) {
            (void)fprintf(stderr, "never called: %s\n", functions[i].name);
            never++;
        } else if (atomic_load(&coverage.successes[i]) == 0) {
            printf("never succeeded in %llu calls: %s\n", atomic_load(&coverage.calls[i]), functions[i].name);
        }
    }
    printf("%llu calls of %d functions\n", atomic_load(&progress), (int)FUNCTIONS);
    TEST_ASSERT_EQUAL_UINT(0, never);
}

int main(void) {
    (void)signal(SIGSEGV, on_crash);
    (void)signal(SIGBUS, on_crash);
    (void)signal(SIGALRM, on_crash);
    (void)signal(SIGABRT, on_crash);
    fill_readable();
    nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (has_device_on_gl()) {
        on.context = gl_open();
    }
    UNITY_BEGIN();
    RUN_TEST(calls_of_one_thread);
    RUN_TEST(calls_of_one_thread_and_of_callbacks);
    RUN_TEST(calls_of_several_threads);
    if (getenv("BACKBUF_FUZZ_SEED") == NULL && !under_valgrind()) {
        RUN_TEST(every_function_was_called);
    }
    return UNITY_END();
}
