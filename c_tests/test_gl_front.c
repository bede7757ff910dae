/* Fronts in OpenGL: what a renderer draws from, fenced both ways, leased as fronts in host memory are. */
#include "support.h"

static gl_context own; /* current on the main thread */

typedef struct scene {
    bb_device *device;
    bb_manager *m;
} scene;

static scene make(uint64_t count, uint32_t copies) {
    bb_manager_config config = defaults("scene");
    config.copies = copies;
    scene s = {.device = device_beside(&own, "scene")};
    OK(bb_manager_create_gl(s.device, BB_U32, 1, &count, &config, &s.m));
    return s;
}

static void end(scene s) {
    OK(bb_manager_destroy(s.m));
    EVENTUALLY(device_stats(s.device).live_bytes == 0);
    const bb_device_stats stats = device_stats(s.device);
    TEST_ASSERT_EQUAL_UINT64(stats.buffers_created, stats.buffers_deleted);
    TEST_ASSERT_EQUAL_UINT32(0, stats.lost);
    OK(bb_device_destroy(s.device));
}

static void publish(bb_manager *m, uint32_t value) {
    OK(bb_manager_enqueue_fill(m, 0, 0, info_of(m).shape[0], &value, BB_FOREVER));
    OK(bb_manager_synchronize(m, BB_FOREVER));
}

static void expect_gl_front(bb_manager *m, const uint32_t *want, uint64_t count, UNITY_LINE_TYPE line) {
    bb_gl_front f;
    expect_status(BB_OK, bb_manager_acquire_front_gl(m, &f), "bb_manager_acquire_front_gl", line);
    uint32_t *got = malloc(4 * count);
    UNITY_TEST_ASSERT_EQUAL_UINT64(4 * count, f.bytes, line, "bytes");
    gl_read(f.buffer, f.offset, f.bytes, got);
    UNITY_TEST_ASSERT_EQUAL_UINT32_ARRAY(want, got, count, line, "the front's buffer");
    free(got);
    expect_status(BB_OK, bb_lease_release_gl(f.lease), "bb_lease_release_gl", line);
}
#define GL_FRONT(m, want, count) expect_gl_front(m, want, count, __LINE__)

/* --- content --- */

static void the_initial_content_is_there_at_once(void) {
    const uint32_t initial[] = {1, 2, 3, 4, 5};
    bb_device *device = device_beside(&own, "initial");
    bb_manager_config config = defaults("initial");
    config.initial = initial;
    bb_manager *m = NULL;
    OK(bb_manager_create_gl(device, BB_U32, 1, SHAPE(5), &config, &m));
    bb_gl_front f;
    OK(bb_manager_acquire_front_gl(m, &f));
    CHECK(f.buffer != 0 && f.offset == 0 && f.bytes == 20 && f.epoch == 0 && f.tag == 0);
    CHECK(gl.IsBuffer(f.buffer));
    OK(bb_lease_release_gl(f.lease));
    GL_FRONT(m, initial, 5);
    end((scene){device, m});
}

/* Different places each time, so that what is not written must have come from earlier epochs, of any copy. */
static void each_epoch_is_whole_whatever_changed(void) {
    enum { COUNT = 3000 };
    static uint32_t state[COUNT];
    for (uint32_t copies = 2; copies <= 4; copies++) {
        memset(state, 0, sizeof state);
        const scene s = make(COUNT, copies);
        for (uint32_t epoch = 1; epoch <= (uint32_t)rounds(60); epoch++) {
            for (uint32_t piece = 0; piece < epoch % 13; piece++) {
                const uint32_t at = (epoch * 131 + piece * 709) % (COUNT - 40), length = 1 + (epoch + piece) % 40;
                for (uint32_t i = 0; i < length; i++) {
                    state[at + i] = epoch << 16 | i;
                }
                OK(bb_manager_enqueue_update(
                    s.m, &(bb_update){.byte_offset = 4 * at, .count = length, .data = &state[at]}, BB_FOREVER));
            }
            OK(bb_manager_synchronize(s.m, BB_FOREVER));
            GL_FRONT(s.m, state, COUNT);
        }
        end(s);
    }
}

static void epochs_and_tags_come_with_the_front(void) {
    const scene s = make(4, 3);
    for (uint64_t step = 1; step <= 5; step++) {
        OK(bb_manager_enqueue_tag(s.m, 100 + step, 0));
        publish(s.m, (uint32_t)step);
        bb_gl_front f;
        OK(bb_manager_acquire_front_gl(s.m, &f));
        CHECK(f.epoch == step && f.tag == 100 + step && f.slot < 3);
        OK(bb_lease_release_gl(f.lease));
    }
    end(s);
}

static void a_slot_keeps_its_buffer(void) {
    const scene s = make(64, 4);
    uint32_t buffers[4] = {0};
    bb_gl_front held = {0};
    for (uint32_t i = 1; i <= 40; i++) {
        bb_gl_front f;
        publish(s.m, i);
        OK(bb_manager_acquire_front_gl(s.m, &f));
        CHECK(buffers[f.slot] == 0 || buffers[f.slot] == f.buffer);
        buffers[f.slot] = f.buffer;
        if (held.lease != NULL) {
            OK(bb_lease_release_gl(held.lease));
        }
        held = f; /* so that every copy comes to use */
    }
    OK(bb_lease_release_gl(held.lease));
    OK(bb_manager_trim(s.m, BB_FOREVER));
    for (uint32_t i = 1; i <= 8; i++) {
        bb_gl_front f;
        publish(s.m, i);
        OK(bb_manager_acquire_front_gl(s.m, &f));
        CHECK(buffers[f.slot] == f.buffer);
        OK(bb_lease_release_gl(f.lease));
    }
    end(s);
}

static void empty_and_scalar_states_have_buffers_too(void) {
    bb_device *device = device_beside(&own, "small");
    bb_manager *empty = NULL, *scalar = NULL;
    bb_gl_front f;
    OK(bb_manager_create_gl(device, BB_F64, 1, SHAPE(0), NULL, &empty));
    OK(bb_manager_synchronize(empty, BB_FOREVER));
    OK(bb_manager_acquire_front_gl(empty, &f));
    CHECK(f.bytes == 0 && f.buffer != 0);
    OK(bb_lease_release_gl(f.lease));
    OK(bb_manager_create_gl(device, BB_U8, 0, NULL, NULL, &scalar));
    OK(bb_manager_enqueue_fill(scalar, 0, 0, 1, &(uint8_t){9}, 0));
    OK(bb_manager_synchronize(scalar, BB_FOREVER));
    OK(bb_manager_acquire_front_gl(scalar, &f));
    uint8_t got = 0;
    gl_read(f.buffer, f.offset, f.bytes, &got);
    TEST_ASSERT_EQUAL_UINT8(9, got);
    OK(bb_lease_release_gl(f.lease));
    OK(bb_manager_destroy(empty));
    end((scene){device, scalar});
}

/* --- leases --- */

static void a_front_gives_buffer_and_offset_of_each_field(void) {
    const uint64_t shape[] = {2, 3};
    const bb_field fields[] = {{.name = "depth", .dtype = BB_U8, .ndim = 1, .shape = shape},
                               {.name = "flow", .dtype = BB_U32, .ndim = 2, .shape = shape}};
    scene s = {.device = device_beside(&own, "fields")};
    bb_manager_config config = defaults("fields");
    config.device = s.device;
    OK(bb_manager_create_fields(fields, 2, &config, &s.m));
    for (uint32_t step = 1; step < 4; step++) { /* each copy */
        bb_gl_front f;
        bb_gl_field_view view;
        uint32_t got[6] = {0};
        const uint32_t want[6] = {0, 0, 0, 0, step, step};
        OK(bb_manager_enqueue_fill(s.m, 1, 16, 2, &step, BB_FOREVER));
        OK(bb_manager_synchronize(s.m, BB_FOREVER));
        OK(bb_manager_acquire_front_gl(s.m, &f));
        OK(bb_gl_front_field(&f, "flow", &view));
        CHECK(view.buffer == f.buffer && view.offset == 64 && view.bytes == 24 && view.dtype == BB_U32);
        CHECK(view.ndim == 2 && view.shape[1] == 3 && view.strides[0] == 12 && view.strides[1] == 4);
        gl_read(view.buffer, view.offset, view.bytes, got);
        TEST_ASSERT_EQUAL_UINT32_ARRAY(want, got, 6);
        EXPECT(BB_E_NO_NAME, bb_gl_front_field(&f, "rain", &view));
        OK(bb_lease_release_gl(f.lease));
        EXPECT(BB_E_STALE, bb_gl_front_field(&f, "flow", &view));
    }
    end(s);
}

static void a_held_front_does_not_change(void) {
    enum { COUNT = 4096 };
    const scene s = make(COUNT, 3);
    publish(s.m, 77);
    bb_gl_front held;
    OK(bb_manager_acquire_front_gl(s.m, &held));
    for (uint32_t i = 0; i < (uint32_t)rounds(200); i++) {
        publish(s.m, i);
    }
    static uint32_t got[COUNT];
    gl_read(held.buffer, held.offset, held.bytes, got);
    TEST_ASSERT_EACH_EQUAL_UINT32(77, got, COUNT);
    TEST_ASSERT_EQUAL_UINT64(1, stats_of(s.m).leases_live);
    OK(bb_lease_release_gl(held.lease));
    TEST_ASSERT_EQUAL_UINT64(0, stats_of(s.m).leases_live);
    end(s);
}

static void a_front_pins_its_copy_as_one_in_host_memory_does(void) {
    const scene s = make(8, 2);
    bb_gl_front held;
    OK(bb_manager_acquire_front_gl(s.m, &held));
    publish(s.m, 1);
    OK(put_u32(s.m, 0, 2, 0));
    EXPECT(BB_E_PINNED, bb_manager_synchronize(s.m, BB_MS(5)));
    MESSAGE_HAS("lease");
    OK(bb_lease_release_gl(held.lease));
    OK(bb_manager_synchronize(s.m, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT32(2, get_u32(s.m, 0));
    end(s);
}

static void a_front_outlives_its_manager(void) {
    const scene s = make(8, 3);
    publish(s.m, 5);
    bb_gl_front f;
    OK(bb_manager_acquire_front_gl(s.m, &f));
    OK(bb_manager_destroy(s.m));
    uint32_t got[8];
    gl_read(f.buffer, f.offset, f.bytes, got);
    TEST_ASSERT_EACH_EQUAL_UINT32(5, got, 8);
    CHECK(device_stats(s.device).live_bytes > 0);
    OK(bb_lease_release_gl(f.lease));
    EXPECT(BB_E_STALE, bb_lease_release_gl(f.lease));
    EVENTUALLY(device_stats(s.device).live_bytes == 0);
    OK(bb_device_destroy(s.device));
}

static void a_front_may_be_released_when_its_device_is_gone(void) {
    const scene s = make(8, 3);
    publish(s.m, 5);
    bb_gl_front f, g;
    OK(bb_manager_acquire_front_gl(s.m, &f));
    OK(bb_manager_acquire_front_gl(s.m, &g));
    OK(bb_device_destroy(s.device));
    OK(bb_lease_release_gl(f.lease));
    OK(bb_manager_destroy(s.m));
    OK(bb_lease_release_gl(g.lease));
}

static void without_its_device_a_manager_keeps_its_state_and_publishes_no_more(void) {
    const scene s = make(8, 3);
    publish(s.m, 5);
    OK(bb_device_destroy(s.device));
    bb_gl_front f;
    bb_manager *other = NULL;
    EXPECT(BB_E_DEVICE_LOST, bb_manager_acquire_front_gl(s.m, &f));
    EXPECT(BB_E_STALE, bb_manager_create_gl(s.device, BB_U8, 1, SHAPE(8), NULL, &other));
    EXPECT(BB_E_STALE, bb_device_poll(s.device, 0));
    OK(put_u32(s.m, 3, 6, 0));
    EXPECT(BB_E_DEVICE_LOST, bb_manager_synchronize(s.m, BB_SEC(10)));
    EXPECT(BB_E_DEVICE_LOST, bb_manager_synchronize(s.m, BB_SEC(10))); /* and so again */
    TEST_ASSERT_EQUAL_UINT32(5, get_u32(s.m, 3));
    TEST_ASSERT_EQUAL_UINT64(1, epoch_of(s.m));
    OK(bb_manager_destroy(s.m));
}

static void each_kind_of_lease_has_its_own_release(void) {
    const scene s = make(8, 3);
    bb_front on_host;
    bb_gl_front on_gl;
    OK(bb_manager_acquire_front(s.m, &on_host));
    EXPECT(BB_E_ARGUMENT, bb_lease_release_gl(on_host.lease));
    MESSAGE_HAS("bb_lease_release()");
    TEST_ASSERT_EQUAL_UINT32(0, ((const uint32_t *)on_host.data)[7]);
    OK(bb_lease_release(on_host.lease));
    EXPECT(BB_E_STALE, bb_lease_release_gl(on_host.lease));
    OK(bb_manager_acquire_front_gl(s.m, &on_gl));
    OK(bb_lease_release(on_gl.lease)); /* without draws: no fence */
    EXPECT(BB_E_STALE, bb_lease_release_gl(on_gl.lease));
    EXPECT(BB_E_STALE, bb_lease_release(on_gl.lease));
    end(s);
}

static void a_manager_in_host_memory_has_none(void) {
    bb_manager *m = make_u32(8, NULL);
    bb_gl_front f;
    EXPECT(BB_E_STATE, bb_manager_acquire_front_gl(m, &f));
    MESSAGE_HAS("host memory");
    EXPECT(BB_E_NULL, bb_manager_acquire_front_gl(m, NULL));
    MESSAGE_HAS("front");
    OK(bb_manager_destroy(m));
}

static void without_a_current_context_nothing_is_leased_or_released(void) {
    const scene s = make(8, 3);
    bb_gl_front f, untouched = {.buffer = 99};
    OK(bb_manager_acquire_front_gl(s.m, &f));
    gl_leave(&own);
    const bb_status acquired = bb_manager_acquire_front_gl(s.m, &untouched);
    const bb_status released = bb_lease_release_gl(f.lease);
    CHECK(gl_current(&own));
    TEST_ASSERT_EQUAL_INT(BB_E_STATE, acquired);
    TEST_ASSERT_EQUAL_INT(BB_E_STATE, released);
    TEST_ASSERT_EQUAL_UINT32(99, untouched.buffer);
    TEST_ASSERT_EQUAL_UINT64(1, stats_of(s.m).leases_live);
    OK(bb_lease_release_gl(f.lease));
    end(s);
}

/* --- fences both ways: a renderer with a context and a thread of its own, while an engine goes on --- */

enum { FRAME = 1024 };

typedef struct renderer {
    bb_manager *m;
    gl_context context;
    uint64_t until; /* the epoch that it ends with */
    uint64_t frames;
} renderer;

/* Each frame it copies the front, which queues up behind the upload; and releases it before that has run. */
static void *render(void *argument) {
    renderer *r = argument;
    static uint32_t got[16 * FRAME];
    uint64_t epoch = 0;
    THREAD_CHECK(gl_current(&r->context));
    const uint32_t frames = gl_buffer(sizeof got);
    while (epoch < r->until && atomic_load(&thread_failures) == 0) {
        uint64_t epochs[16], count = 0;
        for (; count < 16 && epoch < r->until; count++) {
            bb_gl_front f;
            THREAD_OK(bb_manager_wait_epoch(r->m, epoch, BB_SEC(HANG_SECONDS), &epoch));
            if (!THREAD_OK(bb_manager_acquire_front_gl(r->m, &f))) {
                return NULL;
            }
            THREAD_CHECK(f.epoch >= epoch);
            epoch = epochs[count] = f.epoch;
            gl_copy(f.buffer, frames, count * f.bytes, f.bytes);
            THREAD_OK(bb_lease_release_gl(f.lease));
        }
        gl_read(frames, 0, count * sizeof(uint32_t[FRAME]), got);
        for (uint64_t i = 0; i < count * FRAME; i++) {
            if (got[i] != (uint32_t)epochs[i / FRAME]) {
                THREAD_CHECK(got[i] == (uint32_t)epochs[i / FRAME]);
                break;
            }
        }
        r->frames += count;
    }
    gl.DeleteBuffers(1, &frames);
    gl_leave(&r->context);
    (void)egl.ReleaseThread();
    return NULL;
}

static void copies_go_back_and_forth_under_fences(void) {
    const uint64_t epochs = (uint64_t)rounds(20000);
    scene s = {.device = device_beside(&own, "scene")};
    bb_manager_config config = defaults("back and forth");
    OK(bb_manager_create_gl(s.device, BB_U32, 1, SHAPE(FRAME), &config, &s.m));
    renderer r = {.m = s.m, .context = gl_beside(&own), .until = epochs};
    const pthread_t thread = start(render, &r);
    for (uint32_t epoch = 1; epoch <= epochs; epoch++) {
        publish(s.m, epoch);
    }
    join(thread);
    gl_end(&r.context);
    printf("%" PRIu64 " epochs, %" PRIu64 " frames\n", epochs, r.frames);
    TEST_ASSERT_EQUAL_UINT64(epochs, epoch_of(s.m));
    CHECK(r.frames > 0 && r.frames <= epochs);
    end(s);
}

/* --- the steady state --- */

static void ten_thousand_epochs_make_nothing_new(void) {
    const scene s = make(FRAME, 3);
    const int count = rounds(10000);
    int descriptors = 0;
    long resident = 0;
    bb_device_stats before = {0};
    for (int i = 0; i < count; i++) {
        bb_gl_front f;
        OK(put_u32(s.m, (uint64_t)i % FRAME, (uint32_t)i, BB_FOREVER));
        OK(bb_manager_synchronize(s.m, BB_FOREVER));
        OK(bb_manager_acquire_front_gl(s.m, &f));
        OK(bb_lease_release_gl(f.lease));
        if (i == count / 10) {
            before = device_stats(s.device);
            descriptors = open_descriptors();
            resident = resident_kib();
        }
    }
    const bb_device_stats after = device_stats(s.device);
    TEST_ASSERT_EQUAL_UINT64(before.buffers_created, after.buffers_created);
    TEST_ASSERT_EQUAL_UINT64(before.live_bytes, after.live_bytes);
    TEST_ASSERT_EQUAL_INT(descriptors, open_descriptors());
    CHECK(other_malloc() != NULL || resident_kib() - resident < 1024);
    CHECK(after.submits - before.submits <= (uint64_t)count); /* one for each publish */
    /* What changed, not what there is: an epoch here is one word, and what the copies lack of the last ones. */
    const uint64_t epochs = (uint64_t)(count - count / 10 - 1);
    CHECK((after.bytes_written - before.bytes_written) + (after.bytes_copied - before.bytes_copied) <= epochs * 1024);
    end(s);
}

/* --- driven by the host --- */

static void *produce(void *m) {
    for (uint32_t i = 1; i <= 50; i++) {
        THREAD_OK(put_u32(m, 0, i, BB_FOREVER));
        THREAD_OK(bb_manager_synchronize(m, BB_FOREVER));
    }
    return NULL;
}

static void what_others_publish_is_uploaded_by_polls(void) {
    bb_device *device = NULL;
    bb_manager *m = NULL;
    OK(bb_device_create_gl(BB_DEVICE_HOST_DRIVEN, egl.GetProcAddress, NULL, &device));
    OK(bb_manager_create_gl(device, BB_U32, 1, SHAPE(8), NULL, &m));
    const pthread_t thread = start(produce, m);
    uint64_t epoch = 0;
    while (epoch < 50) {
        bb_gl_front f;
        uint32_t got = 0;
        OK(bb_device_poll(device, BB_MS(1)));
        OK(bb_manager_acquire_front_gl(m, &f));
        CHECK(f.epoch >= epoch);
        epoch = f.epoch;
        gl_read(f.buffer, f.offset, 4, &got);
        TEST_ASSERT_EQUAL_UINT32((uint32_t)epoch, got);
        OK(bb_lease_release_gl(f.lease));
    }
    OK(bb_device_poll(device, BB_FOREVER));
    join(thread);
    OK(bb_manager_destroy(m));
    OK(bb_device_poll(device, BB_FOREVER));
    TEST_ASSERT_EQUAL_UINT64(0, device_stats(device).live_bytes);
    OK(bb_device_destroy(device));
}

static void a_wait_on_the_owner_thread_pumps(void) {
    bb_device *device = NULL;
    bb_manager *m = NULL;
    bb_manager_config config = defaults("pumped");
    OK(bb_device_create_gl(BB_DEVICE_HOST_DRIVEN, egl.GetProcAddress, NULL, &device));
    for (uint32_t worker = BB_WORKER_SHARED; worker <= BB_WORKER_ONLY; worker++) {
        config.worker = worker;
        OK(bb_manager_create_gl(device, BB_U32, 1, SHAPE(8), &config, &m));
        for (uint32_t i = 1; i <= 20; i++) {
            uint64_t ticket = 0, epoch = 0;
            OK(put_u32(m, 0, i, BB_FOREVER));
            if (i % 2 == 0) {
                OK(bb_manager_synchronize(m, BB_FOREVER));
            } else {
                OK(bb_manager_synchronize_async(m, &ticket));
                OK(bb_manager_wait(m, ticket, BB_FOREVER, &epoch));
                TEST_ASSERT_EQUAL_UINT64(i, epoch);
            }
            GL_FRONT(m, ((const uint32_t[]){i, 0, 0, 0, 0, 0, 0, 0}), 8);
        }
        OK(bb_manager_close(m, BB_FOREVER));
        OK(bb_manager_destroy(m));
    }
    OK(bb_device_destroy(device));
}

static void *synchronize_in_vain(void *m) {
    THREAD_CHECK(bb_manager_synchronize(m, BB_MS(5)) == BB_E_TIMEOUT);
    return NULL;
}

static void a_wait_of_another_thread_times_out_without_polls(void) {
    bb_device *device = NULL;
    bb_manager *m = NULL;
    OK(bb_device_create_gl(BB_DEVICE_HOST_DRIVEN, egl.GetProcAddress, NULL, &device));
    OK(bb_manager_create_gl(device, BB_U32, 1, SHAPE(8), NULL, &m));
    OK(put_u32(m, 0, 4, 0));
    join(start(synchronize_in_vain, m));
    TEST_ASSERT_EQUAL_UINT64(0, epoch_of(m));
    OK(bb_manager_synchronize(m, BB_FOREVER)); /* nothing is lost */
    TEST_ASSERT_EQUAL_UINT32(4, get_u32(m, 0));
    OK(bb_manager_destroy(m));
    OK(bb_device_destroy(device));
}

static void *publish_once(void *m) {
    THREAD_OK(bb_manager_synchronize(m, BB_FOREVER));
    return NULL;
}

/* With a budget of nothing a poll moves at most 1 MiB: frames go on while a large state comes. */
static void a_poll_keeps_to_its_budget(void) {
    enum { MIB = 16 };
    bb_device *device = NULL;
    bb_manager *m = NULL;
    OK(bb_device_create_gl(BB_DEVICE_HOST_DRIVEN, egl.GetProcAddress, NULL, &device));
    OK(bb_manager_create_gl(device, BB_U32, 1, SHAPE(MIB << 18), NULL, &m));
    OK(bb_manager_enqueue_fill(m, 0, 0, MIB << 18, &(uint32_t){3}, BB_FOREVER));
    uint64_t before = device_stats(device).bytes_written;
    const pthread_t thread = start(publish_once, m);
    int steps = 0;
    while (epoch_of(m) == 0) {
        OK(bb_device_poll(device, 0));
        const uint64_t after = device_stats(device).bytes_written;
        CHECK(after - before <= 1 << 20);
        steps += after > before;
        before = after;
    }
    join(thread);
    CHECK(steps >= MIB);
    OK(bb_manager_destroy(m));
    OK(bb_device_destroy(device));
}

int main(void) {
    own = gl_open();
    UNITY_BEGIN();
    RUN_TEST(the_initial_content_is_there_at_once);
    RUN_TEST(each_epoch_is_whole_whatever_changed);
    RUN_TEST(epochs_and_tags_come_with_the_front);
    RUN_TEST(a_slot_keeps_its_buffer);
    RUN_TEST(empty_and_scalar_states_have_buffers_too);
    RUN_TEST(a_front_gives_buffer_and_offset_of_each_field);
    RUN_TEST(a_held_front_does_not_change);
    RUN_TEST(a_front_pins_its_copy_as_one_in_host_memory_does);
    RUN_TEST(a_front_outlives_its_manager);
    RUN_TEST(a_front_may_be_released_when_its_device_is_gone);
    RUN_TEST(without_its_device_a_manager_keeps_its_state_and_publishes_no_more);
    RUN_TEST(each_kind_of_lease_has_its_own_release);
    RUN_TEST(a_manager_in_host_memory_has_none);
    RUN_TEST(without_a_current_context_nothing_is_leased_or_released);
    RUN_TEST(copies_go_back_and_forth_under_fences);
    RUN_TEST(ten_thousand_epochs_make_nothing_new);
    RUN_TEST(what_others_publish_is_uploaded_by_polls);
    RUN_TEST(a_wait_on_the_owner_thread_pumps);
    RUN_TEST(a_wait_of_another_thread_times_out_without_polls);
    RUN_TEST(a_poll_keeps_to_its_budget);
    return UNITY_END();
}
