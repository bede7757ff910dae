//! The scenarios of tests/data/registry, from which the layout rules are derived.

use backbuf::Status;
use backbuf::registry::{
    BufferRegistry, CUDABuffer, CUDABufferUpdate, Location, Precision, Space, Totals, Updated,
};
use serde_json::{Value, json};

const PARENT: u64 = 1;

fn precision(value: &Value) -> Precision {
    match value.as_str().unwrap() {
        "float32" => Precision::F32,
        other => panic!("no scenario has {other}"),
    }
}

/// What Rust's types cannot say, the scenario's reason is the answer to.
fn unsayable(op: &Value) -> Option<&'static str> {
    let fields = if op["op"] == "register" { op } else { &op["set"] };
    if fields["location"].as_str().is_some_and(|name| Location::from_name(name).is_err()) {
        return Some("bad_location");
    }
    fields.get("colour").map(|_| "unknown_field")
}

/// A negative size as it reaches a C caller: an integer out of range.
fn size(value: &Value) -> u64 {
    value.as_i64().unwrap() as u64
}

fn buffer(op: &Value) -> CUDABuffer {
    CUDABuffer {
        name: op["name"].as_str().unwrap().into(),
        size: size(&op["size"]),
        location: op["location"].as_str().map_or(Ok(Location::Local), Location::from_name).unwrap(),
        persistent: op["persistent"].as_bool().unwrap(),
        aliases: op["aliases"].as_str().map(Into::into),
        precision: precision(&op["precision"]),
        lifetime: None,
    }
}

fn update(set: &Value) -> CUDABufferUpdate {
    CUDABufferUpdate {
        size: set.get("size").map(size),
        location: set.get("location").map(|name| Location::from_name(name.as_str().unwrap()).unwrap()),
        persistent: set.get("persistent").map(|flag| flag.as_bool().unwrap()),
        aliases: set.get("aliases").map(|name| name.as_str().map(Into::into)),
        precision: set.get("precision").map(precision),
        lifetime: None,
    }
}

fn reason(status: Status) -> &'static str {
    match status {
        Status::Argument => "empty_name",
        Status::AliasSelf => "self_alias",
        Status::Exists => "duplicate_name",
        Status::AliasMissing => "alias_target_missing",
        Status::Range => "negative_size",
        other => panic!("no scenario is refused by {other:?}"),
    }
}

fn totals(totals: Totals) -> Value {
    json!({"shared": totals.shared, "persistent": totals.persistent, "local": totals.local})
}

fn run(registry: &BufferRegistry, op: &Value) -> Value {
    let refused = |status| json!({"ok": false, "reason": reason(status)});
    match op["op"].as_str().unwrap() {
        "register" => match unsayable(op) {
            // The names are looked at first, whatever else is wrong.
            Some(reason_of_last) => {
                let mut sayable = op.clone();
                sayable["location"] = json!("local");
                let (probe, stored) = (BufferRegistry::new(), registry.json(PARENT));
                if let Ok(stored) = stored {
                    probe.load_json(PARENT, &stored).unwrap();
                }
                match probe.register(PARENT, &buffer(&sayable)) {
                    Ok(()) => json!({"ok": false, "reason": reason_of_last}),
                    Err(error) => refused(error.status()),
                }
            }
            None => match registry.register(PARENT, &buffer(op)) {
                Ok(()) => json!({"ok": true}),
                Err(error) => refused(error.status()),
            },
        },
        "update_buffer" => match unsayable(op) {
            Some(reason) => json!({"ok": false, "reason": reason}),
            None => match registry.update_buffer(PARENT, op["name"].as_str().unwrap(), &update(&op["set"])) {
                Ok(Updated { recognized, changed }) => {
                    json!({"ok": true, "recognized": recognized, "changed": changed})
                }
                Err(error) => refused(error.status()),
            },
        },
        "clear_layout" => {
            registry.clear_layout(PARENT).unwrap();
            json!({"ok": true})
        }
        "query" => json!({"ok": true, "totals": totals(registry.totals(PARENT).unwrap())}),
        other => panic!("no operation {other}"),
    }
}

/// A scenario's layout, in the scenario's words.
fn layout(registry: &BufferRegistry) -> Value {
    let Ok(layout) = registry.layout(PARENT) else {
        let nothing = totals(registry.totals(PARENT).unwrap());
        return json!({"shared": [], "persistent": [], "local": [], "totals": nothing, "placement": []});
    };
    let region = |space| -> Vec<Value> {
        let slice = |placed: &backbuf::registry::Placed| {
            let place = placed.allocator;
            json!([placed.buffer.name, place.offset, place.offset + place.length])
        };
        layout.of(space).map(slice).collect()
    };
    let local: Vec<_> =
        layout.of(Space::Local).map(|placed| json!([placed.buffer.name, placed.allocator.length])).collect();
    let placement: Vec<_> = layout
        .buffers
        .iter()
        .map(|placed| {
            let place = placed.allocator;
            let offset = (place.space != Space::Local).then_some(place.offset);
            json!([placed.buffer.name, place.space.name(), offset, place.length])
        })
        .collect();
    json!({
        "shared": region(Space::Shared),
        "persistent": region(Space::Persistent),
        "local": local,
        "totals": totals(layout.totals()),
        "placement": placement,
    })
}

#[test]
fn every_scenario_lies_where_it_should() {
    let text = include_str!("data/registry/vectors.json");
    let vectors: Value = serde_json::from_str(text).unwrap();
    let scenarios = vectors["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), 144);
    for scenario in scenarios {
        let id = &scenario["id"];
        let registry = BufferRegistry::new();
        let ops = scenario["ops"].as_array().unwrap();
        for (op, expected) in ops.iter().zip(scenario["expected"]["ops"].as_array().unwrap()) {
            if scenario.get("undefined_upstream").is_some() && op["op"] == "update_buffer" {
                let before = registry.json(PARENT).unwrap();
                let name = op["name"].as_str().unwrap();
                let error = registry.update_buffer(PARENT, name, &update(&op["set"])).unwrap_err();
                let refusals = [Status::AliasOrder, Status::AliasSelf, Status::AliasMissing];
                assert!(refusals.contains(&error.status()), "{id}: {error}");
                assert_eq!(registry.json(PARENT).unwrap(), before, "{id}");
                continue;
            }
            let mut expected = expected.clone();
            expected.as_object_mut().unwrap().remove("error");
            assert_eq!(run(&registry, op), expected, "{id}: {op}");
        }
        if scenario.get("undefined_upstream").is_none() {
            assert_eq!(layout(&registry), scenario["expected"]["layout"], "{id}");
        }
    }
}
