/* Fast paths of CBufferManager's methods. The usual arguments of inner loops go straight to libbackbuf, with a timeout
 * of 0 and the GIL held: releasing the GIL costs 26 us as soon as another Python thread runs. All other calls (another
 * dtype, a strided array, a full queue) go to the Python method, whose name has a leading underscore; so each rule is
 * implemented once, in Python. */

#include "_hot_manager.h"

#define MANY_UPDATES 4096

struct manager_calls manager_calls;
PyTypeObject *array_type, *update_type, *hot_type;
static PyObject *index_dtype; /* compared by address only; Python keeps it alive */

PyObject *call_python(PyObject *self, const char *name, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *result = NULL, *positional = PyTuple_New(count), *named = NULL,
             *method = PyObject_GetAttrString(self, name);
    if (!positional || !method)
        goto out;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_INCREF(args[i]);
        PyTuple_SetItem(positional, i, args[i]);
    }
    if (names) {
        if (!(named = PyDict_New()))
            goto out;
        for (Py_ssize_t i = 0; i < PyTuple_Size(names); i++)
            if (PyDict_SetItem(named, PyTuple_GetItem(names, i), args[count + i]) < 0)
                goto out;
    }
    result = PyObject_Call(method, positional, named);
out:
    Py_XDECREF(positional);
    Py_XDECREF(named);
    Py_XDECREF(method);
    return result;
}

PyObject *done(PyObject *self, bb_status status) {
    if (status == BB_OK)
        Py_RETURN_NONE;
    switch (status) {
    case BB_E_FULL:
    case BB_E_TIMEOUT:
    case BB_E_BUSY:
    case BB_E_PINNED:
    case BB_E_STALLED:
    case BB_E_INTERRUPTED:
        return NULL;
    default:
        return PyObject_CallMethod(self, "_fail", "i", (int)status);
    }
}

int unsigned_of(PyObject *number, uint64_t *value) {
    if (!PyLong_CheckExact(number))
        return 0;
    *value = PyLong_AsUnsignedLongLong(number);
    if (*value != UINT64_MAX || !PyErr_Occurred())
        return 1;
    PyErr_Clear();
    return 0;
}

int element_of(const Hot *hot, PyObject *number, void *element) {
    if (hot->kind == 'f' && hot->size >= 4) {
        double value;
        if (PyFloat_CheckExact(number)) {
            value = PyFloat_AsDouble(number);
        } else if (PyLong_CheckExact(number)) {
            value = PyLong_AsDouble(number);
            if (value == -1.0 && PyErr_Occurred()) {
                PyErr_Clear();
                return 0;
            }
        } else {
            return 0;
        }
        if (hot->size == 4)
            *(float *)element = (float)value;
        else
            *(double *)element = value;
        return 1;
    }
    if ((hot->kind == 'i' || hot->kind == 'u') && PyLong_CheckExact(number)) {
        int overflow = 0;
        long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
        long long half = 1LL << (hot->size < 8 ? 8 * hot->size - 1 : 62);
        if (overflow)
            return 0;
        if (hot->kind == 'u' ? value < 0 || (hot->size < 8 && value >= 2 * half)
                             : hot->size < 8 && (value < -half || value >= half))
            return 0;
        memcpy(element, &value, sizeof value); /* little-endian: the low bytes come first */
        return 1;
    }
    return 0;
}

int elements_of(PyObject *object, const PyObject *dtype, const void **data, uint64_t *count) {
    PyArrayObject *array = (PyArrayObject *)object;
    if (!Py_IS_TYPE(object, array_type) || (const PyObject *)PyArray_DESCR(array) != dtype ||
        !(PyArray_FLAGS(array) & NPY_ARRAY_C_CONTIGUOUS))
        return 0;
    *count = 1;
    for (int axis = 0; axis < PyArray_NDIM(array); axis++)
        *count *= (uint64_t)PyArray_DIMS(array)[axis];
    *data = PyArray_DATA(array);
    return 1;
}

PyObject *hot_enqueue(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    const Hot *hot = (const Hot *)self;
    Element element;
    bb_update update = {0, 1, element, hot->field, 0};
    const Target to = target_of(hot);
    PyObject *offset;
    if (to.handle && !names && count == 1 && (Py_IS_TYPE(args[0], update_type) || PyList_CheckExact(args[0]))) {
        PyObject *result = enqueue_updates(self, args[0]);
        if (result || PyErr_Occurred())
            return result;
    } else if (to.handle && arguments(args, count, names, 1, "byte_offset", &offset) &&
               (!offset || unsigned_of(offset, &update.byte_offset)) &&
               (element_of(hot, args[0], element) || (elements_of(args[0], hot->dtype, &update.data, &update.count) &&
                                                      update.count <= LONG_BYTES / hot->size))) {
        PyObject *result = done(self, write_update(to, &update));
        count_bytes(self, update.count * hot->size);
        if (result || PyErr_Occurred())
            return result;
    }
    count_bytes(self, UINT64_MAX);
    return call_python(self, "_enqueue", args, count, names);
}

PyObject *hot_put(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    const Hot *hot = (const Hot *)self;
    const int64_t elements = (int64_t)hot->elements;
    const Target to = target_of(hot);
    const void *indices, *values;
    uint64_t many, given, i;
    if (to.handle && !names && count == 2 && elements_of(args[0], index_dtype, &indices, &many) &&
        elements_of(args[1], hot->dtype, &values, &given) && many == given && many <= MANY_UPDATES) {
        bb_update *updates = PyMem_Malloc((many + 1) * sizeof *updates);
        PyObject *result = NULL;
        if (!updates)
            return PyErr_NoMemory();
        for (i = 0; i < many; i++) {
            int64_t index = ((const int64_t *)indices)[i];
            if (index < 0)
                index += elements;
            if (index < 0 || index >= elements)
                break;
            updates[i] =
                (bb_update){(uint64_t)index * hot->size, 1, (const char *)values + i * hot->size, hot->field, 0};
        }
        if (i == many)
            result = done(self, write_updates(to, updates, many));
        PyMem_Free(updates);
        count_bytes(self, many * hot->size);
        if (result || PyErr_Occurred())
            return result;
    }
    count_bytes(self, UINT64_MAX);
    return call_python(self, "_put", args, count, names);
}

static PyObject *hot_tag(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    const Hot *hot = (const Hot *)self;
    uint64_t tag;
    if (hot->handle && !names && count == 1 && unsigned_of(args[0], &tag)) {
        PyObject *result = done(self, manager_calls.enqueue_tag(MANAGER(hot), tag, 0));
        if (result || PyErr_Occurred())
            return result;
    }
    return call_python(self, "_tag", args, count, names);
}

int is_timeout(PyObject *seconds) {
    if (!seconds || seconds == Py_None)
        return 1;
    if (PyFloat_CheckExact(seconds))
        return PyFloat_AsDouble(seconds) >= 0;
    uint64_t whole;
    return unsigned_of(seconds, &whole);
}

static PyObject *hot_synchronize(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    const Hot *hot = (const Hot *)self;
    uint64_t epoch;
    PyObject *timeout;
    if (hot->handle && hot->fast_synchronize && arguments(args, count, names, 0, "timeout", &timeout) &&
        is_timeout(timeout) && manager_calls.synchronize(MANAGER(hot), 0) == BB_OK &&
        manager_calls.epoch(MANAGER(hot), &epoch) == BB_OK)
        return PyLong_FromUnsignedLongLong(epoch);
    return call_python(self, "_synchronize", args, count, names);
}

/* --- Exporter: the buffer protocol of objects with a method `_exported_array`, which returns a NumPy array. Before Python 3.12 only types
 * written in C export buffers. --- */

static int exporter_getbuffer(PyObject *self, Py_buffer *view, int flags) {
    PyObject *array;
    int rc;
    view->obj = NULL;
    if (!(array = PyObject_CallMethod(self, "_exported_array", "i", flags)))
        return -1;
    rc = PyObject_GetBuffer(array, view, flags); /* the view holds the array, and the array the memory */
    Py_DECREF(array);
    return rc;
}

/* Never called, since views refer to the array. NumPy wraps objects that have it into a memoryview, which keeps the array. */
static void exporter_releasebuffer(PyObject *self, Py_buffer *view) {
    (void)self;
    (void)view;
}

static PyType_Slot exporter_slots[] = {
    {Py_bf_getbuffer, exporter_getbuffer}, {Py_bf_releasebuffer, exporter_releasebuffer}, {0, NULL}};
static PyType_Spec exporter_spec = {"backbuf._hot.Exporter", sizeof(PyObject), 0,
                                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, exporter_slots};

static PyMethodDef manager_methods[] = {HOT_METHOD(enqueue, hot_enqueue), HOT_METHOD(put, hot_put),
                                        HOT_METHOD(tag, hot_tag), HOT_METHOD(synchronize, hot_synchronize), HOT_END};

/* _set_target(handle, dtype, kind, size, shape, field, owner): sets the array of the fast paths; handle 0 without an owner
 * turns them off. */
static PyObject *hot_set_target(PyObject *self, PyObject *args) {
    Hot *hot = (Hot *)self;
    unsigned long long handle;
    unsigned int size, field;
    PyObject *dtype, *shape, *owner;
    int kind;
    if (!PyArg_ParseTuple(args, "KOCIO!IO", &handle, &dtype, &kind, &size, &PyTuple_Type, &shape, &field, &owner))
        return NULL;
    if (owner != Py_None && !PyObject_TypeCheck(owner, hot_type))
        return PyErr_Format(PyExc_TypeError, "owner is not a manager");
    if (PyTuple_Size(shape) > MAX_DIMS)
        return PyErr_Format(PyExc_ValueError, "shape has more than %d axes", MAX_DIMS);
    hot->ndim = (int)PyTuple_Size(shape);
    hot->elements = 1;
    for (int axis = 0; axis < hot->ndim; axis++) {
        hot->shape[axis] = PyLong_AsUnsignedLongLong(PyTuple_GetItem(shape, axis));
        if (PyErr_Occurred())
            return NULL;
        hot->elements *= hot->shape[axis];
    }
    Py_INCREF(dtype);
    Py_XDECREF(hot->dtype);
    hot->dtype = dtype;
    hot->size = size;
    hot->field = field;
    hot->kind = (char)kind;
    if (owner != Py_None && !hot->owner) {
        Py_INCREF(owner);
        hot->owner = (Hot *)owner;
    }
    hot->handle = handle;
    Py_RETURN_NONE;
}

static int hot_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Hot *)self)->dtype);
    Py_VISIT((PyObject *)((Hot *)self)->owner);
    return 0;
}

static int hot_clear(PyObject *self) {
    PyObject *owner = (PyObject *)((Hot *)self)->owner;
    ((Hot *)self)->owner = NULL;
    Py_XDECREF(owner);
    return 0;
}

static void hot_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    hot_clear(self);
    Py_XDECREF(((Hot *)self)->dtype);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef field_methods[] = {HOT_METHOD(enqueue, hot_enqueue), HOT_METHOD(put, hot_put), HOT_END};

static PyMethodDef type_methods[] = {
    {"_set_target", hot_set_target, METH_VARARGS, NULL}, {"_begin", hot_begin, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static PyMemberDef type_members[] = {{"_fast_synchronize", T_BOOL, offsetof(Hot, fast_synchronize), 0, NULL},
                                     {"_manager", T_OBJECT, offsetof(Hot, owner), READONLY, NULL},
                                     {"_target", T_ULONGLONG, offsetof(Hot, handle), 0, NULL},
                                     {NULL, 0, 0, 0, NULL}};
static PyType_Slot type_slots[] = {{Py_tp_dealloc, hot_dealloc},
                                   {Py_tp_traverse, hot_traverse},
                                   {Py_tp_clear, hot_clear},
                                   {Py_tp_methods, type_methods},
                                   {Py_tp_members, type_members},
                                   {Py_mp_ass_subscript, hot_assign},
                                   {0, NULL}};
static PyType_Spec type_spec = {"backbuf._hot.Hot", sizeof(Hot), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, type_slots};

/* bind(addresses, ndarray, BufferUpdate, dtype of indices): the addresses come from cffi, so that both call the same copy
 * of the library. */
static PyObject *module_bind(PyObject *module, PyObject *args) {
    unsigned long long a[12];
    (void)module;
    if (!PyArg_ParseTuple(args, "(KKKKKKKKKKKK)OOO", &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &a[6], &a[7], &a[8],
                          &a[9], &a[10], &a[11], &array_type, &update_type, &index_dtype))
        return NULL;
    Py_INCREF((PyObject *)array_type);
    Py_INCREF((PyObject *)update_type);
    Py_INCREF(index_dtype);
    memcpy(&manager_calls, a, sizeof manager_calls);
    Py_RETURN_NONE;
}

/* The fast methods for a class, by its name; NULL with a KeyError if there are none. */
static PyMethodDef *methods_of(PyObject *cls) {
    const struct {
        const char *name;
        PyMethodDef *methods;
    } classes[] = {
        {"CBufferManager", manager_methods},   {"Field", field_methods},       {"Batch", batch_methods},
        {"BatchField", batch_field_methods},   {"SPSCSender", sender_methods}, {"SPSCReceiver", receiver_methods},
        {"SPSCReceiverStream", stream_methods}};
    PyMethodDef *found = NULL;
    PyObject *name = PyObject_GetAttrString(cls, "__name__");
    if (!name)
        return NULL;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (PyUnicode_CompareWithASCIIString(name, classes[i].name) == 0)
            found = classes[i].methods;
    if (!found)
        PyErr_Format(PyExc_KeyError, "%U", name);
    Py_DECREF(name);
    return found;
}

/* install(cls, texts): makes the fast paths methods of this class itself, since the interpreter's fastest method call
 * requires the object's own class. The Python methods remain, with a leading underscore; `texts` are the docstrings. */
static PyObject *module_install(PyObject *module, PyObject *args) {
    PyObject *cls, *texts;
    PyMethodDef *methods;
    (void)module;
    if (!PyArg_ParseTuple(args, "OO", &cls, &texts) || !(methods = methods_of(cls)))
        return NULL;
    Py_INCREF(texts); /* the methods point to its strings */
    for (; methods->ml_name; methods++) {
        const char *name = methods->ml_name;
        PyObject *form = PyObject_GetAttrString(cls, name), *hidden = PyUnicode_FromFormat("_%s", name), *method = NULL;
        PyObject *text = PyDict_GetItemString(texts, name);
        int rc = -1;
        if (form && hidden && text && (methods->ml_doc = PyUnicode_AsUTF8AndSize(text, NULL)) &&
            PyObject_SetAttr(cls, hidden, form) == 0 && (method = PyDescr_NewMethod((PyTypeObject *)cls, methods)))
            rc = PyObject_SetAttrString(cls, name, method);
        Py_XDECREF(form);
        Py_XDECREF(hidden);
        Py_XDECREF(method);
        if (rc < 0)
            return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_KeyError, "%s", name);
    }
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {{"bind", module_bind, METH_VARARGS, NULL},
                                       {"bind_ring", ring_bind, METH_VARARGS, NULL},
                                       {"chunk", ring_chunk, METH_VARARGS, NULL},
                                       {"install", module_install, METH_VARARGS, NULL},
                                       {NULL, NULL, 0, NULL}};
static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT, "_hot", NULL, -1, module_methods, NULL, NULL, NULL, NULL};

int add_type(PyObject *module, const char *name, PyType_Spec *spec) {
    PyObject *type = PyType_FromSpec(spec);
    int rc = type ? PyModule_AddObjectRef(module, name, type) : -1;
    Py_XDECREF(type);
    return rc;
}

PyMODINIT_FUNC PyInit__hot(void) {
    PyObject *module = PyModule_Create(&module_def);
    if (module && add_type(module, "Hot", &type_spec) == 0 && add_type(module, "Update", &update_spec) == 0 &&
        add_type(module, "Exporter", &exporter_spec) == 0 && ring_add(module) == 0 &&
        (hot_type = (PyTypeObject *)PyObject_GetAttrString(module, "Hot")))
        return module;
    Py_XDECREF(module);
    return NULL;
}
