//! `cargo xtask instructions`: how many instructions the hot functions take,
//! against figures that are stored beside them.
//!
//! The example `execution` of `crates/ledger` does fixed pieces of work under
//! callgrind, which counts the same on a busy machine as on an idle one. Which
//! instructions are chosen at run time (BLAKE3 asks the processor) differs
//! between machines, and valgrind offers fewer than the processor may have, so
//! the bound is generous: it finds a lost factor, not a lost percent.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use toml::Table;

use crate::repository::target_dir;
use crate::{command, setup};

/// Where the stored figures are, from the root of the checkout.
const STORED: &str = "crates/ledger/examples/execution/instructions.toml";
/// How many percent more than stored fail, and how many less ask for new figures.
const PERCENT_MAX: f64 = 25.0;
/// The function of the example between whose call and return is counted.
const COUNTED: &str = "--toggle-collect=*counted*";

/// What to count.
#[derive(Args, Default)]
pub struct Options {
    /// Take the program as it was built before
    #[arg(long)]
    built: bool,
}

/// Counts every stored case.
///
/// # Errors
///
/// When a case takes many more instructions than stored, or a program fails.
/// Without callgrind nothing is counted, which is an error in CI only.
pub fn run(options: &Options) -> Result<()> {
    if let Err(error) = setup::install_program("valgrind", "valgrind") {
        if std::env::var_os("CI").is_some() {
            return Err(error);
        }
        println!("instructions not counted: {error:#}");
        return Ok(());
    }
    if !options.built {
        // The workspace's features, so that nothing is built twice.
        let build = ["build", "--release", "--locked", "--workspace", "--example", "execution"];
        command::run(&mut command::cargo(build))?;
    }
    let program = target_dir()?.join("release").join("examples").join("execution");
    let text = fs::read_to_string(command::root().join(STORED)).context(STORED)?;
    let stored: Table = text.parse().context(STORED)?;
    let mut found = Vec::new();
    for (case, stored) in stored {
        let stored = stored.as_integer().and_then(|stored| u64::try_from(stored).ok());
        let stored = stored.with_context(|| format!("{STORED}: {case} is no count"))?;
        let count = count(&program, &case)?;
        println!("{case:<12}{count:>14} instructions, {:+6.1} %", more_percent(count, stored));
        found.push((case, count, stored));
    }
    judge(&found)
}

/// Instructions of one case.
fn count(program: &Path, case: &str) -> Result<u64> {
    let mut valgrind = command::program("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", COUNTED]);
    valgrind.arg(program).args(["instructions", case]);
    let output = valgrind.output().context("cannot start valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    match collected(&text) {
        Some(count) if output.status.success() => Ok(count),
        _ => bail!("{case}: callgrind counted nothing:\n{text}"),
    }
}

/// `==42== Collected : 123456`.
fn collected(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.split_once("Collected : "))?;
    line.1.trim().parse().ok().filter(|count| *count > 0)
}

fn judge(found: &[(String, u64, u64)]) -> Result<()> {
    let mut slower = Vec::new();
    for (case, count, stored) in found {
        let more = more_percent(*count, *stored);
        if more > PERCENT_MAX {
            slower.push(format!("{case} takes {count}, stored are {stored}"));
        } else if more < -PERCENT_MAX {
            println!("{case} got much better: store {count} in {STORED}");
        }
    }
    if !slower.is_empty() {
        bail!("more than {PERCENT_MAX} % more instructions: {}", slower.join("; "));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a tenth of a percent is enough")]
fn more_percent(count: u64, stored: u64) -> f64 {
    100.0 * (count as f64 / stored as f64 - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_callgrind_is_read() {
        let text = "==7== Events    : Ir\n==7== Collected : 1234\n==7== \n";
        assert_eq!(collected(text), Some(1_234));
        assert_eq!(collected("==7== Collected : 0\n"), None);
    }

    #[test]
    fn only_many_more_instructions_fail() {
        let found = |count| [("a".to_owned(), count, 1_000)];
        assert!(judge(&found(1_240)).is_ok());
        assert!(judge(&found(500)).is_ok());
        let error = judge(&found(1_300)).unwrap_err().to_string();
        assert!(error.contains("a takes 1300, stored are 1000"), "{error}");
    }
}
