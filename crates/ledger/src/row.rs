//! Rows: what a [`crate::table::Table`] holds, one per account, proxy or
//! merchant, each a leaf of a Merkle tree.

use tributary_types::codec::{Decode, Encode};
use tributary_types::{AccountId, Domain, Hash};

/// A row of a table, with its own hash domain.
pub trait Row: Encode + Decode {
    /// Sets leaves of this table apart from all other hashes.
    const DOMAIN: Domain;
    /// Rows of one page of a checkpoint; so many of the largest fit one.
    const ROWS_PER_PAGE: u32;

    /// The id that the row is found by.
    fn id(&self) -> AccountId;

    /// The leaf of the Merkle tree: the hash of the canonical bytes, padded
    /// with zeros to whole blocks of the hash function.
    #[must_use]
    fn leaf_hash(&self) -> Hash {
        leaf_hash(self, &mut Vec::with_capacity(2 * HASH_BLOCK_BYTES))
    }
}

/// Input that BLAKE3 takes in one step.
pub(crate) const HASH_BLOCK_BYTES: usize = 64;

/// [`Row::leaf_hash`] through a buffer that the caller reuses.
pub(crate) fn leaf_hash<R: Row>(row: &R, buffer: &mut Vec<u8>) -> Hash {
    buffer.clear();
    row.encode(buffer);
    buffer.resize(buffer.len().next_multiple_of(HASH_BLOCK_BYTES), 0);
    R::DOMAIN.hash(buffer)
}
