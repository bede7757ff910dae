//! How a manager is made.

use crate::device::device::Device;
use crate::sys::clock::Timeout;

/// Waits for the work of a backend before each publish; an error is handed to the waiters.
pub type Flush = Box<dyn FnMut() -> std::result::Result<(), i32> + Send>;

/// Who may apply updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkerMode {
    /// Whoever holds the applier role: callers apply small updates in place.
    #[default]
    Shared,
    /// The worker alone.
    Only,
}

/// How the worker is scheduled. Where the system refuses, that is logged and the worker runs as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Normal: no real-time policy, and the nice value of the process, whatever the creating thread has.
    #[default]
    Normal,
    /// A nice value, −20 to 19.
    Nice(i32),
    /// First in, first out, at that real-time priority, 1 to 99.
    RealTime(u32),
}

/// Extra copies at most by default: as many as every number of copies allows. The outputs of a notebook, or the last twenty
/// frames of a plot, then do not stop the producer; a leak of fronts is logged at the first extra copy.
pub const EXTRA_COPIES: u32 = 24;

/// How a manager is made; [`Config::default`] suits most.
///
/// ```
/// use backbuf::{DType, manager::{Config, Manager}};
/// let config = Config { label: "flood", copies: 2, ..Config::default() };
/// let manager = Manager::with_config(DType::F32, &[3, 256, 256], config)?;
/// assert_eq!(manager.label().as_str(), "flood");
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Config<'a> {
    /// Named in errors, logs and dumps; cut at 63 bytes.
    pub label: &'a str,
    /// The state at epoch 0; zeros without it.
    pub initial: Option<&'a [u8]>,
    /// Bytes of updates that may wait, 4 KiB to 1 GiB, rounded up to a power of two. 1 MiB.
    pub queue_bytes: u64,
    /// Copies of the state, 2 to 8. The third and further take memory only while leases hold the others. 3.
    pub copies: u32,
    /// How long backend work may last before it is reported, once, to those who wait; [`Timeout::TRY`] turns it off. 2 s.
    pub watchdog: Timeout,
    /// How much of a backlog a caller applies before the worker takes over. 256 KiB.
    pub caller_budget_bytes: u64,
    /// Runs on the worker before each publish.
    pub flush: Option<Flush>,
    /// Where each copy has a twin, for renderers; see [`Manager::device_front`](super::Manager::device_front). Host memory
    /// alone without it.
    pub device: Option<&'a Device>,
    /// Who may apply updates.
    pub worker: WorkerMode,
    /// How the worker is scheduled.
    pub priority: Priority,
    /// Where the worker may run: bit k is CPU k; 0 is every CPU that the process could use when the library was loaded,
    /// whatever CPUs the creating thread is bound to.
    pub affinity: u64,
    /// Copies that may be added while leases hold all of `copies`, so that a reader never stops the producer. They take
    /// memory when they are needed, and give it back when they have not been needed for a second or two. With `copies` at
    /// most 32. None: [`EXTRA_COPIES`], but 0 if `copies` is 2 (strict double buffering) or there is a `device`, whose slots
    /// are fixed.
    pub max_extra_copies: Option<u32>,
}

impl Default for Config<'_> {
    fn default() -> Self {
        Config {
            label: "",
            initial: None,
            queue_bytes: 1 << 20,
            copies: 3,
            watchdog: Timeout::nanos(2_000_000_000),
            caller_budget_bytes: 256 << 10,
            flush: None,
            device: None,
            worker: WorkerMode::Shared,
            priority: Priority::Normal,
            affinity: 0,
            max_extra_copies: None,
        }
    }
}

impl std::fmt::Debug for Config<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("label", &self.label)
            .field("queue_bytes", &self.queue_bytes)
            .field("copies", &self.copies)
            .field("watchdog", &self.watchdog)
            .field("worker", &self.worker)
            .finish_non_exhaustive()
    }
}
