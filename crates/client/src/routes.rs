//! Whether a route table that a router shows can be believed.
//!
//! The genesis fixes the first version. A table of the same version must be
//! that one; an older one is stale. A newer one must at least name only chains
//! of the genesis, each for accounts of its own kind. What a newer version
//! still lacks is a proof against the HF chain's certified state: nothing in
//! this version of the ledger changes the table, so none is made. A wrong
//! table misleads nobody into a wrong execution: a chain refuses what it does
//! not own.

use thiserror::Error;
use tributary_ledger::genesis::{ChainKind, Genesis};
use tributary_routing::RouteTable;
use tributary_types::ChainId;

/// Why a route table is not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RoutesError {
    /// Older than the one that is known.
    #[error("route table version {found} is older than the known version {known}")]
    Stale {
        /// What is known.
        known: u64,
        /// What was shown.
        found: u64,
    },
    /// Another table under the version that is known.
    #[error("route table version {0} differs from the one of the genesis")]
    Forged(u64),
    /// A chain that the genesis does not have, or of the other kind.
    #[error("route table version {version}: chain {chain} is no {expected} chain of the genesis")]
    WrongChain {
        /// Version of the table.
        version: u64,
        /// The chain.
        chain: ChainId,
        /// What it would have to be: `user` or `hf`.
        expected: &'static str,
    },
}

/// Checks a table that a router shows.
///
/// # Errors
/// [`RoutesError`] says what speaks against it.
pub fn check_routes(genesis: &Genesis, shown: &RouteTable) -> Result<(), RoutesError> {
    let known = &genesis.routes;
    let (version, found) = (known.version(), shown.version());
    if found < version {
        return Err(RoutesError::Stale { known: version, found });
    }
    if found == version && shown != known {
        return Err(RoutesError::Forged(found));
    }
    let of_kind = |kind: ChainKind, chains: Vec<ChainId>, expected| {
        let is_kind = |chain| genesis.chain(chain).is_some_and(|spec| spec.kind == kind);
        let wrong = chains.into_iter().find(|chain| !is_kind(*chain));
        wrong.map_or(Ok(()), |chain| {
            Err(RoutesError::WrongChain { version: found, chain, expected })
        })
    };
    of_kind(ChainKind::User, shown.user_chains(), "user")?;
    of_kind(ChainKind::Hf, shown.hf_chains(), "hf")
}
