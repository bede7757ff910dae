//! Sleeping, waking and closing of one side of a ring: a futex, an optional descriptor, an optional waker, one waiting thread a side.
//!
//! Each side of a ring has a [`WaitSide`]. A receiver sleeps on its own until the sender's index (`tail`) reaches a threshold, a
//! sender until the receiver's (`head`) does. Each time a side has moved its index it calls [`WaitSide::signal`] of the *other* side:
//! one load if no thread sleeps there, else a wake-up if the index has reached the threshold. Event loops wait by the descriptor,
//! tasks of executors and the feeds of managers by the waker; each of the three has a threshold of its own.
//!
//! This is an event count with a threshold. The waiter stores its threshold, announces itself in `word`, passes the rare side of
//! the asymmetric barrier and checks once more before it sleeps. The other side moves its index, passes the frequent side and
//! loads `word`. One of the two sees the other, so no wake-up is lost. The signaller clears the announcement before it wakes, so a
//! sleeper is woken once. The model checker compiles this file.

use std::os::fd::RawFd;
use std::task::Waker;

use crate::error::{Error, Result, Status};
use crate::spsc::flow::Flow;
use crate::spsc::statistics::EndCounters;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::barrier::{heavy, light};
use crate::sync::mutex::Mutex;
use crate::sync::spinner::{Spinner, WakeStamp};
use crate::sync::wait_check::{Stop, in_slices};
use crate::sys::clock::{Deadline, now};
use crate::sys::eventfd::Descriptor;
use crate::sys::futex;

/// A thread sleeps on the word until the other index reaches `asleep_for`.
const ASLEEP: u32 = 1;
/// The descriptor becomes readable when the other index reaches `armed_for`.
const ARMED: u32 = 2;
/// The waker is called when the other index reaches `called_for`.
const CALLED: u32 = 16;
/// Something waits for the other index.
pub(crate) const ANNOUNCED: u32 = ASLEEP | ARMED | CALLED;
/// Another object moves the bytes of the end of this side.
const LENT: u32 = 32;
/// The side moves no more bytes.
const CLOSED: u32 = 4;
/// The end of this side has been destroyed: another end may be attached.
const DESTROYED: u32 = 8;

/// The state of one side of a ring that the other side sees.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WaitSide {
    word: AtomicU32,
    asleep_for: AtomicU64,
    armed_for: AtomicU64,
    called_for: AtomicU64,
    /// When the waiting thread was woken last.
    stamp: WakeStamp,
    /// Made when first asked for.
    descriptor: Mutex<Option<Descriptor>>,
    /// Taken by the thread that calls it.
    waker: Mutex<Option<Waker>>,
    own: WaiterState,
}

/// What only the side's own threads use, on a cache line that the other side's signals do not read.
#[derive(Debug, Default)]
#[repr(align(128))]
struct WaiterState {
    /// A thread is in a wait of this side.
    has_waiter: AtomicBool,
    spinner: Spinner,
}

/// The right to wait on a side. One thread has it at a time.
#[derive(Debug)]
pub(crate) struct SoleWaiter<'a>(&'a AtomicBool);

impl Drop for SoleWaiter<'_> {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

impl WaitSide {
    /// Whether the side is closed. What it did before it closed is visible then.
    #[inline(always)]
    pub(crate) fn is_closed(&self) -> bool {
        self.word.load(Acquire) & CLOSED != 0
    }

    /// The same as a number: 0 while the side is open.
    #[inline(always)]
    pub(crate) fn closed_bit(&self) -> u64 {
        u64::from(self.word.load(Acquire) & CLOSED)
    }

    /// The word whose [`ANNOUNCED`] bits are set while something waits on the side.
    #[inline(always)]
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.word
    }

    /// Whether something waits on the side: a thread, the descriptor or a waker.
    #[inline(always)]
    pub(crate) fn is_awaited(&self) -> bool {
        self.word.load(Relaxed) & ANNOUNCED != 0
    }

    /// The state as a word of the dump.
    #[cfg(not(loom))]
    pub(crate) fn state(&self) -> &'static str {
        match self.word.load(Relaxed) {
            word if word & DESTROYED != 0 => "destroyed",
            word if word & CLOSED != 0 => "closed",
            word if word & LENT != 0 => "lent to a feed",
            _ if self.own.has_waiter.load(Relaxed) => "waiting",
            _ => "open",
        }
    }

    /// Closes the side. [`WaitSide::wake_all`] of both sides must follow.
    pub(crate) fn close(&self) {
        self.word.fetch_or(CLOSED, Release);
    }

    /// Marks the end of this side as destroyed.
    pub(crate) fn mark_destroyed(&self) {
        // The end is closed, so no thread announces anything any more.
        self.word.fetch_and(CLOSED | LENT, Relaxed);
        self.word.fetch_or(CLOSED | DESTROYED, Release);
    }

    /// Lends the end of this side to another object. False if it is lent already.
    pub(crate) fn lend(&self) -> bool {
        self.word.fetch_or(LENT, Relaxed) & LENT == 0
    }

    /// Whether the end is lent. If not, what the borrower did is visible.
    pub(crate) fn is_lent(&self) -> bool {
        self.word.load(Acquire) & LENT != 0
    }

    /// Ends the loan.
    pub(crate) fn end_loan(&self) {
        self.word.fetch_and(!LENT, Release);
    }

    /// Opens the side for a new end. False unless the old end was destroyed.
    pub(crate) fn reopen(&self) -> bool {
        // Acquire: what the old end did is visible to the new one.
        self.word.compare_exchange(CLOSED | DESTROYED, 0, AcqRel, Relaxed).is_ok()
    }

    /// The other index has come to `index`: wakes what waits for that. Whether it woke anything.
    #[inline(always)]
    pub(crate) fn signal(&self, index: u64) -> bool {
        light();
        self.is_awaited() && self.wake(|needed| reached(index, needed))
    }

    /// Wakes what waits on the side whatever its threshold: one of the two sides has closed.
    pub(crate) fn wake_all(&self) {
        light();
        self.wake(|_| true);
    }

    #[cold]
    #[inline(never)]
    fn wake(&self, enough: impl Fn(u64) -> bool) -> bool {
        // Acquire: a thread that sees the announcement sees the threshold.
        let word = self.word.load(Acquire);
        let take = |bit: u32, needed: &AtomicU64| {
            word & bit != 0 && enough(needed.load(Relaxed)) && self.word.fetch_and(!bit, AcqRel) & bit != 0
        };
        let (asleep, armed) = (take(ASLEEP, &self.asleep_for), take(ARMED, &self.armed_for));
        let called = take(CALLED, &self.called_for);
        if asleep {
            self.stamp.record();
            futex::wake(&self.word, 1);
        }
        if armed {
            self.set_descriptor();
        }
        if called {
            self.call_waker();
        }
        asleep || armed || called
    }

    /// Takes the right to wait. None while another thread has it.
    pub(crate) fn try_wait(&self) -> Option<SoleWaiter<'_>> {
        let taken = self.own.has_waiter.compare_exchange(false, true, Acquire, Relaxed).is_ok();
        taken.then(|| SoleWaiter(&self.own.has_waiter))
    }

    /// Waits until `ready` returns a flow, which it does when the other index has reached `needed`.
    pub(crate) fn wait(
        &self,
        needed: u64,
        deadline: Deadline,
        counters: &EndCounters,
        ready: impl Fn() -> Option<Flow>,
    ) -> Result<Flow> {
        if let Some(flow) = ready() {
            return Ok(flow);
        }
        let Some(_sole) = self.try_wait() else {
            let message = "another thread waits on this end; one waiter a side";
            return Err(Error::text(Status::Busy, message));
        };
        if deadline == Deadline::PAST {
            return Ok(Flow::Timeout);
        }
        counters.waits.add(1);
        let start = now();
        let ended = self.own.spinner.wait(&self.stamp, deadline, ready, |ready| {
            in_slices(deadline, |limit, listens| self.park(needed, limit, listens, &ready))
        });
        counters.waited.count(now() - start);
        Ok(match ended {
            Ok(flow) => flow,
            Err(Stop::TimedOut) => Flow::Timeout,
            Err(Stop::Signalled | Stop::Interrupted) => Flow::Interrupted,
            Err(Stop::Ended) => Flow::Closed,
        })
    }

    /// Sleeps until the other index has reached `needed` and `ready` returns a flow. A thread that `listens` returns when it has
    /// handled a signal.
    fn park(
        &self,
        needed: u64,
        deadline: Deadline,
        listens: bool,
        ready: impl Fn() -> Option<Flow>,
    ) -> std::result::Result<Flow, Stop> {
        let result = loop {
            self.asleep_for.store(needed, Relaxed);
            let announced = self.word.fetch_or(ASLEEP, Release) | ASLEEP;
            heavy();
            if let Some(flow) = ready() {
                break Ok(flow);
            }
            match futex::wait(&self.word, announced, deadline) {
                // Checked before the next announcement, because the barrier is slow and the wake-up is rarely spurious.
                futex::Slept::Again => {
                    if let Some(flow) = ready() {
                        break Ok(flow);
                    }
                }
                futex::Slept::TimedOut => break ready().ok_or(Stop::TimedOut),
                futex::Slept::Signalled if listens => break ready().ok_or(Stop::Signalled),
                futex::Slept::Signalled => {}
            }
        };
        self.word.fetch_and(!ASLEEP, Relaxed);
        result
    }

    /// The descriptor of this side.
    pub(crate) fn fd(&self) -> Result<RawFd> {
        let mut descriptor = self.descriptor.lock();
        if descriptor.is_none() {
            *descriptor = Some(Descriptor::new()?);
        }
        descriptor.as_ref().map(Descriptor::fd).ok_or_else(|| Error::of(Status::Limit))
    }

    /// What `ready` returns now. If that is None, the descriptor becomes readable when the other index reaches `needed`.
    pub(crate) fn arm(&self, needed: u64, ready: impl Fn() -> Option<Flow>) -> Result<Option<Flow>> {
        self.fd()?;
        if let Some(flow) = ready() {
            // An event loop may poll the descriptor before it arms: at the end it stays readable.
            if flow == Flow::Closed {
                self.set_descriptor();
            }
            return Ok(Some(flow));
        }
        if let Some(descriptor) = &*self.descriptor.lock() {
            descriptor.clear();
        }
        self.armed_for.store(needed, Relaxed);
        self.word.fetch_or(ARMED, Release);
        heavy();
        let flow = ready();
        if flow.is_some() {
            self.word.fetch_and(!ARMED, Relaxed);
            self.set_descriptor();
        }
        Ok(flow)
    }

    /// What `ready` returns now. If that is None, `waker` is called once when the other index reaches `needed`, or when one of the
    /// sides closes. It replaces the waker that was set before.
    ///
    /// A call may come late, after another `set_waker`, and then takes that waker. A thread or task that is called therefore checks the
    /// condition again, and sets the waker again if it does not hold.
    pub(crate) fn set_waker(
        &self,
        needed: u64,
        waker: &Waker,
        ready: impl Fn() -> Option<Flow>,
    ) -> Option<Flow> {
        // The lock is not held while foreign code runs: clones and drops of wakers.
        let own = waker.clone();
        let old = self.waker.lock().replace(own);
        drop(old);
        self.called_for.store(needed, Relaxed);
        self.word.fetch_or(CALLED, Release);
        heavy();
        let known = ready();
        if known.is_some() {
            // Not kept: a waker may own the task that owns this end.
            self.clear_waker();
        }
        known
    }

    /// Drops the waker. A thread that has taken it already may still call it.
    pub(crate) fn clear_waker(&self) {
        self.word.fetch_and(!CALLED, Relaxed);
        let old = self.waker.lock().take();
        drop(old);
    }

    #[cold]
    fn call_waker(&self) {
        // Called without the lock: the waker may set itself again.
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn set_descriptor(&self) {
        if let Some(descriptor) = &*self.descriptor.lock() {
            descriptor.set();
        }
    }
}

/// Whether a free-running index has come to `needed`. The two are less than 2⁶³ apart, also where they wrap.
fn reached(index: u64, needed: u64) -> bool {
    index.wrapping_sub(needed) as i64 >= 0
}
