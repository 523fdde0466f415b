//! Rows: what a [`crate::table::Table`] holds, one per account, proxy or
//! merchant, each a leaf of a Merkle tree.

use tributary_types::codec::{Decode, Encode};
use tributary_types::{AccountId, Domain, Hash};

use crate::leaves::leaf;

/// A row of a table, with its own hash domain.
pub trait Row: Encode + Decode {
    /// Sets leaves of this table apart from all other hashes.
    const DOMAIN: Domain;
    /// Rows of one page of a checkpoint; so many of the largest fit one.
    const ROWS_PER_PAGE: u32;

    /// The id that the row is found by.
    fn id(&self) -> AccountId;

    /// Prefetches the lines of cache that execution needs of the row (see the module
    /// `read_ahead`).
    fn prefetch(&self);

    /// The leaf of the Merkle tree: the hash of the canonical bytes, padded
    /// with zeros to whole blocks of the hash function.
    #[must_use]
    fn leaf_hash(&self) -> Hash {
        leaf(Self::DOMAIN, self.to_bytes())
    }
}
