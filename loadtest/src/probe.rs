//! Single payments beside the load, on schedule: how long no chain can be
//! without an answer, whatever the load's own requests wait for.
//!
//! Each payment is its own request and is sent when it is due, so one that
//! waits for a new leader delays no other.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use tributary_client::Client;

use crate::workload::Parties;

/// One committed payment.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Probe {
    /// Number of the chain.
    pub chain: u16,
    /// Wall clock when it was sent, in ms.
    pub sent_unix_ms: f64,
    /// Wall clock when it was answered, in ms.
    pub answered_unix_ms: f64,
}

/// Running probes.
pub struct Probes {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<Vec<Probe>>>,
}

impl Probes {
    /// Begins to pay on every user chain each `interval`.
    pub fn start(client: Client, interval: Duration, parties: Arc<Parties>) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: tokio::spawn(probe(client, interval, parties, stopped)) }
    }

    /// Ends when every answer is there; only committed payments are told.
    ///
    /// # Errors
    /// If a task of the generator dies.
    pub async fn stop(self) -> Result<Vec<Probe>> {
        self.stop.send_replace(true);
        self.task.await?
    }
}

async fn probe(
    client: Client,
    interval: Duration,
    parties: Arc<Parties>,
    stopped: watch::Receiver<bool>,
) -> Result<Vec<Probe>> {
    let chains = client.routes().user_chains();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut asking, mut probes) = (JoinSet::new(), Vec::new());
    while !*stopped.borrow() {
        ticks.tick().await;
        for (index, chain) in chains.iter().enumerate() {
            let Some(draft) = parties.draft_on(index) else { continue };
            let (client, chain) = (client.clone(), chain.get());
            asking.spawn(async move {
                let sent_unix_ms = unix_ms();
                let results = client.pay(&[draft]).await;
                let is_committed = results.iter().all(|result| {
                    result.as_ref().is_ok_and(|outcome| outcome.receipt.code.is_committed())
                });
                is_committed.then(|| Probe { chain, sent_unix_ms, answered_unix_ms: unix_ms() })
            });
        }
        while let Some(answered) = asking.try_join_next() {
            probes.extend(answered?);
        }
    }
    while let Some(answered) = asking.join_next().await {
        probes.extend(answered?);
    }
    Ok(probes)
}

fn unix_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64() * 1_000.0
}
