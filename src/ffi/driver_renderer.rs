//! Renderer side of a driver in C: calls on the threads of renderers, and the end of these calls when the driver closes.
//!
//! A renderer may call while the owner thread ends the device. The driver therefore closes through [`RendererSide::end`], after which
//! no call begins, and which waits for those that have begun.

use std::cell::Cell;
use std::ffi::c_void;
use std::fmt;

use crate::alloc::Arc;
use crate::device::driver::{Foreign, Renderer};
use crate::error::{Error, Result, Status};
use crate::ffi::driver_table::RendererFunctions;
use crate::handle::slots;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use crate::sync::event::Event;
use crate::sys::clock::Deadline;

thread_local! {
    /// How many calls of renderer functions the calling thread is inside of.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// What the driver and its renderers share.
pub(super) struct RendererSide {
    functions: RendererFunctions,
    user_data: *mut c_void,
    /// The process that made the device.
    tag: u16,
    running: AtomicU64,
    ended: AtomicBool,
    idle: Event,
}

// SAFETY: the header requires functions that any thread may call, and user data that is fit for that.
unsafe impl Send for RendererSide {}
// SAFETY: as above.
unsafe impl Sync for RendererSide {}

impl fmt::Debug for RendererSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RendererSide").field("running", &self.running.load(Relaxed)).finish_non_exhaustive()
    }
}

/// A call of a renderer function, which the end of the driver waits for.
struct RendererCall<'a>(&'a RendererSide);

impl Drop for RendererCall<'_> {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
        // SeqCst: as in `enter`, this thread sees `ended`, or the owner thread sees the new number.
        self.0.running.fetch_sub(1, SeqCst);
        if self.0.ended.load(SeqCst) {
            self.0.idle.signal();
        }
    }
}

impl RendererSide {
    pub(super) fn new(functions: RendererFunctions, user_data: *mut c_void) -> Result<RendererSide> {
        Ok(RendererSide {
            functions,
            user_data,
            tag: slots::instance()?.tag,
            running: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            idle: Event::new(),
        })
    }

    /// Begins a call; None after the end of the driver, and in a forked child.
    fn enter(&self) -> Option<RendererCall<'_>> {
        if !slots::is_own(self.tag) {
            return None;
        }
        // SeqCst, here and in `end`: one thread adds to `running`, then reads `ended`; the other stores `ended`, then reads
        // `running`. At least one of the two sees the other.
        self.running.fetch_add(1, SeqCst);
        DEPTH.set(DEPTH.get().saturating_add(1));
        let call = RendererCall(self);
        (!self.ended.load(SeqCst)).then_some(call)
    }

    /// Lets no further call begin, and waits for the others. False on a thread that is inside of one, which cannot wait for itself.
    pub(super) fn end(&self) -> bool {
        self.ended.store(true, SeqCst);
        if DEPTH.get() != 0 {
            return self.running.load(SeqCst) == 0;
        }
        let idle = || (self.running.load(SeqCst) == 0).then_some(());
        self.idle.wait_through(Deadline::NEVER, idle).is_ok()
    }
}

/// A driver's [`RendererSide`], as the device calls it.
pub(super) struct TableRenderer(pub(super) Arc<RendererSide>);

impl TableRenderer {
    /// Calls a function that returns a status.
    fn call(
        &self,
        function: &'static str,
        call: impl FnOnce(&RendererFunctions, *mut c_void) -> i32,
    ) -> Result<()> {
        let ended = || Error::text(Status::DeviceLost, "the device has been destroyed");
        let _call = self.0.enter().ok_or_else(ended)?;
        let status = call(&self.0.functions, self.0.user_data);
        let allowed = [Status::State, Status::OutOfMemory, Status::Backend, Status::DeviceLost];
        match allowed.into_iter().find(|allowed| status.checked_neg() == Some(*allowed as i32)) {
            _ if status == 0 => Ok(()),
            Some(allowed) => Err(Error::code(allowed, function, status)),
            None => Err(Error::value(
                Status::Backend,
                function,
                status,
                "is not a status that a renderer function returns",
            )),
        }
    }
}

impl Renderer for TableRenderer {
    fn check(&self) -> Result<()> {
        // SAFETY: the caller's function and data, on a thread of the program's.
        self.call("driver.check_renderer", |functions, user_data| unsafe {
            (functions.check_renderer)(user_data)
        })
    }

    fn wait(&self, fence: Foreign) {
        if fence != Foreign(0)
            && let Some(_call) = self.0.enter()
        {
            // SAFETY: as above; a fence that the driver exported and that is not discarded.
            unsafe { (self.0.functions.renderer_wait)(self.0.user_data, fence.0) };
        }
    }

    fn fence(&self) -> Result<Foreign> {
        let mut fence = 0;
        // SAFETY: as above.
        self.call("driver.renderer_fence", |functions, user_data| unsafe {
            (functions.renderer_fence)(user_data, &raw mut fence)
        })?;
        Ok(Foreign(fence))
    }

    fn reap(&self, fence: Foreign) -> bool {
        // After the end nothing waits for the fence any more.
        let Some(_call) = self.0.enter() else { return true };
        // SAFETY: as above; a fence of `renderer_fence`, which is discarded if the result is true.
        fence == Foreign(0) || unsafe { (self.0.functions.renderer_reap)(self.0.user_data, fence.0) }
    }
}
