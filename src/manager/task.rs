//! Tasks: backend work with a label that a publish waits for.

use crate::alloc::{Arc, Weak};
use crate::error::{Error, Label, Result, Status};
use crate::manager::core::shared::{Shared, duty};

/// Open backend work. Every synchronize that comes after its beginning waits for its end. Dropping it ends it.
///
/// ```
/// use backbuf::{DType, Status, Timeout, manager::Manager};
/// let manager = Manager::new(DType::U8, &[1])?;
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
        shared.accepts()?;
        let number = shared.tasks.begin(Label::new(label), &shared.order)?;
        // The bound that announced it may have held back a ticket from before it.
        shared.progress.signal();
        shared.work.signal();
        Ok(Task { shared: Arc::downgrade(shared), number })
    }

    /// Ends it.
    pub fn end(mut self) -> Result<()> {
        let result = self.finish();
        self.number = 0;
        result
    }

    fn finish(&self) -> Result<()> {
        let closed = || Error::text(Status::Closed, "the manager has been destroyed");
        let shared = self.shared.upgrade().ok_or_else(closed)?;
        shared.tasks.end(self.number)?;
        shared.ask(duty::TASK);
        shared.progress.signal();
        Ok(())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // 0: ended already. Only the manager's end refuses it, and then there is nothing to tell.
        if self.number != 0 {
            let _ = self.finish();
        }
    }
}
