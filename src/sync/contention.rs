//! Competition for CPUs: whether a thread that waits may spin, by what the kernel and the clock show of the calling thread.
//!
//! Counting the runnable threads of the machine would not answer the question: the count of `/proc/loadavg` knows neither affinities
//! nor quotas, and that of involuntary context switches includes the thread's own yields. What a thread meets itself respects all of
//! them and costs nothing:
//!
//! - A real-time thread, and any thread of a process with one CPU by affinity or quota, never spins.
//! - A thread that loses its CPU during a spin, or waits for a CPU after a wake, competes with threads that are busy: it does not spin
//!   in the next 10 ms.
//! - Fewer threads of the process spin at once than there are CPUs, so that the thread that they wait for has one.
//!
//! The kernel is asked at most once in 10 ms a thread, and only by waits that would spin. Busy threads that never take the waiter's
//! own CPU remain unseen; there, what the waiter learns from its own waits ends the spinning (`spinner`).

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering::*};

use crate::sys::scheduling::{is_realtime, usable_cpus};

/// How long an answer of the kernel counts, and how long a thread that competes for its CPU does not spin.
const PERIOD_NS: u64 = 10_000_000;

/// So long a time between two readings of the clock in a spin, about a microsecond apart, was another thread's.
const PREEMPTED_NS: u64 = 50_000;

/// A wake that takes so long has waited for a CPU: time slices are longer, and an idle CPU wakes sooner.
const QUEUED_NS: u64 = 500_000;

/// After that time, a spin counts among those that leave one CPU free.
const UNCOUNTED_NS: u64 = 2_000;

/// What a thread knows of its scheduling.
#[derive(Clone, Copy)]
struct ThreadLoad {
    /// When the kernel is asked next.
    ask_at: u64,
    /// Usable CPUs; 0 for a thread that must not spin.
    cpus: u32,
    /// The thread competes for its CPU until then.
    contended_until: u64,
}

thread_local!(static LOAD: Cell<ThreadLoad> =
    const { Cell::new(ThreadLoad { ask_at: 0, cpus: 0, contended_until: 0 }) });

/// The threads of the process that spin in a wait. A child that was forked meanwhile counts them for ever: its own spins may end after
/// `UNCOUNTED_NS`.
static SPINNING: AtomicU32 = AtomicU32::new(0);

impl ThreadLoad {
    /// Whether the thread may spin at `time`. A spin that does not yield disregards that threads compete for CPUs.
    fn may_spin(self, time: u64, yields: bool) -> bool {
        self.cpus > 1 && (!yields || time >= self.contended_until)
    }
}

/// The calling thread competes for its CPU at `time`.
fn set_contended(time: u64) {
    LOAD.set(ThreadLoad { contended_until: time + PERIOD_NS, ..LOAD.get() });
}

/// The calling thread runs at `time`, so long after a wake began.
pub(crate) fn report_wake(time: u64, duration: u64) {
    if duration >= QUEUED_NS {
        set_contended(time);
    }
}

/// The spin of one wait.
#[derive(Debug)]
pub(crate) struct Spin {
    start: u64,
    last: u64,
    cpus: u32,
    /// Competition ends the spin.
    yields: bool,
    counted: bool,
}

impl Spin {
    /// A spin of the calling thread that begins at `time`, or None if it must not spin. One that does not yield disregards that
    /// threads compete for CPUs.
    pub(crate) fn begin(time: u64, yields: bool) -> Option<Spin> {
        let mut load = LOAD.get();
        if time >= load.ask_at {
            let cpus = if is_realtime() { 0 } else { usable_cpus() };
            load = ThreadLoad { ask_at: time + PERIOD_NS, cpus, ..load };
            LOAD.set(load);
        }
        let allowed = load.may_spin(time, yields);
        allowed.then_some(Spin { start: time, last: time, cpus: load.cpus, yields, counted: false })
    }

    /// Whether the spin goes on at `time`. Called about once in a microsecond.
    pub(crate) fn goes_on(&mut self, time: u64) -> bool {
        if !self.yields {
            return true;
        }
        if time.saturating_sub(self.last) >= PREEMPTED_NS {
            set_contended(time);
            return false;
        }
        self.last = time;
        if !self.counted {
            // Two threads that wait for each other in turn overlap for a moment: a spin is refused only if it lasts.
            let taken =
                SPINNING.fetch_update(Relaxed, Relaxed, |count| (count + 1 < self.cpus).then_some(count + 1));
            self.counted = taken.is_ok();
        }
        self.counted || time - self.start < UNCOUNTED_NS
    }
}

impl Drop for Spin {
    fn drop(&mut self) {
        if self.counted {
            SPINNING.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::now;

    /// Runs `test` on a thread of its own, which knows nothing of its scheduling yet.
    fn on_a_new_thread(test: impl FnOnce() + Send) {
        std::thread::scope(|scope| _ = scope.spawn(test));
    }

    #[test]
    fn one_cpu_or_a_real_time_policy_forbids_to_spin() {
        let load = ThreadLoad { ask_at: 0, cpus: 2, contended_until: 0 };
        assert!(load.may_spin(1, true) && load.may_spin(1, false));
        for cpus in [0, 1] {
            let load = ThreadLoad { cpus, ..load };
            assert!(!load.may_spin(1, true) && !load.may_spin(1, false));
        }
    }

    #[test]
    fn a_wake_that_waited_for_a_cpu_forbids_to_spin_for_a_while() {
        on_a_new_thread(|| {
            let time = now();
            LOAD.set(ThreadLoad { ask_at: u64::MAX, cpus: 4, contended_until: 0 });
            report_wake(time, QUEUED_NS - 1);
            assert!(Spin::begin(time, true).is_some());
            report_wake(time, QUEUED_NS);
            assert!(Spin::begin(time, true).is_none());
            assert!(Spin::begin(time, false).is_some(), "a spin that does not yield");
            assert!(Spin::begin(time + PERIOD_NS - 1, true).is_none());
            assert!(Spin::begin(time + PERIOD_NS, true).is_some(), "it is over");
        });
    }

    #[test]
    fn the_kernel_is_asked_again_after_a_while() {
        on_a_new_thread(|| {
            let time = now();
            let _ = Spin::begin(time, true);
            let known = LOAD.get();
            assert_eq!(known.ask_at, time + PERIOD_NS);
            LOAD.set(ThreadLoad { cpus: 77, ..known });
            let _ = Spin::begin(time + PERIOD_NS - 1, true);
            assert_eq!(LOAD.get().cpus, 77);
            let _ = Spin::begin(time + PERIOD_NS, true);
            assert_eq!(LOAD.get().cpus, known.cpus);
        });
    }

    fn spin(cpus: u32) -> Spin {
        Spin { start: 0, last: 0, cpus, yields: true, counted: false }
    }

    #[test]
    fn a_gap_between_two_readings_of_the_clock_ends_the_spin() {
        on_a_new_thread(|| {
            let mut stubborn = Spin { yields: false, ..spin(u32::MAX) };
            let mut spin = spin(u32::MAX);
            assert!(spin.goes_on(1_000) && spin.goes_on(1_000 + PREEMPTED_NS - 1));
            let time = 1_000 + 2 * PREEMPTED_NS;
            assert!(!spin.goes_on(time));
            assert_eq!(LOAD.get().contended_until, time + PERIOD_NS);
            assert!(stubborn.goes_on(time));
        });
    }

    #[test]
    fn a_spin_that_lasts_leaves_one_cpu_free() {
        // So many CPUs that the waits of other tests do not matter.
        let cpus = 1_000_001;
        let mut spins: Vec<Spin> = Vec::new();
        SPINNING.fetch_add(1_000_000, Relaxed);
        for _ in 0..10_000 {
            let mut next = spin(cpus);
            let counted = next.goes_on(500) && next.counted;
            spins.push(next);
            if !counted {
                break;
            }
        }
        SPINNING.fetch_sub(1_000_000, Relaxed);
        let refused = spins.last_mut().unwrap();
        assert!(!refused.counted, "the count is limited");
        refused.cpus = 1;
        assert!(refused.goes_on(UNCOUNTED_NS - 1) && !refused.goes_on(UNCOUNTED_NS));
        refused.cpus = 1_000_001;
        assert!(refused.goes_on(UNCOUNTED_NS + 1) && refused.counted, "there is space again");
    }

    #[test]
    fn a_real_time_thread_does_not_spin() {
        on_a_new_thread(|| {
            // SAFETY: the call takes a local of the right type.
            let set = unsafe {
                let parameter = libc::sched_param { sched_priority: 1 };
                libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter)
            };
            // Only a privileged process may do that.
            if set == 0 {
                assert!(Spin::begin(now(), true).is_none() && Spin::begin(now(), false).is_none());
            }
        });
    }
}
