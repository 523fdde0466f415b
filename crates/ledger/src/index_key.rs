//! What a replica's indexes hash with.

use std::fmt;

use tributary_types::{Domain, SigningKey};

/// Hashes ids, in a way of its own. Where rows stand in an index never reaches a
/// result, so every replica may have another key, and one that serves must have one
/// that nobody knows: ids are made by those who pay.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IndexKey([u64; 4]);

impl IndexKey {
    /// One that everybody knows, for tests and for who executes a chain that is
    /// over: digits of pi, nothing up the sleeve.
    pub const KNOWN: Self = Self([
        0x243f_6a88_85a3_08d3,
        0x1319_8a2e_0370_7344,
        0xa409_3822_299f_31d0,
        0x082e_fa98_ec4e_6c89,
    ]);

    /// The one of a validator: as secret as its signing key.
    #[must_use]
    pub fn of_validator(key: &SigningKey) -> Self {
        let hash = key.derive(Domain::IndexKey);
        let (words, _) = hash.as_bytes().as_chunks();
        let [a, b, c, d] = std::array::from_fn(|place| u64::from_le_bytes(words[place]));
        // What is multiplied by keeps its lowest bit.
        Self([a, b | 1, c, d | 1])
    }

    /// Hashes a 128-bit id: rounds of a 64-bit multiply whose halves are folded
    /// (Wang Yi, wyhash, 2019).
    pub(crate) fn hash(self, id: u128) -> u64 {
        let ((high, low), [a, b, c, d]) = (halves(id), self.0);
        fold(fold(high ^ a, b) ^ fold(low ^ c, d), b)
    }
}

impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexKey(secret)")
    }
}

fn fold(value: u64, key: u64) -> u64 {
    let (high, low) = halves(u128::from(value) * u128::from(key));
    high ^ low
}

#[expect(clippy::cast_possible_truncation, reason = "each half is taken for itself")]
const fn halves(value: u128) -> (u64, u64) {
    ((value >> 64) as u64, value as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The slot of 2^17 where the search for an id begins.
    fn start(key: IndexKey, id: u128) -> u64 {
        key.hash(id) >> 47
    }

    #[test]
    fn ids_that_collide_under_one_key_do_not_under_another() {
        let numbers = (0..).map(|number: u128| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let collide = numbers.filter(|id| start(IndexKey::KNOWN, *id) == 0).take(100);
        let collide: Vec<_> = collide.collect();
        let mut last = IndexKey::KNOWN;
        for seed in 1..=3_u8 {
            let key = IndexKey::of_validator(&SigningKey::from_seed([seed; 32]));
            assert_ne!(key, last);
            let starts: BTreeSet<_> = collide.iter().map(|id| start(key, *id)).collect();
            assert!(starts.len() > 95, "{} of 100 slots", starts.len());
            last = key;
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = IndexKey::of_validator(&SigningKey::from_seed([1; 32]));
        assert_eq!(format!("{key:?}"), "IndexKey(secret)");
    }
}
