//! Whoever breaks things: every few seconds one of the [`faults`](crate::faults),
//! chosen by the seed, that passes by itself after a while.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use crate::cluster::{Cluster, run};
use crate::cuts::{Cut, InForce, REFRESH, Way};
use crate::faults::{Fault, Plan};
use crate::history::FaultCount;
use crate::packets::{EVERYTHING, lose_nothing};
use crate::system::{Network, delay, slow_down, speed_up};

/// Nodes of one number are beside each other: a validator of every chain.
const NODE_NUMBERS: RangeInclusive<u32> = 1..=3;
const NODE_ROLES: [&str; 2] = ["shard", "hf"];
/// Pause between two faults, in milliseconds.
const QUIET_MS: Range<u64> = 300..2_500;
/// How long a fault lasts that does not pass at once, in milliseconds.
const LASTING_MS: Range<u64> = 1_000..4_000;
/// Of so many cuts one lasts longer than connections live without a packet
/// (10 s): they are lost, and everybody must connect again.
const CUT_LONG_ONE_IN: u32 = 3;
const CUT_LONG_MS: Range<u64> = 10_500..14_000;
/// Ways to draw the sides of a split; all from the third on are any processes.
const SIDES: u32 = 4;
/// How many of a process's packets a loss takes, of a thousand.
const LOST_THOUSANDTHS: Range<u32> = 100..700;
/// How far the clock of the one node that knows no measure may be off, in
/// seconds: certificates are not valid yet for it, or not any more.
const WILD_SECONDS: [i64; 7] = [-172_800, -7_200, -600, 0, 600, 36_000, 34_560_000];
/// How far every other clock may be off, in milliseconds, forwards or back.
const SKEW_MS_MAX: i64 = 200;
/// The file that fills a disk.
const FILLER: &str = "filler";

/// The one who does it.
pub struct Nemesis<'a> {
    cluster: &'a Cluster,
    random: SmallRng,
    plan: Plan,
    until: &'a AtomicBool,
    begin: Instant,
    /// Number of the nodes whose clocks may be wildly wrong: one validator of
    /// each chain, the same all the time, so that the others are a majority.
    wild: u32,
    /// How often each fault struck.
    struck: BTreeMap<Fault, u64>,
}

impl<'a> Nemesis<'a> {
    /// Works until `until` is set; packets are lost only in a network of one's
    /// own.
    pub fn new(
        cluster: &'a Cluster,
        seed: u64,
        network: Option<Network>,
        until: &'a AtomicBool,
    ) -> Self {
        let is_possible = |fault| match fault {
            Fault::Partition | Fault::Split | Fault::Loss | Fault::Slow => network.is_some(),
            Fault::Delay => network.is_some_and(|network| network.has_delay),
            Fault::FullDisk => cluster.confined.is_some(),
            Fault::Clocks => cluster.has_clocks,
            _ => true,
        };
        let mut random = SmallRng::seed_from_u64(seed);
        let plan = Plan::new(is_possible, &mut random);
        let wild = random.random_range(NODE_NUMBERS);
        let (begin, struck) = (Instant::now(), BTreeMap::new());
        Self { cluster, random, plan, until, begin, wild, struck }
    }

    /// Kinds that are possible here with how often each struck; all are due in a
    /// run that lasts for a whole round of them.
    pub fn counts(&self, length: Duration) -> Vec<FaultCount> {
        let is_due = length >= self.plan.round();
        let count = |fault: Fault| FaultCount {
            kind: fault.to_string(),
            struck: self.struck.get(&fault).copied().unwrap_or_default(),
            is_due,
        };
        self.plan.possible().map(count).collect()
    }

    /// Kinds that are not possible here.
    pub fn left_out(&self) -> Vec<Fault> {
        let is_possible = |fault| self.plan.possible().any(|possible| possible == fault);
        Fault::all().filter(|fault| !is_possible(*fault)).collect()
    }

    /// Breaks things; on return everything is whole again but for what
    /// restarts.
    pub fn run(&mut self) {
        while !self.is_over() {
            self.last(QUIET_MS);
            if self.is_over() {
                break;
            }
            let fault = self.plan.next(&mut self.random);
            if self.strike(fault) {
                *self.struck.entry(fault).or_default() += 1;
            } else if !self.struck.contains_key(&fault) {
                self.plan.missed(fault);
            }
        }
        for name in self.cluster.processes() {
            self.cluster.signal(&name, Signal::SIGCONT);
        }
        if self.cluster.has_clocks {
            self.set_clocks(&mut |_| 0);
        }
    }

    /// Whether it struck anybody.
    fn strike(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Kill => {
                let name = self.any();
                self.kill(&[name])
            }
            Fault::KillNode => {
                let number = self.random.random_range(NODE_NUMBERS);
                self.kill(&node(number))
            }
            Fault::Several => {
                let (killed, paused) = ([self.any(), self.any()], self.any());
                let struck = self.kill(&killed);
                self.pause(&paused) && struck
            }
            Fault::KillAll => self.kill(&self.cluster.processes()),
            Fault::Pause => {
                let name = self.any();
                self.pause(&name)
            }
            Fault::Partition | Fault::Loss => {
                let part = self.random.random_range(LOST_THOUSANDTHS);
                let thousandths = if fault == Fault::Loss { part } else { EVERYTHING };
                let (ones, way) = (vec![self.any()], self.way());
                self.cut(fault, Cut { ones, others: None, way, thousandths })
            }
            Fault::Split => {
                let (ones, others) = self.sides();
                let (others, way) = (Some(others), self.way());
                self.cut(fault, Cut { ones, others, way, thousandths: EVERYTHING })
            }
            Fault::Slow => self.hinder(fault, slow_down),
            Fault::Delay => self.hinder(fault, delay),
            Fault::FullDisk => self.fill_disk(),
            Fault::Clocks => self.change_clocks(),
            Fault::Certificate => {
                let name = self.any();
                self.note(fault, &name);
                told(self.cluster.renew(&name))
            }
        }
    }

    fn any(&mut self) -> String {
        let mut names = self.cluster.processes();
        names.swap_remove(self.random.random_range(0..names.len()))
    }

    fn way(&mut self) -> Way {
        Way::ALL[self.random.random_range(0..Way::ALL.len())]
    }

    /// Two groups of processes that have nobody in common: the nodes of one
    /// number, or all that are no nodes, or any, against all others.
    fn sides(&mut self) -> (Vec<String>, Vec<String>) {
        let all = self.cluster.processes();
        let ones: Vec<String> = match self.random.random_range(0..SIDES) {
            0 => node(self.random.random_range(NODE_NUMBERS)).into(),
            1 => {
                let is_node = |name: &String| self.cluster.topology.node(name).is_some();
                all.iter().filter(|name| !is_node(name)).cloned().collect()
            }
            _ => {
                let (mut all, count) = (all.clone(), self.random.random_range(1..all.len()));
                all.shuffle(&mut self.random);
                all.split_off(count)
            }
        };
        let others = all.into_iter().filter(|name| !ones.contains(name)).collect();
        (ones, others)
    }

    fn kill(&mut self, names: &[String]) -> bool {
        let signal = |name: &&String| self.cluster.signal(name, Signal::SIGKILL);
        let killed: Vec<&str> = names.iter().filter(signal).map(String::as_str).collect();
        let shown = if killed.is_empty() { "nobody".to_owned() } else { killed.join(" ") };
        self.note("killed", &shown);
        !killed.is_empty()
    }

    fn pause(&mut self, name: &str) -> bool {
        let struck = self.cluster.signal(name, Signal::SIGSTOP);
        if struck {
            self.note(Fault::Pause, name);
            self.last(LASTING_MS);
            self.cluster.signal(name, Signal::SIGCONT);
        }
        struck
    }

    fn hinder(&mut self, fault: Fault, begin: fn() -> Result<()>) -> bool {
        self.note(fault, "the whole network");
        let struck = told(begin());
        if struck {
            self.last(LASTING_MS);
            told(speed_up());
        }
        struck
    }

    /// Once each kind has struck, some cuts last until connections are given up.
    fn cut(&mut self, fault: Fault, cut: Cut) -> bool {
        let is_long = self.random.random_range(0..CUT_LONG_ONE_IN) == 0;
        let lasting = if is_long && !self.plan.is_first_round() { CUT_LONG_MS } else { LASTING_MS };
        let milliseconds = self.random.random_range(lasting);
        self.note(fault, &format!("{}, for {milliseconds} ms", cut.shown()));
        let deadline = Instant::now() + Duration::from_millis(milliseconds);
        let struck = told(self.hold(&cut, deadline));
        told(lose_nothing());
        self.note("whole again", &cut.ones.join(" "));
        struck
    }

    /// Keeps a cut in force; an error also if it cut nobody.
    fn hold(&self, cut: &Cut, deadline: Instant) -> Result<()> {
        let mut in_force = InForce::new(self.cluster, cut)?;
        let mut struck = in_force.cuts_somebody();
        while !self.is_over() && Instant::now() < deadline {
            self.wait(REFRESH.min(deadline.saturating_duration_since(Instant::now())));
            in_force.refresh()?;
            struck |= in_force.cuts_somebody();
        }
        ensure!(struck, "nobody was there to be cut: {}", cut.shown());
        Ok(())
    }

    /// Fills what is left of the confined node's disk, and frees it again.
    fn fill_disk(&mut self) -> bool {
        let Some(data) = &self.cluster.confined else { return false };
        let filler: PathBuf = data.join(FILLER);
        let output = format!("of={}", filler.display());
        self.note(Fault::FullDisk, &data.display().to_string());
        // It ends with an error when the disk is full: that is what is wanted.
        let is_full = run(Command::new("dd").args(["if=/dev/zero", "bs=1M", &output])).is_err();
        self.last(LASTING_MS);
        told(std::fs::remove_file(&filler).map_err(anyhow::Error::from)) && is_full
    }

    fn change_clocks(&mut self) -> bool {
        let wild = WILD_SECONDS[self.random.random_range(0..WILD_SECONDS.len())];
        let (number, mut random) = (self.wild, SmallRng::from_rng(&mut self.random));
        self.note(Fault::Clocks, &format!("nodes {number} by {wild} s"));
        self.set_clocks(&mut |node| {
            let skew = random.random_range(-SKEW_MS_MAX..=SKEW_MS_MAX);
            if node == number { wild * 1_000 } else { skew }
        })
    }

    /// Sets the clock of each node by its number, in milliseconds; whether all
    /// could be set.
    fn set_clocks(&self, offset_ms: &mut dyn FnMut(u32) -> i64) -> bool {
        let mut all_set = true;
        for number in NODE_NUMBERS {
            for name in node(number) {
                all_set &= told(self.cluster.set_clock(&name, offset_ms(number)));
            }
        }
        all_set
    }

    fn note(&self, what: impl Display, whom: &str) {
        println!("{:>6.1} s  {what}: {whom}", self.begin.elapsed().as_secs_f64());
    }

    fn last(&mut self, lasting_ms: Range<u64>) {
        let milliseconds = self.random.random_range(lasting_ms);
        self.wait(Duration::from_millis(milliseconds));
    }

    fn is_over(&self) -> bool {
        self.until.load(Ordering::Relaxed)
    }

    /// Waits, but not beyond the end.
    fn wait(&self, duration: Duration) {
        let deadline = Instant::now() + duration;
        while !self.is_over() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::park_timeout(left);
        }
    }
}

/// A validator of every chain.
fn node(number: u32) -> [String; 2] {
    NODE_ROLES.map(|role| format!("{role}-{number}"))
}

/// Whether it went well; if not, says why not.
fn told(result: Result<()>) -> bool {
    if let Err(error) = &result {
        eprintln!("{error:#}");
    }
    result.is_ok()
}
