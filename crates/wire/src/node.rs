//! Routers, relays and other nodes to nodes.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_chain::{Batch, Certificate, Delivery, Header};
use tributary_types::{BlockHeight, ChainId, Receipt};

use crate::canonical::{self, Canonical};
use crate::query::{Answer, Query};

/// Most deliveries in one request.
pub const DELIVERIES_PER_REQUEST_MAX: usize = 64;
/// Longest that a node holds a [`NodeRequest::Outgoing`] request open.
pub const OUTGOING_WAIT_MS_MAX: u64 = 10_000;
/// Most blocks in one [`NodeReply::Blocks`].
pub const BLOCKS_PER_REPLY_MAX: usize = 1_024;
/// Bytes of blocks at which a [`NodeReply::Blocks`] ends; only its first block
/// may take more.
pub const BLOCKS_REPLY_BYTES_MAX: usize = 2 << 20;

/// What a node is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeRequest {
    /// From routers: execute a signed batch; answered when it is final here.
    Submit(Canonical<Batch>),
    /// From relays: execute deliveries on `chain`, in the order given.
    Deliver {
        /// The receiving chain.
        chain: ChainId,
        /// Deliveries of any sources.
        deliveries: Vec<Canonical<Delivery>>,
    },
    /// From relays: what `chain` has for `peer` after message `after`, and how
    /// far it has received from it. Held open until there is something newer
    /// than the caller knows, at most [`OUTGOING_WAIT_MS_MAX`].
    Outgoing {
        /// The sending chain.
        chain: ChainId,
        /// The receiving chain.
        peer: ChainId,
        /// Last message that the receiving chain has.
        after: u64,
        /// Last acknowledgement of `peer`'s messages that the caller has
        /// delivered to `peer` already.
        acknowledged: u64,
        /// Wait at most this long.
        wait_ms: u64,
    },
    /// From anyone with a role: read.
    Query {
        /// Which chain.
        chain: ChainId,
        /// What.
        query: Query,
    },
    /// From nodes: blocks of the archive, downwards; answered by any replica
    /// with as many as it has without a gap and fit
    /// [`BLOCKS_REPLY_BYTES_MAX`]. The caller believes nothing of it.
    Blocks {
        /// The chain.
        chain: ChainId,
        /// The highest one wanted.
        from: BlockHeight,
        /// The lowest one wanted, at most `from`.
        to: BlockHeight,
    },
}

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeReply {
    /// To [`NodeRequest::Submit`].
    Submitted(Submitted),
    /// To [`NodeRequest::Deliver`]: one result per delivery, the cursor after it.
    Delivered(Vec<Result<u64, String>>),
    /// To [`NodeRequest::Outgoing`].
    Outgoing(Option<Box<Canonical<Delivery>>>),
    /// To [`NodeRequest::Query`].
    Answer(Box<Answer>),
    /// To [`NodeRequest::Blocks`], downwards from the highest; empty if that is
    /// not here.
    Blocks(Vec<ArchivedBlock>),
    /// The request was not carried out, or its outcome is unknown.
    Error(NodeError),
}

/// The outcome of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The chain.
    pub chain: ChainId,
    /// The block.
    pub height: BlockHeight,
    /// Index in the block of the batch's first outcome.
    pub first_index: u32,
    /// One per operation, then one per payment.
    #[serde(with = "canonical::bytes")]
    pub receipts: Vec<Receipt>,
}

/// Why a node did not carry a request out.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum NodeError {
    /// This node has no replica of the chain.
    #[error("chain {0} has no replica here")]
    UnknownChain(ChainId),
    /// This replica does not lead; retry with the same ids at the leader.
    #[error("not the leader of chain {chain}")]
    NotLeader {
        /// The chain.
        chain: ChainId,
        /// Validator index of the leader, if known.
        leader: Option<u16>,
    },
    /// A queue is full; nothing was done.
    #[error("overloaded, retry after {retry_after_ms} ms")]
    Overloaded {
        /// Suggested wait.
        retry_after_ms: u64,
    },
    /// Leadership was lost while the request was under way: it may or may not
    /// take effect. Retry with the same ids.
    #[error("outcome unknown, retry with the same ids")]
    OutcomeUnknown,
    /// The request breaks a rule; retrying will not help.
    #[error("refused: {0}")]
    Refused(String),
    /// The caller's role does not permit the request.
    #[error("role {0} may not do this")]
    Forbidden(String),
    /// The node is stopping or starting.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// A header with its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedHeader {
    /// The header.
    pub header: Header,
    /// The quorum's signatures.
    pub certificate: Certificate,
}

/// A block with all that a replica keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchivedBlock {
    /// The header.
    pub header: Header,
    /// Canonical bytes of the body.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
    /// Canonical bytes of the block's outcomes.
    #[serde(with = "serde_bytes")]
    pub outcomes: Vec<u8>,
    /// The quorum's signatures, if the replica has them.
    pub certificate: Option<Certificate>,
}
