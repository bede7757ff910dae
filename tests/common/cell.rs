//! An element that is no number, for tests of typed states and fields.

use backbuf::bytemuck::{Pod, Zeroable};

/// Its size is no power of two.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Cell {
    pub depth: f32,
    pub flow: [i16; 4],
}

// SAFETY: plain data without padding, for which zero is a legal value.
unsafe impl Zeroable for Cell {}
// SAFETY: as above.
unsafe impl Pod for Cell {}

/// The cell of that number.
pub fn cell(number: u16) -> Cell {
    Cell { depth: f32::from(number), flow: [number as i16, 1, 2, 3] }
}
