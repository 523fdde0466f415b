//! The genesis: what fixes a cluster before its first block.
//!
//! Its hash is the identity of the cluster and part of everything that is
//! signed, so a signature made for one cluster means nothing in another. A
//! genesis never changes; what changes later (registry, validator sets) does so
//! by blocks.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_chain::ValidatorSet;
use tributary_chain::certificate::ValidatorSetError;
use tributary_chain::operation::{AssetEntry, InstitutionEntry};
use tributary_routing::RouteTable;
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, encode_list};
use tributary_types::{ChainId, Domain, Hash, PublicKey, TimeMs, canonical};

use crate::limits::{
    CHAINS_MAX, CLUSTER_NAME_BYTES_MAX, ID_WINDOW_MS_MAX, STATEMENTS_UNACKNOWLEDGED_MAX,
    WAITING_REFUNDS_MAX,
};
use crate::registry::{Registry, RegistryError};

/// What a chain holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ChainKind {
    /// User accounts and proxies.
    User = 1,
    /// High-frequency accounts and the registry.
    Hf = 2,
}

impl Encode for ChainKind {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
}

impl Decode for ChainKind {
    const BYTES_MIN: usize = 1;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::decode(reader)? {
            1 => Ok(Self::User),
            2 => Ok(Self::Hf),
            other => Err(DecodeError::Invalid { what: "chain kind", value: u64::from(other) }),
        }
    }
}

/// One chain of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSpec {
    /// Its number.
    pub id: ChainId,
    /// What it holds.
    pub kind: ChainKind,
    /// The keys that sign its headers, in order.
    pub validators: Vec<PublicKey>,
}
canonical!(ChainSpec { id: ChainId, kind: ChainKind, validators: Vec<PublicKey> });

/// Rules that execution follows, equal on all chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Parameters {
    /// Block time between two settlements of a user chain.
    pub settlement_interval_ms: u64,
    /// How far an id's time may lie behind block time.
    pub id_window_back_ms: u64,
    /// How far an id's time may lie ahead of block time.
    pub id_window_ahead_ms: u64,
    /// Most that block time moves in one block.
    pub time_step_ms_max: u64,
    /// Statements without acknowledgement at which a chain stops settling.
    pub statements_unacknowledged_max: u64,
    /// Refunds and payouts of one proxy that may wait for money.
    pub waiting_refunds_max: u64,
}
canonical!(Parameters {
    settlement_interval_ms: u64,
    id_window_back_ms: u64,
    id_window_ahead_ms: u64,
    time_step_ms_max: u64,
    statements_unacknowledged_max: u64,
    waiting_refunds_max: u64,
});

impl Default for Parameters {
    fn default() -> Self {
        Self {
            settlement_interval_ms: 200,
            id_window_back_ms: 600_000,
            id_window_ahead_ms: 60_000,
            time_step_ms_max: 3_600_000,
            statements_unacknowledged_max: 4,
            waiting_refunds_max: 65_536,
        }
    }
}

/// The file that a cluster begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The cluster's name, for people.
    pub cluster: String,
    /// Block time of every chain at height 0.
    pub created: TimeMs,
    /// User chains and exactly one HF chain, ascending by id.
    pub chains: Vec<ChainSpec>,
    /// First entries of the registry.
    pub assets: Vec<AssetEntry>,
    /// First entries of the registry; at least one operator.
    pub institutions: Vec<InstitutionEntry>,
    /// Which chain owns which slots.
    pub routes: RouteTable,
    /// Rules of execution.
    #[serde(default)]
    pub parameters: Parameters,
}

impl Encode for Genesis {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_list(self.cluster.as_bytes(), out);
        self.created.encode(out);
        encode_list(&self.chains, out);
        encode_list(&self.assets, out);
        encode_list(&self.institutions, out);
        self.routes.encode(out);
        self.parameters.encode(out);
    }
}

/// Why a genesis is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GenesisError {
    /// The cluster's name is empty or too long.
    #[error("cluster name has {0} bytes, expected 1 to {CLUSTER_NAME_BYTES_MAX}")]
    ClusterName(usize),
    /// Too many chains.
    #[error("{0} chains, at most {CHAINS_MAX} are allowed")]
    TooManyChains(usize),
    /// Chains are out of order or one is listed twice.
    #[error("chain {found} follows chain {previous}: chains must ascend by id")]
    ChainOrder {
        /// The chain before.
        previous: ChainId,
        /// The chain that should be larger.
        found: ChainId,
    },
    /// There must be exactly one HF chain.
    #[error("{0} HF chains, expected exactly one")]
    HfChains(usize),
    /// A chain's validators are no validator set.
    #[error("chain {chain}: {error}")]
    Validators {
        /// The chain.
        chain: ChainId,
        /// Why.
        error: ValidatorSetError,
    },
    /// The route table names a chain that is not there, or is of the other kind.
    #[error(
        "the route table gives slots of {kind:?} accounts to chain {chain}, which is no such chain"
    )]
    Route {
        /// The chain named.
        chain: ChainId,
        /// The kind that the slots need.
        kind: ChainKind,
    },
    /// The registry's first entries contradict each other.
    #[error("registry: {0}")]
    Registry(#[from] RegistryError),
    /// No operator with a key: nobody could ever change the registry.
    #[error("no institution is an operator with a key")]
    NoOperator,
    /// A parameter outside its bounds.
    #[error("parameter {name} is {found}, allowed is {min} to {max}")]
    Parameter {
        /// Which.
        name: &'static str,
        /// The value given.
        found: u64,
        /// Smallest allowed.
        min: u64,
        /// Largest allowed.
        max: u64,
    },
    /// The genesis has no such chain.
    #[error("the genesis has no chain {0}")]
    UnknownChain(ChainId),
}

impl Genesis {
    /// The cluster's identity: part of every signature.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Domain::Genesis.hash_value(self)
    }

    /// Checks everything that a ledger relies on.
    ///
    /// # Errors
    /// [`GenesisError`] names the first rule that is broken.
    pub fn validate(&self) -> Result<(), GenesisError> {
        let name_bytes = self.cluster.len();
        if !(1..=CLUSTER_NAME_BYTES_MAX).contains(&name_bytes) {
            return Err(GenesisError::ClusterName(name_bytes));
        }
        self.validate_chains()?;
        self.validate_routes()?;
        let registry = Registry::of(&self.assets, &self.institutions)?;
        if !registry.has_operator() {
            return Err(GenesisError::NoOperator);
        }
        self.parameters.validate()
    }

    /// The chain of that number.
    #[must_use]
    pub fn chain(&self, id: ChainId) -> Option<&ChainSpec> {
        self.chains.iter().find(|chain| chain.id == id)
    }

    /// The HF chain; chain 0 in a genesis that [`Genesis::validate`] refuses
    /// because it has none.
    #[must_use]
    pub fn hf_chain(&self) -> ChainId {
        let hf = self.chains.iter().find(|chain| chain.kind == ChainKind::Hf);
        hf.map_or(ChainId::default(), |chain| chain.id)
    }

    /// The first validator set of a chain.
    #[must_use]
    pub fn validator_set(&self, id: ChainId) -> Option<ValidatorSet> {
        ValidatorSet::new(0, self.chain(id)?.validators.clone()).ok()
    }

    fn validate_chains(&self) -> Result<(), GenesisError> {
        if self.chains.len() > CHAINS_MAX {
            return Err(GenesisError::TooManyChains(self.chains.len()));
        }
        for pair in self.chains.windows(2) {
            if pair[0].id >= pair[1].id {
                return Err(GenesisError::ChainOrder { previous: pair[0].id, found: pair[1].id });
            }
        }
        let hf_chains = self.chains.iter().filter(|chain| chain.kind == ChainKind::Hf).count();
        if hf_chains != 1 {
            return Err(GenesisError::HfChains(hf_chains));
        }
        for chain in &self.chains {
            ValidatorSet::new(0, chain.validators.clone())
                .and_then(|set| set.check_keys())
                .map_err(|error| GenesisError::Validators { chain: chain.id, error })?;
        }
        Ok(())
    }

    fn validate_routes(&self) -> Result<(), GenesisError> {
        let of_kind = |kind| -> BTreeSet<ChainId> {
            self.chains.iter().filter(|chain| chain.kind == kind).map(|chain| chain.id).collect()
        };
        let check = |named: Vec<ChainId>, kind| {
            let known = of_kind(kind);
            match named.into_iter().find(|chain| !known.contains(chain)) {
                Some(chain) => Err(GenesisError::Route { chain, kind }),
                None => Ok(()),
            }
        };
        check(self.routes.user_chains(), ChainKind::User)?;
        check(self.routes.hf_chains(), ChainKind::Hf)
    }
}

impl Parameters {
    fn validate(&self) -> Result<(), GenesisError> {
        let bounds = [
            ("settlement_interval_ms", self.settlement_interval_ms, 1, ID_WINDOW_MS_MAX),
            ("id_window_back_ms", self.id_window_back_ms, 1, ID_WINDOW_MS_MAX),
            ("id_window_ahead_ms", self.id_window_ahead_ms, 0, ID_WINDOW_MS_MAX),
            ("time_step_ms_max", self.time_step_ms_max, 1, u64::MAX),
            (
                "statements_unacknowledged_max",
                self.statements_unacknowledged_max,
                1,
                STATEMENTS_UNACKNOWLEDGED_MAX,
            ),
            ("waiting_refunds_max", self.waiting_refunds_max, 0, WAITING_REFUNDS_MAX),
        ];
        for (name, found, min, max) in bounds {
            if !(min..=max).contains(&found) {
                return Err(GenesisError::Parameter { name, found, min, max });
            }
        }
        Ok(())
    }
}
