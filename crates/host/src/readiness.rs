//! Whether the node can serve: each replica knows a leader and has executed
//! what that says is committed. So another node may be stopped, and this one
//! takes its place at once.

use std::sync::Arc;

use tributary_service::observe::Readiness;
use tributary_types::ChainId;

use crate::chain::{ChainHandle, Published};
use crate::stop::{Stop, StopState};

/// Committed blocks that may wait for execution in a replica that is ready.
const BACKLOG_BLOCKS_MAX: u64 = 64;

/// Looks at what the chains' threads publish.
#[derive(Debug, Clone)]
pub struct NodeReadiness {
    chains: Vec<(ChainId, Arc<Published>)>,
    stop: Arc<Stop>,
}

impl NodeReadiness {
    /// Of these chains.
    #[must_use]
    pub fn new<'a>(chains: impl Iterator<Item = &'a ChainHandle>, stop: Arc<Stop>) -> Self {
        let chains = chains.map(|chain| (chain.chain, Arc::clone(&chain.published))).collect();
        Self { chains, stop }
    }
}

impl Readiness for NodeReadiness {
    fn missing(&self) -> Vec<String> {
        if self.stop.state() != StopState::Running {
            return vec!["the node is stopping".to_owned()];
        }
        self.chains.iter().filter_map(|(chain, published)| lacks(*chain, published)).collect()
    }
}

fn lacks(chain: ChainId, published: &Published) -> Option<String> {
    let Some(status) = published.get().map(|snapshot| snapshot.status) else {
        return Some(format!("chain {chain} is starting"));
    };
    if status.leader.is_none() {
        return Some(format!("chain {chain} knows no leader"));
    }
    let applied = status.applied;
    let Some(commit) = status.leader_commit else {
        return Some(format!("chain {chain} has not heard how far its leader is"));
    };
    (commit > applied.saturating_add(BACKLOG_BLOCKS_MAX))
        .then(|| format!("chain {chain} has executed {applied} of {commit} entries"))
}

#[cfg(test)]
mod tests {
    use tributary_replica::ReplicaStatus;
    use tributary_types::TimeMs;

    use super::*;
    use crate::chain::Snapshot;

    fn lacking(status: Option<ReplicaStatus>) -> Option<String> {
        let published = Published::default();
        if let Some(status) = status {
            published.set(Snapshot { status, time: TimeMs::new(1) });
        }
        lacks(ChainId::new(7), &published)
    }

    #[test]
    fn ready_is_who_has_executed_what_its_leader_has_committed() {
        let said = |status| lacking(Some(status)).unwrap_or_default();
        assert_eq!(lacking(None).unwrap(), "chain 7 is starting");
        let mut status = ReplicaStatus { commit: 100, applied: 100, ..ReplicaStatus::default() };
        assert_eq!(said(status), "chain 7 knows no leader");
        status.leader = Some(2);
        assert_eq!(said(status), "chain 7 has not heard how far its leader is");
        // As far as its own log reaches it has executed all.
        status.leader_commit = Some(10_000);
        assert_eq!(said(status), "chain 7 has executed 100 of 10000 entries");
        status.applied = 10_000 - BACKLOG_BLOCKS_MAX;
        assert_eq!(lacking(Some(status)), None);
    }
}
