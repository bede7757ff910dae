/* Shallow-water solver on a grid of nearly square cells: the numerics of the flood example, without threads and
 * publishing.
 *
 * The scheme is the local inertial one (gravity, inertia, Chezy friction; no advection): explicit, cheap, and robust
 * on steep ground. Water moves in whole multiples of FLOOD_UNIT, so every sum of depths below FLOOD_EXACT is exact in a
 * double: water is conserved to the last bit, and a check needs no tolerance.
 *
 * The outermost cells are a gutter: water flows in, never out, so the gutter holds all water that ran off the map. */
#ifndef FLOOD_SOLVER_H
#define FLOOD_SOLVER_H
#include <stdint.h>

#define FLOOD_UNIT 0x1p-32                /* metres of depth */
#define FLOOD_EXACT (0x1p53 * FLOOD_UNIT) /* 2^21 m: the units that a double can count */

/* The planes of the flow; each is rows x cols. */
enum {
    FLOOD_FLOW_X, /* water that crossed to the next column during the step, in metres of the cell's depth */
    FLOOD_FLOW_Y, /* ... to the next row */
    FLOOD_FLOWS
};

typedef struct flood_solver {
    uint64_t rows, cols;
    const double *ground;          /* elevation in metres */
    double *surface;               /* scratch of one plane: ground plus water */
    double *keep;                  /* scratch of one plane: the share of its outflow that a cell can provide */
    double pull_x, pull_y;         /* g dt^2 / d^2: flow gained for each metre of drop and metre of depth */
    double friction_x, friction_y; /* g d / C^2 */
    double froude_x, froude_y;     /* sqrt(g) dt / d: flow of a wave's own speed at a depth of 1 m */
} flood_solver;

/* Returns 0, or -1 if an allocation fails. `ground` stays the caller's. */
int flood_solver_init(flood_solver *solver, uint64_t rows, uint64_t cols, const double *ground, double dx, double dy,
                      double dt);
void flood_solver_free(flood_solver *solver);

/* The first half of a step: FLOOD_FLOWS planes of flow from `now` to `next`, on a depth of one plane. All of `next` is
 * written. The arrays must not overlap. */
void flood_solver_flow(flood_solver *solver, const double *depth, const double *now, double *next);
/* The second half: the depth after that flow. All of `next` is written. */
void flood_solver_depth(const flood_solver *solver, const double *flow, const double *now, double *next);
#endif
