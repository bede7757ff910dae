// What every C++ test shares. A hang is a failure: the alarm ends it.
#ifndef BACKBUF_TEST_SUPPORT_HPP
#define BACKBUF_TEST_SUPPORT_HPP
#include <backbuf.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include "unity.h"

using namespace std::chrono_literals;

// Each test is one file that includes this once. NOLINTBEGIN(misc-definitions-in-headers)
void setUp() { alarm(300); }
void tearDown() { alarm(0); }
// NOLINTEND(misc-definitions-in-headers)

#define EXPECT(condition) TEST_ASSERT_TRUE_MESSAGE((condition), #condition)
#define EXPECT_STATUS(wanted, ...)                                                                                     \
    do {                                                                                                               \
        const backbuf::Status outcome = (__VA_ARGS__);                                                                 \
        TEST_ASSERT_EQUAL_STRING_MESSAGE(bb_status_string(wanted), bb_status_string(outcome.code()), outcome.text());  \
    } while (0)
// The call throws an Error of this status, whose text says something.
#define EXPECT_THROWS(wanted, ...)                                                                                     \
    do {                                                                                                               \
        bb_status thrown = BB_OK;                                                                                      \
        try {                                                                                                          \
            __VA_ARGS__;                                                                                               \
        } catch (const backbuf::Error &e) {                                                                            \
            thrown = e.status();                                                                                       \
            TEST_ASSERT_NOT_EQUAL_MESSAGE('\0', *e.what(), "an Error without a text");                                 \
        }                                                                                                              \
        TEST_ASSERT_EQUAL_STRING_MESSAGE(bb_status_string(wanted), bb_status_string(thrown), #__VA_ARGS__);            \
    } while (0)

// RUN_TEST, where an exception that escapes the test fails it and says what it was.
template <void (*Test)()> void guarded() {
    std::string escaped;
    try {
        return Test();
    } catch (const std::exception &e) {
        escaped = e.what();
    } catch (...) {
        escaped = "something that is no std::exception";
    }
    static char text[512];
    text[escaped.copy(text, sizeof(text) - 1)] = '\0';
    TEST_FAIL_MESSAGE(text);
}
#define RUN(test) UnityDefaultTestRun(guarded<test>, #test, __LINE__)

// A callback's doing, awaited by the test.
inline void wait_until(const std::atomic<int> &value, int wanted) {
    while (value.load() != wanted)
        std::this_thread::sleep_for(1ms);
}

#endif
