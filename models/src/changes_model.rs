//! Queries of the change history against the publisher that overwrites its records.

use loom::sync::Arc;
use loom::thread;

use super::change_history::{ChangeHistory, ChangeQuery};
use super::dirty_set::DirtySet;
use crate::harness::explore;
use crate::sync::atomic::{AtomicU64, Ordering::*};

const BYTES: usize = 100;

struct World {
    history: ChangeHistory,
    /// The front's epoch, as the front word publishes it.
    front: AtomicU64,
}

impl World {
    fn new(epochs: usize) -> Arc<World> {
        let history = ChangeHistory::new(epochs, BYTES).unwrap();
        Arc::new(World { history, front: AtomicU64::new(0) })
    }

    /// Publishes an epoch that changes one byte of its own.
    fn publish(&self, epoch: u64) {
        let mut dirty = DirtySet::new(BYTES).unwrap();
        dirty.insert(epoch as usize * 10, epoch as usize * 10 + 1);
        self.history.record(epoch, &dirty);
        self.front.store(epoch, Release);
    }

    /// Checks the changes of `epochs` epochs up to the front: each epoch's own byte and nothing else. False if the history does not
    /// cover them.
    fn check(&self, epochs: u64) -> bool {
        let epoch = self.front.load(Acquire);
        let since = epoch.saturating_sub(epochs);
        let query = ChangeQuery { since, epoch, within: &(0..BYTES as u64), capacity: 4 };
        let mut ranges = Vec::new();
        let complete = self.history.query(query, |changed| {
            changed.for_each(|at, start, end| {
                ranges.truncate(at);
                ranges.push((start, end));
            });
            changed.complete
        });
        if complete {
            let expected: Vec<_> = (since + 1..=epoch).map(|epoch| (epoch * 10, epoch * 10 + 1)).collect();
            assert_eq!(ranges, expected, "up to epoch {epoch}");
        }
        complete
    }
}

/// A query returns the ranges of its epochs, or reports that a record has been overwritten; never those of another epoch.
pub fn a_torn_record_is_not_returned() {
    explore(3, || {
        let world = World::new(1);
        let reader = world.clone();
        world.publish(1);
        let reader = thread::spawn(move || {
            reader.check(1);
        });
        world.publish(2);
        world.publish(3);
        reader.join().unwrap();
        assert!(world.check(1));
    });
}

/// Records that are not overwritten are found, each with its ranges.
pub fn a_front_has_the_records_before_it() {
    explore(3, || {
        let world = World::new(2);
        let reader = world.clone();
        let reader = thread::spawn(move || assert!(reader.check(2)));
        world.publish(1);
        world.publish(2);
        reader.join().unwrap();
        assert!(world.check(2));
    });
}
