//! From a chain to the other validators of its chain: messages of its thread,
//! and requests for blocks.
//!
//! Small messages are queued and never waited for: what finds no connection or
//! a full queue is lost, and the replica hears that its peer is unreachable.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;
use crossbeam_channel::Sender;
use tokio::runtime::Handle;
use tributary_service::Topology;
use tributary_service::topology::ReplicaPlace;
use tributary_transport::{Endpoint, Expected, PeerLink, RoleKind};
use tributary_types::{BlockHeight, ChainId};
use tributary_wire::node::{ArchivedBlock, NodeReply, NodeRequest};

use crate::archive::backfill::BlockSource;
use crate::chain::{Completion, PeerInput};

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
        PeerNetwork { chain: own.chain, runtime: runtime.clone(), links: links.collect() }
    }
}

/// Links to the other validators of one chain.
#[derive(Debug)]
pub struct PeerNetwork {
    chain: ChainId,
    runtime: Handle,
    links: BTreeMap<u16, PeerLink>,
}

/// The archive of another validator of a chain.
#[derive(Debug)]
pub struct PeerArchive {
    chain: ChainId,
    validator: u16,
    link: PeerLink,
}

impl PeerNetwork {
    /// The archives of the other validators.
    #[must_use]
    pub fn archives(&self) -> Vec<PeerArchive> {
        let chain = self.chain;
        let archive = |(validator, link): (&u16, &PeerLink)| PeerArchive {
            chain,
            validator: *validator,
            link: link.clone(),
        };
        self.links.iter().map(archive).collect()
    }

    /// Tells the chain's thread, from now on, when the process of another
    /// validator is found ended.
    pub fn report_ends(&self, peers: &Sender<PeerInput>) {
        for (validator, link) in &self.links {
            let (validator, mut ends, peers) = (*validator, link.ends(), peers.clone());
            self.runtime.spawn(async move {
                while ends.changed().await.is_ok() {
                    // Found again as long as it lasts, should the queue be full.
                    if peers.try_send(PeerInput::Ended(validator)).is_err() {
                        tracing::debug!(validator, "a chain's thread was not told of an end");
                    }
                }
            });
        }
    }

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

impl BlockSource for PeerArchive {
    fn name(&self) -> String {
        format!("validator {} of chain {}", self.validator, self.chain)
    }

    async fn blocks(
        &self,
        within: RangeInclusive<BlockHeight>,
    ) -> Result<Vec<ArchivedBlock>, String> {
        let (to, from) = within.into_inner();
        let request = NodeRequest::Blocks { chain: self.chain, from, to };
        let reply = self.link.request(tributary_wire::encode(&request)).await;
        let reply = reply.map_err(|error| error.to_string())?;
        match tributary_wire::decode(&reply).map_err(|error| error.to_string())? {
            NodeReply::Blocks(blocks) => Ok(blocks),
            NodeReply::Error(error) => Err(error.to_string()),
            _ => Err("the answer to another question".to_owned()),
        }
    }
}
