// Uniforms that change with every frame and object: written in place in the frame's part of a ring, and bound by buffer and
// offset. The ring waits only if the device is three frames behind.
#include "on_device.hpp"

#include <cstring>
#include <vector>

using namespace backbuf;

constexpr int frames = 300, objects = 20;

struct alignas(16) Object {
    float transform[16];
    std::uint32_t frame, number, unused[2];
};

int main(int argc, char **argv) try {
    const auto device = open_device(argc, argv);
    BufferFactory factory(device);
    const auto alignment = device.info().uniform_offset_alignment;
    const auto room = (sizeof(Object) + alignment - 1) / alignment * alignment;
    DynamicBuffer uniforms({room * objects, BufferUsage::Uniform | BufferUsage::CopySrc, false, "objects"}, factory);
    // In place of a picture: the bytes that each object's draw has read.
    DeviceBuffer drawn({sizeof(Object) * objects, BufferUsage::Storage | BufferUsage::CopySrc, false, "drawn"},
                       factory);
    ReadbackBuffer readback({drawn.getSize()}, factory);
    Encoder encoder(factory);
    bool right = true;
    for (std::uint32_t frame = 0; frame < frames; frame++) {
        for (std::uint32_t number = 0; number < objects; number++) {
            auto update = uniforms.beginUpdate(sizeof(Object)).get();
            Object &object = update.as<Object>()[0];
            object = {};
            object.frame = frame, object.number = number;
            update.end();
            // A draw binds update.getNativeHandle() at update.getOffset(), after uniforms.flush().
            right = right && update.getNativeHandle() != 0 && update.getOffset() % alignment == 0;
            encoder.copyUpdate(uniforms, update.slice(), drawn, number * sizeof(Object));
        }
        encoder.submit();
        uniforms.endFrame();
        if (frame % 100 == 99) {
            const auto data = readback.readAsync(drawn).get();
            for (std::uint32_t number = 0; number < objects; number++)
                right = right && data.as<Object>()[number].frame == frame && data.as<Object>()[number].number == number;
        }
    }
    const auto stats = uniforms.stats();
    std::printf("%d frames of %d objects: %d stalls, %d buffers beside the ring\n", frames, objects, int(stats.stalls),
                int(stats.dedicated));
    return ended(right && stats.frames == frames && stats.updates == frames * objects && stats.dedicated == 0);
} catch (const Error &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
