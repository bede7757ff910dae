/* A window that draws points straight from a manager's front, while an engine thread moves them.
 *
 *     gl_window [--shared] [--check FRAMES [PICTURE.ppm]]
 *
 * By default the device is host-driven: the uploads run on this thread, inside of bb_device_poll, in the window's own context.
 * This works with every window system. With --shared the window's context is an EGL context, and the library's own thread uploads in
 * another context that shares buffers with it. The library handles the fences on both sides. With --check, each of that many frames is read
 * back and compared with the state, and the last one is written as a picture. */
#include <backbuf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <SDL.h>
#include <SDL_opengl.h>

enum { SIDE = 256, POINTS = 1000 };

static void fail(const char *what, const char *why) {
    (void)fprintf(stderr, "gl_window: %s: %s\n", what, why);
    exit(1);
}

static void need(bb_status status, const char *what) {
    if (status != BB_OK) {
        fail(what, bb_last_error());
    }
}

/* --- the engine: its thread only writes states and makes no OpenGL calls --- */

/* Where a point is at a step: the middle of a pixel, counted from the lower left. */
static void place(uint64_t point, uint64_t step, uint64_t pixel[2]) {
    pixel[0] = (point * 89 + step * (1 + point % 3)) % SIDE;
    pixel[1] = (point * 57 + step * (point % 2)) % SIDE;
}

static void write_state(float *points, uint64_t step) {
    for (uint64_t i = 0; i < POINTS; i++) {
        uint64_t pixel[2];
        place(i, step, pixel);
        points[2 * i] = ((float)pixel[0] + 0.5f) / SIDE * 2 - 1;
        points[2 * i + 1] = ((float)pixel[1] + 0.5f) / SIDE * 2 - 1;
    }
}

static void *engine(void *m) {
    bb_back back;
    for (uint64_t step = 1; bb_manager_reserve_back(m, BB_BACK_DISCARD, BB_FOREVER, &back) == BB_OK; step++) {
        write_state(back.data, step);
        if (bb_manager_commit_back(m, &back, step) != BB_OK) {
            break;
        }
        while (bb_manager_synchronize(m, BB_SEC(1)) ==
               BB_E_TIMEOUT) { /* a window that is moved may not draw for long */
        }
    }
    return NULL; /* BB_E_CLOSED: the window is closed */
}

/* --- the OpenGL calls that draw points --- */

#define FUNCTIONS(DO)                                                                                                  \
    DO(PFNGLCREATESHADERPROC, CreateShader)                                                                            \
    DO(PFNGLSHADERSOURCEPROC, ShaderSource)                                                                            \
    DO(PFNGLCOMPILESHADERPROC, CompileShader)                                                                          \
    DO(PFNGLCREATEPROGRAMPROC, CreateProgram)                                                                          \
    DO(PFNGLATTACHSHADERPROC, AttachShader)                                                                            \
    DO(PFNGLLINKPROGRAMPROC, LinkProgram)                                                                              \
    DO(PFNGLGETPROGRAMIVPROC, GetProgramiv)                                                                            \
    DO(PFNGLUSEPROGRAMPROC, UseProgram)                                                                                \
    DO(PFNGLGENVERTEXARRAYSPROC, GenVertexArrays)                                                                      \
    DO(PFNGLBINDVERTEXARRAYPROC, BindVertexArray)                                                                      \
    DO(PFNGLBINDBUFFERPROC, BindBuffer)                                                                                \
    DO(PFNGLVERTEXATTRIBPOINTERPROC, VertexAttribPointer)                                                              \
    DO(PFNGLENABLEVERTEXATTRIBARRAYPROC, EnableVertexAttribArray)

#define MEMBER(type, name) type name;
static struct {
    FUNCTIONS(MEMBER)
} gl;

static void load(void) {
#define LOAD(type, name)                                                                                               \
    if ((*(void **)&gl.name = SDL_GL_GetProcAddress("gl" #name)) == NULL) {                                            \
        fail("SDL_GL_GetProcAddress", "gl" #name);                                                                     \
    }
    FUNCTIONS(LOAD)
}

static GLuint make_program(void) {
    static const char *const sources[] = {"#version 330 core\nlayout(location = 0) in vec2 at;\n"
                                          "void main() { gl_Position = vec4(at, 0, 1); gl_PointSize = 1; }\n",
                                          "#version 330 core\nout vec4 colour;\nvoid main() { colour = vec4(1); }\n"};
    const GLuint program = gl.CreateProgram();
    for (int i = 0; i < 2; i++) {
        const GLuint shader = gl.CreateShader(i == 0 ? GL_VERTEX_SHADER : GL_FRAGMENT_SHADER);
        gl.ShaderSource(shader, 1, &sources[i], NULL);
        gl.CompileShader(shader);
        gl.AttachShader(program, shader);
    }
    GLint linked = 0;
    gl.LinkProgram(program);
    gl.GetProgramiv(program, GL_LINK_STATUS, &linked);
    return linked ? program : (fail("glLinkProgram", "the shaders do not link"), 0);
}

static GLuint make_vao(GLuint buffer, uint64_t offset) {
    GLuint vao = 0;
    gl.GenVertexArrays(1, &vao);
    gl.BindVertexArray(vao);
    gl.BindBuffer(GL_ARRAY_BUFFER, buffer);
    gl.VertexAttribPointer(0, 2, GL_FLOAT, GL_FALSE, 0, (const void *)(uintptr_t)offset);
    gl.EnableVertexAttribArray(0);
    return vao;
}

/* --- the window --- */

static SDL_Window *open_window(bool shared) {
    SDL_SetHint(SDL_HINT_VIDEO_X11_FORCE_EGL, shared ? "1" : "0");
    if (SDL_Init(SDL_INIT_VIDEO) != 0) {
        fail("SDL_Init", SDL_GetError());
    }
    SDL_GL_SetAttribute(SDL_GL_CONTEXT_MAJOR_VERSION, 3);
    SDL_GL_SetAttribute(SDL_GL_CONTEXT_MINOR_VERSION, 3);
    SDL_GL_SetAttribute(SDL_GL_CONTEXT_PROFILE_MASK, SDL_GL_CONTEXT_PROFILE_CORE);
    SDL_Window *win = SDL_CreateWindow("backbuf", SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED, SIDE, SIDE,
                                       SDL_WINDOW_OPENGL | SDL_WINDOW_SHOWN);
    if (win == NULL || SDL_GL_CreateContext(win) == NULL) {
        fail("a window with OpenGL 3.3", SDL_GetError());
    }
    load();
    return win;
}

static bb_device *open_device(bool shared) {
    bb_device *dev = NULL;
    if (!shared) {
        need(bb_device_create_gl(BB_DEVICE_HOST_DRIVEN, (bb_gl_get_proc)SDL_GL_GetProcAddress, NULL, &dev), "a device");
        return dev;
    }
    void *(*current_display)(void) = NULL, *(*current_context)(void) = NULL;
    *(void **)&current_display = SDL_GL_GetProcAddress("eglGetCurrentDisplay");
    *(void **)&current_context = SDL_GL_GetProcAddress("eglGetCurrentContext");
    if (current_display == NULL || current_context == NULL) {
        fail("--shared", "this window system is not on EGL");
    }
    const bb_gl_config config = {.struct_size = sizeof config,
                                 .label = "beside the window",
                                 .egl_display = current_display(),
                                 .egl_context = current_context()};
    need(bb_device_create_gl(0, NULL, &config, &dev), "a device that shares with the window");
    return dev;
}

static bool quit_requested(void) {
    for (SDL_Event event; SDL_PollEvent(&event);) {
        if (event.type == SDL_QUIT) {
            return true;
        }
    }
    return false;
}

/* --- the check --- */

static unsigned char frame[SIDE][SIDE][3], expected[SIDE][SIDE][3];

static void check_frame(uint64_t step) {
    memset(expected, 0, sizeof expected);
    for (uint64_t i = 0; i < POINTS; i++) {
        uint64_t pixel[2];
        place(i, step, pixel);
        memset(expected[pixel[1]][pixel[0]], 255, 3);
    }
    glPixelStorei(GL_PACK_ALIGNMENT, 1);
    glReadPixels(0, 0, SIDE, SIDE, GL_RGB, GL_UNSIGNED_BYTE, frame);
    if (memcmp(frame, expected, sizeof frame) != 0) {
        fail("--check", "a frame is not what the state says");
    }
}

static void save_frame(const char *path) {
    FILE *file = fopen(path, "wb");
    if (file == NULL || fprintf(file, "P6\n%d %d\n255\n", SIDE, SIDE) < 0) {
        fail(path, "cannot be written");
    }
    for (size_t row = SIDE; row-- > 0;) { /* OpenGL's first row is the lowest */
        (void)fwrite(frame[row], 1, sizeof frame[row], file);
    }
    if (fclose(file) != 0) {
        fail(path, "cannot be written");
    }
}

int main(int count, char **arguments) {
    const bool shared = count > 1 && strcmp(arguments[1], "--shared") == 0;
    const int at = 1 + shared;
    const bool check = count > at + 1 && strcmp(arguments[at], "--check") == 0;
    const uint64_t frames = check ? strtoull(arguments[at + 1], NULL, 10) : UINT64_MAX;
    if (count > (check ? at + 3 : at) || frames == 0) {
        fail("usage", "gl_window [--shared] [--check FRAMES [PICTURE.ppm]]");
    }
    SDL_Window *win = open_window(shared);
    bb_device *dev = open_device(shared);
    bb_manager *m;
    bb_manager_config config;
    static float initial[POINTS][2];
    write_state(initial[0], 0);
    need(bb_manager_config_init(&config), "a config");
    config.initial = initial;
    need(bb_manager_create_gl(dev, BB_F32, 2, (const uint64_t[]){POINTS, 2}, &config, &m), "a manager");
    pthread_t thread;
    if (pthread_create(&thread, NULL, engine, m) != 0) {
        fail("pthread_create", "no thread");
    }

    GLuint vao[8] = {0};
    uint64_t drawn = 0, newest = 0;
    gl.UseProgram(make_program());
    glEnable(GL_PROGRAM_POINT_SIZE);
    while (drawn < frames && !quit_requested()) {
        bb_gl_front f;
        if (!shared) {
            need(bb_device_poll(dev, BB_MS(1)), "a poll"); /* at most 1 ms of uploads on this thread */
        }
        need(bb_manager_acquire_front_gl(m, &f), "a front");
        if (!vao[f.slot]) {
            vao[f.slot] = make_vao(f.buffer, f.offset);
        }
        glClear(GL_COLOR_BUFFER_BIT);
        gl.BindVertexArray(vao[f.slot]);
        glDrawArrays(GL_POINTS, 0, POINTS);
        need(bb_lease_release_gl(f.lease), "a release"); /* adds a fence behind the draws */
        if (check) {
            check_frame(f.tag);
        }
        SDL_GL_SwapWindow(win);
        drawn += f.tag > newest; /* one that is drawn again does not count */
        newest = f.tag;
    }
    if (count == at + 3) {
        save_frame(arguments[at + 2]);
    }
    bb_device_info info;
    need(bb_device_info_get(dev, sizeof info, &info), "info");
    (void)printf("%llu frames, the last of step %llu, by %s %s\n", (unsigned long long)drawn,
                 (unsigned long long)newest,
                 shared ? "a context beside the window's:" : "the window's own context:", info.name);

    need(bb_manager_close(m, BB_SEC(1)), "close");
    (void)pthread_join(thread, NULL);
    need(bb_manager_destroy(m), "destroy");
    need(bb_device_destroy(dev), "destroy"); /* while its context is current */
    SDL_Quit();
    return 0;
}
