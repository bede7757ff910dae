/* A plugin that contains the static library: uses what starts threads and what runs when a thread ends. */
#include <backbuf.h>

int plugin_use(void);

/* The line that failed; 0 if all went well. */
#define TRY(call)                                                                                                      \
    if ((call) != BB_OK) {                                                                                             \
        return __LINE__;                                                                                               \
    }

int plugin_use(void) {
    bb_manager *m;
    bb_front front;
    bb_sender *tx;
    bb_receiver *rx;
    bb_device *device;
    const uint64_t count = 1024;
    const float one = 1;
    uint64_t moved;
    char bytes[8];
    TRY(bb_manager_create(BB_F32, 1, &count, NULL, &m))
    TRY(bb_manager_enqueue_fill(m, 0, 0, count, &one, BB_FOREVER))
    TRY(bb_manager_synchronize(m, BB_FOREVER))
    TRY(bb_manager_acquire_front(m, &front))
    TRY(bb_lease_release(front.lease))
    TRY(bb_spsc_create(4096, NULL, &tx, &rx))
    TRY(bb_sender_send(tx, "abcdefg", 8, &moved))
    TRY(bb_receiver_recv(rx, bytes, 8, &moved))
    TRY(bb_device_create_host(0, "plugin", &device))
    TRY(bb_device_destroy(device))
    TRY(bb_sender_destroy(tx))
    TRY(bb_receiver_destroy(rx))
    TRY(bb_manager_destroy(m))
    return 0;
}
