#include <backbuf.h>
#include <stdio.h>

int main(void) {
    bb_manager *m;
    bb_front front;
    const uint64_t shape[] = {4};
    const float value = 2.5f;
    if (bb_manager_create(BB_F32, 1, shape, NULL, &m) != BB_OK ||
        bb_manager_enqueue_fill(m, 0, 4, 1, &value, BB_FOREVER) != BB_OK ||
        bb_manager_synchronize(m, BB_FOREVER) != BB_OK || bb_manager_acquire_front(m, &front) != BB_OK) {
        return puts(bb_last_error()), 1;
    }
    const bool right = ((const float *)front.data)[1] == value && front.epoch == 1;
    const bool ended = bb_lease_release(front.lease) == BB_OK && bb_manager_destroy(m) == BB_OK;
    return right && ended ? 0 : 1;
}
