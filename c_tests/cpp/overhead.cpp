// Pairs of functions, the same thing in C and in C++: check_overhead.sh compares their machine code.
#include <backbuf.hpp>

#include <new>

using backbuf::Manager;
using backbuf::Peek;
using backbuf::Receiver;
using backbuf::Reservation;
using backbuf::Sender;
using backbuf::Status;
using backbuf::Timeout;
using backbuf::Transfer;
using M = const Manager<float> &;
using Raw = bb_manager *const *;

extern "C" {
// noexcept on both sides: a C function might throw for all that the compiler knows, which forbids tail calls.
bb_status same_enqueue_c(Raw m, const float *data, std::uint64_t count, std::uint64_t timeout) noexcept {
    bb_update update;
    update.byte_offset = 256;
    update.count = count;
    update.data = data;
    update.field = 0;
    update.reserved = 0;
    return bb_manager_enqueue_update(*m, &update, timeout);
}
Status same_enqueue_cpp(M m, const float *data, std::uint64_t count, Timeout timeout) noexcept {
    return m.try_enqueue(64, {data, count}, timeout);
}

bb_status same_synchronize_c(Raw m) noexcept { return bb_manager_synchronize(*m, BB_MS(5)); }
Status same_synchronize_cpp(M m) noexcept { return m.try_synchronize(std::chrono::milliseconds(5)); }

bb_status same_tag_c(Raw m, std::uint64_t tag) noexcept { return bb_manager_enqueue_tag(*m, tag, BB_FOREVER); }
Status same_tag_cpp(M m, std::uint64_t tag) noexcept { return m.try_enqueue_tag(tag); }

// What a ring returns is two words in registers, as C would return them.
struct Moved {
    bb_status code;
    std::uint64_t bytes;
};
Moved same_send_c(bb_sender *const *tx, const void *data, std::uint64_t bytes) noexcept {
    std::uint64_t sent = 0;
    const bb_status code = bb_sender_send(*tx, data, bytes, &sent);
    return {code, sent};
}
Transfer same_send_cpp(Sender &tx, const void *data, std::uint64_t bytes) noexcept {
    return tx.try_send({data, bytes});
}

Moved same_recv_c(bb_receiver *const *rx, std::uint64_t *into) noexcept {
    std::uint64_t got = 0;
    const bb_status code = bb_receiver_recv(*rx, into, sizeof(*into), &got);
    return {code, got};
}
Transfer same_recv_cpp(Receiver &rx, std::uint64_t *into) noexcept { return rx.try_recv(*into); }

bb_status same_close_c(bb_sender *const *tx) noexcept { return bb_sender_close(*tx); }
Status same_close_cpp(const Sender &tx) noexcept { return tx.try_close(); }

// The throwing forms add a test and a jump to code out of line: one call into the library on the way of success.
void once_enqueue(M m, const float *data, std::uint64_t count) { m.enqueue(64, {data, count}); }
void once_synchronize(M m) { m.synchronize(); }
void once_tag(M m, std::uint64_t tag) { m.enqueue_tag(tag); }
std::uint64_t once_epoch(M m) { return m.epoch(); }
std::size_t once_send(Sender &tx, std::uint64_t value) { return tx.send(value); }
std::size_t once_recv(Receiver &rx, std::uint64_t &value) { return rx.recv(value); }
bool once_send_all(Sender &tx, std::uint64_t value) { return tx.send_all(value); }
void once_peek(Receiver &rx, void *into) { new (into) Peek(rx.peek(8)); }
void once_reserve(Sender &tx, void *into) { new (into) Reservation(tx.reserve(8)); }
bool once_wait_readable(Receiver &rx) { return rx.wait_readable(); }
}
