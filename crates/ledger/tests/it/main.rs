//! Tests of the ledger over its public surface: chains in memory that sign real
//! headers and pass real deliveries.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod harness;
mod puppet;

mod books;
mod defects;
mod golden;
mod ids;
mod model;
mod operations;
mod outcomes;
mod owners;
mod proofs;
mod refunds;
mod relay_faults;
mod restore;
mod settlement;
mod transfers;
