//! The ring: what its two ends share, and how it is made.

use std::fmt::Write;

use super::indices::Indices;
use super::place::Place;
use crate::alloc::{Arc, boxed};
use crate::error::{Error, Label, Result, Status};
use crate::handle::live_list;
use crate::handle::live_list::{Linked, LiveList};
use crate::log::{self, Level};
use crate::spsc::receiver::Receiver;
use crate::spsc::rx::Rx;
use crate::spsc::sender::Sender;
use crate::spsc::tx::Tx;
use crate::sync::atomic::AtomicPtr;
use crate::sync::barrier;
use crate::sys::mirrored_mapping::Mirror;
use crate::sys::pages::check_available;

/// How a ring is made.
///
/// ```
/// use backbuf::spsc::{Config, ring_with};
/// let (sender, receiver) = ring_with(4096, &Config { label: "samples", ..Config::default() })?;
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// Name in messages, logs and dumps; cut at 63 bytes.
    pub label: &'a str,
    /// Whether an end pauses for a fraction of a microsecond where a stream of tiny chunks would otherwise move cache lines to
    /// and fro for each of them. On by default: the stream gains a multiple of its throughput.
    pub backoff: bool,
    /// Bytes of a record, for a ring that never makes its sender wait: where it is full a new record overwrites the oldest ones,
    /// and both ends count what is [lost](super::EndStatistics::lost). 0, the default, for a ring that delivers every byte.
    ///
    /// All calls move whole records then, the capacity is rounded up to whole records, and the memory is at least twice as large:
    /// while the receiver copies, or has a [`Peek`](super::Peek), nothing is overwritten, but as many records as the ring holds can
    /// still come before the sender finds it full.
    ///
    /// ```
    /// use backbuf::spsc::{Config, ring_with};
    /// let config = Config { overwrite_record_size: 8, ..Config::default() };
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

impl Default for Config<'_> {
    fn default() -> Self {
        Config { label: "", backoff: true, overwrite_record_size: 0 }
    }
}

/// A ring of at least `capacity` bytes, rounded up to a power of two; all of it is usable.
///
/// ```
/// use backbuf::Timeout;
/// let (mut sender, mut receiver) = backbuf::spsc::ring(1 << 16)?;
/// let producer = std::thread::spawn(move || sender.send_all(&[7; 100_000], Timeout::FOREVER));
/// let mut all = vec![0; 100_000];
/// receiver.recv_all(&mut all, Timeout::FOREVER)?;
/// assert!(all.iter().all(|&byte| byte == 7));
/// producer.join().unwrap()?;
/// # Ok::<(), backbuf::Error>(())
/// ```
pub fn ring(capacity: usize) -> Result<(Sender, Receiver)> {
    ring_with(capacity, &Config::default())
}

/// The same, with a [`Config`].
///
/// ```
/// use backbuf::spsc::{Config, ring_with};
/// let (sender, _receiver) = ring_with(1000, &Config { label: "samples", ..Config::default() })?;
/// assert_eq!(sender.capacity(), 1024);
/// # Ok::<(), backbuf::Error>(())
/// ```
pub fn ring_with(capacity: usize, config: &Config<'_>) -> Result<(Sender, Receiver)> {
    let ring = Ring::new(capacity as u64, config, false, 0)?;
    Ok((Sender(boxed(Tx::new(ring.clone()))?), Receiver(boxed(Rx::new(ring))?)))
}

/// What the ends share.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) indices: Indices,
    /// Where the receiver waits. The sender looks here each time that it publishes.
    pub(crate) receiver: Place,
    /// Where the sender waits.
    pub(crate) sender: Place,
    pub(crate) memory: Mirror,
    pub(crate) backoff: bool,
    /// Whether its ends tell a second thread inside of them.
    pub(crate) checked: bool,
    /// Bytes of a record, where the oldest are overwritten; else 0.
    pub(crate) record: u64,
    pub(crate) label: Label,
    number: u64,
    next: AtomicPtr<Ring>,
}

/// Bytes of a ring at most: its memory is mapped twice in a row, in an address space of 47 bits.
const MOST: u64 = 1 << 46;

/// The rings of this process.
static RINGS: LiveList<Ring> = LiveList::new();

impl Linked for Ring {
    fn next(&self) -> &AtomicPtr<Ring> {
        &self.next
    }
}

impl Ring {
    /// A ring whose counts of bytes begin at `start`.
    pub(crate) fn new(capacity: u64, config: &Config<'_>, checked: bool, start: u64) -> Result<Arc<Ring>> {
        if capacity == 0 {
            return Err(Error::value(Status::Argument, "capacity", 0, "a ring holds at least one byte"));
        }
        let record = config.overwrite_record_size;
        // One record is the least that a ring of records holds.
        let (size, bytes) =
            if record > capacity { ("overwrite_record_size", record) } else { ("capacity", capacity) };
        let absurd = || Error::value(Status::Range, size, bytes, "more than the address space holds");
        let rounded = match record {
            0 => capacity.checked_next_power_of_two(),
            _ => capacity.checked_next_multiple_of(record),
        };
        let rounded = rounded.filter(|&bytes| bytes <= MOST).ok_or_else(absurd)?;
        let indices = match record {
            0 => Indices::new(rounded, start),
            _ => Indices::overwriting(rounded, start),
        };
        if indices.capacity() > MOST {
            return Err(absurd());
        }
        check_available(indices.capacity(), size, "more memory than is available")?;
        barrier::init();
        let ring = Ring {
            receiver: Place::default(),
            sender: Place::default(),
            memory: Mirror::new(indices.capacity() as usize)?,
            indices,
            backoff: config.backoff,
            checked,
            record,
            label: Label::new(config.label),
            number: live_list::number(),
            next: AtomicPtr::default(),
        };
        let ring = Arc::try_new(ring).map_err(|_| Error::of(Status::OutOfMemory))?;
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

    pub(crate) fn capacity(&self) -> u64 {
        self.indices.window()
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

/// A claim that outlived its end: it keeps the ring's memory, and the end's place taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(super) ring: Arc<Ring>,
    pub(super) place: fn(&Ring) -> &Place,
}

impl Drop for Claim {
    fn drop(&mut self) {
        (self.place)(&self.ring).side.leave();
    }
}

/// One line a ring. Takes locks only if they are free, and allocates nothing.
pub(crate) fn dump(out: &mut dyn Write) {
    let looked = RINGS.for_each(|ring| {
        let (number, label, used) = (ring.number, ring.label.as_str(), ring.indices.used());
        let (sender, receiver) = (ring.sender.side.state(), ring.receiver.side.state());
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
    if !looked {
        let _ = writeln!(out, "rings: the list is in use just now");
    }
}
