//! A set of byte ranges that is cheap to add to: a log of intervals first, a bitmap of 64-byte granules when the log is
//! full, "all of it" last.

use super::dirty_bitmap::{Bitmap, GRANULE};
use crate::alloc::try_vec;
use crate::error::Result;

/// Intervals in a log at most. Measured: 4,096 makes streams of 10,000 small updates overflow, 16,384 still fits the
/// second-level cache.
const LOG: usize = 16_384;

/// Intervals that are worth following one by one.
const FEW: usize = 8;

/// Where one range starts and ends, in units of the set.
type Interval = (u32, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Log,
    Bitmap,
    All,
}

/// The set. An interval may appear more than once, and may be told larger than it was added, never smaller.
#[derive(Debug)]
pub(crate) struct Intervals {
    mode: Mode,
    log: Vec<Interval>,
    /// Bytes of the log's intervals; those that overlap count twice.
    logged: usize,
    bitmap: Bitmap,
    bytes: usize,
    /// Offsets are kept in units of 2^shift bytes, so that states beyond 4 GiB fit.
    shift: u32,
}

impl Intervals {
    /// An empty set over `bytes` bytes.
    pub(crate) fn new(bytes: usize) -> Result<Intervals> {
        let capacity = LOG.min((bytes / 8).max(64));
        let shift = (usize::BITS - bytes.leading_zeros()).saturating_sub(32);
        Ok(Intervals {
            mode: Mode::Log,
            log: try_vec(capacity)?,
            logged: 0,
            bitmap: Bitmap::new(bytes)?,
            bytes,
            shift,
        })
    }

    /// All of it, without memory to hold anything less: for a copy that has none itself. May only be replaced.
    pub(crate) fn whole(bytes: usize) -> Intervals {
        Intervals { mode: Mode::All, log: Vec::new(), logged: 0, bitmap: Bitmap::none(), bytes, shift: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self.mode {
            Mode::Log => self.log.is_empty(),
            Mode::Bitmap => self.bitmap.count() == 0,
            Mode::All => false,
        }
    }

    /// Whether it is a log: to the byte.
    pub(crate) fn is_log(&self) -> bool {
        self.mode == Mode::Log
    }

    pub(crate) fn is_all(&self) -> bool {
        self.mode == Mode::All
    }

    /// Adds `start .. end`, which is not empty.
    #[inline(always)]
    pub(crate) fn insert(&mut self, start: usize, end: usize) {
        let length = self.log.len();
        if self.mode == Mode::Log && length < self.log.capacity() {
            let round = (1usize << self.shift) - 1;
            let interval = ((start >> self.shift) as u32, ((end + round) >> self.shift) as u32);
            // SAFETY: within the capacity, which is all that the log ever has.
            unsafe {
                self.log.as_mut_ptr().add(length).write(interval);
                self.log.set_len(length + 1);
            }
            self.logged += ((interval.1 - interval.0) as usize) << self.shift;
        } else {
            self.insert_beyond_log(start, end);
        }
    }

    #[cold]
    #[inline(never)]
    fn insert_beyond_log(&mut self, start: usize, end: usize) {
        if self.mode != Mode::All {
            self.spread();
            self.bitmap.insert(start, end);
        }
    }

    /// Adds all of it.
    pub(crate) fn insert_all(&mut self) {
        self.clear();
        self.mode = Mode::All;
    }

    /// Adds another set.
    pub(crate) fn union(&mut self, other: &mut Intervals) {
        if self.is_all() {
            return;
        }
        match other.mode {
            Mode::All => self.insert_all(),
            Mode::Log => {
                for at in 0..other.log.len() {
                    let (start, end) = other.range(at);
                    self.insert(start, end);
                }
            }
            Mode::Bitmap => {
                self.spread();
                self.bitmap.union(&other.bitmap);
            }
        }
        // Beyond half of the state, following single granules costs more than it saves.
        if self.mode == Mode::Bitmap && self.bitmap.count() * GRANULE > self.bytes / 2 {
            self.insert_all();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.log.clear();
        self.logged = 0;
        self.bitmap.clear();
        self.mode = Mode::Log;
    }

    /// Bytes in the set; intervals that overlap count twice.
    pub(crate) fn bytes(&self) -> usize {
        match self.mode {
            Mode::All => self.bytes,
            Mode::Bitmap => self.bitmap.count() * GRANULE,
            Mode::Log => self.logged,
        }
    }

    /// Whether it is a log of more than a few intervals: following each costs more than it may spare.
    pub(crate) fn is_scattered(&self) -> bool {
        self.mode == Mode::Log && self.log.len() > FEW
    }

    #[inline(always)]
    fn range(&self, at: usize) -> (usize, usize) {
        let (start, end) = self.log[at];
        ((start as usize) << self.shift, ((end as usize) << self.shift).min(self.bytes))
    }

    /// Trades contents. Logs alone where that is all: it happens at every publish.
    pub(crate) fn trade(&mut self, other: &mut Intervals) {
        if self.mode == Mode::Log && other.mode == Mode::Log {
            std::mem::swap(&mut self.log, &mut other.log);
            std::mem::swap(&mut self.logged, &mut other.logged);
        } else {
            std::mem::swap(self, other);
        }
    }

    /// Hands every interval of a log to `visit` and forgets them all. False if this is no log.
    #[inline(always)]
    pub(crate) fn drain_log(&mut self, mut visit: impl FnMut(usize, usize)) -> bool {
        if self.mode == Mode::Log {
            (0..self.log.len()).map(|at| self.range(at)).for_each(|(start, end)| visit(start, end));
            self.log.clear();
            self.logged = 0;
        }
        self.mode == Mode::Log
    }

    /// Takes what `start .. end` covers out of a log of few intervals, exactly; how many bytes that were. None if this is
    /// no such log.
    pub(crate) fn subtract(&mut self, start: usize, end: usize) -> Option<usize> {
        if self.mode != Mode::Log || self.log.len() + 1 > FEW.min(self.log.capacity()) {
            return None;
        }
        // Units that are covered in part stay.
        let start = start.div_ceil(1 << self.shift) as u32;
        let end = if end == self.bytes { u32::MAX } else { (end >> self.shift) as u32 };
        let before = self.logged;
        let mut at = 0;
        while let Some(&(low, high)) = self.log.get(at) {
            if end <= low || start >= high || start >= end {
                at += 1;
            } else if start <= low && end >= high {
                self.log.swap_remove(at);
            } else if start <= low {
                self.log[at].0 = end;
            } else {
                self.log[at].1 = start;
                if end < high {
                    self.log.push((end, high));
                }
                at += 1;
            }
        }
        self.logged = (0..self.log.len()).map(|at| self.range(at)).map(|(start, end)| end - start).sum();
        Some(before.saturating_sub(self.logged))
    }

    /// Turns the set into a bitmap, so that ranges can be taken out of it.
    pub(crate) fn spread(&mut self) {
        match self.mode {
            Mode::Bitmap => {}
            Mode::All => self.bitmap.insert_all(),
            // More than all of it: telling the intervals apart is not worth it, and a set may be told larger.
            Mode::Log if self.logged >= self.bytes => {
                self.bitmap.insert_all();
                self.log.clear();
                self.logged = 0;
            }
            Mode::Log => {
                for at in 0..self.log.len() {
                    let (start, end) = self.range(at);
                    self.bitmap.insert(start, end);
                }
                self.log.clear();
                self.logged = 0;
            }
        }
        self.mode = Mode::Bitmap;
    }

    /// As `spread`, but only granules that lie wholly within an interval go into the bitmap; what is left at the ends of an
    /// interval is handed to `rest`. For a set beside whose intervals lie bytes that must not be taken for members.
    pub(crate) fn spread_exactly(&mut self, mut rest: impl FnMut(usize, usize)) {
        if self.mode == Mode::Log {
            for at in 0..self.log.len() {
                let (start, end) = self.range(at);
                let first = start.next_multiple_of(GRANULE);
                let last = if end == self.bytes { end } else { end / GRANULE * GRANULE };
                if first >= last {
                    rest(start, end);
                    continue;
                }
                self.bitmap.insert(first, last);
                if start < first {
                    rest(start, first);
                }
                if last < end {
                    rest(last, end);
                }
            }
            self.log.clear();
            self.logged = 0;
            self.mode = Mode::Bitmap;
        }
        self.spread();
    }

    /// The granules of a set that has been spread.
    pub(crate) fn granules(&mut self) -> &mut Bitmap {
        debug_assert_eq!(self.mode, Mode::Bitmap);
        &mut self.bitmap
    }

    /// Takes a range of at most about `most` bytes out of the set.
    #[inline(always)]
    pub(crate) fn pop(&mut self, most: usize) -> Option<(usize, usize)> {
        if self.mode == Mode::Log {
            let at = self.log.len().checked_sub(1)?;
            let (start, end) = self.range(at);
            let most = most.max(GRANULE);
            let step = most >> self.shift;
            if end - start <= most || step == 0 {
                self.log.pop();
                self.logged = if at == 0 { 0 } else { self.logged - (end - start) };
                return Some((start, end));
            }
            self.log[at].0 += step as u32;
            self.logged -= step << self.shift;
            return Some((start, start + (step << self.shift)));
        }
        self.pop_granules(most)
    }

    #[cold]
    fn pop_granules(&mut self, most: usize) -> Option<(usize, usize)> {
        self.spread();
        match self.bitmap.pop_run((most / GRANULE).max(1)) {
            Some((first, count)) => Some((first * GRANULE, ((first + count) * GRANULE).min(self.bytes))),
            None => {
                self.mode = Mode::Log;
                None
            }
        }
    }

    /// Hands every range to `visit`, and keeps the set.
    pub(crate) fn for_each(&mut self, mut visit: impl FnMut(usize, usize)) {
        match self.mode {
            Mode::All => visit(0, self.bytes),
            Mode::Log => (0..self.log.len()).for_each(|at| {
                let (start, end) = self.range(at);
                visit(start, end);
            }),
            Mode::Bitmap => {
                let bytes = self.bytes;
                self.bitmap.for_each_run(|first, count| {
                    visit(first * GRANULE, ((first + count) * GRANULE).min(bytes))
                });
            }
        }
    }
}
