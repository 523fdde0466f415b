//! Random workloads on real ledgers, block by block beside the reference
//! model: every receipt, every late outcome, every cursor, and after it all
//! that readers see. No consensus here, so a difference is one of the rules.

use std::collections::BTreeMap;

use tributary_sim::model::Difference;
use tributary_types::OutcomeCode;

use crate::model_workload::Workload;

const SEEDS: u64 = 60;
const STEPS: usize = 300;

#[test]
fn ledgers_do_what_the_model_says() {
    let mut seen = BTreeMap::new();
    for seed in 1..=SEEDS {
        let mut workload = Workload::new(seed);
        for step in 0..STEPS {
            explain(workload.step(), seed, step);
        }
        explain(workload.finish(), seed, STEPS);
        for (code, count) in workload.codes() {
            *seen.entry(*code).or_insert(0) += count;
        }
    }
    let rare = OutcomeCode::ALL.iter().filter(|code| seen.get(code).is_none_or(|seen| *seen < 5));
    // What it takes many accounts or messages to reach is the next test's.
    let rare: Vec<_> = rare.filter(|code| **code != OutcomeCode::LimitReached).collect();
    assert!(rare.is_empty(), "the workload hardly ever leads to {rare:?}: {seen:?}");
}

#[test]
fn limits_are_where_the_model_says() {
    let mut workload = Workload::new(0);
    explain(workload.reach_limits(), 0, 0);
    assert!(workload.codes()[&OutcomeCode::LimitReached] > 0);
}

fn explain(outcome: Result<(), Difference>, seed: u64, step: usize) {
    if let Err(difference) = outcome {
        panic!("seed {seed}, step {step}: {difference}");
    }
}
