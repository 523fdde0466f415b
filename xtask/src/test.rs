//! `cargo xtask test`: everything CI runs, in one command.
//!
//! Gates run from quick to slow and stop at the first that fails. Nothing in
//! the checkout is rewritten. The end of the output is made for CI: the time
//! of each gate, and as the last line the sum over all test runs.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::command::{self, Stream};
use crate::{chaos, deny, instructions, readme, setup, tidy};

/// Runs all gates; the exit code says whether all passed.
#[must_use]
pub fn run() -> ExitCode {
    if readme::is_running() {
        println!("cargo xtask test: is what runs these commands, so not again");
        return ExitCode::SUCCESS;
    }
    let mut tally = Tally::default();
    let mut times = Vec::new();
    let outcome = run_gates(&mut tally, &mut times);
    println!();
    for (name, time) in &times {
        println!("{:>7.1} s  {name}", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    println!("{:>7.1} s  in all", total.as_secs_f64());
    if let Err(error) = &outcome {
        let name = times.last().map_or("the beginning", |(name, _)| *name);
        println!("failed at {name}: {error:#}");
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

type Gate = (&'static str, fn(&mut Tally) -> Result<()>);

const GATES: [Gate; 12] = [
    ("setup", |_| setup::install().and_then(|()| chaos::install_tools())),
    ("format", |_| command::run(&mut command::cargo(["fmt", "--all", "--check"]))),
    ("tidy", |_| tidy::run()),
    ("lints", |_| {
        let lints = ["--all-targets", "--", "-D", "warnings"];
        command::run(workspace("clippy").args(lints))
    }),
    ("licences, bans, sources", |_| deny::check_tree()),
    ("advisories", |_| deny::check_advisories()),
    ("programs", |_| command::run(workspace("build").arg("--bins"))),
    ("tests", run_tests),
    ("instructions", |_| instructions::run(&instructions::Options::default())),
    ("documentation tests", |tally| {
        let mut cargo = workspace("test");
        command::watch(cargo.arg("--doc"), Stream::Stdout, |line| tally.see_cargo(line))
    }),
    ("documentation", |_| {
        let mut cargo = workspace("doc");
        command::run(cargo.arg("--no-deps").env("RUSTDOCFLAGS", RUSTDOC_FLAGS))
    }),
    ("the README's commands", |_| readme::run()),
];

/// A module's head may name private parts: it is read in the source as well.
const RUSTDOC_FLAGS: &str = "-D warnings -A rustdoc::private_intra_doc_links";

fn run_gates(tally: &mut Tally, times: &mut Vec<(&'static str, Duration)>) -> Result<()> {
    let before = checkout_state()?;
    for (name, gate) in GATES {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = gate(tally);
        times.push((name, start.elapsed()));
        outcome?;
    }
    if checkout_state()? != before {
        bail!("the run changed the checkout; compare `git status`");
    }
    Ok(())
}

/// What git sees as changed or new. Only CI asks: elsewhere somebody may be
/// editing while the gates run.
fn checkout_state() -> Result<String> {
    if std::env::var_os("CI").is_none() {
        return Ok(String::new());
    }
    command::read(command::program("git").args(["status", "--porcelain"]))
}

/// A call of cargo on the whole workspace in the one profile.
fn workspace(subcommand: &str) -> Command {
    command::cargo([subcommand, "--release", "--locked", "--workspace"])
}

fn run_tests(tally: &mut Tally) -> Result<()> {
    if command::succeeds(&mut command::cargo(["nextest", "--version"])) {
        let nextest = ["nextest", "run", "--release", "--locked", "--workspace", "--no-fail-fast"];
        let mut cargo = command::cargo(nextest);
        return command::watch(&mut cargo, Stream::Stderr, |line| tally.see_nextest(line));
    }
    let mut cargo = workspace("test");
    cargo.args(["--tests", "--no-fail-fast"]);
    command::watch(&mut cargo, Stream::Stdout, |line| tally.see_cargo(line))
}

/// Tests that ran, summed over the test runs.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// `test result: ok. 3 passed; 0 failed; ...`, one line per test binary.
    fn see_cargo(&mut self, line: &str) {
        if line.starts_with("test result: ") {
            self.add(line);
        }
    }

    /// `     Summary [   0.1s] 3 tests run: 2 passed (1 slow), 1 failed, ...`, once.
    fn see_nextest(&mut self, line: &str) {
        if line.trim_start().starts_with("Summary [") {
            self.add(line);
        }
    }

    fn add(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<u64>() else { continue };
            match pair[1].trim_end_matches([';', ',']) {
                "passed" => self.passed += count,
                "failed" | "timed" => self.failed += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_test_binaries_are_summed() {
        let mut tally = Tally::default();
        tally.see_cargo("running 5 tests");
        tally.see_cargo(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
        );
        tally.see_cargo("test result: FAILED. 1 passed; 2 failed; 0 ignored; finished in 0.01s");
        assert_eq!(tally, Tally { passed: 4, failed: 2 });
    }

    #[test]
    fn the_summary_of_nextest_is_read() {
        let mut tally = Tally::default();
        tally.see_nextest("        PASS [   0.004s] tributary-types amount::tests::sums");
        tally.see_nextest(
            "     Summary [   0.1s] 9 tests run: 6 passed (1 slow), 2 failed, 1 timed out, 0 skipped",
        );
        assert_eq!(tally, Tally { passed: 6, failed: 3 });
    }
}
