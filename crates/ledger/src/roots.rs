//! The state root: one hash over a fixed list of parts.
//!
//! Together the parts commit to everything that execution reads, except what
//! the header says itself (height, time, parent) and what the genesis fixes.

use serde::{Deserialize, Serialize};
use tributary_chain::merkle::TreeCommitment;
use tributary_types::{Domain, Hash, canonical};

/// What `state_root` is made of. Parts that a kind of chain does not have are
/// empty trees and the hash of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateParts {
    /// User, issuer and control accounts.
    pub accounts: TreeCommitment,
    /// Proxies and their waiting refunds (user chain).
    pub proxies: TreeCommitment,
    /// Merchants (HF chain).
    pub merchants: TreeCommitment,
    /// Assets, institutions, keys.
    pub registry: Hash,
    /// The route table that the chain goes by.
    pub routes: Hash,
    /// Remembered ids, by time.
    pub id_window: Hash,
    /// Inboxes and outboxes.
    pub channels: Hash,
    /// Transfers whose answer is outstanding (user chain).
    pub transfers: Hash,
    /// Where settlement stands: own (user chain), of each user chain (HF chain).
    pub settlement: Hash,
}
canonical!(StateParts {
    accounts: TreeCommitment,
    proxies: TreeCommitment,
    merchants: TreeCommitment,
    registry: Hash,
    routes: Hash,
    id_window: Hash,
    channels: Hash,
    transfers: Hash,
    settlement: Hash,
});

impl Default for StateParts {
    fn default() -> Self {
        let nothing = TreeCommitment { root: Hash::ZERO, count: 0 };
        let nowhere = Hash::ZERO;
        Self {
            accounts: nothing,
            proxies: nothing,
            merchants: nothing,
            registry: nowhere,
            routes: nowhere,
            id_window: nowhere,
            channels: nowhere,
            transfers: nowhere,
            settlement: nowhere,
        }
    }
}

impl StateParts {
    /// The root that the header names.
    #[must_use]
    pub fn root(&self) -> Hash {
        Domain::State.hash_value(self)
    }
}
