//! Encoders: record copies and writes, and submit them as one.

use std::fmt;

use crate::alloc::{Arc, try_vec};
use crate::buffers::buffer::{Buffer, BufferInner, CopyEnd, DeviceBuffer};
use crate::buffers::map_state::SIZE_ALIGN;
use crate::device::device::Device;
use crate::device::driver::{Driver, Fence, Usage};
use crate::error::{Error, Result, Status};

/// Records copies and writes, for one submit after the other.
///
/// Parameters are checked when a command is recorded, the states of the buffers at the submit. A refused submit does nothing
/// and keeps what was recorded, so that it can be tried again.
///
/// ```
/// use backbuf::{Timeout, buffers::{Buffer, BufferDesc, Encoder}, device::{Device, HostConfig, MapMode, Usage}};
/// let device = Device::host(HostConfig::default())?;
/// let make = |usage, mapped_at_creation| {
///     Buffer::new(&device, &BufferDesc { size: 8, usage, mapped_at_creation, ..BufferDesc::default() })
/// };
/// let mut from = make(Usage::COPY_SRC, true)?;
/// let to = make(Usage::COPY_DST | Usage::MAP_READ, false)?;
/// from.range_mut(0, None)?.copy_from_slice(b"hi there");
/// from.unmap();
///
/// let mut encoder = Encoder::new(&device);
/// encoder.copy(&from, 0, &to, 0, 8)?;
/// encoder.submit()?;
/// to.map_async(MapMode::Read, 0, None)?.wait(Timeout::FOREVER)?.result?;
/// assert_eq!(to.range(0, None)?[..], *b"hi there");
/// # Ok::<(), backbuf::Error>(())
/// ```
pub struct Encoder<'a> {
    device: Device,
    commands: Vec<Command<'a>>,
}

impl fmt::Debug for Encoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commands = self.commands.len();
        f.debug_struct("Encoder").field("device", &self.device).field("commands", &commands).finish()
    }
}

/// A recorded command.
enum Command<'a> {
    Copy {
        from: Arc<BufferInner>,
        from_offset: u64,
        to: Arc<BufferInner>,
        to_offset: u64,
        bytes: u64,
        after_submit: Option<AfterSubmit>,
    },
    Write {
        to: Arc<BufferInner>,
        offset: u64,
        data: &'a [u8],
    },
}

/// Called after the submit of its command. Dropping it uncalled means that the encoder was dropped without a submit.
pub(crate) type AfterSubmit = Box<dyn FnOnce() + Send + Sync>;

impl Command<'_> {
    /// The buffers that it uses, with their roles.
    fn buffers(&self) -> impl Iterator<Item = (&'static str, &BufferInner)> {
        let (from, to) = match self {
            Command::Copy { from, to, .. } => (Some(("from", &**from)), to),
            Command::Write { to, .. } => (None, to),
        };
        from.into_iter().chain([("to", &**to)])
    }

    fn perform(&self, driver: &mut dyn Driver) -> Result<()> {
        match self {
            Command::Copy { from, from_offset, to, to_offset, bytes, .. } if *bytes > 0 => {
                driver.copy(from.native, *from_offset, to.native, *to_offset, *bytes)
            }
            Command::Write { to, offset, data } if !data.is_empty() => driver.write(to.native, *offset, data),
            _ => Ok(()),
        }
    }
}

impl<'a> Encoder<'a> {
    /// An empty encoder.
    pub fn new(device: &Device) -> Encoder<'a> {
        Encoder { device: device.clone(), commands: Vec::new() }
    }

    /// Records a copy between two buffers. Offsets and the size are multiples of 4; the source has COPY_SRC, the destination
    /// COPY_DST.
    pub fn copy(
        &mut self,
        from: &Buffer,
        from_offset: u64,
        to: &Buffer,
        to_offset: u64,
        bytes: u64,
    ) -> Result<()> {
        for (name, value) in [("from_offset", from_offset), ("to_offset", to_offset), ("bytes", bytes)] {
            if !value.is_multiple_of(SIZE_ALIGN) {
                return Err(Error::align(name, value, SIZE_ALIGN));
            }
        }
        self.record(&from.inner, from_offset, &to.inner, to_offset, bytes)
    }

    /// Records a write of the caller's bytes to a device buffer, without a staging buffer between. The bytes are read at the
    /// submit, and borrowed until the encoder is dropped.
    ///
    /// ```
    /// # use backbuf::{Timeout, buffers::*, device::{Device, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let usage = Usage::VERTEX | Usage::COPY_SRC;
    /// # let mesh = DeviceBuffer::new(&device, &BufferDesc { size: 61, usage, ..BufferDesc::default() })?;
    /// # let readback = ReadbackBuffer::new(&device, ReadbackConfig { size: 61, ..ReadbackConfig::default() })?;
    /// let mut encoder = Encoder::new(&device);
    /// encoder.write(&mesh, 5, b"seven")?;
    /// encoder.submit()?;
    /// # let reading = readback.read(&mesh, 5, 5)?;
    /// # reading.wait(Timeout::FOREVER)?;
    /// # assert_eq!(*reading.bytes()?, *b"seven");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn write(&mut self, to: &DeviceBuffer, offset: u64, data: &'a [u8]) -> Result<()> {
        self.write_to(CopyEnd::from(to), offset, data)
    }

    /// [`Encoder::write`] to a buffer of either class, which needs COPY_DST.
    pub(crate) fn write_to(&mut self, to: CopyEnd, offset: u64, data: &'a [u8]) -> Result<()> {
        to.check("offset + data", offset, data.len() as u64)?;
        self.check_device("to", &to.inner)?;
        check_destination(&to.inner)?;
        self.push(Command::Write { to: to.inner, offset, data })
    }

    /// Records a copy between two device buffers, at any offset and of any size. The source has COPY_SRC.
    pub fn copy_bytes(
        &mut self,
        from: &DeviceBuffer,
        from_offset: u64,
        to: &DeviceBuffer,
        to_offset: u64,
        bytes: u64,
    ) -> Result<()> {
        self.copy_ends(&from.into(), from_offset, &to.into(), to_offset, bytes)
    }

    /// [`Encoder::copy_bytes`] between buffers of either class.
    pub(crate) fn copy_ends(
        &mut self,
        from: &CopyEnd,
        from_offset: u64,
        to: &CopyEnd,
        to_offset: u64,
        bytes: u64,
    ) -> Result<()> {
        from.check("from_offset + bytes", from_offset, bytes)?;
        to.check("to_offset + bytes", to_offset, bytes)?;
        self.record(&from.inner, from_offset, &to.inner, to_offset, bytes)
    }

    /// Records a copy at any offset and of any size.
    pub(crate) fn record(
        &mut self,
        from: &Arc<BufferInner>,
        from_offset: u64,
        to: &Arc<BufferInner>,
        to_offset: u64,
        bytes: u64,
    ) -> Result<()> {
        self.record_then((from, from_offset), (to, to_offset), bytes, None)
    }

    /// Records a copy, and what is called after its submit.
    pub(crate) fn record_then(
        &mut self,
        (from, from_offset): (&Arc<BufferInner>, u64),
        (to, to_offset): (&Arc<BufferInner>, u64),
        bytes: u64,
        after_submit: Option<AfterSubmit>,
    ) -> Result<()> {
        self.check_device("from", from)?;
        self.check_device("to", to)?;
        if std::ptr::eq(&raw const **from, &raw const **to) {
            return Err(refused("to", to, "is the source as well; a copy needs two buffers"));
        }
        if !from.usage.contains(Usage::COPY_SRC) {
            return Err(refused("from", from, "its usage lacks COPY_SRC"));
        }
        check_destination(to)?;
        for (name, offset, size) in
            [("from_offset + bytes", from_offset, from.size), ("to_offset + bytes", to_offset, to.size)]
        {
            let end = u128::from(offset) + u128::from(bytes);
            if end > u128::from(size) {
                return Err(Error::beyond(name, end, size, "bytes of the buffer"));
            }
        }
        let (from, to) = (from.clone(), to.clone());
        self.push(Command::Copy { from, from_offset, to, to_offset, bytes, after_submit })
    }

    fn check_device(&self, name: &'static str, buffer: &BufferInner) -> Result<()> {
        if buffer.device.is_same(&self.device) {
            Ok(())
        } else {
            Err(refused(name, buffer, "belongs to another device"))
        }
    }

    fn push(&mut self, command: Command<'a>) -> Result<()> {
        self.commands.try_reserve(1)?;
        self.commands.push(command);
        Ok(())
    }

    /// Removes the last command.
    pub(crate) fn pop(&mut self) {
        self.commands.pop();
    }

    /// Submits the commands and returns the fence behind them; the encoder is empty again. A buffer that is mapped, pending or
    /// destroyed is an error that names it: then nothing is done, and the commands stay. If the driver fails, the commands
    /// before the failed one are done; the commands stay as well.
    ///
    /// ```
    /// # use backbuf::{Status, buffers::{Buffer, BufferDesc, Encoder}, device::{Device, Fence, HostConfig, Usage}};
    /// # let device = Device::host(HostConfig::default())?;
    /// # let make = |mapped_at_creation| {
    /// #     let usage = Usage::COPY_SRC | Usage::COPY_DST;
    /// #     Buffer::new(&device, &BufferDesc { size: 8, usage, mapped_at_creation, ..BufferDesc::default() })
    /// # };
    /// let (mut from, to) = (make(true)?, make(false)?);
    /// let mut encoder = Encoder::new(&device);
    /// encoder.copy(&from, 0, &to, 0, 8)?;
    /// assert_eq!(encoder.submit().unwrap_err().status(), Status::State, "it is mapped");
    /// from.unmap();
    /// assert_eq!(encoder.submit()?, Fence(1));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn submit(&mut self) -> Result<Fence> {
        let commands = &self.commands;
        let fence = self.device.call_untimed(|driver| submit(commands, driver))?;
        for command in self.commands.drain(..) {
            if let Command::Copy { after_submit: Some(after_submit), .. } = command {
                after_submit();
            }
        }
        Ok(fence)
    }
}

fn check_destination(to: &BufferInner) -> Result<()> {
    if to.usage.contains(Usage::COPY_DST) {
        return Ok(());
    }
    Err(refused("to", to, "its usage lacks COPY_DST"))
}

fn refused(name: &'static str, buffer: &BufferInner, reason: &'static str) -> Error {
    Error::named(Status::Argument, name, buffer.label.as_str(), reason)
}

/// On the owner thread, which also completes map requests.
fn submit(commands: &[Command<'_>], driver: &mut dyn Driver) -> Result<Fence> {
    let mut buffers = try_vec(2 * commands.len())?;
    for (name, buffer) in commands.iter().flat_map(Command::buffers) {
        buffers.push((&raw const *buffer, name, buffer));
    }
    buffers.sort_unstable_by_key(|(address, ..)| *address);
    buffers.dedup_by_key(|(address, ..)| *address);
    // Every buffer stays locked until the fence is known: a map request of one of them waits for the fence.
    let mut locked = try_vec(buffers.len())?;
    for (_, name, buffer) in &buffers {
        let lock = buffer.lock();
        lock.map.check_usable(name, buffer.label.as_str())?;
        locked.push(lock);
    }
    for (_, _, buffer) in &buffers {
        buffer.prepare(driver)?;
    }
    let performed = commands.iter().try_for_each(|command| command.perform(driver));
    // If a command failed, the ones before it use the buffers all the same.
    let fence = driver.submit();
    if let Ok(fence) = fence {
        locked.iter_mut().for_each(|lock| lock.last_use = fence);
    }
    performed.and(fence)
}
