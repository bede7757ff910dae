//! Devices on WebGPU: the conformance suites on each adapter, and adopted, destroyed and shared devices.
#![cfg(feature = "wgpu")]

use backbuf::buffers::Encoder;
use backbuf::device::{Device, Driver, MapMode, Usage, WgpuConfig};
use backbuf::{Result, Status, Timeout};

#[path = "common/buffer_conformance.rs"]
mod buffer_conformance;
#[path = "common/conformance.rs"]
mod conformance;

use conformance::drive::Drive;

fn open(adapter: &str) -> Result<Device> {
    Device::wgpu(WgpuConfig { label: "test", adapter, ..WgpuConfig::default() })
}

/// Runs a check on each installed adapter with shaders. Where none may be installed, there may be none.
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
fn buffers_conform_without_a_driver() {
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

/// Large writes are stored in place if no work is pending, and are recorded otherwise: the result is the same.
#[test]
fn writes_in_place_and_recorded_writes_keep_their_order() {
    const BYTES: usize = 1 << 20;
    everywhere(|make| {
        let device = make();
        let usage = Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST;
        let create = |driver: &mut dyn Driver, usage| driver.create(BYTES as u64, usage, "written");
        let [a, b, back] = device
            .drive(Timeout::FOREVER, |driver| {
                Ok([
                    create(driver, usage)?,
                    create(driver, usage)?,
                    create(driver, buffer_conformance::read_usage())?,
                ])
            })
            .unwrap();
        let mut model = [vec![0u8; BYTES], vec![0u8; BYTES]];
        let mut seed = 0x9E37_79B9_7F4A_7C15u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        for round in 0..200 {
            let which = random(2);
            let (to, from) = if which == 0 { (a, b) } else { (b, a) };
            let offset = random(BYTES / 2) & if random(3) > 0 { !7 } else { !0 };
            let bytes = 1 + random(BYTES / 2 - 1);
            let bytes = if random(3) > 0 { bytes.next_multiple_of(4) } else { bytes };
            let data: Vec<u8> = (0..bytes).map(|at| (at * 7 + round * 13) as u8).collect();
            if random(3) > 0 {
                device.drive(Timeout::FOREVER, |driver| driver.write(to, offset as u64, &data)).unwrap();
                model[which][offset..offset + bytes].copy_from_slice(&data);
            } else {
                let (at, length) = (offset as u64, bytes as u64);
                device.drive(Timeout::FOREVER, |driver| driver.copy(from, at, to, at, length)).unwrap();
                let copied = model[1 - which][offset..offset + bytes].to_vec();
                model[which][offset..offset + bytes].copy_from_slice(&copied);
            }
            if random(2) == 0 {
                let fence = device.drive(Timeout::FOREVER, |driver| driver.submit()).unwrap();
                if random(2) == 0 {
                    device.wait_fence(fence, Timeout::FOREVER).unwrap();
                }
            }
        }
        for (native, expected) in [(a, &model[0]), (b, &model[1])] {
            let fence = device.drive(Timeout::FOREVER, |driver| {
                driver.copy(native, 0, back, 0, BYTES as u64)?;
                driver.submit()
            });
            device.wait_fence(fence.unwrap(), Timeout::FOREVER).unwrap();
            let same = device.drive(Timeout::FOREVER, |driver| {
                let data = driver.map(back, MapMode::Read, 0, BYTES as u64)?;
                // SAFETY: so many bytes are mapped there until the unmap.
                let same = unsafe { std::slice::from_raw_parts(data.as_ptr(), BYTES) } == &expected[..];
                driver.unmap(back).map(|()| same)
            });
            assert!(same.unwrap(), "not what was written");
        }
    });
}
