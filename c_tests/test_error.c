/* Every number has a status string; each thread has its own last error, with function, parameter, value and label. */
#include "support.h"
#include <limits.h>

#define NAME(status) {status, #status}
static const struct {
    bb_status status;
    const char *name;
} statuses[] = {NAME(BB_OK),
                NAME(BB_E_NULL),
                NAME(BB_E_HANDLE),
                NAME(BB_E_STALE),
                NAME(BB_E_KIND),
                NAME(BB_E_FOREIGN),
                NAME(BB_E_ARGUMENT),
                NAME(BB_E_ALIGN),
                NAME(BB_E_RANGE),
                NAME(BB_E_VERSION),
                NAME(BB_E_UNSUPPORTED),
                NAME(BB_E_LIMIT),
                NAME(BB_E_OUT_OF_MEMORY),
                NAME(BB_E_STATE),
                NAME(BB_E_BUSY),
                NAME(BB_E_FULL),
                NAME(BB_E_EMPTY),
                NAME(BB_E_TIMEOUT),
                NAME(BB_E_CLOSED),
                NAME(BB_E_PINNED),
                NAME(BB_E_STALLED),
                NAME(BB_E_BACKEND),
                NAME(BB_E_DEVICE_LOST),
                NAME(BB_E_ABORTED),
                NAME(BB_E_CANCELLED),
                NAME(BB_E_RECURSIVE),
                NAME(BB_E_INTERRUPTED),
                NAME(BB_E_WRONG_THREAD),
                NAME(BB_E_FORKED),
                NAME(BB_E_POISONED),
                NAME(BB_E_PANIC),
                NAME(BB_E_EXISTS),
                NAME(BB_E_NO_PARENT),
                NAME(BB_E_NO_NAME),
                NAME(BB_E_ALIAS_SELF),
                NAME(BB_E_ALIAS_MISSING),
                NAME(BB_E_ALIAS_ORDER)};

static void strings_begin_with_the_constant(void) {
    for (size_t i = 0; i < LENGTH(statuses); i++) {
        const char *string = bb_status_string(statuses[i].status);
        const size_t length = strlen(statuses[i].name);
        TEST_ASSERT_EQUAL_STRING_LEN(statuses[i].name, string, length);
        CHECK(string[length] == ':');
        CHECK(string == bb_status_string(statuses[i].status)); /* static */
        TEST_ASSERT_EQUAL_INT(-(int)i, statuses[i].status);    /* a number is never reused */
    }
}

static void strings_are_total(void) {
    const int32_t strange[] = {1, 2, 100, INT32_MAX, -37, -38, -1000, INT32_MIN};
    for (size_t i = 0; i < LENGTH(strange); i++) {
        const char *string = bb_status_string(strange[i]);
        TEST_ASSERT_NOT_NULL(string);
        CHECK(strlen(string) > 0);
        CHECK(strncmp(string, "BB_OK", 5) != 0);
    }
}

static void the_version_is_reported(void) {
    TEST_ASSERT_EQUAL_UINT32(BB_VERSION_MAJOR << 16 | BB_VERSION_MINOR << 8 | BB_VERSION_PATCH, bb_version());
    CHECK(strlen(bb_build_info()) > 0);
    CHECK(strstr(bb_build_info(), "/") == NULL); /* neither paths nor dates */
}

static void a_refusal_names_function_parameter_value_and_label(void) {
    bb_manager_config config = defaults("flood");
    bb_manager *m = make_u32(8, &config);
    const uint32_t value = 0;

    EXPECT(BB_E_RANGE, bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 32, .count = 3, .data = &value}, 0));
    MESSAGE_HAS("bb_manager_enqueue_update");
    MESSAGE_HAS("byte_offset");
    MESSAGE_HAS("44");
    MESSAGE_HAS("32");
    MESSAGE_HAS("flood");

    EXPECT(BB_E_ALIGN, bb_manager_enqueue_fill(m, 0, 6, 1, &value, 0));
    MESSAGE_HAS("bb_manager_enqueue_fill");
    MESSAGE_HAS("byte_offset");
    MESSAGE_HAS("6");
    MESSAGE_HAS("flood");

    bb_back back;
    EXPECT(BB_E_ARGUMENT, bb_manager_reserve_back(m, 77, 0, &back));
    MESSAGE_HAS("bb_manager_reserve_back");
    MESSAGE_HAS("flags");
    MESSAGE_HAS("77");
    MESSAGE_HAS("flood");

    bb_batch *batch = NULL;
    OK(bb_batch_begin(m, &batch));
    EXPECT(BB_E_RANGE, bb_batch_update(batch, &(bb_update){.byte_offset = 400, .count = 1, .data = &value}));
    MESSAGE_HAS("bb_batch_update");
    MESSAGE_HAS("flood");
    OK(bb_batch_cancel(batch));
    OK(bb_manager_destroy(m));

    EXPECT(BB_E_STALE, bb_manager_trim(m, BB_FOREVER));
    MESSAGE_HAS("bb_manager_trim");
}

static void a_refusal_at_creation_names_its_part(void) {
    bb_manager *m = NULL;
    EXPECT(BB_E_ARGUMENT, bb_manager_create(99, 1, SHAPE(8), NULL, &m));
    MESSAGE_HAS("bb_manager_create");
    MESSAGE_HAS("dtype");
    MESSAGE_HAS("99");
    bb_manager_config config = defaults("narrow");
    config.copies = 1;
    CHECK(bb_manager_create(BB_U32, 1, SHAPE(8), &config, &m) < 0);
    MESSAGE_HAS("copies");
    MESSAGE_HAS("1");
}

static void *own_error(void *argument) {
    (void)argument;
    THREAD_CHECK(bb_manager_trim(NULL, BB_FOREVER) == BB_E_NULL);
    THREAD_CHECK(strstr(bb_last_error(), "bb_manager_trim") != NULL);
    return NULL;
}

static void *no_error_yet(void *argument) {
    (void)argument;
    THREAD_CHECK(bb_last_error() != NULL);
    THREAD_CHECK(bb_last_error()[0] == '\0');
    return NULL;
}

static void the_last_error_is_the_threads_own(void) {
    EXPECT(BB_E_NULL, bb_manager_config_init(NULL));
    char before[512];
    (void)snprintf(before, sizeof before, "%s", bb_last_error());
    join(start(own_error, NULL));
    join(start(no_error_yet, NULL));
    TEST_ASSERT_EQUAL_STRING(before, bb_last_error());
}

static void a_very_long_value_is_cut_not_overrun(void) {
    bb_manager *m = NULL;
    bb_manager_config config = defaults(NULL);
    static char label[100000];
    memset(label, 'x', sizeof label - 1);
    config.label = label;
    config.copies = 99;
    CHECK(bb_manager_create(BB_U32, 1, SHAPE(8), &config, &m) < 0);
    CHECK(strlen(bb_last_error()) < 4096);
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(strings_begin_with_the_constant);
    RUN_TEST(strings_are_total);
    RUN_TEST(the_version_is_reported);
    RUN_TEST(a_refusal_names_function_parameter_value_and_label);
    RUN_TEST(a_refusal_at_creation_names_its_part);
    RUN_TEST(the_last_error_is_the_threads_own);
    RUN_TEST(a_very_long_value_is_cut_not_overrun);
    return UNITY_END();
}
