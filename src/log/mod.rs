//! What the library tells about itself: through the `log` facade to Rust, through a sink of its own to C.
//!
//! Off by default at the cost of a relaxed load. A record is formatted into a fixed buffer on the stack, and no lock is
//! held while it is handed out.

pub(crate) mod queue;
pub(crate) mod sink;

use std::fmt;

pub(crate) use log::Level;

/// Whether anybody wants records of that level. Ask before gathering what is expensive.
#[inline]
pub(crate) fn enabled(level: Level) -> bool {
    if sink::enabled(level) {
        return true;
    }
    level <= log::max_level()
}

/// Tells one event of `part`, about the object with that label.
#[inline]
pub(crate) fn record(level: Level, part: &'static str, label: &str, text: fmt::Arguments<'_>) {
    if enabled(level) {
        tell(level, part, label, text);
    }
}

#[cold]
fn tell(level: Level, part: &'static str, label: &str, text: fmt::Arguments<'_>) {
    if level <= log::max_level() {
        let (open, close) = if label.is_empty() { ("", "") } else { ("'", "': ") };
        let text = format_args!("{open}{label}{close}{text}");
        let target = match part {
            "manager" => "backbuf::manager",
            "device" => "backbuf::device",
            "spsc" => "backbuf::spsc",
            _ => "backbuf",
        };
        log::logger().log(&log::Record::builder().level(level).target(target).args(text).build());
    }
    sink::tell(level, part, label, text);
}
