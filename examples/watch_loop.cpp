// A poll loop that draws each new epoch: a watch is a file descriptor beside the loop's others.
#include <backbuf.hpp>

#include <chrono>
#include <cstdio>
#include <future>

#include <poll.h>

using namespace std::chrono_literals;

int main() try {
    const backbuf::Manager<double> m({16}, backbuf::Config().label("meter"));
    auto watch = m.watch();

    auto producer = std::async(std::launch::async, [&m] {
        for (int i = 1; i <= 20; i++) {
            m.enqueue_fill({}, i);
            m.synchronize();
        }
        m.close();
    });

    double last = 0;
    int drawn = 0;
    for (pollfd p{watch.fd(), POLLIN, 0}; poll(&p, 1, 10'000) == 1;) {
        const auto epoch = watch.try_wait(0ms);
        if (epoch.status() == BB_E_CLOSED)
            break;
        const auto f = m.front();
        last = f[0];
        drawn++;
    }
    producer.get();
    std::printf("drawn %d times, the last value is %g\n", drawn, m.front()[15]);
    return drawn > 0 && last <= 20 && m.front()[15] == 20 ? 0 : 1;
} catch (const backbuf::Error &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
