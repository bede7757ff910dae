//! Models of the C handles.

use super::{Model, Mutant};

pub const MODELS: &[Model] = &[Model {
    name: "pin",
    files: &["handle/pin.rs"],
    given: &[],
    scenarios: &[
        "calls_against_destroy_and_reuse",
        "a_nested_call_keeps_the_outer_pin",
        "one_of_two_destroys",
    ],
    mutants: &[
        Mutant {
            name: "enter_without_light",
            breaks: "calls_against_destroy_and_reuse",
            file: "handle/pin.rs",
            changes: &[("light();", "")],
        },
        Mutant {
            name: "drain_without_heavy",
            breaks: "calls_against_destroy_and_reuse",
            file: "handle/pin.rs",
            changes: &[("heavy();", "")],
        },
        Mutant {
            name: "enter_without_looking_again",
            breaks: "calls_against_destroy_and_reuse",
            file: "handle/pin.rs",
            changes: &[("if word.load(Acquire) != handle {", "if false {")],
        },
        Mutant {
            name: "leave_relaxed",
            breaks: "calls_against_destroy_and_reuse",
            file: "handle/pin.rs",
            changes: &[("self.pin.store(0, Release);", "self.pin.store(0, Relaxed);")],
        },
        Mutant {
            name: "drain_relaxed",
            breaks: "calls_against_destroy_and_reuse",
            file: "handle/pin.rs",
            changes: &[("pin.load(Acquire) == handle", "pin.load(Relaxed) == handle")],
        },
        Mutant {
            name: "nested_calls_share_a_pin",
            breaks: "a_nested_call_keeps_the_outer_pin",
            file: "handle/pin.rs",
            changes: &[("self.pins.get(depth as usize)", "self.pins.first()")],
        },
        Mutant {
            name: "close_by_load_and_store",
            breaks: "one_of_two_destroys",
            file: "handle/pin.rs",
            changes: &[(
                "word.compare_exchange(handle, handle | KIND_MASK, AcqRel, Relaxed).is_ok()",
                "word.load(Acquire) == handle && { word.store(handle | KIND_MASK, Release); true }",
            )],
        },
    ],
}];
