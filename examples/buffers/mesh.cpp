// Loading meshes once: a small one is mapped at creation and written in place, a large one is uploaded through a staging
// buffer to the device's own memory.
#include "on_device.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <variant>
#include <vector>

using namespace backbuf;

// From this size on, a staging buffer pays.
constexpr std::uint64_t large = 1 << 20;

struct Vertex {
    float x, y, z;
};

using Mesh = std::variant<Buffer, DeviceBuffer>;

static std::vector<Vertex> sphere(int rings) {
    std::vector<Vertex> all;
    for (int ring = 0; ring < rings; ring++)
        for (int step = 0; step < 2 * rings; step++) {
            const float down = 3.14159265f * float(ring) / float(rings),
                        around = 3.14159265f * float(step) / float(rings);
            all.push_back({std::sin(down) * std::cos(around), std::cos(down), std::sin(down) * std::sin(around)});
        }
    return all;
}

static Mesh load(const Device &device, const std::vector<Vertex> &vertices) {
    const BufferUsage usage = BufferUsage::Vertex | BufferUsage::CopySrc;
    const std::uint64_t bytes = vertices.size() * sizeof(Vertex);
    if (bytes < large) {
        Buffer small(device, {bytes, usage, true, "small mesh"});
        std::copy(vertices.begin(), vertices.end(), reinterpret_cast<Vertex *>(small.mappedRange().begin()));
        small.unmap(); // from here on the device may use it
        return small;
    }
    BufferFactory factory(device);
    DeviceBuffer mesh({bytes, usage, false, "large mesh"}, factory);
    ImmediateStagingBuffer staging({bytes, BufferUsage::None, false, "large mesh on its way"}, factory);
    staging.write(vertices);
    Encoder encoder(factory);
    staging.uploadTo(encoder, mesh);
    encoder.submit();
    return mesh; // the staging buffer is freed once the device is done
}

static std::vector<Vertex> seen(const Device &device, Mesh &mesh) {
    BufferFactory factory(device);
    if (auto *small = std::get_if<Buffer>(&mesh)) {
        Buffer back(device, {small->getSize(), BufferUsage::MapRead | BufferUsage::CopyDst, false, "back"});
        Encoder encoder(factory);
        encoder.copyBufferToBuffer(*small, back);
        encoder.submit();
        const auto data = back.mapAsync(MapMode::Read).get();
        const auto all = data.as<Vertex>();
        return {all.begin(), all.end()};
    }
    auto &mesh_of_the_device = std::get<DeviceBuffer>(mesh);
    ReadbackBuffer back({mesh_of_the_device.getSize()}, factory);
    const auto data = back.readAsync(mesh_of_the_device).get();
    const auto all = data.as<Vertex>();
    return {all.begin(), all.end()};
}

int main(int argc, char **argv) try {
    const auto device = open_device(argc, argv);
    bool right = true;
    for (const int rings : {8, 300}) {
        const auto vertices = sphere(rings);
        Mesh mesh = load(device, vertices);
        const auto there = seen(device, mesh);
        std::printf("%zu vertices, %s\n", there.size(), mesh.index() == 0 ? "mapped at creation" : "staged");
        right = right && there.size() == vertices.size() &&
                std::equal(there.begin(), there.end(), vertices.begin(),
                           [](const Vertex &a, const Vertex &b) { return a.x == b.x && a.y == b.y && a.z == b.z; });
    }
    return ended(right);
} catch (const Error &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
