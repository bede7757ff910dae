/* Two copies of the library in one process: each tells the other's handles apart, names both files, and goes on working. */
#include "exports.h"
#include <dlfcn.h>
#include <fcntl.h>

static char path[] = "/tmp/backbuf-copy-XXXXXX";
static void *copy; /* of the library, loaded beside the one that this program is linked with */

static void *other(const char *name) {
    void *symbol = dlsym(copy, name);
    TEST_ASSERT_NOT_NULL_MESSAGE(symbol, name);
    return symbol;
}

/* dlsym gives an object pointer; POSIX says that it holds a function's address. */
#define OTHER(function) (*(__typeof__(&(function)) *)&(void *){other(#function)})

/* The file that this program's own copy came from; NULL if that is the program itself. */
static const char *own_file(void) {
    Dl_info library, program;
    void *const version = *(void **)&(__typeof__(&bb_version)){bb_version};
    TEST_ASSERT_TRUE(dladdr(version, &library) != 0 && dladdr(exports, &program) != 0);
    return library.dli_fbase == program.dli_fbase ? NULL : library.dli_fname;
}

static void load_a_copy(void) {
    static char bytes[1 << 16];
    const char *const own = own_file();
    if (own == NULL) {
        TEST_IGNORE_MESSAGE("linked statically: there is no file to load a second copy from");
    }
    const int from = open(own, O_RDONLY);
    const int to = mkstemp(path);
    TEST_ASSERT_TRUE(from >= 0 && to >= 0);
    for (ssize_t got; (got = read(from, bytes, sizeof bytes)) > 0;) {
        TEST_ASSERT_EQUAL_INT64(got, write(to, bytes, (size_t)got));
    }
    (void)close(from);
    (void)close(to);
    copy = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    TEST_ASSERT_NOT_NULL_MESSAGE(copy, dlerror());
    TEST_ASSERT_TRUE(OTHER(bb_version) != bb_version);
}

static void need_the_copy(void) {
    if (copy == NULL) {
        TEST_IGNORE_MESSAGE("there is no second copy");
    }
}

static bb_manager *make_other(void) {
    bb_manager *m = NULL;
    OK(OTHER(bb_manager_create)(BB_U32, 1, SHAPE(8), NULL, &m));
    return m;
}

static void a_foreign_manager_is_told_on_every_export(void) {
    need_the_copy();
    OK(bb_manager_destroy(make_u32(8, NULL))); /* this copy has seen work too */
    bb_manager *const foreign = make_other();
    for (size_t i = 0; i < LENGTH(exports); i++) {
        if (exports[i].kind == MANAGER) {
            expect_status(BB_E_FOREIGN, exports[i].call(foreign), exports[i].name, __LINE__);
            TOLD(exports[i].name);
            TOLD(path);
            TOLD(own_file());
        }
    }
    EXPECT(BB_E_HANDLE, bb_handle_check(foreign)); /* it asks no other copy */
    OK(OTHER(bb_handle_check)(foreign));
    OK(OTHER(bb_manager_destroy)(foreign));
}

static void a_foreign_lease_is_told_and_stays_the_others(void) {
    need_the_copy();
    bb_front front;
    bb_manager *const foreign = make_other();
    OK(OTHER(bb_manager_acquire_front)(foreign, &front));
    EXPECT(BB_E_FOREIGN, bb_lease_release(front.lease));
    OK(OTHER(bb_lease_release)(front.lease));
    OK(OTHER(bb_manager_destroy)(foreign));
}

static void the_ends_of_a_foreign_ring_are_told_on_every_export(void) {
    need_the_copy();
    void *foreign[KINDS] = {NULL};
    bb_sender *tx = NULL, *feeder = NULL;
    bb_receiver *rx = NULL, *streamed = NULL;
    bb_stream *stream = NULL;
    OK(OTHER(bb_spsc_create)(64, NULL, &tx, &rx));
    OK(OTHER(bb_spsc_create)(64, NULL, &feeder, &streamed));
    OK(OTHER(bb_spsc_into_stream)(streamed, NULL, &stream));
    foreign[SENDER] = tx, foreign[RECEIVER] = rx, foreign[STREAM] = stream;
    for (size_t i = 0; i < LENGTH(exports); i++) {
        if (foreign[exports[i].kind] != NULL) {
            expect_status(BB_E_FOREIGN, exports[i].call(foreign[exports[i].kind]), exports[i].name, __LINE__);
            TOLD(exports[i].name);
            TOLD(path);
        }
    }
    OK(OTHER(bb_sender_destroy)(tx));
    OK(OTHER(bb_receiver_destroy)(rx));
    OK(OTHER(bb_stream_destroy)(stream));
    OK(OTHER(bb_sender_destroy)(feeder));
}

static void it_works_in_both_directions(void) {
    need_the_copy();
    bb_manager *const own = make_u32(8, NULL);
    TEST_ASSERT_EQUAL_INT32(BB_E_FOREIGN, OTHER(bb_manager_synchronize)(own, 0));
    TEST_ASSERT_NOT_NULL(strstr(OTHER(bb_last_error)(), path));
    OK(bb_manager_destroy(own));
}

static void both_copies_work_side_by_side(void) {
    need_the_copy();
    bb_manager *const own = make_u32(8, NULL), *const foreign = make_other();
    for (uint32_t i = 1; i <= 100; i++) {
        const bb_update update = {.byte_offset = 4, .count = 1, .data = &i};
        OK(bb_manager_enqueue(own, &update, BB_FOREVER));
        OK(OTHER(bb_manager_enqueue)(foreign, &update, BB_FOREVER));
        OK(bb_manager_synchronize(own, BB_FOREVER));
        OK(OTHER(bb_manager_synchronize)(foreign, BB_FOREVER));
    }
    uint64_t epoch = 0;
    OK(OTHER(bb_manager_epoch)(foreign, &epoch));
    TEST_ASSERT_EQUAL_UINT64(100, epoch);
    TEST_ASSERT_EQUAL_UINT32(100, get_u32(own, 1));
    OK(bb_manager_destroy(own));
    OK(OTHER(bb_manager_destroy)(foreign));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(load_a_copy);
    RUN_TEST(a_foreign_manager_is_told_on_every_export);
    RUN_TEST(a_foreign_lease_is_told_and_stays_the_others);
    RUN_TEST(the_ends_of_a_foreign_ring_are_told_on_every_export);
    RUN_TEST(it_works_in_both_directions);
    RUN_TEST(both_copies_work_side_by_side);
    (void)unlink(path);
    return UNITY_END();
}
