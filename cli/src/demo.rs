//! `demo`: a cluster, the sample payments, balances and books, in one command.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tributary_client::Client;

use crate::arguments::{ImportArguments, UpArguments};
use crate::cluster;
use crate::commands::{books, chains, connect, merchants};
use crate::import::plan::Opening;
use crate::output::Format;
use crate::sample::{SampleParameters, write_csv};

/// Runs the demo; stays up until Ctrl-C unless `once`.
///
/// # Errors
/// If anything is not as it should be; the cluster is stopped first.
pub async fn run(once: bool) -> Result<()> {
    let start = Instant::now();
    let directory = tempfile::Builder::new().prefix("tributary-demo-").tempdir()?;
    let root = directory.path().join("cluster");
    let arguments = UpArguments {
        dir: Some(root.clone()),
        chains: 3,
        replicas: 3,
        relays: 2,
        settlement_interval: Duration::from_millis(200),
        no_shortcuts: false,
    };
    println!("Starting 3 user chains and the HF chain, 3 replicas each, in {}", root.display());
    let outcome = tokio::select! {
        outcome = play(&root, &arguments, start) => outcome,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    if outcome.is_ok() && !once {
        invite(&root)?;
        tokio::signal::ctrl_c().await?;
        println!("\nStopping.");
    }
    let stopped = if root.exists() { cluster::down(&root).await } else { Ok(()) };
    outcome.and(stopped)
}

async fn play(root: &Path, arguments: &UpArguments, start: Instant) -> Result<()> {
    cluster::up(root, arguments).await?;
    println!("Up after {:.1} s. Importing the sample.\n", start.elapsed().as_secs_f64());
    let file = root.join("sample.csv");
    let mut out = std::fs::File::create(&file).context("cannot write the sample")?;
    write_csv(&SampleParameters::default(), &mut out)?;
    let client = connect(root).await?;
    let import = ImportArguments {
        file,
        opening_customers: Opening::Auto,
        opening_merchants: Opening::Auto,
        skip_bad: None,
    };
    let code = crate::import::run(&client, root, &import, Format::Table).await?;
    if code != std::process::ExitCode::SUCCESS {
        bail!("a payment of the sample was refused");
    }
    println!("\nBalances after settlement:\n");
    merchants::list(&client, true, Format::Table).await?;
    println!();
    books::run(&client, Format::Table).await?;
    println!();
    show_chains(&client, root).await?;
    println!("\nAll of it in {:.1} s.", start.elapsed().as_secs_f64());
    Ok(())
}

async fn show_chains(client: &Client, root: &Path) -> Result<()> {
    let layout = cluster::layout::Layout::new(root);
    let topology = tributary_service::Topology::load(&layout.topology())?;
    chains::run(client, &topology, Format::Table).await
}

/// Says what to try next, in words that work in a terminal that knows nothing.
fn invite(root: &Path) -> Result<()> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let programs = program.parent().unwrap_or(&program).display();
    let root = root.display();
    println!(
        "\nThe cluster stays up until Ctrl-C. In another terminal:\n\n  \
         export PATH=\"{programs}:$PATH\" TRIBUTARY_CLUSTER={root}\n  \
         tributary cluster status\n  \
         tributary merchant m1\n  \
         tributary pay issuer c1 1000\n  \
         tributary pay c1 m1 250\n  \
         tributary pay m1 c1 50\n  \
         tributary merchants --settled\n  \
         tributary books\n\n\
         Configuration, keys and logs are in {root}."
    );
    Ok(())
}
