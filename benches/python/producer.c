/* A native thread that sends numbered messages: into a ring, or into a pipe or socket. */
#include <backbuf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    pthread_t thread;
    bb_sender *sender; /* or NULL: the file */
    int file;
    uint64_t bytes, count, next;
} self;

static bool send_one(const uint64_t *message) {
    uint64_t sent = 0;
    if (self.sender)
        return bb_sender_send_all(self.sender, message, self.bytes, BB_FOREVER, &sent) == BB_OK;
    while (sent < self.bytes) {
        ssize_t written = write(self.file, (const char *)message + sent, self.bytes - sent);
        if (written < 0)
            return false;
        sent += (uint64_t)written;
    }
    return true;
}

static void *run(void *unused) {
    (void)unused;
    uint64_t *message = calloc(1, self.bytes);
    bool sent = message != NULL;
    for (; sent && self.count > 0; self.count--) {
        message[0] = self.next++;
        sent = send_one(message);
    }
    free(message);
    return sent ? NULL : &self;
}

/* Starts the thread; the numbers go on from `first`. */
int start(uint64_t sender, int file, uint64_t bytes, uint64_t count, uint64_t first) {
    self.sender = (bb_sender *)(uintptr_t)sender;
    self.file = file;
    self.bytes = bytes;
    self.count = count;
    self.next = first;
    return pthread_create(&self.thread, NULL, run, NULL);
}

/* 0 once all is sent. */
int join(void) {
    void *failed;
    return pthread_join(self.thread, &failed) != 0 || failed != NULL;
}

void end(uint64_t sender) { bb_sender_destroy((bb_sender *)(uintptr_t)sender); }
