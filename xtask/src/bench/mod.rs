//! `cargo xtask bench`: the goals, measured beside what the machine can do.
//!
//! ```text
//! build → yardsticks → steps ──▶ figures ──▶ table, JSON, page
//!         (micro, postgres)  │
//!              cluster up → loadtest --json → books → cluster down
//! ```
//!
//! Every figure comes from a program that somebody can run alone: `loadtest` on
//! a cluster of real processes, or an example beside the code that it measures.
//! This crate starts them and reads their JSON; it links none of their code. A
//! step that fails does not keep the others from being measured; books that do
//! not balance end everything. What an interrupted run leaves running, the next
//! one stops.

mod chart;
mod cluster;
mod failover;
mod figures;
mod goals;
mod growth;
mod load;
mod machine;
mod micro;
mod page;
mod postgres;
mod report;
mod stages;
mod steps;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::repository::target_dir;
use crate::{command, optimize};
use figures::Figures;
use load::Workbench;

/// Where results are kept, from the root of the checkout.
const RESULTS: &str = "loadtest/results";

/// What to measure, and where to write it.
#[derive(Args)]
pub struct Options {
    /// Smaller and shorter, within five minutes; what takes longer is left out
    #[arg(long)]
    quick: bool,
    /// Only these rows, for example 1,2,7,overload
    #[arg(long, value_delimiter = ',', value_name = "ROWS")]
    rows: Vec<String>,
    /// Write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the page with pictures to this file [default: in cargo's target directory]
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Keep both under loadtest/results/, named by commit and machine
    #[arg(long)]
    keep: bool,
    /// Where clusters get their directories [default: the temporary directory]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Take the programs as they were built before
    #[arg(long)]
    built: bool,
    /// Take the programs that `cargo xtask optimize` built
    #[arg(long, conflicts_with = "built")]
    optimized: bool,
    /// Processes speak QUIC only, as on machines of their own
    #[arg(long)]
    no_shortcuts: bool,
}

/// Measures and reports.
///
/// # Errors
///
/// When the build fails, a row is unknown, a selected row could not be
/// measured, or the books of a cluster do not balance.
pub fn run(options: &Options) -> Result<()> {
    let steps = steps::chosen(&options.rows, options.quick)?;
    if !options.built && !options.optimized {
        let build = ["build", "--release", "--locked", "--workspace", "--bins", "--examples"];
        command::run(&mut command::cargo(build))?;
    }
    let scratch = options.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let programs =
        if options.optimized { optimize::programs()? } else { target_dir()?.join("release") };
    cluster::sweep(&programs, &scratch)?;
    let mut bench = Workbench::new(programs, scratch, options.quick);
    bench.has_shortcuts = !options.no_shortcuts;
    micro::yardsticks(&mut bench).context("measuring the yardsticks")?;
    for step in &steps {
        let names = step.rows.join(", ");
        if let Some(reason) = (step.skipped)(&bench) {
            eprintln!("row {names}: not measured: {reason}");
            bench.figures.skip(step.rows, &reason);
            continue;
        }
        eprintln!("row {names}");
        if let Err(error) = (step.run)(&mut bench) {
            eprintln!("row {names}: {error:#}");
            bench.figures.fail(step.rows, &format!("{error:#}"));
        }
        if !bench.figures.are_books_balanced() {
            break;
        }
    }
    bench.close();
    finish(options, bench.figures)
}

/// Drives the loads of some rows for a short time with the programs in a folder,
/// and reports nothing.
///
/// # Errors
///
/// When one of them fails.
pub fn drive(programs: &Path, rows: &[String]) -> Result<()> {
    let scratch = std::env::temp_dir();
    cluster::sweep(programs, &scratch)?;
    let mut bench = Workbench::new(programs.to_owned(), scratch, true);
    for step in steps::chosen(rows, true)? {
        (step.run)(&mut bench).with_context(|| format!("row {}", step.rows.join(", ")))?;
    }
    bench.close();
    if !bench.figures.are_books_balanced() {
        bail!("the books do not balance");
    }
    Ok(())
}

fn finish(options: &Options, figures: Figures) -> Result<()> {
    let machine = machine::describe();
    let build = if options.optimized { "-optimized" } else { "" };
    let ways = if options.no_shortcuts { "-quic" } else { "" };
    let commit = machine::commit()? + build + ways;
    print!("{}", report::table(&figures));
    let json = report::json(&figures, &commit, &machine)?;
    let page = page::render(&figures, &commit, &machine, options.quick);
    let kind = if options.quick { "-quick" } else { "" };
    let name = format!("{commit}-{}{kind}", machine.slug());
    let mut written = Vec::new();
    let built = target_dir()?.join("bench");
    written.push((options.html.clone().unwrap_or_else(|| built.join("bench.html")), &page));
    written.extend(options.json.clone().map(|path| (path, &json)));
    if options.keep {
        let kept = command::root().join(RESULTS);
        written.push((kept.join(format!("{name}.json")), &json));
        written.push((kept.join(format!("{name}.html")), &page));
    }
    for (path, text) in written {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        println!("{}", path.display());
    }
    if !figures.are_books_balanced() {
        bail!("the books do not balance");
    }
    let failed = figures.failed();
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}
