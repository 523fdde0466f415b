//! Whether the node can serve: each replica knows a leader and has executed
//! all that it knows to be committed.

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
    let (commit, applied) = (status.commit, status.applied);
    (commit > applied.saturating_add(BACKLOG_BLOCKS_MAX))
        .then(|| format!("chain {chain} has executed {applied} of {commit} entries"))
}
