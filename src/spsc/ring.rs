//! The state that the two ends of a ring share: memory, indices and both wait sides; and its configuration.

use std::fmt::{Formatter, Write};

use crate::alloc::{Arc, try_arc};
use crate::error::{Error, Label, Result, Status};
use crate::handle::live_list::{self, Linked, LiveList};
use crate::log::{self, Level};
use crate::spsc::indices::{ClaimCursor, Indices};
use crate::spsc::wait_side::WaitSide;
use crate::sync::atomic::AtomicPtr;
use crate::sync::barrier;
use crate::sys::mirrored_mapping::Mirror;
use crate::sys::pages::check_available;
use crate::sys::scheduling::record_quota;

/// Configuration of a ring.
///
/// ```
/// use backbuf::spsc::{RingConfig, ring_with};
/// let (sender, receiver) = ring_with(4096, &RingConfig { label: "samples", ..RingConfig::default() })?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RingConfig<'a> {
    /// Name in messages, logs and dumps; cut at 63 bytes.
    pub label: &'a str,
    /// Whether an end pauses for a fraction of a microsecond if a stream of tiny chunks would otherwise move cache lines between the
    /// cores for each of them. On by default: the stream gains a multiple of its throughput.
    pub backoff: bool,
    /// Bytes of a record, for a ring whose sender never waits: in a full ring a new record overwrites the oldest ones, and both ends
    /// count what is [lost](super::EndStatistics::lost). 0, the default, for a ring that delivers every byte.
    ///
    /// All calls then move whole records, the capacity is rounded up to whole records, and the memory is at least twice as large:
    /// while the receiver copies, or has a [`Peek`](super::Peek), nothing is overwritten, but as many records as the ring holds can
    /// still be sent before the sender finds it full.
    ///
    /// ```
    /// use backbuf::spsc::{RingConfig, ring_with};
    /// let config = RingConfig { overwrite_record_size: 8, ..RingConfig::default() };
    /// let (mut sender, mut receiver) = ring_with(3 * 8, &config)?;
    /// for number in 0..5u64 {
    ///     sender.send(&number.to_ne_bytes())?;
    /// }
    /// let mut oldest = [0; 8];
    /// receiver.recv(&mut oldest)?;
    /// assert_eq!((u64::from_ne_bytes(oldest), receiver.statistics().lost), (2, 2));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub overwrite_record_size: u64,
}

impl Default for RingConfig<'_> {
    fn default() -> Self {
        RingConfig { label: "", backoff: true, overwrite_record_size: 0 }
    }
}

/// The state that both ends share. The last of the ends, open spans and streams frees it.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) indices: Indices,
    /// Where the receiver waits. The sender signals it each time it publishes.
    pub(crate) receiver: WaitSide,
    /// Where the sender waits. The receiver signals it each time it gives bytes back.
    pub(crate) sender: WaitSide,
    /// How far an inline writer has come.
    pub(crate) writer: ClaimCursor,
    /// How far an inline reader has come.
    pub(crate) reader: ClaimCursor,
    pub(crate) memory: Mirror,
    pub(crate) backoff: bool,
    /// Whether an end refuses a second thread.
    pub(crate) checked: bool,
    /// Bytes of a record, in a ring that overwrites its oldest records; else 0.
    pub(crate) record: u64,
    pub(crate) label: Label,
    number: u64,
    next: AtomicPtr<Ring>,
}

/// The largest ring: its memory is mapped twice in a row, in an address space of 47 bits.
const MAX_BYTES: u64 = 1 << 46;

/// The rings of this process.
static RINGS: LiveList<Ring> = LiveList::new();

impl Linked for Ring {
    fn next(&self) -> &AtomicPtr<Ring> {
        &self.next
    }
}

impl Ring {
    /// A ring whose indices begin at `start`.
    pub(crate) fn new(
        capacity: u64,
        config: &RingConfig<'_>,
        checked: bool,
        start: u64,
    ) -> Result<Arc<Ring>> {
        if capacity == 0 {
            return Err(Error::value(Status::Argument, "capacity", 0, "a ring holds at least one byte"));
        }
        let record = config.overwrite_record_size;
        // A ring of records holds at least one record.
        let (size, bytes) =
            if record > capacity { ("overwrite_record_size", record) } else { ("capacity", capacity) };
        let too_large = || Error::value(Status::Range, size, bytes, "more than the address space holds");
        let rounded = match record {
            0 => capacity.checked_next_power_of_two(),
            _ => capacity.checked_next_multiple_of(record),
        };
        let rounded = rounded.filter(|&bytes| bytes <= MAX_BYTES).ok_or_else(too_large)?;
        let indices = match record {
            0 => Indices::new(rounded, start),
            _ => Indices::overwriting(rounded, start),
        };
        if indices.capacity() > MAX_BYTES {
            return Err(too_large());
        }
        check_available(indices.capacity(), size, "more memory than is available")?;
        barrier::init();
        record_quota();
        let ring = Ring {
            receiver: WaitSide::default(),
            sender: WaitSide::default(),
            writer: ClaimCursor::new(start),
            reader: ClaimCursor::new(start),
            memory: Mirror::new(indices.capacity() as usize)?,
            indices,
            backoff: config.backoff,
            checked,
            record,
            label: Label::new(config.label),
            number: live_list::number(),
            next: AtomicPtr::default(),
        };
        let ring = try_arc(ring)?;
        RINGS.add(&ring)?;
        let label = ring.label.as_str();
        match record {
            0 => log::record(Level::Info, "spsc", label, format_args!("created: {rounded} bytes")),
            _ => {
                let text =
                    format_args!("created: {rounded} bytes, overwrites the oldest records of {record} bytes");
                log::record(Level::Info, "spsc", label, text);
            }
        }
        Ok(ring)
    }

    /// Bytes that the ring holds.
    pub(crate) fn capacity(&self) -> u64 {
        self.indices.window()
    }

    /// The debug output of `end`: label, capacity, bytes in the ring, and whether the end moves no more.
    pub(crate) fn debug(&self, end: &str, closed: bool, f: &mut Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct(end);
        f.field("label", &self.label.as_str()).field("capacity", &self.capacity());
        f.field("used", &self.indices.used()).field("closed", &closed).finish_non_exhaustive()
    }

    /// Its number among the objects of the process.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        RINGS.remove(self);
        log::record(Level::Info, "spsc", self.label.as_str(), format_args!("destroyed"));
    }
}

/// The span that was open when its end was destroyed. Until it is dropped, the ring's memory stays and no new end can be attached.
#[derive(Debug)]
pub(crate) struct OrphanedSpan {
    pub(crate) ring: Arc<Ring>,
    pub(crate) side: fn(&Ring) -> &WaitSide,
}

impl Drop for OrphanedSpan {
    fn drop(&mut self) {
        (self.side)(&self.ring).mark_destroyed();
    }
}

/// Writes one line a ring. Takes locks only if they are free, and allocates nothing.
pub(crate) fn dump(out: &mut dyn Write) {
    let listed = RINGS.for_each(|ring| {
        let (number, label, used) = (ring.number, ring.label.as_str(), ring.indices.used());
        let (sender, receiver) = (ring.sender.state(), ring.receiver.state());
        let capacity = ring.capacity();
        let _ = write!(
            out,
            "ring #{number} '{label}': {used} of {capacity} bytes, sender {sender}, receiver {receiver}"
        );
        let _ = match ring.record {
            0 => writeln!(out),
            record => writeln!(out, ", overwrites the oldest records of {record} bytes"),
        };
    });
    if !listed {
        let _ = writeln!(out, "rings: the list is in use just now");
    }
}
