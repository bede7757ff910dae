/* Random updates of random fields, in every form, against one plain array: each front has the bytes that loops over the array
 * give. BACKBUF_SEED repeats a run. */
#include "support.h"

static bb_manager *m;

enum { MOST_FIELDS = 6, MOST_BYTES = 1024 };

static uint64_t seed;

static uint64_t below(uint64_t limit) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return seed % limit;
}

typedef struct plain_field {
    char name[8];
    uint64_t shape[2], element, elements, offset;
    bb_field field;
} plain_field;

static plain_field plain[MOST_FIELDS];
static uint64_t plain_count, plain_bytes;
static unsigned char plain_state[MOST_FIELDS * (MOST_BYTES + 64)], noise[MOST_BYTES];

static void make_random_fields(void) {
    static const uint32_t dtypes[] = {BB_U8, BB_U16, BB_OPAQUE(3), BB_F32, BB_F64, BB_C128, BB_OPAQUE(12)};
    static const uint64_t sizes[] = {1, 2, 3, 4, 8, 16, 12};
    bb_field fields[MOST_FIELDS];
    plain_count = 1 + below(MOST_FIELDS), plain_bytes = 0;
    memset(plain_state, 0, sizeof plain_state);
    for (uint64_t i = 0; i < plain_count; i++) {
        plain_field *const f = &plain[i];
        const uint64_t type = below(LENGTH(dtypes));
        (void)snprintf(f->name, sizeof f->name, "f%" PRIu64, (i * 7 + 3) % 10);
        f->shape[0] = below(8), f->shape[1] = 1 + below(8), f->element = sizes[type];
        const uint32_t ndim = (uint32_t)below(3);
        f->elements = ndim == 0 ? 1 : ndim == 1 ? f->shape[0] : f->shape[0] * f->shape[1];
        f->offset = (plain_bytes + 63) / 64 * 64;
        plain_bytes = f->offset + f->elements * f->element;
        f->field = (bb_field){.name = f->name, .dtype = dtypes[type], .ndim = ndim, .shape = f->shape};
        if (below(2) == 0) {
            for (uint64_t at = 0; at < f->elements * f->element; at++) {
                plain_state[f->offset + at] = (unsigned char)below(256);
            }
            f->field.initial = &plain_state[f->offset];
        }
        fields[i] = f->field;
    }
    bb_manager_config config;
    OK(bb_manager_config_init(&config));
    config.copies = 2 + (uint32_t)below(3), config.worker = (uint32_t)below(2);
    OK(bb_manager_create_fields(fields, plain_count, &config, &m));
}

/* A random range of a field, whose bytes the model gets from `noise`. */
typedef struct range {
    uint32_t field;
    uint64_t first, count, bytes;
    unsigned char *model;
} range;

static range random_range(void) {
    const uint32_t field = (uint32_t)below(plain_count);
    const plain_field *const f = &plain[field];
    const uint64_t first = below(f->elements + 1), count = below(f->elements - first + 1);
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (unsigned char)below(256);
    }
    return (range){field, first, count, count * f->element, &plain_state[f->offset + first * f->element]};
}

static bb_update update_of(const range *r, const void *data) {
    const uint64_t element = plain[r->field].element;
    return (bb_update){.byte_offset = r->first * element, .count = r->count, .data = data, .field = r->field};
}

static void flip(void *back, const void *front, uint64_t count, void *element) {
    (void)front;
    for (uint64_t i = 0; i < count * (uintptr_t)element; i++) {
        ((unsigned char *)back)[i] ^= 0x5a;
    }
}

/* One update of a random form; into the batch if there is one. */
static void update_at_random(bb_batch *batch) {
    const range r = random_range();
    const plain_field *const f = &plain[r.field];
    const bb_update update = update_of(&r, noise);
    switch (below(5)) {
    case 0:
        OK(batch != NULL ? bb_batch_update(batch, &update) : bb_manager_enqueue_update(m, &update, BB_FOREVER));
        memcpy(r.model, noise, r.bytes);
        break;
    case 1:
        OK(batch != NULL ? bb_batch_fill(batch, r.field, update.byte_offset, r.count, noise)
                         : bb_manager_enqueue_fill(m, r.field, update.byte_offset, r.count, noise, BB_FOREVER));
        for (uint64_t i = 0; i < r.count; i++) {
            memcpy(r.model + i * f->element, noise, f->element);
        }
        break;
    case 2: {
        const bb_kernel kernel = {.function = flip,
                                  .user_data = (void *)(uintptr_t)f->element,
                                  .byte_offset = update.byte_offset,
                                  .count = r.count,
                                  .flags = below(2) == 0 ? BB_KERNEL_ANY_THREAD : 0,
                                  .field = r.field};
        OK(batch != NULL ? bb_batch_kernel(batch, &kernel) : bb_manager_enqueue_kernel(m, &kernel, BB_FOREVER));
        flip(r.model, NULL, r.count, (void *)(uintptr_t)f->element);
        break;
    }
    case 3: { /* every second row, or one element */
        const uint64_t rows = (f->shape[0] + 1) / 2, columns = f->shape[1];
        const bb_region region = {.start = SHAPE(0, 0),
                                  .extent = (const uint64_t[]){rows, columns},
                                  .step = (const int64_t[]){2, 1},
                                  .data = noise,
                                  .field = r.field};
        OK(batch != NULL ? bb_batch_region(batch, &region) : bb_manager_enqueue_region(m, &region, BB_FOREVER));
        const uint64_t row = (f->field.ndim == 2 ? columns : 1) * f->element;
        for (uint64_t i = 0; i < (f->field.ndim == 0 ? 1 : rows); i++) {
            memcpy(&plain_state[f->offset + 2 * i * row], noise + i * row, row);
        }
        break;
    }
    default: {
        if (batch != NULL) {
            break;
        }
        void *const data = malloc(MOST_BYTES);
        TEST_ASSERT_NOT_NULL(data);
        memcpy(data, noise, MOST_BYTES);
        const bb_update borrowed = update_of(&r, data);
        OK(bb_manager_enqueue_borrowed(m, &borrowed, free, data, BB_FOREVER));
        memcpy(r.model, noise, r.bytes);
    }
    }
}

static void update_two_fields_at_once(void) {
    unsigned char first[MOST_BYTES];
    const range a = random_range();
    memcpy(first, noise, sizeof first);
    const range b = random_range();
    const bb_update updates[] = {update_of(&a, first), update_of(&b, noise)};
    OK(bb_manager_enqueue_updates(m, updates, 2, BB_FOREVER));
    memcpy(a.model, first, a.bytes);
    memcpy(b.model, noise, b.bytes);
}

static void write_the_back_in_place(void) {
    const range r = random_range();
    bb_back back;
    bb_back_field_view view;
    OK(bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back));
    OK(bb_manager_back_field(m, &back, plain[r.field].name, &view));
    TEST_ASSERT_EQUAL_UINT64(plain[r.field].elements * plain[r.field].element, view.bytes);
    memcpy((char *)view.data + r.first * plain[r.field].element, noise, r.bytes);
    const bb_byte_range written = {r.first * plain[r.field].element, r.bytes};
    if (below(2) == 0) {
        EXPECT(BB_E_RANGE, bb_manager_mark_written(m, &back, r.field, &(bb_byte_range){view.bytes, 1}, 1));
        OK(bb_manager_mark_written(m, &back, r.field, &written, 1));
    }
    if (below(2) == 0) {
        OK(bb_manager_cancel_back(m, &back));
    } else {
        OK(bb_manager_commit_back(m, &back, 1));
        memcpy(r.model, noise, r.bytes);
    }
}

static void compare(void) {
    bb_front front;
    OK(bb_manager_synchronize(m, BB_FOREVER));
    OK(bb_manager_acquire_front(m, &front));
    TEST_ASSERT_EQUAL_UINT64(plain_bytes, front.bytes);
    if (plain_bytes != 0) { /* the bytes between the fields are zeros on both sides */
        TEST_ASSERT_EQUAL_MEMORY(plain_state, front.data, plain_bytes);
    }
    for (uint64_t i = 0; i < plain_count; i++) {
        bb_field_view view;
        OK(bb_front_field(&front, plain[i].name, &view));
        TEST_ASSERT_EQUAL_UINT64(plain[i].elements * plain[i].element, view.bytes);
        TEST_ASSERT_EQUAL_PTR((const char *)front.data + plain[i].offset, view.data);
    }
    OK(bb_lease_release(front.lease));
}

static void random_updates_do_what_a_plain_array_does(void) {
    const char *given = getenv("BACKBUF_SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) : now_ns();
    (void)printf("BACKBUF_SEED=%" PRIu64 "\n", seed);
    seed |= 1;
    for (int round = 0; round < rounds(200); round++) {
        make_random_fields();
        for (int step = 0; step < 60; step++) {
            switch (below(8)) {
            case 0: {
                bb_batch *batch = NULL;
                OK(bb_batch_begin(m, &batch));
                for (uint64_t i = below(6); i > 0; i--) {
                    update_at_random(batch);
                }
                OK(bb_batch_commit(batch, BB_FOREVER));
                break;
            }
            case 1:
                update_two_fields_at_once();
                break;
            case 2:
                write_the_back_in_place();
                break;
            case 3:
                compare();
                break;
            default:
                update_at_random(NULL);
            }
        }
        compare();
        OK(bb_manager_destroy(m));
    }
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(random_updates_do_what_a_plain_array_does);
    return UNITY_END();
}
