//! The asymmetric memory barrier: a compiler fence on the frequent side, `membarrier(2)` on the rare one.
//!
//! The model checker compiles the protocol files against its own version of this module.

use std::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
    compiler_fence, fence,
};

use rustix::thread::{MembarrierCommand as Command, membarrier};

/// Whether `heavy` can make every running thread of the process pass a barrier. Until `init` has said so, both sides fence.
static ASYMMETRIC: AtomicBool = AtomicBool::new(false);

/// Registers the process for the barrier. Every object that relies on `light` calls this before other threads can see it.
pub(crate) fn init() {
    if !ASYMMETRIC.load(Relaxed)
        && !cfg!(backbuf_fences)
        && membarrier(Command::RegisterPrivateExpedited).is_ok()
    {
        ASYMMETRIC.store(true, SeqCst);
    }
}

/// The frequent side of the asymmetric barrier: orders earlier stores before later loads, as seen by a thread that calls
/// [`heavy`]. A compiler fence where the kernel provides the other half.
#[inline(always)]
pub(crate) fn light() {
    if ASYMMETRIC.load(Relaxed) {
        compiler_fence(SeqCst);
    } else {
        fence(SeqCst);
    }
}

/// The flag by which code outside of the library decides, as [`light`] does, between a compiler fence and a full one.
pub(crate) fn is_asymmetric() -> &'static AtomicBool {
    &ASYMMETRIC
}

/// The rare side: after it, each thread's stores before its `light` are visible here, or that thread sees ours.
pub(crate) fn heavy() {
    fence(SeqCst);
    if ASYMMETRIC.load(Relaxed) {
        // A forked child is not registered any more.
        let register_again = |_| {
            membarrier(Command::RegisterPrivateExpedited)?;
            membarrier(Command::PrivateExpedited)
        };
        if membarrier(Command::PrivateExpedited).or_else(register_again).is_err() {
            refused();
        }
    }
}

/// A sandbox that the program has entered since `init` refuses the barrier: from here on both sides fence.
///
/// A thread may be between a store and its load of `light`, with no fence between them. Its store leaves the processor's
/// buffer within nanoseconds, and with the next interrupt at the latest: well before this returns.
#[cold]
fn refused() {
    ASYMMETRIC.store(false, SeqCst);
    std::thread::sleep(std::time::Duration::from_millis(20));
    fence(SeqCst);
}
