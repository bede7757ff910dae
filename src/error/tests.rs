//! Unit tests of the error texts.

use crate::error::*;

#[test]
fn a_leased_object_is_reported_with_label_thread_and_age() {
    let error = Error::held(Status::Stalled, "task", Label::new("upload"), 7, 2_345_000_000);
    let text = error.to_string();
    assert!(text.starts_with("task 'upload' of thread 7, 2.345 s old: backend work outlasted"), "{text}");
    let text =
        Error::held(Status::Pinned, "a lease of a front", Label::new(""), 7, 1_000_000_000).to_string();
    assert!(text.starts_with("a lease of a front of thread 7, at least 1.000 s old: "), "{text}");
}

#[test]
fn every_status_has_a_distinct_summary() {
    let all: Vec<_> = (1..=36).map(|code| STATUSES[code - 1].summary()).collect();
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), 36);
}

use Status::*;
#[rustfmt::skip]
const STATUSES: [Status; 36] = [
    Null, Handle, Stale, Kind, Foreign, Argument, Align, Range, Version, Unsupported, Limit,
    OutOfMemory, State, Busy, Full, Empty, Timeout, Closed, Pinned, Stalled, Backend, DeviceLost,
    Aborted, Cancelled, Recursive, Interrupted, WrongThread, Forked, Poisoned, Panic, Exists, NoParent,
    NoName, AliasSelf, AliasMissing, AliasOrder,
];

#[test]
fn an_error_of_a_field_has_its_name_and_the_rest_of_its_text() {
    let beyond = Error::beyond("byte_offset + data", 20, 16, "bytes of the state");
    let text = beyond.of_field("qpos").of_item(ErrorList::Updates, 2).to_string();
    let want = "out of bounds: byte_offset + data ends at 20, beyond 16 (the bytes of the field)";
    assert_eq!(text, format!("updates[2]: field 'qpos': {want}"));
    for error in [
        Error::beyond("region.start", 9, 8, AXIS),
        Error::align("byte_offset", 3, 4),
        Error::value(Argument, "element.len()", 3, "must be the bytes of one element"),
        Error::param(Null, "element", "is NULL"),
    ] {
        let named = error.of_field("qpos");
        assert_eq!(named.to_string(), format!("field 'qpos': {error}"));
        assert_eq!(named.status(), error.status());
    }
    let full = Error::text(Full, "the queue is full");
    assert_eq!(full.of_field("qpos"), full);
}
