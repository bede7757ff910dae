// error: backbuf: a kernel is called with \(span<T> back\) or with \(span<T> back, span<const T> front\)
#include <backbuf.hpp>
void wrong(backbuf::Manager<float> &m) {
    m.enqueue_kernel([](backbuf::span<double>) {});
}
