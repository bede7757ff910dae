/* Helpers for the tests of registries. */
#ifndef BACKBUF_TEST_REGISTRY_H
#define BACKBUF_TEST_REGISTRY_H
#include "support.h"

enum { PARENT = 1 };

static inline bb_registry *make_registry(void) {
    bb_registry *r = NULL;
    OK(bb_registry_create(NULL, &r));
    return r;
}

static inline bb_registry_buffer buffer_of(uint32_t location, const char *name, uint64_t size) {
    bb_registry_buffer buffer;
    OK(bb_registry_buffer_init(&buffer));
    buffer.location = location, buffer.name = name, buffer.size = size;
    return buffer;
}

static inline bb_registry_buffer shared(const char *name, uint64_t size) {
    return buffer_of(BB_LOCATION_SHARED, name, size);
}

static inline bb_registry_buffer local(const char *name, uint64_t size) {
    return buffer_of(BB_LOCATION_LOCAL, name, size);
}

static inline bb_allocator allocator(bb_registry *r, uint64_t parent, const char *name) {
    bb_allocator found;
    OK(bb_registry_get_allocator(r, parent, name, sizeof found, &found));
    return found;
}

/* The parent's JSON, by two calls; freed by the caller. "" for an unknown parent. */
static inline char *json_of(bb_registry *r, uint64_t parent) {
    uint64_t length = 0;
    if (bb_registry_json(r, parent, NULL, 0, &length) == BB_E_NO_PARENT) {
        return calloc(1, 1);
    }
    char *text = malloc(length + 1);
    TEST_ASSERT_NOT_NULL(text);
    OK(bb_registry_json(r, parent, text, length + 1, &length));
    TEST_ASSERT_EQUAL_size_t(strlen(text), length);
    return text;
}

static inline void expect_sizes(bb_registry *r, uint64_t parent, const uint64_t sizes[3]) {
    uint64_t got[3];
    OK(bb_registry_shared_buffer_size(r, parent, &got[0]));
    OK(bb_registry_persistent_local_buffer_size(r, parent, &got[1]));
    OK(bb_registry_local_buffer_size(r, parent, &got[2]));
    TEST_ASSERT_EQUAL_UINT64_ARRAY(sizes, got, 3);
}

#endif
