//! The replicas of one chain, as a relay asks them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::time::{Instant, timeout_at};
use tributary_transport::{Backoff, PeerLink};
use tributary_types::ChainId;
use tributary_wire::node::{NodeError, NodeReply, NodeRequest};
use tributary_wire::{decode, encode};

/// How long one replica is waited for before another is tried.
const ATTEMPT_MS_MAX: u64 = 4_000;
/// How long a request to the leader is repeated: more than an election takes.
const LEADER_PATIENCE_MS: u64 = 10_000;

/// A chain's replicas, one of which is asked next. Shared by all channels that
/// begin or end at the chain.
#[derive(Debug)]
pub struct Replicas {
    chain: ChainId,
    /// By validator.
    links: Vec<(u16, PeerLink)>,
    /// Index of the replica that is believed to lead.
    leader: AtomicUsize,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AskError {
    /// No replica answered.
    #[error("chain {chain} does not answer: {last}")]
    Silent {
        /// The chain.
        chain: ChainId,
        /// What the last attempt heard.
        last: String,
    },
    /// A replica refused; asking again will not help.
    #[error("chain {chain}: {error}")]
    Refused {
        /// The chain.
        chain: ChainId,
        /// Why.
        error: NodeError,
    },
}

impl Replicas {
    /// Replicas in ascending order of their validators; there is at least one
    /// in a checked topology.
    #[must_use]
    pub fn new(chain: ChainId, links: Vec<(u16, PeerLink)>) -> Self {
        Self { chain, links, leader: AtomicUsize::new(0) }
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// Asks one replica, chosen by `turn`, and waits `wait_ms` longer than for
    /// a request that is answered at once.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask_one(
        &self,
        turn: usize,
        request: &NodeRequest,
        wait_ms: u64,
    ) -> Result<NodeReply, AskError> {
        let deadline = Instant::now() + Duration::from_millis(ATTEMPT_MS_MAX + wait_ms);
        let reply = self.attempt(turn, Bytes::from(encode(request)), deadline).await;
        match reply.map_err(|last| AskError::Silent { chain: self.chain, last })? {
            NodeReply::Error(error) => Err(AskError::Refused { chain: self.chain, error }),
            reply => Ok(reply),
        }
    }

    /// Asks the leader, wherever it is; repeats while there is none. Only for
    /// requests that may be executed twice.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask_leader(&self, request: &NodeRequest) -> Result<NodeReply, AskError> {
        let deadline = Instant::now() + Duration::from_millis(LEADER_PATIENCE_MS);
        let payload = Bytes::from(encode(request));
        let mut backoff = Backoff::new();
        loop {
            let turn = self.leader.load(Ordering::Relaxed);
            let attempt_end = deadline.min(Instant::now() + Duration::from_millis(ATTEMPT_MS_MAX));
            let (last, hint_ms) = match self.attempt(turn, payload.clone(), attempt_end).await {
                Ok(NodeReply::Error(error)) => match &error {
                    NodeError::Refused(_) | NodeError::Forbidden(_) => {
                        return Err(AskError::Refused { chain: self.chain, error });
                    }
                    NodeError::Overloaded { retry_after_ms } => {
                        (error.to_string(), *retry_after_ms)
                    }
                    NodeError::NotLeader { leader: Some(leader), .. } => {
                        let known = self.turn_of(*leader);
                        self.move_on(turn, known.unwrap_or(turn + 1));
                        (error.to_string(), 0)
                    }
                    NodeError::NotLeader { leader: None, .. }
                    | NodeError::UnknownChain(_)
                    | NodeError::OutcomeUnknown
                    | NodeError::Unavailable(_) => {
                        self.move_on(turn, turn + 1);
                        (error.to_string(), 0)
                    }
                },
                Ok(reply) => return Ok(reply),
                Err(reason) => {
                    self.move_on(turn, turn + 1);
                    (reason, 0)
                }
            };
            if Instant::now() >= deadline {
                return Err(AskError::Silent { chain: self.chain, last });
            }
            backoff.wait(hint_ms, deadline).await;
        }
    }

    async fn attempt(
        &self,
        turn: usize,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<NodeReply, String> {
        let (_, link) = self
            .links
            .get(turn % self.links.len().max(1))
            .ok_or_else(|| "the topology has no replica".to_owned())?;
        match timeout_at(deadline, link.request(payload)).await {
            Ok(Ok(bytes)) => decode(&bytes).map_err(|error| error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("{} did not answer in time", link.address())),
        }
    }

    fn turn_of(&self, validator: u16) -> Option<usize> {
        self.links.iter().position(|(found, _)| *found == validator)
    }

    /// Believes in another leader, unless somebody else has meanwhile.
    fn move_on(&self, from: usize, to: usize) {
        let to = to % self.links.len().max(1);
        // Lost against another request that knew better: fine.
        _ = self.leader.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }
}
