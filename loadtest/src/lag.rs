//! How long settlement takes, measured beside the load: again and again, the
//! time from a question to the moment when everything that was committed at
//! the question is part of the merchants' totals on the HF chain.
//!
//! The client asks the chains every few milliseconds, so each figure is up to
//! that much, and a few round trips, too long.

use std::time::Instant;

use anyhow::Result;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tributary_client::{Client, SettledError};

/// A running measurement.
pub struct SettlementProbe {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<Vec<f64>, SettledError>>,
}

impl SettlementProbe {
    /// Begins to measure.
    pub fn start(client: Client) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: tokio::spawn(measure(client, stopped)) }
    }

    /// Ends with the measurement under way; lags in seconds, ascending.
    ///
    /// # Errors
    /// If settlement came to a halt.
    pub async fn stop(self) -> Result<Vec<f64>> {
        self.stop.send_replace(true);
        let mut lags = self.task.await??;
        lags.sort_by(f64::total_cmp);
        Ok(lags)
    }
}

async fn measure(client: Client, stopped: watch::Receiver<bool>) -> Result<Vec<f64>, SettledError> {
    let mut lags = Vec::new();
    while !*stopped.borrow() {
        let begin = Instant::now();
        client.settled().await?;
        lags.push(begin.elapsed().as_secs_f64());
    }
    Ok(lags)
}
