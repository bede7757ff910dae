//! Opaque types of C. Pointers to them are handles, not addresses.

/// A manager: one double-buffered state with its worker thread. Made by `bb_manager_create()`.
#[derive(Debug)]
pub struct bb_manager(());

/// A batch: updates that are enqueued together and published in one epoch. Made by `bb_batch_begin()`.
#[derive(Debug)]
pub struct bb_batch(());

/// A task: labelled backend work that a publish waits for. Made by `bb_task_begin()`.
#[derive(Debug)]
pub struct bb_task(());

/// A watch: a subscription to the epochs of a manager. Made by `bb_watch_create()`.
#[derive(Debug)]
pub struct bb_watch(());

/// A lease: memory that stays valid until it is released. Made by `bb_manager_acquire_front()` and
/// `bb_stream_next()`.
#[derive(Debug)]
pub struct bb_lease(());

/// The sending end of a ring of bytes. Made by `bb_spsc_create()`.
#[derive(Debug)]
pub struct bb_sender(());

/// The receiving end of a ring of bytes. Made by `bb_spsc_create()`.
#[derive(Debug)]
pub struct bb_receiver(());

/// A stream: the bytes of a ring, received as chunks that can be kept. Made by `bb_spsc_into_stream()`.
#[derive(Debug)]
pub struct bb_stream(());

/// A device: buffers and a submission timeline, on host memory, OpenGL or WebGPU. Made by `bb_device_create_host()`,
/// `bb_device_create_gl()` and `bb_device_create_wgpu()`.
#[derive(Debug)]
pub struct bb_device(());

/// A registry: named buffers of CUDA kernels and their layout. Made by `bb_registry_create()`.
#[derive(Debug)]
pub struct bb_registry(());

/// A buffer of a device that the host can map. Made by `bb_buffer_create()`.
#[derive(Debug)]
pub struct bb_buffer(());

/// A map request. Made by `bb_buffer_map_async()`.
#[derive(Debug)]
pub struct bb_request(());

/// An encoder: records copies and writes for a submit. Made by `bb_encoder_create()`.
#[derive(Debug)]
pub struct bb_encoder(());

/// A device buffer: memory that only the device accesses. Made by `bb_device_buffer_create()`.
#[derive(Debug)]
pub struct bb_device_buffer(());

/// A staging buffer for one upload to the device. Made by `bb_immediate_staging_create()`.
#[derive(Debug)]
pub struct bb_immediate_staging(());

/// A staging buffer for repeated uploads to the device. Made by `bb_deferred_staging_create()`.
#[derive(Debug)]
pub struct bb_deferred_staging(());

/// A ring of buffers to which data of the device is read back. Made by `bb_readback_create()`.
#[derive(Debug)]
pub struct bb_readback(());

/// A read of a device buffer, pending or done. Made by `bb_readback_read()`.
#[derive(Debug)]
pub struct bb_reading(());

/// A dynamic buffer: data that changes with every frame. Made by `bb_dynamic_create()`.
#[derive(Debug)]
pub struct bb_dynamic(());
