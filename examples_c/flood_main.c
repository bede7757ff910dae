/* The flood engine on a generated valley: the main thread takes fronts while the engine runs, and checks that
 * each one holds exactly the water that had rained by its step. flood.h explains why a front that mixes two steps
 * cannot pass. */
#include "flood.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 48, COLS = 64, FRONTS = 200 };
static const size_t CELLS = (size_t)ROWS * COLS;

/* A valley along the middle row that falls by 2 m a cell towards the last column. */
static double elevation(int row, int col) {
    int aside = abs(row - ROWS / 2);
    return 300.0 - 2.0 * col + 6.0 * aside;
}

static double sum(const double *plane) {
    double total = 0.0;
    for (size_t i = 0; i < CELLS; i++)
        total += plane[i];
    return total;
}

/* Sums of a front, in metres over all cells. */
typedef struct water {
    double all, valley, ran_off;
} water;

static water look(const double *depth) {
    water w = {.all = sum(depth)};
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++) {
            double here = depth[r * COLS + c];
            if (r == 0 || c == 0 || r == ROWS - 1 || c == COLS - 1)
                w.ran_off += here;
            else if (abs(r - ROWS / 2) <= 1)
                w.valley += here;
        }
    return w;
}

int main(void) {
    static double ground[ROWS * COLS];
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++)
            ground[r * COLS + c] = elevation(r, c);

    flood *engine;
    const flood_config config = {
        .rows = ROWS, .cols = COLS, .ground = ground, .dx = 50, .dy = 50, .step_seconds = 2, .rain_mm_h = 100};
    if (flood_create(&config, &engine) != BB_OK || flood_start(engine) != BB_OK)
        return puts(bb_last_error()), 1;

    bb_manager *state = flood_state(engine);
    const double rain_per_step = flood_rain_per_step(engine);
    uint64_t seen = 0, last_step = 0;
    int wrong = 0;
    water w = {0};
    /* At least FRONTS fronts, until the flood has crossed the map. */
    for (int i = 0; i < FRONTS || last_step < 3000; i++) {
        bb_front front;
        if (bb_manager_wait_epoch(state, seen, BB_SEC(10), &seen) != BB_OK ||
            bb_manager_acquire_front(state, &front) != BB_OK)
            return puts(bb_last_error()), 1;
        bb_field_view depth, rain;
        if (bb_front_field(&front, "depth", &depth) != BB_OK || bb_front_field(&front, "rain", &rain) != BB_OK)
            return puts(bb_last_error()), 1;
        const double rained = (double)front.tag * rain_per_step;
        w = look(depth.data);
        if (w.all != rained || sum(rain.data) != rained || front.tag <= last_step)
            wrong++;
        seen = front.epoch;
        last_step = front.tag;
        bb_lease_release(front.lease);
    }

    flood_report report;
    if (flood_stop(engine, &report) != BB_OK)
        return puts(bb_last_error()), 1;
    flood_destroy(engine);
    printf("%llu steps, %llu checked to; %d fronts wrong; of %.1f m of rain %.1f lie in the valley, %.1f ran off\n",
           (unsigned long long)report.steps, (unsigned long long)last_step, wrong, w.all, w.valley, w.ran_off);
    /* The valley is three rows of 48; a quarter of the water still on the map must be there. */
    return wrong != 0 || report.steps < last_step || w.ran_off <= 0.0 || w.valley < 0.25 * (w.all - w.ran_off);
}
