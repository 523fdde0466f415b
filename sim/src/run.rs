//! One seed from beginning to end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::check::Violation;
use crate::profile::Profile;
use crate::scenario::Scenario;
use crate::tally::Tally;
use crate::world::World;

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Hash over all events.
    pub digest: String,
    /// Events that happened.
    pub events: u64,
    /// Blocks that were executed, over all chains.
    pub blocks: u64,
    /// Orders of front-ends.
    pub orders: usize,
    /// Virtual time, in ms.
    pub virtual_ms: u64,
    /// Virtual time with faults, in ms.
    pub faulty_ms: u64,
    /// Virtual time from the end of the faults until all was well, in ms.
    pub healing_ms: Option<u64>,
    /// What happened how often.
    pub tally: Tally,
    /// What went wrong, with the last notes before it.
    pub failure: Option<Failure>,
}

/// A violation and what led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The promise that was broken.
    pub violation: Violation,
    /// The last notes, oldest first, and how every replica is doing.
    pub last: Vec<String>,
}

/// Runs a scenario.
///
/// # Errors
/// What is wrong with the scenario itself.
pub fn run(scenario: &Scenario, prints: bool) -> Result<Report, String> {
    let mut world = World::new(scenario.clone(), prints)?;
    let ended = catch_unwind(AssertUnwindSafe(|| world.run()));
    let violation = match ended {
        Ok(result) => result.err(),
        Err(panic) => Some(Violation { checker: "panic", text: text_of(&*panic) }),
    };
    let stage = world.stage();
    let failure = violation.map(|violation| Failure {
        violation,
        last: stage.trace.last().map(ToString::to_string).chain(world.describe()).collect(),
    });
    Ok(Report {
        digest: stage.trace.digest(),
        events: stage.trace.events(),
        blocks: stage.checks.blocks(),
        orders: stage.orders.len(),
        virtual_ms: stage.now_us / 1_000,
        faulty_ms: faulty_ms(scenario, stage.now_us / 1_000),
        healing_ms: world.healing_us().map(|us| us / 1_000),
        tally: stage.trace.tally().clone(),
        failure,
    })
}

/// A run in which nothing goes wrong has no time with faults.
fn faulty_ms(scenario: &Scenario, now_ms: u64) -> u64 {
    let Scenario { faulty_ms, quiet_ms, profile, .. } = scenario;
    if profile.name == Profile::none().name {
        0
    } else {
        now_ms.min(*faulty_ms).saturating_sub(*quiet_ms)
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}
