//! `cargo xtask`: the repository's chores, in Rust.
//!
//! Two kinds, never mixed: gates, which read and judge (`test`, `tidy`), and
//! `fix`, the only one that rewrites sources. This crate depends on nothing
//! that needs C++ or libclang, because `setup` is what installs those.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod chaos;
mod command;
mod coverage;
mod demo;
mod deny;
mod fix;
mod fuzz;
mod instructions;
mod lines;
mod optimize;
mod readme;
mod repository;
mod sabotage;
mod setup;
mod source;
mod test;
mod tidy;

/// The chores of the Tributary repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what the build lacks (Debian packages, Rust components), or say how
    Setup {
        /// Only print the commands that would install it
        #[arg(long)]
        print: bool,
    },
    /// Build everything, start a local cluster, pay, settle and check the books
    Demo {
        /// Stop after the check instead of staying up until Ctrl-C
        #[arg(long)]
        once: bool,
    },
    /// Run everything that CI runs
    Test,
    /// Check the rules of the repository that no compiler knows
    Tidy,
    /// Rewrite: format, and apply what clippy can fix by itself
    Fix,
    /// Count the lines of Rust per crate
    Lines,
    /// Fuzz every decoder of network and files, guided by coverage
    Fuzz(fuzz::Options),
    /// Break things in a cluster under load; check what its clients saw
    Chaos(chaos::Options),
    /// Count the lines of the pure crates that the simulator reaches
    Coverage(coverage::Options),
    /// Measure every goal beside what the machine can do
    Bench(bench::Options),
    /// Build the programs guided by a profile of how they are used
    Optimize(optimize::Options),
    /// Count the instructions of the hot functions, against stored figures
    Instructions(instructions::Options),
    /// Put known bugs into a copy of the code: does the simulator find each?
    Sabotage(sabotage::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Setup { print: true } => setup::print(),
        Chore::Setup { print: false } => setup::install(),
        Chore::Demo { once } => demo::run(once),
        Chore::Test => return test::run(),
        Chore::Tidy => tidy::run(),
        Chore::Fix => fix::run(),
        Chore::Lines => lines::run(),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Chaos(options) => chaos::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Optimize(options) => optimize::run(&options),
        Chore::Instructions(options) => instructions::run(&options),
        Chore::Coverage(options) => coverage::run(&options),
        Chore::Sabotage(options) => sabotage::run(&options),
    };
    finish(outcome)
}

fn finish(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
