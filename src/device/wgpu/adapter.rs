//! Which adapter a device of its own is opened on.

use super::gpu::{Gpu, now};
use crate::error::{Error, Label, Result, Status};

/// Opens the first adapter that fits and works.
pub(super) fn open(wanted: &str, label: Label) -> Result<Gpu> {
    let found = find(wanted)?;
    if found.is_empty() {
        let why = "no adapter is called that, of a driver for Vulkan or OpenGL ES";
        return Err(match wanted {
            "" => Error::text(Status::Unsupported, "no driver for Vulkan or OpenGL ES has an adapter"),
            wanted => Error::named(Status::Unsupported, "adapter", wanted, why),
        });
    }
    let mut first = None;
    for adapter in found {
        match request(&adapter, label) {
            Ok(gpu) => return Ok(gpu),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or(Error::of(Status::Unsupported)))
}

/// The adapters that fit, the best first.
fn find(wanted: &str) -> Result<Vec<wgpu::Adapter>> {
    use wgpu::Backend::{Gl, Noop, Vulkan};
    let named = [Vulkan, Gl, Noop].into_iter().find(|backend| backend.to_str().eq_ignore_ascii_case(wanted));
    let mut found = Vec::new();
    for backend in [Vulkan, Gl, Noop] {
        // Bytes that nobody draws from are for those who ask for them.
        if named.is_some_and(|named| named != backend) || backend == Noop && named != Some(Noop) {
            continue;
        }
        let adapters = now(instance(backend).enumerate_adapters(wgpu::Backends::from(backend)))?;
        let fits = |adapter: &wgpu::Adapter| named.is_some() || contains(&adapter.get_info().name, wanted);
        found.extend(adapters.into_iter().filter(fits));
        // Other drivers are not even loaded where this one has a GPU.
        if found.iter().any(|adapter| rank(adapter) < CPU) {
            break;
        }
    }
    found.sort_by_key(rank);
    Ok(found)
}

fn instance(backend: wgpu::Backend) -> wgpu::Instance {
    let mut desc = wgpu::InstanceDescriptor::new_without_display_handle();
    desc.backends = wgpu::Backends::from(backend);
    // Its checks are wgpu's own; layers of the driver are the user's to switch on.
    desc.flags = wgpu::InstanceFlags::empty();
    desc.backend_options.noop.enable = backend == wgpu::Backend::Noop;
    wgpu::Instance::new(desc)
}

/// The rank of those who render on the CPU.
const CPU: u32 = 4;

fn rank(adapter: &wgpu::Adapter) -> u32 {
    match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => CPU,
    }
}

fn contains(name: &str, wanted: &str) -> bool {
    name.to_lowercase().contains(&wanted.to_lowercase())
}

fn request(adapter: &wgpu::Adapter, label: Label) -> Result<Gpu> {
    let desc = wgpu::DeviceDescriptor {
        label: Some(label.as_str()),
        required_features: adapter.features() & wgpu::Features::MAPPABLE_PRIMARY_BUFFERS,
        // Nothing that it does not have, and all that it has.
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    };
    match now(adapter.request_device(&desc))? {
        Ok((device, queue)) => Gpu::own(device, queue, adapter, label),
        Err(error) => Err(Error::told(Status::Unsupported, "Adapter::request_device", &error.to_string())),
    }
}
