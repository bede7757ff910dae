/* Fast paths of the ring's methods, and the managed buffer that holds the memory of a stream's chunk. The fast paths hold
 * the GIL and never wait; calls that would wait, failures and unusual arguments go to the Python methods, as in _hot.c. */

#include "_hot.h"

/* The largest number of chunks that one call takes: they are listed on the stack. */
#define MANY_CHUNKS 256

static struct {
    bb_status (*send)(bb_sender *, const void *, uint64_t, uint64_t *);
    bb_status (*feed)(bb_sender *, const void *, uint64_t, uint64_t *);
    bb_status (*send_whole)(bb_sender *, const void *, uint64_t, uint64_t, uint64_t *);
    bb_status (*recv)(bb_receiver *, void *, uint64_t, uint64_t *);
    bb_status (*peek)(bb_receiver *, uint64_t, bb_const_span *);
    bb_status (*consume)(bb_receiver *, uint64_t);
    bb_status (*next)(bb_stream *, uint64_t, bb_chunk *);
    bb_status (*ready_chunks)(bb_stream *, uint64_t, uint64_t, bb_chunk *, uint64_t *);
    bb_status (*lease_release)(bb_lease *);
} library;

/* Creates the exception for access to a managed buffer after its release. */
static PyObject *released_error;

/* --- ManagedBuffer --- */

static PyTypeObject *managed_type;

typedef struct {
    PyObject base;
    void *data;
    bb_lease *lease;
    Py_ssize_t bytes;
    char released; /* no new access; the memory is returned with the last reference */
} Managed;

static int check_access(const Managed *managed) {
    PyObject *error;
    if (!managed->released)
        return 1;
    if ((error = PyObject_CallNoArgs(released_error))) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return 0;
}

static int managed_getbuffer(PyObject *self, Py_buffer *view, int flags) {
    Managed *managed = (Managed *)self;
    view->obj = NULL;
    return check_access(managed) ? PyBuffer_FillInfo(view, self, managed->data, managed->bytes, 0, flags) : -1;
}

/* Not all views are buffer exports: NumPy's ndarray(buffer=...) releases its export at once and keeps a reference. So
 * only the last reference returns the memory. */
static PyObject *managed_release(PyObject *self, PyObject *unused) {
    (void)unused;
    ((Managed *)self)->released = 1;
    Py_RETURN_NONE;
}

static PyObject *managed_enter(PyObject *self, PyObject *unused) {
    (void)unused;
    if (!check_access((Managed *)self))
        return NULL;
    Py_INCREF(self);
    return self;
}

static PyObject *managed_exit(PyObject *self, PyObject *args) { return managed_release(self, args); }

static Py_ssize_t managed_length(PyObject *self) {
    const Managed *managed = (const Managed *)self;
    return check_access(managed) ? managed->bytes : -1;
}

static PyObject *managed_repr(PyObject *self) {
    const Managed *managed = (const Managed *)self;
    return PyUnicode_FromFormat("<ManagedBuffer of %zd bytes%s>", managed->bytes,
                                managed->released ? ", released" : "");
}

static void managed_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    library.lease_release(((Managed *)self)->lease);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef managed_methods[] = {
    {"release", managed_release, METH_NOARGS,
     "release($self)\n--\n\nEnds access through this object. The memory is returned with its last reference, views "
     "included. Repeated calls are allowed."},
    {"__enter__", managed_enter, METH_NOARGS, NULL},
    {"__exit__", managed_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL}};
static PyMemberDef managed_members[] = {
    {"released", T_BOOL, offsetof(Managed, released), READONLY, "Whether release() was called."},
    {NULL, 0, 0, 0, NULL}};
static const char managed_doc[] =
    "The memory of one chunk of a stream, readable and writable by the buffer protocol.\n\n"
    "Each chunk of a stream is a memoryview over one, its `obj`. The memory returns to the stream's pool with the "
    "last\n"
    "reference, views included. After `release()` every access raises StateError; existing views stay valid.";
static PyType_Slot managed_slots[] = {{Py_tp_dealloc, managed_dealloc},     {Py_tp_methods, managed_methods},
                                      {Py_tp_members, managed_members},     {Py_tp_repr, managed_repr},
                                      {Py_tp_doc, (void *)managed_doc},     {Py_sq_length, managed_length},
                                      {Py_bf_getbuffer, managed_getbuffer}, {0, NULL}};
static PyType_Spec managed_spec = {"backbuf.ManagedBuffer", sizeof(Managed), 0,
                                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, managed_slots};

/* A memoryview over a managed buffer that owns the chunk's lease; without memory for it the lease is released. */
static PyObject *view_of(const bb_chunk *chunk) {
    PyObject *view;
    Managed *managed = PyObject_New(Managed, managed_type);
    if (!managed) {
        library.lease_release(chunk->lease);
        return NULL;
    }
    managed->data = chunk->data;
    managed->lease = chunk->lease;
    managed->bytes = (Py_ssize_t)chunk->bytes;
    managed->released = 0;
    view = PyMemoryView_FromObject((PyObject *)managed);
    Py_DECREF(managed);
    return view;
}

/* chunk(data, bytes, lease): the same for a chunk of a waiting call. */
PyObject *ring_chunk(PyObject *module, PyObject *args) {
    unsigned long long data, bytes, lease;
    (void)module;
    if (!PyArg_ParseTuple(args, "KKK", &data, &bytes, &lease))
        return NULL;
    return view_of(&(bb_chunk){(void *)(uintptr_t)data, bytes, (bb_lease *)(uintptr_t)lease});
}

/* --- sender, receiver and stream --- */

typedef struct {
    PyObject base;
    unsigned long long handle; /* 0: closed; all calls go to the Python methods */
    char is_awaited;           /* a task waits on this end: calls that may wait are refused, by the Python methods */
} End;

#define HANDLE(self, type) ((type *)(uintptr_t)((const End *)(self))->handle)

static PyMemberDef end_members[] = {{"_handle", T_ULONGLONG, offsetof(End, handle), 0, NULL},
                                    {"_is_awaited", T_BOOL, offsetof(End, is_awaited), 0, NULL},
                                    {NULL, 0, 0, 0, NULL}};
static void end_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}
static PyType_Slot end_slots[] = {{Py_tp_dealloc, end_dealloc}, {Py_tp_members, end_members}, {0, NULL}};
static PyType_Spec end_spec = {"backbuf._hot.End", sizeof(End), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, end_slots};

static PyObject *fail(PyObject *self, bb_status status) { return PyObject_CallMethod(self, "_fail", "i", (int)status); }

static PyObject *byte_count(PyObject *self, bb_status status, uint64_t bytes) {
    return status == BB_OK ? PyLong_FromUnsignedLongLong(bytes) : fail(self, status);
}

/* Gets the buffer of an object if it is short enough to be copied with the GIL held. */
static int short_buffer(PyObject *object, int flags, Py_buffer *data) {
    if (PyObject_GetBuffer(object, data, flags) < 0) {
        PyErr_Clear();
        return 0;
    }
    if (data->len <= LONG_BYTES)
        return 1;
    PyBuffer_Release(data);
    return 0;
}

static PyObject *sender_send(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Py_buffer data;
    uint64_t sent = 0;
    bb_status status;
    if (names || count != 1 || !short_buffer(args[0], PyBUF_SIMPLE, &data))
        return call_python(self, "_send", args, count, names);
    status = library.send(HANDLE(self, bb_sender), data.buf, (uint64_t)data.len, &sent);
    PyBuffer_Release(&data);
    return byte_count(self, status, sent);
}

static PyObject *sender_feed(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Py_buffer data;
    uint64_t sent = 0;
    bb_status status;
    if (names || count != 1 || !short_buffer(args[0], PyBUF_SIMPLE, &data))
        return call_python(self, "_feed", args, count, names);
    status = library.feed(HANDLE(self, bb_sender), data.buf, (uint64_t)data.len, &sent);
    PyBuffer_Release(&data);
    return byte_count(self, status, sent);
}

/* Sends all of the data if there is space for it: returns the number of bytes, or NULL without an exception if the Python
 * method must wait, convert or refuse something. */
static PyObject *send_at_once(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Py_buffer data;
    uint64_t sent = 0;
    bb_status status;
    PyObject *timeout;
    if (!arguments(args, count, names, 1, "timeout", &timeout) || !is_timeout(timeout) ||
        !short_buffer(args[0], PyBUF_SIMPLE, &data)) /* may run Python code, so the other checks come later */
        return NULL;
    status = BB_E_BUSY;
    if (!((const End *)self)->is_awaited)
        status = library.send_whole(HANDLE(self, bb_sender), data.buf, (uint64_t)data.len, 0, &sent);
    PyBuffer_Release(&data);
    return status == BB_OK ? PyLong_FromUnsignedLongLong(sent) : NULL;
}

static PyObject *sender_write(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *sent = send_at_once(self, args, count, names);
    return sent || PyErr_Occurred() ? sent : call_python(self, "_write", args, count, names);
}

/* _send_at_once(data, timeout): the number of bytes if there was space for all of them, otherwise None. */
static PyObject *sender_send_at_once(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *sent = send_at_once(self, args, count, names);
    if (sent || PyErr_Occurred())
        return sent;
    Py_RETURN_NONE;
}

/* Receives at most `most` bytes into a new bytearray or bytes object. Returns NULL without an exception if the Python method
 * must take whole records; *status is that of the ring, and after BB_E_EMPTY nothing is returned. */
static PyObject *take(PyObject *self, uint64_t most, PyObject *(*make)(const char *, Py_ssize_t), bb_status *status) {
    bb_const_span span;
    PyObject *data;
    *status = library.peek(HANDLE(self, bb_receiver), 1, &span);
    if (*status != BB_OK)
        return NULL;
    if (most > span.bytes)
        most = span.bytes;
    data = make(span.data, (Py_ssize_t)most);
    if (library.consume(HANDLE(self, bb_receiver), data ? most : 0) == BB_E_ALIGN) { /* part of a record */
        Py_CLEAR(data);
        library.consume(HANDLE(self, bb_receiver), 0);
    }
    return data;
}

static PyObject *receiver_recv(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    bb_status status;
    PyObject *data;
    uint64_t most;
    if (names || count != 1 || !unsigned_of(args[0], &most) || most == 0 || most > LONG_BYTES)
        return call_python(self, "_recv", args, count, names);
    data = take(self, most, PyByteArray_FromStringAndSize, &status);
    if (data || PyErr_Occurred())
        return data;
    if (status == BB_E_EMPTY)
        return PyByteArray_FromStringAndSize(NULL, 0);
    return status == BB_OK ? call_python(self, "_recv", args, count, names) : fail(self, status);
}

static PyObject *receiver_read(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    bb_status status;
    PyObject *data = NULL, *timeout;
    uint64_t most;
    if (arguments(args, count, names, 1, "timeout", &timeout) && is_timeout(timeout) && unsigned_of(args[0], &most) &&
        most > 0 && most <= LONG_BYTES)
        data = take(self, most, PyBytes_FromStringAndSize, &status);
    return data || PyErr_Occurred() ? data : call_python(self, "_read", args, count, names);
}

static PyObject *receiver_recv_into(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Py_buffer data;
    uint64_t got = 0;
    bb_status status;
    if (names || count != 1 || !short_buffer(args[0], PyBUF_WRITABLE, &data))
        return call_python(self, "_recv_into", args, count, names);
    status = library.recv(HANDLE(self, bb_receiver), data.buf, (uint64_t)data.len, &got);
    PyBuffer_Release(&data);
    return byte_count(self, status == BB_E_EMPTY ? BB_OK : status, got);
}

/* _next(): the next chunk, or None if there is none yet. */
static PyObject *stream_next(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    bb_chunk chunk;
    bb_status status;
    if (names || count != 0)
        return call_python(self, "__next", args, count, names);
    status = library.next(HANDLE(self, bb_stream), 0, &chunk);
    if (status == BB_E_TIMEOUT)
        Py_RETURN_NONE;
    return status == BB_OK ? view_of(&chunk) : fail(self, status);
}

static PyObject *list_of(const bb_chunk *chunks, uint64_t got) {
    PyObject *list = PyList_New((Py_ssize_t)got), *view;
    uint64_t i = 0;
    for (; list && i < got; i++) {
        view = view_of(&chunks[i]);
        if (!view || PyList_SetItem(list, (Py_ssize_t)i, view) < 0)
            Py_CLEAR(list);
    }
    for (; i < got; i++) /* out of memory */
        library.lease_release(chunks[i].lease);
    return list;
}

/* _take(count): a list of the available chunks, at most `count`, or None if there is none yet. */
static PyObject *stream_take(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    bb_chunk chunks[MANY_CHUNKS];
    uint64_t most, got = 0;
    bb_status status;
    if (names || count != 1 || !unsigned_of(args[0], &most))
        return call_python(self, "__take", args, count, names);
    if (most > MANY_CHUNKS)
        most = MANY_CHUNKS;
    status = library.ready_chunks(HANDLE(self, bb_stream), most, 0, chunks, &got);
    if (status == BB_E_TIMEOUT)
        Py_RETURN_NONE;
    return status == BB_OK ? list_of(chunks, got) : fail(self, status);
}

PyMethodDef sender_methods[] = {HOT_METHOD(send, sender_send), HOT_METHOD(feed, sender_feed),
                                HOT_METHOD(write, sender_write), HOT_METHOD(_send_at_once, sender_send_at_once),
                                HOT_END};
PyMethodDef receiver_methods[] = {HOT_METHOD(recv, receiver_recv), HOT_METHOD(recv_into, receiver_recv_into),
                                  HOT_METHOD(read, receiver_read), HOT_END};
PyMethodDef stream_methods[] = {HOT_METHOD(_next, stream_next), HOT_METHOD(_take, stream_take), HOT_END};

/* bind_ring(addresses, released error): like bind. */
PyObject *ring_bind(PyObject *module, PyObject *args) {
    unsigned long long a[9];
    (void)module;
    if (!PyArg_ParseTuple(args, "(KKKKKKKKK)O", &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &a[6], &a[7], &a[8],
                          &released_error))
        return NULL;
    Py_INCREF(released_error);
    memcpy(&library, a, sizeof library);
    Py_RETURN_NONE;
}

int ring_add(PyObject *module) {
    if (add_type(module, "End", &end_spec) < 0 || add_type(module, "ManagedBuffer", &managed_spec) < 0)
        return -1;
    managed_type = (PyTypeObject *)PyObject_GetAttrString(module, "ManagedBuffer");
    return managed_type ? 0 : -1;
}
