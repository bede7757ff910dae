/* Feeds: a ring whose records a manager applies. */
#include "support.h"

#include <pthread.h>

typedef struct fed {
    bb_manager *m;
    bb_sender *tx;
    bb_receiver *rx;
    bb_feed *feed;
} fed;

/* A manager of `count` numbers that a ring feeds. */
static fed make_fed(uint64_t count, uint64_t capacity, uint32_t flags) {
    bb_spsc_config config;
    OK(bb_spsc_config_init(&config));
    config.label = "updates", config.flags = flags;
    fed f = {.m = make_u32(count, NULL)};
    OK(bb_spsc_create(capacity, &config, &f.tx, &f.rx));
    OK(bb_manager_feed(f.m, f.rx, &f.feed));
    return f;
}

static void destroy_fed(fed f) {
    OK(bb_feed_destroy(f.feed));
    OK(bb_sender_destroy(f.tx));
    OK(bb_receiver_destroy(f.rx));
    OK(bb_manager_destroy(f.m));
}

static bb_feed_info feed_info(bb_feed *feed) {
    bb_feed_info info;
    OK(bb_feed_status(feed, sizeof info, &info));
    return info;
}

/* Writes one record in place. */
static void put(bb_sender *tx, uint32_t type, uint32_t field, uint64_t offset, const void *payload, uint64_t bytes) {
    bb_feed_record record;
    uint64_t size = 0;
    OK(bb_feed_record_init(type, field, offset, bytes, &record, &size));
    OK(bb_sender_wait_writable(tx, size, BB_FOREVER));
    bb_span span;
    OK(bb_sender_reserve(tx, size, &span));
    memcpy(span.data, &record, sizeof record);
    if (bytes > 0) {
        memcpy((char *)span.data + sizeof record, payload, bytes);
    }
    OK(bb_sender_commit(tx, size));
}

static void put_number(bb_sender *tx, uint64_t index, uint32_t value) {
    put(tx, BB_FEED_WRITE, 0, 4 * index, &value, sizeof value);
}

static uint32_t published(bb_manager *m, uint64_t index) {
    bb_front front;
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_acquire_front(m, &front));
    const uint32_t value = ((const uint32_t *)front.data)[index];
    OK(bb_lease_release(front.lease));
    return value;
}

static void a_synchronize_covers_the_records_before_it(void) {
    const fed f = make_fed(8, 256, 0);
    for (uint32_t i = 1; i <= 1000; i++) {
        put_number(f.tx, i % 8, i);
        TEST_ASSERT_EQUAL_UINT32(i, published(f.m, i % 8));
    }
    const struct {
        uint64_t count;
        uint32_t element, padding;
    } fill = {3, 9, 0};
    put(f.tx, BB_FEED_FILL, 0, 8, &fill, 12);
    put(f.tx, BB_FEED_TAG, 0, 77, NULL, 0);
    TEST_ASSERT_EQUAL_UINT32(9, published(f.m, 4));
    bb_manager_info about;
    OK(bb_manager_info_get(f.m, sizeof about, &about));
    TEST_ASSERT_EQUAL_UINT64(77, about.tag);
    const bb_feed_info info = feed_info(f.feed);
    TEST_ASSERT_EQUAL_UINT64(1002, info.records);
    TEST_ASSERT_EQUAL_UINT64(1000 * 32 + 40 + 24, info.bytes);
    TEST_ASSERT_EQUAL_INT(BB_OK, info.status);
    TEST_ASSERT_EQUAL_STRING("", info.message);
    bb_manager_stats stats;
    OK(bb_manager_stats_get(f.m, sizeof stats, &stats));
    TEST_ASSERT_EQUAL_UINT64(1002, stats.fed_updates);
    destroy_fed(f);
}

static void a_lent_receiver_is_busy_until_the_feed_is_destroyed(void) {
    for (uint32_t flags = 0; flags <= BB_SPSC_CHECKED; flags += BB_SPSC_CHECKED) {
        const fed f = make_fed(8, 256, flags);
        uint8_t bytes[16];
        uint64_t got = 0;
        int32_t fd = -1;
        bb_const_span span;
        bb_feed *feed = NULL;
        bb_stream *stream = NULL;
        bb_sender *tx = NULL;
        bb_end_stats stats;
        EXPECT(BB_E_BUSY, bb_receiver_recv(f.rx, bytes, sizeof bytes, &got));
        EXPECT(BB_E_BUSY, bb_receiver_recv(f.rx, bytes, 1, &got));
        EXPECT(BB_E_BUSY, bb_receiver_recv_all(f.rx, bytes, sizeof bytes, 0, &got));
        EXPECT(BB_E_BUSY, bb_receiver_peek(f.rx, 0, &span));
        EXPECT(BB_E_BUSY, bb_receiver_consume(f.rx, 0));
        EXPECT(BB_E_BUSY, bb_receiver_wait_readable(f.rx, 1, 0));
        EXPECT(BB_E_BUSY, bb_receiver_arm(f.rx, 1));
        EXPECT(BB_E_BUSY, bb_receiver_attach_sender(f.rx, &tx));
        EXPECT(BB_E_BUSY, bb_receiver_close(f.rx));
        EXPECT(BB_E_BUSY, bb_receiver_destroy(f.rx));
        EXPECT(BB_E_BUSY, bb_spsc_into_stream(f.rx, NULL, &stream));
        EXPECT(BB_E_BUSY, bb_manager_feed(f.m, f.rx, &feed));
        TEST_ASSERT_NULL(feed);
        OK(bb_receiver_fd(f.rx, &fd));
        put_number(f.tx, 0, 5);
        TEST_ASSERT_EQUAL_UINT32(5, published(f.m, 0));
        OK(bb_receiver_stats_get(f.rx, sizeof stats, &stats));
        TEST_ASSERT_EQUAL_UINT64(32, stats.bytes);
        OK(bb_feed_destroy(f.feed));
        OK(bb_sender_send(f.tx, "plain", 5, &got));
        OK(bb_receiver_recv(f.rx, bytes, sizeof bytes, &got));
        TEST_ASSERT_EQUAL_UINT64(5, got);
        TEST_ASSERT_EQUAL_MEMORY("plain", bytes, 5);
        OK(bb_receiver_destroy(f.rx));
        OK(bb_sender_destroy(f.tx));
        OK(bb_manager_destroy(f.m));
    }
}

static void a_bad_record_stops_the_feed_and_stays_in_the_ring(void) {
    const fed f = make_fed(8, 256, 0);
    uint64_t got = 0;
    put_number(f.tx, 1, 11);
    put_number(f.tx, 8, 12);
    put_number(f.tx, 2, 13);
    TEST_ASSERT_EQUAL_UINT32(11, published(f.m, 1));
    TEST_ASSERT_EQUAL_UINT32(0, published(f.m, 2));
    const bb_feed_info info = feed_info(f.feed);
    TEST_ASSERT_EQUAL_INT(BB_E_RANGE, info.status);
    TEST_ASSERT_EQUAL_UINT64(1, info.records);
    TEST_ASSERT_EQUAL_UINT64(32, info.bytes);
    TEST_ASSERT_NOT_NULL(strstr(info.message, "beyond 32"));
    bb_manager_stats stats;
    OK(bb_manager_stats_get(f.m, sizeof stats, &stats));
    TEST_ASSERT_EQUAL_UINT64(1, stats.feeds_stopped);
    OK(bb_feed_destroy(f.feed));
    bb_feed_record record;
    OK(bb_receiver_recv(f.rx, &record, sizeof record, &got));
    TEST_ASSERT_EQUAL_UINT64(32, record.offset);
    OK(bb_receiver_destroy(f.rx));
    OK(bb_sender_destroy(f.tx));
    OK(bb_manager_destroy(f.m));
}

static void a_sender_that_ends_inside_a_record_is_reported(void) {
    fed f = make_fed(8, 256, 0);
    bb_feed_record record;
    uint64_t size = 0, got = 0;
    put_number(f.tx, 1, 11);
    OK(bb_feed_record_init(BB_FEED_WRITE, 0, 8, 4, &record, &size));
    TEST_ASSERT_EQUAL_UINT64(32, size);
    OK(bb_sender_send(f.tx, &record, sizeof record, &got));
    bb_span span;
    OK(bb_sender_reserve(f.tx, 8, &span)); /* never committed */
    OK(bb_sender_destroy(f.tx));
    TEST_ASSERT_EQUAL_UINT32(11, published(f.m, 1));
    TEST_ASSERT_EQUAL_UINT32(0, published(f.m, 2));
    const bb_feed_info info = feed_info(f.feed);
    TEST_ASSERT_EQUAL_INT(BB_E_RANGE, info.status);
    TEST_ASSERT_NOT_NULL(strstr(info.message, "bytes = 24: are a part of a record"));
    TEST_ASSERT_EQUAL_UINT64(1, info.records);
    (void)bb_sender_commit(f.tx, 0);
    OK(bb_feed_destroy(f.feed));
    OK(bb_receiver_destroy(f.rx));
    OK(bb_manager_destroy(f.m));
}

static void the_manager_may_end_first(void) {
    const fed f = make_fed(8, 256, 0);
    uint64_t got = 0;
    uint8_t bytes[4];
    OK(bb_manager_destroy(f.m));
    TEST_ASSERT_EQUAL_INT(BB_E_CLOSED, feed_info(f.feed).status);
    OK(bb_sender_send(f.tx, "abc", 3, &got)); /* the waker that is left has no effect */
    OK(bb_receiver_recv(f.rx, bytes, sizeof bytes, &got));
    TEST_ASSERT_EQUAL_UINT64(3, got);
    OK(bb_feed_destroy(f.feed));
    EXPECT(BB_E_STALE, bb_feed_destroy(f.feed));
    OK(bb_receiver_destroy(f.rx));
    OK(bb_sender_destroy(f.tx));
}

static void the_encoder_refuses_what_no_record_has(void) {
    bb_feed_record record = {.offset = 1234};
    uint64_t size = 5678;
    EXPECT(BB_E_ARGUMENT, bb_feed_record_init(0, 0, 0, 0, &record, &size));
    EXPECT(BB_E_ARGUMENT, bb_feed_record_init(5, 0, 0, 0, &record, &size));
    EXPECT(BB_E_ARGUMENT, bb_feed_record_init(BB_FEED_FILL, 0, 0, 8, &record, &size));
    EXPECT(BB_E_ARGUMENT, bb_feed_record_init(BB_FEED_TAG, 1, 0, 0, &record, &size));
    EXPECT(BB_E_ARGUMENT, bb_feed_record_init(BB_FEED_BATCH, 0, 0, 7, &record, &size));
    EXPECT(BB_E_RANGE, bb_feed_record_init(BB_FEED_WRITE, 0, 0, UINT64_MAX, &record, &size));
    EXPECT(BB_E_NULL, bb_feed_record_init(BB_FEED_WRITE, 0, 0, 1, NULL, &size));
    TEST_ASSERT_EQUAL_UINT64(1234, record.offset);
    TEST_ASSERT_EQUAL_UINT64(5678, size);
    OK(bb_feed_record_init(BB_FEED_WRITE, 2, 3, 4, &record, NULL));
    const uint8_t expected[24] = {0xed, 0xfe, 1, 1, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4};
    TEST_ASSERT_EQUAL_MEMORY(expected, &record, sizeof record);
}

enum { NUMBERS = 50000 };

static void *write_numbers(void *tx) {
    for (uint32_t i = 1; i <= NUMBERS; i++) {
        put_number(tx, i % 8, i);
    }
    return NULL;
}

static void a_thread_feeds_while_others_synchronize(void) {
    fed f = make_fed(8, 1024, 0);
    pthread_t writer;
    TEST_ASSERT_EQUAL_INT(0, pthread_create(&writer, NULL, write_numbers, f.tx));
    uint32_t last = 0;
    do {
        const uint32_t now = published(f.m, 0);
        TEST_ASSERT_TRUE(now >= last && now % 8 == 0);
        last = now;
    } while (last < NUMBERS);
    TEST_ASSERT_EQUAL_INT(0, pthread_join(writer, NULL));
    destroy_fed(f);
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(a_synchronize_covers_the_records_before_it);
    RUN_TEST(a_lent_receiver_is_busy_until_the_feed_is_destroyed);
    RUN_TEST(a_bad_record_stops_the_feed_and_stays_in_the_ring);
    RUN_TEST(a_sender_that_ends_inside_a_record_is_reported);
    RUN_TEST(the_manager_may_end_first);
    RUN_TEST(the_encoder_refuses_what_no_record_has);
    RUN_TEST(a_thread_feeds_while_others_synchronize);
    return UNITY_END();
}
