//! The `tributary` program: run a cluster, import, pay, read, verify.
//!
//! Everything that touches a cluster goes through the client crate. Results go
//! to stdout, logs to stderr; exit code 0 done, 1 refused or failed, 2 usage.

mod arguments;
mod cluster;
mod commands;
mod demo;
mod import;
mod output;
mod sample;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;
use tributary_service::Topology;

use arguments::{Arguments, Command};
use commands::connect;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    match run(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { cluster, output: format, command } = arguments;
    let root = || cluster.clone().context("which cluster? Give --cluster DIR");
    match command {
        Command::Cluster(command) => cluster::run(command, cluster, format).await?,
        Command::Import(arguments) => {
            let root = root()?;
            return import::run(&connect(&root).await?, &root, &arguments, format).await;
        }
        Command::Merchants { settled } => {
            commands::merchants::list(&connect(&root()?).await?, settled, format).await?;
        }
        Command::Merchant { name, proof } => {
            let client = connect(&root()?).await?;
            commands::merchants::show(&client, &name, proof.as_deref(), format).await?;
        }
        Command::Account { name, history } => {
            commands::users::run(&connect(&root()?).await?, &name, history, format).await?;
        }
        Command::Pay { from, to, amount, asset, reference, id } => {
            let order = commands::pay::Order { from, to, amount, asset, reference, id };
            return commands::pay::run(&connect(&root()?).await?, &order, format).await;
        }
        Command::Payment { id, proof } => {
            let client = connect(&root()?).await?;
            return commands::payment::run(&client, id, proof.as_deref(), format).await;
        }
        Command::Chains => {
            let root = root()?;
            let topology = Topology::load(&cluster::layout::Layout::new(&root).topology())?;
            commands::chains::run(&connect(&root).await?, &topology, format).await?;
        }
        Command::Books => commands::books::run(&connect(&root()?).await?, format).await?,
        Command::Verify { proof, genesis } => verify(&proof, genesis, cluster)?,
        Command::Sample { payments, seed } => {
            let parameters =
                sample::SampleParameters { payments, seed, ..sample::SampleParameters::default() };
            sample::write_csv(&parameters, &mut std::io::stdout().lock())?;
        }
        Command::Demo { once } => demo::run(once).await?,
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "tributary", &mut std::io::stdout());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(
    proof: &std::path::Path,
    genesis: Option<PathBuf>,
    cluster: Option<PathBuf>,
) -> Result<()> {
    let genesis = match (genesis, cluster) {
        (Some(genesis), _) => genesis,
        (None, Some(root)) => cluster::layout::Layout::new(&root).genesis(),
        (None, None) => anyhow::bail!("against which genesis? Give --genesis or --cluster"),
    };
    commands::verify::run(proof, &genesis)
}
