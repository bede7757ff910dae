// The buffer design's interfaces, and its four usage patterns near their text: a mesh loaded once, a texture streamed, uniforms
// of every frame, results read back; and an application that keeps its buffers as IBuffer pointers.
#include "check.hpp"

#include <algorithm>
#include <iterator>
#include <memory>
#include <type_traits>

using namespace backbuf;

struct FrameData {
    float mvp[16];
};
using ResultType = float;

static float vertices[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

// --- the interfaces, by type ---

template <class T, class... A> constexpr bool made_of = std::is_constructible_v<T, A...>;
template <class Role>
constexpr bool accepts_all =
    std::is_base_of_v<IBuffer, Role> && made_of<Role, BufferDesc, IBufferFactory *> &&
    made_of<Role, BufferDesc, IBufferFactory &> && made_of<Role, BufferDesc, std::unique_ptr<IBufferFactory> &> &&
    made_of<Role, BufferDesc, std::shared_ptr<IBufferFactory> &> && made_of<Role, BufferDesc, BufferFactory &> &&
    made_of<Role, BufferDesc, Device &> && made_of<Role, Device &, BufferDesc> &&
    made_of<Role, IBufferFactory *, BufferDesc>;
static_assert(accepts_all<Buffer> && accepts_all<DeviceBuffer> && accepts_all<GrowableBuffer>);
static_assert(accepts_all<ImmediateStagingBuffer> && accepts_all<DeferredStagingBuffer>);
static_assert(accepts_all<ReadbackBuffer> && accepts_all<DynamicBuffer>);
static_assert(std::is_base_of_v<IMappableBuffer, Buffer> && std::is_base_of_v<IMappableBuffer, DeferredStagingBuffer>);
static_assert(std::is_same_v<decltype(std::declval<const IBuffer &>().getSize()), std::uint64_t>);
static_assert(std::is_same_v<decltype(std::declval<const IBuffer &>().getUsage()), BufferUsage>);
static_assert(std::is_same_v<decltype(std::declval<const IBuffer &>().isValid()), bool>);
static_assert(std::is_same_v<decltype(std::declval<const IBuffer &>().getState()), BufferState>);
static_assert(std::is_same_v<decltype(std::declval<IMappableBuffer &>().getMappedData()), void *>);
static_assert(std::is_same_v<decltype(std::declval<const IMappableBuffer &>().getMappedData()), const void *>);
static_assert(std::is_same_v<decltype(std::declval<IBufferFactory &>().createBuffer({})), std::unique_ptr<IBuffer>>);
static_assert(std::is_same_v<decltype(std::declval<IBufferFactory &>().createMappableBuffer({})),
                             std::unique_ptr<IMappableBuffer>>);
static_assert(static_cast<int>(BufferUsage::MapWrite) == 1 << 7 && static_cast<int>(BufferUsage::Indirect) == 1 << 8);
static_assert(static_cast<int>(BufferState::Uninitialized) == 0 && static_cast<int>(BufferState::Destroyed) == 4);
static_assert(static_cast<int>(MapMode::Read) == 1);

// --- pattern 1: static mesh data ---

static void mesh(IBufferFactory *factory) {
    Encoder encoder(factory);
    {
        // Small mesh (< 1MB): direct initialization
        BufferDesc desc{sizeof(vertices), BufferUsage::Vertex | BufferUsage::CopySrc, true};
        auto buffer = factory->createMappableBuffer(desc);
        memcpy(buffer->getMappedData(), vertices, sizeof(vertices));
        buffer->unmap();
        float uploaded[9];
        memcpy(uploaded, read_back(*buffer, factory).data(), sizeof(uploaded));
        CHECK(std::equal(std::begin(uploaded), std::end(uploaded), vertices));
    }
    {
        // Large mesh (> 1MB): staging buffer
        const std::vector<char> large(2 << 20, 7);
        const char *const meshData = large.data();
        const std::size_t meshSize = large.size();
        BufferDesc desc{meshSize, BufferUsage::Vertex | BufferUsage::CopySrc, true};
        ImmediateStagingBuffer staging(desc, factory);
        staging.write(meshData, meshSize);
        DeviceBuffer gpuBuffer(desc, factory);
        CHECK(staging.getState() == BufferState::Mapped && gpuBuffer.getState() == BufferState::Ready);
        staging.uploadTo(encoder, gpuBuffer);
        CHECK(staging.getState() == BufferState::Ready);
        encoder.submit();
        CHECK(memcmp(read_back(gpuBuffer, factory).data(), meshData, meshSize) == 0);
    }
}

// --- pattern 2: texture streaming ---

static void loadTextureData(void *p) { memset(p, 5, 4096); }

static void texture(IBufferFactory &factory) {
    Encoder encoder(factory);
    BufferDesc desc{4096, BufferUsage::CopySrc};
    DeviceBuffer textureBuffer(desc, factory);
    DeferredStagingBuffer staging(desc, factory);
    auto uploaded = staging.mapAsync().then([](void *ptr) { loadTextureData(ptr); }).then([&](void *) {
        staging.uploadTo(encoder, textureBuffer);
    });
    uploaded.get();
    encoder.submit();
    CHECK(read_back(textureBuffer, &factory) == std::vector<unsigned char>(4096, 5));
}

// --- pattern 3: uniforms of every frame ---

struct RenderPass {
    IBuffer *bound = nullptr;
    void setBuffer(int, IBuffer *buffer) { bound = buffer; }
};
static void updateFrameData(FrameData *data) { data->mvp[0] = 1; }

static void uniforms(IBufferFactory &factory) {
    BufferDesc desc{sizeof(FrameData), BufferUsage::Uniform};
    auto renderPass = std::make_unique<RenderPass>();
    DynamicBuffer frameUniforms(desc, factory);
    for (int frame = 0; frame < 5; frame++) {
        auto handle = frameUniforms.beginUpdate().get();
        updateFrameData(handle.as<FrameData>());
        renderPass->setBuffer(0, handle.getBuffer());
        CHECK(renderPass->bound->getNativeHandle() != 0 && renderPass->bound->getSize() == sizeof(FrameData));
        handle.end();
        frameUniforms.endFrame();
    }
    const int frames = frameUniforms.beginUpdate()
                           .then([](void *data) {
                               updateFrameData(static_cast<FrameData *>(data));
                               return 6;
                           })
                           .get();
    frameUniforms.endFrame();
    CHECK(frames == 6 && frameUniforms.stats().frames == 6);
}

// --- pattern 4: results of compute ---

static float result = 0;
static void processResults(const ResultType *results) { result = results[0]; }

static void results(IBufferFactory &factory) {
    auto encoder = std::make_unique<Encoder>(factory);
    BufferDesc desc{64, BufferUsage::CopySrc};
    DeviceBuffer gpuBuffer(desc, factory);
    const std::vector<float> computed(16, 3.f);
    encoder->write(gpuBuffer, computed);
    ReadbackBuffer readback(desc, factory);
    encoder->copyBufferToBuffer(gpuBuffer, readback);
    auto processed = readback.readAsync().then([](const MappedData &data) { processResults(data.as<ResultType>()); });
    encoder->submit();
    processed.get();
    CHECK(result == 3);
}

// --- an application that keeps std::vector<IBuffer *> ---

static void kept_by_interface(IBufferFactory *factory) {
    const std::vector<unsigned char> seven(64, 7);
    const BufferUsage both = BufferUsage::CopySrc | BufferUsage::Storage;
    auto mapped = factory->createMappableBuffer({64, BufferUsage::MapWrite | BufferUsage::CopySrc, true});
    auto target = factory->createMappableBuffer({64, BufferUsage::MapRead | BufferUsage::CopyDst});
    auto first = factory->createBuffer({64, both, false, "first"}), second = factory->createBuffer({64, both});
    memset(mapped->getMappedData(), 9, 64);
    mapped->unmap();
    ImmediateStagingBuffer staging({64}, factory);
    staging.write(seven);
    const std::vector<IBuffer *> buffers{mapped.get(), first.get(), second.get(), target.get(), &staging};
    for (const IBuffer *buffer : buffers)
        CHECK(buffer->isValid() && buffer->getSize() == 64 && buffer->getUsage() != BufferUsage::None);
    CHECK(buffers[1]->getDebugName() == "first" && buffers[1]->getNativeHandle() != 0);
    Encoder encoder(factory);
    encoder.copyBufferToBuffer(*buffers[0], *buffers[1]); // mapped memory to the device
    encoder.copyBufferToBuffer(*buffers[1], *buffers[2]);
    encoder.write(*buffers[1], seven, 0);
    staging.uploadTo(encoder, *buffers[3]);
    encoder.copyBufferToBuffer(*buffers[2], 0, *buffers[3], 8, 8);
    encoder.submit();
    CHECK(read_back(*buffers[1], factory) == seven && read_back(*buffers[2], factory)[63] == 9);
    const auto data = target->mapAsync(MapMode::Read).get();
    const auto bytes = data.as<unsigned char>();
    CHECK(bytes[0] == 7 && bytes[8] == 9 && bytes[15] == 9 && bytes[16] == 7);
}

int main() {
    Result<Device> devices[] = {Device::try_host("designs"), Device::try_gl()};
    for (auto &device : devices) {
        if (!device) {
            std::puts(device.status().text());
            continue;
        }
        const auto factory = std::make_unique<BufferFactory>(*device);
        mesh(factory.get());
        texture(*factory);
        uniforms(*factory);
        results(*factory);
        kept_by_interface(factory.get());
    }
    return 0;
}
