//! From a chain's thread to the other validators of its chain.
//!
//! Small messages are queued and never waited for: what finds no connection or
//! a full queue is lost, and the replica hears that its peer is unreachable.

use std::collections::BTreeMap;

use bytes::Bytes;
use crossbeam_channel::Sender;
use tokio::runtime::Handle;
use tributary_service::Topology;
use tributary_service::topology::ReplicaPlace;
use tributary_transport::{Endpoint, Expected, PeerLink, RoleKind};

use crate::chain::Completion;

/// Links to other nodes, one for each, shared by all chains.
#[derive(Debug)]
pub struct NodeLinks {
    by_name: BTreeMap<String, PeerLink>,
}

impl NodeLinks {
    /// Dials every node that shares a chain with `own`. Needs a runtime.
    #[must_use]
    pub fn dial(endpoint: &Endpoint, topology: &Topology, own: &[ReplicaPlace]) -> Self {
        let mut by_name = BTreeMap::new();
        for place in own {
            for (validator, node) in topology.nodes_of(place.chain) {
                if validator != place.validator && !by_name.contains_key(&node.name) {
                    let expected = Expected::named(RoleKind::Node, &node.name);
                    by_name.insert(node.name.clone(), endpoint.connect(node.address, expected));
                }
            }
        }
        Self { by_name }
    }

    /// The links of one chain.
    #[must_use]
    pub fn of_chain(
        &self,
        runtime: &Handle,
        topology: &Topology,
        own: ReplicaPlace,
    ) -> PeerNetwork {
        let others = topology.nodes_of(own.chain).into_iter();
        let links = others.filter(|(validator, _)| *validator != own.validator).filter_map(
            |(validator, node)| Some((validator, self.by_name.get(&node.name)?.clone())),
        );
        PeerNetwork { runtime: runtime.clone(), links: links.collect() }
    }
}

/// Links to the other validators of one chain.
#[derive(Debug)]
pub struct PeerNetwork {
    runtime: Handle,
    links: BTreeMap<u16, PeerLink>,
}

impl PeerNetwork {
    /// Queues a frame. Returns false if it is lost.
    #[must_use]
    pub fn send(&self, to: u16, frame: Vec<u8>) -> bool {
        self.links.get(&to).is_some_and(|link| link.send(frame).is_ok())
    }

    /// Sends a frame on a stream of its own and reports how that ended.
    pub fn send_large(&self, to: u16, frame: Vec<u8>, done: Sender<Completion>) {
        let link = self.links.get(&to).cloned();
        self.runtime.spawn(async move {
            let sent = match link {
                Some(link) => link.send_large(Bytes::from(frame)).await.is_ok(),
                None => false,
            };
            let completion =
                if sent { Completion::SnapshotSent(to) } else { Completion::SnapshotFailed(to) };
            if done.try_send(completion).is_err() {
                tracing::debug!("a chain's thread ended before its snapshot was sent");
            }
        });
    }
}
