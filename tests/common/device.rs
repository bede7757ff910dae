//! BACKBUF_TEST_DEVICE runs a test's managers on a device: `host`, the host's, `gl`, OpenGL without a window, or `wgpu`. In host
//! memory alone without it.

#[path = "drive.rs"]
mod drive;

use std::sync::OnceLock;

use backbuf::device::{Device, DeviceKind, GlConfig, HostConfig, MapMode, WgpuConfig};
use backbuf::manager::Manager;
use backbuf::{Result, Status, Timeout};

use drive::Drive;

fn there(device: Result<Device>) -> Option<Device> {
    match device {
        Err(error) if error.status() == Status::Unsupported => {
            println!("in host memory instead: {error}");
            None
        }
        device => Some(device.unwrap()),
    }
}

/// The one device of the process.
pub fn device() -> Option<&'static Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    let open = || match std::env::var("BACKBUF_TEST_DEVICE").as_deref() {
        Err(_) => None,
        Ok("host") => Some(Device::host(HostConfig { label: "tests", ..HostConfig::default() }).unwrap()),
        Ok("gl") => there(Device::gl(GlConfig { label: "tests", ..GlConfig::default() })),
        Ok("wgpu") => there(Device::wgpu(WgpuConfig { label: "tests", ..WgpuConfig::default() })),
        Ok(other) => panic!("BACKBUF_TEST_DEVICE is host, gl or wgpu, not {other}"),
    };
    DEVICE.get_or_init(open).as_ref()
}

/// The newest front is the same on the host's device. (On OpenGL only a renderer could look at it.)
pub fn check_device_copy(manager: &Manager) {
    let Some(device) = device().filter(|device| device.info().kind == DeviceKind::Host) else { return };
    let front = manager.device_front().unwrap();
    let (native, bytes) = (front.native(), front.bytes());
    let same = device.drive(Timeout::FOREVER, |driver| {
        if bytes.is_empty() {
            return Ok(true);
        }
        // The upload of this front, or a copy from it into a later one, may be pending.
        let fence = driver.submit()?;
        assert!(driver.wait(fence, Timeout::FOREVER)?, "a wait without a limit ends with its fence");
        let data = driver.map(native, MapMode::Read, 0, bytes.len() as u64)?;
        // SAFETY: mapped for reading, and the front is leased.
        let same = bytes == unsafe { std::slice::from_raw_parts(data.as_ptr(), bytes.len()) };
        driver.unmap(native).map(|()| same)
    });
    assert!(same.unwrap(), "a front is another on the device");
}
