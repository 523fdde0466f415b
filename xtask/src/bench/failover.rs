//! Row 16: leaders killed under load, again and again, each time when every
//! process serves: what is measured is the loss of one of three, not of two.
//!
//! Beside the load `loadtest` pays once on every chain each few milliseconds.
//! The first of these payments that was sent after a kill and answered is the
//! next commit; the slowest of the chains that the killed process led counts.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::cluster::{CANONICAL, Cluster, kill};
use super::load::Workbench;
use crate::command;

/// At least so long between two kills.
const PERIOD: Duration = Duration::from_secs(6);
/// What a kill takes, in seconds: a node that has more to read, the ids of the
/// window above all, is back later.
const KILL_SECONDS: u64 = 16;
const KILL_SECONDS_QUICK: u64 = 7;
/// Before the first kill, and after the last.
const MARGIN: Duration = Duration::from_secs(4);
/// Payments per second beside the probes: the machine is to be busy, not full.
const RATE: &str = "50000";
const BATCH: &str = "256";
/// Between two probes of a chain, in ms; a figure may be this much too large.
const PROBE_INTERVAL_MS: &str = "10";

/// A kill, and the chains that the process led.
#[derive(Debug, Clone, PartialEq)]
struct Kill {
    unix_ms: f64,
    chains: Vec<u64>,
}

/// Kills leaders and measures the time to the next commit.
///
/// # Errors
///
/// When the load fails, or no chain recovers.
pub fn measure(bench: &mut Workbench) -> Result<()> {
    let kills = bench.scale.kills;
    let mut prepared = bench.fresh(CANONICAL)?;
    let arguments = ["--rate", RATE, "--batch", BATCH, "--probe-interval-ms", PROBE_INTERVAL_MS];
    let mut load = bench.load("row 16: leaders killed", &arguments);
    let kill_seconds = if bench.scale.is_quick { KILL_SECONDS_QUICK } else { KILL_SECONDS };
    load.seconds = kills as u64 * kill_seconds + 2 * MARGIN.as_secs();
    bench.open(&mut prepared, &load)?;
    let before = prepared.cluster.metrics()?;
    let file = prepared.cluster.directory().join("load.json");
    let mut call = bench.loadtest(&prepared, &load, &file);
    let mut child =
        call.spawn().with_context(|| format!("cannot start {}", command::line(&call)))?;
    let end = Instant::now() + Duration::from_secs(load.seconds) - MARGIN;
    std::thread::sleep(MARGIN);
    let mut done = Vec::new();
    while done.len() < kills && Instant::now() < end {
        match kill_leader(&prepared.cluster, done.len()) {
            Ok(kill) => done.push(kill),
            Err(error) => eprintln!("no kill this time: {error:#}"),
        }
        std::thread::sleep(PERIOD);
    }
    let status = child.wait().context("waiting for loadtest")?;
    let outcome = match status.success() {
        true => Ok(()),
        false => Err(anyhow::anyhow!("loadtest ended with {status}")),
    };
    let driven = bench.take(&mut prepared, &load, &file, &before, outcome)?;
    let mut seconds = recoveries(&done, &driven.result["probes"]);
    if seconds.is_empty() {
        bail!("no kill was followed by a commit");
    }
    seconds.sort_by(f64::total_cmp);
    let at = |percent: usize| seconds[(seconds.len() * percent).div_ceil(100).max(1) - 1];
    let note =
        format!("{} kills, {RATE}/s; p50 {:.2} s, longest {:.2} s", seconds.len(), at(50), at(100));
    bench.figures.set("16", at(99), note);
    Ok(())
}

/// Kills the process that leads one of the user chains, each in its turn, once
/// all processes serve.
fn kill_leader(cluster: &Cluster, number: usize) -> Result<Kill> {
    cluster.wait_ready()?;
    let status = cluster.status()?;
    let chains = status["chains"].as_array().context("no chains")?;
    let users: Vec<_> = chains.iter().filter(|chain| chain["kind"] == "user").collect();
    let chain = users.get(number % users.len().max(1)).context("no user chain")?;
    let leader = chain["leader"].as_str().context("the chain has no leader")?;
    let led = users.iter().filter(|chain| chain["leader"] == leader);
    let chains = led.filter_map(|chain| chain["chain"].as_u64()).collect();
    let processes = status["processes"].as_array().context("no processes")?;
    let process = processes.iter().find(|process| process["name"] == leader);
    kill(process.and_then(|process| process["pid"].as_u64()).context("the leader has no pid")?)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Kill { unix_ms: since.as_secs_f64() * 1_000.0, chains })
}

/// Seconds from each kill to the next commit on the slowest of its chains; a
/// kill after which a chain never answered is left out of the list, and the
/// books that are checked afterwards would not come.
fn recoveries(kills: &[Kill], probes: &Value) -> Vec<f64> {
    let probes = probes.as_array().map_or(&[][..], Vec::as_slice);
    let number = |probe: &Value, name: &str| probe[name].as_f64().unwrap_or(f64::NAN);
    let next = |kill: &Kill, chain: u64| {
        let later = probes.iter().filter(|probe| {
            probe["chain"] == chain && number(probe, "sent_unix_ms") >= kill.unix_ms
        });
        later.map(|probe| number(probe, "answered_unix_ms")).min_by(f64::total_cmp)
    };
    let slowest = kills.iter().filter_map(|kill| {
        let answered = kill.chains.iter().map(|chain| next(kill, *chain));
        let answered: Option<Vec<f64>> = answered.collect();
        let last = answered?.into_iter().max_by(f64::total_cmp)?;
        Some((last - kill.unix_ms) / 1_000.0)
    });
    slowest.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn probe(chain: u16, sent: f64, answered: f64) -> Value {
        json!({"chain": chain, "sent_unix_ms": sent, "answered_unix_ms": answered})
    }

    #[test]
    fn the_slowest_chain_counts_and_what_was_sent_before_the_kill_does_not() {
        let probes = json!([
            probe(1, 990.0, 1_005.0),
            probe(1, 1_010.0, 1_400.0),
            probe(1, 1_020.0, 1_390.0),
            probe(2, 1_000.0, 1_250.0),
            probe(3, 1_000.0, 1_001.0),
        ]);
        let kills = [Kill { unix_ms: 1_000.0, chains: vec![1, 2] }];
        assert_eq!(recoveries(&kills, &probes), [0.39]);
    }

    #[test]
    fn a_chain_that_never_answers_is_no_recovery() {
        let kills = [Kill { unix_ms: 1_000.0, chains: vec![1] }];
        assert!(recoveries(&kills, &json!([probe(1, 900.0, 950.0)])).is_empty());
    }
}
