/* Fast path of `manager[index] = value` for whole numbers, slices and `...`, with a number or an array of the state's
 * dtype. All other indices and values go to the Python method. */

#include "_hot_manager.h"

typedef struct {
    uint64_t start[MAX_DIMS], extent[MAX_DIMS];
    int64_t step[MAX_DIMS], stride[MAX_DIMS]; /* strides of the value in bytes */
    int axes[MAX_DIMS];                       /* the axes of the selection */
    int ndim;                                 /* their number */
} Selection;

/* Selects one element or a slice of an axis; returns 0 if Python must convert or refuse the item. */
static int select_axis(const Hot *hot, PyObject *item, int axis, Selection *to) {
    const int64_t length = (int64_t)hot->shape[axis];
    if (PyLong_CheckExact(item) || (PyIndex_Check(item) && !PyBool_Check(item))) { /* also NumPy's integers */
        int overflow;
        int64_t number;
        PyObject *whole = PyNumber_Index(item);
        if (!whole) {
            PyErr_Clear();
            return 0;
        }
        number = PyLong_AsLongLongAndOverflow(whole, &overflow);
        Py_DECREF(whole);
        if (number < 0)
            number += length;
        if (overflow || number < 0 || number >= length)
            return 0;
        to->start[axis] = (uint64_t)number;
        to->extent[axis] = 1;
        to->step[axis] = 1;
        return 1;
    }
    if (PySlice_Check(item)) {
        Py_ssize_t start, stop, step, many;
        if (PySlice_Unpack(item, &start, &stop, &step) < 0) {
            PyErr_Clear();
            return 0;
        }
        many = PySlice_AdjustIndices(length, &start, &stop, step);
        to->start[axis] = many ? (uint64_t)start : 0;
        to->extent[axis] = (uint64_t)many;
        to->step[axis] = many > 1 ? step : 1;
        to->axes[to->ndim++] = axis;
        return 1;
    }
    return 0;
}

static void select_all(const Hot *hot, int axis, Selection *to) {
    to->start[axis] = 0;
    to->extent[axis] = hot->shape[axis];
    to->step[axis] = 1;
    to->axes[to->ndim++] = axis;
}

static int select_index(const Hot *hot, PyObject *index, Selection *to) {
    const int is_tuple = PyTuple_CheckExact(index);
    const Py_ssize_t count = is_tuple ? PyTuple_Size(index) : 1;
    int axis = 0, dots = 0;
    to->ndim = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = is_tuple ? PyTuple_GetItem(index, i) : index;
        if (item == Py_Ellipsis) {
            const Py_ssize_t end = hot->ndim - (count - 1 - i);
            if (dots++)
                return 0;
            while (axis < end)
                select_all(hot, axis++, to);
        } else if (axis >= hot->ndim || !select_axis(hot, item, axis++, to)) {
            return 0;
        }
    }
    while (axis < hot->ndim)
        select_all(hot, axis++, to);
    return 1;
}

/* Sets the strides of an array of the state's dtype that is broadcast into the selection. */
static int broadcast(const Hot *hot, PyObject *value, Selection *to) {
    const PyArrayObject *array = (const PyArrayObject *)value;
    int ndim;
    if (!Py_IS_TYPE(value, array_type) || (const PyObject *)PyArray_DESCR(array) != hot->dtype ||
        (ndim = PyArray_NDIM(array)) > to->ndim)
        return 0;
    for (int i = 1; i <= ndim; i++) {
        const int axis = to->axes[to->ndim - i];
        const uint64_t length = (uint64_t)PyArray_DIMS(array)[ndim - i];
        if (length == to->extent[axis])
            to->stride[axis] = PyArray_STRIDES(array)[ndim - i];
        else if (length != 1)
            return 0;
    }
    return 1;
}

/* The elements that an assignment writes: `count` elements from element `first` on, if they are one piece of the state. */
typedef struct {
    uint64_t first, count;
    int is_one_piece, is_packed; /* is_packed: the value is packed in the same order */
} Extent;

static Extent extent_of(const Hot *hot, const Selection *to) {
    Extent found = {0, 1, 1, 1};
    uint64_t pitch = 1;         /* elements from one index of the axis to the next */
    int64_t packed = hot->size; /* the stride of a packed value */
    int partial = 0;            /* an inner axis is not covered */
    for (int axis = hot->ndim - 1; axis >= 0; axis--) {
        const uint64_t extent = to->extent[axis];
        if (extent > 1) {
            found.is_one_piece &= !partial && to->step[axis] == 1;
            found.is_packed &= to->stride[axis] == packed;
        }
        partial |= extent != hot->shape[axis];
        found.first += to->start[axis] * pitch;
        found.count *= extent;
        packed *= (int64_t)extent;
        pitch *= hot->shape[axis];
    }
    if (found.count == 0)
        found.first = 0;
    return found;
}

static bb_status assign(Target to, const Extent *extent, uint32_t size, int is_number, const bb_region *region) {
    const bb_update range = {extent->first * size, extent->count, region->data, region->field, 0};
    if (extent->is_one_piece && extent->is_packed)
        return write_update(to, &range);
    return extent->is_one_piece && is_number ? write_fill(to, &range) : write_region(to, region);
}

/* Returns as `done` does; also NULL without an exception if the Python method must convert or refuse something. */
static PyObject *try_assign(PyObject *self, PyObject *index, PyObject *value) {
    const Hot *hot = (const Hot *)self;
    Selection to;
    Element element;
    Extent extent;
    bb_region region = {
        .start = to.start, .extent = to.extent, .step = to.step, .strides = to.stride, .field = hot->field};
    Target target;
    bb_status status;
    int is_number;
    if (!select_index(hot, index, &to) ||
        !(target = target_of(hot)).handle) /* the index may run Python code, so first */
        return NULL;
    memset(to.stride, 0, sizeof to.stride);
    if ((is_number = element_of(hot, value, element)))
        region.data = element;
    else if (broadcast(hot, value, &to))
        region.data = PyArray_DATA((PyArrayObject *)value);
    else
        return NULL;
    extent = extent_of(hot, &to);
    if (extent.count <= LONG_BYTES / hot->size) {
        status = assign(target, &extent, hot->size, is_number, &region);
    } else {
        const uint32_t size = hot->size;
        Py_BEGIN_ALLOW_THREADS status = assign(target, &extent, size, is_number, &region);
        Py_END_ALLOW_THREADS
    }
    count_bytes(self, extent.count * hot->size);
    return done(self, status);
}

int hot_assign(PyObject *self, PyObject *index, PyObject *value) {
    PyObject *result = NULL;
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "elements of a state cannot be deleted: assign to them");
        return -1;
    }
    if (target_of((const Hot *)self).handle)
        result = try_assign(self, index, value);
    if (!result && !PyErr_Occurred()) {
        count_bytes(self, UINT64_MAX);
        result = PyObject_CallMethod(self, "_assign", "OO", index, value);
    }
    Py_XDECREF(result);
    return result ? 0 : -1;
}
