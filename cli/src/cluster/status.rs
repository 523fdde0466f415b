//! What a cluster is doing: its processes by pid and health, its chains as
//! their replicas report.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde_json::json;
use tributary_service::Topology;

use super::layout::Layout;
use super::processes;
use crate::commands::chains;
use crate::commands::connect;
use crate::output::{Format, Rows, print as print_rows};

/// How long a health probe may take.
const PROBE_WAIT_MS: u64 = 500;

/// One process.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessState {
    /// Its role.
    pub role: &'static str,
    /// Its name.
    pub name: String,
    /// Its pid, while it runs.
    pub pid: Option<u32>,
    /// Where it listens for QUIC.
    pub address: Option<SocketAddr>,
    /// Where it answers probes.
    pub http: SocketAddr,
    /// Whether it says that it is ready.
    pub ready: bool,
    /// If not, why.
    pub reason: Option<String>,
}

/// Looks at every process.
pub async fn process_states(layout: &Layout, topology: &Topology) -> Vec<ProcessState> {
    let mut states = Vec::new();
    for process in super::layout::processes(topology) {
        let pid =
            processes::running(&layout.pid_file(&process.name), &layout.config(&process.name));
        let reason = match pid {
            Some(_) => probe(process.http).await,
            None => Some("not running".to_owned()),
        };
        states.push(ProcessState {
            role: process.role.program(),
            name: process.name,
            pid,
            address: process.address,
            http: process.http,
            ready: reason.is_none(),
            reason,
        });
    }
    states
}

/// Asks `/readyz`; `None` if ready, else the reason.
async fn probe(http: SocketAddr) -> Option<String> {
    let request = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(std::time::Duration::from_millis(PROBE_WAIT_MS)))
            .http_status_as_error(false)
            .build()
            .into();
        let mut response = agent.get(format!("http://{http}/readyz")).call()?;
        let body = response.body_mut().read_to_string()?;
        Ok::<_, ureq::Error>((response.status().as_u16(), body))
    });
    match request.await {
        Ok(Ok((200, _))) => None,
        Ok(Ok((status, body))) => Some(format!("{status}: {}", body.trim())),
        Ok(Err(error)) => Some(error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

/// Prints processes and chains. Chains are left out while no router answers.
///
/// # Errors
/// If there is no cluster in `root`.
pub async fn print(root: &Path, format: Format) -> anyhow::Result<()> {
    let root = root.canonicalize().with_context(|| format!("cannot find {}", root.display()))?;
    let layout = Layout::new(&root);
    let topology = Topology::load(&layout.topology())?;
    let states = process_states(&layout, &topology).await;
    let chains = match connect(&root).await {
        Ok(client) => chains::states(&client, &topology).await.unwrap_or_default(),
        Err(error) => {
            tracing::warn!("chains are unknown: {error:#}");
            Vec::new()
        }
    };
    let mut rows = Rows::new(&["process", "role", "pid", "address", "http", "ready", "reason"]);
    for state in &states {
        let text = |value: Option<String>| value.unwrap_or_default();
        rows.push(vec![
            state.name.clone(),
            state.role.to_owned(),
            text(state.pid.map(|pid| pid.to_string())),
            text(state.address.map(|address| address.to_string())),
            state.http.to_string(),
            state.ready.to_string(),
            text(state.reason.clone()),
        ]);
    }
    print_rows(format, &rows, &json!({ "processes": states, "chains": chains }))?;
    if format == Format::Table {
        println!();
        print_rows(format, &chains::rows(&chains), &())?;
    }
    Ok(())
}

/// The last line of a log, for an error message.
pub fn last_line(log: &Path) -> String {
    let content = std::fs::read_to_string(log).unwrap_or_default();
    let last = content.lines().rev().find(|line| !line.trim().is_empty());
    format!("{} ({})", last.unwrap_or("its log is empty"), log.display())
}
