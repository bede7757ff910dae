// An atomic frame: a batch of regions, fills and a kernel. Readers see all of it or nothing.
#include <backbuf.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

using namespace std::chrono_literals;

int main() try {
    const std::vector<float> tile(3 * 32 * 32, 0.25f);

    backbuf::Manager<float> m({3, 256, 256});
    m.enqueue_fill({}, -1.f);
    m.synchronize();

    auto b = m.batch();
    b.region({0, 64, 64}, {3, 32, 32}, tile);
    b.fill({1, 0, 0}, {2, 256, 1}, 0.5f);
    b.kernel([](backbuf::span<float> all) {
        for (float &x : all)
            x = std::max(x, 0.f);
    });
    b.tag(1);
    b.commit();
    m.synchronize(5s);

    auto f = m.front();
    std::printf("frame %llu at epoch %llu: tile %g, edge %g, elsewhere %g\n", static_cast<unsigned long long>(f.tag()),
                static_cast<unsigned long long>(f.epoch()), static_cast<double>(f(0, 64, 64)),
                static_cast<double>(f(1, 7, 0)), static_cast<double>(f(0, 0, 0)));
    return f(0, 64, 64) == 0.25f && f(1, 7, 0) == 0.5f && f(0, 0, 0) == 0.f ? 0 : 1;
} catch (const backbuf::Error &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
