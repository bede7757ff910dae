//! A set of dirty byte ranges with cheap insertion: an interval log first, a bitmap of 64-byte granules when the log is full,
//! "everything" last.

use crate::alloc::try_vec;
use crate::error::Result;
use crate::manager::copies::dirty_bitmap::{DirtyBitmap, GRANULE};

/// Capacity of the interval log. By measurement: 4,096 overflows with streams of 10,000 small updates; 16,384 still fits the
/// second-level cache.
const LOG: usize = 16_384;

/// Logs of up to this many intervals are tracked one by one.
const FEW: usize = 8;

/// Start and end of a range, in units of the set.
pub(crate) type Interval = (u32, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Log,
    Bitmap,
    All,
}

/// The set. It may report a range more than once, and larger than it was inserted, never smaller.
#[derive(Debug)]
pub(crate) struct DirtySet {
    mode: Mode,
    log: Vec<Interval>,
    /// Bytes of the log's intervals; overlaps count twice.
    logged: usize,
    bitmap: DirtyBitmap,
    bytes: usize,
    /// Offsets are stored in units of 2^shift bytes, so that states beyond 4 GiB fit.
    shift: u32,
}

impl DirtySet {
    /// The shift of a set over `bytes` bytes: every end of an interval, in units of 2^shift bytes, fits 32 bits.
    pub(crate) fn shift_for(bytes: usize) -> u32 {
        bytes.div_ceil(u32::MAX as usize).next_power_of_two().trailing_zeros()
    }

    /// An empty set over `bytes` bytes.
    pub(crate) fn new(bytes: usize) -> Result<DirtySet> {
        let capacity = LOG.min((bytes / 8).max(64));
        let shift = DirtySet::shift_for(bytes);
        Ok(DirtySet {
            mode: Mode::Log,
            log: try_vec(capacity)?,
            logged: 0,
            bitmap: DirtyBitmap::new(bytes)?,
            bytes,
            shift,
        })
    }

    /// The set of all bytes without memory for any other form, for a copy without memory. It may only be replaced.
    pub(crate) fn whole(bytes: usize) -> DirtySet {
        DirtySet { mode: Mode::All, log: Vec::new(), logged: 0, bitmap: DirtyBitmap::none(), bytes, shift: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self.mode {
            Mode::Log => self.log.is_empty(),
            Mode::Bitmap => self.bitmap.count() == 0,
            Mode::All => false,
        }
    }

    /// The intervals of a log, in units of 2^shift bytes, in the order in which they were inserted. None if the set is not a log.
    #[inline(always)]
    pub(crate) fn intervals(&self) -> Option<&[Interval]> {
        (self.mode == Mode::Log).then_some(&self.log[..])
    }

    /// Whether the set is an interval log, exact to the byte.
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
            // SAFETY: within the capacity, which never changes.
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
            self.convert_to_bitmap();
            self.bitmap.insert(start, end);
        }
    }

    /// Adds all of it.
    pub(crate) fn insert_all(&mut self) {
        self.clear();
        self.mode = Mode::All;
    }

    /// Adds another set.
    pub(crate) fn union(&mut self, other: &mut DirtySet) {
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
                self.convert_to_bitmap();
                self.bitmap.union(&other.bitmap);
            }
        }
        // Beyond half of the state, tracking single granules costs more than it saves.
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

    /// Bytes in the set; overlapping intervals count twice, up to the whole state.
    pub(crate) fn bytes(&self) -> usize {
        match self.mode {
            Mode::All => self.bytes,
            Mode::Bitmap => self.bitmap.count() * GRANULE,
            Mode::Log => self.logged.min(self.bytes),
        }
    }

    /// Whether copying the whole state is cheaper than copying each interval of this log: an interval costs at least as much as a
    /// granule.
    pub(crate) fn is_dense_log(&self) -> bool {
        self.is_scattered() && self.logged.max(self.log.len() * GRANULE) >= self.bytes
    }

    /// Whether the set is a log of many intervals: tracking each costs more than it saves.
    pub(crate) fn is_scattered(&self) -> bool {
        self.mode == Mode::Log && self.log.len() > FEW
    }

    #[inline(always)]
    fn range(&self, at: usize) -> (usize, usize) {
        let (start, end) = self.log[at];
        ((start as usize) << self.shift, ((end as usize) << self.shift).min(self.bytes))
    }

    /// Swaps contents. Two logs swap only their logs, since that happens at every publish.
    pub(crate) fn swap(&mut self, other: &mut DirtySet) {
        if self.mode == Mode::Log && other.mode == Mode::Log {
            std::mem::swap(&mut self.log, &mut other.log);
            std::mem::swap(&mut self.logged, &mut other.logged);
        } else {
            std::mem::swap(self, other);
        }
    }

    /// Calls `visit` for every interval of a log and clears it. False if the set is not a log.
    #[inline(always)]
    pub(crate) fn drain_log(&mut self, mut visit: impl FnMut(usize, usize)) -> bool {
        if self.mode == Mode::Log {
            (0..self.log.len()).map(|at| self.range(at)).for_each(|(start, end)| visit(start, end));
            self.log.clear();
            self.logged = 0;
        }
        self.mode == Mode::Log
    }

    /// Removes `start .. end` from a log of few intervals, exactly, and returns how many bytes that removed. None if the set is
    /// not such a log.
    pub(crate) fn subtract(&mut self, start: usize, end: usize) -> Option<usize> {
        if self.mode != Mode::Log || self.log.len() + 1 > FEW.min(self.log.capacity()) {
            return None;
        }
        // Partly covered units stay.
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

    /// Converts the set to a bitmap, from which ranges can be removed.
    pub(crate) fn convert_to_bitmap(&mut self) {
        match self.mode {
            Mode::Bitmap => {}
            Mode::All => self.bitmap.insert_all(),
            // At least the whole state: the set may be reported larger, so single intervals are not tracked.
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

    /// `convert_to_bitmap` for a set whose neighbouring bytes must not become members: only granules wholly within an interval
    /// go into the bitmap; `rest` is called for the remaining ends of each interval.
    pub(crate) fn convert_to_exact_bitmap(&mut self, mut rest: impl FnMut(usize, usize)) {
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
        self.convert_to_bitmap();
    }

    /// The set as a bitmap, if it is one.
    pub(crate) fn as_bitmap(&self) -> Option<&DirtyBitmap> {
        (self.mode == Mode::Bitmap).then_some(&self.bitmap)
    }

    /// The granules of a set in bitmap form.
    #[inline(always)]
    pub(crate) fn granules(&mut self) -> &mut DirtyBitmap {
        debug_assert_eq!(self.mode, Mode::Bitmap);
        &mut self.bitmap
    }

    /// Removes a range of at most about `most` bytes and returns it.
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
        self.convert_to_bitmap();
        match self.bitmap.pop_run((most / GRANULE).max(1)) {
            Some((first, count)) => Some((first * GRANULE, ((first + count) * GRANULE).min(self.bytes))),
            None => {
                self.mode = Mode::Log;
                None
            }
        }
    }

    /// Calls `visit` for every range; the set stays as it is.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(usize, usize)) {
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
