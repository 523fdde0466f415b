//! A whole cluster in virtual time: one seed, one thread, and every fault that
//! machines, networks, disks, operators and liars produce.
//!
//! Everything that runs here above the simulated machines is the code that
//! runs in production: floors 0 to 3. The same seed and commit give the same
//! events, on any machine.
//!
//! ```text
//!  client ──▶ router ──▶ node: replica, log, archive ◀──▶ node …   one chain
//!                          ▲ │                                    ▲
//!                          │ └────────────▶ relay ────────────────┘ another
//!  world: schedule, network, clocks, disks, faults        checkers look at all
//! ```
//!
//! Read [`world`] first, then [`node`] and [`hosted`]: how the production code
//! is driven. [`profile`] and [`faults`] are what goes wrong, [`check`] is what
//! must hold.

pub mod command;
pub mod run;
pub mod scenario;
pub mod swarm;
pub mod world;

pub mod event;
pub mod stage;

pub mod hosted;
pub mod node;

mod effects;
mod enquiry;
mod serve;

pub mod client;
pub mod orders;
pub mod relay;
pub mod router;
mod routes;
pub mod workload;

pub mod faults;
pub mod liars;
pub mod mistakes;
pub mod profile;

pub mod auditor;
pub mod check;
pub mod model;

pub mod clock;
pub mod cluster;
pub mod disk;
pub mod network;
pub mod prng;
pub mod schedule;
pub mod tally;
pub mod trace;
