// Heat equation: an engine steps from front to back copy on its own thread, and the main thread waits for each next front.
#include <backbuf.hpp>

#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>

using namespace std::chrono_literals;

static void engine(const backbuf::Manager<float> &m) {
    for (std::uint64_t step = 0;; step++) {
        auto back = m.try_back(backbuf::BackMode::discard);
        if (!back)
            return; // BB_E_CLOSED: main has closed the manager
        const auto prev = back->front();
        for (int i = 1; i < 255; i++)
            for (int j = 1; j < 255; j++)
                (*back)(i, j) = 0.25f * (prev(i - 1, j) + prev(i + 1, j) + prev(i, j - 1) + prev(i, j + 1));
        for (int k = 0; k < 256; k++)
            (*back)(0, k) = (*back)(255, k) = (*back)(k, 0) = (*back)(k, 255) = 1.f; // hot edges
        if (!back->try_commit(step) || !m.try_synchronize())
            return;
    }
}

int main() {
    auto made = backbuf::Manager<float>::try_create({256, 256}, backbuf::Config().label("heat"));
    if (!made)
        return std::puts(made.status().text()), 1;
    const backbuf::Manager<float> m = *std::move(made);
    std::thread stepping(engine, std::cref(m));

    std::uint64_t seen = 0;
    float warmest = 0;
    for (int i = 0; i < 10; i++) {
        const auto epoch = m.try_wait_epoch(seen, 10s);
        const auto f = m.try_front();
        if (!epoch || !f)
            break;
        seen = *epoch;
        warmest = (*f)(1, 128);
        std::printf("step %llu: %.4f beside the edge, %.4f further in\n", static_cast<unsigned long long>(f->tag()),
                    static_cast<double>(warmest), static_cast<double>((*f)(4, 128)));
    }
    const bool closed = static_cast<bool>(m.try_close(10s));
    stepping.join();
    return closed && warmest > 0 && warmest < 1 ? 0 : 1;
}
