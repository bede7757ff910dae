//! `bb_task`: backend work that a publish waits for.

use std::ffi::c_char;

use super::guard::{on, take};
use super::handle::Kind;
use super::input;
use super::object::{self, Object};
use super::opaque::{bb_manager, bb_task};
use super::status::bb_status;
use crate::manager::manager::Manager;
use crate::manager::task::Task;

impl Object for Task {
    const KIND: Kind = Kind::Task;
}

/// Begins a task: every later synchronize waits until the task has ended.
///
/// @param m the manager
/// @param label label in messages, logs and dumps: UTF-8, cut at 63 bytes; NULL for none
/// @param task the handle is written here; `bb_task_end()` ends it
/// @return BB_OK, BB_E_ARGUMENT (label that is not UTF-8), BB_E_CLOSED, BB_E_OUT_OF_MEMORY, BB_E_LIMIT, BB_E_POISONED, or a
///         handle status
/// @threadsafety safe to call from any thread
/// @since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_task_begin(
    m: *mut bb_manager,
    label: *const c_char,
    task: *mut *mut bb_task,
) -> bb_status {
    on("bb_task_begin", m, |m: &Manager| {
        // SAFETY: the header requires memory for a handle, and a string or NULL.
        let (place, label) = unsafe { (input::output(task, "task")?, input::name(label, "label")?) };
        place.set(object::create(|| m.task(label))? as *mut bb_task)
    })
}

/// Ends a task.
///
/// @param task the task
/// @return BB_OK, BB_E_STALE (ended before), BB_E_CLOSED (the manager has been destroyed, which ended the task), or a
///         handle status
/// @threadsafety safe to call from any thread, not only the one that began it
/// @since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn bb_task_end(task: *mut bb_task) -> bb_status {
    take("bb_task_end", task, Task::end)
}
