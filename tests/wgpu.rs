//! The device on WebGPU: the suite of every driver on each adapter, and what is its own.
#![cfg(feature = "wgpu")]

use backbuf::device::{Device, WgpuConfig};
use backbuf::{Result, Status};

#[path = "common/buffer_conformance.rs"]
mod buffer_conformance;
#[path = "common/conformance.rs"]
mod conformance;

fn open(adapter: &str) -> Result<Device> {
    Device::wgpu(WgpuConfig { label: "test", adapter, ..WgpuConfig::default() })
}

/// Runs a check on each adapter with shaders that is here; where nothing may be installed there may be none.
fn everywhere(check: fn(&dyn Fn() -> Device)) {
    for adapter in ["vulkan", "gl"] {
        match open(adapter) {
            Err(error)
                if error.status() == Status::Unsupported
                    && std::env::var_os("BACKBUF_NO_INSTALL").is_some() =>
            {
                println!("skipped, and BACKBUF_NO_INSTALL is set: {error}");
            }
            device => {
                println!(
                    "{}",
                    device.expect("a driver on the CPU, which scripts/setup test installs").info()
                );
                check(&|| open(adapter).unwrap());
            }
        }
    }
}

#[test]
fn drivers_conform() {
    everywhere(|make| conformance::run(make));
}

#[test]
fn buffers_conform() {
    everywhere(|make| buffer_conformance::run(make));
}
