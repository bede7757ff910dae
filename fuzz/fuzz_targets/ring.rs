//! Scripts of calls on one ring against a plain queue: the same as `tests/script.rs`, from the fuzzer's bytes.

#![no_main]

#[path = "../../tests/common/ring_script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (words, _) = data.as_chunks();
    if let Some((&setup, calls)) = words.split_first() {
        script::run(setup, calls);
    }
});
