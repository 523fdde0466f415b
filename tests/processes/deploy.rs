//! The example configuration of a cluster of three machines is one that the
//! programs take.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cluster::{program, scratch, text};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/three-institutions")
}

/// The file with every path under `/etc/tributary` moved to `directory`, where
/// the files that it names exist.
fn relocated(file: &Path, directory: &Path) -> PathBuf {
    let content = std::fs::read_to_string(file).expect("example file");
    let moved = content
        .replace("/etc/tributary", directory.to_str().expect("UTF-8"))
        .replace("/var/lib/tributary", directory.join("data").to_str().expect("UTF-8"));
    let named: BTreeSet<_> = moved.split('"').filter(|part| part.ends_with(".pem")).collect();
    for path in named {
        std::fs::write(path, "").expect("empty file");
    }
    let target = directory.join(file.file_name().expect("file name"));
    std::fs::write(&target, moved).expect("written");
    target
}

#[test]
fn every_program_takes_its_example_configuration() {
    for bank in ["alpha", "bravo", "charlie"] {
        let directory = scratch();
        std::fs::copy(example().join("topology.toml"), directory.path().join("topology.toml"))
            .expect("topology");
        for name in ["shard-node", "hf-aggregator", "router", "relay"] {
            let file =
                relocated(&example().join(bank).join(format!("{name}.toml")), directory.path());
            let output = std::process::Command::new(program().with_file_name(name))
                .arg("--config")
                .arg(file)
                .arg("--check")
                .output()
                .expect("program runs");
            assert!(output.status.success(), "{bank} {name}: {}", text(&output.stderr));
        }
    }
}
