//! A wgpu device and queue, opened or adopted: every call reports its error, none panics, and a loss is remembered.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::alloc::{Arc, try_arc};
use crate::device::driver::{DeviceInfo, DeviceKind, DeviceLimits};
use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};
use crate::sys::clock::Deadline;

/// Threads of a work group in the driver's shaders.
pub(super) const SHADER_GROUP: u32 = 64;

/// A wgpu device and its queue: the program's, to make a [`Device`](crate::device::Device) on
/// ([`WgpuConfig`](crate::device::WgpuConfig)), or those of a device
/// ([`Device::wgpu_handles`](crate::device::Device::wgpu_handles)).
#[derive(Clone, Debug)]
pub struct WgpuHandles {
    /// Creates buffers, pipelines and encoders.
    pub device: wgpu::Device,
    /// Executes command buffers.
    pub queue: wgpu::Queue,
}

/// A wgpu device, its queue, and its properties.
pub(super) struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) info: DeviceInfo,
    /// MAP_READ goes with other usages.
    pub(super) mappable: bool,
    /// The device's memory is host memory: an idle buffer is best written in place.
    pub(super) direct: bool,
    /// Shaders run.
    pub(super) compute: bool,
    /// Bytes of a buffer that one shader binding reaches.
    pub(super) binding: u64,
    /// The alignment of the offset of a shader binding.
    pub(super) binding_alignment: u64,
    /// The device is the program's: an error that no scope catches goes to the program's handler, by default a panic.
    adopted: bool,
    loss: Arc<GpuLoss>,
}

/// Why a wgpu device is lost. Set on any thread.
struct GpuLoss {
    label: Label,
    error: OnceLock<Error>,
}

impl GpuLoss {
    fn set(&self, step: &'static str, text: &str) -> Error {
        *self.error.get_or_init(|| Error::message(Status::DeviceLost, step, text))
    }
}

/// The result of a wgpu future, which is ready at once outside of browsers.
fn ready_now<R>(future: impl Future<Output = R>) -> Result<R> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Ok(result),
        Poll::Pending => Err(Error::text(Status::Backend, "a wgpu future is not ready at once")),
    }
}

impl Gpu {
    /// Opens a device on the first adapter with a name or backend like `wanted` that works; an empty text matches all.
    pub(super) fn open(wanted: &str, label: Label) -> Result<Gpu> {
        let found = find_adapters(wanted)?;
        if found.is_empty() {
            let reason = "no adapter of a Vulkan or OpenGL ES driver has that name";
            return Err(match wanted {
                "" => Error::text(Status::Unsupported, "no driver for Vulkan or OpenGL ES has an adapter"),
                wanted => Error::named(Status::Unsupported, "adapter", wanted, reason),
            });
        }
        let mut first = None;
        for adapter in found {
            match request_device(&adapter, label) {
                Ok(gpu) => return Ok(gpu),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or(Error::of(Status::Unsupported)))
    }

    /// Uses the program's device. Its handlers of errors and of a loss stay as they are.
    pub(super) fn adopt(handles: WgpuHandles, label: Label) -> Result<Gpu> {
        let WgpuHandles { device, queue } = handles;
        let limits = device.limits();
        // A device without compute shaders has no invocations of them.
        let compute = limits.max_compute_invocations_per_workgroup >= SHADER_GROUP;
        Ok(Gpu { adopted: true, ..Gpu::new(device, queue, label, compute)? })
    }

    /// Uses a device that the library opened.
    fn opened(
        device: wgpu::Device,
        queue: wgpu::Queue,
        adapter: &wgpu::Adapter,
        label: Label,
    ) -> Result<Gpu> {
        let flags = adapter.get_downlevel_capabilities().flags;
        let gpu = Gpu::new(device, queue, label, flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS))?;
        let about = adapter.get_info();
        let on_cpu = about.device_type == wgpu::DeviceType::Cpu && about.backend == wgpu::Backend::Vulkan;
        let gpu = Gpu { direct: gpu.mappable && on_cpu, ..gpu };
        let loss = gpu.loss.clone();
        gpu.device.set_device_lost_callback(move |reason, text| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                loss.set("the driver", first_line(&text));
            }
        });
        let loss = gpu.loss.clone();
        // Errors outside of `checked`.
        gpu.device.on_uncaptured_error(std::sync::Arc::new(move |error: wgpu::Error| {
            log::record(Level::Error, "device", loss.label.as_str(), format_args!("wgpu error: {error}"));
        }));
        Ok(gpu)
    }

    fn new(device: wgpu::Device, queue: wgpu::Queue, label: Label, compute: bool) -> Result<Gpu> {
        let about = device.adapter_info();
        let limits = device.limits();
        let loss = GpuLoss { label, error: OnceLock::new() };
        let loss = try_arc(loss)?;
        // The noop backend accepts shaders, and does not run them.
        let compute = compute
            && about.backend != wgpu::Backend::Noop
            && limits.max_storage_buffers_per_shader_stage >= 3;
        let mappable = device.features().contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS);
        let used = [(compute, "compute"), (mappable, "mappable_primary_buffers")];
        let used: Vec<_> = used.into_iter().filter(|(used, _)| *used).map(|(_, name)| name).collect();
        let info = DeviceInfo {
            kind: DeviceKind::Wgpu,
            name: Label::new(&about.name),
            version: Label::new(&format!(
                "wgpu 30, {:?}, {} {}",
                about.backend, about.driver, about.driver_info
            )),
            capabilities: Label::new(&used.join(",")),
            limits: DeviceLimits {
                // Sizes are whole words, and fit the host's addresses.
                max_buffer_size: limits.max_buffer_size.min(isize::MAX as u64) & !3,
                uniform_offset_alignment: limits.min_uniform_buffer_offset_alignment.into(),
                storage_offset_alignment: limits.min_storage_buffer_offset_alignment.into(),
            },
        };
        Ok(Gpu {
            info,
            mappable,
            direct: false,
            compute,
            binding: limits.max_storage_buffer_binding_size & !3,
            binding_alignment: u64::from(limits.min_storage_buffer_offset_alignment).max(4),
            device,
            queue,
            adopted: false,
            loss,
        })
    }

    /// Fails if the device is known to be lost.
    pub(super) fn check_alive(&self) -> Result<()> {
        self.loss.error.get().map_or(Ok(()), |error| Err(*error))
    }

    /// Marks the device as lost.
    pub(super) fn lose(&self, step: &'static str, text: &str) -> Error {
        self.loss.set(step, text)
    }

    /// Runs wgpu calls within error scopes and returns the error of the first one that failed.
    pub(super) fn checked<R>(&self, step: &'static str, work: impl FnOnce() -> R) -> Result<R> {
        use wgpu::ErrorFilter::*;
        self.check_alive()?;
        let [internal, invalid, full] =
            [Internal, Validation, OutOfMemory].map(|filter| self.device.push_error_scope(filter));
        let result = work();
        // The last scope first. All are popped before the first error returns.
        let errors = [ready_now(full.pop()), ready_now(invalid.pop()), ready_now(internal.pop())];
        for error in errors {
            if let Some(error) = error? {
                return Err(self.failed(step, &error));
            }
        }
        self.check_alive()?;
        Ok(result)
    }

    /// Runs wgpu calls that fail only if the program broke a rule of wgpu. On a device that the library opened, such an error goes to
    /// the log; on the program's it is returned.
    pub(super) fn guarded<R>(&self, step: &'static str, work: impl FnOnce() -> R) -> Result<R> {
        if self.adopted { self.checked(step, work) } else { Ok(work()) }
    }

    fn failed(&self, step: &'static str, error: &wgpu::Error) -> Error {
        let label = self.loss.label.as_str();
        log::record(Level::Error, "device", label, format_args!("{step}: {error}"));
        match error {
            wgpu::Error::OutOfMemory { .. } => {
                Error::message(Status::OutOfMemory, step, "wgpu is out of memory")
            }
            wgpu::Error::Validation { source, .. } | wgpu::Error::Internal { source, .. } => {
                Error::message(Status::Backend, step, &innermost(&**source).to_string())
            }
        }
    }

    /// The error of a call that wgpu refused: the loss of a device that is lost, else `text`.
    pub(super) fn refused(&self, step: &'static str, text: &str) -> Error {
        self.check_alive().err().unwrap_or_else(|| Error::message(Status::Backend, step, first_line(text)))
    }

    pub(super) fn create_buffer(&self, desc: &wgpu::BufferDescriptor<'_>) -> Result<wgpu::Buffer> {
        self.checked("Device::create_buffer", || self.device.create_buffer(desc))
    }

    /// Waits until a submission is done; returns whether it is, in time.
    pub(super) fn wait(&self, submission: &wgpu::SubmissionIndex, deadline: Deadline) -> Result<bool> {
        loop {
            // A driver may give up before the timeout: it is asked again.
            let slice = Duration::from_nanos(deadline.left().min(1_000_000_000));
            let kind =
                wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: Some(slice) };
            match self.poll(kind) {
                Ok(_) => return Ok(true),
                Err(wgpu::PollError::Timeout) if deadline.passed() => {
                    self.check_alive()?;
                    return Ok(false);
                }
                Err(wgpu::PollError::Timeout) => self.check_alive()?,
                // The queue does not know an index that a submit has returned: the work was not done.
                Err(wgpu::PollError::WrongSubmissionIndex(..)) => {
                    return Err(self.lose("Queue::submit", "the queue executes no more work"));
                }
            }
        }
    }

    /// Has wgpu check for finished work and run callbacks. A driver that fails meanwhile makes wgpu panic, which loses the device.
    pub(super) fn poll(
        &self,
        kind: wgpu::PollType,
    ) -> std::result::Result<wgpu::PollStatus, wgpu::PollError> {
        catch_unwind(AssertUnwindSafe(|| self.device.poll(kind))).unwrap_or_else(|_| {
            self.lose("Device::poll", "the driver failed during a wait");
            Err(wgpu::PollError::Timeout)
        })
    }
}

/// The innermost cause of an error: the outer ones repeat the call.
fn innermost<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("no reason given")
}

/// The adapters with a name or backend like `wanted`, the best first.
fn find_adapters(wanted: &str) -> Result<Vec<wgpu::Adapter>> {
    use wgpu::Backend::{Gl, Noop, Vulkan};
    let named = [Vulkan, Gl, Noop].into_iter().find(|backend| backend.to_str().eq_ignore_ascii_case(wanted));
    let mut found = Vec::new();
    for backend in [Vulkan, Gl, Noop] {
        // The noop backend draws nothing: only for a caller that names it.
        if named.is_some_and(|named| named != backend) || backend == Noop && named != Some(Noop) {
            continue;
        }
        let adapters = ready_now(create_instance(backend).enumerate_adapters(wgpu::Backends::from(backend)))?;
        let contains = |name: &str| name.to_lowercase().contains(&wanted.to_lowercase());
        let fits = |adapter: &wgpu::Adapter| named.is_some() || contains(&adapter.get_info().name);
        found.extend(adapters.into_iter().filter(fits));
        // Where this backend has a GPU, the drivers of other backends are not even loaded.
        if found.iter().any(|adapter| rank(adapter) < CPU_RANK) {
            break;
        }
    }
    found.sort_by_key(rank);
    Ok(found)
}

fn create_instance(backend: wgpu::Backend) -> wgpu::Instance {
    let mut desc = wgpu::InstanceDescriptor::new_without_display_handle();
    desc.backends = wgpu::Backends::from(backend);
    // No validation layers: wgpu validates by itself, and the user enables those of the driver.
    desc.flags = wgpu::InstanceFlags::empty();
    desc.backend_options.noop.enable = backend == wgpu::Backend::Noop;
    wgpu::Instance::new(desc)
}

/// The rank of adapters that render on the CPU.
const CPU_RANK: u32 = 4;

fn rank(adapter: &wgpu::Adapter) -> u32 {
    match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => CPU_RANK,
    }
}

fn request_device(adapter: &wgpu::Adapter, label: Label) -> Result<Gpu> {
    let desc = wgpu::DeviceDescriptor {
        label: Some(label.as_str()),
        required_features: adapter.features() & wgpu::Features::MAPPABLE_PRIMARY_BUFFERS,
        // All that the adapter has.
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    };
    match ready_now(adapter.request_device(&desc))? {
        Ok((device, queue)) => Gpu::opened(device, queue, adapter, label),
        Err(error) => Err(Error::message(Status::Unsupported, "Adapter::request_device", &error.to_string())),
    }
}
