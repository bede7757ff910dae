// The stream: chunks come in order, stay as they are as long as they are held, and go back to the pool.
#include "support.hpp"

#include <array>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <type_traits>

#include <poll.h>

using backbuf::Chunk;
using backbuf::ring;
using backbuf::Sender;
using backbuf::Stream;
using backbuf::StreamConfig;

struct Record {
    std::uint64_t step;
    double value[2];
};

static_assert(sizeof(Stream) == sizeof(void *) && sizeof(Chunk) == sizeof(bb_chunk));
static_assert(!std::is_copy_constructible_v<Stream> && std::is_nothrow_move_constructible_v<Stream>);
static_assert(!std::is_copy_constructible_v<Chunk> && std::is_nothrow_move_constructible_v<Chunk>);
#if __cplusplus >= 202002L
static_assert(std::ranges::input_range<Stream &>);
#endif

// A sender and a stream whose chunks are of `size` bytes.
static std::pair<Sender, Stream> streamed(std::uint64_t capacity, std::uint64_t size) {
    auto [tx, rx] = ring(capacity);
    return {std::move(tx), rx.into_stream(StreamConfig().pool_size(size))};
}

static std::string_view text(const Chunk &chunk) {
    return {reinterpret_cast<const char *>(chunk.data()), chunk.size()};
}

static void a_stream_takes_its_receiver() {
    auto [tx, rx] = ring(64);
    for (const std::uint64_t few : {0, 16, 63})
        EXPECT_THROWS(BB_E_ARGUMENT, rx.into_stream(StreamConfig().pool_size(few)));
    const backbuf::Status refused = rx.try_into_stream(StreamConfig().pool_size(16)).status();
    EXPECT(std::string_view(refused.text()).find("pool_count") != std::string_view::npos);
    EXPECT_THROWS(BB_E_RANGE, rx.into_stream(StreamConfig().min_size(65)));
    EXPECT(rx); // refused, it stays
    bb_receiver *raw = rx.handle();
    auto stream = rx.into_stream();
    EXPECT(stream && !rx && bb_handle_check(raw) == BB_E_STALE);
    EXPECT_THROWS(BB_E_NULL, static_cast<void>(rx.try_peek().value()));
    auto moved = std::move(stream);
    EXPECT_THROWS(BB_E_NULL, stream.next()); // NOLINT: used after move on purpose
    EXPECT_STATUS(BB_E_TIMEOUT, moved.try_next(0ms).status());
    EXPECT_THROWS(BB_E_TIMEOUT, moved.next(0ms));
    EXPECT(Stream::adopt(moved.release()));
}

static void a_loop_takes_all_and_ends() {
    auto [tx, stream] = streamed(1024, 64);
    std::thread engine([tx = std::move(tx)]() mutable {
        for (std::uint32_t i = 0; i < 10'000; i++)
            if (!tx.send_all(i))
                return;
    });
    std::uint32_t next = 0;
    bool in_order = true;
    for (Chunk &chunk : stream) {
        in_order &= reinterpret_cast<std::uintptr_t>(chunk.data()) % 64 == 0;
        for (std::uint32_t value : chunk.as<std::uint32_t>())
            in_order &= value == next++;
    }
    engine.join();
    EXPECT(in_order && next == 10'000);
    EXPECT(!stream.next() && !stream.next(0ms));
    EXPECT_STATUS(BB_E_CLOSED, stream.try_next().status());
    EXPECT(stream.stats().bytes == 40'000 && stream.stats().live == 0);
}

static void held_chunks_stay_as_they_are() {
    auto [tx, stream] = streamed(64, 64);
    std::vector<Chunk> held;
    for (std::uint64_t i = 0; i < 50; i++) {
        EXPECT(tx.send_all(i));
        held.push_back(stream.next());
    }
    held[49].as<std::uint64_t>()[0] = 100; // they may be written
    EXPECT(stream.stats().live == 50 && stream.stats().chunks == 50);
    stream.reset();
    tx.reset();
    for (std::uint64_t i = 0; i < 49; i++)
        EXPECT(held[i].size() == 8 && held[i].as<std::uint64_t>()[0] == i);
    EXPECT(held[49].as<std::uint64_t>()[0] == 100);
    const Chunk moved = std::move(held[0]);
    EXPECT(moved && !held[0] && held[0].size() == 0 && held[0].span().empty());
    std::thread elsewhere([held = std::move(held)]() mutable { held.clear(); });
    elsewhere.join();
    EXPECT(moved.as<std::uint64_t>()[0] == 0);
}

static void buffers_are_used_again() {
    auto [tx, stream] = streamed(64, 64);
    EXPECT(tx.send_all(std::uint64_t{1}));
    Chunk chunk = stream.next();
    bb_lease *raw = chunk.handle();
    const std::byte *where = chunk.data();
    chunk.reset();
    EXPECT(!chunk && bb_handle_check(raw) == BB_E_STALE);
    EXPECT(tx.send_all(std::uint64_t{2}));
    chunk = stream.next();
    EXPECT(chunk.data() == where && chunk.as<std::uint64_t>()[0] == 2);
    EXPECT(stream.stats().hits == 1 && stream.stats().misses == 1 && stream.stats().live == 1);
    EXPECT(bb_lease_release(chunk.release()) == BB_OK && !chunk && stream.stats().live == 0);
}

static void several_come_at_once() {
    auto [tx, stream] = streamed(1024, 64);
    const auto full = [](char letter) { return std::string(64, letter); };
    EXPECT(tx.send_all(full('a') + full('b') + full('c') + "d"));
    std::array<Chunk, 2> two;
    EXPECT(stream.chunks(two) == 2 && text(two[0]) == full('a') && text(two[1]) == full('b'));
    EXPECT(stream.chunks({two.data(), 1}) == 1 && text(two[0]) == full('c'));
    EXPECT(stream.stats().live == 2 && text(two[1]) == full('b')); // which was not asked for
    EXPECT(stream.ready_chunks(two) == 1 && text(two[0]) == "d" && !two[1]);
    EXPECT(tx.send_all(std::string_view("ee")));
    std::vector<Chunk> more(3);
    EXPECT_STATUS(BB_E_TIMEOUT, stream.try_chunks(more, 1ms).status());
    EXPECT(tx.send_all(std::string_view("ff")));
    tx.close();
    std::string all;
    while (const std::size_t n = stream.chunks(more)) // what had come is not lost
        for (std::size_t i = 0; i < n; i++)
            all += text(more[i]);
    EXPECT(all == "eeff");
    EXPECT(stream.ready_chunks(more) == 0);
    EXPECT_STATUS(BB_E_CLOSED, stream.try_ready_chunks(more).status());
}

static void records_are_whole() {
    auto [tx, rx] = ring(1024);
    auto stream = rx.into_stream(StreamConfig().pool_size(100).records<Record>().label("records"));
    for (std::uint64_t step = 0; step < 10; step++)
        EXPECT(tx.send_all(Record{step, {1, 2}}));
    EXPECT(tx.send_all(std::uint32_t{0}));
    tx.close();
    std::uint64_t seen = 0;
    auto chunk = stream.try_next();
    for (; chunk; chunk = stream.try_next())
        for (const Record &r : chunk->as<Record>())
            EXPECT(r.step == seen++);
    EXPECT_STATUS(BB_E_ALIGN, chunk.status()); // it ended inside of a record
    EXPECT_THROWS(BB_E_ALIGN, stream.next());
    EXPECT(seen == 10);
}

static void elements_must_fill_the_chunk() {
    auto [tx, stream] = streamed(64, 64);
    EXPECT(tx.send_all(std::string_view("six by")));
    const Chunk chunk = stream.next();
    EXPECT(chunk.as<std::uint16_t>().size() == 3 && chunk.span().size() == 6);
    EXPECT_THROWS(BB_E_ALIGN, chunk.as<std::uint32_t>());
    EXPECT_STATUS(BB_E_ALIGN, chunk.try_as<Record>().status());
}

static void small_chunks_wait_for_each_other() {
    auto [tx, rx] = ring(64);
    auto stream = rx.into_stream(StreamConfig().min_size(4).pool_count(1));
    EXPECT(tx.send_all(std::string_view("abc")));
    EXPECT_STATUS(BB_E_TIMEOUT, stream.try_next(1ms).status());
    EXPECT(tx.send_all(std::string_view("defgh")));
    EXPECT(text(stream.next()) == "abcdefgh");
    EXPECT(tx.send_all(std::string_view("ij")));
    tx.reset();
    EXPECT(text(stream.next()) == "ij"); // the tail is smaller, and not lost
    EXPECT(!stream.next() && stream.stats().kept <= 1);
}

static void the_descriptor_becomes_readable_once_armed() {
    auto [tx, stream] = streamed(64, 64);
    const auto ready = [fd = stream.fd()] {
        pollfd p{fd, POLLIN, 0};
        return poll(&p, 1, 0) == 1;
    };
    EXPECT(!stream.arm() && !ready());
    EXPECT(tx.send_all(std::uint64_t{1}) && ready() && stream.arm());
    EXPECT(stream.next());
    EXPECT(!stream.arm());
    tx.reset();
    EXPECT(ready() && stream.arm() && !stream.next(0ms));
}

static void a_new_sender_goes_on() {
    auto [tx, stream] = streamed(64, 64);
    EXPECT_THROWS(BB_E_BUSY, stream.attach_sender());
    tx.reset();
    tx = stream.attach_sender();
    EXPECT(tx.send_all(std::uint64_t{3}) && stream.next().size() == 8);
    stream.close();
    stream.close();
    EXPECT(!stream.next() && !tx.send_all(std::uint64_t{4}));
}

int main() {
    UNITY_BEGIN();
    RUN(a_stream_takes_its_receiver);
    RUN(a_loop_takes_all_and_ends);
    RUN(held_chunks_stay_as_they_are);
    RUN(buffers_are_used_again);
    RUN(several_come_at_once);
    RUN(records_are_whole);
    RUN(elements_must_fill_the_chunk);
    RUN(small_chunks_wait_for_each_other);
    RUN(the_descriptor_becomes_readable_once_armed);
    RUN(a_new_sender_goes_on);
    return UNITY_END();
}
