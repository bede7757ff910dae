//! A minimal device backend: a driver in the process's memory that does all work at once.
//!
//! docs/new-backend.md explains it, and what differs for a real device, where work takes time.
//! `cargo run --example new_backend`

use std::collections::HashMap;
use std::ptr::NonNull;

use backbuf::device::{Device, DeviceInfo, DeviceKind, DeviceLimits, Driver, Fence, MapMode, Native, Usage};
use backbuf::manager::Config;
use backbuf::{Error, Label, Manager, Result, Status, Timeout};

/// Buffers by number, and the counts of buffers and fences.
#[derive(Debug, Default)]
pub struct Heap {
    buffers: HashMap<u64, Box<[u8]>>,
    created: u64,
    submitted: u64,
}

impl Heap {
    /// A range of a buffer. Invalid arguments are refused here by name.
    fn range(&mut self, buffer: Native, offset: u64, bytes: u64) -> Result<&mut [u8]> {
        let unknown = || Error::param(Status::Handle, "buffer", "is not one of this device");
        let data = self.buffers.get_mut(&buffer.0).ok_or_else(unknown)?;
        let range = offset as usize..offset.saturating_add(bytes) as usize;
        let outside = || Error::param(Status::Range, "offset + bytes", "ends beyond the buffer");
        data.get_mut(range).ok_or_else(outside)
    }
}

// SAFETY: a mapping is the buffer's own memory, which is not moved or freed before `delete`.
unsafe impl Driver for Heap {
    fn info(&self) -> DeviceInfo {
        DeviceInfo {
            kind: DeviceKind::Custom,
            name: Label::new("heap"),
            version: Label::new("1"),
            capabilities: Label::new(""),
            limits: DeviceLimits {
                max_buffer_size: 1 << 30,
                uniform_offset_alignment: 1,
                storage_offset_alignment: 1,
            },
        }
    }

    fn create(&mut self, bytes: u64, _usage: Usage, _label: &str) -> Result<Native> {
        if bytes > self.info().limits.max_buffer_size {
            return Err(Error::param(Status::Limit, "bytes", "is beyond 1 GiB"));
        }
        self.created += 1;
        self.buffers.insert(self.created, vec![0; bytes as usize].into());
        Ok(Native(self.created))
    }

    fn delete(&mut self, buffer: Native) {
        self.buffers.remove(&buffer.0);
    }

    fn write(&mut self, to: Native, offset: u64, data: &[u8]) -> Result<()> {
        self.range(to, offset, data.len() as u64)?.copy_from_slice(data);
        Ok(())
    }

    fn copy(&mut self, from: Native, start: u64, to: Native, to_start: u64, bytes: u64) -> Result<()> {
        let data = self.range(from, start, bytes)?.to_vec();
        self.write(to, to_start, &data)
    }

    fn map(&mut self, buffer: Native, _mode: MapMode, offset: u64, bytes: u64) -> Result<NonNull<u8>> {
        Ok(NonNull::from(self.range(buffer, offset, bytes)?).cast())
    }

    fn unmap(&mut self, _buffer: Native) -> Result<()> {
        Ok(())
    }

    fn submit(&mut self) -> Result<Fence> {
        self.submitted += 1;
        Ok(Fence(self.submitted))
    }

    fn wait(&mut self, _fence: Fence, _timeout: Timeout) -> Result<bool> {
        Ok(true)
    }
}

/// A device with this driver and an owner thread of the library.
pub fn device(label: &str) -> Result<Device> {
    Device::with_driver(label, false, || Ok(Box::new(Heap::default())))
}

/// Runs a manager on the device.
pub fn main() -> Result<()> {
    let device = device("mine")?;
    println!("{}", device.info());

    // Managers and buffers work on this device as on every other.
    let config = Config { label: "state", device: Some(&device), ..Config::default() };
    let manager = Manager::<f32>::with_config(&[256], config)?;
    manager.enqueue(16, &[1.0], Timeout::FOREVER)?;
    let epoch = manager.synchronize(Timeout::FOREVER)?;
    println!("epoch {epoch} is on the device");
    for buffer in device.live_buffers()? {
        println!("{buffer}");
    }
    Ok(())
}
