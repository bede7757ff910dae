//! The types that C holds pointers to. The pointers are handles and never point to anything.

/// One double-buffered state with its worker. Made by `bb_manager_create()`.
#[derive(Debug)]
pub struct bb_manager(());

/// Updates that become one element of the order. Made by `bb_batch_begin()`.
#[derive(Debug)]
pub struct bb_batch(());

/// Labelled backend work that a publish waits for. Made by `bb_task_begin()`.
#[derive(Debug)]
pub struct bb_task(());

/// One waiter's own subscription to epochs. Made by `bb_watch_create()`.
#[derive(Debug)]
pub struct bb_watch(());

/// Memory that stays as it is until it is released. Made by `bb_manager_acquire_front()` and `bb_stream_next()`.
#[derive(Debug)]
pub struct bb_lease(());

/// The sending end of a ring of bytes. Made by `bb_spsc_create()`.
#[derive(Debug)]
pub struct bb_sender(());

/// The receiving end of a ring of bytes. Made by `bb_spsc_create()`.
#[derive(Debug)]
pub struct bb_receiver(());

/// What arrives in a ring, as chunks that can be held. Made by `bb_spsc_into_stream()`.
#[derive(Debug)]
pub struct bb_stream(());

/// Who owns memory and a timeline: host memory, or OpenGL. Made by `bb_device_create_gl()` and `bb_device_create_host()`.
#[derive(Debug)]
pub struct bb_device(());

/// Named buffers of CUDA kernels and where they lie. Made by `bb_registry_create()`.
#[derive(Debug)]
pub struct bb_registry(());

/// Memory that host and device use by turns. Made by `bb_buffer_create()`.
#[derive(Debug)]
pub struct bb_buffer(());

/// A map request that was accepted. Made by `bb_buffer_map_async()`.
#[derive(Debug)]
pub struct bb_request(());

/// Copies and writes for one submit. Made by `bb_encoder_create()`.
#[derive(Debug)]
pub struct bb_encoder(());

/// Memory that the device alone uses. Made by `bb_device_buffer_create()`.
#[derive(Debug)]
pub struct bb_device_buffer(());

/// Bytes on their way to the device, once. Made by `bb_immediate_staging_create()`.
#[derive(Debug)]
pub struct bb_immediate_staging(());

/// Bytes on their way to the device, again and again. Made by `bb_deferred_staging_create()`.
#[derive(Debug)]
pub struct bb_deferred_staging(());

/// A ring of buffers for bytes on their way back. Made by `bb_readback_create()`.
#[derive(Debug)]
pub struct bb_readback(());

/// A read that is under way, or done. Made by `bb_readback_read()`.
#[derive(Debug)]
pub struct bb_reading(());

/// Bytes that change with every frame. Made by `bb_dynamic_create()`.
#[derive(Debug)]
pub struct bb_dynamic(());
