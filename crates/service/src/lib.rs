//! Floor 4: what every long-running binary needs and nothing of ledgers.
//!
//! A binary reads its command line ([`args`]), loads its configuration
//! ([`settings`]) and the cluster's map ([`topology`]), installs telemetry
//! ([`telemetry`]), starts the threads of its network ([`runtime`]), answers
//! probes ([`observe`]), runs its parts under supervision and stops in order
//! ([`shutdown`]).
//!
//! Lacks: anything about chains, consensus or storage, and any secret: those
//! stand in files that the configuration names ([`tls`], [`keys`]).

pub mod args;
pub mod keys;
pub mod observe;
pub mod runtime;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
pub mod topology;

pub use args::ServiceArgs;
pub use settings::{Settings, SettingsError};
pub use shutdown::Supervisor;
pub use tls::TlsPaths;
pub use topology::{Topology, TopologyError};
