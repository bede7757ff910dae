"""Uses the library by ctypes alone: `ctypes_program.py PATH_OF_LIBBACKBUF` prints the published state."""

import ctypes
import sys

FOREVER = 2**64 - 1
F32 = 11


class Update(ctypes.Structure):
    _fields_ = [("byte_offset", ctypes.c_uint64), ("count", ctypes.c_uint64), ("data", ctypes.c_void_p)]


class Front(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.POINTER(ctypes.c_float)),
        *((name, ctypes.c_uint64) for name in ("bytes", "epoch", "tag")),
        ("lease", ctypes.c_void_p),
    ]


bb = ctypes.CDLL(sys.argv[1])
bb.bb_last_error.restype = ctypes.c_char_p


def check(status):
    if status != 0:
        raise RuntimeError(bb.bb_last_error().decode())


m, front = ctypes.c_void_p(), Front()
check(bb.bb_manager_create(F32, 2, (ctypes.c_uint64 * 2)(2, 3), None, ctypes.byref(m)))
values = (ctypes.c_float * 2)(1.5, 2.5)
update = Update(4, 2, ctypes.addressof(values))
check(bb.bb_manager_enqueue_update(m, ctypes.byref(update), ctypes.c_uint64(FOREVER)))
check(bb.bb_manager_synchronize(m, ctypes.c_uint64(FOREVER)))
check(bb.bb_manager_acquire_front(m, ctypes.byref(front)))
print(front.epoch, front.data[: front.bytes // 4])
check(bb.bb_lease_release(ctypes.c_void_p(front.lease)))
check(bb.bb_manager_destroy(m))
