/* Declarations shared by the files of the extension: _hot.c for the manager, _hot_ring.c for the ring. */

#ifndef BACKBUF_HOT_H
#define BACKBUF_HOT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>

#include "backbuf.h"

/* Larger copies run without the GIL, in the Python method. */
#define LONG_BYTES (64 * 1024)

#define HOT_METHOD(name, function) {#name, (PyCFunction)(void (*)(void))(function), METH_FASTCALL | METH_KEYWORDS, NULL}
#define HOT_END {NULL, NULL, 0, NULL}

/* Calls the Python method of this name with the same arguments. */
PyObject *call_python(PyObject *self, const char *name, PyObject *const *args, Py_ssize_t count, PyObject *names);
/* Converts an int; returns 0 for other types and values out of range. */
int unsigned_of(PyObject *number, uint64_t *value);

/* Whether there are `wanted` arguments and optionally one more, by position or by this name; *last is the optional one. */
static inline int arguments(PyObject *const *args, Py_ssize_t count, PyObject *names, Py_ssize_t wanted,
                            const char *name, PyObject **last) {
    if (names) {
        *last = args[count];
        return count == wanted && PyTuple_Size(names) == 1 &&
               PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), name) == 0;
    }
    *last = count > wanted ? args[wanted] : NULL;
    return count >= wanted && count <= wanted + 1;
}
/* Whether the timeout is valid; a call that does not wait needs no more of it. NULL is the default. */
int is_timeout(PyObject *seconds);

extern PyMethodDef sender_methods[], receiver_methods[], stream_methods[];
PyObject *ring_bind(PyObject *module, PyObject *args);
PyObject *ring_chunk(PyObject *module, PyObject *args);
int ring_add(PyObject *module);
int add_type(PyObject *module, const char *name, PyType_Spec *spec);

#endif
