//! Floor 4: the log, checkpoints and archive of one node process, on disk and
//! in memory. The only crate that names raft-engine and RocksDB.
//!
//! | trait of `replica` | on disk | in memory | durable |
//! | --- | --- | --- | --- |
//! | `LogStore` | [`RaftEngineLog`] | [`memory::MemoryLog`] | when `write` returns |
//! | `CheckpointStore` | [`Checkpoints`] | [`memory::MemoryCheckpoints`] | when `save` returns |
//! | `BlockStore` | [`RocksBlocks`] | [`memory::MemoryBlocks`] | at the next `save` |
//!
//! **What holds after any crash.** Every acknowledged log write is there. The
//! last saved checkpoint is there, whole, and so is every block that was put
//! before it was saved: both reach the disk in one atomic flush, after the pages
//! and bodies that they lead to, so the log may be cut behind a checkpoint without
//! a gap in the archive. Blocks put after it may be gone; they are executed again
//! from checkpoint and log, and put again.
//!
//! **What is never done.** Bytes whose checksum is wrong are never returned,
//! and a log is never shortened below what is known to have been synced (see
//! [`log`]): both are a [`StorageFault`](tributary_replica::store::StorageFault).
//! Nothing is repaired here; that takes peers.
//!
//! All chains of a process share one log and one database. Every directory is
//! locked while it is open.

pub mod log;

mod archive;
mod body_files;
mod checkpoints;
pub mod database;
mod direct;
mod directory;
mod family;
mod fault;
mod keys;
pub mod memory;
mod new_file;
mod page_files;
mod page_table;
mod search;
mod upgrade;
mod values;

pub use archive::RocksBlocks;
pub use checkpoints::Checkpoints;
pub use database::{Database, DatabaseLimits};
pub use log::{LogLimits, LogMaintainer, RaftEngineLog};
