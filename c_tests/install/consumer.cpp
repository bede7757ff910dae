#include <backbuf.hpp>

int main() {
    const backbuf::Manager<float> m({4});
    m.enqueue_fill({1}, {2}, 2.5F);
    m.synchronize();
    const auto front = m.front();
    return front(1) == 2.5F && front(3) == 0.0F && front.epoch() == 1 ? 0 : 1;
}
