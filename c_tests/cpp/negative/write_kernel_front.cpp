// error: assignment of read-only location|cannot assign to return value because function 'operator\[\]
#include <backbuf.hpp>
void wrong(backbuf::Manager<float> &m) {
    m.enqueue_kernel([](backbuf::span<float>, backbuf::span<const float> front) { front[0] = 1.f; });
}
