//! The load generator: drives a cluster that is up, through the client and
//! nothing else, and says what it measured.
//!
//! ```text
//! arguments → setup (accounts, money) → drive (requests, latency)  → result
//!                                       lag, probe   (beside)
//! ```
//!
//! Results go to stdout, progress to stderr. Exit code 0: measured and the
//! books balance. 1: something failed or a penny is missing. 2: usage.

mod arguments;
mod drive;
mod driven;
mod lag;
mod probe;
mod result;
mod setup;
mod usage;
mod workload;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tracing_subscriber::EnvFilter;
use tributary_client::{Client, ClientConfig};
use tributary_service::runtime;

use arguments::{Arguments, Setup};
use drive::drive;
use lag::SettlementProbes;
use probe::Probes;
use result::{Beside, LoadResult};

/// As in the router: many small pieces of memory at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Longest that one request is repeated, and that settlement is waited for at
/// the end.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let runtime = runtime::builder().build().context("starting threads");
    match runtime.and_then(|runtime| runtime.block_on(run(&arguments))) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<ExitCode> {
    arguments.check()?;
    let file = arguments.cluster.join("client.toml");
    let mut clients = Vec::new();
    for _ in 0..arguments.connections {
        let client = Client::connect(ClientConfig::load(&file)?).await?;
        clients.push(client.with_deadline(ANSWER_WAIT));
    }
    let first = clients.first().context("no connection")?.clone();
    let parties = Arc::new(setup::open(&clients, arguments).await?);
    if arguments.setup == Setup::Only {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("driving for {} s", arguments.duration_seconds);
    let lag = SettlementProbes::start(&first, arguments.lag_probes);
    let probes = arguments.probe_interval_ms.map(|interval_ms| {
        let interval = Duration::from_millis(interval_ms);
        Probes::start(first.clone(), interval, Arc::clone(&parties))
    });
    let driven = drive(clients, &parties, arguments).await?;
    let mut beside = Beside { lags_seconds: lag.stop().await?, ..Beside::default() };
    if let Some(probes) = probes {
        beside.probes = probes.stop().await?;
    }
    eprintln!("waiting for settlement, then checking the books");
    first.settled().await?;
    let books = first.books().await;
    let result = LoadResult::of(arguments, &driven, &beside, books.is_ok());
    result.show(arguments.json.as_deref())?;
    let summary = books.context("the books do not balance")?;
    eprintln!("the books of {} assets balance", summary.assets.len());
    Ok(ExitCode::SUCCESS)
}
