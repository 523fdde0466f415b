//! Whole chains under scripts: each test reads as what happens to a cluster.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod disk;
mod fixture;
mod machine;

mod certificates;
mod channels;
mod clocks;
mod failover;
mod following;
mod hostile;
mod leading;
mod recovery;
mod snapshots;
