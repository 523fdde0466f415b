//! Starting and stopping a router: which parts there are and how they are
//! wired.
//!
//! ```text
//!  front-ends ─▶ Listener ─▶ FrontEndHandler ─▶ Lane ─▶ Strand ─▶ Chain ─▶ leader
//!                                                         (task)    ▲
//!                                                      leader::follow (task)
//! ```
//!
//! Every chain has a task for each strand and one that follows its leader; one
//! task follows the route table (`routes::follow`). They live as long as the
//! router.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;
use tributary_ledger::genesis::Genesis;
use tributary_service::{Supervisor, Topology};
use tributary_transport::{
    BindError, Credentials, Endpoint, Expected, Listener, PeerLink, Renewal, Role, RoleKind,
    Shortcuts,
};
use tributary_types::{ChainId, InstitutionId, SigningKey};

use crate::admission::Admission;
use crate::chain::{Chain, Replica};
use crate::frontend::FrontEndHandler;
use crate::lane::Lane;
use crate::leader;
use crate::metric::RequestMetrics;
use crate::routes::{self, Routes};
use crate::settings::Limits;
use crate::strand::{Signer, StrandTask};

/// What a router is made from.
#[derive(Debug)]
pub struct Parts {
    /// Whose front-ends it serves and whose batches it signs.
    pub institution: InstitutionId,
    /// A key that is registered for the institution.
    pub key: SigningKey,
    /// Who the router is.
    pub credentials: Credentials,
    /// What the cluster began with.
    pub genesis: Genesis,
    /// Where the nodes are.
    pub topology: Topology,
    /// Where it listens for front-ends.
    pub listen: SocketAddr,
    /// Whether they may take shortcuts there.
    pub shortcuts: Shortcuts,
    /// Admission.
    pub limits: Limits,
}

/// Why a router does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The certificate is another's.
    #[error("the certificate is of {found}, expected a router of institution {expected}")]
    OtherRole {
        /// The institution of the configuration.
        expected: InstitutionId,
        /// Who the certificate says that this is.
        found: String,
    },
    /// The genesis has no HF chain.
    #[error("the genesis has no HF chain")]
    NoHfChain,
    /// A chain without replicas in the topology.
    #[error("the topology has no replica of chain {0}")]
    NoReplica(ChainId),
    /// An endpoint does not open.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system does not say where the router listens.
    #[error("listening address: {0}")]
    Address(std::io::Error),
}

/// A router that serves.
#[derive(Debug)]
pub struct Router {
    listener: Listener,
    handler: Arc<FrontEndHandler>,
    address: SocketAddr,
    /// Where links to nodes dial from.
    endpoint: Endpoint,
}

impl Router {
    /// Starts all parts under `supervisor` and listens.
    ///
    /// # Errors
    /// [`StartError`], one sentence; nothing keeps running.
    pub fn start(parts: Parts, supervisor: &Supervisor) -> Result<Self, StartError> {
        let Parts { institution, key, credentials, genesis, topology, .. } = parts;
        let Parts { listen, shortcuts, limits, .. } = parts;
        let identity = credentials.identity();
        if identity.role != Role::Router(institution) {
            let found = identity.to_string();
            return Err(StartError::OtherRole { expected: institution, found });
        }
        warn_of_unknown_key(&genesis, institution, &key);
        let cluster = genesis.hash();
        let signer = Arc::new(Signer { cluster, institution, key });
        let endpoint = Endpoint::client(&credentials)?;
        let chains = chains(&genesis, &topology, &endpoint)?;
        let (mut lanes, mut tasks) = (BTreeMap::new(), Vec::new());
        for chain in chains {
            let (lane, strands) = Lane::new(Arc::new(chain), &signer, &limits);
            tasks.push((Arc::clone(lane.chain()), strands));
            lanes.insert(lane.chain().id(), lane);
        }
        let strands = tasks.iter().map(|(_, strands)| strands.len()).sum();
        let registry_chain = genesis.hf_chain();
        let routes = Arc::new(Routes::new(genesis));
        let hf_lane = lanes.get(&registry_chain).ok_or(StartError::NoHfChain)?;
        let follow_routes = routes::follow(Arc::clone(&routes), Arc::clone(hf_lane.chain()));
        let handler = Arc::new(FrontEndHandler {
            cluster,
            routes,
            registry_chain,
            strands: limits.strands_per_chain,
            admission: Admission::new(institution, &limits, strands),
            lanes,
            metrics: RequestMetrics::new(),
        });
        let listener = Listener::bind(listen, &credentials, shortcuts, Arc::clone(&handler))?;
        let address = listener.local_addr().map_err(StartError::Address)?;
        for (chain, strands) in tasks {
            supervise(supervisor, chain, strands);
        }
        supervisor.task("certificates", Renewal::new(&endpoint, Some(&listener)).run());
        supervisor.task("route table", async { Err::<(), Infallible>(follow_routes.await) });
        Ok(Self { listener, handler, address, endpoint })
    }

    /// Where it listens; tells the port if 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What answers its front-ends, for readiness.
    #[must_use]
    pub const fn handler(&self) -> &Arc<FrontEndHandler> {
        &self.handler
    }

    /// Takes nothing more, lets what is under way end within the router's
    /// patience, and closes all connections.
    pub async fn stop(self) {
        self.handler.admission.close().await;
        tokio::join!(self.listener.shutdown(), self.endpoint.close());
    }
}

fn supervise(supervisor: &Supervisor, chain: Arc<Chain>, strands: Vec<StrandTask>) {
    for strand in strands {
        let name = format!("strand of chain {}", chain.id());
        supervisor.task(&name, async move {
            strand.run().await;
            Ok::<(), Infallible>(())
        });
    }
    let name = format!("leader of chain {}", chain.id());
    supervisor.task(&name, async move { Err::<(), Infallible>(leader::follow(chain).await) });
}

/// Every chain of the genesis, with links to its replicas. Chains share the
/// link to a node.
fn chains(
    genesis: &Genesis,
    topology: &Topology,
    endpoint: &Endpoint,
) -> Result<Vec<Chain>, StartError> {
    let mut links = BTreeMap::<String, PeerLink>::new();
    let mut chains = Vec::new();
    for spec in &genesis.chains {
        let nodes = topology.nodes_of(spec.id);
        if nodes.is_empty() {
            return Err(StartError::NoReplica(spec.id));
        }
        let replicas = nodes.into_iter().map(|(validator, node)| {
            let expected = || Expected::named(RoleKind::Node, &node.name);
            let dial = || endpoint.connect(node.address, expected());
            Replica { validator, link: links.entry(node.name.clone()).or_insert_with(dial).clone() }
        });
        chains.push(Chain::new(spec.id, replicas.collect()));
    }
    Ok(chains)
}

/// A key may have been registered after the genesis, so this is no error.
fn warn_of_unknown_key(genesis: &Genesis, institution: InstitutionId, key: &SigningKey) {
    let entry = genesis.institutions.iter().find(|entry| entry.id == institution);
    if !entry.is_some_and(|entry| entry.keys.contains(&key.public())) {
        let key = key.public();
        tracing::warn!(%institution, %key, "the signing key is not in the genesis");
    }
}
