//! The wire format of feeds: records that a ring or a file carries to a manager. `docs/feed-format.md` specifies it.
//!
//! Pure functions over bytes: they read nothing beyond what they are given, and what they return says nothing of the state that the
//! records are for.

use crate::error::{Error, Result, Status};

/// The first two bytes of each record, as a little-endian number.
pub const MAGIC: u16 = 0xfeed;
/// The version of the format that this library writes. It reads this version and older ones.
pub const VERSION: u8 = 1;
/// Bytes of a record before its payload.
pub const HEADER_BYTES: usize = 24;
/// A record's size is a multiple of this.
pub const ALIGNMENT: u64 = 8;

/// The type of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordType {
    /// The payload is written at the offset.
    Write = 1,
    /// The payload is a count of elements, as 64 bits, and the bytes of one element, which is written that many times at the offset.
    Fill = 2,
    /// The offset is the tag.
    Tag = 3,
    /// The payload is records, which are applied as one.
    Batch = 4,
}

/// The header of a record.
///
/// ```
/// use backbuf::feed::{FeedHeader, RecordType};
/// let header = FeedHeader { record_type: RecordType::Write, field: 0, offset: 16, bytes: 5 };
/// assert_eq!(FeedHeader::parse(&header.encode())?, header);
/// assert_eq!(header.record_bytes()?, 32, "24 bytes of header, 5 of payload and 3 of padding");
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedHeader {
    /// The type.
    pub record_type: RecordType,
    /// The index of the field that is written.
    pub field: u32,
    /// Where the field is written: a byte offset. Of a tag: the tag.
    pub offset: u64,
    /// Bytes of the payload, without padding.
    pub bytes: u64,
}

impl FeedHeader {
    /// The header as the first bytes of a record.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[0..2].copy_from_slice(&MAGIC.to_le_bytes());
        header[2] = VERSION;
        header[3] = self.record_type as u8;
        header[4..8].copy_from_slice(&self.field.to_le_bytes());
        header[8..16].copy_from_slice(&self.offset.to_le_bytes());
        header[16..24].copy_from_slice(&self.bytes.to_le_bytes());
        header
    }

    /// Reads the first bytes of a record. Fails with [`Status::Argument`] if they are not a header, with [`Status::Version`] if a
    /// newer version wrote it.
    pub fn parse(header: &[u8; HEADER_BYTES]) -> Result<FeedHeader> {
        let [m0, m1, version, record_type, f0, f1, f2, f3, rest @ ..] = *header;
        let magic = u16::from_le_bytes([m0, m1]);
        if magic != MAGIC {
            return Err(Error::value(
                Status::Argument,
                "magic",
                magic,
                "the bytes are not a record of a feed",
            ));
        }
        if version > VERSION {
            let reason = "a newer version of the library wrote the record; update this one";
            return Err(Error::value(Status::Version, "version", version, reason));
        }
        let record_type = match record_type {
            _ if version == 0 => return Err(Error::value(Status::Argument, "version", 0, "no such version")),
            1 => RecordType::Write,
            2 => RecordType::Fill,
            3 => RecordType::Tag,
            4 => RecordType::Batch,
            other => return Err(Error::value(Status::Argument, "type", other, "no such type of record")),
        };
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&rest[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let field = u32::from_le_bytes([f0, f1, f2, f3]);
        let parsed = FeedHeader { record_type, field, offset: number(0), bytes: number(8) };
        parsed.check()?;
        Ok(parsed)
    }

    /// Refuses numbers that its type does not allow.
    pub(crate) fn check(&self) -> Result<()> {
        let value = |param, value: u64, reason| Err(Error::value(Status::Argument, param, value, reason));
        match self.record_type {
            RecordType::Fill if self.bytes <= 8 => {
                value("bytes", self.bytes, "the payload of a fill is a count and an element")
            }
            RecordType::Tag if self.bytes != 0 => value("bytes", self.bytes, "a tag has no payload"),
            RecordType::Tag | RecordType::Batch if self.field != 0 => {
                value("field", self.field.into(), "only writes and fills have a field")
            }
            RecordType::Batch if self.offset != 0 => value("offset", self.offset, "a batch has no offset"),
            RecordType::Batch if !self.bytes.is_multiple_of(ALIGNMENT) => {
                value("bytes", self.bytes, "the records of a batch are whole: a multiple of 8 bytes")
            }
            _ => self.record_bytes().map(drop),
        }
    }

    /// Bytes of the whole record: header, payload and padding.
    pub fn record_bytes(&self) -> Result<u64> {
        let size = self.bytes.checked_add(HEADER_BYTES as u64);
        size.and_then(|size| size.checked_next_multiple_of(ALIGNMENT)).ok_or_else(|| {
            Error::value(Status::Range, "bytes", self.bytes, "overflows the size of the record")
        })
    }
}

/// The header of a complete record of this version that is a write, and the size of the record. None for others, and for what
/// [`FeedHeader::parse`] refuses.
#[inline(always)]
pub(crate) fn complete_write(header: &[u8; HEADER_BYTES], there: u64) -> Option<(FeedHeader, u64)> {
    const BEGINNING: u32 = MAGIC as u32 | (VERSION as u32) << 16 | (RecordType::Write as u32) << 24;
    let &[b0, b1, b2, b3, f0, f1, f2, f3, ref rest @ ..] = header;
    let (offset, bytes) = rest.split_at(8);
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let (field, offset, bytes) = (u32::from_le_bytes([f0, f1, f2, f3]), number(offset), number(bytes));
    let left = there.checked_sub(HEADER_BYTES as u64)?;
    if u32::from_le_bytes([b0, b1, b2, b3]) != BEGINNING || bytes > left {
        return None;
    }
    // No overflow: the payload is there.
    let size = (HEADER_BYTES as u64 + bytes).next_multiple_of(ALIGNMENT);
    let header = FeedHeader { record_type: RecordType::Write, field, offset, bytes };
    (size <= there).then_some((header, size))
}

/// Reads the header at the beginning of `bytes`. None if they are fewer than a header.
///
/// # Safety
/// The bytes are readable. They need not be aligned.
pub(crate) unsafe fn header_at(data: *const u8, bytes: u64) -> Option<Result<FeedHeader>> {
    // One copy, so that no field is read twice. SAFETY: as many are readable.
    (bytes >= HEADER_BYTES as u64)
        .then(|| FeedHeader::parse(&unsafe { data.cast::<[u8; HEADER_BYTES]>().read() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: FeedHeader = FeedHeader { record_type: RecordType::Write, field: 3, offset: 8, bytes: 16 };

    fn status(header: [u8; HEADER_BYTES]) -> Option<Status> {
        FeedHeader::parse(&header).err().map(|error| error.status())
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let header = [0xed, 0xfe, 1, 1, 3, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(WRITE.encode(), header);
        assert_eq!(FeedHeader::parse(&header), Ok(WRITE));
    }

    #[test]
    fn what_is_accepted_is_encoded_the_same_again() {
        let mut accepted = 0;
        for record_type in 0..=255 {
            for byte in 0..HEADER_BYTES {
                for value in 0..=255 {
                    let mut header = WRITE.encode();
                    (header[3], header[byte]) = (record_type, value);
                    if let Ok(parsed) = FeedHeader::parse(&header) {
                        assert_eq!(parsed.encode(), header);
                        assert!(parsed.record_bytes().unwrap() >= HEADER_BYTES as u64 + parsed.bytes);
                        accepted += 1;
                    }
                }
            }
        }
        assert!(accepted > 1000, "{accepted}");
    }

    #[test]
    fn bad_headers_have_their_status() {
        let with = |at: usize, value: u8| {
            let mut header = WRITE.encode();
            header[at] = value;
            status(header)
        };
        assert_eq!((with(0, 0), with(1, 0)), (Some(Status::Argument), Some(Status::Argument)));
        assert_eq!((with(2, 0), with(2, VERSION + 1)), (Some(Status::Argument), Some(Status::Version)));
        assert_eq!((with(3, 0), with(3, 5)), (Some(Status::Argument), Some(Status::Argument)));
        let overflow = FeedHeader { bytes: u64::MAX - 7, ..WRITE };
        assert_eq!(status(overflow.encode()), Some(Status::Range));
        let record_type = RecordType::Batch;
        let batch = FeedHeader { record_type, field: 0, offset: 0, bytes: 24 };
        for bad in [
            FeedHeader { record_type: RecordType::Tag, field: 0, ..WRITE },
            FeedHeader { record_type: RecordType::Tag, bytes: 0, ..WRITE },
            FeedHeader { record_type: RecordType::Fill, bytes: 8, ..WRITE },
            FeedHeader { bytes: 25, ..batch },
            FeedHeader { offset: 1, ..batch },
            FeedHeader { field: 1, ..batch },
        ] {
            assert_eq!(status(bad.encode()), Some(Status::Argument), "{bad:?}");
        }
        assert_eq!(status(batch.encode()), None);
    }
}
