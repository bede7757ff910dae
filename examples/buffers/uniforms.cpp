// Uniforms that change with every frame and every object: room in the frame's part of a ring, written in place, bound by buffer and
// offset. The ring waits only where the device is three frames behind.
#include "on_device.hpp"

#include <cstring>
#include <vector>

using namespace backbuf;

constexpr int frames = 300, objects = 20;

struct alignas(16) Object {
    float transform[16];
    std::uint32_t frame, number, unused[2];
};

// Where an object's draw looks.
struct Draw {
    std::uint64_t buffer, offset;
};

int main(int argc, char **argv) try {
    const auto device = open_device(argc, argv);
    BufferFactory factory(device);
    const auto alignment = device.info().uniform_offset_alignment;
    const auto room = (sizeof(Object) + alignment - 1) / alignment * alignment;
    DynamicBuffer uniforms({room * objects, BufferUsage::Uniform, false, "objects"}, factory);
    bool right = true;
    for (std::uint32_t frame = 0; frame < frames; frame++) {
        std::vector<Draw> draws;
        for (std::uint32_t number = 0; number < objects; number++) {
            auto update = uniforms.beginUpdate(sizeof(Object)).get();
            Object &object = update.as<Object>()[0];
            object = {};
            object.frame = frame, object.number = number;
            draws.push_back({update.getBuffer(), update.getOffset()});
        } // each update ends with its scope
        uniforms.flush(); // before draws of one's own
        for (const Draw &draw : draws)
            right = right && draw.buffer != 0 &&
                    draw.offset % alignment == 0; // bind_buffer_range(draw.buffer, draw.offset, ...)
        uniforms.endFrame();
    }
    const auto stats = uniforms.stats();
    std::printf("%d frames of %d objects: %d stalls, %d buffers beside the ring\n", frames, objects, int(stats.stalls),
                int(stats.dedicated));
    return ended(right && stats.frames == frames && stats.updates == frames * objects && stats.dedicated == 0);
} catch (const Error &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
