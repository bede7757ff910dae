//! Calls that cross to the owner thread. A caller waits for its own, so that what the call works on may lie on its stack.

use std::collections::VecDeque;

use super::claim::Claim;
use super::driver::Driver;
use super::shared::Shared;
use crate::alloc::Arc;
use crate::error::{Error, Result, Status};
use crate::sync::atomic::{AtomicU32, Ordering::*};
use crate::sync::mutex::Mutex;
use crate::sync::wait_check::Stop;
use crate::sys::clock::Deadline;

/// A call in the queue.
#[derive(Debug)]
pub(crate) struct Call {
    claim: Claim,
    /// The caller's [`Slot`], there until the claim is decided and, where that says so, done.
    slot: *mut (),
    run: unsafe fn(*mut (), &Shared),
}

// SAFETY: the claim decides who touches the slot, and what is in it is `Send`.
unsafe impl Send for Call {}
// SAFETY: as above.
unsafe impl Sync for Call {}

impl Call {
    /// Runs it, unless its caller has taken it back. The owner thread only.
    pub(crate) fn run(&self, shared: &Shared) {
        if self.claim.begin() {
            // SAFETY: begun, so the caller waits, and the slot is as the call was made.
            unsafe { (self.run)(self.slot, shared) };
            self.claim.finish();
        }
    }
}

/// Calls that may wait at once; more wait for room.
const ROOM: usize = 256;

/// Calls that wait, in their order. Its memory is there from the beginning.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<VecDeque<Arc<Call>>>,
    /// As many, for those who only look.
    length: AtomicU32,
}

impl Queue {
    pub(crate) fn new() -> Result<Queue> {
        let mut waiting = VecDeque::new();
        waiting.try_reserve_exact(ROOM)?;
        Ok(Queue { waiting: Mutex::new(waiting), length: AtomicU32::new(0) })
    }

    /// False if it is full.
    fn push(&self, call: &Arc<Call>) -> bool {
        let mut waiting = self.waiting.lock();
        let room = waiting.len() < ROOM;
        if room {
            waiting.push_back(call.clone());
            self.length.store(waiting.len() as u32, Release);
        }
        room
    }

    pub(crate) fn pop(&self) -> Option<Arc<Call>> {
        if self.is_empty() {
            return None;
        }
        let mut waiting = self.waiting.lock();
        let call = waiting.pop_front();
        self.length.store(waiting.len() as u32, Release);
        call
    }

    pub(crate) fn len(&self) -> usize {
        self.length.load(Acquire) as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a call is about, on its caller's stack.
struct Slot<W, R> {
    work: Option<W>,
    result: Option<Result<R>>,
}

/// # Safety
/// The slot is of that type, and nobody else touches it.
unsafe fn run<W, R>(slot: *mut (), shared: &Shared)
where
    W: FnOnce(&mut dyn Driver) -> Result<R>,
{
    // SAFETY: the caller's promise.
    let slot = unsafe { &mut *slot.cast::<Slot<W, R>>() };
    slot.result = slot.work.take().map(|work| shared.enter(work));
}

/// A call that has been made. However its caller leaves, the owner thread is done with it by then.
struct Pending<'a> {
    shared: &'a Shared,
    call: Arc<Call>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        // What runs is waited for to its end, whatever signals come.
        if !self.call.claim.take_back() {
            let _ = self
                .shared
                .progress
                .wait_through(Deadline::NEVER, || self.call.claim.is_done().then_some(()));
        }
    }
}

/// Has `work` run on the owner thread, and waits for it. On an error of its own it never ran.
pub(crate) fn cross<W, R>(shared: &Shared, deadline: Deadline, stop: &dyn Fn() -> bool, work: W) -> Result<R>
where
    W: FnOnce(&mut dyn Driver) -> Result<R> + Send,
    R: Send,
{
    let mut slot = Slot { work: Some(work), result: None };
    let call = Call { claim: Claim::new(), slot: (&raw mut slot).cast(), run: run::<W, R> };
    let call = Arc::try_new(call).map_err(|_| Error::of(Status::OutOfMemory))?;
    let stopped = {
        let pending = Pending { shared, call };
        let over = || stop() || shared.alive().is_err();
        let mut queued = false;
        let mut settled = || {
            queued = queued || shared.queue(&pending.call);
            (pending.call.claim.is_done() || over()).then_some(())
        };
        shared.progress.wait(deadline, &mut settled).err()
    };
    match slot.result {
        Some(result) => result,
        None => Err(shared.why(stopped)),
    }
}

impl Shared {
    /// Puts a call into the queue and tells the owner thread; false if the queue is full.
    fn queue(&self, call: &Arc<Call>) -> bool {
        let room = self.calls.push(call);
        if room {
            self.work.signal();
        }
        room
    }

    /// Why a wait ended without what it waited for.
    pub(crate) fn why(&self, stopped: Option<Stop>) -> Error {
        let gone = self.alive().err();
        gone.unwrap_or_else(|| stopped.unwrap_or(Stop::Ended).into())
    }
}
