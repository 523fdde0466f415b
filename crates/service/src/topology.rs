//! The cluster's map, `topology.toml`: one file, the same on every machine.
//!
//! ```toml
//! [[node]]
//! name = "node-1"                  # the name in the node's certificate
//! role = "shard-node"              # or "hf-aggregator"
//! address = "10.0.0.1:7001"        # QUIC, mutual TLS
//! http = "10.0.0.1:8001"           # /healthz /readyz /metrics
//! replicas = [
//!     { chain = 1, validator = 0 }, # index in the genesis' validator list
//!     { chain = 2, validator = 0 },
//! ]
//!
//! [[router]]
//! name = "router-1"                # the name in the router's certificate
//! institution = 1                  # whose batches it signs
//! address = "10.0.0.1:7101"
//! http = "10.0.0.1:8101"
//!
//! [[relay]]
//! name = "relay-1"                 # the name in the relay's certificate
//! http = "10.0.0.1:8201"
//! ```
//!
//! It holds addresses and duties, no keys and no secrets: a wrong map delays,
//! it cannot forge. Addresses are IP addresses with a port. `[[router]]` and
//! `[[relay]]` may be absent.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_types::{ChainId, InstitutionId};

/// What kind of chains a node hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeRole {
    /// Replicas of user chains.
    ShardNode,
    /// Replicas of HF chains.
    HfAggregator,
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ShardNode => "shard-node",
            Self::HfAggregator => "hf-aggregator",
        })
    }
}

/// One copy of one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaPlace {
    /// The chain.
    pub chain: ChainId,
    /// Index in its validator set.
    pub validator: u16,
}

/// A node process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    /// The name in its certificate.
    pub name: String,
    /// What it hosts.
    pub role: NodeRole,
    /// Where its QUIC endpoint listens.
    pub address: SocketAddr,
    /// Where it answers probes.
    pub http: SocketAddr,
    /// The replicas it hosts.
    pub replicas: Vec<ReplicaPlace>,
}

/// A router process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterEntry {
    /// The name in its certificate.
    pub name: String,
    /// Whose batches it signs.
    pub institution: InstitutionId,
    /// Where its QUIC endpoint listens.
    pub address: SocketAddr,
    /// Where it answers probes.
    pub http: SocketAddr,
}

/// A relay process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayEntry {
    /// The name in its certificate.
    pub name: String,
    /// Where it answers probes.
    pub http: SocketAddr,
}

/// The whole map. Read it with [`Topology::load`] or check it with
/// [`Topology::validate`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Node processes.
    #[serde(rename = "node", default)]
    pub nodes: Vec<NodeEntry>,
    /// Router processes.
    #[serde(rename = "router", default)]
    pub routers: Vec<RouterEntry>,
    /// Relay processes.
    #[serde(rename = "relay", default)]
    pub relays: Vec<RelayEntry>,
}

/// Why a map cannot be used.
#[derive(Debug, Error)]
pub enum TopologyError {
    /// The file cannot be read.
    #[error("topology {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is no map.
    #[error("topology {path}: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// Key and rule.
        reason: String,
    },
    /// A process without a name.
    #[error("topology: a {0} has no name")]
    Nameless(&'static str),
    /// Two processes of one name.
    #[error("topology: the name {0} stands twice")]
    NameTwice(String),
    /// Two endpoints at one address.
    #[error("topology: the address {address} is given to {first} and to {second}")]
    AddressTwice {
        /// The address.
        address: SocketAddr,
        /// Who has it.
        first: String,
        /// Who wants it too.
        second: String,
    },
    /// A validator in two nodes.
    #[error("topology: validator {validator} of chain {chain} is at {first} and at {second}")]
    ReplicaTwice {
        /// The chain.
        chain: ChainId,
        /// The validator.
        validator: u16,
        /// Who has it.
        first: String,
        /// Who wants it too.
        second: String,
    },
    /// A node without replicas.
    #[error("topology: node {0} has no replicas")]
    NoReplicas(String),
}

impl Topology {
    /// Reads and checks a map.
    ///
    /// # Errors
    /// [`TopologyError`], one sentence.
    pub fn load(path: &Path) -> Result<Self, TopologyError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| TopologyError::Unreadable { path: shown.clone(), source })?;
        let malformed = |reason| TopologyError::Malformed { path: shown.clone(), reason };
        let table: toml::Table =
            text.parse().map_err(|e: toml::de::Error| malformed(e.message().to_owned()))?;
        let topology: Self = serde_path_to_error::deserialize(table)
            .map_err(|e| malformed(format!("{}: {}", e.path(), e.inner().message())))?;
        topology.validate()?;
        Ok(topology)
    }

    /// Checks that names, addresses and replicas are unique.
    ///
    /// # Errors
    /// [`TopologyError`] names the first rule broken.
    pub fn validate(&self) -> Result<(), TopologyError> {
        let mut names = BTreeMap::new();
        for (kind, name) in self.names() {
            if name.is_empty() {
                return Err(TopologyError::Nameless(kind));
            }
            if names.insert(name, kind).is_some() {
                return Err(TopologyError::NameTwice(name.to_owned()));
            }
        }
        self.check_addresses()?;
        self.check_replicas()
    }

    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeEntry> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The router of this name.
    #[must_use]
    pub fn router(&self, name: &str) -> Option<&RouterEntry> {
        self.routers.iter().find(|router| router.name == name)
    }

    /// The relay of this name.
    #[must_use]
    pub fn relay(&self, name: &str) -> Option<&RelayEntry> {
        self.relays.iter().find(|relay| relay.name == name)
    }

    /// The nodes that host a chain, with the validator there, ascending by
    /// validator.
    #[must_use]
    pub fn nodes_of(&self, chain: ChainId) -> Vec<(u16, &NodeEntry)> {
        let mut found: Vec<_> = self
            .nodes
            .iter()
            .flat_map(|node| node.replicas.iter().map(move |place| (place, node)))
            .filter(|(place, _)| place.chain == chain)
            .map(|(place, node)| (place.validator, node))
            .collect();
        found.sort_by_key(|(validator, _)| *validator);
        found
    }

    /// The node that hosts a validator of a chain.
    #[must_use]
    pub fn node_of(&self, chain: ChainId, validator: u16) -> Option<&NodeEntry> {
        let place = ReplicaPlace { chain, validator };
        self.nodes.iter().find(|node| node.replicas.contains(&place))
    }

    /// Where a validator of a chain is reached.
    #[must_use]
    pub fn address_of(&self, chain: ChainId, validator: u16) -> Option<SocketAddr> {
        self.node_of(chain, validator).map(|node| node.address)
    }

    fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let nodes = self.nodes.iter().map(|node| ("node", node.name.as_str()));
        let routers = self.routers.iter().map(|router| ("router", router.name.as_str()));
        let relays = self.relays.iter().map(|relay| ("relay", relay.name.as_str()));
        nodes.chain(routers).chain(relays)
    }

    /// QUIC is UDP and HTTP is TCP, but one port for both would only confuse.
    fn check_addresses(&self) -> Result<(), TopologyError> {
        let nodes = self.nodes.iter().flat_map(|n| [(n.address, &n.name), (n.http, &n.name)]);
        let routers = self.routers.iter().flat_map(|r| [(r.address, &r.name), (r.http, &r.name)]);
        let relays = self.relays.iter().map(|r| (r.http, &r.name));
        let mut taken = BTreeMap::new();
        for (address, name) in nodes.chain(routers).chain(relays) {
            if let Some(first) = taken.insert(address, name) {
                let (first, second) = (first.clone(), name.clone());
                return Err(TopologyError::AddressTwice { address, first, second });
            }
        }
        Ok(())
    }

    fn check_replicas(&self) -> Result<(), TopologyError> {
        let mut places = BTreeMap::new();
        for node in &self.nodes {
            if node.replicas.is_empty() {
                return Err(TopologyError::NoReplicas(node.name.clone()));
            }
            for place in &node.replicas {
                if let Some(first) = places.insert(*place, &node.name) {
                    return Err(TopologyError::ReplicaTwice {
                        chain: place.chain,
                        validator: place.validator,
                        first: first.clone(),
                        second: node.name.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"
        [[node]]
        name = "node-1"
        role = "shard-node"
        address = "127.0.0.1:7001"
        http = "127.0.0.1:8001"
        replicas = [{ chain = 1, validator = 1 }, { chain = 2, validator = 0 }]
        [[node]]
        name = "node-2"
        role = "hf-aggregator"
        address = "127.0.0.1:7002"
        http = "127.0.0.1:8002"
        replicas = [{ chain = 1, validator = 0 }]
        [[router]]
        name = "router-1"
        institution = 1
        address = "127.0.0.1:7101"
        http = "127.0.0.1:8101"
        [[relay]]
        name = "relay-1"
        http = "127.0.0.1:8201"
    "#;

    fn check(text: &str) -> Result<Topology, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("topology.toml");
        std::fs::write(&path, text).unwrap();
        Topology::load(&path).map_err(|error| error.to_string())
    }

    fn check_replaced(from: &str, to: &str) -> String {
        assert!(SAMPLE.contains(from));
        check(&SAMPLE.replace(from, to)).unwrap_err()
    }

    #[test]
    fn lookups_find_nodes_by_chain_and_validator() {
        let topology = check(SAMPLE).unwrap();
        let of_chain_1: Vec<_> = topology
            .nodes_of(ChainId::new(1))
            .into_iter()
            .map(|(validator, node)| (validator, node.name.as_str()))
            .collect();
        assert_eq!(of_chain_1, [(0, "node-2"), (1, "node-1")]);
        let address = topology.address_of(ChainId::new(2), 0).unwrap();
        assert_eq!(address.to_string(), "127.0.0.1:7001");
        assert_eq!(topology.address_of(ChainId::new(2), 1), None);
        assert_eq!(topology.router("router-1").unwrap().institution.get(), 1);
    }

    #[test]
    fn what_stands_twice_is_named() {
        let error = check_replaced("\"node-2\"", "\"node-1\"");
        assert_eq!(error, "topology: the name node-1 stands twice");
        let error = check_replaced("127.0.0.1:8201", "127.0.0.1:7001");
        assert_eq!(error, "topology: the address 127.0.0.1:7001 is given to node-1 and to relay-1");
        let error = check_replaced("validator = 1", "validator = 0");
        assert_eq!(error, "topology: validator 0 of chain 1 is at node-1 and at node-2");
    }

    #[test]
    fn malformed_maps_name_the_key() {
        let error = check_replaced("institution", "instituton");
        assert!(error.contains("router[0].instituton"), "{error}");
        let error = check_replaced("\"shard-node\"", "\"shard\"");
        assert!(error.contains("node[0].role"), "{error}");
        let error = check_replaced("[{ chain = 1, validator = 0 }]", "[]");
        assert_eq!(error, "topology: node node-2 has no replicas");
    }

    #[test]
    fn a_map_survives_being_written_and_read() {
        let topology = check(SAMPLE).unwrap();
        assert_eq!(check(&toml::to_string(&topology).unwrap()).unwrap(), topology);
    }
}
