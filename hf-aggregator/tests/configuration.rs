//! What `hf-aggregator` says of a configuration that it cannot run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../crates/host/tests/node/mod.rs"]
mod node;

use node::{Program, check_node, program};

const PROGRAM: Program = program("hf-aggregator", env!("CARGO_BIN_EXE_hf-aggregator"));

#[test]
fn each_bad_configuration_is_one_sentence() {
    PROGRAM.check_common();
    check_node(&PROGRAM);
}

#[test]
fn a_missing_file_is_one_sentence() {
    PROGRAM.check_missing_file();
}

#[test]
fn wrong_usage_is_told_by_its_own_status() {
    PROGRAM.check_usage();
}
