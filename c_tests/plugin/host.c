/* Loads a plugin that contains the static library, has two threads use it, closes it, and only then lets one of them end: what
 * the library does at a thread's end, and its own threads, still have their code. Argument: the plugin. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PLUGINS = 3 }; /* each a file of its own, as when one is reloaded */

typedef int use_function(void);

static use_function *use;
static pthread_barrier_t used, closed;

static void fail(const char *what) {
    (void)fprintf(stderr, "%s\n", what);
    exit(1);
}

static void *outlive_the_plugin(void *line) {
    *(int *)line = use();
    (void)pthread_barrier_wait(&used);
    (void)pthread_barrier_wait(&closed);
    return NULL;
}

static void *load_copy(const char *plugin) {
    static char bytes[1 << 16];
    char name[] = "/tmp/backbuf-plugin-XXXXXX";
    const int from = open(plugin, O_RDONLY), to = mkstemp(name);
    if (from < 0 || to < 0) {
        fail("the plugin cannot be copied");
    }
    for (ssize_t got; (got = read(from, bytes, sizeof bytes)) > 0;) {
        if (write(to, bytes, (size_t)got) != got) {
            fail("the copy cannot be written");
        }
    }
    (void)close(from);
    (void)close(to);
    void *const object = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    (void)unlink(name);
    if (object == NULL) {
        fail(dlerror());
    }
    return object;
}

int main(int count, char **arguments) {
    if (count != 2) {
        fail("usage: plugin_host PLUGIN");
    }
    for (int k = 0; k < PLUGINS; k++) {
        void *const object = load_copy(arguments[1]);
        use = *(use_function **)&(void *){dlsym(object, "plugin_use")};
        (void)pthread_barrier_init(&used, NULL, 2);
        (void)pthread_barrier_init(&closed, NULL, 2);
        pthread_t thread;
        int line = -1;
        if (use == NULL || pthread_create(&thread, NULL, outlive_the_plugin, &line) != 0) {
            fail("no function, or no thread");
        }
        (void)pthread_barrier_wait(&used);
        if (line != 0 || use() != 0) {
            fail("the plugin failed");
        }
        (void)dlclose(object);
        (void)pthread_barrier_wait(&closed);
        (void)pthread_join(thread, NULL);
    }
    puts("ok: threads outlived plugins that contain the library");
    return 0;
}
