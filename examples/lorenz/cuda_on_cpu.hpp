// CUDA C++ on the host, for sanitizers: a block is a set of system threads, and blocks run one after the other.
#pragma once
#include <barrier>
#include <cmath>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __shared__
#define __forceinline__ inline

struct Index {
    unsigned x;
};
inline thread_local Index threadIdx;
inline Index blockIdx, blockDim, gridDim;
inline std::barrier<> *barrier_of_block;

inline void __syncthreads() { barrier_of_block->arrive_and_wait(); }

/// Runs `kernel(arguments...)`; the shared memory is the array that the kernel declares and the program defines.
template <class Kernel, class... Arguments>
void launch(unsigned blocks, unsigned threads, Kernel kernel, Arguments... arguments) {
    gridDim.x = blocks;
    blockDim.x = threads;
    for (unsigned block = 0; block < blocks; ++block) {
        std::barrier<> barrier(threads);
        barrier_of_block = &barrier;
        blockIdx.x = block;
        std::vector<std::thread> running;
        running.reserve(threads);
        for (unsigned thread = 0; thread < threads; ++thread) {
            running.emplace_back([=] {
                threadIdx.x = thread;
                kernel(arguments...);
            });
        }
        for (std::thread &thread : running)
            thread.join();
    }
}
