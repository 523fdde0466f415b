//! What this machine permits: a network and mounts of one's own, in which lost
//! packets and full disks hurt nobody else. What it does not permit is told and
//! left out.
//!
//! A token bucket makes the network slow. `netem`, which delays packets and so
//! changes their order, many kernels lack.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cluster::run;
use crate::packets::{prove, tc};

/// Set for the run that has namespaces of its own.
const INSIDE: &str = "TRIBUTARY_CHAOS_INSIDE";
/// Rate, bucket and longest queue of a slow network.
const SLOW: [&str; 7] = ["tbf", "rate", "8mbit", "burst", "64kb", "latency", "400ms"];
/// Each packet waits 5 to 45 ms, and so overtakes others; the queue holds what
/// a loaded cluster sends meanwhile.
const DELAY: [&str; 6] = ["netem", "limit", "100000", "delay", "25ms", "20ms"];

/// A network of one's own.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// Whether packets can be delayed, each by a time of its own.
    pub has_delay: bool,
}

/// Starts this program again in a network and a mount namespace of its own;
/// returns only in there, or where there are none to be had.
pub fn isolate() -> Option<Network> {
    if std::env::var_os(INSIDE).is_some() {
        return match prepare() {
            Ok(network) => Some(network),
            Err(error) => {
                eprintln!("no lost packets and no full disks: {error:#}");
                None
            }
        };
    }
    let isolation = ["--net", "--mount"];
    if run(Command::new("unshare").args(isolation).arg("true")).is_err() {
        eprintln!("no lost packets and no full disks: namespaces are not permitted here");
        return None;
    }
    let program = std::env::current_exe().context("this program has a path");
    let error = program.map(|program| {
        let mut command = Command::new("unshare");
        command.args(isolation).arg(program).args(std::env::args_os().skip(1));
        command.env(INSIDE, "1").exec()
    });
    eprintln!("no lost packets and no full disks: {error:?}");
    None
}

/// A loopback interface with a place for filters; tries all that is needed.
/// Shared memory of its own: what killed processes leave there goes with the
/// namespace.
fn prepare() -> Result<Network> {
    run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/dev/shm"]))?;
    run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    tc(&["qdisc", "add", "dev", "lo", "clsact"])?;
    prove().context("packets are not lost as they should be")?;
    slow_down().and_then(|()| speed_up()).context("the network does not get slow")?;
    let delayed = delay().and_then(|()| speed_up());
    if let Err(error) = &delayed {
        eprintln!("no delayed packets: {error:#}");
    }
    Ok(Network { has_delay: delayed.is_ok() })
}

/// Makes the whole network slow.
///
/// # Errors
/// What `tc` says.
pub fn slow_down() -> Result<()> {
    queue(&SLOW)
}

/// Delays every packet.
///
/// # Errors
/// What `tc` says.
pub fn delay() -> Result<()> {
    queue(&DELAY)
}

/// Makes it quick again.
///
/// # Errors
/// What `tc` says.
pub fn speed_up() -> Result<()> {
    tc(&["qdisc", "del", "dev", "lo", "root"])
}

fn queue(discipline: &[&str]) -> Result<()> {
    tc(&[&["qdisc", "add", "dev", "lo", "root"], discipline].concat())
}
