/* An atomic frame: a batch of a fill, an N-d region and a kernel is published whole or not at all.
 *
 * The state is a grid of 6 rows and 8 columns. A region gives the target (start, extent, step) and the layout of the source
 * (strides in bytes; NULL is packed, 0 repeats, negative reads backwards). */
#include <backbuf.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 6, COLUMNS = 8 };

static void need(bb_status status) {
    if (status != BB_OK) {
        (void)fprintf(stderr, "%s\n", bb_last_error()); /* names function, parameter, value and label */
        exit(1);
    }
}

/* Runs on the worker, after everything before it in the batch. */
static void clamp(void *back, const void *front, uint64_t count, void *limit) {
    float *cells = back;
    (void)front;
    for (uint64_t i = 0; i < count; i++) {
        cells[i] = cells[i] > *(const float *)limit ? *(const float *)limit : cells[i];
    }
}

int main(void) {
    bb_manager *m = NULL;
    bb_batch *batch = NULL;
    bb_front front;
    bb_manager_config config;
    need(bb_manager_config_init(&config));
    config.label = "grid";
    need(bb_manager_create(BB_F32, 2, (const uint64_t[]){ROWS, COLUMNS}, &config, &m));

    const float background = 1, tile[2][3] = {{2, 3, 4}, {5, 6, 7}};
    static float limit = 6;
    need(bb_batch_begin(m, &batch));
    need(bb_batch_fill(batch, 0, 0, (uint64_t)ROWS * COLUMNS, &background));
    /* grid[1:5:3, 2:8:2] = tile */
    need(bb_batch_region(batch, &(bb_region){.start = (const uint64_t[]){1, 2},
                                             .extent = (const uint64_t[]){2, 3},
                                             .step = (const int64_t[]){3, 2},
                                             .data = tile}));
    need(bb_batch_kernel(batch,
                         &(bb_kernel){.function = clamp, .user_data = &limit, .count = (uint64_t)ROWS * COLUMNS}));
    need(bb_batch_tag(batch, 1)); /* the engine's own frame number */
    need(bb_batch_commit(batch, BB_FOREVER));
    need(bb_manager_synchronize(m, BB_SEC(1)));

    need(bb_manager_acquire_front(m, &front));
    const float *cells = front.data;
    printf("frame %llu\n", (unsigned long long)front.tag);
    for (int row = 0; row < ROWS; row++) {
        for (int column = 0; column < COLUMNS; column++) {
            printf(" %.0f", cells[row * COLUMNS + column]);
        }
        printf("\n");
    }
    const int right = cells[1 * COLUMNS + 2] == 2 && cells[4 * COLUMNS + 6] == 6;
    need(bb_lease_release(front.lease));
    need(bb_manager_destroy(m));
    return right ? 0 : 1;
}
