/* Failure injection for allocations: these functions replace those of the C library, also for the shared library. While a test
 * has `armed` them, allocations are counted, and the chosen one fails. Not with a sanitizer, which has its own (other_malloc()).
 *
 * What a caller sizes is allocated fallibly. The library's own small bookkeeping uses Rust's ordinary allocator, whose failure
 * ends the process: a child process in which an allocation of less than SMALL bytes fails may end so (ends_by_allocator()). */
#ifndef BACKBUF_TEST_COUNTED_MEMORY_H
#define BACKBUF_TEST_COUNTED_MEMORY_H
#include "support.h"
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { SMALL = 4096, ENDED = 78 };

static struct {
    atomic_bool armed;    /* count and fail allocations, on all threads */
    atomic_int asked;     /* allocations while armed */
    atomic_size_t least;  /* smaller ones are neither counted nor failed */
    atomic_int countdown; /* allocations until the one that fails */
    atomic_bool for_good; /* every later one fails too */
    atomic_int injected;  /* failures so far */
    atomic_size_t failed; /* bytes of the last failure */
    atomic_bool reported; /* Rust's allocator has reported a failure */
    void *_Atomic caller; /* that of the last calloc() that failed */
    atomic_int live;      /* blocks and mappings held */
} memory;

/* Whether the C library could not register the destructor of a thread-local variable of Rust, which ends the process as well. */
static bool without_tls_destructor(void) {
    Dl_info info;
    /* abort() raises its signal on the calling thread, outside of the loader: the handler is not asynchronous. */
    /* NOLINTNEXTLINE(bugprone-signal-handler,cert-msc54-cpp,cert-sig30-c) */
    return dladdr(atomic_load(&memory.caller), &info) != 0 && info.dli_sname != NULL &&
           strcmp(info.dli_sname, "__cxa_thread_atexit_impl") == 0;
}

static void on_abort(int signal) {
    (void)signal;
    const bool by_allocator = atomic_load(&memory.reported) || without_tls_destructor();
    _exit(by_allocator && atomic_load(&memory.failed) < SMALL ? ENDED : 1);
}

/* From here on this process ends with ENDED when a small allocation fails that the library does not handle. */
static inline void ends_by_allocator(void) { CHECK(signal(SIGABRT, on_abort) != SIG_ERR); }

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static bool fails(size_t size) {
    if (!atomic_load(&memory.armed) || size < atomic_load(&memory.least)) {
        return false;
    }
    atomic_fetch_add(&memory.asked, 1);
    const int left = atomic_fetch_sub(&memory.countdown, 1);
    if (left == 1 || (left < 1 && atomic_load(&memory.for_good))) {
        atomic_fetch_add(&memory.injected, 1);
        atomic_store(&memory.failed, size);
        errno = ENOMEM;
        return true;
    }
    return false;
}

static void *held(void *block) {
    atomic_fetch_add(&memory.live, block != NULL);
    return block;
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

void *malloc(size_t size) { return fails(size) ? NULL : held(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) {
    if (fails(count * size)) {
        atomic_store(&memory.caller, __builtin_return_address(0));
        return NULL;
    }
    return held(__libc_calloc(count, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return fails(size) ? NULL : held(__libc_memalign(alignment, size));
}
void *memalign(size_t alignment, size_t size) { return fails(size) ? NULL : held(__libc_memalign(alignment, size)); }

void *realloc(void *block, size_t size) {
    if (fails(size)) {
        return NULL;
    }
    void *moved = __libc_realloc(block, size);
    return block == NULL ? held(moved) : moved;
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    void *got = memalign(alignment, size);
    if (got != NULL) {
        *block = got;
    }
    return got == NULL ? ENOMEM : 0;
}

void free(void *block) {
    atomic_fetch_sub(&memory.live, block != NULL);
    __libc_free(block);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    if (fails(length)) {
        return MAP_FAILED;
    }
    void *mapped = (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
    atomic_fetch_add(&memory.live, mapped != MAP_FAILED && (flags & MAP_FIXED) == 0);
    return mapped;
}

/* The same function under the name by which rustix calls it. */
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("mmap")));

int munmap(void *address, size_t length) {
    atomic_fetch_sub(&memory.live, 1);
    return (int)syscall(SYS_munmap, address, length);
}

/* Rust's allocator reports its failure on the standard error stream before it ends the process. */
ssize_t write(int fd, const void *bytes, size_t length) {
    static const char report[] = "memory allocation of ";
    if (fd == STDERR_FILENO && length >= sizeof report - 1 && memcmp(bytes, report, sizeof report - 1) == 0) {
        atomic_store(&memory.reported, true);
    }
    return syscall(SYS_write, fd, bytes, length);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument) {
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = NULL;
    const bool fail = fails(SMALL); /* its stack */
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return fail ? EAGAIN : real(thread, attributes, function, argument);
}
#endif

#endif
