//! Finding out who leads a chain.
//!
//! Every replica is asked, again and again, and none waits for another: one that
//! is dead keeps nobody from hearing its successor. What a replica says of itself
//! is believed if it leads in a term not before that of the leader believed so
//! far, or if nobody is known to lead; what it says of another is not used: it
//! may not have noticed that the other is gone. Questions come seldom while the
//! leader answers, and close together when it has not for a while. A leader that
//! falls silent is given up as soon as another speaks, or after a while.

use std::convert::Infallible;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tributary_wire::query::{Answer, AnswerValue};

use crate::chain::Chain;
use crate::metric;

/// Between two questions to a replica while no leader answers, in ms.
const SEARCH_INTERVAL_MS: u64 = 25;
/// Between two questions to a replica while the leader answers, in ms.
const CHECK_INTERVAL_MS: u64 = 200;
/// How old a leader's last word may be, in ms, before a successor is looked for:
/// it is asked so often, and an answer may take a while.
const WORD_AGE_MS_MAX: u64 = CHECK_INTERVAL_MS + 200;
/// How long a leader may be silent before it is given up, in ms, if no other
/// has come forward.
const SILENCE_MS_MAX: u64 = 1_000;

/// Keeps a chain's leader known, for ever.
pub async fn follow(chain: Arc<Chain>) -> Infallible {
    let heard = Arc::new(Mutex::new(Heard { term: 0, at: Instant::now() }));
    let mut watchers = JoinSet::new();
    for index in 0..chain.replicas().len() {
        let watcher = Watcher { chain: Arc::clone(&chain), index, heard: Arc::clone(&heard) };
        watchers.spawn(watcher.run());
    }
    // They end only with this task, or by a panic, which is its own then.
    match watchers.join_next().await {
        Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
        _ => pending().await,
    }
}

/// The last word of the leader that is believed.
#[derive(Debug)]
struct Heard {
    /// The term it leads.
    term: u64,
    at: Instant,
}

/// Asks one replica.
struct Watcher {
    chain: Arc<Chain>,
    index: usize,
    heard: Arc<Mutex<Heard>>,
}

impl Watcher {
    async fn run(self) -> Infallible {
        let mut doubts = self.chain.watch_leader();
        let mut silent_since = None;
        loop {
            let asked = Instant::now();
            let answer = self.chain.status(self.index).await;
            if let Some(term) = answer.as_ref().and_then(led_term) {
                silent_since = None;
                self.hear(term);
            } else if self.is_believed() {
                let since = *silent_since.get_or_insert(asked);
                let is_over = since.elapsed() >= Duration::from_millis(SILENCE_MS_MAX);
                if is_over || !self.chain.is_connected(self.index) {
                    believe(&self.chain, None);
                }
            } else {
                silent_since = None;
            }
            if self.is_leader_heard() {
                let doubted = doubts.wait_for(Option::is_none);
                // Doubted or not: it is time to ask again.
                drop(timeout(Duration::from_millis(CHECK_INTERVAL_MS), doubted).await);
            } else {
                sleep(Duration::from_millis(SEARCH_INTERVAL_MS)).await;
            }
        }
    }

    /// This replica says that it leads.
    fn hear(&self, term: u64) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if self.chain.leader().is_none() || self.is_believed() || term >= heard.term {
            *heard = Heard { term, at: Instant::now() };
            believe(&self.chain, Some(self.index));
        }
    }

    fn is_believed(&self) -> bool {
        self.chain.leader() == Some(self.index)
    }

    fn is_leader_heard(&self) -> bool {
        let age = self.heard.lock().unwrap_or_else(PoisonError::into_inner).at.elapsed();
        self.chain.leader().is_some() && age <= Duration::from_millis(WORD_AGE_MS_MAX)
    }
}

fn believe(chain: &Chain, leader: Option<usize>) {
    if chain.leader() != leader {
        let validator = leader.and_then(|index| chain.replicas().get(index));
        let validator = validator.map(|replica| replica.validator);
        tracing::info!(chain = %chain.id(), ?validator, "leader changed");
        metric::leader_changed(chain.id());
        chain.believe(leader);
    }
}

/// The term that a replica leads, if it says so.
fn led_term(answer: &Answer) -> Option<u64> {
    match &answer.value {
        AnswerValue::Status(status) if status.leader == Some(status.validator) => Some(status.term),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_types::ChainId;

    #[test]
    fn a_deposed_leader_is_not_believed_beside_its_successor() {
        let chain = Arc::new(Chain::new(ChainId::new(1), Vec::new()));
        let heard = Arc::new(Mutex::new(Heard { term: 0, at: Instant::now() }));
        let [deposed, successor] = [0, 1].map(|index| Watcher {
            chain: Arc::clone(&chain),
            index,
            heard: Arc::clone(&heard),
        });
        deposed.hear(5);
        assert_eq!(chain.leader(), Some(0));
        successor.hear(6);
        deposed.hear(5);
        assert_eq!(chain.leader(), Some(1));
        chain.believe(None);
        deposed.hear(5);
        assert_eq!(chain.leader(), Some(0), "while nobody is known, the first word counts");
        successor.hear(6);
        assert_eq!(chain.leader(), Some(1));
    }
}
