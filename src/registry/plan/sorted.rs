//! A set of keys in order. That of the standard library ends the process where there is no memory for it.
//!
//! A list of short lists: a key is found by two binary searches, and moves no more than one short list. A change costs
//! what that takes, and every few hundred of them another short list.

use super::PlanError;
use super::room::{out_of_memory, push, room};

/// Of a short list.
const MOST: usize = 256;

/// Different keys.
#[derive(Debug)]
pub(super) struct Sorted<K>(
    /// Ascending, as are the keys in each; none is empty.
    Vec<Vec<K>>,
);

impl<K: Ord + Copy> Sorted<K> {
    pub(super) fn new() -> Sorted<K> {
        Sorted(Vec::new())
    }

    /// The list that has the smallest key that is not below this one, if there is any, and where it is there.
    fn find(&self, key: K) -> (usize, usize) {
        let list = self.0.partition_point(|list| list.last().is_some_and(|last| *last < key));
        (list, self.0.get(list).map_or(0, |list| list.partition_point(|other| *other < key)))
    }

    pub(super) fn insert(&mut self, key: K) -> Result<(), PlanError> {
        let (mut at, mut position) = self.find(key);
        if at == self.0.len() {
            // Above all: at the end of the last list.
            match self.0.last() {
                None => push(&mut self.0, room(MOST)?)?,
                Some(last) => (at, position) = (at - 1, last.len()),
            }
        }
        if self.0[at].len() == MOST {
            let mut upper = room(MOST)?;
            self.0.try_reserve(1).map_err(out_of_memory)?;
            upper.extend(self.0[at].drain(MOST / 2..));
            self.0.insert(at + 1, upper);
            if position > MOST / 2 {
                (at, position) = (at + 1, position - MOST / 2);
            }
        }
        self.0[at].insert(position, key);
        Ok(())
    }

    pub(super) fn remove(&mut self, key: K) {
        let (at, position) = self.find(key);
        if self.at_least(key) == Some(key) {
            self.0[at].remove(position);
            if self.0[at].is_empty() {
                self.0.remove(at);
            }
        }
    }

    /// The smallest that is not below this key.
    pub(super) fn at_least(&self, key: K) -> Option<K> {
        let (at, position) = self.find(key);
        self.0.get(at)?.get(position).copied()
    }

    /// The largest below this key.
    pub(super) fn below(&self, key: K) -> Option<K> {
        match self.find(key) {
            (0, 0) => None,
            (at, 0) => self.0[at - 1].last().copied(),
            (at, position) => Some(self.0[at][position - 1]),
        }
    }

    pub(super) fn last(&self) -> Option<K> {
        self.0.last()?.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn does_what_the_standard_librarys_does() {
        let (mut ours, mut theirs, mut random) = (Sorted::new(), BTreeSet::new(), Random::new(1));
        // Grows to some ten lists, and shrinks to none.
        for round in 0..40_000_u64 {
            let key = random.bits() % 5_000;
            let grows = random.bits() % 8 < if round < 20_000 { 6 } else { 1 };
            if grows && theirs.insert(key) {
                ours.insert(key).unwrap();
            } else if !grows {
                theirs.remove(&key);
                ours.remove(key);
            }
            let key = random.bits() % 5_000;
            assert_eq!(ours.at_least(key), theirs.range(key..).next().copied());
            assert_eq!(ours.below(key), theirs.range(..key).next_back().copied());
            assert_eq!(ours.last(), theirs.last().copied());
        }
        for key in 0..5_000 {
            ours.remove(key);
        }
        assert!(ours.0.is_empty());
    }
}
