//! The program says what is wrong with its configuration in one sentence, on
//! standard error, with a non-zero status, before it touches any data.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

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

fn write(dir: &Path, config: &str) {
    for name in ["ca.pem", "certificate.pem", "key.pem", "genesis.json"] {
        std::fs::write(dir.join(name), "{}").unwrap();
    }
    std::fs::write(dir.join("config.toml"), config).unwrap();
}

/// Status and the last line on standard error.
fn run(dir: &Path, flags: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hf-aggregator"))
        .arg("--config")
        .arg(dir.join("config.toml"))
        .args(flags)
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text.trim_end().to_owned())
}

fn check(config: &str, flags: &[&str], expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), config);
    let (code, text) = run(dir.path(), flags);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("hf-aggregator: ") && !text.contains('\n'), "{text}");
    assert!(text.contains(expected), "{text}");
    assert!(!dir.path().join("data").exists());
}

#[test]
fn each_bad_configuration_is_one_sentence() {
    check(&format!("{CONFIG}\nkeyy = \"x\""), &[], "config.toml: replica[0].keyy: unknown field");
    check(&CONFIG.replace("name = \"node-1\"", ""), &[], "missing field `name`");
    check(&CONFIG.replace("key.pem", "none.pem"), &[], "none.pem is not a file");
    check(CONFIG, &["--set", "limits.waiters_max=0"], "limits.waiters_max: must not be 0");
    check(CONFIG, &["--set", "limits=5"], "--set limits=5: limits: invalid type");
    check(CONFIG, &["--set", "nonsense"], "a setting is given as key=value");
    check(CONFIG, &[], "genesis.json: missing field `cluster`");
    check(CONFIG, &["--check"], "genesis.json: missing field `cluster`");
    check("name =", &[], "config.toml is not TOML");
}

#[test]
fn a_missing_file_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = run(dir.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("config.toml: No such file"), "{text}");
}

#[test]
fn wrong_usage_is_told_by_its_own_status() {
    let output = Command::new(env!("CARGO_BIN_EXE_hf-aggregator")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
