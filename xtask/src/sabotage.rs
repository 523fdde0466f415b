//! `cargo xtask sabotage`: tests the simulator by breaking what it tests.
//!
//! Each bug of the table in `sim/sabotage/` is put into a copy of the pure
//! crates, which is then simulated seed by seed until one fails. A bug that no
//! seed finds within the budget survives: a checker or a workload is missing.
//! The checkout is not touched; a seed that fails without the bug proves
//! nothing and is an error.

mod bugs;
mod hunt;
mod tree;

use std::time::Instant;

use anyhow::{Result, bail};

use bugs::Bug;
use hunt::{Found, Hunter};

/// What to try.
#[derive(clap::Args)]
pub struct Options {
    /// Only the bug of this name
    #[arg(long)]
    only: Option<String>,
    /// Seeds to try before a bug counts as not found
    #[arg(long, default_value_t = 100)]
    seeds: u64,
}

/// Puts in one bug after the other and prints which seed found it.
///
/// # Errors
///
/// When a bug survives, does not apply or does not build, or a seed fails
/// without any bug.
pub fn run(options: &Options) -> Result<()> {
    let mut bugs = bugs::read()?;
    if let Some(only) = &options.only {
        bugs.retain(|bug| bug.name == *only);
        if bugs.is_empty() {
            bail!("there is no bug called {only:?}");
        }
    }
    println!("preparing: the untouched code is built first");
    let hunter = Hunter::prepare(options.seeds)?;
    let mut survivors = Vec::new();
    println!("| bug | file | found by | seeds | seconds |\n| --- | --- | --- | --- | --- |");
    for bug in &bugs {
        let start = Instant::now();
        let (found_by, seeds) = match hunter.hunt(bug)? {
            Some(Found { checker, seeds }) => (checker, seeds.to_string()),
            None => {
                survivors.push(bug.name.as_str());
                ("**nobody**".to_owned(), format!("> {}", options.seeds))
            }
        };
        let seconds = start.elapsed().as_secs();
        let Bug { name, file, .. } = bug;
        println!("| {name} | `{file}` | {found_by} | {seeds} | {seconds} |");
    }
    if survivors.is_empty() {
        return Ok(());
    }
    bail!("{} of {} bugs survive: {}", survivors.len(), bugs.len(), survivors.join(", "))
}
