//! An index from keys to row numbers, for lookups only.
//!
//! Open addressing over 32-bit slots. A slot has the row's number in as many
//! low bits as the index has slots for, and in the bits above some of the key's
//! hash, the *tag*. The keys stay in the rows; a row is looked at only where the
//! tag fits, so that a search for what is not there hardly ever leaves the
//! slots. There is no iteration and no removal, so nothing of its layout can
//! reach a result; it is rebuilt from the rows when a state is restored.
//!
//! The hash is fixed, because execution knows no randomness. Ids that collide
//! can be made on purpose, but only by an institution, of its own accounts.

use crate::limits::ROWS_MAX;

/// Row numbers by the hash of their keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// A power of two of slots, or none.
    slots: Vec<u32>,
    len: usize,
}

/// No row: the largest number of all is never a row's, as slots are more than
/// rows.
const EMPTY: u32 = u32::MAX;
const SLOTS_MIN: usize = 16;
const _: () = assert!(slots_for(ROWS_MAX) <= 1 << 31, "a tag has at least one bit");

impl Index {
    /// An index with room for `count` rows.
    pub(crate) fn with_capacity(count: usize) -> Self {
        let slots = vec![EMPTY; slots_for(count)];
        Self { slots, len: 0 }
    }

    /// The row for which `is_wanted`, among those of this hash.
    pub(crate) fn find(&self, hash: u64, mut is_wanted: impl FnMut(u32) -> bool) -> Option<u32> {
        self.candidates(hash).map(|(_, row)| row).find(|row| is_wanted(*row))
    }

    /// The row that most often, but not always, is the one of this hash.
    pub(crate) fn probable(&self, hash: u64) -> Option<u32> {
        self.candidates(hash).next().map(|(_, row)| row)
    }

    /// Adds a row that is not there yet. `hash_of` gives the hash of any row
    /// added before.
    pub(crate) fn insert(&mut self, hash: u64, row: u32, hash_of: impl Fn(u32) -> u64) {
        self.len += 1;
        self.make_room(row, hash_of);
        self.place(hash, row);
    }

    /// Lets the row of this hash and number be found as `row` instead. `hash_of`
    /// gives the hash of any row added before.
    pub(crate) fn replace(&mut self, hash: u64, old: u32, row: u32, hash_of: impl Fn(u32) -> u64) {
        self.make_room(row, hash_of);
        let found = self.candidates(hash).find(|(_, other)| *other == old);
        if let Some((place, _)) = found {
            self.slots[place] = self.tag(hash) | row;
        }
    }

    /// Grows until there are slots for all rows and bits for the number of this
    /// one.
    fn make_room(&mut self, row: u32, hash_of: impl Fn(u32) -> u64) {
        let needed = slots_for(self.len.max(row as usize + 1));
        if needed > self.slots.len() {
            let numbers = self.numbers();
            for slot in std::mem::replace(&mut self.slots, vec![EMPTY; needed]) {
                if slot != EMPTY {
                    let row = slot & numbers;
                    self.place(hash_of(row), row);
                }
            }
        }
    }

    /// Slots and rows whose tag is that of `hash`, in the order of search.
    fn candidates(&self, hash: u64) -> impl Iterator<Item = (usize, u32)> {
        let mask = self.slots.len().wrapping_sub(1);
        let (tag, numbers) = (self.tag(hash), self.numbers());
        let places = (0..self.slots.len()).map(move |step| start(hash).wrapping_add(step) & mask);
        let used = places.map(|place| (place, self.slots[place]));
        used.take_while(|(_, slot)| *slot != EMPTY)
            .filter(move |(_, slot)| *slot & !numbers == tag)
            .map(move |(place, slot)| (place, slot & numbers))
    }

    fn place(&mut self, hash: u64, row: u32) {
        let mask = self.slots.len() - 1;
        let mut place = start(hash) & mask;
        while self.slots[place] != EMPTY {
            place = (place + 1) & mask;
        }
        self.slots[place] = self.tag(hash) | row;
    }

    /// The bits of a slot that are the row's number.
    fn numbers(&self) -> u32 {
        u32::try_from(self.slots.len()).map_or(0, |slots| slots.wrapping_sub(1))
    }

    /// The low bits of the hash, where a slot has its tag.
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
    fn tag(&self, hash: u64) -> u32 {
        let bits = self.slots.len().max(SLOTS_MIN).trailing_zeros();
        (hash as u32) << bits
    }
}

/// Slots that hold `count` rows at a load of at most two thirds.
const fn slots_for(count: usize) -> usize {
    let slots = (count + count / 2 + 1).next_power_of_two();
    if slots < SLOTS_MIN { SLOTS_MIN } else { slots }
}

/// Where the search for a hash begins, modulo the slots: bits that no tag of a
/// large index has.
fn start(hash: u64) -> usize {
    usize::try_from(hash >> 24).unwrap_or(0)
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
        for row in 10_000..100_000 {
            let old = if row == 10_000 { 77 } else { row - 1 };
            index.replace(key(77), old, row, |found| key(if found < 10_000 { found } else { 77 }));
        }
        assert_eq!(index.find(key(77), |found| found == 99_999), Some(99_999));
        assert_eq!(index.find(key(77), |found| found == 77), None);
    }

    #[test]
    fn rows_of_one_hash_are_told_apart_by_who_asks() {
        let mut index = Index::default();
        for row in 0..40 {
            index.insert(9, row, |_| 9);
        }
        for row in 0..40 {
            assert_eq!(index.find(9, |found| found == row), Some(row));
        }
        assert_eq!(index.probable(9), Some(0));
        assert_eq!(index.find(9 << 24, |_| true), None, "another tag");
    }

    #[test]
    fn the_load_stays_below_two_thirds() {
        for count in [1, 10, 11, 1_000_000] {
            assert!(slots_for(count) * 2 >= count * 3, "{count}");
        }
    }
}
