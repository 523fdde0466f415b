//! Floor 5: the IO shell that drives replicas of several chains in one process.
//!
//! A [`Host`] reads its [`config`], opens its data, and runs one thread per
//! chain replica, one for the log and one for the archive ([`wiring`] shows
//! them all). The replicas themselves are pure (`tributary_replica`): here is
//! everything they lack: clocks, disks, network, and the answers to clients.
//!
//! Guarantees: what a client is told is final is durable on a quorum; a full
//! queue is told to clients as `overloaded` and never grows; a dead thread ends
//! the process; reads never go back; whatever a peer sends harms nobody else.

pub mod checked;
pub mod cluster;
pub mod config;
pub mod error;
pub mod host;
pub mod program;
pub mod signatures;
pub mod wiring;

mod archive;
mod chain;
mod log;
mod measure;
mod network;
mod readiness;
mod server;
mod stop;
mod storage;
mod unsaved;

pub use checked::Checked;
pub use config::NodeConfig;
pub use error::{HostError, StartError};
pub use host::Host;
