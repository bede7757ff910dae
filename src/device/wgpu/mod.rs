//! Devices on WebGPU: on an adapter that the library opens, or on a wgpu device and queue of the program.

#[cfg(feature = "wgpu")]
mod belt;
#[cfg(feature = "wgpu")]
mod buffer;
#[cfg(feature = "wgpu")]
mod driver;
#[cfg(feature = "wgpu")]
mod gpu;
#[cfg(feature = "wgpu")]
mod recorder;
#[cfg(feature = "wgpu")]
mod unaligned;

use crate::device::device::Device;
#[cfg(feature = "wgpu")]
use crate::device::driver::Native;
#[cfg(feature = "wgpu")]
use crate::device::wgpu::driver::WgpuDriver;
use crate::error::Result;

#[cfg(feature = "wgpu")]
pub use gpu::WgpuHandles;

/// Configuration of a device on WebGPU.
#[derive(Clone, Debug, Default)]
pub struct WgpuConfig<'a> {
    /// Appears in errors, logs and dumps.
    pub label: &'a str,
    /// Whether the calling thread owns the device.
    pub host_driven: bool,
    /// The adapter to use: `vulkan` or `gl`, or a part of an adapter's name, in upper or lower case. Empty: the best one, a GPU before
    /// a driver that renders on the CPU, and Vulkan before OpenGL ES. `noop` is wgpu's backend for tests, which needs no driver and
    /// runs no shaders.
    pub adapter: &'a str,
    /// The program's own wgpu device, to make the device on. `adapter` is then ignored.
    #[cfg(feature = "wgpu")]
    pub handles: Option<WgpuHandles>,
}

impl Device {
    /// Makes a device on WebGPU. Fails with [`Status::Unsupported`](crate::Status::Unsupported) and the reason where there is none.
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

#[cfg(feature = "wgpu")]
impl Device {
    /// The wgpu device and queue of a device on WebGPU. Fails with [`Status::Unsupported`](crate::Status::Unsupported) on other devices.
    ///
    /// Work that the program submits to the queue is done after the device's submits before it, and before the device's later submits.
    /// Between them the program may use a buffer of the device ([`Device::wgpu_buffer`]):
    ///
    /// ```
    /// use backbuf::{Status, Timeout, buffers::{Buffer, BufferDesc, Encoder}};
    /// use backbuf::device::{Device, Driver, MapMode, Usage, WgpuConfig};
    /// let device = match Device::wgpu(WgpuConfig::default()) {
    ///     Err(error) if error.status() == Status::Unsupported => return Ok(()),
    ///     device => device?,
    /// };
    /// let make = |usage| Buffer::new(&device, &BufferDesc { size: 16, usage, ..BufferDesc::default() });
    /// let numbers = make(Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST)?;
    /// let result = make(Usage::MAP_READ | Usage::COPY_DST)?;
    /// let native = numbers.native()?;
    /// let work = |driver: &mut dyn Driver| {
    ///     driver.write(native, 0, &[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0])?;
    ///     driver.submit()
    /// };
    /// // SAFETY: no bytes of it are borrowed.
    /// unsafe { device.run(Timeout::FOREVER, work)? };
    ///
    /// let gpu = device.wgpu_handles()?;
    /// let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
    ///     label: None,
    ///     source: wgpu::ShaderSource::Wgsl("
    ///         @group(0) @binding(0) var<storage, read_write> numbers: array<u32>;
    ///         @compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    ///             numbers[id.x] *= 10u;
    ///         }".into()),
    /// });
    /// let pipeline = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
    ///     label: None,
    ///     layout: None,
    ///     module: &module,
    ///     entry_point: None,
    ///     compilation_options: Default::default(),
    ///     cache: None,
    /// });
    /// // SAFETY: the buffer is only bound.
    /// let bound = unsafe { device.wgpu_buffer(native)? };
    /// let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
    ///     label: None,
    ///     layout: &pipeline.get_bind_group_layout(0),
    ///     entries: &[wgpu::BindGroupEntry {
    ///         binding: 0,
    ///         resource: bound.as_entire_binding(),
    ///     }],
    /// });
    /// let mut encoder = gpu.device.create_command_encoder(&Default::default());
    /// let mut pass = encoder.begin_compute_pass(&Default::default());
    /// pass.set_pipeline(&pipeline);
    /// pass.set_bind_group(0, &group, &[]);
    /// pass.dispatch_workgroups(1, 1, 1);
    /// drop(pass);
    /// gpu.queue.submit([encoder.finish()]);
    ///
    /// let mut encoder = Encoder::new(&device);
    /// encoder.copy(&numbers, 0, &result, 0, 16)?;
    /// encoder.submit()?;
    /// result.map_async(MapMode::Read, 0, None)?.wait(Timeout::FOREVER)?.result?;
    /// assert_eq!(result.range(0, None)?[..], [10, 0, 0, 0, 20, 0, 0, 0, 30, 0, 0, 0, 40, 0, 0, 0]);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    ///
    /// On OpenGL ES, submit from the device's owner thread, in [`Device::run`]: in that backend of wgpu one thread waits for another,
    /// and panics after a long wait.
    pub fn wgpu_handles(&self) -> Result<WgpuHandles> {
        self.call_untimed(|driver| WgpuDriver::of(driver).map(|driver| driver.handles()))
    }

    /// The wgpu buffer of a native buffer, for the program's own work as in [`Device::wgpu_handles`]. Its size is rounded up to a
    /// multiple of 4. Call this again before each write to the buffer, so that later mappings see what was written. Fails with
    /// [`Status::Handle`](crate::Status::Handle) if the buffer is not of this device.
    ///
    /// # Safety
    ///
    /// The program does not map, unmap or destroy the buffer, as its bytes may be borrowed.
    ///
    /// ```
    /// use backbuf::{buffers::{BufferDesc, DeviceBuffer}, device::{Device, Usage, WgpuConfig}};
    /// let device = Device::wgpu(WgpuConfig { adapter: "noop", ..WgpuConfig::default() })?;
    /// let desc = BufferDesc { size: 61, usage: Usage::VERTEX, label: "mesh", ..BufferDesc::default() };
    /// let mesh = DeviceBuffer::new(&device, &desc)?;
    /// // SAFETY: only its properties are read.
    /// let buffer = unsafe { device.wgpu_buffer(mesh.buffer().native()?)? };
    /// assert!(buffer.size() == 64 && buffer.usage().contains(wgpu::BufferUsages::VERTEX));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub unsafe fn wgpu_buffer(&self, native: Native) -> Result<wgpu::Buffer> {
        self.call_untimed(|driver| WgpuDriver::of(driver)?.buffer(native))
    }
}

#[cfg(not(feature = "wgpu"))]
fn open(_config: WgpuConfig<'_>) -> Result<Device> {
    use crate::error::{Error, Status};
    Err(Error::text(
        Status::Unsupported,
        "this build has no WebGPU: build it with the Cargo feature \"wgpu\"",
    ))
}

#[cfg(feature = "wgpu")]
fn open(config: WgpuConfig<'_>) -> Result<Device> {
    use crate::alloc::try_string;
    use crate::error::Label;

    let label: Label = Label::new(config.label);
    let adapter = try_string(config.adapter)?;
    let handles = config.handles;
    Device::with_driver(config.label, config.host_driven, move || {
        let gpu = match handles {
            Some(handles) => gpu::Gpu::adopt(handles, label)?,
            None => gpu::Gpu::open(&adapter, label)?,
        };
        Ok(Box::new(WgpuDriver::new(gpu)))
    })
}

#[cfg(all(test, not(feature = "wgpu")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_webgpu_says_so() {
        let error = Device::wgpu(WgpuConfig::default()).unwrap_err();
        assert_eq!(error.status(), crate::Status::Unsupported);
        assert!(error.to_string().contains("Cargo feature \"wgpu\""), "{error}");
    }
}
