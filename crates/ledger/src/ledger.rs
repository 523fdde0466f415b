//! The ledger of one chain: skeleton of the public surface.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_chain::merkle::{MerklePath, TreeCommitment};
use tributary_chain::{
    Batch, Body, Certificate, ChannelLeaf, Delivery, Header, InboxError, Message, ValidatorSet,
};
use tributary_routing::RouteTable;
use tributary_types::{
    AccountId, BlockHeight, ChainId, Hash, InstitutionId, PaymentId, Position, PublicKey, TimeMs,
};

use crate::books::BooksReport;
use crate::genesis::{ChainKind, Genesis, GenesisError, Parameters};
use crate::outcome::BlockOutcomes;
use crate::page::{Page, PageKey};
use crate::proof::StateProofParts;
use crate::registry::Registry;
use crate::view::{
    AccountView, ChannelStatus, MerchantView, ProxyView, Remembered, SettlementStatus,
};

/// The state of one chain and the rules that change it.
#[derive(Debug, Clone)]
pub struct Ledger {
    header: Header,
}

/// What executing one block yielded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// What validators sign.
    pub header: Header,
    /// What became of every payment and operation.
    pub outcomes: BlockOutcomes,
    /// For each delivery of the body the channel's new cursor, or why it was
    /// refused.
    pub deliveries: Vec<Result<u64, InboxError>>,
}

/// Whether a delivery is worth a place in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It brings messages or an acknowledgement.
    Useful,
    /// It brings nothing new; the channel's cursor.
    Known(u64),
}

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

/// Why a batch never enters a block.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum AdmissionError {
    /// The batch is for another chain.
    #[error("batch is for chain {found}, this is chain {expected}")]
    WrongChain {
        /// This chain.
        expected: ChainId,
        /// What the batch names.
        found: ChainId,
    },
    /// The key is not registered for the institution.
    #[error("key {key} is not registered for institution {institution}")]
    UnknownKey {
        /// Whom the batch names.
        institution: InstitutionId,
        /// The key that signed it.
        key: PublicKey,
    },
    /// Nothing to do.
    #[error("the batch is empty")]
    Empty,
    /// More than a batch may hold.
    #[error("the batch holds {found} {what}, at most {limit} are allowed")]
    TooMany {
        /// Of what.
        what: String,
        /// How many.
        found: u64,
        /// The named limit.
        limit: u64,
    },
    /// Owner signatures out of order, or for no payment of the batch.
    #[error("owner signature {index} is out of order or of no payment of the batch")]
    OwnerSignature {
        /// Which.
        index: u64,
    },
}

/// Why pages are not the state that a header names.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// The genesis is invalid, or does not know the chain.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// The header is of another chain.
    #[error("header is of chain {found}, expected chain {expected}")]
    WrongChain {
        /// The chain to restore.
        expected: ChainId,
        /// What the header names.
        found: ChainId,
    },
    /// A page is missing, repeated, undecodable or contradicts another.
    #[error("page {key:?} at height {height}: {reason}")]
    Page {
        /// Which page.
        key: PageKey,
        /// Of which state.
        height: BlockHeight,
        /// What is wrong.
        reason: String,
    },
    /// The pages give another root.
    #[error("{what} root at height {height} is {found}, the header names {expected}")]
    Root {
        /// Which root.
        what: &'static str,
        /// Of which state.
        height: BlockHeight,
        /// In the header.
        expected: Hash,
        /// Of the pages.
        found: Hash,
    },
}

/// An invariant that does not hold: a bug, or memory gone bad.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{rule}: {found}")]
pub struct Violation {
    /// The invariant, as a sentence.
    pub rule: &'static str,
    /// What was found instead.
    pub found: String,
}

#[expect(
    clippy::todo,
    unused_variables,
    clippy::missing_errors_doc,
    missing_docs,
    reason = "skeleton"
)]
impl Ledger {
    pub fn genesis(genesis: &Genesis, chain: ChainId) -> Result<Self, GenesisError> {
        todo!()
    }
    pub fn restore(
        genesis: &Genesis,
        chain: ChainId,
        header: Header,
        pages: &[Page],
    ) -> Result<Self, RestoreError> {
        todo!()
    }
    pub fn execute(&mut self, body: &Body, body_root: Hash) -> Executed {
        todo!()
    }
    pub fn header(&self) -> &Header {
        &self.header
    }
    pub fn chain(&self) -> ChainId {
        todo!()
    }
    pub fn kind(&self) -> ChainKind {
        todo!()
    }
    pub fn cluster(&self) -> &Hash {
        todo!()
    }
    pub fn validator_set(&self) -> &ValidatorSet {
        todo!()
    }
    pub fn parameters(&self) -> &Parameters {
        todo!()
    }
    pub fn next_due(&self) -> Option<TimeMs> {
        todo!()
    }
    pub fn admit_batch(&self, batch: &Batch) -> Result<(), AdmissionError> {
        todo!()
    }
    pub fn admit_delivery(&self, delivery: &Delivery) -> Result<Admission, InboxError> {
        todo!()
    }
    pub fn outgoing(&self, peer: ChainId, after: u64, bytes_max: usize) -> Option<Outgoing> {
        todo!()
    }
    pub fn channel_status(&self) -> Vec<ChannelStatus> {
        todo!()
    }
    pub fn settlement_status(&self) -> SettlementStatus {
        todo!()
    }
    pub fn take_dirty_pages(&mut self) -> Vec<Page> {
        todo!()
    }
    pub fn all_pages(&self) -> Vec<Page> {
        todo!()
    }
    pub fn validate(&self) -> Result<(), Violation> {
        todo!()
    }
    pub fn account(&self, account: &AccountId) -> Option<AccountView> {
        todo!()
    }
    pub fn proxy(&self, account: &AccountId) -> Option<ProxyView> {
        todo!()
    }
    pub fn merchant(&self, account: &AccountId) -> Option<MerchantView> {
        todo!()
    }
    pub fn merchants(&self) -> impl ExactSizeIterator<Item = MerchantView> {
        std::iter::empty()
    }
    pub fn payment(&self, id: &PaymentId) -> Option<Remembered> {
        todo!()
    }
    pub fn books(&self) -> BooksReport {
        todo!()
    }
    pub fn registry(&self) -> &Registry {
        todo!()
    }
    pub fn routes(&self) -> &RouteTable {
        todo!()
    }
    pub fn last_position(&self, account: &AccountId) -> Position {
        todo!()
    }
    pub fn prove_account(&self, account: &AccountId) -> Option<StateProofParts> {
        todo!()
    }
    pub fn prove_proxy(&self, account: &AccountId) -> Option<StateProofParts> {
        todo!()
    }
    pub fn prove_merchant(&self, account: &AccountId) -> Option<StateProofParts> {
        todo!()
    }
}
