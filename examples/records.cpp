// A stream of records through a ring without a copy: the engine thread writes them in place and the main thread reads them in place.
#include <backbuf.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>

struct Record {
    std::uint64_t step;
    double height, speed;
};

// A ball that falls and bounces, until the reader closes its end.
static void engine(backbuf::Sender tx) try {
    Record ball{0, 10.0, 0.0};
    while (auto room = tx.reserve(sizeof(Record), backbuf::forever)) {
        const auto records = room.as<Record>();
        const auto some = records.first(records.size() < 64 ? records.size() : 64); // publish after at most 64 records
        for (Record &r : some) {
            ball.speed -= 0.01;
            ball.height += 0.01 * ball.speed;
            if (ball.height < 0)
                ball = {ball.step, -ball.height, -0.9 * ball.speed};
            ball.step++;
            r = ball;
        }
        room.commit(some.size_bytes());
    }
} catch (const backbuf::Error &e) {
    std::fprintf(stderr, "engine: %s\n", e.what());
    std::abort();
}

int main() try {
    auto [tx, rx] = backbuf::ring(4096, backbuf::RingConfig().label("ball"));
    std::thread stepping(engine, std::move(tx));

    std::uint64_t steps = 0;
    std::uint64_t peeks = 0;
    double highest = 0;
    bool in_order = true;
    while (auto seen = rx.peek(sizeof(Record), backbuf::forever)) {
        const auto records = seen.as<Record>();
        for (const Record &r : records) {
            in_order = in_order && r.step == ++steps;
            highest = r.height > highest ? r.height : highest;
        }
        seen.consume(records.size_bytes());
        peeks++;
        if (steps >= 100'000)
            break;
    }
    const auto stats = rx.stats();
    rx.reset(); // the engine's next call fails, and it ends
    stepping.join();

    std::printf("%llu records in %llu peeks, up to %llu bytes in the ring; "
                "highest %.3f\n",
                static_cast<unsigned long long>(steps), static_cast<unsigned long long>(peeks),
                static_cast<unsigned long long>(stats.high_water), highest);
    return in_order && highest < 10 && stats.bytes == steps * sizeof(Record) ? 0 : 1;
} catch (const backbuf::Error &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
}
