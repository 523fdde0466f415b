//! The example configuration of a cluster of three machines is one that the
//! programs take, and agrees with its topology.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tributary_host::NodeConfig;
use tributary_relay::RelayConfig;
use tributary_router::RouterSettings;
use tributary_service::Topology;
use tributary_service::settings::{Settings, load_from};

use crate::cluster::{scratch, shown};
use crate::data::tests_folder;

fn example() -> PathBuf {
    tests_folder().join("../deploy/three-institutions")
}

/// Loads `bank`'s file for `program` as the program does, with every path
/// under `/etc/tributary` moved to a directory where the certificates exist.
fn load<T: Settings>(bank: &str, program: &str) -> T {
    let directory = scratch();
    let file = example().join(bank).join(format!("{program}.toml"));
    let content = std::fs::read_to_string(file).expect("example file");
    let moved = content.replace("/etc/tributary", shown(directory.path()));
    let certificates = moved.split('"').filter(|part| part.ends_with(".pem"));
    for path in certificates.collect::<BTreeSet<_>>() {
        std::fs::write(path, "").expect("empty file");
    }
    let target = directory.path().join("config.toml");
    std::fs::write(&target, &moved).expect("written");
    load_from(&target, [], &[]).unwrap_or_else(|error| panic!("{bank} {program}: {error}"))
}

#[test]
fn every_program_takes_its_example_configuration() {
    let topology = Topology::load(&example().join("topology.toml")).expect("topology");
    for bank in ["alpha", "bravo", "charlie"] {
        for program in ["shard-node", "hf-aggregator"] {
            let config: NodeConfig = load(bank, program);
            let node = topology.node(&config.name).expect("the node is in the topology");
            let hosted: Vec<_> =
                config.replicas.iter().map(|place| (place.chain, place.validator)).collect();
            let planned: Vec<_> =
                node.replicas.iter().map(|place| (place.chain, place.validator)).collect();
            assert_eq!(hosted, planned, "{}", config.name);
        }
        let router: RouterSettings = load(bank, "router");
        let planned = topology.router(&router.name).expect("the router is in the topology");
        assert_eq!(router.institution, planned.institution);
        let relay: RelayConfig = load(bank, "relay");
        assert!(topology.relay(&relay.name).is_some(), "the relay is in the topology");
    }
}
