/* Memory as the library gets it: these names come before the C library's, also for the shared library. Allocations are
 * counted while a test has `armed` them, and the one that it chose fails. Not where a sanitizer has its own (other_malloc()). */
#ifndef BACKBUF_TEST_COUNTED_MEMORY_H
#define BACKBUF_TEST_COUNTED_MEMORY_H
#include "support.h"
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static struct {
    atomic_bool armed;    /* a call of the library runs, on whatever thread it allocates */
    atomic_int asked;     /* allocations while armed */
    atomic_int countdown; /* allocations until the one that fails */
    atomic_bool for_good; /* every later one fails too */
    atomic_int injected;  /* failures so far */
    atomic_int live;      /* blocks and mappings held */
} memory;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static bool fails(void) {
    if (!atomic_load(&memory.armed)) {
        return false;
    }
    atomic_fetch_add(&memory.asked, 1);
    const int left = atomic_fetch_sub(&memory.countdown, 1);
    if (left == 1 || (left < 1 && atomic_load(&memory.for_good))) {
        atomic_fetch_add(&memory.injected, 1);
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

void *malloc(size_t size) { return fails() ? NULL : held(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : held(__libc_calloc(count, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return fails() ? NULL : held(__libc_memalign(alignment, size)); }
void *memalign(size_t alignment, size_t size) { return fails() ? NULL : held(__libc_memalign(alignment, size)); }

void *realloc(void *block, size_t size) {
    if (fails()) {
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
    if (fails()) {
        return MAP_FAILED;
    }
    void *mapped = (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
    atomic_fetch_add(&memory.live, mapped != MAP_FAILED && (flags & MAP_FIXED) == 0);
    return mapped;
}

int munmap(void *address, size_t length) {
    atomic_fetch_sub(&memory.live, 1);
    return (int)syscall(SYS_munmap, address, length);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument) {
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = NULL;
    const bool fail = fails();
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return fail ? EAGAIN : real(thread, attributes, function, argument);
}
#endif

#endif
