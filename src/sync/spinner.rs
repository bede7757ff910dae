//! Adaptive spinning: a wait polls for as long as a sleep would cost, then sleeps, and learns from how it was answered.
//!
//! By the competitive rule, a wait that spins for exactly the cost of a sleep before it sleeps costs at most twice what it would cost
//! if it knew when the answer comes. The cost of a sleep is measured in the waits of the process: a waker leaves the time in the
//! [`WakeStamp`] of what it wakes, and the woken thread compares. The bound is that cost and a quarter more, for the system calls on
//! both sides, and at most the limit of the wait policy.
//!
//! Each waiter, such as one side of a ring or a worker, has a [`Spinner`]: a count of late answers. Each of them halves the spin, and
//! after a few the waiter sleeps at once. An answer in time, during a spin or, by the stamp, soon after the thread began to sleep,
//! halves the count. So two threads that answer each other quickly stay awake, and a thread that waits for the next frame does not
//! spin. A waker on the waiter's own CPU does not count as quick: it could not have run while the waiter spun.
//!
//! The models replace this file by a spin of a fixed number of polls.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::*};

use crate::sync::contention::{self, Spin};
use crate::sync::wait_policy;
use crate::sys::clock::{Deadline, now};
use crate::sys::scheduling::current_cpu;

/// The cost of a wake before one was measured.
const ASSUMED_WAKE_NS: u64 = 20_000;

/// A thread that began to sleep so long before it was woken was asleep. What it measures is a whole wake.
const ASLEEP_NS: u64 = 5_000;

/// Late answers after which a waiter sleeps at once, and at which the count ends.
const GIVE_UP: u32 = 6;
const MAX_LATE: u32 = 8;

/// Polls between two readings of the clock: about a microsecond.
const POLLS: u32 = 16;

/// The measured cost of a wake in nanoseconds; 0 before the first one.
static WAKE_COST: AtomicU32 = AtomicU32::new(0);

/// The cost of a wake after a measurement: about the median of the last ones, because a few are far too long.
fn learn_wake(known: u64, measured: u64) -> u64 {
    let measured = measured.min(wait_policy::MAX_SPIN_NS);
    match known {
        0 => measured,
        _ if measured > known => known + (known / 8).min(measured - known),
        _ => known - (known / 8).min(known - measured),
    }
}

/// The longest worthwhile spin: what a sleep costs. At most `limit`.
fn bound(wake_cost: u64, limit: u64) -> u64 {
    let wake_cost = if wake_cost == 0 { ASSUMED_WAKE_NS } else { wake_cost };
    (wake_cost + wake_cost / 4).min(limit)
}

/// The spin of a waiter after `late` late answers.
fn spin_length(bound: u64, late: u32) -> u64 {
    if late >= GIVE_UP { 0 } else { bound >> late }
}

/// The count of late answers after one that came in time, or did not.
fn learn_answer(late: u32, in_time: bool) -> u32 {
    if in_time { late / 2 } else { (late + 1).min(MAX_LATE) }
}

/// When, and on which CPU, the last wake of the sleepers on one word began. It orders nothing.
#[derive(Debug, Default)]
pub(crate) struct WakeStamp {
    at: AtomicU64,
    cpu: AtomicI32,
}

impl WakeStamp {
    pub(crate) const fn new() -> WakeStamp {
        WakeStamp { at: AtomicU64::new(0), cpu: AtomicI32::new(0) }
    }

    /// Called by the waker, before the wake.
    pub(crate) fn record(&self) {
        self.cpu.store(current_cpu(), Relaxed);
        self.at.store(now(), Relaxed);
    }
}

/// The sleep of one wait: when the wait and the sleep began, the longest worthwhile spin, and the CPU.
#[derive(Clone, Copy)]
struct Sleep {
    start: u64,
    asleep: u64,
    bound: u64,
    cpu: i32,
}

impl Sleep {
    /// Whether the thread was asleep when a wake began, so that it can measure the wake.
    fn began_before(self, woken_at: u64) -> bool {
        woken_at >= self.asleep + ASLEEP_NS
    }

    /// Whether a spin would have met the answer, which came with a wake on the CPU `woken_on`.
    fn was_quick(self, woken_at: u64, woken_on: i32) -> bool {
        // A spin of the whole bound has missed the answer, whenever it came.
        let tried = self.asleep - self.start >= self.bound;
        let in_time = woken_at >= self.start && woken_at - self.start <= self.bound;
        in_time && !tried && woken_on != self.cpu
    }
}

/// What one waiter, or those that wait for the same, has learnt from its last waits.
#[derive(Debug, Default)]
pub(crate) struct Spinner {
    late: AtomicU32,
}

impl Spinner {
    pub(crate) const fn new() -> Spinner {
        Spinner { late: AtomicU32::new(0) }
    }

    /// Waits until `ready` returns a value: polls it for as long as that is worthwhile, then calls `sleep`. A thread that
    /// wakes the sleeper records the `stamp`.
    pub(crate) fn wait<T, E, R: FnMut() -> Option<T>>(
        &self,
        stamp: &WakeStamp,
        deadline: Deadline,
        mut ready: R,
        sleep: impl FnOnce(R) -> Result<T, E>,
    ) -> Result<T, E> {
        let start = now();
        let (limit, always) = wait_policy::current();
        let bound = bound(WAKE_COST.load(Relaxed).into(), limit);
        let length = if always { limit } else { spin_length(bound, self.late.load(Relaxed)) };
        let mut asleep = start;
        if length > 0
            && let Some(mut spin) = Spin::begin(start, !always)
        {
            let end = start.saturating_add(length).min(deadline.at_nanos());
            loop {
                for _ in 0..POLLS {
                    if let Some(value) = ready() {
                        self.learn(true);
                        return Ok(value);
                    }
                    spin_loop();
                }
                asleep = now();
                if asleep >= end || !spin.goes_on(asleep) {
                    break;
                }
            }
        }
        let slept = Sleep { start, asleep, bound, cpu: current_cpu() };
        let result = sleep(ready);
        let woken_at = stamp.at.load(Relaxed);
        if result.is_ok() && slept.began_before(woken_at) {
            let time = now();
            let measured = time.saturating_sub(woken_at);
            WAKE_COST.store(learn_wake(WAKE_COST.load(Relaxed).into(), measured) as u32, Relaxed);
            contention::report_wake(time, measured);
        }
        self.learn(result.is_ok() && slept.was_quick(woken_at, stamp.cpu.load(Relaxed)));
        result
    }

    fn learn(&self, in_time: bool) {
        let late = self.late.load(Relaxed);
        let next = learn_answer(late, in_time);
        // Others read the same cache line.
        if next != late {
            self.late.store(next, Relaxed);
        }
    }
}

/// Polls `ready` for at most 2 µs, on a thread that may spin: for work that follows at once, or not at all.
pub(crate) fn spin_briefly<T>(mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    const BRIEF_NS: u64 = 2_000;

    let start = now();
    let end = start + BRIEF_NS.min(wait_policy::current().0);
    let mut spin = Spin::begin(start, true)?;
    loop {
        for _ in 0..POLLS {
            if let Some(value) = ready() {
                return Some(value);
            }
            spin_loop();
        }
        let time = now();
        if time >= end || !spin.goes_on(time) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::sync::event::Event;
    use crate::sync::wait_check::Stop;
    use crate::sync::wait_policy::{MAX_SPIN_NS, WaitPolicy, with_each};
    use crate::sys::clock::{Timeout, nap};

    /// A generator of the same numbers in every run.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        *state >> 33
    }

    #[test]
    fn the_cost_of_a_wake_follows_the_median_of_the_measurements() {
        assert_eq!(learn_wake(0, 30_000), 30_000, "the first one counts whole");
        assert_eq!(learn_wake(0, u64::MAX), MAX_SPIN_NS);
        let (mut known, mut state) = (0, 1);
        for _ in 0..1_000 {
            // A third of the wakes finds a busy CPU, another one wakes from a deep sleep.
            let measured = match random(&mut state) % 3 {
                0 => 5_000_000,
                1 => 40_000 + random(&mut state) % 2_000,
                _ => 38_000 + random(&mut state) % 2_000,
            };
            known = learn_wake(known, measured);
            assert!(known <= MAX_SPIN_NS);
        }
        assert!((30_000..60_000).contains(&known), "{known}");
        (0..40).for_each(|_| known = learn_wake(known, 8_000));
        assert_eq!(known, 8_000, "it follows a change in a few waits");
        (0..40).for_each(|_| known = learn_wake(known, 60_000));
        assert_eq!(known, 60_000);
    }

    #[test]
    fn the_bound_is_what_a_sleep_costs_and_never_above_the_limit() {
        assert_eq!(bound(0, MAX_SPIN_NS), ASSUMED_WAKE_NS * 5 / 4);
        assert_eq!(bound(40_000, MAX_SPIN_NS), 50_000);
        assert_eq!(bound(MAX_SPIN_NS, MAX_SPIN_NS), MAX_SPIN_NS);
        assert_eq!(bound(40_000, 7_000), 7_000);
        assert_eq!(bound(40_000, 0), 0);
    }

    #[test]
    fn late_answers_shorten_the_spin_and_quick_ones_restore_it() {
        let (bound, mut late, mut total) = (50_000, 0, 0);
        let mut last = u64::MAX;
        for _ in 0..20 {
            let length = spin_length(bound, late);
            assert!(length < last || length == 0);
            (last, total) = (length, total + length);
            late = learn_answer(late, false);
        }
        assert_eq!((last, late), (0, MAX_LATE), "it gives up");
        assert!(total <= 2 * bound, "all of them together spin for less than two sleeps: {total}");
        let mut answers = 0;
        while spin_length(bound, late) < bound {
            late = learn_answer(late, true);
            answers += 1;
        }
        assert!(answers <= 4, "{answers}");
        // One late answer among quick ones does not matter for long.
        late = learn_answer(learn_answer(late, false), true);
        assert_eq!(spin_length(bound, late), bound);
    }

    /// Waits whose answers come at random times: no strategy of this form costs more than twice the best one, wait by wait, as long
    /// as the bound is the cost of a sleep.
    #[test]
    fn no_wait_costs_more_than_two_sleeps() {
        let (mut late, mut state, cost) = (0, 7, 40_000);
        for _ in 0..10_000 {
            let answer = random(&mut state) % 100_000;
            let length = spin_length(bound(cost, MAX_SPIN_NS), late);
            let (spent, in_time) = if answer <= length { (answer, true) } else { (length + cost, false) };
            assert!(spent <= 2 * cost + cost / 4);
            late = learn_answer(late, in_time);
        }
    }

    /// How often a wait polls that gets no answer.
    fn polls(event: &Event, spinner: &Spinner, timeout: u64) -> u64 {
        let polls = Cell::new(0);
        let ready = || {
            polls.set(polls.get() + 1);
            None::<()>
        };
        let ended = event.wait_with(spinner, Deadline::after(Timeout::nanos(timeout)), ready);
        assert_eq!(ended, Err(Stop::TimedOut));
        polls.get()
    }

    /// Before a sleep: when the wait begins, before and after the futex.
    const WITHOUT_SPIN: u64 = 3;

    #[test]
    fn a_waiter_without_answers_ends_to_spin() {
        let (event, spinner) = (Event::new(), Spinner::new());
        with_each(|policy| match policy {
            WaitPolicy::Spin { .. } => {
                spinner.late.store(MAX_LATE, Relaxed);
                let spun = polls(&event, &spinner, 1_000_000);
                assert!(spun > WITHOUT_SPIN || Spin::begin(now(), false).is_none(), "{spun}");
            }
            _ => {
                (0..GIVE_UP).for_each(|_| _ = polls(&event, &spinner, 1_000_000));
                assert_eq!(polls(&event, &spinner, 1_000_000), WITHOUT_SPIN, "{policy:?}");
            }
        });
    }

    #[test]
    fn a_spin_ends_at_its_deadline() {
        let (event, spinner) = (Event::new(), Spinner::new());
        with_each(|_| {
            spinner.late.store(0, Relaxed);
            let start = now();
            let most = polls(&event, &spinner, 1);
            // The polls of one reading of the clock, and those of a wait without a spin.
            assert!(most <= u64::from(POLLS) + WITHOUT_SPIN, "{most} polls in {} ns", now() - start);
        });
    }

    #[test]
    fn a_real_time_thread_sleeps_at_once() {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // SAFETY: the call takes a local of the right type.
                let set = unsafe {
                    let parameter = libc::sched_param { sched_priority: 1 };
                    libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameter)
                };
                let (event, spinner) = (Event::new(), Spinner::new());
                with_each(|policy| {
                    spinner.late.store(0, Relaxed);
                    // Only a privileged process may set the policy.
                    if set == 0 {
                        assert_eq!(polls(&event, &spinner, 1_000_000), WITHOUT_SPIN, "{policy:?}");
                    }
                });
            });
        });
    }

    /// Two threads answer each other, with pauses that meet a waiter that spins, one that falls asleep and one that sleeps.
    #[test]
    fn no_wake_up_is_lost_with_any_policy() {
        const ROUNDS: u64 = 3_000;

        with_each(|policy| {
            let (there, back) = (Event::new(), Event::new());
            let (sent, answered) = (AtomicU64::new(0), AtomicU64::new(0));
            let limit = || Deadline::after(Timeout::nanos(60_000_000_000));
            let reached = |word: &AtomicU64, round| (word.load(Acquire) >= round).then_some(());
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for round in 1..=ROUNDS {
                        assert_eq!(there.wait(limit(), || reached(&sent, round)), Ok(()), "{policy:?}");
                        answered.store(round, Release);
                        back.signal();
                    }
                });
                let mut state = 3;
                for round in 1..=ROUNDS {
                    match random(&mut state) % 64 {
                        0 => _ = nap(100_000),
                        pause @ 1..16 => {
                            let end = now() + pause * 4_000;
                            while now() < end {
                                spin_loop();
                            }
                        }
                        _ => {}
                    }
                    sent.store(round, Release);
                    there.signal();
                    assert_eq!(back.wait(limit(), || reached(&answered, round)), Ok(()), "{policy:?}");
                }
            });
        });
    }

    #[test]
    fn a_wake_shows_whether_its_answer_was_quick() {
        let wait = Sleep { start: 1_000_000, asleep: 1_010_000, bound: 50_000, cpu: 2 };
        assert!(wait.was_quick(1_020_000, 3));
        assert!(wait.was_quick(1_050_000, 3));
        assert!(!wait.was_quick(1_050_001, 3), "later than a spin would have lasted");
        assert!(!wait.was_quick(1_020_000, 2), "its waker needed the waiter's own CPU");
        assert!(!wait.was_quick(999_999, 3), "a wake of an earlier wait");
        let tried = Sleep { asleep: 1_050_000, ..wait };
        assert!(!tried.was_quick(1_050_000, 3), "a spin of the whole bound has missed it");
        assert!(wait.began_before(1_015_000));
        assert!(!wait.began_before(1_014_999), "perhaps not asleep yet");
        assert!(!wait.began_before(0));
    }

    #[test]
    fn a_woken_waiter_measures_the_wake() {
        let (event, spinner) = (Event::new(), Spinner::new());
        spinner.late.store(MAX_LATE, Relaxed);
        let (answered, end) = (AtomicU64::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while end.load(Relaxed) == 0 {
                    nap(1_000_000);
                    answered.fetch_add(1, Release);
                    event.signal();
                }
            });
            let limit = Deadline::after(Timeout::nanos(60_000_000_000));
            // A waiter that falls asleep too late, because the machine is busy, measures nothing: another round.
            while WAKE_COST.load(Relaxed) == 0 && !limit.passed() {
                let round = answered.load(Relaxed) + 1;
                let ready = || (answered.load(Acquire) >= round).then_some(());
                assert_eq!(event.wait_with(&spinner, limit, ready), Ok(()), "round {round}");
            }
            end.store(1, Relaxed);
        });
        assert!((1..=MAX_SPIN_NS).contains(&WAKE_COST.load(Relaxed).into()));
    }
}
