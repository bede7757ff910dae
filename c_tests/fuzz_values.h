/* Values for random calls: numbers, texts, structs and callbacks. Memory that a pointer leads to is always there and long
 * enough, as the library may trust; everything else may be wrong. */
#ifndef BACKBUF_TEST_FUZZ_VALUES_H
#define BACKBUF_TEST_FUZZ_VALUES_H
#include "api.h"
#include "fuzz_driver.h"

enum {
    MOST_ELEMENTS = 4096, /* of a state */
    MOST_ITEMS = 8,       /* of an array of structs or handles */
    SLOT = 8192,          /* bytes for one argument */
    AXES = 32,            /* numbers behind a pointer to numbers */
    READABLE = 1 << 20,   /* bytes that may be read; strides lead both ways from their middle */
    SAVED = 16,           /* outputs that later calls give back */
};

static unsigned char readable[READABLE];

/* Ends of the records of a feed where data of calls begins. */
#define RECORD_ENDS 32, 72, 96, 152

/* Any bytes, and in their middle records: a write, a fill, a tag, and a batch of a write. */
static void fill_readable(void) {
    static const struct {
        uint32_t type;
        uint64_t bytes;
    } records[] = {{BB_FEED_WRITE, 8}, {BB_FEED_FILL, 16}, {BB_FEED_TAG, 0}, {BB_FEED_BATCH, 32}, {BB_FEED_WRITE, 8}};
    for (size_t i = 0; i < READABLE; i++) {
        readable[i] = (unsigned char)i;
    }
    unsigned char *to = readable + READABLE / 2;
    for (size_t i = 0; i < LENGTH(records); i++) {
        bb_feed_record header;
        uint64_t size = 0;
        if (bb_feed_record_init(records[i].type, 0, 0, records[i].bytes, &header, &size) != BB_OK) {
            abort();
        }
        memcpy(to, &header, sizeof header);
        if (records[i].type == BB_FEED_FILL) {
            memcpy(to + sizeof header, &(uint64_t){1}, 8);
        }
        to += records[i].type == BB_FEED_BATCH ? sizeof header : size;
    }
}

/* --- user data: what a call gave to the library, and what became of it --- */

enum { PENDING, ACCEPTED, REFUSED };

typedef struct cell {
    const char *function;
    atomic_int calls, drops, late;
    atomic_int fate;
    bool dropped; /* it was given with a function that releases it */
} cell;

enum { CELLS = 1 << 14 };
static cell cells[CELLS];
static atomic_uint used_cells;

/* One for each call that keeps user data. Where there are none left, a call goes without a callback. */
static cell *new_cell(const char *function) {
    const unsigned at = atomic_fetch_add(&used_cells, 1);
    if (at >= CELLS) {
        return NULL;
    }
    memset(&cells[at], 0, sizeof cells[at]);
    cells[at].function = function;
    return &cells[at];
}

static void cell_called(void *user_data) {
    cell *const c = user_data;
    if (c != NULL) {
        atomic_fetch_add(&c->calls, 1);
        atomic_fetch_add(&c->late, atomic_load(&c->drops) != 0);
    }
}

static void cell_dropped(void *user_data) {
    if (user_data != NULL) {
        atomic_fetch_add(&((cell *)user_data)->drops, 1);
    }
}

/* The drop function of callbacks that no call gives. */
static void drop_of_no_call(void *user_data) {
    (void)user_data;
    atomic_fetch_add(&thread_failures, 1);
}

/* --- callbacks, one of each type; what they do besides is the driver's --- */

static void inside_of_a_callback(void);

static void on_log(uint32_t level, const char *part, const char *label, const char *text, void *user_data) {
    if (level > BB_LOG_DEBUG || strlen(part) > 64 || strlen(label) > 63 || strlen(text) > 4096) {
        atomic_fetch_add(&thread_failures, 1);
    }
    cell_called(user_data);
}
static void on_write(const char *text, uint64_t length, void *user_data) {
    (void)text, (void)length;
    cell_called(user_data);
}
static int32_t on_flush(void *user_data) {
    cell_called(user_data);
    inside_of_a_callback();
    return user_data != NULL && atomic_load(&((cell *)user_data)->calls) % 7 == 0;
}
static void on_kernel(void *back, const void *front, uint64_t count, void *user_data) {
    if (count != 0) {
        *(unsigned char *)back ^= *(const unsigned char *)front;
    }
    cell_called(user_data);
    inside_of_a_callback();
}
static void on_mapped(void *user_data, const bb_map_outcome *outcome) {
    (void)outcome;
    cell_called(user_data);
    inside_of_a_callback();
}
static void on_read(void *user_data, bb_status status, const void *data, uint64_t bytes) {
    (void)status, (void)data, (void)bytes;
    cell_called(user_data);
    inside_of_a_callback();
}
static int32_t on_cancelled(void *user_data) {
    cell_called(user_data);
    return user_data != NULL && atomic_load(&((cell *)user_data)->calls) > 100;
}
/* Lets most waits go on, and ends some. */
static int32_t on_wait(void *user_data) {
    cell_called(user_data);
    return user_data != NULL && atomic_load(&((cell *)user_data)->calls) % 5 == 0;
}
static void *no_proc(const char *name) {
    (void)name;
    return NULL;
}

static uint64_t callback_of(const char *type) {
    static const struct {
        const char *type;
        uintptr_t function;
    } callbacks[] = {
        {"bb_log_fn", (uintptr_t)on_log},
        {"bb_drop_fn", (uintptr_t)cell_dropped},
        {"bb_write_fn", (uintptr_t)on_write},
        {"bb_flush_fn", (uintptr_t)on_flush},
        {"bb_release_fn", (uintptr_t)cell_dropped},
        {"bb_kernel_fn", (uintptr_t)on_kernel},
        {"bb_map_callback.call", (uintptr_t)on_mapped},
        {"bb_read_callback.call", (uintptr_t)on_read},
        {"bb_cancelled_fn", (uintptr_t)on_cancelled},
        {"bb_wait_check_fn", (uintptr_t)on_wait},
        {"bb_gl_get_proc", (uintptr_t)no_proc},
    };
    for (size_t i = 0; i < LENGTH(callbacks); i++) {
        if (strcmp(type, callbacks[i].type) == 0) {
            return callbacks[i].function;
        }
    }
    const uint64_t function = driver_function(type);
    if (function != 0) {
        return function;
    }
    (void)fprintf(stderr, "no callback of the type %s: add one to callback_of()\n", type);
    abort();
}

/* --- one thread's source of values --- */

typedef struct caller {
    unsigned number;
    uint64_t random;
    bool alone;                          /* no other thread makes calls */
    cell *given;                         /* the user data of this call, NULL if there is none */
    unsigned char *slots;                /* MOST_PARAMETERS of SLOT bytes, for what arguments point to */
    uint64_t axes[MOST_ITEMS * 4][AXES]; /* numbers behind pointers in structs */
    unsigned used_axes;
    uint64_t numbers[SAVED];              /* what calls wrote: tickets, fences, epochs, names */
    unsigned char saved[STRUCTS][4][512]; /* structs that calls wrote and that others read */
    unsigned saves[STRUCTS];
} caller;

static bool chance(caller *c, unsigned in_percent) { return random_between(&c->random, 0, 99) < in_percent; }

static uint64_t one_of(caller *c, const uint64_t *values, size_t count) {
    return values[random_between(&c->random, 0, count - 1)];
}
#define ONE_OF(c, ...) one_of(c, (const uint64_t[]){__VA_ARGS__}, LENGTH(((const uint64_t[]){__VA_ARGS__})))

static uint64_t edge(caller *c) {
    const uint64_t near =
        ONE_OF(c, 0, 1, 8, UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 62, UINT64_C(1) << 63, UINT64_MAX);
    return near + random_between(&c->random, 0, 2) - 1;
}

/* Small enough to be had, or too large for any machine: never what a machine could just about hold. */
static uint64_t size_value(caller *c, unsigned bytes) {
    if (chance(c, 90)) {
        return chance(c, 50) ? ONE_OF(c, 0, 1, 4, 8, 16, 64, 256, 1024, 4096, 65536)
                             : random_between(&c->random, 0, 16384);
    }
    return bytes == 4 ? random_between(&c->random, 0, 64)
                      : ONE_OF(c, UINT64_C(1) << 50, UINT64_C(1) << 62, UINT64_C(1) << 63, UINT64_MAX - 7, UINT64_MAX);
}

static uint64_t timeout_value(caller *c) { return ONE_OF(c, 0, 0, 0, 1, 1000, 100000, BB_MS(1)); }

/* --- numbers by the names that the header gives them --- */

typedef struct named {
    const char *suffix;
    uint64_t values[12];
    unsigned count;
} named;

/* The usual values of numbers whose meaning is their own; others are sizes, offsets and counts. */
static const named usual[] = {
    {"copies", {2, 3, 4, 8, 0, 1, 9}, 7},
    {"history", {64, 0, 1, 4, 1024, 1025}, 6},
    {"field", {0, 0, 0, 1, 2, UINT32_MAX}, 6},
    {"space", {1, 2, 1, 2, 0, 3}, 6},
    {"queue_bytes", {64, 256, 4096, 65536, 1 << 20, 0}, 6},
    {"watchdog_ns", {1000, 100000, 1000000, 1000000000, 0}, 5},
    {"worker", {0, 0, 1, 2}, 4},
    {"worker_priority", {0, 0, 0, 5, 19, 20, 1000, 0xffffffff}, 8},
    {"worker_affinity", {0, 0, 0, 1, 3, UINT64_C(1) << 63}, 6},
    {"flags", {0, 0, 0, 1, 1, 2, 3, 4, 0xffffffff}, 9},
    {"reserved", {0, 0, 0, 0, 0, 0, 0, 0, 1}, 9},
    {"usage", {16 | 32, 16 | 32, 64 | 32, 64 | 32, 128 | 16, 128 | 16, 4 | 16, 1 | 32, 0, 511, 512}, 11},
    {"mode", {1, 2, 0, 3}, 4},
    {"when_full", {0, 1, 2, 3}, 4},
    {"policy", {0, 1, 2, 3}, 4},
    {"frames", {1, 2, 3, 16, 0, 17}, 6},
    {"pool_count", {0, 1, 2, 16, 64}, 5},
    {"pool_size", {64, 64, 100, 8192, 0, 63}, 6},
    {"record_type", {1, 2, 3, 4, 0, 5}, 6},
    {"location", {1, 2, 1, 2, 0, 3}, 6},
    {"precision", {9, 11, 12, 7, 8, 11, 11, 1, 99}, 9},
    {"persistent", {0, 1, 2}, 3},
    {"typed", {0, 1, 1, 2}, 4},
    {"bank_skew", {0, 1, 2}, 3},
    {"shared_per", {1, 2, 1, 2, 0, 3}, 6},
    {"begin", {0, 0, 1, 3, 7}, 5},
    {"end", {0, 0, 2, 5, 9, UINT64_MAX}, 6},
    {"parent", {1, 1, 1, 2, 2, 3, 99}, 7},
    {"child", {2, 3, 4, 5, 1}, 5},
    {"fields", {1, 2, 4, 8, 16, 32, 63, 0, 64}, 9},
    {"cc", {70, 75, 80, 86, 90, 120, 121, 0, 71}, 9},
    {"threads", {1, 2, 4, 32, 0}, 5},
    {"nodes", {0, 10, 1000}, 3},
    {"ndim", {0, 1, 1, 2, 2, 3, 4, 16, 17, 0xffffffff}, 10},
    {"budget_ns", {0, 1000, 1000000}, 3},
    {"level", {0, 1, 2, 3, 4, 5, 0xffffffff}, 7},
    {"status", {0, 0xffffffff, 0xfffffff0, 1, 0x80000000}, 5},
    {"dtype", {1, 2, 3, 4, 8, 11, 12, 13, 15, 0x80000001, 0x80000040, 0}, 12},
    {"fields", {1, 2, 4, 8, 16, 32, 63, 64, 0}, 9},
};

static uint64_t number_value(caller *c, const char *name, unsigned bytes) {
    if (has_suffix(name, "timeout_ns")) {
        return timeout_value(c);
    }
    for (size_t i = 0; i < LENGTH(usual); i++) {
        if (strcmp(name, usual[i].suffix) == 0 && chance(c, 97)) {
            return one_of(c, usual[i].values, usual[i].count);
        }
    }
    static const char *const written[] = {"ticket", "fence", "after", "number",     "tag",
                                          "index",  "token", "epoch", "since_epoch"};
    for (size_t i = 0; i < LENGTH(written); i++) {
        if (strcmp(name, written[i]) == 0) {
            return chance(c, 80) ? c->numbers[random_between(&c->random, 0, SAVED - 1)] : edge(c);
        }
    }
    if (strstr(name, "offset") != NULL || strcmp(name, "count") == 0 || strcmp(name, "min") == 0) {
        return chance(c, 85) ? 8 * random_between(&c->random, 0, chance(c, 70) ? 4 : 512) : edge(c);
    }
    return size_value(c, bytes);
}

static uint64_t text_value(caller *c, const char *name) {
    static const char *const names[] = {
        "a",        "b",
        "c",        "state",
        "velocity", "a.shared",
        "",         "\xff\xfe",
        "9lives",   "a name that is rather long, longer than sixty-three bytes, as labels are not"};
    static const char *const documents[] = {
        "", "{", "[]", "{\"groups\": []}",
        "{\"format\": \"backbuf.layout\", \"version\": 1, \"groups\": [{\"name\": \"a\", \"buffers\": []}]}"};
    const char *text = names[random_between(&c->random, 0, chance(c, 80) ? 4 : LENGTH(names) - 1)];
    if (strcmp(name, "json") == 0 || strcmp(name, "before") == 0 || strcmp(name, "after") == 0) {
        const char *written = (const char *)c->slots + (size_t)MOST_PARAMETERS * SLOT;
        text = chance(c, 70) ? written : documents[random_between(&c->random, 0, LENGTH(documents) - 1)];
    } else if (strcmp(name, "adapter") == 0) {
        text = "no such adapter";
    } else if (strcmp(name, "name") == 0 && chance(c, 5)) {
        text = "sm_90";
    } else if (chance(c, strcmp(name, "label") == 0 || strcmp(name, "aliases") == 0 ? 60 : 2)) {
        text = NULL;
    }
    return (uint64_t)(uintptr_t)text;
}

static uint64_t *axes_value(caller *c) {
    uint64_t *const axes = c->axes[c->used_axes++ % LENGTH(c->axes)];
    memset(axes, 0, sizeof c->axes[0]);
    return axes;
}

/* A shape of few elements, or of more than there is memory for. */
static uint64_t shape_value(caller *c) {
    uint64_t *const shape = axes_value(c);
    uint64_t elements = 1;
    for (unsigned i = 0; i < AXES; i++) {
        shape[i] = chance(c, 3) ? ONE_OF(c, 0, UINT64_C(1) << 50, UINT64_C(1) << 63, UINT64_MAX)
                                : ONE_OF(c, 1, 2, 3, 5, 8, 16, 64);
        if (shape[i] > MOST_ELEMENTS) {
            continue;
        }
        shape[i] = elements * shape[i] > MOST_ELEMENTS ? 1 : shape[i];
        elements *= shape[i] == 0 ? 1 : shape[i];
    }
    return chance(c, 97) ? (uint64_t)(uintptr_t)shape : 0;
}

/* --- structs --- */

/* A function of a struct or of parameters, with the user data that goes with it. */
static uint64_t function_value(caller *c, const char *function, const char *name, const char *type) {
    const bool drops = strcmp(type, "bb_drop_fn") == 0 || strcmp(type, "bb_release_fn") == 0;
    if (chance(c, drops || has_prefix(name, "flush") || strcmp(type, "bb_gl_get_proc") == 0 ? 40 : 3)) {
        return 0;
    }
    if (c->given == NULL) {
        c->given = new_cell(function);
    }
    if (c->given == NULL) {
        return 0;
    }
    c->given->dropped |= drops;
    return callback_of(type);
}

static uint64_t handle_value(caller *c, unsigned kind);

static uint64_t member_value(caller *c, const char *function, const api_member *m, uint64_t element) {
    switch (m->what) {
    case NUMBER:
        return number_value(c, m->name, m->size);
    case TEXT:
        return text_value(c, m->name);
    case DATA:
        return chance(c, 97) ? (uint64_t)(uintptr_t)(readable + READABLE / 2) : 0;
    case COUNTS:
    case STEPS: {
        if (strcmp(m->name, "shape") == 0) {
            return shape_value(c);
        }
        uint64_t *const axes = axes_value(c);
        const bool optional = m->what == STEPS;
        for (unsigned i = 0; i < AXES; i++) {
            axes[i] = strcmp(m->name, "strides") == 0 ? random_between(&c->random, 0, 2 * element) - element
                      : optional                      ? ONE_OF(c, 1, 1, 1, 2, UINT64_MAX, 0)
                                                      : ONE_OF(c, 0, 0, 1, 1, 2, 3, UINT64_MAX);
        }
        return chance(c, optional ? 30 : 98) ? (uint64_t)(uintptr_t)axes : 0;
    }
    case FUNCTION:
        return function_value(c, function, m->name, m->type);
    case POINTER:
        if (strcmp(m->type, "bb_device *") == 0) {
            return chance(c, 60) ? handle_value(c, KIND_device) : 0;
        }
        return 0; /* pointers into OpenGL, and outputs that nothing reads */
    default:
        return 0;
    }
}

/* Members without which a call leads nowhere new: names, and the device of a manager. */
static bool is_usually_given(const api_member *m) {
    return (m->what == TEXT && strcmp(m->name, "label") != 0) || strcmp(m->type, "bb_device *") == 0;
}

/* Fills a struct that a call reads: its defaults or zeros, and then some of its members; or what an earlier call wrote. */
static void fill_struct(caller *c, const char *function, unsigned number, unsigned char *to) {
    const api_struct *const s = &structs[number];
    if (s->init == NULL && c->saves[number] != 0 && chance(c, 90)) {
        memcpy(to, c->saved[number][random_between(&c->random, 0, 3) % c->saves[number] % 4], s->size);
        return;
    }
    const bool defaults = s->init != NULL && s->init(to) == BB_OK;
    uint64_t size = s->size;
    for (unsigned i = 0; i < s->count; i++) {
        const api_member *const m = &s->members[i];
        uint64_t value = 0;
        if (strcmp(m->name, "struct_size") == 0) {
            value = size =
                chance(c, 95) ? s->size : ONE_OF(c, 0, 1, 4, 8, s->size - 8, s->size + 8, SLOT, 1 << 17, UINT32_MAX);
        } else if (has_suffix(m->name, "user_data")) {
            continue; /* once all members are there */
        } else if (m->what == ARRAY || (defaults && chance(c, is_usually_given(m) ? 0 : 60))) {
            continue;
        } else if (m->offset + m->size <= size) { /* older versions lack what comes after */
            value = member_value(c, function, m, 16);
        }
        memcpy(to + m->offset, &value, m->size);
    }
    for (unsigned i = 0; i < s->count; i++) {
        const api_member *const m = &s->members[i];
        if (has_suffix(m->name, "user_data")) {
            memcpy(to + m->offset, &(uint64_t){(uint64_t)(uintptr_t)c->given}, 8);
        }
    }
}

#endif
