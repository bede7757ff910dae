// The C++17 face of backbuf.h: this file, and the folder backbuf/ beside it.
// SPDX-License-Identifier: MIT OR Apache-2.0
#ifndef BACKBUF_HPP
#define BACKBUF_HPP

#include "backbuf/buffers.hpp"
#include "backbuf/device.hpp"
#include "backbuf/library.hpp"
#include "backbuf/manager.hpp"
#include "backbuf/registry.hpp"
#include "backbuf/spsc.hpp"

/**
 * @brief Double-buffered state, rings of bytes and memory layouts of kernels for C++: move-only objects over the handles of backbuf.h.
 *
 * Manager is where a state begins, and GLBufferManager where one that a renderer draws does; ring() where a ring does,
 * Registry::create where a layout does. What they share:
 *
 * **Names.** A function has the name of its C function without the prefix: `bb_manager_wait_epoch` is
 * `Manager::wait_epoch`. What returns an object is a noun: Manager::front, Manager::back, Manager::batch,
 * Manager::task, Manager::watch, GLBufferManager::front_gl. Positions and counts of a Manager are in elements, never in bytes; a ring's are in bytes; a
 * Registry's are in elements but where the name says `bytes`.
 *
 * **Errors.** Each function that can fail comes twice. `f(…)` throws Error; `try_f(…)` throws nothing of its own and
 * returns a Status, or a Result where there is a value. Objects that were moved from are empty: they may be
 * assigned and destroyed, and everything else fails with `BB_E_NULL`.
 *
 * **Threads.** What is `const` may be called from many threads at once: all of Manager and Registry but moving,
 * assigning, `reset` and `release`; of a ring's ends and streams what others may do meanwhile, such as to close them. All else
 * belongs to one thread at a time, and may be moved to another. A callback runs on the thread that its function names; it may
 * enqueue (this never blocks there: `BB_E_FULL`), and must not synchronize or destroy its own manager (`BB_E_RECURSIVE`).
 *
 * **Aliasing.** What is enqueued or sent is copied before the call returns, so its memory is yours again; only
 * Manager::enqueue_borrowed reads later. A Front reads memory that nobody writes until the front is gone. The two
 * sides of a Back and the two spans of a kernel never overlap. Spans and grids do not own: they end with the Front, the Back, the
 * kernel call, the Reservation, the Peek or the Chunk that they came from. Fronts and chunks need neither their manager nor their
 * stream: they stay valid when it is closed or destroyed.
 *
 * **Macros.** The headers may follow others that define `None`, `Status` (X11), `min` (Windows), `check` (Unreal) or `forever`
 * (Qt): they hide such macros and bring them back. A program that names `backbuf::Status`, `backbuf::forever` or
 * `BufferUsage::None` where such a macro is defined undefines it first.
 *
 * **Callbacks that throw.** No exception crosses into the library. What a kernel or a release function throws is
 * carried to the next `synchronize`, `wait` or `close` of that manager that succeeds, and raised there; what it wrote
 * before stays. What a flush function throws fails the publish, and is raised by a waiting call that would have thrown
 * `BB_E_BACKEND`; other waiters get that Error. The first exception is kept until it is raised or taken by
 * Manager::take_exception; later ones are dropped. The `try_` functions leave it where it is. `commit` raises none of them: an
 * exception there means that this commit was refused. A log function has nobody to tell: what it throws is dropped.
 */
namespace backbuf {}

#endif // BACKBUF_HPP
