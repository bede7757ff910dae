#include "flood_solver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double GRAVITY = 9.81;
static const double CHEZY_SQUARED = 400.0; /* rough ground: C = 20 m^(1/2)/s */

int flood_solver_init(flood_solver *s, uint64_t rows, uint64_t cols, const double *ground, double dx, double dy,
                      double dt) {
    *s = (flood_solver){
        .rows = rows,
        .cols = cols,
        .ground = ground,
        .surface = calloc(rows * cols, sizeof(double)),
        .keep = calloc(rows * cols, sizeof(double)),
        .pull_x = GRAVITY * dt * dt / (dx * dx),
        .pull_y = GRAVITY * dt * dt / (dy * dy),
        .friction_x = GRAVITY * dx / CHEZY_SQUARED,
        .friction_y = GRAVITY * dy / CHEZY_SQUARED,
        .froude_x = sqrt(GRAVITY) * dt / dx,
        .froude_y = sqrt(GRAVITY) * dt / dy,
    };
    if (s->surface && s->keep)
        return 0;
    flood_solver_free(s);
    return -1;
}

void flood_solver_free(flood_solver *s) {
    free(s->surface);
    free(s->keep);
    s->surface = s->keep = NULL;
}

static inline double larger(double a, double b) { return a > b ? a : b; }
static inline double smaller(double a, double b) { return a < b ? a : b; }

/* Rounds to a multiple of FLOOD_UNIT: sums have no bits for less. */
static inline double whole_units(double flow) {
    const double shift = 1.5 * 0x1p52 * FLOOD_UNIT;
    return (flow + shift) - shift;
}

/* Flow over n edges, from the cells `a` to the cells `b`: gravity and inertia against friction, at most as fast as a
 * wave. */
static void edges(uint64_t n, const double *surface_a, const double *surface_b, const double *ground_a,
                  const double *ground_b, const double *now, double *restrict next, double pull, double friction,
                  double froude) {
    for (uint64_t i = 0; i < n; i++) {
        double depth = larger(0.0, larger(surface_a[i], surface_b[i]) - larger(ground_a[i], ground_b[i]));
        double square = depth * depth;
        double pulled = now[i] + pull * depth * (surface_a[i] - surface_b[i]);
        double flow =
            pulled * square / (square + friction * fabs(now[i]) + 1e-30); /* no depth, no flow, no division by zero */
        double limit = froude * depth * sqrt(depth);
        next[i] = larger(-limit, smaller(limit, flow));
    }
}

/* Limits the flow over n edges to the water of the cell that it leaves, `a` or `b`. */
static void pay(uint64_t n, double *restrict flow, const double *keep_a, const double *keep_b) {
    for (uint64_t i = 0; i < n; i++) {
        double a = keep_a[i], b = keep_b[i];
        flow[i] = whole_units(flow[i] * (flow[i] > 0.0 ? a : b));
    }
}

void flood_solver_flow(flood_solver *s, const double *depth, const double *now, double *next) {
    const uint64_t rows = s->rows, cols = s->cols, cells = rows * cols;
    const double *ground = s->ground;
    double *restrict flow_x = next + FLOOD_FLOW_X * cells, *restrict flow_y = next + FLOOD_FLOW_Y * cells;
    double *restrict surface = s->surface, *restrict keep = s->keep;

    /* The gutter's water lies below the ground and has no pressure. */
    memcpy(surface, ground, cells * sizeof(double));
    for (uint64_t r = 1; r + 1 < rows; r++)
        for (uint64_t i = r * cols + 1; i < (r + 1) * cols - 1; i++)
            surface[i] = ground[i] + depth[i];

    /* The flow by gravity over each edge. Edges along the gutter, and those beyond the map, have none. */
    memset(flow_x, 0, 2 * cells * sizeof(double));
    for (uint64_t r = 0; r + 1 < rows; r++) {
        const uint64_t i = r * cols;
        if (r > 0)
            edges(cols - 1, surface + i, surface + i + 1, ground + i, ground + i + 1, now + FLOOD_FLOW_X * cells + i,
                  flow_x + i, s->pull_x, s->friction_x, s->froude_x);
        edges(cols - 2, surface + i + 1, surface + i + 1 + cols, ground + i + 1, ground + i + 1 + cols,
              now + FLOOD_FLOW_Y * cells + i + 1, flow_y + i + 1, s->pull_y, s->friction_y, s->froude_y);
    }

    /* The share of its outflow that each cell can provide: four roundings may need two units more. The gutter provides
     * none (keep is 0 there). */
    for (uint64_t r = 1; r + 1 < rows; r++)
        for (uint64_t i = r * cols + 1; i < (r + 1) * cols - 1; i++) {
            double asked = larger(flow_x[i], 0.0) - smaller(flow_x[i - 1], 0.0) + larger(flow_y[i], 0.0) -
                           smaller(flow_y[i - cols], 0.0);
            keep[i] = smaller(1.0, larger(0.0, depth[i] - 4 * FLOOD_UNIT) / (asked + 1e-30));
        }
    pay(cells - 1, flow_x, keep, keep + 1);
    pay(cells - cols, flow_y, keep, keep + cols);
}

void flood_solver_depth(const flood_solver *s, const double *flow, const double *now, double *restrict next) {
    const uint64_t cols = s->cols, cells = s->rows * cols;
    const double *flow_x = flow + FLOOD_FLOW_X * cells, *flow_y = flow + FLOOD_FLOW_Y * cells;
    /* Each edge moves water from one side to the other: all terms are whole units, so these sums are exact. */
    for (uint64_t i = 0; i < cols; i++)
        next[i] = now[i] - flow_y[i];
    for (uint64_t i = cols; i < cells; i++)
        next[i] = now[i] + flow_x[i - 1] - flow_x[i] + flow_y[i - cols] - flow_y[i];
}
