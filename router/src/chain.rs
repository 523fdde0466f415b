//! One chain as a router sees it: its replicas, who leads, and asking the
//! leader until there is an answer.
//!
//! A request is repeated, the same bytes under the same ids, at whoever leads
//! until it is answered or the router's patience ends. What is reported then
//! is exact: `outcome unknown` if any attempt may have taken effect, else that
//! nothing was done.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tributary_chain::Batch;
use tributary_transport::{Backoff, PeerLink, RequestError};
use tributary_types::ChainId;
use tributary_wire::node::{NodeError, NodeReply, NodeRequest, Submitted};
use tributary_wire::query::{Answer, AnswerValue, Query};
use tributary_wire::router::RouterError;
use tributary_wire::{Canonical, decode, encode};

use crate::asking::{Asking, Step};
use crate::executed::Executed;
use crate::metric;

/// How long a batch is repeated, in ms: more than an election takes.
pub const BATCH_PATIENCE_MS: u64 = 15_000;
/// How long a read is repeated, in ms.
pub const READ_PATIENCE_MS: u64 = 5_000;
/// How long one replica is waited for before another is tried, in ms.
const ATTEMPT_MS_MAX: u64 = 4_000;
/// How long a replica may take to say how it is doing, in ms.
const STATUS_MS_MAX: u64 = 1_000;

/// One copy of the chain.
#[derive(Debug)]
pub struct Replica {
    /// Index in the validator set.
    pub validator: u16,
    /// The node that hosts it.
    pub link: PeerLink,
}

/// A chain's replicas and the one that is believed to lead.
#[derive(Debug)]
pub struct Chain {
    id: ChainId,
    replicas: Vec<Replica>,
    /// Index in `replicas`.
    leader: watch::Sender<Option<usize>>,
}

impl Chain {
    /// A chain with these replicas, of which none is known to lead.
    #[must_use]
    pub fn new(id: ChainId, replicas: Vec<Replica>) -> Self {
        Self { id, replicas, leader: watch::Sender::new(None) }
    }

    /// Its number.
    #[must_use]
    pub const fn id(&self) -> ChainId {
        self.id
    }

    /// Its replicas.
    #[must_use]
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// Index of the replica that is believed to lead.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        *self.leader.borrow()
    }

    /// Told whenever another replica, or none, is believed to lead.
    #[must_use]
    pub fn watch_leader(&self) -> watch::Receiver<Option<usize>> {
        self.leader.subscribe()
    }

    /// Whether there is a connection to replica `index`.
    #[must_use]
    pub fn is_connected(&self, index: usize) -> bool {
        self.replicas.get(index).is_some_and(|replica| replica.link.is_connected())
    }

    /// Sets who is believed to lead.
    pub fn believe(&self, leader: Option<usize>) {
        self.leader.send_if_modified(|known| std::mem::replace(known, leader) != leader);
    }

    /// Executes a batch.
    ///
    /// # Errors
    /// [`RouterError`], never [`RouterError::Malformed`].
    pub async fn submit(&self, batch: Batch) -> Result<Executed, RouterError> {
        let count = batch.outcome_count();
        let request = Bytes::from(encode(&NodeRequest::Submit(Canonical(batch))));
        let begin = Instant::now();
        let reply = self.ask_leader(&request, BATCH_PATIENCE_MS).await;
        metric::batch(self.id, count, begin.elapsed());
        match reply {
            Ok(NodeReply::Submitted(submitted)) => self.executed(submitted, count),
            Ok(_) => Err(self.nonsense("an answer of another kind")),
            Err(error) => Err(error),
        }
    }

    /// Reads from the leader; a status from any replica.
    ///
    /// # Errors
    /// [`RouterError`] if none answered in time.
    pub async fn read(&self, query: Query) -> Result<Box<Answer>, RouterError> {
        let request = Bytes::from(encode(&NodeRequest::Query { chain: self.id, query }));
        match self.ask_leader(&request, READ_PATIENCE_MS).await {
            Ok(NodeReply::Answer(answer)) if answer.chain == self.id => Ok(answer),
            Ok(_) => Err(self.nonsense("an answer of another kind")),
            Err(error) => Err(error),
        }
    }

    /// What replica `index` says of itself; `None` if it does not answer.
    pub async fn status(&self, index: usize) -> Option<Answer> {
        let replica = self.replicas.get(index).filter(|_| self.is_connected(index))?;
        let request = encode(&NodeRequest::Query { chain: self.id, query: Query::Status });
        let deadline = Instant::now() + Duration::from_millis(STATUS_MS_MAX);
        let bytes = timeout_at(deadline, replica.link.request(request)).await.ok()?.ok()?;
        match decode(&bytes) {
            Ok(NodeReply::Answer(answer))
                if answer.chain == self.id && matches!(answer.value, AnswerValue::Status(_)) =>
            {
                Some(*answer)
            }
            _ => None,
        }
    }

    /// Repeats a request until it is answered by anything but an error that
    /// another attempt may overcome.
    async fn ask_leader(
        &self,
        request: &Bytes,
        patience_ms: u64,
    ) -> Result<NodeReply, RouterError> {
        let deadline = Instant::now() + Duration::from_millis(patience_ms);
        let mut asking = Asking::new(self.id, patience_ms);
        let mut backoff = Backoff::new();
        while let Some(index) = self.wait_for_leader(deadline).await {
            let step = match self.attempt(index, request, deadline).await {
                Ok(NodeReply::Error(error)) => asking.error(&error),
                Ok(reply) => return Ok(reply),
                Err(Missed::NotSent(reason)) => asking.not_sent(reason),
                Err(Missed::Lost(reason)) => asking.lost(reason),
            };
            let wait_ms = match step {
                Step::End(error) => return Err(error),
                Step::Repeat { wait_ms } => wait_ms,
                Step::Seek(hint) => {
                    self.move_on(index, hint);
                    0
                }
            };
            metric::repeat(self.id);
            backoff.wait(wait_ms, deadline).await;
        }
        Err(asking.give_up())
    }

    /// Asks one replica once; given up as soon as another is known to lead.
    async fn attempt(
        &self,
        index: usize,
        request: &Bytes,
        deadline: Instant,
    ) -> Result<NodeReply, Missed> {
        let Some(replica) = self.replicas.get(index).filter(|_| self.is_connected(index)) else {
            return Err(Missed::NotSent("the leader is not connected".to_owned()));
        };
        let limit = deadline.min(Instant::now() + Duration::from_millis(ATTEMPT_MS_MAX));
        let mut leader = self.leader.subscribe();
        let replaced = leader.wait_for(|known| known.is_some_and(|known| known != index));
        let reply = tokio::select! {
            reply = timeout_at(limit, replica.link.request(request.clone())) => reply,
            _ = replaced => return Err(Missed::Lost("another replica leads".to_owned())),
        };
        match reply {
            Ok(Ok(bytes)) => decode(&bytes).map_err(|error| Missed::Lost(error.to_string())),
            Ok(Err(RequestError::Refused(reason))) => {
                Ok(NodeReply::Error(NodeError::Refused(reason)))
            }
            Ok(Err(error)) if error.was_sent() => Err(Missed::Lost(error.to_string())),
            Ok(Err(error)) => Err(Missed::NotSent(error.to_string())),
            Err(_) => Err(Missed::Lost(format!("validator {} is silent", replica.validator))),
        }
    }

    /// Replica `index` does not lead; `hint` is the validator that may.
    fn move_on(&self, index: usize, hint: Option<u16>) {
        let hinted = hint.and_then(|validator| {
            self.replicas.iter().position(|replica| replica.validator == validator)
        });
        let next = hinted.filter(|hinted| *hinted != index);
        // Somebody else may have found the leader in the meantime.
        self.leader.send_if_modified(|known| {
            let outdated = *known == Some(index);
            if outdated {
                *known = next;
            }
            outdated
        });
    }

    async fn wait_for_leader(&self, deadline: Instant) -> Option<usize> {
        let mut leader = self.leader.subscribe();
        let known = timeout_at(deadline, leader.wait_for(Option::is_some)).await;
        known.ok()?.ok().and_then(|leader| *leader)
    }

    fn executed(&self, submitted: Submitted, count: usize) -> Result<Executed, RouterError> {
        if submitted.chain != self.id || submitted.receipts.len() != count {
            return Err(self.nonsense("receipts that do not fit the batch"));
        }
        let beyond = || self.nonsense("a position beyond what a chain can hold");
        Executed::new(submitted).ok_or_else(beyond)
    }

    /// A node that answers what was not asked is faulty; what it did is not
    /// known.
    fn nonsense(&self, what: &str) -> RouterError {
        tracing::error!(chain = %self.id, "the leader gave {what}");
        RouterError::OutcomeUnknown(format!("chain {}: the leader gave {what}", self.id))
    }
}

/// An attempt without an answer.
enum Missed {
    /// The request never left.
    NotSent(String),
    /// The request left, and no usable answer came.
    Lost(String),
}
