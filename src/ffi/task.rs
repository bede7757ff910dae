//! `bb_task`: backend work that a publish waits for.

use std::ffi::c_char;

use crate::ffi::guard::{on, remove};
use crate::ffi::handle::{Kind, bb_manager, bb_task};
use crate::ffi::input;
use crate::ffi::object::{Object, create_at};
use crate::ffi::status::bb_status;
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
/// @realtime may block, may make a system call, may allocate
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bb_task_begin(
    m: *mut bb_manager,
    label: *const c_char,
    task: *mut *mut bb_task,
) -> bb_status {
    on("bb_task_begin", m, |m: &Manager| {
        // SAFETY: the header requires memory for a handle, and a string or NULL.
        let (out, label) = unsafe { (input::output(task, "task")?, input::name(label, "label")?) };
        create_at(out, || m.task(label))
    })
}

/// Ends a task.
///
/// @param task the task
/// @return BB_OK, BB_E_STALE (ended before), BB_E_CLOSED (the manager has been destroyed, which ended the task), or a
///         handle status
/// @realtime may block, may make a system call, may allocate
/// @threadsafety safe to call from any thread, not only the one that began it
#[unsafe(no_mangle)]
pub extern "C" fn bb_task_end(task: *mut bb_task) -> bb_status {
    remove("bb_task_end", task, Task::end)
}
