//! How long settlement takes, measured beside the load: again and again, the
//! time from a question to the moment when everything that was committed at
//! the question is part of the merchants' totals on the HF chain.
//!
//! Questions come at random moments, because one that follows a settlement at
//! once would always wait for a whole interval. The client asks the chains
//! every few milliseconds, so each figure is up to that much, and a few round
//! trips, too long.

use std::time::{Duration, Instant};

use anyhow::Result;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tributary_client::{Client, SettledError};

/// Longest wait between two questions of one probe.
const PAUSE_MS_MAX: u64 = 400;

/// Running measurements.
pub struct SettlementProbes {
    stop: watch::Sender<bool>,
    tasks: JoinSet<Result<Vec<f64>, SettledError>>,
}

impl SettlementProbes {
    /// Begins to measure, `count` at a time.
    pub fn start(client: &Client, count: usize) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for number in 0..count as u64 {
            tasks.spawn(measure(client.clone(), SmallRng::seed_from_u64(number), stopped.clone()));
        }
        Self { stop, tasks }
    }

    /// Ends with the measurements under way; lags in seconds, ascending.
    ///
    /// # Errors
    /// If settlement came to a halt.
    pub async fn stop(mut self) -> Result<Vec<f64>> {
        self.stop.send_replace(true);
        let mut lags = Vec::new();
        while let Some(measured) = self.tasks.join_next().await {
            lags.append(&mut measured??);
        }
        lags.sort_by(f64::total_cmp);
        Ok(lags)
    }
}

async fn measure(
    client: Client,
    mut random: SmallRng,
    stopped: watch::Receiver<bool>,
) -> Result<Vec<f64>, SettledError> {
    let mut lags = Vec::new();
    while !*stopped.borrow() {
        let pause = Duration::from_millis(random.random_range(0..PAUSE_MS_MAX));
        tokio::time::sleep(pause).await;
        let begin = Instant::now();
        client.settled().await?;
        lags.push(begin.elapsed().as_secs_f64());
    }
    Ok(lags)
}
