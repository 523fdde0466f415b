//! Two builds of this example, block by block in turns.
//!
//! A virtual machine's speed changes within seconds by more than most changes of
//! the code bring. What two builds take for the same block, one right after the
//! other, changes together; and each finds the caches as the other left them, as
//! replicas that share a machine do. Who goes first changes from block to block: it may
//! take a fifth longer, so what counts is the middle between both orders.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::{credits, execute, settle};

/// Merchants of the loads that are about having many.
const MANY_MERCHANTS: usize = 100_000;

/// What one build takes for a block: the name of the load, and nanoseconds.
type Took = (String, f64);

/// Prints for each load what this build takes beside another one: the geometric mean of
/// the medians of both orders, and these.
///
/// # Errors
/// If one of the builds cannot be started, or does not answer as
/// [`answer`] does.
pub fn compare(other: &Path, accounts: usize) -> Result<(), Box<dyn Error>> {
    let mut builds =
        [Build::start(other, accounts)?, Build::start(&std::env::current_exe()?, accounts)?];
    let mut ratios: BTreeMap<String, [Vec<f64>; 2]> = BTreeMap::new();
    for order in [[0, 1], [1, 0]].into_iter().cycle() {
        let mut took = [None, None];
        for build in order {
            took[build] = builds[build].block()?;
        }
        let [Some((load, other)), Some((_, own))] = took else { break };
        ratios.entry(load).or_default()[order[0]].push(own / other);
    }
    if ratios.is_empty() {
        return Err("one of the builds executed no block".into());
    }
    for (load, ratios) in ratios {
        let [second, first] = ratios.map(median);
        let mean = (second * first).sqrt();
        println!("{load}: {mean:.3} of its time (first {first:.3}, second {second:.3})");
    }
    Ok(())
}

/// Not a number for none.
fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_unstable_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Executes a block for each line of stdin, and prints its load and how many
/// nanoseconds it took.
///
/// # Errors
/// If stdout is closed.
pub fn answer(accounts: usize) -> Result<(), Box<dyn Error>> {
    let mut lines = stdin().lock().lines();
    let mut asked = || lines.next().is_some_and(|line| line.is_ok());
    let tell =
        |load: &'static str, took: Duration| writeln!(stdout(), "{load} {}", took.as_nanos());
    execute::blocks(accounts, &mut asked, tell)?;
    settle::blocks(accounts, MANY_MERCHANTS, &mut asked, tell)?;
    credits::blocks(MANY_MERCHANTS, &mut asked, tell)?;
    Ok(())
}

/// A build that executes blocks as it is told; ended when it is dropped.
struct Build {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Build {
    fn start(program: &Path, accounts: usize) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(program);
        command.args(["answer", &accounts.to_string()]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("{}: {error}", program.display()))?;
        let asks = child.stdin.take().ok_or("no stdin")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        Ok(Self { child, asks, answers })
    }

    /// Lets it execute one block; `None` after the last one.
    fn block(&mut self) -> Result<Option<Took>, Box<dyn Error>> {
        // Once it has ended there is nobody to read this; its answers say so.
        if self.asks.write_all(b"\n").is_err() {
            return Ok(None);
        }
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let Some((load, took)) = line.trim_end().split_once(' ') else { return Ok(None) };
        Ok(Some((load.to_owned(), took.parse()?)))
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        // It may have ended by itself.
        if self.child.kill().is_ok() && self.child.wait().is_err() {
            eprintln!("a build could not be waited for");
        }
    }
}
