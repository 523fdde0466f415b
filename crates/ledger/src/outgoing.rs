//! What leaves a ledger: messages for other chains, and rows and the route
//! table with their proofs.

use tributary_chain::channel::DELIVERY_PROOF_BYTES_MAX;
use tributary_chain::merkle::{MerklePath, TreeCommitment};
use tributary_chain::{Certificate, ChannelLeaf, Delivery, Header, Message};
use tributary_types::{AccountId, ChainId, Hash};

use crate::ledger::{Ledger, Side};
use crate::proof::{ProvedLeaf, RoutesProofParts, StateProofParts};

/// Everything of a delivery that the sender's ledger has, as of its last block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Number of the first message.
    pub first_sequence: u64,
    /// As many messages as fit.
    pub messages: Vec<Message>,
    /// Hashes of all the later ones.
    pub tail: Vec<Hash>,
    /// What the header commits to about the receiver.
    pub leaf: ChannelLeaf,
    /// The leaf's place in the channels tree.
    pub path: MerklePath,
    /// The channels tree.
    pub channels: TreeCommitment,
}

impl Outgoing {
    /// Adds what only the host has. `header` must be the one that the ledger
    /// stood at.
    #[must_use]
    pub fn certified(self, header: Header, certificate: Certificate) -> Delivery {
        Delivery {
            first_sequence: self.first_sequence,
            messages: self.messages,
            tail: self.tail,
            leaf: self.leaf,
            path: self.path,
            channels: self.channels,
            header,
            certificate,
        }
    }
}

impl Ledger {
    /// What `peer` lacks if the last message that it has is number `after`: as
    /// many messages as a delivery of `bytes_max` holds (at least one, if there
    /// is any) and the hashes of the others. `None` for a chain that is no peer,
    /// and if messages after `after` are pruned: then the peer has more.
    #[must_use]
    pub fn outgoing(&self, peer: ChainId, after: u64, bytes_max: usize) -> Option<Outgoing> {
        let bytes_max = bytes_max.saturating_sub(DELIVERY_PROOF_BYTES_MAX);
        let portion = self.core.channels.outbox(peer)?.portion(after, bytes_max)?;
        let (leaf, path, channels) = self.core.channels.prove(peer)?;
        Some(Outgoing {
            first_sequence: portion.first_sequence,
            messages: portion.messages,
            tail: portion.tail,
            leaf,
            path,
            channels,
        })
    }

    /// A user, issuer or control account with its proof.
    #[must_use]
    pub fn prove_account(&self, account: &AccountId) -> Option<StateProofParts> {
        let (row, path) = self.core.accounts.prove(*account)?;
        let leaf = ProvedLeaf::Account(row.clone());
        Some(StateProofParts { parts: self.parts, leaf, path })
    }

    /// A merchant's proxy with its proof, on a user chain.
    #[must_use]
    pub fn prove_proxy(&self, account: &AccountId) -> Option<StateProofParts> {
        let Side::User(user) = &self.side else { return None };
        let (row, path) = user.proxies.prove(*account)?;
        let leaf = ProvedLeaf::Proxy(row.clone());
        Some(StateProofParts { parts: self.parts, leaf, path })
    }

    /// A merchant with its proof, on the HF chain.
    #[must_use]
    pub fn prove_merchant(&self, account: &AccountId) -> Option<StateProofParts> {
        let Side::Hf(hf) = &self.side else { return None };
        let (row, path) = hf.merchants.prove(*account)?;
        let leaf = ProvedLeaf::Merchant(Box::new(row.clone()));
        Some(StateProofParts { parts: self.parts, leaf, path })
    }

    /// The route table with its proof, on the HF chain.
    #[must_use]
    pub fn prove_routes(&self) -> Option<RoutesProofParts> {
        let Side::Hf(_) = &self.side else { return None };
        Some(RoutesProofParts { parts: self.parts, routes: self.routes().clone() })
    }
}
