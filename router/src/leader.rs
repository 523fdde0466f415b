//! Finding out who leads a chain.
//!
//! All replicas are asked, again and again; of those that say that they lead
//! themselves the one of the highest term is believed. What a replica says of
//! another is not used: it may not have noticed that the other is gone. While
//! nobody is known to lead, the first word counts at once. A leader that falls
//! silent is given up as soon as another speaks, or after a while.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tributary_wire::query::{Answer, AnswerValue};

use crate::chain::Chain;
use crate::metric;

/// Between two searches while nobody is known to lead, in ms.
const SEARCH_INTERVAL_MS: u64 = 25;
/// Between two checks while somebody is, in ms.
const CHECK_INTERVAL_MS: u64 = 200;
/// How long one search waits for answers, in ms.
const SEARCH_MS_MAX: u64 = 200;
/// How long a leader may be silent before it is given up, in ms, if no other
/// has come forward.
const SILENCE_MS_MAX: u64 = 1_000;

/// Keeps a chain's leader known, for ever.
pub async fn follow(chain: Arc<Chain>) -> Infallible {
    let mut watch = chain.watch_leader();
    let mut confirmed = Instant::now();
    loop {
        let known = chain.leader();
        match search(&chain).await {
            Some(found) => {
                confirmed = Instant::now();
                believe(&chain, Some(found));
            }
            // Somebody may have been pointed to a leader in the meantime: keep that.
            None if known.is_some() && chain.leader() == known => {
                let silent = confirmed.elapsed() > Duration::from_millis(SILENCE_MS_MAX);
                if silent || !known.is_some_and(|index| chain.is_connected(index)) {
                    believe(&chain, None);
                }
            }
            None => {}
        }
        if chain.leader().is_some() {
            let doubted = watch.wait_for(Option::is_none);
            // Doubted or not: it is time to ask again.
            drop(timeout(Duration::from_millis(CHECK_INTERVAL_MS), doubted).await);
        } else {
            sleep(Duration::from_millis(SEARCH_INTERVAL_MS)).await;
        }
    }
}

/// Asks all replicas who leads.
async fn search(chain: &Arc<Chain>) -> Option<usize> {
    let deadline = Instant::now() + Duration::from_millis(SEARCH_MS_MAX);
    let mut answers = JoinSet::new();
    for index in 0..chain.replicas().len() {
        let chain = Arc::clone(chain);
        answers.spawn(async move { (index, chain.status(index).await) });
    }
    let mut leaders = Vec::new();
    while let Ok(Some(answer)) = timeout_at(deadline, answers.join_next()).await {
        let Ok((index, Some(answer))) = answer else {
            continue;
        };
        if let Some(term) = led_term(&answer) {
            leaders.push((term, index));
            if chain.leader().is_none() {
                believe(chain, Some(index));
            }
        }
    }
    leaders.into_iter().max().map(|(_, index)| index)
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
