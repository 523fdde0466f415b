//! `cargo xtask coverage`: which lines of the pure crates the simulator reaches.
//!
//! Its program and its tests are built with the compiler's own coverage
//! counters, into a folder of their own, and run; `sim/coverage` reads what
//! they wrote. Only crates of this workspace are instrumented. The crates'
//! own unit tests are neither built nor run.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::command;

/// What to run, and what to print.
#[derive(Args)]
pub struct Options {
    /// Seeds beside those of the tests, in topologies of all sizes
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// Print each line that was not reached
    #[arg(long)]
    lines: bool,
}

/// Floors 0 to 3.
const CRATES: [&str; 5] = ["types", "chain", "routing", "ledger", "replica"];
/// Executed lines of a hundred, over all of [`CRATES`].
const PERCENT_MIN: f64 = 95.0;
/// The first seed beside those of the tests.
const FIRST_SEED: &str = "100001";
/// Longest run of these seeds; fewer are run on a slow machine.
const SWARM_MINUTES_MAX: &str = "60";
/// What the compiler is called through, so that dependencies stay as they are.
const WRAPPER: &str = "#!/bin/sh\nexec \"$@\" -C instrument-coverage\n";

/// Runs the simulator, prints the table and, if asked, the lines.
///
/// # Errors
///
/// When a build or run fails, or less is reached than has to be.
pub fn run(options: &Options) -> Result<()> {
    let folder = folder()?;
    let programs = build(&folder)?;
    let profiles = folder.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles).with_context(|| format!("{}", profiles.display()))?;
    }
    run_seeds(&programs, &profiles, options.seeds)?;
    let by_seeds = Reached::parse(&read(&folder, &programs, &profiles)?);
    run_tests(&programs, &profiles)?;
    let reached = Reached::parse(&read(&folder, &programs, &profiles)?);
    if options.lines {
        reached.print_missed()?;
    }
    print(&by_seeds, &reached);
    let percent = reached.total().percent();
    if percent < PERCENT_MIN {
        bail!(
            "the simulator reaches {percent:.1} % of the lines, at least {PERCENT_MIN} % must be"
        );
    }
    Ok(())
}

/// Beside the tools that the gates need.
fn folder() -> Result<PathBuf> {
    let tools = command::tools_dir()?;
    let cache = tools.parent().context("the tools' folder is in a folder")?;
    Ok(cache.join("cov-target"))
}

/// The instrumented simulator.
struct Programs {
    simulator: PathBuf,
    tests: PathBuf,
}

fn build(folder: &Path) -> Result<Programs> {
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let wrapper = folder.join("instrument.sh");
    fs::write(&wrapper, WRAPPER).with_context(|| format!("{}", wrapper.display()))?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    let mut cargo = command::cargo(["test", "--release", "--locked", "--no-run"]);
    cargo.args(["--package", "tributary-sim", "--test", "it"]);
    cargo.args(["--message-format", "json-render-diagnostics", "--target-dir"]).arg(folder);
    let messages = command::read(cargo.env("RUSTC_WORKSPACE_WRAPPER", &wrapper))?;
    let tests = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_tests = message["target"]["name"] == "it";
        message["executable"].as_str().filter(|_| is_tests).map(PathBuf::from)
    });
    let tests = tests.context("cargo built no tests of the simulator")?;
    Ok(Programs { simulator: folder.join("release").join("sim"), tests })
}

fn run_seeds(programs: &Programs, profiles: &Path, seeds: u64) -> Result<()> {
    let mut swarm = instrumented(&programs.simulator, profiles, "swarm");
    swarm.args(["--swarm", "--wide", "--seed", FIRST_SEED, "--minutes", SWARM_MINUTES_MAX]);
    command::run(swarm.arg("--seeds").arg(seeds.to_string()))
}

/// The simulator's own tests: among them clusters without consensus, whose
/// quorums lie, and 200 seeds more.
fn run_tests(programs: &Programs, profiles: &Path) -> Result<()> {
    command::run(&mut instrumented(&programs.tests, profiles, "tests"))
}

fn instrumented(program: &Path, profiles: &Path, name: &str) -> Command {
    let mut command = command::program(program);
    command.env("LLVM_PROFILE_FILE", profiles.join(format!("{name}-%p.profraw")));
    command
}

/// How often each line ran: path, line and count, apart by tabs.
fn read(folder: &Path, programs: &Programs, profiles: &Path) -> Result<String> {
    let mut cargo = command::cargo(["run", "--release", "--locked", "--quiet"]);
    cargo.args(["--manifest-path", "sim/coverage/Cargo.toml", "--target-dir"]).arg(folder);
    cargo.arg("--").arg(command::root()).args([&programs.simulator, &programs.tests]).arg("--");
    for profile in fs::read_dir(profiles).with_context(|| format!("{}", profiles.display()))? {
        cargo.arg(profile?.path());
    }
    command::read(&mut cargo)
}

/// What was reached, by path and line.
#[derive(Debug, Default, PartialEq)]
struct Reached(BTreeMap<String, BTreeMap<usize, bool>>);

/// Lines of some sources.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Count {
    lines: usize,
    reached: usize,
}

impl Reached {
    fn parse(text: &str) -> Self {
        let mut reached = Self::default();
        for line in text.lines() {
            let mut words = line.split('\t');
            let (Some(path), Some(number), Some(count)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            if let (Some(_), Ok(number)) = (crate_of(path), number.parse()) {
                let lines = reached.0.entry(path.to_owned()).or_default();
                *lines.entry(number).or_default() |= count != "0";
            }
        }
        reached
    }

    fn of(&self, name: &str) -> Count {
        let lines = self.0.iter().filter(|(path, _)| crate_of(path) == Some(name));
        lines.flat_map(|(_, lines)| lines.values()).fold(Count::default(), Count::and)
    }

    fn total(&self) -> Count {
        self.0.values().flat_map(BTreeMap::values).fold(Count::default(), Count::and)
    }

    /// Each line that was not reached, with its text.
    fn print_missed(&self) -> Result<()> {
        for (path, lines) in &self.0 {
            let text = fs::read_to_string(command::root().join(path));
            let text = text.with_context(|| format!("reading {path}"))?;
            for (number, line) in (1..).zip(text.lines()) {
                if lines.get(&number) == Some(&false) {
                    println!("{path}:{number}: {}", line.trim());
                }
            }
        }
        Ok(())
    }
}

impl Count {
    fn and(self, is_reached: &bool) -> Self {
        Self { lines: self.lines + 1, reached: self.reached + usize::from(*is_reached) }
    }

    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn percent(self) -> f64 {
        self.reached as f64 * 100.0 / self.lines.max(1) as f64
    }
}

/// A line for each crate: what seeds alone reach, and what tests add to it.
fn print(by_seeds: &Reached, reached: &Reached) {
    println!("{:<10} {:>6} {:>9} {:>6} {:>9} {:>6}", "crate", "lines", "by seeds", "%", "all", "%");
    let line = |name: &str, seeds: Count, all: Count| {
        let (lines, by_seeds, percent) = (all.lines, seeds.reached, seeds.percent());
        let (in_all, of_all) = (all.reached, all.percent());
        println!("{name:<10} {lines:>6} {by_seeds:>9} {percent:>6.2} {in_all:>9} {of_all:>6.2}");
    };
    for name in CRATES {
        line(name, by_seeds.of(name), reached.of(name));
    }
    line("total", by_seeds.total(), reached.total());
}

/// The crate of [`CRATES`] that a source belongs to.
fn crate_of(path: &str) -> Option<&'static str> {
    let (name, rest) = path.strip_prefix("crates/")?.split_once('/')?;
    CRATES.into_iter().find(|known| *known == name && rest.starts_with("src/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_reached_if_any_program_reached_it() {
        let text = "crates/types/src/id.rs\t3\t0\ncrates/types/src/id.rs\t4\t0\n\
                    crates/types/src/id.rs\t4\t9\ncrates/chain/src/body.rs\t1\t2\n\
                    crates/wire/src/lib.rs\t1\t0\nsim/src/main.rs\t5\t1\n";
        let reached = Reached::parse(text);
        assert_eq!(reached.of("types"), Count { lines: 2, reached: 1 });
        assert_eq!(reached.of("ledger"), Count::default());
        assert_eq!(reached.total(), Count { lines: 3, reached: 2 });
    }
}
