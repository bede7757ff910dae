/* DPDK's ring with the largest elements, of 4, 8 or 16 bytes, that divide the chunk. */
#include "ring.h"

#include <rte_ring.h>
#include <stdlib.h>

struct end {
    struct rte_ring *ring;
    uint32_t element;
};

static uint32_t element_of(uint64_t chunk) {
    return chunk % 16 == 0 ? 16 : chunk % 8 == 0 ? 8 : chunk % 4 == 0 ? 4 : 0;
}

static bool create(uint64_t capacity, uint64_t chunk, void **sender, void **receiver) {
    uint32_t element = element_of(chunk);
    if (element == 0)
        return false;
    uint32_t count = (uint32_t)(capacity / element);
    /* A ring of an exact size may have up to twice as many slots. */
    size_t bytes = sizeof(struct rte_ring) + 2 * (size_t)capacity;
    struct rte_ring *ring = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN(bytes, RTE_CACHE_LINE_SIZE));
    if (rte_ring_init(ring, "bench", count, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ) != 0)
        abort();
    struct end *ends = malloc(sizeof *ends);
    *ends = (struct end){ring, element};
    *sender = *receiver = ends;
    return true;
}

static uint64_t send(void *sender, const uint8_t *data, uint64_t bytes) {
    struct end *end = sender;
    return end->element *
           rte_ring_sp_enqueue_burst_elem(end->ring, data, end->element, (unsigned)(bytes / end->element), NULL);
}

static uint64_t recv(void *receiver, uint8_t *data, uint64_t bytes) {
    struct end *end = receiver;
    return end->element *
           rte_ring_sc_dequeue_burst_elem(end->ring, data, end->element, (unsigned)(bytes / end->element), NULL);
}

static void destroy(void *sender, void *receiver) {
    (void)receiver;
    struct end *end = sender;
    free(end->ring);
    free(end);
}

const ring_functions RING = {create, send, recv, 0, destroy};
