//! The device on WebGPU: on an adapter of its own, or on a device and a queue of the program's.

#[cfg(feature = "wgpu")]
pub(crate) mod adapter;
#[cfg(feature = "wgpu")]
pub(crate) mod belt;
#[cfg(feature = "wgpu")]
pub(crate) mod buffer;
#[cfg(feature = "wgpu")]
pub(crate) mod driver;
#[cfg(feature = "wgpu")]
pub(crate) mod fences;
#[cfg(feature = "wgpu")]
pub(crate) mod gpu;
#[cfg(feature = "wgpu")]
pub(crate) mod handles;
#[cfg(feature = "wgpu")]
pub(crate) mod kernels;
#[cfg(feature = "wgpu")]
pub(crate) mod mends;
#[cfg(feature = "wgpu")]
pub(crate) mod recorder;

use crate::device::device::Device;
use crate::error::Result;

#[cfg(feature = "wgpu")]
pub use handles::WgpuHandles;

/// How a device on WebGPU is made.
#[derive(Clone, Debug, Default)]
pub struct WgpuConfig<'a> {
    /// A name for logs and dumps.
    pub label: &'a str,
    /// Whether the calling thread owns it.
    pub host_driven: bool,
    /// Which adapter: `vulkan` or `gl`, or part of an adapter's name, in whatever case. Empty: a GPU before a driver that
    /// renders on the CPU, and Vulkan before OpenGL ES. `noop` is wgpu's own for tests, which needs no driver, and has no
    /// shaders.
    pub adapter: &'a str,
    /// The program's own device, to make buffers on. `label` and `host_driven` hold for it too, `adapter` does not.
    #[cfg(feature = "wgpu")]
    pub handles: Option<WgpuHandles>,
}

impl Device {
    /// A device on WebGPU. Where that is not to be had, [`Status::Unsupported`](crate::Status::Unsupported) says why.
    ///
    /// ```
    /// use backbuf::device::{Device, WgpuConfig};
    /// match Device::wgpu(WgpuConfig { label: "renderer", ..WgpuConfig::default() }) {
    ///     Ok(device) => println!("{}", device.info()),
    ///     Err(error) => println!("no WebGPU: {error}"),
    /// }
    /// ```
    pub fn wgpu(config: WgpuConfig<'_>) -> Result<Device> {
        open(config)
    }
}

#[cfg(not(feature = "wgpu"))]
fn open(_config: WgpuConfig<'_>) -> Result<Device> {
    use crate::error::{Error, Status};
    Err(Error::text(
        Status::Unsupported,
        "this build is without WebGPU: build it with the Cargo feature \"wgpu\"",
    ))
}

#[cfg(feature = "wgpu")]
fn open(config: WgpuConfig<'_>) -> Result<Device> {
    use crate::alloc::{boxed, try_string};
    use crate::error::Label;

    let label: Label = Label::new(config.label);
    let adapter = try_string(config.adapter)?;
    let handles = config.handles;
    Device::with_driver(config.label, config.host_driven, move || {
        let gpu = match handles {
            Some(handles) => gpu::Gpu::adopt(handles, label)?,
            None => adapter::open(&adapter, label)?,
        };
        Ok(boxed(driver::WgpuDriver::new(gpu))? as _)
    })
}

#[cfg(all(test, not(feature = "wgpu")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_webgpu_says_so() {
        let error = Device::wgpu(WgpuConfig::default()).unwrap_err();
        assert_eq!(error.status(), crate::error::Status::Unsupported);
        assert!(error.to_string().contains("Cargo feature \"wgpu\""), "{error}");
    }
}
