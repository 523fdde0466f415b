//! What every process of a cluster starts from, read and checked against each
//! other: genesis, topology, the node's own configuration.

use std::path::Path;

use thiserror::Error;
use tributary_ledger::{ChainKind, Genesis};
use tributary_service::keys::{KeyError, read_signing_key};
use tributary_service::topology::{NodeEntry, NodeRole, ReplicaPlace, Topology, TopologyError};
use tributary_types::{ChainId, Hash, SigningKey};

use crate::config::NodeConfig;

/// Why the files do not make a node. One sentence each.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// The genesis file cannot be read.
    #[error("genesis {path}: {reason}")]
    Genesis {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The topology cannot be used.
    #[error("{0}")]
    Topology(#[from] TopologyError),
    /// A key file cannot be used.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// The topology does not know the node.
    #[error("topology: there is no node named {0}")]
    UnknownNode(String),
    /// The binary hosts other chains than the topology gives the node.
    #[error("topology: node {name} is a {found}, this program is a {expected}")]
    WrongRole {
        /// The node.
        name: String,
        /// The program's role.
        expected: NodeRole,
        /// The topology's word.
        found: NodeRole,
    },
    /// Configuration and topology give the node different replicas.
    #[error("node {name}: configured are replicas {configured}, topology has {placed}")]
    OtherReplicas {
        /// The node.
        name: String,
        /// As `chain/validator`.
        configured: String,
        /// As `chain/validator`.
        placed: String,
    },
    /// The topology names a chain that the genesis lacks.
    #[error("topology: chain {0} is not in the genesis")]
    UnknownChain(ChainId),
    /// The topology names a validator that the genesis lacks.
    #[error("topology: chain {chain} has {count} validators, there is no number {validator}")]
    UnknownValidator {
        /// The chain.
        chain: ChainId,
        /// The number.
        validator: u16,
        /// Validators in the genesis.
        count: usize,
    },
    /// A validator that no node hosts.
    #[error("topology: validator {validator} of chain {chain} is at no node")]
    Homeless {
        /// The chain.
        chain: ChainId,
        /// The validator.
        validator: u16,
    },
    /// A node hosts a chain of the other kind.
    #[error("node {name} is a {role} and cannot host chain {chain}")]
    WrongKind {
        /// The node.
        name: String,
        /// Its role.
        role: NodeRole,
        /// The chain.
        chain: ChainId,
    },
}

/// The cluster, and this node in it.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// What everything began with.
    pub genesis: Genesis,
    /// Hash of the genesis: in every signature.
    pub hash: Hash,
    /// Who is where.
    pub topology: Topology,
}

/// A replica to host.
#[derive(Debug, Clone)]
pub struct HostedReplica {
    /// Which one.
    pub place: ReplicaPlace,
    /// Signs its headers.
    pub key: SigningKey,
}

impl Cluster {
    /// Reads genesis and topology and checks that they fit.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn load(genesis: &Path, topology: &Path) -> Result<Self, ClusterError> {
        let genesis = load_genesis(genesis)?;
        let topology = Topology::load(topology)?;
        check_places(&genesis, &topology)?;
        Ok(Self { hash: genesis.hash(), genesis, topology })
    }

    /// The configured node, checked against its place in the topology.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn node(
        &self,
        config: &NodeConfig,
        role: NodeRole,
    ) -> Result<(NodeEntry, Vec<HostedReplica>), ClusterError> {
        let name = config.name.clone();
        let unknown = || ClusterError::UnknownNode(name.clone());
        let node = self.topology.node(&config.name).ok_or_else(unknown)?;
        if node.role != role {
            return Err(ClusterError::WrongRole { name, expected: role, found: node.role });
        }
        let place = |chain, validator| ReplicaPlace { chain, validator };
        let configured: Vec<_> =
            config.replicas.iter().map(|r| place(r.chain, r.validator)).collect();
        if !same_places(&configured, &node.replicas) {
            let (configured, placed) = (show(&configured), show(&node.replicas));
            return Err(ClusterError::OtherReplicas { name, configured, placed });
        }
        let hosted = config.replicas.iter().map(|replica| {
            let key = read_signing_key(&replica.key)?;
            Ok(HostedReplica { place: place(replica.chain, replica.validator), key })
        });
        Ok((node.clone(), hosted.collect::<Result<_, KeyError>>()?))
    }
}

/// Reads and checks a genesis file.
///
/// # Errors
/// [`ClusterError::Genesis`].
pub fn load_genesis(path: &Path) -> Result<Genesis, ClusterError> {
    let failed =
        |reason: String| ClusterError::Genesis { path: path.display().to_string(), reason };
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let genesis: Genesis =
        serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    genesis.validate().map_err(|error| failed(error.to_string()))?;
    Ok(genesis)
}

/// Every placed replica exists, every existing one is placed, and user and HF
/// chains are at nodes of their role.
fn check_places(genesis: &Genesis, topology: &Topology) -> Result<(), ClusterError> {
    for node in &topology.nodes {
        for place in &node.replicas {
            let (chain, validator) = (place.chain, place.validator);
            let spec = genesis.chain(chain).ok_or(ClusterError::UnknownChain(chain))?;
            let count = spec.validators.len();
            if usize::from(validator) >= count {
                return Err(ClusterError::UnknownValidator { chain, validator, count });
            }
            let hosts = match spec.kind {
                ChainKind::User => NodeRole::ShardNode,
                ChainKind::Hf => NodeRole::HfAggregator,
            };
            if node.role != hosts {
                let (name, role) = (node.name.clone(), node.role);
                return Err(ClusterError::WrongKind { name, role, chain });
            }
        }
    }
    for spec in &genesis.chains {
        let validators = (0..u16::MAX).take(spec.validators.len());
        let mut homeless = validators.filter(|v| topology.node_of(spec.id, *v).is_none());
        if let Some(validator) = homeless.next() {
            return Err(ClusterError::Homeless { chain: spec.id, validator });
        }
    }
    Ok(())
}

fn same_places(configured: &[ReplicaPlace], placed: &[ReplicaPlace]) -> bool {
    let sorted = |places: &[ReplicaPlace]| {
        let mut places = places.to_vec();
        places.sort();
        places
    };
    sorted(configured) == sorted(placed)
}

fn show(places: &[ReplicaPlace]) -> String {
    let shown: Vec<_> =
        places.iter().map(|place| format!("{}/{}", place.chain, place.validator)).collect();
    shown.join(", ")
}
