/* The base type of BufferUpdate, and the fast path of CBufferManager.enqueue for one of them and for lists of them. */

#include "_hot_manager.h"

typedef struct {
    PyObject base;
    PyObject *offset, *length, *data;
} Update;

static PyObject *update_new(PyTypeObject *type, PyObject *args, PyObject *names) {
    static char *keywords[] = {"offset", "length", "data", NULL};
    PyObject *offset, *length, *data;
    Update *update;
    if (!names && PyTuple_Size(args) == 3) {
        offset = PyTuple_GetItem(args, 0);
        length = PyTuple_GetItem(args, 1);
        data = PyTuple_GetItem(args, 2);
    } else if (!PyArg_ParseTupleAndKeywords(args, names, "OOO:BufferUpdate", keywords, &offset, &length, &data)) {
        return NULL;
    }
    if (!(update = (Update *)PyType_GenericAlloc(type, 0)))
        return NULL;
    Py_INCREF(offset);
    Py_INCREF(length);
    Py_INCREF(data);
    update->offset = offset;
    update->length = length;
    update->data = data;
    return (PyObject *)update;
}

static int update_traverse(PyObject *self, visitproc visit, void *arg) {
    Update *update = (Update *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(update->offset);
    Py_VISIT(update->length);
    Py_VISIT(update->data);
    return 0;
}

static int update_clear(PyObject *self) {
    Update *update = (Update *)self;
    Py_CLEAR(update->offset);
    Py_CLEAR(update->length);
    Py_CLEAR(update->data);
    return 0;
}

static void update_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    update_clear(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMemberDef update_members[] = {
    {"offset", T_OBJECT_EX, offsetof(Update, offset), READONLY, "Offset in the state, in bytes."},
    {"length", T_OBJECT_EX, offsetof(Update, length), READONLY, "Number of elements."},
    {"data", T_OBJECT_EX, offsetof(Update, data), READONLY, "The elements; see `CBufferManager.enqueue`."},
    {NULL, 0, 0, 0, NULL}};
static PyType_Slot update_slots[] = {{Py_tp_new, update_new},         {Py_tp_traverse, update_traverse},
                                     {Py_tp_clear, update_clear},     {Py_tp_dealloc, update_dealloc},
                                     {Py_tp_members, update_members}, {0, NULL}};
PyType_Spec update_spec = {"backbuf._hot.Update", sizeof(Update), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, update_slots};

/* Gets the bytes of a bytes object, or of a memoryview or bytearray of bytes, as whole elements. For the latter two `*view`
 * is exported, and `*views` becomes 1. No Python code runs here. */
static int raw_elements_of(PyObject *object, uint32_t size, const void **data, uint64_t *count, Py_buffer *view,
                           int *views) {
    uint64_t bytes;
    if (PyBytes_CheckExact(object)) {
        *data = PyBytes_AsString(object);
        bytes = (uint64_t)PyBytes_Size(object);
    } else if (PyMemoryView_Check(object) || PyByteArray_CheckExact(object)) {
        if (PyObject_GetBuffer(object, view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) < 0) {
            PyErr_Clear();
            return 0;
        }
        if (view->format && strcmp(view->format, "B") != 0) {
            PyBuffer_Release(view);
            return 0;
        }
        *views = 1;
        *data = view->buf;
        bytes = (uint64_t)view->len;
    } else {
        return 0;
    }
    *count = bytes / size;
    return bytes % size == 0;
}

/* Converts a BufferUpdate; returns 0 if the Python method must convert or refuse it. */
static int update_of(const Hot *hot, PyObject *object, bb_update *update, Element element, Py_buffer *view,
                     int *views) {
    const Update *given = (const Update *)object;
    uint64_t length;
    if (!Py_IS_TYPE(object, update_type) || !unsigned_of(given->offset, &update->byte_offset) ||
        !unsigned_of(given->length, &length))
        return 0;
    update->field = hot->field;
    update->reserved = 0;
    if (element_of(hot, given->data, element)) {
        update->data = element;
        update->count = 1;
    } else if (!elements_of(given->data, hot->dtype, &update->data, &update->count) &&
               !raw_elements_of(given->data, hot->size, &update->data, &update->count, view, views)) {
        return 0;
    }
    return update->count == length;
}

static PyObject *enqueue_one(PyObject *self, PyObject *object) {
    const Hot *hot = (const Hot *)self;
    bb_update update = {0};
    Element element;
    Py_buffer view;
    int views = 0;
    PyObject *result = NULL;
    if (update_of(hot, object, &update, element, &view, &views) && update.count <= LONG_BYTES / hot->size)
        result = done(self, write_update(target_of(hot), &update));
    count_bytes(self, update.count * hot->size);
    if (views)
        PyBuffer_Release(&view);
    return result;
}

/* One update of a list, with the memory and the export that it may need. */
typedef struct {
    Element element;
    Py_buffer view;
    int views;
} Source;

PyObject *enqueue_updates(PyObject *self, PyObject *data) {
    const Hot *hot = (const Hot *)self;
    PyObject *items, *result = NULL;
    Target to;
    bb_update *updates;
    Source *sources;
    uint64_t bytes = 0;
    Py_ssize_t count, i = 0;
    bb_status status;
    if (!PyList_CheckExact(data))
        return enqueue_one(self, data);
    if (!(items = PyList_AsTuple(data))) /* another thread may change the list while the data is copied */
        return NULL;
    count = PyTuple_Size(items);
    updates = PyMem_Malloc(((size_t)count + 1) * sizeof *updates);
    sources = PyMem_Malloc(((size_t)count + 1) * sizeof *sources);
    if (!updates || !sources) {
        PyErr_NoMemory();
        goto out;
    }
    for (; i < count; i++) {
        Source *source = &sources[i];
        source->views = 0;
        if (!update_of(hot, PyTuple_GetItem(items, i), &updates[i], source->element, &source->view, &source->views)) {
            i++;
            goto out;
        }
        bytes += updates[i].count * hot->size;
    }
    to = target_of(hot);
    if (bytes <= LONG_BYTES) {
        status = write_updates(to, updates, (uint64_t)count);
    } else {
        Py_BEGIN_ALLOW_THREADS status = write_updates(to, updates, (uint64_t)count);
        Py_END_ALLOW_THREADS
    }
    count_bytes(self, bytes);
    result = done(self, status);
out:
    while (i-- > 0)
        if (sources[i].views)
            PyBuffer_Release(&sources[i].view);
    PyMem_Free(updates);
    PyMem_Free(sources);
    Py_DECREF(items);
    return result;
}
