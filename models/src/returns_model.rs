//! Buffers that come back from other threads to the one that lends them again.

use std::ptr::NonNull;

use loom::sync::Arc;
use loom::thread;

use super::returns::{Linked, Returns};
use crate::harness::{explore, last};
use crate::sync::atomic::{AtomicPtr, Ordering::*, UnsafeCell};

/// A buffer; its holder counts in it.
#[derive(Debug)]
struct Node {
    next: AtomicPtr<Node>,
    held: UnsafeCell<u64>,
}

impl Linked for Node {
    fn next(&self) -> &AtomicPtr<Node> {
        &self.next
    }
}

/// A buffer that is lent out.
struct Lent(NonNull<Node>);

// SAFETY: that it has one owner at a time is what is proved.
unsafe impl Send for Lent {}

impl Lent {
    fn new() -> Lent {
        let node = Node { next: AtomicPtr::default(), held: UnsafeCell::new(0) };
        Lent(NonNull::from(Box::leak(Box::new(node))))
    }

    fn node(&self) -> &Node {
        // SAFETY: freed only by `free`.
        unsafe { self.0.as_ref() }
    }

    /// Uses the buffer and gives it back.
    fn give_back(self, to: &Returns<Node>) {
        // SAFETY: loom tells if somebody else uses it.
        self.node().held.with_mut(|held| unsafe { *held += 1 });
        // SAFETY: alive, and nobody uses it any more.
        unsafe { to.push(self.0) };
    }

    /// Times that it was held.
    fn free(self) -> u64 {
        // SAFETY: it came from a box; loom tells if somebody else uses it.
        let node = unsafe { Box::from_raw(self.0.as_ptr()) };
        // SAFETY: as above.
        node.held.with(|held| unsafe { *held })
    }
}

fn take(from: &Returns<Node>) -> Vec<Lent> {
    let mut taken = Vec::new();
    let mut first = NonNull::new(from.take());
    while let Some(node) = first {
        let node = Lent(node);
        first = NonNull::new(node.node().next.load(Relaxed));
        taken.push(node);
    }
    taken
}

/// Two threads give buffers back while the owner takes and lends again: none is lost, none has two owners.
pub fn buffers_come_back_from_other_threads() {
    explore(3, || {
        let returns = Arc::new(Returns::new());
        let give = |buffers: Vec<Lent>| {
            let returns = returns.clone();
            thread::spawn(move || buffers.into_iter().for_each(|buffer| buffer.give_back(&returns)))
        };
        let (one, other) = (give(vec![Lent::new(), Lent::new()]), give(vec![Lent::new()]));
        last();
        // What is taken is used and given back once more: a node comes again while others push.
        let mut again = 0;
        for buffer in take(&returns) {
            buffer.give_back(&returns);
            again += 1;
        }
        [one, other].map(|thread| thread.join().unwrap());
        let held: Vec<_> = take(&returns).into_iter().map(Lent::free).collect();
        assert_eq!((held.len(), held.iter().sum()), (3, 3 + again));
    });
}

/// The last one given back is the first one taken.
pub fn the_newest_comes_first() {
    explore(1, || {
        let returns = Returns::new();
        let (old, new) = (Lent::new(), Lent::new());
        let places = [new.0, old.0];
        old.give_back(&returns);
        new.give_back(&returns);
        let taken = take(&returns);
        assert_eq!([taken[0].0, taken[1].0], places);
        assert!(taken.into_iter().all(|buffer| buffer.free() == 1));
    });
}
