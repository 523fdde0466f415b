//! Relays between real nodes of two chains, in one process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, reason = "the cluster is that of the host's tests, used in part")]

#[path = "../../../crates/host/tests/it/cluster.rs"]
mod cluster;
#[path = "../../../crates/host/tests/it/payments.rs"]
mod payments;

mod settles;
