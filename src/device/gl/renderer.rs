//! What renderers call, on threads with a context of their own.

use super::api::Api;
use crate::alloc::Arc;
use crate::device::driver::{Foreign, Renderer};
use crate::error::{Error, Result, Status};

pub(super) struct GlRenderer(pub(super) Arc<Api>);

impl Renderer for GlRenderer {
    fn check(&self) -> Result<()> {
        if self.0.is_current() {
            return Ok(());
        }
        Err(Error::text(
            Status::State,
            "no context that shares the device's buffers is current on this thread: make current the one that the device was \
             made with, or one that shares with it",
        ))
    }

    fn wait(&self, fence: Foreign) {
        self.0.wait(fence);
    }

    fn fence(&self) -> Result<Foreign> {
        self.check()?;
        self.0.export()
    }

    fn reap(&self, fence: Foreign) -> bool {
        self.0.reap(fence)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_host::Host;
    use crate::device::device::Device;
    use crate::device::driver::Foreign;
    use crate::device::gl::{GlConfig, GlContext};
    use crate::device::usage::Usage;
    use crate::error::Status;
    use glow::HasContext;

    #[test]
    fn a_renderer_waits_for_the_device_and_the_device_for_it() {
        let headless = match Device::gl(GlConfig::default()) {
            Err(error) if std::env::var_os("BACKBUF_NO_INSTALL").is_some() => {
                return println!("skipped, and BACKBUF_NO_INSTALL is set: {error}");
            }
            device => device.expect("OpenGL on the CPU, which scripts/setup test installs"),
        };
        let host = Host::new();
        // SAFETY: what EGL gave.
        let context = unsafe { GlContext::shared(host.display(), host.context()) };
        let device = Device::gl(GlConfig { label: "beside", context }).unwrap();
        let renderer = device.renderer().expect("OpenGL has one");
        renderer.check().unwrap();

        let write = |bytes: [u8; 4]| {
            device.perform(move |driver| {
                let buffer = driver.create(4, Usage::VERTEX, "drawn")?;
                driver.write(buffer, 0, &bytes)?;
                Ok((buffer, driver.export()?))
            })
        };
        let (buffer, written) = write([1, 2, 3, 4]).unwrap();
        renderer.wait(written);
        renderer.wait(Foreign(0));
        let mut bytes = [0; 4];
        // SAFETY: the host's context is current, and the buffer is alive.
        unsafe {
            let name = u32::try_from(buffer.0).unwrap().try_into().unwrap();
            host.gl.bind_buffer(glow::COPY_READ_BUFFER, Some(glow::NativeBuffer(name)));
            host.gl.get_buffer_sub_data(glow::COPY_READ_BUFFER, 0, &mut bytes);
        }
        assert_eq!(bytes, [1, 2, 3, 4]);
        let drawn = renderer.fence().unwrap();
        device.perform(|driver| driver.import(drawn)).unwrap();
        device.discard(written);

        // A device alone, a context of others, none at all, and a device that is gone.
        let refused = |result: crate::error::Result<()>| result.unwrap_err().status();
        assert_eq!(refused(headless.renderer().unwrap().check()), Status::State);
        let other = Host::new();
        assert_eq!(refused(renderer.check()), Status::State);
        other.leave();
        assert_eq!(refused(renderer.check()), Status::State);
        assert_eq!(refused(renderer.fence().map(drop)), Status::State);
        host.enter();
        renderer.check().unwrap();
        device.destroy().unwrap();
        assert_eq!(refused(renderer.check()), Status::State);
    }
}
