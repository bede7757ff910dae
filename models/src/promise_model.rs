//! Threads race to complete a promise while another one sets a callback or polls.

use loom::sync::Arc;
use loom::thread;
use crate::sync::mutex::Mutex;

use super::promise::{Promise, pair};
use crate::harness::{explore, last};
use crate::sync::atomic::{AtomicU32, Ordering::*, UnsafeCell};

/// Two threads complete a request while a callback is set: it runs once, with the value of the winner.
pub fn a_request_is_completed_once() {
    explore(3, || {
        let (promise, future) = pair(0);
        // The buffer keeps the promise under its lock; the thread that takes it completes it.
        let pending = Arc::new(Mutex::new(Some(promise)));
        let calls = Arc::new(AtomicU32::new(0));
        let complete = |value: u32, pending: Arc<Mutex<Option<Promise<u32>>>>| {
            thread::spawn(move || {
                let promise = pending.lock().take();
                let taken = promise.is_some();
                promise.into_iter().for_each(|promise| promise.complete(value));
                if taken { value } else { 0 }
            })
        };
        let threads = [complete(1, pending.clone()), complete(10, pending.clone())];
        let counted = calls.clone();
        future.then(Box::new(move |value: u32| {
            counted.fetch_add(value, Relaxed);
        }));
        let decided: u32 = threads.map(|thread| thread.join().unwrap()).iter().sum();
        assert!(decided == 1 || decided == 10);
        assert_eq!(calls.load(Relaxed), decided);
    });
}

/// What the device wrote before it completed the promise.
struct Work(UnsafeCell<u32>);

// SAFETY: the model checks that no thread reads it before the promise is completed.
unsafe impl Send for Work {}
// SAFETY: as above.
unsafe impl Sync for Work {}

/// A thread that sees the promise completed gets the value, and sees everything before the completion.
pub fn a_completed_promise_has_its_value() {
    explore(3, || {
        let (promise, future) = pair(0);
        let work = Arc::new(Work(UnsafeCell::new(0)));
        let done = work.clone();
        let device = thread::spawn(move || {
            // SAFETY: loom reports a concurrent read.
            done.0.with_mut(|work| unsafe { *work = 7 });
            promise.complete(1);
        });
        last();
        while !future.is_completed() {
            thread::yield_now();
        }
        // SAFETY: loom reports a concurrent write.
        assert_eq!(work.0.with(|work| unsafe { *work }), 7);
        assert_eq!(future.poll(), Some(1));
        device.join().unwrap();
        assert_eq!(future.poll(), Some(1));
    });
}

/// A promise dropped uncompleted is completed with its default.
pub fn a_dropped_promise_is_completed() {
    explore(3, || {
        let (promise, future) = pair(5);
        let calls = Arc::new(AtomicU32::new(0));
        let device = thread::spawn(move || drop(promise));
        let counted = calls.clone();
        future.then(Box::new(move |value: u32| {
            counted.fetch_add(value, Relaxed);
        }));
        device.join().unwrap();
        assert_eq!(calls.load(Relaxed), 5);
    });
}
