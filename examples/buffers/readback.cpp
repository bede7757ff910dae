// Readback without a stall: each frame requests a read, and uses its bytes when they have arrived, some frames later.
// No frame waits for its own read.
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
    const auto look = [&] { // in the order of the requests
        const auto data = on_their_way.front().get();
        right = right && data.as<std::uint32_t>()[0] == seen && data.as<std::uint32_t>()[numbers - 1] == seen;
        seen++;
        on_their_way.pop_front();
    };
    for (std::uint32_t frame = 0; frame < frames; frame++) {
        const std::vector<std::uint32_t> made_by_the_device(numbers, frame); // in place of a compute pass
        encoder.write(result, made_by_the_device);
        encoder.submit();
        if (on_their_way.size() == 4) // the device is four frames behind
            look();
        on_their_way.push_back(readback.readAsync(result, 0, bytes));
        while (!on_their_way.empty() && on_their_way.front().ready())
            look();
    }
    while (!on_their_way.empty())
        look();
    // If the time of arrival does not matter, a callback receives the bytes.
    std::atomic<int> outcome{0};
    encoder.copyBufferToBuffer(result, readback); // recorded: it sees the steps before it
    encoder.submit();
    readback.readAsync().then(
        [&](const MappedData &data) { outcome = data.as<std::uint32_t>()[1] == frames - 1 ? 1 : -1; },
        [&](const Error &) { outcome = -1; });
    while (outcome == 0)
        std::this_thread::yield();
    right = right && outcome == 1;
    std::printf("%u results of %u frames, %d stalls of the ring\n", seen, frames, int(readback.stats().stalls));
    return ended(right && seen == frames && readback.stats().stalls == 0);
} catch (const Error &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
