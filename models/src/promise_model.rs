//! A promise that several threads race to complete, and a thread that sets a callback or waits meanwhile.

use loom::sync::Arc;
use loom::thread;
use crate::sync::mutex::Mutex;

use super::promise::{Promise, pair};
use crate::harness::{explore, last};
use crate::sync::atomic::{AtomicU32, Ordering::*, UnsafeCell};

/// The device completes, a caller cancels, and a callback is set: it runs once, with the one answer.
pub fn a_request_is_answered_once() {
    explore(3, || {
        let (promise, pledge) = pair(0).unwrap();
        // As under a buffer's lock: one thread gets the promise.
        let duty = Arc::new(Mutex::new(Some(promise)));
        let calls = Arc::new(AtomicU32::new(0));
        let answer = |answer: u32, duty: Arc<Mutex<Option<Promise<u32>>>>| {
            thread::spawn(move || {
                let promise = duty.lock().take();
                let taken = promise.is_some();
                promise.into_iter().for_each(|promise| promise.keep(answer));
                if taken { answer } else { 0 }
            })
        };
        let threads = [answer(1, duty.clone()), answer(10, duty.clone())];
        let counted = calls.clone();
        pledge.then(Box::new(move |answer: u32| {
            counted.fetch_add(answer, Relaxed);
        }));
        let decided: u32 = threads.map(|thread| thread.join().unwrap()).iter().sum();
        assert!(decided == 1 || decided == 10);
        assert_eq!(calls.load(Relaxed), decided);
    });
}

/// What the device wrote before it completed the promise.
struct Work(UnsafeCell<u32>);

// SAFETY: the model proves that no thread reads it before the answer.
unsafe impl Send for Work {}
// SAFETY: as above.
unsafe impl Sync for Work {}

/// A thread that sees the answer sees all that was written before it.
pub fn who_sees_an_answer_has_it() {
    explore(3, || {
        let (promise, pledge) = pair(0).unwrap();
        let work = Arc::new(Work(UnsafeCell::new(0)));
        let done = work.clone();
        let device = thread::spawn(move || {
            // SAFETY: loom reports a concurrent read by the waiter.
            done.0.with_mut(|work| unsafe { *work = 7 });
            promise.keep(1);
        });
        last();
        while !pledge.is_given() {
            thread::yield_now();
        }
        // SAFETY: loom reports a concurrent write by the device.
        assert_eq!(work.0.with(|work| unsafe { *work }), 7);
        assert_eq!(pledge.look(), Some(1));
        device.join().unwrap();
        assert_eq!(pledge.look(), Some(1));
    });
}

/// A promise that is dropped completes with its default answer.
pub fn a_promise_that_is_dropped_answers() {
    explore(3, || {
        let (promise, pledge) = pair(5).unwrap();
        let calls = Arc::new(AtomicU32::new(0));
        let device = thread::spawn(move || drop(promise));
        let counted = calls.clone();
        pledge.then(Box::new(move |answer: u32| {
            counted.fetch_add(answer, Relaxed);
        }));
        device.join().unwrap();
        assert_eq!(calls.load(Relaxed), 5);
    });
}
