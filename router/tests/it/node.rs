//! Nodes that follow a script: they keep what they were sent, execute each id
//! once, and fail as told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tributary_chain::Batch;
use tributary_ledger::RoutesProof;
use tributary_transport::{Handler, Identity};
use tributary_types::{Amount, BlockHeight, ChainId, OutcomeCode, PaymentId, Receipt, TimeMs};
use tributary_wire::node::{NodeError, NodeReply, NodeRequest, Submitted};
use tributary_wire::query::{Answer, AnswerValue, Query, ReplicaStatus};
use tributary_wire::{decode, encode};

/// Index in their block of the first outcome of every batch.
pub const FIRST_INDEX: u32 = 5;

/// What a leader does with the next batch for a chain.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers with this error; nothing is executed.
    Error(NodeError),
    /// Executes, hands leadership to this validator, and never answers.
    ExecuteAndFallSilent { next_leader: u16 },
    /// Executes, and answers that the outcome is unknown.
    ExecuteAndForget,
    /// Executes once [`World::release`] is called.
    Hold,
    /// Refuses every item as `moved`, by this version of the route table.
    Moved(u64),
}

/// One batch as a node received it.
#[derive(Debug, Clone)]
pub struct Received {
    /// At which validator.
    pub validator: u16,
    /// What.
    pub batch: Batch,
}

impl Received {
    /// Ids of its operations, then of its payments.
    pub fn ids(&self) -> Vec<PaymentId> {
        let operations = self.batch.operations.iter().map(|operation| operation.id);
        let payments = self.batch.payments.iter().map(|record| record.parse().unwrap().id);
        operations.chain(payments).collect()
    }
}

/// A chain, seen from outside.
#[derive(Debug, Default)]
pub struct ScriptedChain {
    /// Who leads.
    pub leader: Option<u16>,
    /// What goes wrong next, batch by batch.
    pub faults: VecDeque<Fault>,
    /// Every batch, also those that failed.
    pub received: Vec<Received>,
    /// Every id, in order of execution.
    pub executed: Vec<PaymentId>,
    known: BTreeSet<PaymentId>,
    height: u64,
}

/// All chains, shared by all nodes.
pub struct World {
    chains: Mutex<BTreeMap<ChainId, ScriptedChain>>,
    held: Semaphore,
    routes: Mutex<ProvedRoutes>,
}

/// The route table as the HF chain shows it.
#[derive(Debug, Default)]
struct ProvedRoutes {
    proof: Option<RoutesProof>,
    asked: usize,
}

impl World {
    /// Chains that validator 0 leads.
    pub fn new(chains: impl IntoIterator<Item = ChainId>) -> Arc<Self> {
        let chain = |id| (id, ScriptedChain { leader: Some(0), ..ScriptedChain::default() });
        let chains = chains.into_iter().map(chain).collect();
        let (held, routes) = (Semaphore::new(0), Mutex::default());
        Arc::new(Self { chains: Mutex::new(chains), held, routes })
    }

    /// Looks at a chain or changes it.
    pub fn with<T>(&self, chain: ChainId, act: impl FnOnce(&mut ScriptedChain) -> T) -> T {
        act(self.lock().get_mut(&chain).unwrap())
    }

    /// Plans a fault of a chain's leader, after those planned before.
    pub fn plan(&self, chain: ChainId, fault: Fault) {
        self.with(chain, |state| state.faults.push_back(fault));
    }

    /// Lets one held batch execute.
    pub fn release(&self) {
        self.held.add_permits(1);
    }

    /// Lets the HF chain show this from now on.
    pub fn show_routes(&self, proof: RoutesProof) {
        self.routes.lock().unwrap().proof = Some(proof);
    }

    /// How often the HF chain was asked for the route table.
    pub fn routes_asked(&self) -> usize {
        self.routes.lock().unwrap().asked
    }

    fn routes(&self) -> Option<RoutesProof> {
        let mut routes = self.routes.lock().unwrap();
        routes.asked += 1;
        routes.proof.clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChainId, ScriptedChain>> {
        self.chains.lock().unwrap()
    }
}

/// The replicas with one validator index, of all chains.
pub struct Node {
    pub validator: u16,
    pub world: Arc<World>,
}

impl Node {
    async fn submit(&self, batch: Batch) -> NodeReply {
        let chain = batch.chain;
        let received = Received { validator: self.validator, batch };
        let fault = self.world.with(chain, |state| {
            state.received.push(received.clone());
            if state.leader == Some(self.validator) {
                Ok(state.faults.pop_front())
            } else {
                Err(NodeError::NotLeader { chain, leader: state.leader })
            }
        });
        match fault {
            Err(error) | Ok(Some(Fault::Error(error))) => NodeReply::Error(error),
            Ok(None) => self.execute(&received),
            Ok(Some(Fault::Moved(version))) => Self::refuse_as_moved(&received, version),
            Ok(Some(Fault::ExecuteAndForget)) => {
                self.execute(&received);
                NodeReply::Error(NodeError::OutcomeUnknown)
            }
            Ok(Some(Fault::ExecuteAndFallSilent { next_leader })) => {
                self.execute(&received);
                self.world.with(chain, |state| state.leader = Some(next_leader));
                std::future::pending().await
            }
            Ok(Some(Fault::Hold)) => {
                self.world.held.acquire().await.unwrap().forget();
                self.execute(&received)
            }
        }
    }

    fn execute(&self, received: &Received) -> NodeReply {
        let chain = received.batch.chain;
        self.world.with(chain, |state| {
            state.height += 1;
            let mut receipts = Vec::new();
            for id in received.ids() {
                let replay = !state.known.insert(id);
                if !replay {
                    state.executed.push(id);
                }
                let receipt = Receipt::refused(OutcomeCode::Committed, Amount::ZERO);
                receipts.push(Receipt { replay, ..receipt });
            }
            let (height, first_index) = (BlockHeight::new(state.height), FIRST_INDEX);
            NodeReply::Submitted(Submitted { chain, height, first_index, receipts })
        })
    }

    fn refuse_as_moved(received: &Received, version: u64) -> NodeReply {
        let detail = Amount::new(u128::from(version));
        let moved = Receipt::refused(OutcomeCode::Moved, detail);
        NodeReply::Submitted(Submitted {
            chain: received.batch.chain,
            height: BlockHeight::new(1),
            first_index: FIRST_INDEX,
            receipts: vec![moved; received.ids().len()],
        })
    }

    fn query(&self, chain: ChainId, query: &Query) -> NodeReply {
        let (leader, height) = self.world.with(chain, |state| (state.leader, state.height));
        let height = BlockHeight::new(height);
        let value = match query {
            Query::Status => AnswerValue::Status(ReplicaStatus {
                validator: self.validator,
                leader,
                term: 1,
                certified: height,
            }),
            _ if leader != Some(self.validator) => {
                return NodeReply::Error(NodeError::NotLeader { chain, leader });
            }
            Query::Payment(_) => AnswerValue::Payment(None),
            Query::ProveRoutes => AnswerValue::RoutesProof(self.world.routes().map(Box::new)),
            other => return NodeReply::Error(NodeError::Refused(format!("{other:?}"))),
        };
        NodeReply::Answer(Box::new(Answer { chain, height, time: TimeMs::new(1), value }))
    }
}

impl Handler for Node {
    fn admit(&self, _: &Identity) -> Result<(), String> {
        Ok(())
    }

    async fn request(self: Arc<Self>, _: Arc<Identity>, payload: Bytes) -> Result<Vec<u8>, String> {
        let reply = match decode(&payload).map_err(|error| error.to_string())? {
            NodeRequest::Submit(batch) => self.submit(batch.0).await,
            NodeRequest::Query { chain, query } => self.query(chain, &query),
            NodeRequest::Deliver { .. }
            | NodeRequest::Outgoing { .. }
            | NodeRequest::Blocks { .. } => {
                return Err("a router delivers nothing".to_owned());
            }
        };
        Ok(encode(&reply))
    }

    fn message(&self, _: &Identity, _: Bytes) -> Result<(), String> {
        Err("a router sends no messages".to_owned())
    }

    fn large_message(&self, _: &Identity, _: Bytes) -> Result<(), String> {
        Err("a router sends no messages".to_owned())
    }
}
