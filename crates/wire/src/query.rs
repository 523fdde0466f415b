//! Reads. A router passes them on; a node answers from one chain, after making
//! sure that it still leads (raft read index), so reads never go back.

use serde::{Deserialize, Serialize};
use tributary_ledger::proof::{OutcomeProof, RoutesProof, StateProof};
use tributary_ledger::{
    AccountView, BooksReport, ChannelStatus, MerchantView, ProxyView, SettlementStatus,
};
use tributary_types::payment::Payment;
use tributary_types::{AccountId, BlockHeight, ChainId, PaymentId, Position, Receipt, TimeMs};

/// Most entries of one page of a list.
pub const PAGE_ENTRIES_MAX: u32 = 1_000;

/// What is asked of one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Query {
    /// Height, leader, term of this replica; answered by any replica.
    Status,
    /// A user, issuer or control account.
    Account(AccountId),
    /// A merchant's proxy (user chain).
    Proxy(AccountId),
    /// A merchant (HF chain).
    Merchant(AccountId),
    /// Merchants in order of opening, from number `from` on (HF chain).
    Merchants {
        /// Number of the first one wanted, from 0.
        from: u32,
        /// At most this many, at most [`PAGE_ENTRIES_MAX`].
        limit: u32,
    },
    /// What became of a payment or operation on this chain.
    Payment(PaymentId),
    /// The history of an account or proxy, newest first.
    History {
        /// Whose.
        account: AccountId,
        /// Entries strictly before this one; `None` from the newest.
        before: Option<Position>,
        /// At most this many, at most [`PAGE_ENTRIES_MAX`].
        limit: u32,
    },
    /// The chain's books and what its channels hold.
    Books,
    /// Channel cursors.
    Channels,
    /// What is not settled yet (user chain).
    Settlement,
    /// An account, merchant or proxy with proof, once the state is certified.
    ProveAccount(AccountId),
    /// A payment or operation with proof.
    ProvePayment(PaymentId),
    /// The route table with proof, once the state is certified (HF chain);
    /// nothing before its first block: till then the genesis' table holds.
    ProveRoutes,
}

/// The answer to a [`Query`], with the block it is as of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The chain.
    pub chain: ChainId,
    /// Height of the state read.
    pub height: BlockHeight,
    /// Block time of the state read.
    pub time: TimeMs,
    /// What was found.
    pub value: AnswerValue,
}

/// One variant per [`Query`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerValue {
    /// To [`Query::Status`].
    Status(ReplicaStatus),
    /// To [`Query::Account`].
    Account(Option<AccountView>),
    /// To [`Query::Proxy`].
    Proxy(Option<ProxyView>),
    /// To [`Query::Merchant`].
    Merchant(Option<MerchantView>),
    /// To [`Query::Merchants`].
    Merchants(Vec<MerchantView>),
    /// To [`Query::Payment`].
    Payment(Option<PaymentFound>),
    /// To [`Query::History`].
    History(Vec<HistoryEntry>),
    /// To [`Query::Books`].
    Books(Box<BooksReport>),
    /// To [`Query::Channels`].
    Channels(Vec<ChannelStatus>),
    /// To [`Query::Settlement`].
    Settlement(SettlementStatus),
    /// To [`Query::ProveAccount`].
    StateProof(Option<Box<StateProof>>),
    /// To [`Query::ProvePayment`].
    OutcomeProof(Option<Box<OutcomeProof>>),
    /// To [`Query::ProveRoutes`].
    RoutesProof(Option<Box<RoutesProof>>),
}

/// How a replica is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// Its index in the validator set.
    pub validator: u16,
    /// The leader's index, if known.
    pub leader: Option<u16>,
    /// Raft term.
    pub term: u64,
    /// Height of the last certified header.
    pub certified: BlockHeight,
}

/// A payment or operation and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentFound {
    /// The payment; `None` if the id is an operation's.
    pub payment: Option<Payment>,
    /// The latest outcome.
    pub receipt: Receipt,
    /// Where it stands.
    pub position: Position,
    /// Block time of that block.
    pub time: TimeMs,
}

/// One entry of an account's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Where it stands.
    pub position: Position,
    /// Block time.
    pub time: TimeMs,
    /// The payment.
    pub payment: Payment,
    /// Its outcome there.
    pub receipt: Receipt,
}
