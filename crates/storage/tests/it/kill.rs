//! A child process that writes until it is killed with SIGKILL: what it
//! reported as done is there afterwards.
//!
//! The child is this test binary, started on one test with an environment
//! variable that says what to do and where.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tributary_replica::store::{BlockStore, CheckpointStore, LogStore};
use tributary_storage::{Database, DatabaseLimits};

use crate::support::{
    append, block, bytes, certificate, chain, checkpoint, compact, entry, height, open_log, page,
    reload,
};

/// `log:DIRECTORY` or `database:DIRECTORY`.
pub const ROLE: &str = "TRIBUTARY_STORAGE_CHILD";
/// The line that a child reports progress with.
pub const DONE: &str = "done ";

const ROUNDS: u64 = 6;
const BLOCK_BYTES: usize = 30_000;
const CHECKPOINT_BLOCKS: u64 = 7;

/// The command that starts this binary on one test in a role.
pub fn child_command(role: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["kill::the_child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, format!("{role}:{}", directory.display()));
    command
}

/// Not a test by itself: what the child runs.
#[test]
fn the_child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (role, directory) = role.split_once(':').unwrap();
    let directory = PathBuf::from(directory);
    let error = match role {
        "log" => write_log(&directory),
        _ => write_database(&directory),
    };
    println!("\nfault {error}");
}

fn report(number: u64) {
    println!("\n{DONE}{number}");
    std::io::stdout().flush().unwrap();
}

/// Appends for ever, compacting and purging as it goes.
fn write_log(directory: &Path) -> String {
    let mut log = open_log(directory).unwrap();
    let mut next = log.load(chain(1)).unwrap().entries.last().map_or(1, |last| last.index + 1);
    loop {
        let mut writes = vec![append(1, next, next, 1), append(2, next, next, 1)];
        if next.is_multiple_of(40) {
            writes.extend([compact(1, next - 20), compact(2, next)]);
        }
        let result = log.write(writes).and_then(|()| match next % 40 {
            0 => log.maintainer().maintain().map(drop),
            _ => Ok(()),
        });
        if let Err(fault) = result {
            return fault.to_string();
        }
        report(next);
        next += 1;
    }
}

/// Puts blocks for ever, with a checkpoint every few.
fn write_database(directory: &Path) -> String {
    let database = Database::open(directory, DatabaseLimits::default()).unwrap();
    let (mut checkpoints, blocks) = (database.checkpoints(), database.blocks());
    let mut at = checkpoints.load(chain(1)).unwrap().map_or(1, |c| c.header.height.get() + 1);
    loop {
        let block = block(1, at, BLOCK_BYTES);
        let mut result = blocks.put_blocks(std::slice::from_ref(&block));
        result = result.and_then(|()| blocks.put_certificate(&block.header, &certificate(at)));
        if at.is_multiple_of(CHECKPOINT_BLOCKS) {
            let pages = (0..20).map(|number| page(1, number, &bytes(at, 10_000))).collect();
            result =
                result.and_then(|()| checkpoints.save(chain(1), &checkpoint(1, at, pages), false));
        }
        if let Err(fault) = result {
            return fault.to_string();
        }
        report(at);
        at += 1;
    }
}

/// Starts a child and kills it after it reported `count` times; gives the last
/// number that it reported.
fn run_and_kill(role: &str, directory: &Path, count: u64) -> u64 {
    let mut child = child_command(role, directory).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut last = 0;
    let mut seen = 0;
    while let Some(Ok(line)) = lines.next() {
        if let Some(number) = line.strip_prefix(DONE) {
            last = number.parse().unwrap();
            seen += 1;
            if seen == count {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    assert!(seen >= count, "the child ended after {seen} reports");
    last
}

#[test]
fn every_acknowledged_log_write_survives_sigkill() {
    let directory = tempfile::tempdir().unwrap();
    for round in 1..=ROUNDS {
        let acknowledged = run_and_kill("log", directory.path(), 37 * round);
        let log = reload(directory.path(), 1).unwrap();
        let last = log.entries.last().unwrap().index;
        assert!(last == acknowledged || last == acknowledged + 1, "{acknowledged}, found {last}");
        assert_eq!(log.hard_state.commit, last - 1);
        for found in &log.entries {
            assert_eq!(*found, entry(1, found.index, 1, 60));
        }
        assert!(log.entries.len() < 61);
        let other = reload(directory.path(), 2).unwrap();
        assert_eq!(other.hard_state.commit, last - 1);
    }
}

#[test]
fn a_log_is_in_use_while_another_process_holds_it_and_not_after_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = child_command("log", directory.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.starts_with(DONE)));
    let refused = open_log(directory.path()).err().map(|fault| fault.to_string());
    child.kill().unwrap();
    child.wait().unwrap();
    let in_use = format!("{} is in use by another process", directory.path().display());
    assert_eq!(refused, Some(in_use));
    assert!(reload(directory.path(), 1).is_ok());
}

#[test]
fn a_checkpoint_and_all_blocks_before_it_survive_sigkill_together() {
    let directory = tempfile::tempdir().unwrap();
    for round in 1..=ROUNDS {
        let acknowledged = run_and_kill("database", directory.path(), 9 * round);
        let database = Database::open(directory.path(), DatabaseLimits::default()).unwrap();
        let saved = database.checkpoints().load(chain(1)).unwrap().unwrap();
        let at = saved.header.height.get();
        assert!(at >= acknowledged / CHECKPOINT_BLOCKS * CHECKPOINT_BLOCKS);
        assert_eq!(at % CHECKPOINT_BLOCKS, 0);
        assert_eq!(saved.pages.len(), 20);
        for found in &saved.pages {
            assert_eq!(*found.bytes.to_bytes(), bytes(at, 10_000));
        }
        let blocks = database.blocks();
        for number in 1..=at {
            let found = blocks.block(chain(1), height(number)).unwrap();
            assert_eq!(found, Some(block(1, number, BLOCK_BYTES)), "block {number} of {at}");
        }
        // Certificates survive the process, though no checkpoint followed.
        let (certified, _) = blocks.last_certificate(chain(1)).unwrap().unwrap();
        assert!(certified.height.get() >= acknowledged);
    }
}
