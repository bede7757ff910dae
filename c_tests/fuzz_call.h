/* One random call: its handles, its arguments, and what is checked after it. A refused call has a message and has written
 * nothing; an accepted one has written its outputs and not a byte beyond them. The last calls are kept for the report of a
 * failure. */
#ifndef BACKBUF_TEST_FUZZ_CALL_H
#define BACKBUF_TEST_FUZZ_CALL_H
#include "fuzz_values.h"

enum { CALLERS = 3, TRACE = 24 };

/* --- handles that calls have written --- */

typedef struct pool {
    void *live[64], *stale[256];
    unsigned lives, stales;
} pool;

static pool pools[KINDS];
static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER;

static void keep_handle(unsigned kind, void *handle) {
    (void)pthread_mutex_lock(&pools_lock);
    pool *const p = &pools[kind];
    if (p->lives < LENGTH(p->live)) {
        p->live[p->lives++] = handle;
        handle = NULL;
    }
    (void)pthread_mutex_unlock(&pools_lock);
    if (handle != NULL) {
        (void)kinds[kind].end(handle);
    }
}

/* One that is live, as far as anyone knows; one that has ended is moved to the stale ones. */
static void *live_handle(caller *c, unsigned kind) {
    (void)pthread_mutex_lock(&pools_lock);
    pool *const p = &pools[kind];
    void *found = NULL;
    while (found == NULL && p->lives != 0) {
        const unsigned at = (unsigned)random_between(&c->random, 0, p->lives - 1);
        found = p->live[at];
        if (bb_handle_check(found) != BB_OK) {
            p->live[at] = p->live[--p->lives];
            p->stale[p->stales++ % LENGTH(p->stale)] = found;
            found = NULL;
        }
    }
    (void)pthread_mutex_unlock(&pools_lock);
    return found;
}

static void *stale_handle(caller *c, unsigned kind) {
    (void)pthread_mutex_lock(&pools_lock);
    const pool *const p = &pools[kind];
    const unsigned count = p->stales < LENGTH(p->stale) ? p->stales : LENGTH(p->stale);
    void *const found = count == 0 ? NULL : p->stale[random_between(&c->random, 0, count - 1)];
    (void)pthread_mutex_unlock(&pools_lock);
    return found;
}

static unsigned lives(unsigned kind) {
    (void)pthread_mutex_lock(&pools_lock);
    const unsigned count = pools[kind].lives;
    (void)pthread_mutex_unlock(&pools_lock);
    return count;
}

static uint64_t handle_value(caller *c, unsigned kind) {
    void *handle = live_handle(c, kind);
    const uint64_t dice = random_between(&c->random, 0, 199);
    if (dice < 4) {
        handle = stale_handle(c, kind);
    } else if (dice < 8) {
        handle = live_handle(c, (unsigned)random_between(&c->random, 0, KINDS - 1));
    } else if (dice < 10) {
        handle = NULL;
    } else if (dice < 12) {
        handle = (void *)(uintptr_t)((uintptr_t)handle ^ (uintptr_t)1 << random_between(&c->random, 0, 63));
    } else if (dice < 13) {
        handle = (void *)(uintptr_t)(chance(c, 50) ? next_random(&c->random) : edge(c));
    } else if (dice < 14) {
        handle = readable;
    }
    return (uint64_t)(uintptr_t)handle;
}

/* --- the last calls, for the report of a failure --- */

static struct {
    atomic_ullong calls[FUNCTIONS], successes[FUNCTIONS];
} coverage;

typedef struct trace {
    struct {
        unsigned function;
        bb_status status;
        uint64_t arguments[MOST_PARAMETERS];
    } entries[TRACE];
    unsigned next;
} trace;

static trace traces[CALLERS + 1];
static uint64_t run_seed;
static atomic_bool failed;

static void print_traces(void) {
    (void)fprintf(stderr, "repeat it by BACKBUF_FUZZ_SEED=%" PRIu64 "; the last calls:\n", run_seed);
    for (unsigned t = 0; t < LENGTH(traces); t++) {
        const unsigned end = traces[t].next;
        for (unsigned i = end < TRACE ? 0 : end - TRACE; i < end; i++) {
            const unsigned function = traces[t].entries[i % TRACE].function;
            (void)fprintf(stderr, "  thread %u: %s(", t, functions[function].name);
            for (unsigned a = 0; a < functions[function].count; a++) {
                (void)fprintf(stderr, "%s%#" PRIx64, a == 0 ? "" : ", ", traces[t].entries[i % TRACE].arguments[a]);
            }
            (void)fprintf(stderr, ") = %.24s\n",
                          traces[t].entries[i % TRACE].status > 0
                              ? "has not returned"
                              : bb_status_string(traces[t].entries[i % TRACE].status));
        }
    }
}

static void on_crash(int number) {
    (void)signal(number, SIG_DFL);
    (void)fprintf(stderr, "signal %d\n", number);
    print_traces();
    (void)raise(number);
}

/* Ends the episode. BACKBUF_FUZZ_GO_ON=1 goes on, to see all faults at once. */
static void fail(const char *function, const char *what) {
    (void)fprintf(stderr, "fault with seed %" PRIu64 ": %s: %s; last error: %s\n", run_seed, function, what,
                  bb_last_error());
    if (getenv("BACKBUF_FUZZ_GO_ON") == NULL && !atomic_exchange(&failed, true)) {
        print_traces();
    }
}

/* --- one call --- */

enum { CANARY = 0xa5 };

static int nowhere; /* a descriptor that takes every text */

static unsigned char *slot(caller *c, unsigned parameter) { return c->slots + (size_t)parameter * SLOT; }

static bool is_output(api_what what) {
    return what == NEW_HANDLE || what == STRUCT_OUT || what == STRUCT_STATE || what == NUMBER_OUT || what == TEXT_OUT ||
           what == ROOM;
}

/* What the memory of an output holds before the call: a state is zeros behind its first member, which is for the caller. */
static unsigned char before(const api_parameter *p, size_t at) {
    return p->what == STRUCT_STATE && at >= 8 && at < p->size ? 0 : CANARY;
}

static bool is_untouched(const api_parameter *p, const unsigned char *memory, size_t from) {
    for (size_t i = from; i < SLOT; i++) {
        if (memory[i] != before(p, i)) {
            return false;
        }
    }
    return true;
}

static uint64_t argument(caller *c, const api_function *f, unsigned at) {
    const api_parameter *const p = &f->parameters[at];
    unsigned char *const memory = slot(c, at);
    if (is_output(p->what)) {
        for (size_t i = 0; i < SLOT; i++) {
            memory[i] = before(p, i);
        }
        return chance(c, 97) ? (uint64_t)(uintptr_t)memory : 0;
    }
    switch (p->what) {
    case HANDLE:
        return handle_value(c, p->of);
    case ANY_HANDLE:
        return handle_value(c, (unsigned)random_between(&c->random, 0, KINDS - 1));
    case HANDLES:
        for (unsigned i = 0; i < MOST_ITEMS; i++) {
            memcpy(memory + (size_t)8 * i, &(uint64_t){handle_value(c, p->of)}, 8);
        }
        return (uint64_t)(uintptr_t)memory;
    case STRUCT:
        if (chance(c, 5)) {
            return 0;
        }
        memset(memory, 0, SLOT);
        for (unsigned i = 0; i < (at + 1 < f->count && p[1].what == COUNT ? MOST_ITEMS : 1); i++) {
            fill_struct(c, f->name, p->of, memory + i * p->size);
        }
        return (uint64_t)(uintptr_t)memory;
    case TIMEOUT:
        return timeout_value(c);
    case NDIM:
        return chance(c, 98) ? random_between(&c->random, 0, 4) : ONE_OF(c, 16, 17, UINT32_MAX);
    case BYTES:
        if (chance(c, 15)) {
            return ONE_OF(c, RECORD_ENDS);
        }
        return chance(c, 95) ? random_between(&c->random, 0, chance(c, 80) ? 128 : SLOT)
                             : ONE_OF(c, UINT64_C(1) << 63, UINT64_MAX);
    case COUNT:
        return random_between(&c->random, 0, MOST_ITEMS);
    case CAPACITY:
        return chance(c, 70) ? SLOT - 64 : random_between(&c->random, 0, 64);
    case STRUCT_SIZE:
        return chance(c, 92) ? f->parameters[at + 1].size : ONE_OF(c, 0, 1, 4, 8, 16, SLOT, 1 << 17, UINT32_MAX);
    case TEXT:
        return text_value(c, p->name);
    case DATA:
        return chance(c, 98) ? (uint64_t)(uintptr_t)(readable + READABLE / 2) : 0;
    case COUNTS:
        return shape_value(c);
    case FUNCTION:
        if (strcmp(f->name, "bb_end_callbacks") == 0 || strcmp(f->name, "bb_begin_callbacks") == 0) {
            return chance(c, 90) ? (uint64_t)(uintptr_t)drop_of_no_call : 0; /* an end cannot be undone */
        }
        return function_value(c, f->name, p->name, p->type);
    case NUMBER:
        if (strcmp(p->name, "fd") == 0) {
            return ONE_OF(c, UINT32_MAX, 1 << 20, (uint64_t)nowhere);
        }
        if (strcmp(p->name, "size") == 0 && at != 0 && f->parameters[at - 1].what == NUMBER && chance(c, 50)) {
            return BB_WHOLE_SIZE; /* the rest after an offset */
        }
        return number_value(c, p->name, (unsigned)p->size);
    default:
        return 0;
    }
}

/* Arguments that follow from others. */
static void fit(caller *c, const api_function *f, uint64_t *a) {
    for (unsigned i = 0; i < f->count; i++) {
        const api_parameter *const p = &f->parameters[i];
        if (p->what == USER_DATA) {
            a[i] = (uint64_t)(uintptr_t)c->given;
        } else if (p->what == LENGTH) {
            a[i] = a[i - 1] == 0 ? 0 : strlen((const char *)(uintptr_t)a[i - 1]);
        } else if (p->what == CAPACITY && a[i - 1] == 0) {
            a[i] = 0;
        } else if ((p->what == BYTES || p->what == COUNT) && i != 0 && a[i] <= SLOT) {
            for (unsigned k = 0; k < f->count; k++) {
                const api_what what = f->parameters[k].what;
                const bool pointer =
                    what == DATA || what == ROOM || what == STRUCT || what == STRUCT_OUT || what == HANDLES;
                a[i] = pointer && a[k] == 0 && chance(c, 50) ? 0 : a[i];
            }
        } else if (c->alone ? false : strcmp(p->name, "flags") == 0 && strstr(f->name, "device_create") != NULL) {
            a[i] &= ~(uint64_t)BB_DEVICE_HOST_DRIVEN; /* its owner must not wait for another owner */
        } else if (strcmp(f->name, "bb_device_create_gl") == 0 && p->what == NUMBER) {
            a[i] |= 2; /* a device of the test's own is enough */
        }
    }
}

/* Uses the memory that a call has lent; only where no other thread can end the loan meanwhile. */
static void use_memory(const api_struct *s, const unsigned char *written) {
    uint64_t bytes = 0, data = 0;
    bool constant = true;
    for (unsigned i = 0; i < s->count; i++) {
        if (strcmp(s->members[i].name, "bytes") == 0) {
            memcpy(&bytes, written + s->members[i].offset, 8);
        } else if (strcmp(s->members[i].name, "data") == 0) {
            memcpy(&data, written + s->members[i].offset, 8);
            constant = s->members[i].what == DATA || strcmp(s->name, "bb_mapping") == 0;
        }
    }
    unsigned char *const memory = (unsigned char *)(uintptr_t)data;
    if (memory == NULL || bytes == 0) {
        return;
    }
    volatile unsigned char sink = 0;
    if (constant) {
        sink = memory[0] ^ memory[bytes - 1];
    } else {
        memset(memory, 0x5a, bytes < 65536 ? bytes : 65536);
        memory[bytes - 1] = 1;
    }
    (void)sink;
}

static void keep_struct(caller *c, const api_parameter *p, const unsigned char *written, uint64_t size) {
    const api_struct *const s = &structs[p->of];
    for (unsigned i = 0; i < s->count; i++) {
        if (strcmp(s->members[i].type, "bb_lease *") == 0) {
            void *lease = NULL;
            memcpy(&lease, written + s->members[i].offset, 8);
            keep_handle(KIND_lease, lease);
        }
    }
    if (size == s->size && s->size <= sizeof c->saved[0][0]) {
        memcpy(c->saved[p->of][c->saves[p->of]++ % 4], written, s->size);
    }
}

static void take_outputs(caller *c, const api_function *f, const uint64_t *a) {
    uint64_t items = 1;
    for (unsigned i = 0; i < f->count; i++) {
        const api_parameter *const p = &f->parameters[i];
        const unsigned char *const memory = slot(c, i);
        if (!is_output(p->what) || a[i] == 0) {
            continue;
        }
        uint64_t value = 0, written = p->size;
        if (p->what == STRUCT_OUT) {
            if (i != 0 && f->parameters[i - 1].what == STRUCT_SIZE) {
                written = a[i - 1];
            } else if (f->parameters[f->count - 1].what == NUMBER_OUT && strcmp(p->name, "chunks") == 0) {
                memcpy(&items, slot(c, f->count - 1), a[f->count - 1] == 0 ? 0 : 8);
                written = items * p->size;
            } else if (strcmp(p->name, "ranges") == 0) {
                for (unsigned k = i; k < f->count; k++) {
                    if (strcmp(f->parameters[k].name, "count") == 0) {
                        memcpy(&items, slot(c, k), 8);
                    }
                }
                written = items * p->size;
            }
            for (uint64_t k = 0; k < items && written >= p->size; k++) {
                if (c->alone) {
                    use_memory(&structs[p->of], memory + k * p->size);
                }
                keep_struct(c, p, memory + k * p->size, items == 1 ? written : p->size);
            }
        } else if (p->what == TEXT_OUT) {
            written = 0;
            for (unsigned k = i + 1; k < f->count; k++) {
                written = f->parameters[k].what == CAPACITY ? a[k] : written;
            }
            if (strcmp(f->name, "bb_registry_json") == 0 && written == SLOT - 64) {
                memcpy(slot(c, MOST_PARAMETERS), memory, SLOT);
            }
        } else if (p->what == ROOM) {
            written = a[i + 1];
        } else if (strcmp(p->name, "offsets") == 0) {
            for (unsigned k = 0; k < i; k++) {
                written = strcmp(f->parameters[k].name, "count") == 0 ? a[k] * p->size : written;
            }
        } else if (p->what != STRUCT_STATE) {
            memcpy(&value, memory, p->size);
            if (p->what == NEW_HANDLE) {
                keep_handle(p->of, (void *)(uintptr_t)value);
                if (c->alone && bb_handle_check((void *)(uintptr_t)value) != BB_OK) {
                    fail(f->name, "the handle that it wrote is no live one");
                }
            } else {
                c->numbers[next_random(&c->random) % SAVED] = value;
            }
        }
        if (written < SLOT && !is_untouched(p, memory, written)) {
            fail(f->name, "wrote beyond its output");
        }
    }
}

static bool is_quiet(const api_function *f, bb_status status) {
    if (strcmp(f->name, "bb_handle_check") == 0) {
        return true;
    }
    const bool flow = status == BB_E_FULL || status == BB_E_EMPTY || status == BB_E_TIMEOUT || status == BB_E_CLOSED ||
                      status == BB_E_INTERRUPTED;
    return flow &&
           (has_prefix(f->name, "bb_sender") || has_prefix(f->name, "bb_receiver") || has_prefix(f->name, "bb_stream"));
}

static void check_refusal(caller *c, const api_function *f, const uint64_t *a, bb_status status) {
    char text[96];
    if (!is_quiet(f, status) && (!has_prefix(bb_last_error(), f->name) || bb_last_error()[strlen(f->name)] != ':')) {
        (void)snprintf(text, sizeof text, "%.40s without a message of its own", bb_status_string(status));
        fail(f->name, text);
    }
    for (unsigned i = 0; i < f->count; i++) {
        const api_parameter *const p = &f->parameters[i];
        const bool polled = p->what == STRUCT_STATE &&
                            (status == BB_E_TIMEOUT || status == BB_E_PINNED || status == BB_E_STALLED ||
                             status == BB_E_BACKEND || status == BB_E_DEVICE_LOST || status == BB_E_OUT_OF_MEMORY);
        const bool reports = strcmp(p->name, "sent") == 0 || strcmp(p->name, "got") == 0 || p->what == ROOM || polled;
        if (is_output(p->what) && a[i] != 0 && !reports && !is_untouched(p, slot(c, i), 0)) {
            (void)snprintf(text, sizeof text, "refused by %.30s, and wrote %s", bb_status_string(status), p->name);
            fail(f->name, text);
        }
    }
}

static void call(caller *c, unsigned number) {
    const api_function *const f = &functions[number];
    uint64_t a[MOST_PARAMETERS] = {0};
    c->given = NULL;
    for (unsigned i = 0; i < f->count; i++) {
        a[i] = argument(c, f, i);
    }
    fit(c, f, a);
    trace *const t = &traces[c->number];
    const unsigned entry = t->next++ % TRACE;
    t->entries[entry].function = number;
    t->entries[entry].status = 1;
    memcpy(t->entries[entry].arguments, a, sizeof a);

    const bb_status status = f->call(a);

    t->entries[entry].status = status;
    (void)atomic_fetch_add(&progress, 1);
    (void)atomic_fetch_add(&coverage.calls[number], 1);
    if (c->given != NULL) {
        atomic_store(&c->given->fate, status == BB_OK ? ACCEPTED : REFUSED);
    }
    if (status == BB_OK) {
        (void)atomic_fetch_add(&coverage.successes[number], 1);
        take_outputs(c, f, a);
    } else {
        check_refusal(c, f, a, status);
        if (c->given != NULL && atomic_load(&c->given->drops) != 0) {
            fail(f->name, "refused, and released the user data");
        }
    }
}

#endif
