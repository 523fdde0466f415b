//! What everybody in the simulated world shares: time, the network, the disks,
//! the record of what happened, and the checkers.

use crate::check::Checks;
use crate::cluster::Cluster;
use crate::disk::Disk;
use crate::event::Event;
use crate::liars::Memory;
use crate::network::Network;
use crate::orders::Orders;
use crate::prng::Prng;
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::trace::{Note, Place, Trace};

/// See the module head.
pub struct Stage {
    /// What the run is about.
    pub scenario: Scenario,
    /// Keys, genesis, layout.
    pub cluster: Cluster,
    /// Virtual time.
    pub now_us: u64,
    /// What will happen.
    pub schedule: Schedule<Event>,
    /// Who reaches whom.
    pub network: Network,
    /// What happened.
    pub trace: Trace,
    /// By node; they survive processes.
    pub disks: Vec<Disk>,
    /// Everything that was ever asked for.
    pub orders: Orders,
    /// What must hold.
    pub checks: Checks,
    /// The faults are over: nothing new goes wrong.
    pub healing: bool,
    /// Chance of processes and their surroundings.
    pub process_prng: Prng,
    /// Chance of those who lie.
    pub liar_prng: Prng,
    /// What those who lie remember.
    pub lies: Memory,
    /// Callers' names for questions.
    calls: u64,
}

impl Stage {
    /// The stage of a scenario, empty.
    ///
    /// # Errors
    /// What is wrong with the scenario.
    pub fn new(scenario: Scenario, prints: bool) -> Result<Self, String> {
        let root = Prng::new(scenario.seed);
        let cluster = Cluster::new(&scenario)?;
        let checks = Checks::new(&scenario, &cluster)?;
        Ok(Self {
            now_us: 0,
            schedule: Schedule::default(),
            network: Network::new(scenario.profile.network, root.fork("network")),
            trace: Trace::new(prints),
            disks: (0..cluster.node_count()).map(|_| Disk::default()).collect(),
            orders: Orders::default(),
            checks,
            healing: false,
            process_prng: root.fork("processes"),
            liar_prng: root.fork("liars"),
            lies: Memory::default(),
            calls: 0,
            scenario,
            cluster,
        })
    }

    /// Has something happen after a while.
    pub fn after(&mut self, delay_us: u64, event: Event) {
        self.schedule.push(self.now_us + delay_us, event);
    }

    /// Sends something over the network: it happens at the far end once, twice
    /// or never.
    pub fn send(&mut self, from: Place, to: Place, event: Event) {
        let [first, again] = self.network.carry(from, to);
        if let Some(delay_us) = again {
            self.after(delay_us, event.clone());
        }
        if let Some(delay_us) = first {
            self.after(delay_us, event);
        }
    }

    /// A name for a question that nobody has used.
    pub const fn next_call(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    /// Something happened.
    pub fn note(&mut self, place: Place, chain: u16, what: &'static str, numbers: [u64; 2]) {
        self.trace.note(Note { at_us: self.now_us, what, place: (place, chain), numbers });
    }

    /// The disk of a node.
    ///
    /// # Panics
    /// If there is no such node: a defect of the simulator.
    pub fn disk(&mut self, node: u16) -> &mut Disk {
        self.disks.get_mut(usize::from(node)).expect("every node has a disk")
    }
}
