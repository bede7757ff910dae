//! Who owns memory and a timeline.
//!
//! A [`Device`] is a [`Driver`] on its owner thread: the one place where buffers are made, written, copied and deleted, and
//! where work is submitted. Any thread calls it; calls queue up for the owner thread and are waited for there, with a
//! timeout. Each submit gives a [`Fence`], which passes when the device has done everything up to it.
//!
//! The *host device* ([`Device::host`]) keeps its buffers in host memory and its work on a timeline that can be held back
//! and disturbed: it is what other backends are compared with, and where faults are tried. One *on OpenGL* ([`Device::gl`])
//! has a context of its own, without a window, shares buffers with one of the program's, or works in that one. One *on WebGPU*
//! ([`Device::wgpu`]), where the crate was built for it, opens an adapter of its own, or works on a device of the program's.

pub(crate) mod books;
pub(crate) mod calls;
pub(crate) mod claim;
pub(crate) mod completions;
pub(crate) mod counting;
#[expect(clippy::module_inception, reason = "the noun of this module")]
pub(crate) mod device;
pub(crate) mod driver;
pub(crate) mod dump;
pub(crate) mod faults;
pub(crate) mod frame_ring;
pub(crate) mod gl;
pub(crate) mod host;
pub(crate) mod owner;
pub(crate) mod ownership;
pub(crate) mod shared;
pub(crate) mod statistics;
#[cfg(test)]
mod tests;
pub(crate) mod usage;
pub(crate) mod wgpu;

pub use books::LiveBuffer;
pub use device::Device;
pub use driver::{DeviceKind, Driver, Fence, Foreign, Info, Limits, MapMode, Native, Renderer};
pub use faults::Faults;
pub use gl::{GetProcAddress, GlConfig, GlContext};
pub use host::HostConfig;
pub use statistics::Statistics;
pub use usage::Usage;
pub use wgpu::WgpuConfig;
#[cfg(feature = "wgpu")]
pub use wgpu::WgpuHandles;
