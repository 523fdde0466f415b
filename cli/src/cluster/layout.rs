//! Where everything of a local cluster lies.
//!
//! ```text
//! D/lock                    held by the supervisor while it runs
//! D/genesis.json            what everything is verified against
//! D/topology.toml           who listens where; written last: D is complete
//! D/client.toml             how the command line reaches a router
//! D/ca/                     the development CA
//! D/keys/                   validators' and institutions' signing keys
//! D/<process>/              config.toml, certificate.pem, key.pem, data/
//! D/logs/<process>.log      stderr of each process
//! D/run/<process>.pid       process ids, the supervisor's among them
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tributary_service::topology::{NodeRole, Topology};

/// Paths inside one cluster directory.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

macro_rules! fixed_paths {
    ($($(#[$doc:meta])* $name:ident = $path:literal),+ $(,)?) => {
        impl Layout {
            $($(#[$doc])* pub fn $name(&self) -> PathBuf { self.root.join($path) })+
        }
    };
}

fixed_paths! {
    /// The supervisor's lock.
    lock = "lock",
    /// The genesis file.
    genesis = "genesis.json",
    /// The topology file.
    topology = "topology.toml",
    /// The client configuration.
    client = "client.toml",
    /// Certificate of the development CA.
    ca_certificate = "ca/ca.pem",
    /// Its private key.
    ca_key = "ca/ca.key.pem",
    /// Signing keys.
    keys = "keys",
    /// Logs.
    logs = "logs",
    /// Process id files.
    run = "run",
}

impl Layout {
    /// The cluster in `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Directory of one process.
    pub fn process(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Configuration of one process.
    pub fn config(&self, name: &str) -> PathBuf {
        self.process(name).join("config.toml")
    }

    /// Log of one process.
    pub fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    /// Process id file of one process.
    pub fn pid_file(&self, name: &str) -> PathBuf {
        self.run().join(format!("{name}.pid"))
    }
}

/// The supervisor's name among the pid files and logs.
pub const SUPERVISOR: &str = "supervisor";

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessRole {
    /// Replicas of the user chains.
    ShardNode,
    /// A replica of the HF chain.
    HfAggregator,
    /// The front-ends' door.
    Router,
    /// Carries messages between chains.
    Relay,
}

impl ProcessRole {
    /// Name of the program that plays the role; lies beside `tributary`.
    pub const fn program(self) -> &'static str {
        match self {
            Self::ShardNode => "shard-node",
            Self::HfAggregator => "hf-aggregator",
            Self::Router => "router",
            Self::Relay => "relay",
        }
    }

    /// Whether it hosts replicas.
    pub const fn is_node(self) -> bool {
        matches!(self, Self::ShardNode | Self::HfAggregator)
    }
}

/// One process of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its name, also that of its directory.
    pub name: String,
    /// What it does.
    pub role: ProcessRole,
    /// Where it listens for QUIC, if it does.
    pub address: Option<SocketAddr>,
    /// Where it answers `/healthz`, `/readyz`, `/metrics`.
    pub http: SocketAddr,
}

/// Every process of a topology, in the order in which they are started.
pub fn processes(topology: &Topology) -> Vec<Process> {
    let nodes = topology.nodes.iter().map(|node| Process {
        name: node.name.clone(),
        role: match node.role {
            NodeRole::ShardNode => ProcessRole::ShardNode,
            NodeRole::HfAggregator => ProcessRole::HfAggregator,
        },
        address: Some(node.address),
        http: node.http,
    });
    let routers = topology.routers.iter().map(|router| Process {
        name: router.name.clone(),
        role: ProcessRole::Router,
        address: Some(router.address),
        http: router.http,
    });
    let relays = topology.relays.iter().map(|relay| Process {
        name: relay.name.clone(),
        role: ProcessRole::Relay,
        address: None,
        http: relay.http,
    });
    nodes.chain(routers).chain(relays).collect()
}
