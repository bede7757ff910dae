// compiles: what the others get wrong, done right. If this fails, their failing proves nothing.
#include <backbuf.hpp>
#include <chrono>
#include <string_view>
#include <vector>
float right(const std::vector<float> &data) {
    backbuf::Manager<float> m({2, 2});
    backbuf::Manager<float> moved = std::move(m);
    moved.enqueue(0, data);
    moved.enqueue_kernel([](backbuf::span<float> all) { all[0] = 1; });
    moved.synchronize(std::chrono::milliseconds(5));
    if (!moved.try_trim())
        return 0;
    auto batch = moved.batch();
    batch.commit();
    auto back = moved.back();
    back(0, 0) = back.front()(1, 1);
    back.commit(1);
    auto front = moved.front();
    return front(0, 0);
}
float right(backbuf::Sender &tx, backbuf::Receiver &rx, const backbuf::Sender &shared) {
    float value = 0;
    const std::vector<float> data{1, 2};
    if (tx.send(data) == 0 || tx.send({data.data(), 8}) == 0 || tx.send(5) == 0 ||
        !tx.send_all(std::string_view("text")))
        return 0;
    if (auto room = tx.reserve())
        room.as<float>()[0] = 1.f;
    auto seen = rx.peek(4);
    const float first = seen.as<float>()[0];
    seen.consume(4);
    shared.close();
    auto stream = rx.into_stream();
    for (auto &chunk : stream)
        for (float &x : chunk.as<float>())
            x = first;
    return rx.recv_all(value) ? value : 0;
}
std::uint64_t right(const backbuf::BufferRegistry &r, const std::vector<float> &solver) {
    r.register_buffer(&solver, backbuf::CUDABuffer::shared("k1", 3).of<double>());
    if (!r.try_register_buffer(1, backbuf::CUDABuffer::local("k1", 3).of<std::int32_t>()) ||
        !r.fits(&solver, backbuf::Arch(9, 0), 128))
        return 0;
    r.update_buffer(1, "k1", backbuf::CUDABufferUpdate().location(backbuf::Location::shared));
    return r.shared_buffer_size(&solver);
}
