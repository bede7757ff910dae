#include "flood.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Durations by powers of two, each cut in 16: percentiles to within 6 % in constant memory. */
enum { CUTS = 16, BUCKETS = 64 * CUTS };

struct flood {
    flood_solver solver;
    bb_manager *state;
    uint64_t offset[FLOOD_FIELDS]; /* of the fields in the state, in bytes */
    double *ground;                /* rows x cols */
    double *gauge;                 /* rows x cols: the rain so far, the engine's own copy */
    double *storm;                 /* storm_size^2: what falls in one step, in whole FLOOD_UNITs */
    uint64_t storm_size;
    double storm_total;
    double step_seconds;
    uint64_t storm_row, storm_col; /* where it rains in the current step */

    pthread_t thread;
    bool started;
    bb_status ended; /* why the thread ended; BB_E_CLOSED is the normal end */
    flood_report report;
    uint64_t synchronize_ns[BUCKETS];
};

static uint64_t now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- one step ---
 *
 * Front and back of the manager are the solver's two time levels: the step is two kernels that read the front and
 * overwrite a field of the back, so that nothing is copied, neither into a queue nor from copy to copy.
 * (bb_manager_reserve_back would do the same for a state that is rewritten whole; here the rain is kept from step to
 * step, and only its changed part is copied forward.) Kernels may run on the engine's thread, which holds the applier
 * role unless readers hold every copy: no trip to the worker. */

/* The same copy's field `to`, by a pointer to its field `from`: a front is readable as a whole, and of the back the fields
 * that an earlier kernel of the step has overwritten. */
static const double *other_field(const flood *f, const void *from_data, int from, int to) {
    return (const double *)((const char *)from_data - f->offset[from] + f->offset[to]);
}

static void run_flow(void *back, const void *front, uint64_t count, void *engine) {
    (void)count;
    flood *f = engine;
    uint64_t start = now_ns(CLOCK_THREAD_CPUTIME_ID);
    flood_solver_flow(&f->solver, other_field(f, front, FLOOD_FLOW, FLOOD_DEPTH), front, back);
    f->report.solver_cpu_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
}

static void run_depth(void *back, const void *front, uint64_t count, void *engine) {
    (void)count;
    flood *f = engine;
    uint64_t start = now_ns(CLOCK_THREAD_CPUTIME_ID);
    flood_solver_depth(&f->solver, other_field(f, back, FLOOD_DEPTH, FLOOD_FLOW), front, back);
    f->report.solver_cpu_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
}

/* Runs on the rows of the depth that lie under the storm. */
static void run_rain(void *back, const void *front, uint64_t count, void *engine) {
    (void)front, (void)count;
    flood *f = engine;
    uint64_t start = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (uint64_t r = 0; r < f->storm_size; r++) {
        double *depth = (double *)back + r * f->solver.cols + f->storm_col;
        for (uint64_t c = 0; c < f->storm_size; c++)
            depth[c] += f->storm[r * f->storm_size + c];
    }
    f->report.solver_cpu_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
}

/* The storm moves within the gutter, never over it: each step has the same rain. */
static void move_storm(flood *f, uint64_t step) {
    double hours = (double)step * f->step_seconds / 3600.0;
    uint64_t row_room = f->solver.rows - 2 - f->storm_size, col_room = f->solver.cols - 2 - f->storm_size;
    f->storm_row = 1 + (uint64_t)((double)row_room * (0.5 + 0.5 * sin(3.7 * hours)));
    f->storm_col = 1 + (uint64_t)((double)col_room * (0.5 - 0.5 * cos(2.2 * hours)));
}

static void add_to_gauge(flood *f) {
    uint64_t start = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (uint64_t r = 0; r < f->storm_size; r++) {
        double *gauge = f->gauge + (f->storm_row + r) * f->solver.cols + f->storm_col;
        for (uint64_t c = 0; c < f->storm_size; c++)
            gauge[c] += f->storm[r * f->storm_size + c];
    }
    f->report.solver_cpu_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
}

/* All of a step in one batch: it is published whole or not at all, whichever thread synchronizes. */
static bb_status enqueue_step(flood *f, uint64_t step) {
    const uint64_t cols = f->solver.cols, cells = f->solver.rows * cols;
    const bb_kernel flow = {.function = run_flow,
                            .user_data = f,
                            .field = FLOOD_FLOW,
                            .count = FLOOD_FLOWS * cells,
                            .flags = BB_KERNEL_ANY_THREAD | BB_KERNEL_OVERWRITES};
    const bb_kernel depth = {.function = run_depth,
                             .user_data = f,
                             .field = FLOOD_DEPTH,
                             .count = cells,
                             .flags = BB_KERNEL_ANY_THREAD | BB_KERNEL_OVERWRITES};
    const bb_kernel rain = {.function = run_rain,
                            .user_data = f,
                            .field = FLOOD_DEPTH,
                            .byte_offset = f->storm_row * cols * sizeof(double),
                            .count = f->storm_size * cols,
                            .flags = BB_KERNEL_ANY_THREAD};
    const int64_t pitch = (int64_t)(cols * sizeof(double));
    const bb_region gauge = {.field = FLOOD_RAIN,
                             .start = (const uint64_t[]){f->storm_row, f->storm_col},
                             .extent = (const uint64_t[]){f->storm_size, f->storm_size},
                             .data = f->gauge + f->storm_row * cols + f->storm_col,
                             .strides = (const int64_t[]){pitch, sizeof(double)}};
    bb_batch *batch;
    bb_status status = bb_batch_begin(f->state, &batch);
    if (status != BB_OK)
        return status;
    status = bb_batch_kernel(batch, &flow);
    if (status == BB_OK)
        status = bb_batch_kernel(batch, &depth);
    if (status == BB_OK)
        status = bb_batch_kernel(batch, &rain);
    if (status == BB_OK)
        status = bb_batch_region(batch, &gauge);
    if (status == BB_OK)
        status = bb_batch_tag(batch, step);
    if (status == BB_OK)
        status = bb_batch_commit(batch, BB_FOREVER);
    if (status != BB_OK)
        bb_batch_cancel(batch);
    return status;
}

/* The next step reads this one as its front, so it must be published first. Readers that hold every copy delay that;
 * nothing is lost. */
static bb_status publish(flood *f) {
    for (;;) {
        uint64_t start = now_ns(CLOCK_MONOTONIC);
        bb_status status = bb_manager_synchronize(f->state, BB_MS(100));
        uint64_t ns = now_ns(CLOCK_MONOTONIC) - start;
        int power = 63 - __builtin_clzll(ns | CUTS);
        f->synchronize_ns[power * CUTS + (int)(ns >> (power - 4) & (CUTS - 1))]++;
        if (status != BB_E_PINNED && status != BB_E_TIMEOUT && status != BB_E_STALLED)
            return status;
        f->report.waits_for_readers++;
    }
}

static uint64_t percentile(const flood *f, uint64_t percent) {
    uint64_t total = 0, seen = 0;
    for (int b = 0; b < BUCKETS; b++)
        total += f->synchronize_ns[b];
    for (int b = 4 * CUTS; b < BUCKETS; b++) {
        seen += f->synchronize_ns[b];
        if (seen * 100 >= total * percent)
            return (uint64_t)(CUTS + b % CUTS) << (b / CUTS - 4);
    }
    return 0;
}

static void *run(void *engine) {
    flood *f = engine;
    uint64_t start = now_ns(CLOCK_MONOTONIC);
    bb_status status = BB_OK;
    for (uint64_t step = 1; status == BB_OK; step++) {
        move_storm(f, step);
        add_to_gauge(f);
        status = (double)step * f->storm_total < FLOOD_EXACT ? enqueue_step(f, step) : BB_E_LIMIT;
        if (status == BB_OK)
            status = publish(f);
        if (status == BB_OK)
            f->report.steps = step;
    }
    if (status != BB_E_CLOSED)
        bb_manager_close(f->state, 0); /* readers see the end */
    f->report.wall_ns = now_ns(CLOCK_MONOTONIC) - start;
    f->report.thread_cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    f->ended = status;
    return NULL;
}

/* --- start and stop --- */

/* A dome of rain, in whole units so that its sum is exact. */
static void shape_storm(flood *f, double rain_mm_h) {
    const double peak = rain_mm_h / 1000.0 / 3600.0 * f->step_seconds, size = (double)f->storm_size;
    for (uint64_t r = 0; r < f->storm_size; r++)
        for (uint64_t c = 0; c < f->storm_size; c++) {
            double y = (2.0 * (double)r + 1.0) / size - 1.0, x = (2.0 * (double)c + 1.0) / size - 1.0;
            double rain = floor(fmax(0.0, peak * (1.0 - x * x - y * y)) / FLOOD_UNIT) * FLOOD_UNIT;
            f->storm[r * f->storm_size + c] = rain;
            f->storm_total += rain;
        }
}

static bb_status create_state(flood *f, bb_device *device) {
    const uint64_t cells[] = {f->solver.rows, f->solver.cols}, flows[] = {FLOOD_FLOWS, f->solver.rows, f->solver.cols};
    const bb_field fields[FLOOD_FIELDS] = {
        [FLOOD_DEPTH] = {.name = "depth", .dtype = BB_F64, .ndim = 2, .shape = cells},
        [FLOOD_FLOW] = {.name = "flow", .dtype = BB_F64, .ndim = 3, .shape = flows},
        [FLOOD_RAIN] = {.name = "rain", .dtype = BB_F64, .ndim = 2, .shape = cells},
        [FLOOD_TERRAIN] = {.name = "terrain", .dtype = BB_F64, .ndim = 2, .shape = cells, .initial = f->ground}};
    bb_manager_config config;
    bb_manager_config_init(&config);
    config.label = "flood";
    config.device = device;
    bb_status status = bb_manager_create_fields(fields, FLOOD_FIELDS, &config, &f->state);
    for (uint32_t i = 0; status == BB_OK && i < FLOOD_FIELDS; i++) {
        bb_field_info info;
        status = bb_manager_field_at(f->state, i, sizeof info, &info);
        if (status == BB_OK)
            f->offset[i] = info.byte_offset;
    }
    return status;
}

bb_status flood_create(const flood_config *config, flood **engine) {
    const uint64_t rows = config->rows, cols = config->cols, cells = rows * cols;
    if (rows < 8 || cols < 8)
        return BB_E_ARGUMENT;
    flood *f = calloc(1, sizeof *f);
    if (!f)
        return BB_E_OUT_OF_MEMORY;
    f->step_seconds = config->step_seconds;
    f->storm_size = (rows < cols ? rows : cols) / 3;
    f->ground = malloc(cells * sizeof(double));
    f->gauge = calloc(cells, sizeof(double));
    f->storm = malloc(f->storm_size * f->storm_size * sizeof(double));
    bb_status status = BB_E_OUT_OF_MEMORY;
    if (f->ground && f->gauge && f->storm) {
        memcpy(f->ground, config->ground, cells * sizeof(double));
        shape_storm(f, config->rain_mm_h);
        if (flood_solver_init(&f->solver, rows, cols, f->ground, config->dx, config->dy, f->step_seconds) == 0)
            status = create_state(f, config->device);
    }
    if (status == BB_OK)
        *engine = f;
    else
        flood_destroy(f);
    return status;
}

bb_manager *flood_state(flood *f) { return f->state; }
double flood_rain_per_step(const flood *f) { return f->storm_total; }

bb_status flood_start(flood *f) {
    if (pthread_create(&f->thread, NULL, run, f) != 0)
        return BB_E_OUT_OF_MEMORY;
    f->started = true;
    return BB_OK;
}

bb_status flood_stop(flood *f, flood_report *report) {
    if (!f->started)
        return BB_E_STATE;
    bb_status status = bb_manager_close(f->state, BB_SEC(5));
    pthread_join(f->thread, NULL);
    f->started = false;
    f->report.synchronize_p50_ns = percentile(f, 50);
    f->report.synchronize_p99_ns = percentile(f, 99);
    *report = f->report;
    return f->ended == BB_E_CLOSED ? status : f->ended;
}

void flood_destroy(flood *f) {
    if (!f)
        return;
    if (f->started)
        flood_stop(f, &(flood_report){0});
    bb_manager_destroy(f->state);
    flood_solver_free(&f->solver);
    free(f->ground);
    free(f->gauge);
    free(f->storm);
    free(f);
}
