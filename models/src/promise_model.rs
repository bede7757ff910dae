//! An answer that several threads race for, and one that leaves a callback or waits meanwhile.

use loom::sync::Arc;
use loom::thread;
use crate::sync::mutex::Mutex;

use super::promise::{Promise, pair};
use crate::harness::{explore, last};
use crate::sync::atomic::{AtomicU32, Ordering::*, UnsafeCell};

/// The device answers, somebody takes the request back, and a callback is left: it runs once, with what was decided.
pub fn a_request_is_answered_once() {
    explore(3, || {
        let (promise, pledge) = pair(0).unwrap();
        // As under a buffer's lock: who takes the duty has it.
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

/// What the device did before it answered.
struct Work(UnsafeCell<u32>);

// SAFETY: that it is seen by nobody before the answer is what is proved.
unsafe impl Send for Work {}
// SAFETY: as above.
unsafe impl Sync for Work {}

/// Who sees that the answer is there has it, and all that came before it.
pub fn who_sees_an_answer_has_it() {
    explore(3, || {
        let (promise, pledge) = pair(0).unwrap();
        let work = Arc::new(Work(UnsafeCell::new(0)));
        let done = work.clone();
        let device = thread::spawn(move || {
            // SAFETY: loom tells if the waiter reads it now.
            done.0.with_mut(|work| unsafe { *work = 7 });
            promise.keep(1);
        });
        last();
        while !pledge.is_given() {
            thread::yield_now();
        }
        // SAFETY: loom tells if the device writes it now.
        assert_eq!(work.0.with(|work| unsafe { *work }), 7);
        assert_eq!(pledge.look(), Some(1));
        device.join().unwrap();
        assert_eq!(pledge.look(), Some(1));
    });
}

/// A duty that is forgotten is answered all the same.
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
