//! Helpers for tests of buffer roles: every available kind of device, and the content of a device buffer.

use backbuf::buffers::*;
use backbuf::device::{Device, Faults, GlConfig, HostConfig, WgpuConfig};
use backbuf::{Error, Result, Status, Timeout};

#[path = "../../examples/new_backend.rs"]
#[expect(dead_code, reason = "an example has a main of its own")]
mod new_backend;

pub const FOREVER: Timeout = Timeout::FOREVER;

pub fn host(faults: &Faults, host_driven: bool) -> Device {
    Device::host(HostConfig { label: "roles", host_driven, faults: Some(faults.clone()) }).unwrap()
}

/// Runs a check on every available kind of device.
pub fn everywhere(check: fn(&Device)) {
    // Completions without delay, delayed, and delayed in reverse order.
    for (delay, reversed) in [(0, false), (2, false), (3, true)] {
        for host_driven in [false, true] {
            let faults = Faults::new().unwrap();
            faults.delay(delay);
            faults.reverse(reversed);
            check(&host(&faults, host_driven));
        }
    }
    check(&new_backend::device("example").unwrap());
    let wgpu = |adapter| Device::wgpu(WgpuConfig { label: "wgpu", adapter, ..WgpuConfig::default() });
    let gl = Device::gl(GlConfig { label: "gl", ..GlConfig::default() });
    for device in [gl, wgpu("vulkan"), wgpu("gl")] {
        match device {
            Ok(device) => check(&device),
            Err(error) if may_be_missing(&error) => println!("skipped: {error}"),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Whether a missing device is expected: nothing may be installed, or the build is without its backend.
pub fn may_be_missing(error: &Error) -> bool {
    let built_without = error.to_string().contains("this build has no");
    error.status() == Status::Unsupported
        && (built_without || std::env::var_os("BACKBUF_NO_INSTALL").is_some())
}

pub fn status<T: std::fmt::Debug>(result: Result<T>) -> Status {
    result.unwrap_err().status()
}

/// The content of a device buffer.
pub fn contents(device: &Device, of: &DeviceBuffer) -> Vec<u8> {
    let config = ReadbackConfig { size: of.size(), frames: 1, ..ReadbackConfig::default() };
    let readback = ReadbackBuffer::new(device, config).unwrap();
    let reading = readback.read(of, 0, of.size()).unwrap();
    reading.wait(FOREVER).unwrap();
    reading.bytes().unwrap().to_vec()
}
