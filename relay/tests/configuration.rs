//! The program says what is wrong with its configuration in one sentence, on
//! standard error, with a non-zero status.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

const CONFIG: &str = r#"
    name = "relay-1"
    genesis = "genesis.json"
    topology = "topology.toml"
    [tls]
    ca = "ca.pem"
    certificate = "certificate.pem"
    key = "key.pem"
"#;

fn write(dir: &Path, config: &str) {
    for name in ["ca.pem", "certificate.pem", "key.pem", "genesis.json"] {
        std::fs::write(dir.join(name), "{}").unwrap();
    }
    std::fs::write(dir.join("config.toml"), config).unwrap();
}

/// Status and the last line on standard error.
fn run(dir: &Path, flags: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_relay"))
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
    assert!(text.starts_with("relay: ") && !text.contains('\n'), "{text}");
    assert!(text.contains(expected), "{text}");
}

#[test]
fn each_bad_configuration_is_one_sentence() {
    check(&format!("rnak = 1\n{CONFIG}"), &[], "config.toml: rnak: unknown field");
    check(&CONFIG.replace("name = \"relay-1\"", ""), &[], "missing field `name`");
    check(&CONFIG.replace("key.pem", "none.pem"), &[], "none.pem is not a file");
    check(CONFIG, &["--set", "rank=99"], "setting rank: 99 is above 16");
    check(CONFIG, &["--set", "rank=high"], "--set rank=high: rank: invalid type");
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
    let output = Command::new(env!("CARGO_BIN_EXE_relay")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
