//! How every chain and replica is doing, as far as a router can see.

use tributary_ledger::genesis::ChainKind;
use tributary_types::{BlockHeight, ChainId, TimeMs};
use tributary_wire::query::{AnswerValue, ReplicaStatus};
use tributary_wire::router::{RouterReply, RouterRequest};

use crate::client::{AsOf, Client};
use crate::error::AskError;

/// One chain and its replicas.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ChainOverview {
    /// The chain.
    pub chain: ChainId,
    /// What it holds.
    pub kind: ChainKind,
    /// Validator that the replicas of the highest term believe to lead.
    pub leader: Option<u16>,
    /// Highest term of any replica that answered.
    pub term: u64,
    /// Highest block of any replica that answered.
    pub height: BlockHeight,
    /// Time of that block.
    pub time: TimeMs,
    /// Highest certified block.
    pub certified: BlockHeight,
    /// Every replica by validator; `None` if it did not answer.
    pub replicas: Vec<(u16, Option<AsOf<ReplicaStatus>>)>,
}

impl Client {
    /// The state of every replica that the router reaches. Not linearizable:
    /// each replica speaks for itself.
    ///
    /// # Errors
    /// [`AskError`] if no router answers.
    pub async fn chains(&self) -> Result<Vec<ChainOverview>, AskError> {
        let deadline = tokio::time::Instant::now() + self.deadline();
        let reply = self.routers().ask_until(&RouterRequest::Cluster, deadline).await?;
        let RouterReply::Cluster(replicas) = reply else {
            return Err(AskError::OtherAnswer { asked: "the cluster" });
        };
        let mut overviews: Vec<_> = self.genesis().chains.iter().map(empty).collect();
        overviews.sort_by_key(|overview| overview.chain);
        for (chain, validator, answer) in replicas {
            let status = answer.and_then(|answer| match answer.value {
                AnswerValue::Status(value) => {
                    Some(AsOf { chain, height: answer.height, time: answer.time, value })
                }
                _ => None,
            });
            if let Some(overview) = overviews.iter_mut().find(|overview| overview.chain == chain) {
                overview.add(validator, status);
            }
        }
        Ok(overviews)
    }
}

fn empty(spec: &tributary_ledger::genesis::ChainSpec) -> ChainOverview {
    ChainOverview {
        chain: spec.id,
        kind: spec.kind,
        leader: None,
        term: 0,
        height: BlockHeight::default(),
        time: TimeMs::default(),
        certified: BlockHeight::default(),
        replicas: Vec::new(),
    }
}

impl ChainOverview {
    fn add(&mut self, validator: u16, status: Option<AsOf<ReplicaStatus>>) {
        if let Some(status) = &status {
            let ReplicaStatus { leader, term, certified, .. } = status.value;
            if term > self.term || (term == self.term && self.leader.is_none()) {
                self.leader = leader;
            }
            self.term = self.term.max(term);
            self.certified = self.certified.max(certified);
            if status.height >= self.height {
                (self.height, self.time) = (status.height, status.time);
            }
        }
        self.replicas.push((validator, status));
    }
}
