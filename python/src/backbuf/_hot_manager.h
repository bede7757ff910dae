/* Declarations shared by the manager's fast paths: _hot.c (methods), _hot_update.c (BufferUpdate), _hot_index.c (assignment
 * by index), _hot_batch.c (batches). */

#ifndef BACKBUF_HOT_MANAGER_H
#define BACKBUF_HOT_MANAGER_H

#include "_hot.h"

#define NPY_NO_DEPRECATED_API NPY_1_7_API_VERSION
/* Only the layout of arrays is used, none of NumPy's functions, so nothing is imported. The buffer protocol would cost
 * 5 times as much. */
#include <numpy/ndarraytypes.h>

#define MAX_DIMS 16

/* The functions of the library, by the addresses that cffi uses. */
extern struct manager_calls {
    bb_status (*enqueue)(bb_manager *, const bb_update *, uint64_t);
    bb_status (*enqueue_updates)(bb_manager *, const bb_update *, uint64_t, uint64_t);
    bb_status (*enqueue_region)(bb_manager *, const bb_region *, uint64_t);
    bb_status (*enqueue_fill)(bb_manager *, uint32_t, uint64_t, uint64_t, const void *, uint64_t);
    bb_status (*enqueue_tag)(bb_manager *, uint64_t, uint64_t);
    bb_status (*synchronize)(bb_manager *, uint64_t);
    bb_status (*epoch)(bb_manager *, uint64_t *);
    bb_status (*batch_begin)(bb_manager *, bb_batch **);
    bb_status (*batch_update)(bb_batch *, const bb_update *);
    bb_status (*batch_region)(bb_batch *, const bb_region *);
    bb_status (*batch_fill)(bb_batch *, uint32_t, uint64_t, uint64_t, const void *);
    bb_status (*batch_commit)(bb_batch *, uint64_t);
} manager_calls;

/* Compared by address only; Python keeps them alive. */
extern PyTypeObject *array_type, *update_type, *hot_type;

/* The base type of managers, batches and the fields of both. */
typedef struct Hot {
    PyObject base;        /* PyObject_HEAD, for the limited API */
    uint64_t handle;      /* of a manager or a batch; 0: all calls go to the Python methods */
    struct Hot *owner;    /* of a field: its manager or batch, which has the handle */
    PyObject *dtype;      /* of the array that is written */
    uint64_t batch_bytes; /* of a batch: the data that it contains; UINT64_MAX if it is not counted */
    uint64_t elements;
    uint64_t shape[MAX_DIMS];
    int ndim;
    uint32_t field;
    uint32_t size;         /* bytes of an element; 0 for a manager whose fields are written by themselves */
    char kind;             /* NumPy's kind of the dtype */
    char fast_synchronize; /* no Python callback can raise in a synchronize */
    char is_batch;
} Hot;

#define MANAGER(hot) ((bb_manager *)(uintptr_t)(hot)->handle)

/* A manager or a batch to which an array is written. A field may lose it while the GIL is released, so the handle is a copy. */
typedef struct {
    uint64_t handle; /* 0: the Python method must refuse the call */
    int is_batch;
} Target;

static inline Target target_of(const Hot *hot) {
    const Hot *root = hot->owner ? hot->owner : hot;
    return (Target){hot->size ? root->handle : 0, root->is_batch};
}

/* Writes without waiting. Several updates are one batch of a manager. */
bb_status write_update(Target to, const bb_update *update);
bb_status write_updates(Target to, const bb_update *updates, uint64_t count);
bb_status write_fill(Target to, const bb_update *range);
bb_status write_region(Target to, const bb_region *region);
/* Adds to the data that a batch contains. */
void count_bytes(PyObject *self, uint64_t bytes);
extern PyMethodDef batch_methods[], batch_field_methods[];
PyObject *hot_begin(PyObject *self, PyObject *manager);
PyObject *hot_enqueue(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *hot_put(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names);

/* Memory for one element of a number. */
typedef uint64_t Element[2];

/* Returns None, or NULL with an exception, or NULL without one if waiting may help: the Python method then tries again
 * with the timeout. */
PyObject *done(PyObject *self, bb_status status);
/* Converts a Python number into one element; returns 0 if it does not fit or NumPy must convert it. */
int element_of(const Hot *hot, PyObject *number, void *element);
/* Gets the packed elements of an array of exactly this dtype; returns 0 for all other objects. */
int elements_of(PyObject *object, const PyObject *dtype, const void **data, uint64_t *count);

/* Enqueues a BufferUpdate, or a list of them as one batch. Returns as `done` does; also NULL without an exception if the
 * Python method must convert something. */
PyObject *enqueue_updates(PyObject *self, PyObject *data);
extern PyType_Spec update_spec;

/* `self[index] = value`. */
int hot_assign(PyObject *self, PyObject *index, PyObject *value);

#endif
