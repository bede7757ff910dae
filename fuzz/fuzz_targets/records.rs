//! Fuzz target: calls on a ring that overwrites its oldest records, compared with a queue. The scripts are those of `tests/script.rs`.

#![no_main]

#[path = "../../tests/common/records_script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (words, _) = data.as_chunks();
    if let Some((&setup, calls)) = words.split_first() {
        script::run(setup, calls);
    }
});
