//! Reports of live buffers: the leak report of a device, and the buffers in a dump.

use std::fmt::{self, Write};

use crate::buffers::buffer::{BUFFERS, BufferInner};
use crate::buffers::map_state::BufferState;
use crate::device::device::Device;
use crate::device::driver::{Native, Usage};
use crate::error::{Label, Result};

/// A buffer that was neither destroyed nor dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeakedBuffer {
    /// The driver's buffer.
    pub native: Native,
    /// The label of the buffer.
    pub label: Label,
    /// Size in bytes.
    pub bytes: u64,
    /// The uses of the buffer.
    pub usage: Usage,
    /// The state of the buffer. A map request is pending if it is [`BufferState::MapPending`].
    pub state: BufferState,
}

impl fmt::Display for LeakedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LeakedBuffer { label, bytes, usage, state, .. } = self;
        write!(f, "buffer '{}': {bytes} bytes, {usage:?}, {state:?}", label.as_str())
    }
}

/// The leak report: every buffer of a device that was neither destroyed nor dropped.
///
/// ```
/// use backbuf::{buffers::{Buffer, BufferDesc, leak_report}, device::{Device, HostConfig, Usage}};
/// let device = Device::host(HostConfig::default())?;
/// let desc = BufferDesc { size: 64, usage: Usage::VERTEX, label: "mesh", ..BufferDesc::default() };
/// let mesh = Buffer::new(&device, &desc)?;
/// assert_eq!(leak_report(&device)?[0].to_string(), "buffer 'mesh': 64 bytes, VERTEX, Ready");
/// drop(mesh);
/// assert_eq!(leak_report(&device)?, []);
/// # Ok::<(), backbuf::Error>(())
/// ```
pub fn leak_report(device: &Device) -> Result<Vec<LeakedBuffer>> {
    loop {
        let mut found = Vec::new();
        let mut result = Ok(());
        let visited = BUFFERS.for_each(|buffer| {
            if let (true, Ok(()), Some(live)) = (buffer.device.is_same(device), result, live(buffer)) {
                result = found.try_reserve(1).map_err(Into::into);
                found.extend(result.is_ok().then_some(live));
            }
        });
        if visited {
            return result.map(|()| found);
        }
        // Another thread creates or drops a buffer.
        std::thread::yield_now();
    }
}

fn live(buffer: &BufferInner) -> Option<LeakedBuffer> {
    let BufferInner { native, label, size: bytes, usage, .. } = *buffer;
    let state = buffer.state();
    (state != BufferState::Destroyed).then_some(LeakedBuffer { native, label, bytes, usage, state })
}

/// Writes a line for each buffer. Waits for no lock and allocates nothing.
pub(crate) fn dump(out: &mut dyn Write) {
    let visited = BUFFERS.for_each(|buffer| {
        let (label, bytes, usage) = (buffer.label.as_str(), buffer.size, buffer.usage);
        let _ = match buffer.try_state() {
            Some(state) => writeln!(out, "buffer '{label}': {bytes} bytes, {usage:?}, {state:?}"),
            None => writeln!(out, "buffer '{label}': {bytes} bytes, {usage:?}, locked by a call"),
        };
    });
    if !visited {
        let _ = writeln!(out, "buffers: the list is locked by a call");
    }
}
