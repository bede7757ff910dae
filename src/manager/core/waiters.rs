//! Waiting calls and watch subscriptions of a manager, and the signals that wake them after progress.
//!
//! [`Waiters`] is the event on which synchronizers sleep, with a list for dumps. [`Subscribers`] sets the descriptors of
//! watches, for event loops, and calls the wakers of tasks.

use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use crate::alloc::{Arc, Weak, try_arc};
use crate::error::Result;
use crate::manager::core::callback;
use crate::manager::core::progress::Progress;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::barrier::{heavy, light};
use crate::sync::event::Event;
use crate::sync::mutex::{FutexMutex, Mutex};
use crate::sync::spinner::Spinner;
use crate::sync::wait_check::Stop;
use crate::sys::clock::{Deadline, now};
use crate::sys::eventfd::Descriptor;
use crate::sys::thread::thread_id;

/// Maximum of listed waiters; others are only counted.
const MAX_LISTED: usize = 64;

/// A call that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    pub(crate) what: &'static str,
    pub(crate) thread: u32,
    pub(crate) since: u64,
}

#[derive(Debug)]
struct WaiterList {
    waiters: [Option<Waiter>; MAX_LISTED],
    unlisted: u64,
}

/// Calls that wait for anything but the release of a copy.
#[derive(Debug)]
pub(crate) struct Waiters {
    event: Event,
    /// Of calls that wait for their own work. Waits for epochs have others, since these come when another thread publishes.
    calls: Spinner,
    list: FutexMutex<WaiterList>,
}

/// An entry in the list of waiters, removed when dropped.
#[derive(Debug)]
pub(crate) struct ListedWaiter<'a> {
    waiters: &'a Waiters,
    index: usize,
}

impl Waiters {
    pub(crate) const fn new() -> Waiters {
        Waiters {
            event: Event::new(),
            calls: Spinner::new(),
            list: FutexMutex::new(WaiterList { waiters: [None; MAX_LISTED], unlisted: 0 }),
        }
    }

    /// Wakes every waiter. Call it after the change.
    #[inline(always)]
    pub(crate) fn signal(&self) {
        self.event.signal();
    }

    /// Waits for an epoch: until `ready` returns a value. `spinner` is the waiter's own, if it has one.
    pub(crate) fn wait<T>(
        &self,
        spinner: Option<&Spinner>,
        deadline: Deadline,
        ready: impl FnMut() -> Option<T>,
    ) -> std::result::Result<T, Stop> {
        self.event.wait_with(spinner.unwrap_or(self.event.spinner()), deadline, ready)
    }

    /// A call waits until `ready` returns a value. It is listed while it sleeps.
    pub(crate) fn wait_for_work<T>(
        &self,
        what: &'static str,
        deadline: Deadline,
        ready: impl FnMut() -> Option<T>,
    ) -> std::result::Result<T, Stop> {
        self.calls.wait(self.event.stamp(), deadline, ready, |ready| {
            let _listed = self.enter(what);
            self.event.sleep(deadline, ready)
        })
    }

    /// Lists the calling thread as a waiter.
    pub(crate) fn enter(&self, what: &'static str) -> ListedWaiter<'_> {
        let mut list = self.list.lock();
        let index = list.waiters.iter().position(Option::is_none).unwrap_or(MAX_LISTED);
        match list.waiters.get_mut(index) {
            Some(entry) => *entry = Some(Waiter { what, thread: thread_id(), since: now() }),
            None => list.unlisted += 1,
        }
        ListedWaiter { waiters: self, index }
    }

    /// Calls `visit` for every listed waiter and returns the number of others; None if the list is locked.
    pub(crate) fn try_for_each(&self, mut visit: impl FnMut(&Waiter)) -> Option<u64> {
        let list = self.list.try_lock()?;
        list.waiters.iter().flatten().for_each(&mut visit);
        Some(list.unlisted)
    }
}

impl Drop for ListedWaiter<'_> {
    fn drop(&mut self) {
        let mut list = self.waiters.list.lock();
        match list.waiters.get_mut(self.index) {
            Some(entry) => *entry = None,
            None => list.unlisted -= 1,
        }
    }
}

/// What one watch waits for, its descriptor, and the waker of a task.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// The last epoch that the watch has returned.
    after: AtomicU64,
    /// The ticket that also makes the descriptor readable; 0 for none.
    ticket: AtomicU64,
    /// Failed attempts when that ticket was set.
    failures: AtomicU64,
    closed: AtomicU32,
    descriptor: Mutex<Option<Descriptor>>,
    /// Of the task that has polled the watch last, until it is called.
    waker: Mutex<Option<Waker>>,
    spinner: Spinner,
    /// Whether publishers notify it: it has a descriptor, or a task has polled it.
    notified: AtomicBool,
}

impl Subscription {
    /// What the watch has learnt from its waits.
    pub(crate) fn spinner(&self) -> &Spinner {
        &self.spinner
    }

    /// The last epoch that the watch has returned.
    pub(crate) fn after(&self) -> u64 {
        self.after.load(Acquire)
    }

    /// Records that the watch returned `epoch`.
    pub(crate) fn seen(&self, epoch: u64) {
        self.after.fetch_max(epoch, AcqRel);
    }

    /// Waits for `ticket` as well.
    pub(crate) fn set_ticket(&self, ticket: u64, progress: &Progress) {
        self.failures.store(progress.failures(), SeqCst);
        self.ticket.store(ticket, SeqCst);
        self.update(progress);
    }

    /// Clears the ticket if it is decided, unless another one has been set meanwhile.
    pub(crate) fn clear_decided_ticket(&self, progress: &Progress) {
        let ticket = self.ticket.load(Acquire);
        if self.is_ticket_decided(progress) {
            let _ = self.ticket.compare_exchange(ticket, 0, SeqCst, Relaxed);
        }
    }

    /// Whether the ticket is completed, or an attempt with it has failed since it was set, or before with an error that no
    /// call has returned yet.
    fn is_ticket_decided(&self, progress: &Progress) -> bool {
        let ticket = self.ticket.load(Acquire);
        let news = || progress.failures() != self.failures.load(Acquire) || progress.is_failure_unreported();
        ticket != 0 && (progress.is_completed(ticket) || progress.has_failed(ticket) && news())
    }

    pub(crate) fn close(&self) {
        self.closed.store(1, SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Acquire) != 0
    }

    /// Whether a wait would return at once.
    fn has_news(&self, progress: &Progress) -> bool {
        progress.epoch() > self.after()
            || self.is_ticket_decided(progress)
            || progress.has_ended()
            || self.is_closed()
    }

    /// Sets or clears the descriptor to match `has_news`. That is read under the lock of the descriptor, so that of two
    /// concurrent updates the later one is based on the newer progress.
    pub(crate) fn update(&self, progress: &Progress) {
        if let Some(descriptor) = &*self.descriptor.lock() {
            if self.has_news(progress) {
                descriptor.set();
            } else {
                descriptor.clear();
            }
        }
    }

    /// The descriptor, if it was created.
    pub(crate) fn fd(&self) -> Option<RawFd> {
        self.descriptor.lock().as_ref().map(Descriptor::fd)
    }
}

/// The subscriptions of all watches.
#[derive(Debug)]
pub(crate) struct Subscribers {
    list: Mutex<Vec<Weak<Subscription>>>,
    /// Subscriptions with a descriptor or a task. Only those need a notification.
    polled: AtomicU32,
    count: AtomicU32,
}

impl Subscribers {
    pub(crate) const fn new() -> Subscribers {
        Subscribers { list: Mutex::new(Vec::new()), polled: AtomicU32::new(0), count: AtomicU32::new(0) }
    }

    /// Live watches.
    pub(crate) fn count(&self) -> u32 {
        self.count.load(Relaxed)
    }

    /// Adds a subscription to epochs beyond `after`.
    pub(crate) fn add(&self, after: u64) -> Result<Arc<Subscription>> {
        let subscription = try_arc(Subscription {
            after: AtomicU64::new(after),
            ticket: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            closed: AtomicU32::new(0),
            descriptor: Mutex::new(None),
            waker: Mutex::new(None),
            spinner: Spinner::new(),
            notified: AtomicBool::new(false),
        })?;
        let mut list = self.list.lock();
        list.retain(|other| other.strong_count() > 0);
        list.try_reserve(1)?;
        list.push(Arc::downgrade(&subscription));
        self.count.fetch_add(1, Relaxed);
        Ok(subscription)
    }

    /// Creates the descriptor of a subscription, if it has none.
    pub(crate) fn open_descriptor(&self, subscription: &Subscription, progress: &Progress) -> Result<RawFd> {
        let mut descriptor = subscription.descriptor.lock();
        if let Some(descriptor) = &*descriptor {
            return Ok(descriptor.fd());
        }
        let fd = descriptor.insert(Descriptor::new()?).fd();
        drop(descriptor);
        self.count_notified(subscription);
        subscription.update(progress);
        Ok(fd)
    }

    /// Counts a subscription that publishers must notify from now on.
    fn count_notified(&self, subscription: &Subscription) {
        if !subscription.notified.swap(true, AcqRel) {
            // Counted, then read: a concurrent publisher sees the count, or its progress is seen by what follows.
            self.polled.fetch_add(1, SeqCst);
            heavy();
        }
    }

    /// Whether a wait on the subscription would return at once. If not, the waker is called when it would.
    ///
    /// A publisher that the count does not exclude takes the waker under its lock. If it does that before the waker is stored here,
    /// its progress is visible to the check that follows; otherwise it takes this waker and calls it.
    pub(crate) fn poll(&self, subscription: &Subscription, waker: &Waker, progress: &Progress) -> bool {
        if subscription.has_news(progress) {
            return true;
        }
        // The lock is not held while code of an executor runs: clones and drops of wakers.
        let own = waker.clone();
        let replaced = subscription.waker.lock().replace(own);
        drop(replaced);
        self.count_notified(subscription);
        subscription.has_news(progress)
    }

    /// Removes a subscription of a watch that is dropped.
    pub(crate) fn remove(&self, subscription: &Subscription) {
        self.polled.fetch_sub(u32::from(subscription.notified.load(Acquire)), SeqCst);
        self.count.fetch_sub(1, Relaxed);
    }

    /// Updates the descriptors and calls the wakers after progress of the manager `number`. Costs one load if there are none.
    #[inline(always)]
    pub(crate) fn notify(&self, progress: &Progress, number: u64) {
        light();
        if self.polled.load(Relaxed) != 0 {
            self.notify_all(progress, number);
        }
    }

    #[cold]
    fn notify_all(&self, progress: &Progress, number: u64) {
        loop {
            let mut wakers = [const { None::<Waker> }; WAKERS];
            let mut taken = 0;
            for subscription in self.list.lock().iter().filter_map(Weak::upgrade) {
                subscription.update(progress);
                if taken < WAKERS && subscription.has_news(progress) {
                    let waker = subscription.waker.lock().take();
                    if waker.is_some() {
                        wakers[taken] = waker;
                        taken += 1;
                    }
                }
            }
            // Wakers are code of an executor: they are called without a lock, and as callbacks of the manager, because the caller
            // may hold the role.
            let scope = callback::enter(number);
            for waker in wakers.into_iter().flatten() {
                // A panic must not leave the role held; the panic hook has reported it. Nor must one in the drop of its payload.
                if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                    std::mem::forget(payload);
                }
            }
            drop(scope);
            if taken < WAKERS {
                return;
            }
        }
    }
}

/// The wakers that are called at once.
const WAKERS: usize = 16;

impl Subscription {
    /// Closes the descriptor and drops the waker.
    pub(crate) fn end(&self) {
        drop(self.descriptor.lock().take());
        let waker = self.waker.lock().take();
        drop(waker);
    }
}
