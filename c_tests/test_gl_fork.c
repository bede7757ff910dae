/* A forked child and OpenGL. A test of its own, since memory that the child cannot reach is reported as a leak. */
#include "support.h"

static gl_context own;

static void a_forked_child_leaves_the_parents_device_alone(void) {
    bb_device *device = device_beside(&own, "the parent's");
    bb_manager *m = NULL;
    OK(bb_manager_create_gl(device, BB_U32, 1, SHAPE(4), NULL, &m));
    const pid_t child = fork();
    if (child == 0) {
        bb_device_stats stats;
        bb_device *made = NULL;
        alarm(HANG_SECONDS);
        const bool refused = bb_device_stats_get(device, sizeof stats, &stats) == BB_E_FORKED &&
                             bb_manager_synchronize(m, 0) == BB_E_FORKED && bb_device_destroy(device) == BB_E_FORKED;
        _exit(refused && bb_device_create_host(0, NULL, &made) == BB_OK && bb_device_destroy(made) == BB_OK ? 0 : 1);
    }
    TEST_ASSERT_EQUAL_INT(0, child_exit_code(child));
    OK(put_u32(m, 0, 3, 0));
    OK(bb_manager_synchronize(m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(3, get_u32(m, 0));
    OK(bb_manager_destroy(m));
    OK(bb_device_destroy(device));
}

int main(void) {
    own = gl_open();
    UNITY_BEGIN();
    RUN_TEST(a_forked_child_leaves_the_parents_device_alone);
    return UNITY_END();
}
