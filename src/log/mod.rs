//! Log records of the library: through the `log` crate to Rust programs, through a sink to C.
//!
//! Off by default, at the cost of a relaxed load. A record is formatted into a fixed buffer on the stack, and no lock is held
//! while it is delivered.

pub(crate) mod queue;
pub(crate) mod sink;

use std::fmt;

pub(crate) use log::Level;

/// Whether records of that level are delivered. Check it before expensive work for a record.
#[inline]
pub(crate) fn enabled(level: Level) -> bool {
    if sink::enabled(level) {
        return true;
    }
    level <= log::max_level()
}

/// Logs one event of `module` about the object with that label.
#[inline]
pub(crate) fn record(level: Level, module: &'static str, label: &str, text: fmt::Arguments<'_>) {
    if enabled(level) {
        deliver(level, module, label, text);
    }
}

#[cold]
fn deliver(level: Level, module: &'static str, label: &str, text: fmt::Arguments<'_>) {
    if level <= log::max_level() {
        let (open, close) = if label.is_empty() { ("", "") } else { ("'", "': ") };
        let text = format_args!("{open}{label}{close}{text}");
        let target = match module {
            "manager" => "backbuf::manager",
            "device" => "backbuf::device",
            "spsc" => "backbuf::spsc",
            _ => "backbuf",
        };
        log::logger().log(&log::Record::builder().level(level).target(target).args(text).build());
    }
    sink::deliver(level, module, label, text);
}
