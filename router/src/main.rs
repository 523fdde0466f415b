//! The `router` binary: configuration in, a served institution out.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use tributary_ledger::genesis::Genesis;
use tributary_router::{Parts, Router, RouterSettings};
use tributary_service::args::exit;
use tributary_service::observe::Observer;
use tributary_service::shutdown::stop_signal;
use tributary_service::{ServiceArgs, Supervisor, Topology, keys, runtime, settings, telemetry};
use tributary_transport::{Credentials, Shortcuts};

/// A payment alone is a dozen small pieces of memory for some milliseconds, a
/// thousand at once: in the system's allocator they were a fifth of the work
/// (docs/PERFORMANCE.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Takes payments from an institution's front-ends to their chains.
#[derive(Debug, Parser)]
#[command(name = "router", version)]
struct Arguments {
    #[command(flatten)]
    service: ServiceArgs,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse().service;
    exit("router", run(&arguments).map_err(|error| format!("{error:#}")))
}

fn run(arguments: &ServiceArgs) -> anyhow::Result<()> {
    telemetry::install_logs()?;
    let settings: RouterSettings = settings::load(arguments)?;
    let (parts, http) = read_files(&settings)?;
    if arguments.check {
        return Ok(());
    }
    settings::log_effective(&settings);
    let runtime = runtime::builder().build()?;
    runtime.block_on(serve(parts, http))
}

/// Reads every file that the configuration names.
fn read_files(settings: &RouterSettings) -> anyhow::Result<(Parts, SocketAddr)> {
    let topology = Topology::load(&settings.topology)?;
    let entry = topology
        .router(&settings.name)
        .with_context(|| format!("the topology has no router named {}", settings.name))?;
    anyhow::ensure!(
        entry.institution == settings.institution,
        "router {} serves institution {} by the topology, {} by the configuration",
        settings.name,
        entry.institution,
        settings.institution
    );
    let (listen, http) =
        (settings.listen.unwrap_or(entry.address), settings.http.unwrap_or(entry.http));
    let tls = &settings.tls;
    let parts = Parts {
        institution: settings.institution,
        key: keys::read_signing_key(&settings.signing_key)?,
        credentials: Credentials::load(&tls.ca, &tls.certificate, &tls.key)?,
        genesis: read_genesis(&settings.genesis)?,
        topology,
        listen,
        shortcuts: Shortcuts::offered_if(settings.shortcuts),
        limits: settings.limits,
    };
    Ok((parts, http))
}

fn read_genesis(path: &Path) -> anyhow::Result<Genesis> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("genesis {shown}"))?;
    let genesis: Genesis =
        serde_json::from_str(&text).with_context(|| format!("genesis {shown}"))?;
    genesis.validate().with_context(|| format!("genesis {shown}"))?;
    Ok(genesis)
}

/// Serves until a signal or the death of a part.
async fn serve(parts: Parts, http: SocketAddr) -> anyhow::Result<()> {
    let metrics = telemetry::install_metrics()?;
    let observer = Observer::bind(http).await?;
    let (supervisor, mut deaths) = Supervisor::new();
    let router = Router::start(parts, &supervisor)?;
    let handler = Arc::clone(router.handler());
    let readiness = Arc::new(move || handler.missing());
    supervisor.task("http", observer.serve(readiness, Some(metrics)));
    tracing::info!(address = %router.address(), "listening");
    tokio::select! {
        signal = stop_signal() => {
            tracing::info!(signal = signal?, "stopping");
            router.stop().await;
            Ok(())
        }
        death = deaths.first() => Err(death.into()),
    }
}
