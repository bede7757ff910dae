//! Fuzz target: calls on one ring, compared with a queue. The scripts are those of `tests/script.rs`.

#![no_main]

#[path = "../../tests/common/ring_script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (words, _) = data.as_chunks();
    if let Some((&setup, calls)) = words.split_first() {
        script::run(setup, calls);
    }
});
