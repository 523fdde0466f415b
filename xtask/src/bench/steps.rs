//! How each row is measured: one function a row, or for rows that one load
//! measures together.
//!
//! Rows 1 to 8, `overload`, 14 and 15 share one cluster, in this order, so that
//! history grows from row to row as it does in a day. The others have their own.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::cluster::{CANONICAL, Shape, wait_until};
use super::goals::GOALS;
use super::load::{Driven, Load, Workbench};
use super::{failover, growth, machine, micro};
use crate::command;

/// One measurement.
pub struct Step {
    /// Keys of the goals that it fills in.
    pub rows: &'static [&'static str],
    /// Whether it fits into a quick run.
    pub is_quick: bool,
    /// Why it does not apply here, if it does not.
    pub skipped: fn(&Workbench) -> Option<String>,
    /// Measures.
    pub run: fn(&mut Workbench) -> Result<()>,
}

const STEPS: [Step; 18] = [
    step(&["1", "3"], most),
    step(&["2"], one_merchant),
    step(&["4"], single_payments),
    step(&["5"], owner_signed),
    step(&["6", "6.p99"], half_rate),
    step(&["7"], idle),
    step(&["8"], lag),
    step(&["overload", "overload.p99"], overload),
    step(&["14"], disk),
    step(&["15"], restart),
    step(&["16"], failover::measure),
    Step { skipped: without_retail_file, ..step(&["17"], import) },
    step(&["9"], micro::execution),
    step(&["10"], micro::audit),
    step(&["12"], micro::credits),
    step(&["13", "13.id"], micro::memory),
    Step { is_quick: false, ..step(&["11"], growth::measure) },
    Step { is_quick: false, skipped: few_cores, ..step(&["18"], more_chains) },
];

/// Payments of one request where latency is measured: the router joins them.
const LATENCY_BATCH: &str = "256";
/// How often the load at its own rate and the one at twice that are driven.
const OVERLOAD_TURNS: u64 = 3;
/// Shortest of these loads.
const TURN_SECONDS_MIN: u64 = 3;
/// Cores from which row 18 is measured.
const CORES_MIN: usize = 16;
/// The file of row 17, from the root of the checkout.
const RETAIL_FILE: &str = "../shared/data/retail/payments.csv.gz";
/// Replicas that hold each payment.
const REPLICAS: f64 = 3.0;
/// Data is at rest after this long without growth.
const REST: Duration = Duration::from_secs(5);
/// How often its size is looked at.
const DISK_POLL: Duration = Duration::from_millis(250);

const fn step(rows: &'static [&'static str], run: fn(&mut Workbench) -> Result<()>) -> Step {
    Step { rows, is_quick: true, skipped: |_| None, run }
}

/// The steps that measure the rows wanted, or all that fit.
///
/// # Errors
///
/// When a row is unknown.
pub fn chosen(wanted: &[String], is_quick: bool) -> Result<Vec<&'static Step>> {
    for key in wanted {
        if !GOALS.iter().any(|goal| goal.key == key) {
            let keys: Vec<_> = GOALS.iter().map(|goal| goal.key).collect();
            bail!("there is no row {key}; there are {}", keys.join(", "));
        }
    }
    let is_wanted = |step: &&Step| match wanted {
        [] => step.is_quick || !is_quick,
        wanted => step.rows.iter().any(|row| wanted.iter().any(|key| key == row)),
    };
    Ok(STEPS.iter().filter(is_wanted).collect())
}

fn most(bench: &mut Workbench) -> Result<()> {
    let load = bench.load("row 1: full batches, uniform", &["--max"]);
    let driven = bench.drive_canonical(&load)?;
    let memory = driven.resident_bytes() / f64::from(1 << 30);
    let p99 = driven.number("/latency_ms/p99");
    let note = format!(
        "{} accounts, {} merchants; p99 {p99:.0} ms; {memory:.1} GiB in all processes{}",
        load.accounts,
        load.merchants,
        driven.others()
    );
    bench.figures.set("1", driven.rate(), note);
    bench.figures.set("3", driven.cpu_microseconds_per_payment(), "in the run of row 1");
    Ok(())
}

/// What row 1 came to; measured now if it was not.
fn best_rate(bench: &mut Workbench) -> Result<f64> {
    if bench.figures.value("1").is_none() {
        most(bench)?;
    }
    Ok(bench.figures.value("1").unwrap_or(f64::NAN))
}

fn one_merchant(bench: &mut Workbench) -> Result<()> {
    let best = best_rate(bench)?;
    let hot = ["--max", "--hot-percent", "100", "--hot-count", "1"];
    let driven = bench.drive_canonical(&bench.load("row 2: all to one merchant", &hot))?;
    let (rate, cpu) = (driven.rate(), driven.cpu_microseconds_per_payment());
    let note = format!("{rate:.0}/s, CPU {cpu:.2} µs{}", driven.others());
    bench.figures.set("2", 100.0 * rate / best, note);
    Ok(())
}

fn single_payments(bench: &mut Workbench) -> Result<()> {
    let single = ["--max", "--batch", "1", "--in-flight", "1000"];
    let driven = bench.drive_canonical(&bench.load("row 4: one payment a request", &single))?;
    let note = format!(
        "p50 {:.1} ms, p99 {:.1} ms, CPU {:.1} µs",
        driven.number("/latency_ms/p50"),
        driven.number("/latency_ms/p99"),
        driven.cpu_microseconds_per_payment()
    );
    bench.figures.set("4", driven.rate(), note);
    Ok(())
}

/// Payments are signed before the clock starts: as many as the cores could
/// verify in the time if they did nothing else.
fn owner_signed(bench: &mut Workbench) -> Result<()> {
    let name = "ed25519_all_cores_per_second";
    let Some(most) = bench.figures.yardstick(name) else { bail!("there is no yardstick {name}") };
    let seconds = u32::try_from(bench.scale.seconds)?;
    let count = format!("{:.0}", most * f64::from(seconds));
    let mut load =
        bench.load("row 5: owner-signed", &["--max", "--in-flight", "2", "--ready-made", &count]);
    (load.signed, load.accounts) = ("owner", bench.scale.owners);
    let driven = bench.drive_canonical(&load)?;
    let (rate, accounts) = (driven.rate(), load.accounts);
    let note = format!("{rate:.0}/s, {accounts} owners, signed before the clock starts");
    bench.figures.set("5", 100.0 * rate / most, note);
    Ok(())
}

/// The load of rows 6 and 8.
fn drive_half(bench: &mut Workbench, title: &str, lag_probes: &str) -> Result<Driven> {
    let half = format!("{:.0}", best_rate(bench)? / 2.0);
    let arguments = ["--rate", &half, "--batch", LATENCY_BATCH, "--lag-probes", lag_probes];
    bench.drive_canonical(&bench.load(title, &arguments))
}

fn half_rate(bench: &mut Workbench) -> Result<()> {
    let driven = drive_half(bench, "row 6: half of row 1's rate", "0")?;
    let note = format!(
        "{:.0}/s, {LATENCY_BATCH} a request; generator at most {:.1} ms late",
        driven.rate(),
        driven.number("/generator_late_ms_max")
    );
    bench.figures.set("6", driven.number("/latency_ms/p50"), note.clone());
    bench.figures.set("6.p99", driven.number("/latency_ms/p99"), note);
    Ok(())
}

fn idle(bench: &mut Workbench) -> Result<()> {
    let alone = ["--max", "--batch", "1", "--in-flight", "1", "--connections", "1"];
    let driven = bench.drive_canonical(&bench.load("row 7: idle cluster", &alone))?;
    let p99 = driven.number("/latency_ms/p99");
    let note = format!("{:.0} samples, p99 {p99:.2} ms", driven.committed());
    bench.figures.set("7", driven.number("/latency_ms/p50"), note);
    Ok(())
}

fn lag(bench: &mut Workbench) -> Result<()> {
    if bench.figures.value("6.p99").is_none() {
        half_rate(bench)?;
    }
    let driven = drive_half(bench, "row 8: settlement lag", "4")?;
    let (p50, samples) =
        (driven.number("/settlement_ms/p50"), driven.number("/settlement_ms/samples"));
    let note = format!("{samples} samples, p50 {p50:.0} ms");
    bench.figures.set("8", driven.number("/settlement_ms/p99"), note);
    Ok(())
}

/// Beside a load at the cluster's own rate, in turns: in the minutes since row 1 the
/// machine may have changed its speed by a third.
fn overload(bench: &mut Workbench) -> Result<()> {
    let (mut shares, mut latencies, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 1..=OVERLOAD_TURNS {
        let best = drive_turn(bench, &format!("overload: its own rate, turn {turn}"), &["--max"])?;
        let twice = format!("{:.0}", best.rate() * 2.0);
        let title = format!("overload: twice the rate, turn {turn}");
        let driven = drive_turn(bench, &title, &["--rate", &twice, "--once"])?;
        shares.push(100.0 * driven.rate() / best.rate());
        latencies.push(driven.number("/latency_ms/p99"));
        remarks.push(format!(
            "{:.0} of {:.0}/s, refusals heard after p99 {:.1} ms, {:.1} GiB, generator at most \
             {:.0} ms late{}",
            driven.rate(),
            best.rate(),
            driven.number("/refusal_ms/p99"),
            driven.resident_bytes() / f64::from(1 << 30),
            driven.number("/generator_late_ms_max"),
            driven.others()
        ));
    }
    bench.figures.set("overload", median(shares), remarks.join("; then "));
    bench.figures.set("overload.p99", median(latencies), "from the intended time");
    Ok(())
}

fn drive_turn(bench: &mut Workbench, title: &str, arguments: &[&str]) -> Result<Driven> {
    let seconds = (bench.scale.seconds / OVERLOAD_TURNS).max(TURN_SECONDS_MIN);
    let load = Load { seconds, ..bench.load(title, arguments) };
    bench.drive_canonical(&load)
}

/// The one in the middle; NaN of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Grown by the loads so far, when compaction has come to rest.
fn disk(bench: &mut Workbench) -> Result<()> {
    best_rate(bench)?;
    let Some(prepared) = bench.canonical() else { bail!("no cluster is up") };
    let (mut last, mut since) = (0, Instant::now());
    wait_until("compaction to come to rest", DISK_POLL, || {
        let now = prepared.cluster.disk_bytes()?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
        Ok(since.elapsed() >= REST)
    })?;
    let grown = last.saturating_sub(prepared.disk_bytes_opened) as f64;
    let payments = prepared.payments;
    let note = format!("{payments:.0} payments; logs that are reused included");
    bench.figures.set("14", grown / payments / REPLICAS, note);
    Ok(())
}

fn restart(bench: &mut Workbench) -> Result<()> {
    best_rate(bench)?;
    let accounts = bench.scale.accounts;
    let Some(prepared) = bench.canonical() else { bail!("no cluster is up") };
    let seconds = prepared.cluster.restart_seconds("shard-1")?;
    let payments = prepared.payments;
    let note = format!(
        "{accounts} accounts, {payments:.0} payments; from the kill, the supervisor's wait included"
    );
    bench.figures.set("15", seconds, note);
    bench.close();
    Ok(())
}

fn without_retail_file(_: &Workbench) -> Option<String> {
    let is_there = command::root().join(RETAIL_FILE).is_file();
    (!is_there).then(|| format!("{RETAIL_FILE} is not there"))
}

fn import(bench: &mut Workbench) -> Result<()> {
    let prepared = bench.fresh(CANONICAL)?;
    let mut import = prepared.cluster.tributary();
    import.arg("import").arg(command::root().join(RETAIL_FILE));
    let begin = Instant::now();
    command::run(import.stdout(Stdio::null()))?;
    let seconds = begin.elapsed().as_secs_f64();
    let mut books = prepared.cluster.tributary();
    if let Err(error) = command::run(books.arg("books").stdout(Stdio::null())) {
        bench.figures.unbalanced();
        return Err(error);
    }
    bench.figures.set("17", seconds, "accounts, funding and payments; fresh cluster");
    Ok(())
}

fn few_cores(_: &Workbench) -> Option<String> {
    let cores = machine::cores();
    (cores < CORES_MIN).then(|| format!("needs {CORES_MIN} cores, this machine has {cores}"))
}

fn more_chains(bench: &mut Workbench) -> Result<()> {
    let mut rates = Vec::new();
    for chains in [1, 2, 4, 8] {
        let mut prepared = bench.fresh(Shape { chains, ..CANONICAL })?;
        let title = format!("row 18: {chains} chains");
        let in_flight = (chains + 1).to_string();
        let most = ["--max", "--in-flight", &in_flight, "--connections", "8"];
        let load = bench.load(&title, &most);
        rates.push((chains, bench.drive(&mut prepared, &load)?.rate()));
    }
    let told: Vec<_> =
        rates.iter().map(|(chains, rate)| format!("{chains}: {rate:.0}/s")).collect();
    let (first, last) = (rates[0].1, rates[rates.len() - 1].1);
    bench.figures.set("18", last / first, told.join(", "));
    Ok(())
}

/// CPU per payment of the canonical load, measured now if it was not.
///
/// # Errors
///
/// When the load fails.
pub fn cpu_per_payment(bench: &mut Workbench) -> Result<f64> {
    best_rate(bench)?;
    Ok(bench.figures.value("3").unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_goal_is_measured_by_one_step() {
        for goal in &GOALS {
            let steps = STEPS.iter().filter(|step| step.rows.contains(&goal.key));
            assert_eq!(steps.count(), 1, "{}", goal.key);
        }
    }

    #[test]
    fn only_wanted_rows_are_measured_and_unknown_ones_refused() {
        let rows = |wanted: &[&str], is_quick| {
            let wanted: Vec<String> = wanted.iter().map(|key| (*key).to_owned()).collect();
            chosen(&wanted, is_quick).map(|steps| steps.len())
        };
        assert_eq!(rows(&["3", "11"], true).unwrap(), 2);
        assert_eq!(rows(&[], false).unwrap(), STEPS.len());
        assert!(rows(&[], true).unwrap() < STEPS.len());
        assert!(rows(&["99"], true).is_err());
    }
}
