/* A user's program: scratch memory whose header the installed command line has written. */
#include "scratch.h"

int main() {
    alignas(scratch::shared_align_bytes) unsigned char shared[scratch::shared_bytes(32)] = {};
    scratch::k1(shared)[scratch::k1_length - 1] = 1.0f;
    return shared[sizeof shared - 1] != 0 ? 0 : 1;
}
