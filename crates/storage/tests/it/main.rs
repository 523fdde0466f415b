//! Tests of the stores from outside, in one binary: the rules that both
//! implementations keep, and what becomes of the files when a process is
//! killed, a disk fills up, or bytes are cut off or rot.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod conformance;
mod database_files;
mod disk_full;
mod kill;
mod log_files;
mod log_size;
mod memory;
mod model;
mod open;
mod support;
mod upgrade;
