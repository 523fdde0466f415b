//! Everything that can be put to a chain's thread: one closed enum per queue.
//!
//! | queue | from | when full |
//! | --- | --- | --- |
//! | [`Completion`] | log, archive, network | never: bounded by what the thread itself has under way |
//! | [`PeerInput`] | the network | a message is counted and lost; consensus sends again. An end is found again |
//! | [`Request`] | the server | the client hears `overloaded` |

use std::time::Instant;

use tokio::sync::oneshot;
use tributary_chain::channel::Portion;
use tributary_chain::{Batch, Delivery};
use tributary_ledger::proof::{RoutesProofParts, StateProofParts};
use tributary_replica::PeerMessage;
use tributary_types::{AccountId, BlockHeight, ChainId, PaymentId, Position, PublicKey, TimeMs};
use tributary_wire::node::{NodeError, Submitted};
use tributary_wire::query::{AnswerValue, Query};

use super::proof::ProofCapture;

/// Something that the thread asked for is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// Log writes up to and including this one are durable.
    Persisted(u64),
    /// The checkpoint of this raft index is durable.
    Checkpointed(u64),
    /// A snapshot reached this validator.
    SnapshotSent(u16),
    /// A snapshot did not reach this validator.
    SnapshotFailed(u16),
}

/// Of another validator of the chain.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are messages")]
pub enum PeerInput {
    /// A message.
    Message {
        /// The sender, as its certificate proves.
        from: u16,
        /// What it says.
        message: PeerMessage,
    },
    /// The process of this validator has ended, after all of its messages that
    /// came before.
    Ended(u16),
}

/// Where an answer goes. A caller that has gone does not read it.
pub type Answered<T> = oneshot::Sender<Result<T, NodeError>>;

/// The cursor after a delivery, or why it was refused.
pub type DeliveryResult = Result<u64, String>;

/// What the server asks.
#[derive(Debug)]
pub enum Request {
    /// Execute a batch whose signatures are verified.
    Submit {
        /// The batch.
        batch: Box<Batch>,
        /// When it arrived here.
        received: Instant,
        /// Answered when it is final.
        reply: Answered<Submitted>,
    },
    /// Execute a delivery.
    Deliver {
        /// The delivery.
        delivery: Box<Delivery>,
        /// The cursor after it, or why it was refused.
        reply: Answered<DeliveryResult>,
    },
    /// Read, after a barrier.
    Ask {
        /// What.
        ask: Ask,
        /// What was found, and as of which state.
        reply: Answered<(AsOf, Found)>,
    },
    /// The owner keys of accounts. No barrier: they are a guess at what
    /// execution will ask.
    Owners {
        /// Of which accounts; of none where the place is empty.
        accounts: Vec<Option<AccountId>>,
        /// In the same order; `None` for an account without an owner key too.
        reply: Answered<Vec<Option<PublicKey>>>,
    },
    /// Have the last executed block certified, if it is not yet. Not answered:
    /// the certificate is published.
    CertificateWanted,
    /// Unacknowledged messages to `peer`. No barrier: what they are worth is
    /// said by a certificate.
    Messages {
        /// Which.
        range: MessageRange,
        /// `None` if there is no such peer.
        reply: Answered<Option<Portion>>,
    },
}

/// Consecutive messages of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRange {
    /// The receiving chain.
    pub peer: ChainId,
    /// Last message that is not wanted.
    pub after: u64,
    /// Last message that is wanted, at least by its hash.
    pub through: u64,
}

/// What can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A query that the state alone answers.
    State(Query),
    /// Where an id is remembered.
    Payment(PaymentId),
    /// The newest entry of an account's history.
    LastEntry(AccountId),
    /// What proves an account, proxy or merchant.
    Proof(AccountId),
    /// What proves the route table.
    RoutesProof,
}

/// The state that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// Its height.
    pub height: BlockHeight,
    /// Its block time.
    pub time: TimeMs,
}

/// One variant per [`Ask`].
#[derive(Debug)]
pub enum Found {
    /// The answer itself.
    State(Box<AnswerValue>),
    /// Where the id's latest outcome stands, if it is remembered.
    Payment(Option<Position>),
    /// [`Position::NONE`] if the account has no history.
    LastEntry(Position),
    /// `None` if there is no such account.
    Proof(Option<Box<ProofCapture<StateProofParts>>>),
    /// `None` on a user chain.
    RoutesProof(Option<Box<ProofCapture<RoutesProofParts>>>),
}
