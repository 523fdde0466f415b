//! Proofs that anyone can check offline, against the genesis alone.
//!
//! A [`StateProof`] shows an account, proxy or merchant as it stood after one
//! block; an [`OutcomeProof`] shows what became of a payment or operation; a
//! [`RoutesProof`] shows the route table. All hang on a header that a quorum of
//! the chain's validators signed. Their JSON has one form: reading refuses any
//! other, so every byte matters.

mod routes;

pub use routes::{RoutesError, RoutesProof, RoutesProofParts};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_chain::certificate::DescentError;
use tributary_chain::merkle::{MerklePath, TreeCommitment};
use tributary_chain::{Body, Certificate, CertificateError, Header, Operation};
use tributary_types::payment::Payment;
use tributary_types::{ChainId, Hash, PaymentRecord, Position, Receipt};

use crate::genesis::Genesis;
use crate::outcome::{BlockOutcomes, Subject, outcome_leaf, receipts_root};
use crate::roots::StateParts;
use crate::row::Row;
use crate::{account::Account, merchant::Merchant, proxy::Proxy};

/// One row of a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProvedLeaf {
    /// A user, issuer or control account.
    Account(Account),
    /// A merchant's proxy on a user chain.
    Proxy(Proxy),
    /// A merchant on the HF chain.
    Merchant(Box<Merchant>),
}

/// Everything of a [`StateProof`] that the ledger has; headers and certificate
/// are the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateProofParts {
    /// What `state_root` is made of.
    pub parts: StateParts,
    /// The row.
    pub leaf: ProvedLeaf,
    /// Its place in its tree.
    pub path: MerklePath,
}

/// An account, proxy or merchant as of one certified block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateProof {
    /// The header whose `state_root` commits to the row.
    pub header: Header,
    /// The headers after it up to the one that the quorum signed; none if that
    /// is itself.
    pub descendants: Vec<Header>,
    /// The quorum's signatures over the last of these headers.
    pub certificate: Certificate,
    /// What `state_root` is made of.
    pub parts: StateParts,
    /// The row.
    pub leaf: ProvedLeaf,
    /// Its place in its tree.
    pub path: MerklePath,
}

/// What an [`OutcomeProof`] is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeSubject {
    /// A payment.
    #[serde(with = "payment_fields")]
    Payment(PaymentRecord),
    /// An operation.
    Operation(Operation),
}

/// What became of a payment or operation in one certified block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeProof {
    /// The header whose `receipts_root` commits to the outcome.
    pub header: Header,
    /// The headers after it up to the one that the quorum signed; none if that
    /// is itself.
    pub descendants: Vec<Header>,
    /// The quorum's signatures over the last of these headers.
    pub certificate: Certificate,
    /// What was asked.
    pub subject: OutcomeSubject,
    /// What became of it.
    pub receipt: Receipt,
    /// The receipts tree.
    pub tree: TreeCommitment,
    /// The outcome's place in it.
    pub path: MerklePath,
}

/// Why a proof does not hold.
#[derive(Debug, Error)]
pub enum ProofError {
    /// The text is no proof.
    #[error("not a proof: {0}")]
    Json(#[from] serde_json::Error),
    /// The text says the same in another form.
    #[error("the proof is not in its one canonical form")]
    NotCanonical,
    /// The genesis has no such chain.
    #[error("the genesis has no chain {0}")]
    UnknownChain(ChainId),
    /// The quorum's signatures do not hold.
    #[error("certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The headers do not lead to the signed one.
    #[error("{0}")]
    Descent(DescentError),
    /// The header commits to another state.
    #[error("state root of the parts is {found}, the certified one is {expected}")]
    StateRoot {
        /// In the header.
        expected: Hash,
        /// Of the parts shown.
        found: Hash,
    },
    /// The header is of a chain that does not decide this.
    #[error("the header is of chain {found}, expected chain {expected}")]
    WrongChain {
        /// The chain that decides.
        expected: ChainId,
        /// What the header names.
        found: ChainId,
    },
    /// The state commits to another route table.
    #[error("the route table's hash is {found}, the certified one is {expected}")]
    Routes {
        /// In the parts of the state.
        expected: Hash,
        /// Of the table shown.
        found: Hash,
    },
    /// The header commits to other outcomes.
    #[error("receipts root of the tree is {found}, the certified one is {expected}")]
    ReceiptsRoot {
        /// In the header.
        expected: Hash,
        /// Of the tree shown.
        found: Hash,
    },
    /// The receipt repeats another outcome: a chain compares 56 bits of what it
    /// repeats, and whoever made both contents can make those fit.
    #[error("a replay proves nothing of its own: ask for a proof of the outcome at {first:?}")]
    Replay {
        /// Where the outcome stands that was executed.
        first: Position,
    },
    /// The row or outcome is not at that place of the tree.
    #[error("the path does not lead from the leaf to the root")]
    Path,
}

impl StateProofParts {
    /// Adds what only the host has. `header` must be the one that the ledger
    /// stood at.
    #[must_use]
    pub fn certified(
        self,
        header: Header,
        descendants: Vec<Header>,
        certificate: Certificate,
    ) -> StateProof {
        let Self { parts, leaf, path } = self;
        StateProof { header, descendants, certificate, parts, leaf, path }
    }
}

impl StateProof {
    /// Checks everything, from the leaf up to the registered validators.
    ///
    /// # Errors
    /// [`ProofError`] names the first link that does not hold.
    pub fn verify(&self, genesis: &Genesis) -> Result<(), ProofError> {
        verify_descent(genesis, &self.header, &self.descendants, &self.certificate)?;
        verify_state(&self.header, &self.parts)?;
        let (leaf, tree) = match &self.leaf {
            ProvedLeaf::Account(account) => (account.leaf_hash(), &self.parts.accounts),
            ProvedLeaf::Proxy(proxy) => (proxy.leaf_hash(), &self.parts.proxies),
            ProvedLeaf::Merchant(merchant) => (merchant.leaf_hash(), &self.parts.merchants),
        };
        if self.path.proves(&leaf, tree) { Ok(()) } else { Err(ProofError::Path) }
    }

    /// Reads the JSON that [`StateProof::to_json`] writes.
    ///
    /// # Errors
    /// [`ProofError::Json`] or [`ProofError::NotCanonical`]; what it says is not
    /// verified yet.
    pub fn from_json(text: &str) -> Result<Self, ProofError> {
        read_canonical(text)
    }

    /// The proof as JSON, in its one form.
    ///
    /// # Errors
    /// [`ProofError::Json`] for a proof that no ledger made.
    pub fn to_json(&self) -> Result<String, ProofError> {
        write_canonical(self)
    }
}

impl OutcomeProof {
    /// The proof of the outcome at `index` of a block, or `None` if there is no
    /// such outcome. `header`, `body` and `outcomes` must be of the same block.
    #[must_use]
    pub fn from_block(
        header: Header,
        descendants: Vec<Header>,
        certificate: Certificate,
        body: &Body,
        outcomes: &BlockOutcomes,
        index: u32,
    ) -> Option<Self> {
        let (subject, receipt) = outcomes.get(body, index)?;
        let subject = match subject {
            Subject::Payment(record) => OutcomeSubject::Payment(*record),
            Subject::Operation(operation) => OutcomeSubject::Operation(operation.clone()),
        };
        let tree = outcomes.tree(body);
        let path = tree.path(index)?;
        let tree = tree.commitment();
        let receipt = *receipt;
        Some(Self { header, descendants, certificate, subject, receipt, tree, path })
    }

    /// Checks everything, from the leaf up to the registered validators. A replay
    /// is no proof, whoever signed it (see [`Receipt::replay`]).
    ///
    /// # Errors
    /// [`ProofError`] names the first link that does not hold.
    pub fn verify(&self, genesis: &Genesis) -> Result<(), ProofError> {
        if self.receipt.replay {
            let first = self.receipt.first().unwrap_or_default();
            return Err(ProofError::Replay { first });
        }
        verify_descent(genesis, &self.header, &self.descendants, &self.certificate)?;
        let (expected, found) = (self.header.receipts_root, receipts_root(&self.tree));
        if expected != found {
            return Err(ProofError::ReceiptsRoot { expected, found });
        }
        let subject = match &self.subject {
            OutcomeSubject::Payment(record) => Subject::Payment(record),
            OutcomeSubject::Operation(operation) => Subject::Operation(operation),
        };
        let leaf = outcome_leaf(subject, &self.receipt);
        if self.path.proves(&leaf, &self.tree) { Ok(()) } else { Err(ProofError::Path) }
    }

    /// Reads the JSON that [`OutcomeProof::to_json`] writes.
    ///
    /// # Errors
    /// [`ProofError::Json`] or [`ProofError::NotCanonical`]; what it says is not
    /// verified yet.
    pub fn from_json(text: &str) -> Result<Self, ProofError> {
        read_canonical(text)
    }

    /// The proof as JSON, in its one form.
    ///
    /// # Errors
    /// [`ProofError::Json`] for a proof that no ledger made: a malformed record
    /// has no fields to show.
    pub fn to_json(&self) -> Result<String, ProofError> {
        write_canonical(self)
    }
}

/// Checks that the chain's quorum signed the header or a descendant of it.
fn verify_descent(
    genesis: &Genesis,
    header: &Header,
    descendants: &[Header],
    certificate: &Certificate,
) -> Result<(), ProofError> {
    let set = genesis.validator_set(header.chain).ok_or(ProofError::UnknownChain(header.chain))?;
    let descent = certificate.verify_descent(&genesis.hash(), header, descendants, &set);
    descent.map_err(|error| match error {
        DescentError::Certificate(error) => ProofError::Certificate(error),
        error => ProofError::Descent(error),
    })
}

/// Checks that a header commits to these parts.
fn verify_state(header: &Header, parts: &StateParts) -> Result<(), ProofError> {
    let (expected, found) = (header.state_root, parts.root());
    if expected == found { Ok(()) } else { Err(ProofError::StateRoot { expected, found }) }
}

fn write_canonical(proof: &impl Serialize) -> Result<String, ProofError> {
    let mut text = serde_json::to_string_pretty(proof)?;
    text.push('\n');
    Ok(text)
}

fn read_canonical<T: Serialize + DeserializeOwned>(text: &str) -> Result<T, ProofError> {
    let proof: T = serde_json::from_str(text)?;
    if write_canonical(&proof)? == text { Ok(proof) } else { Err(ProofError::NotCanonical) }
}

/// A record as its fields: people read proofs.
mod payment_fields {
    use super::{Payment, PaymentRecord};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(
        record: &PaymentRecord,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        record.parse().map_err(serde::ser::Error::custom)?.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PaymentRecord, D::Error> {
        Payment::deserialize(deserializer).map(|payment| PaymentRecord::from(&payment))
    }
}
