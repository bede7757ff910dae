//! Queued updates: small ones are stored in the message, larger ones in a box.

const INLINE: usize = 24;

pub enum Update {
    Inline { offset: u64, length: u8, data: [u8; INLINE] },
    Boxed { offset: u64, data: Box<[u8]> },
}

impl Update {
    #[inline]
    pub fn new(offset: usize, data: &[u8]) -> Update {
        let offset = offset as u64;
        if data.len() > INLINE {
            return Update::Boxed { offset, data: data.into() };
        }
        let mut inline = [0; INLINE];
        inline[..data.len()].copy_from_slice(data);
        Update::Inline { offset, length: data.len() as u8, data: inline }
    }

    #[inline]
    pub fn parts(&self) -> (usize, &[u8]) {
        match self {
            Update::Inline { offset, length, data } => (*offset as usize, &data[..*length as usize]),
            Update::Boxed { offset, data } => (*offset as usize, data),
        }
    }

    #[inline]
    pub fn apply(&self, state: &mut [u8]) {
        let (offset, data) = self.parts();
        state[offset..offset + data.len()].copy_from_slice(data);
    }
}
