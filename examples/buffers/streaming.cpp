// Streaming a texture: each tile is written directly into one of two staging buffers, while the other one is uploaded. The steady
// state creates no buffer, and the loader does not wait for a buffer that is free.
#include "on_device.hpp"

#include <cstring>
#include <vector>

using namespace backbuf;

constexpr std::uint64_t tile = 64 << 10, tiles = 64;

// In place of a decoder.
static void decode(std::uint64_t number, View<std::uint32_t> pixels) {
    std::uint32_t at = 0;
    for (std::uint32_t &pixel : pixels)
        pixel = static_cast<std::uint32_t>(number) << 24 | at++;
}

int main(int argc, char **argv) try {
    auto device = open_device(argc, argv);
    BufferFactory factory(device);
    DeviceBuffer texture({tile * tiles, BufferUsage::Storage | BufferUsage::CopySrc, false, "texture"}, factory);
    std::vector<DeferredStagingBuffer> turns;
    for (const char *name : {"even tiles", "odd tiles"})
        turns.emplace_back(BufferDesc{tile, BufferUsage::None, false, name}, factory);
    Encoder encoder(factory);
    std::uint64_t made = 0;
    for (std::uint64_t number = 0; number < tiles; number++) {
        auto &staging = turns[number % 2];
        // Returns when its last tile is uploaded. Without a wait: mapAsync().then(...).
        auto data = staging.mapAsync().get();
        decode(number, data.as<std::uint32_t>());
        staging.uploadTo(encoder, texture, number * tile);
        encoder.submit();
        if (number == 1)
            made = device.stats().buffers_created;
    }
    made = device.stats().buffers_created - made;

    ReadbackBuffer readback({tile * tiles}, factory);
    const auto data = readback.readAsync(texture).get();
    std::vector<std::uint32_t> wanted(tile / sizeof(std::uint32_t));
    bool right = made == 0;
    for (std::uint64_t number = 0; number < tiles; number++) {
        decode(number, {wanted.data(), wanted.size()});
        const auto *seen = data.as<const std::byte>().begin() + number * tile;
        right = right && std::memcmp(wanted.data(), seen, tile) == 0;
    }
    std::printf("%d tiles of %d KiB, %d buffers made on the way\n", int(tiles), int(tile >> 10), int(made));
    return ended(right);
} catch (const Error &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
