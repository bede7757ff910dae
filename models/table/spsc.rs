//! Models of the ring.

use super::{Model, Mutant};

pub const MODELS: &[Model] = &[
    Model {
        name: "indices",
        files: &["spsc/indices.rs"],
        // loom does not order a store after an exchange that replaced an older value.
        given: &[("indices.tail.store(next, Release);", "indices.tail.swap(next, Release);")],
        scenarios: &[
            "bytes_are_handed_over",
            "fed_bytes_are_visible_after_publish",
            "another_thread_publishes",
            "another_thread_publishes_what_was_fed",
        ],
        mutants: &[
            Mutant {
                name: "publish_relaxed",
                breaks: "bytes_are_handed_over",
                file: "spsc/indices.rs",
                changes: &[("indices.tail.swap(next, Release);", "indices.tail.swap(next, Relaxed);")],
            },
            Mutant {
                name: "receiver_refreshes_relaxed",
                breaks: "bytes_are_handed_over",
                file: "spsc/indices.rs",
                changes: &[(
                    "let tail = indices.tail.load(Acquire); self.tail",
                    "let tail = indices.tail.load(Relaxed); self.tail",
                )],
            },
            Mutant {
                name: "give_back_relaxed",
                breaks: "bytes_are_handed_over",
                file: "spsc/indices.rs",
                changes: &[("indices.head.store(next, Release);", "indices.head.store(next, Relaxed);")],
            },
            Mutant {
                name: "sender_refreshes_relaxed",
                breaks: "bytes_are_handed_over",
                file: "spsc/indices.rs",
                changes: &[(
                    "indices.head.load(Acquire).wrapping_add",
                    "indices.head.load(Relaxed).wrapping_add",
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
                name: "publish_from_any_thread_by_store",
                breaks: "another_thread_publishes",
                file: "spsc/indices.rs",
                changes: &[(
                    "let _ = indices.tail.compare_exchange(tail, next, Release, Relaxed);",
                    "indices.tail.swap(next, Release);",
                )],
            },
            Mutant {
                name: "publish_from_any_thread_backwards",
                breaks: "another_thread_publishes",
                file: "spsc/indices.rs",
                changes: &[("if next.wrapping_sub(tail) as i64 > 0 {", "if true {")],
            },
            Mutant {
                name: "advance_relaxed",
                breaks: "another_thread_publishes_what_was_fed",
                file: "spsc/indices.rs",
                changes: &[(
                    "self.next.store(self.next().wrapping_add(bytes), Release);",
                    "self.next.store(self.next().wrapping_add(bytes), Relaxed);",
                )],
            },
            Mutant {
                name: "publish_from_any_thread_reads_relaxed",
                breaks: "another_thread_publishes_what_was_fed",
                file: "spsc/indices.rs",
                changes: &[("let next = self.next.load(Acquire);", "let next = self.next.load(Relaxed);")],
            },
            Mutant {
                name: "publish_from_any_thread_relaxed",
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
            "spsc/flow.rs",
            "spsc/wait_side.rs",
            "spsc/backoff.rs",
            "spsc/tx.rs",
            "spsc/rx.rs",
            "spsc/writer.rs",
            "spsc/reader.rs",
        ],
        given: &[],
        scenarios: &[
            "a_receiver_is_woken",
            "a_sender_is_woken",
            "sides_wait_for_each_other",
            "a_sleeper_is_woken_once",
            "a_timeout_does_not_disturb_the_next_wait",
            "one_waiter_a_side",
            "a_waiting_receiver_gets_everything_then_closed",
            "a_polling_receiver_gets_everything_then_closed",
            "a_peeking_receiver_gets_everything_then_closed",
            "a_waiting_sender_gets_closed",
            "another_thread_closes_an_end_that_waits",
            "one_of_two_senders_attaches",
            "a_new_receiver_continues",
            "an_armed_descriptor_becomes_readable",
            "a_waker_is_called",
            "a_polled_task_is_woken",
            "the_oldest_records_are_overwritten",
            "the_newest_record_stays",
            "an_open_span_holds_the_sender_back",
            "a_waiting_receiver_gets_what_an_inline_writer_keeps",
            "a_waiting_sender_gets_what_an_inline_reader_keeps",
            "an_inline_writer_publishes_beside_a_waiting_receiver",
            "a_closed_sender_leaves_what_its_inline_writer_kept",
        ],
        mutants: &[
            Mutant {
                name: "a_writer_checks_without_a_fence",
                breaks: "a_waiting_receiver_gets_what_an_inline_writer_keeps",
                file: "spsc/writer.rs",
                changes: &[("light(); if self.next", "if self.next")],
            },
            Mutant {
                name: "a_writer_does_not_check_for_waits",
                breaks: "a_waiting_receiver_gets_what_an_inline_writer_keeps",
                file: "spsc/writer.rs",
                changes: &[("|| self.tx.ring.receiver.is_awaited()", "")],
            },
            Mutant {
                name: "a_receiver_takes_nothing_before_it_sleeps",
                breaks: "a_waiting_receiver_gets_what_an_inline_writer_keeps",
                file: "spsc/rx.rs",
                changes: &[("self.ring.indices.pull_tail(&self.ring.writer);", "")],
            },
            Mutant {
                name: "a_reader_checks_without_a_fence",
                breaks: "a_waiting_sender_gets_what_an_inline_reader_keeps",
                file: "spsc/reader.rs",
                changes: &[("light(); if self.next", "if self.next")],
            },
            Mutant {
                name: "a_reader_does_not_check_for_waits",
                breaks: "a_waiting_sender_gets_what_an_inline_reader_keeps",
                file: "spsc/reader.rs",
                changes: &[("|| self.rx.ring.sender.is_awaited()", "")],
            },
            Mutant {
                name: "a_sender_takes_nothing_before_it_sleeps",
                breaks: "a_waiting_sender_gets_what_an_inline_reader_keeps",
                file: "spsc/tx.rs",
                changes: &[("self.ring.indices.pull_head(&self.ring.reader);", "")],
            },
            Mutant {
                name: "a_cursor_advances_relaxed",
                breaks: "a_waiting_receiver_gets_what_an_inline_writer_keeps",
                file: "spsc/indices.rs",
                changes: &[("self.at.store(index, Release);", "self.at.store(index, Relaxed);")],
            },
            Mutant {
                name: "a_cursor_is_read_relaxed",
                breaks: "a_waiting_receiver_gets_what_an_inline_writer_keeps",
                file: "spsc/indices.rs",
                changes: &[("let at = self.at.load(Acquire);", "let at = self.at.load(Relaxed);")],
            },
            Mutant {
                name: "a_tail_is_pulled_by_store",
                breaks: "an_inline_writer_publishes_beside_a_waiting_receiver",
                file: "spsc/indices.rs",
                changes: &[(
                    "let _ = self.tail.compare_exchange(tail, written, Release, Relaxed);",
                    "self.tail.swap(written, Release);",
                )],
            },
            Mutant {
                name: "a_closed_sender_keeps_what_its_writer_kept",
                breaks: "a_closed_sender_leaves_what_its_inline_writer_kept",
                file: "spsc/tx.rs",
                changes: &[("self.ring.indices.pull_tail(&self.ring.writer);", "")],
            },
            Mutant {
                name: "hold_by_load",
                breaks: "the_oldest_records_are_overwritten",
                file: "spsc/indices.rs",
                changes: &[("indices.head.fetch_or(HELD, Acquire)", "indices.head.load(Acquire)")],
            },
            Mutant {
                name: "hold_relaxed",
                breaks: "the_oldest_records_are_overwritten",
                file: "spsc/indices.rs",
                changes: &[("fetch_or(HELD, Acquire)", "fetch_or(HELD, Relaxed)")],
            },
            Mutant {
                name: "held_records_are_dropped",
                breaks: "an_open_span_holds_the_sender_back",
                file: "spsc/indices.rs",
                changes: &[("used <= indices.window || word & HELD != 0", "used <= indices.window")],
            },
            Mutant {
                name: "dropped_by_store",
                breaks: "the_oldest_records_are_overwritten",
                file: "spsc/indices.rs",
                changes: &[(
                    "indices.head.compare_exchange(word, head, AcqRel, Relaxed).is_err()",
                    "{ indices.head.store(head, Release); false }",
                )],
            },
            Mutant {
                name: "release_relaxed",
                breaks: "the_oldest_records_are_overwritten",
                file: "spsc/indices.rs",
                changes: &[(
                    "indices.head.store(next & !HELD, Release);",
                    "indices.head.store(next & !HELD, Relaxed);",
                )],
            },
            Mutant {
                name: "dropped_before_it_is_published",
                breaks: "the_newest_record_stays",
                file: "spsc/tx.rs",
                changes: &[
                    ("self.publish_pending(); self.drop_oldest();", "self.drop_oldest();"),
                    ("if publish { self.publish_pending(); }", "if false { self.publish_pending(); }"),
                ],
            },
            Mutant {
                name: "release_without_signal",
                breaks: "an_open_span_holds_the_sender_back",
                file: "spsc/rx.rs",
                changes: &[(
                    "self.consumer.release(&self.ring.indices, bytes); if self.ring.sender.signal(head)",
                    "self.consumer.release(&self.ring.indices, bytes); if false",
                )],
            },
            Mutant {
                name: "a_sender_waits_for_room_only",
                breaks: "an_open_span_holds_the_sender_back",
                file: "spsc/tx.rs",
                changes: &[(
                    "let room = if self.ring.record == 0 { bytes } else { 0 };",
                    "let room = bytes;",
                )],
            },
            Mutant {
                name: "signal_without_light",
                breaks: "a_receiver_is_woken",
                file: "spsc/wait_side.rs",
                changes: &[("light(); self.is_awaited()", "self.is_awaited()")],
            },
            Mutant {
                name: "park_without_heavy",
                breaks: "a_receiver_is_woken",
                file: "spsc/wait_side.rs",
                changes: &[("heavy(); if let", "if let")],
            },
            Mutant {
                name: "park_without_announcement",
                breaks: "a_receiver_is_woken",
                file: "spsc/wait_side.rs",
                changes: &[("self.word.fetch_or(ASLEEP, Release) | ASLEEP;", "self.word.load(Relaxed);")],
            },
            Mutant {
                name: "park_checks_before_it_announces",
                breaks: "a_sender_is_woken",
                file: "spsc/wait_side.rs",
                changes: &[
                    (
                        "self.asleep_for.store(needed, Relaxed); let announced",
                        "let looked = ready(); self.asleep_for.store(needed, Relaxed); let announced",
                    ),
                    ("heavy(); if let Some(flow) = ready() {", "heavy(); if let Some(flow) = looked {"),
                ],
            },
            Mutant {
                name: "threshold_after_the_announcement",
                breaks: "a_timeout_does_not_disturb_the_next_wait",
                file: "spsc/wait_side.rs",
                changes: &[
                    ("self.asleep_for.store(needed, Relaxed);", ""),
                    ("heavy(); if let", "heavy(); self.asleep_for.store(needed, Relaxed); if let"),
                ],
            },
            Mutant {
                name: "wake_leaves_the_announcement",
                breaks: "a_receiver_is_woken",
                file: "spsc/wait_side.rs",
                changes: &[("self.word.fetch_and(!bit, AcqRel) & bit != 0", "true")],
            },
            Mutant {
                name: "wake_at_any_index",
                breaks: "a_sleeper_is_woken_once",
                file: "spsc/wait_side.rs",
                changes: &[("index.wrapping_sub(needed) as i64 >= 0", "true")],
            },
            Mutant {
                name: "wake_one_byte_late",
                breaks: "a_sender_is_woken",
                file: "spsc/wait_side.rs",
                changes: &[(
                    "index.wrapping_sub(needed) as i64 >= 0",
                    "index.wrapping_sub(needed) as i64 > 0",
                )],
            },
            Mutant {
                name: "thresholds_do_not_wrap",
                breaks: "a_receiver_is_woken",
                file: "spsc/wait_side.rs",
                changes: &[("index.wrapping_sub(needed) as i64 >= 0", "index >= needed")],
            },
            Mutant {
                name: "fresh_available_caches",
                breaks: "one_waiter_a_side",
                file: "spsc/indices.rs",
                changes: &[(
                    "indices.tail.load(Acquire).wrapping_sub(self.next()).min(indices.capacity)",
                    "{ self.refresh(indices); self.available(indices) }",
                )],
            },
            Mutant {
                name: "sole_waiter_by_load_and_store",
                breaks: "one_waiter_a_side",
                file: "spsc/wait_side.rs",
                changes: &[(
                    "self.own.has_waiter.compare_exchange(false, true, Acquire, Relaxed).is_ok()",
                    "!self.own.has_waiter.load(Acquire) && { self.own.has_waiter.store(true, Release); true }",
                )],
            },
            Mutant {
                name: "close_relaxed",
                breaks: "a_polling_receiver_gets_everything_then_closed",
                file: "spsc/wait_side.rs",
                changes: &[("self.word.fetch_or(CLOSED, Release);", "self.word.fetch_or(CLOSED, Relaxed);")],
            },
            Mutant {
                name: "closed_relaxed",
                breaks: "a_polling_receiver_gets_everything_then_closed",
                file: "spsc/wait_side.rs",
                changes: &[(
                    "self.word.load(Acquire) & CLOSED != 0",
                    "self.word.load(Relaxed) & CLOSED != 0",
                )],
            },
            Mutant {
                name: "wake_all_without_light",
                breaks: "a_waiting_sender_gets_closed",
                file: "spsc/wait_side.rs",
                changes: &[("light(); self.wake", "self.wake")],
            },
            Mutant {
                name: "wake_all_by_index",
                breaks: "a_waiting_sender_gets_closed",
                file: "spsc/wait_side.rs",
                changes: &[("self.wake(|_| true)", "self.wake(|_| false)")],
            },
            Mutant {
                name: "reopen_relaxed",
                breaks: "a_new_receiver_continues",
                file: "spsc/wait_side.rs",
                changes: &[(
                    "compare_exchange(CLOSED | DESTROYED, 0, AcqRel, Relaxed)",
                    "compare_exchange(CLOSED | DESTROYED, 0, Relaxed, Relaxed)",
                )],
            },
            Mutant {
                name: "reopen_by_load_and_store",
                breaks: "one_of_two_senders_attaches",
                file: "spsc/wait_side.rs",
                changes: &[(
                    "self.word.compare_exchange(CLOSED | DESTROYED, 0, AcqRel, Relaxed).is_ok()",
                    "self.word.load(Acquire) == CLOSED | DESTROYED && { self.word.store(0, Release); true }",
                )],
            },
            Mutant {
                name: "reopen_while_the_old_end_lives",
                breaks: "one_of_two_senders_attaches",
                file: "spsc/wait_side.rs",
                changes: &[(
                    "self.word.compare_exchange(CLOSED | DESTROYED, 0, AcqRel, Relaxed).is_ok()",
                    "self.word.fetch_and(0, AcqRel) != 77",
                )],
            },
            Mutant {
                name: "arm_without_heavy",
                breaks: "an_armed_descriptor_becomes_readable",
                file: "spsc/wait_side.rs",
                changes: &[("heavy(); let flow", "let flow")],
            },
            Mutant {
                name: "arm_without_announcement",
                breaks: "an_armed_descriptor_becomes_readable",
                file: "spsc/wait_side.rs",
                changes: &[("self.word.fetch_or(ARMED, Release);", "")],
            },
            Mutant {
                name: "armed_and_not_set",
                breaks: "an_armed_descriptor_becomes_readable",
                file: "spsc/wait_side.rs",
                changes: &[("if armed { self.set_descriptor(); }", "")],
            },
            Mutant {
                name: "cleared_after_arming",
                breaks: "an_armed_descriptor_becomes_readable",
                file: "spsc/wait_side.rs",
                changes: &[
                    (
                        "if let Some(descriptor) = &*self.descriptor.lock() { descriptor.clear(); } self.armed_for",
                        "self.armed_for",
                    ),
                    (
                        "heavy(); let flow = ready();",
                        "heavy(); let flow = ready();
                         if let Some(descriptor) = &*self.descriptor.lock() { descriptor.clear(); }",
                    ),
                ],
            },
            Mutant {
                name: "waker_without_heavy",
                breaks: "a_waker_is_called",
                file: "spsc/wait_side.rs",
                changes: &[("heavy(); let known", "let known")],
            },
            Mutant {
                name: "waker_without_announcement",
                breaks: "a_waker_is_called",
                file: "spsc/wait_side.rs",
                changes: &[("self.word.fetch_or(CALLED, Release);", "")],
            },
            Mutant {
                name: "waker_stored_after_the_check",
                breaks: "a_waker_is_called",
                file: "spsc/wait_side.rs",
                changes: &[
                    ("let old = self.waker.lock().replace(own); drop(old);", ""),
                    (
                        "heavy(); let known = ready();",
                        "heavy(); let known = ready(); let old = self.waker.lock().replace(own); drop(old);",
                    ),
                ],
            },
            Mutant {
                name: "the_first_waker_stays",
                breaks: "a_polled_task_is_woken",
                file: "spsc/wait_side.rs",
                changes: &[(
                    "let old = self.waker.lock().replace(own); drop(old);",
                    "self.waker.lock().get_or_insert(own);",
                )],
            },
            Mutant {
                name: "called_and_not_woken",
                breaks: "a_waker_is_called",
                file: "spsc/wait_side.rs",
                changes: &[("waker.wake();", "drop(waker);")],
            },
            Mutant {
                name: "signal_ignores_the_waker",
                breaks: "a_waker_is_called",
                file: "spsc/wait_side.rs",
                changes: &[("= ASLEEP | ARMED | CALLED;", "= ASLEEP | ARMED;")],
            },
            Mutant {
                name: "wait_without_being_the_sole_waiter",
                breaks: "one_waiter_a_side",
                file: "spsc/wait_side.rs",
                changes: &[("let Some(_sole) = self.try_wait() else {", "let Some(_sole) = Some(()) else {")],
            },
            Mutant {
                name: "close_forgets_the_feed",
                breaks: "a_waiting_receiver_gets_everything_then_closed",
                file: "spsc/tx.rs",
                changes: &[("self.producer.publish_from_any_thread(&self.ring.indices);", "")],
            },
            Mutant {
                name: "sender_publishes_after_its_close",
                breaks: "a_waiting_receiver_gets_everything_then_closed",
                file: "spsc/tx.rs",
                changes: &[(
                    "self.producer.publish_from_any_thread(&self.ring.indices); self.ring.sender.close();",
                    "self.ring.sender.close(); self.producer.publish_from_any_thread(&self.ring.indices);",
                )],
            },
            Mutant {
                name: "sender_closes_without_waking",
                breaks: "a_waiting_receiver_gets_everything_then_closed",
                file: "spsc/tx.rs",
                changes: &[("self.ring.receiver.wake_all();", "")],
            },
            Mutant {
                name: "sender_leaves_itself_asleep",
                breaks: "another_thread_closes_an_end_that_waits",
                file: "spsc/tx.rs",
                changes: &[("self.ring.sender.wake_all();", "")],
            },
            Mutant {
                name: "receiver_closes_without_waking",
                breaks: "a_waiting_sender_gets_closed",
                file: "spsc/rx.rs",
                changes: &[("self.ring.sender.wake_all();", "")],
            },
            Mutant {
                name: "receiver_leaves_itself_asleep",
                breaks: "another_thread_closes_an_end_that_waits",
                file: "spsc/rx.rs",
                changes: &[("self.ring.receiver.wake_all();", "")],
            },
            Mutant {
                name: "wait_reads_the_index_before_closed",
                breaks: "a_waiting_receiver_gets_everything_then_closed",
                file: "spsc/rx.rs",
                changes: &[(
                    "let ended = self.ring.sender.is_closed(); match self.fresh_available() >= bytes {",
                    "let available = self.fresh_available(); let ended = self.ring.sender.is_closed(); match available >= bytes {",
                )],
            },
            Mutant {
                name: "peek_reads_the_index_before_closed",
                breaks: "a_peeking_receiver_gets_everything_then_closed",
                file: "spsc/rx.rs",
                changes: &[(
                    "let ended = self.ring.sender.is_closed(); let available = if",
                    "let available = self.refresh(); let ended = self.ring.sender.is_closed(); let available = if true { available } else if",
                )],
            },
            Mutant {
                name: "closed_without_a_second_read",
                breaks: "a_polling_receiver_gets_everything_then_closed",
                file: "spsc/rx.rs",
                changes: &[("return match self.refresh() {", "return match 0 {")],
            },
        ],
    },
];
