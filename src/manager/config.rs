//! The configuration of a manager, and its checks.

use crate::device::device::Device;
use crate::error::{Error, Result, Status};
use crate::manager::copies::front_count::MAX_COPIES;
use crate::sys::clock::Timeout;

/// Waits for backend work before each publish. An error is returned to the waiters of that publish.
pub type Flush = Box<dyn FnMut() -> std::result::Result<(), i32> + Send>;

/// The threads that may apply updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkerMode {
    /// Callers and the worker: a caller that gets the applier role applies small updates in place.
    #[default]
    Shared,
    /// Only the worker.
    Only,
}

/// The scheduling of the worker. If the system refuses it, that is logged and the worker keeps its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// No real-time policy and the nice value of the process, regardless of the creating thread.
    #[default]
    Normal,
    /// A nice value, −20 to 19.
    Nice(i32),
    /// The policy SCHED_FIFO at that real-time priority, 1 to 99.
    RealTime(u32),
}

/// The default maximum of extra copies, which every number of copies allows. The outputs of a notebook, or the last twenty
/// frames of a plot, then do not block the producer; a leak of fronts is logged at the first extra copy.
pub const EXTRA_COPIES: u32 = 24;

/// The most epochs whose changes a manager can record.
pub const MAX_HISTORY: u32 = 1024;

/// The configuration of a manager; [`Config::default`] suits most.
///
/// ```
/// use backbuf::{Manager, manager::Config};
/// let config = Config { label: "flood", copies: 2, ..Config::default() };
/// let manager = Manager::<f32>::with_config(&[3, 256, 256], config)?;
/// assert_eq!(manager.label().as_str(), "flood");
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Config<'a> {
    /// The name in errors, logs and dumps, cut at 63 bytes.
    pub label: &'a str,
    /// The state at epoch 0; zeros if None.
    pub initial: Option<&'a [u8]>,
    /// Capacity of the update queue in bytes, 4 KiB to 1 GiB, rounded up to a power of two. Default: 1 MiB.
    pub queue_bytes: u64,
    /// Copies of the state, 2 to 8. Copies beyond the second take memory only while leases hold the others. Default: 3.
    pub copies: u32,
    /// How long backend work may last before it is reported, once, to the calls that wait; [`Timeout::TRY`] disables it.
    /// Default: 2 s.
    pub watchdog: Timeout,
    /// Bytes of a backlog that a caller applies before the worker takes over. Default: 256 KiB.
    pub caller_budget_bytes: u64,
    /// Runs on the worker before each publish.
    pub flush: Option<Flush>,
    /// The device that holds a copy of each front for renderers; see
    /// [`Manager::device_front`](super::manager::Manager::device_front). Host memory only if None.
    pub device: Option<&'a Device>,
    /// The threads that may apply updates.
    pub worker: WorkerMode,
    /// The scheduling of the worker.
    pub priority: Priority,
    /// The CPUs of the worker: bit k is CPU k; 0 is every CPU that the process could use when the library was loaded.
    pub affinity: u64,
    /// Copies that may be added while leases hold all of `copies`, so that a reader does not block the producer. They take
    /// memory when they are needed and release it after a second or two without use. At most 32 together with `copies`.
    /// None: [`EXTRA_COPIES`], or 0 if `copies` is 2 (strict double buffering) or there is a `device`, whose slots are fixed.
    pub max_extra_copies: Option<u32>,
    /// The last epochs whose changes [`Front::changed_since`](super::front::Front::changed_since) can name, at most
    /// [`MAX_HISTORY`]; 0 records none. Each takes 88 bytes, or 8 for each KiB of a larger state, at most 2,072. Default: 64.
    pub history: u32,
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
            history: 64,
        }
    }
}

impl Config<'_> {
    /// The checked queue size in bytes, rounded up.
    pub(crate) fn queue(&self) -> Result<u64> {
        let range = 4 << 10..=1 << 30;
        if !range.contains(&self.queue_bytes) {
            return Err(Error::value(
                Status::Argument,
                "queue_bytes",
                self.queue_bytes,
                "use 4 KiB to 1 GiB",
            ));
        }
        Ok(self.queue_bytes.next_power_of_two())
    }

    /// The maximum of extra copies.
    pub(crate) fn extra_copies(&self) -> u32 {
        let default = if self.copies == 2 || self.device.is_some() { 0 } else { EXTRA_COPIES };
        self.max_extra_copies.unwrap_or(default)
    }

    /// Checks the initial state, for a state of that many bytes.
    pub(crate) fn check_initial(&self, state_bytes: u64) -> Result<()> {
        match self.initial {
            Some(initial) if initial.len() as u64 != state_bytes => {
                let (bytes, reason) = (initial.len() as u64, "must be the bytes of the state");
                Err(Error::value(Status::Argument, "initial.len()", bytes, reason))
            }
            _ => Ok(()),
        }
    }

    /// Checks the other fields.
    pub(crate) fn check(&self) -> Result<()> {
        if !(2..=8).contains(&self.copies) {
            return Err(Error::value(Status::Argument, "copies", self.copies, "use 2 to 8"));
        }
        if let Some(extra) = self.max_extra_copies {
            let value = |reason| Error::value(Status::Argument, "max_extra_copies", extra, reason);
            if extra > MAX_COPIES as u32 - self.copies {
                return Err(value("use at most 32 together with copies"));
            }
            if extra > 0 && self.device.is_some() {
                return Err(value(
                    "a manager on a device has no extra copies, since its slots are fixed; use copies",
                ));
            }
        }
        if self.history > MAX_HISTORY {
            return Err(Error::value(Status::Argument, "history", self.history, "use 0 to 1024 epochs"));
        }
        let bad = |value: i128, reason| Err(Error::value(Status::Argument, "worker_priority", value, reason));
        match self.priority {
            Priority::Nice(nice) if !(-20..=19).contains(&nice) => {
                bad(nice.into(), "nice values are -20 to 19")
            }
            Priority::RealTime(level) if !(1..=99).contains(&level) => {
                bad(level.into(), "real-time priorities are 1 to 99")
            }
            _ => Ok(()),
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
