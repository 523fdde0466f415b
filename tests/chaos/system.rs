//! What this machine permits: a network and mounts of one's own, in which
//! partitions and full disks hurt nobody else. What it does not permit is told
//! and left out.
//!
//! Partitions are policy routing rules: what a process sends from its port, or
//! what is sent to it, ends in a black hole. Delay and loss would take `netem`,
//! clock offsets `libfaketime`; neither is used.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cluster::run;

/// Set for the run that has namespaces of its own.
const INSIDE: &str = "TRIBUTARY_CHAOS_INSIDE";
/// Rules before this one see a packet before it is taken to be for this machine.
const LOCAL_RULE_PREFERENCE: &str = "1000";
/// Place of the rules that make a partition.
const PARTITION_PREFERENCE: &str = "10";

/// Starts this program again in a network and a mount namespace of its own;
/// returns only in there, or where there are none to be had. Whether there are.
pub fn isolate() -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return match prepare() {
            Ok(()) => true,
            Err(error) => {
                eprintln!("no partitions: {error:#}");
                false
            }
        };
    }
    let isolation = ["--net", "--mount"];
    if run(Command::new("unshare").args(isolation).arg("true")).is_err() {
        eprintln!("no partitions and no full disks: namespaces are not permitted here");
        return false;
    }
    let program = std::env::current_exe().context("this program has a path");
    let error = program.map(|program| {
        let mut command = Command::new("unshare");
        command.args(isolation).arg(program).args(std::env::args_os().skip(1));
        command.env(INSIDE, "1").exec()
    });
    eprintln!("no partitions and no full disks: {error:?}");
    false
}

/// A loopback interface whose packets ask other rules first.
fn prepare() -> Result<()> {
    ip(&["link", "set", "lo", "up"])?;
    ip(&["rule", "add", "preference", LOCAL_RULE_PREFERENCE, "table", "local"])?;
    ip(&["rule", "del", "preference", "0"])?;
    cut("add", 1, Direction::To)?;
    cut("del", 1, Direction::To)
}

/// Which packets of a process are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Those that are for it.
    To,
    /// Those that it sends from where it listens.
    From,
}

/// Cuts a port off (`add`), or connects it again (`del`).
///
/// # Errors
/// What `ip` says.
pub fn cut(verb: &str, port: u16, direction: Direction) -> Result<()> {
    let end = if direction == Direction::To { "dport" } else { "sport" };
    let rule = ["rule", verb, "preference", PARTITION_PREFERENCE, "ipproto", "udp"];
    ip(&[&rule[..], &[end, &port.to_string(), "blackhole"]].concat())
}

fn ip(arguments: &[&str]) -> Result<()> {
    run(Command::new("ip").args(arguments))
}
