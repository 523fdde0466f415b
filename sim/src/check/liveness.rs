//! Once faults stop: everything that was asked for is decided, all statements
//! are with the HF chain, every channel is empty, all replicas are equal, and
//! what is too late is known to be.

use std::collections::BTreeMap;

use tributary_types::ChainId;

use crate::client::Client;
use crate::node::Node;
use crate::stage::Stage;

/// What is looked at.
pub struct Surroundings<'a> {
    /// All nodes.
    pub nodes: &'a [Node],
    /// All front-ends.
    pub clients: &'a [Client],
    /// The rest.
    pub stage: &'a Stage,
}

/// What is still to be done; nothing if all is well.
#[must_use]
pub fn unfinished(world: &Surroundings<'_>) -> Option<String> {
    under_way(world).or_else(|| standing_still(world)).or_else(|| unanswered(world))
}

/// What keeps some chain from being idle.
#[must_use]
pub fn under_way(world: &Surroundings<'_>) -> Option<String> {
    undecided(world).or_else(|| unequal(world)).or_else(|| unsettled(world))
}

fn undecided(world: &Surroundings<'_>) -> Option<String> {
    let (client, order) = world
        .clients
        .iter()
        .enumerate()
        .find_map(|(number, client)| Some((number, client.first_open()?)))?;
    let open: usize = world.clients.iter().map(Client::open).sum();
    let what = world.stage.orders.get(order);
    Some(format!("{open} orders are undecided; client {client} waits for {order}: {what:?}"))
}

/// All replicas of a chain that run are at one height, certified to the end.
fn unequal(world: &Surroundings<'_>) -> Option<String> {
    let Surroundings { nodes, stage, .. } = world;
    let mut alive: BTreeMap<ChainId, usize> = BTreeMap::new();
    for node in nodes.iter().filter(|node| !node.is_dead) {
        if !node.runs() {
            return Some(format!("{} does not run", node.place()));
        }
        for (chain, hosted) in &node.hosted {
            *alive.entry(*chain).or_insert(0) += 1;
            let (status, highest) = (hosted.replica.status(), stage.checks.height(*chain));
            let (found, certified) = (status.height, status.last_certified);
            if found != highest || certified != highest {
                let place = node.place();
                return Some(format!(
                    "{place} chain {chain} is at {found}, certified {certified}, of {highest}"
                ));
            }
        }
    }
    let quorum = usize::from(stage.cluster.replicas() / 2 + 1);
    let short = alive.iter().find(|(_, count)| **count < quorum);
    short.map(|(chain, count)| format!("chain {chain} has {count} replicas left"))
}

/// No proxy has changed since its last statement, and all messages are
/// received and known to be.
fn unsettled(world: &Surroundings<'_>) -> Option<String> {
    let hosted = world.nodes.iter().flat_map(|node| &node.hosted);
    for (chain, hosted) in hosted {
        let ledger = hosted.replica.ledger();
        let settlement = ledger.settlement_status();
        if settlement.unsettled_rows > 0 {
            let (channels, due) = (ledger.channel_status(), ledger.next_due());
            let time = ledger.header().time;
            return Some(format!(
                "chain {chain} at {time} has not settled {settlement:?}, due {due:?}, {channels:?}"
            ));
        }
        if let Some(channel) =
            ledger.channel_status().into_iter().find(|channel| channel.sent != channel.acknowledged)
        {
            return Some(format!("chain {chain} waits for {channel:?}"));
        }
    }
    None
}

/// Whoever asked an idle chain for what lies behind its time was told.
fn standing_still(world: &Surroundings<'_>) -> Option<String> {
    let chains = world.nodes.iter().flat_map(|node| node.hosted.keys().copied());
    let still = chains.into_iter().find(|chain| !world.stage.checks.has_moved_on(*chain));
    still.map(|chain| format!("chain {chain} stands still in time"))
}

/// Every request of a replica was answered.
fn unanswered(world: &Surroundings<'_>) -> Option<String> {
    let hosted = world.nodes.iter().flat_map(|node| node.hosted.iter().map(move |it| (node, it)));
    hosted.into_iter().find_map(|(node, (chain, hosted))| {
        let (request, caller) = hosted.waiting.first_key_value()?;
        Some(format!("{} chain {chain} has not answered {request:?} of {caller:?}", node.place()))
    })
}
