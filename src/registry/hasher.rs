//! The hash of names and keys in tables: short texts and numbers, in a few nanoseconds.

use std::hash::{BuildHasherDefault, Hasher};

/// A map of names or keys.
pub(super) type Map<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Fold>>;

/// Folds eight bytes at a time: multiplies to twice the width and adds the halves by exclusive or. What a program names its
/// own buffers is no attack to withstand.
#[derive(Debug, Default)]
pub(super) struct Fold(u64);

impl Fold {
    fn fold(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
        self.0 = wide as u64 ^ (wide >> 64) as u64;
    }
}

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.fold(u64::from_le_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        // The length keeps apart what ends in zeros.
        self.fold(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    fn write_u8(&mut self, byte: u8) {
        // The end of a text, which `write` has seen to.
        self.0 ^= u64::from(byte);
    }

    fn write_u64(&mut self, word: u64) {
        self.fold(word);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    use super::*;

    #[test]
    fn alike_names_and_keys_have_hashes_of_their_own() {
        let hash = BuildHasherDefault::<Fold>::default();
        let names: HashSet<u64> = (0..10_000).map(|n| hash.hash_one(format!("b{n}"))).collect();
        let keys: HashSet<u64> = (0..10_000u64).map(|n| hash.hash_one(n << 12)).collect();
        assert_eq!((names.len(), keys.len()), (10_000, 10_000));
        // Tables look at the lowest and at the highest bits.
        let low: HashSet<u64> = (0..256u64).map(|n| hash.hash_one(n << 12) & 0xfff).collect();
        let high: HashSet<u64> = (0..1000u64).map(|n| hash.hash_one(n) >> 57).collect();
        assert!(low.len() > 200 && high.len() == 128);
    }
}
