/* OpenGL for the tests, in C and C++, through EGL and without a window. Nothing is linked: where there is none, a test says so and
 * skips. */
#ifndef BACKBUF_TEST_GL_H
#define BACKBUF_TEST_GL_H
/* NOLINTBEGIN(modernize-use-nullptr): it is C, which tests in C++ include, too. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unity.h"

/* What CTest counts as skipped: where something is missing that may be. BACKBUF_TEST_ALL says that nothing may. */
static inline int skipped(void) { return getenv("BACKBUF_TEST_ALL") == NULL ? 77 : 1; }

enum {
    EGL_PLATFORM_DEVICE = 0x313F,
    EGL_NONE = 0x3038,
    EGL_SURFACE_TYPE = 0x3033,
    EGL_PBUFFER_BIT = 1,
    EGL_RENDERABLE_TYPE = 0x3040,
    EGL_OPENGL_BIT = 8,
    EGL_WIDTH = 0x3057,
    EGL_HEIGHT = 0x3056,
    EGL_OPENGL_ES_API = 0x30A0,
    EGL_OPENGL_API = 0x30A2,
    EGL_CONTEXT_MAJOR = 0x3098,
    EGL_CONTEXT_MINOR = 0x30FB,
    EGL_CONTEXT_PROFILE = 0x30FD,
    EGL_CORE_PROFILE = 1,
    GL_COPY_READ_BUFFER = 0x8F36,
    GL_COPY_WRITE_BUFFER = 0x8F37,
    GL_DYNAMIC_COPY = 0x88EA,
    GL_RENDERER = 0x1F01,
};

static struct {
    void *(*GetProcAddress)(const char *name);
    void *(*GetPlatformDisplay)(uint32_t platform, void *native, const int32_t *attributes);
    uint32_t (*QueryDevices)(int32_t most, void **devices, int32_t *count);
    uint32_t (*Initialize)(void *display, int32_t *major, int32_t *minor);
    uint32_t (*Terminate)(void *display);
    uint32_t (*BindAPI)(uint32_t api);
    uint32_t (*ChooseConfig)(void *display, const int32_t *attributes, void **configs, int32_t most, int32_t *count);
    void *(*CreateContext)(void *display, void *config, void *share, const int32_t *attributes);
    uint32_t (*DestroyContext)(void *display, void *context);
    void *(*CreatePbufferSurface)(void *display, void *config, const int32_t *attributes);
    uint32_t (*DestroySurface)(void *display, void *surface);
    uint32_t (*MakeCurrent)(void *display, void *draw, void *read, void *context);
    uint32_t (*ReleaseThread)(void);
} egl;

static struct {
    const char *(*GetString)(uint32_t name);
    uint32_t (*GetError)(void);
    void (*GenBuffers)(int32_t count, uint32_t *names);
    void (*DeleteBuffers)(int32_t count, const uint32_t *names);
    uint8_t (*IsBuffer)(uint32_t name);
    void (*BindBuffer)(uint32_t target, uint32_t name);
    void (*BufferData)(uint32_t target, intptr_t bytes, const void *data, uint32_t usage);
    void (*GetBufferSubData)(uint32_t target, intptr_t offset, intptr_t bytes, void *data);
    void (*CopyBufferSubData)(uint32_t from, uint32_t to, intptr_t from_offset, intptr_t to_offset, intptr_t bytes);
} gl;

/* A context of the test's own. */
typedef struct gl_context {
    void *display, *config, *context, *surface;
} gl_context;

static inline bool gl_load(void) {
    void *library = dlopen("libEGL.so.1", RTLD_NOW | RTLD_GLOBAL);
    void *(*find)(const char *) = NULL;
    if (library != NULL) {
        *(void **)&find = dlsym(library, "eglGetProcAddress");
    }
    if (find == NULL) {
        return false;
    }
    const struct {
        const char *name;
        void *place;
    } needed[] = {
        {"eglGetPlatformDisplayEXT", &egl.GetPlatformDisplay},
        {"eglQueryDevicesEXT", &egl.QueryDevices},
        {"eglInitialize", &egl.Initialize},
        {"eglTerminate", &egl.Terminate},
        {"eglBindAPI", &egl.BindAPI},
        {"eglChooseConfig", &egl.ChooseConfig},
        {"eglCreateContext", &egl.CreateContext},
        {"eglDestroyContext", &egl.DestroyContext},
        {"eglCreatePbufferSurface", &egl.CreatePbufferSurface},
        {"eglDestroySurface", &egl.DestroySurface},
        {"eglMakeCurrent", &egl.MakeCurrent},
        {"eglReleaseThread", &egl.ReleaseThread},
        {"glGetString", &gl.GetString},
        {"glGetError", &gl.GetError},
        {"glGenBuffers", &gl.GenBuffers},
        {"glDeleteBuffers", &gl.DeleteBuffers},
        {"glIsBuffer", &gl.IsBuffer},
        {"glBindBuffer", &gl.BindBuffer},
        {"glBufferData", &gl.BufferData},
        {"glGetBufferSubData", &gl.GetBufferSubData},
        {"glCopyBufferSubData", &gl.CopyBufferSubData},
    };
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        void *found = find(needed[i].name);
        if (found == NULL) {
            return false;
        }
        memcpy(needed[i].place, &found, sizeof found);
    }
    egl.GetProcAddress = find;
    return true;
}

/* OpenGL 3.3, or OpenGL ES 3.0: on `like`'s display with `share`, or with NULL on the first EGL device that has it. */
static inline bool gl_make(gl_context *made, const gl_context *like, void *share, bool es) {
    const int32_t config[] = {EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE, es ? 0x40 : EGL_OPENGL_BIT,
                              EGL_NONE};
    const int32_t core[] = {EGL_CONTEXT_MAJOR, 3,       EGL_CONTEXT_MINOR, 3, EGL_CONTEXT_PROFILE,
                            EGL_CORE_PROFILE,  EGL_NONE};
    const int32_t es3[] = {EGL_CONTEXT_MAJOR, 3, EGL_NONE};
    const int32_t size[] = {EGL_WIDTH, 1, EGL_HEIGHT, 1, EGL_NONE};
    enum { MOST = 16 };
    void *devices[MOST] = {NULL};
    int32_t count = 1, configs = 0;
    if (like == NULL && !egl.QueryDevices(MOST, devices, &count)) {
        return false;
    }
    (void)egl.BindAPI(es ? EGL_OPENGL_ES_API : EGL_OPENGL_API);
    for (int32_t i = 0; i < count; i++) {
        made->display = like != NULL ? like->display : egl.GetPlatformDisplay(EGL_PLATFORM_DEVICE, devices[i], NULL);
        if (made->display == NULL || !egl.Initialize(made->display, NULL, NULL)) { /* once more is as good */
            continue;
        }
        if (egl.ChooseConfig(made->display, config, &made->config, 1, &configs) && configs == 1) {
            made->context = egl.CreateContext(made->display, made->config, share, es ? es3 : core);
            if (made->context != NULL) {
                made->surface = egl.CreatePbufferSurface(made->display, made->config, size);
                return true;
            }
        }
        if (like == NULL) {
            (void)egl.Terminate(made->display);
        }
    }
    return false;
}

static inline bool gl_current(const gl_context *c) {
    (void)egl.BindAPI(EGL_OPENGL_API);
    return egl.MakeCurrent(c->display, c->surface, c->surface, c->context);
}

/* Nothing is current on this thread any more. */
static inline void gl_leave(const gl_context *c) {
    (void)egl.BindAPI(EGL_OPENGL_API);
    TEST_ASSERT_TRUE(egl.MakeCurrent(c->display, NULL, NULL, NULL));
}

/* A context of the same display that shares its buffers. */
static inline gl_context gl_beside(const gl_context *c) {
    gl_context made;
    TEST_ASSERT_TRUE_MESSAGE(gl_make(&made, c, c->context, false), "eglCreateContext");
    return made;
}

/* Ends it; it is current nowhere. */
static inline void gl_end(const gl_context *c) {
    TEST_ASSERT_TRUE(egl.DestroySurface(c->display, c->surface));
    TEST_ASSERT_TRUE(egl.DestroyContext(c->display, c->context));
}

/* The test's first context, current on this thread; where there is none of the driver that is asked for, the program ends. */
static inline gl_context gl_open(void) {
    gl_context c = {NULL, NULL, NULL, NULL};
    const char *driver = getenv("GALLIUM_DRIVER");
    const char *why = NULL;
    if (!gl_load()) {
        why = "libEGL is not here, or is too old";
    } else if (!gl_make(&c, NULL, NULL, false) || !gl_current(&c)) {
        why = "EGL gives no context of OpenGL 3.3";
    } else if (driver != NULL && strcasestr(gl.GetString(GL_RENDERER), driver) == NULL) {
        why = gl.GetString(GL_RENDERER);
    }
    if (why != NULL) {
        printf("skipped: %s, and %s is wanted\n", why, driver == NULL ? "OpenGL" : driver);
        (void)fflush(stdout);
        _exit(skipped());
    }
    return c;
}

/* --- what a renderer does on a thread where a context is current --- */

static inline void gl_read(uint32_t buffer, uint64_t offset, uint64_t bytes, void *to) {
    gl.BindBuffer(GL_COPY_READ_BUFFER, buffer);
    gl.GetBufferSubData(GL_COPY_READ_BUFFER, (intptr_t)offset, (intptr_t)bytes, to);
}

/* Queued on the renderer's side only, as a draw is. */
static inline void gl_copy(uint32_t from, uint32_t to, uint64_t to_offset, uint64_t bytes) {
    gl.BindBuffer(GL_COPY_READ_BUFFER, from);
    gl.BindBuffer(GL_COPY_WRITE_BUFFER, to);
    gl.CopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER, 0, (intptr_t)to_offset, (intptr_t)bytes);
}

static inline uint32_t gl_buffer(uint64_t bytes) {
    uint32_t name = 0;
    gl.GenBuffers(1, &name);
    gl.BindBuffer(GL_COPY_WRITE_BUFFER, name);
    gl.BufferData(GL_COPY_WRITE_BUFFER, (intptr_t)bytes, NULL, GL_DYNAMIC_COPY);
    return name;
}
/* NOLINTEND(modernize-use-nullptr) */

#endif
