//! What goes wrong, and how often: named probabilities and rates.
//!
//! Chances are per occasion (a message, a sync, an effect). Rates are of faults
//! that somebody or something inflicts from outside: the mean time between two
//! of a kind.

use crate::prng::{Chance, Prng};

/// Everything that can go wrong in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What it is called.
    pub name: String,
    /// The network's manners.
    pub network: NetworkManners,
    /// The disks' manners.
    pub disk: DiskManners,
    /// The clocks' manners.
    pub clock: ClockManners,
    /// A process ends between two effects of one step.
    pub crash_between_effects: Chance,
    /// Faults from outside with the mean time between two of them, in ms.
    pub faults: Vec<(Fault, u64)>,
    /// Who lies.
    pub liars: Liars,
}

/// How messages travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkManners {
    /// Shortest delay.
    pub delay_us_min: u64,
    /// Longest delay of most messages.
    pub delay_us_max: u64,
    /// A message is lost.
    pub loss: Chance,
    /// A message arrives twice.
    pub duplicate: Chance,
    /// A message is overtaken by many: it takes up to [`Self::straggler_us_max`].
    pub straggler: Chance,
    /// Longest delay of a straggler.
    pub straggler_us_max: u64,
    /// A byte of a peer's message changes; the transport drops it, or the
    /// decoder sees it.
    pub garble: Chance,
}

/// How disks behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskManners {
    /// Shortest sync.
    pub sync_us_min: u64,
    /// Longest sync.
    pub sync_us_max: u64,
    /// Longest time to save a checkpoint.
    pub checkpoint_us_max: u64,
    /// A sync fails and the process ends.
    pub sync_fails: Chance,
    /// A checkpoint cannot be saved and the process ends.
    pub checkpoint_fails: Chance,
}

/// How clocks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockManners {
    /// Fastest and slowest rate, in parts per million off.
    pub drift_ppm_max: u64,
    /// Farthest that a wall clock starts from the truth.
    pub offset_ms_max: u64,
    /// Farthest that one wild clock of a chain jumps.
    pub jump_ms_max: u64,
}

/// A fault from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Some places cannot reach the others, in both directions.
    Partition,
    /// Some places cannot reach the others; the way back works.
    OneWay,
    /// A link takes much longer.
    SlowLink,
    /// A node process is killed and started again later.
    Crash,
    /// All node processes are killed at once.
    PowerCut,
    /// A node process is asked to stop, and started again later.
    Stop,
    /// A node process stands still for a while.
    Pause,
    /// A wall clock jumps; one of each chain at most is far off.
    ClockJump,
    /// A disk takes no more writes for a while.
    DiskFull,
    /// A disk is slow for a while.
    SlowDisk,
    /// A bit of what is stored flips; the node may not come back with it.
    BitFlip,
    /// A relay is started again and knows nothing.
    RelayRestart,
    /// A router is started again and knows nothing.
    RouterRestart,
    /// The log's files take too much space.
    SpaceWanted,
}

/// Who lies, beside those who only fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Liars {
    /// What a relay brings is not what a source sent.
    pub relay: Chance,
    /// One validator of each chain signs headers that it did not execute.
    pub validator: Chance,
    /// All validators but the first sign another header at each height, all of
    /// them the same: more than any chain survives.
    pub quorum: bool,
    /// The first router follows a table that is old or made up.
    pub router: bool,
    /// Clients use signatures and ids again that they know.
    pub client: Chance,
}

/// Adds one kind of fault to a profile.
type Addition = fn(Profile) -> Profile;

/// Names that [`Profile::named`] knows.
pub const PROFILES: [&str; 7] = ["none", "network", "disk", "crash", "clock", "liars", "all"];

const HONEST: Liars = Liars {
    relay: Chance::NEVER,
    validator: Chance::NEVER,
    quorum: false,
    router: false,
    client: Chance::NEVER,
};

impl Profile {
    /// A world without faults, as far as there is one: messages take time.
    #[must_use]
    pub fn none() -> Self {
        Self {
            name: "none".to_owned(),
            network: NetworkManners {
                delay_us_min: 200,
                delay_us_max: 2_000,
                loss: Chance::NEVER,
                duplicate: Chance::NEVER,
                straggler: Chance::NEVER,
                straggler_us_max: 0,
                garble: Chance::NEVER,
            },
            disk: DiskManners {
                sync_us_min: 200,
                sync_us_max: 3_000,
                checkpoint_us_max: 20_000,
                sync_fails: Chance::NEVER,
                checkpoint_fails: Chance::NEVER,
            },
            clock: ClockManners { drift_ppm_max: 20, offset_ms_max: 5, jump_ms_max: 0 },
            crash_between_effects: Chance::NEVER,
            faults: Vec::new(),
            liars: HONEST,
        }
    }

    /// One of [`PROFILES`].
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let none = Self::none();
        let mut profile = match name {
            "none" => none,
            "network" => none.with_network(),
            "disk" => none.with_disk(),
            "crash" => none.with_crashes(),
            "clock" => none.with_clocks(),
            "liars" => none.with_liars(),
            "all" => none.with_network().with_disk().with_crashes().with_clocks().with_liars(),
            _ => return None,
        };
        name.clone_into(&mut profile.name);
        Some(profile)
    }

    /// Any mix, each kind of fault with its own vigour.
    #[must_use]
    pub fn random(prng: &mut Prng) -> Self {
        let half = Chance::percent(60);
        let mut profile = Self::none();
        let kinds: [(&str, Addition); 5] = [
            ("network", Self::with_network),
            ("disk", Self::with_disk),
            ("crash", Self::with_crashes),
            ("clock", Self::with_clocks),
            ("liars", Self::with_liars),
        ];
        let mut names = Vec::new();
        for (name, add) in kinds {
            if prng.happens(half) {
                profile = add(profile);
                names.push(name);
            }
        }
        for (_, mean_ms) in &mut profile.faults {
            *mean_ms = *mean_ms * prng.between(4, 30) / 10;
        }
        profile.network.delay_us_max *= prng.between(1, 20);
        profile.disk.sync_us_max *= prng.between(1, 10);
        profile.name = if names.is_empty() { "none".to_owned() } else { names.join("+") };
        profile
    }

    fn with_network(mut self) -> Self {
        self.network = NetworkManners {
            loss: Chance::percent(2),
            duplicate: Chance::percent(2),
            straggler: Chance::percent(2),
            straggler_us_max: 1_500_000,
            delay_us_max: 10_000,
            garble: Chance::millionths(500),
            ..self.network
        };
        self.faults.extend([
            (Fault::Partition, 6_000),
            (Fault::OneWay, 9_000),
            (Fault::SlowLink, 7_000),
        ]);
        self
    }

    fn with_disk(mut self) -> Self {
        self.disk = DiskManners {
            sync_us_max: 15_000,
            checkpoint_us_max: 300_000,
            sync_fails: Chance::millionths(300),
            checkpoint_fails: Chance::percent(1),
            ..self.disk
        };
        self.faults.extend([
            (Fault::DiskFull, 15_000),
            (Fault::SlowDisk, 8_000),
            (Fault::BitFlip, 45_000),
            (Fault::SpaceWanted, 10_000),
        ]);
        self
    }

    fn with_crashes(mut self) -> Self {
        self.crash_between_effects = Chance::millionths(150);
        self.faults.extend([
            (Fault::Crash, 4_000),
            (Fault::PowerCut, 20_000),
            (Fault::Stop, 12_000),
            (Fault::Pause, 8_000),
            (Fault::RelayRestart, 8_000),
            (Fault::RouterRestart, 12_000),
        ]);
        self
    }

    fn with_clocks(mut self) -> Self {
        self.clock =
            ClockManners { drift_ppm_max: 2_000, offset_ms_max: 150, jump_ms_max: 3_600_000 };
        self.faults.push((Fault::ClockJump, 5_000));
        self
    }

    fn with_liars(mut self) -> Self {
        self.liars = Liars {
            relay: Chance::percent(30),
            validator: Chance::percent(20),
            quorum: false,
            router: true,
            client: Chance::percent(5),
        };
        self
    }
}
