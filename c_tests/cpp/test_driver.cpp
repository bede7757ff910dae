// Driver: the virtual functions behind the C table, exceptions as statuses, ownership, and managers and buffers on it.
#include "support.hpp"

#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>

using backbuf::Config;
using backbuf::Device;
using backbuf::DeviceFlags;
using backbuf::Driver;
using backbuf::DriverError;
using backbuf::Error;
using backbuf::forever;
using backbuf::Manager;

static_assert(!std::is_copy_constructible_v<Driver> && std::has_virtual_destructor_v<Driver>);

namespace {

// What becomes of a driver.
struct Record {
    int opens = 0, closes = 0, ends = 0, buffers = 0;
    std::thread::id thread, end_thread;
    std::string throws; // the function that throws next
    void (*thrower)() = nullptr;
};

class Memory : public Driver {
  public:
    explicit Memory(Record &record, bool persistent = false) : record_(record), persistent_(persistent) {}
    ~Memory() override {
        record_.ends++;
        record_.end_thread = std::this_thread::get_id();
        EXPECT(record_.closes == record_.opens);
    }

    void open(bb_driver_info &info) override {
        may_throw("open");
        record_.opens++;
        record_.thread = std::this_thread::get_id();
        std::strcpy(info.name, "memory");
    }
    void close() noexcept override { record_.closes++; }
    std::uint64_t create_buffer(std::uint64_t bytes, std::uint32_t usage, const char *label) override {
        may_throw("create_buffer");
        EXPECT(usage != 0 && std::strlen(label) < 64);
        buffers_[++newest_].resize(bytes);
        record_.buffers++;
        return newest_;
    }
    bool has_persistent() const noexcept override { return persistent_; }
    std::uint64_t create_persistent(std::uint64_t bytes, std::uint32_t usage, const char *label, void *&data) override {
        if (!persistent_)
            return Driver::create_persistent(bytes, usage, label, data);
        const auto native = create_buffer(bytes, usage, label);
        data = at(native, 0);
        return native;
    }
    void delete_buffer(std::uint64_t native) noexcept override {
        record_.buffers -= static_cast<int>(buffers_.erase(native));
    }
    void write(std::uint64_t native, std::uint64_t offset, const void *data, std::uint64_t bytes) override {
        may_throw("write");
        std::memcpy(at(native, offset), data, bytes);
    }
    void copy(std::uint64_t from, std::uint64_t start, std::uint64_t to, std::uint64_t offset,
              std::uint64_t bytes) override {
        may_throw("copy");
        std::memcpy(at(to, offset), at(from, start), bytes);
    }
    void *map(std::uint64_t native, std::uint32_t mode, std::uint64_t offset, std::uint64_t) override {
        may_throw("map");
        EXPECT(mode == BB_MAP_READ || mode == BB_MAP_WRITE);
        return at(native, offset);
    }
    void unmap(std::uint64_t) override { may_throw("unmap"); }
    void submit(std::uint64_t fence) override {
        may_throw("submit");
        EXPECT(fence == submitted_ + 1);
        submitted_ = fence;
    }
    std::uint64_t wait(std::uint64_t, std::uint64_t) override {
        may_throw("wait");
        return submitted_;
    }

    const char *at(std::uint64_t native) const { return buffers_.at(native).data(); }

  private:
    char *at(std::uint64_t native, std::uint64_t offset) { return buffers_.at(native).data() + offset; }
    void may_throw(const char *function) {
        if (record_.throws == function) {
            record_.throws.clear();
            record_.thrower();
        }
    }

    Record &record_;
    bool persistent_;
    std::map<std::uint64_t, std::vector<char>> buffers_;
    std::uint64_t newest_ = 0, submitted_ = 0;
};

void a_device_owns_its_driver() {
    for (const auto flags : {DeviceFlags::none, DeviceFlags::host_driven}) {
        Record record;
        auto device = Device::driver(std::make_unique<Memory>(record), "in C++", flags);
        const auto info = device.info();
        EXPECT(info.kind == BB_DEVICE_CUSTOM && std::string(info.name) == "memory" &&
               std::string(info.label) == "in C++");
        EXPECT(record.opens == 1 && record.ends == 0);
        EXPECT((record.thread == std::this_thread::get_id()) == (flags == DeviceFlags::host_driven));
        device.destroy();
        EXPECT(record.closes == 1 && record.ends == 1 && record.end_thread == record.thread);
    }
}

void a_refused_driver_stays_with_its_caller() {
    Record record;
    std::unique_ptr<Driver> driver;
    EXPECT_STATUS(BB_E_NULL, Device::try_driver(std::move(driver)).status());
    driver = std::make_unique<Memory>(record);
    EXPECT_STATUS(BB_E_ARGUMENT, Device::try_driver(std::move(driver), "\xff").status());
    EXPECT(driver != nullptr && record.opens == 0); // NOLINT: it was not moved
    record.throws = "open", record.thrower = [] { throw DriverError(BB_E_UNSUPPORTED, "no adapter"); };
    try {
        const auto device = Device::driver(std::move(driver)); // NOLINT: a refused call moves nothing
        TEST_FAIL_MESSAGE("it was created");
    } catch (const Error &e) {
        EXPECT(e.status() == BB_E_UNSUPPORTED && std::strstr(e.what(), "driver.open: no adapter") != nullptr);
    }
    EXPECT(driver != nullptr && record.ends == 0 && record.closes == 0); // NOLINT: as above
    auto device = Device::driver(std::move(driver));                     // NOLINT: and may be used again
    EXPECT(driver == nullptr && record.opens == 1);                      // NOLINT: an accepted call moves it
    device.destroy();
    EXPECT(record.ends == 1);
}

void what_a_function_throws_is_a_status_with_its_text() {
    static const struct {
        void (*thrower)();
        bb_status status;
        const char *text;
    } rows[] = {
        {[] { throw DriverError(BB_E_BACKEND, "the queue is full"); }, BB_E_BACKEND, "the queue is full"},
        {[] { throw DriverError(BB_E_OUT_OF_MEMORY, "heap 3"); }, BB_E_OUT_OF_MEMORY, "heap 3"},
        {[] { throw DriverError(BB_E_RANGE, "impossible"); }, BB_E_BACKEND, "status = -8"},
        {[] { throw DriverError(BB_OK, "is no failure"); }, BB_E_BACKEND, "is no failure"},
        {[] { throw std::bad_alloc(); }, BB_E_OUT_OF_MEMORY, "out of memory"},
        {[] { throw std::out_of_range("beyond"); }, BB_E_BACKEND, "beyond"},
        {[] { throw std::runtime_error(std::string(1000, 'x')); }, BB_E_BACKEND, "xxxxx"},
        {[] { throw 7; }, BB_E_BACKEND, "without a text"},
        {[] { throw Error(backbuf::Status(BB_E_BACKEND)); }, BB_E_BACKEND, "BB_E_BACKEND"},
    };
    for (const auto &row : rows) {
        for (const char *function : {"create_buffer", "write", "submit"}) {
            Record record;
            auto device = Device::driver(std::make_unique<Memory>(record));
            record.throws = function, record.thrower = row.thrower;
            const auto refused = Manager<int>::try_create({64}, Config().device(device));
            EXPECT_STATUS(row.status, refused.status());
            const std::string text = bb_last_error();
            EXPECT(text.find(std::string("driver.") + function) != std::string::npos);
            EXPECT(text.find(row.text) != std::string::npos);
            // It concerned that call only.
            Manager<int> m({64}, Config().device(device));
            m.enqueue(1, 5);
            record.throws = function;
            EXPECT_THROWS(row.status, m.synchronize(forever));
            m.synchronize(forever);
            EXPECT(m.front()(1) == 5);
        }
    }
}

void a_lost_device_ends_what_is_on_it() {
    Record record;
    auto device = Device::driver(std::make_unique<Memory>(record));
    Manager<int> m({64}, Config().device(device));
    m.enqueue(1, 5);
    record.throws = "write", record.thrower = [] { throw DriverError(BB_E_DEVICE_LOST, "unplugged"); };
    EXPECT_THROWS(BB_E_DEVICE_LOST, m.synchronize(forever));
    EXPECT_THROWS(BB_E_DEVICE_LOST, m.front_device());
    EXPECT(m.epoch() == 0 && device.stats().lost == 1);
    m.reset();
    device.destroy();
    EXPECT(record.buffers == 0 && record.ends == 1);
}

void a_front_is_in_a_buffer_of_the_driver() {
    Record record;
    auto owned = std::make_unique<Memory>(record);
    const Memory &memory = *owned;
    auto device = Device::driver(std::move(owned));
    Manager<int> m({64}, Config().device(device));
    for (int step = 1; step < 20; step++) {
        m.enqueue(step, step);
        m.synchronize(forever);
        const auto f = m.front_device();
        EXPECT(f && f.bytes() == 256 && f.epoch() == static_cast<std::uint64_t>(step) && f.slot() < 8 && f.tag() == 0);
        EXPECT(std::memcmp(memory.at(f.native()), m.front().data(), 256) == 0);
        const auto changes = f.changed_since(f.epoch() - 1);
        EXPECT(changes.size() == 1 && changes[0].first == sizeof(int) * step && changes[0].count == sizeof(int));
    }
    auto f = m.front_device();
    auto moved = std::move(f);
    EXPECT(!f && f.bytes() == 0 && moved); // NOLINT: used after move on purpose
    moved.reset();
    EXPECT(!moved);
    Manager<int> plain({64});
    EXPECT_THROWS(BB_E_STATE, plain.front_device());
    m.reset();
    device.destroy();
    EXPECT(record.buffers == 0);
}

void buffers_work_on_a_driver() {
    for (const bool persistent : {false, true}) {
        Record record;
        auto device = Device::driver(std::make_unique<Memory>(record, persistent));
        backbuf::BufferFactory factory(device);
        bb_buffer_desc desc{};
        static_cast<void>(bb_buffer_desc_init(&desc));
        desc.size = 16, desc.usage = BB_USAGE_MAP_WRITE | BB_USAGE_COPY_SRC, desc.mapped_at_creation = 1;
        bb_buffer *buffer = nullptr;
        record.throws = "map", record.thrower = [] { throw std::runtime_error("no window"); };
        EXPECT_STATUS(BB_E_BACKEND, bb_buffer_create(device.handle(), &desc, &buffer));
        EXPECT(std::strstr(bb_last_error(), "driver.map: no window") != nullptr && record.buffers == 0);
        EXPECT_STATUS(BB_OK, bb_buffer_create(device.handle(), &desc, &buffer));
        EXPECT_STATUS(BB_OK, bb_buffer_release(buffer));
        bb_dynamic_config config{};
        bb_dynamic *dynamic = nullptr;
        static_cast<void>(bb_dynamic_config_init(&config));
        config.size = 64;
        EXPECT_STATUS(BB_OK, bb_dynamic_create(device.handle(), &config, &dynamic));
        EXPECT_STATUS(BB_OK, bb_dynamic_destroy(dynamic));
        device.destroy();
        EXPECT(record.buffers == 0 && record.ends == 1);
    }
}

// Counts the calls of renderers; all of them come from the test's thread, or while that waits.
class Shared final : public Memory {
  public:
    struct Calls {
        int exports = 0, imports = 0, discards = 0, checks = 0, waits = 0, fences = 0;
    };
    Shared(Record &record, Calls &calls) : Memory(record), calls_(calls) {}

    std::uint64_t native_calls() const noexcept override { return 9; }
    bool has_renderer() const noexcept override { return true; }
    std::uint64_t export_fence() override { return calls_.exports++, 2; }
    void import_fence(std::uint64_t fence) override {
        EXPECT(fence == 3);
        calls_.imports++;
    }
    void discard_fence(std::uint64_t) noexcept override { calls_.discards++; }
    void check_renderer() override {
        if (calls_.checks++ == 0)
            throw DriverError(BB_E_STATE, "no context");
    }
    void renderer_wait(std::uint64_t fence) noexcept override { calls_.waits += fence == 2; }
    std::uint64_t renderer_fence() override { return calls_.fences++, 3; }

  private:
    Calls &calls_;
};

void renderers_and_uploads_wait_for_each_other() {
    Record record;
    Shared::Calls calls;
    auto device = Device::driver(std::make_unique<Shared>(record, calls));
    Manager<int> m({64}, Config().device(device).copies(2));
    EXPECT_THROWS(BB_E_STATE, m.front_device());
    EXPECT(std::strstr(bb_last_error(), "driver.check_renderer") != nullptr && calls.waits == 0);
    m.front_device().reset();
    EXPECT(calls.waits == 1 && calls.fences == 1 && calls.imports == 0);
    for (int step = 1; step <= 2; step++) { // the second one writes the copy that was drawn from
        m.enqueue(1, step);
        m.synchronize(forever);
    }
    EXPECT(calls.imports == 1 && calls.exports == 3 && device.stats().native_calls == 9);
    m.reset();
    device.destroy();
    EXPECT(record.buffers == 0 && record.ends == 1);
}

} // namespace

int main() {
    UNITY_BEGIN();
    RUN(renderers_and_uploads_wait_for_each_other);
    RUN(a_device_owns_its_driver);
    RUN(a_refused_driver_stays_with_its_caller);
    RUN(what_a_function_throws_is_a_status_with_its_text);
    RUN(a_lost_device_ends_what_is_on_it);
    RUN(a_front_is_in_a_buffer_of_the_driver);
    RUN(buffers_work_on_a_driver);
    return UNITY_END();
}
