//! What keeps a node from starting is one clear sentence, and its data stay as
//! they were.

use std::net::{TcpListener, UdpSocket};

use tributary_host::{Checked, Host};
use tributary_service::topology::NodeRole;
use tributary_transport::{Identity, Role};
use tributary_types::OutcomeCode;

use crate::cluster::{Cluster, HF_CHAIN};
use crate::payments::open_and_issue;

fn sentence(cluster: &mut Cluster, node: usize) -> String {
    let error = cluster.try_start(node).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn data_in_use_are_named() {
    let cluster = Cluster::running(1);
    let batch = open_and_issue(&cluster.genesis, 0..1);
    cluster.submit(&batch);
    let mut second = cluster.config(0);
    let topology = std::fs::read_to_string(&second.topology).unwrap();
    let moved = cluster.dir.path().join("moved.toml");
    let port = |address: std::net::SocketAddr| format!(":{}\"", address.port());
    let node = &cluster.topology.nodes[0];
    let topology =
        topology.replace(&port(node.address), ":9001\"").replace(&port(node.http), ":9002\"");
    std::fs::write(&moved, topology).unwrap();
    second.topology = moved;
    let checked = Checked::load(second, NodeRole::ShardNode).unwrap();
    let error = Host::start(checked, None).unwrap_err().to_string();
    assert!(error.contains("in use by another process"), "{error}");
    let again = cluster.submit(&batch);
    assert!(again.receipts.iter().all(|receipt| receipt.code == OutcomeCode::Committed));
}

#[test]
fn taken_ports_are_named() {
    let mut cluster = Cluster::new(1);
    let (address, http) = (cluster.topology.nodes[0].address, cluster.topology.nodes[0].http);
    let taken = TcpListener::bind(http).unwrap();
    assert_eq!(sentence(&mut cluster, 0), format!("HTTP address {http}: the port is taken"));
    drop(taken);
    let taken = UdpSocket::bind(address).unwrap();
    assert_eq!(sentence(&mut cluster, 0), format!("address {address} is in use"));
    drop(taken);
    cluster.start(0);
}

#[test]
fn an_expired_certificate_is_named() {
    let mut cluster = Cluster::new(1);
    let identity = Identity { role: Role::Node, name: "node-0".to_owned() };
    let (begin, end) =
        (time::OffsetDateTime::UNIX_EPOCH, time::macros::datetime!(2020-01-01 0:00 UTC));
    let issued = cluster.authority.issue_for(&identity, begin, end).unwrap();
    let config = cluster.config(0);
    std::fs::write(config.tls.certificate, issued.certificate_pem).unwrap();
    std::fs::write(config.tls.key, issued.key_pem).unwrap();
    let error = sentence(&mut cluster, 0);
    let expected = "the certificate of tributary:node/node-0 expired on 2020-01-01 00:00:00 UTC";
    assert_eq!(error, expected);
}

#[test]
fn a_certificate_of_somebody_else_is_named() {
    let mut cluster = Cluster::new(3);
    let (mine, other) = (cluster.config(0), cluster.config(1));
    std::fs::copy(other.tls.certificate, mine.tls.certificate).unwrap();
    std::fs::copy(other.tls.key, mine.tls.key).unwrap();
    let error = sentence(&mut cluster, 0);
    assert_eq!(error, "the certificate is of tributary:node/node-1, this is node node-0");
}

#[test]
fn a_key_of_another_validator_is_named() {
    let mut cluster = Cluster::new(3);
    let (mine, other) = (cluster.config(0), cluster.config(1));
    std::fs::copy(&other.replicas[0].key, &mine.replicas[0].key).unwrap();
    let error = sentence(&mut cluster, 0);
    assert!(error.starts_with("chain 1: key "), "{error}");
}

#[test]
fn a_program_hosts_only_its_kind_of_chain() {
    let cluster = Cluster::new(1);
    let error = Checked::load(cluster.config(0), NodeRole::HfAggregator).unwrap_err();
    let expected = "topology: node node-0 is a shard-node, this program is a hf-aggregator";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn other_replicas_than_the_topology_has_are_named() {
    let cluster = Cluster::new(1);
    let mut config = cluster.config(0);
    config.replicas[0].chain = HF_CHAIN;
    let error = Checked::load(config, NodeRole::ShardNode).unwrap_err().to_string();
    assert_eq!(error, "node node-0: configured are replicas 2/0, topology has 1/0");
}

#[test]
fn files_that_do_not_fit_together_are_named() {
    let cluster = Cluster::new(1);
    let map = toml::to_string(&cluster.topology).unwrap();
    for (from, to, expected) in [
        ("chain = 2", "chain = 3", "topology: chain 3 is not in the genesis"),
        ("validator = 0", "validator = 5", "chain 1 has 1 validators, there is no number 5"),
        (
            "\"hf-aggregator\"",
            "\"shard-node\"",
            "node node-1 is a shard-node and cannot host chain 2",
        ),
    ] {
        assert!(map.contains(from), "{map}");
        let mut config = cluster.config(0);
        config.topology = cluster.dir.path().join("other.toml");
        std::fs::write(&config.topology, map.replacen(from, to, 1)).unwrap();
        let error = Checked::load(config, NodeRole::ShardNode).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut config = cluster.config(0);
    config.genesis = cluster.dir.path().join("other.json");
    std::fs::write(&config.genesis, "{}").unwrap();
    let error = Checked::load(config, NodeRole::ShardNode).unwrap_err().to_string();
    assert!(error.contains("other.json") && error.contains("missing field"), "{error}");
}
