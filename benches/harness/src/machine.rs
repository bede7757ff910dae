//! The machine: CPUs of caller and worker, and its description in the report (without the host name).

use crate::facts::Facts;
use peer::worker::pin;
use serde_json::{Value, json};
use std::fs::read_to_string;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::thread::{Scope, ScopedJoinHandle};

/// The CPUs that this process may use, and their roles.
pub struct Cores {
    pub all: Vec<usize>,
    pub caller: usize,
    pub worker: Option<usize>,
    allowed: libc::cpu_set_t,
}

impl Cores {
    pub fn find() -> Cores {
        // SAFETY: a zeroed set is an empty one, which the call fills.
        let allowed = unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            assert_eq!(libc::sched_getaffinity(0, size_of_val(&set), &mut set), 0);
            set
        };
        // SAFETY: every number is within the set.
        let is_allowed = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &allowed) };
        // A worker's affinity is a mask of 64 bits.
        let all: Vec<usize> = (0..64).filter(is_allowed).collect();
        let caller = *all.first().expect("this process runs on one of the first 64 CPUs");
        Cores { caller, worker: all.get(1).copied(), all, allowed }
    }

    /// Pins the calling thread to the caller's core, or restores the initial affinity.
    pub fn place(&self, pinned: bool) {
        if pinned {
            pin(self.caller as i32);
        } else {
            // SAFETY: the set is the initial affinity of this process.
            unsafe { libc::sched_setaffinity(0, size_of_val(&self.allowed), &self.allowed) };
        }
    }
}

/// Starts a thread on a core, and returns once it runs there.
pub fn start<'s, T: Send + 's>(
    scope: &'s Scope<'s, '_>,
    cpu: usize,
    work: impl FnOnce() -> T + Send + 's,
) -> ScopedJoinHandle<'s, T> {
    let ready = Arc::new(AtomicBool::new(false));
    let theirs = ready.clone();
    let thread = scope.spawn(move || {
        pin(cpu as i32);
        theirs.store(true, Release);
        work()
    });
    // The thread begins on this thread's core.
    while !ready.load(Acquire) {
        std::thread::yield_now();
    }
    thread
}

/// Raises this process to the highest normal priority, if permitted, so that other work disturbs less.
pub fn go_first() {
    // SAFETY: takes no pointers.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) };
}

/// Properties of the machine that matter for the figures.
pub fn describe(cores: &Cores, build_info: Option<String>, facts: &Facts) -> Value {
    let first = |path: &str, key: &str| {
        let text = read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let trimmed = |path: &str| read_to_string(path).ok().map(|text| text.trim().to_owned());
    json!({
        "cpu": first("/proc/cpuinfo", "model name"),
        "cores": cores.all.len(),
        "memory": first("/proc/meminfo", "MemTotal"),
        "kernel": trimmed("/proc/sys/kernel/osrelease"),
        "huge_pages": trimmed("/sys/kernel/mm/transparent_hugepage/enabled"),
        "load": load(),
        "facts": facts,
        "library": build_info,
    })
}

/// Mean number of runnable tasks over the last minute.
pub fn load() -> Option<f64> {
    read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}
