//! What a device counts.

use std::fmt;

use super::shared::Shared;

/// What a device has counted since it was made. Displays as text, a line a figure.
///
/// ```
/// use backbuf::{buffers::{BufferDesc, DeviceBuffer, Encoder}, device::{Device, HostConfig, Usage}};
/// let device = Device::host(HostConfig::default())?;
/// let mesh = DeviceBuffer::new(&device, &BufferDesc { size: 64, usage: Usage::VERTEX, ..BufferDesc::default() })?;
/// let mut encoder = Encoder::new(&device);
/// encoder.write(&mesh, 0, &[7; 16])?;
/// encoder.submit()?;
/// drop(mesh);
/// let statistics = device.statistics();
/// assert_eq!((statistics.buffers_created, statistics.buffers_deleted, statistics.bytes_written), (1, 1, 16));
/// assert!(statistics.to_string().contains("bytes written: 16\n"));
/// # Ok::<(), backbuf::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Native buffers made.
    pub buffers_created: u64,
    /// Native buffers given back.
    pub buffers_deleted: u64,
    /// Bytes of the buffers that live.
    pub live_bytes: u64,
    /// Calls that crossed, or would have crossed, to the owner thread.
    pub calls: u64,
    /// Writes from host memory.
    pub writes: u64,
    /// Bytes of them.
    pub bytes_written: u64,
    /// Copies on the device.
    pub copies: u64,
    /// Bytes of them.
    pub bytes_copied: u64,
    /// Ranges mapped.
    pub maps: u64,
    /// Submits.
    pub submits: u64,
    /// Waits for fences that could not be answered at once.
    pub waits: u64,
    /// Calls of the API that carried writes and copies, up to the last submit; 0 where the backend does not count them.
    pub native_calls: u64,
}

impl Statistics {
    pub(crate) fn of(shared: &Shared) -> Statistics {
        let counters = &shared.books.counters;
        Statistics {
            buffers_created: counters.created.get(),
            buffers_deleted: counters.deleted.get(),
            live_bytes: counters.live_bytes.get(),
            calls: counters.calls.get(),
            writes: counters.writes.get(),
            bytes_written: counters.written.get(),
            copies: counters.copies.get(),
            bytes_copied: counters.copied.get(),
            maps: counters.maps.get(),
            submits: counters.submits.get(),
            waits: counters.waits.get(),
            native_calls: counters.native_calls.get(),
        }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("buffers created", self.buffers_created),
            ("buffers deleted", self.buffers_deleted),
            ("live bytes", self.live_bytes),
            ("calls", self.calls),
            ("writes", self.writes),
            ("bytes written", self.bytes_written),
            ("copies", self.copies),
            ("bytes copied", self.bytes_copied),
            ("maps", self.maps),
            ("submits", self.submits),
            ("waits", self.waits),
            ("native calls", self.native_calls),
        ];
        lines.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {value}"))
    }
}
