//! `cargo xtask fuzz`: the fuzz targets, guided by coverage, for as long as asked.
//!
//! The engine is libFuzzer, and the instrumentation is LLVM's, which the stable
//! compiler offers as a code generation pass: no other toolchain is needed.
//! Instrumented code goes to a folder of its own, which keeps the inputs found
//! on the way from run to run:
//!
//! ```text
//! ~/.cache/tributary/fuzz-target/found/TARGET/     inputs that reach new code
//! ~/.cache/tributary/fuzz-target/broken/TARGET-*   inputs that break a property
//! ```
//!
//! An input that broke something belongs into `fuzz/corpus/TARGET/`, where each
//! test run tries it again.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::command;
use crate::repository::target_dir;

/// What to fuzz, and how long.
#[derive(Args)]
pub struct Options {
    /// Only this target; may be given more than once
    #[arg(long = "target", value_name = "NAME")]
    targets: Vec<String>,
    #[command(flatten)]
    length: Length,
}

/// How long one target is fuzzed: until one of the two is reached.
#[derive(Args)]
struct Length {
    /// Minutes for each target
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Executions of each target after which it is enough
    #[arg(long, value_name = "NUMBER")]
    executions: Option<u64>,
}

/// The triple is named so that build scripts stay without instrumentation.
const TRIPLE: &str = if cfg!(target_arch = "aarch64") {
    "aarch64-unknown-linux-gnu"
} else {
    "x86_64-unknown-linux-gnu"
};
/// Coverage of edges and comparisons, counted in line; assertions as well.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-sanitizer-coverage-stack-depth \
    -Cdebug-assertions=on";
/// One input may take this long.
const INPUT_SECONDS_MAX: u32 = 10;
/// The process may take this much memory.
const MEMORY_MB_MAX: u32 = 2_048;
/// Last lines of the engine that are shown when it ends in trouble.
const LINES_SHOWN: usize = 60;

/// Runs the targets one after the other and prints a table.
///
/// # Errors
///
/// When a build fails, a target is unknown, or a property is broken.
pub fn run(options: &Options) -> Result<()> {
    let package = ["--package", "tributary-fuzz", "--bin", "fuzz"];
    command::run(command::cargo(["build", "--release", "--locked"]).args(package))?;
    let plain = target_dir()?.join("release").join("fuzz");
    let folder = folder()?;
    let mut build = command::cargo(["build", "--release", "--locked", "--target", TRIPLE]);
    build.args(package).arg("--target-dir").arg(&folder).env("RUSTFLAGS", FLAGS);
    // Counters of several code generation units of one crate can overlap.
    build.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
    build.env("CARGO_PROFILE_RELEASE_INCREMENTAL", "false");
    command::run(&mut build)?;
    let engine = folder.join(TRIPLE).join("release").join("fuzz");
    let targets = chosen(&plain, &options.targets)?;
    println!(
        "{:<16}{:>13}{:>10}{:>8}{:>9}{:>8}",
        "target", "executions", "/s", "edges", "features", "inputs"
    );
    let mut broken = Vec::new();
    for (name, bytes_max) in &targets {
        let samples = folder.join("samples").join(name);
        command::run(command::program(&plain).args(["samples", name]).arg(&samples))?;
        let summary = fuzz(&engine, &folder, name, bytes_max, &options.length)?;
        println!(
            "{name:<16}{:>13}{:>10}{:>8}{:>9}{:>8}",
            summary.executions, summary.per_second, summary.edges, summary.features, summary.inputs
        );
        if summary.is_broken {
            broken.push(name.as_str());
        }
    }
    if !broken.is_empty() {
        bail!("broken: {}; inputs are in {}", broken.join(", "), folder.join("broken").display());
    }
    Ok(())
}

/// Beside the tools that the gates need.
fn folder() -> Result<PathBuf> {
    let tools = command::tools_dir()?;
    let cache = tools.parent().context("the tools' folder is in a folder")?;
    Ok(cache.join("fuzz-target"))
}

/// Name and largest input of each target that is to run.
fn chosen(plain: &Path, wanted: &[String]) -> Result<Vec<(String, String)>> {
    let list = command::read(command::program(plain).arg("list"))?;
    let all: Vec<(String, String)> = list
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, bytes)| (name.to_owned(), bytes.to_owned()))
        .collect();
    for name in wanted {
        if !all.iter().any(|(known, _)| known == name) {
            let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
            bail!("there is no target {name}; there are {}", names.join(", "));
        }
    }
    Ok(all.into_iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name)).collect())
}

/// What the engine said of a run.
#[derive(Debug, Default, PartialEq)]
struct Summary {
    executions: u64,
    per_second: u64,
    /// Edges of the code that were taken.
    edges: u64,
    /// Edges with how often, and comparisons with how close.
    features: u64,
    /// Inputs kept, each for something that no other reaches.
    inputs: u64,
    is_broken: bool,
}

fn fuzz(
    engine: &Path,
    folder: &Path,
    name: &str,
    bytes_max: &str,
    length: &Length,
) -> Result<Summary> {
    let (found, broken) = (folder.join("found").join(name), folder.join("broken"));
    for made in [&found, &broken] {
        std::fs::create_dir_all(made).with_context(|| format!("{}", made.display()))?;
    }
    let mut command = command::program(engine);
    command.env("TRIBUTARY_FUZZ_TARGET", name).arg(&found).arg(folder.join("samples").join(name));
    let kept = command::root().join("fuzz").join("corpus").join(name);
    if kept.is_dir() {
        command.arg(kept);
    }
    command
        .arg(format!("-artifact_prefix={}/{name}-", broken.display()))
        .args(length.executions.map(|number| format!("-runs={number}")))
        .arg(format!("-max_total_time={:.0}", (length.minutes * 60.0).ceil()))
        .arg(format!("-max_len={bytes_max}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB_MAX}"))
        .arg("-print_final_stats=1");
    let mut child = command.stderr(Stdio::piped()).spawn().context("cannot start the engine")?;
    let mut summary = Summary::default();
    let mut last = VecDeque::new();
    let pipe = child.stderr.take().context("the engine's stderr is a pipe")?;
    for line in BufReader::new(pipe).split(b'\n') {
        let line = line.context("reading the engine's output")?;
        let line = String::from_utf8_lossy(&line).into_owned();
        summary.see(&line);
        if last.len() == LINES_SHOWN {
            last.pop_front();
        }
        last.push_back(line);
    }
    summary.is_broken = !child.wait().context("waiting for the engine")?.success();
    if summary.is_broken {
        last.iter().for_each(|line| eprintln!("{line}"));
    }
    Ok(summary)
}

impl Summary {
    /// `#1024 NEW cov: 187 ft: 201 corp: 9/143b ...`, and `stat::NAME: NUMBER`.
    fn see(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            let number = pair[1].split('/').next().and_then(|word| word.parse().ok());
            let Some(number) = number else { continue };
            match pair[0] {
                "cov:" => self.edges = number,
                "ft:" => self.features = number,
                "corp:" => self.inputs = number,
                "stat::number_of_executed_units:" => self.executions = number,
                "stat::average_exec_per_sec:" => self.per_second = number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_figures_of_the_engine_are_kept() {
        let mut summary = Summary::default();
        summary.see("#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 31Mb");
        summary.see("#1024\tNEW    cov: 187 ft: 201 corp: 9/143b lim: 4096 exec/s: 0 rss: 31Mb");
        summary.see("stat::number_of_executed_units: 785618");
        summary.see("stat::average_exec_per_sec:     71419");
        summary.see("==1== ERROR: libFuzzer: deadly signal");
        let expected = Summary {
            executions: 785_618,
            per_second: 71_419,
            edges: 187,
            features: 201,
            inputs: 9,
            is_broken: false,
        };
        assert_eq!(summary, expected);
    }
}
