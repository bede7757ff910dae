// Waiting: timeouts, tickets, epochs, tasks, watches.
#include "support.hpp"

#include <csignal>
#include <limits>
#include <ratio>
#include <type_traits>
#include <utility>

#include <poll.h>
#include <pthread.h>

using backbuf::Config;
using backbuf::forever;
using backbuf::Manager;
using backbuf::Timeout;

static_assert(Timeout(5ms).nanoseconds() == BB_MS(5) && Timeout(2s).nanoseconds() == BB_SEC(2));
static_assert(Timeout(0s).nanoseconds() == 0 && Timeout(-1s).nanoseconds() == 0);
static_assert(forever.nanoseconds() == BB_FOREVER && Timeout(std::chrono::hours::max()).nanoseconds() == BB_FOREVER);
static_assert(Timeout(std::chrono::duration<double>(1.5)).nanoseconds() == 1'500'000'000);
static_assert(Timeout(std::chrono::duration<double>(std::numeric_limits<double>::infinity())).nanoseconds() ==
              BB_FOREVER);
static_assert(Timeout(std::chrono::duration<int, std::pico>(1)).nanoseconds() == 1, "a positive time is not a try");
static_assert(!std::is_convertible_v<int, Timeout>, "5 what?");

static bool readable(int fd, int milliseconds) {
    pollfd p{fd, POLLIN, 0};
    return poll(&p, 1, milliseconds) == 1;
}

static void a_timeout_that_is_no_number_is_a_try() {
    EXPECT(Timeout(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())).nanoseconds() == 0);
}

static void tickets_tell_the_epoch_that_covers_them() {
    const Manager<int> m({4});
    m.enqueue(0, 1);
    const std::uint64_t ticket = m.synchronize_async();
    const std::uint64_t epoch = m.wait(ticket, 1min);
    EXPECT(epoch >= 1 && m.front().epoch() >= epoch && m.front()(0) == 1);
    EXPECT(m.wait(ticket) == epoch);
}

static void epochs_can_be_waited_for() {
    const Manager<int> m({4});
    EXPECT_THROWS(BB_E_TIMEOUT, m.wait_epoch(0, 1ms));
    EXPECT_STATUS(BB_E_TIMEOUT, m.try_wait_epoch(0, 0ms).status());
    std::thread engine([&m] {
        for (int i = 1; i <= 50; i++) {
            m.enqueue(0, i);
            m.synchronize();
        }
    });
    std::uint64_t seen = 0;
    while (seen < 50) {
        const std::uint64_t next = m.wait_epoch(seen, 1min);
        if (next <= seen)
            break;
        seen = next;
    }
    engine.join();
    EXPECT(seen == 50);
}

static void a_task_holds_the_publish_until_it_ends() {
    const Manager<int> m({4}, Config().label("uploader"));
    auto task = m.task("texture upload");
    m.enqueue(0, 1);
    EXPECT_THROWS(BB_E_TIMEOUT, m.synchronize(2ms));
    EXPECT(m.epoch() == 0);
    EXPECT(backbuf::dump().find("texture upload") != std::string::npos);
    std::thread elsewhere([task = std::move(task)]() mutable { task.end(); });
    m.synchronize(1min);
    elsewhere.join();
    EXPECT(m.epoch() == 1);
}

static void a_task_ends_with_its_scope_and_once() {
    const Manager<int> m({4});
    {
        const auto task = m.task("scoped");
    }
    auto task = m.task(std::string("explicit"));
    bb_task *raw = task.handle();
    auto moved = std::move(task);
    EXPECT_THROWS(BB_E_NULL, task.end()); // NOLINT: used after move on purpose
    moved.end();
    EXPECT(!moved && bb_task_end(raw) == BB_E_STALE);
    m.enqueue(0, 1);
    m.synchronize(1min);
    EXPECT(m.epoch() == 1);
}

static void a_stall_is_reported_once() {
    const Manager<int> m({4}, Config().watchdog(5ms));
    auto task = m.task("slow upload");
    m.enqueue(0, 1);
    const backbuf::Status stalled = m.try_synchronize(forever);
    EXPECT_STATUS(BB_E_STALLED, stalled);
    EXPECT(std::string(stalled.text()).find("slow upload") != std::string::npos);
    task.end();
    m.synchronize(1min);
    EXPECT(m.epoch() == 1 && m.stats().stalls >= 1);
}

static void a_watch_has_a_descriptor_of_its_own() {
    const Manager<int> m({4});
    auto first = m.watch();
    auto second = m.watch();
    EXPECT(first.fd() != second.fd() && !readable(first.fd(), 0));
    EXPECT_THROWS(BB_E_TIMEOUT, first.wait(0ms));
    m.enqueue(0, 1);
    m.synchronize();
    EXPECT(readable(first.fd(), 60'000) && first.wait(0ms) == 1);
    EXPECT(!readable(first.fd(), 0));
    EXPECT(readable(second.fd(), 60'000) && second.wait(0ms) == 1);
    m.enqueue(0, 2);
    const std::uint64_t ticket = m.synchronize_async();
    first.ticket(ticket);
    EXPECT(readable(first.fd(), 60'000));
    EXPECT(m.wait(ticket, 0ms) == 2);
}

static void a_watch_moves_and_ends() {
    const Manager<int> m({4});
    auto a = m.watch();
    bb_watch *raw = a.handle();
    auto b = std::move(a);
    EXPECT_THROWS(BB_E_NULL, a.fd()); // NOLINT: used after move on purpose
    EXPECT_THROWS(BB_E_NULL, a.wait(0ms));
    b = m.watch(5);
    EXPECT(bb_handle_check(raw) == BB_E_STALE);
    m.close(1min);
    EXPECT_THROWS(BB_E_CLOSED, b.wait(1min));
}

static void a_check_is_asked_while_a_wait_lasts() {
    const Manager<int> m({4});
    auto task = m.task("checked");
    m.enqueue(0, 1);
    int asked = 0;
    {
        const backbuf::WaitCheck check([&] { return ++asked == 3; });
        EXPECT_THROWS(BB_E_INTERRUPTED, m.synchronize());
        EXPECT(asked == 3);
        bool ended = false;
        const backbuf::WaitCheck inner([&] {
            if (!std::exchange(ended, true))
                task.end();
            return false;
        });
        m.synchronize();
        EXPECT(m.epoch() == 1 && asked == 3);
    }
    EXPECT_THROWS(BB_E_TIMEOUT, m.wait_epoch(1, 60ms));
    EXPECT(asked == 3);
}

static void destroying_wakes_the_waiters() {
    Manager<int> m({4});
    auto task = m.task("never ends");
    m.enqueue(0, 1);
    const bb_manager *raw = m.handle();
    std::atomic<int> outcome{0};
    std::thread waiter([&outcome, raw] {
        const auto view = Manager<int>::try_attach(const_cast<bb_manager *>(raw));
        if (!view)
            return;
        outcome = 1;
        outcome = view->try_wait_epoch(0, 1min).status().code();
    });
    wait_until(outcome, 1);
    m.reset();
    waiter.join();
    EXPECT(outcome == BB_E_CLOSED || outcome == BB_E_STALE);
}

static void a_signal_ends_the_waits_of_a_thread_that_asks_for_it() {
    struct sigaction action{};
    action.sa_handler = [](int) {};
    EXPECT(sigaction(SIGUSR1, &action, nullptr) == 0);
    const Manager<int> m({4});
    std::atomic<bool> done{false};
    std::atomic<int> status{BB_OK};
    std::thread waiter([&] {
        backbuf::set_wait_flags(backbuf::WaitFlags::interruptible);
        status = m.try_wait_epoch(0, 1min).status().code();
        done = true;
    });
    while (!done) { // a signal that comes before the wait is missed by it
        pthread_kill(waiter.native_handle(), SIGUSR1);
        std::this_thread::sleep_for(1ms);
    }
    waiter.join();
    EXPECT_STATUS(BB_E_INTERRUPTED, static_cast<bb_status>(status.load()));
    EXPECT_STATUS(BB_OK, backbuf::try_set_wait_flags(backbuf::WaitFlags::none));
}

static void the_wait_policy_is_of_the_process() {
    EXPECT_STATUS(BB_E_RANGE, backbuf::try_set_wait_policy(backbuf::WaitPolicy::spin, 1s));
    EXPECT_STATUS(BB_E_RANGE, backbuf::try_set_wait_policy(backbuf::WaitPolicy::adaptive, backbuf::forever));
    EXPECT_STATUS(BB_E_ARGUMENT, backbuf::try_set_wait_policy(backbuf::WaitPolicy::sleep, 1us));
    for (const auto policy : {backbuf::WaitPolicy::spin, backbuf::WaitPolicy::sleep, backbuf::WaitPolicy::adaptive}) {
        backbuf::set_wait_policy(policy);
        const Manager<int> m({4});
        std::thread producer([&] {
            m.enqueue(0, 1);
            m.synchronize();
        });
        EXPECT(m.wait_epoch(0) == 1);
        producer.join();
    }
    backbuf::set_wait_policy(backbuf::WaitPolicy::spin, 20us);
    backbuf::set_wait_policy(backbuf::WaitPolicy::adaptive);
}

int main() {
    UNITY_BEGIN();
    RUN(a_timeout_that_is_no_number_is_a_try);
    RUN(tickets_tell_the_epoch_that_covers_them);
    RUN(epochs_can_be_waited_for);
    RUN(a_task_holds_the_publish_until_it_ends);
    RUN(a_task_ends_with_its_scope_and_once);
    RUN(a_stall_is_reported_once);
    RUN(a_watch_has_a_descriptor_of_its_own);
    RUN(a_watch_moves_and_ends);
    RUN(a_check_is_asked_while_a_wait_lasts);
    RUN(destroying_wakes_the_waiters);
    RUN(the_wait_policy_is_of_the_process);
    RUN(a_signal_ends_the_waits_of_a_thread_that_asks_for_it);
    return UNITY_END();
}
