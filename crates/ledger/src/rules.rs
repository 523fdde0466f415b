//! What the genesis fixes for one chain.

use tributary_chain::ValidatorSet;
use tributary_routing::RouteTable;
use tributary_types::{ChainId, Hash};

use crate::genesis::{ChainKind, Genesis, GenesisError, Parameters};

/// The rules that a chain executes by. They never change.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// The cluster's identity.
    pub(crate) cluster: Hash,
    pub(crate) chain: ChainId,
    pub(crate) kind: ChainKind,
    pub(crate) hf_chain: ChainId,
    /// All user chains, ascending.
    pub(crate) user_chains: Vec<ChainId>,
    /// Who signs this chain's headers.
    pub(crate) validators: ValidatorSet,
    pub(crate) routes: RouteTable,
    /// Of `routes`.
    pub(crate) routes_hash: Hash,
    pub(crate) parameters: Parameters,
}

impl Rules {
    /// The rules of one chain of a valid genesis.
    pub(crate) fn of(genesis: &Genesis, chain: ChainId) -> Result<Self, GenesisError> {
        genesis.validate()?;
        let unknown = GenesisError::UnknownChain(chain);
        let spec = genesis.chain(chain).ok_or_else(|| unknown.clone())?;
        let users = genesis.chains.iter().filter(|other| other.kind == ChainKind::User);
        Ok(Self {
            cluster: genesis.hash(),
            chain,
            kind: spec.kind,
            hf_chain: genesis.hf_chain(),
            user_chains: users.map(|user| user.id).collect(),
            validators: genesis.validator_set(chain).ok_or(unknown)?,
            routes: genesis.routes.clone(),
            routes_hash: genesis.routes.hash(),
            parameters: genesis.parameters,
        })
    }
}
