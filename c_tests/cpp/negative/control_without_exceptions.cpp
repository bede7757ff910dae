// compiles: the try_ functions are all there without exceptions.
// flags: -fno-exceptions
#include <backbuf.hpp>
#include <chrono>
float right() {
    auto made = backbuf::Manager<float>::try_create({2, 2}, backbuf::Config().flush([] {}));
    if (!made)
        return 0;
    const backbuf::Manager<float> m = *std::move(made);
    auto batch = m.try_batch();
    if (!batch || !batch->try_fill({}, 1.f) || !batch->try_kernel([](backbuf::span<float>) {}) || !batch->try_commit())
        return 0;
    if (!m.try_synchronize(std::chrono::milliseconds(5)) || !backbuf::try_dump([](std::string_view) {}))
        return 0;
    const auto front = m.try_front();
    return front ? (*front)(0, 1) : 0;
}
std::size_t right(int value) {
    auto made = backbuf::try_ring(64, backbuf::RingConfig().label("ring").checked().backoff(false));
    if (!made)
        return 0;
    auto [tx, rx] = *std::move(made);
    auto room = tx.try_reserve(4, backbuf::forever);
    if (!tx.try_send(value) || !room || !room->try_commit(0) || !tx.try_flush() || !tx.try_close())
        return 0;
    std::size_t all = 0;
    if (auto got = rx.try_recv(value); got && !got.closed())
        all += got.bytes();
    if (auto seen = rx.try_peek(); seen && seen->try_as<int>() && seen->try_consume(0))
        all++;
    auto stream = rx.try_into_stream();
    if (!stream)
        return all;
    for (auto chunk = stream->try_next(); chunk; chunk = stream->try_next())
        all += chunk->size();
    return all;
}
std::uint64_t right(const int &solver) {
    auto made = backbuf::BufferRegistry::try_create(backbuf::RegistryConfig().typed());
    if (!made || !made->try_register_buffer(&solver, backbuf::CUDABuffer::shared("k1", 3)) ||
        !made->try_plan(&solver, backbuf::PlanConfig().cancelled([] { return true; })) || !made->try_json(&solver))
        return 0;
    const auto limits = backbuf::Arch(9, 0).try_limits();
    const auto fit = limits ? made->try_check(&solver, *limits, backbuf::Launch(128)) : limits.status();
    return fit ? fit->shared_bytes : made->try_shared_buffer_size(&solver).value_or(0);
}
