/* Every function refuses wrong handles with the right status and its name in the message, and nothing crashes. */
#include "exports.h"

/* Exports that take no handle. */
static const char *const without_handle[] = {"bb_version",
                                             "bb_build_info",
                                             "bb_status_string",
                                             "bb_last_error",
                                             "bb_feed_record_init",
                                             "bb_set_log",
                                             "bb_set_log_queue",
                                             "bb_log_next",
                                             "bb_begin_callbacks",
                                             "bb_end_callbacks",
                                             "bb_set_wait_flags",
                                             "bb_set_wait_check",
                                             "bb_set_wait_policy",
                                             "bb_debug_dump",
                                             "bb_debug_dump_fd",
                                             "bb_manager_config_init",
                                             "bb_manager_create",
                                             "bb_manager_create_fields",
                                             "bb_writer_publish",
                                             "bb_writer_close",
                                             "bb_reader_give_back",
                                             "bb_reader_close",
                                             "bb_front_field",
                                             "bb_gl_front_field",
                                             "bb_device_front_field",
                                             "bb_device_create_host",
                                             "bb_device_create_gl",
                                             "bb_device_create_wgpu",
                                             "bb_device_create_driver",
                                             "bb_spsc_config_init",
                                             "bb_spsc_create",
                                             "bb_stream_config_init",
                                             "bb_registry_config_init",
                                             "bb_registry_create",
                                             "bb_registry_buffer_init",
                                             "bb_layout_diff",
                                             "bb_arch_parse",
                                             "bb_limits_init",
                                             "bb_launch_init",
                                             "bb_plan",
                                             "bb_plan_config_init",
                                             "bb_buffer_desc_init",
                                             "bb_readback_config_init",
                                             "bb_dynamic_config_init"};

static bool is_covered(const char *name) {
    for (size_t i = 0; i < LENGTH(exports); i++) {
        if (strcmp(exports[i].name, name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < LENGTH(without_handle); i++) {
        if (strcmp(without_handle[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Fails for a function of the header that the table lacks. */
static void every_export_is_in_the_table(void) {
    static char header[1 << 20];
    char path[4096] = __FILE__;
    char *const slash = strrchr(path, '/');
    (void)snprintf(slash == NULL ? path : slash + 1, 64, "../include/backbuf.h");
    FILE *const file = fopen(path, "r");
    TEST_ASSERT_NOT_NULL_MESSAGE(file, path);
    const size_t length = fread(header, 1, sizeof header - 1, file);
    (void)fclose(file);
    CHECK(length < sizeof header - 1);
    size_t functions = 0;
    for (const char *at = header; (at = strstr(at, "\nBB_API ")) != NULL; functions++) {
        char name[64] = "";
        const char *const end = strchr(++at, '(');
        const char *first = end;
        TEST_ASSERT_NOT_NULL(end);
        while (first[-1] != ' ' && first[-1] != '*' && first[-1] != '\n') {
            first--;
        }
        (void)snprintf(name, sizeof name, "%.*s", (int)(end - first), first);
        TEST_ASSERT_TRUE_MESSAGE(is_covered(name), name);
    }
    TEST_ASSERT_EQUAL_size_t(LENGTH(exports) + LENGTH(without_handle), functions);
}

static const export_case *each(size_t *at) { return *at < LENGTH(exports) ? &exports[(*at)++] : NULL; }

static void refused(const export_case *e, void *handle, bb_status want) {
    expect_status(want, e->call(handle), e->name, __LINE__);
    if (e->kind != ANY) {
        MESSAGE_HAS(e->name);
    }
}

static void null_is_refused_or_a_noop(void) {
    const export_case *e;
    for (size_t at = 0; (e = each(&at)) != NULL;) {
        expect_status(e->null_is_a_noop ? BB_OK : BB_E_NULL, e->call(NULL), e->name, __LINE__);
    }
}

static void every_export_reports_stale_handles(void) {
    const objects o = make_objects();
    destroy_objects(o);
    const export_case *e;
    for (size_t at = 0; (e = each(&at)) != NULL;) {
        for (kind k = MANAGER; k < KINDS; k++) {
            if (e->kind == ANY || e->kind == k) {
                refused(e, o.of[k], BB_E_STALE);
            }
        }
    }
}

static void what_a_manager_leaves_behind_when_destroyed_can_still_be_ended(void) {
    const objects o = make_objects();
    OK(bb_manager_destroy(o.of[MANAGER]));
    OK(bb_lease_release(o.of[LEASE]));
    EXPECT(BB_E_STALE, bb_lease_release(o.of[LEASE]));
    for (kind k = BATCH; k <= WATCH; k++) {
        const export_case *e;
        for (size_t at = 0; (e = each(&at)) != NULL;) {
            if (e->kind == k && !e->null_is_a_noop) {
                const bb_status status = e->call(o.of[k]);
                CHECK(status == BB_OK || status == BB_E_CLOSED || status == BB_E_STALE);
            }
        }
    }
    (void)bb_batch_cancel(o.of[BATCH]);
    (void)bb_watch_destroy(o.of[WATCH]);
    for (kind k = MANAGER; k <= WATCH; k++) {
        EXPECT(BB_E_STALE, bb_handle_check(o.of[k]));
    }
    destroy_others(o);
}

static void a_slot_used_again_keeps_its_old_handle_stale(void) {
    bb_manager *old = make_u32(8, NULL);
    OK(bb_manager_destroy(old));
    for (int i = 0; i < rounds(500); i++) {
        bb_manager *m = make_u32(8, NULL);
        CHECK(m != old);
        EXPECT(BB_E_STALE, bb_manager_destroy(old));
        OK(bb_manager_destroy(m));
    }
}

static void a_handle_of_another_kind_is_refused(void) {
    const objects o = make_objects();
    const export_case *e;
    for (size_t at = 0; (e = each(&at)) != NULL;) {
        for (kind k = MANAGER; k < KINDS; k++) {
            if (e->kind != ANY && e->kind != k) {
                refused(e, o.of[k], BB_E_KIND);
            }
        }
    }
    destroy_objects(o);
}

static bool is_refusal_of_garbage(bb_status status) {
    return status == BB_E_HANDLE || status == BB_E_STALE || status == BB_E_KIND || status == BB_E_FOREIGN;
}

static void garbage_is_refused(void) {
    const objects o = make_objects();
    uint64_t state = 88172645463325252u;
    int on_the_stack = 0;
    const uintptr_t chosen[] = {1,
                                2,
                                8,
                                64,
                                0xDEADBEEF,
                                UINTPTR_MAX,
                                UINTPTR_MAX - 1,
                                (uintptr_t)1 << 63,
                                (uintptr_t)&on_the_stack,
                                (uintptr_t)"text",
                                (uintptr_t)exports};
    for (int i = 0; i < rounds(2000); i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        const uintptr_t value = (size_t)i < LENGTH(chosen) ? chosen[i] : (uintptr_t)state;
        const export_case *e;
        for (size_t at = 0; (e = each(&at)) != NULL;) {
            const bb_status status = e->call((void *)value);
            TEST_ASSERT_TRUE_MESSAGE(is_refusal_of_garbage(status), e->name);
            TEST_ASSERT_TRUE_MESSAGE(e->kind != ANY || status != BB_E_FOREIGN, "bb_handle_check never returns FOREIGN");
        }
    }
    EXPECT(BB_E_HANDLE, bb_manager_synchronize((bb_manager *)1, 0)); // NOLINT(performance-no-int-to-ptr)
    for (kind k = MANAGER; k < KINDS; k++) {
        OK(bb_handle_check(o.of[k])); /* nothing above touched a live object */
    }
    destroy_objects(o);
}

static void a_flipped_bit_never_reaches_an_object(void) {
    const objects o = make_objects();
    for (kind k = MANAGER; k < KINDS; k++) {
        for (int bit = 0; bit < 64; bit++) {
            void *flipped = (void *)((uintptr_t)o.of[k] ^ (uintptr_t)1 << bit);
            /* It may be the handle of another object of this test. */
            bool live = flipped == (void *)o.feeder || flipped == (void *)o.fed_from || flipped == (void *)o.fed;
            for (kind other = MANAGER; other < KINDS; other++) {
                live = live || o.of[other] == flipped;
            }
            if (!live) {
                CHECK(bb_handle_check(flipped) != BB_OK);
            }
        }
    }
    destroy_objects(o);
}

static void a_second_destroy_is_refused(void) {
    const objects o = make_objects();
    destroy_objects(o);
    EXPECT(BB_E_STALE, bb_watch_destroy(o.of[WATCH]));
    EXPECT(BB_E_STALE, bb_task_end(o.of[TASK]));
    EXPECT(BB_E_STALE, bb_batch_cancel(o.of[BATCH]));
    EXPECT(BB_E_STALE, bb_batch_commit(o.of[BATCH], 0));
    EXPECT(BB_E_STALE, bb_lease_release(o.of[LEASE]));
    EXPECT(BB_E_STALE, bb_manager_destroy(o.of[MANAGER]));
    MESSAGE_HAS("bb_manager_destroy");
    EXPECT(BB_E_STALE, bb_sender_destroy(o.of[SENDER]));
    EXPECT(BB_E_STALE, bb_receiver_destroy(o.of[RECEIVER]));
    EXPECT(BB_E_STALE, bb_stream_destroy(o.of[STREAM]));
    MESSAGE_HAS("bb_stream_destroy");
}

/* --- calls that race with the end of their object: they return CLOSED or STALE, and then STALE --- */

typedef struct race {
    const export_case *e;
    void *handle;
    atomic_int calls;
} race;

static void *call_until_refused(void *argument) {
    race *r = argument;
    for (;;) {
        const bb_status status = r->e->call(r->handle);
        atomic_fetch_add(&r->calls, 1);
        if (status == BB_E_STALE || status == BB_E_CLOSED) {
            return NULL;
        }
    }
}

/* Objects that need no other one, and how many threads may use them at once. */
static const struct {
    kind kind;
    bb_status (*end)(void *);
    size_t threads;
} roots[] = {{MANAGER, call_bb_manager_destroy, 2},
             {SENDER, call_bb_sender_destroy, 1},
             {RECEIVER, call_bb_receiver_destroy, 1},
             {STREAM, call_bb_stream_destroy, 1},
             {FEED, call_bb_feed_destroy, 2},
             {REGISTRY, call_bb_registry_destroy, 2},
             {DEVICE, call_bb_device_destroy, 2},
             {BUFFER, call_bb_buffer_release, 2},
             {REQUEST, call_bb_request_release, 2},
             {ENCODER, call_bb_encoder_destroy, 2},
             {DEVICE_BUFFER, call_bb_device_buffer_destroy, 2},
             {IMMEDIATE, call_bb_immediate_staging_destroy, 2},
             {DEFERRED, call_bb_deferred_staging_destroy, 2},
             {READBACK, call_bb_readback_destroy, 2},
             {READING, call_bb_reading_release, 2},
             {DYNAMIC, call_bb_dynamic_destroy, 2}};

/* The objects that a race has left. */
static void end_what_is_left(objects o) {
    (void)bb_watch_destroy(o.of[WATCH]);
    (void)bb_task_end(o.of[TASK]);
    (void)bb_batch_cancel(o.of[BATCH]);
    (void)bb_lease_release(o.of[LEASE]);
    (void)bb_manager_destroy(o.of[MANAGER]);
    (void)bb_sender_destroy(o.of[SENDER]);
    (void)bb_receiver_destroy(o.of[RECEIVER]);
    (void)bb_stream_destroy(o.of[STREAM]);
    (void)bb_sender_destroy(o.feeder);
    (void)bb_feed_destroy(o.of[FEED]);
    (void)bb_sender_destroy(o.fed_from);
    (void)bb_receiver_destroy(o.fed);
    (void)bb_registry_destroy(o.of[REGISTRY]);
    end_buffers(o.of);
    (void)bb_device_destroy(o.of[DEVICE]);
}

static void a_call_that_races_with_destroy_ends_well(void) {
    for (size_t i = 0; i < LENGTH(roots); i++) {
        const export_case *e;
        for (size_t at = 0; (e = each(&at)) != NULL;) {
            for (int round = 0; e->kind == roots[i].kind && round < 3; round++) {
                const objects o = make_objects();
                race r = {.e = e, .handle = o.of[e->kind]};
                pthread_t threads[2];
                for (size_t t = 0; t < roots[i].threads; t++) {
                    threads[t] = start(call_until_refused, &r);
                }
                EVENTUALLY(atomic_load(&r.calls) >= round);
                const bb_status status = roots[i].end(r.handle);
                const bool ends_itself = e->call == roots[i].end || e->call == call_bb_manager_destroy_within ||
                                         e->call == call_bb_spsc_into_stream || e->call == call_bb_reading_then;
                CHECK(status == BB_OK || (ends_itself && status == BB_E_STALE));
                for (size_t t = 0; t < roots[i].threads; t++) {
                    join(threads[t]);
                }
                EVENTUALLY(bb_handle_check(r.handle) == BB_E_STALE);
                end_what_is_left(o);
            }
        }
    }
}

static void *end_it(void *argument) {
    race *r = argument;
    while (atomic_load(&r->calls) == 0) {
        nap();
    }
    bb_status status = BB_E_BUSY;
    while (status == BB_E_BUSY) { /* one thread at a time may use a batch */
        status = r->e->call(r->handle);
    }
    THREAD_CHECK(status == BB_OK || status == BB_E_STALE);
    return NULL;
}

static void what_hangs_on_a_manager_races_with_its_own_end(void) {
    const struct {
        kind kind;
        bb_status (*call)(void *), (*end)(void *);
    } pairs[] = {
        {LEASE, call_bb_handle_check, call_bb_lease_release}, {BATCH, call_bb_batch_update, call_bb_batch_cancel},
        {BATCH, call_bb_batch_update, call_bb_batch_commit},  {TASK, call_bb_handle_check, call_bb_task_end},
        {WATCH, call_bb_watch_fd, call_bb_watch_destroy},     {WATCH, call_bb_watch_wait, call_bb_watch_destroy}};
    for (size_t i = 0; i < LENGTH(pairs); i++) {
        for (int round = 0; round < rounds(50); round++) {
            objects o = make_objects();
            const export_case call = {"racing call", pairs[i].kind, false, pairs[i].call};
            const export_case end = {"racing end", pairs[i].kind, false, pairs[i].end};
            race calls = {.e = &call, .handle = o.of[pairs[i].kind]};
            race ends = {.e = &end, .handle = o.of[pairs[i].kind], .calls = 1};
            const pthread_t threads[] = {start(call_until_refused, &calls), start(end_it, &ends), start(end_it, &ends)};
            for (size_t t = 0; t < LENGTH(threads); t++) {
                join(threads[t]);
            }
            EXPECT(BB_E_STALE, bb_handle_check(o.of[pairs[i].kind]));
            OK(bb_manager_destroy(o.of[MANAGER]));
            end_what_is_left(o);
        }
    }
}

static void *destroy_it(void *argument) {
    race *r = argument;
    const bb_status status = r->e->call(r->handle);
    THREAD_CHECK(status == BB_OK || status == BB_E_STALE);
    atomic_fetch_add(&r->calls, status == BB_OK);
    return NULL;
}

static void of_many_destroys_one_wins(void) {
    for (int round = 0; round < rounds(400); round++) {
        const size_t i = (size_t)round % LENGTH(roots);
        const objects o = make_objects();
        const export_case end = {"destroy", roots[i].kind, true, roots[i].end};
        race r = {.e = &end, .handle = o.of[roots[i].kind]};
        pthread_t threads[4];
        for (size_t t = 0; t < LENGTH(threads); t++) {
            threads[t] = start(destroy_it, &r);
        }
        for (size_t t = 0; t < LENGTH(threads); t++) {
            join(threads[t]);
        }
        TEST_ASSERT_EQUAL_INT(1, atomic_load(&r.calls)); /* winners */
        end_what_is_left(o);
    }
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(every_export_is_in_the_table);
    RUN_TEST(null_is_refused_or_a_noop);
    RUN_TEST(every_export_reports_stale_handles);
    RUN_TEST(what_a_manager_leaves_behind_when_destroyed_can_still_be_ended);
    RUN_TEST(a_slot_used_again_keeps_its_old_handle_stale);
    RUN_TEST(a_handle_of_another_kind_is_refused);
    RUN_TEST(garbage_is_refused);
    RUN_TEST(a_flipped_bit_never_reaches_an_object);
    RUN_TEST(a_second_destroy_is_refused);
    RUN_TEST(a_call_that_races_with_destroy_ends_well);
    RUN_TEST(what_hangs_on_a_manager_races_with_its_own_end);
    RUN_TEST(of_many_destroys_one_wins);
    return UNITY_END();
}
