// Boost's lock-free queue for one producer and one consumer, with bytes as elements.
#include "ring.h"

#include <boost/lockfree/spsc_queue.hpp>

namespace {

using Queue = boost::lockfree::spsc_queue<uint8_t>;

Queue *of(void *queue) { return static_cast<Queue *>(queue); }

bool create(uint64_t capacity, uint64_t, void **sender, void **receiver) {
    *sender = *receiver = new Queue(capacity);
    return true;
}

uint64_t send(void *sender, const uint8_t *data, uint64_t bytes) {
    return bytes == 1 ? of(sender)->push(*data) : of(sender)->push(data, bytes);
}

uint64_t recv(void *receiver, uint8_t *data, uint64_t bytes) {
    return bytes == 1 ? of(receiver)->pop(*data) : of(receiver)->pop(data, bytes);
}

void destroy(void *sender, void *) { delete of(sender); }

} // namespace

const ring_functions RING = {create, send, recv, nullptr, destroy};
