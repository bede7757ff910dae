//! Read cells: what a small state looks like at its newest epoch, to be copied out without a lease.
//!
//! A leased front is the only memory of a state that never changes under its reader: every other copy is written by kernels and by
//! the program itself, with plain stores, so that reading it without a lease would be a data race. A lease costs two atomic
//! read-modify-writes on words that all readers share, which is much for a state of some bytes. Therefore a state of at most
//! [`CELL_BYTES`] has a *cell* beside each of its copies: the bytes of that copy once more, as words that are only accessed
//! atomically. The first reader of an epoch leases the front and stores the bytes in the cell of that copy. Later readers load them
//! there, and write nothing that is shared. The publisher only empties the cell of a copy before it becomes the front again.
//!
//! **Invariant.** A cell's stamp is [`EMPTY`], or it names the epoch whose bytes the copy has since it was last published.
//! Holders of a lease of the copy store it, and while there is one, the copy is not published anew. Hence:
//!
//! - *No older epoch than the front's.* A reader that loads the front's index sees the cell as its publisher left it, or later.
//! - *Whole.* A reader that loads a stamp with Acquire sees all words that were stored before it. A word of a later epoch is stored
//!   after a Release fence, which follows the publisher's `EMPTY`. If the reader has loaded such a word, its Acquire fence makes it
//!   see that the stamp is another.
//! - *Readers of one epoch may store at once:* they store the same words.
//!
//! Nothing is locked, so a reader that is preempted while it stores delays neither a publish nor another reader. The model `reads`
//! compiles this file.

use crate::error::Result;
use crate::manager::copies::front_count::FrontCount;
use crate::sync::atomic::{AtomicU64, Ordering::*, fence};

/// The largest state that has cells, in bytes. Loading a larger one takes so long that a lease does not matter.
pub(crate) const CELL_BYTES: usize = 4096;

/// The stamp of a cell without bytes. No epoch is as large.
const EMPTY: u64 = u64::MAX;

/// Words before those of the state: the stamp and the tag.
const HEADER: usize = 2;

/// Words between the cells, so that no two of them share a pair of cache lines.
const GAP: usize = 16;

const WORD: usize = size_of::<u64>();

/// Words that are loaded without a branch between them.
const BLOCK: usize = 8;

/// Attempts to load a cell before the reader takes a lease. One fails only if the copy is published twice meanwhile.
const ATTEMPTS: usize = 3;

/// The epoch whose elements a read has copied, and its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadEpoch {
    /// The epoch: 0 is the initial state, and each publish adds one.
    pub epoch: u64,
    /// The last tag among the updates that it contains; 0 without one.
    pub tag: u64,
}

/// The cells of one state's copies; see the module.
#[derive(Debug)]
pub(crate) struct ReadCells {
    words: Vec<AtomicU64>,
    /// Words from one cell to the next.
    stride: usize,
    /// Copies that have a cell: the first ones.
    count: usize,
    /// Bytes of the state.
    bytes: usize,
}

impl ReadCells {
    /// Empty cells for `copies` copies of a state of that many bytes; none if it is large.
    pub(crate) fn new(bytes: usize, copies: usize) -> Result<ReadCells> {
        let count = if bytes <= CELL_BYTES { copies } else { 0 };
        let stride = (HEADER + bytes.div_ceil(WORD)).next_multiple_of(GAP) + GAP;
        let mut words = crate::alloc::try_vec(count * stride)?;
        words.extend((0..count * stride).map(|_| AtomicU64::new(EMPTY)));
        Ok(ReadCells { words, stride, count, bytes })
    }

    /// The words of a copy's cell; None if it has none.
    #[inline(always)]
    fn cell(&self, copy: usize) -> Option<&[AtomicU64]> {
        if copy >= self.count {
            return None;
        }
        // SAFETY: there are `count` times `stride` words.
        Some(unsafe {
            std::slice::from_raw_parts(self.words.as_ptr().add(copy * self.stride), self.stride - GAP)
        })
    }

    /// Empties the cell of a copy that is about to become the front. Requires the applier role.
    #[inline]
    pub(crate) fn clear(&self, copy: usize) {
        if let Some([stamp, ..]) = self.cell(copy)
            // Relaxed: a stamp is stored under a lease of the copy, and the publisher has seen the lease's end.
            && stamp.load(Relaxed) != EMPTY
        {
            // Relaxed: the publish that follows releases it.
            stamp.store(EMPTY, Relaxed);
        }
    }

    /// Stores the bytes of a copy in its cell, unless they are there.
    ///
    /// # Safety
    /// The caller has a lease of the copy, which has that epoch and tag; `data` is its bytes.
    pub(crate) unsafe fn store(&self, copy: usize, is: ReadEpoch, data: *const u8) {
        let Some([stamp, tag, words @ ..]) = self.cell(copy) else { return };
        // Relaxed: another holder of a lease may store the same words at the same time.
        if stamp.load(Relaxed) != EMPTY {
            return;
        }
        // Release: a reader of an older epoch that loads one of the words below sees that the stamp is not that epoch's any more.
        fence(Release);
        tag.store(is.tag, Relaxed);
        let whole = self.bytes / WORD;
        for (index, word) in words[..whole].iter().enumerate() {
            // SAFETY: within the copy, which the lease keeps unchanged.
            word.store(unsafe { data.cast::<u64>().add(index).read_unaligned() }, Relaxed);
        }
        let rest = self.bytes % WORD;
        if rest > 0 {
            let mut last = [0; WORD];
            // SAFETY: as above.
            unsafe { data.add(whole * WORD).copy_to_nonoverlapping(last.as_mut_ptr(), rest) };
            words[whole].store(u64::from_ne_bytes(last), Relaxed);
        }
        // Release: a reader of this stamp sees the words.
        stamp.store(is.epoch, Release);
    }

    /// Loads `length` bytes at `offset` of the newest epoch, and returns which that is. None if its bytes are not in a cell, or if
    /// too many publishes came between; then what was written to `to` has no meaning.
    ///
    /// # Safety
    /// `offset + length` lies within the state; `to` is writable for `length`.
    #[inline(always)]
    pub(crate) unsafe fn load(
        &self,
        fronts: &FrontCount,
        offset: usize,
        length: usize,
        to: *mut u8,
    ) -> Option<ReadEpoch> {
        let [stamp, tag, words @ ..] = self.cell(fronts.front())? else { return None };
        // Acquire: the words stored before it.
        let epoch = stamp.load(Acquire);
        if epoch == EMPTY {
            return None;
        }
        let tag = tag.load(Relaxed);
        // SAFETY: the caller's promise.
        unsafe { load_bytes(words, offset, length, to) };
        // Acquire: if one of the words was a later epoch's, the load below returns another stamp.
        fence(Acquire);
        (stamp.load(Relaxed) == epoch).then_some(ReadEpoch { epoch, tag })
    }

    /// As [`ReadCells::load`], after that has found no bytes or another epoch's: tries again, unless there are none.
    ///
    /// # Safety
    /// As there.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn load_again(
        &self,
        fronts: &FrontCount,
        offset: usize,
        length: usize,
        to: *mut u8,
    ) -> Option<ReadEpoch> {
        let has_bytes =
            |_: &usize| self.cell(fronts.front()).is_some_and(|cell| cell[0].load(Relaxed) != EMPTY);
        // SAFETY: the caller's promise.
        (1..ATTEMPTS).take_while(has_bytes).find_map(|_| unsafe { self.load(fronts, offset, length, to) })
    }
}

/// Loads a range of bytes from words.
///
/// # Safety
/// The range lies within the words; `to` is writable for `length`.
#[inline(always)]
unsafe fn load_bytes(words: &[AtomicU64], offset: usize, length: usize, to: *mut u8) {
    if (offset | length).is_multiple_of(WORD) {
        // SAFETY: the caller's promise.
        let words = unsafe { words.get_unchecked(offset / WORD..(offset + length) / WORD) };
        let (blocks, rest) = words.as_chunks::<BLOCK>();
        let mut to = to.cast::<u64>();
        for block in blocks {
            // SAFETY: the caller's promise.
            unsafe {
                block
                    .iter()
                    .enumerate()
                    .for_each(|(at, word)| to.add(at).write_unaligned(word.load(Relaxed)));
                to = to.add(BLOCK);
            }
        }
        // SAFETY: the caller's promise.
        rest.iter()
            .enumerate()
            .for_each(|(at, word)| unsafe { to.add(at).write_unaligned(word.load(Relaxed)) });
        return;
    }
    // SAFETY: the caller's promise.
    unsafe { load_unaligned_bytes(words, offset, length, to) }
}

/// As [`load_bytes`], for a range that begins or ends within a word.
///
/// # Safety
/// As there.
#[inline(never)]
unsafe fn load_unaligned_bytes(words: &[AtomicU64], offset: usize, length: usize, to: *mut u8) {
    let (mut at, mut to) = (offset, to);
    while at < offset + length {
        let bytes = words[at / WORD].load(Relaxed).to_ne_bytes();
        let (skip, left) = (at % WORD, offset + length - at);
        let part = left.min(WORD - skip);
        // SAFETY: the caller's promise; a word has the bytes from `skip` on.
        unsafe {
            to.copy_from_nonoverlapping(bytes[skip..].as_ptr(), part);
            to = to.add(part);
        }
        at += part;
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_range_of_every_size_is_loaded_and_nothing_beyond() {
        for bytes in (0..40).chain([63, 64, 65]) {
            let data: Vec<u8> = (1..=bytes as u8).collect();
            let (cells, fronts) = (ReadCells::new(bytes, 2).unwrap(), FrontCount::new());
            let is = ReadEpoch { epoch: 7, tag: 9 };
            let mut to = [0; 66];
            // SAFETY: copy 0 is the front, nothing else has access, and `data` and `to` are large enough.
            assert_eq!(unsafe { cells.load(&fronts, 0, bytes, to.as_mut_ptr()) }, None, "not stored yet");
            // SAFETY: as above.
            unsafe { cells.store(0, is, data.as_ptr()) };
            for offset in 0..=bytes {
                for length in 0..=bytes - offset {
                    to = [0; 66];
                    // SAFETY: as above.
                    assert_eq!(unsafe { cells.load(&fronts, offset, length, to.as_mut_ptr()) }, Some(is));
                    assert!(
                        to[..length] == data[offset..offset + length] && to[length..] == [0; 66][length..]
                    );
                }
            }
            cells.clear(0);
            // SAFETY: as above.
            assert_eq!(unsafe { cells.load(&fronts, 0, bytes, to.as_mut_ptr()) }, None, "emptied");
        }
    }

    #[test]
    fn large_states_and_extra_copies_have_no_cells() {
        assert!(ReadCells::new(CELL_BYTES, 3).unwrap().cell(2).is_some());
        assert!(ReadCells::new(CELL_BYTES, 3).unwrap().cell(3).is_none());
        let large = ReadCells::new(CELL_BYTES + 1, 3).unwrap();
        assert!(large.cell(0).is_none() && large.words.is_empty());
    }
}
