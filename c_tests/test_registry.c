/* Registries through the C ABI: results, refused calls and their statuses, text by two calls, threads. */
#include "registry.h"

static bb_registry *r;

static void put(bb_registry_buffer buffer) { OK(bb_registry_register(r, PARENT, &buffer)); }

/* A refused registration changes nothing and names the parameter. */
static void refused_as(bb_status status, const char *message, bb_registry_buffer buffer) {
    char *const before = json_of(r, PARENT);
    EXPECT(status, bb_registry_register(r, PARENT, &buffer));
    MESSAGE_HAS(message);
    char *const after = json_of(r, PARENT);
    TEST_ASSERT_EQUAL_STRING(before, after);
    free(before);
    free(after);
}

static void registrations_are_refused_in_the_order_of_the_checks(void) {
    r = make_registry();
    char name[257];
    memset(name, 'n', 256);
    name[256] = '\0';
    refused_as(BB_E_ARGUMENT, "name is empty", shared("", 1));
    refused_as(BB_E_NULL, "name", shared(NULL, 1));
    refused_as(BB_E_ARGUMENT, "name", shared("\xff", 1));
    refused_as(BB_E_ARGUMENT, "too long", shared(name, 1));
    EXPECT(BB_E_NO_PARENT, bb_registry_set_options(r, PARENT, NULL)); /* not even an empty parent */
    name[255] = '\0';
    put(shared(name, 1));
    put(shared("a", 4));

    bb_registry_buffer all_wrong = buffer_of(9, "b", UINT64_MAX);
    all_wrong.precision = 99, all_wrong.persistent = 7, all_wrong.begin = 5, all_wrong.end = 3;
    all_wrong.aliases = "b";
    refused_as(BB_E_ALIAS_SELF, "aliases = 'b'", all_wrong);
    all_wrong.name = "a", all_wrong.aliases = "ghost";
    refused_as(BB_E_EXISTS, "bb_registry_register: name = 'a': the name is taken; use replace", all_wrong);
    all_wrong.name = "b";
    refused_as(BB_E_ALIAS_MISSING, "aliases = 'ghost'", all_wrong);
    all_wrong.aliases = "";
    refused_as(BB_E_ALIAS_MISSING, "aliases = ''", all_wrong);
    all_wrong.aliases = "\xff";
    refused_as(BB_E_ARGUMENT, "aliases", all_wrong);
    all_wrong.aliases = "a";
    refused_as(BB_E_RANGE, "size = -1", all_wrong);
    all_wrong.size = 1;
    refused_as(BB_E_ARGUMENT, "location = 9", all_wrong);
    all_wrong.location = BB_LOCATION_LOCAL;
    refused_as(BB_E_ARGUMENT, "persistent = 7", all_wrong);
    all_wrong.persistent = 1;
    refused_as(BB_E_ARGUMENT, "precision = 99", all_wrong);
    all_wrong.precision = BB_U8; /* an element type, and no precision */
    refused_as(BB_E_ARGUMENT, "precision = 1", all_wrong);
    all_wrong.precision = BB_F64;
    refused_as(BB_E_RANGE, "lifetime end = 3", all_wrong);
    all_wrong.end = 6;
    put(all_wrong);
    all_wrong.struct_size = 4;
    refused_as(BB_E_VERSION, "struct_size = 4", all_wrong);
    OK(bb_registry_destroy(r));
}

static void sizes_that_overflow_are_refused(void) {
    r = make_registry();
    bb_registry_buffer huge = shared("huge", INT64_MAX);
    huge.precision = BB_F64;
    refused_as(BB_E_RANGE, "size", huge);
    put(shared("half", UINT64_C(1) << 61));
    refused_as(BB_E_RANGE, "add up beyond 64 bits", shared("other half", UINT64_C(1) << 61));
    uint64_t bytes = 0;
    bb_registry_config per_thread;
    OK(bb_registry_config_init(&per_thread));
    per_thread.shared_per = BB_SHARED_PER_THREAD;
    OK(bb_registry_set_options(r, PARENT, &per_thread));
    EXPECT(BB_E_RANGE, bb_registry_shared_bytes(r, PARENT, 1024, &bytes));
    MESSAGE_HAS("threads = 1024");
    /* Two of them in one parent: each call is legal, but the sum overflows. */
    OK(bb_registry_register_child(r, 2, "one", PARENT, NULL));
    OK(bb_registry_register_child(r, 2, "two", PARENT, NULL));
    bb_registry_buffer typed = shared("more", UINT64_C(1) << 60);
    OK(bb_registry_register(r, 2, &typed));
    OK(bb_registry_shared_buffer_size(r, 2, &bytes));
    per_thread.typed = 1;
    OK(bb_registry_set_options(r, 2, &per_thread));
    EXPECT(BB_E_RANGE, bb_registry_shared_buffer_size(r, 2, &bytes));
    OK(bb_registry_destroy(r));
}

static void an_allocator_sets_how_a_kernel_gets_a_buffer(void) {
    r = make_registry();
    bb_allocator found;
    EXPECT(BB_E_NO_PARENT, bb_registry_get_allocator(r, PARENT, "a", sizeof found, &found));
    put(shared("a", 10));
    EXPECT(BB_E_NO_NAME, bb_registry_get_allocator(r, PARENT, "b", sizeof found, &found));
    MESSAGE_HAS("name = 'b'");
    EXPECT(BB_E_NULL, bb_registry_get_allocator(r, PARENT, NULL, sizeof found, &found));
    EXPECT(BB_E_NULL, bb_registry_get_allocator(r, PARENT, "a", sizeof found, NULL));
    EXPECT(BB_E_VERSION, bb_registry_get_allocator(r, PARENT, "a", 4, &found));
    bb_registry_buffer slice = local("slice", 4), large = local("large", 7);
    slice.aliases = large.aliases = "a";
    large.persistent = 1;
    put(slice), put(large), put(local("empty", 0));
    found = allocator(r, PARENT, "slice");
    CHECK(found.space == BB_SPACE_SHARED && found.origin == BB_ORIGIN_ALIASED && found.precision == BB_F32);
    CHECK(found.offset == 0 && found.length == 4 && found.zero_fill == 4 && found.byte_offset == 0);
    found = allocator(r, PARENT, "large");
    CHECK(found.space == BB_SPACE_PERSISTENT && found.origin == BB_ORIGIN_FELL_BACK && found.length == 7);
    found = allocator(r, PARENT, "empty");
    CHECK(found.space == BB_SPACE_LOCAL && found.length == 1 && found.zero_fill == 0);
    OK(bb_registry_destroy(r));
}

static void updates_report_what_they_changed(void) {
    r = make_registry();
    put(shared("a", 10)), put(shared("b", 4));
    bool recognized = true, changed = true;
    bb_registry_buffer values = shared("ghost", UINT64_MAX);
    OK(bb_registry_update_buffer(r, PARENT, BB_FIELD_SIZE, &values, &recognized, &changed));
    CHECK(!recognized && !changed);
    OK(bb_registry_update_buffer(r, 99, BB_FIELD_SIZE, &values, &recognized, NULL));
    values.name = "a";
    EXPECT(BB_E_RANGE, bb_registry_update_buffer(r, PARENT, BB_FIELD_SIZE, &values, NULL, NULL));
    OK(bb_registry_update_buffer(r, PARENT, 0, &values, &recognized, &changed));
    CHECK(recognized && !changed);
    EXPECT(BB_E_ARGUMENT, bb_registry_update_buffer(r, PARENT, 64, &values, NULL, NULL));
    values.aliases = "b";
    EXPECT(BB_E_ALIAS_ORDER, bb_registry_update_buffer(r, PARENT, BB_FIELD_ALIASES, &values, NULL, NULL));
    values.aliases = "a";
    EXPECT(BB_E_ALIAS_SELF, bb_registry_update_buffer(r, PARENT, BB_FIELD_ALIASES, &values, NULL, NULL));
    values.aliases = "ghost";
    EXPECT(BB_E_ALIAS_MISSING, bb_registry_update_buffer(r, PARENT, BB_FIELD_ALIASES, &values, NULL, NULL));
    bb_registry_buffer all = local("b", 3);
    all.aliases = "a", all.persistent = 1, all.precision = BB_I64, all.begin = 1, all.end = 2;
    OK(bb_registry_update_buffer(r, PARENT, 63, &all, &recognized, &changed));
    CHECK(recognized && changed && allocator(r, PARENT, "b").precision == BB_I64);
    OK(bb_registry_update_buffer(r, PARENT, 63, &all, &recognized, &changed));
    CHECK(recognized && !changed);
    EXPECT(BB_E_ALIAS_MISSING, bb_registry_replace(r, PARENT, &values));
    values.aliases = "a";
    EXPECT(BB_E_ALIAS_SELF, bb_registry_replace(r, PARENT, &values));
    values.aliases = "b"; /* which is an alias of it */
    EXPECT(BB_E_ALIAS_ORDER, bb_registry_replace(r, PARENT, &values));
    values = shared("z", 1);
    EXPECT(BB_E_NO_NAME, bb_registry_replace(r, PARENT, &values));
    EXPECT(BB_E_NO_PARENT, bb_registry_replace(r, 99, &values));
    values = local("a", 1);
    OK(bb_registry_replace(r, PARENT, &values));
    expect_sizes(r, PARENT, (const uint64_t[]){0, 3, 1});
    OK(bb_registry_destroy(r));
}

static void children_are_live_and_cannot_hold_their_host(void) {
    r = make_registry();
    uint64_t before = 0, after = 0;
    OK(bb_registry_register_child(r, PARENT, "solver", 2, NULL)); /* unknown yet */
    put(shared("a", 1));
    OK(bb_registry_version(r, PARENT, &before));
    bb_registry_buffer inner = shared("inner", 9), kept = local("kept", 5);
    kept.persistent = 1;
    OK(bb_registry_register(r, 2, &inner));
    OK(bb_registry_register(r, 2, &kept));
    expect_sizes(r, PARENT, (const uint64_t[]){10, 5, 0});
    OK(bb_registry_version(r, PARENT, &after));
    CHECK(after != before);
    CHECK(allocator(r, PARENT, "a").offset == 9 && allocator(r, PARENT, "solver.shared").length == 9);
    EXPECT(BB_E_STATE, bb_registry_register_child(r, 2, "host", PARENT, NULL));
    EXPECT(BB_E_STATE, bb_registry_register_child(r, PARENT, "itself", PARENT, NULL));
    EXPECT(BB_E_EXISTS, bb_registry_register_child(r, PARENT, "solver", 3, NULL));
    EXPECT(BB_E_ARGUMENT, bb_registry_register_child(r, PARENT, "", 3, NULL));
    EXPECT(BB_E_NULL, bb_registry_register_child(r, PARENT, NULL, 3, NULL));
    bb_registry_buffer hidden = shared("solver.shared", 1);
    EXPECT(BB_E_STATE, bb_registry_replace(r, PARENT, &hidden));
    OK(bb_registry_clear_parent(r, 2));
    expect_sizes(r, PARENT, (const uint64_t[]){1, 0, 0});
    OK(bb_registry_clear_parent(r, 2)); /* unknown parents are fine */
    OK(bb_registry_clear_layout(r, 2));
    OK(bb_registry_destroy(r));
}

static void a_childs_shared_region_may_be_an_alias(void) {
    r = make_registry();
    bb_registry_buffer inner = shared("inner", 9), kept = local("kept", 5);
    kept.persistent = 1;
    OK(bb_registry_register(r, 2, &inner));
    OK(bb_registry_register(r, 2, &kept));
    EXPECT(BB_E_ALIAS_MISSING, bb_registry_register_child(r, PARENT, "solver", 2, "k1"));
    MESSAGE_HAS("bb_registry_register_child: aliases = 'k1'");
    EXPECT(BB_E_NO_PARENT, bb_registry_set_options(r, PARENT, NULL)); /* not even an empty parent */
    put(shared("k1", 10));
    EXPECT(BB_E_ALIAS_SELF, bb_registry_register_child(r, PARENT, "solver", 2, "solver.shared"));
    EXPECT(BB_E_ALIAS_MISSING, bb_registry_register_child(r, PARENT, "solver", 2, "solver.persistent"));
    EXPECT(BB_E_ALIAS_MISSING, bb_registry_register_child(r, PARENT, "solver", 2, ""));
    EXPECT(BB_E_ARGUMENT, bb_registry_register_child(r, PARENT, "solver", 2, "\xff"));
    OK(bb_registry_register_child(r, PARENT, "solver", 2, "k1"));
    expect_sizes(r, PARENT, (const uint64_t[]){10, 5, 0});
    CHECK(allocator(r, PARENT, "solver.shared").origin == BB_ORIGIN_ALIASED);
    CHECK(allocator(r, PARENT, "solver.persistent").origin == BB_ORIGIN_OWN);

    char *const stored = json_of(r, PARENT);
    OK(bb_registry_load_json(r, 7, stored, strlen(stored)));
    CHECK(allocator(r, 7, "solver.shared").origin == BB_ORIGIN_ALIASED);
    free(stored);

    inner.size = 11; /* no room any more */
    OK(bb_registry_replace(r, 2, &inner));
    expect_sizes(r, PARENT, (const uint64_t[]){21, 5, 0});
    CHECK(allocator(r, PARENT, "solver.shared").origin == BB_ORIGIN_FELL_BACK);
    inner.size = 9, inner.persistent = 1;
    OK(bb_registry_replace(r, 2, &inner));
    expect_sizes(r, PARENT, (const uint64_t[]){10, 5, 0});
    bb_registry_config config;
    OK(bb_registry_config_init(&config));
    config.protect_persistent = 1; /* the alias has a persistent buffer in it */
    OK(bb_registry_set_options(r, PARENT, &config));
    expect_sizes(r, PARENT, (const uint64_t[]){19, 5, 0});
    OK(bb_registry_destroy(r));
}

static void bytes_of_mixed_precisions_need_the_typed_layout(void) {
    r = make_registry();
    bb_registry_buffer wide = shared("wide", 1);
    wide.precision = BB_F64;
    put(shared("narrow", 3)), put(wide);
    uint64_t bytes = 0;
    bb_layout_info info;
    EXPECT(BB_E_STATE, bb_registry_shared_bytes(r, PARENT, 32, &bytes));
    MESSAGE_HAS("typed");
    OK(bb_registry_layout_info(r, PARENT, sizeof info, &info));
    CHECK(info.shared == 4 && info.shared_bytes == BB_NO_BYTES && info.shared_precision == 0);
    bb_registry_config config;
    OK(bb_registry_config_init(&config));
    config.typed = 1;
    OK(bb_registry_set_options(r, PARENT, &config));
    OK(bb_registry_shared_bytes(r, PARENT, 32, &bytes));
    TEST_ASSERT_EQUAL_UINT64(24, bytes);
    TEST_ASSERT_EQUAL_UINT64(16, allocator(r, PARENT, "wide").byte_offset);
    config.typed = 2;
    EXPECT(BB_E_ARGUMENT, bb_registry_set_options(r, PARENT, &config));
    config.typed = 0, config.shared_per = 3;
    EXPECT(BB_E_ARGUMENT, bb_registry_create(&config, &r));
    EXPECT(BB_E_NO_PARENT, bb_registry_set_options(r, 99, NULL));
    OK(bb_registry_destroy(r));
}

static void a_launch_that_does_not_fit_names_one_that_does(void) {
    r = make_registry();
    put(shared("tile", 20000)), put(shared("small", 10));
    bb_limits limits;
    bb_launch launch;
    bb_fit fit;
    bool answer = true;
    uint32_t cc = 0;
    OK(bb_arch_parse("sm_86", &cc));
    TEST_ASSERT_EQUAL_UINT32(86, cc);
    EXPECT(BB_E_ARGUMENT, bb_arch_parse("sm_61", &cc));
    EXPECT(BB_E_ARGUMENT, bb_limits_init(61, &limits));
    OK(bb_limits_init(cc, &limits));
    OK(bb_launch_init(128, &launch));
    OK(bb_registry_check(r, PARENT, &limits, &launch, sizeof fit, &fit));
    CHECK(fit.shared_bytes == 80040 && fit.needs_opt_in == 1 && fit.blocks_per_sm == 1 && fit.bound == BB_BOUND_SHARED);
    limits.shared_block_bytes = 64 << 10;
    EXPECT(BB_E_LIMIT, bb_registry_check(r, PARENT, &limits, &launch, sizeof fit, &fit));
    MESSAGE_HAS(
        "bb_registry_check: the block needs 80040 bytes of shared memory, beyond 65536; the largest buffers are tile");
    OK(bb_registry_fits(r, PARENT, 75, 128, &answer));
    CHECK(!answer);
    OK(bb_registry_needs_opt_in(r, PARENT, 128, &answer));
    CHECK(answer);
    launch.threads = 0;
    EXPECT(BB_E_RANGE, bb_registry_check(r, PARENT, &limits, &launch, sizeof fit, &fit));
    launch.threads = 2048, limits.shared_block_bytes = 128 << 10;
    EXPECT(BB_E_LIMIT, bb_registry_check(r, PARENT, &limits, &launch, sizeof fit, &fit));
    launch.threads = 32, launch.shared_per = 9;
    EXPECT(BB_E_ARGUMENT, bb_registry_check(r, PARENT, &limits, &launch, sizeof fit, &fit));
    EXPECT(BB_E_NULL, bb_registry_check(r, PARENT, NULL, &launch, sizeof fit, &fit));
    EXPECT(BB_E_NULL, bb_registry_check(r, PARENT, &limits, NULL, sizeof fit, &fit));
    OK(bb_registry_destroy(r));
}

static void text_comes_by_two_calls(void) {
    r = make_registry();
    bb_registry_buffer slice = local("slice", 4);
    slice.aliases = "a";
    put(shared("a", 10)), put(slice);
    char text[4096];
    uint64_t length = 99;
    EXPECT(BB_E_RANGE, bb_registry_buffer_name(r, PARENT, 1, text, 5, &length));
    TEST_ASSERT_EQUAL_UINT64(99, length);
    OK(bb_registry_buffer_name(r, PARENT, 1, text, 6, &length));
    TEST_ASSERT_EQUAL_STRING("slice", text);
    EXPECT(BB_E_RANGE, bb_registry_buffer_name(r, PARENT, 2, text, 6, &length));
    EXPECT(BB_E_NULL, bb_registry_buffer_name(r, PARENT, 1, NULL, 6, &length));
    EXPECT(BB_E_NULL, bb_registry_buffer_name(r, PARENT, 1, text, 6, NULL));
    OK(bb_registry_overlaps(r, PARENT, text, sizeof text, &length));
    CHECK(strstr(text, "\"first\": \"a\", \"second\": \"slice\"") != NULL);
    OK(bb_registry_banks(r, PARENT, text, sizeof text, &length));
    CHECK(strstr(text, "\"stride_bytes\": 40") != NULL);
    char *const before = json_of(r, PARENT);
    EXPECT(BB_E_EXISTS, bb_registry_load_json(r, PARENT, before, strlen(before)));
    OK(bb_registry_load_json(r, 2, before, strlen(before)));
    EXPECT(BB_E_ARGUMENT, bb_registry_load_json(r, 3, before, strlen(before) / 2));
    MESSAGE_HAS("json, line ");
    EXPECT(BB_E_ARGUMENT, bb_registry_load_json(r, 3, "\xff", 1));
    EXPECT(BB_E_NULL, bb_registry_load_json(r, 3, NULL, 1));
    EXPECT(BB_E_ARGUMENT, bb_registry_load_json(r, 3, NULL, 0));
    slice.size = 6;
    OK(bb_registry_update_buffer(r, PARENT, BB_FIELD_SIZE, &slice, NULL, NULL));
    char *const after = json_of(r, PARENT);
    OK(bb_layout_diff(before, strlen(before), after, strlen(after), text, sizeof text, &length));
    TEST_ASSERT_EQUAL_STRING("slice: shared 0..4 f32, in a -> shared 0..6 f32, in a\n", text);
    OK(bb_layout_diff(before, strlen(before), before, strlen(before), NULL, 0, &length));
    TEST_ASSERT_EQUAL_UINT64(0, length);
    free(before);
    free(after);
    OK(bb_registry_destroy(r));
}

static int32_t ask(void *asked) {
    atomic_fetch_add((atomic_int *)asked, 1);
    return 1;
}

static void a_plan_places_what_is_never_alive_together(void) {
    r = make_registry();
    static const struct {
        const char *name;
        uint64_t size, begin, end;
    } all[] = {{"a", 4, 0, 3}, {"b", 4, 3, 9}, {"c", 4, 0, 9}, {"d", 4, 9, 21}, {"e", 4, 0, 21}};
    for (size_t i = 0; i < LENGTH(all); i++) {
        bb_registry_buffer buffer = shared(all[i].name, all[i].size);
        buffer.begin = all[i].begin, buffer.end = all[i].end;
        put(buffer);
    }
    put(shared("always", 3));
    bb_registry_plans plan;
    bb_plan_config config;
    atomic_int asked = 0;
    EXPECT(BB_E_NO_PARENT, bb_registry_plan(r, 99, NULL, sizeof plan, &plan));
    EXPECT(BB_E_NULL, bb_registry_plan(r, PARENT, NULL, sizeof plan, NULL));
    EXPECT(BB_E_VERSION, bb_registry_plan(r, PARENT, NULL, 4, &plan));
    expect_sizes(r, PARENT, (const uint64_t[]){23, 0, 0}); /* by the rules: nothing has changed */
    OK(bb_registry_plan(r, PARENT, NULL, sizeof plan, &plan));
    CHECK(plan.shared_exact == 1 && plan.shared_height == 15 && plan.shared_lower_bound == 15);
    CHECK(plan.shared_buffers == 5 && plan.persistent_buffers == 0);
    expect_sizes(r, PARENT, (const uint64_t[]){15, 0, 0});
    OK(bb_plan_config_init(&config));
    config.cancelled = ask, config.cancelled_user_data = &asked, config.threads = 2;
    OK(bb_registry_plan(r, PARENT, &config, sizeof plan, &plan));
    CHECK(atomic_load(&asked) > 0 && plan.shared_height <= 23);
    char *const stored = json_of(r, PARENT);
    OK(bb_registry_load_json(r, 2, stored, strlen(stored)));
    expect_sizes(r, 2, (const uint64_t[]){plan.shared_height, 0, 0});
    free(stored);
    put(shared("one more", 1));
    expect_sizes(r, PARENT, (const uint64_t[]){24, 0, 0}); /* a change takes the plan away */
    OK(bb_registry_plan(r, PARENT, NULL, sizeof plan, &plan));
    OK(bb_registry_clear_layout(r, PARENT));
    expect_sizes(r, PARENT, (const uint64_t[]){24, 0, 0});
    OK(bb_registry_destroy(r));
}

/* Changes the parent that is being planned. */
static int32_t change_meanwhile(void *asked) {
    if (atomic_fetch_add((atomic_int *)asked, 1) == 0)
        put(shared("meanwhile", 7));
    return 1;
}

static void a_plan_of_a_parent_that_has_changed_is_refused(void) {
    r = make_registry();
    bb_registry_buffer early = shared("early", 4), late = shared("late", 6);
    early.end = 2, late.begin = 2, late.end = 4;
    put(early);
    put(late);
    put(shared("always", 3));
    atomic_int asked = 0;
    bb_plan_config config;
    OK(bb_plan_config_init(&config));
    config.cancelled = change_meanwhile, config.cancelled_user_data = &asked;
    bb_registry_plans plan;
    memset(&plan, 0x5a, sizeof plan);
    const bb_registry_plans before = plan;
    EXPECT(BB_E_BUSY, bb_registry_plan(r, PARENT, &config, sizeof plan, &plan));
    MESSAGE_HAS("plan again");
    TEST_ASSERT_EQUAL_MEMORY(&before, &plan, sizeof plan);
    bb_layout_info info;
    OK(bb_registry_layout_info(r, PARENT, sizeof info, &info));
    CHECK(!info.planned && allocator(r, PARENT, "meanwhile").length == 7);
    OK(bb_registry_plan(r, PARENT, NULL, sizeof plan, &plan));
    OK(bb_registry_destroy(r));
}

static void a_layout_is_written_as_code_table_and_picture(void) {
    r = make_registry();
    put(shared("a", 4));
    char text[1 << 16];
    uint64_t length = 0;
    OK(bb_registry_emit_cuda_header(r, PARENT, "solver", text, sizeof text, &length));
    CHECK(strstr(text, "namespace solver") != NULL && strlen(text) == length);
    EXPECT(BB_E_ARGUMENT, bb_registry_emit_cuda_header(r, PARENT, "no name", text, sizeof text, &length));
    EXPECT(BB_E_NULL, bb_registry_emit_cuda_header(r, PARENT, NULL, text, sizeof text, &length));
    OK(bb_registry_table(r, PARENT, text, sizeof text, &length));
    CHECK(strstr(text, "shared") != NULL && strlen(text) == length);
    OK(bb_registry_svg(r, PARENT, text, sizeof text, &length));
    CHECK(strncmp(text, "<svg", 4) == 0 && strlen(text) == length);
    OK(bb_registry_destroy(r));
}

static void *register_many(void *argument) {
    const uint64_t parent = *(const uint64_t *)argument;
    for (uint64_t i = 0; i < 1000; i++) {
        char name[32];
        uint64_t size = 0;
        (void)snprintf(name, sizeof name, "b%" PRIu64 ".%" PRIu64, parent, i);
        bb_registry_buffer buffer = {
            .struct_size = sizeof buffer, .location = BB_LOCATION_SHARED, .name = name, .size = 1, .precision = BB_F32};
        THREAD_OK(bb_registry_register(r, parent % 2, &buffer));
        THREAD_OK(bb_registry_shared_buffer_size(r, parent % 2, &size));
        THREAD_CHECK(size > i);
        THREAD_OK(bb_registry_shared_buffer_size(r, 9, &size));
    }
    return NULL;
}

static void any_thread_may_call_at_any_time(void) {
    r = make_registry();
    static uint64_t numbers[4] = {0, 1, 2, 3};
    OK(bb_registry_register_child(r, 9, "zero", 0, NULL));
    OK(bb_registry_register_child(r, 9, "one", 1, NULL));
    pthread_t threads[LENGTH(numbers)];
    for (size_t i = 0; i < LENGTH(numbers); i++) {
        threads[i] = start(register_many, &numbers[i]);
    }
    for (size_t i = 0; i < LENGTH(numbers); i++) {
        join(threads[i]);
    }
    expect_sizes(r, 9, (const uint64_t[]){4000, 0, 0});
    OK(bb_registry_destroy(r));
}

static void a_label_is_reported_and_equal_layouts_have_equal_hashes(void) {
    bb_registry_config config;
    bb_registry *other = make_registry();
    uint64_t hashes[2], version = 1;
    OK(bb_registry_config_init(&config));
    config.label = "solvers";
    OK(bb_registry_create(&config, &r));
    EXPECT(BB_E_NO_PARENT, bb_registry_layout_hash(r, PARENT, &hashes[0]));
    MESSAGE_HAS("[registry 'solvers']");
    OK(bb_registry_version(r, PARENT, &version));
    TEST_ASSERT_EQUAL_UINT64(0, version);
    put(shared("a", 4));
    bb_registry_buffer same = shared("a", 4);
    OK(bb_registry_register(other, 77, &same));
    OK(bb_registry_layout_hash(r, PARENT, &hashes[0]));
    OK(bb_registry_layout_hash(other, 77, &hashes[1]));
    TEST_ASSERT_EQUAL_UINT64(hashes[0], hashes[1]);
    put(shared("b", 4));
    OK(bb_registry_layout_hash(r, PARENT, &hashes[0]));
    CHECK(hashes[0] != hashes[1]);
    OK(bb_registry_destroy(r));
    OK(bb_registry_destroy(other));
    OK(bb_registry_destroy(NULL));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(registrations_are_refused_in_the_order_of_the_checks);
    RUN_TEST(sizes_that_overflow_are_refused);
    RUN_TEST(an_allocator_sets_how_a_kernel_gets_a_buffer);
    RUN_TEST(updates_report_what_they_changed);
    RUN_TEST(children_are_live_and_cannot_hold_their_host);
    RUN_TEST(a_childs_shared_region_may_be_an_alias);
    RUN_TEST(bytes_of_mixed_precisions_need_the_typed_layout);
    RUN_TEST(a_launch_that_does_not_fit_names_one_that_does);
    RUN_TEST(text_comes_by_two_calls);
    RUN_TEST(a_plan_places_what_is_never_alive_together);
    RUN_TEST(a_plan_of_a_parent_that_has_changed_is_refused);
    RUN_TEST(a_layout_is_written_as_code_table_and_picture);
    RUN_TEST(any_thread_may_call_at_any_time);
    RUN_TEST(a_label_is_reported_and_equal_layouts_have_equal_hashes);
    return UNITY_END();
}
