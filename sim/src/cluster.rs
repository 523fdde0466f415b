//! What is fixed before the first block: keys, genesis, and which node hosts
//! which replicas.

use std::collections::BTreeMap;

use tributary_chain::ValidatorSet;
use tributary_chain::operation::{AssetEntry, InstitutionEntry};
use tributary_ledger::{ChainKind, ChainSpec, Genesis};
use tributary_replica::ReplicaConfig;
use tributary_routing::RouteTable;
use tributary_types::{AssetId, ChainId, Hash, InstitutionId, SigningKey};

use crate::clock::START;
use crate::scenario::Scenario;

/// The asset of almost everything.
pub const POUND: AssetId = AssetId::new(1);
/// Another one.
pub const EURO: AssetId = AssetId::new(2);
/// The operator, which sponsors most accounts.
pub const BANK: InstitutionId = InstitutionId::new(7);
/// Another institution.
pub const SHOPS: InstitutionId = InstitutionId::new(8);

/// See the module head.
#[derive(Debug)]
pub struct Cluster {
    /// The genesis.
    pub genesis: Genesis,
    /// Its hash.
    pub hash: Hash,
    /// The HF chain.
    pub hf: ChainId,
    /// All user chains, ascending.
    pub users: Vec<ChainId>,
    /// All chains, ascending.
    pub chains: Vec<ChainId>,
    /// Which node hosts which validator of which chain.
    homes: BTreeMap<(ChainId, u16), u16>,
    /// What each node hosts.
    nodes: Vec<Vec<(ChainId, u16)>>,
    sets: BTreeMap<ChainId, ValidatorSet>,
    replicas: u16,
}

/// The key of a validator.
#[must_use]
pub fn validator_key(chain: ChainId, validator: u16) -> SigningKey {
    key(1, u32::from(chain.get()), validator)
}

/// The other one of the two institutions.
#[must_use]
pub fn other_institution(than: InstitutionId) -> InstitutionId {
    if than == BANK { SHOPS } else { BANK }
}

/// The `number`th key of an institution; the first is in the genesis.
#[must_use]
pub fn institution_key(institution: InstitutionId, number: u16) -> SigningKey {
    key(2, institution.get(), number)
}

/// The key of the owner of an account.
#[must_use]
pub fn owner_key(number: u32) -> SigningKey {
    key(3, number, 0)
}

/// A key that nobody registered.
#[must_use]
pub fn strangers_key(number: u32) -> SigningKey {
    key(4, number, 0)
}

fn key(purpose: u8, number: u32, part: u16) -> SigningKey {
    let mut seed = [purpose; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    seed[4..6].copy_from_slice(&part.to_le_bytes());
    SigningKey::from_seed(seed)
}

impl Cluster {
    /// The cluster of a scenario.
    ///
    /// # Errors
    /// What is wrong with the scenario.
    pub fn new(scenario: &Scenario) -> Result<Self, String> {
        let users: Vec<_> = (1..=scenario.user_chains()).map(ChainId::new).collect();
        let hf = ChainId::new(scenario.chains);
        let chains: Vec<_> = users.iter().copied().chain([hf]).collect();
        let spec = |id: &ChainId| ChainSpec {
            id: *id,
            kind: if *id == hf { ChainKind::Hf } else { ChainKind::User },
            validators: (0..scenario.replicas)
                .map(|index| validator_key(*id, index).public())
                .collect(),
        };
        let genesis = Genesis {
            cluster: format!("simulation {}", scenario.seed),
            created: START,
            chains: chains.iter().map(spec).collect(),
            assets: vec![asset(POUND, "GBP")?, asset(EURO, "EUR")?],
            institutions: vec![
                institution(BANK, "bank", true)?,
                institution(SHOPS, "shops", false)?,
            ],
            routes: RouteTable::even(3, &users, hf).map_err(|error| error.to_string())?,
            parameters: scenario.parameters,
        };
        genesis.validate().map_err(|error| error.to_string())?;
        let mut nodes: Vec<Vec<(ChainId, u16)>> = Vec::new();
        for chain in &chains {
            for validator in 0..scenario.replicas {
                match nodes.get_mut(usize::from(validator)) {
                    Some(node) if scenario.shared_nodes => node.push((*chain, validator)),
                    _ => nodes.push(vec![(*chain, validator)]),
                }
            }
        }
        let homes = (0..)
            .zip(&nodes)
            .flat_map(|(node, hosted)| hosted.iter().map(move |replica| (*replica, node)))
            .collect();
        let set = |chain: &ChainId| Some((*chain, genesis.validator_set(*chain)?));
        let sets = chains.iter().filter_map(set).collect();
        let (hash, replicas) = (genesis.hash(), scenario.replicas);
        Ok(Self { genesis, hash, hf, users, chains, homes, nodes, sets, replicas })
    }

    /// Which node hosts a validator; the first one for what is unknown.
    #[must_use]
    pub fn home(&self, chain: ChainId, validator: u16) -> u16 {
        self.homes.get(&(chain, validator)).copied().unwrap_or(0)
    }

    /// What a node hosts: chains and the validators' indices there.
    #[must_use]
    pub fn hosted(&self, node: u16) -> &[(ChainId, u16)] {
        self.nodes.get(usize::from(node)).map_or(&[], Vec::as_slice)
    }

    /// Number of nodes.
    #[must_use]
    pub fn node_count(&self) -> u16 {
        u16::try_from(self.nodes.len()).unwrap_or(u16::MAX)
    }

    /// Replicas of each chain.
    #[must_use]
    pub const fn replicas(&self) -> u16 {
        self.replicas
    }

    /// A chain's validators.
    #[must_use]
    pub fn set(&self, chain: ChainId) -> Option<&ValidatorSet> {
        self.sets.get(&chain)
    }

    /// How many members of a set may fail while the others go on.
    #[must_use]
    pub const fn spare(&self) -> u16 {
        (self.replicas - 1) / 2
    }

    /// All ordered pairs of chains.
    pub fn channels(&self) -> impl Iterator<Item = (ChainId, ChainId)> + '_ {
        let pairs =
            self.chains.iter().flat_map(|from| self.chains.iter().map(move |to| (*from, *to)));
        pairs.filter(|(from, to)| from != to)
    }

    /// The settings of a replica.
    #[must_use]
    pub fn replica_config(
        &self,
        scenario: &Scenario,
        chain: ChainId,
        validator: u16,
    ) -> ReplicaConfig {
        ReplicaConfig {
            tick_ms: scenario.tick_ms,
            election_ticks: scenario.election_ticks,
            limits: scenario.limits,
            ..ReplicaConfig::new(chain, validator, validator_key(chain, validator))
        }
    }
}

fn asset(id: AssetId, code: &str) -> Result<AssetEntry, String> {
    let code = code.parse().map_err(|_| format!("{code} is no asset code"))?;
    Ok(AssetEntry { id, code, scale: 2 })
}

fn institution(id: InstitutionId, name: &str, operator: bool) -> Result<InstitutionEntry, String> {
    let name = name.parse().map_err(|_| format!("{name} is no name"))?;
    Ok(InstitutionEntry { id, name, keys: vec![institution_key(id, 0).public()], operator })
}
