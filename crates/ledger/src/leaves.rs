//! Leaf hashes of a whole block at once.
//!
//! A leaf is the hash of its bytes, padded with zeros to whole blocks of the
//! hash function. Most leaves of a table take one or two blocks; leaves of
//! equal size are gathered and hashed side by side.

use tributary_types::{Domain, Hash};

/// Input that BLAKE3 takes in one step.
const BLOCK_BYTES: usize = 64;
/// Leaves of one size that are gathered before they are hashed.
const GATHERED_MAX: usize = 64;

/// Collects leaves in order and hashes them in groups.
pub(crate) struct Leaves {
    domain: Domain,
    hashes: Vec<Hash>,
    one_block: Group<BLOCK_BYTES>,
    two_blocks: Group<{ 2 * BLOCK_BYTES }>,
    buffer: Vec<u8>,
}

/// Leaves of one size that are not hashed yet, and their places.
struct Group<const BYTES: usize> {
    inputs: Vec<[u8; BYTES]>,
    places: Vec<usize>,
}

impl Leaves {
    /// Nothing yet; `count` leaves are expected.
    pub(crate) fn new(domain: Domain, count: usize) -> Self {
        Self {
            domain,
            hashes: Vec::with_capacity(count),
            one_block: Group::new(),
            two_blocks: Group::new(),
            buffer: Vec::with_capacity(4 * BLOCK_BYTES),
        }
    }

    /// Adds the leaf of the bytes that `encode` appends.
    pub(crate) fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        self.buffer.clear();
        encode(&mut self.buffer);
        pad(&mut self.buffer);
        let place = self.hashes.len();
        self.hashes.push(Hash::ZERO);
        match self.buffer.len() {
            BLOCK_BYTES => {
                self.one_block.push(&self.buffer, place, self.domain, &mut self.hashes);
            }
            TWO_BLOCKS_BYTES => {
                self.two_blocks.push(&self.buffer, place, self.domain, &mut self.hashes);
            }
            _ => self.hashes[place] = self.domain.hash(&self.buffer),
        }
    }

    /// All leaves, in the order in which they were added.
    pub(crate) fn finish(mut self) -> Vec<Hash> {
        self.one_block.flush(self.domain, &mut self.hashes);
        self.two_blocks.flush(self.domain, &mut self.hashes);
        self.hashes
    }
}

/// The leaf of these bytes alone.
pub(crate) fn leaf(domain: Domain, mut bytes: Vec<u8>) -> Hash {
    pad(&mut bytes);
    domain.hash(&bytes)
}

const TWO_BLOCKS_BYTES: usize = 2 * BLOCK_BYTES;

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
}

impl<const BYTES: usize> Group<BYTES> {
    fn new() -> Self {
        Self { inputs: Vec::with_capacity(GATHERED_MAX), places: Vec::with_capacity(GATHERED_MAX) }
    }

    fn push(&mut self, bytes: &[u8], place: usize, domain: Domain, hashes: &mut [Hash]) {
        let mut input = [0; BYTES];
        input.copy_from_slice(bytes);
        self.inputs.push(input);
        self.places.push(place);
        if self.inputs.len() == GATHERED_MAX {
            self.flush(domain, hashes);
        }
    }

    fn flush(&mut self, domain: Domain, hashes: &mut [Hash]) {
        for (place, hash) in self.places.drain(..).zip(domain.hash_many(self.inputs.iter())) {
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
        let sizes = (0..300_usize).map(|number| number * 37 % 260);
        let inputs: Vec<Vec<u8>> = sizes.map(|size| vec![size.to_le_bytes()[0]; size]).collect();
        let mut leaves = Leaves::new(Domain::Account, inputs.len());
        for input in &inputs {
            leaves.push(|out| out.extend_from_slice(input));
        }
        let alone: Vec<_> = inputs.into_iter().map(|input| leaf(Domain::Account, input)).collect();
        assert_eq!(leaves.finish(), alone);
    }
}
