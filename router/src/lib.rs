//! Floor 6: the router. It takes payments and operations from the front-ends
//! of one institution to the chains that execute them.
//!
//! In reading order: [`settings`] and [`process`] (wiring); then the way of a
//! request: [`frontend`] → [`admission`] → [`shape`] → [`request`] → [`portion`]
//! → [`strand`] → [`chain`], and back with what was [`executed`]; beside it
//! [`leader`], [`routes`] and [`metric`].
//!
//! What it guarantees:
//!
//! - an item is repeated under its own id until there is an answer or the
//!   router's patience ends, and never executes twice;
//! - payments of one payer that a front-end sends in order execute in order
//!   (in one request also while the payer's slot moves to another chain);
//! - it goes by route tables that the HF chain proved, and never back;
//! - a full queue answers `overloaded` at once, nothing grows without bound;
//! - it keeps no durable state: any number of routers may run, and one that is
//!   killed loses nothing that was acknowledged.
//!
//! What it lacks: chains that the genesis does not have. A table that names one
//! is believed, but nothing can be sent there.

pub mod process;
pub mod settings;

pub mod admission;
pub mod frontend;
pub mod portion;
pub mod quota;
pub mod request;
pub mod shape;

pub mod asking;
pub mod chain;
pub mod executed;
pub mod lane;
pub mod leader;
pub mod routes;
pub mod strand;

pub mod metric;

pub use process::{Parts, Router, StartError};
pub use settings::{Limits, RouterSettings};
