//! Whoever breaks things: every few seconds one fault, chosen by the seed, that
//! passes by itself after a while.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::cluster::{Cluster, run};
use crate::system::{Direction, EVERYTHING, lose, lose_nothing, slow_down, speed_up};

/// Nodes of one number are beside each other: a validator of every chain.
const NODE_NUMBERS: std::ops::RangeInclusive<u32> = 1..=3;
const NODE_ROLES: [&str; 2] = ["shard", "hf"];
/// Pause between two faults, in milliseconds.
const QUIET_MS: std::ops::Range<u64> = 300..2_500;
/// How long a fault lasts that does not pass at once, in milliseconds.
const LASTING_MS: std::ops::Range<u64> = 1_000..4_000;
/// How many of a process's packets a loss takes, of a thousand.
const LOST_THOUSANDTHS: std::ops::Range<u32> = 100..700;
/// How far the clock of the one node that knows no measure may be off, in
/// seconds: certificates are not valid yet for it, or not any more.
const WILD_SECONDS: [i64; 7] = [-172_800, -7_200, -600, 0, 600, 36_000, 34_560_000];
/// How far every other clock may be off, in milliseconds, forwards or back.
const SKEW_MS_MAX: i64 = 200;
/// The file that fills a disk.
const FILLER: &str = "filler";

/// What is done, with how often it may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL of one process.
    Kill,
    /// SIGKILL of a shard node and the HF node beside it.
    KillNode,
    /// SIGKILL of two processes of any kind and SIGSTOP of a third.
    Several,
    /// SIGKILL of everything but the supervisor.
    KillAll,
    /// SIGSTOP of one process, and SIGCONT.
    Pause,
    /// What is for a process, or what it sends, is lost; or both.
    Partition,
    /// A part of it is lost.
    Loss,
    /// The whole network is slow.
    Slow,
    /// The disk of one node is full.
    FullDisk,
    /// All clocks of nodes are set anew, one pair of them wildly wrong or right
    /// again; they stay so while other things happen.
    Clocks,
    /// One process gets a new certificate and key.
    Certificate,
}

const FAULTS: [(Fault, u32); 11] = [
    (Fault::Kill, 8),
    (Fault::KillNode, 3),
    (Fault::Several, 3),
    (Fault::KillAll, 1),
    (Fault::Pause, 6),
    (Fault::Partition, 5),
    (Fault::Loss, 3),
    (Fault::Slow, 1),
    (Fault::FullDisk, 1),
    (Fault::Clocks, 4),
    (Fault::Certificate, 3),
];

/// The one who does it.
pub struct Nemesis<'a> {
    cluster: &'a Cluster,
    random: SmallRng,
    faults: Vec<(Fault, u32)>,
    until: &'a AtomicBool,
    /// Number of the nodes whose clocks may be wildly wrong: one validator of
    /// each chain, the same all the time, so that the others are a majority.
    wild: u32,
    /// How often each fault was done.
    pub done: BTreeMap<String, u64>,
}

impl<'a> Nemesis<'a> {
    /// Works until `until` is set; packets are lost only where that is
    /// possible.
    pub fn new(cluster: &'a Cluster, seed: u64, network: bool, until: &'a AtomicBool) -> Self {
        let possible = |(fault, _): &(Fault, u32)| match fault {
            Fault::Partition | Fault::Loss | Fault::Slow => network,
            Fault::FullDisk => cluster.confined.is_some(),
            Fault::Clocks => cluster.has_clocks,
            _ => true,
        };
        let faults = FAULTS.into_iter().filter(possible).collect();
        let mut random = SmallRng::seed_from_u64(seed);
        let wild = random.random_range(NODE_NUMBERS);
        Self { cluster, random, faults, until, wild, done: BTreeMap::new() }
    }

    /// Breaks things; on return everything is whole again but for what
    /// restarts.
    pub fn run(&mut self) {
        while !self.until.load(Ordering::Relaxed) {
            let quiet = self.random.random_range(QUIET_MS);
            self.wait(quiet);
            let fault = self.draw();
            self.strike(fault);
        }
        for name in self.cluster.processes() {
            self.cluster.signal(&name, Signal::SIGCONT);
        }
        if self.cluster.has_clocks {
            self.set_clocks(&mut |_| 0);
        }
    }

    fn draw(&mut self) -> Fault {
        let total: u32 = self.faults.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.random.random_range(0..total);
        for (fault, weight) in &self.faults {
            match drawn.checked_sub(*weight) {
                Some(rest) => drawn = rest,
                None => return *fault,
            }
        }
        Fault::Kill
    }

    fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::Kill => {
                let name = self.any();
                self.kill(&name);
            }
            Fault::KillNode => {
                let number = self.random.random_range(NODE_NUMBERS);
                for role in NODE_ROLES {
                    self.kill(&format!("{role}-{number}"));
                }
            }
            Fault::Several => {
                let names = [self.any(), self.any(), self.any()];
                self.kill(&names[0]);
                self.kill(&names[1]);
                self.pause(&names[2]);
            }
            Fault::KillAll => self.cluster.processes().iter().for_each(|name| self.kill(name)),
            Fault::Pause => {
                let name = self.any();
                self.pause(&name);
            }
            Fault::Partition => self.cut("partitions", EVERYTHING),
            Fault::Loss => {
                let thousandths = self.random.random_range(LOST_THOUSANDTHS);
                self.cut("losses", thousandths);
            }
            Fault::Slow => {
                if told(slow_down()) {
                    self.note("slow networks", "all");
                    self.last();
                    told(speed_up());
                }
            }
            Fault::FullDisk => self.fill_disk(),
            Fault::Clocks => {
                let wild = WILD_SECONDS[self.random.random_range(0..WILD_SECONDS.len())];
                let (number, mut random) = (self.wild, SmallRng::from_rng(&mut self.random));
                self.set_clocks(&mut |node| {
                    let skew = random.random_range(-SKEW_MS_MAX..=SKEW_MS_MAX);
                    if node == number { wild * 1_000 } else { skew }
                });
                self.note("clock changes", &format!("nodes {number} by {wild} s"));
            }
            Fault::Certificate => {
                let name = self.any();
                if told(self.cluster.renew(&name)) {
                    self.note("new certificates", &name);
                }
            }
        }
    }

    /// Sets the clock of each node by its number, in milliseconds.
    fn set_clocks(&self, offset_ms: &mut dyn FnMut(u32) -> i64) {
        for (number, role) in NODE_NUMBERS.flat_map(|number| NODE_ROLES.map(|role| (number, role)))
        {
            let node = format!("{role}-{number}");
            told(self.cluster.set_clock(&node, offset_ms(number)));
        }
    }

    fn any(&mut self) -> String {
        let mut names = self.cluster.processes();
        names.swap_remove(self.random.random_range(0..names.len()))
    }

    fn kill(&mut self, name: &str) {
        if self.cluster.signal(name, Signal::SIGKILL) {
            self.note("kills", name);
        }
    }

    fn pause(&mut self, name: &str) {
        if self.cluster.signal(name, Signal::SIGSTOP) {
            self.note("pauses", name);
            self.last();
            self.cluster.signal(name, Signal::SIGCONT);
        }
    }

    fn cut(&mut self, what: &str, thousandths: u32) {
        let names = self.cluster.processes();
        let mut ports: Vec<_> =
            names.iter().filter_map(|name| Some((name, self.cluster.port(name)?))).collect();
        let (name, port) = ports.swap_remove(self.random.random_range(0..ports.len()));
        let ways: &[Direction] = match self.random.random_range(0..3) {
            0 => &[Direction::To],
            1 => &[Direction::From],
            _ => &[Direction::To, Direction::From],
        };
        if told(ways.iter().try_for_each(|way| lose(port, *way, thousandths))) {
            self.note(what, &format!("{name} {ways:?} {thousandths} of {EVERYTHING}"));
            self.last();
        }
        told(lose_nothing());
    }

    /// Fills what is left of the confined node's disk, and frees it again.
    fn fill_disk(&mut self) {
        let Some(data) = &self.cluster.confined else { return };
        let filler: PathBuf = data.join(FILLER);
        let output = format!("of={}", filler.display());
        // It ends with an error when the disk is full: that is what is wanted.
        run(Command::new("dd").args(["if=/dev/zero", "bs=1M", &output])).err();
        self.note("full disks", &data.display().to_string());
        self.last();
        told(std::fs::remove_file(&filler).map_err(anyhow::Error::from));
    }

    fn note(&mut self, what: &str, whom: &str) {
        println!("{what}: {whom}");
        *self.done.entry(what.to_owned()).or_default() += 1;
    }

    fn last(&mut self) {
        let lasting = self.random.random_range(LASTING_MS);
        self.wait(lasting);
    }

    /// Waits, but not beyond the end.
    fn wait(&self, milliseconds: u64) {
        let deadline = Instant::now() + Duration::from_millis(milliseconds);
        while !self.until.load(Ordering::Relaxed) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::park_timeout(left);
        }
    }
}

/// Whether it went well; if not, says why not.
fn told(result: anyhow::Result<()>) -> bool {
    if let Err(error) = &result {
        eprintln!("{error:#}");
    }
    result.is_ok()
}
