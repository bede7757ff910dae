/* Out-of-memory sweep over the functions of registries. */
#include "registry.h"
#include "scarcity.h"

static bb_registry *r;
static char *stored;
static uint64_t length;

static bb_status create(void) { return bb_registry_create(NULL, &r); }

static bb_status put(uint64_t parent, const char *name, const char *aliases) {
    const bb_registry_buffer buffer = {.struct_size = sizeof buffer,
                                       .location = BB_LOCATION_SHARED,
                                       .name = name,
                                       .aliases = aliases,
                                       .size = 8,
                                       .precision = BB_F32,
                                       .begin = 1,
                                       .end = 3};
    return bb_registry_register(r, parent, &buffer);
}
static bb_status first(void) { return put(1, "a", NULL); }
static bb_status second(void) { return put(1, "b", "a"); }
static bb_status inner(void) { return put(2, "inner", NULL); }
static bb_status add_child(void) { return bb_registry_register_child(r, 1, "solver", 2, NULL); }
static bb_status deeper(void) { return bb_registry_register_child(r, 2, "lower", 3, NULL); }
static bb_status innermost(void) { return put(3, "innermost", NULL); }
static bb_status update(void) {
    const bb_registry_buffer buffer = {.struct_size = sizeof buffer, .name = "b", .size = 3};
    return bb_registry_update_buffer(r, 1, BB_FIELD_SIZE | BB_FIELD_ALIASES, &buffer, NULL, NULL);
}
static bb_status sizes(void) { return bb_registry_shared_buffer_size(r, 1, &length); }
static bb_status find(void) {
    bb_allocator found;
    return bb_registry_get_allocator(r, 1, "b", sizeof found, &found);
}
static bb_status info(void) {
    bb_layout_info written;
    return bb_registry_layout_info(r, 1, sizeof written, &written);
}
static bb_status name(void) { return bb_registry_buffer_name(r, 1, 0, NULL, 0, &length); }
static bb_status overlaps(void) { return bb_registry_overlaps(r, 1, NULL, 0, &length); }
static bb_status banks(void) { return bb_registry_banks(r, 1, NULL, 0, &length); }
static bb_status measure(void) { return bb_registry_json(r, 1, NULL, 0, &length); }
static bb_status store(void) {
    static char place[1 << 14];
    stored = place;
    return bb_registry_json(r, 1, stored, sizeof place, &length);
}
static bb_status load(void) { return bb_registry_load_json(r, 7, stored, length); }
static bb_status compare(void) {
    uint64_t written = 0;
    return bb_layout_diff(stored, length, stored, length, NULL, 0, &written);
}
static bb_status check(void) {
    bb_limits limits;
    bb_launch launch;
    bb_fit fit;
    (void)bb_limits_init(90, &limits);
    (void)bb_launch_init(32, &launch);
    return bb_registry_check(r, 1, &limits, &launch, sizeof fit, &fit);
}
static bb_status check_in_vain(void) {
    bb_limits limits;
    bb_launch launch;
    bb_fit fit;
    (void)bb_limits_init(90, &limits);
    (void)bb_launch_init(32, &launch);
    limits.shared_block_bytes = 1;
    const bb_status status = bb_registry_check(r, 1, &limits, &launch, sizeof fit, &fit);
    return status == BB_E_LIMIT ? BB_OK : status;
}
static bb_status emit(void) { return bb_registry_emit_cuda_header(r, 1, "solver", NULL, 0, &length); }
static bb_status table(void) { return bb_registry_table(r, 1, NULL, 0, &length); }
static bb_status draw(void) { return bb_registry_svg(r, 1, NULL, 0, &length); }
/* Nine that the heuristic places one element too high: a search has to run. */
static bb_status plan(void) {
    /* The quick plan needs 19 elements, so that the search has to run. */
    static const uint64_t lives[][3] = {{4, 9, 2}, {4, 7, 6},  {8, 12, 9}, {3, 6, 2}, {1, 3, 9}, {3, 4, 5},
                                        {1, 2, 6}, {8, 13, 5}, {5, 10, 2}, {2, 4, 1}, {2, 5, 8}};
    bb_registry_buffer buffer = {.struct_size = sizeof buffer, .location = BB_LOCATION_SHARED, .precision = BB_F32};
    for (size_t i = 0; i < LENGTH(lives); i++) {
        const char name[] = {(char)('a' + i), '\0'};
        buffer.name = name;
        buffer.begin = lives[i][0];
        buffer.end = lives[i][1];
        buffer.size = lives[i][2];
        const bb_status status = bb_registry_register(r, 9, &buffer);
        if (status != BB_OK && status != BB_E_EXISTS) {
            return status;
        }
    }
    bb_plan_config config;
    bb_registry_plans found;
    uint64_t before = 0, now = 0;
    (void)bb_plan_config_init(&config);
    config.threads = 2;
    config.budget_ns = BB_FOREVER;
    (void)bb_registry_version(r, 9, &before);
    const bb_status status = bb_registry_plan(r, 9, &config, sizeof found, &found);
    (void)bb_registry_version(r, 9, &now);
    need((status == BB_OK) == (now != before), "plan", "the layout has changed, or not", status);
    need(status != BB_OK || (found.shared_nodes > 0 && found.shared_height == 18), "plan", "not the best one", status);
    return status;
}
static bb_status clear_planned(void) { return bb_registry_clear_parent(r, 9); }
static bb_status clear_layout(void) { return bb_registry_clear_layout(r, 1); }
static bb_status clear_child(void) { return bb_registry_clear_parent(r, 2); }
static bb_status clear(void) { return bb_registry_clear_parent(r, 1); }
static bb_status destroy(void) { return bb_registry_destroy(r); }

static const step steps[] = {STEP(create),        STEP(first),       STEP(second),  STEP(inner),    STEP(add_child),
                             STEP(deeper),        STEP(innermost),   STEP(update),  STEP(sizes),    STEP(find),
                             STEP(info),          STEP(name),        STEP(banks),   STEP(overlaps), STEP(check),
                             STEP(check_in_vain), STEP(emit),        STEP(table),   STEP(draw),     STEP(measure),
                             STEP(store),         STEP(load),        STEP(compare), STEP(plan),     STEP(clear_planned),
                             STEP(clear_layout),  STEP(clear_child), STEP(clear),   STEP(destroy)};

static const script life = {steps, LENGTH(steps), NULL};

int main(void) { return lives_in_scarcity(&life); }
