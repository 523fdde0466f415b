//! `chains`: every chain with its leader, height and channels.

use anyhow::Result;
use serde::Serialize;
use tributary_client::{ChainKind, ChannelStatus, Client};
use tributary_service::Topology;

use crate::output::{Format, Rows, print};

/// One chain.
#[derive(Debug, Clone, Serialize)]
pub struct ChainState {
    chain: u16,
    kind: ChainKind,
    /// Name of the leading process.
    leader: Option<String>,
    height: u64,
    certified: u64,
    term: u64,
    /// Replicas that answered, of how many.
    replicas_up: usize,
    replicas: usize,
    /// Absent while the chain has no leader.
    channels: Vec<ChannelStatus>,
}

/// The state of every chain.
///
/// # Errors
/// If no router answers.
pub async fn states(client: &Client, topology: &Topology) -> Result<Vec<ChainState>> {
    let mut states = Vec::new();
    for overview in client.chains().await? {
        let leader = overview
            .leader
            .and_then(|validator| topology.node_of(overview.chain, validator))
            .map(|node| node.name.clone());
        states.push(ChainState {
            chain: overview.chain.get(),
            kind: overview.kind,
            leader,
            height: overview.height.get(),
            certified: overview.certified.get(),
            term: overview.term,
            replicas_up: overview.replicas.iter().filter(|(_, status)| status.is_some()).count(),
            replicas: overview.replicas.len(),
            channels: Vec::new(),
        });
    }
    Ok(states)
}

/// The chains as a table.
pub fn rows(states: &[ChainState]) -> Rows {
    let mut rows = Rows::new(&[
        "chain",
        "kind",
        "leader",
        "height",
        "certified",
        "term",
        "replicas",
        "channels",
    ]);
    for state in states {
        let channels = state.channels.iter().map(|channel| {
            let ChannelStatus { peer, sent, acknowledged, received, .. } = channel;
            let frozen = if channel.frozen.is_some() { " FROZEN" } else { "" };
            format!(
                "{peer}: sent {sent} ({acknowledged} acknowledged), received {received}{frozen}"
            )
        });
        rows.push(vec![
            state.chain.to_string(),
            format!("{:?}", state.kind).to_lowercase(),
            state.leader.clone().unwrap_or_default(),
            state.height.to_string(),
            state.certified.to_string(),
            state.term.to_string(),
            format!("{}/{}", state.replicas_up, state.replicas),
            channels.collect::<Vec<_>>().join("; "),
        ]);
    }
    rows
}

/// Prints every chain with its channels.
///
/// # Errors
/// If a chain does not answer.
pub async fn run(client: &Client, topology: &Topology, format: Format) -> Result<()> {
    let mut states = states(client, topology).await?;
    for state in &mut states {
        if state.leader.is_some() {
            state.channels =
                client.channels(tributary_client::ChainId::new(state.chain)).await?.value;
        }
    }
    print(format, &rows(&states), &states)
}
