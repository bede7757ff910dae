/* Fast paths of batches, and the calls that write to a manager or to a batch. A batch that contains little data begins, is
 * filled and is committed with the GIL held; everything else goes to the Python methods, as in _hot.c. */

#include "_hot_manager.h"

#define TO_MANAGER(to) ((bb_manager *)(uintptr_t)(to).handle)
#define TO_BATCH(to) ((bb_batch *)(uintptr_t)(to).handle)

bb_status write_update(Target to, const bb_update *update) {
    return to.is_batch ? manager_calls.batch_update(TO_BATCH(to), update)
                       : manager_calls.enqueue(TO_MANAGER(to), update, 0);
}

bb_status write_updates(Target to, const bb_update *updates, uint64_t count) {
    bb_status status = BB_OK;
    if (!to.is_batch)
        return manager_calls.enqueue_updates(TO_MANAGER(to), updates, count, 0);
    for (uint64_t i = 0; i < count && status == BB_OK; i++)
        status = manager_calls.batch_update(TO_BATCH(to), &updates[i]);
    return status;
}

bb_status write_fill(Target to, const bb_update *range) {
    const uint64_t offset = range->byte_offset, count = range->count;
    return to.is_batch ? manager_calls.batch_fill(TO_BATCH(to), range->field, offset, count, range->data)
                       : manager_calls.enqueue_fill(TO_MANAGER(to), range->field, offset, count, range->data, 0);
}

bb_status write_region(Target to, const bb_region *region) {
    return to.is_batch ? manager_calls.batch_region(TO_BATCH(to), region)
                       : manager_calls.enqueue_region(TO_MANAGER(to), region, 0);
}

void count_bytes(PyObject *self, uint64_t bytes) {
    Hot *hot = (Hot *)self, *root = hot->owner ? hot->owner : hot;
    root->batch_bytes = bytes > UINT64_MAX - root->batch_bytes ? UINT64_MAX : root->batch_bytes + bytes;
}

/* _begin(manager): begins a batch of the manager with its array as the target; False if the Python method must begin it. */
PyObject *hot_begin(PyObject *self, PyObject *manager) {
    Hot *hot = (Hot *)self;
    const Hot *from = (const Hot *)manager;
    bb_batch *batch;
    hot->is_batch = 1;
    if (!PyObject_TypeCheck(manager, hot_type) || hot->handle || from->owner || from->is_batch || !from->handle ||
        manager_calls.batch_begin(MANAGER(from), &batch) != BB_OK)
        Py_RETURN_FALSE;
    Py_XINCREF(from->dtype);
    Py_XDECREF(hot->dtype);
    hot->dtype = from->dtype;
    hot->elements = from->elements;
    memcpy(hot->shape, from->shape, sizeof hot->shape);
    hot->ndim = from->ndim;
    hot->field = from->field;
    hot->size = from->size;
    hot->kind = from->kind;
    hot->batch_bytes = 0;
    hot->handle = (uint64_t)(uintptr_t)batch; /* a handle is a number, never an address */
    Py_RETURN_TRUE;
}

static PyObject *batch_commit(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Hot *hot = (Hot *)self;
    PyObject *timeout;
    if (hot->handle && hot->batch_bytes <= LONG_BYTES && arguments(args, count, names, 0, "timeout", &timeout) &&
        is_timeout(timeout) && manager_calls.batch_commit((bb_batch *)(uintptr_t)hot->handle, 0) == BB_OK) {
        hot->handle = 0;
        Py_RETURN_NONE;
    }
    return call_python(self, "_commit", args, count, names);
}

PyMethodDef batch_methods[] = {HOT_METHOD(enqueue, hot_enqueue), HOT_METHOD(put, hot_put),
                               HOT_METHOD(commit, batch_commit), HOT_END};
PyMethodDef batch_field_methods[] = {HOT_METHOD(enqueue, hot_enqueue), HOT_METHOD(put, hot_put), HOT_END};
