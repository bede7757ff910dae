// compiles: what the others get wrong, done right. If this fails, their failing proves nothing.
#include <backbuf.hpp>
#include <chrono>
#include <vector>
float right(const std::vector<float> &data) {
    backbuf::Manager<float> m({2, 2});
    backbuf::Manager<float> moved = std::move(m);
    moved.enqueue(0, data);
    moved.enqueue_kernel([](backbuf::span<float> all) { all[0] = 1; });
    moved.synchronize(std::chrono::milliseconds(5));
    if (!moved.try_trim())
        return 0;
    auto batch = moved.batch();
    batch.commit();
    auto back = moved.back();
    back(0, 0) = back.front()(1, 1);
    back.commit(1);
    auto front = moved.front();
    return front(0, 0);
}
