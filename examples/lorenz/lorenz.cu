// The Lorenz system, one trajectory per thread, by the Runge–Kutta method of Dormand and Prince with adaptive steps. Its scratch
// memory is a layout of the registry (lorenz.json): a stage's buffers reuse the memory that earlier stages no longer need.
#include "lorenz_layout.h"

// Doubles, so that the memory is aligned for every element type.
extern __shared__ double memory[];

namespace {

__device__ __forceinline__ void rate(const float *y, float *k) {
    k[0] = 10.0f * (y[1] - y[0]);
    k[1] = y[0] * (28.0f - y[2]) - y[1];
    k[2] = y[0] * y[1] - 8.0f / 3.0f * y[2];
}

} // namespace

/// Solves up to `until` from `start[thread]` to `end[thread]`, and counts the steps of each block.
extern "C" __global__ void lorenz_solve(const float *start, float *end, int *steps_of_block, double until,
                                        float tolerance) {
    constexpr int n = static_cast<int>(lorenz::state_length);
    void *shared = lorenz::shared_of_thread(memory, threadIdx.x);
    alignas(lorenz::persistent_align_bytes) unsigned char persistent[lorenz::persistent_bytes];
    lorenz::scale_array scale;

    float *y = lorenz::state(persistent), *stage = lorenz::stage(shared), *next = lorenz::next(shared);
    float *k1 = lorenz::k1(shared), *k2 = lorenz::k2(shared), *k3 = lorenz::k3(shared), *k4 = lorenz::k4(shared);
    float *k5 = lorenz::k5(shared), *k6 = lorenz::k6(shared), *k7 = lorenz::k7(shared), *error = lorenz::error(shared);
    double *time = lorenz::time(persistent);
    int *steps = lorenz::steps(shared);

    const unsigned trajectory = blockIdx.x * blockDim.x + threadIdx.x;
    for (int i = 0; i < n; ++i)
        y[i] = start[trajectory * n + i];
    *time = 0.0;
    *steps = 0;
    rate(y, k1);
    float h = 1e-3f;
    while (*time < until) {
        h = fminf(h, static_cast<float>(until - *time));
        for (int i = 0; i < n; ++i)
            stage[i] = y[i] + h * (0.2f * k1[i]);
        rate(stage, k2);
        for (int i = 0; i < n; ++i)
            stage[i] = y[i] + h * (3.0f / 40 * k1[i] + 9.0f / 40 * k2[i]);
        rate(stage, k3);
        for (int i = 0; i < n; ++i)
            stage[i] = y[i] + h * (44.0f / 45 * k1[i] - 56.0f / 15 * k2[i] + 32.0f / 9 * k3[i]);
        rate(stage, k4);
        for (int i = 0; i < n; ++i)
            stage[i] = y[i] + h * (19372.0f / 6561 * k1[i] - 25360.0f / 2187 * k2[i] + 64448.0f / 6561 * k3[i] -
                                   212.0f / 729 * k4[i]);
        rate(stage, k5);
        for (int i = 0; i < n; ++i)
            stage[i] = y[i] + h * (9017.0f / 3168 * k1[i] - 355.0f / 33 * k2[i] + 46732.0f / 5247 * k3[i] +
                                   49.0f / 176 * k4[i] - 5103.0f / 18656 * k5[i]);
        rate(stage, k6);
        // From here on k7 and next occupy the memory of k2 and stage.
        for (int i = 0; i < n; ++i)
            next[i] = y[i] + h * (35.0f / 384 * k1[i] + 500.0f / 1113 * k3[i] + 125.0f / 192 * k4[i] -
                                  2187.0f / 6784 * k5[i] + 11.0f / 84 * k6[i]);
        rate(next, k7);
        float worst = 0.0f;
        for (int i = 0; i < n; ++i) {
            error[i] = h * (71.0f / 57600 * k1[i] - 71.0f / 16695 * k3[i] + 71.0f / 1920 * k4[i] -
                            17253.0f / 339200 * k5[i] + 22.0f / 525 * k6[i] - 1.0f / 40 * k7[i]);
            scale[i] = tolerance * (1.0f + fmaxf(fabsf(y[i]), fabsf(next[i])));
            worst = fmaxf(worst, fabsf(error[i]) / scale[i]);
        }
        if (worst <= 1.0f) {
            *time += h;
            *steps += 1;
            for (int i = 0; i < n; ++i) {
                y[i] = next[i];
                k1[i] = k7[i];
            }
        }
        h *= fminf(5.0f, fmaxf(0.2f, 0.9f * powf(fmaxf(worst, 1e-6f), -0.2f)));
    }
    for (int i = 0; i < n; ++i)
        end[trajectory * n + i] = y[i];

    __syncthreads();
    if (threadIdx.x == 0) {
        int sum = 0;
        for (unsigned thread = 0; thread < blockDim.x; ++thread) {
            sum += *lorenz::steps(lorenz::shared_of_thread(memory, thread));
        }
        steps_of_block[blockIdx.x] = sum;
    }
}
