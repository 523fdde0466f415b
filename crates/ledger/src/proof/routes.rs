//! The route table as a quorum of the HF chain certified it, and when a table
//! that somebody shows replaces the one that is known.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_chain::{Certificate, Header};
use tributary_routing::RouteTable;

use super::{ProofError, read_canonical, verify_descent, verify_state, write_canonical};
use crate::genesis::Genesis;
use crate::roots::StateParts;

/// Everything of a [`RoutesProof`] that the ledger has; headers and certificate
/// are the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutesProofParts {
    /// What `state_root` is made of.
    pub parts: StateParts,
    /// The table that the chain goes by.
    pub routes: RouteTable,
}

/// The route table as of one certified block of the HF chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutesProof {
    /// The header whose `state_root` commits to the table.
    pub header: Header,
    /// The headers after it up to the one that the quorum signed; none if that
    /// is itself.
    pub descendants: Vec<Header>,
    /// The quorum's signatures over the last of these headers.
    pub certificate: Certificate,
    /// What `state_root` is made of.
    pub parts: StateParts,
    /// The table.
    pub routes: RouteTable,
}

/// Why a route table does not replace the one that is known.
#[derive(Debug, Error)]
pub enum RoutesError {
    /// It is not proved.
    #[error("the route table is not proved: {0}")]
    Proof(#[from] ProofError),
    /// Older than the one that is known.
    #[error("route table version {found} is older than the known version {known}")]
    Stale {
        /// What is known.
        known: u64,
        /// What was shown.
        found: u64,
    },
    /// Another table under the version that is known.
    #[error("route table version {0} differs from the known one of that version")]
    Forged(u64),
}

impl RoutesProofParts {
    /// Adds what only the host has. `header` must be the one that the ledger
    /// stood at.
    #[must_use]
    pub fn certified(
        self,
        header: Header,
        descendants: Vec<Header>,
        certificate: Certificate,
    ) -> RoutesProof {
        let Self { parts, routes } = self;
        RoutesProof { header, descendants, certificate, parts, routes }
    }
}

impl RoutesProof {
    /// The table, if everything holds, from its hash up to the registered
    /// validators of the HF chain. Whether a later table exists, no proof says.
    ///
    /// # Errors
    /// [`ProofError`] names the first link that does not hold.
    pub fn verify(&self, genesis: &Genesis) -> Result<&RouteTable, ProofError> {
        let (expected, found) = (genesis.hf_chain(), self.header.chain);
        if expected != found {
            return Err(ProofError::WrongChain { expected, found });
        }
        verify_descent(genesis, &self.header, &self.descendants, &self.certificate)?;
        verify_state(&self.header, &self.parts)?;
        let (expected, found) = (self.parts.routes, self.routes.hash());
        if expected == found {
            Ok(&self.routes)
        } else {
            Err(ProofError::Routes { expected, found })
        }
    }

    /// The table, if it is proved and is `known` itself or a later one. Whoever
    /// follows tables starts with that of the genesis and so never goes back.
    ///
    /// # Errors
    /// [`RoutesError`] says what speaks against it.
    pub fn verify_after(
        &self,
        genesis: &Genesis,
        known: &RouteTable,
    ) -> Result<&RouteTable, RoutesError> {
        let shown = self.verify(genesis)?;
        let (known_version, found) = (known.version(), shown.version());
        if found < known_version {
            return Err(RoutesError::Stale { known: known_version, found });
        }
        if found == known_version && shown != known {
            return Err(RoutesError::Forged(found));
        }
        Ok(shown)
    }

    /// Reads the JSON that [`RoutesProof::to_json`] writes.
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
