//! The size of a stream's next buffer, adapted to how full the last ones were.

/// So many full buffers in a row double the size.
const FULL: u32 = 4;
/// So many buffers in a row that are filled to less than a quarter halve it.
const SPARSE: u32 = 64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct AdaptiveSize {
    size: u64,
    least: u64,
    most: u64,
    full: u32,
    sparse: u32,
}

impl AdaptiveSize {
    /// A size that begins at `least` and stays between `least` and `most`.
    pub(crate) fn new(least: u64, most: u64) -> AdaptiveSize {
        AdaptiveSize { size: least, least, most: most.max(least), full: 0, sparse: 0 }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// A buffer of the current size was filled with `bytes` of the `room` that it had for them.
    pub(crate) fn record(&mut self, bytes: u64, room: u64) {
        self.full = if bytes >= room { self.full + 1 } else { 0 };
        self.sparse = if bytes < self.size / 4 { self.sparse + 1 } else { 0 };
        if self.full == FULL {
            (self.size, self.full) = (self.size.saturating_mul(2).min(self.most), 0);
        }
        if self.sparse == SPARSE {
            (self.size, self.sparse) = ((self.size / 2).max(self.least), 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(adaptive: &mut AdaptiveSize, times: u32, bytes: u64) -> u64 {
        (0..times).for_each(|_| adaptive.record(bytes, adaptive.size()));
        adaptive.size()
    }

    #[test]
    fn full_buffers_double_it_and_sparse_ones_halve_it() {
        let mut size = AdaptiveSize::new(1000, 5000);
        assert_eq!(after(&mut size, 3, 1000), 1000);
        assert_eq!(after(&mut size, 1, 999), 1000);
        assert_eq!(after(&mut size, 4, 1000), 2000);
        assert_eq!(after(&mut size, 4, 2000), 4000);
        assert_eq!(after(&mut size, 40, 9000), 5000);
        assert_eq!(after(&mut size, 63, 10), 5000);
        assert_eq!(after(&mut size, 1, 1250), 5000);
        assert_eq!(after(&mut size, 64, 10), 2500);
        assert_eq!(after(&mut size, 1000, 0), 1000);
    }
}
