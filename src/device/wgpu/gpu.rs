//! A device and a queue of wgpu, with what went wrong on them: nothing of it panics, and nothing is passed over.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use super::handles::WgpuHandles;
use crate::alloc::Arc;
use crate::device::driver::{DeviceKind, Info, Limits};
use crate::error::{Error, Label, Result, Status};
use crate::log::{self, Level};

/// What is called, and what it can do.
pub(super) struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) info: Info,
    /// MAP_READ goes with other usages.
    pub(super) mappable: bool,
    /// Its memory is the host's: what is idle is best written where it is.
    pub(super) direct: bool,
    /// Shaders run.
    pub(super) compute: bool,
    /// Bytes of a buffer that a shader sees at once, and where they may begin.
    pub(super) binding: u64,
    pub(super) binding_alignment: u64,
    /// The program's own, where what no scope catches is the program's to hear of, and by default a panic.
    adopted: bool,
    health: Arc<Health>,
}

/// What wgpu tells from whichever thread finds out.
struct Health {
    label: Label,
    lost: OnceLock<Error>,
}

impl Health {
    fn lose(&self, step: &'static str, text: &str) -> Error {
        *self.lost.get_or_init(|| Error::told(Status::DeviceLost, step, text))
    }
}

/// What a future of wgpu has to say, which outside of browsers it has at once.
pub(super) fn now<R>(future: impl Future<Output = R>) -> Result<R> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Ok(result),
        Poll::Pending => Err(Error::text(Status::Backend, "wgpu does not answer at once")),
    }
}

impl Gpu {
    /// A device that the library opened.
    pub(super) fn own(
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
        let health = gpu.health.clone();
        gpu.device.set_device_lost_callback(move |reason, text| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                health.lose("the driver", first_line(&text));
            }
        });
        let health = gpu.health.clone();
        // What no call of ours caught.
        gpu.device.on_uncaptured_error(std::sync::Arc::new(move |error: wgpu::Error| {
            log::record(Level::Error, "device", health.label.as_str(), format_args!("wgpu says: {error}"));
        }));
        Ok(gpu)
    }

    /// The program's device. What the program set up to hear of errors and of a loss is left alone.
    pub(super) fn adopt(handles: WgpuHandles, label: Label) -> Result<Gpu> {
        let WgpuHandles { device, queue } = handles;
        let limits = device.limits();
        // A device without shaders has nothing to run them in.
        let compute = limits.max_compute_invocations_per_workgroup >= super::kernels::GROUP;
        Ok(Gpu { adopted: true, ..Gpu::new(device, queue, label, compute)? })
    }

    fn new(device: wgpu::Device, queue: wgpu::Queue, label: Label, compute: bool) -> Result<Gpu> {
        let about = device.adapter_info();
        let limits = device.limits();
        let health = Health { label, lost: OnceLock::new() };
        let health = Arc::try_new(health).map_err(|_| Error::of(Status::OutOfMemory))?;
        // The noop backend takes shaders, and does nothing.
        let compute = compute
            && about.backend != wgpu::Backend::Noop
            && limits.max_storage_buffers_per_shader_stage >= 3;
        let mappable = device.features().contains(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS);
        let mut used: [&str; 2] = [""; 2];
        used[0] = if compute { "compute" } else { "" };
        used[1] = if mappable { "mappable_primary_buffers" } else { "" };
        let between = if compute && mappable { "," } else { "" };
        let info = Info {
            kind: DeviceKind::Wgpu,
            name: Label::new(&about.name),
            version: Label::new(&format!(
                "wgpu 30, {:?}, {} {}",
                about.backend, about.driver, about.driver_info
            )),
            capabilities: Label::new(&format!("{}{between}{}", used[0], used[1])),
            limits: Limits {
                // Sizes are whole words, and addresses of the host.
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
            health,
        })
    }

    /// An error if the device is lost, as far as is known.
    pub(super) fn alive(&self) -> Result<()> {
        self.health.lost.get().map_or(Ok(()), |error| Err(*error))
    }

    /// From here on the device is lost.
    pub(super) fn lose(&self, step: &'static str, text: &str) -> Error {
        self.health.lose(step, text)
    }

    /// Runs calls of wgpu, and says what went wrong with them.
    pub(super) fn checked<R>(&self, step: &'static str, work: impl FnOnce() -> R) -> Result<R> {
        use wgpu::ErrorFilter::*;
        self.alive()?;
        let [internal, invalid, full] =
            [Internal, Validation, OutOfMemory].map(|filter| self.device.push_error_scope(filter));
        let result = work();
        // The last one first. No short cut: each must be taken off.
        let told = [now(full.pop()), now(invalid.pop()), now(internal.pop())];
        for error in told {
            if let Some(error) = error? {
                return Err(self.failed(step, &error));
            }
        }
        self.alive()?;
        Ok(result)
    }

    /// The same for calls that fail only where the program broke something: on a device of one's own the log tells of it.
    pub(super) fn guarded<R>(&self, step: &'static str, work: impl FnOnce() -> R) -> Result<R> {
        if self.adopted { self.checked(step, work) } else { Ok(work()) }
    }

    fn failed(&self, step: &'static str, error: &wgpu::Error) -> Error {
        let label = self.health.label.as_str();
        log::record(Level::Error, "device", label, format_args!("{step}: {error}"));
        match error {
            wgpu::Error::OutOfMemory { .. } => Error::told(Status::OutOfMemory, step, "wgpu has no memory"),
            wgpu::Error::Validation { source, .. } | wgpu::Error::Internal { source, .. } => {
                Error::told(Status::Backend, step, &innermost(&**source).to_string())
            }
        }
    }

    /// What wgpu refuses of a device that lives is an error of its own; of one that is lost, it is the loss.
    pub(super) fn refused(&self, step: &'static str, text: &str) -> Error {
        self.alive().err().unwrap_or_else(|| Error::told(Status::Backend, step, first_line(text)))
    }

    /// A buffer, or why there is none.
    pub(super) fn buffer(&self, desc: &wgpu::BufferDescriptor<'_>) -> Result<wgpu::Buffer> {
        self.checked("Device::create_buffer", || self.device.create_buffer(desc))
    }
}

/// What an error comes from in the end: its beginning repeats the call.
fn innermost<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("no reason given")
}
