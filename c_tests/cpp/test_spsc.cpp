// The ring: what goes in comes out, by copies and in place; what full, empty, gone and misused look like.
#include "support.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include <poll.h>

using backbuf::Bytes;
using backbuf::forever;
using backbuf::Peek;
using backbuf::Receiver;
using backbuf::Reservation;
using backbuf::ring;
using backbuf::RingConfig;
using backbuf::Sender;
using backbuf::Transfer;
using backbuf::WritableBytes;

// A size that divides no power of two, so that records lie across every border.
struct Record {
    std::uint64_t step;
    double value[2];
};

static_assert(sizeof(Sender) == sizeof(void *) && sizeof(Receiver) == sizeof(void *));
static_assert(sizeof(Reservation) == 3 * sizeof(void *) && sizeof(Peek) == 3 * sizeof(void *));
static_assert(sizeof(Transfer) == 2 * sizeof(void *) && std::is_trivially_copyable_v<Transfer>);
static_assert(!std::is_copy_constructible_v<Sender> && std::is_nothrow_move_constructible_v<Sender>);
static_assert(!std::is_copy_constructible_v<Receiver> && std::is_nothrow_move_assignable_v<Receiver>);
static_assert(!std::is_copy_constructible_v<Reservation> && std::is_nothrow_move_constructible_v<Reservation>);
static_assert(!std::is_copy_assignable_v<Peek> && std::is_nothrow_move_assignable_v<Peek>);
static_assert(std::is_same_v<decltype(std::declval<Reservation &>().as<int>()), backbuf::span<int>>);
static_assert(std::is_same_v<decltype(std::declval<Peek &>().as<int>()), backbuf::span<const int>>);

static void bytes_are_made_of_what_is_contiguous() {
    std::vector<float> v(3);
    const std::array<std::uint16_t, 5> fixed{};
    int table[2][3] = {};
    Record record{};
    EXPECT(Bytes(v).size() == 12 && Bytes(v).data() == v.data());
    EXPECT(Bytes(fixed).size() == 10 && Bytes(table).size() == 24 && Bytes(record).size() == 24);
    EXPECT(Bytes(std::string_view("four")).size() == 4 && Bytes(7).size() == sizeof(int));
    EXPECT(Bytes(v.data(), 5).size() == 5 && Bytes(std::vector<char>()).size() == 0);
    EXPECT(WritableBytes(v).size() == 12 && WritableBytes(table).data() == table);
    EXPECT(WritableBytes(record).data() == &record && WritableBytes(record).size() == 24);
    EXPECT(WritableBytes(backbuf::span<float>(v).subspan(1)).data() == &v[1]);
}

static void what_is_sent_is_received() {
    auto [tx, rx] = ring(1000);
    EXPECT(tx && rx && tx.stats().capacity == 1024 && rx.stats().capacity == 1024);
    std::array<char, 600> there{};
    there.back() = 'z';
    EXPECT(tx.send(there) == 600);
    EXPECT(tx.send(there) == 424); // as much as fits
    EXPECT(tx.send(there) == 0);   // full is nothing to make a noise about
    std::array<char, 600> here{};
    EXPECT(rx.recv(here) == 600 && here == there);
    EXPECT(rx.recv(here) == 424 && rx.recv(here) == 0);
    EXPECT(tx.send(std::string_view()) == 0 && rx.recv({here.data(), 0}) == 0);
    EXPECT(tx.send({there.data(), 3}) == 3 && rx.recv(here, forever) == 3);
    EXPECT(tx.stats().bytes == 1027 && rx.stats().bytes == 1027 && tx.stats().misses == 1);
}

static void fed_bytes_are_signalled_later() {
    auto [tx, rx] = ring(64);
    std::uint32_t got = 0;
    EXPECT(tx.feed(std::uint32_t{7}) == 4 && tx.feed(std::uint32_t{8}) == 4);
    EXPECT(rx.recv(got) == 0);
    EXPECT(tx.flush());
    EXPECT(rx.recv(got) == 4 && got == 7 && rx.recv(got) == 4 && got == 8);
    EXPECT(tx.feed(std::uint32_t{9}) == 4);
    tx.reset(); // reports it, too
    EXPECT(rx.recv_all(got) && got == 9 && !rx.recv_all(got));
}

static void records_are_written_and_read_in_place() {
    auto [tx, rx] = ring(128); // less than a page, and no multiple of a record
    std::uint64_t written = 0;
    std::uint64_t seen = 0;
    while (seen < 1000) {
        if (auto room = tx.reserve(sizeof(Record))) {
            auto records = room.as<Record>();
            EXPECT(!records.empty() && records.size() == room.size() / sizeof(Record));
            for (Record &r : records) {
                r = {written, {0.5, static_cast<double>(written)}};
                written++;
            }
            EXPECT(room.commit(records.size_bytes()) && !room && room.size() == 0);
        }
        auto there = rx.peek(sizeof(Record));
        const Record &first = there.as<Record>().front();
        EXPECT(there.size() % sizeof(Record) == 0 && first.step == seen && first.value[1] == static_cast<double>(seen));
        there.consume(sizeof(Record)); // the rest is seen again
        seen++;
    }
    EXPECT(!tx.reserve(129 - rx.peek().size()));
}

static void what_is_not_settled_has_not_been() {
    auto [tx, rx] = ring(64);
    {
        auto room = tx.reserve();
        EXPECT(room.size() == 64 && room.end() - room.begin() == 64);
        std::memset(room.data(), 1, room.size());
    }
    EXPECT(!rx.peek());
    EXPECT(tx.send(std::string_view("kept")) == 4);
    {
        auto seen = rx.peek();
        EXPECT(seen.size() == 4 && seen.span()[0] == std::byte{'k'});
        auto moved = std::move(seen);
        EXPECT(!seen && moved && moved.size() == 4); // NOLINT: used after move on purpose
    }
    auto seen = rx.peek(4);
    EXPECT(seen.size() == 4);
    seen = Peek();
    seen = rx.peek();
    seen.cancel();
    EXPECT(!seen && rx.peek(4, forever));
    EXPECT(!rx.peek(5) && rx.peek(5).size() == 0); // not so many, which is no failure
    auto none = rx.peek(5);
    none.consume(0);
}

static void claims_are_refused_where_they_are_wrong() {
    auto [tx, rx] = ring(64);
    EXPECT_THROWS(BB_E_RANGE, tx.reserve(65));
    EXPECT_THROWS(BB_E_RANGE, rx.peek(65, forever));
    auto room = tx.reserve();
    EXPECT_THROWS(BB_E_STATE, tx.reserve());
    EXPECT_THROWS(BB_E_STATE, static_cast<void>(tx.send(1)));
    EXPECT_THROWS(BB_E_STATE, room.commit(65));
    EXPECT(room && room.size() == 64); // stays as it was
    EXPECT(room.commit(8));
    EXPECT_THROWS(BB_E_NULL, room.commit(8));
    auto seen = rx.peek();
    EXPECT_THROWS(BB_E_STATE, rx.peek());
    EXPECT_STATUS(BB_E_STATE, rx.try_into_stream().status());
    EXPECT_THROWS(BB_E_STATE, seen.consume(9));
    EXPECT(rx && seen.size() == 8);
    seen.consume(8);
    EXPECT(tx.reserve().size() == 64);
}

static void misaligned_elements_are_refused() {
    auto [tx, rx] = ring(64);
    EXPECT(tx.send(std::string_view("12345678")) == 8);
    auto seen = rx.peek();
    EXPECT(seen.as<std::uint32_t>().size() == 2 && seen.as<Record>().empty());
    seen.consume(1);
    seen = rx.peek();
    EXPECT(seen.as<char>().front() == '2');
    EXPECT_THROWS(BB_E_ALIGN, seen.as<std::uint32_t>());
}

static void a_claim_outlives_its_end() {
    auto [tx, rx] = ring(64);
    EXPECT(tx.send(std::uint64_t{5}) == 8);
    auto seen = rx.peek();
    auto room = tx.reserve();
    rx.reset();
    tx.reset();
    EXPECT(seen.as<std::uint64_t>()[0] == 5);
    room.as<std::uint64_t>()[0] = 6;
    EXPECT_STATUS(BB_E_CLOSED, room.try_commit(8));
    EXPECT_STATUS(BB_E_CLOSED, seen.try_consume(8));
    EXPECT(!room && !seen);
}

static void all_is_delivered_before_the_end() {
    auto [tx, rx] = ring(64);
    static_cast<void>(tx.try_reserve(1000)); // leaves a message about something else
    EXPECT(tx.send(std::string_view("all of it")) == 9);
    tx.close();
    tx.close();
    EXPECT_THROWS(BB_E_CLOSED, static_cast<void>(tx.send(1)));
    EXPECT(rx.wait_readable() && rx.wait_readable(9) && !rx.wait_readable(10));
    EXPECT(!rx.peek(10, forever) && rx.peek(9, forever));
    char text[9];
    EXPECT(rx.recv(text, forever) == 9 && std::string_view(text, 9) == "all of it");
    EXPECT(rx.recv(text, forever) == 0 && !rx.recv_all(text) && !rx.wait_readable() && !rx.peek(1, forever));
    const Transfer got = rx.try_recv(text);
    EXPECT(!got && got.closed() && got.bytes() == 0 && rx.try_recv(text, forever).closed());
    EXPECT_THROWS(BB_E_CLOSED, rx.peek());
    try {
        static_cast<void>(rx.recv(text)); // who does not wait cannot miss it
        TEST_FAIL_MESSAGE("received without a sender");
    } catch (const backbuf::Error &e) {
        EXPECT(e.status() == BB_E_CLOSED && std::string(e.what()).find("CLOSED") != std::string::npos);
    }
}

static void an_end_inside_a_record_is_reported() {
    auto [tx, rx] = ring(64);
    EXPECT(tx.send(std::string_view("ragged")) == 6);
    tx.reset();
    std::uint32_t value = 0;
    EXPECT(rx.recv_all(value));
    EXPECT_THROWS(BB_E_CLOSED, static_cast<void>(rx.recv_all(value)));
}

static void the_sender_sees_the_receiver_go() {
    auto [tx, rx] = ring(64);
    EXPECT(tx.send_all(std::uint64_t{1}));
    auto room = tx.reserve();
    rx.reset();
    EXPECT(!room.commit(8));
    EXPECT(!tx.send_all(std::uint64_t{2}) && !tx.wait_writable() && !tx.reserve(1, forever));
    EXPECT_THROWS(BB_E_CLOSED, static_cast<void>(tx.send(1)));
    EXPECT_THROWS(BB_E_CLOSED, static_cast<void>(tx.feed(1)));
    EXPECT_THROWS(BB_E_CLOSED, tx.reserve());
    EXPECT(tx.try_send(1).closed() && tx.try_send_all(1).closed());
}

static void time_runs_out() {
    auto [tx, rx] = ring(64);
    std::array<char, 100> block{};
    const Transfer sent = tx.try_send_all(block, 1ms);
    EXPECT(!sent && !sent.closed() && sent.bytes() == 64 && sent.status() == BB_E_TIMEOUT);
    EXPECT_THROWS(BB_E_TIMEOUT, static_cast<void>(tx.send_all(block, 1ms)));
    EXPECT_THROWS(BB_E_TIMEOUT, static_cast<void>(tx.wait_writable(1, 1ms)));
    EXPECT_THROWS(BB_E_TIMEOUT, tx.reserve(1, 0ms));
    const Transfer got = rx.try_recv_all(block, 1ms);
    EXPECT(!got && got.bytes() == 64 && got.status() == BB_E_TIMEOUT);
    EXPECT_THROWS(BB_E_TIMEOUT, static_cast<void>(rx.recv(block, 1ms)));
    EXPECT_THROWS(BB_E_TIMEOUT, rx.peek(1, 1ms));
    EXPECT_STATUS(BB_E_TIMEOUT, rx.try_wait_readable(1, 0ms));
    EXPECT_STATUS(BB_E_TIMEOUT, rx.try_peek(1, 0ms).status());
    EXPECT(rx.try_recv(block) && rx.try_recv(block).bytes() == 0);
}

static void a_record_goes_whole_or_not_at_all() {
    auto [tx, rx] = ring(64);
    Record record{1, {1, 2}};
    EXPECT(tx.send_whole(record) && tx.send_whole(record, 1min) && !tx.send_whole(record));
    const Transfer none = tx.try_send_whole(record);
    EXPECT(none && none.bytes() == 0 && none.status() == BB_E_FULL);
    EXPECT_THROWS(BB_E_TIMEOUT, static_cast<void>(tx.send_whole(record, 1ms)));
    EXPECT_THROWS(BB_E_FULL, static_cast<void>(tx.send_whole(record, 0ms)));
    EXPECT_THROWS(BB_E_RANGE, static_cast<void>(tx.send_whole(std::array<char, 65>{})));
    EXPECT(tx.stats().bytes == 2 * sizeof(Record));
    EXPECT(rx.recv_all(record) && tx.try_send_whole(record, 1min).bytes() == sizeof(Record));
    rx.reset();
    EXPECT(!tx.send_whole(record, 1min));
    EXPECT_THROWS(BB_E_CLOSED, static_cast<void>(tx.send_whole(record)));
}

static void the_oldest_records_are_overwritten() {
    auto [tx, rx] = ring(3 * sizeof(Record), RingConfig().overwrite_record_size(sizeof(Record)));
    for (std::uint64_t step = 0; step < 10; step++)
        EXPECT(tx.send(Record{step, {1, 2}}) == sizeof(Record));
    EXPECT(tx.stats().lost == 7 && rx.stats().lost == 7 && tx.stats().capacity == 3 * sizeof(Record));
    EXPECT_THROWS(BB_E_ALIGN, static_cast<void>(tx.send(1)));
    {
        auto seen = rx.peek();
        auto records = seen.as<Record>();
        for (std::uint64_t step = 10; step < 13; step++)
            EXPECT(tx.send_whole(Record{step, {1, 2}}));
        EXPECT(records.size() == 3 && records[0].step == 7 && records[2].step == 9);
        EXPECT(seen.consume(sizeof(Record)));
    }
    Record record{};
    EXPECT(tx.send(Record{13, {1, 2}}) == sizeof(Record) && rx.recv_all(record) && record.step == 11);
    EXPECT(tx.stats().lost == 10 && rx.stats().lost == 10);
}

static void two_threads_pass_records() {
    auto [tx, rx] = ring(256, RingConfig().label("records").backoff(false));
    constexpr std::uint64_t count = 20'000;
    std::thread engine([tx = std::move(tx)]() mutable {
        for (std::uint64_t step = 0; step < count / 2; step++)
            if (!tx.send_all(Record{step, {1, 2}}))
                return;
        for (std::uint64_t step = count / 2; step < count;) {
            auto room = tx.reserve(sizeof(Record), forever);
            auto records = room.as<Record>();
            for (Record &r : records)
                r = {step++, {1, 2}};
            room.commit(records.size_bytes());
        }
    });
    std::uint64_t seen = 0;
    bool in_order = true;
    Record record{};
    while (seen < 1000 && rx.recv_all(record))
        in_order &= record.step == seen++;
    while (auto there = rx.peek(sizeof(Record), forever)) {
        auto records = there.as<Record>();
        for (const Record &r : records)
            in_order &= r.step == seen++ && r.value[1] == 2;
        there.consume(records.size_bytes());
    }
    engine.join();
    EXPECT(in_order && seen >= count);
    EXPECT(rx.stats().bytes == seen * sizeof(Record));
}

static void any_thread_may_close() {
    auto [tx, rx] = ring(64);
    const Receiver &shared = rx;
    std::thread other([&shared] { shared.close(); });
    EXPECT(!rx.wait_readable(1, 1min));
    other.join();
    EXPECT(!tx.wait_writable());
}

static void checked_ends_belong_to_one_thread_at_a_time() {
    auto [tx, rx] = ring(64, RingConfig().checked());
    std::atomic<int> waiting{0};
    std::thread owner([&waiting, &rx = rx] {
        waiting = 1;
        while (rx.try_wait_readable(8).code() == BB_E_BUSY) // the other was inside at that moment
            std::this_thread::yield();
    });
    wait_until(waiting, 1);
    char byte = 0;
    while (rx.try_recv(byte).status() != BB_E_BUSY)
        std::this_thread::yield();
    EXPECT(tx.send(std::uint64_t{1}) == 8);
    owner.join();
    EXPECT(rx.recv(byte) == 1); // moving an end is legal
}

static void descriptors_tell_when_they_are_armed() {
    auto [tx, rx] = ring(64);
    const auto ready = [](int fd) {
        pollfd p{fd, POLLIN, 0};
        return poll(&p, 1, 0) == 1;
    };
    std::array<char, 64> all{};
    EXPECT(!rx.arm() && !ready(rx.fd()));
    EXPECT(tx.send(all) == 64 && ready(rx.fd()) && rx.arm());
    EXPECT(!tx.arm(10) && !ready(tx.fd()) && tx.fd() != rx.fd());
    EXPECT(rx.recv({all.data(), 10}) == 10 && ready(tx.fd()) && tx.arm(10));
    EXPECT(!rx.arm(64));
    tx.reset();
    EXPECT(ready(rx.fd()) && rx.arm(64)); // no more can come
}

static void an_end_can_be_attached_again() {
    auto [tx, rx] = ring(64);
    EXPECT_THROWS(BB_E_BUSY, tx.attach_receiver());
    EXPECT(tx.send(std::uint32_t{1}) == 4);
    rx.reset();
    rx = tx.attach_receiver();
    EXPECT_THROWS(BB_E_BUSY, rx.attach_sender());
    tx = Sender();
    auto again = rx.attach_sender();
    EXPECT(again.send(std::uint32_t{2}) == 4);
    std::uint32_t got[2];
    EXPECT(rx.recv(got) == 8 && got[0] == 1 && got[1] == 2);
}

static void handles_are_given_away_and_adopted() {
    auto [tx, rx] = ring(64, RingConfig().label("handed over"));
    bb_sender *raw = tx.release();
    EXPECT(!tx && bb_handle_check(raw) == BB_OK);
    EXPECT_THROWS(BB_E_NULL, static_cast<void>(tx.send(1)));
    EXPECT_THROWS(BB_E_NULL, tx.fd());
    {
        auto adopted = Sender::adopt(raw);
        const auto refused = adopted.try_reserve(1000);
        EXPECT(std::string(refused.status().text()).find("handed over") != std::string::npos);
    }
    EXPECT(bb_handle_check(raw) == BB_E_STALE);
    auto moved = std::move(rx);
    EXPECT_THROWS(BB_E_NULL, rx.peek()); // NOLINT: used after move on purpose
    EXPECT(!moved.wait_readable());
    EXPECT(Receiver::adopt(moved.release()));
}

static void bad_rings_are_refused() {
    EXPECT_THROWS(BB_E_ARGUMENT, ring(0));
    EXPECT_THROWS(BB_E_RANGE, ring(UINT64_MAX));
    EXPECT_STATUS(BB_E_ARGUMENT, backbuf::try_ring(0).status());
}

int main() {
    UNITY_BEGIN();
    RUN(bytes_are_made_of_what_is_contiguous);
    RUN(what_is_sent_is_received);
    RUN(fed_bytes_are_signalled_later);
    RUN(records_are_written_and_read_in_place);
    RUN(what_is_not_settled_has_not_been);
    RUN(claims_are_refused_where_they_are_wrong);
    RUN(misaligned_elements_are_refused);
    RUN(a_claim_outlives_its_end);
    RUN(all_is_delivered_before_the_end);
    RUN(an_end_inside_a_record_is_reported);
    RUN(the_sender_sees_the_receiver_go);
    RUN(time_runs_out);
    RUN(a_record_goes_whole_or_not_at_all);
    RUN(the_oldest_records_are_overwritten);
    RUN(two_threads_pass_records);
    RUN(any_thread_may_close);
    RUN(checked_ends_belong_to_one_thread_at_a_time);
    RUN(descriptors_tell_when_they_are_armed);
    RUN(an_end_can_be_attached_again);
    RUN(handles_are_given_away_and_adopted);
    RUN(bad_rings_are_refused);
    return UNITY_END();
}
