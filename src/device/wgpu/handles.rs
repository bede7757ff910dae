//! wgpu's own objects, for the program's own work on the device's buffers.

use super::driver::WgpuDriver;
use crate::device::device::Device;
use crate::device::driver::{Driver, Native};
use crate::error::{Error, Result, Status};

/// A device of wgpu and its queue: a program's, to make a [`Device`] on ([`WgpuConfig`](super::WgpuConfig)), or those that one
/// stands on ([`Device::wgpu_handles`]).
#[derive(Clone, Debug)]
pub struct WgpuHandles {
    /// Makes buffers, pipelines and encoders.
    pub device: wgpu::Device,
    /// Takes work.
    pub queue: wgpu::Queue,
}

impl Device {
    /// What a device on WebGPU stands on; [`Status::Unsupported`] on others.
    ///
    /// Work that the program submits to the queue comes after what the device has been told to submit, and before what it
    /// submits later. Between the two a buffer of the device ([`Device::wgpu_buffer`]) is the program's to use:
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
    /// // SAFETY: it is bound, and nothing else.
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
    /// Work for OpenGL ES is best submitted from the device's owner thread, in [`Device::run`]: two threads that meet in that
    /// backend of wgpu wait for each other, and a long wait there is a panic.
    pub fn wgpu_handles(&self) -> Result<WgpuHandles> {
        self.perform(|driver| own(driver).map(|driver| driver.handles()))
    }

    /// wgpu's buffer behind one of a device on WebGPU, for the program's own work as in [`Device::wgpu_handles`]. Its size is the
    /// next multiple of 4. The program asks for it again before it writes to it again, so that mappings of it see what was written;
    /// [`Status::Handle`] if it is not of this device.
    ///
    /// # Safety
    ///
    /// The program neither maps, unmaps nor destroys it: others may have borrowed its bytes.
    ///
    /// ```
    /// use backbuf::{buffers::{BufferDesc, DeviceBuffer}, device::{Device, Usage, WgpuConfig}};
    /// let device = Device::wgpu(WgpuConfig { adapter: "noop", ..WgpuConfig::default() })?;
    /// let desc = BufferDesc { size: 61, usage: Usage::VERTEX, label: "mesh", ..BufferDesc::default() };
    /// let mesh = DeviceBuffer::new(&device, &desc)?;
    /// // SAFETY: it is looked at, and nothing else.
    /// let buffer = unsafe { device.wgpu_buffer(mesh.buffer().native()?)? };
    /// assert!(buffer.size() == 64 && buffer.usage().contains(wgpu::BufferUsages::VERTEX));
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub unsafe fn wgpu_buffer(&self, native: Native) -> Result<wgpu::Buffer> {
        self.perform(|driver| own(driver)?.buffer(native))
    }
}

fn own(driver: &mut dyn Driver) -> Result<&mut WgpuDriver> {
    let own = driver.as_any().and_then(|driver| driver.downcast_mut());
    own.ok_or(Error::text(Status::Unsupported, "the device is not on WebGPU"))
}
