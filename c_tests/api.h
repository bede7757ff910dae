/* The whole C API as tables: what each function takes, what each struct holds, what ends each kind of handle. */
#ifndef BACKBUF_TEST_API_H
#define BACKBUF_TEST_API_H
#include "soak.h"
/* The library's own functions, not those of on_device.h. */
#undef bb_manager_create
#undef bb_manager_create_fields
#undef bb_manager_create_from_group
#undef bb_manager_acquire_front
#include <stddef.h>

enum { MOST_PARAMETERS = 10 };

/* What a parameter of a function or a member of a struct is. */
typedef enum api_what {
    /* handles: one, an array of them, any value at all, where a new one is written */
    HANDLE,
    HANDLES,
    ANY_HANDLE,
    NEW_HANDLE,
    /* numbers: any, nanoseconds, the size of the next struct, the dimensions of the next shape, the bytes at a pointer,
     * the room for a text, the length of a text, the entries of an array */
    NUMBER,
    TIMEOUT,
    STRUCT_SIZE,
    NDIM,
    BYTES,
    CAPACITY,
    LENGTH,
    COUNT,
    /* what is read: a struct, a text, memory, numbers along the axes */
    STRUCT,
    TEXT,
    DATA,
    COUNTS,
    STEPS,
    /* what is written */
    STRUCT_OUT,
    STRUCT_STATE, /* zeros at first, and the library's from then on */
    NUMBER_OUT,
    TEXT_OUT,
    ROOM,
    /* callbacks, and what they are given */
    FUNCTION,
    USER_DATA,
    /* members only */
    ARRAY,
    POINTER,
} api_what;

typedef struct api_kind {
    const char *name;
    const char *end_name;
    bb_status (*end)(void *handle);
} api_kind;

typedef struct api_member {
    api_what what;
    const char *name;
    const char *type;
    uint32_t size;
    size_t offset;
} api_member;

typedef struct api_struct {
    const char *name;
    size_t size;
    const api_member *members;
    unsigned count;
    bb_status (*init)(void *to); /* NULL where there is none */
} api_struct;

typedef struct api_parameter {
    api_what what;
    const char *name;
    const char *type;
    unsigned of; /* the kind of a handle, the number of a struct */
    size_t size; /* what is written to an output */
} api_parameter;

typedef struct api_function {
    const char *name;
    bb_status (*call)(const uint64_t *arguments);
    unsigned count;
    api_parameter parameters[MOST_PARAMETERS];
} api_function;

#include "api_table.h"

enum { FUNCTIONS = LENGTH(functions) };

static inline bool has_prefix(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static inline bool has_suffix(const char *text, const char *suffix) {
    const size_t length = strlen(text);
    return length >= strlen(suffix) && strcmp(text + length - strlen(suffix), suffix) == 0;
}

#endif
