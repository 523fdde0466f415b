//! Leaf hashes of a whole block at once.
//!
//! A leaf is the hash of its bytes, padded with zeros to whole blocks of the
//! hash function. Those of equal size are gathered and hashed side by side, but
//! for the few that are larger than a chunk of it.

use tributary_types::hash::CHUNK_BLOCKS;
use tributary_types::{Domain, Hash};

/// Input that BLAKE3 takes in one step.
const BLOCK_BYTES: usize = 64;
/// Leaves of one size that are gathered before they are hashed.
const GATHERED_MAX: usize = 64;

/// Collects leaves in order and hashes them in groups.
pub(crate) struct Leaves {
    domain: Domain,
    hashes: Vec<Hash>,
    /// By size: leaves of one block, of two, and so on.
    groups: [Group; CHUNK_BLOCKS],
    buffer: Vec<u8>,
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
        Self {
            domain,
            hashes: Vec::with_capacity(count),
            groups: Default::default(),
            buffer: Vec::with_capacity(CHUNK_BLOCKS * BLOCK_BYTES),
        }
    }

    /// Adds the leaf of the bytes that `encode` appends.
    pub(crate) fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        self.buffer.clear();
        encode(&mut self.buffer);
        pad(&mut self.buffer);
        let place = self.hashes.len();
        self.hashes.push(Hash::ZERO);
        let blocks = self.buffer.len() / BLOCK_BYTES;
        let Some(group) = blocks.checked_sub(1).and_then(|size| self.groups.get_mut(size)) else {
            self.hashes[place] = self.domain.hash(&self.buffer);
            return;
        };
        group.inputs.extend_from_slice(&self.buffer);
        group.places.push(place);
        if group.places.len() == GATHERED_MAX {
            group.flush(blocks, self.domain, &mut self.hashes);
        }
    }

    /// All leaves, in the order in which they were added.
    pub(crate) fn finish(mut self) -> Vec<Hash> {
        for (blocks, group) in (1..).zip(&mut self.groups) {
            group.flush(blocks, self.domain, &mut self.hashes);
        }
        self.hashes
    }
}

/// The leaf of these bytes alone.
pub(crate) fn leaf(domain: Domain, mut bytes: Vec<u8>) -> Hash {
    pad(&mut bytes);
    domain.hash(&bytes)
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
}

impl Group {
    /// Hashes what there is, leaves of so many blocks each.
    fn flush(&mut self, blocks: usize, domain: Domain, hashes: &mut [Hash]) {
        for (place, hash) in self.places.drain(..).zip(domain.hash_blocks(blocks, &self.inputs)) {
            hashes[place] = hash;
        }
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
        assert_eq!(leaves.finish(), alone);
    }
}
