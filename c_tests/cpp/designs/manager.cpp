// The manager design in C++: BufferUpdate(offset, length, data), updates and batches of them, one epoch for several waiters, and
// the registry design's three classes.
#include "check.hpp"

#include <thread>

using namespace backbuf;

static void updates() {
    Manager<double> manager({8, 8});
    double x[2] = {1, 2};
    BufferUpdate update{0, 2, x}; // BufferUpdate(offset, length, data)
    manager.enqueue(update);
    manager.enqueue({62, 2, x});
    manager.enqueue_updates({{8, 2, x}, {16, x}, {24, 5.0}});
    manager.synchronize();
    const auto front = manager.front();
    CHECK(front(0, 1) == 2 && front(7, 6) == 1 && front(1, 1) == 2 && front(2, 0) == 1 && front(3, 0) == 5);
    CHECK(manager.try_enqueue(BufferUpdate{63, 2, x}) == BB_E_RANGE); // beyond the end: refused by name
}

static void a_chunk_of_a_ring_is_data() {
    auto [sender, receiver] = ring(1024);
    auto stream = receiver.into_stream(StreamConfig().pool_size(8192).pool_count(4));
    CHECK(sender.send_all(std::vector<double>{3, 4}));
    Manager<double> manager({4});
    const Chunk chunk = stream.next();
    manager.enqueue(BufferUpdate<double>(1, chunk.as<double>()));
    manager.synchronize();
    CHECK(manager.front()(1) == 3 && manager.front()(2) == 4);
}

// "One event for several waiters, cleared by the wrong one": each waiter here has a ticket of its own.
static void several_synchronize_at_once() {
    Manager<int> manager({4});
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int thread = 0; thread < 4; thread++)
        threads.emplace_back([&manager, thread] {
            for (int turn = 1; turn <= 1000; turn++) {
                manager.enqueue(BufferUpdate{thread, 1, &turn});
                manager.synchronize();
                CHECK(manager.front()[static_cast<std::size_t>(thread)] == turn);
            }
        });
    for (auto &thread : threads)
        thread.join();
}

static void registry() {
    BufferRegistry empty; // a registry without buffers, as in Python and Rust
    CHECK(empty && empty.shared_buffer_size(1) == 0);
    BufferRegistry moved = std::move(empty);
    CHECK(moved && empty.try_shared_buffer_size(1).status() == BB_E_NULL); // NOLINT: used after move on purpose
    BufferGroup group(moved, 7);
    CHECK(group.entries().empty() && group.build_shared_layout().empty() && group.build_local_sizes().empty());
    group.register_buffer(CUDABuffer::shared("k1", 100));
    group.register_buffer(CUDABuffer::local("tmp", 30).aliasing("k1"));
    group.register_buffer(CUDABuffer::local("history", 8).persistent());
    group.register_buffer(CUDABuffer::local("x", 0));
    CHECK((group.entries() == std::vector<std::string>{"k1", "tmp", "history", "x"}));
    const auto shared = group.build_shared_layout();
    CHECK(shared.size() == 2 && shared[0].first == "k1" && shared[0].second.count == 100);
    CHECK(shared[1].first == "tmp" && shared[1].second.first == 0 && shared[1].second.count == 30);
    const auto persistent = group.build_persistent_layout();
    CHECK(persistent.size() == 1 && persistent[0].first == "history" && persistent[0].second.count == 8);
    const auto local = group.build_local_sizes();
    CHECK(local.size() == 1 && local[0].first == "x" && local[0].second == 1);
    CHECK(group.update_buffer("k1", CUDABufferUpdate().size(20)).changed);
    CHECK(group.build_shared_layout().size() == 1 && moved.shared_buffer_size(7) == 20); // tmp does not fit k1
    CHECK(group.build_local_sizes().size() == 2 && group.local_buffer_size() == 31);
    group.invalidate_layouts();
    CHECK(group.shared_buffer_size() == 20 && group.persistent_local_buffer_size() == 8);
    CHECK(group.parent().key() == 7 && group.get_allocator("k1").length == 20);
}

int main() {
    updates();
    a_chunk_of_a_ring_is_data();
    several_synchronize_at_once();
    registry();
    return 0;
}
