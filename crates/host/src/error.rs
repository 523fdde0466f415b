//! Why a node does not start, or ends.

use thiserror::Error;
use tributary_replica::store::StorageFault;
use tributary_service::observe::ObserveError;
use tributary_service::shutdown::Death;
use tributary_transport::{BindError, CredentialsError};
use tributary_types::ChainId;

use crate::cluster::ClusterError;

/// Why a node does not start. One sentence; data on disk are as they were.
#[derive(Debug, Error)]
pub enum StartError {
    /// Genesis, topology or keys.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Certificates.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The certificate is another process's.
    #[error("the certificate is of {found}, this is node {expected}")]
    OtherIdentity {
        /// The configured name.
        expected: String,
        /// What the certificate says.
        found: String,
    },
    /// The QUIC port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The HTTP port.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// Log, checkpoints or archive.
    #[error("data: {0}")]
    Storage(#[from] StorageFault),
    /// A replica refuses what storage holds.
    #[error("chain {chain}: {error}")]
    Replica {
        /// The chain.
        chain: ChainId,
        /// Why.
        error: tributary_replica::StartError,
    },
    /// The system gives no thread or runtime.
    #[error("the system: {0}")]
    System(#[from] std::io::Error),
    /// The system gives no threads to verify signatures.
    #[error("the system: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Why a running node ended by itself.
#[derive(Debug, Error)]
pub enum HostError {
    /// A part died.
    #[error(transparent)]
    Died(#[from] Death),
    /// The system.
    #[error("the system: {0}")]
    System(#[from] std::io::Error),
}
