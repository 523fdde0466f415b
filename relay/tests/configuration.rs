//! What `relay` says of a configuration that it cannot run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../crates/service/tests/program/mod.rs"]
mod program;

use program::Program;

const PROGRAM: Program = Program {
    name: "relay",
    path: env!("CARGO_BIN_EXE_relay"),
    config: r#"
        name = "relay-1"
        genesis = "genesis.json"
        topology = "topology.toml"
        [tls]
        ca = "ca.pem"
        certificate = "certificate.pem"
        key = "key.pem"
    "#,
};

#[test]
fn each_bad_configuration_is_one_sentence() {
    PROGRAM.check_common();
    PROGRAM.check(PROGRAM.config, &["--set", "rank=99"], "setting rank: 99 is above 16");
    PROGRAM.check(PROGRAM.config, &["--set", "rank=high"], "--set rank=high: rank: invalid type");
}

#[test]
fn a_missing_file_is_one_sentence() {
    PROGRAM.check_missing_file();
}

#[test]
fn wrong_usage_is_told_by_its_own_status() {
    PROGRAM.check_usage();
}
