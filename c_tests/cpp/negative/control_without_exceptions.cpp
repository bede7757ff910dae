// compiles: the try_ functions are all there without exceptions.
// flags: -fno-exceptions
#include <backbuf.hpp>
#include <chrono>
float right() {
    auto made = backbuf::Manager<float>::try_create({2, 2}, backbuf::Config().flush([] {}));
    if (!made)
        return 0;
    const backbuf::Manager<float> m = *std::move(made);
    auto batch = m.try_batch();
    if (!batch || !batch->try_fill({}, 1.f) || !batch->try_kernel([](backbuf::span<float>) {}) || !batch->try_commit())
        return 0;
    if (!m.try_synchronize(std::chrono::milliseconds(5)) || !backbuf::try_dump([](std::string_view) {}))
        return 0;
    const auto front = m.try_front();
    return front ? (*front)(0, 1) : 0;
}
