//! Why a verb of the client fails.

use thiserror::Error;
use tributary_ledger::books::BooksError;
use tributary_ledger::proof::RoutesError;
use tributary_transport::Identity;
use tributary_types::{AccountName, ChainId, Hash, OutcomeCode, PaymentId};

/// The client could not join the cluster.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// No router is configured.
    #[error("no router is configured")]
    NoRouter,
    /// Routers answer front-ends of an institution only.
    #[error("the certificate is of {0}, which is no front-end of an institution")]
    NoFrontEnd(Identity),
    /// The client's own endpoint does not open.
    #[error("cannot open a local endpoint: {0}")]
    Endpoint(String),
    /// No router answered.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The router belongs to a cluster with another genesis.
    #[error("the router's cluster is {found}, the genesis is of {expected}")]
    OtherCluster {
        /// Hash of the genesis that the client has.
        expected: Hash,
        /// What the router says.
        found: Hash,
    },
    /// The router's routes cannot be believed.
    #[error(transparent)]
    Routes(#[from] RoutesError),
}

/// A question got no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AskError {
    /// No router answered in time.
    #[error("no router answered within {waited_ms} ms (last: {last})")]
    Unreachable {
        /// How long it was tried.
        waited_ms: u64,
        /// What the last attempt ended with.
        last: String,
    },
    /// The router or the chain does not take the question.
    #[error("refused: {0}")]
    Refused(String),
    /// The answer does not belong to the question: a faulty router or node.
    #[error("asked for {asked}, got another kind of answer")]
    OtherAnswer {
        /// What was asked.
        asked: &'static str,
    },
}

/// An account that is meant by name cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResolveError {
    /// No chain knows an account of this name.
    #[error("there is no account named {0}")]
    Unknown(AccountName),
    /// The question failed.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// Waiting for messages between chains ended without them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettledError {
    /// The deadline passed first.
    #[error("chain {chain} is not done after {waited_ms} ms: {missing}")]
    Deadline {
        /// The user chain that is waited for.
        chain: ChainId,
        /// How long was waited.
        waited_ms: u64,
        /// What was still missing.
        missing: String,
    },
    /// A question failed.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// A payment did not become final.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FinalError {
    /// The deadline passed first.
    #[error("payment {id} on chain {chain} is still {code} after {waited_ms} ms")]
    Deadline {
        /// Which.
        id: PaymentId,
        /// Where.
        chain: ChainId,
        /// What it waits for.
        code: OutcomeCode,
        /// How long was waited.
        waited_ms: u64,
    },
    /// The chain has no outcome of it.
    #[error("chain {chain} knows no payment {id}")]
    Unknown {
        /// Which.
        id: PaymentId,
        /// Where.
        chain: ChainId,
    },
    /// A question failed.
    #[error(transparent)]
    Ask(#[from] AskError),
}

/// The books could not be read or do not balance.
#[derive(Debug, Error)]
pub enum CheckBooksError {
    /// A question failed.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// They do not balance.
    #[error(transparent)]
    Books(#[from] BooksError),
}
