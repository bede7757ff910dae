// Results that come back while the frames go on: a read is asked for in each frame and looked at when it is there, some frames later.
// No frame waits for its own.
#include "on_device.hpp"

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

using namespace backbuf;

constexpr std::uint32_t frames = 100, numbers = 1024;

int main(int argc, char **argv) try {
    const auto device = open_device(argc, argv);
    BufferFactory factory(device);
    const std::uint64_t bytes = numbers * sizeof(std::uint32_t);
    DeviceBuffer result({bytes, BufferUsage::Storage | BufferUsage::CopySrc, false, "histogram"}, factory);
    ReadbackBuffer readback({bytes, BufferUsage::None, false, "histograms"}, factory, 4, WhenFull::Wait);
    Encoder encoder(factory);

    std::deque<ReadbackBuffer::Reading> on_their_way;
    std::uint32_t seen = 0;
    bool right = true;
    const auto look = [&] { // in the order in which they were asked for
        const auto data = on_their_way.front().get();
        right = right && data.as<std::uint32_t>()[0] == seen && data.as<std::uint32_t>()[numbers - 1] == seen;
        seen++;
        on_their_way.pop_front();
    };
    for (std::uint32_t frame = 0; frame < frames; frame++) {
        const std::vector<std::uint32_t> made_by_the_device(numbers, frame); // a compute pass would leave it there
        encoder.write(result, made_by_the_device);
        encoder.submit();
        if (on_their_way.size() == 4) // the device is that far behind
            look();
        on_their_way.push_back(readback.readAsync(result, 0, bytes));
        while (!on_their_way.empty() && on_their_way.front().ready())
            look();
    }
    while (!on_their_way.empty())
        look();
    // Who need not look at a certain time leaves the bytes to a function.
    std::atomic<int> told{0};
    encoder.copyBufferToBuffer(result, readback); // among other steps, of which it sees those before
    encoder.submit();
    readback.readAsync().then(
        [&](const MappedData &data) { told = data.as<std::uint32_t>()[1] == frames - 1 ? 1 : -1; },
        [&](const Error &) { told = -1; });
    while (told == 0)
        std::this_thread::yield();
    right = right && told == 1;
    std::printf("%u results of %u frames, %d stalls of the ring\n", seen, frames, int(readback.stats().stalls));
    return ended(right && seen == frames && readback.stats().stalls == 0);
} catch (const Error &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
