//! Buffers of a device that host and device use by turns.
//!
//! A [`Buffer`] follows WebGPU's rules of mapping on every device: it is the host's while it is mapped, and the device's
//! otherwise, and what breaks the rules is a status that names the buffer and where it stands. To map it is to ask for it:
//! a [`Request`] is answered, exactly once, when the work that uses the buffer has been done. Copies are recorded in an
//! [`Encoder`] and submitted together.
//!
//! On it stand *roles*, which name what a buffer is for and take any number of bytes: a [`DeviceBuffer`] that the device alone
//! uses, and a [`GrowableBuffer`] of them; an [`ImmediateStagingBuffer`] and a [`DeferredStagingBuffer`] on the way to it; a
//! [`ReadbackBuffer`] on the way back; and a [`DynamicBuffer`] for what changes with every frame.

pub(crate) mod buffer;
pub(crate) mod desc;
pub(crate) mod device_buffer;
pub(crate) mod dynamic;
pub(crate) mod encoder;
pub(crate) mod growable;
pub(crate) mod inner;
pub(crate) mod machine;
pub(crate) mod promise;
pub(crate) mod range;
pub(crate) mod readback;
pub(crate) mod reading;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod staged;
pub(crate) mod staging;
pub(crate) mod storage;
#[cfg(test)]
mod tests;

pub use buffer::Buffer;
pub use desc::BufferDesc;
pub use device_buffer::DeviceBuffer;
pub use dynamic::{DynamicBuffer, DynamicConfig, DynamicSlice, DynamicStatistics, RingPolicy};
pub use encoder::Encoder;
pub use growable::GrowableBuffer;
pub use machine::BufferState;
pub use range::{MappedRange, MappedRangeMut};
pub use readback::{ReadbackBuffer, ReadbackConfig, ReadbackStatistics, WhenFull};
pub use reading::Reading;
pub use report::{LiveBuffer, leak_report};
pub use request::{Outcome, Request};
pub use staging::{DeferredStagingBuffer, ImmediateStagingBuffer};
