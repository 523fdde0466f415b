//! What goes in and out of a replica, beside peer messages: plain data.
//!
//! Effects are carried out in the order in which they are polled. Only
//! [`Effect::Persist`] and [`Effect::SaveCheckpoint`] are answered, when they
//! are durable; nothing else waits for the host.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use tributary_chain::certificate::Vote;
use tributary_chain::{Certificate, CertificateError, Header, InboxError};
use tributary_ledger::{AdmissionError, BlockOutcomes};
use tributary_types::{BlockHeight, DecodeError, Hash, Receipt, TimeMs};

use crate::peer::PeerMessage;
use crate::store::{Checkpoint, LogWrite};

/// What the host's clocks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The wall clock; may jump.
    pub wall: TimeMs,
    /// Milliseconds on a clock that never goes back.
    pub monotonic_ms: u64,
}

/// The host's name for one request; unique as long as the request is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What a replica asks of its host.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Write to the log. When it and all before it are durable, call
    /// `handle_persisted` with the number.
    Persist(u64, LogWrite),
    /// Send to a validator. Losing it is allowed, reordering too.
    Send {
        /// Index in the validator set.
        to: u16,
        /// What.
        message: PeerMessage,
    },
    /// Send a whole state, as a large message; then call
    /// `handle_snapshot_sent` or `handle_snapshot_failed`.
    SendSnapshot {
        /// Index in the validator set.
        to: u16,
        /// Always a [`PeerMessage::Snapshot`].
        message: PeerMessage,
    },
    /// The one answer to a request.
    Reply {
        /// Which request.
        request: RequestId,
        /// The answer.
        reply: Reply,
    },
    /// A block was executed: for archive, metrics and whoever follows the
    /// chain. After a restart the blocks behind the checkpoint come again.
    Executed(Arc<ExecutedBlock>),
    /// A quorum signed a header that this replica executed: it and all before it
    /// are certified. Not every header is signed ([`crate::signing`]).
    Certified {
        /// The header.
        header: Header,
        /// The signatures.
        certificate: Certificate,
    },
    /// Save; when durable, call `handle_checkpointed` with its index.
    SaveCheckpoint {
        /// Pages are the whole state if `complete`, else those that changed.
        checkpoint: Checkpoint,
        /// Whether all older pages must go.
        complete: bool,
    },
    /// Another leader, or none, or a new term of the same one.
    LeaderChanged {
        /// Index in the validator set.
        leader: Option<u16>,
        /// The raft term.
        term: u64,
    },
    /// The replica has stopped for ever. Always the last effect.
    Fatal(Fatality),
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To a submission: executed, durable on a quorum.
    Receipts {
        /// The block.
        height: BlockHeight,
        /// Index in the block of the batch's first outcome.
        first_index: u32,
        /// One per operation, then one per payment.
        receipts: Vec<Receipt>,
    },
    /// To a delivery: the channel's cursor, or why it was refused.
    Delivered(Result<u64, InboxError>),
    /// To a read: the ledger now holds all that was acknowledged before.
    ReadReady,
    /// Nothing was done: another replica leads.
    NotLeader {
        /// Who leads, if known; index in the validator set.
        hint: Option<u16>,
    },
    /// Leadership was lost while the request was in flight. It may or may not
    /// take effect: retry with the same ids.
    Unknown,
    /// Nothing was done: a queue is full.
    Overloaded {
        /// Suggested wait.
        retry_after_ms: u64,
    },
    /// Nothing was done: the batch breaks a rule; retrying will not help.
    Refused(AdmissionError),
    /// Nothing was done: the request takes more than a log entry holds.
    TooLarge {
        /// Canonical bytes of the batch or delivery.
        bytes: usize,
        /// Most that are allowed.
        limit: usize,
    },
}

/// A block with all that executing it yielded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutedBlock {
    /// What validators sign.
    pub header: Header,
    /// Canonical bytes of the body, as consensus ordered it.
    pub body: Bytes,
    /// Receipts.
    pub outcomes: BlockOutcomes,
}

/// Why a replica stopped for ever. The evidence is for people.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fatality {
    /// A quorum signed another header than this replica executed.
    #[error("diverged at height {height}: executed {own}, {} validators signed {other}", votes.len())]
    Diverged {
        /// Where.
        height: BlockHeight,
        /// Hash of the header executed here.
        own: Hash,
        /// Hash of the header that the quorum signed.
        other: Hash,
        /// The quorum's signatures.
        votes: Vec<Vote>,
    },
    /// Replay does not lead to the header that was certified before.
    #[error("replay of height {height} gives {replayed}, certified was {certified}")]
    ReplayMismatch {
        /// Where.
        height: BlockHeight,
        /// Hash of the header that replay gives.
        replayed: Hash,
        /// Hash of the certified header.
        certified: Hash,
    },
    /// Consensus ordered bytes that are no body.
    #[error("log entry {index} is no block body: {error}")]
    Undecodable {
        /// Raft index.
        index: u64,
        /// Why.
        error: DecodeError,
    },
    /// Consensus ordered an entry of a kind that this replica does not know.
    #[error("log entry {index} is of unknown kind {kind}")]
    UnknownEntry {
        /// Raft index.
        index: u64,
        /// Raft's entry type.
        kind: u8,
    },
    /// Consensus installs a state that was not received: a defect of this
    /// program.
    #[error("the state at log entry {index} is to be installed and is not here")]
    SnapshotMissing {
        /// Raft index.
        index: u64,
    },
}

/// Why a message of a peer was refused. The replica is unharmed; hosts count
/// these per peer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PeerError {
    /// The sender or addressee inside the message is not the one on the wire.
    #[error("message says {found} where validator {expected} was expected")]
    WrongValidator {
        /// Index in the validator set.
        expected: u16,
        /// What the message says: a validator's index, or a raft id less one.
        found: u64,
    },
    /// No such member of the validator set.
    #[error("validator {0} is not in the set")]
    UnknownValidator(u16),
    /// A message that raft would not survive, or that no honest peer sends.
    #[error("raft message: {0}")]
    Raft(&'static str),
    /// The signature of a vote does not verify.
    #[error("vote for height {height}: {error}")]
    Vote {
        /// For which height.
        height: BlockHeight,
        /// Why.
        error: CertificateError,
    },
    /// A certificate does not hold for the header beside it.
    #[error("certificate of height {height}: {error}")]
    Certificate {
        /// Of which height.
        height: BlockHeight,
        /// Why.
        error: CertificateError,
    },
    /// A snapshot's pages, header or certificate do not fit.
    #[error("snapshot at height {height}: {reason}")]
    Snapshot {
        /// Of which height.
        height: BlockHeight,
        /// What does not fit.
        reason: String,
    },
}

/// How a replica is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplicaStatus {
    /// Raft term.
    pub term: u64,
    /// Who leads, if known.
    pub leader: Option<u16>,
    /// Highest raft index known to be committed.
    pub commit: u64,
    /// Highest raft index that the leader says is committed; none until it has
    /// told that in this life.
    pub leader_commit: Option<u64>,
    /// Highest raft index executed.
    pub applied: u64,
    /// Height executed.
    pub height: BlockHeight,
    /// Highest height certified here.
    pub last_certified: BlockHeight,
    /// First raft index in the log.
    pub log_first: u64,
    /// Last raft index in the log.
    pub log_last: u64,
    /// Requests waiting to be proposed, and parked deliveries.
    pub pending_requests: usize,
    /// Bytes of them.
    pub pending_bytes: usize,
    /// Blocks proposed and not executed.
    pub in_flight_blocks: usize,
    /// Reads waiting for their barrier.
    pub pending_reads: usize,
}
