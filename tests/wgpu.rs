//! The device on WebGPU: the suite of every driver on each adapter, and what is its own.
#![cfg(feature = "wgpu")]

use backbuf::buffers::Encoder;
use backbuf::device::{Device, MapMode, WgpuConfig};
use backbuf::{Result, Status, Timeout};

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

#[test]
fn a_device_of_the_programs_own_conforms() {
    everywhere(|make| {
        let adopted = || {
            let handles = Some(make().wgpu_handles().unwrap());
            Device::wgpu(WgpuConfig { label: "adopted", handles, ..WgpuConfig::default() }).unwrap()
        };
        conformance::run(&adopted);
        buffer_conformance::run(&adopted);
    });
}

#[test]
fn without_a_driver_the_rules_are_the_same() {
    let make = || open("noop").unwrap();
    buffer_conformance::run(&make);
}

#[test]
fn a_device_that_the_program_destroys_is_lost() {
    everywhere(|make| {
        let device = make();
        let buffer = buffer_conformance::buffer(&device, 64, buffer_conformance::write_usage(), false);
        device.wgpu_handles().unwrap().device.destroy();
        let mut encoder = Encoder::new(&device);
        let _ = encoder.submit().and_then(|fence| device.wait_fence(fence, Timeout::FOREVER));
        let mapped =
            buffer.map_async(MapMode::Write, 0, None).and_then(|request| request.wait(Timeout::FOREVER));
        let refused = mapped.map_or_else(Err, |outcome| outcome.result).unwrap_err();
        assert_eq!(refused.status(), Status::DeviceLost);
    });
}
