//! Models of the manager.

use super::{Model, Mutant};

pub const MODELS: &[Model] = &[
    Model {
        name: "role",
        files: &["manager/core/role.rs"],
        given: &[],
        scenarios: &[
            "a_waiter_gets_the_role",
            "holders_are_exclusive_and_no_waiter_is_left_asleep",
            "a_timeout_keeps_no_wake_up",
            "the_end_ends_waits",
        ],
        mutants: &[
            Mutant {
                name: "release_without_light",
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
                name: "release_relaxed",
                breaks: "holders_are_exclusive_and_no_waiter_is_left_asleep",
                file: "manager/core/role.rs",
                changes: &[("self.word.store(FREE, Release);", "self.word.store(FREE, Relaxed);")],
            },
            Mutant {
                name: "grab_by_load_and_store",
                breaks: "holders_are_exclusive_and_no_waiter_is_left_asleep",
                file: "manager/core/role.rs",
                changes: &[(
                    "self.word.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok()",
                    "{ self.word.store(HELD, Relaxed); true }",
                )],
            },
            Mutant {
                name: "wake_without_a_new_turn",
                breaks: "a_waiter_gets_the_role",
                file: "manager/core/role.rs",
                changes: &[(
                    "self.turn.fetch_add(1, Release); futex::wake(&self.turn, 1);",
                    "futex::wake(&self.turn, 1);",
                )],
            },
            Mutant {
                name: "end_without_a_new_turn",
                breaks: "the_end_ends_waits",
                file: "manager/core/role.rs",
                changes: &[(
                    "self.turn.fetch_add(1, Release); futex::wake(&self.turn, u32::MAX);",
                    "futex::wake(&self.turn, u32::MAX);",
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
                name: "in_place_without_a_check_for_queued_records",
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
                name: "release_without_light",
                breaks: "order_is_kept",
                file: "manager/core/role.rs",
                changes: &[("light();", "")],
            },
        ],
    },
    Model {
        name: "reads",
        files: &["manager/copies/read_cells.rs", "manager/copies/front_count.rs"],
        // Fewer words: the model checker keeps a history of each.
        given: &[("const GAP: usize = 16;", "const GAP: usize = 1;")],
        scenarios: &[
            "a_read_is_whole",
            "reads_and_fronts_do_not_go_back",
            "readers_of_one_epoch_may_store_at_once",
        ],
        mutants: &[
            Mutant {
                name: "a_new_epoch_keeps_the_old_bytes",
                breaks: "reads_and_fronts_do_not_go_back",
                file: "manager/copies/read_cells.rs",
                changes: &[("stamp.store(EMPTY, Relaxed);", "")],
            },
            Mutant {
                name: "stamp_stored_relaxed",
                breaks: "a_read_is_whole",
                file: "manager/copies/read_cells.rs",
                changes: &[("stamp.store(is.epoch, Release);", "stamp.store(is.epoch, Relaxed);")],
            },
            Mutant {
                name: "stamp_loaded_relaxed",
                breaks: "a_read_is_whole",
                file: "manager/copies/read_cells.rs",
                changes: &[("let epoch = stamp.load(Acquire);", "let epoch = stamp.load(Relaxed);")],
            },
            Mutant {
                name: "stamp_stored_before_the_words",
                breaks: "a_read_is_whole",
                file: "manager/copies/read_cells.rs",
                changes: &[(
                    "tag.store(is.tag, Relaxed);",
                    "stamp.store(is.epoch, Release); tag.store(is.tag, Relaxed);",
                )],
            },
            Mutant {
                name: "store_without_fence",
                breaks: "a_read_is_whole",
                file: "manager/copies/read_cells.rs",
                changes: &[("fence(Release);", "")],
            },
            Mutant {
                name: "load_without_fence",
                breaks: "a_read_is_whole",
                file: "manager/copies/read_cells.rs",
                changes: &[("fence(Acquire);", "")],
            },
            Mutant {
                name: "stamp_not_loaded_again",
                breaks: "a_read_is_whole",
                file: "manager/copies/read_cells.rs",
                changes: &[("(stamp.load(Relaxed) == epoch).then_some(", "true.then_some(")],
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
            "the_last_release_wakes_the_publisher",
            "requesting_a_copy_twice_keeps_its_count",
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
                name: "acquire_loads_first_and_counts_later",
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
                name: "publish_drops_the_count",
                breaks: "leases_against_publish",
                file: "manager/copies/front_count.rs",
                changes: &[(".0.fetch_add(taken as i64, AcqRel);", ".0.fetch_add(0, AcqRel);")],
            },
            Mutant {
                name: "request_leaves_no_flag",
                breaks: "the_last_release_wakes_the_publisher",
                file: "manager/copies/front_count.rs",
                changes: &[("seen + WANTED", "seen")],
            },
            Mutant {
                name: "request_by_setting_a_bit",
                breaks: "requesting_a_copy_twice_keeps_its_count",
                file: "manager/copies/front_count.rs",
                changes: &[("while seen - count(seen) == 0 {", "loop {"), ("seen + WANTED", "seen | WANTED")],
            },
            Mutant {
                name: "retire_ignores_the_front",
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
        name: "changes",
        files: &[
            "manager/copies/change_history.rs",
            "manager/copies/range_union.rs",
            "manager/copies/dirty_set.rs",
            "manager/copies/dirty_bitmap.rs",
        ],
        given: &[],
        scenarios: &["a_torn_record_is_not_returned", "a_front_has_the_records_before_it"],
        mutants: &[
            Mutant {
                name: "a_record_is_not_marked_before_it_is_written",
                breaks: "a_torn_record_is_not_returned",
                file: "manager/copies/change_history.rs",
                changes: &[("number.store(0, Relaxed);", "")],
            },
            Mutant {
                name: "the_publisher_without_a_fence",
                breaks: "a_torn_record_is_not_returned",
                file: "manager/copies/change_history.rs",
                changes: &[("fence(Release);", "")],
            },
            Mutant {
                name: "the_reader_without_a_fence",
                breaks: "a_torn_record_is_not_returned",
                file: "manager/copies/change_history.rs",
                changes: &[("fence(Acquire);", "")],
            },
            Mutant {
                name: "the_reader_does_not_validate",
                breaks: "a_torn_record_is_not_returned",
                file: "manager/copies/change_history.rs",
                changes: &[("if number.load(Relaxed) != before + 1 {", "if false {")],
            },
        ],
    },
    Model {
        name: "forward",
        files: &[
            "manager/copies/copy_forward.rs",
            "manager/copies/dirty_set.rs",
            "manager/copies/dirty_bitmap.rs",
            "manager/copies/front_count.rs",
        ],
        given: &[],
        scenarios: &["copies_agree_with_a_flat_state"],
        mutants: &[
            Mutant {
                name: "the_first_granule_is_not_copied",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("for part in [from, to] {", "for part in [to] {")],
            },
            Mutant {
                name: "the_last_granule_is_not_copied",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("for part in [from, to] {", "for part in [from] {")],
            },
            Mutant {
                name: "the_third_copy_is_skipped",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[(
                    "self.present & !(1 << old | 1 << new)",
                    "self.present & !(1 << old | 1 << new | 1 << 2)",
                )],
            },
            Mutant {
                name: "the_old_front_is_not_stale",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("self.back_stale = !self.stale[old].is_empty();", "self.back_stale = false;")],
            },
            Mutant {
                name: "another_back_copy_is_not_stale",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("self.back_stale = !self.stale[copy].is_empty();", "self.back_stale = false;")],
            },
            Mutant {
                name: "a_kernel_reads_stale_bytes",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("self.copy_granules(offset / GRANULE, (offset + length - 1) / GRANULE);", "")],
            },
            Mutant {
                name: "a_cancelled_back_copy_is_not_stale",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("self.stale[self.back].insert_all(); self.back_stale = true;", "")],
            },
            Mutant {
                name: "memory_attached_again_is_not_stale",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("stale.insert_all();", "")],
            },
            Mutant {
                name: "a_full_log_drops_an_interval",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/dirty_set.rs",
                changes: &[(
                    "self.convert_to_bitmap(); self.bitmap.insert(start, end);",
                    "self.convert_to_bitmap();",
                )],
            },
            Mutant {
                name: "a_bitmap_is_not_merged",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/dirty_set.rs",
                changes: &[("self.bitmap.union(&other.bitmap);", "")],
            },
            Mutant {
                name: "gaps_are_closed_after_a_write",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[(
                    "(ranges, bytes) = (ranges + 1, bytes + (end - start) as u64); }); self.copies_forward += ranges; self.copied_bytes += bytes; } /// Copies the stale granules",
                    "(ranges, bytes) = (ranges + 1, bytes + (end - start) as u64); }); self.stale[self.back].granules().widen(); self.copies_forward += ranges; self.copied_bytes += bytes; } /// Copies the stale granules",
                )],
            },
            Mutant {
                name: "a_dense_log_is_not_copied",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[("self.copy_range(0, self.bytes);", "")],
            },
            Mutant {
                name: "a_dense_log_is_copied_over_new_bytes",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/copy_forward.rs",
                changes: &[(
                    "self.stale[self.back].is_dense_log() && !self.is_dirty()",
                    "self.stale[self.back].is_dense_log()",
                )],
            },
            Mutant {
                name: "a_run_of_the_next_word_is_dropped",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/dirty_bitmap.rs",
                changes: &[("let left = bits & !run_mask(start, length);", "let left = 0;")],
            },
            Mutant {
                name: "the_last_word_is_not_merged",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/dirty_bitmap.rs",
                changes: &[(
                    "visit(at, self.words[at]);",
                    "if at + 1 < self.words.len() { visit(at, self.words[at]); }",
                )],
            },
            Mutant {
                name: "a_cleared_word_keeps_its_bits",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/dirty_bitmap.rs",
                changes: &[("self.words[group * 64 + left.trailing_zeros() as usize] = 0;", "")],
            },
            Mutant {
                name: "all_is_not_set",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/dirty_set.rs",
                changes: &[("self.clear(); self.mode = Mode::All;", "self.clear();")],
            },
            Mutant {
                name: "the_rest_of_a_long_interval_is_dropped",
                breaks: "copies_agree_with_a_flat_state",
                file: "manager/copies/dirty_set.rs",
                changes: &[("self.log[at].0 += step as u32;", "self.log.pop();")],
            },
        ],
    },
];
