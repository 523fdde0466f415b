//! What one run is about: topology, rules, load and faults, all of it drawn
//! from the seed unless it is given.

use tributary_ledger::Parameters;
use tributary_replica::Limits;

use crate::prng::{Chance, Prng};
use crate::profile::Profile;

/// How many runs are long, where some may be.
const LONG: Chance = Chance::percent(10);
/// How much longer than others these are.
const LONG_TIMES: u64 = 15;
/// How many of the long runs, and of the others beside them, have hours in which
/// nobody asks for anything.
const SLEEPY: [Chance; 2] = [Chance::percent(90), Chance::percent(30)];

/// Everything that fixes a run, beside the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The seed of all chance.
    pub seed: u64,
    /// Chains, the HF chain included; at least two.
    pub chains: u16,
    /// Replicas of each chain.
    pub replicas: u16,
    /// Relays; each serves all channels.
    pub relays: u16,
    /// Routers; the first may be a liar.
    pub routers: u16,
    /// Front-ends.
    pub clients: u16,
    /// Whether one process hosts a replica of every chain, or just one.
    pub shared_nodes: bool,
    /// What goes wrong.
    pub profile: Profile,
    /// Virtual time before the first fault strikes.
    pub quiet_ms: u64,
    /// Virtual time until the faults end; healing comes on top.
    pub faulty_ms: u64,
    /// Rules of execution.
    pub parameters: Parameters,
    /// Bounds of every replica.
    pub limits: Limits,
    /// Length of a raft tick.
    pub tick_ms: u64,
    /// Shortest election timeout.
    pub election_ticks: u32,
    /// User accounts opened at the start on each user chain; the fourth has an
    /// owner with a key.
    pub users: u64,
    /// Merchants opened at the start.
    pub merchants: u64,
    /// Mean time between two of a front-end's decisions to ask for something.
    pub order_every_ms: u64,
    /// When front-ends ask for nothing new, if ever.
    pub sleep: Option<Sleep>,
}

/// Front-ends ask for a while, then for nothing: chains stand idle, and what
/// they know of late things goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sleep {
    /// How long they ask.
    pub awake_ms: u64,
    /// How long they then do not.
    pub asleep_ms: u64,
}

impl Sleep {
    /// Whether front-ends ask for nothing new at this moment.
    #[must_use]
    pub const fn lasts_at(&self, now_ms: u64) -> bool {
        now_ms % (self.awake_ms + self.asleep_ms) >= self.awake_ms
    }
}

/// What the command line fixes; the rest is drawn.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Chains, the HF chain included.
    pub chains: Option<u16>,
    /// Replicas of each chain.
    pub replicas: Option<u16>,
    /// Relays.
    pub relays: Option<u16>,
    /// What goes wrong.
    pub profile: Option<Profile>,
    /// Virtual time with faults.
    pub faulty_ms: Option<u64>,
    /// Topologies of all sizes, not only of three chains of three and more.
    pub wide: bool,
    /// Some runs of many virtual minutes, most of them with pauses: windows pass,
    /// logs are cut many times, chains stand idle.
    pub long: bool,
}

impl Scenario {
    /// The scenario of a seed.
    #[must_use]
    pub fn draw(seed: u64, given: &Given) -> Self {
        let root = Prng::new(seed);
        let mut shape = root.fork("shape");
        let (fewest, most) = if given.wide { (2, 6) } else { (3, 4) };
        let chains = given.chains.unwrap_or_else(|| number(&mut shape, fewest, most));
        let mut replicas = if shape.happens(Chance::percent(10)) { 5 } else { 3 };
        if given.wide && shape.happens(Chance::percent(20)) {
            replicas = number(&mut shape, 1, 4);
        }
        let relays = number(&mut shape, 1, 3);
        let shared_nodes = shape.happens(Chance::percent(60));
        let mut faults = root.fork("faults");
        let drawn = Profile::random(&mut faults);
        let mut load = root.fork("load");
        let is_long = given.long && root.fork("length").happens(LONG);
        let times = if is_long { LONG_TIMES } else { 1 };
        let mut sleep = root.fork("sleep");
        let sleeps = given.long && sleep.happens(SLEEPY[usize::from(!is_long)]);
        Self {
            seed,
            chains: chains.max(2),
            replicas: given.replicas.unwrap_or(replicas).max(1),
            relays: given.relays.unwrap_or(relays).max(1),
            routers: number(&mut shape, 2, 3),
            clients: number(&mut shape, 2, 4),
            shared_nodes,
            profile: given.profile.clone().unwrap_or(drawn),
            faulty_ms: given.faulty_ms.unwrap_or_else(|| load.between(10, 40) * 1_000 * times),
            quiet_ms: if load.happens(Chance::percent(30)) { 0 } else { 3_000 },
            parameters: parameters(&mut root.fork("parameters")),
            limits: limits(&mut root.fork("limits")),
            tick_ms: shape.between(2, 5) * 10,
            election_ticks: u32::try_from(shape.between(10, 20)).unwrap_or(20),
            users: load.between(4, 8),
            merchants: load.between(1, 4),
            order_every_ms: load.between(40, 400),
            sleep: sleeps.then(|| Sleep {
                awake_ms: sleep.between(2, 20) * 1_000,
                asleep_ms: sleep.between(5, 90) * 1_000,
            }),
        }
    }

    /// The user chains' number.
    #[must_use]
    pub const fn user_chains(&self) -> u16 {
        self.chains - 1
    }

    /// How to run it again.
    #[must_use]
    pub fn command(&self, given: &Given) -> String {
        let mut command = format!("sim --seed {}", self.seed);
        let numbers =
            [("chains", given.chains), ("replicas", given.replicas), ("relays", given.relays)];
        for (name, number) in numbers {
            if let Some(number) = number {
                command.push_str(&format!(" --{name} {number}"));
            }
        }
        if let Some(profile) = &given.profile {
            command.push_str(&format!(" --faults {}", profile.name));
        }
        if given.wide {
            command.push_str(" --wide");
        }
        if given.long {
            command.push_str(" --long");
        }
        if let Some(faulty_ms) = given.faulty_ms {
            command.push_str(&format!(" --virtual-time {}s", faulty_ms / 1_000));
        }
        command
    }
}

fn number(prng: &mut Prng, low: u64, high: u64) -> u16 {
    u16::try_from(prng.between(low, high)).unwrap_or(u16::MAX)
}

fn parameters(prng: &mut Prng) -> Parameters {
    Parameters {
        settlement_interval_ms: prng.between(2, 20) * 100,
        id_window_back_ms: prng.between(5, 60) * 1_000,
        id_window_ahead_ms: prng.between(2, 20) * 1_000,
        time_step_ms_max: if prng.happens(Chance::percent(50)) {
            3_600_000
        } else {
            prng.between(2, 60) * 1_000
        },
        statements_unacknowledged_max: prng.between(1, 4),
        waiting_refunds_max: prng.between(1, 20),
    }
}

/// Short logs and frequent checkpoints, so that snapshots are needed.
fn limits(prng: &mut Prng) -> Limits {
    Limits {
        in_flight_blocks_max: usize::try_from(prng.between(1, 8)).unwrap_or(8),
        pending_requests_max: usize::try_from(prng.between(2, 64)).unwrap_or(64),
        pending_reads_max: usize::try_from(prng.between(1, 64)).unwrap_or(64),
        pending_bytes_max: usize::try_from(prng.between(64, 512) << 10).unwrap_or(64 << 10),
        checkpoint_after_blocks: prng.between(3, 120),
        work_bytes_max: prng.between(0, 4_000),
        unexecuted_bytes_max: usize::try_from(prng.between(0, 20_000)).unwrap_or(0),
        log_tail_bytes: usize::try_from(prng.between(0, 20_000)).unwrap_or(0),
        snapshot_install_ticks_max: u32::try_from(prng.between(20, 100)).unwrap_or(100),
        ..Limits::default()
    }
}
