//! What the commands `sim` and `sim-fast` do: see `sim --help`.

use std::num::NonZero;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::profile::{PROFILES, Profile};
use crate::run::{Report, run};
use crate::scenario::{Given, Scenario};
use crate::swarm::{Bounds, Outcome, swarm};

const MS_PER_HOUR: f64 = 3_600_000.0;

/// A whole cluster in virtual time, from one seed.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// The seed of all chance; the first one of a swarm.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Chains, the HF chain included; drawn from the seed unless given.
    #[arg(long)]
    chains: Option<u16>,
    /// Replicas of each chain.
    #[arg(long)]
    replicas: Option<u16>,
    /// Relays, each for all channels.
    #[arg(long)]
    relays: Option<u16>,
    /// What goes wrong; a mix drawn from the seed unless given.
    #[arg(long, value_parser = PROFILES)]
    faults: Option<String>,
    /// Virtual seconds with faults, such as `60s`.
    #[arg(long, value_parser = seconds)]
    virtual_time: Option<u64>,
    /// Draw topologies of all sizes, down to one replica and up to six chains.
    #[arg(long)]
    wide: bool,
    /// Let some runs last many virtual minutes, and front-ends pause in some.
    #[arg(long)]
    long: bool,
    /// Print everything that happens.
    #[arg(long)]
    trace: bool,
    /// Print what happened how often.
    #[arg(long)]
    tally: bool,
    /// Run seed after seed, until the time is up or something breaks.
    #[arg(long)]
    swarm: bool,
    /// Wall-clock minutes of a swarm.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Most seeds of a swarm.
    #[arg(long, default_value_t = u64::MAX)]
    seeds: u64,
    /// Threads of a swarm; one for each core unless given.
    #[arg(long)]
    threads: Option<NonZero<usize>>,
}

fn seconds(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    number.parse().map_err(|_| format!("{text} is no number of seconds such as 60s"))
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    let given = Given {
        chains: args.chains,
        replicas: args.replicas,
        relays: args.relays,
        profile: args.faults.as_deref().and_then(Profile::named),
        faulty_ms: args.virtual_time.map(|seconds| seconds * 1_000),
        wide: args.wide,
        long: args.long,
    };
    // A violation tells more than the backtrace of a panic on the way to it.
    std::panic::set_hook(Box::new(|_| {}));
    let done = if args.swarm { run_swarm(&args, &given) } else { run_one(&args, &given) };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

fn run_one(args: &Args, given: &Given) -> Result<ExitCode, String> {
    let scenario = Scenario::draw(args.seed, given);
    let report = run(&scenario, args.trace)?;
    let Report { digest, blocks, orders, virtual_ms, events, .. } = &report;
    println!("{}", scenario.command(given));
    println!("{virtual_ms} virtual ms, {blocks} blocks, {orders} orders, {events} events");
    if let Some(healing_ms) = report.healing_ms {
        println!("all was well {healing_ms} ms after the faults");
    }
    if args.tally {
        print!("{}", report.tally);
    }
    println!("digest {digest}");
    Ok(tell_failure(&scenario, given, &report))
}

fn run_swarm(args: &Args, given: &Given) -> Result<ExitCode, String> {
    let begin = Instant::now();
    let bounds = Bounds {
        first_seed: args.seed,
        seeds_max: args.seeds,
        duration: Duration::from_secs(args.minutes * 60),
        threads: args.threads,
    };
    let tell = |outcome: &Outcome| tell_outcome(outcome, args, begin.elapsed());
    // Who stops it has what was told last.
    let outcome = swarm(bounds, given, tell)?;
    if args.tally {
        print!("{}", outcome.tally);
    }
    tell(&outcome);
    println!("all was well within {} ms after the faults", outcome.healing_ms_max);
    match &outcome.failed {
        Some((scenario, report)) => Ok(tell_failure(scenario, given, report)),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn tell_outcome(outcome: &Outcome, args: &Args, elapsed: Duration) {
    let Outcome { seeds, blocks, .. } = outcome;
    let minutes = elapsed.as_secs_f64() / 60.0;
    let [faulty_hours, hours] = [outcome.faulty_ms, outcome.virtual_ms].map(hours);
    println!(
        "{seeds} seeds from {} in {minutes:.1} minutes, {:.0} a minute, {blocks} blocks; \
         {hours:.2} virtual hours, {faulty_hours:.2} with faults, {:.2} a minute",
        args.seed,
        count(*seeds) / minutes,
        hours / minutes,
    );
}

fn tell_failure(scenario: &Scenario, given: &Given, report: &Report) -> ExitCode {
    let Some(failure) = &report.failure else { return ExitCode::SUCCESS };
    for note in &failure.last {
        println!("{note}");
    }
    println!("VIOLATION of {}: {}", failure.violation.checker, failure.violation.text);
    println!("replay with: {}", scenario.command(given));
    ExitCode::FAILURE
}

fn hours(ms: u64) -> f64 {
    count(ms) / MS_PER_HOUR
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
const fn count(number: u64) -> f64 {
    number as f64
}
