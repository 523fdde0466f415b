//! Real processes on loopback: a user's and an operator's view of the system.
//!
//! Every test creates a cluster in a temporary directory with the `tributary`
//! program, uses nothing but that program, and stops what it started by process
//! id. The data are the retail payments beside the checkout, of which a slice
//! is imported; with `TRIBUTARY_TEST_FULL=1` all of them. Without that data the
//! bundled sample is used.

mod cluster;
mod data;

mod bad_input;
mod certificates;
mod chaos;
mod deploy;
mod import;
mod kills;
mod proofs;
mod shortcuts;
mod upgrade;
