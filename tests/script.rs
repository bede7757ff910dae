//! Random scripts of calls, compared with a plain sequential model.

#[path = "common/records_script.rs"]
mod records_script;
#[path = "common/ring_script.rs"]
mod ring_script;
#[path = "common/script.rs"]
mod script;

use proptest::collection::vec;
use proptest::prelude::*;

/// The number of scripts: few enough for a short test, more with BACKBUF_SOAK.
fn cases() -> u32 {
    if std::env::var_os("BACKBUF_SOAK").is_some() { 20_000 } else { 1000 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_manager_does_what_a_plain_model_does(setup: script::Word, calls in vec(any::<script::Word>(), 1..60)) {
        script::run(setup, &calls);
    }

    #[test]
    fn a_ring_does_what_a_plain_queue_does(setup: ring_script::Word, calls in vec(any::<ring_script::Word>(), 1..100)) {
        ring_script::run(setup, &calls);
    }

    #[test]
    fn a_ring_that_overwrites_does_what_a_plain_queue_does(
        setup: records_script::Word,
        calls in vec(any::<records_script::Word>(), 1..100),
    ) {
        records_script::run(setup, &calls);
    }
}
