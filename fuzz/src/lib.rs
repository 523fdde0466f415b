//! Floor 7: fuzz targets for every decoder that faces the network or a file.
//!
//! A [`Target`] takes any bytes and states what must hold of them; that nothing
//! crashes is the least of it. Where a format is canonical, bytes that decode
//! must be exactly what encoding gives back. Two things drive targets:
//!
//! | | inputs | when |
//! | --- | --- | --- |
//! | `tests/smoke.rs` | samples, the committed corpus, and seeded [mutations](mutation) of both | every test run, stable, about a second per target |
//! | `cargo xtask fuzz` | libFuzzer's, guided by the coverage of this repository's code | hours, by command |
//!
//! `corpus/TARGET/` holds inputs that once broke something, under names that
//! say what, and as `found-*` a few small ones of a long run, those that reach
//! the most beyond the [`samples`], which the code makes itself.
//!
//! What it lacks: formats of others. RocksDB and raft-engine check their files
//! themselves (`crates/storage/tests` flips their bytes); QUIC, TLS and HTTP are
//! quinn's, rustls' and hyper's. No sequences of messages: those are simulated.

// Included sources have tests, which run where they belong.
#![cfg(not(test))]

pub mod mutation;
pub mod samples;
pub mod target;

mod archive;
mod canonical;
mod configuration;
mod credentials;
mod execution;
mod folder;
mod frames;
mod import;
mod import_journal;
mod log_rule;
mod proof_file;
mod proofs;
mod raft_messages;
mod state;
mod storage;
mod texts;
mod wire;

pub use target::{TARGETS, Target};

/// The limit that the frames' source names.
mod limits {
    pub(crate) use tributary_transport::limits::FRAME_BYTES_MAX;
}

/// What sources of the storage crate want of it.
mod fault {
    use tributary_replica::store::StorageFault;

    pub(crate) fn io_fault(action: impl Into<String>, error: &std::io::Error) -> StorageFault {
        StorageFault::Io { action: action.into(), reason: error.to_string() }
    }

    pub(crate) fn corrupt(what: impl Into<String>, reason: impl Into<String>) -> StorageFault {
        StorageFault::Corrupt { what: what.into(), reason: reason.into() }
    }
}
