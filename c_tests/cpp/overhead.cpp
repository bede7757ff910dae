// Pairs of functions, the same thing in C and in C++: check_overhead.sh compares their machine code.
#include <backbuf.hpp>

using backbuf::Manager;
using backbuf::Status;
using backbuf::Timeout;
using M = const Manager<float> &;
using Raw = bb_manager *const *;

extern "C" {
// noexcept on both sides: a C function might throw for all that the compiler knows, which forbids tail calls.
bb_status same_enqueue_c(Raw m, const float *data, std::uint64_t count, std::uint64_t timeout) noexcept {
    const bb_update update{256, count, data};
    return bb_manager_enqueue(*m, &update, timeout);
}
Status same_enqueue_cpp(M m, const float *data, std::uint64_t count, Timeout timeout) noexcept {
    return m.try_enqueue(64, {data, count}, timeout);
}

bb_status same_synchronize_c(Raw m) noexcept { return bb_manager_synchronize(*m, BB_MS(5)); }
Status same_synchronize_cpp(M m) noexcept { return m.try_synchronize(std::chrono::milliseconds(5)); }

bb_status same_tag_c(Raw m, std::uint64_t tag) noexcept { return bb_manager_enqueue_tag(*m, tag, BB_FOREVER); }
Status same_tag_cpp(M m, std::uint64_t tag) noexcept { return m.try_enqueue_tag(tag); }

// The throwing forms add a test and a jump to code out of line: one call into the library on the way of success.
void once_enqueue(M m, const float *data, std::uint64_t count) { m.enqueue(64, {data, count}); }
void once_synchronize(M m) { m.synchronize(); }
void once_tag(M m, std::uint64_t tag) { m.enqueue_tag(tag); }
std::uint64_t once_epoch(M m) { return m.epoch(); }
}
