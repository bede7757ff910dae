// The inline writer and reader in C++: records from one thread to another, what is refused, and what a scope's end does.
#include "support.hpp"

#include <backbuf/inline.hpp>
#include <type_traits>

using backbuf::InlineReader;
using backbuf::InlineWriter;
using backbuf::ring;

static_assert(!std::is_copy_constructible_v<InlineWriter> && !std::is_move_constructible_v<InlineReader>);

struct Sample {
    std::uint64_t number;
    float value[3];
};

static void records_pass_between_threads() {
    auto [tx, rx] = ring(4096);
    std::thread thread([tx = std::move(tx)]() mutable {
        {
            InlineWriter writer(tx, 256);
            for (std::uint64_t i = 0; i < 100000; i++) {
                const Sample sample{i, {1, 2, 3}};
                while (!writer.put(sample)) {
                    if (!tx.wait_writable(sizeof sample))
                        return;
                }
            }
        } // publishes the rest
        tx.close();
    });
    InlineReader reader(rx, 1024);
    std::uint64_t next = 0;
    bool right = true;
    Sample sample;
    while (rx.wait_readable(sizeof sample)) {
        while (reader.get(sample))
            right = right && sample.number == next++ && sample.value[2] == 3;
    }
    thread.join();
    EXPECT(right && next == 100000);
    EXPECT_STATUS(BB_E_CLOSED, reader.try_get(sample));
}

static void a_scope_publishes_and_gives_back() {
    auto [tx, rx] = ring(64);
    std::uint64_t words[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    {
        InlineWriter writer(tx, 0);
        EXPECT(writer.put(words[0]) && writer.put(words[1]));
        EXPECT(!rx.peek());
        EXPECT(writer.publish());
        EXPECT(rx.peek().size() == 16);
        EXPECT(writer.put(words[2]));
    }
    EXPECT(rx.peek().size() == 24);
    {
        InlineReader reader(rx, 0);
        std::uint64_t word = 0;
        EXPECT(reader.get(word) && word == 1);
        EXPECT(reader.get(word) && word == 2);
        EXPECT(tx.send(words) == 40);
        EXPECT(reader.give_back());
        EXPECT(tx.send(words) == 16);
        EXPECT(reader.close());
    }
    EXPECT(rx.peek().size() == 64);
}

static void wrong_calls_are_refused() {
    auto [tx, rx] = ring(16);
    std::uint64_t word = 7;
    InlineWriter writer(tx, 0);
    EXPECT_THROWS(BB_E_STATE, InlineWriter(tx, 0));
    EXPECT_THROWS(BB_E_STATE, static_cast<void>(tx.send(word)));
    EXPECT(writer.put(word) && writer.put(word) && !writer.put(word));
    EXPECT_STATUS(BB_E_FULL, writer.try_put(word));
    EXPECT_STATUS(BB_OK, writer.try_publish());
    EXPECT_STATUS(BB_OK, writer.try_close());
    EXPECT_STATUS(BB_E_NULL, writer.try_put(word));
    InlineReader reader;
    EXPECT_STATUS(BB_E_NULL, reader.try_get(word));
    EXPECT_STATUS(BB_OK, reader.try_open(rx, 0));
    EXPECT_THROWS(BB_E_STATE, static_cast<void>(rx.recv(word)));
    EXPECT(reader.get(word) && reader.get(word) && !reader.get(word));
    EXPECT_STATUS(BB_E_EMPTY, reader.try_get(word));
    EXPECT_STATUS(BB_OK, reader.try_give_back());
    EXPECT_STATUS(BB_OK, reader.try_close());
}

static void a_destroyed_receiver_ends_the_writer() {
    auto [tx, rx] = ring(64);
    const std::uint64_t word = 7;
    InlineWriter writer(tx, 8);
    EXPECT(writer.put(word));
    rx.reset();
    EXPECT_THROWS(BB_E_CLOSED, static_cast<void>(writer.put(word)));
    EXPECT(!writer.publish());
    tx.reset(); // before the writer: its memory stays
    EXPECT_STATUS(BB_E_CLOSED, writer.try_put(word));
    EXPECT(!writer.close());
}

int main() {
    UNITY_BEGIN();
    RUN(records_pass_between_threads);
    RUN(a_scope_publishes_and_gives_back);
    RUN(wrong_calls_are_refused);
    RUN(a_destroyed_receiver_ends_the_writer);
    return UNITY_END();
}
