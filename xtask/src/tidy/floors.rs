//! Floors: a crate imports only lower ones.
//!
//! Only tests, examples and benchmarks may also look sideways, and not even
//! they between services: those meet in `wire`.

use std::collections::BTreeMap;

use super::Finding;
use crate::repository::{Package, Repository};

/// The floor of each crate; without one it may not be in the workspace.
const FLOORS: [(&str, u8); 21] = [
    ("tributary-types", 0),
    ("tributary-chain", 1),
    ("tributary-routing", 1),
    ("tributary-ledger", 2),
    ("tributary-replica", 3),
    ("tributary-storage", 4),
    ("tributary-transport", 4),
    ("tributary-wire", 4),
    ("tributary-service", 4),
    ("tributary-host", 5),
    ("tributary-client", 5),
    ("tributary-router", SERVICES),
    ("tributary-shard-node", SERVICES),
    ("tributary-relay", SERVICES),
    ("tributary-hf-aggregator", SERVICES),
    ("tributary-cli", SERVICES),
    ("tributary-loadtest", SERVICES),
    ("tributary-sim", SERVICES),
    ("tributary-fuzz", 7),
    ("tributary-tests", 7),
    ("xtask", 7),
];

const SERVICES: u8 = 6;

/// The simulator stands among the services and drives nothing but the pure
/// floors: what it finds, it finds in code that any other host runs too.
const SIMULATOR: &str = "tributary-sim";
const PURE_MAX: u8 = 3;

/// Checks every dependency between crates of the workspace.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let floors = BTreeMap::from(FLOORS);
    repository.packages.iter().flat_map(|package| check_package(package, &floors)).collect()
}

fn check_package(package: &Package, floors: &BTreeMap<&str, u8>) -> Vec<Finding> {
    let manifest = format!("{}/Cargo.toml", package.folder);
    let finding = |message: String| Finding::new(&manifest, 0, message);
    let name = package.name.as_str();
    let Some(&own) = floors.get(name) else {
        return vec![finding(format!("{name} has no floor: add it to the table of this rule"))];
    };
    let mut findings = Vec::new();
    for dependency in &package.dependencies {
        let Some(&other) = floors.get(dependency.name.as_str()) else { continue };
        let is_sideways = other == own && dependency.is_dev && own != SERVICES;
        let is_impure = name == SIMULATOR && other > PURE_MAX;
        if (other < own && !is_impure) || is_sideways {
            continue;
        }
        findings.push(finding(format!(
            "{name} (floor {own}) imports {} (floor {other}); only lower floors are allowed",
            dependency.name
        )));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::samples::{package, with_files};

    fn check_one(name: &str, dependencies: &[&str]) -> Vec<String> {
        let mut repository = with_files(&[]);
        repository.packages = vec![package(name, "x", dependencies)];
        check(&repository).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn lower_floors_and_other_peoples_crates_are_allowed() {
        assert!(check_one("tributary-ledger", &["tributary-types", "serde"]).is_empty());
    }

    #[test]
    fn a_higher_floor_is_refused_even_for_tests() {
        let expected = "tributary-chain (floor 1) imports tributary-ledger (floor 2); \
                        only lower floors are allowed";
        assert_eq!(check_one("tributary-chain", &["tributary-ledger"]), [expected]);
        assert_eq!(check_one("tributary-chain", &["dev:tributary-ledger"]), [expected]);
    }

    #[test]
    fn the_same_floor_is_for_tests_only() {
        assert_eq!(check_one("tributary-chain", &["tributary-routing"]).len(), 1);
        assert!(check_one("tributary-chain", &["dev:tributary-routing"]).is_empty());
    }

    #[test]
    fn services_never_import_one_another() {
        assert_eq!(check_one("tributary-router", &["tributary-relay"]).len(), 1);
        assert_eq!(check_one("tributary-router", &["dev:tributary-relay"]).len(), 1);
    }

    #[test]
    fn the_simulator_drives_the_pure_floors_only() {
        assert!(check_one("tributary-sim", &["tributary-replica"]).is_empty());
        assert_eq!(check_one("tributary-sim", &["tributary-host"]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_floor_is_refused() {
        assert_eq!(check_one("tributary-novelty", &[]).len(), 1);
    }
}
