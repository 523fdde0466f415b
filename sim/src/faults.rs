//! Faults that somebody or something inflicts from outside, and their end.
//!
//! What the design does not promise to survive is not done: a node that lost
//! what it had on disk does not come back under the same name, at most one
//! clock of a chain is far off at a time, and no more replicas are lost for
//! good than a quorum can spare. Everything else may strike all at once.

use crate::disk::{Part, Troubles};
use crate::event::Event;
use crate::liars::lying_validator;
use crate::node::Node;
use crate::profile::{Fault, Profile};
use crate::stage::Stage;
use crate::trace::Place;
use crate::world::World;

/// Longest lasting fault.
const LASTS_US_MAX: u64 = 5_000_000;
/// How long what a clock said may be under way, and believed: as long as two
/// lasting faults, and a report grows old.
const CLOCK_MEMORY_US: u64 = 2 * LASTS_US_MAX + 5_000_000;
/// Longest extra delay of a slow link.
const SLOW_LINK_US_MAX: u64 = 400_000;
/// Longest extra time of a slow sync.
const SLOW_DISK_US_MAX: u64 = 300_000;

/// A fault that ends by itself.
#[derive(Debug, Clone)]
pub enum Lasting {
    /// These do not reach each other.
    Cut(Vec<(Place, Place)>),
    /// This link takes so much longer, in us.
    SlowLink(Place, Place, u64),
    /// This node has so much more wrong with its disk.
    Disk(u16, Troubles),
    /// This node's clock is far off.
    Clock(u16),
    /// Others may still believe what this node's clock said.
    ClockMemory(u16),
}

impl World {
    /// Has each fault of the profile strike for the first time.
    pub(crate) fn arm_faults(&mut self) {
        for index in 0..self.stage.scenario.profile.faults.len() {
            self.arm(index);
        }
    }

    fn arm(&mut self, index: usize) {
        let Some((_, mean_ms)) = self.stage.scenario.profile.faults.get(index).copied() else {
            return;
        };
        let delay_us = self.fault_prng.between(1, mean_ms * 2_000);
        self.stage.after(delay_us, Event::Fault(index));
    }

    /// A fault of the profile's list strikes, and will again.
    pub(crate) fn strike(&mut self, index: usize) {
        let Some((fault, _)) = self.stage.scenario.profile.faults.get(index).copied() else {
            return;
        };
        if self.stage.healing {
            return;
        }
        self.arm(index);
        let node = self.some_node();
        self.stage.note(Place::Node(node), 0, name(fault), [0, 0]);
        match fault {
            Fault::Partition => self.part(true),
            Fault::OneWay => self.part(false),
            Fault::SlowLink => self.slow_link(),
            Fault::Crash => self.with_node(node, Node::crash),
            Fault::PowerCut => {
                for node in 0..self.stage.cluster.node_count() {
                    self.with_node(node, |node, stage| {
                        if node.runs() {
                            node.crash(stage);
                        }
                    });
                }
            }
            Fault::Stop => self.with_node(node, Node::stop),
            Fault::Pause => {
                let until_us = self.stage.now_us + self.fault_prng.below(LASTS_US_MAX);
                self.with_node(node, |node, _| node.paused_until_us = until_us);
            }
            Fault::ClockJump => self.jump_clock(node),
            Fault::DiskFull | Fault::SlowDisk => self.spoil_disk(node, fault),
            Fault::BitFlip => self.flip_bit(),
            Fault::RelayRestart => {
                let relay = self.fault_prng.index(self.relays.len());
                if let Some(relay) = self.relays.get_mut(relay) {
                    relay.restart(&mut self.stage);
                }
            }
            Fault::RouterRestart => {
                let router = self.fault_prng.index(self.routers.len());
                if let Some(router) = self.routers.get_mut(router) {
                    router.restart(&mut self.stage);
                }
            }
            Fault::SpaceWanted => self.with_node(node, Node::want_space),
        }
    }

    /// A lasting fault is over.
    pub(crate) fn end_fault(&mut self, lasting: Lasting) {
        match lasting {
            Lasting::Cut(pairs) => {
                pairs.into_iter().for_each(|(from, to)| self.stage.network.join(from, to));
            }
            Lasting::SlowLink(from, to, us) => self.stage.network.speed_up(from, to, us),
            Lasting::Disk(node, Troubles { full, slower_us }) => {
                // Healing has ended them all already.
                let troubles = &mut self.stage.disk(node).troubles;
                troubles.full = troubles.full.saturating_sub(full);
                troubles.slower_us = troubles.slower_us.saturating_sub(slower_us);
            }
            Lasting::Clock(node) => {
                self.with_node(node, |node, _| node.clock.repair());
                self.stage.after(CLOCK_MEMORY_US, Event::Over(Lasting::ClockMemory(node)));
            }
            Lasting::ClockMemory(node) => {
                self.wild_clocks.remove(&node);
            }
        }
    }

    /// All faults end: everything is repaired and started again.
    pub(crate) fn heal(&mut self) {
        self.stage.healing = true;
        self.stage.note(Place::World, 0, "faults end", [0, 0]);
        self.stage.network.heal(Profile::none().network);
        self.wild_clocks.clear();
        for number in 0..self.stage.cluster.node_count() {
            self.stage.disk(number).troubles = Troubles::default();
            self.with_node(number, |node, stage| {
                node.clock.repair();
                node.start(stage);
            });
        }
    }

    /// Cuts some places off from all others, or only their way out.
    fn part(&mut self, both_ways: bool) {
        let places = self.places();
        let share = self.fault_prng.between(1, 3);
        let is_inside: Vec<bool> =
            places.iter().map(|_| self.fault_prng.below(6) < share).collect();
        let mut pairs = Vec::new();
        for (from, inside) in places.iter().zip(&is_inside) {
            for (to, other) in places.iter().zip(&is_inside) {
                if *inside && !other {
                    pairs.push((*from, *to));
                    if both_ways {
                        pairs.push((*to, *from));
                    }
                }
            }
        }
        pairs.iter().for_each(|(from, to)| self.stage.network.cut(*from, *to));
        self.last_for(Lasting::Cut(pairs));
    }

    /// Everybody who sends something or is sent it.
    fn places(&self) -> Vec<Place> {
        let scenario = &self.stage.scenario;
        let nodes = (0..self.stage.cluster.node_count()).map(Place::Node);
        let relays = (0..scenario.relays).map(Place::Relay);
        let routers = (0..scenario.routers).map(Place::Router);
        nodes.chain(relays).chain(routers).chain((0..scenario.clients).map(Place::Client)).collect()
    }

    /// A link takes longer in one direction, wherever there is one.
    fn slow_link(&mut self) {
        let places = self.places();
        let links: Vec<_> = places
            .iter()
            .flat_map(|from| places.iter().map(move |to| (*from, *to)))
            .filter(|(from, to)| is_link(*from, *to))
            .collect();
        let longer_us = self.fault_prng.between(1, SLOW_LINK_US_MAX);
        let Some((from, to)) = self.fault_prng.pick(&links).copied() else { return };
        self.stage.network.slow_down(from, to, longer_us);
        self.last_for(Lasting::SlowLink(from, to, longer_us));
    }

    fn spoil_disk(&mut self, node: u16, fault: Fault) {
        let slower_us = self.fault_prng.between(1, SLOW_DISK_US_MAX);
        let more = match fault {
            Fault::DiskFull => Troubles { full: 1, slower_us: 0 },
            _ => Troubles { full: 0, slower_us },
        };
        let troubles = &mut self.stage.disk(node).troubles;
        troubles.full += more.full;
        troubles.slower_us += more.slower_us;
        self.last_for(Lasting::Disk(node, more));
    }

    /// A clock is far off for a while, if each of its chains can spare it.
    fn jump_clock(&mut self, node: u16) {
        let cluster = &self.stage.cluster;
        let wild_in = |chain| {
            let is_wild =
                |other: &&u16| cluster.hosted(**other).iter().any(|(hosted, _)| *hosted == chain);
            self.wild_clocks.iter().filter(is_wild).count()
        };
        let may = cluster.hosted(node).iter().all(|(chain, _)| wild_in(*chain) == 0);
        if cluster.spare() > 0 && may && self.wild_clocks.insert(node) {
            let most_ms = self.stage.scenario.profile.clock.jump_ms_max;
            let mut prng = self.fault_prng.fork_nth("clock", self.stage.now_us);
            self.with_node(node, |node, _| node.clock.jump(most_ms, &mut prng));
            self.last_for(Lasting::Clock(node));
        }
    }

    /// A node ends and a bit of what it stored flips, in a checkpoint, the log
    /// or the archive, if its chains can do without it: nobody may start again
    /// from there.
    fn flip_bit(&mut self) {
        let bearing: Vec<u16> =
            (0..self.stage.cluster.node_count()).filter(|node| self.bears_loss_of(*node)).collect();
        let Some(node) = self.fault_prng.pick(&bearing).copied() else { return };
        self.with_node(node, Node::end);
        let prng = &mut self.fault_prng;
        let flipped =
            self.stage.disks.get_mut(usize::from(node)).and_then(|disk| disk.flip_bit(prng));
        if let Some((chain, part)) = flipped {
            self.damaged.insert(node);
            self.stage.checks.damage(node, chain);
            self.stage.note(Place::Node(node), chain.get(), part_name(part), [0, 0]);
        }
        let delay_us = self.fault_prng.below(LASTS_US_MAX);
        self.stage.after(delay_us, Event::Start { node });
    }

    /// Whether each chain of a node bears its loss for good: a set of three bears
    /// one liar or one loss, or a liar who is lost.
    fn bears_loss_of(&self, node: u16) -> bool {
        let Stage { cluster, .. } = &self.stage;
        let liar = lying_validator(&self.stage);
        cluster.hosted(node).iter().all(|(chain, validator)| {
            let hosts = |other: &&u16| cluster.hosted(**other).iter().any(|(c, _)| c == chain);
            let lost = self.damaged.iter().filter(hosts).count();
            let lies = liar.is_some_and(|liar| liar != *validator);
            !self.damaged.contains(&node) && lost + usize::from(lies) < usize::from(cluster.spare())
        })
    }

    fn last_for(&mut self, lasting: Lasting) {
        let lasts_us = self.fault_prng.between(1_000, LASTS_US_MAX);
        self.stage.after(lasts_us, Event::Over(lasting));
    }

    fn some_node(&mut self) -> u16 {
        let count = u64::from(self.stage.cluster.node_count());
        u16::try_from(self.fault_prng.below(count)).unwrap_or(0)
    }
}

/// Whether anything is ever sent from one to the other.
const fn is_link(from: Place, to: Place) -> bool {
    match (from, to) {
        (Place::Node(from), Place::Node(to)) => from != to,
        (Place::Node(_), Place::Relay(_) | Place::Router(_))
        | (Place::Relay(_), Place::Node(_))
        | (Place::Router(_), Place::Node(_) | Place::Client(_))
        | (Place::Client(_), Place::Router(_)) => true,
        _ => false,
    }
}

const fn part_name(part: Part) -> &'static str {
    match part {
        Part::Page => "a bit flips in a page",
        Part::Checkpoint => "a bit flips in a checkpoint",
        Part::Entry => "a bit flips in a log entry",
        Part::Record => "a bit flips in a log record",
        Part::Certified => "a bit flips in a certified header",
    }
}

const fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Partition => "fault: partition",
        Fault::OneWay => "fault: one-way cut",
        Fault::SlowLink => "fault: slow link",
        Fault::Crash => "fault: crash",
        Fault::PowerCut => "fault: power cut",
        Fault::Stop => "fault: orderly stop",
        Fault::Pause => "fault: pause",
        Fault::ClockJump => "fault: clock jumps",
        Fault::DiskFull => "fault: disk full",
        Fault::SlowDisk => "fault: slow disk",
        Fault::BitFlip => "fault: bit flips",
        Fault::RelayRestart => "fault: relay restarts",
        Fault::RouterRestart => "fault: router restarts",
        Fault::SpaceWanted => "fault: log wants space",
    }
}
