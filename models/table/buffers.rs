//! Models of GPU buffers.

use super::{Model, Mutant};

pub const MODELS: &[Model] = &[Model {
    name: "promise",
    files: &["buffers/promise.rs"],
    given: &[],
    scenarios: &[
        "a_request_is_answered_once",
        "who_sees_an_answer_has_it",
        "a_promise_that_is_dropped_answers",
    ],
    mutants: &[
        Mutant {
            name: "then_decides_before_the_lock",
            breaks: "a_request_is_answered_once",
            file: "buffers/promise.rs",
            changes: &[(
                "let mut slot = self.0.slot.lock(); match *slot {",
                "let open = !self.is_given();
                     let mut slot = self.0.slot.lock();
                     if open { *slot = Slot::Open(Some(callback)); return; }
                     match *slot {",
            )],
        },
        Mutant {
            name: "callback_forgotten",
            breaks: "a_request_is_answered_once",
            file: "buffers/promise.rs",
            changes: &[("if let Slot::Open(Some(callback)) = before { callback.answered(answer); }", "")],
        },
        Mutant {
            name: "given_before_the_answer",
            breaks: "who_sees_an_answer_has_it",
            file: "buffers/promise.rs",
            changes: &[(
                "let mut slot = self.desk.slot.lock(); let before",
                "self.desk.given.store(true, Release); let mut slot = self.desk.slot.lock(); let before",
            )],
        },
        Mutant {
            name: "given_relaxed",
            breaks: "who_sees_an_answer_has_it",
            file: "buffers/promise.rs",
            changes: &[("self.desk.given.store(true, Release);", "self.desk.given.store(true, Relaxed);")],
        },
        Mutant {
            name: "seen_relaxed",
            breaks: "who_sees_an_answer_has_it",
            file: "buffers/promise.rs",
            changes: &[("self.0.given.load(Acquire)", "self.0.given.load(Relaxed)")],
        },
        Mutant {
            name: "kept_and_dropped",
            breaks: "who_sees_an_answer_has_it",
            file: "buffers/promise.rs",
            changes: &[("self.otherwise = None;", "")],
        },
        Mutant {
            name: "dropped_in_silence",
            breaks: "a_promise_that_is_dropped_answers",
            file: "buffers/promise.rs",
            changes: &[("if let Some(answer) = self.otherwise.take() { self.give(answer); }", "")],
        },
    ],
}];
