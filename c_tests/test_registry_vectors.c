/* The scenarios of tests/data/registry, which the layout rules come from, through the C ABI. */
#include "registry.h"

typedef enum { REGISTER, UPDATE_BUFFER, CLEAR_LAYOUT, QUERY } operation_kind;

enum { ANY_ALIAS_REFUSAL = 1 };

typedef struct operation {
    uint64_t totals[3];
    bb_registry_buffer buffer;
    operation_kind kind;
    uint32_t fields;
    int32_t status;
    bool recognized, changed;
} operation;

typedef struct place {
    const char *name;
    uint32_t space;
    uint64_t start, length;
} place;

typedef struct scenario {
    const char *id;
    const operation *ops;
    size_t op_count;
    const place *places;
    size_t place_count;
    uint64_t totals[3];
    bool undefined;
} scenario;

#include "registry_vectors.h"

static bool is_as_expected(bb_status status, int32_t wanted) {
    if (wanted == ANY_ALIAS_REFUSAL) {
        return status == BB_E_ALIAS_ORDER || status == BB_E_ALIAS_SELF || status == BB_E_ALIAS_MISSING;
    }
    return (int32_t)status == wanted;
}

static void run(bb_registry *r, const operation *op, const char *id) {
    bool recognized = false, changed = false;
    bb_status status = BB_OK;
    char *const before = json_of(r, PARENT);
    switch (op->kind) {
    case REGISTER:
        status = bb_registry_register(r, PARENT, &op->buffer);
        break;
    case UPDATE_BUFFER:
        status = bb_registry_update_buffer(r, PARENT, op->fields, &op->buffer, &recognized, &changed);
        CHECK(status != BB_OK || (recognized == op->recognized && changed == op->changed));
        break;
    case CLEAR_LAYOUT:
        status = bb_registry_clear_layout(r, PARENT);
        break;
    case QUERY:
        expect_sizes(r, PARENT, op->totals);
        break;
    }
    TEST_ASSERT_TRUE_MESSAGE(is_as_expected(status, op->status), id);
    char *const after = json_of(r, PARENT);
    TEST_ASSERT_TRUE_MESSAGE(status == BB_OK || strcmp(before, after) == 0, id);
    free(before);
    free(after);
}

static void every_scenario_lies_where_it_should(void) {
    TEST_ASSERT_EQUAL_size_t(144, LENGTH(scenarios));
    for (size_t i = 0; i < LENGTH(scenarios); i++) {
        const scenario *const s = &scenarios[i];
        bb_registry *r = make_registry();
        for (size_t k = 0; k < s->op_count; k++) {
            run(r, &s->ops[k], s->id);
        }
        for (size_t k = 0; k < s->place_count; k++) {
            const place *const p = &s->places[k];
            const bb_allocator found = allocator(r, PARENT, p->name);
            TEST_ASSERT_EQUAL_UINT32_MESSAGE(p->space, found.space, s->id);
            TEST_ASSERT_EQUAL_UINT64_MESSAGE(p->start, found.offset, s->id);
            TEST_ASSERT_EQUAL_UINT64_MESSAGE(p->length, found.length, s->id);
        }
        if (!s->undefined) {
            bb_layout_info info = {.buffers = 0};
            const bb_status status = bb_registry_layout_info(r, PARENT, sizeof info, &info);
            CHECK(status == (s->place_count > 0 ? BB_OK : BB_E_NO_PARENT));
            TEST_ASSERT_EQUAL_UINT64_MESSAGE(s->place_count, info.buffers, s->id);
            expect_sizes(r, PARENT, s->totals);
        }
        OK(bb_registry_destroy(r));
    }
}

int main(void) {
    UNITY_BEGIN();
    RUN_TEST(every_scenario_lies_where_it_should);
    return UNITY_END();
}
