//! The buffers that live, for people who look.

use std::fmt::{self, Write};

use super::inner::{BUFFERS, Inner};
use super::machine::BufferState;
use crate::alloc::try_vec;
use crate::device::device::Device;
use crate::device::driver::{Native, Usage};
use crate::error::{Error, Label, Result, Status};

/// A buffer that has not been given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveBuffer {
    /// What it is to the driver.
    pub native: Native,
    /// Its label.
    pub label: Label,
    /// Its size.
    pub bytes: u64,
    /// What it is for.
    pub usage: Usage,
    /// Where it stands. A request is open if that is [`BufferState::MapPending`].
    pub state: BufferState,
}

impl fmt::Display for LiveBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LiveBuffer { label, bytes, usage, state, .. } = self;
        write!(f, "buffer '{}': {bytes} bytes, {usage:?}, {state:?}", label.as_str())
    }
}

/// The leak report: every buffer of a device that has neither been destroyed nor dropped.
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
pub fn leak_report(device: &Device) -> Result<Vec<LiveBuffer>> {
    let mut room = 16;
    loop {
        let mut found = try_vec(room)?;
        let mut count = 0;
        let looked = BUFFERS.for_each(|buffer| {
            if let (true, Some(live)) = (buffer.device.is_same(device), live(buffer)) {
                count += 1;
                if found.len() < room {
                    found.push(live);
                }
            }
        });
        if looked && count <= room {
            return Ok(found);
        }
        room = room.max(count).checked_mul(2).ok_or(Error::of(Status::Limit))?;
        std::thread::yield_now();
    }
}

fn live(buffer: &Inner) -> Option<LiveBuffer> {
    let Inner { native, label, size: bytes, usage, .. } = *buffer;
    let state = buffer.state();
    (state != BufferState::Destroyed).then_some(LiveBuffer { native, label, bytes, usage, state })
}

/// A line a buffer. Takes locks only if they are free, and allocates nothing.
pub(crate) fn dump(out: &mut dyn Write) {
    let looked = BUFFERS.for_each(|buffer| {
        let label = buffer.label.as_str();
        let _ = match buffer.try_state() {
            Some(state) => {
                writeln!(out, "buffer '{label}': {} bytes, {:?}, {state:?}", buffer.size, buffer.usage)
            }
            None => {
                writeln!(out, "buffer '{label}': {} bytes, {:?}, in use just now", buffer.size, buffer.usage)
            }
        };
    });
    if !looked {
        let _ = writeln!(out, "buffers: the list is in use just now");
    }
}
