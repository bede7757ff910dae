/* Config and output structs of other versions, defaults, and what a field may hold. */
#include "support.h"

#include <dirent.h>
#include <sched.h>

static bb_status create(const void *config) {
    bb_manager *m = NULL;
    const bb_status status = bb_manager_create(BB_U32, 1, SHAPE(8), config, &m);
    if (status == BB_OK) {
        OK(bb_manager_destroy(m));
    } else {
        CHECK(m == NULL);
    }
    return status;
}

static void defaults_are_those_of_the_header(void) {
    bb_manager_config c;
    memset(&c, 0xA5, sizeof c);
    OK(bb_manager_config_init(&c));
    TEST_ASSERT_EQUAL_UINT32(sizeof c, c.struct_size);
    TEST_ASSERT_EQUAL_UINT32(3, c.copies);
    CHECK(c.label == NULL && c.initial == NULL);
    TEST_ASSERT_EQUAL_UINT64(1 << 20, c.queue_bytes);
    TEST_ASSERT_EQUAL_UINT64(BB_SEC(2), c.watchdog_ns);
    TEST_ASSERT_EQUAL_UINT64(256 << 10, c.caller_budget_bytes);
    CHECK(c.flush == NULL && c.flush_user_data == NULL && c.flush_drop == NULL);
    TEST_ASSERT_EQUAL_UINT32(BB_WORKER_SHARED, c.worker);
    TEST_ASSERT_EQUAL_INT32(0, c.worker_priority);
    TEST_ASSERT_EQUAL_UINT64(0, c.worker_affinity);
    TEST_ASSERT_EQUAL_UINT32(BB_EXTRA_COPIES_AUTO, c.max_extra_copies);
    OK(create(&c));
    OK(create(NULL));
}

static void a_shorter_struct_is_an_older_version(void) {
    bb_manager_config c = defaults("old");
    /* What lies beyond struct_size is never read: it may be anything. */
    memset((char *)&c + offsetof(bb_manager_config, queue_bytes), 0xA5,
           sizeof c - offsetof(bb_manager_config, queue_bytes));
    c.struct_size = offsetof(bb_manager_config, queue_bytes);
    c.copies = 2;
    bb_manager *m = NULL;
    OK(bb_manager_create(BB_U32, 1, SHAPE(8), &c, &m));
    const bb_manager_info info = info_of(m);
    TEST_ASSERT_EQUAL_UINT32(2, info.copies);
    TEST_ASSERT_EQUAL_UINT32(0, info.max_extra_copies);
    TEST_ASSERT_EQUAL_STRING("old", info.label);
    OK(bb_manager_destroy(m));
}

static void a_struct_too_short_to_be_one_is_refused(void) {
    bb_manager_config c = defaults(NULL);
    for (uint32_t size = 0; size < sizeof(uint32_t); size++) {
        c.struct_size = size;
        EXPECT(BB_E_VERSION, create(&c));
        MESSAGE_HAS("struct_size");
    }
}

typedef struct longer {
    bb_manager_config config;
    uint64_t tail[8];
} longer;

static void a_longer_struct_needs_a_zero_tail(void) {
    longer l = {.config = defaults("new")};
    l.config.struct_size = sizeof l;
    OK(create(&l));
    for (size_t i = 0; i < sizeof l.tail; i++) {
        ((char *)l.tail)[i] = 1;
        EXPECT(BB_E_VERSION, create(&l));
        MESSAGE_HAS("struct_size");
        ((char *)l.tail)[i] = 0;
    }
    OK(create(&l));
}

static void fields_out_of_range_are_named(void) {
    const uint32_t copies[] = {1, 9, 1000, UINT32_MAX};
    for (size_t i = 0; i < LENGTH(copies); i++) {
        bb_manager_config c = defaults(NULL);
        c.copies = copies[i];
        EXPECT(BB_E_ARGUMENT, create(&c));
        MESSAGE_HAS("copies");
    }
    for (uint32_t good = 2; good <= 8; good++) {
        bb_manager_config c = defaults(NULL);
        c.copies = good;
        OK(create(&c));
    }
    for (uint32_t total = 31; total <= 34; total++) {
        bb_manager_config c = defaults(NULL);
        c.copies = 4;
        c.max_extra_copies = total - c.copies;
        if (total <= 32 && test_device() == NULL) {
            OK(create(&c));
        } else {
            EXPECT(BB_E_ARGUMENT, create(&c));
            MESSAGE_HAS("max_extra_copies");
        }
    }
    const uint32_t workers[] = {2, 77, UINT32_MAX};
    for (size_t i = 0; i < LENGTH(workers); i++) {
        bb_manager_config c = defaults(NULL);
        c.worker = workers[i];
        EXPECT(BB_E_ARGUMENT, create(&c));
        MESSAGE_HAS("worker");
    }
    const int32_t priorities[] = {-21, 20, 100, 200, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < LENGTH(priorities); i++) {
        bb_manager_config c = defaults(NULL);
        c.worker_priority = priorities[i];
        EXPECT(BB_E_ARGUMENT, create(&c));
        MESSAGE_HAS("worker_priority");
    }
}

static void what_the_system_refuses_is_not_fatal(void) {
    const int32_t priorities[] = {-20, 19, BB_REALTIME(1), BB_REALTIME(99)};
    for (size_t i = 0; i < LENGTH(priorities); i++) {
        bb_manager_config c = defaults(NULL);
        c.worker_priority = priorities[i];
        OK(create(&c));
    }
    bb_manager_config c = defaults(NULL);
    c.worker_affinity = UINT64_C(1) << 63; /* a CPU that is not here */
    OK(create(&c));
    c.worker_affinity = 1;
    OK(create(&c));
}

/* The kernel's number of a thread of this process, by its name. */
static pid_t thread_named(const char *name) {
    pid_t found = 0;
    DIR *tasks = opendir("/proc/self/task");
    TEST_ASSERT_NOT_NULL(tasks);
    for (struct dirent *task; found == 0 && (task = readdir(tasks)) != NULL;) {
        char path[300], comm[32] = "";
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            (void)(fgets(comm, sizeof comm, file) == NULL);
            (void)fclose(file);
        }
        comm[strcspn(comm, "\n")] = '\0';
        if (strcmp(comm, name) == 0) {
            found = atoi(task->d_name);
        }
    }
    (void)closedir(tasks);
    return found;
}

static cpu_set_t cpus_of(pid_t thread) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    TEST_ASSERT_EQUAL_INT(0, sched_getaffinity(thread, sizeof cpus, &cpus));
    return cpus;
}

static bool is_scheduled(pid_t thread, const cpu_set_t *cpus, int policy) {
    const cpu_set_t its = cpus_of(thread);
    return CPU_EQUAL(&its, cpus) && sched_getscheduler(thread) == policy;
}

/* Of the thread that creates managers: bound to one CPU and, where the system allows it, a real-time one. */
static void *create_while_bound(void *argument) {
    const cpu_set_t all = *(const cpu_set_t *)argument;
    cpu_set_t one;
    CPU_ZERO(&one);
    for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &one);
        }
    }
    THREAD_CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) != 0) {
        printf("SCHED_FIFO is refused here: binding alone is tested\n");
    }
    bb_manager_config c = defaults("free");
    bb_manager *free_one = make_u32(8, &c);
    c.label = "bound";
    c.worker_affinity = 1;
    const bool to_first = CPU_ISSET(0, &all);
    bb_manager *bound_one = make_u32(8, &c);
    const pid_t free_worker = thread_named("bb-free"), bound_worker = thread_named("bb-bound");
    THREAD_CHECK(free_worker != 0 && bound_worker != 0);
    /* From its start: beside this thread on this CPU it might never run to change that itself. */
    THREAD_CHECK(is_scheduled(free_worker, &all, SCHED_OTHER));
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    EVENTUALLY(!to_first || is_scheduled(bound_worker, &one, SCHED_OTHER));
    THREAD_OK(bb_manager_destroy(free_one));
    THREAD_OK(bb_manager_destroy(bound_one));
    return NULL;
}

static void a_worker_does_not_inherit_its_creators_scheduling(void) {
    if (test_device() != NULL) {
        TEST_IGNORE_MESSAGE("drivers have threads of their own names");
    }
    cpu_set_t all = cpus_of(getpid());
    join(start(create_while_bound, &all));
}

static void queue_bytes_at_both_ends(void) {
    bb_manager_config c = defaults(NULL);
    c.queue_bytes = UINT64_MAX;
    const bb_status huge = create(&c);
    CHECK(huge == BB_E_OUT_OF_MEMORY || huge == BB_E_LIMIT || huge == BB_E_ARGUMENT || huge == BB_E_RANGE);
    c.queue_bytes = 1;
    const bb_status tiny = create(&c);
    CHECK(tiny == BB_OK || tiny == BB_E_ARGUMENT || tiny == BB_E_RANGE);
}

static void a_label_is_utf8_and_cut_at_a_character(void) {
    const char *const wrong[] = {"\xff", "caf\xe9", "\xc3", "\xed\xa0\x80", "ok\xf8", "\xf4\x90\x80\x80"};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        bb_manager_config c = defaults(wrong[i]);
        EXPECT(BB_E_ARGUMENT, create(&c));
        MESSAGE_HAS("label");
    }
    char many[2 * 40 + 1] = "";
    for (int i = 0; i < 40; i++) {
        memcpy(many + 2 * i, "\xc3\xa9", 3);
    }
    bb_manager_config c = defaults(many);
    bb_manager *m = make_u32(8, &c);
    const bb_manager_info info = info_of(m);
    TEST_ASSERT_EQUAL_size_t(62, strlen(info.label)); /* whole characters only */
    CHECK(strncmp(many, info.label, 62) == 0);
    OK(bb_manager_destroy(m));
    c.label = "";
    OK(create(&c));
}

static void the_callers_label_and_initial_are_copied(void) {
    char label[] = "mine";
    uint32_t initial[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    bb_manager_config c = defaults(label);
    c.initial = initial;
    bb_manager *m = make_u32(8, &c);
    memset(label, 'x', sizeof label - 1);
    memset(initial, 0, sizeof initial);
    TEST_ASSERT_EQUAL_STRING("mine", info_of(m).label);
    TEST_ASSERT_EQUAL_UINT32(8, get_u32(m, 7));
    OK(bb_manager_destroy(m));
}

/* An output struct is filled as far as the caller's version of it goes. */
static void outputs_respect_the_callers_size(void) {
    bb_manager_config c = defaults("sized");
    bb_manager *m = make_u32(8, &c);
    union {
        bb_manager_info info;
        uint8_t bytes[sizeof(bb_manager_info) + 64];
    } out;
    const uint32_t sizes[] = {8, 16, offsetof(bb_manager_info, bytes), offsetof(bb_manager_info, label),
                              sizeof(bb_manager_info)};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        memset(&out, 0xA5, sizeof out);
        OK(bb_manager_info_get(m, sizes[i], &out.info));
        TEST_ASSERT_EQUAL_UINT32(BB_U32, out.info.dtype);
        TEST_ASSERT_EACH_EQUAL_HEX8(0xA5, out.bytes + sizes[i], sizeof out.bytes - sizes[i]);
    }
    TEST_ASSERT_EQUAL_UINT32(sizeof(bb_manager_info), out.info.struct_size);
    TEST_ASSERT_EQUAL_STRING("sized", out.info.label);
    /* A caller newer than the library gets the size of the struct, or is refused. */
    memset(&out, 0xA5, sizeof out);
    const bb_status newer = bb_manager_info_get(m, sizeof out, &out.info);
    CHECK(newer == BB_OK || newer == BB_E_VERSION);
    if (newer == BB_OK) {
        TEST_ASSERT_EQUAL_UINT32(sizeof(bb_manager_info), out.info.struct_size);
    }
    bb_manager_stats stats;
    for (uint32_t size = 0; size < 4; size++) {
        EXPECT(BB_E_VERSION, bb_manager_stats_get(m, size, &stats));
        MESSAGE_HAS("struct_size");
    }
    OK(bb_manager_stats_get(m, sizeof stats, &stats));
    TEST_ASSERT_EQUAL_UINT32(sizeof stats, stats.struct_size);
    OK(bb_manager_destroy(m));
}

/* --- an uninitialised struct_size: refused by every function without reading beyond it, with the cause in the message --- */

static struct {
    bb_manager *m;
    bb_sender *tx;
    bb_receiver *rx;
    bb_registry *r;
    bb_device *device;
    bb_buffer *buffer;
    bb_request *request;
} all;

/* Of more bytes than any struct, and never initialised. */
static union {
    bb_manager_config manager;
    bb_buffer_desc buffer;
    bb_map_outcome outcome;
    bb_buffer_info info;
    bb_mapping mapping;
    bb_readback_config readback;
    bb_dynamic_config dynamic;
    bb_spsc_config spsc;
    bb_stream_config stream;
    bb_registry_config registry;
    bb_registry_buffer registered;
    bb_limits limits;
    bb_launch launch;
    bb_plan_config plan;
    bb_gl_config gl;
    bb_wgpu_config wgpu;
    uint32_t struct_size;
} given;

static union {
    void *handle;
    bb_manager_info manager;
    bb_manager_stats stats;
    bb_device_info device;
    bb_device_stats device_stats;
    bb_end_stats end;
    bb_allocator allocator;
    bb_layout_info layout;
    bb_fit fit;
    bb_registry_plans plan;
} out;

#define HANDLE ((void *)&out.handle)
static void every_function_refuses(uint32_t size) {
    given.struct_size = size;
    bool recognized, changed;
    const bb_launch launch = {.struct_size = sizeof launch, .threads = 1};
#define REFUSES(call)                                                                                                  \
    EXPECT(BB_E_VERSION, call);                                                                                        \
    MESSAGE_HAS("struct_size = ");                                                                                     \
    MESSAGE_HAS("seems uninitialised")
    REFUSES(bb_manager_create(BB_U32, 1, SHAPE(8), &given.manager, HANDLE));
    REFUSES(bb_manager_info_get(all.m, size, &out.manager));
    REFUSES(bb_manager_stats_get(all.m, size, &out.stats));
    REFUSES(bb_spsc_create(64, &given.spsc, HANDLE, HANDLE));
    REFUSES(bb_sender_stats_get(all.tx, size, &out.end));
    REFUSES(bb_receiver_stats_get(all.rx, size, &out.end));
    REFUSES(bb_spsc_into_stream(all.rx, &given.stream, HANDLE));
    REFUSES(bb_device_info_get(all.device, size, &out.device));
    REFUSES(bb_device_stats_get(all.device, size, &out.device_stats));
    REFUSES(bb_buffer_create(all.device, &given.buffer, HANDLE));
    REFUSES(bb_buffer_info_get(all.buffer, size, &given.info));
    REFUSES(bb_buffer_mapping_get(all.buffer, size, &given.mapping));
    given.struct_size = size;
    REFUSES(bb_request_poll(all.request, size, &given.outcome));
    REFUSES(bb_request_wait(all.request, 0, size, &given.outcome));
    REFUSES(bb_device_buffer_create(all.device, &given.buffer, HANDLE));
    REFUSES(bb_device_buffer_create_growable(all.device, &given.buffer, HANDLE));
    REFUSES(bb_readback_create(all.device, &given.readback, HANDLE));
    REFUSES(bb_dynamic_create(all.device, &given.dynamic, HANDLE));
    REFUSES(bb_registry_create(&given.registry, HANDLE));
    REFUSES(bb_registry_register(all.r, 1, &given.registered));
    REFUSES(bb_registry_replace(all.r, 1, &given.registered));
    REFUSES(bb_registry_update_buffer(all.r, 1, BB_FIELD_SIZE, &given.registered, &recognized, &changed));
    REFUSES(bb_registry_set_options(all.r, 1, &given.registry));
    REFUSES(bb_registry_get_allocator(all.r, 1, "b", size, &out.allocator));
    REFUSES(bb_registry_layout_info(all.r, 1, size, &out.layout));
    REFUSES(bb_registry_check(all.r, 1, &given.limits, &launch, sizeof out.fit, &out.fit));
    REFUSES(bb_registry_plan(all.r, 1, &given.plan, sizeof out.plan, &out.plan));
    REFUSES(bb_registry_plan(all.r, 1, NULL, size, &out.plan));
    const bb_status gl = bb_device_create_gl(0, NULL, &given.gl, HANDLE);
    CHECK(gl == BB_E_VERSION || gl == BB_E_UNSUPPORTED); /* the latter: a build without it */
    const bb_status wgpu = bb_device_create_wgpu(0, &given.wgpu, HANDLE);
    CHECK(wgpu == BB_E_VERSION || wgpu == BB_E_UNSUPPORTED);
}

static void an_uninitialised_struct_is_refused_and_named(void) {
    const bb_registry_buffer buffer = {
        .struct_size = sizeof buffer, .location = BB_LOCATION_SHARED, .name = "b", .size = 8, .precision = BB_F32};
    const bb_buffer_desc desc = {
        .struct_size = sizeof desc, .size = 64, .usage = BB_USAGE_MAP_WRITE | BB_USAGE_COPY_SRC};
    all.m = make_u32(8, NULL);
    OK(bb_spsc_create(64, NULL, &all.tx, &all.rx));
    OK(bb_registry_create(NULL, &all.r));
    OK(bb_registry_register(all.r, 1, &buffer));
    OK(bb_device_create_host(0, NULL, &all.device));
    OK(bb_buffer_create(all.device, &desc, &all.buffer));
    OK(bb_buffer_map_async(all.buffer, BB_MAP_WRITE, 0, BB_WHOLE_SIZE, NULL, &all.request));
    const uint32_t sizes[] = {65537, 0xA5A5A5A5, INT32_MAX, UINT32_MAX};
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        every_function_refuses(sizes[i]);
    }
    OK(bb_request_release(all.request));
    OK(bb_buffer_destroy(all.buffer));
    OK(bb_device_destroy(all.device));
    OK(bb_registry_destroy(all.r));
    OK(bb_sender_destroy(all.tx));
    OK(bb_receiver_destroy(all.rx));
    OK(bb_manager_destroy(all.m));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(defaults_are_those_of_the_header);
    RUN_TEST(a_shorter_struct_is_an_older_version);
    RUN_TEST(a_struct_too_short_to_be_one_is_refused);
    RUN_TEST(a_longer_struct_needs_a_zero_tail);
    RUN_TEST(fields_out_of_range_are_named);
    RUN_TEST(what_the_system_refuses_is_not_fatal);
    RUN_TEST(a_worker_does_not_inherit_its_creators_scheduling);
    RUN_TEST(queue_bytes_at_both_ends);
    RUN_TEST(a_label_is_utf8_and_cut_at_a_character);
    RUN_TEST(the_callers_label_and_initial_are_copied);
    RUN_TEST(outputs_respect_the_callers_size);
    RUN_TEST(an_uninitialised_struct_is_refused_and_named);
    return UNITY_END();
}
