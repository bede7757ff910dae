/* Flood simulation: an engine steps at full speed on its own thread and publishes each step through
 * a manager.
 *
 * The state has four fields of double, which each step publishes as one epoch: "depth" (rows, cols), the water on each
 * cell; "flow" (FLOOD_FLOWS, rows, cols) in x and y (flood_solver.h); "rain" (rows, cols), the rain so far; and "terrain"
 * (rows, cols), which does not change. Each front is one step, its tag the number of the step, and it holds exactly
 *
 *     sum(depth) == sum(rain) == tag * flood_rain_per_step(engine)
 *
 * to the last bit, whatever the order of summation: a front that mixes two steps cannot pass. At FLOOD_EXACT of rain,
 * the limit of exact sums, the engine ends with BB_E_LIMIT. */
#ifndef FLOOD_H
#define FLOOD_H
#include "flood_solver.h"
#include <backbuf.h>

enum { FLOOD_DEPTH, FLOOD_FLOW, FLOOD_RAIN, FLOOD_TERRAIN, FLOOD_FIELDS }; /* indices of the fields */

typedef struct flood flood;

typedef struct flood_config {
    uint64_t rows, cols;  /* at least 8 each */
    const double *ground; /* rows x cols elevations in metres; copied */
    double dx, dy;        /* size of a cell in metres */
    double step_seconds;  /* simulated time of a step: keep it below the time in which a wave crosses a cell */
    double rain_mm_h;     /* rate in the middle of the storm */
    bb_device *device;    /* an OpenGL device, to draw from the fronts; NULL for host memory only */
} flood_config;

typedef struct flood_report {
    uint64_t steps;
    uint64_t wall_ns;       /* from the first step to the last */
    uint64_t thread_cpu_ns; /* of the engine's thread */
    uint64_t solver_cpu_ns; /* of the numerics, on whichever thread they ran */
    uint64_t synchronize_p50_ns, synchronize_p99_ns;
    uint64_t
        waits_for_readers; /* times a synchronize was repeated because readers held every copy, or because it timed out */
} flood_report;

bb_status flood_create(const flood_config *config, flood **engine);
/* The manager: for reading, and for closing, which ends the engine's thread. The engine owns it. */
bb_manager *flood_state(flood *engine);
/* Metres of water, summed over all cells, that fall in each step. */
double flood_rain_per_step(const flood *engine);
bb_status flood_start(flood *engine);
/* After flood_start, once: closes the manager (its last front stays readable), ends the thread, returns the report. */
bb_status flood_stop(flood *engine, flood_report *report);
void flood_destroy(flood *engine);
#endif
