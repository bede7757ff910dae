// Scratch memory of a CUDA kernel: the buffers of a Runge-Kutta step, one trajectory per thread, planned by lifetime and
// written as a CUDA C++ header.
#include <backbuf.hpp>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;
using backbuf::CUDABuffer;

// An owner registers its buffers in its constructor, under its own address.
struct Stepper {
    explicit Stepper(const backbuf::BufferRegistry &registry) {
        const auto scratch = [&](const char *name, std::uint64_t begin, std::uint64_t end) {
            registry.register_buffer(this, CUDABuffer::shared(name, 3).of<double>().alive(begin, end));
        };
        registry.register_buffer(this, CUDABuffer::local("y", 3).of<double>().persistent()); // kept from step to step
        registry.set_options(this, backbuf::RegistryConfig().typed().shared_per(backbuf::SharedPer::thread));
        // Stage i writes k_i from y_i, and stage i + 1 computes its y_i from k_i; `sum` accumulates the step.
        scratch("sum", 0, 5);
        scratch("k1", 0, 2);
        scratch("y2", 1, 2);
        scratch("k2", 1, 3);
        scratch("y3", 2, 3);
        scratch("k3", 2, 4);
        scratch("y4", 3, 4);
        scratch("k4", 3, 5);
    }
};

int main() try {
    const auto registry = backbuf::BufferRegistry::create(backbuf::RegistryConfig().label("scratch"));
    const Stepper stepper(registry);

    constexpr std::uint32_t threads = 256;
    const auto before = registry.shared_bytes(&stepper, threads);
    const bb_registry_plans plan = registry.plan(&stepper, backbuf::PlanConfig().budget(5s));
    const auto after = registry.shared_bytes(&stepper, threads);
    std::fputs(registry.table(&stepper).c_str(), stdout);
    std::printf("\n%llu bytes a block, %llu without a plan%s\n", static_cast<unsigned long long>(after),
                static_cast<unsigned long long>(before), plan.shared_exact ? "; no plan is lower" : "");

    const bb_fit fit = registry.check(&stepper, backbuf::Arch(9, 0).limits(), backbuf::Launch(threads).registers(40));
    std::printf("on sm_90: %u blocks a multiprocessor\n\n", fit.blocks_per_sm);

    // Write it to a file beside the kernel, which then calls `stepper::k1(shared)`.
    std::fputs(registry.emit_cuda_header(&stepper, "stepper").c_str(), stdout);
    return plan.shared_exact && after < before ? 0 : 1;
} catch (const backbuf::Error &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
