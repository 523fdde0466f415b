//! The whole simulated world, and its one loop.

use std::collections::BTreeSet;

use crate::check::{Surroundings, Violation, under_way, unfinished};
use crate::client::Client;
use crate::event::Event;
use crate::node::Node;
use crate::prng::Prng;
use crate::relay::Relay;
use crate::router::Router;
use crate::scenario::Scenario;
use crate::stage::Stage;
use crate::trace::Place;

/// Virtual time within which everything must be well after the faults.
pub const HEAL_US_MAX: u64 = 60_000_000;
/// How often everything that is bounded is looked at.
const INSPECT_US: u64 = 500_000;
/// Events that may be scheduled.
const SCHEDULED_MAX: usize = 1 << 18;
/// Writes that may wait for one disk.
const UNSYNCED_MAX: usize = 4_096;

/// See the module head.
pub struct World {
    pub(crate) stage: Stage,
    pub(crate) nodes: Vec<Node>,
    pub(crate) routers: Vec<Router>,
    pub(crate) relays: Vec<Relay>,
    pub(crate) clients: Vec<Client>,
    pub(crate) fault_prng: Prng,
    /// Nodes whose clocks are far off.
    pub(crate) wild_clocks: BTreeSet<u16>,
    /// Nodes of which a bit was flipped: they do not come back.
    pub(crate) damaged: BTreeSet<u16>,
    /// When everything was well again.
    healed_at_us: Option<u64>,
}

impl World {
    /// A world in which everybody has just started.
    ///
    /// # Errors
    /// What is wrong with the scenario.
    pub fn new(scenario: Scenario, prints: bool) -> Result<Self, String> {
        let fault_prng = Prng::new(scenario.seed).fork("strikes");
        let mut stage = Stage::new(scenario, prints)?;
        let nodes =
            (0..stage.cluster.node_count()).map(|number| Node::new(number, &stage)).collect();
        let relays =
            (0..stage.scenario.relays).map(|number| Relay::new(number, &mut stage)).collect();
        let clients =
            (0..stage.scenario.clients).map(|number| Client::new(number, &mut stage)).collect();
        let routers =
            (0..stage.scenario.routers).map(|number| Router::new(number, &mut stage)).collect();
        let mut world = Self {
            stage,
            nodes,
            routers,
            relays,
            clients,
            fault_prng,
            wild_clocks: BTreeSet::new(),
            damaged: BTreeSet::new(),
            healed_at_us: None,
        };
        for node in 0..world.stage.cluster.node_count() {
            world.stage.after(u64::from(node) * 7_000, Event::Start { node });
        }
        world.stage.after(INSPECT_US, Event::Inspect);
        Ok(world)
    }

    /// What everybody shares.
    #[must_use]
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// How every replica is doing, a line each.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for node in &self.nodes {
            if !node.runs() {
                lines.push(format!("{} does not run, dead {}", node.place(), node.is_dead));
            }
            for (chain, hosted) in &node.hosted {
                let (status, leads) = (hosted.replica.status(), hosted.replica.is_leader());
                lines.push(format!("{} chain {chain} leads {leads} {status:?}", node.place()));
            }
        }
        lines
    }

    /// Virtual time from the end of the faults until everything was well.
    #[must_use]
    pub fn healing_us(&self) -> Option<u64> {
        let faulty_us = self.stage.scenario.faulty_ms * 1_000;
        self.healed_at_us.map(|at| at - faulty_us)
    }

    /// Runs with faults, then without, until everything is well.
    ///
    /// # Errors
    /// The first violation.
    pub fn run(&mut self) -> Result<(), Violation> {
        let faulty_us = self.stage.scenario.faulty_ms * 1_000;
        self.run_until(self.stage.scenario.quiet_ms * 1_000)?;
        self.arm_faults();
        self.run_until(faulty_us)?;
        self.heal();
        self.run_until(faulty_us + HEAL_US_MAX)?;
        if self.healed_at_us.is_none() {
            let left = self.unfinished().unwrap_or_else(|| "well too late".to_owned());
            self.stage.checks.violate("liveness", left);
        }
        let hosted = self.nodes.iter().flat_map(|node| node.hosted.values());
        self.stage.checks.finish(hosted.map(|hosted| hosted.replica.ledger()));
        self.verdict()
    }

    fn run_until(&mut self, end_us: u64) -> Result<(), Violation> {
        while self.healed_at_us.is_none()
            && self.stage.schedule.next_at_us().is_some_and(|at_us| at_us <= end_us)
        {
            if let Some((at_us, event)) = self.stage.schedule.pop() {
                self.stage.now_us = at_us;
                let (kind, number) = event.mark();
                self.stage.trace.event(at_us, kind, number);
                self.happen(event);
                self.verdict()?;
            }
        }
        self.stage.now_us =
            self.stage.now_us.max(if self.healed_at_us.is_none() { end_us } else { 0 });
        Ok(())
    }

    fn verdict(&self) -> Result<(), Violation> {
        self.stage.checks.violation().map_or(Ok(()), |violation| Err(violation.clone()))
    }

    fn happen(&mut self, event: Event) {
        // A paused process finds later what comes to it now.
        let Some((node, life)) = event.process() else { return self.happen_outside(event) };
        let Some(node) = self.nodes.get_mut(usize::from(node)) else { return };
        if !node.runs() || life.is_some_and(|life| life != node.life) {
            return;
        }
        let stage = &mut self.stage;
        if node.paused_until_us > stage.now_us {
            return stage.schedule.push(node.paused_until_us, event);
        }
        match event {
            Event::Wake { chain, .. } => node.wake(chain, stage),
            Event::Peer { chain, from, bytes, garbled, .. } => {
                node.peer(chain, from, &bytes, garbled, stage);
            }
            Event::Ended { chain, peer, .. } => {
                node.input(chain, stage, |hosted, _| hosted.replica.handle_peer_ended(peer));
            }
            Event::SnapshotLeft { chain, to, left, .. } => {
                node.snapshot_left(chain, to, left, stage);
            }
            Event::Synced { count, .. } => node.synced(count, stage),
            Event::Saved { .. } => node.saved(stage),
            Event::Call { from, call, chain, ask, .. } => node.call(chain, from, call, ask, stage),
            Event::Leave { .. } => node.leave(stage),
            _ => {}
        }
    }

    /// What happens to those who are no running process of a node.
    fn happen_outside(&mut self, event: Event) {
        let stage = &mut self.stage;
        match event {
            Event::Start { node } => self.with_node(node, Node::start),
            Event::End { node, life } => self.with_node(node, |node, stage| {
                if node.life == life {
                    node.crash(stage);
                }
            }),
            Event::Fault(index) => self.strike(index),
            Event::Over(lasting) => self.end_fault(lasting),
            Event::Inspect => self.inspect(),
            Event::Answer { to: Place::Relay(relay), call, answer } => {
                if let Some(relay) = self.relays.get_mut(usize::from(relay)) {
                    relay.answer(call, &answer, stage);
                }
            }
            Event::Answer { to: Place::Router(router), call, answer } => {
                if let Some(router) = self.routers.get_mut(usize::from(router)) {
                    router.answer(call, &answer, stage);
                }
            }
            Event::Submit { router, client, orders } => {
                if let Some(router) = self.routers.get_mut(usize::from(router)) {
                    router.submit(client, &orders, stage);
                }
            }
            Event::RouterDue { router, life, task, attempt } => {
                if let Some(router) = self.routers.get_mut(usize::from(router)) {
                    router.due(life, task, attempt, stage);
                }
            }
            Event::RelayDue { relay, life, channel, step } => {
                if let Some(relay) = self.relays.get_mut(usize::from(relay)) {
                    relay.due(life, channel, step, stage);
                }
            }
            Event::Outcomes { client, outcomes } => {
                if let Some(client) = self.clients.get_mut(usize::from(client)) {
                    client.outcomes(&outcomes, stage);
                }
            }
            Event::ClientDue { client } => {
                if let Some(client) = self.clients.get_mut(usize::from(client)) {
                    client.due(stage);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn with_node(&mut self, number: u16, act: impl FnOnce(&mut Node, &mut Stage)) {
        if let Some(node) = self.nodes.get_mut(usize::from(number)) {
            act(node, &mut self.stage);
        }
    }

    /// Looks at everything that is bounded, and whether all is well again.
    fn inspect(&mut self) {
        for node in &self.nodes {
            for hosted in node.hosted.values() {
                let status = hosted.replica.status();
                self.stage.checks.inspect(node.number, &status, hosted.replica.ledger());
            }
            let unsynced = self.stage.disk(node.number).unsynced();
            self.stage.checks.inspect_queues("unsynced writes", unsynced, UNSYNCED_MAX);
        }
        let scheduled = self.stage.schedule.len();
        self.stage.checks.inspect_queues("scheduled events", scheduled, SCHEDULED_MAX);
        if self.stage.healing && self.unfinished().is_none() {
            self.healed_at_us = Some(self.stage.now_us);
        }
        if !self.stage.healing || under_way(&self.surroundings()).is_none() {
            for node in &mut self.nodes {
                node.enquire(&mut self.stage);
            }
        }
        self.stage.after(INSPECT_US, Event::Inspect);
    }

    fn unfinished(&self) -> Option<String> {
        unfinished(&self.surroundings())
    }

    fn surroundings(&self) -> Surroundings<'_> {
        let Self { nodes, clients, stage, .. } = self;
        Surroundings { nodes, clients, stage }
    }
}
