//! Scripts of calls on a ring that overwrites its oldest records, against a plain queue: the same as `tests/script.rs`, from the
//! fuzzer's bytes.

#![no_main]

#[path = "../../tests/common/records_script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (words, _) = data.as_chunks();
    if let Some((&setup, calls)) = words.split_first() {
        script::run(setup, calls);
    }
});
