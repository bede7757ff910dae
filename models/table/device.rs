//! Models of devices.

use super::{Model, Mutant};

pub const MODELS: &[Model] = &[Model {
    name: "call_state",
    files: &["device/call_state.rs"],
    given: &[],
    scenarios: &["a_call_runs_to_its_end_or_never_begins"],
    mutants: &[
        Mutant {
            name: "begin_by_load_and_store",
            breaks: "a_call_runs_to_its_end_or_never_begins",
            file: "device/call_state.rs",
            changes: &[(
                "self.state.compare_exchange(QUEUED, RUNNING, Relaxed, Relaxed).is_ok()",
                "self.state.load(Acquire) == QUEUED && { self.state.store(RUNNING, Release); true }",
            )],
        },
        Mutant {
            name: "cancel_by_load_and_store",
            breaks: "a_call_runs_to_its_end_or_never_begins",
            file: "device/call_state.rs",
            changes: &[(
                "self.state.compare_exchange(QUEUED, CANCELLED, Relaxed, Relaxed).is_ok()",
                "self.state.load(Acquire) == QUEUED && { self.state.store(CANCELLED, Release); true }",
            )],
        },
        Mutant {
            name: "cancel_a_running_call",
            breaks: "a_call_runs_to_its_end_or_never_begins",
            file: "device/call_state.rs",
            changes: &[(
                "self.state.compare_exchange(QUEUED, CANCELLED, Relaxed, Relaxed).is_ok()",
                "self.state.swap(CANCELLED, AcqRel) != DONE",
            )],
        },
        Mutant {
            name: "finish_relaxed",
            breaks: "a_call_runs_to_its_end_or_never_begins",
            file: "device/call_state.rs",
            changes: &[("self.state.store(DONE, Release);", "self.state.store(DONE, Relaxed);")],
        },
        Mutant {
            name: "done_relaxed",
            breaks: "a_call_runs_to_its_end_or_never_begins",
            file: "device/call_state.rs",
            changes: &[("self.state.load(Acquire) == DONE", "self.state.load(Relaxed) == DONE")],
        },
    ],
}];
