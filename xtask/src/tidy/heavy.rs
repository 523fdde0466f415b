//! Heavy dependencies: each is named by as few crates as possible.
//!
//! So that a database, a network stack or a consensus core can be replaced,
//! and its quirks guarded against, in one place.

use super::Finding;
use crate::repository::Repository;

/// The crate of another project, and those of ours that may name it.
const OWNERS: [(&str, &[&str]); 7] = [
    ("rocksdb", &["tributary-storage"]),
    ("raft-engine", &["tributary-storage"]),
    ("quinn", &["tributary-transport"]),
    ("rustls", &["tributary-transport"]),
    ("rcgen", &["tributary-transport"]),
    ("raft", &["tributary-replica", "tributary-storage"]),
    ("protobuf", &["tributary-replica", "tributary-storage"]),
];

/// Checks who names a heavy dependency.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &repository.packages {
        for (heavy, owners) in OWNERS {
            let names_it = package.dependencies.iter().any(|dependency| dependency.name == heavy);
            if names_it && !owners.contains(&package.name.as_str()) {
                findings.push(Finding::new(
                    &format!("{}/Cargo.toml", package.folder),
                    0,
                    format!("{} names {heavy}; only {} may", package.name, owners.join(" and ")),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::samples::{package, with_files};

    #[test]
    fn only_its_owner_names_a_heavy_dependency() {
        let mut repository = with_files(&[]);
        repository.packages = vec![
            package("tributary-storage", "storage", &["rocksdb", "raft"]),
            package("tributary-host", "host", &["rocksdb"]),
            package("tributary-relay", "relay", &["dev:quinn"]),
        ];
        let messages: Vec<_> = check(&repository).into_iter().map(|f| f.message).collect();
        assert_eq!(
            messages,
            [
                "tributary-host names rocksdb; only tributary-storage may",
                "tributary-relay names quinn; only tributary-transport may",
            ]
        );
    }
}
