//! What the node answers to routers, relays and other nodes.
//!
//! Cheap checks first: role, chain, size; then signatures; only then the
//! chain's thread. Every wait is bounded by a permit or a deadline.

pub mod access;
pub mod archive_reads;
pub mod blocks;
pub mod deliver;
pub mod outgoing;
pub mod payment;
pub mod prove;
pub mod query;
pub mod refusals;
pub mod replays;
pub mod submit;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tributary_replica::PeerMessage;
use tributary_transport::{Handler, Identity, Role};
use tributary_types::ChainId;
use tributary_types::codec::decode_shared;
use tributary_wire::Canonical;
use tributary_wire::node::{NodeError, NodeReply, NodeRequest};
use tributary_wire::peer::PeerFrame;

use crate::archive::search::IdWindow;
use crate::chain::{ChainHandle, OVERLOADED_RETRY_MS, PeerInput};
use crate::cluster::Cluster;
use crate::config::Limits;
use crate::measure;
use crate::server::archive_reads::ArchiveReads;
use crate::server::outgoing::{Known, outgoing};
use crate::server::query::Queries;
use crate::server::refusals::Refusals;
use crate::server::submit::Admission;
use crate::signatures::SignaturePool;
use crate::stop::{Stop, StopState};

/// The node's side of every connection.
pub struct Server {
    cluster: Arc<Cluster>,
    chains: BTreeMap<ChainId, ChainHandle>,
    admission: Admission,
    queries: Queries,
    waiters: Arc<Semaphore>,
    refusals: Arc<Refusals>,
    stop: Arc<Stop>,
}

impl Server {
    /// A server for the chains that this node hosts.
    #[must_use]
    pub fn new(
        cluster: Arc<Cluster>,
        chains: BTreeMap<ChainId, ChainHandle>,
        limits: &Limits,
        signatures: Arc<SignaturePool>,
        refusals: Arc<Refusals>,
        stop: Arc<Stop>,
    ) -> Self {
        let parameters = cluster.genesis.parameters;
        let queries = Queries {
            archive: ArchiveReads::new(limits.archive_reads_max),
            window: IdWindow {
                back_ms: parameters.id_window_back_ms,
                ahead_ms: parameters.id_window_ahead_ms,
            },
        };
        let admission = Admission::new(cluster.hash, signatures, limits.submissions_max);
        Self {
            cluster,
            chains,
            admission,
            queries,
            waiters: Arc::new(Semaphore::new(limits.waiters_max)),
            refusals,
            stop,
        }
    }

    async fn answer(&self, peer: &Identity, request: NodeRequest) -> Result<NodeReply, NodeError> {
        access::check_request(peer, &request)?;
        if self.stop.state() != StopState::Running {
            return Err(NodeError::Unavailable("the node is stopping".to_owned()));
        }
        match request {
            NodeRequest::Submit(batch) => {
                let chain = self.chain(batch.0.chain)?;
                let submitted = self.admission.submit(chain, batch.0).await?;
                Ok(NodeReply::Submitted(submitted))
            }
            NodeRequest::Deliver { chain, deliveries } => {
                let results = deliver::deliver(self.chain(chain)?, deliveries).await?;
                Ok(NodeReply::Delivered(results))
            }
            NodeRequest::Outgoing { chain, peer, after, acknowledged, wait_ms } => {
                let chain = self.chain(chain)?;
                let _permit = self.waiter(chain.chain)?;
                let found = outgoing(chain, Known { peer, after, acknowledged }, wait_ms).await?;
                Ok(NodeReply::Outgoing(found.map(|delivery| Box::new(Canonical(delivery)))))
            }
            NodeRequest::Query { chain, query } => {
                let chain = self.chain(chain)?;
                let _permit = self.waiter(chain.chain)?;
                let answer = self.queries.answer(chain, query).await?;
                Ok(NodeReply::Answer(Box::new(answer)))
            }
            NodeRequest::Blocks { chain, from, to } => {
                let (chain, reads) = (self.chain(chain)?, &self.queries.archive);
                Ok(NodeReply::Blocks(blocks::blocks(reads, chain, from, to).await?))
            }
        }
    }

    fn chain(&self, chain: ChainId) -> Result<&ChainHandle, NodeError> {
        let handle = self.chains.get(&chain).ok_or(NodeError::UnknownChain(chain))?;
        if handle.published.get().is_none() {
            return Err(NodeError::Unavailable("the node is starting".to_owned()));
        }
        Ok(handle)
    }

    fn waiter(&self, chain: ChainId) -> Result<OwnedSemaphorePermit, NodeError> {
        self.waiters.clone().try_acquire_owned().map_err(|_| {
            measure::overloaded(chain);
            NodeError::Overloaded { retry_after_ms: OVERLOADED_RETRY_MS }
        })
    }

    /// Hands a frame of another validator to its chain.
    fn take_frame(&self, peer: &Identity, payload: &Bytes) -> Result<(), String> {
        let frame = PeerFrame::decode(payload).map_err(|e| e.to_string())?;
        access::check_frame(&self.cluster.topology, peer, &frame)?;
        let message: PeerMessage = decode_shared(&frame.message).map_err(|e| e.to_string())?;
        let Some(chain) = self.chains.get(&frame.chain) else {
            return Err(format!("chain {} has no replica here", frame.chain));
        };
        if !chain.put_peer(PeerInput::Message { from: frame.from, message }) {
            measure::peer_message_lost(frame.chain, "incoming");
        }
        Ok(())
    }
}

impl Handler for Server {
    fn admit(&self, peer: &Identity) -> Result<(), String> {
        let admitted = match peer.role {
            Role::Node => self.cluster.topology.node(&peer.name).is_some(),
            Role::Relay | Role::Router(_) => true,
            Role::Institution(_) => false,
        };
        if admitted {
            return Ok(());
        }
        let reason = format!("{peer} may not connect to a node");
        measure::refused();
        Err(reason)
    }

    async fn request(
        self: Arc<Self>,
        peer: Arc<Identity>,
        payload: Bytes,
    ) -> Result<Vec<u8>, String> {
        let request: NodeRequest = match tributary_wire::decode(&payload) {
            Ok(request) => request,
            Err(error) => {
                self.refusals.note(&peer.to_string(), &error.to_string());
                return Err(error.to_string());
            }
        };
        let reply = self.answer(&peer, request).await.unwrap_or_else(|error| {
            if matches!(error, NodeError::Refused(_) | NodeError::Forbidden(_)) {
                self.refusals.note(&peer.to_string(), &error.to_string());
            }
            NodeReply::Error(error)
        });
        Ok(tributary_wire::encode(&reply))
    }

    fn message(&self, peer: &Identity, payload: Bytes) -> Result<(), String> {
        self.take_frame(peer, &payload).inspect_err(|_| measure::refused())
    }

    fn large_message(&self, peer: &Identity, payload: Bytes) -> Result<(), String> {
        self.take_frame(peer, &payload).inspect_err(|_| measure::refused())
    }
}
