//! A program that hosts replicas, under test. The tests of each such program
//! include this file.

#[path = "../../../service/tests/program/mod.rs"]
mod program;

pub use program::Program;

const CONFIG: &str = r#"
    name = "node-1"
    genesis = "genesis.json"
    topology = "topology.toml"
    data_dir = "data"
    [tls]
    ca = "ca.pem"
    certificate = "certificate.pem"
    key = "key.pem"
    [[replica]]
    chain = 1
    validator = 0
    key = "chain-1.seed"
"#;

pub const fn program(name: &'static str, path: &'static str) -> Program {
    Program { name, path, config: CONFIG }
}

/// What only a program that hosts replicas refuses.
pub fn check_node(program: &Program) {
    let (unknown, expected) = (format!("{CONFIG}\nkeyy = 1"), "replica[0].keyy: unknown field");
    program.check(&unknown, &[], expected);
    let zero = ["--set", "limits.waiters_max=0"];
    program.check(CONFIG, &zero, "limits.waiters_max: must not be 0");
    program.check(CONFIG, &["--set", "limits=5"], "--set limits=5: limits: invalid type");
}
