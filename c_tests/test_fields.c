/* Fields: several arrays in one epoch. Each refusal has its status, its name and its remedy and changes nothing.
 * test_fields_model.c compares random updates with a plain array. */
#include "registry.h"

#define FIELD(field_name, type, ...)                                                                                   \
    {.name = (field_name), .dtype = (type), .ndim = LENGTH(SHAPE(__VA_ARGS__)), .shape = SHAPE(__VA_ARGS__)}

static bb_manager *m;

static void make_fields(const bb_field *fields, uint64_t count) {
    OK(bb_manager_create_fields(fields, count, NULL, &m));
}

static bb_field_info info_at(uint32_t index) {
    bb_field_info info;
    OK(bb_manager_field_at(m, index, sizeof info, &info));
    return info;
}

static bb_front published(void) {
    bb_front front;
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_acquire_front(m, &front));
    return front;
}

#define DONE() OK(bb_manager_destroy(m))

/* --- creation --- */

static void fields_lie_in_order_at_multiples_of_64_bytes(void) {
    const bb_field fields[] = {FIELD("qpos", BB_F64, 7),
                               FIELD("depth", BB_U16, 3, 5),
                               {.name = "step", .dtype = BB_U64},
                               FIELD("none", BB_F32, 0, 4),
                               FIELD("größe", BB_OPAQUE(3), 2)};
    make_fields(fields, LENGTH(fields));
    static const uint64_t offsets[] = {0, 64, 128, 192, 192}, bytes[] = {56, 30, 8, 0, 6};
    for (uint32_t i = 0; i < LENGTH(fields); i++) {
        const bb_field_info info = info_at(i);
        bb_field_info same;
        OK(bb_manager_field(m, fields[i].name, sizeof same, &same));
        TEST_ASSERT_EQUAL_STRING(fields[i].name, info.name);
        TEST_ASSERT_EQUAL_MEMORY(&info, &same, sizeof info);
        TEST_ASSERT_EQUAL_UINT64(offsets[i], info.byte_offset);
        TEST_ASSERT_EQUAL_UINT64(bytes[i], info.bytes);
        TEST_ASSERT_EQUAL_UINT32(fields[i].dtype, info.dtype);
        TEST_ASSERT_EQUAL_UINT32(fields[i].ndim, info.ndim);
        TEST_ASSERT_EQUAL_UINT32(i, info.index);
    }
    bb_manager_info all;
    OK(bb_manager_info_get(m, sizeof all, &all));
    TEST_ASSERT_EQUAL_UINT32(LENGTH(fields), all.fields);
    TEST_ASSERT_EQUAL_UINT64(198, all.bytes);
    DONE();
}

static void a_manager_made_without_fields_has_one(void) {
    OK(bb_manager_create(BB_F32, 2, SHAPE(2, 3), NULL, &m));
    const bb_field_info info = info_at(0);
    TEST_ASSERT_EQUAL_STRING("state", info.name);
    TEST_ASSERT_EQUAL_UINT64(24, info.bytes);
    const bb_front front = published();
    bb_field_view view;
    OK(bb_front_field(&front, "state", &view));
    TEST_ASSERT_EQUAL_PTR(front.data, view.data);
    TEST_ASSERT_EQUAL_INT64(12, view.strides[0]);
    TEST_ASSERT_EQUAL_INT64(4, view.strides[1]);
    OK(bb_lease_release(front.lease));
    DONE();
}

static void each_field_has_its_initial_bytes(void) {
    const float q[] = {1, 2, 3};
    const uint16_t d[] = {7, 8};
    bb_field fields[] = {FIELD("q", BB_F32, 3), FIELD("zeros", BB_U8, 5), FIELD("d", BB_U16, 2)};
    fields[0].initial = q, fields[2].initial = d;
    make_fields(fields, LENGTH(fields));
    for (int epoch = 0; epoch < 3; epoch++) { /* in the copies that follow, too */
        OK(bb_manager_enqueue_update(m, &(bb_update){.count = 1, .data = "x", .field = 1}, 0));
        const bb_front front = published();
        bb_field_view view[2];
        OK(bb_front_field(&front, "q", &view[0]));
        OK(bb_front_field(&front, "d", &view[1]));
        TEST_ASSERT_EQUAL_MEMORY(q, view[0].data, sizeof q);
        TEST_ASSERT_EQUAL_MEMORY(d, view[1].data, sizeof d);
        OK(bb_lease_release(front.lease));
    }
    DONE();
}

typedef struct bad_field {
    bb_field field;
    bb_status status;
    const char *message[2];
} bad_field;

static void bad_fields_are_refused_by_index_and_name(void) {
    static char longest[257];
    memset(longest, 'n', 256);
    const bad_field cases[] = {
        {FIELD("", BB_F32, 1), BB_E_ARGUMENT, {"fields[1]: name is empty", "1 to 255 bytes"}},
        {FIELD(longest, BB_F32, 1), BB_E_ARGUMENT, {"fields[1]: name = 'nnn", "1 to 255 bytes"}},
        {FIELD("q\xff", BB_F32, 1), BB_E_ARGUMENT, {"fields[1]: name", "UTF-8"}},
        {FIELD(NULL, BB_F32, 1), BB_E_NULL, {"fields[1]: name", "NULL"}},
        {FIELD("first", BB_F32, 1), BB_E_EXISTS, {"fields[1]: name = 'first'", "unique"}},
        {FIELD("q", 0, 1), BB_E_ARGUMENT, {"fields[1]: dtype = 0", "BB_U8"}},
        {FIELD("q", 99, 1), BB_E_ARGUMENT, {"fields[1]: dtype = 99", "BB_OPAQUE"}},
        {{.name = "q", .dtype = BB_U8, .ndim = 17, .shape = SHAPE(1)},
         BB_E_ARGUMENT,
         {"fields[1]: ndim = 17", "BB_MAX_DIMS"}},
        {{.name = "q", .dtype = BB_U8, .ndim = 1}, BB_E_NULL, {"fields[1]: shape", "NULL"}},
        {FIELD("q", BB_F64, UINT64_MAX / 4), BB_E_RANGE, {"fields[1]: shape", "address space"}},
        {FIELD("q", BB_U8, INT64_MAX), BB_E_RANGE, {"fields[1]: shape", "address space"}},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const bb_field fields[] = {FIELD("first", BB_U8, 100), cases[i].field};
        m = (bb_manager *)&m;
        EXPECT(cases[i].status, bb_manager_create_fields(fields, 2, NULL, &m));
        CHECK(m == (bb_manager *)&m);
        MESSAGE_HAS("bb_manager_create_fields");
        MESSAGE_HAS(cases[i].message[0]);
        MESSAGE_HAS(cases[i].message[1]);
    }
    longest[255] = '\0'; /* 255 bytes are allowed */
    const bb_field whole = FIELD(longest, BB_U8, 1);
    make_fields(&whole, 1);
    TEST_ASSERT_EQUAL_STRING(longest, info_at(0).name);
    DONE();
}

static void there_are_1_to_1024_fields(void) {
    static bb_field fields[1025];
    static char names[1025][8];
    for (unsigned i = 0; i < 1025; i++) {
        (void)snprintf(names[i], sizeof names[i], "f%u", i);
        fields[i] = (bb_field){.name = names[i], .dtype = BB_U32};
    }
    EXPECT(BB_E_LIMIT, bb_manager_create_fields(fields, 1025, NULL, &m));
    MESSAGE_HAS("count = 1025");
    MESSAGE_HAS("at most 1024");
    EXPECT(BB_E_LIMIT, bb_manager_create_fields(fields, UINT64_MAX, NULL, &m));
    EXPECT(BB_E_ARGUMENT, bb_manager_create_fields(fields, 0, NULL, &m));
    MESSAGE_HAS("at least one");
    EXPECT(BB_E_NULL, bb_manager_create_fields(NULL, 1, NULL, &m));
    EXPECT(BB_E_NULL, bb_manager_create_fields(fields, 1, NULL, NULL));
    make_fields(fields, 1024);
    for (uint32_t i = 0; i < 1024; i++) {
        bb_field_info info;
        OK(bb_manager_field(m, names[i], sizeof info, &info));
        TEST_ASSERT_EQUAL_UINT32(i, info.index);
        TEST_ASSERT_EQUAL_UINT64(64 * i, info.byte_offset);
    }
    DONE();
}

static void the_config_has_no_initial_state_for_fields(void) {
    const bb_field field = FIELD("q", BB_U8, 1);
    bb_manager_config config;
    OK(bb_manager_config_init(&config));
    config.initial = "x";
    EXPECT(BB_E_ARGUMENT, bb_manager_create_fields(&field, 1, &config, &m));
    MESSAGE_HAS("config.initial");
    MESSAGE_HAS("each field");
}

/* --- misuse of what was made --- */

static void names_and_indices_of_no_field(void) {
    const bb_field fields[] = {FIELD("q", BB_U32, 4), FIELD("d", BB_U32, 4)};
    make_fields(fields, 2);
    bb_field_info info;
    bb_field_view view;
    bb_back_field_view back_view;
    bb_back back;
    bb_batch *batch = NULL;
    EXPECT(BB_E_NO_NAME, bb_manager_field(m, "x", sizeof info, &info));
    MESSAGE_HAS("name = 'x'");
    EXPECT(BB_E_NO_NAME, bb_manager_field(m, "", sizeof info, &info));
    EXPECT(BB_E_ARGUMENT, bb_manager_field(m, "\xff", sizeof info, &info));
    EXPECT(BB_E_NULL, bb_manager_field(m, NULL, sizeof info, &info));
    EXPECT(BB_E_NULL, bb_manager_field(m, "q", sizeof info, NULL));
    EXPECT(BB_E_RANGE, bb_manager_field_at(m, 2, sizeof info, &info));
    EXPECT(BB_E_VERSION, bb_manager_field_at(m, 0, 3, &info));
    OK(bb_batch_begin(m, &batch));
    const uint32_t one = 1;
    for (uint32_t field = 2; field != 0; field = field == 2 ? UINT32_MAX : 0) {
        const bb_update update = {.count = 1, .data = &one, .field = field};
        const bb_region region = {.start = SHAPE(0), .extent = SHAPE(1), .data = &one, .field = field};
        EXPECT(BB_E_RANGE, bb_manager_enqueue_update(m, &update, 0));
        MESSAGE_HAS(field == 2 ? "field = 2: no such field" : "field = 4294967295: no such field");
        EXPECT(BB_E_RANGE, bb_manager_enqueue_updates(m, &update, 1, 0));
        MESSAGE_HAS("updates[0]");
        EXPECT(BB_E_RANGE, bb_manager_enqueue_fill(m, field, 0, 1, &one, 0));
        EXPECT(BB_E_RANGE, bb_manager_enqueue_region(m, &region, 0));
        EXPECT(BB_E_RANGE, bb_batch_update(batch, &update));
        EXPECT(BB_E_RANGE, bb_batch_fill(batch, field, 0, 1, &one));
        EXPECT(BB_E_RANGE, bb_batch_region(batch, &region));
    }
    EXPECT(BB_E_ARGUMENT, bb_manager_enqueue_update(m, &(bb_update){.count = 1, .data = &one, .reserved = 1}, 0));
    MESSAGE_HAS("update.reserved = 1");
    OK(bb_batch_cancel(batch));
    const bb_front front = published();
    EXPECT(BB_E_NO_NAME, bb_front_field(&front, "x", &view));
    EXPECT(BB_E_NULL, bb_front_field(&front, NULL, &view));
    EXPECT(BB_E_NULL, bb_front_field(&front, "q", NULL));
    EXPECT(BB_E_NULL, bb_front_field(NULL, "q", &view));
    EXPECT(BB_E_ARGUMENT, bb_gl_front_field(&(bb_gl_front){.lease = front.lease}, "q", &(bb_gl_field_view){0}));
    MESSAGE_HAS("host memory");
    OK(bb_lease_release(front.lease));
    EXPECT(BB_E_STALE, bb_front_field(&front, "q", &view));
    EXPECT(BB_E_NULL, bb_front_field(&(bb_front){0}, "q", &view));
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back));
    EXPECT(BB_E_NO_NAME, bb_manager_back_field(m, &back, "x", &back_view));
    bb_lease *lease = NULL;
    OK(bb_manager_lease_back(m, &back, &lease));
    EXPECT(BB_E_ARGUMENT, bb_front_field(&(bb_front){.lease = lease}, "q", &view));
    OK(bb_lease_release(lease));
    OK(bb_manager_cancel_back(m, &back));
    EXPECT(BB_E_STATE, bb_manager_back_field(m, &back, "q", &back_view));
    DONE();
}

static void kernel_nothing(void *back, const void *front, uint64_t count, void *user_data) {
    (void)back, (void)front, (void)count, (void)user_data;
}
static void release_nothing(void *user_data) { (void)user_data; }

static void an_update_across_a_fields_end_is_refused_by_name_on_every_way_in(void) {
    const bb_field fields[] = {FIELD("first", BB_U32, 4), FIELD("middle", BB_U32, 4), FIELD("last", BB_U32, 4)};
    make_fields(fields, 3);
    const uint32_t data[64] = {9};
    bb_batch *batch = NULL;
    OK(bb_batch_begin(m, &batch));
    for (uint32_t field = 0; field < 3; field++) {
        const bb_update update = {.byte_offset = 12, .count = 2, .data = data, .field = field};
        const bb_update pair[] = {{.count = 1, .data = data}, update};
        const bb_region region = {.start = SHAPE(3), .extent = SHAPE(2), .data = data, .field = field};
        const bb_kernel kernel = {.function = kernel_nothing, .byte_offset = 12, .count = 2, .field = field};
        char name[32];
        (void)snprintf(name, sizeof name, "field '%s': out of", fields[field].name);
#define REFUSED(call)                                                                                                  \
    EXPECT(BB_E_RANGE, call);                                                                                          \
    MESSAGE_HAS(name)
        REFUSED(bb_manager_enqueue_update(m, &update, 0));
        MESSAGE_HAS("ends at 20, beyond 16 (the bytes of the field)");
        REFUSED(bb_manager_enqueue_updates(m, pair, 2, 0));
        MESSAGE_HAS("updates[1]");
        REFUSED(bb_manager_enqueue_fill(m, field, 12, 2, data, 0));
        REFUSED(bb_manager_enqueue_region(m, &region, 0));
        REFUSED(bb_manager_enqueue_borrowed(m, &update, release_nothing, NULL, 0));
        REFUSED(bb_manager_enqueue_kernel(m, &kernel, 0));
        REFUSED(bb_batch_update(batch, &update));
        REFUSED(bb_batch_fill(batch, field, 12, 2, data));
        REFUSED(bb_batch_region(batch, &region));
        REFUSED(bb_batch_kernel(batch, &kernel));
        EXPECT(BB_E_ALIGN, bb_manager_enqueue_fill(m, field, 2, 1, data, 0));
        EXPECT(BB_E_RANGE, bb_manager_enqueue_fill(m, field, UINT64_MAX - 3, 2, data, 0));
    }
    OK(bb_batch_commit(batch, 0));
    const bb_front front = published();
    TEST_ASSERT_EQUAL_UINT64(0, front.epoch); /* nothing was kept */
    OK(bb_lease_release(front.lease));
    DONE();
}

/* --- fronts and the back copy --- */

static void a_front_keeps_its_fields_after_the_manager(void) {
    const bb_field fields[] = {FIELD("q", BB_U32, 2, 3), FIELD("d", BB_U8, 9)};
    make_fields(fields, 2);
    OK(bb_manager_enqueue_fill(m, 1, 0, 9, "d", 0));
    const bb_front front = published();
    DONE();
    bb_field_view view;
    OK(bb_front_field(&front, "d", &view));
    TEST_ASSERT_EQUAL_MEMORY("ddddddddd", view.data, 9);
    TEST_ASSERT_EQUAL_PTR((const char *)front.data + 64, view.data);
    OK(bb_front_field(&front, "q", &view));
    TEST_ASSERT_EQUAL_UINT64(3, view.shape[1]);
    TEST_ASSERT_EQUAL_INT64(12, view.strides[0]);
    OK(bb_lease_release(front.lease));
    EXPECT(BB_E_STALE, bb_front_field(&front, "q", &view));
}

typedef struct shared_front {
    bb_front front;
    atomic_bool released;
} shared_front;

static void *look_up(void *given) {
    shared_front *const s = given;
    bb_field_view view;
    for (;;) {
        const bool before = atomic_load(&s->released);
        const bb_status status = bb_front_field(&s->front, "d", &view);
        if (before || status == BB_E_STALE) {
            THREAD_CHECK(status == BB_E_STALE);
            return NULL;
        }
        THREAD_CHECK(status == BB_OK);
    }
}

static void a_release_during_lookups_of_other_threads_ends_the_lease(void) {
    const bb_field fields[] = {FIELD("q", BB_U32, 2), FIELD("d", BB_U8, 9)};
    for (int round = 0; round < rounds(300); round++) {
        shared_front s = {.released = false};
        pthread_t threads[2];
        make_fields(fields, 2);
        OK(bb_manager_acquire_front(m, &s.front));
        for (size_t t = 0; t < LENGTH(threads); t++) {
            TEST_ASSERT_EQUAL_INT(0, pthread_create(&threads[t], NULL, look_up, &s));
        }
        DONE();
        OK(bb_lease_release(s.front.lease)); /* frees the copies and the table */
        atomic_store(&s.released, true);
        for (size_t t = 0; t < LENGTH(threads); t++) {
            TEST_ASSERT_EQUAL_INT(0, pthread_join(threads[t], NULL));
        }
    }
}

/* --- the layout of a registry's parent --- */

static void a_group_has_the_same_offsets_on_both_sides(void) {
    bb_registry_config config;
    bb_registry *r = NULL;
    OK(bb_registry_config_init(&config));
    config.typed = 1;
    OK(bb_registry_create(&config, &r));
    bb_registry_buffer a = shared("a", 3), b = shared("b", 5), c = shared("c", 2);
    a.precision = BB_F32, b.precision = BB_F64, c.precision = BB_F32, c.aliases = "b";
    OK(bb_registry_register(r, PARENT, &a));
    OK(bb_registry_register(r, PARENT, &b));
    OK(bb_registry_register(r, PARENT, &c));
    OK(bb_manager_create_from_group(r, PARENT, BB_SPACE_SHARED, NULL, &m));
    const bb_allocator before[] = {allocator(r, PARENT, "a"), allocator(r, PARENT, "b"), allocator(r, PARENT, "c")};
    bb_registry_buffer larger = shared("a", 100);
    OK(bb_registry_replace(r, PARENT, &larger)); /* changes the registry, not the manager */
    OK(bb_registry_destroy(r));
    static const char *const names[] = {"a", "b", "c"};
    for (uint32_t i = 0; i < LENGTH(names); i++) {
        bb_field_info info;
        OK(bb_manager_field(m, names[i], sizeof info, &info));
        TEST_ASSERT_EQUAL_UINT64(before[i].byte_offset, info.byte_offset);
        TEST_ASSERT_EQUAL_UINT32(before[i].precision, info.dtype);
        TEST_ASSERT_EQUAL_UINT64(before[i].length, info.shape[0]);
    }
    const double value = 2.5;
    OK(bb_manager_enqueue_fill(m, 1, 0, 5, &value, 0));
    const bb_front front = published();
    bb_field_view view;
    OK(bb_front_field(&front, "b", &view));
    TEST_ASSERT_EQUAL_MEMORY(&value, (const double *)view.data + 4, sizeof value);
    OK(bb_front_field(&front, "c", &view)); /* an alias is the same memory */
    TEST_ASSERT_EQUAL_MEMORY(&value, view.data, sizeof value);
    OK(bb_lease_release(front.lease));
    DONE();
}

static void groups_that_have_no_layout_in_bytes(void) {
    bb_registry *r = make_registry();
    EXPECT(BB_E_NO_PARENT, bb_manager_create_from_group(r, 7, BB_SPACE_SHARED, NULL, &m));
    bb_registry_buffer a = shared("a", 3), b = shared("b", 5);
    a.precision = BB_F32, b.precision = BB_F64;
    OK(bb_registry_register(r, PARENT, &a));
    EXPECT(BB_E_ARGUMENT, bb_manager_create_from_group(r, PARENT, BB_SPACE_LOCAL, NULL, &m));
    MESSAGE_HAS("space = 3");
    EXPECT(BB_E_ARGUMENT, bb_manager_create_from_group(r, PARENT, BB_SPACE_PERSISTENT, NULL, &m));
    MESSAGE_HAS("no buffers");
    OK(bb_manager_create_from_group(r, PARENT, BB_SPACE_SHARED, NULL, &m));
    DONE();
    OK(bb_registry_register(r, PARENT, &b));
    EXPECT(BB_E_STATE, bb_manager_create_from_group(r, PARENT, BB_SPACE_SHARED, NULL, &m));
    MESSAGE_HAS("typed layout");
    OK(bb_registry_destroy(r));
    EXPECT(BB_E_STALE, bb_manager_create_from_group(r, PARENT, BB_SPACE_SHARED, NULL, &m));
}

static void write_to_file(const char *text, uint64_t length, void *file) {
    THREAD_CHECK(fwrite(text, 1, length, file) == length);
}

static void statistics_and_dump_list_the_fields(void) {
    static char text[1 << 16];
    const bb_field fields[] = {FIELD("qpos", BB_F64, 7), FIELD("depth", BB_U16, 3, 5)};
    make_fields(fields, 2);
    FILE *stats = fmemopen(text, sizeof text, "w");
    TEST_ASSERT_NOT_NULL(stats);
    OK(bb_manager_stats_write(m, write_to_file, stats));
    OK(bb_debug_dump(write_to_file, stats));
    (void)fclose(stats);
    CHECK(strstr(text, "field 'qpos': F64 [7], 56 bytes at offset 0\n") != NULL);
    CHECK(strstr(text, "field 'depth': U16 [3, 5], 30 bytes at offset 64\n") != NULL);
    DONE();
}

/* --- on a device --- */

static void a_device_front_gives_buffer_and_offset_of_each_field(void) {
    const bb_field fields[] = {FIELD("qpos", BB_F64, 7), FIELD("ids", BB_U32, 2, 3), {.name = "step", .dtype = BB_U64}};
    bb_device *device = NULL;
    bb_device_front front;
    bb_device_field_view view;
    bb_manager_config config;
    bb_device *const of_all_others = on.device;
    on.device = NULL; /* fronts are not compared with the buffers of that one */
    OK(bb_device_create_host(0, "fields", &device));
    OK(bb_manager_config_init(&config));
    config.device = device;
    OK(bb_manager_create_fields(fields, LENGTH(fields), &config, &m));
    for (uint32_t step = 1; step < 6; step++) { /* each copy */
        const uint64_t number = step;
        OK(bb_manager_enqueue_fill(m, 1, 16, 2, &step, BB_FOREVER));
        OK(bb_manager_enqueue_fill(m, 2, 0, 1, &number, BB_FOREVER));
        OK(bb_manager_synchronize(m, BB_FOREVER));
        OK(bb_manager_acquire_front_device(m, &front));
        OK(bb_device_front_field(&front, "ids", &view));
        CHECK(view.native == front.native && view.offset == 64 && view.bytes == 24 && view.dtype == BB_U32);
        CHECK(view.ndim == 2 && view.shape[0] == 2 && view.shape[1] == 3 && view.shape[2] == 0);
        CHECK(view.strides[0] == 12 && view.strides[1] == 4 && view.strides[2] == 0);
        const unsigned char *const memory = (const unsigned char *)(uintptr_t)view.native;
        const uint32_t want[6] = {0, 0, 0, 0, step, step};
        TEST_ASSERT_EQUAL_MEMORY(want, memory + view.offset, sizeof want);
        OK(bb_device_front_field(&front, "step", &view));
        CHECK(view.offset == 128 && view.ndim == 0 && view.bytes == 8);
        TEST_ASSERT_EQUAL_MEMORY(&number, memory + view.offset, sizeof number);
        EXPECT(BB_E_NO_NAME, bb_device_front_field(&front, "x", &view));
        MESSAGE_HAS("'x'");
        TEST_ASSERT_EQUAL_UINT64(128, view.offset);
        EXPECT(BB_E_NULL, bb_device_front_field(&front, NULL, &view));
        EXPECT(BB_E_NULL, bb_device_front_field(&front, "ids", NULL));
        EXPECT(BB_E_ARGUMENT, bb_device_front_field(&front, "\xff", &view));
        EXPECT(BB_E_ARGUMENT, bb_gl_front_field(&(bb_gl_front){.lease = front.lease}, "ids", &(bb_gl_field_view){0}));
        MESSAGE_HAS("OpenGL");
        OK(bb_lease_release(front.lease));
        EXPECT(BB_E_STALE, bb_device_front_field(&front, "ids", &view));
    }
    /* A front in host memory does not keep the device from writing to the copy's buffer. */
    const bb_front host = published();
    EXPECT(BB_E_ARGUMENT, bb_device_front_field(&(bb_device_front){.lease = host.lease}, "ids", &view));
    MESSAGE_HAS("front in host memory");
    EXPECT(BB_E_NULL, bb_device_front_field(NULL, "ids", &view));
    OK(bb_lease_release(host.lease));
    OK(bb_manager_acquire_front_device(m, &front));
    DONE(); /* the lease outlives it */
    OK(bb_device_front_field(&front, "qpos", &view));
    CHECK(view.offset == 0 && view.bytes == 56 && view.dtype == BB_F64);
    OK(bb_lease_release(front.lease));
    OK(bb_device_destroy(device));
    on.device = of_all_others;
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(fields_lie_in_order_at_multiples_of_64_bytes);
    RUN_TEST(a_manager_made_without_fields_has_one);
    RUN_TEST(each_field_has_its_initial_bytes);
    RUN_TEST(bad_fields_are_refused_by_index_and_name);
    RUN_TEST(there_are_1_to_1024_fields);
    RUN_TEST(the_config_has_no_initial_state_for_fields);
    RUN_TEST(names_and_indices_of_no_field);
    RUN_TEST(an_update_across_a_fields_end_is_refused_by_name_on_every_way_in);
    RUN_TEST(a_front_keeps_its_fields_after_the_manager);
    RUN_TEST(a_release_during_lookups_of_other_threads_ends_the_lease);
    RUN_TEST(a_group_has_the_same_offsets_on_both_sides);
    RUN_TEST(groups_that_have_no_layout_in_bytes);
    RUN_TEST(statistics_and_dump_list_the_fields);
    RUN_TEST(a_device_front_gives_buffer_and_offset_of_each_field);
    return UNITY_END();
}
