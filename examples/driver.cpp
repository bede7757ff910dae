// A device backend in C++: a driver in the process's memory whose work is done when it is submitted, and a manager on it.
//
// docs/new-backend.md explains it. An exception of a function is a status with its text for the program.
#include <backbuf.hpp>

#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <utility>
#include <vector>

class Engine : public backbuf::Driver {
  public:
    void open(bb_driver_info &info) override {
        info.max_buffer_size = 1 << 30;
        std::snprintf(info.name, sizeof info.name, "heap");
    }

    std::uint64_t create_buffer(std::uint64_t bytes, std::uint32_t, const char *) override {
        buffers_.emplace(++newest_, std::vector<char>(bytes)); // std::bad_alloc is BB_E_OUT_OF_MEMORY
        return newest_;
    }

    // The work so far is recorded, not done: its buffers stay.
    void delete_buffer(std::uint64_t native) noexcept override { deleted_.push_back(native); }

    void write(std::uint64_t native, std::uint64_t offset, const void *data, std::uint64_t bytes) override {
        const auto first = static_cast<const char *>(data);
        work_.push_back([this, native, offset, copy = std::vector<char>(first, first + bytes)] {
            std::memcpy(at(native, offset), copy.data(), copy.size());
        });
    }

    void copy(std::uint64_t from, std::uint64_t start, std::uint64_t to, std::uint64_t offset,
              std::uint64_t bytes) override {
        work_.push_back(
            [this, from, start, to, offset, bytes] { std::memcpy(at(to, offset), at(from, start), bytes); });
    }

    void *map(std::uint64_t native, std::uint32_t, std::uint64_t offset, std::uint64_t) override {
        return at(native, offset);
    }

    void unmap(std::uint64_t) override {}

    void submit(std::uint64_t fence) override {
        if (fence == 3 && std::exchange(is_full_, false))
            throw backbuf::DriverError(BB_E_BACKEND, "the queue is full"); // the work stays for the next submit
        for (const auto &step : work_)
            step();
        work_.clear();
        for (const auto native : deleted_)
            buffers_.erase(native);
        deleted_.clear();
    }

    std::uint64_t wait(std::uint64_t fence, std::uint64_t) override { return fence; }

  private:
    char *at(std::uint64_t native, std::uint64_t offset) { return buffers_.at(native).data() + offset; }

    std::map<std::uint64_t, std::vector<char>> buffers_;
    std::uint64_t newest_ = 0;
    std::vector<std::function<void()>> work_;
    std::vector<std::uint64_t> deleted_;
    bool is_full_ = true; // once, to show a failure
};

int main() {
    const auto device = backbuf::Device::driver(std::make_unique<Engine>(), "mine");
    std::printf("%s\n", device.info().name);

    backbuf::Manager<float> m({256}, backbuf::Config().label("state").device(device));
    for (int step = 1; step <= 3; step++) {
        m.enqueue(16, static_cast<float>(step));
        try {
            m.synchronize(backbuf::forever);
        } catch (const backbuf::Error &e) {
            std::printf("%s\n", e.what());
        }
    }
    const auto f = m.front_device();
    std::printf("epoch %d is in buffer %d\n", static_cast<int>(f.epoch()), static_cast<int>(f.native()));
    return m.front()(16) == 3.f ? 0 : 1;
}
