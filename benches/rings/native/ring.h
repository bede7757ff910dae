/* The table of C functions that every ring in C or C++ exports under the name RING; see `Functions` in src/lib.rs. */
#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ring_functions {
    bool (*create)(uint64_t capacity, uint64_t chunk, void **sender, void **receiver);
    uint64_t (*send)(void *sender, const uint8_t *data, uint64_t bytes);
    uint64_t (*recv)(void *receiver, uint8_t *data, uint64_t bytes);
    uint64_t (*wait)(void *receiver, uint8_t *data, uint64_t bytes); /* NULL if the ring cannot sleep */
    void (*destroy)(void *sender, void *receiver);
} ring_functions;

extern const ring_functions RING;

#ifdef __cplusplus
}
#endif
#endif
