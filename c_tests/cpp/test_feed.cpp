// Feeds in C++: records of a writer reach the state, what is refused, and who has the receiver.
#include "support.hpp"

#include <string_view>
#include <thread>
#include <type_traits>

using backbuf::Feed;
using backbuf::FeedBatch;
using backbuf::FeedWriter;

using backbuf::Manager;
using backbuf::ring;

static_assert(!std::is_copy_constructible_v<Feed> && std::is_nothrow_move_constructible_v<Feed>);
static_assert(!std::is_copy_constructible_v<FeedWriter> && std::is_nothrow_move_constructible_v<FeedWriter>);

static void records_reach_the_state() {
    Manager<float> m({100});
    auto [tx, rx] = ring(4096);
    Feed feed(m, std::move(rx));
    FeedWriter writer(std::move(tx));
    const float values[] = {1.5f, 2.5f};
    writer.write(0, 40, values);
    writer.fill(0, 80, 3, 7.0f);
    writer.tag(42);
    m.synchronize();
    auto front = m.front();
    EXPECT(front[10] == 1.5f && front[11] == 2.5f && front[20] == 7.0f && front[22] == 7.0f && front[23] == 0.0f);
    EXPECT(front.tag() == 42);
    EXPECT(feed.info().records == 3 && feed.info().status == BB_OK);
}

static void a_batch_is_applied_together() {
    Manager<std::uint32_t> m({64});
    auto [tx, rx] = ring(1 << 14);
    Feed feed(m, std::move(rx));
    std::thread thread([writer = FeedWriter(std::move(tx))]() mutable {
        for (std::uint32_t round = 1; round <= 2000; round++) {
            FeedBatch batch;
            batch.fill(0, 0, 63, round);
            batch.write(0, 63 * sizeof round, round);
            batch.tag(round);
            writer.write_batch(batch);
        }
    });
    std::uint64_t seen = 0;
    while (seen < 2000) {
        m.synchronize();
        auto front = m.front();
        EXPECT(front.tag() >= seen && front[0] == front.tag() && front[62] == front[0] && front[63] == front[0]);
        seen = front.tag();
    }
    thread.join();
    EXPECT(feed.info().batches == 2000);
}

static void a_bad_record_stops_the_feed() {
    Manager<std::uint32_t> m({4});
    auto [tx, rx] = ring(256);
    Feed feed(m, std::move(rx));
    FeedWriter writer(std::move(tx));
    writer.write(0, 16, std::uint32_t{1});
    m.synchronize();
    EXPECT(m.epoch() == 0 && feed.info().status == BB_E_RANGE && feed.info().message[0] != 0);
    EXPECT(writer.try_write(0, 0, std::vector<std::uint32_t>(100)).code() == BB_E_RANGE);
    auto back = feed.stop();
    EXPECT(!feed && back.try_recv_all(std::vector<char>(32)).bytes() == 32);
}

static void a_refused_receiver_stays_the_callers() {
    Manager<char> m({4});
    auto [tx, rx] = ring(8);
    EXPECT(Feed::try_make(m, std::move(rx)).status() == BB_E_RANGE);
    EXPECT(rx && tx.try_send(std::string_view("abc")).bytes() == 3); // NOLINT: a refused call moves nothing
    EXPECT_THROWS(BB_E_RANGE, Feed(m, std::move(rx)));
    EXPECT(rx); // NOLINT: as above
}

static void the_feed_may_outlive_its_manager() {
    auto [tx, rx] = ring(256);
    Feed feed;
    {
        Manager<char> m({4});
        feed = Feed(m, std::move(rx));
    }
    EXPECT(feed.info().status == BB_E_CLOSED);
    FeedWriter writer(std::move(tx));
    writer.tag(1);
    EXPECT(feed.stop().try_recv_all(std::vector<char>(24)).bytes() == 24);
}

int main() {
    UNITY_BEGIN();
    RUN(records_reach_the_state);
    RUN(a_batch_is_applied_together);
    RUN(a_bad_record_stops_the_feed);
    RUN(a_refused_receiver_stays_the_callers);
    RUN(the_feed_may_outlive_its_manager);
    return UNITY_END();
}
