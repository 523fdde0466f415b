//! Row 16: leaders killed under load, again and again, each time when every
//! process serves: what is measured is the loss of one of three, not of two.
//!
//! Beside the load `loadtest` pays once on every chain each few milliseconds.
//! The first of these payments that was sent after a kill and answered is the
//! next commit; the slowest of the chains that the killed process led counts.
//! Where that took long it is told when, and what the cluster logged is kept.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::cluster::{CANONICAL, Cluster, kill};
use super::load::Workbench;
use crate::command;
use crate::repository::target_dir;

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

/// Seconds to the next commit from which on a kill is told of.
const LONG_SECONDS: f64 = 1.5;
/// Where logs are kept, in cargo's target directory.
const LOGS: &str = "bench/row-16-logs";

/// A kill, and the chains that the process led.
#[derive(Debug, Clone, PartialEq)]
struct Kill {
    unix_ms: f64,
    process: String,
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
    let recoveries = recoveries(&done, &driven.result["probes"]);
    if recoveries.is_empty() {
        bail!("no kill was followed by a commit");
    }
    tell_of_long(&recoveries, &prepared.cluster)?;
    let mut seconds: Vec<f64> = recoveries.iter().map(|(_, seconds)| *seconds).collect();
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
    Ok(Kill { unix_ms: since.as_secs_f64() * 1_000.0, process: leader.to_owned(), chains })
}

/// Says which kills took long, and keeps the logs to look into.
fn tell_of_long(recoveries: &[(&Kill, f64)], cluster: &Cluster) -> Result<()> {
    let long = recoveries.iter().filter(|(_, seconds)| *seconds >= LONG_SECONDS);
    let lines: Vec<_> = long.map(|(kill, seconds)| told(kill, *seconds)).collect();
    if !lines.is_empty() {
        let kept = target_dir()?.join(LOGS);
        cluster.keep_logs(&kept)?;
        eprintln!("{}\nlogs: {}", lines.join("\n"), kept.display());
    }
    Ok(())
}

/// A kill in words, with the time of day as logs have it.
fn told(kill: &Kill, seconds: f64) -> String {
    let of_day = kill.unix_ms / 1_000.0 % 86_400.0;
    let (hours, minutes) = ((of_day / 3_600.0).floor(), (of_day / 60.0).floor() % 60.0);
    let Kill { process, chains, .. } = kill;
    format!(
        "{hours:02}:{minutes:02}:{:06.3} {process} killed, which led {chains:?}: {seconds:.2} s",
        of_day % 60.0
    )
}

/// Seconds from each kill to the next commit on the slowest of its chains; a
/// kill after which a chain never answered is left out of the list, and the
/// books that are checked afterwards would not come.
fn recoveries<'a>(kills: &'a [Kill], probes: &Value) -> Vec<(&'a Kill, f64)> {
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
        Some((kill, (last - kill.unix_ms) / 1_000.0))
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

    fn kill(chains: Vec<u64>) -> Kill {
        Kill { unix_ms: 1_000.0, process: "shard-1".to_owned(), chains }
    }

    #[test]
    fn a_kill_is_told_with_the_time_of_day() {
        let kill = Kill { unix_ms: (86_400.0 + 3_723.5) * 1_000.0, ..kill(vec![2]) };
        assert_eq!(told(&kill, 2.0), "01:02:03.500 shard-1 killed, which led [2]: 2.00 s");
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
        let kills = [kill(vec![1, 2])];
        assert_eq!(recoveries(&kills, &probes), [(&kills[0], 0.39)]);
    }

    #[test]
    fn a_chain_that_never_answers_is_no_recovery() {
        let kills = [kill(vec![1])];
        assert!(recoveries(&kills, &json!([probe(1, 900.0, 950.0)])).is_empty());
    }
}
