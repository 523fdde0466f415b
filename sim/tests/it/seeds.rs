//! A fixed list of seeds, each a whole cluster of at least three chains of
//! three replicas with its own mix of faults. Bounded by their number, not by
//! time; a longer search is `sim --swarm`.

use tributary_sim::run::{Report, run};
use tributary_sim::scenario::{Given, Scenario};

/// Runs a seed as `sim --seed` does.
pub fn run_seed(seed: u64) -> Report {
    run_seed_with(seed, &Given::default())
}

/// The same with options; unless they say `--wide`, a cluster of at least three
/// chains of three replicas.
fn run_seed_with(seed: u64, given: &Given) -> Report {
    let scenario = Scenario::draw(seed, given);
    assert!(given.wide || scenario.chains >= 3 && scenario.replicas >= 3);
    run(&scenario, false).unwrap()
}

/// Runs a seed, in which nothing may be violated.
#[track_caller]
pub fn survives(seed: u64) {
    survives_with(seed, &Given::default());
}

/// The same with options.
#[track_caller]
pub fn survives_with(seed: u64, given: &Given) {
    let report = run_seed_with(seed, given);
    if let Some(failure) = &report.failure {
        let last = failure.last.join("\n");
        let command = Scenario::draw(seed, given).command(given);
        panic!("{last}\n{command}: {}: {}", failure.violation.checker, failure.violation.text);
    }
}

macro_rules! seeds {
    ($($name:ident: $first:literal)+) => {
        $(#[test]
        fn $name() {
            ($first..$first + 10).for_each(survives);
        })+
    };
}

seeds! {
    seeds_1_to_10: 1
    seeds_11_to_20: 11
    seeds_21_to_30: 21
    seeds_31_to_40: 31
    seeds_41_to_50: 41
    seeds_51_to_60: 51
    seeds_61_to_70: 61
    seeds_71_to_80: 71
    seeds_81_to_90: 81
    seeds_91_to_100: 91
    seeds_101_to_110: 101
    seeds_111_to_120: 111
    seeds_121_to_130: 121
    seeds_131_to_140: 131
    seeds_141_to_150: 141
    seeds_151_to_160: 151
    seeds_161_to_170: 161
    seeds_171_to_180: 171
    seeds_181_to_190: 181
    seeds_191_to_200: 191
}
