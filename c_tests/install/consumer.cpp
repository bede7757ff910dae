#include <backbuf.hpp>

int main() {
    backbuf::Manager<float> m({4});
    m.fill({1}, {2}, 2.5F);
    m.synchronize();
    auto front = m.front();
    return front(1) == 2.5F && front.epoch() == 1 ? 0 : 1;
}
