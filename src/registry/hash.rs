//! The hash of a layout: FNV-1a of what a kernel is compiled with, so that it is the same in every process and version.

use super::arrange::Arrangement;
use super::group::Group;
use super::layout::Space;

struct Fnv(u64);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Length first, so that no two lists of names run into the same bytes.
    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes(text.as_bytes());
    }
}

/// The hash of a group's layout: names, places, precisions, zero-fill lengths, totals, stride, and the hashes of its children:
/// a kernel reaches into their regions, too.
pub(super) fn of(group: &Group, all: &Arrangement, child: impl Fn(u64) -> u64) -> u64 {
    let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
    for (index, entry) in group.entries.iter().enumerate() {
        let place = all.allocator(index);
        fnv.text(&entry.name);
        fnv.text(place.space.name());
        fnv.text(place.precision.map_or("bytes", |precision| precision.name()));
        fnv.number(place.offset);
        fnv.number(place.length);
        fnv.number(place.zero_fill);
        if let Some(key) = entry.child.filter(|_| !entry.spec.persistent) {
            fnv.number(child(key));
        }
    }
    for space in [Space::Shared, Space::Persistent] {
        fnv.number(all.extent(space).elements());
    }
    fnv.number(all.local);
    fnv.text(group.options.shared_per.name());
    fnv.number(u64::from(group.options.typed));
    fnv.number(all.shared.stride_bytes(group.options).unwrap_or(u64::MAX));
    fnv.0
}
