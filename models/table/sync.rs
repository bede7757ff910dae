//! Models of synchronization primitives.

use super::{Model, Mutant};

pub const MODELS: &[Model] = &[Model {
    name: "event",
    files: &["sync/event.rs"],
    given: &[],
    scenarios: &[
        "a_wake_up_is_not_lost",
        "several_tickets_share_an_event",
        "the_worker_is_asked_and_answers",
        "a_timeout_does_not_poison_the_next_wait",
    ],
    mutants: &[
        Mutant {
            name: "signal_without_light",
            breaks: "a_wake_up_is_not_lost",
            file: "sync/event.rs",
            changes: &[("light();", "")],
        },
        Mutant {
            name: "park_without_heavy",
            breaks: "a_wake_up_is_not_lost",
            file: "sync/event.rs",
            changes: &[("heavy();", "")],
        },
        Mutant {
            name: "park_without_announcement",
            breaks: "the_worker_is_asked_and_answers",
            file: "sync/event.rs",
            changes: &[
                ("self.sleepers.fetch_add(1, Relaxed);", ""),
                ("self.sleepers.fetch_sub(1, Relaxed);", ""),
            ],
        },
        Mutant {
            name: "wake_without_a_new_sequence",
            breaks: "a_wake_up_is_not_lost",
            file: "sync/event.rs",
            changes: &[("self.sequence.fetch_add(1, Release);", "")],
        },
        Mutant {
            name: "one_sleeper_is_woken",
            breaks: "several_tickets_share_an_event",
            file: "sync/event.rs",
            changes: &[("futex::wake(&self.sequence, u32::MAX)", "futex::wake(&self.sequence, 1)")],
        },
    ],
}];
