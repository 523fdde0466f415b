//! Whole nodes in one process, on loopback, with their real storage.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backfill;
mod cluster;
mod commits;
mod disk_full;
mod owners;
mod payments;
mod reads;
mod refusals;
mod restarts;
mod starts;
