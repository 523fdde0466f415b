//! Chaos: a cluster of real processes under load while things break, and a
//! proof from what clients saw that nothing was lost, doubled or reordered.
//!
//! ```text
//! chaos [--minutes M | --seconds S] [--seed N] [--shortcuts]
//!
//!  payers and readers ──▶ history ──▶ checker ──▶ violations
//!         │                  ▲
//!     processes ◀── nemesis  └── what the cluster says when it is over
//! ```
//!
//! The seed chooses faults and payments; when exactly they meet, the machine
//! decides, so a seed repeats the kind of a run, not the run. `sim` is what
//! replays. See [`checker`] for the rules and [`faults`] for what breaks.

mod checker;
mod history;

mod clocks;
mod cluster;
mod cuts;
mod ending;
mod faults;
mod nemesis;
mod packets;
mod system;
mod workload;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use tributary_client::{Client, ClientConfig};

use checker::Violation;
use cluster::Cluster;
use faults::Fault;
use history::{Answer, FaultCount, History};
use nemesis::Nemesis;
use system::Network;
use workload::{Log, Parties};

/// Connections that clients share.
const CONNECTIONS: usize = 4;
/// The node whose disk can be full, and how large it is.
const CONFINED_NODE: &str = "shard-3";
const CONFINED_MIB: u32 = 1_024;
/// How long a cluster without faults may take until it answers again.
const HEALED_WITHIN: Duration = Duration::from_secs(60);
/// Violations that are printed; `chaos.txt` of a kept cluster has them all.
const SHOWN_MAX: usize = 20;

/// Breaks things in a cluster under load and checks what its clients saw.
#[derive(Debug, Parser)]
#[command(name = "chaos")]
struct Arguments {
    /// Minutes of faults.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Seconds of faults, instead of minutes.
    #[arg(long)]
    seconds: Option<f64>,
    /// Chooses faults and payments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Processes speak by UNIX sockets, so that no packets can be lost.
    #[arg(long)]
    shortcuts: bool,
    /// Where the programs are; by default beside this one.
    #[arg(long)]
    programs: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let network = system::isolate();
    match run(&arguments, network) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Number of violations.
fn run(arguments: &Arguments, network: Option<Network>) -> Result<usize> {
    let own = std::env::current_exe()?;
    let beside = own.parent().context("this program lies in a folder")?.to_owned();
    let programs = arguments.programs.as_ref().unwrap_or(&beside);
    let has_shortcuts = arguments.shortcuts || network.is_none();
    let mut cluster = Cluster::up(programs, has_shortcuts)?;
    if network.is_some() {
        cluster.stop()?;
        if let Err(error) = cluster.confine(CONFINED_NODE, CONFINED_MIB) {
            eprintln!("no full disks: {error:#}");
        }
        cluster.start()?;
    }
    let outcome = disturb(&cluster, arguments, network.filter(|_| !has_shortcuts));
    if !matches!(outcome, Ok(0)) {
        eprintln!(
            "{}\nkept for whoever looks into it: {}",
            cluster.logs(),
            cluster.keep().display()
        );
    }
    outcome
}

fn disturb(cluster: &Cluster, arguments: &Arguments, network: Option<Network>) -> Result<usize> {
    let seconds = arguments.seconds.unwrap_or(arguments.minutes * 60.0);
    let (length, begin) = (Duration::from_secs_f64(seconds), Instant::now());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (clients, parties) = runtime.block_on(prepare(cluster))?;
    let log = Arc::new(Log::new());
    let mut tasks = {
        let _inside = runtime.enter();
        workload::start(&clients, &parties, &log, arguments.seed)
    };
    let is_over = AtomicBool::new(false);
    let mut nemesis = Nemesis::new(cluster, arguments.seed, network, &is_over);
    std::thread::scope(|scope| {
        let working = scope.spawn(|| nemesis.run());
        let deadline = Instant::now() + length;
        while let Some(left) = deadline.checked_duration_since(Instant::now()) {
            std::thread::park_timeout(left);
        }
        is_over.store(true, Ordering::Relaxed);
        working.thread().unpark();
    });
    log.stop.store(true, Ordering::Relaxed);
    cluster.start().context("the cluster does not recover")?;
    let mut history = runtime.block_on(async {
        while tasks.join_next().await.is_some() {}
        std::mem::take(&mut *log.history.lock().unwrap_or_else(PoisonError::into_inner))
    });
    let client = clients[0].with_deadline(HEALED_WITHIN);
    let concluded = runtime.block_on(ending::conclude(&client, &parties, &mut history));
    history.faults = nemesis.counts(length);
    report(arguments.seed, &history, &nemesis, begin.elapsed());
    let violations = match &concluded {
        Ok(()) => checker::check(&history),
        Err(_) => Vec::new(),
    };
    for violation in violations.iter().take(SHOWN_MAX) {
        println!("violated: {violation}");
    }
    if concluded.is_err() || !violations.is_empty() {
        record(&cluster.directory(), &history, &violations)?;
    }
    concluded?;
    println!("violations: {}", violations.len());
    Ok(violations.len())
}

/// Writes what clients saw, and every violation, beside a cluster that is kept.
fn record(directory: &Path, history: &History, violations: &[Violation]) -> Result<()> {
    let mut file = BufWriter::new(File::create(directory.join("chaos.txt"))?);
    for violation in violations {
        writeln!(file, "violated: {violation}")?;
    }
    for submission in &history.submissions {
        writeln!(file, "{submission:?}")?;
    }
    for read in &history.reads {
        writeln!(file, "{read:?}")?;
    }
    Ok(file.flush()?)
}

async fn prepare(cluster: &Cluster) -> Result<(Vec<Client>, Parties)> {
    let path = cluster.directory().join("client.toml");
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(ClientConfig::load(&path)?).await?);
    }
    let parties = Parties::open(&clients[0]).await?;
    Ok((clients, parties))
}

fn report(seed: u64, history: &History, nemesis: &Nemesis<'_>, took: Duration) {
    let answered = |wanted: fn(&Answer) -> bool| {
        history.submissions.iter().filter(|one| wanted(&one.answer)).count()
    };
    let committed =
        history.fates.values().filter(|fate| matches!(fate, history::Fate::Committed(_))).count();
    println!("seed: {seed}");
    println!("seconds: {:.0}", took.as_secs_f64());
    println!("faults: {}", history.faults_struck());
    for FaultCount { kind, struck, .. } in &history.faults {
        println!("  {kind}: {struck}");
    }
    let left_out: Vec<_> = nemesis.left_out().iter().map(Fault::to_string).collect();
    println!("left out: {}", left_out.join(", "));
    println!("submissions: {}", history.submissions.len());
    println!("ids: {}, committed in the end: {committed}", history.fates.len());
    println!("acknowledged at once: {}", answered(|answer| matches!(answer, Answer::Committed(_))));
    println!("payments acknowledged: {}", history.payments_acknowledged());
    println!("pending at first: {}", answered(|answer| *answer == Answer::Pending));
    println!("refused: {}", answered(|answer| matches!(answer, Answer::Refused(_))));
    println!("without an answer: {}", answered(|answer| matches!(answer, Answer::Unanswered(_))));
    println!("reads: {}", history.reads.len());
}
