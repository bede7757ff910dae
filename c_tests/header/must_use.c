/* A program that ignores the status of a function that creates something: compilers warn. */
#include <backbuf.h>

int main(void) {
    bb_manager *manager;
    bb_sender *sender;
    bb_receiver *receiver;
    bb_manager_create(BB_F32, 1, (const uint64_t[]){4}, NULL, &manager);
    bb_spsc_create(64, NULL, &sender, &receiver);
    (void)bb_manager_destroy(manager);
    return 0;
}
