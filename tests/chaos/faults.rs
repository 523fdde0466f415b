//! Kinds of faults, and which one is next: first each kind that is possible
//! once, in an order drawn from the seed, then kinds by their weights.

use std::fmt;
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;

/// A run that has so long for each kind has seen all of them: the longest pause
/// and the longest fault of the first round, and what the rest takes.
const ROUND_PER_KIND: Duration = Duration::from_secs(8);

/// What is done.
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
    /// All that one process sends is lost, or all that is sent to it, or both:
    /// by whichever of its sockets, to and from clients too.
    Partition,
    /// Between two groups of processes all is lost one way, or both; within a
    /// group, and to and from clients, nothing is.
    Split,
    /// A part of what [`Fault::Partition`] would lose.
    Loss,
    /// The whole network is slow.
    Slow,
    /// Every packet is delayed by a time of its own.
    Delay,
    /// The disk of one node is full.
    FullDisk,
    /// All clocks of nodes are set anew, one pair of them wildly wrong or right
    /// again; they stay so while other things happen.
    Clocks,
    /// One process gets a new certificate and key.
    Certificate,
}

impl Fault {
    /// Every kind, with how often it may be drawn, and as what it is reported.
    const ALL: [(Self, u32, &'static str); 13] = [
        (Self::Kill, 8, "kill"),
        (Self::KillNode, 3, "kill of a node"),
        (Self::Several, 3, "kill of several"),
        (Self::KillAll, 1, "kill of all"),
        (Self::Pause, 6, "pause"),
        (Self::Partition, 5, "partition"),
        (Self::Split, 5, "split"),
        (Self::Loss, 3, "loss"),
        (Self::Slow, 1, "slow network"),
        (Self::Delay, 1, "delay"),
        (Self::FullDisk, 1, "full disk"),
        (Self::Clocks, 4, "clock change"),
        (Self::Certificate, 3, "new certificate"),
    ];

    /// Every kind.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().map(|(fault, ..)| fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::ALL.iter().find(|(fault, ..)| fault == self);
        f.pad(named.map_or("", |(.., name)| name))
    }
}

/// Which fault is next.
#[derive(Debug)]
pub struct Plan {
    possible: Vec<(Fault, u32)>,
    /// What has not struck yet; the last one is next.
    first: Vec<Fault>,
}

impl Plan {
    /// Of the kinds that are possible here.
    pub fn new(is_possible: impl Fn(Fault) -> bool, random: &mut SmallRng) -> Self {
        let weighted = Fault::ALL.into_iter().map(|(fault, weight, _)| (fault, weight));
        let possible: Vec<_> = weighted.filter(|(fault, _)| is_possible(*fault)).collect();
        let mut first: Vec<_> = possible.iter().map(|(fault, _)| *fault).collect();
        first.shuffle(random);
        Self { possible, first }
    }

    /// Kinds that are possible.
    pub fn possible(&self) -> impl Iterator<Item = Fault> + '_ {
        self.possible.iter().map(|(fault, _)| *fault)
    }

    /// Whether some kinds have not struck yet.
    pub fn is_first_round(&self) -> bool {
        !self.first.is_empty()
    }

    /// Within this time each kind has struck once.
    pub fn round(&self) -> Duration {
        ROUND_PER_KIND * u32::try_from(self.possible.len()).unwrap_or(u32::MAX)
    }

    /// The next fault.
    pub fn next(&mut self, random: &mut SmallRng) -> Fault {
        if let Some(fault) = self.first.pop() {
            return fault;
        }
        let total: u32 = self.possible.iter().map(|(_, weight)| weight).sum();
        let mut drawn = random.random_range(0..total);
        for (fault, weight) in &self.possible {
            match drawn.checked_sub(*weight) {
                Some(rest) => drawn = rest,
                None => return *fault,
            }
        }
        Fault::Kill
    }

    /// A fault of the first round struck nobody, as when its process was just
    /// being restarted: it comes again behind the others of that round.
    pub fn missed(&mut self, fault: Fault) {
        self.first.insert(0, fault);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;

    use super::*;

    fn drawn(seed: u64, count: usize) -> Vec<Fault> {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut plan = Plan::new(|fault| fault != Fault::Delay, &mut random);
        (0..count).map(|_| plan.next(&mut random)).collect()
    }

    #[test]
    fn every_kind_that_is_possible_strikes_once_before_any_strikes_again() {
        let possible: BTreeSet<_> = Fault::all().filter(|fault| *fault != Fault::Delay).collect();
        for seed in 0..100 {
            let first: BTreeSet<_> = drawn(seed, possible.len()).into_iter().collect();
            assert_eq!(first, possible, "seed {seed}");
        }
        assert_ne!(drawn(1, possible.len()), drawn(2, possible.len()));
    }

    #[test]
    fn after_the_first_round_frequent_kinds_strike_more_often() {
        let later = drawn(1, 1_000).split_off(Fault::all().count() - 1);
        let count = |wanted| later.iter().filter(|fault| **fault == wanted).count();
        assert!(count(Fault::Kill) > 3 * count(Fault::KillAll), "{later:?}");
        assert_eq!(count(Fault::Delay), 0);
    }

    #[test]
    fn what_struck_nobody_in_the_first_round_comes_again_in_it() {
        let mut random = SmallRng::seed_from_u64(1);
        let mut plan = Plan::new(|_| true, &mut random);
        let missed = plan.next(&mut random);
        plan.missed(missed);
        let first: BTreeSet<_> = Fault::all().map(|_| plan.next(&mut random)).collect();
        assert_eq!(first, Fault::all().collect());
        assert!(!plan.is_first_round());
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Fault::all().map(|fault| fault.to_string()).collect();
        assert_eq!(names.len(), Fault::all().count());
    }
}
