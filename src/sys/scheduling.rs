//! Scheduling of the calling thread as the kernel reports it: usable CPUs, real-time policy and the current CPU.

use std::sync::atomic::{AtomicU32, Ordering::*};

use crate::sys::control_group::cpu_quota;
use crate::sys::thread::cpus_at_load;

/// CPUs that the control groups of the process permit; 0 before [`record_quota`].
static QUOTA: AtomicU32 = AtomicU32::new(0);

/// Reads the quota of the process, once.
pub(crate) fn record_quota() {
    if QUOTA.load(Relaxed) == 0 {
        let cpus = cpu_quota().and_then(|cpus| u32::try_from(cpus).ok());
        QUOTA.store(cpus.unwrap_or(u32::MAX), Relaxed);
    }
}

/// How many CPUs the calling thread and the threads that it waits for may use: those of its affinity, and no more than the quota. A
/// thread that is bound to one CPU usually waits for threads that are bound to others: there, those that the process could use when
/// the library was loaded count. At least 1.
pub(crate) fn usable_cpus() -> u32 {
    let mut words = [0u64; size_of::<libc::cpu_set_t>() / 8];
    // SAFETY: takes numbers, and writes to an array of the given length.
    let known = unsafe { libc::sched_getaffinity(0, size_of_val(&words), words.as_mut_ptr().cast()) } == 0;
    let own = if known { words.iter().map(|word| word.count_ones()).sum() } else { 0 };
    usable(own, cpus_at_load(), QUOTA.load(Relaxed))
}

/// The same for a thread with `own` CPUs; a quota of 0 is unknown.
fn usable(own: u32, at_load: u32, quota: u32) -> u32 {
    let cpus = if own > 1 { own } else { at_load };
    if quota == 0 { cpus.max(1) } else { cpus.min(quota).max(1) }
}

/// Whether the calling thread has a real-time policy, or whether that is unknown.
pub(crate) fn is_realtime() -> bool {
    // SAFETY: takes a number.
    let policy = unsafe { libc::sched_getscheduler(0) };
    // The flag SCHED_RESET_ON_FORK does not matter.
    !matches!(policy & 0xffff, libc::SCHED_OTHER | libc::SCHED_BATCH | libc::SCHED_IDLE)
}

/// The CPU that the calling thread runs on, or -1 if that is unknown.
pub(crate) fn current_cpu() -> i32 {
    // SAFETY: takes nothing.
    unsafe { libc::sched_getcpu() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Binds the calling thread to CPUs; false if the system refuses.
    fn bind(cpus: &[usize]) -> bool {
        // SAFETY: zeros are an empty set; the calls take a local of the right type.
        unsafe {
            let mut set = std::mem::zeroed::<libc::cpu_set_t>();
            cpus.iter().for_each(|&cpu| libc::CPU_SET(cpu, &mut set));
            libc::sched_setaffinity(0, size_of_val(&set), &set) == 0
        }
    }

    #[test]
    fn a_bound_thread_counts_the_cpus_of_the_process() {
        let (all, cpu) = (usable_cpus(), current_cpu());
        assert!(all >= 1 && cpu >= 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if bind(&[cpu as usize]) {
                    assert_eq!(usable_cpus(), all);
                    assert_eq!(current_cpu(), cpu);
                }
            });
        });
    }

    #[test]
    fn the_quota_and_the_affinity_limit_the_cpus() {
        assert_eq!(usable(4, 8, 0), 4);
        assert_eq!(usable(4, 8, u32::MAX), 4);
        assert_eq!(usable(4, 8, 2), 2);
        assert_eq!(usable(1, 8, 0), 8, "a bound thread waits for others");
        assert_eq!(usable(1, 8, 3), 3);
        assert_eq!(usable(1, 1, 0), 1);
        assert_eq!(usable(0, 0, 0), 1);
        record_quota();
        assert_ne!(QUOTA.load(Relaxed), 0);
    }

    #[test]
    fn a_real_time_thread_is_known() {
        assert!(!is_realtime());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // SAFETY: the call takes a local of the right type.
                let set = unsafe {
                    let parameter = libc::sched_param { sched_priority: 1 };
                    libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter)
                };
                // Only a privileged process may do that.
                assert_eq!(is_realtime(), set == 0);
            });
        });
    }
}
