//! GPU buffers: mapped by request, copied by encoders, and roles built on them.
//!
//! A [`Buffer`] follows WebGPU's rules of mapping on every device: it is either mapped, and the host accesses its bytes, or
//! unmapped, and submitted work uses it. A violation is a status that names the buffer and its state. A mapping is requested;
//! the [`Request`] completes exactly once, when the work that uses the buffer has finished. An [`Encoder`] records copies and
//! submits them together.
//!
//! Roles are buffers for one purpose, of any size in bytes: [`DeviceBuffer`] and [`GrowableBuffer`] for the device alone;
//! [`ImmediateStagingBuffer`] and [`DeferredStagingBuffer`] to fill them; [`ReadbackBuffer`] to read them; and
//! [`DynamicBuffer`] for bytes that change with every frame.

pub(crate) mod buffer;
pub(crate) mod dynamic;
pub(crate) mod encoder;
pub(crate) mod growable;
pub(crate) mod map_state;
pub(crate) mod pending_writes;
pub(crate) mod promise;
pub(crate) mod range;
pub(crate) mod readback;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod staging;
#[cfg(test)]
mod tests;

pub use buffer::{Buffer, BufferDesc, DeviceBuffer};
pub use dynamic::ring::{DynamicConfig, RingPolicy};
pub use dynamic::state::DynamicStatistics;
pub use dynamic::{DynamicBuffer, DynamicSlice};
pub use encoder::Encoder;
pub use growable::GrowableBuffer;
pub use map_state::{BufferState, MapOutcome};
pub use range::{MappedRange, MappedRangeMut};
pub use readback::{ReadbackBuffer, ReadbackConfig, ReadbackStatistics, Reading, WhenFull};
pub use report::{LeakedBuffer, leak_report};
pub use request::Request;
pub use staging::{DeferredStagingBuffer, ImmediateStagingBuffer};
