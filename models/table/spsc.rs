//! Models of the ring.

use super::{Model, Mutant};

pub const MODELS: &[Model] = &[
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
];
