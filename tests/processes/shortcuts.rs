//! Processes of one machine take shortcuts to each other, again after one was
//! killed, and none where they are not to.

use std::time::Duration;

use nix::sys::signal::Signal;
use tributary_service::Topology;

use crate::cluster::{Cluster, wait_until};

/// How long peers may take to connect.
const CONNECTED_WITHIN: Duration = Duration::from_secs(30);
/// Two sockets of each of both other nodes, of the router, and of the relay.
const SOCKETS_OF_A_NODE_MIN: usize = 8;
/// What `/proc/net/unix` says of a socket that is connected (unix(7)).
const CONNECTED: &str = "03";

#[test]
fn processes_of_one_machine_take_shortcuts_unless_they_are_not_to() {
    for (options, are_taken) in [(&[][..], true), (&["--no-shortcuts"], false)] {
        let options = [&["--chains", "1", "--relays", "1"], options].concat();
        let cluster = Cluster::up(&options);
        let topology = Topology::load(&cluster.path().join("topology.toml")).expect("topology");
        let node = &topology.nodes[0];
        let name = format!("@tributary:node/{}@{}", node.name, node.address.port());
        if !are_taken {
            // It is ready, so its peers are connected.
            assert_eq!(sockets(&name), 0);
            continue;
        }
        let all_connect = || sockets(&name) >= SOCKETS_OF_A_NODE_MIN;
        wait_until("peers take shortcuts", CONNECTED_WITHIN, all_connect);
        let killed = cluster.pid(&node.name);
        cluster.signal(&node.name, Signal::SIGKILL);
        wait_until("it runs again", CONNECTED_WITHIN, || cluster.pid(&node.name) != killed);
        wait_until("peers take shortcuts again", CONNECTED_WITHIN, all_connect);
    }
}

/// Connected sockets of a name in the abstract namespace.
fn sockets(name: &str) -> usize {
    let table = std::fs::read_to_string("/proc/net/unix").expect("Linux lists its sockets");
    let is_connected = |line: &&str| {
        let columns: Vec<_> = line.split_ascii_whitespace().collect();
        columns.get(5) == Some(&CONNECTED) && columns.last() == Some(&name)
    };
    table.lines().filter(is_connected).count()
}
