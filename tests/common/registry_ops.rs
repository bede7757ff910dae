//! Random calls of a registry: changes of a few parents, valid and not, and queries.

use backbuf::Status;
use backbuf::registry::{
    BufferRegistry, CUDABuffer, CUDABufferUpdate, LayoutOptions, Lifetime, Location, Precision, SharedPer,
    Updated,
};
use proptest::prelude::*;

pub const PARENTS: std::ops::Range<u64> = 0..3;

#[derive(Clone, Debug)]
pub enum Op {
    Register(u64, CUDABuffer),
    Replace(u64, CUDABuffer),
    CUDABufferUpdate(u64, String, CUDABufferUpdate),
    Child(u64, String, u64, Option<String>),
    ClearLayout(u64),
    ClearParent(u64),
    LayoutOptions(u64, LayoutOptions),
    /// Asks some of the queries, which must change nothing.
    Query(u64, u8),
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![9 => (0..6u8).prop_map(|n| format!("b{n}")), 1 => Just(String::new())]
}

/// A buffer, or a child's region.
fn target() -> impl Strategy<Value = String> {
    prop_oneof![3 => name(), 1 => (0..6u8).prop_map(|n| format!("b{n}.shared"))]
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..20u64, 1 => Just(u64::MAX / 16), 1 => Just(u64::MAX)]
}

fn lifetime() -> impl Strategy<Value = Option<Lifetime>> {
    prop::option::of((0..6u64, 0..8u64).prop_map(|(begin, end)| Lifetime { begin, end }))
}

fn buffer() -> impl Strategy<Value = CUDABuffer> {
    let precision = prop::sample::select(&Precision::ALL[..]);
    (name(), size(), any::<bool>(), any::<bool>(), prop::option::of(target()), precision, lifetime())
        .prop_map(|(name, size, shared, persistent, aliases, precision, lifetime)| CUDABuffer {
            name,
            size,
            location: if shared { Location::Shared } else { Location::Local },
            persistent,
            aliases,
            precision,
            lifetime,
        })
}

pub fn options() -> impl Strategy<Value = LayoutOptions> {
    any::<[bool; 4]>().prop_map(|[typed, bank_skew, protect_persistent, thread]| LayoutOptions {
        typed,
        bank_skew,
        protect_persistent,
        shared_per: if thread { SharedPer::Thread } else { SharedPer::Block },
    })
}

pub fn op() -> impl Strategy<Value = Op> {
    let update = (buffer(), any::<[bool; 6]>()).prop_map(|(b, given)| {
        let update = CUDABufferUpdate {
            size: given[0].then_some(b.size),
            location: given[1].then_some(b.location),
            persistent: given[2].then_some(b.persistent),
            aliases: given[3].then_some(b.aliases),
            precision: given[4].then_some(b.precision),
            lifetime: given[5].then_some(b.lifetime),
        };
        (b.name, update)
    });
    prop_oneof![
        8 => (PARENTS, buffer()).prop_map(|(parent, buffer)| Op::Register(parent, buffer)),
        1 => (PARENTS, buffer()).prop_map(|(parent, buffer)| Op::Replace(parent, buffer)),
        3 => (PARENTS, update).prop_map(|(parent, (name, update))| Op::CUDABufferUpdate(parent, name, update)),
        2 => (PARENTS, name(), PARENTS, prop::option::of(target()))
            .prop_map(|(parent, name, child, aliases)| Op::Child(parent, name, child, aliases)),
        1 => PARENTS.prop_map(Op::ClearLayout),
        1 => PARENTS.prop_map(Op::ClearParent),
        1 => (PARENTS, options()).prop_map(|(parent, options)| Op::LayoutOptions(parent, options)),
        3 => (PARENTS, any::<u8>()).prop_map(|(parent, which)| Op::Query(parent, which)),
    ]
}

/// Everything that can be seen of a registry without asking for layouts one by one.
pub fn seen(registry: &BufferRegistry) -> Vec<(u64, u64, String)> {
    let parents = registry.parents().unwrap().into_iter();
    parents.map(|parent| (parent, registry.version(parent), registry.json(parent).unwrap())).collect()
}

/// What an op came to: nothing, an update's answer, or a refusal.
pub fn run(registry: &BufferRegistry, op: &Op) -> Result<Option<Updated>, Status> {
    match op {
        Op::Register(parent, buffer) => registry.register(*parent, buffer).map(|()| None),
        Op::Replace(parent, buffer) => registry.replace(*parent, buffer).map(|()| None),
        Op::CUDABufferUpdate(parent, name, update) => registry.update_buffer(*parent, name, update).map(Some),
        Op::Child(parent, name, child, aliases) => {
            registry.register_child(*parent, name, *child, aliases.as_deref()).map(|()| None)
        }
        Op::ClearLayout(parent) => registry.clear_layout(*parent).map(|()| None),
        Op::ClearParent(parent) => registry.clear_parent(*parent).map(|()| None),
        Op::LayoutOptions(parent, options) => registry.set_options(*parent, *options).map(|()| None),
        Op::Query(parent, which) => {
            let name = format!("b{}", which % 6);
            match which / 6 % 7 {
                0 => drop(registry.totals(*parent)),
                1 => drop(registry.get_allocator(*parent, &name)),
                2 => drop(registry.layout(*parent)),
                3 => drop(registry.overlaps(*parent)),
                4 => drop(registry.json(*parent)),
                5 => drop(registry.shared_bytes(*parent, 32)),
                _ => drop(registry.layout_hash(*parent)),
            }
            Ok(None)
        }
    }
    .map_err(|error| error.status())
}
