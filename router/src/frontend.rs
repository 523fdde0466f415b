//! Answering front-ends: from a request's bytes to its reply's.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tributary_chain::Batch;
use tributary_routing::RouteTable;
use tributary_transport::{Handler, Identity, Role};
use tributary_types::{ChainId, Hash};
use tributary_wire::query::Query;
use tributary_wire::router::{Outcome, RouterError, RouterReply, RouterRequest};
use tributary_wire::{decode, encode};

use crate::admission::{Admission, Entered};
use crate::lane::Lane;
use crate::metric::{self, RequestKind, RequestMetrics};
use crate::request::{Request, moved_by};
use crate::routes::Routes;
use crate::shape::{check_operations, check_payments};
use crate::strand::Answer;

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
    /// What is counted of requests.
    pub metrics: RequestMetrics,
}

/// A decoded request.
enum Begun {
    /// Items to execute.
    Items(Request),
    /// Boxed because it is rare: see [`FrontEndHandler::request`].
    Other(Box<Other>),
}

/// A request that was let in, of which kind, and decoded or refused as a whole.
type Received = (Entered, RequestKind, Result<Begun, RouterError>);

/// What executes no items, or not one by one.
enum Other {
    Hello,
    Forward(Batch),
    Query { chain: ChainId, query: Query },
    Cluster,
}

/// Portions that their strands have: which items, and their answer.
type UnderWay = Vec<(Vec<usize>, oneshot::Receiver<Answer>)>;

impl FrontEndHandler {
    /// What the router still lacks to serve, one sentence for each chain.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let leaderless = self.lanes.values().filter(|lane| lane.chain().leader().is_none());
        leaderless.map(|lane| format!("chain {} has no known leader", lane.chain().id())).collect()
    }

    /// Lets a request in and decodes it, or says at once how it ends.
    fn receive(
        &self,
        peer: &Identity,
        payload: &[u8],
    ) -> Result<Received, Result<Vec<u8>, String>> {
        let refused = |error| Ok(encode(&failed(error)));
        let entered = self.admission.enter(peer, payload.len()).map_err(refused)?;
        let request = decode(payload).map_err(|error| {
            metric::refusal("undecodable", 1);
            Err(error.to_string())
        })?;
        let kind = kind(&request);
        self.metrics.begun(kind, self.admission.in_flight());
        Ok((entered, kind, self.begin(peer, request)))
    }

    /// Checks and cuts what is to execute.
    fn begin(&self, peer: &Identity, request: RouterRequest) -> Result<Begun, RouterError> {
        let other = match request {
            RouterRequest::Pay { payments, owner_signatures } => {
                check_payments(&payments.0, &owner_signatures.0)?;
                self.admission.take_quota(peer, payments.0.len())?;
                let (records, signatures) = (payments.0, owner_signatures.0);
                return Ok(
                    self.cut(|routes| Request::payments(records, signatures, routes, self.strands))
                );
            }
            RouterRequest::Operate(operations) => {
                check_operations(&operations.0)?;
                self.admission.take_quota(peer, operations.0.len())?;
                let registry = self.registry_chain;
                return Ok(self.cut(|routes| {
                    Request::operations(operations.0, routes, registry, self.strands)
                }));
            }
            RouterRequest::Hello => Other::Hello,
            RouterRequest::Forward(batch) => Other::Forward(batch.0),
            RouterRequest::Query { chain, query } => Other::Query { chain, query },
            RouterRequest::Cluster => Other::Cluster,
        };
        Ok(Begun::Other(Box::new(other)))
    }

    fn cut(&self, cut: impl FnOnce(&RouteTable) -> Request) -> Begun {
        let held = self.routes.held();
        Begun::Items(cut(held.table()))
    }

    async fn answer(&self, peer: &Identity, other: Other) -> Result<RouterReply, RouterError> {
        match other {
            Other::Hello => {
                Ok(RouterReply::Hello { cluster: self.cluster, routes: self.routes.held().proof() })
            }
            Other::Forward(batch) => self.forward(peer, batch).await,
            Other::Query { chain, query } => self.query(chain, query).await,
            Other::Cluster => Ok(self.cluster_status().await),
        }
    }

    async fn forward(&self, peer: &Identity, batch: Batch) -> Result<RouterReply, RouterError> {
        let lane = self.lane(batch.chain)?;
        let count = batch.outcome_count();
        self.admission.take_quota(peer, count)?;
        let outcomes = lane.forward(batch).await?.all();
        if let Some(version) = outcomes.iter().filter_map(moved_by).max() {
            self.routes.want(version);
        }
        Ok(reply(outcomes.into_iter().map(Ok).collect()))
    }

    async fn query(&self, chain: ChainId, query: Query) -> Result<RouterReply, RouterError> {
        self.lane(chain)?.chain().read(query).await.map(RouterReply::Answer)
    }

    /// Executes a request. What a chain refused because it goes by a later route
    /// table is cut by that and sent again, at most [`MOVES_FOLLOWED_MAX`] times.
    async fn execute(&self, request: &mut Request) {
        self.send(request).await;
        for _ in 0..MOVES_FOLLOWED_MAX {
            let Some(later) = request.moved_by() else { return };
            let held = Box::pin(self.routes.wait_for(later)).await;
            let followed = request.follow(held.table());
            if followed == 0 {
                return;
            }
            metric::moves_followed(followed);
            Box::pin(self.send(request)).await;
        }
    }

    /// Puts every portion into its strand first, then waits for them all.
    async fn send(&self, request: &mut Request) {
        for (items, answer) in self.enqueue(request) {
            let stopped = |_| Err(RouterError::OutcomeUnknown("the router is stopping".to_owned()));
            match answer.await.unwrap_or_else(stopped) {
                Ok(share) => request.answer(&items, share.outcomes()),
                Err(error) => request.fail(&items, &error),
            }
        }
    }

    /// Puts every portion into its strand; what finds no place there is answered.
    fn enqueue(&self, request: &mut Request) -> UnderWay {
        let cuts = request.take_cuts();
        let mut under_way = Vec::with_capacity(cuts.len());
        for (strand, cut) in cuts {
            let queue = self.lanes.get(&strand.chain).and_then(|lane| lane.strand(strand.number));
            let enqueued = match queue {
                Some(queue) => queue.enqueue(cut.portion),
                None => Err(unknown_chain(strand.chain)),
            };
            match enqueued {
                Ok(answer) => under_way.push((cut.items, answer)),
                Err(error) => request.fail(&cut.items, &error),
            }
        }
        under_way
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

    /// What lives across a wait is kept small, as there is one for each payment
    /// under way, and together they are more than a processor's caches hold.
    async fn request(
        self: Arc<Self>,
        peer: Arc<Identity>,
        payload: Bytes,
    ) -> Result<Vec<u8>, String> {
        let begin = Instant::now();
        let (entered, kind, begun) = match self.receive(&peer, &payload) {
            Ok(received) => received,
            Err(end) => return end,
        };
        drop(payload);
        let reply = match begun {
            Ok(Begun::Items(mut request)) => {
                self.execute(&mut request).await;
                reply(request.finish())
            }
            Ok(Begun::Other(other)) => {
                Box::pin(self.answer(&peer, *other)).await.unwrap_or_else(failed)
            }
            Err(error) => failed(error),
        };
        self.metrics.replied(kind, begin.elapsed());
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

const fn kind(request: &RouterRequest) -> RequestKind {
    match request {
        RouterRequest::Hello => RequestKind::Hello,
        RouterRequest::Pay { .. } => RequestKind::Pay,
        RouterRequest::Operate(_) => RequestKind::Operate,
        RouterRequest::Forward(_) => RequestKind::Forward,
        RouterRequest::Query { .. } => RequestKind::Query,
        RouterRequest::Cluster => RequestKind::Cluster,
    }
}
