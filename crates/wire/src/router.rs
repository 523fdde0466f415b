//! Front-ends to routers. The caller's institution is the one in its
//! certificate; a router signs for that institution.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_chain::{Batch, Operation, batch::OwnerSignature};
use tributary_ledger::proof::RoutesProof;
use tributary_types::{ChainId, Hash, PaymentRecord, Position, Receipt, canonical};

use crate::canonical::Canonical;
use crate::outcomes;
use crate::query::{Answer, Query};

/// Most payments of one request; any mix of chains.
pub const REQUEST_PAYMENTS_MAX: usize = 8_192;
/// Most operations of one request.
pub const REQUEST_OPERATIONS_MAX: usize = 4_096;

/// What a front-end asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouterRequest {
    /// Who are you: cluster, routes. The caller verifies the routes' proof.
    Hello,
    /// Execute payments; answered when each is final (or pending) on its chain.
    Pay {
        /// In order; payments of one payer keep this order.
        payments: Canonical<Vec<PaymentRecord>>,
        /// Ascending by payment.
        owner_signatures: Canonical<Vec<OwnerSignature>>,
    },
    /// Execute operations.
    Operate(Canonical<Vec<Operation>>),
    /// Pass on a batch that the caller signed itself, unchanged.
    Forward(Canonical<Batch>),
    /// Read from one chain.
    Query {
        /// Which.
        chain: ChainId,
        /// What.
        query: Query,
    },
    /// The state of every replica that the router knows.
    Cluster,
}

/// What a router answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouterReply {
    /// To [`RouterRequest::Hello`].
    Hello {
        /// Hash of the genesis.
        cluster: Hash,
        /// The route table that the router goes by; `None` while that is the
        /// genesis' own and not proved yet.
        routes: Option<Box<RoutesProof>>,
    },
    /// To `Pay`, `Operate`, `Forward`: one result per item, in order.
    Outcomes(#[serde(with = "outcomes")] Vec<Result<Outcome, RouterError>>),
    /// To `Query`.
    Answer(Box<Answer>),
    /// To `Cluster`: chain, validator and what it said of itself.
    Cluster(Vec<(ChainId, u16, Option<Answer>)>),
    /// The whole request failed.
    Error(RouterError),
}

/// What became of one payment or operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Where it executed.
    pub chain: ChainId,
    /// Where the outcome stands in that chain.
    pub position: Position,
    /// The receipt.
    pub receipt: Receipt,
}
canonical!(Outcome { chain: ChainId, position: Position, receipt: Receipt });

/// Why the router has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum RouterError {
    /// The institution's quota or a queue is full; nothing was done.
    #[error("overloaded, retry after {retry_after_ms} ms")]
    Overloaded {
        /// Suggested wait.
        retry_after_ms: u64,
    },
    /// The item breaks a rule of shape; nothing was done.
    #[error("{field}: {rule}")]
    Malformed {
        /// Which field.
        field: String,
        /// The value and the rule it breaks.
        rule: String,
    },
    /// No answer within the router's patience: it may or may not have taken
    /// effect. Retry with the same ids.
    #[error("outcome unknown, retry with the same ids: {0}")]
    OutcomeUnknown(String),
    /// Retrying will not help.
    #[error("refused: {0}")]
    Refused(String),
}
