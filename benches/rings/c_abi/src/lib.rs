//! The Rust peers behind C functions in a separate library, as a C program would use them.

use rings::bbqueue::Bbqueue;
use rings::channel::{self, Crossbeam, Flume, Kanal};
use rings::{Functions, gil::Gil, ringbuf::Ringbuf, rtrb::Rtrb};

#[unsafe(no_mangle)]
pub static RTRB: Functions = Functions::of::<Rtrb>();
#[unsafe(no_mangle)]
pub static RINGBUF: Functions = Functions::of::<Ringbuf>();
#[unsafe(no_mangle)]
pub static BBQUEUE: Functions = Functions::of::<Bbqueue>();
#[unsafe(no_mangle)]
pub static GIL: Functions = Functions::of::<Gil>();
#[unsafe(no_mangle)]
pub static CROSSBEAM: Functions = channel::functions::<Crossbeam>();
#[unsafe(no_mangle)]
pub static FLUME: Functions = channel::functions::<Flume>();
#[unsafe(no_mangle)]
pub static KANAL: Functions = channel::functions::<Kanal>();
