/* Two copies of the library in one process: each detects the handles of the other, names both files, and continues to work. */
#include "exports.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>

/* Counts the library's calls of dlopen, which this program's own definition takes. */
static int open_calls;

void *dlopen(const char *name, int flags) {
    typedef void *open_function(const char *, int);
    open_calls++;
    return (*(open_function **)&(void *){dlsym(RTLD_NEXT, "dlopen")})(name, flags);
}

static char path[] = "/tmp/backbuf-copy-XXXXXX";
static void *copy; /* of the library, loaded beside the one that this program is linked with */

static void *symbol_of(void *object, const char *name) {
    void *symbol = dlsym(object, name);
    TEST_ASSERT_NOT_NULL_MESSAGE(symbol, name);
    return symbol;
}

/* dlsym gives an object pointer; POSIX says that it holds a function's address. */
#define OF(object, function) (*(__typeof__(&(function)) *)&(void *){symbol_of(object, #function)})
#define OTHER(function) (*(__typeof__(&(function)) *)&(void *){symbol_of(copy, #function)})

/* The file that this program's own copy came from; NULL if that is the program itself. */
static const char *own_file(void) {
    Dl_info library, program;
    void *const version = *(void **)&(__typeof__(&bb_version)){bb_version};
    TEST_ASSERT_TRUE(dladdr(version, &library) != 0 && dladdr(exports, &program) != 0);
    return library.dli_fbase == program.dli_fbase ? NULL : library.dli_fname;
}

/* Writes the library's file into a new one, whose name ends in XXXXXX at first. */
static void copy_file(char *name) {
    static char bytes[1 << 16];
    const int from = open(own_file(), O_RDONLY);
    const int to = mkstemp(name);
    TEST_ASSERT_TRUE(from >= 0 && to >= 0);
    for (ssize_t got; (got = read(from, bytes, sizeof bytes)) > 0;) {
        TEST_ASSERT_EQUAL_INT64(got, write(to, bytes, (size_t)got));
    }
    (void)close(from);
    (void)close(to);
}

static void load_a_copy(void) {
    if (own_file() == NULL) {
        TEST_IGNORE_MESSAGE("linked statically: there is no file to load a second copy from");
    }
    copy_file(path);
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

static void every_export_refuses_a_foreign_manager(void) {
    need_the_copy();
    OK(bb_manager_destroy(make_u32(8, NULL))); /* this copy has seen work too */
    bb_manager *const foreign = make_other();
    for (size_t i = 0; i < LENGTH(exports); i++) {
        if (exports[i].kind == MANAGER) {
            expect_status(BB_E_FOREIGN, exports[i].call(foreign), exports[i].name, __LINE__);
            MESSAGE_HAS(exports[i].name);
            MESSAGE_HAS(path);
            MESSAGE_HAS(own_file());
        }
    }
    EXPECT(BB_E_HANDLE, bb_handle_check(foreign)); /* it asks no other copy */
    OK(OTHER(bb_handle_check)(foreign));
    OK(OTHER(bb_manager_destroy)(foreign));
}

static void a_foreign_lease_is_refused_and_stays_valid(void) {
    need_the_copy();
    bb_front front;
    bb_manager *const foreign = make_other();
    OK(OTHER(bb_manager_acquire_front)(foreign, &front));
    EXPECT(BB_E_FOREIGN, bb_lease_release(front.lease));
    OK(OTHER(bb_lease_release)(front.lease));
    OK(OTHER(bb_manager_destroy)(foreign));
}

static void every_export_refuses_the_ends_of_a_foreign_ring(void) {
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
            MESSAGE_HAS(exports[i].name);
            MESSAGE_HAS(path);
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
        OK(bb_manager_enqueue_update(own, &update, BB_FOREVER));
        OK(OTHER(bb_manager_enqueue_update)(foreign, &update, BB_FOREVER));
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

/* --- copies that lie a multiple of 4 MiB apart, where both would first take the same tag --- */

#define DISTANCE ((uintptr_t)4 << 20)

/* Where the library that contains this address begins, and how many bytes it spans. */
typedef struct extent {
    uintptr_t address, base, bytes;
} extent;

static int measure(struct dl_phdr_info *info, size_t size, void *place) {
    extent *const e = place;
    uintptr_t end = 0;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_LOAD) {
            end = info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
        }
    }
    if (e->address < info->dlpi_addr || e->address >= info->dlpi_addr + end) {
        return 0;
    }
    e->base = info->dlpi_addr, e->bytes = end;
    return 1;
}

static extent extent_of(void *address) {
    extent e = {.address = (uintptr_t)address};
    TEST_ASSERT_EQUAL_INT(1, dl_iterate_phdr(measure, &e));
    return e;
}

static void *reserve(size_t bytes) {
    void *const at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TEST_ASSERT_TRUE(at != MAP_FAILED);
    return at;
}

/* Loads a copy so that it lies right, if the kernel goes on downwards from where it puts the probe. */
static void *load_apart(const extent *own) {
    char name[] = "/tmp/backbuf-copy-XXXXXX";
    copy_file(name);
    void *const probe = reserve(own->bytes);
    (void)munmap(probe, own->bytes);
    const uintptr_t gap = ((uintptr_t)probe - own->base) % DISTANCE;
    if (gap != 0) {
        (void)reserve(gap);
    }
    void *const object = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    (void)unlink(name);
    TEST_ASSERT_NOT_NULL_MESSAGE(object, dlerror());
    return object;
}

static unsigned tag_of(const void *handle) { return (unsigned)((uintptr_t)handle >> 5 & 1023); }

static void no_two_copies_have_the_same_tag(void) {
    need_the_copy();
    enum { COPIES = 6 };
    bb_manager *const own = make_u32(8, NULL);
    const extent here = extent_of(*(void **)&(__typeof__(&bb_version)){bb_version});
    unsigned tags[COPIES];
    int apart = 0;
    for (int i = 0; i < COPIES; i++) {
        void *const object = load_apart(&here);
        apart += (extent_of(symbol_of(object, "bb_version")).base - here.base) % DISTANCE == 0;
        bb_manager *foreign = NULL;
        bb_front front;
        OK(OF(object, bb_manager_create)(BB_U32, 1, SHAPE(8), NULL, &foreign));
        OK(OF(object, bb_manager_acquire_front)(foreign, &front));
        tags[i] = tag_of(foreign);
        CHECK(tags[i] != tag_of(own));
        for (int before = 0; before < i; before++) {
            CHECK(tags[i] != tags[before]);
        }
        EXPECT(BB_E_FOREIGN, bb_manager_synchronize(foreign, 0));
        EXPECT(BB_E_FOREIGN, bb_lease_release(front.lease));
        OK(OF(object, bb_lease_release)(front.lease));
        OK(OF(object, bb_manager_destroy)(foreign));
    }
    OK(bb_manager_destroy(own));
    if (apart == 0) {
        TEST_IGNORE_MESSAGE("no copy could be loaded at a distance of 4 MiB");
    }
}

/* The loader is searched when it has loaded something, not at each call. */
static void garbage_is_refused_without_a_search(void) {
    need_the_copy();
    EXPECT(BB_E_HANDLE, bb_manager_synchronize((bb_manager *)UINT64_C(0x7fff12345678), 0)); /* searches, if it must */
    const int before = open_calls;
    for (int i = 0; i < 1000; i++) {
        EXPECT(BB_E_HANDLE, bb_manager_synchronize((bb_manager *)(UINT64_C(0x7fff12345678) + 64 * (uint64_t)i), 0));
    }
    TEST_ASSERT_EQUAL_INT(before, open_calls);
    bb_manager *const foreign = make_other();
    EXPECT(BB_E_FOREIGN, bb_manager_synchronize(foreign, 0));
    TEST_ASSERT_EQUAL_INT(before, open_calls);
    OK(OTHER(bb_manager_destroy)(foreign));
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(load_a_copy);
    RUN_TEST(every_export_refuses_a_foreign_manager);
    RUN_TEST(a_foreign_lease_is_refused_and_stays_valid);
    RUN_TEST(every_export_refuses_the_ends_of_a_foreign_ring);
    RUN_TEST(it_works_in_both_directions);
    RUN_TEST(both_copies_work_side_by_side);
    RUN_TEST(no_two_copies_have_the_same_tag);
    RUN_TEST(garbage_is_refused_without_a_search);
    (void)unlink(path);
    return UNITY_END();
}
