//! Leaf hashes of a whole block at once.
//!
//! A leaf is the hash of its bytes, padded with zeros to whole blocks of the
//! hash function. Those of equal size are gathered and hashed side by side, but
//! for the few that are larger than a chunk of it.

use std::vec::Drain;

use tributary_types::hash::CHUNK_BLOCKS;
use tributary_types::{Domain, Hash};

/// Input that BLAKE3 takes in one step.
const BLOCK_BYTES: usize = 64;
/// Leaves of one size that are gathered before they are hashed.
const GATHERED_MAX: usize = 64;

/// Collects leaves in order and hashes them in groups. Its memory serves one lot of
/// leaves after the other.
pub(crate) struct Leaves {
    domain: Domain,
    /// Leaves so far.
    count: usize,
    /// Those that are hashed, each at its place; the last ones may be missing.
    hashes: Vec<Hash>,
    /// By size: leaves of one block, of two, and so on.
    groups: [Group; CHUNK_BLOCKS],
    /// The group of the leaf before. The next one is encoded there at once:
    /// neighbours most often are of one size.
    usual: usize,
}

/// Leaves of one size that are not hashed yet, one behind the other, and their
/// places.
#[derive(Default)]
struct Group {
    inputs: Vec<u8>,
    places: Vec<usize>,
}

impl Leaves {
    /// Nothing yet; `count` leaves are expected.
    pub(crate) fn new(domain: Domain, count: usize) -> Self {
        let hashes = Vec::with_capacity(count);
        Self { domain, count: 0, hashes, groups: Default::default(), usual: 0 }
    }

    /// Adds the leaf of the bytes that `encode` appends.
    #[inline]
    pub(crate) fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let inputs = &mut self.groups[self.usual].inputs;
        let start = inputs.len();
        encode(inputs);
        pad(inputs);
        if inputs.len() == start + (self.usual + 1) * BLOCK_BYTES {
            self.gathered();
        } else {
            let leaf = inputs.split_off(start);
            self.push_unusual(&leaf);
        }
    }

    /// Adds a leaf of another size than the one before.
    fn push_unusual(&mut self, leaf: &[u8]) {
        match (leaf.len() / BLOCK_BYTES).checked_sub(1) {
            Some(size) if size < CHUNK_BLOCKS => {
                self.groups[size].inputs.extend_from_slice(leaf);
                self.usual = size;
                self.gathered();
            }
            _ => {
                let hash = self.domain.hash(leaf);
                put(&mut self.hashes, self.count, hash);
                self.count += 1;
            }
        }
    }

    /// A leaf was put behind the others of the usual size.
    fn gathered(&mut self) {
        let group = &mut self.groups[self.usual];
        if group.places.is_empty() {
            group.inputs.reserve(GATHERED_MAX * (self.usual + 1) * BLOCK_BYTES);
        }
        group.places.push(self.count);
        self.count += 1;
        if group.places.len() == GATHERED_MAX {
            group.flush(self.usual + 1, self.domain, &mut self.hashes);
        }
    }

    /// All leaves, in the order in which they were added.
    pub(crate) fn finish(mut self) -> Vec<Hash> {
        self.flush();
        self.hashes
    }

    /// As [`Leaves::finish`]; then there are none again.
    pub(crate) fn drain(&mut self) -> Drain<'_, Hash> {
        self.flush();
        self.count = 0;
        self.hashes.drain(..)
    }

    fn flush(&mut self) {
        for (blocks, group) in (1..).zip(&mut self.groups) {
            group.flush(blocks, self.domain, &mut self.hashes);
        }
    }
}

/// Puts a hash at its place, most often behind those before.
#[inline]
fn put(hashes: &mut Vec<Hash>, place: usize, hash: Hash) {
    if place == hashes.len() {
        hashes.push(hash);
        return;
    }
    if place > hashes.len() {
        hashes.resize(place + 1, Hash::ZERO);
    }
    hashes[place] = hash;
}

/// The leaf of these bytes alone.
pub(crate) fn leaf(domain: Domain, mut bytes: Vec<u8>) -> Hash {
    pad(&mut bytes);
    domain.hash(&bytes)
}

#[inline]
fn pad(bytes: &mut Vec<u8>) {
    let whole = bytes.len().next_multiple_of(BLOCK_BYTES);
    // So many that it is a move of fixed size.
    bytes.extend_from_slice(&[0; BLOCK_BYTES]);
    bytes.truncate(whole);
}

impl Group {
    /// Hashes what there is, leaves of so many blocks each.
    fn flush(&mut self, blocks: usize, domain: Domain, hashes: &mut Vec<Hash>) {
        let mut places = self.places.iter();
        domain.hash_blocks(blocks, &self.inputs, |hash| {
            if let Some(place) = places.next() {
                put(hashes, *place, hash);
            }
        });
        self.places.clear();
        self.inputs.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_the_same_alone_and_in_groups() {
        let sizes = (0..1_200_usize).map(|number| number * 37 % 1_200);
        let inputs: Vec<Vec<u8>> = sizes.map(|size| vec![size.to_le_bytes()[0]; size]).collect();
        let mut leaves = Leaves::new(Domain::Account, inputs.len());
        for input in &inputs {
            leaves.push(|out| out.extend_from_slice(input));
        }
        let alone: Vec<_> = inputs.into_iter().map(|input| leaf(Domain::Account, input)).collect();
        assert_eq!(leaves.drain().collect::<Vec<_>>(), alone);
        leaves.push(|out| out.push(7));
        assert_eq!(leaves.finish(), [leaf(Domain::Account, vec![7])]);
    }
}
