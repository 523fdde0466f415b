//! A node's configuration with everything that it names, read and checked.
//! Nothing has been opened or written yet.

use std::sync::Arc;

use tributary_service::topology::{NodeEntry, NodeRole};
use tributary_transport::{Credentials, Role};

use crate::cluster::{Cluster, HostedReplica};
use crate::config::NodeConfig;
use crate::error::StartError;

/// What a node starts from.
#[derive(Debug, Clone)]
pub struct Checked {
    /// As loaded.
    pub config: NodeConfig,
    /// Genesis and topology.
    pub cluster: Arc<Cluster>,
    /// This node in the topology.
    pub node: NodeEntry,
    /// Its replicas, with their keys.
    pub hosted: Vec<HostedReplica>,
    /// Who it is.
    pub credentials: Credentials,
}

impl Checked {
    /// Reads all files and checks them against each other.
    ///
    /// # Errors
    /// [`StartError`], one sentence that names the file or the rule.
    pub fn load(config: NodeConfig, role: NodeRole) -> Result<Self, StartError> {
        let cluster = Cluster::load(&config.genesis, &config.topology)?;
        let (node, hosted) = cluster.node(&config, role)?;
        let tls = &config.tls;
        let credentials = Credentials::load(&tls.ca, &tls.certificate, &tls.key)?;
        let identity = credentials.identity();
        if identity.role != Role::Node || identity.name != config.name {
            let (expected, found) = (config.name, identity.to_string());
            return Err(StartError::OtherIdentity { expected, found });
        }
        Ok(Self { config, cluster: Arc::new(cluster), node, hosted, credentials })
    }
}
