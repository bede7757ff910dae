//! Which model covers which files, and which broken copies of them it must reject.

pub struct Model {
    /// `src/<name>_model.rs` holds the scenarios.
    pub name: &'static str,
    pub files: &'static [&'static str],
    /// What of the first file every world reads otherwise, and why the table says so there.
    pub given: &'static [(&'static str, &'static str)],
    pub scenarios: &'static [&'static str],
    pub mutants: &'static [Mutant],
}

pub struct Mutant {
    pub name: &'static str,
    /// The scenario that must fail.
    pub breaks: &'static str,
    pub file: &'static str,
    /// What is replaced by what. Each must occur exactly once.
    pub changes: &'static [(&'static str, &'static str)],
}

pub const MODELS: &[Model] = &[
    Model {
        name: "pin",
        files: &["ffi/pin.rs"],
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
                file: "ffi/pin.rs",
                changes: &[("light();", "")],
            },
            Mutant {
                name: "drain_without_heavy",
                breaks: "calls_against_destroy_and_reuse",
                file: "ffi/pin.rs",
                changes: &[("heavy();", "")],
            },
            Mutant {
                name: "enter_without_looking_again",
                breaks: "calls_against_destroy_and_reuse",
                file: "ffi/pin.rs",
                changes: &[("if word.load(Acquire) != handle {", "if false {")],
            },
            Mutant {
                name: "leave_relaxed",
                breaks: "calls_against_destroy_and_reuse",
                file: "ffi/pin.rs",
                changes: &[("self.pin.store(0, Release);", "self.pin.store(0, Relaxed);")],
            },
            Mutant {
                name: "drain_relaxed",
                breaks: "calls_against_destroy_and_reuse",
                file: "ffi/pin.rs",
                changes: &[("pin.load(Acquire) == handle", "pin.load(Relaxed) == handle")],
            },
            Mutant {
                name: "nested_calls_share_a_pin",
                breaks: "a_nested_call_keeps_the_outer_pin",
                file: "ffi/pin.rs",
                changes: &[("self.pins.get(depth as usize)", "self.pins.first()")],
            },
            Mutant {
                name: "close_by_load_and_store",
                breaks: "one_of_two_destroys",
                file: "ffi/pin.rs",
                changes: &[(
                    "word.compare_exchange(handle, handle | KIND_MASK, AcqRel, Relaxed).is_ok()",
                    "word.load(Acquire) == handle && { word.store(handle | KIND_MASK, Release); true }",
                )],
            },
        ],
    },
    Model {
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
                changes: &[("futex::wake(&self.sequence, i32::MAX)", "futex::wake(&self.sequence, 1)")],
            },
        ],
    },
    Model {
        name: "role",
        files: &["manager/core/role.rs"],
        given: &[],
        scenarios: &[
            "a_waiter_gets_the_role",
            "holders_are_apart_and_nobody_is_left_asleep",
            "a_timeout_keeps_no_wake_up",
            "the_end_lets_waiters_go",
        ],
        mutants: &[
            Mutant {
                name: "drop_without_light",
                breaks: "a_waiter_gets_the_role",
                file: "manager/core/role.rs",
                changes: &[("light();", "")],
            },
            Mutant {
                name: "take_without_heavy",
                breaks: "a_waiter_gets_the_role",
                file: "manager/core/role.rs",
                changes: &[("heavy();", "")],
            },
            Mutant {
                name: "drop_relaxed",
                breaks: "holders_are_apart_and_nobody_is_left_asleep",
                file: "manager/core/role.rs",
                changes: &[("self.word.store(FREE, Release);", "self.word.store(FREE, Relaxed);")],
            },
            Mutant {
                name: "grab_by_load_and_store",
                breaks: "holders_are_apart_and_nobody_is_left_asleep",
                file: "manager/core/role.rs",
                changes: &[(
                    "self.word.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok()",
                    "{ self.word.store(HELD, Relaxed); true }",
                )],
            },
            Mutant {
                name: "pass_on_without_a_new_turn",
                breaks: "a_waiter_gets_the_role",
                file: "manager/core/role.rs",
                changes: &[(
                    "self.turn.fetch_add(1, Release); futex::wake(&self.turn, 1);",
                    "futex::wake(&self.turn, 1);",
                )],
            },
            Mutant {
                name: "end_without_a_new_turn",
                breaks: "the_end_lets_waiters_go",
                file: "manager/core/role.rs",
                changes: &[(
                    "self.turn.fetch_add(1, Release); futex::wake(&self.turn, i32::MAX);",
                    "futex::wake(&self.turn, i32::MAX);",
                )],
            },
        ],
    },
    Model {
        name: "log",
        files: &["manager/core/role.rs", "manager/core/update_log.rs"],
        given: &[],
        scenarios: &[
            "order_is_kept",
            "laps_do_not_mix",
            "the_end_of_the_ring_is_skipped",
            "an_emptied_ring_is_not_full",
            "close_publishes_what_was_accepted",
        ],
        mutants: &[
            Mutant {
                name: "in_place_without_looking_for_others",
                breaks: "order_is_kept",
                file: "manager/core/update_log.rs",
                changes: &[(
                    "self.tail.0.load(Acquire) == position",
                    "self.tail.0.load(Acquire) & CLOSED == position & CLOSED",
                )],
            },
            Mutant {
                name: "in_place_after_close",
                breaks: "close_publishes_what_was_accepted",
                file: "manager/core/update_log.rs",
                changes: &[("self.tail.0.load(Acquire) == position", "self.tail() == position")],
            },
            Mutant {
                name: "reserve_by_load_and_store",
                breaks: "laps_do_not_mix",
                file: "manager/core/update_log.rs",
                changes: &[(
                    "self.tail.0.compare_exchange_weak(tail, end, AcqRel, Relaxed)",
                    "{ self.tail.0.store(end, Release); Ok::<u64, u64>(tail) }",
                )],
            },
            Mutant {
                name: "commit_relaxed",
                breaks: "laps_do_not_mix",
                file: "manager/core/update_log.rs",
                changes: &[(".store(reserved.at + 1, Release);", ".store(reserved.at + 1, Relaxed);")],
            },
            Mutant {
                name: "consumed_relaxed",
                breaks: "laps_do_not_mix",
                file: "manager/core/update_log.rs",
                changes: &[(
                    "self.head.0.store(position, Release);",
                    "self.head.0.store(position, Relaxed);",
                )],
            },
            Mutant {
                name: "commit_without_the_lap",
                breaks: "laps_do_not_mix",
                file: "manager/core/update_log.rs",
                changes: &[
                    (".store(reserved.at + 1, Release);", ".store((reserved.at & self.mask) + 1, Release);"),
                    (
                        "(word == head + 1).then_some(head)",
                        "(word == (head & self.mask) + 1).then_some(head)",
                    ),
                ],
            },
            Mutant {
                name: "skip_without_a_mark",
                breaks: "the_end_of_the_ring_is_skipped",
                file: "manager/core/update_log.rs",
                changes: &[(".store(Self::skip_mark(skipped), Release);", ".load(Relaxed);")],
            },
            Mutant {
                name: "close_by_load_and_store",
                breaks: "close_publishes_what_was_accepted",
                file: "manager/core/update_log.rs",
                changes: &[(
                    "self.tail.0.fetch_or(CLOSED, AcqRel);",
                    "let tail = self.tail.0.load(Acquire); self.tail.0.store(tail | CLOSED, Release);",
                )],
            },
            Mutant {
                name: "drop_without_light",
                breaks: "order_is_kept",
                file: "manager/core/role.rs",
                changes: &[("light();", "")],
            },
        ],
    },
    Model {
        name: "fronts",
        files: &["manager/copies/front_count.rs", "sync/event.rs"],
        given: &[],
        scenarios: &[
            "leases_against_publish",
            "epochs_do_not_go_back",
            "the_last_release_wakes_who_wants_the_copy",
            "wanting_a_copy_twice_leaves_its_count",
            "retired_copies_are_freed_once",
        ],
        mutants: &[
            Mutant {
                name: "acquire_by_load",
                breaks: "leases_against_publish",
                file: "manager/copies/front_count.rs",
                changes: &[("self.word.0.fetch_add(1, AcqRel)", "self.word.0.load(Acquire)")],
            },
            Mutant {
                name: "acquire_looks_first_and_counts_later",
                breaks: "leases_against_publish",
                file: "manager/copies/front_count.rs",
                changes: &[(
                    "let word = self.word.0.fetch_add(1, AcqRel);",
                    "let word = self.word.0.load(Acquire); self.pins[(word >> INDEX_SHIFT) as usize].0.fetch_add(1, AcqRel);",
                )],
            },
            Mutant {
                name: "release_relaxed",
                breaks: "leases_against_publish",
                file: "manager/copies/front_count.rs",
                changes: &[(
                    "self.pins[copy].0.fetch_sub(1, Release)",
                    "self.pins[copy].0.fetch_sub(1, Relaxed)",
                )],
            },
            Mutant {
                name: "is_free_relaxed",
                breaks: "leases_against_publish",
                file: "manager/copies/front_count.rs",
                changes: &[(
                    "count(self.pins[copy].0.load(Acquire)) == 0",
                    "count(self.pins[copy].0.load(Relaxed)) == 0",
                )],
            },
            Mutant {
                name: "publish_relaxed",
                breaks: "epochs_do_not_go_back",
                file: "manager/copies/front_count.rs",
                changes: &[(
                    "self.word.0.swap((new as u64) << INDEX_SHIFT, AcqRel)",
                    "self.word.0.swap((new as u64) << INDEX_SHIFT, Relaxed)",
                )],
            },
            Mutant {
                name: "publish_forgets_the_count",
                breaks: "leases_against_publish",
                file: "manager/copies/front_count.rs",
                changes: &[(".0.fetch_add(taken as i64, AcqRel);", ".0.fetch_add(0, AcqRel);")],
            },
            Mutant {
                name: "want_leaves_no_flag",
                breaks: "the_last_release_wakes_who_wants_the_copy",
                file: "manager/copies/front_count.rs",
                changes: &[("seen + WANTED", "seen")],
            },
            Mutant {
                name: "want_by_setting_a_bit",
                breaks: "wanting_a_copy_twice_leaves_its_count",
                file: "manager/copies/front_count.rs",
                changes: &[("while seen - count(seen) == 0 {", "loop {"), ("seen + WANTED", "seen | WANTED")],
            },
            Mutant {
                name: "retire_forgets_the_front",
                breaks: "retired_copies_are_freed_once",
                file: "manager/copies/front_count.rs",
                changes: &[("{ (word & COUNT) as i64 } else { 0 }", "{ 0 } else { 0 }")],
            },
            Mutant {
                name: "the_last_release_without_acquire",
                breaks: "retired_copies_are_freed_once",
                file: "manager/copies/front_count.rs",
                changes: &[("fence(Acquire);", "")],
            },
        ],
    },
    Model {
        name: "forward",
        files: &["manager/copies/copy_forward.rs", "manager/copies/dirty_set.rs", "manager/copies/dirty_bitmap.rs"],
        given: &[],
        scenarios: &["copies_agree_with_a_flat_state"],
        mutants: &[
            Mutant {
                name: "the_first_granule_is_not_brought",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("if !start.is_multiple_of(GRANULE) {", "if false {")],
            },
            Mutant {
                name: "the_last_granule_is_not_brought",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("if !end.is_multiple_of(GRANULE) && end != self.bytes {", "if false {")],
            },
            Mutant {
                name: "the_third_copy_is_forgotten",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[(
                    "self.present & !(1 << old | 1 << new)",
                    "self.present & !(1 << old | 1 << new | 1 << 2)",
                )],
            },
            Mutant {
                name: "the_old_front_is_taken_for_whole",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("self.lagging = !self.stale[old].is_empty();", "self.lagging = false;")],
            },
            Mutant {
                name: "another_back_copy_is_taken_for_whole",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("self.lagging = !self.stale[copy].is_empty();", "self.lagging = false;")],
            },
            Mutant {
                name: "a_kernel_reads_what_is_stale",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("self.bring(offset / GRANULE, (offset + length - 1) / GRANULE);", "")],
            },
            Mutant {
                name: "a_cancelled_back_copy_is_believed",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("self.stale[self.back].insert_all(); self.lagging = true;", "")],
            },
            Mutant {
                name: "memory_given_back_is_believed",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("stale.insert_all();", "")],
            },
            Mutant {
                name: "a_full_log_forgets",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/dirty_set.rs",
                changes: &[("self.spread(); self.bitmap.insert(start, end);", "self.spread();")],
            },
            Mutant {
                name: "a_bitmap_is_not_joined",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/dirty_set.rs",
                changes: &[("self.bitmap.union(&other.bitmap);", "")],
            },
            Mutant {
                name: "the_rest_of_a_long_interval_is_dropped",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/dirty_set.rs",
                changes: &[("self.log[at].0 += step as u32;", "self.log.pop();")],
            },
        ],
    },
    Model {
        name: "indices",
        files: &["spsc/indices.rs"],
        // loom does not know that a store comes after an exchange which replaced an older value.
        given: &[("indices.tail.0.store(next, Release);", "indices.tail.0.swap(next, Release);")],
        scenarios: &[
            "bytes_are_handed_over",
            "what_is_fed_waits_for_its_publish",
            "another_thread_publishes",
            "another_thread_publishes_what_was_fed",
        ],
        mutants: &[
            Mutant {
                name: "publish_relaxed",
                breaks: "bytes_are_handed_over",
                file: "spsc/indices.rs",
                changes: &[("indices.tail.0.swap(next, Release);", "indices.tail.0.swap(next, Relaxed);")],
            },
            Mutant {
                name: "receiver_looks_relaxed",
                breaks: "bytes_are_handed_over",
                file: "spsc/indices.rs",
                changes: &[(
                    "let tail = indices.tail.0.load(Acquire); self.tail",
                    "let tail = indices.tail.0.load(Relaxed); self.tail",
                )],
            },
            Mutant {
                name: "free_relaxed",
                breaks: "bytes_are_handed_over",
                file: "spsc/indices.rs",
                changes: &[("indices.head.0.store(next, Release);", "indices.head.0.store(next, Relaxed);")],
            },
            Mutant {
                name: "sender_looks_relaxed",
                breaks: "bytes_are_handed_over",
                file: "spsc/indices.rs",
                changes: &[(
                    "indices.head.0.load(Acquire).wrapping_add",
                    "indices.head.0.load(Relaxed).wrapping_add",
                )],
            },
            Mutant {
                name: "write_over_what_is_unread",
                breaks: "bytes_are_handed_over",
                file: "spsc/indices.rs",
                changes: &[("self.end.load(Relaxed).wrapping_sub(self.next())", "u64::MAX")],
            },
            Mutant {
                name: "read_what_is_not_there",
                breaks: "bytes_are_handed_over",
                file: "spsc/indices.rs",
                changes: &[("self.tail.load(Relaxed).wrapping_sub(self.next())", "u64::MAX")],
            },
            Mutant {
                name: "counts_do_not_wrap",
                breaks: "bytes_are_handed_over",
                file: "spsc/indices.rs",
                changes: &[(
                    "self.tail.load(Relaxed).wrapping_sub(self.next())",
                    "self.tail.load(Relaxed).saturating_sub(self.next())",
                )],
            },
            Mutant {
                name: "publish_from_outside_by_store",
                breaks: "another_thread_publishes",
                file: "spsc/indices.rs",
                changes: &[(
                    "let _ = indices.tail.0.compare_exchange(tail, next, Release, Relaxed);",
                    "indices.tail.0.swap(next, Release);",
                )],
            },
            Mutant {
                name: "publish_from_outside_backwards",
                breaks: "another_thread_publishes",
                file: "spsc/indices.rs",
                changes: &[("if next.wrapping_sub(tail) as i64 > 0 {", "if true {")],
            },
            Mutant {
                name: "write_relaxed",
                breaks: "another_thread_publishes_what_was_fed",
                file: "spsc/indices.rs",
                changes: &[(
                    "self.next.store(self.next().wrapping_add(bytes), Release);",
                    "self.next.store(self.next().wrapping_add(bytes), Relaxed);",
                )],
            },
            Mutant {
                name: "publish_from_outside_reads_relaxed",
                breaks: "another_thread_publishes_what_was_fed",
                file: "spsc/indices.rs",
                changes: &[("let next = self.next.load(Acquire);", "let next = self.next.load(Relaxed);")],
            },
            Mutant {
                name: "publish_from_outside_relaxed",
                breaks: "another_thread_publishes_what_was_fed",
                file: "spsc/indices.rs",
                changes: &[(
                    "compare_exchange(tail, next, Release, Relaxed)",
                    "compare_exchange(tail, next, Relaxed, Relaxed)",
                )],
            },
        ],
    },
    Model {
        name: "ends",
        files: &[
            "spsc/indices.rs",
            "spsc/side.rs",
            "spsc/place.rs",
            "spsc/end.rs",
            "spsc/pace.rs",
            "spsc/overwrite.rs",
            "spsc/tx.rs",
            "spsc/rx.rs",
        ],
        given: &[],
        scenarios: &[
            "a_receiver_is_woken",
            "a_sender_is_woken",
            "sides_wait_for_each_other",
            "a_sleeper_is_woken_once",
            "a_timeout_leaves_the_next_wait_whole",
            "one_waiter_a_side",
            "a_receiver_that_waits_gets_everything_and_the_end",
            "a_receiver_that_looks_gets_everything_and_the_end",
            "a_receiver_that_peeks_gets_everything_and_the_end",
            "a_sender_that_waits_is_told_of_the_end",
            "another_thread_closes_an_end_that_waits",
            "one_of_two_takes_the_place",
            "a_new_receiver_goes_on",
            "a_descriptor_tells",
            "the_oldest_are_overwritten",
            "the_newest_stays",
            "a_span_holds_the_sender_back",
        ],
        mutants: &[
            Mutant {
                name: "hold_by_load",
                breaks: "the_oldest_are_overwritten",
                file: "spsc/indices.rs",
                changes: &[("indices.head.0.fetch_or(HELD, Acquire)", "indices.head.0.load(Acquire)")],
            },
            Mutant {
                name: "hold_relaxed",
                breaks: "the_oldest_are_overwritten",
                file: "spsc/indices.rs",
                changes: &[("fetch_or(HELD, Acquire)", "fetch_or(HELD, Relaxed)")],
            },
            Mutant {
                name: "what_is_held_is_dropped",
                breaks: "a_span_holds_the_sender_back",
                file: "spsc/indices.rs",
                changes: &[("used <= indices.window || word & HELD != 0", "used <= indices.window")],
            },
            Mutant {
                name: "dropped_by_store",
                breaks: "the_oldest_are_overwritten",
                file: "spsc/indices.rs",
                changes: &[(
                    "indices.head.0.compare_exchange(word, head, AcqRel, Relaxed).is_err()",
                    "{ indices.head.0.store(head, Release); false }",
                )],
            },
            Mutant {
                name: "let_go_relaxed",
                breaks: "the_oldest_are_overwritten",
                file: "spsc/indices.rs",
                changes: &[(
                    "indices.head.0.store(next & !HELD, Release);",
                    "indices.head.0.store(next & !HELD, Relaxed);",
                )],
            },
            Mutant {
                name: "dropped_before_it_is_published",
                breaks: "the_newest_stays",
                file: "spsc/overwrite.rs",
                changes: &[
                    ("self.publish_if_behind(); self.drop_oldest();", "self.drop_oldest();"),
                    ("if publish { self.publish_if_behind(); }", "if false { self.publish_if_behind(); }"),
                ],
            },
            Mutant {
                name: "let_go_in_silence",
                breaks: "a_span_holds_the_sender_back",
                file: "spsc/overwrite.rs",
                changes: &[("self.ring.sender.signal(head)", "false")],
            },
            Mutant {
                name: "a_sender_waits_for_room_alone",
                breaks: "a_span_holds_the_sender_back",
                file: "spsc/tx.rs",
                changes: &[("let bytes = if self.ring.record == 0 { bytes } else { 0 };", "")],
            },
            Mutant {
                name: "signal_without_light",
                breaks: "a_receiver_is_woken",
                file: "spsc/side.rs",
                changes: &[("light(); self.word.load(Relaxed)", "self.word.load(Relaxed)")],
            },
            Mutant {
                name: "park_without_heavy",
                breaks: "a_receiver_is_woken",
                file: "spsc/side.rs",
                changes: &[("heavy(); if let", "if let")],
            },
            Mutant {
                name: "park_without_announcement",
                breaks: "a_receiver_is_woken",
                file: "spsc/side.rs",
                changes: &[("self.word.fetch_or(ASLEEP, Release) | ASLEEP;", "self.word.load(Relaxed);")],
            },
            Mutant {
                name: "park_looks_before_it_announces",
                breaks: "a_sender_is_woken",
                file: "spsc/side.rs",
                changes: &[
                    (
                        "self.asleep_for.store(needed, Relaxed); let announced",
                        "let looked = ready(); self.asleep_for.store(needed, Relaxed); let announced",
                    ),
                    ("heavy(); if let Some(value) = ready() {", "heavy(); if let Some(value) = looked {"),
                ],
            },
            Mutant {
                name: "threshold_after_the_announcement",
                breaks: "a_timeout_leaves_the_next_wait_whole",
                file: "spsc/side.rs",
                changes: &[
                    ("self.asleep_for.store(needed, Relaxed);", ""),
                    ("heavy(); if let", "heavy(); self.asleep_for.store(needed, Relaxed); if let"),
                ],
            },
            Mutant {
                name: "wake_leaves_the_announcement",
                breaks: "a_receiver_is_woken",
                file: "spsc/side.rs",
                changes: &[("self.word.fetch_and(!bit, AcqRel) & bit != 0", "true")],
            },
            Mutant {
                name: "wake_at_any_index",
                breaks: "a_sleeper_is_woken_once",
                file: "spsc/side.rs",
                changes: &[("index.wrapping_sub(needed) as i64 >= 0", "true")],
            },
            Mutant {
                name: "wake_one_byte_late",
                breaks: "a_sender_is_woken",
                file: "spsc/side.rs",
                changes: &[(
                    "index.wrapping_sub(needed) as i64 >= 0",
                    "index.wrapping_sub(needed) as i64 > 0",
                )],
            },
            Mutant {
                name: "thresholds_do_not_wrap",
                breaks: "a_receiver_is_woken",
                file: "spsc/side.rs",
                changes: &[("index.wrapping_sub(needed) as i64 >= 0", "index >= needed")],
            },
            Mutant {
                name: "a_glance_that_keeps",
                breaks: "one_waiter_a_side",
                file: "spsc/indices.rs",
                changes: &[(
                    "indices.tail.0.load(Acquire).wrapping_sub(self.next()).min(indices.capacity)",
                    "{ self.look(indices); self.there(indices) }",
                )],
            },
            Mutant {
                name: "claim_by_load_and_store",
                breaks: "one_waiter_a_side",
                file: "spsc/side.rs",
                changes: &[(
                    "self.waiting.compare_exchange(false, true, Acquire, Relaxed).is_ok()",
                    "!self.waiting.load(Acquire) && { self.waiting.store(true, Release); true }",
                )],
            },
            Mutant {
                name: "close_relaxed",
                breaks: "a_receiver_that_looks_gets_everything_and_the_end",
                file: "spsc/side.rs",
                changes: &[("self.word.fetch_or(CLOSED, Release);", "self.word.fetch_or(CLOSED, Relaxed);")],
            },
            Mutant {
                name: "closed_relaxed",
                breaks: "a_receiver_that_looks_gets_everything_and_the_end",
                file: "spsc/side.rs",
                changes: &[(
                    "self.word.load(Acquire) & CLOSED != 0",
                    "self.word.load(Relaxed) & CLOSED != 0",
                )],
            },
            Mutant {
                name: "rouse_without_light",
                breaks: "a_sender_that_waits_is_told_of_the_end",
                file: "spsc/side.rs",
                changes: &[("light(); self.wake", "self.wake")],
            },
            Mutant {
                name: "rouse_by_index",
                breaks: "a_sender_that_waits_is_told_of_the_end",
                file: "spsc/side.rs",
                changes: &[("self.wake(|_| true, ring)", "self.wake(|_| false, ring)")],
            },
            Mutant {
                name: "enter_relaxed",
                breaks: "a_new_receiver_goes_on",
                file: "spsc/side.rs",
                changes: &[(
                    "compare_exchange(CLOSED | GONE, 0, AcqRel, Relaxed)",
                    "compare_exchange(CLOSED | GONE, 0, Relaxed, Relaxed)",
                )],
            },
            Mutant {
                name: "enter_by_load_and_store",
                breaks: "one_of_two_takes_the_place",
                file: "spsc/side.rs",
                changes: &[(
                    "self.word.compare_exchange(CLOSED | GONE, 0, AcqRel, Relaxed).is_ok()",
                    "self.word.load(Acquire) == CLOSED | GONE && { self.word.store(0, Release); true }",
                )],
            },
            Mutant {
                name: "enter_while_the_old_one_lives",
                breaks: "one_of_two_takes_the_place",
                file: "spsc/side.rs",
                changes: &[(
                    "self.word.compare_exchange(CLOSED | GONE, 0, AcqRel, Relaxed).is_ok()",
                    "self.word.fetch_and(0, AcqRel) != 77",
                )],
            },
            Mutant {
                name: "arm_without_heavy",
                breaks: "a_descriptor_tells",
                file: "spsc/side.rs",
                changes: &[("heavy(); let now", "let now")],
            },
            Mutant {
                name: "arm_without_announcement",
                breaks: "a_descriptor_tells",
                file: "spsc/side.rs",
                changes: &[("self.word.fetch_or(ARMED, Release);", "")],
            },
            Mutant {
                name: "armed_and_not_rung",
                breaks: "a_descriptor_tells",
                file: "spsc/side.rs",
                changes: &[("if armed { ring(); }", "")],
            },
            Mutant {
                name: "cleared_after_arming",
                breaks: "a_descriptor_tells",
                file: "spsc/place.rs",
                changes: &[(
                    "if let Some(bell) = &*self.bell.lock() { bell.clear(); } let now = self.side.arm(needed, ready);",
                    "let now = self.side.arm(needed, ready); if let Some(bell) = &*self.bell.lock() { bell.clear(); }",
                )],
            },
            Mutant {
                name: "wait_without_a_claim",
                breaks: "one_waiter_a_side",
                file: "spsc/place.rs",
                changes: &[(
                    "let Some(_waiting) = self.side.claim() else {",
                    "let Some(_waiting) = Some(()) else {",
                )],
            },
            Mutant {
                name: "close_forgets_the_feed",
                breaks: "a_receiver_that_waits_gets_everything_and_the_end",
                file: "spsc/tx.rs",
                changes: &[("self.producer.publish_from_outside(&self.ring.indices);", "")],
            },
            Mutant {
                name: "sender_publishes_after_its_close",
                breaks: "a_receiver_that_waits_gets_everything_and_the_end",
                file: "spsc/tx.rs",
                changes: &[(
                    "self.producer.publish_from_outside(&self.ring.indices); self.ring.sender.side.close();",
                    "self.ring.sender.side.close(); self.producer.publish_from_outside(&self.ring.indices);",
                )],
            },
            Mutant {
                name: "sender_goes_silently",
                breaks: "a_receiver_that_waits_gets_everything_and_the_end",
                file: "spsc/tx.rs",
                changes: &[("self.ring.receiver.rouse();", "")],
            },
            Mutant {
                name: "sender_leaves_itself_asleep",
                breaks: "another_thread_closes_an_end_that_waits",
                file: "spsc/tx.rs",
                changes: &[("self.ring.sender.rouse();", "")],
            },
            Mutant {
                name: "receiver_goes_silently",
                breaks: "a_sender_that_waits_is_told_of_the_end",
                file: "spsc/rx.rs",
                changes: &[("self.ring.sender.rouse();", "")],
            },
            Mutant {
                name: "receiver_leaves_itself_asleep",
                breaks: "another_thread_closes_an_end_that_waits",
                file: "spsc/rx.rs",
                changes: &[("self.ring.receiver.rouse();", "")],
            },
            Mutant {
                name: "wait_looks_before_it_asks_for_the_end",
                breaks: "a_receiver_that_waits_gets_everything_and_the_end",
                file: "spsc/rx.rs",
                changes: &[(
                    "let ended = self.ring.sender.side.is_closed(); match self.glance() >= bytes {",
                    "let there = self.glance(); let ended = self.ring.sender.side.is_closed(); match there >= bytes {",
                )],
            },
            Mutant {
                name: "peek_looks_before_it_asks_for_the_end",
                breaks: "a_receiver_that_peeks_gets_everything_and_the_end",
                file: "spsc/rx.rs",
                changes: &[(
                    "let ended = self.ring.sender.side.is_closed(); let there = if",
                    "let there = self.look(); let ended = self.ring.sender.side.is_closed(); let there = if true { there } else if",
                )],
            },
            Mutant {
                name: "the_end_without_another_look",
                breaks: "a_receiver_that_looks_gets_everything_and_the_end",
                file: "spsc/rx.rs",
                changes: &[("return match self.look() {", "return match 0 {")],
            },
        ],
    },
    Model {
        name: "returns",
        files: &["spsc/returns.rs"],
        given: &[],
        scenarios: &["buffers_come_back_from_other_threads", "the_newest_comes_first"],
        mutants: &[
            Mutant {
                name: "push_relaxed",
                breaks: "buffers_come_back_from_other_threads",
                file: "spsc/returns.rs",
                changes: &[(
                    "compare_exchange_weak(first, node.as_ptr(), Release, Relaxed)",
                    "compare_exchange_weak(first, node.as_ptr(), Relaxed, Relaxed)",
                )],
            },
            Mutant {
                name: "take_relaxed",
                breaks: "buffers_come_back_from_other_threads",
                file: "spsc/returns.rs",
                changes: &[("self.first.swap(null_mut(), Acquire)", "self.first.swap(null_mut(), Relaxed)")],
            },
            Mutant {
                name: "push_by_load_and_store",
                breaks: "buffers_come_back_from_other_threads",
                file: "spsc/returns.rs",
                changes: &[(
                    "self.first.compare_exchange_weak(first, node.as_ptr(), Release, Relaxed)",
                    "{ self.first.store(node.as_ptr(), Release); Ok::<*mut T, *mut T>(first) }",
                )],
            },
            Mutant {
                name: "take_by_load_and_store",
                breaks: "buffers_come_back_from_other_threads",
                file: "spsc/returns.rs",
                changes: &[(
                    "self.first.swap(null_mut(), Acquire)",
                    "{ let first = self.first.load(Acquire); self.first.store(null_mut(), Release); first }",
                )],
            },
            Mutant {
                name: "push_links_to_what_was_first",
                breaks: "buffers_come_back_from_other_threads",
                file: "spsc/returns.rs",
                changes: &[("loop { next.store(first, Relaxed);", "next.store(first, Relaxed); loop {")],
            },
            Mutant {
                name: "push_forgets_the_rest",
                breaks: "the_newest_comes_first",
                file: "spsc/returns.rs",
                changes: &[("next.store(first, Relaxed);", "next.store(null_mut(), Relaxed);")],
            },
        ],
    },
    Model {
        name: "claim",
        files: &["device/claim.rs"],
        given: &[],
        scenarios: &["a_call_runs_to_its_end_or_never_begins"],
        mutants: &[
            Mutant {
                name: "begin_by_load_and_store",
                breaks: "a_call_runs_to_its_end_or_never_begins",
                file: "device/claim.rs",
                changes: &[(
                    "self.state.compare_exchange(QUEUED, RUNNING, Relaxed, Relaxed).is_ok()",
                    "self.state.load(Acquire) == QUEUED && { self.state.store(RUNNING, Release); true }",
                )],
            },
            Mutant {
                name: "take_back_by_load_and_store",
                breaks: "a_call_runs_to_its_end_or_never_begins",
                file: "device/claim.rs",
                changes: &[(
                    "self.state.compare_exchange(QUEUED, TAKEN_BACK, Relaxed, Relaxed).is_ok()",
                    "self.state.load(Acquire) == QUEUED && { self.state.store(TAKEN_BACK, Release); true }",
                )],
            },
            Mutant {
                name: "take_back_what_runs",
                breaks: "a_call_runs_to_its_end_or_never_begins",
                file: "device/claim.rs",
                changes: &[(
                    "self.state.compare_exchange(QUEUED, TAKEN_BACK, Relaxed, Relaxed).is_ok()",
                    "self.state.swap(TAKEN_BACK, AcqRel) != DONE",
                )],
            },
            Mutant {
                name: "finish_relaxed",
                breaks: "a_call_runs_to_its_end_or_never_begins",
                file: "device/claim.rs",
                changes: &[("self.state.store(DONE, Release);", "self.state.store(DONE, Relaxed);")],
            },
            Mutant {
                name: "done_relaxed",
                breaks: "a_call_runs_to_its_end_or_never_begins",
                file: "device/claim.rs",
                changes: &[("self.state.load(Acquire) == DONE", "self.state.load(Relaxed) == DONE")],
            },
        ],
    },
    Model {
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
                changes: &[(
                    "self.desk.given.store(true, Release);",
                    "self.desk.given.store(true, Relaxed);",
                )],
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
    },
];
