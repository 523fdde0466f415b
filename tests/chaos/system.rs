//! What this machine permits: a network and mounts of one's own, in which lost
//! packets and full disks hurt nobody else. What it does not permit is told and
//! left out.
//!
//! Packets are lost by a classic BPF filter on the way out of the loopback
//! interface, which every kernel with traffic control has; `netem`, which could
//! delay them as well, many lack. A token bucket makes the network slow.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cluster::run;

/// Set for the run that has namespaces of its own.
const INSIDE: &str = "TRIBUTARY_CHAOS_INSIDE";
/// Loses nothing, or everything: a share in thousandths.
pub const EVERYTHING: u32 = 1_000;
/// Rate, bucket and longest queue of a slow network.
const SLOW: [&str; 6] = ["rate", "8mbit", "burst", "64kb", "latency", "400ms"];

/// Starts this program again in a network and a mount namespace of its own;
/// returns only in there, or where there are none to be had. Whether there are.
pub fn isolate() -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return match prepare() {
            Ok(()) => true,
            Err(error) => {
                eprintln!("no lost packets: {error:#}");
                false
            }
        };
    }
    let isolation = ["--net", "--mount"];
    if run(Command::new("unshare").args(isolation).arg("true")).is_err() {
        eprintln!("no lost packets and no full disks: namespaces are not permitted here");
        return false;
    }
    let program = std::env::current_exe().context("this program has a path");
    let error = program.map(|program| {
        let mut command = Command::new("unshare");
        command.args(isolation).arg(program).args(std::env::args_os().skip(1));
        command.env(INSIDE, "1").exec()
    });
    eprintln!("no lost packets and no full disks: {error:?}");
    false
}

/// A loopback interface with a place for filters; tries one. Shared memory of
/// its own: what killed processes leave there goes with the namespace.
fn prepare() -> Result<()> {
    run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/dev/shm"]))?;
    run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    tc(&["qdisc", "add", "dev", "lo", "clsact"])?;
    lose(1, Direction::To, EVERYTHING)?;
    lose_nothing()?;
    slow_down()?;
    speed_up()
}

/// Which packets of a process are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Those that are for it.
    To,
    /// Those that it sends from where it listens.
    From,
}

/// Loses so many thousandths of a port's packets.
///
/// # Errors
/// What `tc` says.
pub fn lose(port: u16, direction: Direction, thousandths: u32) -> Result<()> {
    let program = program(port, direction, thousandths);
    tc(&["filter", "add", "dev", "lo", "egress", "bpf", "da", "bytecode", &program])
}

/// Loses nothing any more.
///
/// # Errors
/// What `tc` says.
pub fn lose_nothing() -> Result<()> {
    tc(&["filter", "del", "dev", "lo", "egress"])
}

/// Makes the whole network slow.
///
/// # Errors
/// What `tc` says.
pub fn slow_down() -> Result<()> {
    tc(&[&["qdisc", "add", "dev", "lo", "root", "tbf"], &SLOW[..]].concat())
}

/// Makes it quick again.
///
/// # Errors
/// What `tc` says.
pub fn speed_up() -> Result<()> {
    tc(&["qdisc", "del", "dev", "lo", "root"])
}

/// IPv4, UDP, the port, and a random number up to the share: drop (2), else go
/// on (-1). One instruction is operation, jumps if true and if false, operand.
fn program(port: u16, direction: Direction, thousandths: u32) -> String {
    let port_at = if direction == Direction::To { 36 } else { 34 };
    let share = u64::from(u32::MAX) * u64::from(thousandths.min(EVERYTHING)) / 1_000;
    let instructions = [
        "40 0 0 12".to_owned(),
        "21 0 7 2048".to_owned(),
        "48 0 0 23".to_owned(),
        "21 0 5 17".to_owned(),
        format!("40 0 0 {port_at}"),
        format!("21 0 3 {port}"),
        "32 0 0 4294963256".to_owned(),
        format!("37 1 0 {share}"),
        "6 0 0 2".to_owned(),
        "6 0 0 4294967295".to_owned(),
    ];
    format!("{},{}", instructions.len(), instructions.join(","))
}

fn tc(arguments: &[&str]) -> Result<()> {
    run(Command::new("tc").args(arguments))
}
