//! Models of GPU buffers.

use super::{Model, Mutant};

pub const MODELS: &[Model] = &[Model {
    name: "promise",
    files: &["buffers/promise.rs"],
    given: &[],
    scenarios: &[
        "a_request_is_completed_once",
        "a_completed_promise_has_its_value",
        "a_dropped_promise_is_completed",
    ],
    mutants: &[
        Mutant {
            name: "then_decides_before_the_lock",
            breaks: "a_request_is_completed_once",
            file: "buffers/promise.rs",
            changes: &[(
                "let mut state = self.0.state.lock(); match *state {",
                "let pending = !self.is_completed();
                     let mut state = self.0.state.lock();
                     if pending { *state = PromiseState::Pending(Some(callback)); return; }
                     match *state {",
            )],
        },
        Mutant {
            name: "callback_forgotten",
            breaks: "a_request_is_completed_once",
            file: "buffers/promise.rs",
            changes: &[(
                "if let PromiseState::Pending(Some(callback)) = before { callback.call(value); }",
                "",
            )],
        },
        Mutant {
            name: "completed_before_the_value",
            breaks: "a_completed_promise_has_its_value",
            file: "buffers/promise.rs",
            changes: &[(
                "let mut state = self.shared.state.lock(); let before",
                "self.shared.completed.store(true, Release); let mut state = self.shared.state.lock(); let before",
            )],
        },
        Mutant {
            name: "completed_relaxed",
            breaks: "a_completed_promise_has_its_value",
            file: "buffers/promise.rs",
            changes: &[(
                "self.shared.completed.store(true, Release);",
                "self.shared.completed.store(true, Relaxed);",
            )],
        },
        Mutant {
            name: "polled_relaxed",
            breaks: "a_completed_promise_has_its_value",
            file: "buffers/promise.rs",
            changes: &[("self.0.completed.load(Acquire)", "self.0.completed.load(Relaxed)")],
        },
        Mutant {
            name: "completed_and_dropped",
            breaks: "a_completed_promise_has_its_value",
            file: "buffers/promise.rs",
            changes: &[("self.if_dropped = None;", "")],
        },
        Mutant {
            name: "dropped_uncompleted",
            breaks: "a_dropped_promise_is_completed",
            file: "buffers/promise.rs",
            changes: &[("if let Some(value) = self.if_dropped.take() { self.set(value); }", "")],
        },
    ],
}];
