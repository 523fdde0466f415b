//! What a chain's thread lets others see without asking it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tributary_chain::merkle::{MerklePath, TreeCommitment};
use tributary_chain::{Certificate, ChannelLeaf, Header};
use tributary_replica::ReplicaStatus;
use tributary_types::{ChainId, TimeMs};

/// The thread's last word about itself; renewed after every round of work.
#[derive(Debug, Default)]
pub struct Published {
    inner: Mutex<Option<Snapshot>>,
}

/// How a replica was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// The replica's own account.
    pub status: ReplicaStatus,
    /// Block time of its state.
    pub time: TimeMs,
}

impl Published {
    /// Replaces the last word.
    pub fn set(&self, snapshot: Snapshot) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
    }

    /// The last word; `None` until the thread has begun.
    #[must_use]
    pub fn get(&self) -> Option<Snapshot> {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The newest certified header, and what it commits to about each channel.
/// Everything of a delivery except the messages.
#[derive(Debug, Clone)]
pub struct CertifiedView {
    /// The header.
    pub header: Header,
    /// The quorum's signatures.
    pub certificate: Certificate,
    /// By receiving chain.
    pub leaves: BTreeMap<ChainId, LeafProof>,
}

/// A channel leaf with its place in the channels tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafProof {
    /// The leaf.
    pub leaf: ChannelLeaf,
    /// Its path.
    pub path: MerklePath,
    /// The tree.
    pub channels: TreeCommitment,
}
