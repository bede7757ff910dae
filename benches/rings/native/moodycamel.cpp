// moodycamel's queues for one producer and one consumer: arrays up to a cache line, vectors for larger chunks.
// BLOCKING selects the queue whose consumer can sleep.
#include "ring.h"

#include <algorithm>
#include <array>
#include <readerwriterqueue/readerwriterqueue.h>
#include <utility>
#include <vector>

namespace {

struct Ring {
    virtual ~Ring() = default;
    virtual bool send(const uint8_t *data, uint64_t bytes) = 0;
    virtual uint64_t recv(uint8_t *data) = 0;
    virtual uint64_t wait(uint8_t *data) = 0;
};

#ifdef BLOCKING
template <typename T> using Queue = moodycamel::BlockingReaderWriterQueue<T>;
#else
template <typename T> using Queue = moodycamel::ReaderWriterQueue<T>;
#endif

template <size_t N> void assign(std::array<uint8_t, N> &message, const uint8_t *data, uint64_t bytes) {
    std::copy_n(data, std::min<uint64_t>(bytes, N), message.begin());
}

void assign(std::vector<uint8_t> &message, const uint8_t *data, uint64_t bytes) {
    // A refused vector is still in the message.
    if (message.empty())
        message.assign(data, data + bytes);
}

template <typename T> struct Typed : Ring {
    Queue<T> queue;
    T unsent{};

    explicit Typed(uint64_t messages) : queue(messages) {}

    bool send(const uint8_t *data, uint64_t bytes) override {
        assign(unsent, data, bytes);
        return queue.try_enqueue(std::move(unsent));
    }

    uint64_t recv(uint8_t *data) override {
        T message;
        return queue.try_dequeue(message) ? deliver(message, data) : 0;
    }

    uint64_t wait(uint8_t *data) override {
#ifdef BLOCKING
        T message;
        queue.wait_dequeue(message);
        return deliver(message, data);
#else
        return recv(data);
#endif
    }

    static uint64_t deliver(const T &message, uint8_t *data) {
        std::copy(message.begin(), message.end(), data);
        return message.size();
    }
};

Ring *of(void *ring) { return static_cast<Ring *>(ring); }

Ring *make(uint64_t messages, uint64_t chunk) {
    switch (chunk) {
    case 1:
        return new Typed<std::array<uint8_t, 1>>(messages);
    case 8:
        return new Typed<std::array<uint8_t, 8>>(messages);
    case 64:
        return new Typed<std::array<uint8_t, 64>>(messages);
    default:
        return chunk > 64 ? new Typed<std::vector<uint8_t>>(messages) : nullptr;
    }
}

bool create(uint64_t capacity, uint64_t chunk, void **sender, void **receiver) {
    *sender = *receiver = make(capacity / chunk, chunk);
    return *sender != nullptr;
}

uint64_t send(void *sender, const uint8_t *data, uint64_t bytes) { return of(sender)->send(data, bytes) ? bytes : 0; }

uint64_t recv(void *receiver, uint8_t *data, uint64_t) { return of(receiver)->recv(data); }

uint64_t wait(void *receiver, uint8_t *data, uint64_t) { return of(receiver)->wait(data); }

void destroy(void *sender, void *) { delete of(sender); }

} // namespace

#ifdef BLOCKING
const ring_functions RING = {create, send, recv, wait, destroy};
#else
const ring_functions RING = {create, send, recv, nullptr, destroy};
#endif
