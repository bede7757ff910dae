/* Diagnostics: the log, statistics as a struct and as text, and the dump of every object.
 *
 * bb_debug_dump_fd(2) may also be called from a debugger in a program that hangs: it lists leases and waiters. */
#include <backbuf.h>
#include <stdio.h>
#include <stdlib.h>

static void need(bb_status status) {
    if (status != BB_OK) {
        (void)fprintf(stderr, "%s\n", bb_last_error());
        exit(1);
    }
}

static void to_stdout(const char *text, uint64_t length, void *user_data) {
    (void)user_data;
    (void)fwrite(text, 1, (size_t)length, stdout);
}

static void log_line(uint32_t level, const char *part, const char *label, const char *text, void *user_data) {
    (void)user_data;
    printf("log %u: %s '%s': %s\n", level, part, label, text);
}

int main(void) {
    bb_manager *m = NULL;
    bb_task *task = NULL;
    bb_front front;
    bb_manager_stats stats;
    bb_manager_config config;
    need(bb_set_log(BB_LOG_DEBUG, log_line, NULL, NULL));
    need(bb_manager_config_init(&config));
    config.label = "reservoir";
    config.watchdog_ns = BB_MS(20);
    need(bb_manager_create(BB_F64, 1, (const uint64_t[]){1000}, &config, &m));
    need(bb_manager_enqueue_fill(m, 0, 0, 1000, &(double){1}, BB_FOREVER));
    need(bb_manager_synchronize(m, BB_SEC(1)));
    need(bb_manager_acquire_front(m, &front));

    /* A publish waits for open tasks. A wait that no thread ends reports the reason instead of hanging. */
    need(bb_task_begin(m, "upload of tiles", &task));
    need(bb_manager_enqueue_fill(m, 0, 0, 1000, &(double){2}, BB_FOREVER));
    const bb_status stalled = bb_manager_synchronize(m, BB_FOREVER);
    printf("%s\n", bb_last_error());
    printf("--- dump: the manager, the open task, the lease\n");
    need(bb_debug_dump(to_stdout, NULL));
    need(bb_task_end(task));
    need(bb_manager_synchronize(m, BB_SEC(1)));

    printf("--- statistics\n");
    need(bb_manager_stats_write(m, to_stdout, NULL));
    need(bb_manager_stats_get(m, sizeof stats, &stats));
    need(bb_lease_release(front.lease));
    need(bb_manager_destroy(m));
    need(bb_set_log(BB_LOG_OFF, NULL, NULL, NULL));
    return stalled == BB_E_STALLED && stats.epochs == 2 && stats.stalls == 1 ? 0 : 1;
}
