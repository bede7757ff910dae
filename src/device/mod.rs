//! Devices: buffers and a submission timeline, driven by one owner thread.
//!
//! A [`Device`] runs a [`Driver`] on its owner thread, which alone creates, writes, copies and deletes buffers and submits work. Any
//! thread calls the device; its calls are queued for the owner thread and waited for, with a timeout. Each submit returns a
//! [`Fence`], which passes when the device has done all work up to it.
//!
//! - The *host device* ([`Device::host`]) keeps its buffers in host memory and its work on a timeline that can be held back and
//!   disturbed: the reference for other backends, and the place to test failures.
//! - A device on *OpenGL* ([`Device::gl`]) has a context of its own without a window, shares buffers with a context of the program, or
//!   works in that context.
//! - A device on *WebGPU* ([`Device::wgpu`]), with the Cargo feature `wgpu`, opens an adapter, or works on a device of the program.

pub(crate) mod call;
pub(crate) mod call_state;
#[expect(clippy::module_inception, reason = "the noun of this module")]
pub(crate) mod device;
pub(crate) mod driver;
pub(crate) mod frame_ring;
pub(crate) mod gl;
pub(crate) mod host;
pub(crate) mod lifecycle;
pub(crate) mod owner;
#[cfg(test)]
mod tests;
pub(crate) mod timeline;
pub(crate) mod tracker;
pub(crate) mod wgpu;

pub use device::Device;
pub use driver::{
    DeviceInfo, DeviceKind, DeviceLimits, Driver, Fence, Foreign, MapMode, Native, Renderer, Usage,
};
pub use gl::config::{GetProcAddress, GlConfig, GlContext};
pub use host::HostConfig;
pub use host::faults::Faults;
pub use tracker::{DeviceStatistics, TrackedBuffer};
pub use wgpu::WgpuConfig;
#[cfg(feature = "wgpu")]
pub use wgpu::WgpuHandles;
