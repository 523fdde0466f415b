//! The ledger of one chain: its state, and the ways in and out.
//!
//! ```text
//! genesis / restore ─▶ Ledger ──execute(body)──▶ header, outcomes
//!                        │ ▲
//!         admit_*, reads ┘ └ take_dirty_pages, all_pages
//! ```
//!
//! Everything here is deterministic and free of IO. All reads are as of the
//! last executed block.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_chain::batch::{BATCH_OPERATIONS_MAX, BATCH_PAYMENTS_MAX};
use tributary_chain::{Batch, Delivery, DenseTree, Header, InboxError, ValidatorSet};
use tributary_routing::RouteTable;
use tributary_types::{
    AccountId, BlockHeight, ChainId, Hash, InstitutionId, PaymentId, Position, PublicKey, TimeMs,
};

use crate::core::Core;
use crate::genesis::{ChainKind, Genesis, GenesisError, Parameters};
use crate::hf::HfChain;
use crate::index_key::IndexKey;
use crate::outcome::{BlockOutcomes, receipts_root};
use crate::registry::Registry;
use crate::roots::StateParts;
use crate::user::UserChain;
use crate::view::{
    AccountView, ChannelStatus, MerchantView, ProxyView, Remembered, SettlementStatus,
};

/// The state of one chain and the rules that change it.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub(crate) core: Core,
    pub(crate) side: Side,
    /// Of the last executed block.
    pub(crate) header: Header,
    /// What its `state_root` is made of.
    pub(crate) parts: StateParts,
}

/// What only one kind of chain has.
#[derive(Debug, Clone)]
pub(crate) enum Side {
    User(Box<UserChain>),
    Hf(Box<HfChain>),
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

impl Ledger {
    /// The state of a chain at height 0.
    ///
    /// # Errors
    /// [`GenesisError`], also if the genesis does not know the chain.
    pub fn genesis(genesis: &Genesis, chain: ChainId) -> Result<Self, GenesisError> {
        Self::genesis_keyed(genesis, chain, IndexKey::KNOWN)
    }

    /// As [`Ledger::genesis`], for a replica that serves.
    ///
    /// # Errors
    /// [`GenesisError`].
    pub fn genesis_keyed(
        genesis: &Genesis,
        chain: ChainId,
        index_key: IndexKey,
    ) -> Result<Self, GenesisError> {
        let core = Core::genesis(genesis, chain, index_key)?;
        let side = match core.rules.kind {
            ChainKind::User => Side::User(Box::new(UserChain::genesis(&core, genesis.created))),
            ChainKind::Hf => Side::Hf(Box::new(HfChain::genesis(&core))),
        };
        let header = Header {
            chain,
            height: BlockHeight::new(0),
            parent: Hash::ZERO,
            time: genesis.created,
            validator_set: core.rules.validators.hash(),
            body_root: Hash::ZERO,
            receipts_root: receipts_root(&DenseTree::default().commitment()),
            state_root: Hash::ZERO,
            channels_root: Hash::ZERO,
        };
        let mut ledger = Self { core, side, header, parts: StateParts::default() };
        ledger.header.channels_root = ledger.commit();
        ledger.header.state_root = ledger.parts.root();
        Ok(ledger)
    }

    /// The header of the last executed block.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> ChainId {
        self.core.rules.chain
    }

    /// What the chain holds.
    #[must_use]
    pub const fn kind(&self) -> ChainKind {
        self.core.rules.kind
    }

    /// The cluster's identity: part of everything that is signed.
    #[must_use]
    pub const fn cluster(&self) -> &Hash {
        &self.core.rules.cluster
    }

    /// Who signs this chain's headers.
    #[must_use]
    pub const fn validator_set(&self) -> &ValidatorSet {
        &self.core.rules.validators
    }

    /// The rules of execution.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.core.rules.parameters
    }

    /// The route table that the chain goes by.
    #[must_use]
    pub const fn routes(&self) -> &RouteTable {
        &self.core.rules.routes
    }

    /// Assets, institutions and keys.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        self.core.registry.get()
    }

    /// The block time from which executing a body without items has work to do:
    /// a settlement. `None` while there is nothing to settle, or the HF chain
    /// must first acknowledge.
    #[must_use]
    pub fn next_due(&self) -> Option<TimeMs> {
        match &self.side {
            Side::User(user) => user.settlement_due(&self.core),
            Side::Hf(_) => None,
        }
    }

    /// The cheap checks of a batch: right chain, within limits, key registered.
    /// The signature is for the caller to verify.
    ///
    /// # Errors
    /// [`AdmissionError`] names the first rule that it breaks.
    pub fn admit_batch(&self, batch: &Batch) -> Result<(), AdmissionError> {
        let (expected, found) = (self.chain(), batch.chain);
        if expected != found {
            return Err(AdmissionError::WrongChain { expected, found });
        }
        if batch.outcome_count() == 0 {
            return Err(AdmissionError::Empty);
        }
        check_count("operations", batch.operations.len(), BATCH_OPERATIONS_MAX)?;
        check_count("payments", batch.payments.len(), BATCH_PAYMENTS_MAX)?;
        let mut lowest = 0;
        for (index, entry) in (0..).zip(&batch.owner_signatures) {
            if entry.payment < lowest || entry.payment as usize >= batch.payments.len() {
                return Err(AdmissionError::OwnerSignature { index });
            }
            lowest = entry.payment + 1;
        }
        let (institution, key) = (batch.institution, batch.key);
        if self.registry().has_key(institution, &key) {
            Ok(())
        } else {
            Err(AdmissionError::UnknownKey { institution, key })
        }
    }

    /// Everything that execution checks about a delivery, and whether it brings
    /// anything new.
    ///
    /// # Errors
    /// [`InboxError`] as execution would answer.
    pub fn admit_delivery(&self, delivery: &Delivery) -> Result<Admission, InboxError> {
        let channels = &self.core.channels;
        let source = delivery.source();
        let inbox = channels.inbox(source).ok_or(InboxError::UnknownSource(source))?;
        // What it acknowledges may not be executed here yet: others may be
        // ahead of this replica. It will be when the delivery is.
        let acknowledges = channels
            .outbox(source)
            .is_some_and(|outbox| delivery.leaf.received_sequence > outbox.acknowledged_sequence());
        let is_known = inbox.is_known(delivery) && !acknowledges;
        let known = Admission::Known(inbox.sequence());
        // Two relays bring most things twice: spare the signatures then.
        let header = &delivery.header;
        if is_known && inbox.has_seen(header.height, &header.hash(self.cluster())) {
            return Ok(known);
        }
        channels.try_examine(self.cluster(), delivery)?;
        Ok(if is_known { known } else { Admission::Useful })
    }

    /// How far every channel is, ascending by peer.
    #[must_use]
    pub fn channel_status(&self) -> Vec<ChannelStatus> {
        self.core.channels.status()
    }

    /// What is not settled yet; nothing on the HF chain.
    #[must_use]
    pub fn settlement_status(&self) -> SettlementStatus {
        match &self.side {
            Side::User(user) => user.settlement_status(&self.core),
            Side::Hf(_) => SettlementStatus::default(),
        }
    }

    /// A user, issuer or control account.
    #[must_use]
    pub fn account(&self, account: &AccountId) -> Option<AccountView> {
        self.core.accounts.get(*account).map(|account| account.view())
    }

    /// A merchant's proxy, on a user chain.
    #[must_use]
    pub fn proxy(&self, account: &AccountId) -> Option<ProxyView> {
        let Side::User(user) = &self.side else { return None };
        let number = user.proxies.find(*account)?;
        Some(user.proxies.row(number).view(user.waiting_amount(number)))
    }

    /// A merchant, on the HF chain.
    #[must_use]
    pub fn merchant(&self, account: &AccountId) -> Option<MerchantView> {
        let Side::Hf(hf) = &self.side else { return None };
        hf.merchants.get(*account).map(|merchant| merchant.view())
    }

    /// All merchants in order of opening; none on a user chain.
    pub fn merchants(&self) -> impl ExactSizeIterator<Item = MerchantView> + '_ {
        let merchants = match &self.side {
            Side::Hf(hf) => hf.merchants.rows(),
            Side::User(_) => &[],
        };
        merchants.iter().map(|merchant| merchant.view())
    }

    /// The latest outcome of a payment or operation, as long as its id is in
    /// the window. Older ones are in the archive.
    #[must_use]
    pub fn payment(&self, id: &PaymentId) -> Option<Remembered> {
        self.core.window.get(*id)
    }

    /// The newest entry of the history of an account, proxy or merchant.
    #[must_use]
    pub fn last_position(&self, account: &AccountId) -> Position {
        let own = self.core.accounts.get(*account).map(|account| account.last);
        let other = || match &self.side {
            Side::User(user) => user.proxies.get(*account).map(|proxy| proxy.last),
            Side::Hf(hf) => hf.merchants.get(*account).map(|merchant| merchant.last),
        };
        own.or_else(other).unwrap_or(Position::NONE)
    }
}

fn check_count(what: &str, found: usize, limit: usize) -> Result<(), AdmissionError> {
    if found <= limit {
        return Ok(());
    }
    let (found, limit) = (found as u64, limit as u64);
    Err(AdmissionError::TooMany { what: what.to_owned(), found, limit })
}
