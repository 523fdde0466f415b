//! The whole relay in one place: one courier for each ordered pair of chains,
//! one way into each chain, one link to each node.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::mpsc;
use tributary_ledger::Genesis;
use tributary_service::topology::{RelayEntry, TopologyError};
use tributary_service::{Supervisor, Topology};
use tributary_transport::{
    BindError, Credentials, CredentialsError, Endpoint, Expected, PeerLink, Renewal, Role, RoleKind,
};
use tributary_types::ChainId;

use crate::config::RelayConfig;
use crate::courier::Courier;
use crate::destination::{self, PARCELS_MAX};
use crate::health::{self, ChannelHealth};
use crate::replicas::Replicas;
use crate::verify::Verifier;

/// Why a relay does not start. One sentence.
#[derive(Debug, Error)]
pub enum StartError {
    /// The genesis file.
    #[error("genesis {path}: {reason}")]
    Genesis {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The topology file.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The topology does not know this relay.
    #[error("topology: there is no relay named {0}")]
    UnknownRelay(String),
    /// A chain without replicas.
    #[error("topology: chain {0} is at no node")]
    Homeless(ChainId),
    /// Certificates.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The certificate is another process's.
    #[error("the certificate is of {found}, this is relay {expected}")]
    OtherIdentity {
        /// The configured name.
        expected: String,
        /// What the certificate says.
        found: String,
    },
    /// No port to dial from.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// A configuration with everything that it names.
#[derive(Debug)]
pub struct Checked {
    /// As loaded.
    pub config: RelayConfig,
    genesis: Genesis,
    topology: Topology,
    credentials: Credentials,
    /// This relay in the topology.
    pub entry: RelayEntry,
}

impl Checked {
    /// Reads all files and checks them against each other.
    ///
    /// # Errors
    /// [`StartError`], one sentence that names the file or the rule.
    pub fn load(config: RelayConfig) -> Result<Self, StartError> {
        let genesis = load_genesis(&config.genesis)?;
        let topology = Topology::load(&config.topology)?;
        let unknown = || StartError::UnknownRelay(config.name.clone());
        let entry = topology.relay(&config.name).cloned().ok_or_else(unknown)?;
        let homeless = genesis.chains.iter().find(|chain| topology.nodes_of(chain.id).is_empty());
        if let Some(chain) = homeless {
            return Err(StartError::Homeless(chain.id));
        }
        let tls = &config.tls;
        let credentials = Credentials::load(&tls.ca, &tls.certificate, &tls.key)?;
        let identity = credentials.identity();
        if identity.role != Role::Relay || identity.name != config.name {
            let (expected, found) = (config.name, identity.to_string());
            return Err(StartError::OtherIdentity { expected, found });
        }
        Ok(Self { config, genesis, topology, credentials, entry })
    }
}

/// The tasks of a running relay; they end with the runtime.
pub struct Relay {
    channels: Vec<Arc<ChannelHealth>>,
    endpoint: Endpoint,
}

impl Relay {
    /// Starts all tasks on the current runtime.
    ///
    /// # Errors
    /// [`StartError::Bind`].
    pub fn start(checked: &Checked, supervisor: &Supervisor) -> Result<Self, StartError> {
        let Checked { config, genesis, topology, credentials, .. } = checked;
        let endpoint = Endpoint::client(credentials)?;
        let chains = dial(&endpoint, genesis, topology);
        let cluster = genesis.hash();
        let mut channels = Vec::new();
        for destination in &chains {
            let (sender, parcels) = mpsc::channel(PARCELS_MAX);
            let name = format!("destination {}", destination.chain());
            let way = destination::run(Arc::clone(destination), parcels);
            endless(supervisor, &name, way);
            for source in chains.iter().filter(|source| source.chain() != destination.chain()) {
                let (from, to) = (source.chain(), destination.chain());
                let Some(validators) = genesis.validator_set(from) else { continue };
                let health = Arc::new(ChannelHealth::new(from, to));
                channels.push(Arc::clone(&health));
                let courier = Courier {
                    source: Arc::clone(source),
                    destination: Arc::clone(destination),
                    parcels: sender.clone(),
                    verifier: Verifier::new(cluster, from, to, validators),
                    rank: config.rank,
                    health,
                };
                endless(supervisor, &format!("courier {from} to {to}"), courier.run());
            }
        }
        supervisor.task("certificates", Renewal::new(&endpoint, None).run());
        endless(supervisor, "ages", health::watch(channels.clone(), config.age_alarm_ms));
        Ok(Self { channels, endpoint })
    }

    /// Takes leave of the nodes, so that they need not wait for it to fall
    /// silent. Whatever is under way is done again by the next relay.
    pub async fn stop(self) {
        self.endpoint.close().await;
    }

    /// Which channels there are, for readiness.
    #[must_use]
    pub fn channels(&self) -> &[Arc<ChannelHealth>] {
        &self.channels
    }
}

/// A task that must not end before the process does.
fn endless(supervisor: &Supervisor, name: &str, task: impl Future<Output = ()> + Send + 'static) {
    supervisor.task(name, async move {
        task.await;
        Err::<(), _>("ended before the process")
    });
}

/// Every chain's replicas; one link to each node serves them all.
fn dial(endpoint: &Endpoint, genesis: &Genesis, topology: &Topology) -> Vec<Arc<Replicas>> {
    let mut links: BTreeMap<&str, PeerLink> = BTreeMap::new();
    for node in &topology.nodes {
        let expected = Expected::named(RoleKind::Node, &node.name);
        links.insert(&node.name, endpoint.connect(node.address, expected));
    }
    let replicas_of = |chain: ChainId| {
        let nodes = topology.nodes_of(chain).into_iter();
        let linked = nodes.filter_map(|(validator, node)| {
            Some((validator, links.get(node.name.as_str())?.clone()))
        });
        Arc::new(Replicas::new(chain, linked.collect()))
    };
    genesis.chains.iter().map(|chain| replicas_of(chain.id)).collect()
}

fn load_genesis(path: &Path) -> Result<Genesis, StartError> {
    let failed = |reason: String| StartError::Genesis { path: path.display().to_string(), reason };
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let genesis: Genesis =
        serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    genesis.validate().map_err(|error| failed(error.to_string()))?;
    Ok(genesis)
}
