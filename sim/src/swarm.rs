//! Seed after seed, on all cores, until the time is up or something breaks.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::run::{Report, run};
use crate::scenario::{Given, Scenario};
use crate::tally::Tally;

/// When to stop, and where to begin.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The first seed; the others follow.
    pub first_seed: u64,
    /// Most seeds.
    pub seeds_max: u64,
    /// Most wall-clock time.
    pub duration: Duration,
    /// Threads; one for each core if none is given.
    pub threads: Option<NonZero<usize>>,
}

/// What came of all seeds.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Seeds that were run to the end.
    pub seeds: u64,
    /// Virtual time with faults, in ms.
    pub faulty_ms: u64,
    /// Virtual time altogether, in ms.
    pub virtual_ms: u64,
    /// Blocks that were executed.
    pub blocks: u64,
    /// Longest virtual time until all was well after the faults, in ms.
    pub healing_ms_max: u64,
    /// What happened how often.
    pub tally: Tally,
    /// The lowest seed that broke something.
    pub failed: Option<(Scenario, Report)>,
}

/// Runs seeds, and tells `progress` now and then how far it is.
///
/// # Errors
/// What is wrong with a scenario itself.
pub fn swarm(
    bounds: Bounds,
    given: &Given,
    progress: impl Fn(&Outcome) + Sync,
) -> Result<Outcome, String> {
    let begin = Instant::now();
    let told_minutes = AtomicU64::new(0);
    let next = AtomicU64::new(bounds.first_seed);
    let end = bounds.first_seed.saturating_add(bounds.seeds_max);
    let is_over = AtomicBool::new(false);
    let outcome = Mutex::new(Ok(Outcome::default()));
    let threads = bounds.threads.or_else(|| thread::available_parallelism().ok());
    thread::scope(|scope| {
        for _ in 0..threads.map_or(1, NonZero::get) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) && begin.elapsed() < bounds.duration {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let scenario = Scenario::draw(seed, given);
                    let report = run(&scenario, false);
                    let mut outcome = outcome.lock().unwrap_or_else(|poison| poison.into_inner());
                    let ends = add(&mut outcome, scenario, report);
                    is_over.fetch_or(ends, Ordering::Relaxed);
                    let minutes = begin.elapsed().as_secs() / 60;
                    if told_minutes.fetch_max(minutes, Ordering::Relaxed) < minutes {
                        outcome.as_ref().into_iter().for_each(&progress);
                    }
                }
            });
        }
    });
    outcome.into_inner().unwrap_or_else(|poison| poison.into_inner())
}

/// Adds a report; whether to stop.
fn add(
    outcome: &mut Result<Outcome, String>,
    scenario: Scenario,
    report: Result<Report, String>,
) -> bool {
    let Ok(sum) = outcome else { return true };
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            *outcome = Err(format!("seed {}: {error}", scenario.seed));
            return true;
        }
    };
    sum.seeds += 1;
    sum.faulty_ms += report.faulty_ms;
    sum.virtual_ms += report.virtual_ms;
    sum.blocks += report.blocks;
    sum.healing_ms_max = sum.healing_ms_max.max(report.healing_ms.unwrap_or(0));
    sum.tally.add(&report.tally);
    let is_lowest = sum.failed.as_ref().is_none_or(|(other, _)| other.seed > scenario.seed);
    let fails = report.failure.is_some();
    if fails && is_lowest {
        sum.failed = Some((scenario, report));
    }
    fails
}
