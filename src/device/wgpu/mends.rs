//! Writes of less than a word, and small ones: words of one buffer that a shader mends, many at a time.

use crate::device::driver::Native;
use crate::error::{Error, Result, Status};

/// Bytes of a word that get a new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mend {
    /// Counted from the beginning of the buffer.
    pub(super) word: u64,
    mask: u32,
    value: u32,
}

/// How many are kept for one dispatch.
pub(super) const MOST: usize = 4096;

/// See the module. In the order of their words, each once: a shader does them in no order.
#[derive(Debug, Default)]
pub(super) struct Mends {
    of: Option<Native>,
    list: Vec<Mend>,
}

impl Mends {
    /// Whether these bytes may be added without anything before.
    pub(super) fn has_room(&self, of: Native, offset: u64, bytes: u64, window: u64) -> bool {
        let (begin, end) = (offset / 4, (offset + bytes).div_ceil(4));
        let first = self.list.first().map_or(begin, |mend| mend.word).min(begin);
        let last = self.list.last().map_or(end, |mend| mend.word + 1).max(end);
        self.list.is_empty()
            || self.of == Some(of)
                && self.list.len() + (end - begin) as usize <= MOST
                && (last - first) * 4 <= window
    }

    /// Adds bytes, for which there is room.
    pub(super) fn add(&mut self, of: Native, offset: u64, data: &[u8]) -> Result<()> {
        let end = offset + data.len() as u64;
        let words = offset / 4..end.div_ceil(4);
        let room = self.list.try_reserve((words.end - words.start) as usize);
        room.map_err(|_| Error::of(Status::OutOfMemory))?;
        self.of = Some(of);
        for word in words {
            let (mut mask, mut value) = ([0; 4], [0; 4]);
            for at in (word * 4).max(offset)..(word * 4 + 4).min(end) {
                mask[(at % 4) as usize] = 0xff;
                value[(at % 4) as usize] = data[(at - offset) as usize];
            }
            self.put(Mend { word, mask: u32::from_le_bytes(mask), value: u32::from_le_bytes(value) });
        }
        Ok(())
    }

    fn put(&mut self, new: Mend) {
        // Most come in order.
        let at = match self.list.last() {
            Some(last) if last.word >= new.word => self.list.partition_point(|mend| mend.word < new.word),
            _ => self.list.len(),
        };
        match self.list.get_mut(at) {
            Some(known) if known.word == new.word => {
                known.value = known.value & !new.mask | new.value;
                known.mask |= new.mask;
            }
            _ => self.list.insert(at, new),
        }
    }

    /// Whether something that touches those bytes must come after them.
    pub(super) fn meet(&self, buffer: Native, offset: u64, bytes: u64) -> bool {
        let (Some(first), Some(last)) = (self.list.first(), self.list.last()) else { return false };
        self.of == Some(buffer) && first.word * 4 < offset + bytes && offset < last.word * 4 + 4
    }

    /// The buffer that they are for, if there are any.
    pub(super) fn of(&self) -> Option<Native> {
        self.of.filter(|_| !self.list.is_empty())
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The words that the first and the last one are in.
    pub(super) fn span(&self) -> (u64, u64) {
        (self.list.first().map_or(0, |mend| mend.word), self.list.last().map_or(0, |mend| mend.word + 1))
    }

    /// They as the shader reads them, words counted from `base`; and none are left.
    pub(super) fn take(&mut self, base: u64) -> impl Iterator<Item = [u32; 4]> {
        self.of = None;
        self.list.drain(..).map(move |mend| [(mend.word - base) as u32, mend.mask, mend.value, 0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Native = Native(1);

    #[test]
    fn words_come_once_and_in_order() {
        let mut mends = Mends::default();
        mends.add(A, 9, &[1, 2, 3, 4]).unwrap();
        mends.add(A, 2, &[5]).unwrap();
        mends.add(A, 10, &[6]).unwrap();
        assert_eq!((mends.of(), mends.len(), mends.span()), (Some(A), 3, (0, 4)));
        assert!(mends.meet(A, 15, 1) && mends.meet(A, 5, 1), "in between counts, too");
        assert!(!mends.meet(A, 16, 1) && !mends.meet(Native(2), 0, 16));
        let taken: Vec<_> = mends.take(0).collect();
        assert_eq!(taken[0], [0, 0x00ff_0000, 0x0005_0000, 0]);
        assert_eq!(taken[1], [2, 0xffff_ff00, 0x0306_0100, 0], "the later one of two bytes");
        assert_eq!(taken[2], [3, 0x0000_00ff, 4, 0]);
        assert_eq!(mends.of(), None);
    }

    #[test]
    fn there_is_room_for_one_buffer_one_window_and_so_many() {
        let mut mends = Mends::default();
        assert!(mends.has_room(A, 1 << 40, 1, 64));
        mends.add(A, 64, &[1]).unwrap();
        assert!(mends.has_room(A, 124, 4, 64) && !mends.has_room(A, 125, 4, 64));
        assert!(mends.has_room(A, 4, 1, 64) && !mends.has_room(A, 3, 1, 64));
        assert!(!mends.has_room(Native(2), 64, 1, 64));
        for word in 0..MOST as u64 {
            mends.add(A, word * 4, &[7; 4]).unwrap();
        }
        assert!(mends.len() == MOST && !mends.has_room(A, 0, 1, 1 << 20));
    }
}
