//! The stored JSON form: its bytes, loading, and errors for malformed documents.

use backbuf::planner::PlanOptions;
use backbuf::registry::{BufferRegistry, CUDABuffer, LayoutOptions, Precision};
use proptest::prelude::*;

/// As many as fit a short test; BACKBUF_SOAK asks for more.
fn cases() -> u32 {
    if std::env::var_os("BACKBUF_SOAK").is_some() { 20_000 } else { 500 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_too_strange_to_be_refused(text in ".{0,80}", at in any::<prop::sample::Index>(), with in any::<char>()) {
        let registry = BufferRegistry::new();
        prop_assert!(registry.load_json(1, &text).is_err());
        registry.register(2, &CUDABuffer::shared("k1", 3).alive(0..2)).unwrap();
        let mut stored = registry.json(2).unwrap();
        let at = at.index(stored.len());
        stored.replace_range(at..at + 1, with.encode_utf8(&mut [0; 4]));
        // Refused or loaded, and never half of it.
        if registry.load_json(1, &stored).is_err() {
            prop_assert_eq!(registry.parents().unwrap(), [2]);
        }
    }
}

#[test]
fn the_stored_form_has_not_changed_by_a_byte() {
    let registry = BufferRegistry::new();
    registry.register(1, &CUDABuffer::shared("k1\n\t\u{1}\"\\é/", 100).alive(0..2)).unwrap();
    registry.register(1, &CUDABuffer::shared("k2", 60).alive(1..3)).unwrap();
    registry.register(1, &CUDABuffer::shared("tmp", 30).aliasing("k2")).unwrap();
    registry.register(1, &CUDABuffer::local("x", 0).of(Precision::I64)).unwrap();
    registry.register_child(1, "solver", 2, None).unwrap();
    registry.register_child(1, "unknown", 3, Some("k2")).unwrap();
    registry.register(2, &CUDABuffer::persistent("history", 8).of(Precision::F16)).unwrap();
    registry.register(2, &CUDABuffer::persistent("sum", 1).of(Precision::F64)).unwrap();
    registry.plan(1, &PlanOptions { nodes: 0, ..PlanOptions::default() }).unwrap();
    let expected = include_str!("data/registry/document.json");
    assert_eq!(registry.json(1).unwrap(), expected);
    registry.load_json(9, expected).unwrap();
    assert_eq!(registry.json(9).unwrap(), expected);

    // A layout that cannot be computed: the typed child mixes precisions, and its host counts elements.
    let registry = BufferRegistry::new();
    registry.register(2, &CUDABuffer::shared("a", 3)).unwrap();
    registry.register(2, &CUDABuffer::shared("b", 3).of(Precision::F64)).unwrap();
    registry.register(1, &CUDABuffer::shared("z", 3)).unwrap();
    registry.register_child(1, "in", 2, None).unwrap();
    registry.set_options(2, LayoutOptions { typed: true, ..LayoutOptions::default() }).unwrap();
    assert_eq!(registry.json(1).unwrap(), include_str!("data/registry/without_layout.json"));
}

#[test]
fn a_document_that_is_refused_loads_nothing_and_the_error_names_line_and_column() {
    let buffer = |members: &str| {
        let groups = format!("\"groups\": [{{\"buffers\": [\n{{{members}}}]}}]");
        format!("{{\"format\": \"backbuf-layout\", \"version\": 1,\n{groups}}}")
    };
    let (unknown, twice) = ("unknown member", "duplicate member of the same object");
    for (text, expected) in [
        (buffer(r#""name": "a", "size": 1, "location": "local", "colour": 7"#), ("3, column 57", unknown)),
        (buffer(r#""name": "a", "size": 1, "location": "local", "size": 7"#), ("3, column 55", twice)),
        (buffer(r#""name": "a", "location": "local""#), ("3, column 1", "a buffer needs a size")),
        (
            buffer(r#""name": "a", "size": -1, "location": "local""#),
            ("3, column 23", "expected a whole number from 0 to 2^64 - 1"),
        ),
        (
            buffer(r#""name": "a", "size": 1, "location": "local", "lifetime": [1]"#),
            ("3, column 59", "expected [begin, end], the end not included"),
        ),
        (buffer(r#""child": "a", "group": 3"#), ("3, column 25", "the document has no group of that number")),
        (buffer(r#""child": "a", "group": null, "size": 3"#), ("3, column 39", "a child has no such member")),
        (buffer(r#""name": "a" "size": 3"#), ("3, column 14", "expected `,` or `}`")),
        (
            r#"{"format": "backbuf-layout", "version": 2}"#.into(),
            ("1, column 41", "an unknown version; this library reads version 1"),
        ),
    ] {
        let registry = BufferRegistry::new();
        let error = registry.load_json(1, &text).unwrap_err();
        assert_eq!(error.to_string(), format!("json, line {}: {}", expected.0, expected.1), "{text}");
        assert!(registry.parents().unwrap().is_empty());
    }
}

#[test]
fn a_name_of_any_characters_is_stored_and_loaded() {
    let name: String = ('\u{1}'..='\u{7f}').chain(['é', '\u{2028}', '😀']).collect();
    let registry = BufferRegistry::new();
    registry.register(1, &CUDABuffer::shared(&name, 4)).unwrap();
    let stored = registry.json(1).unwrap();
    let parsed = serde_json::from_str::<serde_json::Value>(&stored).unwrap();
    assert_eq!(parsed["groups"][0]["buffers"][0]["name"], name);
    let loaded = BufferRegistry::new();
    loaded.load_json(1, &stored).unwrap();
    assert_eq!(loaded.layout(1).unwrap().buffers[0].buffer.name, name);
}

#[test]
fn thousands_of_children_are_stored_and_loaded() {
    let registry = BufferRegistry::new();
    let count = 4000;
    for child in 1..=count {
        registry.register(child, &CUDABuffer::shared("x", 1)).unwrap();
        registry.register_child(0, &format!("c{child}"), child, None).unwrap();
    }
    let stored = registry.json(0).unwrap();
    let loaded = BufferRegistry::new();
    loaded.load_json(0, &stored).unwrap();
    assert_eq!(loaded.shared_buffer_size(0).unwrap(), count);
    assert_eq!(loaded.json(0).unwrap(), stored);
    // An object of very many members is refused at its first one.
    let members: String = (0..100_000).map(|n| format!("\"m{n}\": 0, ")).collect();
    let error = loaded.load_json(1, &format!("{{{members}\"end\": 0}}")).unwrap_err().to_string();
    assert_eq!(error, "json, line 1, column 8: unknown member");
}
