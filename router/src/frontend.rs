//! Answering front-ends: from a request's bytes to its reply's.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::task::JoinSet;
use tributary_chain::batch::OwnerSignature;
use tributary_chain::{Batch, Operation};
use tributary_transport::{Handler, Identity, Role};
use tributary_types::{ChainId, Hash, PaymentRecord};
use tributary_wire::query::Query;
use tributary_wire::router::{Outcome, RouterError, RouterReply, RouterRequest};
use tributary_wire::{decode, encode};

use crate::admission::Admission;
use crate::lane::Lane;
use crate::metric;
use crate::request::{Request, moved_by};
use crate::routes::Routes;
use crate::shape::{check_operations, check_payments};

/// How often one request is cut again by a later route table: once if one slot
/// moves, more only if it moves again meanwhile.
pub const MOVES_FOLLOWED_MAX: u32 = 3;

/// What the router knows and does; shared by all its connections.
#[derive(Debug)]
pub struct FrontEndHandler {
    /// Hash of the genesis.
    pub cluster: Hash,
    /// Which chain owns which slots.
    pub routes: Arc<Routes>,
    /// Where registry operations execute.
    pub registry_chain: ChainId,
    /// That each chain has.
    pub strands: NonZero<u8>,
    /// The door.
    pub admission: Admission,
    /// Every chain.
    pub lanes: BTreeMap<ChainId, Lane>,
}

impl FrontEndHandler {
    /// What the router still lacks to serve, one sentence for each chain.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let leaderless = self.lanes.values().filter(|lane| lane.chain().leader().is_none());
        leaderless.map(|lane| format!("chain {} has no known leader", lane.chain().id())).collect()
    }

    /// Answers a request that was let in.
    async fn answer(&self, peer: &Identity, request: RouterRequest) -> RouterReply {
        let (kind, begin) = (kind(&request), Instant::now());
        metric::request(kind);
        metric::requests_in_flight(self.admission.in_flight());
        let reply = self.carry_out(peer, request).await.unwrap_or_else(failed);
        metric::reply(kind, begin.elapsed());
        reply
    }

    async fn carry_out(
        &self,
        peer: &Identity,
        request: RouterRequest,
    ) -> Result<RouterReply, RouterError> {
        // What is rare is boxed, so that the task of a payment stays small.
        match request {
            RouterRequest::Hello => {
                Ok(RouterReply::Hello { cluster: self.cluster, routes: self.routes.held().proof() })
            }
            RouterRequest::Pay { payments, owner_signatures } => {
                self.pay(peer, &payments.0, &owner_signatures.0).await
            }
            RouterRequest::Operate(operations) => self.operate(peer, &operations.0).await,
            RouterRequest::Forward(batch) => Box::pin(self.forward(peer, batch.0)).await,
            RouterRequest::Query { chain, query } => Box::pin(self.query(chain, query)).await,
            RouterRequest::Cluster => Ok(Box::pin(self.cluster_status()).await),
        }
    }

    async fn pay(
        &self,
        peer: &Identity,
        payments: &[PaymentRecord],
        signatures: &[OwnerSignature],
    ) -> Result<RouterReply, RouterError> {
        check_payments(payments, signatures)?;
        self.admission.take_quota(peer, payments.len())?;
        let held = self.routes.held();
        let request = Request::payments(payments, signatures, held.table(), self.strands);
        Ok(self.execute(request, held.table().version()).await)
    }

    async fn operate(
        &self,
        peer: &Identity,
        operations: &[Operation],
    ) -> Result<RouterReply, RouterError> {
        check_operations(operations)?;
        self.admission.take_quota(peer, operations.len())?;
        let held = self.routes.held();
        let request =
            Request::operations(operations, held.table(), self.registry_chain, self.strands);
        Ok(self.execute(request, held.table().version()).await)
    }

    async fn forward(&self, peer: &Identity, batch: Batch) -> Result<RouterReply, RouterError> {
        let lane = self.lane(batch.chain)?;
        let count = batch.outcome_count();
        self.admission.take_quota(peer, count)?;
        let outcomes = lane.forward(batch).await?;
        if let Some(version) = outcomes.iter().filter_map(moved_by).max() {
            self.routes.want(version);
        }
        Ok(reply(outcomes.into_iter().map(Ok).collect()))
    }

    async fn query(&self, chain: ChainId, query: Query) -> Result<RouterReply, RouterError> {
        self.lane(chain)?.chain().read(query).await.map(RouterReply::Answer)
    }

    /// Executes a request that was cut by the table of this version. What a
    /// chain refuses because it goes by a later one is cut by that and sent
    /// again, at most [`MOVES_FOLLOWED_MAX`] times.
    async fn execute(&self, mut request: Request<'_>, mut version: u64) -> RouterReply {
        self.send(&mut request).await;
        for _ in 0..MOVES_FOLLOWED_MAX {
            let Some(later) = request.moved_by().filter(|later| *later > version) else { break };
            let held = self.routes.wait_for(later).await;
            let followed = request.follow(held.table());
            if followed == 0 {
                break;
            }
            metric::moves_followed(followed);
            version = held.table().version();
            self.send(&mut request).await;
        }
        reply(request.finish())
    }

    /// Puts every portion into its strand first, then waits for them all.
    async fn send(&self, request: &mut Request<'_>) {
        let mut under_way = Vec::new();
        for (strand, cut) in request.take_cuts() {
            let queue = self.lanes.get(&strand.chain).and_then(|lane| lane.strand(strand.number));
            let enqueued = match queue {
                Some(queue) => queue.enqueue(cut.portion),
                None => Err(unknown_chain(strand.chain)),
            };
            match enqueued {
                Ok(answer) => under_way.push((cut.items, answer)),
                Err(error) => request.answer(&cut.items, Err(error)),
            }
        }
        for (items, answer) in under_way {
            let stopped = || RouterError::OutcomeUnknown("the router is stopping".to_owned());
            let answer = answer.await.unwrap_or_else(|_| Err(stopped()));
            request.answer(&items, answer);
        }
    }

    async fn cluster_status(&self) -> RouterReply {
        let mut asked = JoinSet::new();
        for (chain_id, lane) in &self.lanes {
            for (index, replica) in lane.chain().replicas().iter().enumerate() {
                let (chain, validator) = (Arc::clone(lane.chain()), replica.validator);
                let chain_id = *chain_id;
                asked.spawn(async move { (chain_id, validator, chain.status(index).await) });
            }
        }
        let mut replicas = asked.join_all().await;
        replicas.sort_by_key(|(chain, validator, _)| (*chain, *validator));
        RouterReply::Cluster(replicas)
    }

    fn lane(&self, chain: ChainId) -> Result<&Lane, RouterError> {
        self.lanes.get(&chain).ok_or_else(|| unknown_chain(chain))
    }
}

impl Handler for FrontEndHandler {
    /// Front-ends of other institutions are let in to be told why not.
    fn admit(&self, peer: &Identity) -> Result<(), String> {
        match peer.role {
            Role::Institution(_) => Ok(()),
            Role::Node | Role::Relay | Role::Router(_) => {
                metric::refusal("wrong_role", 1);
                Err(format!("{peer} is no front-end"))
            }
        }
    }

    async fn request(
        self: Arc<Self>,
        peer: Arc<Identity>,
        payload: Bytes,
    ) -> Result<Vec<u8>, String> {
        let entered = match self.admission.enter(&peer, payload.len()) {
            Ok(entered) => entered,
            Err(error) => return Ok(encode(&failed(error))),
        };
        let request = decode(&payload).map_err(|error| {
            metric::refusal("undecodable", 1);
            error.to_string()
        })?;
        drop(payload);
        let reply = self.answer(&peer, request).await;
        drop(entered);
        Ok(encode(&reply))
    }

    fn message(&self, _: &Identity, _: Bytes) -> Result<(), String> {
        Err("a router takes requests only".to_owned())
    }

    fn large_message(&self, _: &Identity, _: Bytes) -> Result<(), String> {
        Err("a router takes requests only".to_owned())
    }
}

fn unknown_chain(chain: ChainId) -> RouterError {
    let rule = format!("chain {chain} is not in the genesis");
    RouterError::Malformed { field: "chain".to_owned(), rule }
}

/// The reply to a request that failed as a whole.
fn failed(error: RouterError) -> RouterReply {
    metric::refused([&error]);
    RouterReply::Error(error)
}

fn reply(results: Vec<Result<Outcome, RouterError>>) -> RouterReply {
    metric::refused(results.iter().filter_map(|result| result.as_ref().err()));
    let outcomes = results.iter().filter_map(|result| result.as_ref().ok());
    for moved in outcomes.filter(|outcome| moved_by(outcome).is_some()) {
        metric::moved(moved.chain);
    }
    RouterReply::Outcomes(results)
}

const fn kind(request: &RouterRequest) -> &'static str {
    match request {
        RouterRequest::Hello => "hello",
        RouterRequest::Pay { .. } => "pay",
        RouterRequest::Operate(_) => "operate",
        RouterRequest::Forward(_) => "forward",
        RouterRequest::Query { .. } => "query",
        RouterRequest::Cluster => "cluster",
    }
}
