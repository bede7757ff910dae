/**
 * @file
 * backbuf.h: the C interface of backbuf: double-buffered state, byte rings, buffers on devices, and memory layout for CUDA.
 *
 * Generated from src/ffi by `make header`; do not edit.
 *
 * Conventions
 *
 * - Every function that can fail returns a bb_status: BB_OK or a negative failure. A refused call changes nothing and writes
 *   no output; bb_last_error() returns its message. Calls that move bytes through a ring are the exception: they always write
 *   the number of bytes moved. BB_E_FULL, BB_E_EMPTY, BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED of a ring or a stream set
 *   no message: bb_last_error() is empty then.
 * - Objects are opaque typed pointers whose value is a checked id, never an address. Destroying NULL has no effect. Pointers to
 *   memory are trusted; NULL with length 0 is allowed.
 * - A "handle status" is one of BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED: the handle does not
 *   name a live object of its type, or (BB_E_NULL) another required pointer is NULL. Every function that takes a handle may
 *   return it; one that accepts a NULL handle does not return BB_E_NULL.
 * - A "device status" is one of BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_DEVICE_LOST, BB_E_INTERRUPTED, BB_E_TIMEOUT: the work
 *   that the call needs from its device failed. BB_E_TIMEOUT means that the host has not polled a host-driven device for 30 s.
 * - Besides the listed statuses, any call with a handle may return BB_E_OUT_OF_MEMORY or BB_E_LIMIT (in its thread's first call,
 *   if the thread cannot be registered) and BB_E_RECURSIVE (more than 8 nested calls of one thread, through callbacks).
 * - Memory whose size the caller decides (states, queues, rings, pools, batches, buffers, layouts) is allocated fallibly:
 *   BB_E_OUT_OF_MEMORY. The library's own small bookkeeping uses the ordinary allocator, whose failure ends the process.
 * - Timeouts are nanoseconds on the monotonic clock: 0 does not wait, BB_FOREVER waits without limit.
 * - Structs that begin with struct_size may grow: a smaller size means an older caller, and bytes beyond this version's struct
 *   must be zero. Fill them by their _init function. A struct_size above 65536 is taken for an uninitialised struct:
 *   BB_E_VERSION.
 * - A callback is a function, its user_data and, where the library keeps it, a function that releases user_data: it is called
 *   exactly once, after the last call of the callback has returned. The library holds no lock during a callback. A callback
 *   must not throw, longjmp or end its thread. A call that fails keeps nothing: user_data stays the caller's.
 * - Every function exists since version 0.1 and may be called from any thread, unless its documentation says otherwise.
 * - The realtime line of a function says what a call costs a real-time thread: in the worst case first, then under conditions.
 *   A cost has three parts. Progress: "wait-free" (a bounded number of steps), "lock-free" (a step is repeated only when another
 *   thread has progressed), "may spin" (polls for some microseconds), "may block" (may sleep, or wait for a lock). System calls:
 *   "no" or "may make a". Allocation: whether memory is taken or freed, which may take the allocator's lock. Not included: the
 *   first call of a thread and its first lease, which allocate and make system calls; page faults; the clock, on systems that
 *   read it by a system call; callbacks and the log function of the program; calls that are refused because of a handle. An
 *   end of a ring "only polls" while it neither waits, nor has armed its descriptor, nor feeds a manager.
 * - Only bb_debug_dump_fd() is async-signal-safe. A panic inside the library is returned as BB_E_PANIC.
 */


#ifndef BACKBUF_H
#define BACKBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The version of this header; the library's own is bb_version().
 * @{
 */
#define BB_VERSION_MAJOR 0
#define BB_VERSION_MINOR 1
#define BB_VERSION_PATCH 0
/** @} */

/** Linkage of the functions; may be defined before, for example as nothing. */
#ifndef BB_API
#if defined(__GNUC__)
#define BB_API __attribute__((visibility("default")))
#else
#define BB_API
#endif
#endif

/** Functions that create or reserve something: the compiler warns about a call whose status is not used. */
#ifndef BB_MUST_USE
#if defined(__GNUC__)
#define BB_MUST_USE __attribute__((warn_unused_result))
#else
#define BB_MUST_USE
#endif
#endif

/**
 * Durations in nanoseconds.
 * @{
 */
#define BB_US(n) ((uint64_t)(n) * 1000u)
#define BB_MS(n) ((uint64_t)(n) * 1000000u)
#define BB_SEC(n) ((uint64_t)(n) * 1000000000u)
/** @} */

/** The dtype of opaque elements of `size` bytes, 1 to 2^31 - 1. */
#define BB_OPAQUE(size) (UINT32_C(0x80000000) | (uint32_t)(size))

/** bb_manager_config.worker_priority: SCHED_FIFO at real-time priority p, 1 to 99. */
#define BB_REALTIME(p) (100 + (p))

/** A manager whose state is in host memory: the name of its class in Python. Every function that takes a bb_manager takes it. */
typedef struct bb_manager CBufferManager;
#ifndef __cplusplus
/** A registry: the name of its class in C++, Rust and Python. */
typedef struct bb_registry BufferRegistry;
#endif


/**
 * The longest timeout: waits without limit. Timeouts are nanoseconds on the monotonic clock; 0 does not wait.
 */
#define BB_FOREVER UINT64_MAX

/**
 * `bb_set_wait_flags()`: a wait of the thread ends with `BB_E_INTERRUPTED` when the thread handles a signal.
 */
#define BB_WAIT_INTERRUPTIBLE 1

/**
 * `bb_set_wait_policy()`: a wait spins for as long as a sleep would cost, and sleeps at once where that did not help. The default.
 */
#define BB_WAIT_POLICY_ADAPTIVE 0

/**
 * `bb_set_wait_policy()`: a wait sleeps at once.
 */
#define BB_WAIT_POLICY_SLEEP 1

/**
 * `bb_set_wait_policy()`: a wait spins for the given time before it sleeps.
 */
#define BB_WAIT_POLICY_SPIN 2

/**
 * The longest spin of a wait, in nanoseconds.
 */
#define BB_WAIT_MAX_SPIN_NS 100000

/**
 * Log nothing.
 */
#define BB_LOG_OFF 0

/**
 * Log failures.
 */
#define BB_LOG_ERROR 1

/**
 * Log also warnings: stalls, leaks, failed callbacks.
 */
#define BB_LOG_WARN 2

/**
 * Log also creation and destruction of objects, and the choices made.
 */
#define BB_LOG_INFO 3

/**
 * Log everything.
 */
#define BB_LOG_DEBUG 4

/**
 * The most dimensions of a state.
 */
#define BB_MAX_DIMS 16

/**
 * `bb_manager_config.worker`: callers and the worker apply updates.
 */
#define BB_WORKER_SHARED 0

/**
 * `bb_manager_config.worker`: only the worker applies updates.
 */
#define BB_WORKER_ONLY 1

/**
 * `bb_manager_config.max_extra_copies`: the default, which is 24, or 0 if `copies` is 2 or the manager is on a
 * device.
 */
#define BB_EXTRA_COPIES_AUTO UINT32_MAX

/**
 * `bb_kernel.flags`: may run on any thread that applies updates, not only on the worker.
 */
#define BB_KERNEL_ANY_THREAD 1

/**
 * `bb_kernel.flags`: overwrites all of its range, so that the range is not copied forward first.
 */
#define BB_KERNEL_OVERWRITES 2

/**
 * `field` of `bb_front_changes()`: the whole state, with offsets from its start.
 */
#define BB_ALL_FIELDS UINT32_MAX

/**
 * `bb_manager_reserve_back()`: the back copy contains the current state.
 */
#define BB_BACK_KEEP 0

/**
 * `bb_manager_reserve_back()`: the caller overwrites all of the back copy, so that nothing is copied to it first.
 */
#define BB_BACK_DISCARD 1

/**
 * The calling thread owns the device: the device's work runs in `bb_device_poll()` and in waits on that thread.
 *
 * When that thread ends, the device is lost: every call on it fails with BB_E_DEVICE_LOST, and queued calls and
 * pending requests complete with it, with their callbacks on that thread. Mapped bytes stay valid.
 * `bb_device_destroy()` on any thread ends the handle.
 */
#define BB_DEVICE_HOST_DRIVEN 1

/**
 * `bb_device_info.kind`: host memory.
 */
#define BB_DEVICE_HOST 1

/**
 * `bb_device_info.kind`: OpenGL.
 */
#define BB_DEVICE_GL 2

/**
 * `bb_device_info.kind`: WebGPU.
 */
#define BB_DEVICE_WGPU 3

/**
 * `bb_device_info.kind`: a driver of the program.
 */
#define BB_DEVICE_CUSTOM 4

/**
 * `bb_buffer_desc.usage`: vertex data.
 */
#define BB_USAGE_VERTEX 1

/**
 * `bb_buffer_desc.usage`: index data.
 */
#define BB_USAGE_INDEX 2

/**
 * `bb_buffer_desc.usage`: uniforms of shaders.
 */
#define BB_USAGE_UNIFORM 4

/**
 * `bb_buffer_desc.usage`: storage that shaders read and write.
 */
#define BB_USAGE_STORAGE 8

/**
 * `bb_buffer_desc.usage`: source of copies.
 */
#define BB_USAGE_COPY_SRC 16

/**
 * `bb_buffer_desc.usage`: destination of copies.
 */
#define BB_USAGE_COPY_DST 32

/**
 * `bb_buffer_desc.usage`: mapped for reading. Combines with `BB_USAGE_COPY_DST` only.
 */
#define BB_USAGE_MAP_READ 64

/**
 * `bb_buffer_desc.usage`: mapped for writing. Combines with `BB_USAGE_COPY_SRC` only.
 */
#define BB_USAGE_MAP_WRITE 128

/**
 * `bb_buffer_desc.usage`: parameters of indirect draws.
 */
#define BB_USAGE_INDIRECT 256

/**
 * Map for reading.
 */
#define BB_MAP_READ 1

/**
 * Map for writing. Bytes that are not written keep their values.
 */
#define BB_MAP_WRITE 2

/**
 * The size from the offset to the end of the buffer, or of the mapped range.
 */
#define BB_WHOLE_SIZE UINT64_MAX

/**
 * `bb_readback_config.when_full`: a read fails with BB_E_FULL.
 */
#define BB_READBACK_SKIP 0

/**
 * `bb_readback_config.when_full`: a read waits until a reading is released, for `timeout_ns` at most.
 */
#define BB_READBACK_WAIT 1

/**
 * `bb_readback_config.when_full`: a read takes the buffer of the oldest reading whose bytes are not in use; that
 * reading ends with BB_E_ABORTED.
 */
#define BB_READBACK_DROP_OLDEST 2

/**
 * `bb_dynamic_config.policy`: an update waits for the oldest frame, for `timeout_ns` at most.
 */
#define BB_RING_BLOCK 0

/**
 * `bb_dynamic_config.policy`: an update fails with BB_E_FULL.
 */
#define BB_RING_FAIL 1

/**
 * `bb_dynamic_config.policy`: the ring grows, up to `most` bytes; it shrinks again when it is idle.
 */
#define BB_RING_GROW 2

/**
 * `bb_spsc_config.flags`: a second thread that uses an end at the same time gets `BB_E_BUSY`, at the cost of an
 * atomic exchange per call. Without this flag two threads at once mix up their bytes, and do no other harm.
 */
#define BB_SPSC_CHECKED 1

/**
 * `bb_spsc_config.flags`: no adaptive pauses. Without this flag an end that keeps up with a stream of tiny chunks
 * pauses for a fraction of a microsecond, so that bytes gather and the throughput multiplies.
 */
#define BB_SPSC_NO_BACKOFF 2

/**
 * The first two bytes of a record of a feed, as a number.
 */
#define BB_FEED_MAGIC 65261

/**
 * The version of the record format that this library writes.
 */
#define BB_FEED_VERSION 1

/**
 * `bb_registry_buffer.location`: the block's shared memory.
 */
#define BB_LOCATION_SHARED 1

/**
 * `bb_registry_buffer.location`: local memory of the thread, or its persistent array if the buffer is persistent.
 */
#define BB_LOCATION_LOCAL 2

/**
 * `bb_registry_update_buffer()`: change the size.
 */
#define BB_FIELD_SIZE 1

/**
 * `bb_registry_update_buffer()`: change the location.
 */
#define BB_FIELD_LOCATION 2

/**
 * `bb_registry_update_buffer()`: change whether it is persistent.
 */
#define BB_FIELD_PERSISTENT 4

/**
 * `bb_registry_update_buffer()`: change the alias.
 */
#define BB_FIELD_ALIASES 8

/**
 * `bb_registry_update_buffer()`: change the precision.
 */
#define BB_FIELD_PRECISION 16

/**
 * `bb_registry_update_buffer()`: change the lifetime.
 */
#define BB_FIELD_LIFETIME 32

/**
 * `shared_per`: one shared region per block.
 */
#define BB_SHARED_PER_BLOCK 1

/**
 * `shared_per`: one shared region per thread of a block.
 */
#define BB_SHARED_PER_THREAD 2

/**
 * `bb_allocator.space`: the shared region.
 */
#define BB_SPACE_SHARED 1

/**
 * `bb_allocator.space`: the thread's persistent region.
 */
#define BB_SPACE_PERSISTENT 2

/**
 * `bb_allocator.space`: a separate local array.
 */
#define BB_SPACE_LOCAL 3

/**
 * `bb_allocator.origin`: not an alias.
 */
#define BB_ORIGIN_OWN 1

/**
 * `bb_allocator.origin`: a slice of its alias target.
 */
#define BB_ORIGIN_ALIASED 2

/**
 * `bb_allocator.origin`: an alias whose target had no space for it or was not shared; placed by its own location.
 */
#define BB_ORIGIN_FELL_BACK 3

/**
 * Unknown number of bytes: the region mixes precisions, and the layout is not typed.
 */
#define BB_NO_BYTES UINT64_MAX

/**
 * `bb_fit.bound`: shared memory limits the blocks on a multiprocessor.
 */
#define BB_BOUND_SHARED 1

/**
 * `bb_fit.bound`: registers limit them.
 */
#define BB_BOUND_REGISTERS 2

/**
 * `bb_fit.bound`: threads limit them.
 */
#define BB_BOUND_THREADS 3

/**
 * `bb_fit.bound`: the maximum number of blocks limits them.
 */
#define BB_BOUND_BLOCKS 4

/**
 * The most fields of a manager.
 */
#define BB_MAX_FIELDS 1024

/**
 * Bytes of the longest name of a field, and its NUL.
 */
#define BB_FIELD_NAME_SIZE 256

/**
 * The result of every call that can fail: `BB_OK` or a negative failure. A number is never reused.
 *
 * `bb_status_string()` explains a status, and `bb_last_error()` explains the calling thread's last refused call.
 */
enum bb_status
#ifdef __cplusplus
  : int32_t
#endif // __cplusplus
 {
    /**
     * Done.
     */
    BB_OK = 0,
    /**
     * A required pointer is NULL.
     */
    BB_E_NULL = -1,
    /**
     * Not a handle of this library.
     */
    BB_E_HANDLE = -2,
    /**
     * The object behind the handle has been destroyed.
     */
    BB_E_STALE = -3,
    /**
     * The handle belongs to an object of another kind.
     */
    BB_E_KIND = -4,
    /**
     * The handle was made by another copy of the library in this process.
     */
    BB_E_FOREIGN = -5,
    /**
     * An unknown value, enum, flag or shape, or text that is not UTF-8.
     */
    BB_E_ARGUMENT = -6,
    /**
     * An offset is not a multiple of the element size.
     */
    BB_E_ALIGN = -7,
    /**
     * Out of bounds, or a sum that overflows.
     */
    BB_E_RANGE = -8,
    /**
     * A `struct_size` that this version does not support.
     */
    BB_E_VERSION = -9,
    /**
     * Not available in this build or on this system.
     */
    BB_E_UNSUPPORTED = -10,
    /**
     * More than the library or the system can hold.
     */
    BB_E_LIMIT = -11,
    /**
     * Out of memory.
     */
    BB_E_OUT_OF_MEMORY = -12,
    /**
     * Not allowed in the object's present state.
     */
    BB_E_STATE = -13,
    /**
     * Another call is using the object.
     */
    BB_E_BUSY = -14,
    /**
     * Full: no space at this moment.
     */
    BB_E_FULL = -15,
    /**
     * Empty: nothing to receive at this moment.
     */
    BB_E_EMPTY = -16,
    /**
     * The timeout expired.
     */
    BB_E_TIMEOUT = -17,
    /**
     * The object is closed.
     */
    BB_E_CLOSED = -18,
    /**
     * Leases hold every copy that could be written.
     */
    BB_E_PINNED = -19,
    /**
     * Backend work outlasted the watchdog.
     */
    BB_E_STALLED = -20,
    /**
     * The backend reported a failure.
     */
    BB_E_BACKEND = -21,
    /**
     * The device is lost.
     */
    BB_E_DEVICE_LOST = -22,
    /**
     * The request was aborted by its owner.
     */
    BB_E_ABORTED = -23,
    /**
     * The request was cancelled.
     */
    BB_E_CANCELLED = -24,
    /**
     * Not allowed inside a callback, or inside a call on the same object.
     */
    BB_E_RECURSIVE = -25,
    /**
     * A signal or the thread's wait check ended the wait.
     */
    BB_E_INTERRUPTED = -26,
    /**
     * Not allowed on this thread.
     */
    BB_E_WRONG_THREAD = -27,
    /**
     * The handle was made before a fork.
     */
    BB_E_FORKED = -28,
    /**
     * An earlier panic left the object unusable; it can be queried and destroyed.
     */
    BB_E_POISONED = -29,
    /**
     * A panic was caught inside the library.
     */
    BB_E_PANIC = -30,
    /**
     * The name is already registered.
     */
    BB_E_EXISTS = -31,
    /**
     * No such parent.
     */
    BB_E_NO_PARENT = -32,
    /**
     * No such name.
     */
    BB_E_NO_NAME = -33,
    /**
     * An alias of itself.
     */
    BB_E_ALIAS_SELF = -34,
    /**
     * The alias target is missing.
     */
    BB_E_ALIAS_MISSING = -35,
    /**
     * The alias target comes later, or the aliases form a cycle.
     */
    BB_E_ALIAS_ORDER = -36,
};
#ifndef __cplusplus
typedef int32_t bb_status;
#endif // __cplusplus

/**
 * State of a buffer.
 */
enum bb_buffer_state
#ifdef __cplusplus
  : uint32_t
#endif // __cplusplus
 {
    /**
     * No memory is allocated yet.
     */
    BB_BUFFER_UNINITIALIZED = 0,
    /**
     * Ready: the device may use it.
     */
    BB_BUFFER_READY = 1,
    /**
     * Mapped: the host may access the mapped bytes.
     */
    BB_BUFFER_MAPPED = 2,
    /**
     * A map request is pending.
     */
    BB_BUFFER_MAP_PENDING = 3,
    /**
     * Destroyed: its memory has been freed.
     */
    BB_BUFFER_DESTROYED = 4,
};
#ifndef __cplusplus
typedef uint32_t bb_buffer_state;
#endif // __cplusplus

/**
 * Element types. Opaque elements of a given size are `BB_OPAQUE(size)`.
 */
enum bb_dtype
#ifdef __cplusplus
  : uint32_t
#endif // __cplusplus
 {
    /**
     * uint8_t
     */
    BB_U8 = 1,
    /**
     * uint16_t
     */
    BB_U16 = 2,
    /**
     * uint32_t
     */
    BB_U32 = 3,
    /**
     * uint64_t
     */
    BB_U64 = 4,
    /**
     * int8_t
     */
    BB_I8 = 5,
    /**
     * int16_t
     */
    BB_I16 = 6,
    /**
     * int32_t
     */
    BB_I32 = 7,
    /**
     * int64_t
     */
    BB_I64 = 8,
    /**
     * IEEE 754 half precision
     */
    BB_F16 = 9,
    /**
     * bfloat16
     */
    BB_BF16 = 10,
    /**
     * float
     */
    BB_F32 = 11,
    /**
     * double
     */
    BB_F64 = 12,
    /**
     * one byte, 0 or 1
     */
    BB_BOOL = 13,
    /**
     * two floats: real, imaginary
     */
    BB_C64 = 14,
    /**
     * two doubles: real, imaginary
     */
    BB_C128 = 15,
};
#ifndef __cplusplus
typedef uint32_t bb_dtype;
#endif // __cplusplus

/**
 * State of a manager: `bb_manager_info.state`.
 */
enum bb_manager_state
#ifdef __cplusplus
  : uint32_t
#endif // __cplusplus
 {
    /**
     * Open: accepts work.
     */
    BB_MANAGER_OPEN = 0,
    /**
     * Closing: publishes accepted work, and accepts no more.
     */
    BB_MANAGER_CLOSING = 1,
    /**
     * Closed: fronts stay readable.
     */
    BB_MANAGER_CLOSED = 2,
    /**
     * A panic was caught; only queries and destroy work.
     */
    BB_MANAGER_POISONED = 3,
};
#ifndef __cplusplus
typedef uint32_t bb_manager_state;
#endif // __cplusplus

/**
 * The type of a record of a feed.
 */
enum bb_feed_type
#ifdef __cplusplus
  : uint8_t
#endif // __cplusplus
 {
    /**
     * Writes the payload at the offset.
     */
    BB_FEED_WRITE = 1,
    /**
     * Writes one element many times at the offset. The payload is the count as 64 bits, then the element.
     */
    BB_FEED_FILL = 2,
    /**
     * Sets the tag; `offset` is the tag, and there is no payload.
     */
    BB_FEED_TAG = 3,
    /**
     * Applies the records that are its payload as one.
     */
    BB_FEED_BATCH = 4,
};
#ifndef __cplusplus
typedef uint8_t bb_feed_type;
#endif // __cplusplus

/**
 * A batch: updates that are enqueued together and published in one epoch. Made by `bb_batch_begin()`.
 */
typedef struct bb_batch bb_batch;

/**
 * A buffer of a device that the host can map. Made by `bb_buffer_create()`.
 */
typedef struct bb_buffer bb_buffer;

/**
 * A staging buffer for repeated uploads to the device. Made by `bb_deferred_staging_create()`.
 */
typedef struct bb_deferred_staging bb_deferred_staging;

/**
 * A device: buffers and a submission timeline, on host memory, OpenGL, WebGPU or a driver of the program. Made by
 * `bb_device_create_host()`, `bb_device_create_gl()`, `bb_device_create_wgpu()` and `bb_device_create_driver()`.
 */
typedef struct bb_device bb_device;

/**
 * A device buffer: memory that only the device accesses. Made by `bb_device_buffer_create()`.
 */
typedef struct bb_device_buffer bb_device_buffer;

/**
 * A dynamic buffer: data that changes with every frame. Made by `bb_dynamic_create()`.
 */
typedef struct bb_dynamic bb_dynamic;

/**
 * An encoder: records copies and writes for a submit. Made by `bb_encoder_create()`.
 */
typedef struct bb_encoder bb_encoder;

/**
 * A feed: a ring whose records a manager applies. Made by `bb_manager_feed()`.
 */
typedef struct bb_feed bb_feed;

/**
 * A staging buffer for one upload to the device. Made by `bb_immediate_staging_create()`.
 */
typedef struct bb_immediate_staging bb_immediate_staging;

/**
 * A lease: memory that stays valid until it is released. Made by `bb_manager_acquire_front()` and
 * `bb_stream_next()`.
 */
typedef struct bb_lease bb_lease;

/**
 * A manager: one double-buffered state with its worker thread. Made by `bb_manager_create()`.
 */
typedef struct bb_manager bb_manager;

/**
 * A ring of buffers to which data of the device is read back. Made by `bb_readback_create()`.
 */
typedef struct bb_readback bb_readback;

/**
 * A read of a device buffer, pending or done. Made by `bb_readback_read()`.
 */
typedef struct bb_reading bb_reading;

/**
 * The receiving end of a ring of bytes. Made by `bb_spsc_create()`.
 */
typedef struct bb_receiver bb_receiver;

/**
 * A registry: named buffers of CUDA kernels and their layout. Made by `bb_registry_create()`.
 */
typedef struct bb_registry bb_registry;

/**
 * A map request. Made by `bb_buffer_map_async()`.
 */
typedef struct bb_request bb_request;

/**
 * The sending end of a ring of bytes. Made by `bb_spsc_create()`.
 */
typedef struct bb_sender bb_sender;

/**
 * A stream: the bytes of a ring, received as chunks that can be kept. Made by `bb_spsc_into_stream()`.
 */
typedef struct bb_stream bb_stream;

/**
 * A task: labelled backend work that a publish waits for. Made by `bb_task_begin()`.
 */
typedef struct bb_task bb_task;

/**
 * A watch: a subscription to the epochs of a manager. Made by `bb_watch_create()`.
 */
typedef struct bb_watch bb_watch;

/**
 * Releases `user_data`: called exactly once, after its last use.
 */
typedef void (*bb_drop_fn)(void *user_data);

/**
 * Takes one log record: its level, the module of the library, the label of the object (may be empty) and the text.
 * The strings are NUL-terminated and valid during the call.
 */
typedef void (*bb_log_fn)(uint32_t level, const char *part, const char *label, const char *text, void *user_data);

/**
 * One log record of the queue, as `bb_log_next()` returns it.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * `BB_LOG_ERROR` to `BB_LOG_DEBUG`.
     */
    uint32_t level;
    /**
     * Records lost between the previous one and this one because the queue was full. Records lost after the last one
     * in the queue are not reported.
     */
    uint64_t lost;
    /**
     * Module of the library, NUL-terminated.
     */
    char part[16];
    /**
     * Label of the object, NUL-terminated; may be empty.
     */
    char label[64];
    /**
     * The text, NUL-terminated.
     */
    char text[1024];
} bb_log_record;

/**
 * Decides whether a wait of the calling thread continues: 0 continues it, any other number ends it with
 * `BB_E_INTERRUPTED`.
 */
typedef int32_t (*bb_wait_check_fn)(void *user_data);

/**
 * A wait check with its user data.
 */
typedef struct {
    /**
     * The function, or NULL for no check.
     */
    bb_wait_check_fn function;
    /**
     * Passed to it.
     */
    void *user_data;
} bb_wait_check;

/**
 * Takes a piece of text: `length` bytes, not NUL-terminated.
 */
typedef void (*bb_write_fn)(const char *text, uint64_t length, void *user_data);

/**
 * Waits for the backend before a publish. Returns 0 on success, else a code that the message of `BB_E_BACKEND`
 * contains. Runs on the worker only, never twice at once. It may enqueue, but not synchronize or destroy, and must
 * not throw.
 */
typedef int32_t (*bb_flush_fn)(void *user_data);

/**
 * Parameters of a new manager. Fill it by `bb_manager_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * Physical copies of the state: 2 to 8, 3 by default; 2 is strict double buffering. The third and later ones
     * take memory only while leases hold the others.
     */
    uint32_t copies;
    /**
     * Label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
    /**
     * The state's bytes at epoch 0, or NULL for zeros. Read during the call only.
     */
    const void *initial;
    /**
     * Capacity of the queue in bytes, 1 MiB by default.
     */
    uint64_t queue_bytes;
    /**
     * Nanoseconds after which a flush or a task is reported as stalled, once, to the calls that wait for it; 2 s by
     * default, 0 for never.
     */
    uint64_t watchdog_ns;
    /**
     * Bytes of the backlog that a caller applies before the worker takes over, 256 KiB by default.
     */
    uint64_t caller_budget_bytes;
    /**
     * Waits for the backend before each publish, or NULL.
     */
    bb_flush_fn flush;
    /**
     * Passed to `flush`.
     */
    void *flush_user_data;
    /**
     * Releases `flush_user_data` when `flush` will not be called again; may be NULL. Without a `flush`, it is called
     * when the manager is created.
     */
    bb_drop_fn flush_drop;
    /**
     * `BB_WORKER_SHARED` or `BB_WORKER_ONLY`.
     */
    uint32_t worker;
    /**
     * Nice value of the worker, -20 to 19, or `BB_REALTIME(1 to 99)`; 0 is normal scheduling with the nice value of
     * the process. The priority of the creating thread is not inherited. If the system refuses the priority, that is
     * logged.
     */
    int32_t worker_priority;
    /**
     * Bit k allows the worker on CPU k; 0 allows every CPU that the process could use when the library was loaded.
     * The affinity of the creating thread is not inherited.
     */
    uint64_t worker_affinity;
    /**
     * Copies that may be added while leases hold all of `copies`, so that readers never block the producer; at most
     * 32 together with `copies`. They take memory on demand and return it after a second or two without use. The
     * default, `BB_EXTRA_COPIES_AUTO`, is 24, but 0 if `copies` is 2 or the manager is on a device, where slots are
     * fixed and any other number is refused.
     */
    uint32_t max_extra_copies;
    /**
     * The last epochs whose changes `bb_front_changes()` can name: 64 by default, at most 1024; 0 records none. Each
     * takes 88 to 2072 bytes, depending on the size of the state.
     */
    uint32_t history;
    /**
     * The device that gets a copy of each front, or NULL for host memory alone. NULL for `bb_manager_create_gl()`.
     */
    bb_device *device;
} bb_manager_config;

/**
 * State of a wait for a ticket that is polled, for example by an event loop. Zeros begin a wait.
 */
typedef struct {
    /**
     * Nanoseconds after which to poll again, if the watch has not become readable before; BB_FOREVER without a
     * watchdog.
     */
    uint64_t poll_after_ns;
    /**
     * Internal to the library.
     */
    uint64_t state[4];
} bb_ticket_poll;

/**
 * An update: elements to be copied into the state.
 */
typedef struct {
    /**
     * Destination in bytes from the start of the field, a multiple of the element size.
     */
    uint64_t byte_offset;
    /**
     * Number of elements.
     */
    uint64_t count;
    /**
     * The elements, of any alignment; may be NULL if `count` is 0.
     */
    const void *data;
    /**
     * Index of the field; 0 for a manager made without fields.
     */
    uint32_t field;
    /**
     * 0.
     */
    uint32_t reserved;
} bb_update;

/**
 * An update of an N-d region, as in `state[2:5, ::2] = data`. Each array has one entry per dimension of the field.
 */
typedef struct {
    /**
     * The first index along each axis.
     */
    const uint64_t *start;
    /**
     * Number of indices along each axis.
     */
    const uint64_t *extent;
    /**
     * Step along each axis in elements, may be negative; NULL for 1 everywhere.
     */
    const int64_t *step;
    /**
     * The elements, of any alignment; may be NULL if an extent is 0.
     */
    const void *data;
    /**
     * Strides of `data` along each axis in bytes, may be 0 or negative; NULL if `data` is packed and row-major.
     */
    const int64_t *strides;
    /**
     * Index of the field; 0 for a manager made without fields.
     */
    uint32_t field;
    /**
     * 0.
     */
    uint32_t reserved;
} bb_region;

/**
 * Releases borrowed data: called exactly once for each call that accepted the data.
 */
typedef void (*bb_release_fn)(void *user_data);

/**
 * Changes a range of the back copy, which contains every earlier update. `front` is the same range of the newest
 * published epoch; both have `count` elements. It runs once. It may enqueue, but not synchronize or destroy, and
 * must not throw.
 */
typedef void (*bb_kernel_fn)(void *back, const void *front, uint64_t count, void *user_data);

/**
 * A kernel: a function that changes a range of the state, in order with the other updates.
 */
typedef struct {
    /**
     * Called once, on the worker unless `flags` allow other threads.
     */
    bb_kernel_fn function;
    /**
     * Passed to both functions.
     */
    void *user_data;
    /**
     * Releases `user_data`, on the worker; may be NULL.
     */
    bb_drop_fn drop;
    /**
     * Start of the range in bytes from the start of the field.
     */
    uint64_t byte_offset;
    /**
     * Number of elements.
     */
    uint64_t count;
    /**
     * `BB_KERNEL_ANY_THREAD`, `BB_KERNEL_OVERWRITES`, or 0.
     */
    uint32_t flags;
    /**
     * Index of the field; 0 for a manager made without fields.
     */
    uint32_t field;
} bb_kernel;

/**
 * The newest published copy of a state. Its bytes do not change until the lease is released.
 */
typedef struct {
    /**
     * The state, aligned to 64 bytes.
     */
    const void *data;
    /**
     * Its bytes.
     */
    uint64_t bytes;
    /**
     * Its epoch.
     */
    uint64_t epoch;
    /**
     * The newest tag enqueued before its publish; 0 if there is none.
     */
    uint64_t tag;
    /**
     * Release it with `bb_lease_release()`.
     */
    bb_lease *lease;
} bb_front;

/**
 * A range of bytes.
 */
typedef struct {
    /**
     * Its first byte.
     */
    uint64_t offset;
    /**
     * The number of bytes; not 0.
     */
    uint64_t bytes;
} bb_byte_range;

/**
 * The newest published copy of a state in a buffer of the manager's device.
 */
typedef struct {
    /**
     * The backend's handle of the buffer: what `bb_driver.create_buffer` wrote, an OpenGL name, an address on a host
     * device.
     */
    uint64_t native;
    /**
     * The state's bytes, from the buffer's start.
     */
    uint64_t bytes;
    /**
     * Its epoch.
     */
    uint64_t epoch;
    /**
     * The newest tag enqueued before its publish; 0 if there is none.
     */
    uint64_t tag;
    /**
     * Index of the manager's copy. The buffer of a slot never changes, so that objects made from it may be kept by
     * slot.
     */
    uint32_t slot;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Release it with `bb_lease_release()`; where renderers draw from it on the device (on OpenGL, and on a driver with the
     * functions of renderers), with `bb_lease_release_gl()`.
     */
    bb_lease *lease;
} bb_device_front;

/**
 * The newest published copy of a state in an OpenGL buffer.
 */
typedef struct {
    /**
     * The buffer's name.
     */
    uint32_t buffer;
    /**
     * Index of the manager's copy. The buffer of a slot never changes, so that vertex array objects may be kept by
     * slot.
     */
    uint32_t slot;
    /**
     * Offset of the state in the buffer, in bytes.
     */
    uint64_t offset;
    /**
     * Its bytes.
     */
    uint64_t bytes;
    /**
     * Its epoch.
     */
    uint64_t epoch;
    /**
     * The newest tag enqueued before its publish; 0 if there is none.
     */
    uint64_t tag;
    /**
     * Release it with `bb_lease_release_gl()`.
     */
    bb_lease *lease;
} bb_gl_front;

/**
 * A reservation of the back copy.
 */
typedef struct {
    /**
     * The back copy, aligned to 64 bytes: read and write.
     */
    void *data;
    /**
     * The newest published copy: read only.
     */
    const void *front;
    /**
     * Bytes of each of the two.
     */
    uint64_t bytes;
    /**
     * The epoch of `front`.
     */
    uint64_t epoch;
    /**
     * Identifies the reservation.
     */
    uint64_t token;
} bb_back;

/**
 * Information about a manager.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * A `bb_dtype`, or `BB_OPAQUE(size)`. This and the next three are of the first field.
     */
    uint32_t dtype;
    /**
     * Bytes of an element.
     */
    uint32_t element_size;
    /**
     * Dimensions.
     */
    uint32_t ndim;
    /**
     * Elements along each dimension; zeros beyond `ndim`.
     */
    uint64_t shape[BB_MAX_DIMS];
    /**
     * Bytes of the state: up to the end of the last field.
     */
    uint64_t bytes;
    /**
     * Gets the newest published epoch.
     */
    uint64_t epoch;
    /**
     * The newest published tag.
     */
    uint64_t tag;
    /**
     * Physical copies, without extra ones.
     */
    uint32_t copies;
    /**
     * A `bb_manager_state`.
     */
    uint32_t state;
    /**
     * NUL-terminated.
     */
    char label[64];
    /**
     * Extra copies at most.
     */
    uint32_t max_extra_copies;
    /**
     * Number of fields; 1 if the manager was made without fields.
     */
    uint32_t fields;
} bb_manager_info;

/**
 * Statistics of a manager since its creation.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Updates applied; each update of a batch counts.
     */
    uint64_t updates;
    /**
     * Bytes that updates wrote.
     */
    uint64_t bytes;
    /**
     * Updates applied by callers.
     */
    uint64_t applied_by_caller;
    /**
     * Updates applied by the worker.
     */
    uint64_t applied_by_worker;
    /**
     * Epochs published.
     */
    uint64_t epochs;
    /**
     * Number of times that another copy was written because leases held the next one.
     */
    uint64_t copies_replaced;
    /**
     * Ranges copied forward to a back copy to make it current.
     */
    uint64_t copies_forward;
    /**
     * Bytes of these ranges.
     */
    uint64_t copied_forward_bytes;
    /**
     * Maximum bytes in the queue.
     */
    uint64_t queue_high_water_bytes;
    /**
     * Calls that waited.
     */
    uint64_t waits;
    /**
     * Flushes and tasks that outlasted the watchdog.
     */
    uint64_t stalls;
    /**
     * Leases not released yet.
     */
    uint64_t leases_live;
    /**
     * Leases of this process whose object was destroyed before their release.
     */
    uint64_t leases_leaked;
    /**
     * Updates larger than the queue.
     */
    uint64_t outsized_updates;
    /**
     * Refused calls.
     */
    uint64_t refused_total;
    /**
     * `[k]`: synchronizes that waited or ran a flush for 2^k ns to 2^(k+1) ns.
     */
    uint64_t wait_histogram[64];
    /**
     * Refused calls by `-status`.
     */
    uint64_t refused[40];
    /**
     * Copies that have memory now: two, and those needed because of leases.
     */
    uint64_t copies_present;
    /**
     * Copies beyond `bb_manager_config.copies` that have memory now.
     */
    uint64_t extra_copies;
    /**
     * Maximum of `extra_copies`.
     */
    uint64_t extra_copies_most;
    /**
     * Epoch of the oldest leased front; 0 if none is leased.
     */
    uint64_t oldest_lease_epoch;
    /**
     * Thread id of the thread that took that lease; 0 if none is leased.
     */
    uint64_t oldest_lease_thread;
    /**
     * Minimum age of that lease in nanoseconds. Taking a lease reads no clock: the age counts from the first report,
     * error or query that saw the lease. The lease may be much older.
     */
    uint64_t oldest_lease_age_ns;
    /**
     * Updates applied from feeds.
     */
    uint64_t fed_updates;
    /**
     * Feeds that stopped at a bad record.
     */
    uint64_t feeds_stopped;
} bb_manager_stats;

/**
 * Returns the address of an OpenGL function: `SDL_GL_GetProcAddress`, `glfwGetProcAddress`, `eglGetProcAddress` or
 * similar.
 */
typedef void *(*bb_gl_get_proc)(const char *name);

/**
 * Parameters of a new OpenGL device. All zeros except for `struct_size`, or NULL: a headless device.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
    /**
     * The `EGLDisplay` of the program's own context, to share objects with it; NULL for none.
     */
    void *egl_display;
    /**
     * The `EGLContext` to share objects with; NULL for none. It may be current on any thread, and must exist during
     * the call only.
     */
    void *egl_context;
} bb_gl_config;

/**
 * Parameters of a new WebGPU device. All zeros except for `struct_size`, or NULL: a device on the best adapter.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
    /**
     * The adapter: `vulkan`, `gl`, or part of an adapter's name; case is ignored. NULL or empty prefers a GPU to a
     * driver that renders on the CPU, and Vulkan to OpenGL ES. `noop` is for tests: it needs no driver and runs no
     * shaders.
     */
    const char *adapter;
} bb_wgpu_config;

/**
 * Information about a device.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * `BB_DEVICE_HOST`, `BB_DEVICE_GL`, `BB_DEVICE_WGPU` or `BB_DEVICE_CUSTOM`.
     */
    uint32_t kind;
    /**
     * Maximum size of a buffer in bytes.
     */
    uint64_t max_buffer_size;
    /**
     * Alignment of the offsets of uniform ranges.
     */
    uint64_t uniform_offset_alignment;
    /**
     * Alignment of the offsets of storage ranges.
     */
    uint64_t storage_offset_alignment;
    /**
     * Name of the renderer, NUL-terminated.
     */
    char name[128];
    /**
     * Version of the API and of the driver, NUL-terminated.
     */
    char version[128];
    /**
     * Optional features in use, separated by commas, NUL-terminated.
     */
    char capabilities[128];
    /**
     * NUL-terminated.
     */
    char label[64];
} bb_device_info;

/**
 * Statistics of a device.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * 1 once the device is lost.
     */
    uint32_t lost;
    /**
     * Native buffers created.
     */
    uint64_t buffers_created;
    /**
     * Native buffers deleted.
     */
    uint64_t buffers_deleted;
    /**
     * Bytes of the native buffers that exist.
     */
    uint64_t live_bytes;
    /**
     * Calls run on the owner thread.
     */
    uint64_t calls;
    /**
     * Writes from host memory.
     */
    uint64_t writes;
    /**
     * Bytes of them.
     */
    uint64_t bytes_written;
    /**
     * Copies from buffer to buffer.
     */
    uint64_t copies;
    /**
     * Bytes of them.
     */
    uint64_t bytes_copied;
    /**
     * Ranges mapped.
     */
    uint64_t maps;
    /**
     * Submits, each with a fence.
     */
    uint64_t submits;
    /**
     * Waits for fences that had not been signalled yet.
     */
    uint64_t waits;
    /**
     * Calls of the native API for writes and copies, up to the last submit; 0 if the backend does not count them.
     */
    uint64_t native_calls;
} bb_device_stats;

/**
 * What a driver reports about its device. The library fills it with defaults before it calls `bb_driver.open`.
 */
typedef struct {
    /**
     * Bytes of this struct in the library's version; a driver writes no more.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Maximum size of a buffer in bytes, at least 4; rounded down to a multiple of 4. Default: 2^62.
     */
    uint64_t max_buffer_size;
    /**
     * Offsets of uniform ranges are multiples of it: a power of two. Default: 256.
     */
    uint64_t uniform_offset_alignment;
    /**
     * Offsets of storage ranges are multiples of it: a power of two. Default: 256.
     */
    uint64_t storage_offset_alignment;
    /**
     * Name of the adapter or renderer, NUL-terminated UTF-8. Default: `custom`.
     */
    char name[128];
    /**
     * Version of the API and of the driver, NUL-terminated UTF-8. Default: empty.
     */
    char version[128];
    /**
     * Optional features in use, separated by commas, NUL-terminated UTF-8. Default: empty.
     */
    char capabilities[128];
} bb_driver_info;

/**
 * A device backend as a table of functions: what the program implements to run managers and buffers on an engine's
 * own memory and queue. Zero it, set `struct_size` to `sizeof(bb_driver)`, and set the functions.
 *
 * - Thread: every function but those of renderers runs on the device's owner thread, one call at a time: a thread of the
 *   library, or with `BB_DEVICE_HOST_DRIVEN` the thread that creates the device. A driver without renderers needs no
 *   locks.
 * - Work: `write` and `copy` take effect in the order of their calls. A driver may collect them until `submit`.
 * - Arguments are checked before a call: buffers exist, ranges lie inside of them and have at least one byte, mapped
 *   buffers get no work. A driver need not check them again.
 * - Results: functions with a status return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_BACKEND or BB_E_DEVICE_LOST. Any other
 *   number counts as BB_E_BACKEND. A failed call has changed nothing; its outputs are not read. BB_E_DEVICE_LOST ends
 *   the device; any other failure concerns that call only, and what needed it may be tried again.
 * - Outputs are checked as well: a value that is out of range is BB_E_BACKEND or BB_E_DEVICE_LOST with a message that
 *   names the function. The memory behind `data` is trusted.
 * - A function may use the library, but not its own device (BB_E_RECURSIVE). It must not throw, longjmp, end its thread
 *   or block without end: the behaviour is then undefined. `backbuf::Driver` (backbuf/driver.hpp) catches exceptions.
 * - A forked child calls no function of its parent's drivers.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * The driver's own state: the first argument of every function.
     */
    void *user_data;
    /**
     * Releases `user_data` when the device has ended, after `close`, on the owner thread; may be NULL. Not called if the
     * device could not be created: `user_data` then stays the caller's. Neither it nor `close` is called if the program
     * holds a mapped range of the device when it ends (in Rust): that memory then stays for ever.
     */
    bb_drop_fn drop;
    /**
     * Prepares the driver on the owner thread and describes the device. The first call, made once. A failure is the
     * result of `bb_device_create_driver()`, which may also be BB_E_UNSUPPORTED or BB_E_LIMIT.
     */
    int32_t (*open)(void *user_data, bb_driver_info *info);
    /**
     * Ends what `open` began; may be NULL. Called once if `open` has succeeded, after all buffers are deleted, also if
     * the device could not be created. Not called where the owner thread of a host-driven device has ended without
     * destroying it, nor while mapped bytes of the device are in use.
     */
    void (*close)(void *user_data);
    /**
     * Creates a buffer of `bytes` zeros and writes its handle to `native`: not 0, and not the handle of another buffer
     * that exists. `usage` has the flags of `bb_buffer_desc.usage`. `label` is valid during the call.
     */
    int32_t (*create_buffer)(void *user_data, uint64_t bytes, uint32_t usage, const char *label, uint64_t *native);
    /**
     * As `create_buffer`, and the buffer is mapped for writing as a whole, whatever its usage, until `unmap`. NULL if
     * every new buffer can be mapped by `map`, which is then called instead.
     */
    int32_t (*create_mapped)(void *user_data, uint64_t bytes, uint32_t usage, const char *label, uint64_t *native, void **data);
    /**
     * As `create_buffer`, and the host writes to `data` at any time until `delete_buffer`: a submit sees what was
     * written before it. NULL if there is no such memory.
     */
    int32_t (*create_persistent)(void *user_data, uint64_t bytes, uint32_t usage, const char *label, uint64_t *native, void **data);
    /**
     * Deletes a buffer, also one that is mapped. Work that was given before may still use it: the driver keeps the memory
     * until that work is done.
     */
    void (*delete_buffer)(void *user_data, uint64_t native);
    /**
     * Writes to a buffer. The data is read before the call returns; offset and length have any alignment.
     */
    int32_t (*write)(void *user_data, uint64_t native, uint64_t offset, const void *data, uint64_t bytes);
    /**
     * Copies from one buffer to another one.
     */
    int32_t (*copy)(void *user_data, uint64_t from, uint64_t from_offset, uint64_t to, uint64_t to_offset, uint64_t bytes);
    /**
     * Maps a range and writes its address to `data`: not NULL, and a multiple of 8 if `offset` is. `mode` is
     * `BB_MAP_READ` or `BB_MAP_WRITE`. The work that uses the buffer is done; no work is given to it
     * before `unmap`. A buffer has one mapping at a time.
     */
    int32_t (*map)(void *user_data, uint64_t native, uint32_t mode, uint64_t offset, uint64_t bytes, void **data);
    /**
     * Ends a mapping. After a failure it still exists.
     */
    int32_t (*unmap)(void *user_data, uint64_t native);
    /**
     * Submits all work so far; when it is done, fence `fence` passes. Fences are 1, 2, 3 and so on. A failed submit keeps
     * the work, and the next one has the same number.
     */
    int32_t (*submit)(void *user_data, uint64_t fence);
    /**
     * Waits at most `timeout` nanoseconds, asleep, for a submitted fence; 0 polls. Writes the newest fence that has passed
     * to `completed`, which holds the last one written: it never falls, and is at most the last fence submitted.
     * BB_E_TIMEOUT is also allowed, and counts as BB_OK. A failure loses the device.
     */
    int32_t (*wait)(void *user_data, uint64_t fence, uint64_t timeout, uint64_t *completed);
    /**
     * Returns why the last call has failed: NUL-terminated text for error messages, valid until the next call, or NULL.
     * Called at once after a failure on the owner thread, and not for the functions of renderers. May be NULL.
     */
    const char *(*error_text)(void *user_data);
    /**
     * Returns how many calls of the native API the driver has made for writes and copies:
     * `bb_device_stats.native_calls`. May be NULL.
     */
    uint64_t (*native_calls)(void *user_data);
    /**
     * Writes a fence that passes when all work so far is done, for the queues or contexts of renderers that use the
     * device's buffers; 0 if there is nothing to wait for. `discard_fence` ends it.
     *
     * This function and the six below are the side of the renderers: all of them, or all NULL. With them, a front of a
     * manager waits on the device for its upload and not on the CPU, and a buffer is not written before the renderers'
     * fences have passed. Fences that exist when the device ends are not discarded: `close` ends them.
     */
    int32_t (*export_fence)(void *user_data, uint64_t *fence);
    /**
     * Makes later work of the device wait, on the device, for a fence of `renderer_fence` or `export_fence`, and ends
     * that fence. After a failure it still exists.
     */
    int32_t (*import_fence)(void *user_data, uint64_t fence);
    /**
     * Ends a fence of `export_fence` or `renderer_fence` that nothing will wait for.
     */
    void (*discard_fence)(void *user_data, uint64_t fence);
    /**
     * Returns BB_OK if the calling thread can use the device's buffers: for example, if a context that shares them is
     * current on it. Otherwise BB_E_STATE, which is the result of the call that acquires or releases a front.
     *
     * This function and the three below run on the program's threads, also several at once and beside the functions of
     * the owner thread. None begins after `close`, which waits for them.
     */
    int32_t (*check_renderer)(void *user_data);
    /**
     * Makes later work of the calling thread's queue or context wait, on the device, for a fence of `export_fence`. The
     * fence stays.
     */
    void (*renderer_wait)(void *user_data, uint64_t fence);
    /**
     * Writes a fence that passes when all work of the calling thread's queue or context so far is done; 0 if there is
     * nothing to wait for. Also BB_E_STATE, as `check_renderer`.
     */
    int32_t (*renderer_fence)(void *user_data, uint64_t *fence);
    /**
     * Ends a fence of `renderer_fence` if it has passed, and returns whether it has. It never waits.
     */
    bool (*renderer_reap)(void *user_data, uint64_t fence);
} bb_driver;

/**
 * Parameters of a new buffer. Fill it by `bb_buffer_desc_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * Usage flags: `BB_USAGE_…`, combined.
     */
    uint32_t usage;
    /**
     * Size in bytes; 0 is allowed.
     */
    uint64_t size;
    /**
     * 1: the whole buffer is mapped for writing at creation, filled with zeros; allowed with any usage. 0: it is
     * not.
     */
    uint8_t mapped_at_creation;
    /**
     * 0.
     */
    uint8_t reserved[7];
    /**
     * Label in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
} bb_buffer_desc;

/**
 * Information about a buffer.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * A `bb_buffer_state`.
     */
    bb_buffer_state state;
    /**
     * Size in bytes.
     */
    uint64_t size;
    /**
     * Usage flags.
     */
    uint32_t usage;
    /**
     * 1 unless it has been destroyed or its device is lost.
     */
    uint32_t valid;
    /**
     * 1, plus 1 for each time that it has grown.
     */
    uint64_t generation;
    /**
     * NUL-terminated.
     */
    char label[64];
} bb_buffer_info;

/**
 * Memory to write, such as the span of `bb_sender_reserve()`.
 */
typedef struct {
    /**
     * The first byte.
     */
    void *data;
    /**
     * Number of bytes.
     */
    uint64_t bytes;
} bb_span;

/**
 * Memory to read, such as the span of `bb_receiver_peek()`.
 */
typedef struct {
    /**
     * The first byte.
     */
    const void *data;
    /**
     * Number of bytes.
     */
    uint64_t bytes;
} bb_const_span;

/**
 * The mapping of a buffer.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * `BB_MAP_READ` or `BB_MAP_WRITE`; 0 if nothing is mapped.
     */
    uint32_t mode;
    /**
     * The first mapped byte; NULL if nothing is mapped.
     */
    void *data;
    /**
     * Mapped bytes.
     */
    uint64_t bytes;
    /**
     * Number of the mapping, different for each mapping of the buffer.
     */
    uint64_t number;
} bb_mapping;

/**
 * The outcome of a map request.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * BB_OK if the buffer is mapped, else BB_E_ABORTED, BB_E_CANCELLED, BB_E_DEVICE_LOST, BB_E_BACKEND or
     * BB_E_OUT_OF_MEMORY.
     */
    bb_status status;
    /**
     * State of the buffer at that time.
     */
    bb_buffer_state state;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Label of the buffer, NUL-terminated.
     */
    char label[64];
    /**
     * The message of the failure, NUL-terminated; empty if the buffer is mapped.
     */
    char text[256];
} bb_map_outcome;

/**
 * A callback that gets the outcome of a map request.
 */
typedef struct {
    /**
     * Called once; the outcome is valid during the call. It may use, destroy and release any buffer, but must not
     * wait for the device (BB_E_RECURSIVE).
     */
    void (*call)(void *user_data, const bb_map_outcome *outcome);
    /**
     * Passed to it.
     */
    void *user_data;
    /**
     * Releases `user_data` after the call; may be NULL.
     */
    bb_drop_fn drop;
} bb_map_callback;

/**
 * An update of one frame. It is valid until the frame ends, then BB_E_STALE.
 */
typedef struct {
    /**
     * The memory to write, aligned as the usage requires. It holds data of earlier frames: do not read it.
     */
    void *data;
    /**
     * Its bytes.
     */
    uint64_t bytes;
    /**
     * The backend's own handle of the buffer: the name of an OpenGL buffer, or an address in host memory.
     */
    uint64_t buffer;
    /**
     * Offset of the update in that buffer.
     */
    uint64_t offset;
    /**
     * The frame: a number that no other frame of any dynamic buffer has.
     */
    uint64_t frame;
} bb_dynamic_slice;

/**
 * Parameters of a new readback ring. Fill it by `bb_readback_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * Buffers, which limit the readings in flight, 1 to 16.
     */
    uint32_t frames;
    /**
     * Maximum bytes of a read.
     */
    uint64_t size;
    /**
     * What a read does when all buffers are in use: one of `BB_READBACK_…`.
     */
    uint32_t when_full;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * For `BB_READBACK_WAIT`, in nanoseconds.
     */
    uint64_t timeout_ns;
    /**
     * Label in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
} bb_readback_config;

/**
 * Statistics of a readback ring.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Reads begun.
     */
    uint64_t reads;
    /**
     * Bytes of them.
     */
    uint64_t bytes;
    /**
     * Reads that waited for a buffer.
     */
    uint64_t stalls;
    /**
     * Nanoseconds that they waited.
     */
    uint64_t stalled_ns;
    /**
     * Reads skipped because the ring was full.
     */
    uint64_t skipped;
    /**
     * Readings dropped in favour of newer ones.
     */
    uint64_t dropped;
} bb_readback_stats;

/**
 * A callback that gets the bytes of a read.
 */
typedef struct {
    /**
     * Called once: with BB_OK and the bytes, which are valid during the call, or with a failure and NULL. It may use
     * any buffer, but must not wait for the device (BB_E_RECURSIVE).
     */
    void (*call)(void *user_data, bb_status status, const void *data, uint64_t bytes);
    /**
     * Passed to it.
     */
    void *user_data;
    /**
     * Releases `user_data` after the call; may be NULL.
     */
    bb_drop_fn drop;
} bb_read_callback;

/**
 * Parameters of a new dynamic buffer. Fill it by `bb_dynamic_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * Usage flags: `BB_USAGE_…`, combined, but no `BB_USAGE_MAP_…`. `BB_USAGE_COPY_DST` is added.
     */
    uint32_t usage;
    /**
     * Expected bytes of a frame.
     */
    uint64_t size;
    /**
     * Frames that may be in flight, 1 to 16: the ring has `frames` times `size` bytes. Fences protect the bytes,
     * whatever this number is.
     */
    uint32_t frames;
    /**
     * What an update does when the ring is full: one of `BB_RING_…`.
     */
    uint32_t policy;
    /**
     * For `BB_RING_BLOCK`, in nanoseconds.
     */
    uint64_t timeout_ns;
    /**
     * For `BB_RING_GROW`, in bytes.
     */
    uint64_t most;
    /**
     * Label in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
} bb_dynamic_config;

/**
 * Statistics of a dynamic buffer.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Current capacity of the ring in bytes.
     */
    uint64_t capacity;
    /**
     * Updates begun.
     */
    uint64_t updates;
    /**
     * Bytes of them.
     */
    uint64_t bytes;
    /**
     * Frames ended that had updates.
     */
    uint64_t frames;
    /**
     * Updates that waited for space.
     */
    uint64_t stalls;
    /**
     * Nanoseconds that they waited.
     */
    uint64_t stalled_ns;
    /**
     * Updates refused because the ring was full.
     */
    uint64_t refused;
    /**
     * Number of times that the ring grew.
     */
    uint64_t grown;
    /**
     * Number of times that it shrank again.
     */
    uint64_t trimmed;
    /**
     * Updates larger than the ring. Each got a dedicated buffer.
     */
    uint64_t dedicated;
} bb_dynamic_stats;

/**
 * Parameters of a new ring. Fill it by `bb_spsc_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * `BB_SPSC_CHECKED`, `BB_SPSC_NO_BACKOFF`, both or 0.
     */
    uint32_t flags;
    /**
     * Label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
    /**
     * Bytes of a record, for a ring that overwrites its oldest records; 0, the default, for a ring that delivers
     * every byte.
     *
     * When such a ring is full, a new record overwrites the oldest one, and both ends count it as `lost`. All calls
     * move whole records, and the capacity is rounded up to whole records. While the receiver copies or has a span
     * open, nothing is overwritten, but the ring has memory for at least as many records again: the sender finds the
     * ring full only if the receiver holds it for that long. Since 0.1.
     */
    uint64_t overwrite_record_size;
} bb_spsc_config;

/**
 * Statistics of one end of a ring since its creation.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Capacity of the ring in bytes.
     */
    uint64_t capacity;
    /**
     * Bytes moved by this end.
     */
    uint64_t bytes;
    /**
     * Calls that moved bytes.
     */
    uint64_t operations;
    /**
     * Calls that found the ring full (sender) or empty (receiver).
     */
    uint64_t misses;
    /**
     * Calls that waited.
     */
    uint64_t waits;
    /**
     * Number of times that this end woke the other one.
     */
    uint64_t wakes;
    /**
     * Maximum bytes that this end has seen in the ring.
     */
    uint64_t high_water;
    /**
     * `[k]`: waits of 2^k ns to 2^(k+1) ns.
     */
    uint64_t wait_histogram[64];
    /**
     * Records overwritten before they were received: by this sender, or since this receiver was created.
     */
    uint64_t lost;
} bb_end_stats;

/**
 * A writer of small records: a long claim on the free space of a ring. Made by `bb_sender_open_writer()`, used by the
 * inline functions of `backbuf/inline.h`. Code in other languages writes at `next`, moves `next` behind the record, and
 * calls `bb_writer_publish()` when `next` has come to `due`, or there is too little room before `end`.
 */
typedef struct {
    /**
     * Bytes of this struct in the version that made it.
     */
    uint32_t struct_size;
    /**
     * The bits of `*waits` that are set while the receiver waits.
     */
    uint32_t wait_bits;
    /**
     * The sender; NULL after `bb_writer_close()`.
     */
    bb_sender *sender;
    /**
     * The next record goes here.
     */
    void *next;
    /**
     * The end of the room.
     */
    void *end;
    /**
     * A publish is due when `next` comes here.
     */
    void *due;
    /**
     * Bytes after which a publish is due; 0: when the room is used up.
     */
    uint64_t every;
    /**
     * `*written` is `next` minus this.
     */
    uint64_t shift;
    /**
     * Stored after each record, for a receiver that is about to sleep.
     */
    uint64_t *written;
    /**
     * Loaded after `*written` was stored.
     */
    const uint32_t *waits;
    /**
     * Whether a compiler fence between the two suffices; if not, a full fence is needed.
     */
    const bool *light;
} bb_writer;

/**
 * A reader of small records: a long claim on the bytes of a ring. Made by `bb_receiver_open_reader()`, used by the
 * inline functions of `backbuf/inline.h`. Code in other languages reads at `next`, moves `next` behind the record, and
 * calls `bb_reader_give_back()` when `next` has come to `due`, or there are too few bytes before `end`.
 */
typedef struct {
    /**
     * Bytes of this struct in the version that made it.
     */
    uint32_t struct_size;
    /**
     * The bits of `*waits` that are set while the sender waits.
     */
    uint32_t wait_bits;
    /**
     * The receiver; NULL after `bb_reader_close()`.
     */
    bb_receiver *receiver;
    /**
     * The next record is here.
     */
    const void *next;
    /**
     * The end of the bytes.
     */
    const void *end;
    /**
     * Giving back is due when `next` comes here.
     */
    const void *due;
    /**
     * Bytes after which giving back is due; 0: when all are read.
     */
    uint64_t every;
    /**
     * `*read` is `next` minus this.
     */
    uint64_t shift;
    /**
     * Stored after each record, for a sender that is about to sleep.
     */
    uint64_t *read;
    /**
     * Loaded after `*read` was stored.
     */
    const uint32_t *waits;
    /**
     * Whether a compiler fence between the two suffices; if not, a full fence is needed.
     */
    const bool *light;
} bb_reader;

/**
 * State of a feed.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * BB_OK while the feed applies records; BB_E_CLOSED after the sender's last record, or once the manager has ended;
     * else the reason why the record at `bytes` was refused: BB_E_RANGE if the sender ended inside of it.
     */
    bb_status status;
    /**
     * Records applied; a batch counts once.
     */
    uint64_t records;
    /**
     * Batches among them.
     */
    uint64_t batches;
    /**
     * Bytes of these records: the position of the next record, or of the refused one.
     */
    uint64_t bytes;
    /**
     * The reason in words, NUL-terminated; empty with BB_OK.
     */
    char message[256];
} bb_feed_info;

/**
 * The header of a record of a feed. Its payload follows, then 0 to 7 bytes of padding up to a multiple of 8 bytes. All
 * numbers are little-endian. `bb_feed_record_init()` fills one.
 */
typedef struct {
    /**
     * `BB_FEED_MAGIC`.
     */
    uint16_t magic;
    /**
     * `BB_FEED_VERSION`.
     */
    uint8_t version;
    /**
     * A `bb_feed_type`.
     */
    uint8_t record_type;
    /**
     * The index of the field that is written; 0 for the first one, and for tags and batches.
     */
    uint32_t field;
    /**
     * A byte offset within the field; the tag, for a tag; 0 for a batch.
     */
    uint64_t offset;
    /**
     * Bytes of the payload, without padding.
     */
    uint64_t bytes;
} bb_feed_record;

/**
 * Parameters of a new stream. Fill it by `bb_stream_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * Number of released buffers that are kept for reuse, at most; 16 by default.
     */
    uint32_t pool_count;
    /**
     * Minimum bytes of a pool buffer, at least 64; 8192 by default. After 4 full chunks in a row the size doubles, up to the capacity
     * of the ring; after 64 chunks in a row below a quarter it halves, down to this minimum.
     */
    uint64_t pool_size;
    /**
     * Minimum bytes of a chunk, except for the last one; 1 by default.
     */
    uint64_t min_size;
    /**
     * Bytes of a record: each chunk has a whole number of records. 0 for none, or for the records of a ring that
     * overwrites its oldest.
     */
    uint64_t record_size;
    /**
     * Label in messages and logs: UTF-8, cut at 63 bytes; NULL for the ring's.
     */
    const char *label;
} bb_stream_config;

/**
 * A chunk: a buffer filled from the ring.
 */
typedef struct {
    /**
     * The bytes, aligned to 64. The holder may read and write them until the lease is released.
     */
    void *data;
    /**
     * Number of bytes.
     */
    uint64_t bytes;
    /**
     * Release it with `bb_lease_release()`, on any thread, even after the stream is destroyed.
     */
    bb_lease *lease;
} bb_chunk;

/**
 * Statistics of a stream since its creation.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Chunks returned.
     */
    uint64_t chunks;
    /**
     * Bytes in them.
     */
    uint64_t bytes;
    /**
     * Buffers taken from the pool.
     */
    uint64_t hits;
    /**
     * Buffers allocated.
     */
    uint64_t misses;
    /**
     * Chunks not released yet.
     */
    uint64_t live;
    /**
     * Buffers in the pool.
     */
    uint64_t kept;
    /**
     * Bytes of the next buffer.
     */
    uint64_t buffer_size;
    /**
     * Calls that waited.
     */
    uint64_t waits;
} bb_stream_stats;

/**
 * A buffer to register. Fill it by `bb_registry_buffer_init()`, then set the name and what else is needed.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * `BB_LOCATION_SHARED`, the default, or `BB_LOCATION_LOCAL`.
     */
    uint32_t location;
    /**
     * Name, 1 to 255 bytes of UTF-8, unique in the parent.
     */
    const char *name;
    /**
     * A buffer, registered before, whose memory it shares if possible; NULL for none.
     */
    const char *aliases;
    /**
     * Number of elements; may be 0.
     */
    uint64_t size;
    /**
     * `BB_F16`, `BB_F32` (the default), `BB_F64`, `BB_I32` or `BB_I64`.
     */
    uint32_t precision;
    /**
     * 1: it keeps its content between calls. Matters for local buffers.
     */
    uint32_t persistent;
    /**
     * First step in which it is alive.
     */
    uint64_t begin;
    /**
     * One past the last step in which it is alive. `begin` and `end` both 0: always alive.
     */
    uint64_t end;
} bb_registry_buffer;

/**
 * Parameters of a new registry, or layout options of one parent. Fill it by `bb_registry_config_init()`, then change
 * what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * 1: offsets are computed in bytes and aligned by precision, so that a region may mix precisions. 0: a region
     * counts elements, and has no size in bytes if it mixes precisions.
     */
    uint32_t typed;
    /**
     * Label of the registry in messages: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
    /**
     * 1, the default: in a typed layout of 4-byte elements with one region per thread, the stride from thread to
     * thread is an odd number of words.
     */
    uint32_t bank_skew;
    /**
     * 1: an alias never overlaps a persistent buffer or a child's region that contains one. 0 by default.
     */
    uint32_t protect_persistent;
    /**
     * Owner of a shared region: `BB_SHARED_PER_BLOCK`, the default, or `BB_SHARED_PER_THREAD`.
     */
    uint32_t shared_per;
    /**
     * 0.
     */
    uint32_t reserved;
} bb_registry_config;

/**
 * Placement of a buffer.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * Memory space: `BB_SPACE_SHARED`, `BB_SPACE_PERSISTENT` or `BB_SPACE_LOCAL`.
     */
    uint32_t space;
    /**
     * Origin of the placement: `BB_ORIGIN_OWN`, `BB_ORIGIN_ALIASED` or `BB_ORIGIN_FELL_BACK`.
     */
    uint32_t origin;
    /**
     * Type of its elements, a `bb_dtype`; `BB_U8` (bytes) for a child's region that mixes precisions.
     */
    uint32_t precision;
    /**
     * Offset in its region, in its own elements; 0 for a separate array.
     */
    uint64_t offset;
    /**
     * Number of elements.
     */
    uint64_t length;
    /**
     * Number of elements to fill with zeros: its size, even if the array is longer.
     */
    uint64_t zero_fill;
    /**
     * Offset in its region in bytes, or `BB_NO_BYTES`.
     */
    uint64_t byte_offset;
} bb_allocator;

/**
 * Sizes and layout options of a parent.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * 1: a plan has placed the buffers with lifetimes. 0: none has.
     */
    uint32_t planned;
    /**
     * As `bb_registry_version()`.
     */
    uint64_t version;
    /**
     * As `bb_registry_layout_hash()`.
     */
    uint64_t layout_hash;
    /**
     * Number of buffers, including the hidden ones of children.
     */
    uint64_t buffers;
    /**
     * Elements of the shared region. Those of a typed region that mixes precisions are bytes.
     */
    uint64_t shared;
    /**
     * Elements of the persistent region, likewise.
     */
    uint64_t persistent;
    /**
     * Elements of all local arrays together.
     */
    uint64_t local;
    /**
     * Bytes of the shared region, or `BB_NO_BYTES`.
     */
    uint64_t shared_bytes;
    /**
     * Bytes of the persistent region, or `BB_NO_BYTES`.
     */
    uint64_t persistent_bytes;
    /**
     * Bytes of all local arrays together.
     */
    uint64_t local_bytes;
    /**
     * Bytes from one thread's shared region to the next if each thread has one, else bytes of the region; or
     * `BB_NO_BYTES`.
     */
    uint64_t shared_stride_bytes;
    /**
     * Alignment of the shared region in bytes.
     */
    uint64_t shared_align_bytes;
    /**
     * Alignment of the persistent region in bytes.
     */
    uint64_t persistent_align_bytes;
    /**
     * Type of the shared region's elements, a `bb_dtype`; 0 if it is empty or mixes precisions.
     */
    uint32_t shared_precision;
    /**
     * Type of the persistent region's elements, likewise.
     */
    uint32_t persistent_precision;
    /**
     * Layout option, as in `bb_registry_config`.
     */
    uint32_t typed;
    /**
     * Likewise.
     */
    uint32_t bank_skew;
    /**
     * Likewise.
     */
    uint32_t protect_persistent;
    /**
     * Likewise.
     */
    uint32_t shared_per;
} bb_layout_info;

/**
 * GpuLimits of a GPU. `bb_limits_init()` fills them for a compute capability; the caller may change them.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * Maximum threads of a block.
     */
    uint32_t threads_per_block;
    /**
     * Maximum threads of a multiprocessor.
     */
    uint32_t threads_per_sm;
    /**
     * Maximum blocks of a multiprocessor.
     */
    uint32_t blocks_per_sm;
    /**
     * Registers of a multiprocessor, and maximum registers of a block.
     */
    uint32_t registers_per_sm;
    /**
     * Maximum registers of a thread.
     */
    uint32_t registers_per_thread;
    /**
     * Allocation granularity of registers per warp.
     */
    uint32_t register_granule;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Shared memory of a block without opt-in, in bytes.
     */
    uint64_t shared_static_bytes;
    /**
     * Maximum shared memory of a block with opt-in, in bytes.
     */
    uint64_t shared_block_bytes;
    /**
     * Shared memory of a multiprocessor, in bytes.
     */
    uint64_t shared_sm_bytes;
    /**
     * Shared memory reserved by the system per block, in bytes.
     */
    uint64_t shared_reserved_bytes;
    /**
     * Allocation granularity of shared memory, in bytes.
     */
    uint64_t shared_granule_bytes;
} bb_limits;

/**
 * A launch of a kernel. Fill it by `bb_launch_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * Threads of a block.
     */
    uint32_t threads;
    /**
     * Registers of a thread, as reported by the compiler; 0 if unknown.
     */
    uint32_t registers_per_thread;
    /**
     * Owner of the shared region: `BB_SHARED_PER_…`; 0 for the parent's option.
     */
    uint32_t shared_per;
    /**
     * Shared memory that the kernel declares beside the parent's, in bytes.
     */
    uint64_t static_shared_bytes;
} bb_launch;

/**
 * Resources of a launch that fits.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * 1: the kernel must opt in to the shared memory (`cudaFuncAttributeMaxDynamicSharedMemorySize`).
     */
    uint32_t needs_opt_in;
    /**
     * Dynamic shared memory of a block, in bytes.
     */
    uint64_t shared_bytes;
    /**
     * Bytes from one thread's region to the next, or of the block's region.
     */
    uint64_t shared_stride_bytes;
    /**
     * Blocks on a multiprocessor at once.
     */
    uint32_t blocks_per_sm;
    /**
     * Warps on a multiprocessor at once.
     */
    uint32_t warps_per_sm;
    /**
     * Maximum warps on a multiprocessor.
     */
    uint32_t max_warps_per_sm;
    /**
     * The limiting resource: `BB_BOUND_SHARED`, …
     */
    uint32_t bound;
} bb_fit;

/**
 * Called repeatedly by any thread of the search: any result but 0 ends the search, which keeps the best plan so far.
 * It must not throw, or destroy the registry.
 */
typedef int32_t (*bb_cancelled_fn)(void *user_data);

/**
 * Parameters of the search for a plan. Fill it by `bb_plan_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct in the caller's version.
     */
    uint32_t struct_size;
    /**
     * Threads of the search; 0 and 1 use the calling thread only.
     */
    uint32_t threads;
    /**
     * Time limit in nanoseconds, 1 s by default; 0 for one quick plan, BB_FOREVER for no limit.
     */
    uint64_t budget_ns;
    /**
     * Seed of the random numbers. The same seed gives the same plan, unless the time limit ends the search.
     */
    uint64_t seed;
    /**
     * Maximum steps of the search; UINT64_MAX for no limit.
     */
    uint64_t nodes;
    /**
     * Bytes, or in a registry elements of a region, at which the search stops; 0 for as few as possible.
     */
    uint64_t target;
    /**
     * Cancels the search, or NULL.
     */
    bb_cancelled_fn cancelled;
    /**
     * Passed to `cancelled`.
     */
    void *cancelled_user_data;
} bb_plan_config;

/**
 * The result of `bb_plan()`.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * 1: no plan has a smaller height.
     */
    uint32_t exact;
    /**
     * Bytes that all buffers need together: the highest end of one.
     */
    uint64_t height;
    /**
     * Lower bound of the height: no plan needs fewer bytes.
     */
    uint64_t lower_bound;
    /**
     * Height before the search.
     */
    uint64_t heuristic_height;
    /**
     * Steps of the search.
     */
    uint64_t nodes;
} bb_plan_info;

/**
 * The result of `bb_registry_plan()`. Heights are elements of the region, including buffers that are always alive.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * 1: the height of the shared region is optimal.
     */
    uint32_t shared_exact;
    /**
     * 1: the height of the persistent region is optimal.
     */
    uint32_t persistent_exact;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Placed shared buffers.
     */
    uint64_t shared_buffers;
    /**
     * Height of the shared region.
     */
    uint64_t shared_height;
    /**
     * Lower bound of the height: the maximum that is alive at one step.
     */
    uint64_t shared_lower_bound;
    /**
     * Height before the search.
     */
    uint64_t shared_heuristic_height;
    /**
     * Steps of the search.
     */
    uint64_t shared_nodes;
    /**
     * As `shared_buffers`, for the persistent region.
     */
    uint64_t persistent_buffers;
    /**
     * Likewise.
     */
    uint64_t persistent_height;
    /**
     * Likewise.
     */
    uint64_t persistent_lower_bound;
    /**
     * Likewise.
     */
    uint64_t persistent_heuristic_height;
    /**
     * Likewise.
     */
    uint64_t persistent_nodes;
} bb_registry_plans;

/**
 * A field of a new manager.
 */
typedef struct {
    /**
     * UTF-8, unique, 1 to 255 bytes.
     */
    const char *name;
    /**
     * A `bb_dtype`, or `BB_OPAQUE(size)` for elements of that many bytes.
     */
    uint32_t dtype;
    /**
     * Dimensions, 0 to BB_MAX_DIMS.
     */
    uint32_t ndim;
    /**
     * Elements along each dimension; may be NULL if there are none.
     */
    const uint64_t *shape;
    /**
     * The field's bytes at epoch 0, or NULL for zeros. Read during the call only.
     */
    const void *initial;
} bb_field;

/**
 * Information about a field.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * Its index: the `field` of updates.
     */
    uint32_t index;
    /**
     * A `bb_dtype`, or `BB_OPAQUE(size)`.
     */
    uint32_t dtype;
    /**
     * Bytes of an element.
     */
    uint32_t element_size;
    /**
     * Its bytes.
     */
    uint64_t bytes;
    /**
     * Where it begins, in bytes from the start of the state: from `bb_front.data`, `bb_back.data`,
     * `bb_gl_front.offset`, or the start of `bb_device_front.native`.
     */
    uint64_t byte_offset;
    /**
     * Dimensions.
     */
    uint32_t ndim;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Elements along each dimension; zeros beyond `ndim`.
     */
    uint64_t shape[BB_MAX_DIMS];
    /**
     * NUL-terminated.
     */
    char name[BB_FIELD_NAME_SIZE];
} bb_field_info;

/**
 * A field of a front: an array of its own.
 */
typedef struct {
    /**
     * Its first element. Valid until the front's lease is released.
     */
    const void *data;
    /**
     * Its bytes.
     */
    uint64_t bytes;
    /**
     * A `bb_dtype`, or `BB_OPAQUE(size)`.
     */
    uint32_t dtype;
    /**
     * Dimensions.
     */
    uint32_t ndim;
    /**
     * Elements along each dimension; zeros beyond `ndim`.
     */
    uint64_t shape[BB_MAX_DIMS];
    /**
     * Bytes from one index to the next along each dimension: row-major; zeros beyond `ndim`.
     */
    int64_t strides[BB_MAX_DIMS];
} bb_field_view;

/**
 * A field of the reserved back copy.
 */
typedef struct {
    /**
     * Its first element in the back copy: read and write.
     */
    void *data;
    /**
     * The same field of the newest published copy: read only.
     */
    const void *front;
    /**
     * Bytes of each of the two.
     */
    uint64_t bytes;
    /**
     * A `bb_dtype`, or `BB_OPAQUE(size)`.
     */
    uint32_t dtype;
    /**
     * Dimensions.
     */
    uint32_t ndim;
    /**
     * Elements along each dimension; zeros beyond `ndim`.
     */
    uint64_t shape[BB_MAX_DIMS];
    /**
     * Bytes from one index to the next along each dimension: row-major; zeros beyond `ndim`.
     */
    int64_t strides[BB_MAX_DIMS];
} bb_back_field_view;

/**
 * A field of an OpenGL front: a range of its buffer.
 */
typedef struct {
    /**
     * The buffer's name.
     */
    uint32_t buffer;
    /**
     * A `bb_dtype`, or `BB_OPAQUE(size)`.
     */
    uint32_t dtype;
    /**
     * Where it begins in the buffer, in bytes.
     */
    uint64_t offset;
    /**
     * Its bytes.
     */
    uint64_t bytes;
    /**
     * Dimensions.
     */
    uint32_t ndim;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Elements along each dimension; zeros beyond `ndim`.
     */
    uint64_t shape[BB_MAX_DIMS];
    /**
     * Bytes from one index to the next along each dimension: row-major; zeros beyond `ndim`.
     */
    int64_t strides[BB_MAX_DIMS];
} bb_gl_field_view;

/**
 * A field of a front on a device: a range of its buffer.
 */
typedef struct {
    /**
     * The buffer: `bb_device_front.native`.
     */
    uint64_t native;
    /**
     * Where it begins in the buffer, in bytes.
     */
    uint64_t offset;
    /**
     * Its bytes.
     */
    uint64_t bytes;
    /**
     * A `bb_dtype`, or `BB_OPAQUE(size)`.
     */
    uint32_t dtype;
    /**
     * Dimensions.
     */
    uint32_t ndim;
    /**
     * Elements along each dimension; zeros beyond `ndim`.
     */
    uint64_t shape[BB_MAX_DIMS];
    /**
     * Bytes from one index to the next along each dimension: row-major; zeros beyond `ndim`.
     */
    int64_t strides[BB_MAX_DIMS];
} bb_device_field_view;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Announces the drop function shared by all callbacks of a language runtime, so that `bb_end_callbacks()` can end
 * the callbacks passed from now on. Programs whose callbacks need no such end do not call it. Announcing a function
 * again has no effect. A forked child must announce it again.
 *
 * @param drop the drop function of all callbacks of the runtime
 * @return BB_OK, BB_E_CLOSED (the callbacks with this drop function have ended: a new runtime needs another one),
 *         BB_E_LIMIT (256 have been announced), BB_E_OUT_OF_MEMORY, BB_E_UNSUPPORTED, BB_E_NULL
 * @realtime wait-free, may make a system call, no allocation
 */
BB_API bb_status bb_begin_callbacks(bb_drop_fn drop);

/**
 * Ends all callbacks with this drop function that were passed since `bb_begin_callbacks()` announced it: from now on
 * the library calls neither them nor the drop function. For a language runtime that ends before the managers and
 * devices that use its callbacks. Their user data becomes the caller's.
 *
 * Kernels are skipped: their ranges stay unchanged, or equal the front with `BB_KERNEL_OVERWRITES`. Flush callbacks
 * count as successful. The call waits for running callbacks. It cannot be undone: a new runtime needs another drop
 * function.
 *
 * @param drop the drop function of all callbacks of the runtime
 * @param timeout nanoseconds to wait for running callbacks
 * @return BB_OK, BB_E_TIMEOUT (one is still running, perhaps the caller's own; no other one begins),
 *         BB_E_INTERRUPTED (the same), BB_E_STATE (the function was not announced in this process: nothing has
 *         ended), BB_E_NULL
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_end_callbacks(bb_drop_fn drop, uint64_t timeout);

/**
 * Returns the version of the loaded library as `major << 16 | minor << 8 | patch`. The version of the header is
 * `BB_VERSION_MAJOR`, `BB_VERSION_MINOR` and `BB_VERSION_PATCH`.
 *
 * @return the version
 * @realtime wait-free, no system call, no allocation
 */
BB_API uint32_t bb_version(void);

/**
 * Returns version, target and profile of the build. Contains no date and no path.
 *
 * @return a static NUL-terminated string
 * @realtime wait-free, no system call, no allocation
 */
BB_API const char *bb_build_info(void);

/**
 * Returns the name of a status and its meaning, such as "BB_E_EXISTS: the name is taken". For any other number it
 * returns a text that reports an unknown status.
 *
 * @param status a status, or any other number
 * @return a static NUL-terminated string
 * @realtime wait-free, no system call, no allocation
 */
BB_API const char *bb_status_string(int32_t status);

/**
 * Returns the message of the calling thread's last refused call: function, parameter, value, remedy, and the label
 * of the object. Empty if no call of this thread was refused, and after a call of a ring or a stream that returned
 * BB_E_FULL, BB_E_EMPTY, BB_E_TIMEOUT, BB_E_CLOSED or BB_E_INTERRUPTED, which set no message. A call that succeeds
 * leaves it unchanged.
 *
 * @return a NUL-terminated string of at most 511 bytes, valid until this thread's next refused call
 * @realtime wait-free, no system call, no allocation
 * @threadsafety safe to call from any thread; each has its own message
 */
BB_API const char *bb_last_error(void);

/**
 * Sends log records to `function`, instead of the previous destination. The log is off at first.
 *
 * The function may be called from any thread, from several at once, and inside any call of this library. It must not
 * throw and must not call `bb_set_log()`; its own calls of this library log nothing. `drop` is called exactly once,
 * after the function is replaced and its last call has returned: the replacing call waits for that. If the call
 * fails, `user_data` stays the caller's and `drop` is not called.
 *
 * @param level the finest level to log: `BB_LOG_OFF` to `BB_LOG_DEBUG`
 * @param function takes the records, or NULL for none
 * @param user_data passed to both functions
 * @param drop releases `user_data`, or NULL
 * @return BB_OK, BB_E_ARGUMENT (unknown level), BB_E_RECURSIVE (called from inside the function), BB_E_OUT_OF_MEMORY,
 *         BB_E_UNSUPPORTED
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_set_log(uint32_t level, bb_log_fn function, void *user_data, bb_drop_fn drop);

/**
 * Sends log records to a queue, instead of the previous destination: for programs whose log function must not run on
 * the library's threads, such as languages with an interpreter lock.
 *
 * Calls of the library never wait for the queue: while it is full, records are lost and counted. `bb_log_next()`
 * takes the records out. `bb_set_log()` and another call of this function end the queue; the records in it can still
 * be taken out, unless there is a new queue.
 *
 * @param level the finest level to log: `BB_LOG_ERROR` to `BB_LOG_DEBUG`
 * @param records capacity of the queue, 1 to 65536 records of about 1.1 KiB each
 * @return BB_OK, BB_E_ARGUMENT (unknown level), BB_E_RANGE (records), BB_E_RECURSIVE (called from inside a log function),
 *         BB_E_OUT_OF_MEMORY, BB_E_UNSUPPORTED
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_set_log_queue(uint32_t level, uint64_t records);

/**
 * Takes the next record out of the queue of `bb_set_log_queue()`.
 *
 * @param timeout nanoseconds to wait for one; 0 does not wait, BB_FOREVER waits without limit
 * @param struct_size `sizeof(bb_log_record)`
 * @param record output, `struct_size` bytes
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (no queue is set, or it has ended and is empty), BB_E_INTERRUPTED,
 *         BB_E_VERSION (struct_size), BB_E_NULL
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; each record goes to one of them
 */
BB_API bb_status bb_log_next(uint64_t timeout, uint32_t struct_size, bb_log_record *record);

/**
 * Sets whether signals end the waits of the calling thread, for all later calls.
 *
 * A wait continues after a signal handler has run, unless `BB_WAIT_INTERRUPTIBLE` is set: then it returns
 * `BB_E_INTERRUPTED`. Nothing is lost: repeating the call continues what the first one began, so that calls that are
 * interrupted repeatedly still finish. Each function documents what it continues.
 *
 * A signal that is handled just before the thread sleeps does not end the wait; use `bb_set_wait_check()` if that
 * matters. A thread that has a wait check ignores this flag.
 *
 * @param flags `BB_WAIT_INTERRUPTIBLE` or 0
 * @return BB_OK, BB_E_ARGUMENT (unknown flags)
 * @realtime wait-free, no system call, no allocation
 * @threadsafety safe to call from any thread; applies to the calling thread
 */
BB_API bb_status bb_set_wait_flags(uint32_t flags);

/**
 * Sets how the waits of the process pass the time until they sleep, for all waits that begin later.
 *
 * A thread that sleeps must be woken, which takes 10 to 100 us. By default (`BB_WAIT_POLICY_ADAPTIVE`) a wait therefore
 * first polls for as long as a wake costs, as measured in the waits of this process. A waiter that was not answered in
 * that time polls ever shorter and soon not at all, and beside threads that compete for its CPU it sleeps at once.
 * `BB_WAIT_POLICY_SLEEP` never polls; `BB_WAIT_POLICY_SPIN` always polls for `max_spin_ns`, for programs whose threads
 * have CPUs of their own.
 *
 * Whatever the policy, a wait never polls for longer than `BB_WAIT_MAX_SPIN_NS`, on a thread with real-time priority,
 * or in a process that may use one CPU only.
 *
 * @param policy `BB_WAIT_POLICY_ADAPTIVE`, `BB_WAIT_POLICY_SLEEP` or `BB_WAIT_POLICY_SPIN`
 * @param max_spin_ns the longest spin in nanoseconds, at most `BB_WAIT_MAX_SPIN_NS`; 0 with `BB_WAIT_POLICY_SLEEP`
 * @return BB_OK, BB_E_ARGUMENT (unknown policy, or a spin of one that never spins), BB_E_RANGE (a longer spin)
 * @realtime wait-free, no system call, no allocation
 * @threadsafety safe to call from any thread; applies to the process
 * @since 0.1
 */
BB_API bb_status bb_set_wait_policy(uint32_t policy, uint64_t max_spin_ns);

/**
 * Sets a function that all later waits of the calling thread call to decide whether to continue.
 *
 * A wait calls it on the waiting thread, every 50 ms and after each handled signal. If it returns 0 the wait
 * continues with the same deadline and watchdog; otherwise the call returns `BB_E_INTERRUPTED`. A
 * `bb_manager_destroy()` that is interrupted has ended the manager, though one of its callbacks may still run. A
 * call with a timeout of 0 does not wait and does not call the function. Driver calls and memory copies are not
 * interrupted.
 *
 * The library holds no lock while the function runs: it may call the library, also on the object that is waited for.
 * Destroying that object is `BB_E_RECURSIVE`; calls on the ring end that waits are `BB_E_BUSY`. While the function
 * runs the thread has no wait check; one that it sets is removed when it returns. It must not throw or `longjmp`.
 *
 * @param function the wait check, or NULL for none
 * @param user_data passed to it
 * @param previous the previous wait check is written here, so that it can be restored; may be NULL
 * @return BB_OK
 * @realtime wait-free, no system call, no allocation
 * @threadsafety safe to call from any thread; applies to the calling thread
 */
BB_API bb_status bb_set_wait_check(bb_wait_check_fn function, void *user_data, bb_wait_check *previous);

/**
 * Writes a text that lists every manager, ring, waiter, lease and open task with its age and thread.
 *
 * @param write takes the text in pieces, on the calling thread; must not call this library
 * @param user_data passed to `write`
 * @return BB_OK, BB_E_NULL
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_debug_dump(bb_write_fn write, void *user_data);

/**
 * Writes the text of `bb_debug_dump()` to a file descriptor. It takes no lock and allocates nothing, so that a
 * debugger or a signal handler can call it.
 *
 * @param fd an open descriptor, such as 2
 * @return BB_OK, BB_E_ARGUMENT (it cannot be written to)
 * @realtime may block, may make a system call, no allocation
 * @threadsafety safe to call from any thread, and async-signal-safe
 */
BB_API bb_status bb_debug_dump_fd(int32_t fd);

/**
 * Checks whether `handle` is a live object of this copy of the library, of any kind. Sets no message.
 *
 * @param handle any value
 * @return BB_OK, BB_E_NULL, BB_E_HANDLE (not this copy's), BB_E_STALE, BB_E_FORKED
 * @realtime wait-free, no system call, no allocation
 * @threadsafety safe to call from any thread; the result may be outdated when it returns
 */
BB_API bb_status bb_handle_check(const void *handle);

/**
 * Fills a config with the defaults.
 *
 * @param config output
 * @return BB_OK, BB_E_NULL
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_manager_config_init(bb_manager_config *config);

/**
 * Creates a manager of a row-major N-d array, with its worker thread.
 *
 * Copies of more than 8 MiB are committed by the kernel on first use. Such a state is refused if two copies exceed
 * the memory available now, control group limits included. If that memory is no longer available at first use, the
 * kernel kills a process.
 *
 * The state is zeros, or the config's `initial`; its epoch is 0, and fronts may be acquired at once. States without
 * elements and without dimensions are allowed. If the call fails, `flush_user_data` stays the caller's.
 *
 * With `config.device`, each copy also has a buffer on that device, to which changes are uploaded before the copy is
 * published; `bb_manager_acquire_front_device()` leases it. If the device is host-driven and its owner is another
 * thread, the call waits for `bb_device_poll()`, at most for the config's `watchdog_ns` (0: without limit).
 *
 * @param dtype a `bb_dtype`, or `BB_OPAQUE(size)` for elements of that many bytes
 * @param ndim dimensions, 0 to BB_MAX_DIMS
 * @param shape elements along each dimension; may be NULL if there are none
 * @param config parameters, or NULL for the defaults
 * @param manager the handle is written here
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (dtype, ndim, config, label that is not UTF-8), BB_E_RANGE (the state's size
 *         overflows), BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (threads, handles, more bytes than a
 *         buffer of the device can have), BB_E_UNSUPPORTED; with a `config.device` also a device status, or a handle
 *         status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_manager_create(uint32_t dtype, uint32_t ndim, const uint64_t *shape, const bb_manager_config *config, bb_manager **manager);

/**
 * Returns unused memory to the system: copies beyond the second that no lease holds and, for states larger than 8
 * MiB, the back copy if nothing was written since the last publish. An idle state keeps one copy. Memory is
 * allocated again on demand; the back copy is then copied from the front.
 *
 * It waits while the back copy is reserved, or while a kernel or a flush runs.
 *
 * @param m the manager
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @return BB_OK, BB_E_TIMEOUT, BB_E_PINNED (leases hold every copy, and updates wait for one), BB_E_STALLED
 *         (outlasted the watchdog), BB_E_STATE (this thread has the back copy reserved), BB_E_INTERRUPTED,
 *         BB_E_CLOSED, BB_E_RECURSIVE, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_manager_trim(bb_manager *m, uint64_t timeout);

/**
 * Closes the manager: refuses new work, publishes what was accepted, then ends waits with `BB_E_CLOSED`. Fronts stay
 * readable. After a timeout the manager stays in the closing state, and a later call continues the same publish.
 *
 * @param m the manager
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @return BB_OK (also when it is closed already), and what `bb_manager_synchronize()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_manager_close(bb_manager *m, uint64_t timeout);

/**
 * Destroys the manager: closes it without a publish, wakes all waiters, and returns when no call and no callback
 * runs on it and all borrowed data is released. It waits while a kernel, a flush or a release callback runs;
 * afterwards the memory that they use may be freed. A wait of more than two seconds is logged. Leased copies stay
 * valid until their leases are released. The handle is stale afterwards.
 *
 * After BB_E_INTERRUPTED the handle is stale as well: a signal or the thread's wait check ended the wait, and a
 * callback may still run. See BB_E_STALLED of `bb_manager_destroy_within()`.
 *
 * @param m the manager; NULL is a no-op
 * @return BB_OK, BB_E_INTERRUPTED, BB_E_RECURSIVE (called from one of its own callbacks, or inside a call on it),
 *         BB_E_STALE (also for all but one of several threads that destroy it), or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; calls that race with it return BB_E_CLOSED or BB_E_STALE
 */
BB_API bb_status bb_manager_destroy(bb_manager *m);

/**
 * Destroys the manager as `bb_manager_destroy()` does, but waits at most `timeout` for a running callback: for
 * programs that must end even if a kernel or a flush hangs.
 *
 * After BB_E_STALLED and BB_E_INTERRUPTED the handle is stale as well. Borrowed data and user data are released only
 * when the callback returns; until then their memory must stay valid. `bb_debug_dump()` counts such managers.
 *
 * @param m the manager; NULL is a no-op
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @return BB_OK, BB_E_STALLED (a callback still runs), BB_E_INTERRUPTED (the same; a signal or the wait check ended the
 *         wait), BB_E_RECURSIVE (called from one of its own callbacks, or inside a call on it), BB_E_STALE (also for
 *         all but one of several threads that destroy it), or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; calls that race with it return BB_E_CLOSED or BB_E_STALE
 */
BB_API bb_status bb_manager_destroy_within(bb_manager *m, uint64_t timeout);

/**
 * Publishes all updates accepted before, and returns when readers can see them.
 *
 * Without new updates there is no new epoch, but the call still waits for tasks, fences and the flush callback. A
 * call from the manager's own callbacks is refused.
 *
 * After BB_E_TIMEOUT, BB_E_INTERRUPTED, BB_E_STALLED and BB_E_PINNED the publish continues, and the next call of
 * this thread on the manager returns when it is done: repeated calls finish, however short their timeouts are. If
 * the manager accepts updates or tasks in between, from any thread, the next call waits for a publish that includes
 * them. To wait for one publish beside other work, use `bb_manager_synchronize_async()` and `bb_manager_wait()`.
 *
 * A flush, a kernel, a task or a reservation of the back copy that outlasts the watchdog is reported once, with
 * BB_E_STALLED, to every call on the manager that waits at that moment. Later calls wait for it within their own
 * timeouts.
 *
 * @param m the manager
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @return BB_OK, BB_E_TIMEOUT, BB_E_PINNED (leases hold every other copy), BB_E_STALLED (outlasted the watchdog,
 *         reported now), BB_E_BACKEND (the flush failed, or the upload to the manager's device; the next call tries
 *         again), BB_E_DEVICE_LOST (of a manager on a device), BB_E_OUT_OF_MEMORY (of its device), BB_E_STATE (this
 *         thread has reserved the back copy), BB_E_CLOSED, BB_E_RECURSIVE, BB_E_INTERRUPTED, BB_E_POISONED, or a
 *         handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread, any number at once
 */
BB_API bb_status bb_manager_synchronize(bb_manager *m, uint64_t timeout);

/**
 * Requests a publish of all updates accepted before, and does not wait.
 *
 * @param m the manager
 * @param ticket the ticket of the publish is written here, for `bb_manager_wait()`; never 0
 * @return BB_OK, BB_E_CLOSED, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate; lock-free, may make a system call, no allocation if
 *           `worker` is `BB_WORKER_ONLY`
 */
BB_API bb_status bb_manager_synchronize_async(bb_manager *m, uint64_t *ticket);

/**
 * Waits until the updates of a ticket are published. After a timeout the ticket still completes, and the wait may be
 * repeated.
 *
 * @param m the manager that gave the ticket
 * @param ticket from `bb_manager_synchronize_async()`
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @param epoch an epoch that contains the updates is written here; may be NULL
 * @return BB_OK, BB_E_ARGUMENT (not a ticket of this manager), and what `bb_manager_synchronize()` returns
 * @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
 *           ticket is completed, or the timeout is 0 and no publish has failed
 */
BB_API bb_status bb_manager_wait(bb_manager *m, uint64_t ticket, uint64_t timeout, uint64_t *epoch);

/**
 * Polls a ticket without waiting, for event loops that poll a watch (`bb_watch_ticket()`).
 *
 * One `poll` belongs to one wait, which begins with the first call: stalls, failures and pinned copies are reported
 * as to a thread that waits in `bb_manager_wait()`. After such a report the next call begins another wait, to which
 * a stall that was reported before is not reported again. Poll when the watch is readable, and at the latest after
 * `poll_after_ns`.
 *
 * @param m the manager that gave the ticket
 * @param ticket from `bb_manager_synchronize_async()`
 * @param poll zeros at first; each call updates it, except for a refused one
 * @param epoch an epoch that contains the updates is written here; may be NULL
 * @return BB_OK, BB_E_TIMEOUT (not decided yet; `poll_after_ns` is set), BB_E_PINNED, BB_E_STALLED, BB_E_BACKEND,
 *         BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, BB_E_ARGUMENT (not a ticket of this manager), BB_E_CLOSED,
 *         BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, no allocation; lock-free, no system call, no allocation if no
 *           publish has failed and the watchdog has not expired
 * @threadsafety safe to call from any thread; one thread at a time for a `poll`
 */
BB_API bb_status bb_manager_poll_ticket(bb_manager *m, uint64_t ticket, bb_ticket_poll *poll, uint64_t *epoch);

/**
 * Waits for an epoch newer than `after`, that is, for the next front.
 *
 * @param m the manager
 * @param after the newest epoch that the caller has seen
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @param epoch the newest epoch is written here
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_RECURSIVE, BB_E_INTERRUPTED, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if a later
 *           epoch is published already
 */
BB_API bb_status bb_manager_wait_epoch(bb_manager *m, uint64_t after, uint64_t timeout, uint64_t *epoch);

/**
 * Enqueues one update. The data is copied before the call returns.
 *
 * @param m the manager
 * @param update the data and its destination
 * @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
 * @return BB_OK, BB_E_ALIGN, BB_E_RANGE (beyond the field's end, no such field), BB_E_ARGUMENT (reserved), BB_E_FULL (no space, and the timeout is 0), BB_E_TIMEOUT, BB_E_PINNED
 *         (leases hold every other copy and the queue is full), BB_E_STALLED, BB_E_CLOSED, BB_E_OUT_OF_MEMORY
 *         (larger than the queue), BB_E_INTERRUPTED, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if `worker`
 *           is `BB_WORKER_ONLY`, the timeout is 0 and the queue is at most half full
 * @threadsafety safe to call from any thread; also from callbacks, where it does not wait
 */
BB_API bb_status bb_manager_enqueue_update(bb_manager *m, const bb_update *update, uint64_t timeout);

/**
 * Enqueues several updates as one batch: all of them in one epoch, or none.
 *
 * @param m the manager
 * @param updates the updates, applied in this order
 * @param count the number of updates; may be 0
 * @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
 * @return what `bb_manager_enqueue_update()` returns; one bad update refuses them all
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; also from callbacks, where it does not wait
 */
BB_API bb_status bb_manager_enqueue_updates(bb_manager *m, const bb_update *updates, uint64_t count, uint64_t timeout);

/**
 * Enqueues a fill: each element of a range is set to one value.
 *
 * @param m the manager
 * @param field index of the field; 0 for a manager made without fields
 * @param byte_offset start of the range in bytes from the start of the field, a multiple of the element size
 * @param count length of the range in elements
 * @param element one element, of any alignment
 * @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
 * @return what `bb_manager_enqueue_update()` returns
 * @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if `worker`
 *           is `BB_WORKER_ONLY`, the timeout is 0 and the queue is at most half full
 * @threadsafety safe to call from any thread; also from callbacks, where it does not wait
 */
BB_API bb_status bb_manager_enqueue_fill(bb_manager *m, uint32_t field, uint64_t byte_offset, uint64_t count, const void *element, uint64_t timeout);

/**
 * Enqueues an update of an N-d region. The data is copied before the call returns.
 *
 * @param m the manager
 * @param region the region and its data
 * @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
 * @return BB_E_ARGUMENT (a step of 0), and what `bb_manager_enqueue_update()` returns
 * @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if `worker`
 *           is `BB_WORKER_ONLY`, the timeout is 0 and the queue is at most half full
 * @threadsafety safe to call from any thread; also from callbacks, where it does not wait
 */
BB_API bb_status bb_manager_enqueue_region(bb_manager *m, const bb_region *region, uint64_t timeout);

/**
 * Enqueues an update whose data is not copied before the call returns: the data must stay unchanged until `release`
 * is called.
 *
 * If the call succeeds, `release` is called exactly once, on the worker, even if the manager is destroyed before, unless
 * `bb_end_callbacks()` has ended the callbacks with this function. The data must then stay as long as the manager. If
 * the call fails it is not called, and the data stays the caller's.
 *
 * @param m the manager
 * @param update the data and its destination
 * @param release releases the data
 * @param user_data passed to `release`
 * @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
 * @return what `bb_manager_enqueue_update()` returns
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; also from callbacks, where it does not wait
 */
BB_API bb_status bb_manager_enqueue_borrowed(bb_manager *m, const bb_update *update, bb_release_fn release, void *user_data, uint64_t timeout);

/**
 * Enqueues a kernel. If the call fails, `user_data` stays the caller's and `drop` is not called.
 *
 * @param m the manager
 * @param kernel the kernel and its range
 * @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
 * @return BB_E_ARGUMENT (flags), and what `bb_manager_enqueue_update()` returns
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; also from callbacks, where it does not wait
 */
BB_API bb_status bb_manager_enqueue_kernel(bb_manager *m, const bb_kernel *kernel, uint64_t timeout);

/**
 * Enqueues a tag: it is the tag of the first front that contains every earlier update of this thread, and of later
 * fronts until a newer tag.
 *
 * @param m the manager
 * @param tag a number of the caller, such as a step
 * @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
 * @return what `bb_manager_enqueue_update()` returns
 * @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if `worker`
 *           is `BB_WORKER_ONLY`, the timeout is 0 and the queue is at most half full
 * @threadsafety safe to call from any thread; also from callbacks, where it does not wait
 */
BB_API bb_status bb_manager_enqueue_tag(bb_manager *m, uint64_t tag, uint64_t timeout);

/**
 * Leases the newest front, in a bounded number of steps. It stays readable and unchanged until the lease is
 * released, despite later publishes and even after the manager is destroyed.
 *
 * @param m the manager
 * @param front output
 * @return BB_OK, BB_E_LIMIT (too many leases), BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
 *           thread releases the leases that it acquires and holds at most 8
 * @threadsafety safe to call from any thread; any number of leases at once
 */
BB_API BB_MUST_USE bb_status bb_manager_acquire_front(bb_manager *m, bb_front *front);

/**
 * Finds the ranges in which a front may differ from the front of an older epoch, so that a texture, a file or a peer
 * takes only what has changed.
 *
 * The ranges are ascending and neither overlap nor touch. Every byte that differs is in one of them; they may also
 * have bytes that are equal. If there are more than `capacity`, the nearest ones are joined; 512 are always enough.
 * The manager keeps the changes of its last `history` epochs (see `bb_manager_config`): for an older `since_epoch`
 * the only range is all of it, and `complete` is false. Works until the lease is released, also after the manager is
 * destroyed. For a `bb_device_front` or a `bb_gl_front`, pass a front with its lease.
 *
 * @param front a leased front; only its `lease` is read
 * @param since_epoch the epoch of the older front, at most that of `front`
 * @param field the index of a field, for offsets from its start, or `BB_ALL_FIELDS`
 * @param ranges output: memory for `capacity` ranges; the first `count` are written
 * @param capacity the most ranges, at least 1
 * @param count output: the number of ranges; 0 if nothing has changed
 * @param complete output: whether the history covers all epochs from `since_epoch` on
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (`since_epoch` is later than the front's epoch, `capacity` is 0, or the
 *         lease is not of a front), BB_E_RANGE (`field`), BB_E_STALE (the lease is released), or a handle status
 * @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if no thread
 *           releases the lease during the call
 * @threadsafety safe to call from any thread, also for one front from several threads at once
 */
BB_API bb_status bb_front_changes(const bb_front *front, uint64_t since_epoch, uint32_t field, bb_byte_range *ranges, uint64_t capacity, uint64_t *count, bool *complete);

/**
 * Copies bytes of the newest epoch, without a lease to release. All of them are of one epoch, which is no older than that of any
 * front or read before. For states of up to some KiB that several threads read often: the copy of 64 bytes costs less than a front.
 *
 * It never waits. For a state of at most 4096 bytes it takes no lease, unless it is the first read of its epoch; readers then
 * write nothing that they share. For a larger state, and while more than `copies` copies are in use, it takes a lease for as long
 * as it copies, and costs as much as acquiring a front and copying from it. A publish never waits for a read without a lease; for
 * one with a lease, only if `copies` is 2.
 *
 * Every manager has its state in host memory, also one on a device: that is what is read.
 *
 * @param m the manager
 * @param field the index of a field, for an offset from its start, or `BB_ALL_FIELDS`
 * @param byte_offset the first byte, of any alignment
 * @param dst destination of `bytes` bytes, of any alignment, outside of the state; may be NULL if `bytes` is 0. It may be
 *            written more than once during the call.
 * @param bytes the number of bytes
 * @param epoch the epoch that the bytes are of is written here; may be NULL
 * @param tag the newest tag enqueued before the publish of that epoch is written here, 0 if there is none; may be NULL
 * @return BB_OK, BB_E_NULL, BB_E_RANGE (`field`, or the end of the bytes), or a handle status
 * @realtime wait-free, may make a system call, no allocation; wait-free, no system call, no allocation if no thread waits
 *           for a free copy
 * @threadsafety safe to call from any thread; any number of reads at once
 */
BB_API BB_MUST_USE bb_status bb_manager_read(bb_manager *m, uint32_t field, uint64_t byte_offset, void *dst, uint64_t bytes, uint64_t *epoch, uint64_t *tag);

/**
 * Releases a lease. The memory must not be used any more.
 *
 * @param lease from `bb_front.lease`
 * @return BB_OK, BB_E_STALE (released before), or a handle status
 * @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the same
 *           thread acquired it as a front, no other thread uses it or waits for a free copy, and the manager lives
 * @threadsafety safe to call from any thread, not only the one that acquired it
 */
BB_API bb_status bb_lease_release(bb_lease *lease);

/**
 * Leases the newest front and its buffer on the manager's device. The upload is complete: the device does not write to
 * the buffer until the lease is released. Release it when the last work that reads the buffer is done, or is queued
 * before later work of the device.
 *
 * @param m a manager on a device
 * @param front output
 * @return BB_OK, BB_E_STATE (a manager on host memory; on OpenGL, no context that shares the device's objects is
 *         current on this thread; the driver's `check_renderer`), BB_E_BACKEND (the driver), BB_E_DEVICE_LOST,
 *         BB_E_LIMIT (too many leases), BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
 *           device has no functions of renderers (OpenGL has), and the thread releases the leases that it acquires and
 *           holds at most 8
 * @threadsafety safe to call from any thread; on OpenGL, with a context that shares the device's objects
 */
BB_API bb_status bb_manager_acquire_front_device(bb_manager *m, bb_device_front *front);

/**
 * Creates a manager whose fronts are also OpenGL buffers.
 *
 * It works as a manager of `bb_manager_create()`: updates, kernels and CPU fronts are in host memory. Each copy also
 * has an OpenGL buffer, to which the device's owner thread uploads what has changed before the copy is published. On
 * a host-driven device the upload runs in `bb_device_poll()` and in waits on its owner thread. If this call is made
 * on another thread, it waits for such a poll, at most for the config's `watchdog_ns` (0: without limit).
 *
 * @param device an OpenGL device
 * @param dtype a `bb_dtype`, or `BB_OPAQUE(size)` for elements of that many bytes
 * @param ndim dimensions, 0 to BB_MAX_DIMS
 * @param shape elements along each dimension; may be NULL if there are none
 * @param config parameters, or NULL for the defaults
 * @param manager the handle is written here
 * @return what `bb_manager_create()` returns with a device, BB_E_ARGUMENT (also a device of another kind, or a
 *         `config.device`)
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_manager_create_gl(bb_device *device, uint32_t dtype, uint32_t ndim, const uint64_t *shape, const bb_manager_config *config, bb_manager **manager);

/**
 * Leases the newest front for rendering. The context that is current on this thread waits for the fence of the
 * upload. The content does not change until the lease is released.
 *
 * @param m a manager on an OpenGL device
 * @param front output
 * @return BB_OK, BB_E_STATE (a manager on host memory or another device, or no context that shares the device's objects is current on
 *         this thread), BB_E_DEVICE_LOST, BB_E_LIMIT (too many leases), BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety on any thread with a context that shares the device's objects
 */
BB_API BB_MUST_USE bb_status bb_manager_acquire_front_gl(bb_manager *m, bb_gl_front *front);

/**
 * Releases a front once the draws so far are done: a fence is inserted into the context that is current on this
 * thread, and the buffer is not written before that fence is signalled. The CPU does not wait. On other devices it
 * works the same way with the driver's `renderer_fence`, and without that as `bb_lease_release()`.
 *
 * @param lease from `bb_gl_front.lease` or `bb_device_front.lease`
 * @return BB_OK, BB_E_ARGUMENT (a lease of another front), BB_E_STATE (no context that shares the device's objects is
 *         current on this thread, or the driver's `check_renderer`), BB_E_BACKEND (the driver), BB_E_STALE (released
 *         before), BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety on any thread with a context that shares the device's objects
 */
BB_API bb_status bb_lease_release_gl(bb_lease *lease);

/**
 * Reserves the back copy, so that the caller can change it in place: for a loop that reads the front and writes the
 * back.
 *
 * The back copy contains all updates enqueued before. Later updates queue until the reservation is committed or
 * cancelled, and synchronize waits for that.
 *
 * @param m the manager
 * @param flags `BB_BACK_KEEP`, or `BB_BACK_DISCARD` if all of it will be overwritten
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @param back output
 * @return BB_OK, BB_E_ARGUMENT (flags), BB_E_TIMEOUT, BB_E_PINNED (leases hold every other copy), BB_E_STALLED,
 *         BB_E_CLOSED, BB_E_RECURSIVE (from a callback of the manager), BB_E_STATE (this thread has it already),
 *         BB_E_INTERRUPTED, BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; there is at most one reservation
 */
BB_API BB_MUST_USE bb_status bb_manager_reserve_back(bb_manager *m, uint32_t flags, uint64_t timeout, bb_back *back);

/**
 * Leases the memory of the reserved back copy: it stays mapped until the lease is released, even after the commit
 * and after the manager is destroyed. For bindings of languages that may keep views of it.
 *
 * Unlike the lease of a front it does not preserve the bytes: after the commit the library uses the memory as a copy
 * of the state, unless `bb_manager_replace_back()` has moved the copy to other memory. Nothing waits for this lease.
 *
 * @param m the manager
 * @param back as `bb_manager_reserve_back()` wrote it, not yet committed or cancelled
 * @param lease the handle is written here; `bb_lease_release()` ends it
 * @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_ARGUMENT (`back` was changed),
 *         BB_E_LIMIT (too many leases), BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread, not only the one that reserved it
 */
BB_API BB_MUST_USE bb_status bb_manager_lease_back(bb_manager *m, const bb_back *back, bb_lease **lease);

/**
 * Moves the reserved back copy to new memory with the same bytes. The old memory then belongs to its leases: the
 * library neither reads nor writes it again, so that writes through remaining views of it reach no front.
 *
 * @param m the manager
 * @param back as `bb_manager_reserve_back()` wrote it, not yet committed or cancelled
 * @param replaced the same reservation in its new memory is written here; may be `back` itself
 * @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_ARGUMENT (`back` was changed),
 *         BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread, not only the one that reserved it
 */
BB_API BB_MUST_USE bb_status bb_manager_replace_back(bb_manager *m, const bb_back *back, bb_back *replaced);

/**
 * Reports which bytes of the reserved back copy were written. May be called several times before the commit.
 *
 * After the first report, `bb_manager_commit_back()` takes only reported ranges as changed: the next epochs copy no
 * more than those to the other copy, and `bb_front_changes()` names no more. Without a report all of the state
 * counts as changed. What is written outside of the reported ranges may be in some fronts and not in others. The
 * ranges may overlap, and may have 0 bytes. A refused call reports nothing.
 *
 * @param m the manager
 * @param back as `bb_manager_reserve_back()` wrote it, not yet committed or cancelled
 * @param field the index of a field, for offsets from its start, or `BB_ALL_FIELDS`
 * @param ranges `count` ranges; may be NULL if `count` is 0
 * @param count the number of ranges; 0 reports that nothing was written so far
 * @return BB_OK, BB_E_NULL, BB_E_RANGE (`field`, or a range that ends beyond the field or the state), BB_E_STATE (not
 *         reserved, or committed or cancelled before, or reserved with `BB_BACK_DISCARD`), BB_E_ARGUMENT (`back` was
 *         changed), or a handle status
 * @realtime wait-free, no system call, no allocation
 * @threadsafety safe to call from any thread, not only the one that reserved it
 */
BB_API bb_status bb_manager_mark_written(bb_manager *m, const bb_back *back, uint32_t field, const bb_byte_range *ranges, uint64_t count);

/**
 * Commits the reserved back copy: the next synchronize publishes it. Every result but BB_E_STATE and BB_E_ARGUMENT ends
 * the reservation. After BB_E_CLOSED or BB_E_STALE nothing is published, and the memory must not be used any more.
 *
 * All of the state counts as changed, and is copied to the other copy in a later epoch, unless
 * `bb_manager_mark_written()` has reported what was written.
 *
 * @param m the manager
 * @param back as `bb_manager_reserve_back()` wrote it
 * @param tag a number of the caller, such as a step; it is returned with the front
 * @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_ARGUMENT (`back` was changed),
 *         BB_E_CLOSED, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, no allocation
 * @threadsafety safe to call from any thread, not only the one that reserved it
 */
BB_API bb_status bb_manager_commit_back(bb_manager *m, const bb_back *back, uint64_t tag);

/**
 * Cancels the reservation: what was written to the back copy is undone. If the manager has been destroyed, it frees
 * the memory of the reservation and returns BB_E_STALE.
 *
 * @param m the manager
 * @param back as `bb_manager_reserve_back()` wrote it
 * @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_ARGUMENT (`back` was changed),
 *         BB_E_CLOSED, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread, not only the one that reserved it
 */
BB_API bb_status bb_manager_cancel_back(bb_manager *m, const bb_back *back);

/**
 * Gets the newest published epoch.
 *
 * @param m the manager
 * @param epoch output
 * @return BB_OK or a handle status
 * @realtime wait-free, no system call, no allocation
 * @threadsafety safe to call from any thread; never waits
 */
BB_API bb_status bb_manager_epoch(bb_manager *m, uint64_t *epoch);

/**
 * Gets dtype, shape, state and label of a manager.
 *
 * @param m the manager
 * @param struct_size `sizeof(bb_manager_info)`
 * @param info output, `struct_size` bytes
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime wait-free, no system call, no allocation
 * @threadsafety safe to call from any thread; never waits
 */
BB_API bb_status bb_manager_info_get(bb_manager *m, uint32_t struct_size, bb_manager_info *info);

/**
 * Gets the statistics of a manager.
 *
 * @param m the manager
 * @param struct_size `sizeof(bb_manager_stats)`
 * @param stats output, `struct_size` bytes
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime wait-free, no system call, no allocation
 * @threadsafety safe to call from any thread; never waits. The counters are not read at one instant
 */
BB_API bb_status bb_manager_stats_get(bb_manager *m, uint32_t struct_size, bb_manager_stats *stats);

/**
 * Writes the statistics of a manager and its fields as text. Allocates nothing.
 *
 * @param m the manager
 * @param write takes the text in pieces, on the calling thread
 * @param user_data passed to `write`
 * @return BB_OK or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_manager_stats_write(bb_manager *m, bb_write_fn write, void *user_data);

/**
 * Begins a batch. Its updates have no effect before it is committed; it holds no lock and no resource of the
 * manager.
 *
 * @param m the manager
 * @param batch the handle is written here; `bb_batch_commit()` and `bb_batch_cancel()` end it
 * @return BB_OK, BB_E_CLOSED, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_batch_begin(bb_manager *m, bb_batch **batch);

/**
 * Adds an update to a batch. The data is copied before the call returns.
 *
 * @param b the batch
 * @param update the data and its destination
 * @return BB_OK, BB_E_ALIGN, BB_E_RANGE, BB_E_ARGUMENT (reserved), BB_E_OUT_OF_MEMORY, BB_E_CLOSED, BB_E_BUSY (another thread uses it), or a
 *         handle status. A refused update leaves the batch as it was
 * @realtime lock-free, no system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_batch_update(bb_batch *b, const bb_update *update);

/**
 * Adds a fill to a batch: each element of a range is set to one value.
 *
 * @param b the batch
 * @param field index of the field; 0 for a manager made without fields
 * @param byte_offset start of the range in bytes from the start of the field, a multiple of the element size
 * @param count length of the range in elements
 * @param element one element, of any alignment
 * @return what `bb_batch_update()` returns
 * @realtime lock-free, no system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_batch_fill(bb_batch *b, uint32_t field, uint64_t byte_offset, uint64_t count, const void *element);

/**
 * Adds an update of an N-d region to a batch. The data is copied before the call returns.
 *
 * @param b the batch
 * @param region the region and its data
 * @return BB_E_ARGUMENT (a step of 0), and what `bb_batch_update()` returns
 * @realtime lock-free, no system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_batch_region(bb_batch *b, const bb_region *region);

/**
 * Adds a kernel to a batch. If the call fails, `user_data` stays the caller's. Once it has succeeded, `drop` is
 * called exactly once, even if the batch is cancelled.
 *
 * @param b the batch
 * @param kernel the kernel and its range
 * @return BB_E_ARGUMENT (flags), and what `bb_batch_update()` returns
 * @realtime lock-free, no system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_batch_kernel(bb_batch *b, const bb_kernel *kernel);

/**
 * Sets the tag of the first front that contains the batch.
 *
 * @param b the batch
 * @param tag a number of the caller, such as a step
 * @return what `bb_batch_update()` returns
 * @realtime lock-free, no system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_batch_tag(bb_batch *b, uint64_t tag);

/**
 * Enqueues the batch: all of it becomes visible in one epoch. Ends the handle. A failed commit leaves the batch
 * unchanged, and may be repeated.
 *
 * @param b the batch
 * @param timeout nanoseconds to wait for space in the queue; 0 does not wait, BB_FOREVER waits without limit
 * @return BB_OK, BB_E_FULL (no space, and the timeout is 0), BB_E_TIMEOUT, BB_E_PINNED, BB_E_STALLED, BB_E_CLOSED,
 *         BB_E_OUT_OF_MEMORY, BB_E_INTERRUPTED, BB_E_POISONED, BB_E_BUSY (another thread uses it), or a handle
 *         status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety one thread at a time; also from callbacks, where it does not wait
 */
BB_API bb_status bb_batch_commit(bb_batch *b, uint64_t timeout);

/**
 * Discards the batch and ends the handle. None of its updates is applied.
 *
 * @param b the batch; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), BB_E_BUSY (another thread uses it), or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_batch_cancel(bb_batch *b);

/**
 * Begins a task: every later synchronize waits until the task has ended.
 *
 * @param m the manager
 * @param label label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none
 * @param task the handle is written here; `bb_task_end()` ends it
 * @return BB_OK, BB_E_ARGUMENT (label that is not UTF-8), BB_E_CLOSED, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_POISONED, or a
 *         handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_task_begin(bb_manager *m, const char *label, bb_task **task);

/**
 * Ends a task.
 *
 * @param task the task
 * @return BB_OK, BB_E_STALE (ended before), BB_E_CLOSED (the manager has been destroyed, which ended the task), or a
 *         handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread, not only the one that began it
 */
BB_API bb_status bb_task_end(bb_task *task);

/**
 * Subscribes to the epochs of a manager.
 *
 * @param m the manager
 * @param after the newest epoch that the caller has seen
 * @param watch the handle is written here; `bb_watch_destroy()` ends it
 * @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_CLOSED, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_watch_create(bb_manager *m, uint64_t after, bb_watch **watch);

/**
 * Gets the file descriptor of the watch, for event loops. It is readable (POLLIN, level-triggered) while there is an
 * epoch that `bb_watch_wait()` has not returned, while the ticket of `bb_watch_ticket()` is decided, and once the
 * manager has ended. It belongs to the watch: neither read nor close it.
 *
 * @param w the watch
 * @param fd output
 * @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_CLOSED (the manager has
 *         been destroyed), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_watch_fd(bb_watch *w, int32_t *fd);

/**
 * Makes the descriptor readable also when a ticket is decided, so that a wait for it does not block: done, failed or
 * closed. A later ticket replaces it.
 *
 * @param w the watch
 * @param ticket from `bb_manager_synchronize_async()` of the same manager
 * @return BB_OK, BB_E_ARGUMENT (not a ticket of this manager), BB_E_CLOSED, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_watch_ticket(bb_watch *w, uint64_t ticket);

/**
 * Waits for an epoch newer than the last one that this watch has returned, and clears the descriptor.
 *
 * @param w the watch
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @param epoch the newest epoch is written here
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (the manager or the watch has ended), BB_E_RECURSIVE, BB_E_INTERRUPTED,
 *         BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; two concurrent waits may return the same epoch
 */
BB_API bb_status bb_watch_wait(bb_watch *w, uint64_t timeout, uint64_t *epoch);

/**
 * Destroys a watch: its waiters return BB_E_CLOSED, and its descriptor is closed.
 *
 * @param w the watch; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_watch_destroy(bb_watch *w);

/**
 * Creates a device on host memory. It behaves as a device on OpenGL, and needs no driver.
 *
 * @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
 * @param label label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none
 * @param device the handle is written here
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (flags, label that is not UTF-8), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (threads,
 *         handles), BB_E_UNSUPPORTED (the system refuses a thread)
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
 */
BB_API BB_MUST_USE bb_status bb_device_create_host(uint32_t flags, const char *label, bb_device **device);

/**
 * Creates a device on OpenGL 3.3 or newer.
 *
 * - Headless: no flags, `get_proc` and `config` NULL. A thread of the library owns a context that it creates with
 *   EGL.
 * - Shared: as headless, and the config has the program's `EGLDisplay` and `EGLContext`. Buffers of the device are
 *   usable in that context.
 * - Host-driven: `BB_DEVICE_HOST_DRIVEN` and a `get_proc`. The program's context, which is current on the calling
 *   thread, does the work in calls of `bb_device_poll()` on this thread. It works with every window system. The
 *   context must be current whenever the library is called on this thread. The library changes no state except for
 *   the bindings of `GL_COPY_READ_BUFFER` and `GL_COPY_WRITE_BUFFER`. Errors that the program has not read with
 *   `glGetError` are cleared and logged.
 *
 * The environment variable `BACKBUF_GL_CAPS` lists the optional features that may be used: `none`, or some of
 * `buffer_storage,debug,robustness`. All of them may be used if it is not set.
 *
 * @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
 * @param get_proc returns the addresses of functions; required with `BB_DEVICE_HOST_DRIVEN`, else NULL
 * @param config parameters, or NULL for the defaults
 * @param device the handle is written here
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (flags, get_proc, config, a context of another API), BB_E_VERSION,
 *         BB_E_STATE (host-driven, and no context is current on this thread), BB_E_UNSUPPORTED (no EGL, no driver,
 *         no context, too old a version: the message names it), BB_E_OUT_OF_MEMORY, BB_E_LIMIT
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
 */
BB_API BB_MUST_USE bb_status bb_device_create_gl(uint32_t flags, bb_gl_get_proc get_proc, const bb_gl_config *config, bb_device **device);

/**
 * Creates a device on WebGPU, on an adapter of its own. The library must be built with WebGPU: CMake's
 * `BACKBUF_WGPU`, Cargo's feature `wgpu`.
 *
 * @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
 * @param config parameters, or NULL for the defaults
 * @param device the handle is written here
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (flags, label or adapter that is not UTF-8), BB_E_VERSION,
 *         BB_E_UNSUPPORTED (a build without WebGPU, no driver, no such adapter: the message names it),
 *         BB_E_OUT_OF_MEMORY, BB_E_LIMIT
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
 */
BB_API BB_MUST_USE bb_status bb_device_create_wgpu(uint32_t flags, const bb_wgpu_config *config, bb_device **device);

/**
 * Runs the pending work of a host-driven device on its owner thread: uploads, copies and fences of all objects on
 * the device.
 *
 * Returns when no work is left or the budget is used up; a step that has begun, at most 1 MiB of an upload, is
 * finished first. It does not wait for more work.
 *
 * @param device a device made with `BB_DEVICE_HOST_DRIVEN`
 * @param budget nanoseconds; 0 runs one step, BB_FOREVER runs all pending work
 * @return BB_OK, BB_E_STATE (not host-driven), BB_E_WRONG_THREAD, BB_E_RECURSIVE (inside work of the device),
 *         BB_E_DEVICE_LOST, or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety owner thread only
 */
BB_API bb_status bb_device_poll(bb_device *device, uint64_t budget);

/**
 * Waits until all work submitted up to a fence is done. On the owner thread of a host-driven device it also runs the
 * device's work.
 *
 * @param device the device
 * @param fence from `bb_encoder_submit()`
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @return BB_OK, BB_E_TIMEOUT, BB_E_ARGUMENT (not a fence of this device), BB_E_DEVICE_LOST, BB_E_RECURSIVE (in a
 *         callback on the owner thread), BB_E_INTERRUPTED, or a handle status
 * @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the fence
 *           has passed
 */
BB_API bb_status bb_device_wait_fence(bb_device *device, uint64_t fence, uint64_t timeout);

/**
 * Gets kind, limits, names and label of a device.
 *
 * @param device the device
 * @param struct_size `sizeof(bb_device_info)`
 * @param info output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_device_info_get(bb_device *device, uint32_t struct_size, bb_device_info *info);

/**
 * Gets the statistics of a device.
 *
 * @param device the device
 * @param struct_size `sizeof(bb_device_stats)`
 * @param stats output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_device_stats_get(bb_device *device, uint32_t struct_size, bb_device_stats *stats);

/**
 * Writes one line for each buffer that exists: label, bytes, usage, and the state of buffers that can be mapped
 * (`MapPending`: a request is pending). Writes nothing if there is no buffer.
 *
 * @param device the device
 * @param write takes the text in pieces, on the calling thread
 * @param user_data passed to `write`
 * @return BB_OK, BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_device_leak_report(bb_device *device, bb_write_fn write, void *user_data);

/**
 * Destroys a device, with its context if the library created it. The native buffers of objects on it are deleted
 * too; its managers keep their copies in host memory, but publish no more (`BB_E_DEVICE_LOST`).
 *
 * A host-driven device is destroyed on its owner thread, with its context current; once that thread has ended, on
 * any thread.
 *
 * @param device the device; NULL is a no-op
 * @return BB_OK, BB_E_WRONG_THREAD (host-driven, and the owner thread is another one that has not ended),
 *         BB_E_RECURSIVE (inside work of the device), BB_E_STALE (also for all but one of several threads that
 *         destroy it), or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; for a host-driven device, the owner thread unless it has ended
 */
BB_API bb_status bb_device_destroy(bb_device *device);

/**
 * Creates a device on a driver of the program's.
 *
 * `open` runs before the call returns. All functions that are not documented as optional are required; those of
 * renderers are given all or not at all. If the call fails, `user_data` stays the caller's: `drop` is not called.
 *
 * @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
 * @param label label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none
 * @param driver the functions; the table is copied
 * @param device the handle is written here
 * @return BB_OK, BB_E_NULL (driver, a required function, device), BB_E_ARGUMENT (flags, reserved, label that is not
 *         UTF-8), BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (threads, handles, or the driver),
 *         BB_E_UNSUPPORTED (the system refuses a thread, or the driver), BB_E_BACKEND (the driver's `open` failed, or
 *         its info is out of range), BB_E_DEVICE_LOST (the driver)
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
 */
BB_API BB_MUST_USE bb_status bb_device_create_driver(uint32_t flags, const char *label, const bb_driver *driver, bb_device **device);

/**
 * Fills a descriptor with the defaults.
 *
 * @param desc output
 * @return BB_OK, BB_E_NULL
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_buffer_desc_init(bb_buffer_desc *desc);

/**
 * Creates a buffer filled with zeros. Mapping follows WebGPU's rules on every device.
 *
 * @param device the device that owns the memory
 * @param desc parameters
 * @param buffer the handle is written here; `bb_buffer_release()` ends it
 * @return BB_OK, BB_E_ARGUMENT (usage, label), BB_E_ALIGN (mapped at creation, and the size is no multiple of 4),
 *         BB_E_LIMIT (too large for the device), BB_E_VERSION, a device status, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_buffer_create(bb_device *device, const bb_buffer_desc *desc, bb_buffer **buffer);

/**
 * Destroys the buffer: its memory is freed once the device has finished with it. The handle stays valid, and the
 * state is `BB_BUFFER_DESTROYED`. A pending request completes with BB_E_ABORTED. Destroying a buffer again has no
 * effect.
 *
 * @param buffer the buffer; NULL is a no-op
 * @return BB_OK or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread, also in the buffer's own callback
 */
BB_API bb_status bb_buffer_destroy(bb_buffer *buffer);

/**
 * Gets size, usage, state and label of a buffer.
 *
 * @param buffer the buffer
 * @param struct_size `sizeof(bb_buffer_info)`
 * @param info output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_buffer_info_get(bb_buffer *buffer, uint32_t struct_size, bb_buffer_info *info);

/**
 * Gets the backend's own handle of the buffer: the name of an OpenGL buffer, or an address in host memory.
 *
 * @param buffer a buffer that is ready
 * @param native output
 * @return BB_OK, BB_E_STATE (mapped, map pending or destroyed), BB_E_TIMEOUT (the host has not driven the device for
 *         30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_buffer_native(bb_buffer *buffer, uint64_t *native);

/**
 * Destroys the buffer as `bb_buffer_destroy()` does, and ends the handle.
 *
 * @param buffer the buffer; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), BB_E_STALE (also for all but one of several threads that
 *         release it), or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread, also in the buffer's own callback
 */
BB_API bb_status bb_buffer_release(bb_buffer *buffer);

/**
 * Gets mapped bytes for writing. They are valid until the buffer is unmapped, destroyed or released, or its device
 * is destroyed; until then no other range may overlap them.
 *
 * @param buffer a buffer that is mapped for writing
 * @param offset offset in the buffer in bytes, a multiple of 8
 * @param size length in bytes, a multiple of 4; `BB_WHOLE_SIZE` for the rest of the mapped range
 * @param span output
 * @return BB_OK, BB_E_STATE (not mapped), BB_E_ARGUMENT (mapped for reading), BB_E_BUSY (overlaps another range),
 *         BB_E_ALIGN, BB_E_RANGE, BB_E_OUT_OF_MEMORY, BB_E_DEVICE_LOST, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_buffer_mapped_range(bb_buffer *buffer, uint64_t offset, uint64_t size, bb_span *span);

/**
 * Gets mapped bytes for reading. Ranges for reading may overlap each other, but no range for writing.
 *
 * @param buffer a buffer that is mapped
 * @param offset offset in the buffer in bytes, a multiple of 8
 * @param size length in bytes, a multiple of 4; `BB_WHOLE_SIZE` for the rest of the mapped range
 * @param span output
 * @return what `bb_buffer_mapped_range()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_buffer_const_mapped_range(bb_buffer *buffer, uint64_t offset, uint64_t size, bb_const_span *span);

/**
 * Gets the whole mapping, without the overlap checks of ranges: for a caller that is the only user of the buffer.
 *
 * @param buffer the buffer
 * @param struct_size `sizeof(bb_mapping)`
 * @param mapping output
 * @return BB_OK, BB_E_DEVICE_LOST (mapped, and the device is lost), BB_E_VERSION (struct_size), or a handle status
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_buffer_mapping_get(bb_buffer *buffer, uint32_t struct_size, bb_mapping *mapping);

/**
 * Unmaps the buffer as `bb_buffer_unmap()` does, but only the mapping with that number; a later mapping stays.
 *
 * @param buffer the buffer
 * @param number from `bb_buffer_mapping_get()`
 * @return BB_OK or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_buffer_unmap_only(bb_buffer *buffer, uint64_t number);

/**
 * Unmaps the buffer, so that the device may use it again; a pending request completes with BB_E_ABORTED. No effect
 * on a buffer that is neither mapped nor map pending.
 *
 * @param buffer the buffer
 * @return BB_OK or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_buffer_unmap(bb_buffer *buffer);

/**
 * Requests a mapping, which completes when the device has finished the work that uses the buffer. The call fails at
 * once while the buffer is mapped or another request is pending; that request goes on.
 *
 * An accepted request completes exactly once, with no lock held: mapped, BB_E_ABORTED (by unmap, destroy or
 * release), BB_E_CANCELLED, BB_E_DEVICE_LOST, or an error of the backend. Releasing its handle does not cancel it.
 *
 * @param buffer a buffer with `BB_USAGE_MAP_READ` or `BB_USAGE_MAP_WRITE`
 * @param mode `BB_MAP_READ` or `BB_MAP_WRITE`
 * @param offset start in bytes, a multiple of 8
 * @param size length in bytes, a multiple of 4; `BB_WHOLE_SIZE` for the rest
 * @param callback called with the outcome, or NULL: on the device's owner thread, on the thread that unmaps,
 *        destroys or cancels, or inside this call. It may use, destroy and release any buffer, but must not wait for
 *        the device
 * @param request a handle for poll, wait and cancel is written here; `bb_request_release()` ends it. NULL for none
 * @return BB_OK, BB_E_STATE (not ready: the message names the state), BB_E_ARGUMENT (mode, or not in the usage),
 *         BB_E_ALIGN, BB_E_RANGE, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_DEVICE_LOST, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_buffer_map_async(bb_buffer *buffer, uint32_t mode, uint64_t offset, uint64_t size, const bb_map_callback *callback, bb_request **request);

/**
 * Gets the outcome of a request, if it has completed. It does not run the device's work.
 *
 * @param request the request
 * @param struct_size `sizeof(bb_map_outcome)`
 * @param outcome output
 * @return BB_OK (completed; see `outcome`), BB_E_TIMEOUT (not yet), BB_E_VERSION (struct_size), or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation while the
 *           request is pending
 */
BB_API bb_status bb_request_poll(bb_request *request, uint32_t struct_size, bb_map_outcome *outcome);

/**
 * Waits for a request to complete. On the owner thread of a host-driven device it also runs the device's work.
 *
 * @param request the request
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @param struct_size `sizeof(bb_map_outcome)`
 * @param outcome output
 * @return BB_OK (completed; see `outcome`), BB_E_TIMEOUT, BB_E_RECURSIVE (in a callback on the owner thread),
 *         BB_E_INTERRUPTED, BB_E_VERSION (struct_size), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_request_wait(bb_request *request, uint64_t timeout, uint32_t struct_size, bb_map_outcome *outcome);

/**
 * Waits until one of several requests of one device has completed.
 *
 * @param requests the requests
 * @param count how many there are
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @param index the index of the first completed request is written here
 * @return BB_OK, BB_E_ARGUMENT (no requests, or of several devices), BB_E_TIMEOUT, BB_E_RECURSIVE, BB_E_INTERRUPTED,
 *         BB_E_OUT_OF_MEMORY, BB_E_RANGE, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_request_wait_any(bb_request *const *requests, uint64_t count, uint64_t timeout, uint64_t *index);

/**
 * Cancels a request: it completes with BB_E_CANCELLED, unless it has completed already.
 *
 * @param request the request
 * @param in_time 1 if the request is cancelled, 0 if it had completed, is written here; may be NULL
 * @return BB_OK or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_request_cancel(bb_request *request, uint32_t *in_time);

/**
 * Ends the handle of a request. The request continues, and its callback gets the outcome.
 *
 * @param request the request; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_request_release(bb_request *request);

/**
 * Creates a buffer that is never mapped, of any number of bytes: staging buffers and `bb_encoder_write()` write it,
 * `bb_readback_read()` reads it.
 *
 * @param device the device that owns the memory
 * @param desc parameters; `BB_USAGE_COPY_DST` is added
 * @param buffer the handle is written here; `bb_device_buffer_destroy()` ends it
 * @return BB_OK, BB_E_ARGUMENT (usage, label, mapped at creation), BB_E_LIMIT (too large for the device), BB_E_VERSION, a
 *         device status, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_device_buffer_create(bb_device *device, const bb_buffer_desc *desc, bb_device_buffer **buffer);

/**
 * Creates a device buffer that `bb_device_buffer_reserve()` can grow.
 *
 * @param device the device that owns the memory
 * @param desc parameters; `BB_USAGE_COPY_SRC` and `BB_USAGE_COPY_DST` are added
 * @param buffer the handle is written here; `bb_device_buffer_destroy()` ends it
 * @return what `bb_device_buffer_create()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_device_buffer_create_growable(bb_device *device, const bb_buffer_desc *desc, bb_device_buffer **buffer);

/**
 * Grows a buffer to at least `size` bytes. A smaller buffer is replaced by one at least twice as large, and the
 * device copies the bytes to it. The native handle and the generation change; the old memory is freed when the
 * device has finished with it. Copies that were recorded with the old buffer and not submitted are refused.
 *
 * @param buffer a buffer made by `bb_device_buffer_create_growable()`
 * @param size the bytes needed
 * @param grew 1 is written here if it grew, else 0; may be NULL
 * @return BB_OK, BB_E_STATE (it does not grow), BB_E_LIMIT, a device status, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_device_buffer_reserve(bb_device_buffer *buffer, uint64_t size, uint32_t *grew);

/**
 * Gets size, usage, state, generation and label of a device buffer.
 *
 * @param buffer the buffer
 * @param struct_size `sizeof(bb_buffer_info)`
 * @param info output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_device_buffer_info_get(bb_device_buffer *buffer, uint32_t struct_size, bb_buffer_info *info);

/**
 * Gets the backend's own handle of the buffer: the name of an OpenGL buffer, or an address in host memory. The
 * program must wait for the fences of submitted work before it uses the memory.
 *
 * @param buffer the buffer
 * @param native output
 * @return BB_OK, BB_E_TIMEOUT (the host has not driven the device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST,
 *         BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_device_buffer_native(bb_device_buffer *buffer, uint64_t *native);

/**
 * Destroys a device buffer. Its memory is freed once the device has finished with it.
 *
 * @param buffer the buffer; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), BB_E_STALE (also for all but one of several threads that
 *         destroy it), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_device_buffer_destroy(bb_device_buffer *buffer);

/**
 * Creates an encoder with nothing recorded.
 *
 * @param device the device whose buffers are used
 * @param encoder the handle is written here; `bb_encoder_destroy()` ends it
 * @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_encoder_create(bb_device *device, bb_encoder **encoder);

/**
 * Records a copy between two buffers. Their states are checked at submit.
 *
 * @param encoder the encoder
 * @param from a buffer with `BB_USAGE_COPY_SRC`
 * @param from_offset offset in the source, a multiple of 4
 * @param to another buffer, with `BB_USAGE_COPY_DST`
 * @param to_offset offset in the destination, a multiple of 4
 * @param bytes the number of bytes, a multiple of 4
 * @return BB_OK, BB_E_ALIGN, BB_E_RANGE, BB_E_ARGUMENT (usage, another device, the same buffer), BB_E_OUT_OF_MEMORY,
 *         BB_E_BUSY (another thread uses it), or a handle status
 * @realtime lock-free, no system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_encoder_copy(bb_encoder *encoder, bb_buffer *from, uint64_t from_offset, bb_buffer *to, uint64_t to_offset, uint64_t bytes);

/**
 * Records a copy between two device buffers, of any number of bytes. Each of them may also be a `bb_buffer`, cast to
 * `bb_device_buffer *`, as in every function that records a copy from or to a device buffer.
 *
 * @param encoder the encoder
 * @param from a device buffer with `BB_USAGE_COPY_SRC`, or a `bb_buffer`
 * @param from_offset offset in the source
 * @param to another device buffer, or a `bb_buffer` with `BB_USAGE_COPY_DST`
 * @param to_offset offset in the destination
 * @param bytes the number of bytes
 * @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (usage, another device, the same buffer), BB_E_OUT_OF_MEMORY, BB_E_BUSY
 *         (another thread uses it), or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_encoder_copy_bytes(bb_encoder *encoder, bb_device_buffer *from, uint64_t from_offset, bb_device_buffer *to, uint64_t to_offset, uint64_t bytes);

/**
 * Records a write of the caller's bytes to a device buffer. They are not copied: they are read at submit, and must
 * stay valid until then.
 *
 * @param encoder the encoder
 * @param to the device buffer, or a `bb_buffer` with `BB_USAGE_COPY_DST`
 * @param offset offset in the device buffer
 * @param data the bytes
 * @param bytes the number of bytes
 * @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (usage, another device), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread uses it),
 *         or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_encoder_write(bb_encoder *encoder, bb_device_buffer *to, uint64_t offset, const void *data, uint64_t bytes);

/**
 * Records a copy of an update of this frame to a device buffer.
 *
 * @param encoder the encoder
 * @param dynamic the dynamic buffer, with `BB_USAGE_COPY_SRC`
 * @param slice an update of the current frame
 * @param to the device buffer, or a `bb_buffer` with `BB_USAGE_COPY_DST`
 * @param offset offset in the device buffer
 * @return BB_OK, BB_E_STALE (the update's frame has ended, or it is of another dynamic buffer), BB_E_RANGE,
 *         BB_E_ARGUMENT (usage, another device, or `slice` was changed), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread
 *         uses it), or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_encoder_copy_update(bb_encoder *encoder, bb_dynamic *dynamic, const bb_dynamic_slice *slice, bb_device_buffer *to, uint64_t offset);

/**
 * Submits the recorded copies and writes to the device, and empties the encoder. If a buffer is mapped, map pending
 * or destroyed, the call fails with its name: nothing is done, and the recorded steps stay.
 *
 * @param encoder the encoder
 * @param fence the fence of this submit, for `bb_device_wait_fence()`, is written here; may be NULL
 * @return BB_OK, BB_E_STATE (a buffer is not ready), BB_E_BUSY (another thread uses it), a device status, or a
 *         handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_encoder_submit(bb_encoder *encoder, uint64_t *fence);

/**
 * Destroys an encoder. Recorded steps that were not submitted are discarded.
 *
 * @param encoder the encoder; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_encoder_destroy(bb_encoder *encoder);

/**
 * Creates a staging buffer for one upload. It is mapped at creation: for data that is loaded once.
 *
 * @param device the device that owns the memory
 * @param size size in bytes
 * @param label label in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none
 * @param staging the handle is written here; `bb_immediate_staging_destroy()` ends it
 * @return BB_OK, BB_E_ARGUMENT (label), BB_E_LIMIT, a device status, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_immediate_staging_create(bb_device *device, uint64_t size, const char *label, bb_immediate_staging **staging);

/**
 * Writes bytes to a staging buffer.
 *
 * @param staging the staging buffer, not uploaded yet
 * @param offset offset in the staging buffer, in bytes
 * @param data the bytes
 * @param bytes the number of bytes
 * @return BB_OK, BB_E_STATE (uploaded: not mapped), BB_E_RANGE, BB_E_BUSY (the bytes are in use), BB_E_DEVICE_LOST,
 *         BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; two that write the same bytes race
 */
BB_API bb_status bb_immediate_staging_write(bb_immediate_staging *staging, uint64_t offset, const void *data, uint64_t bytes);

/**
 * Gets the bytes of a staging buffer for writing in place; do not read them. They are valid until the upload, the
 * destroy, or the end of the device.
 *
 * @param staging the staging buffer, not uploaded yet
 * @param span output
 * @return BB_OK, BB_E_STATE (uploaded: not mapped), BB_E_BUSY (another thread gets them at the same moment),
 *         BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_immediate_staging_bytes(bb_immediate_staging *staging, bb_span *span);

/**
 * Records a copy of the whole staging buffer to a device buffer, and unmaps it. It may be destroyed once the copy is
 * submitted.
 *
 * @param staging the staging buffer
 * @param encoder the encoder
 * @param to the device buffer, or a `bb_buffer` with `BB_USAGE_COPY_DST`
 * @param offset offset in the device buffer, in bytes
 * @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (usage, another device), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread uses the
 *         encoder), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_immediate_staging_upload_to(bb_immediate_staging *staging, bb_encoder *encoder, bb_device_buffer *to, uint64_t offset);

/**
 * Gets size, usage, state and label of a staging buffer.
 *
 * @param staging the staging buffer
 * @param struct_size `sizeof(bb_buffer_info)`
 * @param info output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_immediate_staging_info_get(bb_immediate_staging *staging, uint32_t struct_size, bb_buffer_info *info);

/**
 * Destroys a staging buffer. Its memory is freed once the device has finished with it; submits of copies recorded
 * before are refused.
 *
 * @param staging the staging buffer; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_immediate_staging_destroy(bb_immediate_staging *staging);

/**
 * Creates a staging buffer for repeated uploads. It is mapped on request: for data that is streamed.
 *
 * @param device the device that owns the memory
 * @param size size in bytes
 * @param label label in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none
 * @param staging the handle is written here; `bb_deferred_staging_destroy()` ends it
 * @return BB_OK, BB_E_ARGUMENT (label), BB_E_LIMIT, a device status, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_deferred_staging_create(bb_device *device, uint64_t size, const char *label, bb_deferred_staging **staging);

/**
 * Requests the mapping of a staging buffer, which completes when its last upload is done. Else it works as
 * `bb_buffer_map_async()`.
 *
 * @param staging the staging buffer
 * @param callback called with the outcome, or NULL
 * @param request a handle for poll, wait and cancel is written here; NULL for none
 * @return BB_OK, BB_E_STATE (mapped or pending), BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_DEVICE_LOST, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_deferred_staging_map_async(bb_deferred_staging *staging, const bb_map_callback *callback, bb_request **request);

/**
 * Writes bytes to a staging buffer.
 *
 * @param staging the staging buffer, mapped
 * @param offset offset in the staging buffer, in bytes
 * @param data the bytes
 * @param bytes the number of bytes
 * @return BB_OK, BB_E_STATE (not mapped), BB_E_RANGE, BB_E_BUSY (the bytes are in use), BB_E_DEVICE_LOST,
 *         BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; two that write the same bytes race
 */
BB_API bb_status bb_deferred_staging_write(bb_deferred_staging *staging, uint64_t offset, const void *data, uint64_t bytes);

/**
 * Gets the bytes of a staging buffer for writing in place; do not read them. They are valid until the upload, the
 * destroy, or the end of the device.
 *
 * @param staging the staging buffer, mapped
 * @param span output
 * @return BB_OK, BB_E_STATE (not mapped), BB_E_BUSY (another thread gets them at the same moment), BB_E_DEVICE_LOST,
 *         BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_deferred_staging_bytes(bb_deferred_staging *staging, bb_span *span);

/**
 * Records a copy of the whole staging buffer to a device buffer, and unmaps it. Once the copy is submitted, a
 * mapping may be requested again.
 *
 * @param staging the staging buffer
 * @param encoder the encoder
 * @param to the device buffer, or a `bb_buffer` with `BB_USAGE_COPY_DST`
 * @param offset offset in the device buffer, in bytes
 * @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (usage, another device), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread uses the
 *         encoder), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_deferred_staging_upload_to(bb_deferred_staging *staging, bb_encoder *encoder, bb_device_buffer *to, uint64_t offset);

/**
 * Unmaps a staging buffer without an upload; its bytes are kept. A pending request completes with BB_E_ABORTED. Does
 * nothing if the buffer is neither mapped nor pending.
 *
 * @param staging the staging buffer
 * @return BB_OK, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_deferred_staging_unmap(bb_deferred_staging *staging);

/**
 * Gets size, usage, state and label of a staging buffer.
 *
 * @param staging the staging buffer
 * @param struct_size `sizeof(bb_buffer_info)`
 * @param info output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_deferred_staging_info_get(bb_deferred_staging *staging, uint32_t struct_size, bb_buffer_info *info);

/**
 * Destroys a staging buffer, as `bb_immediate_staging_destroy()` does. A pending request completes with
 * BB_E_ABORTED.
 *
 * @param staging the staging buffer; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread, also in its own callback
 */
BB_API bb_status bb_deferred_staging_destroy(bb_deferred_staging *staging);

/**
 * Fills a config with the defaults: 3 frames, a size of 0.
 *
 * @param config output
 * @return BB_OK, BB_E_NULL
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_readback_config_init(bb_readback_config *config);

/**
 * Creates a ring of buffers for reads, so that no frame waits for its own read.
 *
 * @param device the device that owns the memory
 * @param config parameters; `size` must be set
 * @param readback the handle is written here; `bb_readback_destroy()` ends it
 * @return BB_OK, BB_E_ARGUMENT (frames, when_full, label), BB_E_LIMIT, BB_E_VERSION, a device status, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_readback_create(bb_device *device, const bb_readback_config *config, bb_readback **readback);

/**
 * Submits a copy of a device buffer's content and requests its mapping. When all buffers of the ring are in use,
 * `when_full` decides what happens.
 *
 * @param readback the ring
 * @param from a device buffer with `BB_USAGE_COPY_SRC`, or such a `bb_buffer`
 * @param offset offset in the device buffer
 * @param bytes the number of bytes, at most the ring's `size`
 * @param reading the handle is written here; `bb_reading_release()` ends it and returns its buffer to the ring
 * @return BB_OK, BB_E_FULL, BB_E_TIMEOUT (also if no buffer was free in time), BB_E_RANGE, BB_E_ARGUMENT (usage,
 *         another device), BB_E_LIMIT, BB_E_RECURSIVE (waiting in a callback), a device status, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_readback_read(bb_readback *readback, bb_device_buffer *from, uint64_t offset, uint64_t bytes, bb_reading **reading);

/**
 * Records the same copy in an encoder, in order with its other steps. Submitting the encoder requests the mapping;
 * if the encoder is destroyed without a submit, the reading ends with BB_E_ABORTED. The buffer of the ring is in use
 * from now on.
 *
 * @param readback the ring
 * @param encoder the encoder
 * @param from a device buffer with `BB_USAGE_COPY_SRC`, or such a `bb_buffer`
 * @param offset offset in the device buffer
 * @param bytes the number of bytes, at most the ring's `size`
 * @param reading the handle is written here; `bb_reading_release()` ends it and returns its buffer to the ring
 * @return what `bb_readback_read()` returns, BB_E_BUSY (another thread uses the encoder)
 * @realtime may block, may make a system call, may allocate
 * @threadsafety one thread at a time for the encoder
 */
BB_API BB_MUST_USE bb_status bb_readback_read_in(bb_readback *readback, bb_encoder *encoder, bb_device_buffer *from, uint64_t offset, uint64_t bytes, bb_reading **reading);

/**
 * Gets the statistics of a readback ring.
 *
 * @param readback the ring
 * @param struct_size `sizeof(bb_readback_stats)`
 * @param stats output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_readback_stats_get(bb_readback *readback, uint32_t struct_size, bb_readback_stats *stats);

/**
 * Gets size, usage, state and label of a readback ring. The state is `BB_BUFFER_READY`; each
 * reading has its own.
 *
 * @param readback the readback ring
 * @param struct_size `sizeof(bb_buffer_info)`
 * @param info output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_readback_info_get(bb_readback *readback, uint32_t struct_size, bb_buffer_info *info);

/**
 * Destroys a readback ring. Existing readings keep their buffers until they are released.
 *
 * @param readback the ring; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_readback_destroy(bb_readback *readback);

/**
 * Checks whether the bytes of a read are available. It does not run the device's work.
 *
 * @param reading the reading
 * @return BB_OK (available), BB_E_TIMEOUT (not yet), BB_E_ABORTED (dropped for a newer one), BB_E_DEVICE_LOST,
 *         BB_E_BACKEND, or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation while the
 *           reading is pending
 */
BB_API bb_status bb_reading_poll(bb_reading *reading);

/**
 * Waits for the bytes of a read. On the owner thread of a host-driven device it also runs the device's work.
 *
 * @param reading the reading
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @return BB_OK (available), BB_E_TIMEOUT, BB_E_ABORTED (dropped for a newer one), BB_E_DEVICE_LOST, BB_E_BACKEND,
 *         BB_E_OUT_OF_MEMORY, BB_E_RECURSIVE (in a callback on the owner thread), BB_E_INTERRUPTED, or a handle
 *         status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_reading_wait(bb_reading *reading, uint64_t timeout);

/**
 * Gets the bytes of a finished read. They are valid until the reading is released or the device is destroyed.
 *
 * @param reading the reading
 * @param span output
 * @return BB_OK, BB_E_STATE (not available yet), BB_E_ABORTED (dropped for a newer one), BB_E_DEVICE_LOST,
 *         BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_reading_bytes(bb_reading *reading, bb_const_span *span);

/**
 * Passes the bytes of a read to a callback, which is called once: on the device's owner thread, on a thread that
 * drops the reading, or inside this call if the read is finished. The handle ends, and the buffer returns to the
 * ring after the callback.
 *
 * @param reading the reading
 * @param callback called once if the call succeeds
 * @return BB_OK, BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_reading_then(bb_reading *reading, const bb_read_callback *callback);

/**
 * Ends a reading and returns its buffer to the ring.
 *
 * @param reading the reading; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_reading_release(bb_reading *reading);

/**
 * Fills a config with the defaults: uniforms, 3 frames, a size of 0, and a wait of at most a second when the ring is
 * full.
 *
 * @param config output
 * @return BB_OK, BB_E_NULL
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_dynamic_config_init(bb_dynamic_config *config);

/**
 * Creates a dynamic buffer: an update gets space in a ring, is written in place, and is used by work submitted after
 * it. Nothing waits while the device is at most `frames` frames behind.
 *
 * @param device the device that owns the memory
 * @param config parameters; `size` must be set
 * @param dynamic the handle is written here; `bb_dynamic_destroy()` ends it
 * @return BB_OK, BB_E_ARGUMENT (frames, policy, usage, label), BB_E_LIMIT, BB_E_VERSION, a device status, or a handle
 *         status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_dynamic_create(bb_device *device, const bb_dynamic_config *config, bb_dynamic **dynamic);

/**
 * Begins an update of this frame: returns space that is written in place, until `bb_dynamic_end_update()`. An update
 * larger than the ring gets a dedicated buffer until the device has finished the frame.
 *
 * @param dynamic the dynamic buffer
 * @param bytes the number of bytes
 * @param slice output
 * @return BB_OK, BB_E_FULL, BB_E_TIMEOUT (BB_RING_BLOCK, or the host has not driven the device for 30 s), BB_E_LIMIT,
 *         BB_E_RECURSIVE (waiting in a callback on the owner thread), a device status, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_dynamic_begin_update(bb_dynamic *dynamic, uint64_t bytes, bb_dynamic_slice *slice);

/**
 * Ends an update that has been written: work submitted from now on sees it.
 *
 * @param dynamic the dynamic buffer
 * @param slice the update
 * @return BB_OK, BB_E_STALE (its frame has ended, or it is of another dynamic buffer), BB_E_STATE (it has been ended
 *         before), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_dynamic_end_update(bb_dynamic *dynamic, const bb_dynamic_slice *slice);

/**
 * Begins, writes and ends an update in one call.
 *
 * @param dynamic the dynamic buffer
 * @param data the bytes
 * @param bytes the number of bytes
 * @param slice the update is written here
 * @return what `bb_dynamic_begin_update()` returns, BB_E_RANGE
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_dynamic_update(bb_dynamic *dynamic, const void *data, uint64_t bytes, bb_dynamic_slice *slice);

/**
 * Transfers ended updates to the device, and makes later draws of this thread's context wait for them. Needed for
 * draws by the program itself; `bb_encoder_submit()` includes it. It costs nothing where updates are written in
 * place.
 *
 * @param dynamic the dynamic buffer
 * @return BB_OK, a device status, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_dynamic_flush(bb_dynamic *dynamic);

/**
 * Ends the frame, after all work that uses its updates has been submitted or drawn by this thread. The space of its
 * updates is free again when the device has finished that work. A frame without updates costs nothing.
 *
 * @param dynamic the dynamic buffer
 * @return BB_OK, BB_E_STATE (an update has not been ended), BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, or a
 *         handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_dynamic_end_frame(bb_dynamic *dynamic);

/**
 * Gets the statistics of a dynamic buffer.
 *
 * @param dynamic the dynamic buffer
 * @param struct_size `sizeof(bb_dynamic_stats)`
 * @param stats output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_dynamic_stats_get(bb_dynamic *dynamic, uint32_t struct_size, bb_dynamic_stats *stats);

/**
 * Gets size, usage, state and label of a dynamic buffer. The size is that of the config; the state is
 * `BB_BUFFER_READY`; the generation is 1, plus 1 for each time that the ring grew.
 *
 * @param dynamic the dynamic buffer
 * @param struct_size `sizeof(bb_buffer_info)`
 * @param info output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_dynamic_info_get(bb_dynamic *dynamic, uint32_t struct_size, bb_buffer_info *info);

/**
 * Destroys a dynamic buffer. Its memory is freed once the device has finished with it.
 *
 * @param dynamic the dynamic buffer; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_dynamic_destroy(bb_dynamic *dynamic);

/**
 * Fills a config with the defaults.
 *
 * @param config output
 * @return BB_OK, BB_E_NULL
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_spsc_config_init(bb_spsc_config *config);

/**
 * Creates a ring of bytes for one producer and one consumer.
 *
 * Each end is a separate object that one thread may use at a time; it may be passed to another thread. The ring
 * exists as long as one of its ends. Sending and receiving without waits make no system call and allocate nothing.
 *
 * A ring of more than 4 MiB is committed by the kernel on first use. A ring of more than 8 MiB is refused if it
 * exceeds the memory available now, control group limits included. If that memory is no longer available at first
 * use, the kernel kills a process.
 *
 * @param capacity capacity in bytes, rounded up to a power of two, or to whole records if the oldest are
 *        overwritten; all of it is usable
 * @param config parameters, or NULL for the defaults
 * @param sender the handle of the sending end is written here
 * @param receiver the handle of the receiving end is written here
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (a capacity of 0, flags, label that is not UTF-8), BB_E_RANGE (a capacity or
 *         record beyond the address space), BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (handles,
 *         descriptors, the size of files), BB_E_UNSUPPORTED (the system refuses memfd_create)
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_spsc_create(uint64_t capacity, const bb_spsc_config *config, bb_sender **sender, bb_receiver **receiver);

/**
 * Sends as many bytes as fit, and never waits. Use `bb_sender_send_whole()` for data that must not be split.
 *
 * `sent` is also written with BB_E_FULL and BB_E_CLOSED.
 *
 * @param tx the sender
 * @param data the bytes, copied before the call returns; may be NULL if `bytes` is 0
 * @param bytes the number of bytes
 * @param sent the number of bytes sent is written here
 * @return BB_OK (some were sent, or `bytes` is 0), BB_E_FULL (nothing fits), BB_E_CLOSED (the receiver has been
 *         destroyed, or this end is closed), BB_E_STATE (a reserved span is open), BB_E_RANGE, BB_E_ALIGN (not whole
 *         records of a ring with records), BB_E_BUSY (another thread uses this end; checked rings only), or a handle
 *         status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the ring
 *           has `BB_SPSC_NO_BACKOFF` and the receiver only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_sender_send(bb_sender *tx, const void *data, uint64_t bytes, uint64_t *sent);

/**
 * Sends all bytes, waiting for space.
 *
 * `sent` is also written with BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED.
 *
 * @param tx the sender
 * @param data the bytes, copied before the call returns; may be NULL if `bytes` is 0
 * @param bytes the number of bytes
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @param sent the number of bytes sent is written here
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_INTERRUPTED, BB_E_STATE (a reserved span is open), BB_E_RANGE,
 *         BB_E_ALIGN (not whole records of a ring with records), BB_E_BUSY (another thread waits on this end), or a
 *         handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
 *           timeout is 0, the ring has `BB_SPSC_NO_BACKOFF` and the receiver only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_sender_send_all(bb_sender *tx, const void *data, uint64_t bytes, uint64_t timeout, uint64_t *sent);

/**
 * Sends all bytes or none, waiting for space for all: the data is never split, and the receiver sees all of it at
 * once.
 *
 * `sent` is also written with BB_E_FULL, BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED; it is `bytes` or 0.
 *
 * @param tx the sender
 * @param data the bytes, copied before the call returns; may be NULL if `bytes` is 0
 * @param bytes the number of bytes, at most the capacity
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @param sent the number of bytes sent is written here: all or 0
 * @return BB_OK, BB_E_FULL (not enough space, and the timeout is 0), BB_E_TIMEOUT, BB_E_CLOSED (the receiver has
 *         been destroyed, or this end is closed), BB_E_INTERRUPTED, BB_E_STATE (a reserved span is open), BB_E_RANGE
 *         (more than the ring holds), BB_E_ALIGN (not whole records of a ring with records), BB_E_BUSY (another
 *         thread waits on this end, or uses it in a checked ring), or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
 *           timeout is 0, the ring has `BB_SPSC_NO_BACKOFF` and the receiver only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_sender_send_whole(bb_sender *tx, const void *data, uint64_t bytes, uint64_t timeout, uint64_t *sent);

/**
 * Sends as `bb_sender_send()` does, but the receiver sees the bytes only after `bb_sender_flush()`, a send, a close
 * or destroy of this end, or once a send or feed does not fit: several small writes become visible together, for the
 * price of one.
 *
 * @param tx the sender
 * @param data the bytes, copied before the call returns; may be NULL if `bytes` is 0
 * @param bytes the number of bytes
 * @param sent the number of bytes sent is written here
 * @return what `bb_sender_send()` returns
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the ring
 *           has `BB_SPSC_NO_BACKOFF` and the receiver only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_sender_feed(bb_sender *tx, const void *data, uint64_t bytes, uint64_t *sent);

/**
 * Makes the bytes of `bb_sender_feed()` visible to the receiver.
 *
 * @param tx the sender
 * @return BB_OK, BB_E_CLOSED, BB_E_STATE (a reserved span is open), BB_E_BUSY (another thread uses this end; checked
 *         rings only), or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
 *           receiver only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_sender_flush(bb_sender *tx);

/**
 * Gets all free space for writing in place, as one contiguous span.
 *
 * The span is valid until `bb_sender_commit()`, even if the other end is destroyed. If this end is destroyed while
 * the span is open, the memory stays valid until `bb_sender_commit()`.
 *
 * @param tx the sender
 * @param min the minimum number of bytes; 0 counts as 1
 * @param span output
 * @return BB_OK, BB_E_FULL (less than `min` bytes are free), BB_E_CLOSED, BB_E_RANGE (more than the ring holds),
 *         BB_E_STATE (a span is open already), BB_E_BUSY (another thread uses this end; checked rings only), or a
 *         handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
 *           receiver only polls
 * @threadsafety one thread at a time
 */
BB_API BB_MUST_USE bb_status bb_sender_reserve(bb_sender *tx, uint64_t min, bb_span *span);

/**
 * Sends the first `bytes` bytes of the reserved span, and ends it.
 *
 * @param tx the sender
 * @param bytes the number of bytes written; 0 discards the span
 * @return BB_OK, BB_E_STATE (more than the open span, or no span is open; nothing changes), BB_E_ALIGN (not whole
 *         records of a ring with records; nothing changes), BB_E_CLOSED (the receiver has been destroyed or this end
 *         is closed or destroyed: the span ends, its bytes are discarded), BB_E_BUSY (another thread uses this end;
 *         checked rings only), or a handle status
 * @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
 *           receiver only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_sender_commit(bb_sender *tx, uint64_t bytes);

/**
 * Waits until `bytes` bytes, or the capacity of the ring if that is less, are free.
 *
 * @param tx the sender
 * @param bytes the number of bytes; 0 counts as 1
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (the receiver has been destroyed, or this end is closed),
 *         BB_E_INTERRUPTED, BB_E_BUSY (another thread waits on this end), or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
 *           timeout is 0 and the receiver only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_sender_wait_writable(bb_sender *tx, uint64_t bytes, uint64_t timeout);

/**
 * Gets a file descriptor for event loops. It becomes readable (POLLIN, level-triggered) when the condition of
 * `bb_sender_arm()` holds. It belongs to the ring: neither read nor close it.
 *
 * @param tx the sender
 * @param fd output
 * @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), or a handle status
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_sender_fd(bb_sender *tx, int32_t *fd);

/**
 * Arms the descriptor. Call it before each poll: sending and receiving make no system call unless the descriptor is
 * armed.
 *
 * @param tx the sender
 * @param bytes the number of bytes, at most the capacity; 0 counts as 1
 * @return BB_OK (free now), BB_E_FULL (armed: the descriptor becomes readable when they are free or the receiver is
 *         destroyed, and stays so until the next call that returns BB_E_FULL), BB_E_CLOSED, BB_E_LIMIT (no
 *         descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_BUSY (another thread uses this end;
 *         checked rings only), or a handle status
 * @realtime may block, may make a system call, no allocation
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_sender_arm(bb_sender *tx, uint64_t bytes);

/**
 * Closes the sender: fed bytes become visible, and the receiver gets the bytes in the ring, then BB_E_CLOSED. A
 * thread that waits on this end returns BB_E_CLOSED. Closing it again has no effect. Bytes that another thread sends
 * at the same moment may be lost, or arrive after the receiver has got BB_E_CLOSED.
 *
 * @param tx the sender
 * @return BB_OK or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if both
 *           ends of the ring only poll
 */
BB_API bb_status bb_sender_close(bb_sender *tx);

/**
 * Creates a new receiver after the old one was destroyed. It gets the bytes that were not received.
 *
 * @param tx the sender
 * @param receiver the handle is written here
 * @return BB_OK, BB_E_BUSY (the old one is not destroyed, or still has an open span), BB_E_OUT_OF_MEMORY,
 *         BB_E_LIMIT, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_sender_attach_receiver(bb_sender *tx, bb_receiver **receiver);

/**
 * Gets the statistics of this end.
 *
 * @param tx the sender
 * @param struct_size `sizeof(bb_end_stats)`
 * @param stats output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_sender_stats_get(bb_sender *tx, uint32_t struct_size, bb_end_stats *stats);

/**
 * Destroys the sender: fed bytes become visible, and the receiver is woken and gets the bytes in the ring, then
 * BB_E_CLOSED. A thread that waits on this end returns BB_E_CLOSED. If a span is open, its memory stays valid until
 * it is committed.
 *
 * @param tx the sender; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_sender_destroy(bb_sender *tx);

/**
 * Receives the available bytes, and never waits. All bytes sent are delivered before BB_E_CLOSED.
 *
 * `got` is also written with BB_E_EMPTY and BB_E_CLOSED.
 *
 * @param rx the receiver
 * @param dst destination; may be NULL if `bytes` is 0
 * @param bytes size of `dst`
 * @param got the number of bytes received is written here
 * @return BB_OK (some were received, or `bytes` is 0), BB_E_EMPTY (none is available yet), BB_E_CLOSED (the sender
 *         has been destroyed and the ring is empty, or this end is closed), BB_E_STATE (a peeked span is open),
 *         BB_E_RANGE, BB_E_ALIGN (less space than a record of a ring with records), BB_E_BUSY (the receiver
 *         feeds a manager, or another thread uses this end of a checked ring), or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the ring
 *           has `BB_SPSC_NO_BACKOFF` and the sender only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_receiver_recv(bb_receiver *rx, void *dst, uint64_t bytes, uint64_t *got);

/**
 * Receives exactly `bytes` bytes, waiting for them.
 *
 * `got` is also written with BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED.
 *
 * @param rx the receiver
 * @param dst destination; may be NULL if `bytes` is 0
 * @param bytes size of `dst`
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @param got the number of bytes received is written here
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_INTERRUPTED, BB_E_STATE (a peeked span is open), BB_E_RANGE,
 *         BB_E_ALIGN (not whole records of a ring with records), BB_E_BUSY (another thread waits
 *         on this end, or the receiver feeds a manager), or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
 *           timeout is 0, the ring has `BB_SPSC_NO_BACKOFF` and the sender only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_receiver_recv_all(bb_receiver *rx, void *dst, uint64_t bytes, uint64_t timeout, uint64_t *got);

/**
 * Gets all available bytes for reading in place, as one contiguous span.
 *
 * The span is valid until `bb_receiver_consume()`, even if the other end is destroyed. If this end is destroyed
 * while the span is open, the memory stays valid until `bb_receiver_consume()`. A ring that overwrites its oldest
 * records overwrites nothing while a span is open: keep it short, or copy with `bb_receiver_recv()`.
 *
 * @param rx the receiver
 * @param min the minimum number of bytes; 0 counts as 1
 * @param span output
 * @return BB_OK, BB_E_EMPTY (fewer than `min` are available), BB_E_CLOSED (fewer than `min` are available, and no
 *         more can arrive), BB_E_RANGE (more than the ring holds), BB_E_STATE (a span is open already), BB_E_BUSY
 *         (the receiver feeds a manager, or another thread uses this end of a checked ring), or a handle status
 * @realtime wait-free, no system call, no allocation
 * @threadsafety one thread at a time
 */
BB_API BB_MUST_USE bb_status bb_receiver_peek(bb_receiver *rx, uint64_t min, bb_const_span *span);

/**
 * Ends the peeked span and frees its first `bytes` bytes for the sender. The remaining bytes are received again.
 *
 * @param rx the receiver
 * @param bytes the number of bytes consumed; may be 0
 * @return BB_OK, BB_E_STATE (more than the open span, or no span is open; nothing changes), BB_E_ALIGN (not whole
 *         records of a ring with records; nothing changes), BB_E_CLOSED (this end is closed or destroyed: the span
 *         ends), BB_E_BUSY (the receiver feeds a manager, or another thread
 *         uses this end of a checked ring), or a handle status
 * @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
 *           sender only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_receiver_consume(bb_receiver *rx, uint64_t bytes);

/**
 * Waits until `bytes` bytes, or the capacity of the ring if that is less, are available.
 *
 * @param rx the receiver
 * @param bytes the number of bytes; 0 counts as 1
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (so many can no longer arrive, or this end is closed), BB_E_INTERRUPTED,
 *         BB_E_BUSY (another thread waits on this end, or the receiver feeds a manager), or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
 *           timeout is 0
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_receiver_wait_readable(bb_receiver *rx, uint64_t bytes, uint64_t timeout);

/**
 * Gets a file descriptor for event loops. It becomes readable (POLLIN, level-triggered) when the condition of
 * `bb_receiver_arm()` holds. It belongs to the ring: neither read nor close it.
 *
 * @param rx the receiver
 * @param fd output
 * @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), or a handle status
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_receiver_fd(bb_receiver *rx, int32_t *fd);

/**
 * Arms the descriptor. Call it before each poll: sending and receiving make no system call unless the descriptor is
 * armed.
 *
 * @param rx the receiver
 * @param bytes the number of bytes, at most the capacity; 0 counts as 1
 * @return BB_OK (available now), BB_E_EMPTY (armed: the descriptor becomes readable when they are available or the
 *         sender is destroyed, and stays so until the next call that returns BB_E_EMPTY), BB_E_CLOSED (so many can
 *         no longer arrive), BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_BUSY
 *         (the receiver feeds a manager, or another thread uses this end of a checked ring), or a handle status
 * @realtime may block, may make a system call, no allocation
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_receiver_arm(bb_receiver *rx, uint64_t bytes);

/**
 * Closes the receiver: the sender, and a thread that waits on this end, get BB_E_CLOSED. Closing it again has no
 * effect.
 *
 * @param rx the receiver
 * @return BB_OK, BB_E_BUSY (the receiver feeds a manager: destroy the feed first), or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if both
 *           ends of the ring only poll
 */
BB_API bb_status bb_receiver_close(bb_receiver *rx);

/**
 * Creates a new sender after the old one was destroyed.
 *
 * @param rx the receiver
 * @param sender the handle is written here
 * @return BB_OK, BB_E_BUSY (the old one is not destroyed, or still has an open span; the receiver feeds a
 *         manager), BB_E_OUT_OF_MEMORY, BB_E_LIMIT, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_receiver_attach_sender(bb_receiver *rx, bb_sender **sender);

/**
 * Gets the statistics of this end.
 *
 * @param rx the receiver
 * @param struct_size `sizeof(bb_end_stats)`
 * @param stats output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_receiver_stats_get(bb_receiver *rx, uint32_t struct_size, bb_end_stats *stats);

/**
 * Destroys the receiver: the sender is woken and gets BB_E_CLOSED, and a thread that waits on this end returns
 * BB_E_CLOSED. Bytes not received stay for a receiver that is attached later.
 *
 * @param rx the receiver; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), BB_E_BUSY (it feeds a manager: destroy the feed first), or a
 *         handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_receiver_destroy(bb_receiver *rx);

/**
 * Opens a writer: claims the free space of the ring for many small records. `bb_writer_put()` of `backbuf/inline.h`
 * writes a record by plain stores; the receiver sees the records when `every` bytes are written, when the space that is
 * known is used up, when the receiver waits, after `bb_writer_publish()`, and when the writer or the sender is closed.
 *
 * A writer is an open span: there is one at a time, and other calls that send return BB_E_STATE until
 * `bb_writer_close()`. It belongs to the thread that uses the sender. If the sender is destroyed, the memory stays valid
 * until `bb_writer_close()`. A ring that is full gives a writer without room.
 *
 * @param tx the sender
 * @param every bytes after which a publish is due; 0: when the space that is known is used up
 * @param struct_size `sizeof(bb_writer)`
 * @param writer output; one copy of it is used
 * @return BB_OK, BB_E_CLOSED (the receiver has been destroyed, or this end is closed), BB_E_STATE (a span or a writer is
 *         open), BB_E_UNSUPPORTED (the ring overwrites its oldest records), BB_E_VERSION (struct_size), BB_E_BUSY (another
 *         thread uses this end; checked rings only), or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the
 *           receiver only polls
 * @threadsafety one thread at a time
 */
BB_API BB_MUST_USE bb_status bb_sender_open_writer(bb_sender *tx, uint64_t every, uint32_t struct_size, bb_writer *writer);

/**
 * Publishes the records of a writer, and gives it more room if there is less than `min`.
 *
 * The struct is updated also with BB_E_FULL and BB_E_CLOSED.
 *
 * @param writer the writer
 * @param min the minimum room in bytes; may be 0
 * @return BB_OK, BB_E_FULL (published, and less than `min` bytes are free: `bb_sender_wait_writable()` waits for them),
 *         BB_E_CLOSED (the receiver has been destroyed, or the sender is closed or destroyed: the records are discarded),
 *         BB_E_STATE (`next` is outside of the room, or no writer is open; nothing is published, nothing changes),
 *         BB_E_RANGE (more than the ring holds), BB_E_VERSION (the struct was not opened), BB_E_BUSY (another thread uses
 *         the sender; checked rings only), or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the ring
 *           has `BB_SPSC_NO_BACKOFF` and the receiver only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_writer_publish(bb_writer *writer, uint64_t min);

/**
 * Publishes the records of a writer and ends its claim. Inline calls on the struct return BB_E_NULL afterwards.
 *
 * @param writer the writer
 * @return BB_OK, BB_E_CLOSED (the receiver has been destroyed, or the sender is closed or destroyed: the writer is closed,
 *         its records are discarded), BB_E_STATE (`next` is outside of the room, or no writer is open; nothing changes),
 *         BB_E_VERSION (the struct was not opened), BB_E_BUSY (another thread uses the sender; checked rings only), or a
 *         handle status
 * @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
 *           receiver only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_writer_close(bb_writer *writer);

/**
 * Opens a reader: claims the bytes of the ring for reading many small records. `bb_reader_get()` of `backbuf/inline.h`
 * reads a record by plain loads; the sender gets the space back when `every` bytes are read, when all known bytes are
 * read, when the sender waits, after `bb_reader_give_back()`, and when the reader or the receiver is closed.
 *
 * A reader is an open span: there is one at a time, and other calls that receive return BB_E_STATE until
 * `bb_reader_close()`. It belongs to the thread that uses the receiver. If the receiver is destroyed, the memory stays
 * valid until `bb_reader_close()`. An empty ring gives a reader without bytes.
 *
 * @param rx the receiver
 * @param every bytes after which giving back is due; 0: when all known bytes are read
 * @param struct_size `sizeof(bb_reader)`
 * @param reader output; one copy of it is used
 * @return BB_OK, BB_E_CLOSED (this end is closed), BB_E_STATE (a span or a reader is open), BB_E_UNSUPPORTED (the ring
 *         overwrites its oldest records), BB_E_VERSION (struct_size), BB_E_BUSY (the receiver feeds a manager, or another
 *         thread uses this end of a checked ring), or a handle status
 * @realtime wait-free, no system call, no allocation
 * @threadsafety one thread at a time
 */
BB_API BB_MUST_USE bb_status bb_receiver_open_reader(bb_receiver *rx, uint64_t every, uint32_t struct_size, bb_reader *reader);

/**
 * Gives the records that a reader has read back to the sender, and gives the reader more bytes if it has fewer than
 * `min`.
 *
 * The struct is updated also with BB_E_EMPTY and BB_E_CLOSED.
 *
 * @param reader the reader
 * @param min the minimum number of bytes; may be 0
 * @return BB_OK, BB_E_EMPTY (given back, and fewer than `min` bytes are available: `bb_receiver_wait_readable()` waits for
 *         them), BB_E_CLOSED (so many can no longer arrive, or the receiver is closed or destroyed), BB_E_STATE (`next` is
 *         outside of the bytes, or no reader is open; nothing is given back, nothing changes), BB_E_RANGE (more than the
 *         ring holds), BB_E_VERSION (the struct was not opened), BB_E_BUSY (the receiver feeds a manager, or another
 *         thread uses the receiver of a checked ring), or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if the ring
 *           has `BB_SPSC_NO_BACKOFF` and the sender only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_reader_give_back(bb_reader *reader, uint64_t min);

/**
 * Gives the records that a reader has read back to the sender and ends its claim. What was not read is received again.
 * Inline calls on the struct return BB_E_NULL afterwards.
 *
 * @param reader the reader
 * @return BB_OK, BB_E_CLOSED (the receiver is closed or destroyed: the reader is closed), BB_E_STATE (`next` is outside of
 *         the bytes, or no reader is open; nothing changes), BB_E_VERSION (the struct was not opened), BB_E_BUSY (the
 *         receiver feeds a manager, or another thread uses the receiver of a checked ring), or a handle status
 * @realtime may block, may make a system call, may allocate; wait-free, no system call, no allocation if the
 *           sender only polls
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_reader_close(bb_reader *reader);

/**
 * Feeds a manager from a ring: records that are written to the ring's sender are applied like updates, without a call
 * for each of them. `docs/feed-format.md` specifies the records; `bb_feed_record_init()` encodes them.
 *
 * The worker applies a record once all of it is committed; `bb_manager_synchronize()` covers all records that were
 * committed before it. A batch is applied as a whole. The ring's capacity holds the sender back. Between the records
 * and the updates of other producers there is no other order.
 *
 * Until `bb_feed_destroy()` the receiver is lent: calls on it return BB_E_BUSY, except for its statistics and its
 * descriptor. A bad record stops the feed; see `bb_feed_status()`. A manager may have several feeds.
 *
 * @param m the manager
 * @param rx the receiver of a ring that delivers every byte; without an open span and without a waiting thread
 * @param feed the handle is written here; `bb_feed_destroy()` ends it
 * @return BB_OK, BB_E_ARGUMENT (the ring overwrites its oldest records), BB_E_RANGE (a ring of fewer than 24 bytes),
 *         BB_E_STATE (a peeked span is open), BB_E_BUSY (the receiver is lent already, or in use by a thread),
 *         BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_CLOSED (the manager or the receiver), BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread that may use the receiver
 */
BB_API BB_MUST_USE bb_status bb_manager_feed(bb_manager *m, bb_receiver *rx, bb_feed **feed);

/**
 * Gets the state of a feed: what it has applied, and why it applies nothing more.
 *
 * After a bad record nothing of it is applied, and it stays in the ring with all that follows: destroy the feed to
 * receive these bytes.
 *
 * @param feed the feed
 * @param struct_size `sizeof(bb_feed_info)`
 * @param info output, `struct_size` bytes
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_feed_status(bb_feed *feed, uint32_t struct_size, bb_feed_info *info);

/**
 * Stops a feed and returns the receiver to its owner. Records that were not applied yet stay in the ring; to have all
 * of them applied, call `bb_manager_synchronize()` before.
 *
 * @param feed the feed; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety safe to call from any thread; waits while a thread applies records of the feed
 */
BB_API bb_status bb_feed_destroy(bb_feed *feed);

/**
 * Fills the header of a record, and gets the size of the record. Write the header, then `bytes` bytes of payload, then
 * padding up to `size`; commit all of it at once, or piece by piece.
 *
 * @param record_type a `bb_feed_type`
 * @param field the index of the field; 0 for the first one, and for tags and batches
 * @param offset a byte offset within the field; the tag, for BB_FEED_TAG; 0 for BB_FEED_BATCH
 * @param bytes bytes of the payload: of BB_FEED_FILL more than 8, of BB_FEED_TAG 0, of BB_FEED_BATCH a multiple of 8
 * @param record the header is written here
 * @param size the bytes of header, payload and padding are written here; may be NULL
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (record_type, or a number that the type does not allow), BB_E_RANGE (the size
 *         overflows)
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_feed_record_init(uint32_t record_type, uint32_t field, uint64_t offset, uint64_t bytes, bb_feed_record *record, uint64_t *size);

/**
 * Fills a config with the defaults.
 *
 * @param config output
 * @return BB_OK, BB_E_NULL
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_stream_config_init(bb_stream_config *config);

/**
 * Turns a receiver into a stream. The handle of the receiver ends; if the call fails, the receiver is unchanged.
 *
 * @param rx the receiver
 * @param config parameters, or NULL for the defaults
 * @param stream the handle is written here
 * @return BB_OK, BB_E_ARGUMENT (a pool_size below 64, label that is not UTF-8, another record_size than the ring has),
 *         BB_E_RANGE (min_size or record_size beyond the buffer or the ring), BB_E_VERSION (struct_size), BB_E_STATE (a
 *         peeked span is open), BB_E_BUSY (a thread waits on the receiver), BB_E_OUT_OF_MEMORY, BB_E_LIMIT, or a handle
 *         status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety one thread at a time for the receiver
 */
BB_API BB_MUST_USE bb_status bb_spsc_into_stream(bb_receiver *rx, const bb_stream_config *config, bb_stream **stream);

/**
 * Gets the next chunk: the available bytes, at most one buffer.
 *
 * @param s the stream
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without limit
 * @param chunk output; `bb_lease_release(chunk->lease)` releases it
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (end of the stream, or it is closed), BB_E_INTERRUPTED, BB_E_ALIGN (the
 *         stream has ended inside a record), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (too many leases), BB_E_BUSY (another
 *         thread uses it), or a handle status
 * @realtime may block, may make a system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API BB_MUST_USE bb_status bb_stream_next(bb_stream *s, uint64_t timeout, bb_chunk *chunk);

/**
 * Gets exactly `count` chunks; fewer only at the end of the stream. After a timeout the chunks received so far are
 * returned by the next call.
 *
 * @param s the stream
 * @param count how many there are
 * @param timeout nanoseconds for all of them; 0 does not wait, BB_FOREVER waits without limit
 * @param chunks the first `got` are written
 * @param got the number of chunks is written here; 0 with BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED
 * @return what `bb_stream_next()` returns
 * @realtime may block, may make a system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API BB_MUST_USE bb_status bb_stream_chunks(bb_stream *s, uint64_t count, uint64_t timeout, bb_chunk *chunks, uint64_t *got);

/**
 * Gets the available chunks: waits for the first, and returns at most `count`.
 *
 * @param s the stream
 * @param count how many at most
 * @param timeout nanoseconds for the first; 0 does not wait, BB_FOREVER waits without limit
 * @param chunks the first `got` are written
 * @param got the number of chunks is written here; 0 with BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED
 * @return what `bb_stream_next()` returns
 * @realtime may block, may make a system call, may allocate
 * @threadsafety one thread at a time
 */
BB_API BB_MUST_USE bb_status bb_stream_ready_chunks(bb_stream *s, uint64_t count, uint64_t timeout, bb_chunk *chunks, uint64_t *got);

/**
 * Gets a file descriptor for event loops. It becomes readable (POLLIN, level-triggered) when the condition of
 * `bb_stream_arm()` holds. It belongs to the ring: neither read nor close it.
 *
 * @param s the stream
 * @param fd output
 * @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), or a handle status
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_stream_fd(bb_stream *s, int32_t *fd);

/**
 * Arms the descriptor for the next chunk or the end of the stream. Call it before each poll.
 *
 * @param s the stream
 * @return BB_OK (available now), BB_E_EMPTY (armed: the descriptor becomes readable when it is available, and stays
 *         so until the next call that returns BB_E_EMPTY), BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the
 *         system refuses one), BB_E_BUSY (another thread uses it), or a handle status
 * @realtime may block, may make a system call, no allocation
 * @threadsafety one thread at a time
 */
BB_API bb_status bb_stream_arm(bb_stream *s);

/**
 * Closes the stream: the sender, and a thread that waits on the stream, get BB_E_CLOSED. Chunks stay valid. Closing
 * it again has no effect.
 *
 * @param s the stream
 * @return BB_OK or a handle status
 * @realtime may block, may make a system call, no allocation; wait-free, no system call, no allocation if both
 *           ends of the ring only poll
 */
BB_API bb_status bb_stream_close(bb_stream *s);

/**
 * Creates a new sender after the old one was destroyed: the stream continues.
 *
 * @param s the stream
 * @param sender the handle is written here
 * @return BB_OK, BB_E_BUSY (the old one is not destroyed, or still has an open span), BB_E_OUT_OF_MEMORY,
 *         BB_E_LIMIT, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_stream_attach_sender(bb_stream *s, bb_sender **sender);

/**
 * Gets the statistics of the stream and its pool.
 *
 * @param s the stream
 * @param struct_size `sizeof(bb_stream_stats)`
 * @param stats output
 * @return BB_OK, BB_E_VERSION (struct_size), or a handle status
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_stream_stats_get(bb_stream *s, uint32_t struct_size, bb_stream_stats *stats);

/**
 * Destroys the stream and its receiving end: the sender gets BB_E_CLOSED. Chunks stay valid until they are released.
 *
 * @param s the stream; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_stream_destroy(bb_stream *s);

/**
 * Fills a buffer with the defaults: no name, no elements, shared, f32.
 *
 * @param buffer output
 * @return BB_OK, BB_E_NULL
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_registry_buffer_init(bb_registry_buffer *buffer);

/**
 * Fills a config with the defaults.
 *
 * @param config output
 * @return BB_OK, BB_E_NULL
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_registry_config_init(bb_registry_config *config);

/**
 * Creates an empty registry: it records the named buffers that each owner, the parent, needs, and computes their
 * layout.
 *
 * A parent is any number that the caller chooses, such as the address of an object; it is never dereferenced. A
 * registry has one lock; every query returns a copy.
 *
 * @param config the layout options of new parents, or NULL for the defaults
 * @param registry the handle is written here
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (config, label that is not UTF-8), BB_E_VERSION (struct_size),
 *         BB_E_OUT_OF_MEMORY, BB_E_LIMIT (handles)
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_registry_create(const bb_registry_config *config, bb_registry **registry);

/**
 * Adds a buffer at the end of the parent's order. The first buffer creates the parent.
 *
 * Errors are checked in this order: an empty, too long or non-UTF-8 name; an alias of itself; a name that exists; a
 * missing alias target; size, location, precision, lifetime.
 *
 * @param r the registry
 * @param parent the owner of the buffer
 * @param buffer the buffer; read during the call only
 * @return BB_OK, BB_E_ARGUMENT (name, location, precision, persistent), BB_E_ALIAS_SELF, BB_E_EXISTS (use
 *         `bb_registry_replace()`), BB_E_ALIAS_MISSING, BB_E_RANGE (size, lifetime, a sum that overflows), BB_E_VERSION,
 *         BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_register(bb_registry *r, uint64_t parent, const bb_registry_buffer *buffer);

/**
 * Replaces a buffer by another one of the same name, at the same position in the order.
 *
 * @param r the registry
 * @param parent the owner of the buffer
 * @param buffer the new buffer; its alias target must come before it in the order
 * @return BB_E_NO_PARENT, BB_E_NO_NAME, BB_E_ALIAS_ORDER (the target comes later), BB_E_STATE (the hidden buffer of
 *         a child), and what `bb_registry_register()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_replace(bb_registry *r, uint64_t parent, const bb_registry_buffer *buffer);

/**
 * Changes some fields of a buffer. An unknown parent or name is no error: `recognized` is false.
 *
 * @param r the registry
 * @param parent the owner of the buffer
 * @param fields the fields to change: `BB_FIELD_SIZE`, `BB_FIELD_LOCATION`, …, combined; 0 is allowed
 * @param values the buffer's name, and the new values of those fields; with `BB_FIELD_ALIASES`, NULL is no alias
 * @param recognized whether the buffer exists is written here; may be NULL
 * @param changed whether anything has changed is written here; may be NULL
 * @return BB_OK, BB_E_ARGUMENT (fields, location, precision, persistent, text that is not UTF-8), BB_E_ALIAS_SELF,
 *         BB_E_ALIAS_MISSING, BB_E_ALIAS_ORDER (the target comes later, or would be cyclic), BB_E_RANGE (size,
 *         lifetime, a sum that overflows), BB_E_STATE (the hidden buffer of a child), BB_E_VERSION,
 *         BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_update_buffer(bb_registry *r, uint64_t parent, uint32_t fields, const bb_registry_buffer *values, bool *recognized, bool *changed);

/**
 * Includes a child's shared and persistent totals in a parent, as the hidden buffers `<name>.shared` and
 * `<name>.persistent` at the end of its order. They follow changes of the child. The parent's options apply to its
 * whole region; the child's options apply to the child's own launches.
 *
 * @param r the registry
 * @param parent the parent that includes the child
 * @param name the child's name in the parent
 * @param child the parent to include; it may be unknown yet
 * @param aliases a buffer of the parent, registered before, whose memory the child's shared region shares if
 *        possible, or NULL; the persistent region is never an alias
 * @return BB_OK, BB_E_ARGUMENT (name, aliases that is not UTF-8), BB_E_STATE (the child includes this parent),
 *         BB_E_ALIAS_SELF, BB_E_EXISTS, BB_E_ALIAS_MISSING, BB_E_RANGE (a sum that overflows), BB_E_OUT_OF_MEMORY,
 *         BB_E_LIMIT, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_register_child(bb_registry *r, uint64_t parent, const char *name, uint64_t child, const char *aliases);

/**
 * Sets the layout options of a parent.
 *
 * @param r the registry
 * @param parent the parent, which must have buffers
 * @param config the options, or NULL for the defaults; its label is ignored
 * @return BB_OK, BB_E_NO_PARENT, BB_E_ARGUMENT, BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle
 *         status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_set_options(bb_registry *r, uint64_t parent, const bb_registry_config *config);

/**
 * Registers the buffers of a JSON document in the format of `bb_registry_json()`. The document's first group becomes
 * `parent`; its children get new keys. A malformed document loads nothing, and the message has line and column.
 *
 * @param r the registry
 * @param parent a parent without buffers
 * @param json the document, UTF-8
 * @param length bytes of the document
 * @return BB_OK, BB_E_EXISTS (the parent has buffers, or a name is taken), BB_E_ARGUMENT (malformed, or not UTF-8),
 *         BB_E_LIMIT (longer than 64 MiB), what `bb_registry_register()` and `bb_registry_register_child()` return
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_load_json(bb_registry *r, uint64_t parent, const char *json, uint64_t length);

/**
 * Discards the layout of a parent, including its plan: the next query computes the layout by the rules. No effect on
 * an unknown parent.
 *
 * @param r the registry
 * @param parent the parent
 * @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_clear_layout(bb_registry *r, uint64_t parent);

/**
 * Removes a parent and all of its buffers. Where it is a child, it takes no memory from then on. No effect on an
 * unknown parent.
 *
 * @param r the registry
 * @param parent the parent to remove
 * @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_clear_parent(bb_registry *r, uint64_t parent);

/**
 * Destroys a registry and its content.
 *
 * @param r the registry; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside a call on it), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_destroy(bb_registry *r);

/**
 * Gets the elements of the shared region.
 *
 * @param r the registry
 * @param parent the parent; an unknown one takes no memory
 * @param elements output
 * @return BB_OK, BB_E_RANGE (children's sizes overflow), BB_E_STATE (a child's region mixes precisions),
 *         BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_shared_buffer_size(bb_registry *r, uint64_t parent, uint64_t *elements);

/**
 * Gets the elements of the persistent region.
 *
 * @param r the registry
 * @param parent the parent; an unknown one takes no memory
 * @param elements output
 * @return what `bb_registry_shared_buffer_size()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_persistent_local_buffer_size(bb_registry *r, uint64_t parent, uint64_t *elements);

/**
 * Elements of all local arrays together.
 *
 * @param r the registry
 * @param parent the parent; an unknown one takes no memory
 * @param elements output
 * @return what `bb_registry_shared_buffer_size()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_local_buffer_size(bb_registry *r, uint64_t parent, uint64_t *elements);

/**
 * Placement of a buffer.
 *
 * @param r the registry
 * @param parent the owner of the buffer
 * @param name the buffer
 * @param struct_size `sizeof(bb_allocator)`
 * @param allocator output, `struct_size` bytes
 * @return BB_E_NO_PARENT, BB_E_NO_NAME, BB_E_ARGUMENT (name that is not UTF-8), BB_E_VERSION (struct_size), and what
 *         `bb_registry_shared_buffer_size()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_get_allocator(bb_registry *r, uint64_t parent, const char *name, uint32_t struct_size, bb_allocator *allocator);

/**
 * Sizes and layout options of a parent.
 *
 * @param r the registry
 * @param parent the parent, which must have buffers
 * @param struct_size `sizeof(bb_layout_info)`
 * @param info output, `struct_size` bytes
 * @return BB_E_NO_PARENT, BB_E_VERSION (struct_size), and what `bb_registry_shared_buffer_size()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_layout_info(bb_registry *r, uint64_t parent, uint32_t struct_size, bb_layout_info *info);

/**
 * Gets the version of a parent: a number that changes with every change of the parent or its children, and never
 * repeats.
 *
 * @param r the registry
 * @param parent the parent; the version of an unknown one is 0
 * @param version output
 * @return BB_OK or a handle status
 * @realtime may block, may make a system call, no allocation
 */
BB_API bb_status bb_registry_version(bb_registry *r, uint64_t parent, uint64_t *version);

/**
 * Gets a hash of the layout, which is the same for equal layouts in every process: it distinguishes kernels built
 * before and after a change. The layouts of children are included.
 *
 * @param r the registry
 * @param parent the parent, which must have buffers
 * @param hash output
 * @return BB_E_NO_PARENT, and what `bb_registry_shared_buffer_size()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_layout_hash(bb_registry *r, uint64_t parent, uint64_t *hash);

/**
 * Gets the name of a buffer by its position in the order; `bb_layout_info.buffers` is the number of buffers.
 *
 * @param r the registry
 * @param parent the owner of the buffer
 * @param index the position, from 0
 * @param text buffer for the name and a NUL, or NULL with capacity 0 to get only the length
 * @param capacity bytes at `text`
 * @param length the name's bytes without the NUL are written here
 * @return BB_OK, BB_E_NO_PARENT, BB_E_RANGE (index, capacity), BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_buffer_name(bb_registry *r, uint64_t parent, uint64_t index, char *text, uint64_t capacity, uint64_t *length);

/**
 * Writes the parent and all included children as JSON: the same text for the same registrations, in every process.
 *
 * @param r the registry
 * @param parent the parent, which must have buffers
 * @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return BB_OK, BB_E_NO_PARENT, BB_E_RANGE (capacity), BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_json(bb_registry *r, uint64_t parent, char *text, uint64_t capacity, uint64_t *length);

/**
 * Lists the buffers that overlap in both space and time, as JSON objects with `first`, `second`, `space`, `start`,
 * `stop` (elements) and `steps`: aliases that are alive at the same time. A buffer without a lifetime is always
 * alive.
 *
 * @param r the registry
 * @param parent the parent, which must have buffers
 * @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return BB_E_NO_PARENT, BB_E_RANGE (capacity), and what `bb_registry_shared_buffer_size()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_overlaps(bb_registry *r, uint64_t parent, char *text, uint64_t capacity, uint64_t *length);

/**
 * Compares two documents of `bb_registry_json()`: one line for each buffer that was moved, changed, added or
 * removed; empty if there is none.
 *
 * @param before the older document, UTF-8
 * @param before_length bytes of `before`
 * @param after the newer document
 * @param after_length bytes of `after`
 * @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return BB_OK, BB_E_NULL, BB_E_RANGE (capacity), what `bb_registry_load_json()` returns
 * @realtime wait-free, no system call, may allocate
 */
BB_API bb_status bb_layout_diff(const char *before, uint64_t before_length, const char *after, uint64_t after_length, char *text, uint64_t capacity, uint64_t *length);

/**
 * Writes the parent's layout as a CUDA C++ header: `constexpr` offsets and lengths, static assertions, and one
 * accessor per buffer. It includes nothing, is the same text for the same layout, and is also valid C++17.
 *
 * @param r the registry
 * @param parent the parent, which must have buffers
 * @param name_space the C++ namespace, such as solver or app::solver
 * @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return BB_OK, BB_E_ARGUMENT (not a valid namespace), BB_E_EXISTS (two names collide in C++, or one with a name of
 *         the header itself), BB_E_STATE (a region mixes precisions in a layout that is not typed), and what
 *         `bb_registry_json()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_emit_cuda_header(bb_registry *r, uint64_t parent, const char *name_space, char *text, uint64_t capacity, uint64_t *length);

/**
 * Writes a picture of the parent's layout as SVG: regions, buffers, aliases and gaps to scale; with lifetimes,
 * memory over time.
 *
 * @param r the registry
 * @param parent the parent, which must have buffers
 * @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return what `bb_registry_json()` returns, BB_E_RANGE (sizes that do not fit into 64 bits), BB_E_STATE (a region mixes
 *         precisions in a layout that is not typed)
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_svg(bb_registry *r, uint64_t parent, char *text, uint64_t capacity, uint64_t *length);

/**
 * Writes the parent's layout as an aligned text table, in layout order.
 *
 * @param r the registry
 * @param parent the parent, which must have buffers
 * @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return what `bb_registry_svg()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_table(bb_registry *r, uint64_t parent, char *text, uint64_t capacity, uint64_t *length);

/**
 * Parses the name of a compute capability: `sm_90`, `compute_90`, `9.0` or `90`.
 *
 * @param name a known compute capability, 7.0 to 12.1
 * @param cc ten times the compute capability is written here
 * @return BB_OK, BB_E_ARGUMENT (unknown compute capability), BB_E_NULL
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_arch_parse(const char *name, uint32_t *cc);

/**
 * Fills in the limits of a compute capability.
 *
 * @param cc ten times the compute capability: 70 to 121
 * @param limits output
 * @return BB_OK, BB_E_ARGUMENT (unknown compute capability), BB_E_NULL
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_limits_init(uint32_t cc, bb_limits *limits);

/**
 * Fills a launch with a number of threads per block, and defaults.
 *
 * @param threads threads of a block
 * @param launch output
 * @return BB_OK, BB_E_NULL
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_launch_init(uint32_t threads, bb_launch *launch);

/**
 * Checks whether a launch fits a GPU. Returns the resources that it takes; if it does not fit, `bb_last_error()`
 * lists the largest buffers and possible remedies.
 *
 * @param r the registry
 * @param parent the parent, which must have buffers
 * @param limits the limits of the GPU
 * @param launch the launch
 * @param struct_size `sizeof(bb_fit)`
 * @param fit output, `struct_size` bytes if it fits
 * @return BB_OK, BB_E_LIMIT (it does not fit), BB_E_NO_PARENT, BB_E_STATE (the region mixes precisions and the layout is
 *         not typed), BB_E_RANGE (threads, registers_per_thread, bytes that overflow), BB_E_ARGUMENT (shared_per,
 *         reserved), BB_E_VERSION (a struct_size), BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_check(bb_registry *r, uint64_t parent, const bb_limits *limits, const bb_launch *launch, uint32_t struct_size, bb_fit *fit);

/**
 * Gets the shared memory of a block in bytes.
 *
 * @param r the registry
 * @param parent the parent; an unknown one takes no memory
 * @param threads threads of a block; relevant if each thread has its own region
 * @param bytes output
 * @return BB_OK, BB_E_STATE (the region mixes precisions and the layout is not typed), BB_E_RANGE (bytes that overflow),
 *         BB_E_OUT_OF_MEMORY, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_shared_bytes(bb_registry *r, uint64_t parent, uint32_t threads, uint64_t *bytes);

/**
 * Gets the bytes from one thread's shared region to the next, or the bytes of the block's region.
 *
 * @param r the registry
 * @param parent the parent; an unknown one takes no memory
 * @param bytes output
 * @return what `bb_registry_shared_bytes()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_shared_stride_bytes(bb_registry *r, uint64_t parent, uint64_t *bytes);

/**
 * Checks whether the shared memory of a block fits a GPU.
 *
 * @param r the registry
 * @param parent the parent; an unknown one takes no memory
 * @param cc ten times the compute capability, 70 to 121
 * @param threads threads of a block
 * @param fits output
 * @return BB_E_ARGUMENT (cc), and what `bb_registry_shared_bytes()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_fits(bb_registry *r, uint64_t parent, uint32_t cc, uint32_t threads, bool *fits);

/**
 * Checks whether a kernel must opt in to the shared memory of a block: more than 48 KiB, on every GPU.
 *
 * @param r the registry
 * @param parent the parent; an unknown one takes no memory
 * @param threads threads of a block
 * @param needs output
 * @return what `bb_registry_shared_bytes()` returns
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_needs_opt_in(bb_registry *r, uint64_t parent, uint32_t threads, bool *needs);

/**
 * Reports bank conflicts of shared memory when each thread of a warp reads the same element of its own region: a
 * JSON object with `stride_bytes`, `conflict_free_stride_bytes` (or null), and `ways`, the number of conflicting
 * accesses by buffer.
 *
 * @param r the registry
 * @param parent the parent, which must have buffers
 * @param text buffer for the text and a NUL, or NULL with capacity 0 to get only the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return BB_E_NO_PARENT, and what `bb_registry_shared_bytes()` returns; BB_E_RANGE also for the capacity
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_banks(bb_registry *r, uint64_t parent, char *text, uint64_t capacity, uint64_t *length);

/**
 * Fills a config with the defaults.
 *
 * @param config output
 * @return BB_OK, BB_E_NULL
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_plan_config_init(bb_plan_config *config);

/**
 * Places `count` buffers of known size and lifetime in as little memory as possible: buffers that are never alive at
 * the same time may share memory. Needs no registry. Buffer `k` has `size[k]` bytes and is alive from step `lower[k]` up
 * to but not including step `upper[k]`; the steps are any numbers that grow with time. The result is a byte offset for
 * each buffer, from the start of one piece of memory of `info->height` bytes.
 *
 * @param lower the first step of each buffer, `count` numbers
 * @param upper the step after the last of each buffer, `count` numbers
 * @param size the bytes of each buffer, `count` numbers, at least 1
 * @param count the number of buffers
 * @param alignment powers of two that the offsets are multiples of: none, one for all buffers, or one for each
 * @param alignment_count the number of alignments: 0, 1 or `count`
 * @param config parameters, or NULL for the defaults
 * @param offsets output, `count` numbers; it may be one of the inputs
 * @param struct_size `sizeof(bb_plan_info)`
 * @param info output, `struct_size` bytes
 * @return BB_OK, BB_E_ARGUMENT (a buffer that ends before it has begun or has no bytes, a number of alignments),
 *         BB_E_ALIGN (an alignment that is no power of two), BB_E_RANGE (sizes that overflow), BB_E_VERSION (a
 *         struct_size), BB_E_OUT_OF_MEMORY, BB_E_NULL
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_plan(const uint64_t *lower, const uint64_t *upper, const uint64_t *size, uint64_t count, const uint64_t *alignment, uint64_t alignment_count, const bb_plan_config *config, uint64_t *offsets, uint32_t struct_size, bb_plan_info *info);

/**
 * Searches for a placement of the buffers with lifetimes that needs as little memory as possible: buffers that are
 * never alive at the same time may share memory. The plan is valid until the parent or one of its children changes,
 * or until `bb_registry_clear_layout()`. The registry is not locked during the search.
 *
 * @param r the registry
 * @param parent the parent, which must have buffers
 * @param config parameters, or NULL for the defaults
 * @param struct_size `sizeof(bb_registry_plans)`
 * @param plan output, `struct_size` bytes
 * @return BB_OK, BB_E_NO_PARENT, BB_E_BUSY (the parent changed during the search: plan again), BB_E_RANGE (sizes
 *         that overflow), BB_E_STATE (a child's region mixes precisions), BB_E_VERSION (a struct_size),
 *         BB_E_OUT_OF_MEMORY, BB_E_POISONED, or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API bb_status bb_registry_plan(bb_registry *r, uint64_t parent, const bb_plan_config *config, uint32_t struct_size, bb_registry_plans *plan);

/**
 * Creates a manager of several arrays that are published as one epoch: a front never shows two of them from different
 * epochs.
 *
 * The fields lie in one state in the order given, each at a multiple of 64 bytes. Updates name their field by its
 * index. As for `bb_manager_create()` otherwise; `config.initial` must be NULL, since each field has its own.
 *
 * @param fields the fields
 * @param count the number of fields, 1 to BB_MAX_FIELDS
 * @param config parameters, or NULL for the defaults
 * @param manager the handle is written here
 * @return what `bb_manager_create()` returns; also BB_E_EXISTS (two fields have the same name), BB_E_LIMIT (too many
 *         fields), BB_E_ARGUMENT (no fields, a name that is empty, too long or not UTF-8, `config.initial`). The message
 *         names the field
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_manager_create_fields(const bb_field *fields, uint64_t count, const bb_manager_config *config, bb_manager **manager);

/**
 * Creates a manager whose fields are the buffers of a registry's parent in one memory space, at the same offsets as on
 * the device, so that one copy of the state's bytes moves all of them.
 *
 * The layout is read once: later changes of the parent do not change the manager. Aliases and buffers that share memory
 * by a plan are fields that overlap, as on the device. The state is zeros.
 *
 * @param r the registry
 * @param parent the parent
 * @param space `BB_SPACE_SHARED` or `BB_SPACE_PERSISTENT`: the region whose buffers are the fields
 * @param config parameters, or NULL for the defaults
 * @param manager the handle is written here
 * @return what `bb_manager_create_fields()` returns; also BB_E_NO_PARENT (an unknown parent), BB_E_STATE (the region
 *         mixes precisions and its layout is not typed, so that it has no offsets in bytes; a child's region mixes
 *         precisions), BB_E_ARGUMENT (another space, or the parent has no buffers in it), or a handle status
 * @realtime may block, may make a system call, may allocate
 */
BB_API BB_MUST_USE bb_status bb_manager_create_from_group(bb_registry *r, uint64_t parent, uint32_t space, const bb_manager_config *config, bb_manager **manager);

/**
 * Gets name, type, shape and offset of the field with that name. A manager made without fields has one, `"state"`.
 *
 * @param m the manager
 * @param name the field's name
 * @param struct_size `sizeof(bb_field_info)`
 * @param info output, `struct_size` bytes
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (not UTF-8), BB_E_NO_NAME (no such field), BB_E_VERSION (struct_size), or a
 *         handle status
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_manager_field(bb_manager *m, const char *name, uint32_t struct_size, bb_field_info *info);

/**
 * As `bb_manager_field()`, for the field with that index: to list them, count up to `bb_manager_info.fields`.
 *
 * @param m the manager
 * @param index the index, from 0
 * @param struct_size `sizeof(bb_field_info)`
 * @param info output, `struct_size` bytes
 * @return BB_OK, BB_E_NULL, BB_E_RANGE (no such field), BB_E_VERSION (struct_size), or a handle status
 * @realtime wait-free, no system call, no allocation
 */
BB_API bb_status bb_manager_field_at(bb_manager *m, uint32_t index, uint32_t struct_size, bb_field_info *info);

/**
 * Gets a field of a front as an array of its own. It is the same memory as in `front->data`.
 *
 * @param front as `bb_manager_acquire_front()` wrote it, not yet released
 * @param name the field's name
 * @param view output
 * @return BB_OK, BB_E_NULL, BB_E_NO_NAME (no such field), BB_E_ARGUMENT (the lease is not of a front, or `name` is not
 *         UTF-8), BB_E_STALE (released), or a handle status
 * @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if no thread
 *           releases the lease during the call
 * @threadsafety safe to call from any thread, also after the manager is destroyed
 */
BB_API bb_status bb_front_field(const bb_front *front, const char *name, bb_field_view *view);

/**
 * Gets a field of the reserved back copy, and the same field of the front that it follows.
 *
 * @param m the manager
 * @param back as `bb_manager_reserve_back()` wrote it, not yet committed or cancelled
 * @param name the field's name
 * @param view output
 * @return BB_OK, BB_E_NULL, BB_E_NO_NAME (no such field), BB_E_ARGUMENT (a name that is not UTF-8, or `back` was
 *         changed), BB_E_STATE (not reserved, or committed or cancelled before), or a handle status
 * @realtime wait-free, no system call, no allocation
 * @threadsafety safe to call from any thread, not only the one that reserved it
 */
BB_API bb_status bb_manager_back_field(bb_manager *m, const bb_back *back, const char *name, bb_back_field_view *view);

/**
 * Gets a field of an OpenGL front: its range in the front's buffer.
 *
 * @param front as `bb_manager_acquire_front_gl()` wrote it, not yet released
 * @param name the field's name
 * @param view output
 * @return BB_OK, BB_E_NULL, BB_E_NO_NAME (no such field), BB_E_ARGUMENT (the lease is not of an OpenGL front, or `name`
 *         is not UTF-8), BB_E_STALE (released), or a handle status
 * @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if no thread
 *           releases the lease during the call
 * @threadsafety safe to call from any thread, also after the manager is destroyed
 */
BB_API bb_status bb_gl_front_field(const bb_gl_front *front, const char *name, bb_gl_field_view *view);

/**
 * Gets a field of a front on a device: its range in the front's buffer.
 *
 * @param front as `bb_manager_acquire_front_device()` wrote it, not yet released
 * @param name the field's name
 * @param view output
 * @return BB_OK, BB_E_NULL, BB_E_NO_NAME (no such field), BB_E_ARGUMENT (the lease is not of a front on a device, or
 *         `name` is not UTF-8), BB_E_STALE (released), or a handle status
 * @realtime may block, may make a system call, may allocate; lock-free, no system call, no allocation if no thread
 *           releases the lease during the call
 * @threadsafety safe to call from any thread, also after the manager is destroyed
 */
BB_API bb_status bb_device_front_field(const bb_device_front *front, const char *name, bb_device_field_view *view);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BACKBUF_H */
