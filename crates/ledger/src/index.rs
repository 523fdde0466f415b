//! An index from keys to row numbers, for lookups only.
//!
//! Open addressing with linear probing over slots of three or four bytes, filled
//! to five sixths at most. A slot has the row's number in its low bits, and in
//! the bits above some of the key's hash, the *tag*. The keys stay in the rows;
//! a row is looked at only where the tag fits, so that a search for what is not
//! there hardly ever leaves the slots. There is no iteration and no removal, so
//! nothing of its layout can reach a result; it is rebuilt from the rows when a
//! state is restored.
//!
//! Whoever can tell the hash of an id can make ids that all begin their search at
//! one slot: 60,000 of them made each payment of a chain take 1.5 ms. So a replica
//! hashes with an [`IndexKey`] that nobody else knows.

use prefetch_index::prefetch_index;

use crate::index_key::IndexKey;
use crate::limits::ROWS_MAX;

/// Row numbers by the hash of their keys.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    key: IndexKey,
    /// Slots of `width` bytes, and behind them what is missing so that each can
    /// be read as four.
    bytes: Vec<u8>,
    slots: usize,
    width: usize,
    /// Bytes of all slots. A slot's place is where its bytes begin.
    end: usize,
    /// Low bits of a slot that are the row's number.
    row_bits: u32,
    /// Rows that there is room for: more than their numbers, and than there are.
    capacity: usize,
    len: usize,
}

/// Where a search ended without a row: there one of this hash is put, if the
/// index does not grow before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vacancy {
    hash: u64,
    place: usize,
    /// Of the index that was searched.
    slots: usize,
}

const CAPACITY_MIN: usize = 12;
const NARROW_BYTES: usize = 3;
const WIDE_BYTES: usize = 4;
/// Most bits of a row's number in a narrow slot: six are left for the tag.
const NARROW_ROW_BITS_MAX: u32 = 18;
const _: () = assert!(row_bits(ROWS_MAX + ROWS_MAX / 2) <= 31, "a tag has at least one bit");

impl Index {
    /// An index with room for `count` rows, which hashes with `key`.
    pub(crate) fn with_capacity(count: usize, key: IndexKey) -> Self {
        let capacity = count.max(CAPACITY_MIN);
        let slots = capacity + capacity.div_ceil(5);
        let row_bits = row_bits(capacity);
        let width = if row_bits <= NARROW_ROW_BITS_MAX { NARROW_BYTES } else { WIDE_BYTES };
        let end = slots * width;
        let bytes = vec![u8::MAX; end + WIDE_BYTES - width];
        Self { key, bytes, slots, width, end, row_bits, capacity, len: 0 }
    }

    /// What this index hashes with.
    pub(crate) const fn key(&self) -> IndexKey {
        self.key
    }

    /// Number of rows.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The row for which `is_wanted`, among those of this hash.
    pub(crate) fn find(&self, hash: u64, mut is_wanted: impl FnMut(u32) -> bool) -> Option<u32> {
        self.candidates(hash).map(|(_, row)| row).find(|row| is_wanted(*row))
    }

    /// As [`Index::find`]; where there is no such row, says where it would be.
    pub(crate) fn search(
        &self,
        hash: u64,
        mut is_wanted: impl FnMut(u32) -> bool,
    ) -> Result<u32, Vacancy> {
        let mut candidates = self.candidates(hash);
        match candidates.find(|(_, row)| is_wanted(*row)) {
            Some((_, row)) => Ok(row),
            None => Err(Vacancy { hash, place: candidates.place, slots: self.slots }),
        }
    }

    /// The row that most often, but not always, is the one of this hash.
    pub(crate) fn probable(&self, hash: u64) -> Option<u32> {
        self.candidates(hash).next().map(|(_, row)| row)
    }

    /// Prefetches the slot where the search for a hash begins.
    pub(crate) fn prefetch(&self, hash: u64) {
        prefetch_index(&self.bytes, self.start(hash));
    }

    /// Adds a row that is not there yet. `hash_of` gives the hash of any row
    /// added before.
    pub(crate) fn insert(&mut self, hash: u64, row: u32, hash_of: impl Fn(u32) -> u64) {
        self.fill(Vacancy { hash, place: self.start(hash), slots: self.slots }, row, hash_of);
    }

    /// As [`Index::insert`], where a search has found that there is no such row.
    /// Other rows may have been added since.
    pub(crate) fn fill(&mut self, vacancy: Vacancy, row: u32, hash_of: impl Fn(u32) -> u64) {
        self.len += 1;
        self.make_room(row, hash_of);
        let Vacancy { hash, place, slots } = vacancy;
        let place = if slots == self.slots { place } else { self.start(hash) };
        self.place(place, hash, row);
    }

    /// Lets the row of this hash and number be found as `row` instead. `hash_of`
    /// gives the hash of any row added before.
    pub(crate) fn replace(&mut self, hash: u64, old: u32, row: u32, hash_of: impl Fn(u32) -> u64) {
        self.make_room(row, hash_of);
        let found = self.candidates(hash).find(|(_, other)| *other == old);
        if let Some((place, _)) = found {
            self.set_slot(place, self.tag(hash) | row);
        }
    }

    /// Grows until there are slots for all rows and bits for the number of this
    /// one.
    fn make_room(&mut self, row: u32, hash_of: impl Fn(u32) -> u64) {
        let needed = self.len.max(row as usize + 1);
        if needed > self.capacity {
            let grown = needed.max(self.capacity + self.capacity / 2);
            let grown = Self::with_capacity(grown, self.key);
            let old = std::mem::replace(self, Self { len: self.len, ..grown });
            let rows = (0..old.end)
                .step_by(old.width)
                .map(|place| old.slot(place))
                .filter(|slot| *slot != old.empty());
            for row in rows.map(|slot| slot & old.numbers()) {
                let hash = hash_of(row);
                self.place(self.start(hash), hash, row);
            }
        }
    }

    /// Slots and rows whose tag is that of `hash`, in the order of search.
    fn candidates(&self, hash: u64) -> Candidates<'_> {
        Candidates { index: self, tag: self.tag(hash), place: self.start(hash) }
    }

    /// Puts a row into the first empty slot from `place` on.
    fn place(&mut self, mut place: usize, hash: u64, row: u32) {
        while self.slot(place) != self.empty() {
            place = self.after(place);
        }
        self.set_slot(place, self.tag(hash) | row);
    }

    /// Where the search for a hash begins: its high bits, scaled to the slots
    /// (Lemire, "Fast random integer generation in an interval", 2019).
    fn start(&self, hash: u64) -> usize {
        let scaled = (hash >> 32) * self.slots as u64;
        usize::try_from(scaled >> 32).unwrap_or_default() * self.width
    }

    /// The place that is searched next.
    const fn after(&self, place: usize) -> usize {
        let next = place + self.width;
        if next == self.end { 0 } else { next }
    }

    /// The low bits of the hash, where a slot has its tag.
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
    const fn tag(&self, hash: u64) -> u32 {
        ((hash as u32) << self.row_bits) & self.empty()
    }

    /// The bits of a slot that are the row's number.
    const fn numbers(&self) -> u32 {
        (1 << self.row_bits) - 1
    }

    /// A slot without a row: all bits are set. No row has the largest number
    /// that fits.
    const fn empty(&self) -> u32 {
        if self.width == WIDE_BYTES { u32::MAX } else { u32::MAX >> 8 }
    }

    fn slot(&self, place: usize) -> u32 {
        let found = self.bytes.get(place..).and_then(|bytes| bytes.first_chunk());
        found.map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes)) & self.empty()
    }

    fn set_slot(&mut self, place: usize, slot: u32) {
        let bytes = slot.to_le_bytes();
        self.bytes[place..place + self.width].copy_from_slice(&bytes[..self.width]);
    }
}

/// A search; it ends at the first empty slot, which there always is.
struct Candidates<'a> {
    index: &'a Index,
    tag: u32,
    place: usize,
}

impl Iterator for Candidates<'_> {
    type Item = (usize, u32);

    #[inline]
    fn next(&mut self) -> Option<(usize, u32)> {
        let (index, numbers) = (self.index, self.index.numbers());
        loop {
            let (place, slot) = (self.place, index.slot(self.place));
            if slot == index.empty() {
                return None;
            }
            self.place = index.after(place);
            if slot & !numbers == self.tag {
                return Some((place, slot & numbers));
            }
        }
    }
}

/// Bits that number so many rows, and one more.
const fn row_bits(capacity: usize) -> u32 {
    usize::BITS - capacity.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: IndexKey = IndexKey::KNOWN;

    #[test]
    fn every_row_is_found_and_no_other() {
        let key = |row: u32| KEY.hash(u128::from(row) << 100 | 7);
        let mut index = Index::with_capacity(0, KEY);
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
        let mut index = Index::with_capacity(0, KEY);
        for row in 0..40 {
            index.insert(9, row, |_| 9);
        }
        for row in 0..40 {
            assert_eq!(index.find(9, |found| found == row), Some(row));
        }
        assert_eq!(index.probable(9), Some(0));
        assert_eq!(index.find(10, |_| true), None, "another tag");
    }

    #[test]
    fn a_row_that_was_searched_for_is_put_where_it_is_found() {
        let key = |row: u32| KEY.hash(u128::from(row) << 100 | 7);
        let mut index = Index::with_capacity(0, KEY);
        for row in (0..3_000).step_by(3) {
            // Two others come in between, of the same hash and of another one.
            let vacancy = index.search(key(row), |found| found == row).unwrap_err();
            let hash_of = |other: u32| if other % 3 == 1 { key(other - 1) } else { key(other) };
            index.insert(key(row), row + 1, hash_of);
            index.insert(key(row + 2), row + 2, hash_of);
            index.fill(vacancy, row, hash_of);
        }
        for row in 0..3_000 {
            let hash = if row % 3 == 1 { key(row - 1) } else { key(row) };
            assert_eq!(index.search(hash, |found| found == row), Ok(row));
        }
    }

    #[test]
    fn there_is_room_for_all_rows_and_a_fifth_more() {
        for (count, width) in [(0, 3), (11, 3), (100_000, 3), (262_143, 3), (262_144, 4)] {
            let index = Index::with_capacity(count, KEY);
            assert!(index.slots * 5 >= count * 6 && index.width == width, "{count}");
            assert!(index.numbers() as usize > index.capacity - 1, "{count}");
        }
    }

    #[test]
    fn wide_slots_are_found_after_narrow_ones_grew() {
        let key = |row: u32| KEY.hash(u128::from(row) << 64);
        let mut index = Index::with_capacity(260_000, KEY);
        for row in 0..270_000 {
            index.insert(key(row), row, key);
        }
        assert_eq!((index.width, index.len()), (WIDE_BYTES, 270_000));
        for row in (0..270_000).step_by(7) {
            assert_eq!(index.find(key(row), |found| found == row), Some(row));
        }
    }
}
