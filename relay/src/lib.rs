//! Floor 6: the relay, which carries proved messages between chains.
//!
//! ```text
//!  source chain ──Outgoing (long poll)──▶ courier ──verify──▶ destination ──Deliver──▶ leader
//!                                           ▲                                   │
//!                                           └───────── cursor after it ◀────────┘
//! ```
//!
//! A relay holds no power and no state: what it carries is proved by the
//! source's validators and checked in execution by the destination, which
//! takes nothing twice. It may be killed at any moment, and any number may run.
//! Relays of a higher rank wait a little and look whether the work is done.
//!
//! Acknowledgements travel the same way: every delivery shows how far its
//! source has received, and one without messages shows nothing else.

pub mod config;
pub mod courier;
pub mod cursor;
pub mod destination;
pub mod health;
pub mod relay;
pub mod replicas;
pub mod verify;

pub use config::RelayConfig;
pub use relay::{Checked, Relay, StartError};
