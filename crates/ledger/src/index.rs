//! An index from keys to row numbers, for lookups only.
//!
//! Open addressing over 32-bit row numbers: the keys stay in the rows, so an
//! entry takes under eight bytes and a hit touches the row that is wanted
//! anyway. There is no iteration and no removal, so nothing of its layout can
//! reach a result; it is rebuilt from the rows when a state is restored.
//!
//! The hash is fixed, because execution knows no randomness. Ids that collide
//! can be made on purpose, but only by an institution, of its own accounts.

/// Row numbers by the hash of their keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// A power of two of slots, or none.
    slots: Vec<u32>,
    len: usize,
}

const EMPTY: u32 = u32::MAX;
const SLOTS_MIN: usize = 16;

impl Index {
    /// An index with room for `count` rows.
    pub(crate) fn with_capacity(count: usize) -> Self {
        let slots = vec![EMPTY; slots_for(count)];
        Self { slots, len: 0 }
    }

    /// The row for which `is_wanted`, among those of this hash.
    pub(crate) fn find(&self, hash: u64, mut is_wanted: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = start(hash, mask);
        loop {
            match self.slots[slot] {
                EMPTY => return None,
                row if is_wanted(row) => return Some(row),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// The row that stands where the search for this hash begins: most often,
    /// but not always, the one that is wanted.
    pub(crate) fn first(&self, hash: u64) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        Some(self.slots[start(hash, mask)]).filter(|row| *row != EMPTY)
    }

    /// Adds a row that is not there yet. `hash_of` gives the hash of any row
    /// added before.
    pub(crate) fn insert(&mut self, hash: u64, row: u32, hash_of: impl Fn(u32) -> u64) {
        if slots_for(self.len + 1) > self.slots.len() {
            let grown = vec![EMPTY; slots_for(self.len + 1)];
            for row in std::mem::replace(&mut self.slots, grown) {
                if row != EMPTY {
                    self.place(hash_of(row), row);
                }
            }
        }
        self.place(hash, row);
        self.len += 1;
    }

    /// Lets the row of this hash and number be found as `row` instead.
    pub(crate) fn replace(&mut self, hash: u64, old: u32, row: u32) {
        let Some(mask) = self.slots.len().checked_sub(1) else { return };
        let mut slot = start(hash, mask);
        while self.slots[slot] != EMPTY {
            if self.slots[slot] == old {
                self.slots[slot] = row;
                return;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn place(&mut self, hash: u64, row: u32) {
        let mask = self.slots.len() - 1;
        let mut slot = start(hash, mask);
        while self.slots[slot] != EMPTY {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = row;
    }
}

/// Slots that hold `count` rows at a load of at most two thirds.
fn slots_for(count: usize) -> usize {
    (count + count / 2 + 1).next_power_of_two().max(SLOTS_MIN)
}

/// Where the search for a hash begins: its upper half is the better mixed one.
fn start(hash: u64, mask: usize) -> usize {
    usize::try_from(hash >> 24).unwrap_or(0) & mask
}

/// Hashes a 128-bit id: rounds of a 64-bit multiply whose halves are folded.
pub(crate) fn hash_u128(id: u128) -> u64 {
    let (high, low) = halves(id);
    fold(fold(high ^ KEYS[0], KEYS[1]) ^ fold(low ^ KEYS[2], KEYS[3]), KEYS[1])
}

/// Digits of pi: nothing up the sleeve.
const KEYS: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];

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
    use super::*;

    #[test]
    fn every_row_is_found_and_no_other() {
        let key = |row: u32| hash_u128(u128::from(row) << 100 | 7);
        let mut index = Index::default();
        assert_eq!(index.find(key(0), |_| true), None);
        for row in 0..10_000 {
            assert_eq!(index.find(key(row), |found| key(found) == key(row)), None);
            index.insert(key(row), row, key);
        }
        for row in 0..10_000 {
            assert_eq!(index.find(key(row), |found| key(found) == key(row)), Some(row));
        }
        index.replace(key(77), 77, 10_077);
        assert_eq!(index.find(key(77), |found| found == 10_077), Some(10_077));
    }

    #[test]
    fn the_load_stays_below_two_thirds() {
        for count in [1, 10, 11, 1_000_000] {
            assert!(slots_for(count) * 2 >= count * 3, "{count}");
        }
    }
}
