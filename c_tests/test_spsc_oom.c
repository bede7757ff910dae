/* Out-of-memory sweep over the functions of rings and streams. */
#include "scarcity.h"

enum { CAPACITY = 8192 };

static bb_sender *tx;
static bb_receiver *rx;
static bb_stream *stream;
static bb_chunk kept, batch[3];
static int32_t descriptor;
static uint8_t bytes[CAPACITY];

static void log_nothing(uint32_t level, const char *part, const char *label, const char *line, void *user_data) {
    (void)level, (void)part, (void)label, (void)line, (void)user_data;
}
static void write_nothing(const char *piece, uint64_t length, void *user_data) {
    (void)piece, (void)length, (void)user_data;
}

/* A call moves all bytes or none, so that a step can be repeated. */
static bb_status all_of(uint64_t want, uint64_t moved, bb_status status) {
    need(moved == (status == BB_OK ? want : 0), "bytes", "not as many as were asked for", status);
    return status;
}

static bb_status set_log(void) { return bb_set_log(BB_LOG_DEBUG, log_nothing, NULL, NULL); }
static bb_status create(void) {
    bb_spsc_config config;
    const bb_status status = bb_spsc_config_init(&config);
    config.label = "scarce";
    config.flags = BB_SPSC_CHECKED;
    return status == BB_OK ? bb_spsc_create(CAPACITY, &config, &tx, &rx) : status;
}
static bb_status send(void) {
    uint64_t sent = 0;
    const bb_status status = bb_sender_send(tx, bytes, 1000, &sent);
    return all_of(1000, sent, status);
}
static bb_status recv(void) {
    uint64_t got = 0;
    const bb_status status = bb_receiver_recv(rx, bytes, 1000, &got);
    return all_of(1000, got, status);
}
static bb_status wait_in_vain(void) {
    const bb_status status = bb_receiver_wait_readable(rx, 1, BB_MS(1));
    return status == BB_E_TIMEOUT ? BB_OK : status;
}
static bb_status sender_fd(void) { return bb_sender_fd(tx, &descriptor); }
static bb_status receiver_fd(void) { return bb_receiver_fd(rx, &descriptor); }
static bb_status arm(void) {
    const bb_status status = bb_receiver_arm(rx, 1);
    return status == BB_E_EMPTY ? BB_OK : status;
}
static bb_status destroy_sender(void) { return bb_sender_destroy(tx); }
static bb_status attach_sender(void) { return bb_receiver_attach_sender(rx, &tx); }
static bb_status destroy_receiver(void) { return bb_receiver_destroy(rx); }
static bb_status attach_receiver(void) { return bb_sender_attach_receiver(tx, &rx); }
static bb_status into_stream(void) {
    bb_stream_config config;
    const bb_status status = bb_stream_config_init(&config);
    config.pool_size = 256;
    config.pool_count = 2;
    return status == BB_OK ? bb_spsc_into_stream(rx, &config, &stream) : status;
}
static bb_status stream_fd(void) { return bb_stream_fd(stream, &descriptor); }
static bb_status next(void) { return bb_stream_next(stream, BB_FOREVER, &kept); }
static bb_status release(void) { return bb_lease_release(kept.lease); }
static bb_status chunks(void) {
    uint64_t got = 0;
    const bb_status status = bb_stream_chunks(stream, LENGTH(batch), BB_FOREVER, batch, &got);
    return all_of(LENGTH(batch), got, status);
}
static bb_status release_batch(void) {
    bb_status status = BB_OK;
    for (size_t i = 0; i < LENGTH(batch); i++) {
        if (batch[i].lease != NULL) {
            status = bb_lease_release(batch[i].lease);
            batch[i].lease = status == BB_OK ? NULL : batch[i].lease;
        }
    }
    return status;
}
static bb_status destroy_stream(void) { return bb_stream_destroy(stream); }
static bb_status dump(void) { return bb_debug_dump(write_nothing, NULL); }
static bb_status log_off(void) { return bb_set_log(BB_LOG_OFF, NULL, NULL, NULL); }

static const step steps[] = {
    STEP(set_log),
    STEP(create),
    STEP(send),
    STEP(recv),
    STEP(wait_in_vain),
    STEP(sender_fd),
    STEP(receiver_fd),
    STEP(arm),
    STEP(send),
    STEP(destroy_sender),
    STEP(attach_sender),
    STEP(send),
    STEP(recv),
    STEP(destroy_receiver),
    STEP(attach_receiver),
    STEP(recv),
    STEP(send),
    STEP(send),
    STEP(into_stream),
    STEP(stream_fd),
    STEP(next),
    STEP(chunks),
    STEP(dump),
    STEP(release),
    STEP(next),
    STEP(release_batch),
    STEP(destroy_stream),
    STEP(release),
    STEP(destroy_sender),
    STEP(log_off),
};

static const script life = {steps, LENGTH(steps), NULL};

int main(void) { return lives_in_scarcity(&life); }
