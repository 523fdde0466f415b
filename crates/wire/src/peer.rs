//! Between the replicas of one chain: opaque frames of floor 3, per chain.

use serde::{Deserialize, Serialize};
use tributary_types::ChainId;

/// One message from a validator of a chain to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerFrame<'a> {
    /// The chain both replicas belong to.
    pub chain: ChainId,
    /// The sender's index in the validator set; the receiver checks it against
    /// the sender's certificate.
    pub from: u16,
    /// Canonical bytes of the replica's message.
    #[serde(with = "serde_bytes")]
    pub message: &'a [u8],
}
