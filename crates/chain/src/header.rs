//! The header: what executing a block resulted in, and what validators sign.

use serde::{Deserialize, Serialize};
use tributary_types::{BlockHeight, ChainId, Domain, Hash, TimeMs, canonical, codec::Encode};

/// The result of one block. Equal headers mean equal histories: `parent` and
/// the roots commit to everything that came before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The chain.
    pub chain: ChainId,
    /// Position in the chain.
    pub height: BlockHeight,
    /// Hash of the header before this one; [`Hash::ZERO`] at height 0.
    pub parent: Hash,
    /// Block time.
    pub time: TimeMs,
    /// Hash of the validator set that signs this header.
    pub validator_set: Hash,
    /// Hash of the body's canonical bytes.
    pub body_root: Hash,
    /// Merkle root over the outcomes of the block.
    pub receipts_root: Hash,
    /// Root over the whole state after the block.
    pub state_root: Hash,
    /// Merkle root over this chain's channels.
    pub channels_root: Hash,
}
canonical!(Header {
    chain: ChainId,
    height: BlockHeight,
    parent: Hash,
    time: TimeMs,
    validator_set: Hash,
    body_root: Hash,
    receipts_root: Hash,
    state_root: Hash,
    channels_root: Hash,
});

impl Header {
    /// The header's identity, which is also what validators sign. `cluster` is
    /// the hash of the genesis: a header of another cluster is another hash.
    #[must_use]
    pub fn hash(&self, cluster: &Hash) -> Hash {
        Domain::Header.hash_parts(&[cluster.as_bytes(), &self.to_bytes()])
    }

    /// Whether this is a child of `parent`: the next height of its chain, upon
    /// that very header.
    #[must_use]
    pub fn follows(&self, parent: &Self, cluster: &Hash) -> bool {
        self.chain == parent.chain
            && self.height == parent.height.next()
            && self.parent == parent.hash(cluster)
    }
}
