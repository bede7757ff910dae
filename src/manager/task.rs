//! Tasks: labelled backend work that later publishes wait for.

use crate::alloc::{Arc, Weak};
use crate::error::{Label, Result};
use crate::manager::core::shared::{Shared, destroyed};
use crate::manager::core::worker_state::duty;

/// Open backend work. A synchronize that begins later waits for its end. Dropping the task ends it.
///
/// ```
/// use backbuf::{Manager, Status, Timeout};
/// let manager = Manager::<u8>::new(&[1])?;
/// let upload = manager.task("upload")?;
/// assert_eq!(manager.synchronize(Timeout::TRY).unwrap_err().status(), Status::Timeout);
/// upload.end()?;
/// manager.synchronize(Timeout::FOREVER)?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Debug)]
pub struct Task {
    shared: Weak<Shared>,
    number: u64,
}

impl Task {
    pub(crate) fn new(shared: &Arc<Shared>, label: &str) -> Result<Task> {
        shared.progress.check_open()?;
        let number = shared.tasks.begin(Label::new(label), shared.progress.numbers())?;
        // The lower bound that `begin` stores first may have held back an earlier ticket.
        shared.waiters.signal();
        shared.worker.signal();
        Ok(Task { shared: Arc::downgrade(shared), number })
    }

    /// Ends the task.
    pub fn end(mut self) -> Result<()> {
        let result = self.finish();
        self.number = 0;
        result
    }

    fn finish(&self) -> Result<()> {
        let shared = self.shared.upgrade().ok_or_else(destroyed)?;
        shared.tasks.end(self.number)?;
        shared.worker.request(duty::TASK);
        shared.waiters.signal();
        Ok(())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // 0: ended already. Refused only if the manager is destroyed, which has ended the task.
        if self.number != 0 {
            let _ = self.finish();
        }
    }
}
