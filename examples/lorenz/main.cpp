// Runs the kernel of lorenz.cu on the CPU, and compares its trajectories with a reference solution.
#include "cuda_on_cpu.hpp"

#include "lorenz.cu"

#include <cstdio>

constexpr unsigned blocks = 2, threads = 32;

// Exactly the layout's size, so that a sanitizer detects an access beyond it.
constexpr unsigned long long doubles = lorenz::shared_bytes(threads) / sizeof(double);
double memory[doubles];
static_assert(sizeof memory == lorenz::shared_bytes(threads), "the layout asks for whole doubles");
static_assert(lorenz::fits(90, threads) && !lorenz::needs_opt_in(threads), "a launch of so many threads fits");

/// The classical Runge–Kutta method in double precision, in steps so small that halving them changes nothing.
static void reference(double *y, double until) {
    auto rate = [](const double *y, double *k) {
        k[0] = 10 * (y[1] - y[0]);
        k[1] = y[0] * (28 - y[2]) - y[1];
        k[2] = y[0] * y[1] - 8.0 / 3 * y[2];
    };
    constexpr int steps = 4000;
    const double h = until / steps, weight[4] = {1, 2, 2, 1}, reach[4] = {0, 0.5, 0.5, 1};
    for (int step = 0; step < steps; ++step) {
        double k[3] = {}, sum[3] = {};
        for (int stage = 0; stage < 4; ++stage) {
            double at[3];
            for (int i = 0; i < 3; ++i)
                at[i] = y[i] + h * reach[stage] * k[i];
            rate(at, k);
            for (int i = 0; i < 3; ++i)
                sum[i] += weight[stage] * k[i];
        }
        for (int i = 0; i < 3; ++i)
            y[i] += h / 6 * sum[i];
    }
}

int main() {
    constexpr double until = 1.0;
    constexpr unsigned count = blocks * threads;
    std::vector<float> start(count * 3), end(count * 3);
    std::vector<int> steps(blocks);
    for (unsigned i = 0; i < count; ++i) {
        start[i * 3] = 1.0f + 0.1f * static_cast<float>(i);
        start[i * 3 + 1] = 1.0f;
        start[i * 3 + 2] = 20.0f;
    }
    launch(blocks, threads, lorenz_solve, start.data(), end.data(), steps.data(), until, 1e-6f);

    double worst = 0;
    for (unsigned i = 0; i < count; ++i) {
        double y[3] = {start[i * 3], start[i * 3 + 1], start[i * 3 + 2]};
        reference(y, until);
        for (int j = 0; j < 3; ++j)
            worst = std::fmax(worst, std::fabs(y[j] - end[i * 3 + j]) / (1 + std::fabs(y[j])));
    }
    std::printf("%u trajectories to t = %g: %d and %d steps a block, worst relative deviation %.1e\n", count, until,
                steps[0], steps[1], worst);
    return worst < 1e-3 && steps[0] > 0 && steps[1] > 0 ? 0 : 1;
}
