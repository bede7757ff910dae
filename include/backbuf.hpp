// The C++17 interface over backbuf.h: this file and the folder backbuf/ beside it. SPDX-License-Identifier: MIT OR
// Apache-2.0
#ifndef BACKBUF_HPP
#define BACKBUF_HPP

#include "backbuf/buffer_group.hpp"
#include "backbuf/buffers.hpp"
#include "backbuf/device.hpp"
#include "backbuf/driver.hpp"
#include "backbuf/feed.hpp"
#include "backbuf/fields.hpp"
#include "backbuf/library.hpp"
#include "backbuf/manager.hpp"
#include "backbuf/registry.hpp"
#include "backbuf/spsc.hpp"

/**
 * @brief Double-buffered state, rings of bytes and memory layouts of kernels for C++: move-only objects over the handles of backbuf.h.
 *
 * Start with Manager for a state, GLBufferManager for a state that a renderer draws, ring() for a ring of bytes, and
 * BufferRegistry::create for a layout. They share these conventions:
 *
 * **Names.** A function has the name of its C function without the prefix: `bb_manager_wait_epoch` is
 * `Manager::wait_epoch`. Functions that return an object are nouns: Manager::front, Manager::back, Manager::batch,
 * Manager::task, Manager::watch, GLBufferManager::front_gl. Positions and counts of a Manager are in elements, never in
 * bytes; a ring's are in bytes; a BufferRegistry's are in elements unless the name says `bytes`.
 *
 * **Errors.** Each function that can fail exists twice: `f(…)` throws Error; `try_f(…)` does not throw and returns a
 * Status, or a Result if there is a value. Moved-from objects are empty: they may be assigned and destroyed, and all other
 * calls fail with `BB_E_NULL`.
 *
 * **Threads.** `const` functions may be called from many threads at once: those of Manager and BufferRegistry except for moves,
 * assignments, `reset` and `release`; of ring ends and streams those that other threads may call, such as close. All other
 * functions may be called by one thread at a time; objects may be moved to another thread. A callback runs on the thread
 * that its function names; it may enqueue (this never blocks there: `BB_E_FULL`), and must not synchronize or destroy its
 * own manager (`BB_E_RECURSIVE`).
 *
 * **Real time.** A function costs a real-time thread what the C function that it calls costs; see docs/real-time.md. An
 * exception allocates: such a thread calls the `try_` functions.
 *
 * **Aliasing.** Enqueued and sent data is copied before the call returns; only Manager::enqueue_borrowed reads it later.
 * The memory of a Front is not written until the Front is destroyed. The two sides of a Back and the two spans of a kernel
 * never overlap. Spans and grids do not own: they end with the Front, the Back, the kernel call, the Reservation, the Peek
 * or the Chunk that they came from. Fronts and chunks need neither their manager nor their stream: they stay valid when it
 * is closed or destroyed.
 *
 * **Macros.** The headers may follow others that define `None`, `Status` (X11), `min` (Windows), `check` (Unreal) or
 * `forever` (Qt): they hide such macros and restore them. A program that names `backbuf::Status`, `backbuf::forever` or
 * `BufferUsage::None` where such a macro is defined undefines it first.
 *
 * **Callbacks that throw.** No exception crosses into the library. An exception of a kernel or a release function is
 * rethrown by the next `synchronize`, `wait` or `close` of that manager that succeeds; what the kernel wrote before stays.
 * An exception of a flush function fails the publish, and is rethrown by a waiting call that would have thrown
 * `BB_E_BACKEND`; other waiters get that Error. The first exception is kept until it is raised or taken by
 * Manager::take_exception; later ones are dropped. The `try_` functions do not take it. `commit` rethrows none of them: an
 * exception of `commit` means that the commit was refused. Exceptions of a log function are dropped.
 */
namespace backbuf {}

#endif // BACKBUF_HPP
