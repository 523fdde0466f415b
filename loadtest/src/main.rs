//! The load generator: drives a cluster that is up, through the client and
//! nothing else, and says what it measured.
//!
//! ```text
//! arguments → setup (accounts, money) → drive (requests, latency)  → result
//!                                       lag   (settlement, beside)
//! ```
//!
//! Results go to stdout, progress to stderr. Exit code 0: measured and the
//! books balance. 1: something failed or a penny is missing. 2: usage.

mod arguments;
mod drive;
mod lag;
mod result;
mod setup;
mod workload;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tracing_subscriber::EnvFilter;
use tributary_client::{Client, ClientConfig};

use arguments::Arguments;
use drive::drive;
use lag::SettlementProbe;
use result::LoadResult;

/// Longest that one request is repeated, and that settlement is waited for at
/// the end.
const ANSWER_WAIT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(&Arguments::parse()).await {
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
    let parties = setup::open(&clients, arguments).await?;
    eprintln!("driving for {} s", arguments.duration_seconds);
    let probe = SettlementProbe::start(first.clone());
    let driven = drive(clients, &parties, arguments).await?;
    let lag = probe.stop().await?;
    eprintln!("waiting for settlement, then checking the books");
    first.settled().await?;
    let books = first.books().await;
    let result = LoadResult::of(arguments, &driven, &lag, books.is_ok());
    result.show(arguments.json.as_deref())?;
    let summary = books.context("the books do not balance")?;
    eprintln!("the books of {} assets balance", summary.assets.len());
    Ok(ExitCode::SUCCESS)
}
