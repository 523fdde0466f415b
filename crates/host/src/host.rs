//! A running node: how it is waited for and how it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::Sender;
use tokio::runtime::Runtime;
use tributary_service::observe::Readiness;
use tributary_service::shutdown::{Deaths, stop_signal};
use tributary_service::telemetry::MetricsHandle;
use tributary_transport::{Endpoint, Listener};

use crate::checked::Checked;
use crate::error::{HostError, StartError};
use crate::readiness::NodeReadiness;
use crate::stop::Stop;

/// How long tasks may take to end after everything else has.
const RUNTIME_WAIT_MS_MAX: u64 = 2_000;

/// A running node. Dropping it is like pulling the plug, except that its
/// threads have ended afterwards: nothing is handed over or flushed.
pub struct Host {
    pub(crate) stop: Arc<Stop>,
    pub(crate) deaths: Deaths,
    pub(crate) readiness: NodeReadiness,
    pub(crate) address: SocketAddr,
    pub(crate) http: SocketAddr,
    /// One per chain; they end when `stop` says so.
    pub(crate) chains: Vec<JoinHandle<()>>,
    /// Log and archive; they end after the chains.
    pub(crate) stores: Vec<JoinHandle<()>>,
    /// Purging of the log; ends when the sender is dropped.
    pub(crate) maintenance: Option<(Sender<()>, JoinHandle<()>)>,
    pub(crate) listener: Option<Listener>,
    /// Where links to other nodes dial from.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) runtime: Option<Runtime>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Host({})", self.address)
    }
}

impl Host {
    /// Starts a node; `metrics` is what `/metrics` shows.
    ///
    /// # Errors
    /// [`StartError`], one sentence; data on disk are as they were.
    pub fn start(checked: Checked, metrics: Option<MetricsHandle>) -> Result<Self, StartError> {
        crate::wiring::start(checked, metrics)
    }

    /// Where it listens for QUIC.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers probes.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// What it still lacks to serve; empty means ready.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        self.readiness.missing()
    }

    /// Runs until SIGTERM or SIGINT, then stops in order.
    ///
    /// # Errors
    /// [`HostError`] if a part dies; then everything ends at once.
    pub fn run(mut self) -> Result<(), HostError> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        let deaths = &mut self.deaths;
        let signal = runtime.block_on(async {
            tokio::select! {
                signal = stop_signal() => Ok(signal?),
                death = deaths.first() => Err(HostError::Died(death)),
            }
        })?;
        tracing::info!("{signal}: stopping");
        self.shutdown();
        tracing::info!("stopped");
        Ok(())
    }

    /// Stops in order: hands leadership over, answers what is under way, writes
    /// everything out, takes leave of its peers.
    pub fn shutdown(mut self) {
        self.stop.stop();
        join(&mut self.chains);
        join(&mut self.stores);
        let network = (self.listener.take(), self.endpoint.take());
        if let (Some(runtime), (Some(listener), Some(endpoint))) = (&self.runtime, network) {
            runtime.block_on(async { tokio::join!(listener.shutdown(), endpoint.finish()) });
        }
        self.end();
    }

    /// Ends whatever still runs.
    fn end(&mut self) {
        self.stop.kill();
        join(&mut self.chains);
        join(&mut self.stores);
        if let Some((sender, thread)) = self.maintenance.take() {
            drop(sender);
            join(&mut vec![thread]);
        }
        drop((self.listener.take(), self.endpoint.take()));
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(RUNTIME_WAIT_MS_MAX));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.end();
    }
}

fn join(threads: &mut Vec<JoinHandle<()>>) {
    for thread in threads.drain(..) {
        if thread.join().is_err() {
            tracing::error!("a thread panicked outside of its supervision");
        }
    }
}
