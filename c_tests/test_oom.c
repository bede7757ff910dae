/* Out-of-memory sweep over the functions of managers. */
#include "scarcity.h"

static bb_manager *m;
static bb_batch *batch;
static bb_task *task;
static bb_watch *watch;
static bb_front front;
static bb_back back;
static bb_lease *back_lease;
static uint64_t ticket;
static int32_t descriptor;
static gate flush, released;
static uint32_t outsized[4096];

static void kernel_nothing(void *b, const void *f, uint64_t count, void *user_data) {
    (void)b, (void)f, (void)count, (void)user_data;
}
static void write_nothing(const char *bytes, uint64_t length, void *user_data) {
    (void)bytes, (void)length, (void)user_data;
}
static void log_nothing(uint32_t level, const char *part, const char *label, const char *line, void *user_data) {
    (void)level, (void)part, (void)label, (void)line, (void)user_data;
}

static bb_status create(void) {
    bb_manager_config config;
    const bb_status status = bb_manager_config_init(&config);
    config.label = "scarce";
    config.queue_bytes = 4096;
    config.flush = gate_flush;
    config.flush_user_data = &flush;
    config.flush_drop = gate_drop;
    return status == BB_OK ? bb_manager_create(BB_U32, 1, SHAPE(LENGTH(outsized)), &config, &m) : status;
}
static const bb_kernel kernel = {.function = kernel_nothing, .drop = gate_drop, .user_data = &released, .count = 8};
static bb_status set_log(void) { return bb_set_log(BB_LOG_DEBUG, log_nothing, NULL, NULL); }
static bb_status enqueue(void) { return put_u32(m, 0, 7, BB_FOREVER); }
static bb_status reserve(void) { return bb_manager_reserve_back(m, BB_BACK_KEEP, BB_FOREVER, &back); }
static bb_status enqueue_region(void) {
    return bb_manager_enqueue_region(
        m,
        &(bb_region){
            .start = SHAPE(0), .extent = SHAPE(64), .step = (const int64_t[]){2}, .data = outsized, .strides = NULL},
        0);
}
static bb_status enqueue_borrowed(void) {
    return bb_manager_enqueue_borrowed(m, &(bb_update){.byte_offset = 0, .count = 8, .data = outsized}, gate_release,
                                       &released, 0);
}
static bb_status enqueue_kernel(void) { return bb_manager_enqueue_kernel(m, &kernel, 0); }
static bb_status enqueue_outsized(void) {
    return bb_manager_enqueue_update(m, &(bb_update){.byte_offset = 0, .count = LENGTH(outsized), .data = outsized}, 0);
}
static bb_status cancel_back(void) { return bb_manager_cancel_back(m, &back); }
static bb_status synchronize(void) { return bb_manager_synchronize(m, BB_FOREVER); }
static bb_status batch_begin(void) { return bb_batch_begin(m, &batch); }
static bb_status batch_fill(void) { return bb_batch_fill(batch, 0, 0, 8, outsized); }
static bb_status batch_update(void) {
    return bb_batch_update(batch, &(bb_update){.byte_offset = 0, .count = LENGTH(outsized), .data = outsized});
}
static bb_status batch_kernel(void) { return bb_batch_kernel(batch, &kernel); }
static bb_status batch_commit(void) { return bb_batch_commit(batch, BB_FOREVER); }
static bb_status task_begin(void) { return bb_task_begin(m, "upload", &task); }
static bb_status task_end(void) { return bb_task_end(task); }
static bb_status watch_create(void) { return bb_watch_create(m, 0, &watch); }
static bb_status watch_fd(void) { return bb_watch_fd(watch, &descriptor); }
static bb_status watch_ticket(void) { return bb_watch_ticket(watch, ticket); }
static bb_status synchronize_async(void) { return bb_manager_synchronize_async(m, &ticket); }
static bb_status wait_ticket(void) { return bb_manager_wait(m, ticket, BB_FOREVER, NULL); }
static bb_status watch_wait(void) { return bb_watch_wait(watch, BB_FOREVER, &(uint64_t){0}); }
static bb_status lease_back(void) { return bb_manager_lease_back(m, &back, &back_lease); }
static bb_status replace_back(void) { return bb_manager_replace_back(m, &back, &back); }
static bb_status release_back(void) { return bb_lease_release(back_lease); }
static bb_status acquire(void) { return bb_manager_acquire_front(m, &front); }
static bb_status dump(void) { return bb_debug_dump(write_nothing, NULL); }
static bb_status statistics(void) { return bb_manager_stats_write(m, write_nothing, NULL); }
static bb_status trim(void) { return bb_manager_trim(m, BB_FOREVER); }
static bb_status release(void) { return bb_lease_release(front.lease); }
static bb_status watch_destroy(void) { return bb_watch_destroy(watch); }
static bb_status close_it(void) { return bb_manager_close(m, BB_FOREVER); }
static bb_status destroy(void) { return bb_manager_destroy(m); }
static bb_status log_off(void) { return bb_set_log(BB_LOG_OFF, NULL, NULL, NULL); }

static const step steps[] = {
    STEP(set_log),          STEP(create),       STEP(acquire),           STEP(enqueue),          STEP(synchronize),
    STEP(reserve),          STEP(enqueue),      STEP(enqueue_region),    STEP(enqueue_borrowed), STEP(enqueue_kernel),
    STEP(enqueue_outsized), STEP(lease_back),   STEP(replace_back),      STEP(cancel_back),      STEP(release_back),
    STEP(synchronize),      STEP(enqueue),      STEP(synchronize),       STEP(batch_begin),      STEP(batch_fill),
    STEP(batch_update),     STEP(batch_kernel), STEP(batch_commit),      STEP(task_begin),       STEP(watch_create),
    STEP(watch_fd),         STEP(task_end),     STEP(synchronize_async), STEP(watch_ticket),     STEP(wait_ticket),
    STEP(watch_wait),       STEP(dump),         STEP(statistics),        STEP(release),          STEP(trim),
    STEP(enqueue),          STEP(close_it),     STEP(watch_destroy),     STEP(destroy),          STEP(log_off)};

static void every_callback_ran_once(void) {
    need(atomic_load(&released.calls) == 1, "borrowed data", "was not released exactly once", BB_OK);
    need(atomic_load(&released.drops) == 2, "kernels", "were not dropped exactly once", BB_OK);
    need(atomic_load(&flush.drops) == 1, "flush", "was not dropped exactly once", BB_OK);
    memset(&released, 0, sizeof released);
    memset(&flush, 0, sizeof flush);
}

static const script life = {steps, LENGTH(steps), every_callback_ran_once};

int main(void) { return lives_in_scarcity(&life); }
