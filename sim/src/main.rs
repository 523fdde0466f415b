//! The command `sim`: see `sim --help`.

use std::process::ExitCode;

use clap::Parser;
use tributary_sim::profile::{PROFILES, Profile};
use tributary_sim::run::{Report, run};
use tributary_sim::scenario::{Given, Scenario};

/// A whole cluster in virtual time, from one seed.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// The seed of all chance.
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
    /// Print everything that happens.
    #[arg(long)]
    trace: bool,
}

fn seconds(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    number.parse().map_err(|_| format!("{text} is no number of seconds such as 60s"))
}

fn main() -> ExitCode {
    let args = Args::parse();
    let given = Given {
        chains: args.chains,
        replicas: args.replicas,
        relays: args.relays,
        profile: args.faults.as_deref().and_then(Profile::named),
        faulty_ms: args.virtual_time.map(|seconds| seconds * 1_000),
    };
    let scenario = Scenario::draw(args.seed, &given);
    match run(&scenario, args.trace) {
        Ok(report) => tell(&scenario, &report),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn tell(scenario: &Scenario, report: &Report) -> ExitCode {
    let Report { digest, blocks, orders, virtual_ms, .. } = report;
    println!("{}", scenario.command());
    println!("{virtual_ms} ms, {blocks} blocks, {orders} orders, {} events", report.notes);
    println!("healed after {:?} ms", report.healing_ms);
    println!("digest {digest}");
    let Some(failure) = &report.failure else { return ExitCode::SUCCESS };
    for note in &failure.last {
        println!("{note}");
    }
    println!("VIOLATION of {}: {}", failure.violation.checker, failure.violation.text);
    ExitCode::FAILURE
}
