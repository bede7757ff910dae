//! Fuzz target: calls on one manager, compared with a flat model. The scripts are those of `tests/script.rs`.

#![no_main]

#[path = "../../tests/common/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (words, _) = data.as_chunks();
    if let Some((&setup, calls)) = words.split_first() {
        script::run(setup, calls);
    }
});
