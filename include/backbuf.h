/**
 * @file
 * backbuf.h: hands bytes between sides that run at their own pace.
 *
 * Generated from src/ffi by `make header`; do not edit.
 *
 * Conventions
 *
 * - Every function that can fail returns a bb_status: BB_OK or a negative failure. A refused call changes nothing and writes
 *   no output; bb_last_error() tells what was wrong with it. The calls that move bytes through a ring are the exception: they
 *   tell how many went however they end, and BB_E_FULL, BB_E_EMPTY, BB_E_TIMEOUT and BB_E_CLOSED of a ring set no message.
 * - Beside what its list says, any call with a handle may return BB_E_OUT_OF_MEMORY or BB_E_LIMIT (its thread's first call,
 *   where the thread cannot be recorded) and BB_E_RECURSIVE (more than 8 calls of one thread inside each other, through
 *   callbacks).
 * - Objects are opaque typed pointers whose value is a checked id, never an address: NULL, stale, garbage and mistaken handles
 *   are statuses (BB_E_NULL, BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED). To destroy NULL is a no-op.
 *   Pointers to memory are trusted; NULL with length 0 is fine.
 * - Timeouts are nanoseconds on the monotonic clock: 0 tries, BB_FOREVER waits without end.
 * - Structs that begin with struct_size may grow: shorter means older, and what a newer caller has beyond this version must be
 *   zero. Fill them by their _init function. A struct_size above 65536 is that of an uninitialised struct: BB_E_VERSION.
 * - A callback is a function, its user_data, and where the library keeps it, a function that is told when user_data is not
 *   needed any more: exactly once, after the last call, never beside one. No lock is held while calling out. A callback must
 *   not throw, longjmp or end its thread. A call that fails keeps nothing: user_data stays the caller's.
 * - No call but bb_debug_dump_fd() is async-signal-safe. A panic inside the library is BB_E_PANIC; it crosses nothing.
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

/** How the functions are declared; may be predefined, such as to nothing. */
#ifndef BB_API
#if defined(__GNUC__)
#define BB_API __attribute__((visibility("default")))
#else
#define BB_API
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

/** bb_manager_config.worker_priority: first in, first out, at real-time priority p, 1 to 99. */
#define BB_REALTIME(p) (100 + (p))

/** The design's name for it. */
typedef struct bb_manager CBufferManager;
/** The design's name for it. */
typedef struct bb_registry BufferRegistry;


/**
 * A wait without end: the longest timeout. Timeouts are nanoseconds on the monotonic clock; 0 tries and never waits.
 */
#define BB_FOREVER UINT64_MAX

/**
 * `bb_set_wait_flags()`: a wait of the calling thread ends with `BB_E_INTERRUPTED` when the thread handles a signal during it.
 */
#define BB_WAIT_INTERRUPTIBLE 1

/**
 * Log nothing.
 */
#define BB_LOG_OFF 0

/**
 * Log what failed.
 */
#define BB_LOG_ERROR 1

/**
 * Log also what deserves a look: stalls, leaks, failed callbacks.
 */
#define BB_LOG_WARN 2

/**
 * Log also what is made and destroyed, and what was chosen.
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
 * `bb_manager_config.worker`: whoever holds the applier role applies, callers included.
 */
#define BB_WORKER_SHARED 0

/**
 * `bb_manager_config.worker`: only the worker thread applies.
 */
#define BB_WORKER_ONLY 1

/**
 * `bb_manager_config.max_extra_copies`: 24, but 0 if `copies` is 2, or on a device.
 */
#define BB_EXTRA_COPIES_AUTO UINT32_MAX

/**
 * `bb_kernel.flags`: may run on any thread that applies, not only on the worker.
 */
#define BB_KERNEL_ANY_THREAD 1

/**
 * `bb_kernel.flags`: writes all of its range, so that nothing is brought up to date for it first.
 */
#define BB_KERNEL_OVERWRITES 2

/**
 * `bb_manager_reserve_back()`: the back copy shows the state.
 */
#define BB_BACK_KEEP 0

/**
 * `bb_manager_reserve_back()`: all of it will be rewritten, so nothing is brought up to date first.
 */
#define BB_BACK_DISCARD 1

/**
 * The calling thread owns the device: its work runs in `bb_device_poll()` and in waits on that thread.
 *
 * The device ends with that thread: when the thread ends, every call on the device fails with BB_E_DEVICE_LOST, and what was queued or
 * pending is answered with it, callbacks on that thread. Bytes that are mapped then stay where they are. The handle is ended by
 * `bb_device_destroy()` on any thread.
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
 * `bb_buffer_desc.usage`: vertices are read from it.
 */
#define BB_USAGE_VERTEX 1

/**
 * `bb_buffer_desc.usage`: indices are read from it.
 */
#define BB_USAGE_INDEX 2

/**
 * `bb_buffer_desc.usage`: shaders read it as uniforms.
 */
#define BB_USAGE_UNIFORM 4

/**
 * `bb_buffer_desc.usage`: shaders read and write it.
 */
#define BB_USAGE_STORAGE 8

/**
 * `bb_buffer_desc.usage`: copied from.
 */
#define BB_USAGE_COPY_SRC 16

/**
 * `bb_buffer_desc.usage`: copied to.
 */
#define BB_USAGE_COPY_DST 32

/**
 * `bb_buffer_desc.usage`: mapped for reading. Goes with `BB_USAGE_COPY_DST` alone.
 */
#define BB_USAGE_MAP_READ 64

/**
 * `bb_buffer_desc.usage`: mapped for writing. Goes with `BB_USAGE_COPY_SRC` alone.
 */
#define BB_USAGE_MAP_WRITE 128

/**
 * `bb_buffer_desc.usage`: draws read their parameters from it.
 */
#define BB_USAGE_INDIRECT 256

/**
 * The mapped bytes are read.
 */
#define BB_MAP_READ 1

/**
 * The mapped bytes are written; those that are not stay what they were.
 */
#define BB_MAP_WRITE 2

/**
 * The rest of the buffer, or of what is mapped.
 */
#define BB_WHOLE_SIZE UINT64_MAX

/**
 * `bb_readback_config.when_full`: a read says BB_E_FULL.
 */
#define BB_READBACK_SKIP 0

/**
 * `bb_readback_config.when_full`: a read waits until a reading is released, for `timeout_ns` at most.
 */
#define BB_READBACK_WAIT 1

/**
 * `bb_readback_config.when_full`: a read takes the oldest reading's buffer, unless somebody has its bytes; that reading says
 * BB_E_ABORTED.
 */
#define BB_READBACK_DROP_OLDEST 2

/**
 * `bb_dynamic_config.policy`: an update waits for the oldest frame, for `timeout_ns` at most.
 */
#define BB_RING_BLOCK 0

/**
 * `bb_dynamic_config.policy`: an update says BB_E_FULL.
 */
#define BB_RING_FAIL 1

/**
 * `bb_dynamic_config.policy`: the ring gets larger, up to `most` bytes; it shrinks again when it is idle.
 */
#define BB_RING_GROW 2

/**
 * `bb_spsc_config.flags`: a second thread inside one end gets `BB_E_BUSY`, at the cost of an atomic exchange a call. Without
 * it two threads at once mix up which bytes go and come, and do no other harm.
 */
#define BB_SPSC_CHECKED 1

/**
 * `bb_spsc_config.flags`: no end ever pauses. Without it an end that keeps up with a stream of tiny chunks pauses for a
 * fraction of a microsecond, so that a batch gathers and the stream gains a multiple of its throughput.
 */
#define BB_SPSC_NO_BACKOFF 2

/**
 * `bb_registry_buffer.location`: the block's shared memory.
 */
#define BB_LOCATION_SHARED 1

/**
 * `bb_registry_buffer.location`: memory of the thread; in its persistent array, if the buffer is persistent.
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
 * `shared_per`: a block has one shared region, which its threads share.
 */
#define BB_SHARED_PER_BLOCK 1

/**
 * `shared_per`: each thread of a block has a shared region of its own.
 */
#define BB_SHARED_PER_THREAD 2

/**
 * `bb_allocator.space`: the shared region.
 */
#define BB_SPACE_SHARED 1

/**
 * `bb_allocator.space`: the persistent region of the thread.
 */
#define BB_SPACE_PERSISTENT 2

/**
 * `bb_allocator.space`: an array of its own.
 */
#define BB_SPACE_LOCAL 3

/**
 * `bb_allocator.origin`: no alias.
 */
#define BB_ORIGIN_OWN 1

/**
 * `bb_allocator.origin`: a slice of its alias target.
 */
#define BB_ORIGIN_ALIASED 2

/**
 * `bb_allocator.origin`: an alias whose target had no room for it, or was not shared: placed by its own location.
 */
#define BB_ORIGIN_FELL_BACK 3

/**
 * Bytes that nobody can tell: the region mixes precisions, and the layout is not typed.
 */
#define BB_NO_BYTES UINT64_MAX

/**
 * `bb_fit.bound`: shared memory keeps further blocks off a multiprocessor.
 */
#define BB_BOUND_SHARED 1

/**
 * `bb_fit.bound`: registers do.
 */
#define BB_BOUND_REGISTERS 2

/**
 * `bb_fit.bound`: threads do.
 */
#define BB_BOUND_THREADS 3

/**
 * `bb_fit.bound`: the number of blocks itself does.
 */
#define BB_BOUND_BLOCKS 4

/**
 * What every call that can fail returns: `BB_OK` or one of the failures, which are negative. A number is never reused.
 *
 * `bb_status_string()` explains a status, and `bb_last_error()` what was wrong with the calling thread's last refused call.
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
     * Not a handle at all.
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
     * A struct whose `struct_size` this version cannot serve.
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
     * Memory could not be had.
     */
    BB_E_OUT_OF_MEMORY = -12,
    /**
     * Not legal in the object's present state.
     */
    BB_E_STATE = -13,
    /**
     * Somebody else is using it.
     */
    BB_E_BUSY = -14,
    /**
     * No room now.
     */
    BB_E_FULL = -15,
    /**
     * Nothing there now.
     */
    BB_E_EMPTY = -16,
    /**
     * The time given is over.
     */
    BB_E_TIMEOUT = -17,
    /**
     * The object is closed.
     */
    BB_E_CLOSED = -18,
    /**
     * A lease keeps the copy that is needed.
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
     * A call from inside a callback that cannot be served there.
     */
    BB_E_RECURSIVE = -25,
    /**
     * A signal or the wait check ended the wait, as the thread asked for.
     */
    BB_E_INTERRUPTED = -26,
    /**
     * Not legal on this thread.
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
     * The name is taken.
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
 * Where a buffer stands.
 */
enum bb_buffer_state
#ifdef __cplusplus
  : uint32_t
#endif // __cplusplus
 {
    /**
     * It has no memory yet.
     */
    BB_BUFFER_UNINITIALIZED = 0,
    /**
     * The device may use it.
     */
    BB_BUFFER_READY = 1,
    /**
     * The host reads or writes its bytes.
     */
    BB_BUFFER_MAPPED = 2,
    /**
     * A map request has not been answered.
     */
    BB_BUFFER_MAP_PENDING = 3,
    /**
     * Its memory has been given back.
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
 * Where a manager stands in its life: `bb_manager_info.state`.
 */
enum bb_manager_state
#ifdef __cplusplus
  : uint32_t
#endif // __cplusplus
 {
    /**
     * Takes work.
     */
    BB_MANAGER_OPEN = 0,
    /**
     * Publishes what it has accepted, and takes no more.
     */
    BB_MANAGER_CLOSING = 1,
    /**
     * Fronts stay readable.
     */
    BB_MANAGER_CLOSED = 2,
    /**
     * A panic was caught; queries and destroy still work.
     */
    BB_MANAGER_POISONED = 3,
};
#ifndef __cplusplus
typedef uint32_t bb_manager_state;
#endif // __cplusplus

/**
 * Updates that become one element of the order. Made by `bb_batch_begin()`.
 */
typedef struct bb_batch bb_batch;

/**
 * Memory that host and device use by turns. Made by `bb_buffer_create()`.
 */
typedef struct bb_buffer bb_buffer;

/**
 * Bytes on their way to the device, again and again. Made by `bb_deferred_staging_create()`.
 */
typedef struct bb_deferred_staging bb_deferred_staging;

/**
 * Who owns memory and a timeline: host memory, or OpenGL. Made by `bb_device_create_gl()` and `bb_device_create_host()`.
 */
typedef struct bb_device bb_device;

/**
 * Memory that the device alone uses. Made by `bb_device_buffer_create()`.
 */
typedef struct bb_device_buffer bb_device_buffer;

/**
 * Bytes that change with every frame. Made by `bb_dynamic_create()`.
 */
typedef struct bb_dynamic bb_dynamic;

/**
 * Copies and writes for one submit. Made by `bb_encoder_create()`.
 */
typedef struct bb_encoder bb_encoder;

/**
 * Bytes on their way to the device, once. Made by `bb_immediate_staging_create()`.
 */
typedef struct bb_immediate_staging bb_immediate_staging;

/**
 * Memory that stays as it is until it is released. Made by `bb_manager_acquire_front()` and `bb_stream_next()`.
 */
typedef struct bb_lease bb_lease;

/**
 * One double-buffered state with its worker. Made by `bb_manager_create()`.
 */
typedef struct bb_manager bb_manager;

/**
 * A ring of buffers for bytes on their way back. Made by `bb_readback_create()`.
 */
typedef struct bb_readback bb_readback;

/**
 * A read that is under way, or done. Made by `bb_readback_read()`.
 */
typedef struct bb_reading bb_reading;

/**
 * The receiving end of a ring of bytes. Made by `bb_spsc_create()`.
 */
typedef struct bb_receiver bb_receiver;

/**
 * Named buffers of CUDA kernels and where they lie. Made by `bb_registry_create()`.
 */
typedef struct bb_registry bb_registry;

/**
 * A map request that was accepted. Made by `bb_buffer_map_async()`.
 */
typedef struct bb_request bb_request;

/**
 * The sending end of a ring of bytes. Made by `bb_spsc_create()`.
 */
typedef struct bb_sender bb_sender;

/**
 * What arrives in a ring, as chunks that can be held. Made by `bb_spsc_into_stream()`.
 */
typedef struct bb_stream bb_stream;

/**
 * Labelled backend work that a publish waits for. Made by `bb_task_begin()`.
 */
typedef struct bb_task bb_task;

/**
 * One waiter's own subscription to epochs. Made by `bb_watch_create()`.
 */
typedef struct bb_watch bb_watch;

/**
 * Takes one log record: its level, the part of the library, the object's label (may be empty) and the text, each
 * NUL-terminated and valid during the call.
 */
typedef void (*bb_log_fn)(uint32_t level, const char *part, const char *label, const char *text, void *user_data);

/**
 * Told that `user_data` is not needed any more: called exactly once, after the last use.
 */
typedef void (*bb_drop_fn)(void *user_data);

/**
 * One log record, as `bb_log_next()` takes it out of the queue.
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
     * Records that were lost between the one before and this one, because the queue was full. What is lost at the end, after
     * the last record that found room, is not reported.
     */
    uint64_t lost;
    /**
     * The part of the library, NUL-terminated.
     */
    char part[16];
    /**
     * The object's label, NUL-terminated; may be empty.
     */
    char label[64];
    /**
     * The text, NUL-terminated.
     */
    char text[1024];
} bb_log_record;

/**
 * Asks whether a wait of the calling thread is to end: 0 to go on, any other number to end it with `BB_E_INTERRUPTED`.
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
     * Handed to it.
     */
    void *user_data;
} bb_wait_check;

/**
 * Takes a piece of text, `length` bytes that need not be NUL-terminated.
 */
typedef void (*bb_write_fn)(const char *text, uint64_t length, void *user_data);

/**
 * Waits for the backend before a publish: 0 if all is well, else a code that `BB_E_BACKEND`'s text tells. Runs on the
 * worker only, never twice at once, and may enqueue, but not synchronize or destroy. Must not throw.
 */
typedef int32_t (*bb_flush_fn)(void *user_data);

/**
 * How a manager is made. Fill it by `bb_manager_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * Physical copies of the state: 2 to 8, default 3; 2 is strict double buffering. The third and further take memory only
     * while leases hold the others.
     */
    uint32_t copies;
    /**
     * Name in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
    /**
     * The state's bytes at epoch 0, or NULL for zeros. Read during the call only.
     */
    const void *initial;
    /**
     * Bytes of the queue, 1 MiB.
     */
    uint64_t queue_bytes;
    /**
     * After how many nanoseconds a flush or task is reported as stalled, once, to those who wait, 2 s; 0 for never.
     */
    uint64_t watchdog_ns;
    /**
     * Bytes of a backlog that a caller applies before the worker takes over, 256 KiB.
     */
    uint64_t caller_budget_bytes;
    /**
     * Waits for the backend before each publish, or NULL.
     */
    bb_flush_fn flush;
    /**
     * Handed to `flush`.
     */
    void *flush_user_data;
    /**
     * Called once when `flush` will not be called again, or NULL. Without a `flush`, the call that makes the manager calls it.
     */
    bb_drop_fn flush_drop;
    /**
     * `BB_WORKER_SHARED` or `BB_WORKER_ONLY`.
     */
    uint32_t worker;
    /**
     * Nice value of the worker, -20 to 19, or `BB_REALTIME(1 to 99)`; 0 is normal scheduling with the nice value of the
     * process. The creating thread's own priority is not inherited. A refusal by the system is logged.
     */
    int32_t worker_priority;
    /**
     * Bit k lets the worker run on CPU k; 0 is every CPU that the process could use when the library was loaded. The CPUs
     * that the creating thread is bound to are not inherited.
     */
    uint64_t worker_affinity;
    /**
     * Copies that may be added while leases hold all of `copies`, so that a reader never stops the producer; with `copies`
     * at most 32. They take memory when they are needed, and give it back when they have not been needed for a second or
     * two. The default, `BB_EXTRA_COPIES_AUTO`, is 24; but 0 if `copies` is 2, or on a device, where any other number is
     * refused since slots are fixed.
     */
    uint32_t max_extra_copies;
    /**
     * 0.
     */
    uint32_t reserved;
} bb_manager_config;

/**
 * A wait for a ticket that is polled, as by an event loop: what it remembers from one look to the next. Zeros begin a wait.
 */
typedef struct {
    /**
     * After how many nanoseconds to look again, if the watch has not become readable before; BB_FOREVER without a watchdog.
     */
    uint64_t look_ns;
    /**
     * The library's.
     */
    uint64_t state[4];
} bb_ticket_poll;

/**
 * Some elements, to be copied into the state.
 */
typedef struct {
    /**
     * Where they go: bytes from the start of the state, a multiple of the element's size.
     */
    uint64_t byte_offset;
    /**
     * How many, in elements.
     */
    uint64_t count;
    /**
     * The elements, of any alignment; may be NULL if `count` is 0.
     */
    const void *data;
} bb_update;

/**
 * An N-d part of the state, as in `state[2:5, ::2] = data`. Each array has as many entries as the state has dimensions.
 */
typedef struct {
    /**
     * The first index along each axis.
     */
    const uint64_t *start;
    /**
     * How many along each axis.
     */
    const uint64_t *extent;
    /**
     * From one to the next along each axis, in elements, negative allowed; NULL for 1 everywhere.
     */
    const int64_t *step;
    /**
     * The elements, of any alignment; may be NULL if an extent is 0.
     */
    const void *data;
    /**
     * From one to the next along each axis of `data`, in bytes, 0 and negative allowed; NULL if it is packed, row-major.
     */
    const int64_t *strides;
} bb_region;

/**
 * Told that borrowed data is not needed any more: called exactly once for data that was accepted.
 */
typedef void (*bb_release_fn)(void *user_data);

/**
 * Changes a range of the back copy, which shows every earlier update. `front` is the same range of the newest published
 * epoch; `count` elements each. Runs once; must not throw; may enqueue, but not synchronize or destroy.
 */
typedef void (*bb_kernel_fn)(void *back, const void *front, uint64_t count, void *user_data);

/**
 * A function that changes a range of the state in its place in the order.
 */
typedef struct {
    /**
     * Called once, on the worker unless `flags` say otherwise.
     */
    bb_kernel_fn function;
    /**
     * Handed to both functions.
     */
    void *user_data;
    /**
     * Told on the worker that `user_data` is not needed any more, or NULL.
     */
    bb_drop_fn drop;
    /**
     * Where the range begins, in bytes.
     */
    uint64_t byte_offset;
    /**
     * How long it is, in elements.
     */
    uint64_t count;
    /**
     * `BB_KERNEL_ANY_THREAD`, `BB_KERNEL_OVERWRITES`, or 0.
     */
    uint32_t flags;
    /**
     * 0.
     */
    uint32_t reserved;
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
     * How long it is.
     */
    uint64_t bytes;
    /**
     * Its epoch.
     */
    uint64_t epoch;
    /**
     * The newest tag enqueued before it was published; 0 if there was none.
     */
    uint64_t tag;
    /**
     * Give it back by `bb_lease_release()`.
     */
    bb_lease *lease;
} bb_front;

/**
 * The back copy, in the hands of one caller.
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
     * How long each is.
     */
    uint64_t bytes;
    /**
     * The epoch of `front`.
     */
    uint64_t epoch;
    /**
     * Tells this reservation from others.
     */
    uint64_t token;
} bb_back;

/**
 * What a manager is and where it stands.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * A `bb_dtype`, or `BB_OPAQUE(size)`.
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
     * Bytes of the state.
     */
    uint64_t bytes;
    /**
     * The newest published epoch.
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
     * 0.
     */
    uint32_t reserved;
} bb_manager_info;

/**
 * What a manager has done, since it was made.
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
     * Updates applied; a batch counts each of its own.
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
     * Times that a lease held the copy to be written next, so that another copy was written instead.
     */
    uint64_t copies_replaced;
    /**
     * Ranges copied forward to a copy that lacked them.
     */
    uint64_t copies_forward;
    /**
     * Bytes of these ranges.
     */
    uint64_t copied_forward_bytes;
    /**
     * The most bytes that the queue has held.
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
     * Leases that are out.
     */
    uint64_t leases_live;
    /**
     * Leases in this process whose object was destroyed first.
     */
    uint64_t leases_leaked;
    /**
     * Updates that were larger than the queue.
     */
    uint64_t outsized_updates;
    /**
     * Calls refused.
     */
    uint64_t refused_total;
    /**
     * `[k]`: synchronizes that waited or ran a flush and took 2^k ns to 2^(k+1) ns.
     */
    uint64_t wait_histogram[64];
    /**
     * Refused calls by `-status`.
     */
    uint64_t refused[40];
    /**
     * Copies that have memory now: two, and those that leases made necessary.
     */
    uint64_t copies_present;
    /**
     * Those of them beyond `bb_manager_config.copies`.
     */
    uint64_t extra_copies;
    /**
     * The most extra copies that there were at once.
     */
    uint64_t extra_copies_most;
    /**
     * The epoch of the oldest front that is held now; 0 if none is held.
     */
    uint64_t oldest_lease_epoch;
    /**
     * The thread that took that lease, as the system numbers threads; 0 if none is held.
     */
    uint64_t oldest_lease_thread;
    /**
     * How long that lease has been held at least. Taking a lease reads no clock: its age counts from the first time that a
     * report, an error or a query looked at it, and is 0 then. It may have been held for much longer.
     */
    uint64_t oldest_lease_age_ns;
} bb_manager_stats;

/**
 * Where OpenGL's functions are: `SDL_GL_GetProcAddress`, `glfwGetProcAddress`, `eglGetProcAddress` and their like.
 */
typedef void *(*bb_gl_get_proc)(const char *name);

/**
 * How an OpenGL device is made. All zeros but `struct_size`, or NULL, is a headless one.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Name in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
    /**
     * The `EGLDisplay` of the program's own context, to share objects with it; NULL for none.
     */
    void *egl_display;
    /**
     * The `EGLContext` to share objects with; NULL for none. It may be current on any thread, and must outlive the call only.
     */
    void *egl_context;
} bb_gl_config;

/**
 * How a WebGPU device is made. All zeros but `struct_size`, or NULL, is one on the best adapter.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Name in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
    /**
     * Which adapter: `vulkan` or `gl`, or part of an adapter's name, in whatever case. NULL or empty: a GPU before a driver that
     * renders on the CPU, and Vulkan before OpenGL ES. `noop` is for tests: it needs no driver, and has no shaders.
     */
    const char *adapter;
} bb_wgpu_config;

/**
 * What a device is.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * `BB_DEVICE_HOST`, `BB_DEVICE_GL`, `BB_DEVICE_WGPU`.
     */
    uint32_t kind;
    /**
     * Bytes of the largest buffer.
     */
    uint64_t max_buffer_size;
    /**
     * Offsets of uniform ranges are multiples of it.
     */
    uint64_t uniform_offset_alignment;
    /**
     * Offsets of storage ranges are multiples of it.
     */
    uint64_t storage_offset_alignment;
    /**
     * Who renders; NUL-terminated.
     */
    char name[128];
    /**
     * The version of the API and of the driver; NUL-terminated.
     */
    char version[128];
    /**
     * The optional abilities that are used, separated by commas; NUL-terminated.
     */
    char capabilities[128];
    /**
     * NUL-terminated.
     */
    char label[64];
} bb_device_info;

/**
 * What a device has done.
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
     * Native buffers made.
     */
    uint64_t buffers_created;
    /**
     * Native buffers given back.
     */
    uint64_t buffers_deleted;
    /**
     * Bytes of the native buffers that are there.
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
     * Waits for fences that had not passed at once.
     */
    uint64_t waits;
} bb_device_stats;

/**
 * How a buffer is made. Fill it by `bb_buffer_desc_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * What it is for: some of `BB_USAGE_…`.
     */
    uint32_t usage;
    /**
     * Its bytes; 0 is legal.
     */
    uint64_t size;
    /**
     * Whether it begins mapped for writing, as a whole, all zeros: 0 or 1. Goes with any usage.
     */
    uint8_t mapped_at_creation;
    /**
     * 0.
     */
    uint8_t reserved[7];
    /**
     * Name in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
} bb_buffer_desc;

/**
 * What became of a map request.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * BB_OK: the buffer is mapped. Else why not: BB_E_ABORTED, BB_E_CANCELLED, BB_E_DEVICE_LOST, BB_E_BACKEND,
     * BB_E_OUT_OF_MEMORY.
     */
    bb_status status;
    /**
     * Where the buffer stood then.
     */
    bb_buffer_state state;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * The buffer's label; NUL-terminated.
     */
    char label[64];
    /**
     * The same as the status in words; NUL-terminated, empty if it is mapped.
     */
    char text[256];
} bb_map_outcome;

/**
 * Who is told what became of a map request.
 */
typedef struct {
    /**
     * Called once; the outcome is there for the call only. It may use, destroy and release any buffer, but not wait for the
     * device: that is BB_E_RECURSIVE.
     */
    void (*call)(void *user_data, const bb_map_outcome *outcome);
    /**
     * Handed to it.
     */
    void *user_data;
    /**
     * Told that `user_data` is not needed any more, after the call; may be NULL.
     */
    bb_drop_fn drop;
} bb_map_callback;

/**
 * What is known of a buffer.
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
     * Its bytes.
     */
    uint64_t size;
    /**
     * What it is for.
     */
    uint32_t usage;
    /**
     * 1 unless it has been destroyed or its device is lost.
     */
    uint32_t valid;
    /**
     * How often it has grown, and 1 more; 1 for what does not grow.
     */
    uint64_t generation;
    /**
     * NUL-terminated.
     */
    char label[64];
} bb_buffer_info;

/**
 * Memory of a ring to write to: what `bb_sender_reserve()` gives.
 */
typedef struct {
    /**
     * The first byte.
     */
    void *data;
    /**
     * How many there are.
     */
    uint64_t bytes;
} bb_span;

/**
 * Memory of a ring to read from: what `bb_receiver_peek()` gives.
 */
typedef struct {
    /**
     * The first byte.
     */
    const void *data;
    /**
     * How many there are.
     */
    uint64_t bytes;
} bb_const_span;

/**
 * The mapping of a buffer, whoever has ranges of it.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * `BB_MAP_READ` or `BB_MAP_WRITE`; 0 where nothing is mapped.
     */
    uint32_t mode;
    /**
     * The first of the mapped bytes; NULL where nothing is mapped.
     */
    void *data;
    /**
     * How many are mapped.
     */
    uint64_t bytes;
    /**
     * Which mapping of the buffer it is: each has another number.
     */
    uint64_t number;
} bb_mapping;

/**
 * An update of one frame. It may be used until the frame ends; BB_E_STALE tells that it has.
 */
typedef struct {
    /**
     * Where it is written, aligned as the usage wants it. What is there is left over from earlier frames: do not read it.
     */
    void *data;
    /**
     * How many bytes.
     */
    uint64_t bytes;
    /**
     * What the buffer is to its backend: the name of an OpenGL buffer, an address in host memory.
     */
    uint64_t buffer;
    /**
     * Where the update begins in it.
     */
    uint64_t offset;
    /**
     * The frame.
     */
    uint64_t frame;
} bb_dynamic_slice;

/**
 * How a ring of readbacks is made. Fill it by `bb_readback_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * Buffers, and so readings under way, 1 to 16.
     */
    uint32_t frames;
    /**
     * Bytes of a read at most, any number.
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
     * Name in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
} bb_readback_config;

/**
 * What a ring of readbacks has counted.
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
     * Reads that were left out.
     */
    uint64_t skipped;
    /**
     * Readings that were given up for newer ones.
     */
    uint64_t dropped;
} bb_readback_stats;

/**
 * Who is given the bytes of a read.
 */
typedef struct {
    /**
     * Called once: BB_OK and the bytes, which are there for the call only; else why they do not come, and NULL. It may use any
     * buffer, but not wait for the device: that is BB_E_RECURSIVE.
     */
    void (*call)(void *user_data, bb_status status, const void *data, uint64_t bytes);
    /**
     * Handed to it.
     */
    void *user_data;
    /**
     * Told that `user_data` is not needed any more, after the call; may be NULL.
     */
    bb_drop_fn drop;
} bb_read_callback;

/**
 * How a dynamic buffer is made. Fill it by `bb_dynamic_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * What the bytes are for: some of `BB_USAGE_…`, none of `BB_USAGE_MAP_…`. `BB_USAGE_COPY_DST` is added.
     */
    uint32_t usage;
    /**
     * Bytes that a frame writes, more or less.
     */
    uint64_t size;
    /**
     * Frames that may be in flight, 1 to 16: the ring has that many times `size`. Fences guard the bytes, not this number.
     */
    uint32_t frames;
    /**
     * What happens when there is no room: one of `BB_RING_…`.
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
     * Name in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
} bb_dynamic_config;

/**
 * What a dynamic buffer has counted.
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
     * Bytes of the ring now.
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
     * Updates that waited for room.
     */
    uint64_t stalls;
    /**
     * Nanoseconds that they waited.
     */
    uint64_t stalled_ns;
    /**
     * Updates refused for want of room.
     */
    uint64_t refused;
    /**
     * Times that the ring grew.
     */
    uint64_t grown;
    /**
     * Times that it shrank again.
     */
    uint64_t trimmed;
    /**
     * Updates larger than the ring, which got a buffer of their own.
     */
    uint64_t dedicated;
} bb_dynamic_stats;

/**
 * The newest published copy of a state, in an OpenGL buffer.
 */
typedef struct {
    /**
     * The buffer's name.
     */
    uint32_t buffer;
    /**
     * Which of the manager's copies it is. A slot's buffer is the same for the manager's life, so that vertex array objects
     * may be kept by slot.
     */
    uint32_t slot;
    /**
     * Where the state begins in the buffer, in bytes.
     */
    uint64_t offset;
    /**
     * How long it is, in bytes.
     */
    uint64_t bytes;
    /**
     * Its epoch.
     */
    uint64_t epoch;
    /**
     * The newest tag enqueued before it was published; 0 if there was none.
     */
    uint64_t tag;
    /**
     * Give it back by `bb_lease_release_gl()`.
     */
    bb_lease *lease;
} bb_gl_front;

/**
 * How a ring is made. Fill it by `bb_spsc_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * `BB_SPSC_CHECKED`, `BB_SPSC_NO_BACKOFF`, both or 0.
     */
    uint32_t flags;
    /**
     * Name in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
    /**
     * Bytes of a record, for a ring that never makes its sender wait; 0, the default, for a ring that delivers every byte.
     *
     * Where such a ring is full, a new record overwrites the oldest ones, and both ends count what is `lost`. All calls move
     * whole records; the capacity is rounded up to whole records, and the newest of them stay. While the receiver copies, or has
     * a span open, nothing is overwritten, but there is memory for at least as many records again: only a receiver that reads
     * for so long makes the sender find the ring full. Since 0.1.
     */
    uint64_t overwrite_record_size;
} bb_spsc_config;

/**
 * What one end of a ring has counted, since it was made.
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
     * Bytes that the ring holds.
     */
    uint64_t capacity;
    /**
     * Bytes that went through this end.
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
     * Waits that could not be answered at once.
     */
    uint64_t waits;
    /**
     * Times that this end woke the other one.
     */
    uint64_t wakes;
    /**
     * The most bytes that this end found in the ring, when it looked.
     */
    uint64_t high_water;
    /**
     * How long waits took: element k counts those of 2^k to 2^(k+1) nanoseconds.
     */
    uint64_t wait_histogram[64];
    /**
     * Records that were overwritten before they were received: by this sender, or since this receiver is there.
     */
    uint64_t lost;
} bb_end_stats;

/**
 * How a stream makes chunks. Fill it by `bb_stream_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * Buffers that are kept for use again, 16; more than that are freed when they are released.
     */
    uint32_t pool_size;
    /**
     * Bytes of a buffer, at least, 8192. After 4 full ones in a row it doubles, up to the ring's capacity; after 64 in a row
     * below a quarter it halves, down to this.
     */
    uint64_t buffer_size;
    /**
     * Fewer bytes make no chunk, but at the end, 1.
     */
    uint64_t min_size;
    /**
     * Bytes of a record: each chunk is a whole number of records. 0 for none, or for those of a ring that overwrites its oldest.
     */
    uint64_t record_size;
    /**
     * Name in messages and logs: UTF-8, cut at 63 bytes; NULL for the ring's.
     */
    const char *label;
} bb_stream_config;

/**
 * A managed buffer, filled from the ring.
 */
typedef struct {
    /**
     * The bytes, aligned to 64. They are the holder's to read and write until the lease is released.
     */
    void *data;
    /**
     * How many there are.
     */
    uint64_t bytes;
    /**
     * Give it back by `bb_lease_release()`, on any thread, also after the stream has gone.
     */
    bb_lease *lease;
} bb_chunk;

/**
 * What a stream has counted, since it was made.
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
     * Chunks given.
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
     * Chunks that have not been released.
     */
    uint64_t live;
    /**
     * Buffers that wait in the pool.
     */
    uint64_t kept;
    /**
     * Bytes of the next buffer.
     */
    uint64_t buffer_size;
    /**
     * Waits that could not be answered at once.
     */
    uint64_t waits;
} bb_stream_stats;

/**
 * A buffer as its owner asks for it. Fill it by `bb_registry_buffer_init()`, then set the name and what else is needed.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * `BB_LOCATION_SHARED`, the default, or `BB_LOCATION_LOCAL`.
     */
    uint32_t location;
    /**
     * Its name, 1 to 255 bytes of UTF-8, once among the parent's.
     */
    const char *name;
    /**
     * The buffer, registered before, whose memory it would rather share; NULL for none.
     */
    const char *aliases;
    /**
     * Elements; 0 is legal.
     */
    uint64_t size;
    /**
     * `BB_F16`, `BB_F32` (the default), `BB_F64`, `BB_I32` or `BB_I64`.
     */
    uint32_t precision;
    /**
     * 1: it outlives a call. Matters where it is local.
     */
    uint32_t persistent;
    /**
     * The first step in which it is alive.
     */
    uint64_t begin;
    /**
     * The step behind the last. Both 0: it is always alive.
     */
    uint64_t end;
} bb_registry_buffer;

/**
 * How a registry is made, or how one parent lays out. Fill it by `bb_registry_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * 1: offsets are worked out in bytes and aligned by precision, so that a region may mix precisions. 0: a region counts
     * elements, and one that mixes precisions has no bytes.
     */
    uint32_t typed;
    /**
     * Name of the registry in messages: UTF-8, cut at 63 bytes; NULL for none.
     */
    const char *label;
    /**
     * 1, the default: in a typed layout of 4-byte elements that belongs to a thread, the stride from thread to thread is an
     * odd number of words.
     */
    uint32_t bank_skew;
    /**
     * 1: an alias never overlaps a persistent buffer, nor a child's region that holds one. 0 by default.
     */
    uint32_t protect_persistent;
    /**
     * What a shared region belongs to: `BB_SHARED_PER_BLOCK`, the default, or `BB_SHARED_PER_THREAD`.
     */
    uint32_t shared_per;
    /**
     * 0.
     */
    uint32_t reserved;
} bb_registry_config;

/**
 * How a kernel gets a buffer.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * The memory in which it lies: `BB_SPACE_SHARED`, `BB_SPACE_PERSISTENT` or `BB_SPACE_LOCAL`.
     */
    uint32_t space;
    /**
     * How it came to lie there: `BB_ORIGIN_OWN`, `BB_ORIGIN_ALIASED` or `BB_ORIGIN_FELL_BACK`.
     */
    uint32_t origin;
    /**
     * The type of its elements, a `bb_dtype`; `BB_U8` for bytes, of a child's region that mixes precisions.
     */
    uint32_t precision;
    /**
     * Where it begins in its region, in elements of its own; 0 in an array of its own.
     */
    uint64_t offset;
    /**
     * How long it is, in elements.
     */
    uint64_t length;
    /**
     * How many elements to fill with zeros: its size, also where the array is longer.
     */
    uint64_t zero_fill;
    /**
     * Where it begins in its region, in bytes, or `BB_NO_BYTES`.
     */
    uint64_t byte_offset;
} bb_allocator;

/**
 * What a parent takes, and how it lays out.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * Whether buffers with lifetimes lie where a plan has put them: 0 or 1.
     */
    uint32_t planned;
    /**
     * What `bb_registry_version()` tells.
     */
    uint64_t version;
    /**
     * What `bb_registry_layout_hash()` tells.
     */
    uint64_t layout_hash;
    /**
     * Buffers, children's hidden ones included.
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
     * Bytes from one thread's shared region to the next one's, if it belongs to a thread; else the region's; or `BB_NO_BYTES`.
     */
    uint64_t shared_stride_bytes;
    /**
     * The alignment in bytes that the start of the shared region needs.
     */
    uint64_t shared_align_bytes;
    /**
     * The alignment in bytes that the start of the persistent region needs.
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
     * How the parent lays out: what `bb_registry_config` says.
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
 * What a device allows. `bb_limits_init()` fills it for a compute capability; a caller may change any of it.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * Threads of a block at most.
     */
    uint32_t threads_per_block;
    /**
     * Threads of a multiprocessor at most.
     */
    uint32_t threads_per_sm;
    /**
     * Blocks of a multiprocessor at most.
     */
    uint32_t blocks_per_sm;
    /**
     * Registers of a multiprocessor, and of a block at most.
     */
    uint32_t registers_per_sm;
    /**
     * Registers of a thread at most.
     */
    uint32_t registers_per_thread;
    /**
     * A warp gets registers in multiples of this.
     */
    uint32_t register_granule;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Shared memory that a block gets without asking, in bytes.
     */
    uint64_t shared_static_bytes;
    /**
     * Shared memory that a block gets at most, if its kernel opts in, in bytes.
     */
    uint64_t shared_block_bytes;
    /**
     * Shared memory of a multiprocessor, in bytes.
     */
    uint64_t shared_sm_bytes;
    /**
     * Shared memory that the system takes of each block, in bytes.
     */
    uint64_t shared_reserved_bytes;
    /**
     * Shared memory is given out in multiples of this, in bytes.
     */
    uint64_t shared_granule_bytes;
} bb_limits;

/**
 * A launch of a kernel. Fill it by `bb_launch_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * Threads of a block.
     */
    uint32_t threads;
    /**
     * Registers of a thread, as the compiler tells; 0 if nobody knows.
     */
    uint32_t registers_per_thread;
    /**
     * What the shared region belongs to; 0 for what the parent says.
     */
    uint32_t shared_per;
    /**
     * Shared memory that the kernel declares beside the parent's, in bytes.
     */
    uint64_t static_shared_bytes;
} bb_launch;

/**
 * What a launch that fits takes.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * 1: the kernel must opt in to so much (`cudaFuncAttributeMaxDynamicSharedMemorySize`).
     */
    uint32_t needs_opt_in;
    /**
     * Dynamic shared memory of a block, in bytes.
     */
    uint64_t shared_bytes;
    /**
     * Bytes from one thread's region to the next one's; of a block's region, its bytes.
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
     * Warps that the device could have at once.
     */
    uint32_t max_warps_per_sm;
    /**
     * What keeps further blocks off: `BB_BOUND_SHARED`, …
     */
    uint32_t bound;
} bb_fit;

/**
 * Asked now and then, from any of the threads that search: anything but 0 ends the search, which keeps the best plan so far.
 * Must not throw, nor destroy the registry.
 */
typedef int32_t (*bb_cancelled_fn)(void *user_data);

/**
 * How long and how to look for a plan. Fill it by `bb_plan_config_init()`, then change what is needed.
 */
typedef struct {
    /**
     * Bytes of this struct, as the caller knows it.
     */
    uint32_t struct_size;
    /**
     * Threads that search; 0 and 1 both mean the caller's alone.
     */
    uint32_t threads;
    /**
     * Nanoseconds for everything, 1 s; 0 for one quick plan, BB_FOREVER for as long as it takes.
     */
    uint64_t budget_ns;
    /**
     * Where the random numbers begin. The same seed leads to the same plan, unless the time ends the search.
     */
    uint64_t seed;
    /**
     * Steps of the search at most, whatever the time; UINT64_MAX for any number.
     */
    uint64_t nodes;
    /**
     * Elements of a region that are good enough; 0 for as few as it goes.
     */
    uint64_t target;
    /**
     * Whether to stop, or NULL.
     */
    bb_cancelled_fn cancelled;
    /**
     * Handed to `cancelled`.
     */
    void *cancelled_user_data;
} bb_plan_config;

/**
 * What a plan came to. Heights are elements of the region, what is always alive included.
 */
typedef struct {
    /**
     * Bytes of this struct that were written.
     */
    uint32_t struct_size;
    /**
     * 1: no plan of the shared region is lower.
     */
    uint32_t shared_exact;
    /**
     * 1: no plan of the persistent region is lower.
     */
    uint32_t persistent_exact;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Shared buffers that were placed.
     */
    uint64_t shared_buffers;
    /**
     * How far they reach.
     */
    uint64_t shared_height;
    /**
     * The most that is alive at any one step: no plan is lower. The gap is the height less this.
     */
    uint64_t shared_lower_bound;
    /**
     * How far they reached before any search.
     */
    uint64_t shared_heuristic_height;
    /**
     * Steps of the search.
     */
    uint64_t shared_nodes;
    /**
     * The same of the persistent region.
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
} bb_plan;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that runs, as `major << 16 | minor << 8 | patch`. The header's is in `BB_VERSION_MAJOR`,
 * `BB_VERSION_MINOR` and `BB_VERSION_PATCH`.
 *
 * @return the version
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API uint32_t bb_version(void);

/**
 * How the library was built: version, target, profile. Holds no date and no path.
 *
 * @return a static NUL-terminated string
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API const char *bb_build_info(void);

/**
 * The name of a status and what it means, as in "BB_E_FULL: no room now; wait, or drain the other side". Numbers that are
 * no status get a text that says so.
 *
 * @param status a status, or any other number
 * @return a static NUL-terminated string
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API const char *bb_status_string(int32_t status);

/**
 * What was wrong with the calling thread's last refused call: function, parameter, value, remedy, and the label of the
 * object. Empty if no call of this thread was ever refused.
 *
 * @return a NUL-terminated string of at most 511 bytes, valid until this thread's next refused call
 * @threadsafety safe to call from any thread; each has its own message
 * @since 0.1
 */
BB_API const char *bb_last_error(void);

/**
 * Sends log records to `function`, in place of where they went before. Off at first.
 *
 * The function may be called from any thread, also from several at once and from within any call of this library. It must
 * not throw, nor call this function; what it does with other objects logs nothing. `drop` is called exactly once, when the
 * function is replaced and its last call has returned: this call waits for that. If the call fails, `user_data` stays the
 * caller's and `drop` is not called.
 *
 * @param level the finest level wanted: `BB_LOG_OFF` to `BB_LOG_DEBUG`
 * @param function takes the records, or NULL for none
 * @param user_data handed to both functions
 * @param drop told when `user_data` is not needed any more, or NULL
 * @return BB_OK, BB_E_ARGUMENT (unknown level), BB_E_RECURSIVE (called from inside the function), BB_E_OUT_OF_MEMORY,
 *         BB_E_UNSUPPORTED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_set_log(uint32_t level, bb_log_fn function, void *user_data, bb_drop_fn drop);

/**
 * Sends log records into a queue, in place of where they went before: for programs whose log function must not run on the
 * library's threads, such as those of languages with an interpreter lock.
 *
 * Calls of the library never wait for the queue: where it is full the record is lost, and counted. `bb_log_next()` takes
 * the records out. `bb_set_log()` and another call of this function end the queue; what is in it by then may still be taken
 * out, unless there is another one.
 *
 * @param level the finest level wanted: `BB_LOG_ERROR` to `BB_LOG_DEBUG`
 * @param records how many the queue holds, 1 to 65536; each takes about 1.1 KiB
 * @return BB_OK, BB_E_ARGUMENT (unknown level), BB_E_RANGE (records), BB_E_RECURSIVE (called from inside a log function),
 *         BB_E_OUT_OF_MEMORY, BB_E_UNSUPPORTED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_set_log_queue(uint32_t level, uint64_t records);

/**
 * Takes the next record out of the queue of `bb_set_log_queue()`.
 *
 * @param timeout nanoseconds to wait for one; 0 tries, BB_FOREVER waits without end
 * @param struct_size `sizeof(bb_log_record)` as the caller knows it
 * @param record that many bytes are written
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (there is no queue, or it has ended and is empty), BB_E_INTERRUPTED,
 *         BB_E_VERSION (struct_size), BB_E_NULL
 * @threadsafety safe to call from any thread; a record goes to one of several
 * @since 0.1
 */
BB_API bb_status bb_log_next(uint64_t timeout, uint32_t struct_size, bb_log_record *record);

/**
 * Sets whether signals end the waits of the calling thread, in every later call.
 *
 * Waits go on after a signal handler has run, unless `BB_WAIT_INTERRUPTIBLE` is set: then they return `BB_E_INTERRUPTED`.
 * Nothing is lost: a call that is made again goes on with what the first one began, so that calls which are interrupted
 * again and again come to their end. See each function for what that is.
 *
 * A signal that is handled just before the thread sleeps does not end the wait: where that matters, use
 * `bb_set_wait_check()`. A thread that has a wait check ignores this flag.
 *
 * @param flags `BB_WAIT_INTERRUPTIBLE` or 0
 * @return BB_OK, BB_E_ARGUMENT (unknown flags)
 * @threadsafety safe to call from any thread; sets the calling thread's own
 * @since 0.1
 */
BB_API bb_status bb_set_wait_flags(uint32_t flags);

/**
 * Sets the function that the waits of the calling thread call while they last, to ask whether to go on; in every later call
 * that can wait, whatever it waits for.
 *
 * A wait calls it every 50 ms and as soon as the thread has handled a signal, on this thread. When it returns 0 the same wait
 * goes on, with its deadline, its watchdog and all that it has reached so far; otherwise the call returns `BB_E_INTERRUPTED`.
 * A manager that is destroyed has ended then, though a callback of it may run on.
 * A call with a timeout of 0 does not wait and so does not call it. What is in a driver or copies memory is not interrupted.
 *
 * The library holds no lock meanwhile: the function may call it, also on the object that is waited for. To destroy that
 * object is `BB_E_RECURSIVE`, and the end of a ring that is waited for is `BB_E_BUSY`. While the function runs the thread has
 * no check; one that it sets is gone when it returns. It must not leave by an exception or `longjmp`.
 *
 * @param function called by waits, or NULL for none
 * @param user_data handed to it
 * @param previous what was set before is written here, to be set again later; or NULL
 * @return BB_OK
 * @threadsafety safe to call from any thread; sets the calling thread's own
 * @since 0.1
 */
BB_API bb_status bb_set_wait_check(bb_wait_check_fn function, void *user_data, bb_wait_check *previous);

/**
 * Lists every manager, ring, waiter, lease and open task with its age and thread, as text.
 *
 * @param write takes the text, piece by piece, on the calling thread; must not call this library
 * @param user_data handed to `write`
 * @return BB_OK, BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_debug_dump(bb_write_fn write, void *user_data);

/**
 * Writes what `bb_debug_dump()` lists to a file descriptor. It takes no lock and allocates nothing, so that it can be called
 * from a debugger or a signal handler.
 *
 * @param fd an open descriptor, such as 2
 * @return BB_OK, BB_E_ARGUMENT (it cannot be written to)
 * @threadsafety safe to call from any thread, and async-signal-safe
 * @since 0.1
 */
BB_API bb_status bb_debug_dump_fd(int32_t fd);

/**
 * Whether `handle` names a live object of this copy of the library, whatever its kind. Sets no message.
 *
 * @param handle any value
 * @return BB_OK, BB_E_NULL, BB_E_HANDLE (not this copy's), BB_E_STALE, BB_E_FORKED
 * @threadsafety safe to call from any thread; what it says may have changed when it returns
 * @since 0.1
 */
BB_API bb_status bb_handle_check(const void *handle);

/**
 * Announces the drop function that all callbacks of a language runtime have in common, so that `bb_end_callbacks()` can end
 * those that are given from here on. A program whose callbacks need no such end does not call it, and pays nothing for it.
 * Announcing a function twice is fine. A forked child announces its own.
 *
 * @param drop the drop function that all of the runtime's callbacks will have in common
 * @return BB_OK, BB_E_CLOSED (the callbacks with this drop function have ended: a runtime that begins anew has another
 *         one), BB_E_LIMIT (256 have been announced), BB_E_OUT_OF_MEMORY, BB_E_UNSUPPORTED, BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_begin_callbacks(bb_drop_fn drop);

/**
 * Ends all callbacks that were given with this drop function since `bb_begin_callbacks()` announced it, for a language
 * runtime that ends while managers and devices that it does not own go on: from here on the library calls neither them nor
 * the drop function itself. Their user data is the caller's.
 *
 * A kernel that would have run is skipped: its range stays as it was, with `BB_KERNEL_OVERWRITES` as in the front. A flush
 * callback is taken for done. Callbacks that are running are waited for. It cannot be undone: a runtime that begins anew has
 * another drop function.
 *
 * @param drop the drop function that all of the runtime's callbacks have in common
 * @param timeout nanoseconds to wait for callbacks that are running
 * @return BB_OK, BB_E_TIMEOUT (one is still running, perhaps that of the caller; no other one begins),
 *         BB_E_INTERRUPTED (the same), BB_E_STATE (the function was not announced in this process: nothing has ended),
 *         BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_end_callbacks(bb_drop_fn drop, uint64_t timeout);

/**
 * Fills a config with the defaults.
 *
 * @param config written
 * @return BB_OK, BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_manager_config_init(bb_manager_config *config);

/**
 * Makes a manager of a row-major N-d array, with its worker thread.
 *
 * Copies of more than 8 MiB are faulted in as they are used. Such a state is refused if two copies do not fit the memory that is
 * available now, memory limits of control groups included; if the memory is gone when it is first used, the kernel ends a
 * process.
 *
 * The state is zeros, or the config's `initial`; its epoch is 0, and fronts may be acquired at once. States without elements
 * and of no dimensions are legal. If the call fails, `flush_user_data` stays the caller's.
 *
 * @param dtype a `bb_dtype`, or `BB_OPAQUE(size)` for elements of that many bytes
 * @param ndim dimensions, 0 to BB_MAX_DIMS
 * @param shape elements along each dimension; may be NULL if there are none
 * @param config how, or NULL for the defaults
 * @param manager the handle is written here
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (dtype, ndim, config, label that is not UTF-8), BB_E_RANGE (the state's size
 *         overflows), BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (threads, handles), BB_E_UNSUPPORTED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_manager_create(uint32_t dtype, uint32_t ndim, const uint64_t *shape, const bb_manager_config *config, bb_manager **manager);

/**
 * Publishes every update that was accepted before, and returns when readers see it.
 *
 * With nothing new there is no new epoch; tasks, fences and the flush callback are waited for all the same. A call from the
 * manager's own callbacks is refused.
 *
 * After BB_E_TIMEOUT, BB_E_INTERRUPTED, BB_E_STALLED and BB_E_PINNED the publish that was waited for goes on, and this
 * thread's next call on the manager returns when it is done: so repeated calls end, however short each is. That holds while
 * the manager accepts no update and no task in between, from any thread; then a call waits for a publish that has those as
 * well. To wait for one publish beside other work, use `bb_manager_synchronize_async()` and `bb_manager_wait()`.
 *
 * A flush, a kernel, a task or a reserved back copy that outlasts the watchdog is reported once, by BB_E_STALLED, to every call
 * on the manager that waits at that moment. A call that begins later waits for it as long as its own timeout says.
 *
 * @param m the manager
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @return BB_OK, BB_E_TIMEOUT, BB_E_PINNED (leases hold every other copy), BB_E_STALLED (what it waits for outlasts the
 *         watchdog, and that is reported now), BB_E_BACKEND (the flush failed, or the upload to the manager's device; the next
 *         call tries again), BB_E_DEVICE_LOST (of a manager on a device), BB_E_OUT_OF_MEMORY (of its device), BB_E_STATE (this
 *         thread has reserved the back copy), BB_E_CLOSED, BB_E_RECURSIVE, BB_E_INTERRUPTED, BB_E_POISONED, BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread, any number at once
 * @since 0.1
 */
BB_API bb_status bb_manager_synchronize(bb_manager *m, uint64_t timeout);

/**
 * Asks for a publish of every update that was accepted before, and does not wait.
 *
 * @param m the manager
 * @param ticket the position in the order, from 1 on, is written here; complete it by `bb_manager_wait()`
 * @return BB_OK, BB_E_CLOSED, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_manager_synchronize_async(bb_manager *m, uint64_t *ticket);

/**
 * Waits until a ticket's updates are published. A ticket whose wait timed out still completes, and may be waited for again.
 *
 * @param m the manager that gave the ticket
 * @param ticket from `bb_manager_synchronize_async()`
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @param epoch an epoch that holds the updates is written here, unless it is NULL
 * @return BB_OK, BB_E_ARGUMENT (not a ticket of this manager), and what `bb_manager_synchronize()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_manager_wait(bb_manager *m, uint64_t ticket, uint64_t timeout, uint64_t *epoch);

/**
 * Looks at a ticket without waiting, for event loops that poll a watch (`bb_watch_ticket()`).
 *
 * One `poll` belongs to one wait, which lasts from its first look on: by it a stall, a failure and pinned copies are reported
 * as to a thread that waits in `bb_manager_wait()` meanwhile. After such a report the next look begins another wait: a stall
 * that has been reported before is not reported to it. Look when the watch is readable, and at the latest after `look_ns`.
 *
 * @param m the manager that gave the ticket
 * @param ticket from `bb_manager_synchronize_async()`
 * @param poll zeros at first; each look writes it, and a call that is refused leaves it as it was
 * @param epoch an epoch that holds the updates is written here, unless it is NULL
 * @return BB_OK, BB_E_TIMEOUT (not yet; `look_ns` is set), BB_E_PINNED, BB_E_STALLED, BB_E_BACKEND, BB_E_DEVICE_LOST,
 *         BB_E_OUT_OF_MEMORY, BB_E_ARGUMENT (not a ticket of this manager), BB_E_CLOSED, BB_E_POISONED, BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread; a `poll` is for one at a time
 * @since 0.1
 */
BB_API bb_status bb_manager_poll_ticket(bb_manager *m, uint64_t ticket, bb_ticket_poll *poll, uint64_t *epoch);

/**
 * Waits for an epoch beyond the one given: for the next front.
 *
 * @param m the manager
 * @param after the newest epoch that the caller has seen
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @param epoch the newest epoch is written here
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_RECURSIVE, BB_E_INTERRUPTED, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE,
 *         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_manager_wait_epoch(bb_manager *m, uint64_t after, uint64_t timeout, uint64_t *epoch);

/**
 * Gives memory that is not needed now back to the system: that of copies beyond the second that no lease holds, and, of
 * states larger than 8 MiB, that of the back copy if nothing was written since the last publish. One copy of an idle state
 * is left. It comes back as it is needed; the back copy is then copied from the front.
 *
 * It waits while another thread writes: while it has the back copy reserved, or while a kernel or a flush runs.
 *
 * @param m the manager
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @return BB_OK, BB_E_TIMEOUT, BB_E_PINNED (leases hold every copy, and updates wait for one), BB_E_STALLED (what it waits
 *         for outlasts the watchdog), BB_E_STATE (this thread has the back copy reserved), BB_E_INTERRUPTED, BB_E_CLOSED,
 *         BB_E_RECURSIVE, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_manager_trim(bb_manager *m, uint64_t timeout);

/**
 * Refuses new work, publishes what was accepted, then lets waiters go with `BB_E_CLOSED`. Fronts stay readable. After a
 * timeout the manager stays closing, and a later call goes on with the same publish.
 *
 * @param m the manager
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @return BB_OK (also when it is closed already), and what `bb_manager_synchronize()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_manager_close(bb_manager *m, uint64_t timeout);

/**
 * Destroys the manager: closes it without publishing, wakes every waiter, and returns once no call is inside, no callback
 * runs, and all borrowed data is released. It waits as long as a kernel, a flush or a release callback runs: when it
 * returns, what they use may be freed. A wait of more than two seconds is logged. Copies that are leased stay until they are
 * released. The handle is stale from here on.
 *
 * After BB_E_INTERRUPTED the handle is stale all the same: a signal or the thread's wait check ended the wait, and a callback
 * may still run. What it may use stays as after BB_E_STALLED of `bb_manager_destroy_within()`.
 *
 * @param m the manager; NULL is a no-op
 * @return BB_OK, BB_E_INTERRUPTED, BB_E_RECURSIVE (called from one of its own callbacks, or inside of a call on it),
 *         BB_E_STALE (also for all but one of several threads that destroy it), BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN,
 *         BB_E_FORKED
 * @threadsafety safe to call from any thread; calls that race with it return BB_E_CLOSED or BB_E_STALE
 * @since 0.1
 */
BB_API bb_status bb_manager_destroy(bb_manager *m);

/**
 * Destroys the manager as `bb_manager_destroy()` does, but waits at most `timeout` for a callback that runs: for a program
 * that must end although a kernel or a flush hangs.
 *
 * After BB_E_STALLED and BB_E_INTERRUPTED the handle is stale all the same. What the callback may use stays the library's until it returns; only
 * then is borrowed data released, and are user data dropped. `bb_debug_dump()` counts such managers.
 *
 * @param m the manager; NULL is a no-op
 * @param timeout nanoseconds; 0 does not wait, BB_FOREVER waits without end
 * @return BB_OK, BB_E_STALLED (a callback still runs), BB_E_INTERRUPTED (the same; a signal or the wait check ended the wait),
 *         BB_E_RECURSIVE (called from one of its own callbacks, or inside of a call on it), BB_E_STALE (also for all but one of
 *         several threads that destroy it), BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread; calls that race with it return BB_E_CLOSED or BB_E_STALE
 * @since 0.1
 */
BB_API bb_status bb_manager_destroy_within(bb_manager *m, uint64_t timeout);

/**
 * Enqueues one update. The data is copied before the call returns.
 *
 * @param m the manager
 * @param update what goes where
 * @param timeout nanoseconds to wait for room in the queue; 0 tries, BB_FOREVER waits without end
 * @return BB_OK, BB_E_ALIGN, BB_E_RANGE, BB_E_FULL (no room, timeout 0), BB_E_TIMEOUT, BB_E_PINNED (leases hold every other
 *         copy and the queue is full), BB_E_STALLED, BB_E_CLOSED, BB_E_OUT_OF_MEMORY (larger than the queue),
 *         BB_E_INTERRUPTED, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread; from callbacks too, where it never waits
 * @since 0.1
 */
BB_API bb_status bb_manager_enqueue(bb_manager *m, const bb_update *update, uint64_t timeout);

/**
 * Enqueues several updates as one batch: all of them in one epoch, or none.
 *
 * @param m the manager
 * @param updates what goes where, applied in this order
 * @param count how many; 0 is fine
 * @param timeout nanoseconds to wait for room in the queue; 0 tries, BB_FOREVER waits without end
 * @return what `bb_manager_enqueue()` returns; one bad update refuses them all
 * @threadsafety safe to call from any thread; from callbacks too, where it never waits
 * @since 0.1
 */
BB_API bb_status bb_manager_enqueue_many(bb_manager *m, const bb_update *updates, uint64_t count, uint64_t timeout);

/**
 * Enqueues a range to be filled with one element.
 *
 * @param m the manager
 * @param byte_offset where the range begins, in bytes, a multiple of the element's size
 * @param count how long it is, in elements
 * @param element one element, of any alignment
 * @param timeout nanoseconds to wait for room in the queue; 0 tries, BB_FOREVER waits without end
 * @return what `bb_manager_enqueue()` returns
 * @threadsafety safe to call from any thread; from callbacks too, where it never waits
 * @since 0.1
 */
BB_API bb_status bb_manager_enqueue_fill(bb_manager *m, uint64_t byte_offset, uint64_t count, const void *element, uint64_t timeout);

/**
 * Enqueues an N-d region. The data is copied before the call returns.
 *
 * @param m the manager
 * @param region what goes where
 * @param timeout nanoseconds to wait for room in the queue; 0 tries, BB_FOREVER waits without end
 * @return BB_E_ARGUMENT (a step of 0), and what `bb_manager_enqueue()` returns
 * @threadsafety safe to call from any thread; from callbacks too, where it never waits
 * @since 0.1
 */
BB_API bb_status bb_manager_enqueue_region(bb_manager *m, const bb_region *region, uint64_t timeout);

/**
 * Enqueues an update whose data is not copied before the call returns: it stays as it is until `release` has been called.
 *
 * `release` is called exactly once if the call succeeds, on the worker, also when the manager is destroyed first; never if
 * the call fails: then the data stays the caller's.
 *
 * @param m the manager
 * @param update what goes where
 * @param release told when the data is not needed any more
 * @param user_data handed to `release`
 * @param timeout nanoseconds to wait for room in the queue; 0 tries, BB_FOREVER waits without end
 * @return what `bb_manager_enqueue()` returns
 * @threadsafety safe to call from any thread; from callbacks too, where it never waits
 * @since 0.1
 */
BB_API bb_status bb_manager_enqueue_borrowed(bb_manager *m, const bb_update *update, bb_release_fn release, void *user_data, uint64_t timeout);

/**
 * Enqueues a kernel. If the call fails, `user_data` stays the caller's and `drop` is not called.
 *
 * @param m the manager
 * @param kernel what runs on which range
 * @param timeout nanoseconds to wait for room in the queue; 0 tries, BB_FOREVER waits without end
 * @return BB_E_ARGUMENT (flags, reserved), and what `bb_manager_enqueue()` returns
 * @threadsafety safe to call from any thread; from callbacks too, where it never waits
 * @since 0.1
 */
BB_API bb_status bb_manager_enqueue_kernel(bb_manager *m, const bb_kernel *kernel, uint64_t timeout);

/**
 * Enqueues a tag: it comes back with the first front that contains every earlier update of this thread, until a later tag.
 *
 * @param m the manager
 * @param tag the caller's own number, such as a step
 * @param timeout nanoseconds to wait for room in the queue; 0 tries, BB_FOREVER waits without end
 * @return what `bb_manager_enqueue()` returns
 * @threadsafety safe to call from any thread; from callbacks too, where it never waits
 * @since 0.1
 */
BB_API bb_status bb_manager_enqueue_tag(bb_manager *m, uint64_t tag, uint64_t timeout);

/**
 * Leases the newest front, in a bounded number of steps. It stays readable and unchanged until the lease is released,
 * whatever is published meanwhile, even after the manager is destroyed.
 *
 * @param m the manager
 * @param front written
 * @return BB_OK, BB_E_LIMIT (too many leases), BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
 *         BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread; any number of leases at once
 * @since 0.1
 */
BB_API bb_status bb_manager_acquire_front(bb_manager *m, bb_front *front);

/**
 * Gives leased memory back. It must not be read any more.
 *
 * @param lease from `bb_front.lease`
 * @return BB_OK, BB_E_STALE (released before), BB_E_NULL, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread, not only the one that acquired it
 * @since 0.1
 */
BB_API bb_status bb_lease_release(bb_lease *lease);

/**
 * Reserves the back copy: the caller changes it in place, for a loop that steps from front to back.
 *
 * Updates of others queue until it is committed or cancelled; synchronize waits for it. Enqueued updates of before are in it.
 *
 * @param m the manager
 * @param flags `BB_BACK_KEEP`, or `BB_BACK_DISCARD` if all of it will be rewritten
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @param back written
 * @return BB_OK, BB_E_ARGUMENT (flags), BB_E_TIMEOUT, BB_E_PINNED (leases hold every other copy), BB_E_STALLED, BB_E_CLOSED,
 *         BB_E_RECURSIVE (from a callback of the manager), BB_E_STATE (this thread has it already), BB_E_INTERRUPTED,
 *         BB_E_OUT_OF_MEMORY, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread; one at a time holds the back copy
 * @since 0.1
 */
BB_API bb_status bb_manager_reserve_back(bb_manager *m, uint32_t flags, uint64_t timeout, bb_back *back);

/**
 * Leases the memory of the reserved back copy: it stays mapped until the lease is released, also after the commit and after
 * the manager is destroyed. For bindings whose language may keep views of it.
 *
 * The lease of a front keeps its bytes; this one does not: after the commit the library goes on using the memory as a copy
 * of the state, unless `bb_manager_replace_back()` has moved the copy away. It does not keep a copy from being written, so
 * nothing waits for it.
 *
 * @param m the manager
 * @param back as `bb_manager_reserve_back()` wrote it, not yet committed or cancelled
 * @param lease written; give it back by `bb_lease_release()`
 * @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_LIMIT (too many leases),
 *         BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread, not only the one that reserved it
 * @since 0.1
 */
BB_API bb_status bb_manager_lease_back(bb_manager *m, const bb_back *back, bb_lease **lease);

/**
 * Moves the reserved back copy to new memory with the same bytes. The old memory belongs to its leases alone: the library
 * neither reads nor writes it again, so writes through views of it that are left reach no front.
 *
 * @param m the manager
 * @param back as `bb_manager_reserve_back()` wrote it, not yet committed or cancelled
 * @param replaced the same reservation in its new memory is written here; may be `back` itself
 * @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE,
 *         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread, not only the one that reserved it
 * @since 0.1
 */
BB_API bb_status bb_manager_replace_back(bb_manager *m, const bb_back *back, bb_back *replaced);

/**
 * Gives the back copy back, changed. The next synchronize publishes it. The reservation ends whatever is returned but
 * BB_E_STATE: after BB_E_CLOSED or BB_E_STALE, nothing is published, and the memory may not be used any more.
 *
 * @param m the manager
 * @param back as `bb_manager_reserve_back()` wrote it
 * @param tag the caller's own number, such as a step; comes back with the front
 * @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_CLOSED, BB_E_POISONED, BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread, not only the one that reserved it
 * @since 0.1
 */
BB_API bb_status bb_manager_commit_back(bb_manager *m, const bb_back *back, uint64_t tag);

/**
 * Gives the back copy back, and undoes what was written to it. If the manager was destroyed meanwhile, it returns BB_E_STALE
 * and frees the memory, which stays until then.
 *
 * @param m the manager
 * @param back as `bb_manager_reserve_back()` wrote it
 * @return BB_OK, BB_E_STATE (not reserved, or committed or cancelled before), BB_E_CLOSED, BB_E_POISONED, BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread, not only the one that reserved it
 * @since 0.1
 */
BB_API bb_status bb_manager_cancel_back(bb_manager *m, const bb_back *back);

/**
 * The newest published epoch.
 *
 * @param m the manager
 * @param epoch written
 * @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread; never waits
 * @since 0.1
 */
BB_API bb_status bb_manager_epoch(bb_manager *m, uint64_t *epoch);

/**
 * What the manager is and where it stands.
 *
 * @param m the manager
 * @param struct_size `sizeof(bb_manager_info)` as the caller knows it
 * @param info that many bytes are written
 * @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread; never waits
 * @since 0.1
 */
BB_API bb_status bb_manager_info_get(bb_manager *m, uint32_t struct_size, bb_manager_info *info);

/**
 * What the manager has done.
 *
 * @param m the manager
 * @param struct_size `sizeof(bb_manager_stats)` as the caller knows it
 * @param stats that many bytes are written
 * @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread; never waits. Counters that belong together may be read at different times
 * @since 0.1
 */
BB_API bb_status bb_manager_stats_get(bb_manager *m, uint32_t struct_size, bb_manager_stats *stats);

/**
 * Writes the statistics as text. Allocates nothing.
 *
 * @param m the manager
 * @param write takes the text, piece by piece, on the calling thread
 * @param user_data handed to `write`
 * @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_manager_stats_write(bb_manager *m, bb_write_fn write, void *user_data);

/**
 * Begins a batch. Nothing of it is seen before it is committed; it holds no lock and nothing of the manager.
 *
 * @param m the manager
 * @param batch the handle is written here; `bb_batch_commit()` and `bb_batch_cancel()` end it
 * @return BB_OK, BB_E_CLOSED, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
 *         BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_batch_begin(bb_manager *m, bb_batch **batch);

/**
 * Adds an update. The data is copied before the call returns.
 *
 * @param b the batch
 * @param update what goes where
 * @return BB_OK, BB_E_ALIGN, BB_E_RANGE, BB_E_OUT_OF_MEMORY, BB_E_CLOSED, BB_E_BUSY (another thread is inside), BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED. A refused update leaves the batch as it was
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_batch_update(bb_batch *b, const bb_update *update);

/**
 * Adds a range to be filled with one element.
 *
 * @param b the batch
 * @param byte_offset where the range begins, in bytes, a multiple of the element's size
 * @param count how long it is, in elements
 * @param element one element, of any alignment
 * @return what `bb_batch_update()` returns
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_batch_fill(bb_batch *b, uint64_t byte_offset, uint64_t count, const void *element);

/**
 * Adds an N-d region. The data is copied before the call returns.
 *
 * @param b the batch
 * @param region what goes where
 * @return BB_E_ARGUMENT (a step of 0), and what `bb_batch_update()` returns
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_batch_region(bb_batch *b, const bb_region *region);

/**
 * Adds a kernel. If the call fails, `user_data` stays the caller's; once it has succeeded, `drop` is called exactly once,
 * also when the batch is cancelled.
 *
 * @param b the batch
 * @param kernel what runs on which range
 * @return BB_E_ARGUMENT (flags, reserved), and what `bb_batch_update()` returns
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_batch_kernel(bb_batch *b, const bb_kernel *kernel);

/**
 * Sets the tag that comes back with the first front that contains the batch.
 *
 * @param b the batch
 * @param tag the caller's own number, such as a step
 * @return what `bb_batch_update()` returns
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_batch_tag(bb_batch *b, uint64_t tag);

/**
 * Enqueues the batch: all of it in one epoch, whoever synchronizes meanwhile. Ends the handle; a commit that is refused
 * leaves it, and it may be tried again.
 *
 * @param b the batch
 * @param timeout nanoseconds to wait for room in the queue; 0 tries, BB_FOREVER waits without end
 * @return BB_OK, BB_E_FULL (no room, timeout 0), BB_E_TIMEOUT, BB_E_PINNED, BB_E_STALLED, BB_E_CLOSED, BB_E_OUT_OF_MEMORY,
 *         BB_E_INTERRUPTED, BB_E_POISONED, BB_E_BUSY (another thread is inside), BB_E_NULL, BB_E_HANDLE, BB_E_STALE,
 *         BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time; from callbacks too, where it never waits
 * @since 0.1
 */
BB_API bb_status bb_batch_commit(bb_batch *b, uint64_t timeout);

/**
 * Drops the batch and ends the handle. Nothing of it is applied.
 *
 * @param b the batch; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_BUSY (another thread is inside), BB_E_HANDLE, BB_E_STALE,
 *         BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_batch_cancel(bb_batch *b);

/**
 * Begins a task: every later synchronize waits until it has ended.
 *
 * @param m the manager
 * @param label name in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none
 * @param task the handle is written here; `bb_task_end()` ends it
 * @return BB_OK, BB_E_ARGUMENT (label that is not UTF-8), BB_E_CLOSED, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_POISONED,
 *         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_task_begin(bb_manager *m, const char *label, bb_task **task);

/**
 * Ends a task.
 *
 * @param task the task
 * @return BB_OK, BB_E_STALE (ended before), BB_E_CLOSED (the manager has been destroyed; the task has ended with it),
 *         BB_E_NULL, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread, not only the one that began it
 * @since 0.1
 */
BB_API bb_status bb_task_end(bb_task *task);

/**
 * Subscribes to the epochs of a manager.
 *
 * @param m the manager
 * @param after the newest epoch that the caller has seen
 * @param watch the handle is written here; `bb_watch_destroy()` ends it
 * @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_CLOSED, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
 *         BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_watch_create(bb_manager *m, uint64_t after, bb_watch **watch);

/**
 * The descriptor of the watch, for event loops. It is readable (POLLIN, level-triggered) while there is a newer epoch than
 * the last one told, while the ticket asked for can be waited for without blocking, and once the manager has ended. It
 * belongs to the watch: do not read or close it.
 *
 * @param w the watch
 * @param fd written
 * @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_CLOSED (the manager has
 *         been destroyed), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_watch_fd(bb_watch *w, int32_t *fd);

/**
 * Makes the descriptor become readable also when a ticket can be waited for without blocking: done, failed or closed. A
 * later ticket takes its place.
 *
 * @param w the watch
 * @param ticket from `bb_manager_synchronize_async()` of the same manager
 * @return BB_OK, BB_E_ARGUMENT (not a ticket of this manager), BB_E_CLOSED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
 *         BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_watch_ticket(bb_watch *w, uint64_t ticket);

/**
 * Waits for an epoch beyond the last one that this watch told, and makes the descriptor unreadable again.
 *
 * @param w the watch
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @param epoch the newest epoch is written here
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (the manager or the watch has ended), BB_E_RECURSIVE, BB_E_INTERRUPTED,
 *         BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread; two that wait at once may be told the same epoch
 * @since 0.1
 */
BB_API bb_status bb_watch_wait(bb_watch *w, uint64_t timeout, uint64_t *epoch);

/**
 * Ends a subscription: its waiters return BB_E_CLOSED, and its descriptor is closed.
 *
 * @param w the watch; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_watch_destroy(bb_watch *w);

/**
 * Makes a device on host memory: the same as OpenGL to whoever uses it, with no driver needed.
 *
 * @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
 * @param label name in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none
 * @param device the handle is written here
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (flags, label that is not UTF-8), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (threads, handles),
 *         BB_E_UNSUPPORTED (the system refuses a thread)
 * @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
 * @since 0.1
 */
BB_API bb_status bb_device_create_host(uint32_t flags, const char *label, bb_device **device);

/**
 * Makes a device on OpenGL 3.3 or newer.
 *
 * - Headless: no flags, `get_proc` and `config` NULL. The library's own thread owns a context of its own, made by EGL.
 * - Shared: as headless, and the config gives the program's `EGLDisplay` and `EGLContext`. What the library makes is known
 *   there.
 * - Host-driven: `BB_DEVICE_HOST_DRIVEN` and a `get_proc`. The program's context, current on the calling thread, is used as it
 *   is, by calls of `bb_device_poll()` on this thread. It works with every window system. Between polls the context must be
 *   current when the library is called on this thread, and the library leaves no state changed but what is bound to
 *   `GL_COPY_READ_BUFFER` and `GL_COPY_WRITE_BUFFER`. An error of OpenGL that the program has not asked for is cleared, and told
 *   in the log.
 *
 * The environment variable `BACKBUF_GL_CAPS` lists the optional abilities that may be used: `none`, or some of
 * `buffer_storage,debug,robustness`; all of them where it is not set.
 *
 * @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
 * @param get_proc where functions are, or NULL; needed with `BB_DEVICE_HOST_DRIVEN`, refused otherwise
 * @param config how, or NULL for the defaults
 * @param device the handle is written here
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (flags, get_proc, config, a context of another API), BB_E_VERSION,
 *         BB_E_STATE (host-driven, and no context is current on this thread),
 *         BB_E_UNSUPPORTED (no EGL, no driver, no context, too old a version: the message tells which), BB_E_OUT_OF_MEMORY,
 *         BB_E_LIMIT
 * @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
 * @since 0.1
 */
BB_API bb_status bb_device_create_gl(uint32_t flags, bb_gl_get_proc get_proc, const bb_gl_config *config, bb_device **device);

/**
 * Makes a device on WebGPU, on an adapter of its own. The library must be built with it: CMake's `BACKBUF_WGPU`, Cargo's feature
 * `wgpu`.
 *
 * @param flags 0, or `BB_DEVICE_HOST_DRIVEN`
 * @param config how, or NULL for the defaults
 * @param device the handle is written here
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (flags, label or adapter that is not UTF-8), BB_E_VERSION,
 *         BB_E_UNSUPPORTED (a build without WebGPU, no driver, no such adapter: the message tells which), BB_E_OUT_OF_MEMORY,
 *         BB_E_LIMIT
 * @threadsafety safe to call from any thread; with `BB_DEVICE_HOST_DRIVEN` that thread owns the device
 * @since 0.1
 */
BB_API bb_status bb_device_create_wgpu(uint32_t flags, const bb_wgpu_config *config, bb_device **device);

/**
 * Runs a host-driven device's work: uploads, copies and fences of whatever stands on it, on the thread that owns it.
 *
 * It ends when there is nothing to do or the budget is used up; the step that is running then, at most 1 MiB of an upload, is
 * finished. It does not wait for more work.
 *
 * @param device a device made with `BB_DEVICE_HOST_DRIVEN`
 * @param budget nanoseconds to spend; 0 runs one step, BB_FOREVER all there is
 * @return BB_OK, BB_E_STATE (the library's own thread drives it), BB_E_WRONG_THREAD, BB_E_RECURSIVE (inside the device's own
 *         work), BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety on the owner thread only
 * @since 0.1
 */
BB_API bb_status bb_device_poll(bb_device *device, uint64_t budget);

/**
 * Waits until everything that was submitted up to a fence is done. On the owner thread of a host-driven device this drives it.
 *
 * @param device the device
 * @param fence from `bb_encoder_submit()`
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @return BB_OK, BB_E_TIMEOUT, BB_E_ARGUMENT (nothing was submitted under that number), BB_E_DEVICE_LOST, BB_E_RECURSIVE (in a
 *         callback on the owner thread), BB_E_INTERRUPTED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
 *         BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_device_wait_fence(bb_device *device, uint64_t fence, uint64_t timeout);

/**
 * Tells what a device is.
 *
 * @param device the device
 * @param struct_size `sizeof(bb_device_info)`
 * @param info written
 * @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_device_info_get(bb_device *device, uint32_t struct_size, bb_device_info *info);

/**
 * Tells what a device has done.
 *
 * @param device the device
 * @param struct_size `sizeof(bb_device_stats)`
 * @param stats written
 * @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_device_stats_get(bb_device *device, uint32_t struct_size, bb_device_stats *stats);

/**
 * Names each buffer that is there: label, bytes, usage, and the state of those that are mapped by requests (`MapPending`: one has
 * not been answered). Nothing is written where there is none.
 *
 * @param device the device
 * @param write called with pieces of text on this thread
 * @param user_data handed to `write`
 * @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_device_leak_report(bb_device *device, bb_write_fn write, void *user_data);

/**
 * Destroys a device, with its context if that is the library's own. Native buffers of what still stands on it go with it: its
 * managers go on in host memory, and publish no more (`BB_E_DEVICE_LOST`).
 *
 * A host-driven device is destroyed on its owner thread, while its context is current there; on any thread once that one has ended.
 *
 * @param device the device; NULL is a no-op
 * @return BB_OK, BB_E_WRONG_THREAD (host-driven, and its owner thread is another one that has not ended), BB_E_RECURSIVE (inside
 *         the device's own work), BB_E_STALE (also all but one of several threads that destroy it), BB_E_HANDLE, BB_E_KIND,
 *         BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread; host-driven ones on their owner thread while it lives
 * @since 0.1
 */
BB_API bb_status bb_device_destroy(bb_device *device);

/**
 * Fills a desc with the defaults.
 *
 * @param desc written
 * @return BB_OK, BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_buffer_desc_init(bb_buffer_desc *desc);

/**
 * Makes a buffer of zeros, which follows WebGPU's rules of mapping on every device.
 *
 * @param device whose memory it is
 * @param desc how
 * @param buffer the handle is written here; `bb_buffer_release()` ends it
 * @return BB_OK, BB_E_ARGUMENT (usage, label), BB_E_ALIGN (mapped at creation, and the size is no multiple of 4), BB_E_LIMIT (too
 *         large for the device), BB_E_VERSION, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_TIMEOUT (the host has not driven the device
 *         for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_buffer_create(bb_device *device, const bb_buffer_desc *desc, bb_buffer **buffer);

/**
 * Asks for bytes to be mapped, as soon as the work that uses the buffer is done. Refused at once while it is mapped or a request is
 * pending, which leaves the first one alone.
 *
 * An accepted request is answered exactly once, with no lock held: mapped, BB_E_ABORTED by unmap, destroy or release,
 * BB_E_CANCELLED, BB_E_DEVICE_LOST, or what the backend says. It goes on when its handle is released.
 *
 * @param buffer a buffer with `BB_USAGE_MAP_READ` or `BB_USAGE_MAP_WRITE`
 * @param mode `BB_MAP_READ` or `BB_MAP_WRITE`
 * @param offset where it begins, in bytes, a multiple of 8
 * @param size how many bytes, a multiple of 4; `BB_WHOLE_SIZE` for the rest
 * @param callback called with the answer, or NULL: on the device's owner thread, on the thread that unmaps, destroys or cancels, or
 *        inside of this call. It may use, destroy and release any buffer, but not wait for the device
 * @param request a handle to poll, wait and cancel is written here; `bb_request_release()` ends it. NULL for none
 * @return BB_OK, BB_E_STATE (not ready: the message tells the state), BB_E_ARGUMENT (mode, or not in the usage), BB_E_ALIGN,
 *         BB_E_RANGE, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
 *         BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_buffer_map_async(bb_buffer *buffer, uint32_t mode, uint64_t offset, uint64_t size, const bb_map_callback *callback, bb_request **request);

/**
 * Gives the memory back once the device is done with it; the handle stays, and tells `BB_BUFFER_DESTROYED`. A pending request
 * is answered with BB_E_ABORTED. Does nothing the second time.
 *
 * @param buffer the buffer; NULL is a no-op
 * @return BB_OK, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread, also in the buffer's own callback
 * @since 0.1
 */
BB_API bb_status bb_buffer_destroy(bb_buffer *buffer);

/**
 * Tells what a buffer is, and where it stands.
 *
 * @param buffer the buffer
 * @param struct_size `sizeof(bb_buffer_info)`
 * @param info written
 * @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_buffer_info_get(bb_buffer *buffer, uint32_t struct_size, bb_buffer_info *info);

/**
 * What the buffer is to its backend: the name of an OpenGL buffer, an address in host memory. For work of the program's own.
 *
 * @param buffer a buffer that is ready
 * @param native written
 * @return BB_OK, BB_E_STATE (mapped, pending or destroyed), BB_E_TIMEOUT (the host has not driven the device for 30 s),
 *         BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
 *         BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_buffer_native(bb_buffer *buffer, uint64_t *native);

/**
 * Gives the handle back, and with it the memory, as `bb_buffer_destroy()` does.
 *
 * @param buffer the buffer; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE (also all but one of several threads that release it),
 *         BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread, also in the buffer's own callback
 * @since 0.1
 */
BB_API bb_status bb_buffer_release(bb_buffer *buffer);

/**
 * Mapped bytes, to be written. Valid until the buffer is unmapped, destroyed or released, or its device destroyed; until then
 * no other range may overlap them.
 *
 * @param buffer a buffer that is mapped for writing
 * @param offset where they begin in the buffer, in bytes, a multiple of 8
 * @param size how many, a multiple of 4; `BB_WHOLE_SIZE` for the rest of what is mapped
 * @param span written
 * @return BB_OK, BB_E_STATE (not mapped), BB_E_ARGUMENT (mapped for reading), BB_E_BUSY (overlaps another range), BB_E_ALIGN,
 *         BB_E_RANGE, BB_E_OUT_OF_MEMORY, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
 *         BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_buffer_mapped_range(bb_buffer *buffer, uint64_t offset, uint64_t size, bb_span *span);

/**
 * Mapped bytes, to be read. Ranges like it may overlap, one that is written may not.
 *
 * @param buffer a buffer that is mapped
 * @param offset where they begin in the buffer, in bytes, a multiple of 8
 * @param size how many, a multiple of 4; `BB_WHOLE_SIZE` for the rest of what is mapped
 * @param span written
 * @return what `bb_buffer_mapped_range()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_buffer_const_mapped_range(bb_buffer *buffer, uint64_t offset, uint64_t size, bb_const_span *span);

/**
 * Tells what is mapped, and lends nothing: ranges are for those who share a buffer, this is for who owns all of it.
 *
 * @param buffer the buffer
 * @param struct_size `sizeof(bb_mapping)`
 * @param mapping written
 * @return BB_OK, BB_E_DEVICE_LOST (mapped, and the device is gone), BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE,
 *         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_buffer_mapping_get(bb_buffer *buffer, uint32_t struct_size, bb_mapping *mapping);

/**
 * Gives the bytes to the device as `bb_buffer_unmap()` does, if that mapping is there still; a later one stays.
 *
 * @param buffer the buffer
 * @param number from `bb_buffer_mapping_get()`
 * @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_buffer_unmap_only(bb_buffer *buffer, uint64_t number);

/**
 * Gives the bytes to the device; a pending request is answered with BB_E_ABORTED. Does nothing if there is nothing to do.
 *
 * @param buffer the buffer
 * @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_buffer_unmap(bb_buffer *buffer);

/**
 * Tells what became of a request, if that is known. It does not drive the device.
 *
 * @param request the request
 * @param struct_size `sizeof(bb_map_outcome)`
 * @param outcome written
 * @return BB_OK (it is known: `outcome` tells how it ended), BB_E_TIMEOUT (not yet), BB_E_VERSION (struct_size), BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_request_poll(bb_request *request, uint32_t struct_size, bb_map_outcome *outcome);

/**
 * Waits for a request. On the owner thread of a host-driven device this drives the device.
 *
 * @param request the request
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @param struct_size `sizeof(bb_map_outcome)`
 * @param outcome written
 * @return BB_OK (it is known: `outcome` tells how it ended), BB_E_TIMEOUT, BB_E_RECURSIVE (in a callback on the owner thread),
 *         BB_E_INTERRUPTED, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_request_wait(bb_request *request, uint64_t timeout, uint32_t struct_size, bb_map_outcome *outcome);

/**
 * Waits until one of several requests of one device is known.
 *
 * @param requests the requests
 * @param count how many
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @param index the index of the first one that is known is written here
 * @return BB_OK, BB_E_ARGUMENT (none, or of several devices), BB_E_TIMEOUT, BB_E_RECURSIVE, BB_E_INTERRUPTED, BB_E_OUT_OF_MEMORY,
 *         BB_E_RANGE, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_request_wait_any(bb_request *const *requests, uint64_t count, uint64_t timeout, uint64_t *index);

/**
 * Takes a request back: it is answered with BB_E_CANCELLED, unless it has been answered before.
 *
 * @param request the request
 * @param in_time 1 is written here if it was in time, else 0; may be NULL
 * @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_request_cancel(bb_request *request, uint32_t *in_time);

/**
 * Gives the handle back. The request goes on, and is answered to its callback.
 *
 * @param request the request; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_request_release(bb_request *request);

/**
 * Makes a buffer that is never mapped: filled by staging buffers and `bb_encoder_write()`, read by `bb_readback_read()`, of any
 * number of bytes.
 *
 * @param device whose memory it is
 * @param desc how; `BB_USAGE_COPY_DST` is added
 * @param buffer the handle is written here; `bb_device_buffer_destroy()` ends it
 * @return BB_OK, BB_E_ARGUMENT (usage, label, mapped at creation), BB_E_LIMIT (too large for the device), BB_E_VERSION,
 *         BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_TIMEOUT (the host has not driven the device for 30 s), BB_E_INTERRUPTED,
 *         BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_device_buffer_create(bb_device *device, const bb_buffer_desc *desc, bb_device_buffer **buffer);

/**
 * Makes a device buffer that grows by `bb_device_buffer_reserve()`.
 *
 * @param device whose memory it is
 * @param desc how; `BB_USAGE_COPY_SRC` and `BB_USAGE_COPY_DST` are added
 * @param buffer the handle is written here; `bb_device_buffer_destroy()` ends it
 * @return what `bb_device_buffer_create()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_device_buffer_create_growable(bb_device *device, const bb_buffer_desc *desc, bb_device_buffer **buffer);

/**
 * Makes sure of `size` bytes: a growable buffer that is smaller becomes another one, at least twice as large, to which the device
 * copies the old bytes. Its native handle and its generation are new ones; the old memory is given back when the device is done
 * with it. Copies that were recorded and not submitted name the old buffer, and are refused.
 *
 * @param buffer a buffer made by `bb_device_buffer_create_growable()`
 * @param size bytes wanted
 * @param grew 1 is written here if it grew, else 0; may be NULL
 * @return BB_OK, BB_E_STATE (it does not grow), BB_E_LIMIT, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_TIMEOUT (the host has not
 *         driven the device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
 *         BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_device_buffer_reserve(bb_device_buffer *buffer, uint64_t size, uint32_t *grew);

/**
 * Tells what a device buffer is, and where it stands.
 *
 * @param buffer the buffer
 * @param struct_size `sizeof(bb_buffer_info)`
 * @param info written
 * @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_device_buffer_info_get(bb_device_buffer *buffer, uint32_t struct_size, bb_buffer_info *info);

/**
 * What the buffer is to its backend: the name of an OpenGL buffer, an address in host memory. For work of the program's own, which
 * waits for the fences of what was submitted.
 *
 * @param buffer the buffer
 * @param native written
 * @return BB_OK, BB_E_TIMEOUT (the host has not driven the device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST,
 *         BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_device_buffer_native(bb_device_buffer *buffer, uint64_t *native);

/**
 * Destroys a device buffer. Its memory is given back once the device is done with it.
 *
 * @param buffer the buffer; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE (also all but one of several threads that destroy it),
 *         BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_device_buffer_destroy(bb_device_buffer *buffer);

/**
 * Makes an encoder with nothing recorded.
 *
 * @param device whose buffers it is for
 * @param encoder the handle is written here; `bb_encoder_destroy()` ends it
 * @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_encoder_create(bb_device *device, bb_encoder **encoder);

/**
 * Records a copy between two buffers. Where they stand is looked at when it is submitted.
 *
 * @param encoder the encoder
 * @param from a buffer with `BB_USAGE_COPY_SRC`
 * @param from_offset where the bytes begin there, a multiple of 4
 * @param to another buffer, with `BB_USAGE_COPY_DST`
 * @param to_offset where they go there, a multiple of 4
 * @param bytes how many, a multiple of 4
 * @return BB_OK, BB_E_ALIGN, BB_E_RANGE, BB_E_ARGUMENT (usage, another device, the same buffer), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another
 *         thread is inside), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_encoder_copy(bb_encoder *encoder, bb_buffer *from, uint64_t from_offset, bb_buffer *to, uint64_t to_offset, uint64_t bytes);

/**
 * Records a copy between two device buffers, of any bytes.
 *
 * @param encoder the encoder
 * @param from a device buffer with `BB_USAGE_COPY_SRC`
 * @param from_offset where the bytes begin there
 * @param to another device buffer
 * @param to_offset where they go there
 * @param bytes how many
 * @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (usage, another device, the same buffer), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread is
 *         inside), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_encoder_copy_bytes(bb_encoder *encoder, bb_device_buffer *from, uint64_t from_offset, bb_device_buffer *to, uint64_t to_offset, uint64_t bytes);

/**
 * Records a write of bytes of the caller's own to a device buffer: the way of data that lies in memory already, since nothing
 * else is copied. They are read when they are submitted, and must be there until then.
 *
 * @param encoder the encoder
 * @param to the device buffer
 * @param offset where they go there
 * @param data the bytes
 * @param bytes how many
 * @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (another device), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread is inside), BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_encoder_write(bb_encoder *encoder, bb_device_buffer *to, uint64_t offset, const void *data, uint64_t bytes);

/**
 * Records a copy of an update of this frame to a device buffer.
 *
 * @param encoder the encoder
 * @param dynamic the dynamic buffer, with `BB_USAGE_COPY_SRC`
 * @param slice an update of the frame that is being made
 * @param to the device buffer
 * @param offset where it goes there
 * @return BB_OK, BB_E_STALE (the update's frame has ended), BB_E_RANGE, BB_E_ARGUMENT (usage, another device), BB_E_OUT_OF_MEMORY,
 *         BB_E_BUSY (another thread is inside), BB_E_NULL, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_encoder_copy_update(bb_encoder *encoder, bb_dynamic *dynamic, const bb_dynamic_slice *slice, bb_device_buffer *to, uint64_t offset);

/**
 * Has the device do what was recorded; the encoder is empty again. A buffer that is mapped, pending or destroyed by then is an
 * error that names it: nothing is done, and what was recorded stays.
 *
 * @param encoder the encoder
 * @param fence what passes when it is done, for `bb_device_wait_fence()`, is written here; may be NULL
 * @return BB_OK, BB_E_STATE (a buffer is not ready), BB_E_TIMEOUT (the host has not driven the device for 30 s),
 *         BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_BUSY (another thread is inside), BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_encoder_submit(bb_encoder *encoder, uint64_t *fence);

/**
 * Ends an encoder. What was recorded and not submitted is not done.
 *
 * @param encoder the encoder; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_encoder_destroy(bb_encoder *encoder);

/**
 * Makes a staging buffer that is mapped from the beginning and used up by its upload: for what is loaded once.
 *
 * @param device whose memory it is
 * @param size its bytes, any number
 * @param label name in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none
 * @param staging the handle is written here; `bb_immediate_staging_destroy()` ends it
 * @return BB_OK, BB_E_ARGUMENT (label), BB_E_LIMIT, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_TIMEOUT (the host has not driven the
 *         device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
 *         BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_immediate_staging_create(bb_device *device, uint64_t size, const char *label, bb_immediate_staging **staging);

/**
 * Writes bytes to a staging buffer.
 *
 * @param staging the staging buffer, not uploaded yet
 * @param offset where they go, in bytes
 * @param data the bytes
 * @param bytes how many
 * @return BB_OK, BB_E_STATE (uploaded: not mapped), BB_E_RANGE, BB_E_BUSY (the bytes are lent), BB_E_DEVICE_LOST,
 *         BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread; two that write the same bytes race
 * @since 0.1
 */
BB_API bb_status bb_immediate_staging_write(bb_immediate_staging *staging, uint64_t offset, const void *data, uint64_t bytes);

/**
 * The bytes of a staging buffer, to be written in place, and not read. Valid until the upload, the destroy, or the end of the
 * device.
 *
 * @param staging the staging buffer, not uploaded yet
 * @param span written
 * @return BB_OK, BB_E_STATE (uploaded: not mapped), BB_E_BUSY (another thread asks for them at this moment), BB_E_DEVICE_LOST,
 *         BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_immediate_staging_bytes(bb_immediate_staging *staging, bb_span *span);

/**
 * Records the copy of all of it to a device buffer, and unmaps it. It may be destroyed once that is submitted.
 *
 * @param staging the staging buffer
 * @param encoder the encoder
 * @param to the device buffer
 * @param offset where it goes there, in bytes
 * @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (another device), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread is inside of the encoder),
 *         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_immediate_staging_upload_to(bb_immediate_staging *staging, bb_encoder *encoder, bb_device_buffer *to, uint64_t offset);

/**
 * Destroys a staging buffer. Its memory is given back once the device is done with it; what was recorded and not submitted is
 * refused then.
 *
 * @param staging the staging buffer; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_immediate_staging_destroy(bb_immediate_staging *staging);

/**
 * Makes a staging buffer that is mapped when it is asked for and free, again and again: for what streams.
 *
 * @param device whose memory it is
 * @param size its bytes, any number
 * @param label name in messages, logs and reports: UTF-8, cut at 63 bytes; NULL for none
 * @param staging the handle is written here; `bb_deferred_staging_destroy()` ends it
 * @return BB_OK, BB_E_ARGUMENT (label), BB_E_LIMIT, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_TIMEOUT (the host has not driven the
 *         device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
 *         BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_deferred_staging_create(bb_device *device, uint64_t size, const char *label, bb_deferred_staging **staging);

/**
 * Asks for the staging buffer to be mapped, as soon as its last upload is done. As `bb_buffer_map_async()` in all else.
 *
 * @param staging the staging buffer
 * @param callback called with the answer, or NULL
 * @param request a handle to poll, wait and cancel is written here; NULL for none
 * @return BB_OK, BB_E_STATE (mapped or pending), BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE,
 *         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_deferred_staging_map_async(bb_deferred_staging *staging, const bb_map_callback *callback, bb_request **request);

/**
 * Writes bytes to a staging buffer.
 *
 * @param staging the staging buffer, mapped
 * @param offset where they go, in bytes
 * @param data the bytes
 * @param bytes how many
 * @return BB_OK, BB_E_STATE (not mapped), BB_E_RANGE, BB_E_BUSY (the bytes are lent), BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY,
 *         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread; two that write the same bytes race
 * @since 0.1
 */
BB_API bb_status bb_deferred_staging_write(bb_deferred_staging *staging, uint64_t offset, const void *data, uint64_t bytes);

/**
 * The bytes of a staging buffer, to be written in place, and not read. Valid until the upload, the destroy, or the end of the
 * device.
 *
 * @param staging the staging buffer, mapped
 * @param span written
 * @return BB_OK, BB_E_STATE (not mapped), BB_E_BUSY (another thread asks for them at this moment), BB_E_DEVICE_LOST,
 *         BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_deferred_staging_bytes(bb_deferred_staging *staging, bb_span *span);

/**
 * Records the copy of all of it to a device buffer, and unmaps it: once that is submitted, it may be asked for again.
 *
 * @param staging the staging buffer
 * @param encoder the encoder
 * @param to the device buffer
 * @param offset where it goes there, in bytes
 * @return BB_OK, BB_E_RANGE, BB_E_ARGUMENT (another device), BB_E_OUT_OF_MEMORY, BB_E_BUSY (another thread is inside of the encoder),
 *         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_deferred_staging_upload_to(bb_deferred_staging *staging, bb_encoder *encoder, bb_device_buffer *to, uint64_t offset);

/**
 * Destroys a staging buffer, as `bb_immediate_staging_destroy()` does. A pending request is answered with BB_E_ABORTED.
 *
 * @param staging the staging buffer; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread, also in its own callback
 * @since 0.1
 */
BB_API bb_status bb_deferred_staging_destroy(bb_deferred_staging *staging);

/**
 * Fills a config with the defaults: 3 frames, of no bytes.
 *
 * @param config written
 * @return BB_OK, BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_readback_config_init(bb_readback_config *config);

/**
 * Makes a ring of buffers that reads are copied to, so that no frame waits for its own.
 *
 * @param device whose memory it is
 * @param config how; its size is needed
 * @param readback the handle is written here; `bb_readback_destroy()` ends it
 * @return BB_OK, BB_E_ARGUMENT (frames, when_full, label), BB_E_LIMIT, BB_E_VERSION, BB_E_OUT_OF_MEMORY, BB_E_BACKEND,
 *         BB_E_TIMEOUT (the host has not driven the device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE,
 *         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_readback_create(bb_device *device, const bb_readback_config *config, bb_readback **readback);

/**
 * Submits a copy of what a device buffer holds by then, and asks for it to be mapped. When all buffers are in use, the ring does as
 * it was told.
 *
 * @param readback the ring
 * @param from a device buffer with `BB_USAGE_COPY_SRC`
 * @param offset where the bytes begin there
 * @param bytes how many, at most the ring's size
 * @param reading the handle is written here; `bb_reading_release()` gives its buffer back to the ring
 * @return BB_OK, BB_E_FULL, BB_E_TIMEOUT (no buffer in time, or the host has not driven the device for 30 s), BB_E_INTERRUPTED,
 *         BB_E_RANGE, BB_E_ARGUMENT (usage, another device), BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_LIMIT,
 *         BB_E_RECURSIVE (waiting in a callback), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_readback_read(bb_readback *readback, bb_device_buffer *from, uint64_t offset, uint64_t bytes, bb_reading **reading);

/**
 * Records the same copy in an encoder, among other steps: the reading has what the buffer holds then. Its submit asks for the
 * mapping; an encoder that goes without one answers it with BB_E_ABORTED. The buffer of the ring is in use from now on.
 *
 * @param readback the ring
 * @param encoder the encoder
 * @param from a device buffer with `BB_USAGE_COPY_SRC`
 * @param offset where the bytes begin there
 * @param bytes how many, at most the ring's size
 * @param reading the handle is written here; `bb_reading_release()` gives its buffer back to the ring
 * @return what `bb_readback_read()` returns, BB_E_BUSY (another thread is inside of the encoder)
 * @threadsafety one thread at a time for the encoder
 * @since 0.1
 */
BB_API bb_status bb_readback_read_in(bb_readback *readback, bb_encoder *encoder, bb_device_buffer *from, uint64_t offset, uint64_t bytes, bb_reading **reading);

/**
 * Tells what a ring of readbacks has counted.
 *
 * @param readback the ring
 * @param struct_size `sizeof(bb_readback_stats)`
 * @param stats written
 * @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_readback_stats_get(bb_readback *readback, uint32_t struct_size, bb_readback_stats *stats);

/**
 * Destroys a ring of readbacks. Readings that are there keep their buffers until they are released.
 *
 * @param readback the ring; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_readback_destroy(bb_readback *readback);

/**
 * Whether the bytes of a read are there. It does not drive the device.
 *
 * @param reading the reading
 * @return BB_OK (they are), BB_E_TIMEOUT (not yet), BB_E_ABORTED (given up for a newer one), BB_E_DEVICE_LOST, BB_E_BACKEND,
 *         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_reading_poll(bb_reading *reading);

/**
 * Waits for the bytes of a read. On the owner thread of a host-driven device this drives the device.
 *
 * @param reading the reading
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @return BB_OK (they are there), BB_E_TIMEOUT, BB_E_ABORTED (given up for a newer one), BB_E_DEVICE_LOST, BB_E_BACKEND,
 *         BB_E_OUT_OF_MEMORY, BB_E_RECURSIVE (in a callback on the owner thread), BB_E_INTERRUPTED, BB_E_NULL, BB_E_HANDLE,
 *         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_reading_wait(bb_reading *reading, uint64_t timeout);

/**
 * The bytes of a read, once they are there. Valid until the reading is released, or the device destroyed.
 *
 * @param reading the reading
 * @param span written
 * @return BB_OK, BB_E_STATE (not there yet), BB_E_ABORTED (given up for a newer one), BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY,
 *         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_reading_bytes(bb_reading *reading, bb_const_span *span);

/**
 * Leaves a read to a callback: it is called once, on the device's owner thread, on a thread that gives the reading up, or inside of
 * this call where the answer is known. The handle ends, and the buffer goes back to the ring after the callback.
 *
 * @param reading the reading
 * @param callback called once if the call succeeds
 * @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_reading_then(bb_reading *reading, const bb_read_callback *callback);

/**
 * Gives the reading's buffer back to the ring.
 *
 * @param reading the reading; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_reading_release(bb_reading *reading);

/**
 * Fills a config with the defaults: uniforms, 3 frames of no bytes, waiting for a second where the ring is full.
 *
 * @param config written
 * @return BB_OK, BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_dynamic_config_init(bb_dynamic_config *config);

/**
 * Makes a dynamic buffer: an update takes room in a ring, is written in place, and is used by what is submitted after it. Nothing waits
 * as long as the device is no more than the ring's frames behind.
 *
 * @param device whose memory it is
 * @param config how; its size is needed
 * @param dynamic the handle is written here; `bb_dynamic_destroy()` ends it
 * @return BB_OK, BB_E_ARGUMENT (frames, policy, usage, label), BB_E_LIMIT, BB_E_VERSION, BB_E_OUT_OF_MEMORY, BB_E_BACKEND,
 *         BB_E_TIMEOUT (the host has not driven the device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST, BB_E_NULL, BB_E_HANDLE,
 *         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_dynamic_create(bb_device *device, const bb_dynamic_config *config, bb_dynamic **dynamic);

/**
 * Room for an update of this frame, to be written in place and ended by `bb_dynamic_end_update()`. More bytes than the ring holds get
 * a buffer of their own until the device is done with the frame.
 *
 * @param dynamic the dynamic buffer
 * @param bytes how many
 * @param slice written
 * @return BB_OK, BB_E_FULL, BB_E_TIMEOUT (BB_RING_BLOCK, or the host has not driven the device for 30 s), BB_E_LIMIT,
 *         BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_DEVICE_LOST, BB_E_RECURSIVE (waiting in a callback on the owner thread),
 *         BB_E_INTERRUPTED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_dynamic_begin_update(bb_dynamic *dynamic, uint64_t bytes, bb_dynamic_slice *slice);

/**
 * Says that an update has been written: what is submitted from now on sees it.
 *
 * @param dynamic the dynamic buffer
 * @param slice the update
 * @return BB_OK, BB_E_STALE (its frame has ended), BB_E_STATE (it has been ended before), BB_E_NULL, BB_E_HANDLE, BB_E_KIND,
 *         BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_dynamic_end_update(bb_dynamic *dynamic, const bb_dynamic_slice *slice);

/**
 * An update whose bytes are there already: begun, written and ended in one call.
 *
 * @param dynamic the dynamic buffer
 * @param data the bytes
 * @param bytes how many
 * @param slice where they are is written here
 * @return what `bb_dynamic_begin_update()` returns, BB_E_RANGE
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_dynamic_update(bb_dynamic *dynamic, const void *data, uint64_t bytes, bb_dynamic_slice *slice);

/**
 * Brings updates that have ended to the device, and has what this thread's context draws wait for them. For draws of the program's own:
 * `bb_encoder_submit()` does it itself. Costs nothing where updates are written in place.
 *
 * @param dynamic the dynamic buffer
 * @return BB_OK, BB_E_TIMEOUT (the host has not driven the device for 30 s), BB_E_INTERRUPTED, BB_E_DEVICE_LOST,
 *         BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_dynamic_flush(bb_dynamic *dynamic);

/**
 * Ends the frame, once whatever uses its updates has been submitted; or drawn by this thread, whose context then says when they have
 * been used. Their room is free again when that is done. A frame without updates costs nothing.
 *
 * @param dynamic the dynamic buffer
 * @return BB_OK, BB_E_STATE (an update has not been ended), BB_E_DEVICE_LOST, BB_E_OUT_OF_MEMORY, BB_E_BACKEND, BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_dynamic_end_frame(bb_dynamic *dynamic);

/**
 * Tells what a dynamic buffer has counted.
 *
 * @param dynamic the dynamic buffer
 * @param struct_size `sizeof(bb_dynamic_stats)`
 * @param stats written
 * @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_dynamic_stats_get(bb_dynamic *dynamic, uint32_t struct_size, bb_dynamic_stats *stats);

/**
 * Destroys a dynamic buffer. Its memory is given back once the device is done with it.
 *
 * @param dynamic the dynamic buffer; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_dynamic_destroy(bb_dynamic *dynamic);

/**
 * Makes a manager whose fronts are OpenGL buffers, too.
 *
 * It is a manager as `bb_manager_create()` makes it: updates, kernels and CPU fronts are in host memory. Beside each copy lies
 * a buffer of OpenGL, and what changed is uploaded to it, by the device's owner thread, before the copy is published. On a
 * host-driven device that happens in `bb_device_poll()` and in waits on its owner thread; made on another thread, the manager
 * waits for such a poll, at most for the config's `watchdog_ns` (0: without end).
 *
 * @param device an OpenGL device
 * @param dtype a `bb_dtype`, or `BB_OPAQUE(size)` for elements of that many bytes
 * @param ndim dimensions, 0 to BB_MAX_DIMS
 * @param shape elements along each dimension; may be NULL if there are none
 * @param config how, or NULL for the defaults
 * @param manager the handle is written here
 * @return what `bb_manager_create()` returns, BB_E_ARGUMENT (also a device of another kind), BB_E_LIMIT (also more bytes than a
 *         buffer of the device can have), BB_E_TIMEOUT (nobody polled), BB_E_DEVICE_LOST, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
 *         BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_manager_create_gl(bb_device *device, uint32_t dtype, uint32_t ndim, const uint64_t *shape, const bb_manager_config *config, bb_manager **manager);

/**
 * Leases the newest front for a renderer. The context that is current on this thread gets the wait for the upload's fence by
 * itself; its content does not change until the lease is released.
 *
 * @param m a manager made by `bb_manager_create_gl()`
 * @param front written
 * @return BB_OK, BB_E_STATE (a manager on host memory; no context that shares the device's objects is current on this
 *         thread), BB_E_DEVICE_LOST, BB_E_LIMIT (too many leases), BB_E_OUT_OF_MEMORY, BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety on any thread with a context that shares the device's objects
 * @since 0.1
 */
BB_API bb_status bb_manager_acquire_front_gl(bb_manager *m, bb_gl_front *front);

/**
 * Gives a front back once the renderer's work so far is done: a fence goes into the context that is current on this thread,
 * and the buffer is not written again before it has passed. The CPU does not wait.
 *
 * @param lease from `bb_gl_front.lease`
 * @return BB_OK, BB_E_ARGUMENT (not a lease of a `bb_gl_front`), BB_E_STATE (no context that shares the
 *         device's objects is current on this thread), BB_E_STALE (released before), BB_E_OUT_OF_MEMORY,
 *         BB_E_NULL, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety on any thread with a context that shares the device's objects
 * @since 0.1
 */
BB_API bb_status bb_lease_release_gl(bb_lease *lease);

/**
 * Fills a config with the defaults.
 *
 * @param config written
 * @return BB_OK, BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_spsc_config_init(bb_spsc_config *config);

/**
 * Makes a ring of bytes for one producer and one consumer.
 *
 * Each end is an object of its own, with a life of its own, and belongs to one thread at a time; it may be moved to another.
 * The ring lives as long as one of them. Nothing on the plain path makes a system call or allocates.
 *
 * A ring of more than 4 MiB is faulted in as it is used. One of more than 8 MiB is refused if it does not fit the memory that
 * is available now, memory limits of control groups included; if the memory is gone when it is first used, the kernel ends a
 * process.
 *
 * @param capacity bytes that the ring holds, rounded up to a power of two, or to whole records where the oldest are overwritten;
 *        all of it is usable
 * @param config how, or NULL for the defaults
 * @param sender the handle of the sending end is written here
 * @param receiver the handle of the receiving end is written here
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (a capacity of 0, flags, label that is not UTF-8), BB_E_RANGE (a capacity or
 *         record beyond the address space), BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (handles,
 *         descriptors, the size of files), BB_E_UNSUPPORTED (the system refuses memfd_create)
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_spsc_create(uint64_t capacity, const bb_spsc_config *config, bb_sender **sender, bb_receiver **receiver);

/**
 * Sends as much as fits, and never waits. What must not be cut goes by `bb_sender_send_whole()`.
 *
 * `sent` is written also beside BB_E_FULL and BB_E_CLOSED, which set no message.
 *
 * @param tx the sender
 * @param data the bytes, copied before the call returns; may be NULL if there are none
 * @param bytes how many there are
 * @param sent how many went is written here
 * @return BB_OK (some went, or there were none), BB_E_FULL (nothing fits), BB_E_CLOSED (the receiver has gone, or this end is
 *         closed), BB_E_STATE (a reserved span is open), BB_E_RANGE, BB_E_ALIGN (no whole records, where the ring has them),
 *         BB_E_BUSY (another thread is inside, in the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
 *         BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_sender_send(bb_sender *tx, const void *data, uint64_t bytes, uint64_t *sent);

/**
 * Sends all of it, waiting for room.
 *
 * `sent` is written also beside BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED, which set no message.
 *
 * @param tx the sender
 * @param data the bytes, copied before the call returns; may be NULL if there are none
 * @param bytes how many there are
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @param sent how many went is written here
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_INTERRUPTED, BB_E_STATE (a reserved span is open), BB_E_RANGE, BB_E_ALIGN (no
 *         whole records, where the ring has them), BB_E_BUSY (another thread waits on this end), BB_E_NULL, BB_E_HANDLE,
 *         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_sender_send_all(bb_sender *tx, const void *data, uint64_t bytes, uint64_t timeout, uint64_t *sent);

/**
 * Sends all of it or nothing, waiting for room for all: a record is never cut, and the receiver sees all of it at once.
 *
 * `sent` is written also beside BB_E_FULL, BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED, which set no message; it is `bytes` or
 * 0 then.
 *
 * @param tx the sender
 * @param data the bytes, copied before the call returns; may be NULL if there are none
 * @param bytes how many there are; at most what the ring holds
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @param sent how many went is written here: all or 0
 * @return BB_OK, BB_E_FULL (too little room now, and the timeout is 0), BB_E_TIMEOUT, BB_E_CLOSED (the receiver has gone, or this
 *         end is closed), BB_E_INTERRUPTED, BB_E_STATE (a reserved span is open), BB_E_RANGE (more than the ring holds),
 *         BB_E_ALIGN (no whole records, where the ring has them), BB_E_BUSY (another thread waits on this end, or is inside, in
 *         the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_sender_send_whole(bb_sender *tx, const void *data, uint64_t bytes, uint64_t timeout, uint64_t *sent);

/**
 * As `bb_sender_send()`, but the receiver sees it only after `bb_sender_flush()`, a send, a close or destroy of this end, or
 * once a send or feed finds no room for all of its bytes: several small writes become visible at once, for the price of one.
 *
 * @param tx the sender
 * @param data the bytes, copied before the call returns; may be NULL if there are none
 * @param bytes how many there are
 * @param sent how many went is written here
 * @return what `bb_sender_send()` returns
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_sender_feed(bb_sender *tx, const void *data, uint64_t bytes, uint64_t *sent);

/**
 * Publishes what was fed.
 *
 * @param tx the sender
 * @return BB_OK, BB_E_CLOSED, BB_E_STATE (a reserved span is open), BB_E_BUSY (another thread is inside, in the checked mode),
 *         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_sender_flush(bb_sender *tx);

/**
 * Lends all the room that there is, to be written in place: one contiguous span, always.
 *
 * The span belongs to this end, whatever becomes of the other one, until `bb_sender_commit()`. If this end is destroyed
 * meanwhile, the memory stays until then.
 *
 * @param tx the sender
 * @param min fewer bytes will not do; 0 counts as 1
 * @param span written
 * @return BB_OK, BB_E_FULL (less than `min` is free; sets no message), BB_E_CLOSED, BB_E_RANGE (more than the ring holds),
 *         BB_E_STATE (a span is open already), BB_E_BUSY (another thread is inside, in the checked mode), BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_sender_reserve(bb_sender *tx, uint64_t min, bb_span *span);

/**
 * Publishes the first bytes of the reserved span, and ends it.
 *
 * @param tx the sender
 * @param bytes how many were written; 0 drops the span
 * @return BB_OK, BB_E_STATE (more than was reserved, or nothing is; nothing changes), BB_E_ALIGN (no whole records, where the
 *         ring has them; nothing changes), BB_E_CLOSED (the receiver has gone or this end was closed or destroyed meanwhile: the
 *         span ends, its bytes are dropped), BB_E_BUSY (another thread is inside, in the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_sender_commit(bb_sender *tx, uint64_t bytes);

/**
 * Waits until there is room for `bytes`, or for all that the ring holds if that is less.
 *
 * @param tx the sender
 * @param bytes how much room; 0 counts as 1
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (the receiver has gone, or this end is closed), BB_E_INTERRUPTED; these set no
 *         message; BB_E_BUSY (another thread waits on this end), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
 *         BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_sender_wait_writable(bb_sender *tx, uint64_t bytes, uint64_t timeout);

/**
 * A descriptor for event loops. It becomes readable (POLLIN, level-triggered) when what `bb_sender_arm()` asked for has come.
 * It belongs to the ring: neither read nor close it.
 *
 * @param tx the sender
 * @param fd written
 * @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_NULL, BB_E_HANDLE,
 *         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_sender_fd(bb_sender *tx, int32_t *fd);

/**
 * Asks for the descriptor to tell. Call it before each poll: a path without system calls cannot signal a descriptor that
 * nobody waits for.
 *
 * @param tx the sender
 * @param bytes how much room, at most what the ring holds; 0 counts as 1
 * @return BB_OK (there is so much now), BB_E_FULL (armed: the descriptor becomes readable when there is, or when the
 *         receiver goes, and stays so until the next call that returns BB_E_FULL), BB_E_CLOSED; these set no message;
 *         BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_BUSY (another thread is inside,
 *         in the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_sender_arm(bb_sender *tx, uint64_t bytes);

/**
 * Publishes what was fed and sends no more. The receiver gets what is in the ring, then BB_E_CLOSED; a thread that waits in
 * this end returns BB_E_CLOSED. Closing twice is fine. What another thread sends at this very moment may be lost, or come after
 * the receiver was told BB_E_CLOSED.
 *
 * @param tx the sender
 * @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_sender_close(bb_sender *tx);

/**
 * Makes a new receiver where the old one was destroyed. It finds the bytes that were not received.
 *
 * @param tx the sender
 * @param receiver the handle is written here
 * @return BB_OK, BB_E_BUSY (the old one lives: not destroyed, or a span of its is open), BB_E_OUT_OF_MEMORY, BB_E_LIMIT,
 *         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_sender_attach_receiver(bb_sender *tx, bb_receiver **receiver);

/**
 * What this end has counted.
 *
 * @param tx the sender
 * @param struct_size `sizeof(bb_end_stats)` as the caller knows it
 * @param stats written
 * @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_sender_stats_get(bb_sender *tx, uint32_t struct_size, bb_end_stats *stats);

/**
 * Publishes what was fed and ends this end: the receiver is woken at once and gets what is in the ring, then BB_E_CLOSED. A
 * thread that waits inside returns BB_E_CLOSED first. If a span is open, its memory stays until it is committed.
 *
 * @param tx the sender; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_sender_destroy(bb_sender *tx);

/**
 * Receives what is there, and never waits. Everything that was sent is delivered before BB_E_CLOSED.
 *
 * `got` is written also beside BB_E_EMPTY and BB_E_CLOSED, which set no message.
 *
 * @param rx the receiver
 * @param dst where the bytes go; may be NULL if there is no room
 * @param bytes how much room it has
 * @param got how many came is written here
 * @return BB_OK (some came, or there was no room), BB_E_EMPTY (nothing is there yet), BB_E_CLOSED (the sender has gone and the
 *         ring is empty, or this end is closed), BB_E_STATE (a peeked span is open), BB_E_RANGE, BB_E_ALIGN (room for less than
 *         a record, where the ring has them), BB_E_BUSY (another thread is inside, in the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_receiver_recv(bb_receiver *rx, void *dst, uint64_t bytes, uint64_t *got);

/**
 * Fills all of `dst`, waiting for the rest.
 *
 * `got` is written also beside BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED, which set no message.
 *
 * @param rx the receiver
 * @param dst where the bytes go; may be NULL if there is no room
 * @param bytes how much room it has
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @param got how many came is written here
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED, BB_E_INTERRUPTED, BB_E_STATE (a peeked span is open), BB_E_RANGE, BB_E_ALIGN (no
 *         whole records, where the ring has them), BB_E_BUSY (another thread waits on this end), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_receiver_recv_all(bb_receiver *rx, void *dst, uint64_t bytes, uint64_t timeout, uint64_t *got);

/**
 * Lends all that is there, to be read in place: one contiguous span, always.
 *
 * The span belongs to this end, whatever becomes of the other one, until `bb_receiver_consume()`. If this end is destroyed
 * meanwhile, the memory stays until then. In a ring that overwrites its oldest records nothing is overwritten meanwhile: keep it
 * short, or copy by `bb_receiver_recv()`.
 *
 * @param rx the receiver
 * @param min fewer bytes will not do; 0 counts as 1
 * @param span written
 * @return BB_OK, BB_E_EMPTY (fewer than `min` are there; sets no message), BB_E_CLOSED (and no more can come; if fewer than
 *         `min` are there, ask for less), BB_E_RANGE (more than the ring holds), BB_E_STATE (a span is open already), BB_E_BUSY
 *         (another thread is inside, in the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
 *         BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_receiver_peek(bb_receiver *rx, uint64_t min, bb_const_span *span);

/**
 * Gives the first bytes of the peeked span back to the sender, and ends it. What is left comes again.
 *
 * @param rx the receiver
 * @param bytes how many were used; 0 leaves all
 * @return BB_OK, BB_E_STATE (more than was peeked, or nothing is; nothing changes), BB_E_ALIGN (no whole records, where the ring
 *         has them; nothing changes), BB_E_CLOSED (this end was closed or destroyed meanwhile: the span ends), BB_E_BUSY (another thread is inside, in the checked mode), BB_E_NULL, BB_E_HANDLE,
 *         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_receiver_consume(bb_receiver *rx, uint64_t bytes);

/**
 * Waits until `bytes` are there, or as many as the ring holds if that is less.
 *
 * @param rx the receiver
 * @param bytes how many; 0 counts as 1
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (so many can no longer come, or this end is closed), BB_E_INTERRUPTED; these set no
 *         message; BB_E_BUSY (another thread waits on this end), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
 *         BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_receiver_wait_readable(bb_receiver *rx, uint64_t bytes, uint64_t timeout);

/**
 * A descriptor for event loops. It becomes readable (POLLIN, level-triggered) when what `bb_receiver_arm()` asked for has
 * come. It belongs to the ring: neither read nor close it.
 *
 * @param rx the receiver
 * @param fd written
 * @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_NULL, BB_E_HANDLE,
 *         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_receiver_fd(bb_receiver *rx, int32_t *fd);

/**
 * Asks for the descriptor to tell. Call it before each poll: a path without system calls cannot signal a descriptor that
 * nobody waits for.
 *
 * @param rx the receiver
 * @param bytes how many, at most what the ring holds; 0 counts as 1
 * @return BB_OK (so many are there now), BB_E_EMPTY (armed: the descriptor becomes readable when they are, or when the
 *         sender goes, and stays so until the next call that returns BB_E_EMPTY), BB_E_CLOSED (so many can no longer
 *         come); these set no message; BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one),
 *         BB_E_BUSY (another thread is inside, in the checked mode), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
 *         BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_receiver_arm(bb_receiver *rx, uint64_t bytes);

/**
 * Receives no more: the sender gets BB_E_CLOSED, and so does a thread that waits in this end. Closing twice is fine.
 *
 * @param rx the receiver
 * @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_receiver_close(bb_receiver *rx);

/**
 * Makes a new sender where the old one was destroyed.
 *
 * @param rx the receiver
 * @param sender the handle is written here
 * @return BB_OK, BB_E_BUSY (the old one lives: not destroyed, or a span of its is open), BB_E_OUT_OF_MEMORY, BB_E_LIMIT,
 *         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_receiver_attach_sender(bb_receiver *rx, bb_sender **sender);

/**
 * What this end has counted.
 *
 * @param rx the receiver
 * @param struct_size `sizeof(bb_end_stats)` as the caller knows it
 * @param stats written
 * @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_receiver_stats_get(bb_receiver *rx, uint32_t struct_size, bb_end_stats *stats);

/**
 * Ends this end: the sender is woken at once and gets BB_E_CLOSED. A thread that waits inside returns BB_E_CLOSED first. Bytes
 * that were not received stay for a receiver that is attached later.
 *
 * @param rx the receiver; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_receiver_destroy(bb_receiver *rx);

/**
 * Fills a config with the defaults.
 *
 * @param config written
 * @return BB_OK, BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_stream_config_init(bb_stream_config *config);

/**
 * Turns a receiver into a stream. Its handle ends; if the call fails, it stays as it was.
 *
 * @param rx the receiver
 * @param config how, or NULL for the defaults
 * @param stream the handle is written here
 * @return BB_OK, BB_E_ARGUMENT (a buffer_size of 0, label that is not UTF-8, another record_size than the
 *         ring has), BB_E_RANGE (min_size or record_size beyond the
 *         buffer or the ring), BB_E_VERSION (struct_size), BB_E_STATE (a peeked span is open), BB_E_BUSY (a thread waits on the
 *         receiver), BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time for the receiver
 * @since 0.1
 */
BB_API bb_status bb_spsc_into_stream(bb_receiver *rx, const bb_stream_config *config, bb_stream **stream);

/**
 * The next chunk: what is there, as much as a buffer holds.
 *
 * @param s the stream
 * @param timeout nanoseconds; 0 tries, BB_FOREVER waits without end
 * @param chunk written; `bb_lease_release(chunk->lease)` gives it back
 * @return BB_OK, BB_E_TIMEOUT, BB_E_CLOSED (the end of the stream, or it is closed), BB_E_INTERRUPTED; these set no message;
 *         BB_E_ALIGN (the stream has ended inside of a record), BB_E_OUT_OF_MEMORY, BB_E_LIMIT (too many leases), BB_E_BUSY
 *         (another thread is inside), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_stream_next(bb_stream *s, uint64_t timeout, bb_chunk *chunk);

/**
 * `count` chunks together; fewer only at the end of the stream. What a call that did not get them all has gathered comes with
 * the next one.
 *
 * @param s the stream
 * @param count how many
 * @param timeout nanoseconds for all of them; 0 tries, BB_FOREVER waits without end
 * @param chunks the first `got` are written
 * @param got how many there are is written here; 0 beside BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED
 * @return what `bb_stream_next()` returns
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_stream_chunks(bb_stream *s, uint64_t count, uint64_t timeout, bb_chunk *chunks, uint64_t *got);

/**
 * What is there: at least one chunk, which it waits for, and at most `count`.
 *
 * @param s the stream
 * @param count how many at most
 * @param timeout nanoseconds for the first; 0 tries, BB_FOREVER waits without end
 * @param chunks the first `got` are written
 * @param got how many there are is written here; 0 beside BB_E_TIMEOUT, BB_E_CLOSED and BB_E_INTERRUPTED
 * @return what `bb_stream_next()` returns
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_stream_ready_chunks(bb_stream *s, uint64_t count, uint64_t timeout, bb_chunk *chunks, uint64_t *got);

/**
 * A descriptor for event loops. It becomes readable (POLLIN, level-triggered) when what `bb_stream_arm()` asked for has come.
 * It belongs to the ring: neither read nor close it.
 *
 * @param s the stream
 * @param fd written
 * @return BB_OK, BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses one), BB_E_NULL, BB_E_HANDLE,
 *         BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_stream_fd(bb_stream *s, int32_t *fd);

/**
 * Asks for the descriptor to tell when a chunk or the end can be had. Call it before each poll.
 *
 * @param s the stream
 * @return BB_OK (now), BB_E_EMPTY (armed: the descriptor becomes readable when it can, and stays so until the next call
 *         that returns BB_E_EMPTY; sets no message), BB_E_LIMIT (no descriptor left), BB_E_UNSUPPORTED (the system refuses
 *         one), BB_E_BUSY (another thread is inside), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
 *         BB_E_FORKED
 * @threadsafety one thread at a time
 * @since 0.1
 */
BB_API bb_status bb_stream_arm(bb_stream *s);

/**
 * Receives no more: the sender gets BB_E_CLOSED, and so does a thread that waits in this stream. Chunks that are held stay.
 * Closing twice is fine.
 *
 * @param s the stream
 * @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_stream_close(bb_stream *s);

/**
 * Makes a new sender where the old one was destroyed: the stream goes on.
 *
 * @param s the stream
 * @param sender the handle is written here
 * @return BB_OK, BB_E_BUSY (the old one lives: not destroyed, or a span of its is open), BB_E_OUT_OF_MEMORY, BB_E_LIMIT,
 *         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_stream_attach_sender(bb_stream *s, bb_sender **sender);

/**
 * What the stream and its pool have counted.
 *
 * @param s the stream
 * @param struct_size `sizeof(bb_stream_stats)` as the caller knows it
 * @param stats written
 * @return BB_OK, BB_E_VERSION (struct_size), BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_stream_stats_get(bb_stream *s, uint32_t struct_size, bb_stream_stats *stats);

/**
 * Ends the stream and its receiving end: the sender gets BB_E_CLOSED. Chunks that are held stay valid until they are released.
 *
 * @param s the stream; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_STALE, BB_E_HANDLE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_stream_destroy(bb_stream *s);

/**
 * Fills a buffer with the defaults: no name, no elements, shared, f32.
 *
 * @param buffer written
 * @return BB_OK, BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_buffer_init(bb_registry_buffer *buffer);

/**
 * Fills a config with the defaults.
 *
 * @param config written
 * @return BB_OK, BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_config_init(bb_registry_config *config);

/**
 * Makes an empty registry: it records which named buffers each owner, the parent, asks for, and works out where they lie.
 *
 * A parent is any number that the caller chooses, such as the address of its own object; it is never dereferenced. A registry
 * has one lock; every query returns a copy.
 *
 * @param config how parents lay out at first, or NULL for the defaults
 * @param registry the handle is written here
 * @return BB_OK, BB_E_NULL, BB_E_ARGUMENT (config, label that is not UTF-8), BB_E_VERSION (struct_size),
 *         BB_E_OUT_OF_MEMORY, BB_E_LIMIT (handles)
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_create(const bb_registry_config *config, bb_registry **registry);

/**
 * Adds a buffer at the end of the parent's order. The parent comes into being with its first buffer.
 *
 * Checked in this order: an empty, over-long or non-UTF-8 name; an alias of itself; a name that is taken; an alias target that
 * is missing; size, location, precision, lifetime.
 *
 * @param r the registry
 * @param parent whose buffer it is
 * @param buffer what is asked for; read during the call only
 * @return BB_OK, BB_E_ARGUMENT (name, location, precision, persistent), BB_E_ALIAS_SELF, BB_E_EXISTS (use
 *         `bb_registry_replace()`), BB_E_ALIAS_MISSING, BB_E_RANGE (size, lifetime, a sum that overflows), BB_E_VERSION,
 *         BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
 *         BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_register(bb_registry *r, uint64_t parent, const bb_registry_buffer *buffer);

/**
 * Gives a name that is taken another buffer, in its old place of the order.
 *
 * @param r the registry
 * @param parent whose buffer it is
 * @param buffer what is asked for now; its alias target comes before it in the order
 * @return BB_E_NO_PARENT, BB_E_NO_NAME, BB_E_ALIAS_ORDER (the target comes later), BB_E_STATE (stands for a child), and what
 *         `bb_registry_register()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_replace(bb_registry *r, uint64_t parent, const bb_registry_buffer *buffer);

/**
 * Changes some fields of a buffer. A parent or a name that is unknown is no error: `recognized` tells.
 *
 * @param r the registry
 * @param parent whose buffer it is
 * @param fields which fields to change: `BB_FIELD_SIZE`, `BB_FIELD_LOCATION`, …, added up; 0 is legal
 * @param values the buffer's name, and the new values of those fields; with `BB_FIELD_ALIASES`, NULL is no alias
 * @param recognized whether there is such a buffer; may be NULL
 * @param changed whether anything is different now; may be NULL
 * @return BB_OK, BB_E_ARGUMENT (fields, location, precision, persistent, text that is not UTF-8), BB_E_ALIAS_SELF,
 *         BB_E_ALIAS_MISSING, BB_E_ALIAS_ORDER (the target comes later, or would be cyclic), BB_E_RANGE (size, lifetime, a sum
 *         that overflows), BB_E_STATE (stands for a child), BB_E_VERSION, BB_E_OUT_OF_MEMORY, BB_E_POISONED, BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_update_buffer(bb_registry *r, uint64_t parent, uint32_t fields, const bb_registry_buffer *values, bool *recognized, bool *changed);

/**
 * Rolls a child's shared and persistent totals up into a parent, as the hidden buffers `<name>.shared` and
 * `<name>.persistent` at the end of its order. They are live: whatever changes in the child moves what comes after them. The
 * host's options count for the whole region; those of the child, for its own launches.
 *
 * @param r the registry
 * @param parent the host
 * @param name what the child is called there
 * @param child the parent that is rolled up; it may be unknown yet
 * @param aliases the buffer of the host, registered before, whose memory the child's shared region would rather share, or NULL;
 *        the persistent region is never an alias
 * @return BB_OK, BB_E_ARGUMENT (name, aliases that is not UTF-8), BB_E_STATE (the child holds this parent already),
 *         BB_E_ALIAS_SELF, BB_E_EXISTS, BB_E_ALIAS_MISSING, BB_E_RANGE (a sum that overflows), BB_E_OUT_OF_MEMORY,
 *         BB_E_LIMIT, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_register_child(bb_registry *r, uint64_t parent, const char *name, uint64_t child, const char *aliases);

/**
 * How a parent lays out from now on.
 *
 * @param r the registry
 * @param parent who must have buffers
 * @param config how, or NULL for the defaults; its label is not looked at
 * @return BB_OK, BB_E_NO_PARENT, BB_E_ARGUMENT, BB_E_VERSION (struct_size), BB_E_OUT_OF_MEMORY, BB_E_POISONED, BB_E_NULL,
 *         BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_set_options(bb_registry *r, uint64_t parent, const bb_registry_config *config);

/**
 * Registers what `bb_registry_json()` wrote, or a person in its form. The document's first group becomes `parent`, its
 * children get keys of their own. A malformed document loads nothing, and the message tells line and column.
 *
 * @param r the registry
 * @param parent a parent without buffers
 * @param json the document, UTF-8
 * @param length its bytes
 * @return BB_OK, BB_E_EXISTS (the parent has buffers, or a name is taken), BB_E_ARGUMENT (malformed, or not UTF-8), what
 *         `bb_registry_register()` and `bb_registry_register_child()` return
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_load_json(bb_registry *r, uint64_t parent, const char *json, uint64_t length);

/**
 * Drops a parent's layout, and its plan with it: the next query works the layout out by the rules. An unknown parent is fine.
 *
 * @param r the registry
 * @param parent whose layout
 * @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_clear_layout(bb_registry *r, uint64_t parent);

/**
 * Forgets a parent and all of its buffers. Where it is a child, it takes nothing from then on. An unknown parent is fine.
 *
 * @param r the registry
 * @param parent who is forgotten
 * @return BB_OK, BB_E_OUT_OF_MEMORY, BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_clear_parent(bb_registry *r, uint64_t parent);

/**
 * Ends a registry and all it holds.
 *
 * @param r the registry; NULL is a no-op
 * @return BB_OK, BB_E_RECURSIVE (inside of a call on it), BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_destroy(bb_registry *r);

/**
 * Elements of the shared region: its largest stop.
 *
 * @param r the registry
 * @param parent whose region; an unknown one takes nothing
 * @param elements written
 * @return BB_OK, BB_E_RANGE (children's sizes overflow), BB_E_STATE (a child's region mixes precisions), BB_E_OUT_OF_MEMORY,
 *         BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_shared_buffer_size(bb_registry *r, uint64_t parent, uint64_t *elements);

/**
 * Elements of the persistent region: its largest stop.
 *
 * @param r the registry
 * @param parent whose region; an unknown one takes nothing
 * @param elements written
 * @return what `bb_registry_shared_buffer_size()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_persistent_local_buffer_size(bb_registry *r, uint64_t parent, uint64_t *elements);

/**
 * Elements of all local arrays together.
 *
 * @param r the registry
 * @param parent whose arrays; an unknown one takes nothing
 * @param elements written
 * @return what `bb_registry_shared_buffer_size()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_local_buffer_size(bb_registry *r, uint64_t parent, uint64_t *elements);

/**
 * How a kernel gets a buffer.
 *
 * @param r the registry
 * @param parent whose buffer
 * @param name the buffer
 * @param struct_size `sizeof(bb_allocator)` as the caller knows it
 * @param allocator that many bytes are written
 * @return BB_E_NO_PARENT, BB_E_NO_NAME, BB_E_ARGUMENT (name that is not UTF-8), BB_E_VERSION (struct_size), and what
 *         `bb_registry_shared_buffer_size()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_get_allocator(bb_registry *r, uint64_t parent, const char *name, uint32_t struct_size, bb_allocator *allocator);

/**
 * What a parent takes, and how it lays out.
 *
 * @param r the registry
 * @param parent who must have buffers
 * @param struct_size `sizeof(bb_layout_info)` as the caller knows it
 * @param info that many bytes are written
 * @return BB_E_NO_PARENT, BB_E_VERSION (struct_size), and what `bb_registry_shared_buffer_size()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_layout_info(bb_registry *r, uint64_t parent, uint32_t struct_size, bb_layout_info *info);

/**
 * A number that is another one after every change of the parent or of its children, and never one that was before.
 *
 * @param r the registry
 * @param parent whose version; an unknown one has 0
 * @param version written
 * @return BB_OK, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_version(bb_registry *r, uint64_t parent, uint64_t *version);

/**
 * A number that is the same for equal layouts, in every process: it tells a kernel built before a change from one built after.
 * The layouts of children count, too.
 *
 * @param r the registry
 * @param parent who must have buffers
 * @param hash written
 * @return BB_E_NO_PARENT, and what `bb_registry_shared_buffer_size()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_layout_hash(bb_registry *r, uint64_t parent, uint64_t *hash);

/**
 * The name of a buffer by its place in the order, from 0; `bb_layout_info.buffers` tells how many there are.
 *
 * @param r the registry
 * @param parent whose buffer
 * @param index its place
 * @param text room for the name and a NUL, or NULL with capacity 0 to ask for the length
 * @param capacity bytes at `text`
 * @param length the name's bytes without the NUL are written here
 * @return BB_OK, BB_E_NO_PARENT, BB_E_RANGE (index, capacity), BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE,
 *         BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_buffer_name(bb_registry *r, uint64_t parent, uint64_t index, char *text, uint64_t capacity, uint64_t *length);

/**
 * The parent, and every child that it rolls up, as JSON: the same text for the same registrations, in every process.
 *
 * @param r the registry
 * @param parent who must have buffers
 * @param text room for the text and a NUL, or NULL with capacity 0 to ask for the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return BB_OK, BB_E_NO_PARENT, BB_E_RANGE (capacity), BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND,
 *         BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_json(bb_registry *r, uint64_t parent, char *text, uint64_t capacity, uint64_t *length);

/**
 * Buffers that overlap in both space and time, as a JSON list of objects with `first`, `second`, `space`, `start`, `stop`
 * (elements) and `steps`: aliases that do not take turns. A buffer without a lifetime is always alive.
 *
 * @param r the registry
 * @param parent who must have buffers
 * @param text room for the text and a NUL, or NULL with capacity 0 to ask for the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return BB_E_NO_PARENT, BB_E_RANGE (capacity), and what `bb_registry_shared_buffer_size()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_overlaps(bb_registry *r, uint64_t parent, char *text, uint64_t capacity, uint64_t *length);

/**
 * What moved, changed, came and went between two documents of `bb_registry_json()`: one line a change, empty if none.
 *
 * @param before the older document, UTF-8
 * @param before_length its bytes
 * @param after the newer document
 * @param after_length its bytes
 * @param text room for the text and a NUL, or NULL with capacity 0 to ask for the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return BB_OK, BB_E_NULL, BB_E_RANGE (capacity), what `bb_registry_load_json()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_layout_diff(const char *before, uint64_t before_length, const char *after, uint64_t after_length, char *text, uint64_t capacity, uint64_t *length);

/**
 * The compute capability that a name stands for: `sm_90`, `compute_90`, `9.0` or `90`.
 *
 * @param name one of the table: 7.0 to 12.1
 * @param cc ten times the compute capability is written here
 * @return BB_OK, BB_E_ARGUMENT (none of the table), BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_arch_parse(const char *name, uint32_t *cc);

/**
 * Fills limits with those of a compute capability.
 *
 * @param cc ten times the compute capability: 70 to 121
 * @param limits written
 * @return BB_OK, BB_E_ARGUMENT (none of the table), BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_limits_init(uint32_t cc, bb_limits *limits);

/**
 * Fills a launch: so many threads a block, and nothing else known.
 *
 * @param threads threads of a block
 * @param launch written
 * @return BB_OK, BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_launch_init(uint32_t threads, bb_launch *launch);

/**
 * Whether a launch fits a device: what it takes, or, in `bb_last_error()`, the largest buffers and what would make it fit.
 *
 * @param r the registry
 * @param parent who must have buffers
 * @param limits what the device allows
 * @param launch how the kernel is launched
 * @param struct_size `sizeof(bb_fit)` as the caller knows it
 * @param fit that many bytes are written if it fits
 * @return BB_OK, BB_E_LIMIT (it does not fit), BB_E_NO_PARENT, BB_E_STATE (the region mixes precisions and the layout is not
 *         typed), BB_E_RANGE (threads, registers_per_thread, bytes that overflow), BB_E_ARGUMENT (shared_per, reserved),
 *         BB_E_VERSION (a struct_size), BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN,
 *         BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_check(bb_registry *r, uint64_t parent, const bb_limits *limits, const bb_launch *launch, uint32_t struct_size, bb_fit *fit);

/**
 * Bytes of shared memory that a block takes.
 *
 * @param r the registry
 * @param parent whose region; an unknown one takes nothing
 * @param threads threads of a block: they matter where each has a region of its own
 * @param bytes written
 * @return BB_OK, BB_E_STATE (the region mixes precisions and the layout is not typed), BB_E_RANGE (bytes that overflow),
 *         BB_E_OUT_OF_MEMORY, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_shared_bytes(bb_registry *r, uint64_t parent, uint32_t threads, uint64_t *bytes);

/**
 * Bytes from one thread's shared region to the next one's; of a block's region, its bytes.
 *
 * @param r the registry
 * @param parent whose region; an unknown one takes nothing
 * @param bytes written
 * @return what `bb_registry_shared_bytes()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_shared_stride_bytes(bb_registry *r, uint64_t parent, uint64_t *bytes);

/**
 * Whether the shared memory of a block fits a device.
 *
 * @param r the registry
 * @param parent whose region; an unknown one takes nothing
 * @param cc ten times the device's compute capability, 70 to 121
 * @param threads threads of a block
 * @param fits written
 * @return BB_E_ARGUMENT (cc), and what `bb_registry_shared_bytes()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_fits(bb_registry *r, uint64_t parent, uint32_t cc, uint32_t threads, bool *fits);

/**
 * Whether a kernel must opt in to the shared memory of a block: beyond 48 KiB, on every device.
 *
 * @param r the registry
 * @param parent whose region; an unknown one takes nothing
 * @param threads threads of a block
 * @param needs written
 * @return what `bb_registry_shared_bytes()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_needs_opt_in(bb_registry *r, uint64_t parent, uint32_t threads, bool *needs);

/**
 * How the threads of a warp meet the banks of shared memory when each reads the same element of its own region: a JSON object
 * with `stride_bytes`, `conflict_free_stride_bytes` (or null), and `ways`, by buffer the turns into which its worst access is
 * split.
 *
 * @param r the registry
 * @param parent who must have buffers
 * @param text room for the text and a NUL, or NULL with capacity 0 to ask for the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return BB_E_NO_PARENT, and what `bb_registry_shared_bytes()` returns; BB_E_RANGE also for the capacity
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_banks(bb_registry *r, uint64_t parent, char *text, uint64_t capacity, uint64_t *length);

/**
 * Fills a config with the defaults.
 *
 * @param config written
 * @return BB_OK, BB_E_NULL
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_plan_config_init(bb_plan_config *config);

/**
 * Places the buffers with lifetimes in the least memory that it finds: what is never alive at the same time may share it. The
 * plan stands until the parent or one of its children changes, or `bb_registry_clear_layout()`. The registry is not locked
 * meanwhile.
 *
 * @param r the registry
 * @param parent who must have buffers
 * @param config how, or NULL for the defaults
 * @param struct_size `sizeof(bb_plan)` as the caller knows it
 * @param plan that many bytes are written
 * @return BB_OK, BB_E_NO_PARENT, BB_E_BUSY (the parent has changed meanwhile: its change stands, plan again), BB_E_RANGE (sizes
 *         that overflow), BB_E_STATE (a child's region mixes precisions), BB_E_VERSION (a struct_size), BB_E_OUT_OF_MEMORY,
 *         BB_E_POISONED, BB_E_NULL, BB_E_HANDLE, BB_E_STALE, BB_E_KIND, BB_E_FOREIGN, BB_E_FORKED
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_plan(bb_registry *r, uint64_t parent, const bb_plan_config *config, uint32_t struct_size, bb_plan *plan);

/**
 * The parent's layout as CUDA C++ for a kernel to include: `constexpr` offsets and lengths, assertions that hold it
 * together, and an accessor a buffer. It includes nothing, and is the same text for the same layout. Plain C++17 takes it, too.
 *
 * @param r the registry
 * @param parent who must have buffers
 * @param name_space the C++ namespace that all is in, such as solver or app::solver
 * @param text room for the text and a NUL, or NULL with capacity 0 to ask for the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return BB_OK, BB_E_ARGUMENT (no name of a namespace), BB_E_EXISTS (two buffers' names collide as names of C++, or one with
 *         a name that the header defines), BB_E_STATE (a region mixes precisions in a layout that is not typed), and what
 *         `bb_registry_json()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_emit_cuda_header(bb_registry *r, uint64_t parent, const char *name_space, char *text, uint64_t capacity, uint64_t *length);

/**
 * A picture of the parent's layout as SVG: regions, buffers, slices and gaps to scale; with lifetimes, memory over time.
 *
 * @param r the registry
 * @param parent who must have buffers
 * @param text room for the text and a NUL, or NULL with capacity 0 to ask for the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return what `bb_registry_json()` returns, BB_E_RANGE (sizes that do not fit into 64 bits), BB_E_STATE (a region mixes
 *         precisions in a layout that is not typed)
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_svg(bb_registry *r, uint64_t parent, char *text, uint64_t capacity, uint64_t *length);

/**
 * The parent's layout as an aligned text table, in layout order.
 *
 * @param r the registry
 * @param parent who must have buffers
 * @param text room for the text and a NUL, or NULL with capacity 0 to ask for the length
 * @param capacity bytes at `text`
 * @param length the text's bytes without the NUL are written here
 * @return what `bb_registry_svg()` returns
 * @threadsafety safe to call from any thread
 * @since 0.1
 */
BB_API bb_status bb_registry_table(bb_registry *r, uint64_t parent, char *text, uint64_t capacity, uint64_t *length);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BACKBUF_H */
