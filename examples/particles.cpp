// Structs as elements, and large borrowed data: it is not copied when it is enqueued, and is released when it has been applied.
#include <backbuf.hpp>

#include <cstdio>
#include <memory>
#include <vector>

struct Particle {
    float x, y, vx, vy;
};

int main() try {
    constexpr std::size_t count = 100'000;
    const backbuf::Manager<Particle> m({count}, backbuf::Config().label("particles"));

    const auto start = std::make_shared<std::vector<Particle>>(count, Particle{0, 10, 1, 0});
    m.enqueue_borrowed(0, *start, [start] {}); // the function keeps the data alive until it has been called
    for (std::uint64_t step = 1; step <= 100; step++) {
        m.enqueue_kernel([](backbuf::span<Particle> all) {
            for (Particle &p : all) {
                p.vy -= 0.01f;
                p.x += 0.01f * p.vx;
                p.y += 0.01f * p.vy;
            }
        });
        m.enqueue_tag(step);
        m.synchronize();
    }

    const auto f = m.front();
    const Particle &p = f[count - 1];
    std::printf("after %llu steps: (%.3f, %.3f)\n", static_cast<unsigned long long>(f.tag()), static_cast<double>(p.x),
                static_cast<double>(p.y));
    return p.x > 0.99f && p.x < 1.01f && p.y < 10 ? 0 : 1;
} catch (const backbuf::Error &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
